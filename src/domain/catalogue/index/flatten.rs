//! All that is in a suite, as often as it is: QMTest's `GetAllTestAndSuiteIds`.

use std::collections::VecDeque;

use super::expand::Names;
use super::{Index, NameId, NoSuchSuite};
use crate::domain::catalogue::label::Label;

/// The most members that are listed for suites met again. Where suites share members, and share suites that share
/// members, what is listed doubles with each level; where they form a cycle, it would never end.
const MAX_REPEATED: usize = 100_000;

/// All that is in a suite, nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flattened<'a> {
    /// The tests.
    pub test_ids: Vec<&'a str>,
    /// The suites and directories. The suite itself only where something in it names it.
    pub suite_ids: Vec<&'a str>,
}

impl Index {
    /// All tests and suites that a suite comes to, by the rules of [`Index::expand`]: level by level, and each as often
    /// as it is named on the way there. Where suites met again would add over 100,000 members, as in a cycle, each is
    /// listed once.
    ///
    /// # Errors
    /// If there is no such suite or directory, or a suite that is expanded names one that there is not.
    pub fn flatten(&self, suite: &Label) -> Result<Flattened<'_>, NoSuchSuite> {
        let absent = || NoSuchSuite::Absent { id: suite.as_str().to_owned() };
        let id = self.find(suite.as_str()).filter(|id| self.node(*id).is_some()).ok_or_else(absent)?;
        let mut walk = self.walk(id)?;
        if walk.cut {
            let (mut tests, mut suites) = (Names::of(self), Names::of(self));
            walk.tests.retain(|id| tests.add(*id));
            walk.suites.retain(|id| suites.add(*id));
        }
        Ok(Flattened { test_ids: self.texts(&walk.tests), suite_ids: self.texts(&walk.suites) })
    }

    fn walk(&self, suite: NameId) -> Result<Walk, NoSuchSuite> {
        let mut walk = Walk::default();
        let mut met = Names::of(self);
        let mut may_repeat = MAX_REPEATED;
        let mut queue = VecDeque::from([suite]);
        while let Some(suite) = queue.pop_front() {
            let Some(node) = self.node(suite) else { continue };
            if !met.add(suite) {
                let members = node.test_ids.len().saturating_add(node.suite_ids.len());
                let Some(left) = may_repeat.checked_sub(members) else {
                    walk.cut = true;
                    continue;
                };
                may_repeat = left;
            }
            walk.tests.extend(&node.test_ids);
            for member in &node.suite_ids {
                let Some(member_node) = self.node(*member) else { return Err(self.no_member(*member, suite)) };
                walk.suites.push(*member);
                if member_node.implicit || !node.implicit {
                    queue.push_back(*member);
                }
            }
        }
        Ok(walk)
    }
}

/// What was met on the way through a suite.
#[derive(Default)]
struct Walk {
    tests: Vec<NameId>,
    suites: Vec<NameId>,
    /// Whether some suite that was met again was passed over.
    cut: bool,
}
