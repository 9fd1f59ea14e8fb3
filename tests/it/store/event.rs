//! The feed: what was told is read in one order, and whoever goes on misses nothing.

use serde_json::json;
use testyard::domain::event::Place;
use testyard::ids::{RunId, SessionId};
use testyard::store::db::Dialect;
use testyard::store::event::{self, Event, Filter, NewEvent};
use testyard::store::page::Stretch;
use testyard::store::{Db, delivery, run};

use super::{a_delivery, committed, lease, micros, read, tests_of, worker};
use crate::support::db::TestDb;
use crate::support::on_both;

fn about_run(number: u128) -> NewEvent {
    let document = json!({"n": 1e16, "z": -0.0, "words": "ä \u{1F600}"});
    NewEvent { run_id: Some(RunId(uuid::Uuid::from_u128(number))), ..NewEvent::new("run.tested", micros(7), document) }
}

/// What stands behind a place. Tests beside this one hold transactions open that hold the feed up: what is committed is
/// read in the end.
pub(super) async fn behind(db: &Db, filter: &Filter, after: Option<Place>, at_least: usize) -> Vec<Event> {
    loop {
        let (events, more) = read!(db, conn => event::page(conn, filter, &Stretch { limit: 1_000, after }));
        assert!(!more);
        if events.len() >= at_least {
            return events;
        }
        tokio::task::yield_now().await;
    }
}

fn everything() -> Filter {
    Filter::default()
}

on_both! {
    async fn what_is_told_comes_back_in_its_order(db: TestDb) {
        let db = db.open().await;
        assert_eq!(behind(&db, &everything(), None, 0).await, []);
        let session = SessionId(uuid::Uuid::from_u128(3));
        let first = about_run(1);
        let second = NewEvent { build_ref: Some("maestro:1".into()), ..about_run(1) };
        let third = NewEvent { session_id: Some(session), ..NewEvent::new("agent.lost", micros(9), json!({})) };
        committed!(db, conn => event::record(conn, &[]));
        committed!(db, conn => event::record(conn, &[first.clone(), second.clone()]));
        committed!(db, conn => event::record(conn, std::slice::from_ref(&third)));
        let all = behind(&db, &everything(), None, 3).await;
        let as_told = |event: &Event| NewEvent {
            happened_at: event.happened_at,
            kind: if event.kind == first.kind { first.kind } else { third.kind },
            run_id: event.run_id,
            session_id: event.session_id,
            build_ref: event.build_ref.clone(),
            document: event.document.0.clone(),
        };
        assert_eq!(all.iter().map(as_told).collect::<Vec<_>>(), [first.clone(), second.clone(), third.clone()]);
        assert!(all.windows(2).all(|pair| pair[0].place() < pair[1].place()));
        let (some, more) = read!(db, conn => event::page(conn, &everything(), &Stretch { limit: 2, after: None }));
        assert_eq!((some.as_slice(), more), (&all[..2], true));
        assert_eq!(behind(&db, &everything(), Some(all[0].place()), 2).await, all[1..]);
        for (filter, wanted) in [
            (Filter { run_id: first.run_id, ..Filter::default() }, &all[..2]),
            (Filter { build_ref: Some("maestro:1".into()), ..Filter::default() }, &all[1..2]),
            (Filter { session_id: Some(session), ..Filter::default() }, &all[2..]),
            (Filter { run_id: first.run_id, session_id: Some(session), ..Filter::default() }, &all[..0]),
        ] {
            assert_eq!(behind(&db, &filter, None, wanted.len()).await, wanted, "{filter:?}");
        }
        let mut tx = db.begin().await.unwrap();
        event::record(&mut tx.conn(), &[about_run(4)]).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(behind(&db, &everything(), None, 3).await, all, "what was not committed did not happen");
    }

    async fn what_is_planned_and_what_is_settled_is_told(db: TestDb) {
        let db = db.open().await;
        let mut held = tests_of("maestro:1", &["a"], micros(1));
        held.id = RunId(uuid::Uuid::from_u128(1));
        let again = tests_of("maestro:1", &["a"], micros(2));
        committed!(db, conn => run::plan(conn, &[&held]));
        committed!(db, conn => run::plan(conn, &[&again]));
        let invalid = delivery::NewDelivery { invalid: Some("no such field".into()), ..a_delivery("x:1", micros(3)) };
        let [good, twice] = ["x:2", "x:3"].map(|id| a_delivery(id, micros(3)));
        assert_eq!(committed!(db, conn => delivery::enqueue(conn, &[&invalid, &good, &twice])), 3);
        assert_eq!(committed!(db, conn => delivery::enqueue(conn, &[&invalid])), 0);
        let claim = lease(worker(), 10, 20);
        let state = testyard::domain::delivery::DeliveryState::Pending;
        committed!(db, conn => delivery::claim(conn, state, claim, 10));
        let outcome = delivery::Outcome::Delivered { reason: None };
        assert_eq!(committed!(db, conn => delivery::settle(conn, claim.worker, &[good.id], &outcome, micros(4))), 1);
        assert_eq!(committed!(db, conn => delivery::settle(conn, claim.worker, &[good.id], &outcome, micros(4))), 0);
        let told = behind(&db, &everything(), None, 3).await;
        let told: Vec<_> = told.iter().map(|it| (it.kind.as_str(), it.run_id, &it.document.0)).collect();
        let [planned, dead, delivered] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((planned.0, planned.1, &planned.2["tests"]), ("run.planned", Some(held.id), &json!(1)));
        assert_eq!((dead.0, &dead.2["reason"], &dead.2["cause"]), ("delivery.dead", &json!("no such field"), &json!("invalid")));
        assert_eq!((delivered.0, &delivered.2["object_id"]), ("delivery.delivered", &json!("x:2")));
    }

    /// The law of the feed. On SQLite the second transaction begins when the first has ended.
    async fn nothing_comes_to_stand_before_what_was_read(db: TestDb) {
        let db = db.open().await;
        committed!(db, conn => event::record(conn, &[about_run(1)]));
        if db.dialect() == Dialect::Postgres {
            let (mut slow, mut quick) = (db.begin().await.unwrap(), db.begin().await.unwrap());
            // The slow one begins first and takes the lower number, and commits last.
            event::record(&mut slow.conn(), &[about_run(2)]).await.unwrap();
            event::record(&mut quick.conn(), &[about_run(3)]).await.unwrap();
            quick.commit().await.unwrap();
            let read = behind(&db, &everything(), None, 1).await;
            assert_eq!(read.len(), 1, "what is under way may come before it");
            slow.commit().await.unwrap();
            let rest = behind(&db, &everything(), Some(read[0].place()), 2).await;
            assert_eq!(rest.iter().map(|it| it.run_id).collect::<Vec<_>>(), [2, 3].map(|number| about_run(number).run_id));

            // The other way round: it begins first, takes the higher number and commits last.
            let (mut slow, mut quick) = (db.begin().await.unwrap(), db.begin().await.unwrap());
            let mark = "SELECT pg_current_xact_id()::text";
            let _: (String,) = slow.conn().query(mark).fetch_one().await.unwrap();
            event::record(&mut quick.conn(), &[about_run(4)]).await.unwrap();
            event::record(&mut slow.conn(), &[about_run(5)]).await.unwrap();
            quick.commit().await.unwrap();
            let after = rest.last().map(Event::place);
            assert_eq!(behind(&db, &everything(), after, 0).await, []);
            slow.commit().await.unwrap();
            let rest = behind(&db, &everything(), after, 2).await;
            assert_eq!(rest.iter().map(|it| it.run_id).collect::<Vec<_>>(), [5, 4].map(|number| about_run(number).run_id));
        }
        let seen = behind(&db, &everything(), None, 1).await.last().map(Event::place);
        committed!(db, conn => event::record(conn, &[about_run(6)]));
        assert_eq!(behind(&db, &everything(), seen, 1).await.len(), 1);
    }

    async fn many_who_tell_at_once_are_all_heard_by_who_goes_on(db: TestDb) {
        let db = db.open().await;
        let tellers: Vec<_> = (0..4_u128)
            .map(|teller| {
                let db = db.clone();
                tokio::spawn(async move {
                    for number in 0..25 {
                        committed!(db, conn => event::record(conn, &[about_run(teller * 100 + number)]));
                    }
                })
            })
            .collect();
        let (mut heard, mut after) = (Vec::new(), None);
        while heard.len() < 100 {
            let (some, _) = read!(db, conn => event::page(conn, &everything(), &Stretch { limit: 7, after }));
            after = some.last().map(Event::place).or(after);
            heard.extend(some.into_iter().filter_map(|event| event.run_id));
            tokio::task::yield_now().await;
        }
        for teller in tellers {
            teller.await.unwrap();
        }
        heard.sort_unstable();
        let all = (0..4_u128).flat_map(|teller| (0..25).map(move |number| teller * 100 + number));
        assert_eq!(heard, all.map(|number| RunId(uuid::Uuid::from_u128(number))).collect::<Vec<_>>());
        assert_eq!(behind(&db, &everything(), after, 0).await, []);
    }

    /// As where a dump is restored in a younger cluster.
    async fn marks_go_on_where_ids_of_transactions_begin_anew(db: TestDb) {
        let test = db;
        let db = test.open().await;
        committed!(db, conn => event::record(conn, &[about_run(1)]));
        committed!(db, conn => conn.query("UPDATE event SET mark = mark + 1000000000000").execute());
        db.close().await;
        let db = test.open().await;
        let old = behind(&db, &everything(), None, 1).await;
        committed!(db, conn => event::record(conn, &[about_run(2)]));
        if db.dialect() == Dialect::Postgres {
            let new = behind(&db, &everything(), old.last().map(Event::place), 1).await;
            assert_eq!(new.iter().map(|it| it.run_id).collect::<Vec<_>>(), [about_run(2).run_id]);
        }
    }
}
