//! Manifest entries: questions about the machine, and what setup jobs want the answers to be.

use serde_json::Value;

use super::kind::Kind;
use super::value::{FieldValue, Unit};
use crate::domain::words::words;

words! {
    /// What kind of answer an entry has.
    ValueType, "kind of manifest value", {
        /// Yes or no.
        Bool = "bool",
        /// A number from 0.
        Natural = "natural",
    }
}

/// A question about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Its full id.
    pub id: String,
    /// What it is about, for people.
    pub name: Option<String>,
    /// What kind of answer it has; `None` if the field names no such kind.
    pub value_type: Option<ValueType>,
    /// What it is called in the resource `manifest`: its partial id, if it does not say.
    pub resource_key: String,
    /// The question.
    pub prompt: Option<String>,
    /// Whether people are not asked: its partial id begins with `_`.
    pub is_hidden: bool,
    /// Why people are not asked.
    pub hidden_reason: Option<String>,
}

impl ManifestEntry {
    /// Reads an entry; `None` of any other unit, and of one without an id.
    #[must_use]
    pub fn read(unit: &Unit) -> Option<Self> {
        if *unit.kind() != Kind::ManifestEntry {
            return None;
        }
        let partial = unit.partial_id()?;
        let text = |field| unit.text(field).map(str::to_owned);
        Some(Self {
            id: unit.id()?.to_owned(),
            name: text("name"),
            value_type: unit.text("value-type").and_then(|word| word.parse().ok()),
            resource_key: text("resource-key").unwrap_or_else(|| partial.to_owned()),
            prompt: text("prompt"),
            is_hidden: partial.starts_with('_'),
            hidden_reason: text("hidden-reason"),
        })
    }
}

/// The entries that a setup job requires, by their full ids, and the values they must have: `requires_manifest`, a list of
/// ids, of which `true` is wanted, and of maps from ids to what is wanted.
pub(super) fn required(unit: &Unit) -> Vec<(String, Value)> {
    let wanted = |id: &str| (unit.qualify(id), Value::Bool(true));
    match unit.value("requires_manifest") {
        Some(FieldValue::Text(_)) => unit.words("requires_manifest").iter().map(|id| wanted(id)).collect(),
        Some(FieldValue::Map(map)) => map.iter().map(|(id, value)| (unit.qualify(id), value.clone())).collect(),
        Some(FieldValue::List(list)) => {
            let mut required = Vec::new();
            for entry in list {
                match entry {
                    Value::String(id) => required.push(wanted(id)),
                    Value::Object(map) => {
                        required.extend(map.iter().map(|(id, value)| (unit.qualify(id), value.clone())));
                    }
                    _ => {}
                }
            }
            required
        }
        None => Vec::new(),
    }
}
