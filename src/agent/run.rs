//! The agent's life: who it is, what an earlier life left, and one lease after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::agent::duty::{Duty, Ended};
use crate::agent::executor::Executor;
use crate::agent::home::{Home, Identity};
use crate::agent::journal::{Journal, Over};
use crate::agent::server::{Fault, Server, Work};
use crate::agent::stop::Stop;
use crate::agent::{AgentError, AgentOptions, Signals, Summary};
use crate::clock::Clock;
use crate::domain::agent::{Claim, Lease, PROTOCOL, Registration};
use crate::entropy;
use crate::net::client::Client;

/// What is said of jobs that an earlier life of the agent did not bring to their end.
const RESTARTED: &str = "the agent was restarted";

/// The longest the server may have us wait for work, in seconds.
const LONGEST_POLL: u64 = 300;

/// The service has not made us wait if its answer came sooner.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// How often a drained agent looks whether it still is.
const DRAINED: Duration = Duration::from_secs(2);

/// An agent that holds its work folder.
#[derive(Debug)]
pub struct Agent {
    options: AgentOptions,
    home: Home,
    client: Client,
    clock: Arc<dyn Clock>,
}

/// What comes next.
enum Next {
    /// Ask again.
    Ask,
    /// Ask again after a pause, the longer the more often.
    Pause,
    /// End.
    End,
}

impl Agent {
    /// Takes hold of the work folder.
    ///
    /// # Errors
    /// [`AgentError::Home`] if it cannot be used.
    pub fn open(options: AgentOptions, clock: Arc<dyn Clock>) -> Result<Self, AgentError> {
        let home = Home::open(&options.work_dir)?;
        let client = Client::new(Vec::new()).map_err(|error| AgentError::Client(error.to_string()))?;
        Ok(Self { options, home, client, clock })
    }

    /// Where the folders of jobs are made.
    #[must_use]
    pub fn rooms(&self) -> std::path::PathBuf {
        self.home.rooms()
    }

    /// Works until it is told to end, or cannot go on.
    ///
    /// # Errors
    /// [`AgentError`] when only a person can help.
    pub async fn run(&self, executor: Arc<dyn Executor>, signals: &Signals) -> Result<Summary, AgentError> {
        let mut summary = Summary::default();
        let Some((identity, server)) = self.identity(signals).await? else { return Ok(summary) };
        tracing::info!(agent = %identity.id, name = identity.name, server = %self.options.server, "the agent is at work");
        self.tell_what_is_left(&server, signals, &mut summary).await?;
        let mut failures = 0_u32;
        while !signals.drain.is_cancelled() {
            let next = self.once(&identity, &server, &executor, signals, &mut summary).await?;
            match next {
                Next::End => break,
                Next::Ask => failures = 0,
                Next::Pause => {
                    failures = failures.saturating_add(1);
                    self.pause(failures, None, signals).await;
                }
            }
        }
        Ok(summary)
    }

    /// Who the agent is: as it remembers, or as the service says now. `None` if it is told to end before that is known.
    async fn identity(&self, signals: &Signals) -> Result<Option<(Identity, Server)>, AgentError> {
        let server = |token: &str| {
            let server = Server::new(&self.options.server, token, self.client.clone(), Arc::clone(&self.clock));
            server.map_err(AgentError::NoToken)
        };
        if let Some(identity) = self.home.identity().map_err(AgentError::Journal)? {
            if identity.server != self.options.server.as_str() || identity.name != self.options.name {
                let Identity { name, server, .. } = identity;
                return Err(AgentError::Another { name, server, file: self.home.identity_file() });
            }
            let server = server(&identity.token)?;
            return Ok(Some((identity, server)));
        }
        let Some(file) = &self.options.token_file else {
            let words = "the agent is not registered: give it a registration token with `--token-file`";
            return Err(AgentError::NoToken(words.to_owned()));
        };
        let token = std::fs::read_to_string(file).map_err(|error| {
            AgentError::NoToken(format!("the registration token {} cannot be read: {error}", file.display()))
        })?;
        let asking = server(&token)?;
        let registration = Registration {
            name: self.options.name.clone(),
            labels: self.options.labels.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
        };
        let mut failures = 0;
        loop {
            let answer = signals.drain.run_until_cancelled(asking.register(&registration)).await;
            match answer {
                None => return Ok(None),
                Some(Ok(registered)) => {
                    let identity = Identity {
                        server: self.options.server.to_string(),
                        id: registered.id,
                        name: registered.name,
                        token: registered.token,
                        poll_s: registered.poll_s,
                    };
                    self.home.remember(&identity).map_err(AgentError::Journal)?;
                    let server = server(&identity.token)?;
                    return Ok(Some((identity, server)));
                }
                Some(Err(Fault::Away { reason, retry_after })) => {
                    failures += 1;
                    tracing::warn!(reason, failures, "the agent could not be registered yet");
                    self.pause(failures, retry_after, signals).await;
                }
                Some(Err(fault)) => return Err(AgentError::NotRegistered(fault.to_string())),
            }
        }
    }

    /// Ends and tells what an earlier life of the agent has left.
    async fn tell_what_is_left(
        &self,
        server: &Server,
        signals: &Signals,
        summary: &mut Summary,
    ) -> Result<(), AgentError> {
        let left = self.home.left().map_err(AgentError::Journal)?;
        for journal in &left {
            for (job, leader) in journal.unended().map_err(AgentError::Journal)? {
                let killed = leader.is_some_and(|leader| leader.kill_group());
                tracing::warn!(job, killed, "a job was left by an earlier agent");
                journal.note(self.clock.now(), Some(&job), RESTARTED);
            }
            if journal.over().is_none() {
                journal.end_the_rest(RESTARTED);
                journal.close(Over::Results);
            }
        }
        self.home.clear_rooms().map_err(AgentError::Journal)?;
        for journal in left {
            let ended = self.duty(server, signals).tell(&journal, &Stop::default()).await?;
            self.settle(&journal, ended, summary);
        }
        Ok(())
    }

    /// Asks for work once, and does it.
    async fn once(
        &self,
        identity: &Identity,
        server: &Server,
        executor: &Arc<dyn Executor>,
        signals: &Signals,
        summary: &mut Summary,
    ) -> Result<Next, AgentError> {
        if let Some(why) = self.drained() {
            tracing::debug!(why, "no work is taken");
            signals.drain.run_until_cancelled(sleep(DRAINED)).await;
            return Ok(Next::Ask);
        }
        if let Err(reason) = self.home.is_well().and_then(|()| executor.is_well()) {
            tracing::error!(reason, "this machine cannot work: no work is taken");
            return Ok(Next::Pause);
        }
        let labels = Some(self.options.labels.clone());
        let claim = Claim { labels: labels.clone(), wait_s: identity.poll_s.min(LONGEST_POLL) };
        let asked = Instant::now();
        let Some(answer) = signals.drain.run_until_cancelled(server.claim(&claim)).await else {
            self.give_back_unseen(server, &Claim { labels, wait_s: 0 }).await;
            return Ok(Next::End);
        };
        let lease = match answer {
            Ok(Work::Lease(lease)) => *lease,
            Ok(Work::None(why)) => {
                if let Some(why) = why {
                    tracing::info!(why, "runs wait, and none of them is for this agent");
                }
                // One that does not make us wait is not asked without a pause.
                return Ok(if asked.elapsed() < SHORTEST_POLL { Next::Pause } else { Next::Ask });
            }
            Err(Fault::Away { reason, retry_after }) => {
                tracing::warn!(reason, "the service is away");
                if retry_after.is_some() {
                    self.pause(1, retry_after, signals).await;
                }
                return Ok(Next::Pause);
            }
            Err(Fault::Forbidden(reason)) => {
                tracing::warn!(reason, "the service gives this agent no work");
                return Ok(Next::Pause);
            }
            Err(Fault::Unknown(reason)) => return Err(AgentError::Unknown(self.how_to_register_again(&reason))),
            Err(fault) => return Err(AgentError::Refused(fault.to_string())),
        };
        let next = self.take(lease, server, executor, signals, summary).await?;
        Ok(if self.options.once { Next::End } else { next })
    }

    async fn take(
        &self,
        lease: Lease,
        server: &Server,
        executor: &Arc<dyn Executor>,
        signals: &Signals,
        summary: &mut Summary,
    ) -> Result<Next, AgentError> {
        tracing::info!(lease = %lease.id, run = %lease.run, generation = lease.generation, "a lease begins");
        let journal = match self.home.begin(lease.clone()) {
            Ok(journal) => Arc::new(journal),
            Err(error) => {
                let reason = format!("the agent cannot write down what it is given: {error}");
                tracing::error!(reason, "a lease is given back");
                if let Err(fault) = server.release(&lease, &reason).await {
                    tracing::warn!(%fault, "a lease could not be given back: it will end by itself");
                }
                return Ok(Next::Pause);
            }
        };
        if let Some(why) = self.drained() {
            journal.close(Over::Released(why));
            let ended = self.duty(server, signals).tell(&journal, &Stop::default()).await?;
            self.settle(&journal, ended, summary);
            return Ok(Next::Ask);
        }
        let (ended, broken) = self.duty(server, signals).carry_out(executor, &journal).await?;
        tracing::info!(lease = %lease.id, ?ended, broken, "a lease has ended");
        let pauses = broken.is_some() || !matches!(ended, Ended::Told);
        self.settle(&journal, ended, summary);
        Ok(if pauses { Next::Pause } else { Next::Ask })
    }

    fn duty<'a>(&self, server: &'a Server, signals: &'a Signals) -> Duty<'a> {
        Duty { server, backoff: self.options.backoff, patience: self.options.patience, signals }
    }

    fn settle(&self, journal: &Journal, ended: Ended, summary: &mut Summary) {
        match ended {
            Ended::Kept => {
                tracing::warn!(lease = %journal.lease().id, "what could not be told is kept for the next agent here");
                summary.kept += 1;
                return;
            }
            Ended::Refused(reason) => {
                tracing::error!(reason, "the service does not take the results of a lease");
                self.home.set_aside(journal);
                summary.refused += 1;
                return;
            }
            Ended::Told => summary.told += 1,
            Ended::Released(reason) => {
                tracing::warn!(lease = %journal.lease().id, reason, "a lease was given back");
                summary.released += 1;
            }
        }
        if let Err(error) = journal.remove() {
            tracing::error!(%error, "the journal of a lease could not be removed");
        }
    }

    /// What was asked for when we were told to end may have been given: its answer is asked for again, and given back.
    async fn give_back_unseen(&self, server: &Server, claim: &Claim) {
        let asked = tokio::time::timeout(self.options.patience.after_stop, async {
            if let Ok(Work::Lease(lease)) = server.claim(claim).await
                && let Err(fault) = server.release(&lease, "the agent was told to end").await
            {
                tracing::warn!(%fault, "a lease could not be given back: it will end by itself");
            }
        });
        if asked.await.is_err() {
            tracing::warn!("the service is away: a lease that it gave would end by itself");
        }
    }

    fn drained(&self) -> Option<String> {
        let file = self.options.drain_file.as_ref().filter(|file| file.exists())?;
        Some(format!("the agent is drained: {} is there", file.display()))
    }

    fn how_to_register_again(&self, reason: &str) -> String {
        let file = self.home.identity_file();
        format!("{reason}; to register it anew, remove {} and give it a new registration token", file.display())
    }

    async fn pause(&self, failures: u32, retry_after: Option<chrono::TimeDelta>, signals: &Signals) {
        let pause = self.options.backoff.delay_honouring(failures, entropy::unit(), retry_after);
        signals.drain.run_until_cancelled(sleep(pause.to_std().unwrap_or(Duration::from_secs(1)))).await;
    }
}
