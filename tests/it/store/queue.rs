//! Whose turn it is: lanes, places, slots and shares as stored.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use testyard::domain::agent::Labels;
use testyard::domain::queue::Taken;
use testyard::domain::run::RunState;
use testyard::domain::status::Status;
use testyard::ids::{RunId, SessionId};
use testyard::store::queue::{self, Active, Past, Share, Slot, Waiters};
use testyard::store::run::{NewRun, Terms};
use testyard::store::step::Postponed;
use testyard::store::{Db, Error, run, step};

use crate::store::{at, committed, finish, lease, micros, read, refused, stored, tests_of, worker};
use crate::support::db::TestDb;
use crate::support::on_both;

fn of(project: &str, priority: i64, now: DateTime<Utc>) -> NewRun {
    let mut run = tests_of("riscv:b", &[], now);
    run.terms = Terms { project: project.into(), priority, ..Terms::default() };
    run.tests = vec![run::PlannedTest { name: "t".into(), identity: crate::store::digest(&run.id.to_string()) }];
    run
}

async fn planned(db: &Db, runs: &[NewRun]) -> Vec<RunId> {
    committed!(db, conn => run::plan(conn, runs));
    runs.iter().map(|run| run.id).collect()
}

fn takes(id: RunId, slots: &[&str]) -> Taken {
    let slots = BTreeMap::from([("gpu".to_owned(), slots.iter().map(|slot| (*slot).to_owned()).collect())]);
    Taken { id, by: "tuxsuite".into(), slots }
}

#[test]
fn runs_that_nothing_tells_apart_are_of_no_lane_and_others_of_one_each() {
    let labels = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Some(Json(Labels(labels.collect())))
    };
    let slots = |needs| Some(Json(BTreeMap::from([("gpu".to_owned(), needs)])));
    let plain = Terms::default();
    assert_eq!(plain.lane(), "");
    let empty = Terms { requires: labels(&[]), slots: Some(Json(BTreeMap::new())), ..Terms::default() };
    assert_eq!(empty.lane(), "", "nothing is asked for");
    let all = [
        plain,
        Terms { project: "a".into(), ..Terms::default() },
        Terms { priority: 1, ..Terms::default() },
        Terms { session_id: Some(SessionId::new(at(0))), ..Terms::default() },
        Terms { requires: labels(&[("a", "1")]), ..Terms::default() },
        Terms { requires: labels(&[("a", "1"), ("b", "1")]), ..Terms::default() },
        Terms { slots: slots(1), ..Terms::default() },
        Terms { slots: slots(2), ..Terms::default() },
    ];
    let lanes: std::collections::BTreeSet<String> = all.iter().map(Terms::lane).collect();
    assert_eq!(lanes.len(), all.len());
    assert_eq!(all[1].lane(), Terms { project: "a".into(), ..Terms::default() }.lane());
}

on_both! {
    async fn lanes_are_read_one_by_one_and_go_on_behind_any(db: TestDb) {
        let db = db.open().await;
        assert!(!read!(db, conn => queue::has_lanes(conn, "tuxsuite")));
        planned(&db, &[of("", 0, at(0))]).await;
        assert!(!read!(db, conn => queue::has_lanes(conn, "tuxsuite")), "one of no lane");
        let runs = [of("a", 0, at(0)), of("a", 0, at(1)), of("b", 0, at(0)), of("a", 5, at(0))];
        let ids = planned(&db, &runs).await;
        assert!(read!(db, conn => queue::has_lanes(conn, "tuxsuite")));
        assert!(!read!(db, conn => queue::has_lanes(conn, "local")));
        let mut lanes = vec![runs[0].terms.lane(), runs[2].terms.lane(), runs[3].terms.lane()];
        lanes.sort();
        assert_eq!(read!(db, conn => queue::lanes(conn, "tuxsuite", "", 10)), lanes);
        assert_eq!(read!(db, conn => queue::lanes(conn, "tuxsuite", "", 2)), lanes[..2]);
        assert_eq!(read!(db, conn => queue::lanes(conn, "tuxsuite", &lanes[1], 10)), lanes[2..]);
        assert_eq!(read!(db, conn => queue::lanes(conn, "local", "", 10)), Vec::<String>::new());
        committed!(db, conn => step::asking(conn, &ids[2..3], at(2)));
        assert_eq!(read!(db, conn => queue::lanes(conn, "tuxsuite", "", 10)).len(), 2, "none of a run that is asked for");
    }

    async fn the_heads_of_lanes_are_the_longest_waiting_that_are_due(db: TestDb) {
        let db = db.open().await;
        let mut elsewhere = of("a", 0, at(0));
        elsewhere.runner = "local".into();
        let runs = [of("a", 0, at(3)), of("a", 0, at(1)), of("a", 0, at(2)), of("b", 0, at(9)), of("a", 0, at(50))];
        let ids = planned(&db, &runs).await;
        planned(&db, &[elsewhere, of("", 0, at(0))]).await;
        let lanes = [runs[0].terms.lane(), runs[3].terms.lane()];
        let heads = async |lanes: &[String], each, now| {
            let mut heads = read!(db, conn => queue::heads(conn, "tuxsuite", lanes, each, now));
            heads.sort_by_key(|head| (head.lane != runs[0].terms.lane(), head.created_at));
            heads.into_iter().map(|head| head.id).collect::<Vec<_>>()
        };
        assert_eq!(heads(&lanes, 2, at(20)).await, [ids[1], ids[2], ids[3]]);
        assert_eq!(heads(&lanes, 9, at(20)).await, [ids[1], ids[2], ids[0], ids[3]], "the last is not due");
        assert_eq!(heads(&lanes[1..], 9, at(20)).await, [ids[3]]);
        committed!(db, conn => step::claim_waiting(conn, &ids[1..2], lease(worker(), 5, 30)));
        assert_eq!(heads(&lanes[..1], 1, at(20)).await, [ids[2]], "the first is held by somebody");
        let found = read!(db, conn => queue::heads(conn, "tuxsuite", &lanes[1..], 1, at(20)));
        assert_eq!((found[0].created_at, &found[0].terms), (at(9), &runs[3].terms));
        let ahead = async |place: usize| {
            let run = &runs[place];
            read!(db, conn => queue::ahead_in_lane(conn, "tuxsuite", &lanes[0], run.now, run.id))
        };
        assert_eq!((ahead(1).await, ahead(2).await, ahead(0).await), (0, 1, 2));
    }

    async fn those_of_no_lane_come_in_the_order_in_which_they_are_due(db: TestDb) {
        let db = db.open().await;
        let runs = [of("", 0, at(2)), of("", 0, at(1)), of("a", 0, at(0)), of("", 0, at(50))];
        let ids = planned(&db, &runs).await;
        let plain = read!(db, conn => queue::plain(conn, "tuxsuite", 9, at(20)));
        assert_eq!(plain.iter().map(|head| head.id).collect::<Vec<_>>(), [ids[1], ids[0]]);
        assert_eq!(read!(db, conn => queue::plain(conn, "tuxsuite", 1, at(20))).len(), 1);
        assert_eq!(read!(db, conn => queue::next_due(conn, "tuxsuite", at(20))), Some(at(50)));
        assert_eq!(read!(db, conn => queue::next_due(conn, "tuxsuite", at(50))), None);
    }

    async fn a_queue_is_locked_and_remembers_where_it_was(db: TestDb) {
        let db = db.open().await;
        assert_eq!(committed!(db, conn => queue::lock(conn, "tuxsuite")), "");
        assert!(committed!(db, conn => queue::begin_after(conn, "tuxsuite", "abc")));
        assert!(!committed!(db, conn => queue::begin_after(conn, "local", "abc")), "nobody has locked that one");
        assert_eq!(committed!(db, conn => queue::lock(conn, "tuxsuite")), "abc");
        assert_eq!(committed!(db, conn => queue::lock(conn, "local")), "");
    }

    async fn only_runs_that_wait_are_locked_and_claimed(db: TestDb) {
        let db = db.open().await;
        let ids = planned(&db, &[of("a", 0, at(0)), of("a", 0, at(1)), of("a", 0, at(2))]).await;
        committed!(db, conn => step::asking(conn, &ids[..1], at(3)));
        committed!(db, conn => step::claim_waiting(conn, &ids[1..2], lease(worker(), 3, 30)));
        assert_eq!(committed!(db, conn => queue::lock_waiting(conn, &ids, at(4))), [ids[2]]);
        assert_eq!(committed!(db, conn => queue::lock_waiting(conn, &ids, at(30))).len(), 2, "its lease has ended");
        let claimed = committed!(db, conn => step::claim_waiting(conn, &ids, lease(worker(), 4, 30)));
        assert_eq!(claimed.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[2]]);
    }

    async fn slots_are_given_once_and_free_when_their_run_is_over_or_given_back(db: TestDb) {
        let db = db.open().await;
        let ids = planned(&db, &[of("a", 0, at(0)), of("b", 0, at(0)), of("b", 0, at(0))]).await;
        let me = worker();
        committed!(db, conn => step::claim_waiting(conn, &ids, lease(me, 0, 30)));
        committed!(db, conn => step::asking(conn, &ids[..2], at(1)));
        committed!(db, conn => queue::take(conn, "tuxsuite", &[takes(ids[0], &["0", "1"]), takes(ids[1], &["2"])], at(1)));
        let slot = |slot: &str, run_id| Slot { pool: "gpu".into(), slot: slot.into(), run_id };
        let all = [slot("0", ids[0]), slot("1", ids[0]), slot("2", ids[1])];
        assert_eq!(read!(db, conn => queue::taken(conn, "tuxsuite")), all);
        assert_eq!(read!(db, conn => queue::taken(conn, "local")), []);
        assert_eq!(read!(db, conn => queue::slots_of(conn, ids[0])), all[..2]);
        let error = refused!(db, conn => queue::take(conn, "tuxsuite", &[takes(ids[2], &["2"])], at(2)));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");

        let active = read!(db, conn => queue::active(conn, "tuxsuite"));
        let first = Active { id: ids[0], project: "a".into(), session_id: None, taken_at: at(1) };
        assert_eq!((active.len(), active.contains(&first)), (2, true), "{active:?}");
        assert_eq!(read!(db, conn => queue::past(conn, "tuxsuite")), []);

        finish(&db, ids[0], at(9)).await;
        let again = Postponed { id: ids[1], state: RunState::Planned, waiting: None, tries: 1, due_at: at(9) };
        assert!(committed!(db, conn => step::postpone(conn, me, again)));
        assert_eq!(read!(db, conn => queue::taken(conn, "tuxsuite")), [], "they are free with the end of their run");
        assert_eq!(read!(db, conn => queue::slots_of(conn, ids[0])), []);
        let mut past = read!(db, conn => queue::past(conn, "tuxsuite"));
        past.sort_by_key(|past| past.project.clone());
        let was = |id, project: &str, finished_at| Past { id, project: project.into(), taken_at: at(1), finished_at };
        assert_eq!(past, [was(ids[0], "a", Some(at(9))), was(ids[1], "b", None)]);
        committed!(db, conn => queue::free(conn, &ids[..2]));
        assert_eq!(read!(db, conn => queue::past(conn, "tuxsuite")), []);
        committed!(db, conn => queue::take(conn, "tuxsuite", &[takes(ids[2], &["0", "1", "2"])], at(10)));
    }

    async fn a_run_whose_results_are_fetched_holds_its_slots_and_no_place(db: TestDb) {
        let db = db.open().await;
        let ids = planned(&db, &[of("a", 0, at(0))]).await;
        committed!(db, conn => step::asking(conn, &ids, at(1)));
        committed!(db, conn => queue::take(conn, "tuxsuite", &[takes(ids[0], &["0"])], at(1)));
        committed!(db, conn => step::accepted(conn, ids[0], "u", at(1), at(2), at(3)));
        committed!(db, conn => step::collecting(conn, ids[0], &crate::store::observation("u"), at(4)));
        assert_eq!(read!(db, conn => queue::taken(conn, "tuxsuite")).len(), 1);
        assert_eq!(read!(db, conn => queue::active(conn, "tuxsuite")), []);
        assert_eq!(read!(db, conn => queue::past(conn, "tuxsuite")), []);
    }

    async fn a_run_without_a_place_counts_from_when_its_runner_was_asked(db: TestDb) {
        let db = db.open().await;
        let ids = planned(&db, &[of("", 0, at(0))]).await;
        committed!(db, conn => step::asking(conn, &ids, micros(7)));
        assert_eq!(read!(db, conn => queue::active(conn, "tuxsuite"))[0].taken_at, micros(7));
    }

    async fn shares_are_noted_by_project_and_forgotten(db: TestDb) {
        let db = db.open().await;
        let share = |project: &str, served: f64, seconds| Share { project: project.into(), served, served_at: at(seconds) };
        committed!(db, conn => queue::put_shares(conn, "tuxsuite", &[share("a", 1.5, 0), share("", 2.0, 0)]));
        committed!(db, conn => queue::put_shares(conn, "tuxsuite", &[share("a", 0.1 + 0.2, 5)]));
        committed!(db, conn => queue::put_shares(conn, "local", &[share("a", 9.0, 5)]));
        committed!(db, conn => queue::put_shares(conn, "local", &[]));
        assert_eq!(read!(db, conn => queue::shares(conn, "tuxsuite")), [share("", 2.0, 0), share("a", 0.1 + 0.2, 5)]);
        assert_eq!(committed!(db, conn => queue::forget_shares(conn, "tuxsuite", &["a", "b"])), 1);
        assert_eq!(read!(db, conn => queue::shares(conn, "tuxsuite")), [share("", 2.0, 0)]);
        assert_eq!(read!(db, conn => queue::shares(conn, "local")).len(), 1);
    }

    async fn what_waits_is_counted_by_project(db: TestDb) {
        let db = db.open().await;
        let ids = planned(&db, &[of("a", 0, at(0)), of("a", 3, at(0)), of("", 0, at(0)), of("b", 0, at(0))]).await;
        committed!(db, conn => conn.query("UPDATE run SET held = 'no' WHERE id = $1").bind(ids[1]).execute());
        finish(&db, ids[3], at(1)).await;
        let waiters = |project: &str, waiting, held| Waiters { project: project.into(), waiting, held };
        assert_eq!(read!(db, conn => queue::waiters(conn, "tuxsuite")), [waiters("", 1, 0), waiters("a", 1, 1)]);
        assert_eq!(read!(db, conn => queue::lanes(conn, "tuxsuite", "", 9)).len(), 1, "one that is held back is of none");
    }

    async fn a_run_that_waits_becomes_more_urgent_and_changes_its_lane(db: TestDb) {
        let db = db.open().await;
        let runs = [of("a", 0, at(0)), of("a", 0, at(0))];
        let ids = planned(&db, &runs).await;
        let urgent = Terms { priority: 7, ..runs[0].terms.clone() };
        assert!(committed!(db, conn => queue::set_priority(conn, ids[0], &urgent)));
        assert_eq!(stored(&db, ids[0]).await.terms.priority, 7);
        let mut lanes = vec![urgent.lane(), runs[1].terms.lane()];
        lanes.sort();
        assert_eq!(read!(db, conn => queue::lanes(conn, "tuxsuite", "", 9)), lanes);
        assert!(committed!(db, conn => step::end(conn, ids[1], &crate::store::the_end(Status::Pass, at(1)))));
        assert!(!committed!(db, conn => queue::set_priority(conn, ids[1], &urgent)));
    }
}
