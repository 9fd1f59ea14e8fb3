//! Runs sessions: takes in what came of their runs, and plans what can start.

use futures_util::StreamExt as _;

use crate::app::{App, Result, execution};
use crate::store;
use crate::work::{AT_ONCE, Activation, each};

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let sessions = store::execution::claim(&mut tx.conn(), lease, limit).await?;
    let next = store::execution::next_due(&mut tx.conn()).await?;
    tx.commit().await?;
    let done = sessions.len();
    let advanced = futures_util::stream::iter(sessions)
        .map(|session| async move {
            let advanced = execution::advance(app, session).await;
            if advanced.is_err() {
                // It is looked at again as soon as the task is: nothing of it is done.
                let mut tx = app.db.begin().await?;
                store::execution::release(&mut tx.conn(), session, lease).await?;
                tx.commit().await?;
            }
            advanced
        })
        .buffer_unordered(AT_ONCE);
    each(advanced).await?;
    Ok(Activation { done, next })
}
