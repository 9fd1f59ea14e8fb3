//! What is given up because it can never start, and what becomes of a job whose machine died.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::result;
use crate::domain::session::{Outcome, Recovered, Skipped};
use crate::http::params::Path;
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::schema::{OutcomeDocument, SkippedDocument};
use crate::http::sessions::{Changing, Told, changed, session_of};
use crate::ids::SessionId;

/// The jobs that were given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobsSkipped)]
pub struct SkippedView {
    /// Each with what was recorded, in the order of the run list as far as one does not follow from another.
    #[schema(value_type = Told<SkippedDocument>)]
    skipped: Told<Skipped>,
}

/// Gives up what can never start any more
///
/// Records for each job of the run list that can never start that it was skipped, and why; and so on for those that wait for
/// it. What only waits for what may still come stays as it is.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/skip", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "What was given up", body = SkippedView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "The condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
    )
)]
pub(crate) async fn skip_jobs(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
) -> Result<Response> {
    let at = result::skip(&app.sessions, session_of(&id)?, by).await?;
    Ok(changed(at, |skipped| SkippedView { skipped: Told::of(skipped, |it| it) }))
}

/// What was decided about the job that was running.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobRecovered)]
pub struct RecoveredView {
    /// The job; null if none was running.
    #[schema(example = "net::ping")]
    job: Option<String>,
    /// What came of it.
    #[schema(value_type = Option<OutcomeDocument>)]
    outcome: Option<Outcome>,
    /// Whether that was recorded before already.
    was_recorded: bool,
}

impl From<Option<Recovered>> for RecoveredView {
    fn from(recovered: Option<Recovered>) -> Self {
        match recovered {
            Some(Recovered { job, outcome, was_recorded }) => {
                Self { job: Some(job), outcome: Some(outcome), was_recorded }
            }
            None => Self { job: None, outcome: None, was_recorded: false },
        }
    }
}

/// Decides what became of the job that was running when the machine or the application died
///
/// A job that never returns (flag `noreturn`) passed; any other crashed, unless a result of it was recorded since. Call it
/// when the application is there again, before it goes on.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/resume", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "What was decided", body = RecoveredView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "The condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
    )
)]
pub(crate) async fn resume_session(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
) -> Result<Response> {
    let at = result::recover(&app.sessions, session_of(&id)?, by).await?;
    Ok(changed(at, RecoveredView::from))
}
