//! Specs made from the catalogue.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::app::catalogue::index as catalogue_index;
use crate::app::spec::Specs;
use crate::app::spec::put::{Closed, MAX_SPECS, Put, write};
use crate::app::{AppError, Result, blocking};
use crate::domain::catalogue::index::MissingSuites;
use crate::domain::catalogue::item::{Extension, Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::fault::Fault;
use crate::domain::spec::check::check;
use crate::domain::spec::generate::{Test, sets, specs as made};
use crate::store;

/// What specs are to be made of.
#[derive(Clone, Debug, Default)]
pub struct Generate {
    /// Labels of tests, suites and directories; the empty one is the whole catalogue.
    pub ids: Vec<String>,
    /// For each parameter the values that it takes, in every combination.
    pub matrix: BTreeMap<String, Vec<Json>>,
    /// Sets of parameters, each of which is combined with the matrix.
    pub sets: Vec<BTreeMap<String, Json>>,
    /// As of which revision of the catalogue; now where it is left out.
    pub revision: Option<i64>,
    /// Make nothing, and say what would be made.
    pub dry_run: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// As of which revision of the catalogue.
    pub catalogue_revision: i64,
    /// What came of writing them; of a dry run nothing is new and nothing replaced.
    pub put: Put,
    /// Tests that a suite names and that are not there.
    pub missing: Vec<String>,
}

/// Makes a spec of each test that the labels come to with each set of parameters, and writes them.
///
/// # Errors
/// As [`catalogue_index::expand`] for the labels; [`AppError::Invalid`] for the parameters, or if they come to more than
/// [`MAX_SPECS`]; [`AppError::Faults`] if a spec would be none; otherwise as [`write()`].
pub async fn generate(specs: &Specs, wanted: &Generate) -> Result<Generated> {
    let expanded =
        catalogue_index::expand(&specs.catalogue, &wanted.ids, wanted.revision, MissingSuites::Refuse).await?;
    let sets = sets(&wanted.matrix, &wanted.sets).map_err(|error| AppError::Invalid(error.to_string()))?;
    let count = expanded.test_ids.len().saturating_mul(sets.len());
    if count > MAX_SPECS {
        return Err(AppError::Invalid(format!("it comes to {count} specs: want at most {MAX_SPECS}")));
    }
    let versions = {
        let mut db = specs.db.read().await?;
        store::catalogue_item::all(&mut db.conn(), &[ItemKind::Test], Some(expanded.revision)).await?
    };
    let mut items: BTreeMap<String, Extension> = versions
        .into_iter()
        .filter_map(|version| match version.document.0 {
            Item::Test(extension) => Some((version.name, extension)),
            _ => None,
        })
        .collect();
    let mut missing = Vec::new();
    let mut tests: Vec<(Label, Extension)> = Vec::new();
    for id in expanded.test_ids {
        match (id.parse(), items.remove(&id)) {
            (Ok(label), Some(extension)) => tests.push((label, extension)),
            _ => missing.push(id),
        }
    }
    let (timeouts, revision) = (std::sync::Arc::clone(&specs.timeouts), expanded.revision);
    let batch = blocking(move || {
        let tests: Vec<Test<'_>> = tests.iter().map(|(label, extension)| Test { label, extension }).collect();
        let batch = made(&tests, &sets, revision, &timeouts);
        for spec in &batch {
            check(spec)
                .map_err(|faults: Vec<Fault>| AppError::Faults { what: format!("the spec {}", spec.name()), faults })?;
        }
        Ok(batch)
    })
    .await?;
    let put = if wanted.dry_run {
        let ids = batch.into_iter().map(|spec| spec.id).collect();
        let mut db = specs.db.read().await?;
        Put { revision: store::spec::state(&mut db.conn()).await?.revision, created: 0, replaced: 0, ids }
    } else {
        write(specs, batch, Closed::Yes).await?
    };
    Ok(Generated { catalogue_revision: revision, put, missing })
}
