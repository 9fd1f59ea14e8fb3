//! Checkbox's `.pxu` files: units, as records of fields. The grammar is that of the records in `domain/program`.
//!
//! Each unit tells where it stands, and a unit that cannot be read takes none of the others with it: reading goes on
//! behind the next blank line.

mod print;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use print::{Unprintable, print};

use super::{FieldValue, Unit};
use crate::domain::program::{Reader, RecordFault};

/// Where units come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    /// The file's name, for what is told of it.
    pub file: &'a str,
    /// The provider's namespace.
    pub namespace: Option<&'a str>,
    /// The provider's name.
    pub provider: Option<&'a str>,
}

/// Something that was read from a file, and where it stands there. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// The line of the first field.
    pub first_line: usize,
    /// The last line that is part of it.
    pub last_line: usize,
    /// The line of each field's name.
    pub field_lines: BTreeMap<String, usize>,
}

impl<T> Located<T> {
    /// The line of a field, in either spelling; that of the whole if it has no such field.
    #[must_use]
    pub fn line_of(&self, field: &str) -> usize {
        let line = self.field_lines.get(&format!("_{field}")).or_else(|| self.field_lines.get(field));
        line.copied().unwrap_or(self.first_line)
    }
}

/// A place in a file at which no unit can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {detail}")]
pub struct Problem {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong; `None` where a field has no name.
    pub fault: Option<RecordFault>,
    /// The same for people, and what was expected. The unit in which it stands is left out.
    pub detail: String,
}

/// The units of a file, in their order, and what in it cannot be read.
#[must_use]
pub fn read(text: &str, source: &Source<'_>) -> (Vec<Located<Unit>>, Vec<Problem>) {
    let mut units = Vec::new();
    let mut problems = Vec::new();
    let mut problem = |line, fault, detail| {
        problems.push(Problem { file: source.file.to_owned(), line, fault, detail });
    };
    for read in Reader::of_text(&with_line_feeds(text)) {
        match read {
            Ok(located) => {
                let fields: Vec<(&str, &str)> = located.record.iter().collect();
                let field_lines: BTreeMap<String, usize> = fields
                    .iter()
                    .zip(&located.field_lines)
                    .map(|((name, _), line)| ((*name).to_owned(), *line))
                    .collect();
                if let Some(line) = field_lines.get("") {
                    problem(*line, None, "want the name of a field before the `:`".to_owned());
                    continue;
                }
                let fields =
                    fields.into_iter().map(|(name, value)| (name.to_owned(), FieldValue::from(value))).collect();
                units.push(Located {
                    value: Unit::new(source.namespace, source.provider, fields),
                    first_line: located.first_line,
                    last_line: located.last_line,
                    field_lines,
                });
            }
            Err(error) => problem(error.line, Some(error.fault), error.message),
        }
    }
    (units, problems)
}

/// The text with line feeds alone for ends of lines, as Python reads files, and with one at its end.
fn with_line_feeds(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    if text.contains('\r') {
        text = Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    if !text.ends_with('\n') {
        text.to_mut().push('\n');
    }
    text
}
