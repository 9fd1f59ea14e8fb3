//! The outbox: objects on their way to a sink. Nothing leaves it undelivered.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::domain::event::{DELIVERY_DEAD, DELIVERY_DELIVERED};
use crate::domain::kcidb::object::ObjectKind;
use crate::ids::{DeliveryId, RunId, WorkerId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::event::{self, NewEvent};
use crate::store::lease::Lease;
use crate::store::page::Page;
use crate::store::query::{Insert, Query, SKIP_LOCKED};

/// A delivery as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub sink: String,
    /// What kind of object it carries.
    pub object_kind: ObjectKind,
    /// The object's id in KCIDB.
    pub object_id: String,
    /// The object.
    pub object: Json<Value>,
    /// The run that it reports.
    pub run_id: Option<RunId>,
    /// How far it is.
    pub state: DeliveryState,
    /// Why it is dead.
    pub dead_cause: Option<DeadCause>,
    /// Why it waits or is dead, in words.
    pub reason: Option<String>,
    /// What the sink last answered, if that was a refusal.
    pub answer: Option<String>,
    /// The sink's receipt.
    pub receipt: Option<String>,
    /// With how many others it may travel at most, itself counted; `None` is no limit of its own. Once it was taken, so
    /// many travelled together.
    pub batch_limit: Option<i64>,
    /// How often it was sent in vain.
    pub tries: i64,
    /// How often the sink took it and then forgot its own receipt.
    pub lost: i64,
    /// When its next step is due.
    pub due_at: DateTime<Utc>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When the sink took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was delivered or died.
    pub settled_at: Option<DateTime<Utc>>,
}

macro_rules! columns {
    () => {
        "id, sink, object_kind, object_id, object, run_id, state, dead_cause, reason, answer, receipt, batch_limit, \
         tries, lost, due_at, created_at, sent_at, settled_at"
    };
}

/// An object that is to be delivered.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub sink: &'static str,
    /// What kind of object it carries.
    pub object_kind: ObjectKind,
    /// The object's id in KCIDB.
    pub object_id: String,
    /// The object.
    pub object: Value,
    /// The run that it reports.
    pub run_id: Option<RunId>,
    /// Why it breaks the sink's schema: it is dead from the start.
    pub invalid: Option<String>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// A delivery of which nothing more is to come, as far as it is told.
#[derive(Debug, sqlx::FromRow)]
struct Settled {
    id: DeliveryId,
    sink: String,
    object_kind: ObjectKind,
    object_id: String,
    run_id: Option<RunId>,
    state: DeliveryState,
    dead_cause: Option<DeadCause>,
    reason: Option<String>,
}

macro_rules! settled {
    () => {
        " RETURNING id, sink, object_kind, object_id, run_id, state, dead_cause, reason"
    };
}

impl Settled {
    /// That it was delivered, or that it is dead; `None` while it is neither.
    fn told(self, now: DateTime<Utc>) -> Option<NewEvent> {
        let kind = match self.state {
            DeliveryState::Delivered => DELIVERY_DELIVERED,
            DeliveryState::Dead => DELIVERY_DEAD,
            DeliveryState::Pending | DeliveryState::Sent => return None,
        };
        let document = json!({
            "delivery": self.id,
            "sink": self.sink,
            "object_kind": self.object_kind,
            "object_id": self.object_id,
            "cause": self.dead_cause,
            "reason": self.reason,
        });
        Some(NewEvent { run_id: self.run_id, ..NewEvent::new(kind, now, document) })
    }
}

/// Enqueues objects, in the caller's transaction. One that is dead from the start is told as an event. An object of an id that was enqueued before is left out: KCIDB keeps
/// the first value it was given.
///
/// # Errors
/// If the database refuses.
pub async fn enqueue(conn: &mut Conn<'_>, deliveries: &[impl Borrow<NewDelivery>]) -> Result<u64> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO delivery (id, sink, object_kind, object_id, object, run_id, state, dead_cause, reason, tries, \
               lost, due_at, created_at, settled_at) VALUES ",
        columns: 14,
        tail: " ON CONFLICT (sink, object_kind, object_id) DO NOTHING",
    };
    // Two transactions that enqueue the same objects (a checkout, say) must meet the unique key in the same order.
    let mut ordered: Vec<&NewDelivery> = deliveries.iter().map(Borrow::borrow).collect();
    ordered.sort_by(|a, b| (a.object_kind, &a.object_id).cmp(&(b.object_kind, &b.object_id)));
    if ordered.iter().all(|delivery| delivery.invalid.is_none()) {
        return INSERT.execute(conn, &ordered, |query, delivery| bound(query, delivery)).await;
    }
    let told = Insert { tail: concat!(" ON CONFLICT (sink, object_kind, object_id) DO NOTHING", settled!()), ..INSERT };
    let new: Vec<Settled> = told.fetch_all(conn, &ordered, |query, delivery| bound(query, delivery)).await?;
    let enqueued = u64::try_from(new.len()).unwrap_or(u64::MAX);
    let now = ordered.iter().map(|delivery| delivery.now).max().unwrap_or_default();
    let told: Vec<NewEvent> = new.into_iter().filter_map(|delivery| delivery.told(now)).collect();
    event::record(conn, &told).await?;
    Ok(enqueued)
}

fn bound<'c, 'a>(query: Query<'c, 'a>, delivery: &NewDelivery) -> Query<'c, 'a> {
    let dead = delivery.invalid.is_some();
    query
        .bind(delivery.id)
        .bind(delivery.sink)
        .bind(delivery.object_kind)
        .bind(delivery.object_id.as_str())
        .bind(Json(&delivery.object))
        .bind(delivery.run_id)
        .bind(if dead { DeliveryState::Dead } else { DeliveryState::Pending })
        .bind(dead.then_some(DeadCause::Invalid))
        .bind(delivery.invalid.as_deref())
        .bind(0_i64)
        .bind(0_i64)
        .bind(delivery.now)
        .bind(delivery.now)
        .bind(dead.then_some(delivery.now))
}

/// The delivery with this id.
///
/// # Errors
/// If the database refuses.
pub async fn by_id(conn: &mut Conn<'_>, id: DeliveryId) -> Result<Option<Delivery>> {
    conn.query(concat!("SELECT ", columns!(), " FROM delivery WHERE id = $1")).bind(id).fetch_optional().await
}

/// Leases up to `limit` due deliveries in this state to a worker, the longest due first.
///
/// # Errors
/// If the database refuses.
pub async fn claim(conn: &mut Conn<'_>, state: DeliveryState, lease: Lease, limit: i64) -> Result<Vec<Delivery>> {
    conn.query(
        "UPDATE delivery SET lease_holder = $1, lease_until = $2
         WHERE id IN (
            SELECT id FROM delivery
            WHERE state = $3 AND state IN ('pending', 'sent') AND due_at <= $4
                AND (lease_until IS NULL OR lease_until <= $4)
            ORDER BY due_at, id LIMIT $5",
    )
    .push(SKIP_LOCKED)
    .push(concat!(") RETURNING ", columns!()))
    .bind(lease.worker)
    .bind(lease.until)
    .bind(state)
    .bind(lease.now)
    .bind(limit)
    .fetch_all()
    .await
}

/// When the next delivery in this state is due, if there is one.
///
/// # Errors
/// If the database refuses.
pub async fn next_due(conn: &mut Conn<'_>, state: DeliveryState) -> Result<Option<DateTime<Utc>>> {
    let (next,): (Option<DateTime<Utc>>,) = conn
        .query("SELECT min(due_at) FROM delivery WHERE state = $1 AND state IN ('pending', 'sent')")
        .bind(state)
        .fetch_one()
        .await?;
    Ok(next)
}

/// What became of one attempt at a batch of deliveries.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The sink took them; what became of them is asked at `due_at`.
    Sent {
        /// The sink's receipt.
        receipt: &'a str,
        /// When to ask for the first time.
        due_at: DateTime<Utc>,
        /// How many objects the receipt is for. Not all of them need be in one hand when it is asked after, so this
        /// tells whether a report that fails held one object alone.
        together: i64,
    },
    /// The sink has them. The reason says how that is known, where it was not told.
    Delivered {
        /// Words, if there is something to say.
        reason: Option<&'a str>,
    },
    /// They wait and are sent (or asked for) again.
    Again {
        /// The state that they wait in.
        state: DeliveryState,
        /// Why, in words.
        reason: &'a str,
        /// What the sink answered.
        answer: Option<&'a str>,
        /// When.
        due_at: DateTime<Utc>,
        /// Whether this counts as a try in vain.
        counts: bool,
        /// With how many others each may travel from now on; `None` leaves that as it is.
        batch_limit: Option<i64>,
    },
    /// The sink took them and does not know its own receipt: they are sent again, now.
    Lost {
        /// Words.
        reason: &'a str,
    },
    /// They cannot be delivered as things are.
    Dead {
        /// Why.
        cause: DeadCause,
        /// Why, in words.
        reason: &'a str,
        /// What the sink answered.
        answer: Option<&'a str>,
    },
}

/// Records the outcome for those of the deliveries that the worker still holds; returns how many these are. What is
/// delivered, and what is dead, is told as an event.
///
/// # Errors
/// If the database refuses.
pub async fn settle(
    conn: &mut Conn<'_>,
    worker: WorkerId,
    ids: &[DeliveryId],
    outcome: &Outcome<'_>,
    now: DateTime<Utc>,
) -> Result<u64> {
    let ends = matches!(outcome, Outcome::Delivered { .. } | Outcome::Dead { .. });
    let (mut touched, mut told) = (0, Vec::new());
    for ids in ids.chunks(200) {
        let query = match outcome {
            Outcome::Sent { receipt, due_at, together } => conn
                .query(
                    "UPDATE delivery SET state = 'sent', receipt = $1, due_at = $2, sent_at = $3, batch_limit = $4,
                        reason = NULL, answer = NULL, lease_holder = NULL, lease_until = NULL",
                )
                .bind(*receipt)
                .bind(*due_at)
                .bind(now)
                .bind(*together),
            Outcome::Delivered { reason } => conn
                .query(
                    "UPDATE delivery SET state = 'delivered', reason = $1, settled_at = $2,
                        sent_at = coalesce(sent_at, $2), answer = NULL, lease_holder = NULL, lease_until = NULL",
                )
                .bind(*reason)
                .bind(now),
            Outcome::Again { state, reason, answer, due_at, counts, batch_limit } => conn
                .query(
                    "UPDATE delivery SET state = $1, reason = $2, answer = $3, due_at = $4, tries = tries + $5,
                        batch_limit = coalesce($6, batch_limit), lease_holder = NULL, lease_until = NULL",
                )
                .bind(*state)
                .bind(*reason)
                .bind(*answer)
                .bind(*due_at)
                .bind(i64::from(*counts))
                .bind(*batch_limit),
            Outcome::Lost { reason } => conn
                .query(
                    "UPDATE delivery SET state = 'pending', reason = $1, due_at = $2, lost = lost + 1,
                        lease_holder = NULL, lease_until = NULL",
                )
                .bind(*reason)
                .bind(now),
            Outcome::Dead { cause, reason, answer } => conn
                .query(
                    "UPDATE delivery SET state = 'dead', dead_cause = $1, reason = $2, answer = $3, settled_at = $4,
                        tries = tries + 1, lease_holder = NULL, lease_until = NULL",
                )
                .bind(*cause)
                .bind(*reason)
                .bind(*answer)
                .bind(now),
        };
        let query = query
            .push(" WHERE lease_holder = ")
            .push_bind(worker)
            .push(" AND state IN ('pending', 'sent') AND id IN ")
            .push_list(ids.iter().copied());
        if ends {
            let settled: Vec<Settled> = query.push(settled!()).fetch_all().await?;
            touched += u64::try_from(settled.len()).unwrap_or_default();
            told.extend(settled.into_iter().filter_map(|delivery| delivery.told(now)));
        } else {
            touched += query.execute().await?;
        }
    }
    event::record(conn, &told).await?;
    Ok(touched)
}

/// Brings a dead delivery back: due now, alone. False if it is not dead.
///
/// # Errors
/// If the database refuses.
pub async fn retry(conn: &mut Conn<'_>, id: DeliveryId, now: DateTime<Utc>) -> Result<bool> {
    conn.query(
        "UPDATE delivery SET state = 'pending', dead_cause = NULL, reason = NULL, answer = NULL, settled_at = NULL,
            receipt = NULL, sent_at = NULL, tries = 0, lost = 0, batch_limit = 1, due_at = $1
         WHERE id = $2 AND state = 'dead'",
    )
    .bind(now)
    .bind(id)
    .execute_one()
    .await
}

/// Makes everything of these kinds that is not delivered due now, the refused included; what breaks the schema stays
/// dead, for it would break it again. Returns how many are due. What another transaction is changing is on its way
/// already and is passed over: to wait for it could be to wait for each other.
///
/// # Errors
/// If the database refuses.
pub async fn make_due(conn: &mut Conn<'_>, kinds: &[ObjectKind], now: DateTime<Utc>) -> Result<u64> {
    let waiting = conn
        .query(
            "UPDATE delivery SET due_at = $1
             WHERE id IN (
                SELECT id FROM delivery
                WHERE state = 'pending' AND (lease_until IS NULL OR lease_until <= $1) AND object_kind IN ",
        )
        .bind(now)
        .push_list(kinds.iter().copied())
        .push(SKIP_LOCKED)
        .push(")")
        .execute()
        .await?;
    let dead = conn
        .query(
            "UPDATE delivery SET state = 'pending', dead_cause = NULL, settled_at = NULL, receipt = NULL, sent_at = NULL,
                tries = 0, lost = 0, due_at = $1
             WHERE id IN (
                SELECT id FROM delivery
                WHERE state = 'dead' AND dead_cause <> 'invalid' AND object_kind IN ",
        )
        .bind(now)
        .push_list(kinds.iter().copied())
        .push(SKIP_LOCKED)
        .push(")")
        .execute()
        .await?;
    Ok(waiting + dead)
}

/// What a listing of deliveries is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Deliveries in one of these states.
    pub states: Vec<DeliveryState>,
    /// Deliveries of one of these kinds of objects.
    pub kinds: Vec<ObjectKind>,
    /// Deliveries that report this run.
    pub run_id: Option<RunId>,
    /// Deliveries of the object with this id.
    pub object_id: Option<String>,
    /// Deliveries under this receipt.
    pub receipt: Option<String>,
}

/// A page of deliveries, newest first; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: Page) -> Result<(Vec<Delivery>, bool)> {
    let mut query = conn.query(concat!("SELECT ", columns!(), " FROM delivery WHERE 1 = 1"));
    if !filter.states.is_empty() {
        query = query.push(" AND state IN ").push_list(filter.states.iter().copied());
    }
    if !filter.kinds.is_empty() {
        query = query.push(" AND object_kind IN ").push_list(filter.kinds.iter().copied());
    }
    if let Some(run) = filter.run_id {
        query = query.push(" AND run_id = ").push_bind(run);
    }
    for (condition, value) in [(" AND object_id = ", &filter.object_id), (" AND receipt = ", &filter.receipt)] {
        if let Some(value) = value {
            query = query.push(condition).push_bind(value.as_str());
        }
    }
    if let Some(before) = page.before {
        query = query.push(" AND id < ").push_bind(before);
    }
    let rows = query.push(" ORDER BY id DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
