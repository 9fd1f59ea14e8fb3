//! Asks runners to take what was planned for them.
//!
//! The intent is on record before the runner is asked (`submitting`), so that a crash in between is found: a runner that
//! knows our token is simply asked again, and another one is first looked through for the run.

use futures_util::StreamExt as _;

use crate::app::progress::{self, Ending};
use crate::app::run::planned_tests;
use crate::app::{App, Result, cut};
use crate::domain::conclusion;
use crate::domain::run::RunState;
use crate::runner::{Job, Runner, RunnerError};
use crate::store::run::{Postponed, Run};
use crate::work::{AT_ONCE, Activation, each};
use crate::{entropy, store};

const STATES: [RunState; 2] = [RunState::Planned, RunState::Submitting];

/// A run as its runner is told of it.
pub(super) fn job(app: &App, run: &Run) -> Job {
    let mut callback_url = app.base_url.clone();
    // The base URL is checked at start: it can be a base.
    if let Ok(mut segments) = callback_url.path_segments_mut() {
        segments.pop_if_empty().extend(["api", "v1", "callbacks", &run.runner, &run.capability]);
    }
    Job {
        run: run.id,
        client_token: run.client_token,
        callback_url,
        request: run.request.0.clone(),
        uid: run.uid.clone(),
        first_asked_at: run.asked_at.unwrap_or(run.created_at),
    }
}

pub(super) async fn activate(app: &App, name: &str) -> Result<Activation> {
    let runner = app.runners.known(name)?;
    if runner.not_ready().is_some() || app.breakers.why(name, app.now()).is_some() {
        return Ok(Activation::default());
    }
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let runs =
        store::run::claim(&mut tx.conn(), &STATES, name, lease, i64::try_from(AT_ONCE).unwrap_or(i64::MAX)).await?;
    let planned: Vec<_> = runs.iter().filter(|run| run.state == RunState::Planned).map(|run| run.id).collect();
    if !planned.is_empty() {
        store::run::asking(&mut tx.conn(), &planned, lease.now).await?;
    }
    let next = store::run::next_due(&mut tx.conn(), &STATES, name).await?;
    tx.commit().await?;
    let done = runs.len();
    let asked = futures_util::stream::iter(runs)
        .map(|run| async move { ask(app, runner.as_ref(), run).await })
        .buffer_unordered(AT_ONCE);
    each(asked).await?;
    Ok(Activation { done, next })
}

async fn ask(app: &App, runner: &dyn Runner, run: Run) -> Result<()> {
    let job = job(app, &run);
    if let Err(open) = app.breakers.allows(runner.name(), app.now()) {
        let why = cut(&open.to_string(), 2_000);
        let step =
            Postponed { id: run.id, state: run.state, waiting: Some(&why), tries: run.tries, due_at: open.until };
        return postpone(app, step).await;
    }
    match submit(app, runner, &run, &job).await {
        Ok(Some(uid)) => {
            app.breakers.succeeded(runner.name());
            accept(app, &run, &uid).await
        }
        Ok(None) => Ok(()),
        Err(error) => {
            let now = app.now();
            let message = cut(&error.to_string(), 2_000);
            match &error {
                RunnerError::Refused(_) => app.breakers.succeeded(runner.name()),
                _ => app.breakers.failed(runner.name(), now, &message),
            }
            let tries = run.tries + 1;
            let given_up = tries >= i64::from(app.settings.runs.max_tries);
            if given_up || matches!(error, RunnerError::Refused(_)) {
                let why = if given_up {
                    format!("given up after the runner `{}` was asked {tries} times: {message}", runner.name())
                } else {
                    format!("the runner `{}` refused it: {message}", runner.name())
                };
                return give_up(app, &run, &why).await;
            }
            let retry_after = match &error {
                RunnerError::Unavailable { retry_after, .. } => *retry_after,
                _ => None,
            };
            let attempt = u32::try_from(tries).unwrap_or(u32::MAX);
            let due_at = now + app.runner_backoff().delay_honouring(attempt, entropy::unit(), retry_after);
            // Only a runner that is known to have done nothing may be asked again without looking first.
            let state = match (&error, run.state) {
                (RunnerError::Unavailable { .. }, RunState::Planned) => RunState::Planned,
                _ => RunState::Submitting,
            };
            let why = format!("asked the runner {tries} times in vain: {message}");
            postpone(app, Postponed { id: run.id, state, waiting: Some(&why), tries, due_at }).await
        }
    }
}

/// Asks the runner; its uid of the run, or nothing if the lease was lost meanwhile.
async fn submit(app: &App, runner: &dyn Runner, run: &Run, job: &Job) -> Result<Option<String>, RunnerError> {
    let asked_before = run.state == RunState::Submitting;
    if asked_before && !runner.submit_is_idempotent(job) {
        if let Some(uid) = runner.find(job).await? {
            return Ok(Some(uid));
        }
        // Looking took its time: nobody else may have taken the run over before it is asked for again.
        match renew(app, run).await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                return Err(RunnerError::Unavailable { message: error.to_string(), retry_after: None });
            }
        }
    }
    runner.submit(job).await.map(Some)
}

async fn renew(app: &App, run: &Run) -> Result<bool> {
    let mut tx = app.db.begin().await?;
    let held = store::run::renew(&mut tx.conn(), run.id, app.lease()).await?;
    tx.commit().await?;
    Ok(held)
}

async fn accept(app: &App, run: &Run, uid: &str) -> Result<()> {
    let now = app.now();
    let (poll, deadline) = progress::first_dates(app, now);
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    match store::run::accepted(conn, run.id, uid, now, poll, deadline).await {
        Ok(true) => {}
        // A callback was faster than the runner's own answer, or an operator has ended the run: what is left to learn
        // is the uid.
        Ok(false) => {
            store::run::note_uid(conn, run.id, uid, now).await?;
        }
        Err(store::Error::Conflict(_)) => {
            drop(tx);
            let why = format!("the runner gave it the uid `{}`, which another run has", cut(uid, 80));
            return give_up(app, run, &why).await;
        }
        Err(error) => return Err(error.into()),
    }
    let waiting = store::callback::wake(conn, &run.runner, uid, now).await?;
    tx.commit().await?;
    if waiting > 0 {
        app.bells.inbox.ring();
    }
    app.bells.stop.ring();
    Ok(())
}

async fn postpone(app: &App, step: Postponed<'_>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    store::run::postpone(&mut tx.conn(), app.worker, step).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a run that will have no results: what it planned is MISS, for this reason.
pub(super) async fn give_up(app: &App, run: &Run, why: &str) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(run) = store::run::lock(conn, run.id).await? else { return Ok(()) };
    let conclusion = conclusion::without_results(&planned_tests(&run.request.0), why);
    progress::end(app, conn, &run, &conclusion, &Ending::finished(), app.now()).await?;
    tx.commit().await?;
    app.bells.deliver.ring();
    app.bells.stop.ring();
    Ok(())
}
