//! Who goes first, and what the others are told.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::blocker::Blocker;
use super::choose::Verdict;
use super::possible::{self, Impossible};
use super::share::{LEAST_S, cost, decayed};
use super::*;

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000_000 + seconds, 0).expect("a time")
}

pub(super) fn id(number: u64) -> RunId {
    RunId(Uuid::from_u128(u128::from(number)))
}

pub(super) fn waits(number: u64, project: &str, priority: i64, since: i64) -> Waiting {
    Waiting {
        id: id(number),
        project: project.to_owned(),
        session: None,
        priority,
        since: at(since),
        requires: Labels::default(),
        slots: Needs::new(),
        held: None,
    }
}

pub(super) fn with_slots(run: Waiting, slots: &[(&str, u32)]) -> Waiting {
    Waiting { slots: slots.iter().map(|(pool, needs)| ((*pool).to_owned(), *needs)).collect(), ..run }
}

fn requiring(run: Waiting, labels: &[(&str, &str)]) -> Waiting {
    Waiting { requires: labelled(labels), ..run }
}

fn labelled(labels: &[(&str, &str)]) -> Labels {
    Labels(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

pub(super) fn offer(places: usize) -> Offer {
    Offer { by: "local".to_owned(), labels: Labels::default(), places }
}

pub(super) fn limits(pools: &[(&str, &[&str])]) -> Limits {
    Limits {
        running: None,
        session: None,
        weights: BTreeMap::new(),
        pools: pools
            .iter()
            .map(|(pool, ids)| ((*pool).to_owned(), ids.iter().map(|id| (*id).to_owned()).collect()))
            .collect(),
        ageing: TimeDelta::seconds(60),
    }
}

fn order(waiting: &[Waiting], usage: &Usage, limits: &Limits, now: i64) -> Vec<RunId> {
    choose(waiting, usage, limits, &[offer(0)], at(now)).into_iter().map(|verdict| verdict.id).collect()
}

fn blockers(verdict: &Verdict) -> Vec<String> {
    verdict.outcome.as_ref().err().into_iter().flatten().map(ToString::to_string).collect()
}

#[test]
fn the_more_urgent_goes_first_and_a_minute_of_waiting_is_worth_a_point() {
    let runs = [waits(1, "", 0, 0), waits(2, "", 10, 500), waits(3, "", 10, 700), waits(4, "", 0, 0)];
    assert_eq!(order(&runs, &Usage::default(), &limits(&[]), 800), [id(2), id(1), id(4), id(3)]);
}

#[test]
fn between_projects_the_least_served_by_its_weight_goes_first_unless_another_is_more_urgent() {
    let served =
        |a: f64, b: f64| Usage { served: [("a".to_owned(), a), ("b".to_owned(), b)].into(), ..Usage::default() };
    let runs = [waits(1, "a", 0, 0), waits(2, "b", 0, 100)];
    assert_eq!(order(&runs, &served(0.0, 0.0), &limits(&[]), 100), [id(1), id(2)], "the older");
    assert_eq!(order(&runs, &served(5.0, 4.0), &limits(&[]), 100), [id(2), id(1)], "the less served");
    let weighted = Limits { weights: [("a".to_owned(), 2)].into(), ..limits(&[]) };
    assert_eq!(order(&runs, &served(5.0, 4.0), &weighted, 100), [id(1), id(2)], "by weight");
    let urgent = [waits(1, "a", 1, 100), waits(2, "b", 0, 100)];
    assert_eq!(order(&urgent, &served(5.0, 4.0), &limits(&[]), 100), [id(1), id(2)], "the more urgent");
    assert_eq!(order(&urgent, &served(5.0, 4.0), &limits(&[]), 159), [id(1), id(2)], "not yet aged");
    assert_eq!(order(&urgent, &served(5.0, 4.0), &limits(&[]), 160), [id(2), id(1)], "aged to the same level");
}

#[test]
fn a_long_queue_of_one_project_that_has_waited_does_not_go_before_another_projects_first() {
    let mut runs: Vec<Waiting> = (1..=50).map(|number| waits(number, "flood", 0, 0)).collect();
    runs.push(waits(100, "small", 0, 100_000));
    let usage = Usage { served: [("flood".to_owned(), 3.0)].into(), ..Usage::default() };
    assert_eq!(order(&runs, &usage, &limits(&[]), 100_000)[0], id(100));
}

#[test]
fn who_is_taken_gets_the_lowest_free_slots_and_the_place_of_who_has_the_fewest_labels() {
    let runs = [
        requiring(with_slots(waits(1, "", 0, 0), &[("gpu", 2)]), &[("arch", "riscv64")]),
        with_slots(waits(2, "", 0, 1), &[("gpu", 1)]),
    ];
    let limits = limits(&[("gpu", &["0", "1", "2", "3"])]);
    let usage = Usage { taken: [("gpu".to_owned(), [("1".to_owned(), id(9))].into())].into(), ..Usage::default() };
    let agent = |by: &str, labels: &[(&str, &str)]| Offer { by: by.to_owned(), labels: labelled(labels), places: 1 };
    let offers = [agent("big", &[("arch", "riscv64"), ("gpu", "yes")]), agent("lab", &[("arch", "riscv64")])];
    let taken = picks(&runs, &usage, &limits, &offers, at(5));
    let given = |ids: &[&str]| Slots::from([("gpu".to_owned(), ids.iter().map(|id| (*id).to_owned()).collect())]);
    assert_eq!(
        taken,
        [
            Taken { id: id(1), by: "lab".to_owned(), slots: given(&["0", "2"]) },
            Taken { id: id(2), by: "big".to_owned(), slots: given(&["3"]) },
        ]
    );
}

#[test]
fn each_that_is_not_taken_has_its_blockers_and_what_would_have_to_change() {
    let session = SessionId(Uuid::from_u128(7));
    let runs = [
        with_slots(waits(1, "", 9, 0), &[("gpu", 3)]),
        with_slots(waits(2, "", 8, 0), &[("gpu", 1)]),
        with_slots(waits(3, "", 7, 0), &[("fpga", 1), ("gpu", 5)]),
        requiring(waits(4, "", 6, 0), &[("arch", "riscv64"), ("board", "k1")]),
        Waiting { session: Some(session), ..waits(5, "", 5, 0) },
        waits(6, "", 4, 0),
        waits(7, "", 3, 0),
        Waiting { held: Some("its build is not over".to_owned()), ..waits(8, "", 0, 0) },
    ];
    let usage = Usage {
        running: 3,
        sessions: [(session, 2)].into(),
        taken: [("gpu".to_owned(), [("0".to_owned(), id(90)), ("3".to_owned(), id(91))].into())].into(),
        ..Usage::default()
    };
    let limits =
        Limits { running: Some(4), session: Some(2), ..limits(&[("gpu", &["0", "1", "2", "3"]), ("power", &["a"])]) };
    let lab = Offer { by: "lab".to_owned(), labels: labelled(&[("arch", "riscv64")]), places: 5 };
    let verdicts = choose(&runs, &usage, &limits, &[lab], at(5));
    let told: Vec<Vec<String>> = verdicts.iter().map(blockers).collect();
    let held = format!("held by {}, {}", id(90), id(91));
    assert_eq!(told[0], [format!("the pool `gpu`: 3 needed, 2 free of 4, {held}")]);
    assert_eq!(
        told[1],
        [
            format!("the pool `gpu`: 1 needed, 0 free of 4, 2 more kept for runs that go first, {held}"),
            "others go first: place 2 of 7 (1 more urgent)".to_owned(),
        ]
    );
    assert_eq!(
        told[2],
        [
            "it can never run: there is no pool `fpga`: the runner has gpu, power",
            "it can never run: the pool `gpu` has 4 slots in all, and 5 are needed",
            "others go first: place 3 of 7 (2 more urgent)",
        ]
    );
    assert_eq!(
        told[3],
        ["none of 1 has the labels `arch=riscv64`, `board=k1`", "others go first: place 4 of 7 (3 more urgent)"]
    );
    assert_eq!(told[4][0], "the session has 2 of 2 runs that it may have");
    assert_eq!(verdicts[5].outcome.as_ref().map(|taken| taken.by.as_str()), Ok("lab"));
    assert_eq!(
        told[6],
        ["the runner has 4 of 4 runs that it may have", "others go first: place 7 of 7 (6 more urgent)"]
    );
    assert_eq!((verdicts[7].place, told[7].clone()), (None, vec!["held back: its build is not over".to_owned()]));
    let changes: Vec<String> =
        verdicts.iter().filter_map(|verdict| Some(verdict.outcome.as_ref().err()?.first()?.change())).collect();
    assert_eq!(
        changes,
        [
            "1 more slots of `gpu` have to become free",
            "1 more slots of `gpu` have to become free",
            "the settings have to change (`queue.pools`), or it has to be asked for otherwise",
            "an agent with the labels has to come; `lab` lacks only `board=k1`",
            "a run of the session has to end, or `queue.max_per_session` has to be raised",
            "a run has to end there, or `queue.max_running` of the runner has to be raised",
            "what holds it back has to end",
        ]
    );
}

#[test]
fn who_goes_first_is_counted_by_why() {
    let runs = [
        waits(1, "a", 5, 0),
        waits(2, "b", 0, 0),
        waits(3, "a", 0, 0),
        waits(4, "a", 0, 1),
        Waiting { held: Some("no".to_owned()), ..waits(5, "a", 9, 0) },
    ];
    let usage = Usage { served: [("a".to_owned(), 1.0)].into(), ..Usage::default() };
    let verdicts = choose(&runs, &usage, &limits(&[]), &[offer(0)], at(2));
    assert_eq!(
        verdicts[3].outcome.as_ref().unwrap_err().last(),
        Some(&Blocker::Others { place: 4, of: 4, priority: 1, share: 1, age: 1 })
    );
    assert_eq!(
        blockers(&verdicts[3]).last().map(String::as_str),
        Some(
            "others go first: place 4 of 4 (1 more urgent, 1 of projects that were served less, 1 of its project that wait \
             for longer)"
        )
    );
    assert_eq!(blockers(&verdicts[0]), ["all who would do take no more now: local"]);
}

#[test]
fn where_nobody_is_there_that_is_said() {
    let runs = [waits(1, "", 0, 0), requiring(waits(2, "", 0, 1), &[("arch", "riscv64")])];
    let told: Vec<Vec<String>> =
        choose(&runs, &Usage::default(), &limits(&[]), &[], at(2)).iter().map(blockers).collect();
    assert_eq!(told[0], ["nobody is there who offers a place"]);
    assert_eq!(told[1][0], "no agent is there, and one with `arch=riscv64` is needed");
}

#[test]
fn what_could_never_run_is_refused_and_labels_that_nobody_has_are_not() {
    let limits = limits(&[("gpu", &["0", "1"])]);
    let needs = |pool: &str, needs| Needs::from([(pool.to_owned(), needs)]);
    let label = labelled(&[("arch", "riscv64")]);
    let check = |has_agents, priority, requires: &Labels, slots: &Needs| {
        possible::check(&limits, has_agents, "p", priority, requires, slots)
    };
    assert_eq!(check(true, MAX_PRIORITY, &label, &needs("gpu", 2)), Ok(()));
    assert_eq!(
        check(true, 0, &label, &needs("gpu", 3)),
        Err(Impossible::TooFew { pool: "gpu".to_owned(), needs: 3, size: 2 })
    );
    let refused = |found: Result<(), Impossible>| found.unwrap_err().to_string();
    assert_eq!(refused(check(true, 0, &label, &needs("tpu", 1))), "there is no pool `tpu`: the runner has gpu");
    assert!(refused(check(false, 0, &label, &Needs::new())).contains("only agents have labels"));
    assert!(refused(check(true, MAX_PRIORITY + 1, &label, &Needs::new())).contains("-1000 to 1000"));
    assert!(refused(check(true, MIN_PRIORITY - 1, &label, &Needs::new())).contains("-1000 to 1000"));
    let many = (0..=possible::MAX_POOLS).map(|number| (number.to_string(), 1)).collect();
    assert!(refused(check(true, 0, &label, &many)).contains("more than 20 pools"));
    assert!(possible::check(&limits, true, "a\nb", 0, &label, &Needs::new()).is_err());
    assert!(possible::check(&limits, true, &"p".repeat(201), 0, &label, &Needs::new()).is_err());
    let none = super::tests::limits(&[]);
    let refused = possible::check(&none, false, "", 0, &Labels::default(), &needs("gpu", 1)).unwrap_err();
    assert_eq!(refused.to_string(), "there is no pool `gpu`: the runner has none");
}

#[test]
fn what_was_served_is_halved_with_each_half_life() {
    let hour = TimeDelta::hours(1);
    let close = |left: f64, right: f64| assert!((left - right).abs() < 1e-9, "{left} {right}");
    close(decayed(8.0, TimeDelta::zero(), hour), 8.0);
    close(decayed(8.0, hour, hour), 4.0);
    close(decayed(8.0, hour * 3, hour), 1.0);
    close(decayed(8.0, -hour, hour), 8.0);
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        close(decayed(odd, hour, hour), 0.0);
    }
    close(decayed(8.0, TimeDelta::MAX, TimeDelta::zero()), 0.0);
    close(cost(at(0), at(90)), 90.0);
    close(cost(at(0), at(0)), LEAST_S);
    close(cost(at(9), at(0)), LEAST_S);
}
