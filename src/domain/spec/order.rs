//! Specs in an order in which each comes after those that it waits for.

use std::collections::HashMap;

use super::Spec;
use crate::domain::graph::{Graph, Names};

#[cfg(test)]
mod golden_tests;

/// There is no such order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOrder {
    /// These wait for each other: each for the next one, and the last for the first.
    #[error("these tests wait for each other: {}", names(ids))]
    Cycle {
        /// The ids.
        ids: Vec<String>,
    },
    /// A test waits for one that is not among them.
    #[error("a test waits for {id}, which is not among them")]
    Missing {
        /// The id of the one that is not there.
        id: String,
    },
}

/// A cycle as people read it: back to where it began.
pub(super) fn names(path: &[String]) -> String {
    let back = path.first();
    path.iter().chain(back).map(String::as_str).collect::<Vec<_>>().join(" -> ")
}

/// The places of the specs in an order in which each comes after those that it waits for: generation by generation, the
/// first in the order in which they are mentioned (a spec, then what it waits for, spec after spec), the others in the
/// order in which they become free. Of specs that share an id only the first one's place is in it.
///
/// # Errors
/// [`NoOrder`]: a cycle, or else the first dependency that is not there.
pub fn static_order(specs: &[Spec]) -> Result<Vec<usize>, NoOrder> {
    let mut numbers = Names::default();
    let mut edges = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::with_capacity(specs.len());
    for (place, spec) in specs.iter().enumerate() {
        let number = numbers.intern(&spec.id);
        places.entry(number).or_insert(place);
        for dependency in &spec.dependencies {
            edges.push((number, numbers.intern(&dependency.id)));
        }
    }
    let owned = |number: u32| numbers.name(number).unwrap_or_default().to_owned();
    let order = Graph::new(numbers.len(), edges.into_iter())
        .static_order()
        .map_err(|cycle| NoOrder::Cycle { ids: cycle.path.into_iter().map(owned).collect() })?;
    order
        .into_iter()
        .map(|number| places.get(&number).copied().ok_or_else(|| NoOrder::Missing { id: owned(number) }))
        .collect()
}
