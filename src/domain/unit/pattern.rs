//! Which jobs an id or a pattern names.

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};

use super::field::qualified;
use super::python_regex;

/// How many steps back a pattern may take before it is given up: patterns come from outside.
const BACKTRACK_LIMIT: usize = 100_000;

/// How many bytes the automaton of a pattern may take.
const SIZE_LIMIT: usize = 1 << 20;

/// Why a text is no pattern, or what came of matching one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is none.
    #[error("`{text}` is no pattern: {reason}")]
    Invalid {
        /// The text, cut to 200 characters.
        text: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// It takes too long.
    #[error("`{text}` takes too long to match")]
    TooLong {
        /// The pattern, cut to 200 characters.
        text: String,
    },
}

/// What an entry of a list is: it is read as one of Python's regular expressions, and may be one in form only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// An id: plain characters, and nothing that could match another one. It holds what they mean, behind escapes.
    Fixed(String),
    /// A pattern.
    Pattern,
}

impl Form {
    /// The form of this text.
    ///
    /// # Errors
    /// [`PatternError::Invalid`].
    pub fn of(text: &str) -> Result<Self, PatternError> {
        let reading = read(text)?;
        match reading.literal {
            Some(literal) => Ok(Self::Fixed(literal)),
            None => compile(text, &reading.regex).map(|_| Self::Pattern),
        }
    }
}

/// A pattern that ids are matched with, from their start.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// A pattern as it is written. It need not reach the end of what it matches.
    ///
    /// # Errors
    /// [`PatternError::Invalid`].
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let regex = compile(text, &format!(r"\A(?:{})", read(text)?.regex))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The pattern of an entry in a test plan of this namespace: it must match the whole of an id, and without a `::` of its
    /// own it matches in the plan's namespace only. Its text is `^namespace::entry$`.
    ///
    /// # Errors
    /// [`PatternError::Invalid`].
    pub fn anchored(namespace: Option<&str>, entry: &str) -> Result<Self, PatternError> {
        let inner = unanchored(entry);
        let text = anchored_text(namespace, entry);
        // The namespace is text, whatever signs it holds, and an alternative of the entry ends with the entry.
        let prefix = match namespace {
            Some(namespace) if !inner.contains("::") => format!("{}::", fancy_regex::escape(namespace)),
            _ => String::new(),
        };
        let regex = compile(entry, &format!(r"\A{prefix}(?:{})\z", read(inner)?.regex))?;
        Ok(Self { text, regex })
    }

    /// Whether it matches at the start of this text.
    ///
    /// # Errors
    /// [`PatternError::TooLong`].
    pub fn matches(&self, text: &str) -> Result<bool, PatternError> {
        self.regex.is_match(text).map_err(|_| PatternError::TooLong { text: cut(&self.text) })
    }

    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

/// The entry without a `^` before it and a `$` behind it.
pub(super) fn unanchored(entry: &str) -> &str {
    let entry = entry.strip_prefix('^').unwrap_or(entry);
    match entry.strip_suffix('$') {
        // Behind a backslash it is a plain character, unless the backslash is one.
        Some(inner) if (inner.len() - inner.trim_end_matches('\\').len()).is_multiple_of(2) => inner,
        _ => entry,
    }
}

/// The text of an entry's pattern: `^namespace::entry$`.
pub(super) fn anchored_text(namespace: Option<&str>, entry: &str) -> String {
    format!("^{}$", qualified(namespace, unanchored(entry)))
}

/// The one text that this pattern matches, if it is one in form only.
pub(super) fn literal(text: &str) -> Result<Option<String>, PatternError> {
    read(text).map(|reading| reading.literal)
}

fn read(text: &str) -> Result<python_regex::Reading, PatternError> {
    python_regex::read(text).map_err(|reason| PatternError::Invalid { text: cut(text), reason })
}

fn compile(text: &str, regex: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(regex)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| PatternError::Invalid { text: cut(text), reason: error.to_string() })
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
