//! Trimming the list of jobs.

use super::event::{Event, Source};
use super::problem::Refused;
use super::state::Session;
use crate::domain::unit::{PatternError, Qualifier, Vote};

/// Why nothing was trimmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTrimmed {
    /// Some of the jobs are needed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A pattern takes too long.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl Session {
    /// Drops all jobs that the qualifier chooses, with their results and records, and tells their ids in order. The list
    /// of units keeps them. Readiness is not computed anew; see [`Session::settle`].
    ///
    /// # Errors
    /// [`Refused::OnRunList`] with all jobs that are chosen and are on the run list; [`PatternError`].
    pub fn trim(&mut self, qualifier: &Qualifier) -> Result<Vec<String>, NotTrimmed> {
        let mut chosen = Vec::new();
        let mut needed = Vec::new();
        for number in self.order.values() {
            let Some(entry) = self.entry(*number) else { continue };
            if qualifier.vote(&entry.job)? != Vote::Include {
                continue;
            }
            if entry.run_position.is_some() {
                needed.push(entry.job.id.clone());
            }
            chosen.push(*number);
        }
        if !needed.is_empty() {
            needed.sort_unstable();
            return Err(Refused::OnRunList(needed).into());
        }
        Ok(self.drop_jobs(&chosen))
    }

    pub(super) fn drop_jobs(&mut self, chosen: &[u32]) -> Vec<String> {
        if !chosen.is_empty() {
            self.tell(Source::State, Event::StateMapChanged);
        }
        let mut dropped = Vec::with_capacity(chosen.len());
        for number in chosen {
            let Some(entry) = self.entry(*number) else { continue };
            let (id, unit, position) = (entry.job.id.clone(), entry.job.unit.clone(), entry.unit);
            self.leave_job(*number);
            self.forget_id(&unit, position);
            if let Some(held) = self.units.get_mut(&position) {
                held.trimmed = true;
                self.dirty.units.insert(position);
            }
            let gone = Event::UnitRemoved { kind: unit.kind().to_string(), unit: Some(id.clone()) };
            self.tell(Source::State, Event::JobRemoved { job: id.clone() });
            if self.context.present {
                self.tell(Source::Context, gone.clone());
            }
            self.tell(Source::State, gone);
            dropped.push(id);
        }
        dropped
    }
}
