//! Reports: a run's end as results to keep and as KCIDB objects to deliver.
//!
//! Each object is checked against KCIDB's schema before it is enqueued. One that breaks it (because the caller's
//! `build_id` is no KCIDB id, say) goes to the dead letters with the reason and holds up no other.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::Digest as _;
use sqlx::types::Json;

use crate::app::progress::Ending;
use crate::app::{App, cut};
use crate::domain::conclusion::{BOOT, Conclusion};
use crate::domain::kcidb::object::{self, Environment, Number, ObjectKind, Resource};
use crate::domain::kcidb::{id, path, schema, text};
use crate::domain::observation::{BuildFacts, CaseOutcome, Measurement, Observation, TestOutcome};
use crate::domain::result::ResultSource;
use crate::domain::run::{BuildRequest, RunRequest};
use crate::domain::status::Status;
use crate::ids::{BuildId, DeliveryId, ResultId, RunId, SessionId};
use crate::store::delivery::NewDelivery;
use crate::store::event::NewEvent;
use crate::store::result::TestResult;
use crate::store::run::Run;

/// The sink that reports go to.
pub const KCIDB: &str = "kcidb";

/// What a run's end leaves to store.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Results to keep.
    pub results: Vec<TestResult>,
    /// Objects to deliver.
    pub deliveries: Vec<NewDelivery>,
    /// What happened.
    pub events: Vec<NewEvent>,
    /// The sessions whose runs they are: whoever runs them has to look.
    pub sessions: BTreeSet<SessionId>,
    /// The builds that are over: whoever waits for them has to look.
    pub builds: BTreeSet<BuildId>,
}

impl Report {
    /// Adds another.
    pub fn extend(&mut self, other: Self) {
        let Self { results, deliveries, events, sessions, builds } = other;
        self.sessions.extend(sessions);
        self.builds.extend(builds);
        self.results.extend(results);
        self.deliveries.extend(deliveries);
        self.events.extend(events);
    }
}

/// What a run's end leaves to store.
#[must_use]
pub fn of_run(app: &App, run: &Run, conclusion: &Conclusion, ending: &Ending<'_>, now: DateTime<Utc>) -> Report {
    let observation = ending.observation.or(run.observation.as_deref());
    match &run.request.0 {
        RunRequest::Build(request) => of_build(app, run, request, conclusion, observation, now),
        RunRequest::Tests(request) | RunRequest::Boot(request) => {
            let facts = Facts::of_run(run, &request.collection, &request.device, observation, ending);
            of_tests(app, &facts, &conclusion.tests, now)
        }
        // What was run for no build is the session's alone: a report is always of a build.
        RunRequest::Jobs(_) if run.build_ref.is_none() => Report::default(),
        RunRequest::Jobs(request) => {
            let device = request.device.as_deref().unwrap_or_default();
            let facts = Facts::of_run(run, &request.collection, device, observation, ending);
            of_tests(app, &facts, &conclusion.tests, now)
        }
    }
}

/// The runner's id of a run, or our own where the runner never gave one.
pub(super) fn uid(run: &Run, observation: Option<&Observation>) -> String {
    observation
        .map(|observation| observation.uid.clone())
        .or_else(|| run.uid.clone())
        .unwrap_or_else(|| run.id.to_string())
}

/// KCIDB's id of the build that a run builds.
#[must_use]
pub fn build_ref(app: &App, run: &Run) -> String {
    id::build_id(&app.origin, &uid(run, run.observation.as_deref()))
}

fn of_build(
    app: &App,
    run: &Run,
    request: &BuildRequest,
    conclusion: &Conclusion,
    observation: Option<&Observation>,
    now: DateTime<Utc>,
) -> Report {
    let unknown = BuildFacts::default();
    let facts = observation.and_then(|observation| observation.build.as_ref()).unwrap_or(&unknown);
    let uid = uid(run, observation);
    let hash = facts.git_commit_hash.as_deref();
    let checkout = object::Checkout {
        id: id::checkout_id(&app.origin, &request.tree, &request.branch, hash, &uid),
        origin: app.origin.clone(),
        tree_name: app.settings.kcidb.trees.get(&request.tree).cloned().or_else(|| text::tree_name(&request.tree)),
        git_repository_url: text::https_git_url(&request.tree),
        git_commit_hash: hash.map(str::to_owned),
        git_commit_name: facts.git_commit_name.as_deref().map(text::legal),
        git_commit_message: facts.git_short_log.as_deref().map(text::legal),
        git_repository_branch: Some(text::legal(&request.branch)),
        // Nothing is patched on the way: KCIDB's dashboards ask for the hash to be there and empty.
        patchset_hash: Some(String::new()),
        comment: None,
        start_time: None,
        valid: None,
        misc: Map::new(),
    };
    let file = |name: &str, url: &Option<String>| url.as_deref().and_then(|url| Resource::new(name, url));
    let mut misc = misc([("runtime", Some(run.runner.clone())), ("kernel_version", facts.kernel_version.clone())]);
    for (name, count) in [("errors_count", facts.errors_count), ("warnings_count", facts.warnings_count)] {
        if let Some(count) = count {
            misc.insert(name.to_owned(), count.into());
        }
    }
    let build = object::Build {
        id: id::build_id(&app.origin, &uid),
        origin: app.origin.clone(),
        checkout_id: checkout.id.clone(),
        comment: conclusion.reason.as_deref().map(text::legal),
        start_time: observation.and_then(|observation| observation.started_at).or(run.started_at),
        duration: observation.and_then(|observation| observation.duration_s),
        architecture: Some(text::architecture(facts.architecture.as_deref().unwrap_or(&request.architecture))),
        command: facts.command.as_deref().map(text::legal),
        compiler: Some(text::legal(facts.compiler.as_deref().unwrap_or(&request.toolchain))),
        input_files: Vec::new(),
        output_files: [("kernel_image", &facts.kernel_image_url), ("modules", &facts.modules_url)]
            .into_iter()
            .filter_map(|(name, url)| file(name, url))
            .collect(),
        config_name: request.kconfig.as_deref().filter(|name| !name.contains("://")).map(text::legal),
        config_url: facts.config_url.as_deref().and_then(text::uri),
        log_url: facts.log_url.as_deref().and_then(text::uri),
        log_excerpt: None,
        status: Some(conclusion.status),
        misc,
    };
    let outbox = Outbox { run_id: Some(run.id), now };
    Report {
        deliveries: vec![
            outbox.delivery(ObjectKind::Checkout, &checkout.id, &checkout),
            outbox.delivery(ObjectKind::Build, &build.id, &build),
        ],
        ..Report::default()
    }
}

/// What the results of one job have in common.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The job's id, which the ids of its tests are made from.
    pub uid: String,
    /// How the results came to be known.
    pub source: ResultSource,
    /// The run that brought them.
    pub run_id: Option<RunId>,
    /// KCIDB's id of the build that was tested.
    pub build_ref: String,
    /// The collection that the tests belong to.
    pub collection: String,
    /// The machine that they ran on.
    pub device: String,
    /// What ran them.
    pub runtime: String,
    /// When the job began.
    pub started_at: Option<DateTime<Utc>>,
    /// How long it ran, in seconds.
    pub duration_s: Option<f64>,
    /// Where the job's log lies.
    pub log_url: Option<String>,
    /// The end of the job's log.
    pub log_excerpt: Option<String>,
}

impl Facts {
    fn of_run(
        run: &Run,
        collection: &str,
        device: &str,
        observation: Option<&Observation>,
        ending: &Ending<'_>,
    ) -> Self {
        Self {
            uid: uid(run, observation),
            source: ResultSource::Run,
            run_id: Some(run.id),
            build_ref: run.build_ref.clone().unwrap_or_default(),
            collection: collection.to_owned(),
            device: observation.and_then(|observation| observation.device.clone()).unwrap_or_else(|| device.to_owned()),
            runtime: run.runner.clone(),
            started_at: observation.and_then(|observation| observation.started_at).or(run.started_at),
            duration_s: observation.and_then(|observation| observation.duration_s),
            log_url: ending.log_url.map(str::to_owned),
            log_excerpt: ending.log_excerpt.map(str::to_owned),
        }
    }
}

/// One row of a report: a test, or a case inside it.
struct Row<'a> {
    kcidb_id: String,
    path: String,
    test: &'a str,
    case: Option<&'a str>,
    status: Status,
    reason: Option<&'a str>,
    duration_s: Option<f64>,
    measurement: Option<&'a Measurement>,
    log_excerpt: Option<&'a str>,
}

/// What tests of one job leave to store.
#[must_use]
pub fn of_tests(app: &App, facts: &Facts, tests: &[(String, TestOutcome)], now: DateTime<Utc>) -> Report {
    let mut rows = Vec::new();
    for (name, outcome) in tests {
        let path = if facts.collection == BOOT && name == BOOT {
            BOOT.to_owned()
        } else {
            path::test_path(&facts.collection, name)
        };
        let cases: &[CaseOutcome] = if app.settings.kcidb.report_cases { &outcome.cases } else { &[] };
        // A runner that asks for one test measures the job as a whole.
        let whole = if tests.len() == 1 { facts.duration_s } else { None };
        // The job's log says why, where nothing nearer does.
        let log = if outcome.status == Status::Pass { None } else { facts.log_excerpt.as_deref() };
        rows.push(Row {
            kcidb_id: id::test_id(&app.origin, &facts.uid, &facts.collection, name),
            path: path.clone(),
            test: name,
            case: None,
            status: outcome.status,
            reason: outcome.reason.as_deref(),
            duration_s: outcome.duration_s.or(whole),
            measurement: None,
            log_excerpt: outcome.log_excerpt.as_deref().or(log),
        });
        let mut seen = std::collections::HashMap::<&str, u32>::new();
        let paths = path::distinct(cases.iter().map(|case| path::case_path(&path, &case.name)));
        for (case, path) in cases.iter().zip(paths) {
            let path = bounded(path);
            let times = seen.entry(&case.name).and_modify(|times| *times += 1).or_insert(1);
            let numbered = if *times == 1 { case.name.clone() } else { format!("{}\u{1}{times}", case.name) };
            rows.push(Row {
                kcidb_id: id::case_id(&app.origin, &facts.uid, &facts.collection, name, &numbered),
                path,
                test: name,
                case: Some(&case.name),
                status: case.status,
                reason: case.reason.as_deref(),
                duration_s: case.duration_s,
                measurement: case.measurement.as_ref(),
                log_excerpt: case.log_excerpt.as_deref(),
            });
        }
    }
    let outbox = Outbox { run_id: facts.run_id, now };
    Report {
        deliveries: rows
            .iter()
            .map(|row| outbox.delivery(ObjectKind::Test, &row.kcidb_id, &row.object(app, facts)))
            .collect(),
        results: rows.into_iter().map(|row| row.result(app, facts, now)).collect(),
        ..Report::default()
    }
}

impl Row<'_> {
    fn started_at(&self, facts: &Facts) -> Option<DateTime<Utc>> {
        // What never ran has no beginning.
        if self.status == Status::Miss { None } else { facts.started_at }
    }

    fn object(&self, app: &App, facts: &Facts) -> object::Test {
        let platform = Some(facts.device.clone()).filter(|device| !device.is_empty());
        object::Test {
            id: self.kcidb_id.clone(),
            origin: app.origin.clone(),
            build_id: facts.build_ref.clone(),
            environment: platform
                .clone()
                .map(|platform| Environment { misc: misc([("platform", Some(platform))]), ..Environment::default() }),
            path: Some(self.path.clone()),
            comment: self.reason.map(text::legal),
            log_url: facts.log_url.as_deref().and_then(text::uri),
            log_excerpt: self.log_excerpt.map(text::excerpt),
            status: Some(self.status),
            number: self
                .measurement
                .map(|measured| Number { value: measured.value, unit: measured.unit.as_deref().map(text::legal) }),
            start_time: self.started_at(facts),
            duration: self.duration_s,
            input_files: Vec::new(),
            output_files: Vec::new(),
            misc: misc([("runtime", Some(facts.runtime.clone())), ("platform", platform)]),
        }
    }

    fn result(self, app: &App, facts: &Facts, now: DateTime<Utc>) -> TestResult {
        TestResult {
            id: ResultId::new(now),
            started_at: self.started_at(facts),
            kcidb_id: self.kcidb_id,
            source: facts.source,
            run_id: facts.run_id,
            build_ref: facts.build_ref.clone(),
            origin: app.origin.to_string(),
            path: self.path,
            collection: Some(facts.collection.clone()),
            test: Some(text::legal(self.test)),
            case_name: self.case.map(text::legal),
            status: self.status,
            reason: self.reason.map(text::legal),
            device: Some(facts.device.clone()),
            runtime: Some(facts.runtime.clone()),
            duration_s: self.duration_s.filter(|seconds| seconds.is_finite()),
            log_url: facts.log_url.clone(),
            log_excerpt: self.log_excerpt.map(text::excerpt),
            number: self.measurement.map(|measured| {
                Json(Measurement { unit: measured.unit.as_deref().map(text::legal), ..measured.clone() })
            }),
            created_at: now,
        }
    }
}

fn misc<const N: usize>(fields: [(&str, Option<String>); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(text::legal(&value?)))))
        .collect()
}

/// The longest path, in bytes: both databases index it.
const MAX_PATH_BYTES: usize = 1_000;

/// The path itself, or its beginning and a hash of it where it is longer than can be indexed.
fn bounded(path: String) -> String {
    if path.len() <= MAX_PATH_BYTES {
        return path;
    }
    let hash = hex::encode(sha2::Sha256::digest(&path));
    // A path is ASCII, so any byte is a boundary; it may end in a dot only before more of it.
    let beginning = path.get(..MAX_PATH_BYTES - 33).unwrap_or_default().trim_end_matches('.');
    format!("{beginning}-{}", hash.get(..32).unwrap_or_default())
}

/// Makes deliveries of one run.
struct Outbox {
    run_id: Option<RunId>,
    now: DateTime<Utc>,
}

impl Outbox {
    fn delivery(&self, kind: ObjectKind, object_id: &str, object: &impl Serialize) -> NewDelivery {
        let (object, invalid) = match serde_json::to_value(object) {
            Ok(object) => {
                let invalid = schema::validate_object(kind, &object).err().map(|violations| {
                    let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
                    cut(&format!("it breaks KCIDB's schema: {}", all.join("; ")), 2_000)
                });
                (object, invalid)
            }
            Err(error) => (Value::Null, Some(format!("it cannot be written as JSON: {error}"))),
        };
        NewDelivery {
            id: DeliveryId::new(self.now),
            sink: KCIDB,
            object_kind: kind,
            object_id: object_id.to_owned(),
            object,
            run_id: self.run_id,
            invalid,
            now: self.now,
        }
    }
}
