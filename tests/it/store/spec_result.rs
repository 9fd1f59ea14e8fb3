//! Results of specs: what is new, what is live, what is newest.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::json;
use testyard::domain::spec_result::result::{SpecNames, SpecResult, history, newest};
use testyard::domain::spec_result::status::{CaseStatus, Category, Status};
use testyard::domain::words::Word as _;
use testyard::store::page::Stretch;
use testyard::store::spec_result::{Filter, Recorded, Stored};
use testyard::store::{Db, spec_result};

use super::{at, committed, digest, micros, read};
use crate::support::db::TestDb;
use crate::support::on_both;

use Recorded::{Conflict, New, Same};

/// A result of this id that passed.
pub(super) fn result_of(id: &str, spec_id: &str, session: &str) -> SpecResult {
    SpecResult {
        id: id.into(),
        spec_id: spec_id.into(),
        session: session.into(),
        names: Some(SpecNames {
            name: "mesh.np=4".into(),
            fullname: "solver/mesh.np=4".into(),
            file_root: "/suite".into(),
            file_path: "solver/mesh.pyt".into(),
        }),
        workspace: Some("solver/mesh.np=4".into()),
        status: CaseStatus::of(Status::Success),
        submitted_at: Some(micros(-3)),
        started_at: Some(micros(-2)),
        finished_at: Some(micros(-1)),
        measurements: json!({"mem": 12}).as_object().unwrap().clone(),
    }
}

fn with_status(result: SpecResult, status: Status) -> SpecResult {
    SpecResult { status: CaseStatus::of(status), ..result }
}

pub(super) async fn record(db: &Db, results: &[SpecResult]) -> Vec<Recorded> {
    committed!(db, conn => spec_result::record(conn, results, at(0)))
}

fn everything<K>() -> Stretch<K> {
    Stretch { limit: 10_000, after: None }
}

/// Whether each result is live, by its id.
pub(super) async fn live(db: &Db) -> BTreeMap<String, bool> {
    let (all, _) = read!(db, conn => spec_result::list(conn, &Filter::default(), &everything()));
    all.into_iter().map(|stored| (stored.result.id, stored.live)).collect()
}

fn ids(stored: &[Stored]) -> Vec<&str> {
    stored.iter().map(|stored| stored.result.id.as_str()).collect()
}

async fn newest_ids(db: &Db, specs: &[&str]) -> Vec<String> {
    read!(db, conn => spec_result::newest(conn, specs)).into_iter().map(|stored| stored.result.id).collect()
}

on_both! {
    async fn there_are_none_at_first(db: TestDb) {
        let db = db.open().await;
        assert_eq!(read!(db, conn => spec_result::last(conn)), 0);
        assert_eq!(record(&db, &[]).await, []);
        assert_eq!(read!(db, conn => spec_result::get(conn, "1")), None);
        assert_eq!(read!(db, conn => spec_result::newest(conn, &["a"])), []);
        assert_eq!(read!(db, conn => spec_result::newest_all(conn, &everything())), (vec![], false));
        assert_eq!(read!(db, conn => spec_result::standings(conn, &everything())), (vec![], false));
        assert_eq!(read!(db, conn => spec_result::standings_after(conn, &everything())), (vec![], false));
        assert_eq!(read!(db, conn => spec_result::history(conn, &["a"], &everything())), (vec![], false));
        assert_eq!(read!(db, conn => spec_result::history_by_prefix(conn, "", &everything())), (vec![], false));
    }

    async fn a_result_comes_back_as_it_was_recorded(db: TestDb) {
        let db = db.open().await;
        let measurements = json!({
            "": 1e16, "zero": -0.0, "most": u64::MAX, "tiny": 5e-324,
            "ä\u{1F600}": {"b": [null, true, {}], "a": "\n\u{7f}'\"\\"},
        });
        let full = SpecResult {
            status: CaseStatus::of(Status::Failed).with_code(3).because("it's\n\"red\"\u{1b}[1m\u{1F600}"),
            measurements: measurements.as_object().unwrap().clone(),
            ..result_of("ä/1", "aaaa0001", "2026-02-01T10-00-00.000001")
        };
        let bare = SpecResult {
            id: "2".into(),
            spec_id: "not hexadecimal".into(),
            session: "\u{1F600}".into(),
            names: None,
            workspace: None,
            status: CaseStatus::pending(),
            submitted_at: None,
            started_at: None,
            finished_at: None,
            measurements: serde_json::Map::new(),
        };
        let ready = SpecResult { id: "3".into(), status: CaseStatus::ready(), ..full.clone() };
        let running = SpecResult { id: "4".into(), status: CaseStatus::running().because(""), ..full.clone() };
        let all = [full, bare, ready, running];
        assert_eq!(record(&db, &all).await, [New(1), New(2), New(3), New(4)]);
        assert_eq!(read!(db, conn => spec_result::last(conn)), 4);
        for (number, result) in (1..).zip(&all) {
            let stored = read!(db, conn => spec_result::get(conn, &result.id)).unwrap();
            assert_eq!((stored.number, stored.recorded_at), (number, at(0)));
            assert_eq!(&stored.result, result);
            assert_eq!(serde_json::to_string(&stored.result).unwrap(), serde_json::to_string(result).unwrap());
        }
        // Every status, each with a code of its own.
        for (n, status) in (100..).zip(Status::ALL) {
            let result = with_status(result_of(&n.to_string(), "bbbb0001", "s"), *status);
            record(&db, std::slice::from_ref(&result)).await;
            assert_eq!(read!(db, conn => spec_result::get(conn, &result.id)).unwrap().result, result, "{status}");
        }
    }

    async fn times_are_cut_to_microseconds_and_a_repetition_is_still_one(db: TestDb) {
        let db = db.open().await;
        let fine = SpecResult { started_at: Some(micros(5) + TimeDelta::nanoseconds(999)), ..result_of("1", "a", "s") };
        assert_eq!(record(&db, std::slice::from_ref(&fine)).await, [New(1)]);
        let stored = read!(db, conn => spec_result::get(conn, "1")).unwrap();
        assert_eq!(stored.result.started_at, Some(micros(5)));
        assert_eq!(record(&db, &[fine, stored.result]).await, [Same(1), Same(1)]);
    }

    async fn what_is_brought_again_is_known_again(db: TestDb) {
        let db = db.open().await;
        let result = result_of("1", "a", "s");
        let other = with_status(result.clone(), Status::Failed);
        assert_eq!(record(&db, &[result.clone(), result.clone(), other.clone()]).await, [New(1), Same(1), Conflict(1)]);
        assert_eq!(
            record(&db, &[other, result.clone(), result_of("2", "a", "s")]).await,
            [Conflict(1), Same(1), New(2)]
        );
        // It does not become live again.
        assert_eq!(record(&db, std::slice::from_ref(&result)).await, [Same(1)]);
        assert_eq!(live(&db).await, [("1".to_owned(), false), ("2".to_owned(), true)].into());
        assert_eq!(read!(db, conn => spec_result::get(conn, "1")).unwrap().result, result);
        assert_eq!(read!(db, conn => spec_result::last(conn)), 2);
        // Anything else in it makes it another.
        for change in [
            SpecResult { session: "t".into(), ..result.clone() },
            SpecResult { spec_id: "b".into(), ..result.clone() },
            SpecResult { names: None, ..result.clone() },
            SpecResult { workspace: None, ..result.clone() },
            SpecResult { started_at: None, ..result.clone() },
            SpecResult { measurements: serde_json::Map::new(), ..result.clone() },
            SpecResult { status: result.status.clone().because("x"), ..result.clone() },
        ] {
            assert_eq!(record(&db, &[change]).await, [Conflict(1)]);
        }
    }

    async fn the_last_of_a_spec_in_a_session_is_live(db: TestDb) {
        let db = db.open().await;
        let one = |id, spec, session| result_of(id, spec, session);
        assert_eq!(
            record(
                &db,
                &[one("1", "a", "s"), one("2", "a", "s"), one("3", "b", "s"), one("4", "a", "t"), one("5", "a", "s")]
            )
            .await,
            [New(1), New(2), New(3), New(4), New(5)]
        );
        let are = |live: &BTreeMap<String, bool>| {
            live.iter().filter(|(_, live)| **live).map(|(id, _)| id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(are(&live(&db).await), ["3", "4", "5"]);
        record(&db, &[one("6", "a", "s"), one("7", "c", "s"), one("8", "b", "s"), one("9", "b", "s")]).await;
        assert_eq!(are(&live(&db).await), ["4", "6", "7", "9"]);
        assert_eq!(live(&db).await.len(), 9);
    }

    async fn the_newest_is_of_the_greatest_session_by_its_bytes(db: TestDb) {
        let db = db.open().await;
        let sessions = ["run10", "run9", "Run99", "ru", "run9"];
        let results: Vec<SpecResult> =
            (1..).zip(sessions).map(|(n, session)| result_of(&n.to_string(), "a", session)).collect();
        record(&db, &results).await;
        assert_eq!(newest_ids(&db, &["a"]).await, ["5"]);
        for (n, session) in (6..).zip(["\u{fffd}", "\u{1F600}", "é", "e\u{301}"]) {
            record(&db, &[result_of(&n.to_string(), "b", session)]).await;
        }
        record(&db, &[result_of("10", "A", "s")]).await;
        assert_eq!(newest_ids(&db, &["b", "a", "none", "b", "A"]).await, ["10", "5", "7"]);
        assert_eq!(newest_ids(&db, &[]).await, Vec::<String>::new());
        let page = async |limit, after: Option<&str>| {
            let page = Stretch { limit, after: after.map(str::to_owned) };
            let (rows, more) = read!(db, conn => spec_result::newest_all(conn, &page));
            let (standings, also) = read!(db, conn => spec_result::standings(conn, &page));
            assert!(
                standings.iter().map(|standing| standing.number).eq(rows.iter().map(|row| row.number)) && more == also
            );
            (rows.into_iter().map(|row| row.result.id).collect::<Vec<_>>(), more)
        };
        let strings = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(page(9, None).await, (strings(&["10", "5", "7"]), false));
        assert_eq!(page(3, None).await, (strings(&["10", "5", "7"]), false));
        assert_eq!(page(2, None).await, (strings(&["10", "5"]), true));
        assert_eq!(page(2, Some("a")).await, (strings(&["7"]), false));
        assert_eq!(page(2, Some("b")).await, (vec![], false));
        let by_session = read!(db, conn => spec_result::history(conn, &["b"], &everything())).0;
        assert_eq!(ids(&by_session), ["9", "8", "6", "7"]);
    }

    async fn histories_go_by_session(db: TestDb) {
        let db = db.open().await;
        let results = [
            ("1", "ab", "s3"),
            ("2", "ab", "s1"),
            ("3", "ab", "s2"),
            ("4", "ab", "s2"),
            ("5", "ac", "s2"),
            ("6", "a", "s2"),
            ("7", "b", "s0"),
            ("8", "a%", "s9"),
            ("9", "AB", "s0"),
            ("10", "a_b", "s0"),
        ];
        let results: Vec<SpecResult> = results.iter().map(|(id, spec, session)| result_of(id, spec, session)).collect();
        record(&db, &results).await;
        let (all, more) = read!(db, conn => spec_result::history(conn, &["ac", "ab", "none", "ab"], &everything()));
        assert_eq!((ids(&all), more), (vec!["2", "4", "5", "1"], false));
        let (all, _) = read!(db, conn => spec_result::history(conn, &[] as &[&str], &everything()));
        assert_eq!(ids(&all), Vec::<&str>::new());
        let page = async |prefix, limit, after: Option<(&str, &str)>| {
            let page = Stretch { limit, after: after.map(|(session, spec)| (session.to_owned(), spec.to_owned())) };
            let (rows, more) = read!(db, conn => spec_result::history_by_prefix(conn, prefix, &page));
            (rows.into_iter().map(|row| row.result.id).collect::<Vec<_>>().join(" "), more)
        };
        assert_eq!(page("ab", 9, None).await, ("2 4 1".into(), false));
        assert_eq!(page("a", 9, None).await, ("10 2 6 4 5 1 8".into(), false));
        assert_eq!(page("a", 3, None).await, ("10 2 6".into(), true));
        assert_eq!(page("a", 3, Some(("s2", "a"))).await, ("4 5 1".into(), true));
        assert_eq!(page("a", 3, Some(("s3", "ab"))).await, ("8".into(), false));
        assert_eq!(page("", 99, None).await.0.split(' ').count(), 9);
        assert_eq!(page("a%", 9, None).await, ("8".into(), false));
        assert_eq!(page("A", 9, None).await, ("9".into(), false));
        assert_eq!(page("\u{10ffff}", 9, None).await, (String::new(), false));
        let second = Stretch { limit: 1, after: Some(("s1".into(), "ab".into())) };
        let (rows, more) = read!(db, conn => spec_result::history(conn, &["ab"], &second));
        assert_eq!((ids(&rows), more), (vec!["4"], true));
    }

    async fn listings_are_narrowed_and_newest_first(db: TestDb) {
        let db = db.open().await;
        let words = [Status::Success, Status::Failed, Status::Timeout, Status::XFail, Status::Blocked, Status::Failed];
        let results: Vec<SpecResult> = (1..)
            .zip(words)
            .map(|(n, status)| with_status(result_of(&n.to_string(), ["a", "b"][n % 2], ["s", "t"][n / 4]), status))
            .collect();
        record(&db, &results).await;
        let of = async |filter: Filter, limit, after| {
            let (rows, more) = read!(db, conn => spec_result::list(conn, &filter, &Stretch { limit, after }));
            (ids(&rows).join(" "), more)
        };
        let any = Filter::default;
        assert_eq!(of(any(), 9, None).await, ("6 5 4 3 2 1".into(), false));
        assert_eq!(of(any(), 2, None).await, ("6 5".into(), true));
        assert_eq!(of(any(), 4, Some(5)).await, ("4 3 2 1".into(), false));
        assert_eq!(of(any(), 3, Some(5)).await, ("4 3 2".into(), true));
        assert_eq!(of(Filter { spec_id: Some("a".into()), ..any() }, 9, None).await.0, "6 4 2");
        assert_eq!(of(Filter { session: Some("s".into()), ..any() }, 9, None).await.0, "3 2 1");
        assert_eq!(of(Filter { category: Some(Category::Fail), ..any() }, 9, None).await.0, "6 3 2");
        assert_eq!(of(Filter { category: Some(Category::Pass), ..any() }, 1, None).await, ("4".into(), true));
        assert_eq!(of(Filter { status: Some(Status::Failed), ..any() }, 9, Some(6)).await.0, "2");
        assert_eq!(of(Filter { live: Some(true), ..any() }, 9, None).await.0, "6 5 3 2");
        assert_eq!(of(Filter { live: Some(false), ..any() }, 9, None).await.0, "4 1");
        let all = Filter {
            spec_id: Some("a".into()),
            session: Some("t".into()),
            category: Some(Category::Fail),
            status: Some(Status::Failed),
            live: Some(true),
        };
        assert_eq!(of(all.clone(), 9, None).await.0, "6");
        assert_eq!(of(Filter { status: Some(Status::Success), ..all }, 9, None).await.0, "");
    }

    async fn an_index_follows_by_numbers(db: TestDb) {
        let db = db.open().await;
        record(&db, &[result_of("1", "a", "s"), with_status(result_of("2", "a", "s"), Status::Blocked)]).await;
        record(&db, &[result_of("1", "a", "s"), result_of("3", "b", "s")]).await;
        let page = async |limit, after| {
            let (rows, more) = read!(db, conn => spec_result::standings_after(conn, &Stretch { limit, after }));
            (rows.iter().map(|row| row.number).collect::<Vec<_>>(), more)
        };
        assert_eq!(page(9, None).await, (vec![1, 2, 3], false));
        assert_eq!(page(2, None).await, (vec![1, 2], true));
        assert_eq!(page(2, Some(2)).await, (vec![3], false));
        assert_eq!(page(2, Some(3)).await, (vec![], false));
        let (rows, _) = read!(db, conn => spec_result::standings_after(conn, &Stretch { limit: 1, after: Some(1) }));
        let want = result_of("2", "a", "s");
        let row = &rows[0];
        assert_eq!((row.spec_id.as_str(), row.session.as_str()), ("a", "s"));
        assert_eq!((row.category, row.status), (Category::Skip, Status::Blocked));
        assert_eq!(row.state, CaseStatus::of(Status::Blocked).state());
        assert_eq!((row.started_at, row.finished_at), (want.started_at, want.finished_at));
    }

    async fn what_is_not_committed_did_not_happen(db: TestDb) {
        let db = db.open().await;
        record(&db, &[result_of("1", "a", "s")]).await;
        let mut tx = db.begin().await.unwrap();
        let done = spec_result::record(&mut tx.conn(), &[result_of("2", "a", "s")], at(0)).await.unwrap();
        assert_eq!(done, [New(2)]);
        drop(tx);
        assert_eq!(live(&db).await, [("1".to_owned(), true)].into());
        assert_eq!(record(&db, &[result_of("3", "a", "s")]).await, [New(2)]);
    }

    /// Calls of random sizes over few specs and sessions, held against the plain rules.
    async fn what_is_recorded_is_what_the_rules_say(db: TestDb) {
        let db = db.open().await;
        let mut seed = 1_u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let specs: Vec<String> = (0..7).map(|n| format!("spec{n}")).collect();
        let sessions = ["run1", "run10", "run9", "ä", ""];
        let mut came: Vec<SpecResult> = Vec::new();
        for _ in 0..60 {
            let mut call = Vec::new();
            let mut expected = Vec::new();
            for _ in 0..draw(40) {
                let id = draw(900).to_string();
                let spec = &specs[usize::try_from(draw(7)).unwrap()];
                let mut result = result_of(&id, spec, sessions[usize::try_from(draw(5)).unwrap()]);
                let brought_again = came.iter().position(|known| known.id == id);
                if let Some(place) = brought_again
                    && draw(2) == 0
                {
                    result = came[place].clone();
                }
                expected.push(match brought_again {
                    None => {
                        came.push(result.clone());
                        New(i64::try_from(came.len()).unwrap())
                    }
                    Some(place) if came[place] == result => Same(i64::try_from(place + 1).unwrap()),
                    Some(place) => Conflict(i64::try_from(place + 1).unwrap()),
                });
                call.push(result);
            }
            assert_eq!(record(&db, &call).await, expected);
        }
        assert!(came.len() > 300, "{}", came.len());
        let (all, _) = read!(db, conn => spec_result::newest_all(conn, &everything()));
        let want: Vec<&SpecResult> = newest(&came).into_values().collect();
        assert_eq!(all.iter().map(|stored| &stored.result).collect::<Vec<_>>(), want);
        let of_all = read!(db, conn => spec_result::newest(conn, &specs));
        assert_eq!(of_all, all);
        for spec in &specs {
            let (all, _) = read!(db, conn => spec_result::history(conn, &[spec.as_str()], &everything()));
            assert!(all.iter().all(|stored| stored.live));
            assert_eq!(all.iter().map(|stored| &stored.result).collect::<Vec<_>>(), history(&came, spec));
        }
        let (all, _) = read!(db, conn => spec_result::list(conn, &Filter::default(), &everything()));
        assert_eq!(all.iter().rev().map(|stored| &stored.result).collect::<Vec<_>>(), came.iter().collect::<Vec<_>>());
    }

    async fn thousands_go_in_at_once(db: TestDb) {
        const MANY: usize = 12_000;
        let db = db.open().await;
        let results: Vec<SpecResult> = (0..MANY)
            .map(|n| result_of(&n.to_string(), &hex::encode(digest(&(n / 3).to_string())), ["s", "t"][n % 2]))
            .collect();
        let recorded = record(&db, &results[..8_000]).await;
        assert!(recorded.iter().zip(1..).all(|(recorded, number)| *recorded == New(number)));
        let recorded = record(&db, &results).await;
        assert!(recorded.iter().zip(1..8_001).all(|(recorded, number)| *recorded == Same(number)));
        assert!(recorded.iter().zip(1..).skip(8_000).all(|(recorded, number)| *recorded == New(number)));
        let mut page = Stretch { limit: 1_000, after: None };
        let mut found = Vec::new();
        loop {
            let (rows, more) = read!(db, conn => spec_result::standings(conn, &page));
            page.after = rows.last().map(|row| row.spec_id.clone());
            found.extend(rows);
            if !more {
                break;
            }
        }
        let want: Vec<&SpecResult> = newest(&results).into_values().collect();
        assert_eq!(found.len(), MANY / 3);
        assert!(
            found.iter().zip(want).all(|(found, want)| found.spec_id == want.spec_id && found.session == want.session)
        );
    }
}
