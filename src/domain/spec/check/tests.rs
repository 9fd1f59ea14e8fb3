use serde_json::{Value, json};

use super::check;
use crate::domain::fault::MAX_FAULTS;
use crate::domain::spec::limits::{MAX_DEPTH, MAX_VALUES};
use crate::domain::spec::{Spec, Timeouts};

fn pointers(document: Value) -> Vec<String> {
    let mut spec: Spec = serde_json::from_value(document).expect("a spec");
    spec.fill(&Timeouts::default());
    check(&spec).err().unwrap_or_default().into_iter().map(|fault| fault.pointer).collect()
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!(1), |value, _| json!([value]))
}

#[test]
fn each_fault_is_told_where_it_is() {
    let long = "x".repeat(70_000);
    let cases = [
        (json!({"file_path": "a"}), vec![]),
        (json!({}), vec!["/file_path", "/family"]),
        (json!({"file_path": "/a"}), vec!["/file_path"]),
        (json!({"file_path": "a/../b"}), vec!["/file_path"]),
        (json!({"file_path": "a//b"}), vec!["/file_path"]),
        (json!({"file_path": "./a"}), vec!["/file_path"]),
        (json!({"file_path": "a/"}), vec!["/file_path", "/family"]),
        (json!({"file_path": "a\n"}), vec!["/file_path", "/family"]),
        (json!({"file_path": "a", "repository_path": ""}), vec!["/repository_path"]),
        (json!({"file_path": "a", "id": "xyz"}), vec!["/id"]),
        (json!({"file_path": "a", "parameters": {"": 1, "a/b~c": "\0"}}), vec!["/parameters/", "/parameters/a~1b~0c"]),
        (json!({"file_path": "a", "parameters": {"x": nested(MAX_DEPTH)}}), vec![]),
        (json!({"file_path": "a", "parameters": {"x": nested(MAX_DEPTH + 1)}}), vec!["/parameters/x"]),
        (json!({"file_path": "a", "attributes": {"x": vec![0; MAX_VALUES - 1]}}), vec![]),
        (json!({"file_path": "a", "attributes": {"x": vec![0; MAX_VALUES + 1]}}), vec!["/attributes/x"]),
        (json!({"file_path": "a", "attributes": {"x": [{"y": "\0"}]}}), vec!["/attributes/x"]),
        (json!({"file_path": "a", "attributes": {"x": long}}), vec!["/attributes/x"]),
        (json!({"file_path": "a", "attributes": {"execpath": 7}}), vec!["/attributes/execpath"]),
        (json!({"file_path": "a", "attributes": {"execpath": ""}}), vec!["/attributes/execpath"]),
        (json!({"file_path": "a", "attributes": {"execpath": "a/../b"}}), vec![]),
        (json!({"file_path": "a", "command": {"x": "\0"}}), vec!["/command"]),
        (json!({"file_path": "a", "command": {"\0": 1}}), vec!["/command"]),
        (json!({"file_path": "a", "keywords": ["a", ""]}), vec!["/keywords/1"]),
        (json!({"file_path": "a", "owners": ["a\n", "b"]}), vec!["/owners/0"]),
        (json!({"file_path": "a", "keywords": vec!["a"; 1_001]}), vec!["/keywords"]),
        (
            json!({"file_path": "a", "dependencies": [{"id": "A"}, {"id": "00000000", "when": ""}]}),
            vec!["/dependencies/0/id", "/dependencies/1/when"],
        ),
        (json!({"file_path": "a", "timeout": 3_000_000}), vec!["/timeout"]),
        (json!({"file_path": "a", "mask": ""}), vec!["/mask"]),
        (json!({"file_path": "a", "catalogue_test": ""}), vec!["/catalogue_test"]),
        (
            json!({"file_path": "a", "assets": [{"src": ""}, {"src": "a", "dst": ""}]}),
            vec!["/assets/0/src", "/assets/1/dst"],
        ),
        (
            json!({"file_path": "a", "baseline": [{"type": "exe", "exe": "", "args": ["\0"]}, {"type": "copy", "src": "", "dst": ""}]}),
            vec!["/baseline/0/exe", "/baseline/0/args/0", "/baseline/1/src", "/baseline/1/dst"],
        ),
        (json!({"file_path": "a", "artifacts": [{"pattern": ""}]}), vec!["/artifacts/0/pattern"]),
        (json!({"file_path": "a", "stdout": ""}), vec!["/stdout"]),
        (json!({"file_path": "a", "stderr": "", "preload": ""}), vec!["/stderr", "/preload"]),
        (json!({"file_path": "a", "modules": [""], "rcfiles": [""]}), vec!["/modules/0", "/rcfiles/0"]),
        (json!({"file_path": "a", "environment": {"A=B": "", "C": "\0"}}), vec!["/environment/A=B", "/environment/C"]),
        (
            json!({"file_path": "a", "environment_modifications": [{"name": "", "action": "set"}, {"name": "A", "action": "unset", "value": "x"}]}),
            vec!["/environment_modifications/0/name", "/environment_modifications/1/value"],
        ),
        (json!({"file_path": "a", "attributes": {"execpath": "x".repeat(1_024)}, "family": "f"}), vec![]),
        (json!({"file_path": format!("{0}/{0}", "x".repeat(500)), "family": "f".repeat(201)}), vec!["/family"]),
        (json!({"file_path": "a", "parameters": {"x": "y".repeat(2_100)}}), vec![""]),
        // The tests that it waits for need not be there, and may be itself.
        (json!({"file_path": "a", "id": "00000000", "dependencies": [{"id": "00000000", "when": "*"}]}), vec![]),
    ];
    for (document, expected) in cases {
        assert_eq!(pointers(document.clone()), expected, "{document}");
    }
}

#[test]
fn not_more_than_some_faults_are_told() {
    assert_eq!(pointers(json!({"file_path": "a", "keywords": vec![""; 300]})).len(), MAX_FAULTS);
}
