//! Claims under leases: of runs, callbacks, deliveries and submissions alike, a row is one worker's at a time.

use std::collections::HashSet;

use testyard::domain::callback::CallbackState;
use testyard::domain::delivery::DeliveryState;
use testyard::domain::run::RunState;
use testyard::ids::{RunId, WorkerId};
use testyard::store::db::Dialect;
use testyard::store::delivery::Outcome;
use testyard::store::lease::Lease;
use testyard::store::step::Postponed;
use testyard::store::{Db, callback, delivery, run, step, submission};

use super::{
    a_callback, a_delivery, a_submission, at, committed, finish, lease, micros, read, stored, tests_of, worker,
};
use crate::support::db::TestDb;
use crate::support::on_both;

const PLANNED: [RunState; 1] = [RunState::Planned];

/// Eight workers claim 25 rows at a time and settle them, until there are none: how many were settled, and how many
/// different ones these were.
async fn drain<F, Fut>(db: &Db, take: F) -> (usize, usize)
where
    F: Fn(Db, WorkerId) -> Fut,
    Fut: Future<Output = Vec<String>> + Send + 'static,
{
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        workers.spawn(take(db.clone(), worker()));
    }
    let mut settled = Vec::new();
    while let Some(done) = workers.join_next().await {
        settled.extend(done.unwrap());
    }
    (settled.len(), settled.iter().collect::<HashSet<_>>().len())
}

on_both! {
    async fn eight_workers_drain_2000_runs_each_once(db: TestDb) {
        let db = db.open().await;
        let runs: Vec<_> = (0..2000).map(|n| tests_of(&format!("riscv:{n}"), &["t"], at(0))).collect();
        committed!(db, conn => run::plan(conn, &runs));
        let drained = drain(&db, |db, me| async move {
            let mut done = Vec::new();
            loop {
                let claimed = committed!(db, conn => step::claim(conn, &PLANNED, "tuxsuite", lease(me, 0, 60), 25));
                assert!(claimed.len() <= 25, "no more than was asked for");
                if claimed.is_empty() {
                    return done;
                }
                let mut tx = db.begin().await.unwrap();
                for run in claimed {
                    let step =
                        Postponed { id: run.id, state: RunState::Planned, waiting: None, tries: 1, due_at: at(9999) };
                    assert!(step::postpone(&mut tx.conn(), me, step).await.unwrap(), "the lease holds");
                    done.push(run.id.to_string());
                }
                tx.commit().await.unwrap();
            }
        });
        assert_eq!(drained.await, (2000, 2000));
    }

    async fn eight_workers_drain_2000_callbacks_each_once(db: TestDb) {
        let db = db.open().await;
        let callbacks: Vec<_> = (0..2000).map(|n| a_callback("u", &n.to_string(), at(0))).collect();
        committed!(db, conn => callback::receive(conn, &callbacks));
        let drained = drain(&db, |db, me| async move {
            let mut done = Vec::new();
            loop {
                let claimed = committed!(db, conn => callback::claim(conn, lease(me, 0, 60), 25));
                assert!(claimed.len() <= 25, "no more than was asked for");
                if claimed.is_empty() {
                    return done;
                }
                let mut tx = db.begin().await.unwrap();
                for callback in claimed {
                    let outcome = (CallbackState::Applied, None, None);
                    assert!(callback::settle(&mut tx.conn(), me, callback.id, outcome, at(1)).await.unwrap());
                    done.push(callback.id.to_string());
                }
                tx.commit().await.unwrap();
            }
        });
        assert_eq!(drained.await, (2000, 2000));
    }

    async fn eight_workers_drain_2000_deliveries_each_once(db: TestDb) {
        let db = db.open().await;
        let deliveries: Vec<_> = (0..2000).map(|n| a_delivery(&format!("riscv:{n}"), at(0))).collect();
        committed!(db, conn => delivery::enqueue(conn, &deliveries));
        let drained = drain(&db, |db, me| async move {
            let mut done = Vec::new();
            loop {
                let claimed =
                    committed!(db, conn => delivery::claim(conn, DeliveryState::Pending, lease(me, 0, 60), 25));
                assert!(claimed.len() <= 25, "no more than was asked for");
                if claimed.is_empty() {
                    return done;
                }
                let ids: Vec<_> = claimed.iter().map(|delivery| delivery.id).collect();
                let outcome = Outcome::Delivered { reason: None };
                let settled = committed!(db, conn => delivery::settle(conn, me, &ids, &outcome, at(1)));
                assert_eq!(settled, ids.len() as u64, "the lease holds");
                done.extend(ids.iter().map(ToString::to_string));
            }
        });
        assert_eq!(drained.await, (2000, 2000));
    }

    async fn eight_workers_drain_2000_submissions_each_once(db: TestDb) {
        let db = db.open().await;
        let submissions: Vec<_> = (0..2000).map(|n| a_submission(n, at(0))).collect();
        committed!(db, conn => submission::insert(conn, &submissions));
        let drained = drain(&db, |db, me| async move {
            let mut done = Vec::new();
            loop {
                let claimed = committed!(db, conn => submission::claim(conn, lease(me, 0, 60), 25));
                assert!(claimed.len() <= 25, "no more than was asked for");
                if claimed.is_empty() {
                    return done;
                }
                let mut tx = db.begin().await.unwrap();
                for submission in claimed {
                    assert!(submission::settle(&mut tx.conn(), me, &submission.id, Ok(1), at(1)).await.unwrap());
                    done.push(submission.id);
                }
                tx.commit().await.unwrap();
            }
        });
        assert_eq!(drained.await, (2000, 2000));
    }

    async fn a_claimed_run_is_its_worker_s_until_the_lease_ends(db: TestDb) {
        let db = db.open().await;
        let new = tests_of("riscv:b", &["t"], at(10));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&new)));
        let (me, other) = (worker(), worker());
        let claim = async |who: Lease| committed!(db, conn => step::claim(conn, &PLANNED, "tuxsuite", who, 9)).len();
        assert_eq!(claim(lease(me, 9, 40)).await, 0, "it is not due");
        assert_eq!(claim(lease(me, 10, 40)).await, 1);
        assert_eq!(claim(lease(other, 39, 70)).await, 0, "it is leased");
        assert!(committed!(db, conn => step::renew(conn, new.id, lease(me, 39, 50))));
        assert_eq!(claim(lease(other, 40, 70)).await, 0, "the lease was prolonged");
        assert_eq!(claim(lease(other, 50, 70)).await, 1, "the lease is over");
        assert!(!committed!(db, conn => step::renew(conn, new.id, lease(me, 51, 99))), "who lost it cannot prolong it");
        let step =
            || Postponed { id: new.id, state: RunState::Planned, waiting: Some("so"), tries: 2, due_at: micros(5) };
        assert!(!committed!(db, conn => step::postpone(conn, me, step())), "nor give it back");
        assert!(committed!(db, conn => step::postpone(conn, other, step())));
        let run = stored(&db, new.id).await;
        assert_eq!(
            (run.state, run.waiting.as_deref(), run.tries, run.due_at),
            (RunState::Planned, Some("so"), 2, micros(5))
        );
        assert!(!committed!(db, conn => step::postpone(conn, other, step())), "it was given back");
        assert_eq!(claim(lease(me, 51, 99)).await, 1);
    }

    async fn a_run_that_has_ended_is_not_given_back(db: TestDb) {
        let db = db.open().await;
        let new = tests_of("riscv:b", &["t"], at(0));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&new)));
        let me = worker();
        committed!(db, conn => step::claim(conn, &PLANNED, "tuxsuite", lease(me, 0, 40), 9));
        finish(&db, new.id, at(1)).await;
        let step = Postponed { id: new.id, state: RunState::Planned, waiting: None, tries: 2, due_at: at(5) };
        assert!(!committed!(db, conn => step::postpone(conn, me, step)));
        assert_eq!(stored(&db, new.id).await.state, RunState::Finished);
    }

    async fn claims_take_the_longest_due_of_their_runner_and_states(db: TestDb) {
        let db = db.open().await;
        let runs: Vec<_> = (0..6).map(|n| tests_of(&format!("riscv:{n}"), &["t"], at(5 - n))).collect();
        let mut elsewhere = tests_of("riscv:x", &["t"], at(-9));
        elsewhere.runner = "local".into();
        committed!(db, conn => run::plan(conn, &runs));
        committed!(db, conn => run::plan(conn, &[elsewhere]));
        assert!(committed!(db, conn => step::accepted(conn, runs[5].id, "u", at(0), at(0), at(99))));
        assert_eq!(read!(db, conn => step::next_due(conn, &PLANNED, "tuxsuite")), Some(at(1)));
        assert_eq!(
            read!(db, conn => step::next_due(conn, &[RunState::Running, RunState::Planned], "tuxsuite")),
            Some(at(0))
        );
        assert_eq!(read!(db, conn => step::next_due(conn, &[RunState::Collecting], "tuxsuite")), None);
        let claimed = committed!(db, conn => step::claim(conn, &PLANNED, "tuxsuite", lease(worker(), 9, 40), 3));
        let claimed: HashSet<_> = claimed.into_iter().map(|run| run.id).collect();
        assert_eq!(claimed, [4, 3, 2].map(|n: usize| runs[n].id).into());
        assert!(committed!(db, conn => step::claim(conn, &[], "tuxsuite", lease(worker(), 9, 40), 3)).is_empty());
    }

    async fn runs_are_locked_until_the_transaction_ends(db: TestDb) {
        let db = db.open().await;
        let runs: Vec<_> = (0..3).map(|n| tests_of(&format!("riscv:{n}"), &["t"], at(n))).collect();
        committed!(db, conn => run::plan(conn, &runs));
        let ids = [runs[2].id, runs[0].id, RunId::new(at(9))];
        let mut tx = db.begin().await.unwrap();
        let locked = run::lock_all(&mut tx.conn(), &ids).await.unwrap();
        assert_eq!(locked.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[1], ids[0]], "in one order for all");
        assert!(run::lock_all(&mut tx.conn(), &[]).await.unwrap().is_empty());
        if db.dialect() == Dialect::Postgres {
            // A claim passes over what is locked. SQLite has one writer, which this transaction is.
            let claimed = committed!(db, conn => step::claim(conn, &PLANNED, "tuxsuite", lease(worker(), 9, 40), 9));
            assert_eq!(claimed.iter().map(|run| run.id).collect::<Vec<_>>(), [runs[1].id]);
            let mut other = db.begin().await.unwrap();
            assert!(run::lock(&mut other.conn(), runs[1].id).await.unwrap().is_some());
            drop(other);
        }
        // One that is dropped ends when its connection is used again, which may be later.
        tx.commit().await.unwrap();
        assert!(!committed!(db, conn => step::claim(conn, &PLANNED, "tuxsuite", lease(worker(), 9, 40), 9)).is_empty());
    }

    async fn times_order_to_the_microsecond(db: TestDb) {
        let db = db.open().await;
        let steps = [-1, 0, 1, 1_000, 1_001, 500_000, 999_999, 1_000_000];
        let deliveries: Vec<_> = steps.iter().rev().map(|us| a_delivery(&us.to_string(), micros(*us))).collect();
        committed!(db, conn => delivery::enqueue(conn, &deliveries));
        for us in steps {
            assert_eq!(read!(db, conn => delivery::next_due(conn, DeliveryState::Pending)), Some(micros(us)));
            let lease = Lease { worker: worker(), now: micros(us), until: at(3600) };
            let claimed = committed!(db, conn => delivery::claim(conn, DeliveryState::Pending, lease, 10));
            assert_eq!(claimed.iter().map(|one| one.object_id.as_str()).collect::<Vec<_>>(), [us.to_string()]);
            let outcome = Outcome::Delivered { reason: None };
            committed!(db, conn => delivery::settle(conn, lease.worker, &[claimed[0].id], &outcome, at(1)));
        }
    }
}
