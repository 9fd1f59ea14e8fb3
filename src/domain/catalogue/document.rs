//! The form of items that people write, as JSON or TOML.

use serde_json::Value as Json;

use crate::domain::catalogue::class::Classes;
use crate::domain::catalogue::item::{Item, ItemKind};

/// What is wrong with a part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) into the document; empty for the whole.
    pub pointer: String,
    /// What, and what would do.
    pub detail: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pointer.is_empty() { f.write_str(&self.detail) } else { write!(f, "{}: {}", self.pointer, self.detail) }
    }
}

/// Reads an item of this kind, with all faults at once.
///
/// # Errors
/// Every fault that was found; there is at least one.
pub fn read(_kind: ItemKind, _name: &str, _document: &Json, _classes: &Classes) -> Result<Item, Vec<Fault>> {
    Err(Vec::new())
}

/// What is wrong with an item that has been read before, under these classes: its arguments, if its class has changed.
#[must_use]
pub fn check(_item: &Item, _classes: &Classes) -> Vec<Fault> {
    Vec::new()
}

/// Writes an item; what [`read`] reads back as equal.
#[must_use]
pub fn write(_item: &Item, _classes: &Classes) -> Json {
    Json::Null
}
