//! What the catalogue holds under a label.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::catalogue::class::Class;
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::catalogue::value::{Attachment, Value};
use crate::domain::words::words;

words!(
    /// A kind of thing that the catalogue holds. Each kind has names of its own, but a suite and a directory share
    /// theirs: a directory is a suite too, of what is in it.
    ItemKind, "kind of item", {
        /// A test.
        Test = "test",
        /// What tests need set up before they run.
        Resource = "resource",
        /// A suite with explicit members.
        Suite = "suite",
        /// A directory: an implicit suite.
        Directory = "directory",
        /// What a test is expected to come to. Its name is the test's label.
        Expectation = "expectation",
        /// A class of tests or resources that was registered here. Its name is `module.Class`.
        Class = "class",
    }
);

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Item {
    /// A test.
    Test(Extension),
    /// A resource.
    Resource(Extension),
    /// A suite with explicit members.
    Suite(Suite),
    /// A directory.
    Directory,
    /// An expectation.
    Expectation(Expectation),
    /// A registered class.
    Class(Class),
}

impl Item {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        match self {
            Self::Test(_) => ItemKind::Test,
            Self::Resource(_) => ItemKind::Resource,
            Self::Suite(_) => ItemKind::Suite,
            Self::Directory => ItemKind::Directory,
            Self::Expectation(_) => ItemKind::Expectation,
            Self::Class(_) => ItemKind::Class,
        }
    }

    /// What people know about it; nothing of directories, expectations and classes.
    #[must_use]
    pub fn about(&self) -> Option<&About> {
        match self {
            Self::Test(extension) | Self::Resource(extension) => Some(&extension.about),
            Self::Suite(suite) => Some(&suite.about),
            Self::Directory | Self::Expectation(_) | Self::Class(_) => None,
        }
    }

    /// The name of its class, if it has one.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        match self {
            Self::Test(extension) | Self::Resource(extension) => Some(&extension.class),
            Self::Suite(suite) => Some(&suite.class),
            Self::Directory | Self::Expectation(_) | Self::Class(_) => None,
        }
    }

    /// Every attachment: those beside it, then those in its arguments, however deep.
    #[must_use]
    pub fn attachments(&self) -> Vec<&Attachment> {
        let beside = self.about().into_iter().flat_map(|about| about.attachments.values());
        let mut all: Vec<&Attachment> = beside.collect();
        if let Self::Test(extension) | Self::Resource(extension) = self {
            for value in extension.arguments.values() {
                value.collect_attachments(&mut all);
            }
        }
        all
    }
}

impl Item {
    /// Every attachment, to be changed, in the order of [`Self::attachments`].
    pub fn attachments_mut(&mut self) -> Vec<&mut Attachment> {
        match self {
            Self::Test(Extension { arguments, about, .. }) | Self::Resource(Extension { arguments, about, .. }) => {
                let mut all: Vec<&mut Attachment> = about.attachments.values_mut().collect();
                for value in arguments.values_mut() {
                    value.collect_attachments_mut(&mut all);
                }
                all
            }
            Self::Suite(suite) => suite.about.attachments.values_mut().collect(),
            Self::Directory | Self::Expectation(_) | Self::Class(_) => Vec::new(),
        }
    }
}

impl Value {
    fn collect_attachments_mut<'a>(&'a mut self, all: &mut Vec<&'a mut Attachment>) {
        match self {
            Self::Attachment(attachment) => all.extend(attachment),
            Self::Set(values) | Self::Tuple(values) => {
                for value in values {
                    value.collect_attachments_mut(all);
                }
            }
            Self::Dictionary(pairs) => pairs.iter_mut().for_each(|(key, value)| {
                key.collect_attachments_mut(all);
                value.collect_attachments_mut(all);
            }),
            Self::Text(_) | Self::Integer(_) | Self::Enumeral(_) | Self::Time(_) => {}
        }
    }

    fn collect_attachments<'a>(&'a self, all: &mut Vec<&'a Attachment>) {
        match self {
            Self::Attachment(attachment) => all.extend(attachment),
            Self::Set(values) | Self::Tuple(values) => values.iter().for_each(|value| value.collect_attachments(all)),
            Self::Dictionary(pairs) => pairs.iter().for_each(|(key, value)| {
                key.collect_attachments(all);
                value.collect_attachments(all);
            }),
            Self::Text(_) | Self::Integer(_) | Self::Enumeral(_) | Self::Time(_) => {}
        }
    }
}

/// What people know about an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keywords: BTreeSet<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Files beside it, by file name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attachments: BTreeMap<String, Attachment>,
}

/// A test or a resource: an instance of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The class, `module.Class`.
    pub class: String,
    /// The arguments that are stated, by name; the class has defaults for the others. What QMTest treats as arguments
    /// stands here too: `prerequisites`, `resources`, `target_group`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Value>,
    /// What people know about it.
    #[serde(flatten)]
    pub about: About,
}

/// Names of arguments that every test or resource has.
pub const PREREQUISITES: &str = "prerequisites";
/// See [`PREREQUISITES`].
pub const RESOURCES: &str = "resources";
/// See [`PREREQUISITES`].
pub const TARGET_GROUP: &str = "target_group";

/// The pattern of target groups that a test has which states none: any.
pub const ANY_TARGET: &str = ".*";

impl Extension {
    /// The tests that must have come to an outcome before this one runs: pairs of id and outcome, in their order,
    /// duplicates included. The outcome is a word, which need not be one of [`Outcome`].
    #[must_use]
    pub fn prerequisites(&self) -> Vec<(&str, &str)> {
        let Some(Value::Set(values)) = self.arguments.get(PREREQUISITES) else { return Vec::new() };
        values.iter().filter_map(pair).collect()
    }

    /// The resources that must be set up, in their order.
    #[must_use]
    pub fn resources(&self) -> Vec<&str> {
        let Some(Value::Set(values)) = self.arguments.get(RESOURCES) else { return Vec::new() };
        values.iter().filter_map(|value| if let Value::Text(id) = value { Some(id.as_str()) } else { None }).collect()
    }

    /// The pattern of the target groups that it may run in.
    #[must_use]
    pub fn target_group(&self) -> &str {
        match self.arguments.get(TARGET_GROUP) {
            Some(Value::Text(pattern)) => pattern,
            _ => ANY_TARGET,
        }
    }
}

/// The id and the outcome of a prerequisite.
fn pair(value: &Value) -> Option<(&str, &str)> {
    let Value::Tuple(pair) = value else { return None };
    match pair.as_slice() {
        [Value::Text(id), Value::Enumeral(outcome)] => Some((id, outcome)),
        _ => None,
    }
}

/// The class of suites that QMTest itself makes.
pub const EXPLICIT_SUITE: &str = "explicit_suite.ExplicitSuite";

/// A suite with explicit members, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// The class.
    pub class: String,
    /// The tests that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_ids: Vec<String>,
    /// The suites and directories that it names; the empty text is the whole catalogue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suite_ids: Vec<String>,
    /// Whether it counts as implicit when another suite is expanded: then the explicit suites in it are listed and not
    /// expanded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implicit: bool,
    /// What people know about it.
    #[serde(flatten)]
    pub about: About,
}

/// What a test is expected to come to, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// The outcome.
    pub outcome: Outcome,
    /// Why, for people: a known bug, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}
