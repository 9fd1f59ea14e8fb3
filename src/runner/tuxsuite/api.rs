//! Calls to TuxSuite's API, and what their answers mean.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;

use crate::clock::Clock;
use crate::net::client::{Client, Destination, Keep, Request, Response, retry_after};
use crate::runner::RunnerError;
use crate::runner::tuxsuite::TuxSuiteOptions;
use crate::runner::wire::{Effect, lost, reason, shortened};

/// The longest answer that is read: a page of 50 builds with all that is told of each.
const MAX_ANSWER: usize = 8 << 20;

/// A call that brought nothing.
#[derive(Debug)]
pub(super) struct Failure {
    /// The answer's status, if there was an answer.
    pub(super) status: Option<StatusCode>,
    /// What the failure means.
    pub(super) error: RunnerError,
}

impl Failure {
    /// What the failure means for a call about one job: with 404 TuxSuite does not know it.
    pub(super) fn about(self, uid: &str) -> RunnerError {
        match self.status {
            Some(StatusCode::NOT_FOUND) => RunnerError::Unknown(format!("TuxSuite knows no job {uid}")),
            _ => self.error,
        }
    }
}

impl From<Failure> for RunnerError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The API, as one project's.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) options: TuxSuiteOptions,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
}

impl Api {
    /// A URL below the project's: `/v1/groups/G/projects/P/…`.
    pub(super) fn url(&self, below: &[&str]) -> Result<Url, RunnerError> {
        let (Some(group), Some(project)) = (&self.options.group, &self.options.project) else {
            let message = "set TUXSUITE_GROUP and TUXSUITE_PROJECT: TuxSuite's jobs belong to a project of a group";
            return Err(RunnerError::Refused(message.to_owned()));
        };
        let mut url = self.options.api_url.clone();
        url.path_segments_mut()
            .map_err(|()| RunnerError::Refused("TUXAPI_URL must be an http:// or https:// URL".to_owned()))?
            .pop_if_empty()
            .extend(["v1", "groups", group, "projects", project])
            .extend(below);
        Ok(url)
    }

    /// Words for a project that TuxSuite does not know.
    pub(super) fn no_such_project(&self) -> String {
        let name = |setting: &Option<String>| setting.clone().unwrap_or_default();
        let (group, project) = (name(&self.options.group), name(&self.options.project));
        format!("TuxSuite knows no project {group}/{project}: check TUXSUITE_GROUP and TUXSUITE_PROJECT")
    }

    /// Reads a document.
    pub(super) async fn get(&self, url: Url) -> Result<Value, Failure> {
        self.call(Method::GET, url, None, Effect::None).await
    }

    /// Makes one call. A 2xx with JSON is success.
    pub(super) async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        effect: Effect,
    ) -> Result<Value, Failure> {
        let mut headers = HeaderMap::from_iter(self.authorization()?.map(|token| (AUTHORIZATION, token)));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = Request {
            method,
            url,
            headers,
            body: body.map(|body| Bytes::from(body.to_string())),
            timeout: self.options.timeout,
            max_bytes: MAX_ANSWER,
            destination: Destination::Configured,
            keep: Keep::Head,
        };
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| Failure { status: None, error: lost("TuxSuite", &error, effect) })?;
        for (name, value) in &response.headers {
            if name.as_str().starts_with("x-tuxsuite-warning") {
                tracing::warn!(warning = %String::from_utf8_lossy(value.as_bytes()), "TuxSuite warns");
            }
        }
        self.judge(&response, effect).map_err(|error| Failure { status: Some(response.status), error })
    }

    /// The header that the token is sent in: bare, without a scheme's word.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(token) = &self.options.token else { return Ok(None) };
        let mut value = HeaderValue::from_str(token.expose_secret().trim()).map_err(|_| Failure {
            status: None,
            error: RunnerError::Refused("TUXSUITE_TOKEN holds letters that a token cannot have".to_owned()),
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn judge(&self, response: &Response, effect: Effect) -> Result<Value, RunnerError> {
        let status = response.status;
        if status.is_success() {
            return serde_json::from_slice(&response.body)
                .map_err(|error| RunnerError::Unclear(format!("TuxSuite answered {status} without JSON: {error}")));
        }
        let message = format!("TuxSuite answered {status}: {}", reason(&response.body, &["error", "status_message"]));
        match status.as_u16() {
            // Not about the job: an operator can mend it while the job waits.
            401 => Err(self.unavailable(format!("{message}. Check TUXSUITE_TOKEN"), &response.headers)),
            // A server or gateway that failed half-way may have started the job; 503 is TuxSuite's word for "later".
            408 | 500..=502 | 504..=599 if effect == Effect::Once => Err(RunnerError::Unclear(message)),
            408 | 413 | 429 | 500..=599 => Err(self.unavailable(message, &response.headers)),
            _ => Err(RunnerError::Refused(message)),
        }
    }

    /// A refusal for now, for as long as the answer asks.
    pub(super) fn unavailable(&self, message: String, headers: &HeaderMap) -> RunnerError {
        RunnerError::Unavailable { message, retry_after: retry_after(headers, self.clock.now()) }
    }
}

/// The uid in an answer that is a job or a list of one.
pub(super) fn told_uid(answer: &Value) -> Result<String, RunnerError> {
    let job = answer.get(0).unwrap_or(answer);
    match job.get("uid").and_then(Value::as_str).filter(|uid| !uid.is_empty()) {
        Some(uid) => Ok(uid.to_owned()),
        None => Err(RunnerError::Unclear(format!("TuxSuite's answer names no uid: {}", shortened(&job.to_string())))),
    }
}
