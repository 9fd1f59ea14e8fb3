use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::Table;
use crate::domain::spec::{Dependency, Spec};

fn spec(id: &str, on: &[&str]) -> Spec {
    Spec {
        id: id.to_owned(),
        file_root: "/s".to_owned(),
        file_path: "d/t.pyt".to_owned(),
        family: "t".to_owned(),
        dependencies: on.iter().map(|on| Dependency { id: (*on).to_owned(), when: "pass".to_owned() }).collect(),
        ..Spec::default()
    }
}

#[test]
fn what_is_depended_on_and_not_there_has_a_place_behind_the_specs() {
    let table = Table::new(&[spec("b", &["x", "a", "y"]), spec("a", &["x"])]);
    let graph = table.graph();
    let names = |nodes: &[u32]| nodes.iter().map(|node| table.id_or_unknown(*node).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(graph.dependencies(0)), ["x", "a", "y"]);
    assert_eq!(names(graph.dependencies(1)), ["x"]);
    assert_eq!(graph.node_count(), 4);
    let unknown: BTreeSet<&str> = table.unknown().into_keys().collect();
    assert_eq!(unknown, BTreeSet::from(["x", "y"]));
    assert_eq!(names(graph.dependents(table.unknown()["x"])), ["b", "a"]);
    assert_eq!((table.place("x"), table.id(7), table.id_or_unknown(9)), (None, "", ""));
}

#[test]
fn what_specs_have_in_common_is_stored_once() {
    let specs: Vec<Spec> = (0..100)
        .map(|number| Spec {
            parameters: [("np".to_owned(), json!(number % 2))].into(),
            ..spec(&format!("{number:03}"), &[])
        })
        .collect();
    let table = Table::new(&specs);
    assert_eq!((table.files.len(), table.parameter_names.len(), table.parameter_values.iter().count()), (1, 1, 2));
    assert_eq!((table.file(99), table.file(100)), ("/s/d/t.pyt", ""));
    assert!(table.bytes() < 100 * 400, "{}", table.bytes());
}

proptest! {
    #[test]
    fn beginnings_of_ids_find_what_begins_so(
        ids in proptest::collection::btree_set("[0-9a-f]{1,4}", 0..20),
        prefix in "[0-9a-f]{0,3}",
    ) {
        let specs: Vec<Spec> = ids.iter().rev().map(|id| spec(id, &[])).collect();
        let table = Table::new(&specs);
        let found: Vec<&str> = table.with_prefix(&prefix).iter().map(|place| table.id(*place)).collect();
        let expected: Vec<&str> = ids.iter().map(String::as_str).filter(|id| id.starts_with(&prefix)).collect();
        prop_assert_eq!(found, expected);
        for id in &ids {
            prop_assert_eq!(table.place(id).map(|place| table.id(place)), Some(id.as_str()));
        }
        prop_assert_eq!(table.place(&prefix).is_some(), ids.contains(&prefix));
    }
}
