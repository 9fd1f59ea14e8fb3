//! How a run goes on: each step is taken once, and none after the end.

use testyard::domain::run::RunState;
use testyard::domain::status::Status;
use testyard::ids::RunId;
use testyard::store::Error;
use testyard::store::run;
use testyard::store::step::{self, End, Postponed};

use crate::store::{
    at, committed, finish, lease, micros, observation, read, refused, running, stored, tests_of, the_end, worker,
};
use crate::support::db::TestDb;
use crate::support::on_both;

const DISPATCH: [RunState; 2] = [RunState::Planned, RunState::Submitting];

on_both! {
    async fn the_intent_is_noted_before_the_runner_is_asked(db: TestDb) {
        let db = db.open().await;
        let runs = [tests_of("riscv:a", &["t"], at(0)), tests_of("riscv:b", &["t"], at(0))];
        committed!(db, conn => run::plan(conn, &runs));
        let ids = [runs[0].id, runs[1].id];
        assert_eq!(committed!(db, conn => step::asking(conn, &ids[..1], micros(7))), 1);
        assert_eq!(committed!(db, conn => step::asking(conn, &ids, at(9))), 1, "one is asked about already");
        let first = stored(&db, ids[0]).await;
        assert_eq!((first.state, first.asked_at), (RunState::Submitting, Some(micros(7))));
        assert_eq!(committed!(db, conn => step::asking(conn, &[], at(9))), 0);
    }

    async fn the_first_time_of_asking_stays(db: TestDb) {
        let db = db.open().await;
        let new = tests_of("riscv:b", &["t"], at(0));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&new)));
        let me = worker();
        assert_eq!(committed!(db, conn => step::claim(conn, &DISPATCH, "tuxsuite", lease(me, 0, 30), 1)).len(), 1);
        committed!(db, conn => step::asking(conn, &[new.id], at(1)));
        let step = Postponed { id: new.id, state: RunState::Planned, waiting: None, tries: 1, due_at: at(2) };
        assert!(committed!(db, conn => step::postpone(conn, me, step)));
        committed!(db, conn => step::asking(conn, &[new.id], at(2)));
        assert_eq!(stored(&db, new.id).await.asked_at, Some(at(1)));
    }

    async fn an_accepted_run_runs_and_is_not_accepted_again(db: TestDb) {
        let db = db.open().await;
        let new = tests_of("riscv:b", &["t"], at(0));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&new)));
        let me = worker();
        committed!(db, conn => step::claim(conn, &DISPATCH, "tuxsuite", lease(me, 0, 30), 1));
        assert!(committed!(db, conn => step::accepted(conn, new.id, "u1", micros(1), micros(2), micros(3))));
        let run = stored(&db, new.id).await;
        assert_eq!((run.state, run.uid.as_deref(), run.tries), (RunState::Running, Some("u1"), 0));
        assert_eq!((run.accepted_at, run.due_at, run.deadline_at), (Some(micros(1)), micros(2), Some(micros(3))));
        assert!(
            !committed!(db, conn => step::renew(conn, new.id, lease(me, 1, 60))),
            "its lease has ended with the step"
        );
        assert!(!committed!(db, conn => step::accepted(conn, new.id, "u2", at(1), at(2), at(3))));
        assert_eq!(stored(&db, new.id).await.uid.as_deref(), Some("u1"));
        assert_eq!(read!(db, conn => run::by_uid(conn, "tuxsuite", "u1")), Some(new.id));
        assert_eq!(read!(db, conn => run::by_uid(conn, "local", "u1")), None);
        assert_eq!(read!(db, conn => run::by_uid(conn, "tuxsuite", "u2")), None);
        assert!(!committed!(db, conn => step::accepted(conn, RunId::new(at(0)), "u3", at(1), at(2), at(3))));
    }

    async fn a_uid_is_one_run_s_at_its_runner(db: TestDb) {
        let db = db.open().await;
        running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        let second = tests_of("riscv:b", &["t"], at(0));
        let mut elsewhere = tests_of("riscv:c", &["t"], at(0));
        elsewhere.runner = "local".into();
        committed!(db, conn => run::plan(conn, &[second.clone(), elsewhere.clone()]));
        let error = refused!(db, conn => step::accepted(conn, second.id, "u", at(1), at(2), at(3)));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        let error = refused!(db, conn => step::note_uid(conn, second.id, "u", at(1)));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        assert!(committed!(db, conn => step::accepted(conn, elsewhere.id, "u", at(1), at(2), at(3))));
    }

    async fn a_uid_that_comes_late_is_noted_once_and_asks_for_a_stop(db: TestDb) {
        let db = db.open().await;
        let (over, waits) = (tests_of("riscv:a", &["t"], at(0)), tests_of("riscv:b", &["t"], at(0)));
        committed!(db, conn => run::plan(conn, &[over.clone(), waits.clone()]));
        finish(&db, over.id, at(1)).await;
        assert!(committed!(db, conn => step::note_uid(conn, over.id, "u1", micros(5))));
        assert!(!committed!(db, conn => step::note_uid(conn, over.id, "u2", at(9))));
        let run = stored(&db, over.id).await;
        assert_eq!((run.uid.as_deref(), run.stop_due_at), (Some("u1"), Some(micros(5))));
        assert!(committed!(db, conn => step::note_uid(conn, waits.id, "u3", at(1))));
        assert_eq!(stored(&db, waits.id).await.stop_due_at, None, "it is not over: nothing is to be stopped");
    }

    async fn the_start_is_noted_once_and_not_after_the_end(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        assert!(committed!(db, conn => step::started(conn, id, micros(3))));
        assert!(!committed!(db, conn => step::started(conn, id, at(9))));
        assert_eq!(stored(&db, id).await.started_at, Some(micros(3)));
        let over = running(&db, &tests_of("riscv:b", &["t"], at(0)), "v").await;
        finish(&db, over, at(1)).await;
        assert!(!committed!(db, conn => step::started(conn, over, at(9))));
    }

    async fn the_end_at_the_runner_is_noted_with_all_that_it_told(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        let told = observation("u");
        assert!(committed!(db, conn => step::collecting(conn, id, &told, micros(9))));
        let run = stored(&db, id).await;
        assert_eq!((run.state, run.due_at, run.started_at), (RunState::Collecting, micros(9), told.started_at));
        assert_eq!(run.observation.unwrap().0, told);
        assert!(
            !committed!(db, conn => step::collecting(conn, id, &observation("w"), at(9))),
            "it is over there already"
        );
        finish(&db, id, at(2)).await;
        assert!(!committed!(db, conn => step::collecting(conn, id, &told, at(9))));
        let early = tests_of("riscv:b", &["t"], at(0));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&early)));
        assert!(committed!(db, conn => step::collecting(conn, early.id, &observation("early"), at(1))));
        assert_eq!(
            stored(&db, early.id).await.uid.as_deref(),
            Some("early"),
            "a callback may be faster than the answer"
        );
    }

    async fn a_run_ends_once(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        let told = observation("other");
        let end = End {
            state: RunState::Canceled,
            status: Status::Miss,
            reason: Some("canceled by an operator"),
            observation: Some(&told),
            now: micros(77),
            stop_due_at: Some(micros(78)),
        };
        assert!(committed!(db, conn => step::end(conn, id, &end)));
        assert!(!committed!(db, conn => step::end(conn, id, &the_end(Status::Pass, at(9)))));
        let run = stored(&db, id).await;
        assert_eq!(
            (run.state, run.status, run.finished_at),
            (RunState::Canceled, Some(Status::Miss), Some(micros(77)))
        );
        assert_eq!((run.reason.as_deref(), run.stop_due_at), (end.reason, end.stop_due_at));
        assert_eq!((run.uid.as_deref(), run.started_at), (Some("u"), told.started_at));
        assert_eq!(run.observation.unwrap().0, told);
    }

    async fn an_end_without_an_observation_keeps_the_one_there_is(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        committed!(db, conn => step::collecting(conn, id, &observation("u"), at(1)));
        finish(&db, id, at(2)).await;
        let run = stored(&db, id).await;
        assert_eq!(run.observation.unwrap().0, observation("u"));
        assert_eq!(run.started_at, observation("u").started_at);
    }

    async fn an_end_that_is_none_is_refused(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        let end = End { state: RunState::Running, ..the_end(Status::Pass, at(1)) };
        let error = refused!(db, conn => step::end(conn, id, &end));
        assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    }

    async fn a_poll_is_brought_forward_only_while_it_runs(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        assert!(committed!(db, conn => step::poll_now(conn, id, at(10))));
        assert_eq!(stored(&db, id).await.due_at, at(10));
        assert!(!committed!(db, conn => step::poll_now(conn, id, at(20))), "it is due already, and not put off");
        finish(&db, id, at(30)).await;
        assert!(!committed!(db, conn => step::poll_now(conn, id, at(5))));
    }

    async fn the_first_time_that_a_stop_was_asked_for_stays(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        assert!(committed!(db, conn => step::asked_to_stop(conn, id, micros(7))));
        assert!(!committed!(db, conn => step::asked_to_stop(conn, id, at(9))));
        assert_eq!(stored(&db, id).await.stop_asked_at, Some(micros(7)));
    }

    async fn stops_are_claimed_told_and_told_again(db: TestDb) {
        let db = db.open().await;
        let id = running(&db, &tests_of("riscv:a", &["t"], at(0)), "u").await;
        assert_eq!(read!(db, conn => step::next_stop(conn, "tuxsuite")), None);
        let end = End { stop_due_at: Some(at(5)), ..the_end(Status::Miss, at(5)) };
        committed!(db, conn => step::end(conn, id, &end));
        assert_eq!(read!(db, conn => step::next_stop(conn, "tuxsuite")), Some(at(5)));
        assert_eq!(read!(db, conn => step::next_stop(conn, "local")), None);
        let (me, other) = (worker(), worker());
        assert!(committed!(db, conn => step::claim_stops(conn, "tuxsuite", lease(me, 4, 40), 9)).is_empty(), "not due");
        assert!(committed!(db, conn => step::claim_stops(conn, "local", lease(me, 5, 40), 9)).is_empty());
        let claimed = committed!(db, conn => step::claim_stops(conn, "tuxsuite", lease(me, 5, 40), 9));
        assert_eq!(claimed.iter().map(|run| run.id).collect::<Vec<_>>(), [id]);
        assert!(committed!(db, conn => step::claim_stops(conn, "tuxsuite", lease(other, 39, 70), 9)).is_empty());
        assert_eq!(committed!(db, conn => step::claim_stops(conn, "tuxsuite", lease(other, 40, 70), 9)).len(), 1);
        assert!(!committed!(db, conn => step::stopped(conn, me, id, None, 0)), "its lease is lost");
        assert!(committed!(db, conn => step::stopped(conn, other, id, Some(at(50)), 3)));
        let run = stored(&db, id).await;
        assert_eq!((run.stop_due_at, run.tries), (Some(at(50)), 3));
        assert_eq!(committed!(db, conn => step::claim_stops(conn, "tuxsuite", lease(me, 50, 70), 9)).len(), 1);
        assert!(committed!(db, conn => step::stopped(conn, me, id, None, 0)));
        assert_eq!(read!(db, conn => step::next_stop(conn, "tuxsuite")), None);
    }
}
