//! Why a job cannot start, in words.

use std::fmt::Write as _;

use super::inhibitor::{Cause, Inhibitor};
use super::skips::Why;

/// How many reasons a sentence tells at most.
const MAX_REASONS: usize = 5;

impl Inhibitor {
    /// The reason in words that go on behind "cannot start:".
    #[must_use]
    pub fn in_words(&self) -> String {
        let job = self.related_job.as_deref().unwrap_or_default();
        let expression = self.related_expression.as_deref().unwrap_or_default();
        match self.cause {
            Cause::Undesired => "it is not on the run list".to_owned(),
            Cause::PendingDep => format!("`{job}` has not run yet"),
            Cause::FailedDep => format!("`{job}` did not pass"),
            Cause::PendingResource => {
                format!("`{expression}` cannot be told yet, for there are no records of `{job}`")
            }
            Cause::FailedResource => format!("`{expression}` does not hold of the records of `{job}`"),
            Cause::NotFailedDep => format!("`{job}`, which it salvages, has not failed"),
            Cause::RequiredManifest => {
                format!("the machine's manifest is not as it needs it: {}", self.related_manifests.join(", "))
            }
        }
    }
}

impl Why {
    /// The same in one line for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let job = &self.job;
        if self.can_start {
            return match &self.outcome {
                None => format!("`{job}` can start"),
                Some(outcome) => format!("`{job}` can start again; it came to {outcome} before"),
            };
        }
        let mut reasons: Vec<String> = self.inhibitors.iter().take(MAX_REASONS).map(Inhibitor::in_words).collect();
        if self.inhibitors.len() > MAX_REASONS {
            reasons.push(format!("and {} more reasons", self.inhibitors.len() - MAX_REASONS));
        }
        if self.attempts == 0 {
            reasons.push("no attempts are left".to_owned());
        }
        let mut words = format!("`{job}` cannot start: {}", reasons.join("; "));
        if let Some(given_up) = &self.given_up {
            let _ = write!(words, "; it never will, and is given up as {}", given_up.outcome);
        } else if let Some(first) = self.behind.first() {
            let how = if first.can_start { "which can start" } else { "which cannot start either" };
            let _ = write!(words, "; in the end it waits for `{}`, {how}", first.job);
            match self.behind.len() - 1 {
                0 => {}
                more if self.more => drop(write!(words, ", and for more than {more} others")),
                more => drop(write!(words, ", and for {more} more")),
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Behind, GivenUp, Outcome, SkipReason};
    use super::*;

    fn why(inhibitors: Vec<Inhibitor>) -> Why {
        let behind = |job: &str| Behind { job: job.to_owned(), can_start: true, inhibitors: Vec::new() };
        Why {
            job: "a".to_owned(),
            can_start: false,
            outcome: None,
            attempts: 3,
            inhibitors,
            given_up: None,
            behind: vec![behind("z"), behind("y")],
            more: false,
        }
    }

    #[test]
    fn one_line_tells_why_a_job_cannot_start() {
        let pending = why(vec![Inhibitor::job(Cause::PendingDep, "b")]);
        let words =
            "`a` cannot start: `b` has not run yet; in the end it waits for `z`, which can start, and for 1 more";
        assert_eq!(pending.in_words(), words);
        let reason = || Inhibitor::expression(Cause::FailedResource, "hw", "hw.kind == 'real'");
        let given_up = GivenUp { outcome: Outcome::SkippedResource, skip_reason: SkipReason::default() };
        let failed = Why { given_up: Some(given_up), behind: Vec::new(), ..why(vec![reason(); 7]) };
        let words = failed.in_words();
        assert!(
            words.starts_with("`a` cannot start: `hw.kind == 'real'` does not hold of the records of `hw`;"),
            "{words}"
        );
        assert!(words.ends_with("; and 2 more reasons; it never will, and is given up as skipped-resource"), "{words}");
        let spent = Why { attempts: 0, behind: Vec::new(), ..why(Vec::new()) };
        assert_eq!(spent.in_words(), "`a` cannot start: no attempts are left");
        let can = Why { can_start: true, ..why(Vec::new()) };
        assert_eq!(can.in_words(), "`a` can start");
        let again = Why { outcome: Some(Outcome::Fail), ..can };
        assert_eq!(again.in_words(), "`a` can start again; it came to fail before");
    }
}
