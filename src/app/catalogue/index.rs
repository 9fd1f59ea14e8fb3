//! The index of a revision: loaded from the database once, then answered from memory.
//!
//! A process keeps the index of the revision that it was last asked for. It is never wrong: which revision is the latest
//! is read from the database for each question, and a revision never changes.

use std::sync::Arc;

use crate::app::catalogue::{Catalogue, check_revision};
use crate::app::{AppError, Result, blocking};
use crate::domain::catalogue::index::{Entry, Index, Kind, Missing, MissingSuites};
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::store;
use crate::store::catalogue_item::IndexRow;

/// The most ids of a question.
const MAX_IDS: usize = 100_000;

/// The index of a revision, or of the latest, and which it is.
///
/// # Errors
/// [`AppError::NotFound`] for a revision that there has not been.
pub async fn at(catalogue: &Catalogue, revision: Option<i64>) -> Result<(i64, Arc<Index>)> {
    let mut db = catalogue.db.read().await?;
    let conn = &mut db.conn();
    let state = store::catalogue::state(conn).await?;
    check_revision(&state, revision)?;
    let revision = revision.unwrap_or(state.revision);
    if let Some(index) = catalogue.shelf.get(revision) {
        return Ok((revision, index));
    }
    let rows = store::catalogue_item::index(conn, Some(revision)).await?;
    drop(db);
    let index = Arc::new(blocking(move || Ok(Index::new(rows.into_iter().filter_map(entry)))).await?);
    catalogue.shelf.keep(revision, &index);
    Ok((revision, index))
}

/// A row as an entry. A name that is no label cannot be in the database; if it were it would name nothing.
fn entry(row: IndexRow) -> Option<Entry> {
    let label: Label = row.name.parse().ok()?;
    Some(match (row.kind, row.suite) {
        (ItemKind::Test, _) => Entry::Test(label),
        (ItemKind::Resource, _) => Entry::Resource(label),
        (ItemKind::Directory, _) => Entry::Directory(label),
        (ItemKind::Suite, Some(suite)) => match suite.0 {
            Item::Suite(suite) => {
                Entry::Suite { label, test_ids: suite.test_ids, suite_ids: suite.suite_ids, implicit: suite.implicit }
            }
            _ => return None,
        },
        (ItemKind::Suite, None) | (ItemKind::Expectation | ItemKind::Class, _) => return None,
    })
}

/// What a suite or directory holds directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Its tests.
    pub test_ids: Vec<String>,
    /// Its suites and directories.
    pub suite_ids: Vec<String>,
}

/// What a directory holds directly, and as of which revision.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such directory.
pub async fn directory_suite(catalogue: &Catalogue, label: &str, revision: Option<i64>) -> Result<(i64, Members)> {
    let (revision, index) = at(catalogue, revision).await?;
    let no_such = || AppError::NotFound { what: "suite", id: crate::app::cut(label, 80) };
    let parsed: Label = label.parse().map_err(|_| no_such())?;
    let suite = index.suite(&parsed).filter(|suite| suite.directory).ok_or_else(no_such)?;
    let owned = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect();
    Ok((revision, Members { test_ids: owned(suite.test_ids), suite_ids: owned(suite.suite_ids) }))
}

/// What labels come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// As of which revision.
    pub revision: i64,
    /// The tests, by label, each once.
    pub test_ids: Vec<String>,
    /// The suites and directories, by label, each once.
    pub suite_ids: Vec<String>,
    /// What a suite names and is not there: its kind, its id, and the suite.
    pub missing: Vec<(ItemKind, String, String)>,
}

/// Expands labels of tests, suites and directories.
///
/// # Errors
/// [`AppError::Invalid`] that names the label that is neither test nor suite, or the suite that is not there and who names
/// it (unless missing suites are to be reported); [`AppError::NotFound`] for the revision.
pub async fn expand(
    catalogue: &Catalogue,
    ids: &[String],
    revision: Option<i64>,
    missing_suites: MissingSuites,
) -> Result<Expanded> {
    if ids.len() > MAX_IDS {
        return Err(AppError::Invalid(format!("`ids` has more than {MAX_IDS} entries: ask in several requests")));
    }
    let (revision, index) = at(catalogue, revision).await?;
    let expansion = index.expand(ids, missing_suites).map_err(|error| AppError::Invalid(error.to_string()))?;
    let owned = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect();
    let missing = expansion.missing.into_iter().map(|Missing { kind, id, named_by }| {
        let kind = if kind == Kind::Test { ItemKind::Test } else { ItemKind::Suite };
        (kind, id.to_owned(), named_by.to_owned())
    });
    Ok(Expanded {
        revision,
        missing: missing.collect(),
        test_ids: owned(expansion.test_ids),
        suite_ids: owned(expansion.suite_ids),
    })
}

/// The explicit suites that name a test or suite, and as of which revision.
///
/// # Errors
/// [`AppError::NotFound`] for the revision.
pub async fn named_by(
    catalogue: &Catalogue,
    kind: Kind,
    id: &str,
    revision: Option<i64>,
) -> Result<(i64, Vec<String>)> {
    let (revision, index) = at(catalogue, revision).await?;
    let suites = index.referrers(kind, id).into_iter().map(str::to_owned).collect();
    Ok((revision, suites))
}
