//! Replays what was measured of templates (`tests/golden/plainbox/`).

use serde_json::{Value, json};

use super::*;
use crate::domain::golden::documents;
use crate::domain::program::records_of_output;
use crate::domain::unit::golden_tests::unit;
use crate::domain::unit::{Job, Siblings};

fn each_case(mut check: impl FnMut(&Value)) {
    for document in documents("plainbox/generated.json") {
        for case in document.as_array().expect("a list of cases") {
            check(case);
        }
    }
}

#[test]
fn golden_fields_of_instances() {
    let mut count = 0;
    each_case(|case| {
        for (step, expected) in
            case["steps"].as_array().unwrap().iter().zip(case["expect"].as_array().into_iter().flatten())
        {
            if step["op"] == "instantiate" {
                assert_eq!(&instantiated(step), expected, "{}", case["name"]);
                count += 1;
            }
        }
    });
    assert!(count >= 4, "only {count}");
}

fn instantiated(step: &Value) -> Value {
    let template = Template::read(&unit(None, &step["unit"])).expect("a template");
    let units: Vec<Value> = step["records"]
        .as_array()
        .unwrap()
        .iter()
        .zip(1..)
        .map(|(record, index)| {
            let rendering = template.render(&serde_json::from_value(record.clone()).unwrap(), index, None);
            let field = |name: &Value| {
                let value = match rendering.fields.get(name.as_str().unwrap()) {
                    Some(Ok(value)) => serde_json::to_value(value).unwrap(),
                    Some(Err(error)) => json!({"error": measured(error)}),
                    None => Value::Null,
                };
                (name.as_str().unwrap().to_owned(), value)
            };
            Value::Object(step["fields"].as_array().unwrap().iter().map(field).collect())
        })
        .collect();
    json!({"ok": {"units": units}})
}

fn measured(error: &RenderError) -> Value {
    match error {
        RenderError::Missing { name } | RenderError::NoParts { name, .. } => {
            json!({"type": "MissingParam", "parameter": name})
        }
        RenderError::Position { .. } => json!({"type": "IndexError"}),
        other => panic!("{other}"),
    }
}

/// Up to the first change of jobs, a session's new jobs are the instances of its templates. What comes after is the
/// session's.
#[test]
fn golden_instances_of_a_first_result() {
    let mut count = 0;
    each_case(|case| {
        let steps = case["steps"].as_array().unwrap();
        let is_plain = steps.iter().all(|step| step["context"].is_null());
        let (Some(result), Some(seen)) = (
            steps.iter().find(|step| step["op"] == "update_job_result"),
            steps.iter().position(|step| step["op"] == "observe" && step["what"][0] == "job_list"),
        ) else {
            return;
        };
        let is_clash =
            case["expect"].as_array().unwrap().iter().take(seen).any(|expected| !expected["error"].is_null());
        if !is_plain || is_clash || !case["name"].as_str().unwrap().contains("template") {
            return;
        }
        assert_eq!(&jobs_after(case, result, &steps[0]), &case["expect"][seen]["ok"]["job_list"], "{}", case["name"]);
        count += 1;
    });
    assert!(count >= 30, "only {count} sessions");
}

fn jobs_after(case: &Value, result: &Value, session: &Value) -> Value {
    let namespace = case["given"]["namespace"].as_str();
    let is_strict =
        session["flags"].as_array().is_some_and(|flags| flags.contains(&json!("strict_template_expansion")));
    let units: Vec<Unit> =
        case["given"]["units"].as_array().unwrap().iter().map(|fields| unit(namespace, fields)).collect();
    let stdout = result["result"]["stdout"].as_str().unwrap_or_default();
    let (records, _) = records_of_output(stdout.split_inclusive('\n').map(str::as_bytes));
    let made = units
        .iter()
        .filter(|unit| *unit.kind() == Kind::Template)
        .map(|unit| Template::read(unit).expect("a template"))
        .filter(|template| Some(template.resource_id()) == result["job"].as_str())
        .flat_map(|template| template.instances(&records, is_strict));
    let made: Vec<Unit> = made.filter_map(|instance| instance.unit().cloned()).flat_map(with_siblings).collect();
    let jobs = units.iter().chain(&made).filter(|unit| unit.kind().is_job());
    Value::from(jobs.filter_map(|unit| unit.id()).collect::<Vec<_>>())
}

fn with_siblings(unit: Unit) -> Vec<Unit> {
    let siblings = Job::read(&unit).ok().map(|job| Siblings::of(&job).expect("siblings"));
    [unit].into_iter().chain(siblings.unwrap_or_default().units).collect()
}
