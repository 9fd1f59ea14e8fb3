//! What there is: QMTest's `HasTest`, `GetIds`, `GetSubdirectories`, `GetSuite` and their kin, and who names whom.

use super::{Index, Kind, NameId, NoSuchSuite};
use crate::domain::catalogue::label::{Label, parts};

/// A suite or a directory, as QMTest shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteView<'a> {
    /// Whether it is a directory.
    pub directory: bool,
    /// Whether it counts as implicit when it is expanded; directories do.
    pub implicit: bool,
    /// The tests that it names itself, in its order, with duplicates, also those that do not exist. Of a directory: the
    /// tests in it, sorted.
    pub test_ids: Vec<&'a str>,
    /// The suites and directories, likewise.
    pub suite_ids: Vec<&'a str>,
}

impl Index {
    /// Whether something of this kind has this name. A text that is no label is the name of nothing.
    #[must_use]
    pub fn has(&self, kind: Kind, id: &str) -> bool {
        self.find(id).is_some_and(|id| self.is(kind, id))
    }

    /// Whether it is a directory. The root is.
    #[must_use]
    pub fn is_directory(&self, label: &Label) -> bool {
        self.directory(label).is_ok()
    }

    /// The names of this kind in a directory, or `recursive`ly below it, sorted. Of suites: directories too, but never
    /// the directory itself.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn ids(&self, kind: Kind, directory: &Label, recursive: bool) -> Result<Vec<&str>, NoSuchSuite> {
        let node = self.directory(directory)?;
        if recursive {
            return Ok(self.below(directory).filter(|(_, name)| name.is(kind)).map(|(_, name)| &*name.text).collect());
        }
        Ok(self.texts(match kind {
            Kind::Test => &node.test_ids,
            Kind::Suite => &node.suite_ids,
            Kind::Resource => &node.resource_ids,
        }))
    }

    /// The directories in a directory, or `recursive`ly below it, sorted; never the directory itself.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn directories(&self, under: &Label, recursive: bool) -> Result<Vec<&str>, NoSuchSuite> {
        let node = self.directory(under)?;
        let is_directory = |id: &NameId| self.node(*id).is_some_and(|node| node.directory);
        Ok(if recursive {
            let directories = self.below(under).filter(|(id, _)| is_directory(id));
            directories.map(|(_, name)| &*name.text).collect()
        } else {
            node.suite_ids.iter().filter(|id| is_directory(id)).map(|id| self.text(*id)).collect()
        })
    }

    /// The directories in a directory by their last component, sorted.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn subdirectories(&self, directory: &Label) -> Result<Vec<&str>, NoSuchSuite> {
        Ok(self.directories(directory, false)?.into_iter().map(|id| parts(id).1).collect())
    }

    /// The suite or directory of this label.
    #[must_use]
    pub fn suite(&self, label: &Label) -> Option<SuiteView<'_>> {
        let node = self.node(self.find(label.as_str())?)?;
        Some(SuiteView {
            directory: node.directory,
            implicit: node.implicit,
            test_ids: self.texts(&node.test_ids),
            suite_ids: self.texts(&node.suite_ids),
        })
    }

    /// The suites with explicit members among whose own members is this one, sorted. Any text may be asked for: suites
    /// name what does not exist. Nothing names resources so.
    #[must_use]
    pub fn referrers(&self, kind: Kind, id: &str) -> Vec<&str> {
        let pairs = match kind {
            Kind::Test => self.test_referrers.as_slice(),
            Kind::Suite => &self.suite_referrers,
            Kind::Resource => &[],
        };
        let Some(id) = self.find(id) else { return Vec::new() };
        let from = pairs.partition_point(|(member, _)| *member < id);
        pairs.iter().skip(from).take_while(|(member, _)| *member == id).map(|(_, suite)| self.text(*suite)).collect()
    }

    /// All names below a directory. They stand together: their texts begin with the directory's and a dot.
    fn below(&self, directory: &Label) -> impl Iterator<Item = (NameId, &super::Name)> {
        let prefix = if directory.is_root() { String::new() } else { format!("{directory}.") };
        let from = self.names.partition_point(|name| *name.text <= *prefix);
        self.names.iter().enumerate().skip(from).take_while(move |(_, name)| name.text.starts_with(&prefix))
    }
}
