//! What is wrong with a unit, or could be better.
//!
//! Only errors matter when a session runs, and only those of units that templates and jobs make: such a unit is not
//! taken. All of them are told to the one who writes the units.

mod among;
#[cfg(test)]
mod golden_tests;
mod issue;
mod job;
mod others;
mod plan;
mod shell;
mod siblings;
mod subject;
mod template;
#[cfg(test)]
mod tests;

pub use among::check_among;
pub use issue::{Flaw, Issue, Severity};
pub(super) use template::of_texts;

use super::{Kind, Unit};
use issue::Issues;
use subject::Subject;

/// Which plugins jobs may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plugins {
    Current,
    /// Also those that Plainbox had before 2018.
    Older,
}

/// What is wrong with a unit by itself, the other units aside.
#[must_use]
pub fn check(unit: &Unit) -> Vec<Issue> {
    checked(unit, Plugins::Current)
}

/// The same where jobs may also be `local` ones, which make other jobs, or `qml` ones.
#[must_use]
pub fn check_with_local(unit: &Unit) -> Vec<Issue> {
    checked(unit, Plugins::Older)
}

fn checked(unit: &Unit, plugins: Plugins) -> Vec<Issue> {
    let mut issues = Issues::default();
    match unit.kind() {
        Kind::Template => template::check(unit, plugins, &mut issues),
        kind => check_as(kind, &Subject::of(unit), plugins, &mut issues),
    }
    issues.into_vec()
}

/// Checks what a unit of this kind must be.
fn check_as(kind: &Kind, subject: &Subject<'_>, plugins: Plugins, issues: &mut Issues) {
    match kind {
        Kind::Job => job::check(subject, plugins, issues),
        Kind::SetupJob => job::check_setup(subject, issues),
        Kind::TestPlan => plan::check(subject, issues),
        Kind::Category => others::check_category(subject, issues),
        Kind::ManifestEntry => others::check_manifest_entry(subject, issues),
        Kind::Exporter => others::check_exporter(subject, issues),
        Kind::Template => issues.error("unit", Flaw::Wrong, "a template cannot make templates: want another kind"),
        Kind::Other(word) => {
            let known = "job, template, test plan, category, manifest entry, exporter, setup job";
            issues.warn("unit", Flaw::Wrong, format!("`{word}` is no kind of unit that is known: want one of {known}"));
        }
    }
}

/// Checks the id: there must be one, and the namespace is not its business.
fn check_id(subject: &Subject<'_>, issues: &mut Issues) {
    use subject::Said;

    match subject.id() {
        Said::Nothing => issues.error("id", Flaw::Missing, "every unit needs an id"),
        Said::Text("") => issues.error("id", Flaw::Missing, "every unit needs an id that is not empty"),
        Said::Text(id) if id.contains("::") => {
            issues.error("id", Flaw::Wrong, "want an id without `::`: the namespace is the provider's");
        }
        Said::Other => issues.error("id", Flaw::Wrong, "want a text"),
        Said::Text(_) | Said::Varies => {}
    }
}
