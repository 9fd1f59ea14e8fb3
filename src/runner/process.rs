//! One command: in a process group of its own, with an environment of our making, bounded in time and output.
//!
//! Whatever way it ends, also when the future that waits for it is dropped, the whole group is killed: no test leaves a
//! server behind that disturbs the next one.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::Command;

/// How many characters of a log are shown.
const EXCERPT: usize = 16_384;
/// How long output may still come after the program and its group are gone.
const DRAIN: Duration = Duration::from_secs(2);

/// A command as it is started.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    /// The program and its arguments. A program with a `/` in it is looked for from `dir`.
    pub(super) argv: &'a [String],
    pub(super) dir: &'a Path,
    /// The whole environment.
    pub(super) env: &'a [(OsString, OsString)],
    /// What it reads on its standard input; it need not.
    pub(super) input: &'a [u8],
    pub(super) timeout: Duration,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this exit status.
    Exit(i32),
    /// By a signal that we did not send.
    Signal(i32),
    /// It took longer than this and was killed.
    TimedOut(Duration),
    /// It never began, for this reason.
    NotStarted(String),
}

impl End {
    pub(super) fn is_success(&self) -> bool {
        *self == Self::Exit(0)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit status {code}"),
            Self::Signal(number) => match signal_name(*number) {
                Some(name) => write!(f, "killed by signal {number} ({name})"),
                None => write!(f, "killed by signal {number}"),
            },
            Self::TimedOut(limit) => write!(f, "took longer than {} s and was killed", limit.as_secs_f64()),
            Self::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 14] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::SYS, "SIGSYS"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
    ];
    NAMES.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| *name)
}

/// Output, of which the first bytes are kept as they are and the last ones for showing.
#[derive(Debug)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: Vec<u8>,
    limit: usize,
    dropped: u64,
}

impl Output {
    /// Keeps `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { head: Vec::new(), tail: Vec::new(), limit, dropped: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.head.len());
        let (kept, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.head.extend_from_slice(kept);
        self.dropped = self.dropped.saturating_add(rest.len() as u64);
        // A character has at most four bytes. Cut when twice as long, so that each byte moves at most once.
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 8 * EXCERPT {
            self.tail.drain(..self.tail.len() - 4 * EXCERPT);
        }
    }

    /// How many bytes went over the limit.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What was kept, as text that every database takes: without NUL.
    pub(super) fn text(&self) -> String {
        clean(&self.head)
    }

    /// The last characters of it all; `None` of nothing.
    pub(super) fn excerpt(&self) -> Option<String> {
        let text = clean(&self.tail);
        let skip = text.chars().count().saturating_sub(EXCERPT);
        let text: String = text.chars().skip(skip).collect();
        (!text.is_empty()).then_some(text)
    }
}

fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

/// Kills its process group when it is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0
            && let Err(error) = kill_process_group(leader, Signal::KILL)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "a process group could not be killed");
        }
    }
}

/// Runs a command to its end. Both streams go to `log` in the order of their coming, the standard output to `stdout` too.
pub(super) async fn run(spec: &Spec<'_>, log: &mut Output, stdout: &mut Output) -> End {
    let mut take = |from, bytes: &[u8]| {
        log.push(bytes);
        if from == Stream::Stdout {
            stdout.push(bytes);
        }
    };
    run_with(spec, &mut take).await
}

/// Which stream a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// Runs a command to its end. What it writes goes to `take` in the order of its coming.
pub(super) async fn run_with(spec: &Spec<'_>, take: &mut (dyn FnMut(Stream, &[u8]) + Send)) -> End {
    let Some((program, arguments)) = spec.argv.split_first() else {
        return End::NotStarted("there is no program".to_owned());
    };
    let path = if program.contains('/') { spec.dir.join(program).into_os_string() } else { program.into() };
    let child = Command::new(path)
        .args(arguments)
        .current_dir(spec.dir)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(if spec.input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return End::NotStarted(format!("{program}: {error}")),
    };
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let whole = async {
        let read = async {
            tokio::join!(feed(input, spec.input), read_both(out, err, take));
        };
        tokio::pin!(read);
        let status = tokio::select! {
            status = child.wait() => {
                // What it left running goes now, and lets go of the pipes. Who fled the group is not waited for long.
                drop(group);
                let _ = tokio::time::timeout(DRAIN, read).await;
                status
            }
            () = &mut read => {
                let status = child.wait().await;
                drop(group);
                status
            }
        };
        status.map_or_else(|error| End::NotStarted(error.to_string()), ended)
    };
    tokio::time::timeout(spec.timeout, whole).await.unwrap_or(End::TimedOut(spec.timeout))
}

fn ended(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    }
}

/// Writes what the program is to read. One that does not read it to the end does not want it.
async fn feed(stream: Option<impl AsyncWrite + Unpin>, input: &[u8]) {
    if let Some(mut stream) = stream {
        let _ = stream.write_all(input).await;
        let _ = stream.shutdown().await;
    }
}

async fn read_both(
    mut out: Option<impl AsyncRead + Unpin>,
    mut err: Option<impl AsyncRead + Unpin>,
    take: &mut (dyn FnMut(Stream, &[u8]) + Send),
) {
    let (mut from_out, mut from_err) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    while out.is_some() || err.is_some() {
        tokio::select! {
            read = some_of(&mut out, &mut from_out) => take(Stream::Stdout, from_out.get(..read).unwrap_or_default()),
            read = some_of(&mut err, &mut from_err) => take(Stream::Stderr, from_err.get(..read).unwrap_or_default()),
        }
    }
}

/// Reads what there is; at the end of the stream, 0, and there is no stream any more. Waits for ever where there is none.
async fn some_of(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let Some(open) = stream else { return std::future::pending().await };
    let read = open.read(buffer).await.unwrap_or(0);
    if read == 0 {
        *stream = None;
    }
    read
}
