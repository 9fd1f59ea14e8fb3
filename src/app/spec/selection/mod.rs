//! Selections: which specs are selected under a tag, why the others are not, and what that was worked out from.
//!
//! [`put()`] and what stands beside it store them, [`ask`] answers of them, [`rerun()`] plans what to run again.

pub mod ask;
mod choose;
pub mod put;
pub mod rerun;

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::app::spec::Specs;
use crate::app::spec::hook::{Hook, MAX_HOOKS};
use crate::app::{AppError, Result, cut, path_of};
use crate::domain::fault::Fault;
use crate::domain::selection::rule::Rule;
use crate::domain::selection::snapshot::Snapshot;
use crate::store::selection::{Reported, Selection as Stored};

pub use ask::{Checked, Why, check, compare, get, must_be, selected_ids, sentence, snapshot, why};
pub use choose::Warning;
pub use put::{Put, delete, put, refresh, rename};
pub use rerun::{Rerun, rerun, rerun_roots};

/// The name that stands for all specs, under which nothing can be stored.
pub const ALL: &str = ":all:";

/// The longest tag, in characters.
pub const MAX_TAG: usize = 200;

/// The most rules of a selection.
pub const MAX_RULES: usize = 1_000;

/// The most bytes that metadata take as JSON.
const MAX_METADATA: usize = 65_536;

/// What a selection is made of.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Rules, asked of all specs.
    Rules {
        /// The rules.
        rules: Vec<Rule>,
        /// Who is asked beside them.
        hooks: Vec<Hook>,
    },
    /// Whole ids or beginnings of ids. None removes the selection.
    Ids(Vec<String>),
    /// Whole ids, however short, of specs that need not be stored. None removes the selection.
    WholeIds(BTreeSet<String>),
    /// A snapshot: what it has masked is left out, and nothing else. With `anyway` of other specs than it was taken of.
    Snapshot {
        /// The snapshot.
        snapshot: Snapshot,
        /// Whether it is applied although it was taken of other specs.
        anyway: bool,
    },
}

/// A selection as it stands, with the largest groups of what it leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The selection.
    pub selection: Stored,
    /// How many specs are left out for which reason, the largest groups first.
    pub report: Vec<Reported>,
}

pub(super) fn check_tag(tag: &str) -> Result<()> {
    let wrong = if tag == ALL {
        "it stands for all specs: take another name"
    } else if tag.is_empty() {
        "want a name"
    } else if tag.chars().count() > MAX_TAG {
        "want at most 200 characters"
    } else if tag.chars().any(char::is_control) {
        "want no control characters"
    } else if matches!(tag, "." | "..") {
        // Whoever reads an address takes them for directories, percent-encoded too.
        "it cannot stand in an address: take another name"
    } else {
        return Ok(());
    };
    let faults = vec![Fault { pointer: "/tag".to_owned(), detail: wrong.to_owned() }];
    Err(AppError::Faults { what: format!("the tag `{}`", cut(tag, 80)), faults })
}

pub(super) fn check_metadata(metadata: &Map<String, Json>) -> Result<()> {
    let wrong = if metadata.contains_key("tag") {
        "`tag` is told by the service"
    } else if serde_json::to_vec(metadata).map_or(0, |text| text.len()) > MAX_METADATA {
        "want at most 64 KiB"
    } else {
        return Ok(());
    };
    let faults = vec![Fault { pointer: "/metadata".to_owned(), detail: wrong.to_owned() }];
    Err(AppError::Faults { what: "the metadata".to_owned(), faults })
}

/// Reads every expression, so that one which no spec is left for is refused as well.
fn check_rules(rules: &[Rule]) -> Result<()> {
    if rules.len() > MAX_RULES {
        return Err(AppError::Invalid(format!("want at most {MAX_RULES} rules, not {}", rules.len())));
    }
    let faults: Vec<Fault> = rules
        .iter()
        .enumerate()
        .flat_map(|(place, rule)| rule.faults().into_iter().map(move |fault| fault.below(&format!("/rules/{place}"))))
        .collect();
    AppError::refuse("the rules", faults)
}

/// Holds every hook to what it may be.
fn check_hooks(specs: &Specs, hooks: &[Hook]) -> Result<()> {
    if hooks.len() > MAX_HOOKS {
        return Err(AppError::Invalid(format!("want at most {MAX_HOOKS} hooks, not {}", hooks.len())));
    }
    let faults = hooks.iter().enumerate().flat_map(|(place, hook)| {
        let fault = move |(below, detail)| Fault { pointer: format!("/hooks/{place}{below}"), detail };
        hook.faults(&specs.client).into_iter().map(fault)
    });
    AppError::refuse("the hooks", faults.collect())
}

/// What a selection is called, for people.
fn what(tag: &str) -> String {
    format!("selection `{}`", cut(tag, 80))
}

/// Where a selection is, from the root of the service on.
#[must_use]
pub fn path(tag: &str) -> String {
    path_of(&["api", "v1", "selections", tag])
}

fn no_such(tag: &str) -> AppError {
    AppError::NotFound { what: "selection", id: cut(tag, 80) }
}
