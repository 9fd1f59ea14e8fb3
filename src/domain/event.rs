//! The feed of events: what happened, of every kind, in one order.
//!
//! A kind is dotted words: what it happened to, then what happened. New kinds may come at any time.

use std::fmt;
use std::str::FromStr;

use crate::domain::execution::ExecutionState;

/// A run was planned.
pub const RUN_PLANNED: &str = "run.planned";
/// The runner took a run, and gave it its uid.
pub const RUN_ACCEPTED: &str = "run.accepted";
/// The runner says that a run runs. A run that is over before anybody asked has no such event.
pub const RUN_STARTED: &str = "run.started";
/// A run is over, with its status.
pub const RUN_FINISHED: &str = "run.finished";
/// A run was ended by an operator.
pub const RUN_CANCELED: &str = "run.canceled";
/// The run of a build is over: what came of the build.
pub const BUILD_FINISHED: &str = "build.finished";
/// A session was made, or imported.
pub const SESSION_CREATED: &str = "session.created";
/// A session was removed with all that was in it.
pub const SESSION_REMOVED: &str = "session.removed";
/// A sink has an object.
pub const DELIVERY_DELIVERED: &str = "delivery.delivered";
/// An object cannot be delivered as things are.
pub const DELIVERY_DEAD: &str = "delivery.dead";

/// An agent registered.
pub const AGENT_REGISTERED: &str = "agent.registered";
/// An agent gets no more work.
pub const AGENT_DRAINED: &str = "agent.drained";
/// An agent gets work again.
pub const AGENT_RESUMED: &str = "agent.resumed";
/// An agent was removed.
pub const AGENT_REMOVED: &str = "agent.removed";
/// A run was put into an agent's hands.
pub const LEASE_GRANTED: &str = "lease.granted";
/// An agent reported what came of a run in its hands.
pub const LEASE_ENDED: &str = "lease.ended";
/// An agent that had a run in its hands was not heard of for too long, or was removed.
pub const LEASE_LOST: &str = "lease.lost";
/// An agent gave a run back without having begun it.
pub const LEASE_RELEASED: &str = "lease.released";

/// The kind of event that tells that an execution is in this state now.
#[must_use]
pub fn execution(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Waiting => "execution.waiting",
        ExecutionState::Running => "execution.running",
        ExecutionState::Paused => "execution.paused",
        ExecutionState::Finished => "execution.finished",
        ExecutionState::Canceled => "execution.canceled",
        ExecutionState::Missed => "execution.missed",
    }
}

/// The longest kind, in bytes.
const MAX_KIND: usize = 80;

/// A place in the feed. Whoever goes on behind the place of the last event they have misses nothing. As text two numbers:
/// `1042-217`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What orders the transactions that wrote events.
    pub mark: i64,
    /// The event's number, which orders those of one transaction.
    pub number: i64,
}

impl Place {
    /// Before everything.
    pub const BEGINNING: Self = Self { mark: -1, number: -1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mark, self.number)
    }
}

/// A text that is no place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want the `id` of an event, which is two numbers such as 1042-217")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let number = |digits: &str| {
            let is_right = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
            if is_right { digits.parse::<i64>().map_err(|_| NoPlace) } else { Err(NoPlace) }
        };
        let (mark, place) = text.split_once('-').ok_or(NoPlace)?;
        Ok(Self { mark: number(mark)?, number: number(place)? })
    }
}

/// A kind that is asked for: one kind, `run.finished`, or all that begin with the same words, `run` or `run.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedKind(String);

impl AskedKind {
    /// Whether a kind is among what is asked for.
    #[must_use]
    pub fn has(&self, kind: &str) -> bool {
        kind.strip_prefix(self.0.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// A text that asks for no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want a kind of event such as run.finished, or its first word such as run")]
pub struct NoKind;

impl FromStr for AskedKind {
    type Err = NoKind;

    fn from_str(text: &str) -> Result<Self, NoKind> {
        let words = text.strip_suffix(".*").unwrap_or(text);
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_');
        if words.len() <= MAX_KIND && words.split('.').all(is_word) { Ok(Self(words.to_owned())) } else { Err(NoKind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for place in [Place { mark: 0, number: 0 }, Place { mark: i64::MAX, number: 217 }] {
            assert_eq!(place.to_string().parse(), Ok(place));
            assert!(place > Place::BEGINNING);
        }
        assert!(Place { mark: 1, number: 9 } < Place { mark: 2, number: 0 });
        for wrong in ["", "-", "1", "1-", "-1", "1-2-3", "1--2", "+1-2", "a-b", "1-99999999999999999999", " 1-2"] {
            assert_eq!(wrong.parse::<Place>(), Err(NoPlace), "{wrong}");
        }
    }

    #[test]
    fn a_kind_is_asked_for_by_itself_or_by_its_beginning() {
        let has = |asked: &str, kind: &str| asked.parse::<AskedKind>().unwrap().has(kind);
        assert!(has("run", RUN_FINISHED) && has("run.*", RUN_FINISHED) && has("run.finished", RUN_FINISHED));
        assert!(!has("run.fin", RUN_FINISHED) && !has("ru", RUN_FINISHED) && !has("run.finished.x", RUN_FINISHED));
        assert!(has("session.job_added", "session.job_added"));
        for wrong in ["", ".", "run.", ".run", "Run", "run finished", "*", "run.*.x", "r\u{0}"] {
            assert_eq!(wrong.parse::<AskedKind>(), Err(NoKind), "{wrong}");
        }
    }
}
