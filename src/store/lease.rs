//! Holds on claimed rows: whatever is worked on in the background is claimed under one, and settled under the same.

use chrono::{DateTime, Utc};

use crate::ids::WorkerId;

/// A worker's hold on what it claims.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Who holds it.
    pub worker: WorkerId,
    /// Now.
    pub now: DateTime<Utc>,
    /// Until when nobody else takes it.
    pub until: DateTime<Utc>,
}
