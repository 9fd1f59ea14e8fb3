//! What is executed for jobs of a session, and the results of specs that theirs are.
//!
//! A session has all of it in its units: nothing else is read for it, however many jobs are asked for at once.

use chrono::{DateTime, Utc};

use crate::app::Result;
use crate::app::session::Sessions;
use crate::app::session::change::{At, ask, no_such};
use crate::domain::composition::definition::{Executable, NoDefinition, executable};
use crate::domain::composition::results::{Came, session_name, spec_results_of};
use crate::domain::definition::How;
use crate::domain::spec_result::result::SpecResult;
use crate::ids::SessionId;
use crate::store;

/// What is executed for each of these jobs, in their order, or why nothing is.
///
/// # Errors
/// [`AppError::NotFound`](crate::app::AppError::NotFound) for the session.
pub async fn executables(
    sessions: &Sessions,
    id: SessionId,
    jobs: Vec<String>,
) -> Result<At<Vec<(String, Result<Executable, NoDefinition>)>>> {
    ask(sessions, id, move |session| {
        let found = jobs.into_iter().map(|job| {
            let executable = executable(session, &job);
            (job, executable)
        });
        Ok(found.collect())
    })
    .await
}

/// A job whose result was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The job.
    pub job: String,
    /// How its program ended, where that is known.
    pub how: Option<How>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

/// The results of specs that the current results of these jobs are, to be recorded by
/// [`record`](crate::app::spec::result::record); jobs that were made of no spec, or have come to nothing, make none. Recording
/// them again changes nothing.
///
/// # Errors
/// [`AppError::NotFound`](crate::app::AppError::NotFound) for the session.
pub async fn spec_results(sessions: &Sessions, id: SessionId, recorded: Vec<Recorded>) -> Result<Vec<SpecResult>> {
    let made_at = {
        let mut db = sessions.db.read().await?;
        store::session::get(&mut db.conn(), id.0).await?.ok_or_else(|| no_such(id))?.created_at
    };
    let name = session_name(&id.to_string(), made_at);
    let At { value, .. } = ask(sessions, id, move |session| {
        let came: Vec<Came<'_>> = recorded
            .iter()
            .map(|Recorded { job, how, finished_at }| Came { job, how: how.as_ref(), finished_at: *finished_at })
            .collect();
        Ok(spec_results_of(&name, session, &came))
    })
    .await?;
    Ok(value)
}
