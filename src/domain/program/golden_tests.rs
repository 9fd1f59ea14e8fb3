//! Replays what was measured of records, imports and programs on Checkbox (`tests/golden/plainbox/`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::value::Meter;
use super::*;
use crate::domain::golden::documents;
use crate::domain::words::Word as _;

/// Runs `check` over each step of the operation: the case, the step and what is expected of it.
fn replay(file: &str, operation: &str, at_least: usize, mut check: impl FnMut(&Value, &Value, &Value)) {
    let mut count = 0;
    for document in documents(file) {
        for case in document.as_array().expect("a list of cases") {
            let steps = case["steps"].as_array().expect("steps");
            let expected = case["expect"].as_array().expect("what is expected");
            assert_eq!(steps.len(), expected.len(), "{}", case["name"]);
            for (step, expected) in steps.iter().zip(expected) {
                if step["op"] == operation {
                    check(case, step, expected);
                    count += 1;
                }
            }
        }
    }
    assert!(count >= at_least, "only {count} steps of {operation} in {file}");
}

#[test]
fn golden_records_of_texts() {
    replay("plainbox/rfc822.json", "parse_records", 100, |case, step, expected| {
        let (records, error) = parse_records(step["text"].as_str().expect("text"));
        let records: Vec<Value> = records
            .iter()
            .map(|located| json!({"data": located.record, "lines": [located.first_line, located.last_line]}))
            .collect();
        let error = error.map(|error| json!({"line": error.line, "kind": error.fault.as_str().replace('_', " ")}));
        assert_eq!(&json!({"ok": {"records": records, "error": error}}), expected, "{}", case["name"]);
    });
}

#[test]
fn golden_records_of_output() {
    replay("plainbox/rfc822.json", "parse_output", 12, |case, step, expected| {
        let entries: Vec<Vec<u8>> = step["io_log"]
            .as_array()
            .expect("a log")
            .iter()
            .filter(|entry| entry[1] == "stdout")
            .map(|entry| match &entry[2] {
                Value::String(text) => text.clone().into_bytes(),
                other => STANDARD.decode(other["b64"].as_str().expect("text")).expect("base64"),
            })
            .collect();
        let (records, _) = records_of_output(entries.iter().map(Vec::as_slice));
        assert_eq!(&json!({"ok": {"records": records}}), expected, "{}", case["name"]);
    });
}

#[test]
fn golden_imports() {
    replay("plainbox/resource_expr.json", "parse_imports", 14, |case, step, expected| {
        let read = parse_imports(step["text"].as_str().expect("text"));
        match (&read, expected["ok"].is_object()) {
            (Ok(imports), true) => {
                let imports: Vec<_> = imports.iter().map(|import| json!([import.id, import.name])).collect();
                assert_eq!(json!({ "imports": imports }), expected["ok"], "{}", case["name"]);
            }
            (Err(_), false) => assert_eq!(expected["error"]["type"], "ValueError", "{}", case["name"]),
            _ => panic!("{}: {read:?}, and {expected} was measured", case["name"]),
        }
    });
}

/// What Testyard makes of a step `program`, as the cases write it down.
fn answer(step: &Value, compiled: &Result<Program, ProgramError>) -> Value {
    let program = match compiled {
        Ok(program) => program,
        Err(error) => {
            let kind = match error.kind {
                ProgramErrorKind::Syntax | ProgramErrorKind::TooLong | ProgramErrorKind::TooDeep => {
                    "ResourceSyntaxError"
                }
                ProgramErrorKind::NotAllowed => "CodeNotAllowed",
                ProgramErrorKind::NoResource => "NoResourcesReferenced",
            };
            return json!({"error": {"type": kind}});
        }
    };
    let mut required = program.resources().to_vec();
    required.sort();
    let expressions: Vec<Value> = program
        .expressions()
        .iter()
        .map(|expression| json!({"text": expression.text(), "resource_ids": expression.resources()}))
        .collect();
    let records = records(step);
    let result = match program.evaluate(&|id| records.get(id).map(Vec::as_slice)) {
        Verdict::True => json!(true),
        Verdict::False { expression, .. } => {
            json!({"type": "ExpressionFailedError", "expression": expression.text()})
        }
        Verdict::Pending { expression, missing, .. } => json!({
            "type": "ExpressionCannotEvaluateError",
            "expression": expression.text(),
            "resource_id": missing.first(),
        }),
        Verdict::TooLarge { expression, .. } => panic!("too large: {}", expression.text()),
    };
    json!({"ok": {"required_resources": required, "expressions": expressions, "result": result}})
}

fn records(step: &Value) -> BTreeMap<String, Vec<Record>> {
    serde_json::from_value(step["resources"].clone()).expect("records")
}

fn compiled(step: &Value) -> Result<Program, ProgramError> {
    let imports = parse_imports(step["imports"].as_str().unwrap_or_default()).expect("imports");
    let namespace = step["namespace"].as_str();
    match &step["requires"] {
        Value::String(text) => Program::compile(text, namespace, &imports),
        lines => Program::compile_lines(
            lines.as_array().expect("lines").iter().filter_map(Value::as_str),
            namespace,
            &imports,
        ),
    }
}

/// The rules of `tests/golden/DEVIATIONS.md`, each as what was measured, and what Testyard says instead: the reason by
/// which a case differs, if one does.
fn deviation(step: &Value, expected: &Value, ours: &Value) -> Option<&'static str> {
    let text = step["requires"].as_str()?;
    let calls = ["len(", "bool(", "int(", "float("].iter().any(|call| text.contains(call));
    let measured = expected["error"]["type"].as_str().or(expected["ok"]["result"]["type"].as_str()).unwrap_or("true");
    let is_refused = |kind: &str| ours["error"]["type"] == kind;
    let is_decided = ours["ok"]["result"] == true || ours["ok"]["result"]["type"] == "ExpressionFailedError";
    let only_evaluation = expected["ok"].is_object()
        && ours["ok"]["expressions"] == expected["ok"]["expressions"]
        && ours["ok"]["required_resources"] == expected["ok"]["required_resources"];
    match measured {
        "NoResourcesReferenced" if expected["error"].is_object() && calls && ours["ok"].is_object() => {
            Some("names in calls count")
        }
        "ExpressionFailedError"
            if calls && ours["ok"]["required_resources"] != expected["ok"]["required_resources"] =>
        {
            Some("names in calls count")
        }
        "AttributeError" if is_refused("CodeNotAllowed") => Some("methods are not allowed"),
        "NoResourcesReferenced" if is_refused("CodeNotAllowed") => Some("fields of fields are not allowed"),
        "SyntaxError" if text.contains(';') && is_refused("ResourceSyntaxError") => Some("`;` is a syntax error"),
        "NoResourcesReferenced" | "ResourceSyntaxError" if only_evaluation && is_decided => {
            Some("nothing fails while it is evaluated")
        }
        _ => None,
    }
}

#[test]
fn golden_programs() {
    let mut deviations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    replay("plainbox/resource_expr.json", "program", 195, |case, step, expected| {
        let program = compiled(step);
        let ours = answer(step, &program);
        if &ours != expected {
            let name = case["name"].as_str().expect("a name").to_owned();
            match deviation(step, expected, &ours) {
                Some(rule) => deviations.entry(rule).or_default().push(name),
                None => panic!("{name}: {}\nmeasured {expected}\nours     {ours}\n{program:?}", step["requires"]),
            }
        }
        // Whatever was measured, what is said of a program is what trying every combination says.
        if let Ok(program) = program {
            let records = records(step);
            for expression in program.expressions() {
                let lists: Vec<_> = expression.resources().iter().filter_map(|id| records.get(id)).collect();
                if lists.len() == expression.resources().len() {
                    let lists: Vec<&[Record]> = lists.into_iter().map(Vec::as_slice).collect();
                    let all = |id: &str| records.get(id).map(Vec::as_slice);
                    let naively = Some(expression.holds_naively(&lists));
                    assert_eq!(expression.holds(&all, &mut Meter::new(MAX_STEPS)), naively);
                    assert_eq!(expression.holds(&all, &mut Meter::that_splits(MAX_STEPS)), naively);
                }
            }
        }
    });
    let count: usize = deviations.values().map(Vec::len).sum();
    assert!((9..=40).contains(&count), "{deviations:#?}");
}
