//! Providers: written as wholes, read page by page.

use std::collections::BTreeMap;

use testyard::domain::unit::{FieldValue, Unit};
use testyard::store::page::Stretch;
use testyard::store::provider::{NewProvider, Provider, ProviderUnit};
use testyard::store::verbatim::Verbatim;
use testyard::store::{Db, Error, provider};

use super::{committed, micros, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

fn new(name: &str, revision: i64) -> NewProvider<'_> {
    NewProvider { name, namespace: Some("com.example"), revision, now: micros(revision), by: Some("ann") }
}

fn unit(id: &str) -> Unit {
    let fields = [
        ("id", FieldValue::from(id)),
        ("plugin", "shell".into()),
        ("command", "a\nb \"'\\ \u{1F600} ä".into()),
        ("siblings", FieldValue::List(vec![serde_json::json!({"n": 1e16, "z": -0.0, "a": [null]})])),
    ];
    let fields: BTreeMap<String, FieldValue> =
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Unit::new(Some("com.example"), Some("lab"), fields)
}

fn row(place: i64, id: &str) -> ProviderUnit {
    let (file, line) = if place % 2 == 0 { (Some(format!("units/{id}.pxu")), Some(place + 1)) } else { (None, None) };
    ProviderUnit { place, unit: Verbatim(unit(id)), file, line }
}

fn everything<K>() -> Stretch<K> {
    Stretch { limit: 100_000, after: None }
}

async fn names(db: &Db, limit: u32, after: Option<&str>) -> (Vec<String>, bool) {
    let page = Stretch { limit, after: after.map(str::to_owned) };
    let (rows, more) = read!(db, conn => provider::list(conn, &page));
    (rows.into_iter().map(|row| row.name).collect(), more)
}

on_both! {
    async fn nothing_is_known_of_a_name_that_is_not_there(db: TestDb) {
        let db = db.open().await;
        assert_eq!(read!(db, conn => provider::get(conn, "lab")), None);
        assert_eq!(committed!(db, conn => provider::lock(conn, "lab")), None);
        assert_eq!(read!(db, conn => provider::list(conn, &everything())), (vec![], false));
        assert_eq!(read!(db, conn => provider::units(conn, "lab", &everything())), (vec![], false));
        assert!(!committed!(db, conn => provider::delete(conn, "lab")));
    }

    async fn a_provider_comes_back_as_it_was_put(db: TestDb) {
        let db = db.open().await;
        let rows = [row(0, "a"), row(1, "b"), row(2, "c")];
        committed!(db, conn => provider::put(conn, &new("lab", 1), &rows));
        let stored = Provider {
            name: "lab".into(),
            namespace: Some("com.example".into()),
            revision: 1,
            units: 3,
            created_at: micros(1),
            updated_at: micros(1),
            updated_by: Some("ann".into()),
        };
        assert_eq!(read!(db, conn => provider::get(conn, "lab")), Some(stored.clone()));
        assert_eq!(committed!(db, conn => provider::lock(conn, "lab")), Some(stored.clone()));
        let (units, more) = read!(db, conn => provider::units(conn, "lab", &everything()));
        assert_eq!((units.as_slice(), more), (&rows[..], false));
        let fields: Vec<_> = units.iter().map(|row| row.unit.0.fields().clone()).collect();
        assert_eq!(fields[0], unit("a").fields().clone(), "units are equal by checksum; these are so letter by letter");
        assert_eq!(units[0].unit.0.provider(), Some("lab"));

        let later = NewProvider { namespace: None, by: None, ..new("lab", 2) };
        committed!(db, conn => provider::put(conn, &later, &[row(7, "z")]));
        let want = Provider { namespace: None, revision: 2, units: 1, updated_at: micros(2), updated_by: None, ..stored };
        assert_eq!(read!(db, conn => provider::get(conn, "lab")), Some(want));
        let (units, _) = read!(db, conn => provider::units(conn, "lab", &everything()));
        assert_eq!(units, [ProviderUnit { place: 0, ..row(7, "z") }], "places are given anew");
    }

    async fn of_two_who_make_one_the_second_is_refused(db: TestDb) {
        let db = db.open().await;
        committed!(db, conn => provider::put(conn, &new("lab", 1), &[row(0, "a")]));
        let error = refused!(db, conn => provider::put(conn, &new("lab", 1), &[]));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        assert_eq!(read!(db, conn => provider::units(conn, "lab", &everything())).0.len(), 1);
    }

    async fn a_revision_and_a_line_are_at_least_one(db: TestDb) {
        let db = db.open().await;
        let wrong = ProviderUnit { line: Some(0), ..row(0, "a") };
        let error = refused!(db, conn => provider::put(conn, &new("lab", 1), &[wrong]));
        assert!(matches!(error, Error::Constraint(_)), "{error:?}");
        committed!(db, conn => provider::put(conn, &new("lab", 1), &[]));
        let error = refused!(db, conn => provider::put(conn, &new("lab", 0), &[]));
        assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    }

    async fn listings_go_by_the_bytes_of_names(db: TestDb) {
        let db = db.open().await;
        for name in ["b", "ä", "B", "a b", "\u{1F600}", "a"] {
            committed!(db, conn => provider::put(conn, &new(name, 1), &[]));
        }
        let all = ["B", "a", "a b", "b", "ä", "\u{1F600}"];
        assert_eq!(names(&db, 6, None).await, (all.map(str::to_owned).into(), false));
        assert_eq!(names(&db, 2, Some("a")).await, (vec!["a b".into(), "b".into()], true));
        assert_eq!(names(&db, 2, Some("b")).await, (vec!["ä".into(), "\u{1F600}".into()], false));
    }

    async fn units_come_page_by_page_and_go_with_their_provider(db: TestDb) {
        const MANY: i64 = 3_000;
        let db = db.open().await;
        let rows: Vec<ProviderUnit> = (0..MANY).map(|place| row(place, &format!("job{place}"))).collect();
        for name in ["lab", "other"] {
            committed!(db, conn => provider::put(conn, &new(name, 1), &rows));
        }
        let (mut found, mut page) = (Vec::new(), Stretch { limit: 999, after: None });
        loop {
            let (some, more) = read!(db, conn => provider::units(conn, "lab", &page));
            page.after = some.last().map(|row| row.place);
            found.extend(some);
            if !more {
                break;
            }
        }
        assert!(found == rows);
        assert!(committed!(db, conn => provider::delete(conn, "lab")));
        assert!(!committed!(db, conn => provider::delete(conn, "lab")));
        let left: Vec<(i64, i64)> = read!(db, conn => conn
            .query("SELECT (SELECT count(*) FROM provider), (SELECT count(*) FROM provider_unit)")
            .fetch_all());
        assert_eq!(left, [(1, MANY)]);
    }
}
