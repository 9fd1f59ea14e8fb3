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

/// Reads an item of this kind, with all faults at once.
///
/// # Errors
/// Every fault that was found; there is at least one.
pub fn read(_kind: ItemKind, _document: &Json, _classes: &Classes) -> Result<Item, Vec<Fault>> {
    Err(Vec::new())
}

/// Writes an item; what [`read`] reads back as equal.
#[must_use]
pub fn write(_item: &Item, _classes: &Classes) -> Json {
    Json::Null
}
