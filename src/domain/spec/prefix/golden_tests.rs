//! The next prefix, as measured on Canary.

use serde_json::{Value, json};

use super::increment;
use crate::domain::golden;

#[test]
fn prefixes_are_incremented_as_measured() {
    let mut count = 0;
    for case in golden::cases("canary/id_prefix.json", "cases") {
        if case["call"]["op"] != "increment" {
            continue;
        }
        count += 1;
        let prefix = case["call"]["prefix"].as_str().expect("a prefix");
        let answer = match increment(prefix) {
            Ok(next) => json!({ "next": next }),
            Err(_) => json!({ "error": { "kind": "invalid_prefix" } }),
        };
        assert_eq!(answer, ours_of(prefix, &case["expect"]), "{}", case["name"]);
    }
    assert!(count > 10, "{count}");
}

/// What is expected here: what was measured, but for what Python's reader of numbers lets in beside digits.
fn ours_of(prefix: &str, measured: &Value) -> Value {
    let is_hex = !prefix.is_empty() && prefix.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex { measured.clone() } else { json!({ "error": { "kind": "invalid_prefix" } }) }
}
