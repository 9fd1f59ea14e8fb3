//! A pool that is either SQLite or PostgreSQL, its connections and its transactions.
//!
//! SQLite has one writer at a time, so writes queue for one connection here rather than fail with `SQLITE_BUSY` there;
//! readers have a pool of their own and never wait for the writer (WAL). `synchronous=FULL`, because a 2xx must survive
//! a power cut.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool};

use crate::store::error::{Error, Result};
use crate::store::event;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a caller waits for a connection before it is told that the database is not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long SQLite waits for a lock that another process holds (a backup, a shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many readers SQLite has at least. Each is a thread, and more of them than the machine has cores only take turns.
const FEWEST_READERS: usize = 4;

/// How many prepared statements a connection keeps: all fixed texts, and those of the batches, of which each table has
/// one for each power of two. With fewer, a busy writer would parse its largest statements again and again.
const STATEMENTS: usize = 300;

/// How many pages SQLite's log may gather before they are written to the database itself (the default is 1000): a page
/// that changes often is then written there once.
const CHECKPOINT_PAGES: &str = "4000";

/// The writer's page cache in KiB, as SQLite wants it, negative: the default of 2 MiB holds no index of a busy table.
const WRITER_CACHE: &str = "-16384";

/// Which database a [`Db`] talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The embedded default.
    Sqlite,
    /// Production.
    Postgres,
}

/// A pool of one of the two databases. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Pool);

#[derive(Clone, Debug)]
enum Pool {
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres(PgPool),
}

/// Brings a SQLite database up to date.
///
/// A table is made anew where a constraint of it changes, which SQLite lets nobody do while foreign keys are looked at; so
/// they are looked at afterwards, all of them, where anything has changed.
async fn migrate_sqlite(conn: &mut SqliteConnection) -> Result<()> {
    async fn schema(conn: &mut SqliteConnection) -> Result<i64> {
        Ok(sqlx::query_scalar("PRAGMA schema_version").fetch_one(conn).await?)
    }
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut *conn).await?;
    // sqlx takes no lock on SQLite: of two processes that start at once one would find the other half-way.
    let mut migration = conn.begin_with("BEGIN IMMEDIATE").await?;
    let before = schema(&mut migration).await?;
    SQLITE_MIGRATIONS.run(&mut *migration).await?;
    if schema(&mut migration).await? != before
        && sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut *migration).await?.is_some()
    {
        return Err(Error::Dangling);
    }
    migration.commit().await?;
    sqlx::query("PRAGMA foreign_keys = ON").execute(&mut *conn).await?;
    Ok(())
}

impl Db {
    /// Connects to `sqlite:PATH` or `postgres://…` and brings the schema up to date.
    ///
    /// # Errors
    /// If the URL names neither database, connecting or migrating fails, or the database is newer than this program.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .create_if_missing(true)
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .statement_cache_capacity(STATEMENTS)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
            let write = SqlitePoolOptions::new()
                .max_connections(1)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .connect_with(options.clone().pragma("cache_size", WRITER_CACHE))
                .await?;
            migrate_sqlite(&mut *write.acquire().await?).await?;
            let cores = std::thread::available_parallelism().map_or(FEWEST_READERS, usize::from);
            let readers = u32::try_from(cores.max(FEWEST_READERS)).unwrap_or(max_connections);
            let read = SqlitePoolOptions::new()
                .max_connections(max_connections.min(readers))
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .connect_with(options.read_only(true))
                .await?;
            Ok(Self(Pool::Sqlite { read, write }))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options =
                PgConnectOptions::from_str(url)?.application_name("testyard").statement_cache_capacity(STATEMENTS);
            let pool = PgPoolOptions::new()
                .max_connections(max_connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .connect_with(options)
                .await?;
            POSTGRES_MIGRATIONS.run(&pool).await?;
            let mut connection = pool.acquire().await?;
            event::go_on(&mut Conn::Postgres(&mut connection)).await?;
            Ok(Self(Pool::Postgres(pool)))
        } else {
            Err(Error::Url)
        }
    }

    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.0 {
            Pool::Sqlite { .. } => Dialect::Sqlite,
            Pool::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A read-only view: on SQLite from the reader pool, so that it never waits for the writer.
    ///
    /// # Errors
    /// If no connection comes free in time.
    pub async fn read(&self) -> Result<Reader> {
        Ok(match &self.0 {
            Pool::Sqlite { read, .. } => Reader::Sqlite(read.acquire().await?),
            Pool::Postgres(pool) => Reader::Postgres(pool.acquire().await?),
        })
    }

    /// A write transaction; it rolls back unless [`Tx::commit`] is called.
    ///
    /// # Errors
    /// If no connection comes free in time.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match &self.0 {
            // IMMEDIATE takes the write lock now: a deferred transaction that reads first can fail to upgrade.
            Pool::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// A read-only transaction that sees the database as it stands at its first statement, however long it lasts. It ends
    /// when it is dropped.
    ///
    /// # Errors
    /// If no connection comes free in time.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(match &self.0 {
            Pool::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Pool::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match &self.0 {
            Pool::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// A pooled connection outside a transaction.
#[derive(Debug)]
pub enum Reader {
    /// From the reader pool.
    Sqlite(sqlx::pool::PoolConnection<Sqlite>),
    /// From the pool.
    Postgres(sqlx::pool::PoolConnection<Postgres>),
}

impl Reader {
    /// The connection to query.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}

/// An open transaction.
#[derive(Debug)]
pub enum Tx {
    /// Holds SQLite's write lock, unless it is a snapshot.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// READ COMMITTED, unless it is a snapshot.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Tx {
    /// The connection to query.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(transaction) => Conn::Sqlite(transaction),
            Self::Postgres(transaction) => Conn::Postgres(transaction),
        }
    }

    /// Ends it without a trace, now. One that is dropped ends when its connection is used again, and holds its locks until
    /// then.
    ///
    /// # Errors
    /// If the database has gone away; it ends it all the same.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await?,
            Self::Postgres(transaction) => transaction.rollback().await?,
        }
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    /// If the database refuses, or goes away before it answers: then nobody knows whether it committed.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

/// A connection to query. The functions of the storage layer take `&mut Conn<'_>` and so run in or out of a transaction.
#[derive(Debug)]
pub enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

impl Conn<'_> {
    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}
