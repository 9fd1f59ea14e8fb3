//! Runs in agents' hands. The holds under which background tasks claim rows stand in [`lease`](crate::store::lease).
//!
//! Who changes a lease locks it before its run, and its agent before both.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;

use crate::domain::agent::Labels;
use crate::domain::agent_lease::LeaseState;
use crate::domain::event::{LEASE_ENDED, LEASE_GRANTED, LEASE_LOST, LEASE_RELEASED, RUN_ACCEPTED};
use crate::ids::{AgentId, AgentLeaseId, CallbackId, RunId, SessionId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::event::{self, NewEvent};
use crate::store::page::Page;
use crate::store::query::FOR_UPDATE;

/// A lease as stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct AgentLease {
    /// Its id, which is also the run's uid while it lasts.
    pub id: AgentLeaseId,
    /// The run.
    pub run_id: RunId,
    /// Who has it.
    pub agent_id: AgentId,
    /// The name of who has it.
    pub agent: String,
    /// The run's attempt.
    pub generation: i64,
    /// What became of it.
    pub state: LeaseState,
    /// Why, in words, where there is more to say than the state.
    pub reason: Option<String>,
    /// When the agent got it.
    pub granted_at: DateTime<Utc>,
    /// When it ends unless a heartbeat comes.
    pub expires_at: DateTime<Utc>,
    /// When the agent was last heard of about it.
    pub seen_at: DateTime<Utc>,
    /// When the agent was to stop.
    pub canceled_at: Option<DateTime<Utc>>,
    /// Why it was to stop.
    pub cancel_reason: Option<String>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// The number that its first line of log has in the log of the run.
    pub log_first: i64,
    /// The SHA-256 of the results that were taken.
    pub digest: Option<Vec<u8>>,
    /// What keeps the results that came too late.
    pub late_id: Option<CallbackId>,
}

macro_rules! columns {
    () => {
        "id, run_id, agent_id, (SELECT name FROM agent WHERE agent.id = lease.agent_id) AS agent, generation, state, reason, \
         granted_at, expires_at, seen_at, canceled_at, cancel_reason, ended_at, log_first, digest, late_id"
    };
}

/// Some of the planned runs of a runner that may start now, in the order in which it is their turn, with the labels that
/// each requires of its agent: `limit` of them, after the first `offset`.
///
/// # Errors
/// If the database refuses.
pub async fn planned(
    conn: &mut Conn<'_>,
    runner: &str,
    now: DateTime<Utc>,
    (limit, offset): (i64, i64),
) -> Result<Vec<(RunId, Option<Json<Labels>>)>> {
    conn.query(
        "SELECT id, requires FROM run
         WHERE runner = $1 AND state = 'planned' AND held IS NULL AND due_at <= $2 AND kind <> 'build'
         ORDER BY priority DESC, due_at, id LIMIT $3 OFFSET $4",
    )
    .bind(runner)
    .bind(now)
    .bind(limit)
    .bind(offset)
    .fetch_all()
    .await
}

/// How often agents gave a run back without having begun it.
///
/// # Errors
/// If the database refuses.
pub async fn count_released(conn: &mut Conn<'_>, run: RunId) -> Result<i64> {
    let (count,): (i64,) =
        conn.query("SELECT count(*) FROM lease WHERE run_id = $1 AND state = 'released'").bind(run).fetch_one().await?;
    Ok(count)
}

/// A lease that is to be granted.
#[derive(Clone, Copy, Debug)]
pub struct NewLease {
    /// Its id.
    pub id: AgentLeaseId,
    /// The run.
    pub run: RunId,
    /// Who gets it.
    pub agent: AgentId,
    /// When it ends unless a heartbeat comes.
    pub expires_at: DateTime<Utc>,
    /// How many lines the log of the run has already.
    pub log_first: i64,
    /// When the run is first looked at.
    pub poll_at: DateTime<Utc>,
    /// When we stop waiting for the run.
    pub deadline_at: DateTime<Utc>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Puts a planned run into an agent's hands, and tells it as events: it runs, and its uid is the lease's id. False if it is not planned any more,
/// or may not start.
///
/// # Errors
/// If the database refuses; [`crate::store::Error::Conflict`] if the agent has another run in its hands.
pub async fn grant(conn: &mut Conn<'_>, lease: &NewLease) -> Result<bool> {
    let granted: Option<(String, i64, Option<SessionId>, Option<String>)> = conn
        .query(
            "UPDATE run SET state = 'running', uid = $1, asked_at = $2, accepted_at = $2, due_at = $3, deadline_at = $4,
                waiting = NULL, lease_holder = NULL, lease_until = NULL
             WHERE id = $5 AND state = 'planned' AND held IS NULL
             RETURNING runner, attempt, session_id, build_ref",
        )
        .bind(lease.id.to_string())
        .bind(lease.now)
        .bind(lease.poll_at)
        .bind(lease.deadline_at)
        .bind(lease.run)
        .fetch_optional()
        .await?;
    let Some((runner, generation, session_id, build_ref)) = granted else { return Ok(false) };
    let told = |kind, document| NewEvent {
        run_id: Some(lease.run),
        session_id,
        build_ref: build_ref.clone(),
        ..NewEvent::new(kind, lease.now, document)
    };
    let granted = json!({"lease": lease.id, "agent": lease.agent, "generation": generation});
    let accepted = json!({"runner": runner, "uid": lease.id});
    event::record(conn, &[told(LEASE_GRANTED, granted), told(RUN_ACCEPTED, accepted)]).await?;
    conn.query(
        "INSERT INTO lease (id, run_id, agent_id, generation, state, granted_at, expires_at, seen_at, log_first)
         SELECT $1, id, $2, attempt, 'held', $3, $4, $3, $5 FROM run WHERE id = $6",
    )
    .bind(lease.id)
    .bind(lease.agent)
    .bind(lease.now)
    .bind(lease.expires_at)
    .bind(lease.log_first)
    .bind(lease.run)
    .execute_one()
    .await
}

/// Takes a run that an agent gave back to where it was before it was granted, due then. False if it is over.
///
/// # Errors
/// If the database refuses.
pub async fn give_back(
    conn: &mut Conn<'_>,
    run: RunId,
    lease: AgentLeaseId,
    (why, tries, due_at): (&str, i64, DateTime<Utc>),
) -> Result<bool> {
    conn.query(
        "UPDATE run SET state = 'planned', uid = NULL, asked_at = NULL, accepted_at = NULL, started_at = NULL,
            deadline_at = NULL, stop_asked_at = NULL, waiting = $1, tries = $2, due_at = $3, lease_holder = NULL,
            lease_until = NULL
         WHERE id = $4 AND uid = $5 AND state = 'running'",
    )
    .bind(why)
    .bind(tries)
    .bind(due_at)
    .bind(run)
    .bind(lease.to_string())
    .execute_one()
    .await
}

/// The lease with this id.
///
/// # Errors
/// If the database refuses.
pub async fn by_id(conn: &mut Conn<'_>, id: AgentLeaseId) -> Result<Option<AgentLease>> {
    conn.query(concat!("SELECT ", columns!(), " FROM lease WHERE id = $1")).bind(id).fetch_optional().await
}

/// The lease with this id, locked until the transaction ends.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, id: AgentLeaseId) -> Result<Option<AgentLease>> {
    conn.query(concat!("SELECT ", columns!(), " FROM lease WHERE id = $1"))
        .push(FOR_UPDATE)
        .bind(id)
        .fetch_optional()
        .await
}

/// The lease that an agent holds.
///
/// # Errors
/// If the database refuses.
pub async fn held_by(conn: &mut Conn<'_>, agent: AgentId) -> Result<Option<AgentLease>> {
    conn.query(concat!("SELECT ", columns!(), " FROM lease WHERE agent_id = $1 AND state = 'held'"))
        .bind(agent)
        .fetch_optional()
        .await
}

/// The newest lease of an agent.
///
/// # Errors
/// If the database refuses.
pub async fn newest(conn: &mut Conn<'_>, agent: AgentId) -> Result<Option<AgentLease>> {
    // The one that it holds, before any of those that were granted in the same microsecond.
    match held_by(conn, agent).await? {
        Some(held) => Ok(Some(held)),
        None => {
            conn.query(concat!("SELECT ", columns!(), " FROM lease WHERE agent_id = $1 ORDER BY id DESC LIMIT 1"))
                .bind(agent)
                .fetch_optional()
                .await
        }
    }
}

/// Notes that the agent was heard of: its lease ends then, unless it is heard of again. False if it is not held.
///
/// # Errors
/// If the database refuses.
pub async fn extend(conn: &mut Conn<'_>, id: AgentLeaseId, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<bool> {
    conn.query("UPDATE lease SET seen_at = $1, expires_at = $2 WHERE id = $3 AND state = 'held'")
        .bind(now)
        .bind(until)
        .bind(id)
        .execute_one()
        .await
}

/// Has an agent told to stop, at its next heartbeat. False if it was already, or holds the lease no more.
///
/// # Errors
/// If the database refuses.
pub async fn cancel(conn: &mut Conn<'_>, id: AgentLeaseId, reason: &str, now: DateTime<Utc>) -> Result<bool> {
    conn.query(
        "UPDATE lease SET canceled_at = $1, cancel_reason = $2 WHERE id = $3 AND state = 'held' AND canceled_at IS NULL",
    )
    .bind(now)
    .bind(reason)
    .bind(id)
    .execute_one()
    .await
}

/// How a lease ends.
#[derive(Clone, Copy, Debug)]
pub struct LeaseEnd<'a> {
    /// Any state but `Held`.
    pub state: LeaseState,
    /// Why, in words, where there is more to say.
    pub reason: Option<&'a str>,
    /// The SHA-256 of the results that were taken.
    pub digest: Option<&'a [u8; 32]>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Ends a lease, and tells it as an event. False if it was over already.
///
/// # Errors
/// If the database refuses.
pub async fn end(conn: &mut Conn<'_>, id: AgentLeaseId, end: LeaseEnd<'_>) -> Result<bool> {
    let ended: Option<(RunId, AgentId, i64)> = conn
        .query(
            "UPDATE lease SET state = $1, reason = $2, digest = $3, ended_at = $4 WHERE id = $5 AND state = 'held'
             RETURNING run_id, agent_id, generation",
        )
        .bind(end.state)
        .bind(end.reason)
        .bind(end.digest.map(<[u8; 32]>::as_slice))
        .bind(end.now)
        .bind(id)
        .fetch_optional()
        .await?;
    let Some((run, agent, generation)) = ended else { return Ok(false) };
    let kind = match end.state {
        LeaseState::Lost => LEASE_LOST,
        LeaseState::Released => LEASE_RELEASED,
        LeaseState::Held | LeaseState::Ended => LEASE_ENDED,
    };
    let document = json!({"lease": id, "agent": agent, "generation": generation, "reason": end.reason});
    event::record(conn, &[NewEvent { run_id: Some(run), ..NewEvent::new(kind, end.now, document) }]).await?;
    Ok(true)
}

/// Notes where results are kept that came too late; the first ones that did stay named.
///
/// # Errors
/// If the database refuses.
pub async fn note_late(conn: &mut Conn<'_>, id: AgentLeaseId, late: CallbackId) -> Result<bool> {
    conn.query("UPDATE lease SET late_id = $1 WHERE id = $2 AND late_id IS NULL")
        .bind(late)
        .bind(id)
        .execute_one()
        .await
}

/// Some of the leases that are held and have expired, those that did first.
///
/// # Errors
/// If the database refuses.
pub async fn expired(conn: &mut Conn<'_>, now: DateTime<Utc>, limit: i64) -> Result<Vec<AgentLeaseId>> {
    let rows: Vec<(AgentLeaseId,)> = conn
        .query("SELECT id FROM lease WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2")
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// When the next lease expires, if one is held.
///
/// # Errors
/// If the database refuses.
pub async fn next_expiry(conn: &mut Conn<'_>) -> Result<Option<DateTime<Utc>>> {
    let (next,): (Option<DateTime<Utc>>,) =
        conn.query("SELECT min(expires_at) FROM lease WHERE state = 'held'").fetch_one().await?;
    Ok(next)
}

/// What a listing of leases is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Leases in one of these states.
    pub states: Vec<LeaseState>,
    /// Leases of agents of this name, removed ones among them.
    pub agent: Option<String>,
    /// Leases of this run.
    pub run_id: Option<RunId>,
}

/// A page of leases, newest first; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: Page) -> Result<(Vec<AgentLease>, bool)> {
    let mut query = conn.query(concat!("SELECT ", columns!(), " FROM lease WHERE 1 = 1"));
    if !filter.states.is_empty() {
        query = query.push(" AND state IN ").push_list(filter.states.iter().copied());
    }
    if let Some(agent) = &filter.agent {
        query = query.push(" AND agent_id IN (SELECT id FROM agent WHERE name = ").push_bind(agent.as_str()).push(")");
    }
    if let Some(run) = filter.run_id {
        query = query.push(" AND run_id = ").push_bind(run);
    }
    if let Some(before) = page.before {
        query = query.push(" AND id < ").push_bind(before);
    }
    let rows = query.push(" ORDER BY id DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
