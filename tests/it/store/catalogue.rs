//! The catalogue as a whole: its state, its revisions and the feed of what they did.

use testyard::domain::catalogue::item::{Item, ItemKind};
use testyard::store::catalogue::{ItemChange, Revision, State};
use testyard::store::catalogue_item::NewVersion;
use testyard::store::db::Dialect;
use testyard::store::page::Stretch;
use testyard::store::{Db, Error, catalogue, catalogue_item};

use super::{at, committed, micros, read, refused};
use crate::support::catalogue::{a_suite, a_test, expected_to_fail};
use crate::support::db::TestDb;
use crate::support::on_both;

/// What a revision does to an item: puts it, or removes what stands there.
pub(super) type Deed<'a> = (ItemKind, &'a str, Option<Item>);

/// Makes the next revision of these deeds; returns its number.
pub(super) async fn revise(db: &Db, deeds: &[Deed<'_>]) -> i64 {
    let mut tx = db.begin().await.unwrap();
    let conn = &mut tx.conn();
    let state = catalogue::lock(conn).await.unwrap();
    let revision = state.revision + 1;
    let puts: Vec<_> = deeds.iter().filter_map(|(_, name, item)| Some((*name, item.as_ref()?))).collect();
    catalogue::begin_revision(conn, &a_revision(revision), state.items).await.unwrap();
    for (kind, name, _) in deeds {
        catalogue_item::end(conn, *kind, &[name], revision).await.unwrap();
    }
    let versions: Vec<_> = puts.iter().map(|(name, item)| new_version(name, item)).collect();
    catalogue_item::insert(conn, revision, &versions).await.unwrap();
    tx.commit().await.unwrap();
    revision
}

/// A version under this name, in the directory that the name says.
pub(super) fn new_version<'a>(name: &'a str, item: &'a Item) -> NewVersion<'a> {
    let directory = name.rsplit_once('.').map_or("", |(directory, _)| directory);
    NewVersion { name, directory: (item.kind() != ItemKind::Class).then_some(directory), item }
}

fn a_revision(revision: i64) -> Revision {
    Revision {
        revision,
        created_at: micros(revision),
        author: Some("ci".into()),
        message: (revision % 2 == 0).then(|| format!("änderung {revision}\u{1F600}")),
    }
}

fn happened(revision: i64, kind: ItemKind, name: &str, was_there: bool, is_there: bool) -> ItemChange {
    ItemChange { revision, kind, name: name.into(), was_there, is_there }
}

on_both! {
    async fn a_new_catalogue_is_empty_and_may_be_changed(db: TestDb) {
        let db = db.open().await;
        let empty = State { revision: 0, items: 0, read_only_reason: None };
        assert_eq!(read!(db, conn => catalogue::state(conn)), empty);
        assert_eq!(committed!(db, conn => catalogue::lock(conn)), empty);
        assert_eq!(read!(db, conn => catalogue::revision(conn, 0)), None);
        let none = read!(db, conn => catalogue::revisions(conn, &Stretch { limit: 9, after: None }));
        assert_eq!(none, (vec![], false));
        let none = read!(db, conn => catalogue::changes(conn, 0, &Stretch { limit: 9, after: None }));
        assert_eq!(none, (vec![], false));
    }

    async fn it_is_read_only_until_it_is_not(db: TestDb) {
        let db = db.open().await;
        committed!(db, conn => catalogue::set_read_only(conn, Some("the lab moves until Monday")));
        let state = read!(db, conn => catalogue::state(conn));
        assert_eq!(state.read_only_reason.as_deref(), Some("the lab moves until Monday"));
        committed!(db, conn => catalogue::set_read_only(conn, None));
        assert_eq!(read!(db, conn => catalogue::state(conn)).read_only_reason, None);
    }

    async fn a_revision_is_made_once(db: TestDb) {
        let db = db.open().await;
        committed!(db, conn => catalogue::begin_revision(conn, &a_revision(1), 3));
        committed!(db, conn => catalogue::begin_revision(conn, &a_revision(2), 5));
        let state = read!(db, conn => catalogue::state(conn));
        assert_eq!((state.revision, state.items), (2, 5));
        let again = refused!(db, conn => catalogue::begin_revision(conn, &a_revision(2), 7));
        assert!(matches!(again, Error::Conflict(_)), "{again:?}");
        assert_eq!(read!(db, conn => catalogue::state(conn)).items, 5);
        assert_eq!(read!(db, conn => catalogue::revision(conn, 2)), Some(a_revision(2)));
        assert_eq!(read!(db, conn => catalogue::revision(conn, 3)), None);
    }

    async fn revisions_come_newest_first_page_by_page(db: TestDb) {
        let db = db.open().await;
        for revision in 1..=5 {
            committed!(db, conn => catalogue::begin_revision(conn, &a_revision(revision), 0));
        }
        let page = async |after| {
            let (page, more) = read!(db, conn => catalogue::revisions(conn, &Stretch { limit: 2, after }));
            (page.iter().map(|revision| revision.revision).collect::<Vec<_>>(), more)
        };
        assert_eq!(page(None).await, (vec![5, 4], true));
        assert_eq!(page(Some(4)).await, (vec![3, 2], true));
        assert_eq!(page(Some(2)).await, (vec![1], false));
        assert_eq!(page(Some(3)).await, (vec![2, 1], false));
    }

    async fn the_feed_tells_created_replaced_and_removed_apart(db: TestDb) {
        use ItemKind::{Directory, Expectation, Suite, Test};
        let db = db.open().await;
        revise(&db, &[
            (Test, "a.b", Some(a_test("1"))),
            (Directory, "a", Some(Item::Directory)),
            (Expectation, "a.b", Some(expected_to_fail("a bug"))),
            (Test, "z", Some(a_test("1"))),
        ]).await;
        revise(&db, &[(Test, "a.b", Some(a_test("2"))), (Test, "z", None), (Suite, "all", Some(a_suite(&[])))]).await;
        revise(&db, &[(Test, "z", Some(a_test("3")))]).await;
        let feed = [
            happened(1, Directory, "a", false, true),
            happened(1, Expectation, "a.b", false, true),
            happened(1, Test, "a.b", false, true),
            happened(1, Test, "z", false, true),
            happened(2, Suite, "all", false, true),
            happened(2, Test, "a.b", true, true),
            happened(2, Test, "z", true, false),
            happened(3, Test, "z", false, true),
        ];
        let (all, more) = read!(db, conn => catalogue::changes(conn, 0, &Stretch { limit: 8, after: None }));
        assert_eq!((&all[..], more), (&feed[..], false));
        // From every place, inside a revision and between two, by stretches of every length.
        for limit in 1..=8 {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let (page, more) = read!(db, conn => catalogue::changes(conn, 0, &Stretch { limit, after: after.take() }));
                assert!(page.len() <= limit as usize && (!more || page.len() == limit as usize), "limit {limit}");
                seen.extend(page);
                let last = seen.last().unwrap();
                after = Some((last.revision, last.kind, last.name.clone()));
                if !more {
                    break;
                }
            }
            assert_eq!(seen, feed, "limit {limit}");
        }
        // What is new since a revision: no kind of item sorts before the first one, and no name before the empty one.
        let since = Stretch { limit: 9, after: Some((2, Test, "\u{10FFFF}".to_owned())) };
        assert_eq!(read!(db, conn => catalogue::changes(conn, 0, &since)).0, feed[7..]);
    }

    async fn the_feed_orders_names_by_their_bytes(db: TestDb) {
        let db = db.open().await;
        let names = ["a", "a-b", "a.b", "a0", "a_b", "ab"];
        let deeds: Vec<_> = names.iter().rev().map(|name| (ItemKind::Test, *name, Some(a_test("1")))).collect();
        revise(&db, &deeds).await;
        for (place, name) in names.iter().enumerate() {
            let after = Some((1, ItemKind::Test, (*name).to_owned()));
            let (rest, _) = read!(db, conn => catalogue::changes(conn, 0, &Stretch { limit: 9, after }));
            assert_eq!(rest.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), names[place + 1..]);
        }
    }

    async fn writers_take_turns(db: TestDb) {
        let db = db.open().await;
        if db.dialect() == Dialect::Postgres {
            let mut tx = db.begin().await.unwrap();
            catalogue::lock(&mut tx.conn()).await.unwrap();
            let other = refused!(db, conn => conn.query("SELECT id FROM catalogue FOR UPDATE NOWAIT").execute());
            assert!(matches!(other, Error::Driver(_) | Error::Unavailable(_)), "it is locked: {other:?}");
        }
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let db = db.clone();
            writers.spawn(async move {
                let mut made = Vec::new();
                for _ in 0..5 {
                    made.push(revise(&db, &[(ItemKind::Test, &format!("t{writer}"), Some(a_test("1")))]).await);
                }
                made
            });
        }
        let mut made: Vec<i64> = writers.join_all().await.concat();
        made.sort_unstable();
        assert_eq!(made, (1..=40).collect::<Vec<_>>(), "each has a number of its own and none is left out");
        let newest = read!(db, conn => catalogue::revision(conn, 40)).unwrap();
        assert!(newest.created_at < at(1));
    }
}
