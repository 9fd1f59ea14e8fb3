//! A log as it grows, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{LineView, refused};
use crate::app::log::follow::{End, Heard, Listener};
use crate::app::log::read;
use crate::app::streams::Place;
use crate::app::{App, AppError};
use crate::domain::log::{Numbered, Wanted};
use crate::http::body;
use crate::http::problem::Result;
use crate::http::stream::{HEARTBEAT, RETRY};
use crate::ids::RunId;

/// Streams the lines as they are written.
pub(super) async fn follow(
    app: &App,
    run: RunId,
    wanted: Wanted,
    from: Option<u64>,
    tail: Option<usize>,
    headers: &HeaderMap,
) -> Result<Response> {
    let from = match (last_event_id(headers)?, from, tail) {
        (_, Some(_), Some(_)) => return Err(refused("send `from` or `tail`, not both".to_owned())),
        (Some(number), ..) => number.saturating_add(1),
        (None, from, None) => from.unwrap_or_default(),
        (None, None, Some(count)) => behind(app, run, &wanted, count).await?,
    };
    let place = app.streams.enter()?;
    let listener = Listener::new(app, run, wanted, from).await?;
    let following = Following { run, listener, place, waiting: VecDeque::new(), over: false };
    // Told at once, so that a client knows that it is connected.
    let first = sse::Event::default().retry(RETRY).comment("the log of a run");
    let events = stream::once(async { first }).chain(stream::unfold(following, Following::step));
    let alive = KeepAlive::new().interval(HEARTBEAT);
    let mut response = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    // Proxies that gather answers before they pass them on would gather for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Where the last lines begin; at the beginning of a log that is not there yet.
async fn behind(app: &App, run: RunId, wanted: &Wanted, count: usize) -> Result<u64> {
    match read::last(app, run, wanted, count).await {
        Ok(found) => Ok(found.lines.first().map_or_else(|| found.log.length().lines, |line| line.number)),
        Err(AppError::NoLog { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// The number of the last line that a client has.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    // What a client sends that was given no id yet.
    if value.is_empty() {
        return Ok(None);
    }
    let number = body::text(headers, "last-event-id").and_then(|text| text.trim().parse().ok());
    let wrong = || refused("Last-Event-ID: want the `id` of an event of this log, which is a number".to_owned());
    number.map(Some).ok_or_else(wrong)
}

/// Somebody who follows a log.
struct Following {
    run: RunId,
    listener: Listener,
    place: Place,
    /// What is to be told next.
    waiting: VecDeque<sse::Event>,
    /// Whether nothing comes behind that.
    over: bool,
}

impl Following {
    /// The next event; `None` ends the stream.
    async fn step(mut self) -> Option<(sse::Event, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((event, self));
            }
            if self.over {
                return None;
            }
            let heard = tokio::select! {
                biased;
                () = self.place.stopped() => return None,
                heard = self.listener.next() => heard,
            };
            match heard {
                Ok(Heard::Lines(lines)) => self.waiting.extend(lines.into_iter().map(event)),
                Ok(Heard::End(end)) => {
                    self.waiting.push_back(ended(self.run, &end));
                    self.over = true;
                }
                Err(error) => {
                    // The client connects again, and is told then what is the matter.
                    tracing::warn!(run = %self.run, cause = %error, "the stream of a log breaks off");
                    return None;
                }
            }
        }
    }
}

fn event(line: Numbered) -> sse::Event {
    let number = line.number;
    let data = serde_json::to_string(&LineView::from(line)).unwrap_or_default();
    sse::Event::default().id(number.to_string()).event("line").data(data)
}

/// Says that the log is complete. It is none of its lines, and so has no number.
fn ended(run: RunId, end: &End) -> sse::Event {
    let End { length, state, status } = end;
    let data = json!({
        "run": run, "state": state, "status": status,
        "lines": length.lines, "bytes": length.bytes, "dropped": length.dropped,
    });
    sse::Event::default().event("end").data(data.to_string())
}
