//! Fetches what finished jobs left (results, logs) and ends their runs.

use futures_util::StreamExt as _;

use crate::app::progress::{self, Ending};
use crate::app::run::planned_tests;
use crate::app::{App, Result, cut};
use crate::domain::conclusion;
use crate::domain::run::RunState;
use crate::runner::{Collected, Runner, RunnerError};
use crate::store::run::{Lease, Postponed, Run};
use crate::work::{AT_ONCE, Activation, dispatch, each};
use crate::{entropy, store};

pub(super) async fn activate(app: &App, name: &str) -> Result<Activation> {
    let runner = app.runners.known(name)?;
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let runs = store::run::claim(&mut tx.conn(), &[RunState::Collecting], name, lease, limit).await?;
    let next = store::run::next_due(&mut tx.conn(), &[RunState::Collecting], name).await?;
    tx.commit().await?;
    let done = runs.len();
    let fetched = futures_util::stream::iter(runs)
        .map(|run| async move { fetch(app, runner.as_ref(), lease, run).await })
        .buffer_unordered(AT_ONCE);
    each(fetched).await?;
    Ok(Activation { done, next })
}

async fn fetch(app: &App, runner: &dyn Runner, lease: Lease, run: Run) -> Result<()> {
    let Some(observation) = run.observation.as_deref() else {
        return dispatch::give_up(app, lease, &run, "nothing is on record of how its job ended").await;
    };
    let collected = runner.collect(&dispatch::job(app, &run), observation).await;
    let (collected, problem) = match collected {
        Ok(collected) => (collected, None),
        Err(error) => {
            let tries = run.tries + 1;
            let lasting = matches!(error, RunnerError::Refused(_) | RunnerError::Unknown(_));
            if !lasting && tries < i64::from(app.settings.runs.collect_max_tries) {
                return again(app, lease, &run, tries, &error).await;
            }
            let problem = format!("its results could not be fetched, so the runner's own words decide: {error}");
            (Collected::default(), Some(cut(&problem, 2_000)))
        }
    };
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(run) = store::run::lock(conn, run.id).await? else { return Ok(()) };
    let Some(observation) = run.observation.as_deref().filter(|_| run.state == RunState::Collecting) else {
        return Ok(());
    };
    let planned = planned_tests(&run.request.0);
    let mut conclusion =
        conclusion::of_tests(run.kind, &planned, observation, &collected.tests, collected.boot.as_ref());
    if let Some(problem) = problem {
        conclusion.reason = Some(match conclusion.reason {
            Some(reason) => format!("{reason}; {problem}"),
            None => problem,
        });
    }
    let ending = Ending {
        observation: Some(observation),
        log_excerpt: collected.log_excerpt.as_deref(),
        log_url: collected.log_url.as_deref(),
        ..Ending::finished()
    };
    progress::end(app, conn, &run, &conclusion, &ending, app.now()).await?;
    tx.commit().await?;
    app.bells.deliver.ring();
    Ok(())
}

async fn again(app: &App, lease: Lease, run: &Run, tries: i64, error: &RunnerError) -> Result<()> {
    let attempt = u32::try_from(tries).unwrap_or(u32::MAX);
    let due_at = app.now() + app.runner_backoff().delay_honouring(attempt, entropy::unit(), error.retry_after());
    let why = cut(&format!("its results could not be fetched ({tries} times): {error}"), 2_000);
    let step = Postponed { id: run.id, state: RunState::Collecting, waiting: Some(&why), tries, due_at };
    let mut tx = app.db.begin().await?;
    store::run::postpone(&mut tx.conn(), lease.worker, step).await?;
    tx.commit().await?;
    Ok(())
}
