//! The `subprocess` runners: a program of the operator's, which knows how to speak to some lab (`docs/runners.md`).
//!
//! For each step the program is started anew: it reads one JSON object, writes lines of JSON and ends. Its exit status says
//! whether it did what it was asked (0), cannot now (75, `EX_TEMPFAIL` of `sysexits.h`) or will not (any other). It has a
//! process group of its own, which is killed when it ends or takes too long: what it starts and leaves running must have
//! left that group.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::config::SubprocessRunner;
use crate::domain::adapter::program::{self, Told, Uid};
use crate::domain::conclusion::BOOT;
use crate::domain::observation::{Observation, Subject};
use crate::domain::run::RunRequest;
use crate::domain::tuxsuite::excerpt;
use crate::runner::process::{End, Output, Spec, Stream, run_with};
use crate::runner::wire::shortened;
use crate::runner::{Arrival, Collected, Job, Runner, RunnerError, Takes};

/// The exit status of a program that cannot do it now: `EX_TEMPFAIL`.
const TEMPFAIL: i32 = 75;

/// How much of a program's standard error is kept, in bytes.
const MAX_STDERR: usize = 64 << 10;

/// The longest id of a job: both databases index it.
const MAX_UID: usize = 512;

/// A runner that is a program.
#[derive(Debug)]
pub struct Subprocess {
    settings: SubprocessRunner,
    environment: Vec<(OsString, OsString)>,
    work_dir: PathBuf,
    slots: Semaphore,
}

/// What the program is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    Submit,
    Find,
    Poll,
    Cancel,
    Collect,
}

/// What the program reads.
#[derive(Serialize)]
struct Question<'a> {
    operation: Operation,
    job: About<'a>,
}

#[derive(Serialize)]
struct About<'a> {
    run: String,
    token: String,
    callback_url: &'a str,
    first_asked_at: String,
    uid: Option<&'a str>,
    request: &'a RunRequest,
}

impl Subprocess {
    /// A runner that starts the program of the settings, with programs found in `path`.
    #[must_use]
    pub fn new(settings: SubprocessRunner, path: OsString) -> Self {
        let work_dir = settings.work_dir.clone().unwrap_or_else(|| PathBuf::from("/"));
        let mut environment: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), path),
            ("HOME".into(), work_dir.clone().into_os_string()),
            ("LANG".into(), "C".into()),
        ];
        environment.extend(settings.environment.iter().map(|(name, value)| (name.into(), value.into())));
        environment.extend(settings.known.iter().map(|(name, value)| (name.into(), value.into())));
        let slots = Semaphore::new(settings.max_jobs.clamp(1, Semaphore::MAX_PERMITS));
        Self { settings, environment, work_dir, slots }
    }

    /// Asks the program about a job.
    async fn ask(&self, operation: Operation, job: &Job) -> Result<Told, RunnerError> {
        let name = &self.settings.name;
        let timeout = Duration::from_secs(self.settings.timeout_s);
        let question = Question {
            operation,
            job: About {
                run: job.run.to_string(),
                token: job.client_token.to_string(),
                callback_url: job.callback_url.as_str(),
                first_asked_at: job.first_asked_at.to_rfc3339_opts(SecondsFormat::Secs, true),
                uid: job.uid.as_deref(),
                request: &job.request,
            },
        };
        let mut input = serde_json::to_vec(&question).map_err(|error| RunnerError::Refused(error.to_string()))?;
        input.push(b'\n');
        let Ok(Ok(slot)) = tokio::time::timeout(timeout, self.slots.acquire()).await else {
            let message =
                format!("all {} programs of `{name}` that may run at a time are at work", self.settings.max_jobs);
            return Err(RunnerError::Unavailable { message, retry_after: None });
        };
        let (mut stdout, mut stderr) = (Output::new(self.settings.max_answer_bytes), Output::new(MAX_STDERR));
        let spec =
            Spec { argv: &self.settings.argv, dir: &self.work_dir, env: &self.environment, input: &input, timeout };
        let mut take = |from, bytes: &[u8]| match from {
            Stream::Stdout => stdout.push(bytes),
            Stream::Stderr => stderr.push(bytes),
        };
        let end = run_with(&spec, &mut take).await;
        drop(slot);
        let words = stderr.excerpt().map(|text| last(&text)).unwrap_or_default();
        if !words.is_empty() {
            tracing::info!(runner = %name, run = %job.run, ?operation, stderr = %words, "a runner's program wrote");
        }
        self.judge(operation, &end, &stdout, &words)
    }

    /// What the end of the program means.
    fn judge(&self, operation: Operation, end: &End, stdout: &Output, words: &str) -> Result<Told, RunnerError> {
        let name = &self.settings.name;
        let said = if words.is_empty() { "it gives no reason" } else { words };
        let message = |end: &dyn std::fmt::Display| format!("the program of `{name}`: {end}: {said}");
        match end {
            End::Exit(0) if stdout.dropped() > 0 => Err(RunnerError::Unclear(format!(
                "the program of `{name}` wrote more than {} bytes",
                self.settings.max_answer_bytes
            ))),
            End::Exit(0) => program::read(stdout.text().as_bytes())
                .map_err(|error| RunnerError::Unclear(format!("the answer of the program of `{name}`: {error}"))),
            End::Exit(TEMPFAIL) => {
                let told = program::read(stdout.text().as_bytes()).unwrap_or_default();
                let retry_after = told.job.retry_after_s.map(|seconds| TimeDelta::seconds(i64::from(seconds)));
                Err(RunnerError::Unavailable { message: message(end), retry_after })
            }
            End::Exit(_) => Err(RunnerError::Refused(message(end))),
            // Killed half-way, it may have started the job.
            End::Signal(_) | End::TimedOut(_) if operation == Operation::Submit => {
                Err(RunnerError::Unclear(message(end)))
            }
            End::Signal(_) | End::TimedOut(_) | End::NotStarted(_) => {
                Err(RunnerError::Unavailable { message: message(end), retry_after: None })
            }
        }
    }

    /// The words for an answer in which what was asked for does not stand.
    fn odd(&self, why: &str) -> RunnerError {
        RunnerError::Unclear(format!("the answer of the program of `{}`: {why}", self.settings.name))
    }

    /// The id of a job in an answer: none where it says that there is none.
    fn told_uid(&self, told: Told) -> Result<Option<String>, RunnerError> {
        match told.job.uid {
            Uid::Unsaid => Err(self.odd("it names no job: there is no `uid`")),
            Uid::Is(uid) if uid.is_empty() || uid.len() > MAX_UID || uid.contains('\0') => {
                Err(self.odd(&format!("its uid is empty, longer than {MAX_UID} bytes or holds a NUL character")))
            }
            Uid::Is(uid) => Ok(Some(uid)),
            Uid::NoJob => Ok(None),
        }
    }

    async fn submit_job(&self, job: &Job) -> Result<String, RunnerError> {
        let name = &self.settings.name;
        if !self.settings.kinds.contains(&job.request.kind()) {
            let kinds: Vec<String> = self.settings.kinds.iter().map(ToString::to_string).collect();
            return Err(RunnerError::Refused(format!("`{name}` takes runs of the kind {} alone", kinds.join(", "))));
        }
        let told = self.ask(Operation::Submit, job).await?;
        self.told_uid(told)?.ok_or_else(|| self.odd("a job that was started must have a `uid`"))
    }

    async fn poll_job(&self, job: &Job) -> Result<Observation, RunnerError> {
        let (name, uid) = (&self.settings.name, job.uid.as_deref());
        let told = self.ask(Operation::Poll, job).await?;
        if told.job.uid == Uid::NoJob {
            return Err(RunnerError::Unknown(format!("`{name}` knows no job {}", uid.unwrap_or_default())));
        }
        let observation = told.observation(job.request.kind().subject(), uid).map_err(|why| self.odd(&why))?;
        match uid {
            Some(uid) if observation.uid != uid => {
                Err(self.odd(&format!("it was asked about {uid} and told of {}", shortened(&observation.uid))))
            }
            _ => Ok(observation),
        }
    }

    async fn collect_job(&self, job: &Job) -> Result<Collected, RunnerError> {
        let told = self.ask(Operation::Collect, job).await?;
        Ok(Collected {
            boot: told.tests.get(BOOT).cloned(),
            tests: told.tests,
            log_url: told.job.log_url,
            log_excerpt: told.job.log_excerpt.and_then(|log| excerpt(&log)),
        })
    }
}

/// The last lines of what a program wrote, in few enough characters for a reason.
fn last(text: &str) -> String {
    let text = text.trim();
    let skip = text.chars().count().saturating_sub(1_000);
    text.chars().skip(skip).collect()
}

impl Runner for Subprocess {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn takes(&self) -> Takes {
        Takes { names: 100, commands: 1 }
    }

    fn authenticate(&self, arrival: &Arrival<'_>) -> Result<bool, String> {
        // It signs nothing: that only it knows the run's own URL is all that speaks for it.
        if arrival.by_capability {
            Ok(false)
        } else {
            Err("callbacks go to the URL of the run and nowhere else".to_owned())
        }
    }

    fn read_callback(&self, body: &[u8], subject: Subject) -> Result<Observation, String> {
        program::read(body)?.observation(subject, None)
    }

    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<String, RunnerError>> {
        Box::pin(self.submit_job(job))
    }

    fn submit_is_idempotent(&self, _: &Job) -> bool {
        self.settings.idempotent
    }

    fn find<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Option<String>, RunnerError>> {
        Box::pin(async { self.told_uid(self.ask(Operation::Find, job).await?) })
    }

    fn poll<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Observation, RunnerError>> {
        Box::pin(self.poll_job(job))
    }

    fn cancel<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async { self.ask(Operation::Cancel, job).await.map(drop) })
    }

    fn collect<'a>(&'a self, job: &'a Job, _: &'a Observation) -> BoxFuture<'a, Result<Collected, RunnerError>> {
        Box::pin(self.collect_job(job))
    }
}
