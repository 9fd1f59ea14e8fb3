//! Specs: what replaces what, what waits for what, and what an index is loaded from.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testyard::domain::spec::prefix::Prefix;
use testyard::domain::spec::{Dependency, Spec};
use testyard::store::page::Stretch;
use testyard::store::spec::{Edge, State, Written};
use testyard::store::{Db, Error, spec};

use super::{at, committed, digest, micros, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

/// A spec of this id that waits for these, each with what is wanted of it.
pub(super) fn a_spec(id: &str, dependencies: &[(&str, &str)]) -> Spec {
    Spec {
        id: id.into(),
        file_path: "solver/mesh.pyt".into(),
        family: "mesh".into(),
        timeout: 300.0,
        dependencies: dependencies
            .iter()
            .map(|(id, when)| Dependency { id: (*id).into(), when: (*when).into() })
            .collect(),
        ..Spec::default()
    }
}

fn edge(spec: &str, place: i64, dependency: &str, wanted: &str) -> Edge {
    Edge { spec_id: spec.into(), place, dependency_id: dependency.into(), wanted: wanted.into() }
}

/// Makes the next revision of these specs.
async fn put(db: &Db, specs: &[&Spec]) -> Written {
    let mut tx = db.begin().await.unwrap();
    let conn = &mut tx.conn();
    let revision = spec::lock(conn).await.unwrap().revision + 1;
    let written = spec::put(conn, revision, at(revision), specs).await.unwrap();
    tx.commit().await.unwrap();
    written
}

async fn all_edges(db: &Db) -> Vec<Edge> {
    let (edges, more) = read!(db, conn => spec::edges(conn, None, &Stretch { limit: 100_000, after: None }));
    assert!(!more);
    edges
}

/// As many ids as asked for, of 64 digits that tell nothing of their order.
fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| hex::encode(digest(&n.to_string()))).collect()
}

on_both! {
    async fn there_are_none_at_first(db: TestDb) {
        let db = db.open().await;
        assert_eq!(read!(db, conn => spec::state(conn)), State { revision: 0, specs: 0 });
        assert_eq!(committed!(db, conn => spec::lock(conn)), State { revision: 0, specs: 0 });
        assert_eq!(read!(db, conn => spec::get(conn, "aaaa0001")), None);
        assert_eq!(read!(db, conn => spec::list(conn, &Stretch { limit: 9, after: None })), (vec![], false));
        assert_eq!(
            read!(db, conn => spec::changed_since(conn, 0, &Stretch { limit: 9, after: None })),
            (vec![], false)
        );
        assert_eq!(all_edges(&db).await, []);
        assert_eq!(put(&db, &[]).await, Written { created: 0, replaced: 0 });
        assert_eq!(read!(db, conn => spec::existing(conn, &["aaaa0001", ""])), Vec::<String>::new());
        assert_eq!(read!(db, conn => spec::existing(conn, &[] as &[&str])), Vec::<String>::new());
    }

    async fn a_spec_comes_back_as_it_was_put(db: TestDb) {
        let db = db.open().await;
        let values = json!({
            "np": 4, "whole": 2.0, "huge": 1e16, "hugest": 1e300, "tiny": 1e-7, "zero": -0.0, "most": u64::MAX,
            "least": i64::MIN,
            "sum": 0.1 + 0.2, "text": "ä\"'\\\u{1F600}\u{7f} \n", "none": null, "yes": true,
            "list": [[], {}, {"b": 1, "a": 2.50}],
        });
        let mut full = a_spec("aaaa0001", &[("aaaa0002", "success"), ("aaaa0002", "*"), ("ffffffff", "SKIP")]);
        full.parameters = serde_json::from_value(values.clone()).unwrap();
        full.meta_parameters = full.parameters.clone();
        full.attributes = full.parameters.clone();
        full.keywords = vec!["schnell".into(), "ß\u{1F600}".into()];
        full.owners = Some(vec![]);
        full.command = Some(values.as_object().unwrap().clone());
        full.timeout = 0.1;
        put(&db, &[&full]).await;
        let stored = read!(db, conn => spec::get(conn, "aaaa0001")).unwrap();
        assert_eq!(stored.document.0, full);
        assert_eq!((stored.id.as_str(), stored.revision), ("aaaa0001", 1));
        assert_eq!((stored.created_at, stored.updated_at), (at(1), at(1)));
        // -0.0 equals 0.0, and 1e16 a whole number, to most questions.
        let written = |spec: &Spec| serde_json::to_string(&spec.parameters).unwrap();
        assert_eq!(written(&stored.document.0), written(&full));
        assert!(matches!(&stored.document.0.parameters["huge"], Value::Number(huge) if huge.is_f64()));
        assert_eq!(stored.document.0.name(), full.name());
    }

    async fn a_spec_takes_the_place_of_the_one_of_its_id(db: TestDb) {
        let db = db.open().await;
        let (a, b) = (a_spec("aaaa0001", &[("aaaa0002", "*"), ("cccc0000", "success")]), a_spec("aaaa0002", &[]));
        assert_eq!(put(&db, &[&a, &b]).await, Written { created: 2, replaced: 0 });
        let b = a_spec("aaaa0002", &[("aaaa0001", "*")]);
        let a = Spec { family: "other".into(), ..a_spec("aaaa0001", &[("dddd0000", "FAIL"), ("aaaa0002", "success")]) };
        let c = a_spec("bbbb0001", &[]);
        assert_eq!(put(&db, &[&c, &a]).await, Written { created: 1, replaced: 1 });
        assert_eq!(put(&db, &[&b]).await, Written { created: 0, replaced: 1 });
        assert_eq!(read!(db, conn => spec::state(conn)), State { revision: 3, specs: 3 });
        let stored = read!(db, conn => spec::get(conn, "aaaa0001")).unwrap();
        assert_eq!((stored.created_at, stored.updated_at, stored.revision), (at(1), at(2), 2));
        assert_eq!(stored.document.0, a);
        // Those that wait for it stay, as does their order; nothing is left of what it waited for before.
        assert_eq!(
            all_edges(&db).await,
            [
                edge("aaaa0001", 0, "dddd0000", "FAIL"),
                edge("aaaa0001", 1, "aaaa0002", "success"),
                edge("aaaa0002", 0, "aaaa0001", "*"),
            ]
        );
    }

    async fn of_two_of_one_id_in_one_call_the_later_counts(db: TestDb) {
        let db = db.open().await;
        let (first, last) = (a_spec("aaaa0001", &[("cccc0000", "*")]), a_spec("aaaa0001", &[("dddd0000", "*")]));
        assert_eq!(put(&db, &[&first, &first, &last]).await, Written { created: 1, replaced: 0 });
        assert_eq!(read!(db, conn => spec::state(conn)).specs, 1);
        assert_eq!(all_edges(&db).await, [edge("aaaa0001", 0, "dddd0000", "*")]);
        assert_eq!(put(&db, &[&last, &first]).await, Written { created: 0, replaced: 1 });
        assert_eq!(read!(db, conn => spec::get(conn, "aaaa0001")).unwrap().document.0, first);
    }

    async fn the_same_result_of_the_same_spec_is_waited_for_once(db: TestDb) {
        let db = db.open().await;
        let twice = a_spec("aaaa0001", &[("cccc0000", "*"), ("dddd0000", "*"), ("cccc0000", "*")]);
        let error = refused!(db, conn => spec::put(conn, 1, at(1), &[&twice]));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        assert_eq!(read!(db, conn => spec::state(conn)), State { revision: 0, specs: 0 });
        assert_eq!(read!(db, conn => spec::get(conn, "aaaa0001")), None);
    }

    async fn a_change_may_take_several_calls(db: TestDb) {
        let db = db.open().await;
        let (a, b) = (a_spec("aaaa0001", &[]), a_spec("aaaa0002", &[]));
        let mut tx = db.begin().await.unwrap();
        for one in [&a, &b] {
            spec::put(&mut tx.conn(), 1, at(1), &[one]).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(read!(db, conn => spec::state(conn)), State { revision: 1, specs: 2 });
    }

    async fn thousands_go_in_and_come_out_page_by_page(db: TestDb) {
        const MANY: usize = 12_000;
        let db = db.open().await;
        let ids = ids(MANY);
        let specs: Vec<Spec> = (0..MANY)
            .map(|n| a_spec(&ids[n], &[(&ids[(n * 7 + 1) % MANY], "success"), (&ids[(n * 5 + 2) % MANY], "*")]))
            .collect();
        let all: Vec<&Spec> = specs.iter().collect();
        let count = u64::try_from(MANY).unwrap();
        assert_eq!(put(&db, &all[..100]).await, Written { created: 100, replaced: 0 });
        assert_eq!(put(&db, &all).await, Written { created: count - 100, replaced: 100 });
        assert_eq!(put(&db, &all).await, Written { created: 0, replaced: count });
        assert_eq!(read!(db, conn => spec::state(conn)), State { revision: 3, specs: 12_000 });
        let sorted: Vec<String> = ids.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();

        let (mut found, mut edges) = (Vec::new(), Vec::new());
        let mut page = Stretch { limit: 5_000, after: None };
        loop {
            let (rows, more) = read!(db, conn => spec::changed_since(conn, 2, &page));
            page.after = rows.last().map(|row| (row.revision, row.id.clone()));
            found.extend(rows.into_iter().map(|row| row.id));
            if !more {
                break;
            }
        }
        assert!(found == sorted);
        let mut page = Stretch { limit: 7_000, after: None };
        loop {
            let (rows, more) = read!(db, conn => spec::edges(conn, None, &page));
            page.after = rows.last().map(|row| (row.spec_id.clone(), row.place));
            edges.extend(rows);
            if !more {
                break;
            }
        }
        assert_eq!(edges.len(), 2 * MANY);
        let mut want: Vec<Edge> = specs
            .iter()
            .flat_map(|spec| (0..).zip(&spec.dependencies).map(|(n, on)| edge(&spec.id, n, &on.id, &on.when)))
            .collect();
        want.sort_by(|a, b| (&a.spec_id, a.place).cmp(&(&b.spec_id, b.place)));
        assert!(edges == want);

        // Of given ids, more of them than one statement takes, with pages that end where they like.
        let asked: Vec<&str> = ids.iter().step_by(2).map(String::as_str).chain(["cccc"]).collect();
        let want: Vec<&Edge> = want.iter().filter(|edge| asked.contains(&edge.spec_id.as_str())).collect();
        let mut edges = Vec::new();
        let mut page = Stretch { limit: 4_999, after: None };
        loop {
            let (rows, more) = read!(db, conn => spec::edges(conn, Some(&asked), &page));
            assert!(rows.len() == 4_999 || !more);
            page.after = rows.last().map(|row| (row.spec_id.clone(), row.place));
            edges.extend(rows);
            if !more {
                break;
            }
        }
        assert!(edges.iter().collect::<Vec<_>>() == want);

        let found = read!(db, conn => spec::existing(conn, &asked));
        assert_eq!(found.len(), MANY / 2);
        let found = read!(db, conn => spec::get_many(conn, &ids));
        assert_eq!(found.len(), MANY);
    }

    async fn ids_that_are_asked_for_twice_are_found_once(db: TestDb) {
        let db = db.open().await;
        put(&db, &[&a_spec("aaaa0001", &[]), &a_spec("aaaa0002", &[])]).await;
        let asked = ["aaaa0002", "aaaa0001", "aaaa0002", "eeee0000", "", "AAAA0001", "a\"b'\\", "\0", "\u{1F600}"];
        let mut found = read!(db, conn => spec::existing(conn, &asked));
        found.sort();
        assert_eq!(found, ["aaaa0001", "aaaa0002"]);
        let found = read!(db, conn => spec::get_many(conn, &asked));
        assert_eq!(found.iter().map(|stored| &stored.id).collect::<BTreeSet<_>>().len(), 2);
        assert_eq!(found.len(), 2);
        assert_eq!(read!(db, conn => spec::get_many(conn, &[] as &[&str])), []);
    }

    async fn an_id_is_found_by_its_beginning(db: TestDb) {
        let db = db.open().await;
        let ids = ["00000000", "0000000000", "abc00000", "abc00001", "abcfffff", "abd00000", "ff000000", "ffffffff"];
        let specs: Vec<Spec> = ids.iter().map(|id| a_spec(id, &[])).collect();
        put(&db, &specs.iter().collect::<Vec<_>>()).await;
        for prefix in
            ["0", "00000000", "0000000000", "a", "abc", "abcf", "abd", "abe", "f", "ff", "ffffffff", "fffffffff", "1"]
        {
            for limit in [1, 2, 100] {
                let want: Vec<&str> = ids
                    .iter()
                    .copied()
                    .filter(|id| id.starts_with(prefix))
                    .take(usize::try_from(limit).unwrap())
                    .collect();
                let prefix = Prefix::parse(prefix).unwrap();
                assert_eq!(read!(db, conn => spec::with_prefix(conn, &prefix, limit)), want, "{prefix:?} {limit}");
            }
        }
    }

    async fn specs_are_listed_by_id(db: TestDb) {
        let db = db.open().await;
        let ids = ["bbbb0000", "aaaa0000", "0000000000", "00000000", "ffffffff"];
        let specs: Vec<Spec> = ids.iter().map(|id| a_spec(id, &[])).collect();
        put(&db, &specs.iter().collect::<Vec<_>>()).await;
        let page = async |limit, after: Option<&str>| {
            let page = Stretch { limit, after: after.map(str::to_owned) };
            let (rows, more) = read!(db, conn => spec::list(conn, &page));
            (rows.into_iter().map(|row| row.id).collect::<Vec<_>>(), more)
        };
        let (rows, more) = page(2, None).await;
        assert_eq!((rows, more), (vec!["00000000".to_owned(), "0000000000".to_owned()], true));
        let (rows, more) = page(3, Some("0000000000")).await;
        assert_eq!((rows, more), (vec!["aaaa0000".to_owned(), "bbbb0000".to_owned(), "ffffffff".to_owned()], false));
        assert_eq!(page(3, Some("ffffffff")).await, (vec![], false));
    }

    async fn an_index_reads_only_what_changed(db: TestDb) {
        let db = db.open().await;
        let [a, b, c] = ["aaaa0000", "bbbb0000", "cccc0000"].map(|id| a_spec(id, &[]));
        put(&db, &[&c, &a, &b]).await;
        put(&db, &[&b]).await;
        put(&db, &[&a]).await;
        let page = async |since, limit, after: Option<(i64, &str)>| {
            let page = Stretch { limit, after: after.map(|(revision, id)| (revision, id.to_owned())) };
            let (rows, more) = read!(db, conn => spec::changed_since(conn, since, &page));
            assert!(rows.iter().all(|row| row.updated_at == at(row.revision)), "{rows:?}");
            (rows.into_iter().map(|row| (row.revision, row.document.0.id)).collect::<Vec<_>>(), more)
        };
        let [first, second, third] =
            [(1, "cccc0000"), (2, "bbbb0000"), (3, "aaaa0000")].map(|(n, id)| (n, id.to_owned()));
        assert_eq!(page(0, 9, None).await, (vec![first.clone(), second.clone(), third.clone()], false));
        assert_eq!(page(0, 2, None).await, (vec![first, second.clone()], true));
        assert_eq!(page(0, 2, Some((2, "bbbb0000"))).await, (vec![third.clone()], false));
        assert_eq!(page(1, 9, None).await, (vec![second, third.clone()], false));
        // A place before the revision that is asked for leads back to nothing.
        assert_eq!(page(2, 9, Some((1, "aaaa0000"))).await, (vec![third], false));
        assert_eq!(page(3, 9, None).await, (vec![], false));
    }

    async fn those_that_wait_for_a_spec_are_found(db: TestDb) {
        let db = db.open().await;
        let specs = [
            a_spec("aaaa0001", &[("ffffffff", "*")]),
            a_spec("aaaa0002", &[("aaaa0001", "*"), ("ffffffff", "success"), ("ffffffff", "FAIL")]),
            a_spec("aaaa0003", &[("aaaa0003", "*"), ("ffffffff", "*")]),
        ];
        put(&db, &specs.iter().collect::<Vec<_>>()).await;
        let of = async |id, limit, after: Option<&str>| {
            let page = Stretch { limit, after: after.map(str::to_owned) };
            read!(db, conn => spec::dependents(conn, id, &page))
        };
        let all = vec!["aaaa0001".to_owned(), "aaaa0002".to_owned(), "aaaa0003".to_owned()];
        assert_eq!(of("ffffffff", 9, None).await, (all.clone(), false));
        assert_eq!(of("ffffffff", 2, None).await, (all[..2].to_vec(), true));
        assert_eq!(of("ffffffff", 2, Some("aaaa0002")).await, (all[2..].to_vec(), false));
        assert_eq!(of("aaaa0003", 9, None).await, (all[2..].to_vec(), false));
        assert_eq!(of("aaaa0002", 9, None).await, (vec![], false));
    }

    async fn changes_at_once_are_made_one_after_the_other(db: TestDb) {
        let db = db.open().await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8_u32 {
            let db = db.clone();
            writers.spawn(async move {
                for round in 0..5_u32 {
                    let mine = a_spec(&format!("aaaa{writer:02}{round:02}"), &[("ffffffff", "*")]);
                    let shared = a_spec("bbbb0000", &[(&format!("cccc{writer:04}"), "*")]);
                    put(&db, &[&shared, &mine]).await;
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        assert_eq!(read!(db, conn => spec::state(conn)), State { revision: 40, specs: 41 });
        let (rows, _) = read!(db, conn => spec::changed_since(conn, 0, &Stretch { limit: 100, after: None }));
        let revisions: BTreeSet<i64> = rows.iter().map(|row| row.revision).collect();
        assert_eq!((rows.len(), revisions.len()), (41, 40));
        let of_shared = read!(db, conn => spec::edges(conn, Some(&["bbbb0000"]), &Stretch { limit: 9, after: None })).0;
        assert_eq!(of_shared.len(), 1);
    }

    async fn times_are_kept_to_the_microsecond(db: TestDb) {
        let db = db.open().await;
        committed!(db, conn => spec::put(conn, 1, micros(123_456), &[&a_spec("aaaa0001", &[])]));
        assert_eq!(read!(db, conn => spec::get(conn, "aaaa0001")).unwrap().created_at, micros(123_456));
    }
}
