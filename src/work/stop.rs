//! Tells runners to stop what was ended here: cancelled, given up, or past its deadline.

use crate::app::{App, Result};
use crate::runner::{Runner, RunnerError};
use crate::store::lease::Lease;
use crate::store::run::Run;
use crate::work::{Activation, dispatch};
use crate::{entropy, store};

/// How many are told in one activation; one after the other, for nobody waits for it.
const LIMIT: i64 = 8;

/// How often a run whose uid never came is looked for before it is believed that there is no job: a runner that is just
/// being asked may list it a little later.
const LOOKS: i64 = 3;

pub(super) async fn activate(app: &App, name: &str) -> Result<Activation> {
    let runner = app.runners.known(name)?;
    if runner.not_ready().is_some() {
        return Ok(Activation::default());
    }
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let runs = store::step::claim_stops(&mut tx.conn(), name, lease, LIMIT).await?;
    let next = store::step::next_stop(&mut tx.conn(), name).await?;
    tx.commit().await?;
    let done = runs.len();
    for run in runs {
        tell(app, runner.as_ref(), lease, run).await?;
    }
    Ok(Activation { done, next })
}

async fn tell(app: &App, runner: &dyn Runner, lease: Lease, run: Run) -> Result<()> {
    let mut job = dispatch::job(app, &run);
    let tries = run.tries + 1;
    let told = match &job.uid {
        Some(_) => runner.cancel(&job).await,
        None => match runner.find(&job).await {
            Ok(Some(uid)) => {
                job.uid = Some(uid);
                runner.cancel(&job).await
            }
            Ok(None) if tries < LOOKS => Err(RunnerError::Unclear("the job is not there yet, or never was".to_owned())),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        },
    };
    let again = match told {
        Ok(()) | Err(RunnerError::Unknown(_) | RunnerError::Refused(_)) => None,
        Err(_) if tries >= i64::from(app.settings.runs.max_tries) => None,
        Err(error) => {
            let attempt = u32::try_from(tries).unwrap_or(u32::MAX);
            Some(app.now() + app.runner_backoff().delay_honouring(attempt, entropy::unit(), error.retry_after()))
        }
    };
    let mut tx = app.db.begin().await?;
    store::step::stopped(&mut tx.conn(), lease.worker, run.id, again, if again.is_some() { tries } else { 0 }).await?;
    tx.commit().await?;
    Ok(())
}
