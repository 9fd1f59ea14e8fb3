//! The real program as a process: started with settings of its own and nothing from outside, watched, signalled, killed.
//!
//! A process does not outlive its handle, and no wait is without a bound.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::app::Answered;
use super::fake_server::{PATIENCE, lock};
use super::fake_sink::{self, FakeSink};
use super::fake_tuxsuite::{self, FakeTuxSuite};

/// How often a condition that nobody announces is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The program, to be run in this folder: its home, its state and its temporary files lie there.
pub(crate) fn testyard(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testyard"));
    command.args(arguments).current_dir(folder).env_clear().kill_on_drop(true).stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for name in ["HOME", "XDG_STATE_HOME", "TMPDIR"] {
        command.env(name, folder);
    }
    command
}

/// `testyard serve` on a free port with these settings, each as `key=value`.
pub(crate) fn serve(folder: &Path, database_url: &str, settings: &[String]) -> Command {
    let mut command = testyard(folder, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("DATABASE_URL", database_url);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

/// The settings of a service that speaks to these fakes. It repeats what failed, and what a killed process held, soon.
pub(crate) fn settings(tuxsuite: &FakeTuxSuite, sink: &FakeSink) -> Vec<String> {
    [
        ("outbound.allow", "127.0.0.1"),
        ("tuxsuite.api_url", &tuxsuite.url()),
        ("tuxsuite.token", fake_tuxsuite::TOKEN),
        ("tuxsuite.group", "grp"),
        ("tuxsuite.project", "prj"),
        ("tuxsuite.download_hosts", "127.0.0.1"),
        ("tuxsuite.timeout_s", "2"),
        ("kcidb.submit_url", &sink.submit_url()),
        ("kcidb.token", fake_sink::TOKEN),
        ("kcidb.timeout_s", "2"),
        ("kcidb.retry_base_s", "1"),
        ("kcidb.retry_max_s", "1"),
        ("kcidb.receipt_poll_s", "1"),
        ("runs.lease_s", "3"),
        ("runs.retry_base_s", "1"),
        ("runs.retry_max_s", "1"),
        ("runs.poll_interval_s", "1"),
        ("runs.poll_max_interval_s", "1"),
        ("runs.breaker_pause_s", "1"),
    ]
    .map(|(key, value)| format!("{key}={value}"))
    .into()
}

/// These settings, with some of them given another value, or more of them.
pub(crate) fn changed(mut settings: Vec<String>, changes: &[&str]) -> Vec<String> {
    for change in changes {
        let (key, _) = change.split_once('=').expect("key=value");
        settings.retain(|setting| !setting.starts_with(&format!("{key}=")));
        settings.push((*change).to_owned());
    }
    settings
}

/// How a process ended, and what it had said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` after a signal that it did not heed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program to its end.
pub(crate) async fn run(mut command: Command) -> Ended {
    let output = timeout(PATIENCE, command.output()).await.expect("the program ends").expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A service that serves.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    base: String,
    http: reqwest::Client,
    stdout: Output,
    stderr: Output,
}

#[derive(Debug)]
struct Output {
    text: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

impl Output {
    fn read(from: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::<Mutex<String>>::default();
        let page = Arc::clone(&text);
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut page = lock(&page);
                page.push_str(&line);
                page.push('\n');
            }
        });
        Self { text, reading }
    }

    fn text(&self) -> String {
        lock(&self.text).clone()
    }
}

impl Service {
    /// Starts it, and returns once it has printed its address; how it ended, if it ends before.
    pub(crate) async fn start(mut command: Command) -> Result<Self, Ended> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stderr = Output::read(child.stderr.take().expect("a pipe"));
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        timeout(PATIENCE, stdout.read_line(&mut line)).await.expect("it prints its address").expect("text");
        let address = line.split_whitespace().find(|word| word.starts_with("http://"));
        let base = address.map(|address| address.trim_end_matches(';').to_owned());
        let stdout = Output::read(stdout);
        let serves = base.is_some();
        let http = super::http_client();
        let service = Self { child, base: base.unwrap_or_default(), http, stdout, stderr };
        if serves { Ok(service) } else { Err(service.ended().await) }
    }

    /// As [`Service::start`], for one that must serve.
    pub(crate) async fn up(command: Command) -> Self {
        Self::start(command).await.unwrap_or_else(|ended| panic!("it does not serve: {ended:?}"))
    }

    /// `http://ADDRESS:PORT`, as it printed it.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it has not ended"), signal).expect("it is ours to signal");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end; its log:\n{}", self.log())).expect("a child");
        for output in [&mut self.stdout, &mut self.stderr] {
            timeout(PATIENCE, &mut output.reading).await.expect("its pipes end with it").expect("no panic");
        }
        Ended { code: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Ends it as a crash would; returns its log.
    pub(crate) async fn kill(self) -> String {
        self.signal(Signal::KILL);
        self.ended().await.stderr
    }

    /// Stops it as a supervisor would.
    pub(crate) async fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// GETs a path, whatever the answer.
    pub(crate) async fn get(&self, path: &str) -> Answered {
        send(self.http.get(format!("{}{path}", self.base))).await.expect("an answer")
    }

    /// POSTs JSON to a path, whatever the answer.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        let request = self.http.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        send(request.body(body.to_string())).await.expect("an answer")
    }

    /// All items of a listing, page after page. The path has no query, or one that does not end in `&`.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        let join = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{join}limit=1000{cursor}")).await.expect(200).json();
            items.extend(page["items"].as_array().expect("a listing").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Waits until it has nothing left to do: every run is over and every delivery settled.
    pub(crate) async fn quiet(&self) {
        let unsettled = [
            "/api/v1/runs?state=planned&state=submitting&state=running&state=collecting",
            "/api/v1/deliveries?state=pending&state=sent",
        ];
        let mut left = Vec::new();
        let waited = timeout(PATIENCE, async {
            loop {
                left.clear();
                for path in unsettled {
                    left.extend(self.items(path).await);
                }
                if left.is_empty() {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        if waited.await.is_err() {
            let some = left.iter().take(3).map(Value::to_string).collect::<Vec<_>>().join("\n");
            panic!("not quiet within {PATIENCE:?}; {} left, such as\n{some}\nits log:\n{}", left.len(), self.log());
        }
    }
}

/// Sends a request and reads its answer whole, if the service lives that long.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<Answered> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answered { status, headers, text: response.text().await? })
}
