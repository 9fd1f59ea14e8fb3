//! The outbox.

use serde_json::json;
use testyard::domain::delivery::{DeadCause, DeliveryState};
use testyard::domain::kcidb::object::ObjectKind;
use testyard::ids::{DeliveryId, RunId, WorkerId};
use testyard::store::delivery::{self, Delivery, Filter, NewDelivery, Outcome};
use testyard::store::page::Page;
use testyard::store::{Db, Error};

use super::{a_delivery, at, committed, lease, micros, read, refused, running, tests_of, worker};
use crate::support::db::TestDb;
use crate::support::on_both;

const ALL: Page = Page { limit: 1000, before: None };

async fn show(db: &Db, id: DeliveryId) -> Delivery {
    read!(db, conn => delivery::by_id(conn, id)).expect("the delivery is stored")
}

/// Enqueues these and has a worker claim them.
async fn claimed(db: &Db, some: &[NewDelivery]) -> (WorkerId, Vec<DeliveryId>) {
    let me = worker();
    committed!(db, conn => delivery::enqueue(conn, some));
    let claimed = committed!(db, conn => delivery::claim(conn, DeliveryState::Pending, lease(me, 0, 60), 1000));
    assert_eq!(claimed.len(), some.len());
    (me, some.iter().map(|one| one.id).collect())
}

const DEAD: Outcome<'static> = Outcome::Dead { cause: DeadCause::Refused, reason: "why", answer: Some("422") };

fn again(batch_limit: Option<i64>, counts: bool) -> Outcome<'static> {
    let (state, due_at) = (DeliveryState::Pending, micros(99));
    Outcome::Again { state, reason: "slow", answer: Some("503"), due_at, counts, batch_limit }
}

on_both! {
    async fn a_delivery_reads_back_as_it_was_enqueued(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let new = NewDelivery { run_id: Some(run), ..a_delivery("riscv:1", micros(31)) };
        let bad = NewDelivery { invalid: Some("no id".into()), ..a_delivery("riscv:2", micros(32)) };
        assert_eq!(committed!(db, conn => delivery::enqueue(conn, &[new.clone(), bad.clone()])), 2);
        let one = show(&db, new.id).await;
        assert_eq!((one.sink.as_str(), one.object_kind, &one.object_id), ("kcidb", ObjectKind::Test, &new.object_id));
        assert_eq!((one.object.0, one.run_id, one.state), (new.object, Some(run), DeliveryState::Pending));
        assert_eq!((one.created_at, one.due_at, one.tries, one.batch_limit), (micros(31), micros(31), 0, None));
        assert_eq!((one.dead_cause, one.reason, one.answer, one.receipt), (None, None, None, None));
        assert_eq!((one.sent_at, one.settled_at), (None, None));
        let dead = show(&db, bad.id).await;
        assert_eq!((dead.state, dead.dead_cause), (DeliveryState::Dead, Some(DeadCause::Invalid)));
        assert_eq!((dead.reason.as_deref(), dead.settled_at), (Some("no id"), Some(micros(32))));
        assert!(read!(db, conn => delivery::by_id(conn, DeliveryId::new(at(0)))).is_none());
    }

    async fn of_an_object_the_first_value_stays(db: TestDb) {
        let db = db.open().await;
        let first = a_delivery("riscv:1", at(0));
        let copy = NewDelivery { object: json!({}), ..a_delivery("riscv:1", at(1)) };
        let elsewhere = NewDelivery { sink: "other", ..a_delivery("riscv:1", at(1)) };
        let of_kind = NewDelivery { object_kind: ObjectKind::Build, ..a_delivery("riscv:1", at(1)) };
        assert_eq!(committed!(db, conn => delivery::enqueue(conn, std::slice::from_ref(&first))), 1);
        let batch = [copy.clone(), elsewhere, of_kind.clone(), of_kind];
        assert_eq!(
            committed!(db, conn => delivery::enqueue(conn, &batch)),
            2,
            "another sink or kind is another delivery"
        );
        assert_eq!(show(&db, first.id).await.object.0, first.object);
        assert!(read!(db, conn => delivery::by_id(conn, copy.id)).is_none());
    }

    async fn any_number_of_deliveries_goes_in_and_out(db: TestDb) {
        let db = db.open().await;
        for many in [0_u32, 1, 3, 1000] {
            let some: Vec<_> = (0..many).map(|n| a_delivery(&format!("riscv:{many}-{n}"), at(0))).collect();
            let (me, ids) = claimed(&db, &some).await;
            let sent = Outcome::Delivered { reason: None };
            assert_eq!(committed!(db, conn => delivery::settle(conn, me, &ids, &sent, at(1))), u64::from(many));
        }
    }

    async fn one_of_a_run_that_is_not_there_is_refused(db: TestDb) {
        let db = db.open().await;
        let lost = NewDelivery { run_id: Some(RunId::new(at(0))), ..a_delivery("riscv:1", at(0)) };
        let error = refused!(db, conn => delivery::enqueue(conn, &[lost]));
        assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    }

    async fn the_sink_took_it_and_has_it(db: TestDb) {
        let db = db.open().await;
        let (me, ids) = claimed(&db, &[a_delivery("riscv:1", at(0))]).await;
        let sent = Outcome::Sent { receipt: "r1", due_at: micros(7), together: 5 };
        assert_eq!(committed!(db, conn => delivery::settle(conn, me, &ids, &sent, micros(6))), 1);
        let one = show(&db, ids[0]).await;
        assert_eq!(
            (one.state, one.receipt.as_deref(), one.sent_at),
            (DeliveryState::Sent, Some("r1"), Some(micros(6)))
        );
        assert_eq!(one.batch_limit, Some(5), "how many travelled together");
        assert_eq!(read!(db, conn => delivery::next_due(conn, DeliveryState::Sent)), Some(micros(7)));
        assert_eq!(read!(db, conn => delivery::next_due(conn, DeliveryState::Pending)), None);
        assert!(
            committed!(db, conn => delivery::claim(conn, DeliveryState::Pending, lease(me, 99, 199), 9)).is_empty()
        );
        assert_eq!(committed!(db, conn => delivery::claim(conn, DeliveryState::Sent, lease(me, 99, 199), 9)).len(), 1);
        let has = Outcome::Delivered { reason: Some("said so") };
        assert_eq!(committed!(db, conn => delivery::settle(conn, me, &ids, &has, micros(8))), 1);
        let one = show(&db, ids[0]).await;
        assert_eq!((one.state, one.reason.as_deref()), (DeliveryState::Delivered, Some("said so")));
        assert_eq!((one.sent_at, one.settled_at), (Some(micros(6)), Some(micros(8))));
        assert_eq!(committed!(db, conn => delivery::settle(conn, me, &ids, &DEAD, at(9))), 0, "it is settled");
        for state in [DeliveryState::Delivered, DeliveryState::Dead] {
            assert!(committed!(db, conn => delivery::claim(conn, state, lease(me, 999, 1000), 9)).is_empty());
            assert_eq!(read!(db, conn => delivery::next_due(conn, state)), None);
        }
    }

    async fn one_that_waits_is_sent_again(db: TestDb) {
        let db = db.open().await;
        let (me, ids) = claimed(&db, &[a_delivery("riscv:1", at(0))]).await;
        committed!(db, conn => delivery::settle(conn, me, &ids, &again(Some(8), true), at(1)));
        let one = show(&db, ids[0]).await;
        assert_eq!(
            (one.state, one.tries, one.batch_limit, one.due_at),
            (DeliveryState::Pending, 1, Some(8), micros(99))
        );
        assert_eq!((one.reason.as_deref(), one.answer.as_deref()), (Some("slow"), Some("503")));
        assert_eq!(
            committed!(db, conn => delivery::settle(conn, me, &ids, &again(None, true), at(1))),
            0,
            "given back"
        );
        committed!(db, conn => delivery::claim(conn, DeliveryState::Pending, lease(me, 99, 199), 9));
        committed!(db, conn => delivery::settle(conn, me, &ids, &again(None, false), at(1)));
        let one = show(&db, ids[0]).await;
        assert_eq!((one.tries, one.batch_limit), (1, Some(8)), "this try was not in vain, and the limit stays");
    }

    async fn one_that_the_sink_lost_is_sent_again_and_counted_apart(db: TestDb) {
        let db = db.open().await;
        let (me, ids) = claimed(&db, &[a_delivery("riscv:1", at(0))]).await;
        let lost = Outcome::Lost { reason: "no such submission" };
        assert_eq!(committed!(db, conn => delivery::settle(conn, me, &ids, &lost, micros(99))), 1);
        let one = show(&db, ids[0]).await;
        assert_eq!((one.state, one.lost, one.tries, one.due_at), (DeliveryState::Pending, 1, 0, micros(99)));
        assert_eq!(one.reason.as_deref(), Some("no such submission"));
        committed!(db, conn => delivery::claim(conn, DeliveryState::Pending, lease(me, 99, 199), 9));
        committed!(db, conn => delivery::settle(conn, me, &ids, &DEAD, at(100)));
        committed!(db, conn => delivery::retry(conn, ids[0], at(101)));
        assert_eq!(show(&db, ids[0]).await.lost, 0, "an operator begins anew");
    }

    async fn who_lost_the_lease_settles_nothing(db: TestDb) {
        let db = db.open().await;
        let (me, ids) = claimed(&db, &[a_delivery("riscv:1", at(0)), a_delivery("riscv:2", at(0))]).await;
        let other = worker();
        let taken = committed!(db, conn => delivery::claim(conn, DeliveryState::Pending, lease(other, 60, 99), 1));
        assert_eq!(taken.len(), 1);
        let has = Outcome::Delivered { reason: None };
        assert_eq!(
            committed!(db, conn => delivery::settle(conn, me, &ids, &has, at(61))),
            1,
            "only what is still held"
        );
        assert_eq!(show(&db, taken[0].id).await.state, DeliveryState::Pending);
        assert_eq!(committed!(db, conn => delivery::settle(conn, other, &ids, &has, at(61))), 1);
    }

    async fn a_dead_letter_comes_back_alone(db: TestDb) {
        let db = db.open().await;
        let (me, ids) = claimed(&db, &[a_delivery("riscv:1", at(0))]).await;
        assert!(!committed!(db, conn => delivery::retry(conn, ids[0], at(1))), "it is not dead");
        committed!(db, conn => delivery::settle(conn, me, &ids, &DEAD, micros(5)));
        let one = show(&db, ids[0]).await;
        assert_eq!((one.state, one.dead_cause, one.tries), (DeliveryState::Dead, Some(DeadCause::Refused), 1));
        assert_eq!((one.reason.as_deref(), one.answer.as_deref()), (Some("why"), Some("422")));
        assert_eq!(one.settled_at, Some(micros(5)));
        assert!(committed!(db, conn => delivery::retry(conn, ids[0], micros(9))));
        let one = show(&db, ids[0]).await;
        assert_eq!((one.state, one.due_at, one.batch_limit), (DeliveryState::Pending, micros(9), Some(1)));
        assert_eq!((one.tries, one.dead_cause, one.reason, one.answer, one.settled_at), (0, None, None, None, None));
        assert!(!committed!(db, conn => delivery::retry(conn, DeliveryId::new(at(0)), at(1))));
    }

    async fn a_sync_makes_due_what_can_be_delivered(db: TestDb) {
        let db = db.open().await;
        let kinds = [ObjectKind::Checkout, ObjectKind::Build, ObjectKind::Test];
        let of = |kind, name: &str| NewDelivery { object_kind: kind, ..a_delivery(name, at(0)) };
        let mut ids = Vec::new();
        for kind in kinds {
            let (me, dead) = claimed(&db, &[of(kind, "refused")]).await;
            committed!(db, conn => delivery::settle(conn, me, &dead, &DEAD, at(1)));
            let (me, waits) = claimed(&db, &[of(kind, "waits")]).await;
            committed!(db, conn => delivery::settle(conn, me, &waits, &again(None, true), at(1)));
            let (me, sent) = claimed(&db, &[of(kind, "sent")]).await;
            let took = Outcome::Sent { receipt: "r", due_at: at(77), together: 1 };
            committed!(db, conn => delivery::settle(conn, me, &sent, &took, at(1)));
            let invalid = NewDelivery { invalid: Some("x".into()), ..of(kind, "invalid") };
            committed!(db, conn => delivery::enqueue(conn, std::slice::from_ref(&invalid)));
            ids.push([dead[0], waits[0], sent[0], invalid.id]);
        }
        assert_eq!(committed!(db, conn => delivery::make_due(conn, &kinds[..2], at(50))), 4);
        for (kind, ids) in ids.iter().enumerate() {
            let states: Vec<_> =
                [show(&db, ids[0]).await, show(&db, ids[1]).await, show(&db, ids[2]).await, show(&db, ids[3]).await]
                    .map(|one| (one.state, one.due_at == at(50)))
                    .into();
            let due = kind < 2;
            let refused = if due { DeliveryState::Pending } else { DeliveryState::Dead };
            let want = [
                (refused, due),
                (DeliveryState::Pending, due),
                (DeliveryState::Sent, false),
                (DeliveryState::Dead, false),
            ];
            assert_eq!(states, want, "{:?}", kinds[kind]);
        }
        assert_eq!(committed!(db, conn => delivery::make_due(conn, &[], at(60))), 0);
    }

    async fn a_listing_of_deliveries_is_narrowed_by_each_filter(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let (me, ids) = claimed(&db, &[a_delivery("riscv:sent", at(0))]).await;
        let sent = Outcome::Sent { receipt: "r1", due_at: at(9), together: 1 };
        committed!(db, conn => delivery::settle(conn, me, &ids, &sent, at(1)));
        let of_run =
            NewDelivery { run_id: Some(run), object_kind: ObjectKind::Build, ..a_delivery("riscv:run", at(1)) };
        let dead = NewDelivery { invalid: Some("x".into()), ..a_delivery("riscv:dead", at(2)) };
        committed!(db, conn => delivery::enqueue(conn, &[of_run.clone(), dead.clone()]));
        let (sent, of_run, dead) = (ids[0], of_run.id, dead.id);
        let none = Filter::default;
        for (filter, want) in [
            (none(), vec![dead, of_run, sent]),
            (Filter { states: vec![DeliveryState::Dead], ..none() }, vec![dead]),
            (Filter { states: vec![DeliveryState::Sent, DeliveryState::Pending], ..none() }, vec![of_run, sent]),
            (Filter { kinds: vec![ObjectKind::Build, ObjectKind::Issue], ..none() }, vec![of_run]),
            (Filter { run_id: Some(run), ..none() }, vec![of_run]),
            (Filter { object_id: Some("riscv:dead".into()), ..none() }, vec![dead]),
            (Filter { receipt: Some("r1".into()), ..none() }, vec![sent]),
            (Filter { receipt: Some("r1".into()), run_id: Some(run), ..none() }, vec![]),
        ] {
            let (found, more) = read!(db, conn => delivery::list(conn, &filter, ALL));
            assert_eq!((found.into_iter().map(|one| one.id).collect::<Vec<_>>(), more), (want, false), "{filter:?}");
        }
    }

    async fn pages_cover_every_delivery_once_while_more_come_in(db: TestDb) {
        let db = db.open().await;
        let news: Vec<_> = (0..40).map(|n| a_delivery(&n.to_string(), at(n))).collect();
        committed!(db, conn => delivery::enqueue(conn, &news));
        let mut page = Page { limit: 13, before: None };
        let mut seen = Vec::new();
        for newer in 100.. {
            let (found, more) = read!(db, conn => delivery::list(conn, &Filter::default(), page));
            page.before = found.last().map(|one| one.id.0);
            seen.extend(found.into_iter().map(|one| one.id));
            committed!(db, conn => delivery::enqueue(conn, &[a_delivery(&newer.to_string(), at(newer))]));
            if !more {
                break;
            }
        }
        assert_eq!(seen, news.iter().rev().map(|one| one.id).collect::<Vec<_>>());
    }
}
