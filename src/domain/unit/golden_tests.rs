//! Units, their fields and test plans, as measured on Checkbox. What needs a session is replayed by the session.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::lists::{include_list, override_list};
use super::words::word_list;
use super::{FieldValue, Form, Job, Pattern, PlanError, Qualifier, RequiresError, Test, TestPlan, Unit, select};
use crate::domain::golden::documents;
use crate::domain::program::ProgramErrorKind;

/// The operations that need nothing but units. A case is replayed as long as its steps are such.
fn replay(file: &str, mut answer: impl FnMut(&Case, &Value) -> Option<Value>) -> usize {
    let mut count = 0;
    for case in documents(file).iter().flat_map(|document| document.as_array().expect("a list of cases")) {
        let case = Case::new(case);
        for (step, expected) in case.steps.iter().zip(&case.expect) {
            if matches!(step["op"].as_str(), Some("update_job_result" | "add_unit" | "remove_unit")) {
                break;
            }
            let Some(answer) = answer(&case, step) else { continue };
            count += 1;
            let answer = as_original(&case, step, answer, expected);
            assert_eq!(floats(answer), floats(expected.clone()), "{}: {step}", case.name);
        }
    }
    count
}

/// The value with all its numbers as floats: Python tells 10 from 10.0, and JSON does not.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.into_iter().map(floats).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, floats(value))).collect(),
        other => other,
    }
}

/// What we answered, without what we do otherwise on purpose (tests/golden/DEVIATIONS.md): an entry whose signs are escaped
/// names what it means, and nothing in the original.
fn as_original(case: &Case, step: &Value, mut answer: Value, expected: &Value) -> Value {
    if !case.is_quirk || step["op"] != "select_plan" {
        return answer;
    }
    let plan = case.plan(&step["plan"]);
    let is_escaped = |text: &str| matches!(Form::of(text), Ok(Form::Fixed(literal)) if literal != text);
    let (Some(selected), Some(expected)) =
        (answer["ok"]["selected"].as_array_mut(), expected["ok"]["selected"].as_array())
    else {
        return answer;
    };
    for entry in plan.text("include").into_iter().flat_map(str::lines).filter(|line| is_escaped(line)) {
        let pattern = Pattern::anchored(plan.namespace(), entry).expect("a pattern");
        for job in case.jobs.iter().filter(|job| pattern.matches(&job.id).expect("no limit")) {
            let id = json!(job.id);
            assert!(selected.contains(&id), "{}: {entry} selects {id}", case.name);
            selected.retain(|selected| *selected != id || expected.contains(&id));
        }
    }
    answer
}

struct Case {
    name: String,
    units: Vec<Unit>,
    jobs: Vec<Job>,
    namespace: Option<String>,
    steps: Vec<Value>,
    expect: Vec<Value>,
    is_quirk: bool,
}

impl Case {
    fn new(case: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let namespace = case["given"]["namespace"].as_str().map(str::to_owned);
        let units: Vec<_> =
            list(&case["given"]["units"]).iter().map(|unit| self::unit(namespace.as_deref(), unit)).collect();
        Self {
            name: case["name"].as_str().expect("a name").to_owned(),
            jobs: units.iter().filter_map(|unit| Job::read(unit).ok()).collect(),
            units,
            namespace,
            steps: list(&case["steps"]),
            expect: if case["expect"].is_array() { list(&case["expect"]) } else { list(&case["expect_any_of"][0]) },
            is_quirk: case["quirk"].is_string(),
        }
    }

    fn find(&self, id: &str) -> Option<Unit> {
        self.units.iter().find(|unit| unit.id() == Some(id)).cloned()
    }

    fn plan(&self, id: &Value) -> Unit {
        self.find(id.as_str().expect("an id")).expect("a plan")
    }

    fn test_plan(&self, id: &Value) -> TestPlan {
        TestPlan::read(&self.plan(id), &|id| self.find(id)).expect("a test plan")
    }

    fn selected(&self, qualifiers: Result<Vec<Qualifier>, PlanError>) -> Value {
        match qualifiers {
            Ok(qualifiers) => {
                let places = select(&self.jobs, &qualifiers).expect("no pattern takes long");
                let ids: Vec<_> = places.into_iter().map(|place| self.jobs[place].id.as_str()).collect();
                json!({ "ok": { "selected": ids } })
            }
            Err(error) => plan_error(&error),
        }
    }
}

fn plan_error(error: &PlanError) -> Value {
    let kind = match error {
        PlanError::Line { .. } => "ValueError",
        PlanError::Pattern { .. } | PlanError::TooLong { .. } => "RegexError",
        PlanError::OtherKind(_) | PlanError::NoId => "KeyError",
    };
    json!({ "error": { "type": kind } })
}

pub(super) fn unit(namespace: Option<&str>, fields: &Value) -> Unit {
    let fields = fields.as_object().expect("fields");
    let about = |key| fields.get(key).and_then(Value::as_str);
    let values = fields.iter().filter(|(name, _)| !name.starts_with('@'));
    let values: BTreeMap<_, _> =
        values.filter_map(|(name, value)| Some((name.clone(), FieldValue::from_json(value.clone())?))).collect();
    Unit::new(about("@ns").or(namespace), about("@provider"), values)
}

#[test]
fn golden_words_are_as_measured() {
    let count = replay("plainbox/unit_fields.json", |_, step| {
        let text = (step["op"] == "word_list").then(|| step["text"].as_str().expect("a text"))?;
        let word = |word: Result<String, _>| word.map_or_else(|_| json!({ "error": true }), Value::from);
        Some(json!({ "ok": { "words": word_list(text).map(word).collect::<Vec<_>>() } }))
    });
    assert!(count >= 15, "{count}");
}

#[test]
fn golden_units_are_the_same_as_measured() {
    let count = replay("plainbox/unit_fields.json", |case, step| {
        let read = |key: &str| (step["op"] == "same_unit").then(|| unit(case.namespace.as_deref(), &step[key]));
        Some(json!({ "ok": { "identical": read("a")? == read("b")? } }))
    });
    assert!(count >= 8, "{count}");
}

#[test]
fn golden_job_fields_are_as_measured() {
    let mut count = 0;
    for file in ["plainbox/unit_fields.json", "plainbox/stats.json"] {
        count += replay(file, |case, step| {
            if step["op"] != "job_props" {
                return None;
            }
            let unit = unit(case.namespace.as_deref(), &step["unit"]);
            let names = step["props"].as_array().expect("properties").iter().map(|name| name.as_str().expect("a name"));
            Some(properties(&unit, names))
        });
    }
    assert!(count >= 50, "{count}");
}

fn properties<'a>(unit: &Unit, names: impl Iterator<Item = &'a str>) -> Value {
    let Ok(job) = Job::read(unit) else {
        return json!({ "ok": names.map(|name| (name, Value::Null)).collect::<BTreeMap<_, _>>() });
    };
    let mut values = BTreeMap::new();
    for name in names {
        let value = match name {
            "id" => json!(job.id),
            "partial_id" => json!(unit.partial_id()),
            "summary" => json!(job.summary()),
            "description" => json!(job.description()),
            "plugin" => json!(job.plugin),
            "direct" => sorted(&job.depends),
            "after_ids" => sorted(&job.after),
            "before_ids" => sorted(&job.before),
            "salvage_ids" => sorted(&job.salvages),
            "resource_ids" => match &job.requires {
                Ok(_) => json!(job.resources()),
                Err(error) => return json!({ "error": { "type": requires_error(error) } }),
            },
            "flag_set" => json!(job.flags),
            "environ_set" => json!(job.environ()),
            "automated" => json!(job.is_automated()),
            "startup_user_interaction_required" => json!(job.needs_interaction_to_start()),
            "shell" => json!(job.shell()),
            "user" => json!(job.user()),
            "category_id" => json!(job.category_id),
            "certification_status" => json!(job.certification_status),
            "auto_retry" => json!(job.auto_retry),
            "estimated_duration" => json!(job.estimated_duration),
            other => panic!("{other}"),
        };
        values.insert(name, value);
    }
    json!({ "ok": values })
}

/// Sets are listed in order.
fn sorted(ids: &[String]) -> Value {
    let mut ids = ids.to_vec();
    ids.sort();
    json!(ids)
}

fn requires_error(error: &RequiresError) -> &'static str {
    match error {
        RequiresError::Imports(_) => "ValueError",
        RequiresError::Program(error) => match error.kind {
            ProgramErrorKind::Syntax => "ResourceSyntaxError",
            ProgramErrorKind::NotAllowed => "CodeNotAllowed",
            ProgramErrorKind::NoResource => "NoResourcesReferenced",
            ProgramErrorKind::TooLong | ProgramErrorKind::TooDeep => "too large",
        },
    }
}

#[test]
fn golden_lists_are_as_measured() {
    let count = replay("plainbox/testplan.json", |_, step| {
        let text = step["text"].as_str();
        let entries: Vec<Value> = match step["op"].as_str()? {
            "include_list" => include_list(text?)
                .map(|entry| match entry {
                    Ok(entry) => json!({
                        "line": entry.line,
                        "kind": match Form::of(&entry.text) {
                            Ok(Form::Fixed(_)) => "fixed",
                            Ok(Form::Pattern) => "pattern",
                            Err(_) => "bad pattern",
                        },
                        "text": entry.text,
                        "overrides": entry.overrides,
                    }),
                    Err(error) => json!({ "line": error.line, "error": true }),
                })
                .collect(),
            "override_list" => override_list(text?)
                .map(|entry| match entry {
                    Ok(entry) => json!({ "line": entry.line, "value": entry.value, "pattern": entry.pattern }),
                    Err(error) => json!({ "line": error.line, "error": true }),
                })
                .collect(),
            _ => return None,
        };
        Some(json!({ "ok": { "entries": entries } }))
    });
    assert!(count >= 5, "{count}");
}

#[test]
fn golden_plans_are_as_measured() {
    let count = replay("plainbox/testplan.json", |case, step| {
        let plan = || case.test_plan(&step["plan"]);
        Some(match step["op"].as_str()? {
            "select_plan" => case.selected(match step["part"].as_str()? {
                "include" => plan().include(),
                "mandatory" => plan().mandatory(),
                "bootstrap" => Ok(plan().bootstrap()),
                "setup" => Ok(plan().setup()),
                other => panic!("{other}"),
            }),
            "select" => {
                let list = step["qualifiers"].as_array().expect("a list");
                case.selected(Ok(list.iter().map(qualifier).collect()))
            }
            "plan_bootstrap_ids" => json!({ "ok": { "ids": plan().bootstrap_ids() } }),
            "plan_nested" => json!({ "ok": { "ids": plan().nested() } }),
            "plan_overrides" => match plan().overrides() {
                Ok(overrides) => {
                    let all: Vec<_> = overrides.iter().map(|one| json!([one.text(), one.values()])).collect();
                    json!({ "ok": { "overrides": all } })
                }
                Err(error) => plan_error(&error),
            },
            "plan_category_map" => match plan().category_map(&case.jobs) {
                Ok(map) => json!({ "ok": { "map": map } }),
                Err(error) => plan_error(&error),
            },
            _ => return None,
        })
    });
    assert!(count >= 60, "{count}");
}

fn qualifier(value: &Value) -> Qualifier {
    let member = |key: &str| value[key].as_str().expect("a text").to_owned();
    let pattern = || Pattern::new(&member("pattern")).expect("a pattern");
    let test = match value["kind"].as_str().expect("a kind") {
        "id" => Test::Id(member("id")),
        "pattern" => Test::Pattern(pattern()),
        "field_pattern" => Test::Field { field: member("field"), pattern: pattern() },
        "any_of" => Test::AnyOf(value["list"].as_array().expect("a list").iter().map(qualifier).collect()),
        other => panic!("{other}"),
    };
    Qualifier { test, inclusive: value["inclusive"] != json!(false) }
}
