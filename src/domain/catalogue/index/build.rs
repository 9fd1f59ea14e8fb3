//! How an index is made: every name is gathered, sorted, and given its place.

use std::collections::BTreeMap;

use super::{Index, Kind, Name, NameId, Node};
use crate::domain::catalogue::label::{Label, parts};

/// Something that the catalogue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A test.
    Test(Label),
    /// A resource.
    Resource(Label),
    /// A suite with explicit members.
    Suite {
        /// Its label.
        label: Label,
        /// The tests that it names, in its order. Any text; no test has a name that is no label.
        test_ids: Vec<String>,
        /// The suites and directories that it names, in its order. Any text, likewise.
        suite_ids: Vec<String>,
        /// Whether it counts as implicit: then the suites in it that do not are listed and not expanded.
        implicit: bool,
    },
    /// A directory.
    Directory(Label),
}

/// What is known of a name before all names are.
#[derive(Default)]
struct Draft {
    test: bool,
    resource: bool,
    directory: bool,
}

/// What a suite with explicit members says.
struct Members {
    test_ids: Vec<String>,
    suite_ids: Vec<String>,
    implicit: bool,
}

/// The entries by their names.
#[derive(Default)]
struct Drafts {
    names: BTreeMap<String, Draft>,
    suites: BTreeMap<String, Members>,
}

impl Index {
    /// The index of these entries, in whatever order they come. The root is a directory, and so is whatever another entry
    /// is in, whether an entry says it or not.
    ///
    /// What no catalogue stores does no harm: where a label is both a suite with explicit members and a directory, it is
    /// the directory; of two suites of one label, the last one holds; no test, resource or explicit suite is the root.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut drafts = Drafts::default();
        drafts.add_directory(Label::root());
        for entry in entries {
            drafts.add(entry);
        }
        let Drafts { names, suites } = drafts.with_members();
        let name = |(text, draft): (String, Draft)| Name {
            test: draft.test,
            resource: draft.resource,
            suite: node(&draft, suites.get(&text)).map(Box::new),
            text: text.into_boxed_str(),
        };
        let names = names.into_iter().map(name).collect();
        let mut index = Self { names, test_referrers: Vec::new(), suite_referrers: Vec::new() };
        index.fill_directories();
        for (text, members) in &suites {
            index.fill_suite(text, members);
        }
        for referrers in [&mut index.test_referrers, &mut index.suite_referrers] {
            referrers.sort_unstable();
            referrers.dedup();
        }
        index
    }

    /// Puts everything into the directory that it is in, in the order of names.
    fn fill_directories(&mut self) {
        let directory = |(id, name): (NameId, &Name)| {
            let stored = !name.text.is_empty() && (name.test || name.resource || name.suite.is_some());
            stored.then(|| self.find(parts(&name.text).0)).flatten().map(|directory| (id, directory))
        };
        let placed: Vec<(NameId, NameId)> = self.names.iter().enumerate().filter_map(directory).collect();
        for (id, directory) in placed {
            let [test, suite, resource] = [Kind::Test, Kind::Suite, Kind::Resource].map(|kind| self.is(kind, id));
            let Some(node) = self.node_mut(directory) else { continue };
            node.test_ids.extend(test.then_some(id));
            node.suite_ids.extend(suite.then_some(id));
            node.resource_ids.extend(resource.then_some(id));
        }
    }

    /// Gives the suite of this text its members, which are names by now.
    fn fill_suite(&mut self, text: &str, members: &Members) {
        let Some(suite) = self.find(text) else { return };
        let find = |texts: &[String]| -> Vec<NameId> { texts.iter().filter_map(|text| self.find(text)).collect() };
        let (test_ids, suite_ids) = (find(&members.test_ids), find(&members.suite_ids));
        self.test_referrers.extend(test_ids.iter().map(|test| (*test, suite)));
        self.suite_referrers.extend(suite_ids.iter().map(|member| (*member, suite)));
        if let Some(node) = self.node_mut(suite) {
            node.test_ids = test_ids;
            node.suite_ids = suite_ids;
        }
    }

    fn node_mut(&mut self, id: NameId) -> Option<&mut Node> {
        self.names.get_mut(id)?.suite.as_deref_mut()
    }
}

/// The suite or directory of a name, with nothing in it yet.
fn node(draft: &Draft, members: Option<&Members>) -> Option<Node> {
    let implicit = draft.directory || members?.implicit;
    Some(Node { directory: draft.directory, implicit, ..Node::default() })
}

impl Drafts {
    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Directory(label) => self.add_directory(label),
            Entry::Test(label) if !label.is_root() => self.draft(label).test = true,
            Entry::Resource(label) if !label.is_root() => self.draft(label).resource = true,
            Entry::Suite { label, test_ids, suite_ids, implicit } if !label.is_root() => {
                self.draft(label.clone());
                self.suites.insert(label.into(), Members { test_ids, suite_ids, implicit });
            }
            Entry::Test(_) | Entry::Resource(_) | Entry::Suite { .. } => {}
        }
    }

    /// What is known of a label, whose directory is known from now on.
    fn draft(&mut self, label: Label) -> &mut Draft {
        self.add_directory(label.directory());
        self.names.entry(label.into()).or_default()
    }

    /// Adds a directory with those that it is in. What those of a directory that is known are in is known too.
    fn add_directory(&mut self, label: Label) {
        let above = label.ancestors();
        for label in std::iter::once(label).chain(above) {
            let draft = self.names.entry(label.into()).or_default();
            if std::mem::replace(&mut draft.directory, true) {
                return;
            }
        }
    }

    /// Without the suites that are directories; the members of the others are names too.
    fn with_members(mut self) -> Self {
        self.suites.retain(|text, _| self.names.get(text).is_none_or(|draft| !draft.directory));
        for text in self.suites.values().flat_map(|suite| suite.test_ids.iter().chain(&suite.suite_ids)) {
            if !self.names.contains_key(text) {
                self.names.insert(text.clone(), Draft::default());
            }
        }
        self
    }
}
