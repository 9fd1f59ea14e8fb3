//! Fields: the typed arguments of a class, with QMTest's rules of what they take.

#[cfg(test)]
mod tests;
mod text_form;
mod validate;

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::outcome::Outcome;
use crate::domain::catalogue::value::Value;
use crate::domain::words::Word as _;

/// How deep fields may lie in each other: a set of tuples of texts is three. QMTest's own classes need no more.
pub const MAX_FIELD_DEPTH: usize = 8;

/// The two values of a boolean.
pub const TRUE: &str = "true";
/// See [`TRUE`].
pub const FALSE: &str = "false";
const BOOLEANS: [&str; 2] = [TRUE, FALSE];

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
    /// One of these texts, any where there are none; a hint to people, as for enumerations.
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

/// The outcome that an outcome field has where nothing is stated.
const DEFAULT_OUTCOME: Outcome = Outcome::Pass;

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

    /// The same field with this default.
    #[must_use]
    pub fn with_default(self, default: Value) -> Self {
        Self { default: Some(default), ..self }
    }

    /// What it is called for people.
    #[must_use]
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The words that the field names, if it names any.
    #[must_use]
    pub fn words(&self) -> Option<Vec<&str>> {
        match &self.kind {
            FieldKind::Enumeration(words) | FieldKind::Choice(words) => {
                Some(words.iter().map(String::as_str).collect())
            }
            FieldKind::Boolean => Some(BOOLEANS.to_vec()),
            FieldKind::Outcome => Some(Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect()),
            _ => None,
        }
    }

    /// Whether a value of this field uses only the words that the field names, at any depth. QMTest asks for no such
    /// thing.
    #[must_use]
    pub fn names(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (FieldKind::Choice(words), Value::Text(word)) => words.is_empty() || words.contains(word),
            (FieldKind::Set(options), Value::Set(values)) => values.iter().all(|value| options.of.names(value)),
            (FieldKind::Tuple(fields), Value::Tuple(values)) => {
                fields.iter().zip(values).all(|(field, value)| field.names(value))
            }
            (FieldKind::Dictionary(options), Value::Dictionary(pairs)) => {
                pairs.iter().all(|(key, value)| options.key.names(key) && options.value.names(value))
            }
            (_, Value::Enumeral(word)) => self.words().is_none_or(|words| words.contains(&word.as_str())),
            _ => true,
        }
    }

    /// What holds where nothing is stated. `None`: nothing does, as for dictionaries; of a time without a default it is
    /// the moment when somebody asks, which the caller knows.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        match &self.kind {
            FieldKind::Enumeration(words) => self.default_word(words.first().map(String::as_str)),
            FieldKind::Boolean => self.default_word(Some(TRUE)),
            FieldKind::Outcome => self.default_word(Some(DEFAULT_OUTCOME.as_str())),
            _ if self.default.is_some() => self.default.clone(),
            FieldKind::Integer => Some(Value::Integer(0.into())),
            FieldKind::Text(_) | FieldKind::Choice(_) | FieldKind::Test | FieldKind::Resource => {
                Some(Value::Text(String::new()))
            }
            FieldKind::Set(_) => Some(Value::Set(Vec::new())),
            FieldKind::Tuple(fields) => fields.iter().map(Self::default_value).collect::<Option<_>>().map(Value::Tuple),
            FieldKind::Attachment => Some(Value::Attachment(None)),
            FieldKind::Time | FieldKind::Dictionary(_) | FieldKind::Python => None,
        }
    }

    /// The default, if it is one of the field's words; else this word.
    fn default_word(&self, otherwise: Option<&str>) -> Option<Value> {
        let words = self.words().unwrap_or_default();
        match &self.default {
            Some(Value::Enumeral(word)) if words.contains(&word.as_str()) => self.default.clone(),
            _ => otherwise.map(|word| Value::Enumeral(word.to_owned())),
        }
    }

    /// Checks what QMTest checks when a field is made: no list holds lists. And nothing nests so deep that walking
    /// through it were a danger.
    ///
    /// # Errors
    /// If the field cannot be.
    pub fn check(&self) -> Result<(), FieldError> {
        self.check_within(MAX_FIELD_DEPTH)
    }

    fn check_within(&self, depth: usize) -> Result<(), FieldError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(FieldError(format!("fields lie deeper in each other than {MAX_FIELD_DEPTH}")));
        };
        match &self.kind {
            FieldKind::Set(options) if matches!(options.of.kind, FieldKind::Set(_)) => {
                Err(FieldError("a set cannot hold sets; make it a set of tuples or of texts".to_owned()))
            }
            FieldKind::Set(options) => options.of.check_within(depth),
            FieldKind::Tuple(fields) => fields.iter().try_for_each(|field| field.check_within(depth)),
            FieldKind::Dictionary(options) => {
                options.key.check_within(depth)?;
                options.value.check_within(depth)
            }
            _ => Ok(()),
        }
    }
}
