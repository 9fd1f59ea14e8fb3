//! The inbox: callbacks as they came in, taken first and understood later.

use std::borrow::Borrow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::domain::callback::{CallbackState, Trust};
use crate::ids::{CallbackId, RunId, WorkerId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::lease::Lease;
use crate::store::page::Page;
use crate::store::query::{Insert, SKIP_LOCKED, Sql};

/// A callback as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Callback {
    /// Its id.
    pub id: CallbackId,
    /// Whose callback it is.
    pub runner: String,
    /// Why we believe it.
    pub trust: Trust,
    /// The run that it tells of, once known.
    pub run_id: Option<RunId>,
    /// The runner's id of the job that it tells of.
    pub uid: Option<String>,
    /// The body, as it came.
    pub body: Vec<u8>,
    /// What became of it.
    pub state: CallbackState,
    /// Why it waits or was not applied, in words.
    pub reason: Option<String>,
    /// How often it came again.
    pub repeats: i64,
    /// When it came first.
    pub received_at: DateTime<Utc>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
}

macro_rules! columns {
    () => {
        "id, runner, trust, run_id, uid, body, state, reason, repeats, received_at, settled_at"
    };
}

/// A callback that came in.
#[derive(Clone, Debug)]
pub struct NewCallback {
    /// Its id, if it is new.
    pub id: CallbackId,
    /// Whose callback it is.
    pub runner: String,
    /// The SHA-256 of runner, trust, run, state and body: what makes two callbacks the same.
    pub digest: [u8; 32],
    /// Why we believe it.
    pub trust: Trust,
    /// The run that it tells of, where the capability named it.
    pub run_id: Option<RunId>,
    /// The runner's id of the job that it tells of.
    pub uid: Option<String>,
    /// The body, as it came.
    pub body: Vec<u8>,
    /// `Pending`, or `Refused` with a reason for one that cannot be understood.
    pub state: CallbackState,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Takes callbacks in. One that is known already changes nothing but its count of repeats. Returns for each whether it
/// is new.
///
/// # Errors
/// If the database refuses.
pub async fn receive(conn: &mut Conn<'_>, callbacks: &[impl Borrow<NewCallback>]) -> Result<Vec<bool>> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO callback (id, runner, digest, trust, run_id, uid, body, state, reason, repeats, due_at, \
               received_at, settled_at) VALUES ",
        columns: 13,
        tail: " ON CONFLICT (digest) DO NOTHING RETURNING id",
    };
    // Two transactions that take the same callbacks in must meet the unique key in the same order.
    let callbacks: Vec<&NewCallback> = callbacks.iter().map(Borrow::borrow).collect();
    let mut ordered = callbacks.clone();
    ordered.sort_by_key(|callback| callback.digest);
    let new: Vec<(CallbackId,)> = INSERT
        .fetch_all(conn, &ordered, |query, callback| {
            query
                .bind(callback.id)
                .bind(callback.runner.as_str())
                .bind(callback.digest.as_slice())
                .bind(callback.trust)
                .bind(callback.run_id)
                .bind(callback.uid.as_deref())
                .bind(callback.body.as_slice())
                .bind(callback.state)
                .bind(callback.reason.as_deref())
                .bind(0_i64)
                .bind(callback.now)
                .bind(callback.now)
                .bind((callback.state != CallbackState::Pending).then_some(callback.now))
        })
        .await?;
    let new: std::collections::HashSet<CallbackId> = new.into_iter().map(|(id,)| id).collect();
    let mut repeats: HashMap<[u8; 32], i64> = HashMap::new();
    for callback in callbacks.iter().filter(|callback| !new.contains(&callback.id)) {
        *repeats.entry(callback.digest).or_default() += 1;
    }
    let mut repeats: Vec<_> = repeats.into_iter().collect();
    repeats.sort_unstable();
    for (digest, times) in repeats {
        conn.query("UPDATE callback SET repeats = repeats + $1 WHERE digest = $2")
            .bind(times)
            .bind(digest.as_slice())
            .execute()
            .await?;
    }
    Ok(callbacks.iter().map(|callback| new.contains(&callback.id)).collect())
}

/// The callback with this id.
///
/// # Errors
/// If the database refuses.
pub async fn by_id(conn: &mut Conn<'_>, id: CallbackId) -> Result<Option<Callback>> {
    conn.query(concat!("SELECT ", columns!(), " FROM callback WHERE id = $1")).bind(id).fetch_optional().await
}

/// Leases up to `limit` due callbacks to a worker, the oldest first.
///
/// # Errors
/// If the database refuses.
pub async fn claim(conn: &mut Conn<'_>, lease: Lease, limit: i64) -> Result<Vec<Callback>> {
    conn.query(
        "UPDATE callback SET lease_holder = $1, lease_until = $2
         WHERE id IN (
            SELECT id FROM callback
            WHERE state = 'pending' AND due_at <= $3 AND (lease_until IS NULL OR lease_until <= $3)
            ORDER BY due_at, id LIMIT $4",
    )
    .push(SKIP_LOCKED)
    .push(concat!(") RETURNING ", columns!()))
    .bind(lease.worker)
    .bind(lease.until)
    .bind(lease.now)
    .bind(limit)
    .fetch_all()
    .await
}

/// When the next callback is due, if there is one.
///
/// # Errors
/// If the database refuses.
pub async fn next_due(conn: &mut Conn<'_>) -> Result<Option<DateTime<Utc>>> {
    let (next,): (Option<DateTime<Utc>>,) =
        conn.query("SELECT min(due_at) FROM callback WHERE state = 'pending'").fetch_one().await?;
    Ok(next)
}

/// Settles a leased callback. False if the lease was lost.
///
/// # Errors
/// If the database refuses.
pub async fn settle(
    conn: &mut Conn<'_>,
    worker: WorkerId,
    id: CallbackId,
    outcome: (CallbackState, Option<RunId>, Option<&str>),
    now: DateTime<Utc>,
) -> Result<bool> {
    let (state, run, reason) = outcome;
    conn.query(
        "UPDATE callback SET state = $1, run_id = coalesce(run_id, $2), reason = $3, settled_at = $4,
            lease_holder = NULL, lease_until = NULL
         WHERE id = $5 AND lease_holder = $6 AND state = 'pending'",
    )
    .bind(state)
    .bind(run)
    .bind(reason)
    .bind(now)
    .bind(id)
    .bind(worker)
    .execute_one()
    .await
}

/// Settles leased callbacks as applied to the runs that they were known to be about. Returns how many.
///
/// # Errors
/// If the database refuses.
pub async fn applied(conn: &mut Conn<'_>, worker: WorkerId, ids: &[CallbackId], now: DateTime<Utc>) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    conn.query(
        "UPDATE callback SET state = 'applied', reason = NULL, settled_at = $1, lease_holder = NULL, lease_until = NULL
         WHERE lease_holder = $2 AND state = 'pending' AND run_id IS NOT NULL AND id IN ",
    )
    .bind(now)
    .bind(worker)
    .push_list(ids.iter().copied())
    .execute()
    .await
}

/// Gives a leased callback back, to be looked at again later.
///
/// # Errors
/// If the database refuses.
pub async fn postpone(
    conn: &mut Conn<'_>,
    worker: WorkerId,
    id: CallbackId,
    reason: &str,
    due_at: DateTime<Utc>,
) -> Result<bool> {
    conn.query(
        "UPDATE callback SET reason = $1, due_at = $2, lease_holder = NULL, lease_until = NULL
         WHERE id = $3 AND lease_holder = $4 AND state = 'pending'",
    )
    .bind(reason)
    .bind(due_at)
    .bind(id)
    .bind(worker)
    .execute_one()
    .await
}

/// Makes the callbacks that wait for this uid due: it has just become known. Returns how many there are.
///
/// # Errors
/// If the database refuses.
pub async fn wake(conn: &mut Conn<'_>, runner: &str, uid: &str, now: DateTime<Utc>) -> Result<u64> {
    conn.query("UPDATE callback SET due_at = $1 WHERE runner = $2 AND uid = $3 AND state = 'pending'")
        .bind(now)
        .bind(runner)
        .bind(uid)
        .execute()
        .await
}

/// How many callbacks that nobody could authenticate wait for a run that nobody knows.
///
/// # Errors
/// If the database refuses.
pub async fn count_unknown(conn: &mut Conn<'_>) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT count(*) FROM callback WHERE state = 'pending' AND run_id IS NULL AND trust = 'none'")
        .fetch_one()
        .await?;
    Ok(count)
}

/// Whether a callback about this run that nobody could authenticate has come since then.
///
/// # Errors
/// If the database refuses.
pub async fn hinted_since(conn: &mut Conn<'_>, run: RunId, since: DateTime<Utc>) -> Result<bool> {
    let row: Option<(CallbackId,)> = conn
        .query("SELECT id FROM callback WHERE run_id = $1 AND trust = 'none' AND received_at > $2 LIMIT 1")
        .bind(run)
        .bind(since)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Forgets callbacks that came before `before` and for which no run was found, or which nobody could authenticate.
/// Returns how many there were.
///
/// # Errors
/// If the database refuses.
pub async fn expire(conn: &mut Conn<'_>, before: DateTime<Utc>) -> Result<u64> {
    conn.query(
        "DELETE FROM callback WHERE received_at < $1 AND (trust = 'none' OR (state = 'pending' AND run_id IS NULL))",
    )
    .bind(before)
    .execute()
    .await
}

/// What a listing of callbacks is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Callbacks in one of these states.
    pub states: Vec<CallbackState>,
    /// Callbacks that tell of this run.
    pub run_id: Option<RunId>,
    /// Callbacks of this runner.
    pub runner: Option<String>,
    /// Callbacks about this job of the runner.
    pub uid: Option<String>,
}

/// A page of callbacks without their bodies, newest first; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: Page) -> Result<(Vec<Callback>, bool)> {
    let mut query = conn
        .query("SELECT id, runner, trust, run_id, uid, ")
        .push(Sql { sqlite: "x''", postgres: "''::bytea" })
        .push(" AS body, state, reason, repeats, received_at, settled_at FROM callback WHERE 1 = 1");
    if !filter.states.is_empty() {
        query = query.push(" AND state IN ").push_list(filter.states.iter().copied());
    }
    if let Some(run) = filter.run_id {
        query = query.push(" AND run_id = ").push_bind(run);
    }
    for (condition, value) in [(" AND runner = ", &filter.runner), (" AND uid = ", &filter.uid)] {
        if let Some(value) = value {
            query = query.push(condition).push_bind(value.as_str());
        }
    }
    if let Some(before) = page.before {
        query = query.push(" AND id < ").push_bind(before);
    }
    let rows = query.push(" ORDER BY id DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
