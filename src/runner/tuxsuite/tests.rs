//! The adapter against servers of our own.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::*;
use crate::clock::ManualClock;
use crate::domain::golden;
use crate::domain::run::{BuildRequest, TestsRequest};
use crate::domain::status::Status;
use crate::ids::RunId;
use crate::runner::Signatures;

const P: &str = "/v1/groups/grp/projects/prj";

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The text of an answer: JSON or as it stands.
struct Text(String);

impl From<Value> for Text {
    fn from(document: Value) -> Self {
        Self(document.to_string())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

fn answer(status: u16, body: impl Into<Text>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into().0.into_bytes() }
}

fn with_header(mut answer: Answer, name: &str, value: &str) -> Answer {
    answer.headers.push((name.to_owned(), value.to_owned()));
    answer
}

#[derive(Debug)]
struct Seen {
    line: String,
    headers: HeaderMap,
    body: Value,
}

/// A server that answers what it was told to, by `METHOD path?query`, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<HashMap<String, Answer>>,
    seen: Mutex<Vec<Seen>>,
}

struct Fake {
    url: Url,
    script: Arc<Script>,
}

impl Fake {
    async fn start() -> Self {
        let script = Arc::new(Script::default());
        let app = Router::new().fallback(serve).with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, script }
    }

    fn on(&self, line: impl Into<String>, answer: Answer) {
        self.script.answers.lock().unwrap().insert(line.into(), answer);
    }

    fn lines(&self) -> Vec<String> {
        self.script.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }

    fn at(&self, path: &str) -> String {
        self.url.join(path).unwrap().to_string()
    }
}

async fn serve(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let line = format!("{method} {uri}");
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let found = script.answers.lock().unwrap().get(&line).cloned();
    script.seen.lock().unwrap().push(Seen { line, headers, body });
    let Some(answer) = found else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response();
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).unwrap();
        response.headers_mut().insert(name, HeaderValue::try_from(value).unwrap());
    }
    response
}

fn now() -> DateTime<Utc> {
    "2025-05-14T12:00:00Z".parse().unwrap()
}

fn options(api: &Url) -> TuxSuiteOptions {
    TuxSuiteOptions {
        api_url: api.clone(),
        token: Some(SecretString::from("tok-0123456789abcdef")),
        group: Some("grp".to_owned()),
        project: Some("prj".to_owned()),
        download_hosts: Vec::new(),
        timeout: Duration::from_secs(20),
        max_results_bytes: 4096,
        max_log_bytes: 64,
    }
}

/// An adapter whose client may reach this machine where a caller named it.
fn adapter(options: TuxSuiteOptions) -> TuxSuite {
    let client = Client::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
    TuxSuite::new(options, SignaturePolicy::Auto, None, client, Arc::new(ManualClock::new(now())))
}

fn job(request: RunRequest) -> Job {
    Job {
        run: RunId::new(now()),
        client_token: Uuid::from_u128(7),
        callback_url: Url::parse("https://ty.example/callback/cap_1").unwrap(),
        request,
        uid: Some("U1".to_owned()),
        first_asked_at: now(),
    }
}

fn build() -> Job {
    job(RunRequest::Build(BuildRequest {
        tree: "https://git.example/linux.git".to_owned(),
        branch: "master".to_owned(),
        toolchain: "gcc-12".to_owned(),
        kconfig: Some("defconfig".to_owned()),
        fragments: Vec::new(),
        architecture: "riscv".to_owned(),
    }))
}

fn tests() -> Job {
    job(RunRequest::Tests(TestsRequest {
        kernel_image_url: "https://f.example/Image".to_owned(),
        modules_url: None,
        device: "qemu-riscv64".to_owned(),
        collection: "ltp".to_owned(),
        tests: vec!["ltp-smoke".to_owned(), "kunit".to_owned()],
    }))
}

fn finished(download_url: Option<&str>) -> Observation {
    let object = json!({ "uid": "U1", "state": "finished", "result": "pass", "download_url": download_url });
    observe_test(&object).unwrap()
}

#[tokio::test]
async fn a_submission_carries_the_bare_token_and_returns_the_uid() {
    let api = Fake::start().await;
    api.on(format!("POST {P}/builds"), answer(200, json!([{ "uid": "B1", "state": "queued" }])));
    api.on(format!("POST {P}/tests"), answer(200, json!({ "uid": "T1", "state": "provisioning" })));
    let tuxsuite = adapter(options(&api.url));
    assert_eq!(tuxsuite.submit(&build()).await, Ok("B1".to_owned()));
    assert_eq!(tuxsuite.submit(&tests()).await, Ok("T1".to_owned()));
    assert!(tuxsuite.submit_is_idempotent(&build()) && !tuxsuite.submit_is_idempotent(&tests()));
    let seen = api.script.seen.lock().unwrap();
    for request in seen.iter() {
        assert_eq!(request.headers["authorization"], "tok-0123456789abcdef");
        assert_eq!(request.headers["content-type"], "application/json");
    }
    assert_eq!(seen[0].body["builds"][0]["client_token"], json!(Uuid::from_u128(7)));
    assert_eq!(seen[1].body["callback"], "https://ty.example/callback/cap_1");
}

/// The first answer of each scripted exchange, and what it means for us.
#[tokio::test]
async fn golden_error_answers_are_classified() {
    let mut replayed = 0;
    for case in golden::cases("wire/tuxsuite_requests.json", "cases") {
        let (given, name) = (&case["given"], &case["name"]);
        let job = match given["call"].as_str() {
            Some("Build.build()") => build(),
            Some("Test.test()") => tests(),
            _ => continue,
        };
        let Some(first) = given["server_answers"].get(0) else { continue };
        let status = u16::try_from(first[0].as_u64().unwrap()).unwrap();
        let text = first[2].as_str().map_or_else(|| first[2].to_string(), str::to_owned);
        let mut scripted = answer(status, text);
        for (header, value) in first[1].as_object().into_iter().flatten() {
            scripted = with_header(scripted, header, value.as_str().unwrap());
        }
        let api = Fake::start().await;
        api.on(format!("POST {P}/{}", list(&job)), scripted);
        let got = adapter(options(&api.url)).submit(&job).await;
        let told = ["error", "status_message"].iter().find_map(|key| first[2][key].as_str()).unwrap_or_default();
        let wait = first[1]["Retry-After"].as_str().map(|seconds| TimeDelta::seconds(seconds.parse().unwrap()));
        let fits = match (status, &got) {
            (200..=299, got) => got.is_ok(),
            (401, Err(RunnerError::Unavailable { message, .. })) => {
                message.contains("TUXSUITE_TOKEN") && message.contains(told)
            }
            (408 | 500..=502 | 504..=599, Err(RunnerError::Unclear(message))) => {
                list(&job) == "tests" && message.contains(told)
            }
            (408 | 413 | 429 | 500..=599, Err(RunnerError::Unavailable { retry_after, message })) => {
                *retry_after == wait && message.contains(told)
            }
            (400..=499, Err(RunnerError::Refused(message))) => message.contains(told),
            _ => false,
        };
        assert!(fits, "{name}: {got:?}");
        replayed += 1;
    }
    assert!(replayed > 0);
}

#[tokio::test]
async fn a_lost_answer_is_not_a_refusal() {
    let api = Fake::start().await;
    let submit = |body: &'static str| {
        api.on(format!("POST {P}/tests"), answer(200, body));
        let tuxsuite = adapter(options(&api.url));
        async move { tuxsuite.submit(&tests()).await }
    };
    assert!(matches!(submit("<html>").await, Err(RunnerError::Unclear(_))));
    assert!(matches!(submit("{}").await, Err(RunnerError::Unclear(_))));
    assert!(matches!(submit("[]").await, Err(RunnerError::Unclear(_))));
    api.on(format!("POST {P}/tests"), answer(502, "bad gateway"));
    assert!(matches!(adapter(options(&api.url)).submit(&tests()).await, Err(RunnerError::Unclear(_))));

    // Accepts connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let impatient = adapter(TuxSuiteOptions { timeout: Duration::from_millis(50), ..options(&url) });
    assert!(matches!(impatient.submit(&tests()).await, Err(RunnerError::Unclear(_))));
    assert!(matches!(impatient.poll(&tests()).await, Err(RunnerError::Unavailable { .. })));
    drop(silent);
    let absent = adapter(options(&url));
    assert!(matches!(absent.submit(&tests()).await, Err(RunnerError::Unavailable { .. })));
}

#[tokio::test]
async fn what_cannot_succeed_is_not_sent() {
    let api = Fake::start().await;
    let nowhere = adapter(TuxSuiteOptions { project: None, ..options(&api.url) });
    let Err(RunnerError::Refused(message)) = nowhere.submit(&tests()).await else { panic!("refused") };
    assert!(message.contains("TUXSUITE_PROJECT"), "{message}");
    let mut over_ssh = build();
    if let RunRequest::Build(request) = &mut over_ssh.request {
        request.tree = "git@github.com:a/b.git".to_owned();
    }
    assert!(matches!(adapter(options(&api.url)).submit(&over_ssh).await, Err(RunnerError::Refused(_))));
    assert!(api.lines().is_empty());
}

#[tokio::test]
async fn a_job_is_found_by_its_callback_on_a_later_page() {
    let api = Fake::start().await;
    let entry =
        |uid: &str, callback: &str, time: &str| json!({ "uid": uid, "callback": callback, "provisioning_time": time });
    let later = "2025-05-14T12:30:00.000000";
    let other = "https://ty.example/callback/cap_2";
    let page = |entry: Value, next: Value| answer(200, json!({ "count": 3, "results": [entry], "next": next }));
    api.on(format!("GET {P}/tests"), page(entry("T3", other, later), json!("a/b c")));
    let second = format!("GET {P}/tests?start=a%2Fb+c");
    api.on(second.as_str(), page(entry("T2", "https://ty.example/callback/cap_1", later), json!("more")));
    let tuxsuite = adapter(options(&api.url));
    assert_eq!(tuxsuite.find(&tests()).await, Ok(Some("T2".to_owned())));

    // A page with a job that is older than ours ends the search; a clock that is a little behind does not.
    api.on(second.as_str(), page(entry("T2", other, "2025-05-14T11:49:59"), json!("more")));
    assert_eq!(tuxsuite.find(&tests()).await, Ok(None));
    assert_eq!(api.lines().len(), 4);
    api.on(second.as_str(), page(entry("T2", other, "2025-05-14T11:50:00"), Value::Null));
    assert_eq!(tuxsuite.find(&tests()).await, Ok(None));

    // A list without an end proves nothing.
    api.on(second.as_str(), page(entry("T2", other, later), json!("a/b c")));
    assert!(matches!(tuxsuite.find(&tests()).await, Err(RunnerError::Unclear(_))));
    assert_eq!(api.lines().len(), 6 + MAX_PAGES);
}

#[tokio::test]
async fn a_build_is_found_by_its_client_token_too() {
    let api = Fake::start().await;
    let entry = json!({ "uid": "B1", "client_token": Uuid::from_u128(7) });
    api.on(format!("GET {P}/builds"), answer(200, json!({ "results": [entry], "next": null })));
    assert_eq!(adapter(options(&api.url)).find(&build()).await, Ok(Some("B1".to_owned())));
}

#[tokio::test]
async fn polls_are_read_and_unknown_jobs_told_apart() {
    let api = Fake::start().await;
    let tuxsuite = adapter(options(&api.url));
    assert!(matches!(tuxsuite.poll(&tests()).await, Err(RunnerError::Unknown(_))));
    api.on(format!("GET {P}/tests/U1"), answer(200, json!({ "uid": "U1", "state": "running", "result": "unknown" })));
    assert_eq!(tuxsuite.poll(&tests()).await.map(|seen| seen.phase), Ok(Phase::Running));
    api.on(
        format!("GET {P}/builds/U1"),
        answer(200, json!({ "uid": "U1", "state": "finished", "build_status": "fail" })),
    );
    assert_eq!(tuxsuite.poll(&build()).await.map(|seen| seen.verdict), Ok(Some(Status::Fail)));
    api.on(format!("GET {P}/tests/U1"), answer(200, json!({ "uid": "U2", "state": "running" })));
    assert!(matches!(tuxsuite.poll(&tests()).await, Err(RunnerError::Unclear(_))));
    let odd = Job { uid: Some("../x?y".to_owned()), ..tests() };
    assert!(matches!(tuxsuite.poll(&odd).await, Err(RunnerError::Unknown(_))));
    assert_eq!(api.lines().last(), Some(&format!("GET {P}/tests/..%2Fx%3Fy")));
    assert!(matches!(tuxsuite.poll(&Job { uid: None, ..tests() }).await, Err(RunnerError::Unknown(_))));
}

#[tokio::test]
async fn canceling_what_is_over_is_no_error() {
    let api = Fake::start().await;
    let tuxsuite = adapter(options(&api.url));
    let cancel = format!("POST {P}/tests/U1/cancel");
    api.on(cancel.as_str(), answer(200, "{}"));
    assert_eq!(tuxsuite.cancel(&tests()).await, Ok(()));
    assert_eq!(api.script.seen.lock().unwrap()[0].body, json!({}));
    api.on(cancel.as_str(), answer(400, json!({ "error": "not running" })));
    api.on(format!("GET {P}/tests/U1"), answer(200, json!({ "uid": "U1", "state": "finished", "result": "pass" })));
    assert_eq!(tuxsuite.cancel(&tests()).await, Ok(()));
    api.on(format!("GET {P}/tests/U1"), answer(200, json!({ "uid": "U1", "state": "running" })));
    assert!(matches!(tuxsuite.cancel(&tests()).await, Err(RunnerError::Refused(_))));
}

#[tokio::test]
async fn results_and_the_logs_end_are_collected() {
    let api = Fake::start().await;
    let tuxsuite = adapter(options(&api.url));
    let results = json!({
        "lava": { "login-action": { "result": "pass" }, "kunit": { "result": "fail" }, "job": { "result": "pass" } },
        "ltp-smoke": { "access01": { "result": "fail" } },
    });
    api.on("GET /public/U1/results.json", answer(200, results));
    api.on("GET /public/U1/logs.txt", answer(200, format!("{}end\n", "x".repeat(100))));
    // A query would swallow the name of the file.
    let seen = finished(Some(&api.at("/public/U1?x=")));
    let collected = tuxsuite.collect(&tests(), &seen).await.unwrap();
    let statuses: Vec<_> = collected.tests.iter().map(|(name, test)| format!("{name}={}", test.status)).collect();
    assert_eq!(statuses, ["kunit=FAIL", "ltp-smoke=FAIL"]);
    assert_eq!(collected.boot.map(|boot| boot.status), Some(Status::Pass));
    assert_eq!(collected.log_excerpt, Some(format!("{}end\n", "x".repeat(60))));
    assert_eq!(collected.log_url, Some(api.at("/public/U1/logs.txt")));
    assert!(api.script.seen.lock().unwrap().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn what_is_not_there_yet_may_be_there_later() {
    let api = Fake::start().await;
    let tuxsuite = adapter(options(&api.url));
    assert_eq!(tuxsuite.collect(&tests(), &finished(None)).await, Ok(Collected::default()));
    let seen = finished(Some(&api.at("/public/U1/")));
    let bare = Collected { log_url: Some(api.at("/public/U1/logs.txt")), ..Collected::default() };
    let error = tuxsuite.collect(&tests(), &seen).await.unwrap_err();
    assert!(matches!(&error, RunnerError::Unavailable { .. }), "{error:?}");
    let down = with_header(answer(503, ""), "Retry-After", "7");
    api.on("GET /public/U1/results.json", down.clone());
    let wait = Some(TimeDelta::seconds(7));
    let error = tuxsuite.collect(&tests(), &seen).await.unwrap_err();
    assert!(matches!(&error, RunnerError::Unavailable { retry_after, .. } if *retry_after == wait), "{error:?}");
    for half in ["<html>", "[]", "{\"a\":"] {
        api.on("GET /public/U1/results.json", answer(200, half));
        let error = tuxsuite.collect(&tests(), &seen).await.unwrap_err();
        assert!(matches!(error, RunnerError::Unavailable { .. }), "{error:?}");
    }
    api.on("GET /public/U1/results.json", answer(200, format!("{{\"a\":{{}}}}{}", " ".repeat(5000))));
    let too_long = tuxsuite.collect(&tests(), &seen).await.unwrap_err();
    assert!(matches!(too_long, RunnerError::Refused(_)), "{too_long:?}");
    // The log alone is not worth failing for.
    api.on("GET /public/U1/results.json", answer(200, "{}"));
    api.on("GET /public/U1/logs.txt", down);
    assert_eq!(tuxsuite.collect(&tests(), &seen).await.as_ref(), Ok(&bare));
}

#[tokio::test]
async fn a_build_leaves_its_log() {
    let api = Fake::start().await;
    api.on("GET /public/U1/build.log", answer(200, "make: *** [Makefile:1] Error 2\n"));
    let collected =
        adapter(options(&api.url)).collect(&build(), &finished(Some(&api.at("/public/U1/")))).await.unwrap();
    assert_eq!(collected.log_excerpt.as_deref(), Some("make: *** [Makefile:1] Error 2\n"));
    assert_eq!(collected.log_url, None);
    assert_eq!(api.lines(), ["GET /public/U1/build.log"]);
}

#[tokio::test]
async fn only_listed_hosts_are_asked() {
    let (api, storage) = (Fake::start().await, Fake::start().await);
    storage.on("GET /private/U1/results.json", answer(200, json!({ "a": { "b": { "result": "pass" } } })));
    let seen = finished(Some(&storage.at("/private/U1/")));
    let unlisted = adapter(options(&api.url)).collect(&tests(), &seen).await.unwrap_err();
    assert!(unlisted.to_string().contains("download hosts"), "{unlisted}");
    assert!(storage.lines().is_empty());

    let listed = || vec![format!("127.0.0.1:{}", storage.url.port().unwrap()).parse().unwrap()];
    let tuxsuite = adapter(TuxSuiteOptions { download_hosts: listed(), ..options(&api.url) });
    assert_eq!(tuxsuite.collect(&tests(), &seen).await.unwrap().tests.len(), 1);
    assert!(storage.script.seen.lock().unwrap().iter().all(|seen| !seen.headers.contains_key("authorization")));

    let wild = TuxSuiteOptions { download_hosts: vec!["*.tuxsuite.com".parse().unwrap()], ..options(&api.url) };
    let wild = adapter(wild);
    for folder in [
        "http://storage.tuxsuite.com/public/U1/",
        "https://tuxsuite.com.evil.example/",
        "https://storage.tuxsuite.com@evil.example/",
        "https://me:secret@storage.tuxsuite.com/",
        "file:///etc/",
        "data:text/plain,x",
        "not a url",
    ] {
        let error = wild.collect(&tests(), &finished(Some(folder))).await.unwrap_err();
        assert!(matches!(error, RunnerError::Refused(_)), "{folder}: {error:?}");
    }
}

#[tokio::test]
async fn the_token_goes_to_private_storage_and_follows_no_redirect() {
    let (api, storage) = (Fake::start().await, Fake::start().await);
    let moved = storage.at("/private/signed/results.json");
    api.on("GET /private/U1/results.json", with_header(answer(302, ""), "Location", &moved));
    storage.on("GET /private/signed/results.json", answer(200, "{}"));
    let seen = finished(Some(&api.at("/private/U1/")));
    let refused = adapter(options(&api.url)).collect(&tests(), &seen).await.unwrap_err();
    assert!(refused.to_string().contains("download hosts"), "{refused}");

    let listed = vec!["127.0.0.1".parse().unwrap()];
    let tuxsuite = adapter(TuxSuiteOptions { download_hosts: listed, ..options(&api.url) });
    let log_url = Some(api.at("/private/U1/logs.txt"));
    assert_eq!(tuxsuite.collect(&tests(), &seen).await, Ok(Collected { log_url, ..Collected::default() }));
    assert!(api.script.seen.lock().unwrap().iter().all(|seen| seen.headers.contains_key("authorization")));
    assert!(storage.script.seen.lock().unwrap().iter().all(|seen| !seen.headers.contains_key("authorization")));
    assert_eq!(storage.lines().len(), 1);

    api.on("GET /private/U1/results.json", with_header(answer(302, ""), "Location", "/private/U1/results.json"));
    assert!(matches!(tuxsuite.collect(&tests(), &seen).await, Err(RunnerError::Refused(_))));
}

#[tokio::test]
async fn the_public_key_is_read_or_absent() {
    let api = Fake::start().await;
    let tuxsuite = adapter(options(&api.url));
    let keys = format!("GET {P}/keys");
    assert!(tuxsuite.public_key().await.unwrap().is_none());
    api.on(keys.as_str(), answer(403, json!({ "error": "community" })));
    assert!(tuxsuite.public_key().await.unwrap().is_none());
    let line = golden::cases("wire/tuxsuite_signatures.json", "cases")[0]["public_key"].clone();
    api.on(keys.as_str(), answer(200, json!({ "ssh": { "pub": line }, "pat": [], "variables": [] })));
    assert!(tuxsuite.public_key().await.unwrap().is_some());
    api.on(keys.as_str(), answer(200, json!({ "ssh": { "pub": "ecdsa-sha2-nistp256 AAAA" } })));
    assert!(matches!(tuxsuite.public_key().await, Err(RunnerError::Refused(_))));
    api.on(keys.as_str(), answer(200, json!({ "ssh": null })));
    assert!(tuxsuite.public_key().await.unwrap().is_none());
    api.on(keys.as_str(), answer(500, ""));
    assert!(matches!(tuxsuite.public_key().await, Err(RunnerError::Unavailable { .. })));
}

#[tokio::test]
async fn the_key_is_asked_for_unless_the_operator_set_it() {
    let cases = golden::cases("wire/tuxsuite_signatures.json", "cases");
    let case = cases.iter().find(|case| case["verify"] == true).unwrap();
    let (body, line) = (golden::bytes(&case["body_base64"]), case["public_key"].as_str().unwrap());
    let signatures = Signatures { tuxsuite: case["header"].as_str(), ..Signatures::default() };
    let signed = Arrival { body: &body, signatures, by_capability: false, now: now() };
    let unsigned = Arrival { signatures: Signatures::default(), ..signed };
    let api = Fake::start().await;
    let tuxsuite = adapter(options(&api.url));
    assert_eq!(tuxsuite.refresh_key().await, Ok(()), "a community account has none");
    assert_eq!((tuxsuite.authenticate(&signed), tuxsuite.authenticate(&unsigned)), (Ok(false), Ok(false)));
    api.on(format!("GET {P}/keys"), answer(200, json!({ "ssh": { "pub": line } })));
    assert_eq!(tuxsuite.refresh_key().await, Ok(()));
    assert_eq!(tuxsuite.authenticate(&signed), Ok(true));
    assert!(tuxsuite.authenticate(&unsigned).is_err());
    assert_eq!(api.lines().len(), 2);

    let set = |policy, key| {
        let clock = Arc::new(ManualClock::new(now()));
        TuxSuite::new(options(&api.url), policy, key, Client::new(Vec::new()).unwrap(), clock)
    };
    let key = PublicKey::from_openssh(line).unwrap();
    let tuxsuite = set(SignaturePolicy::Auto, Some(key));
    assert_eq!((tuxsuite.refresh_key().await, tuxsuite.authenticate(&signed)), (Ok(()), Ok(true)));
    let tuxsuite = set(SignaturePolicy::Off, None);
    assert_eq!((tuxsuite.refresh_key().await, tuxsuite.authenticate(&signed)), (Ok(()), Ok(false)));
    assert_eq!(api.lines().len(), 2, "the key was asked for again");
}
