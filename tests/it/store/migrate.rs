//! Migrations: run once whoever starts first, and never over a schema that is newer than the program.

use testyard::store::build::{self, Filter};
use testyard::store::page::Page;
use testyard::store::{Db, Error};

use super::{a_build, at, committed, read};
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn a_database_that_is_newer_than_the_program_is_refused(db: TestDb) {
        let open = db.open().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        assert_eq!(committed!(open, conn => conn.query(newer).execute()), 1);
        open.close().await;
        let error = Db::connect(db.url(), 2).await.unwrap_err();
        assert!(matches!(error, Error::Newer(9999)), "{error:?}");
        assert!(error.to_string().contains("9999"), "{error}");
        assert!(!error.is_transient());
    }

    async fn a_migration_that_was_changed_afterwards_is_refused(db: TestDb) {
        let open = db.open().await;
        let other = "UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1";
        assert_eq!(committed!(open, conn => conn.query(other).bind(vec![0_u8; 48]).execute()), 1);
        open.close().await;
        let error = Db::connect(db.url(), 2).await.unwrap_err();
        assert!(matches!(error, Error::Migrate(_)), "{error:?}");
    }

    async fn several_processes_may_start_on_an_empty_database_at_once(db: TestDb) {
        let starts = futures_util::future::join_all((0..6).map(|_| Db::connect(db.url(), 2))).await;
        let opened: Vec<Db> = starts.into_iter().map(|start| start.expect("each of them starts")).collect();
        for (n, db) in (0..).zip(&opened) {
            committed!(db, conn => build::insert(conn, &[a_build(at(n))]));
        }
        let page = Page { limit: 100, before: None };
        assert_eq!(read!(opened[0], conn => build::list(conn, &Filter::default(), page)).0.len(), 6);
        let (runs,): (i64,) =
            read!(opened[0], conn => conn.query("SELECT count(*) FROM _sqlx_migrations WHERE version = 1").fetch_one());
        assert_eq!(runs, 1);
    }

    async fn opening_again_changes_nothing(db: TestDb) {
        let first = db.open().await;
        committed!(first, conn => build::insert(conn, &[a_build(at(0))]));
        let second = db.open().await;
        let page = Page { limit: 100, before: None };
        assert_eq!(read!(second, conn => build::list(conn, &Filter::default(), page)).0.len(), 1);
    }
}
