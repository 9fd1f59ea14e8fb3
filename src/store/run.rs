//! Runs and the tests that they plan.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::agent::Labels;
use crate::domain::event::RUN_PLANNED;
use crate::domain::observation::{Observation, TestOutcome};
use crate::domain::run::{RunKind, RunRequest, RunState};
use crate::domain::status::Status;
use crate::ids::{BuildId, RunId, SessionId, WorkerId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::event::{self, NewEvent};
use crate::store::page::Page;
use crate::store::query::Insert;

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
    /// Why it may not start now; `None` when it may.
    pub held: Option<String>,
    /// When its session took in what came of it.
    pub taken_at: Option<DateTime<Utc>>,
    /// Whose it is, and when it is its turn.
    #[sqlx(flatten)]
    pub terms: Terms,
}

/// Whose a run is, and what decides when it is its turn.
#[derive(Clone, Debug, Default, PartialEq, sqlx::FromRow)]
pub struct Terms {
    /// The session that it runs jobs or tests of.
    pub session_id: Option<SessionId>,
    /// Who shares the runners with others; empty where nobody was named.
    pub project: String,
    /// Higher goes first.
    pub priority: i64,
    /// The labels that its agent must have.
    pub requires: Option<Json<Labels>>,
    /// How many slots of which pools it takes.
    pub slots: Option<Json<BTreeMap<String, u32>>>,
}

impl Terms {
    /// The name of the lane of runs that are alike in this; empty where there is nothing to tell runs apart by.
    #[must_use]
    pub fn lane(&self) -> String {
        let requires = self.requires.as_ref().filter(|requires| !requires.0.0.is_empty());
        let slots = self.slots.as_ref().filter(|slots| !slots.0.is_empty());
        let is_plain = self.session_id.is_none() && self.project.is_empty() && self.priority == 0;
        if is_plain && requires.is_none() && slots.is_none() {
            return String::new();
        }
        let all = json!([self.session_id, self.project, self.priority, requires, slots]);
        let mut digest = hex::encode(Sha256::digest(all.to_string()));
        digest.truncate(32);
        digest
    }
}

/// The columns of a [`Run`], for statements that read or return one.
macro_rules! columns {
    () => {
        "id, kind, build_id, build_ref, runner, attempt, previous_id, live, request, client_token, capability, state, \
         status, reason, waiting, uid, observation, tries, due_at, lease_holder, stop_due_at, stop_asked_at, \
         created_at, asked_at, accepted_at, started_at, deadline_at, finished_at, held, taken_at, session_id, project, \
         priority, requires, slots"
    };
}
pub(super) use columns;

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
    /// Whose it is, and when it is its turn.
    pub terms: Terms,
}

impl NewRun {
    /// That it was planned, with so many tests.
    fn told(&self, tests: usize) -> NewEvent {
        let document = json!({
            "kind": self.request.kind(),
            "runner": self.runner,
            "attempt": self.attempt,
            "previous": self.previous_id,
            "build": self.build_id,
            "tests": tests,
        });
        NewEvent {
            run_id: Some(self.id),
            session_id: self.terms.session_id,
            build_ref: self.build_ref.clone(),
            ..NewEvent::new(RUN_PLANNED, self.now, document)
        }
    }
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
/// planned. What is planned is told as an event. Returns for each run, in their order, the names of the tests that it holds; `None` if it was not planned.
///
/// # Errors
/// If the database refuses.
pub async fn plan(conn: &mut Conn<'_>, runs: &[impl Borrow<NewRun>]) -> Result<Vec<Option<Vec<String>>>> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO run (id, kind, build_id, build_ref, runner, attempt, previous_id, live, request, client_token, \
               capability, state, tries, due_at, created_at, session_id, project, priority, requires, slots, lane) VALUES ",
        columns: 21,
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
                .bind(run.terms.session_id)
                .bind(run.terms.project.as_str())
                .bind(run.terms.priority)
                .bind(run.terms.requires.as_ref())
                .bind(run.terms.slots.as_ref())
                .bind(run.terms.lane())
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
    for run in &runs {
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
            match &mut request {
                RunRequest::Tests(tests) => tests.tests.clone_from(&names),
                RunRequest::Jobs(jobs) => jobs.jobs.retain(|definition| names.contains(&definition.job)),
                RunRequest::Build(_) | RunRequest::Boot(_) => {}
            }
            conn.query("UPDATE run SET request = $1 WHERE id = $2").bind(Json(request)).bind(run.id).execute().await?;
            planned.push(Some(names));
        }
    }
    let told: Vec<NewEvent> =
        runs.iter().zip(&planned).filter_map(|(run, held)| held.as_ref().map(|held| run.told(held.len()))).collect();
    event::record(conn, &told).await?;
    Ok(planned)
}

/// Ends the reign of a run that is over, so that another attempt can take its place. False if it is not over, or has
/// been superseded already.
///
/// # Errors
/// If the database refuses.
pub async fn supersede(conn: &mut Conn<'_>, id: RunId) -> Result<bool> {
    let ended = conn
        .query("UPDATE run SET live = $1 WHERE id = $2 AND live AND state IN ('finished', 'canceled')")
        .bind(false)
        .bind(id)
        .execute_one()
        .await?;
    if ended {
        conn.query("UPDATE run_test SET live = $1 WHERE run_id = $2").bind(false).bind(id).execute().await?;
    }
    Ok(ended)
}

/// The runs that are over and hold one of these identities, in the order of their ids.
///
/// # Errors
/// If the database refuses.
pub async fn ended_with(conn: &mut Conn<'_>, identities: &[[u8; 32]]) -> Result<Vec<RunId>> {
    let mut found: Vec<RunId> = Vec::new();
    for some in identities.chunks(200) {
        let rows: Vec<(RunId,)> = conn
            .query(
                "SELECT run.id FROM run_test JOIN run ON run.id = run_test.run_id
                 WHERE run_test.live AND run.state IN ('finished', 'canceled') AND run_test.identity IN ",
            )
            .push_list(some.iter().map(<[u8; 32]>::as_slice))
            .fetch_all()
            .await?;
        found.extend(rows.into_iter().map(|(run,)| run));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The names and identities of the tests that a run planned, in their order.
///
/// # Errors
/// If the database refuses.
pub async fn tests(conn: &mut Conn<'_>, id: RunId) -> Result<Vec<(String, Vec<u8>)>> {
    conn.query("SELECT name, identity FROM run_test WHERE run_id = $1 ORDER BY position").bind(id).fetch_all().await
}

/// Notes what came of each test that a run planned.
///
/// # Errors
/// If the database refuses.
pub async fn conclude(conn: &mut Conn<'_>, id: RunId, tests: &[(String, TestOutcome)]) -> Result<()> {
    for (name, outcome) in tests {
        conn.query("UPDATE run_test SET outcome = $1 WHERE run_id = $2 AND name = $3")
            .bind(Json(outcome))
            .bind(id)
            .bind(name.as_str())
            .execute()
            .await?;
    }
    Ok(())
}

/// What came of the tests that a run planned, in their order; none of one that is not over.
///
/// # Errors
/// If the database refuses.
pub async fn outcomes(conn: &mut Conn<'_>, id: RunId) -> Result<Vec<(String, Option<Json<TestOutcome>>)>> {
    conn.query("SELECT name, outcome FROM run_test WHERE run_id = $1 ORDER BY position").bind(id).fetch_all().await
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
    /// Runs of jobs or tests of this session.
    pub session: Option<SessionId>,
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
    if let Some(session) = filter.session {
        query = query.push(" AND session_id IS NOT NULL AND session_id = ").push_bind(session);
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
