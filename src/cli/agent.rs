//! `testyard agent`: works for a service in a lab, behind whatever wall.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use crate::agent::{Agent, AgentError, AgentOptions, CommandOptions, Commands, NoHome, Patience, Signals, Users};
use crate::cli::serve::in_runtime;
use crate::cli::{USAGE, fail, print};
use crate::clock::{Clock, SystemClock};
use crate::config::LogFormat;
use crate::domain::agent::Labels;
use crate::domain::retry::Backoff;
use crate::telemetry;

/// The exit code after a third signal: of SIGTERM.
const KILLED: i32 = 143;

/// Which service, and what this machine is and does.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AgentArguments {
    /// The service to work for
    #[arg(long, value_name = "URL")]
    server: Url,
    /// A file that holds the registration token; needed once, until the agent is registered
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What is said of this machine, such as arch=riscv64; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// What this agent is called [default: the machine's name]
    #[arg(long)]
    name: Option<String>,
    /// The folder that it works in; one agent at a time may use it
    #[arg(long, value_name = "DIR", default_value = "/var/lib/testyard-agent")]
    work_dir: PathBuf,
    /// As whom jobs run, if the agent is started as root: a name, or UID:GID
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Run jobs as root: all of them without `--user`, with it those that ask for root
    #[arg(long)]
    allow_root: bool,
    /// How long a job runs that has no limit of its own, in seconds
    #[arg(long, value_name = "S", default_value_t = 21_600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    timeout_s: u64,
    /// The most bytes of output of a job; one that writes more is stopped
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, value_parser = clap::value_parser!(u64).range(1..))]
    max_output_bytes: u64,
    /// How long a job that is told to end has for it before it is killed, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    grace_s: u64,
    /// A file whose content may not stand in a log; may be given several times
    #[arg(long = "mask-file", value_name = "FILE")]
    mask_files: Vec<PathBuf>,
    /// While this file is there, no work is taken
    #[arg(long, value_name = "FILE")]
    drain_file: Option<PathBuf>,
    /// Work once, and end
    #[arg(long)]
    once: bool,
}

/// `testyard agent …`.
pub(super) fn run(arguments: &AgentArguments, path: Option<&str>, log_filter: Option<&str>) -> ExitCode {
    if let Err(error) = telemetry::init(LogFormat::Text, log_filter.unwrap_or("info")) {
        return fail(&error.into());
    }
    let (options, commands) = match read(arguments, path) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("testyard: {error:#}");
            return USAGE.into();
        }
    };
    let worked = in_runtime(async {
        let signals = listen()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let agent = Agent::open(options, Arc::clone(&clock))?;
        let commands = Commands::new(CommandOptions { rooms: agent.rooms(), ..commands }, clock);
        Ok(agent.run(Arc::new(commands), &signals).await?)
    });
    match worked {
        Ok(did) => {
            let kept = if did.kept > 0 { "; the service is away, and what came of the last is kept" } else { "" };
            let (told, released, refused) = (did.told, did.released, did.refused);
            print(&format!("{told} done, {released} given back, {refused} not taken by the service{kept}\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let is_usage = matches!(
                error.downcast_ref(),
                Some(AgentError::NoToken(_) | AgentError::Another { .. } | AgentError::Home(NoHome::Busy(_)))
            );
            let code = fail(&error);
            if is_usage { USAGE.into() } else { code }
        }
    }
}

fn read(arguments: &AgentArguments, path: Option<&str>) -> anyhow::Result<(AgentOptions, CommandOptions)> {
    anyhow::ensure!(
        matches!(arguments.server.scheme(), "http" | "https") && arguments.server.has_host(),
        "`--server`: want an http:// or https:// URL"
    );
    let labels = Labels::read(arguments.labels.iter().map(String::as_str))
        .map_err(|words| anyhow::anyhow!("`--label`: {words}"))?;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => machine().context("this machine's name cannot be read: give the agent one with `--name`")?,
    };
    let users = Users::new(arguments.user.as_deref(), arguments.allow_root)?;
    let secrets: anyhow::Result<Vec<String>> = arguments.mask_files.iter().map(|file| secret(file)).collect();
    let commands = CommandOptions {
        rooms: PathBuf::new(),
        users,
        path: path.unwrap_or("/usr/local/bin:/usr/bin:/bin").into(),
        time: Duration::from_secs(arguments.timeout_s),
        output: arguments.max_output_bytes,
        grace: Duration::from_secs(arguments.grace_s),
        secrets: secrets?,
    };
    let options = AgentOptions {
        server: arguments.server.clone(),
        token_file: arguments.token_file.clone(),
        name,
        labels,
        work_dir: arguments.work_dir.clone(),
        drain_file: arguments.drain_file.clone(),
        once: arguments.once,
        backoff: Backoff { base: TimeDelta::seconds(1), max: TimeDelta::minutes(1) },
        patience: Patience::default(),
    };
    Ok((options, commands))
}

fn secret(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("`--mask-file`: {} cannot be read", file.display()))
}

fn machine() -> anyhow::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    anyhow::ensure!(!name.trim().is_empty(), "it has none");
    Ok(name.trim().to_owned())
}

/// The first signal drains, the second stops what runs, the third ends at once: what was not told by then is on the disk, and
/// what ran is stopped by the next agent.
fn listen() -> anyhow::Result<Signals> {
    let signals = Signals::default();
    let (mut interrupts, mut terminates) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = signals.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminates.recv() => {}
            }
            if !told.drain.is_cancelled() {
                tracing::info!("ending after what has begun; a second signal stops it");
                told.drain.cancel();
            } else if !told.stop.is_cancelled() {
                tracing::warn!("second signal: stopping what has begun; a third ends at once");
                told.stop.cancel();
            } else {
                std::process::exit(KILLED);
            }
        }
    });
    Ok(signals)
}
