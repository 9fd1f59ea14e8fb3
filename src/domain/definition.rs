//! What is executed for a job, and what its end comes to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::observation::TestOutcome;
use crate::domain::status::Status;

/// What is executed for a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The job.
    pub job: String,
    /// What is run.
    pub command: Command,
    /// What it must come to.
    #[serde(default)]
    pub expects: Expected,
    /// The files that are kept: patterns, relative to the folder that it is run in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<String>,
}

/// A program with its arguments and limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// What it reads; nothing if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Its environment, beside what whoever runs it gives.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// As which user it is to run; whoever runs it decides whether it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// After how many seconds it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// After how many seconds without output it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_timeout_s: Option<u64>,
    /// After how many bytes of output it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_bytes: Option<u64>,
}

/// What a program that passes does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expected {
    /// Its exit code.
    pub exit_code: i32,
    /// What it writes to its standard output; not looked at if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What it writes to its standard error; not looked at if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum How {
    /// It ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// It took longer than it may, or was silent for longer, and was stopped.
    TimedOut {
        /// What it exceeded, in seconds.
        after_s: u64,
    },
    /// It wrote more than it may and was stopped.
    TooMuchOutput {
        /// What it exceeded, in bytes.
        max_bytes: u64,
    },
    /// It was not run, or not to its end, for a reason that is not its own.
    NotRun {
        /// Why.
        message: String,
    },
    /// It was stopped because it was told so.
    Canceled,
}

/// How a job ended, as whoever ran it says. As JSON `{"job": "disk/smart", "how": "exited", "code": 0}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobEnd {
    /// The job.
    pub job: String,
    /// How it ended.
    #[serde(flatten)]
    pub how: How,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// How long it ran, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

impl Expected {
    /// Whether the output matters, so that whoever judges has to have it.
    #[must_use]
    pub fn looks_at_output(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }

    /// What came of a job. A program that was not run, or was told to stop, is MISS; one that something else than itself
    /// ended is ERROR, as at the local runner; `stdout` and `stderr` are all that it wrote.
    #[must_use]
    pub fn outcome(&self, end: &JobEnd, stdout: &str, stderr: &str) -> TestOutcome {
        let (status, reason) = match &end.how {
            How::Exited { code } if *code != self.exit_code => {
                (Status::Fail, Some(format!("exit code {code}, and {} was expected", self.exit_code)))
            }
            How::Exited { .. } => {
                let differs = |name: &str, expected: Option<&String>, got: &str| {
                    expected
                        .is_some_and(|expected| expected != got)
                        .then(|| format!("its {name} is not what was expected"))
                };
                let reason = differs("standard output", self.stdout.as_ref(), stdout)
                    .or_else(|| differs("standard error", self.stderr.as_ref(), stderr));
                (if reason.is_some() { Status::Fail } else { Status::Pass }, reason)
            }
            How::Signaled { signal } => (Status::Error, Some(format!("killed by signal {signal}"))),
            How::TimedOut { after_s } => (Status::Error, Some(format!("stopped after its limit of {after_s} s"))),
            How::TooMuchOutput { max_bytes } => {
                (Status::Error, Some(format!("stopped after more than {max_bytes} bytes of output")))
            }
            How::NotRun { message } => (Status::Miss, Some(format!("it was not run: {message}"))),
            How::Canceled => (Status::Miss, Some("it was told to stop".to_owned())),
        };
        let duration_s = end.duration_s.filter(|duration| duration.is_finite() && *duration >= 0.0);
        TestOutcome { reason, duration_s, ..TestOutcome::bare(status) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(how: How) -> JobEnd {
        JobEnd { job: "a".into(), how, started_at: None, duration_s: Some(f64::NAN) }
    }

    #[test]
    fn an_end_is_judged_by_what_was_expected() {
        let quiet = Expected::default();
        let strict = Expected { exit_code: 3, stdout: Some("hi\n".into()), stderr: None };
        for (expected, how, stdout, status) in [
            (&quiet, How::Exited { code: 0 }, "anything", Status::Pass),
            (&quiet, How::Exited { code: 1 }, "", Status::Fail),
            (&strict, How::Exited { code: 3 }, "hi\n", Status::Pass),
            (&strict, How::Exited { code: 3 }, "hi", Status::Fail),
            (&strict, How::Exited { code: 0 }, "hi\n", Status::Fail),
            (&quiet, How::Signaled { signal: 11 }, "", Status::Error),
            (&quiet, How::TimedOut { after_s: 5 }, "", Status::Error),
            (&quiet, How::TooMuchOutput { max_bytes: 5 }, "", Status::Error),
            (&quiet, How::NotRun { message: "no such program".into() }, "", Status::Miss),
            (&quiet, How::Canceled, "", Status::Miss),
        ] {
            let outcome = expected.outcome(&end(how.clone()), stdout, "");
            assert_eq!((outcome.status, outcome.duration_s), (status, None), "{how:?}");
            assert_eq!(outcome.reason.is_none(), status == Status::Pass, "{how:?}");
        }
    }

    #[test]
    fn an_end_is_one_flat_object() {
        let end = JobEnd { duration_s: None, ..end(How::Exited { code: 2 }) };
        let json = serde_json::json!({"job": "a", "how": "exited", "code": 2});
        assert_eq!(serde_json::to_value(&end).unwrap(), json);
        assert_eq!(serde_json::from_value::<JobEnd>(json).unwrap(), end);
    }
}
