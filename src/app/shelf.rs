//! What was made of a revision and is kept in memory.

use std::sync::{Arc, Mutex, PoisonError};

/// A revision and what was made of it.
type Kept<T> = (i64, Arc<T>);

/// What was made of the revision that was last asked for: a process keeps one. It is never wrong, as long as whoever asks
/// reads from the database which revision is the latest. Cheap to clone.
#[derive(Debug)]
pub struct Shelf<T>(Arc<Mutex<Option<Kept<T>>>>);

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Shelf<T> {
    /// What was made of this revision, if it is here.
    #[must_use]
    pub fn get(&self, revision: i64) -> Option<Arc<T>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(of, _)| *of == revision).map(|(_, made)| Arc::clone(made))
    }

    /// Keeps what was made of this revision, in the place of what is here.
    pub fn keep(&self, revision: i64, made: &Arc<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, Arc::clone(made)));
    }
}
