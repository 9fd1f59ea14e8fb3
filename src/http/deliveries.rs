//! Deliveries to sinks, the dead letters among them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::{self, App};
use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::domain::kcidb::object::ObjectKind;
use crate::http::builds::{missing, read_id};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::ids::{DeliveryId, RunId};
use crate::store;
use crate::store::delivery::Delivery;

/// An object on its way to a sink.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    id: DeliveryId,
    /// Where it goes.
    #[schema(example = "kcidb")]
    sink: String,
    object_kind: ObjectKind,
    /// The object's id in KCIDB.
    object_id: String,
    /// The run that it reports.
    run: Option<RunId>,
    state: DeliveryState,
    /// Why it is dead.
    dead_cause: Option<DeadCause>,
    /// Why it waits or is dead, in words.
    reason: Option<String>,
    /// What the sink last answered, if that was a refusal.
    answer: Option<String>,
    /// The sink's receipt.
    receipt: Option<String>,
    /// How often it was sent in vain.
    tries: i64,
    /// When its next step is due.
    due_at: Option<DateTime<Utc>>,
    /// When it was enqueued.
    created_at: DateTime<Utc>,
    /// When the sink took it.
    sent_at: Option<DateTime<Utc>>,
    /// When it was delivered or died.
    settled_at: Option<DateTime<Utc>>,
    /// The object, as it is sent.
    object: Value,
}

impl DeliveryView {
    fn new(app: &App, delivery: Delivery) -> Self {
        let waits = matches!(delivery.state, DeliveryState::Pending | DeliveryState::Sent);
        let reason = if waits { why_waiting(app, &delivery) } else { delivery.reason };
        Self {
            id: delivery.id,
            sink: delivery.sink,
            object_kind: delivery.object_kind,
            object_id: delivery.object_id,
            run: delivery.run_id,
            state: delivery.state,
            dead_cause: delivery.dead_cause,
            reason,
            answer: delivery.answer,
            receipt: delivery.receipt,
            tries: delivery.tries,
            due_at: waits.then_some(delivery.due_at),
            created_at: delivery.created_at,
            sent_at: delivery.sent_at,
            settled_at: delivery.settled_at,
            object: delivery.object.0,
        }
    }
}

/// Why a delivery waits, in words: what holds up its sink comes before what held up its last step.
fn why_waiting(app: &App, delivery: &Delivery) -> Option<String> {
    if app.sink.is_none() {
        return Some("no sink is set: give KCIDB_SUBMIT_URL the address that reports are posted to".into());
    }
    if app.settings.kcidb.dry_run {
        return Some("this is a dry run (DEBUG): nothing is sent, and nothing is marked as sent".into());
    }
    app.breakers.why(&delivery.sink, app.now()).or_else(|| delivery.reason.clone()).or_else(|| {
        Some(match delivery.state {
            DeliveryState::Sent => "the sink took it and has not told yet that it is processed".to_owned(),
            _ => "it has not been sent yet".to_owned(),
        })
    })
}

/// Lists deliveries, newest first
#[utoipa::path(
    get, path = "/api/v1/deliveries", tag = "deliveries",
    params(
        ("state" = Option<Vec<DeliveryState>>, Query, description = "How far it is; `dead` lists the dead letters; may be repeated"),
        ("kind" = Option<Vec<ObjectKind>>, Query, description = "What kind of object it carries; may be repeated"),
        ("run" = Option<RunId>, Query, description = "The run that it reports"),
        ("object_id" = Option<String>, Query, description = "The object's id in KCIDB"),
        ("receipt" = Option<String>, Query, description = "The sink's receipt"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of deliveries", body = Listing<DeliveryView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_deliveries(State(app): State<App>, params: Params) -> Result<Json<Listing<DeliveryView>>> {
    let params = params.only(&["state", "kind", "run", "object_id", "receipt"])?;
    let filter = store::delivery::Filter {
        states: params.all("state")?,
        kinds: params.all("kind")?,
        run_id: params.one("run")?,
        object_id: params.one("object_id")?,
        receipt: params.one("receipt")?,
    };
    let page = params.page(|id: DeliveryId| id.0)?;
    let mut db = app.read().await?;
    let found = store::delivery::list(&mut db.conn(), &filter, page).await?;
    Ok(Json(Listing::of(found, |delivery| delivery.id.to_string(), |delivery| DeliveryView::new(&app, delivery))))
}

/// Shows a delivery, and why it waits or is dead
#[utoipa::path(
    get, path = "/api/v1/deliveries/{id}", tag = "deliveries",
    params(("id" = DeliveryId, Path)),
    responses(
        (status = 200, description = "The delivery", body = DeliveryView),
        (status = 404, description = "There is no such delivery", body = ProblemBody),
    )
)]
pub(crate) async fn get_delivery(State(app): State<App>, Path(id): Path<String>) -> Result<Json<DeliveryView>> {
    let id: DeliveryId = read_id("delivery", &id)?;
    let mut db = app.read().await?;
    let delivery = store::delivery::by_id(&mut db.conn(), id).await?.ok_or_else(|| missing("delivery", id))?;
    Ok(Json(DeliveryView::new(&app, delivery)))
}

/// Brings a dead letter back: it is sent again, alone
#[utoipa::path(
    post, path = "/api/v1/deliveries/{id}/retry", tag = "deliveries",
    params(("id" = DeliveryId, Path)),
    responses(
        (status = 204, description = "It is due now"),
        (status = 404, description = "There is no such delivery", body = ProblemBody),
        (status = 409, description = "It is not a dead letter", body = ProblemBody),
    )
)]
pub(crate) async fn retry_delivery(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode> {
    app::delivery::retry(&app, read_id("delivery", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
