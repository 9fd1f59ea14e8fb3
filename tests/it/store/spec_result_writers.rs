//! Many that record results at once.

use std::collections::BTreeSet;

use testyard::domain::spec_result::result::SpecResult;
use testyard::store::page::Stretch;
use testyard::store::spec_result::{self, Filter, Recorded};

use super::spec_result::{live, record, result_of};
use super::{at, read};
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn two_transactions_wait_for_each_other(db: TestDb) {
        let db = db.open().await;
        let mut first = db.begin().await.unwrap();
        let recorded = spec_result::record(&mut first.conn(), &[result_of("1", "a", "s")], at(0)).await.unwrap();
        assert_eq!(recorded, [Recorded::New(1)]);
        let second = tokio::spawn({
            let db = db.clone();
            async move { record(&db, &[result_of("2", "a", "s"), result_of("1", "a", "s")]).await }
        });
        // The second has begun, or begins later: it comes after the first either way.
        tokio::task::yield_now().await;
        first.commit().await.unwrap();
        assert_eq!(second.await.unwrap(), [Recorded::New(2), Recorded::Same(1)]);
        assert_eq!(live(&db).await, [("1".to_owned(), false), ("2".to_owned(), true)].into());
    }

    async fn none_is_lost_and_one_is_live(db: TestDb) {
        const WRITERS: usize = 8;
        const ROUNDS: usize = 12;
        let db = db.open().await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let db = db.clone();
            writers.spawn(async move {
                let mut new = 0;
                for round in 0..ROUNDS {
                    // One of its own and one that all bring, of the same specs and sessions, each in another order.
                    let mut results: Vec<SpecResult> = ["a", "b", "c"]
                        .iter()
                        .map(|spec| result_of(&format!("{spec}-{writer}-{round}"), spec, "s"))
                        .chain([
                            result_of(&format!("shared-{round}"), "a", "s"),
                            result_of(&format!("also-{round}"), "d", "s"),
                        ])
                        .collect();
                    let start = writer % results.len();
                    results.rotate_left(start);
                    let recorded = record(&db, &results).await;
                    assert!(!recorded.iter().any(|recorded| matches!(recorded, Recorded::Conflict(_))));
                    new += recorded.iter().filter(|recorded| matches!(recorded, Recorded::New(_))).count();
                }
                new
            });
        }
        let mut new = 0;
        while let Some(done) = writers.join_next().await {
            new += done.unwrap();
        }
        assert_eq!(new, WRITERS * ROUNDS * 3 + ROUNDS * 2);
        let page = Stretch { limit: 10_000, after: None };
        let (all, _) = read!(db, conn => spec_result::list(conn, &Filter::default(), &page));
        assert_eq!(all.len(), new);
        let numbers: BTreeSet<i64> = all.iter().map(|stored| stored.number).collect();
        assert_eq!(numbers.last().copied(), i64::try_from(new).ok(), "no gaps");
        assert_eq!(numbers.len(), new);
        assert_eq!(read!(db, conn => spec_result::last(conn)), i64::try_from(new).unwrap());
        for spec in ["a", "b", "c", "d"] {
            let of_spec: Vec<_> = all.iter().filter(|stored| stored.result.spec_id == spec).collect();
            let live: Vec<i64> = of_spec.iter().filter(|stored| stored.live).map(|stored| stored.number).collect();
            assert_eq!(live, [of_spec[0].number], "the last to come of {spec}, and no other");
        }
    }

    async fn a_reader_that_follows_misses_nothing(db: TestDb) {
        let db = db.open().await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let db = db.clone();
            writers.spawn(async move {
                for round in 0..25 {
                    record(&db, &[result_of(&format!("{writer}-{round}"), &format!("spec{writer}"), "s")]).await;
                }
            });
        }
        let mut seen: Vec<i64> = Vec::new();
        loop {
            // Asked before the page is read: what was committed by then is in it, or in one that comes.
            while let Some(done) = writers.try_join_next() {
                done.unwrap();
            }
            let all_done = writers.is_empty();
            let page = Stretch { limit: 7, after: seen.last().copied() };
            let (rows, more) = read!(db, conn => spec_result::standings_after(conn, &page));
            seen.extend(rows.iter().map(|row| row.number));
            assert!(seen.iter().copied().eq(1..=i64::try_from(seen.len()).unwrap()), "{seen:?}");
            if all_done && !more {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(seen.len(), 100);
    }
}
