//! Replays what was measured on Canary.

use serde_json::{Value, json};

use super::*;
use crate::domain::golden::cases;

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().expect("text").to_owned()).collect()
}

fn ours(case: &Value) -> Value {
    let (given, when) = (&case["given"], &case["call"]["when"]);
    let condition = match when {
        Value::String(text) => Condition::parse(text),
        Value::Object(map) => Condition::from_map(map),
        other => panic!("{other}"),
    };
    let condition = match condition {
        Ok(condition) => condition,
        Err(InvalidCondition::UnknownPart(_)) => return json!({"error": {"kind": "unknown_key"}}),
        Err(InvalidCondition::Syntax(_) | InvalidCondition::Part(..)) => return json!({"error": {"kind": "syntax"}}),
        Err(InvalidCondition::NoText(..)) => return json!({"error": {"kind": "type"}}),
    };
    let mut platforms = texts(&given["platforms"]);
    platforms.extend(given["platform"].as_str().map(str::to_owned));
    let parameters = given["parameters"].as_object().into_iter().flatten();
    let around = Surroundings {
        platforms: &platforms,
        testname: given["testname"].as_str(),
        options: &texts(&given["options"]),
        keywords: &texts(&given["keywords"]),
        parameters: &parameters.map(|(name, value)| (name.clone(), value.clone())).collect(),
    };
    match condition.check(&around) {
        Ok(Outcome::Active) => json!({"active": true, "failed_part": null}),
        Ok(Outcome::Failed(part)) => json!({"active": false, "failed_part": part}),
        Err(CheckError::Template(..)) => json!({"error": {"kind": "template"}}),
        Err(CheckError::Syntax(..)) => json!({"error": {"kind": "syntax"}}),
        Err(CheckError::Type(_)) => json!({"error": {"kind": "type"}}),
    }
}

#[test]
fn golden_conditions_come_to_what_they_come_to_in_canary() {
    for case in cases("canary/when_conditions.json", "cases") {
        let mut expected = case["expect"].clone();
        if let Some(error) = expected.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("raised");
            error.remove("column");
        }
        assert_eq!(ours(&case), expected, "{}", case["name"]);
    }
}
