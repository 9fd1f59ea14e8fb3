//! Writing specs.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::spec::put::{self, Closed, MAX_SPECS};
use crate::http::params::Params;
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::specs::documents;
use crate::http::specs::schema::SpecDocument;

/// What came of a batch of specs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecsWritten)]
pub struct WrittenView {
    /// The revision of the specs after it.
    #[schema(example = 42)]
    revision: i64,
    /// How many are new.
    #[schema(example = 2)]
    created: u64,
    /// How many took the place of one with their id.
    #[schema(example = 0)]
    replaced: u64,
    /// The ids, in the order of the batch. One that stands twice, with the same contents, is told once.
    ids: Vec<String>,
}

/// Writes specs
///
/// All are written or none, each over the one with its id, as one revision. Send a JSON array, or one spec a line as
/// `application/x-ndjson`. Each `pointer` of a refusal begins with the place in the batch, from 0.
///
/// Unless `graph=open` is said, everything that the specs depend on must be in the batch or stored, and nothing may depend
/// on itself.
#[utoipa::path(
    post, path = "/api/v1/specs", tag = "specs",
    request_body(content(
        (Vec<SpecDocument> = "application/json"),
        (SpecDocument = "application/x-ndjson"),
    ), description = "At most 100000 specs in 64 MiB"),
    params(("graph" = Option<String>, Query, description = "`closed`, or `open` for parts of a graph that come one after the other", example = "closed")),
    responses(
        (status = 200, description = "They are written", body = WrittenView),
        (status = 400, description = "Not JSON; a query field is unknown or malformed", body = ProblemBody),
        (status = 409, description = "The specs kept changing meanwhile", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Sent neither as JSON nor as lines of JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn create_specs(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<WrittenView>> {
    let params = params.only(&["graph"])?;
    let closed = match params.one::<String>("graph")?.as_deref() {
        None | Some("closed") => Closed::Yes,
        Some("open") => Closed::No,
        Some(_) => return Err(Problem::new(Code::BadRequest, "`graph` must be `closed` or `open`")),
    };
    let documents = documents::read(&app, &headers, body, MAX_SPECS).await?;
    let put::Put { revision, created, replaced, ids } = put::put(&app.specs, documents, closed).await?;
    Ok(Json(WrittenView { revision, created, replaced, ids }))
}
