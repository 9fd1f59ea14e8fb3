//! When to try again: exponential backoff with full jitter, bounded on both sides.
//!
//! Full jitter (a delay drawn evenly from nothing up to the step) spreads many that failed together. What the other
//! side asks for by `Retry-After` is honoured, up to a ceiling: a receiver can neither storm us nor stall us.

use std::time::Duration;

use chrono::TimeDelta;

/// No delay is shorter than this, unless the settings' own longest is: jitter may draw nothing at all.
const FLOOR: TimeDelta = TimeDelta::milliseconds(250);

/// What another side may ask us to wait at most, if our own longest delay is not longer still.
const LONGEST_ASKED: TimeDelta = TimeDelta::hours(1);

/// How delays grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The step after the first failure; it doubles with every further one.
    pub base: TimeDelta,
    /// The longest step.
    pub max: TimeDelta,
}

impl Backoff {
    /// How long to wait after failure number `attempt` (1 is the first). `jitter` is from 0 to 1, evenly drawn.
    #[must_use]
    pub fn delay(&self, attempt: u32, jitter: f64) -> TimeDelta {
        let doublings = attempt.saturating_sub(1).min(62);
        let step = self.base.num_milliseconds().max(0).saturating_mul(1_i64 << doublings);
        let longest = self.max.max(TimeDelta::zero());
        let step = TimeDelta::try_milliseconds(step).map_or(longest, |step| step.min(longest));
        part(step, jitter).clamp(FLOOR.min(longest), longest)
    }

    /// As [`Backoff::delay`], and at least what the other side asked for, of which no more is honoured than an hour or
    /// `max`, whichever is longer.
    #[must_use]
    pub fn delay_honouring(&self, attempt: u32, jitter: f64, retry_after: Option<TimeDelta>) -> TimeDelta {
        let asked = retry_after.unwrap_or_default().min(LONGEST_ASKED.max(self.max));
        self.delay(attempt, jitter).max(asked)
    }
}

fn part(step: TimeDelta, share: f64) -> TimeDelta {
    step.to_std()
        .ok()
        .and_then(|step| Duration::try_from_secs_f64(step.as_secs_f64() * share.clamp(0.0, 1.0)).ok())
        .and_then(|part| TimeDelta::from_std(part).ok())
        .unwrap_or(step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn milliseconds(range: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = TimeDelta> {
        range.prop_map(TimeDelta::milliseconds)
    }

    #[test]
    fn steps_double_up_to_the_longest() {
        let backoff = Backoff { base: TimeDelta::seconds(2), max: TimeDelta::seconds(60) };
        let full: Vec<i64> = (0..8).map(|attempt| backoff.delay(attempt, 1.0).num_seconds()).collect();
        assert_eq!(full, [2, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.delay(3, 0.5), TimeDelta::seconds(4));
        assert_eq!(backoff.delay(3, 0.0), FLOOR);
        assert_eq!(backoff.delay(3, f64::NAN), TimeDelta::seconds(8));
    }

    #[test]
    fn what_is_asked_is_honoured_up_to_a_ceiling() {
        let short = Backoff { base: TimeDelta::seconds(2), max: TimeDelta::seconds(60) };
        let asked = |backoff: Backoff, asked| backoff.delay_honouring(1, 1.0, Some(asked));
        assert_eq!(asked(short, TimeDelta::seconds(1)), TimeDelta::seconds(2));
        assert_eq!(asked(short, TimeDelta::seconds(90)), TimeDelta::seconds(90));
        assert_eq!(asked(short, TimeDelta::days(9)), TimeDelta::hours(1));
        assert_eq!(asked(short, TimeDelta::MIN), TimeDelta::seconds(2));
        let long = Backoff { base: TimeDelta::seconds(2), max: TimeDelta::hours(6) };
        assert_eq!(asked(long, TimeDelta::days(9)), TimeDelta::hours(6));
    }

    proptest! {
        #[test]
        fn every_delay_lies_between_floor_and_longest(
            base in milliseconds(1..=i64::MAX / 2_000_000),
            max in milliseconds(1..=i64::MAX / 2_000_000),
            attempt: u32,
            jitter in 0.0..1.0_f64,
        ) {
            let backoff = Backoff { base, max };
            let delay = backoff.delay(attempt, jitter);
            prop_assert!(delay >= FLOOR.min(max), "{delay}");
            prop_assert!(delay <= max, "{delay}");
        }

        #[test]
        fn nothing_overflows(base: i64, max: i64, attempt: u32, jitter: f64, asked: Option<i64>) {
            let [base, max] = [base, max].map(|value| TimeDelta::try_milliseconds(value).unwrap_or(TimeDelta::MAX));
            let asked = asked.and_then(TimeDelta::try_milliseconds);
            let delay = Backoff { base, max }.delay_honouring(attempt, jitter, asked);
            prop_assert!(delay >= TimeDelta::zero(), "{delay}");
        }

        #[test]
        fn a_later_attempt_never_waits_less(attempt in 1..200_u32, jitter in 0.0..1.0_f64) {
            let backoff = Backoff { base: TimeDelta::seconds(1), max: TimeDelta::days(1) };
            prop_assert!(backoff.delay(attempt, jitter) <= backoff.delay(attempt + 1, jitter));
        }

        #[test]
        fn what_is_asked_is_waited_for(attempt: u32, jitter in 0.0..1.0_f64, asked in milliseconds(0..=3_600_000)) {
            let backoff = Backoff { base: TimeDelta::seconds(1), max: TimeDelta::minutes(5) };
            prop_assert!(backoff.delay_honouring(attempt, jitter, Some(asked)) >= asked);
        }
    }
}
