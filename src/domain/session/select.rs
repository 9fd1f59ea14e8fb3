//! Selecting: what is desired becomes the run list.

use std::collections::{BTreeMap, BTreeSet};

use super::dirty::Once;
use super::event::{Event, Source};
use super::problem::{Clash, Need, Problem};
use super::readiness::Answers;
use super::solve::{Fault, Member, Solution, order, solve};
use super::state::{Session, clash};
use crate::domain::unit::Unit;

impl Session {
    /// Desires these jobs, behind the mandatory ones unless those are left out, and finds what to run, in which order. What
    /// is broken is left out; the problems say so, in the order in which they are found.
    ///
    /// A job that salvages one that is not there is a problem too, at the end, but it stays: it only waits.
    pub fn select(&mut self, desired: &[String], with_mandatory: bool) -> Vec<Problem> {
        let mut numbers = if with_mandatory { self.mandatory.clone() } else { Vec::new() };
        numbers.extend(desired.iter().map(|id| self.number(id)));
        self.select_numbers(&numbers)
    }

    /// Makes these jobs the mandatory ones. It takes effect when something is selected next.
    pub fn set_mandatory(&mut self, jobs: &[String]) {
        let numbers: Vec<u32> = jobs.iter().map(|id| self.number(id)).collect();
        if numbers != self.mandatory {
            self.mandatory = numbers;
            self.dirty.once.insert(Once::Mandatory);
        }
    }

    pub(super) fn select_numbers(&mut self, desired: &[u32]) -> Vec<Problem> {
        let Solution { order, desired, faults } = solve(self, desired);
        let mut problems: Vec<Problem> = faults.into_iter().map(|fault| self.problem(fault)).collect();
        if desired != self.desired {
            self.desired = desired;
            self.dirty.once.insert(Once::Desired);
        }
        let stay: BTreeSet<u32> = order.iter().copied().collect();
        for number in std::mem::take(&mut self.run_list) {
            if !stay.contains(&number) {
                self.place(number, None);
            }
        }
        for (number, position) in order.iter().zip(0..) {
            self.place(*number, Some(position));
        }
        self.run_list = order;
        let mut answers = Answers::new();
        for number in self.run_list.clone() {
            let Some(entry) = self.entry(number) else { continue };
            let held = self.held_of(entry, &mut answers);
            let lost = entry.salvages.iter().filter(|id| self.entry(**id).is_none());
            problems.extend(lost.map(|id| Problem::Missing {
                job: entry.job.id.clone(),
                missing: self.names.text(*id).to_owned(),
                need: Need::Salvages,
            }));
            if let Some(entry) = self.entry_mut(number).filter(|entry| entry.held != held) {
                entry.held = held;
                self.dirty.jobs.insert(number);
            }
            self.doubtful.insert(number);
        }
        self.unsettled.clear();
        let (run_list, problem_count) = (self.run_list.len() as u64, problems.len() as u64);
        self.tell(Source::Session, Event::Selected { run_list, problems: problem_count });
        self.keep_problems(problems.clone());
        problems
    }

    /// Keeps what is wrong with what was desired, until something else is desired.
    pub(super) fn keep_problems(&mut self, problems: Vec<Problem>) {
        if problems != self.problems {
            self.problems = problems;
            self.dirty.once.insert(Once::Problems);
        }
    }

    fn place(&mut self, number: u32, position: Option<u32>) {
        if let Some(entry) = self.entry_mut(number).filter(|entry| entry.run_position != position) {
            entry.run_position = position;
            if position.is_none() {
                entry.held.clear();
            }
            self.dirty.jobs.insert(number);
        }
    }

    pub(super) fn problem(&self, fault: Fault) -> Problem {
        let text = |number: u32| self.names.text(number).to_owned();
        match fault {
            Fault::Unknown(job) => Problem::Unknown { job: text(job) },
            Fault::Missing { job, missing, need } => Problem::Missing { job: text(job), missing: text(missing), need },
            Fault::Cycle { job, cycle } => {
                let name = |member: Member| match member {
                    Member::Job(job) => text(job),
                    Member::Group(group) => format!("_group_job_{}", self.groups.text(group)),
                };
                Problem::Cycle { job: text(job), cycle: cycle.into_iter().map(name).collect() }
            }
            Fault::Unreadable(job) => {
                let error = self.entry(job).and_then(|entry| entry.job.requires.as_ref().err());
                let detail = error.map(ToString::to_string).unwrap_or_default();
                Problem::Unreadable { job: text(job), field: "requires".to_owned(), detail }
            }
        }
    }
}

/// Why jobs have no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOrder {
    /// Two of them have one id, be they the same or not.
    #[error(transparent)]
    Clash(#[from] Clash),
    /// Something is wrong with what they need.
    #[error("{0}")]
    Problem(Problem),
}

/// The ids of jobs in an order in which each comes after what it needs: those of `visit` and what they need, or all.
///
/// # Errors
/// [`NoOrder`]: what is wrong first. Nothing is left out.
pub fn order_of(jobs: &[Unit], visit: Option<&[String]>) -> Result<Vec<String>, NoOrder> {
    let mut known: BTreeMap<&str, &Unit> = BTreeMap::new();
    for unit in jobs.iter().filter(|unit| unit.kind().is_job()) {
        if let Some(other) = unit.id().and_then(|id| known.insert(id, unit)) {
            return Err(clash(other, unit).into());
        }
    }
    let mut session = Session::new(jobs.to_vec())?;
    let visit: Vec<u32> = match visit {
        Some(ids) => ids.iter().map(|id| session.number(id)).collect(),
        None => session.order.values().copied().collect(),
    };
    let order = order(&session, &visit).map_err(|fault| NoOrder::Problem(session.problem(fault)))?;
    Ok(session.texts(&order))
}
