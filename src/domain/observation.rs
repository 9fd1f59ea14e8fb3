//! What a runner tells of a run, whoever's wire it came over: a callback, a poll or a fetched file is reduced to this
//! before anything is decided.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::status::Status;

/// What a runner said of one of its jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The runner's own id of the job.
    pub uid: String,
    /// Whether a build or tests are spoken of.
    pub subject: Subject,
    /// How far the job is.
    pub phase: Phase,
    /// What the runner concludes of the whole job. `None` until it is finished, or when it concludes nothing.
    pub verdict: Option<Status>,
    /// The runner's words about it (TuxSuite's `status_message`, …).
    pub message: Option<String>,
    /// When it began to run.
    pub started_at: Option<DateTime<Utc>>,
    /// How long it ran, in seconds.
    pub duration_s: Option<f64>,
    /// The folder of its artifacts, ending in `/`.
    pub download_url: Option<String>,
    /// The machine or virtual machine it ran on.
    pub device: Option<String>,
    /// The facts of a build.
    pub build: Option<BuildFacts>,
    /// What the runner says of each test by its name, where it says so itself.
    pub tests: BTreeMap<String, TestOutcome>,
}

impl Observation {
    /// The same without NUL characters, which PostgreSQL cannot hold in any text.
    #[must_use]
    pub fn without_nul(self) -> Self {
        fn clean(value: &mut Value) {
            match value {
                Value::String(text) => text.retain(|letter| letter != '\0'),
                Value::Array(items) => items.iter_mut().for_each(clean),
                Value::Object(fields) => {
                    let keys: Vec<String> = fields.keys().filter(|key| key.contains('\0')).cloned().collect();
                    for key in keys {
                        if let Some(value) = fields.remove(&key) {
                            fields.insert(key.replace('\0', ""), value);
                        }
                    }
                    fields.values_mut().for_each(clean);
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        // What is not a number in JSON (a duration that is not finite) comes back as none.
        match serde_json::to_value(&self) {
            Ok(mut value) => {
                clean(&mut value);
                serde_json::from_value(value).unwrap_or(self)
            }
            Err(_) => self,
        }
    }
}

/// What a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A build.
    Build,
    /// Tests, the boot test among them.
    Tests,
}

/// How far a job is at its runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Accepted, not begun.
    Waiting,
    /// Begun, or in a state whose word we do not know: anything but the end.
    Running,
    /// Over.
    Finished,
}

/// What a runner tells of a build.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildFacts {
    /// The architecture built for.
    pub architecture: Option<String>,
    /// The compiler, with its version where the runner tells it.
    pub compiler: Option<String>,
    /// The command that reproduces the build.
    pub command: Option<String>,
    /// The kernel's version string.
    pub kernel_version: Option<String>,
    /// The full commit hash: 40 lower-case hexadecimal digits.
    pub git_commit_hash: Option<String>,
    /// `git describe`.
    pub git_commit_name: Option<String>,
    /// The first line of the commit, as `git log --oneline` shows it.
    pub git_short_log: Option<String>,
    /// Where the kernel image lies.
    pub kernel_image_url: Option<String>,
    /// Where the modules lie.
    pub modules_url: Option<String>,
    /// Where the configuration lies.
    pub config_url: Option<String>,
    /// Where the log lies.
    pub log_url: Option<String>,
    /// How many errors and warnings the compiler gave.
    pub errors_count: Option<i64>,
    /// How many warnings the compiler gave.
    pub warnings_count: Option<i64>,
}

/// What came of one test, with the cases inside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// The status of the whole test.
    pub status: Status,
    /// Why, where that is known in words.
    pub reason: Option<String>,
    /// How long it ran, in seconds.
    pub duration_s: Option<f64>,
    /// The last lines of its output; at most 16,384 characters.
    pub log_excerpt: Option<String>,
    /// The cases inside it, in the runner's order.
    pub cases: Vec<CaseOutcome>,
}

impl TestOutcome {
    /// An outcome that has a status and nothing else.
    #[must_use]
    pub fn bare(status: Status) -> Self {
        Self { status, reason: None, duration_s: None, log_excerpt: None, cases: Vec::new() }
    }
}

/// What came of one case inside a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseOutcome {
    /// Its name, as the runner gives it.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Why, where that is known in words.
    pub reason: Option<String>,
    /// How long it ran, in seconds.
    pub duration_s: Option<f64>,
    /// A value that it measured.
    pub measurement: Option<Measurement>,
    /// The last lines of its output; at most 16,384 characters.
    pub log_excerpt: Option<String>,
}

/// A measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The number.
    pub value: f64,
    /// Its unit, in the runner's word.
    pub unit: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_goes_from_every_text_and_nothing_else_does() {
        let told = Observation {
            uid: "u\0id".into(),
            subject: Subject::Tests,
            phase: Phase::Finished,
            verdict: Some(Status::Pass),
            message: Some("\0".into()),
            started_at: None,
            duration_s: Some(1.5),
            download_url: None,
            device: Some("qemu".into()),
            build: None,
            tests: BTreeMap::from([("a\0b".to_owned(), TestOutcome::bare(Status::Skip))]),
        };
        let clean = told.clone().without_nul();
        let want = Observation {
            uid: "uid".into(),
            message: Some(String::new()),
            tests: BTreeMap::from([("ab".to_owned(), TestOutcome::bare(Status::Skip))]),
            ..told
        };
        assert_eq!(clean, want);
    }
}
