//! Golden case files: the committed ones, and those of the folder that `TESTYARD_GOLDEN` names.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The documents at this path below `tests/golden`, such as `wire/ingest.json`: the committed one, then the other
/// folder's if it has one.
pub(crate) fn documents(path: &str) -> Vec<Value> {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path);
    let mut documents = vec![read(&committed)];
    if let Some(folder) = std::env::var_os("TESTYARD_GOLDEN") {
        let other = Path::new(&folder).join(path);
        if other.exists() {
            documents.push(read(&other));
        }
    }
    documents
}

/// The entries of the list `key` of every document at this path; there is at least one.
pub(crate) fn cases(path: &str, key: &str) -> Vec<Value> {
    let cases: Vec<_> =
        documents(path).iter().filter_map(|document| document[key].as_array()).flatten().cloned().collect();
    assert!(!cases.is_empty(), "{path} has no {key}");
    cases
}

/// The bytes that `value` holds in base64.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().expect("text")).expect("base64")
}

fn read(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
