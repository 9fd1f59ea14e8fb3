//! Replays what was measured of the checks of units (`tests/golden/plainbox/`).

use serde_json::{Value, json};

use super::*;
use crate::domain::golden::documents;
use crate::domain::unit::golden_tests::unit;
use crate::domain::words::Word as _;

#[test]
fn golden_checks_of_units() {
    let mut count = 0;
    for document in documents("plainbox/unit_fields.json") {
        for case in document.as_array().expect("a list of cases") {
            for (step, expected) in case["steps"].as_array().unwrap().iter().zip(case["expect"].as_array().unwrap()) {
                if step["op"] == "check_unit" {
                    assert_eq!(&answer(&step["unit"]), &ours(step, expected), "{}", case["name"]);
                    count += 1;
                }
            }
        }
    }
    assert!(count >= 35, "only {count} units");
}

fn answer(fields: &Value) -> Value {
    let mut errors: Vec<String> = check(&unit(None, fields))
        .into_iter()
        .filter(|issue| issue.severity == Severity::Error)
        .map(|issue| format!("{}:{}", measured_name(&issue.field), issue.flaw.as_str()))
        .collect();
    errors.sort();
    json!({"ok": {"errors": errors}})
}

/// The original tells two fields by names that no field has.
fn measured_name(field: &str) -> &str {
    match field {
        "certification-status" => "certification_status",
        "auto-retry" => "auto_retry",
        other => other,
    }
}

/// What is expected here: what was measured, but for siblings that are no JSON, which break the original's check.
fn ours(step: &Value, measured: &Value) -> Value {
    let is_json = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap_or("[]")).is_ok();
    if is_json(&step["unit"]["siblings"]) {
        return measured.clone();
    }
    assert_eq!(measured["error"]["type"], "JSONDecodeError");
    json!({"ok": {"errors": ["siblings:syntax_error"]}})
}
