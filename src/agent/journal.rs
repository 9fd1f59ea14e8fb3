//! What is known of a lease and what the server does not know yet, on the disk of the agent: it outlives the server's absence and
//! the agent's own death.
//!
//! A folder for a lease: `lease.json` (before anything is begun), `log.jsonl` (a line of the log each), `jobs.jsonl` (which job
//! was begun as which process group, and how each ended), `files.jsonl` with the files `file-0`, `file-1`, … that have not been
//! sent, `release.json` if it is given back, and `acknowledged`, the number of lines that the server is known to have.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::agent::group::Leader;
use crate::domain::agent::{Lease, Line, LogLimits, LogStream};
use crate::domain::definition::{How, JobEnd};
use crate::domain::run::RunRequest;

/// What the last line of a log that is cut off takes, at most.
const LAST_WORDS: u64 = 200;

/// The most bytes of a line of a file of ours: a line of a log at its longest, each byte escaped.
const LONGEST: u64 = 1 << 20;

/// What is kept of a lease.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    lease: Lease,
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    log: File,
    jobs: File,
    files: File,
    lines: u64,
    bytes: u64,
    is_cut: bool,
    ends: Vec<JobEnd>,
    kept: Vec<Kept>,
    /// How many files there were, those that were sent among them.
    numbers: u64,
    over: Option<Over>,
    /// The first write that failed.
    failed: Option<String>,
}

/// What is to be told of a lease at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// How its jobs ended.
    Results,
    /// That it is given back, for this reason.
    Released(String),
}

/// A file of a job that the server does not have yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) job: String,
    /// Relative to the job's folder.
    pub(super) path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told {
    Began { job: String, at: DateTime<Utc>, leader: Option<Leader> },
    Ended(JobEnd),
}

#[derive(Serialize, Deserialize)]
struct Released {
    reason: String,
}

/// How far somebody has read the log: the number of the next line, and where it stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    offset: u64,
}

impl Journal {
    /// Begins the journal of a lease, in a folder of its own below this one.
    pub(super) fn begin(below: &Path, lease: Lease) -> io::Result<Self> {
        let folder = below.join(lease.id.to_string());
        if folder.exists() {
            // Somebody who answers the same lease anew has not taken what was told of it.
            std::fs::remove_dir_all(&folder)?;
        }
        DirBuilder::new().mode(0o700).create(&folder)?;
        write(&folder, "lease.json", &lease)?;
        sync(below)?;
        Self::open(folder, lease)
    }

    /// The journal that an earlier life of the agent left in this folder; nothing if it never began.
    pub(super) fn recover(folder: PathBuf) -> io::Result<Option<Self>> {
        match read(&folder.join("lease.json"))? {
            Some(lease) => Self::open(folder, lease).map(Some),
            None => std::fs::remove_dir_all(folder).map(|()| None),
        }
    }

    fn open(folder: PathBuf, lease: Lease) -> io::Result<Self> {
        let (mut lines, mut bytes) = (0_u64, 0_u64);
        let mut is_cut = false;
        let log = lines_of(&folder.join("log.jsonl"), |line: Line| {
            lines += 1;
            bytes = bytes.saturating_add(size(&line));
            is_cut |= line.job.is_none() && line.text.starts_with(CUT);
        })?;
        let (mut ends, mut kept) = (Vec::new(), Vec::new());
        let jobs = lines_of(&folder.join("jobs.jsonl"), |told: Told| {
            if let Told::Ended(end) = told {
                ends.push(end);
            }
        })?;
        let mut numbers = 0;
        let files = lines_of(&folder.join("files.jsonl"), |file: Kept| {
            numbers = numbers.max(file.number.saturating_add(1));
            if folder.join(file.name()).exists() {
                kept.push(file);
            }
        })?;
        let over = read::<Released>(&folder.join("release.json"))?.map(|Released { reason }| Over::Released(reason));
        let state = State { log, jobs, files, lines, bytes, is_cut, ends, kept, numbers, over, failed: None };
        Ok(Self { folder, lease, state: Mutex::new(state), changes: watch::Sender::new(()) })
    }

    /// The lease.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Says something in the log, of a job or of them all.
    pub fn note(&self, at: DateTime<Utc>, job: Option<&str>, text: &str) {
        self.log([Line {
            at,
            job: job.map(str::to_owned),
            stream: LogStream::Note,
            text: text.replace(['\n', '\0'], " "),
        }]);
    }

    /// Writes lines into the log. What is more than the lease takes is left out, and a last line says so.
    pub fn log(&self, lines: impl IntoIterator<Item = Line>) {
        let mut state = self.state();
        let mut text = Vec::new();
        for line in lines {
            if state.is_cut {
                break;
            }
            let LogLimits { max_bytes, max_lines } = self.lease.log;
            let line = if state.bytes.saturating_add(size(&line)) > max_bytes.saturating_sub(LAST_WORDS)
                || state.lines.saturating_add(1) >= max_lines
            {
                state.is_cut = true;
                let text = format!("{CUT}{max_bytes} bytes or {max_lines} lines: the rest is not kept");
                Line { at: line.at, job: None, stream: LogStream::Note, text }
            } else {
                line
            };
            match serde_json::to_writer(&mut text, &line) {
                Ok(()) => text.push(b'\n'),
                Err(error) => tracing::error!(%error, "a line of a log could not be written down"),
            }
            state.bytes = state.bytes.saturating_add(size(&line));
            state.lines = state.lines.saturating_add(1);
        }
        // The writes are small and go to a file of this machine: nobody waits for long.
        if let Err(error) = state.log.write_all(&text) {
            // Half a line must not be read as one, and what was counted must be there.
            state.is_cut = true;
            state.fail("the log", &error);
            drop(state);
            self.recount();
        } else {
            drop(state);
        }
        self.changes.send_replace(());
    }

    /// After a failed write: cuts off what is no whole line, and counts what is there.
    fn recount(&self) {
        let mut state = self.state();
        let (mut lines, mut bytes) = (0, 0);
        match lines_of(&self.folder.join("log.jsonl"), |line: Line| {
            lines += 1;
            bytes += size(&line);
        }) {
            Ok(log) => (state.log, state.lines, state.bytes) = (log, lines, bytes),
            Err(error) => state.fail("the log", &error),
        }
    }

    /// A job was begun, as the leader of this process group: if we die, it is stopped by who comes after us.
    pub fn began(&self, job: &str, at: DateTime<Utc>, leader: Option<Leader>) {
        self.tell(&Told::Began { job: job.to_owned(), at, leader }, false);
    }

    /// A job ended. What it printed is on the disk before that is.
    pub fn ended(&self, end: JobEnd) {
        let synced = self.state().log.sync_data();
        if let Err(error) = synced {
            self.state().fail("the log", &error);
        }
        self.tell(&Told::Ended(end.clone()), true);
        // What could not be written down is still told, as long as we live.
        self.state().ends.push(end);
        self.changes.send_replace(());
    }

    fn tell(&self, told: &Told, is_final: bool) {
        let mut state = self.state();
        let line = serde_json::to_vec(told).map(|mut line| {
            line.push(b'\n');
            line
        });
        let written = line.map_err(io::Error::from).and_then(|line| state.jobs.write_all(&line));
        let written = written.and_then(|()| if is_final { state.jobs.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            state.fail("how a job ended", &error);
        }
    }

    /// Takes over a file of a job: `take` moves it to the place that it is given.
    pub(super) fn keep(&self, job: &str, path: &str, take: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state();
        let file = Kept { number: state.numbers, job: job.to_owned(), path: path.to_owned() };
        take(&self.folder.join(file.name()))?;
        state.numbers = state.numbers.saturating_add(1);
        let mut line = serde_json::to_vec(&file)?;
        line.push(b'\n');
        state.files.write_all(&line)?;
        state.files.sync_data()?;
        state.kept.push(file);
        drop(state);
        self.changes.send_replace(());
        Ok(())
    }

    /// All that will be known of the lease is known.
    pub fn close(&self, over: Over) {
        if let Over::Released(reason) = &over
            && let Err(error) = write(&self.folder, "release.json", &Released { reason: reason.clone() })
        {
            self.state().fail("that a lease is given back", &error);
        }
        self.state().over = Some(over);
        self.changes.send_replace(());
    }

    /// The jobs that have not ended are ended: as not run, for this reason.
    pub fn end_the_rest(&self, reason: &str) {
        let ended: Vec<String> = self.state().ends.iter().map(|end| end.job.clone()).collect();
        if let RunRequest::Jobs(request) = &self.lease.request {
            for definition in request.jobs.iter().filter(|definition| !ended.contains(&definition.job)) {
                let how = How::NotRun { message: reason.to_owned() };
                self.ended(JobEnd { job: definition.job.clone(), how, started_at: None, duration_s: None });
            }
        }
    }

    /// The process groups of jobs that were begun and have no end.
    pub(super) fn unended(&self) -> io::Result<Vec<(String, Option<Leader>)>> {
        let mut begun = Vec::new();
        lines_of(&self.folder.join("jobs.jsonl"), |told: Told| match told {
            Told::Began { job, leader, .. } => begun.push((job, leader)),
            Told::Ended(end) => begun.retain(|(job, _)| *job != end.job),
        })?;
        Ok(begun)
    }

    /// The first write that failed, in words.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// Whether any job has ended.
    pub(super) fn has_ends(&self) -> bool {
        !self.state().ends.is_empty()
    }

    pub(super) fn ends(&self) -> Vec<JobEnd> {
        self.state().ends.clone()
    }

    pub(super) fn over(&self) -> Option<Over> {
        self.state().over.clone()
    }

    /// Tells when anything was added.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The lines from there on, of so many bytes of JSON about, and the place behind them.
    pub(super) fn lines(&self, from: Place, most: u64, count: usize) -> io::Result<(Vec<Line>, Place)> {
        let (mut lines, mut place) = (Vec::new(), from);
        if self.state().lines <= from.line {
            return Ok((lines, place));
        }
        let mut file = File::open(self.folder.join("log.jsonl"))?;
        file.seek(SeekFrom::Start(from.offset))?;
        let mut reader = BufReader::new(file);
        let mut text = Vec::new();
        while place.offset - from.offset < most && lines.len() < count {
            text.clear();
            let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut text)?;
            // One that is just being written has no end yet.
            if text.last() != Some(&b'\n') {
                break;
            }
            lines.push(serde_json::from_slice(&text)?);
            place = Place { line: place.line + 1, offset: place.offset + read as u64 };
        }
        Ok((lines, place))
    }

    /// Where the line of this number stands, or the end, if there are not as many.
    pub(super) fn place(&self, line: u64) -> io::Result<Place> {
        let mut place = Place::default();
        let mut reader = BufReader::new(File::open(self.folder.join("log.jsonl"))?);
        let mut text = Vec::new();
        while place.line < line {
            text.clear();
            let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut text)?;
            if text.last() != Some(&b'\n') {
                break;
            }
            place = Place { line: place.line + 1, offset: place.offset + read as u64 };
        }
        Ok(place)
    }

    /// The first line that the server is not known to have.
    pub(super) fn first_unacknowledged(&self) -> io::Result<Place> {
        self.place(read(&self.folder.join("acknowledged"))?.unwrap_or(0))
    }

    /// Remembers that the server has all lines before this one. If that is forgotten, some are sent again.
    pub(super) fn acknowledge(&self, line: u64) {
        if let Err(error) = std::fs::write(self.folder.join("acknowledged"), line.to_string()) {
            tracing::debug!(%error, "how far the log was sent could not be written down");
        }
    }

    /// The file that is to be sent next, and where it lies.
    pub(super) fn next_file(&self) -> Option<(Kept, PathBuf)> {
        self.state().kept.first().map(|file| (file.clone(), self.folder.join(file.name())))
    }

    /// The server has this file, or never will.
    pub(super) fn forget_file(&self, number: u64) {
        let mut state = self.state();
        state.kept.retain(|file| file.number != number);
        if let Err(error) = std::fs::remove_file(self.folder.join(format!("file-{number}"))) {
            tracing::warn!(%error, "a file that was sent could not be removed");
        }
    }

    /// All was told: nothing is kept any more.
    pub(super) fn remove(&self) -> io::Result<()> {
        // Without its lease it is no journal: half of one that is being removed is not sent again.
        std::fs::remove_file(self.folder.join("lease.json"))?;
        std::fs::remove_dir_all(&self.folder)
    }

    /// Moves it out of the way, for people to look at.
    pub(super) fn set_aside(&self, into: &Path) -> io::Result<()> {
        std::fs::rename(&self.folder, into.join(self.lease.id.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the last line of a log begins that is cut off.
const CUT: &str = "the log is longer than ";

impl State {
    fn fail(&mut self, what: &str, error: &io::Error) {
        if self.failed.is_none() {
            tracing::error!(%error, "{what} could not be written down");
            self.failed = Some(format!("{what} could not be written down: {error}"));
        }
    }
}

impl Kept {
    fn name(&self) -> String {
        format!("file-{}", self.number)
    }
}

/// What a line counts for the limit.
fn size(line: &Line) -> u64 {
    (line.text.len() as u64).saturating_add(1)
}

/// Reads a file of lines of JSON, if there is one, and opens it for more. What is no whole line at its end is cut off: a crash
/// left it.
fn lines_of<T: for<'de> Deserialize<'de>>(path: &Path, mut each: impl FnMut(T)) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut reader = BufReader::new(&file);
    let (mut text, mut whole) = (Vec::new(), 0_u64);
    loop {
        text.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            break;
        }
        match serde_json::from_slice(&text) {
            Ok(value) => each(value),
            Err(_) => break,
        }
        whole += read as u64;
    }
    if file.metadata()?.len() > whole {
        file.set_len(whole)?;
    }
    Ok(file)
}

/// Reads a file of JSON; nothing if there is none.
pub(super) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file that only we may read: aside, forced to the disk, and renamed. No crash leaves half of it.
pub(super) fn write(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let aside = folder.join(format!("{name}.part"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    std::fs::rename(&aside, folder.join(name))?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
