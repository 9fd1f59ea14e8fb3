//! Executions: sessions that this service runs.
//!
//! A session says which jobs can start; here they become runs, and what comes of the runs comes back into it. Nothing is
//! decided but by what stands in the database: the session, its runs that were not taken in, and the results that are
//! expected. [`advance()`] looks at all of that and does what follows, in one transaction; it is woken by whatever changes the
//! session or ends one of its runs, and may be called at any time, by any process.

mod advance;
mod begin;
mod report;
mod start;
mod steer;
mod take;

use crate::app::{App, AppError, Result};
use crate::domain::status::Status;
use crate::ids::SessionId;
use crate::store;
use crate::store::execution::Execution;
use crate::store::expected::Expected;
use crate::store::page::Stretch;

pub use advance::advance;
pub use start::{For, Start, check, start};
pub use steer::{Rerun, cancel, cancel_job, pause, rerun, resume};

/// An execution and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The execution.
    pub execution: Execution,
    /// How many results there are of each status; `None` counts those that are missing.
    pub results: Vec<(Option<Status>, i64)>,
    /// How many runs are planned and not begun.
    pub planned: usize,
    /// How many runs are under way.
    pub running: usize,
}

fn no_execution(session: SessionId) -> AppError {
    AppError::NotFound { what: "execution", id: format!("{session} (nobody has started it: POST …/start)") }
}

/// How the execution of a session stands.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such session, or nobody has started it.
pub async fn get(app: &App, session: SessionId) -> Result<Standing> {
    let mut db = app.db.snapshot().await?;
    let conn = &mut db.conn();
    let execution = store::execution::get(conn, session).await?.ok_or_else(|| no_execution(session))?;
    let results = store::expected::counts(conn, session).await?;
    let in_hand = store::session_run::in_hand(conn, session).await?;
    let count = |planned: bool| {
        let runs = in_hand.iter().filter(|(_, _, is_planned)| *is_planned == planned).map(|(_, run, _)| run);
        runs.collect::<std::collections::HashSet<_>>().len()
    };
    Ok(Standing { planned: count(true), running: count(false), execution, results })
}

/// A page of the results that are expected of a session, in the order in which its jobs were planned; with `missing` those
/// that have not come, or those that have.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn expected(
    app: &App,
    session: SessionId,
    missing: Option<bool>,
    page: &Stretch<i64>,
) -> Result<(Vec<Expected>, bool)> {
    let mut db = app.db.snapshot().await?;
    let conn = &mut db.conn();
    if store::execution::get(conn, session).await?.is_none() {
        return Err(no_execution(session));
    }
    Ok(store::expected::list(conn, session, missing, page).await?)
}
