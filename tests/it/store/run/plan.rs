//! Planning: what goes in comes back, and one live run holds a test or a build.

use std::collections::{HashMap, HashSet};

use testyard::domain::run::{RunKind, RunRequest, RunState};
use testyard::ids::{BuildId, RunId};
use testyard::store::page::Page;
use testyard::store::run::{self, Filter, NewRun};
use testyard::store::{Db, Error};

use crate::store::{
    a_build, at, build_with_run, committed, digest, finish, micros, read, refused, run_of, running, stored, tests_of,
};
use crate::support::db::TestDb;
use crate::support::on_both;

fn names(run: &RunRequest) -> Vec<String> {
    let RunRequest::Tests(request) = run else { panic!("{run:?}") };
    request.tests.clone()
}

async fn plan_one(db: &Db, run: &NewRun) -> Option<Vec<String>> {
    let mut planned = committed!(db, conn => run::plan(conn, std::slice::from_ref(run)));
    assert_eq!(planned.len(), 1);
    planned.pop().flatten()
}

on_both! {
    async fn a_planned_run_reads_back(db: TestDb) {
        let db = db.open().await;
        let new = tests_of("riscv:b", &["z", "a", "ä\u{1F600}"], micros(654_321));
        assert_eq!(plan_one(&db, &new).await.unwrap(), ["z", "a", "ä\u{1F600}"]);
        let run = stored(&db, new.id).await;
        assert_eq!((run.kind, run.state, run.live, run.attempt), (RunKind::Tests, RunState::Planned, true, 1));
        assert_eq!((run.created_at, run.due_at), (new.now, new.now));
        assert_eq!(
            (&run.request.0, run.client_token, &run.capability),
            (&new.request, new.client_token, &new.capability)
        );
        assert_eq!((&run.build_ref, run.build_id, run.previous_id), (&new.build_ref, None, None));
        assert_eq!(
            (run.tries, run.status, run.uid, run.waiting, run.observation.is_none()),
            (0, None, None, None, true)
        );
        for never in [run.stop_due_at, run.asked_at, run.accepted_at, run.started_at, run.deadline_at, run.finished_at]
        {
            assert_eq!(never, None);
        }
        let tests = read!(db, conn => run::tests(conn, new.id));
        let want: Vec<_> = new.tests.iter().map(|test| (test.name.clone(), test.identity.to_vec())).collect();
        assert_eq!(tests, want, "in the order that was asked for");
        let found = read!(db, conn => run::by_capability(conn, &new.capability));
        assert_eq!(found, Some((new.id, "tuxsuite".into(), RunKind::Tests)));
        assert_eq!(read!(db, conn => run::by_capability(conn, "cap_")), None);
        let locked = committed!(db, conn => run::lock(conn, new.id)).unwrap();
        assert_eq!(locked.id, new.id);
        let unknown = RunId::new(at(0));
        let locked = committed!(db, conn => run::lock_all(conn, &[unknown, new.id]));
        assert_eq!(locked.iter().map(|run| run.id).collect::<Vec<_>>(), [new.id]);
        assert!(committed!(db, conn => run::lock_all(conn, &[])).is_empty());
        assert!(read!(db, conn => run::by_id(conn, unknown)).is_none());
        assert!(committed!(db, conn => run::lock(conn, unknown)).is_none());
        assert!(read!(db, conn => run::tests(conn, unknown)).is_empty());
    }

    async fn any_number_of_runs_is_planned(db: TestDb) {
        let db = db.open().await;
        for many in [0, 1, 3, 1000] {
            let runs: Vec<_> = (0..many).map(|n| tests_of(&format!("riscv:{many}-{n}"), &["a", "b"], at(0))).collect();
            let planned = committed!(db, conn => run::plan(conn, &runs));
            assert_eq!(planned, vec![Some(vec!["a".to_owned(), "b".to_owned()]); many]);
        }
        let thousand: Vec<String> = (0..1000).map(|n| format!("t{n}")).collect();
        let thousand: Vec<&str> = thousand.iter().map(String::as_str).collect();
        let run = tests_of("riscv:wide", &thousand, at(0));
        assert_eq!(plan_one(&db, &run).await.unwrap(), thousand);
        let held = read!(db, conn => run::tests(conn, run.id));
        assert_eq!(held.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), thousand);
    }

    async fn tests_that_a_live_run_holds_are_left_out(db: TestDb) {
        let db = db.open().await;
        assert_eq!(plan_one(&db, &tests_of("riscv:b", &["a", "b"], at(0))).await.unwrap(), ["a", "b"]);
        let second = tests_of("riscv:b", &["c", "b", "d"], at(1));
        assert_eq!(plan_one(&db, &second).await.unwrap(), ["c", "d"]);
        assert_eq!(names(&stored(&db, second.id).await.request.0), ["c", "d"], "the runner is asked for these alone");
        let third = tests_of("riscv:b", &["d", "a"], at(2));
        assert_eq!(plan_one(&db, &third).await, None);
        assert!(read!(db, conn => run::by_id(conn, third.id)).is_none(), "there is nothing to run");
        assert_eq!(plan_one(&db, &tests_of("riscv:other", &["a"], at(3))).await.unwrap(), ["a"]);
    }

    async fn two_runs_of_one_batch_share_no_test(db: TestDb) {
        let db = db.open().await;
        let runs = [
            tests_of("riscv:b", &["a", "b"], at(0)),
            tests_of("riscv:b", &["b", "c"], at(0)),
            tests_of("riscv:b", &["c", "a"], at(0)),
        ];
        let planned = committed!(db, conn => run::plan(conn, &runs));
        let mut held: Vec<String> = planned.into_iter().flatten().flatten().collect();
        held.sort();
        assert_eq!(held, ["a", "b", "c"]);
    }

    async fn of_sixteen_at_once_one_holds_each_test(db: TestDb) {
        let db = db.open().await;
        let mut planners = tokio::task::JoinSet::new();
        for turn in 0..16 {
            let db = db.clone();
            planners.spawn(async move {
                let mut tests = ["a", "b", "c", "d", "e", "f", "g", "h"];
                tests.rotate_left(turn % 8);
                let run = tests_of("riscv:b", &tests[..5], at(0));
                let mut tx = db.begin().await.unwrap();
                let held = run::plan(&mut tx.conn(), std::slice::from_ref(&run)).await.unwrap().pop().unwrap();
                tx.commit().await.unwrap();
                (run.id, held)
            });
        }
        let mut holders = HashMap::new();
        let mut runs = HashSet::new();
        while let Some(planned) = planners.join_next().await {
            let (run, held) = planned.unwrap();
            runs.extend(held.is_some().then_some(run));
            for test in held.into_iter().flatten() {
                assert_eq!(holders.insert(test.clone(), run), None, "{test} is held twice");
            }
        }
        assert_eq!(holders.len(), 8, "every test is held");
        let (listed, _) = read!(db, conn => run::list(conn, &Filter::default(), Page { limit: 100, before: None }));
        assert_eq!(listed.iter().map(|run| run.id).collect::<HashSet<_>>(), runs);
        for run in listed {
            let held = read!(db, conn => run::tests(conn, run.id));
            assert_eq!(names(&run.request.0), held.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        }
    }

    async fn a_run_that_is_over_gives_way_once(db: TestDb) {
        let db = db.open().await;
        let first = tests_of("riscv:b", &["a", "b"], at(0));
        running(&db, &first, "u1").await;
        assert!(!committed!(db, conn => run::supersede(conn, first.id)), "it still runs");
        finish(&db, first.id, at(5)).await;
        assert_eq!(plan_one(&db, &tests_of("riscv:b", &["a"], at(6))).await, None, "it still counts");
        assert!(committed!(db, conn => run::supersede(conn, first.id)));
        assert!(!committed!(db, conn => run::supersede(conn, first.id)), "only once");
        assert!(!stored(&db, first.id).await.live);
        assert_eq!(read!(db, conn => run::tests(conn, first.id)).len(), 2, "what it planned stays known");
        let mut second = tests_of("riscv:b", &["a", "b"], at(7));
        (second.attempt, second.previous_id) = (2, Some(first.id));
        assert_eq!(plan_one(&db, &second).await.unwrap(), ["a", "b"]);
        assert_eq!(stored(&db, second.id).await.previous_id, Some(first.id));
        assert_eq!(plan_one(&db, &tests_of("riscv:b", &["b"], at(8))).await, None, "the second attempt holds it");
    }

    async fn a_build_has_one_live_run(db: TestDb) {
        let db = db.open().await;
        let (build, first) = build_with_run(&db, at(0)).await;
        let second = run_of(&build);
        let error = refused!(db, conn => run::plan(conn, std::slice::from_ref(&second)));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        finish(&db, first, at(1)).await;
        let error = refused!(db, conn => run::plan(conn, std::slice::from_ref(&second)));
        assert!(matches!(error, Error::Conflict(_)), "a run that is over still counts: {error:?}");
        assert!(committed!(db, conn => run::supersede(conn, first)));
        assert_eq!(committed!(db, conn => run::plan(conn, std::slice::from_ref(&second))), [Some(vec![])]);
        let live = read!(db, conn => run::live_of_builds(conn, &[build.id]));
        assert_eq!(live.iter().map(|run| run.id).collect::<Vec<_>>(), [second.id]);
    }

    async fn an_attempt_is_followed_once(db: TestDb) {
        let db = db.open().await;
        let first = tests_of("riscv:b", &["a"], at(0));
        plan_one(&db, &first).await;
        let follow = |build: &str| NewRun { previous_id: Some(first.id), attempt: 2, ..tests_of(build, &["x"], at(1)) };
        plan_one(&db, &follow("riscv:c")).await;
        let error = refused!(db, conn => run::plan(conn, &[follow("riscv:d")]));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    }

    async fn secrets_and_tokens_belong_to_one_run(db: TestDb) {
        let db = db.open().await;
        let first = tests_of("riscv:b", &["a"], at(0));
        plan_one(&db, &first).await;
        for clash in [
            NewRun { capability: first.capability.clone(), ..tests_of("riscv:c", &["a"], at(0)) },
            NewRun { client_token: first.client_token, ..tests_of("riscv:c", &["a"], at(0)) },
            NewRun { id: first.id, ..tests_of("riscv:c", &["a"], at(0)) },
        ] {
            let error = refused!(db, conn => run::plan(conn, &[clash]));
            assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        }
    }

    async fn what_refers_to_nothing_or_is_no_attempt_is_refused(db: TestDb) {
        let db = db.open().await;
        let mut lost = run_of(&a_build(at(0)));
        lost.build_id = Some(BuildId::new(at(0)));
        let orphan = NewRun { previous_id: Some(RunId::new(at(0))), ..tests_of("riscv:b", &["a"], at(0)) };
        let zeroth = NewRun { attempt: 0, ..tests_of("riscv:b", &["a"], at(0)) };
        let nameless = NewRun { build_ref: None, ..tests_of("riscv:b", &["a"], at(0)) };
        for wrong in [lost, orphan, zeroth, nameless] {
            let error = refused!(db, conn => run::plan(conn, std::slice::from_ref(&wrong)));
            assert!(matches!(error, Error::Constraint(_)), "{wrong:?}: {error:?}");
        }
    }

    async fn the_live_runs_of_many_builds_come_at_once(db: TestDb) {
        let db = db.open().await;
        let builds: Vec<_> = (0..450).map(|n| a_build(at(n))).collect();
        let runs: Vec<_> = builds.iter().map(run_of).collect();
        committed!(db, conn => testyard::store::build::insert(conn, &builds));
        committed!(db, conn => run::plan(conn, &runs));
        let ids: Vec<_> = builds.iter().map(|build| build.id).collect();
        let live = read!(db, conn => run::live_of_builds(conn, &ids));
        let live: HashSet<_> = live.into_iter().map(|run| run.id).collect();
        assert_eq!(live, runs.iter().map(|run| run.id).collect());
        assert!(read!(db, conn => run::live_of_builds(conn, &[])).is_empty());
        assert!(read!(db, conn => run::live_of_builds(conn, &[BuildId::new(at(0))])).is_empty());
    }

    async fn tests_of_the_same_name_differ_by_what_they_test(db: TestDb) {
        let db = db.open().await;
        let mut run = tests_of("riscv:b", &["a", "b"], at(0));
        run.tests[1].identity = digest("riscv:b a");
        assert_eq!(plan_one(&db, &run).await.unwrap().len(), 1, "the identity decides, not the name");
    }
}
