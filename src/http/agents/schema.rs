//! How agents speak, for the OpenAPI document: the domain's types know nothing of it.
#![expect(dead_code, reason = "it says how the types of `domain::agent` look as JSON")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::log::LogStream;
use crate::ids::{AgentId, AgentLeaseId, RunId};

/// An agent that registers.
#[derive(Debug, ToSchema)]
#[schema(as = AgentRegistration)]
pub(crate) struct RegistrationDocument {
    /// What it is called: 1 to 100 letters, digits, `-`, `_` and `.`; unique.
    #[schema(example = "lab-3")]
    name: String,
    /// What is said of it: names and values.
    #[schema(example = json!({"arch": "riscv64", "board": "visionfive2"}))]
    labels: Option<BTreeMap<String, String>>,
    /// The version of its program.
    #[schema(example = "0.1.0")]
    version: String,
    /// The version of the protocol that it speaks.
    #[schema(example = 1)]
    protocol: u32,
}

/// What an agent is told when it has registered.
#[derive(Debug, ToSchema)]
#[schema(as = AgentRegistered)]
pub(crate) struct RegisteredDocument {
    id: AgentId,
    #[schema(example = "lab-3")]
    name: String,
    /// The secret that is the bearer of all that it asks from now on. It is told once.
    #[schema(example = "agt-secret_…")]
    token: String,
    /// The version of the protocol.
    #[schema(example = 1)]
    protocol: u32,
    /// For how long to wait for work with one request, in seconds.
    #[schema(example = 30)]
    poll_s: u64,
    /// How often to say that it lives while it has work, in seconds.
    #[schema(example = 10)]
    heartbeat_s: u64,
}

/// An agent that asks for work.
#[derive(Debug, ToSchema)]
#[schema(as = AgentClaim)]
pub(crate) struct ClaimDocument {
    /// What is said of it from now on; what was said before where it is left out.
    #[schema(example = json!({"arch": "riscv64"}))]
    labels: Option<BTreeMap<String, String>>,
    /// For how long to wait for work, in seconds; `agents.poll_max_s` at most. 0 and left out: not at all.
    #[schema(example = 30)]
    wait_s: Option<u64>,
}

/// A run in an agent's hands.
#[derive(Debug, ToSchema)]
#[schema(as = AgentWork)]
pub(crate) struct LeaseDocument {
    /// The lease's id.
    id: AgentLeaseId,
    run: RunId,
    /// Which attempt at the run's work this is. All that is said of the lease names it.
    #[schema(example = 1)]
    generation: i64,
    /// When the lease ends unless a heartbeat comes.
    expires_at: DateTime<Utc>,
    /// How often to say that it lives, in seconds.
    #[schema(example = 10)]
    heartbeat_s: u64,
    /// What to run: `kind` says what it is. Of `jobs` each has a command, what it must come to, and its limits.
    #[schema(example = json!({"kind": "jobs", "session": "ses_0198c1a20b7c7d3e9f00112233445566", "collection": "lab", "jobs": [
        {"job": "disk/smart", "command": {"argv": ["smartctl", "-H", "/dev/sda"], "timeout_s": 60}, "expects": {"exit_code": 0}}
    ]}))]
    request: BTreeMap<String, Value>,
    /// The slots that the run holds, by their pool.
    #[schema(example = json!({"gpu": ["0", "3"]}))]
    slots: BTreeMap<String, Vec<String>>,
    /// Environment variables for every job, beside its own.
    #[schema(example = json!({"TESTYARD_BUILD": "maestro:681b69099ae9711e9ed49766"}))]
    environment: BTreeMap<String, String>,
    /// The names of environment variables whose values may not stand in a log.
    masked: Vec<String>,
    log: LogLimitsDocument,
    artifacts: ArtifactLimitsDocument,
}

/// How much log is kept.
#[derive(Debug, ToSchema)]
#[schema(as = AgentLogLimits)]
pub(crate) struct LogLimitsDocument {
    /// In bytes of UTF-8, with a line feed for each line.
    #[schema(example = 67_108_864)]
    max_bytes: u64,
    /// In lines.
    #[schema(example = 1_000_000)]
    max_lines: u64,
}

/// How much of files is kept.
#[derive(Debug, ToSchema)]
#[schema(as = AgentArtifactLimits)]
pub(crate) struct ArtifactLimitsDocument {
    /// The most bytes of one file.
    #[schema(example = 268_435_456)]
    max_bytes: u64,
}

/// An agent says that it lives.
#[derive(Debug, ToSchema)]
#[schema(as = AgentHeartbeat)]
pub(crate) struct HeartbeatDocument {
    /// The lease's generation.
    #[schema(example = 1)]
    generation: i64,
}

/// What an agent is told that lives.
#[derive(Debug, ToSchema)]
#[schema(as = AgentBeat)]
pub(crate) struct BeatDocument {
    /// When the lease ends unless another comes.
    expires_at: DateTime<Utc>,
    /// Whether to stop the jobs and report.
    canceled: bool,
    /// Why.
    #[schema(example = "canceled by an operator")]
    reason: Option<String>,
}

/// Lines of a run's log.
#[derive(Debug, ToSchema)]
#[schema(as = AgentLogBatch)]
pub(crate) struct LogBatchDocument {
    /// The lease's generation.
    #[schema(example = 1)]
    generation: i64,
    /// The number of the first of these lines, from 0 in each lease.
    #[schema(example = 120)]
    first: u64,
    /// The lines.
    lines: Vec<LineDocument>,
}

/// A line of a log.
#[derive(Debug, ToSchema)]
#[schema(as = AgentLogLine)]
pub(crate) struct LineDocument {
    /// When it was read.
    at: DateTime<Utc>,
    /// The job that wrote it; none of what the agent says of itself.
    #[schema(example = "disk/smart")]
    job: Option<String>,
    /// Where it was written to.
    stream: LogStream,
    /// The text, without its line feed.
    #[schema(example = "SMART overall-health self-assessment test result: PASSED")]
    text: String,
}

/// How far a log has come.
#[derive(Debug, ToSchema)]
#[schema(as = AgentAppended)]
pub(crate) struct AppendedDocument {
    /// The number of the next line.
    #[schema(example = 121)]
    next: u64,
}

/// How a run's jobs ended.
#[derive(Debug, ToSchema)]
#[schema(as = AgentResults)]
pub(crate) struct ResultsDocument {
    /// The lease's generation.
    #[schema(example = 1)]
    generation: i64,
    /// How each ended; one that is left out is MISS.
    results: Vec<JobEndDocument>,
}

/// How a job ended.
#[derive(Debug, ToSchema)]
#[schema(as = AgentJobEnd)]
pub(crate) struct JobEndDocument {
    /// The job.
    #[schema(example = "disk/smart")]
    job: String,
    /// How it ended: `exited` (with `code`), `signaled` (with `signal`), `timed_out` (with `after_s`), `too_much_output` (with
    /// `max_bytes`), `not_run` (with `message`) or `canceled`.
    #[schema(example = "exited")]
    how: String,
    /// Its exit code, of `exited`.
    #[schema(example = 0)]
    code: Option<i32>,
    /// The signal's number, of `signaled`.
    signal: Option<i32>,
    /// The limit that it exceeded, of `timed_out`.
    after_s: Option<u64>,
    /// The limit that it exceeded, of `too_much_output`.
    max_bytes: Option<u64>,
    /// Why, of `not_run`.
    message: Option<String>,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// How long it ran, in seconds.
    #[schema(example = 1.5)]
    duration_s: Option<f64>,
}

/// What became of results.
#[derive(Debug, ToSchema)]
#[schema(as = AgentTaken)]
pub(crate) struct TakenDocument {
    /// Whether they are the run's results.
    taken: bool,
    /// Why not.
    reason: Option<String>,
}

/// An agent gives a run back.
#[derive(Debug, ToSchema)]
#[schema(as = AgentRelease)]
pub(crate) struct ReleaseDocument {
    /// The lease's generation.
    #[schema(example = 1)]
    generation: i64,
    /// Why.
    #[schema(example = "the disk is full")]
    reason: String,
}
