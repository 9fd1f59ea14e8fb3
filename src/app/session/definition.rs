//! What is executed for jobs of a session.

use std::collections::BTreeMap;

use crate::app::session::change::Turn;
use crate::app::{App, Result};
use crate::domain::agent::Labels;
use crate::domain::definition::{Command, Definition, Expected};
use crate::domain::unit::Job;
use crate::store::Conn;

/// Why there is nothing to execute for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDefinition {
    /// A person does it, or says what came of it.
    Person,
    /// For a reason, in words.
    Because(String),
}

/// What a job needs of whoever runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// The labels that its agent must have.
    pub labels: Labels,
    /// How many slots of which pools it takes.
    pub slots: BTreeMap<String, u32>,
}

/// What is executed for these jobs, in their order.
///
/// # Errors
/// If the database refuses.
pub async fn of_jobs(
    _app: &App,
    _conn: &mut Conn<'_>,
    jobs: &[Job],
) -> Result<Vec<std::result::Result<(Definition, Requirements), NoDefinition>>> {
    Ok(jobs.iter().map(one).collect())
}

fn one(job: &Job) -> std::result::Result<(Definition, Requirements), NoDefinition> {
    if job.needs_interaction_to_start() || !(job.is_automated() || job.is_local()) {
        return Err(NoDefinition::Person);
    }
    let Some(command) = job.unit.text("command").filter(|_| job.has_command) else {
        return Err(NoDefinition::Because("it has no command".to_owned()));
    };
    let command = Command { argv: vec!["bash".into(), "-c".into(), command.into()], ..Command::default() };
    Ok((
        Definition { job: job.id.clone(), command, expects: Expected::default(), artifacts: Vec::new() },
        Requirements::default(),
    ))
}

/// Notes the results of jobs that came from specs as those of the specs.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn note_spec_results<C>(
    _turn: &mut Turn<'_>,
    _execution: &crate::store::execution::Execution,
    _came: &[C],
) -> Result<()> {
    Ok(())
}
