//! Listings of runs.

use testyard::domain::run::{RunKind, RunState};
use testyard::domain::status::Status;
use testyard::store::page::Page;
use testyard::store::run::{self, Filter};

use crate::store::{at, build_with_run, committed, finish, read, running, tests_of};
use crate::support::db::TestDb;
use crate::support::on_both;

const ALL: Page = Page { limit: 1000, before: None };

on_both! {
    async fn a_listing_of_runs_is_narrowed_by_each_filter(db: TestDb) {
        let db = db.open().await;
        let (build, builds) = build_with_run(&db, at(1)).await;
        let plans = tests_of("riscv:p", &["t"], at(2));
        committed!(db, conn => run::plan(conn, std::slice::from_ref(&plans)));
        let runs = running(&db, &tests_of("riscv:r", &["t"], at(3)), "u1").await;
        let mut elsewhere = tests_of("riscv:f", &["t"], at(4));
        elsewhere.runner = "local".into();
        let ended = running(&db, &elsewhere, "u1").await;
        finish(&db, ended, at(5)).await;
        let plans = plans.id;

        let none = Filter::default;
        for (filter, want) in [
            (none(), vec![ended, runs, plans, builds]),
            (Filter { states: vec![RunState::Planned], ..none() }, vec![plans, builds]),
            (Filter { states: vec![RunState::Running, RunState::Finished], ..none() }, vec![ended, runs]),
            (Filter { statuses: vec![Status::Pass, Status::Fail], ..none() }, vec![ended]),
            (Filter { statuses: vec![Status::Fail], ..none() }, vec![]),
            (Filter { kinds: vec![RunKind::Build], ..none() }, vec![builds]),
            (Filter { kinds: vec![RunKind::Tests, RunKind::Boot], ..none() }, vec![ended, runs, plans]),
            (Filter { build_id: Some(build.id), ..none() }, vec![builds]),
            (Filter { build_ref: Some("riscv:r".into()), ..none() }, vec![runs]),
            (Filter { runner: Some("local".into()), ..none() }, vec![ended]),
            (Filter { uid: Some("u1".into()), ..none() }, vec![ended, runs]),
            (Filter { uid: Some("u1".into()), runner: Some("tuxsuite".into()), ..none() }, vec![runs]),
            (Filter { uid: Some("u2".into()), ..none() }, vec![]),
        ] {
            let (found, more) = read!(db, conn => run::list(conn, &filter, ALL));
            let found: Vec<_> = found.into_iter().map(|run| run.id).collect();
            assert_eq!((found, more), (want, false), "{filter:?}");
        }
    }

    async fn pages_cover_every_run_once_while_runs_come_in(db: TestDb) {
        let db = db.open().await;
        let runs: Vec<_> = (0..40).map(|n| tests_of(&format!("riscv:{n}"), &["t"], at(n))).collect();
        committed!(db, conn => run::plan(conn, &runs));
        let mut page = Page { limit: 9, before: None };
        let mut seen = Vec::new();
        for newer in 100.. {
            let (found, more) = read!(db, conn => run::list(conn, &Filter::default(), page));
            page.before = found.last().map(|run| run.id.0);
            seen.extend(found.into_iter().map(|run| run.id));
            committed!(db, conn => run::plan(conn, &[tests_of(&format!("riscv:{newer}"), &["t"], at(newer))]));
            if !more {
                break;
            }
        }
        assert_eq!(seen, runs.iter().rev().map(|run| run.id).collect::<Vec<_>>());
    }

    async fn a_page_that_is_just_full_has_no_next(db: TestDb) {
        let db = db.open().await;
        let runs: Vec<_> = (0..4).map(|n| tests_of(&format!("riscv:{n}"), &["t"], at(n))).collect();
        committed!(db, conn => run::plan(conn, &runs));
        for (limit, more) in [(1, true), (3, true), (4, false), (5, false)] {
            let page = Page { limit, before: None };
            let (found, there_is_more) = read!(db, conn => run::list(conn, &Filter::default(), page));
            assert_eq!((found.len(), there_is_more), (usize::try_from(limit).unwrap().min(4), more));
        }
    }
}
