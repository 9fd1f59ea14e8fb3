//! How jobs that can start become runs.

use std::collections::HashMap;

use sqlx::types::Json;

use crate::app::build::client_token;
use crate::app::{App, Result};
use crate::domain::agent::Labels;
use crate::domain::composition::definition::{Executable, NoDefinition, NoDefinitionCause};
use crate::domain::composition::needs::Needs;
use crate::domain::definition::Definition;
use crate::domain::digest::Digest;
use crate::domain::execution::Plan;
use crate::domain::run::{JobsRequest, RunRequest, TestsRequest};
use crate::domain::status::Status;
use crate::entropy;
use crate::ids::RunId;
use crate::runner::Takes;
use crate::store::execution::Execution;
use crate::store::expected::{Change, Expected};
use crate::store::run::{NewRun, PlannedTest, Terms};
use crate::store::{self, Conn};

/// A runner that may be asked.
#[derive(Clone, Debug)]
struct Candidate {
    name: String,
    takes: Takes,
    is_well: bool,
}

/// The runners that may be asked, in the order of preference.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    runners: Vec<Candidate>,
    has_build: bool,
}

impl Ways {
    pub(super) fn of(app: &App, plan: &Plan, has_build: bool) -> Self {
        let candidate = |name: &String| {
            let runner = app.runners.known(name).ok()?;
            let is_well = runner.not_ready().is_none() && app.breakers.why(name, app.now()).is_none();
            Some(Candidate { name: name.clone(), takes: runner.takes(), is_well })
        };
        Self { runners: plan.runners.iter().filter_map(candidate).collect(), has_build }
    }
}

/// How a job can be run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    /// By its command.
    Command { runner: String, at_once: usize, executable: Box<Executable> },
    /// By its name.
    Name { runner: String, at_once: usize },
    /// A person does it, or says what came of it.
    Person,
    /// Not at all: what it waits for came to something else than it wants.
    LeftOut(String),
}

/// The labels that an agent must have for a job that needs this.
pub(super) fn all_labels(plan: &Plan, needs: &Needs) -> Labels {
    let mut labels = plan.requires.clone();
    labels.0.extend(needs.requires.0.clone());
    labels
}

/// How a job can be run: by the first runner that can and is well, or the first that can.
///
/// # Errors
/// Why none of them ever can, in words.
pub(super) fn way_of(
    ways: &Ways,
    executable: std::result::Result<Executable, NoDefinition>,
) -> std::result::Result<Way, String> {
    let (executable, why_not) = match executable {
        Ok(executable) => (Some(executable), None),
        Err(NoDefinition { cause: NoDefinitionCause::Person, .. }) => return Ok(Way::Person),
        Err(NoDefinition { cause: NoDefinitionCause::Unwanted, reason }) => return Ok(Way::LeftOut(reason)),
        Err(NoDefinition { reason, .. }) => (None, Some(reason)),
    };
    let by_command = |runner: &Candidate| runner.takes.commands > 0 && executable.is_some();
    let by_name = |runner: &Candidate| runner.takes.names > 0 && ways.has_build;
    let able: Vec<&Candidate> = ways.runners.iter().filter(|runner| by_command(runner) || by_name(runner)).collect();
    let Some(chosen) = able.iter().find(|runner| runner.is_well).or(able.first()) else {
        let mut why = why_not.unwrap_or_else(|| "none of the runners runs commands".to_owned());
        if ways.runners.iter().any(|runner| runner.takes.names > 0) {
            why.push_str(", and tests are run by their names for a build only, which this session does not have");
        }
        return Err(why);
    };
    let runner = chosen.name.clone();
    Ok(match executable {
        Some(executable) if chosen.takes.commands > 0 => {
            Way::Command { runner, at_once: chosen.takes.commands, executable: Box::new(executable) }
        }
        _ => Way::Name { runner, at_once: chosen.takes.names },
    })
}

/// A job that can start.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// The job.
    pub(super) job: String,
    /// How it runs, in Plainbox's word.
    pub(super) plugin: Option<String>,
    /// What is executed for it.
    pub(super) executable: std::result::Result<Executable, NoDefinition>,
}

/// What became of jobs that can start.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// How many runs were planned.
    pub(super) runs: usize,
    /// Whether some were not, for another run has their jobs in hand meanwhile.
    pub(super) is_overtaken: bool,
    /// The jobs that wait for a person.
    pub(super) for_people: usize,
    /// The jobs that cannot be run after all, each with the status that this is and the reason.
    pub(super) hopeless: Vec<(String, Status, String)>,
}

/// Jobs that one run can hold: of one runner, with the same needs, after as many attempts.
#[derive(Debug)]
struct Batch {
    runner: String,
    by_command: bool,
    needs: Needs,
    attempts: i64,
    /// How many it holds at most.
    at_once: usize,
    jobs: Vec<(String, Option<Definition>)>,
}

impl Batch {
    /// Whether it takes a job of another batch.
    fn takes(&self, other: &Self) -> bool {
        self.jobs.len() < self.at_once
            && (&self.runner, self.by_command, &self.needs, self.attempts)
                == (&other.runner, other.by_command, &other.needs, other.attempts)
    }
}

/// Plans runs of these jobs, which can start and are in no other run: at most so many, in the order of the jobs.
pub(super) async fn begin(
    app: &App,
    conn: &mut Conn<'_>,
    execution: &Execution,
    jobs: Vec<Ready>,
    most_runs: usize,
) -> Result<Begun> {
    let mut begun = Begun::default();
    if jobs.is_empty() {
        return Ok(begun);
    }
    let ids: Vec<String> = jobs.iter().map(|ready| ready.job.clone()).collect();
    let known = store::expected::of_jobs(conn, execution.session_id, &ids).await?;
    let known: HashMap<String, Expected> = known.into_iter().map(|one| (one.job_id.clone(), one)).collect();
    let ways = Ways::of(app, &execution.plan, execution.tested.is_some());
    let mut batches: Vec<Batch> = Vec::new();
    let mut changes = Vec::new();
    for Ready { job, plugin, executable } in jobs {
        let attempts = known.get(&job).map_or(0, |one| one.attempts);
        let one = match way_of(&ways, executable) {
            Ok(Way::Person) => {
                begun.for_people += 1;
                let plugin = plugin.as_deref().unwrap_or("manual");
                let why = format!("waits for a person to say what came of it (plugin `{plugin}`)");
                if known.get(&job).is_none_or(|one| one.reason.as_ref() != Some(&why)) {
                    changes.push(waits(&job, why));
                }
                continue;
            }
            Ok(Way::LeftOut(why)) => {
                begun.hopeless.push((job, Status::Skip, why));
                continue;
            }
            Ok(Way::Command { runner, at_once, executable }) => {
                let Executable { definition, needs } = *executable;
                let jobs = vec![(job, Some(definition))];
                Batch { runner, by_command: true, needs, attempts, at_once, jobs }
            }
            Ok(Way::Name { runner, at_once }) => {
                let jobs = vec![(job, None)];
                Batch { runner, by_command: false, needs: Needs::default(), attempts, at_once, jobs }
            }
            Err(why) => {
                begun.hopeless.push((job, Status::Miss, format!("nothing can run it: {why}")));
                continue;
            }
        };
        match batches.iter_mut().rfind(|batch| batch.takes(&one)) {
            Some(batch) => batch.jobs.extend(one.jobs),
            None => batches.push(one),
        }
    }
    batches.truncate(most_runs);
    let mut runs = Vec::with_capacity(batches.len());
    let mut attempts = Vec::with_capacity(batches.len());
    for batch in batches {
        attempts.push(batch.attempts);
        let mut run = planned(app, execution, batch);
        let identities: Vec<[u8; 32]> = run.tests.iter().map(|test| test.identity).collect();
        run.previous_id = supersede(conn, &identities).await?;
        runs.push(run);
    }
    for ((run, attempts), names) in runs.iter().zip(attempts).zip(store::run::plan(conn, &runs).await?) {
        begun.is_overtaken |= names.as_ref().is_none_or(|names| names.len() < run.tests.len());
        let Some(names) = names else { continue };
        begun.runs += 1;
        changes.extend(
            names.iter().map(|name| Change {
                run: Some((run.id, attempts)),
                ..waits(name, format!("it is part of {}", run.id))
            }),
        );
    }
    store::expected::note(conn, execution.session_id, &changes, app.now()).await?;
    Ok(begun)
}

fn waits(job: &str, reason: String) -> Change {
    Change { job_id: job.to_owned(), status: None, reason: Some(reason), run: None, is_reported: false }
}

/// Ends the reign of earlier attempts at these jobs; the first of them is what the next one follows.
async fn supersede(conn: &mut Conn<'_>, identities: &[[u8; 32]]) -> Result<Option<RunId>> {
    let mut previous = None;
    for run in store::run::ended_with(conn, identities).await? {
        if store::run::supersede(conn, run).await? {
            previous = previous.or(Some(run));
        }
    }
    Ok(previous)
}

fn planned(app: &App, execution: &Execution, batch: Batch) -> NewRun {
    let Batch { runner, by_command, needs, attempts, jobs, .. } = batch;
    let plan = &execution.plan;
    let now = app.now();
    let id = RunId::new(now);
    let names: Vec<String> = jobs.iter().map(|(job, _)| job.clone()).collect();
    let tested = execution.tested.as_ref().map(|tested| tested.0.clone());
    let request = if by_command {
        RunRequest::Jobs(JobsRequest {
            session: execution.session_id,
            build: tested,
            device: plan.device.clone(),
            collection: plan.collection.clone(),
            jobs: jobs.into_iter().filter_map(|(_, definition)| definition).collect(),
        })
    } else {
        RunRequest::Tests(TestsRequest {
            kernel_image_url: tested.as_ref().and_then(|tested| tested.kernel_image_url.clone()).unwrap_or_default(),
            modules_url: tested.and_then(|tested| tested.modules_url),
            device: plan.device.clone().unwrap_or_else(|| app.settings.tuxsuite.device.clone()),
            collection: plan.collection.clone(),
            tests: names.clone(),
        })
    };
    let requires = all_labels(plan, &needs);
    NewRun {
        id,
        build_id: None,
        build_ref: execution.build_ref.clone(),
        runner,
        attempt: attempts + 1,
        previous_id: None,
        request,
        client_token: client_token(id),
        capability: entropy::secret("cap"),
        now,
        tests: names.into_iter().map(|name| PlannedTest { identity: identity(execution, &name), name }).collect(),
        terms: Terms {
            session_id: Some(execution.session_id),
            project: execution.project.clone(),
            priority: execution.priority,
            requires: (!requires.0.is_empty()).then_some(Json(requires)),
            slots: (!needs.slots.is_empty()).then_some(Json(needs.slots)),
        },
    }
}

/// The SHA-256 of all that makes two jobs the same: a job of a session is run once at a time.
fn identity(execution: &Execution, job: &str) -> [u8; 32] {
    Digest::of_parts(["session", &execution.session_id.to_string(), job]).into()
}
