//! Sessions that come and go.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::session::change::{At, By, ask, change, check_version, keep, no_such};
use crate::app::session::kept::Held;
use crate::app::session::refusal::{plan_refused, refused};
use crate::app::session::what::{self, Found, What};
use crate::app::session::{Sessions, provider};
use crate::app::spec::Specs;
use crate::app::{AppError, Result, blocking};
use crate::domain::event::{SESSION_CREATED, SESSION_REMOVED};
use crate::domain::session::{Added, Blob, MAX_UNITS, Metadata, Origin, Outcome, Part, Problem, Session};
use crate::domain::unit::Unit;
use crate::ids::{SessionId, new_uuid};
use crate::store;
use crate::store::event::NewEvent;
use crate::store::session::{Change, Session as Stored, Stand};
use crate::store::verbatim::Verbatim;

/// The most providers that a session is made of.
pub const MAX_PROVIDERS: usize = 100;

/// What a session is made of.
#[derive(Clone, Debug, Default)]
pub struct New {
    /// What applications note about it.
    pub metadata: Metadata,
    /// The names of the providers whose units it has, in order.
    pub providers: Vec<String>,
    /// Units of its own, behind those of the providers.
    pub units: Vec<Unit>,
    /// The test plans that are set, and whose jobs are desired.
    pub plans: Vec<String>,
    /// The ids of the mandatory jobs, where no plan says which they are.
    pub mandatory: Vec<String>,
    /// The ids of the jobs that are desired, behind those of the plans.
    pub desired: Vec<String>,
}

/// A session that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub id: SessionId,
    /// What came of adding its units.
    pub added: Added,
    /// What is wrong with what was desired; it is left out.
    pub problems: Vec<Problem>,
}

/// How a session stands, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Units, jobs among them.
    pub units: usize,
    /// Jobs.
    pub jobs: usize,
    /// Jobs on the run list.
    pub run_list: usize,
    /// Jobs on the run list that have no outcome.
    pub todo: usize,
    /// Those of them that can start.
    pub ready: usize,
    /// The jobs of each outcome, on the run list or not.
    pub outcomes: Vec<(Outcome, u64)>,
    /// The providers, in the order in which they were added.
    pub providers: Vec<String>,
    /// The test plans that are set.
    pub plans: Vec<String>,
    /// What is wrong with what was desired last.
    pub problems: Vec<Problem>,
}

impl Numbers {
    fn of(session: &Session) -> Self {
        let (mut todo, mut ready) = (0, 0);
        for job in session.todo() {
            todo += 1;
            ready += usize::from(job.can_start());
        }
        Self {
            units: session.unit_count(),
            jobs: session.job_count(),
            run_list: session.run_list().len(),
            todo,
            ready,
            outcomes: session.outcome_stats().into_iter().collect(),
            providers: session.providers().to_vec(),
            plans: session.plans().to_vec(),
            problems: session.problems().to_vec(),
        }
    }
}

/// Makes a session: adds the units, sets the plans, and desires what is desired. All of it or nothing.
///
/// # Errors
/// [`AppError::NotFound`] for a provider; [`AppError::Conflict`] for jobs of one id that differ, and for a unit that two
/// providers have; [`AppError::Invalid`] for a test plan that is not there or cannot be read, and for too many units.
pub async fn create(sessions: &Sessions, new: New, by: Option<&str>) -> Result<At<Made>> {
    make(sessions, SessionId::new(sessions.now()), new, Found::default(), by).await
}

/// As [`create`], of what is to be run: units are made of it, and it is desired, behind what else is.
///
/// # Errors
/// As [`create`] and [`what::find`]; [`AppError::Faults`] for a job or a test plan below `/what` that the units do not have.
pub async fn create_from(
    sessions: &Sessions,
    specs: &Specs,
    new: New,
    what: What,
    by: Option<&str>,
) -> Result<At<Made>> {
    let id = SessionId::new(sessions.now());
    let found = what::find(specs, what, id).await?;
    make(sessions, id, new, found, by).await
}

async fn make(sessions: &Sessions, id: SessionId, new: New, found: Found, by: Option<&str>) -> Result<At<Made>> {
    check_providers(sessions, &new).await?;
    let mut providers = Vec::with_capacity(new.providers.len());
    for name in &new.providers {
        providers.push(provider::whole(sessions, name).await?);
    }
    let (mut session, added, problems) = blocking(move || assemble(new, providers, found)).await?;
    let mut changes = session.take_changes();
    // What happened before there was a session to listen to is told by how it stands.
    changes.events.clear();
    let now = sessions.now();
    let stand = Stand { version: 1, life: new_uuid(now) };
    let mut tx = sessions.db.begin().await?;
    store::session::write(&mut tx.conn(), Change { id: id.0, version: 1, life: stand.life, now, by }, &changes).await?;
    let document = json!({"version": 1, "by": by, "imported": false});
    store::event::record(&mut tx.conn(), &[told(id, NewEvent::new(SESSION_CREATED, now, document))]).await?;
    tx.commit().await?;
    keep(sessions, id, Held::new(stand, session));
    sessions.tell(id);
    Ok(At { version: 1, value: Made { id, added, problems } })
}

/// Something that happened to a session as a whole.
pub(super) fn told(id: SessionId, event: NewEvent) -> NewEvent {
    NewEvent { session_id: Some(id), ..event }
}

fn assemble(new: New, providers: Vec<provider::Whole>, found: Found) -> Result<(Session, Added, Vec<Problem>)> {
    let Found { composed, origin } = found;
    let mut session = Session::default();
    session.enter_context();
    let mut added = Added::default();
    for provider in providers {
        let namespace = provider.namespace.as_deref().unwrap_or(&provider.name);
        check_size(&session, provider.units.len())?;
        let some = session.add_provider(&provider.name, namespace, provider.units).map_err(refused)?;
        added.extend(some);
    }
    for units in [new.units, composed.units] {
        check_size(&session, units.len())?;
        added.extend(session.add_units(units).map_err(refused)?);
    }
    what::check_jobs(&session, &origin.jobs)?;
    let mut problems = Vec::new();
    let mut desired = Vec::new();
    let plans: Vec<String> = new.plans.iter().chain(&origin.plans).cloned().collect();
    if plans.is_empty() {
        session.set_mandatory(&new.mandatory);
    } else {
        let plan_refused = |error| match plan_refused(error) {
            AppError::Invalid(words) if new.plans.is_empty() => what::fault("/what/plans", words),
            other => other,
        };
        problems = session.set_plans(&plans).map_err(plan_refused)?;
        desired = session.choose(&plans, Part::Include).map_err(plan_refused)?;
    }
    desired.extend(new.desired);
    desired.extend(origin.jobs.iter().cloned());
    desired.extend(composed.desired);
    if !(desired.is_empty() && new.mandatory.is_empty() && plans.is_empty()) {
        problems.extend(session.select(&desired, true));
    }
    let origin = Some(origin).filter(|origin| *origin != Origin::default());
    session.set_metadata(Metadata { origin, ..new.metadata });
    Ok((session, added, problems))
}

/// Refuses what would be too much before any of it is read.
async fn check_providers(sessions: &Sessions, new: &New) -> Result<()> {
    if new.providers.len() > MAX_PROVIDERS {
        let words = format!("a session is made of at most {MAX_PROVIDERS} providers, not {}", new.providers.len());
        return Err(AppError::Invalid(words));
    }
    let mut units = 0;
    for name in &new.providers {
        units += usize::try_from(provider::get(sessions, name).await?.units).unwrap_or(MAX_UNITS);
        if units > MAX_UNITS {
            return Err(AppError::Invalid(format!("a session has at most {MAX_UNITS} units: its providers have more")));
        }
    }
    Ok(())
}

/// Makes sure that there is room for so many units more. What they make besides, and results do, is left out where there is
/// none, and told.
pub(super) fn check_size(session: &Session, more: usize) -> Result<()> {
    let units = session.unit_count().saturating_add(more);
    if units > MAX_UNITS {
        return Err(AppError::Invalid(format!("a session has at most {MAX_UNITS} units; this one would have {units}")));
    }
    Ok(())
}

/// A session and how it stands.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(sessions: &Sessions, id: SessionId) -> Result<At<(Stored, Numbers)>> {
    let question = |session: &Session| Ok((Numbers::of(session), session.metadata().clone()));
    let At { version, value: (numbers, metadata) } = ask(sessions, id, question).await?;
    let mut db = sessions.db.read().await?;
    let row = store::session::get(&mut db.conn(), id.0).await?.ok_or_else(|| no_such(id))?;
    // The row may be newer already: what is told is all of one version.
    Ok(At { version, value: (Stored { version, metadata: Verbatim(metadata), ..row }, numbers) })
}

/// Removes a session with all that came of it; its runs stay.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::PreconditionFailed`]; [`AppError::Conflict`] if it is being run.
pub async fn delete(sessions: &Sessions, id: SessionId, only_if: Option<i64>) -> Result<()> {
    let mut tx = sessions.db.begin().await?;
    let stand = store::session::lock(&mut tx.conn(), id.0).await?.ok_or_else(|| no_such(id))?;
    check_version(stand.version, only_if)?;
    if let Some(execution) = store::execution::get(&mut tx.conn(), id).await?.filter(|it| !it.state.is_over()) {
        let words =
            format!("{id} is being run ({}): cancel that first, so that nothing of it goes on", execution.state);
        return Err(AppError::Conflict(words));
    }
    store::session_run::take_all(&mut tx.conn(), id, sessions.now()).await?;
    store::session::delete(&mut tx.conn(), id.0).await?;
    let document = json!({"version": stand.version});
    store::event::record(&mut tx.conn(), &[told(id, NewEvent::new(SESSION_REMOVED, sessions.now(), document))]).await?;
    tx.commit().await?;
    sessions.kept.forget(id.0);
    sessions.tell(id);
    Ok(())
}

/// What is to be noted otherwise about a session: what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// What it is called.
    pub title: Option<Value>,
    /// Words about it.
    pub flags: Option<BTreeSet<String>>,
    /// What an application keeps; inside, `None` takes it away.
    pub app_blob: Option<Option<Blob>>,
    /// Whose that is; inside, `None` takes it away.
    pub app_id: Option<Option<String>>,
    /// Whether somebody chose among the jobs of the test plan.
    pub custom_joblist: Option<bool>,
    /// The jobs that somebody took away.
    pub rejected_jobs: Option<Vec<String>>,
}

/// Changes what is noted about a session.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::PreconditionFailed`].
pub async fn patch(sessions: &Sessions, id: SessionId, patch: Patch, by: By) -> Result<At<()>> {
    change(sessions, id, by, move |session| {
        let mut metadata = session.metadata().clone();
        let Patch { title, flags, app_blob, app_id, custom_joblist, rejected_jobs } = patch;
        metadata.title = title.unwrap_or(metadata.title);
        metadata.flags = flags.unwrap_or(metadata.flags);
        metadata.app_blob = app_blob.unwrap_or(metadata.app_blob);
        metadata.app_id = app_id.unwrap_or(metadata.app_id);
        metadata.custom_joblist = custom_joblist.unwrap_or(metadata.custom_joblist);
        metadata.rejected_jobs = rejected_jobs.unwrap_or(metadata.rejected_jobs);
        session.set_metadata(metadata);
        Ok(())
    })
    .await
}
