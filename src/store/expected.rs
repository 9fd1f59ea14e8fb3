//! The results that are expected of sessions: what was to be run, what has come of it, and what is missing.

use chrono::{DateTime, Utc};

use crate::domain::status::Status;
use crate::ids::{RunId, SessionId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Stretch;
use crate::store::query::Insert;

/// A result that is expected.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Expected {
    /// The job.
    pub job_id: String,
    /// Where it stands in the order in which jobs were planned.
    pub place: i64,
    /// What came of it; `None` as long as it is missing.
    pub status: Option<Status>,
    /// Why, or what it waits for, in words.
    pub reason: Option<String>,
    /// The run that it was last part of.
    pub run_id: Option<RunId>,
    /// How often it was run.
    pub attempts: i64,
    /// How often it had been run when somebody asked for it again.
    pub earlier: i64,
    /// When it came.
    pub settled_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "job_id, place, status, reason, run_id, attempts, earlier, settled_at";

/// Expects results of these jobs, each at its place; those that are expected already stay as they are.
///
/// # Errors
/// If the database refuses.
pub async fn expect(conn: &mut Conn<'_>, session: SessionId, jobs: &[(i64, String)]) -> Result<()> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO expected_result (session_id, job_id, place, attempts, earlier) VALUES ",
        columns: 5,
        tail: " ON CONFLICT (session_id, job_id) DO NOTHING",
    };
    INSERT
        .execute(conn, jobs, |query, (place, job)| {
            query.bind(session).bind(job.as_str()).bind(*place).bind(0_i64).bind(0_i64)
        })
        .await
        .map(drop)
}

/// How many results are expected, and the place behind the last.
///
/// # Errors
/// If the database refuses.
pub async fn extent(conn: &mut Conn<'_>, session: SessionId) -> Result<(i64, i64)> {
    conn.query("SELECT count(*), coalesce(max(place) + 1, 0) FROM expected_result WHERE session_id = $1")
        .bind(session)
        .fetch_one()
        .await
}

/// What is to be written about an expected result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The job.
    pub job_id: String,
    /// What came of it; `None` while it is missing (again).
    pub status: Option<Status>,
    /// Why, or what it waits for.
    pub reason: Option<String>,
    /// The run that had to do with it, and which attempt it was; otherwise what stands there stays.
    pub run: Option<(RunId, i64)>,
    /// Whether a report says so already.
    pub is_reported: bool,
}

/// Writes what has come, or is missing again. What is not expected is passed over.
///
/// # Errors
/// If the database refuses.
pub async fn note(conn: &mut Conn<'_>, session: SessionId, changes: &[Change], now: DateTime<Utc>) -> Result<()> {
    for change in changes {
        let (run, attempts) = change.run.unzip();
        let settled_at = change.status.map(|_| now);
        conn.query(
            "UPDATE expected_result SET status = $1, reason = $2, run_id = coalesce($3, run_id),
                attempts = coalesce($4, attempts), settled_at = $5, reported_at = $6
             WHERE session_id = $7 AND job_id = $8",
        )
        .bind(change.status)
        .bind(change.reason.as_deref())
        .bind(run)
        .bind(attempts)
        .bind(settled_at)
        .bind(settled_at.filter(|_| change.is_reported))
        .bind(session)
        .bind(change.job_id.as_str())
        .execute()
        .await?;
    }
    Ok(())
}

/// Notes that somebody asks for these jobs again: they are missing, and the attempts so far do not count.
///
/// # Errors
/// If the database refuses.
pub async fn ask_again(conn: &mut Conn<'_>, session: SessionId, jobs: &[String], reason: &str) -> Result<()> {
    for some in jobs.chunks(200) {
        conn.query(
            "UPDATE expected_result SET status = NULL, reason = $1, settled_at = NULL, reported_at = NULL,
                earlier = attempts
             WHERE session_id = $2 AND job_id IN ",
        )
        .bind(reason)
        .bind(session)
        .push_list(some.iter().map(String::as_str))
        .execute()
        .await?;
    }
    Ok(())
}

/// Up to `limit` results that have come and that no report tells of, in their order.
///
/// # Errors
/// If the database refuses.
pub async fn unreported(conn: &mut Conn<'_>, session: SessionId, limit: i64) -> Result<Vec<Expected>> {
    conn.query("SELECT ")
        .push(COLUMNS)
        .push(
            " FROM expected_result WHERE session_id = $1 AND status IS NOT NULL AND reported_at IS NULL
             ORDER BY place LIMIT $2",
        )
        .bind(session)
        .bind(limit)
        .fetch_all()
        .await
}

/// Notes that reports tell of these jobs.
///
/// # Errors
/// If the database refuses.
pub async fn reported(conn: &mut Conn<'_>, session: SessionId, jobs: &[String], now: DateTime<Utc>) -> Result<()> {
    for some in jobs.chunks(200) {
        conn.query(
            "UPDATE expected_result SET reported_at = $1 WHERE session_id = $2 AND status IS NOT NULL AND job_id IN ",
        )
        .bind(now)
        .bind(session)
        .push_list(some.iter().map(String::as_str))
        .execute()
        .await?;
    }
    Ok(())
}

/// Settles all that is missing as MISS, for this reason; how many they are.
///
/// # Errors
/// If the database refuses.
pub async fn miss(conn: &mut Conn<'_>, session: SessionId, reason: &str, now: DateTime<Utc>) -> Result<u64> {
    conn.query(
        "UPDATE expected_result SET status = $1, reason = $2, settled_at = $3 WHERE session_id = $4 AND status IS NULL",
    )
    .bind(Status::Miss)
    .bind(reason)
    .bind(now)
    .bind(session)
    .execute()
    .await
}

/// What is expected of these jobs.
///
/// # Errors
/// If the database refuses.
pub async fn of_jobs(conn: &mut Conn<'_>, session: SessionId, jobs: &[String]) -> Result<Vec<Expected>> {
    let mut found = Vec::with_capacity(jobs.len());
    for some in jobs.chunks(200) {
        let rows: Vec<Expected> = conn
            .query("SELECT ")
            .push(COLUMNS)
            .push(" FROM expected_result WHERE session_id = $1 AND job_id IN ")
            .bind(session)
            .push_list(some.iter().map(String::as_str))
            .fetch_all()
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// How many results there are of each status; `None` counts those that are missing.
///
/// # Errors
/// If the database refuses.
pub async fn counts(conn: &mut Conn<'_>, session: SessionId) -> Result<Vec<(Option<Status>, i64)>> {
    conn.query("SELECT status, count(*) FROM expected_result WHERE session_id = $1 GROUP BY status ORDER BY status")
        .bind(session)
        .fetch_all()
        .await
}

/// A page of what is expected, in its order; the flag tells whether there is more. `missing` keeps those that have not come,
/// or those that have.
///
/// # Errors
/// If the database refuses.
pub async fn list(
    conn: &mut Conn<'_>,
    session: SessionId,
    missing: Option<bool>,
    page: &Stretch<i64>,
) -> Result<(Vec<Expected>, bool)> {
    let mut query =
        conn.query("SELECT ").push(COLUMNS).push(" FROM expected_result WHERE session_id = $1").bind(session);
    if let Some(missing) = missing {
        query = query.push(if missing { " AND status IS NULL" } else { " AND status IS NOT NULL" });
    }
    if let Some(place) = page.after {
        query = query.push(" AND place > ").push_bind(place);
    }
    let rows = query.push(" ORDER BY place LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
