//! The tree of settings: what the service talks to, and how patiently.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::text;
use crate::domain::words::words;

/// The KCIDB sink.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kcidb {
    /// The whole address that reports are posted to, with `/submit`. Without it nothing is delivered.
    #[serde(with = "text::optional_url")]
    pub submit_url: Option<Url>,
    /// The bearer token.
    #[serde(with = "text::secret")]
    pub token: Option<SecretString>,
    /// The origin of all our objects; the part of an id before its colon.
    pub origin: String,
    /// Build and check reports, send nothing, and leave their state as it was.
    pub dry_run: bool,
    /// Report the cases inside a test too.
    pub report_cases: bool,
    /// The most objects in one report.
    pub batch_objects: usize,
    /// The longest report.
    pub batch_bytes: usize,
    /// The longest time for one request.
    pub timeout_s: u64,
    /// Ask the sink what became of a report, until it is processed or failed.
    pub follow_receipts: bool,
    /// How often to ask.
    pub receipt_poll_s: u64,
    /// After how long to stop asking.
    pub receipt_timeout_s: u64,
    /// The first pause after a failed delivery; it doubles.
    pub retry_base_s: u64,
    /// The longest pause.
    pub retry_max_s: u64,
    /// KCIDB's `tree_name` by the URL of a git repository.
    pub trees: BTreeMap<String, String>,
}

impl Default for Kcidb {
    fn default() -> Self {
        Self {
            submit_url: None,
            token: None,
            origin: "riscv".to_owned(),
            dry_run: false,
            report_cases: true,
            batch_objects: 500,
            batch_bytes: 1 << 20,
            timeout_s: 60,
            follow_receipts: true,
            receipt_poll_s: 30,
            receipt_timeout_s: 3600,
            retry_base_s: 5,
            retry_max_s: 3600,
            trees: BTreeMap::new(),
        }
    }
}

words!(
    /// Whether callbacks must carry `TuxSuite`'s signature.
    SignaturePolicy, "signature policy", {
        /// Verified when a key is known.
        Auto = "auto",
        /// A callback without a good signature is refused.
        Required = "required",
        /// A signature is verified when there is one.
        Optional = "optional",
        /// Signatures are not looked at.
        Off = "off",
    }
);

/// The `TuxSuite` runner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TuxSuite {
    /// Whether the runner is there; without this setting it is there when there is a token.
    pub enabled: Option<bool>,
    /// The API token.
    #[serde(with = "text::secret")]
    pub token: Option<SecretString>,
    /// The group that runs belong to.
    pub group: Option<String>,
    /// The project that runs belong to.
    pub project: Option<String>,
    /// Where the API is.
    #[serde(with = "text::url_text")]
    pub api_url: Url,
    /// The device that tests run on where a request names none.
    pub device: String,
    /// The architecture that builds are for where a request names none.
    pub target_arch: String,
    /// Whether callbacks must be signed.
    pub signature: SignaturePolicy,
    /// The group's public key, an OpenSSH line as in `ecdsa-sha2-nistp256 …`; without it the key is asked from the API.
    pub public_key: Option<String>,
    /// The hosts that results and logs may be fetched from: `host`, `host:port` or `*.suffix`.
    pub download_hosts: Vec<String>,
    /// The longest time for one request.
    pub timeout_s: u64,
    /// The longest `results.json`.
    pub max_results_bytes: usize,
    /// How much of `logs.txt` is kept.
    pub max_log_bytes: usize,
}

impl TuxSuite {
    /// Whether the runner is there.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(self.token.is_some())
    }
}

impl Default for TuxSuite {
    fn default() -> Self {
        Self {
            enabled: None,
            token: None,
            group: None,
            project: None,
            // A constant: every test that makes settings reads it.
            api_url: Url::parse("https://tuxapi.tuxsuite.com").expect("the default address is a URL"),
            device: "qemu-riscv64".to_owned(),
            target_arch: "riscv".to_owned(),
            signature: SignaturePolicy::Auto,
            public_key: None,
            download_hosts: vec!["*.tuxsuite.com".to_owned()],
            timeout_s: 60,
            max_results_bytes: 32 << 20,
            max_log_bytes: 1 << 20,
        }
    }
}

/// The local runner: commands of the operator, never of a caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Local {
    /// What it can build and test. Without any there is no local runner.
    pub recipes: Vec<Recipe>,
    /// Where it works; without it `local` under the state directory.
    pub work_dir: Option<PathBuf>,
    /// How many jobs run at a time; the others wait.
    pub max_jobs: usize,
}

impl Default for Local {
    fn default() -> Self {
        Self { recipes: Vec::new(), work_dir: None, max_jobs: 2 }
    }
}

/// What the local runner does for one kind of build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What a request asks for.
    pub name: String,
    /// What may be checked out, at least one: a URL or path exactly as a request writes it, or with a `/` at its end
    /// all that lies below it.
    pub trees: Vec<String>,
    /// Commands to build with, in order; each a program and its arguments, no shell.
    #[serde(default)]
    pub build: Vec<Vec<String>>,
    /// A command whose first line of output names the compiler, as in `["cc", "--version"]`; without it the compiler
    /// is not told.
    #[serde(default)]
    pub compiler: Vec<String>,
    /// The tests there are.
    #[serde(default)]
    pub test: Vec<TestRecipe>,
    /// The longest time for one command.
    #[serde(default = "recipe_timeout_s")]
    pub timeout_s: u64,
    /// How much of one job's log, and of one test's output, is kept.
    #[serde(default = "recipe_max_output_bytes")]
    pub max_output_bytes: usize,
}

/// One test of a [`Recipe`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestRecipe {
    /// What a request asks for.
    pub name: String,
    /// A program and its arguments; it writes TAP.
    pub command: Vec<String>,
}

fn recipe_timeout_s() -> u64 {
    3600
}

fn recipe_max_output_bytes() -> usize {
    1 << 20
}

words!(
    /// What becomes of a run whose agent was lost.
    OnLost, "word for what becomes of a lost run", {
        /// Its next attempt is planned.
        Retry = "retry",
        /// It ends, and is run again by who asks for it.
        Fail = "fail",
    }
);

/// Agents: programs in labs that ask for work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agents {
    /// How often an agent says that it lives while it has work.
    pub heartbeat_s: u64,
    /// How long after its last heartbeat an agent is lost.
    pub lease_s: u64,
    /// How long an agent waits for work with one request.
    pub poll_max_s: u64,
    /// What becomes of a run whose agent was lost.
    pub on_lost: OnLost,
    /// How often a run is attempted whose agents are lost.
    pub max_attempts: u32,
    /// How long a registration token is good where it does not say itself.
    pub registration_s: u64,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            heartbeat_s: 10,
            lease_s: 60,
            poll_max_s: 30,
            on_lost: OnLost::Retry,
            max_attempts: 3,
            registration_s: 3600,
        }
    }
}

/// How runs are dispatched, followed and given up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runs {
    /// How often a runner is asked to take a run before it is given up.
    pub max_tries: u32,
    /// The first pause after a refusal; it doubles.
    pub retry_base_s: u64,
    /// The longest pause.
    pub retry_max_s: u64,
    /// How long after its start a run is first asked about.
    pub poll_interval_s: u64,
    /// The longest pause between two questions.
    pub poll_max_interval_s: u64,
    /// How long a run may take; then what it planned and did not report is MISS.
    pub deadline_s: u64,
    /// How long a run past its deadline, or canceled, may still report.
    pub cancel_grace_s: u64,
    /// How often results are fetched before they are given up.
    pub collect_max_tries: u32,
    /// How many failures in a row open a runner's circuit breaker.
    pub breaker_failures: u32,
    /// How long it stays open.
    pub breaker_pause_s: u64,
    /// How long a worker holds what it has taken.
    pub lease_s: u64,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            max_tries: 12,
            retry_base_s: 2,
            retry_max_s: 600,
            poll_interval_s: 60,
            poll_max_interval_s: 600,
            deadline_s: 24 * 3600,
            cancel_grace_s: 3600,
            collect_max_tries: 8,
            breaker_failures: 5,
            breaker_pause_s: 60,
            lease_s: 120,
        }
    }
}

/// Where large attachments are kept: a folder, or a bucket that speaks S3.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Objects {
    /// `s3://BUCKET` or `s3://BUCKET/PREFIX`. Without it the folder `objects` in `server.state_dir` is used.
    pub bucket: Option<String>,
    /// The address of an S3-compatible service; Amazon's where it is left out.
    #[serde(with = "text::optional_url")]
    pub endpoint_url: Option<Url>,
    /// The bucket's region.
    pub region: String,
    /// The id of the access key.
    pub access_key_id: Option<String>,
    /// The access key. Without one, what the machine itself is allowed to do counts (an instance's role).
    #[serde(with = "text::secret")]
    pub secret_access_key: Option<SecretString>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            bucket: None,
            endpoint_url: None,
            region: "us-east-1".to_owned(),
            access_key_id: None,
            secret_access_key: None,
        }
    }
}
