//! What is wrong with a document, and where.

use std::borrow::Cow;
use std::fmt;

#[cfg(test)]
mod tests;

/// The most faults that are told of a document.
pub const MAX_FAULTS: usize = 100;

/// The most bytes of the pointer of a fault; of a longer one the nearest place above is told.
pub const MAX_POINTER: usize = 2_048;

/// What is wrong with a part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) into the document; empty for the whole.
    pub pointer: String,
    /// What, and what would do.
    pub detail: String,
}

impl Fault {
    /// A fault at a pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }

    /// The fault as one of the document that this document stands in, at that pointer.
    #[must_use]
    pub fn below(self, pointer: &str) -> Self {
        Self { pointer: format!("{pointer}{}", self.pointer), detail: self.detail }
    }

    /// Of a fault in a list the place of the entry that it is in, from 0, and the fault as one of that entry.
    ///
    /// # Errors
    /// The fault itself, if it is in no entry.
    pub fn in_entry(self) -> Result<(usize, Self), Self> {
        let rest = self.pointer.strip_prefix('/').unwrap_or_default();
        let (place, below) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        match place.parse() {
            Ok(place) => Ok((place, Self { pointer: below.to_owned(), detail: self.detail })),
            Err(_) => Err(self),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() { f.write_str(&self.detail) } else { write!(f, "{}: {}", self.pointer, self.detail) }
    }
}

/// The pointer to a place, by the names on the way to it.
pub fn pointer<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().flat_map(|name| [Cow::Borrowed("/"), escaped(name)]).collect()
}

/// A name as it stands in a pointer.
fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) }
}

/// A place in a document, as the way to it from the top: no text, until there is a fault.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Top,
    Member(&'a At<'a>, &'a str),
    Entry(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(crate) fn member(&'a self, name: &'a str) -> At<'a> {
        At::Member(self, name)
    }

    pub(crate) fn entry(&'a self, index: usize) -> At<'a> {
        At::Entry(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Member(above, name) => write!(f, "{above}/{}", escaped(name)),
            Self::Entry(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

/// Says where a fault is.
pub(crate) trait Place {
    /// The pointer to it, or to the nearest place above whose pointer is not too long.
    fn pointer(self) -> String;
}

impl Place for At<'_> {
    fn pointer(self) -> String {
        self.to_string().pointer()
    }
}

impl Place for &str {
    fn pointer(self) -> String {
        self.to_owned().pointer()
    }
}

impl Place for String {
    fn pointer(mut self) -> String {
        while self.len() > MAX_POINTER {
            let above = self.rfind('/').unwrap_or_default();
            self.truncate(above);
        }
        self
    }
}

/// The faults found so far, the first [`MAX_FAULTS`] of them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    found: Vec<Fault>,
    /// Members of the document of which nothing more is told.
    closed: Vec<String>,
}

impl Faults {
    /// Adds a fault.
    pub(crate) fn add(&mut self, at: impl Place, detail: impl Into<String>) {
        if self.is_full() {
            return;
        }
        let pointer = at.pointer();
        let is_closed = self.closed.iter().any(|member| {
            pointer.strip_prefix(member.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if !is_closed {
            self.found.push(Fault { pointer, detail: detail.into() });
        }
    }

    /// Adds a fault. Answers `None`, for what would have been read there.
    pub(crate) fn refuse<T>(&mut self, at: impl Place, detail: impl Into<String>) -> Option<T> {
        self.add(at, detail);
        None
    }

    /// From here on, nothing more is told of the members of the document that have faults: they could not be read.
    pub(crate) fn close_read(&mut self) {
        let member = |fault: &Fault| fault.pointer.split('/').nth(1).map(|name| format!("/{name}"));
        self.closed = self.found.iter().filter_map(member).collect();
    }

    /// Whether further faults are not told.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MAX_FAULTS
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was read, unless there are faults.
    pub(crate) fn or<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        match read {
            Some(read) if self.found.is_empty() => Ok(read),
            _ => Err(self.found),
        }
    }
}
