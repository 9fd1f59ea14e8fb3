//! Selections: what is in them, what they are called, and what is read of them page by page.

use serde_json::{Value, json};
use testyard::store::page::Stretch;
use testyard::store::selection::{Member, NewMask, NewMember, NewSelection, Reported};
use testyard::store::verbatim::Verbatim;
use testyard::store::{Db, Error, selection};

use super::{committed, digest, micros, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

/// A selection that is called so, with what may be difficult to keep.
pub(super) fn a_selection(tag: &str) -> NewSelection {
    NewSelection {
        tag: tag.into(),
        now: micros(7),
        created_by: Some("ann".into()),
        spec_set_revision: 3,
        spec_set_id: "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945".into(),
        rules: vec![json!({"type": "keyword", "expressions": ["a and 'b'"]}), json!(1e16), json!(null)],
        metadata: json!({"z": 1, "a": {"deep": [true, null, -0.0, "ä\u{1F600}"]}}).as_object().unwrap().clone(),
        hooks: vec![json!({"url": "https://example.org/?a='b'", "on": ["start"], "optional": false})],
        hook_rules: vec![json!({"type": "ids", "ids": ["\u{1F600}"]}), json!(-0.0)],
    }
}

fn selected(spec_id: &str) -> NewMember<'_> {
    NewMember { spec_id, mask: None }
}

fn masked<'a>(spec_id: &'a str, reason: &'a Value, cause_id: Option<&'a str>) -> NewMember<'a> {
    NewMember { spec_id, mask: Some(NewMask { reason, cause_id }) }
}

fn member(spec_id: &str, reason: Option<&Value>, cause_id: Option<&str>) -> Member {
    Member { spec_id: spec_id.into(), reason: reason.cloned().map(Verbatim), cause_id: cause_id.map(str::to_owned) }
}

fn everything<K>() -> Stretch<K> {
    Stretch { limit: 1_000, after: None }
}

async fn all_selected(db: &Db, tag: &str) -> Vec<String> {
    read!(db, conn => selection::selected(conn, tag, &everything())).0
}

async fn tags(db: &Db) -> Vec<String> {
    read!(db, conn => selection::list(conn, &everything())).0.into_iter().map(|selection| selection.tag).collect()
}

on_both! {
    async fn nothing_is_known_of_a_tag_that_is_not_there(db: TestDb) {
        let db = db.open().await;
        assert_eq!(read!(db, conn => selection::get(conn, "smoke")), None);
        assert_eq!(read!(db, conn => selection::list(conn, &everything())), (vec![], false));
        assert_eq!(read!(db, conn => selection::selected(conn, "smoke", &everything())), (vec![], false));
        assert_eq!(read!(db, conn => selection::masked(conn, "smoke", None, &everything())), (vec![], false));
        assert_eq!(read!(db, conn => selection::member(conn, "smoke", "a")), None);
        assert_eq!(read!(db, conn => selection::report(conn, "smoke", 9)), []);
        assert!(!committed!(db, conn => selection::rename(conn, "smoke", "other")));
        assert!(!committed!(db, conn => selection::delete(conn, "smoke")));
    }

    async fn a_selection_comes_back_as_it_was_put(db: TestDb) {
        let db = db.open().await;
        let new = a_selection("smoke");
        let (keyword, dependency) =
            (json!({"type": "keyword", "expression": "x or \"y\""}), json!({"type": "dependency"}));
        let members = [
            selected("cccc"),
            masked("aaaa", &keyword, None),
            selected("bbbb"),
            masked("dddd", &dependency, Some("aaaa")),
            masked("eeee", &dependency, Some("dddd")),
        ];
        committed!(db, conn => selection::put(conn, &new, &members));
        let stored = read!(db, conn => selection::get(conn, "smoke")).unwrap();
        assert_eq!((stored.tag.as_str(), stored.created_at), ("smoke", new.now));
        assert_eq!(
            (stored.created_by, stored.spec_set_revision, stored.spec_set_id),
            (new.created_by, 3, new.spec_set_id)
        );
        assert_eq!((stored.selected, stored.masked), (2, 3));
        assert_eq!(serde_json::to_string(&stored.rules.0).unwrap(), serde_json::to_string(&new.rules).unwrap());
        assert_eq!(serde_json::to_string(&stored.metadata.0).unwrap(), serde_json::to_string(&new.metadata).unwrap());
        assert_eq!(serde_json::to_string(&stored.hooks.0).unwrap(), serde_json::to_string(&new.hooks).unwrap());
        assert_eq!(serde_json::to_string(&stored.hook_rules.0).unwrap(), serde_json::to_string(&new.hook_rules).unwrap());
        assert_eq!(all_selected(&db, "smoke").await, ["bbbb", "cccc"]);
        let (all, more) = read!(db, conn => selection::masked(conn, "smoke", None, &everything()));
        let want = [
            member("aaaa", Some(&keyword), None),
            member("dddd", Some(&dependency), Some("aaaa")),
            member("eeee", Some(&dependency), Some("dddd")),
        ];
        assert_eq!((all.as_slice(), more), (want.as_slice(), false));
        for one in &want {
            assert_eq!(read!(db, conn => selection::member(conn, "smoke", &one.spec_id)).as_ref(), Some(one));
        }
        assert_eq!(read!(db, conn => selection::member(conn, "smoke", "bbbb")), Some(member("bbbb", None, None)));
        assert_eq!(read!(db, conn => selection::member(conn, "smoke", "bbb")), None);
        assert_eq!(read!(db, conn => selection::member(conn, "Smoke", "bbbb")), None);
    }

    async fn it_takes_the_place_of_the_one_of_its_tag(db: TestDb) {
        let db = db.open().await;
        let reason = json!({"type": "ids"});
        let members = [selected("a"), masked("b", &reason, None)];
        committed!(db, conn => selection::put(conn, &a_selection("smoke"), &members));
        committed!(db, conn => selection::put(conn, &a_selection("other"), &[selected("a")]));
        let new = NewSelection { created_by: None, now: micros(9), rules: vec![], ..a_selection("smoke") };
        committed!(db, conn => selection::put(conn, &new, &[selected("b"), selected("c")]));
        let stored = read!(db, conn => selection::get(conn, "smoke")).unwrap();
        assert_eq!((stored.created_by, stored.created_at, stored.rules.0), (None, micros(9), vec![]));
        assert_eq!((stored.selected, stored.masked), (2, 0));
        assert_eq!(all_selected(&db, "smoke").await, ["b", "c"]);
        assert_eq!(read!(db, conn => selection::masked(conn, "smoke", None, &everything())).0, []);
        assert_eq!(read!(db, conn => selection::report(conn, "smoke", 9)), []);
        assert_eq!(all_selected(&db, "other").await, ["a"]);
        // Even by nothing.
        committed!(db, conn => selection::put(conn, &new, &[]));
        let stored = read!(db, conn => selection::get(conn, "smoke")).unwrap();
        assert_eq!((stored.selected, stored.masked), (0, 0));
        assert_eq!(all_selected(&db, "smoke").await, Vec::<String>::new());
    }

    async fn each_that_is_stored_has_a_greater_revision_whatever_its_tag(db: TestDb) {
        let db = db.open().await;
        let put = async |tag: &str| committed!(db, conn => selection::put(conn, &a_selection(tag), &[selected("a")]));
        let revision = async |tag: &str| read!(db, conn => selection::get(conn, tag)).map(|it| it.revision);
        assert_eq!((put("smoke").await, put("other").await, put("smoke").await), (1, 2, 3));
        assert_eq!((revision("smoke").await, revision("other").await), (Some(3), Some(2)));
        assert_eq!(committed!(db, conn => selection::lock(conn, "smoke")), Some(3));
        assert_eq!(committed!(db, conn => selection::lock(conn, "Smoke")), None);
        // Not even what is gone gives its number back, and a new name is no new version.
        assert!(committed!(db, conn => selection::delete(conn, "smoke")));
        assert_eq!(put("smoke").await, 4);
        assert!(committed!(db, conn => selection::rename(conn, "smoke", "nightly")));
        assert_eq!((revision("nightly").await, revision("smoke").await), (Some(4), None));
    }

    async fn whoever_begins_is_told_what_stood_there_and_changes_nothing_alone(db: TestDb) {
        let db = db.open().await;
        let (first, second) = ([selected("a")], [selected("b"), selected("c")]);
        let new = a_selection("smoke");
        {
            let mut tx = db.begin().await.unwrap();
            let begun = selection::begin(&mut tx.conn(), &new, &first).await.unwrap();
            assert_eq!(begun.replaced, None);
            drop(tx);
        }
        assert_eq!(read!(db, conn => selection::get(conn, "smoke")), None);
        for (members, replaced, revision) in [(&first[..], None, 1), (&second[..], Some(1), 2)] {
            let mut tx = db.begin().await.unwrap();
            let begun = selection::begin(&mut tx.conn(), &new, members).await.unwrap();
            assert_eq!(begun.replaced, replaced);
            assert_eq!(selection::finish(&mut tx.conn(), begun).await.unwrap(), revision);
            tx.commit().await.unwrap();
        }
        assert_eq!(all_selected(&db, "smoke").await, ["b", "c"]);
    }

    async fn a_spec_is_in_it_once(db: TestDb) {
        let db = db.open().await;
        committed!(db, conn => selection::put(conn, &a_selection("smoke"), &[selected("a")]));
        let error = refused!(db, conn => selection::put(conn, &a_selection("smoke"), &[selected("b"), selected("b")]));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        assert_eq!(all_selected(&db, "smoke").await, ["a"]);
    }

    async fn tags_sort_by_bytes_and_are_renamed(db: TestDb) {
        let db = db.open().await;
        let reason = json!({"type": "ids"});
        for tag in ["b", "\u{1F600}", "a", "\u{fffd}", "B", "", "a b", "ä", "_"] {
            let members = [selected("x"), masked("y", &reason, Some("z"))];
            committed!(db, conn => selection::put(conn, &a_selection(tag), &members));
        }
        let sorted = ["", "B", "_", "a", "a b", "b", "ä", "\u{fffd}", "\u{1F600}"];
        assert_eq!(tags(&db).await, sorted);
        let page = async |limit, after: Option<&str>| {
            let page = Stretch { limit, after: after.map(str::to_owned) };
            let (rows, more) = read!(db, conn => selection::list(conn, &page));
            (rows.into_iter().map(|row| row.tag).collect::<Vec<_>>(), more)
        };
        assert_eq!(page(2, None).await.0, ["", "B"]);
        assert_eq!(page(2, Some("a b")).await, (vec!["b".to_owned(), "ä".to_owned()], true));
        assert_eq!(page(2, Some("ä")).await, (vec!["\u{fffd}".to_owned(), "\u{1F600}".to_owned()], false));

        assert!(committed!(db, conn => selection::rename(conn, "a", "Z")));
        assert_eq!(read!(db, conn => selection::get(conn, "a")), None);
        assert_eq!(read!(db, conn => selection::get(conn, "Z")).unwrap().metadata.0, a_selection("a").metadata);
        assert_eq!(all_selected(&db, "Z").await, ["x"]);
        assert_eq!(all_selected(&db, "a").await, Vec::<String>::new());
        assert_eq!(read!(db, conn => selection::member(conn, "Z", "y")), Some(member("y", Some(&reason), Some("z"))));
        assert_eq!(read!(db, conn => selection::report(conn, "Z", 9)).len(), 1);
        let error = refused!(db, conn => selection::rename(conn, "Z", "b"));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        assert!(committed!(db, conn => selection::rename(conn, "Z", "Z")));
        assert!(!committed!(db, conn => selection::rename(conn, "a", "b")));
    }

    async fn what_is_deleted_is_gone_with_all_that_is_in_it(db: TestDb) {
        let db = db.open().await;
        let reason = json!({"type": "ids"});
        for tag in ["smoke", "other"] {
            let members = [selected("x"), masked("y", &reason, None)];
            committed!(db, conn => selection::put(conn, &a_selection(tag), &members));
        }
        assert!(committed!(db, conn => selection::delete(conn, "smoke")));
        assert!(!committed!(db, conn => selection::delete(conn, "smoke")));
        assert_eq!(tags(&db).await, ["other"]);
        let left: Vec<(i64, i64)> = read!(db, conn => conn
            .query("SELECT (SELECT count(*) FROM selection_spec), (SELECT count(*) FROM selection_reason)")
            .fetch_all());
        assert_eq!(left, [(2, 1)]);
        assert_eq!(all_selected(&db, "other").await, ["x"]);
    }

    async fn reasons_are_counted_the_most_first(db: TestDb) {
        let db = db.open().await;
        let reason = |n: i64| json!({"type": if n < 3 { "keyword" } else { "parameter" }, "n": n, "ä": "\u{1F600}"});
        let reasons: Vec<Value> = (0..5).map(reason).collect();
        // 2, 3, 3, 1 and 3 of them, first met in the order 1, 0, 2, 4, 3.
        let order = [1, 0, 2, 4, 1, 2, 2, 4, 3, 4, 1, 0];
        let ids: Vec<String> = (0..order.len()).map(|n| format!("{n:04}")).collect();
        let members: Vec<NewMember<'_>> =
            order.iter().zip(&ids).map(|(n, id)| masked(id, &reasons[*n], None)).chain([selected("x")]).collect();
        committed!(db, conn => selection::put(conn, &a_selection("smoke"), &members));
        let want: Vec<Reported> = [(4, 3), (2, 3), (1, 3), (0, 2), (3, 1)]
            .map(|(n, specs)| Reported { reason: Verbatim(reasons[n].clone()), specs })
            .into();
        assert_eq!(read!(db, conn => selection::report(conn, "smoke", 9)), want);
        assert_eq!(read!(db, conn => selection::report(conn, "smoke", 2)), want[..2]);
        let of = async |sort, limit, after: Option<&str>| {
            let page = Stretch { limit, after: after.map(str::to_owned) };
            let (rows, more) = read!(db, conn => selection::masked(conn, "smoke", sort, &page));
            (rows.into_iter().map(|row| row.spec_id).collect::<Vec<_>>(), more)
        };
        let strings = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(of(Some("parameter"), 9, None).await, (strings(&["0003", "0007", "0008", "0009"]), false));
        assert_eq!(of(Some("parameter"), 2, Some("0003")).await, (strings(&["0007", "0008"]), true));
        assert_eq!(of(Some("keyword"), 100, None).await.0.len(), 8);
        assert_eq!(of(Some("Keyword"), 100, None).await, (vec![], false));
        assert_eq!(of(None, 3, Some("0008")).await, (strings(&["0009", "0010", "0011"]), false));
        assert_eq!(of(None, 2, Some("0008")).await, (strings(&["0009", "0010"]), true));
    }

    async fn reasons_need_no_type_and_no_particular_form(db: TestDb) {
        let db = db.open().await;
        let reasons = [json!("a dependency is masked"), json!({"type": 3}), json!(null), json!([1.0]), json!([1])];
        let ids = ["a", "b", "c", "d", "e"];
        let members: Vec<NewMember<'_>> =
            ids.iter().zip(&reasons).map(|(id, reason)| masked(id, reason, None)).collect();
        committed!(db, conn => selection::put(conn, &a_selection("smoke"), &members));
        let (rows, _) = read!(db, conn => selection::masked(conn, "smoke", None, &everything()));
        assert_eq!(
            rows,
            ids.iter().zip(&reasons).map(|(id, reason)| member(id, Some(reason), None)).collect::<Vec<_>>()
        );
        assert_eq!(read!(db, conn => selection::masked(conn, "smoke", Some(""), &everything())).0.len(), 5);
        assert_eq!(read!(db, conn => selection::report(conn, "smoke", 9)).len(), 5);
    }

    async fn thousands_come_out_page_by_page(db: TestDb) {
        const MANY: usize = 20_000;
        let db = db.open().await;
        let ids: Vec<String> = (0..MANY).map(|n| hex::encode(digest(&n.to_string()))).collect();
        let reason = json!({"type": "keyword"});
        let members: Vec<NewMember<'_>> = (0..)
            .zip(&ids)
            .map(|(n, id)| if n % 3 == 0 { selected(id) } else { masked(id, &reason, (n % 3 == 1).then_some("f")) })
            .collect();
        committed!(db, conn => selection::put(conn, &a_selection("smoke"), &members));
        committed!(db, conn => selection::put(conn, &a_selection("smoke"), &members));
        let mut want: Vec<&str> =
            members.iter().filter(|member| member.mask.is_none()).map(|member| member.spec_id).collect();
        want.sort_unstable();
        let mut found = Vec::new();
        let mut page = Stretch { limit: 999, after: None };
        loop {
            let (rows, more) = read!(db, conn => selection::selected(conn, "smoke", &page));
            page.after = rows.last().cloned();
            found.extend(rows);
            if !more {
                break;
            }
        }
        assert!(found == want);
        let mut left_out = 0;
        let mut page: Stretch<String> = Stretch { limit: 5_000, after: None };
        loop {
            let (rows, more) = read!(db, conn => selection::masked(conn, "smoke", Some("keyword"), &page));
            assert!(
                rows.iter().map(|row| Some(&row.spec_id)).is_sorted()
                    && rows.first().map(|row| &row.spec_id) > page.after.as_ref()
            );
            page.after = rows.last().map(|row| row.spec_id.clone());
            left_out += rows.len();
            if !more {
                break;
            }
        }
        assert_eq!(left_out, MANY - want.len());
        let stored = read!(db, conn => selection::get(conn, "smoke")).unwrap();
        assert_eq!(
            (usize::try_from(stored.selected).unwrap(), usize::try_from(stored.masked).unwrap()),
            (want.len(), left_out)
        );
    }

    async fn of_many_at_once_one_stays_whole(db: TestDb) {
        let db = db.open().await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8_usize {
            let db = db.clone();
            writers.spawn(async move {
                let reason = json!({"type": "ids", "writer": writer});
                let ids: Vec<String> = (0..100 + writer).map(|n| format!("{n:04}")).collect();
                let members: Vec<NewMember<'_>> = (0..)
                    .zip(&ids)
                    .map(|(n, id)| if n < writer { selected(id) } else { masked(id, &reason, None) })
                    .collect();
                let new = NewSelection { created_by: Some(writer.to_string()), ..a_selection("smoke") };
                for _ in 0..5 {
                    committed!(db, conn => selection::put(conn, &new, &members));
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        let stored = read!(db, conn => selection::get(conn, "smoke")).unwrap();
        let writer: usize = stored.created_by.unwrap().parse().unwrap();
        assert_eq!((stored.selected, stored.masked), (i64::try_from(writer).unwrap(), 100));
        assert_eq!(all_selected(&db, "smoke").await.len(), writer);
        let (rows, _) = read!(db, conn => selection::masked(conn, "smoke", None, &everything()));
        let reason = json!({"type": "ids", "writer": writer});
        assert!(rows.len() == 100 && rows.iter().all(|row| row.reason == Some(Verbatim(reason.clone()))));
        assert_eq!(
            read!(db, conn => selection::report(conn, "smoke", 9)),
            [Reported { reason: Verbatim(reason), specs: 100 }]
        );
    }
}
