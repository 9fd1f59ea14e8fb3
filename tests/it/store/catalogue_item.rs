//! Versions of the catalogue's items: what stands where as of when, and what may not stand.

use testyard::domain::catalogue::item::{EXPLICIT_SUITE, Item, ItemKind};
use testyard::domain::catalogue::value::{Integer, Value};
use testyard::store::catalogue_item::Version;
use testyard::store::page::Stretch;
use testyard::store::{Db, Error, catalogue_item};

use super::catalogue::{new_version, revise};
use super::{committed, digest, read, refused};
use crate::support::catalogue::{a_class, a_resource, a_suite, a_test, attached, expected_to_fail, known, of_class};
use crate::support::db::TestDb;
use crate::support::on_both;

use ItemKind::{Class, Directory, Expectation, Resource, Suite, Test};

/// One item of every kind.
fn one_of_each() -> Vec<(&'static str, Item)> {
    vec![
        ("lab.Boot", a_class("lab.Boot", "Boots a board.")),
        ("net", Item::Directory),
        ("net.ping", expected_to_fail("known since \"Monday\" \\ ä\u{1F600}")),
        ("net.dir", a_resource()),
        ("smoke", known(a_suite(&["net.ping"]), |about| about.description = Some(String::new()))),
        ("net.ping", everything()),
    ]
}

/// A test with a value of every type.
fn everything() -> Item {
    let Item::Test(mut extension) = attached("log.txt", sha("log"), 3) else { panic!("a test") };
    let huge: Integer = "-123456789012345678901234567890".parse().unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    extension.arguments.extend([
        ("empty".to_owned(), text("")),
        ("huge".to_owned(), Value::Integer(huge)),
        ("flag".to_owned(), Value::Enumeral("true".to_owned())),
        ("when".to_owned(), Value::Time(i64::MIN)),
        ("list".to_owned(), Value::Set(vec![text("b"), text("a"), text("b")])),
        ("pair".to_owned(), Value::Tuple(vec![text("b"), Value::Set(vec![])])),
        ("map".to_owned(), Value::Dictionary(vec![(text("z"), text("1")), (text("a"), text("2"))])),
        ("none".to_owned(), Value::Attachment(None)),
    ]);
    known(Item::Test(extension), |about| {
        about.keywords = ["fast".to_owned(), "it's \"quoted\"".to_owned()].into();
        about.owner = Some("ä@example.org".to_owned());
    })
}

fn sha(text: &str) -> testyard::domain::digest::Digest {
    testyard::domain::digest::Digest::from_bytes(&digest(text)).unwrap()
}

/// The kinds and names of versions, in their order.
fn names(versions: &[Version]) -> Vec<(ItemKind, &str)> {
    versions.iter().map(|version| (version.kind, version.name.as_str())).collect()
}

async fn item_at(db: &Db, kind: ItemKind, name: &str, revision: Option<i64>) -> Option<Item> {
    read!(db, conn => catalogue_item::get(conn, kind, name, revision)).map(|version| version.document.0)
}

on_both! {
    async fn every_kind_of_item_is_read_as_it_was_stored(db: TestDb) {
        let db = db.open().await;
        let items = one_of_each();
        let deeds: Vec<_> = items.iter().map(|(name, item)| (item.kind(), *name, Some(item.clone()))).collect();
        assert_eq!(revise(&db, &deeds).await, 1);
        for (name, item) in &items {
            let version = read!(db, conn => catalogue_item::get(conn, item.kind(), name, None)).unwrap();
            assert_eq!((version.kind, version.name.as_str()), (item.kind(), *name));
            assert_eq!((version.since_revision, version.until_revision), (1, None));
            assert_eq!(version.document.0, *item);
        }
        assert_eq!(item_at(&db, Suite, "net", None).await, None, "it is a directory");
        assert_eq!(item_at(&db, Test, "NET.PING", None).await, None);
        let kinds: Vec<_> = read!(db, conn => catalogue_item::counts(conn, None));
        let one = [Class, Directory, Expectation, Resource, Suite, Test].map(|kind| (kind, 1));
        assert_eq!(kinds, one);
        let all = [Test, Class, Suite, Resource, Expectation, Directory];
        let all = read!(db, conn => catalogue_item::all(conn, &all, None));
        let in_order: Vec<_> = items.iter().map(|(name, item)| (item.kind(), *name)).collect();
        assert_eq!(names(&all), in_order);
        let named = read!(db, conn => catalogue_item::names(conn));
        assert_eq!(named.iter().map(|(kind, name)| (*kind, name.as_str())).collect::<Vec<_>>(), in_order);
        assert_eq!(names(&read!(db, conn => catalogue_item::all(conn, &[Test, Suite], None))), in_order[4..]);
        assert_eq!(read!(db, conn => catalogue_item::all(conn, &[], None)), []);
    }

    async fn each_revision_is_read_as_it_was(db: TestDb) {
        let db = db.open().await;
        revise(&db, &[(Test, "t", Some(a_test("1"))), (Test, "u", Some(a_test("u")))]).await;
        revise(&db, &[(Test, "t", Some(a_test("2"))), (Suite, "s", Some(a_suite(&["t"])))]).await;
        revise(&db, &[(Test, "t", None)]).await;
        revise(&db, &[(Test, "t", Some(a_test("4"))), (Suite, "s", Some(a_suite(&["u"])))]).await;
        let as_of = [(0, None), (1, Some("1")), (2, Some("2")), (3, None), (4, Some("4")), (9, Some("4"))];
        for (revision, program) in as_of {
            assert_eq!(item_at(&db, Test, "t", Some(revision)).await, program.map(a_test), "revision {revision}");
        }
        assert_eq!(item_at(&db, Test, "t", None).await, Some(a_test("4")));
        let old = read!(db, conn => catalogue_item::get(conn, Test, "t", Some(2))).unwrap();
        assert_eq!((old.since_revision, old.until_revision), (2, Some(3)));
        let counts = async |revision| read!(db, conn => catalogue_item::counts(conn, revision));
        assert_eq!(counts(Some(0)).await, []);
        assert_eq!(counts(Some(1)).await, [(Test, 2)]);
        assert_eq!(counts(Some(2)).await, [(Suite, 1), (Test, 2)]);
        assert_eq!(counts(Some(3)).await, [(Suite, 1), (Test, 1)]);
        assert_eq!(counts(None).await, [(Suite, 1), (Test, 2)]);
        let now = [(Suite, "s"), (Test, "t"), (Test, "u")].map(|(kind, name)| (kind, name.to_owned()));
        assert_eq!(read!(db, conn => catalogue_item::names(conn)), now, "one of each, whatever there was before");
        let all = read!(db, conn => catalogue_item::all(conn, &[Test, Suite], Some(3)));
        assert_eq!(names(&all), [(Suite, "s"), (Test, "u")]);
        assert_eq!(all[0].document.0, a_suite(&["t"]), "as it was then");
    }

    async fn many_names_are_asked_for_at_once(db: TestDb) {
        let db = db.open().await;
        let wanted: Vec<String> = (0..1_100).map(|n| format!("d.t{n:04}")).collect();
        // Every other one is there; one more is, but nobody asks for it.
        let there: Vec<&str> = wanted.iter().step_by(2).map(String::as_str).chain(["d.other"]).collect();
        let deeds: Vec<_> = there.iter().map(|name| (Test, *name, Some(a_test(name)))).collect();
        revise(&db, &deeds).await;
        revise(&db, &[(Test, "d.t0000", None), (Resource, "d.t0001", Some(a_resource()))]).await;
        let mut found = read!(db, conn => catalogue_item::get_many(conn, Test, &wanted, None));
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(found.iter().map(|version| version.name.as_str()).collect::<Vec<_>>(), there[1..550]);
        assert!(found.iter().all(|version| version.document.0 == a_test(&version.name)));
        let before = read!(db, conn => catalogue_item::get_many(conn, Test, &["d.t0000", "d.t0002"], Some(1)));
        assert_eq!(before.len(), 2, "one was removed only later");
        assert_eq!(read!(db, conn => catalogue_item::get_many(conn, Test, &[] as &[String], None)), []);
        let ended = there.clone();
        let mut tx = db.begin().await.unwrap();
        let ended = catalogue_item::end(&mut tx.conn(), Test, &ended, 2).await.unwrap();
        assert_eq!(ended, 550, "one of them was gone");
    }

    async fn one_version_holds_at_a_time(db: TestDb) {
        let db = db.open().await;
        revise(&db, &[(Test, "t", Some(a_test("1"))), (Resource, "t", Some(a_resource()))]).await;
        let item = a_test("2");
        let twice = refused!(db, conn => catalogue_item::insert(conn, 1, &[new_version("t", &item)]));
        assert!(matches!(twice, Error::Conflict(_)), "{twice:?}");
        let unmade = refused!(db, conn => catalogue_item::insert(conn, 2, &[new_version("u", &item)]));
        assert!(matches!(unmade, Error::Constraint(_)), "there is no revision 2: {unmade:?}");
        let at_once = refused!(db, conn => catalogue_item::end(conn, Test, &["t"], 1));
        assert!(matches!(at_once, Error::Constraint(_)), "a version holds for a revision at least: {at_once:?}");
        let untold = refused!(db, conn => catalogue_item::end(conn, Test, &["t"], 2));
        assert!(matches!(untold, Error::Constraint(_)), "there is no revision 2: {untold:?}");
        assert_eq!(item_at(&db, Test, "t", None).await, Some(a_test("1")));
        assert_eq!(committed!(db, conn => catalogue_item::end(conn, Suite, &["t", "u"], 1)), 0);
        assert_eq!(committed!(db, conn => catalogue_item::end(conn, Test, &[], 1)), 0);
    }

    async fn suites_and_directories_share_their_names(db: TestDb) {
        let db = db.open().await;
        revise(&db, &[
            (Suite, "s", Some(a_suite(&[]))), (Directory, "d", Some(Item::Directory)), (Test, "d", Some(a_test("1"))),
            (Test, "s", Some(a_test("1"))), (Resource, "x", Some(a_resource())),
        ]).await;
        let suite = a_suite(&[]);
        for version in [new_version("d", &suite), new_version("s", &Item::Directory)] {
            let error = refused!(db, conn => catalogue_item::insert(conn, 1, std::slice::from_ref(&version)));
            assert!(matches!(error, Error::Conflict(_)), "{version:?}: {error:?}");
        }
        let names = ["x", "d", "s", "y"];
        assert_eq!(read!(db, conn => catalogue_item::clashing(conn, Suite, &names)), ["d"]);
        assert_eq!(read!(db, conn => catalogue_item::clashing(conn, Directory, &names)), ["s"]);
        for kind in [Test, Resource, Expectation, Class] {
            assert!(read!(db, conn => catalogue_item::clashing(conn, kind, &names)).is_empty());
        }
        revise(&db, &[(Suite, "s", None), (Directory, "s", Some(Item::Directory))]).await;
        assert!(read!(db, conn => catalogue_item::clashing(conn, Directory, &names)).is_empty(), "the suite is gone");
        assert_eq!(read!(db, conn => catalogue_item::clashing(conn, Suite, &names)), ["d", "s"]);
    }

    async fn all_but_classes_stand_in_a_directory(db: TestDb) {
        let db = db.open().await;
        revise(&db, &[(Test, "t", Some(a_test("1")))]).await;
        let (class, test) = (a_class("lab.Boot", ""), a_test("1"));
        let mut placed = new_version("lab.Boot", &class);
        placed.directory = Some("lab");
        let mut loose = new_version("u", &test);
        loose.directory = None;
        for version in [placed, loose] {
            let error = refused!(db, conn => catalogue_item::insert(conn, 1, std::slice::from_ref(&version)));
            assert!(matches!(error, Error::Constraint(_)), "{version:?}: {error:?}");
        }
    }

    async fn the_index_holds_what_has_a_place_and_what_suites_name(db: TestDb) {
        let db = db.open().await;
        let deeds: Vec<_> = one_of_each().into_iter().map(|(name, item)| (item.kind(), name, Some(item))).collect();
        revise(&db, &deeds).await;
        revise(&db, &[(Suite, "smoke", Some(a_suite(&["net"]))), (Test, "net.ping", None)]).await;
        let index = async |revision| {
            let rows = read!(db, conn => catalogue_item::index(conn, revision));
            rows.into_iter().map(|row| (row.kind, row.name, row.suite.map(|suite| suite.0))).collect::<Vec<_>>()
        };
        let row = |kind, name: &str, suite: Option<Item>| (kind, name.to_owned(), suite);
        let old = known(a_suite(&["net.ping"]), |about| about.description = Some(String::new()));
        assert_eq!(index(Some(1)).await, [
            row(Directory, "net", None), row(Resource, "net.dir", None), row(Suite, "smoke", Some(old)),
            row(Test, "net.ping", None),
        ]);
        assert_eq!(index(None).await, [
            row(Directory, "net", None), row(Resource, "net.dir", None),
            row(Suite, "smoke", Some(a_suite(&["net"]))),
        ]);
        assert_eq!(index(Some(0)).await, []);
    }

    async fn the_users_of_a_class_are_found(db: TestDb) {
        let db = db.open().await;
        revise(&db, &[
            (Test, "b", Some(of_class("lab.Boot", "1"))), (Test, "a", Some(of_class("lab.Boot", "1"))),
            (Test, "c", Some(a_test("1"))), (Suite, "s", Some(a_suite(&[]))), (Resource, "a", Some(a_resource())),
            (Class, "lab.Boot", Some(a_class("lab.Boot", ""))), (Test, "d", Some(of_class("lab.Boot", "1"))),
        ]).await;
        revise(&db, &[(Test, "d", None), (Test, "b", Some(of_class("lab.Boot", "2")))]).await;
        let users = async |class, limit| read!(db, conn => catalogue_item::of_class(conn, class, limit));
        assert_eq!(names(&users("lab.Boot", 9).await), [(Test, "a"), (Test, "b")]);
        assert_eq!(names(&users("lab.Boot", 1).await), [(Test, "a")]);
        assert_eq!(names(&users(EXPLICIT_SUITE, i64::MAX).await), [(Suite, "s")]);
        assert_eq!(users("lab.boot", 9).await, []);
    }

    async fn a_change_of_a_class_is_seen(db: TestDb) {
        let db = db.open().await;
        let changed = async |since| read!(db, conn => catalogue_item::classes_changed_since(conn, since));
        revise(&db, &[(Test, "t", Some(a_test("1")))]).await;
        assert!(!changed(0).await, "a test is no class");
        revise(&db, &[(Class, "c.C", Some(a_class("c.C", "")))]).await;
        assert_eq!((changed(1).await, changed(2).await), (true, false), "it was registered");
        revise(&db, &[(Class, "c.C", Some(a_class("c.C", "new")))]).await;
        assert_eq!((changed(2).await, changed(3).await), (true, false), "it was replaced");
        revise(&db, &[(Class, "c.C", None)]).await;
        assert_eq!((changed(3).await, changed(4).await), (true, false), "it was removed");
        assert!(!changed(i64::MAX).await);
    }

    async fn a_directory_is_empty_when_nothing_stands_in_it(db: TestDb) {
        let db = db.open().await;
        revise(&db, &[
            (Directory, "a", Some(Item::Directory)), (Directory, "ab", Some(Item::Directory)),
            (Test, "ab.t", Some(a_test("1"))), (Expectation, "a.t", Some(expected_to_fail("a bug"))),
        ]).await;
        let is_empty = async |directory| read!(db, conn => catalogue_item::is_empty_directory(conn, directory));
        assert!(is_empty("a").await, "an expectation is not in the way, and `ab.t` is elsewhere");
        assert!(!is_empty("").await && !is_empty("ab").await && is_empty("nowhere").await);
        let all = [("a.d", Item::Directory), ("a.r", a_resource()), ("a.s", a_suite(&[])), ("a.t", a_test("1"))];
        for (name, item) in all {
            revise(&db, &[(item.kind(), name, Some(item.clone()))]).await;
            assert!(!is_empty("a").await, "{name} is in it");
            revise(&db, &[(item.kind(), name, None)]).await;
            assert!(is_empty("a").await, "{name} is gone");
        }
    }

    async fn the_history_of_an_item_comes_newest_first(db: TestDb) {
        let db = db.open().await;
        for n in 1..=3 {
            revise(&db, &[(Test, "t", Some(a_test(&n.to_string()))), (Resource, "t", Some(a_resource()))]).await;
        }
        revise(&db, &[(Test, "t", None)]).await;
        revise(&db, &[(Test, "t", Some(a_test("5")))]).await;
        let page = async |limit, after| {
            let (page, more) = read!(db, conn => catalogue_item::history(conn, Test, "t", &Stretch { limit, after }));
            let spans = page.iter().map(|version| (version.since_revision, version.until_revision));
            (spans.collect::<Vec<_>>(), more)
        };
        assert_eq!(page(9, None).await, (vec![(5, None), (3, Some(4)), (2, Some(3)), (1, Some(2))], false));
        assert_eq!(page(2, None).await, (vec![(5, None), (3, Some(4))], true));
        assert_eq!(page(2, Some(3)).await, (vec![(2, Some(3)), (1, Some(2))], false));
        assert_eq!(page(2, Some(1)).await, (vec![], false));
        let none = read!(db, conn => catalogue_item::history(conn, Test, "u", &Stretch { limit: 9, after: None }));
        assert_eq!(none, (vec![], false));
    }
}
