//! The `http` runners: any lab that speaks HTTP and JSON, by settings alone (`docs/runners.md`).
//!
//! Each request is filled in from templates, sent once by the guarded way out and never redirected; each answer is read by
//! pointers. What a lost answer means follows from what the request does: one that starts a job may have started it. A lab
//! that knows our token is asked again; another one is looked through first, by `find`; one that can do neither is never
//! asked twice.

mod call;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::SecondsFormat;
use futures_util::future::BoxFuture;
use serde_json::Value;

use self::call::{Calls, Failure};
use crate::clock::Clock;
use crate::config::{HttpCall, HttpPlan, HttpRunner};
use crate::domain::adapter::template::{About, Context};
use crate::domain::conclusion::BOOT;
use crate::domain::observation::{Observation, Phase, Subject};
use crate::domain::tuxsuite::excerpt;
use crate::domain::webhook;
use crate::net::client::Client;
use crate::runner::wire::{Effect, shortened};
use crate::runner::{Arrival, Collected, Job, Runner, RunnerError, Takes};

/// How much of a log's end is fetched, in bytes.
const LOG_BYTES: usize = 1 << 20;

/// The longest id of a job: both databases index it.
const MAX_UID: usize = 512;

/// A runner that is made of settings and spoken to by HTTP.
#[derive(Debug)]
pub struct Http {
    settings: HttpRunner,
    plan: HttpPlan,
    calls: Calls,
}

/// What a request is for; part of the id that it is signed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Submit,
    Find,
    Poll,
    Cancel,
    Collect,
    Log,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Find => "find",
            Self::Poll => "poll",
            Self::Cancel => "cancel",
            Self::Collect => "collect",
            Self::Log => "log",
        }
    }
}

impl Http {
    /// A runner that is spoken to through `client`.
    ///
    /// # Errors
    /// Every mistake in the settings, in words.
    pub fn new(settings: HttpRunner, client: Client, clock: Arc<dyn Clock>) -> Result<Self, Vec<String>> {
        let plan = settings.plan()?;
        let calls = Calls::new(&settings, &plan, client, clock);
        Ok(Self { settings, plan, calls })
    }

    fn context(&self, job: &Job, uid: Option<&str>) -> Result<Context, RunnerError> {
        let (run, token) = (job.run.to_string(), job.client_token.to_string());
        let first_asked_at = job.first_asked_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let about = About {
            run: &run,
            request: &job.request,
            token: &token,
            callback_url: job.callback_url.as_str(),
            first_asked_at: &first_asked_at,
            uid,
        };
        let context = Context::new(&about).map_err(|error| RunnerError::Refused(error.to_string()))?;
        Ok(context.with_secrets(self.settings.known.iter()))
    }

    /// Makes a call about a job and reads its answer.
    async fn ask(
        &self,
        (operation, call): (Operation, &HttpCall),
        job: &Job,
        uid: Option<&str>,
        effect: Effect,
    ) -> Result<Value, Failure> {
        let context = self.context(job, uid)?;
        let response = self.calls.send(operation, call, job, &context, effect).await?;
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&response.body).map_err(|error| {
            let (name, status) = (&self.settings.name, response.status);
            Failure::from(RunnerError::Unclear(format!("`{name}` answered {status} without JSON: {error}")))
        })
    }

    async fn submit_job(&self, job: &Job) -> Result<String, RunnerError> {
        let kind = job.request.kind();
        if !self.settings.kinds.contains(&kind) {
            let kinds: Vec<String> = self.settings.kinds.iter().map(ToString::to_string).collect();
            let name = &self.settings.name;
            return Err(RunnerError::Refused(format!("`{name}` takes runs of the kind {} alone", kinds.join(", "))));
        }
        let effect = if self.settings.idempotent { Effect::Repeatable } else { Effect::Once };
        let submit = &self.plan.submit;
        let Some(pointer) = &submit.reading.uid else {
            // The lab gives no id: it knows the job by our token.
            let context = self.context(job, None)?;
            self.calls.send(Operation::Submit, submit, job, &context, effect).await?;
            return Ok(job.client_token.to_string());
        };
        let answer = self.ask((Operation::Submit, submit), job, None, effect).await?;
        let uid = pointer.text(&answer).filter(|uid| uid.len() <= MAX_UID && !uid.contains('\0'));
        uid.ok_or_else(|| {
            let (name, told) = (&self.settings.name, shortened(&answer.to_string()));
            RunnerError::Unclear(format!("the answer of `{name}` names no id where it should: {told}"))
        })
    }

    async fn find_job(&self, job: &Job) -> Result<Option<String>, RunnerError> {
        if let Some(find) = &self.plan.find {
            let answer = match self.ask((Operation::Find, find), job, None, Effect::None).await {
                Err(failure) if failure.is_not_found() => return Ok(None),
                answer => answer?,
            };
            return Ok(find.reading.uid.as_ref().and_then(|uid| uid.text(&answer)));
        }
        if self.plan.submit.reading.uid.is_none() {
            let uid = job.client_token.to_string();
            return match self.poll_as(job, &uid).await {
                Ok(_) => Ok(Some(uid)),
                Err(RunnerError::Unknown(_)) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let name = &self.settings.name;
        Err(RunnerError::Unclear(format!(
            "`{name}` may have the job and cannot be looked through: its settings have no `find`, so it is not asked again"
        )))
    }

    async fn poll_as(&self, job: &Job, uid: &str) -> Result<Observation, RunnerError> {
        let poll = &self.plan.poll;
        let name = &self.settings.name;
        let asked = self.ask((Operation::Poll, poll), job, Some(uid), Effect::None).await;
        let answer = asked.map_err(|failure| failure.about(name, uid))?;
        let subject = job.request.kind().subject();
        let observation = poll
            .reading
            .observation(&self.plan.words, &answer, subject, Some(uid))
            .map_err(|error| RunnerError::Unclear(format!("the answer of `{name}` about {uid} is odd: {error}")))?;
        if observation.uid != uid {
            let other = shortened(&observation.uid);
            return Err(RunnerError::Unclear(format!("`{name}` was asked about {uid} and answered about {other}")));
        }
        Ok(observation)
    }

    fn uid<'a>(&self, job: &'a Job) -> Result<&'a str, RunnerError> {
        let unknown = || RunnerError::Unknown(format!("{} is not known to be at `{}`", job.run, self.settings.name));
        job.uid.as_deref().ok_or_else(unknown)
    }

    async fn cancel_job(&self, job: &Job) -> Result<(), RunnerError> {
        let (name, uid) = (&self.settings.name, self.uid(job)?);
        let Some(cancel) = &self.plan.cancel else {
            return Err(RunnerError::Refused(format!("`{name}` cannot stop a job: its settings have no `cancel`")));
        };
        let context = self.context(job, Some(uid))?;
        let refused = match self.calls.send(Operation::Cancel, cancel, job, &context, Effect::Repeatable).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure.about(name, uid),
        };
        // Many labs refuse to stop what is over.
        let is_over = matches!(refused, RunnerError::Refused(_))
            && self.poll_as(job, uid).await.is_ok_and(|seen| seen.phase == Phase::Finished);
        if is_over { Ok(()) } else { Err(refused) }
    }

    async fn collect_job(&self, job: &Job) -> Result<Collected, RunnerError> {
        let (name, uid) = (&self.settings.name, self.uid(job)?);
        let mut collected = Collected::default();
        if let Some(collect) = &self.plan.collect {
            let answer = match self.ask((Operation::Collect, collect), job, Some(uid), Effect::None).await {
                // A callback may be faster than what it speaks of.
                Err(failure) if failure.is_not_found() => {
                    let message = format!("`{name}` has no results of {uid} yet");
                    return Err(RunnerError::Unavailable { message, retry_after: None });
                }
                answer => answer?,
            };
            collected.tests = collect
                .reading
                .tests(&self.plan.words, &answer)
                .map_err(|error| RunnerError::Refused(format!("the results of `{name}` cannot be read: {error}")))?;
            collected.boot = collected.tests.get(BOOT).cloned();
            collected.log_url = collect.reading.log_url(&answer);
        }
        if let Some(log) = &self.plan.log {
            let context = self.context(job, Some(uid))?;
            match self.calls.fetch(log, job, &context, LOG_BYTES).await {
                Ok(text) => collected.log_excerpt = excerpt(&String::from_utf8_lossy(&text).replace('\0', "\u{fffd}")),
                Err(failure) => {
                    let cause = RunnerError::from(failure);
                    tracing::warn!(run = %job.run, runner = %name, %cause, "the log of a finished job could not be fetched");
                }
            }
        }
        Ok(collected)
    }
}

impl Runner for Http {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn takes(&self) -> Takes {
        Takes { names: 100, commands: 1 }
    }

    fn authenticate(&self, arrival: &Arrival<'_>) -> Result<bool, String> {
        if !self.plan.signed_by.is_empty() {
            let signed = webhook::verify(&self.plan.signed_by, arrival.signatures.webhook, arrival.body, arrival.now);
            return signed.map(|()| true).map_err(|error| format!("callbacks must be signed: {error}"));
        }
        if arrival.by_capability {
            Ok(false)
        } else {
            Err("callbacks go to the URL of the run and nowhere else".to_owned())
        }
    }

    fn read_callback(&self, body: &[u8], subject: Subject) -> Result<Observation, String> {
        let told: Value = serde_json::from_slice(body).map_err(|error| format!("it is not JSON: {error}"))?;
        self.plan.callback.observation(&self.plan.words, &told, subject, None)
    }

    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<String, RunnerError>> {
        Box::pin(self.submit_job(job))
    }

    fn submit_is_idempotent(&self, _: &Job) -> bool {
        self.settings.idempotent
    }

    fn find<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Option<String>, RunnerError>> {
        Box::pin(self.find_job(job))
    }

    fn poll<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Observation, RunnerError>> {
        Box::pin(async { self.poll_as(job, self.uid(job)?).await })
    }

    fn cancel<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(self.cancel_job(job))
    }

    fn collect<'a>(&'a self, job: &'a Job, _: &'a Observation) -> BoxFuture<'a, Result<Collected, RunnerError>> {
        Box::pin(self.collect_job(job))
    }
}
