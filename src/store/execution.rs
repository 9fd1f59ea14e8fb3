//! Executions: how sessions are run by this service.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;

use crate::domain::execution::{ExecutionState, Plan};
use crate::domain::run::TestedBuild;
use crate::ids::{BuildId, SessionId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::event::{self, NewEvent};
use crate::store::lease::Lease;
use crate::store::query::SKIP_LOCKED;

/// An execution as stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Execution {
    /// The session.
    pub session_id: SessionId,
    /// How far it is.
    pub state: ExecutionState,
    /// Why it is so, in words, where there is more to say.
    pub reason: Option<String>,
    /// How it is run.
    pub plan: Json<Plan>,
    /// Who shares the runners with others.
    pub project: String,
    /// Higher goes first.
    pub priority: i64,
    /// The build of ours that it is for.
    pub build_id: Option<BuildId>,
    /// KCIDB's id of the build that it is for; known once the build is over.
    pub build_ref: Option<String>,
    /// What is known of the build that it is for.
    pub tested: Option<Json<TestedBuild>>,
    /// The SHA-256, in hexadecimal digits, of the run list of whose jobs results are expected.
    pub run_list: Option<String>,
    /// When what has not come is missing.
    pub deadline_at: Option<DateTime<Utc>>,
    /// When it is to be looked at.
    pub due_at: Option<DateTime<Utc>>,
    /// How often something happened that it has to look at.
    pub wakes: i64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// By whom, where that is known.
    pub created_by: Option<String>,
    /// When its first job could be run.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Execution {
    /// That it is in this state.
    fn told(&self, at: DateTime<Utc>) -> NewEvent {
        let document = json!({
            "state": self.state,
            "reason": self.reason,
            "project": self.project,
            "priority": self.priority,
            "build": self.build_id,
            "by": self.created_by,
        });
        NewEvent {
            session_id: Some(self.session_id),
            build_ref: self.build_ref.clone(),
            ..NewEvent::new(crate::domain::event::execution(self.state), at, document)
        }
    }
}

const COLUMNS: &str = "session_id, state, reason, plan, project, priority, build_id, build_ref, tested, run_list, deadline_at, \
                       due_at, wakes, created_at, created_by, started_at, ended_at";

/// Stores an execution, and tells it as an event; [`crate::store::Error::Conflict`] if the session has one.
///
/// # Errors
/// If the database refuses.
pub async fn insert(conn: &mut Conn<'_>, new: &Execution) -> Result<()> {
    conn.query("INSERT INTO execution (")
        .push(COLUMNS)
        .push(") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)")
        .bind(new.session_id)
        .bind(new.state)
        .bind(new.reason.as_deref())
        .bind(&new.plan)
        .bind(new.project.as_str())
        .bind(new.priority)
        .bind(new.build_id)
        .bind(new.build_ref.as_deref())
        .bind(new.tested.as_ref())
        .bind(new.run_list.as_deref())
        .bind(new.deadline_at)
        .bind(new.due_at)
        .bind(new.wakes)
        .bind(new.created_at)
        .bind(new.created_by.as_deref())
        .bind(new.started_at)
        .bind(new.ended_at)
        .execute()
        .await?;
    event::record(conn, &[new.told(new.created_at)]).await
}

/// The execution of a session.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, session: SessionId) -> Result<Option<Execution>> {
    conn.query("SELECT ")
        .push(COLUMNS)
        .push(" FROM execution WHERE session_id = $1")
        .bind(session)
        .fetch_optional()
        .await
}

/// Writes how an execution stands, and tells as an event that it is in another state. Its session is locked. When it is due next stays if something happened since it was read that it has to look at.
///
/// # Errors
/// If the database refuses.
pub async fn settle(conn: &mut Conn<'_>, now: &Execution, at: DateTime<Utc>) -> Result<bool> {
    let before = get(conn, now.session_id).await?.map(|before| before.state);
    if before.is_some_and(|before| before != now.state) {
        event::record(conn, &[now.told(at)]).await?;
    }
    conn.query(
        "UPDATE execution SET state = $1, reason = $2, plan = $3, project = $4, priority = $5, build_ref = $6, tested = $7,
            deadline_at = $8, due_at = CASE WHEN wakes = $9 THEN $10 ELSE due_at END, started_at = $11, ended_at = $12,
            lease_holder = NULL, lease_until = NULL, run_list = $13
         WHERE session_id = $14",
    )
    .bind(now.state)
    .bind(now.reason.as_deref())
    .bind(&now.plan)
    .bind(now.project.as_str())
    .bind(now.priority)
    .bind(now.build_ref.as_deref())
    .bind(now.tested.as_ref())
    .bind(now.deadline_at)
    .bind(now.wakes)
    .bind(now.due_at)
    .bind(now.started_at)
    .bind(now.ended_at)
    .bind(now.run_list.as_deref())
    .bind(now.session_id)
    .execute_one()
    .await
}

/// Removes the execution of a session; what was expected of the session stays.
///
/// # Errors
/// If the database refuses.
pub async fn delete(conn: &mut Conn<'_>, session: SessionId) -> Result<bool> {
    conn.query("DELETE FROM execution WHERE session_id = $1").bind(session).execute_one().await
}

/// Has the execution of a session looked at, also one that is over: what comes late is noted. False if there is none.
///
/// # Errors
/// If the database refuses.
pub async fn wake(conn: &mut Conn<'_>, session: SessionId, now: DateTime<Utc>) -> Result<bool> {
    conn.query("UPDATE execution SET due_at = $1, wakes = wakes + 1 WHERE session_id = $2")
        .bind(now)
        .bind(session)
        .execute_one()
        .await
}

/// Has the executions that wait for a build looked at; how many they are.
///
/// # Errors
/// If the database refuses.
pub async fn wake_of_build(conn: &mut Conn<'_>, build: BuildId, now: DateTime<Utc>) -> Result<u64> {
    conn.query("UPDATE execution SET due_at = $1, wakes = wakes + 1 WHERE build_id = $2 AND state = 'waiting'")
        .bind(now)
        .bind(build)
        .execute()
        .await
}

/// Leases up to `limit` executions that are to be looked at to a worker, the longest due first.
///
/// # Errors
/// If the database refuses.
pub async fn claim(conn: &mut Conn<'_>, lease: Lease, limit: i64) -> Result<Vec<SessionId>> {
    let claimed: Vec<(SessionId,)> = conn
        .query(
            "UPDATE execution SET lease_holder = $1, lease_until = $2
             WHERE session_id IN (
                SELECT session_id FROM execution
                WHERE due_at IS NOT NULL AND due_at <= $3 AND (lease_until IS NULL OR lease_until <= $3)
                ORDER BY due_at, session_id LIMIT $4",
        )
        .push(SKIP_LOCKED)
        .push(") RETURNING session_id")
        .bind(lease.worker)
        .bind(lease.until)
        .bind(lease.now)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(claimed.into_iter().map(|(session,)| session).collect())
}

/// Gives a claim back, so that the execution can be claimed again at once if it is still to be looked at.
///
/// # Errors
/// If the database refuses.
pub async fn release(conn: &mut Conn<'_>, session: SessionId, lease: Lease) -> Result<()> {
    conn.query(
        "UPDATE execution SET lease_holder = NULL, lease_until = NULL WHERE session_id = $1 AND lease_holder = $2",
    )
    .bind(session)
    .bind(lease.worker)
    .execute()
    .await?;
    Ok(())
}

/// When the next execution is to be looked at, if there is one; not before the lease of whoever looks at it ends.
///
/// # Errors
/// If the database refuses.
pub async fn next_due(conn: &mut Conn<'_>) -> Result<Option<DateTime<Utc>>> {
    let (next,): (Option<DateTime<Utc>>,) = conn
        .query(
            "SELECT min(CASE WHEN lease_until > due_at THEN lease_until ELSE due_at END) FROM execution
             WHERE due_at IS NOT NULL",
        )
        .fetch_one()
        .await?;
    Ok(next)
}
