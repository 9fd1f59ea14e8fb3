//! A unit as it was written, and which of two are the same.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::field::qualified;
use super::kind::Kind;

/// What a field holds. Over serde plain JSON, of which numbers and truths are read as texts; no field holds nothing: such
/// a field is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// A text, as all fields of `.pxu` files are.
    Text(String),
    /// A list, from YAML.
    List(Vec<Value>),
    /// A map, from YAML.
    Map(Map<String, Value>),
}

impl FieldValue {
    /// The value that this JSON stands for: numbers and truths are texts as Python writes them, `null` is no value.
    #[must_use]
    pub fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(true) => Some(Self::Text("True".to_owned())),
            Value::Bool(false) => Some(Self::Text("False".to_owned())),
            Value::Number(number) => Some(Self::Text(number.to_string())),
            Value::String(text) => Some(Self::Text(text)),
            Value::Array(list) => Some(Self::List(list)),
            Value::Object(map) => Some(Self::Map(map)),
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(value)
            .ok_or_else(|| D::Error::custom("a field holds a text, a list or a map; want none of `null`"))
    }
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for FieldValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A unit. It never changes; copies are cheap.
///
/// Two units are equal if their checksums are: if all their fields are, as they are written, and their namespaces, and the
/// parameters of instances. Their providers do not matter, nor does the order of their fields; anything else does, such as
/// a blank at an end or a default that one of them spells out.
#[derive(Clone)]
pub struct Unit(Arc<Inner>);

struct Inner {
    namespace: Option<String>,
    provider: Option<String>,
    fields: BTreeMap<String, FieldValue>,
    parameters: Option<BTreeMap<String, String>>,
    template_id: Option<String>,
    kind: Kind,
    id: Option<String>,
    checksum: String,
}

/// A unit on the wire and in the database.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    fields: BTreeMap<String, FieldValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template_id: Option<String>,
}

impl Unit {
    /// A unit of the provider of this name and namespace; without a namespace its full id is its partial one.
    #[must_use]
    pub fn new(namespace: Option<&str>, provider: Option<&str>, fields: BTreeMap<String, FieldValue>) -> Self {
        Self::of(namespace, provider, fields, None, None)
    }

    /// An instance of a template: `fields` are what the template's fields came to with `parameters`, and `template_id` is
    /// the template's full id. Its namespace and its provider are the template's.
    #[must_use]
    pub fn instance(
        template: &Self,
        fields: BTreeMap<String, FieldValue>,
        parameters: BTreeMap<String, String>,
        template_id: Option<&str>,
    ) -> Self {
        Self::of(template.namespace(), template.provider(), fields, Some(parameters), template_id.map(str::to_owned))
    }

    /// Another unit from the same place: of the same namespace, provider, template and parameters, with these fields.
    #[must_use]
    pub fn with_fields(&self, fields: BTreeMap<String, FieldValue>) -> Self {
        let inner = &*self.0;
        Self::of(self.namespace(), self.provider(), fields, inner.parameters.clone(), inner.template_id.clone())
    }

    fn of(
        namespace: Option<&str>,
        provider: Option<&str>,
        fields: BTreeMap<String, FieldValue>,
        parameters: Option<BTreeMap<String, String>>,
        template_id: Option<String>,
    ) -> Self {
        let kind = read(&fields, "unit").and_then(FieldValue::as_text).map_or(Kind::Job, Kind::of);
        let id = partial_id(&kind, &fields).map(|partial| match namespace {
            Some(namespace) => format!("{namespace}::{partial}"),
            None => partial.to_owned(),
        });
        let checksum = checksum(namespace, &fields, parameters.as_ref());
        Self(Arc::new(Inner {
            namespace: namespace.map(str::to_owned),
            provider: provider.map(str::to_owned),
            fields,
            parameters,
            template_id,
            kind,
            id,
            checksum,
        }))
    }

    /// What it describes.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The provider's namespace, which all its ids are in.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// All fields, as they are written.
    #[must_use]
    pub fn fields(&self) -> &BTreeMap<String, FieldValue> {
        &self.0.fields
    }

    /// What a field holds: `_name`, the spelling of what is to be translated, goes before `name`.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&FieldValue> {
        read(&self.0.fields, field)
    }

    /// The text of a field; `None` if it is absent, or a list or a map.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.value(field).and_then(FieldValue::as_text)
    }

    /// The id as it is written, without a namespace. Jobs may have it in the field `name`, as they had it once.
    #[must_use]
    pub fn partial_id(&self) -> Option<&str> {
        partial_id(&self.0.kind, &self.0.fields)
    }

    /// The full id: `namespace::partial`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// This id with this unit's namespace before it, if it has none yet.
    #[must_use]
    pub fn qualify(&self, id: &str) -> String {
        qualified(self.namespace(), id)
    }

    /// The parameters of an instance.
    #[must_use]
    pub fn parameters(&self) -> Option<&BTreeMap<String, String>> {
        self.0.parameters.as_ref()
    }

    /// The full id of the template that an instance was made from.
    #[must_use]
    pub fn template_id(&self) -> Option<&str> {
        self.0.template_id.as_deref()
    }

    /// SHA-256 of what makes the unit what it is, in hexadecimal.
    #[must_use]
    pub fn checksum(&self) -> &str {
        &self.0.checksum
    }
}

fn read<'a>(fields: &'a BTreeMap<String, FieldValue>, field: &str) -> Option<&'a FieldValue> {
    fields.get(&format!("_{field}")).or_else(|| fields.get(field))
}

fn partial_id<'a>(kind: &Kind, fields: &'a BTreeMap<String, FieldValue>) -> Option<&'a str> {
    let text = |field| read(fields, field).and_then(FieldValue::as_text);
    let older = || if kind.is_job() { text("name") } else { None };
    text("id").or_else(older)
}

fn checksum(
    namespace: Option<&str>,
    fields: &BTreeMap<String, FieldValue>,
    parameters: Option<&BTreeMap<String, String>>,
) -> String {
    hex::encode(Sha256::digest(json!([namespace, fields, parameters]).to_string()))
}

impl PartialEq for Unit {
    fn eq(&self, other: &Self) -> bool {
        self.0.checksum == other.0.checksum
    }
}

impl Eq for Unit {}

impl Hash for Unit {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.checksum.hash(state);
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit").field("id", &self.id()).field("fields", self.fields()).finish_non_exhaustive()
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = &*self.0;
        let stored = Stored {
            namespace: inner.namespace.clone(),
            provider: inner.provider.clone(),
            fields: inner.fields.clone(),
            parameters: inner.parameters.clone(),
            template_id: inner.template_id.clone(),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let (namespace, provider) = (stored.namespace.as_deref(), stored.provider.as_deref());
        Ok(Self::of(namespace, provider, stored.fields, stored.parameters, stored.template_id))
    }
}

#[cfg(test)]
mod tests;
