use proptest::prelude::*;
use serde_json::json;

use super::request::{Part, Request, Shortage};
use super::required::Required;
use super::*;

fn pool(document: Value) -> Pool {
    serde_json::from_value(document).unwrap()
}

fn refused(document: Value) -> String {
    serde_json::from_value::<Pool>(document).unwrap_err().to_string()
}

#[test]
fn a_count_stands_for_so_many_instances() {
    let counted = pool(json!({"cpus": 2, "additional_properties": {"rack": "b"}}));
    let written = pool(json!({
        "resources": {"cpus": [{"id": 0}, {"id": "1", "slots": 1}], "gpus": []}, "additional_properties": {"rack": "b"}
    }));
    assert_eq!(counted, written);
    assert_eq!(pool(json!(counted)), counted);
}

#[test]
fn what_is_no_pool_is_refused_with_words() {
    for (document, words) in [
        (json!({}), "want `resources`"),
        (json!({"additional_properties": {}}), "want `resources`"),
        (json!({"resources": {"cpus": 4}}), "expected a sequence"),
        (json!({"cpus": -1}), "invalid value"),
        (json!({"cpus": true}), "invalid type"),
        (json!({"resources": {"cpus": [{"slots": 1}]}}), "missing field `id`"),
        (json!({"resources": {"cpus": [{"id": "a", "slots": 0.5}]}}), "expected u32"),
        (json!({"resources": {"cpus": [{"id": "a"}, {"id": "a"}]}}), "two of cpus have the id `a`"),
        (json!({"resources": {"cpus": [{"id": ""}]}}), "the id of an instance"),
        (json!({"resources": {"cpus": [{"id": []}]}}), "a text or a whole number"),
        (json!({"resources": {"a\n": []}}), "the name of a type"),
        (json!({"cpus": 4_000_000_000_u32, "gpus": 4_000_000_000_u32}), "at most 100000 instances"),
        (json!({"resources": {}, "additional_properties": {"nodes": {"count": 0}}}), "1 or more, as `nodes.count`"),
    ] {
        let refused = refused(document);
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_shortage_names_types_in_the_order_of_the_request() {
    let pool = pool(json!({"cpus": 1, "fpgas": 1}));
    let parts = |parts: &[(&str, u32)]| -> Request {
        parts.iter().map(|(resource, slots)| Part { resource: (*resource).into(), slots: *slots }).collect()
    };
    let short = pool.accommodates(&parts(&[("gpus", 1), ("fpgas", 1), ("cpus", 1), ("cpus", 1)])).unwrap_err();
    assert_eq!(short.types(), ["gpus", "cpus"]);
    assert_eq!(
        short.to_string(),
        "the resource pool has too few slots of gpus (1 asked for, 0 there), cpus (2 asked for, 1 there)"
    );
    let missing = pool.accommodates(&parts(&[("z", 1), ("a", 1), ("cpus", 9)])).unwrap_err();
    assert_eq!(missing.to_string(), "the resource pool has no a, z");
    assert_eq!(Pool::default().accommodates(&Request::default()), Err(Shortage::EmptyPool));
}

#[test]
fn slots_that_are_asked_for_together_come_from_one_instance() {
    let pool = pool(json!({"resources": {"cpus": [{"id": "a", "slots": 3}, {"id": "b", "slots": 3}]}}));
    let request = |slots| -> Request { [Part { resource: CPUS.into(), slots }].into_iter().collect() };
    assert_eq!(pool.accommodates(&request(3)), Ok(()));
    let short = pool.accommodates(&request(5)).unwrap_err();
    assert_eq!(short.to_string(), "the resource pool has too few slots of cpus (5 asked for, 3 there)");
}

#[test]
fn nodes_ask_for_what_stands_on_them() {
    let document = json!({"cpus": 8, "gpus": 2, "additional_properties": {"nodes": {"count": 2}}});
    let two_nodes = pool(document);
    let required = |parameters: Value| Required::of(&two_nodes, |name| parameters.get(name)).unwrap();
    let two = required(json!({"nodes": 2}));
    assert_eq!((two.amounts[CPUS], two.amounts[GPUS], two.nodes), (8, 2, 2));
    assert_eq!(two_nodes.accommodates(&two.request()), Ok(()));
    assert!(two_nodes.accommodates(&required(json!({"nodes": 3})).request()).is_err());
    assert_eq!(required(json!({"nodes": 1, "cpus": 5})).amounts[CPUS], 5);
    assert_eq!(required(json!({"cpus": 5})).nodes, 2);
    assert_eq!(required(json!({"gpus": 2})).nodes, 2);
    assert_eq!(required(json!({"nodes": 0})).nodes, 1);
    assert_eq!(required(json!({"nodes": u64::MAX})).amounts[CPUS], u64::MAX);
}

#[test]
fn a_parameter_that_names_a_resource_is_an_amount() {
    let pool = pool(json!({"cpus": 8}));
    for value in [json!(1.0), json!("1"), json!(null), json!(true), json!(-1), json!([1])] {
        let parameters = json!({"cpus": value});
        let invalid = Required::of(&pool, |name| parameters.get(name)).unwrap_err();
        assert_eq!((invalid.name.as_str(), invalid.value), (CPUS, value.to_string()));
        let unknown = json!({"fpgas": value});
        assert!(Required::of(&pool, |name| unknown.get(name)).is_ok());
    }
}

#[test]
fn a_pool_that_knows_no_processors_runs_nothing() {
    let pool = pool(json!({"fpgas": 1}));
    let parameters = json!({"cpus": "many"});
    let required = Required::of(&pool, |name| parameters.get(name)).unwrap();
    assert_eq!(pool.accommodates(&required.request()), Err(Shortage::Unavailable(vec![CPUS.into()])));
}

proptest! {
    /// Slots that are asked for one by one: handing them out one by one is the oracle.
    #[test]
    fn it_does_exactly_where_handing_out_slot_by_slot_does(
        slots in prop::collection::vec((0..3_usize, 0..4_u32), 0..6),
        asked in prop::collection::vec(0..4_usize, 0..12),
    ) {
        const TYPES: [&str; 4] = ["cpus", "fpgas", "gpus", "unknown"];
        let mut document = json!({"resources": {"cpus": [], "fpgas": []}});
        for (index, (resource, slots)) in slots.iter().enumerate() {
            let name = TYPES[*resource];
            if document["resources"][name].is_null() {
                document["resources"][name] = json!([]);
            }
            document["resources"][name].as_array_mut().unwrap().push(json!({"id": index, "slots": slots}));
        }
        let mut free: Vec<(usize, u32)> = slots;
        let handed_out = asked.iter().all(|resource| {
            let from = free.iter_mut().find(|(of, slots)| of == resource && *slots > 0);
            from.map(|(_, slots)| *slots -= 1).is_some()
        });
        let parts = asked.iter().map(|resource| Part { resource: TYPES[*resource].into(), slots: 1 });
        let answer = pool(document).accommodates(&parts.collect());
        prop_assert_eq!(answer.is_ok(), handed_out, "{:?}", answer);
        if let Err(shortage) = answer {
            prop_assert_eq!(matches!(shortage, Shortage::Unavailable(_)), asked.contains(&3));
        }
    }
}
