//! What a session is to be made from, as it is asked for and as it is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::session::what::{Asked, What};
use crate::domain::fault::Fault;
use crate::domain::session::origin::{FromCatalogue, FromSelection, Named, Origin};
use crate::http::sessions::faults_of_ids;

/// What to do with a selection that was made of other specs than there are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StaleSelection)]
pub enum Stale {
    /// It is taken, with a note.
    Take,
    /// It is refused.
    Refuse,
}

/// What is to be run: at least one of these.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = WhatToRun, example = json!({"selection": "nightly", "stale": "refuse"}))]
pub struct AskedWhat {
    /// The specs that are selected under this tag.
    #[schema(example = "nightly")]
    selection: Option<String>,
    /// What to do if the selection was made of other specs than there are now; taken if left out.
    stale: Option<Stale>,
    /// Specs, by their ids or the beginnings of them.
    specs: Option<Vec<String>>,
    /// Tests of the catalogue.
    catalogue: Option<AskedCatalogue>,
    /// Test plans of the session's units, beside `test_plans`.
    plans: Option<Vec<String>>,
    /// Jobs of the session's units, which must be there.
    jobs: Option<Vec<String>>,
}

/// Tests of the catalogue: those that are named, and those that suites come to.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = TestsToRun, example = json!({"tests": ["net.dns.lookup"], "suites": ["nightly"]}))]
pub struct AskedCatalogue {
    /// The labels of tests.
    tests: Vec<String>,
    /// The labels of suites and directories; the empty one is the whole catalogue.
    suites: Vec<String>,
    /// As of which revision; the latest if left out.
    revision: Option<i64>,
}

impl AskedWhat {
    /// Reads it, and adds what is wrong with it.
    pub(super) fn read(self, faults: &mut Vec<Fault>) -> What {
        let Self { selection, stale, specs, catalogue, plans, jobs } = self;
        let is_nothing =
            selection.is_none() && specs.is_none() && catalogue.is_none() && plans.is_none() && jobs.is_none();
        if is_nothing {
            faults.push(Fault::new("/what", "want at least one of `selection`, `specs`, `catalogue`, `plans`, `jobs`"));
        }
        if stale.is_some() && selection.is_none() {
            faults.push(Fault::new("/what/stale", "only a `selection` can be stale: want one beside it"));
        }
        for (pointer, ids) in [("/what/specs", &specs), ("/what/plans", &plans), ("/what/jobs", &jobs)] {
            if let Some(ids) = ids {
                faults.extend(wrong_list(pointer, ids));
            }
        }
        let asked = catalogue.map(|AskedCatalogue { tests, suites, revision }| {
            faults.extend(faults_of_ids("/what/catalogue/tests", &tests));
            let is_whole = suites.iter().any(String::is_empty);
            if tests.is_empty() && suites.is_empty() {
                faults.push(Fault::new("/what/catalogue", "want `tests`, `suites` or both"));
            } else if !is_whole {
                faults.extend(faults_of_ids("/what/catalogue/suites", &suites));
            }
            Asked { tests, suites, revision }
        });
        What {
            selection,
            refuse_stale: stale == Some(Stale::Refuse),
            specs: specs.unwrap_or_default(),
            catalogue: asked,
            plans: plans.unwrap_or_default(),
            jobs: jobs.unwrap_or_default(),
        }
    }
}

fn wrong_list(pointer: &str, ids: &[String]) -> Vec<Fault> {
    if ids.is_empty() {
        return vec![Fault::new(pointer, "it is empty: want at least one, or leave it out")];
    }
    faults_of_ids(pointer, ids)
}

/// What a session was made from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionOrigin)]
pub struct OriginView {
    /// The selection.
    selection: Option<FromSelectionView>,
    /// The specs that were asked for, those of the selection among them.
    specs: Option<NamedView>,
    /// The tests of the catalogue.
    catalogue: Option<FromCatalogueView>,
    /// The test plans.
    plans: Vec<String>,
    /// The jobs.
    jobs: Vec<String>,
    /// What somebody should know about how it was made.
    #[schema(example = json!(["`mesh` depends on the spec 0a1f86e5, which is not stored"]))]
    notes: Vec<String>,
}

/// The selection that a session was made from, as it stood.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionOriginSelection)]
pub struct FromSelectionView {
    /// Its tag.
    #[schema(example = "nightly")]
    tag: String,
    /// Its revision.
    #[schema(example = 7)]
    revision: i64,
    /// The revision of the specs that it was made of.
    #[schema(example = 41)]
    spec_set_revision: i64,
    /// Whether the specs were still those.
    is_current: bool,
}

/// How many there are, and the ids of the first 1000.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionOriginIds)]
pub struct NamedView {
    /// How many.
    #[schema(example = 1)]
    count: u64,
    /// The first 1000 of them.
    ids: Vec<String>,
}

/// The tests of the catalogue that a session was made from, as they stood.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionOriginCatalogue)]
pub struct FromCatalogueView {
    /// The revision.
    #[schema(example = 12)]
    revision: i64,
    /// The labels of the suites and directories that were asked for.
    suites: NamedView,
    /// The labels of all tests that it came to.
    tests: NamedView,
}

impl From<Origin> for OriginView {
    fn from(origin: Origin) -> Self {
        let Origin { selection, specs, catalogue, plans, jobs, notes } = origin;
        Self {
            selection: selection.map(|FromSelection { tag, revision, spec_set_revision, is_current }| {
                FromSelectionView { tag, revision, spec_set_revision, is_current }
            }),
            specs: specs.map(NamedView::from),
            catalogue: catalogue.map(|FromCatalogue { revision, suites, tests }| FromCatalogueView {
                revision,
                suites: suites.into(),
                tests: tests.into(),
            }),
            plans,
            jobs,
            notes,
        }
    }
}

impl From<Named> for NamedView {
    fn from(Named { count, ids }: Named) -> Self {
        Self { count, ids }
    }
}
