//! Problems: every refusal as RFC 9457 `application/problem+json`.
//!
//! What a caller reads and what an operator reads are two things: the words for the caller are in the body, the cause
//! rides in an extension of the response to the request's one log line and never leaves the service.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppError;
use crate::domain::words::words;
use crate::http::bridge::fields::Detail;
use crate::http::log::{Cause, request_id};
use crate::store;

words!(
    /// The kinds of problems. A kind never changes its meaning; new ones may come.
    Code, "problem", {
        /// The request cannot be read: its JSON, its query or its path is malformed.
        BadRequest = "bad-request",
        /// Who asks has not shown that they may.
        Unauthenticated = "unauthenticated",
        /// Who asks may not do this.
        Forbidden = "forbidden",
        /// There is no such thing.
        NotFound = "not-found",
        /// There is such a thing, and it takes no such method.
        MethodNotAllowed = "method-not-allowed",
        /// The thing is not in a state that allows this.
        Conflict = "conflict",
        /// The lease is not the agent's any more, or is of another generation: stop the job, and report what there is.
        LeaseLost = "lease-lost",
        /// This version of the agents' protocol is not known; the words name those that are.
        UnknownProtocol = "unknown-protocol",
        /// The thing is not as `If-Match` or `If-None-Match` says: read it again.
        PreconditionFailed = "precondition-failed",
        /// A hook that the selection depends on failed; the words say which and why.
        HookFailed = "hook-failed",
        /// What is here may not be changed now; the words say why.
        ReadOnly = "read-only",
        /// Lines of a log are missing before those that were sent; `next` says which comes next.
        LogGap = "log-gap",
        /// The body is larger than is taken.
        TooLarge = "too-large",
        /// The body is not of a content type that is taken.
        UnsupportedMediaType = "unsupported-media-type",
        /// None of the bytes asked for by `Range` are there.
        RangeNotSatisfiable = "range-not-satisfiable",
        /// The request can be read and makes no sense.
        Invalid = "invalid",
        /// The service failed.
        Internal = "internal",
        /// The service cannot do this now: repeat the request later.
        Unavailable = "unavailable",
    }
);

impl Code {
    /// The HTTP status of such a problem.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::LeaseLost | Self::LogGap | Self::UnknownProtocol => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::HookFailed => StatusCode::BAD_GATEWAY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The problem in a few words, the same for each of its kind.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request cannot be read",
            Self::Unauthenticated => "Not authenticated",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict => "Not possible in the present state",
            Self::LeaseLost => "The lease is lost",
            Self::UnknownProtocol => "The protocol is not known",
            Self::PreconditionFailed => "Not as the caller thought it to be",
            Self::HookFailed => "A hook failed",
            Self::ReadOnly => "Read-only",
            Self::LogGap => "Lines of the log are missing",
            Self::TooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The content type is not supported",
            Self::RangeNotSatisfiable => "No such bytes",
            Self::Invalid => "The request makes no sense",
            Self::Internal => "The service failed",
            Self::Unavailable => "The service cannot do this now",
        }
    }
}

/// A refusal, on its way to the caller.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: Words,
    errors: Vec<FaultBody>,
    more: Option<Box<More>>,
    retry_after: Option<Duration>,
    cause: Option<String>,
}

/// Members that only some kinds of problems have.
#[derive(Clone, Debug, Default)]
struct More {
    next: Option<u64>,
    log_url: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<Detail>),
}

/// What is wrong with a part of the body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub struct FaultBody {
    /// Where: a JSON pointer (RFC 6901) into the body; empty for the whole.
    #[schema(example = "/arguments/exit_code")]
    pointer: String,
    /// What, and what would do.
    #[schema(example = "want a whole number")]
    detail: String,
}

/// The body of a refusal, by RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// The kind of problem, as a reference to its description.
    #[schema(example = "/problems/not-found")]
    r#type: String,
    /// The kind of problem, in a few words.
    #[schema(example = "Not found")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What is wrong with this request and what to do about it. On the bridge's routes, with status 422, this is the
    /// list that FastAPI answers with: see `HTTPValidationError`.
    #[schema(value_type = String, example = "there is no run `run_0198c1a20b7c7d3e9f00112233445566`")]
    detail: Words,
    /// The kind of problem, as one word.
    #[schema(example = "not-found")]
    code: Code,
    /// What is wrong, place by place, where several things may be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultBody>,
    /// Of `log-gap`: the number of the line that comes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    /// Of a run that has no log here: where its log lies, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_url: Option<String>,
    /// The id of the request, as in the log and in the header `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The body of a 422 on the bridge's routes: a problem whose `detail` is FastAPI's list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub struct ValidationProblemBody {
    /// What is wrong, field by field.
    detail: Vec<Detail>,
}

impl Problem {
    /// A problem of this kind, in words for the caller.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::of(code, Words::Text(detail.into()))
    }

    /// A 422 of the bridge's routes.
    #[must_use]
    pub fn fields(details: Vec<Detail>) -> Self {
        Self::of(Code::Invalid, Words::List(details))
    }

    fn of(code: Code, detail: Words) -> Self {
        Self { code, detail, errors: Vec::new(), more: None, retry_after: None, cause: None }
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What is wrong, for the caller, in one line.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.detail {
            Words::Text(text) => text.clone(),
            Words::List(details) => details.iter().map(|detail| detail.msg.as_str()).collect::<Vec<_>>().join("; "),
        }
    }

    /// The cause, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    fn with(self, more: More) -> Self {
        Self { more: Some(Box::new(more)), ..self }
    }

    fn unavailable(detail: String, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::Unavailable, detail) }
    }
}

/// After how long a caller may ask again when the database is away, or where nothing else is known.
const DATABASE_AWAY: Duration = Duration::from_secs(5);

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let words = error.to_string();
        match error {
            AppError::NotFound { .. } => Self::new(Code::NotFound, words),
            AppError::Conflict(_) => Self::new(Code::Conflict, words),
            AppError::Invalid(_) => Self::new(Code::Invalid, words),
            AppError::Faults { faults, .. } => {
                let errors = faults.into_iter().map(|fault| FaultBody { pointer: fault.pointer, detail: fault.detail });
                Self { errors: errors.collect(), ..Self::new(Code::Invalid, words) }
            }
            AppError::LogGap(gap) => {
                Self::new(Code::LogGap, words).with(More { next: Some(gap.next), ..More::default() })
            }
            AppError::NoLog { log_url, .. } => {
                Self::new(Code::NotFound, words).with(More { log_url, ..More::default() })
            }
            AppError::Forbidden(_) => Self::new(Code::Forbidden, words),
            AppError::LeaseLost(_) => Self::new(Code::LeaseLost, words),
            AppError::UnknownProtocol(_) => Self::new(Code::UnknownProtocol, words),
            AppError::PreconditionFailed(_) => Self::new(Code::PreconditionFailed, words),
            AppError::Hook { .. } => Self::new(Code::HookFailed, words),
            AppError::ReadOnly(_) => Self::new(Code::ReadOnly, words),
            AppError::Unauthenticated(_) => Self::new(Code::Unauthenticated, words),
            AppError::Overloaded { retry_after } | AppError::Busy { retry_after, .. } => {
                Self::unavailable(words, retry_after)
            }
            AppError::Unavailable(cause) => {
                Self::unavailable("the database is not available; repeat the request later".into(), DATABASE_AWAY)
                    .because(cause)
            }
            AppError::Store(error) => error.into(),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let cause = format!("{error:?}");
        if error.is_transient() {
            Self::unavailable("the database is not available; repeat the request later".into(), DATABASE_AWAY)
                .because(cause)
        } else {
            Self::new(Code::Internal, "the service failed; its log says why under this request's id").because(cause)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let cause = self.cause.clone().unwrap_or_else(|| self.words());
        let more = self.more.map(|more| *more).unwrap_or_default();
        let body = ProblemBody {
            r#type: format!("/problems/{}", self.code),
            title: self.code.title(),
            status: status.as_u16(),
            detail: self.detail,
            errors: self.errors,
            next: more.next,
            log_url: more.log_url,
            code: self.code,
            request_id: request_id(),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // Whatever cannot be done now is worth another try: no 503 goes out without a time for it.
        let retry_after = self.retry_after.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(DATABASE_AWAY));
        if let Some(retry_after) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Cause(cause));
        response
    }
}

/// A result of a handler.
pub type Result<T, E = Problem> = std::result::Result<T, E>;
