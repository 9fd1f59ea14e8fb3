//! Who is next at a runner, and why everybody else is not.
//!
//! Runs that are planned wait for a place: at a runner that is asked, or in the hands of an agent that asks. All that
//! decides stands in plain values: what [waits](Waiting), what there [may be](Limits), what there [is](Usage), and who
//! [offers](Offer) places. [`choose()`] answers for each run whether it is its turn, or which [blockers](blocker::Blocker) it has.
//!
//! The order, in words:
//! 1. Of two runs of one project the one goes first that is more urgent, where a point of priority is worth as much as
//!    [`Limits::ageing`] of waiting. So nothing waits for ever behind what is more urgent.
//! 2. Of several projects those are asked whose first run has, with its waiting, come to the highest priority that waits; of
//!    these the one that was served least by its weight ([`share`]); then the one whose first run is the more urgent, in
//!    the sense of 1.
//! 3. Who cannot start does not hold up the next, but keeps the slots that it needs and that are free from those behind
//!    it: else many small ones would keep a large one out for ever.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::agent::Labels;
use crate::ids::{RunId, SessionId};

pub mod blocker;
pub mod choose;
pub mod possible;
pub mod share;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod tests;

pub use choose::{choose, picks};

/// The lowest priority.
pub const MIN_PRIORITY: i64 = -1_000;

/// The highest priority.
pub const MAX_PRIORITY: i64 = 1_000;

/// How many slots of which pools.
pub type Needs = BTreeMap<String, u32>;

/// Slots by their ids, by their pool: `{"gpu": ["0", "3"]}`.
pub type Slots = BTreeMap<String, Vec<String>>;

/// A run that waits for its turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The run.
    pub id: RunId,
    /// Who shares the runner with others; empty where nobody was named.
    pub project: String,
    /// The session that it belongs to.
    pub session: Option<SessionId>,
    /// From [`MIN_PRIORITY`] to [`MAX_PRIORITY`]; higher goes first.
    pub priority: i64,
    /// Since when it waits.
    pub since: DateTime<Utc>,
    /// The labels that who takes it must have.
    pub requires: Labels,
    /// The slots that it takes.
    pub slots: Needs,
    /// Why it may not start now, whoever offers what.
    pub held: Option<String>,
}

/// Places that somebody offers: a runner that is asked has no labels, an agent offers one place or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who offers them: the name of the runner or the agent.
    pub by: String,
    /// What is said of it.
    pub labels: Labels,
    /// How many runs it takes now. Who is there and takes none counts all the same: it is what a run may wait for.
    pub places: usize,
}

/// What there may be at a runner.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The most runs at once.
    pub running: Option<usize>,
    /// The most runs of one session at once.
    pub session: Option<usize>,
    /// How much of the runner each project gets, against 1 for those that are not named.
    pub weights: BTreeMap<String, u32>,
    /// The slots of its pools, in the order in which they are given.
    pub pools: Slots,
    /// How long a run waits until that makes up for one point of priority.
    pub ageing: TimeDelta,
}

/// What there is at a runner now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// How many runs are at it.
    pub running: usize,
    /// How many of each session.
    pub sessions: BTreeMap<SessionId, usize>,
    /// What each project was served, in seconds of one place, as it counts [now](share::decayed), with the runs that are at it.
    pub served: BTreeMap<String, f64>,
    /// Who holds which slot of which pool.
    pub taken: BTreeMap<String, BTreeMap<String, RunId>>,
}

/// A run whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The run.
    pub id: RunId,
    /// Whose place it takes.
    pub by: String,
    /// The slots that it is given.
    pub slots: Slots,
}
