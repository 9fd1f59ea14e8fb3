//! What a session comes to: counts, durations, certification, the verdict.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::look::{self, Certified, Stats};
use crate::domain::session::{CategoryViews, EstimatedDuration, MANUAL_OVERHEAD, Outcome, Verdict};
use crate::http::params::{Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::sessions::jobs::outcome_of;
use crate::http::sessions::schema::{CategoriesDocument, OutcomeDocument, VerdictDocument};
use crate::http::sessions::{session_of, shown};
use crate::ids::SessionId;

/// What a session comes to, in numbers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionStats)]
pub struct StatsView {
    /// The jobs of each outcome, on the run list or not.
    #[schema(example = json!({"fail": 1, "pass": 7}))]
    outcomes: BTreeMap<String, u64>,
    /// The same without resource and attachment jobs.
    #[schema(example = json!({"fail": 1, "pass": 5}))]
    test_outcomes: BTreeMap<String, u64>,
    /// What came of the categories.
    #[schema(value_type = CategoriesDocument)]
    categories: CategoryViews,
}

impl From<Stats> for StatsView {
    fn from(stats: Stats) -> Self {
        let named = |counts: Vec<(Outcome, u64)>| {
            counts.into_iter().map(|(outcome, count)| (outcome.to_string(), count)).collect()
        };
        Self {
            outcomes: named(stats.outcomes),
            test_outcomes: named(stats.test_outcomes),
            categories: stats.categories,
        }
    }
}

/// Counts what jobs came to
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/stats", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The counts", body = StatsView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_stats(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response> {
    let at = look::stats(&app.sessions, session_of(&id)?).await?;
    Ok(shown(&headers, at, StatsView::from))
}

/// How long the run list takes, in seconds, what has run already among it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionEstimate)]
pub struct EstimateView {
    /// The jobs that run by themselves; null if one of them does not say how long it takes.
    #[schema(example = 42.5)]
    automated: Option<f64>,
    /// The jobs that need a person; null if one of them has a command and does not say how long it takes.
    #[schema(example = 60.0)]
    manual: Option<f64>,
}

impl From<EstimatedDuration> for EstimateView {
    fn from(estimate: EstimatedDuration) -> Self {
        // JSON has no infinite numbers: a job may say that it takes so long.
        let told = |seconds: Option<f64>| seconds.filter(|seconds| seconds.is_finite());
        Self { automated: told(estimate.automated), manual: told(estimate.manual) }
    }
}

/// Estimates how long the run list takes
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/estimate", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("overhead" = Option<f64>, Query, description = "What a job that needs a person takes beside its own time, in seconds: 30, if left out", example = 30.0),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The estimate", body = EstimateView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_estimate(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let overhead: f64 = params.only(&["overhead"])?.one("overhead")?.unwrap_or(MANUAL_OVERHEAD);
    if !overhead.is_finite() || overhead < 0.0 {
        return Err(Problem::new(Code::BadRequest, "the query field `overhead`: want seconds, and no less than 0"));
    }
    let at = look::estimate(&app.sessions, session_of(&id)?, overhead).await?;
    Ok(shown(&headers, at, EstimateView::from))
}

/// A job, what came of it, and whether its failure blocks a certificate.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CertifiedJob)]
pub struct CertifiedView {
    /// The job.
    #[schema(example = "net::ping")]
    job: String,
    /// What came of it; null if it has not run.
    #[schema(value_type = Option<OutcomeDocument>)]
    outcome: Option<Outcome>,
    /// Its certification status, as it is in force.
    #[schema(example = "blocker")]
    status: String,
}

impl From<Certified> for CertifiedView {
    fn from(certified: Certified) -> Self {
        let Certified { job, outcome, status } = certified;
        Self { job, outcome, status }
    }
}

/// The jobs that matter to a certificate.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionCertification)]
pub struct CertificationView {
    /// The jobs, in the order of the job list.
    jobs: Vec<CertifiedView>,
}

/// Lists the jobs of these outcomes and certification statuses: what stands in the way of a certificate, unless asked
/// otherwise
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/certification", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("outcome" = Option<Vec<String>>, Query, description = "Jobs of this outcome, or `none`: those that have not run. May be repeated; `fail`, if left out", example = json!(["fail", "none"])),
        ("status" = Option<Vec<String>>, Query, description = "Jobs of this certification status. May be repeated; `blocker`, if left out", example = json!(["blocker"])),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The jobs", body = CertificationView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_certification(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&["outcome", "status"])?;
    let words: Vec<String> = params.all("outcome")?;
    let read = |word: &String| if word == "none" { Ok(None) } else { outcome_of(word).map(Some) };
    let mut outcomes = words.iter().map(read).collect::<Result<Vec<Option<Outcome>>>>()?;
    if outcomes.is_empty() {
        outcomes.push(Some(Outcome::Fail));
    }
    let mut statuses: Vec<String> = params.all("status")?;
    if statuses.is_empty() {
        statuses.push("blocker".to_owned());
    }
    let at = look::certification(&app.sessions, session_of(&id)?, outcomes, statuses).await?;
    let view = |jobs: Vec<Certified>| CertificationView { jobs: jobs.into_iter().map(CertifiedView::from).collect() };
    Ok(shown(&headers, at, view))
}

/// Tells whether what was tested may be released, and why
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/verdict", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The verdict", body = VerdictDocument, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_verdict(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = look::verdict(&app.sessions, session_of(&id)?).await?;
    Ok(shown(&headers, at, |verdict: Verdict| verdict))
}
