//! Ends the leases of agents that were not heard of in time.

use crate::app::agent::lost;
use crate::app::{App, Result};
use crate::store;
use crate::work::{Activation, BATCH};

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let looked = look(app).await;
    if looked.is_err() {
        // No heartbeat could be stored either: agents are given time to be heard of again.
        app.agents.was_deaf(app.now());
    }
    looked
}

async fn look(app: &App) -> Result<Activation> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let next = store::agent_lease::next_expiry(conn).await?.map(|next| next.max(lost::patient_until(app)));
    let now = app.now();
    if next.is_none_or(|next| next > now) {
        return Ok(Activation { done: 0, next });
    }
    let expired = store::agent_lease::expired(conn, now, BATCH).await?;
    drop(db);
    let mut done = 0;
    for lease in expired {
        done += usize::from(lost::expire(app, lease).await?);
    }
    Ok(Activation { done, next })
}
