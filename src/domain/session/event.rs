//! What happened in a session, for those who listen.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;

/// Who tells an event.
///
/// Plainbox's device context tells again what it hears from its session state, and it listens first; so its word comes
/// before the state's. Both are kept as they were measured. What neither of them tells stands under [`Source::Session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The session state.
    State,
    /// The device context.
    Context,
    /// The session, of what has no signal in Plainbox.
    Session,
}

/// What happened. As JSON, for example: `{"event": "result_changed", "job": "net/ping", "outcome": "pass"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The states of jobs change: what follows says which.
    StateMapChanged,
    /// A job was added.
    JobAdded {
        /// Its id.
        job: String,
    },
    /// A job was removed, with its results and its records.
    JobRemoved {
        /// Its id.
        job: String,
    },
    /// A unit was added.
    UnitAdded {
        /// Its kind.
        kind: String,
        /// Its id, if it has one.
        unit: Option<String>,
    },
    /// A unit was removed.
    UnitRemoved {
        /// Its kind.
        kind: String,
        /// Its id, if it has one.
        unit: Option<String>,
    },
    /// A result was recorded, be it equal to the one before.
    ResultChanged {
        /// Of which job.
        job: String,
        /// What came of it.
        outcome: Option<Outcome>,
    },
    /// A provider was added.
    ProviderAdded {
        /// Its namespace; its name if it has none.
        namespace: String,
    },
    /// The selection was made anew. Told by [`Source::Session`], as all below.
    Selected {
        /// How many jobs are on the run list.
        run_list: u64,
        /// How many problems there were.
        problems: u64,
    },
    /// A job can start now, or cannot any more.
    ReadinessChanged {
        /// Its id.
        job: String,
        /// Whether it can.
        can_start: bool,
    },
    /// A job was begun.
    Begun {
        /// Its id.
        job: String,
    },
    /// The records of a resource were set by hand.
    RecordsSet {
        /// The id of the resource.
        resource: String,
    },
}

impl Event {
    /// Its kind in the feed of events.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StateMapChanged => "session.state_map_changed",
            Self::JobAdded { .. } => "session.job_added",
            Self::JobRemoved { .. } => "session.job_removed",
            Self::UnitAdded { .. } => "session.unit_added",
            Self::UnitRemoved { .. } => "session.unit_removed",
            Self::ResultChanged { .. } => "session.result_changed",
            Self::ProviderAdded { .. } => "session.provider_added",
            Self::Selected { .. } => "session.selected",
            Self::ReadinessChanged { .. } => "session.readiness_changed",
            Self::Begun { .. } => "session.begun",
            Self::RecordsSet { .. } => "session.records_set",
        }
    }
}

/// An event and its place among all of the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Its number: the first is 0, each next is one greater.
    pub number: u64,
    /// Who tells it.
    pub source: Source,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
