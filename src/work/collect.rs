//! Fetches what finished jobs left (results, logs) and ends their runs.

use futures_util::StreamExt as _;

use crate::app::progress::{self, Ending};
use crate::app::report::Report;
use crate::app::run::planned_tests;
use crate::app::{App, Result, Ring, cut};
use crate::domain::conclusion;
use crate::domain::run::RunState;
use crate::ids::RunId;
use crate::runner::{Collected, Runner, RunnerError};
use crate::store::Conn;
use crate::store::lease::Lease;
use crate::store::run::Run;
use crate::store::step::Postponed;
use crate::work::{AT_ONCE, Activation, dispatch, together};
use crate::{entropy, store};

/// How many are claimed at once: more than are fetched at once, so that fetching goes on while others are stored. One
/// whose lease ends before its turn comes may be fetched twice, and is stored once.
const LIMIT: i64 = 64;

pub(super) async fn activate(app: &App, name: &str) -> Result<Activation> {
    let runner = app.runners.known(name)?;
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let runs = store::step::claim(&mut tx.conn(), &[RunState::Collecting], name, lease, LIMIT).await?;
    let next = store::step::next_due(&mut tx.conn(), &[RunState::Collecting], name).await?;
    tx.commit().await?;
    let done = runs.len();
    // What has come in while the last ones were stored is stored together.
    let mut fetched = futures_util::stream::iter(runs)
        .map(|run| async move { fetch(app, runner.as_ref(), lease, run).await })
        .buffer_unordered(AT_ONCE)
        .ready_chunks(AT_ONCE);
    let mut outcome = Ok(());
    while let Some(some) = fetched.next().await {
        let mut ended = Vec::with_capacity(some.len());
        for one in some {
            match one {
                Ok(fetched) => ended.extend(fetched),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome = outcome.and(together(app, &ended, |app, conn, some| Box::pin(end(app, conn, some))).await);
    }
    outcome?;
    Ok(Activation { done, next })
}

/// What a finished job left.
struct Fetched {
    run: RunId,
    collected: Collected,
    /// Why there is no more, where its results could not be fetched.
    problem: Option<String>,
}

/// What a job left, unless its run is settled otherwise here.
async fn fetch(app: &App, runner: &dyn Runner, lease: Lease, run: Run) -> Result<Option<Fetched>> {
    let Some(observation) = run.observation.as_deref() else {
        dispatch::give_up(app, lease, &run, "nothing is on record of how its job ended").await?;
        return Ok(None);
    };
    let collected = runner.collect(&dispatch::job(app, &run), observation).await;
    let (collected, problem) = match collected {
        Ok(collected) => (collected, None),
        Err(error) => {
            let tries = run.tries + 1;
            let lasting = matches!(error, RunnerError::Refused(_) | RunnerError::Unknown(_));
            if !lasting && tries < i64::from(app.settings.runs.collect_max_tries) {
                again(app, lease, &run, tries, &error).await?;
                return Ok(None);
            }
            let problem = format!("its results could not be fetched, so the runner's own words decide: {error}");
            (Collected::default(), Some(cut(&problem, 2_000)))
        }
    };
    Ok(Some(Fetched { run: run.id, collected, problem }))
}

/// Ends runs with what their jobs left.
async fn end(app: &App, conn: &mut Conn<'_>, fetched: &[Fetched]) -> store::Result<Vec<Ring>> {
    let ids: Vec<RunId> = fetched.iter().map(|fetched| fetched.run).collect();
    let runs = store::run::lock_all(conn, &ids).await?;
    let mut all = Report::default();
    for run in runs.iter().filter(|run| run.state == RunState::Collecting) {
        let fetched = fetched.iter().find(|fetched| fetched.run == run.id);
        let (Some(Fetched { collected, problem, .. }), Some(observation)) = (fetched, run.observation.as_deref())
        else {
            continue;
        };
        let planned = planned_tests(&run.request.0);
        let mut conclusion =
            conclusion::of_tests(run.kind, &planned, observation, &collected.tests, collected.boot.as_ref());
        if let Some(problem) = problem {
            conclusion.reason = Some(match conclusion.reason {
                Some(reason) => format!("{reason}; {problem}"),
                None => problem.clone(),
            });
        }
        let ending = Ending {
            observation: Some(observation),
            log_excerpt: collected.log_excerpt.as_deref(),
            log_url: collected.log_url.as_deref(),
            ..Ending::finished()
        };
        if let Some(report) = progress::close(app, conn, run, &conclusion, &ending, app.now()).await? {
            all.extend(report);
        }
    }
    progress::keep(conn, &all, app.now()).await?;
    Ok(vec![|bells| &bells.deliver])
}

async fn again(app: &App, lease: Lease, run: &Run, tries: i64, error: &RunnerError) -> Result<()> {
    let attempt = u32::try_from(tries).unwrap_or(u32::MAX);
    let due_at = app.now() + app.runner_backoff().delay_honouring(attempt, entropy::unit(), error.retry_after());
    let why = cut(&format!("its results could not be fetched ({tries} times): {error}"), 2_000);
    let step = Postponed { id: run.id, state: RunState::Collecting, waiting: Some(&why), tries, due_at };
    let mut tx = app.db.begin().await?;
    store::step::postpone(&mut tx.conn(), lease.worker, step).await?;
    tx.commit().await?;
    Ok(())
}
