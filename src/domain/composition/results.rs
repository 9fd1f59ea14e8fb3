//! What came of a job, in the words of specs and of the catalogue.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Map;

use super::fields::{SPEC, XSTATUS};
use crate::domain::catalogue::outcome::Outcome as TestOutcome;
use crate::domain::definition::How;
use crate::domain::session::{Outcome, Report, Session};
use crate::domain::spec_result::readiness::satisfies;
use crate::domain::spec_result::result::SpecResult;
use crate::domain::spec_result::status::{CaseStatus, Status as SpecStatus};
use crate::domain::status::Status;
use crate::domain::unit::Unit;
use crate::domain::words::Word as _;

/// The exit code of a spec that found differences.
const DIFFED: i64 = 64;

/// What came of a job, in KCIDB's words; nothing where nothing is decided yet, and of words that nobody knows.
#[must_use]
pub fn status_of(outcome: &Outcome) -> Option<Status> {
    match outcome {
        Outcome::Pass => Some(Status::Pass),
        Outcome::Fail => Some(Status::Fail),
        Outcome::Crash => Some(Status::Error),
        Outcome::Skip
        | Outcome::NotSupported
        | Outcome::NotImplemented
        | Outcome::SkippedDependency
        | Outcome::SkippedResource
        | Outcome::SkippedManifest => Some(Status::Skip),
        Outcome::Undecided | Outcome::Other(_) => None,
    }
}

/// Whether what came of a job is what another wants of it: in the words of spec results, of a job that was made of a spec, and
/// in QMTest's of any other.
pub(super) fn is_wanted(unit: &Unit, report: &Report, word: &str) -> bool {
    if unit.text(SPEC).is_some() {
        return spec_status(unit, report, None).is_some_and(|status| satisfies(&status, word));
    }
    let status = report.outcome.as_ref().and_then(status_of);
    status.is_some_and(|status| TestOutcome::of(status).as_str().eq_ignore_ascii_case(word))
}

/// How a spec stands after this result of its job, and how its program ended where that is known. What was not decided comes
/// to nothing.
#[must_use]
pub fn spec_status(unit: &Unit, report: &Report, how: Option<&How>) -> Option<CaseStatus> {
    let xstatus = unit.text(XSTATUS).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let outcome = report.outcome.as_ref()?;
    let status = match (status_of(outcome)?, how) {
        (_, Some(How::TimedOut { .. })) => SpecStatus::Timeout,
        (_, Some(How::Canceled)) => SpecStatus::Cancelled,
        (Status::Pass | Status::Done, _) => match xstatus {
            0 => SpecStatus::Success,
            DIFFED => SpecStatus::XDiff,
            _ => SpecStatus::XFail,
        },
        (Status::Fail, _) if report.return_code == Some(DIFFED) => SpecStatus::Diffed,
        (Status::Fail, _) => SpecStatus::Failed,
        (Status::Error, _) => SpecStatus::Error,
        (Status::Skip | Status::Miss, _) if *outcome == Outcome::SkippedDependency => SpecStatus::Blocked,
        (Status::Skip | Status::Miss, _) => SpecStatus::Skipped,
    };
    let mut stands = CaseStatus::of(status);
    if let Some(code) = report.return_code.and_then(|code| i32::try_from(code).ok()) {
        stands = stands.with_code(code);
    }
    Some(match reason(report) {
        Some(reason) => stands.because(reason),
        None => stands,
    })
}

fn reason(report: &Report) -> Option<String> {
    let skipped = || {
        let related = &report.skip_reason.as_ref()?.related_dependencies;
        (!related.is_empty()).then(|| format!("it depends on {}", related.join(", ")))
    };
    let said = report.plain_comments().map(std::borrow::Cow::into_owned).filter(|comments| !comments.is_empty());
    // A result takes a page of prose.
    let words = said.or_else(skipped)?;
    Some(words.chars().filter(|letter| *letter != '\0').take(4_000).collect())
}

/// A result of a job that was recorded.
#[derive(Clone, Copy, Debug)]
pub struct Came<'a> {
    /// The job.
    pub job: &'a str,
    /// How its program ended, where that is known.
    pub how: Option<&'a How>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

/// What results of specs call a session: when it was made, and its id, so that the newest is the greatest as text, beside
/// those of Canary's, which are named by their times.
#[must_use]
pub fn session_name(id: &str, created_at: DateTime<Utc>) -> String {
    format!("{}.{id}", created_at.format("%Y-%m-%dT%H-%M-%S"))
}

/// The results of specs that the current results of these jobs are; jobs that were made of no spec, or have come to nothing,
/// make none. Each has an id of its own that follows from the job and the number of its result, so that recording it again
/// changes nothing. `session_name` as [`session_name`] makes it.
#[must_use]
pub fn spec_results_of(session_name: &str, session: &Session, came: &[Came<'_>]) -> Vec<SpecResult> {
    came.iter().filter_map(|came| spec_result(session_name, session, came)).collect()
}

fn spec_result(session_name: &str, session: &Session, came: &Came<'_>) -> Option<SpecResult> {
    let job = session.job(came.job)?;
    let unit = &job.job().unit;
    let (spec_id, report) = (unit.text(SPEC)?, job.result()?);
    let status = spec_status(unit, report, came.how)?;
    let ran = report.execution_duration.filter(|seconds| seconds.is_finite() && (0.0..1e9).contains(seconds));
    #[expect(clippy::cast_possible_truncation, reason = "a duration was held to its bounds")]
    let ran = ran.map(|seconds| TimeDelta::microseconds((seconds * 1e6) as i64));
    let result = SpecResult {
        id: format!("{session_name}/{spec_id}/{}", job.results()),
        spec_id: spec_id.to_owned(),
        session: session_name.to_owned(),
        names: None,
        workspace: None,
        status,
        submitted_at: None,
        started_at: ran.and_then(|ran| came.finished_at.checked_sub_signed(ran)),
        finished_at: Some(came.finished_at),
        measurements: Map::new(),
    };
    // A unit may say anything is a spec: what no spec is called is none.
    result.check().is_ok().then_some(result)
}

#[cfg(test)]
mod tests;
