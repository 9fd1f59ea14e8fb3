//! What is where: directories, listings, suites and what they come to.
//!
//! An [`Index`] is the catalogue at one revision, without what its items say. It is made once and asked often: listings
//! and expansions take time in proportion to what they answer, and to the number of names at most.
//!
//! Every text that the catalogue has for a name, also those that suites give for members that do not exist, stands in one
//! sorted list, and its place in that list stands for it everywhere else. So ids that are sorted are texts that are
//! sorted, and what is below a directory stands together.

use std::fmt;

use crate::domain::catalogue::label::{Label, shown};
use crate::domain::words::words;

mod build;
mod expand;
mod flatten;
#[cfg(test)]
mod golden_tests;
mod listing;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

pub use build::Entry;
pub use expand::{ExpandError, Expansion, Missing, MissingSuites};
pub use flatten::Flattened;
pub use listing::SuiteView;

words!(
    /// A kind of thing that is listed and looked up, in QMTest's words. Each has names of its own.
    Kind, "kind", {
        /// Tests.
        Test = "test",
        /// Suites: those with explicit members, and directories.
        Suite = "suite",
        /// Resources.
        Resource = "resource",
    }
);

/// The catalogue at one revision. See the [module](self).
#[derive(Clone, Debug)]
pub struct Index {
    /// By text.
    names: Vec<Name>,
    /// Pairs of a test and an explicit suite that names it, sorted.
    test_referrers: Vec<(NameId, NameId)>,
    /// Pairs of a suite and an explicit suite that names it, sorted.
    suite_referrers: Vec<(NameId, NameId)>,
}

/// A place in the list of names.
type NameId = usize;

/// A text, and what it is the name of.
#[derive(Clone, Debug)]
struct Name {
    text: Box<str>,
    test: bool,
    resource: bool,
    suite: Option<Box<Node>>,
}

/// A suite or a directory.
#[derive(Clone, Debug, Default)]
struct Node {
    directory: bool,
    implicit: bool,
    /// As the suite has them; of a directory, what is in it, sorted.
    test_ids: Vec<NameId>,
    suite_ids: Vec<NameId>,
    /// Only of a directory.
    resource_ids: Vec<NameId>,
}

impl Name {
    fn is(&self, kind: Kind) -> bool {
        match kind {
            Kind::Test => self.test,
            Kind::Suite => self.suite.is_some(),
            Kind::Resource => self.resource,
        }
    }
}

impl Index {
    fn find(&self, text: &str) -> Option<NameId> {
        self.names.binary_search_by(|name| (*name.text).cmp(text)).ok()
    }

    fn text(&self, id: NameId) -> &str {
        self.names.get(id).map_or("", |name| &name.text)
    }

    fn texts(&self, ids: &[NameId]) -> Vec<&str> {
        ids.iter().map(|id| self.text(*id)).collect()
    }

    fn is(&self, kind: Kind, id: NameId) -> bool {
        self.names.get(id).is_some_and(|name| name.is(kind))
    }

    fn node(&self, id: NameId) -> Option<&Node> {
        self.names.get(id)?.suite.as_deref()
    }

    fn no_member(&self, id: NameId, named_by: NameId) -> NoSuchSuite {
        NoSuchSuite::Member { id: self.text(id).to_owned(), named_by: self.text(named_by).to_owned() }
    }

    fn directory(&self, label: &Label) -> Result<&Node, NoSuchSuite> {
        let id = || label.as_str().to_owned();
        match self.find(label.as_str()).and_then(|id| self.node(id)) {
            None => Err(NoSuchSuite::Absent { id: id() }),
            Some(node) if !node.directory => Err(NoSuchSuite::NoDirectory { id: id() }),
            Some(node) => Ok(node),
        }
    }
}

/// A suite or directory that was asked for is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSuchSuite {
    /// There is none of this name.
    Absent {
        /// The name.
        id: String,
    },
    /// It is a suite with explicit members, and a directory was asked for.
    NoDirectory {
        /// Its name.
        id: String,
    },
    /// A suite that was to be expanded names it as a member, and there is none.
    Member {
        /// The name.
        id: String,
        /// The suite that names it.
        named_by: String,
    },
}

impl NoSuchSuite {
    /// The name of what is not there.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Absent { id } | Self::NoDirectory { id } | Self::Member { id, .. } => id,
        }
    }
}

impl fmt::Display for NoSuchSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { id } => write!(f, "there is no suite and no directory {}", shown(id)),
            Self::NoDirectory { id } => {
                write!(f, "{} is a suite with explicit members, no directory: nothing is in it", shown(id))
            }
            Self::Member { id, named_by } => {
                write!(f, "there is no suite and no directory {}, which the suite {} names", shown(id), shown(named_by))
            }
        }
    }
}

impl std::error::Error for NoSuchSuite {}
