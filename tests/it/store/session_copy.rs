//! Sessions as they are carried: what is read of one, written elsewhere, is all of it.

use serde_json::json;
use testyard::domain::session::{Outcome, Report};
use testyard::store::session::Shared;
use testyard::store::session_copy::{
    self, Carried, CarriedEvent, CarriedJob, CarriedResource, CarriedResult, CarriedUnit, CarriedValue,
};
use testyard::store::verbatim::Verbatim;
use testyard::store::{Db, Error, session};
use uuid::Uuid;

use super::session::{a_session, change, job, records, write};
use super::{committed, micros, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

/// All rows of a table, read stretch by stretch, and written for another session.
async fn carried<T: Carried>(db: &Db, from: Uuid, to: Uuid) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let some: Vec<T> = read!(db, conn => session_copy::rows(conn, from, all.last()));
        if some.is_empty() {
            return all;
        }
        committed!(db, conn => session_copy::put_rows(conn, to, &some));
        all.extend(some);
    }
}

async fn alike<T: Carried + PartialEq + std::fmt::Debug>(db: &Db, from: Uuid, to: Uuid, least: usize) {
    let carried: Vec<T> = carried(db, from, to).await;
    assert!(carried.len() >= least, "only {} {}", carried.len(), T::NAME);
    let there: Vec<T> = read!(db, conn => session_copy::rows(conn, to, None::<&T>));
    assert_eq!(there[..], carried[..there.len()], "{}", T::NAME);
}

on_both! {
    async fn every_row_of_a_session_is_carried(db: TestDb) {
        let db = db.open().await;
        let mut original = a_session();
        write(&db, change(1, 1), &original.take_changes()).await;
        original.add_units((0..2_100).map(|number| job(&format!("many{number}"), &[])).collect()).unwrap();
        original.record("ns::a", Report::of(Outcome::Pass)).unwrap();
        original.record("ns::a", Report::of(Outcome::Fail)).unwrap();
        original.set_records("ns::r", records("k: v\n"));
        write(&db, change(1, 2), &original.take_changes()).await;
        let (from, to) = (change(1, 1).id, change(2, 1).id);
        let value = Shared {
            key: "k".into(), value: Verbatim(json!({"n": 1e16})), created_at: micros(5), created_by: Some("ann".into()),
        };
        committed!(db, conn => session::share(conn, from, &value));

        assert_eq!(read!(db, conn => session_copy::head(conn, to)), None);
        let head = read!(db, conn => session_copy::head(conn, from)).unwrap();
        committed!(db, conn => session_copy::put_head(conn, to, Uuid::from_u128(8), &head));
        assert_eq!(read!(db, conn => session_copy::head(conn, to)), Some(head.clone()));
        alike::<CarriedUnit>(&db, from, to, 2_100).await;
        alike::<CarriedJob>(&db, from, to, 2_100).await;
        alike::<CarriedResult>(&db, from, to, 2).await;
        alike::<CarriedResource>(&db, from, to, 1).await;
        alike::<CarriedEvent>(&db, from, to, 2_100).await;
        alike::<CarriedValue>(&db, from, to, 1).await;
        let [original, copy] = [from, to].map(async |id| read!(db, conn => session::load(conn, id, None)).unwrap());
        let (original, copy) = (original.await, copy.await);
        assert_eq!((original.whole, original.changes), (copy.whole, copy.changes));
        assert_ne!(original.stand.life, copy.stand.life);

        let again = refused!(db, conn => session_copy::put_head(conn, to, Uuid::from_u128(8), &head));
        assert!(matches!(again, Error::Conflict(_)), "{again:?}");
        let twice: Vec<CarriedJob> = read!(db, conn => session_copy::rows(conn, from, None::<&CarriedJob>));
        let again = refused!(db, conn => session_copy::put_rows(conn, to, &twice));
        assert!(matches!(again, Error::Conflict(_)), "{again:?}");
        let nowhere = refused!(db, conn => session_copy::put_rows(conn, Uuid::from_u128(99), &twice));
        assert!(matches!(nowhere, Error::Constraint(_)), "{nowhere:?}");
    }
}
