//! How fields are read: ids, lists of words and flags, lines. A field of YAML may be a list where a text would be one.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::value::{FieldValue, Unit};
use super::words;

/// The id with this namespace before it, unless it holds `::` already or there is no namespace.
#[must_use]
pub fn qualified(namespace: Option<&str>, id: &str) -> String {
    match namespace {
        Some(namespace) if !id.contains("::") => format!("{namespace}::{id}"),
        _ => id.to_owned(),
    }
}

impl Unit {
    /// The words of a field, in written order. What in it is no word is left out, as in the original; checking tells it.
    #[must_use]
    pub fn words(&self, field: &str) -> Vec<String> {
        match self.value(field) {
            Some(FieldValue::Text(text)) => words::word_list(text).filter_map(Result::ok).collect(),
            Some(FieldValue::List(list)) => list.iter().filter_map(text_of).map(Cow::into_owned).collect(),
            Some(FieldValue::Map(_)) | None => Vec::new(),
        }
    }

    /// The full ids that a field names, in written order, each once.
    #[must_use]
    pub fn ids(&self, field: &str) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let ids = self.words(field).into_iter().map(|id| self.qualify(&id));
        ids.filter(|id| seen.insert(id.clone())).collect()
    }

    /// The flags of a field: `flags`, `environ`.
    #[must_use]
    pub fn flags(&self, field: &str) -> BTreeSet<String> {
        match self.value(field) {
            Some(FieldValue::Text(text)) => words::flag_list(text).map(str::to_owned).collect(),
            Some(FieldValue::List(list)) => list.iter().filter_map(text_of).map(Cow::into_owned).collect(),
            Some(FieldValue::Map(_)) | None => BTreeSet::new(),
        }
    }

    /// The text of a field of lines; each entry of a list begins a line.
    #[must_use]
    pub fn lines(&self, field: &str) -> Option<Cow<'_, str>> {
        match self.value(field)? {
            FieldValue::Text(text) => Some(Cow::Borrowed(text)),
            FieldValue::List(list) => {
                let lines: Vec<_> = list.iter().filter_map(text_of).collect();
                Some(Cow::Owned(lines.join("\n")))
            }
            FieldValue::Map(_) => None,
        }
    }
}

/// The text that an entry of a list stands for; lists and maps stand for none.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
