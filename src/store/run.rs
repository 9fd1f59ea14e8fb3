//! Runs and the tests that they plan.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::observation::Observation;
use crate::domain::run::{RunKind, RunRequest, RunState};
use crate::domain::status::Status;
use crate::ids::{BuildId, RunId, WorkerId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Page;
use crate::store::query::{Insert, SKIP_LOCKED};

/// A run as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What it runs.
    pub kind: RunKind,
    /// The build that it builds; only of a build run.
    pub build_id: Option<BuildId>,
    /// KCIDB's id of the build that it tests; only of a run of tests.
    pub build_ref: Option<String>,
    /// Who runs it.
    pub runner: String,
    /// 1 for the first attempt.
    pub attempt: i64,
    /// The attempt before this one.
    pub previous_id: Option<RunId>,
    /// Whether this is the attempt that counts.
    pub live: bool,
    /// What is asked of the runner.
    pub request: Json<RunRequest>,
    /// The same at every repetition of the submission.
    pub client_token: Uuid,
    /// The secret in the callback URL.
    pub capability: String,
    /// How far it is.
    pub state: RunState,
    /// What came of it; set when it is over.
    pub status: Option<Status>,
    /// Why, in words, where there is more to say than the status.
    pub reason: Option<String>,
    /// Why it waits, in words; `None` when nothing holds it up.
    pub waiting: Option<String>,
    /// The runner's own id of it.
    pub uid: Option<String>,
    /// What its end was reported with.
    pub observation: Option<Json<Observation>>,
    /// How often its present step was tried in vain.
    pub tries: i64,
    /// When its next step is due.
    pub due_at: DateTime<Utc>,
    /// The claim that holds it.
    pub lease_holder: Option<WorkerId>,
    /// When the runner must be told again to stop it.
    pub stop_due_at: Option<DateTime<Utc>>,
    /// When it was past its deadline and the runner was first asked to stop it.
    pub stop_asked_at: Option<DateTime<Utc>>,
    /// When it was planned.
    pub created_at: DateTime<Utc>,
    /// When the runner was first asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// When the runner accepted it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it began to run there.
    pub started_at: Option<DateTime<Utc>>,
    /// When we stop waiting for it.
    pub deadline_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
}

macro_rules! columns {
    () => {
        "id, kind, build_id, build_ref, runner, attempt, previous_id, live, request, client_token, capability, state, \
         status, reason, waiting, uid, observation, tries, due_at, lease_holder, stop_due_at, stop_asked_at, \
         created_at, asked_at, accepted_at, started_at, deadline_at, finished_at"
    };
}

/// A run that is to be planned.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The build, of a build run.
    pub build_id: Option<BuildId>,
    /// KCIDB's id of the build, of a run of tests.
    pub build_ref: Option<String>,
    /// Who is to run it.
    pub runner: String,
    /// 1 for the first attempt.
    pub attempt: i64,
    /// The attempt before this one.
    pub previous_id: Option<RunId>,
    /// What is asked of the runner.
    pub request: RunRequest,
    /// The same at every repetition of the submission.
    pub client_token: Uuid,
    /// The secret in the callback URL.
    pub capability: String,
    /// Now: when it is planned and due.
    pub now: DateTime<Utc>,
    /// The tests that it plans, `boot` of a boot test; none of a build.
    pub tests: Vec<PlannedTest>,
}

/// A test that a run plans.
#[derive(Clone, Debug)]
pub struct PlannedTest {
    /// Its name.
    pub name: String,
    /// The SHA-256 of all that makes two tests the same.
    pub identity: [u8; 32],
}

/// Plans runs. A test that another live run holds already is left out; a run of tests that has none left is not
/// planned. Returns for each run, in their order, the names of the tests that it holds; `None` if it was not planned.
///
/// # Errors
/// If the database refuses.
pub async fn plan(conn: &mut Conn<'_>, runs: &[impl Borrow<NewRun>]) -> Result<Vec<Option<Vec<String>>>> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO run (id, kind, build_id, build_ref, runner, attempt, previous_id, live, request, client_token, \
               capability, state, tries, due_at, created_at) VALUES ",
        columns: 15,
        tail: "",
    };
    const INSERT_TEST: Insert = Insert {
        head: "INSERT INTO run_test (run_id, name, position, identity, live) VALUES ",
        columns: 5,
        tail: " ON CONFLICT DO NOTHING RETURNING run_id, name",
    };
    let runs: Vec<&NewRun> = runs.iter().map(Borrow::borrow).collect();
    INSERT
        .execute(conn, &runs, |query, run| {
            query
                .bind(run.id)
                .bind(run.request.kind())
                .bind(run.build_id)
                .bind(run.build_ref.as_deref())
                .bind(run.runner.as_str())
                .bind(run.attempt)
                .bind(run.previous_id)
                .bind(true)
                .bind(Json(&run.request))
                .bind(run.client_token)
                .bind(run.capability.as_str())
                .bind(RunState::Planned)
                .bind(0_i64)
                .bind(run.now)
                .bind(run.now)
        })
        .await?;
    let mut tests: Vec<(RunId, usize, &PlannedTest)> = runs
        .iter()
        .flat_map(|run| run.tests.iter().enumerate().map(|(position, test)| (run.id, position, test)))
        .collect();
    // Two transactions that plan the same tests must take the rows of the unique key in the same order.
    tests.sort_by_key(|(_, _, test)| test.identity);
    let held: Vec<(RunId, String)> = INSERT_TEST
        .fetch_all(conn, &tests, |query, (run, position, test)| {
            query
                .bind(*run)
                .bind(test.name.as_str())
                .bind(i64::try_from(*position).unwrap_or(i64::MAX))
                .bind(test.identity.as_slice())
                .bind(true)
        })
        .await?;
    let held: std::collections::HashSet<(RunId, &str)> = held.iter().map(|(run, name)| (*run, name.as_str())).collect();
    let mut planned = Vec::with_capacity(runs.len());
    for run in runs {
        let names: Vec<String> = run
            .tests
            .iter()
            .map(|test| &test.name)
            .filter(|name| held.contains(&(run.id, name.as_str())))
            .cloned()
            .collect();
        if run.tests.is_empty() || names.len() == run.tests.len() {
            planned.push(Some(names));
        } else if names.is_empty() {
            conn.query("DELETE FROM run WHERE id = $1").bind(run.id).execute().await?;
            planned.push(None);
        } else {
            let mut request = run.request.clone();
            if let RunRequest::Tests(tests) = &mut request {
                tests.tests.clone_from(&names);
            }
            conn.query("UPDATE run SET request = $1 WHERE id = $2").bind(Json(request)).bind(run.id).execute().await?;
            planned.push(Some(names));
        }
    }
    Ok(planned)
}

/// Ends the reign of a run that is over, so that another attempt can take its place. False if it is not over, or has
/// been superseded already.
///
/// # Errors
/// If the database refuses.
pub async fn supersede(conn: &mut Conn<'_>, id: RunId) -> Result<bool> {
    let touched = conn
        .query("UPDATE run SET live = $1 WHERE id = $2 AND live AND state IN ('finished', 'canceled')")
        .bind(false)
        .bind(id)
        .execute()
        .await?;
    if touched == 1 {
        conn.query("UPDATE run_test SET live = $1 WHERE run_id = $2").bind(false).bind(id).execute().await?;
    }
    Ok(touched == 1)
}

/// The names and identities of the tests that a run planned, in their order.
///
/// # Errors
/// If the database refuses.
pub async fn tests(conn: &mut Conn<'_>, id: RunId) -> Result<Vec<(String, Vec<u8>)>> {
    conn.query("SELECT name, identity FROM run_test WHERE run_id = $1 ORDER BY position").bind(id).fetch_all().await
}

/// The run with this id.
///
/// # Errors
/// If the database refuses.
pub async fn by_id(conn: &mut Conn<'_>, id: RunId) -> Result<Option<Run>> {
    conn.query(concat!("SELECT ", columns!(), " FROM run WHERE id = $1")).bind(id).fetch_optional().await
}

/// The run with this id, locked until the transaction ends, so that two that change it do so one after the other.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, id: RunId) -> Result<Option<Run>> {
    conn.query(concat!("SELECT ", columns!(), " FROM run WHERE id = $1"))
        .push(crate::store::query::FOR_UPDATE)
        .bind(id)
        .fetch_optional()
        .await
}

/// The runs with these ids, locked until the transaction ends, in the order of their ids.
///
/// # Errors
/// If the database refuses.
pub async fn lock_all(conn: &mut Conn<'_>, ids: &[RunId]) -> Result<Vec<Run>> {
    conn.query(concat!("SELECT ", columns!(), " FROM run WHERE id IN "))
        .push_list(ids.iter().copied())
        .push(" ORDER BY id")
        .push(crate::store::query::FOR_UPDATE)
        .fetch_all()
        .await
}

/// The run that this capability belongs to.
///
/// # Errors
/// If the database refuses.
pub async fn by_capability(conn: &mut Conn<'_>, capability: &str) -> Result<Option<(RunId, String, RunKind)>> {
    conn.query("SELECT id, runner, kind FROM run WHERE capability = $1").bind(capability).fetch_optional().await
}

/// The run that its runner knows by this uid.
///
/// # Errors
/// If the database refuses.
pub async fn by_uid(conn: &mut Conn<'_>, runner: &str, uid: &str) -> Result<Option<RunId>> {
    let row: Option<(RunId,)> =
        conn.query("SELECT id FROM run WHERE runner = $1 AND uid = $2").bind(runner).bind(uid).fetch_optional().await?;
    Ok(row.map(|(id,)| id))
}

/// The live runs of these builds.
///
/// # Errors
/// If the database refuses.
pub async fn live_of_builds(conn: &mut Conn<'_>, builds: &[BuildId]) -> Result<Vec<Run>> {
    let mut runs = Vec::with_capacity(builds.len());
    for builds in builds.chunks(200) {
        runs.extend(
            conn.query(concat!("SELECT ", columns!(), " FROM run WHERE live AND build_id IN "))
                .push_list(builds.iter().copied())
                .fetch_all::<Run>()
                .await?,
        );
    }
    Ok(runs)
}

/// What a listing of runs is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Runs in one of these states.
    pub states: Vec<RunState>,
    /// Runs that ended with one of these.
    pub statuses: Vec<Status>,
    /// Runs of one of these kinds.
    pub kinds: Vec<RunKind>,
    /// Runs of this build of ours.
    pub build_id: Option<BuildId>,
    /// Runs for this build, by KCIDB's id.
    pub build_ref: Option<String>,
    /// Runs at this runner.
    pub runner: Option<String>,
    /// The run that the runner knows by this uid.
    pub uid: Option<String>,
}

/// A page of runs, newest first; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: Page) -> Result<(Vec<Run>, bool)> {
    let mut query = conn.query(concat!("SELECT ", columns!(), " FROM run WHERE 1 = 1"));
    if !filter.states.is_empty() {
        query = query.push(" AND state IN ").push_list(filter.states.iter().copied());
    }
    if !filter.statuses.is_empty() {
        query = query.push(" AND status IN ").push_list(filter.statuses.iter().copied());
    }
    if !filter.kinds.is_empty() {
        query = query.push(" AND kind IN ").push_list(filter.kinds.iter().copied());
    }
    if let Some(build) = filter.build_id {
        query = query.push(" AND build_id = ").push_bind(build);
    }
    for (condition, value) in
        [(" AND build_ref = ", &filter.build_ref), (" AND runner = ", &filter.runner), (" AND uid = ", &filter.uid)]
    {
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

/// Prolongs a lease. False if it was lost.
///
/// # Errors
/// If the database refuses.
pub async fn renew(conn: &mut Conn<'_>, id: RunId, lease: Lease) -> Result<bool> {
    let touched = conn
        .query("UPDATE run SET lease_until = $1 WHERE id = $2 AND lease_holder = $3")
        .bind(lease.until)
        .bind(id)
        .bind(lease.worker)
        .execute()
        .await?;
    Ok(touched == 1)
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
                 WHERE runner = $1 AND state = $2 AND state IN ('planned', 'submitting', 'running', 'collecting')",
            )
            .bind(runner)
            .bind(*state)
            .fetch_one()
            .await?;
        first = [first, next].into_iter().flatten().min();
    }
    Ok(first)
}

/// A worker's hold on what it claims.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Who holds it.
    pub worker: WorkerId,
    /// Now.
    pub now: DateTime<Utc>,
    /// Until when nobody else takes it.
    pub until: DateTime<Utc>,
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
    let touched = conn
        .query(
            "UPDATE run SET state = 'running', uid = $1, accepted_at = $2, due_at = $3, deadline_at = $4, tries = 0,
                waiting = NULL, lease_holder = NULL, lease_until = NULL
             WHERE id = $5 AND state IN ('planned', 'submitting')",
        )
        .bind(uid)
        .bind(now)
        .bind(next_poll)
        .bind(deadline)
        .bind(id)
        .execute()
        .await?;
    Ok(touched == 1)
}

/// Notes the uid of a run that was over before its runner answered: the runner must be told (again) to stop it, whatever
/// a claim that is under way comes to. False if the uid was known already.
///
/// # Errors
/// If the database refuses.
pub async fn note_uid(conn: &mut Conn<'_>, id: RunId, uid: &str, now: DateTime<Utc>) -> Result<bool> {
    let touched = conn
        .query(
            "UPDATE run SET uid = $1,
                stop_due_at = CASE WHEN state IN ('finished', 'canceled') THEN $2 ELSE stop_due_at END,
                lease_holder = CASE WHEN state IN ('finished', 'canceled') THEN NULL ELSE lease_holder END,
                lease_until = CASE WHEN state IN ('finished', 'canceled') THEN NULL ELSE lease_until END
             WHERE id = $3 AND uid IS NULL",
        )
        .bind(uid)
        .bind(now)
        .bind(id)
        .execute()
        .await?;
    Ok(touched == 1)
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
    let touched = conn
        .query(
            "UPDATE run SET state = $1, waiting = $2, tries = $3, due_at = $4, lease_holder = NULL, lease_until = NULL
             WHERE id = $5 AND lease_holder = $6 AND state NOT IN ('finished', 'canceled')",
        )
        .bind(step.state)
        .bind(step.waiting)
        .bind(step.tries)
        .bind(step.due_at)
        .bind(step.id)
        .bind(worker)
        .execute()
        .await?;
    Ok(touched == 1)
}

/// The runner says that the run runs.
///
/// # Errors
/// If the database refuses.
pub async fn started(conn: &mut Conn<'_>, id: RunId, at: DateTime<Utc>) -> Result<bool> {
    let touched = conn
        .query("UPDATE run SET started_at = $1 WHERE id = $2 AND started_at IS NULL AND state NOT IN ('finished', 'canceled')")
        .bind(at)
        .bind(id)
        .execute()
        .await?;
    Ok(touched == 1)
}

/// The runner says that the run is over: its results are to be fetched. False if it is over here already.
///
/// # Errors
/// If the database refuses.
pub async fn collecting(conn: &mut Conn<'_>, id: RunId, observation: &Observation, now: DateTime<Utc>) -> Result<bool> {
    let touched = conn
        .query(
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
        .execute()
        .await?;
    Ok(touched == 1)
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
    let touched = conn
        .query(
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
        .execute()
        .await?;
    Ok(touched == 1)
}

/// Makes the next poll of a running run due now.
///
/// # Errors
/// If the database refuses.
pub async fn poll_now(conn: &mut Conn<'_>, id: RunId, now: DateTime<Utc>) -> Result<bool> {
    let touched = conn
        .query("UPDATE run SET due_at = $1 WHERE id = $2 AND state = 'running' AND due_at > $1")
        .bind(now)
        .bind(id)
        .execute()
        .await?;
    Ok(touched == 1)
}

/// Notes when the runner was first asked to stop a run that is past its deadline.
///
/// # Errors
/// If the database refuses.
pub async fn asked_to_stop(conn: &mut Conn<'_>, id: RunId, now: DateTime<Utc>) -> Result<bool> {
    let touched = conn
        .query("UPDATE run SET stop_asked_at = $1 WHERE id = $2 AND stop_asked_at IS NULL")
        .bind(now)
        .bind(id)
        .execute()
        .await?;
    Ok(touched == 1)
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
    let touched = conn
        .query(
            "UPDATE run SET stop_due_at = $1, tries = $2, lease_holder = NULL, lease_until = NULL
             WHERE id = $3 AND lease_holder = $4",
        )
        .bind(again)
        .bind(tries)
        .bind(id)
        .bind(worker)
        .execute()
        .await?;
    Ok(touched == 1)
}
