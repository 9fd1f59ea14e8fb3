//! The inbox.

use testyard::domain::callback::{CallbackState, Trust};
use testyard::ids::{CallbackId, RunId};
use testyard::store::Error;
use testyard::store::callback::{self, Filter, NewCallback};
use testyard::store::page::Page;

use super::{a_callback, at, committed, lease, micros, read, refused, running, tests_of, worker};
use crate::support::db::TestDb;
use crate::support::on_both;

const ALL: Page = Page { limit: 1000, before: None };

on_both! {
    async fn a_callback_reads_back_as_it_came(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let mut new = a_callback("u", "x", micros(42));
        (new.trust, new.run_id, new.body) = (Trust::Capability, Some(run), vec![0, 255, b'{', 0]);
        assert_eq!(committed!(db, conn => callback::receive(conn, std::slice::from_ref(&new))), [true]);
        let stored = read!(db, conn => callback::by_id(conn, new.id)).unwrap();
        assert_eq!((stored.runner, stored.trust, stored.run_id), (new.runner, new.trust, new.run_id));
        assert_eq!((stored.uid, stored.body, stored.state), (new.uid, new.body, CallbackState::Pending));
        assert_eq!((stored.reason, stored.repeats, stored.received_at, stored.settled_at), (None, 0, micros(42), None));
        assert!(read!(db, conn => callback::by_id(conn, CallbackId::new(at(0)))).is_none());
    }

    async fn one_that_cannot_be_understood_is_settled_from_the_start(db: TestDb) {
        let db = db.open().await;
        let bad = NewCallback {
            state: CallbackState::Refused,
            reason: Some("why".into()),
            uid: None,
            ..a_callback("u", "x", micros(42))
        };
        committed!(db, conn => callback::receive(conn, std::slice::from_ref(&bad)));
        let stored = read!(db, conn => callback::by_id(conn, bad.id)).unwrap();
        assert_eq!((stored.state, stored.reason.as_deref()), (CallbackState::Refused, Some("why")));
        assert_eq!((stored.uid, stored.settled_at), (None, Some(micros(42))));
        assert_eq!(read!(db, conn => callback::next_due(conn)), None);
        assert!(committed!(db, conn => callback::claim(conn, lease(worker(), 99, 199), 9)).is_empty());
    }

    async fn a_repeated_callback_changes_nothing_but_its_count(db: TestDb) {
        let db = db.open().await;
        let first = a_callback("u", "same", at(0));
        assert_eq!(committed!(db, conn => callback::receive(conn, std::slice::from_ref(&first))), [true]);
        let batch = [
            a_callback("other", "same", at(5)),
            a_callback("u", "new", at(5)),
            a_callback("u", "same", at(5)),
            a_callback("u", "new", at(5)),
        ];
        assert_eq!(committed!(db, conn => callback::receive(conn, &batch)), [false, true, false, false]);
        let stored = read!(db, conn => callback::by_id(conn, first.id)).unwrap();
        assert_eq!((stored.repeats, stored.uid.as_deref(), stored.received_at), (2, Some("u"), at(0)));
        let stored = read!(db, conn => callback::by_id(conn, batch[1].id)).unwrap();
        assert_eq!(stored.repeats, 1, "within one batch too");
        assert_eq!(read!(db, conn => callback::list(conn, &Filter::default(), ALL)).0.len(), 2);
    }

    async fn of_sixteen_copies_at_once_one_is_new(db: TestDb) {
        let db = db.open().await;
        let mut senders = tokio::task::JoinSet::new();
        for turn in 0..16 {
            let db = db.clone();
            senders.spawn(async move {
                let mut bodies = ["a", "b", "c"];
                bodies.rotate_left(turn % 3);
                let copies = bodies.map(|body| a_callback("u", body, at(0)));
                committed!(db, conn => callback::receive(conn, &copies)).into_iter().filter(|new| *new).count()
            });
        }
        assert_eq!(senders.join_all().await.into_iter().sum::<usize>(), 3);
        let (all, _) = read!(db, conn => callback::list(conn, &Filter::default(), ALL));
        assert_eq!(all.iter().map(|callback| callback.repeats).collect::<Vec<_>>(), [15, 15, 15]);
    }

    async fn any_number_of_callbacks_goes_in(db: TestDb) {
        let db = db.open().await;
        for many in [0, 1, 3, 1000] {
            let some: Vec<_> = (0..many).map(|n| a_callback("u", &format!("{many} {n}"), at(0))).collect();
            assert_eq!(committed!(db, conn => callback::receive(conn, &some)), vec![true; many]);
        }
        assert_eq!(read!(db, conn => callback::count_unknown(conn)), 1004);
    }

    async fn one_that_tells_of_a_run_that_is_not_there_is_refused(db: TestDb) {
        let db = db.open().await;
        let lost = NewCallback { run_id: Some(RunId::new(at(0))), ..a_callback("u", "x", at(0)) };
        let error = refused!(db, conn => callback::receive(conn, &[lost]));
        assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    }

    async fn a_callback_is_settled_by_who_holds_it(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let new = a_callback("u", "x", at(10));
        committed!(db, conn => callback::receive(conn, std::slice::from_ref(&new)));
        assert_eq!(read!(db, conn => callback::next_due(conn)), Some(at(10)));
        let (me, other) = (worker(), worker());
        assert!(committed!(db, conn => callback::claim(conn, lease(me, 9, 40), 9)).is_empty(), "it is not due");
        assert_eq!(committed!(db, conn => callback::claim(conn, lease(me, 10, 40), 9)).len(), 1);
        assert!(committed!(db, conn => callback::claim(conn, lease(other, 39, 60), 9)).is_empty());
        assert_eq!(committed!(db, conn => callback::claim(conn, lease(other, 40, 60), 9)).len(), 1);
        let outcome = (CallbackState::Applied, Some(run), Some("why"));
        assert!(!committed!(db, conn => callback::settle(conn, me, new.id, outcome, at(50))), "its lease is lost");
        assert!(committed!(db, conn => callback::settle(conn, other, new.id, outcome, micros(50))));
        assert!(!committed!(db, conn => callback::settle(conn, other, new.id, outcome, at(51))), "it is settled");
        let stored = read!(db, conn => callback::by_id(conn, new.id)).unwrap();
        assert_eq!((stored.state, stored.run_id), (CallbackState::Applied, Some(run)));
        assert_eq!((stored.reason.as_deref(), stored.settled_at), (Some("why"), Some(micros(50))));
    }

    async fn those_of_known_runs_are_settled_as_applied_together(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let known: Vec<_> =
            (0..3).map(|n| NewCallback { run_id: Some(run), ..a_callback("u", &n.to_string(), at(0)) }).collect();
        let unknown = a_callback("u", "unknown", at(0));
        committed!(db, conn => callback::receive(conn, &known));
        committed!(db, conn => callback::receive(conn, std::slice::from_ref(&unknown)));
        let me = worker();
        assert_eq!(committed!(db, conn => callback::claim(conn, lease(me, 0, 60), 9)).len(), 4);
        let ids = [known[0].id, known[1].id, unknown.id];
        assert_eq!(committed!(db, conn => callback::applied(conn, worker(), &ids, at(1))), 0, "another holds them");
        assert_eq!(
            committed!(db, conn => callback::applied(conn, me, &ids, micros(5))),
            2,
            "one is about no known run"
        );
        assert_eq!(committed!(db, conn => callback::applied(conn, me, &ids, at(9))), 0, "they are settled");
        assert_eq!(committed!(db, conn => callback::applied(conn, me, &[], at(9))), 0);
        let states: Vec<_> = read!(db, conn => callback::list(conn, &Filter::default(), ALL)).0;
        for one in states {
            let is_applied = one.id == known[0].id || one.id == known[1].id;
            let want =
                if is_applied { (CallbackState::Applied, Some(micros(5))) } else { (CallbackState::Pending, None) };
            assert_eq!((one.state, one.settled_at), want);
        }
    }

    async fn callbacks_are_settled_as_applied_by_who_holds_them_and_where_their_run_is_known(db: TestDb) {
        let db = db.open().await;
        let named = Some(running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await);
        let news = [
            NewCallback { run_id: named, ..a_callback("u", "1", at(0)) },
            NewCallback { run_id: named, ..a_callback("u", "2", at(0)) },
            a_callback("v", "of nobody", at(0)),
            NewCallback { run_id: named, ..a_callback("u", "not due", at(99)) },
        ];
        committed!(db, conn => callback::receive(conn, &news));
        let (me, other) = (worker(), worker());
        assert_eq!(committed!(db, conn => callback::claim(conn, lease(me, 0, 40), 9)).len(), 3);
        let ids: Vec<_> = news.iter().map(|new| new.id).collect();
        assert_eq!(committed!(db, conn => callback::applied(conn, me, &[], at(1))), 0);
        assert_eq!(committed!(db, conn => callback::applied(conn, other, &ids, at(1))), 0);
        assert_eq!(committed!(db, conn => callback::applied(conn, me, &ids, micros(1))), 2);
        assert_eq!(committed!(db, conn => callback::applied(conn, me, &ids, at(2))), 0, "they are settled");
        for (id, applied) in ids.into_iter().zip([true, true, false, false]) {
            let stored = read!(db, conn => callback::by_id(conn, id)).unwrap();
            let want = if applied { (CallbackState::Applied, Some(micros(1))) } else { (CallbackState::Pending, None) };
            assert_eq!((stored.state, stored.settled_at), want);
        }
    }

    async fn the_run_that_a_capability_named_stays(db: TestDb) {
        let db = db.open().await;
        let named = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        let other = running(&db, &tests_of("riscv:b", &["t"], at(0)), "v").await;
        let new = NewCallback { run_id: Some(named), ..a_callback("u", "x", at(0)) };
        committed!(db, conn => callback::receive(conn, std::slice::from_ref(&new)));
        let me = worker();
        committed!(db, conn => callback::claim(conn, lease(me, 0, 40), 9));
        committed!(db, conn => callback::settle(conn, me, new.id, (CallbackState::Late, Some(other), None), at(1)));
        assert_eq!(read!(db, conn => callback::by_id(conn, new.id)).unwrap().run_id, Some(named));
    }

    async fn one_that_waits_is_woken_when_its_uid_becomes_known(db: TestDb) {
        let db = db.open().await;
        let news = [a_callback("u", "1", at(0)), a_callback("u", "2", at(0)), a_callback("v", "3", at(0))];
        committed!(db, conn => callback::receive(conn, &news));
        let (me, other) = (worker(), worker());
        committed!(db, conn => callback::claim(conn, lease(me, 0, 40), 9));
        assert!(!committed!(db, conn => callback::postpone(conn, other, news[0].id, "waits", at(1000))));
        for new in &news {
            assert!(committed!(db, conn => callback::postpone(conn, me, new.id, "waits", at(1000))));
        }
        let stored = read!(db, conn => callback::by_id(conn, news[0].id)).unwrap();
        assert_eq!((stored.state, stored.reason.as_deref()), (CallbackState::Pending, Some("waits")));
        assert_eq!(read!(db, conn => callback::next_due(conn)), Some(at(1000)));
        assert_eq!(committed!(db, conn => callback::wake(conn, "local", "u", at(5))), 0);
        assert_eq!(committed!(db, conn => callback::wake(conn, "tuxsuite", "u", at(5))), 2);
        assert_eq!(read!(db, conn => callback::next_due(conn)), Some(at(5)));
        assert_eq!(committed!(db, conn => callback::claim(conn, lease(other, 5, 40), 9)).len(), 2);
    }

    async fn what_anybody_can_send_is_counted_while_it_waits(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let signed = NewCallback { trust: Trust::Signature, ..a_callback("nobody", "signed", at(0)) };
        let known = NewCallback { run_id: Some(run), ..a_callback("u", "known", at(0)) };
        let refused = NewCallback { state: CallbackState::Refused, ..a_callback("u", "refused", at(0)) };
        let waits = [a_callback("nobody", "1", at(0)), a_callback("nobody", "2", at(0))];
        committed!(db, conn => callback::receive(conn, &[signed, known, refused]));
        assert_eq!(read!(db, conn => callback::count_unknown(conn)), 0);
        committed!(db, conn => callback::receive(conn, &waits));
        assert_eq!(read!(db, conn => callback::count_unknown(conn)), 2);
    }

    async fn what_no_run_was_found_for_or_anybody_sent_is_forgotten_in_the_end(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let trusted = |body: &str| NewCallback { trust: Trust::Signature, ..a_callback("u", body, micros(99)) };
        let forgotten = [
            a_callback("nobody", "a stranger's", micros(99)),
            NewCallback { run_id: Some(run), ..a_callback("u", "a stranger's of a run", micros(99)) },
            trusted("of nobody's run"),
        ];
        let kept = [
            a_callback("nobody", "young", micros(100)),
            NewCallback { run_id: Some(run), ..trusted("of a run") },
            NewCallback { state: CallbackState::Refused, ..trusted("evidence") },
        ];
        committed!(db, conn => callback::receive(conn, &[forgotten.to_vec(), kept.to_vec()].concat()));
        assert_eq!(committed!(db, conn => callback::expire(conn, micros(100))), 3);
        for callback in forgotten {
            assert!(read!(db, conn => callback::by_id(conn, callback.id)).is_none(), "{callback:?}");
        }
        for callback in kept {
            assert!(read!(db, conn => callback::by_id(conn, callback.id)).is_some(), "{callback:?}");
        }
    }

    async fn a_stranger_s_hint_about_a_run_is_known_by_its_time(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        let other = running(&db, &tests_of("riscv:b", &["t"], at(0)), "v").await;
        let hint = NewCallback { run_id: Some(run), ..a_callback("u", "hint", micros(50)) };
        let signed =
            NewCallback { run_id: Some(other), trust: Trust::Signature, ..a_callback("v", "signed", micros(50)) };
        committed!(db, conn => callback::receive(conn, &[hint, signed]));
        for (run, since, came) in [(run, 49, true), (run, 50, false), (run, 51, false), (other, 49, false)] {
            assert_eq!(read!(db, conn => callback::hinted_since(conn, run, micros(since))), came, "{since}");
        }
    }

    async fn a_listing_of_callbacks_is_narrowed_by_each_filter(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let known = NewCallback { run_id: Some(run), ..a_callback("u", "1", at(1)) };
        let refused = NewCallback { state: CallbackState::Refused, ..a_callback("v", "2", at(2)) };
        let elsewhere = NewCallback { runner: "local".into(), ..a_callback("u", "3", at(3)) };
        committed!(db, conn => callback::receive(conn, &[known.clone(), refused.clone(), elsewhere.clone()]));
        let (known, refused, elsewhere) = (known.id, refused.id, elsewhere.id);
        let none = Filter::default;
        for (filter, want) in [
            (none(), vec![elsewhere, refused, known]),
            (Filter { states: vec![CallbackState::Refused], ..none() }, vec![refused]),
            (Filter { states: vec![CallbackState::Pending, CallbackState::Late], ..none() }, vec![elsewhere, known]),
            (Filter { run_id: Some(run), ..none() }, vec![known]),
            (Filter { runner: Some("local".into()), ..none() }, vec![elsewhere]),
            (Filter { uid: Some("u".into()), ..none() }, vec![elsewhere, known]),
            (Filter { uid: Some("u".into()), runner: Some("tuxsuite".into()), ..none() }, vec![known]),
        ] {
            let (found, more) = read!(db, conn => callback::list(conn, &filter, ALL));
            assert_eq!((found.into_iter().map(|one| one.id).collect::<Vec<_>>(), more), (want, false), "{filter:?}");
        }
    }

    async fn pages_cover_every_callback_once_while_more_come_in(db: TestDb) {
        let db = db.open().await;
        let news: Vec<_> = (0..40).map(|n| a_callback("u", &n.to_string(), at(n))).collect();
        committed!(db, conn => callback::receive(conn, &news));
        let mut page = Page { limit: 11, before: None };
        let mut seen = Vec::new();
        for newer in 100.. {
            let (found, more) = read!(db, conn => callback::list(conn, &Filter::default(), page));
            page.before = found.last().map(|one| one.id.0);
            seen.extend(found.into_iter().map(|one| one.id));
            committed!(db, conn => callback::receive(conn, &[a_callback("u", &newer.to_string(), at(newer))]));
            if !more {
                break;
            }
        }
        assert_eq!(seen, news.iter().rev().map(|one| one.id).collect::<Vec<_>>());
    }
}
