//! Asks the sink what became of the reports that it took.
//!
//! A sink checks a report after it has taken it, and fails the whole of it for one bad object: then its objects are
//! sent again in smaller batches, until the bad one is alone and dies. A receipt that the sink itself does not know is
//! no proof of delivery: after a while its objects are sent again, which is harmless.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::app::{App, Result, cut, seconds};
use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::ids::DeliveryId;
use crate::sink::kcidb::KcidbSink;
use crate::sink::{ReceiptState, SinkError};
use crate::store;
use crate::store::delivery::{Delivery, Outcome};
use crate::store::lease::Lease;
use crate::work::{Activation, deliver};

/// How often objects are sent under receipts that lead nowhere before the sink's word that it took them must do: some
/// sinks forget their receipts.
const LOST_TIMES: i64 = 3;

/// How many receipts' objects are looked at in one activation.
const LIMIT: i64 = 2_000;

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let Some(sink) = &app.sink else { return Ok(Activation::default()) };
    if app.settings.kcidb.dry_run || app.breakers.why(deliver::SINK, app.now()).is_some() {
        return Ok(Activation::default());
    }
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let claimed = store::delivery::claim(&mut tx.conn(), DeliveryState::Sent, lease, LIMIT).await?;
    let next = store::delivery::next_due(&mut tx.conn(), DeliveryState::Sent).await?;
    tx.commit().await?;
    let done = claimed.len();
    let mut by_receipt: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in claimed {
        by_receipt.entry(delivery.receipt.clone().unwrap_or_default()).or_default().push(delivery);
    }
    let mut answers = true;
    for (receipt, deliveries) in by_receipt {
        if answers && deliver::in_time(app, lease) {
            answers = follow(app, sink, lease, &receipt, &deliveries).await?;
        } else {
            // A sink that does not answer for one receipt is not asked for the others now.
            let ids: Vec<DeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
            let later = app.now() + pause(app, TimeDelta::MAX);
            deliver::settle(app, lease, &ids, &still_sent("the sink is asked what became of it later", later)).await?;
        }
    }
    Ok(Activation { done, next })
}

/// What a receipt has come to, where that is not the end.
enum Standing {
    /// The sink has it and has not processed it, or cannot tell now.
    Waits,
    /// The sink tells nothing of receipts.
    Silent,
    /// The sink does not know it.
    Lost,
}

/// Asks about one receipt; false if the sink did not answer.
async fn follow(app: &App, sink: &KcidbSink, lease: Lease, receipt: &str, deliveries: &[Delivery]) -> Result<bool> {
    let ids: Vec<DeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
    let state = sink.status(receipt).await;
    let now = app.now();
    let mut answers = true;
    let (standing, why) = match state {
        Ok(ReceiptState::Processed) => {
            deliver::settle(app, lease, &ids, &Outcome::Delivered { reason: None }).await?;
            return Ok(true);
        }
        Ok(ReceiptState::Failed { message }) => {
            failed(app, lease, receipt, deliveries, &ids, &message).await?;
            return Ok(true);
        }
        Ok(ReceiptState::InProgress | ReceiptState::Ready) => {
            (Standing::Waits, format!("the sink has not processed it yet (receipt {receipt})"))
        }
        Ok(ReceiptState::NotFound) => (Standing::Lost, format!("the sink does not know its own receipt {receipt}")),
        Ok(ReceiptState::NotTold) => {
            (Standing::Silent, format!("the sink has no door to ask at for the receipt {receipt}"))
        }
        Err(error) => {
            answers = matches!(error, SinkError::Rejected { .. });
            (Standing::Waits, format!("what became of the receipt {receipt} cannot be asked: {error}"))
        }
    };
    let sent_at = deliveries.iter().filter_map(|delivery| delivery.sent_at).min();
    let waited = sent_at.map(|at| now - at).unwrap_or_default();
    let reason = cut(&why, 2_000);
    let timed_out = waited >= seconds(app.settings.kcidb.receipt_timeout_s);
    match standing {
        // A sink whose ingester stands still has the report: a second copy would not help it.
        Standing::Waits => settle_still_sent(app, lease, &ids, &reason, waited).await?,
        Standing::Silent | Standing::Lost if !timed_out => {
            settle_still_sent(app, lease, &ids, &reason, waited).await?;
        }
        Standing::Silent => {
            let reason = format!("taken under the receipt {receipt}; the sink tells nothing of receipts");
            deliver::settle(app, lease, &ids, &Outcome::Delivered { reason: Some(&reason) }).await?;
        }
        Standing::Lost => lost(app, lease, deliveries, &reason).await?,
    }
    Ok(answers)
}

async fn settle_still_sent(app: &App, lease: Lease, ids: &[DeliveryId], reason: &str, waited: TimeDelta) -> Result<()> {
    let due_at = app.now() + pause(app, waited);
    deliver::settle(app, lease, ids, &still_sent(reason, due_at)).await
}

fn still_sent(reason: &str, due_at: DateTime<Utc>) -> Outcome<'_> {
    Outcome::Again { state: DeliveryState::Sent, reason, answer: None, due_at, counts: false, batch_limit: None }
}

/// Sends again what the sink took and does not know of; what it has taken often enough counts as delivered.
async fn lost(app: &App, lease: Lease, deliveries: &[Delivery], reason: &str) -> Result<()> {
    let (finally, resend): (Vec<&Delivery>, Vec<&Delivery>) =
        deliveries.iter().partition(|delivery| delivery.lost + 1 >= LOST_TIMES);
    let taken = cut(&format!("taken {LOST_TIMES} times by the sink, which then forgot it: {reason}"), 2_000);
    let finally: Vec<DeliveryId> = finally.iter().map(|delivery| delivery.id).collect();
    deliver::settle(app, lease, &finally, &Outcome::Delivered { reason: Some(&taken) }).await?;
    let resend: Vec<DeliveryId> = resend.iter().map(|delivery| delivery.id).collect();
    deliver::settle(app, lease, &resend, &Outcome::Lost { reason }).await?;
    app.bells.deliver.ring();
    Ok(())
}

/// A receipt is asked about often at first and at the settings' pace later.
fn pause(app: &App, waited: TimeDelta) -> TimeDelta {
    waited.max(TimeDelta::seconds(1)).min(seconds(app.settings.kcidb.receipt_poll_s.max(1)))
}

async fn failed(
    app: &App,
    lease: Lease,
    receipt: &str,
    deliveries: &[Delivery],
    ids: &[DeliveryId],
    message: &str,
) -> Result<()> {
    let together = deliveries.iter().filter_map(|delivery| delivery.batch_limit).max().unwrap_or(1);
    if together > 1 {
        let half = together / 2 + together % 2;
        let reason = format!(
            "the sink failed to process a batch of {together} (receipt {receipt}), sent again in smaller ones: {message}"
        );
        deliver::settle(app, lease, ids, &deliver::smaller(&cut(&reason, 2_000), Some(message), app.now(), half))
            .await?;
        app.bells.deliver.ring();
        return Ok(());
    }
    let reason = format!("the sink took it (receipt {receipt}) and failed to process it: {message}");
    let dead = Outcome::Dead { cause: DeadCause::Failed, reason: &cut(&reason, 2_000), answer: Some(message) };
    deliver::settle(app, lease, ids, &dead).await
}
