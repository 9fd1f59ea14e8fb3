//! What a run of tests comes to: which test is next, on which target, with which resources, and what becomes of those that
//! cannot be run. QMTest's execution engine as a state machine.
//!
//! [`Plan::advance`] says what is to be done now, [`Plan::report`] takes what came of it; in between any number of steps may
//! be under way, one for each slot of a target. What the plan decides by itself stands in [`Plan::results`] with its
//! [`Cause`], beside what was reported. A plan reads no clock and draws no numbers: the same reports in the same order make
//! the same results.
//!
//! The rules were measured on QMTest (`tests/golden/qmtest/execution.json`): prerequisites count only where they are in the
//! run, and must exist all the same; resources are set up once for each target, on first need, and cleaned up at the end.

mod cause;
mod order;
mod resources;
mod simulate;
mod target;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use cause::Cause;
pub use simulate::simulate;
pub use target::Target;

pub use crate::domain::catalogue::context::Context;
use crate::domain::catalogue::item::Extension;
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::words::words;

use order::Node;
use resources::{Needed, Shelf};
use target::Pattern;

/// What is known of a test or a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is there.
    There(T),
    /// It is there and cannot be read, or its class is not known.
    Unreadable,
    /// There is none of this id.
    Absent,
}

/// What a plan knows of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestFacts {
    /// The tests that must have come to an outcome before: id and outcome, in their order. Of an id that stands twice the
    /// last counts.
    pub prerequisites: Vec<(String, String)>,
    /// The resources that it needs, in their order.
    pub resources: Vec<String>,
    /// The pattern of the target groups that it may run in.
    pub target_group: String,
}

impl From<&Extension> for TestFacts {
    fn from(test: &Extension) -> Self {
        let owned = |(id, outcome): (&str, &str)| (id.to_owned(), outcome.to_owned());
        Self {
            prerequisites: test.prerequisites().into_iter().map(owned).collect(),
            resources: test.resources().into_iter().map(str::to_owned).collect(),
            target_group: test.target_group().to_owned(),
        }
    }
}

/// Where a plan looks tests and resources up.
pub trait Definitions {
    /// What is known of a test.
    fn test(&self, id: &str) -> Known<TestFacts>;
    /// What is known of a resource: the resources that it needs itself, in their order.
    fn resource(&self, id: &str) -> Known<Vec<String>>;
}

words!(
    /// What a result is of. The words are QMTest's.
    ResultKind, "kind of result", {
        /// A test.
        Test = "test",
        /// The set-up of a resource.
        SetUp = "resource_setup",
        /// The clean-up of a resource.
        CleanUp = "resource_cleanup",
    }
);

/// What came of a test or a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanResult {
    /// What it is of.
    pub kind: ResultKind,
    /// The id of the test or resource.
    pub id: String,
    /// The name of the target; `None` of what was decided before there was one.
    pub target: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Why. There is one for whatever was not attempted.
    pub cause: Option<Cause>,
    /// What was reported with it.
    pub annotations: BTreeMap<String, String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Names the step when it is reported.
    pub ticket: Ticket,
    /// What it is: run a test, set a resource up or clean one up.
    pub kind: ResultKind,
    /// The id of the test or resource.
    pub id: String,
    /// The name of the target.
    pub target: String,
    /// What it may read; nothing for a clean-up.
    pub context: Context,
}

/// A step that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What came of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The outcome; `PASS` where none is said.
    pub outcome: Option<Outcome>,
    /// Why.
    pub cause: Option<Cause>,
    /// What else is to be told.
    pub annotations: BTreeMap<String, String>,
    /// Of a resource that is set up: what it adds to the context of those that need it.
    pub properties: Context,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This is to be done; there may be more to do beside it.
    Do(Step),
    /// Nothing, until a step that is under way is reported.
    Wait,
    /// Nothing any more: every test has a result, and every resource that was set up is cleaned up.
    Done,
}

/// A report of a step that is not under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no step with this ticket is under way: it was reported already, or belongs to another plan")]
pub struct NotUnderWay;

/// A run of tests.
#[derive(Debug)]
pub struct Plan {
    tests: Vec<Node>,
    /// For each test, those that wait for it.
    dependents: Vec<Vec<usize>>,
    /// For each test, how many of its prerequisites have no result yet.
    pending: Vec<usize>,
    outcomes: Vec<Option<Outcome>>,
    /// How many tests have no result yet.
    open: usize,
    patterns: Vec<Pattern>,
    /// Tests that can be run, by pattern, each by its place in the order.
    ready: Vec<BTreeSet<(usize, usize)>>,
    places: Vec<usize>,
    targets: Vec<Bench>,
    resources: BTreeMap<String, Known<Vec<String>>>,
    context: Context,
    under_way: BTreeMap<Ticket, Work>,
    next_ticket: u64,
    results: Vec<PlanResult>,
}

/// A target and what goes on there.
#[derive(Debug)]
struct Bench {
    target: Target,
    free: usize,
    /// Tests that have a slot and whose resources are not all set up yet, the longest waiting first.
    preparing: VecDeque<usize>,
    shelf: Shelf,
    cleaning: bool,
}

/// A step that is under way.
#[derive(Debug)]
enum Work {
    Test { test: usize, bench: usize },
    SetUp { resource: String, bench: usize },
    CleanUp { resource: String, bench: usize },
}

impl Plan {
    /// A run of these tests, in this order as far as their prerequisites allow. An id that stands twice counts once.
    #[must_use]
    pub fn new(ids: &[String], definitions: &impl Definitions, targets: Vec<Target>, context: Context) -> Self {
        let order::Ordered { tests, order, cycles } = order::order(ids, definitions);
        let mut places = vec![0; tests.len()];
        for (place, test) in order.iter().enumerate() {
            if let Some(slot) = places.get_mut(*test) {
                *slot = place;
            }
        }
        let mut plan = Self {
            dependents: vec![Vec::new(); tests.len()],
            pending: vec![0; tests.len()],
            outcomes: vec![None; tests.len()],
            open: tests.len(),
            patterns: Vec::new(),
            ready: Vec::new(),
            places,
            resources: resources::known(&tests, definitions),
            targets: targets.into_iter().map(Bench::new).collect(),
            tests,
            context,
            under_way: BTreeMap::new(),
            next_ticket: 0,
            results: Vec::new(),
        };
        plan.begin(&order, cycles);
        plan
    }

    /// Decides what is decided before anything runs, and finds out what can be run first.
    fn begin(&mut self, order: &[usize], mut cycles: BTreeMap<usize, Vec<String>>) {
        let mut patterns: BTreeMap<String, usize> = BTreeMap::new();
        for node in &mut self.tests {
            let next = patterns.len();
            node.pattern = *patterns.entry(node.facts.target_group.clone()).or_insert(next);
        }
        let mut by_place: Vec<(usize, String)> = patterns.into_iter().map(|(text, place)| (place, text)).collect();
        by_place.sort_unstable();
        self.patterns = by_place.iter().map(|(_, text)| Pattern::new(text, &self.targets)).collect();
        self.ready = vec![BTreeSet::new(); self.patterns.len()];
        for (test, node) in self.tests.iter().enumerate() {
            for (prerequisite, _) in &node.prerequisites {
                if let Some(dependents) = self.dependents.get_mut(*prerequisite) {
                    dependents.push(test);
                }
            }
            if let Some(pending) = self.pending.get_mut(test) {
                *pending = node.prerequisites.len();
            }
        }
        let mut decided = Vec::new();
        for test in order {
            let cause = self.tests.get_mut(*test).and_then(|node| node.cause.take());
            let cycle = cycles.remove(test).map(|cycle| Cause::DependencyCycle { cycle });
            decided.extend(cause.or(cycle).map(|cause| (*test, cause)));
        }
        for (test, _) in &decided {
            // It waits for nothing, so that what another one comes to gives it no second result.
            if let Some(pending) = self.pending.get_mut(*test) {
                *pending = 0;
            }
        }
        for (test, cause) in decided {
            self.untested(test, None, cause);
        }
        for test in order {
            if self.pending.get(*test) == Some(&0) {
                self.consider(*test);
            }
        }
    }

    /// What is to be done now.
    pub fn advance(&mut self) -> Next {
        // A test that is decided on one target may have held up tests for a target that was looked at before.
        loop {
            let open = self.open;
            for bench in 0..self.targets.len() {
                if let Some(step) = self.advance_on(bench) {
                    return Next::Do(step);
                }
            }
            if self.open == open {
                break;
            }
        }
        if self.open > 0 {
            return Next::Wait;
        }
        self.next_clean_up()
    }

    /// What is to be done now on a target. Tests that are decided without a step are decided on the way.
    fn advance_on(&mut self, bench: usize) -> Option<Step> {
        while let Some(waiting) = self.targets.get(bench).map(|it| it.preparing.len()).filter(|count| *count > 0) {
            let mut blocked = 0;
            for _ in 0..waiting {
                let Some(test) = self.targets.get_mut(bench).and_then(|it| it.preparing.pop_front()) else { break };
                match self.prepare(test, bench) {
                    Prepared::Step(step) => return Some(step),
                    Prepared::Decided => {}
                    Prepared::Blocked => {
                        blocked += 1;
                        if let Some(bench) = self.targets.get_mut(bench) {
                            bench.preparing.push_back(test);
                        }
                    }
                }
            }
            if blocked == waiting {
                break;
            }
        }
        while let Some(test) = self.take(bench) {
            match self.prepare(test, bench) {
                Prepared::Step(step) => return Some(step),
                Prepared::Decided => {}
                Prepared::Blocked => {
                    if let Some(bench) = self.targets.get_mut(bench) {
                        bench.preparing.push_back(test);
                    }
                }
            }
        }
        None
    }

    /// Takes a slot of a target for the first test that can be run there.
    fn take(&mut self, bench: usize) -> Option<usize> {
        let there = self.targets.get_mut(bench).filter(|bench| bench.free > 0)?;
        let fitting = self.patterns.iter().zip(&self.ready).enumerate();
        let first = fitting
            .filter(|(_, (pattern, _))| pattern.fits(bench))
            .filter_map(|(place, (_, ready))| ready.first().map(|first| (*first, place)))
            .min()?;
        let ((place, test), pattern) = first;
        self.ready.get_mut(pattern)?.remove(&(place, test));
        there.free -= 1;
        Some(test)
    }

    /// Brings a test that has a slot nearer to running.
    fn prepare(&mut self, test: usize, bench: usize) -> Prepared {
        let Some((node, there)) = self.tests.get(test).zip(self.targets.get_mut(bench)) else {
            return Prepared::Decided;
        };
        let name = there.target.name.clone();
        let base = |id: &str| {
            let mut context = self.context.clone();
            context.insert("qmtest.target".to_owned(), name.clone());
            context.insert("qmtest.id".to_owned(), id.to_owned());
            context
        };
        let mut decided = Vec::new();
        let needed = there.shelf.need(test, &node.facts.resources, &self.resources, &mut decided);
        self.results.extend(decided.into_iter().map(|(id, outcome, cause)| PlanResult {
            kind: ResultKind::SetUp,
            id,
            target: Some(name.clone()),
            outcome,
            cause: Some(cause),
            annotations: BTreeMap::new(),
        }));
        let (kind, id, mut context, properties, work) = match needed {
            Needed::Wait => return Prepared::Blocked,
            Needed::Failed(resource) => {
                there.free += 1;
                self.untested(test, Some(name), Cause::FailedResource { resource });
                return Prepared::Decided;
            }
            Needed::SetUp { resource, properties } => {
                there.preparing.push_front(test);
                let work = Work::SetUp { resource: resource.clone(), bench };
                (ResultKind::SetUp, resource.clone(), base(&resource), properties, work)
            }
            Needed::Nothing { properties } => {
                (ResultKind::Test, node.id.clone(), base(&node.id), properties, Work::Test { test, bench })
            }
        };
        context.extend(properties);
        Prepared::Step(self.hand_out(kind, id, name, context, work))
    }

    fn next_clean_up(&mut self) -> Next {
        for bench in 0..self.targets.len() {
            let Some(there) = self.targets.get_mut(bench).filter(|bench| !bench.cleaning) else { continue };
            if let Some(resource) = there.shelf.next_clean_up() {
                there.cleaning = true;
                let name = there.target.name.clone();
                let work = Work::CleanUp { resource: resource.clone(), bench };
                return Next::Do(self.hand_out(ResultKind::CleanUp, resource, name, Context::new(), work));
            }
        }
        if self.under_way.is_empty() { Next::Done } else { Next::Wait }
    }

    fn hand_out(&mut self, kind: ResultKind, id: String, target: String, context: Context, work: Work) -> Step {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.under_way.insert(ticket, work);
        Step { ticket, kind, id, target, context }
    }

    /// Takes what came of a step.
    ///
    /// # Errors
    /// [`NotUnderWay`]; nothing changes then.
    pub fn report(&mut self, ticket: Ticket, report: Report) -> Result<(), NotUnderWay> {
        let work = self.under_way.remove(&ticket).ok_or(NotUnderWay)?;
        let outcome = report.outcome.unwrap_or(Outcome::Pass);
        let (Work::Test { bench, .. } | Work::SetUp { bench, .. } | Work::CleanUp { bench, .. }) = work;
        let name = self.targets.get(bench).map(|bench| bench.target.name.clone());
        let (kind, id) = match &work {
            Work::Test { test, .. } => {
                (ResultKind::Test, self.tests.get(*test).map_or(String::new(), |it| it.id.clone()))
            }
            Work::SetUp { resource, .. } => (ResultKind::SetUp, resource.clone()),
            Work::CleanUp { resource, .. } => (ResultKind::CleanUp, resource.clone()),
        };
        let Report { cause, annotations, properties, .. } = report;
        self.results.push(PlanResult { kind, id, target: name, outcome, cause, annotations });
        let Some(there) = self.targets.get_mut(bench) else { return Ok(()) };
        match work {
            Work::Test { test, .. } => {
                there.free += 1;
                self.came_to(test, outcome);
            }
            Work::SetUp { resource, .. } => there.shelf.set_up(&resource, outcome == Outcome::Pass, properties),
            Work::CleanUp { .. } => there.cleaning = false,
        }
        Ok(())
    }

    /// Everything that has come of the run so far, in the order in which it came.
    #[must_use]
    pub fn results(&self) -> &[PlanResult] {
        &self.results
    }

    /// How many tests have no result yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open
    }

    fn untested(&mut self, test: usize, target: Option<String>, cause: Cause) {
        let id = self.tests.get(test).map_or(String::new(), |node| node.id.clone());
        self.results.push(PlanResult {
            kind: ResultKind::Test,
            id,
            target,
            outcome: Outcome::Untested,
            cause: Some(cause),
            annotations: BTreeMap::new(),
        });
        self.came_to(test, Outcome::Untested);
    }

    /// Notes what a test has come to, and considers those that waited for nothing else. Goes on from test to test without
    /// nesting: chains may be long.
    fn came_to(&mut self, test: usize, outcome: Outcome) {
        let mut came = vec![(test, outcome)];
        while let Some((test, outcome)) = came.pop() {
            let Some(slot) = self.outcomes.get_mut(test).filter(|outcome| outcome.is_none()) else { continue };
            *slot = Some(outcome);
            self.open = self.open.saturating_sub(1);
            for dependent in self.dependents.get(test).cloned().unwrap_or_default() {
                let Some(pending) = self.pending.get_mut(dependent).filter(|pending| **pending > 0) else { continue };
                *pending -= 1;
                if *pending == 0
                    && self.outcomes.get(dependent) == Some(&None)
                    && let Some(cause) = self.judge(dependent)
                {
                    self.results.push(PlanResult {
                        kind: ResultKind::Test,
                        id: self.tests.get(dependent).map_or(String::new(), |node| node.id.clone()),
                        target: None,
                        outcome: Outcome::Untested,
                        cause: Some(cause),
                        annotations: BTreeMap::new(),
                    });
                    came.push((dependent, Outcome::Untested));
                }
            }
        }
    }

    /// Considers a test that waits for none.
    fn consider(&mut self, test: usize) {
        if self.outcomes.get(test) == Some(&None)
            && let Some(cause) = self.judge(test)
        {
            self.untested(test, None, cause);
        }
    }

    /// Why a test whose prerequisites all have results cannot be run; `None` if it can, and then it is ready.
    fn judge(&mut self, test: usize) -> Option<Cause> {
        let node = self.tests.get(test)?;
        for (prerequisite, wanted) in &node.prerequisites {
            let actual = self.outcomes.get(*prerequisite).copied().flatten()?;
            if actual.to_string() != *wanted {
                let id = self.tests.get(*prerequisite)?.id.clone();
                return Some(Cause::FailedPrerequisite { id, expected: wanted.clone(), actual });
            }
        }
        let pattern = self.patterns.get(node.pattern)?;
        if !pattern.fits_any() {
            return Some(Cause::NoMatchingTarget { pattern: node.facts.target_group.clone(), fault: pattern.fault() });
        }
        let place = self.places.get(test).copied()?;
        self.ready.get_mut(node.pattern)?.insert((place, test));
        None
    }
}

impl Bench {
    fn new(target: Target) -> Self {
        Self { free: target.slots.max(1), target, preparing: VecDeque::new(), shelf: Shelf::default(), cleaning: false }
    }
}

/// What preparing a test came to.
enum Prepared {
    /// This is to be done first.
    Step(Step),
    /// It has a result.
    Decided,
    /// Another test's resources are being set up.
    Blocked,
}
