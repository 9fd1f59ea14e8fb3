//! Carries out runs of jobs: each by its command, in its order, in a folder of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::agent::account::Users;
use crate::agent::executor::{Executed, Executor};
use crate::agent::group::Leader;
use crate::agent::journal::Journal;
use crate::agent::lines::Lines;
use crate::agent::mask::{self, Secrets};
use crate::agent::process::{End, Limits, Listener, Output, Spec, is_of_the_machine, run};
use crate::agent::room::{self, Room};
use crate::agent::stop::{Stop, Why};
use crate::clock::Clock;
use crate::domain::agent::{Lease, Line, LogStream};
use crate::domain::definition::{Definition, How, JobEnd};
use crate::domain::run::{JobsRequest, RunRequest};

/// How commands are run.
#[derive(Clone)]
pub struct CommandOptions {
    /// Where each job's folder is made.
    pub rooms: PathBuf,
    /// As whom.
    pub users: Users,
    /// Where programs are looked for.
    pub path: OsString,
    /// How long a job runs that has no limit of its own.
    pub time: Duration,
    /// The most bytes of output of any job.
    pub output: u64,
    /// How long a job that is told to end has for it.
    pub grace: Duration,
    /// What may not stand in a log, beside what the lease says.
    pub secrets: Vec<String>,
}

/// Shows no secret.
impl std::fmt::Debug for CommandOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandOptions")
            .field("rooms", &self.rooms)
            .field("users", &self.users)
            .field("time", &self.time)
            .field("output", &self.output)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

/// Runs commands.
#[derive(Debug)]
pub struct Commands {
    options: CommandOptions,
    clock: Arc<dyn Clock>,
}

/// This machine cannot run jobs, for this reason.
struct Broken(String);

impl Commands {
    /// Runs commands so.
    #[must_use]
    pub fn new(options: CommandOptions, clock: Arc<dyn Clock>) -> Self {
        Self { options, clock }
    }

    async fn all(&self, request: &JobsRequest, journal: &Journal, stop: &Stop) -> Executed {
        let secrets = self.secrets(journal.lease(), request);
        for (number, definition) in request.jobs.iter().enumerate() {
            match self.one(number, definition, request, &secrets, journal, stop).await {
                Ok(end) => journal.ended(end),
                Err(Broken(reason)) => return Executed::Broken(secrets.mask(&reason)),
            }
            if let Some(reason) = journal.failure() {
                return Executed::Broken(reason);
            }
        }
        Executed::Done
    }

    async fn one(
        &self,
        number: usize,
        definition: &Definition,
        request: &JobsRequest,
        secrets: &Secrets,
        journal: &Journal,
        stop: &Stop,
    ) -> Result<JobEnd, Broken> {
        let job = &definition.job;
        let not_run = |message: String| {
            let how = How::NotRun { message: secrets.mask(&message) };
            Ok(JobEnd { job: job.clone(), how, started_at: None, duration_s: None })
        };
        if let Some(why) = stop.why() {
            let how = stopped(why);
            return Ok(JobEnd { job: job.clone(), how, started_at: None, duration_s: None });
        }
        let account = match self.options.users.for_job(definition.command.user.as_deref()) {
            Ok(account) => account,
            Err(message) => return not_run(message),
        };
        let lease = journal.lease();
        let folder = self.options.rooms.join(format!("{}-{number}", lease.id));
        let room = Room::make(folder, account)
            .map_err(|error| Broken(format!("the folder of a job could not be made: {error}")))?;
        let env = match self.environment(definition, request, lease, &room) {
            Ok(env) => env,
            Err(message) => {
                room.clear();
                return not_run(message);
            }
        };
        let command = &definition.command;
        let spec = Spec {
            argv: &command.argv,
            dir: room.path(),
            env: &env,
            account,
            stdin: command.stdin.as_deref().map(str::as_bytes),
            limits: Limits {
                time: command.timeout_s.map_or(self.options.time, Duration::from_secs),
                silence: command.output_timeout_s.map(Duration::from_secs),
                output: command.max_output_bytes.unwrap_or(u64::MAX).min(self.options.output),
                grace: self.options.grace,
            },
        };
        let (started_at, began) = (self.clock.now(), Instant::now());
        let mut press = Press::new(self, journal, job, secrets);
        let end = run(&spec, &mut press, stop.token()).await;
        let duration_s = Some(began.elapsed().as_secs_f64());
        press.finish();
        if let End::Broken(reason) = &end {
            room.clear();
            return Err(Broken(reason.clone()));
        }
        let kept = self.keep(definition, room, journal, secrets).await;
        let how = self.how(end, job, secrets, journal, stop);
        kept?;
        let started_at = (!matches!(how, How::NotRun { .. }) || stop.why().is_some()).then_some(started_at);
        Ok(JobEnd { job: job.clone(), duration_s: started_at.and(duration_s), started_at, how })
    }

    /// What a job may take from the lease's environment and its own, and what it is told.
    fn environment(
        &self,
        definition: &Definition,
        request: &JobsRequest,
        lease: &Lease,
        room: &Room,
    ) -> Result<Vec<(String, OsString)>, String> {
        let mut env = BTreeMap::<String, OsString>::new();
        env.insert("PATH".to_owned(), self.options.path.clone());
        env.insert("HOME".to_owned(), room.path().as_os_str().to_owned());
        env.insert("LANG".to_owned(), "C.UTF-8".into());
        env.insert("TESTYARD_RUN".to_owned(), lease.run.to_string().into());
        env.insert("TESTYARD_JOB".to_owned(), definition.job.clone().into());
        env.insert("TESTYARD_SESSION".to_owned(), request.session.to_string().into());
        for (pool, slots) in &lease.slots {
            env.insert(format!("TESTYARD_SLOTS_{}", variable(pool)), slots.join(",").into());
        }
        for (name, value) in lease.environment.iter().chain(&definition.command.environment) {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let name: String = name.chars().take(80).collect();
                return Err(format!("the environment variable `{}` is not legal", name.escape_debug()));
            }
            env.insert(name.clone(), value.into());
        }
        Ok(env.into_iter().collect())
    }

    /// The values that may not stand in the log: those that the lease names, wherever they are set, and the operator's.
    fn secrets(&self, lease: &Lease, request: &JobsRequest) -> Secrets {
        let own = request.jobs.iter().map(|definition| &definition.command.environment);
        let named = std::iter::once(&lease.environment)
            .chain(own)
            .flat_map(|environment| lease.masked.iter().filter_map(|name| environment.get(name)));
        Secrets::new(named.chain(&self.options.secrets).map(String::as_str))
    }

    /// Takes the files that are to be kept into the journal, and clears the room.
    async fn keep(
        &self,
        definition: &Definition,
        room: Room,
        journal: &Journal,
        secrets: &Secrets,
    ) -> Result<(), Broken> {
        let (patterns, max_bytes) = (definition.artifacts.clone(), journal.lease().artifacts.max_bytes);
        // Trees are looked through off the threads that serve the rest.
        let looked = tokio::task::spawn_blocking(move || (room.gather(&patterns, max_bytes), room)).await;
        let (gathered, room) = looked.map_err(|error| Broken(format!("looking for files failed: {error}")))?;
        let note = |text: &str| journal.note(self.clock.now(), Some(&definition.job), &secrets.mask(text));
        let mut broken = None;
        match gathered {
            Ok((found, notes)) => {
                for text in &notes {
                    note(text);
                }
                for file in found {
                    if let Err(error) = journal.keep(&definition.job, &file.path, |target| file.take(target)) {
                        note(&format!("`{}` is not kept: {error}", file.path));
                        if is_of_the_machine(&error) {
                            broken = Some(Broken(format!("a file of a job could not be kept: {error}")));
                            break;
                        }
                    }
                    // Each is forced to the disk: heartbeats are not to wait for all of them.
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => note(&format!("its files could not be looked through: {error}")),
        }
        let cleared = tokio::task::spawn_blocking(move || room.clear()).await;
        cleared.map_err(|error| Broken(format!("clearing up failed: {error}")))?;
        broken.map_or(Ok(()), Err)
    }

    fn how(&self, end: End, job: &str, secrets: &Secrets, journal: &Journal, stop: &Stop) -> How {
        let note = |text: &str| journal.note(self.clock.now(), Some(job), text);
        match end {
            End::Exited(code) => How::Exited { code },
            End::Signaled(signal) => {
                note(&format!("ended by signal {signal}"));
                How::Signaled { signal }
            }
            End::TimedOut(limit) => {
                note(&format!("stopped: it took longer than {} s", limit.as_secs()));
                How::TimedOut { after_s: limit.as_secs() }
            }
            End::Silent(limit) => {
                note(&format!("stopped: it wrote nothing for {} s", limit.as_secs()));
                How::TimedOut { after_s: limit.as_secs() }
            }
            End::TooMuchOutput(max_bytes) => {
                note(&format!("stopped: it wrote more than {max_bytes} bytes"));
                How::TooMuchOutput { max_bytes }
            }
            End::Stopped => {
                let why = stop.why().cloned().unwrap_or(Why::Leaving);
                note(&format!("stopped: {why}"));
                stopped(&why)
            }
            End::NotStarted(message) | End::Broken(message) => How::NotRun { message: secrets.mask(&message) },
        }
    }
}

impl Executor for Commands {
    fn refuses(&self, request: &RunRequest) -> Option<String> {
        match request {
            RunRequest::Jobs(_) => None,
            other => Some(format!(
                "this agent runs jobs of sessions and nothing else, and this is a run of kind `{}`",
                other.kind()
            )),
        }
    }

    fn execute<'a>(&'a self, journal: &'a Journal, stop: &'a Stop) -> BoxFuture<'a, Executed> {
        Box::pin(async move {
            match &journal.lease().request {
                RunRequest::Jobs(request) => self.all(request, journal, stop).await,
                other => Executed::Broken(format!("a run of kind `{}` was refused", other.kind())),
            }
        })
    }

    fn is_well(&self) -> Result<(), String> {
        let room = Room::make(self.options.rooms.join("probe"), self.options.users.account());
        let room = room.map_err(|error| format!("no folder for a job can be made: {error}"))?;
        let written = std::fs::write(room.path().join("probe"), vec![b'.'; 64 * 1024]);
        let path = room.path().to_owned();
        let cleared = room::clear(&path);
        written.and(cleared).map_err(|error| format!("no file for a job can be written: {error}"))
    }
}

/// How a job ends that is told to stop. One that another attempt will run is not called canceled.
fn stopped(why: &Why) -> How {
    match why {
        Why::Canceled(_) | Why::Lost(_) => How::Canceled,
        Why::Leaving => How::NotRun { message: why.to_string() },
    }
}

/// The name of a pool in the name of an environment variable.
fn variable(pool: &str) -> String {
    pool.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Brings what a job prints into the log.
struct Press<'a> {
    commands: &'a Commands,
    journal: &'a Journal,
    job: &'a str,
    secrets: &'a Secrets,
    stdout: (mask::Stream, Lines),
    stderr: (mask::Stream, Lines),
}

impl<'a> Press<'a> {
    fn new(commands: &'a Commands, journal: &'a Journal, job: &'a str, secrets: &'a Secrets) -> Self {
        Self { commands, journal, job, secrets, stdout: Default::default(), stderr: Default::default() }
    }

    fn log(&self, stream: LogStream, texts: Vec<String>) {
        let at = self.commands.clock.now();
        if !texts.is_empty() {
            let line = |text| Line { at, job: Some(self.job.to_owned()), stream, text };
            self.journal.log(texts.into_iter().map(line));
        }
    }

    fn finish(&mut self) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let (masking, lines) = if stream == LogStream::Stdout { &mut self.stdout } else { &mut self.stderr };
            let (mut masked, mut texts) = (Vec::new(), Vec::new());
            masking.finish(self.secrets, &mut masked);
            lines.push(&masked, |text| texts.push(text));
            lines.finish(|text| texts.push(text));
            self.log(stream, texts);
        }
    }
}

impl Listener for Press<'_> {
    fn began(&mut self, leader: i32) {
        self.journal.began(self.job, self.commands.clock.now(), Leader::of(leader));
    }

    fn printed(&mut self, output: Output, bytes: &[u8]) {
        let ((masking, lines), stream) = match output {
            Output::Stdout => (&mut self.stdout, LogStream::Stdout),
            Output::Stderr => (&mut self.stderr, LogStream::Stderr),
        };
        let (mut masked, mut texts) = (Vec::new(), Vec::new());
        masking.push(self.secrets, bytes, &mut masked);
        lines.push(&masked, |text| texts.push(text));
        self.log(stream, texts);
    }
}
