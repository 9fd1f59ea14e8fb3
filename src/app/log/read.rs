//! Logs as they are read: pages of lines, the text, what a job wrote.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::app::{App, AppError, Result};
use crate::domain::log::chunk::Chunk;
use crate::domain::log::{Line, LogStream, Numbered, Wanted};
use crate::ids::RunId;
use crate::store::log::{Log, Stored};
use crate::store::run::Run;
use crate::store::{self, Conn};

/// How many chunks are read at once, where all of their lines are wanted and where few may be.
const FEW: u32 = 2;
const MANY: u32 = 16;

/// How many chunks are looked at for one page.
const MOST_CHUNKS: usize = 320;

/// How many bytes of lines a page has at most, unless its first line alone has more.
pub(super) const PAGE_BYTES: u64 = 1 << 20;

/// Some lines of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// The log.
    pub log: Log,
    /// The lines, in their order.
    pub lines: Vec<Numbered>,
    /// The number of the line to go on from; `None` if nothing more is there yet.
    pub next: Option<u64>,
}

/// The run, and its log if it has one.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such run.
pub async fn run_and_log(conn: &mut Conn<'_>, run: RunId) -> Result<(Run, Option<Log>)> {
    let found = store::run::by_id(conn, run).await?;
    let found = found.ok_or_else(|| AppError::NotFound { what: "run", id: run.to_string() })?;
    // After the run: of one that is over, what is read then is all there will be.
    Ok((found, store::log::get(conn, run).await?))
}

/// The log of a run.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such run; [`AppError::NoLog`] if it has no log here.
pub async fn find(conn: &mut Conn<'_>, run: RunId) -> Result<Log> {
    let (found, log) = run_and_log(conn, run).await?;
    match log {
        Some(log) => Ok(log),
        None => Err(no_log(conn, &found).await?),
    }
}

/// Why a run has no log here, and where else one is.
async fn no_log(conn: &mut Conn<'_>, run: &Run) -> Result<AppError> {
    let of_build = run.observation.as_ref().and_then(|observation| observation.build.as_ref());
    let log_url = match of_build.and_then(|build| build.log_url.clone()) {
        Some(url) => Some(url),
        None => store::result::log_url(conn, run.id).await?,
    };
    let (id, runner) = (run.id, &run.runner);
    let words = match (&log_url, run.state.is_over()) {
        (Some(_), _) => format!("the run `{id}` has no log here: its runner `{runner}` keeps it, see `log_url`"),
        (None, true) => format!("the run `{id}` is over, and nothing was written to a log of it here"),
        (None, false) => format!(
            "nothing has been written to a log of the run `{id}` yet, which is {}; `follow` waits for it",
            run.state
        ),
    };
    Ok(AppError::NoLog { words, log_url })
}

/// Up to `limit` lines, from the number `from` on. There may be fewer, and even none, although there are more: lines that are
/// not wanted are looked through in stretches.
///
/// # Errors
/// As [`find`].
pub async fn page(app: &App, run: RunId, wanted: &Wanted, from: u64, limit: usize) -> Result<Lines> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let log = find(conn, run).await?;
    lines(conn, run, log, wanted, from, limit).await
}

/// As [`page`], of a log that was found.
pub(super) async fn lines(
    conn: &mut Conn<'_>,
    run: RunId,
    log: Log,
    wanted: &Wanted,
    from: u64,
    limit: usize,
) -> Result<Lines> {
    let end = log.length().lines;
    let (mut found, mut bytes, mut at, mut looked_at) = (Vec::new(), 0, from, 0);
    let at_once = if wanted.is_all() { FEW } else { MANY };
    while at < end && looked_at < MOST_CHUNKS {
        let chunks = store::log::from_line(conn, run, at, at_once).await?;
        if chunks.is_empty() {
            break;
        }
        looked_at += chunks.len();
        for chunk in chunks {
            for line in chunk.unpack()?.numbered().filter(|line| (from..end).contains(&line.number)) {
                let number = line.number;
                if wanted.wants(&line.line) {
                    bytes += line.line.bytes();
                    if found.len() >= limit || (bytes > PAGE_BYTES && !found.is_empty()) {
                        return Ok(Lines { log, lines: found, next: Some(number) });
                    }
                    found.push(line);
                }
                at = number + 1;
            }
        }
    }
    Ok(Lines { log, lines: found, next: (at < end).then_some(at) })
}

/// The last lines, `count` at most, looked for from the end on.
///
/// # Errors
/// As [`find`].
pub async fn last(app: &App, run: RunId, wanted: &Wanted, count: usize) -> Result<Lines> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let log = find(conn, run).await?;
    let end = log.length().lines;
    let (mut found, mut bytes, mut before, mut looked_at) = (VecDeque::new(), 0, end, 0);
    let at_once = if wanted.is_all() { FEW } else { MANY };
    'all: while before > 0 && looked_at < MOST_CHUNKS {
        let chunks = store::log::before(conn, run, before, at_once).await?;
        if chunks.is_empty() {
            break;
        }
        looked_at += chunks.len();
        for chunk in chunks {
            before = chunk.first_line();
            let wanted = chunk.unpack()?.numbered().rev().filter(|it| it.number < end && wanted.wants(&it.line));
            for line in wanted {
                bytes += line.line.bytes();
                if found.len() >= count || (bytes > PAGE_BYTES && !found.is_empty()) {
                    break 'all;
                }
                found.push_front(line);
            }
        }
    }
    Ok(Lines { log, lines: found.into(), next: None })
}

/// The log's text, as far as it lies in this range, piece by piece. What was written once never moves, so that no connection
/// and no lock is held between the pieces.
pub fn text(app: &App, run: RunId, range: Range<u64>) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    stream::try_unfold((app.clone(), range), move |(app, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let chunks = {
            let mut db = app.read().await?;
            store::log::from_byte(&mut db.conn(), run, range.start, FEW).await?
        };
        let (mut text, mut at) = (Vec::new(), range.start);
        for chunk in &chunks {
            let chunk = chunk.unpack()?;
            let part = chunk.text();
            let place = |byte: u64| usize::try_from(byte.saturating_sub(chunk.first_byte)).unwrap_or(usize::MAX);
            let part = part.as_bytes().get(place(at)..place(range.end).min(part.len())).unwrap_or_default();
            text.extend_from_slice(part);
            at += u64::try_from(part.len()).unwrap_or_default();
        }
        if text.is_empty() {
            return Err(AppError::Unavailable(format!("the log of the run {run} has no byte {at}")));
        }
        Ok(Some((Bytes::from(text), (app, at..range.end))))
    })
}

/// The text of the lines that are wanted, piece by piece.
pub fn filtered_text(
    app: &App,
    run: RunId,
    log: Log,
    wanted: Wanted,
) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    stream::try_unfold((app.clone(), wanted, Some(0)), move |(app, wanted, from)| async move {
        let Some(from) = from else { return Ok(None) };
        let Lines { lines, next, .. } = {
            let mut db = app.read().await?;
            lines(&mut db.conn(), run, log, &wanted, from, usize::MAX).await?
        };
        let mut text = String::new();
        for line in &lines {
            line.line.render(&mut text);
        }
        Ok(Some((Bytes::from(text), (app, wanted, next))))
    })
}

/// Hands all chunks of a log to `each`, in their order.
async fn each_chunk(conn: &mut Conn<'_>, run: RunId, mut each: impl FnMut(Chunk)) -> Result<()> {
    let mut at = 0;
    loop {
        let chunks = store::log::from_line(conn, run, at, MANY).await?;
        // The last chunk is read again if it is all there is: it begins no later than `at`.
        let new = chunks.iter().filter(|chunk| chunk.end() > at);
        let Some(end) = new.clone().map(Stored::end).next_back() else { return Ok(()) };
        for chunk in new {
            each(chunk.unpack()?);
        }
        at = end;
    }
}

/// What the jobs of a run wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    texts: BTreeMap<(String, LogStream), Output>,
    /// How many lines the log counted and did not keep: what a job wrote may be among them.
    pub dropped: u64,
}

/// What a job wrote to one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its lines, each with its end.
    pub text: String,
    /// Whether there was more than was asked for.
    pub is_cut: bool,
}

impl Outputs {
    /// What a job wrote to a stream; `None` if nothing.
    #[must_use]
    pub fn of(&self, job: &str, stream: LogStream) -> Option<&Output> {
        self.texts.get(&(job.to_owned(), stream))
    }
}

impl Output {
    fn add(&mut self, line: &Line, max_bytes: usize) {
        if self.is_cut {
            return;
        }
        self.text.push_str(&line.text);
        self.text.push('\n');
        if self.text.len() > max_bytes {
            let end = self.text.floor_char_boundary(max_bytes);
            self.text.truncate(end);
            self.is_cut = true;
        }
    }
}

/// What all jobs of a run wrote, in one pass over its log: of each job and stream the first `max_bytes`.
///
/// # Errors
/// If the database fails.
pub async fn outputs(conn: &mut Conn<'_>, run: RunId, max_bytes: usize) -> Result<Outputs> {
    let dropped = super::length(conn, run).await?.dropped;
    let mut texts: BTreeMap<(String, LogStream), Output> = BTreeMap::new();
    each_chunk(conn, run, |chunk| {
        for mut line in chunk.lines {
            if let Some(job) = line.job.take().filter(|_| line.stream != LogStream::Note) {
                texts.entry((job, line.stream)).or_default().add(&line, max_bytes);
            }
        }
    })
    .await?;
    Ok(Outputs { texts, dropped })
}

/// What a job wrote to a stream: its lines, each with its end, the first `max_bytes` of them. For many jobs, [`outputs`]
/// reads the log once.
///
/// # Errors
/// If the database fails.
pub async fn output(conn: &mut Conn<'_>, run: RunId, job: &str, stream: LogStream, max_bytes: usize) -> Result<String> {
    let mut output = Output::default();
    each_chunk(conn, run, |chunk| {
        let lines = chunk.lines.iter().filter(|line| line.stream == stream && line.job.as_deref() == Some(job));
        lines.for_each(|line| output.add(line, max_bytes));
    })
    .await?;
    Ok(output.text)
}

/// The end of a log's text, for reports: at most `max_chars` characters, from the beginning of a line on. `None` if nothing
/// was written.
///
/// # Errors
/// If the database fails.
pub async fn tail(conn: &mut Conn<'_>, run: RunId, max_chars: usize) -> Result<Option<String>> {
    Ok(store::log::tail(conn, run, max_chars).await?)
}
