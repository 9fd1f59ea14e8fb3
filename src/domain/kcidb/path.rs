//! The paths of tests: dotted names whose segments are letters, digits, `_` and `-`.
//!
//! What comes out of here is always legal, whatever went in. Where the bridge's rule gives a legal path, that path is
//! kept to the letter: dashboards have years of history under it.

use std::collections::{HashMap, HashSet};

/// The path of a boot test.
pub const BOOT: &str = "boot";

/// The path of a test, by the rule of riscv-kcidb-bridge: the collection, and the test without what stands before its
/// first `-`, which is taken for the collection's name. (`ltp`, `ltp-smoke`) and (`ltp`, `smoke`) both give `ltp.smoke`.
#[must_use]
pub fn test_path(collection: &str, test: &str) -> String {
    let test = test.split_once('-').map_or(test, |(_, rest)| rest);
    clean(&format!("{collection}.{test}"))
}

/// The path of a case inside a test: one segment more, in which dots, too, become `_`. `test_path` is a legal path.
#[must_use]
pub fn case_path(test_path: &str, case: &str) -> String {
    format!("{test_path}.{}", segment(case))
}

/// Makes the paths of one job distinct: the second of a name gets `-2`, the third `-3`, and so on past those that are
/// taken. The order and number of the paths stay.
#[must_use]
pub fn distinct(paths: impl IntoIterator<Item = String>) -> Vec<String> {
    let paths: Vec<String> = paths.into_iter().collect();
    let mut taken: HashSet<String> = paths.iter().cloned().collect();
    let mut last_number: HashMap<String, u64> = HashMap::new();
    let mut number = |path: String| {
        let Some(last) = last_number.get_mut(&path) else {
            last_number.insert(path.clone(), 1);
            return path;
        };
        loop {
            *last += 1;
            let numbered = format!("{path}-{last}");
            if taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    };
    paths.into_iter().map(&mut number).collect()
}

/// A legal path: illegal letters become `_`, one for one, and so does an empty segment.
fn clean(path: &str) -> String {
    path.split('.').map(segment).collect::<Vec<_>>().join(".")
}

/// A legal segment of a path.
fn segment(text: &str) -> String {
    if text.is_empty() {
        return "_".to_owned();
    }
    text.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::golden;
    use crate::domain::kcidb::object::ObjectKind;
    use crate::domain::kcidb::schema;

    fn is_legal(path: &str) -> bool {
        let object = json!({"id": "riscv:t", "origin": "riscv", "build_id": "riscv:b", "path": path});
        schema::validate_object(ObjectKind::Test, &object).is_ok()
    }

    #[test]
    fn golden_paths() {
        for row in golden::cases("wire/bridge_conversions.json", "path") {
            let part = |key: &str| row[key].as_str().unwrap();
            let (path, bridges) = (test_path(part("collection"), part("test")), part("path"));
            let legal = row["legal_kcidb_path"].as_bool().unwrap();
            assert_eq!(is_legal(bridges), legal, "{row}");
            assert!(is_legal(&path), "{row}: {path}");
            if legal {
                assert_eq!(path, bridges, "{row}");
            }
        }
    }

    #[test]
    fn illegal_paths_of_the_bridge_are_cleaned() {
        for (collection, test, path) in [
            ("ltp", "", "ltp._"),
            ("ltp", "x-", "ltp._"),
            ("", "ltp-smoke", "_.smoke"),
            ("my suite", "ltp-smoke", "my_suite.smoke"),
            ("ltp", "ltp-a b", "ltp.a_b"),
            ("ltp", "ltp-ä..", "ltp._._._"),
            ("", "", "_._"),
        ] {
            assert_eq!(test_path(collection, test), path);
        }
    }

    #[test]
    fn cases_are_one_segment() {
        assert_eq!(case_path("ltp.smoke", "a.b c"), "ltp.smoke.a_b_c");
        assert_eq!(case_path(BOOT, ""), "boot._");
    }

    #[test]
    fn twins_are_numbered_past_those_taken() {
        let given = ["a", "a", "b", "a-2", "a", "a-2"].map(str::to_owned);
        assert_eq!(distinct(given), ["a", "a-3", "b", "a-2", "a-4", "a-2-2"]);
        assert_eq!(distinct(["a", "a", "a"].map(str::to_owned)), ["a", "a-2", "a-3"]);
    }

    proptest! {
        #[test]
        fn every_path_is_legal(collection in any::<String>(), test in any::<String>(), case in any::<String>()) {
            let path = test_path(&collection, &test);
            prop_assert!(is_legal(&path), "{path}");
            let path = case_path(&path, &case);
            prop_assert!(is_legal(&path), "{path}");
        }

        #[test]
        fn distinct_paths_are_distinct_and_legal(cases in prop::collection::vec("[a ]{0,2}(-[23])?", 0..12)) {
            let paths = distinct(cases.iter().map(|case| case_path(BOOT, case)));
            prop_assert_eq!(paths.iter().collect::<HashSet<_>>().len(), cases.len());
            prop_assert!(paths.iter().all(|path| is_legal(path)), "{:?}", paths);
        }
    }
}
