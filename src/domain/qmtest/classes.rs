//! Lists of classes: `QMTest/classes.qmc`, which names the classes that are written beside a database.

use super::value::Unwritable;
use super::xml::{Limits, Writer, XmlError, is_blank, parse};

/// The kinds of classes that QMTest has; entries of others are passed over, as QMTest does.
const KINDS: [&str; 11] = [
    "database",
    "expectation_database",
    "host",
    "label",
    "resource",
    "result_reader",
    "result_stream",
    "run_database",
    "suite",
    "target",
    "test",
];

/// A class that a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Of what it is a class, in QMTest's words.
    pub kind: String,
    /// Its name, `module.Class`.
    pub name: String,
}

/// Reads a list, in its order, with what is named twice. The name is the attribute `name`, or in older files the text.
///
/// # Errors
/// If it is not XML, or an entry names no class.
pub fn read(bytes: &[u8]) -> Result<Vec<Listed>, XmlError> {
    let root = parse(bytes, Limits::DEFINITION)?;
    let mut listed = Vec::new();
    for element in root.descendants("class") {
        let kind = element.attribute("kind").unwrap_or_default();
        if !KINDS.contains(&kind) {
            continue;
        }
        let name = match element.attribute("name").filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => element.text()?.trim_matches(is_blank).to_owned(),
        };
        if name.is_empty() {
            return Err(element.error("an entry names no class: want <class kind=\"test\" name=\"module.Class\"/>"));
        }
        listed.push(Listed { kind: kind.to_owned(), name });
    }
    Ok(listed)
}

/// Writes a list.
///
/// # Errors
/// If XML cannot hold a character of a name.
pub fn write(listed: &[Listed]) -> Result<String, Unwritable> {
    let mut out = Writer::new();
    out.raw("<class-directory>\n");
    for Listed { kind, name } in listed {
        out.raw(" ");
        out.open_tag("class");
        out.attribute("kind", kind)?;
        out.attribute("name", name)?;
        out.close_empty();
        out.raw("\n");
    }
    out.raw("</class-directory>\n");
    Ok(out.finish())
}
