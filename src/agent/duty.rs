//! One lease from its journal's first line to the server's last word: carried out, kept alive and told of at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::agent::executor::{Executed, Executor};
use crate::agent::journal::{Journal, Over, Place};
use crate::agent::server::{Fault, Server};
use crate::agent::stop::{Stop, Why};
use crate::agent::{AgentError, Patience, Signals};
use crate::domain::agent::{Lease, Line, LogBatch, Results, Taken};
use crate::domain::retry::Backoff;
use crate::entropy;

/// How long lines are gathered that come one by one.
const LINGER: Duration = Duration::from_millis(200);

/// How much log is sent with one request: below the mebibyte that the protocol has as its limit.
const BATCH_BYTES: u64 = 512 * 1024;
const BATCH_LINES: usize = 5_000;

/// How often the server may miss lines, without taking any, before the rest of the log is not sent.
const MOST_GAPS: u32 = 5;

/// The longest pause between two tries of a heartbeat, whatever the lease says.
const LONGEST_BEAT: u64 = 300;

/// How a lease came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All was told, and the server has it.
    Told,
    /// It was given back, for this reason.
    Released(String),
    /// What is to be told is kept for later: the agent leaves, and the server is away.
    Kept,
    /// The server does not take what it is told, and never will.
    Refused(String),
}

/// What a lease is worked on with.
pub(super) struct Duty<'a> {
    pub(super) server: &'a Server,
    pub(super) backoff: Backoff,
    pub(super) patience: Patience,
    pub(super) signals: &'a Signals,
}

impl Duty<'_> {
    /// Carries out a lease and tells of it. Says too whether this machine is broken.
    pub(super) async fn carry_out(
        &self,
        executor: &Arc<dyn Executor>,
        journal: &Arc<Journal>,
    ) -> Result<(Ended, Option<String>), AgentError> {
        let stop = Stop::default();
        let working = AbortOnDropHandle::new(tokio::spawn({
            let (executor, journal, stop) = (Arc::clone(executor), Arc::clone(journal), stop.clone());
            async move { work(&*executor, &journal, &stop).await }
        }));
        let leaving = async {
            self.signals.stop.cancelled().await;
            stop.because(Why::Leaving);
            std::future::pending().await
        };
        let ended = tokio::select! {
            ended = self.tell(journal, &stop) => ended?,
            never = leaving => never,
        };
        // The journal is closed by who works: there is nothing to wait for any more.
        let broken = match working.await {
            Ok(broken) => broken,
            Err(error) => Some(format!("carrying out a lease failed: {error}")),
        };
        Ok((ended, broken))
    }

    /// Tells the server of a lease until it has all of it, and that we live for as long.
    pub(super) async fn tell(&self, journal: &Journal, stop: &Stop) -> Result<Ended, AgentError> {
        tokio::select! {
            ended = self.deliver(journal, stop) => ended,
            never = self.beat(journal.lease(), stop) => never,
            () = self.out_of_patience(journal) => Ok(Ended::Kept),
        }
    }

    /// Says that we live, for as long as it is polled. After the lease was lost there is nothing to be said.
    async fn beat(&self, lease: &Lease, stop: &Stop) -> Result<Ended, AgentError> {
        let every = Duration::from_secs(lease.heartbeat_s.clamp(1, LONGEST_BEAT));
        let mut failures = 0;
        let mut pause = every;
        loop {
            sleep(pause).await;
            pause = every;
            match self.server.heartbeat(lease).await {
                Ok(beat) => {
                    failures = 0;
                    if beat.canceled {
                        stop.because(Why::Canceled(beat.reason.unwrap_or_else(|| "no reason was given".to_owned())));
                    }
                }
                Err(Fault::Lost(reason) | Fault::Unknown(reason) | Fault::Forbidden(reason)) => {
                    tracing::warn!(lease = %lease.id, reason, "the lease was lost: its jobs are stopped");
                    stop.because(Why::Lost(reason));
                    return std::future::pending().await;
                }
                Err(fault) => {
                    failures += 1;
                    tracing::warn!(lease = %lease.id, %fault, failures, "a heartbeat did not arrive");
                    pause = self.pause(failures, None).min(every);
                }
            }
        }
    }

    /// Ends when the agent is to leave, the lease is carried out, and the server has been given its time.
    async fn out_of_patience(&self, journal: &Journal) {
        self.signals.drain.cancelled().await;
        closed(journal).await;
        let patient = sleep(self.patience.after_drain);
        tokio::select! {
            () = patient => {}
            () = async {
                self.signals.stop.cancelled().await;
                sleep(self.patience.after_stop).await;
            } => {}
        }
    }

    async fn deliver(&self, journal: &Journal, stop: &Stop) -> Result<Ended, AgentError> {
        let place = journal.first_unacknowledged().map_err(AgentError::Journal)?;
        let mut delivery = Delivery { server: self.server, journal, stop, place, takes_log: true, gaps: 0 };
        let mut changes = journal.changes();
        let mut failures = 0;
        loop {
            changes.borrow_and_update();
            match delivery.step().await {
                Ok(Step::Sent(is_much)) => {
                    failures = 0;
                    // Lines that come one by one are not sent one by one.
                    if !is_much {
                        linger(journal).await;
                    }
                }
                Ok(Step::Ended(ended)) => return Ok(ended),
                Ok(Step::Nothing) => {
                    let _ = changes.changed().await;
                }
                Err(Fault::Away { reason, retry_after }) => {
                    failures += 1;
                    tracing::warn!(lease = %journal.lease().id, reason, failures, "the server is away: all is kept");
                    sleep(self.pause(failures, retry_after)).await;
                }
                Err(fault) => return Err(AgentError::Unknown(fault.to_string())),
            }
        }
    }

    fn pause(&self, failures: u32, retry_after: Option<chrono::TimeDelta>) -> Duration {
        let pause = self.backoff.delay_honouring(failures, entropy::unit(), retry_after);
        pause.to_std().unwrap_or(Duration::from_secs(1))
    }
}

/// Until something more may have been written, or all is.
async fn linger(journal: &Journal) {
    tokio::select! {
        () = sleep(LINGER) => {}
        () = closed(journal) => {}
    }
}

/// Until a journal is closed.
async fn closed(journal: &Journal) {
    let mut changes = journal.changes();
    while journal.over().is_none() && changes.changed().await.is_ok() {}
}

/// Carries out a lease, and closes its journal whatever comes of it. Says whether this machine is broken.
async fn work(executor: &dyn Executor, journal: &Journal, stop: &Stop) -> Option<String> {
    if let Some(reason) = executor.refuses(&journal.lease().request) {
        journal.close(Over::Released(reason));
        return None;
    }
    let _closing = Closing(journal);
    match executor.execute(journal, stop).await {
        Executed::Done => None,
        // Nothing of it was done here: whoever has it next loses nothing.
        Executed::Broken(reason) if !journal.has_ends() && stop.why().is_none() => {
            journal.close(Over::Released(reason.clone()));
            Some(reason)
        }
        Executed::Broken(reason) => {
            journal.end_the_rest(&reason);
            Some(reason)
        }
    }
}

/// Closes a journal when it is dropped, so that a failure of ours never leaves one open.
struct Closing<'a>(&'a Journal);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if self.0.over().is_none() {
            self.0.end_the_rest("the agent failed before it came to it");
            self.0.close(Over::Results);
        }
    }
}

/// How far the server has been told.
struct Delivery<'a> {
    server: &'a Server,
    journal: &'a Journal,
    stop: &'a Stop,
    place: Place,
    /// Whether the server takes lines of the log.
    takes_log: bool,
    /// How often it missed lines without taking any in between.
    gaps: u32,
}

enum Step {
    /// There is nothing to tell now.
    Nothing,
    /// Something was told; and whether there was much of it.
    Sent(bool),
    Ended(Ended),
}

impl Delivery<'_> {
    /// Tells what comes next: lines, then files, then the end, so that what judges the jobs has what they wrote.
    async fn step(&mut self) -> Result<Step, Fault> {
        // Looked at first: what is written before it is closed is seen below.
        let over = self.journal.over();
        if self.takes_log {
            match self.journal.lines(self.place, BATCH_BYTES, BATCH_LINES) {
                Ok((lines, behind)) if !lines.is_empty() => return self.lines(lines, behind).await,
                Ok(_) => {}
                Err(error) => self.give_up_log(&error.to_string()),
            }
        }
        if let Some((file, from)) = self.journal.next_file() {
            match self.server.file(self.journal.lease().id, &file.job, &file.path, &from).await {
                Ok(()) => {}
                Err(Fault::Lost(reason)) => self.stop.because(Why::Lost(reason)),
                Err(Fault::Refused(reason)) => {
                    tracing::warn!(job = file.job, path = file.path, reason, "the server does not take a file");
                }
                Err(fault) => return Err(fault),
            }
            self.journal.forget_file(file.number);
            return Ok(Step::Sent(true));
        }
        match over {
            None => Ok(Step::Nothing),
            Some(Over::Results) => self.results().await.map(Step::Ended),
            Some(Over::Released(reason)) => match self.server.release(self.journal.lease(), &reason).await {
                Ok(()) | Err(Fault::Lost(_)) => Ok(Step::Ended(Ended::Released(reason))),
                Err(Fault::Refused(why)) => {
                    tracing::warn!(reason = why, "the server does not take a lease back: it will end by itself");
                    Ok(Step::Ended(Ended::Released(reason)))
                }
                Err(fault) => Err(fault),
            },
        }
    }

    async fn lines(&mut self, lines: Vec<Line>, behind: Place) -> Result<Step, Fault> {
        let is_full = lines.len() >= BATCH_LINES / 2;
        let lease = self.journal.lease();
        let batch = LogBatch { generation: lease.generation, first: self.place.line, lines };
        let next = match self.server.log(lease.id, &batch).await {
            Ok(appended) => appended.next,
            Err(Fault::Gap(next)) => next,
            Err(Fault::Lost(reason)) => {
                self.give_up_log(&reason);
                self.stop.because(Why::Lost(reason));
                return Ok(Step::Sent(true));
            }
            Err(Fault::Refused(reason)) => {
                self.give_up_log(&reason);
                return Ok(Step::Sent(true));
            }
            Err(fault) => return Err(fault),
        };
        if next > self.place.line {
            self.gaps = 0;
        } else {
            self.gaps += 1;
        }
        if self.gaps > MOST_GAPS {
            self.give_up_log("it wants the same lines again and again");
        } else if next == behind.line {
            self.place = behind;
            self.journal.acknowledge(next);
        } else {
            match self.journal.place(next) {
                Ok(place) => self.place = place,
                Err(error) => self.give_up_log(&error.to_string()),
            }
        }
        Ok(Step::Sent(is_full))
    }

    fn give_up_log(&mut self, reason: &str) {
        tracing::warn!(lease = %self.journal.lease().id, reason, "the rest of the log is not sent");
        self.takes_log = false;
    }

    async fn results(&self) -> Result<Ended, Fault> {
        let lease = self.journal.lease();
        let results = Results { generation: lease.generation, results: self.journal.ends() };
        match self.server.results(lease.id, &results).await {
            Ok(Taken { taken, reason }) => {
                if !taken {
                    tracing::warn!(lease = %lease.id, reason, "the results came too late: they are kept as evidence");
                }
                Ok(Ended::Told)
            }
            Err(Fault::Lost(reason)) => {
                tracing::warn!(lease = %lease.id, reason, "the results came too late");
                Ok(Ended::Told)
            }
            Err(Fault::Refused(reason)) => Ok(Ended::Refused(reason)),
            Err(fault) => Err(fault),
        }
    }
}
