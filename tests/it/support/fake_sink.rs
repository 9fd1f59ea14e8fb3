//! A KCIDB intake that behaves like kcidb-restd: it takes any JSON, answers with an id before anybody has looked at the
//! report, and tells later on request what became of it. As at the real one, one bad object fails its whole report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::fake_server::{FakeServer, lock};

/// The route that takes reports.
pub(crate) const SUBMIT: &str = "POST /submit";
/// The route that tells what became of one.
pub(crate) const STATUS: &str = "GET /status";

/// The one token that it knows.
pub(crate) const TOKEN: &str = "fake-sink-token";

/// The sink. Clones are the same sink.
#[derive(Clone, Debug)]
pub(crate) struct FakeSink {
    /// Its requests and its script.
    pub(crate) server: FakeServer,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug)]
struct Book {
    reports: Vec<Report>,
    fate: &'static str,
    poison: BTreeSet<String>,
    unwanted: BTreeMap<String, u16>,
    most: usize,
}

/// A report that was accepted with 200.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The id it was given.
    pub(crate) id: String,
    /// The report.
    pub(crate) body: Value,
    /// What `/status` says of it: `inprogress`, `ready`, `processed` or `failed`.
    pub(crate) status: &'static str,
}

impl FakeSink {
    /// Starts one on a free loopback port. It processes every report at once.
    pub(crate) async fn start() -> Self {
        let (server, listener) = FakeServer::bind().await;
        let book = Book {
            reports: Vec::new(),
            fate: "processed",
            poison: BTreeSet::new(),
            unwanted: BTreeMap::new(),
            most: usize::MAX,
        };
        let sink = Self { server, book: Arc::new(Mutex::new(book)) };
        let router = Router::new()
            .route("/submit", post(submit))
            .route("/reports", post(submit))
            .route("/status", get(status))
            .route("/authtest", get(authtest))
            .with_state(sink.clone());
        sink.server.serve(listener, router);
        sink
    }

    /// What `KCIDB_SUBMIT_URL` has to be.
    pub(crate) fn submit_url(&self) -> String {
        format!("{}/submit", self.server.url())
    }

    /// Another address that takes reports; nothing tells what became of them there.
    pub(crate) fn mute_url(&self) -> String {
        format!("{}/reports", self.server.url())
    }

    /// What `/status` says of the reports that come from now on. `notfound` is what a sink says that has forgotten them.
    pub(crate) fn accept_as(&self, status: &'static str) {
        lock(&self.book).fate = status;
    }

    /// From now on every report that holds an object with this id ends as `failed`, as one that the schema refuses.
    pub(crate) fn fail_reports_with(&self, id: &str) {
        lock(&self.book).poison.insert(id.to_owned());
    }

    /// From now on every report that holds an object with this id is refused with this status.
    pub(crate) fn refuse_reports_with(&self, id: &str, status: u16) {
        lock(&self.book).unwanted.insert(id.to_owned(), status);
    }

    /// From now on reports of more objects are refused with 413.
    pub(crate) fn take_at_most(&self, objects: usize) {
        lock(&self.book).most = objects;
    }

    /// Changes what `/status` says of one report.
    pub(crate) fn settle(&self, id: &str, status: &'static str) {
        let mut book = lock(&self.book);
        book.reports.iter_mut().find(|report| report.id == id).expect("a report that was accepted").status = status;
    }

    /// Every report accepted so far, the first one first.
    pub(crate) fn reports(&self) -> Vec<Report> {
        lock(&self.book).reports.clone()
    }

    /// The objects of one list (`checkouts`, `builds`, `tests`) by id, each as often as it came in a report that did not
    /// fail.
    pub(crate) fn objects(&self, list: &str) -> BTreeMap<String, Vec<Value>> {
        let mut objects = BTreeMap::<String, Vec<Value>>::new();
        for report in lock(&self.book).reports.iter().filter(|report| report.status != "failed") {
            for object in report.body[list].as_array().into_iter().flatten() {
                objects.entry(text(&object["id"])).or_default().push(object.clone());
            }
        }
        objects
    }

    /// Waits until `enough` holds, and fails the test when it does not come to that.
    pub(crate) async fn wait_for(&self, what: &str, enough: impl Fn(&Self) -> bool) {
        self.server.wait_for(what, || enough(self).then_some(())).await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// kcidb-restd sends its JSON as plain text.
fn answer(code: StatusCode, id: &str, status: &str, message: &str) -> Response {
    let body = json!({"id": id, "status": status, "message": message}).to_string();
    (code, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let message = match headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default()) {
        None => "JWT is required",
        // The word before the token is not looked at.
        Some(value) => match value.split(' ').nth(1) {
            None => "Missing or invalid JWT (Bearer)",
            Some(TOKEN) => return None,
            Some(_) => "InvalidToken",
        },
    };
    Some(answer(StatusCode::UNAUTHORIZED, "0", "error", message))
}

async fn submit(State(sink): State<FakeSink>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    let report: Value = match serde_json::from_slice(&body) {
        Ok(report) => report,
        Err(error) => return answer(StatusCode::BAD_REQUEST, "0", "error", &error.to_string()),
    };
    let mut book = lock(&sink.book);
    let id = format!("{:032}", book.reports.len() + 1);
    let objects = ["checkouts", "builds", "tests"].into_iter().filter_map(|list| report[list].as_array()).flatten();
    let ids: Vec<String> = objects.map(|object| text(&object["id"])).collect();
    if ids.len() > book.most {
        return (StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded").into_response();
    }
    if let Some(status) = ids.iter().find_map(|id| book.unwanted.get(id)) {
        let status = StatusCode::from_u16(*status).expect("the test's status is one");
        return answer(status, "0", "error", "it is not wanted here");
    }
    let poisoned = ids.iter().any(|id| book.poison.contains(id));
    let status = if poisoned { "failed" } else { book.fate };
    book.reports.push(Report { id: id.clone(), body: report, status });
    answer(StatusCode::OK, &id, "ok", &format!("Received submission with size {} bytes", body.len()))
}

async fn status(
    State(sink): State<FakeSink>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = query.get("id") else {
        return (StatusCode::BAD_REQUEST, "Failed to deserialize query string: missing field `id`").into_response();
    };
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    match lock(&sink.book).reports.iter().find(|report| report.id == *id) {
        Some(report) if report.status != "notfound" => answer(StatusCode::OK, id, report.status, "File found"),
        _ => answer(StatusCode::NOT_FOUND, id, "notfound", "File not found"),
    }
}

async fn authtest(headers: HeaderMap) -> Response {
    refusal(&headers).unwrap_or_else(|| answer(StatusCode::OK, "0", "ok", "Authentication successful"))
}

#[cfg(test)]
mod tests {
    use super::super::fake_server::Answer;
    use super::super::http_client;
    use super::*;

    async fn post(sink: &FakeSink, token: &str, body: &str) -> (u16, String) {
        let request = http_client().post(sink.submit_url()).header("authorization", format!("Bearer {token}"));
        let response = request.body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn ask(sink: &FakeSink, path: &str) -> Value {
        let request = http_client().get(format!("{}{path}", sink.server.url()));
        let response = request.header("authorization", format!("Bearer {TOKEN}")).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    fn report(ids: &[&str]) -> String {
        let tests: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"version": {"major": 5, "minor": 3}, "tests": tests}).to_string()
    }

    #[tokio::test]
    async fn it_counts_how_often_each_object_came() {
        let sink = FakeSink::start().await;
        assert_eq!(post(&sink, "wrong", "{}").await.0, 401);
        assert_eq!(post(&sink, TOKEN, "{").await.0, 400);
        sink.server.answer_next(SUBMIT, Answer::Lost);
        let lost = http_client().post(sink.submit_url()).header("authorization", format!("Bearer {TOKEN}"));
        assert!(lost.body(report(&["o:1"])).send().await.is_err());
        assert_eq!(post(&sink, TOKEN, &report(&["o:1", "o:2"])).await.0, 200);
        sink.wait_for("two reports", |sink| sink.reports().len() == 2).await;
        let times: Vec<usize> = sink.objects("tests").values().map(Vec::len).collect();
        assert_eq!(times, [2, 1]);
    }

    #[tokio::test]
    async fn a_report_with_one_bad_object_fails_whole() {
        let sink = FakeSink::start().await;
        sink.fail_reports_with("o:bad");
        sink.accept_as("ready");
        for ids in [&["o:1", "o:bad"][..], &["o:1"]] {
            assert_eq!(post(&sink, TOKEN, &report(ids)).await.0, 200);
        }
        let [failed, good] = &sink.reports()[..] else { panic!("two reports") };
        assert_eq!(ask(&sink, &format!("/status?id={}", failed.id)).await["status"], "failed");
        assert_eq!(ask(&sink, &format!("/status?id={}", good.id)).await["status"], "ready");
        sink.settle(&good.id, "processed");
        assert_eq!(ask(&sink, &format!("/status?id={}", good.id)).await["status"], "processed");
        assert_eq!(ask(&sink, "/status?id=none").await["status"], "notfound");
        assert_eq!(ask(&sink, "/authtest").await["message"], "Authentication successful");
        assert_eq!(sink.objects("tests").into_keys().collect::<Vec<_>>(), ["o:1"]);
        assert_eq!((good.body["tests"][0]["id"].as_str(), sink.server.requests_to(STATUS).len()), (Some("o:1"), 4));
    }
}
