//! What a use case answers when it cannot do what it was asked: in words for the caller, with the cause apart.

use std::time::Duration;

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
    /// Who asks has not shown that they may.
    #[error("{0}")]
    Unauthenticated(String),
    /// More is waiting to be written than the service takes: ask again.
    #[error("the service has more to write than it can take; repeat the request after {} s", retry_after.as_secs())]
    Overloaded {
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

impl From<crate::runner::UnknownRunner> for AppError {
    fn from(error: crate::runner::UnknownRunner) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// A result of a use case.
pub type Result<T, E = AppError> = std::result::Result<T, E>;
