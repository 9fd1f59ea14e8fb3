//! What is executed for a job of a session, or why nothing is.
//!
//! A job's [`DEFINITION`] says all of it. Otherwise its command is Plainbox's: the job's shell reads it, and it has to end with
//! 0. What people do has no definition: they do it, and report.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{DEFINITION, NO_DEFINITION, WANTS};
use super::needs::{Needs, WrongField, artifacts, check_artifacts, timeout};
use super::results;
use crate::domain::catalogue::limits::{MAX_COMMAND_BYTES, MAX_COMMAND_WORDS};
use crate::domain::definition::{Command, Definition, Expected};
use crate::domain::session::{JobView, Session};
use crate::domain::unit::{FieldValue, Job, Unit};
use crate::domain::words::words;

/// The most words of a command: places of templates become many.
const MAX_WORDS: usize = 100_000;

/// The most bytes of what a command is expected to write.
const MAX_EXPECTED: usize = 1_048_576;

/// The greatest limit of a command, in seconds: 31 days, as of specs.
const MAX_SECONDS: u64 = 2_678_400;

/// The most jobs that one waits for by words.
const MAX_WANTS: usize = 10_000;

words!(
    /// Why nothing that an agent executes stands for a job.
    NoDefinitionCause, "cause", {
        /// A person does it and reports.
        Person = "person",
        /// Nothing says what it runs, or what does only a runner of another kind can.
        NoCommand = "no_command",
        /// A field of it cannot be read.
        Unreadable = "unreadable",
        /// A job that it waits for came to something else than it wants: it will not run.
        Unwanted = "unwanted",
        /// There is no such job.
        NoJob = "no_job",
    }
);

/// Why nothing that an agent executes stands for a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoDefinition {
    /// What kind of reason it is.
    pub cause: NoDefinitionCause,
    /// The reason, for people.
    pub reason: String,
}

impl NoDefinition {
    fn new(cause: NoDefinitionCause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into() }
    }
}

impl From<WrongField> for NoDefinition {
    fn from(wrong: WrongField) -> Self {
        Self::new(NoDefinitionCause::Unreadable, wrong.to_string())
    }
}

/// A job as it can be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// What is executed.
    pub definition: Definition,
    /// What it asks of the machine.
    pub needs: Needs,
}

/// What is executed for a job of a session, and what it asks of the machine. Whether it can start is not looked at, but for
/// what it wants of others beyond what a session knows.
///
/// # Errors
/// [`NoDefinition`].
pub fn executable(session: &Session, job: &str) -> Result<Executable, NoDefinition> {
    let no_job = || NoDefinition::new(NoDefinitionCause::NoJob, format!("there is no job `{job}`"));
    let job = session.job(job).ok_or_else(no_job)?;
    let definition = of_job(job.job())?;
    look_at_wants(session, job)?;
    Ok(Executable { definition, needs: needs_of(job.job())? })
}

/// What is executed for a job, whatever came of others.
///
/// # Errors
/// [`NoDefinition`].
pub fn of_job(job: &Job) -> Result<Definition, NoDefinition> {
    let unit = &job.unit;
    let limit = timeout(unit)?;
    if let Some(reason) = unit.text(NO_DEFINITION) {
        return Err(NoDefinition::new(NoDefinitionCause::NoCommand, reason));
    }
    let mut definition = match stated(unit)? {
        Some(definition) => definition,
        None => of_plainbox(job)?,
    };
    definition.job.clone_from(&job.id);
    definition.command.timeout_s = limit.or(definition.command.timeout_s);
    definition.artifacts.extend(artifacts(unit)?);
    Ok(definition)
}

/// What a job asks of the machine that runs it.
///
/// # Errors
/// [`NoDefinition`]: a field of it cannot be read.
pub fn needs_of(job: &Job) -> Result<Needs, NoDefinition> {
    Ok(Needs::read(&job.unit)?)
}

fn of_plainbox(job: &Job) -> Result<Definition, NoDefinition> {
    let plugin = job.plugin.as_deref().unwrap_or_default();
    match plugin {
        "shell" | "resource" | "attachment" | "local" => {}
        "manual" | "user-interact" | "user-verify" | "user-interact-verify" | "qml" => {
            let reason = format!("a person does it and reports what came of it: its plugin is `{plugin}`");
            return Err(NoDefinition::new(NoDefinitionCause::Person, reason));
        }
        "" => return Err(NoDefinition::new(NoDefinitionCause::NoCommand, "it says no `plugin`")),
        other => {
            let reason = format!("nobody knows how a job of the plugin `{other}` is run");
            return Err(NoDefinition::new(NoDefinitionCause::NoCommand, reason));
        }
    }
    let command = job.unit.text("command").filter(|command| !command.trim().is_empty());
    let command = command.ok_or_else(|| NoDefinition::new(NoDefinitionCause::NoCommand, "it has no `command`"))?;
    let mut environment = BTreeMap::new();
    if !job.has_flag("preserve-locale") {
        // What programs print is compared and read: it is the same wherever they run.
        environment.extend(["LANG", "LC_ALL"].map(|name| (name.to_owned(), "C.UTF-8".to_owned())));
    }
    let command = Command {
        argv: vec![job.shell().to_owned(), "-c".to_owned(), command.to_owned()],
        environment,
        user: job.user().map(str::to_owned),
        ..Command::default()
    };
    let definition = Definition { job: String::new(), command, expects: Expected::default(), artifacts: Vec::new() };
    check(&definition)
        .map_err(|words| NoDefinition::new(NoDefinitionCause::Unreadable, format!("`command`: {words}")))?;
    Ok(definition)
}

/// The definition that a unit states, without its job.
///
/// # Errors
/// [`WrongField`].
pub fn stated(unit: &Unit) -> Result<Option<Definition>, WrongField> {
    let map = match unit.value(DEFINITION) {
        None => return Ok(None),
        Some(FieldValue::Map(map)) => map,
        Some(_) => return Err(WrongField::new(DEFINITION, "want a map of `command`, `expects` and `artifacts`")),
    };
    let mut map = map.clone();
    if map.insert("job".to_owned(), Value::from("")).is_some() {
        return Err(WrongField::new(DEFINITION, "its job is the unit's own: want no `job`"));
    }
    let definition: Definition =
        serde_json::from_value(Value::Object(map)).map_err(|error| WrongField::new(DEFINITION, error.to_string()))?;
    check(&definition).map_err(|words| WrongField::new(DEFINITION, words))?;
    Ok(Some(definition))
}

/// The field that a unit states this definition with.
pub(super) fn as_field(definition: &Definition) -> FieldValue {
    match serde_json::to_value(definition) {
        Ok(Value::Object(mut map)) => {
            map.remove("job");
            FieldValue::Map(map)
        }
        // Texts and numbers are written whatever they hold.
        _ => FieldValue::Map(serde_json::Map::new()),
    }
}

/// What is wrong with a definition, if anything is.
pub(super) fn check(definition: &Definition) -> Result<(), String> {
    let Command { argv, stdin, environment, user, .. } = &definition.command;
    if argv.first().is_none_or(String::is_empty) {
        return Err("want at least the program in `argv`".to_owned());
    }
    if argv.len() > MAX_WORDS || environment.len() > MAX_COMMAND_WORDS {
        return Err(format!("want at most {MAX_WORDS} words and {MAX_COMMAND_WORDS} variables"));
    }
    let texts = || argv.iter().chain(stdin).chain(user).chain(environment.keys()).chain(environment.values());
    if texts().map(|text| text.len().saturating_add(1)).sum::<usize>() > MAX_COMMAND_BYTES {
        return Err(format!("the command is larger than {MAX_COMMAND_BYTES} bytes"));
    }
    if texts().any(|text| text.contains('\0')) {
        return Err("the command holds a NUL character, which no program can be given".to_owned());
    }
    if let Some(name) = environment.keys().find(|name| name.is_empty() || name.contains('=')) {
        return Err(format!("`{name}` is no variable of an environment: want a name without `=`"));
    }
    let Command { timeout_s, output_timeout_s, .. } = definition.command;
    if [timeout_s, output_timeout_s].into_iter().flatten().any(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
        return Err(format!("want limits of 1 to {MAX_SECONDS} seconds"));
    }
    let Expected { stdout, stderr, .. } = &definition.expects;
    if stdout.iter().chain(stderr).any(|text| text.len() > MAX_EXPECTED || text.contains('\0')) {
        return Err(format!("what is expected to be written: want at most {MAX_EXPECTED} bytes, and no NUL"));
    }
    check_artifacts(&definition.artifacts)
}

/// What a job wants of others beyond what a session knows: words by full ids, all of which must hold.
///
/// # Errors
/// [`WrongField`].
pub fn wants(unit: &Unit) -> Result<BTreeMap<&str, Vec<&str>>, WrongField> {
    fn words(value: &Value) -> Option<Vec<&str>> {
        match value {
            Value::String(word) => Some(vec![word.as_str()]),
            Value::Array(words) => words.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }
    let wrong = || WrongField::new(WANTS, "want a map of words, or lists of them, by ids of jobs");
    match unit.value(WANTS) {
        None => Ok(BTreeMap::new()),
        Some(FieldValue::Map(map)) if map.len() <= MAX_WANTS => {
            map.iter().map(|(job, value)| Some((job.as_str(), words(value)?))).collect::<Option<_>>().ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

fn look_at_wants(session: &Session, job: JobView<'_>) -> Result<(), NoDefinition> {
    for (id, words) in wants(&job.job().unit)? {
        let came = session.job(id).and_then(|other| Some((other.job(), other.result()?)));
        let is_met = |word: &&str| came.is_some_and(|(other, report)| results::is_wanted(&other.unit, report, word));
        if let Some(word) = words.iter().find(|word| !is_met(word)) {
            let came = came.and_then(|(_, report)| report.outcome.as_ref());
            let came = came.map_or("has not run".to_owned(), |outcome| format!("came to `{outcome}`"));
            let reason = format!("it wants `{word}` of `{id}`, which {came}");
            return Err(NoDefinition::new(NoDefinitionCause::Unwanted, reason));
        }
    }
    Ok(())
}

/// A word as a shell reads it as one.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The words as a shell reads them, for people and for Plainbox.
pub(super) fn as_shell(argv: &[String]) -> String {
    argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
