//! Recording results, and what they make.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dirty::Once;
use super::event::{Event, Source};
use super::members::{Added, MAX_UNITS};
use super::metadata::STRICT_TEMPLATE_EXPANSION;
use super::problem::Refused;
use super::report::Report;
use super::state::Session;
use crate::domain::program::{Record, records_of_output};
use crate::domain::unit::check::{self, Severity};
use crate::domain::unit::template::Instance;
use crate::domain::unit::{FieldValue, Kind, Unit};

/// What recording a result came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Whether the history has it now: it said something, and not what the result before it said.
    pub is_new: bool,
    /// How many records a resource job came to.
    pub records: Option<usize>,
    /// Where the output of a resource job or a local job ends to be records, and why; what stands behind is lost.
    pub unread: Option<String>,
    /// The units that its output made.
    pub made: Added,
    /// The records of its output that made no unit, though they should.
    pub dropped: Vec<DroppedRecord>,
}

/// A record that made no unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRecord {
    /// The full id of the template that should have made it; `None` if the record itself should have been a job.
    pub template: Option<String>,
    /// Its place among the records, from 0.
    pub record: usize,
    /// Why.
    pub reason: String,
}

impl Session {
    /// Records a result of a job, whether it is on the run list or not. A hollow result takes the current one away; a
    /// result that equals the current one changes nothing, but what it printed counts again.
    ///
    /// The output of a resource job is its new records, from which templates make units; of a local job (`plugin: local`)
    /// it is jobs. A result without an outcome leaves the records of a resource job alone. Jobs that clash with others
    /// are told and left out.
    ///
    /// # Errors
    /// [`Refused::UnknownJob`].
    pub fn record(&mut self, job: &str, report: Report) -> Result<Recorded, Refused> {
        let number = self.known(job)?;
        let mut recorded = Recorded::default();
        let report = Arc::new(report);
        self.tell(Source::State, Event::StateMapChanged);
        let outcome = report.outcome.clone();
        if outcome.is_some() && self.metadata.running_job_name.as_deref() == Some(job) {
            self.metadata.running_job_name = None;
            self.dirty.once.insert(Once::Metadata);
        }
        self.tell(Source::State, Event::ResultChanged { job: job.to_owned(), outcome: outcome.clone() });
        self.keep(number, &report, &mut recorded);
        let plugin = self.entry(number).map(|entry| (entry.job.is_resource(), entry.job.is_local()));
        if plugin == Some((true, false)) && outcome.is_some() {
            let (records, unread) = records_of_output(report.stdout());
            recorded.unread = unread.map(|error| error.to_string());
            self.take_records(number, records, &mut recorded);
        } else if plugin == Some((false, true)) {
            let (records, unread) = records_of_output(report.stdout());
            recorded.unread = unread.map(|error| error.to_string());
            self.make_jobs(number, &records, &mut recorded);
        }
        self.settle();
        Ok(recorded)
    }

    fn keep(&mut self, number: u32, report: &Arc<Report>, recorded: &mut Recorded) {
        let Some(entry) = self.entry_mut(number) else { return };
        if report.is_hollow() {
            self.set_result(number, None);
            return;
        }
        if entry.current().is_some_and(|current| current == report) {
            return;
        }
        recorded.is_new = true;
        let place = entry.history.push(Arc::clone(report));
        self.dirty.history.entry(number).or_insert(place);
        self.set_result(number, Some(place));
    }

    /// The records of a resource are these now; if there are none, one without fields.
    fn take_records(&mut self, number: u32, records: Vec<Record>, recorded: &mut Recorded) {
        let records = if records.is_empty() { vec![Record::default()] } else { records };
        let records = Arc::new(records);
        recorded.records = Some(records.len());
        self.keep_records(number, Arc::clone(&records));
        self.look_again(number);
        if records.iter().all(Record::is_empty) && records.len() == 1 {
            return;
        }
        let strict = self.metadata.flags.contains(STRICT_TEMPLATE_EXPANSION);
        let templates: Vec<_> =
            self.templates.get(&number).map(|all| all.values().cloned().collect()).unwrap_or_default();
        for template in templates {
            if self.units.len() >= MAX_UNITS {
                let id = template.id().unwrap_or_default().to_owned();
                recorded.made.unreadable.push((id, format!("the session has {MAX_UNITS} units already")));
                return;
            }
            for instance in template.instances(&records, strict) {
                let (record, reason) = match instance {
                    Instance::Made { unit, .. } => {
                        self.grow(unit, &mut recorded.made);
                        continue;
                    }
                    Instance::Failing { record, unit, reason } => {
                        self.grow(unit, &mut recorded.made);
                        (record, reason)
                    }
                    Instance::Dropped { record, reason } => (record, reason),
                };
                if reason.is_fault() {
                    let template = template.id().map(str::to_owned);
                    recorded.dropped.push(DroppedRecord { template, record, reason: reason.to_string() });
                }
            }
        }
    }

    pub(super) fn keep_records(&mut self, number: u32, records: Arc<Vec<Record>>) {
        let Some(slot) = self.slots.get_mut(number as usize) else { return };
        if slot.records.as_ref() != Some(&records) {
            slot.records = Some(records);
            self.dirty.resources.insert(number);
        }
    }

    /// Records of a local job are jobs of its provider.
    fn make_jobs(&mut self, local: u32, records: &[Record], recorded: &mut Recorded) {
        let Some(parent) = self.entry(local).map(|entry| entry.job.unit.clone()) else { return };
        for (place, record) in records.iter().enumerate() {
            let fields = record.iter().map(|(name, value)| (name.to_owned(), FieldValue::from(value))).collect();
            let unit = Unit::new(parent.namespace(), parent.provider(), fields);
            if *unit.kind() != Kind::Job {
                continue;
            }
            let issues = check::check_with_local(&unit);
            let errors: Vec<_> = issues.iter().filter(|issue| issue.severity == Severity::Error).collect();
            if !errors.is_empty() {
                let reason = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                recorded.dropped.push(DroppedRecord { template: None, record: place, reason });
                continue;
            }
            let id = unit.id().map(str::to_owned);
            let clashes = recorded.made.clashes.len();
            self.grow(unit, &mut recorded.made);
            let added = recorded.made.clashes.get(clashes..).unwrap_or_default();
            if let Some(id) = id.filter(|id| added.iter().all(|clash| clash.id != *id)) {
                self.came_from(&id, local);
            }
        }
    }

    /// The job was made by that local job, unless that was made, over however many others, by the job itself.
    fn came_from(&mut self, job: &str, local: u32) {
        let Some(number) = self.names.find(job) else { return };
        let mut chain = Some(local);
        while let Some(above) = chain {
            if above == number {
                return;
            }
            chain = self.entry(above).and_then(|entry| entry.via);
        }
        if let Some(entry) = self.entry_mut(number).filter(|entry| entry.via != Some(local)) {
            entry.via = Some(local);
            self.dirty.jobs.insert(number);
        }
    }

    /// The records of a resource are these from now on, whether there is such a job or not. Who reads them does not learn of
    /// it before [`Session::settle`] or the next operation that settles, and no template makes units of them.
    pub fn set_records(&mut self, resource: &str, records: Vec<Record>) {
        let number = self.number(resource);
        self.keep_records(number, Arc::new(records));
        self.unsettled.insert(number);
        self.tell(Source::Session, Event::RecordsSet { resource: resource.to_owned() });
    }
}
