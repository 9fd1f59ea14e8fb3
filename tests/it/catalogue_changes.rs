//! Changes of the catalogue: all of a batch or none, each under its condition, one writer after the other.

use testyard::app::AppError;
use testyard::app::catalogue::change::{Change, Did, NotMade, Terms, make};
use testyard::app::catalogue::{By, attachment, item};
use testyard::app::condition::OnlyIf;
use testyard::domain::catalogue::item::{Item, ItemKind};
use testyard::domain::digest::Digest;
use testyard::store::catalogue::Revision;

use crate::support::app::TestApp;
use crate::support::catalogue::{
    TERMS, a_class, a_resource, a_suite, a_test, attached, expected_to_fail, known, make_changes, of_class, only_if,
    pieces, put, remove,
};
use crate::support::db::TestDb;
use crate::support::on_both;

use ItemKind::{Class, Directory, Expectation, Resource, Suite, Test};
use OnlyIf::{Absent, There, Version};

fn by(message: &str) -> By {
    By { author: Some("ann".to_owned()), message: Some(message.to_owned()) }
}

/// Asks for changes that must be refused, and sees to it that they leave no trace: why they were refused.
async fn refused(app: &TestApp, changes: Vec<Change>) -> AppError {
    let before = app.whole_catalogue().await;
    let refused = make_changes(&app.app.catalogue, changes, TERMS).await;
    let Err(NotMade::Refused(error)) = refused else { panic!("the changes must be refused: {refused:?}") };
    assert_eq!(app.whole_catalogue().await, before, "refused changes leave all as it was: {error}");
    error
}

/// As [`refused`], of changes that do not go together with something: the words that say so.
async fn conflict(app: &TestApp, changes: Vec<Change>) -> String {
    match refused(app, changes).await {
        AppError::Conflict(words) => words,
        other => panic!("a conflict: {other:?}"),
    }
}

/// The kinds and names of all items.
async fn names(app: &TestApp) -> Vec<(ItemKind, String)> {
    let (_, _, items) = app.whole_catalogue().await;
    items.into_iter().map(|(kind, name, _, _)| (kind, name)).collect()
}

fn named(names: &[(ItemKind, &str)]) -> Vec<(ItemKind, String)> {
    names.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect()
}

on_both! {
    async fn each_change_tells_what_it_did(db: TestDb) {
        let app = TestApp::start(db).await;
        assert_eq!(app.change(vec![put("t", a_test("1")), put("u", a_test("1"))]).await, (1, vec![Did::Created; 2]));
        let changes = vec![
            put("t", a_test("2")), put("u", a_test("1")), remove(Test, "v"), put("w", a_test("1")),
            remove(Resource, "t"),
        ];
        let did = vec![Did::Replaced, Did::Nothing, Did::Nothing, Did::Created, Did::Nothing];
        assert_eq!(app.change(changes).await, (2, did));
        assert_eq!(app.change(vec![remove(Test, "t")]).await, (3, vec![Did::Removed]));
        assert_eq!(names(&app).await, named(&[(Test, "u"), (Test, "w")]));
    }

    async fn what_changes_nothing_makes_no_revision(db: TestDb) {
        let app = TestApp::start(db).await;
        assert_eq!(app.change(vec![]).await, (0, vec![]));
        app.change(vec![put("d.t", known(a_test("1"), |about| about.owner = Some("ann".into())))]).await;
        let before = app.whole_catalogue().await;
        let same = vec![
            put("d.t", known(a_test("1"), |about| about.owner = Some("ann".into()))), put("d", Item::Directory),
            remove(Suite, "s"),
        ];
        assert_eq!(app.change(same).await, (1, vec![Did::Nothing; 3]));
        assert_eq!(app.whole_catalogue().await, before);
    }

    async fn a_revision_says_who_made_it_when_and_what_for(db: TestDb) {
        let app = TestApp::start(db).await;
        make(&app.app.catalogue, &by("the first test"), vec![put("t", a_test("1"))], TERMS).await.unwrap();
        let (_, revisions, items) = app.whole_catalogue().await;
        let (author, message) = (Some("ann".to_owned()), Some("the first test".to_owned()));
        assert_eq!(revisions, [Revision { revision: 1, created_at: app.app.now(), author, message }]);
        assert_eq!(items, [(Test, "t".to_owned(), 1, a_test("1"))]);
    }

    async fn a_change_is_made_only_on_its_condition(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("t", a_test("1"))]).await;
        app.change(vec![put("t", a_test("2"))]).await;
        // What stands there was made by revision 2.
        let unmet = [
            (only_if(Absent, put("t", a_test("3"))), "there is a test `t` already, of revision 2"),
            (only_if(Absent, put("t", a_test("2"))), "there is a test `t` already, of revision 2"),
            (only_if(Absent, remove(Test, "t")), "there is a test `t` already, of revision 2"),
            (only_if(Version(1), put("t", a_test("3"))), "the test `t` is of revision 2 by now, not 1"),
            (only_if(Version(1), put("t", a_test("2"))), "the test `t` is of revision 2 by now, not 1"),
            (only_if(Version(3), remove(Test, "t")), "the test `t` is of revision 2 by now, not 3"),
            (only_if(There, put("u", a_test("1"))), "there is no test `u`"),
            (only_if(There, remove(Test, "u")), "there is no test `u`"),
            (only_if(There, remove(Resource, "t")), "there is no resource `t`"),
            (only_if(Version(2), put("u", a_test("1"))), "there is no test `u`"),
        ];
        for (unmet, words) in unmet {
            let asked = format!("{unmet:?}");
            let error = refused(&app, vec![unmet]).await;
            assert!(matches!(error, AppError::PreconditionFailed(_)), "{asked}: {error:?}");
            assert!(error.to_string().starts_with(words), "{asked}: {error}");
        }
        let met = [
            (only_if(Version(2), put("t", a_test("2"))), 2, Did::Nothing),
            (only_if(Version(2), put("t", a_test("3"))), 3, Did::Replaced),
            (only_if(There, put("t", a_test("4"))), 4, Did::Replaced),
            (only_if(Absent, put("u", a_test("1"))), 5, Did::Created),
            (only_if(Absent, remove(Test, "v")), 5, Did::Nothing),
            (only_if(Version(5), remove(Test, "u")), 6, Did::Removed),
            (only_if(There, remove(Test, "t")), 7, Did::Removed),
        ];
        for (met, revision, did) in met {
            let asked = format!("{met:?}");
            assert_eq!(app.change(vec![met]).await, (revision, vec![did]), "{asked}");
        }
    }

    async fn directories_are_made_along_the_way(db: TestDb) {
        let app = TestApp::start(db).await;
        let puts = vec![put("a.b.c.t", a_test("1")), put("a.b.r", a_resource()), put("x", a_suite(&[]))];
        let (_, did) = app.change(puts).await;
        assert_eq!(did, [Did::Created; 3], "what was asked for, and no more");
        let made = [(Directory, "a"), (Directory, "a.b"), (Directory, "a.b.c")];
        let asked = [(Resource, "a.b.r"), (Suite, "x"), (Test, "a.b.c.t")];
        assert_eq!(names(&app).await, named(&[&made[..], &asked].concat()));
        let puts = vec![put("a.s", a_suite(&[])), put("e", Item::Directory), put("e.f.g", Item::Directory)];
        let (_, did) = app.change(puts).await;
        assert_eq!(did, [Did::Created; 3]);
        let (state, _, items) = app.whole_catalogue().await;
        assert_eq!(state.items, 10);
        assert!(items.iter().any(|(kind, name, since, _)| (*kind, name.as_str(), *since) == (Directory, "e.f", 2)));
        assert!(items.iter().any(|(kind, name, since, _)| (*kind, name.as_str(), *since) == (Directory, "a", 1)));
    }

    async fn expectations_and_classes_need_no_directory(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("a.t", expected_to_fail("a bug")), put("lab.Boot", a_class("lab.Boot", ""))]).await;
        assert_eq!(names(&app).await, named(&[(Class, "lab.Boot"), (Expectation, "a.t")]));
    }

    async fn a_suite_and_a_directory_never_have_one_name(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("s", a_suite(&[])), put("d.t", a_test("1"))]).await;
        let words = conflict(&app, vec![put("d", a_suite(&[]))]).await;
        assert!(words.contains("directory `d`"), "{words}");
        for into in [put("s.t", a_test("1")), put("s.deep.t", a_test("1")), put("s", Item::Directory)] {
            let words = conflict(&app, vec![into]).await;
            assert!(words.contains("explicit suite `s`"), "{words}");
        }
        for other in [put("n.t", a_test("1")), put("n", Item::Directory)] {
            let words = conflict(&app, vec![put("n", a_suite(&[])), other]).await;
            assert!(words.contains("suite `n`") && words.contains("directory `n`"), "{words}");
        }
        // A suite that stands there and stays is in the way of a directory too.
        let words = conflict(&app, vec![put("s", a_suite(&["d.t"])), put("s.t", a_test("1"))]).await;
        assert!(words.contains("suite `s`"), "{words}");
        app.change(vec![put("s", a_test("1")), put("d", a_test("1")), put("s", a_resource())]).await;
    }

    async fn one_batch_puts_a_directory_in_the_place_of_a_suite_and_back(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("n", a_suite(&[]))]).await;
        app.change(vec![put("n.t", a_test("1")), remove(Suite, "n")]).await;
        assert_eq!(names(&app).await, named(&[(Directory, "n"), (Test, "n.t")]));
        let back = vec![put("n", a_suite(&["t"])), remove(Directory, "n"), remove(Test, "n.t"), put("t", a_test("1"))];
        assert_eq!(app.change(back).await.1, [Did::Created, Did::Removed, Did::Removed, Did::Created]);
        assert_eq!(names(&app).await, named(&[(Suite, "n"), (Test, "t")]));
    }

    async fn a_directory_goes_only_when_it_is_empty(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("a.b.t", a_test("1")), put("a.b.t", expected_to_fail("a bug"))]).await;
        let without_test = vec![remove(Test, "a.b.t"), remove(Directory, "a")];
        let alone = [vec![remove(Directory, "a.b")], vec![remove(Directory, "a")], without_test];
        for (changes, full) in alone.into_iter().zip(["a.b", "a", "a"]) {
            let words = conflict(&app, changes).await;
            assert!(words.contains(&format!("directory `{full}` is not empty")), "{words}");
        }
        let filled = vec![remove(Directory, "a.b"), remove(Test, "a.b.t"), put("a.b.u", a_test("1"))];
        let words = conflict(&app, filled).await;
        assert!(words.contains("`a.b` is to be removed") && words.contains("put into it"), "{words}");
        app.change(vec![remove(Directory, "a"), remove(Directory, "a.b"), remove(Test, "a.b.t")]).await;
        assert_eq!(names(&app).await, named(&[(Expectation, "a.b.t")]), "what is expected is not in a directory");
    }

    async fn one_refused_change_refuses_all(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("t", a_test("1")), put("s", a_suite(&[]))]).await;
        let good = || vec![put("new.t", a_test("1")), put("t", a_test("2")), remove(Suite, "s")];
        // Each is fine but for what it needs.
        let unmet = [
            only_if(There, put("t2", a_test("1"))),
            put("u", attached("a.txt", Digest::of(b"nowhere"), 7)),
            remove(Directory, "new"),
        ];
        for bad in unmet {
            let mut changes = good();
            changes.insert(1, bad);
            refused(&app, changes).await;
        }
        let mut twice = good();
        twice.push(put("t", a_test("3")));
        let error = refused(&app, twice).await;
        assert!(matches!(&error, AppError::Invalid(words) if words.contains("of one test")), "{error:?}");
        app.change(good()).await;
    }

    async fn a_dry_run_tells_what_would_come_of_it(db: TestDb) {
        let app = TestApp::start(db).await;
        let sent = attachment::take_in(&app.app.catalogue, pieces(b"bytes", 5)).await.unwrap();
        app.change(vec![put("t", a_test("1")), put("u", a_test("1"))]).await;
        let before = app.whole_catalogue().await;
        let changes = || {
            vec![
                put("d.t", attached("a.txt", sent.sha256, sent.size)), put("t", a_test("2")), remove(Test, "u"),
                remove(Test, "v"),
            ]
        };
        let dry = Terms { dry_run: true, ..TERMS };
        let told = make_changes(&app.app.catalogue, changes(), dry).await.unwrap();
        assert_eq!(told.did, [Did::Created, Did::Replaced, Did::Removed, Did::Nothing]);
        assert_eq!(app.whole_catalogue().await, before);
        let mut bad = changes();
        bad.push(remove(Directory, "d"));
        let told = make_changes(&app.app.catalogue, bad, dry).await;
        assert!(matches!(told, Err(NotMade::Refused(AppError::Conflict(_)))), "{told:?}");
        // The file is still nobody's, so that it goes in its time.
        let kept = app.app.settings.catalogue.orphan_retention_s;
        app.advance(chrono::TimeDelta::seconds(kept.try_into().unwrap())).await;
        assert!(matches!(refused(&app, changes()).await, AppError::Faults { .. }));
    }

    async fn changes_that_were_worked_out_from_an_older_revision_are_stale(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("t", a_test("1"))]).await;
        let before = app.whole_catalogue().await;
        for expected in [0, 2] {
            let terms = Terms { expected_revision: Some(expected), ..TERMS };
            let stale = make_changes(&app.app.catalogue, vec![put("t", a_test("2"))], terms).await;
            assert!(matches!(stale, Err(NotMade::Stale)), "{stale:?}");
        }
        assert_eq!(app.whole_catalogue().await, before);
        let terms = Terms { expected_revision: Some(1), ..TERMS };
        let changed = make_changes(&app.app.catalogue, vec![put("t", a_test("2"))], terms).await.unwrap();
        assert_eq!((changed.revision, changed.did), (2, vec![Did::Replaced]));
    }

    async fn items_of_a_class_that_changed_meanwhile_are_stale(db: TestDb) {
        let app = TestApp::start(db).await;
        app.change(vec![put("lab.Boot", a_class("lab.Boot", ""))]).await;
        let terms = |classes_as_of| Terms { classes_as_of, ..TERMS };
        let boot = || vec![put("t", of_class("lab.Boot", "1"))];
        let stale = make_changes(&app.app.catalogue, boot(), terms(0)).await;
        assert!(matches!(stale, Err(NotMade::Stale)), "{stale:?}");
        assert_eq!(make_changes(&app.app.catalogue, boot(), terms(1)).await.unwrap().revision, 2);
        // What has no registered class does not care.
        let others = vec![put("s", expected_to_fail("a bug")), put("d", Item::Directory)];
        assert_eq!(make_changes(&app.app.catalogue, others, terms(0)).await.unwrap().revision, 3);
    }

    async fn a_class_that_is_used_stays(db: TestDb) {
        let app = TestApp::start(db).await;
        let boot = || of_class("lab.Boot", "1");
        app.change(vec![put("lab.Boot", a_class("lab.Boot", ""))]).await;
        app.change(vec![put("t", boot()), put("u", boot())]).await;
        let words = conflict(&app, vec![remove(Class, "lab.Boot")]).await;
        assert!(words.contains("the class `lab.Boot` is used by the test `t` and 1 more"), "{words}");
        let words = conflict(&app, vec![remove(Class, "lab.Boot"), remove(Test, "t")]).await;
        assert!(words.contains("used by the test `u`:"), "{words}");
        app.change(vec![remove(Class, "lab.Boot"), remove(Test, "t"), put("u", a_test("1"))]).await;
        assert_eq!(names(&app).await, named(&[(Test, "u")]));
    }

    async fn a_read_only_catalogue_says_why(db: TestDb) {
        let app = TestApp::start(db).await;
        app.app.catalogue.set_read_only(Some("the lab moves until Monday")).await.unwrap();
        let error = refused(&app, vec![put("t", a_test("1"))]).await;
        assert!(matches!(error, AppError::ReadOnly(_)), "{error:?}");
        assert_eq!(error.to_string(), "the catalogue is read-only: the lab moves until Monday");
        let nothing = refused(&app, vec![]).await;
        assert!(matches!(nothing, AppError::ReadOnly(_)), "{nothing:?}");
        app.app.catalogue.set_read_only(None).await.unwrap();
        app.change(vec![put("t", a_test("1"))]).await;
    }

    async fn the_catalogue_has_a_limit(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.catalogue.max_items = 3).await;
        app.change(vec![put("d.t", a_test("1")), put("t", a_test("1"))]).await;
        let words = conflict(&app, vec![put("u", a_test("1"))]).await;
        assert!(words.contains("would hold 4 items") && words.contains("catalogue.max_items allows 3"), "{words}");
        app.change(vec![put("u", a_test("1")), remove(Test, "t"), put("d.t", a_test("2"))]).await;
        // Directories count, also those that are made along the way.
        app.change(vec![remove(Test, "u")]).await;
        conflict(&app, vec![put("e.t", a_test("1"))]).await;
        // With a limit that was lowered the catalogue may shrink, even if not below it.
        let app = app.restart_with(|settings| settings.catalogue.max_items = 1).await;
        app.change(vec![put("d.t", a_test("3"))]).await;
        conflict(&app, vec![put("u", a_test("1"))]).await;
        app.change(vec![remove(Test, "d.t"), remove(Directory, "d")]).await;
        app.change(vec![put("u", a_test("1"))]).await;
    }

    async fn an_attachment_is_named_once_its_bytes_are_here(db: TestDb) {
        let app = TestApp::start(db).await;
        let sent = attachment::take_in(&app.app.catalogue, pieces(b"bytes", 5)).await.unwrap();
        let faults = async |item| match refused(&app, vec![put("d.t", item)]).await {
            AppError::Faults { what, faults } => {
                assert_eq!(what, "the test `d.t`");
                faults.into_iter().map(|fault| fault.detail).collect::<Vec<_>>()
            }
            other => panic!("faults: {other:?}"),
        };
        let unknown = Digest::of(b"other bytes");
        let [words] = &faults(attached("a.txt", unknown, 11)).await[..] else { panic!("one fault") };
        assert!(words.contains("`a.txt`") && words.contains(&unknown.to_string()), "{words}");
        for size in [0, 4, 6, u64::MAX] {
            let words = faults(attached("a.txt", sent.sha256, size)).await;
            assert_eq!(words, [format!("the attachment `a.txt` has 5 bytes, not {size}")]);
        }
        app.change(vec![put("d.t", attached("a.txt", sent.sha256, 5))]).await;
        let found = item::get(&app.app.catalogue, Test, "d.t", None).await.unwrap();
        assert_eq!(found.version.document.0, attached("a.txt", sent.sha256, 5));
    }
}
