//! Lists of lines: what a test plan includes, and what it overrides.

use super::words::{Token, Tokens, lines};

/// A line of `include`, `mandatory_include` or `exclude`: `PATTERN [FIELD=VALUE {, FIELD=VALUE}]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The number of the line in the field, from 1.
    pub line: usize,
    /// The id or the pattern, as it is written.
    pub text: String,
    /// Fields and what they are overridden with, in written order.
    pub overrides: Vec<(String, String)>,
}

/// A line of `category_overrides` or `certification_status_overrides`: `apply VALUE to PATTERN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apply {
    /// The number of the line in the field, from 1.
    pub line: usize,
    /// What is applied.
    pub value: String,
    /// The id or the pattern of what it is applied to, as it is written.
    pub pattern: String,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: want {wanted}")]
pub struct LineError {
    /// The number of the line in the field, from 1.
    pub line: usize,
    /// What was expected in it.
    pub wanted: &'static str,
}

/// The entries of an include list. Lines of blanks and comments are none.
pub fn include_list(text: &str) -> impl Iterator<Item = Result<Include, LineError>> {
    lines(text).filter(|(_, text)| Tokens::new(text).next().is_some()).map(|(line, text)| include(line, text))
}

/// The entries of an override list. Every line must be one: an empty line is an error.
pub fn override_list(text: &str) -> impl Iterator<Item = Result<Apply, LineError>> {
    lines(text).map(|(line, text)| apply(line, text))
}

fn include(line: usize, text: &str) -> Result<Include, LineError> {
    let mut tokens = Tokens::new(text).map(|(_, token)| token);
    let text = word(tokens.next(), line, "an id or a pattern")?;
    let mut overrides = Vec::new();
    let mut next = tokens.next();
    while next.is_some() {
        let field = word(next, line, "the field to override")?;
        if tokens.next() != Some(Token::Equals) {
            return Err(LineError { line, wanted: "`=` after the field to override" });
        }
        overrides.push((field, word(tokens.next(), line, "a value after `=`")?));
        next = match tokens.next() {
            None => None,
            Some(Token::Comma) => Some(tokens.next().unwrap_or(Token::Comma)),
            Some(_) => return Err(LineError { line, wanted: "`,` or the end of the line after a value" }),
        };
    }
    Ok(Include { line, text, overrides })
}

fn apply(line: usize, text: &str) -> Result<Apply, LineError> {
    let mut tokens = Tokens::new(text).map(|(_, token)| token);
    if word(tokens.next(), line, "`apply`")? != "apply" {
        return Err(LineError { line, wanted: "`apply`" });
    }
    let value = word(tokens.next(), line, "a value after `apply`")?;
    if word(tokens.next(), line, "`to`")? != "to" {
        return Err(LineError { line, wanted: "`to`" });
    }
    let pattern = word(tokens.next(), line, "an id or a pattern after `to`")?;
    match tokens.next() {
        None => Ok(Apply { line, value, pattern }),
        Some(_) => Err(LineError { line, wanted: "the end of the line after the pattern" }),
    }
}

fn word(token: Option<Token>, line: usize, wanted: &'static str) -> Result<String, LineError> {
    match token {
        Some(Token::Word(word)) => Ok(word),
        _ => Err(LineError { line, wanted }),
    }
}
