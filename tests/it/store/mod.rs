//! The storage layer, function by function, on both databases.
//!
//! Each file here tests the file of `src/store` of its name. [`coverage`] reads the source and fails when a function of
//! the storage layer is called by none of them.

mod agent;
mod agent_lease;
mod artifact;
mod build;
mod callback;
mod canary;
mod catalogue;
mod catalogue_item;
mod catalogue_listing;
mod claims;
mod content;
mod coverage;
mod db;
mod delivery;
mod error;
mod event;
mod execution;
mod laws;
mod log;
mod migrate;
mod provider;
mod query;
mod queue;
mod result;
mod run;
mod selection;
mod session;
mod session_copy;
mod spec;
mod spec_result;
mod spec_result_writers;
mod submission;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::types::Json;
use testyard::domain::callback::{CallbackState, Trust};
use testyard::domain::kcidb::object::ObjectKind;
use testyard::domain::observation::{Measurement, Observation};
use testyard::domain::result::ResultSource;
use testyard::domain::run::{BuildRequest, RunRequest, RunState, TestsRequest};
use testyard::domain::status::Status;
use testyard::ids::{BuildId, CallbackId, DeliveryId, ResultId, RunId, WorkerId};
use testyard::store::build::Build;
use testyard::store::callback::NewCallback;
use testyard::store::delivery::NewDelivery;
use testyard::store::lease::Lease;
use testyard::store::result::TestResult;
use testyard::store::run::{NewRun, PlannedTest, Run, Terms};
use testyard::store::step::End;
use testyard::store::submission::NewSubmission;
use testyard::store::{self, Db};

/// `committed!(db, conn => function(conn, …))`: what the function returns, once that is committed.
macro_rules! committed {
    ($db:expr, $conn:ident => $call:expr) => {{
        let mut tx = $db.begin().await.unwrap();
        let $conn = &mut tx.conn();
        let returned = $call.await.unwrap();
        tx.commit().await.unwrap();
        returned
    }};
}

/// As [`committed!`] for a function that must fail: its error. Nothing is committed.
macro_rules! refused {
    ($db:expr, $conn:ident => $call:expr) => {{
        let mut tx = $db.begin().await.unwrap();
        let $conn = &mut tx.conn();
        $call.await.expect_err("the database must refuse")
    }};
}

/// What the function returns on a connection that only reads.
macro_rules! read {
    ($db:expr, $conn:ident => $call:expr) => {{
        let mut lease = $db.read().await.unwrap();
        let $conn = &mut lease.conn();
        $call.await.unwrap()
    }};
}

pub(crate) use {committed, read, refused};

/// 2026-01-02T03:04:05Z and these many microseconds.
pub(crate) fn micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045, 0).unwrap() + TimeDelta::microseconds(micros)
}

/// 2026-01-02T03:04:05Z and these many seconds.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    micros(seconds * 1_000_000)
}

pub(crate) fn worker() -> WorkerId {
    WorkerId::new(at(0))
}

/// A lease from one second to another.
pub(crate) fn lease(worker: WorkerId, now: i64, until: i64) -> Lease {
    Lease { worker, now: at(now), until: at(until) }
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

pub(crate) fn a_build(now: DateTime<Utc>) -> Build {
    Build {
        id: BuildId::new(now),
        runner: "tuxsuite".into(),
        tree: "https://git.example.org/linux.git".into(),
        branch: "master".into(),
        toolchain: "gcc-14".into(),
        architecture: "riscv".into(),
        kconfig: Some("defconfig".into()),
        fragments: Json(vec!["CONFIG_KASAN=y".into(), "ä\"'\\\u{1F600}".into()]),
        created_at: now,
        idempotency_key: None,
    }
}

/// The first run of a build.
pub(crate) fn run_of(build: &Build) -> NewRun {
    let request = BuildRequest {
        tree: build.tree.clone(),
        branch: build.branch.clone(),
        toolchain: build.toolchain.clone(),
        kconfig: build.kconfig.clone(),
        fragments: build.fragments.0.clone(),
        architecture: build.architecture.clone(),
    };
    let id = RunId::new(build.created_at);
    NewRun {
        id,
        build_id: Some(build.id),
        build_ref: None,
        runner: build.runner.clone(),
        attempt: 1,
        previous_id: None,
        request: RunRequest::Build(request),
        client_token: id.0,
        capability: format!("cap_{id}"),
        now: build.created_at,
        tests: Vec::new(),
        terms: Terms::default(),
    }
}

/// A run of these tests for the build that KCIDB knows as `build_ref`.
pub(crate) fn tests_of(build_ref: &str, names: &[&str], now: DateTime<Utc>) -> NewRun {
    let request = TestsRequest {
        kernel_image_url: "https://files.example.org/Image".into(),
        modules_url: None,
        device: "qemu-riscv64".into(),
        collection: "ltp".into(),
        tests: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let id = RunId::new(now);
    NewRun {
        id,
        build_id: None,
        build_ref: Some(build_ref.into()),
        runner: "tuxsuite".into(),
        attempt: 1,
        previous_id: None,
        request: RunRequest::Tests(request),
        client_token: id.0,
        capability: format!("cap_{id}"),
        now,
        tests: names
            .iter()
            .map(|name| PlannedTest { name: (*name).into(), identity: digest(&format!("{build_ref} {name}")) })
            .collect(),
        terms: Terms::default(),
    }
}

/// Stores a build with its first run.
pub(crate) async fn build_with_run(db: &Db, now: DateTime<Utc>) -> (Build, RunId) {
    let build = a_build(now);
    let run = run_of(&build);
    committed!(db, conn => store::build::insert(conn, std::slice::from_ref(&build)));
    committed!(db, conn => store::run::plan(conn, std::slice::from_ref(&run)));
    (build, run.id)
}

/// Plans this run and has its runner accept it as the job `uid`.
pub(crate) async fn running(db: &Db, run: &NewRun, uid: &str) -> RunId {
    committed!(db, conn => store::run::plan(conn, std::slice::from_ref(run)));
    assert!(committed!(db, conn => store::step::accepted(conn, run.id, uid, at(1), at(60), at(3600))));
    run.id
}

/// Ends a run as PASS.
pub(crate) async fn finish(db: &Db, run: RunId, now: DateTime<Utc>) {
    assert!(committed!(db, conn => store::step::end(conn, run, &the_end(Status::Pass, now))));
}

pub(crate) fn the_end(status: Status, now: DateTime<Utc>) -> End<'static> {
    End { state: RunState::Finished, status, reason: None, observation: None, now, stop_due_at: None }
}

/// The run as stored.
pub(crate) async fn stored(db: &Db, run: RunId) -> Run {
    read!(db, conn => store::run::by_id(conn, run)).expect("the run is stored")
}

/// What a runner says of the job `uid` when it is over.
pub(crate) fn observation(uid: &str) -> Observation {
    serde_json::from_value(json!({
        "uid": uid, "subject": "tests", "phase": "finished", "verdict": "PASS", "message": "all is well",
        "started_at": "2026-01-02T03:04:06.123456Z", "duration_s": 0.1, "download_url": "https://files.example.org/1/",
        "device": "qemu", "build": null, "tests": {"a": {
            "status": "PASS", "reason": null, "duration_s": 1.5, "log_excerpt": "\u{1F600}", "cases": [],
        }},
    }))
    .unwrap()
}

pub(crate) fn a_result(kcidb_id: &str, now: DateTime<Utc>) -> TestResult {
    TestResult {
        id: ResultId::new(now),
        kcidb_id: kcidb_id.into(),
        source: ResultSource::Submit,
        run_id: None,
        build_ref: "riscv:b".into(),
        origin: "riscv".into(),
        path: "ltp.smoke".into(),
        collection: Some("ltp".into()),
        test: Some("smoke".into()),
        case_name: None,
        status: Status::Pass,
        reason: Some("no\nreason\u{1F600}".into()),
        device: Some("qemu".into()),
        runtime: Some("lab".into()),
        started_at: Some(micros(-1)),
        duration_s: Some(0.1 + 0.2),
        log_url: None,
        log_excerpt: Some(String::new()),
        number: Some(Json(Measurement { value: 1e-300, unit: Some("s".into()) })),
        created_at: now,
    }
}

pub(crate) fn a_delivery(object_id: &str, now: DateTime<Utc>) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::new(now),
        sink: "kcidb",
        object_kind: ObjectKind::Test,
        object_id: object_id.into(),
        object: json!({"id": object_id, "n": [1, 2.5, -0.1, 1e300, u64::MAX, null, true], "ä": {"": ""}}),
        run_id: None,
        invalid: None,
        now,
    }
}

/// A callback of TuxSuite's about the job `uid`, whose body is `body`.
pub(crate) fn a_callback(uid: &str, body: &str, now: DateTime<Utc>) -> NewCallback {
    NewCallback {
        id: CallbackId::new(now),
        runner: "tuxsuite".into(),
        digest: digest(body),
        trust: Trust::None,
        run_id: None,
        uid: Some(uid.into()),
        body: body.into(),
        state: CallbackState::Pending,
        reason: None,
        now,
    }
}

pub(crate) fn a_submission(number: u32, now: DateTime<Utc>) -> NewSubmission {
    NewSubmission { id: format!("{number:032}"), origin: "riscv".into(), body: b"{\"a\":1}".to_vec(), now }
}
