//! What a use case answers when it cannot do what it was asked: in words for the caller, with the cause apart.

use std::time::Duration;

use crate::domain::fault::Fault;
pub use crate::domain::fault::MAX_FAULTS;
use crate::domain::log::Gap;
use crate::store;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such thing.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// What was looked for, for people.
        what: &'static str,
        /// The id it was looked for by.
        id: String,
    },
    /// The thing is not in a state that allows this.
    #[error("{0}")]
    Conflict(String),
    /// What was asked makes no sense, in words that name the field.
    #[error("{0}")]
    Invalid(String),
    /// What was asked makes no sense, place by place.
    #[error("{what}: {}", faults_in_words(.faults))]
    Faults {
        /// What was refused, for people, such as "the test a.b".
        what: String,
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
    /// The thing is not as the caller thought it to be.
    #[error("{0}")]
    PreconditionFailed(String),
    /// A hook that was asked while specs were selected failed, and is not optional. Nothing was stored.
    #[error("the hook at {host}, asked at `{moment}`, failed: {why}; nothing was stored")]
    Hook {
        /// Which one, for people.
        host: String,
        /// When it was asked.
        moment: &'static str,
        /// Why.
        why: String,
    },
    /// What is here may not be changed now, for a reason that an operator gave.
    #[error("{0}")]
    ReadOnly(String),
    /// Lines of a log were sent before those that come before them.
    #[error("{0}")]
    LogGap(Gap),
    /// A run has no log here, in words that say why.
    #[error("{words}")]
    NoLog {
        /// Why.
        words: String,
        /// Where its log lies, if that is known.
        log_url: Option<String>,
    },
    /// Who asks may not do this, in words that say why.
    #[error("{0}")]
    Forbidden(String),
    /// What is said of a lease is said by who does not hold it any more, or names another generation.
    #[error("{0}")]
    LeaseLost(String),
    /// The agent speaks a version of the protocol that is not known here.
    #[error("{0}")]
    UnknownProtocol(String),
    /// Who asks has not shown that they may.
    #[error("{0}")]
    Unauthenticated(String),
    /// More is waiting to be written than the service takes: ask again.
    #[error("the service has more to write than it can take; repeat the request after {} s", retry_after.as_secs())]
    Overloaded {
        /// After how long.
        retry_after: Duration,
    },
    /// There is no place for another of what lasts long, in words that say of what: ask again.
    #[error("{words}")]
    Busy {
        /// What there is no place for.
        words: String,
        /// After how long.
        retry_after: Duration,
    },
    /// The database failed; whether it may succeed later is the source's to tell.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The database failed under a batch of writes; the words are the cause's, for the log.
    #[error("the database is not available")]
    Unavailable(String),
}

impl AppError {
    /// The error for things that change faster than anything can be worked out of them; what they are, for people.
    #[must_use]
    pub(super) fn kept_changing(what: &str) -> Self {
        Self::Conflict(format!("{what} kept changing meanwhile: repeat the request"))
    }

    /// Refuses a thing, named for people, if there are faults in it.
    ///
    /// # Errors
    /// [`AppError::Faults`].
    pub(crate) fn refuse(what: impl Into<String>, faults: Vec<Fault>) -> Result<()> {
        if faults.is_empty() { Ok(()) } else { Err(Self::Faults { what: what.into(), faults }) }
    }
}

impl From<crate::runner::UnknownRunner> for AppError {
    fn from(error: crate::runner::UnknownRunner) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// How many faults are told in a line; a door may list them all.
const FAULTS_IN_A_LINE: usize = 5;

fn faults_in_words(faults: &[Fault]) -> String {
    let mut words: Vec<String> = faults.iter().take(FAULTS_IN_A_LINE).map(ToString::to_string).collect();
    if faults.len() > FAULTS_IN_A_LINE {
        words.push(format!("and {} more", faults.len() - FAULTS_IN_A_LINE));
    }
    words.join("; ")
}

/// A result of a use case.
pub type Result<T, E = AppError> = std::result::Result<T, E>;
