//! Answers that do not end by themselves: how many there may be at once, and when they must end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::app::{AppError, Result};

/// After how long it is worth while to ask for a place again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The places for such answers. Clones share them.
#[derive(Clone, Debug)]
pub struct Streams {
    places: Arc<Semaphore>,
    most: usize,
    stop: CancellationToken,
}

impl Streams {
    /// Places for this many at once, until `stop` is cancelled.
    #[must_use]
    pub fn new(most: usize, stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), most, stop }
    }

    /// Waits until the service stops.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Takes a place. It is free again when what is returned is dropped.
    ///
    /// # Errors
    /// [`AppError::Busy`] if none is free, or the service stops.
    pub fn enter(&self) -> Result<Place> {
        let busy = |words: String| AppError::Busy { words, retry_after: RETRY_AFTER };
        if self.stop.is_cancelled() {
            return Err(busy("the service is stopping: ask again".to_owned()));
        }
        let taken = Arc::clone(&self.places).try_acquire_owned();
        let permit = taken.map_err(|_| {
            busy(format!("{} event streams are open, the most there may be: ask again, or for pages", self.most))
        })?;
        Ok(Place { _permit: permit, stop: self.stop.clone() })
    }
}

/// A place that is taken.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    stop: CancellationToken,
}

impl Place {
    /// Waits until the service stops.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_come_free() {
        let stop = CancellationToken::new();
        let streams = Streams::new(2, stop.clone());
        let (one, two) = (streams.enter().unwrap(), streams.clone().enter().unwrap());
        let refused = streams.enter().unwrap_err().to_string();
        assert!(refused.contains("2 event streams are open"), "{refused}");
        drop(one);
        let three = streams.enter().unwrap();
        drop((two, three));
        stop.cancel();
        assert!(streams.enter().unwrap_err().to_string().contains("stopping"));
    }
}
