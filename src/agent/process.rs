//! One command of a job: in a process group of its own, as a user of our choosing, with an environment of our making, bounded
//! in time, silence and output.
//!
//! Who is to go is asked first (SIGTERM to the whole group) and killed after a while. Whatever way it ends, also when the future
//! that waits for it is dropped, what is left of the group is killed: no job leaves a server behind that disturbs the next one.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::agent::account::Account;

/// How long output may still come after the program and its group are gone.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a killed program may take to go. Longer does only one that hangs in the kernel: it is given up.
const GONE: Duration = Duration::from_secs(10);

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// A command as it is started.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    /// The program and its arguments. A program with a `/` in it is looked for from `dir`.
    pub(super) argv: &'a [String],
    pub(super) dir: &'a Path,
    /// The whole environment.
    pub(super) env: &'a [(String, OsString)],
    /// Whose process it is; our own where there is none.
    pub(super) account: Option<Account>,
    /// What it reads from its standard input.
    pub(super) stdin: Option<&'a [u8]>,
    pub(super) limits: Limits,
}

/// What a command may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// From beginning to end.
    pub(super) time: Duration,
    /// Without a byte of output.
    pub(super) silence: Option<Duration>,
    /// Bytes of both outputs together.
    pub(super) output: u64,
    /// Between being asked to end and being killed.
    pub(super) grace: Duration,
}

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Stdout,
    Stderr,
}

/// Is told what a command does.
pub(super) trait Listener: Send {
    /// It runs, as the leader of the group of this number.
    fn began(&mut self, leader: i32);
    /// It printed this.
    fn printed(&mut self, output: Output, bytes: &[u8]);
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this exit status.
    Exited(i32),
    /// By a signal that we did not send.
    Signaled(i32),
    /// It took longer than this and was ended.
    TimedOut(Duration),
    /// It printed nothing for this long and was ended.
    Silent(Duration),
    /// It printed more than these many bytes and was ended.
    TooMuchOutput(u64),
    /// We were told to stop it.
    Stopped,
    /// It never began, for what it is.
    NotStarted(String),
    /// It never began, and nothing else would: this machine is out of something.
    Broken(String),
}

/// Kills its process group when it is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.0
            && let Err(error) = kill_process_group(leader, signal)
            && error != Errno::SRCH
        {
            tracing::warn!(%error, "a process group could not be signalled");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Runs a command to its end, or until `stop` is cancelled.
pub(super) async fn run(spec: &Spec<'_>, listener: &mut dyn Listener, stop: &CancellationToken) -> End {
    let mut child = match spawn(spec) {
        Ok(child) => child,
        Err(end) => return end,
    };
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    let group = Group(leader.and_then(Pid::from_raw));
    listener.began(leader.unwrap_or_default());
    let feeding = feed(child.stdin.take(), spec.stdin.unwrap_or_default());
    tokio::pin!(feeding);
    let mut pipes = Pipes::new(child.stdout.take(), child.stderr.take());
    let mut fed = false;
    let deadline = after(spec.limits.time);
    let (mut last_output, mut printed) = (Instant::now(), 0_u64);
    let ended = loop {
        let silent = spec.limits.silence.and_then(|limit| last_output.checked_add(limit));
        tokio::select! {
            biased;
            () = stop.cancelled() => break Err(End::Stopped),
            status = child.wait() => break Ok(status.map_or_else(|error| End::Broken(error.to_string()), how)),
            () = until(deadline) => break Err(End::TimedOut(spec.limits.time)),
            (output, count) = pipes.next() => {
                last_output = Instant::now();
                let left = spec.limits.output.saturating_sub(printed);
                printed = printed.saturating_add(count as u64);
                let kept = usize::try_from(left).map_or(count, |left| left.min(count));
                listener.printed(output, pipes.chunk(output, kept));
                if printed > spec.limits.output {
                    break Err(End::TooMuchOutput(spec.limits.output));
                }
            }
            () = until(silent) => break Err(End::Silent(spec.limits.silence.unwrap_or_default())),
            () = &mut feeding, if !fed => fed = true,
        }
    };
    let is_over = ended.is_ok();
    let (Ok(end) | Err(end)) = ended;
    // Too much is too much: of such a one nothing more is heard.
    let mut hears = !matches!(end, End::TooMuchOutput(_));
    if !is_over {
        group.signal(Signal::TERM);
        let _ = timeout(spec.limits.grace, pipes.hear_until(child.wait(), listener, hears)).await;
    }
    // What it left running goes now, and lets go of the pipes. Who fled the group is not waited for long.
    drop(group);
    if timeout(GONE, child.wait()).await.is_err() {
        tracing::error!(leader, "a killed process does not go");
        hears = false;
    }
    let _ = timeout(DRAIN, pipes.hear_out(listener, hears)).await;
    end
}

fn spawn(spec: &Spec<'_>) -> Result<Child, End> {
    let Some((program, arguments)) = spec.argv.split_first() else {
        return Err(End::NotStarted("there is no program".to_owned()));
    };
    if spec.argv.iter().any(|word| word.contains('\0')) {
        return Err(End::NotStarted("a NUL character is in its arguments".to_owned()));
    }
    let path = if program.contains('/') { spec.dir.join(program).into_os_string() } else { program.into() };
    let mut command = Command::new(path);
    command
        .args(arguments)
        .current_dir(spec.dir)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(if spec.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(account) = spec.account {
        // The standard library drops all other groups of root's with this.
        command.gid(account.gid).uid(account.uid);
    }
    command.spawn().map_err(|error| {
        let message = format!("{program}: {error}");
        if is_of_the_machine(&error) { End::Broken(message) } else { End::NotStarted(message) }
    })
}

/// Whether an error tells of this machine, and not of what was asked of it: the next job would meet it too.
pub(super) fn is_of_the_machine(error: &std::io::Error) -> bool {
    const SHORT: [Errno; 9] = [
        Errno::AGAIN,
        Errno::NOMEM,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::IO,
        Errno::ROFS,
        Errno::NODEV,
    ];
    Errno::from_io_error(error).is_some_and(|error| SHORT.contains(&error))
}

fn how(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signaled(signal.unwrap_or_default()),
    }
}

/// A moment so far away that it cannot be told never comes.
fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Gives it its input. One that does not read it all has its reasons.
async fn feed(stdin: Option<ChildStdin>, bytes: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(bytes).await;
    }
}

/// Both outputs, and what was read of each last.
struct Pipes {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    from_stdout: Vec<u8>,
    from_stderr: Vec<u8>,
}

impl Pipes {
    fn new(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> Self {
        Self { stdout, stderr, from_stdout: vec![0; CHUNK], from_stderr: vec![0; CHUNK] }
    }

    /// Reads what there is. Waits for ever where both have ended.
    async fn next(&mut self) -> (Output, usize) {
        loop {
            let (output, count) = tokio::select! {
                count = some_of(&mut self.stdout, &mut self.from_stdout) => (Output::Stdout, count),
                count = some_of(&mut self.stderr, &mut self.from_stderr) => (Output::Stderr, count),
            };
            if count > 0 {
                return (output, count);
            }
        }
    }

    fn chunk(&self, output: Output, count: usize) -> &[u8] {
        let buffer = match output {
            Output::Stdout => &self.from_stdout,
            Output::Stderr => &self.from_stderr,
        };
        buffer.get(..count).unwrap_or_default()
    }

    /// Reads on while something else is waited for: a program that ends may have to print before it can.
    async fn hear_until<T>(&mut self, other: impl Future<Output = T>, listener: &mut dyn Listener, hears: bool) {
        tokio::pin!(other);
        loop {
            tokio::select! {
                _ = &mut other => return,
                (output, count) = self.next() => {
                    if hears {
                        listener.printed(output, self.chunk(output, count));
                    }
                }
            }
        }
    }

    /// Reads both to their ends.
    async fn hear_out(&mut self, listener: &mut dyn Listener, hears: bool) {
        while self.stdout.is_some() || self.stderr.is_some() {
            let (output, count) = tokio::select! {
                count = some_of(&mut self.stdout, &mut self.from_stdout) => (Output::Stdout, count),
                count = some_of(&mut self.stderr, &mut self.from_stderr) => (Output::Stderr, count),
            };
            if hears && count > 0 {
                listener.printed(output, self.chunk(output, count));
            }
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

#[cfg(test)]
mod tests;
