//! Keyword expressions: `fast and not (gpu or mpi*)`.
//!
//! ```text
//! expression := nothing | or_expr          nothing holds of no test
//! or_expr    := and_expr { "or" and_expr }
//! and_expr   := not_expr { "and" not_expr }
//! not_expr   := "not" not_expr | "(" or_expr ")" | name
//! ```
//!
//! A name is the longest run of letters, digits and `_ : * ? + - . [ ] \ /` that is not one of the three words, which are
//! in small letters. It holds if it matches a keyword as a [`Glob`]. Blanks and tabs separate.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::domain::glob::Glob;
use crate::domain::selection::logic::{self, Connective, Logic, Operand, Source};
use crate::domain::selection::syntax::{Cursor, SyntaxError, found, unquoted};

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

/// An expression over keywords.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    names: Vec<Glob>,
    /// Of places in `names`.
    logic: Logic<usize>,
    exact: bool,
}

impl Expression {
    /// Reads an expression that takes capitals and small letters for the same. Quotes around the whole are passed over.
    ///
    /// # Errors
    /// The first fault, from left to right.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Self::read(text, false)
    }

    /// Reads an expression that tells capitals from small letters.
    ///
    /// # Errors
    /// The first fault, from left to right.
    pub fn parse_exact(text: &str) -> Result<Self, SyntaxError> {
        Self::read(text, true)
    }

    fn read(text: &str, exact: bool) -> Result<Self, SyntaxError> {
        let inner = unquoted(text)?;
        let mut reader =
            Reader { cursor: Cursor::new(inner), start: 1, exact, names: Vec::new(), places: HashMap::new() };
        let logic =
            if inner.trim_matches([' ', '\t']).is_empty() { Logic::default() } else { logic::read(&mut reader)? };
        Ok(Self { text: text.to_owned(), names: reader.names, logic, exact })
    }

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names that it asks for, each once, in the order of their first mention; in small letters, unless it tells
    /// those from capitals.
    #[must_use]
    pub fn names(&self) -> &[Glob] {
        &self.names
    }

    /// Whether it holds, if `holds` says which of [`Self::names`] do. It is asked for those only that can still decide.
    pub fn evaluate(&self, mut holds: impl FnMut(usize) -> bool) -> bool {
        let Ok(held) = self.logic.evaluate(|place| Ok::<_, std::convert::Infallible>(holds(*place)));
        held
    }

    /// Whether it holds of something with these keywords.
    pub fn matches<'k>(&self, keywords: impl IntoIterator<Item = &'k str>) -> bool {
        let keyword = |keyword| if self.exact { Cow::Borrowed(keyword) } else { lower_case(keyword) };
        let keywords: Vec<Cow<'_, str>> = keywords.into_iter().map(keyword).collect();
        self.evaluate(|place| self.names.get(place).is_some_and(|name| keywords.iter().any(|it| name.matches(it))))
    }
}

impl FromStr for Expression {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A keyword as [`Expression::parse`] compares it: in small letters.
#[must_use]
pub fn lower_case(keyword: &str) -> Cow<'_, str> {
    if keyword.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(keyword)
    } else {
        Cow::Owned(keyword.to_lowercase())
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    /// The column of the token that was read last.
    start: usize,
    exact: bool,
    names: Vec<Glob>,
    places: HashMap<String, usize>,
}

enum Token<'a> {
    Open,
    Close,
    Word(&'a str),
    End,
}

impl<'a> Reader<'a> {
    /// Reads a token, where `wanted` would do.
    fn token(&mut self, wanted: &str) -> Result<Token<'a>, SyntaxError> {
        self.cursor.take_while(|c| matches!(c, ' ' | '\t'));
        self.start = self.cursor.column;
        match self.cursor.peek() {
            None => Ok(Token::End),
            Some('(') => {
                self.cursor.next();
                Ok(Token::Open)
            }
            Some(')') => {
                self.cursor.next();
                Ok(Token::Close)
            }
            Some(c) if is_in_names(c) => Ok(Token::Word(self.cursor.take_while(is_in_names))),
            Some(_) => Err(self.instead(wanted, &found(self.cursor.rest))),
        }
    }

    /// An error about the token that was read last.
    fn instead(&self, wanted: &str, found: &str) -> SyntaxError {
        SyntaxError::at(self.start, format!("want {wanted}; {found}"))
    }

    fn place(&mut self, name: &str) -> usize {
        let name = if self.exact { Cow::Borrowed(name) } else { lower_case(name) };
        if let Some(place) = self.places.get(name.as_ref()) {
            return *place;
        }
        let place = self.names.len();
        self.names.push(Glob::new(&name));
        self.places.insert(name.into_owned(), place);
        place
    }
}

fn is_in_names(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '*' | '?' | '+' | '-' | '.' | '[' | ']' | '\\' | '/')
}

impl Source for Reader<'_> {
    type Condition = usize;

    fn operand(&mut self) -> Result<Operand<usize>, SyntaxError> {
        let wanted = "a keyword, `not` or `(`";
        match self.token(wanted)? {
            Token::Open => Ok(Operand::Open),
            Token::Word("not") => Ok(Operand::Not),
            Token::Word(word @ ("and" | "or")) => Err(self.instead(wanted, &format!("there is `{word}`"))),
            Token::Word(name) => Ok(Operand::Condition(self.place(name))),
            Token::Close => Err(self.instead(wanted, "there is `)`")),
            Token::End => Err(self.instead(wanted, "the expression ends")),
        }
    }

    fn connective(&mut self) -> Result<Connective, SyntaxError> {
        let wanted = "`and`, `or` or the end";
        match self.token(wanted)? {
            Token::Word("and") => Ok(Connective::And),
            Token::Word("or") => Ok(Connective::Or),
            Token::Close => Ok(Connective::Close),
            Token::End => Ok(Connective::End),
            Token::Open => Err(self.instead(wanted, "there is `(`")),
            Token::Word(word @ ("AND" | "And" | "OR" | "Or")) => {
                Err(self.instead(wanted, &format!("there is `{word}`: the words are in small letters")))
            }
            Token::Word(_) => Err(self.instead(wanted, "there is another word")),
        }
    }

    fn column(&self) -> usize {
        self.start
    }
}
