//! Whose turn it is at a runner: what waits there, what projects were served, and which slots are taken.
//!
//! A run is at its runner from `submitting` to `collecting`. It holds its slots for just as long, whoever ends it and
//! wherever: a row of `slot` counts only while its run is there, and the next decision removes it.

use chrono::{DateTime, Utc};

use crate::domain::queue::Taken;
use crate::ids::{RunId, SessionId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::query::{FOR_UPDATE, Insert, SKIP_LOCKED, Sql};
use crate::store::run::Terms;

/// The most runs at a runner that are counted.
const MAX_ACTIVE: i64 = 100_000;

/// Locks the queue of a runner until the transaction ends: nobody else decides for it meanwhile. Returns the lane behind which
/// the next reading of lanes begins.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, runner: &str) -> Result<String> {
    let select = async |conn: &mut Conn<'_>| -> Result<Option<(String,)>> {
        conn.query("SELECT after_lane FROM queue WHERE runner = $1")
            .push(FOR_UPDATE)
            .bind(runner)
            .fetch_optional()
            .await
    };
    if let Some((after,)) = select(conn).await? {
        return Ok(after);
    }
    conn.query("INSERT INTO queue (runner, after_lane) VALUES ($1, '') ON CONFLICT DO NOTHING")
        .bind(runner)
        .execute()
        .await?;
    Ok(select(conn).await?.map(|(after,)| after).unwrap_or_default())
}

/// Notes behind which lane the next reading begins.
///
/// # Errors
/// If the database refuses.
pub async fn begin_after(conn: &mut Conn<'_>, runner: &str, lane: &str) -> Result<bool> {
    conn.query("UPDATE queue SET after_lane = $1 WHERE runner = $2").bind(lane).bind(runner).execute_one().await
}

/// Whether a run waits at this runner whose turn is decided by more than when it came.
///
/// # Errors
/// If the database refuses.
pub async fn has_lanes(conn: &mut Conn<'_>, runner: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query(
            "SELECT lane FROM run
             WHERE runner = $1 AND state = 'planned' AND held IS NULL AND lane <> '' LIMIT 1",
        )
        .bind(runner)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Names of lanes with runs that wait at this runner, the first `limit` behind this one.
///
/// # Errors
/// If the database refuses.
pub async fn lanes(conn: &mut Conn<'_>, runner: &str, after: &str, limit: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query(
            // One look into the index for each lane, however many runs are of it.
            "WITH RECURSIVE lanes (lane, number) AS (
                SELECT (SELECT min(lane) FROM run
                        WHERE runner = $1 AND state = 'planned' AND held IS NULL AND lane <> '' AND lane > $2), 1
                UNION ALL
                SELECT (SELECT min(run.lane) FROM run
                        WHERE run.runner = $1 AND run.state = 'planned' AND run.held IS NULL AND run.lane <> ''
                            AND run.lane > lanes.lane), lanes.number + 1
                FROM lanes WHERE lanes.lane IS NOT NULL AND lanes.number < $3)
             SELECT lane FROM lanes WHERE lane IS NOT NULL ORDER BY lane",
        )
        .bind(runner)
        .bind(after)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(lane,)| lane).collect())
}

/// A run that waits and may start.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Head {
    /// The run.
    pub id: RunId,
    /// Since when it waits.
    pub created_at: DateTime<Utc>,
    /// Its lane; empty where it is of none.
    pub lane: String,
    /// Whose it is, and what it takes.
    #[sqlx(flatten)]
    pub terms: Terms,
}

/// The columns of a [`Head`].
macro_rules! head {
    () => {
        "run.id, run.created_at, run.lane, run.session_id, run.project, run.priority, run.requires, run.slots"
    };
}

/// The longest waiting runs of each of these lanes that are due, up to `each` of a lane.
///
/// # Errors
/// If the database refuses.
pub async fn heads(
    conn: &mut Conn<'_>,
    runner: &str,
    lanes: &[String],
    each: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Head>> {
    // SQLite knows no LATERAL, and PostgreSQL would look at every run for every lane without it.
    const STATEMENT: Sql = Sql {
        sqlite: concat!(
            "SELECT ",
            head!(),
            " FROM json_each($1) AS lanes CROSS JOIN run ON run.id IN (
                SELECT one.id FROM run AS one
                WHERE one.runner = $2 AND one.lane = lanes.value AND one.state = 'planned' AND one.held IS NULL
                    AND one.lane <> '' AND one.due_at <= $3 AND (one.lease_until IS NULL OR one.lease_until <= $3)
                ORDER BY one.created_at, one.id LIMIT $4)"
        ),
        postgres: concat!(
            "SELECT ",
            head!(),
            " FROM jsonb_array_elements_text($1) AS lanes (lane) CROSS JOIN LATERAL (
                SELECT * FROM run AS one
                WHERE one.runner = $2 AND one.lane = lanes.lane AND one.state = 'planned' AND one.held IS NULL
                    AND one.lane <> '' AND one.due_at <= $3 AND (one.lease_until IS NULL OR one.lease_until <= $3)
                ORDER BY one.created_at, one.id LIMIT $4) AS run"
        ),
    };
    conn.query(STATEMENT).bind(sqlx::types::Json(lanes)).bind(runner).bind(now).bind(each).fetch_all().await
}

/// The longest due runs that wait at this runner and are of no lane.
///
/// # Errors
/// If the database refuses.
pub async fn plain(conn: &mut Conn<'_>, runner: &str, limit: i64, now: DateTime<Utc>) -> Result<Vec<Head>> {
    conn.query(concat!(
        "SELECT ",
        head!(),
        " FROM run
         WHERE runner = $1 AND state = 'planned' AND state IN ('planned', 'submitting', 'running', 'collecting')
            AND held IS NULL AND lane = '' AND due_at <= $2 AND (lease_until IS NULL OR lease_until <= $2)
         ORDER BY due_at, id LIMIT $3"
    ))
    .bind(runner)
    .bind(now)
    .bind(limit)
    .fetch_all()
    .await
}

/// How many runs of its lane wait for longer than this one.
///
/// # Errors
/// If the database refuses.
pub async fn ahead_in_lane(
    conn: &mut Conn<'_>,
    runner: &str,
    lane: &str,
    created_at: DateTime<Utc>,
    id: RunId,
) -> Result<i64> {
    let (count,): (i64,) = conn
        .query(
            "SELECT count(*) FROM run
             WHERE runner = $1 AND lane = $2 AND state = 'planned' AND held IS NULL
                AND (created_at < $3 OR (created_at = $3 AND id < $4))",
        )
        .bind(runner)
        .bind(lane)
        .bind(created_at)
        .bind(id)
        .fetch_one()
        .await?;
    Ok(count)
}

/// How many runs of a project wait at a runner.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiters {
    /// The project.
    pub project: String,
    /// Those that may start.
    pub waiting: i64,
    /// Those that are held back.
    pub held: i64,
}

/// How many runs of each project wait at this runner. Reads them all: for people.
///
/// # Errors
/// If the database refuses.
pub async fn waiters(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Waiters>> {
    conn.query(
        "SELECT project, count(*) - count(held) AS waiting, count(held) AS held FROM run
         WHERE runner = $1 AND state = 'planned' AND state IN ('planned', 'submitting', 'running', 'collecting')
         GROUP BY project ORDER BY project",
    )
    .bind(runner)
    .fetch_all()
    .await
}

/// When the first run that waits at this runner and is not due yet will be.
///
/// # Errors
/// If the database refuses.
pub async fn next_due(conn: &mut Conn<'_>, runner: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let (next,): (Option<DateTime<Utc>>,) = conn
        .query(
            "SELECT min(due_at) FROM run
             WHERE runner = $1 AND state = 'planned' AND state IN ('planned', 'submitting', 'running', 'collecting')
                AND due_at > $2 AND held IS NULL",
        )
        .bind(runner)
        .bind(now)
        .fetch_one()
        .await?;
    Ok(next)
}

/// Those of these runs that still wait and may be taken, locked until the transaction ends.
///
/// # Errors
/// If the database refuses.
pub async fn lock_waiting(conn: &mut Conn<'_>, ids: &[RunId], now: DateTime<Utc>) -> Result<Vec<RunId>> {
    let rows: Vec<(RunId,)> = conn
        .query(
            "SELECT id FROM run
             WHERE state = 'planned' AND held IS NULL AND (lease_until IS NULL OR lease_until <= $1) AND id IN ",
        )
        .bind(now)
        .push_list(ids.iter().copied())
        .push(SKIP_LOCKED)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// A run at a runner.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Active {
    /// The run.
    pub id: RunId,
    /// Whose it is.
    pub project: String,
    /// The session that it is of.
    pub session_id: Option<SessionId>,
    /// Since when it has its place.
    pub taken_at: DateTime<Utc>,
}

/// The runs that have a place at this runner.
///
/// # Errors
/// If the database refuses.
pub async fn active(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Active>> {
    conn.query(
        "SELECT run.id, run.project, run.session_id,
            coalesce(place.taken_at, run.asked_at, run.accepted_at, run.created_at) AS taken_at
         FROM run LEFT JOIN place ON place.run_id = run.id
         WHERE run.runner = $1 AND run.state IN ('submitting', 'running') LIMIT $2",
    )
    .bind(runner)
    .bind(MAX_ACTIVE)
    .fetch_all()
    .await
}

/// A run that had a place.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Past {
    /// The run.
    pub id: RunId,
    /// Whose it is.
    pub project: String,
    /// From when.
    pub taken_at: DateTime<Utc>,
    /// Until when; none of one that was given back and waits again.
    pub finished_at: Option<DateTime<Utc>>,
}

/// The runs that had a place at this runner and are no more there.
///
/// # Errors
/// If the database refuses.
pub async fn past(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Past>> {
    conn.query(
        "SELECT run.id, run.project, place.taken_at, run.finished_at
         FROM place JOIN run ON run.id = place.run_id
         WHERE place.runner = $1 AND run.state NOT IN ('submitting', 'running', 'collecting')",
    )
    .bind(runner)
    .fetch_all()
    .await
}

/// Takes their places and slots from these runs.
///
/// # Errors
/// If the database refuses.
pub async fn free(conn: &mut Conn<'_>, runs: &[RunId]) -> Result<()> {
    for table in ["DELETE FROM place WHERE run_id IN ", "DELETE FROM slot WHERE run_id IN "] {
        for runs in runs.chunks(500) {
            conn.query(table).push_list(runs.iter().copied()).execute().await?;
        }
    }
    Ok(())
}

/// What a project was served.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Share {
    /// The project.
    pub project: String,
    /// In seconds of one place.
    pub served: f64,
    /// As it counted then.
    pub served_at: DateTime<Utc>,
}

/// What all projects were served at this runner.
///
/// # Errors
/// If the database refuses.
pub async fn shares(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Share>> {
    conn.query("SELECT project, served, served_at FROM share WHERE runner = $1 ORDER BY project")
        .bind(runner)
        .fetch_all()
        .await
}

/// Notes what these projects were served at this runner.
///
/// # Errors
/// If the database refuses.
pub async fn put_shares(conn: &mut Conn<'_>, runner: &str, shares: &[Share]) -> Result<()> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO share (runner, project, served, served_at) VALUES ",
        columns: 4,
        tail: " ON CONFLICT (runner, project) DO UPDATE SET served = excluded.served, served_at = excluded.served_at",
    };
    INSERT
        .execute(conn, shares, |query, share| {
            query.bind(runner).bind(share.project.as_str()).bind(share.served).bind(share.served_at)
        })
        .await?;
    Ok(())
}

/// Forgets what these projects were served at this runner.
///
/// # Errors
/// If the database refuses.
pub async fn forget_shares(conn: &mut Conn<'_>, runner: &str, projects: &[&str]) -> Result<u64> {
    conn.query("DELETE FROM share WHERE runner = $1 AND project IN ")
        .bind(runner)
        .push_list(projects.iter().copied())
        .execute()
        .await
}

/// A slot that a run holds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Slot {
    /// Its pool.
    pub pool: String,
    /// Its id in the pool.
    pub slot: String,
    /// Who holds it.
    pub run_id: RunId,
}

/// The slots that are taken at this runner.
///
/// # Errors
/// If the database refuses.
pub async fn taken(conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Slot>> {
    conn.query(
        "SELECT slot.pool, slot.slot, slot.run_id FROM slot JOIN run ON run.id = slot.run_id
         WHERE slot.runner = $1 AND run.state IN ('submitting', 'running', 'collecting')
         ORDER BY slot.pool, slot.slot",
    )
    .bind(runner)
    .fetch_all()
    .await
}

/// The slots that a run holds, in the order of their pools and ids.
///
/// # Errors
/// If the database refuses.
pub async fn slots_of(conn: &mut Conn<'_>, run: RunId) -> Result<Vec<Slot>> {
    conn.query(
        "SELECT slot.pool, slot.slot, slot.run_id FROM slot JOIN run ON run.id = slot.run_id
         WHERE slot.run_id = $1 AND run.state IN ('submitting', 'running', 'collecting')
         ORDER BY slot.pool, slot.slot",
    )
    .bind(run)
    .fetch_all()
    .await
}

/// Notes who takes which place with which slots. Whoever calls this brings the runs to the runner in the same transaction.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if a slot is taken already; otherwise if the database refuses.
pub async fn take(conn: &mut Conn<'_>, runner: &str, taken: &[Taken], now: DateTime<Utc>) -> Result<()> {
    const INSERT_PLACE: Insert =
        Insert { head: "INSERT INTO place (run_id, runner, taken_at) VALUES ", columns: 3, tail: "" };
    const INSERT_SLOT: Insert =
        Insert { head: "INSERT INTO slot (runner, pool, slot, run_id) VALUES ", columns: 4, tail: "" };
    INSERT_PLACE.execute(conn, taken, |query, one| query.bind(one.id).bind(runner).bind(now)).await?;
    let slots: Vec<(&str, &str, RunId)> = taken
        .iter()
        .flat_map(|one| {
            one.slots.iter().flat_map(|(pool, ids)| ids.iter().map(|slot| (pool.as_str(), slot.as_str(), one.id)))
        })
        .collect();
    if !slots.is_empty() {
        // A run that ended a moment ago has slots on record that are free already.
        conn.query(
            "DELETE FROM slot WHERE runner = $1 AND run_id IN (
                SELECT run.id FROM slot JOIN run ON run.id = slot.run_id
                WHERE slot.runner = $1 AND run.state NOT IN ('submitting', 'running', 'collecting'))",
        )
        .bind(runner)
        .execute()
        .await?;
    }
    INSERT_SLOT
        .execute(conn, &slots, |query, (pool, slot, run)| query.bind(runner).bind(*pool).bind(*slot).bind(*run))
        .await?;
    Ok(())
}

/// Makes a run that waits as urgent as these terms say. False if it does not wait any more.
///
/// # Errors
/// If the database refuses.
pub async fn set_priority(conn: &mut Conn<'_>, run: RunId, terms: &Terms) -> Result<bool> {
    conn.query("UPDATE run SET priority = $1, lane = $2 WHERE id = $3 AND state = 'planned'")
        .bind(terms.priority)
        .bind(terms.lane())
        .bind(run)
        .execute_one()
        .await
}
