//! What happens to a run when something is learned of it: the one way from a callback, a poll or a fetched file to a
//! run's end, its results and their deliveries.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::report::{self, Report};
use crate::app::run::planned_tests;
use crate::app::{App, seconds};
use crate::domain::conclusion::{self, Conclusion};
use crate::domain::event::{BUILD_FINISHED, RUN_ACCEPTED, RUN_CANCELED, RUN_FINISHED, RUN_STARTED};
use crate::domain::kcidb::id;
use crate::domain::observation::{Observation, Phase};
use crate::domain::run::{RunKind, RunState};
use crate::store::event::NewEvent;
use crate::store::run::Run;
use crate::store::step::End;
use crate::store::{self, Conn};

/// What an observation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The run goes on.
    Running,
    /// The run is over at its runner; its results are to be fetched.
    Collecting,
    /// The run is over here, with this observation.
    Finished,
    /// The run was over before, or its results are being fetched: nothing has changed.
    Late,
    /// The observation contradicts what is known of the run, in words.
    Contradiction(String),
}

/// Takes over what was learned of a run. The run is locked, and as stored now.
///
/// # Errors
/// If the database refuses.
pub async fn observe(
    app: &App,
    conn: &mut Conn<'_>,
    run: &Run,
    observation: &Observation,
    now: DateTime<Utc>,
) -> store::Result<Progress> {
    if observation.subject != run.kind.subject() {
        return Ok(Progress::Contradiction(format!("it tells of another kind of job than {} ({})", run.id, run.kind)));
    }
    if let Some(uid) = run.uid.as_deref().filter(|uid| *uid != observation.uid) {
        return Ok(Progress::Contradiction(format!(
            "it tells of the job `{}`, and {} is the job `{uid}`",
            observation.uid, run.id
        )));
    }
    if run.uid.is_none() && store::run::by_uid(conn, &run.runner, &observation.uid).await?.is_some() {
        return Ok(Progress::Contradiction(format!("the job `{}` belongs to another run", observation.uid)));
    }
    if run.state.is_over() || run.state == RunState::Collecting {
        return Ok(Progress::Late);
    }
    if observation.phase != Phase::Finished {
        if run.uid.is_none() {
            let (poll, deadline) = first_dates(app, now);
            if store::step::accepted(conn, run.id, &observation.uid, now, poll, deadline).await? {
                tell_accepted(app, conn, run, &observation.uid, now).await?;
            }
        }
        if observation.phase == Phase::Running {
            let at = observation.started_at.unwrap_or(now);
            if store::step::started(conn, run.id, at).await? {
                let document = json!({"runner": run.runner, "started_at": at});
                let told = about(app, run, Some(&observation.uid), NewEvent::new(RUN_STARTED, now, document));
                store::event::record(conn, &[told]).await?;
            }
        }
        return Ok(Progress::Running);
    }
    if run.kind == RunKind::Build {
        let ending = Ending { observation: Some(observation), ..Ending::finished() };
        let ended = end(app, conn, run, &conclusion::of_build(observation), &ending, now).await?;
        return Ok(if ended { Progress::Finished } else { Progress::Late });
    }
    let collecting = store::step::collecting(conn, run.id, observation, now).await?;
    Ok(if collecting { Progress::Collecting } else { Progress::Late })
}

/// When a run that its runner has just accepted is first asked about, and when we stop waiting for it.
#[must_use]
pub fn first_dates(app: &App, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let runs = &app.settings.runs;
    (now + seconds(runs.poll_interval_s), now + seconds(runs.deadline_s))
}

/// How a run ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// `Finished` or `Canceled`.
    pub state: RunState,
    /// What its end was reported with, if it was.
    pub observation: Option<&'a Observation>,
    /// The end of the job's log.
    pub log_excerpt: Option<&'a str>,
    /// Where the job's log lies.
    pub log_url: Option<&'a str>,
}

impl Ending<'_> {
    /// Finished, and nothing more is known.
    #[must_use]
    pub fn finished() -> Self {
        Self { state: RunState::Finished, observation: None, log_excerpt: None, log_url: None }
    }
}

/// Ends a run with this conclusion: its results are stored and their deliveries enqueued in the same transaction. False
/// if the run was over already: then nothing is stored.
///
/// # Errors
/// If the database refuses.
pub async fn end(
    app: &App,
    conn: &mut Conn<'_>,
    run: &Run,
    conclusion: &Conclusion,
    ending: &Ending<'_>,
    now: DateTime<Utc>,
) -> store::Result<bool> {
    let Some(report) = close(app, conn, run, conclusion, ending, now).await? else { return Ok(false) };
    keep(conn, &report, now).await?;
    Ok(true)
}

/// Ends a run that will have no results: what it planned is MISS, for this reason. False if it was over already.
///
/// # Errors
/// If the database refuses.
pub async fn end_without_results(
    app: &App,
    conn: &mut Conn<'_>,
    run: &Run,
    state: RunState,
    why: &str,
    now: DateTime<Utc>,
) -> store::Result<bool> {
    let conclusion = conclusion::without_results(&planned_tests(&run.request.0), why);
    end(app, conn, run, &conclusion, &Ending { state, ..Ending::finished() }, now).await
}

/// As [`end`], for the first of several runs whose reports are then given to [`keep`] as one, in the same transaction.
/// `None` if the run was over already.
///
/// # Errors
/// If the database refuses.
pub async fn close(
    app: &App,
    conn: &mut Conn<'_>,
    run: &Run,
    conclusion: &Conclusion,
    ending: &Ending<'_>,
    now: DateTime<Utc>,
) -> store::Result<Option<Report>> {
    // Whatever ended it here, a runner that was asked may still be at it, unless it said itself that it is over.
    let may_run = run.asked_at.is_some() && ending.observation.is_none() && run.observation.is_none();
    let end = End {
        state: ending.state,
        status: conclusion.status,
        reason: conclusion.reason.as_deref(),
        observation: ending.observation,
        now,
        stop_due_at: may_run.then_some(now),
    };
    if !store::step::end(conn, run.id, &end).await? {
        return Ok(None);
    }
    if run.terms.session_id.is_some() {
        store::run::conclude(conn, run.id, &conclusion.tests).await?;
    }
    store::log::end(conn, run.id).await?;
    let mut report = report::of_run(app, run, conclusion, ending, now);
    report.sessions.extend(run.terms.session_id);
    report.builds.extend(run.build_id);
    report.events.extend(ended(app, run, conclusion, ending, now));
    Ok(Some(report))
}

/// That a run is over, and what came of the build if it was one.
fn ended(app: &App, run: &Run, conclusion: &Conclusion, ending: &Ending<'_>, now: DateTime<Utc>) -> Vec<NewEvent> {
    let kind = if ending.state == RunState::Canceled { RUN_CANCELED } else { RUN_FINISHED };
    let uid = report::uid(run, ending.observation.or(run.observation.as_deref()));
    let document = json!({
        "kind": run.kind,
        "runner": run.runner,
        "attempt": run.attempt,
        "status": conclusion.status,
        "reason": conclusion.reason,
    });
    let mut events = vec![about(app, run, Some(&uid), NewEvent::new(kind, now, document))];
    if run.kind == RunKind::Build {
        let document = json!({"build": run.build_id, "status": conclusion.status, "reason": conclusion.reason});
        events.push(about(app, run, Some(&uid), NewEvent::new(BUILD_FINISHED, now, document)));
    }
    events
}

/// Tells that a runner took a run, under this uid.
///
/// # Errors
/// If the database refuses.
pub async fn tell_accepted(
    app: &App,
    conn: &mut Conn<'_>,
    run: &Run,
    uid: &str,
    now: DateTime<Utc>,
) -> store::Result<()> {
    let document = json!({"runner": run.runner, "uid": uid});
    store::event::record(conn, &[about(app, run, Some(uid), NewEvent::new(RUN_ACCEPTED, now, document))]).await
}

/// Something that happened to a run: with the build that it builds, once that has a name, or that it tests.
fn about(app: &App, run: &Run, uid: Option<&str>, event: NewEvent) -> NewEvent {
    let build_ref = match run.kind {
        RunKind::Build => uid.map(|uid| id::build_id(&app.origin, uid)),
        _ => run.build_ref.clone(),
    };
    NewEvent { run_id: Some(run.id), session_id: run.terms.session_id, build_ref, ..event }
}

/// Stores results, enqueues their deliveries, tells what happened and wakes whoever waits for it: that comes last, and in one
/// order, for executions are what several of these have in common.
///
/// # Errors
/// If the database refuses.
pub async fn keep(conn: &mut Conn<'_>, report: &Report, now: DateTime<Utc>) -> store::Result<()> {
    store::result::insert(conn, &report.results).await?;
    store::delivery::enqueue(conn, &report.deliveries).await?;
    store::event::record(conn, &report.events).await?;
    for session in &report.sessions {
        store::execution::wake(conn, *session, now).await?;
    }
    for build in &report.builds {
        store::execution::wake_of_build(conn, *build, now).await?;
    }
    Ok(())
}
