use super::*;
use crate::domain::unit::{FieldValue, Unit};
use std::collections::BTreeMap;

fn job(id: &str, template: Option<&str>) -> Job {
    let fields = BTreeMap::from([("id".to_owned(), FieldValue::from(id))]);
    let plan = Unit::new(Some("n"), None, BTreeMap::new());
    Job::read(&Unit::instance(&plan, fields, BTreeMap::new(), template)).unwrap()
}

fn over(entry: &str, field: &str, value: &str) -> Override {
    Override::new(Some("n"), entry, vec![(field.to_owned(), value.to_owned())]).unwrap()
}

fn effective(overrides: &Overrides, job: &Job) -> Effective {
    let mut effective = Effective::of(job);
    overrides.apply(job, &mut effective).unwrap();
    effective
}

#[test]
fn the_last_one_that_names_a_job_counts() {
    let overrides = Overrides::new(vec![
        over("a", "category_id", "1"),
        over("a.*", "category_id", "2"),
        over(r"\-", "category_id", "3"),
        over("b", "auto_retry", "no"),
    ]);
    assert_eq!(effective(&overrides, &job("a", None)).category_id, "2");
    assert_eq!(effective(&overrides, &job("-", None)).category_id, "3");
    let b = effective(&overrides, &job("b", None));
    assert_eq!((b.auto_retry.as_str(), b.category_id.as_str()), ("no", super::super::job::UNCATEGORISED));
}

#[test]
fn instances_are_named_by_their_template() {
    let overrides = Overrides::new(vec![over("t", "certification_status", "blocker"), over("u.", "auto_retry", "no")]);
    assert_eq!(effective(&overrides, &job("x", Some("n::t"))).certification_status, "blocker");
    assert_eq!(effective(&overrides, &job("x", Some("n::u1"))).auto_retry, "no");
    assert_eq!(effective(&overrides, &job("x", None)), Effective::of(&job("x", None)));
}

#[test]
fn plans_follow_one_another() {
    let first = Overrides::new(vec![over("a", "category_id", "1"), over(".*", "category_id", "2")]);
    let second = Overrides::new(vec![over("a", "category_id", "3"), over("b", "category_id", "4")]);
    let all = Overrides::of_all([first, second]);
    let texts: Vec<_> = all.iter().map(Override::text).collect();
    assert_eq!(texts, ["^n::a$", "^n::.*$", "^n::b$"]);
    assert_eq!(effective(&all, &job("a", None)).category_id, "2");
    assert_eq!(effective(&all, &job("b", None)).category_id, "4");
}

#[test]
fn overrides_are_stored_and_mean_the_same_when_read() {
    let overrides = Overrides::new(vec![over("a|b", "category_id", "1"), over("c", "auto_retry", "no")]);
    let stored = serde_json::to_value(&overrides).unwrap();
    assert_eq!(stored[0], serde_json::json!({"namespace": "n", "entry": "a|b", "values": [["category_id", "1"]]}));
    let read: Overrides = serde_json::from_value(stored).unwrap();
    assert!(read.iter().eq(overrides.iter()));
    let b = Unit::new(None, None, BTreeMap::from([("id".to_owned(), FieldValue::from("b"))]));
    let b = Job::read(&b).unwrap();
    assert_eq!(effective(&read, &b), Effective::of(&b), "`b` of no namespace");
    assert_eq!(effective(&read, &job("b", None)).category_id, "1");
    let wrong = serde_json::json!([{"entry": "(", "values": []}]);
    assert!(serde_json::from_value::<Overrides>(wrong).is_err());
}
