//! `testyard spool`: brings results that programs leave as files in a folder to a service.
//!
//! A program writes a file under another name and renames it to `NAME.json` when it is whole. The spool takes it by renaming
//! it into `.taken`, sends what is in it, and removes it when the service has said that it keeps it. What the service can
//! never keep is set aside in `.refused`, with the reason beside it. A spool that dies leaves what it had taken, and the next
//! one begins with that; a result that was sent before is the same result, so sending it again does no harm.

mod folder;
mod service;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::cli::serve::in_runtime;
use crate::cli::{fail, print};
use crate::clock::{Clock, SystemClock};
use crate::config::LogFormat;
use crate::domain::retry::Backoff;
use crate::lifecycle::Lifecycle;
use crate::{entropy, telemetry};

use self::folder::{Folder, Taken};
use self::service::{Outcome, Reply, Service};

/// The most results of a request.
pub const MAX_RESULTS: usize = 1_000;

/// The most bytes of files whose results are sent together. The results of a larger file are sent by themselves.
const MAX_BATCH_BYTES: u64 = 1 << 20;

/// How long a service that is away is left alone.
const BACKOFF: Backoff = Backoff { base: TimeDelta::seconds(1), max: TimeDelta::minutes(1) };

/// Which folder, and where to.
#[derive(Clone, Debug, clap::Args)]
pub struct SpoolArguments {
    /// The folder that results are left in: `*.json`, each a result or a list of results
    folder: PathBuf,
    /// The service that keeps them
    #[arg(long, value_name = "URL")]
    server: Url,
    /// A file that holds the token for the service
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Bring what is there and end; exits with 1 if something is left or was set aside
    #[arg(long)]
    drain: bool,
    /// How often the folder is looked into, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    interval: u64,
}

/// `testyard spool …`.
pub(super) fn run(arguments: &SpoolArguments, log_filter: Option<&str>) -> ExitCode {
    if let Err(error) = telemetry::init(LogFormat::Text, log_filter.unwrap_or("info")) {
        return fail(&error.into());
    }
    let spooled = in_runtime(async {
        let lifecycle = Lifecycle::new();
        lifecycle.listen_for_signals()?;
        let clock = Arc::new(SystemClock);
        let spool = Spool::open(&arguments.folder, &arguments.server, arguments.token_file.as_deref(), clock)?;
        let how = How { once: arguments.drain, interval: Duration::from_millis(arguments.interval) };
        spool.keep(lifecycle.soft(), how, tokio::time::sleep).await
    });
    match spooled {
        Ok(ended) => {
            let Ended { recorded, repeated, set_aside, left } = ended;
            let left = if left { "; the service is away, and files are left" } else { "" };
            print(&format!("{recorded} recorded, {repeated} repeated, {set_aside} files set aside{left}\n"));
            if arguments.drain && !ended.is_clean() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => fail(&error),
    }
}

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Look into the folder once and end.
    pub once: bool,
    /// How often to look into the folder otherwise.
    pub interval: Duration,
}

/// What came of looking into the folder once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many results are kept now.
    pub recorded: usize,
    /// How many had been kept before.
    pub repeated: usize,
    /// How many files were set aside.
    pub set_aside: usize,
    /// Why not all was sent, if it was not.
    pub away: Option<Away>,
}

/// Why a service did not take what it was sent, and may later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// In words.
    pub reason: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<TimeDelta>,
}

/// What came of all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many results are kept now.
    pub recorded: usize,
    /// How many had been kept before.
    pub repeated: usize,
    /// How many files were set aside.
    pub set_aside: usize,
    /// Whether files are left because the service is away.
    pub left: bool,
}

impl Ended {
    /// Whether every result that was there is kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.set_aside == 0 && !self.left
    }
}

/// A folder, and the service that its results go to.
#[derive(Debug)]
pub struct Spool {
    folder: Folder,
    service: Service,
}

impl Spool {
    /// Takes hold of a folder; no other spool can until this one is dropped.
    ///
    /// # Errors
    /// If it is no folder, another spool has it, or the token cannot be read.
    pub fn open(folder: &Path, server: &Url, token_file: Option<&Path>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(Self { folder: Folder::open(folder)?, service: Service::new(server, token_file, clock)? })
    }

    /// Sends what is there and what comes, until it is told to stop; then sends once more what is there, without waiting for
    /// a service that is away. `wait` waits.
    ///
    /// # Errors
    /// If the folder cannot be read or changed.
    pub async fn keep(
        &self,
        stop: &CancellationToken,
        how: How,
        wait: impl AsyncFn(Duration),
    ) -> anyhow::Result<Ended> {
        let mut ended = Ended::default();
        let mut failures = 0_u32;
        loop {
            let is_last = how.once || stop.is_cancelled();
            let round = self.round().await?;
            ended.recorded = ended.recorded.saturating_add(round.recorded);
            ended.repeated = ended.repeated.saturating_add(round.repeated);
            ended.set_aside = ended.set_aside.saturating_add(round.set_aside);
            ended.left = round.away.is_some();
            let pause = if let Some(away) = round.away {
                failures = failures.saturating_add(1);
                tracing::warn!(reason = away.reason, failures, "the service does not take results now");
                BACKOFF.delay_honouring(failures, entropy::unit(), away.retry_after).to_std()?
            } else {
                failures = 0;
                how.interval
            };
            if is_last {
                return Ok(ended);
            }
            stop.run_until_cancelled(wait(pause)).await;
        }
    }

    /// Looks into the folder once and sends what is there, the oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read or changed.
    pub async fn round(&self) -> anyhow::Result<Round> {
        let mut round = Round::default();
        let mut batch = Batch::default();
        for waiting in self.folder.waiting()? {
            let Some(taken) = self.folder.take(&waiting)? else { continue };
            let results = match taken.results() {
                Ok(results) => results,
                Err(why) => {
                    self.set_aside(&taken, &why, &mut round)?;
                    continue;
                }
            };
            if !batch.has_room_for(&taken, &results) {
                self.send(std::mem::take(&mut batch), &mut round).await?;
                if round.away.is_some() {
                    return Ok(round);
                }
            }
            batch.push(taken, results);
        }
        self.send(batch, &mut round).await?;
        Ok(round)
    }

    /// Sends the results of some files together. If the service refuses them, some file is to blame: each is sent alone.
    async fn send(&self, batch: Batch, round: &mut Round) -> anyhow::Result<()> {
        let fits = batch.results <= MAX_RESULTS;
        if let [first, _, ..] = batch.files.as_slice()
            && fits
        {
            let all: Vec<&Value> = batch.files.iter().flat_map(|(_, results)| results).collect();
            match self.service.post(&all).await {
                Reply::Kept(outcomes) => {
                    let mut outcomes = outcomes.into_iter();
                    for (taken, results) in &batch.files {
                        let own: Vec<Outcome> = outcomes.by_ref().take(results.len()).collect();
                        self.settle(taken, &own, round)?;
                    }
                    return Ok(());
                }
                Reply::Away(away) => {
                    round.away = Some(away);
                    return Ok(());
                }
                Reply::Refused(why) | Reply::TooLarge(why) => {
                    let files = batch.files.len();
                    tracing::info!(why, files, first = %first.0.name(), "refused together: sending each file alone");
                }
            }
        }
        for (taken, results) in &batch.files {
            self.send_alone(taken, results, round).await?;
            if round.away.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends the results of one file, in as many requests as that takes.
    async fn send_alone(&self, taken: &Taken, results: &[Value], round: &mut Round) -> anyhow::Result<()> {
        let mut outcomes = Vec::with_capacity(results.len());
        let mut left: Vec<&[Value]> = results.chunks(MAX_RESULTS).rev().collect();
        while let Some(part) = left.pop() {
            match self.service.post(&part.iter().collect::<Vec<_>>()).await {
                Reply::Kept(some) => outcomes.extend(some),
                Reply::TooLarge(_) if part.len() > 1 => {
                    let (before, after) = part.split_at(part.len().div_euclid(2));
                    left.extend([after, before]);
                }
                Reply::Refused(why) | Reply::TooLarge(why) => return self.set_aside(taken, &why, round),
                Reply::Away(away) => {
                    round.away = Some(away);
                    return Ok(());
                }
            }
        }
        self.settle(taken, &outcomes, round)
    }

    /// Removes a file whose results are all kept, and sets one aside of which some never will be.
    fn settle(&self, taken: &Taken, outcomes: &[Outcome], round: &mut Round) -> anyhow::Result<()> {
        let mut refused = String::new();
        for (place, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Outcome::Recorded => round.recorded = round.recorded.saturating_add(1),
                Outcome::Repeated => round.repeated = round.repeated.saturating_add(1),
                Outcome::Refused(why) => {
                    let _ = writeln!(refused, "/{place}: {why}");
                }
            }
        }
        if refused.is_empty() {
            self.folder.remove(taken)
        } else {
            self.set_aside(taken, &format!("the service refused some of its results:\n{refused}"), round)
        }
    }

    fn set_aside(&self, taken: &Taken, why: &str, round: &mut Round) -> anyhow::Result<()> {
        round.set_aside = round.set_aside.saturating_add(1);
        tracing::warn!(file = %taken.name(), why, "set aside");
        self.folder.set_aside(taken, why)
    }
}

/// Files that were taken, with their results.
#[derive(Debug, Default)]
struct Batch {
    files: Vec<(Taken, Vec<Value>)>,
    results: usize,
    bytes: u64,
}

impl Batch {
    fn has_room_for(&self, taken: &Taken, results: &[Value]) -> bool {
        self.files.is_empty()
            || (self.results.saturating_add(results.len()) <= MAX_RESULTS
                && self.bytes.saturating_add(taken.bytes()) <= MAX_BATCH_BYTES)
    }

    fn push(&mut self, taken: Taken, results: Vec<Value>) {
        self.results = self.results.saturating_add(results.len());
        self.bytes = self.bytes.saturating_add(taken.bytes());
        self.files.push((taken, results));
    }
}
