//! Runners: what executes builds and tests, behind one trait.
//!
//! An adapter translates; it decides nothing and stores nothing. It may be called again for a job that it was called
//! for before: `submit` carries a stable client token, and where the runner knows no such token the dispatcher looks
//! with `find` before it repeats.

pub mod agents;
pub mod breaker;
pub mod http;
pub mod local;
mod process;
pub mod subprocess;
pub mod tuxsuite;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use url::Url;
use uuid::Uuid;

use crate::domain::observation::{Observation, Subject, TestOutcome};
use crate::domain::run::RunRequest;
use crate::domain::webhook;
use crate::ids::RunId;

/// A run as its runner is told of it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// The same at every repetition of this run's submission, and of no other run's.
    pub client_token: Uuid,
    /// Where the runner reports to; holds this run's capability and is unguessable.
    pub callback_url: Url,
    /// What is asked.
    pub request: RunRequest,
    /// The runner's id of the job, once it is known.
    pub uid: Option<String>,
    /// When the runner was first asked: nothing of this job is older there.
    pub first_asked_at: DateTime<Utc>,
}

/// What could be fetched of a finished job's tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// The outcome of each test by its name, as the fetched files tell. Tests that the files do not name are absent.
    pub tests: BTreeMap<String, TestOutcome>,
    /// The outcome of the boot, where the files tell it.
    pub boot: Option<TestOutcome>,
    /// Where the job's log lies.
    pub log_url: Option<String>,
    /// The end of the job's log; at most 16,384 characters.
    pub log_excerpt: Option<String>,
}

/// A callback as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The body, as it came.
    pub body: &'a [u8],
    /// What came with it to vouch for it.
    pub signatures: Signatures<'a>,
    /// Whether it came to a URL that only one run's runner was given.
    pub by_capability: bool,
    /// When it came: signatures that bear a time hold for a while only.
    pub now: DateTime<Utc>,
}

/// The headers that runners sign callbacks in, as they came. Each adapter looks at its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signatures<'a> {
    /// TuxSuite's `x-tux-payload-signature`.
    pub tuxsuite: Option<&'a str>,
    /// Those of Standard Webhooks.
    pub webhook: webhook::Headers<'a>,
}

/// The runners that this service knows, by name.
#[derive(Clone, Debug, Default)]
pub struct Runners(BTreeMap<String, Arc<dyn Runner>>);

/// There is no runner of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no runner `{name}`: this service has {}", known.join(", "))]
pub struct UnknownRunner {
    /// What was asked for.
    pub name: String,
    /// The runners there are.
    pub known: Vec<String>,
}

impl Runners {
    /// Adds a runner under its own name.
    #[must_use]
    pub fn with(mut self, runner: Arc<dyn Runner>) -> Self {
        self.0.insert(runner.name().to_owned(), runner);
        self
    }

    /// The runner of this name.
    ///
    /// # Errors
    /// If there is none; the error names those there are.
    pub fn known(&self, name: &str) -> Result<&Arc<dyn Runner>, UnknownRunner> {
        self.0.get(name).ok_or_else(|| UnknownRunner {
            name: name.chars().take(80).collect(),
            known: self.0.keys().cloned().collect(),
        })
    }

    /// The names of all runners.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Why a runner did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// It understood and refuses: repeating the same would be refused again.
    #[error("{0}")]
    Refused(String),
    /// It did nothing, and may later: repeat after the time it names, or after a backoff.
    #[error("{message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// How long it asks us to wait.
        retry_after: Option<TimeDelta>,
    },
    /// It may have done what it was asked: the answer never came or could not be read. Look before repeating.
    #[error("{0}")]
    Unclear(String),
    /// It knows no such job.
    #[error("{0}")]
    Unknown(String),
}

impl RunnerError {
    /// How long the runner asks us to wait, if it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<TimeDelta> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Refused(_) | Self::Unclear(_) | Self::Unknown(_) => None,
        }
    }
}

/// What a runner takes with one run: how many at most; 0 where it takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// Tests by their names, for a build.
    pub names: usize,
    /// Jobs by their commands.
    pub commands: usize,
}

/// An adapter to one runner.
pub trait Runner: Debug + Send + Sync + 'static {
    /// Its name in requests, settings and logs.
    fn name(&self) -> &str;

    /// Why the runner cannot be asked for anything, in words that say what to set; `None` if it can.
    fn not_ready(&self) -> Option<String> {
        None
    }

    /// What it takes with one run of a session's jobs.
    fn takes(&self) -> Takes {
        Takes { names: 100, commands: 0 }
    }

    /// Whether others come to it for their work, as agents do: then nobody submits anything to it, and `submit` refuses.
    fn pulls(&self) -> bool {
        false
    }

    /// Looks at a callback's signature, before anything else of it: whether it was verified.
    ///
    /// # Errors
    /// If it is wrong, or missing where one is demanded; in words for whoever sent it.
    fn authenticate(&self, arrival: &Arrival<'_>) -> Result<bool, String> {
        let _ = arrival;
        Ok(false)
    }

    /// Reads the body of a callback that came for a run about this subject. Most runners do not say what they speak of;
    /// one that does is taken at its word.
    ///
    /// # Errors
    /// If it cannot be understood, in words that say where.
    fn read_callback(&self, body: &[u8], subject: Subject) -> Result<Observation, String>;

    /// Asks the runner to start the job; returns its uid there.
    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<String, RunnerError>>;

    /// Whether repeating `submit` with the same client token is harmless for this job.
    fn submit_is_idempotent(&self, job: &Job) -> bool;

    /// Looks for the job among those that the runner has: its uid, if an earlier `submit` did reach it.
    fn find<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Option<String>, RunnerError>>;

    /// Asks how far the job is. `job.uid` is set.
    fn poll<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Observation, RunnerError>>;

    /// Asks the runner to stop the job. `job.uid` is set. A job that is over already is no error.
    fn cancel<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), RunnerError>>;

    /// Fetches what the finished job left: results and logs. `observation` is what its end was reported with.
    fn collect<'a>(
        &'a self,
        job: &'a Job,
        observation: &'a Observation,
    ) -> BoxFuture<'a, Result<Collected, RunnerError>>;
}
