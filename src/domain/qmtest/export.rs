//! Writing items as a database that QMTest can use, and that [`import`](super::import) reads as the same items.
//!
//! The layout is QMTest's own. Attachments lie beside the item that has them, under names that clash with nothing. What
//! QMTest has no place for is written where its readers do not look: see [`about`](super::about) for items; classes and
//! expectations have files of their own in the configuration's folder.

use std::collections::{BTreeMap, BTreeSet};

use super::classes::{self, Listed};
use super::layout::{self, Extensions};
use super::names::Names;
use super::results::{self, CAUSE, ResultKind, ResultText, Results};
use super::value::Unwritable;
use super::{configuration, extension, suite};
use crate::domain::catalogue::builtin::QMTEST_RUNNER;
use crate::domain::catalogue::class::{Class, ClassKind, Execution};
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::value::{Attachment, Source};
use crate::domain::digest::Digest;

/// The most bytes of a file's name that file systems take.
const MAX_NAME_BYTES: usize = 255;

/// A file or folder of the database, by its path below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutFile {
    /// A folder; its path ends in `/`. It comes before what is in it.
    Folder {
        /// The path.
        path: String,
    },
    /// A file with this content.
    File {
        /// The path.
        path: String,
        /// The content.
        content: Vec<u8>,
    },
    /// A file whose content the catalogue has stored.
    Attachment {
        /// The path.
        path: String,
        /// The digest of the content.
        sha256: Digest,
        /// How many bytes.
        size: u64,
    },
}

impl OutFile {
    /// Its path below the root.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Folder { path } | Self::File { path, .. } | Self::Attachment { path, .. } => path,
        }
    }
}

/// Why items cannot be written as a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} `{name}`: {reason}")]
pub struct ExportError {
    /// What kind of thing it is that cannot be written.
    pub what: ItemKind,
    /// Its label, or the name of the class.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Writes items and the classes that were registered. What stands under a kind that is not its own is written as what it
/// is.
///
/// # Errors
/// If an item holds a character that XML cannot, has an attachment that is not stored, has a name that file systems do not
/// take, or is in the way of another.
pub fn write(items: &BTreeMap<(ItemKind, Label), Item>, classes: &[Class]) -> Result<Vec<OutFile>, ExportError> {
    let mut export = Export { extensions: Extensions::default(), names: Names::default(), out: Vec::new() };
    export.out.push(OutFile::Folder { path: format!("{}/", layout::CONFIGURATION_FOLDER) });
    export.file(layout::CONFIGURATION, configuration::write_default());
    let within = items.values().filter_map(|item| if let Item::Class(class) = item { Some(class) } else { None });
    export.classes(&classes.iter().chain(within).collect::<Vec<_>>())?;
    export.expectations(items)?;
    export.folders(items)?;
    for ((_, label), item) in items {
        export.item(label, item)?;
    }
    Ok(export.out)
}

struct Export {
    extensions: Extensions,
    names: Names,
    out: Vec<OutFile>,
}

impl Export {
    fn file(&mut self, path: &str, content: String) {
        self.out.push(OutFile::File { path: path.to_owned(), content: content.into_bytes() });
    }

    fn classes(&mut self, registered: &[&Class]) -> Result<(), ExportError> {
        if registered.is_empty() {
            return Ok(());
        }
        let error = |name: &str, reason: String| ExportError { what: ItemKind::Class, name: name.to_owned(), reason };
        let json = serde_json::to_string_pretty(registered).map_err(|json| error("*", json.to_string()))?;
        self.file(layout::REGISTERED_CLASSES, json);
        // QMTest knows a class beside its database by this list.
        let python = registered.iter().filter(|class| {
            matches!(&class.execution, Execution::Runner(runner) if runner == QMTEST_RUNNER)
                && matches!(class.kind, ClassKind::Test | ClassKind::Resource)
        });
        let listed: Vec<_> =
            python.map(|class| Listed { kind: class.kind.to_string(), name: class.name.clone() }).collect();
        if !listed.is_empty() {
            let list = classes::write(&listed).map_err(|reason| error("*", reason.to_string()))?;
            self.file(layout::CLASSES, list);
        }
        Ok(())
    }

    fn expectations(&mut self, items: &BTreeMap<(ItemKind, Label), Item>) -> Result<(), ExportError> {
        let mut expected = Results::default();
        for ((_, label), item) in items {
            let Item::Expectation(expectation) = item else { continue };
            if let Some(cause) = &expectation.cause
                && let Some(c) = cause.chars().find(|c| !super::xml::is_char(*c))
            {
                return Err(fault(ItemKind::Expectation, label, super::xml::IllegalCharacter(c)));
            }
            let annotations = expectation.cause.iter().map(|cause| (CAUSE.to_owned(), cause.clone())).collect();
            let (id, kind, outcome) = (label.to_string(), ResultKind::Test, expectation.outcome);
            expected.results.push(ResultText { id, kind, outcome, annotations });
        }
        if expected.results.is_empty() {
            return Ok(());
        }
        let file = results::write(&expected).map_err(|error| fault(ItemKind::Expectation, &Label::root(), error))?;
        self.file(layout::EXPECTATIONS, file);
        Ok(())
    }

    /// The folders of the directories, and of those that something lies in. A suite's file would have the same name.
    fn folders(&mut self, items: &BTreeMap<(ItemKind, Label), Item>) -> Result<(), ExportError> {
        let mut folders = BTreeSet::new();
        for ((_, label), item) in items {
            let text = label.as_str();
            let has_file = matches!(item, Item::Test(_) | Item::Resource(_) | Item::Suite(_));
            let own = matches!(item, Item::Directory).then_some(text);
            if has_file || own.is_some() {
                let outer = text.match_indices('.').filter_map(|(at, _)| text.get(..at));
                folders.extend(outer.chain(own).filter(|folder| !folder.is_empty()));
            }
        }
        for ((_, label), item) in items {
            if matches!(item, Item::Suite(_)) && folders.contains(label.as_str()) {
                return Err(fault(
                    ItemKind::Suite,
                    label,
                    "a directory has the same label, and would have the same path",
                ));
            }
        }
        for folder in folders {
            let label: Label = folder.parse().map_err(|error| fault(ItemKind::Directory, &Label::root(), error))?;
            check_name(ItemKind::Directory, &label, &self.extensions.suite)?;
            self.out.push(OutFile::Folder { path: layout::folder(&label, &self.extensions) });
        }
        Ok(())
    }

    fn item(&mut self, label: &Label, item: &Item) -> Result<(), ExportError> {
        let kind = item.kind();
        let mut attachments = Vec::new();
        let Self { extensions, names, out } = self;
        let folder = label.as_str().rsplit_once('.').map(|(directory, _)| directory.parse::<Label>());
        let folder = folder.transpose().map_err(|error| fault(kind, label, error))?.unwrap_or_default();
        let folder = layout::folder(&folder, extensions);
        let mut locate = |attachment: &Attachment| match &attachment.source {
            Source::Content { sha256, size } => {
                let path = names.path(&folder, &attachment.filename, extensions);
                attachments.push(OutFile::Attachment { path: path.clone(), sha256: *sha256, size: *size });
                Ok(path)
            }
            Source::Location { location } => {
                Err(Unwritable(format!("the content of the attachment at `{location}` was never stored")))
            }
        };
        let text = match item {
            Item::Test(test) => extension::write(ClassKind::Test, test, &mut locate),
            Item::Resource(resource) => extension::write(ClassKind::Resource, resource, &mut locate),
            Item::Suite(suite) => suite::write(suite, &mut locate),
            Item::Directory | Item::Expectation(_) | Item::Class(_) => return Ok(()),
        };
        let text = text.map_err(|error| fault(kind, label, error))?;
        if label.as_str().is_empty() {
            return Err(fault(kind, label, "the empty label is the root directory's alone"));
        }
        let Some(ending) = extensions.of(kind) else { return Ok(()) };
        check_name(kind, label, ending)?;
        let path = layout::file(label, ending, extensions);
        out.push(OutFile::File { path, content: text.into_bytes() });
        out.append(&mut attachments);
        Ok(())
    }
}

fn check_name(kind: ItemKind, label: &Label, ending: &str) -> Result<(), ExportError> {
    let name = label.as_str().rsplit('.').next().unwrap_or_default();
    if name.len() + ending.len() > MAX_NAME_BYTES {
        let most = MAX_NAME_BYTES.saturating_sub(ending.len());
        return Err(fault(
            kind,
            label,
            format!("its last part is too long for a file's name: want at most {most} bytes"),
        ));
    }
    Ok(())
}

fn fault(what: ItemKind, label: &Label, reason: impl std::fmt::Display) -> ExportError {
    ExportError { what, name: label.to_string(), reason: reason.to_string() }
}
