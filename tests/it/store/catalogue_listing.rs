//! Listings of the catalogue's items: where they look, what they are narrowed to, and page after page.

use testyard::domain::catalogue::item::ItemKind::{Resource, Suite, Test};
use testyard::domain::catalogue::label::Label;
use testyard::store::catalogue_item::Filter;
use testyard::store::page::Stretch;
use testyard::store::{Db, catalogue_item};

use super::catalogue::revise;
use super::read;
use crate::support::catalogue::{EXEC_TEST, a_resource, a_suite, a_test, known, of_class};
use crate::support::db::TestDb;
use crate::support::on_both;

fn filter(directory: &str, recursive: bool) -> Filter {
    Filter {
        kinds: vec![Test],
        directory: directory.parse::<Label>().unwrap(),
        recursive,
        class: None,
        keywords: Vec::new(),
        owner: None,
        revision: None,
    }
}

async fn listed(db: &Db, filter: &Filter) -> Vec<String> {
    let (page, more) = read!(db, conn => catalogue_item::list(conn, filter, &Stretch { limit: 99, after: None }));
    assert!(!more);
    page.into_iter().map(|version| version.name).collect()
}

async fn put(db: &Db, tests: &[&str]) {
    let deeds: Vec<_> = tests.iter().map(|name| (Test, *name, Some(a_test(name)))).collect();
    revise(db, &deeds).await;
}

on_both! {
    async fn names_come_by_their_bytes(db: TestDb) {
        let db = db.open().await;
        let names = ["a", "a-b", "a.b", "a.b.c", "a0", "a_b", "ab"];
        put(&db, &names.iter().rev().copied().collect::<Vec<_>>()).await;
        assert_eq!(listed(&db, &filter("", true)).await, names);
        // Page after page, of every length.
        for limit in 1..=7 {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = Stretch { limit, after: after.take() };
                let (page, more) = read!(db, conn => catalogue_item::list(conn, &filter("", true), &page));
                seen.extend(page.into_iter().map(|version| version.name));
                if !more {
                    break;
                }
                after = seen.last().map(|name: &String| (name.clone(), Test));
            }
            assert_eq!(seen, names, "limit {limit}");
        }
    }

    async fn of_one_name_the_kinds_are_told_apart(db: TestDb) {
        let db = db.open().await;
        let deeds: Vec<_> = ["a", "b"]
            .into_iter()
            .flat_map(|name| {
                [a_test("1"), a_suite(&[]), a_resource()].map(|item| (item.kind(), name, Some(item)))
            })
            .collect();
        revise(&db, &deeds).await;
        let filter = Filter { kinds: vec![Test, Suite, Resource], ..filter("", true) };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = Stretch { limit: 1, after: after.take() };
            let (page, more) = read!(db, conn => catalogue_item::list(conn, &filter, &page));
            seen.extend(page.into_iter().map(|version| (version.name, version.kind)));
            if !more {
                break;
            }
            after = seen.last().cloned();
        }
        let wanted = ["a", "b"].map(|name| [Resource, Suite, Test].map(|kind| (name.to_owned(), kind)));
        assert_eq!(seen, wanted.concat());
    }

    async fn a_directory_is_listed_alone_or_with_those_below(db: TestDb) {
        let db = db.open().await;
        let beside = ["lang", "lang-x.a", "lang0.a", "language.x", "lang_x.a"];
        put(&db, &[&beside[..], &["lang.a", "lang.sub.a", "lang.sub.b"]].concat()).await;
        assert_eq!(listed(&db, &filter("lang", false)).await, ["lang.a"]);
        assert_eq!(listed(&db, &filter("lang", true)).await, ["lang.a", "lang.sub.a", "lang.sub.b"]);
        assert_eq!(listed(&db, &filter("lang.sub", false)).await, ["lang.sub.a", "lang.sub.b"]);
        assert_eq!(listed(&db, &filter("", false)).await, ["lang"]);
        assert_eq!(listed(&db, &filter("", true)).await.len(), 8);
        assert!(listed(&db, &filter("lan", true)).await.is_empty());
    }

    async fn a_listing_is_narrowed_to_all_that_is_asked(db: TestDb) {
        let db = db.open().await;
        let tagged = |class: &str, keywords: &[&str], owner: Option<&str>| {
            let item = known(of_class(class, "1"), |about| {
                about.keywords = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
                about.owner = owner.map(str::to_owned);
            });
            Some(item)
        };
        revise(&db, &[
            (Test, "a", tagged(EXEC_TEST, &["fast", "net"], Some("ann"))),
            (Test, "b", tagged(EXEC_TEST, &["fast"], Some("bob"))),
            (Test, "c", tagged("lab.Boot", &["net"], Some("ann"))),
            (Test, "d", tagged("lab.Boot", &[], None)),
            (Test, "e", tagged("lab.Boot", &["fast net", "it's \"$.x\" %"], Some(""))),
        ]).await;
        let all = filter("", true);
        let keywords = |keywords: &[&str]| Filter {
            keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
            ..filter("", true)
        };
        assert_eq!(listed(&db, &keywords(&["fast"])).await, ["a", "b"]);
        assert_eq!(listed(&db, &keywords(&["fast", "net"])).await, ["a"]);
        assert_eq!(listed(&db, &keywords(&["it's \"$.x\" %"])).await, ["e"]);
        assert!(listed(&db, &keywords(&["fas"])).await.is_empty());
        let by_owner = |owner: &str| Filter { owner: Some(owner.to_owned()), ..filter("", true) };
        assert_eq!(listed(&db, &by_owner("ann")).await, ["a", "c"]);
        assert_eq!(listed(&db, &by_owner("")).await, ["e"], "nobody is not the same as not said");
        let boot = Filter { class: Some("lab.Boot".into()), ..all.clone() };
        assert_eq!(listed(&db, &boot).await, ["c", "d", "e"]);
        let of_ann = Filter { owner: Some("ann".into()), keywords: vec!["net".into()], ..boot };
        assert_eq!(listed(&db, &of_ann).await, ["c"]);
        let (page, more) = read!(db, conn => catalogue_item::list(
            conn, &by_owner("ann"), &Stretch { limit: 1, after: Some(("a".into(), Test)) }
        ));
        assert_eq!((page.len(), page[0].name.as_str(), more), (1, "c", false));
    }

    async fn a_listing_is_of_one_revision(db: TestDb) {
        let db = db.open().await;
        put(&db, &["d.a", "d.b"]).await;
        revise(&db, &[(Test, "d.b", None), (Test, "d.c", Some(a_test("1"))), (Test, "d.a", Some(a_test("2")))]).await;
        let at = |revision| Filter { revision, ..filter("d", false) };
        assert!(listed(&db, &at(Some(0))).await.is_empty());
        assert_eq!(listed(&db, &at(Some(1))).await, ["d.a", "d.b"]);
        assert_eq!(listed(&db, &at(Some(2))).await, ["d.a", "d.c"]);
        assert_eq!(listed(&db, &at(None)).await, ["d.a", "d.c"]);
        let (then, _) = read!(db, conn => catalogue_item::list(conn, &at(Some(1)), &Stretch { limit: 1, after: None }));
        assert_eq!(then[0].document.0, a_test("d.a"), "as it was then");
    }
}
