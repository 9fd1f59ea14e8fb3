//! Parameter expressions: `cpus>=4 and model in (elastic, plastic) and !gpus`.
//!
//! ```text
//! expression := and_expr { "or" and_expr }
//! and_expr   := not_expr { "and" not_expr }
//! not_expr   := "not" not_expr | "(" expression ")" | clause
//! clause     := name | "!" name | name "=" "*" | name operator value | name ["not"] "in" list
//! operator   := "=" | "==" | "!=" | "<" | "<=" | ">" | ">="
//! list       := "(" [ value { "," value } [","] ] ")" | "[" [ value { "," value } [","] ] "]"
//! value      := ["+" | "-"] number | number_word | word | quoted
//! ```
//!
//! A word behind an operator is a text and no other parameter, so `None` and `True` are texts too; so is a number that a
//! word follows without a blank, such as `2D`. A name holds if its value is neither null, false, zero nor empty; `name=*`
//! asks the same, and does not hold of a parameter that there is not; `!name` holds if there is none of the name.
//!
//! Where any other clause about a parameter that there is not is reached, the whole expression does not hold, whatever
//! stands around it: `not nosuch` does not hold, `nosuch=1 or cpus=4` does not, `cpus=4 or nosuch=1` does if `cpus` is 4.
//! Conditions are reached from left to right, and only as long as they can decide.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::domain::selection::logic::{self, Connective, Logic, Operand, Source};
use crate::domain::selection::syntax::{Cursor, SyntaxError, unquoted};
use crate::domain::words::words;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;
mod token;
mod value;

use token::{Reader, Token};
use value::Literal;
pub use value::ValueKind;

words!(
    /// How a parameter is compared. `=` is another spelling of `==`.
    Operator, "operator", {
        /// They are the same.
        Equal = "=",
        /// They are not.
        NotEqual = "!=",
        /// The parameter is less.
        Less = "<",
        /// It is not greater.
        LessOrEqual = "<=",
        /// It is greater.
        Greater = ">",
        /// It is not less.
        GreaterOrEqual = ">=",
    }
);

/// A parameter has a value that has no order with what it is compared with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter `{parameter}` has a value of kind {left}, which `{operator}` cannot compare with a {right}")]
pub struct TypeError {
    /// The parameter's name.
    pub parameter: String,
    /// How it is compared.
    pub operator: Operator,
    /// What its value is.
    pub left: ValueKind,
    /// What it is compared with.
    pub right: ValueKind,
}

/// An expression over parameters.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    names: Vec<String>,
    logic: Logic<Clause>,
}

/// What is asked about one parameter.
#[derive(Clone, Debug, PartialEq)]
struct Clause {
    /// Its name's place among the names.
    name: usize,
    question: Question,
}

#[derive(Clone, Debug, PartialEq)]
enum Question {
    /// Is it neither null, false, zero nor empty?
    Truthy,
    /// The same, and no matter if there is none.
    Defined,
    /// Is there none?
    Absent,
    /// How does it compare?
    Compare(Operator, Literal),
    /// Is it among these, or, if `negated`, not among them?
    Among { negated: bool, values: Vec<Literal> },
}

/// Why an expression is not asked to its end.
enum Stop {
    /// There is no parameter of the name.
    Undefined,
    Type(TypeError),
}

impl Expression {
    /// Reads an expression. Quotes around the whole are passed over.
    ///
    /// # Errors
    /// The first fault, from left to right.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let reader = Reader::new(Cursor::new(unquoted(text)?));
        let mut clauses = Clauses { reader, names: Vec::new(), places: HashMap::new() };
        let logic = logic::read(&mut clauses)?;
        Ok(Self { text: text.to_owned(), names: clauses.names, logic })
    }

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the parameters that it asks for, each once, in the order of their first mention.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it holds, if `get` gives the value of each of [`Self::names`] that there is.
    ///
    /// # Errors
    /// [`TypeError`], where a comparison by order is reached between values that have none.
    pub fn evaluate<'v>(&self, mut get: impl FnMut(usize) -> Option<&'v Value>) -> Result<bool, TypeError> {
        let held = self.logic.evaluate(|clause| {
            let value = get(clause.name);
            match (&clause.question, value) {
                (Question::Absent, value) => Ok(value.is_none()),
                (Question::Defined, value) => Ok(value.is_some_and(value::is_truthy)),
                (_, None) => Err(Stop::Undefined),
                (Question::Truthy, Some(value)) => Ok(value::is_truthy(value)),
                (Question::Among { negated, values }, Some(value)) => {
                    Ok(values.iter().any(|literal| literal.is(value)) != *negated)
                }
                (Question::Compare(operator, literal), Some(value)) => {
                    compare(value, *operator, literal).ok_or_else(|| {
                        let parameter = self.names.get(clause.name).cloned().unwrap_or_default();
                        let (left, right) = (ValueKind::of(value), literal.kind());
                        Stop::Type(TypeError { parameter, operator: *operator, left, right })
                    })
                }
            }
        });
        match held {
            Ok(held) => Ok(held),
            Err(Stop::Undefined) => Ok(false),
            Err(Stop::Type(error)) => Err(error),
        }
    }

    /// Whether it holds, if `get` gives the value of each parameter that there is.
    ///
    /// # Errors
    /// [`TypeError`], where a comparison by order is reached between values that have none.
    pub fn holds<'v>(&self, get: impl Fn(&str) -> Option<&'v Value>) -> Result<bool, TypeError> {
        self.evaluate(|place| self.names.get(place).and_then(|name| get(name)))
    }
}

/// Whether the value compares so; nothing if there is no order between the two.
fn compare(value: &Value, operator: Operator, literal: &Literal) -> Option<bool> {
    let order = || literal.order(value);
    Some(match operator {
        Operator::Equal => literal.is(value),
        Operator::NotEqual => !literal.is(value),
        Operator::Less => order()? == Ordering::Less,
        Operator::LessOrEqual => order()? != Ordering::Greater,
        Operator::Greater => order()? == Ordering::Greater,
        Operator::GreaterOrEqual => order()? != Ordering::Less,
    })
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

/// Reads clauses and what stands between them.
struct Clauses<'a> {
    reader: Reader<'a>,
    names: Vec<String>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Clauses<'a> {
    fn clause(&mut self, name: &'a str, question: Question) -> Operand<Clause> {
        let next = self.names.len();
        let place = *self.places.entry(name).or_insert(next);
        if place == next {
            self.names.push(name.to_owned());
        }
        Operand::Condition(Clause { name: place, question })
    }

    /// What is asked of a parameter whose name has been read.
    fn question(&mut self) -> Result<Question, SyntaxError> {
        match self.reader.peek() {
            Ok(Token::Operator(operator)) => {
                self.reader.token()?;
                if operator == Operator::Equal && matches!(self.reader.peek(), Ok(Token::Star)) {
                    self.reader.token()?;
                    return Ok(Question::Defined);
                }
                Ok(Question::Compare(operator, self.value()?))
            }
            Ok(Token::Word("in")) => {
                self.reader.token()?;
                Ok(Question::Among { negated: false, values: self.list()? })
            }
            Ok(Token::Word("not")) => {
                self.reader.token()?;
                match self.reader.token()? {
                    Token::Word("in") => Ok(Question::Among { negated: true, values: self.list()? }),
                    other => Err(self.reader.instead("`in` behind `not`", &other)),
                }
            }
            // What it is instead is judged where it is wanted: behind the clause.
            _ => Ok(Question::Truthy),
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, SyntaxError> {
        let close = match self.reader.token()? {
            Token::Open('[') => ']',
            Token::Open(_) => ')',
            other => return Err(self.reader.instead("a list in brackets behind `in`", &other)),
        };
        let mut values = Vec::new();
        loop {
            if self.reader.peek() == Ok(Token::Close(close)) {
                break;
            }
            values.push(self.value()?);
            match self.reader.token()? {
                Token::Comma => {}
                Token::Close(found) if found == close => return Ok(values),
                other => return Err(self.reader.instead(&format!("`,` or `{close}`"), &other)),
            }
        }
        self.reader.token()?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Literal, SyntaxError> {
        match self.reader.token()? {
            Token::Number(number) => Ok(Literal::Number(number)),
            Token::Sign { negative } => match self.reader.token()? {
                Token::Number(number) => Ok(Literal::Number(if negative { number.negated() } else { number })),
                other => Err(self.reader.instead("a number behind the sign", &other)),
            },
            Token::Text(text) => Ok(Literal::Text(text)),
            Token::Word(word) if !matches!(word, "and" | "or" | "if" | "else") => Ok(Literal::Text(word.to_owned())),
            Token::Star => Err(self
                .reader
                .error("want a value; `*` stands behind `=` only and alone, and there are no globs here")),
            other => Err(self.reader.instead("a value", &other)),
        }
    }
}

impl Source for Clauses<'_> {
    type Condition = Clause;

    fn operand(&mut self) -> Result<Operand<Clause>, SyntaxError> {
        let wanted = "a parameter's name, `!`, `not` or `(`";
        match self.reader.token()? {
            Token::Word("not") => Ok(Operand::Not),
            Token::Open('(') => Ok(Operand::Open),
            Token::Bang => match self.reader.token()? {
                Token::Word(name) if !token::is_reserved(name) => Ok(self.clause(name, Question::Absent)),
                other => Err(self.reader.instead("a parameter's name behind `!`", &other)),
            },
            Token::Word(name) if !token::is_reserved(name) => {
                let question = self.question()?;
                Ok(self.clause(name, question))
            }
            other => Err(self.reader.instead(wanted, &other)),
        }
    }

    fn connective(&mut self) -> Result<Connective, SyntaxError> {
        match self.reader.token()? {
            Token::Word("and") => Ok(Connective::And),
            Token::Word("or") => Ok(Connective::Or),
            Token::Close(')') => Ok(Connective::Close),
            Token::End => Ok(Connective::End),
            other => Err(self.reader.instead("`and`, `or` or the end", &other)),
        }
    }

    fn column(&self) -> usize {
        self.reader.start()
    }
}
