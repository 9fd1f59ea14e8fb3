//! What the databases themselves refuse, whoever asks: each CHECK, each foreign key and each NOT NULL, by statements
//! that the storage layer would never send.

use testyard::domain::catalogue::item::ItemKind;
use testyard::domain::digest::Digest;
use testyard::store::content::{Content, Place};
use testyard::store::selection::{NewMask, NewMember};
use testyard::store::{Db, Error, Result};

use super::agent_lease::a_lease;
use super::catalogue::revise;
use super::selection::a_selection;
use super::spec::a_spec;
use super::spec_result::result_of;
use super::{a_callback, a_delivery, a_submission, at, build_with_run, committed, refused, running, tests_of};
use crate::support::catalogue::a_test;
use crate::support::db::TestDb;
use crate::support::on_both;

/// Statements that each break one law, on a database that holds one row of each kind.
const ILLEGAL: &[&str] = &[
    // Words that are none.
    "UPDATE run SET kind = 'bench' WHERE build_ref IS NOT NULL",
    "UPDATE run SET state = 'lost'",
    "UPDATE run SET status = 'GOOD', state = 'finished', finished_at = created_at",
    "UPDATE delivery SET state = 'gone'",
    "UPDATE delivery SET object_kind = 'tests'",
    "UPDATE delivery SET dead_cause = 'bad', state = 'dead', settled_at = created_at",
    "UPDATE callback SET trust = 'some'",
    "UPDATE callback SET state = 'new'",
    "UPDATE submission SET state = 'inprogress'",
    // Numbers that are none.
    "UPDATE run SET attempt = 0",
    "UPDATE delivery SET batch_limit = 0",
    // A run builds a build of ours or tests one of KCIDB's.
    "UPDATE run SET kind = 'tests' WHERE build_id IS NOT NULL",
    "UPDATE run SET kind = 'build' WHERE build_ref IS NOT NULL",
    "UPDATE run SET build_ref = 'x' WHERE kind = 'build'",
    "UPDATE run SET build_ref = NULL WHERE kind = 'tests'",
    // A run that is over has a status and an end, and no other has.
    "UPDATE run SET state = 'finished', finished_at = created_at",
    "UPDATE run SET state = 'canceled', status = 'MISS'",
    "UPDATE run SET status = 'PASS'",
    "UPDATE run SET finished_at = created_at",
    // What runs has a uid.
    "UPDATE run SET uid = NULL WHERE state = 'running'",
    "UPDATE run SET state = 'collecting' WHERE uid IS NULL",
    // A lease has a holder and an end.
    "UPDATE run SET lease_until = created_at",
    "UPDATE run SET lease_holder = id",
    "UPDATE delivery SET lease_until = created_at",
    "UPDATE callback SET lease_holder = id",
    "UPDATE submission SET lease_until = received_at",
    // What is settled says when, what is dead says why, what was sent has a receipt.
    "UPDATE delivery SET state = 'delivered'",
    "UPDATE delivery SET settled_at = created_at",
    "UPDATE delivery SET state = 'dead', settled_at = created_at",
    "UPDATE delivery SET dead_cause = 'failed'",
    "UPDATE delivery SET state = 'sent', sent_at = created_at",
    "UPDATE delivery SET state = 'sent', receipt = 'r'",
    "UPDATE callback SET state = 'applied'",
    "UPDATE callback SET settled_at = received_at",
    "UPDATE submission SET state = 'failed'",
    "UPDATE submission SET settled_at = received_at",
    // What others refer to stays, and what is referred to is there.
    "DELETE FROM build",
    "UPDATE run SET previous_id = client_token, client_token = previous_id WHERE build_ref IS NOT NULL",
    "UPDATE callback SET run_id = id",
    "UPDATE delivery SET run_id = id",
    // What must be there is there.
    "UPDATE build SET tree = NULL",
    "UPDATE run SET capability = NULL",
    "UPDATE delivery SET object = NULL",
    "UPDATE callback SET digest = NULL",
    "UPDATE submission SET body = NULL",
    // There is one catalogue.
    "INSERT INTO catalogue (id, revision, items) VALUES (2, 0, 0)",
    "UPDATE catalogue SET revision = NULL",
    // An item is of a kind, in a directory unless it is a class, and is of revisions that there were, in their order.
    "UPDATE catalogue_item SET kind = 'target'",
    "UPDATE catalogue_item SET kind = 'class'",
    "UPDATE catalogue_item SET directory = NULL",
    "UPDATE catalogue_item SET document = NULL",
    "UPDATE catalogue_item SET since_revision = 9",
    "UPDATE catalogue_item SET until_revision = 9",
    "UPDATE catalogue_item SET until_revision = since_revision",
    "DELETE FROM catalogue_revision",
    // A content's bytes are in one place, and it has no fewer than none.
    "UPDATE content SET size = -1",
    "UPDATE content SET object_key = 'ab/1'",
    "UPDATE content SET body = NULL",
    "UPDATE object_garbage SET due_at = NULL",
    // There is one set of specs, and one last result.
    "INSERT INTO spec_set (id, revision, specs) VALUES (2, 0, 0)",
    "INSERT INTO spec_result_last (id, number) VALUES (2, 0)",
    // What waits for a spec is there, and in an order; what it waits for need not be there.
    "UPDATE spec SET document = NULL",
    "INSERT INTO spec_edge (spec_id, place, dependency_id, wanted) VALUES ('none', 0, 'aaaa0001', '*')",
    "UPDATE spec_edge SET place = -1",
    // Words that are none, and those that do not go together.
    "UPDATE spec_result SET state = 'DONE'",
    "UPDATE spec_result SET category = 'PASSED'",
    "UPDATE spec_result SET status = 'GOOD'",
    "UPDATE spec_result SET status = 'FAILED'",
    "UPDATE spec_result SET category = 'FAIL'",
    "UPDATE spec_result SET category = 'CANCEL', status = 'SKIPPED'",
    "UPDATE spec_result SET category = 'SKIP', status = 'BLOCKED'",
    "UPDATE spec_result SET category = 'NONE', status = 'NONE'",
    "UPDATE spec_result SET state = 'RUNNING'",
    // All names or none.
    "UPDATE spec_result SET name = NULL",
    "UPDATE spec_result SET fullname = NULL",
    "UPDATE spec_result SET file_root = NULL",
    "UPDATE spec_result SET file_path = NULL",
    "UPDATE spec_result SET measurements = NULL",
    // What is in a selection is of one, and a cause is that of a reason.
    "UPDATE selection SET selected = -1",
    "INSERT INTO selection_last (id, number) VALUES (2, 0)",
    "UPDATE selection_reason SET specs = 0",
    "UPDATE selection_spec SET selection_number = 0",
    "UPDATE selection_reason SET selection_number = 0",
    "UPDATE selection_spec SET reason_number = NULL",
    // An agent stands in one way, and a token is used by somebody.
    "UPDATE agent SET standing = 'asleep'",
    "UPDATE agent SET protocol = 0",
    "UPDATE agent SET name = NULL",
    "UPDATE agent_token SET used_at = created_at",
    "UPDATE agent_token SET agent_id = id, used_at = created_at",
    // A lease is an agent's hold on a run, and what is over has an end.
    "UPDATE lease SET state = 'gone', ended_at = granted_at",
    "UPDATE lease SET state = 'lost'",
    "UPDATE lease SET ended_at = granted_at",
    "UPDATE lease SET cancel_reason = 'x'",
    "UPDATE lease SET generation = 0",
    "UPDATE lease SET log_first = -1",
    "UPDATE lease SET run_id = id",
    "UPDATE lease SET agent_id = id",
    "UPDATE lease SET late_id = id",
    "DELETE FROM agent",
];

async fn a_row_of_each_kind(db: &Db) {
    build_with_run(db, at(0)).await;
    running(db, &tests_of("riscv:b", &["t"], at(0)), "u").await;
    committed!(db, conn => testyard::store::delivery::enqueue(conn, &[a_delivery("riscv:1", at(0))]));
    committed!(db, conn => testyard::store::callback::receive(conn, &[a_callback("u", "x", at(0))]));
    committed!(db, conn => testyard::store::submission::insert(conn, &[a_submission(1, at(0))]));
    revise(db, &[(ItemKind::Test, "t", Some(a_test("true")))]).await;
    let content = Content { size: 1, place: Place::Here(b"x".to_vec()) };
    committed!(db, conn => testyard::store::content::insert(conn, Digest::of(b"x"), &content, at(1)));
    committed!(db, conn => testyard::store::content::discard(conn, "ab/2", at(1)));
    let waiting = a_spec("aaaa0001", &[("aaaa0002", "*")]);
    committed!(db, conn => testyard::store::spec::put(conn, 1, at(0), &[&waiting]));
    committed!(db, conn => testyard::store::spec_result::record(conn, &[result_of("1", "aaaa0001", "s")], at(0)));
    let reason = serde_json::json!({"type": "ids"});
    let mask = NewMask { reason: &reason, cause_id: Some("aaaa0002") };
    let member = NewMember { spec_id: "aaaa0001", mask: Some(mask) };
    committed!(db, conn => testyard::store::selection::put(conn, &a_selection("smoke"), &[member]));
    a_lease(db).await;
}

on_both! {
    async fn illegal_states_are_refused(db: TestDb) {
        let db = db.open().await;
        a_row_of_each_kind(&db).await;
        for statement in ILLEGAL {
            let error = refused!(db, conn => conn.query(*statement).execute());
            assert!(matches!(error, Error::Constraint(_)), "{statement}: {error:?}");
        }
    }

    async fn a_run_s_tests_go_with_it(db: TestDb) {
        let db = db.open().await;
        a_row_of_each_kind(&db).await;
        assert_eq!(committed!(db, conn => conn.query("DELETE FROM run WHERE build_ref = 'riscv:b'").execute()), 1);
        let (left,): (i64,) = committed!(db, conn => conn.query("SELECT count(*) FROM run_test WHERE name = 't'").fetch_one());
        assert_eq!(left, 0);
    }

    async fn values_of_another_type_are_refused(db: TestDb) {
        let db = db.open().await;
        a_row_of_each_kind(&db).await;
        for statement in [
            "UPDATE run SET tries = 'many'",
            "UPDATE run SET request = 'not json'",
            "UPDATE build SET fragments = '[1'",
            "UPDATE delivery SET object = '{'",
            "UPDATE catalogue_item SET document = '{'",
            "UPDATE spec SET document = '{'",
            "UPDATE spec_result SET measurements = '{'",
            "UPDATE selection SET rules = '['",
            "UPDATE selection SET hooks = '['",
            "UPDATE selection SET hook_rules = '['",
        ] {
            let mut tx = db.begin().await.unwrap();
            let result: Result<u64> = tx.conn().query(statement).execute().await;
            assert!(result.is_err(), "{statement}");
        }
    }
}
