//! The tree of settings: the service itself. What it talks to is in `services`.
//!
//! Durations are whole seconds and end in `_s`, sizes are bytes and end in `_bytes`. Writing a [`Settings`] out is for
//! people: secrets come out as `<set>`, so what was written does not read back as the same settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::database_url::{self, DatabaseKind};
use super::queue::Queue;
use super::runners::Runners;
use super::services::{Agents, Kcidb, Local, Objects, Runs, TuxSuite};
use super::text;
use crate::domain::address::AllowRule;
use crate::domain::words::words;

/// All settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The HTTP server.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// Who may call.
    pub access: Access,
    /// Where fetches may go.
    pub outbound: Outbound,
    /// Logs.
    pub log: Log,
    /// The KCIDB sink.
    pub kcidb: Kcidb,
    /// The `TuxSuite` runner.
    pub tuxsuite: TuxSuite,
    /// The local runner.
    pub local: Local,
    /// Runners that are made of settings.
    pub runners: Runners,
    /// Agents: programs in labs that ask for work.
    pub agents: Agents,
    /// How runs are dispatched, followed and given up.
    pub runs: Runs,
    /// Whose turn it is at a runner.
    pub queue: Queue,
    /// Callbacks that match no run.
    pub callbacks: Callbacks,
    /// The KCIDB door in: `/submit`, `/status`, `/authtest`.
    pub intake: Intake,
    /// The writer that groups commits.
    pub writer: Writer,
    /// The catalogue of tests.
    pub catalogue: Catalogue,
    /// Where large attachments and artifacts are kept.
    pub objects: Objects,
    /// The logs of runs.
    pub logs: Logs,
    /// The files that runs leave behind.
    pub artifacts: Artifacts,
}

/// The HTTP server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address to listen on. Port 0 picks a free one.
    pub listen: SocketAddr,
    /// The address that others reach this service by; callback URLs begin with it, never with a `Host` header.
    #[serde(with = "text::optional_url")]
    pub public_url: Option<Url>,
    /// Origins that browsers may call from; `*` alone means all.
    pub cors_origins: Vec<String>,
    /// The longest request body, where a door sets no limit of its own.
    pub max_body_bytes: usize,
    /// The longest time for one request.
    pub request_timeout_s: u64,
    /// The most event streams and long polls that are open at once.
    pub max_event_streams: usize,
    /// How long requests and work may take to finish once a stop was asked for.
    pub shutdown_timeout_s: u64,
    /// Where the service keeps its files.
    pub state_dir: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            cors_origins: Vec::new(),
            max_body_bytes: 2 << 20,
            request_timeout_s: 30,
            max_event_streams: 200,
            shutdown_timeout_s: 25,
            state_dir: PathBuf::from(super::surroundings::SYSTEM_STATE_DIR),
        }
    }
}

/// The database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`; [`super::load()`] has brought every other spelling to these two.
    #[serde(serialize_with = "masked_database_url", deserialize_with = "text::deserialize_secret")]
    pub url: SecretString,
    /// The most connections in the pool.
    pub max_connections: u32,
    /// A PEM file with the authority that signed the PostgreSQL server's certificate.
    pub ca_cert: Option<PathBuf>,
}

impl Default for Database {
    fn default() -> Self {
        let state_dir = Path::new(super::surroundings::SYSTEM_STATE_DIR);
        Self { url: SecretString::from(database_url::default_for(state_dir)), max_connections: 16, ca_cert: None }
    }
}

impl Database {
    /// Which database it is.
    ///
    /// # Errors
    ///
    /// A sentence that says which URLs there are, without the URL.
    pub fn kind(&self) -> Result<DatabaseKind, String> {
        DatabaseKind::of(self.url.expose_secret())
    }

    /// The URL to connect with: [`Database::url`] with `ca_cert` as its `sslrootcert`, which also asks for
    /// `sslmode=verify-full` where the URL asks for no mode.
    #[must_use]
    pub fn connect_url(&self) -> SecretString {
        match &self.ca_cert {
            Some(ca_cert) => SecretString::from(database_url::with_ca_cert(self.url.expose_secret(), ca_cert)),
            None => self.url.clone(),
        }
    }
}

fn masked_database_url<S: Serializer>(url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&database_url::masked(url.expose_secret()))
}

/// Who may call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// No token is asked for, on whatever address the service listens.
    pub open: bool,
    /// The tokens that are accepted. Without any, only loopback is served.
    pub tokens: Vec<Token>,
}

words!(
    /// What a token allows. Each scope includes those before it.
    Scope, "scope", {
        /// Read everything.
        Read = "read",
        /// Submit builds, tests and results.
        Submit = "submit",
        /// Retry, cancel, replay deliveries.
        Operate = "operate",
        /// Everything.
        Admin = "admin",
    }
);

impl Scope {
    /// Whether this scope allows what asks for `needed`.
    #[must_use]
    pub fn includes(self, needed: Self) -> bool {
        self >= needed
    }
}

/// A bearer token that is accepted. Only its hash is known.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who holds it; stands in the logs.
    pub name: String,
    /// SHA-256 of the token, 64 hexadecimal digits.
    #[serde(serialize_with = "hidden")]
    pub sha256: String,
    /// What it allows.
    pub scope: Scope,
    /// The highest priority that it may ask for.
    #[serde(default = "default_max_priority")]
    pub max_priority: i64,
}

fn default_max_priority() -> i64 {
    100
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("scope", &self.scope).finish_non_exhaustive()
    }
}

fn hidden<S: Serializer>(_: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text::SET)
}

/// Where fetches may go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// What fetches named by callers may reach although it is private.
    pub allow: Vec<AllowRule>,
}

words!(
    /// How log lines are written.
    LogFormat, "log format", {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
);

/// Logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines are written.
    pub format: LogFormat,
    /// Which lines are written, in the language of `RUST_LOG`: `info,testyard::work=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Callbacks that match no run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// How long they are kept.
    pub unknown_retention_s: u64,
    /// How many are kept.
    pub max_unknown: u32,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self { unknown_retention_s: 7 * 24 * 3600, max_unknown: 10_000 }
    }
}

/// The KCIDB door in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intake {
    /// Whether there is such a door.
    pub enabled: bool,
    /// The HS256 secret of the JWTs that are accepted (kcidb-restd's `JWT_SECRET`).
    #[serde(with = "text::secret")]
    pub jwt_secret: Option<SecretString>,
    /// A second secret, tried when the first does not fit (kcidb-restd's `UNIFIED_SECRET`).
    #[serde(with = "text::secret")]
    pub second_jwt_secret: Option<SecretString>,
    /// The longest submission.
    pub max_body_bytes: usize,
}

impl Default for Intake {
    fn default() -> Self {
        Self { enabled: true, jwt_secret: None, second_jwt_secret: None, max_body_bytes: 64 << 20 }
    }
}

/// The writer that groups commits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Writer {
    /// How many writes may wait; past that requests get 503.
    pub queue: usize,
    /// The most writes in one commit.
    pub batch: usize,
    /// How many commits may run side by side on PostgreSQL. SQLite has one writer.
    pub writers: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { queue: 1024, batch: 256, writers: 3 }
    }
}

/// The catalogue of tests.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Catalogue {
    /// The most items that it holds.
    pub max_items: u32,
    /// The longest attachment.
    pub max_attachment_bytes: u64,
    /// The longest attachment that is kept in the database; longer ones go to the object store.
    pub inline_bytes: usize,
    /// The most bytes that an import or a list of changes may have, unpacked.
    pub max_import_bytes: u64,
    /// The longest time for a request that carries an import, an export or an attachment.
    pub transfer_timeout_s: u64,
    /// How long an attachment is kept that no item names.
    pub orphan_retention_s: u64,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            max_items: 200_000,
            max_attachment_bytes: 256 << 20,
            inline_bytes: 64 << 10,
            max_import_bytes: 1 << 30,
            transfer_timeout_s: 600,
            orphan_retention_s: 24 * 3600,
        }
    }
}

/// The logs of runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logs {
    /// How many bytes of text of one log are kept; what comes after is counted.
    pub max_bytes: u64,
    /// How many of its lines.
    pub max_lines: u64,
}

impl Default for Logs {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_lines: 1_000_000 }
    }
}

/// The files that runs leave behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Artifacts {
    /// The longest artifact.
    pub max_bytes: u64,
    /// How many bytes the artifacts of one run have at most, all together.
    pub max_run_bytes: u64,
    /// How many artifacts one run has at most.
    pub max_files: u64,
}

impl Default for Artifacts {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_run_bytes: 1 << 30, max_files: 1_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_includes_those_before_it() {
        use crate::domain::words::Word as _;
        for (place, scope) in Scope::ALL.iter().enumerate() {
            for (other_place, other) in Scope::ALL.iter().enumerate() {
                assert_eq!(scope.includes(*other), other_place <= place, "{scope} {other}");
            }
        }
    }
}
