//! Logs of runs: taken in as their lines come ([`append`]), given out in pages, as text and as they grow ([`read`],
//! [`follow`]), and searched ([`search`]).
//!
//! What the lines of a log are, and how much of it is kept, stands in [`crate::domain::log`].

pub mod follow;
pub mod read;
pub mod search;

use tokio::sync::broadcast;

use crate::app::{App, AppError, Result};
use crate::domain::log::chunk::{SHORT_BYTES, lay};
use crate::domain::log::{Length, Limits, Line, admit};
use crate::ids::RunId;
use crate::store::log::Log;
use crate::store::{self, Conn};

pub use read::{Outputs, output, outputs, tail};

/// How many appends a listener may be behind before it is told that it missed some.
const NEWS: usize = 1_024;

/// Tells those who follow logs in this process which of them grow. Clones share it.
#[derive(Clone, Debug)]
pub struct Logs {
    news: broadcast::Sender<RunId>,
}

impl Default for Logs {
    fn default() -> Self {
        Self { news: broadcast::Sender::new(NEWS) }
    }
}

impl Logs {
    /// Tells that the log of a run has grown, or that the run is over. Call it after the commit. That nobody listens, or that
    /// it is not called, is no loss: who listens looks from time to time anyway.
    pub fn tell(&self, run: RunId) {
        let _ = self.news.send(run);
    }

    /// Hears from now on which logs grow by this process.
    fn listen(&self) -> broadcast::Receiver<RunId> {
        self.news.subscribe()
    }
}

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The number of the line that is to come next.
    pub next: u64,
    /// How many lines were counted and not kept, because the log is full.
    pub dropped: u64,
}

/// Appends lines to the log of a run, of which the first has the number `first`; the first append begins the log. Lines that
/// are there already are passed over. In the caller's transaction, which holds the log until it ends; after its commit,
/// [`Logs::tell`] wakes those who follow.
///
/// # Errors
/// [`AppError::LogGap`] if lines are missing before the first one; [`AppError::NotFound`] if there is no such run;
/// [`AppError::Conflict`] if it is over, so that its log takes no more lines.
pub async fn append(app: &App, conn: &mut Conn<'_>, run: RunId, first: u64, lines: &[Line]) -> Result<Appended> {
    let log = open(conn, run).await?;
    let before = log.length();
    let limits = Limits { max_lines: app.settings.logs.max_lines, max_bytes: app.settings.logs.max_bytes };
    let (length, kept) = admit(before, limits, first, lines).map_err(AppError::LogGap)?;
    let appended = Appended { next: length.next(), dropped: length.dropped };
    if length == before {
        return Ok(appended);
    }
    if log.ended {
        return Err(AppError::Conflict(format!("the run `{run}` is over, and its log takes no more lines")));
    }
    let short = if kept.is_empty() { None } else { store::log::short(conn, run, before, SHORT_BYTES).await? };
    let short = short.map(|short| short.unpack()).transpose()?;
    let chunks = if kept.is_empty() { Vec::new() } else { lay(before, short, kept) };
    store::log::put(conn, run, length, &chunks).await?;
    Ok(appended)
}

/// The log of a run, locked; it is begun if there is none.
async fn open(conn: &mut Conn<'_>, run: RunId) -> Result<Log> {
    if let Some(log) = store::log::lock(conn, run).await? {
        return Ok(log);
    }
    store::log::begin(conn, run).await?;
    if let Some(log) = store::log::lock(conn, run).await? {
        return Ok(log);
    }
    match store::run::by_id(conn, run).await? {
        Some(_) => Err(AppError::Conflict(format!("the run `{run}` is over, and has no log: it begins none"))),
        None => Err(AppError::NotFound { what: "run", id: run.to_string() }),
    }
}

/// How long the log of a run is; nothing where it has none.
///
/// # Errors
/// If the database fails.
pub async fn length(conn: &mut Conn<'_>, run: RunId) -> Result<Length> {
    Ok(store::log::get(conn, run).await?.map(|log| log.length()).unwrap_or_default())
}
