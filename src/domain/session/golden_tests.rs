//! Replays what was measured on Plainbox's sessions.
//!
//! Each case is replayed step by step, as `README.md` beside the cases says. [`deviations`] knows where the original is left;
//! everything else must be the same.

mod answers;
mod deviations;
mod world;
mod written;

use serde_json::Value;

use crate::domain::golden::documents;
use world::World;

/// Operations that need no session: they are replayed where they belong.
const STATELESS: &[&str] = &[
    "program",
    "parse_imports",
    "parse_records",
    "parse_output",
    "word_list",
    "include_list",
    "override_list",
    "job_props",
    "same_unit",
    "check_unit",
    "instantiate",
];

fn replay(area: &str) {
    let cases: Vec<Value> = documents(&format!("plainbox/{area}.json"))
        .into_iter()
        .flat_map(|document| document.as_array().cloned().expect("a list of cases"))
        .filter(|case| steps(case).iter().any(|step| !STATELESS.contains(&text(&step["op"]))))
        .collect();
    assert!(cases.len() >= 5, "only {} cases", cases.len());
    let failed: Vec<String> = cases.iter().filter_map(differs).collect();
    assert!(failed.is_empty(), "{} of {} differ:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn steps(case: &Value) -> &[Value] {
    case["steps"].as_array().expect("steps")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// How a case differs from what was measured.
fn differs(case: &Value) -> Option<String> {
    let mut world = World::new(&case["given"]);
    let answers: Vec<Value> = steps(case).iter().map(|step| world.answer(step)).collect();
    let expected: Vec<&Value> = match case.get("expect") {
        Some(expected) => vec![expected],
        None => case["expect_any_of"].as_array().expect("alternatives").iter().collect(),
    };
    let mut furthest: Option<(usize, Value)> = None;
    for expected in expected {
        let expected = expected.as_array().expect("outcomes");
        let step = deviations::first_difference(case, expected, &answers)?;
        if furthest.as_ref().is_none_or(|(known, _)| *known < step) {
            furthest = Some((step, expected[step].clone()));
        }
    }
    let (step, expected) = furthest?;
    Some(format!("{} step {step}: {}\n  want {expected}\n  have {}", case["name"], steps(case)[step], answers[step]))
}

#[test]
fn golden_depmgr() {
    replay("depmgr");
}

#[test]
fn golden_device_context() {
    replay("device_context");
}

#[test]
fn golden_generated() {
    replay("generated");
}

#[test]
fn golden_metadata_resume() {
    replay("metadata_resume");
}

#[test]
fn golden_readiness() {
    replay("readiness");
}

#[test]
fn golden_stats() {
    replay("stats");
}

#[test]
fn golden_stories() {
    replay("stories");
}

#[test]
fn golden_testplan() {
    replay("testplan");
}

#[test]
fn golden_trim() {
    replay("trim");
}
