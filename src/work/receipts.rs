//! Asks the sink what became of the reports that it took.
//!
//! A sink checks a report after it has taken it, and fails the whole of it for one bad object: then its objects are
//! sent again in smaller batches, until the bad one is alone and dies. A receipt that leads nowhere is not proof of
//! delivery; after a while its objects are sent again, which is harmless.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::app::{App, Result, cut, seconds};
use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::ids::DeliveryId;
use crate::sink::{ReceiptState, SinkError};
use crate::store;
use crate::store::delivery::{Delivery, Outcome};
use crate::work::{Activation, deliver};

/// How often objects are sent under receipts that lead nowhere before the sink's word that it took them must do: some
/// sinks forget their receipts.
const LOST_TIMES: i64 = 3;

/// How many receipts' objects are looked at in one activation.
const LIMIT: i64 = 2_000;

pub(super) async fn activate(app: &App) -> Result<Activation> {
    if app.sink.is_none() || app.settings.kcidb.dry_run || app.breakers.why(deliver::SINK, app.now()).is_some() {
        return Ok(Activation::default());
    }
    let mut tx = app.db.begin().await?;
    let claimed = store::delivery::claim(&mut tx.conn(), DeliveryState::Sent, app.lease(), LIMIT).await?;
    let next = store::delivery::next_due(&mut tx.conn(), DeliveryState::Sent).await?;
    tx.commit().await?;
    let done = claimed.len();
    let mut by_receipt: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in claimed {
        by_receipt.entry(delivery.receipt.clone().unwrap_or_default()).or_default().push(delivery);
    }
    for (receipt, deliveries) in by_receipt {
        follow(app, &receipt, &deliveries).await?;
    }
    Ok(Activation { done, next })
}

async fn follow(app: &App, receipt: &str, deliveries: &[Delivery]) -> Result<()> {
    let Some(sink) = &app.sink else { return Ok(()) };
    let ids: Vec<DeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
    let state = sink.status(receipt).await;
    let now = app.now();
    let waited = deliveries.iter().filter_map(|delivery| delivery.sent_at).map(|at| now - at).max().unwrap_or_default();
    let (lost, why) = match state {
        Ok(ReceiptState::Processed) => {
            return deliver::settle(app, &ids, &Outcome::Delivered { reason: None }).await;
        }
        Ok(ReceiptState::Failed { message }) => return failed(app, receipt, deliveries, &ids, &message).await,
        Ok(ReceiptState::InProgress | ReceiptState::Ready) => {
            (false, format!("the sink has not processed it yet (receipt {receipt})"))
        }
        Ok(ReceiptState::NotFound) => (true, format!("the sink does not know its own receipt {receipt}")),
        Err(SinkError::Rejected { status: 404 | 405, .. }) => {
            let reason = format!("taken under the receipt {receipt}; the sink tells nothing of receipts");
            return deliver::settle(app, &ids, &Outcome::Delivered { reason: Some(&reason) }).await;
        }
        Err(error) => (false, format!("what became of the receipt {receipt} cannot be asked: {error}")),
    };
    let pause = pause(app, waited);
    let timeout = seconds(app.settings.kcidb.receipt_timeout_s);
    let reason = cut(&why, 2_000);
    if waited < timeout {
        let outcome = Outcome::Again {
            state: DeliveryState::Sent,
            reason: &reason,
            answer: None,
            due_at: now + pause,
            counts: false,
            batch_limit: None,
        };
        return deliver::settle(app, &ids, &outcome).await;
    }
    let (finally, resend): (Vec<&Delivery>, Vec<&Delivery>) =
        deliveries.iter().partition(|delivery| lost && delivery.tries + 1 >= LOST_TIMES);
    let taken = cut(&format!("taken {LOST_TIMES} times by the sink, which then forgot it: {why}"), 2_000);
    let finally: Vec<DeliveryId> = finally.iter().map(|delivery| delivery.id).collect();
    deliver::settle(app, &finally, &Outcome::Delivered { reason: Some(&taken) }).await?;
    let resend: Vec<DeliveryId> = resend.iter().map(|delivery| delivery.id).collect();
    let outcome = Outcome::Again {
        state: DeliveryState::Pending,
        reason: &reason,
        answer: None,
        due_at: now,
        counts: true,
        batch_limit: None,
    };
    deliver::settle(app, &resend, &outcome).await?;
    app.bells.deliver.ring();
    Ok(())
}

/// A receipt is asked about often at first and at the settings' pace later.
fn pause(app: &App, waited: TimeDelta) -> TimeDelta {
    waited.max(TimeDelta::seconds(1)).min(seconds(app.settings.kcidb.receipt_poll_s.max(1)))
}

async fn failed(app: &App, receipt: &str, deliveries: &[Delivery], ids: &[DeliveryId], message: &str) -> Result<()> {
    let together = deliveries.iter().filter_map(|delivery| delivery.batch_limit).max().unwrap_or(1);
    if together > 1 {
        let half = together / 2 + together % 2;
        let reason = format!(
            "the sink failed to process a batch of {together} (receipt {receipt}), sent again in smaller ones: {message}"
        );
        deliver::settle(app, ids, &deliver::smaller(&cut(&reason, 2_000), Some(message), app.now(), half)).await?;
        app.bells.deliver.ring();
        return Ok(());
    }
    let reason = format!("the sink took it (receipt {receipt}) and failed to process it: {message}");
    let dead = Outcome::Dead { cause: DeadCause::Failed, reason: &cut(&reason, 2_000), answer: Some(message) };
    deliver::settle(app, ids, &dead).await
}
