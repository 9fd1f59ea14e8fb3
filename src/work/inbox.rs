//! Works out what callbacks mean, and forgets those that no run was found for in time.

use crate::app::{App, Result, callback, seconds};
use crate::store;
use crate::work::{Activation, BATCH, together};

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let now = app.now();
    let expired = store::callback::expire(conn, now - seconds(app.settings.callbacks.unknown_retention_s)).await?;
    let mut callbacks = store::callback::claim(conn, lease, BATCH).await?;
    let next = store::callback::next_due(conn).await?;
    tx.commit().await?;
    if expired > 0 {
        tracing::info!(expired, "forgot callbacks that no run was found for");
    }
    // Two processes that settle callbacks of the same runs must lock the runs in the same order.
    callbacks.sort_by_key(|callback| (callback.run_id, callback.id));
    together(app, &callbacks, move |app, conn, some| Box::pin(callback::settle(app, conn, lease, some))).await?;
    Ok(Activation { done: callbacks.len(), next })
}
