//! Executions: a session that this service runs. Its jobs become runs as soon as they can start, and what comes of the runs
//! comes back into it.

use serde::{Deserialize, Serialize};

use crate::domain::agent::Labels;
use crate::domain::observation::TestOutcome;
use crate::domain::session::Outcome;
use crate::domain::status::Status;
use crate::domain::words::words;

/// How often a job is run at most when nothing but the infrastructure is to blame, unless told otherwise.
pub const MAX_ATTEMPTS: u32 = 3;

/// The most attempts that may be asked for.
pub const MOST_ATTEMPTS: u32 = 100;

/// The collection that jobs belong to in reports, unless told otherwise.
pub const COLLECTION: &str = "session";

words!(
    /// How far an execution is. `waiting → running ⇄ paused`, and one of the last three.
    ExecutionState, "execution state", {
        /// Its build is not over.
        Waiting = "waiting",
        /// Jobs that can start are run.
        Running = "running",
        /// What runs is let go on; nothing is begun.
        Paused = "paused",
        /// Over: each job that was to run has its result.
        Finished = "finished",
        /// Ended by an operator; what had not come is missing.
        Canceled = "canceled",
        /// Over, and results are missing: the build failed, or the deadline has passed.
        Missed = "missed",
    }
);

impl ExecutionState {
    /// Whether nothing more is run.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Canceled | Self::Missed)
    }
}

/// How a session is run. As JSON `{"runners": ["agents"], "requires": {"arch": "riscv64"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// The runners that may be asked. A job goes to the first of them that can run it and is well.
    pub runners: Vec<String>,
    /// The labels that every agent must have, beside what each job requires.
    pub requires: Labels,
    /// The machine to run on, in the runner's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The collection that the jobs belong to: the head of their paths in reports.
    pub collection: String,
    /// How many of its runs may be under way at a time; 0 for any number.
    pub concurrency: u32,
    /// How often a job is run at most when the infrastructure is to blame: ERROR and MISS.
    pub max_attempts: u32,
    /// How often a job is run again that failed.
    pub retry_failures: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            runners: Vec::new(),
            requires: Labels::default(),
            device: None,
            collection: COLLECTION.to_owned(),
            concurrency: 0,
            max_attempts: MAX_ATTEMPTS,
            retry_failures: 0,
        }
    }
}

impl Plan {
    /// Whether a job is run again after the attempt of this number (from 1), or that counts: within a bound where the infrastructure
    /// is to blame, and not where the job failed, unless that was asked for.
    #[must_use]
    pub fn is_run_again(&self, status: Status, attempt: u32) -> bool {
        match status {
            Status::Error | Status::Miss => attempt < self.max_attempts,
            Status::Fail => attempt <= self.retry_failures,
            Status::Pass | Status::Done | Status::Skip => false,
        }
    }
}

/// What an outcome of a test is called in a session. What did not run to its end, for whatever reason, crashed: jobs that
/// depend on it cannot run.
#[must_use]
pub fn session_outcome(status: Status) -> Outcome {
    match status {
        Status::Pass | Status::Done => Outcome::Pass,
        Status::Fail => Outcome::Fail,
        Status::Skip => Outcome::Skip,
        Status::Error | Status::Miss => Outcome::Crash,
    }
}

/// What an attempt came to, in one line.
#[must_use]
pub fn told(attempt: u32, outcome: &TestOutcome) -> String {
    match &outcome.reason {
        Some(reason) => format!("attempt {attempt} came to {}: {reason}", outcome.status),
        None => format!("attempt {attempt} came to {}", outcome.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::composition::results::status_of;
    use crate::domain::words::Word as _;

    #[test]
    fn infrastructure_is_tried_again_within_a_bound_and_failures_only_when_asked() {
        let plan = Plan { max_attempts: 2, ..Plan::default() };
        let again = |plan: &Plan, status, attempt| plan.is_run_again(status, attempt);
        for status in Status::ALL.iter().copied() {
            let infrastructure = matches!(status, Status::Error | Status::Miss);
            assert_eq!(again(&plan, status, 1), infrastructure, "{status}");
            assert!(!again(&plan, status, 2), "{status}");
        }
        let eager = Plan { retry_failures: 1, ..plan };
        assert!(again(&eager, Status::Fail, 1) && !again(&eager, Status::Fail, 2));
        assert!(!again(&eager, Status::Pass, 1));
    }

    #[test]
    fn statuses_keep_their_meaning_on_the_way_into_a_session() {
        for status in Status::ALL.iter().copied() {
            let back = status_of(&session_outcome(status));
            let want = match status {
                Status::Done => Status::Pass,
                Status::Miss => Status::Error,
                other => other,
            };
            assert_eq!(back, Some(want), "{status}");
        }
    }
}
