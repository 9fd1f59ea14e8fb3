//! Who runs a job on a machine, and who does not.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::look::{self, Controllers};
use crate::domain::session::controller::{Controller, Machine};
use crate::http::params::{Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::{id_of, session_of, shown};
use crate::ids::SessionId;

/// How well an execution controller runs a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ControllerScore)]
pub struct ScoreView {
    /// The controller: `trusted_launcher`, `pkexec`, `sudo` or `user`.
    #[schema(example = "sudo")]
    controller: &'static str,
    /// Its score; less than 0 if it cannot run the job.
    #[schema(example = 2)]
    score: i64,
}

/// Who runs a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobControllers)]
pub struct ControllersView {
    /// The controller with the highest score, of several the last one; null if none can.
    #[schema(example = "sudo")]
    chosen: Option<&'static str>,
    /// Why none is chosen; null if one is.
    reason: Option<String>,
    /// All of them, in the order in which they are asked.
    scores: Vec<ScoreView>,
}

impl From<Controllers> for ControllersView {
    fn from(controllers: Controllers) -> Self {
        let Controllers { scores, chosen } = controllers;
        let view = |(controller, score): (Controller, i64)| ScoreView { controller: controller.as_str(), score };
        Self {
            chosen: chosen.ok().map(Controller::as_str),
            reason: chosen.err().map(|error| error.to_string()),
            scores: scores.into_iter().map(view).collect(),
        }
    }
}

/// Tells which execution controller runs a job on a machine
///
/// As Plainbox's older engine chose one. The machine is described by the query; what is left out is not so.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/jobs/{job}/controllers", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "Its full id, percent-encoded", example = "net::ping"),
        ("is_root" = Option<bool>, Query, description = "Jobs run as root"),
        ("user_can_sudo" = Option<bool>, Query, description = "The user may use sudo"),
        ("in_snap" = Option<bool>, Query, description = "Jobs run in a snap"),
        ("over_ssh" = Option<bool>, Query, description = "The session came by SSH"),
        ("has_launcher" = Option<bool>, Query, description = "The trusted launcher is installed"),
        ("provider_is_secure" = Option<bool>, Query, description = "The trusted launcher trusts the job's provider"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "Who runs it", body = ControllersView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session or job", body = ProblemBody),
    )
)]
pub(crate) async fn list_controllers(
    State(app): State<App>,
    Path((id, job)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let facts = ["is_root", "user_can_sudo", "in_snap", "over_ssh", "has_launcher", "provider_is_secure"];
    let params = params.only(&facts)?;
    let fact = |name: &str| params.one::<bool>(name).map(Option::unwrap_or_default);
    let machine = Machine {
        is_root: fact("is_root")?,
        user_can_sudo: fact("user_can_sudo")?,
        in_snap: fact("in_snap")?,
        over_ssh: fact("over_ssh")?,
        has_launcher: fact("has_launcher")?,
        provider_is_secure: fact("provider_is_secure")?,
    };
    let at = look::controllers(&app.sessions, session_of(&id)?, id_of("job", job)?, machine).await?;
    Ok(shown(&headers, at, ControllersView::from))
}
