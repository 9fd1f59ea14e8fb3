//! The callback: how the runner tells the service that a job is over, over HTTP like any runner.
//!
//! The body is `{"kind": "build" | "test", "observation": {…}}`. It is tried a few times and then left: the service
//! polls, and the job's folder holds the same observation.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::observation::{Observation, Subject};
use crate::net::client::{Client, Destination, NetError, Request};

const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const TIMEOUT: Duration = Duration::from_secs(10);
/// A longer body goes without its tests: they are collected anyway, and no door need take them.
const LONGEST: usize = 512 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    kind: Kind,
    observation: Observation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Build,
    Test,
}

impl From<Subject> for Kind {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Build => Self::Build,
            Subject::Tests => Self::Test,
        }
    }
}

/// The body is no callback of the local runner.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCallback {
    /// It is not of that shape.
    #[error("not a callback of the local runner: {0}")]
    Shape(#[from] serde_json::Error),
    /// `kind` and `observation.subject` speak of different things.
    #[error("not a callback of the local runner: its `kind` and its observation's `subject` differ")]
    Kind,
}

/// Reads the body of a callback.
///
/// # Errors
/// [`InvalidCallback`] when it is not one. Never panics, whatever the bytes.
pub fn read_callback(body: &[u8]) -> Result<Observation, InvalidCallback> {
    let Callback { kind, observation } = serde_json::from_slice(body)?;
    if kind != observation.subject.into() {
        return Err(InvalidCallback::Kind);
    }
    Ok(observation)
}

fn body(observation: &Observation) -> Result<Vec<u8>, serde_json::Error> {
    let kind = observation.subject.into();
    let whole = serde_json::to_vec(&Callback { kind, observation: observation.clone() })?;
    if whole.len() <= LONGEST {
        return Ok(whole);
    }
    let observation = Observation { tests: BTreeMap::new(), ..observation.clone() };
    serde_json::to_vec(&Callback { kind, observation })
}

/// Tells the service; what cannot be told is left to its poller. The URL is a capability and is never logged.
pub(super) async fn send(client: &Client, url: &Url, observation: &Observation) {
    let uid = observation.uid.as_str();
    let body = match body(observation) {
        Ok(body) => body,
        Err(error) => return tracing::error!(uid, %error, "a callback could not be written"),
    };
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=TRIES {
        let request = Request {
            timeout: TIMEOUT,
            max_bytes: 64 * 1024,
            destination: Destination::Configured,
            ..Request::post(url.clone(), body.clone())
        };
        let failure = match client.send(request).await {
            Ok(response) if response.status.is_success() => return,
            Ok(response) => {
                let status = response.status;
                if status.is_client_error() && !matches!(status.as_u16(), 408 | 429) {
                    return tracing::warn!(uid, %status, "a callback was refused: it is left to the poller");
                }
                status.to_string()
            }
            Err(error) => kind_of(&error).to_owned(),
        };
        tracing::info!(uid, attempt, cause = failure, "a callback did not arrive");
        if attempt < TRIES {
            tokio::time::sleep(pause.mul_f64(0.5 + crate::entropy::unit())).await;
            pause *= 2;
        }
    }
    tracing::warn!(uid, "a callback did not arrive in {TRIES} tries: it is left to the poller");
}

/// The errors' own words name the URL's path.
fn kind_of(error: &NetError) -> &'static str {
    match error {
        NetError::Refused(_) => "its URL may not be reached",
        NetError::Connect(_) => "no connection",
        NetError::Timeout(_) => "no answer in time",
        NetError::TooLarge(_) => "the answer was too long",
        NetError::Broken(_) => "the exchange broke off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{CaseOutcome, Phase, TestOutcome};
    use crate::domain::status::Status;

    fn observation(cases: usize) -> Observation {
        let log_excerpt = Some("x".repeat(16_384));
        let case = |n: usize| CaseOutcome {
            name: n.to_string(),
            status: Status::Fail,
            reason: None,
            duration_s: None,
            measurement: None,
            log_excerpt: log_excerpt.clone(),
        };
        let outcome = TestOutcome { cases: (0..cases).map(case).collect(), ..TestOutcome::bare(Status::Fail) };
        Observation {
            uid: "u".to_owned(),
            subject: Subject::Tests,
            phase: Phase::Finished,
            verdict: Some(Status::Fail),
            message: None,
            started_at: None,
            duration_s: Some(1.5),
            download_url: None,
            device: None,
            build: None,
            tests: BTreeMap::from([("t".to_owned(), outcome)]),
        }
    }

    #[test]
    fn a_callback_reads_back() {
        let short = observation(1);
        assert_eq!(read_callback(&body(&short).unwrap()).unwrap(), short);
        let long = body(&observation(100)).unwrap();
        assert!(long.len() < LONGEST);
        assert_eq!(read_callback(&long).unwrap().verdict, Some(Status::Fail));
    }

    #[test]
    fn what_is_no_callback_is_refused() {
        let text = String::from_utf8(body(&observation(0)).unwrap()).unwrap();
        let other_kind = text.replace(r#""kind":"test""#, r#""kind":"build""#);
        assert!(matches!(read_callback(other_kind.as_bytes()), Err(InvalidCallback::Kind)));
        for wrong in ["", "null", "{}", "[", "\u{0}", &text.replace("FAIL", "fail"), &text.replace("kind", "kinds")] {
            assert!(matches!(read_callback(wrong.as_bytes()), Err(InvalidCallback::Shape(_))), "{wrong}");
        }
    }
}
