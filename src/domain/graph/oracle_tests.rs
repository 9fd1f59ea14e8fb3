//! The graph beside others that take all the time they need.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Graph, NodeSet};

type Edges = Vec<(u32, u32)>;

fn graphs() -> impl Strategy<Value = (u32, Edges)> {
    (1_u32..12).prop_flat_map(|count| (Just(count), prop::collection::vec((0..count, 0..count), 0..30)))
}

/// What is reached in one or more steps along pairs.
fn reached(pairs: &[(u32, u32)], seeds: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut reached = BTreeSet::new();
    loop {
        let from = |node: &u32| seeds.contains(node) || reached.contains(node);
        let more: BTreeSet<u32> =
            pairs.iter().filter(|(a, b)| from(a) && !reached.contains(b)).map(|(_, b)| *b).collect();
        if more.is_empty() {
            return reached;
        }
        reached.extend(more);
    }
}

fn turned(pairs: &[(u32, u32)]) -> Edges {
    pairs.iter().map(|(from, to)| (*to, *from)).collect()
}

fn set(nodes: &NodeSet) -> BTreeSet<u32> {
    let set: BTreeSet<u32> = nodes.iter().collect();
    assert_eq!(set.len(), nodes.len());
    assert!(set.iter().all(|node| nodes.contains(*node)));
    set
}

/// An order by generations, each made by looking at all edges again. Nothing if there is none.
fn order(count: u32, edges: &[(u32, u32)]) -> Option<Vec<u32>> {
    let mut order: Vec<u32> = (0..count).filter(|node| edges.iter().all(|(from, _)| from != node)).collect();
    let mut next = 0;
    while next < order.len() {
        let node = order[next];
        next += 1;
        for (place, (from, to)) in edges.iter().enumerate().filter(|(_, (_, to))| *to == node) {
            let done = &order[..next];
            let is_free = edges.iter().filter(|(other, _)| other == from).all(|(_, to)| done.contains(to));
            // Of an edge that stands twice the last one counts.
            if is_free && !edges[place + 1..].contains(&(*from, *to)) {
                order.push(*from);
            }
        }
    }
    (order.len() == count as usize).then_some(order)
}

proptest! {
    #[test]
    fn closures_are_those_of_the_slow_way((count, edges) in graphs(), seeds in prop::collection::vec(0_u32..14, 0..5)) {
        let graph = Graph::new(count, edges.iter().copied());
        let seeds: BTreeSet<u32> = seeds.into_iter().collect();
        let is_there = |node: &u32| *node < count;
        let (up, down) = (reached(&edges, &seeds), reached(&turned(&edges), &seeds));
        let start = || seeds.iter().copied().chain(seeds.iter().copied());
        prop_assert_eq!(set(&graph.upstream(start())), up.clone());
        prop_assert_eq!(set(&graph.downstream(start())), down.clone());
        let wide: BTreeSet<u32> = seeds.union(&down).copied().collect();
        let answer = graph.up_down(start());
        prop_assert_eq!((set(&answer.0), set(&answer.1)), (reached(&edges, &wide), down.clone()));
        let there: BTreeSet<u32> = seeds.iter().copied().filter(is_there).collect();
        prop_assert_eq!(set(&graph.reachable(start())), up.union(&there).copied().collect::<BTreeSet<_>>());
        let answer = graph.reachable_up_down(start());
        let without = |all: &BTreeSet<u32>| all.difference(&seeds).copied().collect::<BTreeSet<_>>();
        prop_assert_eq!((set(&answer.0), set(&answer.1)), (without(&up), without(&down)));
    }

    #[test]
    fn orders_are_those_of_the_slow_way((count, edges) in graphs(), is_acyclic in any::<bool>()) {
        // Most random graphs have cycles.
        let edges: Edges = edges.into_iter().filter(|(from, to)| !is_acyclic || from * 7 % 13 > to * 7 % 13).collect();
        let graph = Graph::new(count, edges.iter().copied());
        prop_assert_eq!(graph.static_order().ok(), order(count, &edges));
        prop_assert_eq!(graph.static_order().is_ok(), graph.components().is_empty());
    }

    #[test]
    fn components_are_the_nodes_that_reach_themselves((count, edges) in graphs()) {
        let graph = Graph::new(count, edges.iter().copied());
        let of = |node: u32| reached(&edges, &BTreeSet::from([node]));
        let mut expected: BTreeSet<Vec<u32>> = BTreeSet::new();
        for node in (0..count).filter(|node| of(*node).contains(node)) {
            expected.insert(of(node).into_iter().filter(|other| of(*other).contains(&node)).collect());
        }
        let components = graph.components();
        let nodes: Vec<Vec<u32>> = components.iter().map(|component| component.nodes.clone()).collect();
        prop_assert_eq!(nodes, expected.into_iter().collect::<Vec<_>>());
        for component in components {
            let path = component.cycle.path;
            prop_assert_eq!(path.first(), component.nodes.first());
            let next = path.iter().cycle().skip(1);
            prop_assert!(path.iter().zip(next).all(|(from, to)| edges.contains(&(*from, *to))), "{:?}", path);
            prop_assert_eq!(path.iter().collect::<BTreeSet<_>>().len(), path.len());
            // No shorter way leads back to its beginning.
            let mut ends = BTreeSet::from([path[0]]);
            for _ in 1..path.len() {
                ends = edges.iter().filter(|(from, _)| ends.contains(from)).map(|(_, to)| *to).collect();
                prop_assert!(!ends.contains(&path[0]), "{:?}", path);
            }
        }
    }
}
