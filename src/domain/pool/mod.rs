//! What there is to run specs on: resources by type, and whether it would do for what a spec asks.
//!
//! The meanings are Canary's, measured; where they make no sense, `tests/golden/DEVIATIONS.md` says what is done instead.
//! [`request`] says whether a pool would do, [`required`] what a spec asks of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub mod request;
pub mod required;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

/// The most instances of a pool, of all types together.
pub const MAX_INSTANCES: usize = 100_000;

/// The most types of a pool.
pub const MAX_TYPES: usize = 1_000;

/// The most characters of the name of a type or an instance.
pub const MAX_NAME: usize = 200;

/// The type that every pool knows, if only with no instance: nobody has to say that there is none.
pub const GPUS: &str = "gpus";

/// The type of which every spec takes one at least.
pub const CPUS: &str = "cpus";

/// A unit of a resource: a processor, a device, a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its name among those of its type.
    pub id: String,
    /// How much can be taken of it at once.
    pub slots: u32,
}

/// Resources by the plural name of their type: `cpus`, `gpus`, `fpgas`.
///
/// As JSON `{"resources": {"cpus": [{"id": "0", "slots": 1}]}, "additional_properties": {}}`. `slots` is 1 where it is left
/// out, and an id may be a whole number. Beside `resources`, `"cpus": 4` stands for four instances with one slot each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document")]
pub struct Pool {
    additional_properties: Map<String, Value>,
    resources: BTreeMap<String, Vec<Instance>>,
}

/// What is wrong with a pool, and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPool(pub String);

impl Pool {
    /// The types that it knows, in their order.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    /// Whether it knows this type, if only with no instance.
    #[must_use]
    pub fn knows(&self, resource: &str) -> bool {
        self.resources.contains_key(resource)
    }

    /// The instances of a type; none of a type that it does not know.
    #[must_use]
    pub fn instances(&self, resource: &str) -> &[Instance] {
        self.resources.get(resource).map_or(&[], Vec::as_slice)
    }

    /// How many slots there are of a type, taken or free.
    #[must_use]
    pub fn slots(&self, resource: &str) -> u64 {
        self.instances(resource).iter().map(|instance| u64::from(instance.slots)).sum()
    }

    /// Over how many nodes the instances are spread: `nodes.count` among the additional properties, else 1.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        let count = self.additional_properties.get("nodes").and_then(|nodes| nodes.get("count"));
        count.and_then(Value::as_u64).unwrap_or(1).max(1)
    }

    /// How many instances of a type stand on a node, the last one perhaps with fewer.
    #[must_use]
    pub fn instances_per_node(&self, resource: &str) -> u64 {
        u64::try_from(self.instances(resource).len()).unwrap_or(u64::MAX).div_ceil(self.nodes())
    }

    /// Whether it was never filled. A pool that was read knows [`GPUS`] at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }
}

/// A pool as it is written.
#[derive(Deserialize)]
struct Document {
    resources: Option<BTreeMap<String, Vec<Written>>>,
    #[serde(default)]
    additional_properties: Map<String, Value>,
    #[serde(flatten)]
    counts: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Id,
    #[serde(default = "one")]
    slots: u32,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "want the id of an instance: a text or a whole number")]
enum Id {
    Text(String),
    Number(i64),
}

fn one() -> u32 {
    1
}

impl TryFrom<Document> for Pool {
    type Error = InvalidPool;

    fn try_from(document: Document) -> Result<Self, InvalidPool> {
        let Document { resources, additional_properties, counts } = document;
        if resources.is_none() && counts.is_empty() {
            return Err(InvalidPool("want `resources`: a list of instances for each type".into()));
        }
        let mut resources: BTreeMap<String, Vec<Instance>> =
            resources.into_iter().flatten().map(|(name, written)| (name, instances(written))).collect();
        let written: usize = resources.values().map(Vec::len).sum();
        let counted: u64 = counts.values().map(|count| u64::from(*count)).sum();
        if u64::try_from(written).unwrap_or(u64::MAX).saturating_add(counted) > MAX_INSTANCES as u64 {
            return Err(InvalidPool(format!("want at most {MAX_INSTANCES} instances")));
        }
        for (name, count) in counts {
            let instances = (0..count).map(|number| Instance { id: number.to_string(), slots: 1 }).collect();
            resources.insert(name, instances);
        }
        resources.entry(GPUS.to_owned()).or_default();
        if resources.len() > MAX_TYPES {
            return Err(InvalidPool(format!("want at most {MAX_TYPES} types")));
        }
        for (name, instances) in &resources {
            check_name("the name of a type", name)?;
            let mut ids = BTreeSet::new();
            for Instance { id, .. } in instances {
                check_name("the id of an instance", id)?;
                if !ids.insert(id) {
                    return Err(InvalidPool(format!("two of {name} have the id `{id}`; want one name for each")));
                }
            }
        }
        let nodes = additional_properties.get("nodes").and_then(|nodes| nodes.get("count"));
        if nodes.is_some_and(|count| count.as_u64().is_none_or(|count| count == 0)) {
            return Err(InvalidPool("want a whole number, 1 or more, as `nodes.count`".into()));
        }
        Ok(Self { additional_properties, resources })
    }
}

fn instances(written: Vec<Written>) -> Vec<Instance> {
    let id = |id| match id {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    };
    written.into_iter().map(|written| Instance { id: id(written.id), slots: written.slots }).collect()
}

fn check_name(what: &str, name: &str) -> Result<(), InvalidPool> {
    let is_long = name.len() > MAX_NAME && name.chars().count() > MAX_NAME;
    if name.is_empty() || is_long || name.chars().any(char::is_control) {
        let wanted = format!("1 to {MAX_NAME} characters, no control characters");
        return Err(InvalidPool(format!("want as {what} {wanted}")));
    }
    Ok(())
}
