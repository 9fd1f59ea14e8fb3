//! Two processes on one database: whichever is asked, the work is done once, and it is shared.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use testyard::store::db::Dialect;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_sink::{self, FakeSink};
use crate::support::fake_tuxsuite::{Callback, FakeTuxSuite, SUBMIT_TESTS};
use crate::support::http_client;
use crate::support::process::{self, Service};

/// Two services and what is behind them.
struct Twins {
    services: [Service; 2],
    suite: FakeTuxSuite,
    sinks: [FakeSink; 2],
    _folder: TempDir,
    _db: TestDb,
}

impl Twins {
    /// Each delivers to a sink of its own, so that one sees which of them delivered what; nobody asks about receipts,
    /// which the other's sink would not know.
    async fn start(more: &[&str]) -> Self {
        let db = TestDb::new(Dialect::Postgres).await;
        let suite = FakeTuxSuite::start().await;
        let sinks = [FakeSink::start().await, FakeSink::start().await];
        let folder = TempDir::new().unwrap();
        let start = async |sink| {
            let settings = process::changed(process::settings(&suite, sink), &["kcidb.follow_receipts=false"]);
            let settings = process::changed(settings, more);
            Service::up(process::serve(folder.path(), db.url(), &settings)).await
        };
        // Both migrate the empty database at the same time.
        let services = tokio::join!(start(&sinks[0]), start(&sinks[1])).into();
        Self { services, suite, sinks, _folder: folder, _db: db }
    }

    /// How often each object of a list came, at whichever sink.
    fn deliveries(&self, list: &str) -> Vec<(String, usize)> {
        let mut times = std::collections::BTreeMap::<String, usize>::new();
        for (id, copies) in self.sinks.iter().flat_map(|sink| sink.objects(list)) {
            *times.entry(id).or_default() += copies.len();
        }
        times.into_iter().collect()
    }

    async fn call_back(&self, through: usize, callback: &Callback) -> u16 {
        let path = callback.url.split_once("/api/").expect("a callback's path").1;
        let request = http_client().post(format!("{}/api/{path}", self.services[through].base()));
        let request = request.header("x-tux-payload-signature", &callback.signature);
        process::send(request.body(callback.body.clone())).await.unwrap().status
    }

    async fn quiet(&self) {
        for service in &self.services {
            service.quiet().await;
        }
    }
}

fn tests() -> Value {
    json!({
        "build_id": "riscv:twins", "kernel_image_url": "https://files.example.org/Image", "collection": "ltp",
        "tests": ["ltp-a", "ltp-b"],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_requests_to_both_at_once_are_one_job_and_either_takes_its_callback() {
    let twins = Twins::start(&[]).await;
    let mut posts = JoinSet::new();
    for number in 0..20 {
        let url = format!("{}/api/v1/tests/run", twins.services[number % 2].base());
        let request = http_client().post(url).header("content-type", "application/json").body(tests().to_string());
        posts.spawn(process::send(request));
    }
    let answers: Vec<_> = posts.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == 204), "{answers:?}");
    let locations: BTreeSet<&str> =
        answers.iter().map(|answer| answer.header("location")).filter(|location| !location.is_empty()).collect();
    assert_eq!(locations.len(), 1, "one run was planned: {answers:?}");

    twins.suite.wait_for("the job", |suite| suite.tests().len() == 1).await;
    let uid = twins.suite.tests()[0]["uid"].as_str().unwrap().to_owned();
    let callback = twins.suite.finish_test(&uid, "pass", &[("boot", "pass"), ("ltp-a", "pass"), ("ltp-b", "fail")]);
    let owner = twins.services.iter().position(|service| callback.url.starts_with(&format!("{}/", service.base())));
    let other = 1 - owner.expect("the callback is for one of the two");
    assert_eq!(twins.call_back(other, &callback).await, 204, "the other one takes it");
    twins.quiet().await;

    assert_eq!(twins.suite.tests().len(), 1);
    let location = locations.first().unwrap();
    for service in &twins.services {
        let run = service.get(location).await.expect(200).json();
        assert_eq!((&run["state"], &run["status"]), (&json!("finished"), &json!("FAIL")), "{run}");
    }
    let delivered = twins.deliveries("tests");
    assert!(delivered.len() == 2 && delivered.iter().all(|(_, times)| *times == 1), "{delivered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_deliver_and_each_object_is_delivered_by_one() {
    const RESULTS: usize = 60;
    let twins = Twins::start(&["kcidb.batch_objects=1", "kcidb.timeout_s=60", "runs.lease_s=90"]).await;
    let gates = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    for (sink, gate) in twins.sinks.iter().zip(&gates) {
        sink.server.answer_next(fake_sink::SUBMIT, Answer::Slow(Arc::clone(gate)));
    }
    for number in 0..RESULTS {
        let results = json!({
            "build_id": "riscv:twins", "test_uid": format!("job-{number}"), "device": "board", "runtime": "lab",
            "tests": [{"test_name": "ltp-a", "test_collection": "ltp", "result": "PASS"}],
        });
        twins.services[number % 2].post("/api/v1/tests/submit", &results).await.expect(204);
    }
    // Each holds one object that its sink is slow to take, and the others are there for either.
    for sink in &twins.sinks {
        sink.server.wait_for("its share", || (sink.server.count() > 0).then_some(())).await;
    }
    for gate in &gates {
        gate.notify_one();
    }
    twins.quiet().await;

    let delivered = twins.deliveries("tests");
    assert!(delivered.len() == RESULTS && delivered.iter().all(|(_, times)| *times == 1), "{delivered:?}");
    let shares = twins.sinks.each_ref().map(|sink| sink.objects("tests").len());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_is_killed_the_other_finishes_its_work() {
    const RUNS: usize = 6;
    let twins = Twins::start(&["server.public_url=http://testyard.example.org"]).await;
    twins.suite.server.answer_next(SUBMIT_TESTS, Answer::Never);
    for number in 0..RUNS {
        let mut run = tests();
        run["build_id"] = format!("riscv:twins-{number}").into();
        twins.services[0].post("/api/v1/tests/run", &run).await.expect(204);
    }
    let asked = |suite: &FakeTuxSuite| !suite.server.requests_to(SUBMIT_TESTS).is_empty();
    twins.suite.wait_for("the runner is asked", asked).await;
    let Twins { services: [first, second], suite, sinks, _folder, _db } = twins;
    first.kill().await;
    suite.wait_for("every job", |suite| suite.tests().len() == RUNS).await;
    for job in suite.tests() {
        suite.finish_test(job["uid"].as_str().unwrap(), "pass", &[("ltp-a", "pass"), ("ltp-b", "pass")]);
    }
    second.quiet().await;

    let callbacks: BTreeSet<String> = suite.tests().iter().map(|job| job["callback"].to_string()).collect();
    assert_eq!((suite.tests().len(), callbacks.len()), (RUNS, RUNS), "each run is one job");
    assert_eq!(sinks[1].objects("tests").len(), 2 * RUNS);
}
