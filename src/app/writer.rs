//! Group commit: requests that write hand their work to a bounded queue and are answered after the commit that holds it.
//!
//! A writer takes all that waits (up to a limit, without waiting for more), applies it in one transaction with multi-row
//! statements, commits, and answers. So one flush to disk serves many requests, and none is answered before its own. If
//! a batch fails for what one of its members is, each member is tried alone: a poisoned one fails by itself. If it fails
//! because the database is away, all are told so at once. A full queue refuses at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::app::error::AppError;
use crate::domain::spec_result::result::SpecResult;
use crate::ids::BuildId;
use crate::store::build::Build;
use crate::store::callback::NewCallback;
use crate::store::delivery::NewDelivery;
use crate::store::result::TestResult;
use crate::store::run::NewRun;
use crate::store::spec_result::Recorded;
use crate::store::submission::NewSubmission;
use crate::store::{self, Conn, Db, Dialect};

/// After how long a refused caller may ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a caller's log says when there is no writer any more.
const STOPPED: &str = "the writer has stopped";

/// One request's writes.
#[derive(Debug)]
pub enum Write {
    /// A callback for the inbox.
    Callback(NewCallback),
    /// A build and its first run.
    Build(Box<(Build, NewRun)>),
    /// A run of tests.
    Tests(Box<NewRun>),
    /// Results that were run elsewhere, with their deliveries.
    Results(Vec<TestResult>, Vec<NewDelivery>),
    /// A KCIDB submission.
    Submission(NewSubmission),
    /// What came of specs, and when that was told.
    SpecResults(Vec<SpecResult>, DateTime<Utc>),
}

/// What came of one request's writes, once they are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Of a callback: whether it is new.
    Callback(bool),
    /// Of a run of tests: the tests that it holds; `None` if all are held by other live runs and none was planned.
    Tests(Option<Vec<String>>),
    /// Of a build: the id of the build that stands, which is an earlier one's if its idempotency key was known.
    Build(BuildId),
    /// Of what came of specs: what became of each.
    SpecResults(Vec<Recorded>),
    /// Of the others: stored.
    Stored,
}

type Entry = (Write, oneshot::Sender<Result<Written, AppError>>);

/// A handle to the writers' queue. Cheap to clone; the writers end when all handles are gone.
#[derive(Clone, Debug)]
pub struct Writer(mpsc::Sender<Entry>);

/// How a [`Writer`] is sized.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// How many requests may wait.
    pub queue: usize,
    /// How many requests one transaction may hold.
    pub batch: usize,
    /// How many transactions may be open at once; `SQLite` has one writer whatever this says.
    pub writers: usize,
}

impl Writer {
    /// Starts the writers.
    #[must_use]
    pub fn start(db: &Db, options: WriterOptions) -> Self {
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        let writers = match db.dialect() {
            Dialect::Sqlite => 1,
            Dialect::Postgres => options.writers.max(1),
        };
        for _ in 0..writers {
            tokio::spawn(run(db.clone(), Arc::clone(&receiver), options.batch.max(1)));
        }
        Self(sender)
    }

    /// Whether the queue has room now: a request that would find it full is refused before any work is done for it.
    ///
    /// # Errors
    /// [`AppError::Overloaded`] if the queue is full.
    pub fn has_room(&self) -> Result<(), AppError> {
        if self.0.capacity() == 0 { Err(AppError::Overloaded { retry_after: RETRY_AFTER }) } else { Ok(()) }
    }

    /// Has this written, and returns once it is durable.
    ///
    /// # Errors
    /// [`AppError::Overloaded`] if the queue is full; [`AppError::Unavailable`] if the database is away: nobody knows
    /// then whether a commit under way held the write, and repeating it is harmless; [`AppError::Store`] otherwise.
    pub async fn write(&self, write: Write) -> Result<Written, AppError> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send((write, answer)).map_err(|error| match error {
            TrySendError::Full(_) => AppError::Overloaded { retry_after: RETRY_AFTER },
            TrySendError::Closed(_) => AppError::Unavailable(STOPPED.into()),
        })?;
        answered.await.unwrap_or_else(|_| Err(AppError::Unavailable(STOPPED.into())))
    }
}

async fn run(db: Db, receiver: Arc<Mutex<mpsc::Receiver<Entry>>>, batch: usize) {
    let mut entries = Vec::with_capacity(batch);
    loop {
        if receiver.lock().await.recv_many(&mut entries, batch).await == 0 {
            return;
        }
        // Whoever has gone away was told nothing, and may have asked again: what it asked for is not done behind its back.
        entries.retain(|(_, answer)| !answer.is_closed());
        let (writes, answers): (Vec<Write>, Vec<_>) = entries.drain(..).unzip();
        if writes.is_empty() {
            continue;
        }
        match commit(&db, &writes).await {
            Ok(written) => {
                for (answer, written) in answers.into_iter().zip(written) {
                    // A caller that has gone away does not mind.
                    let _ = answer.send(Ok(written));
                }
            }
            Err(error) if writes.len() == 1 || error.is_transient() => {
                let words = error_chain(&error);
                let mut error = Some(error);
                for answer in answers {
                    let told = match error.take() {
                        Some(error) if !error.is_transient() => AppError::Store(error),
                        _ => AppError::Unavailable(words.clone()),
                    };
                    let _ = answer.send(Err(told));
                }
            }
            Err(_) => {
                for (write, answer) in writes.into_iter().zip(answers) {
                    let alone = commit(&db, std::slice::from_ref(&write)).await;
                    let _ = answer.send(match alone {
                        Ok(mut written) => Ok(written.pop().unwrap_or(Written::Stored)),
                        Err(error) if error.is_transient() => Err(AppError::Unavailable(error_chain(&error))),
                        Err(error) => Err(AppError::Store(error)),
                    });
                }
            }
        }
    }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

async fn commit(db: &Db, writes: &[Write]) -> store::Result<Vec<Written>> {
    let mut tx = db.begin().await?;
    let written = apply(&mut tx.conn(), writes).await?;
    tx.commit().await?;
    Ok(written)
}

/// Applies the writes kind by kind, so that each kind is a few multi-row statements.
async fn apply(conn: &mut Conn<'_>, writes: &[Write]) -> store::Result<Vec<Written>> {
    let mut callbacks: Vec<&NewCallback> = Vec::new();
    let mut builds: Vec<&Build> = Vec::new();
    let mut runs: Vec<&NewRun> = Vec::new();
    let mut results: Vec<&TestResult> = Vec::new();
    let mut deliveries: Vec<&NewDelivery> = Vec::new();
    let mut submissions: Vec<&NewSubmission> = Vec::new();
    let mut spec_results: Vec<&SpecResult> = Vec::new();
    let mut told_at = None;
    for write in writes {
        match write {
            Write::Callback(callback) => callbacks.push(callback),
            Write::Build(both) => builds.push(&both.0),
            Write::Tests(run) => runs.push(run),
            Write::Results(some, their) => {
                results.extend(some);
                deliveries.extend(their);
            }
            Write::Submission(submission) => submissions.push(submission),
            Write::SpecResults(results, now) => {
                spec_results.extend(results);
                told_at = told_at.max(Some(*now));
            }
        }
    }
    let standing = store::build::insert(conn, &builds).await?;
    let first_runs = writes.iter().filter_map(|write| match write {
        Write::Build(both) => Some(both),
        _ => None,
    });
    // A build that stands already has its run.
    let first_runs: Vec<&NewRun> =
        first_runs.zip(&standing).filter(|(both, standing)| both.0.id == **standing).map(|(both, _)| &both.1).collect();
    store::run::plan(conn, &first_runs).await?;
    let mut standing = standing.into_iter();
    let mut planned = store::run::plan(conn, &runs).await?.into_iter();
    let mut new = store::callback::receive(conn, &callbacks).await?.into_iter();
    store::result::insert(conn, &results).await?;
    store::delivery::enqueue(conn, &deliveries).await?;
    store::submission::insert(conn, &submissions).await?;
    // Last, since whoever else records results waits from here to the commit.
    let mut recorded = match told_at {
        Some(told_at) => store::spec_result::record(conn, &spec_results, told_at).await?.into_iter(),
        None => Vec::new().into_iter(),
    };
    Ok(writes
        .iter()
        .map(|write| match write {
            Write::Callback(_) => Written::Callback(new.next().unwrap_or(false)),
            Write::Tests(_) => Written::Tests(planned.next().flatten()),
            Write::Build(both) => Written::Build(standing.next().unwrap_or(both.0.id)),
            Write::Results(..) | Write::Submission(_) => Written::Stored,
            Write::SpecResults(results, _) => Written::SpecResults(recorded.by_ref().take(results.len()).collect()),
        })
        .collect())
}
