//! The server, as an agent sees it: version 1 of the protocol (`docs/agent-protocol.md`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::clock::Clock;
use crate::domain::agent::{
    Appended, Beat, Claim, Heartbeat, Lease, LogBatch, PROTOCOL, PROTOCOL_HEADER, Registered, Registration, Release,
    Results, Taken,
};
use crate::ids::AgentLeaseId;
use crate::net::client::{Client, Destination, NetError, Request, Response, retry_after};

/// Why runs wait that the agent does not fit, in an answer without a lease.
const WAITING: &str = "testyard-waiting";

/// How long a request may take that the server does not make wait.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest answer, in bytes: a lease of many jobs.
const LONGEST_ANSWER: usize = 64 << 20;

/// Less than this in a second, and the sending of a file is given up.
const SLOWEST: u64 = 16 * 1024;

/// The longest words that are repeated of an answer, in characters.
const MAX_WORDS: usize = 1_000;

/// The server, and who asks it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    base: Url,
    bearer: HeaderValue,
    client: Client,
    clock: Arc<dyn Clock>,
}

/// Why the server has not done what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It cannot be reached, or cannot now: the same may be asked later.
    Away { reason: String, retry_after: Option<TimeDelta> },
    /// The lease is another's, or nobody's.
    Lost(String),
    /// It does not have the lines before these: this is the next one for it.
    Gap(u64),
    /// It does not know who asks.
    Unknown(String),
    /// It gives this agent nothing, for now or for ever.
    Forbidden(String),
    /// It never will.
    Refused(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Away { reason: words, .. }
            | Self::Lost(words)
            | Self::Unknown(words)
            | Self::Forbidden(words)
            | Self::Refused(words) => f.write_str(words),
            Self::Gap(next) => write!(f, "the server misses the line {next} of the log"),
        }
    }
}

/// What the server has for one who asks for work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Lease(Box<Lease>),
    /// Nothing; and why what waits is nothing for this agent, if anything waits.
    None(Option<String>),
}

impl Server {
    /// The server at this address, asked with this token.
    pub(super) fn new(base: &Url, token: &str, client: Client, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map_err(|_| "the token has characters that no token has".to_owned())?;
        bearer.set_sensitive(true);
        let mut base = base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base, bearer, client, clock })
    }

    pub(super) async fn register(&self, registration: &Registration) -> Result<Registered, Fault> {
        read(&self.post("agents", registration, LONGEST).await?)
    }

    pub(super) async fn claim(&self, claim: &Claim) -> Result<Work, Fault> {
        let response = self.post("agents/claim", claim, LONGEST + Duration::from_secs(claim.wait_s)).await?;
        if response.status == StatusCode::NO_CONTENT {
            let why = response.headers.get(WAITING).and_then(|why| why.to_str().ok()).map(short);
            return Ok(Work::None(why));
        }
        read(&response).map(|lease| Work::Lease(Box::new(lease)))
    }

    pub(super) async fn heartbeat(&self, lease: &Lease) -> Result<Beat, Fault> {
        let body = Heartbeat { generation: lease.generation };
        read(&self.post(&about(lease.id, "heartbeat"), &body, LONGEST).await?)
    }

    pub(super) async fn log(&self, lease: AgentLeaseId, batch: &LogBatch) -> Result<Appended, Fault> {
        read(&self.post(&about(lease, "log"), batch, LONGEST).await?)
    }

    pub(super) async fn results(&self, lease: AgentLeaseId, results: &Results) -> Result<Taken, Fault> {
        read(&self.post(&about(lease, "results"), results, LONGEST).await?)
    }

    pub(super) async fn release(&self, lease: &Lease, reason: &str) -> Result<(), Fault> {
        let body = Release { generation: lease.generation, reason: reason.to_owned() };
        self.post(&about(lease.id, "release"), &body, LONGEST).await.map(drop)
    }

    /// Sends a file of a job.
    pub(super) async fn file(&self, lease: AgentLeaseId, job: &str, path: &str, from: &Path) -> Result<(), Fault> {
        let unreadable = |error: std::io::Error| Fault::Refused(format!("it cannot be read: {error}"));
        let file = tokio::fs::File::open(from).await.map_err(unreadable)?;
        let length = file.metadata().await.map_err(unreadable)?.len();
        let mut url = self.url(&about(lease, "artifacts"))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            // Each blank, slash and percent sign of the job's id is within its segment.
            segments.push(job).extend(path.split('/'));
        }
        let mut request = self.request(Method::PUT, url, LONGEST + Duration::from_secs(length / SLOWEST));
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        self.told(self.client.upload(request, file, length).await).map(drop)
    }

    async fn post(&self, path: &str, body: &impl Serialize, timeout: Duration) -> Result<Response, Fault> {
        let body = serde_json::to_vec(body).map_err(|error| Fault::Refused(error.to_string()))?;
        let mut request = self.request(Method::POST, self.url(path)?, timeout);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = Some(Bytes::from(body));
        self.told(self.client.send(request).await)
    }

    fn url(&self, path: &str) -> Result<Url, Fault> {
        self.base.join(&format!("api/v1/{path}")).map_err(|error| Fault::Refused(error.to_string()))
    }

    fn request(&self, method: Method, url: Url, timeout: Duration) -> Request {
        let mut request = Request {
            method,
            destination: Destination::Configured,
            timeout,
            max_bytes: LONGEST_ANSWER,
            ..Request::get(url)
        };
        request.headers.insert(AUTHORIZATION, self.bearer.clone());
        request.headers.insert(HeaderName::from_static(PROTOCOL_HEADER), HeaderValue::from(PROTOCOL));
        request
    }

    fn told(&self, answer: Result<Response, NetError>) -> Result<Response, Fault> {
        let response = match answer {
            Ok(response) if response.status.is_success() => return Ok(response),
            Ok(response) => response,
            Err(error) => return Err(Fault::Away { reason: error.to_string(), retry_after: None }),
        };
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let detail = problem["detail"].as_str().map(short);
        let words = detail.clone().unwrap_or_else(|| format!("the server answers {}", response.status));
        Err(match (response.status, problem["code"].as_str()) {
            (StatusCode::CONFLICT, Some("lease-lost")) => Fault::Lost(words),
            (StatusCode::CONFLICT, Some("log-gap")) => match problem["next"].as_u64() {
                Some(next) => Fault::Gap(next),
                None => Fault::Refused("the server misses lines of the log and does not say which".to_owned()),
            },
            (StatusCode::UNAUTHORIZED, Some(_)) => Fault::Unknown(words),
            (StatusCode::FORBIDDEN, Some(_)) => Fault::Forbidden(words),
            (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS, _) => {
                self.away(&response, words)
            }
            (StatusCode::PAYLOAD_TOO_LARGE, _) => Fault::Refused(words),
            // Whatever stands in between and has no word of the service's to say is taken for an absence of the service.
            (status, Some(_)) if status.is_client_error() => {
                Fault::Refused(format!("the server answers {status}: {words}"))
            }
            _ => self.away(&response, words),
        })
    }

    fn away(&self, response: &Response, reason: String) -> Fault {
        Fault::Away { reason, retry_after: retry_after(&response.headers, self.clock.now()) }
    }
}

fn about(lease: AgentLeaseId, what: &str) -> String {
    format!("leases/{lease}/{what}")
}

/// An answer that is none of the protocol's comes from what stands in between, or from a server that is in trouble.
fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Fault> {
    serde_json::from_slice(&response.body).map_err(|error| Fault::Away {
        reason: format!("the server answers {} with what is not in the protocol: {error}", response.status),
        retry_after: None,
    })
}

fn short(text: &str) -> String {
    text.chars().take(MAX_WORDS).collect()
}
