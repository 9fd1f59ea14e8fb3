//! Sessions out as archives, and in.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::portable;
use crate::http::archive;
use crate::http::params::{Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::session_of;
use crate::ids::SessionId;

/// A session that was imported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionImported)]
pub struct ImportedView {
    /// Its id.
    id: SessionId,
    /// The version that it stands at, which is the one that it was exported at.
    #[schema(example = 12)]
    version: i64,
}

/// Exports a session
///
/// A tar archive with all of it, from which [importing](#operation/import_session) makes an equal session: `session.json`,
/// and the rows of its units, jobs, results, resources, events and shared values as lines of JSON. Two archives of one
/// version are the same, byte for byte, unless a value was shared in between.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/export", tag = "sessions",
    params(("id" = SessionId, Path)),
    responses(
        (status = 200, description = "The session", content_type = "application/x-tar", body = Vec<u8>),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn export_session(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    let id = session_of(&id)?;
    let exported = portable::export(&app.sessions, id).await?;
    Ok(archive::answer(exported.file, exported.length, &format!("{id}-v{}.tar", exported.version)))
}

/// Imports a session
///
/// The body is an archive that [exporting](#operation/export_session) made, here or elsewhere. The session keeps its id, its
/// version, and the times at which everything came; all of it is made, or nothing.
#[utoipa::path(
    post, path = "/api/v1/sessions/import", tag = "sessions",
    request_body(content = Vec<u8>, content_type = "application/x-tar", description = "The archive"),
    params(("new_id" = Option<bool>, Query, description = "Make it under a new id")),
    responses(
        (status = 201, description = "It is made", body = ImportedView, headers(("location" = String, description = "The session"))),
        (status = 400, description = "The body breaks off; a query field is unknown or malformed", body = ProblemBody),
        (status = 409, description = "There is a session of its id", body = ProblemBody),
        (status = 413, description = "More than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as `application/x-tar`", body = ProblemBody),
        (status = 422, description = "No archive of a session: the words say which file and line", body = ProblemBody),
    )
)]
pub(crate) async fn import_session(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let new_id = params.only(&["new_id"])?.one::<bool>("new_id")?.unwrap_or(false);
    let file = archive::receive(&headers, body, app.catalogue.limits.max_import_bytes).await?;
    let made = portable::import(&app.sessions, file, new_id).await?;
    let location = [(header::LOCATION, format!("/api/v1/sessions/{}", made.value))];
    let shown = Json(ImportedView { id: made.value, version: made.version });
    Ok((StatusCode::CREATED, location, shown).into_response())
}
