//! Reading a database: every item that QMTest would list, and a report of every file.
//!
//! What cannot be read never stops the rest: it is reported as refused, with the reason. What QMTest does not list is
//! reported as ignored. The database's own files (its configuration, classes, targets) are read first, since they say how
//! to read the others.

use std::collections::{BTreeMap, BTreeSet};

use super::configuration::{self, Configuration};
use super::layout::{self, CONFIGURATION_FOLDER, LabelClass, component, file_label, is_component};
use super::targets::{self, Target};
use super::tree::{File, Listing, MAX_DEFINITION_BYTES, Tree};
use super::walk::{each_attachment, each_reference};
use super::xml::{Limits, parse};
use super::{classes as class_list, extension, results, suite};
use crate::domain::catalogue::builtin::QMTEST_RUNNER;
use crate::domain::catalogue::class::{Class, ClassKind, Classes, Execution};
use crate::domain::catalogue::item::{Expectation, Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::value::{Attachment, Source};

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// How the database is set up.
    pub configuration: Configuration,
    /// The classes that came along: those that were registered here once, and those of which only the names are known.
    pub classes: Vec<Class>,
    /// The items, expectations included. Attachments are [`Source::Location`]s of files of the tree, which are there.
    pub items: BTreeMap<(ItemKind, Label), Item>,
    /// The targets that the database brings.
    pub targets: Vec<Target>,
    /// What became of each file and folder, by path.
    pub entries: Vec<Entry>,
}

/// What became of a file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the root. A folder's ends in `/`.
    pub path: String,
    /// What it defines, if it defines an item.
    pub kind: Option<ItemKind>,
    /// The label of that.
    pub label: Option<Label>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a file or folder, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was read.
    Taken,
    /// An item has it as an attachment.
    Attached,
    /// It should define something, and could not be read.
    Refused(String),
    /// It defines nothing. One entry stands for a folder and all that is below it.
    Ignored(String),
}

/// What to do with a tree that has no configuration, and so is no database to QMTest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// Refuse it.
    Refused,
    /// Read it as a database with the default configuration.
    Taken,
}

/// Why a tree cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {0}", file = layout::CONFIGURATION)]
pub struct NoDatabase(pub String);

/// Reads a database. `classes` are those that are known, built in or registered; where the database brings a class of the
/// same name, the one that is known counts.
///
/// # Errors
/// If the tree is no database, or its configuration cannot be read.
pub fn read(tree: &Tree, classes: &Classes, bare: Bare) -> Result<Imported, NoDatabase> {
    let configuration = match tree.file(layout::CONFIGURATION) {
        Some(file) => {
            let bytes = content(file).map_err(NoDatabase)?;
            configuration::read(bytes).map_err(|error| NoDatabase(error.to_string()))?
        }
        None if bare == Bare::Taken => Configuration::default(),
        None => {
            let what =
                "there is no such file: it is what makes a folder a QMTest database. Give the folder that holds it";
            return Err(NoDatabase(what.to_owned()));
        }
    };
    let mut import = Import {
        tree,
        known: classes.clone(),
        attached: BTreeSet::new(),
        plain: Vec::new(),
        imported: Imported { configuration, ..Imported::default() },
    };
    import.own_files();
    import.items();
    import.expectations();
    import.other_files();
    let mut imported = import.imported;
    imported.entries.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
    Ok(imported)
}

fn content(file: &File) -> Result<&[u8], String> {
    match file {
        File::Content(bytes) => Ok(bytes),
        File::Size(size) => Err(format!("it has {size} bytes: what defines something may have {MAX_DEFINITION_BYTES}")),
    }
}

struct Import<'a> {
    tree: &'a Tree,
    known: Classes,
    /// The files that items have as attachments.
    attached: BTreeSet<String>,
    /// The files and folders that define nothing, and why.
    plain: Vec<(String, String)>,
    imported: Imported,
}

impl Import<'_> {
    fn report(&mut self, path: &str, about: Option<(ItemKind, Label)>, fate: Fate) {
        let (kind, label) = about.unzip();
        self.imported.entries.push(Entry { path: path.to_owned(), kind, label, fate });
    }

    /// Reads one of the database's own files, if it is there.
    fn own_file<T: Default>(&mut self, path: &str, read: impl FnOnce(&Self, &[u8]) -> Result<T, String>) -> T {
        let Some(file) = self.tree.file(path) else { return T::default() };
        match content(file).and_then(|bytes| read(self, bytes)) {
            Ok(read) => {
                self.report(path, None, Fate::Taken);
                read
            }
            Err(reason) => {
                self.report(path, None, Fate::Refused(reason));
                T::default()
            }
        }
    }

    /// The database's own files, but for the expectations.
    fn own_files(&mut self) {
        if self.tree.file(layout::CONFIGURATION).is_some() {
            self.report(layout::CONFIGURATION, None, Fate::Taken);
        }
        let registered: Vec<Class> = self.own_file(layout::REGISTERED_CLASSES, |_, bytes| {
            serde_json::from_slice(bytes).map_err(|error| format!("not a list of classes: {error}"))
        });
        let listed =
            self.own_file(layout::CLASSES, |_, bytes| class_list::read(bytes).map_err(|error| error.to_string()));
        let listed = listed.into_iter().filter_map(|listed| {
            let kind = match listed.kind.as_str() {
                "test" => ClassKind::Test,
                "resource" => ClassKind::Resource,
                _ => return None,
            };
            let execution = Execution::Runner(QMTEST_RUNNER.to_owned());
            Some(Class { name: listed.name, kind, description: String::new(), fields: None, execution })
        });
        let mut names = BTreeSet::new();
        for (class, is_registered) in
            registered.into_iter().map(|class| (class, true)).chain(listed.map(|class| (class, false)))
        {
            let is_known = self.known.get(&class.name).is_some();
            if !names.insert(class.name.clone()) || (is_known && !is_registered) {
                continue;
            }
            if !is_known {
                self.known.insert(class.clone());
            }
            self.imported.classes.push(class);
        }
        self.imported.targets = self.own_file(layout::TARGETS, |import, bytes| {
            targets::read(bytes, &import.known).map_err(|error| error.to_string())
        });
    }

    /// Walks through the directories.
    fn items(&mut self) {
        let listing = self.tree.listing();
        let mut open = vec![(String::new(), Label::root())];
        while let Some((folder, label)) = open.pop() {
            let Some(Listing { folders, files }) = listing.get(&folder) else { continue };
            for (name, file) in files {
                self.file(&folder, &label, name, file);
            }
            for name in folders {
                let path = format!("{folder}{name}/");
                if folder.is_empty() && *name == CONFIGURATION_FOLDER {
                    self.configuration_folder();
                } else if let Some(inner) = self.folder(&path, &label, name) {
                    open.push((path, inner));
                }
            }
        }
    }

    /// Takes a folder as a directory; gives its label if it is one.
    fn folder(&mut self, path: &str, parent: &Label, name: &str) -> Option<Label> {
        let Configuration { labels, extensions, .. } = &self.imported.configuration;
        let Some(component) = component(*labels, name, &extensions.suite) else {
            let reason = format!("no directory: want a name as `net{}`", extensions.suite);
            self.plain.push((path.to_owned(), reason));
            return None;
        };
        match self.place(ItemKind::Directory, parent, component) {
            Ok(label) => {
                self.imported.items.insert((ItemKind::Directory, label.clone()), Item::Directory);
                self.report(path, Some((ItemKind::Directory, label.clone())), Fate::Taken);
                Some(label)
            }
            Err(reason) => {
                let kind = Some(ItemKind::Directory);
                self.imported.entries.push(Entry {
                    path: path.to_owned(),
                    kind,
                    label: None,
                    fate: Fate::Refused(reason),
                });
                None
            }
        }
    }

    /// Takes a file as what its name says.
    fn file(&mut self, folder: &str, parent: &Label, name: &str, file: &File) {
        let path = format!("{folder}{name}");
        let Configuration { labels, extensions, .. } = &self.imported.configuration;
        let kinds = [ItemKind::Test, ItemKind::Resource, ItemKind::Suite].map(|kind| {
            (kind, extensions.of(kind).and_then(|extension| component(*labels, name, extension)).map(str::to_owned))
        });
        if kinds.iter().all(|(_, component)| component.is_none()) {
            let reason = match extensions.iter().find(|extension| name.ends_with(extension)) {
                Some(extension) => {
                    format!("QMTest does not list it: want a name as `lookup{extension}`, of a-z, 0-9, _ and -")
                }
                None => "it defines nothing, and nothing has it as an attachment".to_owned(),
            };
            self.plain.push((path, reason));
            return;
        }
        for (kind, component) in kinds {
            let Some(component) = component else { continue };
            let label = match self.place(kind, parent, &component) {
                Ok(label) => label,
                Err(reason) => {
                    let entry =
                        Entry { path: path.clone(), kind: Some(kind), label: None, fate: Fate::Refused(reason) };
                    self.imported.entries.push(entry);
                    continue;
                }
            };
            let fate = match self.item(kind, file) {
                Ok(item) => {
                    let attachments =
                        item.attachments().into_iter().filter_map(|attachment| match &attachment.source {
                            Source::Location { location } => Some(location.clone()),
                            Source::Content { .. } => None,
                        });
                    self.attached.extend(attachments);
                    self.imported.items.insert((kind, label.clone()), item);
                    Fate::Taken
                }
                Err(reason) => Fate::Refused(reason),
            };
            self.report(&path, Some((kind, label)), fate);
        }
    }

    /// The label of something in a directory, if it can have one and nothing else has it.
    fn place(&self, kind: ItemKind, parent: &Label, component: &str) -> Result<Label, String> {
        if !is_component(component) {
            let component: String = component.chars().take(80).collect();
            return Err(format!("`{component}` cannot be a part of a label: want only a-z, 0-9, _ and -"));
        }
        let text = if parent.as_str().is_empty() { component.to_owned() } else { format!("{parent}.{component}") };
        let label: Label = text.parse().map_err(|error| format!("{error}"))?;
        let taken = |kind| self.imported.items.contains_key(&(kind, label.clone()));
        let clash = match kind {
            ItemKind::Suite | ItemKind::Directory => taken(ItemKind::Suite) || taken(ItemKind::Directory),
            kind => taken(kind),
        };
        if clash { Err(format!("there is already a {kind} with the label `{label}`")) } else { Ok(label) }
    }

    fn item(&self, kind: ItemKind, file: &File) -> Result<Item, String> {
        let root = parse(content(file)?, Limits::DEFINITION).map_err(|error| error.to_string())?;
        let labels = self.imported.configuration.labels;
        let item = match kind {
            ItemKind::Test => extension::read(ClassKind::Test, &root, &self.known).map(Item::Test),
            ItemKind::Resource => extension::read(ClassKind::Resource, &root, &self.known).map(Item::Resource),
            _ => suite::read(&root, &self.known, labels).map(Item::Suite),
        };
        let mut item = item.map_err(|error| error.to_string())?;
        each_attachment(&mut item, &mut |attachment| self.locate(attachment))?;
        if labels == LabelClass::File {
            let extensions = &self.imported.configuration.extensions;
            each_reference(&mut item, &|id| *id = file_label(id, extensions));
        }
        Ok(item)
    }

    /// Brings the location of an attachment into the form of the tree's paths, and its name into that of a file's.
    fn locate(&self, attachment: &mut Attachment) -> Result<(), String> {
        let Source::Location { location } = &mut attachment.source else { return Ok(()) };
        let say = |what: &str| format!("the attachment at `{}` {what}", location.chars().take(120).collect::<String>());
        if location.starts_with('/') {
            return Err(say("lies outside of the database: want a path below its root"));
        }
        if location.split('/').any(|component| component == "..") {
            return Err(say("leaves its folder by `..`: want a path below the database's root"));
        }
        let plain: Vec<_> = location.split('/').filter(|component| !matches!(*component, "" | ".")).collect();
        let plain = plain.join("/");
        if self.tree.file(&plain).is_none() {
            return Err(say("is not there"));
        }
        // What a file is called is no path here. QMTest writes none at all for what was attached without a name.
        let last = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let names = [last(&attachment.filename), last(&plain)];
        attachment.filename =
            names.into_iter().find(|name| !matches!(name.as_str(), "" | "." | "..")).unwrap_or_default();
        *location = plain;
        Ok(())
    }

    /// The folder of the configuration: what is known in it is reported where it is read.
    fn configuration_folder(&mut self) {
        let known =
            [layout::CONFIGURATION, layout::CLASSES, layout::TARGETS, layout::REGISTERED_CLASSES, layout::EXPECTATIONS];
        let tree = self.tree;
        let others = tree.files_below("QMTest/").filter(|path| !known.contains(path));
        let others = others.map(|path| (path.to_owned(), "it is no part of the catalogue".to_owned()));
        self.plain.extend(others);
    }

    fn expectations(&mut self) {
        let read =
            self.own_file(layout::EXPECTATIONS, |_, bytes| results::read(bytes).map_err(|error| error.to_string()));
        for result in read.results.into_iter().filter(|result| result.kind == results::ResultKind::Test) {
            let id = match self.imported.configuration.labels {
                LabelClass::Python => result.id,
                LabelClass::File => file_label(&result.id, &self.imported.configuration.extensions),
            };
            match id.parse::<Label>() {
                Ok(label) => {
                    let cause = result.annotations.get(results::CAUSE).cloned();
                    let expectation = Expectation { outcome: result.outcome, cause };
                    self.imported.items.insert((ItemKind::Expectation, label), Item::Expectation(expectation));
                }
                Err(error) => {
                    let fate = Fate::Refused(format!("an expectation of no test: {error}"));
                    let kind = Some(ItemKind::Expectation);
                    let path = layout::EXPECTATIONS.to_owned();
                    self.imported.entries.push(Entry { path, kind, label: None, fate });
                }
            }
        }
    }

    /// Reports what defines nothing: attachments, and what is ignored.
    fn other_files(&mut self) {
        for (path, reason) in std::mem::take(&mut self.plain) {
            if !path.ends_with('/') {
                let fate = if self.attached.contains(&path) { Fate::Attached } else { Fate::Ignored(reason) };
                self.report(&path, None, fate);
                continue;
            }
            let tree = self.tree;
            let (attached, others): (Vec<_>, Vec<_>) =
                tree.files_below(&path).partition(|file| self.attached.contains(*file));
            for file in &attached {
                self.report(file, None, Fate::Attached);
            }
            if attached.is_empty() || !others.is_empty() {
                let files = if others.len() == 1 { "file" } else { "files" };
                self.report(&path, None, Fate::Ignored(format!("{reason} ({} {files})", others.len())));
            }
        }
    }
}

#[cfg(test)]
mod tests;
