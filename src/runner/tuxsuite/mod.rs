//! TuxSuite: builds kernels and boots and tests them in the cloud.
//!
//! `api` makes the calls and says what their answers mean; `artifacts` fetches what a finished job left. A build carries
//! a client token, so that asking again is harmless; a job of tests has none, so that one whose answer was lost is looked
//! for in the list of jobs, by the capability that its callback's URL ends in, which no other job has.

mod api;
mod artifacts;
mod door;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use crate::clock::Clock;
use crate::config::SignaturePolicy;
use crate::domain::address::AllowRule;
use crate::domain::observation::{Observation, Phase, Subject};
use crate::domain::run::RunRequest;
use crate::domain::tuxsuite::callback::{observe_build, observe_test, read_time};
use crate::domain::tuxsuite::request::{build_body, check_build, tests_body};
use crate::domain::tuxsuite::signature::PublicKey;
use crate::net::client::Client;
use crate::runner::tuxsuite::api::{Api, Failure, told_uid};
use crate::runner::tuxsuite::door::Door;
use crate::runner::wire::Effect;
use crate::runner::{Arrival, Collected, Job, Runner, RunnerError};

/// How many pages of the list of jobs are looked through for one. A page has 30 to 50 jobs.
const MAX_PAGES: usize = 20;

/// How far TuxSuite's clock may be behind ours.
const CLOCK_MARGIN: TimeDelta = TimeDelta::minutes(10);

/// The runner's name in requests, settings and logs.
pub const NAME: &str = "tuxsuite";

/// How TuxSuite is reached, and on whose behalf.
#[derive(Debug)]
pub struct TuxSuiteOptions {
    /// The API, without `/v1`: `https://tuxapi.tuxsuite.com`.
    pub api_url: Url,
    /// The token. Without one the calls go out without `Authorization`.
    pub token: Option<SecretString>,
    /// The group that jobs belong to.
    pub group: Option<String>,
    /// The project in the group.
    pub project: Option<String>,
    /// Where artifacts may be fetched from, besides the API's own host: `storage.tuxsuite.com`, `*.tuxsuite.com`.
    /// `https://` only, but for hosts that are listed without a wildcard.
    pub download_hosts: Vec<AllowRule>,
    /// For each call and each fetch as a whole.
    pub timeout: Duration,
    /// The longest results file that is read, in bytes.
    pub max_results_bytes: usize,
    /// How much of a log's end is fetched, in bytes.
    pub max_log_bytes: usize,
}

/// The adapter to TuxSuite.
#[derive(Debug)]
pub struct TuxSuite {
    api: Api,
    door: Door,
}

impl TuxSuite {
    /// An adapter that calls through `client` and takes callbacks by `signatures`. `key` is the group's public key, where
    /// the operator set it; otherwise [`TuxSuite::refresh_key`] asks for it.
    #[must_use]
    pub fn new(
        options: TuxSuiteOptions,
        signatures: SignaturePolicy,
        key: Option<PublicKey>,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { api: Api { options, client, clock }, door: Door::new(signatures, key) }
    }

    /// Asks TuxSuite for the group's public key, unless the operator set it or signatures are not looked at. What was
    /// known before stays known when TuxSuite cannot be asked.
    ///
    /// # Errors
    ///
    /// As [`TuxSuite::public_key`].
    pub async fn refresh_key(&self) -> Result<(), RunnerError> {
        if self.door.wants_key() && self.not_ready().is_none() {
            self.door.learn(self.public_key().await?);
        }
        Ok(())
    }

    /// The public key that signs the group's callbacks. `None` where there is none or the account may not see it, as
    /// community accounts may not.
    ///
    /// # Errors
    ///
    /// As the calls of the adapter; a key that is none is [`RunnerError::Refused`].
    pub async fn public_key(&self) -> Result<Option<PublicKey>, RunnerError> {
        let answer = match self.api.get(self.api.url(&["keys"])?).await {
            Err(Failure { status: Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), .. }) => return Ok(None),
            answer => answer?,
        };
        let Some(line) = answer.pointer("/ssh/pub").and_then(Value::as_str).filter(|line| !line.is_empty()) else {
            return Ok(None);
        };
        PublicKey::from_openssh(line)
            .map(Some)
            .map_err(|error| RunnerError::Refused(format!("the key that TuxSuite signs callbacks with is {error}")))
    }

    async fn submit_job(&self, job: &Job) -> Result<String, RunnerError> {
        let callback = Some(job.callback_url.as_str());
        let (body, effect) = match &job.request {
            RunRequest::Build(build) => {
                check_build(build).map_err(|error| RunnerError::Refused(error.to_string()))?;
                (build_body(build, job.client_token, callback), Effect::Repeatable)
            }
            RunRequest::Tests(tests) | RunRequest::Boot(tests) => (tests_body(tests, callback), Effect::Once),
            RunRequest::Jobs(_) => {
                return Err(RunnerError::Refused("TuxSuite runs tests by their names, and no commands".to_owned()));
            }
        };
        let url = self.api.url(&[list(job)])?;
        let answer =
            self.api.call(Method::POST, url, Some(&body), effect).await.map_err(|failure| match failure.status {
                Some(StatusCode::NOT_FOUND) => RunnerError::Refused(self.api.no_such_project()),
                _ => failure.error,
            })?;
        told_uid(&answer)
    }

    /// Looks through the list of jobs, newest first, until the job is found or the jobs are older than it.
    async fn find_job(&self, job: &Job) -> Result<Option<String>, RunnerError> {
        let oldest = job.first_asked_at - CLOCK_MARGIN;
        let token = job.client_token.to_string();
        // The service may have been asked at another address by then: what comes before the capability is not looked at.
        let capability = job.callback_url.path().rsplit_once('/').map(|(_, capability)| capability);
        let is_it = |entry: &Value| {
            let told = |key: &str| entry.get(key).and_then(Value::as_str);
            let last = told("callback").and_then(|url| url.rsplit_once('/')).map(|(_, last)| last);
            told("client_token") == Some(&token) || (last.is_some() && last == capability)
        };
        let mut url = self.api.url(&[list(job)])?;
        for _ in 0..MAX_PAGES {
            let page = self.api.get(url.clone()).await.map_err(|failure| match failure.status {
                Some(StatusCode::NOT_FOUND) => RunnerError::Refused(self.api.no_such_project()),
                _ => failure.error,
            })?;
            let Some(entries) = page.get("results").and_then(Value::as_array) else {
                return Err(RunnerError::Unclear("TuxSuite's list of jobs has no `results`".to_owned()));
            };
            if let Some(found) = entries.iter().find(|entry| is_it(entry)) {
                return told_uid(found).map(Some);
            }
            let is_older = |entry: &Value| {
                entry.get("provisioning_time").and_then(Value::as_str).and_then(read_time).is_some_and(|at| at < oldest)
            };
            let next = page.get("next").and_then(Value::as_str).filter(|next| !next.is_empty());
            match next {
                Some(next) if !entries.iter().any(is_older) => {
                    url.query_pairs_mut().clear().append_pair("start", next);
                }
                _ => return Ok(None),
            }
        }
        Err(RunnerError::Unclear(format!(
            "TuxSuite's {MAX_PAGES} newest pages of jobs are all newer than the run: it may be among older ones"
        )))
    }

    async fn poll_job(&self, job: &Job) -> Result<Observation, RunnerError> {
        let uid = uid(job)?;
        let answer = self.api.get(self.api.url(&[list(job), uid])?).await.map_err(|failure| failure.about(uid))?;
        let observation = match job.request.kind().subject() {
            Subject::Build => observe_build(&answer),
            Subject::Tests => observe_test(&answer),
        };
        let observation = observation
            .map_err(|error| RunnerError::Unclear(format!("TuxSuite's answer about {uid} is odd: {error}")))?;
        if observation.uid != uid {
            let other = observation.uid;
            return Err(RunnerError::Unclear(format!("TuxSuite was asked about {uid} and answered about {other}")));
        }
        Ok(observation)
    }

    async fn cancel_job(&self, job: &Job) -> Result<(), RunnerError> {
        let uid = uid(job)?;
        let url = self.api.url(&[list(job), uid, "cancel"])?;
        let refused = match self.api.call(Method::POST, url, Some(&json!({})), Effect::Repeatable).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure.about(uid),
        };
        // How TuxSuite answers for a job that is over is not documented.
        let is_over = matches!(refused, RunnerError::Refused(_))
            && self.poll_job(job).await.is_ok_and(|seen| seen.phase == Phase::Finished);
        if is_over { Ok(()) } else { Err(refused) }
    }
}

/// The list that the job is in.
fn list(job: &Job) -> &'static str {
    match job.request.kind().subject() {
        Subject::Build => "builds",
        Subject::Tests => "tests",
    }
}

fn uid(job: &Job) -> Result<&str, RunnerError> {
    job.uid.as_deref().ok_or_else(|| RunnerError::Unknown(format!("{} is not known to be at TuxSuite", job.run)))
}

impl Runner for TuxSuite {
    fn name(&self) -> &str {
        NAME
    }

    fn not_ready(&self) -> Option<String> {
        let options = &self.api.options;
        let missing: Vec<&str> = [
            ("TUXSUITE_TOKEN", options.token.is_none()),
            ("TUXSUITE_GROUP", options.group.is_none()),
            ("TUXSUITE_PROJECT", options.project.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, missing)| missing.then_some(name))
        .collect();
        (!missing.is_empty()).then(|| format!("TuxSuite cannot be called: set {}", missing.join(", ")))
    }

    fn authenticate(&self, arrival: &Arrival<'_>) -> Result<bool, String> {
        self.door.authenticate(arrival)
    }

    fn read_callback(&self, body: &[u8], _: Subject) -> Result<Observation, String> {
        door::read(body)
    }

    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<String, RunnerError>> {
        Box::pin(self.submit_job(job))
    }

    fn submit_is_idempotent(&self, job: &Job) -> bool {
        matches!(job.request, RunRequest::Build(_))
    }

    fn find<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Option<String>, RunnerError>> {
        Box::pin(self.find_job(job))
    }

    fn poll<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Observation, RunnerError>> {
        Box::pin(self.poll_job(job))
    }

    fn cancel<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(self.cancel_job(job))
    }

    fn collect<'a>(
        &'a self,
        job: &'a Job,
        observation: &'a Observation,
    ) -> BoxFuture<'a, Result<Collected, RunnerError>> {
        Box::pin(self.api.collect(job, observation))
    }
}
