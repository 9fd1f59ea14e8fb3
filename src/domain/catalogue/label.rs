//! Labels: the names of tests, suites, resources and directories.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most bytes of a label: both databases index it.
pub const MAX_LABEL_BYTES: usize = 512;

/// A label of the catalogue: components of `a-z`, `0-9`, `_` and `-`, joined by dots. The empty label is the root
/// directory, the whole catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// The text is no label; says what is wrong and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLabel(pub String);

impl Label {
    /// The root directory.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Whether it is the root directory.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that it stands in; the root's is the root.
    #[must_use]
    pub fn directory(&self) -> Self {
        Self(self.0.rsplit_once('.').map(|(directory, _)| directory.to_owned()).unwrap_or_default())
    }

    /// The directories above it, the nearest first, the root last.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        let first = (!self.is_root()).then(|| self.directory());
        std::iter::successors(first, |label| (!label.is_root()).then(|| label.directory()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Label {
    type Error = InvalidLabel;

    fn try_from(text: String) -> Result<Self, InvalidLabel> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
