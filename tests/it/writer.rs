//! Group commit: many writes share a commit, each is answered after its own, and none pays for another.

use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::FutureExt as _;
use testyard::app::writer::{WriterOptions, Written};
use testyard::app::{AppError, Write, Writer};
use testyard::domain::result::ResultSource;
use testyard::ids::RunId;
use testyard::store::callback::NewCallback;
use testyard::store::db::Dialect;
use testyard::store::page::Page;
use testyard::store::result::TestResult;
use testyard::store::{self, Db};

use crate::store::{a_build, a_callback, a_delivery, a_result, a_submission, at, committed, read, run_of, tests_of};
use crate::support::db::TestDb;
use crate::support::fake_server::PATIENCE;
use crate::support::on_both;
use crate::support::postgres::PostgresServer;

const OPTIONS: WriterOptions = WriterOptions { queue: 1024, batch: 256, writers: 3 };
const ALL: Page = Page { limit: 1000, before: None };

async fn callbacks(db: &Db) -> Vec<store::callback::Callback> {
    read!(db, conn => store::callback::list(conn, &store::callback::Filter::default(), ALL)).0
}

fn callback(body: &str) -> Write {
    Write::Callback(a_callback("u", body, at(0)))
}

/// A write that the database refuses: its run is not there.
fn poisoned(body: &str) -> Write {
    Write::Callback(NewCallback { run_id: Some(RunId::new(at(0))), ..a_callback("u", body, at(0)) })
}

/// Hands all of these to the writer before any can be answered; returns the answers in their order.
///
/// The writes wait while the test holds what the writer needs: on SQLite the one write connection, on PostgreSQL the
/// tables. So they are taken in few batches, whatever the machine's speed.
async fn write_together(db: &Db, writer: &Writer, batch: Vec<Write>) -> Vec<Result<Written, AppError>> {
    let mut tx = db.begin().await.unwrap();
    if db.dialect() == Dialect::Postgres {
        tx.conn()
            .query("LOCK TABLE callback, result, run, build, submission IN EXCLUSIVE MODE")
            .execute()
            .await
            .unwrap();
    }
    let handed = AtomicI64::new(0);
    let all = batch.len();
    let answers = futures_util::future::join_all(batch.into_iter().map(|write| {
        let answer = writer.write(write);
        let handed = &handed;
        async move {
            handed.fetch_add(1, Ordering::SeqCst);
            answer.await
        }
    }));
    let release = async {
        while handed.load(Ordering::SeqCst) < i64::try_from(all).unwrap() {
            tokio::task::yield_now().await;
        }
        drop(tx);
    };
    let (answers, ()) = tokio::join!(answers, release);
    answers
}

/// How many commits the database has seen: on PostgreSQL each callback tells by which it came, on SQLite the frames of
/// the write-ahead log tell which of them end a transaction.
async fn commits(test: &TestDb, db: &Db) -> usize {
    if db.dialect() == Dialect::Postgres {
        let (count,): (i64,) =
            read!(db, conn => conn.query("SELECT count(DISTINCT xmin::text) FROM callback").fetch_one());
        return usize::try_from(count).unwrap();
    }
    // https://sqlite.org/fileformat2.html#the_write_ahead_log: a header of 32 bytes with a page's size at 8 and the
    // salts at 16; then frames of a header of 24 bytes, with the database's size after a commit at 4 (else 0) and the
    // salts at 8, and a page.
    let wal = std::fs::read(format!("{}-wal", test.url().strip_prefix("sqlite:").unwrap())).unwrap();
    let number = |at: usize| u32::from_be_bytes(wal[at..at + 4].try_into().unwrap());
    let page = usize::try_from(number(8)).unwrap();
    (32..wal.len())
        .step_by(24 + page)
        .filter(|frame| wal[frame + 8..frame + 16] == wal[16..24] && number(frame + 4) != 0)
        .count()
}

on_both! {
    async fn each_write_is_answered_and_durable(db: TestDb) {
        let open = db.open().await;
        let writer = Writer::start(&open, OPTIONS);
        let build = a_build(at(0));
        let run = run_of(&build);
        let tests = tests_of("riscv:b", &["a", "b"], at(0));
        let overlap = tests_of("riscv:b", &["b", "c"], at(0));
        let (build_id, run_id, tests_id) = (build.id, run.id, tests.id);
        assert_eq!(writer.write(Write::Build(Box::new((build.clone(), run)))).await.unwrap(), Written::Build(build_id));
        let held = |names: &[&str]| Written::Tests(Some(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(writer.write(Write::Tests(Box::new(tests))).await.unwrap(), held(&["a", "b"]));
        assert_eq!(writer.write(Write::Tests(Box::new(overlap))).await.unwrap(), held(&["c"]));
        let none = tests_of("riscv:b", &["a", "c"], at(0));
        assert_eq!(writer.write(Write::Tests(Box::new(none))).await.unwrap(), Written::Tests(None));
        assert_eq!(writer.write(callback("x")).await.unwrap(), Written::Callback(true));
        assert_eq!(writer.write(callback("x")).await.unwrap(), Written::Callback(false));
        let results = Write::Results(vec![a_result("riscv:1", at(0))], vec![a_delivery("riscv:1", at(0))]);
        assert_eq!(writer.write(results).await.unwrap(), Written::Stored);
        assert_eq!(writer.write(Write::Submission(a_submission(1, at(0)))).await.unwrap(), Written::Stored);
        open.close().await;

        let again = db.open().await;
        assert!(read!(again, conn => store::build::by_id(conn, build_id)).is_some());
        for run in [run_id, tests_id] {
            assert!(read!(again, conn => store::run::by_id(conn, run)).is_some());
        }
        assert_eq!(callbacks(&again).await.len(), 1);
        assert_eq!(read!(again, conn => store::result::list(conn, &store::result::Filter::default(), ALL)).0.len(), 1);
        assert_eq!(
            read!(again, conn => store::delivery::list(conn, &store::delivery::Filter::default(), ALL)).0.len(),
            1
        );
        assert!(read!(again, conn => store::submission::by_id(conn, &a_submission(1, at(0)).id)).is_some());
    }

    async fn writes_that_wait_together_share_commits(db: TestDb) {
        let open = db.open().await;
        let writer = Writer::start(&open, OPTIONS);
        let before = commits(&db, &open).await;
        let batch = (0..200).map(|n| callback(&n.to_string())).collect();
        for answer in write_together(&open, &writer, batch).await {
            assert_eq!(answer.unwrap(), Written::Callback(true));
        }
        let shared = commits(&db, &open).await - before;
        // Each writer has taken what it found when it was free, and one takes the rest.
        assert!((1..=4).contains(&shared), "200 writes in {shared} commits");
        for n in 0..10 {
            writer.write(callback(&format!("alone {n}"))).await.unwrap();
        }
        assert_eq!(commits(&db, &open).await - before - shared, 10, "one that waits with no other has its own");
        open.close().await;
        assert_eq!(callbacks(&db.open().await).await.len(), 210);
    }

    async fn copies_within_one_batch_are_told_apart(db: TestDb) {
        let db = db.open().await;
        let writer = Writer::start(&db, OPTIONS);
        let batch = (0..100).map(|n| callback(&(n % 4).to_string())).collect();
        let answers = write_together(&db, &writer, batch).await;
        let new = answers.into_iter().filter(|answer| matches!(answer, Ok(Written::Callback(true)))).count();
        assert_eq!(new, 4);
        assert_eq!(callbacks(&db).await.iter().map(|one| one.repeats).sum::<i64>(), 96);
    }

    async fn a_poisoned_member_fails_alone(db: TestDb) {
        let db = db.open().await;
        let writer = Writer::start(&db, OPTIONS);
        let first = tests_of("riscv:b", &["a"], at(0));
        writer.write(Write::Tests(Box::new(first.clone()))).await.unwrap();
        let build = a_build(at(0));
        let mut clash = run_of(&build);
        clash.capability.clone_from(&first.capability);
        let broken = TestResult { source: ResultSource::Run, ..a_result("riscv:broken", at(0)) };
        let batch = vec![
            callback("1"),
            poisoned("2"),
            Write::Results(vec![a_result("riscv:3", at(0))], vec![a_delivery("riscv:3", at(0))]),
            Write::Results(vec![a_result("riscv:4", at(0)), broken], vec![a_delivery("riscv:4", at(0))]),
            Write::Build(Box::new((build, clash))),
            Write::Submission(a_submission(6, at(0))),
            callback("7"),
        ];
        let answers = write_together(&db, &writer, batch).await;
        let told: Vec<&str> = answers
            .iter()
            .map(|answer| match answer {
                Ok(_) => "written",
                Err(AppError::Store(store::Error::Constraint(_))) => "constraint",
                Err(AppError::Store(store::Error::Conflict(_))) => "conflict",
                Err(other) => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["written", "constraint", "written", "constraint", "conflict", "written", "written"]);
        assert_eq!(callbacks(&db).await.len(), 2);
        let (results, _) = read!(db, conn => store::result::list(conn, &store::result::Filter::default(), ALL));
        assert_eq!(results.len(), 1, "a member goes in as a whole or not at all");
        assert_eq!(read!(db, conn => store::delivery::list(conn, &store::delivery::Filter::default(), ALL)).0.len(), 1);
        assert!(read!(db, conn => store::build::list(conn, &store::build::Filter::default(), ALL)).0.is_empty());
    }

    async fn a_commit_that_fails_is_no_success(db: TestDb) {
        let db = db.open().await;
        // A reference that is looked at only when the transaction commits: by then every statement has succeeded.
        for statement in [
            "CREATE TABLE parent (n bigint NOT NULL PRIMARY KEY)",
            "CREATE TABLE child (n bigint REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED)",
        ] {
            committed!(db, conn => conn.query(statement).execute());
        }
        let trigger: &[&str] = match db.dialect() {
            Dialect::Sqlite => &["CREATE TRIGGER late AFTER INSERT ON callback WHEN NEW.uid = 'late' BEGIN \
                                  INSERT INTO child VALUES (1); END"],
            Dialect::Postgres => &[
                "CREATE FUNCTION orphan() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN INSERT INTO child VALUES (1); RETURN NULL; END'",
                "CREATE TRIGGER late AFTER INSERT ON callback FOR EACH ROW WHEN (NEW.uid = 'late') \
                 EXECUTE FUNCTION orphan()",
            ],
        };
        for statement in trigger {
            committed!(db, conn => conn.query(*statement).execute());
        }
        let writer = Writer::start(&db, OPTIONS);
        let late = || Write::Callback(a_callback("late", "late", at(0)));
        let error = writer.write(late()).await.unwrap_err();
        assert!(matches!(error, AppError::Store(store::Error::Constraint(_))), "{error:?}");
        let answers = write_together(&db, &writer, vec![callback("1"), late(), callback("2")]).await;
        assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok(), "{answers:?}");
        assert_eq!(callbacks(&db).await.len(), 2);
    }

    async fn no_answer_comes_before_its_commit(db: TestDb) {
        let db = db.open().await;
        let writer = Writer::start(&db, OPTIONS);
        let mut tx = db.begin().await.unwrap();
        if db.dialect() == Dialect::Postgres {
            tx.conn().query("LOCK TABLE callback IN EXCLUSIVE MODE").execute().await.unwrap();
        }
        let mut waiting = std::pin::pin!(writer.write(callback("x")));
        assert!(waiting.as_mut().now_or_never().is_none());
        // Others are served meanwhile, so that the writer has had every chance to answer too soon.
        for _ in 0..20 {
            assert!(callbacks(&db).await.is_empty());
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(tx);
        assert_eq!(waiting.await.unwrap(), Written::Callback(true));
        assert_eq!(callbacks(&db).await.len(), 1, "seen as soon as it is answered");
    }

    async fn a_full_queue_refuses_at_once(db: TestDb) {
        let db = db.open().await;
        let writer = Writer::start(&db, WriterOptions { queue: 4, batch: 1, writers: 1 });
        let mut tx = db.begin().await.unwrap();
        if db.dialect() == Dialect::Postgres {
            tx.conn().query("LOCK TABLE callback IN EXCLUSIVE MODE").execute().await.unwrap();
        }
        let mut taken = Vec::new();
        let mut refused = 0;
        for n in 0..20 {
            let mut write = Box::pin(writer.write(callback(&n.to_string())));
            match write.as_mut().now_or_never() {
                None => taken.push(write),
                Some(Err(AppError::Overloaded { retry_after })) => {
                    assert!(!retry_after.is_zero());
                    refused += 1;
                }
                Some(other) => panic!("{other:?}"),
            }
        }
        assert!((4..=5).contains(&taken.len()), "four wait, and one may be under way: {}", taken.len());
        assert_eq!(refused + taken.len(), 20);
        drop(tx);
        let all = taken.len();
        for write in taken {
            assert_eq!(write.await.unwrap(), Written::Callback(true));
        }
        assert_eq!(callbacks(&db).await.len(), all, "what was refused is not stored");
        writer.write(callback("later")).await.unwrap();
    }

    async fn a_database_that_is_away_is_told_to_all(db: TestDb) {
        let db = db.open().await;
        let writer = Writer::start(&db, OPTIONS);
        db.close().await;
        let answers = futures_util::future::join_all((0..50).map(|n| writer.write(callback(&n.to_string()))));
        for answer in tokio::time::timeout(PATIENCE, answers).await.unwrap() {
            assert!(is_unavailable(&answer), "{answer:?}");
        }
    }

    async fn what_nobody_waits_for_any_more_is_not_written(db: TestDb) {
        let db = db.open().await;
        let writer = Writer::start(&db, WriterOptions { writers: 1, batch: 1, ..OPTIONS });
        let mut tx = db.begin().await.unwrap();
        if db.dialect() == Dialect::Postgres {
            tx.conn().query("LOCK TABLE callback IN EXCLUSIVE MODE").execute().await.unwrap();
        }
        let write = |body: &str| Box::pin(writer.write(callback(body)));
        let (mut first, mut gone, mut last) = (write("first"), write("gone"), write("last"));
        for write in [&mut first, &mut gone, &mut last] {
            assert!(write.as_mut().now_or_never().is_none());
        }
        drop(gone);
        drop(tx);
        assert_eq!(first.await.unwrap(), Written::Callback(true));
        assert_eq!(last.await.unwrap(), Written::Callback(true));
        let bodies: Vec<_> = callbacks(&db).await.into_iter().map(|one| one.body).collect();
        assert_eq!(bodies.len(), 2, "who went before its turn may have asked again elsewhere: {bodies:?}");
        assert!(!bodies.contains(&b"gone".to_vec()), "{bodies:?}");
    }

    async fn a_writer_that_has_stopped_says_so(db: TestDb) {
        let db = db.open().await;
        let start = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Writer::start(&db, OPTIONS) })
        };
        let writer = std::thread::spawn(start).join().unwrap();
        assert!(is_unavailable(&writer.write(callback("x")).await));
    }
}

/// Whether the caller is told to repeat the request later.
fn is_unavailable(answer: &Result<Written, AppError>) -> bool {
    match answer {
        Err(AppError::Unavailable(_)) => true,
        Err(AppError::Store(error)) => error.is_transient(),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_under_a_batch_is_told_to_all_and_what_comes_later_is_written() {
    let server = tokio::task::spawn_blocking(PostgresServer::own).await.unwrap();
    let db = Db::connect(server.url(), 8).await.unwrap();
    let writer = Writer::start(&db, OPTIONS);
    let mut tx = db.begin().await.unwrap();
    tx.conn().query("LOCK TABLE callback IN EXCLUSIVE MODE").execute().await.unwrap();
    let mut waiting: Vec<_> = (0..50).map(|n| Box::pin(writer.write(callback(&n.to_string())))).collect();
    for write in &mut waiting {
        assert!(write.as_mut().now_or_never().is_none());
    }
    let server = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    let server = server.await.unwrap();
    drop(tx);
    for answer in tokio::time::timeout(PATIENCE, futures_util::future::join_all(waiting)).await.unwrap() {
        assert!(is_unavailable(&answer), "{answer:?}");
    }
    let server = tokio::task::spawn_blocking(move || {
        server.start();
        server
    });
    let _server = server.await.unwrap();
    // Each connection that broke may be met once more before it is replaced.
    let back = async {
        loop {
            let answer = writer.write(callback("later")).await;
            if answer.is_ok() {
                break;
            }
            assert!(is_unavailable(&answer), "{answer:?}");
        }
    };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
    assert_eq!(callbacks(&db).await.len(), 1, "nothing of the batch was stored");
}
