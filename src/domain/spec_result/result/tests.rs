use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::spec_result::status::Status;

fn document() -> Value {
    json!({
        "id": "r-1", "spec_id": "9f8e", "session": "2026-02-01T10-00-00.000001",
        "names": {"name": "a.np=4", "fullname": "unit/a.np=4", "file_root": "/suite", "file_path": "unit/a.pyt"},
        "workspace": "unit/a.np=4",
        "status": {"state": "COMPLETE", "category": "FAIL", "status": "FAILED", "reason": "exit 1", "code": 65},
        "submitted_at": "2026-02-01T10:00:00Z", "started_at": "2026-02-01T11:00:01+01:00", "finished_at": null,
        "measurements": {"mem": 12, "nested": {"k": [1, 2.5, null]}},
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut document = document();
    document[member] = value;
    document
}

fn faults(document: &Value) -> Vec<String> {
    SpecResult::read(document, None).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_document_is_read_and_written() {
    let result = SpecResult::read(&document(), None).unwrap();
    assert_eq!(result.status, CaseStatus::of(Status::Failed).because("exit 1"));
    assert_eq!(result.check(), Ok(()));
    let mut written = document();
    written["started_at"] = json!("2026-02-01T10:00:01Z");
    assert_eq!(json!(result), written);
    let little = json!({"spec_id": "9f8e", "session": "s", "status": {"status": "SUCCESS"}});
    let result = SpecResult::read(&little, Some("res_1")).unwrap();
    assert_eq!((result.id.as_str(), result.names, result.measurements.len()), ("res_1", None, 0));
}

#[test]
fn each_fault_is_told_with_its_place() {
    for (document, told) in [
        (json!([]), "want a result: an object"),
        (json!({"spec_id": "a", "session": "s", "status": {"status": "SUCCESS"}}), "want `id`"),
        (with("spec_id", json!("")), "/spec_id: want 1 to 128 characters, no control characters"),
        (with("session", json!(null)), "/session: want a text"),
        (with("session", json!("a\0")), "/session: want 1 to 200 characters, no control characters"),
        (with("spec_id", json!("é".repeat(129))), "/spec_id: want 1 to 128 characters, no control characters"),
        (
            with("status", json!({"category": "PASS", "state": "NOTRUN"})),
            "/status/category: PASS does not go with NOTRUN; want one of SKIP",
        ),
        (
            with("status", json!({"status": "FAILED", "reason": "\0"})),
            "/status/reason: want at most 16384 characters, and no NUL, which cannot be stored",
        ),
        (with("names", json!({"name": "a", "fullname": "a", "file_root": ""})), "/names: want `file_path`"),
        (with("names", json!("a")), "/names: want an object of `name`, `fullname`, `file_root` and `file_path`"),
        (with("started_at", json!(12.5)), "/started_at: want a time as RFC 3339 has it: 2026-01-02T03:04:05Z"),
        (with("started_at", json!("0000-01-01T00:00:00Z")), "/started_at: want a time in the years 1 to 9999"),
        (with("measurements", json!([1])), "/measurements: want an object: a value under each name"),
        (
            with("measurements", json!({"a/b~": "\0"})),
            "/measurements/a~1b~0: want no NUL, which cannot be stored, and at most 32 levels",
        ),
        (with("measurements", json!({"": 1})), "/measurements: want as a name 1 to 200 characters, no NUL"),
        (
            with("measurements", json!({"a": "b".repeat(262_144)})),
            "/measurements: want at most 262144 bytes of JSON in all",
        ),
        (with("other", json!(1)), "there is no member `other`"),
    ] {
        assert_eq!(faults(&document), [told]);
    }
    let many: Map<String, Value> = (0..=1000).map(|n| (n.to_string(), json!(n))).collect();
    assert_eq!(faults(&with("measurements", many.into())), ["/measurements: want at most 1000, not 1001"]);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(faults(&with("measurements", json!({"a": deep}))).len(), 1);
    assert_eq!(faults(&json!({})).len(), 4);
}

fn result(spec_id: &str, session: &str, order: usize) -> SpecResult {
    let document =
        json!({"id": order.to_string(), "spec_id": spec_id, "session": session, "status": {"status": "SUCCESS"}});
    SpecResult::read(&document, None).unwrap()
}

#[test]
fn the_greatest_session_is_the_newest_whatever_came_last() {
    let results = [result("a", "run9", 0), result("a", "run10", 1), result("a", "Run99", 2), result("b", "run10", 3)];
    let newest = newest(&results);
    assert_eq!((newest["a"].session.as_str(), newest["b"].session.as_str()), ("run9", "run10"));
    let sessions: Vec<&str> = history(&results, "a").iter().map(|result| result.session.as_str()).collect();
    assert_eq!(sessions, ["Run99", "run10", "run9"]);
}

proptest! {
    /// The newest is the last of the history, and that is what a table with one row a spec and session comes to.
    #[test]
    fn the_newest_is_the_last_of_the_history(drawn in prop::collection::vec(("[ab]", "[a-cA]{0,2}"), 0..20)) {
        let results: Vec<SpecResult> = drawn
            .iter()
            .enumerate()
            .map(|(order, (spec, session))| result(spec, &format!("s{session}"), order))
            .collect();
        let mut table: Vec<&SpecResult> = Vec::new();
        for result in &results {
            table.retain(|known| (&known.spec_id, &known.session) != (&result.spec_id, &result.session));
            table.push(result);
        }
        let newest = newest(&results);
        for spec in ["a", "b"] {
            let mut rows: Vec<&SpecResult> = table.iter().copied().filter(|result| result.spec_id == spec).collect();
            rows.sort_by(|a, b| a.session.cmp(&b.session));
            prop_assert_eq!(history(&results, spec), rows.clone());
            prop_assert_eq!(newest.get(spec).copied(), rows.last().copied());
        }
    }
}
