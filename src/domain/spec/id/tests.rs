use serde_json::{Map, Value, json};

use super::{canonical, check, computed};
use crate::domain::digest::Digest;
use crate::domain::spec::{Spec, Timeouts};

fn spec(document: Value) -> Spec {
    let mut spec: Spec = serde_json::from_value(document).expect("a spec");
    spec.fill(&Timeouts::default());
    spec
}

#[test]
fn the_id_is_the_digest_that_the_rule_says() {
    let spec =
        spec(json!({"file_path": "x/a.pyt", "parameters": {"np": 4, "cpus": 2}, "content_sha256": Digest::of(b"")}));
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let records = [
        "testyard spec 1",
        "a.cpus=2.np=4",
        "cpus",
        "2",
        "gpus",
        "0",
        "np",
        "4",
        "runtime",
        "3e2",
        "",
        empty,
        "x/a.pyt",
    ];
    let text = records.map(|record| format!("{}:{record}", record.len())).concat();
    assert_eq!(spec.id, Digest::of(text.as_bytes()).to_string());
    assert_eq!(check(&spec.id), Ok(()));
}

#[test]
fn the_id_changes_with_what_it_depends_on_and_nothing_else() {
    let base = json!({"file_path": "x/a.pyt", "parameters": {"np": 4}});
    let with = |name: &str, value: Value| {
        let mut document = base.clone();
        document[name] = value;
        spec(document).id
    };
    let id = spec(base.clone()).id;
    let same = [
        ("keywords", json!(["a"])),
        ("owners", json!(["me"])),
        ("dependencies", json!([{"id": "00000000"}])),
        ("file_root", json!("/elsewhere")),
        ("repository_path", json!("x/a.pyt")),
        ("timeout", json!(300)),
        ("timeout", json!(-7)),
        ("mask", json!("no")),
        ("exclusive", json!(true)),
        ("meta_parameters", json!({"cpus": 1, "runtime": 7})),
    ];
    for (name, value) in same {
        assert_eq!(with(name, value.clone()), id, "{name} {value}");
    }
    let other = [
        ("keywords", json!(["fast"])),
        ("family", json!("b")),
        ("parameters", json!({"np": 5})),
        ("parameters", json!({"np": 4.0})),
        ("parameters", json!({"np": "4"})),
        ("parameters", json!({"np": 4, "x": null})),
        ("meta_parameters", json!({"gpus": 1})),
        ("timeout", json!(301)),
        ("content_sha256", json!(Digest::of(b""))),
        ("file_path", json!("y/a.pyt")),
        ("repository_path", json!("suite/x/a.pyt")),
    ];
    let mut ids: Vec<String> = other.into_iter().map(|(name, value)| with(name, value)).collect();
    ids.push(id);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 12);
}

#[test]
fn two_numbers_that_look_alike_in_names_have_two_ids() {
    let of = |x: f64| spec(json!({"file_path": "a.pyt", "parameters": {"x": x}}));
    let (one, other) = (of(0.123_456_71), of(0.123_456_72));
    assert_eq!(one.name(), other.name());
    assert_ne!(one.id, other.id);
}

#[test]
fn texts_that_run_into_each_other_have_two_ids() {
    let of =
        |parameters: Value| computed(&spec(json!({"file_path": "a.pyt", "family": "f", "parameters": parameters})));
    assert_ne!(of(json!({"a": "1", "b": "2"})), of(json!({"a": "1.b=2"})));
}

#[test]
fn values_are_written_in_one_way() {
    let value = json!({"b": [1, 2.5, {"z": null, "a": "x\"y"}, [], {}], "a": true, "é\n": -1e30});
    assert_eq!(canonical(&value), r#"{"a":true,"b":[1,2.5e0,{"a":"x\"y","z":null},[],{}],"é\n":-1e30}"#);
    assert_eq!(serde_json::from_str::<Value>(&canonical(&value)).unwrap(), value);
    assert_eq!(canonical(&Value::Object(Map::new())), "{}");
}

#[test]
fn ids_are_hexadecimal_digits() {
    for good in ["00000000", "0123456789abcdef", &"f".repeat(64), &"a".repeat(128)] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in ["", "0000000", "0000000A", "0000000g", "0000_0000", " 00000000", "/00000000", &"a".repeat(129)] {
        assert!(check(bad).is_err(), "{bad}");
    }
}
