//! Sessions that the service runs: a build starts its session, jobs that can start become runs, what comes of them comes
//! back, and what never comes is missing with a reason.

mod by_agent;
mod by_name;
mod steering;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::runs::text;

/// Two jobs that stand alone, one that waits for the first, and one for a person.
const PXU: &str = "\
id: boot
plugin: shell
command: true

id: net
plugin: shell
command: true
depends: boot

id: disk
plugin: shell
command: true

id: lamp
plugin: manual
_description: Look at the lamp
";

/// A session of [`PXU`] in which these are desired; its path.
async fn session(app: &TestApp, desired: &[&str]) -> String {
    let new = json!({"namespace": "lab", "pxu": PXU, "desired": desired});
    app.post("/api/v1/sessions", &new).await.expect(201).header("location").to_owned()
}

/// How TuxSuite runs it, for a build that was built elsewhere.
fn at_tuxsuite() -> Value {
    json!({
        "runners": ["tuxsuite"], "collection": "lab", "device": "qemu-riscv64",
        "tested": {"id": "riscv:b1", "kernel_image_url": "https://files.example.org/Image"},
    })
}

async fn start(app: &TestApp, session: &str, how: &Value) -> Value {
    app.post(&format!("{session}/start"), how).await.expect(201).json()
}

async fn execution(app: &TestApp, session: &str) -> Value {
    app.show(&format!("{session}/execution")).await
}

/// What is expected of a session: each job with its status, or `-`, and the reason.
async fn ledger(app: &TestApp, session: &str) -> Vec<(String, String, String)> {
    let rows = app.items(&format!("{session}/expected?limit=1000")).await;
    let word = |row: &Value, field: &str| row[field].as_str().unwrap_or("-").to_owned();
    rows.iter().map(|row| (text(row, "job"), word(row, "status"), word(row, "reason"))).collect()
}

/// The same without reasons.
async fn statuses(app: &TestApp, session: &str) -> Vec<(String, String)> {
    ledger(app, session).await.into_iter().map(|(job, status, _)| (job, status)).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(job, status)| ((*job).to_owned(), (*status).to_owned())).collect()
}

/// Has TuxSuite end the job that it was given last, with these outcomes of tests, and takes that in.
async fn finish_last(app: &TestApp, verdict: &str, outcomes: &[(&str, &str)]) {
    let jobs = app.tuxsuite.tests();
    let uid = text(jobs.last().expect("a job at TuxSuite"), "uid");
    let lava: serde_json::Map<String, Value> =
        outcomes.iter().map(|(name, result)| ((*name).to_owned(), json!({"result": result}))).collect();
    app.tuxsuite.put_file(&uid, "results.json", json!({"lava": lava}).to_string());
    app.tuxsuite.put_file(&uid, "logs.txt", "a line\n");
    let callback = app.tuxsuite.finish_test(&uid, verdict, outcomes);
    // The service may have been started anew since, at another address.
    let path = callback.url.split_once("/api/").expect("a callback URL").1;
    let json = [("content-type", "application/json")];
    app.post_raw(&format!("/api/{path}"), &json, callback.body.clone()).await.expect(204);
    app.settle().await;
}
