//! Idempotent background tasks and what drives them.
//!
//! A task takes no input: the due rows are its input, so that the way after a crash and the ordinary way are one. It
//! claims a batch under a lease, acts, and settles the rows, alone or a few in one transaction; a process that dies loses
//! its leases and nothing else. No transaction is open while we wait for somebody else's network.
//!
//! A driver activates its task when its bell rings, when a row falls due, and from time to time in case another process
//! left work. Each runner has tasks of its own, so that a slow one delays no other.

mod advance;
mod collect;
mod deliver;
mod dispatch;
mod inbox;
mod intake;
mod leases;
mod poll;
mod receipts;
mod stop;
mod sweep;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Result, Ring, queue};
use crate::lifecycle::Lifecycle;
use crate::store::{self, Conn};

/// How long a task sleeps at most: other processes ring no bell here.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// How long a task sleeps at least when there was nothing to do: a due row may be leased by another process.
const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

/// How many rows a task works on at once.
const AT_ONCE: usize = 16;

/// How many rows a task claims that works on them one after the other.
const BATCH: i64 = 100;

/// How many rows share a transaction at most: requests wait meanwhile, for SQLite has one writer.
const TOGETHER: usize = 32;

/// A background task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Asks a runner to take what was planned for it.
    Dispatch(String),
    /// Asks a runner about runs that no callback came for, and ends those that are past their deadline.
    Poll(String),
    /// Fetches the results of a runner's finished runs.
    Collect(String),
    /// Tells a runner to stop what was ended here.
    Stop(String),
    /// Works out what callbacks mean.
    Inbox,
    /// Sends reports to the sink.
    Deliver,
    /// Asks the sink what became of its reports.
    Receipts,
    /// Ends the leases of agents that were not heard of in time.
    Leases,
    /// Checks and stores submissions.
    Intake,
    /// Removes attachments that no item names.
    Sweep,
    /// Runs sessions: takes in what came of their runs, and plans what can start.
    Advance,
}

/// What an activation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// How many rows it worked on.
    pub done: usize,
    /// When there is more to do, as far as is known.
    pub next: Option<DateTime<Utc>>,
}

impl Task {
    /// All tasks of a process.
    #[must_use]
    pub fn all(app: &App) -> Vec<Self> {
        let mut tasks =
            vec![Self::Inbox, Self::Leases, Self::Deliver, Self::Receipts, Self::Intake, Self::Sweep, Self::Advance];
        for runner in app.runners.names() {
            tasks.extend([Self::Dispatch, Self::Poll, Self::Collect, Self::Stop].map(|task| task(runner.to_owned())));
        }
        tasks
    }

    fn bell(&self, app: &App) -> watch::Receiver<()> {
        match self {
            Self::Dispatch(_) => app.bells.dispatch.listen(),
            Self::Poll(_) | Self::Leases => app.bells.poll.listen(),
            Self::Collect(_) => app.bells.collect.listen(),
            Self::Stop(_) => app.bells.stop.listen(),
            Self::Inbox => app.bells.inbox.listen(),
            Self::Deliver => app.bells.deliver.listen(),
            Self::Receipts => app.bells.receipts.listen(),
            Self::Intake => app.bells.intake.listen(),
            Self::Sweep => app.bells.sweep.listen(),
            Self::Advance => app.bells.advance.listen(),
        }
    }

    /// Does what is due now.
    ///
    /// # Errors
    /// If the database fails; what was claimed comes back when its lease ends.
    pub async fn activate(&self, app: &App) -> Result<Activation> {
        match self {
            Self::Dispatch(runner) => dispatch::activate(app, runner).await,
            Self::Poll(runner) => poll::activate(app, runner).await,
            Self::Collect(runner) => collect::activate(app, runner).await,
            Self::Stop(runner) => stop::activate(app, runner).await,
            Self::Inbox => inbox::activate(app).await,
            Self::Deliver => deliver::activate(app).await,
            Self::Receipts => receipts::activate(app).await,
            Self::Leases => leases::activate(app).await,
            Self::Intake => intake::activate(app).await,
            Self::Sweep => sweep::activate(app).await,
            Self::Advance => advance::activate(app).await,
        }
    }
}

/// Drives all tasks until a stop is asked for. An activation that has begun is finished, if the shutdown's deadline
/// allows; what it had claimed comes back when its lease ends.
pub fn start(app: &App, lifecycle: &Lifecycle) {
    for task in Task::all(app) {
        let (app, stop) = (app.clone(), lifecycle.soft().clone());
        lifecycle.spawn("work", async move { drive(&app, &task, &stop).await });
    }
}

async fn drive(app: &App, task: &Task, stop: &CancellationToken) {
    let mut bell = task.bell(app);
    while !stop.is_cancelled() {
        let pause = match task.activate(app).await {
            Ok(activation) => pause(app, activation),
            Err(error) => {
                tracing::warn!(?task, cause = ?error, "a background task failed and is tried again");
                LONGEST_SLEEP
            }
        };
        // A ring during the activation is still heard here: its rows may have come too late for it.
        tokio::select! {
            () = stop.cancelled() => {}
            _ = bell.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Has all rows of a batch worked on: one that fails holds up no other. The first failure is the batch's.
async fn each(rows: impl Stream<Item = Result<()>>) -> Result<()> {
    rows.fold(Ok(()), async |so_far, row| so_far.and(row)).await
}

/// Acts on these rows a few at a time, each few in one transaction: a flush to the disk costs for many what it costs for
/// one. Where that fails each row has a transaction of its own, so that one that fails holds up no other; the first
/// failure is the batch's.
async fn together<T: Sync>(
    app: &App,
    rows: &[T],
    act: impl for<'a> Fn(&'a App, &'a mut Conn<'_>, &'a [T]) -> BoxFuture<'a, store::Result<Vec<Ring>>> + Sync,
) -> Result<()> {
    let in_one = async |rows: &[T]| -> store::Result<()> {
        let mut tx = app.db.begin().await?;
        let rings = act(app, &mut tx.conn(), rows).await?;
        tx.commit().await?;
        for ring in rings {
            ring(&app.bells).ring();
        }
        queue::freed(app);
        Ok(())
    };
    let mut outcome = Ok(());
    for rows in rows.chunks(TOGETHER) {
        if in_one(rows).await.is_ok() {
            continue;
        }
        for row in rows {
            match in_one(std::slice::from_ref(row)).await {
                Err(error) if error.is_transient() => return Err(error.into()),
                done => outcome = outcome.and(done),
            }
        }
    }
    Ok(outcome?)
}

fn pause(app: &App, activation: Activation) -> Duration {
    let shortest = if activation.done > 0 { Duration::ZERO } else { SHORTEST_SLEEP };
    let due = activation.next.map(|next| (next - app.now()).to_std().unwrap_or_default());
    due.unwrap_or(LONGEST_SLEEP).clamp(shortest, LONGEST_SLEEP)
}

/// Activates all tasks, again and again, until none of them finds anything to do; returns how many rows were worked on.
/// For tests and tools that turn the clock themselves.
///
/// # Errors
/// If the database fails.
pub async fn settle(app: &App) -> Result<usize> {
    let mut all = 0;
    loop {
        let mut done = 0;
        for task in Task::all(app) {
            done += task.activate(app).await?.done;
        }
        if done == 0 {
            return Ok(all);
        }
        all += done;
    }
}
