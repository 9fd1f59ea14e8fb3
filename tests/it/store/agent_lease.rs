//! Runs in agents' hands.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use testyard::domain::agent_lease::{LeaseState, RUNNER};
use testyard::domain::run::RunState;
use testyard::ids::{AgentId, AgentLeaseId, RunId};
use testyard::store::agent_lease::{self, Filter, LeaseEnd, NewLease};
use testyard::store::page::Page;
use testyard::store::run::{NewRun, PlannedTest, Terms};
use testyard::store::{self, Db, Error, callback, run};

use super::agent::{a_token, labels, registered};
use super::event::behind;
use super::{a_callback, at, build_with_run, committed, digest, read, refused, stored, tests_of};
use crate::support::db::TestDb;
use crate::support::on_both;

/// A run of one job at the agents.
pub(crate) fn jobs(priority: i64, requires: &[&str], now: DateTime<Utc>) -> NewRun {
    let id = RunId::new(now);
    let session = "ses_0198c1a20b7c7d3e9f00112233445566";
    let request = json!({
        "kind": "jobs", "session": session, "collection": "lab",
        "jobs": [{"job": "a", "command": {"argv": ["true"]}}],
    });
    let requires = (!requires.is_empty()).then(|| Json(labels(requires)));
    NewRun {
        runner: RUNNER.into(),
        build_ref: None,
        request: serde_json::from_value(request).unwrap(),
        tests: vec![PlannedTest { name: "a".into(), identity: digest(&id.to_string()) }],
        terms: Terms { session_id: Some(session.parse().unwrap()), priority, requires, ..Terms::default() },
        ..tests_of("x", &[], now)
    }
}

fn lease_of(run: &NewRun, agent: AgentId, now: DateTime<Utc>) -> NewLease {
    NewLease {
        id: AgentLeaseId::new(now),
        run: run.id,
        agent,
        expires_at: at(60),
        log_first: 7,
        poll_at: at(30),
        deadline_at: at(3600),
        now,
    }
}

/// An agent with a token and a run in its hands.
pub(crate) async fn a_lease(db: &Db) {
    committed!(db, conn => store::agent::add_token(conn, &a_token("laws", None, at(0))));
    let agent = registered(db, "laws").await;
    let run = planned(db, jobs(0, &[], at(0))).await;
    assert!(committed!(db, conn => agent_lease::grant(conn, &lease_of(&run, agent.id, at(2)))));
}

async fn planned(db: &Db, run: NewRun) -> NewRun {
    committed!(db, conn => run::plan(conn, std::slice::from_ref(&run)));
    run
}

fn ended(state: LeaseState) -> LeaseEnd<'static> {
    LeaseEnd { state, reason: Some("why"), digest: None, now: at(9) }
}

on_both! {
    async fn what_may_start_is_listed_in_its_turn(db: TestDb) {
        let db = db.open().await;
        let low = planned(&db, jobs(-5, &[], at(0))).await;
        let late = planned(&db, jobs(0, &["arch=riscv64"], at(2))).await;
        let early = planned(&db, jobs(0, &[], at(1))).await;
        planned(&db, jobs(9, &[], at(50))).await;
        let held = planned(&db, jobs(9, &[], at(0))).await;
        committed!(db, conn => conn.query("UPDATE run SET held = 'why' WHERE id = $1").bind(held.id).execute());
        build_with_run(&db, at(0)).await;
        let ids = |rows: &[(RunId, _)]| rows.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let rows = read!(db, conn => agent_lease::planned(conn, RUNNER, at(10), (10, 0)));
        assert_eq!(ids(&rows), [early.id, late.id, low.id]);
        assert_eq!(rows[1].1.as_deref(), Some(&labels(&["arch=riscv64"])));
        let rows = read!(db, conn => agent_lease::planned(conn, RUNNER, at(50), (2, 1)));
        assert_eq!(ids(&rows), [early.id, late.id]);
    }

    async fn a_run_is_granted_once_and_an_agent_holds_one(db: TestDb) {
        let db = db.open().await;
        let (a, b) = (registered(&db, "a").await, registered(&db, "b").await);
        let (one, two) = (planned(&db, jobs(0, &[], at(0))).await, planned(&db, jobs(0, &[], at(0))).await);
        let lease = lease_of(&one, a.id, at(2));
        assert!(committed!(db, conn => agent_lease::grant(conn, &lease)));
        assert!(!committed!(db, conn => agent_lease::grant(conn, &lease_of(&one, b.id, at(2)))));
        let error = refused!(db, conn => agent_lease::grant(conn, &lease_of(&two, a.id, at(2))));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");

        let run = stored(&db, one.id).await;
        assert_eq!((run.state, run.uid.as_deref()), (RunState::Running, Some(lease.id.to_string().as_str())));
        assert_eq!((run.asked_at, run.accepted_at, run.deadline_at), (Some(at(2)), Some(at(2)), Some(at(3600))));
        assert_eq!(run.due_at, at(30));
        let held = read!(db, conn => agent_lease::held_by(conn, a.id)).unwrap();
        assert_eq!((held.id, held.run_id, held.agent.as_str(), held.generation), (lease.id, one.id, "a", 1));
        assert_eq!((held.state, held.expires_at, held.seen_at, held.log_first), (LeaseState::Held, at(60), at(2), 7));
        assert_eq!(read!(db, conn => agent_lease::by_id(conn, lease.id)), Some(held.clone()));
        assert_eq!(committed!(db, conn => agent_lease::lock(conn, lease.id)), Some(held));
        assert_eq!(read!(db, conn => agent_lease::held_by(conn, b.id)), None);
    }

    async fn a_lease_lasts_as_long_as_its_agent_is_heard_of_and_ends_once(db: TestDb) {
        let db = db.open().await;
        let a = registered(&db, "a").await;
        let one = planned(&db, jobs(0, &[], at(0))).await;
        let id = lease_of(&one, a.id, at(2)).id;
        assert!(committed!(db, conn => agent_lease::grant(conn, &NewLease { id, ..lease_of(&one, a.id, at(2)) })));
        assert_eq!(read!(db, conn => agent_lease::next_expiry(conn)), Some(at(60)));
        assert_eq!(read!(db, conn => agent_lease::expired(conn, at(60), 5)), [id]);
        assert!(committed!(db, conn => agent_lease::extend(conn, id, at(55), at(115))));
        assert_eq!(read!(db, conn => agent_lease::expired(conn, at(60), 5)), []);
        assert!(committed!(db, conn => agent_lease::cancel(conn, id, "enough", at(56))));
        assert!(!committed!(db, conn => agent_lease::cancel(conn, id, "again", at(57))));

        let reported = digest("results");
        let end = LeaseEnd { digest: Some(&reported), reason: None, ..ended(LeaseState::Ended) };
        assert!(committed!(db, conn => agent_lease::end(conn, id, end)));
        assert!(!committed!(db, conn => agent_lease::end(conn, id, ended(LeaseState::Lost))));
        assert!(!committed!(db, conn => agent_lease::extend(conn, id, at(58), at(118))));
        let lease = read!(db, conn => agent_lease::by_id(conn, id)).unwrap();
        assert_eq!((lease.state, lease.seen_at, lease.ended_at), (LeaseState::Ended, at(55), Some(at(9))));
        assert_eq!((lease.canceled_at, lease.cancel_reason.as_deref()), (Some(at(56)), Some("enough")));
        assert_eq!(lease.digest.as_deref(), Some(reported.as_slice()));
        assert_eq!(read!(db, conn => agent_lease::next_expiry(conn)), None);

        let late = a_callback("u", "late", at(60));
        committed!(db, conn => callback::receive(conn, std::slice::from_ref(&late)));
        assert!(committed!(db, conn => agent_lease::note_late(conn, id, late.id)));
        assert!(!committed!(db, conn => agent_lease::note_late(conn, id, late.id)), "the first stays");
        assert_eq!(read!(db, conn => agent_lease::by_id(conn, id)).unwrap().late_id, Some(late.id));
    }

    async fn what_was_given_back_is_planned_as_before(db: TestDb) {
        let db = db.open().await;
        let a = registered(&db, "a").await;
        let one = planned(&db, jobs(0, &[], at(0))).await;
        let lease = lease_of(&one, a.id, at(2));
        assert!(committed!(db, conn => agent_lease::grant(conn, &lease)));
        let other = AgentLeaseId::new(at(3));
        assert!(!committed!(db, conn => agent_lease::give_back(conn, one.id, other, ("why", 1, at(5)))));
        assert!(committed!(db, conn => agent_lease::give_back(conn, one.id, lease.id, ("why", 1, at(5)))));
        assert!(!committed!(db, conn => agent_lease::give_back(conn, one.id, lease.id, ("why", 1, at(5)))));
        let run = stored(&db, one.id).await;
        assert_eq!((run.state, run.uid, run.attempt, run.tries), (RunState::Planned, None, 1, 1));
        assert_eq!((run.waiting.as_deref(), run.due_at, run.asked_at), (Some("why"), at(5), None));
        assert_eq!((run.accepted_at, run.deadline_at), (None, None));
        assert_eq!(read!(db, conn => agent_lease::count_released(conn, one.id)), 0);
        assert!(committed!(db, conn => agent_lease::end(conn, lease.id, ended(LeaseState::Released))));
        assert_eq!(read!(db, conn => agent_lease::count_released(conn, one.id)), 1);
        assert!(committed!(db, conn => agent_lease::grant(conn, &lease_of(&one, a.id, at(6)))));
        let about = store::event::Filter { run_id: Some(one.id), ..store::event::Filter::default() };
        let told = behind(&db, &about, None, 6).await;
        let kinds: Vec<&str> = told.iter().map(|it| it.kind.as_str()).collect();
        let granted = ["lease.granted", "run.accepted"];
        assert_eq!(kinds, [&["run.planned"], &granted[..], &["lease.released"], &granted[..]].concat());
        assert!(told.iter().filter(|it| it.kind == granted[0]).all(|it| it.session_id == one.terms.session_id));
    }

    async fn leases_are_listed_and_the_newest_of_an_agent_found(db: TestDb) {
        let db = db.open().await;
        let (a, b) = (registered(&db, "a").await, registered(&db, "b").await);
        let one = planned(&db, jobs(0, &[], at(0))).await;
        let old = lease_of(&one, a.id, at(2));
        assert!(committed!(db, conn => agent_lease::grant(conn, &old)));
        committed!(db, conn => agent_lease::give_back(conn, one.id, old.id, ("why", 1, at(5))));
        committed!(db, conn => agent_lease::end(conn, old.id, ended(LeaseState::Released)));
        let new = lease_of(&one, a.id, at(6));
        assert!(committed!(db, conn => agent_lease::grant(conn, &new)));
        let two = planned(&db, jobs(0, &[], at(0))).await;
        let others = lease_of(&two, b.id, at(7));
        assert!(committed!(db, conn => agent_lease::grant(conn, &others)));

        assert_eq!(read!(db, conn => agent_lease::newest(conn, a.id)).unwrap().id, new.id);
        committed!(db, conn => agent_lease::end(conn, new.id, ended(LeaseState::Lost)));
        assert_eq!(read!(db, conn => agent_lease::newest(conn, a.id)).unwrap().state, LeaseState::Lost);
        assert_eq!(read!(db, conn => agent_lease::newest(conn, registered(&db, "c").await.id)), None);
        let ids = async |filter: Filter, before: Option<AgentLeaseId>, limit| {
            let page = Page { limit, before: before.map(|id| id.0) };
            let (rows, more) = read!(db, conn => agent_lease::list(conn, &filter, page));
            (rows.iter().map(|lease| lease.id).collect::<Vec<_>>(), more)
        };
        assert_eq!(ids(Filter::default(), None, 2).await, (vec![others.id, new.id], true));
        assert_eq!(ids(Filter::default(), Some(new.id), 2).await, (vec![old.id], false));
        let of_a = Filter { agent: Some("a".into()), ..Filter::default() };
        assert_eq!(ids(of_a, None, 9).await.0, [new.id, old.id]);
        let of_run = Filter { run_id: Some(two.id), ..Filter::default() };
        assert_eq!(ids(of_run, None, 9).await.0, [others.id]);
        let released = Filter { states: vec![LeaseState::Released], ..Filter::default() };
        assert_eq!(ids(released, None, 9).await.0, [old.id]);
    }
}
