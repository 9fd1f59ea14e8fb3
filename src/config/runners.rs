//! The tree of settings: runners that are wholly made of settings, by HTTP requests or by a program.
//!
//! Their secrets are named here and stand in the environment, so that a settings file holds none: `secrets = { lab =
//! "LAB_TOKEN" }` is the secret `lab`, which `LAB_TOKEN` holds or `LAB_TOKEN_FILE` names the file of.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::domain::observation::Phase;
use crate::domain::run::RunKind;
use crate::domain::status::Status;

/// Runners beside TuxSuite and the local one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runners {
    /// Those that are spoken to by HTTP.
    pub http: Vec<HttpRunner>,
    /// Those that are a program of the operator's.
    pub subprocess: Vec<SubprocessRunner>,
}

/// The secrets of a runner, by the name that its templates use, once they were read. They are not written out.
#[derive(Clone, Debug, Default)]
pub struct Secrets(pub BTreeMap<String, SecretString>);

impl Secrets {
    /// The secrets by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, secret)| (name.as_str(), secret.expose_secret()))
    }

    /// One secret.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(SecretString::expose_secret)
    }
}

/// A runner that is spoken to by HTTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRunner {
    /// Its name in requests, in the URL of its callbacks and in logs.
    pub name: String,
    /// What kinds of runs it takes; the others are refused.
    #[serde(default = "all_kinds")]
    pub kinds: Vec<RunKind>,
    /// The names in the environment of its secrets, by the names that templates use.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The secrets themselves.
    #[serde(skip)]
    pub known: Secrets,
    /// Headers of all requests; templates.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The secrets that requests are signed with by Standard Webhooks; without any they are not signed.
    #[serde(default)]
    pub sign_with: Vec<String>,
    /// Whether asking again with the same token starts nothing twice.
    #[serde(default)]
    pub idempotent: bool,
    /// The longest time for one request.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// The longest answer that is read.
    #[serde(default = "max_answer_bytes")]
    pub max_answer_bytes: usize,
    /// Its words for how far a job is.
    #[serde(default)]
    pub phases: BTreeMap<String, Phase>,
    /// Its words for what came of a test or a job.
    #[serde(default)]
    pub statuses: BTreeMap<String, Status>,
    /// Where things stand in its answers, where a request does not say otherwise.
    #[serde(default)]
    pub answer: HttpAnswer,
    /// How it is asked to start a job.
    pub submit: HttpRequest,
    /// How a job is looked for whose submission had no clear answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<HttpRequest>,
    /// How it is asked how far a job is.
    pub poll: HttpRequest,
    /// How it is asked to stop a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<HttpRequest>,
    /// How the results of a finished job are fetched, where callbacks and polls do not tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collect: Option<HttpRequest>,
    /// How the log of a finished job is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<HttpRequest>,
    /// How its callbacks are read.
    #[serde(default)]
    pub callback: HttpCallback,
}

/// One request of an HTTP runner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// The method; POST where there is a body, else GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where to; a template.
    pub url: String,
    /// Headers; templates. They take the place of those of all requests.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; a template. JSON, unless a header `content-type` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Where things stand in its answer, in the place of the runner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<HttpAnswer>,
}

/// Callbacks of an HTTP runner.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpCallback {
    /// The secrets that it signs with by Standard Webhooks; with any, a callback that none of them signed is refused.
    pub secrets: Vec<String>,
    /// Where things stand in a callback, in the place of the runner's `answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<HttpAnswer>,
}

/// JSON pointers to what an answer tells.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpAnswer {
    /// The runner's id of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The word for how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The word for what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// How many seconds it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<String>,
    /// The machine that it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The folder of its artifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_url: Option<String>,
    /// Where its log lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_url: Option<String>,
    /// The facts of a build, by their names.
    pub build: BTreeMap<String, String>,
    /// The results of tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<HttpResults>,
}

/// JSON pointers to results.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpResults {
    /// The list of results, or the map of results by name.
    pub at: String,
    /// In a result of a list, its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In a result, the word for what came of it; the result itself where it is left out.
    #[serde(default)]
    pub status: String,
    /// In a result, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In a result, how many seconds it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<String>,
    /// In a result, its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// In a result, the cases inside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<String>,
}

/// A runner that is a program of the operator's: it gets JSON and answers with lines of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubprocessRunner {
    /// Its name in requests, in the URL of its callbacks and in logs.
    pub name: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What kinds of runs it takes; the others are refused.
    #[serde(default = "all_kinds")]
    pub kinds: Vec<RunKind>,
    /// Its environment, besides `PATH`, `HOME` and `LANG`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The names in our environment of secrets, by the names that they have in the program's.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The secrets themselves.
    #[serde(skip)]
    pub known: Secrets,
    /// Where it works; without it `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<std::path::PathBuf>,
    /// Whether asking it again with the same token starts nothing twice.
    #[serde(default)]
    pub idempotent: bool,
    /// The longest time for one call.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// How many of it may run at a time.
    #[serde(default = "max_jobs")]
    pub max_jobs: usize,
    /// The longest answer that is read.
    #[serde(default = "max_answer_bytes")]
    pub max_answer_bytes: usize,
}

fn all_kinds() -> Vec<RunKind> {
    use crate::domain::words::Word as _;
    RunKind::ALL.to_vec()
}

fn timeout_s() -> u64 {
    30
}

fn max_answer_bytes() -> usize {
    8 << 20
}

fn max_jobs() -> usize {
    4
}

impl Runners {
    /// Reads the secrets. `read` answers the value of a name in the environment, of its file where that is named.
    ///
    /// # Errors
    /// Each secret that cannot be read, in words.
    pub(super) fn read_secrets(
        &mut self,
        read: impl Fn(&str) -> Result<Option<SecretString>, String>,
    ) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        let http = self.http.iter_mut().map(|it| ("http", &it.name, &it.secrets, &mut it.known));
        let program = self.subprocess.iter_mut().map(|it| ("subprocess", &it.name, &it.secrets, &mut it.known));
        for (kind, runner, names, known) in http.chain(program) {
            for (secret, name) in names {
                match read(name) {
                    Ok(Some(value)) => {
                        known.0.insert(secret.clone(), value);
                    }
                    Ok(None) => problems.push(format!(
                        "runners.{kind}: `{runner}`: the secret `{secret}` is read from the environment, and neither {name} \
                         nor {name}_FILE is set there"
                    )),
                    Err(why) => problems.push(format!("runners.{kind}: `{runner}`: the secret `{secret}`: {why}")),
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}
