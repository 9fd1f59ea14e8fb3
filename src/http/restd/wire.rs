//! The answers of kcidb-restd, to the letter, and what it refuses.
//!
//! Its clients read `{"id", "status", "message"}` as JSON although it is sent as plain text; what its web framework
//! refuses before its own code runs is a bare sentence. So the order of the checks shows: first the body's encoding
//! ([`submission_text`]) or the query ([`status_id`]), then the token, then what the body ([`check_submission`]) or the
//! id ([`check_status_id`]) holds.

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::words::{Word as _, words};
use crate::http::log::Cause;

words!(
    /// How far a submission is.
    SubmissionState, "submission state", {
        /// It is being received.
        InProgress = "inprogress",
        /// It is stored and waits to be looked at.
        Ready = "ready",
        /// It was found good and taken over.
        Processed = "processed",
        /// It was found bad.
        Failed = "failed",
        /// No such submission is known, or no longer.
        NotFound = "notfound",
    }
);

impl SubmissionState {
    fn message(self) -> &'static str {
        match self {
            Self::InProgress => "File still in progress",
            Self::Ready => "File waiting for processing",
            Self::Processed => "File archived",
            Self::Failed => "File failed to pass validation",
            Self::NotFound => "File not found",
        }
    }
}

/// What the JSON answers hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(examples(json!({
    "id": "TrPJuF7hzS0FLxYyGVDcibVflM5Qi4U4", "status": "processed", "message": "File archived"
})))]
pub struct Answer {
    /// The submission's id; `0` if there is none to speak of.
    pub id: String,
    /// `ok`, `error`, or how far the submission is.
    pub status: String,
    /// The same for people.
    pub message: String,
}

/// A whole reply: a status and a text, sent as `text/plain; charset=utf-8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub code: StatusCode,
    /// The body: an [`Answer`] in JSON, or a bare sentence.
    pub text: String,
}

impl Reply {
    /// 200: the token is good.
    #[must_use]
    pub fn authenticated() -> Self {
        Self::answer(StatusCode::OK, "0", "ok", "Authentication successful")
    }

    /// 401: the token is not; `message` is [`super::token::check`]'s.
    #[must_use]
    pub fn unauthorized(message: &str) -> Self {
        Self::error(StatusCode::UNAUTHORIZED, message)
    }

    /// 200: a submission of `size` bytes is stored as `id`.
    #[must_use]
    pub fn received(id: &str, size: usize) -> Self {
        let message = format!("Received submission {id} with size {size} bytes");
        Self::answer(StatusCode::OK, id, "ok", &message)
    }

    /// How far the submission `id` is: 200, or 404 where it is not known.
    #[must_use]
    pub fn state(id: &str, state: SubmissionState) -> Self {
        let code = if state == SubmissionState::NotFound { StatusCode::NOT_FOUND } else { StatusCode::OK };
        Self::answer(code, id, state.as_str(), state.message())
    }

    /// 500: a submission could not be stored.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    }

    /// 413: the body is longer than is taken.
    #[must_use]
    pub fn too_large() -> Self {
        Self { code: StatusCode::PAYLOAD_TOO_LARGE, text: "length limit exceeded".to_owned() }
    }

    fn error(code: StatusCode, message: &str) -> Self {
        Self::answer(code, "0", "error", message)
    }

    fn answer(code: StatusCode, id: &str, status: &str, message: &str) -> Self {
        let answer = Answer { id: id.to_owned(), status: status.to_owned(), message: message.to_owned() };
        // Three texts always serialise.
        Self { code, text: serde_json::to_string(&answer).unwrap_or_default() }
    }

    fn bad_request(text: String) -> Self {
        Self { code: StatusCode::BAD_REQUEST, text }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let cause = (!self.code.is_success()).then(|| Cause(self.text.clone()));
        let mut response = (self.code, self.text).into_response();
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// The text of a submission.
///
/// # Errors
/// 400 with a bare sentence: it is not UTF-8 (compressed bodies are not unpacked).
pub fn submission_text(body: &[u8]) -> Result<&str, Reply> {
    std::str::from_utf8(body)
        .map_err(|error| Reply::bad_request(format!("Request body didn't contain valid UTF-8: {error}")))
}

/// Reads a submission: any JSON value passes, for what it means is judged later.
///
/// # Errors
/// 400 with the parser's message: no JSON, something after it, a number out of range, a lone surrogate, 128 levels.
pub fn check_submission(text: &str) -> Result<Value, Reply> {
    serde_json::from_str(text).map_err(|error| Reply::error(StatusCode::BAD_REQUEST, &error.to_string()))
}

#[derive(Deserialize)]
struct StatusQuery {
    id: String,
}

/// The `id` that the query asks for, whatever it is.
///
/// # Errors
/// 400 with a bare sentence: there is none, or more than one.
pub fn status_id(uri: &Uri) -> Result<String, Reply> {
    Query::<StatusQuery>::try_from_uri(uri)
        .map(|Query(StatusQuery { id })| id)
        .map_err(|rejection| Reply { code: rejection.status(), text: rejection.body_text() })
}

/// Whether `id` can be a submission's: letters and digits, of any script.
///
/// # Errors
/// 400: it is empty or holds something else.
pub fn check_status_id(id: &str) -> Result<(), Reply> {
    if id.is_empty() {
        return Err(Reply::error(StatusCode::BAD_REQUEST, "Empty id"));
    }
    if !id.chars().all(char::is_alphanumeric) {
        return Err(Reply::error(StatusCode::BAD_REQUEST, "Invalid id"));
    }
    Ok(())
}
