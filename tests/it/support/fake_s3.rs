//! A bucket that speaks as much of S3 as the object store asks for: objects at once or in parts, and their removal.
//! As at the real one, an upload in parts shows nothing until it is completed, and keeps its parts until it is aborted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{post, put};
use sha2::{Digest as _, Sha256};
use testyard::config::Settings;

use super::fake_server::{Answer, FakeServer, lock};

/// The route that takes whole objects and parts.
pub(crate) const PUT: &str = "PUT /{bucket}/{*key}";
/// The route that begins and completes uploads.
pub(crate) const POST: &str = "POST /{bucket}/{*key}";
/// The route that gives objects out.
pub(crate) const GET: &str = "GET /{bucket}/{*key}";
/// The route that removes objects.
pub(crate) const REMOVE: &str = "POST /{bucket}";

/// The one access key that it knows.
pub(crate) const ACCESS_KEY_ID: &str = "fake-access-key";

/// The fewest bytes of a part that is not the last one.
const SMALLEST_PART: usize = 5 << 20;

/// The bucket. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct FakeS3 {
    /// Its requests and its script.
    pub(crate) server: FakeServer,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    begun: u32,
    refusing: bool,
}

impl FakeS3 {
    /// Starts an empty one on a free loopback port.
    pub(crate) async fn start() -> Self {
        let (server, listener) = FakeServer::bind().await;
        let s3 = Self { server, book: Arc::default() };
        let router = Router::new()
            .route("/{bucket}", post(remove_many))
            .route("/{bucket}/{*key}", put(take).get(give).post(upload).delete(remove))
            .layer(from_fn_with_state(s3.clone(), guard))
            .layer(DefaultBodyLimit::disable())
            .with_state(s3.clone());
        s3.server.serve(listener, router);
        s3
    }

    /// Has a service keep its objects here, below `testyard/` in the bucket `attachments`.
    pub(crate) fn serves(&self, settings: &mut Settings) {
        settings.objects.bucket = Some("s3://attachments/testyard".to_owned());
        settings.objects.endpoint_url = Some(self.server.url().parse().expect("a URL"));
        settings.objects.access_key_id = Some(ACCESS_KEY_ID.to_owned());
        settings.objects.secret_access_key = Some("fake-secret".to_owned().into());
    }

    /// From now on it refuses everything, or nothing any more.
    pub(crate) fn refuse(&self, refusing: bool) {
        lock(&self.book).refusing = refusing;
    }

    /// The next request to a route is refused for good: a client does not try again.
    pub(crate) fn refuse_next(&self, route: &'static str) {
        self.server.answer_next(route, Answer::Status(403, xml_error("AccessDenied"), Vec::new()));
    }

    /// The objects by `bucket/key`.
    pub(crate) fn objects(&self) -> BTreeMap<String, Bytes> {
        lock(&self.book).objects.clone()
    }

    /// How many uploads were begun and neither completed nor aborted.
    pub(crate) fn open_uploads(&self) -> usize {
        lock(&self.book).uploads.len()
    }
}

fn xml_error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>fake</Message></Error>")
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/xml")], xml_error(code)).into_response()
}

fn xml(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// A tag that no client can make sense of, which is all that the real ones promise.
fn e_tag(bytes: &[u8]) -> String {
    format!("\"of-{}-bytes\"", bytes.len())
}

/// Lets in what is signed with the key that it knows; the signature itself is not worked out.
async fn guard(State(s3): State<FakeS3>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/");
    let signed = authorization.is_some_and(|words| words.starts_with(&credential) && words.contains("Signature="));
    if !signed || lock(&s3.book).refusing {
        return error(StatusCode::FORBIDDEN, "AccessDenied");
    }
    next.run(request).await
}

type Asked = Query<BTreeMap<String, String>>;

/// The bytes are those that were signed, where the client signs them.
fn are_as_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let signed = headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok()).unwrap_or_default();
    signed == "UNSIGNED-PAYLOAD" || signed == hex::encode(Sha256::digest(body))
}

async fn take(
    State(s3): State<FakeS3>,
    Path((bucket, key)): Path<(String, String)>,
    Query(asked): Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !are_as_signed(&headers, &body) {
        return error(StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch");
    }
    let e_tag = e_tag(&body);
    let mut book = lock(&s3.book);
    match (asked.get("uploadId"), asked.get("partNumber").and_then(|number| number.parse().ok())) {
        (Some(id), Some(number)) => match book.uploads.get_mut(id) {
            Some(parts) => {
                parts.insert(number, body);
            }
            None => return error(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        _ => {
            book.objects.insert(format!("{bucket}/{key}"), body);
        }
    }
    [(header::ETAG, e_tag)].into_response()
}

async fn upload(
    State(s3): State<FakeS3>,
    Path((bucket, key)): Path<(String, String)>,
    Query(asked): Asked,
    body: String,
) -> Response {
    let mut book = lock(&s3.book);
    let Some(id) = asked.get("uploadId") else {
        book.begun += 1;
        let id = format!("upload-{}", book.begun);
        book.uploads.insert(id.clone(), BTreeMap::new());
        return xml(format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        ));
    };
    let Some(parts) = book.uploads.get(id) else { return error(StatusCode::NOT_FOUND, "NoSuchUpload") };
    let named: Vec<u32> = texts(&body, "PartNumber").iter().filter_map(|number| number.parse().ok()).collect();
    if named.is_empty() || named != parts.keys().copied().collect::<Vec<_>>() {
        return error(StatusCode::BAD_REQUEST, "InvalidPart");
    }
    if parts.values().rev().skip(1).any(|part| part.len() < SMALLEST_PART) {
        return error(StatusCode::BAD_REQUEST, "EntityTooSmall");
    }
    let whole = parts.values().map(Bytes::as_ref).collect::<Vec<_>>().concat();
    let e_tag = e_tag(&whole);
    book.uploads.remove(id);
    book.objects.insert(format!("{bucket}/{key}"), whole.into());
    xml(format!("<CompleteMultipartUploadResult><ETag>{e_tag}</ETag></CompleteMultipartUploadResult>"))
}

async fn give(State(s3): State<FakeS3>, Path((bucket, key)): Path<(String, String)>) -> Response {
    match lock(&s3.book).objects.get(&format!("{bucket}/{key}")) {
        Some(body) => ([(header::ETAG, e_tag(body))], body.clone()).into_response(),
        None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

/// Aborts an upload or removes an object.
async fn remove(
    State(s3): State<FakeS3>,
    Path((bucket, key)): Path<(String, String)>,
    Query(asked): Asked,
) -> Response {
    let mut book = lock(&s3.book);
    match asked.get("uploadId") {
        Some(id) if book.uploads.remove(id).is_none() => return error(StatusCode::NOT_FOUND, "NoSuchUpload"),
        Some(_) => {}
        None => {
            book.objects.remove(&format!("{bucket}/{key}"));
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

/// Removes many objects at once. Those that are not there are removed too, as at the real one.
async fn remove_many(
    State(s3): State<FakeS3>,
    Path(bucket): Path<String>,
    Query(asked): Asked,
    body: String,
) -> Response {
    if !asked.contains_key("delete") {
        return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented");
    }
    let mut book = lock(&s3.book);
    let keys = texts(&body, "Key");
    for key in &keys {
        book.objects.remove(&format!("{bucket}/{key}"));
    }
    let removed: Vec<String> = keys.iter().map(|key| format!("<Deleted><Key>{key}</Key></Deleted>")).collect();
    xml(format!("<DeleteResult>{}</DeleteResult>", removed.concat()))
}

/// The texts of the elements of this name. The keys that are asked for need no escapes.
fn texts<'a>(xml: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    xml.split(open.as_str()).skip(1).filter_map(|rest| Some(rest.split_once(close.as_str())?.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::http_client;
    use super::*;

    async fn ask(request: reqwest::RequestBuilder, key_id: &str) -> (u16, String) {
        let signature = format!("AWS4-HMAC-SHA256 Credential={key_id}/x, SignedHeaders=host, Signature=0");
        let request = request.header("authorization", signature).header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    #[tokio::test]
    async fn it_knows_one_key_and_keeps_what_it_is_sent() {
        let s3 = FakeS3::start().await;
        let url = format!("{}/bucket/a/b", s3.server.url());
        let http = http_client();
        assert_eq!(http.get(&url).send().await.unwrap().status().as_u16(), 403);
        assert_eq!(ask(http.put(&url).body("x"), "other").await.0, 403);
        assert_eq!(ask(http.get(&url), ACCESS_KEY_ID).await.0, 404);
        assert_eq!(ask(http.put(&url).body("x"), ACCESS_KEY_ID).await.0, 200);
        assert_eq!(ask(http.get(&url), ACCESS_KEY_ID).await, (200, "x".to_owned()));
        s3.refuse(true);
        assert_eq!(ask(http.get(&url), ACCESS_KEY_ID).await.0, 403);
        s3.refuse(false);
        assert_eq!(ask(http.delete(&url), ACCESS_KEY_ID).await.0, 204);
        assert_eq!(s3.objects(), BTreeMap::new());
        let unsigned = http.put(&url).body("x").header("x-amz-content-sha256", "0".repeat(64));
        let signature = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/x, Signature=0");
        let refused = unsigned.header("authorization", signature).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 400);
    }

    #[tokio::test]
    async fn an_upload_in_parts_shows_when_it_is_complete() {
        let s3 = FakeS3::start().await;
        let url = format!("{}/bucket/a/b", s3.server.url());
        let http = http_client();
        let (status, begun) = ask(http.post(format!("{url}?uploads")), ACCESS_KEY_ID).await;
        let ids = texts(&begun, "UploadId");
        assert_eq!((status, &ids[..]), (200, &["upload-1"][..]));
        for (number, part) in [(2, "b"), (1, "a")] {
            let put = http.put(format!("{url}?partNumber={number}&uploadId=upload-1")).body(part);
            assert_eq!(ask(put, ACCESS_KEY_ID).await.0, 200);
        }
        assert_eq!((s3.objects().len(), s3.open_uploads()), (0, 1));
        let complete = |body: &'static str| http.post(format!("{url}?uploadId=upload-1")).body(body);
        let (status, said) = ask(complete("<PartNumber>1</PartNumber>"), ACCESS_KEY_ID).await;
        assert!(status == 400 && said.contains("InvalidPart"), "{said}");
        let both = "<PartNumber>1</PartNumber><PartNumber>2</PartNumber>";
        let (status, said) = ask(complete(both), ACCESS_KEY_ID).await;
        assert!(status == 400 && said.contains("EntityTooSmall"), "{said}");
        assert_eq!(ask(http.delete(format!("{url}?uploadId=upload-1")), ACCESS_KEY_ID).await.0, 204);
        assert_eq!((s3.objects().len(), s3.open_uploads()), (0, 0));
        assert_eq!(ask(complete(both), ACCESS_KEY_ID).await.0, 404);
    }
}
