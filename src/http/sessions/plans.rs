//! Test plans of a session: which are set, and how far their use has come.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::steer::{self, Phase};
use crate::domain::fault::Fault;
use crate::domain::session::Part;
use crate::domain::words::words;
use crate::http::body;
use crate::http::params::{Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::lists::{JobsView, ProblemsView};
use crate::http::sessions::{Changing, changed, faults_of_ids, refuse, session_of, shown};
use crate::ids::SessionId;

/// The most test plans that are set.
const MAX_PLANS: usize = 1_000;

words!(
    /// Which jobs of a test plan, as queries have it.
    PlanPart, "part of a test plan", {
        /// Those that it is about.
        Include = "include",
        /// Those that run in any case.
        Mandatory = "mandatory",
        /// Those that run first, so that templates can be expanded.
        Bootstrap = "bootstrap",
        /// Those that prepare the machine.
        Setup = "setup",
    }
);

impl From<PlanPart> for Part {
    fn from(part: PlanPart) -> Self {
        match part {
            PlanPart::Include => Self::Include,
            PlanPart::Mandatory => Self::Mandatory,
            PlanPart::Bootstrap => Self::Bootstrap,
            PlanPart::Setup => Self::Setup,
        }
    }
}

/// Which test plans are to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetPlans, example = json!({"test_plans": ["net::smoke"]}))]
pub struct AskedPlans {
    /// Their full ids: at most 1000. None takes back what was overridden by those that were set, and leaves what is desired.
    test_plans: Vec<String>,
}

/// Sets test plans, in place of those that were set before
///
/// What they override is in force, of the jobs that are there and those to come; their mandatory jobs are the mandatory
/// ones, in front of what is desired already. What the plans are about is desired by `…/plans/include`.
#[utoipa::path(
    put, path = "/api/v1/sessions/{id}/plans", tag = "sessions",
    request_body = AskedPlans,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "They are set", body = ProblemsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "There is no such test plan, or it cannot be read", body = ProblemBody),
    )
)]
pub(crate) async fn put_plans(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedPlans = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let mut faults = faults_of_ids("/test_plans", &asked.test_plans);
    if asked.test_plans.len() > MAX_PLANS {
        let words = format!("want at most {MAX_PLANS} test plans, not {}", asked.test_plans.len());
        faults.insert(0, Fault::new("/test_plans", words));
    }
    refuse("the test plans", faults)?;
    let at = steer::plan(&app.sessions, session_of(&id)?, Some(asked.test_plans), Phase::Set, by).await?;
    Ok(changed(at, ProblemsView::from))
}

async fn begin(app: App, Changing(by): Changing, id: &str, phase: Phase) -> Result<Response> {
    let at = steer::plan(&app.sessions, session_of(id)?, None, phase, by).await?;
    Ok(changed(at, ProblemsView::from))
}

/// Desires the jobs of the set test plans that prepare the machine
///
/// Without the mandatory ones. The session has the flag `setting_up` until the next phase.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/plans/setup", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "They are desired", body = ProblemsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "The condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 422, description = "A test plan is gone, or cannot be read", body = ProblemBody),
    )
)]
pub(crate) async fn start_setup(
    State(app): State<App>,
    changing: Changing,
    Path(id): Path<String>,
) -> Result<Response> {
    begin(app, changing, &id, Phase::Setup).await
}

/// Desires the jobs of the set test plans that templates wait for
///
/// Without the mandatory ones. The session has the flag `bootstrapping` until the next phase.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/plans/bootstrap", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "They are desired", body = ProblemsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "The condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 422, description = "A test plan is gone, or cannot be read", body = ProblemBody),
    )
)]
pub(crate) async fn start_bootstrap(
    State(app): State<App>,
    changing: Changing,
    Path(id): Path<String>,
) -> Result<Response> {
    begin(app, changing, &id, Phase::Bootstrap).await
}

/// Desires what the set test plans are about, of the jobs that there are now
///
/// Behind the mandatory ones. What was rejected stays out, and so does the job that asks for the manifest.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/plans/include", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "They are desired", body = ProblemsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "The condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 422, description = "A test plan is gone, or cannot be read", body = ProblemBody),
    )
)]
pub(crate) async fn finish_bootstrap(
    State(app): State<App>,
    changing: Changing,
    Path(id): Path<String>,
) -> Result<Response> {
    begin(app, changing, &id, Phase::Include).await
}

/// Tells which jobs a part of test plans chooses now; changes nothing
///
/// Of several plans together: what one excludes, no other includes.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/plans/choose", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("plan" = Option<Vec<String>>, Query, description = "A test plan by its full id; may be repeated. Those that are set, if left out", example = json!(["net::smoke"])),
        ("part" = Option<PlanPart>, Query, description = "Which jobs of them: `include`, if left out"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The jobs", body = JobsView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 422, description = "There is no such test plan, or it cannot be read", body = ProblemBody),
    )
)]
pub(crate) async fn choose_jobs(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&["plan", "part"])?;
    let part = params.one::<PlanPart>("part")?.unwrap_or(PlanPart::Include);
    let at = steer::choose(&app.sessions, session_of(&id)?, params.all("plan")?, part.into()).await?;
    Ok(shown(&headers, at, |jobs| JobsView { jobs }))
}
