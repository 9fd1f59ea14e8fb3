//! Asks runners to take what was planned for them.
//!
//! The intent is on record before the runner is asked (`submitting`), so that a crash in between is found: a runner that
//! knows our token is simply asked again, and another one is first looked through for the run.

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;

use crate::app::progress;
use crate::app::{self, App, Result, cut, seconds};
use crate::domain::agent::Labels;
use crate::domain::queue::Offer;
use crate::domain::run::RunState;
use crate::ids::RunId;
use crate::runner::{Job, Runner, RunnerError};
use crate::store::Conn;
use crate::store::lease::Lease;
use crate::store::run::Run;
use crate::store::step::Postponed;
use crate::work::{AT_ONCE, Activation, each};
use crate::{entropy, store};

/// What may have reached its runner is cleared up before anything new is asked for.
const STATES: [RunState; 2] = [RunState::Submitting, RunState::Planned];

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
    if runner.pulls() || runner.not_ready().is_some() || app.breakers.why(name, app.now()).is_some() {
        return Ok(Activation::default());
    }
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let (runs, next) = if app::queue::is_plain(app, &mut tx.conn(), name).await? {
        let conn = &mut tx.conn();
        let runs = store::step::claim(conn, &STATES, name, lease, i64::try_from(AT_ONCE).unwrap_or(i64::MAX)).await?;
        (runs, None)
    } else {
        let (runs, next) = claim_in_turn(app, &mut tx.conn(), name, lease).await?;
        (runs, Some(next))
    };
    let planned: Vec<_> = runs.iter().filter(|run| run.state == RunState::Planned).map(|run| run.id).collect();
    if !planned.is_empty() {
        store::step::asking(&mut tx.conn(), &planned, lease.now).await?;
    }
    let next = match next {
        Some(next) => next,
        None => store::step::next_due(&mut tx.conn(), &STATES, name).await?,
    };
    tx.commit().await?;
    let done = runs.len();
    let asked = futures_util::stream::iter(runs)
        .map(|run| async move { ask(app, runner.as_ref(), lease, run).await })
        .buffer_unordered(AT_ONCE);
    each(asked).await?;
    Ok(Activation { done, next })
}

/// Claims what is to be asked about again, and of what waits the runs whose turn it is. Returns also when there is more to
/// do: a run that something else than time holds up is none of that, for whatever ends rings.
async fn claim_in_turn(
    app: &App,
    conn: &mut Conn<'_>,
    name: &str,
    lease: Lease,
) -> Result<(Vec<Run>, Option<DateTime<Utc>>)> {
    let again = &STATES[..1];
    let mut runs = store::step::claim(conn, again, name, lease, i64::try_from(AT_ONCE).unwrap_or(i64::MAX)).await?;
    let places = AT_ONCE.saturating_sub(runs.len());
    let offer = Offer { by: name.to_owned(), labels: Labels::default(), places };
    let taken = app::queue::pick(app, conn, name, &[offer]).await?;
    let ids: Vec<RunId> = taken.iter().map(|taken| taken.id).collect();
    if !ids.is_empty() {
        runs.extend(store::step::claim_waiting(conn, &ids, lease).await?);
    }
    let due = [
        store::step::next_due(conn, again, name).await?,
        store::queue::next_due(conn, name, lease.now).await?,
        // All places were taken: there may be more whose turn it is.
        (ids.len() == places).then_some(lease.now),
    ];
    Ok((runs, due.into_iter().flatten().min()))
}

/// What came of asking a runner.
enum Asked {
    /// It has the run, under this uid.
    Accepted(String),
    /// Another claim has taken the run over meanwhile.
    Overtaken,
    /// It was asked, and did not accept.
    Failed {
        error: RunnerError,
        /// Whether it is known that no earlier submission has reached it.
        nothing_there: bool,
    },
    /// It could not be looked through: an earlier submission may have reached it.
    NotSeen(RunnerError),
}

async fn ask(app: &App, runner: &dyn Runner, lease: Lease, run: Run) -> Result<()> {
    let job = job(app, &run);
    let name = runner.name();
    if let Err(open) = app.breakers.allows(name, app.now()) {
        // One of the others is the probe; it may close the breaker in a moment.
        let due_at = open.until.min(app.now() + seconds(app.settings.runs.retry_base_s.max(1)));
        let why = cut(&open.to_string(), 2_000);
        let step = Postponed { id: run.id, state: run.state, waiting: Some(&why), tries: run.tries, due_at };
        return postpone(app, lease, step).await;
    }
    let (error, nothing_there) = match submit(app, runner, lease, &run, &job).await? {
        Asked::Accepted(uid) => {
            app.breakers.succeeded(name);
            return accept(app, lease, &run, &uid).await;
        }
        Asked::Overtaken => {
            app.breakers.succeeded(name);
            return Ok(());
        }
        Asked::Failed { error: RunnerError::Refused(message), .. } => {
            app.breakers.succeeded(name);
            let why = format!("the runner `{name}` refused it: {message}");
            return give_up(app, lease, &run, &cut(&why, 2_000)).await;
        }
        Asked::Failed { error, nothing_there } => (error, nothing_there),
        Asked::NotSeen(error) => (error, false),
    };
    let now = app.now();
    let message = cut(&error.to_string(), 2_000);
    app.breakers.failed(name, now, &message);
    let tries = run.tries + 1;
    // Where the runner may have the run although its answer never came, its results may come too: such a run is given
    // up no sooner than one that was accepted.
    let certain = nothing_there && matches!(error, RunnerError::Unavailable { .. });
    let too_often = tries >= i64::from(app.settings.runs.max_tries);
    if too_often && (certain || now >= last_hope(app, &run, now)) {
        let why = format!("given up after the runner `{name}` was asked {tries} times: {message}");
        return give_up(app, lease, &run, &why).await;
    }
    let attempt = u32::try_from(tries).unwrap_or(u32::MAX);
    let due_at = now + app.runner_backoff().delay_honouring(attempt, entropy::unit(), error.retry_after());
    // Only a runner that is known to have done nothing may be asked again without looking first.
    let state = if certain && run.state == RunState::Planned { RunState::Planned } else { RunState::Submitting };
    let why = format!("asked the runner {tries} times in vain: {message}");
    postpone(app, lease, Postponed { id: run.id, state, waiting: Some(&why), tries, due_at }).await
}

/// Until when a run may still report whose submission had no clear answer.
fn last_hope(app: &App, run: &Run, now: DateTime<Utc>) -> DateTime<Utc> {
    let runs = &app.settings.runs;
    run.asked_at.unwrap_or(now) + seconds(runs.deadline_s) + seconds(runs.cancel_grace_s)
}

async fn submit(app: &App, runner: &dyn Runner, lease: Lease, run: &Run, job: &Job) -> Result<Asked> {
    let mut nothing_there = run.state == RunState::Planned;
    if !nothing_there && !runner.submit_is_idempotent(job) {
        match runner.find(job).await {
            Ok(Some(uid)) => return Ok(Asked::Accepted(uid)),
            Ok(None) => nothing_there = true,
            Err(error) => return Ok(Asked::NotSeen(error)),
        }
        // Looking took its time: nobody else may have taken the run over before it is asked for again.
        let mut tx = app.db.begin().await?;
        let until = app.now() + (lease.until - lease.now);
        let held = store::step::renew(&mut tx.conn(), run.id, Lease { until, ..lease }).await?;
        tx.commit().await?;
        if !held {
            return Ok(Asked::Overtaken);
        }
    }
    Ok(match runner.submit(job).await {
        Ok(uid) => Asked::Accepted(uid),
        Err(error) => Asked::Failed { error, nothing_there },
    })
}

async fn accept(app: &App, lease: Lease, run: &Run, uid: &str) -> Result<()> {
    let now = app.now();
    let (poll, deadline) = progress::first_dates(app, now);
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    match store::step::accepted(conn, run.id, uid, now, poll, deadline).await {
        Ok(true) => progress::tell_accepted(app, conn, run, uid, now).await?,
        // A callback was faster than the runner's own answer, or an operator has ended the run: what is left to learn
        // is the uid.
        Ok(false) => {
            store::step::note_uid(conn, run.id, uid, now).await?;
        }
        Err(store::Error::Conflict(_)) => {
            drop(tx);
            let why = format!("the runner gave it the uid `{}`, which another run has", cut(uid, 80));
            return give_up(app, lease, run, &why).await;
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

async fn postpone(app: &App, lease: Lease, step: Postponed<'_>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    store::step::postpone(&mut tx.conn(), lease.worker, step).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a run that will have no results: what it planned is MISS, for this reason. Nothing happens to a run that has
/// been overtaken, by a callback or by another claim: its results may be on their way.
pub(super) async fn give_up(app: &App, lease: Lease, run: &Run, why: &str) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(run) = store::run::lock(conn, run.id).await? else { return Ok(()) };
    if run.lease_holder != Some(lease.worker) {
        return Ok(());
    }
    progress::end_without_results(app, conn, &run, RunState::Finished, why, app.now()).await?;
    tx.commit().await?;
    app.bells.deliver.ring();
    app.bells.stop.ring();
    app::queue::freed(app);
    Ok(())
}
