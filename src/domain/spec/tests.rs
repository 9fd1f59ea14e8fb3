use serde_json::json;

use super::{Dependency, Spec, Timeouts};

fn filled(document: serde_json::Value) -> Spec {
    let mut spec: Spec = serde_json::from_value(document).expect("a spec");
    spec.fill(&Timeouts::default());
    spec
}

#[test]
fn the_first_keyword_with_a_timeout_decides() {
    let with = |keywords: &[&str]| filled(json!({"file_path": "a", "keywords": keywords})).timeout;
    for (keywords, timeout) in [
        (&["long", "fast"][..], 900.0),
        (&["x", "fast", "long"], 120.0),
        (&["Fast"], 300.0),
        (&[], 300.0),
        // Canary takes settings of the table for keywords.
        (&["session"], 300.0),
        (&["multiplier"], 300.0),
        (&["default"], 300.0),
        (&["all"], 300.0),
    ] {
        assert!((with(keywords) - timeout).abs() < f64::EPSILON, "{keywords:?}");
    }
}

#[test]
fn what_was_asked_for_comes_before_what_is_set_up() {
    let mut timeouts = Timeouts { default: 1.0, ..Timeouts::default() };
    let keywords = ["slow".to_owned(), "fast".to_owned()];
    let mut check = |change: &mut dyn FnMut(&mut Timeouts), expected: f64| {
        change(&mut timeouts);
        assert!((timeouts.of(&keywords) - expected).abs() < f64::EPSILON, "{timeouts:?}");
    };
    check(&mut |it| it.by_keyword.clear(), 1.0);
    check(&mut |it| it.all = Some(2.0), 2.0);
    check(&mut |it| it.by_keyword.extend([("fast".to_owned(), 3.0)]), 3.0);
    check(&mut |it| it.asked = Some(4.0), 4.0);
    check(&mut |it| it.asked_by_keyword.extend([("fast".to_owned(), 5.0)]), 5.0);
    check(&mut |it| it.asked_by_keyword.extend([("slow".to_owned(), 6.0)]), 6.0);
}

#[test]
fn a_timeout_that_is_stated_counts() {
    let of = |timeout: f64| filled(json!({"file_path": "a", "keywords": ["fast"], "timeout": timeout}));
    for (stated, timeout) in [(12.5, 12.5), (0.0, 0.0), (-3.0, 120.0), (-0.5, 120.0)] {
        let spec = of(stated);
        assert!((spec.timeout - timeout).abs() < f64::EPSILON, "{stated}");
        assert_eq!(spec.meta_parameters["runtime"], json!(timeout));
    }
    let mut spec = Spec { file_path: "a".to_owned(), timeout: f64::NAN, ..Spec::default() };
    spec.fill(&Timeouts::default());
    assert_eq!(spec.meta_parameters["runtime"], json!(300.0));
}

#[test]
fn processors_are_meta_parameters_unless_they_are_stated() {
    let spec =
        filled(json!({"file_path": "a", "parameters": {"cpus": 2}, "meta_parameters": {"gpus": 3, "runtime": "x"}}));
    assert_eq!(serde_json::to_value(&spec.meta_parameters).unwrap(), json!({"gpus": 3, "runtime": 300.0}));
    assert_eq!(spec.parameter("cpus"), Some(&json!(2)));
    let spec = filled(json!({"file_path": "a", "parameters": {"x": 1}, "meta_parameters": {"x": 2}}));
    assert_eq!(spec.parameter("x"), Some(&json!(2)));
    assert_eq!(spec.all_parameters()["x"], &json!(2));
    assert_eq!(
        serde_json::to_value(&spec.meta_parameters).unwrap(),
        json!({"x": 2, "cpus": 1, "gpus": 0, "runtime": 300.0})
    );
}

#[test]
fn a_dependency_with_the_same_want_counts_once() {
    let on = |id: &str, when: &str| Dependency { id: id.to_owned(), when: when.to_owned() };
    let mut spec = Spec {
        dependencies: vec![on("b", "success"), on("a", "success"), on("b", "failed"), on("b", "success")],
        ..Spec::default()
    };
    spec.fill(&Timeouts::default());
    assert_eq!(spec.dependencies, [on("b", "success"), on("a", "success"), on("b", "failed")]);
}

#[test]
fn filling_in_twice_changes_nothing_and_what_is_written_is_read() {
    let spec = filled(json!({
        "file_root": "/suite", "file_path": "x/a.pyt", "parameters": {"np": 4, "x": 0.5}, "keywords": ["fast"],
        "owners": [], "dependencies": [{"id": "0a1f86e5"}], "xstatus": -1, "exclusive": true, "mask": "broken",
        "assets": [{"src": "a.txt"}, {"src": "b", "dst": "c", "action": "copy"}],
        "baseline": [{"type": "exe", "exe": "b.sh"}, {"type": "copy", "src": "a", "dst": "b"}],
        "artifacts": [{"file": "*.log", "when": "on_failure"}, {"pattern": "x"}],
        "attributes": {"execpath": "here"}, "stderr": "err", "preload": "p", "modules": ["gcc"], "rcfiles": ["rc"],
        "environment": {"A": "b"}, "environment_modifications": [{"name": "PATH", "action": "prepend-path", "value": "/x"}],
        "catalogue_test": "lang.c", "command": {"argv": ["true"]}, "repository_path": "t/x/a.pyt",
        "content_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }));
    assert_eq!(super::check::check(&spec), Ok(()));
    let mut again = spec.clone();
    again.fill(&Timeouts { default: 7.0, ..Timeouts::default() });
    assert_eq!(again, spec);
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(serde_json::from_value::<Spec>(written).unwrap(), spec);
    assert!(serde_json::from_value::<Spec>(json!({"file_path": "a", "nonsense": 1})).is_err());
}
