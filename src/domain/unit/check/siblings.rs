//! The siblings of a job: JSON that says in which fields other jobs differ from it.

use serde_json::Value;

use super::issue::{Flaw, Issues};
use super::subject::{Said, Subject};
use crate::domain::unit::FieldValue;

/// The fields that a job may have.
const FIELDS: [&str; 32] = [
    "after",
    "auto-retry",
    "before",
    "category_id",
    "certification-status",
    "command",
    "component",
    "depends",
    "description",
    "environ",
    "estimated_duration",
    "flags",
    "group",
    "id",
    "imports",
    "kernel-boot-options",
    "name",
    "plugin",
    "preserve-locale",
    "purpose",
    "qml_file",
    "requires",
    "requires_manifest",
    "salvages",
    "shell",
    "siblings",
    "steps",
    "summary",
    "template-id",
    "unit",
    "user",
    "verification",
];

pub(super) fn check(subject: &Subject<'_>, issues: &mut Issues) {
    let read: Value;
    let list = match (subject.said("siblings"), subject.value("siblings")) {
        (Said::Nothing | Said::Varies | Said::Text(""), _) => return,
        (Said::Text(text), _) => match serde_json::from_str(text) {
            Ok(value) => {
                read = value;
                read.as_array()
            }
            Err(error) => return issues.error("siblings", Flaw::SyntaxError, format!("want JSON: {error}")),
        },
        (Said::Other, Some(FieldValue::List(list))) => Some(list),
        (Said::Other, _) => None,
    };
    let Some(list) = list else {
        return issues.error("siblings", Flaw::Wrong, "want a JSON list of objects");
    };
    for (index, entry) in list.iter().enumerate() {
        let Some(overrides) = entry.as_object() else {
            issues.error("siblings", Flaw::Wrong, format!("/{index}: want an object of fields"));
            continue;
        };
        let unknown = |name: &&String| !FIELDS.contains(&name.strip_prefix('_').unwrap_or(name));
        for name in overrides.keys().filter(unknown) {
            issues.error("siblings", Flaw::BadReference, format!("/{index}: `{name}` is no field of jobs"));
        }
    }
}
