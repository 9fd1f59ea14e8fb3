//! Many changes at once: a list of items as they are to be, and what is to go. All or none.
//!
//! This is what a folder of files, an import and a bulk request come to. Items are read with the classes as they will be,
//! so that a class and the tests of it can come together.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::app::catalogue::change::{self, Change, Changed, Did, NotMade, Terms};
use crate::app::catalogue::item::{self, check_name};
use crate::app::catalogue::{By, Catalogue};
use crate::app::condition::OnlyIf;
use crate::app::{AppError, MAX_FAULTS, Result, TRIES};
use crate::domain::catalogue::class::Classes;
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::fault::Fault;
use crate::store;

/// A name: a kind, and a label or the name of a class.
pub type Name = (ItemKind, String);

/// What is to be.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Documents, to be read with the classes that there will be.
    Documents(Vec<(Name, Json)>),
    /// Items that have been read.
    Items(Vec<(Name, Item)>),
}

impl Wanted {
    fn names(&self) -> BTreeSet<Name> {
        match self {
            Self::Documents(documents) => documents.iter().map(|(name, _)| name.clone()).collect(),
            Self::Items(items) => items.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// How it is to be done.
#[derive(Clone, Debug)]
pub struct How {
    /// What is to go; what is not there is gone already.
    pub remove: Vec<Name>,
    /// Everything in this directory that is not wanted is to go too; of the root, classes that are not wanted as well.
    pub prune: Option<Label>,
    /// What stays although it is not wanted.
    pub keep: BTreeSet<Name>,
    /// Only if the catalogue is at this revision.
    pub expected_revision: Option<i64>,
    /// Find out what would come of it, and change nothing.
    pub dry_run: bool,
    /// The bytes of attachments are stored already; a dry run of an import stores none.
    pub contents_are_here: bool,
}

impl Default for How {
    fn default() -> Self {
        Self {
            remove: Vec::new(),
            prune: None,
            keep: BTreeSet::new(),
            expected_revision: None,
            dry_run: false,
            contents_are_here: true,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The revision that was made, or would be; the latest one where nothing changes.
    pub revision: i64,
    /// What was done to each item that was named, and to each that was pruned, by kind and name.
    pub done: Vec<(Name, Did)>,
}

/// Brings the catalogue to what is wanted, as one revision.
///
/// # Errors
/// [`AppError::Faults`] with the faults of all documents, each under `/items/N`; [`AppError::PreconditionFailed`] for
/// another revision than the expected; otherwise as [`change::make`].
pub async fn apply(catalogue: &Catalogue, by: &By, wanted: &Wanted, how: &How) -> Result<Applied> {
    for _ in 0..TRIES {
        let (state, known) = catalogue.state_and_classes().await?;
        if let Some(expected) = how.expected_revision.filter(|expected| *expected != state.revision) {
            let words = format!("the catalogue is at revision {} by now, not {expected}", state.revision);
            return Err(AppError::PreconditionFailed(words));
        }
        let changes = changes(catalogue, wanted, how, known).await?;
        let names: Vec<Name> = changes.iter().map(|change| (change.kind, change.name.clone())).collect();
        // What is pruned was worked out from what stood there at this revision.
        let expected_revision = (how.prune.is_some() || how.expected_revision.is_some()).then_some(state.revision);
        let terms = Terms {
            classes_as_of: state.revision,
            expected_revision,
            dry_run: how.dry_run,
            contents_are_here: how.contents_are_here,
        };
        match change::make(catalogue, by, changes, terms).await {
            Ok(Changed { revision, did }) => {
                let mut done: Vec<(Name, Did)> = names.into_iter().zip(did).collect();
                done.sort_by(|(one, _), (other, _)| one.cmp(other));
                return Ok(Applied { revision, done });
            }
            Err(NotMade::Stale) => {}
            Err(NotMade::Refused(error)) => return Err(error),
        }
    }
    Err(AppError::kept_changing("the catalogue"))
}

async fn changes(catalogue: &Catalogue, wanted: &Wanted, how: &How, known: Classes) -> Result<Vec<Change>> {
    let items = match wanted {
        Wanted::Documents(documents) => read(documents, known)?,
        Wanted::Items(items) => items.clone(),
    };
    let put =
        items.into_iter().map(|((kind, name), item)| Change { kind, name, item: Some(item), only_if: OnlyIf::Any });
    let mut changes: Vec<Change> = put.collect();
    let mut named = wanted.names();
    if named.len() < changes.len() {
        return Err(AppError::Invalid("an item stands twice in the list: name each once".to_owned()));
    }
    let mut gone = how.remove.clone();
    if let Some(directory) = &how.prune {
        let unwanted = unwanted(catalogue, directory, &named).await?;
        gone.extend(unwanted.into_iter().filter(|name| !how.keep.contains(name)));
    }
    for (kind, name) in gone {
        if named.insert((kind, name.clone())) {
            changes.push(Change { kind, name, item: None, only_if: OnlyIf::Any });
        } else if how.remove.contains(&(kind, name.clone())) {
            return Err(AppError::Invalid(format!("the {kind} `{name}` is to be put and to be removed: which?")));
        }
    }
    Ok(changes)
}

/// Reads all documents, classes first.
fn read(documents: &[(Name, Json)], mut known: Classes) -> Result<Vec<(Name, Item)>> {
    let (mut items, mut faults) = (Vec::with_capacity(documents.len()), Vec::new());
    for classes in [true, false] {
        for (place, ((kind, name), document)) in documents.iter().enumerate() {
            if classes != (*kind == ItemKind::Class) {
                continue;
            }
            let read = check_name(*kind, name)
                .map_err(|error| vec![Fault::new("", error.to_string())])
                .and_then(|()| item::read(*kind, name, document, &known));
            match read {
                Ok(item) => {
                    if let Item::Class(class) = &item {
                        known.insert(class.clone());
                    }
                    items.push(((*kind, name.clone()), item));
                }
                Err(found) => faults.extend(found.into_iter().map(|Fault { pointer, detail }| {
                    let detail = format!("the {kind} `{}`: {detail}", crate::app::cut(name, 80));
                    Fault::new(pointer, detail).below(&format!("/items/{place}"))
                })),
            }
        }
    }
    faults.truncate(MAX_FAULTS);
    AppError::refuse("the list of items", faults).map(|()| items)
}

/// What stands in a directory, and below it, and is not wanted. A directory that something wanted is in stays.
async fn unwanted(catalogue: &Catalogue, directory: &Label, wanted: &BTreeSet<Name>) -> Result<Vec<Name>> {
    let mut needed: BTreeSet<Label> = BTreeSet::new();
    for (kind, name) in wanted {
        if !matches!(kind, ItemKind::Class | ItemKind::Expectation)
            && let Ok(label) = name.parse::<Label>()
        {
            needed.extend(label.ancestors());
        }
    }
    let mut db = catalogue.db.read().await?;
    let standing = store::catalogue_item::names(&mut db.conn()).await?;
    let is_unwanted = |(kind, name): &Name| {
        if *kind == ItemKind::Class {
            return directory.is_root() && !wanted.contains(&(*kind, name.clone()));
        }
        let Ok(label) = name.parse::<Label>() else { return false };
        label.is_below(directory)
            && !wanted.contains(&(*kind, name.clone()))
            && !(*kind == ItemKind::Directory && needed.contains(&label))
    };
    Ok(standing.into_iter().filter(is_unwanted).collect())
}
