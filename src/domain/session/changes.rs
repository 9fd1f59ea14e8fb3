//! A session as rows: what one process changed, for others to keep and to take in.
//!
//! [`Session::take_changes`](super::Session::take_changes) gives all rows that differ since it was last asked,
//! [`Session::absorb`](super::Session::absorb) takes rows in that somebody else wrote, and
//! [`Session::rows`](super::Session::rows) gives all there are. Nothing of a session is outside its rows but the values
//! of [`Session::compute_shared`](super::Session::compute_shared), which each process computes for itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::event::EventRow;
use super::inhibitor::Inhibitor;
use super::metadata::{Blob, Metadata};
use super::outcome::Outcome;
use super::problem::Problem;
use super::report::Report;
use crate::domain::program::Record;
use crate::domain::unit::{Effective, Unit};

/// Rows that differ. A row stands in place of the one of the same key; a member that is `None` did not change.
///
/// Rows are in the order of their keys, and each stands once. First what is removed goes, then what is there comes: a job
/// that was removed and added again is in both. With a job its history goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    /// Title, flags and the like: [`Metadata::brief`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// What an application keeps; inside, `None` if it took that away.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub app_blob: Option<Option<Blob>>,
    /// The jobs that somebody took away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_jobs: Option<Vec<String>>,
    /// What is next and what waits; it changes with nearly everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// The device context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextRow>,
    /// The answers of the machine's manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<BTreeMap<String, Value>>,
    /// The ids of the desired jobs, repetitions kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Vec<String>>,
    /// The ids of the mandatory jobs; they need not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mandatory: Option<Vec<String>>,
    /// What is wrong with what was desired last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<Problem>>,
    /// Positions of units that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units_removed: Vec<u64>,
    /// Units. The key is the position.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<UnitRow>,
    /// Ids of jobs that are gone, with all their rows of `history`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs_removed: Vec<String>,
    /// Jobs and how they stand. The key is the id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobRow>,
    /// Results. The key is the job's id and the number; rows never change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryRow>,
    /// Ids of resources that have no entry any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources_removed: Vec<String>,
    /// Entries of resources. The key is the id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceRow>,
    /// What happened, in order. The key is the number; rows never change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventRow>,
}

/// A member that is there, `null` or not.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Changes {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is next, and what waits to be settled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counters {
    /// The position of the next unit.
    pub next_unit: u64,
    /// The position of the next job.
    pub next_job: u64,
    /// The number of the next event.
    pub next_event: u64,
    /// Ids of what changed while readiness was not computed anew; [`Session::settle`](super::Session::settle) does it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsettled: Vec<String>,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitRow {
    /// Its place in the list of units; a place is never used twice.
    pub position: u64,
    /// The unit.
    pub unit: Unit,
    /// Its job was trimmed: the list of units keeps it, the device context does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trimmed: bool,
}

/// A job, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// Its place in the list of jobs; a place is never used twice.
    pub position: u64,
    /// The position of its unit.
    pub unit: u64,
    /// What its current result says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The number of its current result in its history; `None` if it has none, or a hollow one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<u32>,
    /// How many results its history holds.
    #[serde(default)]
    pub results: u32,
    /// Why its manifest entries and its resources hold it up, while it is on the run list. What it waits for otherwise
    /// follows from the outcomes of other jobs and stands in no row: [`Session::why`](super::Session::why) tells it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Inhibitor>,
    /// Whether it can start: it is on the run list, nothing holds it up, and attempts are left.
    pub can_start: bool,
    /// What its fields, the test plans and `overridden` came to.
    pub effective: Effective,
    /// What was overridden by hand.
    #[serde(default, skip_serializing_if = "Overridden::is_empty")]
    pub overridden: Overridden,
    /// How often it may be begun yet.
    pub attempts: u32,
    /// The local job that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Its place in the run list, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_position: Option<u32>,
    /// Whether its siblings were made, so that it runs before what they wait for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grown: bool,
}

/// Fields that were overridden by hand: these go before what test plans say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overridden {
    /// The category, a full id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_id: Option<String>,
    /// The certification status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certification_status: Option<String>,
    /// Whether it may be tried again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_retry: Option<String>,
}

impl Overridden {
    /// Whether nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A result of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryRow {
    /// The job's id.
    pub job: String,
    /// Its place in the job's history, from 0.
    pub number: u32,
    /// The result.
    pub report: Report,
}

/// The records of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRow {
    /// The full id of the resource; no job need have it.
    pub id: String,
    /// The records, in order.
    pub records: Vec<Record>,
}

/// The device context that is around a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextRow {
    /// Whether there is one. Without one, nothing is told by it.
    pub present: bool,
    /// The providers that were added, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// The ids of the test plans that were set last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<String>,
    /// What the plans override, in the order in which it is applied: patterns of job ids, each with fields and values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<(String, Vec<(String, String)>)>,
}

/// Rows that do not fit what is there. Rows before the one that is told may have been taken in: make the session anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rows do not belong together: {0}")]
pub struct Misfit(pub String);
