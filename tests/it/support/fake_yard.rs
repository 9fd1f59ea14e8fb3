//! A service as agents see it: it gives out the leases that a test puts there, and remembers what it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::fake_server::{FakeServer, lock};

/// The token that registers an agent.
pub(crate) const REGISTRATION: &str = "reg_once";

/// The routes, by which a test scripts bad answers.
pub(crate) const REGISTER: &str = "POST /api/v1/agents";
pub(crate) const CLAIM: &str = "POST /api/v1/agents/claim";
pub(crate) const HEARTBEAT: &str = "POST /api/v1/leases/{id}/heartbeat";
pub(crate) const LOG: &str = "POST /api/v1/leases/{id}/log";
pub(crate) const ARTIFACT: &str = "PUT /api/v1/leases/{id}/artifacts/{job}/{*path}";
pub(crate) const RESULTS: &str = "POST /api/v1/leases/{id}/results";

const TOKEN: &str = "agt-secret";

/// The service. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct FakeYard {
    pub(crate) server: FakeServer,
    told: Arc<Mutex<Told>>,
    work: Arc<Notify>,
}

/// What it was told, and what it tells.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) waiting: VecDeque<Value>,
    pub(crate) held: Option<Value>,
    /// The lines of all logs.
    pub(crate) log: Vec<Value>,
    pub(crate) results: Vec<Value>,
    /// By job and path.
    pub(crate) artifacts: BTreeMap<(String, String), Bytes>,
    /// The reasons.
    pub(crate) released: Vec<String>,
    pub(crate) canceled: Option<String>,
    pub(crate) is_lost: bool,
}

impl Told {
    /// The texts of the log's lines of a stream.
    pub(crate) fn texts(&self, stream: &str) -> Vec<String> {
        let lines = self.log.iter().filter(|line| line["stream"] == stream);
        lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }
}

impl FakeYard {
    pub(crate) async fn start() -> Self {
        let (server, listener) = FakeServer::bind().await;
        let yard = Self { server: server.clone(), told: Arc::default(), work: Arc::default() };
        let router = Router::new()
            .route("/api/v1/agents", post(register))
            .route("/api/v1/agents/claim", post(claim))
            .route("/api/v1/leases/{id}/heartbeat", post(heartbeat))
            .route("/api/v1/leases/{id}/log", post(log))
            .route("/api/v1/leases/{id}/artifacts/{job}/{*path}", put(artifact))
            .route("/api/v1/leases/{id}/results", post(results))
            .route("/api/v1/leases/{id}/release", post(release))
            .with_state(yard.clone());
        server.serve(listener, router);
        yard
    }

    /// Puts a lease there.
    pub(crate) fn give(&self, lease: Value) {
        lock(&self.told).waiting.push_back(lease);
        self.work.notify_waiters();
    }

    /// Looks at what it was told, or changes what it tells.
    pub(crate) fn told<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut lock(&self.told))
    }

    /// Waits until it was told so.
    pub(crate) async fn until(&self, what: &str, look: impl Fn(&Told) -> bool) {
        self.server.wait_for(what, || self.told(|told| look(told)).then_some(())).await;
    }
}

/// A lease of a run of these jobs; each is the JSON of a definition.
pub(crate) fn lease(number: u32, jobs: &Value) -> Value {
    json!({
        "id": format!("lse_{number:032x}"),
        "run": format!("run_{number:032x}"),
        "generation": 2,
        "expires_at": "2026-01-01T00:00:00Z",
        "heartbeat_s": 1,
        "request": {"kind": "jobs", "session": format!("ses_{number:032x}"), "collection": "c", "jobs": jobs},
        "slots": {},
        "environment": {},
        "masked": [],
        "log": {"max_bytes": 1_000_000, "max_lines": 10_000},
        "artifacts": {"max_bytes": 1_000},
    })
}

/// The definition of a job that is a shell script.
pub(crate) fn script(job: &str, script: &str) -> Value {
    json!({"job": job, "command": {"argv": ["sh", "-c", script]}})
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    (status, Json(json!({"code": code, "detail": detail}))).into_response()
}

/// Everything but registering wants the agent's token and the protocol's version.
fn check(headers: &HeaderMap) -> Result<(), Box<Response>> {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    if !is("authorization", &format!("Bearer {TOKEN}")) {
        return Err(Box::new(problem(StatusCode::UNAUTHORIZED, "unauthorized", "no agent has this token")));
    }
    if !is("testyard-agent-protocol", "1") {
        return Err(Box::new(problem(StatusCode::CONFLICT, "conflict", "the versions of the protocol are: 1")));
    }
    Ok(())
}

async fn register(headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    if headers["authorization"] != format!("Bearer {REGISTRATION}") {
        return problem(StatusCode::UNAUTHORIZED, "unauthorized", "this registration token is not known");
    }
    let answer = json!({
        "id": format!("agt_{:032x}", 1),
        "name": asked["name"],
        "token": TOKEN,
        "protocol": 1,
        "poll_s": 20,
        "heartbeat_s": 1,
    });
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn claim(State(yard): State<FakeYard>, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    if let Err(refused) = check(&headers) {
        return *refused;
    }
    let given = async {
        loop {
            let work = yard.work.notified();
            tokio::pin!(work);
            work.as_mut().enable();
            let lease = yard.told(|told| {
                if told.held.is_none() {
                    told.held = told.waiting.pop_front();
                }
                told.held.clone()
            });
            match lease {
                Some(lease) => return lease,
                None => work.await,
            }
        }
    };
    let wait = Duration::from_secs(asked["wait_s"].as_u64().unwrap());
    match tokio::time::timeout(wait, given).await {
        Ok(lease) => Json(lease).into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

/// Whether the lease of this id and generation is held.
fn holds(told: &Told, id: &str, generation: Option<&Value>) -> Result<(), Box<Response>> {
    let held = told.held.as_ref().filter(|held| held["id"] == id && !told.is_lost);
    match held {
        Some(held) if generation.is_none_or(|generation| *generation == held["generation"]) => Ok(()),
        _ => Err(Box::new(problem(StatusCode::CONFLICT, "lease-lost", "the lease has expired"))),
    }
}

type About = Path<String>;

async fn heartbeat(
    State(yard): State<FakeYard>,
    Path(id): About,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let answer = yard.told(|told| {
        check(&headers)?;
        holds(told, &id, Some(&asked["generation"]))?;
        let (canceled, reason) = (told.canceled.is_some(), told.canceled.clone());
        let beat = json!({"expires_at": "2026-01-01T00:00:00Z", "canceled": canceled, "reason": reason});
        Ok::<_, Box<Response>>(Json(beat).into_response())
    });
    answer.unwrap_or_else(|refused| *refused)
}

async fn log(State(yard): State<FakeYard>, Path(id): About, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    let answer = yard.told(|told| {
        check(&headers)?;
        holds(told, &id, Some(&asked["generation"]))?;
        let (first, next) = (usize::try_from(asked["first"].as_u64().unwrap()).unwrap(), told.log.len());
        if first > next {
            let gap = json!({"code": "log-gap", "detail": "lines are missing", "next": next});
            return Ok((StatusCode::CONFLICT, Json(gap)).into_response());
        }
        let lines = asked["lines"].as_array().unwrap();
        told.log.extend(lines.iter().skip(next - first).cloned());
        Ok::<_, Box<Response>>(Json(json!({"next": told.log.len()})).into_response())
    });
    answer.unwrap_or_else(|refused| *refused)
}

async fn artifact(
    State(yard): State<FakeYard>,
    Path((id, job, path)): Path<(String, String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let answer = yard.told(|told| {
        check(&headers)?;
        holds(told, &id, None)?;
        let size = bytes.len();
        let is_new = told.artifacts.insert((job, path), bytes).is_none();
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        Ok::<_, Box<Response>>((status, Json(json!({"sha256": "", "size_bytes": size}))).into_response())
    });
    answer.unwrap_or_else(|refused| *refused)
}

async fn results(
    State(yard): State<FakeYard>,
    Path(id): About,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let answer = yard.told(|told| {
        check(&headers)?;
        let results = asked["results"].as_array().unwrap().clone();
        if holds(told, &id, Some(&asked["generation"])).is_ok() {
            told.held = None;
            told.results.extend(results);
            return Ok(Json(json!({"taken": true, "reason": null})).into_response());
        }
        let is_known = results.iter().all(|result| told.results.contains(result));
        if !is_known {
            told.held = None;
            told.results.extend(results);
        }
        let reason = (!is_known).then_some("the lease has expired");
        Ok::<_, Box<Response>>(Json(json!({"taken": is_known, "reason": reason})).into_response())
    });
    answer.unwrap_or_else(|refused| *refused)
}

async fn release(
    State(yard): State<FakeYard>,
    Path(id): About,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let answer = yard.told(|told| {
        check(&headers)?;
        holds(told, &id, Some(&asked["generation"]))?;
        told.held = None;
        told.released.push(asked["reason"].as_str().unwrap().to_owned());
        Ok::<_, Box<Response>>(Json(json!({})).into_response())
    });
    answer.unwrap_or_else(|refused| *refused)
}
