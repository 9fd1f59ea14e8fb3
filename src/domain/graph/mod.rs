//! Who depends on whom: a directed graph of numbered nodes, for a million of them.
//!
//! The nodes are the numbers below a count; [`Names`] gives numbers to names. An edge goes from a node to one that it
//! depends on. Going along the edges is going up, to what is needed; going against them is going down, to what needs it.
//! Nothing here recurses, and everything but [`Graph::new`]'s two sorts takes time and memory by the nodes and edges that
//! it meets.
//!
//! The closures and the order were measured on Canary (`tests/golden/canary/graph_queries.json`).

mod cycles;
#[cfg(test)]
mod golden_tests;
mod names;
mod node_set;
#[cfg(test)]
mod oracle_tests;
mod order;
#[cfg(test)]
mod tests;

pub use cycles::{Component, Cycle};
pub use names::Names;
pub use node_set::NodeSet;

use crate::domain::lists::Lists;

/// A graph of numbered nodes. It does not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    node_count: u32,
    up: Lists<u32>,
    down: Lists<u32>,
}

impl Graph {
    /// The graph of the nodes below `node_count` with these edges, each as the dependent and what it depends on. An edge
    /// that stands twice is there twice. An edge of a node that is not there is left out: whoever has dangling
    /// dependencies gives them numbers too.
    #[must_use]
    pub fn new(node_count: u32, edges: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut edges: Vec<(u32, u32)> = edges.filter(|(from, to)| *from < node_count && *to < node_count).collect();
        let up = Lists::grouped(node_count, &edges);
        for edge in &mut edges {
            *edge = (edge.1, edge.0);
        }
        Self { node_count, up, down: Lists::grouped(node_count, &edges) }
    }

    /// How many nodes it has.
    #[must_use]
    pub fn node_count(&self) -> u32 {
        self.node_count
    }

    /// How many edges it has.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.up.total()
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.up.bytes() + self.down.bytes()
    }

    /// What the node depends on, in the order in which the edges were given. A node that is not there depends on nothing.
    #[must_use]
    pub fn dependencies(&self, node: u32) -> &[u32] {
        self.up.get(node)
    }

    /// What depends on the node, in the order in which the edges were given.
    #[must_use]
    pub fn dependents(&self, node: u32) -> &[u32] {
        self.down.get(node)
    }

    /// All that the seeds depend on, through however many others. A seed is in it only where it is reached: from another
    /// seed, or from itself around a cycle. Seeds that are not there reach nothing.
    #[must_use]
    pub fn upstream(&self, seeds: impl IntoIterator<Item = u32>) -> NodeSet {
        self.closure(&self.up, seeds)
    }

    /// All that depends on the seeds, through however many others. Of seeds, as [`Self::upstream`].
    #[must_use]
    pub fn downstream(&self, seeds: impl IntoIterator<Item = u32>) -> NodeSet {
        self.closure(&self.down, seeds)
    }

    /// What is needed to run the seeds and all that depends on them, and all that depends on the seeds: `(up, down)`. Up
    /// goes from the seeds and from down, so it has the seeds where anything depends on them, and what their dependents
    /// need beside them.
    #[must_use]
    pub fn up_down(&self, seeds: impl IntoIterator<Item = u32>) -> (NodeSet, NodeSet) {
        let seeds: Vec<u32> = seeds.into_iter().collect();
        let down = self.downstream(seeds.iter().copied());
        let up = self.upstream(seeds.into_iter().chain(down.iter()));
        (up, down)
    }

    /// The roots, and all that they depend on.
    #[must_use]
    pub fn reachable(&self, roots: impl IntoIterator<Item = u32>) -> NodeSet {
        let roots: Vec<u32> = roots.into_iter().collect();
        let mut reached = self.upstream(roots.iter().copied());
        for root in roots {
            reached.insert(root);
        }
        reached
    }

    /// What the nodes depend on and what depends on them, `(up, down)`, without the nodes themselves. Unlike
    /// [`Self::up_down`] it does not go up again from what depends on them.
    #[must_use]
    pub fn reachable_up_down(&self, nodes: impl IntoIterator<Item = u32>) -> (NodeSet, NodeSet) {
        let nodes: Vec<u32> = nodes.into_iter().collect();
        let mut up = self.upstream(nodes.iter().copied());
        let mut down = self.downstream(nodes.iter().copied());
        for node in nodes {
            up.remove(node);
            down.remove(node);
        }
        (up, down)
    }

    fn closure(&self, ways: &Lists<u32>, seeds: impl IntoIterator<Item = u32>) -> NodeSet {
        let mut reached = NodeSet::new(self.node_count);
        let mut started = NodeSet::new(self.node_count);
        let mut open: Vec<u32> = seeds.into_iter().filter(|seed| started.insert(*seed)).collect();
        while let Some(node) = open.pop() {
            for next in ways.get(node) {
                if reached.insert(*next) && started.insert(*next) {
                    open.push(*next);
                }
            }
        }
        reached
    }
}

/// A node's place in a list that has one entry for each node.
const fn place(node: u32) -> usize {
    node as usize
}
