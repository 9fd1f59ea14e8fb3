use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{GenerateError, Test, sets, specs};
use crate::domain::catalogue::item::{About, Extension, PREREQUISITES};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::value::Value;
use crate::domain::spec::check::check;
use crate::domain::spec::{Spec, Timeouts};

fn matrix(values: Json) -> BTreeMap<String, Vec<Json>> {
    serde_json::from_value(values).unwrap()
}

fn listed(values: Json) -> Vec<BTreeMap<String, Json>> {
    serde_json::from_value(values).unwrap()
}

fn test(program: &str, prerequisites: &[(&str, &str)]) -> Extension {
    let pair = |(id, outcome): &(&str, &str)| {
        Value::Tuple(vec![Value::Text((*id).to_owned()), Value::Enumeral((*outcome).to_owned())])
    };
    let mut extension = Extension {
        class: "command.ExecTest".to_owned(),
        arguments: BTreeMap::from([("program".to_owned(), Value::Text(program.to_owned()))]),
        about: About { keywords: ["fast".to_owned()].into(), owner: Some("ann".to_owned()), ..About::default() },
    };
    extension.arguments.insert(PREREQUISITES.to_owned(), Value::Set(prerequisites.iter().map(pair).collect()));
    extension
}

fn made(tests: &[(&str, Extension)], of: &[BTreeMap<String, Json>]) -> Vec<Spec> {
    let labels: Vec<Label> = tests.iter().map(|(label, _)| label.parse().unwrap()).collect();
    let tests: Vec<Test<'_>> =
        labels.iter().zip(tests).map(|(label, (_, extension))| Test { label, extension }).collect();
    specs(&tests, of, 7, &Timeouts::default())
}

#[test]
fn a_matrix_multiplies_and_a_list_adds() {
    assert_eq!(sets(&matrix(json!({})), &[]), Ok(vec![BTreeMap::new()]));
    let both = sets(&matrix(json!({"np": [1, 2]})), &listed(json!([{"on": "a"}, {"on": "b"}]))).unwrap();
    assert_eq!(
        json!(both),
        json!([
            {"np": 1, "on": "a"}, {"np": 2, "on": "a"}, {"np": 1, "on": "b"}, {"np": 2, "on": "b"},
        ])
    );
    assert_eq!(sets(&matrix(json!({"np": [1, 1]})), &[]).unwrap().len(), 1, "the same set counts once");
    assert_eq!(sets(&matrix(json!({"np": []})), &[]), Err(GenerateError::NoValues("np".into())));
    let twice = sets(&matrix(json!({"np": [1]})), &listed(json!([{"np": 2}])));
    assert_eq!(twice, Err(GenerateError::Twice("np".into())));
    let ten: Vec<u32> = (0..10).collect();
    let five = matrix(json!({"a": ten, "b": ten, "c": ten, "d": ten, "e": ten}));
    assert_eq!(sets(&five, &[]), Err(GenerateError::TooManySets));
}

#[test]
fn prerequisites_become_dependencies_on_the_spec_with_the_same_parameters() {
    let tests = [
        ("net.up", test("up", &[])),
        ("net.dns", test("dns", &[("net.up", "PASS"), ("net.up", "PASS"), ("net.gone", "PASS"), ("net.up", "FAIL")])),
    ];
    let made = made(&tests, &sets(&matrix(json!({"np": [1, 2]})), &[]).unwrap());
    assert_eq!(
        made.iter().map(Spec::fullname).collect::<Vec<_>>(),
        ["net/up.np=1", "net/dns.np=1", "net/up.np=2", "net/dns.np=2"]
    );
    for (up, dns) in [(&made[0], &made[1]), (&made[2], &made[3])] {
        let wanted: Vec<(&str, &str)> = dns.dependencies.iter().map(|it| (it.id.as_str(), it.when.as_str())).collect();
        assert_eq!(wanted, [(up.id.as_str(), "pass"), (up.id.as_str(), "fail")]);
    }
    let dns = &made[1];
    assert_eq!(dns.catalogue_test, Some("net.dns".parse().unwrap()));
    assert_eq!(
        (dns.keywords.as_slice(), dns.owners.as_deref()),
        (["fast".to_owned()].as_slice(), Some(["ann".to_owned()].as_slice()))
    );
    assert_eq!(json!(dns.command), json!({"class": "command.ExecTest", "catalogue_revision": 7}));
    assert!(made.iter().all(|spec| check(spec).is_ok()));
}

#[test]
fn an_id_changes_with_what_the_test_is_and_not_with_the_revision() {
    let one = &made(&[("t", test("a", &[]))], &[BTreeMap::new()])[0].id;
    assert_eq!(one, &made(&[("t", test("a", &[]))], &[BTreeMap::new()])[0].id);
    assert_ne!(one, &made(&[("t", test("b", &[]))], &[BTreeMap::new()])[0].id);
    let (label, extension): (Label, _) = ("t".parse().unwrap(), test("a", &[]));
    let later = specs(&[Test { label: &label, extension: &extension }], &[BTreeMap::new()], 8, &Timeouts::default());
    assert_eq!(one, &later[0].id);
}

proptest! {
    #[test]
    fn there_are_as_many_sets_as_the_values_multiply_to(counts in proptest::collection::vec(1_usize..5, 0..5)) {
        let matrix: BTreeMap<String, Vec<Json>> =
            counts.iter().enumerate().map(|(name, count)| (name.to_string(), (0..*count).map(Json::from).collect())).collect();
        prop_assert_eq!(sets(&matrix, &[]).unwrap().len(), counts.iter().product::<usize>());
    }
}
