//! Specs made from tests of the catalogue: each test with each set of parameters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Dependency, Spec, Timeouts};
use crate::domain::catalogue::item::Extension;
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::digest::Digest;

#[cfg(test)]
mod tests;

/// The most sets of parameters.
pub const MAX_SETS: usize = 10_000;

/// The ending of the files that specs from the catalogue have: they are no files, and every spec has a path.
const ENDING: &str = "qmt";

/// A test of the catalogue.
#[derive(Clone, Debug)]
pub struct Test<'a> {
    /// Its label.
    pub label: &'a Label,
    /// What it is.
    pub extension: &'a Extension,
}

/// Why no specs are made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// There are too many sets.
    #[error("want at most {MAX_SETS} sets of parameters: the values multiply to more")]
    TooManySets,
    /// A parameter has no values to take.
    #[error("the parameter `{0}` has no values")]
    NoValues(String),
    /// A parameter stands in a set and in the matrix.
    #[error("the parameter `{0}` stands in a set and in the matrix: want it in one of them")]
    Twice(String),
}

/// The sets of parameters that a matrix and a list come to: each set of the list with each way to take one value for each
/// parameter of the matrix. Without either, the one empty set.
///
/// # Errors
/// [`GenerateError`].
pub fn sets(
    matrix: &BTreeMap<String, Vec<Value>>,
    listed: &[BTreeMap<String, Value>],
) -> Result<Vec<BTreeMap<String, Value>>, GenerateError> {
    let mut sets = if listed.is_empty() { vec![BTreeMap::new()] } else { listed.to_vec() };
    if sets.len() > MAX_SETS {
        return Err(GenerateError::TooManySets);
    }
    for (name, values) in matrix {
        if values.is_empty() {
            return Err(GenerateError::NoValues(name.clone()));
        }
        if sets.iter().any(|set| set.contains_key(name)) {
            return Err(GenerateError::Twice(name.clone()));
        }
        if sets.len().saturating_mul(values.len()) > MAX_SETS {
            return Err(GenerateError::TooManySets);
        }
        let with = |set: &BTreeMap<String, Value>| {
            let set = set.clone();
            values.iter().map(move |value| {
                let mut set = set.clone();
                set.insert(name.clone(), value.clone());
                set
            })
        };
        sets = sets.iter().flat_map(with).collect();
    }
    let mut seen = BTreeSet::new();
    sets.retain(|set| seen.insert(Value::from_iter(set.clone()).to_string()));
    Ok(sets)
}

/// The specs of these tests, each with each set, as of a revision of the catalogue. A prerequisite becomes a dependency on
/// the spec of that test with the same set, if the test is among these; one that is not is left out, as QMTest leaves out
/// prerequisites that are not part of a run.
///
/// A spec's content is the test's, so that its id changes with what the test is.
#[must_use]
pub fn specs(tests: &[Test<'_>], sets: &[BTreeMap<String, Value>], revision: i64, timeouts: &Timeouts) -> Vec<Spec> {
    let mut specs = Vec::with_capacity(tests.len().saturating_mul(sets.len()));
    for set in sets {
        let made: BTreeMap<&str, Spec> =
            tests.iter().map(|test| (test.label.as_str(), spec(test, set, revision, timeouts))).collect();
        for test in tests {
            let Some(mut spec) = made.get(test.label.as_str()).cloned() else { continue };
            for (on, outcome) in test.extension.prerequisites() {
                let Some(on) = made.get(on) else { continue };
                let dependency = Dependency { id: on.id.clone(), when: wanted(outcome).to_owned() };
                if !spec.dependencies.contains(&dependency) {
                    spec.dependencies.push(dependency);
                }
            }
            specs.push(spec);
        }
    }
    specs
}

fn spec(test: &Test<'_>, set: &BTreeMap<String, Value>, revision: i64, timeouts: &Timeouts) -> Spec {
    let about = &test.extension.about;
    // An item is written the same way each time: its maps are sorted. Nothing in it could fail to be written.
    let content = serde_json::to_vec(test.extension).unwrap_or_default();
    let command =
        [("class", Value::from(test.extension.class.as_str())), ("catalogue_revision", Value::from(revision))];
    let mut spec = Spec {
        file_path: format!("{}.{ENDING}", test.label.as_str().replace('.', "/")),
        content_sha256: Some(Digest::of(&content)),
        parameters: set.clone(),
        keywords: about.keywords.iter().cloned().collect(),
        owners: about.owner.clone().map(|owner| vec![owner]),
        catalogue_test: Some(test.label.clone()),
        command: Some(command.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()),
        ..Spec::default()
    };
    spec.fill(timeouts);
    spec
}

/// What is wanted of a prerequisite, in the words of specs. A word that is no outcome is wanted as it is, and comes to
/// nothing.
fn wanted(outcome: &str) -> &str {
    match outcome.parse() {
        Ok(Outcome::Pass) => "pass",
        Ok(Outcome::Fail) => "fail",
        Ok(Outcome::Error) => "error",
        Ok(Outcome::Untested) => "skip",
        Err(_) => outcome,
    }
}
