//! Orders that were measured on Canary.

use serde_json::{Value, json};

use super::{NoOrder, static_order};
use crate::domain::golden;
use crate::domain::spec::golden_specs;

#[test]
fn orders_are_as_measured() {
    let mut count = 0;
    for case in golden::cases("canary/graph_queries.json", "cases") {
        if case["call"]["op"] != "static_order" {
            continue;
        }
        count += 1;
        let specs = golden_specs::specs(&case);
        let answer = match static_order(&specs) {
            Ok(order) => json!({ "order": order.iter().map(|place| specs[*place].id.as_str()).collect::<Vec<_>>() }),
            Err(NoOrder::Cycle { ids }) => {
                let waits = |from: &String, to: &String| {
                    let from = specs.iter().find(|spec| spec.id == *from).expect("a spec of the case");
                    from.dependencies.iter().any(|dependency| dependency.id == *to)
                };
                assert!(!ids.is_empty());
                let next = ids.iter().cycle().skip(1);
                assert!(ids.iter().zip(next).all(|(from, to)| waits(from, to)), "{}: {ids:?}", case["name"]);
                json!({ "error": { "kind": "cycle" } })
            }
            Err(NoOrder::Missing { id }) => json!({ "error": { "kind": "missing_dependency", "id": id } }),
        };
        assert_eq!(answer, without_raised(&case["expect"]), "{}", case["name"]);
    }
    assert!(count > 10, "{count}");
}

/// The answer without the name of Python's exception.
fn without_raised(expected: &Value) -> Value {
    let mut expected = expected.clone();
    if let Some(error) = expected.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("raised");
    }
    expected
}
