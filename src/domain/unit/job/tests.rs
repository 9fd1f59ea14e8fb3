use super::*;
use std::collections::BTreeMap;

fn unit(namespace: Option<&str>, fields: &[(&str, FieldValue)]) -> Unit {
    let fields: BTreeMap<_, _> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Unit::new(namespace, None, fields)
}

#[test]
fn what_is_no_job_is_refused() {
    let plan = unit(None, &[("id", "p".into()), ("unit", "test plan".into())]);
    assert_eq!(Job::read(&plan).unwrap_err(), JobError::OtherKind(Kind::TestPlan));
    assert_eq!(Job::read(&unit(None, &[("plugin", "shell".into())])).unwrap_err(), JobError::NoId);
}

#[test]
fn lists_of_yaml_are_read_as_texts_are() {
    let list = FieldValue::List(vec!["x".into(), "n::y".into(), "x".into(), Value::Null]);
    let job = Job::read(&unit(Some("m"), &[("id", "a".into()), ("depends", list)])).unwrap();
    assert_eq!(job.depends, ["m::x", "n::y"]);
}

#[test]
fn a_program_that_is_none_makes_no_bad_job() {
    let fields = [("id", "a".into()), ("requires", "r.x == '1'".into()), ("imports", "from nowhere".into())];
    let job = Job::read(&unit(None, &fields)).unwrap();
    assert!(matches!(job.requires, Err(RequiresError::Imports(_))));
    assert!(job.resources().is_empty());
    let unused = Job::read(&unit(None, &[("id", "a".into()), ("imports", "from nowhere".into())])).unwrap();
    assert!(matches!(unused.requires, Ok(None)), "imports that nothing uses are not read");
}

#[test]
fn setup_jobs_say_what_the_manifest_must_hold() {
    let list = FieldValue::List(vec!["has_x".into(), serde_json::json!({"o::n": 3}), Value::Bool(true)]);
    let fields = [("id", "s".into()), ("unit", "setup job".into()), ("requires_manifest", list)];
    let job = Job::read(&unit(Some("m"), &fields)).unwrap();
    assert_eq!(job.manifest, [("m::has_x".to_owned(), Value::Bool(true)), ("o::n".to_owned(), Value::from(3))]);
}

#[test]
fn a_description_is_put_together_from_its_parts() {
    let fields = [("id", "a".into()), ("_purpose", "P".into()), ("verification", "V".into())];
    let job = Job::read(&unit(None, &fields)).unwrap();
    assert_eq!(job.description().as_deref(), Some("PURPOSE:\nP\nVERIFICATION:\nV"));
    assert_eq!(Job::read(&unit(None, &[("id", "a".into())])).unwrap().description(), None);
}
