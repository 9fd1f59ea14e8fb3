//! Pools, transactions, and the modes that durability rests on.

use testyard::store::build::{self, Filter};
use testyard::store::db::Dialect;
use testyard::store::page::Page;
use testyard::store::query::{FOR_UPDATE, SKIP_LOCKED};
use testyard::store::{Db, Error};

use super::{a_build, at, committed, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

const ALL: Page = Page { limit: 1000, before: None };

async fn builds(db: &Db) -> usize {
    read!(db, conn => build::list(conn, &Filter::default(), ALL)).0.len()
}

async fn pragma(db: &Db, pragma: &'static str) -> i64 {
    let (value,): (i64,) = committed!(db, conn => conn.query(pragma).fetch_one());
    value
}

on_both! {
    async fn a_transaction_that_is_dropped_leaves_nothing(db: TestDb) {
        let db = db.open().await;
        let mut tx = db.begin().await.unwrap();
        build::insert(&mut tx.conn(), &[a_build(at(0))]).await.unwrap();
        drop(tx);
        assert_eq!(builds(&db).await, 0);
        committed!(db, conn => build::insert(conn, &[a_build(at(0))]));
        assert_eq!(builds(&db).await, 1);
    }

    async fn a_transaction_that_is_rolled_back_leaves_nothing_and_holds_nothing(db: TestDb) {
        let db = db.open().await;
        committed!(db, conn => build::insert(conn, &[a_build(at(0))]));
        let mut tx = db.begin().await.unwrap();
        build::insert(&mut tx.conn(), &[a_build(at(1))]).await.unwrap();
        let locked: Vec<(uuid::Uuid,)> =
            tx.conn().query("SELECT id FROM build").push(FOR_UPDATE).fetch_all().await.unwrap();
        assert_eq!(locked.len(), 2);
        tx.rollback().await.unwrap();
        // Whoever passes over what is locked finds it.
        let found: Vec<(uuid::Uuid,)> =
            committed!(db, conn => conn.query("SELECT id FROM build").push(SKIP_LOCKED).fetch_all());
        assert_eq!(found.len(), 1);
    }

    async fn what_is_not_committed_is_not_seen(db: TestDb) {
        let db = db.open().await;
        let mut tx = db.begin().await.unwrap();
        build::insert(&mut tx.conn(), &[a_build(at(0))]).await.unwrap();
        assert_eq!(builds(&db).await, 0, "a reader neither waits nor sees it");
        tx.commit().await.unwrap();
        assert_eq!(builds(&db).await, 1);
    }

    async fn what_was_committed_is_there_when_the_database_is_opened_again(db: TestDb) {
        let first = db.open().await;
        committed!(first, conn => build::insert(conn, &[a_build(at(0))]));
        first.close().await;
        assert_eq!(builds(&db.open().await).await, 1);
    }

    async fn a_failed_statement_spoils_no_later_transaction(db: TestDb) {
        let db = db.open().await;
        let build = a_build(at(0));
        committed!(db, conn => build::insert(conn, std::slice::from_ref(&build)));
        for _ in 0..20 {
            let error = refused!(db, conn => build::insert(conn, std::slice::from_ref(&build)));
            assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        }
        committed!(db, conn => build::insert(conn, &[a_build(at(1))]));
        assert_eq!(builds(&db).await, 2);
    }

    async fn a_database_that_is_closed_is_not_available(db: TestDb) {
        let db = db.open().await;
        db.close().await;
        for error in [db.begin().await.unwrap_err(), db.read().await.unwrap_err()] {
            assert!(error.is_transient(), "{error:?}");
        }
    }

    async fn readers_do_not_wait_for_the_writer(db: TestDb) {
        let db = db.open().await;
        let mut tx = db.begin().await.unwrap();
        build::insert(&mut tx.conn(), &[a_build(at(0))]).await.unwrap();
        for _ in 0..20 {
            assert_eq!(builds(&db).await, 0);
        }
        tx.commit().await.unwrap();
    }

    async fn writers_queue_for_each_other(db: TestDb) {
        let db = db.open().await;
        let mut writers = tokio::task::JoinSet::new();
        for n in 0..32 {
            let db = db.clone();
            writers.spawn(async move {
                committed!(db, conn => build::insert(conn, &[a_build(at(n))]));
            });
        }
        writers.join_all().await;
        assert_eq!(builds(&db).await, 32);
    }

    async fn a_connection_knows_its_database(db: TestDb) {
        let (want, db) = (db.dialect(), db.open().await);
        assert_eq!(db.dialect(), want);
        assert_eq!(db.begin().await.unwrap().conn().dialect(), want);
        assert_eq!(db.read().await.unwrap().conn().dialect(), want);
    }
}

on_both! {
    async fn a_snapshot_sees_what_there_was_at_its_first_statement_and_writes_nothing(db: TestDb) {
        let db = db.open().await;
        let count = async |conn: &mut testyard::store::Conn<'_>| {
            let (count,): (i64,) = conn.query("SELECT count(*) FROM build").fetch_one().await.unwrap();
            count
        };
        let mut snapshot = db.snapshot().await.unwrap();
        assert_eq!(count(&mut snapshot.conn()).await, 0);
        committed!(db, conn => build::insert(conn, &[a_build(at(0))]));
        assert_eq!(count(&mut snapshot.conn()).await, 0, "what others have written since");
        assert!(build::insert(&mut snapshot.conn(), &[a_build(at(1))]).await.is_err());
        drop(snapshot);
        let mut later = db.snapshot().await.unwrap();
        assert_eq!(count(&mut later.conn()).await, 1);
    }
}

#[tokio::test]
async fn sqlite_flushes_each_commit_to_the_disk() {
    let db = TestDb::new(Dialect::Sqlite).await;
    let db = db.open().await;
    assert_eq!(pragma(&db, "PRAGMA synchronous").await, 2, "FULL");
    let (mode,): (String,) = committed!(db, conn => conn.query("PRAGMA journal_mode").fetch_one());
    assert_eq!(mode, "wal");
    assert_eq!(pragma(&db, "PRAGMA foreign_keys").await, 1);
    assert_eq!(pragma(&db, "PRAGMA busy_timeout").await, 5000);
}

#[tokio::test]
async fn readers_of_sqlite_cannot_write() {
    let db = TestDb::new(Dialect::Sqlite).await;
    let db = db.open().await;
    let mut lease = db.read().await.unwrap();
    let error = build::insert(&mut lease.conn(), &[a_build(at(0))]).await.unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn postgres_flushes_each_commit_to_the_disk_as_its_server_is_set() {
    let server = crate::support::postgres::PostgresServer::own();
    let db = Db::connect(server.url(), 2).await.unwrap();
    for (setting, value) in [("SHOW synchronous_commit", "on"), ("SHOW fsync", "on")] {
        let (shown,): (String,) = read!(db, conn => conn.query(setting).fetch_one());
        assert_eq!(shown, value, "{setting}: the service must not turn it off");
    }
    db.close().await;
}

#[tokio::test]
async fn a_url_of_another_database_is_refused() {
    for url in ["mysql://localhost/x", "testyard.sqlite", "", "sqlite", "http://localhost"] {
        let error = Db::connect(url, 2).await.unwrap_err();
        assert!(matches!(error, Error::Url), "{url}: {error:?}");
        assert!(!error.is_transient());
    }
}
