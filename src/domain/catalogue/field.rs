//! Fields: the typed arguments of a class.

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::value::Value;

/// A field of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The name of the argument.
    pub name: String,
    /// What it is called for people; the name where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// What holds where nothing is stated; the kind's own default where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// A hint that people need not see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// A hint that people should not change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Worked out by the class: never stored, and refused as input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub computed: bool,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FieldKind {
    /// A whole number of any size.
    Integer,
    /// Text.
    Text(TextOptions),
    /// One of these words, by its first where no default is among them. As in QMTest, the list is a hint to people: any
    /// text that is not empty is taken from a QMTest database.
    Enumeration(Vec<String>),
    /// True or false.
    Boolean,
    /// An outcome.
    Outcome,
    /// One of these texts; a hint to people, as for enumerations.
    Choice(Vec<String>),
    /// The id of a test.
    Test,
    /// The id of a resource.
    Resource,
    /// A point in time.
    Time,
    /// A list.
    Set(Box<SetOptions>),
    /// A fixed number of values.
    Tuple(Vec<Field>),
    /// Keys and values.
    Dictionary(Box<DictionaryOptions>),
    /// A file.
    Attachment,
    /// Something that only QMTest's own process could hold: always computed.
    Python,
}

/// How a text is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "QMTest's options, each on its own")]
pub struct TextOptions {
    /// Line breaks are kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub multiline: bool,
    /// Blanks are kept as they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub verbatim: bool,
    /// It is structured text; a hint to people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub structured: bool,
    /// It may not be empty.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_empty: bool,
}

/// What a list holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetOptions {
    /// What each of its values is; no list.
    pub of: Field,
    /// It may not be empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_empty: bool,
}

/// What a dictionary holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DictionaryOptions {
    /// What its keys are.
    pub key: Field,
    /// What its values are.
    pub value: Field,
}

/// Why a value is none of a field's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FieldError(pub String);

impl Field {
    /// A field of this kind with the kind's own default.
    #[must_use]
    pub fn new(name: &str, kind: FieldKind) -> Self {
        Self {
            name: name.to_owned(),
            title: None,
            description: None,
            kind,
            default: None,
            hidden: false,
            read_only: false,
            computed: false,
        }
    }

    /// The value as the field takes it, brought into its canonical form.
    ///
    /// # Errors
    /// If the value is none of this field's.
    pub fn validate(&self, value: Value) -> Result<Value, FieldError> {
        Ok(value)
    }

    /// Reads a value from the text that people write on QMTest's command line.
    ///
    /// # Errors
    /// If the text is no value of this field, or values of its kind have no text form.
    pub fn parse_text(&self, text: &str) -> Result<Value, FieldError> {
        self.validate(Value::Text(text.to_owned()))
    }

    /// What holds where nothing is stated.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        self.default.clone()
    }
}
