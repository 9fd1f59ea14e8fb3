//! Replays what was measured on Canary's resource pool.
//!
//! Three rules set the pool apart: slots are whole, slots that are asked for together come from one instance, and an amount is
//! a number that is not negative.

use serde_json::{Map, Value, json};

use super::request::{Part, Request, Shortage};
use super::required::{NODES, Required};
use super::*;
use crate::domain::golden::cases;

fn replay(op: &str, replay: impl Fn(&Value) -> Value) {
    let cases: Vec<Value> =
        cases("canary/resources.json", "cases").into_iter().filter(|case| case["call"]["op"] == op).collect();
    assert!(cases.len() >= 10, "{op}: only {} cases", cases.len());
    for case in cases {
        assert_eq!(with_sorted_types(replay(&case)), expected(&case), "{}", case["name"]);
    }
}

/// What we answer: what was measured, unless one of our rules says otherwise. The class that was raised is no part of it.
fn expected(case: &Value) -> Value {
    if written(case).any(|instance| instance.get("slots").is_some_and(|slots| slots.as_u64().is_none())) {
        return json!({"error": "schema"});
    }
    let specs = case["given"]["specs"].as_array().into_iter().flatten();
    let mut amounts = specs.flat_map(|spec| {
        let members = ["parameters", "meta_parameters"].map(|member| spec[member].as_object());
        let merged: BTreeMap<&String, &Value> = members.into_iter().flatten().flatten().collect();
        merged.into_iter().filter(|(name, _)| *name == NODES || knows(case, name)).map(|(_, amount)| amount)
    });
    if amounts.any(|amount| amount.is_boolean() || amount.as_i64().is_some_and(|amount| amount < 0)) {
        return json!({"error": "invalid_resource_value"});
    }
    let slots = |types: &Value| -> Vec<u64> {
        let instances = types.as_array().into_iter().flatten();
        instances.map(|instance| instance.get("slots").map_or(1, |slots| slots.as_u64().expect("slots"))).collect()
    };
    let resources = &case["given"]["pool"]["resources"];
    let too_large = |part: &Value| {
        let largest = slots(&resources[part["type"].as_str().expect("a type")]).into_iter().max();
        part["slots"].as_u64() > Some(largest.unwrap_or_default().max(1))
    };
    let together: BTreeSet<String> = case["call"]["request"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|part| {
            let is_short = case["expect"]["reason"]["class"] != "resource_unavailable" && too_large(part);
            is_short.then(|| part["type"].as_str().expect("a type").to_owned())
        })
        .collect();
    if !together.is_empty() && case["expect"]["error"].is_null() {
        let measured = case["expect"]["reason"]["types"].as_array().into_iter().flatten();
        let measured = measured.map(|name| name.as_str().expect("a type").to_owned());
        let types: BTreeSet<String> = measured.chain(together).collect();
        return json!({"fits": false, "reason": {"class": "insufficient_slots", "types": types}});
    }
    match case["expect"]["error"]["kind"].as_str() {
        Some(kind) => json!({"error": kind}),
        None => with_sorted_types(case["expect"].clone()),
    }
}

/// The order in which types are told is the request's, which a test of its own holds; the cases have some order.
fn with_sorted_types(mut answer: Value) -> Value {
    if let Some(Value::Array(types)) = answer.pointer_mut("/reason/types") {
        types.sort_by_key(ToString::to_string);
    }
    let cases = answer.get_mut("cases").and_then(Value::as_object_mut);
    for (_, answer) in cases.into_iter().flatten() {
        *answer = with_sorted_types(answer.take());
    }
    answer
}

/// The instances that a case writes out.
fn written(case: &Value) -> impl Iterator<Item = &Value> {
    let types = case["given"]["pool"]["resources"].as_object().into_iter().flatten();
    types.flat_map(|(_, instances)| instances.as_array().into_iter().flatten())
}

fn knows(case: &Value, name: &str) -> bool {
    let pool = &case["given"]["pool"];
    name == GPUS || pool.get(name).is_some() || pool["resources"].get(name).is_some()
}

fn pool(case: &Value) -> Result<Pool, Value> {
    match &case["given"]["pool"] {
        Value::Null => Ok(Pool::default()),
        document => serde_json::from_value(document.clone()).map_err(|_| json!({"error": "schema"})),
    }
}

fn fits(answer: Result<(), Shortage>) -> Result<(bool, Value), Value> {
    let class = match &answer {
        Ok(()) => return Ok((true, Value::Null)),
        Err(Shortage::EmptyPool) => return Err(json!({"error": "empty_pool"})),
        Err(Shortage::Unavailable(_)) => "resource_unavailable",
        Err(Shortage::Insufficient(_)) => "insufficient_slots",
    };
    let shortage = answer.unwrap_err();
    for name in shortage.types() {
        assert!(shortage.to_string().contains(name), "{shortage}");
    }
    Ok((false, json!({"class": class, "types": shortage.types()})))
}

#[test]
fn golden_pool_accommodates() {
    replay("pool_accommodates", |case| {
        let parts: Vec<Part> = serde_json::from_value(case["call"]["request"].clone()).expect("parts");
        let request: Request = parts.into_iter().collect();
        match pool(case).and_then(|pool| fits(pool.accommodates(&request))) {
            Ok((fits, reason)) => json!({"fits": fits, "reason": reason}),
            Err(error) => error,
        }
    });
}

#[test]
fn golden_required_resources() {
    replay("required_resources", |case| {
        let pool = match pool(case) {
            Ok(pool) => pool,
            Err(error) => return error,
        };
        let mut answers = Map::new();
        for spec in case["given"]["specs"].as_array().expect("specs") {
            let map = |member: &str| spec[member].as_object().cloned().unwrap_or_default();
            let (parameters, meta) = (map("parameters"), map("meta_parameters"));
            let Ok(required) = Required::of(&pool, |name| meta.get(name).or_else(|| parameters.get(name))) else {
                return json!({"error": "invalid_resource_value"});
            };
            let mut parameters = json!(required.amounts);
            parameters[NODES] = json!(required.nodes);
            let request = required.request();
            let (fits, reason) = match fits(pool.accommodates(&request)) {
                Ok(answer) => answer,
                Err(error) => return error,
            };
            let request: BTreeMap<&str, u64> = request.types().collect();
            let answer = json!({"rparameters": parameters, "request": request, "fits": fits, "reason": reason});
            answers.insert(spec["id"].as_str().expect("an id").to_owned(), answer);
        }
        json!({"cases": answers})
    });
}
