//! What is wrong with a program.

use crate::domain::words::words;

words!(
    /// What is wrong with a program.
    ProgramErrorKind, "kind of program error", {
        /// It is not of the language.
        Syntax = "syntax",
        /// It is Python, of which the language is a part, and not of that part.
        NotAllowed = "not_allowed",
        /// The expression names no resource.
        NoResource = "no_resource",
        /// An expression has too many bytes or resources, or the program too many expressions.
        TooLong = "too_long",
        /// More brackets are open than may be.
        TooDeep = "too_deep",
    }
);

/// A line that is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, character {column}: {message}")]
pub struct ProgramError {
    /// What is wrong.
    pub kind: ProgramErrorKind,
    /// The line of the program, from 1; of a list of texts, all lines are counted.
    pub line: usize,
    /// The first character that is out of place, from 1, blanks at the line's beginning counted.
    pub column: usize,
    /// What stands there, and what was expected.
    pub message: String,
}

/// An error in one expression.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: ProgramErrorKind,
    /// The byte of the expression at which it is.
    pub(super) at: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn syntax(at: usize, message: impl Into<String>) -> Self {
        Self { kind: ProgramErrorKind::Syntax, at, message: message.into() }
    }

    pub(super) fn not_allowed(at: usize, message: impl Into<String>) -> Self {
        Self { kind: ProgramErrorKind::NotAllowed, at, message: message.into() }
    }
}
