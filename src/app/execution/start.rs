//! How an execution begins.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::app::execution::advance::{digest_of, expect};
use crate::app::execution::begin::{Way, Ways, all_labels, way_of};
use crate::app::session::change::{By, Turn, noted};
use crate::app::session::refusal::plan_refused;
use crate::app::{App, AppError, MAX_FAULTS, Result, queue, run};
use crate::domain::composition::definition::executable;
use crate::domain::composition::needs::Needs;
use crate::domain::execution::{ExecutionState, MOST_ATTEMPTS, Plan};
use crate::domain::fault::Fault;
use crate::domain::run::TestedBuild;
use crate::domain::session::{Part, Session};
use crate::ids::{BuildId, SessionId};
use crate::store;
use crate::store::Conn;
use crate::store::execution::Execution;
use crate::store::expected::Change;

/// The most bytes of a project's name.
const MAX_PROJECT_BYTES: usize = 200;

/// What a session is run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum For {
    /// A build of ours: the session waits for it.
    Build(BuildId),
    /// A build that was built elsewhere.
    Tested(TestedBuild),
}

/// How a session is to be run.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// How it is run.
    pub plan: Plan,
    /// Who shares the runners with others.
    pub project: String,
    /// Higher goes first.
    pub priority: i64,
    /// The build; none where nothing is built.
    pub build: Option<For>,
    /// When what has not come is missing.
    pub deadline_at: Option<DateTime<Utc>>,
}

/// Looks whether a session could be started so, for a build that is yet to be asked for.
///
/// # Errors
/// As [`start`].
pub async fn check(app: &App, session: SessionId, start: &Start) -> Result<()> {
    let start = Start { plan: checked(app, start.plan.clone(), &start.project)?, ..start.clone() };
    let mut turn = Turn::begin(&app.sessions, session, By::default()).await?;
    let checked = match store::execution::get(&mut turn.conn(), session).await? {
        Some(earlier) if !earlier.state.is_over() => Err(started_already(&earlier)),
        _ => check_ways(app, &mut turn, &start, true).await,
    };
    turn.leave();
    checked
}

fn started_already(earlier: &Execution) -> AppError {
    AppError::Conflict(format!(
        "{} is started already ({}): cancel that first, or let it end",
        earlier.session_id, earlier.state
    ))
}

/// Starts a session: from now on its jobs are run as soon as they can start, or as soon as its build has passed.
///
/// A session that was started can be started again once that is over: what has a result keeps it.
///
/// # Errors
/// [`AppError::NotFound`] for the session; [`AppError::Conflict`] if it was started and is not over;
/// [`AppError::Faults`] for runners and builds that are not there, and for jobs that none of the runners could ever run.
pub async fn start(app: &App, session: SessionId, start: Start, by: By) -> Result<Execution> {
    let who = by.who.clone();
    let start = Start { plan: checked(app, start.plan.clone(), &start.project)?, ..start };
    if let Some(For::Tested(tested)) = &start.build {
        run::check_lengths([("tested.id", &tested.id)])?;
        let files = [&tested.kernel_image_url, &tested.modules_url, &tested.architecture];
        run::check_lengths(files.into_iter().flatten().map(|value| ("tested", value)))?;
    }
    let now = app.now();
    let mut turn = Turn::begin(&app.sessions, session, by).await?;
    if let Some(earlier) = store::execution::get(&mut turn.conn(), session).await? {
        if !earlier.state.is_over() {
            return Err(started_already(&earlier));
        }
        store::execution::delete(&mut turn.conn(), session).await?;
    }
    let (build_id, tested) = match start.build.clone() {
        Some(For::Build(id)) => {
            if store::build::by_id(&mut turn.conn(), id).await?.is_none() {
                return Err(fault("/build", format!("there is no build {id}")));
            }
            (Some(id), None)
        }
        Some(For::Tested(tested)) => (None, Some(tested)),
        None => (None, None),
    };
    let has_build = build_id.is_some() || tested.is_some();
    turn.apply(bootstrap).await?;
    check_ways(app, &mut turn, &start, has_build).await?;
    let Start { plan, project, priority, deadline_at, .. } = start;
    let Found { run_list, todo, come } = turn.apply(|session| Ok(Found::of(session))).await?;
    let execution = Execution {
        session_id: session,
        state: if build_id.is_some() { ExecutionState::Waiting } else { ExecutionState::Running },
        reason: None,
        plan: Json(plan),
        project,
        priority,
        build_id,
        build_ref: tested.as_ref().map(|tested| tested.id.clone()),
        tested: tested.map(Json),
        run_list: Some(digest_of(run_list.iter().map(String::as_str))),
        deadline_at,
        due_at: Some(now),
        wakes: 0,
        created_at: now,
        created_by: who,
        started_at: build_id.is_none().then_some(now),
        ended_at: None,
    };
    // Whoever ends one of these meanwhile has done so before the execution is there, or sees it.
    if let Some(build) = build_id {
        for run in store::run::live_of_builds(&mut turn.conn(), &[build]).await? {
            store::run::lock(&mut turn.conn(), run.id).await?;
        }
    }
    store::session_run::lock_open(&mut turn.conn(), session).await?;
    store::execution::insert(&mut turn.conn(), &execution).await?;
    expect(&mut turn.conn(), session, &run_list).await?;
    let missing = missing_of(&mut turn.conn(), session, &come).await?;
    store::expected::note(&mut turn.conn(), session, &missing, now).await?;
    // What an earlier execution missed is asked for again; what has a result keeps it.
    store::expected::ask_again(&mut turn.conn(), session, &todo, "the session was started").await?;
    turn.commit().await?;
    app.bells.advance.ring();
    Ok(execution)
}

/// What a session has when it is started.
#[derive(Debug)]
struct Found {
    run_list: Vec<String>,
    /// The jobs without an outcome.
    todo: Vec<String>,
    /// What has come before anybody expected it.
    come: Vec<Change>,
}

impl Found {
    fn of(session: &Session) -> Self {
        let come = |job: &str| noted(job, session.job(job)?.result()?);
        Self {
            run_list: session.run_list().map(str::to_owned).collect(),
            todo: session.todo().map(|view| view.id().to_owned()).collect(),
            come: session.run_list().filter_map(come).collect(),
        }
    }
}

/// What has come of jobs of which it is not on record yet.
async fn missing_of(conn: &mut Conn<'_>, session: SessionId, come: &[Change]) -> Result<Vec<Change>> {
    let jobs: Vec<String> = come.iter().map(|change| change.job_id.clone()).collect();
    let expected = store::expected::of_jobs(conn, session, &jobs).await?;
    let missing: HashSet<&str> =
        expected.iter().filter(|one| one.status.is_none()).map(|one| one.job_id.as_str()).collect();
    Ok(come.iter().filter(|change| missing.contains(change.job_id.as_str())).cloned().collect())
}

fn fault(pointer: &str, detail: String) -> AppError {
    AppError::Faults { what: "the request".to_owned(), faults: vec![Fault { pointer: pointer.to_owned(), detail }] }
}

/// The plan with what was left out filled in.
fn checked(app: &App, mut plan: Plan, project: &str) -> Result<Plan> {
    run::check_lengths([("collection", &plan.collection)])?;
    run::check_lengths(plan.device.iter().map(|device| ("device", device)))?;
    let mut faults = Vec::new();
    let mut wrong = |pointer: String, detail: String| faults.push(Fault { pointer, detail });
    if plan.runners.is_empty() {
        plan.runners = app
            .runners
            .names()
            .filter(|name| app.runners.known(name).is_ok_and(|it| it.pulls()))
            .map(str::to_owned)
            .collect();
    }
    if plan.runners.is_empty() {
        wrong("/runners".to_owned(), "name at least one runner".to_owned());
    }
    for (place, name) in plan.runners.iter().enumerate() {
        if let Err(unknown) = app.runners.known(name) {
            wrong(format!("/runners/{place}"), unknown.to_string());
        }
    }
    if let Err(words) = plan.requires.check() {
        wrong("/requires".to_owned(), words);
    }
    if !(1..=MOST_ATTEMPTS).contains(&plan.max_attempts) {
        wrong("/max_attempts".to_owned(), format!("want 1 to {MOST_ATTEMPTS}"));
    }
    if plan.retry_failures > MOST_ATTEMPTS {
        wrong("/retry_failures".to_owned(), format!("want 0 to {MOST_ATTEMPTS}"));
    }
    if project.len() > MAX_PROJECT_BYTES || project.chars().any(char::is_control) {
        wrong("/project".to_owned(), format!("want at most {MAX_PROJECT_BYTES} bytes without control characters"));
    }
    if plan.collection.is_empty() || plan.collection.len() > MAX_PROJECT_BYTES {
        wrong("/collection".to_owned(), format!("want 1 to {MAX_PROJECT_BYTES} bytes"));
    }
    AppError::refuse("the request", faults)?;
    Ok(plan)
}

/// Refuses jobs that nothing could ever run.
async fn check_ways(app: &App, turn: &mut Turn<'_>, start: &Start, has_build: bool) -> Result<()> {
    let jobs = turn
        .apply(|session| {
            let todo = session.todo().map(|view| view.id().to_owned());
            Ok(todo.map(|job| (executable(session, &job), job)).collect::<Vec<_>>())
        })
        .await?;
    let ways = Ways::of(app, &start.plan, has_build);
    let fault = |(executable, job): (_, String)| {
        let possible = way_of(&ways, executable).and_then(|way| is_possible(app, start, &way));
        let detail = format!("`{job}` could never run: {}", possible.err()?);
        Some(Fault { pointer: "/runners".to_owned(), detail })
    };
    let faults = jobs.into_iter().filter_map(fault).take(MAX_FAULTS).collect();
    AppError::refuse("the session's jobs", faults)
}

/// Whether the queue of the runner could ever let it through.
fn is_possible(app: &App, start: &Start, way: &Way) -> std::result::Result<(), String> {
    let nothing = Needs::default();
    let (runner, needs) = match way {
        Way::Command { runner, executable, .. } => (runner, &executable.needs),
        Way::Name { runner, .. } => (runner, &nothing),
        Way::Person | Way::LeftOut(_) => return Ok(()),
    };
    let labels = all_labels(&start.plan, needs);
    queue::check_possible(app, runner, &start.project, start.priority, &labels, &needs.slots)
        .map_err(|error| error.to_string())
}

/// Has the jobs of the bootstrap run first, where the session's test plans have any that have not run: what they tell makes
/// the jobs that the plans choose.
fn bootstrap(session: &mut Session) -> Result<()> {
    let plans = session.plans().to_vec();
    if plans.is_empty() {
        return Ok(());
    }
    let jobs = session.choose(&plans, Part::Bootstrap).map_err(plan_refused)?;
    if jobs.iter().any(|job| session.job(job).is_some_and(|view| view.outcome().is_none())) {
        session.start_bootstrap(&plans).map_err(plan_refused)?;
    }
    Ok(())
}
