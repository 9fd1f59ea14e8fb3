//! Replays what was measured on Canary. There an expression is a Python expression after some rewriting; here it is a
//! language of its own, and where Canary only answers by accident, the second reading (`oracle_tests`) says what is right.
//! A case may differ from Canary only by a rule of `tests/golden/DEVIATIONS.md`.

use fancy_regex::Regex;
use serde_json::{Value, json};

use super::oracle_tests::{Ends, Tree};
use super::*;
use crate::domain::golden::cases;

fn ours(expression: &str, parameters: &Value) -> Value {
    match Expression::parse(expression) {
        Ok(parsed) => match parsed.holds(|name| parameters.get(name)) {
            Ok(held) => json!({"match": held}),
            Err(_) => json!({"error": {"kind": "type"}}),
        },
        Err(error) => json!({"error": {"kind": error.kind}}),
    }
}

/// What the second reading comes to.
fn right(expression: &str, parameters: &Value) -> Value {
    let parameters = parameters.as_object().into_iter().flatten();
    let parameters = parameters.map(|(name, value)| (name.clone(), value.clone())).collect();
    match Tree::read(expression).map(|tree| tree.answer(&parameters)) {
        None => json!({"error": {"kind": "syntax"}}),
        Some(Err(Ends::Type | Ends::Undefined)) => json!({"error": {"kind": "type"}}),
        Some(Ok(held)) => json!({"match": held}),
    }
}

/// The rule by which an expression may come to this answer and to that one in Canary.
fn rule(expression: &str, answer: &Value, theirs: &Value) -> Option<&'static str> {
    if theirs["error"]["kind"] == "too_deep" {
        return Some("what is too long or too deep for Canary is worked out");
    }
    if *answer == json!({"error": {"kind": "syntax"}}) {
        return Some("what is not in the grammar is refused");
    }
    let rules = [
        (r"(?:^|\(|\b(?:and|or|not))\s*\(", "brackets group"),
        (r"\bin\s*\([^,()]*\)", "one value in brackets is a list"),
        (r"^\s", "blanks may come first"),
        (r"\S.*!\s*\w", "`!` may stand in the middle"),
        (r"\b(?:not_)?defined\b", "no name of a parameter is special"),
        (r"\d[jJ]\b", "a number with a j is a text"),
        (r"\d{20,}", "numbers of more than 64 bits are rounded"),
        (r"[(\[][^)\]]*\n", "line breaks in brackets are passed over"),
        (r"['\x22].*[${}\\].*['\x22]", "nothing is filled into a text"),
    ];
    let applies = |pattern: &str| Regex::new(pattern).unwrap().is_match(expression).unwrap();
    rules.into_iter().find(|(pattern, _)| applies(pattern)).map(|(_, rule)| rule)
}

#[test]
fn golden_parameter_expressions_come_to_what_they_come_to_in_canary() {
    for case in cases("canary/parameter_expr.json", "cases") {
        let expression = case["call"]["expression"].as_str().expect("text");
        let parameters = &case["given"]["parameters"];
        let mut theirs = case["expect"].clone();
        if let Some(error) = theirs.get_mut("error").and_then(Value::as_object_mut) {
            error.retain(|key, _| key == "kind");
        }
        let right = right(expression, parameters);
        if case["tier"] == "core" {
            assert_eq!(right, theirs, "{}", case["name"]);
        }
        assert!(right == theirs || rule(expression, &right, &theirs).is_some(), "{}: {right} by no rule", case["name"]);
        assert_eq!(ours(expression, parameters), right, "{}", case["name"]);
    }
}
