//! Where a database has what: extensions, folders, and the two ways to name things.

use std::fmt;

use crate::domain::catalogue::item::ItemKind;
use crate::domain::catalogue::label::Label;

/// The folder of a database's own files. Its capitals keep it from being a label.
pub const CONFIGURATION_FOLDER: &str = "QMTest";
/// What makes a folder a database.
pub const CONFIGURATION: &str = "QMTest/configuration";
/// The classes that are written in Python beside the database.
pub const CLASSES: &str = "QMTest/classes.qmc";
/// The targets that runs use.
pub const TARGETS: &str = "QMTest/targets";
/// The classes that were registered here, which QMTest does not have: a JSON array of them as the catalogue stores them.
pub const REGISTERED_CLASSES: &str = "QMTest/testyard-classes.json";
/// The expectations, as a results file, which QMTest can use as one.
pub const EXPECTATIONS: &str = "QMTest/expectations.qmr";

/// How a database names what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelClass {
    /// `python_label.PythonLabel`: `a.b.t` for the file `a.qms/b.qms/t.qmt`.
    Python,
    /// `file_label.FileLabel`: the path of the file itself.
    File,
}

impl LabelClass {
    /// The class's name in QMTest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python_label.PythonLabel",
            Self::File => "file_label.FileLabel",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Python, Self::File].into_iter().find(|class| class.name() == name)
    }
}

impl fmt::Display for LabelClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the names of a database's files end; any may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// Of tests: `.qmt`.
    pub test: String,
    /// Of resources: `.qma`.
    pub resource: String,
    /// Of suites, and of the folders that are directories: `.qms`.
    pub suite: String,
}

impl Default for Extensions {
    fn default() -> Self {
        Self { test: ".qmt".to_owned(), resource: ".qma".to_owned(), suite: ".qms".to_owned() }
    }
}

impl Extensions {
    /// The extension of a kind, if items of it have files.
    #[must_use]
    pub fn of(&self, kind: ItemKind) -> Option<&str> {
        match kind {
            ItemKind::Test => Some(&self.test),
            ItemKind::Resource => Some(&self.resource),
            ItemKind::Suite | ItemKind::Directory => Some(&self.suite),
            ItemKind::Expectation | ItemKind::Class => None,
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        [self.test.as_str(), &self.resource, &self.suite].into_iter()
    }
}

/// The component that a file or folder of this name stands for, of a kind with this extension. `None`: QMTest does not
/// list it, or could not open what it lists.
#[must_use]
pub(super) fn component<'a>(labels: LabelClass, name: &'a str, extension: &str) -> Option<&'a str> {
    let component = name.strip_suffix(extension)?;
    match labels {
        // QMTest lists what stays when the last extension of any kind is cut off, and opens a label with the extension
        // of the kind behind it. With an odd extension the two differ; what counts here is what is both.
        LabelClass::Python => (is_component(component) && without_extension(name) == component).then_some(component),
        LabelClass::File => Some(component),
    }
}

/// What QMTest's default label class takes for one component.
#[must_use]
pub(super) fn is_component(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
}

/// What QMTest's default label class takes for a label. The final line feed that it takes as well is an accident.
#[must_use]
pub(super) fn is_python_path(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    text.split('.').all(is_component)
}

/// The name without its last extension, as Python's `os.path.splitext` cuts it.
#[must_use]
pub(super) fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((base, _)) if !base.trim_start_matches('.').is_empty() => base,
        _ => name,
    }
}

/// The label for an id of a database whose labels are paths (`file_label.FileLabel`): each component without the extension
/// of its kind, joined by dots. `sub.qms/t.qmt` is `sub.t`. What comes out need not be a valid label.
#[must_use]
pub fn file_label(id: &str, extensions: &Extensions) -> String {
    let (folders, last) = id.rsplit_once('/').map_or((None, id), |(folders, last)| (Some(folders), last));
    let folders = folders.into_iter().flat_map(|folders| folders.split('/'));
    let folders = folders.map(|folder| folder.strip_suffix(extensions.suite.as_str()).unwrap_or(folder));
    // The longest that fits: one may end in another.
    let cut = extensions.iter().filter_map(|extension| last.strip_suffix(extension)).min_by_key(|cut| cut.len());
    folders.chain([cut.unwrap_or(last)]).collect::<Vec<_>>().join(".")
}

/// The folder of a directory, below the root: empty, or ending in `/`.
#[must_use]
pub fn folder(directory: &Label, extensions: &Extensions) -> String {
    let components = directory.as_str().split('.').filter(|component| !component.is_empty());
    components.fold(String::new(), |path, component| path + component + &extensions.suite + "/")
}

/// The file of an item with this label.
#[must_use]
pub fn file(label: &Label, extension: &str, extensions: &Extensions) -> String {
    let (directory, name) = label.as_str().rsplit_once('.').unwrap_or(("", label.as_str()));
    let components = directory.split('.').filter(|component| !component.is_empty());
    let folders = components.fold(String::new(), |path, component| path + component + &extensions.suite + "/");
    folders + name + extension
}
