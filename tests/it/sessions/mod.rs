//! Sessions over HTTP, on both databases.

mod conditions;
mod golden;
mod jobs;
mod lists;
mod make;
mod plans;
mod portable;
mod refused;
mod replicas;
mod resources;
mod results;
mod units;
mod what;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{Answered, TestApp};

const SESSIONS: &str = "/api/v1/sessions";
const JSON: (&str, &str) = ("content-type", "application/json");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A network that is tested: `link` stands alone; `ping` waits for it and for a wired `nic`; `report` follows `ping`;
/// `rescue` salvages it; a template checks each nic; `ask` needs a person; two test plans and a category.
const PXU: &str = "\
id: nic
plugin: resource
command: lsnic
estimated_duration: 1

id: link
plugin: shell
command: ip link
estimated_duration: 2.5

id: ping
plugin: shell
command: ping -c 1 example.org
depends: link
requires: nic.kind == 'wired'
_summary: The network answers
category_id: wired
estimated_duration: 1m 10s

id: report
plugin: shell
command: report
after: ping
estimated_duration: 1

id: rescue
plugin: shell
command: reset
salvages: ping

id: ask
plugin: manual
_description: Look at the lamp

unit: template
template-resource: nic
template-unit: job
id: check-{name}
plugin: shell
command: check {name}

unit: category
id: wired
_name: Wired networks

unit: test plan
id: smoke
_name: Smoke
include:
 ping certification_status=blocker
 check-.*
mandatory_include: link
bootstrap_include: nic

unit: test plan
id: other
_name: Other
include: report
";

/// What `nic` prints on a machine with two.
const NICS: &str = "kind: wired\nname: eth0\n\nkind: wireless\nname: wlan0\n";

async fn send(app: &TestApp, method: Method, path: &str, body: &Value) -> Answered {
    app.send(method, path, &[JSON], body.to_string()).await
}

async fn put(app: &TestApp, path: &str, body: &Value) -> Answered {
    send(app, Method::PUT, path, body).await
}

/// Makes a session of this; its path.
async fn make(app: &TestApp, new: &Value) -> String {
    app.post(SESSIONS, new).await.expect(201).header("location").to_owned()
}

/// Makes a session of [`PXU`] in which these are desired; its path.
async fn network(app: &TestApp, desired: &[&str]) -> String {
    make(app, &json!({"namespace": "net", "pxu": PXU, "desired": desired})).await
}

/// Brings a result of a job of a session.
async fn report(app: &TestApp, session: &str, job: &str, result: &Value) -> Value {
    app.post(&format!("{session}/jobs/{job}/results"), result).await.expect(200).json()
}

async fn pass(app: &TestApp, session: &str, job: &str) -> Value {
    report(app, session, job, &json!({"outcome": "pass"})).await
}

/// Texts of a JSON list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(|text| text.as_str().unwrap()).collect()
}

/// The ids of the items of a listing.
async fn ids(app: &TestApp, path: &str) -> Vec<String> {
    app.items(path).await.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The causes of the inhibitors of a job.
fn causes(job: &Value) -> Vec<&str> {
    job["inhibitors"].as_array().unwrap().iter().map(|inhibitor| inhibitor["cause"].as_str().unwrap()).collect()
}

/// The pointers of a refusal.
fn pointers(refused: &Answered) -> Vec<String> {
    let errors = refused.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

/// All that can be asked of a session, for a comparison.
async fn all_of(app: &TestApp, session: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for below in [
        "",
        "/units",
        "/jobs",
        "/run-list",
        "/desired",
        "/mandatory",
        "/resources",
        "/manifest",
        "/stats",
        "/estimate",
        "/verdict",
        "/certification?outcome=none&outcome=fail&status=blocker&status=non-blocker",
    ] {
        all.push(app.show(&format!("{session}{below}")).await);
    }
    for job in ids(app, &format!("{session}/jobs")).await {
        for below in ["", "/why", "/results"] {
            all.push(app.show(&format!("{session}/jobs/{}{below}", encoded(&job))).await);
        }
    }
    all
}

/// A body whose length is not announced: it is read up to the limit before it is refused, and so the refusal is heard.
fn unannounced(body: String) -> reqwest::Body {
    reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(body)]))
}

/// A part of a path.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
