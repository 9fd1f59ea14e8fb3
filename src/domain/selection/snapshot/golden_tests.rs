//! Canary's cases of snapshots.

use serde_json::{Value, json};

use super::{Snapshot, SnapshotError, read_rule};
use crate::domain::golden;
use crate::domain::selection::facts::Facts;
use crate::domain::selection::golden_cases::{self as cases, Files};
use crate::domain::selection::selector::{Selector, select, spec_set_id};
use crate::domain::selection::table::Table;

const TAKEN: &str = "2026-02-03T04:05:06";

fn taken(table: &Table, call: &Value, files: &Files) -> Snapshot {
    let rules = cases::rules(&call["rules"]);
    let mut selector = Selector::new(table);
    if call["run"] != json!(false) {
        selector.apply(&rules, &Facts { contents: files, history: &[] }).expect("rules");
        selector.propagate().expect("all there");
    }
    let selection = selector.finish();
    let masked = selection.masked().map(|(spec, why)| (table.id(spec).to_owned(), why.to_string())).collect();
    let rules: Vec<Value> = rules.iter().map(|rule| json!(rule)).collect();
    Snapshot::new(table.spec_set_id().to_string(), masked, &rules, TAKEN.to_owned())
}

/// A rule as the cases write what Canary made of it. What it could not write, and a priority that it lost, are ours.
fn is_as_in_canary(snapshot: &Snapshot, expected: &Value) -> bool {
    let found = snapshot.rules().expect("our own rules");
    let mut expected = expected.as_array().expect("rules").iter();
    found.len() == expected.len()
        && found.iter().all(|found| {
            let expected = expected.next().expect("as many");
            let text = json!({"module": "m", "classname": expected["class"], "params": expected["params"]}).to_string();
            let mut read = read_rule(&text).expect("a rule of Canary's");
            if expected["class"] == "RegexRule" {
                read.priority = found.priority;
            }
            read == *found
        })
}

fn replay(case: &Value) {
    let (given, call, expect) = (&case["given"], &case["call"], &case["expect"]);
    let name = &case["name"];
    let operation = call["op"].as_str().expect("an operation");
    if operation == "spec_set_id" {
        // Straight from the case: some have ids that no spec may have here.
        let listed = given["specs"].as_array().unwrap();
        let mut ids: Vec<&str> = listed.iter().map(|spec| spec["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(json!(spec_set_id(ids)), expect["spec_set_id"], "{name}");
        return;
    }
    let none = json!([]);
    let listed = given.get("specs").unwrap_or(&none);
    let specs = cases::specs(listed);
    let table = Table::new(&specs);
    let files = Files::of(listed);
    match operation {
        "snapshot" => {
            let snapshot = taken(&table, call, &files);
            if expect.get("error").is_some() {
                assert!(call["rules"].as_array().unwrap().iter().any(|rule| rule["type"] == "owners"), "{name}");
                assert_eq!(snapshot.rules().unwrap(), cases::rules(&call["rules"]), "{name}");
                return;
            }
            assert_eq!(json!(snapshot.spec_set_id), expect["spec_set_id"], "{name}");
            assert!(is_as_in_canary(&snapshot, &expect["rules"]), "{name}: {snapshot:?}");
            let mut masked: Vec<&str> = expect["masked"].as_object().unwrap().keys().map(String::as_str).collect();
            masked.sort_unstable();
            assert_eq!(snapshot.masked.keys().collect::<Vec<_>>(), masked, "{name}");
            let text = serde_json::to_string(&snapshot).unwrap();
            assert_eq!(Snapshot::reconstruct(&text).as_ref(), Ok(&snapshot), "{name}");
            let document: Value = serde_json::from_str(&text).unwrap();
            let mut keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(json!(keys), expect["keys"], "{name}");
        }
        "snapshot_compatible" => {
            let snapshot = taken(&table, &json!({"rules": []}), &files);
            let others = cases::specs(&call["with_specs"]);
            assert_eq!(json!(snapshot.is_compatible_with(&Table::new(&others))), expect["compatible"], "{name}");
        }
        "snapshot_apply" => {
            let masked = serde_json::from_value(call["masked"].clone()).unwrap();
            let snapshot =
                Snapshot { spec_set_id: String::new(), masked, rules: Vec::new(), created_on: TAKEN.to_owned() };
            let mut selector = Selector::new(&table);
            snapshot.apply(&table, &mut selector);
            assert_eq!(cases::masks(&table, selector.finish().masked()), expect["masks"], "{name}");
        }
        "snapshot_reconstruct" => {
            let text = call["text"].as_str().map_or_else(|| call["document"].to_string(), str::to_owned);
            match (Snapshot::reconstruct(&text), expect["error"]["kind"].as_str()) {
                (Ok(snapshot), None) => {
                    assert_eq!(json!(snapshot.masked), expect["masked"], "{name}");
                    assert_eq!(json!(snapshot.rules.len()), expect["rule_count"], "{name}");
                }
                (Err(SnapshotError::Json(_)), Some("json")) | (Err(SnapshotError::Schema(_)), Some("schema")) => {}
                (found, _) => panic!("{name}: {found:?}, want {expect}"),
            }
        }
        "snapshot_rules" => rebuilt(case, &table, &files),
        other => panic!("{name}: {other}"),
    }
}

/// The rules of a snapshot of some specs, applied to others.
fn rebuilt(case: &Value, table: &Table, files: &Files) {
    let (call, expect, name) = (&case["call"], &case["expect"], &case["name"]);
    let rules = taken(table, call, files).rules().unwrap();
    let priorities: Vec<i64> = rules.iter().map(|rule| rule.priority).collect();
    assert_eq!(json!(priorities), expect["rule_priorities"], "{name}");
    let specs = cases::specs(&call["with_specs"]);
    let others = Table::new(&specs);
    let before = Selector::new(&others).finish();
    let masked_before = cases::sorted_ids(&others, before.masked().map(|(spec, _)| spec));
    assert_eq!(masked_before, cases::sorted(&expect["masked_before_run"]), "{name}");
    let selection = select(&others, &rules, &Facts { contents: files, history: &[] }).unwrap();
    let selected: Vec<&str> = selection.selected().map(|spec| others.id(spec)).collect();
    assert_eq!(json!(selected), expect["selected"], "{name}");
    assert_eq!(cases::masks(&others, selection.masked()), expect["masks"], "{name}");
}

#[test]
fn golden_snapshots_are_as_canary_has_them() {
    golden::cases("canary/snapshot.json", "cases").iter().for_each(replay);
}
