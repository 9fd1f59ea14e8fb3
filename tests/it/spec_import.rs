//! `testyard import canary`: real specs and results of Canary's, in a workspace that is made here as Canary makes one.

use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;
use testyard::store;
use testyard::store::page::Stretch;

use crate::support::db::TestDb;
use crate::support::{on_both, process};

const TABLES: &str = "
    CREATE TABLE specs (spec_id TEXT PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE specs_meta (spec_id TEXT PRIMARY KEY, source TEXT NOT NULL, view TEXT NOT NULL);
    CREATE TABLE spec_deps (spec_id TEXT NOT NULL, dep_id TEXT NOT NULL, PRIMARY KEY (spec_id, dep_id));
    CREATE TABLE selections (tag TEXT, spec_id TEXT, PRIMARY KEY (tag, spec_id));
    CREATE TABLE selection_meta (tag TEXT PRIMARY KEY, data TEXT);
    CREATE TABLE results (
        spec_id TEXT, spec_name TEXT, spec_fullname TEXT, file_root TEXT, file_path TEXT, session TEXT, workspace TEXT,
        status_state TEXT, status_category TEXT, status_status TEXT, status_reason TEXT, status_code INTEGER,
        submitted REAL, started REAL, finished REAL, measurements TEXT, PRIMARY KEY (spec_id, session)
    );
    CREATE INDEX ix_results_session ON results (session);";

/// The release whose workspace this is.
const RELEASE: &str = "26.4.16";

fn recorded(file: &str, list: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/canary_workspace").join(file);
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    document[list].as_array().unwrap().clone()
}

struct Workspace {
    file: PathBuf,
    connection: SqliteConnection,
}

impl Workspace {
    /// One without anything in it.
    async fn empty(folder: &Path, journal: SqliteJournalMode) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join("workspace.sqlite3");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true).journal_mode(journal);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(TABLES).execute(&mut connection).await.unwrap();
        Self { file, connection }
    }

    /// One with the suite that was recorded, and a selection of two of its four specs.
    async fn of_suite(folder: &Path) -> Self {
        let mut workspace = Self::empty(folder, SqliteJournalMode::Memory).await;
        for case in suite() {
            let id = case["expect"]["id"].as_str().unwrap();
            workspace.spec(id, &STANDARD.decode(case["pickle"].as_str().unwrap()).unwrap()).await;
            for dependency in case["dependencies"].as_array().unwrap() {
                let insert = sqlx::query("INSERT INTO spec_deps VALUES (?, ?)").bind(id).bind(dependency.as_str());
                insert.execute(&mut workspace.connection).await.unwrap();
            }
        }
        for row in recorded("rows.json", "rows").iter().filter(|row| row["release"] == RELEASE) {
            workspace.result(row, row["session"].as_str().unwrap()).await;
        }
        for id in ids().iter().take(2) {
            workspace.member("nightly", id).await;
        }
        let metadata = r#"{"tag": "nightly", "created_on": "2026-11-29T13:49:00", "scanpaths": {"/suite": []}}"#;
        let insert = sqlx::query("INSERT INTO selection_meta VALUES ('nightly', ?)").bind(metadata);
        insert.execute(&mut workspace.connection).await.unwrap();
        workspace
    }

    async fn spec(&mut self, id: &str, data: &[u8]) {
        let insert = sqlx::query("INSERT OR REPLACE INTO specs VALUES (?, ?)").bind(id).bind(data);
        insert.execute(&mut self.connection).await.unwrap();
    }

    async fn member(&mut self, tag: &str, id: &str) {
        let insert = sqlx::query("INSERT INTO selections VALUES (?, ?)").bind(tag).bind(id);
        insert.execute(&mut self.connection).await.unwrap();
    }

    async fn result(&mut self, row: &Value, session: &str) {
        let text = |column: &str| row[column].as_str().unwrap().to_owned();
        let mut insert =
            sqlx::query("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        for column in ["spec_id", "spec_name", "spec_fullname", "file_root", "file_path"] {
            insert = insert.bind(text(column));
        }
        insert = insert.bind(session.to_owned());
        for column in ["workspace", "status_state", "status_category", "status_status", "status_reason"] {
            insert = insert.bind(text(column));
        }
        insert = insert.bind(row["status_code"].as_i64());
        for column in ["submitted", "started", "finished"] {
            insert = insert.bind(row[column].as_f64());
        }
        insert.bind(text("measurements")).execute(&mut self.connection).await.unwrap();
    }

    async fn execute(&mut self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut self.connection).await.unwrap();
    }
}

/// The recorded specs of the suite.
fn suite() -> Vec<Value> {
    let is_of_suite = |case: &Value| {
        let name = case["name"].as_str().unwrap();
        name.starts_with(RELEASE) && !name.contains("full")
    };
    recorded("specs.json", "cases").into_iter().filter(is_of_suite).collect()
}

/// Their ids; the first depends on the others.
fn ids() -> Vec<String> {
    suite().iter().map(|case| case["expect"]["id"].as_str().unwrap().to_owned()).collect()
}

async fn import(work: &Path, db: &TestDb, path: &str, more: &[&str]) -> Output {
    let arguments = [&["import", "canary", path, "--database-url", db.url()], more].concat();
    process::testyard(work, &arguments).output().await.unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Imports, and tells what came of it.
async fn told(work: &Path, db: &TestDb, path: &str) -> Value {
    serde_json::from_str(&stdout(&import(work, db, path, &["--json"]).await)).unwrap()
}

/// Why a workspace cannot be read at all.
async fn refusal(work: &Path, db: &TestDb, path: &str) -> String {
    let output = import(work, db, path, &[]).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

on_both! {
    async fn a_workspace_is_taken_over_whole_and_once(db: TestDb) {
        let work = TempDir::new().unwrap();
        let mut workspace = Workspace::of_suite(&work.path().join("ws/.canary")).await;
        let row = recorded("rows.json", "rows").into_iter().find(|row| row["release"] == RELEASE).unwrap();
        workspace.result(&row, "2026-01-01T00-00-00").await;
        workspace.connection.close().await.unwrap();
        let before = std::fs::read(&workspace.file).unwrap();
        let counts = "specs: 4 created; results: 5 recorded; selections: 1 stored; 0 refused\n";
        let dry = import(work.path(), &db, "ws", &["--dry-run"]).await;
        assert_eq!(dry.status.code(), Some(0));
        assert_eq!(stdout(&dry), format!("revision 1 would be: {counts}"));
        let done = import(work.path(), &db, "ws", &[]).await;
        assert_eq!(stdout(&done), format!("revision 1: {counts}"), "the dry run changed nothing");

        let service = db.open().await;
        let mut reader = service.read().await.unwrap();
        let conn = &mut reader.conn();
        let first = store::spec::get(conn, &ids()[0]).await.unwrap().unwrap().document.0;
        assert_eq!((first.view(), first.xstatus, first.exclusive), ("sub/b.cpus=2/b.pyt".to_owned(), 3, true));
        let waits: Vec<(&str, &str)> =
            first.dependencies.iter().map(|it| (it.id.as_str(), it.when.as_str())).collect();
        let recorded_ids = suite()[0]["dependencies"].clone();
        let wanted: Vec<(&str, &str)> =
            recorded_ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).zip(["pass", "pass", "failed"]).collect();
        assert_eq!(waits, wanted);
        let page = Stretch { limit: 10, after: None };
        let spec_id = row["spec_id"].as_str().unwrap().to_owned();
        let (history, _) = store::spec_result::history(conn, std::slice::from_ref(&spec_id), &page).await.unwrap();
        let sessions: Vec<&str> = history.iter().map(|stored| stored.result.session.as_str()).collect();
        assert_eq!(sessions, ["2026-01-01T00-00-00", row["session"].as_str().unwrap()]);
        let selection = store::selection::get(conn, "nightly").await.unwrap().unwrap();
        assert_eq!((selection.selected, selection.masked), (2, 0));
        assert_eq!(
            Value::from(selection.metadata.0),
            json!({"canary_created_on": "2026-11-29T13:49:00", "scanpaths": {"/suite": []}})
        );
        drop(reader);
        service.close().await;

        let again = told(work.path(), &db, "ws/.canary/workspace.sqlite3").await;
        assert_eq!(
            again,
            json!({
                "revision": 1, "dry_run": false, "specs": {"created": 0, "replaced": 0, "unchanged": 4},
                "results": {"recorded": 0, "repeated": 5}, "selections": {"stored": 1}, "refused": 0, "entries": [],
            })
        );
        assert_eq!(std::fs::read(&workspace.file).unwrap(), before);
        let beside: Vec<_> = std::fs::read_dir(workspace.file.parent().unwrap()).unwrap().collect();
        assert_eq!(beside.len(), 1, "{beside:?}");

        // Canary writes a row of a session anew: the later one counts.
        let options = SqliteConnectOptions::new().filename(&workspace.file);
        let mut changed = Workspace { connection: options.connect().await.unwrap(), file: workspace.file };
        changed.execute("UPDATE results SET status_reason = 'again' WHERE session = '2026-01-01T00-00-00'").await;
        changed.connection.close().await.unwrap();
        let later = told(work.path(), &db, "ws/.canary").await;
        assert_eq!(later["results"], json!({"recorded": 1, "repeated": 4}));
        let service = db.open().await;
        let mut reader = service.read().await.unwrap();
        let (history, _) = store::spec_result::history(&mut reader.conn(), &[spec_id], &page).await.unwrap();
        let reasons: Vec<_> = history.iter().map(|stored| stored.result.status.reason()).collect();
        assert_eq!(reasons, [Some("again"), None]);
    }

    async fn what_cannot_be_read_is_told_and_the_rest_is_taken(db: TestDb) {
        let work = TempDir::new().unwrap();
        let mut workspace = Workspace::of_suite(work.path()).await;
        let id = |digit: &str| digit.repeat(64);
        let whole = STANDARD.decode(suite()[1]["pickle"].as_str().unwrap()).unwrap();
        workspace.spec(&ids()[1], &whole[..100]).await;
        workspace.spec(&id("a"), &whole).await;
        workspace.spec(&id("b"), &vec![b'x'; 2 << 20]).await;
        workspace.execute(format!("INSERT INTO specs VALUES ('{}', '{{}}'), (NULL, x'00')", id("c"))).await;
        let row = recorded("rows.json", "rows").into_iter().find(|row| row["release"] == RELEASE).unwrap();
        for (session, broken) in [
            ("s1", "status_status = 'DONE'"),
            ("s2", "measurements = '[]'"),
            ("s3", "spec_fullname = NULL"),
            ("s4", "measurements = printf('%.*c', 2000000, 'x')"),
        ] {
            workspace.result(&row, session).await;
            workspace.execute(format!("UPDATE results SET {broken} WHERE session = '{session}'")).await;
        }
        workspace.member(":all:", &ids()[0]).await;
        workspace.member("odd", "no id").await;
        workspace.member("other", &id("d")).await;
        workspace.execute("INSERT INTO selection_meta VALUES ('other', '[1]'), ('gone', '{}')").await;
        workspace.connection.close().await.unwrap();
        let told = told(work.path(), &db, ".").await;
        assert_eq!(told["specs"], json!({"created": 3, "replaced": 0, "unchanged": 0}));
        assert_eq!(told["results"], json!({"recorded": 4, "repeated": 0}));
        assert_eq!(told["selections"], json!({"stored": 2}));
        let lines: Vec<String> = told["entries"].as_array().unwrap().iter().map(|entry| {
            let text = |member: &str| entry[member].as_str().unwrap().chars().take(90).collect::<String>();
            format!("{} {} {}: {}", text("fate"), text("kind"), &text("name")[..text("name").len().min(3)], text("reason"))
        }).collect();
        let short = |id: &str| id[..3].to_owned();
        for (line, begin) in [
            format!("refused spec {}: at byte ", short(&ids()[1])),
            format!("refused spec aaa: its pickle is that of the spec {}", &ids()[1][..20]),
            "refused spec bbb: its pickle has 2097152 bytes; want at most 1048576".to_owned(),
            "refused spec ccc: its `data` is text, and no pickle".to_owned(),
            "refused spec wit: its `spec_id` is no text".to_owned(),
            format!("noted spec {}: it depends on {}", short(&ids()[0]), &ids()[1][..20]),
            format!("refused result {}: /status/status: `DONE`", short(row["spec_id"].as_str().unwrap())),
            format!("refused result {}: /measurements: want an object", short(row["spec_id"].as_str().unwrap())),
            format!("refused result {}: its `spec_fullname` is no text", short(row["spec_id"].as_str().unwrap())),
            format!("refused result {}: its `measurements` is no text of at most", short(row["spec_id"].as_str().unwrap())),
            "refused selection :al: the tag `:all:`: /tag: it stands for all specs".to_owned(),
            "refused selection odd: its specs: /0: want 8 to 128".to_owned(),
            "noted selection oth: left out: its metadata: want an object".to_owned(),
        ].iter().enumerate().map(|(place, begin)| (lines.get(place).cloned().unwrap_or_default(), begin.clone())) {
            assert!(line.starts_with(&begin), "{line}\n{begin}\n{lines:#?}");
        }
        assert_eq!((lines.len(), &told["refused"]), (13, &json!(11)), "{lines:#?}");
        let code = import(work.path(), &db, ".", &["--dry-run"]).await.status.code();
        assert_eq!(code, Some(1), "something in it cannot be read");
    }
}

#[tokio::test]
async fn what_is_no_workspace_is_refused_and_left_as_it_is() {
    let (work, db) = (TempDir::new().unwrap(), TestDb::new(store::Dialect::Sqlite).await);
    let folder = |name: &str| work.path().join(name);
    std::fs::write(folder("text"), "not a database").unwrap();
    std::fs::write(folder("magic"), [b"SQLite format 3\0", &[7_u8; 5000][..]].concat()).unwrap();
    for name in ["later", "other"] {
        let mut workspace = Workspace::empty(&folder(name), SqliteJournalMode::Memory).await;
        workspace
            .execute(match name {
                "later" => "ALTER TABLE results RENAME COLUMN status_state TO job_state",
                _ => "DROP TABLE spec_deps",
            })
            .await;
    }
    for (path, words) in [
        ("nowhere", "nowhere: "),
        ("text", "text is no SQLite database"),
        ("magic", "the workspace's database cannot be read: "),
        ("later", "a later release of Canary has written the workspace"),
        ("other", "there is no table `spec_deps`"),
    ] {
        let told = refusal(work.path(), &db, path).await;
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!folder("nowhere").exists());
}

#[tokio::test]
async fn changes_that_stand_beside_the_file_are_read_too() {
    let (work, db) = (TempDir::new().unwrap(), TestDb::new(store::Dialect::Sqlite).await);
    let mut workspace = Workspace::empty(work.path(), SqliteJournalMode::Wal).await;
    workspace.execute("PRAGMA wal_autocheckpoint = 0").await;
    for case in suite().iter().skip(1) {
        let data = STANDARD.decode(case["pickle"].as_str().unwrap()).unwrap();
        workspace.spec(case["expect"]["id"].as_str().unwrap(), &data).await;
    }
    // The connection stays open, so that the log is not written to the file.
    let log = work.path().join("workspace.sqlite3-wal");
    let before = (std::fs::read(&workspace.file).unwrap(), std::fs::read(&log).unwrap());
    assert!(!before.1.is_empty());
    let told = told(work.path(), &db, "workspace.sqlite3").await;
    assert_eq!(told["specs"], json!({"created": 3, "replaced": 0, "unchanged": 0}));
    assert_eq!((std::fs::read(&workspace.file).unwrap(), std::fs::read(&log).unwrap()), before);
}

#[tokio::test]
async fn a_selection_that_was_made_by_rules_is_not_overwritten() {
    let (work, db) = (TempDir::new().unwrap(), TestDb::new(store::Dialect::Sqlite).await);
    let workspace = Workspace::of_suite(work.path()).await;
    workspace.connection.close().await.unwrap();
    let service = db.open().await;
    let new = store::selection::NewSelection {
        tag: "nightly".into(),
        now: chrono::DateTime::UNIX_EPOCH,
        created_by: None,
        spec_set_revision: 0,
        spec_set_id: "0".repeat(64),
        rules: vec![json!({"type": "keyword"})],
        metadata: serde_json::Map::new(),
        hooks: vec![],
        hook_rules: vec![],
    };
    let mut tx = service.begin().await.unwrap();
    store::selection::put(&mut tx.conn(), &new, &[]).await.unwrap();
    tx.commit().await.unwrap();
    service.close().await;
    let told = told(work.path(), &db, ".").await;
    assert_eq!((&told["selections"], &told["refused"]), (&json!({"stored": 0}), &json!(1)));
    let reason = told["entries"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("made here by rules"), "{reason}");
}
