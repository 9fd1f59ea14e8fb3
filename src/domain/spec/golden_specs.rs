//! The specs of Canary's golden cases, read through our own door.

use serde_json::{Value, json};

use super::document::Draft;
use super::{Spec, Timeouts};

/// Members of a case's spec that say what is on its disk or what came of it before.
const NO_SPEC: [&str; 7] = ["label", "content", "content_base64", "mtime", "previous", "case_mask", "execpath"];

/// A case's spec. Its assets tell of files, and are left out.
pub(crate) fn spec(case: &Value) -> Spec {
    draft(case).spec
}

/// A case's spec with what it waits for.
pub(crate) fn draft(case: &Value) -> Draft {
    let mut members = case.as_object().expect("a spec").clone();
    if let Some(path) = members.get("execpath") {
        let path = path.clone();
        members.insert("attributes".to_owned(), json!({ "execpath": path }));
    }
    members.retain(|name, _| !NO_SPEC.contains(&name.as_str()) && name != "assets");
    members.entry("file_root").or_insert_with(|| Value::from("/suite"));
    Draft::read(Value::Object(members), &Timeouts::default()).unwrap_or_else(|faults| panic!("{case}: {faults:?}"))
}

/// The specs of a case.
pub(crate) fn specs(case: &Value) -> Vec<Spec> {
    case["given"]["specs"].as_array().expect("specs").iter().map(spec).collect()
}
