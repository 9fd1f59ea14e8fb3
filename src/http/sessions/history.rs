//! What jobs came to, result by result.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::look;
use crate::domain::session::Report;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::sessions::schema::ResultDocument;
use crate::http::sessions::{session_of, shown};
use crate::ids::SessionId;
use crate::store::page::Stretch;
use crate::store::session::{Recorded as Stored, ResultKey};

/// A result of a job, with when it was recorded and by whom.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordedJobResult)]
pub struct HistoryView {
    /// Its place among the results of the job, from 0.
    #[schema(example = 0)]
    number: i64,
    /// The version of the session that it made.
    #[schema(example = 7)]
    version: i64,
    /// False where the job was taken out of the session afterwards.
    live: bool,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// The name of the token that recorded it, where one was asked for.
    #[schema(example = "ci")]
    recorded_by: Option<String>,
    /// The result.
    #[schema(value_type = ResultDocument)]
    result: Report,
    /// Its comments without the sequences that a terminal reads as commands; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    plain_comments: Option<String>,
}

impl From<Stored> for HistoryView {
    fn from(stored: Stored) -> Self {
        let Stored { number, version, live, recorded_at, recorded_by, report, job_id: _ } = stored;
        let result = report.0;
        let plain_comments = result.plain_comments().map(std::borrow::Cow::into_owned);
        Self { number, version, live, recorded_at, recorded_by, result, plain_comments }
    }
}

/// The most results of a page: each may be large.
const MAX_PAGE: u32 = 50;

/// A cursor is the version and the number of the last result of the page before.
fn page(params: &Params) -> Result<Stretch<ResultKey>> {
    let page: Stretch<String> = params.stretch()?;
    let key = |cursor: String| {
        let (version, number) = cursor.split_once('-')?;
        Some(ResultKey(version.parse().ok()?, number.parse().ok()?))
    };
    let after = page.after.map(|cursor| {
        key(cursor).ok_or_else(|| Problem::new(Code::BadRequest, "the query field `cursor` is none of this listing"))
    });
    Ok(Stretch { limit: page.limit.min(MAX_PAGE), after: after.transpose()? })
}

/// Lists the results of a job, the oldest first
///
/// With those of jobs of that id which were taken out of the session.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/jobs/{job}/results", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "Its full id, percent-encoded", example = "net::ping"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, of which 50 are told at once"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "A page of results", body = Listing<HistoryView>, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session or job", body = ProblemBody),
    )
)]
pub(crate) async fn list_job_results(
    State(app): State<App>,
    Path((id, job)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let page = page(&params.only(&[])?)?;
    let at = look::history(&app.sessions, session_of(&id)?, &job, &page).await?;
    let cursor = |stored: &Stored| format!("{}-{}", stored.version, stored.number);
    Ok(shown(&headers, at, |found| Listing::of(found, cursor, HistoryView::from)))
}
