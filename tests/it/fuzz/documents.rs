//! Documents: the rules of a selection as JSON, snapshots, and the pickles of a workspace.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testyard::domain::canary::pickle;
use testyard::domain::selection::rule::Rule;
use testyard::domain::selection::snapshot::Snapshot;

use super::{fuzz, texts};

#[test]
fn fuzz_rules() {
    let own = [
        json!([{"type": "keyword", "expressions": ["fast and not gpu", ":all:"], "priority": -3}]),
        json!([{"type": "parameter", "expression": "np<=4"}, {"type": "ids", "ids": ["0a1f", "é"]}]),
        json!([{"type": "owners", "owners": []}, {"type": "prefix", "prefixes": ["/src/solver"]}]),
        json!([{"type": "regex", "pattern": "import (mesh|\\w+)"}, {"type": "view", "globs": ["solver/*"]}]),
        json!([{"type": "history", "want": "flaky", "latest": 5}, {"type": "history", "want": "slow", "slow_s": 60}]),
        json!([{"type": "changed", "paths": ["a.c"], "affects": [{"paths": ["*.c"], "views": []}]}]),
        json!([{"type": "budget", "seconds": 3600}]),
    ];
    let files = crate::support::golden::files("canary/rule_masks.json");
    let cases = files.iter().filter_map(|file| file["cases"].as_array()).flatten();
    let canarys = cases.map(|case| case["call"]["rules"].to_string());
    let good = texts(own.iter().map(Value::to_string).chain(canarys));
    let words = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\\u0000",
        "null",
        "-1",
        "1e999",
        "\"type\":",
        "\"priority\":9,",
        "keyword",
        "regex",
        "(?:a*)*",
        "{9,99}",
        "\\\\w",
        "é",
        " ",
    ];
    fuzz("rules", &good, &words, |input| {
        let Ok(rules) = serde_json::from_slice::<Vec<Rule>>(input) else { return false };
        let written = serde_json::to_string(&rules).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Rule>>(&written).unwrap(), rules, "{written}");
        for rule in &rules {
            let written: Value = serde_json::to_value(rule).unwrap();
            assert_eq!(written["type"], rule.word());
            assert!(rule.faults().iter().all(|fault| fault.pointer.starts_with('/') && !fault.detail.is_empty()));
        }
        true
    });
}

#[test]
fn fuzz_snapshots() {
    let canarys = |class: &str, params: Value| json!({"module": "x", "classname": class, "params": params}).to_string();
    let snapshot = |rules: &[String]| json!({"spec_set_id": "4f53", "masked": {"aa": "a reason", "bb": ""}, "rules": rules, "created_on": "now"});
    let good = [
        snapshot(&[]),
        snapshot(&[json!({"type": "ids", "ids": ["a"]}).to_string()]),
        snapshot(&[canarys("KeywordRule", json!({"keyword_exprs": ["fast"]}))]),
        snapshot(&[canarys("ParameterRule", json!({"parameter_expr": "np=4", "priority": 2}))]),
        snapshot(&[canarys("IDsRule", json!({"ids": ["a"]})), canarys("RegexRule", json!({"regex": "a|b"}))]),
        snapshot(&[
            canarys("PrefixRule", json!({"prefixes": ["/s"]})),
            canarys("OwnersRule", json!({"owners": ["me"]})),
        ]),
    ];
    let words = ["{", "}", "[", "]", "\"", "\\\"", ":", ",", "rules", "classname", "OwnersRule", "null", "7", "é", " "];
    fuzz("snapshots", &texts(good.iter().map(Value::to_string)), &words, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok(snapshot) = Snapshot::reconstruct(&text) else { return false };
        let written = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(Snapshot::reconstruct(&written).unwrap(), snapshot);
        if let Ok(rules) = snapshot.rules() {
            // Whoever wrote them, they are ours from then on.
            let rewritten = rules.iter().map(|rule| serde_json::to_string(rule).unwrap()).collect();
            assert_eq!(Snapshot { rules: rewritten, ..snapshot }.rules().unwrap(), rules);
        }
        true
    });
}

/// A pickle of a value; `None` of one with something in it that is not written here.
fn written(value: &pickle::Value, to: &mut Vec<u8>) -> Option<()> {
    use pickle::Value::{Bool, Dict, Float, Int, List, Text, Tuple};
    match value {
        pickle::Value::None => to.push(b'N'),
        Bool(true) => to.push(0x88),
        Bool(false) => to.push(0x89),
        Int(number) => to.extend(format!("L{number}L\n").bytes()),
        Float(number) => {
            to.push(b'G');
            to.extend(number.to_be_bytes());
        }
        Text(text) => {
            to.push(b'X');
            to.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
            to.extend(text.bytes());
        }
        List(entries) => {
            to.extend(b"](");
            entries.iter().try_for_each(|entry| written(entry, to))?;
            to.push(b'e');
        }
        Tuple(entries) => {
            to.push(b'(');
            entries.iter().try_for_each(|entry| written(entry, to))?;
            to.push(b't');
        }
        Dict(pairs) => {
            to.extend(b"}(");
            pairs.iter().try_for_each(|(key, value)| written(key, to).and_then(|()| written(value, to)))?;
            to.push(b'u');
        }
        _ => return None,
    }
    Some(())
}

#[test]
fn fuzz_pickles() {
    let files = crate::support::golden::files("canary_workspace/pickles.json");
    let cases = files.iter().filter_map(|file| file["cases"].as_array()).flatten();
    let good: Vec<Vec<u8>> =
        cases.map(|case| STANDARD.decode(case["pickle"].as_str().expect("a pickle")).expect("base64")).collect();
    let words = [
        "N", "(", "t", "]", "e", "a", "}", "u", "s", "2", "0", "q\0", "h\0", "I7\n", "L9L\n", "R", "b", ".", "K\u{7}",
        "\u{7f}",
    ];
    let mut round_trips = 0;
    fuzz("pickles", &good, &words, |input| {
        let Ok(value) = pickle::read(input) else { return false };
        let _ = (value.kind(), value.text(), value.json());
        let mut again = b"\x80\x02".to_vec();
        // A number that is none is equal to nothing, not to itself either.
        if written(&value, &mut again).is_some() && again.len() < 1 << 20 && value == value.clone() {
            again.push(b'.');
            assert_eq!(pickle::read(&again).unwrap(), value);
            round_trips += 1;
        }
        true
    });
    assert!(round_trips > 20, "{round_trips} were written again");
}
