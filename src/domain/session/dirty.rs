//! What changed since the changes were last taken.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::Counters;

/// What stands once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Once {
    /// All of it but what the next two are.
    Metadata,
    Blob,
    Rejected,
    Context,
    Manifest,
    Desired,
    Mandatory,
    Problems,
    /// Only while rows are taken in: places in the run list.
    RunList,
}

/// What changed: keys of rows, and which parts that stand once.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirty {
    pub(super) once: BTreeSet<Once>,
    pub(super) units: BTreeSet<u64>,
    pub(super) units_removed: BTreeSet<u64>,
    pub(super) jobs: BTreeSet<u32>,
    pub(super) jobs_removed: BTreeSet<u32>,
    /// Of each job the first result that was not taken.
    pub(super) history: BTreeMap<u32, u32>,
    pub(super) resources: BTreeSet<u32>,
    pub(super) resources_removed: BTreeSet<u32>,
    /// What the counters were.
    pub(super) taken: Counters,
}
