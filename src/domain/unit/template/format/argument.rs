//! What a name of a format string stands for.

use super::repr;

/// A text, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain::unit) enum Argument<'a> {
    /// A field of a record.
    Text(&'a str),
    /// The number of a record.
    Number(usize),
}

impl Argument<'_> {
    pub(super) fn to_text(self) -> String {
        match self {
            Argument::Text(text) => text.to_owned(),
            Argument::Number(number) => number.to_string(),
        }
    }

    /// As Python's `repr`, or its `ascii`, writes it.
    pub(super) fn quoted(self, is_ascii: bool) -> String {
        match self {
            Argument::Text(text) => repr::quoted(text, is_ascii),
            Argument::Number(number) => number.to_string(),
        }
    }
}
