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
        let other = "UPDATE _sqlx_migrations SET checksum = description_bytes FROM \
                     (SELECT checksum AS description_bytes FROM _sqlx_migrations WHERE 1 = 0) AS none";
        assert_eq!(committed!(open, conn => conn.query(other).execute()), 0);
        let digest: Vec<u8> = vec![0; 48];
        assert_eq!(
            committed!(open, conn => conn.query("UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1").bind(digest.clone()).execute()),
            1
        );
        open.close().await;
        let error = Db::connect(db.url(), 2).await.unwrap_err();
        assert!(matches!(error, Error::Migrate(_)), "{error:?}");
    }

    async fn several_processes_may_start_on_an_empty_database_at_once(db: TestDb) {
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let url = db.url().to_owned();
            starts.spawn(async move { Db::connect(&url, 2).await });
        }
        let mut opened = Vec::new();
        while let Some(start) = starts.join_next().await {
            opened.push(start.unwrap().expect("each of them starts"));
        }
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
