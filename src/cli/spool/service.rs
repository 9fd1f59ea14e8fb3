//! The service that results are sent to.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::cli::spool::Away;
use crate::clock::Clock;
use crate::net::client::{Client, Destination, Request, retry_after};

const PATH: &str = "/api/v1/specs/results";

/// How long a request may take.
const LONGEST: Duration = Duration::from_mins(1);

/// The longest answer, in bytes: one outcome for each result, with a reason.
const LONGEST_ANSWER: usize = 16 << 20;

/// The longest words that are repeated of an answer, in characters.
const MAX_WORDS: usize = 2_000;

/// How many faults of an answer are repeated.
const MAX_FAULTS: usize = 20;

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    url: Url,
    bearer: Option<HeaderValue>,
    client: Client,
    clock: Arc<dyn Clock>,
}

/// What the service says to results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// They are durable, but for those that it refuses; one outcome for each, in their order.
    Kept(Vec<Outcome>),
    /// It keeps none of them, for what one of them holds.
    Refused(String),
    /// They are too many bytes.
    TooLarge(String),
    /// Nothing that the results could help.
    Away(Away),
}

/// What became of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Recorded,
    Repeated,
    Refused(String),
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<AnswerLine>,
}

#[derive(Deserialize)]
struct AnswerLine {
    outcome: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Service {
    pub(super) fn new(base: &Url, token_file: Option<&Path>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let bearer = token_file.map(bearer).transpose()?;
        Ok(Self { url: base.join(PATH)?, bearer, client: Client::new(Vec::new())?, clock })
    }

    /// Sends results.
    pub(super) async fn post(&self, results: &[&Value]) -> Reply {
        let away = |reason: String| Reply::Away(Away { reason, retry_after: None });
        let body = match serde_json::to_vec(results) {
            Ok(body) => body,
            Err(error) => return Reply::Refused(error.to_string()),
        };
        let mut request = Request {
            destination: Destination::Configured,
            timeout: LONGEST,
            max_bytes: LONGEST_ANSWER,
            ..Request::post(self.url.clone(), body)
        };
        if let Some(bearer) = &self.bearer {
            request.headers.insert(AUTHORIZATION, bearer.clone());
        }
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) => return away(error.to_string()),
        };
        match response.status {
            status if status.is_success() => match outcomes(&response.body, results.len()) {
                Some(outcomes) => Reply::Kept(outcomes),
                // Whoever answers so has kept nothing: sending it again does no harm.
                None => away(format!("it answers {status}, and not with an outcome for each result")),
            },
            StatusCode::UNPROCESSABLE_ENTITY => Reply::Refused(words(&response.body)),
            StatusCode::PAYLOAD_TOO_LARGE => Reply::TooLarge(words(&response.body)),
            status => Reply::Away(Away {
                reason: format!("it answers {status}: {}", words(&response.body)),
                retry_after: retry_after(&response.headers, self.clock.now()),
            }),
        }
    }
}

fn bearer(path: &Path) -> anyhow::Result<HeaderValue> {
    let token = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .context("the token holds letters that no header can")?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

fn outcomes(body: &[u8], wanted: usize) -> Option<Vec<Outcome>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let outcome = |line: AnswerLine| match line.outcome.as_str() {
        "recorded" => Some(Outcome::Recorded),
        "repeated" => Some(Outcome::Repeated),
        "refused" => Some(Outcome::Refused(short(line.reason.as_deref().unwrap_or("no reason was given")))),
        _ => None,
    };
    let outcomes: Vec<Outcome> = answer.results.into_iter().map(outcome).collect::<Option<_>>()?;
    (outcomes.len() == wanted).then_some(outcomes)
}

/// What a problem says, with what is wrong place by place.
fn words(body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut words = short(problem["detail"].as_str().unwrap_or("no reason was given"));
    for fault in problem["errors"].as_array().into_iter().flatten().take(MAX_FAULTS) {
        let text = |member: &str| short(fault[member].as_str().unwrap_or_default());
        let _ = write!(words, "\n{}: {}", text("pointer"), text("detail"));
    }
    words
}

fn short(text: &str) -> String {
    text.chars().take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: &Value, wanted: usize) -> Option<Vec<Outcome>> {
        outcomes(answer.to_string().as_bytes(), wanted)
    }

    #[test]
    fn an_outcome_for_each_result_is_a_receipt_and_nothing_else_is() {
        let answer = json!({"results": [
            {"id": "a", "outcome": "recorded", "reason": null},
            {"id": "b", "outcome": "repeated"},
            {"id": "c", "outcome": "refused", "reason": "another has its id"},
        ]});
        let outcomes = [Outcome::Recorded, Outcome::Repeated, Outcome::Refused("another has its id".into())];
        assert_eq!(read(&answer, 3).unwrap(), outcomes);
        assert_eq!(read(&answer, 2), None);
        assert_eq!(read(&json!({"results": [{"id": "a", "outcome": "lost"}]}), 1), None);
        assert_eq!(read(&json!({}), 0), None);
        assert_eq!(super::outcomes(b"<html>", 0), None);
        assert_eq!(read(&json!({"results": []}), 0), Some(Vec::new()));
    }

    #[test]
    fn a_problem_is_told_with_its_places() {
        let problem = json!({"detail": "the results", "errors": [{"pointer": "/0/session", "detail": "want a text"}]});
        assert_eq!(words(problem.to_string().as_bytes()), "the results\n/0/session: want a text");
        assert_eq!(words(b"<html>"), "no reason was given");
    }
}
