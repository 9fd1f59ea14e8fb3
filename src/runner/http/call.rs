//! One request of an HTTP runner: filled in, signed, sent, and what its answer means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::Operation;
use crate::clock::Clock;
use crate::config::{HttpCall, HttpPlan, HttpRunner};
use crate::domain::adapter::template::{Context, Form, TemplateError};
use crate::domain::webhook::{self, Key};
use crate::net::client::{Client, Destination, Keep, Request, Response, retry_after};
use crate::runner::wire::{Effect, lost, reason};
use crate::runner::{Job, RunnerError};

/// Where answers say why: the names that services use, the problem document's among them.
const REASONS: [&str; 5] = ["detail", "message", "error", "reason", "title"];

/// A call that brought nothing.
#[derive(Debug)]
pub(super) struct Failure {
    status: Option<StatusCode>,
    error: RunnerError,
}

impl Failure {
    /// Whether the runner says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// What the failure means for a call about one job.
    pub(super) fn about(self, runner: &str, uid: &str) -> RunnerError {
        if self.is_not_found() { RunnerError::Unknown(format!("`{runner}` knows no job {uid}")) } else { self.error }
    }
}

impl From<RunnerError> for Failure {
    fn from(error: RunnerError) -> Self {
        Self { status: None, error }
    }
}

impl From<Failure> for RunnerError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What makes calls to one runner.
#[derive(Debug)]
pub(super) struct Calls {
    name: String,
    timeout: Duration,
    max_bytes: usize,
    sign_with: Vec<Key>,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl Calls {
    pub(super) fn new(settings: &HttpRunner, plan: &HttpPlan, client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: settings.name.clone(),
            timeout: Duration::from_secs(settings.timeout_s),
            max_bytes: settings.max_answer_bytes,
            sign_with: plan.sign_with.clone(),
            client,
            clock,
        }
    }

    /// Makes a call; a 2xx is success.
    pub(super) async fn send(
        &self,
        operation: Operation,
        call: &HttpCall,
        job: &Job,
        context: &Context,
        effect: Effect,
    ) -> Result<Response, Failure> {
        let request = self.request(operation, call, job, context)?;
        let answered = self.client.send(request).await;
        let response = answered.map_err(|error| Failure::from(lost(&format!("`{}`", self.name), &error, effect)))?;
        match self.judge(&response, effect) {
            None => Ok(response),
            Some(error) => Err(Failure { status: Some(response.status), error }),
        }
    }

    /// Fetches the end of a text.
    pub(super) async fn fetch(
        &self,
        call: &HttpCall,
        job: &Job,
        context: &Context,
        max_bytes: usize,
    ) -> Result<Bytes, Failure> {
        let request = self.request(Operation::Log, call, job, context)?;
        let answered = self.client.send(Request { max_bytes, keep: Keep::Tail, ..request }).await;
        let response =
            answered.map_err(|error| Failure::from(lost(&format!("`{}`", self.name), &error, Effect::None)))?;
        match self.judge(&response, Effect::None) {
            None => Ok(response.body),
            Some(error) => Err(Failure { status: Some(response.status), error }),
        }
    }

    fn request(
        &self,
        operation: Operation,
        call: &HttpCall,
        job: &Job,
        context: &Context,
    ) -> Result<Request, RunnerError> {
        let (name, what) = (&self.name, operation.name());
        let refused = |place: &str, error: &TemplateError| {
            RunnerError::Refused(format!("the {what}'s {place} of `{name}` cannot be filled in for this run: {error}"))
        };
        let url = call.url.url(context).map_err(|error| refused("URL", &error))?;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let body = match &call.body {
            None => None,
            Some((template, Form::Json)) => Some(template.json(context)),
            Some((template, _)) => Some(template.text(context)),
        };
        let body = body.transpose().map_err(|error| refused("body", &error))?.map(Bytes::from);
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (header, template) in &call.headers {
            let value = template.text(context).map_err(|error| refused(&format!("header `{header}`"), &error))?;
            headers.insert(header.clone(), self.header(header.as_str(), value.trim())?);
        }
        self.sign(operation, job, body.as_deref().unwrap_or_default(), &mut headers)?;
        Ok(Request {
            method: call.method.clone(),
            url,
            headers,
            body,
            timeout: self.timeout,
            max_bytes: self.max_bytes,
            destination: Destination::Configured,
            keep: Keep::Head,
        })
    }

    /// Any of them may hold a secret.
    fn header(&self, header: &str, value: &str) -> Result<HeaderValue, RunnerError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            let name = &self.name;
            RunnerError::Refused(format!("the header `{header}` for `{name}` comes to letters that no header can have"))
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Signs by Standard Webhooks. A submission has one id however often it is repeated: it is what a lab may tell
    /// repetitions by. Other calls are messages of their own.
    fn sign(&self, operation: Operation, job: &Job, body: &[u8], headers: &mut HeaderMap) -> Result<(), RunnerError> {
        let now = self.clock.now();
        let id = match operation {
            Operation::Submit => format!("msg_{}", job.client_token),
            _ => format!("msg_{}_{}_{}", job.client_token, operation.name(), now.timestamp_micros()),
        };
        if let Some(signature) = webhook::sign(&self.sign_with, &id, now, body) {
            let signed =
                [(webhook::ID, id), (webhook::TIMESTAMP, now.timestamp().to_string()), (webhook::SIGNATURE, signature)];
            for (name, value) in signed {
                headers.insert(HeaderName::from_static(name), self.header(name, &value)?);
            }
        }
        Ok(())
    }

    /// What an answer means that is no success.
    fn judge(&self, response: &Response, effect: Effect) -> Option<RunnerError> {
        let status = response.status;
        let message = || format!("`{}` answered {status}: {}", self.name, reason(&response.body, &REASONS));
        let later = |message| RunnerError::Unavailable {
            message,
            retry_after: retry_after(&response.headers, self.clock.now()),
        };
        Some(match status.as_u16() {
            200..=299 => return None,
            // The lab has done it and shows another page.
            303 if effect != Effect::None => RunnerError::Unclear(format!("{}; redirects are not followed", message())),
            300..=399 => RunnerError::Refused(format!("{}; redirects are not followed: set the URL itself", message())),
            // Not about the job: an operator can mend it while the job waits.
            401 => later(format!("{}. Check its secrets", message())),
            // A server or gateway that failed half-way may have started the job.
            408 | 500..=502 | 504..=599 if effect == Effect::Once => RunnerError::Unclear(message()),
            408 | 425 | 429 | 500..=599 => later(message()),
            _ => RunnerError::Refused(message()),
        })
    }
}
