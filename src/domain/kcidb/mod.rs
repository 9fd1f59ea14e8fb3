//! KCIDB's report format: what we send to a KCIDB sink, made so that it cannot be refused.
//!
//! [`object`] has the typed objects, [`id`] and [`path`] the names in them, [`text`] turns what runners and people say
//! into what the format allows, and [`schema`] has the last word: an object is checked on its own before it joins a
//! report, because the ingester fails a whole report for one bad object.

mod edition;
pub mod format;
pub mod id;
pub mod object;
pub mod path;
pub mod schema;
pub mod text;

#[cfg(test)]
mod legality;

#[cfg(test)]
mod golden {
    //! The golden cases: every copy of a case file that there is.

    use std::path::Path;

    /// The parsed file from `tests/golden/wire`, and the one of that name in the folder that `TESTYARD_GOLDEN` names,
    /// if it has one.
    pub(super) fn documents(file: &str) -> Vec<serde_json::Value> {
        let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).to_path_buf();
        let there = std::env::var_os("TESTYARD_GOLDEN").map(std::path::PathBuf::from);
        let mut paths = vec![here.join("wire").join(file)];
        paths.extend(there.map(|folder| folder.join("wire").join(file)).filter(|path| path.exists()));
        paths
            .iter()
            .map(|path| {
                let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            })
            .collect()
    }

    /// The list under `key` in every copy of the file; there is at least one item.
    pub(super) fn rows(file: &str, key: &str) -> Vec<serde_json::Value> {
        let rows: Vec<_> =
            documents(file).iter().filter_map(|document| document[key].as_array()).flatten().cloned().collect();
        assert!(!rows.is_empty(), "{file} has no {key}");
        rows
    }
}
