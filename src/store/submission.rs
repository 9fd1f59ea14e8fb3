//! KCIDB submissions that others made here, and the objects that came of them.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use crate::domain::kcidb::object::ObjectKind;
use crate::domain::result::SubmissionState;
use crate::ids::WorkerId;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::lease::Lease;
use crate::store::query::{Insert, SKIP_LOCKED};

/// A submission as stored, without its body.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Submission {
    /// Its id: 32 ASCII letters and digits.
    pub id: String,
    /// Whose token it came with; empty when none was asked for.
    pub origin: String,
    /// The size of its body.
    pub size_bytes: i64,
    /// How far it is.
    pub state: SubmissionState,
    /// Why it failed, in words.
    pub reason: Option<String>,
    /// How many objects it held.
    pub objects: Option<i64>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// When it was processed or failed.
    pub settled_at: Option<DateTime<Utc>>,
}

/// A submission that came in.
#[derive(Clone, Debug)]
pub struct NewSubmission {
    /// Its id.
    pub id: String,
    /// Whose token it came with.
    pub origin: String,
    /// The body, as it came: JSON in UTF-8.
    pub body: Vec<u8>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Takes submissions in.
///
/// # Errors
/// If the database refuses.
pub async fn insert(conn: &mut Conn<'_>, submissions: &[impl Borrow<NewSubmission>]) -> Result<u64> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO submission (id, origin, body, size_bytes, state, due_at, received_at) VALUES ",
        columns: 7,
        tail: "",
    };
    INSERT
        .execute(conn, submissions, |query, submission| {
            let submission: &NewSubmission = submission.borrow();
            query
                .bind(submission.id.as_str())
                .bind(submission.origin.as_str())
                .bind(submission.body.as_slice())
                .bind(i64::try_from(submission.body.len()).unwrap_or(i64::MAX))
                .bind(SubmissionState::Ready)
                .bind(submission.now)
                .bind(submission.now)
        })
        .await
}

/// The submission with this id.
///
/// # Errors
/// If the database refuses.
pub async fn by_id(conn: &mut Conn<'_>, id: &str) -> Result<Option<Submission>> {
    conn.query(
        "SELECT id, origin, size_bytes, state, reason, objects, received_at, settled_at FROM submission WHERE id = $1",
    )
    .bind(id)
    .fetch_optional()
    .await
}

/// A submission that a worker holds.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// The body, as it came.
    pub body: Vec<u8>,
}

/// Leases up to `limit` submissions that nobody has looked at yet, the oldest first.
///
/// # Errors
/// If the database refuses.
pub async fn claim(conn: &mut Conn<'_>, lease: Lease, limit: i64) -> Result<Vec<Claimed>> {
    conn.query(
        "UPDATE submission SET lease_holder = $1, lease_until = $2
         WHERE id IN (
            SELECT id FROM submission
            WHERE state = 'ready' AND due_at <= $3 AND (lease_until IS NULL OR lease_until <= $3)
            ORDER BY due_at, id LIMIT $4",
    )
    .push(SKIP_LOCKED)
    .push(") RETURNING id, body")
    .bind(lease.worker)
    .bind(lease.until)
    .bind(lease.now)
    .bind(limit)
    .fetch_all()
    .await
}

/// When the next submission is due, if there is one.
///
/// # Errors
/// If the database refuses.
pub async fn next_due(conn: &mut Conn<'_>) -> Result<Option<DateTime<Utc>>> {
    let (next,): (Option<DateTime<Utc>>,) =
        conn.query("SELECT min(due_at) FROM submission WHERE state = 'ready'").fetch_one().await?;
    Ok(next)
}

/// Settles a leased submission as processed (with the number of its objects) or as failed (with the reason).
///
/// # Errors
/// If the database refuses.
pub async fn settle(
    conn: &mut Conn<'_>,
    worker: WorkerId,
    id: &str,
    outcome: std::result::Result<i64, &str>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let (state, objects, reason) = match outcome {
        Ok(objects) => (SubmissionState::Processed, Some(objects), None),
        Err(reason) => (SubmissionState::Failed, None, Some(reason)),
    };
    conn.query(
        "UPDATE submission SET state = $1, objects = $2, reason = $3, settled_at = $4, lease_holder = NULL,
            lease_until = NULL
         WHERE id = $5 AND lease_holder = $6 AND state = 'ready'",
    )
    .bind(state)
    .bind(objects)
    .bind(reason)
    .bind(now)
    .bind(id)
    .bind(worker)
    .execute_one()
    .await
}

/// A received object as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ReceivedObject {
    /// What kind of object it is.
    pub object_kind: ObjectKind,
    /// Its id in KCIDB.
    pub object_id: String,
    /// Who reports it.
    pub origin: String,
    /// The object, merged.
    pub object: Json<Value>,
    /// The submission that brought it first.
    pub submission_id: String,
    /// When it came first.
    pub created_at: DateTime<Utc>,
    /// When it last gained a value.
    pub updated_at: DateTime<Utc>,
}

macro_rules! object_columns {
    () => {
        "object_kind, object_id, origin, object, submission_id, created_at, updated_at"
    };
}

/// The stored object of this kind and id, locked until the transaction ends.
///
/// # Errors
/// If the database refuses.
pub async fn lock_object(conn: &mut Conn<'_>, kind: ObjectKind, id: &str) -> Result<Option<ReceivedObject>> {
    conn.query(concat!("SELECT ", object_columns!(), " FROM received_object WHERE object_kind = $1 AND object_id = $2"))
        .push(crate::store::query::FOR_UPDATE)
        .bind(kind)
        .bind(id)
        .fetch_optional()
        .await
}

/// Stores those of the objects that are new; returns which these are.
///
/// # Errors
/// If the database refuses.
pub async fn insert_objects(conn: &mut Conn<'_>, objects: &[ReceivedObject]) -> Result<Vec<(ObjectKind, String)>> {
    const INSERT: Insert = Insert {
        head: concat!("INSERT INTO received_object (", object_columns!(), ") VALUES "),
        columns: 7,
        tail: " ON CONFLICT (object_kind, object_id) DO NOTHING RETURNING object_kind, object_id",
    };
    INSERT
        .fetch_all(conn, objects, |query, object: &ReceivedObject| {
            query
                .bind(object.object_kind)
                .bind(object.object_id.as_str())
                .bind(object.origin.as_str())
                .bind(&object.object)
                .bind(object.submission_id.as_str())
                .bind(object.created_at)
                .bind(object.updated_at)
        })
        .await
}

/// Replaces a stored object by its merged form.
///
/// # Errors
/// If the database refuses.
pub async fn update_object(
    conn: &mut Conn<'_>,
    kind: ObjectKind,
    id: &str,
    object: &Value,
    now: DateTime<Utc>,
) -> Result<u64> {
    conn.query("UPDATE received_object SET object = $1, updated_at = $2 WHERE object_kind = $3 AND object_id = $4")
        .bind(Json(object))
        .bind(now)
        .bind(kind)
        .bind(id)
        .execute()
        .await
}

/// The objects that this submission brought first.
///
/// # Errors
/// If the database refuses.
pub async fn objects(conn: &mut Conn<'_>, submission: &str, limit: i64) -> Result<Vec<ReceivedObject>> {
    conn.query(concat!(
        "SELECT ",
        object_columns!(),
        " FROM received_object WHERE submission_id = $1 ORDER BY object_kind, object_id LIMIT $2"
    ))
    .bind(submission)
    .bind(limit)
    .fetch_all()
    .await
}
