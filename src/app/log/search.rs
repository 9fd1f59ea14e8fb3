//! Searches in logs: text or a regular expression, in stretches that are bounded in time and in number.

use std::time::{Duration, Instant};

use fancy_regex::Regex;

use super::read::{Lines, PAGE_BYTES, find};
use crate::app::{App, AppError, Result, blocking};
use crate::domain::log::{Numbered, Wanted};
use crate::ids::RunId;
use crate::store;
use crate::store::log::Stored;

/// How many characters what is looked for has at most.
pub const MAX_SOUGHT: usize = 1_000;

/// How many chunks are read at once.
const CHUNKS: u32 = 32;

/// How many chunks are looked at for one answer: some 64 MiB of text.
const MOST_CHUNKS: usize = 1_024;

/// How long one answer looks.
const LONGEST: Duration = Duration::from_secs(2);

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Sought(Pattern);

#[derive(Clone, Debug)]
enum Pattern {
    Text(String),
    Regex(Regex),
}

impl Sought {
    /// Lines in which this text stands, or which this regular expression matches.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for nothing, for too much, and for what is no regular expression.
    pub fn new(text: &str, is_regex: bool, ignores_case: bool) -> Result<Self> {
        let length = text.chars().take(MAX_SOUGHT + 1).count();
        if !(1..=MAX_SOUGHT).contains(&length) {
            return Err(AppError::Invalid(format!("what is looked for: want 1 to {MAX_SOUGHT} characters")));
        }
        if !is_regex && !ignores_case {
            return Ok(Self(Pattern::Text(text.to_owned())));
        }
        let pattern = if is_regex { text.into() } else { fancy_regex::escape(text) };
        let pattern = if ignores_case { format!("(?i){pattern}") } else { pattern.into_owned() };
        let regex = crate::domain::regex::compiled(&pattern)
            .map_err(|words| AppError::Invalid(format!("what is looked for is no regular expression: {words}")))?;
        Ok(Self(Pattern::Regex(regex)))
    }

    fn is_in(&self, line: &Numbered) -> Result<bool> {
        match &self.0 {
            Pattern::Text(text) => Ok(line.line.text.contains(text.as_str())),
            Pattern::Regex(regex) => regex.is_match(&line.line.text).map_err(|_| {
                let number = line.number;
                AppError::Invalid(format!("the regular expression takes too long in line {number}: make it simpler"))
            }),
        }
    }
}

/// What a stretch of the search came to.
struct Stretch {
    lines: Vec<Numbered>,
    bytes: u64,
    /// The number of the line to go on from.
    at: u64,
    /// Whether the answer is full, or its time is over.
    is_full: bool,
}

/// Up to `limit` lines that are wanted and in which what is sought is found, from the number `from` on. There may be fewer,
/// and even none, although there are more: one answer looks for a bounded time.
///
/// # Errors
/// As [`find`]; [`AppError::Invalid`] if a regular expression takes too long.
pub async fn search(app: &App, run: RunId, sought: Sought, wanted: Wanted, from: u64, limit: usize) -> Result<Lines> {
    let log = {
        let mut db = app.read().await?;
        find(&mut db.conn(), run).await?
    };
    let (end, until) = (log.length().lines, Instant::now() + LONGEST);
    let mut stretch = Stretch { lines: Vec::new(), bytes: 0, at: from, is_full: false };
    let mut looked_at = 0;
    while stretch.at < end && !stretch.is_full && looked_at < MOST_CHUNKS {
        let chunks = {
            let mut db = app.read().await?;
            store::log::from_line(&mut db.conn(), run, stretch.at, CHUNKS).await?
        };
        if chunks.is_empty() {
            break;
        }
        looked_at += chunks.len();
        let (sought, wanted) = (sought.clone(), wanted.clone());
        stretch = blocking(move || look(&chunks, &sought, &wanted, stretch, end, limit, until)).await?;
    }
    Ok(Lines { log, lines: stretch.lines, next: (stretch.at < end).then_some(stretch.at) })
}

fn look(
    chunks: &[Stored],
    sought: &Sought,
    wanted: &Wanted,
    mut found: Stretch,
    end: u64,
    limit: usize,
    until: Instant,
) -> Result<Stretch> {
    let from = found.at;
    for chunk in chunks {
        for line in chunk.unpack()?.numbered().filter(|line| (from..end).contains(&line.number)) {
            found.at = line.number;
            if wanted.wants(&line.line) && sought.is_in(&line)? {
                found.bytes += line.line.bytes();
                if found.lines.len() >= limit || (found.bytes > PAGE_BYTES && !found.lines.is_empty()) {
                    found.is_full = true;
                    return Ok(found);
                }
                found.lines.push(line);
            }
            found.at += 1;
            // A slow expression takes its time in each line.
            if Instant::now() >= until {
                found.is_full = true;
                return Ok(found);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::log::{Line, LogStream};

    fn line(text: &str) -> Numbered {
        let line = Line { at: DateTime::UNIX_EPOCH, job: None, stream: LogStream::Stdout, text: text.to_owned() };
        Numbered { number: 7, line }
    }

    #[test]
    fn text_is_text_and_a_pattern_a_pattern() {
        let found = |sought: &str, is_regex, ignores_case, text: &str| {
            Sought::new(sought, is_regex, ignores_case).unwrap().is_in(&line(text)).unwrap()
        };
        assert!(found("a.c", false, false, "xa.cx") && !found("a.c", false, false, "abc"));
        assert!(found("A.C", false, true, "xa.cx") && !found("A.C", false, true, "abc"));
        assert!(found("^a.c$", true, false, "abc") && !found("^a.c$", true, false, "ABC"));
        assert!(found("^a.c$", true, true, "ABC"));
        assert!(found("ÄÖ", false, true, "äö"));
    }

    #[test]
    fn what_cannot_be_looked_for_is_told() {
        for (sought, words) in [("", "1 to 1000"), (&*"x".repeat(1_001), "1 to 1000"), ("(", "no regular expression")] {
            let refused = Sought::new(sought, true, false).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
        let slow = Sought::new("^(?:(?=a)a|aa)+$", true, false).unwrap();
        let refused = slow.is_in(&line(&format!("{}b", "a".repeat(60)))).unwrap_err().to_string();
        assert!(refused.contains("line 7"), "{refused}");
    }
}
