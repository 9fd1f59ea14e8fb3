//! Reads Python's pickles, protocols 0 to 5, into a tree of values.
//!
//! A pickle is a program for a small stack machine, and Python runs it: calling whatever it names. Here nothing is looked up
//! and nothing is called. What Python would call becomes an [`Object`]: the name of the class and what it was to be called
//! with. Only what Python itself writes so for plain values (sets, bytes) becomes those.
//!
//! The format is described in the `pickletools` module of Python's library.

use std::fmt;

use serde_json::{Map, Number};

mod heap;
mod literal;
mod machine;
mod opcode;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

/// The most bytes of a pickle: a spec has a few thousand.
pub const MAX_BYTES: usize = 1_048_576;

/// The most values of a pickle, each counted once however often it is named.
pub const MAX_VALUES: usize = 100_000;

/// The most that values may come to, in bytes, about. What is named twice counts twice: otherwise a few bytes could stand for
/// more than any memory.
pub const MAX_SIZE: usize = 16_777_216;

/// How deep values may nest. What holds itself nests without end.
pub const MAX_DEPTH: usize = 64;

/// A value of Python's.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// `bytes` or a `bytearray`.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Self>),
    /// A tuple.
    Tuple(Vec<Self>),
    /// A dictionary in the order of its making. A key may come again; the last counts.
    Dict(Vec<(Self, Self)>),
    /// A `set` or a `frozenset`, in no order.
    Set(Vec<Self>),
    /// A class or a function.
    Global(Global),
    /// Anything else.
    Object(Box<Object>),
}

/// The name of a class or a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// The module.
    pub module: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// What Python would make by a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// What is called: its class, most often.
    pub class: Global,
    /// What it is called with.
    pub args: Vec<Value>,
    /// What it is filled with afterwards: its fields, as a dictionary; of a class with slots a pair of dictionaries.
    pub state: Option<Value>,
    /// What is appended to it, if it is a kind of list.
    pub entries: Vec<Value>,
    /// What is put into it, if it is a kind of dictionary.
    pub pairs: Vec<(Value, Value)>,
}

/// The bytes are no pickle that is read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset} of the pickle: {what}")]
pub struct PickleError {
    /// Where the instruction begins that is wrong, counted from 0.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads a pickle.
///
/// # Errors
/// If it is none, or names something outside itself, or is larger or deeper than the limits here.
pub fn read(bytes: &[u8]) -> Result<Value, PickleError> {
    if bytes.len() > MAX_BYTES {
        let what = format!("it has {} bytes, and {MAX_BYTES} are the most", bytes.len());
        return Err(PickleError { offset: MAX_BYTES, what });
    }
    machine::run(bytes)
}

impl Value {
    /// What it is, for people.
    #[must_use]
    pub fn kind(&self) -> String {
        let kind = match self {
            Self::None => "None",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a floating-point number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dictionary",
            Self::Set(_) => "a set",
            Self::Global(global) => return format!("the class {global}"),
            Self::Object(object) => return format!("a {}", object.class),
        };
        kind.to_owned()
    }

    /// The value of a dictionary under this text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else { return None };
        let is_it = |known: &Self| matches!(known, Self::Text(text) if text == key);
        pairs.iter().rev().find(|(known, _)| is_it(known)).map(|(_, value)| value)
    }

    /// The text that it is, or the path.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Object(object) => object.path(),
            _ => None,
        }
    }

    /// The same as JSON: tuples and sets as lists, paths as texts, keys that are whole numbers as their digits.
    ///
    /// # Errors
    /// If JSON has no such value, says what it is.
    pub fn json(&self) -> Result<serde_json::Value, String> {
        Ok(match self {
            Self::None => serde_json::Value::Null,
            Self::Bool(bool) => (*bool).into(),
            Self::Int(int) => {
                let number = i64::try_from(*int).map(Number::from).or_else(|_| u64::try_from(*int).map(Number::from));
                number.map_err(|_| format!("the number {int}, which has more than 64 bits"))?.into()
            }
            Self::Float(float) => Number::from_f64(*float).ok_or_else(|| format!("the number {float}"))?.into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(values) | Self::Tuple(values) | Self::Set(values) => {
                values.iter().map(Self::json).collect::<Result<Vec<_>, _>>()?.into()
            }
            Self::Dict(pairs) => {
                let mut map = Map::new();
                for (key, value) in pairs {
                    let key = match key {
                        Self::Int(int) => int.to_string(),
                        key => key.text().ok_or_else(|| format!("{} as a key", key.kind()))?,
                    };
                    map.insert(key, value.json()?);
                }
                map.into()
            }
            Self::Object(object) => object.path().ok_or_else(|| self.kind())?.into(),
            Self::Bytes(_) | Self::Global(_) => return Err(self.kind()),
        })
    }
}

impl Object {
    /// The path that it is: one of POSIX, from the parts that it is made of. An absolute part begins anew, as for Python.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let is_path = matches!(self.class.name.as_str(), "PosixPath" | "PurePosixPath")
            && (self.class.module == "pathlib" || self.class.module.starts_with("pathlib."));
        if !is_path {
            return None;
        }
        let mut path = String::new();
        for part in &self.args {
            let Value::Text(part) = part else { return None };
            if part.starts_with('/') {
                path.clear();
            } else if !path.is_empty() && !path.ends_with('/') {
                path.push('/');
            }
            path.push_str(part);
        }
        Some(if path.is_empty() { ".".to_owned() } else { path })
    }
}
