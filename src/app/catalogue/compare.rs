//! Results beside what the catalogue expects of them.

use std::collections::BTreeMap;

use crate::app::catalogue::{Catalogue, check_revision};
use crate::app::{AppError, Result};
use crate::domain::catalogue::expectation::{self, Statistics};
use crate::domain::catalogue::item::{Expectation, Item, ItemKind};
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::fault::Fault;
use crate::domain::status::Status;
use crate::store;

/// A result beside what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The test's label.
    pub test: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What was expected.
    pub expected: Outcome,
    /// Why that was expected.
    pub cause: Option<String>,
    /// The two in a word.
    pub word: String,
}

/// Results beside what was expected.
#[derive(Clone, Debug)]
pub struct Compared {
    /// As of which revision.
    pub revision: i64,
    /// How many there are, of each outcome and in all.
    pub statistics: Statistics,
    /// Each, those that are not as expected first, then by outcome and label.
    pub results: Vec<Comparison>,
}

/// Compares results, pairs of a test's label and an outcome or a KCIDB status, with what is expected as of a revision.
///
/// # Errors
/// [`AppError::Faults`] for outcomes that are none; [`AppError::NotFound`] for the revision.
pub async fn compare(catalogue: &Catalogue, results: &[(String, String)], revision: Option<i64>) -> Result<Compared> {
    let mut faults = Vec::new();
    let mut read = Vec::with_capacity(results.len());
    for (place, (test, word)) in results.iter().enumerate() {
        let outcome =
            word.parse::<Outcome>().or_else(|error| word.parse::<Status>().map(Outcome::of).map_err(|_| error));
        match outcome {
            Ok(outcome) => read.push((test.as_str(), outcome)),
            Err(error) => {
                faults.push(Fault::new(format!("/results/{place}/outcome"), error.to_string()));
            }
        }
    }
    AppError::refuse("the results", faults)?;
    let (state, versions) = {
        let mut db = catalogue.db.read().await?;
        let conn = &mut db.conn();
        let state = store::catalogue::state(conn).await?;
        check_revision(&state, revision)?;
        (state, store::catalogue_item::all(conn, &[ItemKind::Expectation], revision).await?)
    };
    let expected: BTreeMap<String, Expectation> = versions
        .into_iter()
        .filter_map(|version| match version.document.0 {
            Item::Expectation(expectation) => Some((version.name, expectation)),
            _ => None,
        })
        .collect();
    let mut statistics = Statistics::default();
    let mut results: Vec<Comparison> = read
        .into_iter()
        .map(|(test, outcome)| {
            let known = expected.get(test);
            let expected = known.map_or(Outcome::Pass, |known| known.outcome);
            statistics.add(outcome, expected);
            let cause = known.and_then(|known| known.cause.clone());
            let word = expectation::shown(outcome, expected);
            Comparison { test: test.to_owned(), outcome, expected, cause, word }
        })
        .collect();
    let order = |it: &Comparison| (it.outcome == it.expected, it.outcome);
    results.sort_by(|one, other| order(one).cmp(&order(other)).then_with(|| one.test.cmp(&other.test)));
    Ok(Compared { revision: revision.unwrap_or(state.revision), statistics, results })
}
