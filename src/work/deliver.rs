//! Sends reports to the sink, in bounded batches.
//!
//! Objects travel together for speed and are judged alone: a batch that the sink refuses is cut in halves, so that one
//! bad object ends up by itself and holds up no other. What the sink refuses alone goes to the dead letters with the
//! answer; what it cannot take now waits. An object may be sent twice, for an answer can be lost: its id is stable, and
//! KCIDB keeps the first value.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::app::{App, Result, cut, seconds};
use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::domain::kcidb::object;
use crate::ids::DeliveryId;
use crate::sink::kcidb::KcidbSink;
use crate::sink::{Receipt, SinkError};
use crate::store::delivery::{Delivery, Outcome};
use crate::store::lease::Lease;
use crate::work::Activation;
use crate::{entropy, store};

/// More bytes than a report has around its objects: its version, and the names and brackets of its lists.
const ENVELOPE: usize = 128;

/// The sink's name among the circuit breakers.
pub(super) const SINK: &str = "kcidb";

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let Some(sink) = &app.sink else { return Ok(Activation::default()) };
    if app.settings.kcidb.dry_run || app.breakers.why(SINK, app.now()).is_some() {
        return Ok(Activation::default());
    }
    let limit = i64::try_from(app.settings.kcidb.batch_objects).unwrap_or(i64::MAX);
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let claimed = store::delivery::claim(&mut tx.conn(), DeliveryState::Pending, lease, limit).await?;
    let next = store::delivery::next_due(&mut tx.conn(), DeliveryState::Pending).await?;
    tx.commit().await?;
    let done = claimed.len();
    for batch in batches(claimed, app.settings.kcidb.batch_bytes.saturating_sub(ENVELOPE)) {
        if in_time(app, lease) {
            send(app, sink, lease, &batch).await?;
        } else {
            let ids: Vec<DeliveryId> = batch.iter().map(|delivery| delivery.id).collect();
            settle(app, lease, &ids, &again("it has not been sent yet", app.now(), false)).await?;
        }
    }
    Ok(Activation { done, next })
}

/// Whether the sink can still answer before the lease ends. What is not asked in time is given back: nobody else may
/// take it while it is under way.
pub(super) fn in_time(app: &App, lease: Lease) -> bool {
    app.now() + seconds(app.settings.kcidb.timeout_s) < lease.until
}

/// Cuts deliveries into batches: none holds more objects than any of its members allows, nor (unless it holds a single
/// one) more bytes than the settings allow.
fn batches(mut deliveries: Vec<Delivery>, most_bytes: usize) -> Vec<Vec<Delivery>> {
    deliveries.sort_by_key(|delivery| (delivery.batch_limit.is_none(), delivery.batch_limit, delivery.id));
    let mut batches: Vec<Vec<Delivery>> = Vec::new();
    let (mut bytes, mut most) = (0, 0);
    for delivery in deliveries {
        let size = delivery.object.to_string().len() + 1;
        let limit = delivery.batch_limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        match batches.last_mut() {
            Some(batch) if batch.len() < limit.min(most) && bytes + size <= most_bytes => {
                bytes += size;
                most = most.min(limit);
                batch.push(delivery);
            }
            _ => {
                (bytes, most) = (size, limit);
                batches.push(vec![delivery]);
            }
        }
    }
    batches
}

async fn send(app: &App, sink: &KcidbSink, lease: Lease, batch: &[Delivery]) -> Result<()> {
    let ids: Vec<DeliveryId> = batch.iter().map(|delivery| delivery.id).collect();
    if let Err(open) = app.breakers.allows(SINK, app.now()) {
        let reason = cut(&open.to_string(), 2_000);
        return settle(app, lease, &ids, &again(&reason, open.until, false)).await;
    }
    let report = object::report(batch.iter().map(|delivery| (delivery.object_kind, delivery.object.0.clone())));
    let sent = sink.submit(Bytes::from(report.to_string())).await;
    let now = app.now();
    match &sent {
        Ok(_) | Err(SinkError::Rejected { .. }) => app.breakers.succeeded(SINK),
        Err(error) => app.breakers.failed(SINK, now, &cut(&error.to_string(), 200)),
    }
    match sent {
        Ok(receipt) => taken(app, sink, lease, &ids, &receipt, now).await,
        Err(error @ SinkError::Rejected { .. }) if batch.len() > 1 && !error.is_about_credentials() => {
            let half = i64::try_from(batch.len().div_ceil(2)).unwrap_or(i64::MAX);
            let reason = format!("refused in a batch of {}, sent again in smaller ones: {error}", batch.len());
            settle(app, lease, &ids, &smaller(&cut(&reason, 2_000), answer(&error), now, half)).await
        }
        Err(error @ SinkError::Rejected { .. }) => {
            let reason = cut(&error.to_string(), 2_000);
            let dead = Outcome::Dead { cause: DeadCause::Refused, reason: &reason, answer: answer(&error) };
            settle(app, lease, &ids, &dead).await
        }
        Err(error) => {
            let retry_after = match &error {
                SinkError::Unavailable { retry_after, .. } => *retry_after,
                _ => None,
            };
            let tries = batch.iter().map(|delivery| delivery.tries).max().unwrap_or_default() + 1;
            let attempt = u32::try_from(tries).unwrap_or(u32::MAX);
            let due_at = now + app.sink_backoff().delay_honouring(attempt, entropy::unit(), retry_after);
            settle(app, lease, &ids, &again(&cut(&error.to_string(), 2_000), due_at, true)).await
        }
    }
}

async fn taken(
    app: &App,
    sink: &KcidbSink,
    lease: Lease,
    ids: &[DeliveryId],
    receipt: &Receipt,
    now: DateTime<Utc>,
) -> Result<()> {
    if !app.settings.kcidb.follow_receipts || !sink.follows_receipts() {
        let reason = format!("taken under the receipt {}, which is not followed", receipt.id);
        return settle(app, lease, ids, &Outcome::Delivered { reason: Some(&reason) }).await;
    }
    // The first question comes soon, for most reports are processed at once; then at the settings' pace.
    let first = seconds(app.settings.kcidb.receipt_poll_s.min(1));
    let together = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    settle(app, lease, ids, &Outcome::Sent { receipt: &receipt.id, due_at: now + first, together }).await?;
    app.bells.receipts.ring();
    Ok(())
}

fn answer(error: &SinkError) -> Option<&str> {
    match error {
        SinkError::Rejected { answer, .. } => Some(answer),
        _ => None,
    }
}

fn again(reason: &str, due_at: DateTime<Utc>, counts: bool) -> Outcome<'_> {
    Outcome::Again { state: DeliveryState::Pending, reason, answer: None, due_at, counts, batch_limit: None }
}

/// Sent again at once, in batches of at most `half`.
pub(super) fn smaller<'a>(reason: &'a str, answer: Option<&'a str>, now: DateTime<Utc>, half: i64) -> Outcome<'a> {
    Outcome::Again {
        state: DeliveryState::Pending,
        reason,
        answer,
        due_at: now,
        counts: false,
        batch_limit: Some(half),
    }
}

pub(super) async fn settle(app: &App, lease: Lease, ids: &[DeliveryId], outcome: &Outcome<'_>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    store::delivery::settle(&mut tx.conn(), lease.worker, ids, outcome, app.now()).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use sqlx::types::Json;

    use super::*;
    use crate::domain::kcidb::object::ObjectKind;
    use crate::domain::words::Word as _;

    fn delivery(batch_limit: Option<i64>, size: usize) -> Delivery {
        let now = DateTime::UNIX_EPOCH;
        Delivery {
            id: DeliveryId::new(now),
            sink: SINK.into(),
            object_kind: ObjectKind::Test,
            object_id: String::new(),
            object: Json(json!("x".repeat(size))),
            run_id: None,
            state: DeliveryState::Pending,
            dead_cause: None,
            reason: None,
            answer: None,
            receipt: None,
            batch_limit,
            tries: 0,
            lost: 0,
            due_at: now,
            created_at: now,
            sent_at: None,
            settled_at: None,
        }
    }

    #[test]
    fn no_report_has_more_around_its_objects_than_is_reckoned_with() {
        let objects = ObjectKind::ALL.iter().map(|kind| (*kind, json!("")));
        let empty = object::report(objects).to_string().replace("\"\"", "");
        assert!(empty.len() <= ENVELOPE, "{empty}");
    }

    proptest! {
        #[test]
        fn every_delivery_travels_once_within_its_limits(
            deliveries in prop::collection::vec((proptest::option::of(1_i64..5), 0_usize..60), 0..40),
        ) {
            let deliveries: Vec<Delivery> =
                deliveries.into_iter().map(|(limit, size)| delivery(limit, size)).collect();
            let mut ids: Vec<DeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
            let batches = batches(deliveries, 100);
            for batch in &batches {
                let bytes: usize = batch.iter().map(|delivery| delivery.object.to_string().len() + 1).sum();
                prop_assert!(batch.len() == 1 || bytes <= 100);
                for delivery in batch {
                    let limit = delivery.batch_limit.and_then(|limit| usize::try_from(limit).ok());
                    prop_assert!(limit.is_none_or(|limit| batch.len() <= limit));
                }
            }
            let mut sent: Vec<DeliveryId> = batches.iter().flatten().map(|delivery| delivery.id).collect();
            ids.sort_unstable();
            sent.sort_unstable();
            prop_assert_eq!(ids, sent);
        }
    }
}
