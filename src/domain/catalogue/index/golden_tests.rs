//! Replays what was measured on QMTest's file database, as far as names alone decide it.
//!
//! One rule sets the index apart: a text that is no [`Label`] names nothing. QMTest finds things under several spellings.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::domain::catalogue::label::scheme::Scheme;
use crate::domain::golden::cases;

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().expect("text").to_owned()).collect()
}

fn set(value: &Value) -> BTreeSet<String> {
    texts(value).into_iter().collect()
}

fn is_label(text: &Value) -> bool {
    text.as_str().expect("text").parse::<Label>().is_ok()
}

/// Booleans are words in QMTest.
fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
        || value.as_str().is_some_and(|word| ["1", "true", "yes", "on"].contains(&&*word.to_lowercase()))
}

fn suite(label: Label, spec: &Value) -> Entry {
    Entry::Suite {
        label,
        test_ids: texts(&spec["test_ids"]),
        suite_ids: texts(&spec["suite_ids"]),
        implicit: is_true(&spec["is_implicit"]),
    }
}

fn entry(kind: &str, label: Label, spec: &Value) -> Entry {
    match kind {
        "test" => Entry::Test(label),
        "resource" => Entry::Resource(label),
        "suite" => suite(label, spec),
        other => panic!("{other}"),
    }
}

/// What a case starts from. None where files are laid out by hand, or named by another class of labels or by other
/// extensions: those go through the reader of QMTest's databases.
fn given(case: &Value) -> Option<Vec<Entry>> {
    let given = &case["given"];
    let options = given["options"].as_object();
    let by_files = options.into_iter().flatten().any(|(option, value)| match option.as_str() {
        "label_class" => value.as_str().expect("a class").parse() != Ok(Scheme::Dotted),
        option => option.ends_with("_extension"),
    });
    if by_files || given.get("files").is_some() || given.get("configuration").is_some() {
        return None;
    }
    let mut entries = Vec::new();
    for (list, kind) in [("tests", "test"), ("resources", "resource"), ("suites", "suite")] {
        for (id, spec) in given[list].as_object().into_iter().flatten() {
            entries.extend(id.parse().ok().map(|label| entry(kind, label, spec)));
        }
    }
    entries.extend(texts(&given["directories"]).iter().filter_map(|id| id.parse().ok()).map(Entry::Directory));
    Some(entries)
}

/// Replays the cases of a file that names alone decide: at least this many.
fn replay(file: &str, at_least: usize, replay: impl Fn(&Value, &Index)) {
    let mut replayed = 0;
    for case in cases(file, "cases") {
        if let Some(entries) = given(&case) {
            replay(&case, &Index::new(entries));
            replayed += 1;
        }
    }
    assert!(replayed >= at_least, "{file}: only {replayed} cases were replayed");
}

/// Holds what a call answers against what was measured. `expect` holds a `result` or an `error`.
fn check(index: &Index, call: &Value, expect: &Value, recommended: &Value) {
    let about = format!("{call} -> {expect}");
    let arguments = &call["args"];
    let method = call["method"].as_str().expect("method");
    let kind = match (method, &arguments["kind"]) {
        ("GetTestIds" | "HasTest" | "GetTest", _) => Kind::Test,
        ("GetSuiteIds" | "HasSuite" | "GetSuite", _) => Kind::Suite,
        ("GetResourceIds" | "HasResource" | "GetResource", _) => Kind::Resource,
        (_, Value::String(word)) => match word.parse() {
            Ok(kind) => kind,
            Err(_) => return assert_eq!(expect["error"]["type"], "KeyError", "{about}"),
        },
        _ => Kind::Suite,
    };
    let error = if recommended["error"].is_null() { &expect["error"] } else { &recommended["error"] };
    let names_a_label = ["id", "directory"].iter().all(|key| arguments.get(*key).is_none_or(is_label));
    match method {
        // Refused before the index is asked; and it would find nothing.
        _ if !names_a_label => {
            let id = arguments["id"].as_str();
            assert!(id.is_none_or(|id| !index.has(kind, id)), "{about}");
        }
        "ExpandIds" => check_expansion(index, &texts(&arguments["ids"]), expect, recommended),
        "GetIds" | "GetTestIds" | "GetSuiteIds" | "GetResourceIds" => {
            let directory: Label = arguments["directory"].as_str().unwrap_or_default().parse().unwrap();
            let recursive = arguments["scan_subdirs"].as_u64() != Some(0);
            check_list(index.ids(kind, &directory, recursive), expect, error);
        }
        "GetSubdirectories" => {
            let directory: Label = arguments["directory"].as_str().unwrap_or_default().parse().unwrap();
            check_list(index.subdirectories(&directory), expect, error);
        }
        "HasTest" | "HasSuite" | "HasResource" => {
            assert_eq!(json!(index.has(kind, arguments["id"].as_str().unwrap())), expect["result"], "{about}");
        }
        "GetTest" | "GetResource" | "GetSuite" | "GetItem" => {
            let id: Label = arguments["id"].as_str().unwrap().parse().unwrap();
            assert_eq!(index.has(kind, id.as_str()), error.is_null(), "{about}");
            if !error.is_null() {
                assert_eq!((&error["kind"], &error["id"]), (&json!(kind), &json!(id)), "{about}");
            } else if kind == Kind::Suite {
                check_suite(&index.suite(&id).expect(&about), &expect["result"]);
            }
        }
        "GetExtension" => {
            let id = arguments["id"].as_str().unwrap();
            let first = [Kind::Test, Kind::Resource, Kind::Suite].into_iter().find(|kind| index.has(*kind, id));
            assert_eq!(json!(first), expect["result"]["kind"], "{about}");
        }
        "GetAllTestAndSuiteIds" => {
            let flattened = index.flatten(&arguments["id"].as_str().unwrap().parse().unwrap());
            let flattened = flattened.expect(&about);
            for (got, key) in [(flattened.test_ids, "test_ids"), (flattened.suite_ids, "suite_ids")] {
                let (mut got, mut expected) = (got, texts(&expect["result"][key]));
                got.sort_unstable();
                expected.sort_unstable();
                assert_eq!(got, expected, "{about}");
            }
        }
        other => panic!("{other}: {about}"),
    }
}

fn check_list(got: Result<Vec<&str>, NoSuchSuite>, expect: &Value, error: &Value) {
    match got {
        Ok(ids) => {
            assert_eq!(json!(ids), json!(set(&expect["result"])), "{expect}");
            assert!(error.is_null(), "{error}");
        }
        Err(absent) => {
            assert_eq!((&error["type"], &error["id"]), (&json!("NoSuchSuiteError"), &json!(absent.id())), "{error}");
        }
    }
}

fn check_suite(view: &SuiteView, expected: &Value) {
    assert_eq!(
        (json!(view.directory), json!(view.implicit)),
        (expected["directory_suite"].clone(), expected["implicit"].clone())
    );
    for (got, key) in [(&view.test_ids, "test_ids"), (&view.suite_ids, "suite_ids")] {
        let expected = if view.directory { json!(set(&expected[key])) } else { expected[key].clone() };
        assert_eq!(json!(got), expected);
    }
}

fn check_expansion(index: &Index, ids: &[String], expect: &Value, recommended: &Value) {
    let expect = if expect["never_returns"] == json!(true) { recommended } else { expect };
    let odd = ids.iter().find(|id| id.parse::<Label>().is_err());
    match index.expand(ids, MissingSuites::Refuse) {
        Ok(expansion) => {
            let got = json!({"test_ids": expansion.test_ids, "suite_ids": expansion.suite_ids});
            let result = &expect["result"];
            assert_eq!(
                got,
                json!({"test_ids": set(&result["test_ids"]), "suite_ids": set(&result["suite_ids"])}),
                "{ids:?}"
            );
        }
        Err(ExpandError::Unknown(id)) if Some(&id) == odd => {}
        Err(ExpandError::Unknown(id)) => {
            assert_eq!(expect["error"], json!({"type": "ValueError", "value": id}), "{ids:?}");
        }
        Err(ExpandError::NoSuchSuite(absent)) if absent.id().parse::<Label>().is_err() => {}
        Err(ExpandError::NoSuchSuite(absent)) => {
            assert_eq!(
                expect["error"],
                json!({"type": "NoSuchSuiteError", "kind": "suite", "id": absent.id()}),
                "{ids:?}"
            );
        }
    }
}

fn check_call(case: &Value, index: &Index) {
    check(index, &case["call"], &case["expect"], &case["recommended"]);
}

#[test]
fn golden_get_ids() {
    replay("qmtest/get_ids.json", 100, check_call);
}

#[test]
fn golden_subdirectories() {
    replay("qmtest/subdirectories.json", 25, check_call);
}

#[test]
fn golden_expand_ids() {
    replay("qmtest/expand_ids.json", 60, check_call);
}

#[test]
fn golden_has_get() {
    replay("qmtest/has_get.json", 70, check_call);
}

/// What was taken into the catalogue, and its directories, which stay.
#[derive(Default)]
struct Stored {
    entries: Vec<Entry>,
    directories: BTreeSet<Label>,
}

impl Stored {
    fn remove(&mut self, kind: &str, label: &Label) {
        self.entries.retain(|entry| match entry {
            Entry::Test(stored) => kind != "test" || stored != label,
            Entry::Resource(stored) => kind != "resource" || stored != label,
            Entry::Suite { label: stored, .. } => kind != "suite" || stored != label,
            Entry::Directory(_) => true,
        });
    }

    fn write(&mut self, kind: &str, label: Label, spec: &Value) {
        self.remove(kind, &label);
        self.directories.insert(label.directory());
        self.entries.push(entry(kind, label, spec));
    }

    fn index(&self) -> Index {
        let directories = self.directories.iter().cloned().map(Entry::Directory);
        Index::new(self.entries.iter().cloned().chain(directories))
    }
}

/// What writing and removing leaves to be seen. The writes themselves are the store's; those under a text that is no
/// label are refused, and what QMTest then finds is not there. Items that QMTest cannot read afterwards are the reader's.
#[test]
fn golden_write_remove_as_far_as_names_go() {
    let mut checked = 0;
    for case in cases("qmtest/write_remove.json", "cases") {
        let Some(entries) = given(&case) else { continue };
        let mut stored = Stored { entries, directories: BTreeSet::new() };
        let steps = case["call"]["steps"].as_array().expect("steps");
        let results = case["expect"]["result"]["steps"].as_array().expect("results");
        let mut refused = false;
        for (step, expect) in steps.iter().zip(results) {
            let arguments = &step["args"];
            let done = expect.get("result").is_some();
            let kind = arguments["kind"].as_str().unwrap_or_default();
            let label = arguments["id"].as_str().and_then(|id| id.parse::<Label>().ok());
            match (step["method"].as_str().expect("method"), label) {
                ("WriteExtension", Some(label)) if done && !label.is_root() => {
                    stored.write(kind, label, &arguments["spec"]);
                }
                ("WriteExtension", label) => refused = refused || label.is_none_or(|label| label.is_root()),
                ("RemoveExtension", Some(label)) if done => stored.remove(kind, &label),
                ("RemoveExtension", Some(label)) if expect["error"]["id"].is_string() => {
                    let kind: Kind = kind.parse().expect("kind");
                    let index = stored.index();
                    assert!(!index.has(kind, label.as_str()) || index.is_directory(&label), "{case}");
                }
                ("RemoveExtension" | "IsModifiable" | "Instantiate", _) => {}
                _ if refused || expect["error"]["code"] == json!("error-loading-xml-test") => {}
                _ => {
                    check(&stored.index(), step, expect, &Value::Null);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 60, "only {checked} steps were checked");
}
