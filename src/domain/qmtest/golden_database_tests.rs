//! What a golden case gives, as a database that is read.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::configuration::{Configuration, XML_DATABASE};
use super::import::{self, Bare, Imported};
use super::layout::{self, Extensions, LabelClass, file_label};
use super::tree::{File, Tree};
use super::xml::Writer;
use super::{extension, suite};
use crate::domain::catalogue::class::{ClassKind, Classes};
use crate::domain::catalogue::golden_classes;
use crate::domain::catalogue::item::{About, EXPLICIT_SUITE, Extension, Item, ItemKind, Suite};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::value::Attachment;

/// A database that was read, with the ways to ask that the cases use.
pub(super) struct Database {
    pub(super) tree: Tree,
    pub(super) imported: Result<Imported, import::NoDatabase>,
    labels: LabelClass,
    pub(super) extensions: Extensions,
    /// Everything that has a label, readable or not.
    listed: BTreeSet<(ItemKind, String)>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    Missing,
    Unreadable,
}

impl Database {
    pub(super) fn of(given: &Json, classes: &Classes) -> Self {
        let tree = tree(given, classes);
        let imported = import::read(&tree, classes, Bare::Taken);
        let Configuration { labels, extensions, .. } =
            imported.as_ref().map(|imported| imported.configuration.clone()).unwrap_or_default();
        let entries = imported.iter().flat_map(|imported| &imported.entries);
        let listed = entries.filter_map(|entry| Some((entry.kind?, entry.label.as_ref()?.to_string()))).collect();
        Self { tree, imported, labels, extensions, listed }
    }

    pub(super) fn imported(&self) -> &Imported {
        self.imported.as_ref().unwrap()
    }

    pub(super) fn label(&self, id: &str) -> String {
        if self.labels == LabelClass::File { file_label(id, &self.extensions) } else { id.to_owned() }
    }

    pub(super) fn get(&self, kind: ItemKind, id: &str) -> Result<&Item, Failure> {
        let id = self.label(id);
        if kind == ItemKind::Suite && (id.is_empty() || self.listed.contains(&(ItemKind::Directory, id.clone()))) {
            return Ok(&Item::Directory);
        }
        match id.parse().ok().and_then(|label: Label| self.imported().items.get(&(kind, label))) {
            Some(item) => Ok(item),
            None if self.listed.contains(&(kind, id)) => Err(Failure::Unreadable),
            None => Err(Failure::Missing),
        }
    }

    /// The ids of a kind in a directory. Suites and directories are one kind to QMTest.
    pub(super) fn ids(&self, kind: ItemKind, directory: &str, scan: bool) -> Option<BTreeSet<String>> {
        let directory = self.label(directory);
        if !directory.is_empty() && !self.listed.contains(&(ItemKind::Directory, directory.clone())) {
            return None;
        }
        let kinds: &[ItemKind] = if kind == ItemKind::Suite { &[kind, ItemKind::Directory] } else { &[kind] };
        let within = |id: &str| {
            let rest = if directory.is_empty() { Some(id) } else { id.strip_prefix(&format!("{directory}.")) };
            rest.is_some_and(|rest| scan || !rest.contains('.'))
        };
        let listed = self.listed.iter().filter(|(kind, id)| kinds.contains(kind) && within(id));
        Some(listed.map(|(_, id)| id.clone()).collect())
    }

    pub(super) fn expand(&self, ids: &[&str]) -> Result<[BTreeSet<String>; 2], Failure> {
        let [mut tests, mut suites] = [BTreeSet::new(), BTreeSet::new()];
        let mut open = Vec::new();
        for id in ids {
            match self.get(ItemKind::Suite, id) {
                Ok(_) => {
                    suites.insert((*id).to_owned());
                    open.push((*id).to_owned());
                }
                Err(Failure::Unreadable) => return Err(Failure::Unreadable),
                Err(Failure::Missing) => {
                    self.get(ItemKind::Test, id)?;
                    tests.insert((*id).to_owned());
                }
            }
        }
        while let Some(id) = open.pop() {
            let inner: Vec<String> = if let Item::Suite(suite) = self.get(ItemKind::Suite, &id)? {
                tests.extend(suite.test_ids.clone());
                suite.suite_ids.clone()
            } else {
                tests.extend(self.ids(ItemKind::Test, &id, false).unwrap());
                suites.extend(self.ids(ItemKind::Suite, &id, false).unwrap());
                self.ids(ItemKind::Directory, &id, false).unwrap().into_iter().collect()
            };
            open.extend(inner.into_iter().filter(|id| {
                suites.insert(id.clone()) || !matches!(self.get(ItemKind::Suite, id), Ok(Item::Suite(_)))
            }));
        }
        Ok([tests, suites])
    }
}

/// The tree that a case describes. Items that are not given as files are written as files.
fn tree(given: &Json, classes: &Classes) -> Tree {
    let mut tree = Tree::default();
    let mut add = |path: &str, text: &str| tree.add_file(path, File::Content(text.as_bytes().to_vec())).unwrap();
    let empty = Map::new();
    let map = |key: &str| given[key].as_object().unwrap_or(&empty).clone();
    for (path, text) in map("files") {
        add(&path, text.as_str().unwrap());
    }
    let options = map("options");
    let option = |name: &str| options.get(name).map(|text| text.as_str().unwrap().to_owned());
    if let Some(text) = given["configuration"].as_str() {
        add(layout::CONFIGURATION, text);
    } else if !options.is_empty() {
        let mut out = Writer::new();
        out.raw(&format!("<extension class='{XML_DATABASE}' kind='database'>"));
        for (name, text) in &options {
            let element = if name == "modifiable" { "enumeral" } else { "text" };
            out.raw(&format!("<argument name='{name}'>"));
            out.text_element(element, text.as_str().unwrap()).unwrap();
            out.raw("</argument>");
        }
        out.end("extension");
        add(layout::CONFIGURATION, &out.finish());
    }
    let Extensions { test, resource, suite } = Extensions::default();
    let extensions = Extensions {
        test: option("test_extension").unwrap_or(test),
        resource: option("resource_extension").unwrap_or(resource),
        suite: option("suite_extension").unwrap_or(suite),
    };
    let path = |id: &str, extension: &str| {
        let by_path = option("label_class").is_some_and(|class| class == LabelClass::File.name());
        if by_path { id.to_owned() } else { layout::file(&id.parse().unwrap(), extension, &extensions) }
    };
    let mut nowhere = |_: &Attachment| panic!("no case of files has attachments");
    for (key, kind, default, extension) in [
        ("tests", ClassKind::Test, "scripted.ScriptedTest", &extensions.test),
        ("resources", ClassKind::Resource, "scripted.ScriptedResource", &extensions.resource),
    ] {
        for (id, spec) in map(key) {
            let class = classes.get(spec["class"].as_str().unwrap_or(default)).unwrap();
            let arguments = spec["arguments"].as_object().unwrap_or(&empty).iter().map(|(name, value)| {
                let value = golden_classes::value_of_case(&class.field(name).unwrap().kind, value).unwrap();
                (name.clone(), value)
            });
            let item = Extension { class: class.name.clone(), arguments: arguments.collect(), about: About::default() };
            add(&path(&id, extension), &extension::write(kind, &item, &mut nowhere).unwrap());
        }
    }
    let texts = |json: &Json| json.as_array().into_iter().flatten().map(|id| id.as_str().unwrap().to_owned()).collect();
    for (id, spec) in map("suites") {
        let suite = Suite {
            class: EXPLICIT_SUITE.to_owned(),
            test_ids: texts(&spec["test_ids"]),
            suite_ids: texts(&spec["suite_ids"]),
            implicit: spec["is_implicit"] == "true" || spec["is_implicit"] == true,
            about: About::default(),
        };
        add(&path(&id, &extensions.suite), &suite::write(&suite, &mut nowhere).unwrap());
    }
    tree
}
