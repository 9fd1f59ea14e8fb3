//! `testyard demo`: the main job on this machine, with no network and no set-up.
//!
//! Two services run in this process: one does the work, and the other is the KCIDB sink that it delivers to. The `local`
//! runner checks a small C library out of a git repository made on the spot, builds it with the machine's own compiler,
//! runs its tests and calls back over HTTP, as any runner would. Everything that is printed was asked over HTTP.

mod report;
mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;

use crate::cli::demo::stage::{COLLECTION, RECIPE, Stage, TESTS};
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
    say("Testyard: a build, its tests, their results and their way to KCIDB, on this machine alone.\n");
    let stage = Stage::set(&lifecycle).await?;
    say(&format!("service   {}   (SQLite, a `local` runner)", stage.service));
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

/// The story itself: build, test, deliver, show.
async fn tell(stage: &Stage) -> anyhow::Result<()> {
    let talk = Talk::new()?;
    let begun = Instant::now();
    let build = json!({
        "runner": "local", "tree": stage.tree, "branch": "main", "toolchain": RECIPE,
        "architecture": std::env::consts::ARCH,
    });
    let build = talk.post(&stage.service, "/api/v1/builds", &build).await?;
    let id = text(&build, "/id")?;
    say(&format!("POST /api/v1/builds            201   {id}"));
    let path = format!("/api/v1/builds/{id}");
    let build = talk.wait(&stage.service, &path, "build", |shown| shown["run"]["state"] == "finished").await?;
    let status = text(&build, "/run/status")?;
    ensure!(status == "PASS", "the build ended with {status}: {}", build["run"]["reason"]);
    let image = text(&build, "/run/kernel_image_url")?;
    let tests = json!({
        "runner": "local", "build_id": text(&build, "/run/build_id")?, "kernel_image_url": image, "device": "this-machine",
        "collection": COLLECTION, "tests": TESTS,
    });
    let run = talk.post(&stage.service, "/api/v1/runs", &tests).await?;
    let id = text(&run, "/id")?;
    say(&format!("POST /api/v1/runs              201   {id}"));
    let path = format!("/api/v1/runs/{id}");
    talk.wait(&stage.service, &path, "tests", |shown| shown["state"] == "finished").await?;

    let pending = "/api/v1/deliveries?state=pending&state=sent&limit=1000";
    talk.wait(&stage.service, pending, "delivery", |shown| shown["items"].as_array().is_some_and(Vec::is_empty))
        .await?;
    let deliveries = talk.get(&stage.service, "/api/v1/deliveries?limit=1000").await?;
    let results = talk.get(&stage.service, &format!("/api/v1/results?run={id}&limit=1000")).await?;
    say("");
    print(&report::results(&results));
    let receipts = report::receipts(&deliveries);
    for receipt in &receipts {
        let received = talk.get(&stage.sink, &format!("/api/v1/submissions/{receipt}")).await?;
        print(&report::submission(receipt, &received));
    }
    let undelivered = report::undelivered(&deliveries);
    ensure!(undelivered.is_empty(), "not everything arrived: {}", undelivered.join("; "));
    ensure!(!receipts.is_empty(), "nothing was delivered");
    print(&report::what_next(stage, &id));
    say(&format!("All arrived, {:.1} s after the first request.", begun.elapsed().as_secs_f64()));
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
