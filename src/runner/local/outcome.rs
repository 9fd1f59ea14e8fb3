//! What came of one test: what its program printed, together with how it ended.

use crate::domain::observation::TestOutcome;
use crate::domain::status::Status;
use crate::domain::tap;
use crate::runner::process::{End, Output};

/// Judges a test by its standard output and its end.
///
/// TAP decides what it says, but a program that failed without a failed case is ERROR, and so is one that was killed
/// (unless a case had FAILED, which goes first). Without any TAP the exit status decides. A program that never began is
/// MISS.
pub(super) fn judge(end: &End, stdout: &Output, log: &Output, duration_s: f64) -> TestOutcome {
    let mut report = tap::read(&stdout.text());
    let told = report.status();
    let status = match (end, told) {
        (End::NotStarted(_), _) => Status::Miss,
        (End::Exit(0), Some(told)) => told,
        (End::Exit(code), None) if !report.is_tap() => {
            if *code == 0 {
                Status::Pass
            } else {
                Status::Fail
            }
        }
        (_, told) => Status::roll_up(told.into_iter().chain([Status::Error])).unwrap_or(Status::Error),
    };
    let mut reasons = Vec::new();
    match end {
        End::Exit(0) => {}
        End::Exit(code) if report.is_tap() && !matches!(told, Some(Status::Fail | Status::Error)) => {
            reasons.push(format!("exit status {code}, although no case failed"));
        }
        End::Exit(_) if report.is_tap() => {}
        end => reasons.push(end.to_string()),
    }
    if let Some(why) = &report.bailed {
        reasons.push(if why.is_empty() { "bailed out".to_owned() } else { format!("bailed out: {why}") });
    }
    reasons.extend(report.plan.iter().filter_map(|plan| plan.skipped.clone()));
    let missing = report.cases.iter().filter(|case| case.status == Status::Miss).count();
    if missing > 0 {
        reasons.push(format!("planned and never reported: {missing}"));
    }
    if stdout.dropped() > 0 {
        reasons.push(format!("{} bytes of output went over the limit and were not read", stdout.dropped()));
    }
    reasons.extend(report.problems.iter().take(3).cloned());
    if !matches!(end, End::Exit(0)) && report.bailed.is_none() {
        for case in report.cases.iter_mut().filter(|case| case.status == Status::Miss) {
            case.reason = Some(format!("never reported: {end}"));
        }
    }
    TestOutcome {
        status,
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        duration_s: Some(duration_s),
        log_excerpt: log.excerpt(),
        cases: report.flat_cases(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_end_and_the_output_decide_together() {
        use Status::{Error, Fail, Miss, Pass, Skip};
        let passed = "1..1\nok 1 - a\n";
        let failed = "1..1\nnot ok 1 - a\n";
        let table = [
            ("", End::Exit(0), Pass, None),
            ("noise", End::Exit(3), Fail, Some("exit status 3")),
            ("", End::Signal(11), Error, Some("killed by signal 11 (SIGSEGV)")),
            (passed, End::Exit(0), Pass, None),
            (failed, End::Exit(0), Fail, None),
            (failed, End::Exit(1), Fail, None),
            (passed, End::Exit(1), Error, Some("exit status 1, although no case failed")),
            (passed, End::Signal(6), Error, Some("killed by signal 6 (SIGABRT)")),
            (failed, End::Signal(6), Fail, Some("killed by signal 6 (SIGABRT)")),
            (passed, End::TimedOut(Duration::from_millis(1500)), Error, Some("took longer than 1.5 s and was killed")),
            ("", End::NotStarted("x: gone".to_owned()), Miss, Some("could not be started: x: gone")),
            ("1..0 # SKIP none here", End::Exit(0), Skip, Some("none here")),
            (
                "1..1\nBail out! no disk\n",
                End::Exit(2),
                Error,
                Some("bailed out: no disk; planned and never reported: 1"),
            ),
            ("1..2\nok 1\n", End::Exit(0), Miss, Some("planned and never reported: 1")),
            ("TAP version 13\n", End::Exit(0), Error, Some("the stream has neither a plan nor a test")),
        ];
        for (text, end, status, reason) in table {
            let mut output = Output::new(1000);
            output.push(text.as_bytes());
            let outcome = judge(&end, &output, &output, 0.5);
            assert_eq!((outcome.status, outcome.reason.as_deref()), (status, reason), "{text:?} {end:?}");
        }
    }
}
