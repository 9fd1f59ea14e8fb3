//! A PostgreSQL server that flushes to the disk, provided by `tests/postgres` for as long as we hold its input.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

/// The server. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    keeper: Child,
    url: Url,
}

impl Postgres {
    pub(crate) fn start() -> Result<Self> {
        let mut keeper = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres"))
            .arg("--durable")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("tests/postgres needs bash")?;
        let mut line = String::new();
        let output = keeper.stdout.take().context("its output is a pipe")?;
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.starts_with("postgres://"), "tests/postgres gave no server; it says why above");
        Ok(Self { keeper, url: Url::parse(line.trim())? })
    }

    /// The keeper's process: the server and its backends are below it.
    pub(crate) fn id(&self) -> u32 {
        self.keeper.id()
    }

    /// The URL of a database of this server.
    pub(crate) fn url(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.to_string()
    }

    /// Runs a statement as a superuser.
    pub(crate) async fn execute(&self, statement: String) -> Result<()> {
        let mut connection = PgConnection::connect(self.url.as_str()).await?;
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("tests/postgres was not seen to end: {error}");
        }
    }
}
