//! What a session was made from.

use serde::{Deserialize, Serialize};

/// The most ids that are told of anything.
pub const MAX_TOLD: usize = 1_000;

/// What a session was made from, beside units that were brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origin {
    /// A selection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<FromSelection>,
    /// Specs, those of the selection among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specs: Option<Named>,
    /// Tests of the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<FromCatalogue>,
    /// Test plans.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<String>,
    /// Jobs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<String>,
    /// What somebody should know about how it was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A selection, as it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromSelection {
    /// Its tag.
    pub tag: String,
    /// Its revision.
    pub revision: i64,
    /// The revision of the specs that it was made of.
    pub spec_set_revision: i64,
    /// Whether the specs were still those.
    pub is_current: bool,
}

/// Things by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// How many.
    pub count: u64,
    /// The first [`MAX_TOLD`] of them.
    pub ids: Vec<String>,
}

impl Named {
    /// These.
    pub fn of<'a>(ids: impl ExactSizeIterator<Item = &'a String>) -> Self {
        Self { count: ids.len() as u64, ids: ids.take(MAX_TOLD).cloned().collect() }
    }
}

/// Tests of the catalogue, as they stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromCatalogue {
    /// The revision.
    pub revision: i64,
    /// The labels of suites and directories that were asked for.
    pub suites: Named,
    /// The labels of all tests that it came to.
    pub tests: Named,
}
