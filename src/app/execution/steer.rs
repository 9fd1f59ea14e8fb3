//! How an execution is steered: paused, resumed, cancelled, and what is run again.

use std::collections::HashSet;

use crate::app::execution::advance::{end, end_runs};
use crate::app::execution::no_execution;
use crate::app::session::change::{By, Turn};
use crate::app::session::refusal::{no_such_job, refused};
use crate::app::{App, AppError, Result, cut, progress, run};
use crate::domain::execution::{ExecutionState, session_outcome};
use crate::domain::run::RunState;
use crate::domain::session::Report;
use crate::domain::status::Status;
use crate::ids::SessionId;
use crate::store;
use crate::store::execution::Execution;
use crate::store::expected::Change;
use crate::store::page::Pages;

/// What planned runs of a paused session are held back by.
const PAUSED: &str = "the session is paused";

/// The execution of a session, under way, together with the session.
async fn live(app: &App, session: SessionId, by: By) -> Result<(Turn<'_>, Execution)> {
    let mut turn = Turn::begin(&app.sessions, session, by).await?;
    let execution = store::execution::get(&mut turn.conn(), session).await?.ok_or_else(|| no_execution(session))?;
    Ok((turn, execution))
}

fn refuse_if_over(execution: &Execution, what: &str) -> Result<()> {
    if execution.state.is_over() {
        let words = format!("{} is over ({}), so that it cannot be {what}", execution.session_id, execution.state);
        return Err(AppError::Conflict(words));
    }
    Ok(())
}

async fn keep(app: &App, mut turn: Turn<'_>, mut execution: Execution) -> Result<Execution> {
    if !execution.state.is_over() {
        execution.due_at = Some(app.now());
    }
    store::execution::settle(&mut turn.conn(), &execution, app.now()).await?;
    turn.commit().await?;
    for bell in [&app.bells.advance, &app.bells.dispatch, &app.bells.stop, &app.bells.deliver] {
        bell.ring();
    }
    Ok(execution)
}

/// Holds the runs of a session back, for this reason, or lets them go.
async fn hold(turn: &mut Turn<'_>, session: SessionId, held: Option<&str>) -> Result<()> {
    // In one order, as others lock them.
    store::session_run::lock_open(&mut turn.conn(), session).await?;
    store::session_run::hold(&mut turn.conn(), session, held).await?;
    Ok(())
}

/// Begins nothing more of a session until it is resumed; what runs goes on. Pausing again changes the reason.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it is over, or waits for its build.
pub async fn pause(app: &App, session: SessionId, reason: Option<&str>, by: By) -> Result<Execution> {
    let (mut turn, mut execution) = live(app, session, by).await?;
    refuse_if_over(&execution, "paused")?;
    if execution.state == ExecutionState::Waiting {
        return Err(AppError::Conflict(format!(
            "{session} waits for its build: nothing of it runs, cancel it instead"
        )));
    }
    execution.state = ExecutionState::Paused;
    execution.reason = reason.map(|reason| cut(reason, 2_000));
    hold(&mut turn, session, Some(PAUSED)).await?;
    keep(app, turn, execution).await
}

/// Goes on with a session that was paused. One that runs goes on running.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it is over.
pub async fn resume(app: &App, session: SessionId, by: By) -> Result<Execution> {
    let (mut turn, mut execution) = live(app, session, by).await?;
    refuse_if_over(&execution, "resumed: run again what failed, or start it again")?;
    if execution.state == ExecutionState::Paused {
        execution.state = ExecutionState::Running;
        execution.reason = None;
        hold(&mut turn, session, None).await?;
    }
    keep(app, turn, execution).await
}

/// Ends a session's execution: its runs are ended here and at their runners, and what has not come is MISS.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it is over.
pub async fn cancel(app: &App, session: SessionId, reason: Option<&str>, by: By) -> Result<Execution> {
    let (mut turn, mut execution) = live(app, session, by).await?;
    refuse_if_over(&execution, "canceled")?;
    let why = match reason {
        Some(reason) => format!("the session was canceled: {}", cut(reason, 1_000)),
        None => "the session was canceled by an operator".to_owned(),
    };
    end_runs(app, &mut turn.conn(), session, &why).await?;
    store::expected::miss(&mut turn.conn(), session, &why, app.now()).await?;
    end(app, &mut execution, ExecutionState::Canceled, &why);
    // Once more, so that reports tell what is missing.
    execution.due_at = Some(app.now());
    keep(app, turn, execution).await
}

/// Ends one job of a session: its run is ended here and at its runner, and it is MISS.
///
/// # Errors
/// [`AppError::NotFound`] also for the job; [`AppError::Conflict`] if it has its result already, if its results are being
/// fetched, or if its run holds others too and was begun.
pub async fn cancel_job(app: &App, session: SessionId, job: &str, reason: Option<&str>, by: By) -> Result<Execution> {
    let (mut turn, execution) = live(app, session, by).await?;
    refuse_if_over(&execution, "changed")?;
    let expected = store::expected::of_jobs(&mut turn.conn(), session, &[job.to_owned()]).await?;
    let Some(expected) = expected.first() else { return Err(no_such_job(job)) };
    if let Some(status) = expected.status {
        return Err(AppError::Conflict(format!("`{job}` has its result already: {status}")));
    }
    let why = match reason {
        Some(reason) => format!("the job was canceled: {}", cut(reason, 1_000)),
        None => "the job was canceled by an operator".to_owned(),
    };
    let open = store::session_run::lock_open(&mut turn.conn(), session).await?;
    let its = open.iter().find(|one| run::planned_tests(&one.request.0).iter().any(|name| name == job));
    if let Some(one) = its {
        let tests = run::planned_tests(&one.request.0);
        if one.state == RunState::Collecting {
            let words = format!("the results of `{job}` are being fetched: they will be kept");
            return Err(AppError::Conflict(words));
        }
        if tests.len() > 1 {
            let words = format!("`{job}` is part of {} with {} others: cancel that run", one.id, tests.len() - 1);
            return Err(AppError::Conflict(words));
        }
        progress::end_without_results(app, &mut turn.conn(), one, RunState::Canceled, &why, app.now()).await?;
    } else {
        let change = Change {
            job_id: job.to_owned(),
            status: Some(Status::Miss),
            reason: Some(why.clone()),
            run: None,
            is_reported: false,
        };
        let (id, outcome) = (job.to_owned(), session_outcome(Status::Miss));
        turn.apply(move |session| {
            let report = Report { comments: Some(why), ..Report::of(outcome) };
            session.record(&id, report).map_err(refused)
        })
        .await?;
        store::expected::note(&mut turn.conn(), session, &[change], app.now()).await?;
    }
    keep(app, turn, execution).await
}

/// What is to be run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// What did not pass: FAIL, ERROR, MISS, and what was skipped because of that.
    Failed,
    /// These jobs.
    Jobs(Vec<String>),
}

/// Runs jobs of a session again, and what waits for them; each attempt and its results stay. An execution that is over goes
/// on. Returns the jobs, in their order.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if a job has no result yet, or the build failed;
/// [`AppError::Invalid`] for a job of which nothing is expected.
pub async fn rerun(app: &App, session: SessionId, what: Rerun, by: By) -> Result<(Execution, Vec<String>)> {
    let (mut turn, mut execution) = live(app, session, by).await?;
    if execution.build_id.is_some() && execution.tested.is_none() {
        let words = format!("{session} has no build that passed: nothing of it can be run again");
        return Err(AppError::Conflict(words));
    }
    let run_list: HashSet<String> = turn.apply(|session| Ok(session.run_list().map(str::to_owned).collect())).await?;
    let jobs = match what {
        Rerun::Jobs(jobs) => {
            if let Some(job) = jobs.iter().find(|job| !run_list.contains(*job)) {
                return Err(AppError::Invalid(format!("`{job}` is not on the run list of {session}")));
            }
            let found = store::expected::of_jobs(&mut turn.conn(), session, &jobs).await?;
            for job in &jobs {
                match found.iter().find(|one| one.job_id == *job) {
                    None => return Err(AppError::Invalid(format!("no result of `{job}` is expected of {session}"))),
                    Some(one) if one.status.is_none() => {
                        return Err(AppError::Conflict(format!(
                            "`{job}` has no result yet: there is nothing to run again"
                        )));
                    }
                    Some(_) => {}
                }
            }
            jobs
        }
        Rerun::Failed => {
            let mut failed = Vec::new();
            let mut pages = Pages::of(1_000);
            while let Some(page) = pages.next() {
                let read = store::expected::list(&mut turn.conn(), session, Some(false), page).await?;
                for one in pages.turn(read, |one| one.place) {
                    let again = matches!(one.status, Some(Status::Fail | Status::Error | Status::Miss | Status::Skip));
                    if again && run_list.contains(&one.job_id) {
                        failed.push(one.job_id);
                    }
                }
            }
            failed
        }
    };
    let again = jobs.clone();
    turn.apply(move |session| {
        for job in &again {
            if session.job(job).is_some() {
                session.record(job, Report::default()).map_err(refused)?;
            }
        }
        Ok(())
    })
    .await?;
    store::expected::ask_again(&mut turn.conn(), session, &jobs, "it was asked for again").await?;
    if execution.state.is_over() && !jobs.is_empty() {
        execution.state = ExecutionState::Running;
        execution.ended_at = None;
        execution.reason = None;
        execution.deadline_at = execution.deadline_at.filter(|deadline| *deadline > app.now());
    }
    let execution = keep(app, turn, execution).await?;
    Ok((execution, jobs))
}
