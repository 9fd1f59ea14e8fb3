//! Whose turn it is at a runner. What decides stands in [`domain::queue`](crate::domain::queue); here it is brought
//! together from the settings and the database, under the lock of the runner's queue.
//!
//! A runner that has no limit and for which only runs wait that nothing tells apart has no queue: they are claimed in the
//! order in which they fall due, without a lock ([`is_plain`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::app::run::not_found;
use crate::app::{App, AppError, Result, seconds};
use crate::domain::agent::Labels;
use crate::domain::queue::{self, Limits, Needs, Offer, Taken, Usage, Waiting, possible, share};
use crate::ids::RunId;
use crate::store::queue::{Head, Share};
use crate::store::run::Terms;
use crate::store::{self, Conn};

pub mod show;

/// The most lanes that one decision reads; the next one begins behind them.
const MAX_LANES: usize = 4_096;

/// What is left of what a project was served when it is forgotten, in seconds of a place.
const NEGLIGIBLE_S: f64 = 0.01;

/// What there may be at a runner.
#[must_use]
pub fn limits(app: &App, runner: &str) -> Limits {
    let queue = &app.settings.queue;
    let limit = |limit: u32| (limit > 0).then(|| usize::try_from(limit).unwrap_or(usize::MAX));
    let pools = queue.pools.iter().filter(|pool| pool.runner == runner);
    Limits {
        running: queue.max_running.get(runner).copied().and_then(limit),
        session: limit(queue.max_per_session),
        weights: queue.weights.clone(),
        pools: pools.map(|pool| (pool.name.clone(), pool.slot_ids())).collect(),
        ageing: seconds(queue.ageing_s),
    }
}

/// Refuses what could never run at this runner, whatever happens there.
///
/// # Errors
/// [`AppError::Invalid`] that says why; also if there is no such runner.
pub fn check_possible(
    app: &App,
    runner: &str,
    project: &str,
    priority: i64,
    requires: &Labels,
    slots: &Needs,
) -> Result<()> {
    let has_agents = app.runners.known(runner)?.pulls();
    possible::check(&limits(app, runner), has_agents, project, priority, requires, slots)
        .map_err(|why| AppError::Invalid(format!("the runner `{runner}` could never run it: {why}")))
}

/// Whether the order in which runs fell due is all there is to decide at this runner.
///
/// # Errors
/// If the database refuses.
pub async fn is_plain(app: &App, conn: &mut Conn<'_>, runner: &str) -> store::Result<bool> {
    let is_limited = app.settings.queue.max_running.get(runner).is_some_and(|limit| *limit > 0);
    Ok(!is_limited && !store::queue::has_lanes(conn, runner).await?)
}

/// Decides who takes these places at a runner. Those that are returned are locked and have their places and slots: the
/// caller brings them to the runner in the same transaction, which for a runner that is asked is to say `submitting`, and for
/// an agent `running`.
///
/// An offer without a place is somebody who is there and busy.
///
/// # Errors
/// If the database refuses.
pub async fn pick(app: &App, conn: &mut Conn<'_>, runner: &str, offers: &[Offer]) -> store::Result<Vec<Taken>> {
    let places: usize = offers.iter().map(|offer| offer.places).sum();
    if places == 0 {
        return Ok(Vec::new());
    }
    let after = store::queue::lock(conn, runner).await?;
    // The clock is read under the lock: who decided before has decided earlier.
    let now = app.now();
    let lanes = lanes(conn, runner, &after).await?;
    let next = if lanes.len() < MAX_LANES { "" } else { lanes.last().map_or("", String::as_str) };
    if next != after {
        store::queue::begin_after(conn, runner, next).await?;
    }
    let heads = heads(conn, runner, &lanes, places, now).await?;
    let usage = settled_usage(app, conn, runner, now).await?;
    let waiting: Vec<Waiting> = heads.into_iter().map(waiting).collect();
    let mut taken = queue::picks(&waiting, &usage, &limits(app, runner), offers, now);
    if taken.is_empty() {
        return Ok(taken);
    }
    let ids: Vec<RunId> = taken.iter().map(|taken| taken.id).collect();
    let locked: BTreeSet<RunId> = store::queue::lock_waiting(conn, &ids, now).await?.into_iter().collect();
    taken.retain(|taken| locked.contains(&taken.id));
    store::queue::take(conn, runner, &taken, now).await?;
    Ok(taken)
}

/// Makes a run that waits as urgent as this.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it does not wait any more; [`AppError::Invalid`] for what is no priority.
pub async fn set_priority(app: &App, id: RunId, priority: i64) -> Result<()> {
    if !(queue::MIN_PRIORITY..=queue::MAX_PRIORITY).contains(&priority) {
        let words = format!("want a number from {} to {}", queue::MIN_PRIORITY, queue::MAX_PRIORITY);
        return Err(AppError::Invalid(format!("the priority {priority} is none: {words}")));
    }
    let mut tx = app.db.begin().await?;
    let run = store::run::lock(&mut tx.conn(), id).await?.ok_or_else(|| not_found(id))?;
    let terms = Terms { priority, ..run.terms };
    if !store::queue::set_priority(&mut tx.conn(), id, &terms).await? {
        return Err(AppError::Conflict(format!("{id} does not wait any more ({})", run.state)));
    }
    tx.commit().await?;
    app.bells.dispatch.ring();
    Ok(())
}

/// Rings for those that wait for the end of a run, once that is durable: for a place or a slot, or for what came of it.
pub fn freed(app: &App) {
    app.bells.advance.ring();
    if app.settings.queue.has_limits() {
        app.bells.dispatch.ring();
    }
}

/// The names of the lanes, from behind this one on and around.
async fn lanes(conn: &mut Conn<'_>, runner: &str, after: &str) -> store::Result<Vec<String>> {
    let most = |left: usize| i64::try_from(left).unwrap_or(i64::MAX);
    let mut lanes = store::queue::lanes(conn, runner, after, most(MAX_LANES)).await?;
    if !after.is_empty() && lanes.len() < MAX_LANES {
        let before = store::queue::lanes(conn, runner, "", most(MAX_LANES - lanes.len())).await?;
        lanes.extend(before.into_iter().take_while(|lane| lane.as_str() <= after));
    }
    Ok(lanes)
}

/// The first of each lane, and of those that are of none.
async fn heads(
    conn: &mut Conn<'_>,
    runner: &str,
    lanes: &[String],
    each: usize,
    now: DateTime<Utc>,
) -> store::Result<Vec<Head>> {
    let each = i64::try_from(each).unwrap_or(i64::MAX);
    let mut heads = store::queue::plain(conn, runner, each, now).await?;
    if !lanes.is_empty() {
        heads.extend(store::queue::heads(conn, runner, lanes, each, now).await?);
    }
    Ok(heads)
}

fn waiting(head: Head) -> Waiting {
    Waiting {
        id: head.id,
        project: head.terms.project,
        session: head.terms.session_id,
        priority: head.terms.priority,
        since: head.created_at,
        requires: head.terms.requires.map(|requires| requires.0).unwrap_or_default(),
        slots: head.terms.slots.map(|slots| slots.0).unwrap_or_default(),
        held: None,
    }
}

/// What there is at a runner now, after the runs that are no more there were counted for their projects and freed.
async fn settled_usage(app: &App, conn: &mut Conn<'_>, runner: &str, now: DateTime<Utc>) -> store::Result<Usage> {
    let past = store::queue::past(conn, runner).await?;
    if !past.is_empty() {
        let ids: Vec<RunId> = past.iter().map(|past| past.id).collect();
        store::queue::free(conn, &ids).await?;
        let charged: BTreeSet<&str> = past.iter().map(|past| past.project.as_str()).collect();
        let served = served(app, conn, runner, &past, now).await?;
        let (worth, gone): (Vec<_>, Vec<_>) = served.iter().partition(|(_, served)| **served > NEGLIGIBLE_S);
        let shares: Vec<Share> = worth
            .into_iter()
            .filter(|(project, _)| charged.contains(project.as_str()))
            .map(|(project, served)| Share { project: project.clone(), served: *served, served_at: now })
            .collect();
        store::queue::put_shares(conn, runner, &shares).await?;
        let gone: Vec<&str> = gone.into_iter().take(500).map(|(project, _)| project.as_str()).collect();
        if !gone.is_empty() {
            store::queue::forget_shares(conn, runner, &gone).await?;
        }
    }
    usage(app, conn, runner, now).await
}

/// What there is at a runner now.
async fn usage(app: &App, conn: &mut Conn<'_>, runner: &str, now: DateTime<Utc>) -> store::Result<Usage> {
    let past = store::queue::past(conn, runner).await?;
    let mut usage = Usage { served: served(app, conn, runner, &past, now).await?, ..Usage::default() };
    for run in store::queue::active(conn, runner).await? {
        usage.running += 1;
        if let Some(session) = run.session_id {
            *usage.sessions.entry(session).or_default() += 1;
        }
        *usage.served.entry(run.project).or_default() += share::cost(run.taken_at, now);
    }
    for slot in store::queue::taken(conn, runner).await? {
        usage.taken.entry(slot.pool).or_default().insert(slot.slot, slot.run_id);
    }
    Ok(usage)
}

/// What each project was served, as it counts now, with what these had that are no more there.
async fn served(
    app: &App,
    conn: &mut Conn<'_>,
    runner: &str,
    past: &[store::queue::Past],
    now: DateTime<Utc>,
) -> store::Result<BTreeMap<String, f64>> {
    let half_life = seconds(app.settings.queue.half_life_s);
    let mut served: BTreeMap<String, f64> = store::queue::shares(conn, runner)
        .await?
        .into_iter()
        .map(|share| (share.project, share::decayed(share.served, now - share.served_at, half_life)))
        .collect();
    for run in past {
        // One that was given back without an end has had nothing.
        let Some(finished_at) = run.finished_at else { continue };
        *served.entry(run.project.clone()).or_default() += share::cost(run.taken_at, finished_at);
    }
    Ok(served)
}
