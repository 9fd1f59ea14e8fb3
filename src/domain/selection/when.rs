//! Conditions under which a line of a test's file counts: `platforms=linux parameters='cpus>2'`.
//!
//! A condition has up to five parts, each an expression about what is around: the platforms, the test's name, the options
//! that are on, the test's keywords and its parameters. All must hold. Case is told apart in the name and the options, not
//! in platforms and keywords.
//!
//! Values of parameters can be filled into a part before it is read: see [`template`].

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::selection::syntax::{Cursor, SyntaxError, found, unquoted};
use crate::domain::selection::{keyword, parameter};
use crate::domain::words::{UnknownWord, words};

#[cfg(test)]
mod golden_tests;
pub mod template;
#[cfg(test)]
mod tests;

use template::{Template, TemplateError};

/// The platform that makes every name of a platform hold, where it is among those around.
pub const ANY_PLATFORM: &str = "any";

words!(
    /// A part of a condition; they are checked in this order.
    Part, "part of a condition", {
        /// An expression over the names of platforms.
        Platforms = "platforms",
        /// An expression over the test's name. It does not hold of a test without one, not even if it is negated.
        Testname = "testname",
        /// An expression over the options that are on.
        Options = "options",
        /// An expression over the test's keywords.
        Keywords = "keywords",
        /// An expression over the test's parameters.
        Parameters = "parameters",
    }
);

/// Something that is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCondition {
    /// There is no part of this name.
    #[error(transparent)]
    UnknownPart(#[from] UnknownWord),
    /// A part's value is no text, but of this kind.
    #[error("the part `{0}` has a value of kind {1}: want a text")]
    NoText(Part, parameter::ValueKind),
    /// The text is not made of `part=value`; says where.
    #[error(transparent)]
    Syntax(SyntaxError),
    /// The expression of a part is none.
    #[error("in `{0}`, {1}")]
    Part(Part, #[source] SyntaxError),
}

/// What keeps a condition from being checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A part could not be filled in.
    #[error("in `{0}`, {1}")]
    Template(Part, #[source] TemplateError),
    /// What came of filling a part in is no expression.
    #[error("in `{0}`, after values were filled in, {1}")]
    Syntax(Part, #[source] SyntaxError),
    /// A parameter cannot be compared so.
    #[error(transparent)]
    Type(#[from] parameter::TypeError),
}

/// What is around where a condition is checked.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The names of the platform; [`ANY_PLATFORM`] stands for all.
    pub platforms: &'a [String],
    /// The test's name, where there is one yet.
    pub testname: Option<&'a str>,
    /// The options that are on.
    pub options: &'a [String],
    /// The test's keywords.
    pub keywords: &'a [String],
    /// The test's parameters.
    pub parameters: &'a BTreeMap<String, Value>,
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every part holds.
    Active,
    /// This part does not hold; those after it were not looked at.
    Failed(Part),
}

/// A condition. One without parts always holds.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    parts: BTreeMap<Part, Expression>,
}

/// The expression of a part.
#[derive(Clone, Debug)]
enum Expression {
    /// Over names.
    Names(keyword::Expression),
    /// Over parameters.
    Parameters(parameter::Expression),
    /// One that values are filled into first.
    Template(Template),
}

impl Condition {
    /// Reads `part=value` pairs. The value is a word, or a text in quotes, or, at the end, nothing; `platform`, `option`,
    /// `parameter` and `name` (for the test's name) are parts as well.
    ///
    /// # Errors
    /// The first fault of the pairs, else the first of their expressions.
    pub fn parse(text: &str) -> Result<Self, InvalidCondition> {
        let mut parts = BTreeMap::new();
        let mut cursor = Cursor::new(text);
        while let Some((column, key)) = key(&mut cursor)? {
            let part = match key {
                "platform" => Part::Platforms,
                "option" => Part::Options,
                "parameter" => Part::Parameters,
                "name" => Part::Testname,
                key => key.parse()?,
            };
            if parts.contains_key(&part) {
                return Err(error(column, format!("`{part}` is there already")));
            }
            parts.insert(part, value(&mut cursor)?);
        }
        Self::of(parts)
    }

    /// Takes the parts from a map, in which null is as good as nothing.
    ///
    /// # Errors
    /// If a key is no [`Part`], or a value no text or no expression.
    pub fn from_map(map: &Map<String, Value>) -> Result<Self, InvalidCondition> {
        let mut parts = BTreeMap::new();
        for (key, value) in map {
            let part: Part = key.parse()?;
            match value {
                Value::Null => {}
                Value::String(text) => drop(parts.insert(part, text.as_str())),
                other => return Err(InvalidCondition::NoText(part, parameter::ValueKind::of(other))),
            }
        }
        Self::of(parts)
    }

    fn of(parts: BTreeMap<Part, &str>) -> Result<Self, InvalidCondition> {
        let expression = |(part, text): (Part, &str)| {
            let fault = |error| InvalidCondition::Part(part, error);
            let text = unquoted(text).map_err(fault)?;
            let expression = match Template::new(text) {
                Some(template) => Expression::Template(template),
                None => Expression::parse(part, text).map_err(fault)?,
            };
            Ok((part, expression))
        };
        Ok(Self { parts: parts.into_iter().map(expression).collect::<Result<_, InvalidCondition>>()? })
    }

    /// Checks it, part by part, up to the first that does not hold.
    ///
    /// # Errors
    /// If values cannot be filled into a part that is reached, or a parameter cannot be compared as it says.
    pub fn check(&self, around: &Surroundings<'_>) -> Result<Outcome, CheckError> {
        for (part, expression) in &self.parts {
            if !check(*part, expression, around)? {
                return Ok(Outcome::Failed(*part));
            }
        }
        Ok(Outcome::Active)
    }
}

fn check(part: Part, expression: &Expression, around: &Surroundings<'_>) -> Result<bool, CheckError> {
    if part == Part::Testname && around.testname.is_none() {
        return Ok(false);
    }
    match expression {
        Expression::Template(template) => {
            let text = template.fill(around).map_err(|error| CheckError::Template(part, error))?;
            let filled = unquoted(&text).and_then(|text| Expression::parse(part, text));
            holds(part, &filled.map_err(|error| CheckError::Syntax(part, error))?, around)
        }
        expression => holds(part, expression, around),
    }
}

/// Whether an expression that needs no filling in holds.
fn holds(part: Part, expression: &Expression, around: &Surroundings<'_>) -> Result<bool, CheckError> {
    let names = match expression {
        Expression::Names(names) => names,
        Expression::Parameters(parameters) => return Ok(parameters.holds(|name| around.parameters.get(name))?),
        Expression::Template(_) => return Ok(false),
    };
    let matches = |list: &[String]| names.matches(list.iter().map(String::as_str));
    Ok(match part {
        Part::Platforms if around.platforms.iter().any(|name| name == ANY_PLATFORM) => names.evaluate(|_| true),
        Part::Platforms => matches(around.platforms),
        Part::Testname => names.matches(around.testname),
        Part::Options => matches(around.options),
        Part::Keywords | Part::Parameters => matches(around.keywords),
    })
}

impl Expression {
    fn parse(part: Part, text: &str) -> Result<Self, SyntaxError> {
        match part {
            Part::Platforms | Part::Keywords => keyword::Expression::parse(text).map(Self::Names),
            Part::Testname | Part::Options => keyword::Expression::parse_exact(text).map(Self::Names),
            Part::Parameters => parameter::Expression::parse(text).map(Self::Parameters),
        }
    }
}

fn error(column: usize, message: String) -> InvalidCondition {
    InvalidCondition::Syntax(SyntaxError::at(column, message))
}

fn skip_blanks(cursor: &mut Cursor<'_>) {
    cursor.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c'));
}

fn word<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let begins = cursor.peek().is_some_and(|c| c.is_alphabetic() || c == '_');
    begins.then(|| cursor.take_while(|c| c.is_alphanumeric() || c == '_'))
}

/// Takes the name of a part and its column, if there is one more.
fn key<'a>(cursor: &mut Cursor<'a>) -> Result<Option<(usize, &'a str)>, InvalidCondition> {
    skip_blanks(cursor);
    let start = *cursor;
    match word(cursor) {
        Some(key) => Ok(Some((start.column, key))),
        None if start.rest.is_empty() => Ok(None),
        None => {
            Err(error(start.column, format!("want the name of a part, as in `platforms=linux`; {}", found(start.rest))))
        }
    }
}

/// Takes an equals sign and a value.
fn value<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, InvalidCondition> {
    skip_blanks(cursor);
    if cursor.peek() != Some('=') {
        return Err(error(cursor.column, format!("want `=` and the part's expression; {}", found(cursor.rest))));
    }
    cursor.next();
    skip_blanks(cursor);
    let start = *cursor;
    if start.rest.is_empty() {
        return Ok("");
    }
    word(cursor).or_else(|| quoted(cursor)).ok_or_else(|| {
        let wanted = "want a word, or an expression in quotes that are closed";
        error(start.column, format!("{wanted}; {}", found(start.rest)))
    })
}

/// Takes a text in quotes, with them. A backslash keeps the quote behind it from closing, and stays.
fn quoted<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let from = cursor.rest;
    let quote = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| from.starts_with(quote))?;
    cursor.take(quote.len());
    while !cursor.rest.starts_with(quote) {
        match cursor.next()? {
            '\\' => drop(cursor.next()?),
            '\n' if quote.len() == 1 => return None,
            _ => {}
        }
    }
    cursor.take(quote.len());
    from.get(..from.len() - cursor.rest.len())
}
