//! Sessions that are kept in memory, so that a question or a result does not read all of one.
//!
//! What is kept is never trusted: how it stood is compared with the database for each question, and what others changed
//! meanwhile is taken in. Losing it costs time and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as Turn;
use uuid::Uuid;

use crate::domain::session::Session;
use crate::store::session::Stand;

/// How many jobs the sessions that are kept may have in all. One that is larger is kept alone.
const MAX_JOBS: usize = 60_000;

/// A session as it stood.
#[derive(Debug)]
pub struct Held {
    /// How it stood.
    pub stand: Stand,
    /// The session.
    pub session: Session,
}

/// Whoever holds the lock has the session to itself, as far as this process goes. Empty where it has to be read first.
pub type Slot = Arc<Turn<Option<Held>>>;

#[derive(Debug)]
struct Entry {
    slot: Slot,
    /// When it was last used, counted in uses.
    used: u64,
    jobs: usize,
}

#[derive(Debug, Default)]
struct Entries {
    uses: u64,
    by_id: HashMap<Uuid, Entry>,
}

/// The sessions that a process keeps. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Entries>>);

impl Kept {
    /// The place of a session.
    #[must_use]
    pub fn slot(&self, id: Uuid) -> Slot {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let used = entries.uses;
        let entry = entries.by_id.entry(id).or_insert_with(|| Entry { slot: Slot::default(), used, jobs: 0 });
        entry.used = used;
        Arc::clone(&entry.slot)
    }

    /// Notes how large a session is that was put back, and lets those go that were not used for longest where all are too
    /// large. One that somebody has in hand goes when they put it back.
    pub fn note(&self, id: Uuid, jobs: usize) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.by_id.get_mut(&id) {
            // An empty session takes room as well.
            entry.jobs = jobs.max(100);
        }
        let mut all: usize = entries.by_id.values().map(|entry| entry.jobs).sum();
        while all > MAX_JOBS {
            let others = entries.by_id.iter().filter(|(other, _)| **other != id);
            let Some(oldest) = others.min_by_key(|(_, entry)| entry.used).map(|(other, _)| *other) else { return };
            all -= entries.by_id.remove(&oldest).map_or(0, |entry| entry.jobs);
        }
    }

    /// Forgets a session.
    pub fn forget(&self, id: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(&id);
    }
}
