//! The steps of runs: claimed, asked for, accepted, observed, ended, stopped. What a run is stands in
//! [`run`](crate::store::run).
//!
//! A step touches a run only in the states that it starts from, and one that was claimed only while the claim holds it:
//! the first end of a run stays.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::domain::observation::Observation;
use crate::domain::run::RunState;
use crate::domain::status::Status;
use crate::ids::{RunId, WorkerId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::lease::Lease;
use crate::store::query::SKIP_LOCKED;
use crate::store::run::{Run, columns};

/// Leases up to `limit` due runs of this runner to a worker: of each of these states in turn, the longest due first.
///
/// A state at a time, so that the index finds the due rows and no others, however many wait in other states. SQLite
/// takes a partial index only for a condition that repeats its own.
///
/// # Errors
/// If the database refuses.
pub async fn claim(
    conn: &mut Conn<'_>,
    states: &[RunState],
    runner: &str,
    lease: Lease,
    limit: i64,
) -> Result<Vec<Run>> {
    let mut claimed = Vec::new();
    for state in states {
        let left = limit - i64::try_from(claimed.len()).unwrap_or(limit);
        if left <= 0 {
            break;
        }
        let some: Vec<Run> = conn
            .query(
                "UPDATE run SET lease_holder = $1, lease_until = $2
                 WHERE id IN (
                    SELECT id FROM run
                    WHERE runner = $3 AND state = $4 AND state IN ('planned', 'submitting', 'running', 'collecting')
                        AND due_at <= $5 AND (lease_until IS NULL OR lease_until <= $5)
                        AND (state <> 'planned' OR held IS NULL)
                    ORDER BY due_at, id LIMIT $6",
            )
            .push(SKIP_LOCKED)
            .push(concat!(") RETURNING ", columns!()))
            .bind(lease.worker)
            .bind(lease.until)
            .bind(runner)
            .bind(*state)
            .bind(lease.now)
            .bind(left)
            .fetch_all()
            .await?;
        claimed.extend(some);
    }
    Ok(claimed)
}

/// Leases these runs to a worker, those of them that wait and that nobody holds.
///
/// # Errors
/// If the database refuses.
pub async fn claim_waiting(conn: &mut Conn<'_>, ids: &[RunId], lease: Lease) -> Result<Vec<Run>> {
    conn.query(
        "UPDATE run SET lease_holder = $1, lease_until = $2
         WHERE state = 'planned' AND (lease_until IS NULL OR lease_until <= $3) AND id IN ",
    )
    .bind(lease.worker)
    .bind(lease.until)
    .bind(lease.now)
    .push_list(ids.iter().copied())
    .push(concat!(" RETURNING ", columns!()))
    .fetch_all()
    .await
}

/// Prolongs a lease. False if it was lost.
///
/// # Errors
/// If the database refuses.
pub async fn renew(conn: &mut Conn<'_>, id: RunId, lease: Lease) -> Result<bool> {
    conn.query("UPDATE run SET lease_until = $1 WHERE id = $2 AND lease_holder = $3")
        .bind(lease.until)
        .bind(id)
        .bind(lease.worker)
        .execute_one()
        .await
}

/// When the next step of a run of this runner in these states is due, if there is one.
///
/// # Errors
/// If the database refuses.
pub async fn next_due(conn: &mut Conn<'_>, states: &[RunState], runner: &str) -> Result<Option<DateTime<Utc>>> {
    let mut first = None;
    for state in states {
        let (next,): (Option<DateTime<Utc>>,) = conn
            .query(
                "SELECT min(due_at) FROM run
                 WHERE runner = $1 AND state = $2 AND state IN ('planned', 'submitting', 'running', 'collecting')
                    AND (state <> 'planned' OR held IS NULL)",
            )
            .bind(runner)
            .bind(*state)
            .fetch_one()
            .await?;
        first = [first, next].into_iter().flatten().min();
    }
    Ok(first)
}

/// Notes, before the runner is asked, that it is about to be: the intent that a crash must find.
///
/// # Errors
/// If the database refuses.
pub async fn asking(conn: &mut Conn<'_>, ids: &[RunId], now: DateTime<Utc>) -> Result<u64> {
    conn.query(
        "UPDATE run SET state = 'submitting', asked_at = coalesce(asked_at, $1) WHERE state = 'planned' AND id IN ",
    )
    .bind(now)
    .push_list(ids.iter().copied())
    .execute()
    .await
}

/// The runner accepted the run and gave it this uid. False if another has settled the run meanwhile.
///
/// # Errors
/// If the database refuses; [`crate::store::Error::Conflict`] if another run of the runner has this uid.
pub async fn accepted(
    conn: &mut Conn<'_>,
    id: RunId,
    uid: &str,
    now: DateTime<Utc>,
    next_poll: DateTime<Utc>,
    deadline: DateTime<Utc>,
) -> Result<bool> {
    conn.query(
        "UPDATE run SET state = 'running', uid = $1, accepted_at = $2, due_at = $3, deadline_at = $4, tries = 0,
            waiting = NULL, lease_holder = NULL, lease_until = NULL
         WHERE id = $5 AND state IN ('planned', 'submitting')",
    )
    .bind(uid)
    .bind(now)
    .bind(next_poll)
    .bind(deadline)
    .bind(id)
    .execute_one()
    .await
}

/// Notes the uid of a run that was over before its runner answered: the runner must be told (again) to stop it, whatever
/// a claim that is under way comes to. False if the uid was known already.
///
/// # Errors
/// If the database refuses.
pub async fn note_uid(conn: &mut Conn<'_>, id: RunId, uid: &str, now: DateTime<Utc>) -> Result<bool> {
    conn.query(
        "UPDATE run SET uid = $1,
            stop_due_at = CASE WHEN state IN ('finished', 'canceled') THEN $2 ELSE stop_due_at END,
            lease_holder = CASE WHEN state IN ('finished', 'canceled') THEN NULL ELSE lease_holder END,
            lease_until = CASE WHEN state IN ('finished', 'canceled') THEN NULL ELSE lease_until END
         WHERE id = $3 AND uid IS NULL",
    )
    .bind(uid)
    .bind(now)
    .bind(id)
    .execute_one()
    .await
}

/// A step that has to wait.
#[derive(Clone, Debug)]
pub struct Postponed<'a> {
    /// The run.
    pub id: RunId,
    /// The state that it goes (back) to.
    pub state: RunState,
    /// Why it waits, in words.
    pub waiting: Option<&'a str>,
    /// How often its present step has been tried in vain.
    pub tries: i64,
    /// When it is due again.
    pub due_at: DateTime<Utc>,
}

/// Gives a leased run back, due later. False if the lease was lost.
///
/// # Errors
/// If the database refuses.
pub async fn postpone(conn: &mut Conn<'_>, worker: WorkerId, step: Postponed<'_>) -> Result<bool> {
    conn.query(
        "UPDATE run SET state = $1, waiting = $2, tries = $3, due_at = $4, lease_holder = NULL, lease_until = NULL
         WHERE id = $5 AND lease_holder = $6 AND state NOT IN ('finished', 'canceled')",
    )
    .bind(step.state)
    .bind(step.waiting)
    .bind(step.tries)
    .bind(step.due_at)
    .bind(step.id)
    .bind(worker)
    .execute_one()
    .await
}

/// The runner says that the run runs.
///
/// # Errors
/// If the database refuses.
pub async fn started(conn: &mut Conn<'_>, id: RunId, at: DateTime<Utc>) -> Result<bool> {
    conn.query(
        "UPDATE run SET started_at = $1 WHERE id = $2 AND started_at IS NULL AND state NOT IN ('finished', 'canceled')",
    )
    .bind(at)
    .bind(id)
    .execute_one()
    .await
}

/// The runner says that the run is over: its results are to be fetched. False if it is over here already.
///
/// # Errors
/// If the database refuses.
pub async fn collecting(conn: &mut Conn<'_>, id: RunId, observation: &Observation, now: DateTime<Utc>) -> Result<bool> {
    conn.query(
        "UPDATE run SET state = 'collecting', observation = $1, uid = coalesce(uid, $2),
            started_at = coalesce($3, started_at), due_at = $4, tries = 0, waiting = NULL,
            lease_holder = NULL, lease_until = NULL
         WHERE id = $5 AND state IN ('planned', 'submitting', 'running')",
    )
    .bind(Json(observation))
    .bind(observation.uid.as_str())
    .bind(observation.started_at)
    .bind(now)
    .bind(id)
    .execute_one()
    .await
}

/// How a run ends.
#[derive(Clone, Debug)]
pub struct End<'a> {
    /// `Finished` or `Canceled`.
    pub state: RunState,
    /// What came of it.
    pub status: Status,
    /// Why, in words.
    pub reason: Option<&'a str>,
    /// What its end was reported with.
    pub observation: Option<&'a Observation>,
    /// Now.
    pub now: DateTime<Utc>,
    /// When the runner must be told to stop it, if it may still run there.
    pub stop_due_at: Option<DateTime<Utc>>,
}

/// Ends a run. False if it was over already: then nothing may be recorded of it.
///
/// # Errors
/// If the database refuses.
pub async fn end(conn: &mut Conn<'_>, id: RunId, end: &End<'_>) -> Result<bool> {
    conn.query(
        "UPDATE run SET state = $1, status = $2, reason = $3, observation = coalesce($4, observation),
            uid = coalesce(uid, $5), started_at = coalesce($6, started_at), finished_at = $7, stop_due_at = $8,
            tries = 0, waiting = NULL, lease_holder = NULL, lease_until = NULL
         WHERE id = $9 AND state NOT IN ('finished', 'canceled')",
    )
    .bind(end.state)
    .bind(end.status)
    .bind(end.reason)
    .bind(end.observation.map(Json))
    .bind(end.observation.map(|observation| observation.uid.as_str()))
    .bind(end.observation.and_then(|observation| observation.started_at))
    .bind(end.now)
    .bind(end.stop_due_at)
    .bind(id)
    .execute_one()
    .await
}

/// Makes the next poll of a running run due now.
///
/// # Errors
/// If the database refuses.
pub async fn poll_now(conn: &mut Conn<'_>, id: RunId, now: DateTime<Utc>) -> Result<bool> {
    conn.query("UPDATE run SET due_at = $1 WHERE id = $2 AND state = 'running' AND due_at > $1")
        .bind(now)
        .bind(id)
        .execute_one()
        .await
}

/// Notes when the runner was first asked to stop a run that is past its deadline.
///
/// # Errors
/// If the database refuses.
pub async fn asked_to_stop(conn: &mut Conn<'_>, id: RunId, now: DateTime<Utc>) -> Result<bool> {
    conn.query("UPDATE run SET stop_asked_at = $1 WHERE id = $2 AND stop_asked_at IS NULL")
        .bind(now)
        .bind(id)
        .execute_one()
        .await
}

/// Leases up to `limit` ended runs of this runner, which must still be told to stop.
///
/// # Errors
/// If the database refuses.
pub async fn claim_stops(conn: &mut Conn<'_>, runner: &str, lease: Lease, limit: i64) -> Result<Vec<Run>> {
    conn.query(
        "UPDATE run SET lease_holder = $1, lease_until = $2
         WHERE id IN (
            SELECT id FROM run WHERE runner = $3 AND stop_due_at <= $4 AND (lease_until IS NULL OR lease_until <= $4)
            ORDER BY stop_due_at, id LIMIT $5",
    )
    .push(SKIP_LOCKED)
    .push(concat!(") RETURNING ", columns!()))
    .bind(lease.worker)
    .bind(lease.until)
    .bind(runner)
    .bind(lease.now)
    .bind(limit)
    .fetch_all()
    .await
}

/// When the next stop is due, if there is one.
///
/// # Errors
/// If the database refuses.
pub async fn next_stop(conn: &mut Conn<'_>, runner: &str) -> Result<Option<DateTime<Utc>>> {
    let (next,): (Option<DateTime<Utc>>,) = conn
        .query("SELECT min(stop_due_at) FROM run WHERE stop_due_at IS NOT NULL AND runner = $1")
        .bind(runner)
        .fetch_one()
        .await?;
    Ok(next)
}

/// The runner was told to stop (`again` is `None`), or must be told again then.
///
/// # Errors
/// If the database refuses.
pub async fn stopped(
    conn: &mut Conn<'_>,
    worker: WorkerId,
    id: RunId,
    again: Option<DateTime<Utc>>,
    tries: i64,
) -> Result<bool> {
    conn.query(
        "UPDATE run SET stop_due_at = $1, tries = $2, lease_holder = NULL, lease_until = NULL
         WHERE id = $3 AND lease_holder = $4",
    )
    .bind(again)
    .bind(tries)
    .bind(id)
    .bind(worker)
    .execute_one()
    .await
}
