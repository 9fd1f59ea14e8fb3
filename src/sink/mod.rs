//! Sinks: where finished results are delivered to.
//!
//! A sink takes a report and says that it has it: its receipt is the only proof of delivery (anything else, silence
//! and garbage with status 200 included, is none). It may be given the same report again, since an answer can be lost
//! on its way; objects carry stable ids for that reason. It may refuse later what it took at first, so a receipt is
//! followed to its end. An adapter translates; it stores nothing, repeats nothing and decides nothing: whether a
//! failure is repeated, and when, is the deliverer's to say, from which [`SinkError`] it is.

pub mod kcidb;

use chrono::TimeDelta;

/// The sink has the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The sink's id of the submission: not empty, at most 200 characters.
    pub id: String,
}

/// How far a submission is at the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptState {
    /// Still being written down.
    InProgress,
    /// Waits to be processed.
    Ready,
    /// Processed: this is the end.
    Processed,
    /// Refused after all: this is the end.
    Failed {
        /// What the sink says about it, at most 2,000 characters.
        message: String,
    },
    /// The sink knows no such submission, or no longer.
    NotFound,
    /// There is no such door: the sink tells nothing of receipts.
    NotTold,
}

/// Why there is no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// It refuses: repeating the same would be refused again.
    #[error("the sink refused with status {status}: {answer}")]
    Rejected {
        /// The HTTP status, from 400 to 499.
        status: u16,
        /// What it said, at most 2,000 characters.
        answer: String,
    },
    /// It does not take anything now, or cannot be reached: repeat after the time it names, or after a backoff.
    #[error("{message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// How long it asks us to wait.
        retry_after: Option<TimeDelta>,
    },
    /// It may have the report: the answer broke off or is no receipt. Repeating is harmless, since ids are stable.
    #[error("{0}")]
    Unclear(String),
}

impl SinkError {
    /// The report is too large: smaller ones may be taken.
    #[must_use]
    pub fn is_about_size(&self) -> bool {
        matches!(self, Self::Rejected { status: 413, .. })
    }

    /// The token is refused: nothing will be taken until the operator changes it.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(self, Self::Rejected { status: 401 | 403, .. })
    }
}
