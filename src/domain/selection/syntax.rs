//! What the languages of this floor have in common: how they report a fault, and what they pass over before they read.

use crate::domain::words::words;

/// The most bytes of an expression.
pub const MAX_EXPRESSION_BYTES: usize = 65_536;

words!(
    /// What is wrong with an expression.
    SyntaxErrorKind, "kind of syntax error", {
        /// It is not of the language.
        Syntax = "syntax",
        /// More brackets are open than may be: see [`MAX_DEPTH`](super::MAX_DEPTH).
        TooDeep = "too_deep",
        /// It is longer than [`MAX_EXPRESSION_BYTES`].
        TooLong = "too_long",
    }
);

/// The text is no expression; says where and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {column}: {message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub kind: SyntaxErrorKind,
    /// The first character that is out of place, from 1; one more than there are where the text ends too early. Quotes
    /// around the whole text are not counted.
    pub column: usize,
    /// What would do there, and what there is.
    pub message: String,
}

impl SyntaxError {
    /// Something out of place.
    pub(super) fn at(column: usize, message: String) -> Self {
        Self { kind: SyntaxErrorKind::Syntax, column, message }
    }
}

/// The text without the quotes around it, layer by layer, as Canary takes them off: where both ends agree, be they one
/// and the same quote.
///
/// # Errors
/// [`SyntaxErrorKind::TooLong`].
pub(super) fn unquoted(mut text: &str) -> Result<&str, SyntaxError> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(SyntaxError {
            kind: SyntaxErrorKind::TooLong,
            column: 1,
            message: format!("the expression has {} bytes, and {MAX_EXPRESSION_BYTES} are the most", text.len()),
        });
    }
    let around = |text: &str| {
        ["\"\"\"", "'''", "'", "\""].into_iter().find(|quote| text.starts_with(quote) && text.ends_with(quote))
    };
    while let Some(quote) = around(text) {
        text = text.get(quote.len()..text.len() - quote.len()).unwrap_or_default();
    }
    Ok(text)
}

/// What stands at the start of this text, as a message names it.
pub(super) fn found(rest: &str) -> String {
    match rest.chars().next() {
        None => "the expression ends".to_owned(),
        Some('`') => "there is a backtick".to_owned(),
        Some(c) if c.is_control() => format!("there is `{}`", c.escape_debug()),
        Some(c) => format!("there is `{c}`"),
    }
}

/// Reads a text from left to right and keeps count of its characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    /// What has not been read.
    pub(super) rest: &'a str,
    /// The column of its first character.
    pub(super) column: usize,
}

impl<'a> Cursor<'a> {
    /// Begins at the text's first character.
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, column: 1 }
    }

    /// The next character, which stays.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.take(next.len_utf8());
        Some(next)
    }

    /// Takes so many bytes, which end where a character does.
    pub(super) fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.column += taken.chars().count();
        taken
    }

    /// Takes characters as long as they are of this kind.
    pub(super) fn take_while(&mut self, kind: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c: char| !kind(c)).unwrap_or(self.rest.len()))
    }
}
