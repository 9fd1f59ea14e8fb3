//! Sessions that this service runs: started, paused, resumed, cancelled, run again; what is expected of them.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::execution::{self, For, Rerun, Standing, Start};
use crate::app::seconds;
use crate::domain::agent::Labels;
use crate::domain::execution::{ExecutionState, Plan};
use crate::domain::run::TestedBuild;
use crate::domain::status::Status;
use crate::http::access::check_priority;
use crate::http::body;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::sessions::{Changing, id_of, session_of};
use crate::ids::{BuildId, RunId, SessionId};
use crate::store::expected::Expected;

/// The farthest deadline.
const MAX_DEADLINE: TimeDelta = TimeDelta::days(366);

/// How a session is to be run.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = StartSession, example = json!({"runners": ["agents"], "requires": {"arch": "riscv64"}, "project": "linux"}))]
pub struct AskedStart {
    /// The build of ours that the session is for: it starts when that has passed, and if it fails the jobs are MISS.
    build: Option<BuildId>,
    /// A build that was built elsewhere.
    #[schema(value_type = Option<TestedBuildDocument>)]
    tested: Option<TestedBuild>,
    /// The runners that may be asked: a job goes to the first of them that can run it and is well. The agents, if left out.
    runners: Vec<String>,
    /// The labels that every agent must have, beside what each job requires.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    requires: Labels,
    /// The machine to run on, in the runner's word.
    device: Option<String>,
    /// The collection that the jobs belong to in reports; `session` if left out.
    collection: Option<String>,
    /// How many runs may be under way at a time; 0, and any number may.
    concurrency: Option<u32>,
    /// How often a job is run at most when the infrastructure is to blame (ERROR, MISS): 1 to 100, 3 if left out.
    max_attempts: Option<u32>,
    /// How often a job that failed is run again: 0 if left out.
    retry_failures: Option<u32>,
    /// Who shares the runners with others.
    project: String,
    /// Higher goes first.
    pub priority: i64,
    /// After how many seconds what has not come is MISS.
    deadline_s: Option<u64>,
}

/// A build that was built elsewhere.
#[derive(Debug, ToSchema)]
#[schema(as = TestedBuild)]
#[expect(dead_code, reason = "describes what `TestedBuild` is as JSON")]
pub struct TestedBuildDocument {
    /// KCIDB's id of it.
    #[schema(example = "maestro:681b69099ae9711e9ed49766")]
    id: String,
    /// Where its kernel image lies.
    kernel_image_url: Option<String>,
    /// Where its modules lie.
    modules_url: Option<String>,
    /// What it was built for.
    architecture: Option<String>,
}

impl AskedStart {
    /// How the session is to be run, with what was left out filled in.
    ///
    /// # Errors
    /// 422.
    pub fn read(self, app: &App) -> Result<Start> {
        let build = match (self.build, self.tested) {
            (Some(_), Some(_)) => {
                return Err(Problem::new(Code::Invalid, "give a `build` of ours or one that was `tested`, not both"));
            }
            (Some(build), None) => Some(For::Build(build)),
            (None, tested) => tested.map(For::Tested),
        };
        let deadline_at = match self.deadline_s.map(seconds) {
            Some(deadline) if deadline > MAX_DEADLINE => {
                return Err(Problem::new(Code::Invalid, "`deadline_s`: want at most a year"));
            }
            deadline => deadline.map(|deadline| app.now() + deadline),
        };
        let usual = Plan::default();
        Ok(Start {
            plan: Plan {
                runners: self.runners,
                requires: self.requires,
                device: self.device,
                collection: self.collection.unwrap_or(usual.collection),
                concurrency: self.concurrency.unwrap_or(usual.concurrency),
                max_attempts: self.max_attempts.unwrap_or(usual.max_attempts),
                retry_failures: self.retry_failures.unwrap_or(usual.retry_failures),
            },
            project: self.project,
            priority: self.priority,
            build,
            deadline_at,
        })
    }

    /// The same for this build.
    #[must_use]
    pub fn of_build(self, build: BuildId) -> Self {
        Self { build: Some(build), ..self }
    }
}

/// How the results that are expected stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExpectedCount)]
pub struct CountView {
    /// The status; null counts what has not come.
    status: Option<Status>,
    /// How many.
    count: i64,
}

/// How a session is run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Execution)]
pub struct ExecutionView {
    session: SessionId,
    state: ExecutionState,
    /// Why it is so, or what it waits for.
    reason: Option<String>,
    /// The runners that may be asked.
    runners: Vec<String>,
    /// The labels that every agent must have.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    requires: Labels,
    device: Option<String>,
    collection: String,
    concurrency: u32,
    max_attempts: u32,
    retry_failures: u32,
    project: String,
    priority: i64,
    /// The build of ours that it is for.
    build: Option<BuildId>,
    /// KCIDB's id of the build that it is for.
    build_id: Option<String>,
    /// How many results are expected, by what has come.
    results: Vec<CountView>,
    /// How many runs are planned and not begun.
    planned: usize,
    /// How many runs are under way.
    running: usize,
    created_at: DateTime<Utc>,
    created_by: Option<String>,
    started_at: Option<DateTime<Utc>>,
    deadline_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<Standing> for ExecutionView {
    fn from(standing: Standing) -> Self {
        let Standing { execution, results, planned, running } = standing;
        let plan = execution.plan.0;
        Self {
            session: execution.session_id,
            state: execution.state,
            reason: execution.reason,
            runners: plan.runners,
            requires: plan.requires,
            device: plan.device,
            collection: plan.collection,
            concurrency: plan.concurrency,
            max_attempts: plan.max_attempts,
            retry_failures: plan.retry_failures,
            project: execution.project,
            priority: execution.priority,
            build: execution.build_id,
            build_id: execution.build_ref,
            results: results.into_iter().map(|(status, count)| CountView { status, count }).collect(),
            planned,
            running,
            created_at: execution.created_at,
            created_by: execution.created_by,
            started_at: execution.started_at,
            deadline_at: execution.deadline_at,
            ended_at: execution.ended_at,
        }
    }
}

/// How it stands now.
pub(super) async fn standing(app: &App, session: SessionId) -> Result<ExecutionView> {
    Ok(execution::get(app, session).await?.into())
}

/// Starts a session
///
/// Its jobs are run as soon as they can start, in its order, by runners and agents; what comes of them comes back into it,
/// and makes others ready. Jobs that none of the runners could ever run are refused here. With a `build` it begins when that
/// has passed.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/start", tag = "sessions",
    request_body = AskedStart,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 201, description = "It is run from now on", body = ExecutionView),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 403, description = "The token may not ask for so high a priority", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 409, description = "It was started and is not over", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense; there are no such runners; jobs that could never run: `errors` says which and why", body = ProblemBody),
    )
)]
pub(crate) async fn start_session(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedStart = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    check_priority(&app.settings, by.who.as_deref(), asked.priority)?;
    let start = asked.read(&app)?;
    let session = session_of(&id)?;
    execution::start(&app, session, start, by).await?;
    Ok((StatusCode::CREATED, Json(standing(&app, session).await?)).into_response())
}

/// Tells how a session is run, and how far that is
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/execution", tag = "sessions",
    params(("id" = SessionId, Path)),
    responses(
        (status = 200, description = "How it is run", body = ExecutionView),
        (status = 404, description = "There is no such session, or nobody has started it", body = ProblemBody),
    )
)]
pub(crate) async fn get_execution(State(app): State<App>, Path(id): Path<String>) -> Result<Json<ExecutionView>> {
    Ok(Json(standing(&app, session_of(&id)?).await?))
}

/// A result that is expected of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExpectedResult)]
pub struct ExpectedView {
    #[schema(example = "net::ping")]
    job: String,
    /// What came of it; null as long as it is missing.
    status: Option<Status>,
    /// Why, or what it waits for.
    reason: Option<String>,
    /// The run that it was last part of.
    run: Option<RunId>,
    /// How often it was run.
    attempts: i64,
    /// When it came.
    settled_at: Option<DateTime<Utc>>,
}

impl From<Expected> for ExpectedView {
    fn from(row: Expected) -> Self {
        Self {
            job: row.job_id,
            status: row.status,
            reason: row.reason,
            run: row.run_id,
            attempts: row.attempts,
            settled_at: row.settled_at,
        }
    }
}

/// Lists the results that are expected of a session: what was to be run, what has come, and what is missing
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/expected", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("missing" = Option<bool>, Query, description = "Only what has not come, or only what has"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page, in the order in which the jobs were planned", body = Listing<ExpectedView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session, or nobody has started it", body = ProblemBody),
    )
)]
pub(crate) async fn list_expected(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Listing<ExpectedView>>> {
    let params = params.only(&["missing"])?;
    let missing: Option<bool> = params.one("missing")?;
    let page = params.stretch::<i64>()?;
    let found = execution::expected(&app, session_of(&id)?, missing, &page).await?;
    Ok(Json(Listing::of(found, |row| row.place.to_string(), ExpectedView::from)))
}

/// Why something is done.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Reason, example = json!({"reason": "the lab moves"}))]
pub struct AskedReason {
    /// In words, for whoever asks later.
    pub reason: Option<String>,
}

/// Begins nothing more of a session until it is resumed
///
/// What runs goes on, and its results are taken.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/pause", tag = "sessions",
    request_body = AskedReason,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "It is paused", body = ExecutionView),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session, or nobody has started it", body = ProblemBody),
        (status = 409, description = "It is over, or waits for its build", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense", body = ProblemBody),
    )
)]
pub(crate) async fn pause_session(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ExecutionView>> {
    let asked: AskedReason = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let session = session_of(&id)?;
    execution::pause(&app, session, asked.reason.as_deref(), by).await?;
    Ok(Json(standing(&app, session).await?))
}

/// Ends the execution of a session: its runs are ended, at their runners too, and what has not come is MISS
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/cancel", tag = "sessions",
    request_body = AskedReason,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "It is over", body = ExecutionView),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session, or nobody has started it", body = ProblemBody),
        (status = 409, description = "It is over already", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense", body = ProblemBody),
    )
)]
pub(crate) async fn cancel_session(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ExecutionView>> {
    let asked: AskedReason = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let session = session_of(&id)?;
    execution::cancel(&app, session, asked.reason.as_deref(), by).await?;
    Ok(Json(standing(&app, session).await?))
}

/// Ends one job of a session: its run is ended, at its runner too, and it is MISS
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/jobs/{job}/cancel", tag = "sessions",
    request_body = AskedReason,
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "The job's full id"),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "It is missing, and nothing runs it any more", body = ExecutionView),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session or job, or nobody has started it", body = ProblemBody),
        (status = 409, description = "It has its result, or its run holds others as well", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense", body = ProblemBody),
    )
)]
pub(crate) async fn cancel_job(
    State(app): State<App>,
    Changing(by): Changing,
    Path((id, job)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ExecutionView>> {
    let asked: AskedReason = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let session = session_of(&id)?;
    execution::cancel_job(&app, session, &id_of("job", job)?, asked.reason.as_deref(), by).await?;
    Ok(Json(standing(&app, session).await?))
}

/// What is to be run again: the jobs, or all that did not pass.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RerunJobs, example = json!({"failed": true}))]
pub struct AskedRerun {
    /// Whether all that did not pass is run again: FAIL, ERROR, MISS, and what was skipped.
    failed: bool,
    /// The full ids of the jobs.
    jobs: Vec<String>,
}

/// What is run again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobsRunAgain)]
pub struct RerunView {
    /// The jobs, in their order.
    jobs: Vec<String>,
    /// How the session is run.
    execution: ExecutionView,
}

/// Runs jobs of a session again; each attempt and its results stay
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/rerun", tag = "sessions",
    request_body = AskedRerun,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "They are expected again", body = RerunView),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session, or nobody has started it", body = ProblemBody),
        (status = 409, description = "A job has no result yet; its build failed", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense; nothing is expected of a job", body = ProblemBody),
    )
)]
pub(crate) async fn rerun_jobs(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RerunView>> {
    let asked: AskedRerun = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let what = match (asked.failed, asked.jobs) {
        (true, jobs) if jobs.is_empty() => Rerun::Failed,
        (false, jobs) if !jobs.is_empty() => Rerun::Jobs(jobs),
        _ => return Err(Problem::new(Code::Invalid, "give `\"failed\": true` or a list of `jobs`")),
    };
    let session = session_of(&id)?;
    let (_, jobs) = execution::rerun(&app, session, what, by).await?;
    Ok(Json(RerunView { jobs, execution: standing(&app, session).await? }))
}
