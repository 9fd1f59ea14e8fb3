//! Jobs that an agent runs by their commands: a small one that somebody else might have written, at a real service.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::db::TestDb;
use crate::support::fake_server::PATIENCE;
use crate::support::on_both;
use crate::support::process::{self, Service};
use crate::support::python::example_agent;

/// How often it is asked how far the session is.
const LOOK: Duration = Duration::from_millis(50);

/// A resource, what needs it, what it rules out, a failure and what depends on that.
const PXU: &str = "\
id: nic
plugin: resource
command: echo kind: wired

id: ping
plugin: shell
command: echo pong
requires: nic.kind == 'wired'

id: radio
plugin: shell
command: true
requires: nic.kind == 'wireless'

id: disk
plugin: shell
command: exit 3

id: report
plugin: shell
command: true
depends: disk
";

on_both! {
    async fn another_agent_runs_a_session_to_its_end(db: TestDb) {
        let folder = TempDir::new().unwrap();
        let service = Service::up(process::serve(folder.path(), db.url(), &[])).await;
        let new = json!({"namespace": "lab", "pxu": PXU, "desired": ["lab::ping", "lab::radio", "lab::report"]});
        let session = service.post("/api/v1/sessions", &new).await.expect(201).header("location").to_owned();
        service.post(&format!("{session}/start"), &json!({"requires": {"arch": "any"}})).await.expect(201);
        let token = service.post("/api/v1/agents/tokens", &json!({})).await.expect(201).json();
        let token = token["token"].as_str().unwrap().to_owned();
        let mut agent = example_agent(&[service.base(), &token, "py", "arch=any"]).await.spawn().expect("it starts");
        let over = timeout(PATIENCE, async {
            loop {
                let execution = service.get(&format!("{session}/execution")).await.expect(200).json();
                if execution["state"] != "running" {
                    return execution;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        assert_eq!(over.await.expect("it ends")["state"], "finished");
        let ledger = service.items(&format!("{session}/expected")).await;
        let mut told: Vec<(&str, &str, &str)> = ledger
            .iter()
            .map(|row| {
                let word = |name: &str| row[name].as_str().unwrap_or_default();
                (word("job"), word("status"), word("reason"))
            })
            .collect();
        told.sort_unstable();
        assert_eq!(told, [
            ("lab::disk", "FAIL", "exit code 3, and 0 was expected"),
            ("lab::nic", "PASS", ""),
            ("lab::ping", "PASS", ""),
            ("lab::radio", "SKIP", "resources are not as required: `nic.kind == 'wireless'`"),
            ("lab::report", "SKIP", "these jobs did not pass: `lab::disk`"),
        ]);
        let runs = service.items(&format!("/api/v1/runs?session={}", session.rsplit('/').next().unwrap())).await;
        let ping = runs.iter().find(|run| run["tests"] == json!(["lab::ping"])).expect("its run");
        let log = service.items(&format!("/api/v1/runs/{}/log", ping["id"].as_str().unwrap())).await;
        let written: Vec<&Value> = log.iter().filter(|line| line["stream"] == "stdout").map(|line| &line["text"]).collect();
        assert_eq!(written, ["pong"]);
        agent.kill().await.expect("it is ours to kill");
    }
}
