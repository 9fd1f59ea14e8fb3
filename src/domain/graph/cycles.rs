//! Nodes that depend on themselves.

use super::place;
use super::{Graph, NodeSet};

/// A cycle, written in full: each node depends on the next one, and the last on the first. A node that depends on itself is
/// one alone. No node stands twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The nodes.
    pub path: Vec<u32>,
}

/// Nodes that all depend on each other, or one that depends on itself; with all that do so (a strongly connected
/// component).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The nodes, the smallest first.
    pub nodes: Vec<u32>,
    /// A cycle in it: one of the shortest through the smallest node.
    pub cycle: Cycle,
}

/// Of a node that has no number yet.
const NONE: u32 = u32::MAX;

impl Graph {
    /// Every component that has a cycle, those with the smallest nodes first. A graph without any can be ordered.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        let mut found = Tarjan::new(self).run();
        for nodes in &mut found {
            nodes.sort_unstable();
        }
        found.sort_unstable();
        let mut inside = NodeSet::new(self.node_count);
        let mut before = vec![NONE; place(self.node_count)];
        let component = |nodes: Vec<u32>| {
            for node in &nodes {
                inside.insert(*node);
            }
            let path = nodes.first().map(|root| self.shortest_cycle(*root, &inside, &mut before)).unwrap_or_default();
            for node in &nodes {
                inside.remove(*node);
            }
            Component { nodes, cycle: Cycle { path } }
        };
        found.into_iter().map(component).collect()
    }

    /// A shortest cycle through the root among the nodes inside, breadth first. There is one, as they are a component.
    /// Components share no nodes, and so may share `before`.
    fn shortest_cycle(&self, root: u32, inside: &NodeSet, before: &mut [u32]) -> Vec<u32> {
        let mut open = vec![root];
        let mut next = 0;
        while let Some(node) = open.get(next).copied() {
            next += 1;
            for dependency in self.dependencies(node).iter().copied().filter(|node| inside.contains(*node)) {
                if dependency == root {
                    let way = |node: &u32| before.get(place(*node)).copied().filter(|before| *before != NONE);
                    let mut path: Vec<u32> = std::iter::successors(Some(node), way).collect();
                    path.reverse();
                    return path;
                }
                if let Some(before) = before.get_mut(place(dependency)).filter(|before| **before == NONE) {
                    *before = node;
                    open.push(dependency);
                }
            }
        }
        Vec::new()
    }
}

/// Tarjan's search for components, with the way that it is on kept in a list instead of in calls.
struct Tarjan<'a> {
    graph: &'a Graph,
    /// For each node, when it was met.
    met: Vec<u32>,
    /// For each node, the earliest one that it is known to lead back to, by when that was met.
    low: Vec<u32>,
    /// Nodes that were met and whose component is not known yet.
    stack: Vec<u32>,
    on_stack: NodeSet,
    /// The nodes on the way, with how many of their dependencies have been looked at.
    way: Vec<(u32, usize)>,
    clock: u32,
    found: Vec<Vec<u32>>,
}

impl<'a> Tarjan<'a> {
    fn new(graph: &'a Graph) -> Self {
        let count = graph.node_count;
        Self {
            graph,
            met: vec![NONE; place(count)],
            low: vec![NONE; place(count)],
            stack: Vec::new(),
            on_stack: NodeSet::new(count),
            way: Vec::new(),
            clock: 0,
            found: Vec::new(),
        }
    }

    /// The components that have a cycle.
    fn run(mut self) -> Vec<Vec<u32>> {
        for start in 0..self.graph.node_count {
            if self.is_new(start) {
                self.enter(start);
                self.walk();
            }
        }
        self.found
    }

    fn is_new(&self, node: u32) -> bool {
        self.met.get(place(node)) == Some(&NONE)
    }

    fn enter(&mut self, node: u32) {
        for times in [&mut self.met, &mut self.low] {
            if let Some(time) = times.get_mut(place(node)) {
                *time = self.clock;
            }
        }
        self.clock = self.clock.saturating_add(1);
        self.stack.push(node);
        self.on_stack.insert(node);
        self.way.push((node, 0));
    }

    fn walk(&mut self) {
        while let Some((node, looked_at)) = self.way.last_mut() {
            let node = *node;
            let dependency = self.graph.dependencies(node).get(*looked_at).copied();
            *looked_at += 1;
            match dependency {
                Some(dependency) if self.is_new(dependency) => self.enter(dependency),
                Some(dependency) if self.on_stack.contains(dependency) => {
                    self.lead_back(node, self.met.get(place(dependency)).copied());
                }
                Some(_) => {}
                None => self.leave(node),
            }
        }
    }

    fn lead_back(&mut self, node: u32, to: Option<u32>) {
        if let (Some(low), Some(to)) = (self.low.get_mut(place(node)), to) {
            *low = to.min(*low);
        }
    }

    fn leave(&mut self, node: u32) {
        self.way.pop();
        let low = self.low.get(place(node)).copied();
        if let Some((above, _)) = self.way.last().copied() {
            self.lead_back(above, low);
        }
        if low != self.met.get(place(node)).copied() {
            return;
        }
        // It leads back to nothing before it: it and what was met after it are a component.
        let mut nodes = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.on_stack.remove(member);
            nodes.push(member);
            if member == node {
                break;
            }
        }
        if nodes.len() > 1 || self.graph.dependencies(node).contains(&node) {
            self.found.push(nodes);
        }
    }
}
