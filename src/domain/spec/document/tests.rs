use serde_json::{Value, json};

use super::Draft;
use crate::domain::spec::limits::MAX_DEPTH;
use crate::domain::spec::resolve::Expect;
use crate::domain::spec::{Spec, Timeouts};

fn read(document: Value) -> Result<Draft, Vec<(String, String)>> {
    let told = |faults: Vec<_>| faults.into_iter().map(|it: super::Fault| (it.pointer, it.detail)).collect();
    Draft::read(document, &Timeouts::default()).map_err(told)
}

fn pointers(document: Value) -> Vec<String> {
    read(document).err().unwrap_or_default().into_iter().map(|(pointer, _)| pointer).collect()
}

#[test]
fn a_document_is_read_and_filled_in() {
    let draft = read(json!({
        "file_path": "x/mesh.pyt", "parameters": {"np": 4}, "keywords": ["fast"], "timeout": null, "owners": null,
        "depends_on": [{"pattern": "a b*", "expect": 2}, {"pattern": "c", "expect": "?", "when": "failed"}, {"pattern": "d", "expect": null}]
    }))
    .expect("a draft");
    assert_eq!((draft.spec.name().as_str(), &draft.spec.meta_parameters["runtime"]), ("mesh.np=4", &json!(120.0)));
    let expects: Vec<Expect> = draft.depends_on.iter().map(|directive| directive.expect).collect();
    assert_eq!(expects, [Expect::Exactly(2), Expect::AtMostOne, Expect::AtLeastOne]);
    assert_eq!(draft.depends_on[0].when, "success");
    let written = serde_json::to_value(&draft.depends_on).unwrap();
    assert_eq!(
        written,
        json!([
            {"pattern": "a b*", "expect": 2, "when": "success"}, {"pattern": "c", "expect": "?", "when": "failed"},
            {"pattern": "d", "expect": "+", "when": "success"}
        ])
    );
    let again = serde_json::to_value(&draft.spec).unwrap();
    assert_eq!(read(again).expect("a draft").spec, draft.spec);
}

#[test]
fn every_member_of_a_spec_is_read() {
    let spec: Spec = serde_json::from_value(json!({
        "id": "0123456789", "file_root": "/r", "file_path": "a", "repository_path": "b", "family": "f", "timeout": 5.0,
        "content_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "xstatus": 64,
        "parameters": {"p": 1}, "meta_parameters": {"cpus": 1, "gpus": 0, "runtime": 5.0}, "keywords": ["k"],
        "owners": ["o"], "dependencies": [{"id": "00000000", "when": "*"}], "exclusive": true, "mask": "m",
        "assets": [{"src": "s", "action": "none"}], "baseline": [{"type": "exe", "exe": "e", "args": ["a"]}],
        "artifacts": [{"pattern": "p", "when": "never"}], "attributes": {"a": [1]}, "stdout": "out", "stderr": "err",
        "preload": "p", "modules": ["m"], "rcfiles": ["r"], "environment": {"A": "b"},
        "environment_modifications": [{"name": "N", "action": "unset", "sep": ";"}], "catalogue_test": "a.b",
        "command": {"argv": ["x"]}
    }))
    .expect("a spec");
    let document = serde_json::to_value(&spec).unwrap();
    // A member that nobody put here would go untested.
    assert_eq!(document.as_object().map(serde_json::Map::len), Some(28));
    assert_eq!(read(document).expect("a draft").spec, spec);
}

#[test]
fn all_faults_are_told_at_once_and_each_once() {
    let document = json!({
        "id": 7, "file_path": "/x", "keywords": ["a", 3, ""], "dependencies": [{"when": "x"}, {"id": "00000000", "x": 1}],
        "assets": [{"src": "a", "action": "move"}], "owners": "me", "modules": {}, "timeout": "1", "nonsense": 1,
        "depends_on": [{"pattern": "a", "expect": "!"}, {"pattern": "a", "expect": -1}, {}], "content_sha256": "00"
    });
    let expected = [
        "/id",
        "/content_sha256",
        "/keywords/1",
        "/owners",
        "/dependencies/0",
        "/dependencies/1",
        "/timeout",
        "/assets/0",
        "/modules",
        "/depends_on/0",
        "/depends_on/1",
        "/depends_on/2",
        "/nonsense",
        "/file_path",
    ];
    assert_eq!(pointers(document), expected);
}

#[test]
fn faults_say_what_would_do() {
    let told = read(json!({"file_path": "a", "depends_on": [{"pattern": "a", "expect": "!"}]})).unwrap_err();
    assert_eq!(told[0].1, "want `+`, `?`, `*` or a whole number as what is expected");
    let told = read(json!({"file_path": "a", "artifacts": [{"pattern": "a", "when": "later"}]})).unwrap_err();
    assert!(told[0].1.contains("want one of always, never, on_failure, on_success"), "{told:?}");
    let told = read(json!({"file_path": "a", "xstatus": "x".repeat(10_000)})).unwrap_err();
    assert!(told[0].1.len() < 1_000);
}

#[test]
fn what_is_no_object_or_too_deep_is_refused_at_once() {
    assert_eq!(pointers(json!([])), [""]);
    assert_eq!(pointers(json!(null)), [""]);
    let deep = (0..MAX_DEPTH + 3).fold(json!(1), |value, _| json!([value]));
    assert_eq!(pointers(json!({"file_path": "a", "nonsense": deep})), [""]);
    assert_eq!(pointers(json!({"file_path": "a", "x".repeat(500): 1})), [""]);
}

#[test]
fn directives_have_bounds() {
    let directive =
        |pattern: String, when: String| json!({"file_path": "a", "depends_on": [{"pattern": pattern, "when": when}]});
    assert!(pointers(directive("x".repeat(4_096), "x".repeat(64))).is_empty());
    assert_eq!(pointers(directive("x".repeat(4_097), "x".repeat(65))), ["/depends_on/0/pattern", "/depends_on/0/when"]);
    assert_eq!(
        pointers(json!({"file_path": "a", "depends_on": vec![json!({"pattern": "b"}); 1_001]})),
        ["/depends_on"]
    );
}
