//! Sweeps up what no item names: contents that have expired, and objects that are garbage.

use chrono::{DateTime, Utc};

use crate::app::Result;
use crate::app::catalogue::Catalogue;
use crate::store;

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many contents were forgotten and objects removed.
    pub done: usize,
    /// When there is more to do.
    pub next: Option<DateTime<Utc>>,
}

/// Forgets up to `limit` contents and removes up to `limit` objects that are due. Two processes that sweep at once do no
/// harm: an object that is gone is removed already.
///
/// # Errors
/// If the database fails. An object that cannot be removed now is tried again after `patience_s` seconds.
pub async fn sweep(catalogue: &Catalogue, limit: i64, patience: chrono::TimeDelta) -> Result<Swept> {
    let now = catalogue.now();
    let mut tx = catalogue.db.begin().await?;
    let conn = &mut tx.conn();
    let mut done = store::content::expire(conn, now, limit).await?;
    let garbage = store::content::garbage(conn, now, limit).await?;
    tx.commit().await?;
    for key in garbage {
        match catalogue.objects.remove(&key).await {
            Ok(()) => {
                let mut tx = catalogue.db.begin().await?;
                store::content::take_back(&mut tx.conn(), &key).await?;
                tx.commit().await?;
                done += 1;
            }
            Err(error) => {
                tracing::warn!(cause = ?error, key, "an object cannot be removed now and is tried again");
                let mut tx = catalogue.db.begin().await?;
                store::content::discard(&mut tx.conn(), &key, now + patience).await?;
                tx.commit().await?;
            }
        }
    }
    let mut db = catalogue.db.read().await?;
    Ok(Swept { done, next: store::content::next_due(&mut db.conn()).await? })
}
