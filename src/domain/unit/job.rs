//! Jobs, as they were read from their units.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::duration;
use super::kind::Kind;
use super::manifest;
use super::value::{FieldValue, Unit};
use crate::domain::program::{ImportError, Program, ProgramError, parse_imports};

/// The category of jobs that name none.
pub const UNCATEGORISED: &str = "com.canonical.plainbox::uncategorised";

/// A job: what a session needs of its unit, read once. All ids are full ones.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it was read from.
    pub unit: Unit,
    /// Its id.
    pub id: String,
    /// How it runs; `None` if it does not say and has no flag `simple`.
    pub plugin: Option<String>,
    /// What must have passed, in written order, each once.
    pub depends: Vec<String>,
    /// What must have run, in written order, each once.
    pub after: Vec<String>,
    /// What should run later, in written order, each once.
    pub before: Vec<String>,
    /// What must have failed, in written order, each once.
    pub salvages: Vec<String>,
    /// Jobs of one group stay together. The word as it is written: groups have no namespaces.
    pub group: Option<String>,
    /// What resources must say. A program that is none makes no bad job: it is told when the job is selected.
    pub requires: Result<Option<Arc<Program>>, RequiresError>,
    /// The words of its field `flags`.
    pub flags: BTreeSet<String>,
    /// How long it takes, in seconds. It may be less than 0, or not finite.
    pub estimated_duration: Option<f64>,
    /// Its own category; overrides may give it another.
    pub category_id: String,
    /// Whether its failure blocks a certificate; overrides may say otherwise.
    pub certification_status: String,
    /// Whether it may be tried again by itself; overrides may say otherwise.
    pub auto_retry: String,
    /// The full ids of the manifest entries that a setup job needs and the values they must have, in written order.
    pub manifest: Vec<(String, Value)>,
    /// Whether it has a command.
    pub has_command: bool,
}

/// Why a unit is no job that a session can know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It is something else.
    #[error("a {0} is no job")]
    OtherKind(Kind),
    /// Nothing names it.
    #[error("a job needs an `id`")]
    NoId,
}

/// Why a job's resource program cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequiresError {
    /// A line of it is no expression.
    #[error("`requires`, {0}")]
    Program(#[from] ProgramError),
    /// A line of the imports is none.
    #[error("`imports`, {0}")]
    Imports(#[from] ImportError),
}

impl Job {
    /// Reads a job.
    ///
    /// # Errors
    /// [`JobError`], if it is no job or has no id. Any other field that cannot be read counts as absent, but for
    /// [`Self::requires`].
    pub fn read(unit: &Unit) -> Result<Self, JobError> {
        if !unit.kind().is_job() {
            return Err(JobError::OtherKind(unit.kind().clone()));
        }
        let id = unit.id().ok_or(JobError::NoId)?.to_owned();
        let flags = unit.flags("flags");
        let simple = || flags.contains("simple").then(|| "shell".to_owned());
        let text = |field, default: &str| unit.text(field).unwrap_or(default).to_owned();
        Ok(Self {
            id,
            plugin: unit.text("plugin").map(str::to_owned).or_else(simple),
            depends: unit.ids("depends"),
            after: unit.ids("after"),
            before: unit.ids("before"),
            salvages: unit.ids("salvages"),
            group: unit.text("group").map(str::to_owned),
            requires: requires(unit),
            estimated_duration: unit.text("estimated_duration").and_then(duration::seconds),
            category_id: unit.text("category_id").map_or_else(|| UNCATEGORISED.to_owned(), |id| unit.qualify(id)),
            certification_status: text("certification-status", "non-blocker"),
            auto_retry: text("auto-retry", "unspecified"),
            manifest: manifest::required(unit),
            has_command: unit.text("command").is_some_and(|command| !command.is_empty()),
            flags,
            unit: unit.clone(),
        })
    }

    /// Whether it runs without anybody there. Local jobs ([`Self::is_local`]) do not count, as in the newer original.
    #[must_use]
    pub fn is_automated(&self) -> bool {
        matches!(self.plugin.as_deref(), Some("shell" | "resource" | "attachment"))
    }

    /// Whether somebody must do something before it can start.
    #[must_use]
    pub fn needs_interaction_to_start(&self) -> bool {
        matches!(self.plugin.as_deref(), Some("manual" | "user-interact" | "user-interact-verify"))
    }

    /// Whether what it prints are records of a resource.
    #[must_use]
    pub fn is_resource(&self) -> bool {
        self.plugin.as_deref() == Some("resource")
    }

    /// Whether what it prints are jobs.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.plugin.as_deref() == Some("local")
    }

    /// Whether it has this flag.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// The full ids of the resources that its program names, each once; none of a program that is none.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        self.requires.as_ref().ok().and_then(Option::as_ref).map_or(&[], |program| program.resources())
    }

    /// The full id of the template that it was made from.
    #[must_use]
    pub fn template_id(&self) -> Option<&str> {
        self.unit.template_id()
    }

    /// What it is, in a line: its partial id if it does not say.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.unit.text("summary").or_else(|| self.unit.partial_id()).unwrap_or(&self.id)
    }

    /// What it is: put together from its purpose, its steps and its verification if it does not say.
    #[must_use]
    pub fn description(&self) -> Option<Cow<'_, str>> {
        if let Some(text) = self.unit.text("description") {
            return Some(Cow::Borrowed(text));
        }
        let part = |field: &str| Some(format!("{}:\n{}", field.to_uppercase(), self.unit.text(field)?));
        let parts: Vec<String> = ["purpose", "steps", "verification"].into_iter().filter_map(part).collect();
        (!parts.is_empty()).then(|| Cow::Owned(parts.join("\n")))
    }

    /// The shell that runs its command.
    #[must_use]
    pub fn shell(&self) -> &str {
        self.unit.text("shell").unwrap_or("bash")
    }

    /// Who must run its command, if it matters.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.unit.text("user")
    }

    /// The names of the variables of the environment that its command may see.
    #[must_use]
    pub fn environ(&self) -> BTreeSet<String> {
        self.unit.flags("environ")
    }
}

fn requires(unit: &Unit) -> Result<Option<Arc<Program>>, RequiresError> {
    let Some(value) = unit.value("requires") else {
        return Ok(None);
    };
    let imports = parse_imports(&unit.lines("imports").unwrap_or_default())?;
    let program = match value {
        FieldValue::List(list) => {
            Program::compile_lines(list.iter().filter_map(Value::as_str), unit.namespace(), &imports)?
        }
        _ => Program::compile(unit.text("requires").unwrap_or_default(), unit.namespace(), &imports)?,
    };
    Ok(Some(Arc::new(program)))
}

#[cfg(test)]
mod tests;
