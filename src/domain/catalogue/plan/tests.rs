//! Properties of every plan, on random runs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    Cause, Context, Definitions, Known, Next, NotUnderWay, Plan, PlanResult, Report, ResultKind, Step, Target,
    TestFacts, simulate,
};
use crate::domain::catalogue::outcome::Outcome;

/// Its prerequisites, its resources, whether only the first target may run it, and what comes of it.
type RandomTest = (Vec<(usize, Outcome)>, Vec<usize>, bool, Outcome);

/// A random world: tests and resources that name each other by number, and what comes of each.
#[derive(Clone, Debug)]
struct World {
    tests: Vec<RandomTest>,
    resources: Vec<(Vec<usize>, Outcome)>,
    ids: Vec<usize>,
    slots: Vec<usize>,
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Pass),
        1 => Just(Outcome::Fail),
        1 => Just(Outcome::Error),
        1 => Just(Outcome::Untested),
    ]
}

fn worlds() -> impl Strategy<Value = World> {
    (1..12_usize, 1..6_usize).prop_flat_map(|(tests, resources)| {
        let test = (
            prop::collection::vec((0..tests + 1, outcomes()), 0..3),
            prop::collection::vec(0..resources + 1, 0..3),
            any::<bool>(),
            outcomes(),
        );
        let resource = (prop::collection::vec(0..resources + 1, 0..3), outcomes());
        (
            prop::collection::vec(test, tests),
            prop::collection::vec(resource, resources),
            prop::collection::vec(0..tests + 1, 0..tests * 2),
            prop::collection::vec(1..4_usize, 1..3),
        )
            .prop_map(|(tests, resources, ids, slots)| World { tests, resources, ids, slots })
    })
}

fn number(id: &str) -> usize {
    id[1..].parse().unwrap()
}

impl World {
    fn ids(&self) -> Vec<String> {
        self.ids.iter().map(|id| format!("t{id}")).collect()
    }

    /// The first target takes every test, the others only those that are not particular.
    fn targets(&self) -> Vec<Target> {
        let group = |place: usize| if place == 0 { "one" } else { "other" };
        self.slots
            .iter()
            .enumerate()
            .map(|(place, slots)| Target { name: format!("m{place}"), group: group(place).into(), slots: *slots })
            .collect()
    }

    fn plan(&self) -> Plan {
        Plan::new(&self.ids(), self, self.targets(), Context::from([("user".to_owned(), "u".to_owned())]))
    }

    fn act(&self, step: &Step) -> Report {
        let outcome = match step.kind {
            ResultKind::Test => self.tests[number(&step.id)].3,
            ResultKind::SetUp => self.resources[number(&step.id)].1,
            ResultKind::CleanUp => Outcome::Pass,
        };
        let properties = Context::from([(step.id.clone(), step.target.clone())]);
        Report { outcome: Some(outcome), properties, ..Report::default() }
    }

    /// The resources that these need, in however many steps.
    fn closure(&self, named: &[usize]) -> BTreeSet<usize> {
        let (mut all, mut wanted) = (BTreeSet::new(), named.to_vec());
        while let Some(id) = wanted.pop() {
            if all.insert(id) && id < self.resources.len() {
                wanted.extend(&self.resources[id].0);
            }
        }
        all
    }
}

impl Definitions for World {
    fn test(&self, id: &str) -> Known<TestFacts> {
        let Some((prerequisites, resources, particular, _)) = self.tests.get(number(id)) else { return Known::Absent };
        Known::There(TestFacts {
            prerequisites: prerequisites.iter().map(|(id, outcome)| (format!("t{id}"), outcome.to_string())).collect(),
            resources: resources.iter().map(|id| format!("r{id}")).collect(),
            target_group: if *particular { "one".into() } else { ".*".into() },
        })
    }

    fn resource(&self, id: &str) -> Known<Vec<String>> {
        match self.resources.get(number(id)) {
            Some((needs, _)) => Known::There(needs.iter().map(|id| format!("r{id}")).collect()),
            None => Known::Absent,
        }
    }
}

/// Drives a plan with many steps under way, reporting them in an order that `pick` chooses.
fn drive(world: &World, picks: &[usize]) -> (Vec<PlanResult>, Vec<Step>) {
    let (mut plan, mut under_way, mut done) = (world.plan(), Vec::new(), Vec::new());
    let mut picks = picks.iter().cycle();
    loop {
        match plan.advance() {
            Next::Do(step) => {
                let busy = under_way.iter().filter(|it: &&Step| it.target == step.target).count();
                assert!(busy < world.slots[number(&step.target)], "more steps than slots");
                under_way.push(step);
            }
            Next::Wait => {
                let step = under_way.remove(picks.next().unwrap() % under_way.len());
                plan.report(step.ticket, world.act(&step)).unwrap();
                done.push(step);
            }
            Next::Done => {
                assert!(under_way.is_empty() && plan.open() == 0);
                return (plan.results().to_vec(), done);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_test_has_one_result_and_a_reason_where_it_was_not_run(world in worlds(), picks in prop::collection::vec(0..9_usize, 1..9)) {
        let (results, steps) = drive(&world, &picks);
        let tests: Vec<&PlanResult> = results.iter().filter(|it| it.kind == ResultKind::Test).collect();
        let asked: BTreeSet<String> = world.ids().into_iter().collect();
        prop_assert_eq!(tests.iter().map(|it| it.id.clone()).collect::<BTreeSet<_>>(), asked.clone());
        prop_assert_eq!(tests.len(), asked.len());
        let ran: BTreeSet<&str> = steps.iter().filter(|it| it.kind == ResultKind::Test).map(|it| it.id.as_str()).collect();
        let came: BTreeMap<&str, Outcome> = tests.iter().map(|it| (it.id.as_str(), it.outcome)).collect();
        for result in &tests {
            let id = result.id.as_str();
            prop_assert_eq!(ran.contains(id), result.cause.is_none(), "{:?}", result);
            let Known::There(facts) = world.test(id) else {
                prop_assert_eq!(&result.cause, &Some(Cause::NotLoaded));
                continue;
            };
            // The last of an id counts.
            let wanted: BTreeMap<&String, &String> = facts.prerequisites.iter().map(|(id, outcome)| (id, outcome)).collect();
            let met = wanted.iter().all(|(id, outcome)| came.get(id.as_str()).is_none_or(|came| came.to_string() == **outcome));
            let exist = wanted.keys().all(|id| number(id) < world.tests.len());
            prop_assert!(!ran.contains(id) || met && exist, "{:?}", result);
            if let Some(Cause::FailedPrerequisite { id: culprit, expected, actual }) = &result.cause {
                prop_assert_eq!(wanted[culprit], expected);
                prop_assert_eq!(came[culprit.as_str()], *actual);
                prop_assert!(actual.to_string() != *expected);
            }
            if let Some(Cause::DependencyCycle { cycle }) = &result.cause {
                prop_assert_eq!(cycle.first().map(String::as_str), Some(id));
                for (place, one) in cycle.iter().enumerate() {
                    let next = &cycle[(place + 1) % cycle.len()];
                    let Known::There(facts) = world.test(one) else { panic!("{one}") };
                    prop_assert!(facts.prerequisites.iter().any(|(id, _)| id == next), "{:?}", cycle);
                }
            }
        }
    }

    #[test]
    fn resources_are_set_up_once_for_a_target_and_cleaned_up_in_reverse(world in worlds(), picks in prop::collection::vec(0..9_usize, 1..9)) {
        let (results, steps) = drive(&world, &picks);
        for target in world.targets() {
            let of = |kind: ResultKind| -> Vec<&PlanResult> {
                results.iter().filter(|it| it.kind == kind && it.target.as_deref() == Some(target.name.as_str())).collect()
            };
            let ids: Vec<&str> = of(ResultKind::SetUp).iter().map(|it| it.id.as_str()).collect();
            prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "set up twice");
            let up: Vec<&str> =
                of(ResultKind::SetUp).iter().filter(|it| it.outcome == Outcome::Pass).map(|it| it.id.as_str()).collect();
            let cleaned: Vec<&str> = of(ResultKind::CleanUp).iter().rev().map(|it| it.id.as_str()).collect();
            prop_assert_eq!(up, cleaned);
        }
        for step in steps.iter().filter(|it| it.kind == ResultKind::Test) {
            let named = &world.tests[number(&step.id)].1;
            // What it may read: the user's, its own name, and the properties of all that it needs and of nothing else.
            let given: BTreeSet<usize> = step.context.keys().filter(|key| key.starts_with('r')).map(|key| number(key)).collect();
            prop_assert_eq!(given, world.closure(named));
            prop_assert_eq!(step.context.get("user").map(String::as_str), Some("u"));
            prop_assert_eq!(step.context.get("qmtest.id"), Some(&step.id));
        }
    }

    #[test]
    fn what_each_test_comes_to_does_not_depend_on_the_order_of_reports(world in worlds(), picks in prop::collection::vec(0..9_usize, 1..9)) {
        // On several targets a resource that fails on one may pass on another: here all act alike.
        let outcomes = |results: Vec<PlanResult>| -> BTreeMap<String, Outcome> {
            results.into_iter().filter(|it| it.kind == ResultKind::Test).map(|it| (it.id, it.outcome)).collect()
        };
        let one_by_one = simulate(world.plan(), |step| world.act(step));
        let has_loop = (0..world.resources.len()).any(|id| world.resources[id].0.iter().any(|need| world.closure(&[*need]).contains(&id)));
        // In a loop of resources who fails first depends on where it was entered; that all of them fail does not.
        prop_assume!(!has_loop);
        prop_assert_eq!(outcomes(drive(&world, &picks).0), outcomes(one_by_one));
    }
}

#[test]
fn what_is_decided_on_one_target_sets_free_what_waits_for_another() {
    // The last test runs on the first target alone, once the second one has come to nothing, perhaps on the other target.
    let world = World {
        tests: vec![
            (vec![], vec![], false, Outcome::Pass),
            (vec![], vec![0], false, Outcome::Pass),
            (vec![(1, Outcome::Untested)], vec![], true, Outcome::Pass),
        ],
        resources: vec![(vec![], Outcome::Fail)],
        ids: vec![0, 2, 1],
        slots: vec![1, 1],
    };
    for results in [simulate(world.plan(), |step| world.act(step)), drive(&world, &[0]).0, drive(&world, &[1, 0]).0] {
        let passed = results.iter().filter(|it| it.kind == ResultKind::Test && it.outcome == Outcome::Pass);
        assert_eq!(passed.map(|it| it.id.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(["t0", "t2"]));
    }
}

#[test]
fn a_step_is_reported_once() {
    let world =
        World { tests: vec![(vec![], vec![], false, Outcome::Pass)], resources: vec![], ids: vec![0], slots: vec![1] };
    let mut plan = world.plan();
    let Next::Do(step) = plan.advance() else { panic!("a test is to be run") };
    assert_eq!(plan.advance(), Next::Wait);
    plan.report(step.ticket, Report::default()).unwrap();
    assert_eq!(plan.report(step.ticket, Report::default()), Err(NotUnderWay));
    assert_eq!((plan.advance(), plan.results().len()), (Next::Done, 1));
}

#[test]
fn long_chains_and_rings_are_planned_in_one_go() {
    const MANY: usize = 50_000;
    let chain = |ring: bool| {
        let prerequisite = |test: usize| match test {
            0 if ring => vec![(MANY - 1, Outcome::Pass)],
            0 => vec![],
            test => vec![(test - 1, Outcome::Pass)],
        };
        World {
            tests: (0..MANY).map(|test| (prerequisite(test), vec![], false, Outcome::Pass)).collect(),
            resources: vec![],
            ids: (0..MANY).rev().collect(),
            slots: vec![1],
        }
    };
    let passed = |world: World| {
        let results = simulate(world.plan(), |step| world.act(step));
        results.iter().filter(|it| it.outcome == Outcome::Pass).count()
    };
    assert_eq!(passed(chain(false)), MANY);
    assert_eq!(passed(chain(true)), 0);
}

#[test]
fn reasons_are_sentences() {
    let cycle = Cause::DependencyCycle { cycle: vec!["a".into(), "b".into()] };
    assert_eq!(cycle.to_string(), "it waits for itself: a waits for b waits for a");
    let failed = Cause::FailedPrerequisite { id: "a".into(), expected: "PASS".into(), actual: Outcome::Fail };
    assert_eq!(failed.to_string(), "its prerequisite `a` came to FAIL, and PASS is required");
    let pattern = Cause::NoMatchingTarget { pattern: "(".into(), fault: Some("it is no pattern".into()) };
    assert_eq!(pattern.to_string(), "no target's group can match its pattern `(`: it is no pattern");
}
