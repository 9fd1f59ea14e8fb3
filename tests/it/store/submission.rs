//! KCIDB submissions that others made here, and the objects that came of them.

use serde_json::{Value, json};
use sqlx::types::Json;
use testyard::domain::kcidb::object::ObjectKind;
use testyard::domain::result::SubmissionState;
use testyard::store::Error;
use testyard::store::submission::{self, NewSubmission, ReceivedObject};

use super::{a_submission, at, committed, lease, micros, read, refused, worker};
use crate::support::db::TestDb;
use crate::support::on_both;

fn object(submission: &NewSubmission, kind: ObjectKind, id: &str, object: Value) -> ReceivedObject {
    ReceivedObject {
        object_kind: kind,
        object_id: id.into(),
        origin: "riscv".into(),
        object: Json(object),
        submission_id: submission.id.clone(),
        created_at: micros(1),
        updated_at: micros(2),
    }
}

on_both! {
    async fn a_submission_reads_back_as_it_came(db: TestDb) {
        let db = db.open().await;
        let new = NewSubmission { body: vec![0, 255, 7], ..a_submission(1, micros(11)) };
        assert_eq!(committed!(db, conn => submission::insert(conn, std::slice::from_ref(&new))), 1);
        let stored = read!(db, conn => submission::by_id(conn, &new.id)).unwrap();
        assert_eq!((stored.origin, stored.size_bytes, stored.state), (new.origin, 3, SubmissionState::Ready));
        assert_eq!(
            (stored.reason, stored.objects, stored.received_at, stored.settled_at),
            (None, None, micros(11), None)
        );
        assert!(read!(db, conn => submission::by_id(conn, "")).is_none());
        assert_eq!(read!(db, conn => submission::next_due(conn)), Some(micros(11)));
        let claimed = committed!(db, conn => submission::claim(conn, lease(worker(), 1, 60), 9));
        assert_eq!((&claimed[0].id, &claimed[0].body), (&new.id, &vec![0, 255, 7]));
    }

    async fn any_number_of_submissions_goes_in(db: TestDb) {
        let db = db.open().await;
        for many in [0_u32, 1, 3, 1000] {
            let some: Vec<_> = (0..many).map(|n| a_submission(many * 10_000 + n, at(0))).collect();
            assert_eq!(committed!(db, conn => submission::insert(conn, &some)), u64::from(many));
        }
        let error = refused!(db, conn => submission::insert(conn, &[a_submission(10_000, at(0))]));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    }

    async fn a_submission_is_settled_by_who_holds_it(db: TestDb) {
        let db = db.open().await;
        let news = [a_submission(1, at(10)), a_submission(2, at(11))];
        committed!(db, conn => submission::insert(conn, &news));
        let (me, other) = (worker(), worker());
        assert!(committed!(db, conn => submission::claim(conn, lease(me, 9, 40), 9)).is_empty(), "it is not due");
        let claimed = committed!(db, conn => submission::claim(conn, lease(me, 20, 40), 1));
        assert_eq!(claimed.iter().map(|one| &one.id).collect::<Vec<_>>(), [&news[0].id], "the oldest first");
        assert_eq!(committed!(db, conn => submission::claim(conn, lease(me, 20, 40), 9)).len(), 1);
        assert!(committed!(db, conn => submission::claim(conn, lease(other, 39, 60), 9)).is_empty());
        assert_eq!(committed!(db, conn => submission::claim(conn, lease(other, 40, 60), 9)).len(), 2);
        assert!(!committed!(db, conn => submission::settle(conn, me, &news[0].id, Ok(1), at(41))), "its lease is lost");
        assert!(committed!(db, conn => submission::settle(conn, other, &news[0].id, Ok(7), micros(41))));
        assert!(committed!(db, conn => submission::settle(conn, other, &news[1].id, Err("bad"), micros(42))));
        assert!(!committed!(db, conn => submission::settle(conn, other, &news[1].id, Ok(1), at(43))), "it is settled");
        let one = read!(db, conn => submission::by_id(conn, &news[0].id)).unwrap();
        assert_eq!((one.state, one.objects, one.reason), (SubmissionState::Processed, Some(7), None));
        assert_eq!(one.settled_at, Some(micros(41)));
        let two = read!(db, conn => submission::by_id(conn, &news[1].id)).unwrap();
        assert_eq!((two.state, two.objects, two.reason.as_deref()), (SubmissionState::Failed, None, Some("bad")));
        assert_eq!(read!(db, conn => submission::next_due(conn)), None);
    }

    async fn objects_are_stored_once_and_found_by_kind_and_id(db: TestDb) {
        let db = db.open().await;
        let (first, second) = (a_submission(1, at(0)), a_submission(2, at(0)));
        committed!(db, conn => submission::insert(conn, &[first.clone(), second.clone()]));
        let build = object(&first, ObjectKind::Build, "riscv:1", json!({"id": "riscv:1", "n": 1}));
        let test = object(&first, ObjectKind::Test, "riscv:1", json!({"id": "riscv:1", "n": 2}));
        let new = committed!(db, conn => submission::insert_objects(conn, &[build.clone(), test.clone()]));
        assert_eq!(new.len(), 2, "an id is one of its kind");
        let again = object(&second, ObjectKind::Test, "riscv:1", json!({"n": 3}));
        let other = object(&second, ObjectKind::Test, "riscv:2", json!({"n": 4}));
        let new = committed!(db, conn => submission::insert_objects(conn, &[again, other]));
        assert_eq!(new, [(ObjectKind::Test, "riscv:2".to_owned())]);
        let stored = committed!(db, conn => submission::lock_object(conn, ObjectKind::Test, "riscv:1")).unwrap();
        assert_eq!(format!("{stored:?}"), format!("{test:?}"), "the first stays");
        assert!(committed!(db, conn => submission::lock_object(conn, ObjectKind::Issue, "riscv:1")).is_none());
        assert!(committed!(db, conn => submission::insert_objects(conn, &[])).is_empty());
    }

    async fn a_merged_object_replaces_what_was_there(db: TestDb) {
        let db = db.open().await;
        let new = a_submission(1, at(0));
        committed!(db, conn => submission::insert(conn, std::slice::from_ref(&new)));
        let first = object(&new, ObjectKind::Test, "riscv:1", json!({}));
        committed!(db, conn => submission::insert_objects(conn, &[first]));
        let merged = json!({"a": [1.5, null, "\u{1F600}"]});
        let update =
            async |kind, id| committed!(db, conn => submission::update_object(conn, kind, id, &merged, micros(9)));
        assert_eq!(update(ObjectKind::Test, "riscv:1").await, 1);
        assert_eq!(update(ObjectKind::Test, "riscv:2").await, 0);
        let stored = committed!(db, conn => submission::lock_object(conn, ObjectKind::Test, "riscv:1")).unwrap();
        assert_eq!((stored.object.0, stored.created_at, stored.updated_at), (merged, micros(1), micros(9)));
    }

    async fn a_submission_s_objects_come_in_order_and_bounded(db: TestDb) {
        let db = db.open().await;
        let (first, second) = (a_submission(1, at(0)), a_submission(2, at(0)));
        committed!(db, conn => submission::insert(conn, &[first.clone(), second.clone()]));
        let mut objects: Vec<_> =
            (0..1000).map(|n| object(&first, ObjectKind::Test, &format!("riscv:{n:04}"), json!({}))).collect();
        objects.push(object(&second, ObjectKind::Test, "riscv:x", json!({})));
        objects.push(object(&first, ObjectKind::Build, "riscv:x", json!({})));
        assert_eq!(committed!(db, conn => submission::insert_objects(conn, &objects)).len(), 1002);
        let found = read!(db, conn => submission::objects(conn, &first.id, 3));
        let found: Vec<_> = found.iter().map(|one| (one.object_kind, one.object_id.as_str())).collect();
        let want = [(ObjectKind::Build, "riscv:x"), (ObjectKind::Test, "riscv:0000"), (ObjectKind::Test, "riscv:0001")];
        assert_eq!(found, want);
        assert_eq!(read!(db, conn => submission::objects(conn, &first.id, 9999)).len(), 1001);
        assert!(read!(db, conn => submission::objects(conn, "nobody", 9)).is_empty());
    }

    async fn an_object_of_a_submission_that_is_not_there_is_refused(db: TestDb) {
        let db = db.open().await;
        let lost = object(&a_submission(1, at(0)), ObjectKind::Test, "riscv:1", json!({}));
        let error = refused!(db, conn => submission::insert_objects(conn, &[lost]));
        assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    }
}
