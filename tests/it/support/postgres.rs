//! PostgreSQL servers for the tests, provided by `tests/postgres`.
//!
//! A server lives as long as this process holds the pipe to its keeper: when the tests end, even by a kill, the server
//! stops and its folder goes. So nothing has to be started by hand, and nothing stays behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A server, and the keeper that stops it.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    url: String,
    /// `None` for a server that somebody else runs.
    keeper: Option<Mutex<Keeper>>,
}

#[derive(Debug)]
struct Keeper {
    child: Child,
    /// `None` once the keeper has been let go.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl PostgresServer {
    /// The server that all tests of this process share: the one that `TEST_POSTGRES_URL` names, else one of our own. It
    /// flushes nothing to the disk. The first caller waits until it is up, at worst until PostgreSQL is installed.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("TEST_POSTGRES_URL") {
            Ok(url) if !url.is_empty() => Self { url, keeper: None },
            _ => Self::launch(&[]),
        })
    }

    /// A server of the caller's own, to be stopped and started under load. It flushes to the disk as in production.
    pub(crate) fn own() -> Self {
        Self::launch(&["--durable"])
    }

    /// The URL of its `postgres` database, for a superuser.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops it at once, as a crash would; its clients' connections break.
    pub(crate) fn stop(&self) {
        self.command("stop", "stopped");
    }

    /// Starts it again, on the same port and with the same data.
    pub(crate) fn start(&self) {
        self.command("start", "started");
    }

    fn launch(arguments: &[&str]) -> Self {
        let mut child = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/postgres needs bash");
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut url = String::new();
        answers.read_line(&mut url).expect("the first line of tests/postgres");
        let url = url.trim_end().to_owned();
        assert!(url.starts_with("postgres://"), "tests/postgres gave no server; it says why above");
        Self { url, keeper: Some(Mutex::new(Keeper { child, commands, answers })) }
    }

    fn command(&self, word: &str, answer: &str) {
        let keeper = self.keeper.as_ref().expect("only a server of our own is stopped and started");
        let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = keeper.commands.as_mut().expect("the keeper is there as long as the server");
        writeln!(commands, "{word}").expect("tests/postgres listens");
        let mut line = String::new();
        keeper.answers.read_line(&mut line).expect("tests/postgres answers");
        assert_eq!(line.trim_end(), answer, "tests/postgres says why above");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        let keeper = keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        keeper.commands = None;
        if let Err(error) = keeper.child.wait() {
            eprintln!("tests/postgres was not seen to end: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, PgConnection};

    use super::*;

    #[tokio::test]
    async fn an_own_server_keeps_its_data_over_a_crash() {
        let server = PostgresServer::own();
        let mut connection = PgConnection::connect(server.url()).await.unwrap();
        sqlx::query("CREATE TABLE kept AS SELECT 7 AS n").execute(&mut connection).await.unwrap();
        server.stop();
        assert!(sqlx::query("SELECT 1").execute(&mut connection).await.is_err());
        assert!(PgConnection::connect(server.url()).await.is_err());
        server.start();
        let mut connection = PgConnection::connect(server.url()).await.unwrap();
        let kept: i32 = sqlx::query_scalar("SELECT n FROM kept").fetch_one(&mut connection).await.unwrap();
        assert_eq!(kept, 7);
    }
}
