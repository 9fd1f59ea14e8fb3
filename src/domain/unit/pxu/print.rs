//! Units written as `.pxu` files have them.

use std::fmt::Write as _;

use super::with_line_feeds;
use crate::domain::program::Reader;
use crate::domain::unit::{FieldValue, Unit};

/// Why a unit cannot be written so that it is read again as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unprintable {
    /// Without fields there is no unit.
    #[error("a unit needs a field")]
    Empty,
    /// The name of the field would be read as something else.
    #[error(
        "the field name {name:?}: want one line without `:`, that does not begin with `#`, and no blanks around it"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The field holds a list or a map.
    #[error("field `{field}`: want a text, for lists and maps cannot be written")]
    NoText {
        /// The field.
        field: String,
    },
    /// The value would be read as another.
    #[error(
        "field `{field}`: the value would not be read as it is; want no blanks around it, no lines of blanks or of a \
         single dot, and no control characters"
    )]
    Value {
        /// The field.
        field: String,
    },
}

/// The text of a file that has these units. An instance of a template is written as a unit of its own.
///
/// # Errors
/// The first [`Unprintable`] unit's reason.
pub fn print<'a>(units: impl IntoIterator<Item = &'a Unit>) -> Result<String, Unprintable> {
    let mut text = String::new();
    for unit in units {
        if !text.is_empty() {
            text.push('\n');
        }
        print_unit(unit, &mut text)?;
    }
    Ok(text)
}

fn print_unit(unit: &Unit, text: &mut String) -> Result<(), Unprintable> {
    if unit.fields().is_empty() {
        return Err(Unprintable::Empty);
    }
    let mut fields: Vec<(&String, &FieldValue)> = unit.fields().iter().collect();
    // What people look for first; the others stay in the order of their names.
    fields.sort_by_key(|(name, _)| match name.as_str() {
        "unit" => 0,
        "id" => 1,
        _ => 2,
    });
    for (name, value) in fields {
        let value = value.as_text().ok_or_else(|| Unprintable::NoText { field: name.clone() })?;
        text.push_str(&field(name, value)?);
    }
    Ok(())
}

fn field(name: &str, value: &str) -> Result<String, Unprintable> {
    let mut written = format!("{name}:");
    // Writing to a `String` does not fail.
    if value.contains('\n') {
        for line in value.split('\n') {
            let _ = write!(written, "\n {}", if line.is_empty() { "." } else { line });
        }
        // A last line of a dot would be an empty one; a blank behind it keeps it, and is not read itself.
        if value.ends_with('.') {
            written.push(' ');
        }
    } else if !value.is_empty() {
        let _ = write!(written, " {value}");
    }
    written.push('\n');
    if is_read(&written, name, value) { Ok(written) } else { Err(unreadable(name)) }
}

/// Whether what was written is read as this field and nothing else.
fn is_read(written: &str, name: &str, value: &str) -> bool {
    let written = with_line_feeds(written);
    let mut reader = Reader::of_text(&written);
    let (Some(Ok(read)), None) = (reader.next(), reader.next()) else {
        return false;
    };
    !name.is_empty() && read.record.len() == 1 && read.record.get(name) == Some(value)
}

/// The name's fault if it has one, and the value's else.
fn unreadable(name: &str) -> Unprintable {
    let is_good = !name.is_empty()
        && !name.starts_with('#')
        && !name.contains(|c: char| c == ':' || c.is_control())
        && name.trim() == name;
    if is_good { Unprintable::Value { field: name.to_owned() } } else { Unprintable::Name { name: name.to_owned() } }
}
