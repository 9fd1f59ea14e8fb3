//! `testyard import checkbox`: the command, on a database.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::{on_both, process};

async fn run(folder: &Path, db: &TestDb, arguments: &[&str]) -> Output {
    let all: Vec<&str> =
        ["import", "checkbox"].iter().chain(arguments).chain(&["--database-url", db.url()]).copied().collect();
    process::testyard(folder, &all).output().await.unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

const FILES: &[(&str, &str)] = &[
    (
        "lab/manage.py",
        "from plainbox.provider_manager import setup, N_\nsetup(\n    name='lab',\n    namespace='com.example.lab',\n)\n",
    ),
    (
        "lab/units/net/jobs.pxu",
        "id: net/up\nplugin: shell\ncommand: ip link\nflags: simple\n\nid: net/bad\nplugin: sell\ncommand: true\nflags: simple\n",
    ),
    ("lab/units/plan.pxu", "unit: test plan\nid: all\n_name: All\ninclude:\n .*\n\nno colon here\n"),
    ("loose/a.pxu", "id: alone\nplugin: shell\ncommand: true\nflags: simple\n"),
    ("none/README", "nothing"),
];

on_both! {
    async fn folders_are_brought_into_a_database(db: TestDb) {
        let work = TempDir::new().unwrap();
        write(work.path(), FILES);
        let dry = run(work.path(), &db, &["lab", "loose", "--dry-run"]).await;
        assert_eq!(dry.status.code(), Some(0), "{dry:?}");
        let told = stdout(&dry);
        assert!(told.contains("lab/units/net/jobs.pxu:7: error: plugin: "), "{told}");
        assert!(told.contains("lab/units/plan.pxu:7: "), "{told}");
        assert!(told.contains("provider lab (namespace com.example.lab) would be created at revision 1: 2 job, 1 test plan from 2 files\n"), "{told}");
        assert!(told.contains("provider loose (no namespace) would be created at revision 1: 1 job from 1 files\n"), "{told}");
        let taken = run(work.path(), &db, &["lab", "loose"]).await;
        assert_eq!(stdout(&taken), told.replace("would be ", ""), "a dry run tells the same, and has changed nothing");
        let again = run(work.path(), &db, &["lab", "--json", "--namespace", "com.example.other"]).await;
        let report: Value = serde_json::from_str(&stdout(&again)).unwrap();
        let provider = &report["providers"][0];
        assert_eq!(
            (&provider["fate"], &provider["revision"], &provider["namespace"], &provider["units"]),
            (&json!("replaced"), &json!(2), &json!("com.example.other"), &json!({"job": 2, "test plan": 1}))
        );
        let problem = report["problems"].as_array().unwrap().iter().find(|problem| problem["line"] == 7 && problem["severity"].is_null());
        assert_eq!(problem.unwrap()["file"], "lab/units/plan.pxu");

        for (nothing, words) in [("none", "none: there are no .pxu files in it\n"), ("nowhere", "nowhere: cannot be read: ")] {
            let refused = run(work.path(), &db, &[nothing]).await;
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            assert!(stdout(&refused).starts_with(words), "{refused:?}");
        }
        let named = run(work.path(), &db, &["loose/a.pxu", "nowhere", "--name", "mine"]).await;
        assert_eq!(named.status.code(), Some(0));
        assert!(stdout(&named).contains("nowhere: cannot be read"), "{named:?}");
        let none = run(work.path(), &db, &[]).await;
        assert_eq!(none.status.code(), Some(2));

        let app = TestApp::start(db).await;
        let providers: Vec<Value> = app.items("/api/v1/providers").await;
        assert_eq!(providers.iter().map(|provider| &provider["name"]).collect::<Vec<_>>(), ["lab", "loose", "mine"]);
        let units = app.items("/api/v1/providers/lab/units").await;
        let told: Vec<_> = units.iter().map(|unit| (&unit["id"], &unit["file"], &unit["line"])).collect();
        assert_eq!(told, [
            (&json!("com.example.other::net/up"), &json!("units/net/jobs.pxu"), &json!(1)),
            (&json!("com.example.other::net/bad"), &json!("units/net/jobs.pxu"), &json!(6)),
            (&json!("com.example.other::all"), &json!("units/plan.pxu"), &json!(1)),
        ]);
    }
}
