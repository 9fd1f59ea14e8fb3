//! The classes that are built in: QMTest's own.

use crate::domain::catalogue::class::Classes;

/// QMTest's classes.
#[must_use]
pub fn classes() -> Classes {
    Classes::default()
}
