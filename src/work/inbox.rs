//! Works out what callbacks mean, and forgets those that no run was found for in time.

use crate::app::{App, AppError, Result, callback, seconds};
use crate::store;
use crate::work::{Activation, BATCH};

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let now = app.now();
    let expired = store::callback::expire(conn, now - seconds(app.settings.callbacks.unknown_retention_s)).await?;
    let callbacks = store::callback::claim(conn, lease, BATCH).await?;
    let next = store::callback::next_due(conn).await?;
    tx.commit().await?;
    if expired > 0 {
        tracing::info!(expired, "forgot callbacks that no run was found for");
    }
    let mut outcome = Ok(());
    for callback in &callbacks {
        match callback::settle(app, lease, callback).await {
            // One that cannot be settled holds up no other.
            Err(AppError::Store(error)) if !error.is_transient() => outcome = outcome.and(Err(error)),
            settled => settled?,
        }
    }
    outcome?;
    Ok(Activation { done: callbacks.len(), next })
}
