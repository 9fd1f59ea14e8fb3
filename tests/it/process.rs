//! The program as a process: how it starts, how it refuses to, and how it stops.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;
use testyard::store::db::Dialect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::process::{Ended, Service, run, serve, testyard};

/// Far more than an end at once takes, and far less than the time that a stop may take by the default settings.
const SOON: Duration = Duration::from_secs(10);

fn build() -> serde_json::Value {
    json!({
        "toolchain": "gcc-14", "tree": "https://git.example.org/linux.git", "branch": "master", "kconfig": "defconfig",
    })
}

/// That the program stopped for its settings, and with which words.
#[track_caller]
fn refused(ended: &Ended, words: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains(words), "{words:?} is not in {}", ended.stderr);
}

#[tokio::test]
async fn without_settings_it_serves_on_sqlite_and_prints_its_address() {
    let folder = TempDir::new().unwrap();
    let service = Service::up(testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"])).await;
    service.get("/livez").await.expect(200);
    service.get("/readyz").await.expect(200);
    service.post("/api/v1/builds/run", &build()).await.expect(204);
    assert_eq!(service.items("/api/v1/builds").await.len(), 1);
    let state: Vec<_> = std::fs::read_dir(folder.path().join("testyard")).unwrap().map(|file| file.unwrap()).collect();
    assert!(state.iter().any(|file| file.file_name().to_string_lossy().ends_with(".sqlite")), "{state:?}");
    let ended = service.stop().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn beyond_loopback_it_starts_only_with_tokens_or_when_openness_is_meant() {
    let folder = TempDir::new().unwrap();
    let command = |more: &[&str]| {
        let mut command = testyard(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
        command.args(more);
        command
    };
    refused(
        &run(command(&[])).await,
        "server.listen is 0.0.0.0:0, which others can reach, and no tokens are configured",
    );
    let service = Service::up(command(&["--open"])).await;
    service.get("/api/v1/builds").await.expect(200);
    assert_eq!(service.stop().await.code, Some(0));
    let mut guarded = command(&[]);
    guarded.env("TESTYARD_TOKENS", format!("ci:read:{}", "5a".repeat(32)));
    let service = Service::up(guarded).await;
    service.get("/api/v1/builds").await.expect(401);
    assert_eq!(service.stop().await.code, Some(0));
}

#[tokio::test]
async fn settings_that_contradict_each_other_stop_the_start_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    for (settings, words) in [
        (&["--set=runs.lease_s=10"][..], "runs.lease_s must be longer than kcidb.timeout_s"),
        (&["--set=kcidb.token=x"], "kcidb.token is set without kcidb.submit_url"),
        (&["--open", "--set=access.tokens=ci:read:5a"], "leave one of them out"),
        (&["--set=runs.leese_s=10"], "runs.leese_s"),
        (&["--database-url=mysql://h/d"], "database.url"),
    ] {
        let mut command = testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.args(settings);
        refused(&run(command).await, words);
        let mut command = testyard(folder.path(), &["config", "check"]);
        command.args(settings);
        refused(&run(command).await, words);
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing was made before the settings were checked"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_to_be() {
    let folder = TempDir::new().unwrap();
    let first = Service::up(testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"])).await;
    let address = first.base().trim_start_matches("http://").to_owned();
    let other = TempDir::new().unwrap();
    let ended = run(testyard(other.path(), &["serve", "--listen", &address])).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains(&format!("testyard: cannot listen on {address}: ")), "{}", ended.stderr);
    first.get("/livez").await.expect(200);
}

/// A database's URL as SQLAlchemy writes it, with one of its drivers.
fn by_sqlalchemy(db: &TestDb) -> String {
    match db.dialect() {
        Dialect::Sqlite => db.url().replacen("sqlite:", "sqlite+aiosqlite:///", 1),
        Dialect::Postgres => db.url().replacen("postgres://", "postgresql+asyncpg://", 1),
    }
}

on_both! {
    async fn the_bridge_s_own_name_and_spelling_of_the_database_work(db: TestDb) {
        let folder = TempDir::new().unwrap();
        let mut command = testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.env("DB_URL", by_sqlalchemy(&db));
        let service = Service::up(command).await;
        service.post("/api/v1/builds/run", &build()).await.expect(204);
        assert_eq!(service.stop().await.code, Some(0));
        let service = Service::up(serve(folder.path(), db.url(), &[])).await;
        assert_eq!(service.items("/api/v1/builds").await.len(), 1, "it is the same database");
    }

    async fn a_database_that_a_newer_program_has_changed_is_refused(db: TestDb) {
        const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            SELECT 99999999999999, 'newer', success, checksum, 1 FROM _sqlx_migrations ORDER BY version LIMIT 1";
        let folder = TempDir::new().unwrap();
        let service = Service::up(serve(folder.path(), db.url(), &[])).await;
        assert_eq!(service.stop().await.code, Some(0));
        match db.dialect() {
            Dialect::Sqlite => {
                let mut connection = sqlx::SqliteConnection::connect(db.url()).await.unwrap();
                sqlx::query(AssertSqlSafe(NEWER)).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Dialect::Postgres => {
                let mut connection = sqlx::PgConnection::connect(db.url()).await.unwrap();
                sqlx::query(AssertSqlSafe(NEWER)).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
        let Err(ended) = Service::start(serve(folder.path(), db.url(), &[])).await else { panic!("it serves") };
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let words = "the database is newer than this program (it holds migration 99999999999999)";
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }

    async fn two_processes_serve_one_database(db: TestDb) {
        let folder = TempDir::new().unwrap();
        let start = async || Service::up(serve(folder.path(), db.url(), &[])).await;
        let (one, other) = tokio::join!(start(), start());
        for _ in 0..5 {
            let (here, there) = (build(), build());
            let (here, there) =
                tokio::join!(one.post("/api/v1/builds/run", &here), other.post("/api/v1/builds/run", &there));
            here.expect(204);
            there.expect(204);
        }
        for service in [&one, &other] {
            assert_eq!(service.items("/api/v1/builds").await.len(), 10);
        }
        assert_eq!((one.stop().await.code, other.stop().await.code), (Some(0), Some(0)));
    }
}

/// A request that the service has begun to work on and cannot finish: it waits for the body.
struct Held(TcpStream, Vec<u8>);

impl Held {
    async fn send(service: &Service) -> Self {
        let body = build().to_string().into_bytes();
        let mut stream = TcpStream::connect(service.base().trim_start_matches("http://")).await.unwrap();
        let head = format!(
            "POST /api/v1/builds/run HTTP/1.1\r\nhost: testyard\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        tokio::time::timeout(SOON, stream.read_exact(&mut told)).await.expect("it asks for the body").unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(stream, body)
    }

    async fn finish(mut self) -> String {
        self.0.write_all(&self.1).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(SOON, self.0.read_to_string(&mut answer)).await.expect("it answers").unwrap();
        answer
    }
}

/// Waits until nobody listens at the service's address any more.
async fn closed(service: &Service) {
    let address = service.base().trim_start_matches("http://");
    let closed = tokio::time::timeout(SOON, async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    closed.await.expect("it stops listening");
}

#[tokio::test]
async fn a_signal_stops_it_when_what_has_begun_is_finished() {
    let folder = TempDir::new().unwrap();
    let db = TestDb::new(Dialect::Sqlite).await;
    let service = Service::up(serve(folder.path(), db.url(), &[])).await;
    let held = Held::send(&service).await;
    service.signal(Signal::TERM);
    closed(&service).await;
    let answer = held.finish().await;
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
    let begun = Instant::now();
    let ended = service.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(begun.elapsed() < SOON);
    let service = Service::up(serve(folder.path(), db.url(), &[])).await;
    assert_eq!(service.items("/api/v1/builds").await.len(), 1, "what was answered is kept");
}

#[tokio::test]
async fn a_request_that_does_not_finish_holds_up_the_stop_for_a_bounded_time() {
    let folder = TempDir::new().unwrap();
    let db = TestDb::new(Dialect::Sqlite).await;
    let service = Service::up(serve(folder.path(), db.url(), &["server.shutdown_timeout_s=1".into()])).await;
    let _held = Held::send(&service).await;
    let begun = Instant::now();
    let ended = service.stop().await;
    assert_eq!(ended.code, Some(1), "not all was finished: {}", ended.stderr);
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let folder = TempDir::new().unwrap();
        let service = Service::up(testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"])).await;
        let _held = Held::send(&service).await;
        service.signal(Signal::TERM);
        closed(&service).await;
        let begun = Instant::now();
        service.signal(signal);
        assert_eq!(service.ended().await.code, Some(code));
        assert!(begun.elapsed() < SOON);
    }
}

#[tokio::test]
async fn connections_that_ask_nothing_do_not_hold_up_the_stop() {
    let folder = TempDir::new().unwrap();
    let service = Service::up(testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"])).await;
    let address = service.base().trim_start_matches("http://").to_owned();
    let _silent = TcpStream::connect(&address).await.unwrap();
    // The client keeps this one open for its next request.
    service.get("/livez").await.expect(200);
    let begun = Instant::now();
    let ended = service.stop().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(begun.elapsed() < SOON);
}
