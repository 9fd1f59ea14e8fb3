//! Leaving out what `before` and groups contradict, part by part.
//!
//! What is left out can only change the part of the jobs that it hangs together with. So each part is walked again by
//! itself, and the parts take turns as one walk over all of them would find what is wrong.

use std::collections::{BTreeMap, HashMap};

use super::arrange::{Cycle, arrange};
use super::{Fault, Graph, Mark, Walk};

/// Jobs that hang together, and the places for which they are desired.
#[derive(Default)]
struct Part {
    jobs: Vec<u32>,
    places: Vec<usize>,
}

/// Leaves out jobs until there is no cycle; `pulled` is what is to run, with the places for which it came.
pub(super) fn leave_out_cycles<G: Graph>(walk: &mut Walk<'_, G>, pulled: &[(u32, usize)]) {
    let mut broken: BTreeMap<(bool, usize), (Part, Cycle)> = BTreeMap::new();
    for part in parts(walk, pulled) {
        if let Some((turn, cycle)) = first_cycle(walk, &part) {
            broken.insert(turn, (part, cycle));
        }
    }
    while let Some((_, (part, cycle))) = broken.pop_first() {
        walk.faults.push(Fault::Cycle { job: cycle.job, cycle: cycle.members });
        walk.leave_out(cycle.job);
        touch(walk, &part);
        walk.pull(&part.places);
        if let Some((turn, cycle)) = first_cycle(walk, &part) {
            broken.insert(turn, (part, cycle));
        }
    }
}

fn touch<G: Graph>(walk: &mut Walk<'_, G>, part: &Part) {
    for job in &part.jobs {
        if walk.mark(*job) != Mark::Gone {
            walk.set(*job, Mark::Untouched);
        }
    }
}

/// The first cycle of a part, and when its turn is: after those of earlier places; those within groups come last.
fn first_cycle<G: Graph>(walk: &mut Walk<'_, G>, part: &Part) -> Option<((bool, usize), Cycle)> {
    touch(walk, part);
    let pulled = walk.pulled(&part.places);
    let jobs = pulled.iter().map(|(job, _)| *job).collect();
    let cycle = arrange(walk.graph, jobs).err()?;
    let place = pulled.iter().find(|(job, _)| *job == cycle.root).map_or(0, |(_, place)| *place);
    Some(((cycle.within_group, place), cycle))
}

/// The parts that may have cycles. A job that nothing wants to run before, that is in no group, and whose needs are such,
/// is in no cycle and is never left out: it does not make others hang together.
fn parts<G: Graph>(walk: &Walk<'_, G>, pulled: &[(u32, usize)]) -> Vec<Part> {
    let graph = walk.graph;
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut targets = std::collections::HashSet::new();
    for (job, _) in pulled {
        targets.extend(graph.before(*job).iter().copied());
    }
    let mut unsound = Vec::new();
    for (job, _) in pulled {
        let needs = graph.needs(*job).iter().any(|(_, needed)| places.contains_key(needed));
        if needs || graph.group(*job).is_some() || !graph.before(*job).is_empty() || targets.contains(job) {
            places.insert(*job, unsound.len());
            unsound.push(*job);
        }
    }
    let mut sets = Sets((0..unsound.len()).collect());
    let mut groups: HashMap<u32, usize> = HashMap::new();
    for (place, job) in unsound.iter().enumerate() {
        let needs = graph.needs(*job).iter().map(|(_, needed)| needed);
        for other in needs.chain(graph.before(*job)).filter_map(|other| places.get(other)) {
            sets.join(place, *other);
        }
        if let Some(group) = graph.group(*job) {
            sets.join(place, *groups.entry(group).or_insert(place));
        }
    }
    let mut parts: BTreeMap<usize, Part> = BTreeMap::new();
    for (place, job) in unsound.iter().enumerate() {
        parts.entry(sets.find(place)).or_default().jobs.push(*job);
    }
    for (desired_place, job) in walk.desired.iter().enumerate() {
        if let Some(place) = places.get(job) {
            parts.entry(sets.find(*place)).or_default().places.push(desired_place);
        }
    }
    parts.into_values().collect()
}

/// Sets of places, each with one place that stands for it.
struct Sets(Vec<usize>);

impl Sets {
    fn find(&mut self, place: usize) -> usize {
        let mut at = place;
        loop {
            let above = self.0.get(at).copied().unwrap_or(at);
            if above == at {
                return at;
            }
            let next = self.0.get(above).copied().unwrap_or(above);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = next;
            }
            at = above;
        }
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        if let Some(slot) = self.0.get_mut(one.max(other)) {
            *slot = one.min(other);
        }
    }
}
