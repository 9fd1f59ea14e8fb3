//! Executions, what is expected of sessions, and their runs.

use serde_json::json;
use sqlx::types::Json;
use testyard::domain::agent::Labels;
use testyard::domain::execution::{ExecutionState, Plan};
use testyard::domain::observation::TestOutcome;
use testyard::domain::run::TestedBuild;
use testyard::domain::session::Session;
use testyard::domain::status::Status;
use testyard::ids::{RunId, SessionId};
use testyard::store::execution::{self, Execution};
use testyard::store::expected::{self, Change};
use testyard::store::page::Stretch;
use testyard::store::run::{self, NewRun, Terms};
use testyard::store::{Db, Error, event, session, session_run};

use super::event::behind;
use super::{at, build_with_run, committed, digest, finish, lease, read, refused, stored, tests_of, worker};
use crate::support::db::TestDb;
use crate::support::on_both;

async fn a_session(db: &Db, number: u128) -> SessionId {
    let id = SessionId(uuid::Uuid::from_u128(number));
    let changes = Session::default().rows();
    let change = session::Change { id: id.0, version: 1, life: uuid::Uuid::from_u128(7), now: at(0), by: None };
    committed!(db, conn => session::write(conn, change, &changes));
    id
}

fn new(session_id: SessionId) -> Execution {
    Execution {
        session_id,
        state: ExecutionState::Running,
        reason: Some("ä\u{1F600}".into()),
        plan: Json(Plan {
            runners: vec!["agents".into()],
            requires: Labels::read(["arch=riscv64"]).unwrap(),
            ..Plan::default()
        }),
        project: "linux".into(),
        priority: -7,
        build_id: None,
        build_ref: Some("riscv:b".into()),
        tested: Some(Json(TestedBuild {
            id: "riscv:b".into(),
            kernel_image_url: None,
            modules_url: Some("https://files.example.org/m".into()),
            architecture: None,
        })),
        run_list: Some("0a".into()),
        deadline_at: Some(at(100)),
        due_at: Some(at(1)),
        wakes: 0,
        created_at: at(0),
        created_by: Some("ci".into()),
        started_at: Some(at(0)),
        ended_at: None,
    }
}

async fn shown(db: &Db, session: SessionId) -> Execution {
    read!(db, conn => execution::get(conn, session)).expect("an execution")
}

on_both! {
    async fn an_execution_reads_back_and_is_one_a_session(db: TestDb) {
        let db = db.open().await;
        let session = a_session(&db, 1).await;
        assert_eq!(read!(db, conn => execution::get(conn, session)), None);
        let wanted = new(session);
        committed!(db, conn => execution::insert(conn, &wanted));
        assert_eq!(shown(&db, session).await, wanted);
        let again = refused!(db, conn => execution::insert(conn, &wanted));
        assert!(matches!(again, Error::Conflict(_)), "{again:?}");
        assert!(committed!(db, conn => execution::delete(conn, session)));
        assert!(!committed!(db, conn => execution::delete(conn, session)));
    }

    async fn whoever_settles_does_not_undo_a_wake_that_came_meanwhile(db: TestDb) {
        let db = db.open().await;
        let session = a_session(&db, 1).await;
        committed!(db, conn => execution::insert(conn, &new(session)));
        let seen = shown(&db, session).await;
        assert!(committed!(db, conn => execution::wake(conn, session, at(5))));
        let paused = Execution { state: ExecutionState::Paused, due_at: None, ..seen };
        assert!(committed!(db, conn => execution::settle(conn, &paused, at(9))));
        let now = shown(&db, session).await;
        assert_eq!((now.state, now.due_at, now.wakes), (ExecutionState::Paused, Some(at(5)), 1));
        assert!(committed!(db, conn => execution::settle(conn, &Execution { due_at: None, ..now }, at(9))));
        assert_eq!(shown(&db, session).await.due_at, None);
        let about = event::Filter { session_id: Some(session), ..event::Filter::default() };
        let told = behind(&db, &about, None, 2).await;
        let states: Vec<&serde_json::Value> =
            told.iter().filter(|it| it.kind.starts_with("execution.")).map(|it| &it.document.0["state"]).collect();
        assert_eq!(states, [&json!(new(session).state), &json!("paused")], "one event each time that the state is another");
        assert_eq!(read!(db, conn => execution::next_due(conn)), None);
        let nobody = SessionId(uuid::Uuid::from_u128(2));
        assert!(!committed!(db, conn => execution::wake(conn, nobody, at(5))));
    }

    async fn a_claim_takes_what_is_due_and_nobody_elses(db: TestDb) {
        let db = db.open().await;
        let (one, other) = (a_session(&db, 1).await, a_session(&db, 2).await);
        committed!(db, conn => execution::insert(conn, &new(one)));
        committed!(db, conn => execution::insert(conn, &Execution { due_at: Some(at(3)), ..new(other) }));
        assert_eq!(read!(db, conn => execution::next_due(conn)), Some(at(1)));
        let (mine, yours) = (worker(), worker());
        assert_eq!(committed!(db, conn => execution::claim(conn, lease(mine, 2, 60), 10)), [one]);
        assert_eq!(committed!(db, conn => execution::claim(conn, lease(yours, 4, 60), 10)), [other]);
        committed!(db, conn => execution::release(conn, one, lease(yours, 4, 60)));
        assert!(committed!(db, conn => execution::claim(conn, lease(yours, 4, 60), 10)).is_empty());
        committed!(db, conn => execution::release(conn, one, lease(mine, 4, 60)));
        assert_eq!(committed!(db, conn => execution::claim(conn, lease(yours, 4, 60), 10)), [one]);
        assert_eq!(committed!(db, conn => execution::claim(conn, lease(mine, 61, 90), 10)).len(), 2, "leases end");
    }

    async fn executions_that_wait_for_a_build_are_woken_by_it(db: TestDb) {
        let db = db.open().await;
        let session = a_session(&db, 1).await;
        let (build, _) = build_with_run(&db, at(0)).await;
        let waiting = Execution {
            state: ExecutionState::Waiting,
            build_id: Some(build.id),
            build_ref: None,
            tested: None,
            due_at: None,
            started_at: None,
            ..new(session)
        };
        committed!(db, conn => execution::insert(conn, &waiting));
        assert_eq!(committed!(db, conn => execution::wake_of_build(conn, build.id, at(9))), 1);
        assert_eq!(shown(&db, session).await.due_at, Some(at(9)));
        let running = Execution { state: ExecutionState::Running, due_at: None, ..shown(&db, session).await };
        committed!(db, conn => execution::settle(conn, &running, at(9)));
        assert_eq!(committed!(db, conn => execution::wake_of_build(conn, build.id, at(10))), 0);
        let homeless = refused!(db, conn => execution::insert(conn, &Execution { build_id: None, ..waiting.clone() }));
        assert!(matches!(homeless, Error::Constraint(_) | Error::Conflict(_)), "{homeless:?}");
    }

    async fn what_is_expected_comes_or_is_missing(db: TestDb) {
        let db = db.open().await;
        let session = a_session(&db, 1).await;
        let jobs: Vec<(i64, String)> = (0..).zip(["c", "a", "b"].map(str::to_owned)).collect();
        committed!(db, conn => expected::expect(conn, session, &jobs));
        committed!(db, conn => expected::expect(conn, session, &[(9, "a".to_owned())]));
        assert_eq!(read!(db, conn => expected::extent(conn, session)), (3, 3));
        let run = stored_run(&db, session, "a").await;
        let change = |job: &str, status, is_reported| Change {
            job_id: job.into(),
            status,
            reason: Some(format!("why {job}")),
            run: (job == "a").then_some((run, 2)),
            is_reported,
        };
        let changes = [
            change("a", Some(Status::Pass), true),
            change("b", Some(Status::Skip), false),
            change("nobody", Some(Status::Pass), false),
        ];
        committed!(db, conn => expected::note(conn, session, &changes, at(5)));
        let all = Stretch { limit: 10, after: None };
        let (rows, more) = read!(db, conn => expected::list(conn, session, None, &all));
        let told: Vec<_> = rows.iter().map(|row| (row.job_id.as_str(), row.status, row.attempts, row.run_id)).collect();
        assert_eq!(told, [("c", None, 0, None), ("a", Some(Status::Pass), 2, Some(run)), ("b", Some(Status::Skip), 0, None)]);
        assert!(!more);
        assert_eq!(
            read!(db, conn => expected::counts(conn, session)).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            [(None, 1), (Some(Status::Pass), 1), (Some(Status::Skip), 1)].into(),
        );
        for (missing, names) in [(true, vec!["c"]), (false, vec!["a", "b"])] {
            let (rows, _) = read!(db, conn => expected::list(conn, session, Some(missing), &all));
            assert_eq!(rows.iter().map(|row| row.job_id.as_str()).collect::<Vec<_>>(), names);
        }
        let (second, _) = read!(db, conn => expected::list(conn, session, None, &Stretch { limit: 1, after: Some(0) }));
        assert_eq!(second[0].job_id, "a");
        let unreported = read!(db, conn => expected::unreported(conn, session, 10));
        assert_eq!(unreported.iter().map(|row| row.job_id.as_str()).collect::<Vec<_>>(), ["b"]);
        committed!(db, conn => expected::reported(conn, session, &["b".to_owned(), "c".to_owned()], at(6)));
        assert!(read!(db, conn => expected::unreported(conn, session, 10)).is_empty());
        assert_eq!(committed!(db, conn => expected::miss(conn, session, "too late", at(7))), 1);
        committed!(db, conn => expected::ask_again(conn, session, &["a".to_owned()], "again"));
        let rows = read!(db, conn => expected::of_jobs(conn, session, &["a".to_owned(), "c".to_owned()]));
        let a = rows.iter().find(|row| row.job_id == "a").unwrap();
        assert_eq!((a.status, a.attempts, a.earlier, a.reason.as_deref()), (None, 2, 2, Some("again")));
        let c = rows.iter().find(|row| row.job_id == "c").unwrap();
        assert_eq!((c.status, c.settled_at), (Some(Status::Miss), Some(at(7))));
    }

    async fn the_runs_of_a_session_are_in_hand_until_they_are_taken_in(db: TestDb) {
        let db = db.open().await;
        let session = a_session(&db, 1).await;
        let id = stored_run(&db, session, "a").await;
        assert_eq!(read!(db, conn => session_run::in_hand(conn, session)), [("a".to_owned(), id, true)]);
        assert!(read!(db, conn => session_run::ended(conn, session, 10)).is_empty());
        assert_eq!(committed!(db, conn => session_run::hold(conn, session, Some("paused"))), 1);
        assert_eq!(stored(&db, id).await.held.as_deref(), Some("paused"));
        let claim = lease(worker(), 1, 60);
        let states = [testyard::domain::run::RunState::Planned];
        let claimed = committed!(db, conn => testyard::store::step::claim(conn, &states, "tuxsuite", claim, 10));
        assert!(claimed.is_empty(), "what is held is not begun");
        assert_eq!(committed!(db, conn => session_run::hold(conn, session, None)), 1);
        let open = committed!(db, conn => session_run::lock_open(conn, session));
        assert_eq!(open.iter().map(|run| run.id).collect::<Vec<_>>(), [id]);
        let outcome = TestOutcome { reason: Some("ä".into()), duration_s: Some(1.5), ..TestOutcome::bare(Status::Fail) };
        assert_eq!(read!(db, conn => run::outcomes(conn, id)), [("a".to_owned(), None)]);
        committed!(db, conn => run::conclude(conn, id, &[("a".to_owned(), outcome.clone())]));
        assert_eq!(read!(db, conn => run::outcomes(conn, id)), [("a".to_owned(), Some(Json(outcome)))]);
        finish(&db, id, at(5)).await;
        assert_eq!(read!(db, conn => session_run::ended(conn, session, 10)).len(), 1);
        assert!(committed!(db, conn => session_run::lock_open(conn, session)).is_empty());
        assert_eq!(committed!(db, conn => session_run::take(conn, &[id], at(9))), 1);
        assert_eq!(stored(&db, id).await.taken_at, Some(at(9)));
        assert!(read!(db, conn => session_run::ended(conn, session, 10)).is_empty());
        assert!(read!(db, conn => session_run::in_hand(conn, session)).is_empty());
        let identity = digest("riscv:b a");
        assert_eq!(read!(db, conn => run::ended_with(conn, &[identity, [0; 32]])), [id]);
        assert!(committed!(db, conn => run::supersede(conn, id)));
        assert!(read!(db, conn => run::ended_with(conn, &[identity])).is_empty());
        stored_run(&db, session, "b").await;
        assert_eq!(committed!(db, conn => session_run::take_all(conn, session, at(10))), 1);
        assert!(read!(db, conn => session_run::in_hand(conn, session)).is_empty());
    }
}

/// A planned run of one test of a session, with all that decides when it is its turn.
async fn stored_run(db: &Db, session: SessionId, test: &str) -> RunId {
    let terms = Terms {
        session_id: Some(session),
        project: "linux".into(),
        priority: 3,
        requires: Some(Json(Labels::read(["arch=riscv64"]).unwrap())),
        slots: Some(Json([("gpu".to_owned(), 2)].into())),
    };
    let new = NewRun { terms: terms.clone(), ..tests_of("riscv:b", &[test], at(0)) };
    committed!(db, conn => run::plan(conn, std::slice::from_ref(&new)));
    let run = stored(db, new.id).await;
    assert_eq!(run.terms, terms);
    assert_eq!(json!(run.terms.slots), json!({"gpu": 2}));
    run.id
}
