//! What Canary's specs are called and filled in with.

use serde_json::Value;

use super::{Spec, golden_specs};
use crate::domain::golden;

#[test]
fn specs_are_called_as_measured() {
    for case in golden::cases("canary/names_and_ids.json", "cases") {
        check_names(&case);
    }
}

#[test]
fn views_are_as_measured() {
    let mut count = 0;
    for case in golden::cases("canary/view_select.json", "cases").iter().filter(|case| case["call"]["op"] == "names") {
        check_names(case);
        count += 1;
    }
    assert!(count > 0);
}

fn check_names(case: &Value) {
    assert_eq!(case["call"]["op"], "names", "{}", case["name"]);
    for spec in golden_specs::specs(case) {
        let expected = &case["expect"]["specs"][&spec.id];
        for (member, value) in expected.as_object().unwrap_or_else(|| panic!("{}: no {}", case["name"], spec.id)) {
            let ours = answer(&spec, member);
            assert_eq!(ours, ours_of(&spec, member, value), "{}: {member}", case["name"]);
        }
    }
}

fn answer(spec: &Spec, member: &str) -> Value {
    match member {
        "family" => Value::from(spec.family.clone()),
        "name" => Value::from(spec.name()),
        "fullname" => Value::from(spec.fullname()),
        "display_name" => Value::from(spec.display_name(false)),
        "display_name_resolved" => Value::from(spec.display_name(true)),
        "file" => Value::from(spec.file()),
        "execpath" => Value::from(spec.execution_path()),
        "view" => Value::from(spec.view()),
        "timeout" => Value::from(spec.timeout),
        "meta_parameters" => serde_json::to_value(&spec.meta_parameters).unwrap(),
        "id" => Value::from(spec.id.clone()),
        _ => panic!("what is {member}?"),
    }
}

/// What is expected here: what was measured, but for lists and objects among the parameters, which are JSON in names and not
/// Python.
fn ours_of(spec: &Spec, member: &str, measured: &Value) -> Value {
    let is_nested = spec.parameters.values().any(|value| value.is_array() || value.is_object());
    let text = match measured.as_str() {
        Some(text) if is_nested && text.contains('=') => text,
        _ => return measured.clone(),
    };
    let parameter = |(name, value): (&String, &Value)| match value {
        Value::Array(_) | Value::Object(_) => format!(".{name}={value}"),
        _ => format!(".{name}={}", super::name::rendered(value)),
    };
    let name = format!("{}{}", spec.family, spec.parameters.iter().map(parameter).collect::<String>());
    // The measured text begins as far as the first parameter, and a view ends in the name of the file.
    let end = if member == "view" { format!("/{}", super::name::file_name(&spec.file_path)) } else { String::new() };
    let (directory, _) = text.split_once(&format!("{}.", spec.family)).expect("the family");
    Value::from(format!("{directory}{name}{end}"))
}
