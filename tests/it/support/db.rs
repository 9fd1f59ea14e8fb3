//! A fresh, empty database a test: a file for SQLite, a schema on the shared server for PostgreSQL.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use testyard::store::db::{Db, Dialect};

use super::postgres::PostgresServer;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database of the test's own. It is gone when this is dropped. It holds no connection.
#[derive(Debug)]
pub(crate) struct TestDb {
    dialect: Dialect,
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Held for its `Drop`, which removes the file with the folder.
    Folder {
        _folder: TempDir,
    },
    Schema(String),
}

impl TestDb {
    /// Makes one. Nothing is in it, not even our tables.
    pub(crate) async fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => {
                let folder = TempDir::new().expect("a temporary folder");
                let url = format!("sqlite:{}", folder.path().join("testyard.sqlite").display());
                Self { dialect, url, place: Place::Folder { _folder: folder } }
            }
            Dialect::Postgres => {
                let server = PostgresServer::shared().url();
                // The process's number keeps runs apart that share a server.
                let schema = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
                execute(server, format!("CREATE SCHEMA {schema}")).await.expect("a schema on the shared server");
                let join = if server.contains('?') { '&' } else { '?' };
                let url = format!("{server}{join}options=-csearch_path%3D{schema}");
                Self { dialect, url, place: Place::Schema(schema) }
            }
        }
    }

    /// Which database it is.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What `DATABASE_URL` has to be for the service to use it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Opens it with our tables in it.
    pub(crate) async fn open(&self) -> Db {
        Db::connect(&self.url, 8).await.expect("a fresh database opens")
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Place::Schema(schema) = &self.place else { return };
        let statement = format!("DROP SCHEMA {schema} CASCADE");
        // A thread, because a test's own runtime cannot be waited for from inside.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(PostgresServer::shared().url(), statement))
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("a test's schema stays behind: {error}");
        }
    }
}

async fn execute(url: &str, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    // A transaction of the service under test that never ends would hold us here for ever.
    sqlx::query("SET lock_timeout = '10s'").execute(&mut connection).await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

#[cfg(test)]
mod tests {
    use super::super::on_both;
    use super::*;

    on_both! {
        async fn each_test_has_a_database_of_its_own(db: TestDb) {
            let (here, there) = (db.open().await, TestDb::new(db.dialect()).await);
            assert_ne!(db.url(), there.url());
            assert_eq!((here.dialect(), there.open().await.dialect()), (db.dialect(), db.dialect()));
            here.close().await;
        }
    }
}
