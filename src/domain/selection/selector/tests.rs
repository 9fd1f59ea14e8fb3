//! Our own rules, which Canary has not, and the sentences.

use serde_json::json;

use super::{SelectError, Selection, select};
use crate::domain::selection::facts::{Facts, History, NoContents};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Rule, in_order};
use crate::domain::selection::table::Table;
use crate::domain::spec::{Dependency, Spec, Timeouts};
use crate::domain::spec_result::status::Status;

/// A spec with the id `000000NN` and the view `d/tNN/tNN.pyt`, which depends on others by number.
fn spec(number: usize, on: &[usize]) -> Spec {
    let mut spec = Spec {
        id: format!("{number:08}"),
        file_root: "/s".to_owned(),
        file_path: format!("d/t{number:02}.pyt"),
        timeout: 10.0,
        dependencies: on.iter().map(|on| Dependency { id: format!("{on:08}"), when: "pass".to_owned() }).collect(),
        ..Spec::default()
    };
    spec.fill(&Timeouts::default());
    spec
}

fn rules(rules: serde_json::Value) -> Vec<Rule> {
    serde_json::from_value(rules).unwrap()
}

fn chosen(selection: &Selection<'_>) -> Vec<u32> {
    selection.selected().collect()
}

fn came_to(status: Status) -> History {
    let (passes, failures) = (u64::from(status == Status::Success), u64::from(status == Status::Failed));
    History { newest: Some((status.category(), status)), passes, failures, ..History::default() }
}

#[test]
fn history_picks_what_failed_what_never_ran_and_what_is_flaky_or_slow() {
    let specs: Vec<Spec> = (0..5).map(|number| spec(number, &[])).collect();
    let table = Table::new(&specs);
    let history = [
        History { seconds: Some(90.0), ..came_to(Status::Success) },
        History { seconds: Some(0.5), failures: 0b110, ..came_to(Status::Failed) },
        History { passes: 0b101, failures: 0b010, changed_since: true, ..came_to(Status::Success) },
        came_to(Status::Blocked),
    ];
    let facts = Facts { contents: &NoContents, history: &history };
    let pick = |rule: serde_json::Value| {
        let rules = rules(json!([rule]));
        chosen(&select(&table, &rules, &facts).unwrap())
    };
    assert_eq!(pick(json!({"type": "history", "want": "failed"})), [1]);
    assert_eq!(pick(json!({"type": "history", "want": "not_passed"})), [1, 3, 4]);
    assert_eq!(pick(json!({"type": "history", "want": "never_run"})), [4]);
    assert_eq!(pick(json!({"type": "history", "want": "changed"})), [2, 4]);
    assert_eq!(pick(json!({"type": "history", "want": "flaky"})), [2]);
    assert_eq!(pick(json!({"type": "history", "want": "flaky", "latest": 1})), [] as [u32; 0]);
    assert_eq!(pick(json!({"type": "history", "want": "flaky", "latest": 0})), [] as [u32; 0]);
    assert_eq!(pick(json!({"type": "history", "want": "flaky", "latest": 2})), [2]);
    assert_eq!(pick(json!({"type": "history", "want": "slow"})), [0]);
    assert_eq!(pick(json!({"type": "history", "want": "slow", "slow_s": 0})), [0, 1]);
    let selection = select(&table, &rules(json!([{"type": "history", "want": "failed"}])), &facts).unwrap();
    let said = |spec| selection.reason(spec).unwrap().to_string();
    assert_eq!(said(0), "asked for were those that failed last; it came to SUCCESS last");
    assert_eq!(said(4), "asked for were those that failed last; it never ran");
}

#[test]
fn a_change_picks_what_it_concerns_and_everything_where_that_is_not_known() {
    let mut specs: Vec<Spec> = (0..4).map(|number| spec(number, &[])).collect();
    let asset = json!({"src": "data/mesh.txt", "action": "link"});
    specs[1].assets = vec![serde_json::from_value(asset).unwrap()];
    let absolute = json!({"src": "/s/common.h", "action": "link"});
    specs[2].assets = vec![serde_json::from_value(absolute).unwrap()];
    let table = Table::new(&specs);
    let pick = |rule: serde_json::Value| {
        let rules = rules(json!([rule]));
        chosen(&select(&table, &rules, &Facts::NONE).unwrap())
    };
    assert_eq!(pick(json!({"type": "changed", "paths": ["d/t00.pyt"]})), [0]);
    assert_eq!(pick(json!({"type": "changed", "paths": ["d/data/mesh.txt", "common.h"]})), [1, 2]);
    assert_eq!(pick(json!({"type": "changed", "paths": []})), [] as [u32; 0]);
    let affects = json!([{"paths": ["docs/*"], "views": []}, {"paths": ["lib/*"], "views": ["d/t03/*"]}]);
    assert_eq!(pick(json!({"type": "changed", "paths": ["docs/a.md"], "affects": affects})), [] as [u32; 0]);
    assert_eq!(pick(json!({"type": "changed", "paths": ["lib/x.c", "d/t00.pyt"], "affects": affects})), [0, 3]);
    assert_eq!(pick(json!({"type": "changed", "paths": ["lib/x.c", "who/knows"], "affects": affects})), [0, 1, 2, 3]);
}

#[test]
fn a_budget_is_spent_on_what_can_run_and_fits() {
    // 3 depends on 2, which does not fit; 1 depends on 0.
    let specs = [spec(0, &[]), spec(1, &[0]), spec(2, &[]), spec(3, &[2])];
    let table = Table::new(&specs);
    let history = [5.0, 4.0, 30.0].map(|seconds| History { seconds: Some(seconds), ..came_to(Status::Success) });
    let facts = Facts { contents: &NoContents, history: &history };
    let selection = select(&table, &rules(json!([{"type": "budget", "seconds": 20}])), &facts).unwrap();
    assert_eq!(chosen(&selection), [0, 1]);
    assert_eq!(selection.reason(2), Some(&Reason::OverBudget { needs_s: 30, left_s: 15 }));
    assert_eq!(selection.reason(3), Some(&Reason::DependencyMasked));
    // Without results the timeouts count: 10 s each.
    let selection = select(&table, &rules(json!([{"type": "budget", "seconds": 20}])), &Facts::NONE).unwrap();
    assert_eq!(chosen(&selection), [0, 2]);
}

#[test]
fn why_goes_down_to_the_spec_that_is_left_out_for_a_reason_of_its_own() {
    let specs = [spec(0, &[]), spec(1, &[0]), spec(2, &[1]), spec(3, &[])];
    let table = Table::new(&specs);
    let ids = json!([{"type": "ids", "ids": ["00000001", "00000002", "00000003"]}]);
    let selection = select(&table, &rules(ids), &Facts::NONE).unwrap();
    let chain: Vec<(u32, String)> = selection.why(2).iter().map(|it| (it.spec, it.reason.to_string())).collect();
    assert_eq!(
        chain,
        [
            (2, "something that it depends on is left out".to_owned()),
            (1, "something that it depends on is left out".to_owned()),
            (0, "its id is not one of 0000000, 0000000, 0000000".to_owned()),
        ]
    );
    assert!(selection.why(3).is_empty());
}

#[test]
fn a_rule_is_read_strictly_and_written_as_it_was() {
    for text in [
        r#"{"type":"keyword","expressions":["a"]}"#,
        r#"{"type":"parameter","expression":"np=1","priority":-2}"#,
        r#"{"type":"history","want":"slow","slow_s":5}"#,
        r#"{"type":"changed","paths":["a"],"affects":[{"paths":["b"],"views":[]}]}"#,
    ] {
        let rule: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&rule).unwrap(), text);
    }
    for wrong in [
        json!({"type": "keyword", "expression": "a"}),
        json!({"type": "keyword", "expressions": ["a"], "x": 1}),
        json!({"type": "nosuch"}),
        json!({"expressions": []}),
        json!({"type": "ids", "ids": [], "priority": "high"}),
        json!({"type": "history", "want": "good"}),
    ] {
        assert!(serde_json::from_value::<Rule>(wrong.clone()).is_err(), "{wrong}");
    }
    let listed = rules(json!([
        {"type": "ids", "ids": ["a"]}, {"type": "ids", "ids": ["b"], "priority": 1}, {"type": "ids", "ids": ["c"]},
    ]));
    assert_eq!(in_order(&listed).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 0, 2]);
}

#[test]
fn an_error_names_the_rule_and_the_spec() {
    let mut specs = [spec(0, &[]), spec(1, &[])];
    specs[1].parameters.insert("x".to_owned(), json!("text"));
    let table = Table::new(&specs);
    let error = select(
        &table,
        &rules(json!([{"type": "ids", "ids": [""]}, {"type": "parameter", "expression": "x<1"}])),
        &Facts::NONE,
    );
    let error = error.err().unwrap();
    assert!(matches!(&error, SelectError::Type { rule: 1, spec, .. } if spec == "00000001"), "{error}");
    assert!(error.to_string().starts_with("rule 2: spec 00000001: "), "{error}");
    let slow = json!([{"type": "regex", "pattern": "(?=(a+)+\\1b)a"}]);
    let error = select(&table, &rules(slow), &Facts::NONE).err().unwrap();
    assert!(matches!(&error, SelectError::Unreadable { path, .. } if path == "/s/d/t00.pyt"), "{error}");
}
