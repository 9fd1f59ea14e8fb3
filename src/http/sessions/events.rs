//! What happened in a session: in pages, in pages that are waited for, and as a stream of server-sent events.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response, sse};
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use crate::app::session::event::{self, Heard, Listener, is_told_by};
use crate::app::streams::Place;
use crate::app::{App, AppError, cut};
use crate::domain::session::{EventRow, Source};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::session_of;
use crate::http::stream::{is_asked_for, last_event_id, open, refused, vary, wait};
use crate::ids::SessionId;
use crate::store::page::Stretch;
use crate::store::session::Happened;

/// Something that happened. Beside these members it has those of its kind: see `event`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionEvent)]
pub struct EventView {
    /// The version of the session that it belongs to: all events of one change have the same.
    #[schema(example = 12)]
    version: i64,
    /// When it happened.
    happened_at: DateTime<Utc>,
    #[serde(flatten)]
    #[schema(value_type = EventDocument)]
    row: EventRow,
}

/// The members that events have, for the document.
#[derive(Debug, ToSchema)]
#[schema(as = SessionEventKind)]
#[expect(dead_code, reason = "it says how `EventRow` looks, which knows nothing of the document")]
pub struct EventDocument {
    /// Its place among all that happened in the session. It grows; nothing is put in between later.
    #[schema(example = 217)]
    number: u64,
    /// Who tells it: `state` and `context` as Plainbox's session state and device context do, each thing twice; `session`
    /// what has no signal in Plainbox.
    #[schema(example = "session")]
    source: String,
    /// What happened: `state_map_changed`, `job_added`, `job_removed`, `unit_added`, `unit_removed`, `result_changed`,
    /// `provider_added`, `selected`, `readiness_changed`, `begun`, `records_set`; there may come more.
    #[schema(example = "readiness_changed")]
    event: String,
    /// The job, of `job_added`, `job_removed`, `result_changed`, `readiness_changed` and `begun`.
    #[schema(example = "com.example.lab::net/ping")]
    job: Option<String>,
    /// The outcome, of `result_changed`.
    outcome: Option<String>,
    /// Whether the job can start, of `readiness_changed`.
    #[schema(example = true)]
    can_start: Option<bool>,
    /// The kind of the unit, of `unit_added` and `unit_removed`.
    kind: Option<String>,
    /// The id of the unit, of `unit_added` and `unit_removed`.
    unit: Option<String>,
    /// The namespace, of `provider_added`.
    namespace: Option<String>,
    /// How many jobs are on the run list, of `selected`.
    run_list: Option<u64>,
    /// How many problems the selection had, of `selected`.
    problems: Option<u64>,
    /// The resource, of `records_set`.
    resource: Option<String>,
}

impl From<Happened> for EventView {
    fn from(happened: Happened) -> Self {
        Self { version: happened.version, happened_at: happened.happened_at, row: happened.event.0 }
    }
}

/// Which events are asked for, and how.
#[derive(Debug)]
struct Asked {
    id: SessionId,
    tellers: Vec<Source>,
    after: Option<i64>,
}

/// Lists what happened in a session, or streams it
///
/// In the order in which it happened: as a page; with `wait` as a page that is answered as soon as there is something in
/// it; with `Accept: text/event-stream` or `follow` as server-sent events that do not end, each with its number as `id`.
/// Whoever goes on behind the number of the last event they have misses none. A stream ends when the service stops
/// (connect again) and when the session is removed (with an event `deleted`, without a number).
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/events", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("after" = Option<i64>, Query, description = "Only what happened behind this number", example = 217),
        ("source" = Option<Vec<String>>, Query, description = "Only what these tell: `state`, `context`, `session`; may be repeated"),
        ("follow" = Option<bool>, Query, description = "Stream it, whatever `Accept` says"),
        ("wait" = Option<u64>, Query, description = "For how many seconds to wait for something, 60 at most; the page is empty then"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 1000; 50 where it is left out. Not of streams"),
        ("cursor" = Option<i64>, Query, description = "`next_cursor` of the page before. Not of streams"),
        ("last-event-id" = Option<i64>, Header, description = "Of streams: the number of the last event that the client has; goes before `after`"),
    ),
    responses(
        (status = 200, description = "What happened", content((Listing<EventView> = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "A query field or `Last-Event-ID` is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 503, description = "Too many streams are open (`server.max_event_streams`), or the database is away: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn list_session_events(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&["after", "source", "follow", "wait"])?;
    let mut asked = Asked { id: session_of(&id)?, tellers: tellers(&params)?, after: params.one("after")? };
    if is_asked_for(&params, &headers, "wait")? {
        asked.after = last_number(&headers)?.or(asked.after);
        return follow(&app, asked).await;
    }
    let Stretch { limit, after: cursor } = params.stretch::<i64>()?;
    if cursor.is_some() && asked.after.is_some() {
        return Err(refused("send `after` or `cursor`, not both".to_owned()));
    }
    asked.after = cursor.or(asked.after);
    let Heard { happened, next } = match wait(&params, "wait")? {
        None => event::list(&app.sessions, asked.id, &asked.tellers, &asked.stretch(limit)).await?,
        Some(wait) => waited(&app, &asked, limit, wait).await?,
    };
    let items = happened.into_iter().map(EventView::from).collect();
    Ok((vary(), Json(Listing { items, next_cursor: next.map(|number| number.to_string()) })).into_response())
}

impl Asked {
    fn stretch(&self, limit: u32) -> Stretch<i64> {
        Stretch { limit, after: self.after }
    }
}

fn tellers(params: &Params) -> Result<Vec<Source>> {
    let read = |word: String| match word.as_str() {
        "state" => Ok(Source::State),
        "context" => Ok(Source::Context),
        "session" => Ok(Source::Session),
        _ => {
            Err(refused(format!("the query field `source`: want state, context or session, not `{}`", cut(&word, 80))))
        }
    };
    params.all::<String>("source")?.into_iter().map(read).collect()
}

/// The number of the last event that a client has.
fn last_number(headers: &HeaderMap) -> Result<Option<i64>> {
    let read = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    last_event_id(headers, read, "the `id` of an event of this session, which is a number")
}

/// A page with something in it, or an empty one when the time is over.
async fn waited(app: &App, asked: &Asked, limit: u32, wait: Duration) -> Result<Heard> {
    let until = Instant::now() + wait;
    let place = app.streams.enter()?;
    // Listens before the first look, so that nothing falls between.
    let mut listener = Listener::new(&app.sessions, asked.id, asked.after).await?;
    loop {
        let page = event::list(&app.sessions, asked.id, &asked.tellers, &asked.stretch(limit)).await?;
        // An empty page with more behind it is gone on with by the client.
        if !page.happened.is_empty() || page.next.is_some() {
            return Ok(page);
        }
        let heard = async {
            tokio::select! {
                happened = listener.next() => happened.map(|_| true),
                () = place.stopped() => Ok(false),
            }
        };
        match timeout_at(until, heard).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return Ok(page),
            Ok(Err(error)) => return Err(error.into()),
        }
    }
}

/// Streams what happens.
async fn follow(app: &App, asked: Asked) -> Result<Response> {
    let place = app.streams.enter()?;
    let listener = Listener::new(&app.sessions, asked.id, asked.after).await?;
    let following = Following { listener, place, asked, waiting: VecDeque::new(), over: false };
    Ok(open("events of a session", stream::unfold(following, Following::step)))
}

/// Somebody who follows a session.
struct Following {
    listener: Listener,
    place: Place,
    asked: Asked,
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
                Ok(happened) => {
                    let wanted = happened.into_iter().filter(|happened| is_told_by(happened, &self.asked.tellers));
                    self.waiting.extend(wanted.map(event));
                }
                Err(AppError::NotFound { .. }) => {
                    self.waiting.push_back(deleted(self.asked.id));
                    self.over = true;
                }
                Err(error) => {
                    // The client connects again, and is told then what is the matter.
                    tracing::warn!(session = %self.asked.id, cause = %error, "an event stream breaks off");
                    return None;
                }
            }
        }
    }
}

fn event(happened: Happened) -> sse::Event {
    let view = EventView::from(happened);
    let data = serde_json::to_value(&view).unwrap_or_default();
    let word = data["event"].as_str().unwrap_or("message");
    sse::Event::default().id(view.row.number.to_string()).event(word).data(data.to_string())
}

/// Says that a session is gone. It is not one of the session's events, and so has no number.
fn deleted(id: SessionId) -> sse::Event {
    sse::Event::default().event("deleted").data(json!({"event": "deleted", "session": id}).to_string())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_last_event_is_a_number() {
        let headers =
            |value| HeaderMap::from_iter([(HeaderName::from_static("last-event-id"), HeaderValue::from_static(value))]);
        assert_eq!(last_number(&headers("217")).unwrap(), Some(217));
        for wrong in ["x", "-1", "1.5", "99999999999999999999"] {
            assert!(last_number(&headers(wrong)).unwrap_err().words().contains("Last-Event-ID"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_event_is_written_as_the_standard_has_it() {
        use crate::domain::session::{Event, Outcome};
        let happened = Happened {
            number: 7,
            version: 3,
            happened_at: DateTime::UNIX_EPOCH,
            event: crate::store::verbatim::Verbatim(EventRow {
                number: 7,
                source: Source::State,
                event: Event::ResultChanged { job: "a\r\nb".into(), outcome: Some(Outcome::Pass) },
            }),
        };
        let body = open("hello", stream::iter([event(happened)])).into_body();
        let text = String::from_utf8(axum::body::to_bytes(body, 10_000).await.unwrap().to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.contains(&"id: 7") && lines.contains(&"event: result_changed"), "{text}");
        let data = lines.iter().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(
            data,
            json!({"number": 7, "version": 3, "happened_at": "1970-01-01T00:00:00Z", "source": "state",
                "event": "result_changed", "job": "a\r\nb", "outcome": "pass"})
        );
    }
}
