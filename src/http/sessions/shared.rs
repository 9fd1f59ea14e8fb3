//! Values that the clients of a session share: the first to tell one under a key decides, and all others read it.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::session::shared;
use crate::app::{App, path_of};
use crate::http::body;
use crate::http::catalogue::Author;
use crate::http::params::Path;
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::session_of;
use crate::ids::SessionId;
use crate::store::session::Shared;

/// The longest value, in bytes of JSON.
const MAX_VALUE_BYTES: usize = 256 << 10;

/// A value that the clients of a session share.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SharedValue)]
pub struct SharedView {
    /// Its key.
    #[schema(example = "machine-id")]
    key: String,
    /// The value, any JSON.
    #[schema(example = "4c4c4544")]
    value: Value,
    /// When it came.
    created_at: DateTime<Utc>,
    /// The name of the token that brought it, where one was asked for.
    #[schema(example = "ci")]
    created_by: Option<String>,
}

impl From<Shared> for SharedView {
    fn from(shared: Shared) -> Self {
        let Shared { key, value, created_at, created_by } = shared;
        Self { key, value: value.0, created_at, created_by }
    }
}

/// Shows the value under a key
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/shared/{key}", tag = "sessions",
    params(("id" = SessionId, Path), ("key" = String, Path, example = "machine-id")),
    responses(
        (status = 200, description = "The value", body = SharedView),
        (status = 404, description = "There is no such session, or no value under the key yet", body = ProblemBody),
    )
)]
pub(crate) async fn get_shared_value(
    State(app): State<App>,
    Path((id, key)): Path<(String, String)>,
) -> Result<Json<SharedView>> {
    let found = shared::get(&app.sessions, session_of(&id)?, &key).await?;
    Ok(Json(found.into()))
}

/// Keeps a value under a key, unless there is one
///
/// The answer has the value that stays: of many who bring one at the same time, all are told the same. `null` is a value.
#[utoipa::path(
    put, path = "/api/v1/sessions/{id}/shared/{key}", tag = "sessions",
    request_body(content = Value, description = "Any JSON", content_type = "application/json"),
    params(("id" = SessionId, Path), ("key" = String, Path, example = "machine-id")),
    responses(
        (status = 200, description = "There was a value already: it stays", body = SharedView),
        (status = 201, description = "It is kept", body = SharedView, headers(("location" = String, description = "The value"))),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 409, description = "The session has as many values as it may have", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "The key is none", body = ProblemBody),
    )
)]
pub(crate) async fn put_shared_value(
    State(app): State<App>,
    author: Author,
    Path((id, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let id: SessionId = session_of(&id)?;
    let most = app.settings.server.max_body_bytes.min(MAX_VALUE_BYTES);
    let value = body::any_json(&headers, body, most).await?;
    let (stays, is_new) = shared::put(&app.sessions, id, &key, value, author.by().author).await?;
    let shown = Json(SharedView::from(stays));
    if is_new {
        let location = path_of(&["api", "v1", "sessions", &id.to_string(), "shared", &key]);
        return Ok((StatusCode::CREATED, [(header::LOCATION, location)], shown).into_response());
    }
    Ok(shown.into_response())
}

/// Forgets the value under a key
///
/// The next to bring one decides again.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}/shared/{key}", tag = "sessions",
    params(("id" = SessionId, Path), ("key" = String, Path, example = "machine-id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such session, or no value under the key", body = ProblemBody),
    )
)]
pub(crate) async fn delete_shared_value(
    State(app): State<App>,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode> {
    shared::delete(&app.sessions, session_of(&id)?, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
