//! Runs that were measured on QMTest, replayed through the plan. The scripted classes of the study live here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Cause, Context, Definitions, Known, Plan, PlanResult, Report, ResultKind, Step, Target, TestFacts, simulate,
};
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::golden;

/// A case's definitions.
struct Scripts<'a>(&'a Value);

impl Scripts<'_> {
    fn arguments(&self, kind: ResultKind, id: &str) -> &Value {
        let plural = if kind == ResultKind::Test { "tests" } else { "resources" };
        &self.0[plural][id]["arguments"]
    }

    fn is_file(&self, id: &str, extension: &str) -> bool {
        self.0["files"].get(format!("{id}{extension}")).is_some()
    }

    /// What a scripted class does.
    fn act(&self, step: &Step) -> Report {
        let script = self.arguments(step.kind, &step.id);
        let text = |name: &str| script[name].as_str().unwrap_or_default();
        let mut report = Report::default();
        if step.kind != ResultKind::CleanUp {
            for key in list(&script["report"]) {
                let value = step.context.get(&key).cloned().unwrap_or_else(|| "(absent)".to_owned());
                report.annotations.insert(format!("scripted.ctx.{key}"), value);
            }
        }
        let (raises, outcome, cause) = match step.kind {
            ResultKind::Test => (text("raises"), text("outcome"), text("cause")),
            ResultKind::SetUp => (text("setup_raises"), text("setup_outcome"), text("setup_cause")),
            ResultKind::CleanUp => (text("cleanup_raises"), text("cleanup_outcome"), ""),
        };
        if step.kind == ResultKind::SetUp {
            let pairs = list(&script["provides"]);
            report.properties = pairs
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect();
        }
        let broken_off = match raises.split_once(':').unwrap_or((raises, "")) {
            ("exception", _) => Some((Outcome::Error, Cause::Exception)),
            ("timeout", _) => Some((Outcome::Fail, Cause::Timeout)),
            ("context", key) if !step.context.contains_key(key) => {
                Some((Outcome::Error, Cause::ContextVariableMissing { key: key.to_owned() }))
            }
            _ => None,
        };
        if let Some((outcome, cause)) = broken_off {
            (report.outcome, report.cause) = (Some(outcome), Some(cause));
        } else {
            report.outcome = outcome.parse().ok();
            report.cause = (!cause.is_empty()).then(|| Cause::Said(cause.to_owned()));
        }
        report
    }

    /// The properties that a test may read by the resources that it needs, in however many steps.
    fn provided(&self, needs: &[String]) -> BTreeSet<String> {
        let (mut seen, mut wanted, mut keys) = (BTreeSet::new(), needs.to_vec(), BTreeSet::new());
        while let Some(id) = wanted.pop() {
            if seen.insert(id.clone()) {
                let script = self.arguments(ResultKind::SetUp, &id);
                keys.extend(
                    list(&script["provides"]).iter().filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())),
                );
                wanted.extend(list(&script["resources"]));
            }
        }
        keys
    }
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|it| it.as_str().unwrap().to_owned()).collect()
}

impl Definitions for Scripts<'_> {
    fn test(&self, id: &str) -> Known<TestFacts> {
        if self.is_file(id, ".qmt") {
            return Known::Unreadable;
        }
        let Some(test) = self.0["tests"].get(id) else { return Known::Absent };
        let arguments = &test["arguments"];
        let pair = |pair: &Value| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned());
        Known::There(TestFacts {
            prerequisites: arguments["prerequisites"].as_array().into_iter().flatten().map(pair).collect(),
            resources: list(&arguments["resources"]),
            target_group: arguments["target_group"].as_str().unwrap_or(".*").to_owned(),
        })
    }

    fn resource(&self, id: &str) -> Known<Vec<String>> {
        if self.is_file(id, ".qma") {
            return Known::Unreadable;
        }
        match self.0["resources"].get(id) {
            Some(resource) => Known::There(list(&resource["arguments"]["resources"])),
            None => Known::Absent,
        }
    }
}

fn targets(given: &Value) -> Vec<Target> {
    let Some(targets) = given["targets"].as_array() else {
        return vec![Target { name: "local".into(), group: "local".into(), slots: 1 }];
    };
    let text = |target: &Value, name: &str| target[name].as_str().unwrap_or_default().to_owned();
    targets
        .iter()
        .map(|target| Target {
            name: text(target, "name"),
            group: text(target, "group"),
            slots: usize::try_from(target["threads"].as_u64().unwrap_or(1)).unwrap(),
        })
        .collect()
}

/// The study's word for a cause.
fn code(cause: Option<&Cause>) -> Value {
    let word = match cause {
        None => return Value::Null,
        Some(Cause::DependencyCycle { .. }) => "dependency-cycle".to_owned(),
        Some(Cause::FailedPrerequisite { .. }) => "failed-prerequisite".to_owned(),
        Some(Cause::PrerequisiteMissing { id }) => format!("prerequisite-not-in-database:{id}"),
        Some(Cause::FailedResource { .. }) => "failed-resource".to_owned(),
        Some(Cause::NoMatchingTarget { .. }) => "no-matching-target".to_owned(),
        Some(Cause::NotLoaded) => "could-not-load-test".to_owned(),
        Some(Cause::ResourceMissing) => "resource-missing".to_owned(),
        Some(Cause::Exception) => "exception".to_owned(),
        Some(Cause::Timeout) => "timeout".to_owned(),
        Some(Cause::ContextVariableMissing { key }) => format!("context-variable-missing:{key}"),
        Some(Cause::Said(text)) => format!("script:{text}"),
    };
    Value::from(word)
}

fn annotations(result: &PlanResult) -> BTreeMap<String, String> {
    let mut all = result.annotations.clone();
    all.extend(result.cause.iter().flat_map(Cause::annotations));
    all.extend(result.target.iter().map(|target| ("qmtest.target".to_owned(), target.clone())));
    all
}

/// Compares a result with what was recorded of it. A property that a test could read only because another test's resources
/// had been set up before is not there.
fn compare(result: &PlanResult, expected: &Value, leaked: &dyn Fn(&str) -> bool, what: &str) {
    assert_eq!(result.outcome.to_string(), expected["outcome"].as_str().unwrap(), "{what}: {result:?}");
    assert_eq!(code(result.cause.as_ref()), expected["cause"], "{what}: {result:?}");
    let ours = annotations(result);
    for (name, value) in expected["annotations"].as_object().into_iter().flatten() {
        let read = name.strip_prefix("scripted.ctx.");
        if read.is_some_and(leaked) {
            continue;
        }
        assert_eq!(ours.get(name).map(String::as_str), value.as_str(), "{what}: {name} of {result:?}");
    }
}

#[test]
fn golden_runs_come_to_what_qmtests_did() {
    let mut replayed = 0;
    for case in golden::cases("qmtest/execution.json", "cases") {
        let (name, given, expect) = (case["name"].as_str().unwrap(), &case["given"], &case["expect"]);
        let ids = list(&case["call"]["args"]["ids"]);
        let scripts = Scripts(given);
        let context: Context = given["context"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
            .collect();
        let run = || {
            let plan = Plan::new(&ids, &scripts, targets(given), context.clone());
            simulate(plan, |step| scripts.act(step))
        };
        let results = run();
        assert_eq!(results, run(), "{name}: the same reports make the same results");
        let tests: Vec<&PlanResult> = results.iter().filter(|it| it.kind == ResultKind::Test).collect();
        let distinct: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let told: BTreeSet<&str> = tests.iter().map(|it| it.id.as_str()).collect();
        assert_eq!((tests.len(), told), (distinct.len(), distinct), "{name}: one result for each test");
        replayed += 1;
        if expect["never_returns"] == true {
            hangs(name, given, &results);
            continue;
        }
        let aborted = expect["aborted"].is_object();
        for result in &tests {
            let facts = match scripts.test(&result.id) {
                Known::There(facts) => facts,
                _ => TestFacts::default(),
            };
            let own = scripts.provided(&facts.resources);
            let anybodys = scripts.provided(
                &given["resources"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>()).unwrap_or_default(),
            );
            let leaked = |key: &str| anybodys.contains(key) && !own.contains(key) && !facts.resources.is_empty();
            let what = format!("{name}: {}", result.id);
            match expect["tests"].get(&result.id) {
                Some(expected) if case["spelling_dependent"].is_null() => compare(result, expected, &leaked, &what),
                Some(expected) => {
                    assert_eq!(result.outcome.to_string(), expected["outcome"].as_str().unwrap(), "{what}");
                }
                // What QMTest loses when it counts a test twice, or when it gives a run up, is run as usual here.
                None => {
                    assert!(aborted || list(&expect["never_run_and_not_reported"]).contains(&result.id), "{what}");
                    assert!(result.outcome == Outcome::Pass || result.cause.is_some(), "{what}: {result:?}");
                    if facts.target_group == "(" || facts.target_group == "[" {
                        assert!(
                            matches!(&result.cause, Some(Cause::NoMatchingTarget { fault: Some(_), .. })),
                            "{what}"
                        );
                    }
                }
            }
        }
        if !aborted {
            resources(name, expect, &results, &scripts);
            let expected = |id: &str| given["expectations"][id].as_str().unwrap_or("PASS").to_owned();
            let unexpected = tests.iter().any(|it| it.outcome.to_string() != expected(&it.id));
            assert_eq!(Value::from(unexpected), expect["any_unexpected"], "{name}");
        }
    }
    assert!(replayed > 50, "only {replayed} runs were replayed");
}

/// Resources in the order in which they were set up and cleaned up; where that was a matter of chance, as a set.
fn resources(name: &str, expect: &Value, results: &[PlanResult], scripts: &Scripts<'_>) {
    let key = |kind: &str, id: &str, outcome: &str, cause: &Value| format!("{kind} {id} {outcome} {cause}");
    let mut ours: Vec<String> = results
        .iter()
        .filter(|it| it.kind != ResultKind::Test)
        .map(|it| key(&it.kind.to_string(), &it.id, &it.outcome.to_string(), &code(it.cause.as_ref())))
        .collect();
    let recorded = expect["resources"].as_array().unwrap();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let mut theirs: Vec<String> =
        recorded.iter().map(|it| key(&text(it, "kind"), &text(it, "id"), &text(it, "outcome"), &it["cause"])).collect();
    if expect["order_is_informative"] == true {
        ours.sort();
        theirs.sort();
    }
    assert_eq!(ours, theirs, "{name}");
    if expect["order_is_informative"] != true {
        for (result, expected) in results.iter().filter(|it| it.kind != ResultKind::Test).zip(recorded) {
            let own = scripts.provided(&list(&scripts.arguments(ResultKind::SetUp, &result.id)["resources"]));
            let leaked = |key: &str| {
                !own.contains(key)
                    && result.annotations.get(&format!("scripted.ctx.{key}")).is_some_and(|it| it == "(absent)")
            };
            compare(result, expected, &leaked, &format!("{name}: {}", result.id));
        }
    }
}

/// What QMTest never comes back from: a missing resource on a target with threads, and a test that is named twice.
fn hangs(name: &str, given: &Value, results: &[PlanResult]) {
    for result in results.iter().filter(|it| it.kind == ResultKind::Test) {
        let needs = list(&given["tests"][&result.id]["arguments"]["resources"]);
        let missing = needs.iter().find(|id| given["resources"].get(id.as_str()).is_none());
        let wanted = missing.map(|id| Cause::FailedResource { resource: id.clone() });
        assert!(wanted.is_none() || result.cause == wanted, "{name}: {result:?}");
    }
}
