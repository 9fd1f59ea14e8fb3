//! A session on its way out of the service and into it again: suspended, and resumed over units that may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::{ContextRow, Overridden};
use super::dirty::Once;
use super::members::Added;
use super::metadata::{Metadata, SETTING_UP};
use super::problem::Clash;
use super::report::Report;
use super::state::{ATTEMPTS, Session};
use crate::domain::program::Record;
use crate::domain::unit::Unit;

/// The version of images that are written, and the only one that is read.
pub const VERSION: u64 = 1;

/// A suspended session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// [`VERSION`].
    pub version: u64,
    /// What is in it.
    pub session: Stored,
}

/// What is in an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The checksums of the jobs that have results, are on the run list or were rejected; while the session is being set
    /// up, of all.
    pub jobs: BTreeMap<String, String>,
    /// The results of those that have any, the oldest first.
    pub results: BTreeMap<String, Vec<Report>>,
    /// The ids of the desired jobs.
    pub desired_job_list: Vec<String>,
    /// The ids of the mandatory jobs; they need not be there.
    pub mandatory_job_list: Vec<String>,
    /// What applications noted.
    pub metadata: Metadata,
    /// How jobs stand where that does not follow from their results.
    #[serde(default)]
    pub states: BTreeMap<String, StoredState>,
    /// The records of resources.
    #[serde(default)]
    pub records: BTreeMap<String, Vec<Record>>,
    /// The answers of the machine's manifest.
    #[serde(default)]
    pub manifest: BTreeMap<String, Value>,
    /// The device context.
    #[serde(default)]
    pub context: ContextRow,
    /// The list of units without trimmed jobs, for those who have no other to resume with.
    #[serde(default)]
    pub units: Vec<Unit>,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoredState {
    /// How often it may be begun yet.
    pub attempts: u32,
    /// What was overridden by hand.
    pub overridden: Overridden,
    /// The local job that made it.
    pub via: Option<String>,
    /// Whether its results were taken away: the last one is not its current one.
    pub hollow: bool,
}

impl Default for StoredState {
    fn default() -> Self {
        Self { attempts: ATTEMPTS, overridden: Overridden::default(), via: None, hollow: false }
    }
}

/// Why an image is not resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresumable {
    /// It is no image, or what is in it does not belong together.
    #[error("the image is damaged: {0}")]
    Corrupted(String),
    /// It is of another version.
    #[error("the image has version {0}; want {VERSION}")]
    IncompatibleSession(u64),
    /// Jobs are not what they were.
    #[error("these jobs changed since the session was suspended: {}", .0.join(", "))]
    IncompatibleJobs(Vec<String>),
    /// The units cannot be those of one session.
    #[error(transparent)]
    Clash(#[from] Clash),
}

fn corrupted(what: impl Into<String>) -> Unresumable {
    Unresumable::Corrupted(what.into())
}

impl Image {
    /// Reads an image.
    ///
    /// # Errors
    /// [`Unresumable::Corrupted`] and [`Unresumable::IncompatibleSession`].
    pub fn read(bytes: &[u8]) -> Result<Self, Unresumable> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| corrupted(format!("no JSON: {error}")))?;
        let version = value.get("version").ok_or_else(|| corrupted("it has no `version`"))?;
        let version = version.as_u64().ok_or_else(|| corrupted("its `version` is no whole number"))?;
        if version != VERSION {
            return Err(Unresumable::IncompatibleSession(version));
        }
        let image: Self = serde_json::from_value(value).map_err(|error| corrupted(error.to_string()))?;
        for (job, results) in &image.session.results {
            if !image.session.jobs.contains_key(job) {
                return Err(corrupted(format!("results of `{job}`, which is not among the jobs")));
            }
            let unknown = |report: &&Report| report.outcome.as_ref().is_some_and(|outcome| !outcome.is_known());
            if let Some(outcome) = results.iter().find(unknown).and_then(|report| report.outcome.as_ref()) {
                return Err(corrupted(format!("`{job}` came to `{outcome}`, which is no outcome")));
            }
        }
        Ok(image)
    }
}

impl Session {
    /// The image of the session: all that is needed to resume it.
    #[must_use]
    pub fn image(&self) -> Image {
        let all = self.metadata.flags.contains(SETTING_UP);
        let mut stored = Stored {
            desired_job_list: self.texts(&self.desired),
            mandatory_job_list: self.texts(&self.mandatory),
            metadata: self.metadata.clone(),
            manifest: self.manifest.clone(),
            context: self.context.clone(),
            units: self.units.values().filter(|held| !held.trimmed).map(|held| held.unit.clone()).collect(),
            ..Stored::default()
        };
        let rejected: BTreeSet<&String> = self.metadata.rejected_jobs.iter().collect();
        for entry in self.order.values().filter_map(|number| self.entry(*number)) {
            let id = &entry.job.id;
            if all || entry.run_position.is_some() || !entry.history.is_empty() || rejected.contains(id) {
                stored.jobs.insert(id.clone(), entry.job.unit.checksum().to_owned());
            }
            if !entry.history.is_empty() {
                let history = entry.history.iter().map(|report| report.as_ref().clone());
                stored.results.insert(id.clone(), history.collect());
            }
            let state = StoredState {
                attempts: entry.attempts,
                overridden: entry.overridden.clone(),
                via: entry.via.map(|via| self.names.text(via).to_owned()),
                hollow: entry.result.is_none() && !entry.history.is_empty(),
            };
            if state != StoredState::default() {
                stored.states.insert(id.clone(), state);
            }
        }
        let records = self.resources().into_iter();
        stored.records = records.map(|(id, records)| (id.to_owned(), records.to_vec())).collect();
        Image { version: VERSION, session: stored }
    }

    /// A session over these units that stands where the image was taken: each result is recorded again, so that what was
    /// made of them is there again, and what was desired is selected again. Jobs that are neither on the run list nor in
    /// the image are not in it.
    ///
    /// A job that is in the image must be among the units or be made by them, and be the same as it was, unless
    /// `ignore_checksums` lets it differ.
    ///
    /// # Errors
    /// [`Unresumable`].
    pub fn resume(image: &Image, units: Vec<Unit>, ignore_checksums: bool) -> Result<Self, Unresumable> {
        let stored = &image.session;
        let mut session = Self::new(units)?;
        session.set_metadata(stored.metadata.clone());
        session.save_manifest(stored.manifest.clone());
        session.absorb_context(stored.context.clone()).map_err(|error| corrupted(error.to_string()))?;
        session.dirty.once.insert(Once::Context);
        let jobs: Vec<Unit> = session.jobs().map(|job| job.job().unit.clone()).collect();
        for job in jobs {
            session.grow(job, &mut Added::default());
        }
        session.record_again(stored, ignore_checksums)?;
        // Recording takes the running job for ended.
        session.set_metadata(stored.metadata.clone());
        if let Some(unknown) = stored.desired_job_list.iter().find(|id| session.job(id).is_none()) {
            return Err(corrupted(format!("`{unknown}` is desired, and is not there")));
        }
        session.set_mandatory(&stored.mandatory_job_list);
        session.select(&stored.desired_job_list, false);
        let lost = session.order.values().copied().filter(|number| {
            session
                .entry(*number)
                .is_some_and(|entry| entry.run_position.is_none() && !stored.jobs.contains_key(&entry.job.id))
        });
        let lost: Vec<u32> = lost.collect();
        session.drop_jobs(&lost);
        session.take_states(stored);
        session.refresh();
        session.events.clear();
        session.next_event = 0;
        Ok(session)
    }

    fn record_again(&mut self, stored: &Stored, ignore_checksums: bool) -> Result<(), Unresumable> {
        let mut waiting: Vec<(&String, &String)> = stored.jobs.iter().collect();
        let mut changed = Vec::new();
        while !waiting.is_empty() {
            let mut unknown = Vec::new();
            let before = waiting.len();
            for (id, checksum) in waiting {
                let Some(job) = self.job(id) else {
                    unknown.push((id, checksum));
                    continue;
                };
                if !ignore_checksums && job.job().unit.checksum() != checksum {
                    changed.push(id.clone());
                }
                for report in stored.results.get(id).into_iter().flatten() {
                    let recorded = self.record(id, report.clone());
                    recorded.map_err(|error| corrupted(error.to_string()))?;
                }
            }
            if unknown.len() == before {
                let ids: Vec<&str> = unknown.iter().map(|(id, _)| id.as_str()).collect();
                return Err(corrupted(format!("these jobs are not there: {}", ids.join(", "))));
            }
            waiting = unknown;
        }
        if changed.is_empty() { Ok(()) } else { Err(Unresumable::IncompatibleJobs(changed)) }
    }

    fn take_states(&mut self, stored: &Stored) {
        for (id, state) in &stored.states {
            let via = state.via.as_ref().and_then(|via| self.names.find(via));
            let Some(number) = self.names.find(id).filter(|number| self.entry(*number).is_some()) else { continue };
            if state.hollow {
                self.set_result(number, None);
            }
            if let Some(entry) = self.entry_mut(number) {
                entry.attempts = state.attempts;
                entry.overridden = state.overridden.clone();
                entry.via = via;
            }
            self.dirty.jobs.insert(number);
        }
        for (id, records) in &stored.records {
            let number = self.number(id);
            self.keep_records(number, Arc::new(records.clone()));
        }
        for number in self.order.values().copied().collect::<Vec<_>>() {
            self.override_by_plans(number);
        }
    }
}
