//! Files beside items, streamed in and out.

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::catalogue::attachment::{self, Given, NotTaken, Stored};
use crate::app::catalogue::beside;
use crate::domain::catalogue::value::{Attachment, Source, guess_mime_type};
use crate::domain::digest::Digest;
use crate::http::body;
use crate::http::builds::{missing, read_id};
use crate::http::catalogue::{Author, Collection, revision};
use crate::http::condition::{entity_tag, etag, only_if, unchanged};
use crate::http::params::{Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};

/// Bytes that were taken in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoredContent)]
pub struct StoredView {
    /// Their SHA-256: what a document names them by.
    #[schema(value_type = String, example = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    sha256: Digest,
    /// How many.
    #[schema(example = 3)]
    size: u64,
}

impl From<Stored> for StoredView {
    fn from(stored: Stored) -> Self {
        Self { sha256: stored.sha256, size: stored.size }
    }
}

/// Takes a body in as it streams.
async fn take_in(app: &App, headers: &HeaderMap, body: Body) -> Result<Stored> {
    let most = app.catalogue.limits.max_attachment_bytes;
    let too_large = |most| Problem::new(Code::TooLarge, format!("an attachment may have at most {most} bytes"));
    let announced = body::text(headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let stream: BodyDataStream = body.into_data_stream();
    attachment::take_in(&app.catalogue, stream).await.map_err(|error| match error {
        NotTaken::TooLarge(most) => too_large(most),
        NotTaken::Source(error) => body::broken_off(&error),
        NotTaken::Failed(error) => error.into(),
    })
}

/// Gives bytes out as a file that no browser takes for a page of ours.
fn file(given: Given, sha256: Digest, mime_type: &str, filename: &str) -> Response {
    let kind =
        HeaderValue::from_str(mime_type).unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    let encoded: String = url::form_urlencoded::byte_serialize(filename.as_bytes()).collect();
    let disposition = format!("attachment; filename*=UTF-8''{}", encoded.replace('+', "%20"));
    let mut response = Body::from_stream(given.bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(given.size));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::ETAG, entity_tag(sha256));
    response
}

/// Takes bytes in, for a document to name them
///
/// They are kept for a day (`catalogue.orphan_retention_s`) unless an item names them by then.
#[utoipa::path(
    post, path = "/api/v1/catalog/attachments", tag = "catalog",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes"),
    responses(
        (status = 201, description = "They are stored", body = StoredView, headers(("location" = String, description = "The bytes"))),
        (status = 400, description = "The body breaks off", body = ProblemBody),
        (status = 413, description = "More than `catalogue.max_attachment_bytes`", body = ProblemBody),
    )
)]
pub(crate) async fn create_attachment(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    let stored = take_in(&app, &headers, body).await?;
    let location = format!("/api/v1/catalog/attachments/{}", stored.sha256);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(StoredView::from(stored))).into_response())
}

/// Gives bytes out by their SHA-256
#[utoipa::path(
    get, path = "/api/v1/catalog/attachments/{sha256}", tag = "catalog",
    params(("sha256" = String, Path)),
    responses(
        (status = 200, description = "The bytes", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "The caller has them"),
        (status = 404, description = "Nothing with this SHA-256 is stored", body = ProblemBody),
    )
)]
pub(crate) async fn get_attachment(
    State(app): State<App>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let sha256: Digest = read_id("content with the SHA-256", &sha256)?;
    if let Some(response) = unchanged(&headers, &entity_tag(sha256)) {
        return Ok(response);
    }
    let given = attachment::give_out(&app.catalogue, sha256).await?;
    Ok(file(given, sha256, "application/octet-stream", &sha256.to_string()))
}

/// Gives out a file beside an item
#[utoipa::path(
    get, path = "/api/v1/catalog/{kind}/{label}/attachments/{filename}", tag = "catalog",
    params(
        ("kind" = Collection, Path, description = "Tests, resources or suites"),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("filename" = String, Path, example = "zone.txt"),
        ("revision" = Option<i64>, Query, description = "As of this revision; now where it is left out"),
    ),
    responses(
        (status = 200, description = "The file, with its own content type", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such item or file", body = ProblemBody),
    )
)]
pub(crate) async fn get_item_attachment(
    State(app): State<App>,
    Path((kind, label, filename)): Path<(String, String, String)>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response> {
    let kind = Collection::read(&kind)?.kind();
    let as_of = revision(&params.only(&["revision"])?)?;
    let found = beside::get(&app.catalogue, kind, &label, &filename, as_of).await?;
    let Source::Content { sha256, .. } = found.source else { return Err(missing("attachment", filename)) };
    if let Some(response) = unchanged(&headers, &entity_tag(sha256)) {
        return Ok(response);
    }
    let given = attachment::give_out(&app.catalogue, sha256).await?;
    Ok(file(given, sha256, &found.mime_type, &filename))
}

/// Puts a file beside an item, in the place of one of the same name
#[utoipa::path(
    put, path = "/api/v1/catalog/{kind}/{label}/attachments/{filename}", tag = "catalog",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes; the content type is the file's"),
    params(
        ("kind" = Collection, Path, description = "Tests, resources or suites"),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("filename" = String, Path, example = "zone.txt"),
        ("description" = Option<String>, Query, description = "What it is"),
        ("message" = Option<String>, Query, description = "What the change is for"),
        ("if-match" = Option<String>, Header, description = "The ETag that the item was read with"),
    ),
    responses(
        (status = 200, description = "It is beside the item now", body = StoredView, headers(("etag" = String, description = "Names the item's version"))),
        (status = 400, description = "The body breaks off; a header or query field is malformed", body = ProblemBody),
        (status = 404, description = "There is no such item", body = ProblemBody),
        (status = 412, description = "The item is another version by now", body = ProblemBody),
        (status = 413, description = "More than `catalogue.max_attachment_bytes`", body = ProblemBody),
        (status = 422, description = "The file name makes no sense", body = ProblemBody),
    )
)]
pub(crate) async fn put_item_attachment(
    State(app): State<App>,
    author: Author,
    Path((kind, label, filename)): Path<(String, String, String)>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let kind = Collection::read(&kind)?.kind();
    let params = params.only(&["description", "message"])?;
    let description = params.one::<String>("description")?.unwrap_or_default();
    let by = author.with(&params)?;
    let only_if = only_if(&headers)?;
    // Whoever names no such item need not send it all first.
    beside::check(&app.catalogue, kind, &label, &filename).await?;
    let stored = take_in(&app, &headers, body).await?;
    let mime_type =
        body::text(&headers, header::CONTENT_TYPE.as_str()).map_or_else(|| guess_mime_type(&filename), str::to_owned);
    let source = Source::Content { sha256: stored.sha256, size: stored.size };
    let attachment = Attachment { filename, mime_type, description, source };
    let revision = beside::put(&app.catalogue, &by, kind, &label, attachment, only_if).await?;
    Ok(([(header::ETAG, etag(revision))], Json(StoredView::from(stored))).into_response())
}

/// Removes a file from beside an item
#[utoipa::path(
    delete, path = "/api/v1/catalog/{kind}/{label}/attachments/{filename}", tag = "catalog",
    params(
        ("kind" = Collection, Path, description = "Tests, resources or suites"),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("filename" = String, Path, example = "zone.txt"),
        ("message" = Option<String>, Query, description = "What the change is for"),
        ("if-match" = Option<String>, Header, description = "The ETag that the item was read with"),
    ),
    responses(
        (status = 204, description = "It is gone; earlier revisions keep it"),
        (status = 400, description = "A header or query field is malformed", body = ProblemBody),
        (status = 404, description = "There is no such item or file", body = ProblemBody),
        (status = 412, description = "The item is another version by now", body = ProblemBody),
    )
)]
pub(crate) async fn delete_item_attachment(
    State(app): State<App>,
    author: Author,
    Path((kind, label, filename)): Path<(String, String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let kind = Collection::read(&kind)?.kind();
    let by = author.with(&params.only(&["message"])?)?;
    beside::remove(&app.catalogue, &by, kind, &label, &filename, only_if(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
