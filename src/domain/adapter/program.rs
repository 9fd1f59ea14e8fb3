//! What a runner that is a program answers: lines of JSON, each an object.
//!
//! A line with `test` tells what came of one test. Any other line tells of the job (`uid`, `phase`, `verdict`, …); a later
//! one takes the place of an earlier one, member by member. Blank lines are passed over. A callback's body is read alike.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::adapter::reading::{MAX_MESSAGE, MAX_RESULTS};
use crate::domain::observation::{BuildFacts, CaseOutcome, Observation, Phase, Subject, TestOutcome};
use crate::domain::status::Status;
use crate::domain::tuxsuite::excerpt;

#[cfg(test)]
mod tests;

/// What a program said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Of the job.
    pub job: JobLine,
    /// Of each test, by its name; the last line of a name counts.
    pub tests: BTreeMap<String, TestOutcome>,
}

/// A line about the job. Members that are not there are not known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobLine {
    /// Its id.
    pub uid: Uid,
    /// How far it is.
    pub phase: Option<Phase>,
    /// What came of the whole job.
    pub verdict: Option<Status>,
    /// Words about it.
    pub message: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// How many seconds it ran.
    pub duration_s: Option<f64>,
    /// The folder of its artifacts.
    pub download_url: Option<String>,
    /// The machine that it ran on.
    pub device: Option<String>,
    /// The facts of a build.
    pub build: Option<BuildFacts>,
    /// Where its log lies.
    pub log_url: Option<String>,
    /// The end of its log.
    pub log_excerpt: Option<String>,
    /// After how many seconds to ask again, where nothing can be done now.
    pub retry_after_s: Option<u32>,
}

/// What is said of a job's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Uid {
    /// Nothing.
    #[default]
    Unsaid,
    /// That there is no such job: `null`.
    NoJob,
    /// This is it.
    Is(String),
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map_or(Self::NoJob, Self::Is))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestLine {
    test: String,
    status: Status,
    reason: Option<String>,
    duration_s: Option<f64>,
    log_excerpt: Option<String>,
    #[serde(default)]
    cases: Vec<CaseLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseLine {
    name: String,
    status: Status,
    reason: Option<String>,
    duration_s: Option<f64>,
    log_excerpt: Option<String>,
}

/// Reads what a program wrote.
///
/// # Errors
/// A line that is not as wanted, by its number; too many results.
pub fn read(output: &[u8]) -> Result<Told, String> {
    let mut told = Told::default();
    let mut results = 0;
    for (number, line) in output.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let wrong = |error: serde_json::Error| {
            let words: String = error.to_string().chars().take(300).collect();
            format!("line {}: {words}", number + 1)
        };
        let value: Value = serde_json::from_slice(line).map_err(wrong)?;
        if value.get("test").is_some() {
            let TestLine { test, status, reason, duration_s, log_excerpt, cases } =
                serde_json::from_value(value).map_err(wrong)?;
            results += 1 + cases.len();
            if results > MAX_RESULTS {
                return Err(format!("line {}: there are more than {MAX_RESULTS} results", number + 1));
            }
            let log_excerpt = log_excerpt.and_then(|log| excerpt(&log));
            let cases = cases.into_iter().map(case).collect();
            told.tests.insert(
                test,
                TestOutcome { status, reason: reason.as_deref().map(cut), duration_s, log_excerpt, cases },
            );
        } else if value.is_object() {
            told.job.take(serde_json::from_value(value).map_err(wrong)?);
        } else {
            return Err(format!("line {}: want an object", number + 1));
        }
    }
    Ok(told)
}

fn case(line: CaseLine) -> CaseOutcome {
    let CaseLine { name, status, reason, duration_s, log_excerpt } = line;
    let log_excerpt = log_excerpt.and_then(|log| excerpt(&log));
    CaseOutcome { name, status, reason: reason.as_deref().map(cut), duration_s, measurement: None, log_excerpt }
}

/// The beginning of a text that people read.
fn cut(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

impl JobLine {
    /// Takes over what a later line tells.
    fn take(&mut self, later: Self) {
        let earlier = std::mem::take(self);
        *self = Self {
            uid: if later.uid == Uid::Unsaid { earlier.uid } else { later.uid },
            phase: later.phase.or(earlier.phase),
            verdict: later.verdict.or(earlier.verdict),
            message: later.message.or(earlier.message),
            started_at: later.started_at.or(earlier.started_at),
            duration_s: later.duration_s.or(earlier.duration_s),
            download_url: later.download_url.or(earlier.download_url),
            device: later.device.or(earlier.device),
            build: later.build.or(earlier.build),
            log_url: later.log_url.or(earlier.log_url),
            log_excerpt: later.log_excerpt.or(earlier.log_excerpt),
            retry_after_s: later.retry_after_s.or(earlier.retry_after_s),
        };
    }
}

impl Told {
    /// What was said of a job; `known` is its uid where that need not be said.
    ///
    /// # Errors
    /// If it names no job or does not say how far the job is.
    pub fn observation(self, subject: Subject, known: Option<&str>) -> Result<Observation, String> {
        let Self { job, tests } = self;
        let uid = match job.uid {
            Uid::Is(uid) => uid,
            Uid::NoJob | Uid::Unsaid => known.ok_or("it names no job: there is no `uid`")?.to_owned(),
        };
        let phase =
            job.phase.ok_or("it does not say how far the job is: want `phase`: waiting, running or finished")?;
        Ok(Observation {
            uid,
            subject,
            phase,
            verdict: job.verdict.filter(|_| phase == Phase::Finished),
            message: job.message.as_deref().map(cut),
            started_at: job.started_at,
            duration_s: job.duration_s,
            download_url: job.download_url,
            device: job.device,
            build: job.build.filter(|_| subject == Subject::Build),
            tests,
        })
    }
}
