//! What is given up because it can never start, and what becomes of a job whose machine died.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::session::change::By;
use crate::app::session::result;
use crate::app::{App, AppError, execution};
use crate::domain::session::{Outcome, Recovered, Skipped};
use crate::http::params::Path;
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::execution::{ExecutionView, standing};
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
    /// How the session is run, if it was started and is not over.
    execution: Option<ExecutionView>,
}

impl From<Option<Recovered>> for RecoveredView {
    fn from(recovered: Option<Recovered>) -> Self {
        match recovered {
            Some(Recovered { job, outcome, was_recorded }) => {
                Self { job: Some(job), outcome: Some(outcome), was_recorded, execution: None }
            }
            None => Self { job: None, outcome: None, was_recorded: false, execution: None },
        }
    }
}

/// Goes on with a session: one that was paused is run again, and it is decided what became of the job that an application
/// had begun when it died
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
    let session = session_of(&id)?;
    let who = by.who.clone();
    let at = result::recover(&app.sessions, session, by).await?;
    let is_run_here = match execution::get(&app, session).await {
        Ok(standing) => !standing.execution.state.is_over(),
        Err(AppError::NotFound { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    let execution = if is_run_here {
        execution::resume(&app, session, By { who, only_if: None }).await?;
        Some(standing(&app, session).await?)
    } else {
        None
    };
    Ok(changed(at, |recovered| RecoveredView { execution, ..RecoveredView::from(recovered) }))
}
