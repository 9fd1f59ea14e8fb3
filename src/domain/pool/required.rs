//! What a spec asks of a pool, by its parameters.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::pool::request::Request;
use crate::domain::pool::{CPUS, GPUS, Pool};

/// The parameter that asks for whole nodes.
pub const NODES: &str = "nodes";

/// What a spec takes of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// How many of each type, by its name. `cpus` is always there and at least 1, `gpus` is always there.
    pub amounts: BTreeMap<String, u64>,
    /// How many nodes, at least 1: those it asks for, else those that its `cpus` and `gpus` fill.
    pub nodes: u64,
}

/// A parameter that names a resource and holds no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter `{name}` names a resource; want a whole number, 0 or more, not {value}")]
pub struct InvalidAmount {
    /// The parameter.
    pub name: String,
    /// What it holds, as JSON, cut to 80 characters.
    pub value: String,
}

impl Required {
    /// What a spec takes of this pool, by its parameters and meta parameters: see
    /// [`Spec::parameter`](crate::domain::spec::Spec::parameter).
    ///
    /// A parameter counts where its name is a type that the pool knows; any other asks for no resource. `nodes` asks for whole
    /// nodes: all processors and graphics processors of so many of the pool's nodes, whatever else is asked for.
    ///
    /// # Errors
    /// If a parameter that counts is no whole number, or is negative.
    pub fn of<'v>(pool: &Pool, parameter: impl Fn(&str) -> Option<&'v Value>) -> Result<Self, InvalidAmount> {
        let amount = |name: &str| match parameter(name) {
            Some(value) => match value.as_u64() {
                Some(amount) => Ok(Some(amount)),
                None => {
                    Err(InvalidAmount { name: name.to_owned(), value: value.to_string().chars().take(80).collect() })
                }
            },
            None => Ok(None),
        };
        let mut amounts = BTreeMap::new();
        for resource in pool.types() {
            if let Some(amount) = amount(resource)? {
                amounts.insert(resource.to_owned(), amount);
            }
        }
        let on_node = |resource: &str| pool.instances_per_node(resource);
        let asked = amount(NODES)?;
        let least = |resource: &str, least: u64| {
            asked.map_or(least, |nodes| nodes.saturating_mul(on_node(resource)).max(least))
        };
        for (resource, least) in [(CPUS, least(CPUS, 1)), (GPUS, least(GPUS, 0))] {
            let amount = amounts.entry(resource.to_owned()).or_default();
            *amount = least.max(*amount);
        }
        let filled = |resource: &str| {
            let amount = amounts.get(resource).copied().unwrap_or_default();
            amount.checked_div(on_node(resource)).map_or(0, |_| amount.div_ceil(on_node(resource)))
        };
        let nodes = asked.unwrap_or_else(|| filled(CPUS).max(filled(GPUS))).max(1);
        Ok(Self { amounts, nodes })
    }

    /// What is asked of the pool: one slot for each. Nodes are not asked for, only what stands on them.
    #[must_use]
    pub fn request(&self) -> Request {
        let mut request = Request::default();
        for (resource, amount) in &self.amounts {
            request.add(resource, *amount);
        }
        request
    }
}
