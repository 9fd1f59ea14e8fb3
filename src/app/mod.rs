//! The use cases: one function each, which owns its transaction.
//!
//! [`App`] is what they share: the database, the writer, the clock, the runners and the sink. It holds nothing that
//! matters: whatever a process knows of builds, runs and deliveries stands in the database, and any number of
//! processes may share one.

pub mod agent;
pub mod archive;
pub mod artifact;
pub mod build;
pub mod callback;
pub mod catalogue;
pub mod condition;
pub mod content;
pub mod delivery;
pub mod error;
pub mod event;
pub mod execution;
pub mod log;
pub mod progress;
pub mod queue;
pub mod report;
pub mod run;
pub mod session;
pub mod shelf;
pub mod spec;
pub mod streams;
pub mod submission;
pub mod submit;
pub mod writer;

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::watch;
use url::Url;

use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::kcidb::id::Origin;
use crate::domain::retry::Backoff;
use crate::ids::WorkerId;
use crate::runner::Runners;
use crate::runner::breaker::Breakers;
use crate::sink::kcidb::KcidbSink;
use crate::store::{self, Db};

pub use error::{AppError, MAX_FAULTS, Result};
pub use writer::{Write, Writer, Written};

/// What the use cases share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// Where requests hand their writes.
    pub writer: Writer,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What the operator set.
    pub settings: Arc<Settings>,
    /// Who we are in KCIDB.
    pub origin: Origin,
    /// Who runs builds and tests.
    pub runners: Runners,
    /// Which runners and sinks are left alone for a while.
    pub breakers: Breakers,
    /// Which agents wait for work in this process.
    pub agents: agent::desk::Desk,
    /// What can be run.
    pub catalogue: catalogue::Catalogue,
    /// What may be selected to run, and what came of it.
    pub specs: spec::Specs,
    /// Which jobs of which session can run, and what came of them.
    pub sessions: session::Sessions,
    /// Which logs grow.
    pub logs: log::Logs,
    /// Where answers that do not end by themselves find a place.
    pub streams: streams::Streams,
    /// Where reports go, if anywhere.
    pub sink: Option<KcidbSink>,
    /// What callback URLs begin with.
    pub base_url: Url,
    /// Tells the background tasks of this process that there is work.
    pub bells: Bells,
}

/// Tells background tasks of this process that there is work. A bell that nobody hears is no loss: the due rows are the
/// work, and each task looks for them from time to time.
#[derive(Debug)]
pub struct Bell(watch::Sender<()>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Bell {
    /// Rings: everyone who listens is told once.
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    /// Hears every ring from now on.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// Which bell to ring once what was done is durable.
pub type Ring = fn(&Bells) -> &Bell;

/// A bell for each kind of background task.
#[derive(Debug, Default)]
pub struct Bells {
    /// Runs were planned.
    pub dispatch: Bell,
    /// Callbacks came in, or the run that some wait for became known.
    pub inbox: Bell,
    /// Runs are to be asked about.
    pub poll: Bell,
    /// Runs ended at their runner.
    pub collect: Bell,
    /// Runs were ended here.
    pub stop: Bell,
    /// Objects were enqueued.
    pub deliver: Bell,
    /// Reports were taken by the sink.
    pub receipts: Bell,
    /// Submissions came in.
    pub intake: Bell,
    /// Attachments are to be removed.
    pub sweep: Bell,
    /// Runs of sessions ended, or sessions were changed that are run here.
    pub advance: Arc<Bell>,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Joins the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A read-only view of the database.
    ///
    /// # Errors
    /// If no connection comes free in time.
    pub async fn read(&self) -> Result<store::db::Reader> {
        Ok(self.db.read().await?)
    }

    /// A hold on what is claimed now. Each claim has a holder of its own, so that a step that has been overtaken (by a
    /// callback, say, and then by another claim of this very process) finds its hold gone.
    #[must_use]
    pub fn lease(&self) -> store::lease::Lease {
        let now = self.now();
        let worker = WorkerId::new(now);
        store::lease::Lease { worker, now, until: now + seconds(self.settings.runs.lease_s) }
    }

    /// The pauses between tries at a runner.
    #[must_use]
    pub fn runner_backoff(&self) -> Backoff {
        Backoff { base: seconds(self.settings.runs.retry_base_s), max: seconds(self.settings.runs.retry_max_s) }
    }

    /// The pauses between tries at the sink.
    #[must_use]
    pub fn sink_backoff(&self) -> Backoff {
        Backoff { base: seconds(self.settings.kcidb.retry_base_s), max: seconds(self.settings.kcidb.retry_max_s) }
    }
}

/// How often something is worked out anew because what it was worked out from has changed meanwhile.
const TRIES: usize = 5;

/// Runs what blocks where it holds nobody up.
///
/// # Errors
/// As the work; [`AppError::Unavailable`] if it breaks off.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(AppError::Unavailable(format!("the work broke off: {error}"))))
}

/// A setting in seconds as a span of time, cut to about a thousand years.
#[must_use]
pub fn seconds(seconds: u64) -> TimeDelta {
    const MOST: u64 = 1000 * 366 * 24 * 3600;
    TimeDelta::seconds(i64::try_from(seconds.min(MOST)).unwrap_or_default())
}

/// Cuts text that came from outside to `most` characters, for a column that people read. NUL, which PostgreSQL cannot
/// hold, is shown as the replacement character.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    let mut letters = text.chars().map(|letter| if letter == '\0' { char::REPLACEMENT_CHARACTER } else { letter });
    let mut cut: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        cut.push('…');
    }
    cut
}

/// The path of an address, of these parts: what cannot stand in one is percent-encoded.
#[must_use]
pub fn path_of(parts: &[&str]) -> String {
    let mut url = url::Url::parse("http://localhost/").ok();
    if let Some(mut segments) = url.as_mut().and_then(|url| url.path_segments_mut().ok()) {
        segments.pop_if_empty().extend(parts);
    }
    url.map(|url| url.path().to_owned()).unwrap_or_default()
}

/// Whether a NUL, which PostgreSQL keeps in no text, stands in any text or name. What was parsed lies at most 128 deep in
/// itself.
#[must_use]
pub fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_percent_encoded() {
        assert_eq!(path_of(&["api", "v1", "a b/c::ä?"]), "/api/v1/a%20b%2Fc::%C3%A4%3F");
    }
}
