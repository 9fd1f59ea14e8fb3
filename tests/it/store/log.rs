//! Logs and their chunks.

use testyard::domain::log::chunk::Chunk;
use testyard::domain::log::{Length, Line, LogStream};
use testyard::ids::RunId;
use testyard::store::log::{self, Log, Stored};
use testyard::store::run;

use super::{at, committed, finish, read, refused, running, tests_of};
use crate::support::db::TestDb;
use crate::support::on_both;

fn chunk(first_line: u64, first_byte: u64, texts: &[&str]) -> Chunk {
    let line = |text: &&str| Line {
        at: super::micros(7),
        job: Some("ä::\u{1}".into()),
        stream: LogStream::Stderr,
        text: (*text).to_owned(),
    };
    Chunk { first_line, first_byte, lines: texts.iter().map(line).collect() }
}

const fn length(lines: u64, bytes: u64) -> Length {
    Length { lines, bytes, dropped: 0 }
}

fn unpacked(stored: &[Stored]) -> Vec<Chunk> {
    stored.iter().map(|stored| stored.unpack().unwrap()).collect()
}

on_both! {
    async fn a_log_is_begun_once_by_a_run_that_is_not_over(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        assert_eq!(read!(db, conn => log::get(conn, run)), None);
        assert_eq!(committed!(db, conn => log::lock(conn, run)), None);
        assert!(committed!(db, conn => log::begin(conn, run)));
        assert!(!committed!(db, conn => log::begin(conn, run)));
        let empty = Log { lines: 0, bytes: 0, dropped: 0, ended: false };
        assert_eq!(read!(db, conn => log::get(conn, run)), Some(empty));
        assert_eq!(committed!(db, conn => log::lock(conn, run)), Some(empty));
        assert!(!committed!(db, conn => log::begin(conn, RunId::new(at(0)))), "there is no such run");
        let over = running(&db, &tests_of("maestro:1", &["b"], at(0)), "U2").await;
        finish(&db, over, at(5)).await;
        assert!(!committed!(db, conn => log::begin(conn, over)));
    }

    async fn chunks_are_found_by_line_and_by_byte(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        let other = running(&db, &tests_of("maestro:1", &["b"], at(0)), "U2").await;
        for run in [run, other] {
            committed!(db, conn => log::begin(conn, run));
        }
        let chunks = [chunk(0, 0, &["aaa", "\u{1F600}\"\\"]), chunk(2, 11, &["b"]), chunk(3, 13, &["", "", "c"])];
        committed!(db, conn => log::put(conn, run, length(6, 17), &chunks));
        committed!(db, conn => log::put(conn, other, length(1, 2), &[chunk(0, 0, &["x"])]));
        let stored = read!(db, conn => log::get(conn, run)).unwrap();
        assert_eq!((stored.length(), stored.ended), (length(6, 17), false));
        for (line, from) in [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (6, 2), (u64::MAX, 2)] {
            let found = read!(db, conn => log::from_line(conn, run, line, 9));
            assert_eq!(unpacked(&found), chunks[from..], "line {line}");
        }
        for (byte, from) in [(0, 0), (10, 0), (11, 1), (12, 1), (13, 2), (16, 2), (999, 2)] {
            let found = read!(db, conn => log::from_byte(conn, run, byte, 9));
            assert_eq!(unpacked(&found), chunks[from..], "byte {byte}");
        }
        assert_eq!(unpacked(&read!(db, conn => log::from_line(conn, run, 1, 2))), chunks[..2]);
        assert_eq!(unpacked(&read!(db, conn => log::from_byte(conn, run, 11, 1))), chunks[1..2]);
        let found = read!(db, conn => log::before(conn, run, 3, 9));
        assert_eq!(unpacked(&found), [chunks[1].clone(), chunks[0].clone()]);
        assert_eq!((found[0].first_line(), found[0].end()), (2, 3));
        assert_eq!(unpacked(&read!(db, conn => log::before(conn, run, u64::MAX, 1))), chunks[2..]);
        assert!(read!(db, conn => log::before(conn, run, 0, 9)).is_empty());
        let whole: String = chunks.iter().map(testyard::domain::log::chunk::Chunk::text).collect();
        assert_eq!(read!(db, conn => log::tail(conn, run, 1_000)), Some(whole.clone()));
        let short = read!(db, conn => log::tail(conn, run, 8)).unwrap();
        assert!(whole.ends_with(&short) && short.len() <= 8, "{short}");
        for (bytes, is_short) in [(4, false), (5, true), (1_000, true)] {
            let short = read!(db, conn => log::short(conn, run, length(6, 17), bytes));
            assert_eq!(short.map(|it| it.unpack().unwrap()), is_short.then(|| chunks[2].clone()), "{bytes}");
        }
    }

    async fn a_chunk_is_written_in_the_place_of_the_one_with_its_first_line(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        committed!(db, conn => log::begin(conn, run));
        committed!(db, conn => log::put(conn, run, length(1, 2), &[chunk(0, 0, &["a"])]));
        let full = Length { lines: 3, bytes: 6, dropped: 7 };
        committed!(db, conn => log::put(conn, run, full, &[chunk(0, 0, &["a", "b"]), chunk(2, 4, &["c"])]));
        let stored = read!(db, conn => log::from_line(conn, run, 0, 9));
        assert_eq!(unpacked(&stored), [chunk(0, 0, &["a", "b"]), chunk(2, 4, &["c"])]);
        assert_eq!(stored[0].end(), 2);
        assert_eq!(read!(db, conn => log::get(conn, run)).unwrap().length(), full);
        committed!(db, conn => log::put(conn, run, Length { dropped: 8, ..full }, &[]));
        assert_eq!(read!(db, conn => log::get(conn, run)).unwrap().dropped, 8);
        refused!(db, conn => log::put(conn, run, full, &[chunk(9, 0, &["two begin with one byte"])]));
        refused!(db, conn => log::put(conn, RunId::new(at(0)), full, &[chunk(0, 0, &["of no log"])]));
    }

    async fn a_log_ends_once(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        assert!(!committed!(db, conn => log::end(conn, run)), "there is none");
        committed!(db, conn => log::begin(conn, run));
        assert!(committed!(db, conn => log::end(conn, run)));
        assert!(!committed!(db, conn => log::end(conn, run)));
        assert!(read!(db, conn => log::get(conn, run)).unwrap().ended);
    }

    async fn two_that_append_do_so_one_after_the_other(db: TestDb) {
        let db = db.open().await;
        let new = tests_of("maestro:1", &["a"], at(0));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&new)));
        let append = async || {
            let mut tx = db.begin().await.unwrap();
            let conn = &mut tx.conn();
            log::begin(conn, new.id).await.unwrap();
            let before = log::lock(conn, new.id).await.unwrap().unwrap().length();
            let after = length(before.lines + 1, before.bytes + 2);
            log::put(conn, new.id, after, &[chunk(before.lines, before.bytes, &["x"])]).await.unwrap();
            tx.commit().await.unwrap();
        };
        tokio::join!(append(), append(), append(), append());
        assert_eq!(read!(db, conn => log::get(conn, new.id)).unwrap().length(), length(4, 8));
        assert_eq!(read!(db, conn => log::from_line(conn, new.id, 0, 9)).len(), 4);
    }
}
