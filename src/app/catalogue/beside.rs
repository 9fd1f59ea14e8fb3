//! Files beside items: an attachment is part of its item, so that changing one makes a new version of the item.

use crate::app::catalogue::change::{self, Change, NotMade, Terms};
use crate::app::catalogue::item::{get as get_item, what};
use crate::app::catalogue::{By, Catalogue};
use crate::app::condition::OnlyIf;
use crate::app::{AppError, Result, TRIES, cut};
use crate::domain::catalogue::document;
use crate::domain::catalogue::item::{About, Item, ItemKind};
use crate::domain::catalogue::value::Attachment;

/// What is beside an item under this file name, now or as of a revision.
///
/// # Errors
/// [`AppError::NotFound`] that names the item or the file.
pub async fn get(
    catalogue: &Catalogue,
    kind: ItemKind,
    name: &str,
    filename: &str,
    revision: Option<i64>,
) -> Result<Attachment> {
    let found = get_item(catalogue, kind, name, revision).await?;
    let about = found.version.document.about();
    about.and_then(|about| about.attachments.get(filename)).cloned().ok_or_else(|| no_such_file(kind, name, filename))
}

fn no_such_file(kind: ItemKind, name: &str, filename: &str) -> AppError {
    AppError::NotFound { what: "attachment", id: format!("{}` of the {} `{name}", cut(filename, 80), what(kind)) }
}

/// Whether a file of this name can be put beside the item.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`] for a file name that is a path or no name, and for items that have no
/// files.
pub async fn check(catalogue: &Catalogue, kind: ItemKind, name: &str, filename: &str) -> Result<()> {
    document::check_filename(filename).map_err(|fault| AppError::Invalid(format!("the attachment's name {fault}")))?;
    let found = get_item(catalogue, kind, name, None).await?;
    if found.version.document.about().is_none() {
        return Err(AppError::Invalid(format!("a {kind} has no files beside it: tests, resources and suites have")));
    }
    Ok(())
}

/// Puts a file beside an item; returns the revision that the item is of now.
///
/// # Errors
/// As [`check()`]; otherwise as [`change::make`].
pub async fn put(
    catalogue: &Catalogue,
    by: &By,
    kind: ItemKind,
    name: &str,
    attachment: Attachment,
    only_if: OnlyIf,
) -> Result<i64> {
    document::check_attachment(&attachment).map_err(|faults| AppError::Faults {
        what: format!("the attachment `{}`", cut(&attachment.filename, 80)),
        faults,
    })?;
    edit(catalogue, by, kind, name, only_if, |about| {
        about.attachments.insert(attachment.filename.clone(), attachment.clone());
        Ok(())
    })
    .await
}

/// Removes a file from beside an item; returns the revision that the item is of now.
///
/// # Errors
/// [`AppError::NotFound`]; otherwise as [`change::make`].
pub async fn remove(
    catalogue: &Catalogue,
    by: &By,
    kind: ItemKind,
    name: &str,
    filename: &str,
    only_if: OnlyIf,
) -> Result<i64> {
    edit(catalogue, by, kind, name, only_if, |about| match about.attachments.remove(filename) {
        Some(_) => Ok(()),
        None => Err(no_such_file(kind, name, filename)),
    })
    .await
}

/// Edits what is known about an item. What somebody else changes meanwhile is not lost: the edit is made anew on that.
async fn edit(
    catalogue: &Catalogue,
    by: &By,
    kind: ItemKind,
    name: &str,
    only_if: OnlyIf,
    edit: impl Fn(&mut About) -> Result<()>,
) -> Result<i64> {
    for _ in 0..TRIES {
        let found = get_item(catalogue, kind, name, None).await?;
        let since = found.version.since_revision;
        let mut item = found.version.document.0;
        let about = match &mut item {
            Item::Test(extension) | Item::Resource(extension) => &mut extension.about,
            Item::Suite(suite) => &mut suite.about,
            Item::Directory | Item::Expectation(_) | Item::Class(_) => return Err(no_such_file(kind, name, "")),
        };
        edit(about)?;
        // The caller's own condition is judged by the change itself; else what was just read must still stand.
        let only_if = match only_if {
            OnlyIf::Any | OnlyIf::There => OnlyIf::Version(since),
            condition => condition,
        };
        let change = Change { kind, name: name.to_owned(), item: Some(item), only_if };
        match change::make(catalogue, by, vec![change], Terms::as_of(i64::MAX)).await {
            Ok(changed) if changed.did == [change::Did::Nothing] => return Ok(since),
            Ok(changed) => return Ok(changed.revision),
            Err(NotMade::Refused(AppError::PreconditionFailed(_))) if only_if == OnlyIf::Version(since) => {}
            Err(NotMade::Refused(error)) => return Err(error),
            Err(NotMade::Stale) => {}
        }
    }
    Err(AppError::kept_changing("the catalogue"))
}
