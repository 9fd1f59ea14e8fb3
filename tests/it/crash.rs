//! The program is killed at random moments while builds and tests are posted, run and reported, and started again until
//! all is quiet. Nothing that it took is lost, and nothing is done twice at the runner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::db::TestDb;
use crate::support::fake_server::PATIENCE;
use crate::support::fake_sink::FakeSink;
use crate::support::fake_tuxsuite::FakeTuxSuite;
use crate::support::process::{self, Service};
use crate::support::{http_client, on_both};

/// How often it is killed.
const KILLS: usize = 8;

/// How many builds, and how many runs of tests, are posted in each of its lives.
const WAVE: usize = 6;

/// How many tests a run plans.
const TESTS: usize = 3;

/// How many requests to the fakes a life lasts at most. A wave alone makes more: each run is submitted, and of each run of
/// tests two files are fetched.
const EVENTS: usize = 3 * WAVE;

/// How long it may go on after that, so that kills fall between requests too.
const GRACE_MS: u64 = 150;

/// Repeats a run's kills, as far as the machine's own chances allow.
const SEED: &str = "TESTYARD_CRASH_SEED";

/// Where the service is now; empty while it is down.
type Door = watch::Sender<String>;

on_both! {
    async fn killed_at_random_moments_it_loses_nothing_and_does_nothing_twice(db: TestDb) {
        let mut random = random();
        let folder = TempDir::new().unwrap();
        let (suite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
        let settings = settings(&suite, &sink);
        let door = Door::new(String::new());
        let runner = tokio::spawn(finish_jobs(suite.clone(), door.clone(), StdRng::seed_from_u64(random.random())));
        let mut load = JoinSet::new();
        for life in 0..KILLS {
            let service = Service::up(process::serve(folder.path(), db.url(), &settings)).await;
            door.send_replace(service.base().to_owned());
            let seen = suite.server.count() + sink.server.count();
            for number in life * WAVE..(life + 1) * WAVE {
                load.spawn(until_taken(door.clone(), "/api/v1/builds/run", build(number)));
                load.spawn(until_taken(door.clone(), "/api/v1/tests/run", tests(number)));
            }
            let enough = seen + random.random_range(0..EVENTS);
            suite.wait_for("requests", |suite| suite.server.count() + sink.server.count() >= enough).await;
            // The moment itself is the fault that is tried here; nothing is waited for.
            tokio::time::sleep(Duration::from_millis(random.random_range(0..GRACE_MS))).await;
            door.send_replace(String::new());
            service.kill().await;
        }
        let service = Service::up(process::serve(folder.path(), db.url(), &settings)).await;
        door.send_replace(service.base().to_owned());
        timeout(PATIENCE, load.join_all()).await.expect("every request is taken in the end");
        service.quiet().await;
        runner.abort();

        builds_were_built_once(&service, &suite, &sink).await;
        tests_ran_once_and_have_one_result(&suite, &sink);
        for (path, state) in [("/api/v1/runs", "finished"), ("/api/v1/deliveries", "delivered")] {
            for item in service.items(path).await {
                assert_eq!(item["state"], state, "{item}");
            }
        }
        let ended = service.stop().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

fn random() -> StdRng {
    let drawn = || testyard::entropy::unit().to_bits() & u64::from(u32::MAX);
    let seed = std::env::var(SEED).ok().map_or_else(drawn, |seed| seed.parse().expect("a number"));
    println!("{SEED}={seed} repeats these kills");
    StdRng::seed_from_u64(seed)
}

/// A public address of its own, for the service's port changes from life to life and its callbacks' URLs must not.
fn settings(suite: &FakeTuxSuite, sink: &FakeSink) -> Vec<String> {
    process::changed(process::settings(suite, sink), &["server.public_url=http://testyard.example.org"])
}

fn build(number: usize) -> Value {
    json!({
        "toolchain": "gcc-14", "tree": "https://git.example.org/linux.git", "branch": format!("b{number}"),
        "kconfig": "defconfig",
    })
}

fn image(number: usize) -> String {
    format!("https://files.example.org/{number}/Image")
}

fn build_ref(number: usize) -> String {
    format!("riscv:crash-{number}")
}

fn test_name(place: usize) -> String {
    format!("ltp-t{place}")
}

fn tests(number: usize) -> Value {
    json!({
        "build_id": build_ref(number), "kernel_image_url": image(number), "collection": "ltp",
        "tests": (0..TESTS).map(test_name).collect::<Vec<_>>(),
    })
}

/// POSTs again and again until the answer is a success. Nothing but that and 503 is a right answer.
async fn until_taken(door: Door, path: &'static str, body: Value) {
    let http = http_client();
    let mut place = door.subscribe();
    loop {
        let base = place.wait_for(|base| !base.is_empty()).await.expect("we hold the door").clone();
        let request = http.post(format!("{base}{path}")).header("content-type", "application/json");
        match process::send(request.body(body.to_string())).await {
            Ok(answer) if (200..300).contains(&answer.status) => return,
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text),
            Err(error) => assert!(!error.is_builder(), "{error}"),
        }
        let _ = timeout(Duration::from_millis(50), place.changed()).await;
    }
}

/// The runner's part: every job ends at once, pass or fail. Of some nobody is told, of some once, of some three times
/// at most: the service has to ask.
async fn finish_jobs(suite: FakeTuxSuite, door: Door, mut random: StdRng) {
    let mut calls = JoinSet::new();
    loop {
        let is_open = |job: &&Value| job["state"] != "finished";
        let jobs = || suite.builds().into_iter().chain(suite.tests()).collect::<Vec<_>>();
        let job = suite.server.wait_for("a job", || jobs().iter().find(is_open).cloned()).await;
        let uid = job["uid"].as_str().expect("a uid").to_owned();
        let mut outcome = || if random.random_bool(0.5) { "pass" } else { "fail" };
        let callback = if job["tests"].is_array() {
            let names: Vec<&str> = job["tests"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let results: Vec<(&str, &str)> = names.iter().map(|name| (*name, outcome())).collect();
            suite.finish_test(&uid, "pass", &results)
        } else {
            suite.finish_build(&uid, outcome())
        };
        let times = [0, 1, 3][random.random_range(0..3)];
        let path = callback.url.split_once("example.org").expect("the public address").1.to_owned();
        let door = door.subscribe();
        calls.spawn(async move {
            let http = http_client();
            for _ in 0..times {
                let request = http.post(format!("{}{path}", *door.borrow()));
                let request = request.header("x-tux-payload-signature", &callback.signature);
                if process::send(request.body(callback.body.clone())).await.is_ok_and(|answer| answer.status == 204) {
                    return;
                }
            }
        });
    }
}

/// A build that was posted again because its answer was lost is two builds: what counts is what the service lists.
async fn builds_were_built_once(service: &Service, suite: &FakeTuxSuite, sink: &FakeSink) {
    let listed = service.items("/api/v1/builds").await;
    let branches: BTreeSet<&str> = listed.iter().filter_map(|build| build["branch"].as_str()).collect();
    assert_eq!(branches.len(), KILLS * WAVE, "every build that was taken is listed");
    let tokens: BTreeSet<String> = suite.builds().iter().map(|build| build["client_token"].to_string()).collect();
    assert_eq!((suite.builds().len(), tokens.len()), (listed.len(), listed.len()), "each is one build at the runner");
    let ids: BTreeSet<&str> = listed.iter().filter_map(|build| build["run"]["build_id"].as_str()).collect();
    assert_eq!(ids.len(), listed.len());
    let delivered = sink.objects("builds");
    assert_eq!(delivered.keys().map(String::as_str).collect::<BTreeSet<_>>(), ids, "and one object at the sink");
    for copies in delivered.values() {
        assert!(copies.iter().all(|copy| copy == &copies[0]), "an object that is sent again is the same: {copies:?}");
    }
}

fn tests_ran_once_and_have_one_result(suite: &FakeTuxSuite, sink: &FakeSink) {
    let jobs = suite.tests();
    let callbacks: BTreeSet<String> = jobs.iter().map(|job| job["callback"].to_string()).collect();
    assert_eq!((jobs.len(), callbacks.len()), (KILLS * WAVE, KILLS * WAVE), "each run is one job at the runner");
    let mut wanted = BTreeMap::new();
    for number in 0..KILLS * WAVE {
        let its: Vec<&Value> = jobs.iter().filter(|job| job["kernel"] == image(number)).collect();
        assert_eq!(its.len(), 1, "run {number}");
        for place in 0..TESTS {
            let status = its[0]["results"][test_name(place)].as_str().unwrap().to_uppercase();
            wanted.insert((build_ref(number), format!("ltp.t{place}")), vec![status]);
        }
    }
    let mut found = BTreeMap::<_, Vec<String>>::new();
    for copies in sink.objects("tests").into_values() {
        assert!(copies.iter().all(|copy| copy == &copies[0]), "an object that is sent again is the same: {copies:?}");
        let text = |name: &str| copies[0][name].as_str().unwrap().to_owned();
        found.entry((text("build_id"), text("path"))).or_default().push(text("status"));
    }
    assert_eq!(found, wanted, "each planned test has one result, the one that the runner gave");
}
