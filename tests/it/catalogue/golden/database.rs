//! Makes the databases that the cases ask.

use std::path::Path;

use serde_json::{Map, Value, json};
use testyard::app::catalogue::By;
use testyard::app::catalogue::import::{self, Fate, Import};

use super::super::{BASE, post};
use super::{Scene, is_label};
use crate::support::app::TestApp;
use crate::support::golden::files;

/// The scripted classes of the study, as they are registered here.
fn scripted_classes() -> Vec<(String, Value)> {
    let recorded = files("qmtest/classes.json").remove(0);
    let mut classes = Vec::new();
    for of in ["test", "resource"] {
        for (name, fields) in recorded["kinds"][of].as_object().unwrap() {
            if name.starts_with("scripted.") {
                let own = fields
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(name, _)| !["prerequisites", "resources", "target_group"].contains(&name.as_str()));
                let fields: Vec<Value> = own.map(|(name, field)| field_of(name, field)).collect();
                classes.push((name.clone(), json!({"of": of, "fields": fields, "execution": {"runner": "study"}})));
            }
        }
    }
    classes
}

fn field_of(name: &str, recorded: &Value) -> Value {
    let mut field = Map::new();
    if !name.is_empty() {
        field.insert("name".into(), json!(name));
    }
    let kind = match recorded["type"].as_str().unwrap() {
        "TextField" => "text",
        "IntegerField" => "integer",
        "EnumerationField" => "enumeration",
        "BooleanField" => "boolean",
        "TimeField" => "time",
        "SetField" => "set",
        "TupleField" => "tuple",
        "DictionaryField" => "dictionary",
        "AttachmentField" => "attachment",
        other => panic!("{other}"),
    };
    field.insert("type".into(), json!(kind));
    for (theirs, ours) in [("multiline", "multiline"), ("verbatim", "verbatim"), ("not_empty_text", "not_empty")] {
        if recorded[theirs] == true {
            field.insert(ours.into(), json!(true));
        }
    }
    for flag in ["computed", "hidden", "read_only"] {
        if recorded[flag] == true {
            field.insert(flag.into(), json!(true));
        }
    }
    match kind {
        "enumeration" => drop(field.insert("values".into(), recorded["enumerals"].clone())),
        "set" => drop(field.insert("of".into(), field_of("", &recorded["of"]))),
        "tuple" => {
            let parts = recorded["of"].as_array().unwrap().iter().enumerate();
            let parts: Vec<Value> = parts.map(|(place, part)| field_of(&format!("part{place}"), part)).collect();
            field.insert("of".into(), json!(parts));
        }
        "dictionary" => {
            for part in ["key", "value"] {
                field.insert(part.into(), field_of("", &recorded[part]));
            }
        }
        _ => {}
    }
    let default = &recorded["default"];
    let is_stated =
        !default.is_null() && default != "(current time)" && !["set", "tuple", "dictionary"].contains(&kind);
    if is_stated {
        let default = if kind == "boolean" { json!(default == "true") } else { default.clone() };
        field.insert("default".into(), default);
    }
    Value::Object(field)
}

/// A case's specification of an item as a document of ours.
pub(super) fn document(kind: &str, spec: &Value) -> Value {
    if kind == "suite" {
        return json!({
            "test_ids": spec.get("test_ids").cloned().unwrap_or_else(|| json!([])),
            "suite_ids": spec.get("suite_ids").cloned().unwrap_or_else(|| json!([])),
            "implicit": spec["is_implicit"] == "true" || spec["is_implicit"] == true,
        });
    }
    let default = if kind == "test" { "scripted.ScriptedTest" } else { "scripted.ScriptedResource" };
    let mut document = json!({"class": spec["class"].as_str().unwrap_or(default)});
    let mut arguments = spec["arguments"].as_object().cloned().unwrap_or_default();
    if let Some(prerequisites) = arguments.remove("prerequisites") {
        let pairs = prerequisites.as_array().unwrap().iter();
        document["prerequisites"] = pairs.map(|pair| json!({"test": pair[0], "outcome": pair[1]})).collect();
    }
    for member in ["resources", "target_group"] {
        if let Some(value) = arguments.remove(member) {
            document[member] = value;
        }
    }
    document["arguments"] = Value::Object(arguments);
    document
}

/// Whether the case's database may not be changed.
pub(super) fn is_frozen(given: &Value) -> bool {
    let is_yes = |word: &str| ["1", "true", "yes", "on"].contains(&word.to_lowercase().as_str());
    given["options"]["modifiable"].as_str().is_some_and(|word| !is_yes(word))
}

/// Empties the catalogue but for the scripted classes, and makes the case's.
pub(super) async fn make(app: &TestApp, given: &Value) -> Scene {
    let mut scene =
        Scene { file_labels: given["options"]["label_class"] == "file_label.FileLabel", ..Scene::default() };
    if given["options"]["suite_extension"] == "" {
        let others = ["tests", "resources"].iter().flat_map(|kind| given[kind].as_object().into_iter().flatten());
        scene.other_than_suites = others.map(|(id, _)| id.clone()).collect();
    }
    let thaw = json!({"modifiable": true}).to_string();
    app.send(reqwest::Method::PATCH, BASE, &[("content-type", "application/json")], thaw).await.expect(200);
    let classes = scripted_classes();
    let keep: Vec<Value> = classes
        .iter()
        .map(|(name, class)| {
            let mut item = class.clone();
            item["kind"] = json!("class");
            item["label"] = json!(name);
            item
        })
        .collect();
    post(app, "apply", &json!({"items": keep, "prune": "~"})).await.expect(200);
    let as_files = !given["options"].is_null()
        && given["options"].as_object().is_some_and(|options| options.keys().any(|name| name != "modifiable"));
    if !given["files"].is_null() || as_files {
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path(), given, as_files);
        let how = Import { bare: !as_files, ..Import::default() };
        let report = import::folder(&app.app.catalogue, &By::default(), folder.path(), how).await.unwrap();
        for line in report.lines.into_iter().filter(|line| line.fate == Fate::Refused) {
            if let (Some(kind), Some(label)) = (line.kind, line.label) {
                scene.refused.insert((kind.to_string(), label));
            }
        }
    }
    if !as_files {
        let mut items = Vec::new();
        for (kind, plural) in [("test", "tests"), ("resource", "resources"), ("suite", "suites")] {
            for (id, spec) in given[plural].as_object().into_iter().flatten() {
                items.push((kind, id.clone(), document(kind, spec)));
            }
        }
        for directory in given["directories"].as_array().into_iter().flatten() {
            items.push(("directory", directory.as_str().unwrap().to_owned(), json!({})));
        }
        put_all(app, items).await;
    }
    if is_frozen(given) {
        let freeze = json!({"modifiable": false, "reason": "as the case has it"}).to_string();
        app.send(reqwest::Method::PATCH, BASE, &[("content-type", "application/json")], freeze).await.expect(200);
    }
    scene
}

/// Puts items; members of suites that are no labels, which only an import takes, go in by the use case.
async fn put_all(app: &TestApp, items: Vec<(&'static str, String, Value)>) {
    use testyard::app::catalogue::apply::{self, How, Wanted};
    use testyard::domain::catalogue::item::{About, EXPLICIT_SUITE, Item, ItemKind, Suite};

    let (odd, plain): (Vec<_>, Vec<_>) = items.into_iter().partition(|(kind, _, document)| {
        let ids = ["test_ids", "suite_ids"].map(|ids| document[ids].as_array().cloned().unwrap_or_default()).concat();
        *kind == "suite" && ids.iter().any(|id| !is_label(id.as_str().unwrap()))
    });
    let plain: Vec<Value> = plain
        .into_iter()
        .map(|(kind, label, mut document)| {
            document["kind"] = json!(kind);
            document["label"] = json!(label);
            document
        })
        .collect();
    post(app, "apply", &json!({"items": plain})).await.expect(200);
    let texts = |ids: &Value| ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let suites = odd.into_iter().map(|(_, label, document)| {
        let suite = Suite {
            class: EXPLICIT_SUITE.to_owned(),
            test_ids: texts(&document["test_ids"]),
            suite_ids: texts(&document["suite_ids"]),
            implicit: document["implicit"] == true,
            about: About::default(),
        };
        ((ItemKind::Suite, label), Item::Suite(suite))
    });
    let wanted = Wanted::Items(suites.collect());
    apply::apply(&app.app.catalogue, &By::default(), &wanted, &How::default()).await.unwrap();
}

/// Writes a case's database as QMTest lays it out.
fn write_files(root: &Path, given: &Value, with_items: bool) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for (path, text) in given["files"].as_object().into_iter().flatten() {
        write(path, text.as_str().unwrap());
    }
    if !with_items {
        return;
    }
    let options = given["options"].as_object().cloned().unwrap_or_default();
    let mut arguments = String::new();
    for (name, value) in &options {
        let value = value.as_str().unwrap();
        let element = if name == "modifiable" { "enumeral" } else { "text" };
        arguments.extend(["<argument name=\"", name, "\"><", element, ">", value, "</", element, "></argument>"]);
    }
    let configuration =
        format!("<extension class=\"xml_database.XMLDatabase\" kind=\"database\">{arguments}</extension>");
    write("QMTest/configuration", &configuration);
    let extension = |kind: &str, default: &str| {
        options.get(&format!("{kind}_extension")).and_then(Value::as_str).unwrap_or(default).to_owned()
    };
    let suite_extension = extension("suite", ".qms");
    let file_labels = given["options"]["label_class"] == "file_label.FileLabel";
    let place = |id: &str, own: &str| {
        if file_labels {
            return id.to_owned();
        }
        match id.rsplit_once('.') {
            Some((directory, name)) => {
                let above: String = directory.split('.').flat_map(|part| [part, &suite_extension, "/"]).collect();
                format!("{above}{name}{own}")
            }
            None => format!("{id}{own}"),
        }
    };
    for (plural, kind, own) in
        [("tests", "test", extension("test", ".qmt")), ("resources", "resource", extension("resource", ".qma"))]
    {
        let class = if kind == "test" { "scripted.ScriptedTest" } else { "scripted.ScriptedResource" };
        for (id, _) in given[plural].as_object().into_iter().flatten() {
            write(&place(id, &own), &format!("<extension class=\"{class}\" kind=\"{kind}\"/>"));
        }
    }
    for (id, spec) in given["suites"].as_object().into_iter().flatten() {
        let members = |member: &str| -> String {
            let ids = spec[member].as_array().cloned().unwrap_or_default();
            ids.iter().flat_map(|id| ["<text>", id.as_str().unwrap(), "</text>"]).collect()
        };
        let text = format!(
            "<extension class=\"explicit_suite.ExplicitSuite\" kind=\"suite\"><argument name=\"test_ids\"><set>{}</set>\
             </argument><argument name=\"suite_ids\"><set>{}</set></argument></extension>",
            members("test_ids"),
            members("suite_ids")
        );
        write(&place(id, &suite_extension), &text);
    }
    for directory in given["directories"].as_array().into_iter().flatten() {
        std::fs::create_dir_all(root.join(place(directory.as_str().unwrap(), &suite_extension))).unwrap();
    }
}
