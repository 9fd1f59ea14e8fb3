//! A Canary workspace's database is read as it is, whatever stands in its columns.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use testyard::store::canary::{MAX_TEXT, Workspace};

/// A workspace with texts, with none where there should be some, and with one that is too long.
async fn made(folder: &TempDir) -> std::path::PathBuf {
    let file = folder.path().join("workspace.sqlite3");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE specs (spec_id TEXT, data);
         INSERT INTO specs VALUES ('b', x'8004'), ('a', 'text'), (NULL, NULL);
         CREATE TABLE spec_deps (spec_id TEXT, dep_id TEXT);
         INSERT INTO spec_deps VALUES ('b', 'z'), ('b', 'a'), (NULL, 'a'), ('a', x'ff');
         CREATE TABLE selections (tag TEXT, spec_id TEXT);
         INSERT INTO selections VALUES ('nightly', 'b'), ('nightly', 'a'), ('other', 'a');
         CREATE TABLE selection_meta (tag TEXT, data TEXT);
         INSERT INTO selection_meta VALUES ('nightly', '{}');
         CREATE TABLE results (
            spec_id, spec_name, spec_fullname, file_root, file_path, session, workspace, status_state, status_category,
            status_status, status_reason, status_code, submitted, started, finished, measurements
         );
         INSERT INTO results VALUES ('a', 'n', 'f', '/r', 'p', 's', '/w', 'COMPLETE', 'PASS', 'SUCCESS', '', 0, 1, 2.5, 'x', '{}');",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let long = "x".repeat(MAX_TEXT + 1);
    sqlx::query("INSERT INTO results (spec_id, session) VALUES ('b', ?)")
        .bind(long)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    file
}

fn lists(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let owned = |list: &&[&str]| list.iter().map(|entry| (*entry).to_owned()).collect();
    pairs.iter().map(|(name, list)| ((*name).to_owned(), owned(list))).collect()
}

#[tokio::test]
async fn a_workspace_is_read_in_the_order_of_its_rows() {
    let folder = TempDir::new().unwrap();
    let mut workspace = Workspace::open(&made(&folder).await).await.unwrap();
    let tables = workspace.tables().await.unwrap();
    assert_eq!(tables["spec_deps"], BTreeSet::from(["spec_id".to_owned(), "dep_id".to_owned()]));
    assert_eq!(tables.len(), 5);
    assert_eq!(workspace.encoding().await.unwrap(), "UTF-8");
    let specs: Vec<_> = workspace.specs().try_collect().await.unwrap();
    let told: Vec<_> = specs.iter().map(|row| (row.id.as_deref(), row.data.as_deref(), row.kind.as_str())).collect();
    assert_eq!(
        told,
        [(Some("b"), Some([0x80, 4].as_slice()), "blob"), (Some("a"), None, "text"), (None, None, "null")]
    );
    assert_eq!(workspace.edges().await.unwrap(), lists(&[("b", &["z", "a"])]), "what is no text names nothing");
    assert_eq!(workspace.selections().await.unwrap(), lists(&[("nightly", &["b", "a"]), ("other", &["a"])]));
    assert_eq!(workspace.selection_metadata().await.unwrap(), lists(&[("nightly", &["{}"])]));
    let results: Vec<_> = workspace.results().try_collect().await.unwrap();
    assert_eq!(results.iter().map(|row| row.unread).collect::<Vec<_>>()[0], None);
    assert!(results[1].unread.is_some(), "{:?}", results[1].unread);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("none.sqlite3");
    assert!(Workspace::open(&file).await.is_err());
    assert!(!file.exists());
}
