//! Steps that tests of delivery share: results are handed in, deliveries looked at, the sink's requests counted.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testyard::clock::Clock as _;

use super::app::{Answered, TestApp};
use super::fake_sink::SUBMIT;
use super::runs::text;

/// A build that KCIDB may know.
pub(crate) const BUILD: &str = "riscv:some-build";

/// KCIDB's id of a test of the collection `ltp` that the job `uid` ran: the bridge's formula.
pub(crate) fn test_id(uid: &str, test: &str) -> String {
    format!("riscv:{}", hex::encode(Sha256::digest(format!("{uid}-ltp-{test}"))))
}

/// When a delivery's next step is due.
#[track_caller]
pub(crate) fn due_at(delivery: &Value) -> DateTime<Utc> {
    text(delivery, "due_at").parse().unwrap_or_else(|error| panic!("{error}: {delivery}"))
}

impl TestApp {
    /// Hands in a PASS of so many tests that the job `uid` ran elsewhere; returns their ids at KCIDB.
    pub(crate) async fn hand_in(&self, uid: &str, count: usize) -> Vec<String> {
        self.hand_in_for(uid, BUILD, count).await
    }

    /// As [`TestApp::hand_in`], for this build.
    pub(crate) async fn hand_in_for(&self, uid: &str, build: &str, count: usize) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
        let tests: Vec<Value> =
            names.iter().map(|name| json!({"test_name": name, "test_collection": "ltp", "result": "PASS"})).collect();
        let body = json!({"test_uid": uid, "build_id": build, "device": "board", "runtime": "lab", "tests": tests});
        self.post("/api/v1/tests/submit", &body).await.expect(204);
        names.iter().map(|name| test_id(uid, name)).collect()
    }

    /// The delivery of the object with this id.
    pub(crate) async fn delivery_of(&self, object_id: &str) -> Value {
        let mut found = self.items(&format!("/api/v1/deliveries?object_id={object_id}")).await;
        assert_eq!(found.len(), 1, "{object_id}: {found:?}");
        found.remove(0)
    }

    /// All deliveries in this state.
    pub(crate) async fn deliveries_in(&self, state: &str) -> Vec<Value> {
        self.items(&format!("/api/v1/deliveries?state={state}&limit=1000")).await
    }

    /// How many deliveries are in each state.
    pub(crate) async fn delivery_states(&self) -> BTreeMap<String, usize> {
        let mut states = BTreeMap::new();
        for delivery in self.items("/api/v1/deliveries?limit=1000").await {
            *states.entry(text(&delivery, "state")).or_insert(0) += 1;
        }
        states
    }

    /// The states of deliveries must be these, and no others.
    #[track_caller]
    pub(crate) fn expect_states(&self, want: &[(&str, usize)]) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        let want: BTreeMap<String, usize> = want.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect();
        async move { assert_eq!(self.delivery_states().await, want, "{place}") }
    }

    /// How long until a delivery's next step is due.
    #[track_caller]
    pub(crate) fn pause_of(&self, delivery: &Value) -> TimeDelta {
        due_at(delivery) - self.clock.now()
    }

    /// Brings a dead letter back.
    pub(crate) async fn retry(&self, delivery: &Value) -> Answered {
        self.post_empty(&format!("/api/v1/deliveries/{}/retry", text(delivery, "id"))).await
    }

    /// Asks for a sync of results; returns how many objects it made due.
    pub(crate) async fn sync_results(&self) -> usize {
        let answered = self.post_empty("/api/v1/sync/results").await.expect(204);
        answered.header("testyard-made-due").parse().expect("a number")
    }

    /// How many reports were posted to the sink, whatever it answered.
    pub(crate) fn submits(&self) -> usize {
        self.sink.server.requests_to(SUBMIT).len()
    }

    /// How many tests each report held that was posted to the sink, the first one first.
    pub(crate) fn report_sizes(&self) -> Vec<usize> {
        let requests = self.sink.server.requests_to(SUBMIT);
        requests.iter().map(|request| request.json()["tests"].as_array().map_or(0, Vec::len)).collect()
    }

    /// How often each test came to the sink in a report that did not fail.
    pub(crate) fn times_at_sink(&self, ids: &[String]) -> Vec<usize> {
        let objects = self.sink.objects("tests");
        ids.iter().map(|id| objects.get(id).map_or(0, Vec::len)).collect()
    }
}
