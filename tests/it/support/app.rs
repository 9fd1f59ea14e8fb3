//! A whole service in the test's own process: real HTTP in front, real fakes behind, a clock that stands still and
//! background work that runs when the test says so.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use tempfile::TempDir;
use testyard::app::App;
use testyard::clock::ManualClock;
use testyard::config::Settings;
use testyard::lifecycle::Lifecycle;
use testyard::server::Server;
use testyard::work;

use super::db::TestDb;
use super::fake_sink::{self, FakeSink};
use super::fake_tuxsuite::{self, FakeTuxSuite};

/// A service under test. It stops when this is dropped.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: ManualClock,
    pub(crate) tuxsuite: FakeTuxSuite,
    pub(crate) sink: FakeSink,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    running: Running,
    db: Arc<TestDb>,
    state: Arc<TempDir>,
}

/// Stops a service when it is dropped.
struct Running(Lifecycle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.hard().cancel();
        self.0.soft().cancel();
    }
}

/// What the service answered.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.expect("the answer is text"),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header's value; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer itself, once its status is the one wanted.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

/// The settings of a service that speaks to these fakes.
pub(crate) fn settings(db: &TestDb, state: &TempDir, tuxsuite: &FakeTuxSuite, sink: &FakeSink) -> Settings {
    let mut settings = Settings::default();
    settings.server.listen = "127.0.0.1:0".parse().expect("an address");
    state.path().clone_into(&mut settings.server.state_dir);
    settings.database.url = db.url().to_owned().into();
    settings.database.max_connections = 8;
    settings.outbound.allow = vec!["127.0.0.1".parse().expect("a rule")];
    settings.tuxsuite.api_url = tuxsuite.url().parse().expect("a URL");
    settings.tuxsuite.token = Some(fake_tuxsuite::TOKEN.to_owned().into());
    settings.tuxsuite.group = Some("grp".to_owned());
    settings.tuxsuite.project = Some("prj".to_owned());
    settings.tuxsuite.download_hosts = vec!["127.0.0.1".to_owned()];
    settings.tuxsuite.timeout_s = 5;
    settings.kcidb.submit_url = Some(sink.submit_url().parse().expect("a URL"));
    settings.kcidb.token = Some(fake_sink::TOKEN.to_owned().into());
    settings.kcidb.timeout_s = 5;
    settings
}

impl TestApp {
    /// A service on this database with new fakes behind it.
    pub(crate) async fn start(db: TestDb) -> Self {
        Self::start_with(db, |_| {}).await
    }

    /// As [`TestApp::start`], with changed settings.
    pub(crate) async fn start_with(db: TestDb, change: impl FnOnce(&mut Settings)) -> Self {
        let (tuxsuite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
        Self::start_on(db, tuxsuite, sink, change).await
    }

    /// As [`TestApp::start_with`], with these fakes behind it.
    pub(crate) async fn start_on(
        db: TestDb,
        tuxsuite: FakeTuxSuite,
        sink: FakeSink,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let state = Arc::new(TempDir::new().expect("a temporary folder"));
        let mut settings = settings(&db, &state, &tuxsuite, &sink);
        change(&mut settings);
        // 2026-01-02T03:04:05Z: any time will do, and this one is easy to see in a log.
        let clock = ManualClock::new(DateTime::from_timestamp(1_767_323_045, 0).expect("a time"));
        let lifecycle = Lifecycle::new();
        let server =
            Server::bind(settings, Arc::new(clock.clone()), lifecycle.clone()).await.expect("the service starts");
        let base = format!("http://{}", server.address().expect("an address"));
        let app = server.app().clone();
        tokio::spawn(server.serve());
        Self {
            app,
            clock,
            tuxsuite,
            sink,
            base,
            http: super::http_client(),
            running: Running(lifecycle),
            db: Arc::new(db),
            state,
        }
    }

    /// Stops the service and starts another one on the same database, with the same fakes, at the same time.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// As [`TestApp::restart`], with changed settings.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.running.0.soft().cancel();
        self.app.db.close().await;
        let mut settings = settings(&self.db, &self.state, &self.tuxsuite, &self.sink);
        change(&mut settings);
        let lifecycle = Lifecycle::new();
        let server =
            Server::bind(settings, Arc::new(self.clock.clone()), lifecycle.clone()).await.expect("it starts again");
        let base = format!("http://{}", server.address().expect("an address"));
        let app = server.app().clone();
        tokio::spawn(server.serve());
        Self { app, base, running: Running(lifecycle), ..self }
    }

    /// Another process of the same service: on the same database, with the same fakes and the same clock.
    pub(crate) async fn twin(&self) -> Self {
        let lifecycle = Lifecycle::new();
        let settings = settings(&self.db, &self.state, &self.tuxsuite, &self.sink);
        let server =
            Server::bind(settings, Arc::new(self.clock.clone()), lifecycle.clone()).await.expect("another one starts");
        let base = format!("http://{}", server.address().expect("an address"));
        let app = server.app().clone();
        tokio::spawn(server.serve());
        Self {
            app,
            clock: self.clock.clone(),
            tuxsuite: self.tuxsuite.clone(),
            sink: self.sink.clone(),
            base,
            http: self.http.clone(),
            running: Running(lifecycle),
            db: Arc::clone(&self.db),
            state: Arc::clone(&self.state),
        }
    }

    /// Runs all background work that is due now; returns how many rows were worked on.
    pub(crate) async fn settle(&self) -> usize {
        work::settle(&self.app).await.expect("the background work runs")
    }

    /// Moves the clock and runs what has become due.
    pub(crate) async fn advance(&self, by: TimeDelta) -> usize {
        self.clock.advance(by);
        self.settle().await
    }

    /// Runs all background work and follows receipts to their end.
    pub(crate) async fn deliver(&self) {
        self.settle().await;
        self.advance(TimeDelta::seconds(2)).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        Answered::of(self.http.get(format!("{}{path}", self.base)).send().await.expect("an answer")).await
    }

    /// GETs a listing or a thing, which must be there.
    pub(crate) async fn show(&self, path: &str) -> Value {
        self.get(path).await.expect(200).json()
    }

    /// The items of a listing.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        self.show(path).await["items"].as_array().expect("a listing").clone()
    }

    /// POSTs a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        self.post_raw(path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// POSTs nothing.
    pub(crate) async fn post_empty(&self, path: &str) -> Answered {
        self.post_raw(path, &[], Vec::new()).await
    }

    /// Sends a request of any method.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answered {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answered::of(request.send().await.expect("an answer")).await
    }

    /// POSTs these bytes with these headers. The path may be a whole URL.
    pub(crate) async fn post_raw(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answered {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.http.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answered::of(request.send().await.expect("an answer")).await
    }

    /// Has the fake TuxSuite call back at the URL that it was given.
    pub(crate) async fn call_back(&self, callback: &fake_tuxsuite::Callback) -> Answered {
        self.post_raw(&callback.url, &[("content-type", "application/json")], callback.body.clone()).await
    }
}
