//! Reading a runner's answers and callbacks by pointers into their JSON, and its words by a list of what they mean.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::observation::{BuildFacts, CaseOutcome, Observation, Phase, Subject, TestOutcome};
use crate::domain::status::Status;
use crate::domain::tuxsuite::callback::read_time;
use crate::domain::tuxsuite::excerpt;
use crate::domain::words::Word as _;

#[cfg(test)]
mod tests;

/// The most results of tests and cases that are read of one answer.
pub const MAX_RESULTS: usize = 20_000;

/// The most characters that are kept of a message.
pub(super) const MAX_MESSAGE: usize = 2_000;

/// The facts of a build that may be pointed to.
pub const FACTS: [&str; 13] = [
    "architecture",
    "compiler",
    "command",
    "kernel_version",
    "git_commit_hash",
    "git_commit_name",
    "git_short_log",
    "kernel_image_url",
    "modules_url",
    "config_url",
    "log_url",
    "errors_count",
    "warnings_count",
];

/// A JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(String);

/// A text that is no JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no JSON pointer: begin with /, as in /job/id; ~ is written ~0 and / within a name ~1")]
pub struct InvalidPointer(String);

impl Pointer {
    /// Reads a pointer; the empty one points to the whole.
    ///
    /// # Errors
    /// [`InvalidPointer`].
    pub fn parse(text: &str) -> Result<Self, InvalidPointer> {
        let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && is_escaped && text.len() <= 1_000 {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidPointer(text.chars().take(80).collect()))
    }

    /// What it points to; `null` is nothing.
    #[must_use]
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        document.pointer(&self.0).filter(|value| !value.is_null())
    }

    /// What it points to as one word or sentence: a text that is not empty, a number, yes or no.
    #[must_use]
    pub fn text(&self, document: &Value) -> Option<String> {
        self.find(document).and_then(text)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a runner's words mean. Our own words are understood in any case, in small letters and in capitals.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Its words for how far a job is.
    pub phases: BTreeMap<String, Phase>,
    /// Its words for what came of something.
    pub statuses: BTreeMap<String, Status>,
}

impl Words {
    /// How far a job is; a word that nobody explained is anything but the end.
    #[must_use]
    pub fn phase(&self, word: &str) -> Phase {
        self.phases.get(word).copied().unwrap_or_else(|| match word.to_ascii_lowercase().as_str() {
            "waiting" => Phase::Waiting,
            "finished" => Phase::Finished,
            _ => Phase::Running,
        })
    }

    /// What came of something; nothing for a word that nobody explained.
    #[must_use]
    pub fn status(&self, word: &str) -> Option<Status> {
        let own = || Status::ALL.iter().copied().find(|status| status.as_str().eq_ignore_ascii_case(word));
        self.statuses.get(word).copied().or_else(own)
    }
}

/// Where the results of tests stand in an answer.
#[derive(Clone, Debug)]
pub struct Results {
    /// The list of results, or the map of results by name.
    pub at: Pointer,
    /// In a result of a list, its name.
    pub name: Option<Pointer>,
    /// In a result, the word for what came of it; the result itself where it is empty.
    pub status: Pointer,
    /// In a result, why.
    pub reason: Option<Pointer>,
    /// In a result, how many seconds it took.
    pub duration_s: Option<Pointer>,
    /// In a result, its output.
    pub log: Option<Pointer>,
    /// In a result, the list or map of the cases inside it, which are read by the same pointers.
    pub cases: Option<Pointer>,
}

/// How an answer is read. What is not pointed to is not known.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The runner's id of the job.
    pub uid: Option<Pointer>,
    /// The word for how far the job is. Where there is none, whatever is told is told at the end.
    pub phase: Option<Pointer>,
    /// The word for what came of the whole job.
    pub verdict: Option<Pointer>,
    /// The runner's words about it.
    pub message: Option<Pointer>,
    /// When it began.
    pub started_at: Option<Pointer>,
    /// How many seconds it took.
    pub duration_s: Option<Pointer>,
    /// The machine that it ran on.
    pub device: Option<Pointer>,
    /// The folder of its artifacts.
    pub download_url: Option<Pointer>,
    /// Where its log lies.
    pub log_url: Option<Pointer>,
    /// The facts of a build, by their names ([`FACTS`]).
    pub build: BTreeMap<String, Pointer>,
    /// The results of tests.
    pub results: Option<Results>,
}

impl Reading {
    /// What an answer or a callback tells of a job. `known` is its uid where the answer need not say it.
    ///
    /// # Errors
    /// Says what is missing, and where it was looked for.
    pub fn observation(
        &self,
        words: &Words,
        answer: &Value,
        subject: Subject,
        known: Option<&str>,
    ) -> Result<Observation, String> {
        let told = self.uid.as_ref().and_then(|uid| uid.text(answer));
        let Some(uid) = told.or_else(|| known.map(str::to_owned)) else {
            let place = self.uid.as_ref().map_or("no pointer to it", |uid| uid.0.as_str());
            return Err(format!("it names no job: there is nothing at `{place}`"));
        };
        let phase = match &self.phase {
            None => Phase::Finished,
            Some(pointer) => match pointer.text(answer) {
                Some(word) => words.phase(&word),
                None => return Err(format!("it does not say how far the job is: there is nothing at `{}`", pointer.0)),
            },
        };
        let mut message = find_text(self.message.as_ref(), answer).map(|text| cut(&text));
        let mut verdict = None;
        if phase == Phase::Finished
            && let Some(word) = find_text(self.verdict.as_ref(), answer)
        {
            let (status, unknown) = judged(words, &word);
            verdict = Some(status);
            message = message.or(unknown);
        }
        let has_facts = subject == Subject::Build && !self.build.is_empty();
        Ok(Observation {
            uid,
            subject,
            phase,
            verdict,
            message,
            started_at: self.started_at.as_ref().and_then(|pointer| pointer.find(answer)).and_then(time),
            duration_s: self.duration_s.as_ref().and_then(|pointer| pointer.find(answer)).and_then(seconds),
            download_url: find_text(self.download_url.as_ref(), answer),
            device: find_text(self.device.as_ref(), answer),
            build: has_facts.then(|| self.facts(answer)),
            tests: self.tests(words, answer)?,
        })
    }

    /// The results of tests that an answer holds, by their names; the last of one name counts.
    ///
    /// # Errors
    /// If what stands there is no list or map of results, or has too many.
    pub fn tests(&self, words: &Words, answer: &Value) -> Result<BTreeMap<String, TestOutcome>, String> {
        let Some(results) = &self.results else { return Ok(BTreeMap::new()) };
        let Some(told) = results.at.find(answer) else { return Ok(BTreeMap::new()) };
        let mut left = MAX_RESULTS;
        let mut tests = BTreeMap::new();
        for (name, entry) in results.entries(told, &mut left)? {
            let inside = results.cases.as_ref().and_then(|cases| cases.find(entry));
            let cases = match inside {
                Some(inside) => results.entries(inside, &mut left)?,
                None => Vec::new(),
            };
            let cases = cases.into_iter().map(|(name, entry)| results.case(words, name, entry)).collect();
            let CaseOutcome { name, status, reason, duration_s, log_excerpt, .. } = results.case(words, name, entry);
            tests.insert(name, TestOutcome { status, reason, duration_s, log_excerpt, cases });
        }
        Ok(tests)
    }

    /// Where the log lies, as an answer tells.
    #[must_use]
    pub fn log_url(&self, answer: &Value) -> Option<String> {
        find_text(self.log_url.as_ref(), answer)
    }

    fn facts(&self, answer: &Value) -> BuildFacts {
        let fact = |(name, pointer): (&String, &Pointer)| {
            let value = pointer.find(answer)?;
            let value = match name.as_str() {
                "errors_count" | "warnings_count" => Value::from(value.as_i64()?),
                _ => Value::from(text(value)?),
            };
            Some((name.clone(), value))
        };
        let facts: Map<String, Value> = self.build.iter().filter_map(fact).collect();
        serde_json::from_value(Value::Object(facts)).unwrap_or_default()
    }
}

impl Results {
    /// The results of a list or a map with their names; those without a name are left out, for they are nobody's.
    fn entries<'v>(&self, told: &'v Value, left: &mut usize) -> Result<Vec<(String, &'v Value)>, String> {
        let entries: Vec<(String, &Value)> = match told {
            Value::Object(map) => map.iter().map(|(name, entry)| (name.clone(), entry)).collect(),
            Value::Array(list) => {
                let name = self.name.as_ref();
                list.iter().filter_map(|entry| Some((name?.text(entry)?, entry))).collect()
            }
            _ => return Err(format!("what stands at `{}` is no list or map of results", self.at.0)),
        };
        *left = left.checked_sub(entries.len()).ok_or_else(|| format!("it has more than {MAX_RESULTS} results"))?;
        Ok(entries)
    }

    fn case(&self, words: &Words, name: String, entry: &Value) -> CaseOutcome {
        let (status, unknown) = match self.status.text(entry) {
            Some(word) => judged(words, &word),
            None => (Status::Miss, Some(format!("the runner gave no status: there is nothing at `{}`", self.status.0))),
        };
        CaseOutcome {
            name,
            status,
            reason: find_text(self.reason.as_ref(), entry).map(|text| cut(&text)).or(unknown),
            duration_s: self.duration_s.as_ref().and_then(|pointer| pointer.find(entry)).and_then(seconds),
            measurement: None,
            log_excerpt: find_text(self.log.as_ref(), entry).and_then(|log| excerpt(&log)),
        }
    }
}

/// A word that nobody explained is no verdict on the code: ERROR, with the word.
fn judged(words: &Words, word: &str) -> (Status, Option<String>) {
    match words.status(word) {
        Some(status) => (status, None),
        None => (Status::Error, Some(cut(&format!("the runner said `{word}`, which its `statuses` do not explain")))),
    }
}

fn find_text(pointer: Option<&Pointer>, answer: &Value) -> Option<String> {
    pointer.and_then(|pointer| pointer.text(answer))
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

/// Seconds since 1970, or ISO 8601; without a zone it is UTC.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Number(number) => {
            let seconds = number.as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is too large becomes the largest, which is no time"
            )]
            let micros = (seconds * 1e6) as i64;
            DateTime::from_timestamp_micros(micros)
        }
        Value::String(text) => read_time(text),
        _ => None,
    }
}

fn seconds(value: &Value) -> Option<f64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
}
