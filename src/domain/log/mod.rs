//! The log of a run: lines, numbered from 0 in the order in which whoever runs it writes them.
//!
//! What is written is never changed. A line that is sent again is passed over, a line is never left out, and past the
//! limits lines are counted and not kept ([`admit`]): so the log does not depend on how its lines were sent. For storing,
//! lines stand in chunks ([`chunk`]), each of which knows its first line and, in the log's text, its first byte.

pub mod chunk;

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::words::words;

words!(
    /// Where a line was written.
    LogStream, "stream of a log", {
        /// A job's standard output.
        Stdout = "stdout",
        /// A job's standard error.
        Stderr = "stderr",
        /// What whoever runs the jobs, or this service, says of the run.
        Note = "note",
    }
);

/// How many bytes the text of a line has at most; of a longer one the rest is cut off, and `…` says so.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// How many characters of a job's id are kept with a line.
const MAX_JOB: usize = 2_000;

/// What a note begins with in the log's text: for those who read test output as TAP, a comment.
const NOTE: &str = "# ";

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// When it was written, by the clock of whoever wrote it.
    pub at: DateTime<Utc>,
    /// The job that wrote it, or that it is about.
    #[serde(default)]
    pub job: Option<String>,
    /// Where it was written.
    pub stream: LogStream,
    /// What was written, without the end of the line.
    pub text: String,
}

/// A line with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Numbered {
    /// Its place in the log, from 0.
    pub number: u64,
    /// The line.
    #[serde(flatten)]
    pub line: Line,
}

impl Line {
    /// The line as a log keeps it: one line, which any database can hold, of bounded length, at a time in microseconds.
    /// NUL and ends of lines inside of it are shown as other characters.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self {
            at: self.at.trunc_subsecs(6),
            job: self.job.as_deref().map(|job| shown(job).take(MAX_JOB).collect()),
            stream: self.stream,
            text: short(&self.text),
        }
    }

    /// How many bytes it takes in the log's text.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let mark = if self.stream == LogStream::Note { NOTE.len() } else { 0 };
        u64::try_from(mark + self.text.len() + 1).unwrap_or(u64::MAX)
    }

    /// Appends it to the log's text.
    pub fn render(&self, text: &mut String) {
        if self.stream == LogStream::Note {
            text.push_str(NOTE);
        }
        text.push_str(&self.text);
        text.push('\n');
    }
}

/// The characters of a text, those that no line holds shown as others.
fn shown(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|letter| match letter {
        '\0' => char::REPLACEMENT_CHARACTER,
        '\n' => '␊',
        other => other,
    })
}

fn short(text: &str) -> String {
    const CUT: char = '…';
    // What ends the line is no part of it.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut kept = String::with_capacity(text.len().min(MAX_LINE_BYTES));
    for letter in shown(text) {
        if kept.len() + letter.len_utf8() > MAX_LINE_BYTES {
            while kept.len() + CUT.len_utf8() > MAX_LINE_BYTES {
                kept.pop();
            }
            kept.push(CUT);
            break;
        }
        kept.push(letter);
    }
    kept
}

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many lines at most, but for the note that says that there are no more.
    pub max_lines: u64,
    /// How many bytes of text at most, but for that note.
    pub max_bytes: u64,
}

/// How long a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// How many lines are kept.
    pub lines: u64,
    /// How many bytes of text they are.
    pub bytes: u64,
    /// How many lines were written and are not kept. When there are some, the last line that is kept says so, in the place
    /// of the first that is not.
    pub dropped: u64,
}

impl Length {
    /// The number of the line that is to come next.
    #[must_use]
    pub fn next(&self) -> u64 {
        match self.dropped {
            0 => self.lines,
            dropped => self.lines.saturating_sub(1).saturating_add(dropped),
        }
    }

    fn keep(&mut self, line: &Line) {
        self.lines += 1;
        self.bytes = self.bytes.saturating_add(line.bytes());
    }
}

/// Lines were sent before those that come before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lines are missing: {first} was sent, and {next} comes next")]
pub struct Gap {
    /// The number of the first line that was sent.
    pub first: u64,
    /// The number of the line that is to come next.
    pub next: u64,
}

/// Takes lines in, of which the first has the number `first`. Those that are there already are passed over. Returns how long
/// the log is then, and the lines that are new and kept.
///
/// # Errors
/// [`Gap`], if lines are missing before the first one.
pub fn admit(length: Length, limits: Limits, first: u64, lines: &[Line]) -> Result<(Length, Vec<Line>), Gap> {
    let (mut length, next) = (length, length.next());
    let known = next.checked_sub(first).ok_or(Gap { first, next })?;
    let new = lines.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default();
    let mut kept = Vec::with_capacity(new.len());
    for line in new {
        if length.dropped > 0 {
            length.dropped = length.dropped.saturating_add(1);
            continue;
        }
        let mut line = line.kept();
        let fits = length.lines < limits.max_lines && length.bytes.saturating_add(line.bytes()) <= limits.max_bytes;
        if !fits {
            length.dropped = 1;
            line = full(limits, line.at);
        }
        length.keep(&line);
        kept.push(line);
    }
    Ok((length, kept))
}

fn full(limits: Limits, at: DateTime<Utc>) -> Line {
    let Limits { max_lines, max_bytes } = limits;
    let text = format!(
        "The log is full: it has at most {max_lines} lines and {max_bytes} bytes. What comes after is counted, not kept."
    );
    Line { at, job: None, stream: LogStream::Note, text }
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those of this job; of all, and of none, where it is left out.
    pub job: Option<String>,
    /// Those of these streams; of all where there are none.
    pub streams: Vec<LogStream>,
}

impl Wanted {
    /// Whether all are.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.job.is_none() && self.streams.is_empty()
    }

    /// Whether this one is.
    #[must_use]
    pub fn wants(&self, line: &Line) -> bool {
        self.job.as_ref().is_none_or(|job| line.job.as_ref() == Some(job))
            && (self.streams.is_empty() || self.streams.contains(&line.stream))
    }
}

/// The end of a text: at most `most` characters, from the beginning of a line on where one begins there.
#[must_use]
pub fn tail(text: &str, most: usize) -> &str {
    let Some(cut) = text.char_indices().rev().nth(most).map(|(at, letter)| at + letter.len_utf8()) else { return text };
    let end = text.get(cut..).unwrap_or_default();
    let begins_here = text.get(..cut).is_some_and(|before| before.ends_with('\n'));
    match end.split_once('\n') {
        Some((_, rest)) if !begins_here && !rest.is_empty() => rest,
        _ => end,
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
