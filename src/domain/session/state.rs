//! The state of a session, and how it is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use super::changes::{ContextRow, Overridden};
use super::context::Shared;
use super::dirty::Dirty;
use super::event::EventRow;
use super::history::History;
use super::inhibitor::Inhibitor;
use super::metadata::Metadata;
use super::names::Names;
use super::outcome::Outcome;
use super::problem::{Clash, Need, Problem, Refused};
use super::report::Report;
use super::solve::Graph;
use crate::domain::program::Record;
use crate::domain::unit::template::Template;
use crate::domain::unit::{Effective, Job, Overrides, Unit};

/// How often a job may be begun.
pub const ATTEMPTS: u32 = 3;

/// A session. See the [module](super).
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Ids of jobs, and all ids that they name.
    pub(super) names: Names,
    pub(super) groups: Names,
    /// Resource programs with all that they depend on.
    pub(super) programs: Names,
    /// By the numbers of `names`.
    pub(super) slots: Vec<Slot>,
    /// The list of units by position.
    pub(super) units: BTreeMap<u64, Held>,
    /// Positions of units by their checksums.
    pub(super) checksums: BTreeMap<String, BTreeSet<u64>>,
    /// Positions of the units of an id that the device context knows.
    pub(super) unit_ids: BTreeMap<String, BTreeSet<u64>>,
    /// The list of jobs by position.
    pub(super) order: BTreeMap<u64, u32>,
    /// Templates by resource, then by the positions of their units.
    pub(super) templates: BTreeMap<u32, BTreeMap<u64, Arc<Template>>>,
    /// Jobs that ask the manifest.
    pub(super) askers: BTreeSet<u32>,
    pub(super) next_unit: u64,
    pub(super) next_job: u64,
    pub(super) next_event: u64,
    pub(super) desired: Vec<u32>,
    pub(super) mandatory: Vec<u32>,
    pub(super) run_list: Vec<u32>,
    /// What is wrong with what was desired last.
    pub(super) problems: Vec<Problem>,
    /// What changed while readiness was not computed anew.
    pub(super) unsettled: BTreeSet<u32>,
    /// Jobs of which it is not known whether they can start some day.
    pub(super) doubtful: BTreeSet<u32>,
    pub(super) metadata: Metadata,
    pub(super) manifest: BTreeMap<String, Value>,
    pub(super) context: ContextRow,
    pub(super) overrides: Overrides,
    pub(super) shared: Shared,
    pub(super) events: Vec<EventRow>,
    pub(super) dirty: Dirty,
    /// Whether of each job the last result alone is kept here.
    pub(super) past_is_elsewhere: bool,
}

/// A unit of the list.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) unit: Unit,
    /// Whether its job was trimmed.
    pub(super) trimmed: bool,
}

/// What is known of an id.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) job: Option<Box<Entry>>,
    pub(super) records: Option<Arc<Vec<Record>>>,
    pub(super) users: Users,
}

/// Who waits for an id.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    pub(super) depends: BTreeSet<u32>,
    pub(super) after: BTreeSet<u32>,
    pub(super) salvages: BTreeSet<u32>,
    pub(super) reads: BTreeSet<u32>,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) position: u64,
    pub(super) unit: u64,
    /// What it needs as it is written: resources, depends, after.
    pub(super) needs: Vec<(Need, u32)>,
    pub(super) before: Vec<u32>,
    pub(super) group: Option<u32>,
    /// Its resource program, by the numbers of `programs`.
    pub(super) program: Option<u32>,
    /// Each sorted by id.
    pub(super) depends: Vec<u32>,
    pub(super) after: Vec<u32>,
    pub(super) salvages: Vec<u32>,
    pub(super) history: History,
    pub(super) result: Option<u32>,
    /// How many of `depends`, `after` and `salvages` are not as they should be.
    pub(super) unmet: usize,
    pub(super) held: Vec<Inhibitor>,
    pub(super) effective: Effective,
    pub(super) overridden: Overridden,
    pub(super) attempts: u32,
    pub(super) via: Option<u32>,
    pub(super) run_position: Option<u32>,
    pub(super) grown: bool,
}

impl Entry {
    pub(super) fn current(&self) -> Option<&Arc<Report>> {
        self.result.and_then(|number| self.history.get(number))
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.current().and_then(|report| report.outcome.as_ref())
    }

    pub(super) fn can_start(&self) -> bool {
        self.run_position.is_some() && self.unmet == 0 && self.held.is_empty() && self.attempts > 0
    }
}

/// A job of a session, to look at.
#[derive(Clone, Copy, Debug)]
pub struct JobView<'a> {
    session: &'a Session,
    entry: &'a Entry,
}

impl<'a> JobView<'a> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.entry.job.id
    }

    /// Its place in the list of jobs; a place is never used twice.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.entry.position
    }

    /// How many results there are of it.
    #[must_use]
    pub fn results(&self) -> usize {
        self.entry.history.len() as usize
    }

    /// What it is.
    #[must_use]
    pub fn job(&self) -> &'a Job {
        &self.entry.job
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(&self) -> Option<&'a Outcome> {
        self.entry.outcome()
    }

    /// Its current result, unless that is hollow.
    #[must_use]
    pub fn result(&self) -> Option<&'a Report> {
        self.entry.current().map(AsRef::as_ref)
    }

    /// Its results that are not [kept elsewhere](Session::keep_past_elsewhere), the oldest first.
    pub fn history(&self) -> impl Iterator<Item = &'a Report> + use<'a> {
        self.entry.history.iter().map(AsRef::as_ref)
    }

    /// Why it cannot start, in order.
    #[must_use]
    pub fn inhibitors(&self) -> Vec<Inhibitor> {
        self.session.inhibitors(self.entry)
    }

    /// Whether it can start. A job that has ended can be begun again.
    #[must_use]
    pub fn can_start(&self) -> bool {
        self.entry.can_start()
    }

    /// What overrides came to.
    #[must_use]
    pub fn effective(&self) -> &'a Effective {
        &self.entry.effective
    }

    /// How often it may be begun yet.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.entry.attempts
    }

    /// The local job that made it.
    #[must_use]
    pub fn via(&self) -> Option<&'a str> {
        self.entry.via.map(|via| self.session.names.text(via))
    }

    /// Its place in the run list.
    #[must_use]
    pub fn run_position(&self) -> Option<u32> {
        self.entry.run_position
    }
}

impl Session {
    /// A session over these units, with no device context around it. Of identical jobs the last one keeps its place among
    /// the jobs; siblings are not made.
    ///
    /// # Errors
    /// [`Clash`], if two jobs of one id differ.
    pub fn new(units: Vec<Unit>) -> Result<Self, Clash> {
        let mut session = Self::default();
        let mut last: BTreeMap<u32, (u64, Job)> = BTreeMap::new();
        for unit in units {
            let position = session.hold(unit);
            let Some(Ok(job)) = session.units.get(&position).map(|held| Job::read(&held.unit)) else { continue };
            let number = session.number(&job.id);
            if let Some((_, known)) = last.insert(number, (position, job)) {
                let newcomer = session.units.get(&position).map(|held| &held.unit);
                if let Some(newcomer) = newcomer.filter(|newcomer| **newcomer != known.unit) {
                    return Err(clash(&known.unit, newcomer));
                }
            }
        }
        let mut jobs: Vec<_> = last.into_iter().collect();
        jobs.sort_unstable_by_key(|(_, (position, _))| *position);
        for (number, (position, job)) in jobs {
            session.enter_job(number, position, job);
        }
        Ok(session)
    }

    /// A job by its full id.
    #[must_use]
    pub fn job(&self, id: &str) -> Option<JobView<'_>> {
        let entry = self.entry(self.names.find(id)?)?;
        Some(JobView { session: self, entry })
    }

    /// All jobs, in the order of the job list.
    pub fn jobs(&self) -> impl Iterator<Item = JobView<'_>> {
        self.order.values().filter_map(|number| self.entry(*number)).map(|entry| JobView { session: self, entry })
    }

    /// The jobs behind this place of the job list, in its order.
    pub fn jobs_after(&self, position: Option<u64>) -> impl Iterator<Item = JobView<'_>> {
        let from = position.map_or(Bound::Unbounded, Bound::Excluded);
        let numbers = self.order.range((from, Bound::Unbounded)).map(|(_, number)| *number);
        numbers.filter_map(|number| self.entry(number)).map(|entry| JobView { session: self, entry })
    }

    /// The units behind this place of the list of units, in its order, each with its place.
    pub fn units_after(&self, position: Option<u64>) -> impl Iterator<Item = (u64, &Unit)> {
        let from = position.map_or(Bound::Unbounded, Bound::Excluded);
        self.units.range((from, Bound::Unbounded)).map(|(position, held)| (*position, &held.unit))
    }

    /// How many jobs there are.
    #[must_use]
    pub fn job_count(&self) -> usize {
        self.order.len()
    }

    /// How many units there are.
    #[must_use]
    pub fn unit_count(&self) -> usize {
        self.units.len()
    }

    /// The list of units. Trimmed jobs are still in it.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.values().map(|held| &held.unit)
    }

    /// The ids of the desired jobs, repetitions kept.
    #[must_use]
    pub fn desired(&self) -> impl ExactSizeIterator<Item = &str> {
        self.desired.iter().map(|number| self.names.text(*number))
    }

    /// What is wrong with what was desired last: what was left out of the run list, and why.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The ids of the mandatory jobs; they need not be there.
    #[must_use]
    pub fn mandatory(&self) -> impl ExactSizeIterator<Item = &str> {
        self.mandatory.iter().map(|number| self.names.text(*number))
    }

    /// The ids of the jobs to run, in order.
    #[must_use]
    pub fn run_list(&self) -> impl ExactSizeIterator<Item = &str> {
        self.run_list.iter().map(|number| self.names.text(*number))
    }

    /// The jobs of the run list that have no outcome, in order; some may not be able to start.
    pub fn todo(&self) -> impl Iterator<Item = JobView<'_>> {
        let entries = self.run_list.iter().filter_map(|number| self.entry(*number));
        entries.filter(|entry| entry.outcome().is_none()).map(|entry| JobView { session: self, entry })
    }

    /// The resources that have an entry, with their records, sorted by id.
    #[must_use]
    pub fn resources(&self) -> BTreeMap<&str, &[Record]> {
        let entries = self.slots.iter().zip(0..);
        entries
            .filter_map(|(slot, number)| Some((self.names.text(number), slot.records.as_ref()?.as_slice())))
            .collect()
    }

    /// The records of a resource.
    #[must_use]
    pub fn records(&self, resource: &str) -> Option<&[Record]> {
        self.records_of(self.names.find(resource)?)
    }

    /// What applications noted.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The answers of the machine's manifest.
    #[must_use]
    pub fn manifest(&self) -> &BTreeMap<String, Value> {
        &self.manifest
    }

    pub(super) fn records_of(&self, number: u32) -> Option<&[Record]> {
        self.slot(number)?.records.as_ref().map(|records| records.as_slice())
    }

    pub(super) fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.get(number as usize)
    }

    pub(super) fn entry(&self, number: u32) -> Option<&Entry> {
        self.slot(number)?.job.as_deref()
    }

    pub(super) fn entry_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.slots.get_mut(number as usize)?.job.as_deref_mut()
    }

    pub(super) fn outcome_of(&self, number: u32) -> Option<&Outcome> {
        self.entry(number)?.outcome()
    }

    /// The number of an id, which it keeps.
    pub(super) fn number(&mut self, id: &str) -> u32 {
        let number = self.names.number(id);
        if self.slots.len() < self.names.len() {
            self.slots.resize_with(self.names.len(), Slot::default);
        }
        number
    }

    /// The number of a job that is there.
    pub(super) fn known(&self, id: &str) -> Result<u32, Refused> {
        let number = self.names.find(id).filter(|number| self.entry(*number).is_some());
        number.ok_or_else(|| Refused::UnknownJob(id.to_owned()))
    }

    pub(super) fn texts(&self, numbers: &[u32]) -> Vec<String> {
        numbers.iter().map(|number| self.names.text(*number).to_owned()).collect()
    }
}

pub(super) fn clash(known: &Unit, newcomer: &Unit) -> Clash {
    Clash {
        id: known.id().unwrap_or_default().to_owned(),
        known: known.checksum().to_owned(),
        newcomer: newcomer.checksum().to_owned(),
    }
}

impl Graph for Session {
    fn size(&self) -> usize {
        self.slots.len()
    }

    fn is_known(&self, job: u32) -> bool {
        self.entry(job).is_some()
    }

    fn is_unreadable(&self, job: u32) -> bool {
        self.entry(job).is_some_and(|entry| entry.job.requires.is_err())
    }

    fn needs(&self, job: u32) -> &[(Need, u32)] {
        self.entry(job).map_or(&[], |entry| &entry.needs)
    }

    fn before(&self, job: u32) -> &[u32] {
        self.entry(job).map_or(&[], |entry| &entry.before)
    }

    fn group(&self, job: u32) -> Option<u32> {
        self.entry(job)?.group
    }
}
