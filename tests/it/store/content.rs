//! Contents and the objects that some of them are: who keeps them, when they go, and what happens when two want both.

use std::time::Duration;

use chrono::TimeDelta;
use testyard::domain::digest::Digest;
use testyard::store::content::{self, Content, Place};
use testyard::store::db::{Dialect, Tx};
use testyard::store::{Conn, Db};

use super::{at, committed, micros, read};
use crate::support::db::TestDb;
use crate::support::fake_server::PATIENCE;
use crate::support::on_both;

fn here(text: &str) -> (Digest, Content) {
    let bytes = text.as_bytes().to_vec();
    (Digest::of(&bytes), Content { size: i64::try_from(bytes.len()).unwrap(), place: Place::Here(bytes) })
}

fn object(key: &str) -> (Digest, Content) {
    (Digest::of(key.as_bytes()), Content { size: 1 << 40, place: Place::Object(key.to_owned()) })
}

/// Stores it until a second; returns whether it is new.
async fn store(db: &Db, (digest, content): &(Digest, Content), until: i64) -> bool {
    committed!(db, conn => content::insert(conn, *digest, content, at(until)))
}

async fn is_there(db: &Db, (digest, _): &(Digest, Content)) -> bool {
    read!(db, conn => content::get(conn, *digest)).is_some()
}

on_both! {
    async fn a_content_is_read_as_it_was_stored(db: TestDb) {
        let db = db.open().await;
        let (mut all_bytes, many) = (here(""), here(&"x".repeat(100_000)));
        all_bytes.1.place = Place::Here((0..=255).collect());
        for content in [here("some"), here("\u{0}"), many, object("ab/1"), all_bytes] {
            assert!(store(&db, &content, 9).await);
            assert_eq!(read!(db, conn => content::get(conn, content.0)), Some(content.1));
        }
        assert!(!is_there(&db, &here("other")).await);
    }

    async fn no_bytes_are_bytes_too(db: TestDb) {
        let db = db.open().await;
        assert!(store(&db, &here(""), 9).await);
        assert_eq!(read!(db, conn => content::get(conn, Digest::of(b""))), Some(here("").1));
    }

    async fn the_same_bytes_are_stored_once_and_last_longer(db: TestDb) {
        let db = db.open().await;
        let content = here("some");
        assert!(store(&db, &content, 10).await);
        let again = (content.0, Content { size: 4, place: Place::Object("ab/1".into()) });
        assert!(!store(&db, &again, 20).await);
        assert_eq!(read!(db, conn => content::get(conn, content.0)), Some(content.1.clone()), "where they were");
        assert_eq!(committed!(db, conn => content::expire(conn, at(19), 9)), 0);
        assert_eq!(committed!(db, conn => content::expire(conn, at(20), 9)), 1);
        assert!(store(&db, &again, 30).await, "they are new again");
        assert_eq!(read!(db, conn => content::get(conn, content.0)), Some(again.1));
    }

    async fn what_an_item_names_is_kept_for_good(db: TestDb) {
        let db = db.open().await;
        let (some, big, other) = (here("some"), object("ab/1"), here("other"));
        for content in [&some, &big, &other] {
            store(&db, content, 10).await;
        }
        let mut kept = committed!(db, conn => content::keep(conn, &[some.0, here("none").0, big.0]));
        kept.sort_unstable();
        let mut wanted = [(some.0, 4), (big.0, 1 << 40)];
        wanted.sort_unstable();
        assert_eq!(kept, wanted);
        assert!(!store(&db, &some, 20).await, "it is there and goes on to be kept");
        assert_eq!(committed!(db, conn => content::expire(conn, at(9_999), 9)), 1);
        assert!(is_there(&db, &some).await && is_there(&db, &big).await && !is_there(&db, &other).await);
        assert_eq!(read!(db, conn => content::next_due(conn)), None);
        assert_eq!(committed!(db, conn => content::keep(conn, &[some.0])), [(some.0, 4)], "again by another item");
        assert!(committed!(db, conn => content::keep(conn, &[])).is_empty());
    }

    async fn many_contents_are_kept_at_once(db: TestDb) {
        let db = db.open().await;
        let contents: Vec<_> = (0..1_100).map(|n| here(&n.to_string())).collect();
        let mut tx = db.begin().await.unwrap();
        for (digest, content) in contents.iter().step_by(2) {
            content::insert(&mut tx.conn(), *digest, content, at(9)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let digests: Vec<_> = contents.iter().map(|(digest, _)| *digest).collect();
        assert_eq!(committed!(db, conn => content::keep(conn, &digests)).len(), 550);
        assert_eq!(read!(db, conn => content::next_due(conn)), None);
    }

    async fn contents_expire_the_oldest_first_and_leave_their_objects(db: TestDb) {
        let db = db.open().await;
        let contents = [(object("ab/3"), 30), (here("1"), 10), (object("ab/2"), 20), (here("4"), 40)];
        for (content, until) in &contents {
            store(&db, content, *until).await;
        }
        assert_eq!(read!(db, conn => content::next_due(conn)), Some(at(10)));
        assert_eq!(committed!(db, conn => content::expire(conn, at(9), 9)), 0);
        assert_eq!(committed!(db, conn => content::expire(conn, at(35), 2)), 2);
        let left: Vec<_> = [is_there(&db, &contents[0].0).await, is_there(&db, &contents[1].0).await,
            is_there(&db, &contents[2].0).await, is_there(&db, &contents[3].0).await].into();
        assert_eq!(left, [true, false, false, true]);
        assert!(read!(db, conn => content::garbage(conn, at(34), 9)).is_empty());
        assert_eq!(read!(db, conn => content::garbage(conn, at(35), 9)), ["ab/2"]);
        assert_eq!(read!(db, conn => content::next_due(conn)), Some(at(30)));
        assert_eq!(committed!(db, conn => content::expire(conn, at(36), 9)), 1);
        assert_eq!(read!(db, conn => content::garbage(conn, at(36), 9)), ["ab/2", "ab/3"]);
        assert_eq!(read!(db, conn => content::next_due(conn)), Some(at(35)), "the garbage is due before `4` expires");
    }

    async fn garbage_is_removed_when_it_is_due(db: TestDb) {
        let db = db.open().await;
        assert_eq!(read!(db, conn => content::next_due(conn)), None);
        let due = [("b", micros(1)), ("a", micros(1)), ("c", micros(0)), ("d", micros(2))];
        for (key, due_at) in due {
            committed!(db, conn => content::discard(conn, key, due_at));
        }
        assert_eq!(read!(db, conn => content::next_due(conn)), Some(micros(0)));
        assert!(read!(db, conn => content::garbage(conn, micros(-1), 9)).is_empty());
        assert_eq!(read!(db, conn => content::garbage(conn, micros(1), 9)), ["c", "a", "b"]);
        assert_eq!(read!(db, conn => content::garbage(conn, micros(1), 2)), ["c", "a"]);
        committed!(db, conn => content::discard(conn, "c", micros(9)));
        assert_eq!(read!(db, conn => content::garbage(conn, micros(8), 9)), ["a", "b", "d"], "`c` was put off");
        assert!(committed!(db, conn => content::take_back(conn, "a")));
        assert!(!committed!(db, conn => content::take_back(conn, "a")), "it is taken back once");
        assert_eq!(read!(db, conn => content::garbage(conn, micros(9), 9)), ["b", "d", "c"]);
    }
}

/// Waits until another connection waits for a lock that this transaction holds.
async fn until_somebody_waits_for(tx: &mut Tx) {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let waiting =
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))";
            let (waiting,): (i64,) = tx.conn().query(waiting).fetch_one().await.unwrap();
            if waiting > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("somebody waits");
}

/// Two transactions that want one content at once. SQLite has one writer, so that there is nothing to see there.
mod races {
    use super::*;

    async fn database() -> (TestDb, Db) {
        let database = TestDb::new(Dialect::Postgres).await;
        let db = database.open().await;
        (database, db)
    }

    fn store_beside(db: &Db, content: &(Digest, Content), until: i64) -> tokio::task::JoinHandle<bool> {
        let (db, content) = (db.clone(), content.clone());
        tokio::spawn(async move { store(&db, &content, until).await })
    }

    async fn expire(conn: &mut Conn<'_>) -> usize {
        content::expire(conn, at(50), 9).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_being_kept_does_not_expire() {
        let (_database, db) = database().await;
        let content = object("ab/1");
        store(&db, &content, 10).await;
        let mut tx = db.begin().await.unwrap();
        assert_eq!(content::keep(&mut tx.conn(), &[content.0]).await.unwrap().len(), 1);
        assert_eq!(committed!(db, conn => content::expire(conn, at(50), 9)), 0);
        tx.commit().await.unwrap();
        assert_eq!(committed!(db, conn => content::expire(conn, at(50), 9)), 0);
        assert!(is_there(&db, &content).await);
    }

    #[tokio::test]
    async fn what_is_expiring_is_not_kept() {
        let (_database, db) = database().await;
        let content = object("ab/1");
        store(&db, &content, 10).await;
        let mut tx = db.begin().await.unwrap();
        assert_eq!(expire(&mut tx.conn()).await, 1);
        let keep = tokio::spawn({
            let db = db.clone();
            async move { committed!(db, conn => content::keep(conn, &[content.0])) }
        });
        until_somebody_waits_for(&mut tx).await;
        tx.commit().await.unwrap();
        assert!(keep.await.unwrap().is_empty(), "who wanted it is told that it is gone");
    }

    #[tokio::test]
    async fn what_expires_while_it_is_stored_again_is_stored_anew() {
        let (_database, db) = database().await;
        let content = here("some");
        store(&db, &content, 10).await;
        let mut tx = db.begin().await.unwrap();
        assert_eq!(expire(&mut tx.conn()).await, 1);
        let again = store_beside(&db, &content, 99);
        until_somebody_waits_for(&mut tx).await;
        tx.commit().await.unwrap();
        assert!(again.await.unwrap(), "it is new");
        assert!(is_there(&db, &content).await);
    }

    #[tokio::test]
    async fn what_expires_just_after_it_was_found_is_stored_anew() {
        let (_database, db) = database().await;
        let content = here("some");
        store(&db, &content, 10).await;
        let mut tx = db.begin().await.unwrap();
        // A lock does not hide the row: it is found, and only its expiry cannot be put off yet.
        tx.conn().query("SELECT digest FROM content FOR UPDATE").execute().await.unwrap();
        let again = store_beside(&db, &content, 99);
        until_somebody_waits_for(&mut tx).await;
        assert_eq!(expire(&mut tx.conn()).await, 1);
        tx.commit().await.unwrap();
        assert!(again.await.unwrap(), "it is new");
        assert!(is_there(&db, &content).await);
    }

    #[tokio::test]
    async fn of_two_that_store_the_same_bytes_one_is_the_first() {
        let (_database, db) = database().await;
        for first_commits in [true, false] {
            let content = here(if first_commits { "yes" } else { "no" });
            let mut tx = db.begin().await.unwrap();
            assert!(content::insert(&mut tx.conn(), content.0, &content.1, at(10)).await.unwrap());
            let other = store_beside(&db, &content, 20);
            until_somebody_waits_for(&mut tx).await;
            if first_commits {
                tx.commit().await.unwrap();
            } else {
                drop(tx);
            }
            assert_eq!(other.await.unwrap(), !first_commits);
            assert!(is_there(&db, &content).await);
        }
        assert_eq!(read!(db, conn => content::next_due(conn)), Some(at(20)), "both last as long as the later one said");
    }

    #[tokio::test]
    async fn two_sweeps_share_what_has_expired() {
        let (_database, db) = database().await;
        for n in 0..5 {
            store(&db, &object(&format!("ab/{n}")), n).await;
        }
        let mut tx = db.begin().await.unwrap();
        assert_eq!(content::expire(&mut tx.conn(), at(50), 2).await.unwrap(), 2);
        let mut other = db.begin().await.unwrap();
        assert_eq!(expire(&mut other.conn()).await, 3, "what the first one holds is passed over");
        other.commit().await.unwrap();
        tx.commit().await.unwrap();
        let later = at(50) + TimeDelta::seconds(1);
        assert_eq!(read!(db, conn => content::garbage(conn, later, 9)).len(), 5);
    }
}
