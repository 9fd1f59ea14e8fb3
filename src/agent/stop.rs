//! Why jobs are stopped before their end.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Tells jobs to stop, once, and why. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    why: Arc<OnceLock<Why>>,
}

/// Why jobs are to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody canceled the run.
    Canceled(String),
    /// The lease is another's now, or nobody's.
    Lost(String),
    /// The agent is to end.
    Leaving,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Canceled(reason) => write!(f, "it was canceled: {reason}"),
            Self::Lost(reason) => write!(f, "the lease was lost: {reason}"),
            Self::Leaving => f.write_str("the agent was told to end"),
        }
    }
}

impl Stop {
    /// Says so. The first reason stays.
    pub fn because(&self, why: Why) {
        if self.why.set(why).is_ok() {
            self.token.cancel();
        }
    }

    /// Why, if it was said.
    #[must_use]
    pub fn why(&self) -> Option<&Why> {
        self.why.get()
    }

    /// Cancelled once it is said.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
