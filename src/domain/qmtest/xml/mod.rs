//! A small document tree over XML, for files that come from anywhere.
//!
//! It knows elements, attributes and text; comments and processing instructions are passed over, and a CDATA section is
//! text. No entity is expanded but the five of XML itself and character references: a document that declares others is
//! refused, as is one that is larger, deeper or richer than [`Limits`] allow. So what a document costs is bounded by its
//! size. Names are compared as they are written, prefixes included; QMTest has no namespaces.

mod decode;
mod parse;
mod write;

#[cfg(test)]
mod tests;

pub use parse::parse;
pub use write::{IllegalCharacter, Writer, is_char};

use std::fmt;

/// How large a document may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its bytes, as they came and in UTF-8.
    pub bytes: usize,
    /// Its elements, attributes and texts together. Each costs about a hundred bytes of memory beside its text.
    pub nodes: usize,
}

impl Limits {
    /// Of a file that defines one thing: a test, a suite, the classes of a database. Written by people, whose largest
    /// are some kilobytes; a test that holds its expected output in an argument may be much larger.
    pub const DEFINITION: Self = Self { bytes: 4 << 20, nodes: 200_000 };
    /// Of a results file: one for a whole run, of some hundred bytes for each test.
    pub const RESULTS: Self = Self { bytes: 32 << 20, nodes: 1_000_000 };
}

/// The most elements inside each other. A value nests as its field does: an argument is the second level, and fields of
/// [`MAX_FIELD_DEPTH`](crate::domain::catalogue::field::MAX_FIELD_DEPTH), all dictionaries, take two levels each.
pub const MAX_DEPTH: usize = 20;

/// The most attributes of an element: QMTest's have three.
pub const MAX_ATTRIBUTES: usize = 64;

/// A place in a document, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// Where every document begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a document is not taken, and where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {what}")]
pub struct XmlError {
    /// Where.
    pub position: Position,
    /// What is wrong, and what would do.
    pub what: String,
}

impl XmlError {
    /// An error at a place.
    pub fn new(position: Position, what: impl Into<String>) -> Self {
        Self { position, what: what.into() }
    }
}

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, in their order; a name stands once.
    pub attributes: Vec<(String, String)>,
    /// What is in it. No two texts stand beside each other.
    pub nodes: Vec<Node>,
    /// Where it begins.
    pub position: Position,
}

/// What is in an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, with references resolved and each line's end as one line feed; not empty.
    Text(String),
}

impl Element {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The elements in it, in their order.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|node| if let Node::Element(element) = node { Some(element) } else { None })
    }

    /// The elements of this name anywhere below it, in the order of the document. QMTest looks for most things in this
    /// way.
    #[must_use]
    pub fn descendants(&self, name: &str) -> Vec<&Element> {
        fn collect<'a>(element: &'a Element, name: &str, found: &mut Vec<&'a Element>) {
            for child in element.elements() {
                if child.name == name {
                    found.push(child);
                }
                collect(child, name, found);
            }
        }
        let mut found = Vec::new();
        collect(self, name, &mut found);
        found
    }

    /// The element of this name directly in it, if there is exactly one.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<&Element> {
        let mut children = self.elements().filter(|child| child.name == name);
        let first = children.next()?;
        children.next().is_none().then_some(first)
    }

    /// Its text.
    ///
    /// # Errors
    /// If there are elements in it.
    pub fn text(&self) -> Result<String, XmlError> {
        if let Some(child) = self.elements().next() {
            return Err(child.error(format!("`{}` stands where only text may", child.name)));
        }
        Ok(self.nodes.iter().filter_map(Node::as_text).collect())
    }

    /// Whether there is text in it, other than blanks, beside its elements.
    #[must_use]
    pub fn has_stray_text(&self) -> bool {
        self.nodes.iter().filter_map(Node::as_text).any(|text| !text.trim_matches(is_blank).is_empty())
    }

    /// An error where this element begins.
    pub fn error(&self, what: impl Into<String>) -> XmlError {
        XmlError::new(self.position, what)
    }
}

impl Node {
    fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// What XML calls white space.
#[must_use]
pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}
