//! What a session answers of its jobs.

use crate::app::Result;
use crate::app::session::Sessions;
use crate::app::session::change::{At, ask, no_such};
use crate::app::session::refusal::{no_such_job, refused};
use crate::domain::composition::definition::{NoDefinition, executable, of_job};
use crate::domain::session::controller::{Controller, Machine, NoController, choose};
use crate::domain::session::{
    CategoryViews, Effective, EstimatedDuration, Inhibitor, JobView, Outcome, Problem, Report, Session, Verdict, Why,
    check_id,
};
use crate::domain::unit::Unit;
use crate::ids::SessionId;
use crate::store;
use crate::store::page::Stretch;
use crate::store::session::{Recorded, ResultKey};

/// How a job stands.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// Its full id.
    pub id: String,
    /// Its place in the list of jobs; a place is never used twice.
    pub position: u64,
    /// How it runs, such as `shell`.
    pub plugin: Option<String>,
    /// What it is, in a few words.
    pub summary: String,
    /// The template that it is an instance of.
    pub template_id: Option<String>,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// How many results there are of it.
    pub results: usize,
    /// Whether it can start.
    pub can_start: bool,
    /// Why it cannot, in order.
    pub inhibitors: Vec<Inhibitor>,
    /// What overrides came to.
    pub effective: Effective,
    /// How often it may be begun yet.
    pub attempts: u32,
    /// The local job that made it.
    pub via: Option<String>,
    /// Its place in the run list, from 0.
    pub run_position: Option<u32>,
}

impl JobState {
    pub(super) fn of(view: JobView<'_>) -> Self {
        let job = view.job();
        Self {
            id: view.id().to_owned(),
            position: view.position(),
            plugin: job.plugin.clone(),
            summary: job.summary().to_owned(),
            template_id: job.template_id().map(str::to_owned),
            outcome: view.outcome().cloned(),
            results: view.results(),
            can_start: view.can_start(),
            inhibitors: view.inhibitors(),
            effective: view.effective().clone(),
            attempts: view.attempts(),
            via: view.via().map(str::to_owned),
            run_position: view.run_position(),
        }
    }
}

/// Which jobs are asked for; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those that can start and have no outcome, or the others.
    pub ready: Option<bool>,
    /// Those that have an outcome, or those that have none.
    pub done: Option<bool>,
    /// Those of this outcome.
    pub outcome: Option<Outcome>,
    /// Those of this effective category.
    pub category_id: Option<String>,
}

impl Asked {
    fn wants(&self, view: &JobView<'_>) -> bool {
        let done = view.outcome().is_some();
        self.ready.is_none_or(|ready| ready == (view.can_start() && !done))
            && self.done.is_none_or(|wanted| wanted == done)
            && self.outcome.as_ref().is_none_or(|outcome| view.outcome() == Some(outcome))
            && self.category_id.as_ref().is_none_or(|category| view.effective().category_id == *category)
    }
}

/// A page of jobs in the order of the job list, and whether there are more. The key is the position.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn jobs(
    sessions: &Sessions,
    id: SessionId,
    asked: Asked,
    page: Stretch<u64>,
) -> Result<At<(Vec<JobState>, bool)>> {
    ask(sessions, id, move |session| {
        let wanted = session.jobs_after(page.after).filter(|view| asked.wants(view));
        Ok(page.of(wanted.map(JobState::of)))
    })
    .await
}

/// A page of the run list in its order, and whether there is more. The key is the place in the run list.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn run_list(
    sessions: &Sessions,
    id: SessionId,
    asked: Asked,
    page: Stretch<u32>,
) -> Result<At<(Vec<JobState>, bool)>> {
    ask(sessions, id, move |session| {
        let first = page.after.map_or(0, |after| after as usize + 1);
        let views = session.run_list().skip(first).filter_map(|job| session.job(job));
        Ok(page.of(views.filter(|view| asked.wants(view)).map(JobState::of)))
    })
    .await
}

/// A job: how it stands, its unit, and its current result.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// How it stands.
    pub state: JobState,
    /// What it is.
    pub unit: Unit,
    /// Its current result, unless that is hollow.
    pub result: Option<Report>,
}

/// A job.
///
/// # Errors
/// [`crate::app::AppError::NotFound`], for the session or the job.
pub async fn job(sessions: &Sessions, id: SessionId, job: String) -> Result<At<Job>> {
    ask(sessions, id, move |session| {
        let view = session.job(&job).ok_or_else(|| no_such_job(&job))?;
        Ok(Job { unit: view.job().unit.clone(), result: view.result().cloned(), state: JobState::of(view) })
    })
    .await
}

/// How well each execution controller runs a job on a machine, and which one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controllers {
    /// The scores, in the order in which controllers are asked.
    pub scores: Vec<(Controller, i64)>,
    /// The one with the highest score, or why there is none.
    pub chosen: Result<Controller, NoController>,
}

/// Who runs a job on a machine.
///
/// # Errors
/// [`crate::app::AppError::NotFound`], for the session or the job.
pub async fn controllers(sessions: &Sessions, id: SessionId, job: String, machine: Machine) -> Result<At<Controllers>> {
    ask(sessions, id, move |session| {
        let view = session.job(&job).ok_or_else(|| no_such_job(&job))?;
        let scores = Controller::ALL.map(|controller| (controller, controller.score(view.job(), &machine)));
        let chosen = choose(scores.map(|(controller, score)| (controller, Some(score))));
        Ok(Controllers { scores: scores.to_vec(), chosen })
    })
    .await
}

/// Why a job cannot start; and why no agent can run it, if none can.
///
/// # Errors
/// [`crate::app::AppError::NotFound`], for the session or the job.
pub async fn why(sessions: &Sessions, id: SessionId, job: String) -> Result<At<(Why, Option<NoDefinition>)>> {
    ask(sessions, id, move |session| {
        let why = session.why(&job).map_err(refused)?;
        // What it wants of others that have not run yet holds it up anyway.
        let own = session.job(&job).and_then(|job| of_job(job.job()).err());
        let unwanted = || executable(session, &job).err().filter(|_| why.can_start);
        let no_definition = own.or_else(unwanted);
        Ok((why, no_definition))
    })
    .await
}

/// A page of what came of a job, the oldest first, and whether there is more. What came of a job of that id which was
/// taken out of the session is among it.
///
/// # Errors
/// [`crate::app::AppError::NotFound`], for the session, and for a job that never was or never came to anything.
pub async fn history(
    sessions: &Sessions,
    id: SessionId,
    job: &str,
    page: &Stretch<ResultKey>,
) -> Result<At<(Vec<Recorded>, bool)>> {
    let version = must_be(sessions, id).await?;
    // No job has such an id, and PostgreSQL takes none in a question either.
    check_id(job).map_err(|_| no_such_job(job))?;
    let mut db = sessions.db.read().await?;
    let value = store::session::history(&mut db.conn(), id.0, job, page).await?;
    drop(db);
    if value.0.is_empty() {
        let of = job.to_owned();
        ask(sessions, id, move |session| session.job(&of).map(|_| ()).ok_or_else(|| no_such_job(&of))).await?;
    }
    Ok(At { version, value })
}

/// The ids of the desired jobs and of the mandatory ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    /// The desired jobs, repetitions kept.
    pub desired: Vec<String>,
    /// The mandatory jobs; they need not be there.
    pub mandatory: Vec<String>,
    /// What is wrong with what was desired last: it was left out.
    pub problems: Vec<Problem>,
}

/// What is desired.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn lists(sessions: &Sessions, id: SessionId) -> Result<At<Lists>> {
    ask(sessions, id, |session| {
        let desired = session.desired().map(str::to_owned).collect();
        let mandatory = session.mandatory().map(str::to_owned).collect();
        Ok(Lists { desired, mandatory, problems: session.problems().to_vec() })
    })
    .await
}

/// What a session comes to, in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// The jobs of each outcome, on the run list or not.
    pub outcomes: Vec<(Outcome, u64)>,
    /// The same without resource and attachment jobs.
    pub test_outcomes: Vec<(Outcome, u64)>,
    /// What came of the categories.
    pub categories: CategoryViews,
}

/// Counts what jobs came to.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn stats(sessions: &Sessions, id: SessionId) -> Result<At<Stats>> {
    ask(sessions, id, |session| {
        Ok(Stats {
            outcomes: session.outcome_stats().into_iter().collect(),
            test_outcomes: session.test_outcome_stats().into_iter().collect(),
            categories: session.category_views(),
        })
    })
    .await
}

/// How long the run list takes; `overhead` is what a job that needs a person takes beside its own time, in seconds.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn estimate(sessions: &Sessions, id: SessionId, overhead: f64) -> Result<At<EstimatedDuration>> {
    ask(sessions, id, move |session| Ok(session.estimated_duration(overhead))).await
}

/// A job of the certification map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The job.
    pub job: String,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// Its effective certification status.
    pub status: String,
}

/// The jobs whose outcome and effective certification status are among these.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn certification(
    sessions: &Sessions,
    id: SessionId,
    outcomes: Vec<Option<Outcome>>,
    statuses: Vec<String>,
) -> Result<At<Vec<Certified>>> {
    ask(sessions, id, move |session| Ok(certified(session, &outcomes, &statuses))).await
}

fn certified(session: &Session, outcomes: &[Option<Outcome>], statuses: &[String]) -> Vec<Certified> {
    let one = |view: JobView<'_>| Certified {
        job: view.id().to_owned(),
        outcome: view.outcome().cloned(),
        status: view.effective().certification_status.clone(),
    };
    session.certification_map(outcomes, statuses).map(one).collect()
}

/// Whether what was tested may be released.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn verdict(sessions: &Sessions, id: SessionId) -> Result<At<Verdict>> {
    ask(sessions, id, |session| Ok(session.verdict())).await
}

/// The version of a session, for questions that need no session in memory.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn must_be(sessions: &Sessions, id: SessionId) -> Result<i64> {
    let mut db = sessions.db.read().await?;
    store::session::stand(&mut db.conn(), id.0).await?.map(|stand| stand.version).ok_or_else(|| no_such(id))
}
