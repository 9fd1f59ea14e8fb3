//! Templates: their own fields, and what can be said of the units that they make.

use std::collections::BTreeMap;

use super::issue::{Flaw, Issue, Issues};
use super::subject::Subject;
use super::{Plugins, check_as};
use crate::domain::unit::template::{self, Mention, TemplateError};
use crate::domain::unit::{Kind, Unit};

/// What must be the same in all jobs of a template.
const CONSTANT: [&str; 8] =
    ["plugin", "user", "shell", "estimated_duration", "flags", "imports", "category_id", "certification-status"];

pub(super) fn check(unit: &Unit, plugins: Plugins, issues: &mut Issues) {
    for error in template::faults(unit) {
        let flaw = if error == TemplateError::NoResource { Flaw::Missing } else { Flaw::Wrong };
        issues.error(error.field(), flaw, error.to_string());
    }
    if unit.text("template-id").is_some_and(|id| id.contains("::")) {
        issues.error("template-id", Flaw::Wrong, "want an id without `::`: the namespace is the provider's");
    }
    let (kind, texts) = template::mentions(unit);
    for (field, mention) in &texts {
        if let Mention::Unreadable(error) = mention {
            issues.error(field.strip_prefix('_').unwrap_or(field), Flaw::SyntaxError, error.to_string());
        }
    }
    check_mentions(&kind, &texts, issues);
    check_as(&kind, &Subject::of_texts(&texts, &kind, unit.namespace()), plugins, issues);
}

/// What makes every unit of a template a bad one: an id that is the same for all, or a field that must not vary and
/// does.
pub(in crate::domain::unit) fn of_texts(kind: &Kind, texts: &BTreeMap<String, Mention>) -> Vec<Issue> {
    let mut issues = Issues::default();
    check_mentions(kind, texts, &mut issues);
    issues.into_vec()
}

fn check_mentions(kind: &Kind, texts: &BTreeMap<String, Mention>, issues: &mut Issues) {
    let mention = |field: &str| texts.get(&format!("_{field}")).or_else(|| texts.get(field));
    let id = mention("id").or_else(|| mention("name").filter(|_| kind.is_job()));
    if matches!(id, Some(Mention::Constant(_))) {
        issues.error("id", Flaw::Constant, "want a parameter in it: all units of the template would have one id");
    }
    if !kind.is_job() {
        return;
    }
    for field in CONSTANT {
        if let Some(Mention::Names(names)) = mention(field) {
            let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            issues.error(field, Flaw::Variable, format!("want it without parameters, not with {names}"));
        }
    }
}
