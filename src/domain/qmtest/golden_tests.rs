//! The golden cases about databases in files, replayed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::configuration::XML_DATABASE;
use super::golden_database_tests::{Database, Failure};
use super::golden_value_tests::{is_read_here, is_same};
use super::import::Fate;
use super::tree::File;
use super::{classes, layout, targets};
use crate::domain::catalogue::class::Classes;
use crate::domain::catalogue::golden_classes;
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::value::Value;
use crate::domain::golden;

const CASES: [&str; 6] = ["xml_import", "has_get", "get_ids", "subdirectories", "expand_ids", "attachments"];

#[test]
fn golden_databases() {
    let classes = golden_classes::classes();
    let mut seen = BTreeMap::new();
    for file in CASES {
        for case in golden::cases(&format!("qmtest/{file}.json"), "cases") {
            let given = &case["given"];
            let has = |key: &str| given[key].as_object().is_some_and(|map| !map.is_empty());
            let is_here = file == "xml_import" || has("files") || has("options");
            if !is_here || given["database_class"].is_string() {
                continue;
            }
            let database = Database::of(given, &classes);
            let steps = case["call"]["steps"].as_array().map_or_else(|| vec![case["call"].clone()], Vec::clone);
            let expected = case["expect"]["result"]["steps"].as_array();
            let expected = expected.map_or_else(|| vec![case["expect"].clone()], Vec::clone);
            // A database that is changed is no longer the one that was read.
            let reading =
                |call: &Json| !["WriteExtension", "RemoveExtension"].contains(&call["method"].as_str().unwrap());
            for (call, expect) in steps.iter().zip(&expected).take_while(|(call, _)| reading(call)) {
                let name = format!("{} {}", case["name"].as_str().unwrap(), call);
                check(&database, given, call, expect, &classes, &name);
                *seen.entry(file).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(seen.len(), CASES.len(), "{seen:?}");
}

fn check(database: &Database, given: &Json, call: &Json, expect: &Json, classes: &Classes, name: &str) {
    let (method, args) = (call["method"].as_str().unwrap(), &call["args"]);
    let id = args["id"].as_str().unwrap_or_default();
    let (error, result) = (&expect["error"], &expect["result"]);
    let file = |path: &str| match database.tree.file(path) {
        Some(File::Content(bytes)) => bytes.as_slice(),
        _ => panic!("{name}: no {path}"),
    };
    match method {
        "GetTest" | "GetResource" | "GetSuite" | "HasTest" | "HasResource" | "HasSuite" => {
            check_get(database, given, call, expect, classes, name);
        }
        "GetIds" | "GetTestIds" | "GetSuiteIds" | "GetResourceIds" | "GetSubdirectories" => {
            check_ids(database, call, expect, name);
        }
        "ExpandIds" => check_expansion(database, args, expect, name),
        "Configuration" => check_configuration(database, expect, name),
        "LoadTargets" => check_targets(file(args["file"].as_str().unwrap()), expect, classes, name),
        "ClassRegistry" => {
            let mut got: BTreeMap<String, Vec<String>> = BTreeMap::new();
            if database.tree.file(layout::CLASSES).is_some() {
                for listed in classes::read(file(layout::CLASSES)).unwrap() {
                    got.entry(listed.kind).or_default().push(listed.name);
                }
            }
            assert_eq!(json!(got), *result, "{name}");
        }
        "Instantiate" => {
            let item = database.get(args["kind"].as_str().unwrap().parse().unwrap(), id);
            let (Item::Test(extension) | Item::Resource(extension)) = item.unwrap() else { panic!("{name}") };
            let values = classes.get(&extension.class).unwrap().instantiate(&extension.arguments, 0);
            for (argument, expected) in result["values"].as_object().unwrap() {
                assert!(is_same(values.get(argument), expected), "{name}: {argument}");
            }
        }
        "AttachmentData" => {
            let location = args["location"].as_str().unwrap();
            assert_eq!(database.tree.file(location).is_none(), error.is_object(), "{name}");
            if error.is_null() {
                assert_eq!(file(location), result["data"].as_str().unwrap().as_bytes(), "{name}");
                let entry = database.imported().entries.iter().find(|entry| entry.path == location).unwrap();
                assert!(matches!(entry.fate, Fate::Attached | Fate::Ignored(_)), "{name}");
            }
        }
        "Tree" => {}
        other => panic!("{name}: {other}"),
    }
}

fn kind_of(method: &str) -> ItemKind {
    match method {
        "Test" => ItemKind::Test,
        "Resource" => ItemKind::Resource,
        "Suite" => ItemKind::Suite,
        other => panic!("{other}"),
    }
}

fn check_get(database: &Database, given: &Json, call: &Json, expect: &Json, classes: &Classes, name: &str) {
    let (method, id) = (call["method"].as_str().unwrap(), call["args"]["id"].as_str().unwrap());
    let (error, result) = (&expect["error"], &expect["result"]);
    let kind = kind_of(&method[3..]);
    // QMTest opens files by ids that it does not list. Ids are checked first here; no such item is ever read.
    let canonical = database.label(id).split('.').all(layout::is_component);
    let is_root = id.is_empty() && kind == ItemKind::Suite;
    if !canonical && !is_root {
        assert_eq!(database.get(kind, id), Err(Failure::Missing), "{name}");
        return;
    }
    let got = database.get(kind, id);
    match (&got, error.as_object()) {
        (Err(Failure::Missing), Some(error)) => {
            assert!(error["type"].as_str().unwrap().starts_with("NoSuch"), "{name}");
        }
        (Err(Failure::Unreadable), Some(error)) => {
            assert!(!error["type"].as_str().unwrap().starts_with("NoSuch"), "{name}");
        }
        (Ok(_), Some(_)) => {
            let files = given["files"].as_object().unwrap().values();
            let text = files.map(|text| text.as_str().unwrap()).collect::<String>();
            assert!(is_read_here(&text), "{name}: read, and QMTest does not");
        }
        (got, None) if method.starts_with("Has") => assert_eq!(got.is_ok(), result == true, "{name}"),
        (Ok(item), None) => check_item(database, id, item, result, classes, name),
        (Err(failure), None) => panic!("{name}: {failure:?}; {:?}", database.imported().entries),
    }
}

fn check_ids(database: &Database, call: &Json, expect: &Json, name: &str) {
    let (method, args) = (call["method"].as_str().unwrap(), &call["args"]);
    let (error, result) = (&expect["error"], &expect["result"]);
    let directory = args["directory"].as_str().unwrap_or_default();
    let scan = args["scan_subdirs"] != 0;
    let got = match method {
        "GetSubdirectories" => database.ids(ItemKind::Directory, directory, false),
        "GetIds" => database.ids(args["kind"].as_str().unwrap().parse().unwrap(), directory, scan),
        _ => database.ids(kind_of(method.trim_start_matches("Get").trim_end_matches("Ids")), directory, scan),
    };
    if error.is_object() {
        assert_eq!(got, None, "{name}");
        return;
    }
    let mut expected: BTreeSet<_> =
        result.as_array().unwrap().iter().map(|id| database.label(id.as_str().unwrap())).collect();
    if method == "GetSubdirectories" {
        let prefix = database.label(directory);
        let full = |last: &String| if prefix.is_empty() { last.clone() } else { format!("{prefix}.{last}") };
        expected = expected.iter().map(full).collect();
    }
    // With an empty extension QMTest lists every file as a suite, and then cannot open those that have an
    // extension: the suite's own file has none.
    let suites = method == "GetSuiteIds" || args["kind"] == "suite";
    if suites && database.extensions.suite.is_empty() {
        let exists = |id: &String| {
            let path = id.replace('.', "/");
            database.tree.file(&path).is_some() || database.tree.files_below(&format!("{path}/")).next().is_some()
        };
        expected.retain(exists);
    }
    assert_eq!(got, Some(expected), "{name}");
}

fn check_expansion(database: &Database, args: &Json, expect: &Json, name: &str) {
    let (error, result) = (&expect["error"], &expect["result"]);
    let ids: Vec<_> = args["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    match (database.expand(&ids), error.is_object()) {
        (Ok([tests, suites]), false) => {
            assert_eq!(json!({"suite_ids": suites, "test_ids": tests}), *result, "{name}");
        }
        (Err(_), true) => {}
        // QMTest reads every suite in a directory, although it then makes no use of it.
        (Ok([_, suites]), true) => {
            let broken = |id: &String| database.get(ItemKind::Suite, id) == Err(Failure::Unreadable);
            assert!(suites.iter().any(broken), "{name}: {suites:?}");
        }
        (Err(failure), false) => panic!("{name}: {failure:?}"),
    }
}

fn check_configuration(database: &Database, expect: &Json, name: &str) {
    let (error, result) = (&expect["error"], &expect["result"]);
    match (&database.imported, error.is_object()) {
        (Ok(imported), false) => {
            let configuration = &imported.configuration;
            let got = json!({
                "arguments": configuration.stated,
                "class": XML_DATABASE,
                "label_class": configuration.labels.name(),
                "modifiable": configuration.modifiable,
            });
            assert_eq!(got, *result, "{name}");
        }
        (got, error) => assert_eq!(got.is_err(), error, "{name}"),
    }
}

fn check_targets(bytes: &[u8], expect: &Json, classes: &Classes, name: &str) {
    let (error, result) = (&expect["error"], &expect["result"]);
    match targets::read(bytes, classes) {
        Ok(targets) => {
            let expected = result.as_array().unwrap_or_else(|| panic!("{name}: read"));
            assert_eq!(targets.len(), expected.len(), "{name}");
            for (target, expected) in targets.iter().zip(expected) {
                assert_eq!(
                    [&target.class, &target.name, &target.group],
                    [
                        expected["class"].as_str().unwrap(),
                        expected["name"].as_str().unwrap(),
                        expected["group"].as_str().unwrap()
                    ]
                );
                check_arguments(&target.arguments, &expected["arguments"], name);
            }
        }
        Err(failure) => assert!(error.is_object(), "{name}: {failure}"),
    }
}

fn check_arguments(arguments: &BTreeMap<String, Value>, expected: &Json, name: &str) {
    let expected = expected.as_object().unwrap();
    assert_eq!(arguments.keys().collect::<BTreeSet<_>>(), expected.keys().collect(), "{name}");
    for (argument, expected) in expected {
        assert!(is_same(arguments.get(argument), expected), "{name}: {argument}: {arguments:?}");
    }
}

fn check_item(database: &Database, id: &str, item: &Item, expected: &Json, classes: &Classes, name: &str) {
    match item {
        Item::Test(extension) | Item::Resource(extension) => {
            assert_eq!(extension.class, expected["class"].as_str().unwrap(), "{name}");
            check_arguments(&extension.arguments, &expected["arguments"], name);
            assert_eq!(json!(extension.resources()), expected["resources"], "{name}");
            if matches!(item, Item::Test(_)) {
                let prerequisites: BTreeMap<_, _> = extension.prerequisites().into_iter().collect();
                assert_eq!(json!(prerequisites), expected["prerequisites"], "{name}");
                assert_eq!(extension.target_group(), expected["target_group"], "{name}");
            }
            assert!(classes.get(&extension.class).is_some(), "{name}");
        }
        Item::Suite(suite) => {
            assert_eq!(suite.class, expected["class"].as_str().unwrap(), "{name}");
            assert_eq!(expected["directory_suite"], false, "{name}");
            assert_eq!(json!(suite.implicit), expected["implicit"], "{name}");
            let ids = [&suite.test_ids, &suite.suite_ids].map(|ids| json!(ids));
            let mapped = |key: &str| {
                expected[key].as_array().unwrap().iter().map(|id| json!(database.label(id.as_str().unwrap()))).collect()
            };
            assert_eq!(ids, ["test_ids", "suite_ids"].map(|key| Json::Array(mapped(key))), "{name}");
        }
        _ => {
            assert_eq!(expected["directory_suite"], true, "{name}");
            for (key, kind) in [("test_ids", ItemKind::Test), ("suite_ids", ItemKind::Suite)] {
                let ids = expected[key].as_array().unwrap().iter().map(|id| database.label(id.as_str().unwrap()));
                assert_eq!(database.ids(kind, id, false).unwrap(), ids.collect::<BTreeSet<_>>(), "{name}");
            }
        }
    }
}
