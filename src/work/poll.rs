//! Asks runners about runs that no callback came for, and ends those that are past their deadline.
//!
//! KCIDB keeps the first status that it is given for ever, so no MISS may be sent while a result may still come: past
//! its deadline a run is first asked to stop and then waited for a while longer.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;

use crate::app::progress::{self, Progress};
use crate::app::{App, Result, cut, seconds};
use crate::domain::observation::Observation;
use crate::domain::run::RunState;
use crate::runner::{Runner, RunnerError};
use crate::store::run::{Postponed, Run};
use crate::work::{AT_ONCE, Activation, dispatch, each};
use crate::{entropy, store};

/// How often in a row a runner must say that it knows no such job before it is believed: it may be slow to know.
const UNKNOWN_TIMES: i64 = 3;

/// What is on record of a run whose runner said so the last time.
const UNKNOWN: &str = "the runner does not know the job";

pub(super) async fn activate(app: &App, name: &str) -> Result<Activation> {
    let runner = app.runners.known(name)?;
    if runner.not_ready().is_some() {
        return Ok(Activation::default());
    }
    let mut tx = app.db.begin().await?;
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let runs = store::run::claim(&mut tx.conn(), &[RunState::Running], name, app.lease(), limit).await?;
    let next = store::run::next_due(&mut tx.conn(), &[RunState::Running], name).await?;
    tx.commit().await?;
    let done = runs.len();
    let asked = futures_util::stream::iter(runs)
        .map(|run| async move { ask(app, runner.as_ref(), run).await })
        .buffer_unordered(AT_ONCE);
    each(asked).await?;
    Ok(Activation { done, next })
}

async fn ask(app: &App, runner: &dyn Runner, run: Run) -> Result<()> {
    let job = dispatch::job(app, &run);
    let polled = runner.poll(&job).await.map(Observation::without_nul);
    let now = app.now();
    let deadline = run.deadline_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let last = deadline.checked_add_signed(seconds(app.settings.runs.cancel_grace_s)).unwrap_or(deadline);
    let (tries, waiting) = match &polled {
        Ok(observation) => match observe(app, &run, observation, now).await? {
            Progress::Running => (0, None),
            Progress::Contradiction(why) => (run.tries + 1, Some(why)),
            Progress::Collecting | Progress::Finished | Progress::Late => return Ok(()),
        },
        Err(RunnerError::Unknown(why)) => {
            // Failures of another kind in between are no word about the job.
            let said_last = run.waiting.as_deref().is_some_and(|waiting| waiting.starts_with(UNKNOWN));
            let times = if said_last { run.tries + 1 } else { 1 };
            if times >= UNKNOWN_TIMES {
                let why = format!("the runner `{}` no longer knows the job: {why}", run.runner);
                return dispatch::give_up(app, &run, &why).await;
            }
            (times, Some(format!("{UNKNOWN} (said {times} times): {why}")))
        }
        Err(error) => (run.tries + 1, Some(format!("the runner could not be asked how it is: {error}"))),
    };
    if now >= last {
        let hours = app.settings.runs.deadline_s / 3600;
        let last_word = waiting.unwrap_or_else(|| "it still runs there".into());
        let why = format!("no result within {hours} h of being accepted by the runner `{}`; {last_word}", run.runner);
        return dispatch::give_up(app, &run, &cut(&why, 2_000)).await;
    }
    let (waiting, due_at) = if now >= deadline {
        // Asked again each time, for the runner may not have heard; that it cannot be asked is no news by now.
        let stop = runner.cancel(&job).await.err().map(|error| format!(" ({error})")).unwrap_or_default();
        let why = format!("past its deadline and asked to stop{stop}; waited for until {}", last.format("%FT%TZ"));
        (Some(why), now + seconds(app.settings.runs.poll_interval_s))
    } else {
        (waiting, next_poll(app, &run, now, tries))
    };
    let waiting = waiting.map(|why| cut(&why, 2_000));
    let step = Postponed {
        id: run.id,
        state: RunState::Running,
        waiting: waiting.as_deref(),
        tries,
        due_at: due_at.min(if now < deadline { deadline.max(now) } else { last.max(now) }),
    };
    let mut tx = app.db.begin().await?;
    store::run::postpone(&mut tx.conn(), app.worker, step).await?;
    tx.commit().await?;
    Ok(())
}

async fn observe(app: &App, run: &Run, observation: &Observation, now: DateTime<Utc>) -> Result<Progress> {
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let Some(run) = store::run::lock(conn, run.id).await? else { return Ok(Progress::Late) };
    let progress = progress::observe(app, conn, &run, observation, now).await?;
    tx.commit().await?;
    match progress {
        Progress::Collecting => app.bells.collect.ring(),
        Progress::Finished => app.bells.deliver.ring(),
        _ => {}
    }
    Ok(progress)
}

/// The longer a run takes, the less often it is asked about; a quarter of its age, within the settings' bounds. A runner
/// that does not answer is asked with the backoff of failures.
fn next_poll(app: &App, run: &Run, now: DateTime<Utc>, tries: i64) -> DateTime<Utc> {
    let (shortest, longest) =
        (seconds(app.settings.runs.poll_interval_s), seconds(app.settings.runs.poll_max_interval_s));
    let age: TimeDelta = now - run.accepted_at.unwrap_or(now);
    let pause = (age / 4).clamp(shortest, longest.max(shortest));
    let failures = u32::try_from(tries).unwrap_or(u32::MAX);
    let backoff = if failures == 0 { TimeDelta::zero() } else { app.runner_backoff().delay(failures, entropy::unit()) };
    now + pause.max(backoff)
}
