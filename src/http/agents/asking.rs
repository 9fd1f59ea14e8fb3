//! What agents ask: to be known, and for work.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use super::MAX_BODY_BYTES;
use super::guard::bearer;
use super::schema::{ClaimDocument, LeaseDocument, RegisteredDocument, RegistrationDocument};
use crate::app::App;
use crate::app::agent::claim::{self, Claimed};
use crate::app::agent::register;
use crate::domain::agent::{Claim, Registration};
use crate::http::body;
use crate::http::problem::{ProblemBody, Result};
use crate::store::agent::Agent;

/// The header that says what waits and does not fit the agent that asks.
pub const WAITING: HeaderName = HeaderName::from_static("testyard-waiting");

/// Registers an agent, with a registration token as the bearer
///
/// The same again, before the agent first asks for work, is answered with another token: the first answer may have been
/// lost.
#[utoipa::path(
    post, path = "/api/v1/agents", tag = "agents",
    request_body = RegistrationDocument,
    responses(
        (status = 201, description = "The agent is known", body = RegisteredDocument),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 401, description = "The registration token is missing, not known or has expired", body = ProblemBody),
        (status = 403, description = "The registration token is for another agent", body = ProblemBody),
        (status = 409, description = "The token was used, the name is taken, or the version of the protocol is not known (`unknown-protocol`)", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "It makes no sense", body = ProblemBody),
        (status = 503, description = "The database is away: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn register_agent(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    let most = app.settings.server.max_body_bytes.min(MAX_BODY_BYTES);
    let asked: Registration = body::json(&headers, body, most).await?;
    let registered = register::register(&app, bearer(&headers)?, &asked).await?;
    Ok((StatusCode::CREATED, Json(registered)).into_response())
}

/// Gives an agent work, or says that there is none
///
/// Waits for work for as long as is asked. An agent that has a lease is told of it again.
#[utoipa::path(
    post, path = "/api/v1/agents/claim", tag = "agents",
    request_body = ClaimDocument,
    responses(
        (status = 200, description = "Work, under a lease that heartbeats keep", body = LeaseDocument),
        (status = 204, description = "There was none in that time", headers(("testyard-waiting" = String, description = "What waits and does not fit the agent"))),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 403, description = "The agent is drained or was removed; the words say why", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "The labels are none", body = ProblemBody),
    )
)]
pub(crate) async fn claim_work(
    State(app): State<App>,
    Extension(agent): Extension<Agent>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let most = app.settings.server.max_body_bytes.min(MAX_BODY_BYTES);
    let asked: Claim = body::json(&headers, body, most).await?;
    Ok(match claim::claim(&app, &agent, &asked).await? {
        Claimed::Lease(lease) => Json(lease).into_response(),
        Claimed::Nothing { waiting } => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            // A header is text in ASCII, and labels need not be.
            let ascii = waiting.map(|words| words.replace(|letter: char| !matches!(letter, ' '..='~'), "?"));
            if let Some(Ok(words)) = ascii.map(|words| HeaderValue::from_str(&words)) {
                response.headers_mut().insert(WAITING, words);
            }
            response
        }
    })
}
