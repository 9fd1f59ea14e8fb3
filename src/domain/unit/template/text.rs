//! The texts of a template: which names they mention, and what they come to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::RenderError;
use super::format::{Argument, Format, FormatError};
use super::jinja::Jinja;
use crate::domain::unit::FieldValue;

/// How deep lists and maps may be within one another.
const MAX_DEPTH: usize = 32;

/// The fields of a template, read.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    fields: BTreeMap<String, Shape>,
    names: BTreeSet<String>,
    jinja: Option<Jinja>,
}

/// A field's value with its texts read.
#[derive(Clone, Debug)]
enum Shape {
    Format(Result<Format, FormatError>),
    /// The name under which the engine has the text, and the names that the text looks up.
    Jinja(String, Result<BTreeSet<String>, RenderError>),
    /// No text.
    Constant(Value),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    TooDeep,
}

/// What a field mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain::unit) enum Mention {
    /// Nothing: it is the same in each instance, and this if it is a text.
    Constant(Option<String>),
    /// These names.
    Names(BTreeSet<String>),
    /// It cannot be read.
    Unreadable(RenderError),
}

/// How a text is filled in.
struct Filling<'f, 'a> {
    jinja: Option<&'f Jinja>,
    lookup: &'f dyn Fn(&str) -> Option<Argument<'a>>,
    stand_in: Option<&'a str>,
    most: usize,
}

impl Texts {
    pub(super) fn read(fields: impl Iterator<Item = (String, FieldValue)>, is_jinja: bool) -> Self {
        let mut jinja = is_jinja.then(Jinja::new);
        let fields: BTreeMap<String, Shape> = fields
            .map(|(name, value)| {
                let value = match value {
                    FieldValue::Text(text) => Value::String(text),
                    FieldValue::List(list) => Value::Array(list),
                    FieldValue::Map(map) => Value::Object(map),
                };
                let shape = Shape::read(value, &name, jinja.as_mut(), MAX_DEPTH);
                (name, shape)
            })
            .collect();
        let names = fields.values().flat_map(Shape::names).collect();
        Self { fields, names, jinja }
    }

    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// What each field mentions.
    pub(super) fn mentions(&self) -> BTreeMap<String, Mention> {
        let constant =
            Filling { jinja: self.jinja.as_ref(), lookup: &|_| None, stand_in: None, most: super::MAX_FIELD };
        let mention = |shape: &Shape| match (shape.fault(), shape.names()) {
            (Some(fault), _) => Mention::Unreadable(fault),
            (None, names) if !names.is_empty() => Mention::Names(names),
            _ => match shape.render(&constant) {
                Ok(Value::String(text)) => Mention::Constant(Some(text)),
                Ok(_) => Mention::Constant(None),
                Err(error) => Mention::Unreadable(error),
            },
        };
        self.fields.iter().map(|(name, shape)| (name.clone(), mention(shape))).collect()
    }

    pub(super) fn render<'a>(
        &self,
        lookup: &dyn Fn(&str) -> Option<Argument<'a>>,
        stand_in: Option<&'a str>,
        most: usize,
    ) -> BTreeMap<String, Result<FieldValue, RenderError>> {
        let filling = Filling { jinja: self.jinja.as_ref(), lookup, stand_in, most };
        let render = |shape: &Shape| shape.render(&filling).and_then(|value| field_value(value, most));
        self.fields.iter().map(|(name, shape)| (name.clone(), render(shape))).collect()
    }
}

fn field_value(value: Value, most: usize) -> Result<FieldValue, RenderError> {
    match value {
        Value::Array(list) => Ok(FieldValue::List(list)),
        Value::Object(map) => Ok(FieldValue::Map(map)),
        Value::String(text) => Ok(FieldValue::Text(text)),
        // Fields are texts, lists or maps, and each renders to its own kind.
        _ => Err(RenderError::TooLong { most }),
    }
}

impl Shape {
    // No deeper than `MAX_DEPTH`.
    fn read(value: Value, place: &str, mut jinja: Option<&mut Jinja>, depth: usize) -> Self {
        match value {
            Value::String(text) => match jinja {
                Some(jinja) => {
                    let names = jinja.add(place, &text);
                    Self::Jinja(place.to_owned(), names)
                }
                None => Self::Format(Format::parse(&text)),
            },
            Value::Array(_) | Value::Object(_) if depth == 0 => Self::TooDeep,
            Value::Array(list) => Self::List(
                list.into_iter()
                    .enumerate()
                    .map(|(index, entry)| {
                        Self::read(entry, &format!("{place}/{index}"), jinja.as_deref_mut(), depth - 1)
                    })
                    .collect(),
            ),
            Value::Object(map) => Self::Map(
                map.into_iter()
                    .map(|(name, entry)| {
                        let shape = Self::read(entry, &format!("{place}/{name}"), jinja.as_deref_mut(), depth - 1);
                        (name, shape)
                    })
                    .collect(),
            ),
            other => Self::Constant(other),
        }
    }

    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::List(list) => list.iter().collect(),
            Self::Map(map) => map.iter().map(|(_, shape)| shape).collect(),
            _ => Vec::new(),
        }
    }

    fn names(&self) -> BTreeSet<String> {
        match self {
            Self::Format(Ok(format)) => format.names().into_iter().map(str::to_owned).collect(),
            Self::Jinja(_, Ok(names)) => names.clone(),
            _ => self.parts().into_iter().flat_map(Self::names).collect(),
        }
    }

    /// Why it cannot be read.
    fn fault(&self) -> Option<RenderError> {
        match self {
            Self::Format(Err(error)) => Some(RenderError::Syntax { detail: error.to_string() }),
            Self::Jinja(_, Err(error)) => Some(error.clone()),
            Self::TooDeep => Some(RenderError::TooDeep { most: MAX_DEPTH }),
            _ => self.parts().into_iter().find_map(Self::fault),
        }
    }

    fn render(&self, filling: &Filling<'_, '_>) -> Result<Value, RenderError> {
        let Filling { jinja, lookup, stand_in, most } = *filling;
        match self {
            Self::Format(Ok(format)) => format.render(lookup, stand_in, most).map(Value::String),
            Self::Jinja(place, Ok(names)) => match jinja {
                Some(jinja) => jinja.render(place, names, lookup, stand_in, most).map(Value::String),
                None => Err(RenderError::Failed { detail: "it has no engine".to_owned() }),
            },
            Self::Constant(value) => Ok(value.clone()),
            Self::List(list) => {
                list.iter().map(|shape| shape.render(filling)).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Map(map) => {
                let entry = |(name, shape): &(String, Self)| Ok((name.clone(), shape.render(filling)?));
                map.iter().map(entry).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            Self::Format(Err(error)) => Err(RenderError::Syntax { detail: error.to_string() }),
            Self::Jinja(_, Err(error)) => Err(error.clone()),
            Self::TooDeep => Err(RenderError::TooDeep { most: MAX_DEPTH }),
        }
    }
}
