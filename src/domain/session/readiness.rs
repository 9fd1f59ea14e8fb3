//! What holds jobs up.
//!
//! What follows from the outcomes of other jobs is counted and told when it is asked for; what manifest and resources say
//! is kept, and told anew when one of them changes. So a result costs as much as there are jobs that wait for it.

use std::collections::HashMap;

use serde_json::Value;

use super::event::{Event, Source};
use super::inhibitor::{Cause, Inhibitor};
use super::outcome::Outcome;
use super::problem::Need;
use super::state::{Entry, Session};
use crate::domain::program::{Program, Verdict};

/// What came of programs, by their numbers, while nothing changes: many jobs ask the same.
pub(super) type Answers = HashMap<u32, Vec<Inhibitor>>;

/// Whether a need is met by what came of the job.
fn is_met(need: Need, outcome: Option<&Outcome>) -> bool {
    match need {
        Need::Resource => true,
        Need::Depends => outcome == Some(&Outcome::Pass),
        Need::After => outcome.is_some(),
        Need::Salvages => outcome == Some(&Outcome::Fail),
    }
}

impl Session {
    /// Computes the readiness of all jobs from scratch.
    pub fn refresh(&mut self) {
        let all: Vec<u32> = self.order.values().copied().collect();
        let mut answers = Answers::new();
        for number in all {
            let Some(entry) = self.entry(number) else { continue };
            let unmet = self.unmet_of(entry);
            let held = self.held_of(entry, &mut answers);
            self.change(number, |entry| {
                entry.unmet = unmet;
                entry.held = held;
            });
        }
        self.unsettled.clear();
    }

    /// Computes readiness anew where it was not computed when something changed; see [`Session::set_records`]. Recording,
    /// selecting, adding and removing do so by themselves.
    pub fn settle(&mut self) {
        for id in std::mem::take(&mut self.unsettled) {
            self.look_again(id);
        }
    }

    /// Asks the programs that read the records of this id again.
    pub(super) fn look_again(&mut self, id: u32) {
        let readers: Vec<u32> =
            self.slot(id).map(|slot| slot.users.reads.iter().copied().collect()).unwrap_or_default();
        self.hold_up(readers);
    }

    /// Asks manifest and resources about jobs again.
    pub(super) fn hold_up(&mut self, numbers: impl IntoIterator<Item = u32>) {
        let mut answers = Answers::new();
        for number in numbers {
            self.hold_up_one(number, &mut answers);
        }
    }

    fn hold_up_one(&mut self, number: u32, answers: &mut Answers) {
        let Some(entry) = self.entry(number) else { return };
        let held = self.held_of(entry, answers);
        if held != entry.held {
            if held.iter().any(|inhibitor| inhibitor.cause != Cause::PendingResource) {
                self.doubtful.insert(number);
            }
            self.change(number, |entry| entry.held = held);
        }
    }

    /// Changes a job, and tells if it can start thereby or cannot any more.
    pub(super) fn change(&mut self, number: u32, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entry_mut(number) else { return };
        let (could, held) = (entry.can_start(), entry.held.clone());
        change(entry);
        let can_start = entry.can_start();
        let differs = could != can_start || held != entry.held;
        let job = (could != can_start).then(|| entry.job.id.clone());
        if differs {
            self.dirty.jobs.insert(number);
        }
        if let Some(job) = job {
            self.tell(Source::Session, Event::ReadinessChanged { job, can_start });
        }
    }

    /// Another result is current, or none: the jobs that wait for this one learn of it.
    pub(super) fn set_result(&mut self, number: u32, result: Option<u32>) {
        let Some(entry) = self.entry_mut(number) else { return };
        let before = entry.outcome().cloned();
        entry.result = result;
        let after = entry.outcome().cloned();
        self.dirty.jobs.insert(number);
        if before == after {
            return;
        }
        let Some(slot) = self.slot(number) else { return };
        let users = [
            (Need::Depends, &slot.users.depends),
            (Need::After, &slot.users.after),
            (Need::Salvages, &slot.users.salvages),
        ];
        let mut changed: Vec<(u32, bool)> = Vec::new();
        let mut doubtful = Vec::new();
        for (need, users) in users {
            let (was, is) = (is_met(need, before.as_ref()), is_met(need, after.as_ref()));
            if was != is {
                changed.extend(users.iter().map(|user| (*user, is)));
            }
            // Who waits for a job to run only, or for one that has not, may start some day.
            if after.is_some() && !is {
                doubtful.extend(users.iter().copied());
            }
        }
        for (user, met) in changed {
            self.change(user, |entry| {
                entry.unmet = if met { entry.unmet.saturating_sub(1) } else { entry.unmet.saturating_add(1) };
            });
        }
        self.doubtful.extend(doubtful);
        if (before == Some(Outcome::Pass)) != (after == Some(Outcome::Pass)) {
            self.look_again(number);
        }
    }

    pub(super) fn unmet_of(&self, entry: &Entry) -> usize {
        Self::waits(entry).filter(|(need, id)| !is_met(*need, self.outcome_of(*id))).count()
    }

    /// What it waits for, in the order in which it is told.
    fn waits<'a>(entry: &'a Entry) -> impl Iterator<Item = (Need, u32)> + use<'a> {
        let of = |need: Need, ids: &'a [u32]| ids.iter().map(move |id| (need, *id));
        of(Need::Depends, &entry.depends)
            .chain(of(Need::After, &entry.after))
            .chain(of(Need::Salvages, &entry.salvages))
    }

    /// All that holds a job up.
    pub(super) fn inhibitors(&self, entry: &Entry) -> Vec<Inhibitor> {
        if entry.run_position.is_none() {
            return vec![Inhibitor::undesired()];
        }
        let waits = Self::waits(entry).filter_map(|(need, id)| {
            let outcome = self.outcome_of(id);
            let cause = match need {
                _ if is_met(need, outcome) => return None,
                Need::Salvages => Cause::NotFailedDep,
                _ if outcome.is_none() => Cause::PendingDep,
                _ => Cause::FailedDep,
            };
            Some(Inhibitor::job(cause, self.names.text(id)))
        });
        entry.held.iter().cloned().chain(waits).collect()
    }

    /// What manifest and resources say of a job that is on the run list.
    pub(super) fn held_of(&self, entry: &Entry, answers: &mut Answers) -> Vec<Inhibitor> {
        let mut held = Vec::new();
        if entry.run_position.is_none() {
            return held;
        }
        let unmet = entry.job.manifest.iter().filter(|(id, wanted)| !self.answers(id, wanted));
        let unmet: Vec<String> = unmet.map(|(id, _)| id.clone()).collect();
        if !unmet.is_empty() {
            held.push(Inhibitor::manifest(&entry.job.id, unmet));
        }
        if let (Some(number), Ok(Some(program))) = (entry.program, &entry.job.requires) {
            held.extend(answers.entry(number).or_insert_with(|| self.ask(program)).iter().cloned());
        }
        held
    }

    /// What the resources say of a program. Only one expression is ever told; where it is pending, resource jobs that passed
    /// are left out.
    fn ask(&self, program: &Program) -> Vec<Inhibitor> {
        let records = |id: &str| self.names.find(id).and_then(|number| self.records_of(number));
        let (cause, expression) = match program.evaluate(&records) {
            Verdict::True => return Vec::new(),
            Verdict::Pending { expression, .. } => (Cause::PendingResource, expression),
            Verdict::False { expression, .. } | Verdict::TooLarge { expression, .. } => {
                (Cause::FailedResource, expression)
            }
        };
        let passed = |id: &str| {
            let number = self.names.find(id);
            number.and_then(|number| self.outcome_of(number)) == Some(&Outcome::Pass)
        };
        let ids = expression.resources().iter().filter(|id| cause == Cause::FailedResource || !passed(id));
        ids.map(|id| Inhibitor::expression(cause, id, expression.text())).collect()
    }

    /// Whether the manifest has this value; what it has no answer for is false.
    fn answers(&self, id: &str, wanted: &Value) -> bool {
        let answer = self.manifest.get(id).unwrap_or(&Value::Bool(false));
        answer == wanted || as_number(answer).is_some_and(|answer| Some(answer) == as_number(wanted))
    }
}

/// A truth counts as 1 or 0, as it does where manifests are written.
fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(if *truth { 1.0 } else { 0.0 }),
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}
