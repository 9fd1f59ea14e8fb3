//! Records: fields with values, in lines as RFC 822 has them. Resource jobs print them and `.pxu` files hold them.
//!
//! | a line | is |
//! |---|---|
//! | that begins with `#` | passed over, wherever it stands |
//! | of blanks only | the end of a record |
//! | that begins with a space | more of the value before it, without that space |
//! | with a `:` | a field: its name and the beginning of its value |
//! | else | an error |
//!
//! In a value of two lines or more, a line with only a dot is an empty line, and the indentation that all lines have is
//! taken off. Blanks around a value are always taken off.

use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{is_blank, lines_with_ends, strip};
use crate::domain::words::words;

/// The fields of one record, in their order. Two records are equal if they have the same fields, in whatever order. Over
/// serde it is a JSON object of texts.
#[derive(Clone, Default)]
pub struct Record {
    fields: Vec<(String, String)>,
    /// The places in `fields` in the order of the names.
    by_name: Vec<usize>,
}

impl Record {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        let found = self.by_name.binary_search_by(|&place| self.name_at(place).cmp(field)).ok()?;
        self.fields.get(*self.by_name.get(found)?).map(|(_, value)| value.as_str())
    }

    /// The fields with their values, in their order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn name_at(&self, place: usize) -> &str {
        self.fields.get(place).map_or("", |(name, _)| name.as_str())
    }
}

/// Of fields of one name the last one counts; it stands where it was met last.
impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Record {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(fields: T) -> Self {
        let mut fields: Vec<(String, String)> =
            fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut by_name: Vec<usize> = (0..fields.len()).collect();
        let name = |place: &usize| fields.get(*place).map_or("", |(name, _)| name.as_str());
        by_name.sort_by(|one, other| name(one).cmp(name(other)).then(one.cmp(other)));
        let doubled: HashSet<usize> = by_name
            .iter()
            .zip(by_name.iter().skip(1))
            .filter(|(place, next)| name(place) == name(next))
            .map(|(place, _)| *place)
            .collect();
        if !doubled.is_empty() {
            let mut place = 0;
            fields.retain(|_| {
                place += 1;
                !doubled.contains(&(place - 1))
            });
            return fields.into_iter().collect();
        }
        Self { fields, by_name }
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .by_name
                .iter()
                .zip(&other.by_name)
                .all(|(here, there)| self.fields.get(*here) == other.fields.get(*there))
    }
}

impl Eq for Record {}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields: Vec<(String, String)> = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields.into_iter().collect())
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A record, and where it stands in its text. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The record.
    pub record: Record,
    /// The line of the first field's name.
    pub first_line: usize,
    /// The last line that is a field's name or part of a value.
    pub last_line: usize,
    /// The line of each field's name, in the order of the record's fields.
    pub field_lines: Vec<usize>,
}

words!(
    /// What is wrong with a line of records.
    RecordFault, "fault of a record", {
        /// It has no colon, and is nothing else that may stand there.
        NoColon = "no_colon",
        /// It begins with a space, and there is no value before it that it could continue.
        ContinuationWithoutKey = "continuation_without_key",
        /// The record has a field of that name already.
        DuplicateKey = "duplicate_key",
    }
);

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RecordError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: RecordFault,
    /// The same for people: what stands there, and what was expected.
    pub message: String,
}

impl RecordError {
    fn new(line: usize, fault: RecordFault, text: &str) -> Self {
        let text: String = strip(text).chars().take(80).collect();
        let message = match fault {
            RecordFault::NoColon => {
                format!(
                    "want `name: value`, more of a value behind a space, a blank line or `#`, and there is `{text}`"
                )
            }
            RecordFault::ContinuationWithoutKey => {
                format!("`{text}` begins with a space and so continues a value, but no field stands before it")
            }
            RecordFault::DuplicateKey => format!("the record has a field `{text}` already: a name may stand once"),
        };
        Self { line, fault, message }
    }
}

/// Reads records one by one. Behind an error it goes on at the next blank line; the record in which the error stands is
/// lost, and only the first error of a record is told.
#[derive(Debug)]
pub struct Reader<I> {
    lines: I,
    line: usize,
    spoilt: bool,
}

impl<S: AsRef<str>, I: Iterator<Item = S>> Reader<I> {
    /// Reads these lines, each with the end that it has.
    pub fn new(lines: I) -> Self {
        Self { lines, line: 0, spoilt: false }
    }
}

impl<'t> Reader<Box<dyn Iterator<Item = &'t str> + 't>> {
    /// Reads the lines of a text.
    #[must_use]
    pub fn of_text(text: &'t str) -> Self {
        Self::new(Box::new(lines_with_ends(text)))
    }
}

impl<S: AsRef<str>, I: Iterator<Item = S>> Iterator for Reader<I> {
    type Item = Result<Located, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut draft = Draft::default();
        for line in self.lines.by_ref() {
            self.line += 1;
            let line = line.as_ref();
            if line.starts_with('#') {
                continue;
            }
            if strip(line).is_empty() {
                self.spoilt = false;
                if draft.open.is_some() {
                    break;
                }
            } else if !self.spoilt
                && let Err(error) = draft.take(line, self.line)
            {
                self.spoilt = true;
                return Some(Err(error));
            }
        }
        draft.finish().map(Ok)
    }
}

/// A record that is being read.
#[derive(Default)]
struct Draft {
    fields: Vec<(String, String)>,
    names: HashSet<String>,
    field_lines: Vec<usize>,
    /// The field whose value may go on.
    open: Option<(String, String)>,
    last_line: usize,
}

impl Draft {
    fn take(&mut self, line: &str, number: usize) -> Result<(), RecordError> {
        if let Some(more) = line.strip_prefix(' ') {
            let Some((_, value)) = &mut self.open else {
                return Err(RecordError::new(number, RecordFault::ContinuationWithoutKey, line));
            };
            value.push_str(more);
        } else if let Some((name, value)) = line.split_once(':') {
            self.close();
            let name = strip(name);
            if !self.names.insert(name.to_owned()) {
                return Err(RecordError::new(number, RecordFault::DuplicateKey, name));
            }
            self.open = Some((name.to_owned(), value.trim_start_matches(is_blank).to_owned()));
            self.field_lines.push(number);
        } else {
            return Err(RecordError::new(number, RecordFault::NoColon, line));
        }
        self.last_line = number;
        Ok(())
    }

    fn close(&mut self) {
        if let Some((name, value)) = self.open.take() {
            self.fields.push((name, normal(&value)));
        }
    }

    fn finish(mut self) -> Option<Located> {
        self.close();
        let first_line = *self.field_lines.first()?;
        let record = self.fields.into_iter().collect();
        Some(Located { record, first_line, last_line: self.last_line, field_lines: self.field_lines })
    }
}

/// The value as it is meant. Lines end at line feeds here, whatever else was taken for an end before.
fn normal(value: &str) -> String {
    if value.bytes().filter(|byte| *byte == b'\n').count() < 2 {
        return strip(value).to_owned();
    }
    let lines: Vec<&str> = value
        .split('\n')
        .map(|line| {
            let line = line.strip_suffix('.').filter(|before| strip(before).is_empty()).unwrap_or(line);
            if line.chars().all(is_indent) { "" } else { line }
        })
        .collect();
    let margin = lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(|c| !is_indent(c)).map_or(*line, |(indent, _)| indent))
        .reduce(common_start)
        .unwrap_or_default();
    let lines: Vec<&str> = lines.iter().map(|line| line.strip_prefix(margin).unwrap_or(line)).collect();
    strip(&lines.join("\n")).to_owned()
}

fn is_indent(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// What both begin with; they are spaces and tabs.
fn common_start<'a>(one: &'a str, other: &'a str) -> &'a str {
    let length = one.bytes().zip(other.bytes()).take_while(|(here, there)| here == there).count();
    one.get(..length).unwrap_or_default()
}

/// The records of a text, up to the first line that cannot be read; the record in which that line stands is lost.
#[must_use]
pub fn parse_records(text: &str) -> (Vec<Located>, Option<RecordError>) {
    until_error(Reader::of_text(text))
}

/// The records that a job printed, of the entries of its standard output, up to the first that cannot be read. Each
/// entry is one line, whatever it holds, in UTF-8 where what is not is replaced. The line of an error is the number of
/// its entry.
#[must_use]
pub fn records_of_output<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Record>, Option<RecordError>) {
    let (records, error) = until_error(Reader::new(entries.into_iter().map(String::from_utf8_lossy)));
    (records.into_iter().map(|located| located.record).collect(), error)
}

fn until_error(reader: impl Iterator<Item = Result<Located, RecordError>>) -> (Vec<Located>, Option<RecordError>) {
    let mut records = Vec::new();
    for read in reader {
        match read {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(error)),
        }
    }
    (records, None)
}

#[cfg(test)]
mod tests;
