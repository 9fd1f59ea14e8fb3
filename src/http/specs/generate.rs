//! Making specs of the catalogue.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::spec::generate::{self, Generate, Generated};
use crate::http::problem::{ProblemBody, Result};
use crate::http::specs::documents;

/// What specs are to be made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpecsGenerate, example = json!({"ids": ["net"], "matrix": {"np": [1, 4], "device": ["eth0", "wlan0"]}}))]
pub struct AskedGenerate {
    /// Labels of tests, suites and directories; the empty one is the whole catalogue. A suite comes before a test of the
    /// same name.
    ids: Vec<String>,
    /// For each parameter the values that it takes, in every combination.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<Object>>)]
    matrix: BTreeMap<String, Vec<Value>>,
    /// Sets of parameters, each of which is combined with the matrix.
    #[serde(default)]
    #[schema(value_type = Vec<BTreeMap<String, Object>>)]
    sets: Vec<BTreeMap<String, Value>>,
    /// As of this revision of the catalogue; now where it is left out.
    revision: Option<i64>,
    /// Write nothing, and say what would be made.
    #[serde(default)]
    dry_run: bool,
}

/// The specs that were made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecsGenerated)]
pub struct GeneratedView {
    /// As of which revision of the catalogue.
    #[schema(example = 7)]
    catalogue_revision: i64,
    /// The revision of the specs after it; of a dry run that which they are at.
    #[schema(example = 42)]
    revision: i64,
    /// How many are new; none of a dry run.
    #[schema(example = 8)]
    created: u64,
    /// How many took the place of one with their id.
    #[schema(example = 0)]
    replaced: u64,
    /// The ids, set of parameters after set.
    ids: Vec<String>,
    /// Tests that a suite names and that are not there.
    missing: Vec<String>,
}

/// Makes specs of the catalogue's tests
///
/// Each test that the labels come to, with each set of parameters. A prerequisite becomes a dependency on the spec of that
/// test with the same parameters; one that the labels do not come to is left out. The id of a spec changes with what its test
/// is: making them again without a change of the catalogue writes the same ones.
#[utoipa::path(
    post, path = "/api/v1/specs/generate", tag = "specs",
    request_body = AskedGenerate,
    responses(
        (status = 200, description = "They are written", body = GeneratedView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There has been no such revision of the catalogue", body = ProblemBody),
        (status = 409, description = "The specs kept changing meanwhile", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "A label names nothing; the parameters come to too many sets; prerequisites go in a circle", body = ProblemBody),
    )
)]
pub(crate) async fn generate_specs(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<GeneratedView>> {
    let AskedGenerate { ids, matrix, sets, revision, dry_run } = documents::json(&app, &headers, body).await?;
    let wanted = Generate { ids, matrix, sets, revision, dry_run };
    let Generated { catalogue_revision, put, missing } = generate::generate(&app.specs, &wanted).await?;
    Ok(Json(GeneratedView {
        catalogue_revision,
        revision: put.revision,
        created: put.created,
        replaced: put.replaced,
        ids: put.ids,
        missing,
    }))
}
