//! Replays what was measured on Canary. Two rules set us apart (`tests/golden/DEVIATIONS.md`): nothing is filled in, so that
//! a brace is a character out of place, and expressions that are too long or too deep for Canary are worked out.

use serde_json::{Value, json};

use super::*;
use crate::domain::golden::cases;

fn keywords(case: &Value) -> Vec<&str> {
    case["given"]["keywords"].as_array().expect("keywords").iter().map(|it| it.as_str().expect("text")).collect()
}

fn ours(expression: &str, keywords: &[&str]) -> Value {
    match Expression::parse(expression) {
        Ok(parsed) => json!({"match": parsed.matches(keywords.iter().copied())}),
        Err(error) => json!({"error": {"kind": error.kind, "column": error.column}}),
    }
}

/// What an expression of plain names comes to that are joined by one word, or negated one by one, in any brackets: as much as
/// is needed for what is too long for Canary.
fn simple(expression: &str, keywords: &[&str]) -> Option<bool> {
    let spaced = expression.replace(['(', ')'], " ");
    let words: Vec<&str> = spaced.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let has = |wanted: &str| words.contains(&wanted);
    let holds = |names: &[&str]| match names {
        [nots @ .., name] if nots.iter().all(|word| *word == "not") => {
            Some(keywords.iter().any(|it| it.eq_ignore_ascii_case(name)) == (nots.len() % 2 == 0))
        }
        _ => None,
    };
    let all = |by: &str| words.split(|word| *word == by).map(holds).collect::<Option<Vec<bool>>>();
    match (has("and"), has("or"), has("not") && expression.contains('(')) {
        (true, true, _) | (_, _, true) => None,
        (true, false, _) => all("and").map(|held| !held.contains(&false)),
        (false, ..) => all("or").map(|held| held.contains(&true)),
    }
}

#[test]
fn golden_keyword_expressions_come_to_what_they_come_to_in_canary() {
    for case in cases("canary/keyword_expr.json", "cases") {
        let expression = case["call"]["expression"].as_str().expect("text");
        let keywords = keywords(&case);
        let mut expected = case["expect"].clone();
        if let Some(error) = expected.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("raised");
        }
        if case["tier"] == "quirk" {
            if let Some(brace) = expression.chars().position(|c| matches!(c, '{' | '}')) {
                let before: String = expression.chars().take(brace).collect();
                let column = Expression::parse(&before).err().map_or(brace + 1, |error| error.column);
                expected = json!({"error": {"kind": "syntax", "column": column}});
            } else if expected["error"]["kind"] == "too_deep" {
                let held = simple(expression, &keywords).unwrap_or_else(|| panic!("not that simple: {case}"));
                expected = json!({"match": held});
            }
        }
        assert_eq!(ours(expression, &keywords), expected, "{}", case["name"]);
    }
}
