//! One log line a request, with its cause when it failed; request ids; a bound on a request's time.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::http::problem::{Code, Problem};
use crate::http::stream::MAX_WAIT_S;

/// Why a request failed, for the log alone.
#[derive(Clone, Debug)]
pub struct Cause(pub String);

/// Who made a request: for the log, and for what records who did what.
#[derive(Clone, Debug)]
pub struct Caller(pub String);

/// The header that a request's id comes and goes in.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task works on.
#[must_use]
pub fn request_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The id that the caller gave, if it is one that can stand in a log; else a new one.
fn id_of(request: &Request, app: &App) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let fits = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(fits).map_or_else(|| crate::ids::new_uuid(app.now()).simple().to_string(), str::to_owned)
}

/// Runs a request: gives it an id, bounds its time and logs its one line. The path is logged as the route's template,
/// for some paths hold secrets.
pub async fn request(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = id_of(&request, &app);
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let longest = Duration::from_secs(longest(&app, route.as_deref()).max(1));
    let answered = CURRENT.scope(id.clone(), async {
        match tokio::time::timeout(longest, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(Code::Unavailable, format!("the request took longer than {} s", longest.as_secs()))
                .because("timed out")
                .into_response(),
        }
    });
    let mut response = answered.await;
    let (status, millis) = (response.status(), begun.elapsed().as_secs_f64() * 1000.0);
    let route = route.as_deref().unwrap_or("-");
    let cause = response.extensions().get::<Cause>().map(|cause| cause.0.as_str());
    let caller = response.extensions().get::<Caller>().map(|caller| caller.0.as_str());
    let code = status.as_u16();
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(%method, route, status = code, millis, request_id = id, caller, cause, "request");
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(%method, route, status = code, millis, request_id = id, caller, cause, "request");
    } else if matches!(route, "/livez" | "/readyz") {
        tracing::debug!(%method, route, status = code, millis, request_id = id, caller, cause, "request");
    } else {
        tracing::info!(%method, route, status = code, millis, request_id = id, caller, cause, "request");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// How many seconds a request may take: one that carries an import, an export, an attachment, a batch of specs or what sessions
/// are made of, or that selects, has more of them.
fn longest(app: &App, route: Option<&str>) -> u64 {
    const TRANSFERS: [&str; 4] = ["/attachments", "/attachments/{filename}", "/import", "/export"];
    const LONG: [&str; 11] = [
        "specs",
        "specs/results",
        "selections/{tag}",
        "selections/{tag}/refresh",
        "providers/{name}",
        "providers/{name}/units",
        "sessions",
        "sessions/import",
        "sessions/{id}/export",
        "sessions/{id}/units",
        "sessions/{id}/results",
    ];
    let route = route.and_then(|route| route.strip_prefix("/api/v1/")).unwrap_or_default();
    let of_catalogue =
        route.strip_prefix("catalog").is_some_and(|rest| TRANSFERS.iter().any(|end| rest.ends_with(end)));
    // It may be told to wait before it answers.
    if ["events", "runs/{id}/events", "sessions/{id}/events"].contains(&route) {
        return app.settings.server.request_timeout_s.saturating_add(MAX_WAIT_S);
    }
    if route == "leases/{id}/artifacts/{job}/{*path}" {
        return app.settings.catalogue.transfer_timeout_s;
    }
    if route == "agents/claim" {
        return app.settings.server.request_timeout_s.saturating_add(app.settings.agents.poll_max_s);
    }
    let is_transfer = of_catalogue || LONG.contains(&route);
    if is_transfer { app.settings.catalogue.transfer_timeout_s } else { app.settings.server.request_timeout_s }
}

/// Turns a panic into a problem: the service goes on, the log says what happened.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the layer that catches panics hands them over")]
pub fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()))
        .unwrap_or_default();
    Problem::new(Code::Internal, "the service failed; its log says why under this request's id")
        .because(format!("a handler panicked: {what}"))
        .into_response()
}
