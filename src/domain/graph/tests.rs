use super::{Cycle, Graph, Names, NodeSet};

fn graph(count: u32, edges: &[(u32, u32)]) -> Graph {
    Graph::new(count, edges.iter().copied())
}

fn list(set: &NodeSet) -> Vec<u32> {
    set.iter().collect()
}

#[test]
fn neighbours_keep_the_order_in_which_edges_were_given() {
    let graph = graph(4, &[(0, 3), (2, 3), (0, 1), (1, 3), (0, 3)]);
    assert_eq!(graph.dependencies(0), [3, 1, 3]);
    assert_eq!(graph.dependents(3), [0, 2, 1, 0]);
    assert_eq!((graph.node_count(), graph.edge_count()), (4, 5));
}

#[test]
fn what_is_not_there_has_no_neighbours_and_no_edges() {
    let graph = graph(2, &[(0, 1), (0, 2), (2, 0), (u32::MAX, 0)]);
    assert_eq!(graph.edge_count(), 1);
    for node in [2, u32::MAX] {
        assert!(graph.dependencies(node).is_empty());
        assert!(graph.dependents(node).is_empty());
    }
    assert!(graph.upstream([2, u32::MAX]).is_empty());
    assert_eq!(list(&graph.reachable([0, 7])), [0, 1]);
    let nothing = Graph::default();
    assert!(nothing.dependencies(0).is_empty());
    assert_eq!(nothing.static_order(), Ok(vec![]));
}

#[test]
fn seeds_are_reached_from_others_or_around_a_cycle_only() {
    let chain = graph(4, &[(1, 0), (2, 1), (3, 2)]);
    assert_eq!(list(&chain.upstream([2])), [0, 1]);
    assert_eq!(list(&chain.upstream([2, 1])), [0, 1]);
    assert_eq!(list(&chain.downstream([2, 1])), [2, 3]);
    let (up, down) = chain.up_down([1]);
    assert_eq!((list(&up), list(&down)), (vec![0, 1, 2], vec![2, 3]));
    let (up, down) = chain.up_down([3]);
    assert_eq!((list(&up), list(&down)), (vec![0, 1, 2], vec![]));
    let cycle = graph(3, &[(0, 1), (1, 0), (2, 2)]);
    assert_eq!(list(&cycle.upstream([0])), [0, 1]);
    assert_eq!(list(&cycle.upstream([2])), [2]);
    assert!(chain.upstream([]).is_empty());
}

#[test]
fn a_dependents_other_needs_are_upstream_in_one_question_and_not_in_the_other() {
    // 2 needs 0 and 1.
    let fork = graph(3, &[(2, 0), (2, 1)]);
    let (up, down) = fork.up_down([0]);
    assert_eq!((list(&up), list(&down)), (vec![0, 1], vec![2]));
    let (up, down) = fork.reachable_up_down([0]);
    assert_eq!((list(&up), list(&down)), (vec![], vec![2]));
    let (up, down) = fork.reachable_up_down([0, 2]);
    assert_eq!((list(&up), list(&down)), (vec![1], vec![]));
}

#[test]
fn generations_follow_each_other() {
    // 1 becomes free before 0 does, as its only need, 3, comes before 4.
    let graph = graph(5, &[(0, 4), (1, 3), (2, 1), (2, 0)]);
    assert_eq!(graph.static_order(), Ok(vec![3, 4, 1, 0, 2]));
}

#[test]
fn a_cycle_is_told_in_full() {
    let graph = graph(7, &[(5, 6), (1, 2), (2, 3), (3, 4), (4, 2), (3, 2), (0, 1), (6, 6)]);
    let components = graph.components();
    let told: Vec<_> = components.iter().map(|it| (it.nodes.as_slice(), it.cycle.path.as_slice())).collect();
    assert_eq!(told, [(&[2, 3, 4][..], &[2, 3][..]), (&[6][..], &[6][..])]);
    assert_eq!(graph.static_order(), Err(Cycle { path: vec![2, 3] }));
}

#[test]
fn a_long_chain_and_a_long_cycle_need_no_stack() {
    let count = 1_000_000;
    let chain = (1..count).map(|node| (node, node - 1));
    let graph = Graph::new(count, chain.clone());
    assert_eq!(graph.static_order().map(|order| order.len()), Ok(1_000_000));
    assert_eq!(graph.upstream([count - 1]).len(), 999_999);
    assert!(graph.components().is_empty());
    let graph = Graph::new(count, chain.chain([(0, count - 1)]));
    let cycle = graph.static_order().expect_err("a cycle");
    assert_eq!(cycle.path.len(), 1_000_000);
    assert_eq!(cycle.path[..3], [0, count - 1, count - 2]);
}

#[test]
fn names_get_numbers_in_the_order_of_their_mention() {
    let mut names = Names::default();
    assert!(names.is_empty());
    let numbers = ["b", "a", "b", "c", "a"].map(|name| names.intern(name));
    assert_eq!(numbers, [0, 1, 0, 2, 1]);
    assert_eq!((names.len(), names.number("c"), names.number("d")), (3, Some(2), None));
    assert_eq!((names.name(1), names.name(3)), (Some("a"), None));
}

#[test]
fn a_set_has_room_for_its_count_and_no_more() {
    let mut set = NodeSet::new(65);
    assert!(set.is_empty());
    for node in [64, 0, 63] {
        assert!(set.insert(node));
        assert!(!set.insert(node));
    }
    for node in [65, 127, 128, u32::MAX] {
        assert!(!set.insert(node));
        assert!(!set.contains(node));
        assert!(!set.remove(node));
    }
    assert_eq!((list(&set), set.len()), (vec![0, 63, 64], 3));
    assert!(set.remove(63));
    assert!(!set.remove(63));
    assert_eq!((list(&set), set.len(), set.contains(63)), (vec![0, 64], 2, false));
    assert!(!NodeSet::default().insert(0));
}
