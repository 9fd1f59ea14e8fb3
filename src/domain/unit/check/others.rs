//! Categories, manifest entries and exporters.

use super::check_id;
use super::issue::{Flaw, Issues};
use super::subject::{Said, Subject};

const VALUE_TYPES: [&str; 2] = ["bool", "natural"];

pub(super) fn check_category(subject: &Subject<'_>, issues: &mut Issues) {
    check_id(subject, issues);
    check_name(subject, issues);
}

pub(super) fn check_manifest_entry(subject: &Subject<'_>, issues: &mut Issues) {
    check_id(subject, issues);
    check_name(subject, issues);
    let want = VALUE_TYPES.join(" or ");
    match subject.said("value-type") {
        Said::Nothing => issues.error("value-type", Flaw::Missing, format!("a manifest entry needs one: want {want}")),
        Said::Text(word) if !VALUE_TYPES.contains(&word) => {
            issues.error("value-type", Flaw::Wrong, format!("`{word}` will not do: want {want}"));
        }
        Said::Other => issues.error("value-type", Flaw::Wrong, format!("want {want}")),
        Said::Text(_) | Said::Varies => {}
    }
    let is_hidden = subject.id().text().is_some_and(|id| id.starts_with('_'));
    if is_hidden && !subject.has("hidden-reason") {
        issues.error("hidden-reason", Flaw::Missing, "an entry whose id begins with `_` is hidden and must say why");
    }
}

pub(super) fn check_exporter(subject: &Subject<'_>, issues: &mut Issues) {
    check_id(subject, issues);
    for field in ["entry_point", "file_extension"] {
        if !subject.has(field) {
            issues.error(field, Flaw::Missing, "an exporter needs it");
        }
    }
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
    if subject.said("file_extension").text().is_some_and(|text| !is_name(text)) {
        issues.error("file_extension", Flaw::Wrong, "want letters, digits, `_`, `.` and `-`");
    }
    if let Some(Err(error)) =
        subject.said("data").text().map(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>)
    {
        issues.error("data", Flaw::SyntaxError, format!("want a JSON object: {error}"));
    }
}

pub(super) fn check_name(subject: &Subject<'_>, issues: &mut Issues) {
    if !subject.has("name") {
        issues.error("name", Flaw::Missing, "people are shown the name");
    }
}
