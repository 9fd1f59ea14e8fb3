//! The queue: why a run waits, what there is at a runner, and how urgent a run is.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::queue::show::{self, Overview};
use crate::app::{self, App};
use crate::domain::queue::blocker::Blocker;
use crate::domain::run::RunState;
use crate::http::builds::{missing, read_id};
use crate::http::log::Caller;
use crate::http::params::{Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::{access, body};
use crate::ids::RunId;
use crate::store;

/// Why a run waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Why)]
pub struct WhyView {
    run: RunId,
    runner: String,
    state: RunState,
    /// In one sentence.
    words: String,
    /// Its project; empty where nobody was named.
    project: String,
    /// Higher goes first.
    priority: i64,
    /// Since when it waits.
    since: DateTime<Utc>,
    /// Its place among those that may start, from 1.
    place: Option<usize>,
    /// Of so many.
    of: Option<usize>,
    /// Whether all that wait were looked at; if not, its place is at least this one.
    exact: Option<bool>,
    /// What holds it up, one by one; empty where nothing does.
    blockers: Vec<BlockerView>,
}

/// Something that holds a run up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Blocker)]
pub struct BlockerView {
    /// What it is: `held`, `away`, `impossible`, `labels`, `places`, `runner_limit`, `session_limit`, `slots` or `others`.
    kind: String,
    /// In words.
    words: String,
    /// What would have to change.
    change: String,
    /// The pool whose slots are taken.
    pool: Option<String>,
    /// How many slots are needed.
    needs: Option<u32>,
    /// How many are free.
    free: Option<usize>,
    /// The runs that hold the others.
    runs: Vec<RunId>,
}

impl From<&Blocker> for BlockerView {
    fn from(blocker: &Blocker) -> Self {
        let view = Self {
            kind: blocker.kind().to_owned(),
            words: blocker.to_string(),
            change: blocker.change(),
            pool: None,
            needs: None,
            free: None,
            runs: Vec::new(),
        };
        match blocker {
            Blocker::Slots { pool, needs, free, holders, .. } => {
                Self { pool: Some(pool.clone()), needs: Some(*needs), free: Some(*free), runs: holders.clone(), ..view }
            }
            _ => view,
        }
    }
}

/// Says why a run waits: its place, what holds it up, and what would have to change
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/why", tag = "runs",
    params(("id" = RunId, Path)),
    responses(
        (status = 200, description = "Why it waits, or that it does not", body = WhyView),
        (status = 404, description = "There is no such run", body = ProblemBody),
    )
)]
pub(crate) async fn explain_run(State(app): State<App>, Path(id): Path<String>) -> Result<Json<WhyView>> {
    let id: RunId = read_id("run", &id)?;
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let run = store::run::by_id(conn, id).await?.ok_or_else(|| missing("run", id))?;
    let offers = show::offers(&app, conn, &run.runner).await.unwrap_or_default();
    let why = show::why(&app, conn, &run, &offers).await?;
    Ok(Json(WhyView {
        run: run.id,
        state: run.state,
        words: why.words,
        project: run.terms.project,
        priority: run.terms.priority,
        since: run.created_at,
        place: why.place.map(|place| place.place),
        of: why.place.map(|place| place.of),
        exact: why.place.map(|place| place.exact),
        blockers: why.blockers.iter().map(BlockerView::from).collect(),
        runner: run.runner,
    }))
}

/// What waits and what there is, runner by runner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Queue)]
pub struct QueueView {
    runners: Vec<RunnerQueue>,
}

/// What waits and what there is at a runner.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunnerQueue {
    runner: String,
    /// How many runs are at it.
    running: usize,
    /// How many it may have; absent where there is no limit.
    limit: Option<usize>,
    /// How many of one session it may have; absent where there is no limit.
    limit_per_session: Option<usize>,
    projects: Vec<ProjectQueue>,
    pools: Vec<PoolView>,
}

/// What waits of a project at a runner.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectQueue {
    /// The project; empty where nobody was named.
    project: String,
    /// How much of the runner it gets, against the others.
    weight: u32,
    /// What it was served lately, in seconds of one place; what is long ago counts less.
    served_s: f64,
    /// How many runs are at the runner.
    running: usize,
    /// How many wait and may start.
    waiting: i64,
    /// How many are held back.
    held: i64,
}

/// A pool of a runner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pool)]
pub struct PoolView {
    pool: String,
    /// How many slots it has.
    size: usize,
    /// How many are free.
    free: usize,
    slots: Vec<SlotView>,
}

/// A slot of a pool.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Slot)]
pub struct SlotView {
    slot: String,
    /// Who holds it; absent where it is free.
    run: Option<RunId>,
}

impl From<Overview> for RunnerQueue {
    fn from(overview: Overview) -> Self {
        let pool = |(pool, ids): (&String, &Vec<String>)| {
            let slots: Vec<SlotView> =
                show::holders(&overview, pool).into_iter().map(|(slot, run)| SlotView { slot, run }).collect();
            PoolView {
                pool: pool.clone(),
                size: ids.len(),
                free: slots.iter().filter(|slot| slot.run.is_none()).count(),
                slots,
            }
        };
        let waiters = overview.waiters.iter().map(|waiters| &waiters.project);
        let projects: BTreeSet<&String> =
            waiters.chain(overview.running.keys()).chain(overview.usage.served.keys()).collect();
        let project = |project: &String| {
            let waiters = overview.waiters.iter().find(|waiters| waiters.project == *project);
            ProjectQueue {
                project: project.clone(),
                weight: overview.limits.weights.get(project).copied().unwrap_or(1),
                served_s: overview.usage.served.get(project).copied().unwrap_or_default(),
                running: overview.running.get(project).copied().unwrap_or_default(),
                waiting: waiters.map_or(0, |waiters| waiters.waiting),
                held: waiters.map_or(0, |waiters| waiters.held),
            }
        };
        Self {
            running: overview.usage.running,
            limit: overview.limits.running,
            limit_per_session: overview.limits.session,
            projects: projects.into_iter().map(project).collect(),
            pools: overview.limits.pools.iter().map(pool).collect(),
            runner: overview.runner,
        }
    }
}

/// Shows what waits at the runners, by project, and who holds which slot
#[utoipa::path(
    get, path = "/api/v1/queue", tag = "runs",
    params(("runner" = Option<String>, Query, description = "Only this runner")),
    responses(
        (status = 200, description = "What waits and what there is", body = QueueView),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 422, description = "There is no such runner", body = ProblemBody),
    )
)]
pub(crate) async fn get_queue(State(app): State<App>, params: Params) -> Result<Json<QueueView>> {
    let params = params.only(&["runner"])?;
    let names: Vec<String> = match params.one::<String>("runner")? {
        Some(name) => {
            app.runners.known(&name).map_err(app::AppError::from)?;
            vec![name]
        }
        None => app.runners.names().map(str::to_owned).collect(),
    };
    let mut db = app.read().await?;
    let mut runners = Vec::with_capacity(names.len());
    for name in names {
        runners.push(show::overview(&app, &mut db.conn(), &name).await?.into());
    }
    Ok(Json(QueueView { runners }))
}

/// How urgent a run is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Priority {
    /// From -1000 to 1000; higher goes first.
    #[schema(example = 10)]
    pub priority: i64,
}

/// Makes a run that waits more or less urgent
#[utoipa::path(
    put, path = "/api/v1/runs/{id}/priority", tag = "runs",
    params(("id" = RunId, Path)),
    request_body = Priority,
    responses(
        (status = 204, description = "It is as urgent as that"),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 403, description = "The token may not ask for so high a priority", body = ProblemBody),
        (status = 404, description = "There is no such run", body = ProblemBody),
        (status = 409, description = "It does not wait any more", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense", body = ProblemBody),
    )
)]
pub(crate) async fn put_priority(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode> {
    let Priority { priority } = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    access::check_priority(&app.settings, caller.as_ref().map(|caller| caller.0.0.as_str()), priority)?;
    app::queue::set_priority(&app, read_id("run", &id)?, priority).await?;
    Ok(StatusCode::NO_CONTENT)
}
