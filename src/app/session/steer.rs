//! What is wanted of a session: units that come and go, test plans, what is desired, what is left out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::app::Result;
use crate::app::session::change::{At, By, ask, change};
use crate::app::session::look::JobState;
use crate::app::session::make::check_size;
use crate::app::session::refusal::{no_such_job, not_trimmed, plan_refused, refused};
use crate::app::session::{Sessions, provider};
use crate::domain::program::Record;
use crate::domain::session::{Added, Part, Problem};
use crate::domain::unit::{Kind, Qualifier, Unit};
use crate::ids::SessionId;
use crate::store::page::Stretch;

/// A page of the units of a session, each with its place, and whether there are more.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn units(
    sessions: &Sessions,
    id: SessionId,
    kind: Option<Kind>,
    page: Stretch<u64>,
) -> Result<At<(Vec<(u64, Unit)>, bool)>> {
    ask(sessions, id, move |session| {
        let wanted =
            session.units_after(page.after).filter(|(_, unit)| kind.as_ref().is_none_or(|kind| unit.kind() == kind));
        Ok(page.of(wanted.map(|(position, unit)| (position, unit.clone()))))
    })
    .await
}

/// Adds units, all or none. A unit that is there already, exactly so, stays as it is.
///
/// # Errors
/// [`crate::app::AppError::Conflict`] for a job of whose id there is another one.
pub async fn add_units(sessions: &Sessions, id: SessionId, units: Vec<Unit>, by: By) -> Result<At<Added>> {
    change(sessions, id, by, move |session| {
        check_size(session, units.len())?;
        session.add_units(units).map_err(refused)
    })
    .await
}

/// Adds all units of a provider.
///
/// # Errors
/// [`crate::app::AppError::NotFound`]; [`crate::app::AppError::Conflict`] if it was added before, or for a unit that is
/// there already.
pub async fn add_provider(sessions: &Sessions, id: SessionId, name: &str, by: By) -> Result<At<Added>> {
    let provider = provider::whole(sessions, name).await?;
    change(sessions, id, by, move |session| {
        let namespace = provider.namespace.as_deref().unwrap_or(&provider.name);
        check_size(session, provider.units.len())?;
        session.add_provider(&provider.name, namespace, provider.units).map_err(refused)
    })
    .await
}

/// Removes a unit, by its full id and, where several kinds have it, its kind.
///
/// # Errors
/// [`crate::app::AppError::NotFound`]; [`crate::app::AppError::Conflict`] for a job on the run list.
pub async fn remove_unit(
    sessions: &Sessions,
    id: SessionId,
    unit: String,
    kind: Option<Kind>,
    by: By,
) -> Result<At<()>> {
    change(sessions, id, by, move |session| {
        let unknown = || refused(crate::domain::session::Refused::UnknownUnit(unit.clone()));
        let found = session.unit(&unit, kind.as_ref()).cloned().ok_or_else(unknown)?;
        session.remove_unit(&found).map_err(refused)
    })
    .await
}

/// Desires jobs: the mandatory ones unless told otherwise, and these behind them.
///
/// # Errors
/// [`crate::app::AppError::NotFound`], for the session alone: what is wrong with what is desired is told as problems.
pub async fn desire(
    sessions: &Sessions,
    id: SessionId,
    desired: Vec<String>,
    with_mandatory: bool,
    by: By,
) -> Result<At<Vec<Problem>>> {
    change(sessions, id, by, move |session| Ok(session.select(&desired, with_mandatory))).await
}

/// Makes jobs the mandatory ones. It takes effect when something is desired next.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn set_mandatory(sessions: &Sessions, id: SessionId, mandatory: Vec<String>, by: By) -> Result<At<()>> {
    change(sessions, id, by, move |session| {
        session.set_mandatory(&mandatory);
        Ok(())
    })
    .await
}

/// Drops all jobs that a qualifier chooses, with their results; tells their ids in order. What came of them can still be
/// asked for.
///
/// # Errors
/// [`crate::app::AppError::Conflict`] if one of them is on the run list; [`crate::app::AppError::Invalid`] for a pattern
/// that takes too long.
pub async fn trim(sessions: &Sessions, id: SessionId, qualifier: Qualifier, by: By) -> Result<At<Vec<String>>> {
    change(sessions, id, by, move |session| {
        let trimmed = session.trim(&qualifier).map_err(not_trimmed)?;
        session.settle();
        Ok(trimmed)
    })
    .await
}

/// How far the use of test plans has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Set the plans: what they override holds, their mandatory jobs are mandatory.
    Set,
    /// Desire the jobs that prepare the machine.
    Setup,
    /// Desire the jobs that templates wait for.
    Bootstrap,
    /// Desire what the plans are about, of the jobs that there are now.
    Include,
}

/// Uses test plans. Without plans, those that were set last.
///
/// # Errors
/// [`crate::app::AppError::Invalid`] for a plan that is not there or cannot be read.
pub async fn plan(
    sessions: &Sessions,
    id: SessionId,
    plans: Option<Vec<String>>,
    phase: Phase,
    by: By,
) -> Result<At<Vec<Problem>>> {
    change(sessions, id, by, move |session| {
        let set = match plans {
            Some(plans) => plans,
            None => session.plans().to_vec(),
        };
        let problems = match phase {
            Phase::Set => session.set_plans(&set),
            Phase::Setup => session.start_setup(&set),
            Phase::Bootstrap => session.start_bootstrap(&set),
            Phase::Include => session.finish_bootstrap(&set),
        };
        problems.map_err(plan_refused)
    })
    .await
}

/// The ids of the jobs that a part of test plans chooses now; of those that were set last if none is named.
///
/// # Errors
/// As [`plan`].
pub async fn choose(sessions: &Sessions, id: SessionId, plans: Vec<String>, part: Part) -> Result<At<Vec<String>>> {
    ask(sessions, id, move |session| {
        let plans = if plans.is_empty() { session.plans() } else { &plans };
        session.choose(plans, part).map_err(plan_refused)
    })
    .await
}

/// The ids of the jobs that qualifiers choose now.
///
/// # Errors
/// [`crate::app::AppError::Invalid`] for a pattern that takes too long.
pub async fn qualify(sessions: &Sessions, id: SessionId, qualifiers: Vec<Qualifier>) -> Result<At<Vec<String>>> {
    ask(sessions, id, move |session| session.qualify(&qualifiers).map_err(|error| plan_refused(error.into()))).await
}

/// Overrides fields of one job by hand, takes that back (a field without a value), and says how often it may be begun
/// yet. Tells how it stands then.
///
/// # Errors
/// [`crate::app::AppError::NotFound`], for the session or the job; [`crate::app::AppError::Invalid`] for a field that
/// cannot be overridden.
pub async fn override_job(
    sessions: &Sessions,
    id: SessionId,
    job: String,
    overrides: Vec<(&'static str, Option<String>)>,
    attempts: Option<u32>,
    by: By,
) -> Result<At<JobState>> {
    change(sessions, id, by, move |session| {
        let overrides: Vec<_> = overrides.iter().map(|(field, value)| (*field, value.as_deref())).collect();
        session.override_by_hand(&job, &overrides).map_err(refused)?;
        attempts.map_or(Ok(()), |attempts| session.set_attempts(&job, attempts)).map_err(refused)?;
        session.job(&job).map(JobState::of).ok_or_else(|| no_such_job(&job))
    })
    .await
}

/// A page of the resources that have records, by their ids, each with how many it has.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn resources(
    sessions: &Sessions,
    id: SessionId,
    page: Stretch<String>,
) -> Result<At<(Vec<(String, usize)>, bool)>> {
    ask(sessions, id, move |session| {
        let all = session.resources().into_iter();
        let later = all.skip_while(|(resource, _)| page.after.as_deref().is_some_and(|after| *resource <= after));
        Ok(page.of(later.map(|(resource, records)| (resource.to_owned(), records.len()))))
    })
    .await
}

/// The records of a resource, which may be none.
///
/// # Errors
/// [`crate::app::AppError::NotFound`], for the session, and for a resource whose records nobody has told.
pub async fn records(sessions: &Sessions, id: SessionId, resource: String) -> Result<At<Vec<Record>>> {
    ask(sessions, id, move |session| {
        let missing = || crate::app::AppError::NotFound { what: "resource", id: crate::app::cut(&resource, 200) };
        session.records(&resource).map(<[Record]>::to_vec).ok_or_else(missing)
    })
    .await
}

/// Sets the records of a resource by hand, whether there is such a job or not. No template makes units of them.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn set_records(
    sessions: &Sessions,
    id: SessionId,
    resource: String,
    records: Vec<Record>,
    by: By,
) -> Result<At<()>> {
    change(sessions, id, by, move |session| {
        session.set_records(&resource, records);
        session.settle();
        Ok(())
    })
    .await
}

/// The answers of the machine's manifest.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn manifest(sessions: &Sessions, id: SessionId) -> Result<At<BTreeMap<String, Value>>> {
    ask(sessions, id, |session| Ok(session.manifest().clone())).await
}

/// Takes answers into the machine's manifest: those that are not named stay. Tells all of it.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn set_manifest(
    sessions: &Sessions,
    id: SessionId,
    answers: BTreeMap<String, Value>,
    by: By,
) -> Result<At<BTreeMap<String, Value>>> {
    change(sessions, id, by, move |session| {
        session.save_manifest(answers);
        Ok(session.manifest().clone())
    })
    .await
}
