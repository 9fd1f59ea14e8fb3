//! Runs: attempts at a runner.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{self, App};
use crate::domain::observation::Observation;
use crate::domain::run::{RunKind, RunRequest, RunState, TestsRequest};
use crate::domain::status::Status;
use crate::http::body;
use crate::http::builds::{missing, read_id};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::ids::{BuildId, RunId};
use crate::store;
use crate::store::run::Run;

/// Tests to run for a build.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// Who is to run them.
    #[serde(default = "tuxsuite")]
    #[schema(default = "tuxsuite", example = "tuxsuite")]
    pub runner: String,
    /// KCIDB's id of the build.
    #[schema(example = "maestro:681b69099ae9711e9ed49766")]
    pub build_id: String,
    /// The kernel image to boot; at the local runner `local:` and the uid of a build of its own.
    #[schema(example = "https://files.example.org/Image")]
    pub kernel_image_url: String,
    /// The modules that belong to it.
    pub modules_url: Option<String>,
    /// The machine to run on, in the runner's word; the settings' where it is left out.
    #[schema(example = "qemu-riscv64")]
    pub device: Option<String>,
    /// The collection that the tests belong to; `boot` for a boot test.
    #[schema(example = "ltp")]
    pub collection: String,
    /// The names of the tests. Left out, the machine is booted and that is the test.
    #[schema(example = json!(["ltp-smoke", "ltp-fsx"]))]
    pub tests: Option<Vec<String>>,
}

fn tuxsuite() -> String {
    crate::runner::tuxsuite::NAME.to_owned()
}

/// A run: one attempt at a runner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    id: RunId,
    kind: RunKind,
    /// The build that it builds.
    build: Option<BuildId>,
    /// KCIDB's id of the build that it tests, or that it has built.
    build_id: Option<String>,
    /// Who runs it.
    runner: String,
    /// 1 for the first attempt.
    attempt: i64,
    /// The attempt before this one.
    previous: Option<RunId>,
    /// Whether this is the attempt that counts.
    live: bool,
    state: RunState,
    /// What came of it, when it is over.
    status: Option<Status>,
    /// Why, in words.
    reason: Option<String>,
    /// Why it waits, in words; absent when nothing holds it up.
    waiting: Option<String>,
    /// The runner's own id of it.
    uid: Option<String>,
    /// The collection that its tests belong to.
    collection: Option<String>,
    /// The tests that it planned.
    tests: Vec<String>,
    /// The machine asked for.
    device: Option<String>,
    /// How often its present step was tried in vain.
    tries: i64,
    /// When its next step is due.
    due_at: Option<DateTime<Utc>>,
    /// When it was planned.
    created_at: DateTime<Utc>,
    /// When the runner accepted it.
    accepted_at: Option<DateTime<Utc>>,
    /// When it began to run there.
    started_at: Option<DateTime<Utc>>,
    /// When we stop waiting for it.
    deadline_at: Option<DateTime<Utc>>,
    /// When it was over.
    finished_at: Option<DateTime<Utc>>,
    /// Where its artifacts lie.
    download_url: Option<String>,
    /// Where the kernel image that it built lies.
    kernel_image_url: Option<String>,
    /// Where the modules that it built lie.
    modules_url: Option<String>,
}

impl RunView {
    /// The run as callers see it.
    #[must_use]
    pub fn new(app: &App, run: Run) -> Self {
        let is_over = run.state.is_over();
        let waiting = (!is_over).then(|| why_waiting(app, &run)).flatten();
        let built = (run.kind == RunKind::Build && run.uid.is_some()).then(|| app::report::build_ref(app, &run));
        let observation: Option<&Observation> = run.observation.as_deref();
        let facts = observation.and_then(|observation| observation.build.clone()).unwrap_or_default();
        let (collection, device) = match &run.request.0 {
            RunRequest::Build(_) => (None, None),
            RunRequest::Tests(request) | RunRequest::Boot(request) => {
                (Some(request.collection.clone()), Some(request.device.clone()))
            }
            RunRequest::Jobs(request) => (Some(request.collection.clone()), request.device.clone()),
        };
        Self {
            id: run.id,
            kind: run.kind,
            build: run.build_id,
            build_id: run.build_ref.or(built),
            attempt: run.attempt,
            previous: run.previous_id,
            live: run.live,
            state: run.state,
            status: run.status,
            reason: run.reason,
            waiting,
            tests: app::run::planned_tests(&run.request.0),
            collection,
            device,
            tries: run.tries,
            due_at: (!is_over).then_some(run.due_at),
            created_at: run.created_at,
            accepted_at: run.accepted_at,
            started_at: run.started_at,
            deadline_at: run.deadline_at,
            finished_at: run.finished_at,
            download_url: observation.and_then(|observation| observation.download_url.clone()),
            kernel_image_url: facts.kernel_image_url,
            modules_url: facts.modules_url,
            runner: run.runner,
            uid: run.uid,
        }
    }
}

/// Why a run that is not over waits, in words: what holds up its runner comes before what held up its last step.
fn why_waiting(app: &App, run: &Run) -> Option<String> {
    let runner = match app.runners.known(&run.runner) {
        Ok(runner) => runner,
        Err(error) => return Some(error.to_string()),
    };
    let held = run.held.clone().filter(|_| run.state == RunState::Planned);
    held.or_else(|| runner.not_ready())
        .or_else(|| app.breakers.why(&run.runner, app.now()))
        .or_else(|| run.waiting.clone())
        .or_else(|| match run.state {
            RunState::Planned if runner.pulls() => Some(match run.terms.requires.as_deref() {
                None => "no agent has asked for work since it was planned".to_owned(),
                Some(required) => format!("no agent has asked for work since that has the labels {required}"),
            }),
            RunState::Planned => Some(format!("the runner `{}` has not been asked yet", run.runner)),
            RunState::Submitting => Some(format!("the runner `{}` is being asked to take it", run.runner)),
            RunState::Running => Some(format!("the runner `{}` has accepted it and not reported its end", run.runner)),
            RunState::Collecting => Some("its results are being fetched".to_owned()),
            RunState::Finished | RunState::Canceled => None,
        })
}

/// A run that was planned.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// The run.
    pub run: RunId,
}

impl Accepted {
    /// 201 with the run and its address.
    #[must_use]
    pub fn response(run: RunId) -> Response {
        let location = format!("/api/v1/runs/{run}");
        (StatusCode::CREATED, [(header::LOCATION, location)], Json(Self { run })).into_response()
    }
}

/// Lists runs, newest first
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs",
    params(
        ("state" = Option<Vec<RunState>>, Query, description = "How far it is; may be repeated"),
        ("status" = Option<Vec<Status>>, Query, description = "What came of it; may be repeated"),
        ("kind" = Option<Vec<RunKind>>, Query, description = "What it runs; may be repeated"),
        ("build" = Option<BuildId>, Query, description = "The build that it builds"),
        ("build_id" = Option<String>, Query, description = "KCIDB's id of the build that it tests"),
        ("runner" = Option<String>, Query, description = "Who runs it"),
        ("uid" = Option<String>, Query, description = "The runner's own id of it"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of runs", body = Listing<RunView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_runs(State(app): State<App>, params: Params) -> Result<Json<Listing<RunView>>> {
    let params = params.only(&["state", "status", "kind", "build", "build_id", "runner", "uid"])?;
    let filter = store::run::Filter {
        states: params.all("state")?,
        statuses: params.all("status")?,
        kinds: params.all("kind")?,
        build_id: params.one("build")?,
        build_ref: params.one("build_id")?,
        runner: params.one("runner")?,
        uid: params.one("uid")?,
    };
    let page = params.page(|id: RunId| id.0)?;
    let mut db = app.read().await?;
    let found = store::run::list(&mut db.conn(), &filter, page).await?;
    Ok(Json(Listing::of(found, |run| run.id.to_string(), |run| RunView::new(&app, run))))
}

/// Shows a run, and why it waits
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "runs",
    params(("id" = RunId, Path)),
    responses(
        (status = 200, description = "The run", body = RunView),
        (status = 404, description = "There is no such run", body = ProblemBody),
    )
)]
pub(crate) async fn get_run(State(app): State<App>, Path(id): Path<String>) -> Result<Json<RunView>> {
    let id: RunId = read_id("run", &id)?;
    let mut db = app.read().await?;
    let run = store::run::by_id(&mut db.conn(), id).await?.ok_or_else(|| missing("run", id))?;
    Ok(Json(RunView::new(&app, run)))
}

/// Schedules those of the tests that no live run holds
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "runs",
    request_body = NewRun,
    responses(
        (status = 201, description = "Durable; the runner is asked in the background", body = RunView,
            headers(("location" = String, description = "The run"))),
        (status = 204, description = "There was nothing to do: live runs hold all of the tests"),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense; there is no such runner", body = ProblemBody),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn create_run(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    app.writer.has_room()?;
    let new: NewRun = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let kind = if new.tests.is_some() { RunKind::Tests } else { RunKind::Boot };
    let request = TestsRequest {
        kernel_image_url: new.kernel_image_url,
        modules_url: new.modules_url.filter(|url| !url.is_empty()),
        device: new.device.unwrap_or_else(|| app.settings.tuxsuite.device.clone()),
        collection: new.collection,
        tests: new.tests.unwrap_or_default(),
    };
    let planned = app::run::schedule(&app, &new.runner, &new.build_id, kind, request).await?;
    let Some((id, _)) = planned else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let mut db = app.read().await?;
    let run = store::run::by_id(&mut db.conn(), id).await?.ok_or_else(|| missing("run", id))?;
    let location = format!("/api/v1/runs/{id}");
    let view = Json(RunView::new(&app, run));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], view).into_response())
}

/// Runs once more what a run that is over ran
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/retry", tag = "runs",
    params(("id" = RunId, Path)),
    responses(
        (status = 201, description = "Another attempt is planned; the first and its results stay", body = Accepted,
            headers(("location" = String, description = "The new run"))),
        (status = 404, description = "There is no such run", body = ProblemBody),
        (status = 409, description = "It is not over, or was run again already", body = ProblemBody),
    )
)]
pub(crate) async fn retry_run(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    Ok(Accepted::response(app::run::retry(&app, read_id("run", &id)?).await?))
}

/// Cancels a run: what it planned is MISS
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/cancel", tag = "runs",
    params(("id" = RunId, Path)),
    responses(
        (status = 204, description = "Over; the runner is told in the background"),
        (status = 404, description = "There is no such run", body = ProblemBody),
        (status = 409, description = "It is over already", body = ProblemBody),
    )
)]
pub(crate) async fn cancel_run(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode> {
    app::run::cancel(&app, read_id("run", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
