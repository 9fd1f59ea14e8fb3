//! The catalogue from the command line: on a database, and on a service.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::transfer::{DATABASE, write};
use super::{BASE, get};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::{on_both, process};

/// Runs the program on a database, or on a service.
async fn run(folder: &Path, place: &[&str], arguments: &[&str]) -> Output {
    let all: Vec<&str> = arguments.iter().chain(place).copied().collect();
    process::testyard(folder, &all).output().await.unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const FOLDER: &[(&str, &str)] = &[
    ("net/up.test.toml", "class = 'command.ShellCommandTest'\n[arguments]\ncommand = 'ip link'\n"),
    ("nightly.suite.json", r#"{"suite_ids": ["net"]}"#),
    (
        "lab/Board.class.toml",
        "of = 'test'\nfields = [{name = 'pins', type = 'integer'}]\nexecution = {runner = 'lab'}\n",
    ),
    ("boards.items.toml", "[[items]]\nkind = 'test'\nlabel = 'board.a'\nclass = 'lab.Board'\narguments = {pins = 3}\n"),
    ("README.md", "not a part of it"),
];

/// Goes through a folder's life: what would change, the change, nothing more to change, what is gone, what is wrong.
async fn through_a_folder(work: &Path, place: &[&str]) {
    let folder = work.join("catalogue");
    write(&folder, FOLDER);
    let folder = folder.to_str().unwrap();
    let diff = run(work, place, &["catalog", "diff", folder]).await;
    assert_eq!(diff.status.code(), Some(1), "{}", stderr(&diff));
    let lines = "+ test board.a\n+ test net.up\n+ suite nightly\n+ class lab.Board\nrevision 1 would be: 4 created\n";
    assert_eq!(stdout(&diff), lines);
    let applied = run(work, place, &["catalog", "apply", folder, "--message", "the plan"]).await;
    assert_eq!(stdout(&applied), lines.replace(" would be", ""));
    let again = run(work, place, &["catalog", "diff", folder, "--json"]).await;
    assert_eq!(again.status.code(), Some(0));
    let answer: Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!(answer["counts"], json!({"created": 0, "replaced": 0, "removed": 0, "unchanged": 4}));
    std::fs::remove_file(work.join("catalogue/nightly.suite.json")).unwrap();
    assert_eq!(
        run(work, place, &["catalog", "diff", folder]).await.status.code(),
        Some(0),
        "nothing is pruned unless asked"
    );
    let pruned = run(work, place, &["catalog", "apply", folder, "--prune"]).await;
    assert_eq!(stdout(&pruned), "- suite nightly\nrevision 2: 1 removed, 3 unchanged\n");
    write(Path::new(folder), &[("net/down.test.toml", "class = 'command.ExecTest'\narguments = {exit_code = 'x'}\n")]);
    let refused = run(work, place, &["catalog", "apply", folder]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("exit_code"), "{}", stderr(&refused));
}

on_both! {
    async fn a_folder_is_brought_into_a_database(db: TestDb) {
        let work = TempDir::new().unwrap();
        through_a_folder(work.path(), &["--database-url", db.url()]).await;
    }

    async fn a_folder_is_brought_to_a_service(db: TestDb) {
        let work = TempDir::new().unwrap();
        let app = TestApp::start(db).await;
        through_a_folder(work.path(), &["--server", &app.base]).await;
        assert_eq!(app.show(&format!("{BASE}/revisions/1")).await["message"], "the plan");
        get(&app, "tests/board.a").await.expect(200);
    }

    async fn a_database_goes_in_and_out(db: TestDb) {
        let work = TempDir::new().unwrap();
        write(&work.path().join("database"), DATABASE);
        let place = ["--database-url", db.url()];
        let dry = run(work.path(), &place, &["import", "qmtest", "database", "--dry-run"]).await;
        assert_eq!(dry.status.code(), Some(1), "something in it cannot be read: {}", stderr(&dry));
        let shown = String::from_utf8(dry.stdout).unwrap();
        assert!(shown.contains("refused: broken.qmt: "), "{shown}");
        assert!(shown.ends_with("; 3 refused, 3 ignored\n") && shown.contains("revision 1 would be: taken "), "{shown}");
        let imported = run(work.path(), &place, &["import", "qmtest", "database"]).await;
        assert_eq!(String::from_utf8(imported.stdout).unwrap(), shown.replace(" would be", ""));
        let exported = run(work.path(), &place, &["export", "qmtest", "out"]).await;
        assert!(stdout(&exported).starts_with("revision 1: "), "{}", stderr(&exported));
        let text = std::fs::read_to_string(work.path().join("out/net.qms/dns.qms/lookup.qmt")).unwrap();
        assert!(text.contains("command.ExecTest"), "{text}");
        let twice = run(work.path(), &place, &["export", "qmtest", "out"]).await;
        assert!(!twice.status.success() && stderr(&twice).contains("not empty"), "{}", stderr(&twice));
        let again = run(work.path(), &place, &["import", "qmtest", "out", "--prune", "--json"]).await;
        let report: Value = serde_json::from_str(&stdout(&again)).unwrap();
        assert_eq!((&report["revision"], &report["refused"]), (&json!(1), &json!(0)), "what was exported is what there is");
        let missing = run(work.path(), &place, &["import", "qmtest", "nowhere"]).await;
        assert!(!missing.status.success() && stderr(&missing).contains("nowhere"), "{}", stderr(&missing));
    }
}
