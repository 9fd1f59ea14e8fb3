//! Takes over specs that Canary pickled.

use serde_json::json;

use super::*;
use crate::domain::canary::spec::read;
use crate::domain::golden::{bytes, cases};
use crate::domain::spec_result::readiness::WANTED;

#[test]
fn golden_specs_of_workspaces_are_taken_over() {
    let mut taken = 0;
    for case in cases("canary_workspace/specs.json", "cases") {
        let (name, expect) = (&case["name"], &case["expect"]);
        let imported = read(&bytes(&case["pickle"])).expect("a spec");
        let ids: Vec<String> = serde_json::from_value(case["dependencies"].clone()).expect("ids");
        let all_are_ids = ids.iter().chain([&imported.id]).all(|id| crate::domain::spec::id::check(id).is_ok());
        let joined = join(imported, ids.clone(), &Timeouts::default());
        let Ok(Joined { spec, left_out }) = joined else {
            assert!(!all_are_ids, "{name}: {joined:?}");
            continue;
        };
        assert!(all_are_ids, "{name}");
        assert_eq!(json!(left_out), expect["left_out"], "{name}");
        assert_eq!(json!(spec.id), expect["id"], "{name}");
        assert_eq!(json!(spec.timeout), expect["timeout_s"], "{name}");
        assert_eq!(json!(spec.parameters), expect["parameters"], "{name}");
        assert_eq!(json!(spec.mask), expect["mask"], "{name}");
        for (place, (dependency, id)) in spec.dependencies.iter().zip(&ids).enumerate() {
            assert_eq!(&dependency.id, id, "{name}");
            assert_eq!(dependency.when, expect["wanted"][place].as_str().unwrap_or(WANTED), "{name}");
        }
        assert_eq!(spec.dependencies.len(), ids.len(), "{name}");
        taken += 1;
    }
    assert!(taken >= 8, "only {taken} were taken");
}
