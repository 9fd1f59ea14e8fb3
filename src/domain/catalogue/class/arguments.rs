//! The arguments of an item of a class: what is taken, and what holds where nothing is stated.

use std::collections::BTreeMap;

use super::Class;
use crate::domain::catalogue::field::{Field, FieldError, FieldKind};
use crate::domain::catalogue::text::unwritable;
use crate::domain::catalogue::value::Value;

/// An argument that is none of its class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argument `{name}`: {error}")]
pub struct ArgumentError {
    /// The argument.
    pub name: String,
    /// What is wrong with it.
    pub error: FieldError,
}

impl Class {
    /// Reads arguments in their text form, as QMTest's command line does: an unknown name, a name whose value the class
    /// works out itself, then each value through its field. Of a class whose fields are not known each argument stays a
    /// text.
    ///
    /// # Errors
    /// The first argument, by name, that is none of this class.
    pub fn validate_arguments(
        &self,
        texts: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Value>, ArgumentError> {
        let mut arguments = BTreeMap::new();
        for (name, text) in texts {
            let value = self.argument_field(name).and_then(|field| match (unwritable(text), field) {
                (Some(c), _) => Err(FieldError(format!("it holds {c:?}, which cannot be kept"))),
                (None, Some(field)) => field.parse_text(text),
                (None, None) => Ok(Value::Text(text.clone())),
            });
            let value = value.map_err(|error| ArgumentError { name: name.clone(), error })?;
            arguments.insert(name.clone(), value);
        }
        Ok(arguments)
    }

    /// Brings arguments into the form in which the class takes them ([`Field::validate`]). Of a class whose fields are
    /// not known each argument stays as it is.
    ///
    /// # Errors
    /// Every argument that is none of this class; there is at least one.
    pub fn validate_values(
        &self,
        values: BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, Value>, Vec<ArgumentError>> {
        let mut errors = Vec::new();
        let mut arguments = BTreeMap::new();
        for (name, value) in values {
            let value = self.argument_field(&name).and_then(|field| match field {
                Some(field) => field.validate(value),
                None => Ok(value),
            });
            match value {
                Ok(value) => drop(arguments.insert(name, value)),
                Err(error) => errors.push(ArgumentError { name, error }),
            }
        }
        if errors.is_empty() { Ok(arguments) } else { Err(errors) }
    }

    /// The value of every field: the stated one, else its default, else, of a time, `now` in seconds since 1970-01-01
    /// UTC. What has no value, as a dictionary that is not stated, is left out.
    #[must_use]
    pub fn instantiate(&self, stated: &BTreeMap<String, Value>, now: i64) -> BTreeMap<String, Value> {
        let mut values: BTreeMap<String, Value> = self
            .all_fields()
            .filter_map(|field| {
                let default = field.default_value().or((field.kind == FieldKind::Time).then_some(Value::Time(now)));
                Some((field.name.clone(), default?))
            })
            .collect();
        values.extend(stated.iter().map(|(name, value)| (name.clone(), value.clone())));
        values
    }

    /// The field of an argument that may be stated. `None`: the class's fields are not known, anything may.
    fn argument_field(&self, name: &str) -> Result<Option<&Field>, FieldError> {
        match self.field(name) {
            Some(field) if field.computed => Err(FieldError("the class works it out itself; leave it out".to_owned())),
            None if self.fields.is_some() => {
                let known: Vec<&str> = self.all_fields().map(|field| field.name.as_str()).collect();
                Err(FieldError(format!("class `{}` has no such argument; it has {}", self.name, known.join(", "))))
            }
            field => Ok(field),
        }
    }
}
