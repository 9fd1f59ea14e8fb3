//! Logs as they grow, for those who follow them.

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use super::read::{Lines, lines, run_and_log};
use crate::app::{App, Result};
use crate::domain::log::{Length, Numbered, Wanted};
use crate::domain::run::RunState;
use crate::domain::status::Status;
use crate::ids::RunId;

/// How many lines are read at once.
const LINES: usize = 1_000;

/// How long a listener sleeps at most: other processes ring no bell here.
const LOOK: Duration = Duration::from_secs(2);

/// What is heard of a log.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// These lines, in their order.
    Lines(Vec<Numbered>),
    /// Its run is over, and no more lines come.
    End(End),
}

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How long it is; nothing, if nothing was written.
    pub length: Length,
    /// How the run stands.
    pub state: RunState,
    /// What came of it.
    pub status: Option<Status>,
}

/// Somebody who follows a log: hears all its lines from a number on, each once, in order, and its end.
#[derive(Debug)]
pub struct Listener {
    app: App,
    run: RunId,
    wanted: Wanted,
    from: u64,
    news: broadcast::Receiver<RunId>,
}

impl Listener {
    /// Listens from the line with this number on. The run need not have a log yet.
    ///
    /// # Errors
    /// [`crate::app::AppError::NotFound`] if there is no such run.
    pub async fn new(app: &App, run: RunId, wanted: Wanted, from: u64) -> Result<Self> {
        // Before the first look, so that nothing falls between.
        let news = app.logs.listen();
        let mut db = app.read().await?;
        run_and_log(&mut db.conn(), run).await?;
        Ok(Self { app: app.clone(), run, wanted, from, news })
    }

    /// What is new since the last time; sleeps until something is. After [`Heard::End`] it is not to be asked again.
    ///
    /// Whoever stops waiting misses nothing: what was not returned is returned the next time.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next(&mut self) -> Result<Heard> {
        loop {
            let mut db = self.app.read().await?;
            let conn = &mut db.conn();
            let (run, log) = run_and_log(conn, self.run).await?;
            let length = log.map(|log| log.length()).unwrap_or_default();
            if let Some(log) = log.filter(|_| self.from < length.lines) {
                let Lines { lines, next, .. } = lines(conn, self.run, log, &self.wanted, self.from, LINES).await?;
                self.from = next.unwrap_or(length.lines);
                if !lines.is_empty() {
                    return Ok(Heard::Lines(lines));
                }
                // None of these was wanted.
                continue;
            }
            if run.state.is_over() {
                return Ok(Heard::End(End { length, state: run.state, status: run.status }));
            }
            // Nothing is held while it sleeps.
            drop(db);
            self.sleep().await;
        }
    }

    /// Sleeps until the log grows here, or for as long as it may grow elsewhere unnoticed.
    async fn sleep(&mut self) {
        let run = self.run;
        let heard = async {
            loop {
                match self.news.recv().await {
                    Ok(grown) if grown != run => {}
                    // Whoever missed something looks.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => return,
                }
            }
        };
        let _ = timeout(LOOK, heard).await;
    }
}
