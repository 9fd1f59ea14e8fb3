//! Contexts: the properties that tests read, by name. Names and values are text.

use std::collections::BTreeMap;

use crate::domain::catalogue::text::yes_or_no;

/// Properties by name.
pub type Context = BTreeMap<String, String>;

/// Why a context cannot be read, or a property is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// A line of a file is no assignment.
    #[error("line {line}: want `name=value`")]
    NoAssignment {
        /// The line's number, from 1.
        line: usize,
    },
    /// There is no such property.
    #[error("the context has no property `{0}`")]
    Missing(String),
    /// The property is no boolean.
    #[error("the property `{0}` is no boolean: want 1, true, yes, on, 0, false, no or off")]
    NoBoolean(String),
    /// The property is no list of words.
    #[error("the property `{0}` is no list: a quote is not closed")]
    NoList(String),
}

/// Reads a file of assignments, one a line. Blank lines and lines that begin with `#` are passed over; blanks around a line
/// go, those around its `=` stay. Of a name that stands twice the last counts.
///
/// # Errors
/// [`ContextError::NoAssignment`].
pub fn read(text: &str) -> Result<Context, ContextError> {
    let mut context = Context::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(ContextError::NoAssignment { line: place + 1 })?;
        context.insert(name.to_owned(), value.to_owned());
    }
    Ok(context)
}

/// A property that may be set for a scope or for those above it: of the scope `a.b` and the variable `v`, `a.b.v`, else
/// `a.v`, else `v`.
#[must_use]
pub fn derived<'a>(context: &'a Context, scope: &str, variable: &str) -> Option<&'a str> {
    let mut scope = scope;
    loop {
        let name = if scope.is_empty() { variable.to_owned() } else { format!("{scope}.{variable}") };
        if let Some(value) = context.get(&name) {
            return Some(value);
        }
        if scope.is_empty() {
            return None;
        }
        scope = scope.rsplit_once('.').map_or("", |(above, _)| above);
    }
}

/// A property that is yes or no.
///
/// # Errors
/// [`ContextError::Missing`] where there is none and no default; [`ContextError::NoBoolean`].
pub fn boolean(context: &Context, name: &str, default: Option<bool>) -> Result<bool, ContextError> {
    let Some(value) = context.get(name) else {
        return default.ok_or_else(|| ContextError::Missing(name.to_owned()));
    };
    yes_or_no(value).ok_or_else(|| ContextError::NoBoolean(name.to_owned()))
}

/// A property that is a list of words. Words are kept apart by blanks that no quote and no backslash protects; quotes and
/// backslashes stay.
///
/// # Errors
/// [`ContextError::Missing`]; [`ContextError::NoList`].
pub fn words(context: &Context, name: &str) -> Result<Vec<String>, ContextError> {
    let value = context.get(name).ok_or_else(|| ContextError::Missing(name.to_owned()))?;
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut quote = None;
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) => {
                word.push(letter);
                if letter == open {
                    quote = None;
                }
            }
            (None, '\'' | '"') => {
                word.push(letter);
                quote = Some(letter);
            }
            (None, '\\') => {
                word.push(letter);
                word.extend(letters.next());
            }
            (None, _) if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (None, _) => word.push(letter),
        }
    }
    if quote.is_some() {
        return Err(ContextError::NoList(name.to_owned()));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::golden;

    #[test]
    fn golden_contexts_are_read_as_by_qmtest() {
        let mut replayed = 0;
        for case in golden::cases("qmtest/context.json", "cases").iter().filter(|case| case["area"] == "context") {
            let (given, args) = (&case["given"], &case["call"]["args"]);
            let context: Context = serde_json::from_value(given["context"].clone()).unwrap_or_default();
            let text = |name: &str| args[name].as_str().unwrap_or_default();
            let ours: Result<Value, ContextError> = match case["call"]["method"].as_str().unwrap() {
                "ReadContext" => read(given["text"].as_str().unwrap()).map(|context| json!(context)),
                "GetDerivedValue" => {
                    Ok(json!(derived(&context, text("scope"), text("variable")).unwrap_or(text("default"))))
                }
                "GetBoolean" => boolean(&context, text("key"), args["default"].as_bool()).map(Value::from),
                "GetStringList" => words(&context, text("key")).map(Value::from),
                other => panic!("{other}"),
            };
            let name = &case["name"];
            match (ours, &case["expect"]["result"]) {
                (Ok(ours), theirs) if case["expect"]["error"].is_null() => assert_eq!(&ours, theirs, "{name}"),
                (Err(_), Value::Null) => {}
                (ours, theirs) => panic!("{name}: {ours:?} where QMTest has {theirs}"),
            }
            replayed += 1;
        }
        assert!(replayed > 20);
    }

    #[test]
    fn a_line_that_is_no_assignment_is_named() {
        assert_eq!(read("a=1\n\nnonsense"), Err(ContextError::NoAssignment { line: 3 }));
    }
}
