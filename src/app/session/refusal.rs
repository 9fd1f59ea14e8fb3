//! What a session refuses, as the use cases tell it.

use crate::app::{AppError, cut};
use crate::domain::session::{NotBegun, NotTrimmed, PlanRefused, Refused};

/// The most letters of an id that is told.
const MAX_ID: usize = 200;

pub(crate) fn no_such_job(id: &str) -> AppError {
    AppError::NotFound { what: "job", id: cut(id, MAX_ID) }
}

pub(crate) fn refused(refused: Refused) -> AppError {
    match refused {
        Refused::UnknownJob(id) => no_such_job(&id),
        Refused::UnknownUnit(id) => AppError::NotFound { what: "unit", id: cut(&id, MAX_ID) },
        Refused::UnknownPlan(id) => AppError::Invalid(format!("there is no test plan `{}`", cut(&id, MAX_ID))),
        Refused::UnknownField(_) => AppError::Invalid(refused.to_string()),
        Refused::Clash(_)
        | Refused::OnRunList(_)
        | Refused::UnitThere(_)
        | Refused::ProviderThere(_)
        | Refused::Running(_) => AppError::Conflict(refused.to_string()),
    }
}

pub(crate) fn plan_refused(error: PlanRefused) -> AppError {
    match error {
        PlanRefused::Refused(error) => refused(error),
        PlanRefused::Plan(_) | PlanRefused::Pattern(_) => AppError::Invalid(error.to_string()),
    }
}

pub(crate) fn not_begun(error: NotBegun) -> AppError {
    match error {
        NotBegun::Refused(error) => refused(error),
        NotBegun::Inhibited { .. } => AppError::Conflict(error.to_string()),
    }
}

pub(crate) fn not_trimmed(error: NotTrimmed) -> AppError {
    match error {
        NotTrimmed::Refused(error) => refused(error),
        NotTrimmed::Pattern(_) => AppError::Invalid(error.to_string()),
    }
}
