//! Argument values, typed as QMTest's XML types them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;

/// The value of an argument. Its serialised form is how the catalogue stores it: one member that names the type, such
/// as `{"text": "ls -l"}` or `{"set": [{"text": "a"}]}`. [`document`](super::document) has the form that people write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Text, also the id of a test or resource, and a choice.
    Text(String),
    /// A whole number of any size.
    Integer(Integer),
    /// A word of an enumeration; of a boolean, `true` or `false`.
    Enumeral(String),
    /// A point in time, in seconds since 1970-01-01 UTC.
    Time(i64),
    /// A list, in its order, with its duplicates: QMTest calls it a set.
    Set(Vec<Value>),
    /// A fixed number of values, each of its own type.
    Tuple(Vec<Value>),
    /// Pairs of key and value, in the order of first appearance; a key stands once.
    Dictionary(Vec<(Value, Value)>),
    /// A file, or none.
    Attachment(Option<Attachment>),
}

/// A whole number of any size, kept as its canonical decimal text: no plus sign, no leading zeros, no `-0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Integer(String);

/// The text is not a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want a whole number in decimal digits")]
pub struct InvalidInteger;

impl FromStr for Integer {
    type Err = InvalidInteger;

    /// Reads as Python's `int` reads text: surrounding blanks, a sign and leading zeros are fine; no base prefix, no
    /// suffix, no fraction.
    fn from_str(text: &str) -> Result<Self, InvalidInteger> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidInteger);
        }
        let digits = digits.trim_start_matches('0');
        Ok(match (digits, negative) {
            ("", _) => Self("0".to_owned()),
            (digits, true) => Self(format!("-{digits}")),
            (digits, false) => Self(digits.to_owned()),
        })
    }
}

impl TryFrom<String> for Integer {
    type Error = InvalidInteger;

    fn try_from(text: String) -> Result<Self, InvalidInteger> {
        text.parse()
    }
}

impl From<Integer> for String {
    fn from(integer: Integer) -> Self {
        integer.0
    }
}

impl From<i64> for Integer {
    fn from(integer: i64) -> Self {
        Self(integer.to_string())
    }
}

impl Integer {
    /// The number, if it fits.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Its decimal text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file beside an item, or as an argument of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// What the file is called, for people and for the machine that it is laid out on. No path.
    pub filename: String,
    /// Its MIME type.
    pub mime_type: String,
    /// What it is, for people; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where its bytes are.
    #[serde(flatten)]
    pub source: Source,
}

/// Where the bytes of an attachment are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// Stored in the catalogue by their digest. The catalogue holds no other.
    Content {
        /// The digest of the bytes.
        sha256: Digest,
        /// How many bytes.
        size: u64,
    },
    /// In a file of the QMTest database that is being read: its path below the database's root, with `/`.
    Location {
        /// The path, as the database has it.
        location: String,
    },
}

/// The MIME type that a file name suggests; `application/octet-stream` where it suggests none.
#[must_use]
pub fn guess_mime_type(filename: &str) -> String {
    mime_guess::from_path(filename).first_raw().unwrap_or("application/octet-stream").to_owned()
}
