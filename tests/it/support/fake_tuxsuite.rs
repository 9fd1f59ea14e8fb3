//! A TuxSuite that behaves like the real one as far as its clients can tell: builds and tests are accepted and get uids,
//! the test says when and how they end, artifacts can be fetched, callbacks are signed.
//!
//! It repeats TuxSuite's traps: a build's `client_token` makes a repeated POST harmless, a test has none; `boot` is in
//! every test job's `tests` and `results` although nobody asks for it; times have no zone.

mod job;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) use self::job::Kind;
use self::job::{Job, created, merge, refused};
use super::fake_server::{FakeServer, lock};

/// The route that takes builds.
pub(crate) const SUBMIT_BUILDS: &str = "POST /v1/groups/{group}/projects/{project}/builds";
/// The route that takes tests.
pub(crate) const SUBMIT_TESTS: &str = "POST /v1/groups/{group}/projects/{project}/tests";
/// The route that tells of one build.
pub(crate) const GET_BUILD: &str = "GET /v1/groups/{group}/projects/{project}/builds/{uid}";
/// The route that cancels one build.
pub(crate) const CANCEL_BUILD: &str = "POST /v1/groups/{group}/projects/{project}/builds/{uid}/cancel";
/// The route that tells of one job of tests.
pub(crate) const GET_TEST: &str = "GET /v1/groups/{group}/projects/{project}/tests/{uid}";
/// The route that cancels one job of tests.
pub(crate) const CANCEL_TEST: &str = "POST /v1/groups/{group}/projects/{project}/tests/{uid}/cancel";
/// The route that lists tests.
pub(crate) const LIST_TESTS: &str = "GET /v1/groups/{group}/projects/{project}/tests";
/// The route of the artifacts.
pub(crate) const STORAGE: &str = "GET /storage/public/{group}/{project}/{kind}/{uid}/{file}";

/// What `TUXSUITE_TOKEN` has to be.
pub(crate) const TOKEN: &str = "fake-tuxsuite-token";

/// How many jobs a page of a list holds.
pub(crate) const PAGE: usize = 30;

/// The service. Clones are the same service.
#[derive(Clone)]
pub(crate) struct FakeTuxSuite {
    /// Its requests and its script.
    pub(crate) server: FakeServer,
    key: Arc<SigningKey>,
    jobs: Arc<Mutex<Vec<Job>>>,
}

/// A callback as TuxSuite would send it now.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    /// Where to, as the job's submitter asked.
    pub(crate) url: String,
    /// The exact bytes that are signed.
    pub(crate) body: String,
    /// The value of the header `x-tux-payload-signature`.
    pub(crate) signature: String,
}

impl FakeTuxSuite {
    /// Starts one on a free loopback port, with a key of its own.
    pub(crate) async fn start() -> Self {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        let seed = Sha256::digest(format!("fake TuxSuite {}", KEYS.fetch_add(1, Ordering::Relaxed)));
        let key = SigningKey::from_slice(&seed).expect("a number below the order of the curve");
        let (server, listener) = FakeServer::bind().await;
        let suite = Self { server, key: Arc::new(key), jobs: Arc::default() };
        suite.server.serve(listener, suite.router());
        suite
    }

    fn router(&self) -> Router {
        let project = "/v1/groups/{group}/projects/{project}";
        let mut router = Router::new()
            .route(&format!("{project}/keys"), get(keys))
            .route("/storage/public/{group}/{project}/{kind}/{uid}/{file}", get(artifact));
        for kind in [Kind::Build, Kind::Test] {
            let list = format!("{project}/{}", kind.plural());
            router = router
                .route(
                    &list,
                    post(async move |suite: State<Self>, path: Path<_>, headers: HeaderMap, body: Bytes| {
                        submit(kind, &suite, &path, &headers, &body)
                    })
                    .get(
                        async move |suite: State<Self>, path: Path<_>, query: Query<_>, headers: HeaderMap| {
                            page(kind, &suite, &path, &query, &headers)
                        },
                    ),
                )
                .route(
                    &format!("{list}/{{uid}}"),
                    get(async move |suite: State<Self>, path: Path<_>, headers: HeaderMap| {
                        one(kind, &suite, &path, &headers)
                    }),
                )
                .route(
                    &format!("{list}/{{uid}}/cancel"),
                    post(async move |suite: State<Self>, path: Path<_>, headers: HeaderMap| {
                        cancel(kind, &suite, &path, &headers)
                    }),
                );
        }
        router.with_state(self.clone())
    }

    /// What `TUXAPI_URL` has to be.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The build objects, the oldest first.
    pub(crate) fn builds(&self) -> Vec<Value> {
        self.objects(Kind::Build)
    }

    /// The test objects, the oldest first.
    pub(crate) fn tests(&self) -> Vec<Value> {
        self.objects(Kind::Test)
    }

    fn objects(&self, kind: Kind) -> Vec<Value> {
        lock(&self.jobs).iter().filter(|job| job.kind == kind).map(|job| job.object.clone()).collect()
    }

    /// Waits until `enough` holds, and fails the test when it does not come to that.
    pub(crate) async fn wait_for(&self, what: &str, enough: impl Fn(&Self) -> bool) {
        self.server.wait_for(what, || enough(self).then_some(())).await;
    }

    /// Ends a build as `pass`, `fail`, `error` or `canceled`.
    pub(crate) fn finish_build(&self, uid: &str, status: &str) -> Callback {
        self.change(uid, |job| job.finish_build(status));
        self.callback(uid)
    }

    /// Ends a test job as `pass`, `fail`, `error` or `canceled`, with these results (`pass`, `fail`, `skip` or `unknown`)
    /// of the tests inside it, `boot` among them.
    pub(crate) fn finish_test(&self, uid: &str, result: &str, results: &[(&str, &str)]) -> Callback {
        self.change(uid, |job| job.finish_test(result, results));
        self.callback(uid)
    }

    /// Overwrites fields of a job's object: `json!({"state": "running"})`.
    pub(crate) fn patch(&self, uid: &str, fields: &Value) {
        self.change(uid, |job| merge(&mut job.object, fields));
    }

    /// Puts a file among a job's artifacts, in the place of what is there.
    pub(crate) fn put_file(&self, uid: &str, name: &str, content: impl Into<Bytes>) {
        self.change(uid, |job| {
            job.files.insert(name.to_owned(), content.into());
        });
    }

    /// The callback that tells of the job as it now is.
    pub(crate) fn callback(&self, uid: &str) -> Callback {
        let jobs = lock(&self.jobs);
        let job = jobs.iter().find(|job| job.uid() == uid).expect("a job of this uid");
        let url = job.object["callback"].as_str().expect("a job that was given a callback").to_owned();
        let body = json!({"kind": job.kind.word(), "status": job.object}).to_string();
        let signature = self.sign(body.as_bytes());
        Callback { url, body, signature }
    }

    /// The signature of these bytes, as the header carries it: DER in URL-safe base64 with padding.
    pub(crate) fn sign(&self, body: &[u8]) -> String {
        let signature: Signature = self.key.sign(body);
        URL_SAFE.encode(signature.to_der().as_bytes())
    }

    /// The key that the signatures are made with, as `GET …/keys` tells it.
    pub(crate) fn public_key_openssh(&self) -> String {
        let point = self.key.verifying_key().to_sec1_point(false);
        let mut blob = Vec::new();
        for field in [&b"ecdsa-sha2-nistp256"[..], b"nistp256", point.as_bytes()] {
            blob.extend(u32::try_from(field.len()).expect("a short field").to_be_bytes());
            blob.extend(field);
        }
        format!("ecdsa-sha2-nistp256 {}", STANDARD.encode(blob))
    }

    fn change(&self, uid: &str, change: impl FnOnce(&mut Job)) {
        change(lock(&self.jobs).iter_mut().find(|job| job.uid() == uid).expect("a job of this uid"));
        self.server.changed();
    }
}

fn error(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}

/// TuxSuite takes the bare token, without a word before it.
fn stranger(headers: &HeaderMap) -> Option<Response> {
    let known = headers.get(header::AUTHORIZATION).is_some_and(|value| value == TOKEN);
    (!known).then(|| error(StatusCode::UNAUTHORIZED, "unknown token"))
}

type Project = (String, String);
type Place = (String, String, String);

fn submit(kind: Kind, suite: &FakeTuxSuite, project: &Project, headers: &HeaderMap, body: &[u8]) -> Response {
    if let Some(refusal) = stranger(headers) {
        return refusal;
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return error(StatusCode::BAD_REQUEST, "the body is not JSON");
    };
    let (entries, single) = match (kind, body) {
        (Kind::Build, mut body) => (body["builds"].take(), false),
        (Kind::Test, body) => (body.clone(), body.is_object()),
    };
    let entries = match entries {
        Value::Array(entries) => entries,
        entry => vec![entry],
    };
    if let Some(message) = entries.iter().find_map(|entry| refused(kind, entry)) {
        return error(StatusCode::BAD_REQUEST, &message);
    }
    let (group, project) = project;
    let project = format!("{group}/{project}");
    let storage = format!("{}/storage/public/{project}", suite.server.url());
    let mut jobs = lock(&suite.jobs);
    let mut objects = Vec::new();
    for entry in entries {
        let token = &entry["client_token"];
        let same = jobs.iter().find(|job| job.kind == Kind::Build && job.object["client_token"] == *token);
        if kind == Kind::Build
            && let Some(job) = same
        {
            objects.push(job.object.clone());
        } else {
            let job = created(kind, entry, &project, &storage, jobs.len());
            objects.push(job.object.clone());
            jobs.push(job);
        }
    }
    Json(if single { objects.remove(0) } else { Value::Array(objects) }).into_response()
}

fn page(
    kind: Kind,
    suite: &FakeTuxSuite,
    (group, project): &Project,
    query: &BTreeMap<String, String>,
    headers: &HeaderMap,
) -> Response {
    if let Some(refusal) = stranger(headers) {
        return refusal;
    }
    let start = query.get("start").map_or(Ok(0), |token| token.parse::<usize>());
    let Ok(start) = start else { return error(StatusCode::BAD_REQUEST, "unknown start token") };
    let project = format!("{group}/{project}");
    let mut objects = suite.objects(kind);
    objects.retain(|object| object["project"] == project);
    let count = objects.len();
    let results: Vec<Value> = objects.into_iter().rev().skip(start).take(PAGE).collect();
    let next = (start + PAGE < count).then(|| (start + PAGE).to_string());
    Json(json!({"count": results.len(), "results": results, "next": next})).into_response()
}

/// Does `then` to the job that is asked for.
fn with_job(
    kind: Kind,
    suite: &FakeTuxSuite,
    (group, project, uid): &Place,
    headers: &HeaderMap,
    then: impl FnOnce(&mut Job) -> Value,
) -> Response {
    if let Some(refusal) = stranger(headers) {
        return refusal;
    }
    let project = format!("{group}/{project}");
    let mut jobs = lock(&suite.jobs);
    match jobs.iter_mut().find(|job| job.kind == kind && job.uid() == uid && job.object["project"] == project) {
        Some(job) => Json(then(job)).into_response(),
        None => error(StatusCode::NOT_FOUND, "not found"),
    }
}

fn one(kind: Kind, suite: &FakeTuxSuite, place: &Place, headers: &HeaderMap) -> Response {
    with_job(kind, suite, place, headers, |job| job.object.clone())
}

fn cancel(kind: Kind, suite: &FakeTuxSuite, place: &Place, headers: &HeaderMap) -> Response {
    with_job(kind, suite, place, headers, |job| {
        job.cancel();
        json!({})
    })
}

async fn keys(State(suite): State<FakeTuxSuite>, headers: HeaderMap) -> Response {
    stranger(&headers).unwrap_or_else(|| {
        Json(json!({"ssh": {"pub": suite.public_key_openssh()}, "pat": [], "variables": []})).into_response()
    })
}

/// Public storage asks for no token.
async fn artifact(
    State(suite): State<FakeTuxSuite>,
    Path((_, _, kind, uid, file)): Path<(String, String, String, String, String)>,
) -> Response {
    let jobs = lock(&suite.jobs);
    let job = jobs.iter().find(|job| job.kind.plural() == kind && job.uid() == uid);
    match job.and_then(|job| job.files.get(&file)) {
        Some(content) => content.clone().into_response(),
        None => error(StatusCode::NOT_FOUND, "not found"),
    }
}

#[cfg(test)]
mod tests;
