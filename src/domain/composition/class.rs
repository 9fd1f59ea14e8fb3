//! What tests and resources of the catalogue run, by their classes.
//!
//! QMTest's procedures that run a program are a command here: `ExecTest`, `ShellCommandTest` and `ShellScriptTest` compare
//! exit code, standard output and standard error, always, and the directory of a `TempDirectoryResource` is made and deleted
//! by commands. QMTest compares no exit code where one other than 0 is expected, and so passes everything; here it counts.

use std::collections::BTreeMap;

use crate::domain::catalogue::class::{Classes, Execution, RenderedCommand};
use crate::domain::catalogue::command::text_of;
use crate::domain::catalogue::context::Context;
use crate::domain::catalogue::item::Extension;
use crate::domain::catalogue::value::Value;
use crate::domain::definition::{Command, Definition, Expected};

/// The shell of QMTest's shell classes.
const SHELL: &str = "/bin/sh";

/// What QMTest puts before the names of properties that programs read from their environment.
const PROPERTY: &str = "QMV_";

/// The resource that is a directory.
const TEMPORARY: &str = "temporary.TempDirectoryResource";

type Arguments = BTreeMap<String, Value>;

/// What sets a resource up and cleans it up, and what it tells those that need it.
#[derive(Debug)]
pub(super) struct Steps {
    /// What sets it up, or why nothing does.
    pub(super) set_up: Result<Definition, String>,
    /// What cleans it up, if there is anything to clean.
    pub(super) clean_up: Option<Definition>,
    /// The properties that it gives.
    pub(super) properties: Context,
}

/// What a test runs, with these properties in its environment.
///
/// # Errors
/// Why no agent can run it.
pub(super) fn of_test(
    test: &Extension,
    classes: &Classes,
    properties: &Context,
    now: i64,
) -> Result<Definition, String> {
    let (execution, arguments) = known(test, classes, now)?;
    let mut definition = match execution {
        Execution::Command(template) => {
            of_rendered(template.render(&arguments).map_err(|error| format!("its command: {error}"))?)
        }
        Execution::Builtin(procedure) => of_procedure(procedure, &arguments)?,
        Execution::Runner(kind) => {
            let class = &test.class;
            return Err(format!("its class `{class}` needs a runner of the kind `{kind}`, which no agent is"));
        }
    };
    // What the test itself says goes before what resources tell.
    for (name, value) in properties {
        let variable = format!("{PROPERTY}{}", name.replace('.', "__"));
        definition.command.environment.entry(variable).or_insert_with(|| value.clone());
    }
    Ok(definition)
}

/// What is done for a resource. `path` is where a directory of its own may be, which nobody else uses.
pub(super) fn of_resource(resource: &Extension, classes: &Classes, inherited: &Context, path: &str, now: i64) -> Steps {
    match known(resource, classes, now) {
        Ok((Execution::Builtin(procedure), arguments)) if procedure == TEMPORARY => directory(&arguments, path),
        // A test that stands as a resource is run to set it up; nothing is cleaned up then.
        _ => Steps { set_up: of_test(resource, classes, inherited, now), clean_up: None, properties: Context::new() },
    }
}

fn known<'c>(item: &Extension, classes: &'c Classes, now: i64) -> Result<(&'c Execution, Arguments), String> {
    let class = classes.get(&item.class).ok_or_else(|| format!("there is no class `{}`", item.class))?;
    Ok((&class.execution, class.instantiate(&item.arguments, now)))
}

fn of_rendered(rendered: RenderedCommand) -> Definition {
    let RenderedCommand { argv, stdin, environment, exit_code, timeout_s } = rendered;
    let command = Command { argv, stdin, environment, timeout_s: timeout_s.map(u64::from), ..Command::default() };
    Definition { command, expects: Expected { exit_code, ..Expected::default() }, ..nothing() }
}

fn nothing() -> Definition {
    Definition { job: String::new(), command: Command::default(), expects: Expected::default(), artifacts: Vec::new() }
}

fn of_procedure(procedure: &str, arguments: &Arguments) -> Result<Definition, String> {
    let argv = match procedure {
        "command.ExecTest" => {
            let mut argv = vec![text(arguments, "program")?];
            argv.extend(texts(arguments, "arguments")?);
            argv
        }
        "command.ShellCommandTest" => vec![SHELL.to_owned(), "-c".to_owned(), text(arguments, "command")?],
        "command.ShellScriptTest" => {
            let mut argv = vec![SHELL.to_owned(), "-c".to_owned(), text(arguments, "script")?, "script".to_owned()];
            argv.extend(texts(arguments, "arguments")?);
            argv
        }
        other => return Err(format!("no agent has the procedure `{other}`: it works on the context of its run")),
    };
    if argv.first().is_none_or(String::is_empty) {
        return Err("it names no program: want its argument `program`".to_owned());
    }
    let mut environment = BTreeMap::new();
    for assignment in texts(arguments, "environment")? {
        let pair = assignment.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) =
            pair.ok_or_else(|| format!("its argument `environment`: want `NAME=value`, not `{}`", cut(&assignment)))?;
        environment.insert(name.to_owned(), value.to_owned());
    }
    let exit_code = integer(arguments, "exit_code")?;
    let exit_code = i32::try_from(exit_code).map_err(|_| format!("no program exits with {exit_code}"))?;
    let (stdin, stdout, stderr) = (text(arguments, "stdin")?, text(arguments, "stdout")?, text(arguments, "stderr")?);
    let command = Command {
        argv,
        stdin: Some(stdin).filter(|stdin| !stdin.is_empty()),
        environment,
        // -1 is never.
        timeout_s: u64::try_from(integer(arguments, "timeout")?).ok(),
        ..Command::default()
    };
    // Lines may have been written down as on Windows.
    let lines = |text: String| Some(text.replace("\r\n", "\n"));
    let expects = Expected { exit_code, stdout: lines(stdout), stderr: lines(stderr) };
    Ok(Definition { command, expects, ..nothing() })
}

/// A directory that nobody else can have made: making it fails if it is there.
fn directory(arguments: &Arguments, path: &str) -> Steps {
    let run = |words: &[&str]| {
        let argv = words.iter().map(|word| (*word).to_owned()).collect();
        Definition { command: Command { argv, ..Command::default() }, ..nothing() }
    };
    let (property, recursively) = match (text(arguments, "dir_path_property"), integer(arguments, "delete_recursively"))
    {
        (Ok(property), Ok(recursively)) => (property, recursively != 0),
        (Err(reason), _) | (_, Err(reason)) => {
            return Steps { set_up: Err(reason), clean_up: None, properties: Context::new() };
        }
    };
    let clean_up = if recursively { run(&["rm", "-rf", "--", path]) } else { run(&["rmdir", "--", path]) };
    Steps {
        set_up: Ok(run(&["mkdir", "-m", "700", "--", path])),
        clean_up: Some(clean_up),
        properties: [(property, path.to_owned())].into(),
    }
}

fn text(arguments: &Arguments, name: &str) -> Result<String, String> {
    let Some(value) = arguments.get(name) else { return Ok(String::new()) };
    text_of(value).ok_or_else(|| format!("its argument `{name}` is no text"))
}

fn texts(arguments: &Arguments, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("its argument `{name}` is no list of texts");
    match arguments.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Set(values)) => values.iter().map(|value| text_of(value).ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

fn integer(arguments: &Arguments, name: &str) -> Result<i64, String> {
    match arguments.get(name) {
        Some(Value::Integer(integer)) => {
            integer.to_i64().ok_or_else(|| format!("its argument `{name}` is too large a number"))
        }
        _ => Err(format!("its argument `{name}` is no number")),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
