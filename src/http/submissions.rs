//! KCIDB submissions that others made here, for people to look at. `restd` has the door that they came through.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;
use crate::domain::kcidb::object;
use crate::domain::result::SubmissionState;
use crate::http::builds::missing;
use crate::http::params::Path;
use crate::http::problem::{ProblemBody, Result};
use crate::store;

/// How many objects of a submission are shown.
const MAX_OBJECTS: i64 = 1000;

/// A KCIDB submission.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Submission)]
pub struct SubmissionView {
    /// Its id.
    #[schema(example = "0123456789abcdefghijABCDEFGHIJ01")]
    id: String,
    /// Whose token it came with; empty where none was asked for.
    origin: String,
    /// The size of its body.
    size_bytes: i64,
    state: SubmissionState,
    /// Why it failed, in words.
    reason: Option<String>,
    /// How many objects it held.
    objects: Option<i64>,
    /// When it came.
    received_at: DateTime<Utc>,
    /// When it was processed or failed.
    settled_at: Option<DateTime<Utc>>,
    /// The objects that it brought first, as a report; at most 1000.
    #[schema(value_type = Object)]
    report: Map<String, Value>,
}

/// Shows a KCIDB submission and the objects that it brought
#[utoipa::path(
    get, path = "/api/v1/submissions/{id}", tag = "intake",
    params(("id" = String, Path, description = "The id that `/submit` answered with")),
    responses(
        (status = 200, description = "The submission", body = SubmissionView),
        (status = 404, description = "There is no such submission", body = ProblemBody),
    )
)]
pub(crate) async fn get_submission(State(app): State<App>, Path(id): Path<String>) -> Result<Json<SubmissionView>> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(missing("submission", crate::app::cut(&id, 80)));
    }
    let mut db = app.read().await?;
    let submission = store::submission::by_id(&mut db.conn(), &id).await?.ok_or_else(|| missing("submission", &id))?;
    let objects = store::submission::objects(&mut db.conn(), &id, MAX_OBJECTS).await?;
    let report = object::report(objects.into_iter().map(|object| (object.object_kind, object.object.0)));
    let report = match report {
        Value::Object(report) => report,
        _ => Map::new(),
    };
    Ok(Json(SubmissionView {
        id: submission.id,
        origin: submission.origin,
        size_bytes: submission.size_bytes,
        state: submission.state,
        reason: submission.reason,
        objects: submission.objects,
        received_at: submission.received_at,
        settled_at: submission.settled_at,
        report,
    }))
}
