//! Where this process keeps whom it has waiting: nothing that matters, all of it is gone with the process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::ids::AgentId;

/// The agents that wait for work here, and since when heartbeats could be heard.
#[derive(Debug)]
pub struct Desk {
    waiting: Mutex<Waiting>,
    heard_since: Mutex<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    agents: HashMap<AgentId, (u64, CancellationToken)>,
}

impl Desk {
    /// Nobody waits, and heartbeats are heard from now on.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { waiting: Mutex::default(), heard_since: Mutex::new(now) }
    }

    /// Takes an agent's turn to wait. Each has one: whoever waits in its name already waits no more.
    #[must_use]
    pub fn wait(&self, agent: AgentId) -> Turn<'_> {
        let over = CancellationToken::new();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.last += 1;
        let number = waiting.last;
        if let Some((_, earlier)) = waiting.agents.insert(agent, (number, over.clone())) {
            earlier.cancel();
        }
        Turn { desk: self, agent, number, over }
    }

    /// Since when heartbeats could be heard without a break: an agent that was silent before may have spoken in vain.
    #[must_use]
    pub fn heard_since(&self) -> DateTime<Utc> {
        *self.heard_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that heartbeats could not be heard until now.
    pub fn was_deaf(&self, now: DateTime<Utc>) {
        *self.heard_since.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// An agent's turn to wait, until it is dropped.
#[derive(Debug)]
pub struct Turn<'d> {
    desk: &'d Desk,
    agent: AgentId,
    number: u64,
    over: CancellationToken,
}

impl Turn<'_> {
    /// Waits until somebody else waits in the agent's name.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.desk.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.agents.get(&self.agent).is_some_and(|(number, _)| *number == self.number) {
            waiting.agents.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_agent_waits_once_and_is_forgotten_afterwards() {
        let desk = Desk::new(DateTime::UNIX_EPOCH);
        let (one, two) = (AgentId::new(DateTime::UNIX_EPOCH), AgentId::new(DateTime::UNIX_EPOCH));
        let (first, other) = (desk.wait(one), desk.wait(two));
        let second = desk.wait(one);
        first.over().await;
        assert!(!second.over.is_cancelled() && !other.over.is_cancelled());
        drop(first);
        assert_eq!(desk.waiting.lock().unwrap().agents.len(), 2, "the second still waits");
        drop((second, other));
        assert!(desk.waiting.lock().unwrap().agents.is_empty());
    }
}
