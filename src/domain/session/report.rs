//! A result of a job, as it is reported.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::outcome::Outcome;

/// A result of a job. As JSON, for example: `{"outcome": "fail", "comments": "no link", "return_code": 1,
/// "execution_duration": 1.5, "io_log": [[0.25, "stdout", "aGkK"]]}`. All members may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// What came of it; `None`: it has not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What somebody says of it, as it came in; see [`Report::plain_comments`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comments: Option<String>,
    /// What its command returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_code: Option<i64>,
    /// How long it took, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_duration: Option<f64>,
    /// What it wrote, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_log: Vec<LogEntry>,
    /// The name of a log that is kept elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<SkipReason>,
}

/// One piece of what a job wrote. As JSON a list of the delay, the stream and the bytes in base64.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// How long after the piece before it came, in seconds.
    pub delay: f64,
    /// Where it was written to.
    pub stream: Stream,
    /// What was written. Of a resource job each entry of the standard output is one line of records.
    pub data: Vec<u8>,
}

/// Where a job writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error output.
    Stderr,
}

/// Why a job was skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SkipReason {
    /// The jobs that it depends on and that did not pass.
    pub related_dependencies: Vec<String>,
    /// The expressions that do not hold.
    pub related_resources: Vec<String>,
    /// The manifest entries that are not as they should be.
    pub related_manifests: Vec<String>,
}

impl SkipReason {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.related_dependencies.is_empty() && self.related_resources.is_empty() && self.related_manifests.is_empty()
    }
}

impl Report {
    /// A result of which nothing but the outcome is known.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..Self::default() }
    }

    /// Whether it says nothing at all. Such a result takes the current one away and leaves no trace in the history.
    #[must_use]
    pub fn is_hollow(&self) -> bool {
        *self == Self::default()
    }

    /// The comments without the sequences that a terminal reads as commands.
    #[must_use]
    pub fn plain_comments(&self) -> Option<Cow<'_, str>> {
        self.comments.as_deref().map(without_escapes)
    }

    /// What it wrote to its standard output, entry by entry.
    pub fn stdout(&self) -> impl Iterator<Item = &[u8]> {
        self.io_log.iter().filter(|entry| entry.stream == Stream::Stdout).map(|entry| entry.data.as_slice())
    }
}

/// The text without escape sequences: an escape and `[`, what follows up to a letter; or an escape and one character.
fn without_escapes(text: &str) -> Cow<'_, str> {
    const ESCAPE: char = '\u{1b}';
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != ESCAPE {
            plain.push(letter);
        } else if rest.next() == Some('[') {
            rest.by_ref().find(|letter| ('@'..='~').contains(letter));
        }
    }
    Cow::Owned(plain)
}

impl Serialize for LogEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.delay, self.stream, STANDARD.encode(&self.data)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LogEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let (delay, stream, data) = <(f64, Stream, String)>::deserialize(deserializer)?;
        if delay < 0.0 {
            return Err(D::Error::custom("a delay of a log entry is not negative"));
        }
        let data = STANDARD.decode(data).map_err(|error| D::Error::custom(format!("not base64: {error}")))?;
        Ok(Self { delay, stream, data })
    }
}
