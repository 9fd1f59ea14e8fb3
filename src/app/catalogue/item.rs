//! Items one by one: read, put, removed.

use serde_json::Value as Json;

use crate::app::catalogue::change::{self, Change, Did, NotMade, Terms};
use crate::app::catalogue::{By, Catalogue, check_revision, classes};
use crate::app::condition::OnlyIf;
use crate::app::{AppError, Result, TRIES};
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::class::Classes;
use crate::domain::catalogue::document;
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::fault::Fault;
use crate::store;
use crate::store::catalogue_item::Version;

/// A version of an item, and the classes to show it with.
#[derive(Clone, Debug)]
pub struct Found {
    /// The version.
    pub version: Version,
    /// The classes that were known as of the same revision.
    pub classes: Classes,
}

/// What a put came to.
#[derive(Clone, Debug)]
pub struct Put {
    /// What stands there now.
    pub found: Found,
    /// What was done.
    pub did: Did,
}

/// The item of this name as it is now, or was as of a revision.
///
/// # Errors
/// [`AppError::NotFound`] that names the item or the revision.
pub async fn get(catalogue: &Catalogue, kind: ItemKind, name: &str, revision: Option<i64>) -> Result<Found> {
    let mut db = catalogue.db.read().await?;
    let conn = &mut db.conn();
    if revision.is_some() {
        check_revision(&store::catalogue::state(conn).await?, revision)?;
    }
    let version = store::catalogue_item::get(conn, kind, name, revision).await?;
    let version = version.ok_or_else(|| not_found(kind, name))?;
    Ok(Found { version, classes: classes(conn, revision).await? })
}

/// The error for an item that is not there.
#[must_use]
pub fn not_found(kind: ItemKind, name: &str) -> AppError {
    AppError::NotFound { what: what(kind), id: crate::app::cut(name, 80) }
}

/// What an item is called in messages.
#[must_use]
pub fn what(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Test => "test",
        ItemKind::Resource => "resource",
        ItemKind::Suite => "suite",
        ItemKind::Directory => "directory",
        ItemKind::Expectation => "expectation of a test",
        ItemKind::Class => "registered class",
    }
}

/// Refuses what is no name of an item of this kind.
///
/// # Errors
/// [`AppError::Invalid`] that says what is wrong with it; [`AppError::Conflict`] for a class that is built in.
pub fn check_name(kind: ItemKind, name: &str) -> Result<()> {
    if kind == ItemKind::Class {
        return if builtin::classes().get(name).is_some() {
            Err(AppError::Conflict(format!("the class `{name}` is built in: register yours under another name")))
        } else {
            Ok(())
        };
    }
    let shown = crate::app::cut(name, 80);
    let label: Label = name.parse().map_err(|error| AppError::Invalid(format!("the {kind} `{shown}`: {error}")))?;
    if label.is_root() {
        let words = format!("a {kind} needs a label: the empty one is the whole catalogue, which is always there");
        return Err(AppError::Invalid(words));
    }
    Ok(())
}

/// Puts an item, in the place of what stands there. What is like what stands there makes no revision.
///
/// # Errors
/// [`AppError::Invalid`] for a name, [`AppError::Faults`] for a document, otherwise as [`change::make`].
pub async fn put(
    catalogue: &Catalogue,
    by: &By,
    kind: ItemKind,
    name: &str,
    document: &Json,
    only_if: OnlyIf,
) -> Result<Put> {
    check_name(kind, name)?;
    for _ in 0..TRIES {
        let (state, classes) = catalogue.state_and_classes().await?;
        let item = read(kind, name, document, &classes).map_err(|faults| {
            let what = format!("the {kind} `{}`", crate::app::cut(name, 80));
            AppError::Faults { what, faults }
        })?;
        let change = Change { kind, name: name.to_owned(), item: Some(item), only_if };
        match change::make(catalogue, by, vec![change], Terms::as_of(state.revision)).await {
            Ok(changed) => {
                let did = changed.did.first().copied().unwrap_or(Did::Nothing);
                return Ok(Put { found: get(catalogue, kind, name, Some(changed.revision)).await?, did });
            }
            Err(NotMade::Stale) => {}
            Err(NotMade::Refused(error)) => return Err(error),
        }
    }
    Err(AppError::kept_changing("the catalogue"))
}

/// Reads a document as an item of this name.
///
/// # Errors
/// All faults that were found; there is at least one.
pub fn read(kind: ItemKind, name: &str, document: &Json, classes: &Classes) -> Result<Item, Vec<Fault>> {
    let mut item = document::read(kind, document, classes)?;
    if let Item::Class(class) = &mut item {
        if class.name.is_empty() {
            name.clone_into(&mut class.name);
        } else if class.name != name {
            let detail = format!("the class is named `{name}` by its address: leave the name out, or give the same");
            return Err(vec![Fault::new("/name", detail)]);
        }
        class.check()?;
    }
    Ok(item)
}

/// Removes an item. Suites that name it go on naming it: expanding them says what is missing.
///
/// # Errors
/// [`AppError::NotFound`]; otherwise as [`change::make`].
pub async fn remove(catalogue: &Catalogue, by: &By, kind: ItemKind, name: &str, only_if: OnlyIf) -> Result<i64> {
    if kind == ItemKind::Class {
        check_name(kind, name)?;
    }
    let only_if = match only_if {
        // That there is one is what removing asks for anyway.
        OnlyIf::There => OnlyIf::Any,
        other => other,
    };
    let change = Change { kind, name: name.to_owned(), item: None, only_if };
    match change::make(catalogue, by, vec![change], Terms::as_of(i64::MAX)).await {
        Ok(changed) if changed.did == [Did::Nothing] => Err(not_found(kind, name)),
        Ok(changed) => Ok(changed.revision),
        Err(NotMade::Refused(error)) => Err(error),
        Err(NotMade::Stale) => Err(AppError::kept_changing("the catalogue")),
    }
}
