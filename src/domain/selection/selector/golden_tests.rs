//! Canary's cases of selecting.

use serde_json::{Value, json};

use super::{SelectError, Selection, Selector};
use crate::domain::golden;
use crate::domain::selection::facts::Facts;
use crate::domain::selection::golden_cases::{self as cases, Files};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Rule, in_order};
use crate::domain::selection::table::Table;

/// What hooks do in a case, in their order.
fn deeds<'c>(call: &'c Value, when: &str) -> Vec<&'c Value> {
    call["hooks"][when].as_array().into_iter().flatten().collect()
}

fn custom(deed: &Value) -> Reason {
    Reason::Custom { text: deed["reason"].as_str().expect("a reason").to_owned() }
}

fn select<'t>(table: &'t Table, rules: &[Rule], files: &Files, call: &Value) -> Result<Selection<'t>, SelectError> {
    let place = |deed: &Value| table.place(deed["id"].as_str().expect("an id")).expect("a spec");
    let mut selector = Selector::new(table);
    for deed in deeds(call, "start").into_iter().filter(|deed| deed["do"] == "mask") {
        selector.mask(place(deed), custom(deed));
    }
    selector.apply(rules, &Facts { contents: files, history: &[] })?;
    for deed in deeds(call, "modify") {
        match deed["do"].as_str() {
            Some("mask") => selector.mask(place(deed), custom(deed)),
            Some("unmask") => selector.unmask(place(deed)),
            other => panic!("{other:?}"),
        }
    }
    selector.propagate()?;
    Ok(selector.finish())
}

/// A case's expectation where a hook masks or unmasks: for us a spec is left out if it is masked by one and taken in if it
/// is unmasked; in Canary only if the hook keeps the set of masked ids itself, and not at all at the start (`DEVIATIONS.md`).
fn as_ours(case: &Value) -> (Vec<Value>, Vec<Value>) {
    let (expect, call) = (&case["expect"], &case["call"]);
    let list = |name: &str| expect[name].as_array().expect("a list").clone();
    let (mut selected, mut masked) = (list("selected"), list("masked_ids"));
    for deed in deeds(call, "start").into_iter().chain(deeds(call, "modify")) {
        let id = &deed["id"];
        match deed["do"].as_str() {
            Some("mask") if !masked.contains(id) => {
                selected.retain(|other| other != id);
                masked.push(id.clone());
            }
            Some("unmask") if masked.contains(id) && expect["masks"].get(id.as_str().expect("text")).is_none() => {
                masked.retain(|other| other != id);
                selected.push(id.clone());
            }
            _ => {}
        }
    }
    let order = case["given"]["specs"].as_array().expect("specs");
    selected.sort_by_key(|id| order.iter().position(|spec| spec["id"] == *id));
    (selected, masked)
}

fn replay(case: &Value) {
    let (given, call, expect) = (&case["given"], &case["call"], &case["expect"]);
    let name = &case["name"];
    let mut specs = cases::specs(&given["specs"]);
    let mut rules = cases::rules(&call["rules"]);
    for deed in deeds(call, "start") {
        match deed["do"].as_str() {
            Some("drop_spec") => specs.retain(|spec| json!(spec.id) != deed["id"]),
            Some("add_rule") => rules.extend(cases::rules(&json!([deed["rule"]]))),
            _ => {}
        }
    }
    let table = Table::new(&specs);
    let files = Files::of(&given["specs"]);
    let selection = match (select(&table, &rules, &files, call), expect.get("error")) {
        (Ok(selection), None) => selection,
        (Err(error), Some(expected)) => {
            assert!(cases::is_expected_error(&error, expected), "{name}: {error}, want {expected}");
            return;
        }
        (found, _) => panic!("{name}: {:?}, want {expect}", found.map(|_| "a selection")),
    };
    let (selected, masked_ids) = as_ours(case);
    let found: Vec<&str> = selection.selected().map(|spec| table.id(spec)).collect();
    assert_eq!(json!(found), json!(selected), "{name}");
    let found = cases::sorted_ids(&table, selection.excluded().iter());
    assert_eq!(found, cases::sorted(&json!(masked_ids)), "{name}");
    assert_eq!(cases::masks(&table, selection.masked()), expect["masks"], "{name}");
    if let Some(order) = expect.get("rule_order") {
        let classes = in_order(&rules).into_iter().map(|(_, rule)| class(rule.word()));
        assert_eq!(json!(classes.collect::<Vec<_>>()), *order, "{name}");
    }
    if let Some(report) = expect.get("report") {
        let groups = selection.report();
        let groups = groups.iter().map(|group| json!({"reason": cases::reason(group.reason), "count": group.count}));
        assert_eq!(json!(groups.collect::<Vec<_>>()), *report, "{name}");
    }
}

/// Canary's class of a rule.
fn class(word: &str) -> &'static str {
    match word {
        "keyword" => "KeywordRule",
        "parameter" => "ParameterRule",
        "ids" => "IDsRule",
        "owners" => "OwnersRule",
        "prefix" => "PrefixRule",
        "regex" => "RegexRule",
        other => panic!("{other}"),
    }
}

#[test]
fn golden_rules_leave_out_what_canary_leaves_out() {
    golden::cases("canary/rule_masks.json", "cases").iter().for_each(replay);
}

#[test]
fn golden_masks_spread_as_in_canary() {
    golden::cases("canary/mask_propagation.json", "cases").iter().for_each(replay);
}
