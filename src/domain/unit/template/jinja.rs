//! Jinja templates, within bounds: they reach no file, no network and no other template.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::machinery::{Token, tokenize};
use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};

use super::RenderError;
use super::format::Argument;

/// What filling in one text may take: about as many steps, or 64 times as many bytes.
const FUEL: u64 = 100_000;

/// How deep blocks and macros may be within one another.
const MAX_DEPTH: usize = 100;

/// How many tokens there may be in one tag and in all tags of a text, and how many `elif`s. The engine compiles by
/// recursion, and compares and prints values by recursion; it bounds itself for brackets and blocks only.
const MAX_TOKENS: usize = 300;
const MAX_ALL_TOKENS: usize = 1_000;
const MAX_ELIFS: usize = 100;

/// What templates may ask about the machine that Plainbox runs on. Here nothing runs on it, so there is nothing to
/// tell.
const SURROUNDINGS: [&str; 3] = ["__system_env__", "__checkbox_env__", "__on_ubuntucore__"];

/// The texts of a template that are Jinja, by their names.
#[derive(Clone, Debug)]
pub(super) struct Jinja {
    environment: Environment<'static>,
}

impl Jinja {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(MAX_DEPTH);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_unknown_method_callback(method);
        // It would print what the template was given and more.
        environment.remove_global("debug");
        // What outlives a round of a loop could be put within itself until nothing can compare it.
        environment.remove_global("namespace");
        Self { environment }
    }

    /// Adds a text. Answers the names that it looks up.
    pub(super) fn add(&mut self, name: &str, text: &str) -> Result<BTreeSet<String>, RenderError> {
        let syntax = |error: Error| RenderError::Syntax { detail: told(&error) };
        self.check_depth(text)?;
        self.environment.add_template_owned(name.to_owned(), text.to_owned()).map_err(syntax)?;
        let template = self.environment.get_template(name).map_err(syntax)?;
        let mut names: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        let known: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).chain(SURROUNDINGS).collect();
        names.retain(|name| !known.contains(name.as_str()));
        Ok(names)
    }

    fn check_depth(&self, text: &str) -> Result<(), RenderError> {
        let (mut tokens, mut all_tokens, mut elifs) = (0, 0, 0);
        for token in tokenize(text, false, self.environment.syntax().clone()) {
            let (token, span) = token.map_err(|error| RenderError::Syntax { detail: told(&error) })?;
            match token {
                Token::TemplateData(_) | Token::VariableEnd | Token::BlockEnd => continue,
                Token::VariableStart | Token::BlockStart => tokens = 0,
                _ => tokens += 1,
            }
            all_tokens += 1;
            elifs += usize::from(matches!(token, Token::Ident("elif")));
            let counts = [
                (tokens, MAX_TOKENS, "names, signs and values in a tag"),
                (all_tokens, MAX_ALL_TOKENS, "names, signs and values in all tags"),
                (elifs, MAX_ELIFS, "`elif`s"),
            ];
            if let Some((_, most, what)) = counts.into_iter().find(|(count, most, _)| count > most) {
                let detail = format!("line {}: want at most {most} {what}", span.start_line);
                return Err(RenderError::Syntax { detail });
            }
        }
        Ok(())
    }

    /// Fills in a text that was added. `stand_in` takes the place of fields that the record has not, if they are asked
    /// for.
    pub(super) fn render<'a>(
        &self,
        name: &str,
        names: &BTreeSet<String>,
        lookup: &dyn Fn(&str) -> Option<Argument<'a>>,
        stand_in: Option<&str>,
        most: usize,
    ) -> Result<String, RenderError> {
        let mut values: BTreeMap<String, Value> = SURROUNDINGS
            .into_iter()
            .map(|name| (name.to_owned(), Value::from(BTreeMap::<String, Value>::new())))
            .collect();
        values.insert("__on_ubuntucore__".to_owned(), Value::from(false));
        values.extend(names.iter().filter_map(|name| Some((name.clone(), value(lookup(name)?)))));
        let missing: Vec<&String> = names.iter().filter(|name| !values.contains_key(*name)).collect();
        let template = self.environment.get_template(name).map_err(|error| failed(&error, &missing, most))?;
        let rendered = match (template.render(Value::from(values.clone())), stand_in) {
            // Only now: before, `default` and `is defined` must see that it is not there.
            (Err(error), Some(stand_in)) if error.kind() == ErrorKind::UndefinedError => {
                values.extend(missing.iter().map(|name| ((*name).clone(), Value::from(stand_in))));
                template.render(Value::from(values))
            }
            (rendered, _) => rendered,
        };
        let text = rendered.map_err(|error| failed(&error, &missing, most))?;
        if text.len() > most {
            return Err(RenderError::TooLong { most });
        }
        Ok(text)
    }
}

fn value(argument: Argument<'_>) -> Value {
    match argument {
        Argument::Text(text) => Value::from(text),
        Argument::Number(number) => Value::from(number),
    }
}

fn failed(error: &Error, missing: &[&String], most: usize) -> RenderError {
    // The engine says which name it was, unless it met the name elsewhere, such as in a filter.
    let is_named = |name: &&&String| error.detail().is_some_and(|detail| detail.starts_with(&format!("`{name}`")));
    let only = if missing.len() == 1 { missing.first() } else { None };
    match (error.kind(), missing.iter().find(is_named).or(only)) {
        (ErrorKind::UndefinedError, Some(name)) => RenderError::Missing { name: (*name).clone() },
        (ErrorKind::OutOfFuel, _) => {
            RenderError::Failed { detail: format!("it takes too much time, or comes to far more than {most} bytes") }
        }
        _ => RenderError::Failed { detail: told(error) },
    }
}

/// The error in one line, with the line in the text.
fn told(error: &Error) -> String {
    let detail =
        error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    match error.line() {
        Some(line) => format!("line {line}: {detail}"),
        None => detail,
    }
}

/// The methods of Python's texts and dictionaries that templates use, by the filters and tests that do the same.
fn method(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let mut all = vec![value.clone()];
    all.extend(args.iter().cloned());
    match (value.kind(), method) {
        (ValueKind::String, "upper" | "lower" | "title" | "capitalize" | "replace" | "split") => {
            state.apply_filter(method, &all)
        }
        (ValueKind::String, "strip") => state.apply_filter("trim", &all),
        (ValueKind::String, "startswith") => state.perform_test("startingwith", &all).map(Value::from),
        (ValueKind::String, "endswith") => state.perform_test("endingwith", &all).map(Value::from),
        (ValueKind::String, "isdigit") => {
            let _: () = from_args(args)?;
            let text = value.as_str().unwrap_or_default();
            Ok(Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())))
        }
        (ValueKind::Map, "items") => state.apply_filter("items", &all),
        (ValueKind::Map, "get") => {
            let (key, default, _rest): (Value, Option<Value>, Kwargs) = from_args(args)?;
            let found = value.get_item(&key)?;
            Ok(if found.is_undefined() { default.unwrap_or(Value::from(())) } else { found })
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}
