//! What is wrong with a document, and where.

use std::fmt;

use crate::domain::catalogue::limits::{MAX_FAULTS, MAX_POINTER};
use crate::domain::catalogue::text::unwritable;

/// What is wrong with a part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) into the document; empty for the whole.
    pub pointer: String,
    /// What, and what would do.
    pub detail: String,
}

impl Fault {
    /// The fault as one of the document that this document stands in, at that pointer.
    #[must_use]
    pub fn below(self, pointer: &str) -> Self {
        Self { pointer: format!("{pointer}{}", self.pointer), detail: self.detail }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() { f.write_str(&self.detail) } else { write!(f, "{}: {}", self.pointer, self.detail) }
    }
}

/// A place in a document, as the way to it from the top.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Top,
    Member(&'a At<'a>, &'a str),
    Entry(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(super) fn member(&'a self, name: &'a str) -> At<'a> {
        At::Member(self, name)
    }

    pub(super) fn entry(&'a self, index: usize) -> At<'a> {
        At::Entry(self, index)
    }

    /// The pointer to it, or to the nearest place above whose pointer is not too long.
    fn pointer(&self) -> String {
        let pointer = self.to_string();
        match (pointer.len() > MAX_POINTER, self) {
            (true, At::Member(above, _) | At::Entry(above, _)) => above.pointer(),
            _ => pointer,
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Member(above, name) => write!(f, "{above}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Entry(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

/// The faults found so far, the first [`MAX_FAULTS`] of them.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault. Answers `None`, for what would have been read there.
    pub(super) fn add<T>(&mut self, at: At<'_>, detail: impl Into<String>) -> Option<T> {
        if !self.is_full() {
            self.0.push(Fault { pointer: at.pointer(), detail: detail.into() });
        }
        None
    }

    /// Whether further faults are not told.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }

    /// Checks a text: nothing that cannot be written, and at most so many characters.
    pub(super) fn check_text(&mut self, at: At<'_>, text: &str, most: usize) -> bool {
        // Counting bytes first spares counting the characters of short texts.
        if text.len() > most && text.chars().count() > most {
            self.add::<()>(at, format!("want at most {most} characters"));
            return false;
        }
        if let Some(c) = unwritable(text) {
            let detail = format!(
                "it holds {c:?}, which XML 1.0 cannot write; of control characters want only tabs and line breaks"
            );
            self.add::<()>(at, detail);
            return false;
        }
        true
    }

    /// Checks a number of entries.
    pub(super) fn check_count(&mut self, at: At<'_>, count: usize, most: usize) -> bool {
        if count > most {
            self.add::<()>(at, format!("want at most {most} entries, not {count}"));
        }
        count <= most
    }

    /// What was read, unless there are faults.
    pub(super) fn or<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        match read {
            Some(read) if self.0.is_empty() => Ok(read),
            _ => Err(self.0),
        }
    }
}
