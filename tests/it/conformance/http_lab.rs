//! The lab of `docs/runners.md`: HTTP, with words of its own and signed callbacks.
//!
//! With `KNOWS` it makes one job of one reference, however often it is asked, and cannot be looked through.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use testyard::config::Settings;
use testyard::domain::status::Status;
use testyard::domain::webhook::{self, Key};

use super::settings::{self, HOOK, TOKEN};
use super::{Lab, Operation, Sent, Trouble};
use crate::support::fake_server::{Answer, FakeServer, lock};

const SUBMIT: &str = "POST /api/jobs";
const FIND: &str = "GET /api/jobs";
const POLL: &str = "GET /api/jobs/{id}";
const CANCEL: &str = "POST /api/jobs/{id}/stop";
const COLLECT: &str = "GET /api/jobs/{id}/results";

#[derive(Clone, Debug)]
struct Job {
    id: usize,
    asked: Value,
    state: &'static str,
    outcome: Option<&'static str>,
    results: Vec<Value>,
    stopped: bool,
}

impl Job {
    fn show(&self) -> Value {
        json!({"job": {
            "id": self.id, "state": self.state, "outcome": self.outcome, "board": self.asked["board"], "seconds": "12.5",
            "started": "2026-01-02T03:04:05Z",
        }})
    }
}

#[derive(Clone)]
pub(super) struct HttpLab<const KNOWS: bool> {
    server: FakeServer,
    jobs: Arc<Mutex<Vec<Job>>>,
}

fn route(operation: Operation) -> &'static str {
    match operation {
        Operation::Submit => SUBMIT,
        Operation::Find => FIND,
        Operation::Poll => POLL,
        Operation::Cancel => CANCEL,
        Operation::Collect => COLLECT,
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "ok",
        Status::Fail => "not ok",
        Status::Error => "broken",
        Status::Miss => "absent",
        Status::Done => "measured",
        Status::Skip => "skipped",
    }
}

fn key() -> Key {
    Key::parse(HOOK).unwrap()
}

impl<const KNOWS: bool> HttpLab<KNOWS> {
    fn router(&self) -> Router {
        Router::new()
            .route("/api/jobs", post(submit::<KNOWS>).get(find::<KNOWS>))
            .route("/api/jobs/{id}", get(poll::<KNOWS>))
            .route("/api/jobs/{id}/stop", post(stop::<KNOWS>))
            .route("/api/jobs/{id}/results", get(results::<KNOWS>))
            .route("/api/jobs/{id}/log", get(async || "[    0.000000] Linux version 6.15\n"))
            .with_state(self.clone())
    }

    fn with(&self, id: &str, then: impl FnOnce(&mut Job) -> Value) -> Response {
        match lock(&self.jobs).iter_mut().find(|job| job.id.to_string() == id) {
            Some(job) => Json(then(job)).into_response(),
            None => (StatusCode::NOT_FOUND, Json(json!({"detail": "no such job"}))).into_response(),
        }
    }

    fn job(&self, uid: &str) -> Job {
        lock(&self.jobs).iter().find(|job| job.id.to_string() == uid).expect("a job of this id").clone()
    }

    fn change(&self, uid: &str, change: impl FnOnce(&mut Job)) {
        change(lock(&self.jobs).iter_mut().find(|job| job.id.to_string() == uid).expect("a job of this id"));
    }
}

/// The lab asks for its token, and for a signature as it makes them itself.
fn stranger(headers: &HeaderMap, body: &[u8]) -> Option<Response> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = webhook::Headers {
        id: text(webhook::ID),
        timestamp: text(webhook::TIMESTAMP),
        signature: text(webhook::SIGNATURE),
    };
    let time: i64 = given.timestamp.and_then(|time| time.parse().ok()).unwrap_or_default();
    let signed = webhook::verify(&[key()], given, body, DateTime::from_timestamp(time, 0).unwrap());
    let is_known = text("authorization") == Some(&format!("Bearer {TOKEN}")) && signed.is_ok();
    (!is_known).then(|| (StatusCode::FORBIDDEN, format!("{signed:?}")).into_response())
}

async fn submit<const KNOWS: bool>(lab: State<HttpLab<KNOWS>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = stranger(&headers, &body) {
        return refusal;
    }
    let asked: Value = serde_json::from_slice(&body).expect("JSON was announced");
    let mut jobs = lock(&lab.jobs);
    let same = jobs.iter().find(|job| KNOWS && job.asked["reference"] == asked["reference"]).cloned();
    let job = same.unwrap_or_else(|| {
        let job =
            Job { id: 7001 + jobs.len(), asked, state: "queued", outcome: None, results: Vec::new(), stopped: false };
        jobs.push(job.clone());
        job
    });
    (StatusCode::CREATED, Json(job.show())).into_response()
}

async fn find<const KNOWS: bool>(
    lab: State<HttpLab<KNOWS>>,
    Query(query): Query<Value>,
    headers: HeaderMap,
) -> Response {
    let found = || {
        let jobs = lock(&lab.jobs);
        let ids: Vec<Value> = jobs
            .iter()
            .filter(|job| job.asked["reference"] == query["reference"])
            .map(|job| json!({"id": job.id}))
            .collect();
        Json(json!({ "jobs": ids })).into_response()
    };
    stranger(&headers, b"").unwrap_or_else(found)
}

async fn poll<const KNOWS: bool>(lab: State<HttpLab<KNOWS>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    stranger(&headers, b"").unwrap_or_else(|| lab.with(&id, |job| job.show()))
}

async fn stop<const KNOWS: bool>(lab: State<HttpLab<KNOWS>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    stranger(&headers, b"").unwrap_or_else(|| {
        lab.with(&id, |job| {
            job.stopped = true;
            json!(null)
        })
    })
}

async fn results<const KNOWS: bool>(
    lab: State<HttpLab<KNOWS>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    stranger(&headers, b"").unwrap_or_else(|| lab.with(&id, |job| json!({ "results": job.results })))
}

impl<const KNOWS: bool> Lab for HttpLab<KNOWS> {
    const NAME: &'static str = "lab";
    const STATUSES: &'static [Status] =
        &[Status::Fail, Status::Error, Status::Miss, Status::Pass, Status::Done, Status::Skip];
    const SIGNS: bool = true;
    const TWICE: bool = !KNOWS;

    async fn start() -> Self {
        let (server, listener) = FakeServer::bind().await;
        let lab = Self { server, jobs: Arc::default() };
        lab.server.serve(listener, lab.router());
        lab
    }

    fn configure(&self, settings: &mut Settings) {
        settings.runners = settings::http(&self.server.url());
        if KNOWS {
            settings.runners.http[0].idempotent = true;
            settings.runners.http[0].find = None;
        }
    }

    fn trouble(&self, operation: Operation, trouble: Trouble) {
        self.server.answer_next(route(operation), trouble.answer("detail"));
    }

    fn asked(&self, operation: Operation) -> usize {
        self.server.requests_to(route(operation)).len()
    }

    fn jobs(&self) -> Vec<String> {
        lock(&self.jobs).iter().map(|job| job.id.to_string()).collect()
    }

    fn finish(&self, uid: &str, results: &[(&str, Status)]) {
        let worst = Status::roll_up(results.iter().map(|(_, status)| *status));
        self.change(uid, |job| {
            job.state = "done";
            job.outcome = worst.map(word);
            job.results = results
                .iter()
                .map(|(name, status)| json!({"test": name, "outcome": word(*status), "seconds": 1, "output": "…\n"}))
                .collect();
        });
    }

    fn callback(&self, uid: &str, at: DateTime<Utc>) -> Sent {
        let job = self.job(uid);
        let body = job.show().to_string();
        let signature = webhook::sign(&[key()], "msg_1", at, body.as_bytes()).unwrap();
        Sent {
            url: job.asked["callback"].as_str().unwrap().to_owned(),
            // As Svix names them, which is the same.
            headers: vec![
                ("svix-id", "msg_1".to_owned()),
                ("svix-timestamp", at.timestamp().to_string()),
                ("svix-signature", signature),
            ],
            body,
        }
    }

    fn forget(&self, uid: &str) {
        lock(&self.jobs).retain(|job| job.id.to_string() != uid);
    }

    fn is_stopped(&self, uid: &str) -> bool {
        self.job(uid).stopped
    }

    fn die(&self) {
        for operation in [Operation::Submit, Operation::Find, Operation::Poll, Operation::Cancel] {
            for _ in 0..500 {
                self.server.answer_next(route(operation), Answer::Status(503, String::new(), Vec::new()));
            }
        }
    }
}
