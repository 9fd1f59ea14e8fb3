//! Builds.

use testyard::domain::run::RunState;
use testyard::domain::status::Status;
use testyard::ids::BuildId;
use testyard::store::build::{self, Build, Filter};
use testyard::store::page::Page;
use testyard::store::{Error, run, step};

use super::{a_build, at, build_with_run, committed, finish, micros, read, refused, run_of, running, the_end};
use crate::support::db::TestDb;
use crate::support::on_both;

const ALL: Page = Page { limit: 1000, before: None };

on_both! {
    async fn a_build_reads_back_as_it_was_stored(db: TestDb) {
        let db = db.open().await;
        let full = Build { idempotency_key: Some("key".into()), ..a_build(micros(123_456)) };
        let mut bare = a_build(micros(-1));
        bare.kconfig = None;
        bare.fragments.0.clear();
        bare.branch = String::new();
        assert_eq!(committed!(db, conn => build::insert(conn, &[full.clone(), bare.clone()])), [full.id, bare.id]);
        for build in [full, bare] {
            let stored = read!(db, conn => build::by_id(conn, build.id)).unwrap();
            assert_eq!(stored, build);
        }
        assert!(read!(db, conn => build::by_id(conn, BuildId::new(at(0)))).is_none());
    }

    async fn any_number_of_builds_goes_in(db: TestDb) {
        let db = db.open().await;
        for many in [0_u32, 1, 3, 1000] {
            let builds: Vec<_> = (0..many).map(|n| a_build(at(i64::from(many + n)))).collect();
            let ids: Vec<_> = builds.iter().map(|build| build.id).collect();
            assert_eq!(committed!(db, conn => build::insert(conn, &builds)), ids);
        }
        let mut page = ALL;
        let mut seen = 0;
        loop {
            let (builds, more) = read!(db, conn => build::list(conn, &Filter::default(), page));
            seen += builds.len();
            page.before = builds.last().map(|build| build.id.0);
            if !more {
                break;
            }
        }
        assert_eq!(seen, 1004);
    }

    async fn an_id_names_one_build(db: TestDb) {
        let db = db.open().await;
        let build = a_build(at(0));
        committed!(db, conn => build::insert(conn, std::slice::from_ref(&build)));
        let error = refused!(db, conn => build::insert(conn, &[a_build(at(1)), build.clone()]));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        let (all, _) = read!(db, conn => build::list(conn, &Filter::default(), ALL));
        assert_eq!(all.len(), 1, "a batch goes in as a whole or not at all");
    }

    async fn a_key_names_one_build(db: TestDb) {
        let db = db.open().await;
        let keyed = |key: &str| Build { idempotency_key: Some(key.into()), ..a_build(at(0)) };
        let first = keyed("k1");
        committed!(db, conn => build::insert(conn, std::slice::from_ref(&first)));
        let (new, keyless) = (keyed("k0"), a_build(at(1)));
        let batch = [keyed("k1"), keyless.clone(), new.clone(), keyed("k0"), keyed("k1")];
        let standing = committed!(db, conn => build::insert(conn, &batch));
        assert_eq!(standing[..2], [first.id, keyless.id]);
        assert!(standing[2] == standing[3] && [batch[2].id, batch[3].id].contains(&standing[2]), "one of the two");
        assert_eq!(standing[4], first.id);
        assert_eq!(read!(db, conn => build::by_id(conn, first.id)).unwrap(), first, "the first stays");
        assert_eq!(read!(db, conn => build::list(conn, &Filter::default(), ALL)).0.len(), 3);
    }

    async fn of_sixteen_under_one_key_at_once_one_stands(db: TestDb) {
        let db = db.open().await;
        let mut callers = tokio::task::JoinSet::new();
        for turn in 0..16 {
            let db = db.clone();
            callers.spawn(async move {
                let mut keys = ["a", "b", "c"];
                keys.rotate_left(turn % 3);
                let builds = keys.map(|key| Build { idempotency_key: Some(key.into()), ..a_build(at(0)) });
                let mut standing: Vec<_> =
                    keys.into_iter().zip(committed!(db, conn => build::insert(conn, &builds))).collect();
                standing.sort_unstable();
                standing
            });
        }
        let mut all = callers.join_all().await;
        all.dedup();
        assert_eq!(all.len(), 1, "each caller is told of the same builds");
        assert_eq!(read!(db, conn => build::list(conn, &Filter::default(), ALL)).0.len(), 3);
    }

    async fn a_listing_is_narrowed_by_each_filter(db: TestDb) {
        let db = db.open().await;
        let (planned, _) = build_with_run(&db, at(1)).await;
        let (passed, run) = build_with_run(&db, at(2)).await;
        finish(&db, run, at(3)).await;
        let mut other = a_build(at(4));
        other.tree = "https://git.example.org/other.git".into();
        other.branch = "next".into();
        other.runner = "local".into();
        committed!(db, conn => build::insert(conn, std::slice::from_ref(&other)));
        let failed = run_of(&other);
        running(&db, &failed, "u").await;
        committed!(db, conn => step::end(conn, failed.id, &the_end(Status::Fail, at(5))));

        let none = Filter::default;
        for (filter, want) in [
            (none(), vec![other.id, passed.id, planned.id]),
            (Filter { states: vec![RunState::Planned], ..none() }, vec![planned.id]),
            (
                Filter { states: vec![RunState::Planned, RunState::Finished], ..none() },
                vec![other.id, passed.id, planned.id],
            ),
            (Filter { states: vec![RunState::Canceled], ..none() }, vec![]),
            (Filter { statuses: vec![Status::Pass], ..none() }, vec![passed.id]),
            (Filter { statuses: vec![Status::Pass, Status::Fail], ..none() }, vec![other.id, passed.id]),
            (Filter { tree: Some(other.tree.clone()), ..none() }, vec![other.id]),
            (Filter { branch: Some("next".into()), ..none() }, vec![other.id]),
            (Filter { branch: Some("ne".into()), ..none() }, vec![]),
            (Filter { runner: Some("tuxsuite".into()), ..none() }, vec![passed.id, planned.id]),
            (Filter { runner: Some("local".into()), statuses: vec![Status::Pass], ..none() }, vec![]),
        ] {
            let (found, more) = read!(db, conn => build::list(conn, &filter, ALL));
            let found: Vec<_> = found.into_iter().map(|build| build.id).collect();
            assert_eq!((found, more), (want, false), "{filter:?}");
        }
    }

    async fn a_filter_looks_at_the_attempt_that_counts(db: TestDb) {
        let db = db.open().await;
        let (build, first) = build_with_run(&db, at(1)).await;
        finish(&db, first, at(2)).await;
        assert!(committed!(db, conn => run::supersede(conn, first)));
        let mut second = run_of(&build);
        (second.attempt, second.previous_id) = (2, Some(first));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&second)));
        let finished = Filter { states: vec![RunState::Finished], ..Filter::default() };
        assert!(read!(db, conn => build::list(conn, &finished, ALL)).0.is_empty());
        let planned = Filter { states: vec![RunState::Planned], ..Filter::default() };
        assert_eq!(read!(db, conn => build::list(conn, &planned, ALL)).0.len(), 1);
    }

    async fn pages_cover_everything_once_while_builds_come_in(db: TestDb) {
        let db = db.open().await;
        let builds: Vec<_> = (0..40).map(|n| a_build(at(n))).collect();
        committed!(db, conn => build::insert(conn, &builds));
        let mut page = Page { limit: 7, before: None };
        let mut seen = Vec::new();
        for newer in 100.. {
            let (found, more) = read!(db, conn => build::list(conn, &Filter::default(), page));
            assert!(found.len() <= 7 && (more || found.len() == 40 % 7));
            page.before = found.last().map(|build| build.id.0);
            seen.extend(found.into_iter().map(|build| build.id));
            committed!(db, conn => build::insert(conn, &[a_build(at(newer))]));
            if !more {
                break;
            }
        }
        let want: Vec<_> = builds.iter().rev().map(|build| build.id).collect();
        assert_eq!(seen, want);
    }
}
