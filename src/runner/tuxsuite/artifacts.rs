//! What a finished job left in TuxSuite's storage: results and logs.
//!
//! The address comes with the job's object, which a callback may have brought. So only hosts that the operator lists are
//! asked, and the token goes along only to private storage, never over an open wire to another place than the API.

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION};
use url::{Host, Url};

use crate::domain::address::AllowRule;
use crate::domain::observation::{Observation, Subject};
use crate::domain::run::RunRequest;
use crate::domain::tuxsuite::{excerpt, results};
use crate::net::client::{Destination, Keep, Request, Response};
use crate::runner::tuxsuite::api::Api;
use crate::runner::wire::{Effect, lost};
use crate::runner::{Collected, Job, RunnerError};

/// How often storage may send us on to another place.
const MAX_HOPS: usize = 3;

impl Api {
    /// Fetches a job's results and the end of its log. What is not there is left out; a log that cannot be fetched is
    /// left out too.
    pub(super) async fn collect(&self, job: &Job, observation: &Observation) -> Result<Collected, RunnerError> {
        let Some(folder) = &observation.download_url else { return Ok(Collected::default()) };
        let folder = Url::parse(folder)
            .map_err(|error| RunnerError::Refused(format!("TuxSuite's download_url is no URL: {error}")))?;
        let mut collected = Collected::default();
        let log = match job.request.kind().subject() {
            Subject::Build => artifact(&folder, "build.log")?,
            Subject::Tests => {
                self.collect_results(&folder, &job.request, &mut collected).await?;
                let log = artifact(&folder, "logs.txt")?;
                collected.log_url = Some(log.to_string());
                log
            }
        };
        match self.fetch(log, self.options.max_log_bytes, Keep::Tail).await {
            Ok(text) => {
                collected.log_excerpt = text.and_then(|text| excerpt(&String::from_utf8_lossy(&text.body)));
            }
            Err(error) => {
                tracing::warn!(run = %job.run, cause = %error, "the log of a finished job could not be fetched");
            }
        }
        Ok(collected)
    }

    async fn collect_results(
        &self,
        folder: &Url,
        request: &RunRequest,
        collected: &mut Collected,
    ) -> Result<(), RunnerError> {
        let url = artifact(folder, "results.json")?;
        // A callback may be faster than the storage: a file that is not there yet, or only half, may be there later.
        let not_yet = |message: String| RunnerError::Unavailable { message, retry_after: None };
        let Some(file) = self.fetch(url, self.options.max_results_bytes, Keep::Head).await? else {
            return Err(not_yet("TuxSuite's storage has no results.json for it".to_owned()));
        };
        let mut files = results::read(&file.body)
            .map_err(|error| not_yet(format!("TuxSuite's results.json cannot be read: {error}")))?;
        if let RunRequest::Tests(asked) = request {
            for test in &asked.tests {
                if let Some(step) = files.steps.remove(test) {
                    files.tests.entry(test.clone()).or_insert(step);
                }
            }
        }
        collected.tests = files.tests;
        collected.boot = files.boot;
        Ok(())
    }

    /// Fetches one file; `None` where there is none.
    async fn fetch(&self, mut url: Url, max_bytes: usize, keep: Keep) -> Result<Option<Response>, RunnerError> {
        for _ in 0..=MAX_HOPS {
            let request = Request {
                headers: self.credentials(&url)?,
                timeout: self.options.timeout,
                max_bytes,
                keep,
                destination: self.check_place(&url)?,
                ..Request::get(url.clone())
            };
            let response = self.client.send(request).await.map_err(|error| lost("TuxSuite", &error, Effect::None))?;
            let message = || format!("TuxSuite's storage answered {} for {}", response.status, url.path());
            if response.status.is_redirection() {
                let place = response.headers.get(LOCATION).and_then(|place| place.to_str().ok());
                let place = place.and_then(|place| url.join(place).ok());
                url = place.ok_or_else(|| RunnerError::Refused(format!("{} without a place to go to", message())))?;
                continue;
            }
            return match response.status {
                StatusCode::OK => Ok(Some(response)),
                StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
                StatusCode::UNAUTHORIZED => Err(RunnerError::Refused(format!("{}. Check TUXSUITE_TOKEN", message()))),
                status if status.is_server_error() || matches!(status.as_u16(), 408 | 429) => {
                    Err(self.unavailable(message(), &response.headers))
                }
                _ => Err(RunnerError::Refused(message())),
            };
        }
        Err(RunnerError::Refused(format!("TuxSuite's storage sends us on more than {MAX_HOPS} times")))
    }

    /// Whether the place may be asked, and who named it: the API's own origin is the operator's word.
    fn check_place(&self, url: &Url) -> Result<Destination, RunnerError> {
        let refused = |why: &str| {
            let host = url.host_str().unwrap_or_default();
            Err(RunnerError::Refused(format!("artifacts are not fetched from `{}://{host}`: {why}", url.scheme())))
        };
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return refused("it is no address of a web server");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refused("the address holds a user or a password");
        }
        if self.is_own(url) {
            return Ok(Destination::Configured);
        }
        let mut matching = self.options.download_hosts.iter().filter(|rule| names(rule, &host, port)).peekable();
        if matching.peek().is_none() {
            return refused("the host is not in the setting of download hosts");
        }
        match url.scheme() {
            "https" => Ok(Destination::Named),
            "http" if matching.any(is_exact) => Ok(Destination::Named),
            _ => refused("it is not https, and the host is not listed by its full name"),
        }
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.options.api_url.origin()
    }

    /// The token, where the place is private storage and the wire is closed or the API's own.
    fn credentials(&self, url: &Url) -> Result<HeaderMap, RunnerError> {
        let is_private = url.path().starts_with("/private/");
        let token =
            if is_private && (url.scheme() == "https" || self.is_own(url)) { self.authorization()? } else { None };
        Ok(HeaderMap::from_iter(token.map(|token| (AUTHORIZATION, token))))
    }
}

/// The address of a file in the folder. A query would swallow the file's name: it goes.
fn artifact(folder: &Url, name: &str) -> Result<Url, RunnerError> {
    let mut url = folder.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.path_segments_mut()
        .map_err(|()| RunnerError::Refused("TuxSuite's download_url is no web address".to_owned()))?
        .pop_if_empty()
        .push(name);
    Ok(url)
}

fn names(rule: &AllowRule, host: &Host<&str>, port: u16) -> bool {
    match host {
        Host::Domain(name) => rule.matches_host(name, port),
        Host::Ipv4(address) => rule.matches_address((*address, port).into()),
        Host::Ipv6(address) => rule.matches_address((*address, port).into()),
    }
}

/// Whether the rule names one host, and not all below a name.
fn is_exact(rule: &AllowRule) -> bool {
    match rule {
        AllowRule::Host { pattern, .. } => !pattern.starts_with('*'),
        AllowRule::Net(_) | AllowRule::Socket(_) => true,
    }
}
