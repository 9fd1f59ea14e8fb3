//! QMTest's outcomes, and how they meet KCIDB's statuses.

use crate::domain::status::Status;
use crate::domain::words::words;

words!(
    /// What came of a test or a resource. In the order of interest: the first are looked at first.
    Outcome, "outcome", {
        /// The test could not do its work: its environment or the test itself is broken.
        Error = "ERROR",
        /// The tested code is faulty.
        Fail = "FAIL",
        /// The test was not attempted.
        Untested = "UNTESTED",
        /// The tested code is good.
        Pass = "PASS",
    }
);

impl Outcome {
    /// The outcome that a status comes to. `SKIP` and `MISS` were not attempted. `DONE` says nothing about the code, so
    /// there is nothing that could be unexpected in it: it counts as passed.
    #[must_use]
    pub fn of(status: Status) -> Self {
        match status {
            Status::Pass | Status::Done => Self::Pass,
            Status::Fail => Self::Fail,
            Status::Error => Self::Error,
            Status::Skip | Status::Miss => Self::Untested,
        }
    }

    /// The status that an outcome comes to: what was to be attempted and was not is `MISS`.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Pass => Status::Pass,
            Self::Fail => Status::Fail,
            Self::Error => Status::Error,
            Self::Untested => Status::Miss,
        }
    }
}
