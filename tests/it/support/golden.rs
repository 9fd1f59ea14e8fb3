//! The golden files: ours, and those of the folder that `TESTYARD_GOLDEN` names.

use std::path::PathBuf;

use serde_json::Value;

/// The file of this name, such as `wire/bridge_http.json`, in each of the folders that has one; in our own there must be
/// one.
pub(crate) fn files(name: &str) -> Vec<Value> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name);
    let more = std::env::var_os("TESTYARD_GOLDEN").map(|folder| PathBuf::from(folder).join(name));
    std::iter::once(own.clone())
        .chain(more.filter(|path| path.exists()))
        .map(|path| {
            let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect()
}
