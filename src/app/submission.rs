//! KCIDB submissions that others make here: taken in as kcidb-restd does, then checked and stored.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::types::Json;

use crate::app::{App, Result, Write, cut, holds_nul};
use crate::domain::kcidb::object::ObjectKind;
use crate::domain::kcidb::{schema, text};
use crate::domain::result::ResultSource;
use crate::domain::words::Word as _;
use crate::ids::ResultId;
use crate::store::lease::Lease;
use crate::store::result::TestResult;
use crate::store::submission::{Claimed, NewSubmission, ReceivedObject};
use crate::{entropy, store};

/// How many letters and digits the id of a submission has, as kcidb-restd's.
const ID_LENGTH: usize = 32;

/// The most bytes of what both databases index.
const MAX_INDEXED_BYTES: usize = 1024;

/// Takes a submission in; returns its id once it is durable. It is looked at in the background.
///
/// # Errors
/// As [`crate::app::Writer::write`].
pub async fn submit(app: &App, origin: String, body: Vec<u8>) -> Result<String> {
    let id = entropy::alphanumeric(ID_LENGTH);
    let submission = NewSubmission { id: id.clone(), origin, body, now: app.now() };
    app.writer.write(Write::Submission(submission)).await?;
    app.bells.intake.ring();
    Ok(id)
}

/// Checks a leased submission and stores its objects, all or none, in one transaction with its settlement. Objects are
/// merged as KCIDB merges them: of each field, the first value stays. What the database will not hold has failed: it
/// must not come back for ever and hold up the others.
///
/// # Errors
/// If the database is away, or refuses even to note that it refuses.
pub async fn settle(app: &App, lease: Lease, submission: &Claimed) -> Result<()> {
    let read = read(app, submission);
    match conclude(app, lease, &submission.id, read.as_deref().map_err(String::as_str)).await {
        Err(error) if read.is_ok() && !error.is_transient() => {
            tracing::warn!(submission = submission.id, cause = ?error, "the database does not hold a submission");
            conclude(app, lease, &submission.id, Err("an object in it cannot be stored here")).await?;
        }
        concluded => concluded?,
    }
    Ok(())
}

async fn conclude(app: &App, lease: Lease, id: &str, read: Result<&[ReceivedObject], &str>) -> store::Result<()> {
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let outcome = match read {
        Ok(objects) => {
            store_objects(app, conn, objects).await?;
            Ok(i64::try_from(objects.len()).unwrap_or(i64::MAX))
        }
        Err(reason) => Err(reason),
    };
    store::submission::settle(conn, lease.worker, id, outcome, app.now()).await?;
    tx.commit().await
}

/// The objects of a submission, each id once and in the order of their kinds and ids; or why there are none.
fn read(app: &App, submission: &Claimed) -> Result<Vec<ReceivedObject>, String> {
    let report: Value = serde_json::from_slice(&submission.body).map_err(|error| format!("not JSON: {error}"))?;
    schema::validate(&report).map_err(|violations| {
        let all: Vec<String> = violations.iter().take(20).map(ToString::to_string).collect();
        // A violation may quote a name that holds a NUL, which no column takes.
        cut(&format!("not a KCIDB report: {}", all.join("; ").replace('\0', "\\u0000")), 4_000)
    })?;
    if holds_nul(&report) {
        return Err("a text in it holds a NUL character, which cannot be stored".to_owned());
    }
    let now = app.now();
    let mut objects = BTreeMap::<(ObjectKind, String), ReceivedObject>::new();
    for kind in ObjectKind::ALL.iter().copied() {
        for object in report.get(kind.list_name()).and_then(Value::as_array).into_iter().flatten() {
            let field = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let id = field("id");
            if let Some(name) =
                ["id", "build_id", "path"].into_iter().find(|name| field(name).len() > MAX_INDEXED_BYTES)
            {
                return Err(format!("the `{name}` of a {kind} is longer than {MAX_INDEXED_BYTES} bytes"));
            }
            objects
                .entry((kind, id.clone()))
                .and_modify(|known| known.object.0 = merged(known.object.0.take(), object))
                .or_insert_with(|| ReceivedObject {
                    object_kind: kind,
                    object_id: id,
                    origin: field("origin"),
                    object: Json(object.clone()),
                    submission_id: submission.id.clone(),
                    created_at: now,
                    updated_at: now,
                });
        }
    }
    Ok(objects.into_values().collect())
}

/// KCIDB's rule: of each field the first value that is not null stays.
fn merged(first: Value, second: &Value) -> Value {
    let (Value::Object(mut first), Some(second)) = (first, second.as_object()) else { return second.clone() };
    for (name, value) in second {
        let known = first.entry(name.clone()).or_insert(Value::Null);
        if known.is_null() {
            known.clone_from(value);
        }
    }
    Value::Object(first)
}

async fn store_objects(app: &App, conn: &mut store::Conn<'_>, objects: &[ReceivedObject]) -> store::Result<()> {
    let new: std::collections::HashSet<(ObjectKind, String)> =
        store::submission::insert_objects(conn, objects).await?.into_iter().collect();
    let mut results = Vec::new();
    for object in objects {
        let mut current = object.object.0.clone();
        if !new.contains(&(object.object_kind, object.object_id.clone())) {
            let known = store::submission::lock_object(conn, object.object_kind, &object.object_id).await?;
            if let Some(known) = known {
                current = merged(known.object.0, &object.object.0);
                store::submission::update_object(
                    conn,
                    object.object_kind,
                    &object.object_id,
                    &current,
                    object.updated_at,
                )
                .await?;
            }
        }
        if object.object_kind == ObjectKind::Test {
            results.extend(current.as_object().and_then(|test| result(app, object, test)));
        }
    }
    store::result::insert(conn, &results).await?;
    Ok(())
}

/// A received test as a result of ours; `None` while it has no status.
fn result(app: &App, object: &ReceivedObject, test: &Map<String, Value>) -> Option<TestResult> {
    let field = |name: &str| test.get(name).and_then(Value::as_str).map(str::to_owned);
    let in_misc = |misc: Option<&Value>, name: &str| misc?.get(name)?.as_str().map(str::to_owned);
    let environment = test.get("environment").and_then(|environment| environment.get("misc"));
    Some(TestResult {
        id: ResultId::new(app.now()),
        kcidb_id: object.object_id.clone(),
        source: ResultSource::Intake,
        run_id: None,
        build_ref: field("build_id")?,
        origin: object.origin.clone(),
        path: field("path").unwrap_or_default(),
        collection: None,
        test: None,
        case_name: None,
        status: field("status")?.parse().ok()?,
        reason: field("comment"),
        device: in_misc(environment, "platform").or_else(|| in_misc(test.get("misc"), "platform")),
        runtime: in_misc(test.get("misc"), "runtime"),
        started_at: field("start_time").and_then(|time| time.parse().ok()),
        duration_s: test.get("duration").and_then(Value::as_f64),
        log_url: field("log_url"),
        log_excerpt: field("log_excerpt").map(|log| text::excerpt(&log)),
        number: None,
        created_at: app.now(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merged;

    #[test]
    fn the_first_value_stays_and_what_is_missing_is_filled_in() {
        let first = json!({"id": "a:1", "status": "PASS", "misc": {"a": 1}, "path": null});
        let second = json!({"id": "a:1", "status": "FAIL", "misc": {"b": 2}, "path": "x", "duration": 3});
        let want = json!({"id": "a:1", "status": "PASS", "misc": {"a": 1}, "path": "x", "duration": 3});
        assert_eq!(merged(first, &second), want);
    }
}
