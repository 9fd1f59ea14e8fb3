//! `results.json`: what came of each test of a job and of each case inside it.
//!
//! The file has one member a suite, and `lava` for the steps of the job itself. A suite's step in `lava` says only that
//! the suite's shell ended: it may pass while a case failed, and it failing means that the suite did not get to its end.
//! So the cases are rolled up, and the step counts where there are none. `starttc` and `endtc` of a case are line numbers
//! in the log, not times.

use std::collections::BTreeMap;

use crate::domain::fault::pointer;
use crate::domain::observation::{CaseOutcome, Measurement, TestOutcome};
use crate::domain::status::Status;
use crate::domain::tuxsuite::ordered::Node;
use crate::domain::tuxsuite::{Malformed, excerpt, without_number};

/// The most cases that one file may hold.
pub const MAX_CASES: usize = 200_000;

/// The member that holds the steps of the job itself.
const LAVA: &str = "lava";

/// The steps that log in to the booted system. With boot retries each try is a step.
const LOGINS: [&str; 2] = ["login-action", "auto-login-action"];

/// What a results file tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Files {
    /// The outcome of each suite by its name, without the number that older files put before it.
    pub tests: BTreeMap<String, TestOutcome>,
    /// Whether the system booted, as far as a login was tried: one that passes is enough.
    pub boot: Option<TestOutcome>,
    /// The other steps of the job by their names. A test that was asked for and has no suite may have its step here; most
    /// of these are deeds of LAVA's own (`validate`, `job`, …), which only who knows the request can tell apart.
    pub steps: BTreeMap<String, TestOutcome>,
}

impl Files {
    /// The outcome of the test called `name`: that of its suite, else that of its step.
    #[must_use]
    pub fn test(&self, name: &str) -> Option<&TestOutcome> {
        self.tests.get(name).or_else(|| self.steps.get(name))
    }
}

/// Reads a results file.
///
/// # Errors
///
/// What is not a JSON object of objects, and more than [`MAX_CASES`] cases.
pub fn read(bytes: &[u8]) -> Result<Files, Malformed> {
    let document: Node = serde_json::from_slice(bytes)
        .map_err(|error| Malformed::new("", format!("the results file is not JSON: {error}")))?;
    let Node::Object(suites) = document else {
        return Err(Malformed::new("", "the results file must be an object with a member for each suite"));
    };
    let mut files = Files::default();
    for (_, lava) in suites.iter().filter(|(name, _)| name == LAVA) {
        read_steps(lava, &mut files);
    }
    let mut cases: BTreeMap<&str, Vec<CaseOutcome>> = BTreeMap::new();
    let mut count = 0;
    for (name, suite) in suites.iter().filter(|(name, _)| name != LAVA) {
        let Node::Object(members) = suite else {
            return Err(Malformed::new(
                pointer([name.as_str()]),
                "a suite must be an object with a member for each of its cases",
            ));
        };
        let cases = cases.entry(without_number(name)).or_default();
        let before = cases.len();
        for (case, value) in members {
            read_case(without_number(case), value, cases);
        }
        count += cases.len() - before;
        if count > MAX_CASES {
            return Err(Malformed::new(
                pointer([name.as_str()]),
                format!("the results file holds more than {MAX_CASES} cases"),
            ));
        }
    }
    for (name, cases) in cases {
        let step = files.steps.remove(name);
        files.tests.insert(name.to_owned(), conclude(cases, step));
    }
    Ok(files)
}

/// The outcome of a suite of its cases and of the step that ran it.
fn conclude(cases: Vec<CaseOutcome>, step: Option<TestOutcome>) -> TestOutcome {
    let worst = Status::roll_up(cases.iter().map(|case| case.status));
    let duration_s = step.as_ref().and_then(|step| step.duration_s);
    let (status, reason) = match (worst, step) {
        (None, Some(step)) => (step.status, step.reason),
        (None, None) => (Status::Miss, Some("the suite is in the results file without a single case".to_owned())),
        (Some(worst), Some(step)) if !matches!(step.status, Status::Pass | Status::Skip) && worst > Status::Error => {
            (Status::Error, Some("the test's shell did not end well: some of its cases may be missing".to_owned()))
        }
        (Some(worst), _) => (worst, None),
    };
    TestOutcome { status, reason, duration_s, log_excerpt: None, cases }
}

/// Takes the job's own steps: the logins make the boot, the others are kept by their names.
fn read_steps(lava: &Node, files: &mut Files) {
    let mut logins = Vec::new();
    for (name, value) in lava.members() {
        let bare = without_number(name);
        // A step that was done once for each of several labels holds its results one level deeper.
        let tries: Vec<&Node> = match value.get("result") {
            Some(_) => vec![value],
            None => {
                value.members().iter().map(|(_, inner)| inner).filter(|inner| inner.get("result").is_some()).collect()
            }
        };
        let outcomes = tries.into_iter().map(step_outcome);
        if LOGINS.contains(&bare) {
            logins.extend(outcomes);
        } else if let Some(outcome) = outcomes.min_by_key(|outcome| outcome.status) {
            if bare == name.as_str() {
                files.steps.insert(bare.to_owned(), outcome);
            } else {
                // Only the steps of suites are numbered: this one is a test, cases or none.
                files.steps.insert(bare.to_owned(), outcome.clone());
                files.tests.insert(bare.to_owned(), outcome);
            }
        }
    }
    let passed = logins.iter().position(|login| login.status == Status::Pass);
    files.boot = match passed {
        Some(at) => Some(logins.swap_remove(at)),
        None => logins.into_iter().min_by_key(|login| login.status),
    };
}

fn step_outcome(step: &Node) -> TestOutcome {
    let (status, reason) = status(step);
    let duration_s = step.get("duration").and_then(Node::number).filter(|duration| *duration >= 0.0);
    TestOutcome { status, reason, duration_s, log_excerpt: None, cases: Vec::new() }
}

/// Adds a case, or the cases of a set of cases, whose names are then `set.case`.
fn read_case(name: &str, value: &Node, cases: &mut Vec<CaseOutcome>) {
    let members = value.members();
    let is_set = !members.is_empty() && members.iter().all(|(_, inner)| inner.get("result").is_some());
    if is_set {
        cases.extend(members.iter().map(|(inner, value)| case_outcome(format!("{name}.{inner}"), value)));
    } else {
        cases.push(case_outcome(name.to_owned(), value));
    }
}

fn case_outcome(name: String, case: &Node) -> CaseOutcome {
    let (status, reason) = status(case);
    let measurement = case.get("measurement").and_then(Node::number).map(|value| Measurement {
        value,
        unit: case.get("units").or_else(|| case.get("unit")).and_then(Node::text).map(str::to_owned),
    });
    CaseOutcome {
        name,
        status,
        reason,
        duration_s: case.get("duration").and_then(Node::number).filter(|duration| *duration >= 0.0),
        measurement,
        log_excerpt: case.get("log_excerpt").and_then(Node::text).and_then(excerpt),
    }
}

/// LAVA's word for a case or a step, and why where the word alone does not say it.
fn status(entry: &Node) -> (Status, Option<String>) {
    match entry.get("result").and_then(Node::text) {
        Some("pass") => (Status::Pass, None),
        Some("fail") => (Status::Fail, None),
        Some("skip") => (Status::Skip, None),
        Some("unknown") => (Status::Error, Some("LAVA does not know its result".to_owned())),
        Some(word) => {
            let word: String = word.chars().take(80).collect();
            (Status::Error, Some(format!("`{word}` is not a result that we know")))
        }
        None => (Status::Error, Some("the results file gives no result".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::golden;

    fn of(document: &Value) -> Files {
        read(document.to_string().as_bytes()).expect("a results file")
    }

    /// The collection's part of the path `c.suite.case` is cut off; `ltp-smoke` in the collection `ltp` is `ltp.smoke`.
    #[test]
    fn golden_results_files_give_the_expected_rows() {
        let mut replayed = 0;
        for case in golden::cases("wire/ingest.json", "examples") {
            if case["format"] != "tuxsuite-results-json" {
                continue;
            }
            let name = &case["name"];
            let files =
                read(case["input"].as_str().unwrap().as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut rows = BTreeMap::new();
            for (test, outcome) in &files.tests {
                let path = test.replacen('-', ".", 1);
                rows.insert(path.clone(), (outcome.status, outcome.duration_s));
                for case in &outcome.cases {
                    rows.insert(format!("{path}.{}", case.name), (case.status, case.duration_s));
                }
            }
            rows.extend(files.boot.iter().map(|boot| ("boot".to_owned(), (boot.status, boot.duration_s))));
            let expected: BTreeMap<_, _> = case["expect"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| {
                    let status = row["status"].as_str().unwrap().parse().unwrap();
                    (row["path"].as_str().unwrap().to_owned(), (status, row["duration"].as_f64()))
                })
                .collect();
            assert_eq!(rows, expected, "{name}");
            let rolled_up = Status::roll_up(rows.values().map(|row| row.0)).map(|status| status.to_string());
            assert_eq!(rolled_up.as_deref(), case["rollup"].as_str(), "{name}");
            replayed += 1;
        }
        assert!(replayed > 0);
    }

    #[test]
    fn numbers_before_names_go_and_order_stays() {
        let files = read(
            br#"{"lava":{"0_ltp-smoke":{"result":"pass","duration":9},"1_kunit":{"result":"fail"}},
                "0_ltp-smoke":{"1_b":{"result":"pass"},"0_a":{"result":"skip"}}}"#,
        )
        .unwrap();
        let smoke = &files.tests["ltp-smoke"];
        assert_eq!((smoke.status, smoke.duration_s), (Status::Pass, Some(9.0)));
        assert_eq!(smoke.cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(files.tests["kunit"].status, Status::Fail);
    }

    #[test]
    fn the_wrapper_neither_hides_a_failure_nor_its_own_death() {
        let with = |wrapper: &str, case: &str| {
            let files = of(&json!({ "lava": { "t": { "result": wrapper } }, "t": { "c": { "result": case } } }));
            files.tests["t"].status
        };
        assert_eq!(with("pass", "fail"), Status::Fail);
        assert_eq!(with("fail", "fail"), Status::Fail);
        assert_eq!(with("pass", "pass"), Status::Pass);
        assert_eq!(with("pass", "unknown"), Status::Error);
        assert_eq!(with("fail", "pass"), Status::Error);
        assert_eq!(with("pass", "skip"), Status::Skip);
    }

    #[test]
    fn a_suite_without_cases_takes_its_steps_word() {
        let files = of(&json!({ "lava": { "a": { "result": "fail" }, "b": { "result": "pass" } }, "a": {}, "c": {} }));
        assert_eq!(files.test("a").map(|test| test.status), Some(Status::Fail));
        assert_eq!(files.test("b").map(|test| test.status), Some(Status::Pass));
        assert_eq!(files.test("c").map(|test| test.status), Some(Status::Miss));
        assert!(!files.tests.contains_key("b"), "a step alone is not known to be a test");
        assert_eq!(files.test("d"), None);
    }

    #[test]
    fn one_login_that_passes_is_a_boot() {
        let boot = |lava: Value| of(&json!({ "lava": lava })).boot.map(|boot| boot.status);
        assert_eq!(boot(json!({})), None);
        assert_eq!(boot(json!({ "login-action": { "result": "fail" } })), Some(Status::Fail));
        let retried = json!({ "login-action": { "result": "fail" }, "auto-login-action": { "result": "pass" } });
        assert_eq!(boot(retried), Some(Status::Pass));
        let labels = json!({ "auto-login-action": { "a": { "result": "fail" }, "b": { "result": "pass" } } });
        assert_eq!(boot(labels), Some(Status::Pass));
        let repeated = br#"{"lava":{"login-action":{"result":"pass"},"login-action":{"result":"fail"}}}"#;
        assert_eq!(read(repeated).unwrap().boot.unwrap().status, Status::Pass);
    }

    #[test]
    fn measurements_come_as_numbers_or_texts() {
        let files = of(&json!({ "iperf": {
            "a": { "result": "pass", "measurement": "941.2000000000", "units": "Mbits/sec" },
            "b": { "result": "pass", "measurement": 3, "units": "None" },
            "c": { "result": "pass", "measurement": "None" },
            "tcp": { "d": { "result": "pass" } },
        }}));
        let cases = &files.tests["iperf"].cases;
        let unit = Some("Mbits/sec".to_owned());
        assert_eq!(cases[0].measurement, Some(Measurement { value: 941.2, unit }));
        assert_eq!(cases[1].measurement, Some(Measurement { value: 3.0, unit: None }));
        assert_eq!(cases[2].measurement, None);
        assert_eq!(cases[3].name, "tcp.d");
    }

    #[test]
    fn what_is_not_a_results_file_is_refused_with_its_place() {
        assert_eq!(read(b"<html>").unwrap_err().pointer, "");
        assert_eq!(read(b"[]").unwrap_err().pointer, "");
        assert_eq!(read(br#"{"a/b":1}"#).unwrap_err().pointer, "/a~1b");
        let many = format!(r#"{{"s":{{{}"z":1}}}}"#, r#""c":{},"#.repeat(MAX_CASES));
        let error = read(many.as_bytes()).unwrap_err();
        assert!(error.message.contains("200000"), "{error}");
    }

    proptest! {
        #[test]
        fn a_suite_is_never_better_than_its_worst_case(
            words in proptest::collection::vec(prop_oneof!["pass", "fail", "skip", "unknown", "[a-z]{0,5}"], 1..8),
            wrapper in prop_oneof!["pass", "fail", "skip"],
        ) {
            let cases: serde_json::Map<_, _> =
                words.iter().enumerate().map(|(n, word)| (format!("c{n}"), json!({ "result": word }))).collect();
            let files = of(&json!({ "lava": { "s": { "result": wrapper } }, "s": cases }));
            let suite = &files.tests["s"];
            prop_assert_eq!(suite.cases.len(), words.len());
            prop_assert!(suite.cases.iter().all(|case| suite.status <= case.status));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in "[\\[\\]{}\":,a0_ ]{0,60}") {
            let _ = read(bytes.as_bytes());
        }
    }
}
