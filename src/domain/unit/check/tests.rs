use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::unit::golden_tests::unit;
use crate::domain::unit::{FieldValue, Template};
use crate::domain::words::Word as _;

fn told(fields: &serde_json::Value) -> Vec<String> {
    told_of(check(&unit(Some("org.t"), fields)))
}

fn told_of(issues: Vec<Issue>) -> Vec<String> {
    let told = |issue: Issue| format!("{} {}:{}", issue.severity.as_str(), issue.field, issue.flaw.as_str());
    issues.into_iter().map(told).collect()
}

fn job(extra: &serde_json::Value) -> serde_json::Value {
    let mut fields = json!({"id": "a", "plugin": "shell", "command": "true", "summary": "A"});
    for (name, value) in extra.as_object().unwrap() {
        fields[name] = value.clone();
    }
    fields
}

#[test]
fn a_good_job_has_no_issues() {
    assert_eq!(told(&job(&json!({}))), [""; 0]);
    let full = json!({
        "depends": "b", "requires": ["r.x == '1'"], "imports": "from o import r", "estimated_duration": "1m", "user": "root",
        "siblings": [{"id": "b", "_summary": "B"}], "flags": "simple", "auto-retry": "no", "certification-status": "blocker",
    });
    assert_eq!(told(&job(&full)), [""; 0]);
    assert_eq!(told(&json!({"id": "a", "flags": "simple", "command": "true", "summary": "A"})), [""; 0]);
}

#[test]
fn warnings_and_advice_are_told_apart_from_errors() {
    for (extra, expected) in [
        (json!({"summary": "x".repeat(81)}), "warning summary:wrong"),
        (json!({"summary": null}), "advice summary:missing"),
        (json!({"depends": "\"open"}), "warning depends:wrong"),
        (json!({"auto-retry": "yes"}), "warning auto-retry:wrong"),
        (json!({"plugin": "user-verify"}), "warning description:missing"),
        (json!({"plugin": "manual", "steps": "do"}), "warning command:useless"),
        (json!({"plugin": "manual", "steps": "do", "command": null, "user": "root"}), "warning user:useless"),
        (json!({"id": null, "name": "a"}), "warning name:deprecated"),
    ] {
        assert_eq!(told(&job(&extra)), [expected], "{extra}");
    }
}

#[test]
fn errors_name_the_field() {
    for (extra, expected) in [
        (json!({"id": ""}), "error id:missing"),
        (json!({"id": ["a"]}), "error id:wrong"),
        (json!({"command": ["a"]}), "error command:wrong"),
        (json!({"estimated_duration": "0"}), "error estimated_duration:wrong"),
        (json!({"estimated_duration": "nan"}), "error estimated_duration:wrong"),
        (json!({"siblings": "{}"}), "error siblings:wrong"),
        (json!({"siblings": "[1]"}), "error siblings:wrong"),
        (json!({"siblings": "["}), "error siblings:syntax_error"),
        (json!({"siblings": [{"colour": 1}]}), "error siblings:bad_reference"),
        (json!({"requires": {"a": 1}}), "error requires:wrong"),
        (json!({"requires": [1]}), "error requires:wrong"),
        (json!({"plugin": "local"}), "error plugin:wrong"),
        (json!({"_user": "bob"}), "error user:wrong"),
    ] {
        assert_eq!(told(&job(&extra)), [expected], "{extra}");
    }
}

#[test]
fn local_jobs_are_good_where_they_are_known() {
    let local = unit(None, &job(&json!({"plugin": "local"})));
    assert_eq!(told_of(check_with_local(&local)), [""; 0]);
    assert_eq!(told_of(check_with_local(&unit(None, &job(&json!({"plugin": "nonsense"}))))), ["error plugin:wrong"]);
}

#[test]
fn templates_are_checked_as_far_as_they_are_known() {
    let template = |extra: &serde_json::Value| {
        let mut fields = json!({"unit": "template", "template-resource": "r", "id": "t-{x}"});
        for (name, value) in extra.as_object().unwrap() {
            fields[name] = value.clone();
        }
        told(&job(&fields))
    };
    assert_eq!(template(&json!({"command": "echo '{x}'", "requires": "r.x == '{x}'"})), [""; 0]);
    assert_eq!(template(&json!({"user": "bob"})), ["error user:wrong"]);
    assert_eq!(template(&json!({"user": "{x}"})), ["error user:variable"]);
    assert_eq!(template(&json!({"command": "echo }"})), ["error command:syntax_error"]);
    assert_eq!(template(&json!({"_summary": "{x"})), ["error summary:syntax_error"]);
    assert_eq!(template(&json!({"template-engine": "m4"})), ["error template-engine:wrong"]);
    assert_eq!(template(&json!({"template-id": "a::b"})), ["error template-id:wrong"]);
    assert_eq!(template(&json!({"template-imports": "from"})), ["error template-imports:wrong"]);
    assert_eq!(template(&json!({"template-unit": "category"})), ["error name:missing"]);
    assert_eq!(template(&json!({"template-unit": "template"})), ["error unit:wrong"]);
}

#[test]
fn other_kinds_are_checked_too() {
    assert_eq!(told(&json!({"unit": "setup job", "id": "s", "command": "true", "summary": "S"})), [""; 0]);
    assert_eq!(
        told(
            &json!({"unit": "setup job", "id": "s", "plugin": "manual", "command": "true", "summary": "S", "requires_manifest": [{"a": 1, "b": 2}]})
        ),
        ["error plugin:wrong", "error requires_manifest:wrong"]
    );
    assert_eq!(
        told(&json!({"unit": "exporter", "id": "e", "entry_point": "x", "file_extension": "a b", "data": "["})),
        ["error file_extension:wrong", "error data:syntax_error"]
    );
    assert_eq!(told(&json!({"unit": "packaging meta-data"})), ["warning unit:wrong"]);
    assert_eq!(
        told(
            &json!({"unit": "test plan", "id": "p", "name": "P", "include": "a =", "certification_status_overrides": "apply", "estimated_duration": "x"})
        ),
        [
            "error include:syntax_error",
            "warning certification_status_overrides:syntax_error",
            "error estimated_duration:wrong"
        ]
    );
}

#[test]
fn units_that_stand_together_are_checked_for_what_they_name() {
    let units: Vec<Unit> = [
        json!({"id": "dev", "plugin": "resource"}),
        json!({"id": "base", "flags": "also-after-suspend", "depends": "dev nope t-7 after-suspend-base t-path sib", "after": "o::x", "requires": "dev.a == '1'\nno.b == '2'"}),
        json!({"id": "base"}),
        json!({"id": "dev", "plugin": "resource"}),
        json!({"unit": "category", "id": "dev", "name": "D"}),
        json!({"unit": "template", "template-resource": "dev", "id": "t-{path}"}),
        json!({"unit": "template", "template-resource": "gone", "template-unit": "category", "id": "c-{path}"}),
        json!({"unit": "test plan", "id": "plan", "nested_part": "plan other", "bootstrap_include": "dev c-1"}),
        json!({"id": "s", "siblings": "[{\"id\": \"sib\"}]"}),
    ]
    .iter()
    .map(|fields| unit(Some("n"), fields))
    .collect();
    let issues: Vec<String> =
        check_among(&units).iter().map(|(place, issue)| format!("{place} {} {}", issue.field, issue.message)).collect();
    assert_eq!(
        issues,
        [
            "1 depends there is no job `n::nope`",
            "1 after there is no job `o::x`",
            "1 requires there is no resource job `n::no`",
            "2 id unit 2 of these, a job, has this id already",
            "4 id unit 1 of these, a job, has this id already",
            "6 template-resource there is no resource job `n::gone`",
            "7 bootstrap_include there is no job `n::c-1`",
            "7 nested_part there is no test plan `n::other`",
        ]
    );
}

fn any_fields() -> impl Strategy<Value = BTreeMap<String, FieldValue>> {
    let name = prop::sample::select(vec![
        "unit",
        "id",
        "_id",
        "plugin",
        "command",
        "depends",
        "requires",
        "imports",
        "siblings",
        "flags",
        "include",
        "category_overrides",
        "estimated_duration",
        "template-resource",
        "template-filter",
        "template-imports",
        "template-engine",
        "template-unit",
        "template-id",
        "requires_manifest",
        "nested_part",
        "value-type",
        "data",
    ]);
    let word = prop::sample::select(vec![
        "job",
        "template",
        "test plan",
        "manifest entry",
        "exporter",
        "setup job",
        "category",
        "jinja2",
        "shell",
        "dev",
        "{path}",
        "{{ path }}",
        "t-{path!r:>4}",
        "dev.path == 'x'",
        "[{\"id\": \"b\"}]",
        "from a import b",
        "1m 5s",
    ]);
    let value = prop_oneof![
        3 => word.prop_map(FieldValue::from),
        1 => any::<String>().prop_map(FieldValue::from),
        1 => any::<String>().prop_map(|text| FieldValue::List(vec![text.into(), 1.into()])),
    ];
    prop::collection::btree_map(name.prop_map(str::to_owned), value, 0..12)
}

proptest! {
    #[test]
    fn any_units_are_checked(fields in prop::collection::vec(any_fields(), 0..4)) {
        let units: Vec<Unit> = fields.into_iter().map(|fields| Unit::new(Some("n"), None, fields)).collect();
        for unit in &units {
            let issues = check(unit);
            // What is told as an error of the current plugins alone is the plugin.
            let older = check_with_local(unit);
            prop_assert!(older.iter().all(|issue| issues.contains(issue)));
        }
        prop_assert!(check_among(&units).iter().all(|(place, _)| *place < units.len()));
    }

    #[test]
    fn what_a_template_makes_is_good(fields in any_fields(), path in any::<String>(), strict in any::<bool>()) {
        let mut fields = fields;
        fields.insert("unit".to_owned(), "template".into());
        for (name, value) in [("template-resource", "dev"), ("id", "t-{path}"), ("plugin", "shell"), ("command", "true")] {
            fields.entry(name.to_owned()).or_insert_with(|| value.into());
        }
        let Ok(template) = Template::read(&Unit::new(Some("n"), None, fields)) else {
            return Ok(());
        };
        let records = [[("path", path.as_str())].into_iter().collect(), [("other", "x")].into_iter().collect()];
        let instances = template.instances(&records, strict);
        prop_assert_eq!(instances.len(), records.len());
        for unit in instances.iter().filter_map(|instance| instance.unit()) {
            prop_assert!(check(unit).iter().all(|issue| issue.severity != Severity::Error), "{:?}", unit);
        }
    }
}
