//! Replays what was measured on Canary's statuses.

use serde_json::{Value, json};

use super::*;
use crate::domain::golden::cases;

fn replay(op: &str, replay: impl Fn(&Value) -> Value) {
    let cases: Vec<Value> =
        cases("canary/status_model.json", "cases").into_iter().filter(|case| case["call"]["op"] == op).collect();
    assert!(cases.len() >= 10, "{op}: only {} cases", cases.len());
    for case in cases {
        assert_eq!(replay(&case), case["expect"], "{}", case["name"]);
    }
}

/// The class that was raised is no part of the answer.
fn refusal(refused: &InvalidStatus, expect: &Value) -> Value {
    json!({"error": {"kind": format!("invalid_{}", refused.member()), "raised": expect["error"]["raised"]}})
}

#[test]
fn golden_statuses_are_set_as_measured() {
    replay("status_set", |case| {
        let change: Change = serde_json::from_value(case["call"]["set"].clone()).expect("a change");
        match change.apply() {
            Ok(status) => {
                let mut answer = json!(status);
                answer["terminal"] = json!(status.is_terminal());
                answer
            }
            Err(refused) => refusal(&refused, &case["expect"]),
        }
    });
}

#[test]
fn golden_sessions_exit_as_measured() {
    replay("return_code", |case| {
        let statuses: Vec<CaseStatus> = serde_json::from_value(case["given"]["statuses"].clone()).expect("statuses");
        json!({"return_code": return_code(&statuses)})
    });
}
