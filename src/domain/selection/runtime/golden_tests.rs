//! Canary's cases of selecting what runs.

use serde_json::{Map, Value, json};

use super::{Case, RuntimeError, RuntimeSelector, RuntimeTest, Strategy};
use crate::domain::golden;
use crate::domain::pool::Pool;
use crate::domain::selection::golden_cases::{self as cases, sorted};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::Rule;
use crate::domain::spec::Spec;
use crate::domain::spec::order::static_order;
use crate::domain::spec_result::status::{CaseStatus, return_code};

fn pool(given: &Value) -> Pool {
    let usual =
        json!({"resources": {"cpus": (0..8).map(|id| json!({"id": id.to_string(), "slots": 1})).collect::<Vec<_>>()}});
    let pool = given.get("pool").cloned().unwrap_or(usual);
    serde_json::from_value(pool).expect("a pool")
}

fn case<'s>(spec: &'s Spec, given: &Value) -> Case<'s> {
    let previous = &given["previous"];
    let status =
        previous.get("status").map_or_else(CaseStatus::pending, |it| serde_json::from_value(it.clone()).unwrap());
    let started = previous["time"]["started"].as_f64().filter(|started| *started >= 0.0);
    let has_file = given.get("content").is_some();
    let is_changed =
        has_file.then(|| given["mtime"].as_f64().zip(started).is_some_and(|(time, started)| time > started));
    let mask = given["case_mask"].as_str().map(|text| Reason::Custom { text: text.to_owned() });
    Case { spec, status, was_started: started.is_some(), is_changed, mask }
}

fn rules(listed: &Value) -> Result<Vec<Rule<RuntimeTest>>, serde_json::Error> {
    let rule = |rule: &Value| {
        let mut rule = rule.clone();
        // A list of ids is part of the strategy.
        if let Some(ids) = rule.as_object_mut().and_then(|rule| rule.remove("ids")) {
            let ids: Vec<&str> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
            rule["strategy"] = json!(format!("ids:{}", ids.join(",")));
        }
        serde_json::from_value(rule)
    };
    listed.as_array().into_iter().flatten().map(rule).collect()
}

/// Masks without the order of the ids that they name, which in Canary is that of a set: an accident. Of more than four, which
/// are named is one too.
fn without_order(masks: &Value) -> Value {
    let mut masks = masks.clone();
    for reason in masks.as_object_mut().unwrap().values_mut() {
        let Some(shown) = reason.get_mut("shown") else { continue };
        match shown.as_array_mut() {
            Some(few) if !few.contains(&json!("…")) => few.sort_by_key(ToString::to_string),
            _ => *shown = Value::Null,
        }
    }
    masks
}

fn replay(golden: &Value) {
    let (given, call, expect, name) = (&golden["given"], &golden["call"], &golden["expect"], &golden["name"]);
    let specs = cases::specs(&given["specs"]);
    let listed = given["specs"].as_array().unwrap();
    // Cases come in dependency order, unless a case says otherwise.
    let order = static_order(&specs).expect("no cycles");
    let mut all: Vec<Case<'_>> = order.into_iter().map(|place| case(&specs[place], &listed[place])).collect();
    if let Some(order) = given["case_order"].as_array() {
        all.sort_by_key(|case| order.iter().position(|id| *id == json!(case.spec.id)));
    }
    let expected_error = expect["error"]["kind"].as_str();
    let Ok(mut asked) = rules(&call["rules"]) else {
        assert_eq!(expected_error, Some("unknown_strategy"), "{name}");
        return;
    };
    let place = |deed: &Value| all.iter().position(|case| json!(case.spec.id) == deed["id"]).unwrap();
    let custom = |deed: &Value| Reason::Custom { text: deed["reason"].as_str().unwrap().to_owned() };
    let deeds = |when: &str| call["hooks"][when].as_array().cloned().unwrap_or_default();
    let mut selector = RuntimeSelector::new(&all);
    for deed in deeds("start") {
        match deed["do"].as_str().unwrap() {
            "add_rule" => asked.extend(rules(&json!([deed["rule"]])).unwrap()),
            "mask" => selector.mask(place(&deed), custom(&deed)),
            other => panic!("{name}: {other}"),
        }
    }
    match (selector.apply(&asked, &pool(given)), expected_error) {
        (Ok(()), None) => {}
        (Err(RuntimeError::NoFile { .. }), Some("io"))
        | (Err(RuntimeError::InvalidAmount { .. }), Some("invalid_resource_value")) => return,
        // Less than nothing is no amount, which Canary takes for one.
        (Err(RuntimeError::InvalidAmount { error, .. }), None) if error.value.starts_with('-') => return,
        (found, _) => panic!("{name}: {found:?}, want {expect}"),
    }
    for deed in deeds("modify") {
        match deed["do"].as_str().unwrap() {
            "mask" => selector.mask(place(&deed), custom(&deed)),
            "unmask" => selector.unmask(place(&deed)),
            other => panic!("{name}: {other}"),
        }
    }
    selector.propagate();
    let selection = selector.finish();
    let id = |place: usize| all[place].spec.id.clone();
    let places =
        |which: &dyn Fn(usize) -> bool| (0..all.len()).filter(|place| which(*place)).map(id).collect::<Vec<_>>();
    let masks: Map<String, Value> = (0..all.len())
        .filter_map(|place| selection.masks[place].as_ref().map(|reason| (id(place), cases::reason(reason))))
        .collect();
    assert_eq!(without_order(&Value::Object(masks)), without_order(&expect["masks"]), "{name}");
    assert_eq!(sorted(&json!(places(&|place| selection.excluded[place]))), sorted(&expect["masked_ids"]), "{name}");
    assert_eq!(json!(places(&|place| selection.masks[place].is_none())), expect["runnable"], "{name}");
    for (id, status) in expect["status_after"].as_object().unwrap() {
        let found = &selection.statuses[all.iter().position(|case| case.spec.id == *id).unwrap()];
        let found = json!({"state": found.state(), "category": found.category(), "status": found.status()});
        assert_eq!(found, *status, "{name}: {id}");
    }
    let before = |place: usize| listed.iter().find(|given| given["id"] == json!(all[place].spec.id)).unwrap();
    let is_reset = |place: usize| selection.masks[place].is_none() || !all[place].was_started;
    assert_eq!(sorted(&json!(places(&is_reset))), sorted(&expect["time_reset"]), "{name}");
    let keeps = |place: usize| {
        let measurements = before(place)["previous"]["measurements"].as_object();
        selection.masks[place].is_some() && measurements.is_some_and(|measurements| !measurements.is_empty())
    };
    assert_eq!(sorted(&json!(places(&keeps))), sorted(&expect["measurements_left"]), "{name}");
    if let Some(report) = expect.get("report") {
        let report_found: Vec<Value> = selection
            .report()
            .into_iter()
            .map(|group| json!({"reason": cases::reason(group.reason), "count": group.count}))
            .collect();
        assert_eq!(json!(report_found), *report, "{name}");
    }
    if let Some(code) = expect.get("return_code") {
        let ran = selection.statuses.iter().zip(&selection.masks).filter(|(_, mask)| mask.is_none());
        assert_eq!(json!(return_code(ran.map(|(status, _)| status))), *code, "{name}");
    }
}

#[test]
fn golden_cases_that_run_are_those_that_canary_runs() {
    golden::cases("canary/runtime_select.json", "cases").iter().for_each(replay);
}

#[test]
fn a_strategy_is_written_as_it_is_read() {
    for text in ["all", "not_pass", "failed", "not_run", "changed", "ids:a,b"] {
        assert_eq!(text.parse::<Strategy>().unwrap().to_string(), text);
    }
    assert!("passed".parse::<Strategy>().is_err());
}
