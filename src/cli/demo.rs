//! `testyard demo`: the main job on this machine, with no network and no set-up.
//!
//! Two services run in this process: one does the work, and the other is the KCIDB sink that it delivers to. The `local`
//! runner checks a small C library out of a git repository made on the spot and builds it with the machine's own compiler. The
//! build starts a session: tests that rules have selected, which depend on each other, and a report that needs a resource. Two
//! agents, processes of their own, run its jobs; one of them is killed with a job in its hands. Everything that is printed was
//! asked over HTTP.

mod lab;
mod report;
mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use axum::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;

use crate::cli::demo::lab::Lab;
use crate::cli::demo::stage::{COLLECTION, RECIPE, Stage};
use crate::cli::serve::in_runtime;
use crate::cli::{fail, print};
use crate::lifecycle::Lifecycle;
use crate::net::client::{Client, Destination, Request};
use crate::telemetry;

/// How long the whole of it may take, compiling the library included.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often the service is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// How to show it.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// Keep serving afterwards, until a signal ends it
    #[arg(long)]
    keep: bool,
}

/// Runs the demo: exits with 0 when every object has arrived.
pub(super) fn run(arguments: &DemoArguments, log_filter: Option<String>) -> ExitCode {
    let filter = log_filter.unwrap_or_else(|| "warn".to_owned());
    if let Err(error) = telemetry::init(crate::config::LogFormat::Text, &filter) {
        return fail(&error.into());
    }
    match in_runtime(show(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn show(arguments: &DemoArguments) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::new();
    lifecycle.listen_for_signals()?;
    say(
        "Testyard: a build, the session that it starts, two agents, their results and the way to KCIDB, on this machine alone.\n",
    );
    let stage = Stage::set(&lifecycle).await?;
    say(&format!("service   {}   (SQLite, a `local` runner, agents)", stage.service));
    say(&format!("sink      {}   (a second Testyard, taking KCIDB reports)", stage.sink));
    say(&format!("tree      {}   (a git repository made just now)\n", stage.tree));
    let told = tokio::select! {
        told = tokio::time::timeout(PATIENCE, tell(&stage)) => {
            told.with_context(|| format!("the demo took longer than {} s", PATIENCE.as_secs()))?
        }
        () = lifecycle.soft().cancelled() => bail!("interrupted"),
    };
    told?;
    if arguments.keep {
        say("\nServing until Ctrl-C.");
        lifecycle.soft().cancelled().await;
    } else {
        say("\nRun it with --keep to go on serving and look around.");
    }
    stage.strike(&lifecycle).await;
    Ok(())
}

/// The story itself: select, build, run, lose an agent, deliver, show.
async fn tell(stage: &Stage) -> anyhow::Result<()> {
    let talk = Talk::new()?;
    let begun = Instant::now();
    let service = &stage.service;
    talk.post(service, "/api/v1/specs", &lab::specs(stage)).await?;
    let rules = json!({"rules": [{"type": "keyword", "expressions": ["not crash"]}]});
    talk.put(service, "/api/v1/selections/nightly", &rules).await?;
    say("PUT  /api/v1/selections/nightly        all tests but those with the keyword `crash`");

    let session = json!({
        "title": "nightly", "what": {"selection": "nightly"}, "namespace": "demo", "pxu": lab::UNITS, "desired": ["demo::report"],
    });
    let session = text(&talk.post(service, "/api/v1/sessions", &session).await?, "/id")?;
    say(&format!("POST /api/v1/sessions          201   {session}"));
    let path = format!("/api/v1/sessions/{session}");

    let mut lab = Lab::open(stage, &talk).await?;
    say("testyard agent                       lab-1 and lab-2 have registered, each with a token for one use");

    let build = json!({
        "runner": "local", "tree": stage.tree, "branch": "main", "toolchain": RECIPE,
        "architecture": std::env::consts::ARCH,
        "start": {"session": session, "how": {
            "runners": ["agents"], "requires": {"site": "demo"}, "device": "this-machine", "collection": COLLECTION,
            "project": "ring", "deadline_s": 600,
        }},
    });
    let build = talk.post(service, "/api/v1/builds", &build).await?;
    let id = text(&build, "/id")?;
    say(&format!("POST /api/v1/builds            201   {id}, which starts the session when it has passed"));
    let build = talk
        .wait(service, &format!("/api/v1/builds/{id}"), "build", |shown| shown["run"]["state"] == "finished")
        .await?;
    let status = text(&build, "/run/status")?;
    ensure!(status == "PASS", "the build ended with {status}: {}", build["run"]["reason"]);

    let victim = lab.kill_who_runs(stage, &talk, lab::LONG).await?;
    say(&format!("kill -9                              {victim}, with `{}` in its hands", lab::LONG));
    let execution = format!("{path}/execution");
    talk.wait(service, &execution, "session", |shown| !matches!(shown["state"].as_str(), Some("waiting" | "running")))
        .await?;

    let pending = "/api/v1/deliveries?state=pending&state=sent&limit=1000";
    talk.wait(service, pending, "delivery", |shown| shown["items"].as_array().is_some_and(Vec::is_empty)).await?;
    let deliveries = talk.get(service, "/api/v1/deliveries?limit=1000").await?;
    say("");
    let expected = talk.get(service, &format!("{path}/expected?limit=1000")).await?;
    print(&report::expected(&expected));
    print(&report::masked(&talk.get(service, "/api/v1/selections/nightly/masked").await?));
    let missing = report::missing(&expected);
    ensure!(missing.is_empty(), "not every job is accounted for: {}", missing.join(", "));
    let receipts = report::receipts(&deliveries);
    for receipt in &receipts {
        let received = talk.get(&stage.sink, &format!("/api/v1/submissions/{receipt}")).await?;
        print(&report::submission(receipt, &received));
    }
    let undelivered = report::undelivered(&deliveries);
    ensure!(undelivered.is_empty(), "not everything arrived: {}", undelivered.join("; "));
    ensure!(!receipts.is_empty(), "nothing was delivered");
    print(&report::what_next(stage, &path));
    say(&format!("All arrived, {:.1} s after the first request.", begun.elapsed().as_secs_f64()));
    lab.close().await;
    Ok(())
}

fn say(line: &str) {
    print(&format!("{line}\n"));
}

/// The text at a JSON pointer.
fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.with_context(|| format!("the service's answer has no text at {pointer}: {value}"))?.to_owned())
}

/// Speaks to the services over HTTP, as anybody would.
struct Talk {
    client: Client,
}

impl Talk {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(Vec::new())? })
    }

    async fn post(&self, base: &Url, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = Request::post(base.join(path)?, Bytes::from(body.to_string()));
        self.send(Request { destination: Destination::Configured, ..request }).await
    }

    async fn put(&self, base: &Url, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = Request { method: Method::PUT, ..Request::post(base.join(path)?, Bytes::from(body.to_string())) };
        self.send(Request { destination: Destination::Configured, ..request }).await
    }

    async fn get(&self, base: &Url, path: &str) -> anyhow::Result<Value> {
        let request = Request::get(base.join(path)?);
        self.send(Request { destination: Destination::Configured, max_bytes: 16 << 20, ..request }).await
    }

    async fn send(&self, request: Request) -> anyhow::Result<Value> {
        let what = format!("{} {}", request.method, request.url.path());
        let response = self.client.send(request).await.with_context(|| what.clone())?;
        let body = String::from_utf8_lossy(&response.body).into_owned();
        ensure!(response.status.is_success(), "{what}: {}: {body}", response.status);
        Ok(serde_json::from_str(&body)?)
    }

    /// Asks until what is shown is as wanted; says so whenever it waits for something else than before.
    async fn wait(&self, base: &Url, path: &str, what: &str, enough: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut said = String::new();
        loop {
            let shown = self.get(base, path).await?;
            let now = report::progress(&shown);
            if now != said {
                say(&format!("  {what:<9} {now}"));
                said = now;
            }
            if enough(&shown) {
                return Ok(shown);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
