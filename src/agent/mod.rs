//! The agent: a program in a lab that asks the service for work, does it on its own machine, and tells what came of it.
//!
//! It reaches out and is never reached, so that it works behind any wall. What it was given and what it has not told yet is on
//! its disk before it counts on it: while the service is away it goes on, and after its own death the next one tells what this
//! one could not. One lease at a time; what carries it out is an [`Executor`], of which [`Commands`] runs jobs by their
//! commands.
//!
//! ```text
//!  run        registers once, then: asks for work (long poll) -> duty -> asks again; drained, broken, away: pauses
//!  duty       one lease: executor ── lines, files, ends ──> journal ── in order, again and again ──> server
//!             and heartbeats beside it, which bring the word to stop
//!  commands   each job in a room of its own: process (group, limits) -> mask -> lines -> journal; then its files
//! ```

mod account;
mod commands;
mod duty;
mod executor;
mod group;
mod home;
mod journal;
mod lines;
mod mask;
mod process;
mod room;
mod run;
mod server;
mod stop;

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use url::Url;

use crate::domain::agent::Labels;
use crate::domain::retry::Backoff;

pub use self::account::{Account, NoUser, Users};
pub use self::commands::{CommandOptions, Commands};
pub use self::executor::{Executed, Executor};
pub use self::group::Leader;
pub use self::home::NoHome;
pub use self::journal::{Journal, Over};
pub use self::run::Agent;
pub use self::stop::{Stop, Why};

/// How an agent is set up.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The service.
    pub server: Url,
    /// A file with the registration token; not read once the agent is registered.
    pub token_file: Option<PathBuf>,
    /// What it is called.
    pub name: String,
    /// What is said of it.
    pub labels: Labels,
    /// Where it works; made if it is not there. One agent at a time may use it.
    pub work_dir: PathBuf,
    /// While this file is there, no work is taken.
    pub drain_file: Option<PathBuf>,
    /// End after one lease.
    pub once: bool,
    /// How long a service that is away is left alone.
    pub backoff: Backoff,
    /// How long it may be away when the agent is to end.
    pub patience: Patience,
}

/// For how long the service is waited for when the agent is to end. What it was not told by then is told by the next agent on
/// the same folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After the last job, when the agent is drained.
    pub after_drain: Duration,
    /// After the jobs were stopped.
    pub after_stop: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { after_drain: Duration::from_secs(30), after_stop: Duration::from_secs(10) }
    }
}

/// What tells an agent to end. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Finish what has begun, take nothing new, and end.
    pub drain: CancellationToken,
    /// Stop what has begun, tell of it, and end.
    pub stop: CancellationToken,
}

/// Why an agent ended that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Home(#[from] NoHome),
    /// The folder belongs to another agent.
    #[error(
        "the work folder belongs to the agent `{name}` of {server}: give this one another folder, or remove {}",
        file.display()
    )]
    Another {
        /// Whose it is.
        name: String,
        /// Where that one is registered.
        server: String,
        /// What makes it that one's.
        file: PathBuf,
    },
    /// It is not registered and has nothing to register with.
    #[error("{0}")]
    NoToken(String),
    /// The service does not register it.
    #[error("the service does not register this agent: {0}")]
    NotRegistered(String),
    /// The service does not know it any more.
    #[error("the service does not accept this agent any more: {0}")]
    Unknown(String),
    /// The service refuses what the agent asks, and always will.
    #[error("the service does not give this agent work: {0}")]
    Refused(String),
    /// Its own files cannot be read or written.
    #[error("the agent's files cannot be read or written: {0}")]
    Journal(std::io::Error),
    /// A program error of ours.
    #[error("{0}")]
    Client(String),
}

/// What an agent did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many leases were carried out and told of.
    pub told: u64,
    /// How many were given back.
    pub released: u64,
    /// How many are kept because the service was away.
    pub kept: u64,
    /// How many the service did not take.
    pub refused: u64,
}
