//! The adapter alone, against a server that answers what it is told.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use url::Url;
use uuid::Uuid;

use super::*;
use crate::clock::ManualClock;
use crate::domain::observation::Phase;
use crate::domain::run::{BuildRequest, RunKind, RunRequest, TestsRequest};
use crate::domain::status::Status;
use crate::ids::RunId;
use crate::runner::Signatures;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// What is answered to a line such as `GET /jobs/7`: status, a header, body.
type Answers = Mutex<HashMap<String, (u16, Option<(&'static str, &'static str)>, String)>>;

#[derive(Default)]
struct Script {
    answers: Answers,
    seen: Mutex<Vec<(String, HeaderMap, Bytes)>>,
}

struct Fake {
    url: String,
    script: Arc<Script>,
}

async fn answer(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let line = format!("{method} {uri}");
    script.seen.lock().unwrap().push((line.clone(), headers, body));
    let (status, header, body) =
        script.answers.lock().unwrap().get(&line).cloned().unwrap_or((404, None, String::new()));
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

impl Fake {
    async fn start() -> Self {
        let script = Arc::new(Script::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    fn on(&self, line: &str, status: u16, body: &str) {
        self.script.answers.lock().unwrap().insert(line.to_owned(), (status, None, body.to_owned()));
    }

    fn on_with(&self, line: &str, status: u16, header: (&'static str, &'static str)) {
        self.script.answers.lock().unwrap().insert(line.to_owned(), (status, Some(header), "{}".to_owned()));
    }

    fn seen(&self) -> Vec<(String, HeaderMap, Bytes)> {
        self.script.seen.lock().unwrap().clone()
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045, 0).unwrap()
}

/// A runner of these settings, TOML in which `URL` stands for the fake's.
fn runner(fake: &Fake, more: &str) -> Http {
    let text = format!(
        r#"name = "lab"
        timeout_s = 5
        {more}
        "#
    );
    let mut settings: HttpRunner = toml::from_str(&text.replace("URL", &fake.url)).unwrap();
    settings.known.0.insert("hook".to_owned(), SECRET.into());
    settings.secrets.insert("hook".to_owned(), "HOOK".to_owned());
    Http::new(settings, Client::new(Vec::new()).unwrap(), Arc::new(ManualClock::new(now()))).unwrap()
}

const USUAL: &str = r#"
    sign_with = ["hook"]
    headers = { X-Lab = "{{ run }}" }
    submit = { url = "URL/jobs", body = '{"tests": {{ request.tests }}}' }
    find = { url = "URL/find?t={{ token }}" }
    poll = { url = "URL/jobs/{{ uid }}" }
    cancel = { method = "DELETE", url = "URL/jobs/{{ uid }}" }
    collect = { url = "URL/results/{{ uid }}" }
    log = { url = "URL/log/{{ uid }}" }
    answer = { uid = "/id", phase = "/state", results = { at = "/tests" }, log_url = "/log" }
"#;

fn tests() -> RunRequest {
    RunRequest::Tests(TestsRequest {
        kernel_image_url: "https://files.example.org/Image".to_owned(),
        modules_url: None,
        device: "board".to_owned(),
        collection: "ltp".to_owned(),
        tests: vec!["a".to_owned()],
    })
}

fn job(request: RunRequest, uid: Option<&str>) -> Job {
    Job {
        run: RunId(Uuid::from_u128(1)),
        client_token: Uuid::from_u128(2),
        callback_url: Url::parse("https://yard.example.org/api/v1/callbacks/lab/cap_1").unwrap(),
        request,
        uid: uid.map(str::to_owned),
        first_asked_at: now(),
    }
}

#[tokio::test]
async fn requests_are_filled_in_and_signed() {
    let fake = Fake::start().await;
    fake.on("POST /jobs", 201, r#"{"id": 7}"#);
    fake.on("GET /jobs/7", 200, r#"{"id": 7, "state": "busy"}"#);
    let lab = runner(&fake, USUAL);
    for _ in 0..2 {
        assert_eq!(lab.submit(&job(tests(), None)).await, Ok("7".to_owned()), "a number is an id too");
    }
    assert_eq!(lab.poll(&job(tests(), Some("7"))).await.unwrap().phase, Phase::Running);
    let seen = fake.seen();
    let text = |at: usize, name: &str| seen[at].1[name].to_str().unwrap();
    assert_eq!((&seen[0].2[..], text(0, "content-type")), (&br#"{"tests": ["a"]}"#[..], "application/json"));
    assert_eq!(text(0, "x-lab"), job(tests(), None).run.to_string());
    for (_, headers, body) in &seen {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let given = webhook::Headers {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        assert_eq!(webhook::verify(&[webhook::Key::parse(SECRET).unwrap()], given, body, now()), Ok(()));
    }
    assert_eq!(text(0, "webhook-id"), text(1, "webhook-id"), "a repetition is the same message");
    assert_ne!(text(0, "webhook-id"), text(2, "webhook-id"));
}

#[tokio::test]
async fn a_submission_that_fails_says_whether_there_may_be_a_job() {
    let fake = Fake::start().await;
    let lab = runner(&fake, USUAL);
    let again = runner(&fake, &format!("idempotent = true\n{USUAL}"));
    for (status, once, repeatable) in [
        (400, "Refused", "Refused"),
        (401, "Unavailable", "Unavailable"),
        (404, "Refused", "Refused"),
        (408, "Unclear", "Unavailable"),
        (409, "Refused", "Refused"),
        (429, "Unavailable", "Unavailable"),
        (500, "Unclear", "Unavailable"),
        (502, "Unclear", "Unavailable"),
        (503, "Unavailable", "Unavailable"),
        (504, "Unclear", "Unavailable"),
        (302, "Refused", "Refused"),
        (303, "Unclear", "Unclear"),
        (200, "Unclear", "Unclear"),
    ] {
        fake.on("POST /jobs", status, r#"{"title": "no such board"}"#);
        for (lab, want) in [(&lab, once), (&again, repeatable)] {
            let error = lab.submit(&job(tests(), None)).await.unwrap_err();
            assert!(format!("{error:?}").starts_with(want), "{status}: {error:?}");
            assert!(error.to_string().contains("no such board"), "{status}: {error}");
        }
    }
    fake.on_with("POST /jobs", 429, ("retry-after", "30"));
    let error = lab.submit(&job(tests(), None)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(TimeDelta::seconds(30)));
    fake.on_with("POST /jobs", 307, ("location", "/elsewhere"));
    let error = lab.submit(&job(tests(), None)).await.unwrap_err();
    assert!(error.to_string().contains("redirects are not followed"), "{error}");
    assert!(fake.seen().iter().all(|(line, ..)| line == "POST /jobs"));
    let away = Fake { url: "http://127.0.0.1:1".to_owned(), script: Arc::default() };
    let error = runner(&away, USUAL).submit(&job(tests(), None)).await.unwrap_err();
    assert!(matches!(error, RunnerError::Unavailable { .. }), "nothing was sent: {error:?}");
}

#[tokio::test]
async fn what_a_runner_does_not_take_is_refused_with_the_reason() {
    let fake = Fake::start().await;
    let build = || {
        RunRequest::Build(BuildRequest {
            tree: "https://git.example.org/linux.git".to_owned(),
            branch: "main".to_owned(),
            toolchain: "gcc".to_owned(),
            kconfig: None,
            fragments: Vec::new(),
            architecture: "riscv".to_owned(),
        })
    };
    let error = runner(&fake, &format!("kinds = [\"tests\"]\n{USUAL}")).submit(&job(build(), None)).await.unwrap_err();
    assert_eq!(error, RunnerError::Refused(format!("`lab` takes runs of the kind {} alone", RunKind::Tests)));
    let error = runner(&fake, USUAL).submit(&job(build(), None)).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, RunnerError::Refused(_)) && words.contains("the submit's body of `lab`"), "{words}");
    assert!(fake.seen().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_job_is_found_or_not_or_it_is_not_known() {
    let fake = Fake::start().await;
    let lab = runner(&fake, USUAL);
    let line = format!("GET /find?t={}", Uuid::from_u128(2));
    assert_eq!(lab.find(&job(tests(), None)).await, Ok(None), "404");
    fake.on(&line, 200, r#"{"id": null}"#);
    assert_eq!(lab.find(&job(tests(), None)).await, Ok(None));
    fake.on(&line, 200, r#"{"id": "7"}"#);
    assert_eq!(lab.find(&job(tests(), None)).await, Ok(Some("7".to_owned())));
    fake.on(&line, 500, "");
    assert!(matches!(lab.find(&job(tests(), None)).await, Err(RunnerError::Unavailable { .. })));
    let blind = runner(&fake, &USUAL.replace("find =", "# find ="));
    let error = blind.find(&job(tests(), None)).await.unwrap_err();
    assert!(matches!(error, RunnerError::Unclear(_)) && error.to_string().contains("no `find`"), "{error}");
}

#[tokio::test]
async fn a_lab_without_ids_knows_a_job_by_our_token() {
    let fake = Fake::start().await;
    let token = Uuid::from_u128(2).to_string();
    let settings = USUAL.replace("find =", "# find =").replace("submit = { ", "submit = { answer = {}, ");
    let lab = runner(&fake, &settings);
    assert_eq!(lab.find(&job(tests(), None)).await, Ok(None));
    fake.on("POST /jobs", 204, "");
    assert_eq!(lab.submit(&job(tests(), None)).await, Ok(token.clone()));
    fake.on(&format!("GET /jobs/{token}"), 200, &format!(r#"{{"id": "{token}", "state": "waiting"}}"#));
    assert_eq!(lab.find(&job(tests(), None)).await, Ok(Some(token)));
}

#[tokio::test]
async fn a_poll_tells_of_the_job_that_was_asked_about() {
    let fake = Fake::start().await;
    let lab = runner(&fake, USUAL);
    let seven = job(tests(), Some("7"));
    assert!(matches!(lab.poll(&seven).await, Err(RunnerError::Unknown(_))), "404");
    fake.on("GET /jobs/7", 410, "");
    assert!(matches!(lab.poll(&seven).await, Err(RunnerError::Unknown(_))));
    assert!(matches!(lab.poll(&job(tests(), None)).await, Err(RunnerError::Unknown(_))), "it was never there");
    for (body, words) in [
        (r#"{"id": 8, "state": "busy"}"#, "answered about 8"),
        (r#"{"id": 7}"#, "nothing at `/state`"),
        ("", "nothing at `/state`"),
        ("<html>", "without JSON"),
    ] {
        fake.on("GET /jobs/7", 200, body);
        let error = lab.poll(&seven).await.unwrap_err();
        assert!(matches!(error, RunnerError::Unclear(_)) && error.to_string().contains(words), "{body}: {error}");
    }
    fake.on("GET /jobs/7", 200, r#"{"state": "finished", "tests": {"a": "pass"}}"#);
    assert_eq!(lab.poll(&seven).await.unwrap().tests["a"].status, Status::Pass);
}

#[tokio::test]
async fn what_is_over_need_not_be_stopped() {
    let fake = Fake::start().await;
    let lab = runner(&fake, USUAL);
    let seven = job(tests(), Some("7"));
    fake.on("DELETE /jobs/7", 409, "");
    fake.on("GET /jobs/7", 200, r#"{"state": "busy"}"#);
    assert!(matches!(lab.cancel(&seven).await, Err(RunnerError::Refused(_))));
    fake.on("GET /jobs/7", 200, r#"{"state": "finished"}"#);
    assert_eq!(lab.cancel(&seven).await, Ok(()));
    fake.on("DELETE /jobs/7", 204, "");
    assert_eq!(lab.cancel(&seven).await, Ok(()));
    let error = runner(&fake, &USUAL.replace("cancel =", "# cancel =")).cancel(&seven).await.unwrap_err();
    assert!(matches!(error, RunnerError::Refused(_)) && error.to_string().contains("no `cancel`"), "{error}");
}

#[tokio::test]
async fn results_and_the_log_are_fetched() {
    let fake = Fake::start().await;
    let lab = runner(&fake, USUAL);
    let seven = job(tests(), Some("7"));
    fake.on("GET /jobs/7", 200, r#"{"state": "finished"}"#);
    let ended = lab.poll(&seven).await.unwrap();
    assert!(matches!(lab.collect(&seven, &ended).await, Err(RunnerError::Unavailable { .. })), "not there yet");
    fake.on("GET /results/7", 200, r#"{"tests": {"a": "FAIL", "boot": "PASS"}, "log": "https://l.example.org/7"}"#);
    let told = lab.collect(&seven, &ended).await.unwrap();
    assert_eq!((told.tests["a"].status, told.boot.unwrap().status), (Status::Fail, Status::Pass));
    assert_eq!(
        (told.log_url.as_deref(), told.log_excerpt),
        (Some("https://l.example.org/7"), None),
        "no log is no failure"
    );
    fake.on("GET /log/7", 200, "Linux\0\n");
    assert_eq!(lab.collect(&seven, &ended).await.unwrap().log_excerpt.as_deref(), Some("Linux\u{fffd}\n"));
    fake.on("GET /results/7", 200, r#"{"tests": 3}"#);
    assert!(matches!(lab.collect(&seven, &ended).await, Err(RunnerError::Refused(_))));
}

#[tokio::test]
async fn callbacks_are_taken_by_their_signature_or_by_the_url_of_the_run() {
    let fake = Fake::start().await;
    let body: &[u8] = br#"{"id": 7, "state": "finished", "tests": {"a": "PASS"}}"#;
    let signature = webhook::sign(&[webhook::Key::parse(SECRET).unwrap()], "m", now(), body).unwrap();
    let timestamp = now().timestamp().to_string();
    let headers = webhook::Headers { id: Some("m"), timestamp: Some(&timestamp), signature: Some(&signature) };
    let signed = Arrival {
        body,
        signatures: Signatures { webhook: headers, ..Signatures::default() },
        by_capability: true,
        now: now(),
    };
    let bare = Arrival { signatures: Signatures::default(), ..signed };
    let open = runner(&fake, USUAL);
    assert_eq!((open.authenticate(&bare), open.authenticate(&signed)), (Ok(false), Ok(false)));
    assert!(open.authenticate(&Arrival { by_capability: false, ..bare }).is_err());
    let strict = runner(&fake, &format!("callback = {{ secrets = [\"hook\"] }}\n{USUAL}"));
    assert_eq!(strict.authenticate(&signed), Ok(true));
    assert_eq!(strict.authenticate(&Arrival { by_capability: false, ..signed }), Ok(true));
    for wrong in [bare, Arrival { body: b"{}", ..signed }, Arrival { now: now() + TimeDelta::seconds(301), ..signed }] {
        assert!(strict.authenticate(&wrong).unwrap_err().starts_with("callbacks must be signed"));
    }
    let told = open.read_callback(body, Subject::Tests).unwrap();
    assert_eq!((told.uid.as_str(), told.phase, told.tests.len()), ("7", Phase::Finished, 1));
    assert!(open.read_callback(b"{", Subject::Tests).unwrap_err().contains("not JSON"));
    assert!(open.read_callback(br#"{"state": "busy"}"#, Subject::Tests).unwrap_err().contains("names no job"));
}
