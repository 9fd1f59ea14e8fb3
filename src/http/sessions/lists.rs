//! What is wanted of a session: what is desired, what is mandatory, and what is left out.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::look::{self, Lists};
use crate::app::session::steer;
use crate::domain::session::Problem as Wrong;
use crate::domain::unit::{Qualifier, Test};
use crate::http::body;
use crate::http::params::Path;
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::qualifier::{QualifierDocument, Qualifiers};
use crate::http::sessions::{Changing, Told, WrongView, changed, faults_of_ids, refuse, session_of, shown};
use crate::http::specs::documents;
use crate::ids::SessionId;

/// Jobs by their ids.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobIds)]
pub struct JobsView {
    /// The full ids, in order.
    #[schema(example = json!(["net::link", "net::ping"]))]
    pub jobs: Vec<String>,
}

/// What is desired, and what was left out of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DesiredNow)]
pub struct DesiredView {
    /// The full ids, in order, repetitions kept; without those that were left out.
    #[schema(example = json!(["net::link", "net::ping"]))]
    jobs: Vec<String>,
    /// What is wrong with what was desired last; it was left out.
    problems: Told<WrongView>,
}

/// What is wrong with what is desired.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionProblems)]
pub struct ProblemsView {
    /// What is wrong; it is left out, and with it what needs it, each with a problem of its own.
    pub problems: Told<WrongView>,
}

impl From<Vec<Wrong>> for ProblemsView {
    fn from(problems: Vec<Wrong>) -> Self {
        Self { problems: Told::of(problems, WrongView::from) }
    }
}

/// Tells which jobs are desired, and what was left out of them
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/desired", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The jobs, repetitions kept", body = DesiredView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_desired(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = look::lists(&app.sessions, session_of(&id)?).await?;
    let view = |lists: Lists| DesiredView { jobs: lists.desired, problems: Told::of(lists.problems, WrongView::from) };
    Ok(shown(&headers, at, view))
}

/// What is to be desired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DesiredJobs, example = json!({"jobs": ["net::ping"]}))]
pub struct AskedDesired {
    /// The full ids of the jobs: at most 200000. None of them, and nothing but what is mandatory is desired.
    jobs: Vec<String>,
    /// Whether the mandatory jobs are desired in front of them: yes, if left out.
    with_mandatory: Option<bool>,
}

/// Desires jobs, in place of what was desired before
///
/// What they need comes with them. What is wrong makes no refusal: it is left out, and `problems` says so.
#[utoipa::path(
    put, path = "/api/v1/sessions/{id}/desired", tag = "sessions",
    request_body = AskedDesired,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "They are desired", body = ProblemsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn put_desired(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedDesired = documents::json(&app, &headers, body).await?;
    refuse("the jobs", faults_of_ids("/jobs", &asked.jobs))?;
    let with_mandatory = asked.with_mandatory.unwrap_or(true);
    let at = steer::desire(&app.sessions, session_of(&id)?, asked.jobs, with_mandatory, by).await?;
    Ok(changed(at, ProblemsView::from))
}

/// Tells which jobs are mandatory
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/mandatory", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The jobs; they need not be there", body = JobsView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_mandatory(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = look::lists(&app.sessions, session_of(&id)?).await?;
    Ok(shown(&headers, at, |lists: Lists| JobsView { jobs: lists.mandatory }))
}

/// What is to be mandatory.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MandatoryJobs, example = json!({"jobs": ["net::link"]}))]
pub struct AskedMandatory {
    /// The full ids of the jobs: at most 200000.
    jobs: Vec<String>,
}

/// Makes jobs the mandatory ones
///
/// It takes effect when something is desired next.
#[utoipa::path(
    put, path = "/api/v1/sessions/{id}/mandatory", tag = "sessions",
    request_body = AskedMandatory,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "They are mandatory", body = JobsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn put_mandatory(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedMandatory = documents::json(&app, &headers, body).await?;
    refuse("the jobs", faults_of_ids("/jobs", &asked.jobs))?;
    let jobs = asked.jobs.clone();
    let at = steer::set_mandatory(&app.sessions, session_of(&id)?, asked.jobs, by).await?;
    Ok(changed(at, |()| JobsView { jobs }))
}

/// Which jobs are to be dropped.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrimmedJobs, example = json!({"qualifier": {"pattern": "net::wifi.*"}}))]
pub struct AskedTrim {
    /// Which.
    #[schema(value_type = QualifierDocument)]
    qualifier: Value,
}

/// Drops jobs, with their results and their records
///
/// None of them may be on the run list. What came of them can still be asked for.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/trim", tag = "sessions",
    request_body = AskedTrim,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "The jobs that are gone", body = JobsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 409, description = "Some of them are on the run list", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where; a pattern takes too long", body = ProblemBody),
    )
)]
pub(crate) async fn trim_jobs(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedTrim = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let qualifier = documents::apart(move || {
        let mut reader = Qualifiers::default();
        let read = reader.read(asked.qualifier, "/qualifier");
        refuse("the qualifier", reader.faults)?;
        // Without faults there is one; one that chooses nothing would stand for none.
        Ok(read.unwrap_or_else(|| Qualifier::including(Test::AnyOf(Vec::new()))))
    })
    .await?;
    let at = steer::trim(&app.sessions, session_of(&id)?, qualifier, by).await?;
    Ok(changed(at, |jobs| JobsView { jobs }))
}

/// By what jobs are to be chosen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobQuestion, example = json!({"qualifiers": [{"pattern": "net::.*"}, {"id": "net::wifi", "inclusive": false}]}))]
pub struct AskedQualify {
    /// Qualifiers: at most 1000 in all. What one of them leaves out, no other chooses.
    #[schema(value_type = Vec<QualifierDocument>)]
    qualifiers: Vec<Value>,
}

/// Tells which jobs qualifiers choose; changes nothing
///
/// In the order in which the qualifiers stand, and of each in the order of the jobs.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/qualify", tag = "sessions",
    request_body = AskedQualify,
    params(("id" = SessionId, Path)),
    responses(
        (status = 200, description = "The jobs that are chosen", body = JobsView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where; a pattern takes too long", body = ProblemBody),
    )
)]
pub(crate) async fn qualify_jobs(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedQualify = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let qualifiers = documents::apart(move || {
        let mut reader = Qualifiers::default();
        let values = asked.qualifiers.into_iter().enumerate();
        let read: Vec<Qualifier> =
            values.filter_map(|(place, value)| reader.read(value, &format!("/qualifiers/{place}"))).collect();
        refuse("the qualifiers", reader.faults)?;
        Ok(read)
    })
    .await?;
    let at = steer::qualify(&app.sessions, session_of(&id)?, qualifiers).await?;
    Ok(changed(at, |jobs| JobsView { jobs }))
}
