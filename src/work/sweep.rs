//! Sweeps up what no item of the catalogue names: contents that have expired, and objects that are garbage.

use crate::app::catalogue::sweep::sweep;
use crate::app::{App, Result, seconds};
use crate::work::{Activation, BATCH};

pub(super) async fn activate(app: &App) -> Result<Activation> {
    let patience = seconds(app.settings.runs.retry_max_s);
    let swept = sweep(&app.catalogue, BATCH, patience).await?;
    Ok(Activation { done: swept.done, next: swept.next })
}
