//! Items of the catalogue, made here rather than read from documents, changes of it, and the bytes of attachments.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use futures_util::{Stream, stream};
use testyard::app::AppError;
use testyard::app::catalogue::attachment::{NotTaken, Stored, take_in};
use testyard::app::catalogue::change::{Change, Changed, Did, NotMade, Terms, make};
use testyard::app::catalogue::{By, Catalogue};
use testyard::app::condition::OnlyIf;
use testyard::domain::catalogue::class::{Class, ClassKind, Execution};
use testyard::domain::catalogue::item::{About, EXPLICIT_SUITE, Expectation, Extension, Item, ItemKind, Suite};
use testyard::domain::catalogue::outcome::Outcome;
use testyard::domain::catalogue::value::{Attachment, Source, Value};
use testyard::domain::digest::Digest;
use testyard::domain::words::Word as _;
use testyard::store;
use testyard::store::catalogue::{Revision, State};
use testyard::store::page::Stretch;

use super::app::TestApp;

/// The class of tests that are a program.
pub(crate) const EXEC_TEST: &str = "command.ExecTest";

/// A test that runs this program.
pub(crate) fn a_test(program: &str) -> Item {
    of_class(EXEC_TEST, program)
}

/// A test of this class with one argument.
pub(crate) fn of_class(class: &str, program: &str) -> Item {
    let arguments = [("program".to_owned(), Value::Text(program.to_owned()))].into();
    Item::Test(Extension { class: class.to_owned(), arguments, about: About::default() })
}

/// A resource.
pub(crate) fn a_resource() -> Item {
    let class = "temporary.TempDirectoryResource".to_owned();
    Item::Resource(Extension { class, arguments: [].into(), about: About::default() })
}

/// A suite that names these tests.
pub(crate) fn a_suite(tests: &[&str]) -> Item {
    Item::Suite(Suite {
        class: EXPLICIT_SUITE.to_owned(),
        test_ids: tests.iter().map(|test| (*test).to_owned()).collect(),
        suite_ids: Vec::new(),
        implicit: false,
        about: About::default(),
    })
}

/// That a test is expected to fail, for this reason.
pub(crate) fn expected_to_fail(cause: &str) -> Item {
    Item::Expectation(Expectation { outcome: Outcome::Fail, cause: Some(cause.to_owned()) })
}

/// A class of tests of which only the runner `lab` knows the fields.
pub(crate) fn a_class(name: &str, description: &str) -> Item {
    Item::Class(Class {
        name: name.to_owned(),
        kind: ClassKind::Test,
        description: description.to_owned(),
        fields: None,
        execution: Execution::Runner("lab".to_owned()),
    })
}

/// The test, resource or suite with something else known about it.
pub(crate) fn known(mut item: Item, change: impl FnOnce(&mut About)) -> Item {
    match &mut item {
        Item::Test(extension) | Item::Resource(extension) => change(&mut extension.about),
        Item::Suite(suite) => change(&mut suite.about),
        Item::Directory | Item::Expectation(_) | Item::Class(_) => panic!("nothing is known about {item:?}"),
    }
    item
}

/// A test with a file beside it.
pub(crate) fn attached(filename: &str, sha256: Digest, size: u64) -> Item {
    let attachment = Attachment {
        filename: filename.to_owned(),
        mime_type: "text/plain".to_owned(),
        description: String::new(),
        source: Source::Content { sha256, size },
    };
    known(a_test("true"), |about| {
        about.attachments.insert(filename.to_owned(), attachment);
    })
}

/// A source of these bytes in pieces of this many.
pub(crate) fn pieces(bytes: &[u8], of: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let pieces: Vec<_> = bytes.chunks(of).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

/// All files below a folder, by name.
pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    files.sort();
    files
}

/// No condition but those of the changes themselves.
pub(crate) const TERMS: Terms = Terms::as_of(i64::MAX);

/// Puts an item, however what is there stands.
pub(crate) fn put(name: &str, item: Item) -> Change {
    Change { kind: item.kind(), name: name.to_owned(), item: Some(item), only_if: OnlyIf::Any }
}

/// Removes an item, if it is there.
pub(crate) fn remove(kind: ItemKind, name: &str) -> Change {
    Change { kind, name: name.to_owned(), item: None, only_if: OnlyIf::Any }
}

/// The change on this condition.
pub(crate) fn only_if(only_if: OnlyIf, change: Change) -> Change {
    Change { only_if, ..change }
}

/// Makes these changes in nobody's name.
pub(crate) async fn make_changes(
    catalogue: &Catalogue,
    changes: Vec<Change>,
    terms: Terms,
) -> Result<Changed, NotMade> {
    make(catalogue, &By::default(), changes, terms).await
}

/// All that the catalogue says of itself: its state, its revisions, and each item's kind, name, revision and document.
pub(crate) type WholeCatalogue = (State, Vec<Revision>, Vec<(ItemKind, String, i64, Item)>);

impl TestApp {
    /// Makes changes that must be made: the revision and what was done.
    pub(crate) async fn change(&self, changes: Vec<Change>) -> (i64, Vec<Did>) {
        let made = make_changes(&self.app.catalogue, changes, TERMS).await.expect("the changes are made");
        (made.revision, made.did)
    }

    /// The whole catalogue as it is; the state must count its items.
    pub(crate) async fn whole_catalogue(&self) -> WholeCatalogue {
        let mut db = self.app.db.read().await.expect("a connection");
        let conn = &mut db.conn();
        let state = store::catalogue::state(conn).await.expect("a state");
        let all = Stretch { limit: 1_000, after: None };
        let (revisions, _) = store::catalogue::revisions(conn, &all).await.expect("revisions");
        let items = store::catalogue_item::all(conn, ItemKind::ALL, None).await.expect("items");
        assert_eq!(state.items, i64::try_from(items.len()).expect("not so many"), "the count is kept");
        let items = items.into_iter().map(|it| (it.kind, it.name, it.since_revision, it.document.0)).collect();
        (state, revisions, items)
    }

    /// Takes these bytes in, which must go well.
    pub(crate) async fn keep_bytes(&self, bytes: &[u8]) -> Stored {
        take_in(&self.app.catalogue, pieces(bytes, 1 << 20)).await.expect("the bytes are taken in")
    }

    /// Takes these bytes in, which must fail on the service's side: why.
    pub(crate) async fn fail_to_keep(&self, bytes: &[u8]) -> AppError {
        match take_in(&self.app.catalogue, pieces(bytes, 1 << 20)).await {
            Err(NotTaken::Failed(error)) => error,
            other => panic!("it must fail: {other:?}"),
        }
    }

    /// The files of the objects in the service's folder, those under way included.
    pub(crate) fn object_files(&self) -> Vec<String> {
        files_in(&self.app.settings.server.state_dir.join("objects"))
    }

    /// How many contents there are, and how many objects are noted as garbage.
    pub(crate) async fn contents_and_garbage(&self) -> (i64, i64) {
        let mut db = self.app.db.read().await.expect("a connection");
        let count = "SELECT (SELECT count(*) FROM content), (SELECT count(*) FROM object_garbage)";
        db.conn().query(count).fetch_one().await.expect("two numbers")
    }

    /// When the sweep has to do something next, in seconds from now.
    pub(crate) async fn next_sweep(&self) -> Option<i64> {
        let mut db = self.app.db.read().await.expect("a connection");
        let due = store::content::next_due(&mut db.conn()).await.expect("a time");
        due.map(|due| (due - self.app.now()).num_seconds())
    }
}
