//! Where the statuses of specs meet KCIDB's.

use crate::domain::spec_result::status::{CaseStatus, Status};
use crate::domain::status::Status as Kcidb;

impl Status {
    /// What it is in KCIDB's words; `None` where nothing came yet.
    ///
    /// | status of a spec | KCIDB | why |
    /// |---|---|---|
    /// | SUCCESS, XDIFF, XFAIL | PASS | it came to what was expected of it |
    /// | DIFFED, FAILED, TIMEOUT | FAIL | the tested code did not do what it should, or not in time |
    /// | ERROR, BROKEN, INVALID | ERROR | the fault is the test's own |
    /// | CANCELLED, INTERRUPTED | MISS | it was planned, and stopped from outside: that says nothing about the code |
    /// | BLOCKED | MISS | it was planned and not attempted, as a test with a failed prerequisite |
    /// | SKIPPED | SKIP | it was left out on purpose |
    /// | NONE | – | nothing is said before there is something to say: KCIDB keeps the first status |
    #[must_use]
    pub fn kcidb(self) -> Option<Kcidb> {
        match self {
            Self::Success | Self::XDiff | Self::XFail => Some(Kcidb::Pass),
            Self::Diffed | Self::Failed | Self::Timeout => Some(Kcidb::Fail),
            Self::Error | Self::Broken | Self::Invalid => Some(Kcidb::Error),
            Self::Cancelled | Self::Interrupted | Self::Blocked => Some(Kcidb::Miss),
            Self::Skipped => Some(Kcidb::Skip),
            Self::None => None,
        }
    }

    /// The status of a spec that a KCIDB status comes to.
    ///
    /// MISS is BLOCKED: it did not run, for want of something outside itself. DONE completed and says nothing about the code,
    /// so there is nothing in it that could have failed: SUCCESS.
    #[must_use]
    pub fn of_kcidb(status: Kcidb) -> Self {
        match status {
            Kcidb::Pass | Kcidb::Done => Self::Success,
            Kcidb::Fail => Self::Failed,
            Kcidb::Error => Self::Error,
            Kcidb::Miss => Self::Blocked,
            Kcidb::Skip => Self::Skipped,
        }
    }
}

impl CaseStatus {
    /// How a spec stands whose test came to this, for this reason.
    #[must_use]
    pub fn of_kcidb(status: Kcidb, reason: Option<String>) -> Self {
        let stands = Self::of(Status::of_kcidb(status));
        match reason {
            Some(reason) => stands.because(reason),
            None => stands,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec_result::status::Category;
    use crate::domain::words::Word as _;

    #[test]
    fn every_word_comes_back_but_done() {
        for status in Kcidb::ALL.iter().copied() {
            let back = Status::of_kcidb(status).kcidb();
            assert_eq!(back, Some(if status == Kcidb::Done { Kcidb::Pass } else { status }));
        }
    }

    #[test]
    fn only_what_was_expected_passes_and_only_failures_are_failures() {
        for status in Status::ALL.iter().copied() {
            let kcidb = status.kcidb();
            assert_eq!(kcidb.is_none(), status == Status::None);
            assert_eq!(kcidb == Some(Kcidb::Pass), status.category() == Category::Pass, "{status}");
            let fault = matches!(kcidb, Some(Kcidb::Fail | Kcidb::Error));
            assert_eq!(fault, status.category() == Category::Fail, "{status}");
        }
    }

    #[test]
    fn the_reason_comes_along() {
        let missed = CaseStatus::of_kcidb(Kcidb::Miss, Some("the machine did not boot".into()));
        assert_eq!((missed.status(), missed.reason()), (Status::Blocked, Some("the machine did not boot")));
        assert_eq!(CaseStatus::of_kcidb(Kcidb::Pass, None), CaseStatus::of(Status::Success));
    }
}
