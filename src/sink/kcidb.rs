//! KCIDB by its REST door (kcidb-restd-rs): `POST …/submit` with a bearer token, then `GET …/status?id=…`.
//!
//! Every JSON answer has the shape `{"id", "status", "message"}`, sent as text. A submission is taken when, and only
//! when, the answer is a 200 with the status `ok` and an id that is not `0`. Then it is merely written down: the
//! schema is checked later, and only the status door tells how that ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::clock::Clock;
use crate::net::client::{Client, Destination, Keep, NetError, Request, Response, retry_after};
use crate::sink::{Receipt, ReceiptState, SinkError};

/// How much of an answer is looked at: far more than an honest one has. Of a longer one the end is kept, so that its
/// status is known all the same.
const LONGEST_ANSWER: usize = 64 << 10;

/// A KCIDB instance.
#[derive(Clone)]
pub struct KcidbSink {
    client: Client,
    clock: Arc<dyn Clock>,
    submit_url: Url,
    status_url: Option<Url>,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// The settings name no sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSink {
    /// A URL of another scheme.
    #[error("the KCIDB submit URL must begin with http:// or https://")]
    Url,
    /// A token that cannot stand in a header.
    #[error("the KCIDB token holds characters that no HTTP header may hold: is there a line break in it?")]
    Token,
}

/// What the door answers.
#[derive(Deserialize)]
struct Answer {
    id: String,
    status: String,
    #[serde(default)]
    message: String,
}

impl KcidbSink {
    /// A sink at `submit_url`, which normally ends in `/submit`. A token may also come as the URL's user
    /// (`https://TOKEN@db.kernelci.org/submit`); `token` goes before it. `timeout` is for each exchange.
    ///
    /// # Errors
    /// [`InvalidSink`], for the operator.
    pub fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        mut submit_url: Url,
        token: Option<&SecretString>,
        timeout: Duration,
    ) -> Result<Self, InvalidSink> {
        let user = submit_url.username().to_owned();
        let cleared = submit_url.set_username("").and_then(|()| submit_url.set_password(None));
        if cleared.is_err() || !matches!(submit_url.scheme(), "http" | "https") {
            return Err(InvalidSink::Url);
        }
        let token = token.map_or(&*user, ExposeSecret::expose_secret).trim();
        let mut authorization = None;
        if !token.is_empty() {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| InvalidSink::Token)?;
            value.set_sensitive(true);
            authorization = Some(value);
        }
        let status_url = status_url(&submit_url);
        Ok(Self { client, clock, submit_url, status_url, authorization, timeout })
    }

    /// Whether [`KcidbSink::status`] can be asked: not if the submit URL does not end in `/submit`.
    #[must_use]
    pub fn follows_receipts(&self) -> bool {
        self.status_url.is_some()
    }

    /// Hands over a report, as JSON text.
    ///
    /// # Errors
    /// [`SinkError`]: without a receipt nothing counts as delivered.
    pub async fn submit(&self, report: Bytes) -> Result<Receipt, SinkError> {
        let response = self.send(Request::post(self.submit_url.clone(), report)).await?;
        if response.status != StatusCode::OK {
            return Err(self.refusal(&response));
        }
        match serde_json::from_slice::<Answer>(&response.body) {
            Ok(Answer { id, status, .. }) if status == "ok" && is_id(&id) => Ok(Receipt { id }),
            _ => {
                Err(SinkError::Unclear(format!("the sink answered 200 without a receipt: {}", excerpt(&response.body))))
            }
        }
    }

    /// Asks how far the submission with this id is.
    ///
    /// # Errors
    /// [`SinkError`]: the state is not known.
    pub async fn status(&self, id: &str) -> Result<ReceiptState, SinkError> {
        let Some(mut url) = self.status_url.clone() else {
            return Err(SinkError::Unclear(
                "the submit URL does not end in /submit, so the sink cannot be asked for receipts".to_owned(),
            ));
        };
        url.query_pairs_mut().append_pair("id", id);
        let response = self.send(Request::get(url)).await?;
        let answer = serde_json::from_slice::<Answer>(&response.body).ok();
        let status = answer.as_ref().map_or("", |answer| &answer.status);
        match (response.status, status) {
            (StatusCode::OK, "inprogress") => Ok(ReceiptState::InProgress),
            (StatusCode::OK, "ready") => Ok(ReceiptState::Ready),
            (StatusCode::OK, "processed") => Ok(ReceiptState::Processed),
            (StatusCode::OK, "failed") => {
                let message = answer.map(|answer| answer.message.chars().take(2000).collect()).unwrap_or_default();
                Ok(ReceiptState::Failed { message })
            }
            (StatusCode::NOT_FOUND, "notfound") => Ok(ReceiptState::NotFound),
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => Ok(ReceiptState::NotTold),
            (StatusCode::OK, _) => {
                Err(SinkError::Unclear(format!("the sink tells no known state: {}", excerpt(&response.body))))
            }
            _ => Err(self.refusal(&response)),
        }
    }

    async fn send(&self, mut request: Request) -> Result<Response, SinkError> {
        if let Some(authorization) = &self.authorization {
            request.headers.insert(AUTHORIZATION, authorization.clone());
        }
        request.destination = Destination::Configured;
        request.keep = Keep::Tail;
        request.max_bytes = LONGEST_ANSWER;
        request.timeout = self.timeout;
        self.client.send(request).await.map_err(|error| match error {
            NetError::Refused(message) | NetError::Connect(message) => {
                SinkError::Unavailable { message, retry_after: None }
            }
            NetError::Timeout(_) => {
                SinkError::Unavailable { message: format!("the sink gave {error}"), retry_after: None }
            }
            NetError::TooLarge(_) | NetError::Broken(_) => SinkError::Unclear(format!("the sink: {error}")),
        })
    }

    /// What an answer other than 200 means.
    fn refusal(&self, response: &Response) -> SinkError {
        let (status, answer) = (response.status, excerpt(&response.body));
        match status.as_u16() {
            408 | 425 | 429 | 500.. => SinkError::Unavailable {
                message: format!("the sink answered {status}: {answer}"),
                retry_after: retry_after(&response.headers, self.clock.now()),
            },
            400 | 401 | 403 | 413 | 422 => SinkError::Rejected { status: status.as_u16(), answer },
            // Not about the report: a wrong URL, or a proxy while the sink is being replaced.
            400..500 => SinkError::Unavailable {
                message: format!(
                    "the sink answered {status}, which is not about the report: {answer}; is the URL right?"
                ),
                retry_after: retry_after(&response.headers, self.clock.now()),
            },
            // It is for the operator to set the right URL; nothing is lost by asking again until then.
            300..400 => SinkError::Unavailable {
                message: format!(
                    "the sink answered {status} and points to {}: redirects are not followed, set the submit URL to \
                     the right place",
                    excerpt(response.headers.get(LOCATION).map_or(&b"nowhere"[..], HeaderValue::as_bytes))
                ),
                retry_after: None,
            },
            _ => SinkError::Unclear(format!("the sink answered {status}, which is no receipt: {answer}")),
        }
    }
}

impl fmt::Debug for KcidbSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcidbSink").field("host", &self.submit_url.host_str()).finish_non_exhaustive()
    }
}

/// `…/submit` becomes `…/status`.
fn status_url(submit_url: &Url) -> Option<Url> {
    let mut url = submit_url.clone();
    if !url.path().trim_end_matches('/').ends_with("/submit") {
        return None;
    }
    url.path_segments_mut().ok()?.pop_if_empty().pop().push("status");
    Some(url)
}

/// restd gives 32 letters and digits; another door may give other ids, but `0` is its word for none.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id != "0" && id.chars().count() <= 200 && !id.chars().any(char::is_control)
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.trim().chars().filter(|&c| c != '\0').take(2000).collect();
    if text.is_empty() { "(nothing)".to_owned() } else { text }
}

#[cfg(test)]
mod tests;
