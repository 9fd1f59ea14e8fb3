//! What is posted, and the rows that come of it.

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::types::Json;
use testyard::domain::callback::{CallbackState, Trust};
use testyard::domain::kcidb::object::ObjectKind;
use testyard::domain::result::ResultSource;
use testyard::domain::run::{BuildRequest, RunRequest, TestsRequest};
use testyard::domain::status::Status;
use testyard::entropy;
use testyard::ids::{BuildId, CallbackId, DeliveryId, ResultId, RunId};
use testyard::store::build::Build;
use testyard::store::callback::NewCallback;
use testyard::store::delivery::NewDelivery;
use testyard::store::result::TestResult;
use testyard::store::run::{NewRun, PlannedTest, Terms};
use testyard::store::submission::NewSubmission;

/// How many tests a run plans, or a submission brings.
pub(crate) const TESTS: usize = 10;

/// How many writes may wait when the service is overloaded on purpose.
pub(crate) const SMALL_QUEUE: usize = 64;

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scenario {
    /// `GET /livez`: what a request costs that does nothing.
    Noop,
    /// TuxSuite's callbacks that a job of 10 tests runs: taken in, durable.
    Callback,
    /// TuxSuite's callbacks that a job of 10 tests has finished, and all that follows: its results are fetched, stored
    /// and enqueued.
    Settle,
    /// Builds.
    Builds,
    /// Runs of 10 tests.
    Runs,
    /// Results of 10 tests that were run elsewhere.
    Submit,
    /// KCIDB reports of 10 tests.
    Kcidb,
    /// As `submit` with 256 connections and a queue of 64.
    Overload,
}

/// A run that waits for its callback.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) run: RunId,
    pub(crate) capability: String,
}

/// The rows of one request.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) builds: Vec<Build>,
    pub(crate) runs: Vec<NewRun>,
    pub(crate) callbacks: Vec<NewCallback>,
    pub(crate) ended: Vec<RunId>,
    pub(crate) results: Vec<TestResult>,
    pub(crate) deliveries: Vec<NewDelivery>,
    pub(crate) submissions: Vec<NewSubmission>,
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Callback => "callback",
            Self::Settle => "settle",
            Self::Builds => "builds",
            Self::Runs => "runs",
            Self::Submit => "submit",
            Self::Kcidb => "kcidb",
            Self::Overload => "overload",
        }
    }

    /// Whether runs must wait for their callbacks.
    pub(crate) fn needs_jobs(self) -> bool {
        matches!(self, Self::Callback | Self::Settle)
    }

    /// Whether requests leave rows.
    pub(crate) fn writes(self) -> bool {
        self != Self::Noop
    }

    /// With how many connections it is measured, of those asked for.
    pub(crate) fn connections(self, asked: &[usize]) -> Vec<usize> {
        match self {
            Self::Overload => vec![256],
            _ => asked.to_vec(),
        }
    }

    /// The table whose rows tell how much the background has done, and the state that they are in then.
    pub(crate) fn background(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Callback => Some(("callback", "applied")),
            Self::Settle => Some(("run", "finished")),
            Self::Kcidb => Some(("submission", "processed")),
            _ => None,
        }
    }

    /// The `n`-th request: method, path and body. Nothing if there is no run left to call back for.
    pub(crate) fn request(self, n: usize, jobs: &[Job], storage: &str) -> Option<(&'static str, String, String)> {
        let post = |path: &str, body: &Value| Some(("POST", path.to_owned(), body.to_string()));
        match self {
            Self::Noop => Some(("GET", "/livez".to_owned(), String::new())),
            Self::Callback | Self::Settle => {
                let job = jobs.get(n)?;
                let body = self.callback(job, storage).to_string();
                Some(("POST", format!("/api/v1/callbacks/tuxsuite/{}", job.capability), body))
            }
            Self::Builds => post(
                "/api/v1/builds/run",
                &json!({
                    "toolchain": "gcc-12", "tree": "https://git.example.org/linux.git", "branch": format!("topic-{n}"),
                    "kconfig": "defconfig", "fragments": ["CONFIG_KUNIT=y"],
                }),
            ),
            Self::Runs => post(
                "/api/v1/tests/run",
                &json!({
                    "build_id": format!("maestro:{n}"), "kernel_image_url": "https://files.example.org/Image",
                    "modules_url": "https://files.example.org/modules.tar.xz", "tests": names(), "collection": "ltp",
                }),
            ),
            Self::Submit | Self::Overload => {
                let tests: Vec<Value> = names()
                    .iter()
                    .map(|name| json!({"test_name": name, "test_collection": "ltp", "result": "PASS", "logs": LOG}))
                    .collect();
                post(
                    "/api/v1/tests/submit",
                    &json!({
                        "test_uid": format!("job-{n}"), "build_id": "maestro:1", "device": "qemu-riscv64",
                        "runtime": "lab-1", "tests": tests,
                    }),
                )
            }
            Self::Kcidb => post("/submit", &report(n)),
        }
    }

    /// The rows that the `n`-th request comes to.
    pub(crate) fn rows(self, n: usize, jobs: &[Job], storage: &str, now: DateTime<Utc>) -> Option<Rows> {
        let mut rows = Rows::default();
        match self {
            Self::Noop => return None,
            Self::Callback | Self::Settle => {
                let job = jobs.get(n)?;
                let body = self.callback(job, storage).to_string().into_bytes();
                rows.callbacks.push(NewCallback {
                    id: CallbackId::new(now),
                    runner: "tuxsuite".into(),
                    digest: Sha256::digest(&body).into(),
                    trust: Trust::Capability,
                    run_id: Some(job.run),
                    uid: Some(job.capability.clone()),
                    body,
                    state: if self == Self::Settle { CallbackState::Applied } else { CallbackState::Pending },
                    reason: None,
                    now,
                });
                if self == Self::Settle {
                    rows.ended.push(job.run);
                    results(&mut rows, &job.capability, Some(job.run), now);
                }
            }
            Self::Builds => {
                let request = BuildRequest {
                    tree: "https://git.example.org/linux.git".into(),
                    branch: format!("topic-{n}"),
                    toolchain: "gcc-12".into(),
                    kconfig: Some("defconfig".into()),
                    fragments: vec!["CONFIG_KUNIT=y".into()],
                    architecture: "riscv".into(),
                };
                let build = build(&request, now);
                rows.runs.push(planned(Some(build.id), None, RunRequest::Build(request), Vec::new(), now));
                rows.builds.push(build);
            }
            Self::Runs => rows.runs.push(run_of_tests(&format!("maestro:{n}"), now)),
            Self::Submit | Self::Overload => results(&mut rows, &format!("job-{n}"), None, now),
            Self::Kcidb => rows.submissions.push(NewSubmission {
                id: entropy::alphanumeric(32),
                origin: String::new(),
                body: report(n).to_string().into_bytes(),
                now,
            }),
        }
        Some(rows)
    }

    fn callback(self, job: &Job, storage: &str) -> Value {
        let results: serde_json::Map<String, Value> = names().into_iter().map(|name| (name, json!("pass"))).collect();
        let (state, result) = if self == Self::Settle { ("finished", "pass") } else { ("running", "unknown") };
        json!({"kind": "test", "status": {
            "uid": job.capability, "state": state, "result": result, "device": "qemu-riscv64", "tests": names(),
            "results": results, "duration": 61, "provisioning_time": "2026-01-02T03:04:05",
            "running_time": "2026-01-02T03:05:05", "finished_time": "2026-01-02T03:06:06", "plan": null,
            "project": "grp/prj", "kernel": "https://files.example.org/Image",
            "modules": "https://files.example.org/modules.tar.xz",
            "download_url": format!("{storage}/storage/{}/", job.capability),
        }})
    }
}

const LOG: &str = "ltp-pan reported all tests PASS\n";

fn names() -> Vec<String> {
    (0..TESTS).map(|n| format!("ltp-suite-{n}")).collect()
}

/// What the fake storage holds of each job.
pub(crate) fn results_file() -> String {
    let lava: serde_json::Map<String, Value> =
        names().into_iter().map(|name| (name, json!({"result": "pass"}))).collect();
    json!({"lava": lava}).to_string()
}

fn report(n: usize) -> Value {
    let tests: Vec<Value> = names()
        .iter()
        .map(|name| {
            json!({
                "id": format!("lab:{n}-{name}"), "origin": "lab", "build_id": "maestro:1", "path": format!("ltp.{name}"),
                "status": "PASS", "start_time": "2026-01-02T03:04:05Z", "duration": 6.1,
                "misc": {"runtime": "lab-1", "platform": "qemu-riscv64"},
            })
        })
        .collect();
    json!({"version": {"major": 5, "minor": 3}, "tests": tests})
}

fn build(request: &BuildRequest, now: DateTime<Utc>) -> Build {
    Build {
        id: BuildId::new(now),
        runner: "tuxsuite".into(),
        tree: request.tree.clone(),
        branch: request.branch.clone(),
        toolchain: request.toolchain.clone(),
        architecture: request.architecture.clone(),
        kconfig: request.kconfig.clone(),
        fragments: Json(request.fragments.clone()),
        created_at: now,
        idempotency_key: None,
    }
}

fn planned(
    build_id: Option<BuildId>,
    build_ref: Option<String>,
    request: RunRequest,
    tests: Vec<PlannedTest>,
    now: DateTime<Utc>,
) -> NewRun {
    let id = RunId::new(now);
    NewRun {
        id,
        build_id,
        build_ref,
        runner: "tuxsuite".into(),
        attempt: 1,
        previous_id: None,
        request,
        client_token: id.0,
        capability: entropy::secret("cap"),
        now,
        tests,
        terms: Terms::default(),
    }
}

/// A run of 10 tests for this build.
pub(crate) fn run_of_tests(build: &str, now: DateTime<Utc>) -> NewRun {
    let tests = names();
    let planned_tests = tests
        .iter()
        .map(|name| PlannedTest {
            name: name.clone(),
            identity: Sha256::new().chain_update(build).chain_update(name).finalize().into(),
        })
        .collect();
    let request = TestsRequest {
        kernel_image_url: "https://files.example.org/Image".into(),
        modules_url: Some("https://files.example.org/modules.tar.xz".into()),
        device: "qemu-riscv64".into(),
        collection: "ltp".into(),
        tests,
    };
    planned(None, Some(build.into()), RunRequest::Tests(request), planned_tests, now)
}

/// The results of 10 tests and their deliveries.
fn results(rows: &mut Rows, uid: &str, run_id: Option<RunId>, now: DateTime<Utc>) {
    for name in names() {
        let kcidb_id = format!("riscv:{}", hex::encode(Sha256::new().chain_update(uid).chain_update(&name).finalize()));
        let path = format!("ltp.{name}");
        rows.deliveries.push(NewDelivery {
            id: DeliveryId::new(now),
            sink: "kcidb",
            object_kind: ObjectKind::Test,
            object_id: kcidb_id.clone(),
            object: json!({
                "id": kcidb_id, "origin": "riscv", "build_id": "maestro:1", "path": path, "status": "PASS",
                "environment": {"misc": {"platform": "qemu-riscv64"}}, "log_excerpt": LOG,
                "misc": {"runtime": "lab-1", "platform": "qemu-riscv64"},
            }),
            run_id,
            invalid: None,
            now,
        });
        rows.results.push(TestResult {
            id: ResultId::new(now),
            kcidb_id,
            source: if run_id.is_some() { ResultSource::Run } else { ResultSource::Submit },
            run_id,
            build_ref: "maestro:1".into(),
            origin: "riscv".into(),
            path,
            collection: Some("ltp".into()),
            test: Some(name),
            case_name: None,
            status: Status::Pass,
            reason: None,
            device: Some("qemu-riscv64".into()),
            runtime: Some("lab-1".into()),
            started_at: None,
            duration_s: None,
            log_url: None,
            log_excerpt: Some(LOG.into()),
            number: None,
            created_at: now,
        });
    }
}
