//! Sessions: what a change wrote is what whoever reads it gets, whole or since a version.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testyard::domain::program::{Record, parse_records};
use testyard::domain::session::{Changes, Metadata, Outcome, Report, Session};
use testyard::domain::unit::{FieldValue, Unit};
use testyard::store::page::{Page, Stretch};
use testyard::store::session::{Change, Happened, Loaded, ResultKey, Shared, Stand};
use testyard::store::verbatim::Verbatim;
use testyard::store::{Db, Error, session};
use uuid::Uuid;

use super::{committed, micros, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

/// The life of all sessions here.
const LIFE: Uuid = Uuid::from_u128(7);

fn unit(fields: &[(&str, &str)]) -> Unit {
    let fields: BTreeMap<String, FieldValue> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), FieldValue::from(*value))).collect();
    Unit::new(Some("ns"), Some("lab"), fields)
}

pub(super) fn job(id: &str, more: &[(&str, &str)]) -> Unit {
    let fields: Vec<(&str, &str)> =
        [("id", id), ("plugin", "shell"), ("command", "true")].into_iter().chain(more.iter().copied()).collect();
    unit(&fields)
}

/// Two jobs of which one waits for the other, and a category.
pub(super) fn a_session() -> Session {
    let mut session = Session::default();
    session.enter_context();
    let units = vec![
        job("a", &[("_summary", "Ä \u{1F600} \"'\\")]),
        job("b", &[("depends", "a")]),
        unit(&[("unit", "category"), ("id", "c"), ("name", "C")]),
    ];
    session.add_units(units).unwrap();
    session.set_metadata(Metadata {
        title: json!({"n": 1e16, "z": -0.0}),
        app_id: Some("com.example.app".into()),
        ..Metadata::default()
    });
    session.select(&["ns::b".to_owned()], true);
    session
}

pub(super) fn records(text: &str) -> Vec<Record> {
    let (records, error) = parse_records(text);
    assert_eq!(error, None);
    records.into_iter().map(|located| located.record).collect()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(super) fn change(number: u128, version: i64) -> Change<'static> {
    Change { id: id(number), version, life: LIFE, now: micros(version), by: (version % 2 == 1).then_some("ann") }
}

fn passed(comments: &str) -> Report {
    Report { outcome: Some(Outcome::Pass), comments: Some(comments.to_owned()), ..Report::default() }
}

pub(super) async fn write(db: &Db, change: Change<'_>, changes: &Changes) {
    committed!(db, conn => session::write(conn, change, changes));
}

async fn load(db: &Db, number: u128, since: Option<i64>) -> Loaded {
    let since = since.map(|version| Stand { version, life: LIFE });
    read!(db, conn => session::load(conn, id(number), since)).unwrap()
}

/// The session with the last result of each job alone, which is how it is read.
fn without_past(session: &Session) -> Session {
    let mut session = session.clone();
    session.keep_past_elsewhere();
    session
}

/// What there is of a session is what is stored of it, whether it is read whole or a piece is taken in.
async fn is_as_stored(db: &Db, number: u128, session: &Session) {
    let loaded = load(db, number, None).await;
    assert!(loaded.whole);
    let session = without_past(session);
    assert_eq!(loaded.changes, session.rows());
    assert_eq!(Session::restore_without_past(loaded.changes).unwrap().rows(), session.rows());
}

fn everything<K>() -> Stretch<K> {
    Stretch { limit: 1_000, after: None }
}

async fn events(db: &Db, number: u128, limit: u32, after: Option<i64>) -> (Vec<Happened>, bool) {
    read!(db, conn => session::events(conn, id(number), &Stretch { limit, after }))
}

on_both! {
    async fn nothing_is_known_of_a_session_that_is_not_there(db: TestDb) {
        let db = db.open().await;
        assert_eq!(read!(db, conn => session::get(conn, id(1))), None);
        assert_eq!(read!(db, conn => session::stand(conn, id(1))), None);
        assert_eq!(committed!(db, conn => session::lock(conn, id(1))), None);
        assert_eq!(read!(db, conn => session::load(conn, id(1), None)), None);
        assert_eq!(read!(db, conn => session::load(conn, id(1), Some(Stand { version: 3, life: LIFE }))), None);
        assert_eq!(read!(db, conn => session::list(conn, None, Page { limit: 9, before: None })), (vec![], false));
        assert_eq!(read!(db, conn => session::history(conn, id(1), "ns::a", &everything())), (vec![], false));
        assert_eq!(events(&db, 1, 9, None).await, (vec![], false));
        assert_eq!(read!(db, conn => session::shared(conn, id(1), "k")), None);
        assert_eq!(read!(db, conn => session::count_shared(conn, id(1))), 0);
        assert!(!committed!(db, conn => session::unshare(conn, id(1), "k")));
        assert!(!committed!(db, conn => session::delete(conn, id(1))));
    }

    async fn a_session_comes_back_as_it_was_written(db: TestDb) {
        let db = db.open().await;
        let mut session = a_session();
        write(&db, change(1, 1), &session.take_changes()).await;
        is_as_stored(&db, 1, &session).await;
        let stored = read!(db, conn => session::get(conn, id(1))).unwrap();
        assert_eq!((stored.id, stored.version), (id(1), 1));
        assert_eq!((stored.created_at, stored.updated_at, stored.created_by.as_deref()), (micros(1), micros(1), Some("ann")));
        assert_eq!(stored.metadata.0, session.metadata().brief());
        assert_eq!(read!(db, conn => session::stand(conn, id(1))), Some(Stand { version: 1, life: LIFE }));
        assert_eq!(committed!(db, conn => session::lock(conn, id(1))), Some(Stand { version: 1, life: LIFE }));
        let error = refused!(db, conn => session::write(conn, change(1, 1), &a_session().rows()));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");

        session.set_metadata(Metadata {
            app_id: None, app_blob: None, rejected_jobs: vec!["ns::c".into()], ..session.metadata().clone()
        });
        let problems = session.select(&["ns::b".to_owned(), "ns::gone".to_owned()], true);
        assert_eq!(problems.len(), 1);
        session.set_mandatory(&["ns::a".to_owned()]);
        session.save_manifest(BTreeMap::from([("ns::has_wifi".to_owned(), json!(true)), ("n".to_owned(), json!(-0.0))]));
        write(&db, change(1, 2), &session.take_changes()).await;
        is_as_stored(&db, 1, &session).await;
        let stored = read!(db, conn => session::get(conn, id(1))).unwrap();
        assert_eq!((stored.version, stored.created_at, stored.updated_at), (2, micros(1), micros(2)));
        assert_eq!((stored.created_by.as_deref(), stored.metadata.0.app_id), (Some("ann"), None));
    }

    async fn what_differs_since_a_version_is_all_that_is_read(db: TestDb) {
        let db = db.open().await;
        let mut session = a_session();
        write(&db, change(1, 1), &session.take_changes()).await;
        let mut other = Session::restore(load(&db, 1, None).await.changes).unwrap();

        session.record("ns::a", passed("one")).unwrap();
        write(&db, change(1, 2), &session.take_changes()).await;
        session.set_records("ns::cpu", records("count: 4\n\ncount: 8\n"));
        session.settle();
        write(&db, change(1, 3), &session.take_changes()).await;

        let piece = load(&db, 1, Some(1)).await;
        assert!((piece.stand.version, piece.whole) == (3, false) && piece.changes.units.is_empty(), "{piece:?}");
        let jobs: Vec<&str> = piece.changes.jobs.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(jobs, ["ns::a", "ns::b"], "b can start now");
        assert_eq!((piece.changes.history.len(), piece.changes.resources.len()), (1, 1));
        other.absorb(piece.changes).unwrap();
        assert_eq!(other.rows(), session.rows());

        let piece = load(&db, 1, Some(2)).await.changes;
        assert!(piece.jobs.is_empty() && piece.history.is_empty() && piece.resources.len() == 1, "{piece:?}");
        let nothing = load(&db, 1, Some(3)).await;
        assert!(!nothing.whole && nothing.changes.jobs.is_empty() && nothing.changes.resources.is_empty());
        is_as_stored(&db, 1, &session).await;
    }

    async fn whoever_missed_a_removal_reads_all(db: TestDb) {
        let db = db.open().await;
        let mut session = a_session();
        session.select(&["ns::a".to_owned()], true);
        write(&db, change(1, 1), &session.take_changes()).await;
        session.record("ns::b", passed("one")).unwrap();
        session.set_records("ns::b", records("x: 1\n"));
        session.settle();
        write(&db, change(1, 2), &session.take_changes()).await;
        let b = session.unit("ns::b", None).unwrap().clone();
        session.remove_unit(&b).unwrap();
        write(&db, change(1, 3), &session.take_changes()).await;
        is_as_stored(&db, 1, &session).await;
        for since in [1, 2] {
            let loaded = load(&db, 1, Some(since)).await;
            assert!(loaded.whole, "what was removed is not among what differs");
            assert_eq!(loaded.changes, session.rows());
        }
        assert!(!load(&db, 1, Some(3)).await.whole);

        session.add_units(vec![b]).unwrap();
        session.record("ns::b", passed("two")).unwrap();
        session.record("ns::b", passed("three")).unwrap();
        write(&db, change(1, 4), &session.take_changes()).await;
        is_as_stored(&db, 1, &session).await;
        let piece = load(&db, 1, Some(3)).await;
        assert!(!piece.whole && piece.changes.history.len() == 2 && piece.changes.units.len() == 1, "{piece:?}");

        let (all, more) = read!(db, conn => session::history(conn, id(1), "ns::b", &everything()));
        let told: Vec<_> = all
            .iter()
            .map(|it| (it.version, it.number, it.live, it.recorded_by.as_deref(), it.report.0.comments.as_deref().unwrap()))
            .collect();
        let want = [(2, 0, false, None, "one"), (4, 0, true, None, "two"), (4, 1, true, None, "three")];
        assert_eq!((told.as_slice(), more), (&want[..], false), "what came of the job that is gone is kept");
        assert!(all.iter().all(|it| it.job_id == "ns::b" && it.recorded_at == micros(it.version)));
        let page = |limit, after| Stretch { limit, after };
        let (some, more) = read!(db, conn => session::history(conn, id(1), "ns::b", &page(2, None)));
        assert_eq!((some.as_slice(), more), (&all[..2], true));
        let (some, more) = read!(db, conn => session::history(conn, id(1), "ns::b", &page(2, Some(ResultKey(4, 0)))));
        assert_eq!((some.as_slice(), more), (&all[2..], false));
        assert_eq!(read!(db, conn => session::history(conn, id(1), "ns::a", &everything())), (vec![], false));
    }

    async fn a_session_with_more_rows_than_are_read_at_once_is_whole(db: TestDb) {
        let db = db.open().await;
        let mut session = Session::default();
        let units: Vec<Unit> = (0..5_500).map(|number| job(&format!("job{number}"), &[])).collect();
        session.add_units(units).unwrap();
        for number in 0..5_200 {
            let id = format!("ns::job{number}");
            session.record(&id, passed("one")).unwrap();
        }
        for time in 0..3 {
            session.record("ns::job5000", passed(&format!("again {time}"))).unwrap();
        }
        write(&db, change(1, 1), &session.take_changes()).await;
        is_as_stored(&db, 1, &session).await;
        assert_eq!(load(&db, 1, None).await.changes.history.len(), 5_200, "the last of each");
    }

    async fn sessions_are_listed_newest_first_and_by_application(db: TestDb) {
        let db = db.open().await;
        for number in 1..=5_u128 {
            let mut session = a_session();
            let app_id = (number % 2 == 0).then(|| "even".to_owned());
            session.set_metadata(Metadata { app_id, ..Metadata::default() });
            write(&db, change(number, 1), &session.take_changes()).await;
        }
        let list = async |app_id: Option<&str>, limit, before: Option<u128>| {
            let page = Page { limit, before: before.map(id) };
            let (rows, more) = read!(db, conn => session::list(conn, app_id, page));
            (rows.into_iter().map(|row| row.id.as_u128()).collect::<Vec<_>>(), more)
        };
        assert_eq!(list(None, 9, None).await, (vec![5, 4, 3, 2, 1], false));
        assert_eq!(list(None, 2, Some(4)).await, (vec![3, 2], true));
        assert_eq!(list(Some("even"), 1, None).await, (vec![4], true));
        assert_eq!(list(Some("even"), 1, Some(4)).await, (vec![2], false));
        assert_eq!(list(Some("odd"), 9, None).await, (vec![], false));
    }

    async fn events_stand_in_their_order(db: TestDb) {
        let db = db.open().await;
        let (mut session, mut told) = (a_session(), Vec::new());
        for version in 1..=3 {
            if version > 1 {
                session.record("ns::a", passed(&version.to_string())).unwrap();
            }
            let changes = session.take_changes();
            told.extend(changes.events.iter().map(|row| (version, row.clone())));
            write(&db, change(1, version), &changes).await;
        }
        assert!(told.len() > 10, "{told:?}");
        let (all, more) = events(&db, 1, 1_000, None).await;
        assert!(!more);
        let found: Vec<_> = all.iter().map(|it| (it.version, it.event.0.clone())).collect();
        assert_eq!(found, told);
        for (place, it) in (0..).zip(&all) {
            assert_eq!((it.number, it.happened_at), (place, micros(it.version)));
        }
        let (some, more) = events(&db, 1, 3, Some(1)).await;
        assert_eq!((some.as_slice(), more), (&all[2..5], true));
        let last = all.last().unwrap().number;
        assert_eq!(events(&db, 1, 3, Some(last - 1)).await, (vec![all.last().unwrap().clone()], false));
        assert_eq!(events(&db, 1, 3, Some(last)).await, (vec![], false));
    }

    async fn of_shared_values_the_first_stays(db: TestDb) {
        let db = db.open().await;
        let mut session = a_session();
        write(&db, change(1, 1), &session.take_changes()).await;
        let value = |value: Value, at| Shared {
            key: "k \u{1F600}".into(),
            value: Verbatim(value),
            created_at: micros(at),
            created_by: (at == 1).then(|| "ann".to_owned()),
        };
        let first = value(json!({"n": 1e16, "z": -0.0, "nul": "\u{0}", "none": null}), 1);
        assert!(committed!(db, conn => session::share(conn, id(1), &first)));
        assert!(!committed!(db, conn => session::share(conn, id(1), &value(json!(2), 2))));
        assert_eq!(read!(db, conn => session::shared(conn, id(1), "k \u{1F600}")), Some(first));
        assert_eq!(read!(db, conn => session::shared(conn, id(1), "K")), None);
        assert_eq!(read!(db, conn => session::count_shared(conn, id(1))), 1);
        assert!(committed!(db, conn => session::unshare(conn, id(1), "k \u{1F600}")));
        assert!(!committed!(db, conn => session::unshare(conn, id(1), "k \u{1F600}")));
        let nothing = value(Value::Null, 3);
        assert!(committed!(db, conn => session::share(conn, id(1), &nothing)));
        assert_eq!(read!(db, conn => session::shared(conn, id(1), "k \u{1F600}")), Some(nothing));
        let error = refused!(db, conn => session::share(conn, id(2), &value(json!(1), 1)));
        assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    }

    async fn with_a_session_all_of_it_goes(db: TestDb) {
        let db = db.open().await;
        for number in [1, 2] {
            let mut session = a_session();
            session.record("ns::a", passed("one")).unwrap();
            session.set_records("ns::cpu", records("count: 4\n"));
            write(&db, change(number, 1), &session.take_changes()).await;
            let value = Shared { key: "k".into(), value: Verbatim(json!(1)), created_at: micros(1), created_by: None };
            assert!(committed!(db, conn => session::share(conn, id(number), &value)));
        }
        let rows = async || {
            let mut counts = Vec::new();
            for count in [
                "SELECT count(*) FROM session",
                "SELECT count(*) FROM session_unit",
                "SELECT count(*) FROM session_job",
                "SELECT count(*) FROM session_result",
                "SELECT count(*) FROM session_resource",
                "SELECT count(*) FROM event",
                "SELECT count(*) FROM session_value",
            ] {
                let (count,): (i64,) = read!(db, conn => conn.query(count).fetch_one());
                counts.push(count);
            }
            counts
        };
        let before = rows().await;
        assert!(before.iter().all(|count| *count > 0 && count % 2 == 0), "{before:?}");
        assert!(committed!(db, conn => session::delete(conn, id(1))));
        assert!(!committed!(db, conn => session::delete(conn, id(1))));
        assert_eq!(rows().await, before.iter().map(|count| count / 2).collect::<Vec<_>>());
        assert_eq!(read!(db, conn => session::get(conn, id(1))), None);
        assert!(load(&db, 2, None).await.whole);
    }
}
