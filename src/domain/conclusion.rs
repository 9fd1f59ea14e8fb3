//! What the end of a job means for what was planned of it.
//!
//! Every planned test gets exactly one outcome: the one that the fetched files tell, else the one that the runner's own
//! words tell, else MISS with the reason why there is none. What was never planned is left out: TuxSuite lists `boot`
//! among the tests of every job.

use std::collections::BTreeMap;

use crate::domain::observation::{Observation, TestOutcome};
use crate::domain::run::RunKind;
use crate::domain::status::Status;

/// The name of the boot test, in requests, callbacks and paths.
pub const BOOT: &str = "boot";

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    /// The status of the whole.
    pub status: Status,
    /// Why, in words, where there is more to say than the status.
    pub reason: Option<String>,
    /// The outcome of each planned test, in the order of the plan; empty for a build.
    pub tests: Vec<(String, TestOutcome)>,
}

/// What came of a finished build. A runner that names no verdict did not build: ERROR.
#[must_use]
pub fn of_build(observation: &Observation) -> Conclusion {
    Conclusion {
        status: observation.verdict.unwrap_or(Status::Error),
        reason: observation.message.clone().or_else(|| {
            observation.verdict.is_none().then(|| "the runner says that the build is over, and not how it ended".into())
        }),
        tests: Vec::new(),
    }
}

/// What came of finished tests: `collected` are the outcomes that the fetched files tell, `boot` is the boot's.
#[must_use]
pub fn of_tests(
    kind: RunKind,
    planned: &[String],
    observation: &Observation,
    collected: &BTreeMap<String, TestOutcome>,
    boot: Option<&TestOutcome>,
) -> Conclusion {
    let boot = boot.or_else(|| observation.tests.get(BOOT));
    let tests = planned
        .iter()
        .map(|name| {
            let outcome = if kind == RunKind::Boot && name == BOOT {
                boot.cloned().unwrap_or_else(|| boot_by_verdict(observation))
            } else {
                collected
                    .get(name)
                    .or_else(|| observation.tests.get(name))
                    .cloned()
                    .unwrap_or_else(|| missing(observation, boot))
            };
            (name.clone(), outcome)
        })
        .collect();
    rolled_up(tests, observation.message.clone())
}

/// What came of a run that will have no results: every planned test is MISS, for this reason.
#[must_use]
pub fn without_results(planned: &[String], reason: &str) -> Conclusion {
    let outcome = TestOutcome { reason: Some(reason.to_owned()), ..TestOutcome::bare(Status::Miss) };
    let tests = planned.iter().map(|name| (name.clone(), outcome.clone())).collect();
    Conclusion { status: Status::Miss, reason: Some(reason.to_owned()), tests }
}

fn rolled_up(tests: Vec<(String, TestOutcome)>, reason: Option<String>) -> Conclusion {
    let status = Status::roll_up(tests.iter().map(|(_, outcome)| outcome.status)).unwrap_or(Status::Done);
    Conclusion { status, reason, tests }
}

/// A boot of which nothing is told but how the whole job ended. A machine that never got so far as to boot is MISS.
fn boot_by_verdict(observation: &Observation) -> TestOutcome {
    match observation.verdict {
        Some(status @ (Status::Pass | Status::Fail)) => TestOutcome::bare(status),
        _ => missing(observation, None),
    }
}

fn missing(observation: &Observation, boot: Option<&TestOutcome>) -> TestOutcome {
    let why = match (observation.message.as_deref(), boot.map(|boot| boot.status), observation.verdict) {
        (Some(message), ..) => format!("the runner reported no result of this test: {message}"),
        (None, Some(Status::Fail | Status::Error | Status::Miss), _) => {
            "the runner reported no result of this test: the machine did not boot".to_owned()
        }
        (None, _, Some(verdict)) => {
            format!("the runner ended the job with {verdict} and reported no result of this test")
        }
        (None, _, None) => "the runner ended the job and reported no result of this test".to_owned(),
    };
    TestOutcome { reason: Some(why), ..TestOutcome::bare(Status::Miss) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{Phase, Subject};

    fn over(verdict: Option<Status>) -> Observation {
        Observation {
            uid: "u".into(),
            subject: Subject::Tests,
            phase: Phase::Finished,
            verdict,
            message: None,
            started_at: None,
            duration_s: None,
            download_url: None,
            device: None,
            build: None,
            tests: BTreeMap::new(),
        }
    }

    fn planned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn files_come_before_words_and_words_before_miss() {
        let mut observation = over(Some(Status::Fail));
        observation.tests.insert("a".into(), TestOutcome::bare(Status::Pass));
        observation.tests.insert("b".into(), TestOutcome::bare(Status::Pass));
        observation.tests.insert("boot".into(), TestOutcome::bare(Status::Pass));
        let files = BTreeMap::from([("a".to_owned(), TestOutcome::bare(Status::Fail))]);
        let conclusion = of_tests(RunKind::Tests, &planned(&["a", "b", "c"]), &observation, &files, None);
        let statuses: Vec<Status> = conclusion.tests.iter().map(|(_, outcome)| outcome.status).collect();
        assert_eq!(statuses, [Status::Fail, Status::Pass, Status::Miss]);
        assert_eq!(conclusion.status, Status::Fail);
        assert!(conclusion.tests[2].1.reason.as_deref().is_some_and(|reason| reason.contains("FAIL")));
    }

    #[test]
    fn a_boot_that_was_never_reached_is_a_miss() {
        for (verdict, status) in [
            (Some(Status::Pass), Status::Pass),
            (Some(Status::Fail), Status::Fail),
            (Some(Status::Error), Status::Miss),
            (Some(Status::Miss), Status::Miss),
            (None, Status::Miss),
        ] {
            let conclusion = of_tests(RunKind::Boot, &planned(&["boot"]), &over(verdict), &BTreeMap::new(), None);
            assert_eq!(conclusion.status, status, "{verdict:?}");
        }
    }

    #[test]
    fn a_test_named_boot_in_a_run_of_tests_is_told_by_its_own_words() {
        let mut observation = over(Some(Status::Pass));
        observation.tests.insert("boot".into(), TestOutcome::bare(Status::Pass));
        let conclusion = of_tests(RunKind::Tests, &planned(&["boot"]), &observation, &BTreeMap::new(), None);
        assert_eq!(conclusion.status, Status::Pass);
    }

    #[test]
    fn tests_missed_because_the_machine_did_not_boot_say_so() {
        let boot = TestOutcome::bare(Status::Fail);
        let conclusion =
            of_tests(RunKind::Tests, &planned(&["a"]), &over(Some(Status::Fail)), &BTreeMap::new(), Some(&boot));
        assert!(conclusion.tests[0].1.reason.as_deref().is_some_and(|reason| reason.contains("did not boot")));
    }
}
