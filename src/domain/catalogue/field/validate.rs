//! Which values a field takes, and what it makes of them.

use std::collections::HashMap;

use super::{FALSE, Field, FieldError, FieldKind, TRUE, TextOptions};
use crate::domain::catalogue::text::{NO, YES, trimmed, yes_or_no};
use crate::domain::catalogue::time;
use crate::domain::catalogue::value::Value;

impl Field {
    /// The value as the field takes it, brought into its canonical form. Its type must be the field's: words are
    /// [`Value::Enumeral`]s, ids and choices [`Value::Text`]s; only a time may be a [`Value::Integer`] of seconds. As
    /// in QMTest any word that is not empty is an enumeration's. The doors where people write are stricter
    /// ([`document`](crate::domain::catalogue::document)).
    ///
    /// # Errors
    /// If the value is none of this field's.
    pub fn validate(&self, value: Value) -> Result<Value, FieldError> {
        match (&self.kind, value) {
            (FieldKind::Integer, value @ Value::Integer(_)) | (FieldKind::Attachment, value @ Value::Attachment(_)) => {
                Ok(value)
            }
            (FieldKind::Text(options), Value::Text(text)) => text_of(&text, *options).map(Value::Text),
            (FieldKind::Choice(_) | FieldKind::Test | FieldKind::Resource, Value::Text(text)) => {
                chosen(&text).map(Value::Text)
            }
            (FieldKind::Enumeration(_) | FieldKind::Outcome, Value::Enumeral(word)) => {
                chosen(&word).map(Value::Enumeral)
            }
            (FieldKind::Boolean, Value::Enumeral(word)) => boolean(&word).map(|word| Value::Enumeral(word.to_owned())),
            (FieldKind::Time, Value::Time(seconds)) => point_in_time(Some(seconds)),
            (FieldKind::Time, Value::Integer(seconds)) => point_in_time(seconds.to_i64()),
            (FieldKind::Set(options), Value::Set(values)) => {
                if options.not_empty && values.is_empty() {
                    return Err(FieldError("want at least one value".to_owned()));
                }
                let entries = values.into_iter().enumerate();
                let entries = entries.map(|(at, value)| options.of.validate(value).map_err(|error| error.at(at)));
                entries.collect::<Result<_, _>>().map(Value::Set)
            }
            (FieldKind::Tuple(fields), Value::Tuple(values)) => {
                if fields.len() != values.len() {
                    return Err(FieldError(format!("want {} values, not {}", fields.len(), values.len())));
                }
                let members = fields.iter().zip(values).enumerate();
                let members = members.map(|(at, (field, value))| field.validate(value).map_err(|error| error.at(at)));
                members.collect::<Result<_, _>>().map(Value::Tuple)
            }
            (FieldKind::Dictionary(options), Value::Dictionary(pairs)) => {
                let entries = pairs.into_iter().enumerate().map(|(at, (key, value))| {
                    let pair = options.key.validate(key).and_then(|key| Ok((key, options.value.validate(value)?)));
                    pair.map_err(|error| error.at(at))
                });
                entries.collect::<Result<_, _>>().map(|pairs| Value::Dictionary(without_repeated_keys(pairs)))
            }
            (_, value) => Err(FieldError(format!("want {}, not {}", self.kind.wanted(), type_of(&value)))),
        }
    }
}

impl FieldError {
    fn at(self, index: usize) -> Self {
        Self(format!("entry {}: {}", index + 1, self.0))
    }
}

impl FieldKind {
    /// What a field of this kind wants, for people.
    #[must_use]
    pub fn wanted(&self) -> &'static str {
        match self {
            Self::Integer => "a whole number",
            Self::Text(_) => "a text",
            Self::Enumeration(_) => "a word",
            Self::Boolean => "true or false",
            Self::Outcome => "an outcome",
            Self::Choice(_) => "a choice",
            Self::Test => "the id of a test",
            Self::Resource => "the id of a resource",
            Self::Time => "a time",
            Self::Set(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dictionary(_) => "a dictionary",
            Self::Attachment => "an attachment",
            Self::Python => "nothing (it is worked out by QMTest itself)",
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Enumeral(_) => "a word of an enumeration",
        Value::Time(_) => "a time",
        Value::Set(_) => "a list",
        Value::Tuple(_) => "a tuple",
        Value::Dictionary(_) => "a dictionary",
        Value::Attachment(Some(_)) => "an attachment",
        Value::Attachment(None) => "nothing",
    }
}

fn text_of(text: &str, options: TextOptions) -> Result<String, FieldError> {
    let text = trimmed(text, options);
    // After trimming: a verbatim text of blanks is not empty.
    if options.not_empty && text.is_empty() {
        return Err(FieldError("want a text that is not empty".to_owned()));
    }
    Ok(text)
}

fn chosen(word: &str) -> Result<String, FieldError> {
    match trimmed(word, TextOptions::default()) {
        word if word.is_empty() => Err(FieldError("want a choice that is not empty".to_owned())),
        word => Ok(word),
    }
}

/// The canonical word of a boolean.
pub(super) fn boolean(word: &str) -> Result<&'static str, FieldError> {
    match yes_or_no(word) {
        Some(true) => Ok(TRUE),
        Some(false) => Ok(FALSE),
        None => Err(FieldError(format!("want one of {} or {}, without blanks", YES.join(", "), NO.join(", ")))),
    }
}

fn point_in_time(seconds: Option<i64>) -> Result<Value, FieldError> {
    let seconds = seconds.and_then(time::in_range);
    seconds.map(Value::Time).ok_or_else(|| FieldError("want a time in the years 1 to 9999".to_owned()))
}

/// As in Python a key that comes again has the last value and keeps the first place.
fn without_repeated_keys(pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut places = HashMap::with_capacity(pairs.len());
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let place = *places.entry(key.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(pair) => pair.1 = value,
            None => kept.push((key, value)),
        }
    }
    kept
}
