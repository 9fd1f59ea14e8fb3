//! Replays what was measured on Canary. Three rules set us apart (`tests/golden/DEVIATIONS.md`): blanks may come first, the
//! name that is filled in is the test's, and what is wrong with a part is told no matter how the parts before it come out.

use serde_json::{Value, json};

use super::*;
use crate::domain::golden::cases;

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().expect("text").to_owned()).collect()
}

fn ours(given: &Value, when: &Value) -> Value {
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

/// What a rule says that this comes to, where there is one that may differ from Canary.
fn by_rule(given: &Value, when: &Value, theirs: &Value) -> Option<Value> {
    let text = when.as_str()?;
    if let (Some(name), Some(mention)) =
        (given["testname"].as_str(), ["$testname", "{testname}"].into_iter().find(|it| text.contains(it)))
    {
        return Some(ours(given, &json!(text.replace(mention, name))));
    }
    if text.starts_with([' ', '\t']) {
        return Some(ours(given, &json!(text.trim_start())));
    }
    let failed: Part = theirs["failed_part"].as_str()?.parse().ok()?;
    let is_behind = |error| matches!(error, InvalidCondition::Part(part, _) if part > failed);
    Condition::parse(text).is_err_and(is_behind).then(|| json!({"error": {"kind": "syntax"}}))
}

#[test]
fn golden_conditions_come_to_what_they_come_to_in_canary() {
    for case in cases("canary/when_conditions.json", "cases") {
        let (given, when) = (&case["given"], &case["call"]["when"]);
        let mut theirs = case["expect"].clone();
        if let Some(error) = theirs.get_mut("error").and_then(Value::as_object_mut) {
            error.retain(|key, _| key == "kind");
        }
        let expected = by_rule(given, when, &theirs).unwrap_or(theirs);
        assert_eq!(ours(given, when), expected, "{}", case["name"]);
    }
}
