//! A circuit breaker: after some failures in a row a runner (or a sink) is left alone for a while.
//!
//! Closed, it lets everything through and counts failures in a row. Open, it lets nothing through until its pause is
//! over. Then it is half open: one call is let through as a probe, whose end closes it or opens it for twice as long.
//! A probe that never reports (its worker died) is given up after one more pause. Each "no" tells until when and why.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// It opens after this many failures in a row; 0 counts as 1.
    pub opens_at: u32,
    /// The first pause; each further one, without a success between, is twice as long.
    pub pause: TimeDelta,
    /// The longest pause.
    pub longest_pause: TimeDelta,
}

impl Default for BreakerSettings {
    /// Five failures; 30 s to 15 min.
    fn default() -> Self {
        Self { opens_at: 5, pause: TimeDelta::seconds(30), longest_pause: TimeDelta::minutes(15) }
    }
}

/// The breaker is open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "left alone until {} after {failures} failures in a row, the last: {reason}",
    until.to_rfc3339_opts(SecondsFormat::Secs, true)
)]
pub struct Open {
    /// When the next call is let through.
    pub until: DateTime<Utc>,
    /// How many failures in a row there were.
    pub failures: u32,
    /// The last failure.
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// Nothing is let through before `until`.
    Open { until: DateTime<Utc>, pause: TimeDelta, reason: String },
    /// A probe is out; it is given up at `until`.
    HalfOpen { until: DateTime<Utc>, pause: TimeDelta, reason: String },
}

/// A breaker for one runner or sink.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    failures: u32,
    state: State,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, failures: 0, state: State::Closed }
    }

    /// Whether a call may be made now. An `Ok` must be followed by [`Breaker::succeeded`] or [`Breaker::failed`].
    ///
    /// # Errors
    /// [`Open`] says until when none may, and why.
    pub fn allows(&mut self, now: DateTime<Utc>) -> Result<(), Open> {
        if let Some(open) = self.open(now) {
            return Err(open);
        }
        if let State::Open { pause, reason, .. } | State::HalfOpen { pause, reason, .. } = &mut self.state {
            let (pause, reason) = (*pause, std::mem::take(reason));
            self.state = State::HalfOpen { until: later(now, pause), pause, reason };
        }
        Ok(())
    }

    /// What [`Breaker::allows`] would answer, without taking the probe.
    #[must_use]
    pub fn open(&self, now: DateTime<Utc>) -> Option<Open> {
        match &self.state {
            State::Open { until, reason, .. } | State::HalfOpen { until, reason, .. } if now < *until => {
                Some(Open { until: *until, failures: self.failures, reason: reason.clone() })
            }
            _ => None,
        }
    }

    /// A call was answered (a refusal is an answer): the breaker closes.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.state = State::Closed;
    }

    /// A call failed. Failures of calls that were under way when the breaker opened do not prolong its pause.
    pub fn failed(&mut self, now: DateTime<Utc>, reason: &str) {
        self.failures = self.failures.saturating_add(1);
        let longest = self.settings.longest_pause;
        let pause = match &mut self.state {
            State::Closed if self.failures < self.settings.opens_at => return,
            State::Closed => self.settings.pause.min(longest),
            State::HalfOpen { pause, .. } => pause.checked_mul(2).unwrap_or(longest).min(longest),
            State::Open { reason: last, .. } => {
                reason.clone_into(last);
                return;
            }
        };
        self.state = State::Open { until: later(now, pause), pause, reason: reason.to_owned() };
    }
}

fn later(now: DateTime<Utc>, pause: TimeDelta) -> DateTime<Utc> {
    now.checked_add_signed(pause).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The breakers of all runners, or of all sinks, by name. A name's breaker comes to be with its first failure.
#[derive(Debug, Default)]
pub struct Breakers {
    settings: BreakerSettings,
    by_name: Mutex<HashMap<String, Breaker>>,
}

impl Breakers {
    /// Breakers that all have these settings.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, by_name: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Breaker>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Breaker::allows`].
    ///
    /// # Errors
    /// [`Open`] says until when no call may be made, and why.
    pub fn allows(&self, name: &str, now: DateTime<Utc>) -> Result<(), Open> {
        self.lock().get_mut(name).map_or(Ok(()), |breaker| breaker.allows(now))
    }

    /// As [`Breaker::succeeded`].
    pub fn succeeded(&self, name: &str) {
        self.lock().remove(name);
    }

    /// As [`Breaker::failed`].
    pub fn failed(&self, name: &str, now: DateTime<Utc>, reason: &str) {
        self.lock().entry(name.to_owned()).or_insert_with(|| Breaker::new(self.settings)).failed(now, reason);
    }

    /// Why nothing may be asked of `name` now, in words; nothing if it may. Takes no probe.
    #[must_use]
    pub fn why(&self, name: &str, now: DateTime<Utc>) -> Option<String> {
        let open = self.lock().get(name)?.open(now)?;
        Some(format!("`{name}` is {open}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { opens_at: 3, pause: TimeDelta::seconds(10), longest_pause: TimeDelta::seconds(25) };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn opened(now: i64) -> Breaker {
        let mut breaker = Breaker::new(SETTINGS);
        (0..3).for_each(|_| breaker.failed(at(now), "502"));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..9 {
            breaker.failed(at(0), "502");
            breaker.failed(at(0), "502");
            assert_eq!(breaker.allows(at(0)), Ok(()));
            breaker.succeeded();
        }
        let mut breaker = opened(0);
        let open = Open { until: at(10), failures: 3, reason: "502".to_owned() };
        assert_eq!(breaker.allows(at(0)), Err(open.clone()));
        assert_eq!(breaker.allows(at(9)), Err(open));
    }

    #[test]
    fn one_probe_decides() {
        let mut breaker = opened(0);
        assert_eq!(breaker.open(at(10)), None);
        assert_eq!(breaker.allows(at(10)), Ok(()));
        assert_eq!(breaker.allows(at(10)).unwrap_err().until, at(20), "one only");
        breaker.succeeded();
        assert_eq!(breaker.allows(at(10)), Ok(()));
        breaker.failed(at(10), "502");
        assert_eq!(breaker.allows(at(10)), Ok(()), "it counts anew");
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut breaker = opened(0);
        let mut now = 10;
        for pause in [20, 25, 25] {
            assert_eq!(breaker.allows(at(now)), Ok(()));
            breaker.failed(at(now), "503");
            let open = breaker.allows(at(now)).unwrap_err();
            assert_eq!((open.until, open.reason.as_str()), (at(now + pause), "503"));
            now += pause;
        }
        breaker.succeeded();
        (0..3).for_each(|_| breaker.failed(at(now), "502"));
        assert_eq!(breaker.open(at(now)).unwrap().until, at(now + 10));
    }

    #[test]
    fn a_lost_probe_is_given_up() {
        let mut breaker = opened(0);
        assert_eq!(breaker.allows(at(12)), Ok(()));
        assert_eq!(breaker.allows(at(21)).unwrap_err().until, at(22));
        assert_eq!(breaker.allows(at(22)), Ok(()));
        assert!(breaker.allows(at(22)).is_err());
    }

    #[test]
    fn late_failures_do_not_prolong_the_pause() {
        let mut breaker = opened(0);
        breaker.failed(at(9), "late");
        assert_eq!(breaker.open(at(9)).unwrap(), Open { until: at(10), failures: 4, reason: "late".to_owned() });
    }

    #[test]
    fn nothing_overflows() {
        let settings = BreakerSettings { opens_at: 0, pause: TimeDelta::MAX, longest_pause: TimeDelta::MAX };
        let mut breaker = Breaker::new(settings);
        breaker.failed(at(0), "502");
        assert_eq!(breaker.allows(at(0)).unwrap_err().until, DateTime::<Utc>::MAX_UTC);
    }

    #[test]
    fn each_name_has_its_own_and_says_why() {
        let breakers = Breakers::new(SETTINGS);
        (0..3).for_each(|_| breakers.failed("lab", at(0), "connection refused"));
        assert!(breakers.allows("lab", at(1)).is_err());
        assert_eq!(breakers.allows("tuxsuite", at(1)), Ok(()));
        let why = breakers.why("lab", at(1)).unwrap();
        assert_eq!(
            why,
            "`lab` is left alone until 1970-01-01T00:00:10Z after 3 failures in a row, the last: connection refused"
        );
        assert_eq!((breakers.why("tuxsuite", at(1)), breakers.why("lab", at(10))), (None, None));
        assert_eq!(breakers.allows("lab", at(10)), Ok(()));
        breakers.succeeded("lab");
        assert_eq!((breakers.allows("lab", at(10)), breakers.why("lab", at(10))), (Ok(()), None));
    }
}
