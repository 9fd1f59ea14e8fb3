//! Replays specs that Canary pickled.

use serde_json::json;

use super::*;
use crate::domain::golden::{bytes, cases};

#[test]
fn golden_specs_of_workspaces_are_read() {
    let cases = cases("canary_workspace/specs.json", "cases");
    assert!(cases.len() >= 8, "only {} cases", cases.len());
    for case in cases {
        let name = &case["name"];
        let spec = read(&bytes(&case["pickle"])).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(json!(spec), case["expect"], "{name}");
        let ids: Vec<String> = serde_json::from_value(case["dependencies"].clone()).expect("ids");
        let dependencies = spec.dependencies(ids.clone()).expect("dependencies");
        for (index, (dependency, id)) in dependencies.iter().zip(&ids).enumerate() {
            assert_eq!(&dependency.id, id, "{name}");
            let wanted = case["expect"]["wanted"][index].as_str().unwrap_or(WANTED);
            assert_eq!(dependency.wanted, wanted, "{name}");
        }
        assert_eq!(dependencies.len(), ids.len(), "{name}");
    }
}
