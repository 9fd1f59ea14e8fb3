//! Test plans.

use super::check_id;
use super::issue::{Flaw, Issues};
use super::job::{check_duration, check_words};
use super::others::check_name;
use super::subject::Subject;
use crate::domain::unit::lists::{LineError, include_list, override_list};

pub(super) fn check(subject: &Subject<'_>, issues: &mut Issues) {
    check_id(subject, issues);
    check_name(subject, issues);
    if !subject.has("include") {
        let message = "a test plan needs it; a plan of nested plans has an empty one";
        issues.error("include", Flaw::Missing, message);
    }
    for field in ["include", "mandatory_include", "exclude"] {
        check_lines(subject, field, issues, |text| include_list(text).find_map(Result::err));
    }
    for field in
        ["category-overrides", "category_overrides", "certification-status-overrides", "certification_status_overrides"]
    {
        // Sessions pass over these, so they are no errors; blank lines mean nothing.
        let first = |text: &str| override_list(text.trim()).find_map(Result::err);
        if let Some(error) = subject.lines(field).and_then(|text| first(&text)) {
            issues.warn(field, Flaw::SyntaxError, format!("{error}; it is passed over"));
        }
    }
    for field in ["bootstrap_include", "setup_include", "nested_part"] {
        check_words(subject, field, issues);
    }
    check_duration(subject, issues);
}

fn check_lines(subject: &Subject<'_>, field: &str, issues: &mut Issues, first: impl Fn(&str) -> Option<LineError>) {
    if let Some(error) = subject.lines(field).and_then(|text| first(&text)) {
        issues.error(field, Flaw::SyntaxError, error.to_string());
    }
}
