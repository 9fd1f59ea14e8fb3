//! Errors: what is worth another try is told from what never will be.

use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use testyard::store::db::Dialect;
use testyard::store::{Db, Error};

use super::{a_build, at, committed, refused};
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::postgres::PostgresServer;

on_both! {
    async fn a_mistake_of_ours_is_not_worth_another_try(db: TestDb) {
        let db = db.open().await;
        for statement in ["SELECT nothing FROM nowhere", "SELEKT 1", "INSERT INTO build (id) VALUES (1, 2)"] {
            let error = refused!(db, conn => conn.query(statement).execute());
            assert!(matches!(error, Error::Driver(_)) && !error.is_transient(), "{statement}: {error:?}");
        }
    }

    async fn a_refusal_by_a_constraint_is_not_worth_another_try(db: TestDb) {
        let db = db.open().await;
        let build = a_build(at(0));
        committed!(db, conn => testyard::store::build::insert(conn, std::slice::from_ref(&build)));
        let error = refused!(db, conn => testyard::store::build::insert(conn, std::slice::from_ref(&build)));
        assert!(matches!(error, Error::Conflict(_)) && !error.is_transient(), "{error:?}");
        let error = refused!(db, conn => conn.query("UPDATE build SET tree = NULL").execute());
        assert!(matches!(error, Error::Constraint(_)) && !error.is_transient(), "{error:?}");
    }
}

#[test]
fn a_lost_connection_is_worth_another_try() {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    for error in
        [sqlx::Error::Io(broken), sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed, sqlx::Error::WorkerCrashed]
    {
        assert!(Error::from(error).is_transient());
    }
    for error in [sqlx::Error::RowNotFound, sqlx::Error::ColumnNotFound("x".into())] {
        assert!(!Error::from(error).is_transient());
    }
}

#[tokio::test]
async fn a_sqlite_file_that_another_process_locks_is_worth_another_try() {
    let test = TestDb::new(Dialect::Sqlite).await;
    let db = test.open().await;
    let mut other = SqliteConnection::connect(test.url()).await.unwrap();
    sqlx::query("PRAGMA busy_timeout = 0").execute(&mut other).await.unwrap();
    let tx = db.begin().await.unwrap();
    let error = Error::from(sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap_err());
    assert!(error.is_transient(), "{error:?}");
    drop(tx);
}

#[tokio::test]
async fn a_query_that_postgres_cancels_is_worth_another_try() {
    let test = TestDb::new(Dialect::Postgres).await;
    let db = test.open().await;
    for statement in [
        "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)",
        "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)",
    ] {
        let error = refused!(db, conn => conn.query(statement).execute());
        assert!(error.is_transient(), "{statement}: {error:?}");
    }
    let error = refused!(db, conn => conn.query("SELECT 1 / 0").execute());
    assert!(!error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn two_transactions_that_lock_crosswise_are_worth_another_try() {
    let test = TestDb::new(Dialect::Postgres).await;
    let db = test.open().await;
    let (a, b) = (a_build(at(0)), a_build(at(1)));
    committed!(db, conn => testyard::store::build::insert(conn, &[a.clone(), b.clone()]));
    let touch = async |tx: &mut testyard::store::Tx, id| {
        tx.conn().query("UPDATE build SET branch = 'x' WHERE id = $1").bind(id).execute().await
    };
    let (mut one, mut two) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    touch(&mut one, a.id).await.unwrap();
    touch(&mut two, b.id).await.unwrap();
    // The server finds the cycle and ends one of them; its rollback lets the other go on.
    let first = async {
        let result = touch(&mut one, b.id).await;
        drop(one);
        result
    };
    let second = async {
        let result = touch(&mut two, a.id).await;
        drop(two);
        result
    };
    let (first, second) = tokio::join!(first, second);
    let errors: Vec<Error> = [first, second].into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].is_transient(), "{errors:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_worth_another_try_and_serves_again_when_it_is_back() {
    let server = tokio::task::spawn_blocking(PostgresServer::own).await.unwrap();
    let db = Db::connect(server.url(), 4).await.unwrap();
    committed!(db, conn => testyard::store::build::insert(conn, &[a_build(at(0))]));
    let server = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    })
    .await
    .unwrap();
    let write = async || {
        let mut tx = db.begin().await?;
        testyard::store::build::insert(&mut tx.conn(), &[a_build(at(1))]).await?;
        tx.commit().await
    };
    for _ in 0..2 {
        let error = write().await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    let _server = tokio::task::spawn_blocking(move || {
        server.start();
        server
    })
    .await
    .unwrap();
    // Each connection that broke may be met once more before it is replaced.
    let back = async {
        while let Err(error) = write().await {
            assert!(error.is_transient(), "{error:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("it serves again");
}
