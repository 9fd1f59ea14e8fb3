//! The KCIDB door in: `/submit`, `/status` and `/authtest` as kcidb-restd answers them, so that any KCIDB submitter can
//! send here and one Testyard can be another's sink.
//!
//! With a JWT secret in the settings the door asks for kcidb-restd's tokens; without one it asks for this service's own
//! where these are asked for.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_tokens;
pub mod token;
pub mod wire;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;

use crate::app::{self, App, AppError};
use crate::config::Scope;
use crate::domain::result::SubmissionState;
use crate::http::log::Cause;
use crate::http::problem::{Code, Problem, Result};
use crate::http::restd::wire::{Answer, Reply};
use crate::http::{access, body};
use crate::store;

/// How much is read of a body whose sender may not submit, in bytes.
const MAX_STRANGERS_BYTES: usize = 64 << 10;

/// Who submits: the origin of a JWT, or the holder of one of our tokens; nothing where nobody is asked.
fn authenticate(app: &App, headers: &HeaderMap, needed: Scope) -> Result<String, Reply> {
    let intake = &app.settings.intake;
    let authorization = match headers.get(header::AUTHORIZATION).map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(Reply::unauthorized(token::UNREADABLE)),
    };
    let Some(secret) = &intake.jwt_secret else {
        return match access::check(&app.settings, authorization, needed) {
            Ok(holder) => Ok(holder.unwrap_or_default()),
            Err(problem) => Err(Reply::unauthorized(&problem.words())),
        };
    };
    let secrets: Vec<&str> =
        std::iter::once(secret).chain(&intake.second_jwt_secret).map(secrecy::SecretString::expose_secret).collect();
    token::check(authorization, &secrets, app.now())
        .map(|claims| claims.origin)
        .map_err(|message| Reply::unauthorized(&message))
}

/// Takes a KCIDB report
#[utoipa::path(
    post, path = "/submit", tag = "intake",
    request_body(content = Object, description = "A KCIDB report", content_type = "application/json"),
    responses(
        (status = 200, description = "Durable; checked and stored in the background", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "Not JSON", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 401, description = "The token is missing or wrong", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 413, description = "Too large", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "It may not be stored: repeat the request later", body = crate::http::problem::ProblemBody),
    )
)]
pub(crate) async fn submit(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    take(&app, &headers, body).await.unwrap_or_else(|refusal| refusal)
}

async fn take(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Response> {
    let authenticated = authenticate(app, headers, Scope::Submit).map_err(Reply::into_response);
    // A stranger's body is read only as far as kcidb-restd's order of refusals needs.
    let most = if authenticated.is_ok() { app.settings.intake.max_body_bytes } else { MAX_STRANGERS_BYTES };
    app.writer.has_room().map_err(failed)?;
    let bytes = match body::read(body, most).await {
        Ok(bytes) => bytes,
        Err(problem) if problem.code() == Code::TooLarge => {
            return Err(authenticated.err().unwrap_or_else(|| Reply::too_large().into_response()));
        }
        Err(problem) => return Err(problem.into_response()),
    };
    let text = wire::submission_text(&bytes).map_err(Reply::into_response)?;
    let origin = authenticated?;
    wire::check_submission(text).map_err(Reply::into_response)?;
    let size = bytes.len();
    let id = app::submission::submit(app, origin, bytes.to_vec()).await.map_err(failed)?;
    Ok(Reply::received(&id, size).into_response())
}

/// A failure of ours: 503 as everywhere in this service, for kcidb-restd has no words for it; else its own 500.
fn failed(error: AppError) -> Response {
    let problem = Problem::from(error);
    if problem.code() == Code::Unavailable {
        return problem.into_response();
    }
    let mut response = Reply::internal_error().into_response();
    response.extensions_mut().insert(Cause(problem.cause().unwrap_or_default().to_owned()));
    response
}

/// Tells how far a submission is
#[utoipa::path(
    get, path = "/status", tag = "intake",
    params(("id" = String, Query, description = "The id that `/submit` answered with")),
    responses(
        (status = 200, description = "How far it is: `inprogress`, `ready`, `processed` or `failed`", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "The id is missing or none", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 401, description = "The token is missing or wrong", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 404, description = "There is no such submission", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "The database is away: repeat the request later", body = crate::http::problem::ProblemBody),
    )
)]
pub(crate) async fn status(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    tell(&app, &headers, &uri).await.unwrap_or_else(|refusal| refusal)
}

async fn tell(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Response, Response> {
    let id = wire::status_id(uri).map_err(Reply::into_response)?;
    authenticate(app, headers, Scope::Read).map_err(Reply::into_response)?;
    wire::check_status_id(&id).map_err(Reply::into_response)?;
    let mut db = app.read().await.map_err(failed)?;
    let known = store::submission::by_id(&mut db.conn(), &id).await.map_err(|error| failed(error.into()))?;
    let state = match known.map(|submission| submission.state) {
        None => wire::SubmissionState::NotFound,
        Some(SubmissionState::Ready) => wire::SubmissionState::Ready,
        Some(SubmissionState::Processed) => wire::SubmissionState::Processed,
        Some(SubmissionState::Failed) => wire::SubmissionState::Failed,
    };
    Ok(Reply::state(&id, state).into_response())
}

/// Checks a token
#[utoipa::path(
    get, path = "/authtest", tag = "intake",
    responses(
        (status = 200, description = "The token is good", body = Answer, content_type = "text/plain; charset=utf-8"),
        (status = 401, description = "The token is missing or wrong", body = Answer, content_type = "text/plain; charset=utf-8"),
    )
)]
pub(crate) async fn authtest(State(app): State<App>, headers: HeaderMap) -> Response {
    match authenticate(&app, &headers, Scope::Submit) {
        Ok(_) => Reply::authenticated().into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
