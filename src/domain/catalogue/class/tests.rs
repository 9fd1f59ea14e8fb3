use std::collections::BTreeMap;

use super::*;
use crate::domain::catalogue::field::{FieldKind, SetOptions, TextOptions};
use crate::domain::catalogue::golden_classes::{classes, matches};
use crate::domain::catalogue::item::TARGET_GROUP;
use crate::domain::catalogue::value::Value;
use crate::domain::golden;

/// The name that QMTest has for the class of a field.
fn qmtest_name(field: &Field) -> &'static str {
    match &field.kind {
        FieldKind::Text(_) if field.name == TARGET_GROUP => "TargetGroupField",
        FieldKind::Integer => "IntegerField",
        FieldKind::Text(_) => "TextField",
        FieldKind::Enumeration(_) => "EnumerationField",
        FieldKind::Boolean => "BooleanField",
        FieldKind::Outcome => "OutcomeField",
        FieldKind::Choice(_) => "ChoiceField",
        FieldKind::Test => "TestField",
        FieldKind::Resource => "ResourceField",
        FieldKind::Time => "TimeField",
        FieldKind::Set(_) => "SetField",
        FieldKind::Tuple(_) => "TupleField",
        FieldKind::Dictionary(_) => "DictionaryField",
        FieldKind::Attachment => "AttachmentField",
        FieldKind::Python => "PythonField",
    }
}

#[test]
fn golden_class_arguments() {
    let classes = classes();
    let cases = golden::cases("qmtest/class_arguments.json", "cases");
    let cases: Vec<_> = cases.iter().filter(|case| case["area"] == "class_arguments").collect();
    assert!(!cases.is_empty());
    for case in cases {
        let (name, call, result) = (&case["name"], &case["call"], &case["expect"]["result"]);
        let class = classes.get(case["given"]["class"].as_str().unwrap()).unwrap();
        assert_eq!(case["given"]["kind"], class.kind.to_string(), "{name}");
        match call["method"].as_str().unwrap() {
            "ListArguments" => {
                assert_eq!(result.as_object().unwrap().len(), class.all_fields().count(), "{name}");
                for field in class.all_fields() {
                    let (listed, what) = (&result[&field.name], &field.name);
                    assert_eq!(listed["field"], qmtest_name(field), "{name}: {what}");
                    assert_eq!(listed["computed"], field.computed, "{name}: {what}");
                    assert_eq!(listed["hidden"], field.hidden, "{name}: {what}");
                    assert_eq!(listed["read_only"], field.read_only, "{name}: {what}");
                    let is_now = listed["default"] == "(current time)" && field.kind == FieldKind::Time;
                    let default = field.default_value();
                    assert!(
                        is_now && default.is_none() || matches(default.as_ref(), &listed["default"]),
                        "{name}: {what}"
                    );
                }
            }
            "ValidateArguments" => {
                let texts = serde_json::from_value(call["args"]["arguments"].clone()).unwrap();
                match class.validate_arguments(&texts) {
                    Ok(arguments) => {
                        let expected = result.as_object().unwrap_or_else(|| panic!("{name}: {arguments:?}"));
                        assert_eq!(expected.len(), arguments.len(), "{name}");
                        for (argument, value) in &arguments {
                            assert!(matches(Some(value), &expected[argument]), "{name}: {value:?}");
                        }
                    }
                    Err(error) => assert!(case["expect"].get("error").is_some(), "{name}: {error}"),
                }
            }
            other => panic!("{name}: {other}"),
        }
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn golden_instances_have_every_value() {
    let classes = classes();
    let mut seen = 0;
    let files = ["qmtest/write_remove.json", "qmtest/xml_import.json"];
    for case in files.iter().flat_map(|file| golden::cases(file, "cases")) {
        // Of a case in steps the last one looks at what the first one wrote.
        let (calls, results) = match case["call"]["steps"].as_array() {
            Some(steps) => (steps.clone(), case["expect"]["result"]["steps"].clone()),
            None => (vec![case["call"].clone()], serde_json::json!([case["expect"]["result"]])),
        };
        let results = results.as_array().cloned().unwrap_or_default();
        let instances = calls.iter().zip(&results).filter(|(call, _)| call["method"] == "Instantiate");
        for result in instances.map(|(_, result)| result.get("result").unwrap_or(result)) {
            let (Some(class), Some(expected)) =
                (result["class"].as_str().and_then(|name| classes.get(name)), result["values"].as_object())
            else {
                continue;
            };
            let values = class.instantiate(&BTreeMap::new(), 0);
            for (name, expected) in expected {
                seen += usize::from(matches(values.get(name), expected));
                let is_stated = calls[0]["args"]["spec"]["arguments"].get(name).is_some()
                    || case["given"]["files"].to_string().contains(&format!("'{name}'"));
                assert!(is_stated || matches(values.get(name), expected), "{}: {name}", case["name"]);
            }
        }
    }
    assert!(seen > 0);
}

#[test]
fn what_is_stated_comes_before_defaults_and_times_are_now() {
    let classes = classes();
    let class = classes.get("scripted.FieldsTest").unwrap();
    let stated = BTreeMap::from([("line".to_owned(), text("l"))]);
    let values = class.instantiate(&stated, 77);
    assert_eq!(values.get("line"), Some(&text("l")));
    assert_eq!(values.get("when"), Some(&Value::Time(77)));
    assert_eq!(values.get("table"), None);
    assert_eq!(values.get(TARGET_GROUP), Some(&text(".*")));
}

#[test]
fn all_faults_of_typed_arguments_come_at_once() {
    let classes = classes();
    let class = classes.get("scripted.ComputedTest").unwrap();
    let values = ["derived", "nope", "given"].map(|name| (name.to_owned(), text("v")));
    let errors = class.validate_values(values.into()).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.name.as_str()).collect::<Vec<_>>(), ["derived", "nope"]);
    let good = BTreeMap::from([("given".to_owned(), text(" v"))]);
    assert_eq!(class.validate_values(good), Ok(BTreeMap::from([("given".to_owned(), text("v"))])));
}

fn ours(fields: Vec<Field>) -> Class {
    Class {
        name: "lab.Test".to_owned(),
        kind: ClassKind::Test,
        description: String::new(),
        fields: Some(fields),
        execution: Execution::Runner("lab".to_owned()),
    }
}

#[test]
fn an_unknown_class_keeps_what_it_is_given() {
    let class = Class { fields: None, ..ours(Vec::new()) };
    let texts = BTreeMap::from([("any".to_owned(), " x".to_owned()), ("resources".to_owned(), "['r']".to_owned())]);
    let values =
        BTreeMap::from([("any".to_owned(), text(" x")), ("resources".to_owned(), Value::Set(vec![text("r")]))]);
    assert_eq!(class.validate_arguments(&texts), Ok(values.clone()));
    assert_eq!(class.validate_values(values.clone()), Ok(values));
}

#[test]
fn a_class_that_is_registered_must_make_sense() {
    let field = |name: &str, kind| Field::new(name, kind);
    let plain = || FieldKind::Text(TextOptions::default());
    let set = |of| FieldKind::Set(Box::new(SetOptions { of, not_empty: false }));
    let words = |words: &[&str]| FieldKind::Enumeration(words.iter().map(|&word| word.to_owned()).collect());
    let good = ours(vec![
        field("a", plain()),
        field("b", words(&["x", "y"])).with_default(Value::Enumeral("y".to_owned())),
        field("c", set(field("", FieldKind::Integer))),
    ]);
    assert_eq!(good.check(), Ok(()));
    let named = |name: &str| Class { name: name.to_owned(), ..ours(Vec::new()) };
    for (class, pointer) in [
        (named(""), "/name"),
        (named("Test"), "/name"),
        (named("lab."), "/name"),
        (named("lab.1Test"), "/name"),
        (named("lab.Te st"), "/name"),
        (named(&format!("lab.{}", "T".repeat(200))), "/name"),
        (named("command.ExecTest"), "/name"),
        (Class { kind: ClassKind::Target, ..ours(Vec::new()) }, "/of"),
        (Class { description: "\0".to_owned(), ..ours(Vec::new()) }, "/description"),
        (Class { execution: Execution::Runner("A".to_owned()), ..ours(Vec::new()) }, "/execution/runner"),
        (Class { execution: Execution::Builtin("x".to_owned()), ..ours(Vec::new()) }, "/execution/builtin"),
        (
            Class { fields: None, execution: Execution::Builtin("command.ExecTest".to_owned()), ..ours(Vec::new()) },
            "/fields",
        ),
        (ours(vec![field("resources", plain())]), "/fields/0/name"),
        (ours(vec![field("a", plain()), field("a", plain())]), "/fields/1/name"),
        (ours(vec![field("a b", plain())]), "/fields/0/name"),
        (ours(vec![field("a", FieldKind::Python)]), "/fields/0/type"),
        (ours(vec![field("a", words(&[]))]), "/fields/0/values"),
        (ours(vec![field("a", words(&["x", "x"]))]), "/fields/0/values/1"),
        (ours(vec![field("a", words(&[" x"]))]), "/fields/0/values/0"),
        (ours(vec![field("a", words(&["x"])).with_default(Value::Enumeral("y".to_owned()))]), "/fields/0/default"),
        (ours(vec![field("a", plain()).with_default(text(" x"))]), "/fields/0/default"),
        (ours(vec![field("a", plain()).with_default(text("\x01"))]), "/fields/0/default"),
        (ours(vec![field("a", plain()).with_default(Value::Integer(1.into()))]), "/fields/0/default"),
        (ours(vec![field("a", set(field("", set(field("", plain())))))]), "/fields/0"),
        (ours(vec![field("a", FieldKind::Tuple(Vec::new()))]), "/fields/0/of"),
        (ours(vec![field("a", FieldKind::Tuple(vec![field("", FieldKind::Python)]))]), "/fields/0/of/0/type"),
    ] {
        let faults = class.check().expect_err(pointer);
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, [pointer], "{faults:?}");
    }
}
