//! TAP, the Test Anything Protocol, versions 12 to 14: what a test program prints becomes cases with KCIDB statuses.
//!
//! The stream is untrusted text: it may stop anywhere, contradict itself, hold foreign lines, or plan a billion tests.
//! Nothing of that is an error here. What was planned and never reported is MISS, what was begun and not ended is ERROR,
//! and every oddity that a person may want to know of is a sentence in [`Report::problems`]. The grammar of one line is
//! in `line`, the state between lines in `reader`. Source: <https://testanything.org/tap-version-14-specification.html>.

mod line;
mod reader;
#[cfg(test)]
mod tests;

use crate::domain::observation::CaseOutcome;
use crate::domain::status::Status;

/// How much of a stream is read, in bytes; the rest is left out, whole lines at a time.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// How many cases a report holds, those inside subtests and the missing ones among them.
pub const MAX_CASES: usize = 10_000;
/// How deep subtests may lie in each other; deeper ones are left out, their parents decide.
pub const MAX_DEPTH: usize = 16;
/// How many characters of a name or a reason are kept.
pub const MAX_WORDS: usize = 512;
/// How many characters of a case's diagnostics are kept: the last ones.
pub const MAX_EXCERPT: usize = 16_384;
/// How many problems are told one by one.
pub const MAX_PROBLEMS: usize = 100;

/// What a TAP stream says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The version that the stream names; none is version 12.
    pub version: Option<u64>,
    /// How many tests there were to be. `None`: the stream never said.
    pub plan: Option<Plan>,
    /// The cases in the order of the stream, then those that are missing, by number.
    pub cases: Vec<Case>,
    /// The reason of `Bail out!`, which may be empty. `None`: there was none.
    pub bailed: Option<String>,
    /// The roll-up of the cases that went over [`MAX_CASES`] and were left out.
    pub left_out: Option<Status>,
    /// What is odd about the stream, in sentences, at most [`MAX_PROBLEMS`] of them.
    pub problems: Vec<String>,
}

/// `1..N`, with what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// N; 0 says that everything is skipped.
    pub count: u64,
    /// Why everything is skipped, where the plan tells.
    pub skipped: Option<String>,
}

/// One test point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its number, as given or as implied by its place.
    pub number: u64,
    /// Its description, or its number in digits where it has none; at most [`MAX_WORDS`] characters.
    pub name: String,
    /// `ok` PASS, `not ok` FAIL; SKIP with either; `not ok` with TODO is DONE (it failed as expected).
    pub status: Status,
    /// The directive, where it has one.
    pub directive: Option<Directive>,
    /// The directive's text, else the `message` of the diagnostics, or why it is missing or incomplete.
    pub reason: Option<String>,
    /// The lines of its YAML block, without their indentation; at most the last [`MAX_EXCERPT`] characters.
    pub log_excerpt: Option<String>,
    /// The cases of its subtest. They do not change its status: its own line decides.
    pub cases: Vec<Case>,
}

/// What stands behind the `#` of a test line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// It was not run.
    Skip,
    /// It is expected to fail.
    Todo,
}

/// Reads a stream. Never fails: text without any TAP in it is a report that [`Report::is_tap`] denies.
#[must_use]
pub fn read(text: &str) -> Report {
    reader::read(text)
}

impl Report {
    /// Whether anything in the text was TAP.
    #[must_use]
    pub fn is_tap(&self) -> bool {
        self.version.is_some() || self.plan.is_some() || self.bailed.is_some() || !self.cases.is_empty()
    }

    /// The status of the whole: its cases rolled up, ERROR when it bailed out, SKIP when the plan is `1..0`. `None` of a
    /// stream that has neither a case nor such a plan: it says nothing, which is not success.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let bailed = self.bailed.as_ref().map(|_| Status::Error);
        let skipped = self.plan.as_ref().filter(|plan| plan.count == 0).map(|_| Status::Skip);
        let cases = self.cases.iter().map(|case| case.status);
        Status::roll_up(cases.chain(bailed).chain(skipped).chain(self.left_out))
    }

    /// The cases as a list without levels: those of a subtest stand before their parent, and the names on the way down are
    /// joined with `.`.
    #[must_use]
    pub fn flat_cases(&self) -> Vec<CaseOutcome> {
        let mut flat = Vec::new();
        flatten(&self.cases, "", &mut flat);
        flat
    }
}

fn flatten(cases: &[Case], parent: &str, flat: &mut Vec<CaseOutcome>) {
    for case in cases {
        let name = if parent.is_empty() { case.name.clone() } else { format!("{parent}.{}", case.name) };
        flatten(&case.cases, &name, flat);
        flat.push(CaseOutcome {
            name,
            status: case.status,
            reason: case.reason.clone(),
            duration_s: None,
            measurement: None,
            log_excerpt: case.log_excerpt.clone(),
        });
    }
}
