//! What ids come to: QMTest's `ExpandIds`, where cycles end.

use std::collections::VecDeque;

use super::{Index, Kind, NameId, NoSuchSuite};
use crate::domain::catalogue::label::{Label, shown};

/// What to do about suites that a suite names and that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingSuites {
    /// As QMTest: expand nothing, and say which is missing.
    Refuse,
    /// Expand the rest, and report them as [missing](Expansion::missing).
    Report,
}

/// What ids come to: each id once, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion<'a> {
    /// The tests, also those that a suite names and that do not exist.
    pub test_ids: Vec<&'a str>,
    /// The suites and directories: those that were named, and those that were met on the way, also where they were only
    /// listed. All of them exist.
    pub suite_ids: Vec<&'a str>,
    /// The members that do not exist, tests first.
    pub missing: Vec<Missing<'a>>,
}

/// A member of a suite that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing<'a> {
    /// What it would be: a test or a suite.
    pub kind: Kind,
    /// Its name.
    pub id: &'a str,
    /// The first suite met that names it.
    pub named_by: &'a str,
}

/// Why ids come to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// This id, the first such one, is neither a suite nor a directory nor a test.
    #[error("{}", unknown(.0))]
    Unknown(String),
    /// A suite names a suite that does not exist.
    #[error(transparent)]
    NoSuchSuite(#[from] NoSuchSuite),
}

fn unknown(id: &str) -> String {
    match id.parse::<Label>() {
        Ok(_) => format!("there is no test, no suite and no directory {}", shown(id)),
        Err(invalid) => invalid.to_string(),
    }
}

impl Index {
    /// What these ids come to, by QMTest's rules:
    ///
    /// - In their order, an id that is among the tests or suites collected so far is passed over; a suite or directory is
    ///   added with all that it comes to; else a test is added. So a suite shadows a test of its name, unless a suite
    ///   that came earlier names that test.
    /// - What a suite comes to: its own tests and suites, and what those suites come to; but of the suites in an implicit
    ///   one (a directory), only the implicit ones. The others are listed and not expanded, for a directory should not
    ///   drag in tests from elsewhere.
    /// - Tests that a suite names need not exist. Suites must, or `missing_suites` says otherwise.
    ///
    /// A suite is expanded once, however it is reached: cycles of suites, in which QMTest hangs, end.
    ///
    /// # Errors
    /// [`ExpandError::Unknown`] with the first of the ids that is nothing; [`ExpandError::NoSuchSuite`] with the first
    /// member met that is no suite, where those are refused.
    pub fn expand<S: AsRef<str>>(
        &self,
        ids: &[S],
        missing_suites: MissingSuites,
    ) -> Result<Expansion<'_>, ExpandError> {
        let mut collected = Collected::new(self, missing_suites);
        for text in ids.iter().map(AsRef::as_ref) {
            let Some(id) = self.find(text) else { return Err(ExpandError::Unknown(text.to_owned())) };
            if collected.tests.has(id) || collected.suites.has(id) {
                continue;
            }
            if self.is(Kind::Suite, id) {
                collected.suites.add(id);
                collected.add_members(id)?;
            } else if self.is(Kind::Test, id) {
                collected.tests.add(id);
            } else {
                return Err(ExpandError::Unknown(text.to_owned()));
            }
        }
        Ok(collected.finish())
    }
}

/// A set of names.
pub(super) struct Names {
    has: Vec<bool>,
    ids: Vec<NameId>,
}

impl Names {
    /// None of an index's names.
    pub(super) fn of(index: &Index) -> Self {
        Self { has: vec![false; index.names.len()], ids: Vec::new() }
    }

    fn has(&self, id: NameId) -> bool {
        self.has.get(id).is_some_and(|has| *has)
    }

    /// Whether it was not there before.
    pub(super) fn add(&mut self, id: NameId) -> bool {
        let new = self.has.get_mut(id).is_some_and(|has| !std::mem::replace(has, true));
        if new {
            self.ids.push(id);
        }
        new
    }

    fn sorted(mut self) -> Vec<NameId> {
        self.ids.sort_unstable();
        self.ids
    }
}

/// What has been collected so far.
struct Collected<'a> {
    index: &'a Index,
    missing_suites: MissingSuites,
    tests: Names,
    suites: Names,
    /// The suites whose members are collected. A suite that is only listed is not one of them, and may become one.
    expanded: Names,
    /// The suites that do not exist.
    absent: Names,
    missing: Vec<Missing<'a>>,
}

impl<'a> Collected<'a> {
    fn new(index: &'a Index, missing_suites: MissingSuites) -> Self {
        let none = || Names::of(index);
        let (tests, suites, expanded, absent) = (none(), none(), none(), none());
        Self { index, missing_suites, tests, suites, expanded, absent, missing: Vec::new() }
    }

    /// Adds what a suite comes to, breadth first.
    fn add_members(&mut self, suite: NameId) -> Result<(), NoSuchSuite> {
        let mut queue = VecDeque::new();
        if self.expanded.add(suite) {
            queue.push_back(suite);
        }
        while let Some(suite) = queue.pop_front() {
            let Some(node) = self.index.node(suite) else { continue };
            for test in &node.test_ids {
                if self.tests.add(*test) && !self.index.is(Kind::Test, *test) {
                    self.miss(Kind::Test, *test, suite);
                }
            }
            for member in &node.suite_ids {
                let Some(member_node) = self.index.node(*member) else {
                    self.miss_suite(*member, suite)?;
                    continue;
                };
                self.suites.add(*member);
                if (member_node.implicit || !node.implicit) && self.expanded.add(*member) {
                    queue.push_back(*member);
                }
            }
        }
        Ok(())
    }

    fn miss_suite(&mut self, id: NameId, named_by: NameId) -> Result<(), NoSuchSuite> {
        if self.missing_suites == MissingSuites::Refuse {
            return Err(self.index.no_member(id, named_by));
        }
        if self.absent.add(id) {
            self.miss(Kind::Suite, id, named_by);
        }
        Ok(())
    }

    fn miss(&mut self, kind: Kind, id: NameId, named_by: NameId) {
        self.missing.push(Missing { kind, id: self.index.text(id), named_by: self.index.text(named_by) });
    }

    fn finish(mut self) -> Expansion<'a> {
        self.missing.sort_unstable();
        let (test_ids, suite_ids) = (self.tests.sorted(), self.suites.sorted());
        Expansion {
            test_ids: self.index.texts(&test_ids),
            suite_ids: self.index.texts(&suite_ids),
            missing: self.missing,
        }
    }
}
