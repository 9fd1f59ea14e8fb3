//! A whole lab under a storm: services and agents are killed and started again, at random, while they run a session. In the
//! end each job that was planned is accounted for, and none has two results.
//!
//! `TESTYARD_SOAK_JOBS` says how many jobs (1,000), `TESTYARD_SOAK_SEED` which random numbers. The storm moves with the work:
//! something is killed whenever some more results have come.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::app::Answered;
use crate::support::db::TestDb;
use crate::support::fake_sink::FakeSink;
use crate::support::fake_tuxsuite::FakeTuxSuite;
use crate::support::process::{self, Service, changed};
use crate::support::{http_client, on_both};

const AGENTS: usize = 20;

/// After how many more results an agent is killed, and after how many such deaths a service.
const RESULTS_A_DEATH: i64 = 25;
const DEATHS_A_SERVICE: usize = 6;

/// How long a thousand jobs may take, on a machine that does other things too.
const PATIENCE_A_THOUSAND: Duration = Duration::from_mins(8);

/// How often it is asked how far the session is.
const LOOK: Duration = Duration::from_millis(100);

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Numbers that look random and are the same for one seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's MMIX generator; its upper bits are the better ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound.max(1)
    }
}

/// Jobs in chains of five. Every tenth chain begins with a job that fails, every fourth needs a resource that says so.
fn units(jobs: usize) -> Vec<Value> {
    let resource = json!({"id": "lab", "plugin": "resource", "command": "echo kind: board"});
    let job = |number: usize| {
        let failing = number.is_multiple_of(50);
        let command = format!("echo this is {number}; exit {}", i32::from(failing));
        let mut unit = json!({"id": format!("j{number}"), "plugin": "shell", "command": command});
        if !number.is_multiple_of(5) {
            unit["depends"] = format!("j{}", number - 1).into();
        } else if number.is_multiple_of(20) {
            unit["requires"] = "lab.kind == 'board'".into();
        }
        unit
    };
    std::iter::once(resource).chain((0..jobs).map(job)).collect()
}

/// What a job comes to.
fn status(number: usize) -> &'static str {
    match number % 50 {
        0 => "FAIL",
        1..=4 => "SKIP",
        _ => "PASS",
    }
}

/// A service that is there again after each death, at one address.
struct Home {
    address: String,
    folder: PathBuf,
    database: String,
    settings: Vec<String>,
    service: Option<Service>,
}

impl Home {
    async fn start(&mut self) {
        let mut command = process::testyard(&self.folder, &["serve", "--listen", &self.address]);
        command.env("DATABASE_URL", &self.database);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        self.service = Some(Service::up(command).await);
    }

    async fn kill(&mut self) {
        if let Some(service) = self.service.take() {
            service.kill().await;
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An address that was free a moment ago.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Starts an agent in its folder; it has been there before, or has a token to register with.
fn agent(folder: &Path, server: &str, name: &str) -> Child {
    std::fs::create_dir_all(folder).unwrap();
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let token = folder.join("token");
    let (token, work) = (token.to_str().unwrap(), folder.join("work"));
    let arguments = [
        "agent",
        "--server",
        server,
        "--token-file",
        token,
        "--name",
        name,
        "--label",
        "kind=soak",
        "--work-dir",
        work.to_str().unwrap(),
        "--allow-root",
    ];
    let mut command = process::testyard(folder, &arguments);
    command.stdout(Stdio::null()).stderr(log).spawn().expect("the agent starts")
}

/// Asks until somebody answers.
async fn ask(homes: &[Home], path: &str) -> Answered {
    let http = http_client();
    loop {
        for home in homes {
            if let Ok(answer) = process::send(http.get(format!("{}{path}", home.url()))).await
                && answer.status < 500
            {
                return answer.expect(200);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// All items of a listing.
async fn items(homes: &[Home], path: &str) -> Vec<Value> {
    let join = if path.contains('?') { '&' } else { '?' };
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ask(homes, &format!("{path}{join}limit=1000{cursor}")).await.json();
        all.extend(page["items"].as_array().expect("a listing").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// How many results there are of each status; what is missing is `-`.
fn counted(execution: &Value) -> BTreeMap<String, i64> {
    let results = execution["results"].as_array().expect("counts");
    results
        .iter()
        .map(|row| (row["status"].as_str().unwrap_or("-").to_owned(), row["count"].as_i64().unwrap()))
        .collect()
}

async fn storm(db: &TestDb, services: usize) {
    let jobs = number("TESTYARD_SOAK_JOBS", 1_000);
    let mut dice = Dice(number("TESTYARD_SOAK_SEED", 1).try_into().unwrap());
    let (tuxsuite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
    let folder = TempDir::new().unwrap();
    let settings = changed(
        process::settings(&tuxsuite, &sink),
        &[
            "agents.heartbeat_s=1",
            "agents.lease_s=5",
            "agents.poll_max_s=5",
            "agents.max_attempts=100",
            "log.filter=warn",
        ],
    );
    let mut homes = Vec::new();
    for place in 0..services {
        let state = folder.path().join(format!("service-{place}"));
        std::fs::create_dir_all(&state).unwrap();
        let mut home = Home {
            address: free(),
            folder: state,
            database: db.url().to_owned(),
            settings: settings.clone(),
            service: None,
        };
        home.start().await;
        homes.push(home);
    }
    let first = homes[0].service.as_ref().unwrap();
    let desired: Vec<String> = (0..jobs).map(|number| format!("j{number}")).collect();
    let made = first.post("/api/v1/sessions", &json!({"units": units(jobs), "desired": desired})).await.expect(201);
    let session = made.header("location").to_owned();
    let how = json!({
        "runners": ["agents"], "requires": {"kind": "soak"}, "max_attempts": 100, "collection": "soak",
        "tested": {"id": "riscv:soak"},
    });
    first.post(&format!("{session}/start"), &how).await.expect(201);
    let mut agents = Vec::new();
    for place in 0..AGENTS {
        let home = folder.path().join(format!("agent-{place}"));
        std::fs::create_dir_all(&home).unwrap();
        let token = first.post("/api/v1/agents/tokens", &json!({})).await.expect(201).json();
        std::fs::write(home.join("token"), token["token"].as_str().unwrap()).unwrap();
        agents.push(agent(&home, &homes[place % services].url(), &format!("soak-{place}")));
    }

    let (mut deaths, mut next_death) = (0, RESULTS_A_DEATH);
    let execution = loop {
        let execution = ask(&homes, &format!("{session}/execution")).await.json();
        if execution["state"] != "running" {
            break execution;
        }
        let settled: i64 =
            counted(&execution).iter().filter(|(status, _)| *status != "-").map(|(_, count)| count).sum();
        if settled >= next_death {
            next_death = settled + RESULTS_A_DEATH;
            deaths += 1;
            let place = dice.below(AGENTS);
            agents[place].kill().await.expect("it is ours to kill");
            let home = folder.path().join(format!("agent-{place}"));
            agents[place] = agent(&home, &homes[dice.below(services)].url(), &format!("soak-{place}"));
            if deaths % DEATHS_A_SERVICE == 0 {
                let place = dice.below(services);
                homes[place].kill().await;
                homes[place].start().await;
            }
        }
        tokio::time::sleep(LOOK).await;
    };
    assert!(deaths >= DEATHS_A_SERVICE, "only {deaths} deaths");

    accounted_for(&homes, &sink, &session, &execution, jobs).await;
    for mut agent in agents {
        agent.kill().await.expect("it is ours to kill");
    }
}

/// Each job that was planned is accounted for, as it must be, and none has two results.
async fn accounted_for(homes: &[Home], sink: &FakeSink, session: &str, execution: &Value, jobs: usize) {
    assert_eq!(execution["state"], "finished", "{execution}");
    let ledger = items(homes, &format!("{session}/expected")).await;
    assert_eq!(ledger.len(), jobs + 1);
    let wanted = |job: &str| job.strip_prefix('j').map_or("PASS", |number| status(number.parse().unwrap()));
    for row in &ledger {
        assert_eq!(row["status"], wanted(row["job"].as_str().unwrap()), "{row}");
    }
    // None has two results: in the session, and in what is delivered.
    for job in items(homes, &format!("{session}/jobs")).await {
        assert_eq!(job["results"], 1, "{job}");
    }
    let runs = items(homes, "/api/v1/runs").await;
    let mut counting: BTreeMap<&str, u32> = BTreeMap::new();
    for run in &runs {
        assert_eq!(run["state"], "finished", "{run}");
        if matches!(run["status"].as_str(), Some("PASS" | "FAIL")) {
            *counting.entry(run["tests"][0].as_str().unwrap()).or_default() += 1;
        }
    }
    let twice: Vec<_> = counting.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "run to two results: {twice:?}");
    assert_eq!(counting.len(), 1 + (0..jobs).filter(|number| status(*number) != "SKIP").count());
    while !items(homes, "/api/v1/deliveries?state=pending&state=sent").await.is_empty() {
        tokio::time::sleep(LOOK).await;
    }
    let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for test in sink.objects("tests").into_values() {
        let object = test.last().expect("an object");
        if !matches!(object["status"].as_str(), Some("MISS" | "ERROR")) {
            arrived.entry(object["path"].to_string()).or_default().push(object["status"].to_string());
        }
    }
    assert_eq!(arrived.len(), jobs + 1, "each job is reported");
    let twice: Vec<_> = arrived.iter().filter(|(_, statuses)| statuses.len() > 1).collect();
    assert!(twice.is_empty(), "reported with two results: {twice:?}");
}

on_both! {
    async fn every_job_is_accounted_for_and_none_has_two_results(db: TestDb) {
        // Several processes share a PostgreSQL; SQLite belongs to one.
        let services = if db.url().starts_with("sqlite:") { 1 } else { 2 };
        let patience = PATIENCE_A_THOUSAND * u32::try_from(number("TESTYARD_SOAK_JOBS", 1_000).div_ceil(1_000)).unwrap();
        timeout(patience, storm(&db, services)).await.expect("it ends in time");
    }
}
