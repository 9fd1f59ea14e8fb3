//! What was made of a revision and is kept in memory.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turns, MutexGuard as Turn};

/// A revision and what was made of it.
pub type Kept<T> = (i64, Arc<T>);

/// What was made of the revision that was last asked for: a process keeps one. It is never wrong, as long as whoever asks
/// reads from the database which revision is the latest. Cheap to clone.
#[derive(Debug)]
pub struct Shelf<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    kept: Mutex<Option<Kept<T>>>,
    turns: Turns<()>,
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Arc::new(Inner { kept: Mutex::default(), turns: Turns::default() }))
    }
}

impl<T> Shelf<T> {
    /// What was made of this revision, if it is here.
    #[must_use]
    pub fn get(&self, revision: i64) -> Option<Arc<T>> {
        self.newest().filter(|(of, _)| *of == revision).map(|(_, made)| made)
    }

    /// What is here, and of which revision it was made.
    #[must_use]
    pub fn newest(&self) -> Option<Kept<T>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until nobody else makes something for the shelf. Who has the turn looks again: it may be here now. So what
    /// several tasks want at once is made once. Who waits holds nothing meanwhile that others wait for, such as a connection.
    pub async fn turn(&self) -> Turn<'_, ()> {
        self.0.turns.lock().await
    }

    /// Keeps what was made of this revision, in the place of what is here.
    pub fn keep(&self, revision: i64, made: &Arc<T>) {
        *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, Arc::clone(made)));
    }
}
