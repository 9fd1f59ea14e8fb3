//! Whatever is sent, the service refuses it in words, stores nothing of it, and goes on.
//!
//! The rule for each refusal: a 4xx, never a 5xx (a panic would be one), RFC 9457 problem details (at the door for
//! KCIDB submissions kcidb-restd's own words), and as many rows in every table as before.

mod bodies;
mod door;
mod fuzz;
mod limits;
mod urls;

use serde_json::{Value, json};
use testyard::store::Db;

use crate::support::app::{Answered, TestApp};

const JSON: (&str, &str) = ("content-type", "application/json");

/// How a door reads and refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Our own: strict.
    Native,
    /// The bridge's: refuses as FastAPI does, and ignores what it does not know.
    Bridge,
    /// TuxSuite's callbacks: as the bridge's.
    Callback,
}

/// A door that takes a JSON object.
struct Door {
    path: &'static str,
    kind: Kind,
    /// A body that it takes.
    good: Value,
    /// Those of its fields that may be null.
    nullable: &'static [&'static str],
}

/// Every door that takes a JSON object, but for submissions and callbacks under a capability, which keep more.
fn doors() -> Vec<Door> {
    let build = json!({
        "runner": "tuxsuite", "toolchain": "gcc-12", "tree": "https://git.example.org/linux.git", "branch": "master",
        "kconfig": "defconfig", "fragments": ["CONFIG_KASAN=y", "x"],
    });
    let tests = json!({
        "runner": "tuxsuite", "build_id": "maestro:1", "kernel_image_url": "https://files.example.org/Image",
        "modules_url": "https://files.example.org/modules", "collection": "ltp", "tests": ["ltp-smoke", "ltp-fsx"],
    });
    let boot = json!({
        "runner": "tuxsuite", "build_id": "maestro:1", "kernel_image_url": "https://files.example.org/Image",
        "modules_url": "https://files.example.org/modules",
    });
    let results = json!({
        "test_uid": "u", "build_id": "maestro:1", "device": "qemu", "runtime": "lab",
        "tests": [{"test_name": "smoke", "test_collection": "ltp", "result": "PASS", "logs": "one"}],
    });
    let with = |object: &Value, name: &str, value: &str| {
        let mut object = object.clone();
        object[name] = value.into();
        object
    };
    let callback = |kind: &str| json!({"kind": kind, "status": {"uid": "u", "state": "running"}});
    let door = |path, kind, good, nullable| Door { path, kind, good, nullable };
    vec![
        door("/api/v1/builds", Kind::Native, with(&build, "architecture", "riscv"), &["kconfig", "architecture"]),
        door("/api/v1/runs", Kind::Native, with(&tests, "device", "qemu"), &["modules_url", "device", "tests"]),
        door("/api/v1/builds/run", Kind::Bridge, build, &["kconfig", "fragments"]),
        door("/api/v1/tests/run", Kind::Bridge, tests, &["modules_url"]),
        door("/api/v1/boot-test/run", Kind::Bridge, boot, &["modules_url"]),
        door("/api/v1/tests/submit", Kind::Bridge, results, &["logs"]),
        door("/api/v1/tuxsuite/callback/build", Kind::Callback, callback("build"), &[]),
        door("/api/v1/tuxsuite/callback/test", Kind::Callback, callback("test"), &[]),
        door("/api/v1/tuxsuite/callback/boot", Kind::Callback, callback("test"), &[]),
    ]
}

/// A KCIDB report that the door for submissions takes.
fn report() -> Value {
    json!({
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": "riscv:c", "origin": "riscv"}],
        "builds": [{"id": "riscv:b", "origin": "riscv", "checkout_id": "riscv:c", "status": "PASS"}],
        "tests": [{
            "id": "riscv:t", "origin": "riscv", "build_id": "riscv:b", "path": "ltp.smoke", "status": "PASS",
            "comment": "fine", "duration": 1.5, "misc": {"platform": "qemu"}, "environment": {"misc": {"a": "b"}},
        }],
    })
}

/// How many rows each table holds.
async fn rows(db: &Db) -> Vec<(&'static str, i64)> {
    let tables: [(&str, &'static str); 8] = [
        ("build", "SELECT count(*) FROM build"),
        ("run", "SELECT count(*) FROM run"),
        ("run_test", "SELECT count(*) FROM run_test"),
        ("result", "SELECT count(*) FROM result"),
        ("delivery", "SELECT count(*) FROM delivery"),
        ("callback", "SELECT count(*) FROM callback"),
        ("submission", "SELECT count(*) FROM submission"),
        ("received_object", "SELECT count(*) FROM received_object"),
    ];
    let mut rows = Vec::new();
    for (table, count) in tables {
        let (count,): (i64,) = db.begin().await.unwrap().conn().query(count).fetch_one().await.unwrap();
        rows.push((table, count));
    }
    rows
}

/// Asserts that this is a refusal with one of these statuses and, in its words, the status and the request's id.
#[track_caller]
fn assert_refused(answered: &Answered, statuses: &[u16], what: &str) {
    let what = what.chars().take(300).collect::<String>();
    assert!(statuses.contains(&answered.status), "{what}: {} {}", answered.status, answered.text);
    assert_eq!(answered.header("content-type"), "application/problem+json", "{what}: {}", answered.text);
    let problem = answered.json();
    assert_eq!(problem["status"], answered.status, "{what}");
    let code = problem["code"].as_str().unwrap();
    assert_eq!(problem["type"], format!("/problems/{code}"), "{what}");
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{what}");
    assert_eq!(problem["request_id"], answered.header("x-request-id"), "{what}");
    assert!(answered.text.len() < 200_000, "{what}: the refusal is bounded too: {} bytes", answered.text.len());
    let is_told = problem["detail"].as_str().is_some_and(|detail| !detail.is_empty())
        || problem["detail"].as_array().is_some_and(|details| !details.is_empty());
    assert!(is_told, "{what}: {problem}");
}

/// The statuses that a door refuses a body with that is not JSON.
fn refusal_of_text(kind: Kind) -> &'static [u16] {
    match kind {
        Kind::Native => &[400],
        Kind::Bridge | Kind::Callback => &[422],
    }
}

/// Asserts that the service still serves and that the tables hold what they held.
async fn assert_unmoved(app: &TestApp, before: &[(&'static str, i64)]) {
    app.get("/readyz").await.expect(200);
    assert_eq!(rows(&app.app.db).await, before, "what was refused is not stored");
}

/// The places of all values in a JSON value, its own (empty) place left out.
fn places(value: &Value) -> Vec<String> {
    let below = |step: String, value: &Value| {
        let mut all = vec![step.clone()];
        all.extend(places(value).into_iter().map(|place| format!("{step}{place}")));
        all
    };
    match value {
        Value::Array(items) => items.iter().enumerate().flat_map(|(n, item)| below(format!("/{n}"), item)).collect(),
        Value::Object(fields) => fields.iter().flat_map(|(name, field)| below(format!("/{name}"), field)).collect(),
        _ => Vec::new(),
    }
}

/// The body with another value at a place.
fn with(body: &Value, place: &str, value: Value) -> Value {
    let mut body = body.clone();
    *body.pointer_mut(place).expect("the place is there") = value;
    body
}

/// The body without what is at a place.
fn without(body: &Value, place: &str) -> Value {
    let mut body = body.clone();
    let (above, name) = place.rsplit_once('/').expect("a place");
    match body.pointer_mut(above).expect("the place is there") {
        Value::Object(fields) => drop(fields.remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().expect("an index"))),
        other => panic!("nothing is below {other}"),
    }
    body
}
