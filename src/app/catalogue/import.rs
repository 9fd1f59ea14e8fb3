//! QMTest databases in: a folder, or an archive of one, read as QMTest reads it and applied as one revision.
//!
//! What can be read is taken; what cannot is told of, with its reason. Nothing is changed where the folder is no database,
//! or where what was read does not go together with what stands in the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use sha2::Digest as _;
use tokio_util::io::ReaderStream;

use crate::app::archive::{self, Skipped};
use crate::app::catalogue::apply::{self, Applied, How, Name, Wanted};
use crate::app::catalogue::attachment::{self, NotTaken};
use crate::app::catalogue::change::Did;
use crate::app::catalogue::{By, Catalogue};
use crate::app::{AppError, Result, blocking};
use crate::domain::catalogue::class::Classes;
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::value::Source;
use crate::domain::digest::Digest;
use crate::domain::qmtest::configuration::{self, Configuration};
use crate::domain::qmtest::import::{self, Bare, Imported};
use crate::domain::qmtest::layout::{CONFIGURATION, CONFIGURATION_FOLDER};
use crate::domain::qmtest::tree::{self, MAX_DEFINITION_BYTES, Tree};
use crate::domain::words::words;

words!(
    /// What became of a file or directory of a database.
    Fate, "fate", {
        /// It is in the catalogue, or would be.
        Taken = "taken",
        /// It should define something and cannot be read.
        Refused = "refused",
        /// It defines nothing.
        Ignored = "ignored",
    }
);

/// How a database is imported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Import {
    /// Find out what would come of it, and change nothing.
    pub dry_run: bool,
    /// Remove what is not in the database. What is in it and cannot be read stays, and so do registered classes.
    pub prune: bool,
    /// Take a folder without a configuration for a database of the default kind.
    pub bare: bool,
}

/// What became of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its path in the database; a directory's ends in `/`.
    pub path: String,
    /// What it defines.
    pub kind: Option<ItemKind>,
    /// The label of that.
    pub label: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// What was done to the item, or would be.
    pub did: Option<Did>,
    /// Why it was not taken.
    pub reason: Option<String>,
}

/// What came of an import.
#[derive(Clone, Debug)]
pub struct Report {
    /// The revision that was made, or would be; the latest one where nothing changes.
    pub revision: i64,
    /// What became of each file and directory, by path.
    pub lines: Vec<Line>,
}

/// Imports a database from an archive of its folder. The folder may also be the archive's only one.
///
/// # Errors
/// [`AppError::Invalid`] if it is no archive; otherwise as [`folder`].
pub async fn archive(catalogue: &Catalogue, by: &By, mut archive: File, how: Import) -> Result<Report> {
    let most = catalogue.limits.max_import_bytes;
    let place = tempfile::tempdir().map_err(unreadable)?;
    let root = place.path().to_owned();
    let (root, skipped) = blocking(move || {
        let unpacked = archive::unpack(&mut archive, &root, most)?;
        Ok((the_database(root), unpacked.skipped))
    })
    .await?;
    from(catalogue, by, &root, how, skipped).await
}

/// The folder itself, or the one that is all there is in it, where that is a database.
fn the_database(root: PathBuf) -> PathBuf {
    if root.join(CONFIGURATION).exists() {
        return root;
    }
    let inside: Vec<PathBuf> =
        std::fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    match inside.as_slice() {
        [only] if only.join(CONFIGURATION).exists() => only.clone(),
        _ => root,
    }
}

/// Imports a database from its folder. Links in it are not followed.
///
/// # Errors
/// [`AppError::Invalid`] if it is no database, or is larger than `catalogue.max_import_bytes`; otherwise as
/// [`apply::apply`].
pub async fn folder(catalogue: &Catalogue, by: &By, root: &Path, how: Import) -> Result<Report> {
    from(catalogue, by, root, how, Vec::new()).await
}

async fn from(catalogue: &Catalogue, by: &By, root: &Path, how: Import, skipped: Vec<Skipped>) -> Result<Report> {
    let known = catalogue.classes(None).await?;
    let registered: BTreeSet<Name> = known.iter().map(|class| (ItemKind::Class, class.name.clone())).collect();
    let (place, most) = (root.to_owned(), catalogue.limits.max_import_bytes);
    let (imported, skipped) = blocking(move || read(&place, most, &known, how, skipped)).await?;
    let refused: BTreeSet<Name> = imported.entries.iter().filter_map(refused_name).collect();
    let mut items: Vec<(Name, Item)> =
        imported.classes.into_iter().map(|class| ((ItemKind::Class, class.name.clone()), Item::Class(class))).collect();
    items.extend(imported.items.into_iter().map(|((kind, label), item)| ((kind, label.to_string()), item)));
    store_attachments(catalogue, root, &mut items, how.dry_run).await?;
    let apply_how = How {
        prune: how.prune.then(Label::root),
        keep: refused.union(&registered).cloned().collect(),
        dry_run: how.dry_run,
        contents_are_here: !how.dry_run,
        ..How::default()
    };
    let applied = apply::apply(catalogue, by, &Wanted::Items(items), &apply_how).await?;
    Ok(Report { revision: applied.revision, lines: lines(imported.entries, skipped, &applied) })
}

fn refused_name(entry: &import::Entry) -> Option<Name> {
    match (&entry.fate, entry.kind, &entry.label) {
        (import::Fate::Refused(_), Some(kind), Some(label)) => Some((kind, label.to_string())),
        _ => None,
    }
}

/// The report: what the database's files came to, and what was done to each item.
fn lines(entries: Vec<import::Entry>, skipped: Vec<Skipped>, applied: &Applied) -> Vec<Line> {
    let done: BTreeMap<&Name, Did> = applied.done.iter().map(|(name, did)| (name, *did)).collect();
    let mut named: BTreeSet<Name> = BTreeSet::new();
    let mut lines: Vec<Line> = entries
        .into_iter()
        .map(|entry| {
            let label = entry.label.map(|label| label.to_string());
            let (fate, reason) = match entry.fate {
                import::Fate::Taken | import::Fate::Attached => (Fate::Taken, None),
                import::Fate::Refused(reason) => (Fate::Refused, Some(reason)),
                import::Fate::Ignored(reason) => (Fate::Ignored, Some(reason)),
            };
            let name = entry.kind.zip(label.clone());
            let did = name.as_ref().filter(|_| fate == Fate::Taken).and_then(|name| done.get(name)).copied();
            named.extend(name);
            Line { path: entry.path, kind: entry.kind, label, fate, did, reason }
        })
        .collect();
    // What was pruned has no file.
    let pruned = applied.done.iter().filter(|(name, did)| *did == Did::Removed && !named.contains(name));
    lines.extend(pruned.map(|((kind, label), did)| Line {
        path: String::new(),
        kind: Some(*kind),
        label: Some(label.clone()),
        fate: Fate::Taken,
        did: Some(*did),
        reason: Some("it is not in the database: removed".to_owned()),
    }));
    lines.extend(skipped.into_iter().map(|skipped| Line {
        path: skipped.path,
        kind: None,
        label: None,
        fate: Fate::Ignored,
        did: None,
        reason: Some(skipped.reason),
    }));
    lines.sort_by(|one, other| one.path.cmp(&other.path));
    lines
}

/// Stores the bytes of attachments, each read from the database's file, or in a dry run only counts and hashes them.
async fn store_attachments(
    catalogue: &Catalogue,
    root: &Path,
    items: &mut [(Name, Item)],
    dry_run: bool,
) -> Result<()> {
    for ((kind, name), item) in items {
        for attachment in item.attachments_mut() {
            let Source::Location { location } = &attachment.source else { continue };
            // The reader has found the location among the files below the root.
            let path = root.join(location);
            let about =
                |words: &str| AppError::Invalid(format!("the {kind} `{name}`: its attachment `{location}` {words}"));
            attachment.source = if dry_run {
                let (sha256, size) = blocking(move || hash(&path)).await?;
                if size > catalogue.limits.max_attachment_bytes {
                    return Err(about("is longer than catalogue.max_attachment_bytes"));
                }
                Source::Content { sha256, size }
            } else {
                let file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
                let stored = attachment::take_in(catalogue, ReaderStream::new(file).map_ok(bytes::Bytes::from)).await;
                let stored = stored.map_err(|error| match error {
                    NotTaken::TooLarge(_) => about("is longer than catalogue.max_attachment_bytes"),
                    NotTaken::Source(error) => unreadable(error),
                    NotTaken::Failed(error) => error,
                })?;
                Source::Content { sha256: stored.sha256, size: stored.size }
            };
        }
    }
    Ok(())
}

fn hash(path: &Path) -> Result<(Digest, u64)> {
    let mut hasher = HashWriter(sha2::Sha256::new());
    let mut file = File::open(path).map_err(unreadable)?;
    let size = std::io::copy(&mut file, &mut hasher).map_err(unreadable)?;
    Ok((Digest::finish(hasher.0), size))
}

/// Hashes what is written to it.
struct HashWriter(sha2::Sha256);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads a folder as a database. Blocks.
fn read(
    root: &Path,
    most: u64,
    known: &Classes,
    how: Import,
    mut skipped: Vec<Skipped>,
) -> Result<(Imported, Vec<Skipped>)> {
    if !root.is_dir() {
        return Err(AppError::Invalid(format!("{} is no folder", root.display())));
    }
    let mut folder = Folder { most, left: most, endings: endings(root), tree: Tree::default(), skipped: Vec::new() };
    folder.add(root, "")?;
    skipped.append(&mut folder.skipped);
    let bare = if how.bare { Bare::Taken } else { Bare::Refused };
    let imported = import::read(&folder.tree, known, bare).map_err(|error| AppError::Invalid(error.to_string()))?;
    Ok((imported, skipped))
}

/// How files end that may define something: by the database's configuration, where that can be read.
fn endings(root: &Path) -> Vec<String> {
    let bytes = std::fs::read(root.join(CONFIGURATION)).unwrap_or_default();
    let configuration = configuration::read(&bytes).unwrap_or_else(|_| Configuration::default());
    configuration.extensions.iter().map(str::to_owned).collect()
}

/// A folder on its way into a tree.
struct Folder {
    most: u64,
    left: u64,
    endings: Vec<String>,
    tree: Tree,
    skipped: Vec<Skipped>,
}

impl Folder {
    /// Adds what is in a folder; `below` is its path below the root, empty or ending in `/`. Folders nest no deeper than a
    /// path is long.
    fn add(&mut self, folder: &Path, below: &str) -> Result<()> {
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else {
                let path = format!("{below}{}", entry.file_name().to_string_lossy());
                self.skipped.push(Skipped { path, reason: "its name is not text in UTF-8".to_owned() });
                continue;
            };
            let path = format!("{below}{name}");
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                self.tree.add_folder(&path).map_err(|error| AppError::Invalid(error.to_string()))?;
                self.add(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                let size = entry.metadata().map_err(unreadable)?.len();
                let file = self.file(&entry.path(), &path, size)?;
                self.tree.add_file(&path, file).map_err(|error| AppError::Invalid(error.to_string()))?;
            } else {
                let reason = "it is neither a file nor a folder; links are not followed";
                self.skipped.push(Skipped { path, reason: reason.to_owned() });
            }
        }
        Ok(())
    }

    /// A file with its content, if it may define something.
    fn file(&mut self, place: &Path, path: &str, size: u64) -> Result<tree::File> {
        let may_define =
            path.starts_with(CONFIGURATION_FOLDER) || self.endings.iter().any(|ending| path.ends_with(ending.as_str()));
        if !may_define || size > MAX_DEFINITION_BYTES {
            return Ok(tree::File::Size(size));
        }
        let content = std::fs::read(place).map_err(unreadable)?;
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            let most = self.most;
            AppError::Invalid(format!(
                "the database's definitions have more than {most} bytes (catalogue.max_import_bytes)"
            ))
        })?;
        Ok(tree::File::Content(content))
    }
}

fn unreadable(error: impl std::borrow::Borrow<std::io::Error>) -> AppError {
    AppError::Unavailable(format!("a file of the database cannot be read: {}", error.borrow()))
}
