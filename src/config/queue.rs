//! Settings of the queue: whose turn it is at a runner, and what there is of what is scarce.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::check::Findings;

/// The most slots of a pool.
const MAX_SLOTS: u32 = 10_000;

/// The most bytes of the name of a pool or of the id of a slot.
const MAX_NAME_BYTES: usize = 200;

/// Whose turn it is at a runner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// After how long what a project was served counts half.
    pub half_life_s: u64,
    /// How long a run waits until that makes up for one point of priority.
    pub ageing_s: u64,
    /// The most runs of one session at a runner at once; 0 for no limit.
    pub max_per_session: u32,
    /// The most runs at once by the name of their runner; 0 for no limit.
    pub max_running: BTreeMap<String, u32>,
    /// How much of a runner a project gets, against 1 for those that are not named.
    pub weights: BTreeMap<String, u32>,
    /// What there is of what is scarce.
    pub pools: Vec<Pool>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            half_life_s: 3600,
            ageing_s: 60,
            max_per_session: 0,
            max_running: BTreeMap::new(),
            weights: BTreeMap::new(),
            pools: Vec::new(),
        }
    }
}

/// Something at a runner of which there are so many: devices, licences, ports.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Whose it is.
    pub runner: String,
    /// Its name; unique at its runner.
    pub name: String,
    /// How many slots it has; their ids are `0`, `1` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// The ids of its slots, instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

impl Pool {
    /// The ids of its slots, in the order in which they are given.
    #[must_use]
    pub fn slot_ids(&self) -> Vec<String> {
        match self.slots {
            Some(slots) => (0..slots.min(MAX_SLOTS)).map(|slot| slot.to_string()).collect(),
            None => self.ids.clone(),
        }
    }
}

impl Queue {
    /// Whether the end of a run may let another start that waits for it.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.max_per_session > 0 || !self.pools.is_empty() || self.max_running.values().any(|limit| *limit > 0)
    }
}

/// Looks for contradictions.
pub(super) fn check(queue: &Queue, found: &mut Findings) {
    for (project, weight) in &queue.weights {
        found.problem_if(
            !(1..=1_000).contains(weight),
            format!("queue.weights: the weight of `{project}` is {weight}: give a whole number from 1 to 1000"),
        );
    }
    let mut names = BTreeSet::new();
    for pool in &queue.pools {
        let name = format!("{}/{}", pool.runner, pool.name);
        let is_plain =
            |text: &str| !text.trim().is_empty() && text.len() <= MAX_NAME_BYTES && !text.chars().any(char::is_control);
        found.problem_if(
            !is_plain(&pool.runner) || !is_plain(&pool.name) || !pool.ids.iter().all(|id| is_plain(id)),
            format!("queue.pools: the runner, the name and the ids of `{name}` have 1 to {MAX_NAME_BYTES} bytes each"),
        );
        found.problem_if(
            pool.slots.is_some() != pool.ids.is_empty(),
            format!("queue.pools: `{name}` has either `slots`, a number, or `ids`, a list: give one of them"),
        );
        let count = pool.slots.map_or(pool.ids.len(), |slots| usize::try_from(slots).unwrap_or(usize::MAX));
        found.problem_if(
            !(1..=usize::try_from(MAX_SLOTS).unwrap_or(usize::MAX)).contains(&count),
            format!("queue.pools: `{name}` has {count} slots: give 1 to {MAX_SLOTS}"),
        );
        let ids: BTreeSet<&String> = pool.ids.iter().collect();
        found.problem_if(ids.len() < pool.ids.len(), format!("queue.pools: `{name}` has an id twice: rename one"));
        found.problem_if(!names.insert(name.clone()), format!("queue.pools: `{name}` stands twice: rename one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let queue: Queue = toml::from_str(text).expect("a queue");
        let mut found = Findings::default();
        check(&queue, &mut found);
        found.problems.into_iter().map(|problem| problem.0).collect()
    }

    #[test]
    fn what_makes_no_sense_is_said_with_what_to_change() {
        assert_eq!(problems("weights = { kernel = 3 }\nmax_running = { local = 0 }"), Vec::<String>::new());
        let pools = "[[pools]]\nrunner = \"local\"\nname = \"gpu\"\n";
        assert_eq!(problems(&format!("{pools}slots = 4")), Vec::<String>::new());
        assert_eq!(problems(&format!("{pools}ids = [\"a\", \"b\"]")), Vec::<String>::new());
        for (text, said) in [
            ("weights = { kernel = 0 }".to_owned(), "from 1 to 1000"),
            (pools.to_owned(), "give one of them"),
            (format!("{pools}slots = 1\nids = [\"a\"]"), "give one of them"),
            (format!("{pools}slots = 0"), "give 1 to 10000"),
            (format!("{pools}slots = 10001"), "give 1 to 10000"),
            (format!("{pools}ids = [\"a\", \"a\"]"), "an id twice"),
            (format!("{pools}ids = [\"\"]"), "1 to 200 bytes"),
            (format!("{pools}slots = 1\n{pools}slots = 2"), "`local/gpu` stands twice"),
        ] {
            let problems = problems(&text);
            assert!(problems.iter().any(|problem| problem.contains(said)), "{text}: {problems:?}");
        }
    }

    #[test]
    fn slots_are_numbered_or_named() {
        let pool = |slots, ids: &[&str]| Pool {
            runner: "local".to_owned(),
            name: "gpu".to_owned(),
            slots,
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert_eq!(pool(Some(3), &[]).slot_ids(), ["0", "1", "2"]);
        assert_eq!(pool(None, &["b", "a"]).slot_ids(), ["b", "a"]);
    }

    #[test]
    fn only_limits_let_an_end_be_a_beginning() {
        let has = |text: &str| toml::from_str::<Queue>(text).expect("a queue").has_limits();
        assert!(!has("weights = { a = 2 }\nmax_running = { local = 0 }"));
        assert!(has("max_running = { local = 1 }"));
        assert!(has("max_per_session = 1"));
        assert!(has("[[pools]]\nrunner = \"local\"\nname = \"gpu\"\nslots = 1"));
    }
}
