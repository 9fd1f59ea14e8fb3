//! Which specs can run, given what came of those that they depend on.
//!
//! A spec names with each dependency what it wants of it: a category, a status, or `*` for any end. Only a spec whose state
//! is PENDING is judged; READY, RUNNING and what has come of one stand as they are.

use crate::domain::spec_result::status::{CaseStatus, State, Status};
use crate::domain::words::{Word as _, words};

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

/// What is wanted of a dependency where nothing is told: SUCCESS. It takes neither XFAIL nor XDIFF; `pass` takes all three.
pub const WANTED: &str = "success";

words!(
    /// What a dependency means for the spec that has it.
    Flag, "flag", {
        /// Nothing came of it yet.
        Pending = "pending",
        /// It came to what is wanted.
        CanRun = "can_run",
        /// It came to something else: the spec will not run.
        WontRun = "wont_run",
    }
);

/// A spec, and how it stands.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// How it stands.
    pub status: CaseStatus,
    /// What it depends on, in its order.
    pub needs: Vec<Need<'a>>,
}

/// A dependency of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need<'a> {
    /// Where the dependency stands in the list of specs. A place that is not in the list is a spec of which nothing comes.
    pub on: usize,
    /// What is wanted of it, in any case.
    pub wanted: &'a str,
}

/// How a spec stands once its dependencies have been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// How it stands: PENDING may have become READY or BLOCKED, and then the reason names the dependency.
    pub status: CaseStatus,
    /// What each dependency means for it, in its order.
    pub flags: Vec<Flag>,
    /// The place among its dependencies of the one that blocks it: the first that came to something else than is wanted.
    /// None where it was not blocked here.
    pub blocked_by: Option<usize>,
}

/// Whether what came of a dependency is what is wanted: its category or its status, in any case, or `*`.
#[must_use]
pub fn satisfies(status: &CaseStatus, wanted: &str) -> bool {
    let upper = wanted.to_uppercase();
    wanted == "*" || upper == status.category().as_str() || upper == status.status().as_str()
}

fn flag(status: Option<&CaseStatus>, wanted: &str) -> Flag {
    match status {
        Some(status) if !status.is_terminal() => Flag::Pending,
        Some(status) if satisfies(status, wanted) => Flag::CanRun,
        Some(_) => Flag::WontRun,
        None => Flag::Pending,
    }
}

/// How each of these specs stands, in their order; in time that is linear in specs and dependencies.
///
/// A PENDING spec is READY when each of its dependencies came to what is wanted of it, and BLOCKED when one came to something
/// else, even while others are still waited for. That it is BLOCKED counts for those that depend on it in turn. Specs that
/// wait for themselves stay PENDING.
#[must_use]
pub fn evaluate(cases: &[Case<'_>]) -> Vec<Readiness> {
    let mut statuses: Vec<CaseStatus> = cases.iter().map(|case| case.status.clone()).collect();
    // Of each spec, who depends on it and wants what.
    let mut dependents: Vec<Vec<(usize, &str)>> = vec![Vec::new(); cases.len()];
    let mut missing: Vec<usize> = cases.iter().map(|case| case.needs.len()).collect();
    for (place, case) in cases.iter().enumerate() {
        if case.status.state() != State::Pending {
            continue;
        }
        if case.needs.is_empty()
            && let Some(status) = statuses.get_mut(place)
        {
            *status = CaseStatus::ready();
        }
        for need in &case.needs {
            if let Some(dependents) = dependents.get_mut(need.on) {
                dependents.push((place, need.wanted));
            }
        }
    }
    let is_over = |place: &usize| statuses.get(*place).is_some_and(CaseStatus::is_terminal);
    let mut over: Vec<usize> = (0..cases.len()).filter(is_over).collect();
    while let Some(place) = over.pop() {
        let came = statuses.get(place).cloned();
        for (dependent, wanted) in dependents.get(place).into_iter().flatten() {
            let (Some(status), Some(missing)) = (statuses.get_mut(*dependent), missing.get_mut(*dependent)) else {
                continue;
            };
            if status.state() != State::Pending {
                continue;
            }
            if flag(came.as_ref(), wanted) == Flag::WontRun {
                *status = CaseStatus::of(Status::Blocked);
                over.push(*dependent);
                continue;
            }
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                *status = CaseStatus::ready();
            }
        }
    }
    cases.iter().zip(&statuses).map(|(case, status)| readiness(case, status.clone(), cases, &statuses)).collect()
}

fn readiness(case: &Case<'_>, mut status: CaseStatus, cases: &[Case<'_>], statuses: &[CaseStatus]) -> Readiness {
    let flags: Vec<Flag> = case.needs.iter().map(|need| flag(statuses.get(need.on), need.wanted)).collect();
    let was_blocked = case.status.state() == State::Pending && status.status() == Status::Blocked;
    let blocked_by = flags.iter().position(|flag| was_blocked && *flag == Flag::WontRun);
    if let Some(Need { on, wanted }) = blocked_by.and_then(|index| case.needs.get(index))
        && let (Some(Case { name, .. }), Some(ended)) = (cases.get(*on), statuses.get(*on))
    {
        let end = ended.status();
        status = status.because(format!("its dependency `{name}` came to {end}, and `{wanted}` is wanted"));
    }
    Readiness { status, flags, blocked_by }
}
