//! Results.

use serde_json::json;
use sqlx::types::Json;
use testyard::domain::observation::Measurement;
use testyard::domain::result::ResultSource;
use testyard::domain::status::Status;
use testyard::ids::RunId;
use testyard::store::Error;
use testyard::store::page::Page;
use testyard::store::result::{self, Filter, TestResult};

use super::{a_result, at, committed, micros, read, refused, running, tests_of};
use crate::support::db::TestDb;
use crate::support::on_both;

const ALL: Page = Page { limit: 1000, before: None };

on_both! {
    async fn a_result_reads_back_as_it_was_stored(db: TestDb) {
        let db = db.open().await;
        let full = a_result("riscv:1", micros(999_999));
        let bare = TestResult {
            collection: None,
            test: None,
            reason: None,
            device: None,
            runtime: None,
            started_at: None,
            duration_s: None,
            log_excerpt: None,
            number: None,
            ..a_result("riscv:2", micros(-999_999))
        };
        let extreme = TestResult {
            duration_s: Some(f64::MAX),
            case_name: Some("a case".into()),
            log_url: Some("https://x".into()),
            number: Some(Json(Measurement { value: f64::MIN_POSITIVE, unit: None })),
            log_excerpt: Some("\u{1F600}".repeat(16_384)),
            status: Status::Miss,
            source: ResultSource::Intake,
            ..a_result("riscv:3", at(-4_000_000_000))
        };
        let all = [full, bare, extreme];
        assert_eq!(committed!(db, conn => result::insert(conn, &all)), 3);
        for result in all {
            let filter = Filter { kcidb_id: Some(result.kcidb_id.clone()), ..Filter::default() };
            let (stored, _) = read!(db, conn => result::list(conn, &filter, ALL));
            assert_eq!(format!("{stored:?}"), format!("{:?}", [result]));
        }
    }

    async fn the_first_result_of_an_id_stays(db: TestDb) {
        let db = db.open().await;
        let first = a_result("riscv:1", at(0));
        let second = TestResult { status: Status::Fail, ..a_result("riscv:1", at(1)) };
        assert_eq!(committed!(db, conn => result::insert(conn, std::slice::from_ref(&first))), 1);
        let batch = [second, a_result("riscv:2", at(1)), a_result("riscv:2", at(2))];
        assert_eq!(committed!(db, conn => result::insert(conn, &batch)), 1);
        let (all, _) = read!(db, conn => result::list(conn, &Filter::default(), ALL));
        assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), [batch[1].id, first.id]);
        assert_eq!(all[1].status, Status::Pass);
    }

    async fn any_number_of_results_goes_in(db: TestDb) {
        let db = db.open().await;
        for many in [0_u32, 1, 3, 1000] {
            let some: Vec<_> = (0..many).map(|n| a_result(&format!("riscv:{many}-{n}"), at(0))).collect();
            assert_eq!(committed!(db, conn => result::insert(conn, &some)), u64::from(many));
        }
    }

    async fn a_result_of_a_run_names_its_run_and_no_other_does(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        for wrong in [
            TestResult { source: ResultSource::Run, ..a_result("riscv:1", at(0)) },
            TestResult { run_id: Some(run), ..a_result("riscv:1", at(0)) },
            TestResult { source: ResultSource::Run, run_id: Some(RunId::new(at(0))), ..a_result("riscv:1", at(0)) },
        ] {
            let error = refused!(db, conn => result::insert(conn, &[wrong]));
            assert!(matches!(error, Error::Constraint(_)), "{error:?}");
        }
        let right = TestResult { source: ResultSource::Run, run_id: Some(run), ..a_result("riscv:1", at(0)) };
        assert_eq!(committed!(db, conn => result::insert(conn, &[right])), 1);
    }

    async fn a_result_tells_where_the_log_of_its_run_lies(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        let of_run = |id: &str, log_url: Option<&str>| TestResult {
            source: ResultSource::Run,
            run_id: Some(run),
            log_url: log_url.map(str::to_owned),
            ..a_result(id, at(0))
        };
        committed!(db, conn => result::insert(conn, &[of_run("riscv:1", None)]));
        assert_eq!(read!(db, conn => result::log_url(conn, run)), None);
        let other = TestResult { log_url: Some("https://files.example.org/x".into()), ..a_result("riscv:2", at(0)) };
        committed!(db, conn => result::insert(conn, &[other, of_run("riscv:3", Some("https://files.example.org/1"))]));
        assert_eq!(read!(db, conn => result::log_url(conn, run)).as_deref(), Some("https://files.example.org/1"));
    }

    async fn a_listing_of_results_is_narrowed_by_each_filter(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
        let whole = a_result("riscv:1", at(1));
        let case = TestResult { case_name: Some("c".into()), path: "ltp.smoke.c".into(), ..a_result("riscv:2", at(2)) };
        let failed = TestResult {
            status: Status::Fail,
            build_ref: "riscv:other".into(),
            source: ResultSource::Run,
            run_id: Some(run),
            ..a_result("riscv:3", at(3))
        };
        committed!(db, conn => result::insert(conn, &[whole.clone(), case.clone(), failed.clone()]));
        let (whole, case, failed) = (whole.id, case.id, failed.id);
        let none = Filter::default;
        for (filter, want) in [
            (none(), vec![failed, case, whole]),
            (Filter { statuses: vec![Status::Fail], ..none() }, vec![failed]),
            (Filter { statuses: vec![Status::Pass, Status::Fail], ..none() }, vec![failed, case, whole]),
            (Filter { run_id: Some(run), ..none() }, vec![failed]),
            (Filter { build_ref: Some("riscv:b".into()), ..none() }, vec![case, whole]),
            (Filter { path: Some("ltp.smoke".into()), ..none() }, vec![failed, whole]),
            (Filter { kcidb_id: Some("riscv:2".into()), ..none() }, vec![case]),
            (Filter { source: Some(ResultSource::Run), ..none() }, vec![failed]),
            (Filter { source: Some(ResultSource::Intake), ..none() }, vec![]),
            (Filter { cases: Some(true), ..none() }, vec![case]),
            (Filter { cases: Some(false), ..none() }, vec![failed, whole]),
            (Filter { cases: Some(false), statuses: vec![Status::Pass], ..none() }, vec![whole]),
        ] {
            let (found, more) = read!(db, conn => result::list(conn, &filter, ALL));
            assert_eq!((found.into_iter().map(|one| one.id).collect::<Vec<_>>(), more), (want, false), "{filter:?}");
        }
    }

    async fn pages_cover_every_result_once_while_more_come_in(db: TestDb) {
        let db = db.open().await;
        let news: Vec<_> = (0..40).map(|n| a_result(&n.to_string(), at(n))).collect();
        committed!(db, conn => result::insert(conn, &news));
        let mut page = Page { limit: 8, before: None };
        let mut seen = Vec::new();
        for newer in 100.. {
            let (found, more) = read!(db, conn => result::list(conn, &Filter::default(), page));
            page.before = found.last().map(|one| one.id.0);
            seen.extend(found.into_iter().map(|one| one.id));
            committed!(db, conn => result::insert(conn, &[a_result(&newer.to_string(), at(newer))]));
            if !more {
                break;
            }
        }
        assert_eq!(seen, news.iter().rev().map(|one| one.id).collect::<Vec<_>>());
    }

    async fn a_measured_number_reads_back_whatever_its_unit(db: TestDb) {
        let db = db.open().await;
        for (n, number) in
            [json!({"value": 0.0, "unit": ""}), json!({"value": -1.5e-7, "unit": "µs"})].into_iter().enumerate()
        {
            let number: Measurement = serde_json::from_value(number).unwrap();
            let result = TestResult { number: Some(Json(number.clone())), ..a_result(&n.to_string(), at(0)) };
            committed!(db, conn => result::insert(conn, &[result]));
            let filter = Filter { kcidb_id: Some(n.to_string()), ..Filter::default() };
            let (stored, _) = read!(db, conn => result::list(conn, &filter, ALL));
            assert_eq!(stored[0].number.as_ref().unwrap().0, number);
        }
    }
}
