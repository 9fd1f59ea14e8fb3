//! What comes of many decisions, one after the other: nobody starves, weights hold, limits are never passed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::tests::{at, id, limits, offer, waits, with_slots};
use super::*;

const HALF_LIFE: TimeDelta = TimeDelta::hours(1);

/// A run at the runner.
struct Running {
    run: Waiting,
    begun: i64,
    ends: i64,
    slots: Slots,
}

/// A runner and what waits for it, in steps of a second.
struct Simulation {
    limits: Limits,
    places: usize,
    now: i64,
    count: u64,
    waiting: Vec<Waiting>,
    lasts: BTreeMap<RunId, i64>,
    running: Vec<Running>,
    served: BTreeMap<String, f64>,
    /// How long each that has begun had waited, in the order of their beginnings.
    begun: Vec<(Waiting, i64)>,
    /// Seconds of a place by project.
    worked: BTreeMap<String, f64>,
}

impl Simulation {
    fn new(limits: Limits, places: usize) -> Self {
        Self {
            limits,
            places,
            now: 0,
            count: 0,
            waiting: Vec::new(),
            lasts: BTreeMap::new(),
            running: Vec::new(),
            served: BTreeMap::new(),
            begun: Vec::new(),
            worked: BTreeMap::new(),
        }
    }

    fn add(&mut self, project: &str, priority: i64, lasts: i64, slots: &[(&str, u32)]) -> RunId {
        self.count += 1;
        let run = with_slots(waits(self.count, project, priority, self.now), slots);
        self.lasts.insert(run.id, lasts);
        self.waiting.push(run);
        id(self.count)
    }

    fn waits_of(&self, project: &str) -> usize {
        self.waiting.iter().filter(|run| run.project == project).count()
    }

    /// When this run began, if it did.
    fn waited(&self, id: RunId) -> Option<i64> {
        self.begun.iter().find(|(run, _)| run.id == id).map(|(_, waited)| *waited)
    }

    /// Ends what is over, begins what is next, and lets a second pass.
    fn step(&mut self) {
        let now = self.now;
        let (over, running): (Vec<Running>, Vec<Running>) =
            std::mem::take(&mut self.running).into_iter().partition(|run| run.ends <= now);
        self.running = running;
        for run in over {
            let cost = share::cost(at(run.begun), at(now));
            *self.served.entry(run.run.project.clone()).or_default() += cost;
            *self.worked.entry(run.run.project).or_default() += cost;
        }
        let mut served = self.served.clone();
        let mut taken: BTreeMap<String, BTreeMap<String, RunId>> = BTreeMap::new();
        for run in &self.running {
            *served.entry(run.run.project.clone()).or_default() += share::cost(at(run.begun), at(now));
            for (pool, ids) in &run.slots {
                for slot in ids {
                    let before = taken.entry(pool.clone()).or_default().insert(slot.clone(), run.run.id);
                    assert_eq!(before, None, "{pool}/{slot} is given twice");
                }
            }
        }
        let usage = Usage { running: self.running.len(), sessions: BTreeMap::new(), served, taken };
        let offers = [offer(self.places - self.running.len())];
        for taken in picks(&self.waiting, &usage, &self.limits, &offers, at(now)) {
            let place = self.waiting.iter().position(|run| run.id == taken.id).expect("who is taken has waited");
            let run = self.waiting.swap_remove(place);
            self.begun.push((run.clone(), now - (run.since - at(0)).num_seconds()));
            let ends = now + self.lasts[&run.id];
            self.running.push(Running { run, begun: now, ends, slots: taken.slots });
        }
        assert!(self.running.len() <= self.places);
        assert!(self.limits.running.is_none_or(|limit| self.running.len() <= limit));
        for served in self.served.values_mut() {
            *served = share::decayed(*served, TimeDelta::seconds(1), HALF_LIFE);
        }
        self.now += 1;
    }
}

#[test]
fn a_flood_does_not_starve_a_small_project_however_large_it_is() {
    let longest = |flood: usize| {
        let mut simulation = Simulation::new(limits(&[]), 4);
        for _ in 0..flood {
            simulation.add("flood", 0, 30, &[]);
        }
        for second in 0..2_000 {
            if second % 100 == 50 {
                simulation.add("small", 0, 30, &[]);
            }
            simulation.step();
        }
        assert!(simulation.waits_of("flood") > 0, "it was no flood");
        let small = simulation.begun.iter().filter(|(run, _)| run.project == "small");
        let waited: Vec<i64> = small.map(|(_, waited)| *waited).collect();
        assert!(waited.len() >= 19, "{waited:?}");
        waited.into_iter().max()
    };
    // A place becomes free within 30 seconds.
    let least = longest(400);
    assert!(least <= Some(30), "{least:?}");
    assert_eq!(least, longest(800), "it depends on how large the flood is");
}

#[test]
fn a_project_that_runs_long_does_not_get_more_of_the_runner_than_one_that_runs_short() {
    let mut simulation = Simulation::new(limits(&[]), 6);
    for _ in 0..20_000 {
        while simulation.waits_of("long") < 10 {
            simulation.add("long", 0, 300, &[]);
        }
        while simulation.waits_of("short") < 10 {
            simulation.add("short", 0, 20, &[]);
        }
        simulation.step();
    }
    let share = simulation.worked["long"] / (simulation.worked["long"] + simulation.worked["short"]);
    assert!((share - 0.5).abs() < 0.03, "{share}");
}

#[test]
fn weights_hold_in_the_long_run() {
    for places in [1, 3, 4] {
        let weights = BTreeMap::from([("three".to_owned(), 3), ("two".to_owned(), 2)]);
        let mut simulation = Simulation::new(Limits { weights, ..limits(&[]) }, places);
        for second in 0..20_000 {
            for project in ["one", "two", "three"] {
                while simulation.waits_of(project) < 5 {
                    simulation.add(project, 0, 20 + second % 41, &[]);
                }
            }
            simulation.step();
        }
        let all: f64 = simulation.worked.values().sum();
        for (project, weight) in [("one", 1.0), ("two", 2.0), ("three", 3.0)] {
            let share = simulation.worked[project] / all;
            assert!((share - weight / 6.0).abs() < 0.03, "{project} has {share} with {places} places");
        }
    }
}

#[test]
fn ageing_lets_what_is_least_urgent_through_in_bounded_time() {
    for project in ["a", "b"] {
        let mut simulation = Simulation::new(limits(&[]), 2);
        let patient = simulation.add(project, -100, 10, &[]);
        while simulation.waited(patient).is_none() {
            while simulation.waits_of("a") < 4 {
                simulation.add("a", 0, 10, &[]);
            }
            simulation.step();
            assert!(simulation.now < 100 * 60 + 120, "{project}: it waits still");
        }
        assert!(simulation.waited(patient) >= Some(100 * 60 - 60), "{project}: it was not less urgent");
    }
}

#[test]
fn what_needs_many_slots_is_not_starved_by_what_needs_one() {
    for project in ["a", "b"] {
        let pools: &[(&str, &[&str])] = &[("gpu", &["0", "1", "2", "3"])];
        let mut simulation = Simulation::new(limits(pools), 50);
        for number in 0..4 {
            simulation.add("a", 0, 10 + number * 5, &[("gpu", 1)]);
        }
        simulation.step();
        let large = simulation.add(project, 0, 10, &[("gpu", 4)]);
        while simulation.waited(large).is_none() {
            while simulation.waits_of("a") < 8 {
                simulation.add("a", 0, 20, &[("gpu", 1)]);
            }
            simulation.step();
            assert!(simulation.now < 300, "{project}: it waits still");
        }
        // The slots of those that ran before it are kept for it, one after the other.
        assert!(simulation.waited(large) <= Some(30), "{project}: {:?}", simulation.waited(large));
    }
}

#[test]
fn what_cannot_start_does_not_hold_up_what_needs_nothing_of_it() {
    let pools: &[(&str, &[&str])] = &[("gpu", &["0", "1"])];
    let mut simulation = Simulation::new(limits(pools), 50);
    simulation.add("a", 0, 1_000, &[("gpu", 1)]);
    simulation.step();
    let large = simulation.add("a", 0, 10, &[("gpu", 2)]);
    let other = simulation.add("a", 0, 10, &[]);
    simulation.step();
    assert_eq!((simulation.waited(large), simulation.waited(other)), (None, Some(0)));
}

#[test]
fn limits_are_never_passed_and_slots_never_given_twice_over_a_long_time() {
    let pools: &[(&str, &[&str])] = &[("gpu", &["0", "1", "2"]), ("port", &["a", "b"])];
    let mut simulation = Simulation::new(Limits { running: Some(5), ..limits(pools) }, 8);
    let mut seen = BTreeSet::new();
    for second in 0..4_000_i64 {
        if second % 3 == 0 {
            let (gpus, ports) = (u32::try_from(second % 4).unwrap(), u32::try_from(second / 3 % 3).unwrap());
            let project = ["a", "b", "c"][usize::try_from(second % 7 % 3).unwrap()];
            simulation.add(project, second % 11 - 5, 3 + second % 13, &[("gpu", gpus), ("port", ports)]);
        }
        simulation.step();
        seen.extend(simulation.running.iter().flat_map(|run| run.slots.values().flatten().cloned()));
    }
    assert_eq!(seen.len(), 5, "every slot is used: {seen:?}");
    assert!(simulation.begun.len() > 400, "{}", simulation.begun.len());
}
