//! What to run again: the specs that a strategy picks, and what that takes.

use std::collections::BTreeSet;

use crate::app::spec::{Specs, find, index, result};
use crate::app::{AppError, Result, cut};
use crate::domain::selection::runtime::Strategy;
use crate::domain::spec_result::status::Category;

/// What to run again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rerun {
    /// The specs to run: those asked for, and all that depends on them.
    pub run: BTreeSet<String>,
    /// What those depend on beside: only its earlier results are needed.
    pub upstream_only: BTreeSet<String>,
}

/// The specs that a strategy picks, of all or of those that are selected under a tag: of none if there is no such tag.
///
/// # Errors
/// If the database fails.
pub async fn rerun_roots(specs: &Specs, strategy: &Strategy, tag: Option<&str>) -> Result<BTreeSet<String>> {
    let (_, table) = index::latest(specs).await?;
    let partials = result::partials_of(specs, &table, tag).await?;
    let category = |partial: &result::Partial| partial.newest.as_ref().map(|newest| newest.category);
    let is_changed = |partial: &result::Partial| match (&partial.newest, table.place(&partial.id)) {
        (Some(newest), Some(place)) => result::is_changed_since(&table, place, newest),
        _ => true,
    };
    let picks = |partial: &result::Partial| match strategy {
        Strategy::All => true,
        Strategy::Failed => category(partial) == Some(Category::Fail),
        Strategy::NotPass => category(partial) != Some(Category::Pass),
        Strategy::NotRun => matches!(category(partial), None | Some(Category::None)),
        Strategy::Changed => is_changed(partial),
        Strategy::Ids(ids) => ids.contains(&partial.id),
    };
    Ok(partials.into_iter().filter(picks).map(|partial| partial.id).collect())
}

/// What running these specs again takes. Nothing for nothing.
///
/// # Errors
/// [`AppError::NotFound`] for the first that is not stored.
pub async fn rerun(specs: &Specs, roots: &BTreeSet<String>) -> Result<Rerun> {
    let (_, table) = index::latest(specs).await?;
    if let Some(unknown) = roots.iter().find(|id| table.place(id).is_none()) {
        return Err(AppError::NotFound { what: "spec", id: cut(unknown, 80) });
    }
    let find::Closure { upstream, downstream } = find::closure_in(&table, roots, find::Way::UpDown);
    let run: BTreeSet<String> = roots.iter().cloned().chain(downstream).collect();
    let upstream_only = upstream.into_iter().filter(|id| !run.contains(id)).collect();
    Ok(Rerun { run, upstream_only })
}
