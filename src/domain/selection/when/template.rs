//! Expressions that values of parameters are filled into: `options='$model'`.
//!
//! A text with a `$` in it has `$name` and `${name}` filled in, `$$` is a `$`, and a name that there is not stays as it is.
//! A text without `$` has `{name}` filled in, `{{` and `}}` are braces, and a name that there is not is an error. A name is
//! a parameter's, also in capitals, or, where there is no such parameter, `testname` or `name`: the test's name.

use serde_json::Value;

use crate::domain::selection::MAX_EXPRESSION_BYTES;
use crate::domain::selection::when::Surroundings;

/// The most bytes that come of filling in a text.
const MAX_FILLED_BYTES: usize = MAX_EXPRESSION_BYTES;

/// A text that values are to be filled into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// A text cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no value of this name.
    #[error("there is no parameter `{0}` to fill in")]
    Unknown(String),
    /// A brace that is not part of a `{name}`.
    #[error("a brace at character {0} begins or ends no `{{name}}`; write `{{{{` or `}}}}` for a brace")]
    Brace(usize),
    /// What comes of it is too long.
    #[error("it becomes longer than {MAX_FILLED_BYTES} bytes")]
    TooLong,
}

impl Template {
    /// The text, if there is something to fill in.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        text.contains(['$', '{', '}']).then(|| Self(text.to_owned()))
    }

    /// The text with values filled in.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn fill(&self, around: &Surroundings<'_>) -> Result<String, TemplateError> {
        let filled = if self.0.contains('$') { fill_dollars(&self.0, around) } else { fill_braces(&self.0, around) }?;
        if filled.len() > MAX_FILLED_BYTES { Err(TemplateError::TooLong) } else { Ok(filled) }
    }
}

fn fill_dollars(text: &str, around: &Surroundings<'_>) -> Result<String, TemplateError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        filled.push_str(before);
        if filled.len() > MAX_FILLED_BYTES {
            return Err(TemplateError::TooLong);
        }
        if let Some(behind) = behind.strip_prefix('$') {
            filled.push('$');
            rest = behind;
            continue;
        }
        let named = behind.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (name, behind_name) =
            named.filter(|(name, _)| is_name(name)).unwrap_or_else(|| behind.split_at(name_length(behind)));
        let value = Some(name).filter(|name| is_name(name)).and_then(|name| value(name, around));
        // What names nothing stays, and its `$` with it.
        rest = if value.is_some() { behind_name } else { behind };
        filled.push_str(value.as_deref().unwrap_or("$"));
    }
    filled.push_str(rest);
    Ok(filled)
}

fn fill_braces(text: &str, around: &Surroundings<'_>) -> Result<String, TemplateError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        if filled.len() > MAX_FILLED_BYTES {
            return Err(TemplateError::TooLong);
        }
        if let Some(behind) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            filled.extend(from.chars().next());
            rest = behind;
            continue;
        }
        let named = from.strip_prefix('{').and_then(|inside| inside.split_once('}')).filter(|(name, _)| is_name(name));
        let Some((name, behind)) = named else {
            return Err(TemplateError::Brace(
                text.get(..text.len() - from.len()).unwrap_or_default().chars().count() + 1,
            ));
        };
        filled.push_str(&value(name, around).ok_or_else(|| TemplateError::Unknown(name.to_owned()))?);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// How many bytes of a name the text begins with.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && name_length(text) == text.len()
}

/// The text of what is called so.
fn value(name: &str, around: &Surroundings<'_>) -> Option<String> {
    let in_capitals =
        || around.parameters.iter().find(|(known, _)| known.to_uppercase() == name).map(|(_, value)| value);
    let value = around.parameters.get(name).or_else(in_capitals);
    let testname = || matches!(name, "testname" | "name" | "TESTNAME" | "NAME").then_some(around.testname).flatten();
    match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null) => Some("None".to_owned()),
        Some(Value::Bool(is)) => Some(if *is { "True" } else { "False" }.to_owned()),
        Some(other) => Some(other.to_string()),
        None => testname().map(str::to_owned),
    }
}
