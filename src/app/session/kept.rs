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

/// How many bytes the sessions that are kept may take in all, as they are estimated. One that is larger is kept alone.
const MAX_BYTES: usize = 256 << 20;

/// What a session may have grown by, in bytes, before it is weighed anew, unless it is large: weighing walks all of it.
const UNWEIGHED: usize = 1 << 20;

/// A session as it stood. Of each job it has the last result alone; the database has the others.
#[derive(Debug)]
pub struct Held {
    /// How it stood.
    pub stand: Stand,
    /// The session.
    pub session: Session,
    /// What it weighed when it was last weighed, in bytes.
    weighed: usize,
    /// What was added to it since, in bytes: what that took the place of is not taken off.
    added: usize,
}

impl Held {
    /// A session that stands so. Its older results are in the database.
    #[must_use]
    pub fn new(stand: Stand, mut session: Session) -> Self {
        session.keep_past_elsewhere();
        let weighed = session.weight();
        Self { stand, session, weighed, added: 0 }
    }

    /// It stands otherwise now, and so many bytes were added to it.
    pub fn grew(&mut self, stand: Stand, bytes: usize) {
        self.stand = stand;
        self.added = self.added.saturating_add(bytes);
        if self.added > UNWEIGHED.max(self.weighed / 4) {
            (self.weighed, self.added) = (self.session.weight(), 0);
        }
    }

    /// How many bytes it takes at most, as they are estimated.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weighed.saturating_add(self.added)
    }
}

/// Whoever holds the lock has the session to itself, as far as this process goes. Empty where it has to be read first.
pub type Slot = Arc<Turn<Option<Held>>>;

#[derive(Debug)]
struct Entry {
    slot: Slot,
    /// When it was last used, counted in uses.
    used: u64,
    bytes: usize,
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
        let entry = entries.by_id.entry(id).or_insert_with(|| Entry { slot: Slot::default(), used, bytes: 0 });
        entry.used = used;
        Arc::clone(&entry.slot)
    }

    /// Notes how large, in bytes, a session is that was put back, and lets those go that were not used for longest where all are too
    /// large. One that somebody has in hand goes when they put it back.
    pub fn note(&self, id: Uuid, bytes: usize) {
        self.note_within(MAX_BYTES, id, bytes);
    }

    fn note_within(&self, most: usize, id: Uuid, bytes: usize) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.by_id.get_mut(&id) {
            entry.bytes = bytes;
        }
        let mut all: usize = entries.by_id.values().map(|entry| entry.bytes).sum();
        while all > most {
            let others = entries.by_id.iter().filter(|(other, _)| **other != id);
            let Some(oldest) = others.min_by_key(|(_, entry)| entry.used).map(|(other, _)| *other) else { return };
            all -= entries.by_id.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
    }

    /// Forgets a session.
    pub fn forget(&self, id: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_were_not_used_for_longest_go_first() {
        let kept = Kept::default();
        let [one, two, three] = [1, 2, 3].map(Uuid::from_u128);
        let is_kept = |id: Uuid| kept.0.lock().unwrap().by_id.contains_key(&id);
        for id in [one, two] {
            let _ = kept.slot(id);
            kept.note_within(100, id, 40);
        }
        let _ = (kept.slot(one), kept.slot(three));
        kept.note_within(100, three, 50);
        assert!(is_kept(one) && !is_kept(two) && is_kept(three));
        kept.note_within(100, three, 5_000);
        assert!(!is_kept(one) && is_kept(three), "one that is too large is kept alone");
        kept.forget(three);
        assert!(!is_kept(three));
    }

    #[test]
    fn what_is_added_is_weighed_in_the_end() {
        let stand = Stand { version: 1, life: Uuid::from_u128(1) };
        let mut held = Held::new(stand, Session::default());
        let empty = held.weight();
        held.grew(Stand { version: 2, ..stand }, UNWEIGHED);
        assert_eq!((held.weight(), held.stand.version), (empty + UNWEIGHED, 2));
        held.grew(stand, 1);
        assert_eq!(held.weight(), empty, "it took the place of what was there");
    }
}
