//! Commands with places for arguments: how a registered class is executed without code of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::class::Class;
use crate::domain::catalogue::field::{Field, FieldKind};
use crate::domain::catalogue::limits::{MAX_COMMAND_BYTES, MAX_COMMAND_WORDS, MAX_NAME, MAX_TEXT, MAX_TIMEOUT_S};
use crate::domain::catalogue::time;
use crate::domain::catalogue::value::Value;
use crate::domain::fault::{At, Faults};

/// A command with places for arguments: `{name}` in a word stands for the argument's text, `{{` and `}}` for braces. A
/// word that is just `{name}` of a list becomes as many words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandTemplate {
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// What the program reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Environment variables beside those of the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The exit code of a test that passes; any other fails.
    #[serde(default)]
    pub exit_code: i32,
    /// After how many seconds it is stopped; the agent's limit where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

/// A command with its arguments filled in; the members are those of [`CommandTemplate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderedCommand {
    /// The program, which is not empty, and its arguments.
    pub argv: Vec<String>,
    /// What the program reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Environment variables beside those of the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The exit code of a test that passes.
    pub exit_code: i32,
    /// After how many seconds it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

/// Why a command cannot be made of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub String);

/// A part of a word.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// The parts of a word of a template.
fn parts(word: &str) -> Result<Vec<Part<'_>>, CommandError> {
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some(brace) = rest.find(['{', '}']) {
        let (before, from_brace) = rest.split_at(brace);
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        if from_brace.starts_with("{{") || from_brace.starts_with("}}") {
            let (doubled, after) = from_brace.split_at(2);
            parts.push(Part::Text(doubled.get(1..).unwrap_or_default()));
            rest = after;
            continue;
        }
        let place = from_brace.strip_prefix('{').and_then(|after| after.split_once('}'));
        let Some((name, after)) = place.filter(|(name, _)| !name.is_empty() && !name.contains('{')) else {
            return Err(CommandError(
                "a brace has no partner; write {name} for an argument, {{ and }} for braces".to_owned(),
            ));
        };
        parts.push(Part::Place(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// The text of a value that stands in a command; times in RFC 3339. Lists, tuples, dictionaries and attachments have
/// none.
#[must_use]
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Enumeral(text) => Some(text.clone()),
        Value::Integer(integer) => Some(integer.as_str().to_owned()),
        Value::Time(seconds) => time::to_rfc3339(*seconds),
        Value::Set(_) | Value::Tuple(_) | Value::Dictionary(_) | Value::Attachment(_) => None,
    }
}

fn has_text(kind: &FieldKind) -> bool {
    !matches!(
        kind,
        FieldKind::Set(_) | FieldKind::Tuple(_) | FieldKind::Dictionary(_) | FieldKind::Attachment | FieldKind::Python
    )
}

fn is_list_of_texts(field: &Field) -> bool {
    matches!(&field.kind, FieldKind::Set(options) if has_text(&options.of.kind))
}

/// Fills places in, and counts what it makes.
struct Renderer<'a> {
    arguments: &'a BTreeMap<String, Value>,
    bytes: usize,
}

impl Renderer<'_> {
    fn value(&self, name: &str) -> Result<&Value, CommandError> {
        self.arguments.get(name).ok_or_else(|| CommandError(format!("the argument `{name}` has no value")))
    }

    fn count(&mut self, text: &str) -> Result<(), CommandError> {
        // One more for the NUL that ends each word for the operating system.
        self.bytes += text.len() + 1;
        if self.bytes > MAX_COMMAND_BYTES {
            return Err(CommandError(format!("with its arguments it is larger than {MAX_COMMAND_BYTES} bytes")));
        }
        Ok(())
    }

    /// A word that stays one word.
    fn word(&mut self, word: &str) -> Result<String, CommandError> {
        let mut text = String::new();
        for part in parts(word)? {
            let piece = match part {
                Part::Text(text) => text.to_owned(),
                Part::Place(name) => text_of(self.value(name)?)
                    .ok_or_else(|| CommandError(format!("the argument `{name}` has no form as text")))?,
            };
            self.count(&piece)?;
            text.push_str(&piece);
        }
        Ok(text)
    }

    /// A word of the command line, which may become many.
    fn words(&mut self, word: &str, into: &mut Vec<String>) -> Result<(), CommandError> {
        if let [Part::Place(name)] = parts(word)?.as_slice()
            && let Value::Set(values) = self.value(name)?.clone()
        {
            for value in &values {
                let text = text_of(value);
                let text = text.ok_or_else(|| CommandError(format!("the entries of `{name}` have no form as text")))?;
                self.count(&text)?;
                into.push(text);
            }
            return Ok(());
        }
        into.push(self.word(word)?);
        Ok(())
    }
}

impl CommandTemplate {
    /// The command with these arguments, the class's defaults among them ([`Class::instantiate`]).
    ///
    /// # Errors
    /// If a place names no argument or one without a text, if there is no program, or if it comes to more than
    /// [`MAX_COMMAND_BYTES`].
    pub fn render(&self, arguments: &BTreeMap<String, Value>) -> Result<RenderedCommand, CommandError> {
        let mut renderer = Renderer { arguments, bytes: 0 };
        let mut argv = Vec::with_capacity(self.argv.len());
        for word in &self.argv {
            renderer.words(word, &mut argv)?;
        }
        if argv.first().is_none_or(String::is_empty) {
            return Err(CommandError("with these arguments it names no program".to_owned()));
        }
        let stdin = self.stdin.as_deref().map(|stdin| renderer.word(stdin)).transpose()?;
        let mut environment = BTreeMap::new();
        for (name, value) in &self.environment {
            renderer.count(name)?;
            environment.insert(name.clone(), renderer.word(value)?);
        }
        Ok(RenderedCommand { argv, stdin, environment, exit_code: self.exit_code, timeout_s: self.timeout_s })
    }

    /// Checks the template of a class that is registered: its places, its sizes.
    pub(super) fn check(&self, class: &Class, at: At<'_>, faults: &mut Faults) {
        let argv = at.member("argv");
        match self.argv.first().map(String::as_str) {
            None | Some("") => {
                faults.add(argv, "want at least the program, which is not empty");
            }
            Some(_) => {}
        }
        if faults.check_count(argv, self.argv.len(), MAX_COMMAND_WORDS) {
            for (index, word) in self.argv.iter().enumerate() {
                check_word(word, class, true, argv.entry(index), faults);
            }
        }
        if let Some(stdin) = &self.stdin {
            check_word(stdin, class, false, at.member("stdin"), faults);
        }
        let environment = at.member("environment");
        if faults.check_count(environment, self.environment.len(), MAX_COMMAND_WORDS) {
            for (name, value) in &self.environment {
                let at = environment.member(name);
                if faults.check_text(at, name, MAX_NAME) && (name.is_empty() || name.contains('=')) {
                    faults.add(at, "want the name of an environment variable: not empty, without `=`");
                }
                check_word(value, class, false, at, faults);
            }
        }
        if self.timeout_s.is_some_and(|seconds| !(1..=MAX_TIMEOUT_S).contains(&seconds)) {
            faults.add(at.member("timeout_s"), format!("want 1 to {MAX_TIMEOUT_S} seconds"));
        }
    }
}

fn check_word(word: &str, class: &Class, may_be_list: bool, at: At<'_>, faults: &mut Faults) {
    if !faults.check_text(at, word, MAX_TEXT) {
        return;
    }
    let parts = match parts(word) {
        Ok(parts) => parts,
        Err(error) => {
            faults.add(at, error.to_string());
            return;
        }
    };
    let may_be_list = may_be_list && parts.len() == 1;
    for part in &parts {
        let Part::Place(name) = part else { continue };
        match class.field(name) {
            None => faults.add(at, format!("{{{name}}} names no field of the class; write {{{{ and }}}} for braces")),
            Some(field) if has_text(&field.kind) || may_be_list && is_list_of_texts(field) => {}
            Some(field) if is_list_of_texts(field) => {
                faults
                    .add(at, format!("the list {{{name}}} must be a whole word of argv, which becomes as many words"));
            }
            Some(field) => faults.add(at, format!("{{{name}}} is {}, which has no form as text", field.kind.wanted())),
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
