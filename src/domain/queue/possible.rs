//! What could never run, whatever happens: it is refused when it is asked for.

use super::{Limits, MAX_PRIORITY, MIN_PRIORITY, Needs};
use crate::domain::agent::Labels;

/// The most bytes of the name of a project.
pub const MAX_PROJECT_BYTES: usize = 200;

/// The most pools that a run takes slots of.
pub const MAX_POOLS: usize = 20;

/// Why something can never run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// There is no such pool at the runner.
    #[error("{}", no_pool(.pool, .known))]
    NoPool {
        /// Its name.
        pool: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The pool is smaller than what is needed of it.
    #[error("the pool `{pool}` has {size} slots in all, and {needs} are needed")]
    TooFew {
        /// Its name.
        pool: String,
        /// How many are needed.
        needs: u32,
        /// How many slots it has.
        size: usize,
    },
    /// Labels are required of a runner that has none.
    #[error("the label `{label}` is required, and only agents have labels: leave it out, or let agents run it")]
    Labels {
        /// The first of them.
        label: String,
    },
    /// What was asked is not legal.
    #[error("{0}")]
    Illegal(String),
}

fn no_pool(pool: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!("there is no pool `{pool}`: the runner has none");
    }
    format!("there is no pool `{pool}`: the runner has {}", known.join(", "))
}

/// Whether this could ever run at a runner with these limits. That no agent has the labels is no reason against it: one
/// may come.
///
/// # Errors
/// Why not.
pub fn check(
    limits: &Limits,
    has_agents: bool,
    project: &str,
    priority: i64,
    requires: &Labels,
    slots: &Needs,
) -> Result<(), Impossible> {
    if project.len() > MAX_PROJECT_BYTES || project.chars().any(char::is_control) {
        let words = format!("`project` has at most {MAX_PROJECT_BYTES} bytes and no control characters");
        return Err(Impossible::Illegal(words));
    }
    if !(MIN_PRIORITY..=MAX_PRIORITY).contains(&priority) {
        let words = format!("the priority {priority} is none: want a number from {MIN_PRIORITY} to {MAX_PRIORITY}");
        return Err(Impossible::Illegal(words));
    }
    requires.check().map_err(Impossible::Illegal)?;
    if slots.len() > MAX_POOLS {
        return Err(Impossible::Illegal(format!("slots of more than {MAX_POOLS} pools are asked for")));
    }
    if let Some(label) = requires.0.keys().next().filter(|_| !has_agents) {
        return Err(Impossible::Labels { label: label.clone() });
    }
    slots.iter().try_for_each(|(pool, needs)| of_pool(limits, pool, *needs))
}

/// Whether so many slots of this pool could ever be had.
///
/// # Errors
/// Why not.
pub(super) fn of_pool(limits: &Limits, pool: &str, needs: u32) -> Result<(), Impossible> {
    let Some(ids) = limits.pools.get(pool) else {
        let known = limits.pools.keys().cloned().collect();
        return Err(Impossible::NoPool { pool: pool.to_owned(), known });
    };
    if usize::try_from(needs).unwrap_or(usize::MAX) > ids.len() {
        return Err(Impossible::TooFew { pool: pool.to_owned(), needs, size: ids.len() });
    }
    Ok(())
}
