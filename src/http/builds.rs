//! Builds.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::session::change::By;
use crate::app::{self, App, AppError};
use crate::domain::run::{BuildRequest, RunState};
use crate::domain::status::Status;
use crate::domain::tuxsuite::request::check_tree;
use crate::http::access::check_priority;
use crate::http::body;
use crate::http::catalogue::Author;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::runs::{Accepted, RunView};
use crate::http::sessions::execution::AskedStart;
use crate::ids::{BuildId, RunId, SessionId};
use crate::store;
use crate::store::build::Build;

/// A build to schedule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBuild {
    /// Who is to build it.
    #[serde(default = "tuxsuite")]
    #[schema(default = "tuxsuite", example = "tuxsuite")]
    pub runner: String,
    /// The URL of the git repository.
    #[schema(example = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git")]
    pub tree: String,
    /// The branch, tag or other ref.
    #[schema(example = "master")]
    pub branch: String,
    /// The toolchain's name at the runner; at the local runner, the recipe's.
    #[schema(example = "gcc-14")]
    pub toolchain: String,
    /// The configuration's name or URL.
    #[schema(example = "defconfig")]
    pub kconfig: Option<String>,
    /// What is merged into the configuration.
    #[serde(default)]
    #[schema(example = json!(["CONFIG_KASAN=y"]))]
    pub fragments: Vec<String>,
    /// The architecture, in the runner's word; the settings' where it is left out.
    #[schema(example = "riscv")]
    pub architecture: Option<String>,
    /// The session that starts when the build has passed; if it fails, the session's jobs are MISS.
    #[serde(default)]
    pub start: Option<StartOfBuild>,
}

/// A session that starts when a build has passed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartOfBuild {
    /// The session.
    pub session: SessionId,
    /// How it is to be run.
    #[serde(default)]
    pub how: AskedStart,
}

fn tuxsuite() -> String {
    crate::runner::tuxsuite::NAME.to_owned()
}

/// A build and how far it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Build)]
pub struct BuildView {
    id: BuildId,
    /// Who builds it.
    runner: String,
    /// The URL of the git repository.
    tree: String,
    /// The branch, tag or other ref.
    branch: String,
    /// The toolchain's name at the runner.
    toolchain: String,
    /// The architecture, in the runner's word.
    architecture: String,
    /// The configuration's name or URL.
    kconfig: Option<String>,
    /// What is merged into the configuration.
    fragments: Vec<String>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// Its latest attempt.
    run: Option<RunView>,
}

impl BuildView {
    fn new(app: &App, build: Build, run: Option<store::run::Run>) -> Self {
        Self {
            id: build.id,
            runner: build.runner,
            tree: build.tree,
            branch: build.branch,
            toolchain: build.toolchain,
            architecture: build.architecture,
            kconfig: build.kconfig,
            fragments: build.fragments.0,
            created_at: build.created_at,
            run: run.map(|run| RunView::new(app, run)),
        }
    }
}

/// Lists builds, newest first
#[utoipa::path(
    get, path = "/api/v1/builds", tag = "builds",
    params(
        ("state" = Option<Vec<RunState>>, Query, description = "How far the latest attempt is; may be repeated"),
        ("status" = Option<Vec<Status>>, Query, description = "What came of the latest attempt; may be repeated"),
        ("tree" = Option<String>, Query, description = "The URL of the git repository"),
        ("branch" = Option<String>, Query, description = "The branch"),
        ("runner" = Option<String>, Query, description = "Who builds it"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of builds", body = Listing<BuildView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_builds(State(app): State<App>, params: Params) -> Result<Json<Listing<BuildView>>> {
    let params = params.only(&["state", "status", "tree", "branch", "runner"])?;
    let filter = store::build::Filter {
        states: params.all("state")?,
        statuses: params.all("status")?,
        tree: params.one("tree")?,
        branch: params.one("branch")?,
        runner: params.one("runner")?,
    };
    let page = params.page(|id: BuildId| id.0)?;
    let mut db = app.read().await?;
    let found = store::build::list(&mut db.conn(), &filter, page).await?;
    let ids: Vec<BuildId> = found.0.iter().map(|build| build.id).collect();
    let runs = store::run::live_of_builds(&mut db.conn(), &ids).await?;
    let mut runs: std::collections::HashMap<_, _> =
        runs.into_iter().filter_map(|run| Some((run.build_id?, run))).collect();
    let mut views = Listing::of(found, |build| build.id.to_string(), |build| build);
    let items = std::mem::take(&mut views.items);
    Ok(Json(Listing {
        items: items
            .into_iter()
            .map(|build| {
                let run = runs.remove(&build.id);
                BuildView::new(&app, build, run)
            })
            .collect(),
        next_cursor: views.next_cursor,
    }))
}

/// Shows a build
#[utoipa::path(
    get, path = "/api/v1/builds/{id}", tag = "builds",
    params(("id" = BuildId, Path)),
    responses(
        (status = 200, description = "The build", body = BuildView),
        (status = 404, description = "There is no such build", body = ProblemBody),
    )
)]
pub(crate) async fn get_build(State(app): State<App>, Path(id): Path<String>) -> Result<Json<BuildView>> {
    let id: BuildId = read_id("build", &id)?;
    let mut db = app.read().await?;
    let Some(build) = store::build::by_id(&mut db.conn(), id).await? else { return Err(missing("build", id)) };
    let run = store::run::live_of_builds(&mut db.conn(), &[id]).await?.pop();
    Ok(Json(BuildView::new(&app, build, run)))
}

/// Schedules a build
#[utoipa::path(
    post, path = "/api/v1/builds", tag = "builds",
    request_body = NewBuild,
    params(("idempotency-key" = Option<String>, Header, description = "Repeated under one key, the request is one build")),
    responses(
        (status = 201, description = "Durable; the runner is asked in the background", body = BuildView,
            headers(("location" = String, description = "The build"))),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense; there is no such runner; the key was used for another build", body = ProblemBody),
        (status = 503, description = "It may not be stored: repeat the request later, under the same key", body = ProblemBody),
    )
)]
pub(crate) async fn create_build(
    State(app): State<App>,
    author: Author,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    app.writer.has_room()?;
    let new: NewBuild = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    if new.runner == crate::runner::tuxsuite::NAME {
        check_tree(&new.tree).map_err(|error| Problem::new(Code::Invalid, format!("`tree`: {error}")))?;
        if new.kconfig.is_none() && new.fragments.is_empty() {
            return Err(Problem::new(Code::Invalid, "give a `kconfig`, `fragments` or both"));
        }
    }
    let request = BuildRequest {
        tree: new.tree,
        branch: new.branch,
        toolchain: new.toolchain,
        kconfig: new.kconfig,
        fragments: new.fragments,
        architecture: new.architecture.unwrap_or_else(|| app.settings.tuxsuite.target_arch.clone()),
    };
    let key = idempotency_key(&headers)?;
    let by = By { who: author.by().author, only_if: None };
    let start = match new.start {
        Some(StartOfBuild { session, how }) => {
            check_priority(&app.settings, by.who.as_deref(), how.priority)?;
            let checked = app::execution::check(&app, session, &how.clone().read(&app)?).await;
            match checked {
                // A request that is repeated finds the session started.
                Err(AppError::Conflict(_)) if key.is_some() => {}
                checked => checked?,
            }
            Some((session, how))
        }
        None => None,
    };
    let scheduled = app::build::schedule(&app, &new.runner, request, key).await?;
    if let Some((session, how)) = start {
        let build = scheduled.build.id;
        if !(scheduled.replayed && is_of_build(&app, session, build).await?) {
            app::execution::start(&app, session, how.of_build(build).read(&app)?, by).await?;
        }
    }
    let mut db = app.read().await?;
    let run = store::run::live_of_builds(&mut db.conn(), &[scheduled.build.id]).await?.pop();
    let location = format!("/api/v1/builds/{}", scheduled.build.id);
    let replayed = scheduled.replayed;
    let view = Json(BuildView::new(&app, scheduled.build, run));
    let response = (StatusCode::CREATED, [(header::LOCATION, location)], view).into_response();
    Ok(mark_replayed(response, replayed))
}

async fn is_of_build(app: &App, session: SessionId, build: BuildId) -> Result<bool> {
    match app::execution::get(app, session).await {
        Ok(standing) => Ok(standing.execution.build_id == Some(build)),
        Err(AppError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Builds once more
#[utoipa::path(
    post, path = "/api/v1/builds/{id}/retry", tag = "builds",
    params(("id" = BuildId, Path)),
    responses(
        (status = 201, description = "Another attempt is planned; the first stays", body = Accepted,
            headers(("location" = String, description = "The new run"))),
        (status = 404, description = "There is no such build", body = ProblemBody),
        (status = 409, description = "The latest attempt is not over", body = ProblemBody),
    )
)]
pub(crate) async fn retry_build(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    let run = app::build::live_run(&app, read_id("build", &id)?).await?;
    Ok(Accepted::response(app::run::retry(&app, run).await?))
}

/// Cancels a build
#[utoipa::path(
    post, path = "/api/v1/builds/{id}/cancel", tag = "builds",
    params(("id" = BuildId, Path)),
    responses(
        (status = 204, description = "Over; the runner is told in the background"),
        (status = 404, description = "There is no such build", body = ProblemBody),
        (status = 409, description = "It is over already", body = ProblemBody),
    )
)]
pub(crate) async fn cancel_build(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode> {
    let run: RunId = app::build::live_run(&app, read_id("build", &id)?).await?;
    app::run::cancel(&app, run).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The header that makes a repeated request the same one.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header that marks an answer to a request that was repeated under one key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The request's idempotency key, if it has one; the quotes of a structured field are no part of it.
///
/// # Errors
/// 400 if the header is not text.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().map_err(|_| Problem::new(Code::BadRequest, "the header Idempotency-Key is not text"))?;
    Ok(Some(key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key)))
}

/// Marks an answer that was given before.
#[must_use]
pub fn mark_replayed(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Reads an id from a path. What is no id names nothing.
///
/// # Errors
/// 404.
pub fn read_id<Id: std::str::FromStr>(what: &str, text: &str) -> Result<Id> {
    text.parse().map_err(|_| missing(what, crate::app::cut(text, 80)))
}

/// The problem that there is no such thing.
pub fn missing(what: &str, id: impl std::fmt::Display) -> Problem {
    Problem::new(Code::NotFound, format!("there is no {what} `{id}`"))
}
