//! An order in which each node comes after what it depends on.

use super::place;
use super::{Cycle, Graph};

impl Graph {
    /// The nodes, each after all that it depends on, generation by generation: first those that depend on nothing, the
    /// smallest first; then whatever becomes free, in the order in which it does.
    ///
    /// # Errors
    /// A cycle, if there is one: that of the first of [`Self::components`].
    pub fn static_order(&self) -> Result<Vec<u32>, Cycle> {
        let nodes = 0..self.node_count;
        let mut waiting: Vec<usize> = nodes.clone().map(|node| self.dependencies(node).len()).collect();
        let mut order = Vec::with_capacity(waiting.len());
        order.extend(nodes.filter(|node| self.dependencies(*node).is_empty()));
        let mut done = 0;
        while let Some(node) = order.get(done) {
            done += 1;
            for dependent in self.dependents(*node) {
                let Some(left) = waiting.get_mut(place(*dependent)) else { continue };
                *left = left.saturating_sub(1);
                if *left == 0 {
                    order.push(*dependent);
                }
            }
        }
        if order.len() == waiting.len() {
            return Ok(order);
        }
        // Whatever is left over waits for a cycle, so that there is one.
        let first = self.components().into_iter().next();
        Err(first.map_or(Cycle { path: Vec::new() }, |component| component.cycle))
    }
}
