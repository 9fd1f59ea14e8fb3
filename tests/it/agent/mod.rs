//! The agent against a service that is a real server: what it does, and what it does when that is slow, away or forgetful.

mod delivery;
mod example;
mod jobs;
mod program;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tempfile::TempDir;
use testyard::agent::{
    Agent, AgentError, AgentOptions, CommandOptions, Commands, Executor, Patience, Signals, Summary, Users,
};
use testyard::clock::SystemClock;
use testyard::domain::agent::Labels;
use testyard::domain::retry::Backoff;

use crate::support::fake_server::PATIENCE;
use crate::support::fake_yard::{FakeYard, REGISTRATION};

/// A lab: a folder for an agent that works for a service.
struct Lab {
    yard: FakeYard,
    folder: TempDir,
    options: AgentOptions,
    signals: Signals,
    secrets: Vec<String>,
    users: Users,
}

impl Lab {
    /// An agent that works once.
    async fn new() -> Self {
        let yard = FakeYard::start().await;
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("token"), format!("{REGISTRATION}\n")).unwrap();
        let options = AgentOptions {
            server: yard.server.url().parse().unwrap(),
            token_file: Some(folder.path().join("token")),
            name: "lab-3".to_owned(),
            labels: Labels::read(["arch=riscv64"]).unwrap(),
            work_dir: folder.path().join("work"),
            drain_file: None,
            once: true,
            backoff: Backoff { base: TimeDelta::milliseconds(10), max: TimeDelta::milliseconds(20) },
            patience: Patience { after_drain: PATIENCE, after_stop: Duration::from_millis(500) },
        };
        Self {
            yard,
            folder,
            options,
            signals: Signals::default(),
            secrets: Vec::new(),
            users: Users::new(None, true).unwrap(),
        }
    }

    async fn work(&self) -> Result<Summary, AgentError> {
        self.work_by(None).await
    }

    /// Works by this executor, or by running commands.
    async fn work_by(&self, executor: Option<Arc<dyn Executor>>) -> Result<Summary, AgentError> {
        let clock = Arc::new(SystemClock);
        let agent = Agent::open(self.options.clone(), clock.clone())?;
        let commands = CommandOptions {
            rooms: agent.rooms(),
            users: self.users.clone(),
            path: std::env::var_os("PATH").unwrap(),
            time: PATIENCE,
            output: 1 << 20,
            grace: PATIENCE,
            secrets: self.secrets.clone(),
        };
        let executor = executor.unwrap_or_else(|| Arc::new(Commands::new(commands, clock)));
        let work = agent.run(executor, &self.signals);
        tokio::time::timeout(PATIENCE, work).await.expect("the agent ends")
    }

    /// Gives it a lease, and lets it work until it has told of it.
    async fn through(&self, lease: Value) {
        self.yard.give(lease);
        let summary = self.work().await.unwrap();
        assert_eq!(summary, Summary { told: 1, ..Summary::default() });
        self.nothing_is_left();
    }

    /// No journal and no folder of a job is there any more.
    fn nothing_is_left(&self) {
        for name in ["leases", "jobs", "refused"] {
            let left = self.options.work_dir.join(name).read_dir().unwrap().count();
            assert_eq!(left, 0, "something is left in {name}");
        }
    }

    fn results(&self) -> Vec<Value> {
        self.yard.told(|told| told.results.clone())
    }

    fn texts(&self, stream: &str) -> Vec<String> {
        self.yard.told(|told| told.texts(stream))
    }
}
