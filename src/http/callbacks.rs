//! The inbox, and the door that each run's runner is given.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::callback::Door;
use crate::app::{self, App};
use crate::domain::callback::{CallbackState, Trust};
use crate::domain::webhook;
use crate::http::body;
use crate::http::builds::{missing, read_id};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::ids::{CallbackId, RunId};
use crate::runner::Signatures;
use crate::store;
use crate::store::callback::Callback;

/// The header that TuxSuite signs in.
pub const SIGNATURE: &str = "x-tux-payload-signature";

/// A callback as it came in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Callback)]
pub struct CallbackView {
    id: CallbackId,
    /// Whose callback it is.
    runner: String,
    trust: Trust,
    /// The run that it tells of, once known.
    run: Option<RunId>,
    /// The runner's id of the job that it tells of.
    uid: Option<String>,
    state: CallbackState,
    /// Why it waits or was not applied, in words.
    reason: Option<String>,
    /// How often it came again.
    repeats: i64,
    /// When it came first.
    received_at: DateTime<Utc>,
    /// When it was settled.
    settled_at: Option<DateTime<Utc>>,
    /// The body as it came, where it is text. Absent in listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The body as it came, in base64, where it is not text. Absent in listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl CallbackView {
    fn new(callback: Callback, with_body: bool) -> Self {
        let (body, body_base64) = match String::from_utf8(callback.body) {
            _ if !with_body => (None, None),
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(STANDARD.encode(error.into_bytes()))),
        };
        Self {
            id: callback.id,
            runner: callback.runner,
            trust: callback.trust,
            run: callback.run_id,
            uid: callback.uid,
            state: callback.state,
            reason: callback.reason,
            repeats: callback.repeats,
            received_at: callback.received_at,
            settled_at: callback.settled_at,
            body,
            body_base64,
        }
    }
}

/// Lists callbacks, newest first
#[utoipa::path(
    get, path = "/api/v1/callbacks", tag = "callbacks",
    params(
        ("state" = Option<Vec<CallbackState>>, Query, description = "What became of it; may be repeated"),
        ("run" = Option<RunId>, Query, description = "The run that it tells of"),
        ("runner" = Option<String>, Query, description = "Whose callback it is"),
        ("uid" = Option<String>, Query, description = "The runner's id of the job that it tells of"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of callbacks, without their bodies", body = Listing<CallbackView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_callbacks(State(app): State<App>, params: Params) -> Result<Json<Listing<CallbackView>>> {
    let params = params.only(&["state", "run", "runner", "uid"])?;
    let filter = store::callback::Filter {
        states: params.all("state")?,
        run_id: params.one("run")?,
        runner: params.one("runner")?,
        uid: params.one("uid")?,
    };
    let page = params.page(|id: CallbackId| id.0)?;
    let mut db = app.read().await?;
    let found = store::callback::list(&mut db.conn(), &filter, page).await?;
    Ok(Json(Listing::of(found, |callback| callback.id.to_string(), |callback| CallbackView::new(callback, false))))
}

/// Shows a callback with its body
#[utoipa::path(
    get, path = "/api/v1/callbacks/{id}", tag = "callbacks",
    params(("id" = CallbackId, Path)),
    responses(
        (status = 200, description = "The callback", body = CallbackView),
        (status = 404, description = "There is no such callback", body = ProblemBody),
    )
)]
pub(crate) async fn get_callback(State(app): State<App>, Path(id): Path<String>) -> Result<Json<CallbackView>> {
    let id: CallbackId = read_id("callback", &id)?;
    let mut db = app.read().await?;
    let callback = store::callback::by_id(&mut db.conn(), id).await?.ok_or_else(|| missing("callback", id))?;
    Ok(Json(CallbackView::new(callback, true)))
}

/// Takes a runner's callback at the URL that only the run's runner was given
#[utoipa::path(
    post, path = "/api/v1/callbacks/{runner}/{capability}", tag = "callbacks",
    params(
        ("runner" = String, Path, description = "The runner's name"),
        ("capability" = String, Path, description = "The secret of one run"),
        ("x-tux-payload-signature" = Option<String>, Header, description = "TuxSuite's signature, where it can sign"),
        ("webhook-id" = Option<String>, Header, description = "Standard Webhooks: the message's id; `svix-id` does too"),
        ("webhook-timestamp" = Option<String>, Header, description = "Standard Webhooks: when it was sent, in seconds since 1970; `svix-timestamp` does too"),
        ("webhook-signature" = Option<String>, Header, description = "Standard Webhooks: its signatures; `svix-signature` does too"),
    ),
    request_body(content = Object, description = "What the runner sends: its adapter reads it", content_type = "application/json"),
    responses(
        (status = 204, description = "Durable, or known already; what it means is worked out in the background"),
        (status = 401, description = "The capability or the signature is wrong", body = ProblemBody),
        (status = 404, description = "There is no such runner", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "It cannot be understood; it is kept for the operator", body = ProblemBody),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn receive_callback(
    State(app): State<App>,
    Path((runner, capability)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode> {
    app.writer.has_room()?;
    let bytes = body::read(body, app.settings.server.max_body_bytes).await?;
    let door = Door::Capability(&capability);
    app::callback::receive(&app, &runner, door, signatures(&headers), bytes).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What vouches for a callback in its headers.
fn signatures(headers: &HeaderMap) -> Signatures<'_> {
    let either = |name, other| body::text(headers, name).or_else(|| body::text(headers, other));
    let [id, timestamp, signature] = webhook::SVIX;
    Signatures {
        tuxsuite: body::text(headers, SIGNATURE),
        webhook: webhook::Headers {
            id: either(webhook::ID, id),
            timestamp: either(webhook::TIMESTAMP, timestamp),
            signature: either(webhook::SIGNATURE, signature),
        },
    }
}
