//! Artifacts: files that runs left behind.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, artifact, content, path_of};
use crate::domain::digest::Digest;
use crate::http::builds::read_id;
use crate::http::condition::{entity_tag, unchanged};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::ranges::{self, Part};
use crate::ids::RunId;
use crate::store::artifact::Artifact;
use crate::store::page::Stretch;

/// A file that a run left behind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Artifact)]
pub struct ArtifactView {
    /// The job that made it.
    #[schema(example = "com.example.lab::net/ping")]
    job: String,
    /// Its path in the job's folder.
    #[schema(example = "traces/eth0.pcap")]
    path: String,
    /// How many bytes it has.
    #[schema(example = 40_211)]
    size_bytes: i64,
    /// Their SHA-256.
    #[schema(value_type = String, example = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    sha256: Digest,
    /// When it was stored.
    created_at: DateTime<Utc>,
    /// Where its bytes are.
    #[schema(example = "/api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/artifacts/a/b.txt")]
    url: String,
}

impl ArtifactView {
    fn new(run: RunId, artifact: Artifact) -> Self {
        let Artifact { job, path, sha256, size, created_at } = artifact;
        let url = path_of(&["api", "v1", "runs", &run.to_string(), "artifacts", &job, &path]);
        Self { job, path, size_bytes: size, sha256, created_at, url }
    }
}

/// The place of an artifact in the listing.
fn cursor(artifact: &Artifact) -> String {
    serde_json::json!([artifact.job, artifact.path]).to_string()
}

/// Lists the files that a run left behind, by job and path
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/artifacts", tag = "runs",
    params(
        ("id" = RunId, Path),
        ("job" = Option<String>, Query, description = "Only those of this job"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of artifacts", body = Listing<ArtifactView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such run", body = ProblemBody),
    )
)]
pub(crate) async fn list_artifacts(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Listing<ArtifactView>>> {
    let params = params.only(&["job"])?;
    let run: RunId = read_id("run", &id)?;
    let job: Option<String> = params.one("job")?;
    let Stretch { limit, after } = params.stretch::<String>()?;
    let none = |_| Problem::new(Code::BadRequest, "the query field `cursor`: it is none of this listing");
    let after: Option<(String, String)> = after.map(|after| serde_json::from_str(&after)).transpose().map_err(none)?;
    if after.as_ref().is_some_and(|(job, path)| job.contains('\0') || path.contains('\0')) {
        return Err(Problem::new(Code::BadRequest, "the query field `cursor` holds a NUL character"));
    }
    let found = artifact::list(&app, run, job.as_deref(), &Stretch { limit, after }).await?;
    Ok(Json(Listing::of(found, cursor, |artifact| ArtifactView::new(run, artifact))))
}

/// Gives out a file that a run left behind
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/artifacts/{job}/{path}", tag = "runs",
    params(
        ("id" = RunId, Path),
        ("job" = String, Path, description = "The job, percent-encoded", example = "com.example.lab::net%2Fping"),
        ("path" = String, Path, description = "The file's path, percent-encoded", example = "traces%2Feth0.pcap"),
        ("range" = Option<String>, Header, description = "Only some of its bytes, as in `bytes=1000-`"),
    ),
    responses(
        (status = 200, description = "The bytes", content_type = "application/octet-stream", body = Vec<u8>,
            headers(("etag" = String, description = "Their SHA-256"))),
        (status = 206, description = "Some of the bytes", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "The caller has them"),
        (status = 404, description = "There is no such run or artifact", body = ProblemBody),
        (status = 416, description = "There are none of these bytes", body = ProblemBody),
    )
)]
pub(crate) async fn get_artifact(
    State(app): State<App>,
    Path((id, job, path)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let run: RunId = read_id("run", &id)?;
    let Artifact { sha256, size, path, .. } = artifact::get(&app, run, &job, &path).await?;
    let tag = entity_tag(sha256);
    if let Some(response) = unchanged(&headers, &tag) {
        return Ok(response);
    }
    let length = u64::try_from(size).unwrap_or_default();
    let contents = app.catalogue.contents();
    let (given, range) = match ranges::part(&headers, length, Some(&tag)) {
        Part::Whole => (content::give_out(&contents, sha256).await?, None),
        Part::Bytes(range) => (content::give_out_part(&contents, sha256, range.clone()).await?, Some(range)),
        Part::Outside => return Ok(ranges::outside(length)),
    };
    let mut response = ranges::answer(Body::from_stream(given.bytes), range.as_ref(), length, Some(tag));
    as_file(response.headers_mut(), path.rsplit('/').next().unwrap_or_default());
    Ok(response)
}

/// Says that it is a file, which no browser takes for a page of ours.
fn as_file(headers: &mut HeaderMap, name: &str) {
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    let disposition = format!("attachment; filename*=UTF-8''{}", encoded.replace('+', "%20"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
}
