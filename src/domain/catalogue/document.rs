//! The form of items that people write, as JSON or TOML.
//!
//! A test, say: `{"class": "command.ShellCommandTest", "arguments": {"command": "ls"}, "prerequisites":
//! [{"test": "a.b", "outcome": "PASS"}], "resources": ["db"], "target_group": "linux.*", "keywords": ["fs"]}`.
//! Arguments are plain: a text is a string, a time is `2026-01-02T03:04:00Z`, a list is an array.
//!
//! This door is stricter than QMTest and its files: a word must be one that its field names, an id must be a label, a
//! pattern must compile. What an import kept all the same is written as `{"enumeral": "mauve"}` or
//! `{"text": "Odd Id"}`, and only in that form is it taken, as it is. So what [`write()`] writes [`read`] reads, and
//! nobody gets there by a slip.

mod class;
mod items;
mod members;
#[cfg(test)]
pub(super) mod strategies;
#[cfg(test)]
mod tests;
mod typed;
pub(super) mod values;

use serde_json::Value as Json;

use crate::domain::catalogue::bounds;
use crate::domain::catalogue::class::{ClassKind, Classes};
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::limits::MAX_DEPTH;
use crate::domain::catalogue::value::Attachment;
use crate::domain::fault::{At, Fault, Faults};

/// Reads an item of this kind, with all faults at once. A class whose document leaves its name out has an empty one;
/// the caller has it from elsewhere, puts it in and asks
/// [`Class::check`](crate::domain::catalogue::class::Class::check).
///
/// # Errors
/// Every fault that was found, the first [`MAX_FAULTS`](crate::domain::fault::MAX_FAULTS) of them; there is
/// at least one.
pub fn read(kind: ItemKind, document: &Json, classes: &Classes) -> Result<Item, Vec<Fault>> {
    let mut faults = Faults::default();
    if is_deeper(document, MAX_DEPTH) {
        faults.add(At::Top, format!("it nests deeper than {MAX_DEPTH} levels"));
        return faults.or(None);
    }
    let item = match kind {
        ItemKind::Test | ItemKind::Resource => items::read_extension(kind, document, classes, &mut faults),
        ItemKind::Suite => items::read_suite(document, classes, &mut faults),
        ItemKind::Directory => items::read_directory(document, &mut faults),
        ItemKind::Expectation => items::read_expectation(document, &mut faults),
        ItemKind::Class => class::read(document, &mut faults).map(Item::Class),
    };
    faults.or(item)
}

/// Writes an item; what [`read`] reads back as equal, if its arguments are as its class takes them.
#[must_use]
pub fn write(item: &Item, classes: &Classes) -> Json {
    match item {
        Item::Test(extension) => items::write_extension(ClassKind::Test, extension, classes),
        Item::Resource(extension) => items::write_extension(ClassKind::Resource, extension, classes),
        Item::Suite(suite) => items::write_suite(suite),
        Item::Directory => Json::Object(serde_json::Map::new()),
        Item::Expectation(expectation) => items::write_expectation(expectation),
        Item::Class(class) => class::write(class),
    }
}

/// Whether the document nests deeper than this. It looks no deeper, so that no document is too deep for it.
fn is_deeper(document: &Json, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match document {
        Json::Array(entries) => entries.iter().any(|entry| is_deeper(entry, depth)),
        Json::Object(members) => members.values().any(|member| is_deeper(member, depth)),
        _ => false,
    }
}

/// Checks the name of a file beside an item.
///
/// # Errors
/// What it is to be instead.
pub fn check_filename(name: &str) -> Result<(), String> {
    bounds::check_filename(name)
}

/// Checks a file beside an item: its name, type and description.
///
/// # Errors
/// Every fault that was found; there is at least one.
pub fn check_attachment(attachment: &Attachment) -> Result<(), Vec<Fault>> {
    let mut faults = Faults::default();
    if let Err(wrong) = check_filename(&attachment.filename) {
        faults.add(At::Top.member("filename"), wrong);
    }
    faults.check_attachment(At::Top, attachment);
    faults.or(Some(()))
}
