//! What QMTest's `Database` was seen to do, replayed through the service on both databases.
//!
//! Each case's catalogue is made over HTTP, or imported where the case gives files or options of a file database; then its
//! calls are made over HTTP. `tests/golden/DEVIATIONS.md` lists the rules by which the answers differ; each is a branch
//! here and goes by what a case holds, not by its name.

mod database;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testyard::domain::qmtest::layout::{Extensions, file_label};

use self::database::{document, is_frozen, make};
use super::{BASE, delete, get, post, put};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::golden::files;
use crate::support::on_both;

/// The files of cases that need a database.
const FILES: [&str; 6] = [
    "get_ids.json",
    "subdirectories.json",
    "expand_ids.json",
    "has_get.json",
    "write_remove.json",
    "base_defaults.json",
];

/// What the catalogue knows under another name, or not at all, in a case.
#[derive(Default)]
struct Scene {
    /// Labels are file names: both sides are brought to dotted labels.
    file_labels: bool,
    /// Every file is a suite to QMTest, also one that defines a test; here a file defines one thing.
    other_than_suites: BTreeSet<String>,
    /// What the import or a put refused, by kind and label: it is not there.
    refused: BTreeSet<(String, String)>,
    /// What a put wrote, by kind and label: it can be read, also where QMTest cannot read what it wrote (times).
    written: BTreeSet<(String, String)>,
}

impl Scene {
    /// An id as the catalogue has it.
    fn label(&self, id: &str) -> String {
        if !self.file_labels {
            return id.to_owned();
        }
        file_label(id, &Extensions::default())
    }

    fn is_refused(&self, kind: &str, id: &str) -> bool {
        self.refused.contains(&(kind.to_owned(), self.label(id)))
    }
}

/// Whether an id is a label of ours: QMTest takes several spellings of one, and any name at all.
fn is_label(id: &str) -> bool {
    id.parse::<testyard::domain::catalogue::label::Label>().is_ok()
}

fn collection(kind: &str) -> &'static str {
    match kind {
        "test" => "tests",
        "resource" => "resources",
        "suite" => "suites",
        // A kind that there is none of.
        _ => "bogus",
    }
}

/// An id as a part of a path.
fn in_path(id: &str) -> String {
    let id = if id.is_empty() { "~" } else { id };
    id.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Whether QMTest says in a case that it cannot read an item: then it is not in our catalogue.
fn is_unreadable(expect: &Value) -> bool {
    matches!(expect["error"]["type"].as_str(), Some("TestFileError" | "ExpatError"))
}

fn set(ids: &Value) -> BTreeSet<String> {
    ids.as_array().into_iter().flatten().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// All labels of a listing, page by page.
async fn listed(app: &TestApp, path: &str) -> Result<BTreeSet<String>, Answered> {
    let (mut labels, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let answered = get(app, &format!("{path}&limit=2{cursor}")).await;
        if answered.status != 200 {
            return Err(answered);
        }
        let page = answered.json();
        labels.extend(page["items"].as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return Ok(labels) };
        cursor = format!("&cursor={next}");
    }
}

/// Makes one call and compares its answer. Returns whether there is anything of ours to compare.
async fn call(app: &TestApp, scene: &mut Scene, call: &Value, expect: &Value, recommended: &Value, what: &str) -> bool {
    let method = call["method"].as_str().unwrap();
    let args = &call["args"];
    let kind = match method {
        "HasTest" | "GetTest" | "GetTestIds" => "test",
        "HasSuite" | "GetSuite" | "GetSuiteIds" => "suite",
        "HasResource" | "GetResource" | "GetResourceIds" => "resource",
        _ => args["kind"].as_str().unwrap_or_default(),
    };
    let id = args["id"].as_str().unwrap_or_default();
    let label = scene.label(id);
    let path = format!("{}/{}", collection(kind), in_path(&label));
    // A spelling that reaches an item in QMTest and is no label, and an item that cannot be read, are not there.
    if is_unreadable(expect) && scene.written.contains(&(kind.to_owned(), label.clone())) {
        get(app, &path).await.expect(200);
        return true;
    }
    let is_gone = !is_label(&label) || scene.is_refused(kind, id) || is_unreadable(expect);
    match method {
        "HasTest" | "HasSuite" | "HasResource" => {
            let has = get(app, &path).await.status == 200;
            assert_eq!(has, expect["result"] == true && !is_gone, "{what}");
        }
        "GetTest" | "GetSuite" | "GetResource" | "GetItem" => {
            let answered = get(app, &path).await;
            if is_gone || expect["error"].is_object() {
                assert_eq!(answered.status, 404, "{what}: {}", answered.text);
                let named = if collection(kind) == "bogus" { "bogus" } else { id };
                assert!(
                    named.is_empty() || answered.text.contains(&*format!("`{named}`")) || !is_label(id),
                    "{what}: {}",
                    answered.text
                );
            } else {
                same_item(scene, kind, id, &answered.expect(200).json(), &expect["result"], what);
            }
        }
        "GetExtension" => {
            let mut found = Value::Null;
            for kind in ["test", "resource", "suite"] {
                if found.is_null() && get(app, &format!("{}/{}", collection(kind), in_path(&label))).await.status == 200
                {
                    found = json!({"id": id, "kind": kind});
                }
            }
            assert_eq!(found, expect["result"], "{what}");
        }
        "GetIds" | "GetTestIds" | "GetSuiteIds" | "GetResourceIds" => {
            ids(app, scene, kind, args, expect, recommended, what).await;
        }
        "GetSubdirectories" => subdirectories(app, scene, args, expect, what).await,
        "ExpandIds" => expand(app, scene, call, expect, recommended, what).await,
        "WriteExtension" => {
            let spec = &args["spec"];
            let answered = put(app, &path, &document(kind, spec)).await;
            if expect["error"].is_object() {
                assert!([409, 422].contains(&answered.status), "{what}: {}", answered.text);
            } else if ![200, 201].contains(&answered.status) {
                assert!(may_refuse(&answered, &label, spec), "{what}: {}", answered.text);
                // Of a spelling that is no label, QMTest makes an item with another id.
                let theirs = label.split('.').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
                if get(app, &format!("{}/{}", collection(kind), in_path(&theirs))).await.status != 200 {
                    scene.refused.insert((kind.to_owned(), theirs));
                }
                scene.refused.insert((kind.to_owned(), label));
            } else {
                scene.written.insert((kind.to_owned(), label));
            }
        }
        "RemoveExtension" => {
            let answered = delete(app, &path).await;
            if answered.status == 403 {
                scene.refused.insert((kind.to_owned(), label));
            } else if expect["error"].is_object() || is_gone {
                assert!([404, 422].contains(&answered.status), "{what}: {}", answered.text);
            } else {
                assert_eq!(answered.status, 204, "{what}: {}", answered.text);
            }
        }
        "IsModifiable" => assert_eq!(app.show(BASE).await["modifiable"], expect["result"], "{what}"),
        _ => return false,
    }
    true
}

/// Compares an item with what QMTest has.
fn same_item(scene: &Scene, kind: &str, id: &str, shown: &Value, recorded: &Value, what: &str) {
    let mut described = descriptor(kind, id, shown);
    let mut expected = recorded.clone();
    if kind == "suite" {
        for members in ["test_ids", "suite_ids"] {
            if expected["directory_suite"] == true {
                expected[members] = json!(set(&expected[members]));
            }
            if scene.file_labels {
                let mapped: Vec<String> = set(&expected[members]).iter().map(|id| scene.label(id)).collect();
                expected[members] = json!(mapped);
            }
        }
    }
    // QMTest's XML loses carriage returns; ours do not.
    for (name, value) in described.get_mut("arguments").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Value::String(text) = value
            && text.contains('\r')
            && expected["arguments"][name] == text.replace("\r\n", "\n").replace('\r', "\n")
        {
            *value = expected["arguments"][name].clone();
        }
    }
    assert_eq!(described, expected, "{what}");
}

/// Compares the ids of a kind in a directory.
async fn ids(app: &TestApp, scene: &Scene, kind: &str, args: &Value, expect: &Value, recommended: &Value, what: &str) {
    let directory = args["directory"].as_str().unwrap_or_default();
    let recursive = args["scan_subdirs"] != 0;
    let encoded: String = url::form_urlencoded::byte_serialize(scene.label(directory).as_bytes()).collect();
    let path = format!("{}?directory={encoded}&recursive={recursive}", collection(kind));
    match (listed(app, &path).await, &expect["result"]) {
        (Ok(labels), Value::Array(_)) => {
            let mut expected: BTreeSet<String> = set(&expect["result"]).iter().map(|id| scene.label(id)).collect();
            expected.retain(|label| !scene.refused.contains(&(kind.to_owned(), label.clone())));
            expected.retain(|label| kind != "suite" || !scene.other_than_suites.contains(label));
            assert_eq!(labels, expected, "{what}");
        }
        (Err(refused), expected) => {
            assert!(expected.is_null() || !is_label(directory), "{what}: {}", refused.text);
            let named = recommended["error"]["id"].as_str().unwrap_or(directory);
            assert!(refused.status == 404 || refused.status == 400 && !is_label(directory), "{what}: {}", refused.text);
            assert!(collection(kind) == "bogus" || refused.text.contains(named), "{what}: {}", refused.text);
        }
        (Ok(labels), _) => panic!("{what}: {labels:?} where QMTest refuses"),
    }
}

/// Compares the directories in a directory.
async fn subdirectories(app: &TestApp, scene: &Scene, args: &Value, expect: &Value, what: &str) {
    let directory = args["directory"].as_str().unwrap_or_default();
    let encoded: String = url::form_urlencoded::byte_serialize(scene.label(directory).as_bytes()).collect();
    match (listed(app, &format!("directories?directory={encoded}&recursive=false")).await, &expect["result"]) {
        (Ok(labels), Value::Array(_)) => {
            let last = |label: &String| label.rsplit('.').next().unwrap().to_owned();
            let expected = set(&expect["result"]).iter().map(|id| scene.label(id)).collect::<BTreeSet<_>>();
            assert_eq!(labels.iter().map(last).collect::<BTreeSet<_>>(), expected, "{what}");
        }
        (Err(refused), expected) => {
            assert!(expected.is_null() || !is_label(directory), "{what}: {}", refused.text);
            assert!([400, 404].contains(&refused.status), "{what}: {}", refused.text);
        }
        (Ok(labels), _) => panic!("{what}: {labels:?} where QMTest refuses"),
    }
}

/// A document of ours as QMTest describes an item.
fn descriptor(kind: &str, id: &str, shown: &Value) -> Value {
    if kind == "suite" {
        let directory = shown["kind"] == "directory";
        let ids = |member: &str| shown.get(member).cloned().unwrap_or_else(|| json!([]));
        return json!({
            "kind": "suite", "id": id, "directory_suite": directory,
            "implicit": directory || shown["implicit"] == true,
            "class": if directory { Value::Null } else { json!("explicit_suite.ExplicitSuite") },
            "test_ids": ids("test_ids"), "suite_ids": ids("suite_ids"),
        });
    }
    let mut arguments = shown["arguments"].as_object().cloned().unwrap_or_default();
    for value in arguments.values_mut() {
        if let Value::Bool(boolean) = value {
            *value = json!(boolean.to_string());
        }
    }
    let mut described = json!({"kind": kind, "id": id, "class": shown["class"], "resources": []});
    if kind == "test" {
        described["target_group"] = json!(".*");
        described["prerequisites"] = json!({});
    }
    if let Some(prerequisites) = shown["prerequisites"].as_array() {
        let pairs = prerequisites.iter().map(|it| json!([it["test"], it["outcome"]]));
        arguments.insert("prerequisites".into(), pairs.collect());
        for it in prerequisites {
            described["prerequisites"][it["test"].as_str().unwrap()] = it["outcome"].clone();
        }
    }
    for member in ["resources", "target_group"] {
        if !shown[member].is_null() {
            arguments.insert(member.into(), shown[member].clone());
            described[member] = shown[member].clone();
        }
    }
    described["arguments"] = Value::Object(arguments);
    described
}

/// Whether a put that QMTest takes is rightly refused: the label is none; the catalogue is read-only; or the values are
/// none of their fields, which QMTest finds out only when it reads them (if at all).
fn may_refuse(answered: &Answered, label: &str, spec: &Value) -> bool {
    match answered.status {
        403 => answered.json()["code"] == "read-only",
        422 if !is_label(label) || label.is_empty() => true,
        422 => {
            let faults = answered.json()["errors"].as_array().cloned().unwrap_or_default();
            let stated = |fault: &Value| {
                let pointer = fault["pointer"].as_str().unwrap();
                let mut parts = pointer.split('/').skip(1);
                match (parts.next(), parts.next()) {
                    (Some("arguments"), Some(name)) => !spec["arguments"][name].is_null(),
                    (Some(member), _) => !spec["arguments"][member].is_null() || !spec[member].is_null(),
                    _ => false,
                }
            };
            !faults.is_empty() && faults.iter().all(stated)
        }
        _ => false,
    }
}

async fn expand(app: &TestApp, scene: &Scene, call: &Value, expect: &Value, recommended: &Value, what: &str) {
    let ids: Vec<&str> = call["args"]["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let answered = post(app, "expand", &json!({"ids": ids})).await;
    // Other spellings of a label are unknown here, whatever they lead to in QMTest.
    if ids.iter().any(|id| !is_label(id)) {
        assert_eq!(answered.status, 422, "{what}: {}", answered.text);
        assert!(ids.iter().any(|id| answered.text.contains(&*format!("`{id}`"))), "{what}: {}", answered.text);
        return;
    }
    // What cannot be read is not here: naming it is naming nothing, and it stands in nobody's way.
    if is_unreadable(expect) {
        let named = ids.iter().any(|id| ["test", "suite"].iter().any(|kind| scene.is_refused(kind, id)));
        assert_eq!(answered.status, if named { 422 } else { 200 }, "{what}: {}", answered.text);
        return;
    }
    let expected = if expect["never_returns"] == true { &recommended["result"] } else { &expect["result"] };
    if expected.is_object() {
        let came = answered.expect(200).json();
        let without = |kind: &str, ids: &Value| -> BTreeSet<String> {
            set(ids).into_iter().filter(|id| kind == "test" || !scene.is_refused(kind, id)).collect()
        };
        assert_eq!(set(&came["test_ids"]), without("test", &expected["test_ids"]), "{what}");
        assert_eq!(set(&came["suite_ids"]), without("suite", &expected["suite_ids"]), "{what}");
        return;
    }
    let error = &expect["error"];
    let named = error["value"].as_str().or(error["id"].as_str()).unwrap();
    assert_eq!(answered.status, 422, "{what}: {}", answered.text);
    assert!(answered.text.contains(&*format!("`{named}`")), "{what}: {}", answered.text);
}

on_both! {
    async fn golden_databases_answer_as_qmtest_did(db: TestDb) {
        let app = TestApp::start(db).await;
        let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
        for file in FILES {
            let mut last: Option<(Value, Scene)> = None;
            for recorded in files(&format!("qmtest/{file}")) {
                for case in recorded["cases"].as_array().unwrap() {
                    let (given, what) = (&case["given"], case["name"].as_str().unwrap());
                    // Classes that only a subclass makes a database of, and what stands on no database.
                    if !given["database_class"].is_null() {
                        continue;
                    }
                    let steps = case["call"]["steps"].as_array();
                    let mut scene = match last.take() {
                        Some((same, scene)) if same == *given && steps.is_none() => scene,
                        _ => make(&app, given).await,
                    };
                    let mut count = 0;
                    match steps {
                        None => {
                            let is_ours = call(&app, &mut scene, &case["call"], &case["expect"], &case["recommended"], what).await;
                            count += usize::from(is_ours);
                            last = Some((given.clone(), scene));
                        }
                        Some(steps) => {
                            let expected = case["expect"]["result"]["steps"].as_array().unwrap();
                            for (step, expect) in steps.iter().zip(expected) {
                                // A frozen catalogue stays as it was: what follows a refused change has nothing to say.
                                if is_frozen(given) && count >= 2 {
                                    break;
                                }
                                let is_ours = call(&app, &mut scene, step, expect, &Value::Null, &format!("{what}: {step}")).await;
                                count += usize::from(is_ours);
                            }
                        }
                    }
                    *compared.entry(file).or_default() += count;
                }
            }
        }
        for file in FILES {
            assert!(compared.get(file).is_some_and(|count| *count >= 4), "{file}: {compared:?}");
        }
    }
}
