//! The feed of events: in pages, in pages that are waited for, and as a stream of server-sent events.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response, sse};
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::event::{self, Asked, Heard, Listener};
use crate::app::streams;
use crate::domain::event::Place;
use crate::http::builds::{missing, read_id};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::stream::{is_asked_for, last_event_id, open, refused, vary, wait};
use crate::ids::{RunId, SessionId};
use crate::store;
use crate::store::event::{Event, Filter};
use crate::store::page::Stretch;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its place in the feed: `after` and `Last-Event-ID` take it.
    #[schema(example = "1042-217")]
    id: String,
    /// Its number. It grows within what one change tells, and is never used twice.
    #[schema(example = 217)]
    number: i64,
    /// When it happened.
    happened_at: DateTime<Utc>,
    /// What happened, in dotted words; there may come more.
    #[schema(example = "run.finished")]
    kind: String,
    /// The run that it is about.
    run: Option<RunId>,
    /// The session that it is about.
    session: Option<SessionId>,
    /// KCIDB's id of the build that it is about.
    #[schema(example = "maestro:681b69099ae9711e9ed49766")]
    build_id: Option<String>,
    /// What more there is to say: members that each kind has of its own.
    #[schema(value_type = Object)]
    data: Value,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            id: event.place().to_string(),
            number: event.number,
            happened_at: event.happened_at,
            kind: event.kind,
            run: event.run_id,
            session: event.session_id,
            build_id: event.build_ref,
            data: event.document.0,
        }
    }
}

/// Lists what happened, or streams it
///
/// In one order: as a page; with `wait_s` as a page that is answered as soon as there is something in it; with
/// `Accept: text/event-stream` or `follow` as server-sent events that do not end, each with its `id`. Whoever goes on behind
/// the `id` of the last event that they have misses none, whichever process wrote it and in whatever order changes became
/// durable. A stream ends when the service stops: connect again.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events",
    params(
        ("kind" = Option<Vec<String>>, Query, description = "Only this kind, or all that begin with these words, such as `run`; may be repeated", example = json!(["run.finished", "session"])),
        ("run" = Option<RunId>, Query, description = "Only what is about this run"),
        ("session" = Option<SessionId>, Query, description = "Only what is about this session"),
        ("build_id" = Option<String>, Query, description = "Only what is about this build, by KCIDB's id"),
        ("after" = Option<String>, Query, description = "Only what stands behind the event of this `id`", example = "1042-217"),
        ("follow" = Option<bool>, Query, description = "Stream it, whatever `Accept` says"),
        ("wait_s" = Option<u64>, Query, description = "For how many seconds to wait for something, 60 at most; the page is empty then"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 1000; 50 where it is left out. Not of streams"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before. Not of streams"),
        ("last-event-id" = Option<String>, Header, description = "Of streams: the `id` of the last event that the client has; goes before `after`"),
    ),
    responses(
        (status = 200, description = "What happened", content((Listing<EventView> = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "A query field or `Last-Event-ID` is unknown or malformed", body = ProblemBody),
        (status = 503, description = "Too many streams are open (`server.max_event_streams`), or the database is away: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn list_events(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response> {
    let params = params.only(&["kind", "run", "session", "build_id", "after", "follow", "wait_s"])?;
    let about =
        Filter { run_id: params.one("run")?, session_id: params.one("session")?, build_ref: params.one("build_id")? };
    told(&app, about, &params, &headers).await
}

/// Lists what happened to a run, or streams it
///
/// What the feed tells of the run, in its order, asked for as the feed is.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/events", tag = "events",
    params(
        ("id" = RunId, Path),
        ("kind" = Option<Vec<String>>, Query, description = "Only this kind, or all that begin with these words; may be repeated", example = json!(["run.finished"])),
        ("after" = Option<String>, Query, description = "Only what stands behind the event of this `id`", example = "1042-217"),
        ("follow" = Option<bool>, Query, description = "Stream it, whatever `Accept` says"),
        ("wait_s" = Option<u64>, Query, description = "For how many seconds to wait for something, 60 at most; the page is empty then"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 1000; 50 where it is left out. Not of streams"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before. Not of streams"),
        ("last-event-id" = Option<String>, Header, description = "Of streams: the `id` of the last event that the client has; goes before `after`"),
    ),
    responses(
        (status = 200, description = "What happened", content((Listing<EventView> = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "A query field or `Last-Event-ID` is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such run", body = ProblemBody),
        (status = 503, description = "Too many streams are open (`server.max_event_streams`), or the database is away: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn list_run_events(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&["kind", "after", "follow", "wait_s"])?;
    let id: RunId = read_id("run", &id)?;
    let mut db = app.read().await?;
    store::run::by_id(&mut db.conn(), id).await?.ok_or_else(|| missing("run", id))?;
    drop(db);
    told(&app, Filter { run_id: Some(id), ..Filter::default() }, &params, &headers).await
}

/// What is asked for, as it is asked for.
async fn told(app: &App, about: Filter, params: &Params, headers: &HeaderMap) -> Result<Response> {
    let asked = Asked { kinds: params.all("kind")?, about };
    let after: Option<Place> = params.one("after")?;
    if is_asked_for(params, headers, "wait_s")? {
        let what = "the `id` of an event, which is two numbers such as 1042-217";
        let after = last_event_id(headers, |text| text.parse().ok(), what)?.or(after);
        let place = app.streams.enter()?;
        let following = Following { listener: Listener::new(app, asked, after), place, waiting: VecDeque::new() };
        return Ok(open("the feed of events", stream::unfold(following, Following::step)));
    }
    let Stretch { limit, after: cursor } = params.stretch::<Place>()?;
    if cursor.is_some() && after.is_some() {
        return Err(refused("send `after` or `cursor`, not both".to_owned()));
    }
    let after = cursor.or(after);
    let heard = match wait(params, "wait_s")? {
        None => event::list(app, &asked, &Stretch { limit, after }).await?,
        Some(wait) => waited(app, asked, Stretch { limit, after }, wait).await?,
    };
    let items = heard.events.into_iter().map(EventView::from).collect();
    let next_cursor = heard.next.map(|place| place.to_string());
    Ok((vary(), Json(Listing { items, next_cursor })).into_response())
}

/// A page with something in it, or an empty one when the time is over.
async fn waited(app: &App, asked: Asked, page: Stretch<Place>, wait: Duration) -> Result<Heard> {
    let place = app.streams.enter()?;
    let mut listener = Listener::new(app, asked, page.after);
    let heard = async {
        tokio::select! {
            heard = listener.next_of(page.limit) => heard,
            () = place.stopped() => Ok(Heard::default()),
        }
    };
    match timeout(wait, heard).await {
        Ok(heard) => Ok(heard?),
        Err(_) => Ok(Heard::default()),
    }
}

/// Somebody who follows the feed.
struct Following {
    listener: Listener,
    place: streams::Place,
    /// What is to be told next.
    waiting: VecDeque<sse::Event>,
}

impl Following {
    /// The next event; `None` ends the stream.
    async fn step(mut self) -> Option<(sse::Event, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((event, self));
            }
            let heard = tokio::select! {
                biased;
                () = self.place.stopped() => return None,
                heard = self.listener.next() => heard,
            };
            match heard {
                Ok(events) => self.waiting.extend(events.into_iter().map(written)),
                Err(error) => {
                    // The client connects again, and is told then what is the matter.
                    tracing::warn!(cause = %error, "a stream of the feed breaks off");
                    return None;
                }
            }
        }
    }
}

fn written(event: Event) -> sse::Event {
    let view = EventView::from(event);
    let data = serde_json::to_string(&view).unwrap_or_default();
    sse::Event::default().id(view.id).event(view.kind).data(data)
}
