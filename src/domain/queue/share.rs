//! What projects were served, and how it is forgotten.

use chrono::{DateTime, TimeDelta, Utc};

/// What a run counts at least, in seconds of a place: else runs that end at once would cost nothing.
pub const LEAST_S: f64 = 1.0;

/// What is left after this time of what a project was served: half of it after each half-life. Nothing is added by a clock
/// that goes backwards.
#[must_use]
pub fn decayed(served: f64, passed: TimeDelta, half_life: TimeDelta) -> f64 {
    let passed = seconds(passed).max(0.0);
    let half_life = seconds(half_life).max(f64::MIN_POSITIVE);
    let left = served * (-passed / half_life).exp2();
    if left.is_finite() { left.max(0.0) } else { 0.0 }
}

/// What a run costs the project that it is of, in seconds of a place, if it took the place from then to then.
#[must_use]
pub fn cost(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    seconds(to - from).max(LEAST_S)
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}
