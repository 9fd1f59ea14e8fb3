//! Changes of the catalogue: as many as belong together in one transaction, which makes one revision.
//!
//! Changes are made one after the other: each locks the catalogue's row. What is checked here is what only the database
//! knows (what stands there now, who uses a class, which contents there are); whether a document makes sense is the
//! domain's to say, before.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::catalogue::{By, Catalogue};
use crate::app::condition::OnlyIf;
use crate::app::{AppError, Result};
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::class::Class;
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::value::Source;
use crate::domain::fault::Fault;
use crate::store::catalogue::Revision;
use crate::store::catalogue_item::{NewVersion, Version};
use crate::store::{self, Conn};

/// A change of one item.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its kind.
    pub kind: ItemKind,
    /// Its name: a label, or of a class the class's name.
    pub name: String,
    /// What is to stand there; `None` to remove what does.
    pub item: Option<Item>,
    /// How it must stand.
    pub only_if: OnlyIf,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// There was none.
    Created,
    /// There was another.
    Replaced,
    /// It is gone.
    Removed,
    /// It stood there like that already, or was not there to be removed.
    Nothing,
}

/// What came of all changes.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The revision that they made; the latest one where nothing changed.
    pub revision: i64,
    /// What came of each, in their order.
    pub did: Vec<Did>,
}

/// Under which conditions changes are made.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The revision as of whose classes the items were read.
    pub classes_as_of: i64,
    /// The revision that the catalogue must be at, where the changes were worked out from what stood there then.
    pub expected_revision: Option<i64>,
    /// Find out what would come of it, and change nothing.
    pub dry_run: bool,
    /// The bytes of attachments are stored already, and are looked for.
    pub contents_are_here: bool,
}

impl Terms {
    /// For a change of what was read with the classes as of this revision.
    #[must_use]
    pub const fn as_of(revision: i64) -> Self {
        Self { classes_as_of: revision, expected_revision: None, dry_run: false, contents_are_here: true }
    }
}

/// Why changes were not made.
#[derive(Debug)]
pub enum NotMade {
    /// The catalogue, or a class in it, has changed meanwhile: read again and try again.
    Stale,
    /// They may not be made.
    Refused(AppError),
}

impl<E: Into<AppError>> From<E> for NotMade {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Above so many names of a kind all its items are read rather than those.
const MANY: usize = 2_000;

/// Makes these changes, all or none; each name stands once among those of its kind. Directories above what is put are
/// made too.
///
/// # Errors
/// [`NotMade::Stale`]; [`AppError::ReadOnly`]; [`AppError::PreconditionFailed`]; [`AppError::Conflict`] that names the
/// two that do not go together; [`AppError::Faults`] for attachments whose bytes are not here.
pub async fn make(catalogue: &Catalogue, by: &By, mut changes: Vec<Change>, terms: Terms) -> Result<Changed, NotMade> {
    let mut tx = catalogue.db.begin().await?;
    let conn = &mut tx.conn();
    let state = store::catalogue::lock(conn).await?;
    if let Some(reason) = &state.read_only_reason {
        return Err(NotMade::Refused(AppError::ReadOnly(format!("the catalogue is read-only: {reason}"))));
    }
    if terms.expected_revision.is_some_and(|expected| expected != state.revision) {
        return Err(NotMade::Stale);
    }
    let asked = changes.len();
    add_directories(conn, &mut changes).await?;
    let present = present(conn, &changes).await?;
    let did = changes.iter().map(|change| what_it_does(change, &present)).collect::<Result<Vec<_>>>()?;
    let made: Vec<(&Change, Did)> =
        changes.iter().zip(did.iter().copied()).filter(|(_, did)| *did != Did::Nothing).collect();
    let revision = if made.is_empty() { state.revision } else { state.revision + 1 };
    if !made.is_empty() {
        check_classes(conn, &made, terms.classes_as_of).await?;
        if terms.contents_are_here {
            keep_contents(conn, &made).await?;
        }
        let items = items_after(catalogue, state.items, &made)?;
        let new =
            Revision { revision, created_at: catalogue.now(), author: by.author.clone(), message: by.message.clone() };
        store::catalogue::begin_revision(conn, &new, items).await?;
        write(conn, &made, revision).await?;
        check_emptied(conn, &made).await?;
    }
    if terms.dry_run {
        drop(tx);
    } else {
        tx.commit().await?;
    }
    Ok(Changed { revision, did: did.into_iter().take(asked).collect() })
}

/// Adds the directories that what is put needs and that are not there.
async fn add_directories(conn: &mut Conn<'_>, changes: &mut Vec<Change>) -> Result<()> {
    let mut wanted: BTreeSet<Label> = BTreeSet::new();
    for change in changes.iter().filter(|change| change.item.is_some()) {
        if matches!(change.kind, ItemKind::Class | ItemKind::Expectation) {
            continue;
        }
        let label: Label = change.name.parse().map_err(|error| invalid_name(change, &error))?;
        wanted.extend(label.ancestors().filter(|ancestor| !ancestor.is_root()));
    }
    for change in changes.iter().filter(|change| change.kind == ItemKind::Directory) {
        if let Ok(label) = change.name.parse::<Label>() {
            if change.item.is_none() && wanted.contains(&label) {
                let words = format!("the directory `{label}` is to be removed and something is to be put into it");
                return Err(AppError::Conflict(words));
            }
            wanted.remove(&label);
        }
    }
    let wanted: Vec<&str> = wanted.iter().map(Label::as_str).collect();
    let there = store::catalogue_item::get_many(conn, ItemKind::Directory, &wanted, None).await?;
    let there: BTreeSet<&str> = there.iter().map(|version| version.name.as_str()).collect();
    let missing: Vec<Change> = wanted
        .into_iter()
        .filter(|name| !there.contains(name))
        .map(|name| Change {
            kind: ItemKind::Directory,
            name: name.to_owned(),
            item: Some(Item::Directory),
            only_if: OnlyIf::Any,
        })
        .collect();
    changes.extend(missing);
    Ok(())
}

fn invalid_name(change: &Change, error: &crate::domain::catalogue::label::InvalidLabel) -> AppError {
    AppError::Invalid(format!("the {} `{}`: {error}", change.kind, crate::app::cut(&change.name, 80)))
}

type Present = BTreeMap<(ItemKind, String), Version>;

/// What stands under the names now.
async fn present(conn: &mut Conn<'_>, changes: &[Change]) -> Result<Present> {
    let mut by_kind: BTreeMap<ItemKind, Vec<&str>> = BTreeMap::new();
    for change in changes {
        by_kind.entry(change.kind).or_default().push(&change.name);
    }
    let mut present = Present::new();
    for (kind, names) in by_kind {
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        if distinct.len() < names.len() {
            return Err(AppError::Invalid(format!("two changes are of one {kind}: name each once")));
        }
        let versions = if names.len() > MANY {
            store::catalogue_item::all(conn, &[kind], None).await?
        } else {
            store::catalogue_item::get_many(conn, kind, &names, None).await?
        };
        let versions = versions.into_iter().filter(|version| distinct.contains(version.name.as_str()));
        present.extend(versions.map(|version| ((version.kind, version.name.clone()), version)));
    }
    Ok(present)
}

fn what_it_does(change: &Change, present: &Present) -> Result<Did> {
    let Change { kind, name, item, only_if } = change;
    let there = present.get(&(*kind, name.clone()));
    only_if.check(&format!("{kind} `{name}`"), there.map(|version| version.since_revision))?;
    Ok(match (item, there) {
        (Some(item), Some(version)) if version.document.0 == *item => Did::Nothing,
        (Some(_), Some(_)) => Did::Replaced,
        (Some(_), None) => Did::Created,
        (None, Some(_)) => Did::Removed,
        (None, None) => Did::Nothing,
    })
}

/// How many items there are after the changes.
fn items_after(catalogue: &Catalogue, before: i64, made: &[(&Change, Did)]) -> Result<i64> {
    let after = made.iter().fold(before, |items, (_, did)| match did {
        Did::Created => items + 1,
        Did::Removed => items - 1,
        Did::Replaced | Did::Nothing => items,
    });
    let most = i64::from(catalogue.limits.max_items);
    if after > most && after > before {
        let words = format!("the catalogue would hold {after} items, and catalogue.max_items allows {most}");
        return Err(AppError::Conflict(words));
    }
    Ok(after)
}

/// Holds classes and the items that use them together.
async fn check_classes(conn: &mut Conn<'_>, made: &[(&Change, Did)], as_of: i64) -> Result<(), NotMade> {
    let builtin = builtin::classes();
    let registered =
        |change: &Change| change.item.as_ref().and_then(Item::class).is_some_and(|class| builtin.get(class).is_none());
    if made.iter().any(|(change, _)| registered(change))
        && store::catalogue_item::classes_changed_since(conn, as_of).await?
    {
        return Err(NotMade::Stale);
    }
    let named: BTreeSet<(ItemKind, &str)> =
        made.iter().map(|(change, _)| (change.kind, change.name.as_str())).collect();
    for (change, did) in made.iter().filter(|(change, _)| change.kind == ItemKind::Class) {
        if *did == Did::Created {
            continue;
        }
        let mut users = store::catalogue_item::of_class(conn, &change.name, i64::MAX).await?;
        // What the same changes replace or remove is theirs to answer for: it was read with the classes as they will be.
        users.retain(|user| !named.contains(&(user.kind, user.name.as_str())));
        match &change.item {
            None => {
                if let Some(user) = users.first() {
                    let words = format!(
                        "the class `{}` is used by the {} `{}`{}: remove what uses it first",
                        change.name,
                        user.kind,
                        user.name,
                        if users.len() > 1 { format!(" and {} more", users.len() - 1) } else { String::new() }
                    );
                    return Err(NotMade::Refused(AppError::Conflict(words)));
                }
            }
            Some(Item::Class(class)) => still_fits(class, &users)?,
            Some(_) => {}
        }
    }
    Ok(())
}

/// Refuses a new definition of a class that items of it do not fit.
fn still_fits(class: &Class, users: &[Version]) -> Result<()> {
    for user in users {
        let (Item::Test(extension) | Item::Resource(extension)) = &user.document.0 else { continue };
        let wrong = if user.kind.to_string() == class.kind.to_string() {
            class
                .validate_values(extension.arguments.clone())
                .err()
                .and_then(|mut errors| errors.pop())
                .map(|it| it.to_string())
        } else {
            Some(format!("it would be a class of {}s", class.kind))
        };
        if let Some(wrong) = wrong {
            let words = format!(
                "the {} `{}` would not fit the class `{}` any more: {wrong}. Change or remove it first, or register \
                 the class under another name",
                user.kind, user.name, class.name
            );
            return Err(AppError::Conflict(words));
        }
    }
    Ok(())
}

/// Notes that the contents of attachments are in use.
async fn keep_contents(conn: &mut Conn<'_>, made: &[(&Change, Did)]) -> Result<()> {
    let mut wanted = BTreeMap::new();
    for (change, _) in made {
        for attachment in change.item.iter().flat_map(Item::attachments) {
            let Source::Content { sha256, size } = &attachment.source else {
                let words = format!("the attachment `{}` is in no store yet", attachment.filename);
                return Err(faulty(change, words));
            };
            wanted.entry(*sha256).or_insert((*size, *change, attachment.filename.as_str()));
        }
    }
    let digests: Vec<_> = wanted.keys().copied().collect();
    let kept: BTreeMap<_, _> = store::content::keep(conn, &digests).await?.into_iter().collect();
    for (digest, (size, change, filename)) in wanted {
        match kept.get(&digest) {
            None => {
                let words = format!(
                    "the attachment `{filename}`: nothing with the SHA-256 {digest} is stored: upload it first with \
                     POST /api/v1/catalog/attachments"
                );
                return Err(faulty(change, words));
            }
            Some(stored) if u64::try_from(*stored) != Ok(size) => {
                let words = format!("the attachment `{filename}` has {stored} bytes, not {size}");
                return Err(faulty(change, words));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn faulty(change: &Change, detail: String) -> AppError {
    let fault = Fault::new("", detail);
    AppError::Faults { what: format!("the {} `{}`", change.kind, change.name), faults: vec![fault] }
}

/// Ends the old versions and stores the new ones.
async fn write(conn: &mut Conn<'_>, made: &[(&Change, Did)], revision: i64) -> Result<()> {
    let mut ended: BTreeMap<ItemKind, Vec<&str>> = BTreeMap::new();
    for (change, _) in made.iter().filter(|(_, did)| matches!(did, Did::Replaced | Did::Removed)) {
        ended.entry(change.kind).or_default().push(&change.name);
    }
    for (kind, names) in ended {
        store::catalogue_item::end(conn, kind, &names, revision).await?;
    }
    check_apart(conn, made).await?;
    let directories: Vec<Option<String>> = made.iter().map(|(change, _)| directory_of(change)).collect();
    let versions: Vec<NewVersion<'_>> = made
        .iter()
        .zip(&directories)
        .filter_map(|((change, _), directory)| {
            let item = change.item.as_ref()?;
            Some(NewVersion { name: &change.name, directory: directory.as_deref(), item })
        })
        .collect();
    store::catalogue_item::insert(conn, revision, &versions).await.map_err(|error| match error {
        store::Error::Conflict(_) => AppError::Conflict(
            "a suite and a directory may not have one name: rename one of them, or remove the other first".to_owned(),
        ),
        other => other.into(),
    })?;
    Ok(())
}

/// Holds suites and directories apart, in words; the index `catalogue_item_suite` holds them apart in deed.
async fn check_apart(conn: &mut Conn<'_>, made: &[(&Change, Did)]) -> Result<()> {
    let put = |kind| {
        let puts = made.iter().filter(move |(change, _)| change.kind == kind && change.item.is_some());
        puts.map(|(change, _)| change.name.as_str()).collect::<BTreeSet<&str>>()
    };
    if let Some(name) = put(ItemKind::Suite).intersection(&put(ItemKind::Directory)).next() {
        return Err(AppError::Conflict(format!(
            "the explicit suite `{name}` and the directory `{name}` may not both be: give the suite another name, or put \
             nothing into the directory"
        )));
    }
    for kind in [ItemKind::Suite, ItemKind::Directory] {
        let created = made.iter().filter(|(change, did)| change.kind == kind && *did == Did::Created);
        let names: Vec<&str> = created.map(|(change, _)| change.name.as_str()).collect();
        if let Some(name) = store::catalogue_item::clashing(conn, kind, &names).await?.first() {
            return Err(AppError::Conflict(match kind {
                ItemKind::Suite => format!(
                    "there is a directory `{name}`, which is a suite of what is in it: give the suite another name"
                ),
                _ => format!(
                    "there is an explicit suite `{name}`, so nothing can be put into a directory of that name: rename or \
                     remove the suite first"
                ),
            }));
        }
    }
    Ok(())
}

fn directory_of(change: &Change) -> Option<String> {
    if change.kind == ItemKind::Class {
        return None;
    }
    Some(change.name.parse::<Label>().map(|label| label.directory().to_string()).unwrap_or_default())
}

/// Keeps what is in a directory from losing it.
async fn check_emptied(conn: &mut Conn<'_>, made: &[(&Change, Did)]) -> Result<()> {
    for (change, did) in made {
        if change.kind == ItemKind::Directory
            && *did == Did::Removed
            && !store::catalogue_item::is_empty_directory(conn, &change.name).await?
        {
            let words = format!("the directory `{}` is not empty: remove what is in it first", change.name);
            return Err(AppError::Conflict(words));
        }
    }
    Ok(())
}
