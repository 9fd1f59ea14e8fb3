use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, Default)]
struct Node {
    needs: Vec<(Need, u32)>,
    before: Vec<u32>,
    group: Option<u32>,
    unreadable: bool,
}

#[derive(Clone, Debug, Default)]
struct Nodes {
    size: usize,
    nodes: BTreeMap<u32, Node>,
}

impl Graph for Nodes {
    fn size(&self) -> usize {
        self.size
    }
    fn is_known(&self, job: u32) -> bool {
        self.nodes.contains_key(&job)
    }
    fn is_unreadable(&self, job: u32) -> bool {
        self.nodes[&job].unreadable
    }
    fn needs(&self, job: u32) -> &[(Need, u32)] {
        &self.nodes[&job].needs
    }
    fn before(&self, job: u32) -> &[u32] {
        &self.nodes[&job].before
    }
    fn group(&self, job: u32) -> Option<u32> {
        self.nodes[&job].group
    }
}

/// As Plainbox does it: begin again after each fault.
fn restarting(nodes: &Nodes, desired: &[u32]) -> Solution {
    let mut nodes = nodes.clone();
    let mut desired = desired.to_vec();
    let mut faults = Vec::new();
    while !desired.is_empty() {
        match once(&nodes, &desired) {
            Ok(order) => return Solution { order, desired, faults },
            Err(fault) => {
                let job = match &fault {
                    Fault::Unknown(job)
                    | Fault::Missing { job, .. }
                    | Fault::Cycle { job, .. }
                    | Fault::Unreadable(job) => *job,
                };
                faults.push(fault);
                if let Some(place) = desired.iter().position(|other| *other == job) {
                    desired.remove(place);
                }
                nodes.nodes.remove(&job);
            }
        }
    }
    Solution { order: Vec::new(), desired, faults }
}

fn once(nodes: &Nodes, desired: &[u32]) -> Result<Vec<u32>, Fault> {
    let mut done = Vec::new();
    for job in desired {
        if !nodes.nodes.contains_key(job) {
            return Err(Fault::Unknown(*job));
        }
        visit(nodes, *job, &mut Vec::new(), &mut done)?;
    }
    arrange::arrange(nodes, done).map_err(|cycle| Fault::Cycle { job: cycle.job, cycle: cycle.members })
}

fn visit(nodes: &Nodes, job: u32, trail: &mut Vec<u32>, done: &mut Vec<u32>) -> Result<(), Fault> {
    if done.contains(&job) {
        return Ok(());
    }
    if let Some(from) = trail.iter().position(|other| *other == job) {
        let cycle = trail[from..].iter().chain([&job]).map(|job| Member::Job(*job)).collect();
        return Err(Fault::Cycle { job, cycle });
    }
    if nodes.nodes[&job].unreadable {
        return Err(Fault::Unreadable(job));
    }
    trail.push(job);
    for (need, missing) in nodes.nodes[&job].needs.clone() {
        if !nodes.nodes.contains_key(&missing) {
            return Err(Fault::Missing { job, missing, need });
        }
        visit(nodes, missing, trail, done)?;
    }
    trail.pop();
    done.push(job);
    Ok(())
}

fn nodes(size: u32) -> impl Strategy<Value = Nodes> {
    let need = (prop_oneof![Just(Need::Resource), Just(Need::Depends), Just(Need::After)], 0..size);
    let node = (
        proptest::collection::vec(need, 0..3),
        proptest::collection::vec(0..size, 0..2),
        proptest::option::weighted(0.2, 0..2u32),
        proptest::bool::weighted(0.03),
    )
        .prop_map(|(needs, before, group, unreadable)| Node { needs, before, group, unreadable });
    proptest::collection::btree_map(0..size, node, 0..size as usize)
        .prop_map(move |nodes| Nodes { size: size as usize, nodes })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn finds_what_restarting_finds((nodes, desired) in (nodes(12), proptest::collection::vec(0..12u32, 0..10))) {
        prop_assert_eq!(solve(&nodes, &desired), restarting(&nodes, &desired));
    }

    #[test]
    fn sparser_graphs_too((nodes, desired) in (nodes(40), proptest::collection::vec(0..40u32, 0..30))) {
        let mut nodes = nodes;
        for (number, node) in &mut nodes.nodes {
            node.needs.truncate((number % 3) as usize);
            node.before.retain(|target| target % 4 == 0);
            node.group = node.group.filter(|_| number % 5 == 0);
        }
        prop_assert_eq!(solve(&nodes, &desired), restarting(&nodes, &desired));
    }

    #[test]
    fn what_is_left_is_in_order((nodes, desired) in (nodes(15), proptest::collection::vec(0..15u32, 0..15))) {
        let solution = solve(&nodes, &desired);
        let mut seen = BTreeSet::new();
        for job in &solution.order {
            for (_, needed) in nodes.needs(*job) {
                prop_assert!(seen.contains(needed), "{job} before {needed}");
            }
            prop_assert!(seen.insert(*job));
        }
        for job in &solution.desired {
            prop_assert!(seen.contains(job));
        }
        prop_assert_eq!(solution.faults.is_empty(), solution.desired == desired);
    }
}

fn chain(length: u32, last: &Node) -> Nodes {
    let nodes = (0..length).map(|job| {
        let node = || Node { needs: vec![(Need::Depends, job + 1)], ..Node::default() };
        (job, if job + 1 == length { last.clone() } else { node() })
    });
    Nodes { size: length as usize + 1, nodes: nodes.collect() }
}

#[test]
fn long_chains_do_not_overflow() {
    let length = 100_000;
    let solution = solve(&chain(length, &Node::default()), &[0]);
    assert!(solution.order.iter().copied().eq((0..length).rev()));
    let before = Node { before: vec![1], ..Node::default() };
    let solution = solve(&chain(length, &before), &[0]);
    assert_eq!(solution.order.len(), length as usize);
}

#[test]
fn a_hundred_thousand_broken_jobs_are_found_in_one_walk() {
    let length = 100_000;
    let desired: Vec<u32> = (0..length).collect();
    let broken = Node { needs: vec![(Need::Depends, length)], ..Node::default() };
    let solution = solve(&chain(length, &broken), &desired);
    assert_eq!(solution.faults.len(), length as usize);
    assert!(solution.order.is_empty());
    let cycle = Node { needs: vec![(Need::After, 0)], ..Node::default() };
    let solution = solve(&chain(length, &cycle), &desired);
    assert_eq!(solution.faults.len(), length as usize);
    assert!(solution.desired.is_empty());
}

#[test]
fn many_contradictions_are_found_in_small_parts() {
    let pairs = 20_000;
    let resource = 2 * pairs;
    let mut nodes: BTreeMap<u32, Node> = (0..2 * pairs)
        .map(|job| (job, Node { needs: vec![(Need::Resource, resource)], before: vec![job ^ 1], ..Node::default() }))
        .collect();
    nodes.insert(resource, Node::default());
    let nodes = Nodes { size: nodes.len(), nodes };
    let desired: Vec<u32> = (0..2 * pairs).collect();
    let solution = solve(&nodes, &desired);
    assert_eq!(solution.faults.len(), pairs as usize);
    assert_eq!(solution.order.len(), pairs as usize + 1);
}
