//! The runs of a session: those that are under way, and those that are over and that it has not looked at.

use chrono::{DateTime, Utc};

use crate::ids::{RunId, SessionId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::query::FOR_UPDATE;
use crate::store::run::{Run, columns};

/// Up to `limit` runs of a session that are over and not taken in, those that ended first.
///
/// # Errors
/// If the database refuses.
pub async fn ended(conn: &mut Conn<'_>, session: SessionId, limit: i64) -> Result<Vec<Run>> {
    conn.query(concat!(
        "SELECT ",
        columns!(),
        " FROM run WHERE session_id = $1 AND taken_at IS NULL AND session_id IS NOT NULL
            AND state IN ('finished', 'canceled') ORDER BY finished_at, id LIMIT $2"
    ))
    .bind(session)
    .bind(limit)
    .fetch_all()
    .await
}

/// Notes that these runs were taken in.
///
/// # Errors
/// If the database refuses.
pub async fn take(conn: &mut Conn<'_>, runs: &[RunId], now: DateTime<Utc>) -> Result<u64> {
    conn.query("UPDATE run SET taken_at = $1 WHERE id IN ").bind(now).push_list(runs.iter().copied()).execute().await
}

/// The jobs or tests of a session that a run has in hand which was not taken in, each with its run and whether that has not
/// been asked for yet.
///
/// # Errors
/// If the database refuses.
pub async fn in_hand(conn: &mut Conn<'_>, session: SessionId) -> Result<Vec<(String, RunId, bool)>> {
    conn.query(
        "SELECT run_test.name, run.id, run.state = 'planned' FROM run JOIN run_test ON run_test.run_id = run.id
         WHERE run.session_id = $1 AND run.session_id IS NOT NULL AND run.taken_at IS NULL",
    )
    .bind(session)
    .fetch_all()
    .await
}

/// The runs of a session that are not over, locked until the transaction ends, in the order of their ids.
///
/// # Errors
/// If the database refuses.
pub async fn lock_open(conn: &mut Conn<'_>, session: SessionId) -> Result<Vec<Run>> {
    conn.query(concat!(
        "SELECT ",
        columns!(),
        " FROM run WHERE session_id = $1 AND taken_at IS NULL AND session_id IS NOT NULL
            AND state NOT IN ('finished', 'canceled') ORDER BY id"
    ))
    .push(FOR_UPDATE)
    .bind(session)
    .fetch_all()
    .await
}

/// Holds the runs of a session back that are not over, for this reason, or lets them go; how many they are. It matters to those
/// that are planned, and to those that come to be planned again.
///
/// # Errors
/// If the database refuses.
pub async fn hold(conn: &mut Conn<'_>, session: SessionId, held: Option<&str>) -> Result<u64> {
    conn.query(
        "UPDATE run SET held = $1
         WHERE session_id = $2 AND taken_at IS NULL AND session_id IS NOT NULL
            AND state NOT IN ('finished', 'canceled')",
    )
    .bind(held)
    .bind(session)
    .execute()
    .await
}

/// Notes of all runs of a session that they were taken in: it is removed.
///
/// # Errors
/// If the database refuses.
pub async fn take_all(conn: &mut Conn<'_>, session: SessionId, now: DateTime<Utc>) -> Result<u64> {
    conn.query("UPDATE run SET taken_at = $1 WHERE session_id = $2 AND session_id IS NOT NULL AND taken_at IS NULL")
        .bind(now)
        .bind(session)
        .execute()
        .await
}
