//! Answers that do not end by themselves: server-sent events, and pages that are waited for.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};

use crate::http::accept::prefers;
use crate::http::body;
use crate::http::params::Params;
use crate::http::problem::{Code, Problem, Result};

/// How often a stream without events shows that it is alive.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// After how long a client is to connect again.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// The longest time that a page is waited for, in seconds.
pub(super) const MAX_WAIT_S: u64 = 60;

/// The content type of a stream.
const STREAM: &str = "text/event-stream";

/// That a page and a stream are answered under one address.
pub(super) fn vary() -> [(HeaderName, HeaderValue); 1] {
    [(header::VARY, HeaderValue::from_static("accept"))]
}

pub(super) fn refused(words: String) -> Problem {
    Problem::new(Code::BadRequest, words)
}

/// For how long a page is to be waited for; the query field is called so.
pub(super) fn wait(params: &Params, name: &str) -> Result<Option<Duration>> {
    let wait = params.one::<u64>(name)?;
    if wait.is_some_and(|seconds| seconds > MAX_WAIT_S) {
        return Err(refused(format!("the query field `{name}`: want at most {MAX_WAIT_S} seconds")));
    }
    Ok(wait.map(Duration::from_secs))
}

/// Whether a stream is asked for: by the query field `follow`, or where that is left out by the header `Accept`, unless a
/// page is waited for (the query field that says so is called `waits`).
pub(super) fn is_asked_for(params: &Params, headers: &HeaderMap, waits: &str) -> Result<bool> {
    let waiting = wait(params, waits)?.is_some();
    let follow = params.flag("follow")?;
    if !follow.unwrap_or_else(|| !waiting && prefers(headers, STREAM, "application/json")) {
        return Ok(false);
    }
    for field in [waits, "limit", "cursor"] {
        if params.one::<String>(field)?.is_some() {
            return Err(refused(format!("the query field `{field}`: it is for pages, and a stream has none")));
        }
    }
    Ok(true)
}

/// The id of the last event that a client has; `None` where it has none. `what` tells what is wanted of it.
pub(super) fn last_event_id<T>(
    headers: &HeaderMap,
    read: impl FnOnce(&str) -> Option<T>,
    what: &str,
) -> Result<Option<T>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    // What a client sends that was given no id yet.
    if value.is_empty() {
        return Ok(None);
    }
    let id = body::text(headers, "last-event-id").and_then(|text| read(text.trim()));
    id.map(Some).ok_or_else(|| refused(format!("Last-Event-ID: want {what}")))
}

/// A stream of these events. What is said first tells the client at once that it is connected.
pub(super) fn open(hello: &str, events: impl Stream<Item = sse::Event> + Send + 'static) -> Response {
    let first = sse::Event::default().retry(RETRY).comment(hello);
    let mut response = answer(stream::once(async { first }).chain(events), HEARTBEAT);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(vary());
    // Proxies that gather answers before they pass them on would gather for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn answer(events: impl Stream<Item = sse::Event> + Send + 'static, heartbeat: Duration) -> Response {
    let alive = KeepAlive::new().interval(heartbeat);
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(alive).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_quiet_stream_shows_that_it_is_alive() {
        let response = answer(stream::pending(), Duration::from_millis(5));
        assert_eq!(response.headers()[header::CONTENT_TYPE], STREAM);
        let mut body = response.into_body().into_data_stream();
        for _ in 0..3 {
            let comment = tokio::time::timeout(Duration::from_secs(20), body.next()).await.unwrap().unwrap().unwrap();
            assert!(comment.starts_with(b":") && comment.ends_with(b"\n\n"), "{comment:?}");
        }
    }

    #[test]
    fn an_id_is_read_or_refused() {
        let headers =
            |value| HeaderMap::from_iter([(HeaderName::from_static("last-event-id"), HeaderValue::from_static(value))]);
        let read = |headers: &HeaderMap| last_event_id(headers, |text| text.parse::<u8>().ok(), "a small number");
        assert_eq!(read(&HeaderMap::new()).unwrap(), None);
        assert_eq!(read(&headers("")).unwrap(), None);
        assert_eq!(read(&headers(" 217 ")).unwrap(), Some(217));
        assert_eq!(read(&headers("x")).unwrap_err().words(), "Last-Event-ID: want a small number");
    }
}
