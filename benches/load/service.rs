//! The service under load: the release binary in a process of its own.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::scenario::{SMALL_QUEUE, Scenario};
use crate::store::Place;
use crate::tuxsuite::FakeTuxSuite;

/// A service that serves. It is killed when this is dropped.
pub(crate) struct Service {
    child: Child,
    address: SocketAddr,
    id: u32,
    _folder: TempDir,
}

impl Service {
    /// Starts one on this database. Only where callbacks are posted does it know a TuxSuite: elsewhere the runs that it
    /// plans wait, so that what is measured is how they come in.
    pub(crate) async fn start(
        place: &Place,
        suite: &FakeTuxSuite,
        scenario: Scenario,
        settings: &[String],
    ) -> Result<Self> {
        let folder = TempDir::new()?;
        let logs = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_testyard"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(folder.path()).env_clear().kill_on_drop(true);
        command.env("HOME", folder.path()).env("XDG_STATE_HOME", folder.path()).env("DATABASE_URL", place.url());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(logs);
        let mut set = settings.to_vec();
        if scenario.needs_jobs() {
            set.extend([
                format!("tuxsuite.api_url={}", suite.base()),
                "tuxsuite.token=token".into(),
                "tuxsuite.group=grp".into(),
                "tuxsuite.project=prj".into(),
                "tuxsuite.download_hosts=127.0.0.1".into(),
                "outbound.allow=127.0.0.1".into(),
            ]);
        }
        if scenario == Scenario::Overload {
            set.push(format!("writer.queue={SMALL_QUEUE}"));
        }
        for set in set {
            command.args(["--set", &set]);
        }
        let mut child = command.spawn().context("the service does not start")?;
        let id = child.id().context("the service has ended")?;
        let mut lines = BufReader::new(child.stdout.take().context("its output is a pipe")?).lines();
        let line = lines.next_line().await?;
        let address = line.as_deref().and_then(|line| line.split_once("http://")?.1.split_once(';')?.0.parse().ok());
        let Some(address) = address else {
            let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            anyhow::bail!("the service said {line:?} and logged:\n{log}");
        };
        Ok(Self { child, address, id, _folder: folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Ends it: nobody waits for what it still has to do.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("the service does not end")
    }
}
