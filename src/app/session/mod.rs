//! Sessions: which jobs are wanted, in which order they run, which can start and what holds the others up, what came of
//! them.
//!
//! What a session does stands in [`crate::domain::session`]; here it is brought from the database and back. Every change
//! is one transaction and makes one version ([`change`]). A process keeps the sessions that it was last asked for
//! ([`kept`]) and takes in what others wrote, so that a result touches what it affects and reads nothing else, however
//! large the session is and however many processes serve it.

pub mod change;
pub mod checkbox;
pub mod event;
pub mod kept;
pub mod look;
pub mod make;
pub mod portable;
pub mod provider;
pub(crate) mod refusal;
pub mod result;
pub mod shared;
pub mod source;
pub mod steer;
pub mod what;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

use crate::app::Bell;
use crate::clock::Clock;
use crate::ids::SessionId;
use crate::store::Db;

use kept::Kept;

/// How many changes a listener may be behind before it is told that it missed some.
const NEWS: usize = 1_024;

/// What the use cases of sessions share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// The database.
    pub db: Db,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The sessions that are in memory.
    pub kept: Kept,
    /// Tells which sessions were changed by this process.
    news: broadcast::Sender<SessionId>,
    /// Tells whoever runs sessions that one was changed.
    pub advance: Arc<Bell>,
}

impl Sessions {
    /// The sessions of a database.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, kept: Kept::default(), news: broadcast::Sender::new(NEWS), advance: Arc::default() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Tells that a session was changed. That nobody listens is no loss: who does looks from time to time anyway.
    fn tell(&self, id: SessionId) {
        let _ = self.news.send(id);
    }

    /// Hears from now on which sessions this process changes.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<SessionId> {
        self.news.subscribe()
    }
}
