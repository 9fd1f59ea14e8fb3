//! Asks runners about runs that no callback came for, and ends those that are past their deadline.
//!
//! KCIDB keeps the first status that it is given for ever, so no MISS may be sent while a result may still come: past
//! its deadline a run is first asked to stop and then waited for a while longer.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;

use crate::app::progress::{self, Progress};
use crate::app::{App, Result, cut, queue, seconds};
use crate::domain::observation::Observation;
use crate::domain::run::RunState;
use crate::runner::{Runner, RunnerError};
use crate::store::lease::Lease;
use crate::store::run::Run;
use crate::store::step::Postponed;
use crate::work::{AT_ONCE, Activation, dispatch, each};
use crate::{entropy, store};

/// How often in a row a runner must say that it knows no such job before it is believed: it may be slow to know.
const UNKNOWN_TIMES: i64 = 3;

/// What is on record of a run whose runner said so the last time.
const UNKNOWN: &str = "the runner does not know the job";

pub(super) async fn activate(app: &App, name: &str) -> Result<Activation> {
    let runner = app.runners.known(name)?;
    let lease = app.lease();
    let mut tx = app.db.begin().await?;
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let runs = store::step::claim(&mut tx.conn(), &[RunState::Running], name, lease, limit).await?;
    let next = store::step::next_due(&mut tx.conn(), &[RunState::Running], name).await?;
    tx.commit().await?;
    let done = runs.len();
    let asked = futures_util::stream::iter(runs)
        .map(|run| async move { ask(app, runner.as_ref(), lease, run).await })
        .buffer_unordered(AT_ONCE);
    each(asked).await?;
    Ok(Activation { done, next })
}

async fn ask(app: &App, runner: &dyn Runner, lease: Lease, run: Run) -> Result<()> {
    let job = dispatch::job(app, &run);
    // A deadline holds whether or not the runner can be asked.
    let polled = match runner.not_ready() {
        Some(message) => Err(RunnerError::Unavailable { message, retry_after: None }),
        None => runner.poll(&job).await.map(Observation::without_nul),
    };
    let now = app.now();
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
                return dispatch::give_up(app, lease, &run, &why).await;
            }
            (times, Some(format!("{UNKNOWN} (said {times} times): {why}")))
        }
        Err(error) => (run.tries + 1, Some(format!("the runner could not be asked how it is: {error}"))),
    };
    let retry_after = polled.as_ref().err().and_then(RunnerError::retry_after);
    let deadline = run.deadline_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
    if now < deadline {
        let due_at = next_poll(app, &run, now, tries, retry_after).min(deadline);
        return postpone(app, lease, &run, waiting, tries, due_at).await;
    }
    // The grace runs from when the runner was first asked to stop: this service may have been away at the deadline.
    let last = run.stop_asked_at.unwrap_or(now) + seconds(app.settings.runs.cancel_grace_s);
    if now >= last {
        let hours = app.settings.runs.deadline_s / 3600;
        let last_word = waiting.unwrap_or_else(|| "it still runs there".into());
        let why = format!("no result within {hours} h of being accepted by the runner `{}`; {last_word}", run.runner);
        return dispatch::give_up(app, lease, &run, &cut(&why, 2_000)).await;
    }
    if run.stop_asked_at.is_none() {
        let mut tx = app.db.begin().await?;
        store::step::asked_to_stop(&mut tx.conn(), run.id, now).await?;
        tx.commit().await?;
    }
    // Asked again each time, for the runner may not have heard; that it cannot be asked is no news by now.
    let stop = match runner.not_ready() {
        Some(why) => format!(" ({why})"),
        None => runner.cancel(&job).await.err().map(|error| format!(" ({error})")).unwrap_or_default(),
    };
    let why = format!("past its deadline and asked to stop{stop}; waited for until {}", last.format("%FT%TZ"));
    let due_at = (now + seconds(app.settings.runs.poll_interval_s)).min(last);
    postpone(app, lease, &run, Some(why), tries, due_at).await
}

async fn postpone(
    app: &App,
    lease: Lease,
    run: &Run,
    waiting: Option<String>,
    tries: i64,
    due_at: DateTime<Utc>,
) -> Result<()> {
    let waiting = waiting.map(|why| cut(&why, 2_000));
    let step = Postponed { id: run.id, state: RunState::Running, waiting: waiting.as_deref(), tries, due_at };
    let mut tx = app.db.begin().await?;
    store::step::postpone(&mut tx.conn(), lease.worker, step).await?;
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
        _ => return Ok(progress),
    }
    queue::freed(app);
    Ok(progress)
}

/// The longer a run takes, the less often it is asked about; a quarter of its age, within the settings' bounds. A runner
/// that does not answer is asked with the backoff of failures.
fn next_poll(app: &App, run: &Run, now: DateTime<Utc>, tries: i64, retry_after: Option<TimeDelta>) -> DateTime<Utc> {
    let (shortest, longest) =
        (seconds(app.settings.runs.poll_interval_s), seconds(app.settings.runs.poll_max_interval_s));
    let age: TimeDelta = now - run.accepted_at.unwrap_or(now);
    let pause = (age / 4).clamp(shortest, longest.max(shortest));
    let failures = u32::try_from(tries).unwrap_or(u32::MAX);
    let backoff = if failures == 0 {
        TimeDelta::zero()
    } else {
        app.runner_backoff().delay_honouring(failures, entropy::unit(), retry_after)
    };
    now + pause.max(backoff)
}
