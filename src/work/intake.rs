//! Checks and stores submissions.

use crate::app::{App, Result, submission};
use crate::store;
use crate::work::Activation;

/// How many are claimed at once: their bodies may be large.
const LIMIT: i64 = 4;

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let submissions = store::submission::claim(&mut tx.conn(), lease, LIMIT).await?;
    let next = store::submission::next_due(&mut tx.conn()).await?;
    tx.commit().await?;
    for submission in &submissions {
        submission::settle(app, lease, submission).await?;
    }
    Ok(Activation { done: submissions.len(), next })
}
