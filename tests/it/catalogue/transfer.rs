//! QMTest databases in and out.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{BASE, get, labels, post, put, revision, shell};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

/// A database as a lab may have it: everything that is read, and much that is not.
pub(crate) const DATABASE: &[(&str, &str)] = &[
    (
        "QMTest/configuration",
        "<?xml version=\"1.0\"?><extension class=\"xml_database.XMLDatabase\" kind=\"database\"/>",
    ),
    (
        "QMTest/classes.qmc",
        "<class-directory><class kind=\"test\" name=\"lab.BoardTest\"/><class kind=\"target\" name=\"lab.Board\"/></class-directory>",
    ),
    (
        "up.qmt",
        "<extension class='command.ShellCommandTest' kind='test'><argument name='command'><text>ip link</text></argument></extension>",
    ),
    (
        "net.qms/dns.qms/lookup.qmt",
        "<extension class='command.ExecTest' kind='test'><argument name='exit_code'><integer>3</integer></argument>\
         <argument name='prerequisites'><set><tuple><text>up</text><enumeral>PASS</enumeral></tuple></set></argument></extension>",
    ),
    (
        "net.qms/board.qmt",
        "<extension class='lab.BoardTest' kind='test'><argument name='pins'><set><integer>1</integer></set></argument></extension>",
    ),
    ("net.qms/old.qmt", "<test><class>python.ExecTest</class><prerequisite outcome='PASS'>up</prerequisite></test>"),
    ("net.qms/resolver.qma", "<extension class='temporary.TempDirectoryResource' kind='resource'/>"),
    (
        "nightly.qms",
        "<extension class='explicit_suite.ExplicitSuite' kind='suite'><argument name='suite_ids'><set><text>net</text></set></argument></extension>",
    ),
    ("broken.qmt", "<extension"),
    ("strange.qmt", "<extension class='nowhere.Nothing' kind='test'/>"),
    (
        "bomb.qmt",
        "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><extension class='python.ExecTest'>&b;</extension>",
    ),
    ("Loud.qmt", "<extension class='python.ExecTest' kind='test'/>"),
    ("notes.txt", "notes"),
    ("up.qmt~", "old"),
];

/// How many of the files of [`DATABASE`] define something that can be read, by kind.
const TAKEN: [(&str, usize); 5] = [("test", 4), ("resource", 1), ("suite", 1), ("directory", 2), ("class", 1)];

pub(crate) fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

async fn import(app: &TestApp, query: &str, archive: Vec<u8>) -> Answered {
    app.send(Method::POST, &format!("{BASE}/import{query}"), &[("content-type", "application/x-tar")], archive).await
}

/// Every item of the catalogue with its document, by kind and label, without the revisions that made them.
async fn everything(app: &TestApp) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for kind in ["tests", "resources", "suites", "directories", "expectations"] {
        for label in labels(app, &format!("{kind}?limit=1000")).await {
            let mut document = get(app, &format!("{kind}/{label}")).await.expect(200).json();
            document.as_object_mut().unwrap().remove("revision");
            all.insert(format!("{kind}/{label}"), document);
        }
    }
    for class in app.items(&format!("{BASE}/classes")).await {
        all.insert(format!("classes/{}", class["name"].as_str().unwrap()), class);
    }
    all
}

on_both! {
    async fn a_database_is_imported_and_each_file_has_its_reason(db: TestDb) {
        let app = TestApp::start(db).await;
        let dry = import(&app, "?dry_run=true", packed(DATABASE)).await.expect(200).json();
        assert_eq!((&dry["dry_run"], &dry["revision"]), (&json!(true), &json!(1)));
        assert_eq!(revision(&app).await, 0);
        assert_eq!(labels(&app, "tests").await, [""; 0]);
        let mut report = import(&app, "?message=the%20lab", packed(DATABASE)).await.expect(200).json();
        report["dry_run"] = json!(true);
        assert_eq!(report, dry, "a dry run says what will be done");
        let stand = app.show(BASE).await;
        for (kind, count) in TAKEN {
            let plural = match kind { "directory" => "directories".to_owned(), "class" => "classes".to_owned(), _ => format!("{kind}s") };
            assert_eq!(stand["counts"][&plural], count, "{kind}");
            if kind != "class" {
                assert_eq!(report["taken"][kind], count, "{kind}");
            }
        }
        let entry = |path: &str| {
            let entries = report["entries"].as_array().unwrap();
            entries.iter().find(|entry| entry["path"] == path).unwrap_or_else(|| panic!("{path}: {report:#}")).clone()
        };
        for (path, fate, words) in [
            ("broken.qmt", "refused", ""),
            ("strange.qmt", "refused", "nowhere.Nothing"),
            ("bomb.qmt", "refused", ""),
            ("Loud.qmt", "ignored", ""),
            ("notes.txt", "ignored", ""),
            ("up.qmt~", "ignored", ""),
        ] {
            let entry = entry(path);
            assert_eq!(entry["fate"], fate, "{entry}");
            let reason = entry["reason"].as_str().unwrap();
            assert!(!reason.is_empty() && reason.contains(words), "{entry}");
        }
        assert_eq!((&report["refused"], &report["ignored"]), (&json!(3), &json!(3)));
        let lookup = entry("net.qms/dns.qms/lookup.qmt");
        assert_eq!((&lookup["label"], &lookup["did"], &lookup["reason"]), (&json!("net.dns.lookup"), &json!("created"), &Value::Null));
        let board = get(&app, "tests/net.board").await.expect(200).json();
        assert_eq!(board["execution"], "runner");
        assert_eq!(board["arguments"], json!({"pins": [1]}));
        assert_eq!(get(&app, "classes/lab.BoardTest").await.json()["fields_known"], false);
        let old = get(&app, "tests/net.old").await.json();
        assert_eq!(old["prerequisites"], json!([{"test": "up", "outcome": "PASS"}]));
        let expanded = post(&app, "expand", &json!({"ids": ["nightly"]})).await.expect(200).json();
        assert_eq!(expanded["test_ids"], json!(["net.board", "net.dns.lookup", "net.old"]));
        assert_eq!(app.show(&format!("{BASE}/revisions/1")).await["message"], "the lab");
        let again = import(&app, "", packed(DATABASE)).await.expect(200).json();
        assert_eq!((again["revision"].clone(), revision(&app).await), (json!(1), 1));
    }

    async fn pruning_keeps_what_could_not_be_read(db: TestDb) {
        let app = TestApp::start(db).await;
        for label in ["broken", "gone", "up"] {
            put(&app, &format!("tests/{label}"), &shell("mine")).await.expect(201);
        }
        put(&app, "classes/m.Mine", &json!({"of": "test", "execution": {"runner": "lab"}})).await.expect(201);
        let report = import(&app, "?prune=true", packed(DATABASE)).await.expect(200).json();
        assert_eq!(labels(&app, "tests").await, ["broken", "net.board", "net.dns.lookup", "net.old", "up"]);
        let gone = report["entries"].as_array().unwrap().iter().find(|entry| entry["label"] == "gone").unwrap();
        assert_eq!(gone["did"], "removed");
        get(&app, "classes/m.Mine").await.expect(200);
        assert_eq!(get(&app, "tests/up").await.json()["arguments"]["command"], "ip link");
    }

    async fn what_is_no_database_changes_nothing(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.catalogue.max_import_bytes = 40_000).await;
        put(&app, "tests/a", &shell("1")).await.expect(201);
        put(&app, "suites/net", &json!({})).await.expect(201);
        let before = app.show(BASE).await;
        let plain = &DATABASE[2..4];
        let with = |configuration: &'static str| [&[("QMTest/configuration", configuration)], plain].concat();
        let table = [
            (b"no archive at all, whatever its type says".repeat(20), 422, "no tar archive"),
            (packed(plain), 422, "QMTest/configuration"),
            (packed(&with("<extension")), 422, "QMTest/configuration"),
            (packed(&with("<extension class='mount_database.MountDatabase' kind='database'/>")), 422, "MountDatabase"),
            (packed(&with("<extension class='xml_database.XMLDatabase' kind='database'/>")), 409, "`net`"),
            (vec![0; 40_001], 413, "40000 bytes"),
        ];
        for (archive, status, words) in table {
            let refused = import(&app, "", archive).await.expect(status);
            assert!(refused.text.contains(words), "{words}: {}", refused.text);
        }
        let bare = import(&app, "?bare=true&dry_run=true", packed(&DATABASE[2..3])).await.expect(200).json();
        assert_eq!(bare["taken"]["test"], 1);
        assert_eq!(app.show(BASE).await, before);
    }

    async fn what_is_exported_imports_as_equal(db: TestDb) {
        let other = TestDb::new(db.dialect()).await;
        let app = TestApp::start_with(db, |settings| settings.catalogue.inline_bytes = 10).await;
        import(&app, "", packed(DATABASE)).await.expect(200);
        put(&app, "classes/boot.Boot", &json!({
            "of": "test", "fields": [{"name": "image", "type": "attachment"}, {"name": "when", "type": "time"},
                {"name": "table", "type": "dictionary", "key": {"type": "text"}, "value": {"type": "integer"}}],
            "execution": {"command": {"argv": ["boot"]}},
        })).await.expect(201);
        let stored = app.send(Method::POST, &format!("{BASE}/attachments"), &[], "an image of more than ten bytes").await;
        let sha256 = stored.expect(201).json()["sha256"].clone();
        put(&app, "tests/boot.a", &json!({
            "class": "boot.Boot",
            "arguments": {
                "image": {"filename": "image.bin", "sha256": sha256, "size": 31, "description": "the image"},
                "when": "2026-01-02T03:04:00Z", "table": {"a": 1, "b": -2},
            },
            "keywords": ["boot", "ünïcode"], "owner": "kim <kim@example.org>", "description": "a\r\nb & <c>",
            "target_group": "x|y",
        })).await.expect(201);
        app.send(Method::PUT, &format!("{BASE}/tests/boot.a/attachments/more.txt"), &[], "more").await.expect(200);
        put(&app, "suites/all", &json!({"suite_ids": [""], "implicit": true, "keywords": ["all"]})).await.expect(201);
        put(&app, "directories/empty.inner", &json!({})).await.expect(201);
        put(&app, "expectations/up", &json!({"outcome": "UNTESTED", "cause": "no \"uplink\""})).await.expect(201);
        let export = async |app: &TestApp| {
            let answered = app.http.get(format!("{}{BASE}/export", app.base)).send().await.unwrap();
            assert_eq!(answered.status(), 200);
            assert_eq!(answered.headers()["content-type"], "application/x-tar");
            answered.bytes().await.unwrap().to_vec()
        };
        let archive = export(&app).await;
        assert_eq!(archive, export(&app).await, "two archives of one revision are the same");
        let twin = TestApp::start(other).await;
        let report = import(&twin, "", archive.clone()).await.expect(200).json();
        assert_eq!((&report["refused"], &report["ignored"]), (&json!(0), &json!(0)), "{report:#}");
        assert_eq!(everything(&twin).await, everything(&app).await);
        assert_eq!(get(&twin, "tests/boot.a/attachments/more.txt").await.expect(200).text, "more");
        let image = get(&twin, &format!("attachments/{}", sha256.as_str().unwrap())).await.expect(200);
        assert_eq!(image.text, "an image of more than ten bytes");
        import(&app, "?prune=true", archive).await.expect(200);
        assert_eq!(everything(&twin).await, everything(&app).await);
        // As of an earlier revision it is what was imported.
        let first = app.http.get(format!("{}{BASE}/export?revision=1", app.base)).send().await.unwrap();
        assert_eq!(first.status(), 200);
    }
}
