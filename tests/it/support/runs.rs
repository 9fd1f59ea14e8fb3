//! Steps that many tests share: a run is planned, looked at, and brought to its runner.

use std::sync::Arc;

use serde_json::{Value, json};
use testyard::work;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::app::TestApp;
use super::fake_server::Answer;

/// An answer that is held back after the work is done, and what lets it go.
pub(crate) fn held() -> (Arc<Notify>, Answer) {
    let gate = Arc::new(Notify::new());
    (gate.clone(), Answer::Held(gate))
}

/// A refusal for now.
pub(crate) fn unavailable() -> Answer {
    Answer::Status(503, r#"{"error": "come back later"}"#.to_owned(), Vec::new())
}

/// A field of a JSON object that is text.
#[track_caller]
pub(crate) fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("`{field}` is not text in {object}")).to_owned()
}

impl TestApp {
    /// Plans a build at TuxSuite; returns the id of its run.
    pub(crate) async fn plan_build(&self) -> String {
        let build = json!({
            "tree": "https://git.example.org/linux.git", "branch": "master", "toolchain": "gcc-14",
            "kconfig": "defconfig",
        });
        text(&self.post("/api/v1/builds", &build).await.expect(201).json()["run"], "id")
    }

    /// Plans these tests of the collection `ltp` for a build at TuxSuite; returns the id of their run.
    pub(crate) async fn plan_tests(&self, build: &str, tests: &[&str]) -> String {
        let run = json!({
            "build_id": build, "kernel_image_url": "https://files.example.org/Image", "collection": "ltp",
            "tests": tests,
        });
        text(&self.post("/api/v1/runs", &run).await.expect(201).json(), "id")
    }

    /// Plans a build and has TuxSuite accept it; returns the id of its run and TuxSuite's uid.
    pub(crate) async fn start_build(&self) -> (String, String) {
        let run = self.plan_build().await;
        self.settle().await;
        let uid = text(&self.run(&run).await, "uid");
        (run, uid)
    }

    /// Plans these tests and has TuxSuite accept them; returns the id of their run and TuxSuite's uid.
    pub(crate) async fn start_tests(&self, build: &str, tests: &[&str]) -> (String, String) {
        let run = self.plan_tests(build, tests).await;
        self.settle().await;
        let uid = text(&self.run(&run).await, "uid");
        (run, uid)
    }

    /// A run as callers see it.
    pub(crate) async fn run(&self, id: &str) -> Value {
        self.show(&format!("/api/v1/runs/{id}")).await
    }

    /// The run, which must be in this state.
    #[track_caller]
    pub(crate) fn run_in(&self, id: &str, state: &'static str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let run = self.run(id).await;
            assert_eq!(run["state"], state, "{place}: {run}");
            run
        }
    }

    /// The results of a run as path and status, in the order of their paths.
    pub(crate) async fn results_of(&self, run: &str) -> Vec<(String, String)> {
        let rows = self.items(&format!("/api/v1/results?run={run}&limit=1000")).await;
        let mut rows: Vec<_> = rows.iter().map(|row| (text(row, "path"), text(row, "status"))).collect();
        rows.sort();
        rows
    }

    /// The path, status and comment of each test at the sink, each as often as it came, in the order of their paths.
    pub(crate) fn sunk_tests(&self) -> Vec<(String, String, String)> {
        let mut tests: Vec<_> = self
            .sink
            .objects("tests")
            .into_values()
            .flatten()
            .map(|test| (text(&test, "path"), text(&test, "status"), test["comment"].as_str().unwrap_or("").to_owned()))
            .collect();
        tests.sort();
        tests
    }

    /// As [`TestApp::settle`], beside the test.
    pub(crate) fn settle_beside(&self) -> JoinHandle<usize> {
        let app = self.app.clone();
        tokio::spawn(async move { work::settle(&app).await.expect("the background work runs") })
    }

    /// How many requests came to a route of the fake TuxSuite.
    pub(crate) fn asked(&self, route: &str) -> usize {
        self.tuxsuite.server.requests_to(route).len()
    }
}
