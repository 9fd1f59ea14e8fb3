//! Databases to measure on: each measurement has one of its own, and those that need runs which wait for their callbacks
//! get a copy of one that holds them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use tempfile::TempDir;
use testyard::clock::{Clock as _, SystemClock};
use testyard::store::db::Reader;
use testyard::store::{self, Db};
use tokio::sync::OnceCell;

use crate::measure::Usage;
use crate::postgres::Postgres;
use crate::scenario::{Job, run_of_tests};

/// The name of the database that holds the prepared runs.
const PREPARED: &str = "prepared";

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// One of the two databases.
pub(crate) enum Store {
    Sqlite(TempDir),
    Postgres(Arc<Postgres>),
}

impl Store {
    pub(crate) fn sqlite() -> Result<Self> {
        Ok(Self::Sqlite(TempDir::new()?))
    }

    pub(crate) async fn postgres() -> Result<Self> {
        Ok(Self::Postgres(Arc::new(tokio::task::spawn_blocking(Postgres::start).await??)))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Makes runs that their runner has accepted and that wait for their callbacks.
    pub(crate) async fn prepare(&self, count: usize) -> Result<Arc<[Job]>> {
        let place = self.make(PREPARED, None).await?;
        let db = Db::connect(place.url(), 2).await?;
        let now = SystemClock.now();
        let mut jobs = Vec::with_capacity(count);
        while jobs.len() < count {
            let runs: Vec<_> = (jobs.len()..count.min(jobs.len() + 1000))
                .map(|n| run_of_tests(&format!("maestro:{n}"), now))
                .collect();
            let mut tx = db.begin().await?;
            store::run::plan(&mut tx.conn(), &runs).await?;
            tx.commit().await?;
            jobs.extend(runs.into_iter().map(|run| Job { run: run.id, capability: run.capability }));
        }
        let mut tx = db.begin().await?;
        // The capability serves as the runner's id too. No poll is due while we measure.
        tx.conn()
            .query("UPDATE run SET state = 'running', uid = capability, asked_at = $1, accepted_at = $1, due_at = $2, deadline_at = $2")
            .bind(now)
            .bind(now + TimeDelta::days(1))
            .execute()
            .await?;
        tx.commit().await?;
        db.close().await;
        Ok(jobs.into())
    }

    /// A database for one measurement: with the prepared runs, or empty.
    pub(crate) async fn fresh(&self, prepared: bool) -> Result<Place> {
        let name = format!("load_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.make(&name, prepared.then_some(PREPARED)).await
    }

    async fn make(&self, name: &str, from: Option<&str>) -> Result<Place> {
        let kind = match self {
            Self::Sqlite(folder) => {
                let file = |name: &str| folder.path().join(format!("{name}.sqlite"));
                if let Some(from) = from {
                    std::fs::copy(file(from), file(name)).context("copying the prepared database")?;
                }
                Kind::Sqlite(file(name))
            }
            Self::Postgres(server) => {
                let template = from.map(|from| format!(" TEMPLATE {from}")).unwrap_or_default();
                server.execute(format!("CREATE DATABASE {name}{template}")).await?;
                Kind::Postgres(Arc::clone(server), name.to_owned())
            }
        };
        let url = match &kind {
            Kind::Sqlite(file) => format!("sqlite:{}", file.display()),
            Kind::Postgres(server, name) => server.url(name),
        };
        Ok(Place { url, kind, looking: OnceCell::new() })
    }
}

enum Kind {
    Sqlite(PathBuf),
    Postgres(Arc<Postgres>, String),
}

/// A database for one measurement.
pub(crate) struct Place {
    url: String,
    kind: Kind,
    looking: OnceCell<Db>,
}

impl Place {
    /// What `DATABASE_URL` has to be.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What PostgreSQL has used so far; nothing where the database is in the service's own process.
    pub(crate) fn usage(&self) -> Result<Option<Usage>> {
        match &self.kind {
            Kind::Sqlite(_) => Ok(None),
            Kind::Postgres(server, _) => Usage::of_tree(server.id()).map(Some),
        }
    }

    /// How many rows of a table are in this state.
    pub(crate) async fn count(&self, table: &'static str, state: &'static str) -> Result<usize> {
        let db = self.looking.get_or_try_init(|| Db::connect(&self.url, 1)).await?;
        let mut lease: Reader = db.read().await?;
        let mut conn = lease.conn();
        let query = conn.query("SELECT count(*) FROM ").push(table).push(" WHERE state = ").push_bind(state);
        let (count,): (i64,) = query.fetch_one().await?;
        Ok(usize::try_from(count)?)
    }

    pub(crate) async fn remove(self) -> Result<()> {
        if let Some(db) = self.looking.get() {
            db.close().await;
        }
        match self.kind {
            Kind::Sqlite(file) => {
                for end in ["", "-wal", "-shm"] {
                    let mut name = file.clone().into_os_string();
                    name.push(end);
                    // The latter two may be gone already.
                    let _ = std::fs::remove_file(name);
                }
            }
            Kind::Postgres(server, name) => server.execute(format!("DROP DATABASE {name} WITH (FORCE)")).await?,
        }
        Ok(())
    }
}
