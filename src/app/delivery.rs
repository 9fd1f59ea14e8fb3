//! Deliveries: made due, brought back from the dead letters.

use crate::app::{App, AppError, Result};
use crate::domain::kcidb::object::ObjectKind;
use crate::ids::DeliveryId;
use crate::store;

/// Makes everything of these kinds that is not delivered due now, refused objects included; returns how many objects
/// that is. What breaks KCIDB's schema stays a dead letter, for it would be refused again.
///
/// # Errors
/// If the database refuses.
pub async fn sync(app: &App, kinds: &[ObjectKind]) -> Result<u64> {
    let mut tx = app.db.begin().await?;
    let due = store::delivery::make_due(&mut tx.conn(), kinds, app.now()).await?;
    tx.commit().await?;
    app.bells.deliver.ring();
    Ok(due)
}

/// Brings a dead letter back: it is sent again, alone.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it is not dead.
pub async fn retry(app: &App, id: DeliveryId) -> Result<()> {
    let mut tx = app.db.begin().await?;
    if !store::delivery::retry(&mut tx.conn(), id, app.now()).await? {
        let delivery = store::delivery::by_id(&mut tx.conn(), id).await?;
        let Some(delivery) = delivery else {
            return Err(AppError::NotFound { what: "delivery", id: id.to_string() });
        };
        return Err(AppError::Conflict(format!("{id} is not a dead letter: it is {}", delivery.state)));
    }
    tx.commit().await?;
    app.bells.deliver.ring();
    Ok(())
}
