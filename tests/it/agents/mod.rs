//! Agents as labs know them: over HTTP, with their own tokens, honest and otherwise.

mod claiming;
mod losing;
mod registering;
mod reporting;
mod steering;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::types::Json;
use testyard::clock::Clock as _;
use testyard::domain::agent::Labels;
use testyard::ids::RunId;
use testyard::store;
use testyard::store::run::{NewRun, PlannedTest, Terms};

use crate::support::app::{Answered, TestApp};
use crate::support::runs::text;

const JSON: (&str, &str) = ("content-type", "application/json");
const SESSION: &str = "ses_0198c1a20b7c7d3e9f00112233445566";

/// An agent, and the service that it speaks to.
struct Lab<'a> {
    app: &'a TestApp,
    token: String,
}

/// A registration token.
async fn registration(app: &TestApp, asked: Value) -> String {
    text(&app.post("/api/v1/agents/tokens", &asked).await.expect(201).json(), "token")
}

/// Registers with a token.
async fn register(app: &TestApp, token: &str, asked: &Value) -> Answered {
    let bearer = format!("Bearer {token}");
    app.send(Method::POST, "/api/v1/agents", &[JSON, ("authorization", &bearer)], asked.to_string()).await
}

fn asked(name: &str, labels: &Value) -> Value {
    json!({"name": name, "labels": labels, "version": "0.1.0", "protocol": 1})
}

impl<'a> Lab<'a> {
    async fn start(app: &'a TestApp, name: &str) -> Self {
        Self::start_with(app, name, json!({})).await
    }

    async fn start_with(app: &'a TestApp, name: &str, labels: Value) -> Self {
        let token = registration(app, json!({})).await;
        let registered = register(app, &token, &asked(name, &labels)).await.expect(201).json();
        Self { app, token: text(&registered, "token") }
    }

    async fn ask(&self, path: &str, body: &Value) -> Answered {
        self.ask_raw(path, body.to_string()).await
    }

    async fn ask_raw(&self, path: &str, body: impl Into<reqwest::Body>) -> Answered {
        let bearer = format!("Bearer {}", self.token);
        let headers = [JSON, ("authorization", &bearer), ("testyard-agent-protocol", "1")];
        self.app.send(Method::POST, path, &headers, body).await
    }

    async fn claim(&self) -> Answered {
        self.ask("/api/v1/agents/claim", &json!({"wait_s": 0})).await
    }

    /// Claims work, which must be there.
    async fn work(&self) -> Value {
        self.claim().await.expect(200).json()
    }

    /// Says something of a lease: `heartbeat`, `results`, `release`.
    async fn tell(&self, lease: &Value, what: &str, body: Value) -> Answered {
        let mut body = body;
        body["generation"] = lease["generation"].clone();
        self.ask(&format!("/api/v1/leases/{}/{what}", text(lease, "id")), &body).await
    }

    async fn beat(&self, lease: &Value) -> Answered {
        self.tell(lease, "heartbeat", json!({})).await
    }

    async fn report(&self, lease: &Value, results: Value) -> Answered {
        self.tell(lease, "results", json!({"results": results})).await
    }
}

/// Plans a run of these jobs at the agents, for the build `maestro:1`; returns its id.
async fn plan(app: &TestApp, jobs: &[&str]) -> String {
    plan_for(app, jobs, &[]).await
}

/// As [`plan`], for agents that have these labels.
async fn plan_for(app: &TestApp, jobs: &[&str], requires: &[&str]) -> String {
    let definition = |job: &&str| json!({"job": job, "command": {"argv": ["true"]}, "expects": {"exit_code": 0}});
    plan_jobs(app, &jobs.iter().map(definition).collect::<Vec<_>>(), requires).await
}

/// As [`plan_for`], of jobs that are defined so.
async fn plan_jobs(app: &TestApp, definitions: &[Value], requires: &[&str]) -> String {
    let now = app.clock.now();
    let id = RunId::new(now);
    let jobs: Vec<String> = definitions.iter().map(|definition| text(definition, "job")).collect();
    let request = json!({
        "kind": "jobs", "session": SESSION, "collection": "lab", "jobs": definitions,
        "build": {"id": "maestro:1", "kernel_image_url": "https://files.example.org/Image"},
    });
    let requires = (!requires.is_empty()).then(|| Json(Labels::read(requires.iter().copied()).unwrap()));
    let run = NewRun {
        id,
        build_id: None,
        build_ref: Some("maestro:1".into()),
        runner: "agents".into(),
        attempt: 1,
        previous_id: None,
        request: serde_json::from_value(request).unwrap(),
        client_token: id.0,
        capability: format!("cap_{id}"),
        now,
        tests: jobs
            .iter()
            .map(|job| PlannedTest { name: job.clone(), identity: crate::store::digest(&format!("{id} {job}")) })
            .collect(),
        terms: Terms { session_id: Some(SESSION.parse().unwrap()), requires, ..Terms::default() },
    };
    let mut tx = app.app.db.begin().await.unwrap();
    store::run::plan(&mut tx.conn(), &[run]).await.unwrap();
    tx.commit().await.unwrap();
    app.app.bells.dispatch.ring();
    id.to_string()
}

fn exited(job: &str, code: i32) -> Value {
    json!({"job": job, "how": "exited", "code": code, "duration_s": 1.5})
}

/// The refusal, which must be of this status and kind, in words.
#[track_caller]
fn problem(answered: &Answered, status: u16, code: &str) -> String {
    assert_eq!(answered.status, status, "{}", answered.text);
    assert_eq!(answered.json()["code"], code, "{}", answered.text);
    text(&answered.json(), "detail")
}
