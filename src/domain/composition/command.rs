//! What a spec runs.
//!
//! Canary's own launchers know what a file of tests is for; an agent does not. So a spec says what it runs: in `command`
//! (`{"argv": ["mesh", "--np", "{np}"]}`, as classes of the catalogue have it), or in its attribute `command`: a list of words,
//! or a text that a shell reads. In words `{np}` stands for the parameter `np`; a shell finds all parameters as JSON in its
//! environment, so that no value is ever read as shell.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::domain::catalogue::class::CommandTemplate;
use crate::domain::catalogue::value::Value;
use crate::domain::composition::definition::quoted;
use crate::domain::definition::{Command, Definition, Expected};
use crate::domain::spec::name::rendered;
use crate::domain::spec::{ArtifactWhen, ModificationAction, Spec};

/// The attribute that says what is run, and the shell that reads it where it is a text.
const ATTRIBUTE: &str = "command";
const SHELL: &str = "bash";

/// Variables that every spec finds in its environment: its id, its name, its file, and its parameters as JSON.
const VARIABLES: [&str; 4] = ["TESTYARD_SPEC", "TESTYARD_SPEC_NAME", "TESTYARD_SPEC_FILE", "TESTYARD_SPEC_PARAMETERS"];

/// What a spec runs that says so itself.
///
/// # Errors
/// Why no agent can run it.
pub(super) fn of(spec: &Spec) -> Result<Definition, String> {
    let template = template(spec)?;
    let parameters = spec.all_parameters().into_iter();
    let parameters: BTreeMap<String, Value> =
        parameters.map(|(name, value)| (name.to_owned(), Value::Text(rendered(value)))).collect();
    let command = template.render(&parameters).map_err(|error| format!("its command: {error}"))?;
    let command = Command {
        argv: command.argv,
        stdin: command.stdin,
        environment: command.environment,
        timeout_s: command.timeout_s.map(u64::from),
        ..Command::default()
    };
    let expects = Expected { exit_code: template.exit_code, ..Expected::default() };
    around(spec, Definition { job: String::new(), command, expects, artifacts: Vec::new() })
}

fn template(spec: &Spec) -> Result<CommandTemplate, String> {
    if let Some(command) = spec.command.as_ref().filter(|command| command.contains_key("argv")) {
        return serde_json::from_value(Json::Object(command.clone()))
            .map_err(|error| format!("its `command` cannot be read: {error}"));
    }
    let argv = match spec.attributes.get(ATTRIBUTE) {
        Some(Json::String(text)) if !text.trim().is_empty() => {
            // No place in it is filled in: braces are the shell's.
            let text = text.replace('{', "{{").replace('}', "}}");
            vec![SHELL.to_owned(), "-c".to_owned(), text]
        }
        Some(Json::Array(words)) => {
            let words: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            words.ok_or("its attribute `command`: want a list of texts, or one text for a shell")?
        }
        Some(_) => return Err("its attribute `command`: want a list of texts, or one text for a shell".to_owned()),
        None => {
            let words = "nothing says what `{}` runs: want `argv` in its `command`, or its attribute `command`";
            return Err(words.replace("{}", &spec.file_path));
        }
    };
    Ok(CommandTemplate { argv, stdin: None, environment: BTreeMap::new(), exit_code: 0, timeout_s: None })
}

/// The same as the spec wants it: in its environment, within its time, ending as it is expected to, its artifacts kept.
///
/// # Errors
/// Why no agent can do so.
pub(super) fn around(spec: &Spec, mut definition: Definition) -> Result<Definition, String> {
    let command = &mut definition.command;
    let parameters: Map<String, Json> = spec.parameters.clone().into_iter().collect();
    let values = [spec.id.clone(), spec.name(), spec.file(), Json::Object(parameters).to_string()];
    for (name, value) in VARIABLES.into_iter().zip(values) {
        command.environment.entry(name.to_owned()).or_insert(value);
    }
    command.environment.extend(spec.environment.clone());
    command.timeout_s = command.timeout_s.or_else(|| whole(spec.timeout));
    if let Some(preload) = &spec.preload {
        let words = preload.split_whitespace().map(str::to_owned);
        command.argv.splice(0..0, words);
    }
    let before = preamble(spec)?;
    let fails = spec.xstatus < 0;
    if !before.is_empty() || fails {
        // Any failure is what is expected: there is no one exit code to compare with.
        let run = if fails { "! \"$@\"" } else { "exec \"$@\"" };
        let wrapper = [SHELL.to_owned(), "-c".to_owned(), format!("{before}{run}"), SHELL.to_owned()];
        command.argv.splice(0..0, wrapper);
    }
    if spec.xstatus > 0 {
        definition.expects.exit_code = spec.xstatus;
    }
    let kept = spec.artifacts.iter().filter(|artifact| artifact.when != ArtifactWhen::Never);
    definition.artifacts.extend(kept.map(|artifact| artifact.pattern.clone()));
    Ok(definition)
}

/// What a shell does before the command: files are sourced, modules loaded, variables changed.
fn preamble(spec: &Spec) -> Result<String, String> {
    let mut text = String::new();
    // Nothing is lost that writing into a text could lose.
    for file in &spec.rcfiles {
        let _ = writeln!(text, ". {} || exit", quoted(file));
    }
    for module in &spec.modules {
        let _ = writeln!(text, "module load {} || exit", quoted(module));
    }
    for change in &spec.environment_modifications {
        let (name, value, sep) = (change.name.as_str(), quoted(&change.value), quoted(&change.sep));
        if !is_variable(name) {
            return Err(format!("no shell has a variable `{name}` that could be changed"));
        }
        let joined = match change.action {
            ModificationAction::Set => format!("export {name}={value}"),
            ModificationAction::Unset => format!("unset {name}"),
            ModificationAction::PrependPath => {
                format!("[ -n \"${name}\" ] && export {name}={value}{sep}\"${name}\" || export {name}={value}")
            }
            ModificationAction::AppendPath => {
                format!("[ -n \"${name}\" ] && export {name}=\"${name}\"{sep}{value} || export {name}={value}")
            }
        };
        text.push_str(&joined);
        text.push('\n');
    }
    Ok(text)
}

fn is_variable(name: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(is_part) && !name.starts_with(|first: char| first.is_ascii_digit()) && !name.is_empty()
}

/// Whole seconds, no fewer; nothing of what is no time.
fn whole(seconds: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range, and a month at most")]
    (seconds > 0.0 && seconds < 1e9).then(|| seconds.ceil() as u64)
}

#[cfg(test)]
mod tests;
