//! What came of the jobs of a session.

use std::collections::HashSet;

use crate::app::session::Sessions;
use crate::app::session::change::{At, By, change};
use crate::app::session::look::JobState;
use crate::app::session::refusal::{no_such_job, not_begun, refused};
use crate::app::{AppError, MAX_FAULTS, Result, cut};
use crate::domain::fault::Fault;
use crate::domain::session::{Event, Outcome, Recorded, Recovered, Refused, Report, Session, Skipped};
use crate::ids::SessionId;

/// The most results that are recorded at once.
pub const MAX_RESULTS: usize = 10_000;

/// Results that come in, each with the id of its job.
#[derive(Clone, Debug)]
pub enum Reports {
    /// One: that its job is not there is told as such.
    One(String, Report),
    /// Any number: faults have the place of the result before them.
    Many(Vec<(String, Report)>),
}

impl Reports {
    fn is_one(&self) -> bool {
        matches!(self, Self::One(..))
    }

    fn into_vec(self) -> Vec<(String, Report)> {
        match self {
            Self::One(job, report) => vec![(job, report)],
            Self::Many(all) => all,
        }
    }

    fn as_slice(&self) -> Vec<&Report> {
        match self {
            Self::One(_, report) => vec![report],
            Self::Many(all) => all.iter().map(|(_, report)| report).collect(),
        }
    }
}

/// Results that were recorded, in order, and what followed from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// What recording each came to.
    pub recorded: Vec<(String, Recorded)>,
    /// The jobs that were given up because they can never start any more; none unless that was asked for.
    pub skipped: Vec<Skipped>,
    /// The jobs that can start now and could not before, in the order in which they became so.
    pub ready: Vec<String>,
    /// How the job of the last result stands now.
    pub state: Option<JobState>,
}

/// Records results, all or none, each of a job that need not be on the run list. A result may be of a job that one before
/// it makes.
///
/// With `skip`, what can never start any more is recorded as skipped, with the reasons.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Faults`] for jobs that are not there, and outcomes that are none.
pub async fn record(sessions: &Sessions, id: SessionId, reports: Reports, skip: bool, by: By) -> Result<At<Reported>> {
    let is_one = reports.is_one();
    let pointer =
        move |place: usize, member: &str| if is_one { format!("/{member}") } else { format!("/{place}/{member}") };
    let unknown = |(place, report): (usize, &&Report)| {
        let outcome = report.outcome.as_ref().filter(|outcome| !outcome.is_known())?;
        let detail =
            format!("there is no outcome `{}`: want one of {}", cut(outcome.as_str(), 80), Outcome::KNOWN.join(", "));
        Some(Fault { pointer: pointer(place, "outcome"), detail })
    };
    let faults: Vec<Fault> = reports.as_slice().iter().enumerate().filter_map(unknown).take(MAX_FAULTS).collect();
    AppError::refuse("the results", faults)?;
    change(sessions, id, by, move |session| {
        let mut recorded = Vec::new();
        for (place, (job, report)) in reports.into_vec().into_iter().enumerate() {
            let one = session.record(&job, report).map_err(|error| match error {
                Refused::UnknownJob(job) if !is_one => {
                    let detail = no_such_job(&job).to_string();
                    AppError::Faults {
                        what: "the results".to_owned(),
                        faults: vec![Fault { pointer: pointer(place, "job"), detail }],
                    }
                }
                error => refused(error),
            })?;
            recorded.push((job, one));
        }
        let skipped = if skip { session.settle_skips() } else { Vec::new() };
        let state = recorded.last().and_then(|(job, _)| session.job(job)).map(JobState::of);
        Ok(Reported { recorded, skipped, ready: became_ready(session), state })
    })
    .await
}

/// The jobs that this change lets start, in the order in which it did so last.
fn became_ready(session: &Session) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut ready = Vec::new();
    for row in session.news().iter().rev() {
        if let Event::ReadinessChanged { job, can_start } = &row.event
            && seen.insert(job.as_str())
            && *can_start
        {
            ready.push(job.clone());
        }
    }
    ready.reverse();
    ready
}

/// Begins a job: notes that it is running and takes one of its attempts. Tells how it stands then.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] with what holds it up, or with the job that is running.
pub async fn begin(sessions: &Sessions, id: SessionId, job: String, by: By) -> Result<At<JobState>> {
    let now = sessions.now();
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 keep their precision for 285 years")]
    let seconds = now.timestamp_micros() as f64 / 1e6;
    change(sessions, id, by, move |session| {
        session.begin(&job, seconds).map_err(not_begun)?;
        session.job(&job).map(JobState::of).ok_or_else(|| no_such_job(&job))
    })
    .await
}

/// Decides what became of the job that was running when the machine or the application died; `None` if none was.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn recover(sessions: &Sessions, id: SessionId, by: By) -> Result<At<Option<Recovered>>> {
    change(sessions, id, by, |session| Ok(session.recover())).await
}

/// Records for each job of the run list that can never start any more that it was skipped, and why.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn skip(sessions: &Sessions, id: SessionId, by: By) -> Result<At<Vec<Skipped>>> {
    change(sessions, id, by, |session| Ok(session.settle_skips())).await
}
