//! The one outbound HTTP client. A request is bounded in time and size, is sent once and follows no redirect; what a
//! 3xx answer means is the sender's to say.
//!
//! Where it may go depends on who named the place. An operator's endpoint may be anywhere, and the proxies of the
//! environment are honoured on the way. A URL that came with a caller's request reaches only the public internet and
//! what the operator allows ([`AllowRule`]): a literal address is checked in the URL, a name by the resolver at the
//! very moment of connecting, so that no second answer of the DNS can slip in between; and never by a proxy, which
//! would resolve the name by itself.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{ClientBuilder, Method, StatusCode, redirect};
use url::{Host, Url};

use crate::domain::address::{AllowRule, is_public};

pub use crate::net::retry_after::retry_after;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("testyard/", env!("CARGO_PKG_VERSION"));

/// What is read of an answer at most, in bytes after decompression, even where only its tail is kept.
const LONGEST_READ: usize = 1 << 30;

/// Who named the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The operator, in the settings: it may be private, and proxies are used (not for loopback).
    Configured,
    /// A caller: only the public internet and what is allowed by rule.
    Named,
}

/// What is kept of an answer that is longer than wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: it is [`NetError::TooLarge`].
    Head,
    /// Its last `max_bytes`.
    Tail,
}

/// A request. Its parts are public: `Request { destination: Destination::Configured, ..Request::get(url) }`.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to; `http` or `https`.
    pub url: Url,
    /// Headers; `User-Agent` and `Accept-Encoding` are added.
    pub headers: HeaderMap,
    /// The body, if any.
    pub body: Option<Bytes>,
    /// For all of it, from looking up the name to the last byte of the answer.
    pub timeout: Duration,
    /// How much of the answer's body is wanted, in bytes after decompression.
    pub max_bytes: usize,
    /// Who named the place.
    pub destination: Destination,
    /// What becomes of a longer answer.
    pub keep: Keep,
}

impl Request {
    /// A GET: 30 s, at most 1 MiB, guarded as [`Destination::Named`].
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: None,
            timeout: Duration::from_secs(30),
            max_bytes: 1 << 20,
            destination: Destination::Named,
            keep: Keep::Head,
        }
    }

    /// A POST of JSON text: 30 s, an answer of at most 1 MiB, guarded as [`Destination::Named`].
    #[must_use]
    pub fn post(url: Url, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { method: Method::POST, headers, body: Some(body.into()), ..Self::get(url) }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:?})", self.method, Shown(&self.url), self.destination)
    }
}

/// An answer, of any status.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed; of a long one what [`Request::keep`] says.
    pub body: Bytes,
}

/// Why there is no answer. The messages name URLs without user, password and query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// We do not send this: the place is not allowed, or the URL is none. Nothing was sent.
    #[error("{0}")]
    Refused(String),
    /// No connection. Nothing was sent.
    #[error("{0}")]
    Connect(String),
    /// Not all of the answer came in time. The request may have been received.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The answer has more than these many bytes. The request was received.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The exchange broke off or was no HTTP. The request may have been received.
    #[error("{0}")]
    Broken(String),
}

/// The client: pools its connections, cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Ways>);

/// The ways out. Each has a pool of its own: a connection that one may not open is not lent to it either.
#[derive(Debug)]
struct Ways {
    allow: Arc<[AllowRule]>,
    /// To anywhere, by no proxy.
    direct: reqwest::Client,
    /// By the environment's proxies, to anywhere.
    proxied: Late,
    /// Only to allowed addresses, by no proxy.
    guarded: Late,
    /// The same for the ports that a rule ties to an address: a resolver is not told the port that it is asked for.
    guarded_at: BTreeMap<u16, Late>,
}

/// A way that is built when it is first gone: each reads the machine's certificate authorities, which takes time.
type Late = LazyLock<Result<reqwest::Client, NetError>, Box<dyn FnOnce() -> Result<reqwest::Client, NetError> + Send>>;

impl Client {
    /// A client whose fetches for callers may also reach what `allow` lists.
    ///
    /// # Errors
    /// [`NetError::Refused`] if the TLS library does not start.
    pub fn new(allow: Vec<AllowRule>) -> Result<Self, NetError> {
        let allow: Arc<[AllowRule]> = allow.into();
        let guarded = |port| {
            let guard = Guard { allow: Arc::clone(&allow), port };
            Late::new(Box::new(move || build(|builder| builder.no_proxy().dns_resolver(guard.clone()))))
        };
        let ports = allow.iter().filter_map(|rule| match rule {
            AllowRule::Socket(address) => Some(address.port()),
            AllowRule::Net(_) | AllowRule::Host { .. } => None,
        });
        Ok(Self(Arc::new(Ways {
            direct: build(ClientBuilder::no_proxy)?,
            proxied: Late::new(Box::new(|| build(|builder| builder))),
            guarded: guarded(0),
            guarded_at: ports.map(|port| (port, guarded(port))).collect(),
            allow,
        })))
    }

    /// Sends the request and reads its answer, whatever the status.
    ///
    /// # Errors
    /// As [`NetError`] tells.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        let way = self.way(&request.url, request.destination)?;
        let timeout = request.timeout;
        tokio::time::timeout(timeout, exchange(way, request, None)).await.unwrap_or(Err(NetError::Timeout(timeout)))
    }

    /// As [`Client::send`], with what is read of a file as the request's body: `length` bytes, never all in memory.
    ///
    /// # Errors
    /// As [`NetError`] tells; [`NetError::Broken`] also if the file has other bytes than that.
    pub async fn upload(&self, request: Request, file: tokio::fs::File, length: u64) -> Result<Response, NetError> {
        let way = self.way(&request.url, request.destination)?;
        let timeout = request.timeout;
        let sent = exchange(way, request, Some((file, length)));
        tokio::time::timeout(timeout, sent).await.unwrap_or(Err(NetError::Timeout(timeout)))
    }

    /// Whether a URL that a caller named may be fetched, as far as it tells by itself: where its name leads is found out when
    /// it is fetched.
    ///
    /// # Errors
    /// [`NetError::Refused`].
    pub fn check_named(&self, url: &Url) -> Result<(), NetError> {
        self.way(url, Destination::Named).map(drop)
    }

    fn way(&self, url: &Url, destination: Destination) -> Result<&reqwest::Client, NetError> {
        let ways = &*self.0;
        let refused = |why: &str| Err(NetError::Refused(format!("{} is not fetched: {why}", Shown(url))));
        let (Some(host), Some(port), "http" | "https") = (url.host(), url.port_or_known_default(), url.scheme()) else {
            return refused("only http:// and https:// URLs with a host are");
        };
        let is_named = |name| ways.allow.iter().any(|rule| rule.matches_host(name, port));
        let literal: Option<SocketAddr> = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some((address, port).into()),
            Host::Ipv6(address) => Some((address, port).into()),
        };
        match (destination, &host) {
            (Destination::Configured, host) if is_this_machine(host) => Ok(&ways.direct),
            (Destination::Configured, _) => ways.proxied.as_ref().map_err(Clone::clone),
            (Destination::Named, Host::Domain(name)) if is_named(name) => Ok(&ways.direct),
            (Destination::Named, _) if literal.is_some_and(|address| !is_allowed(&ways.allow, address)) => {
                refused(&NotPublic.to_string())
            }
            (Destination::Named, _) => {
                ways.guarded_at.get(&port).unwrap_or(&ways.guarded).as_ref().map_err(Clone::clone)
            }
        }
    }
}

/// A proxy has no business between us and ourselves, whatever the environment forgot to except.
fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => matches!(*name, "localhost" | "localhost."),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.to_canonical().is_loopback(),
    }
}

fn is_allowed(allow: &[AllowRule], address: SocketAddr) -> bool {
    is_public(address.ip()) || allow.iter().any(|rule| rule.matches_address(address))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that may build HTTP clients")]
fn build(shape: impl Fn(ClientBuilder) -> ClientBuilder) -> Result<reqwest::Client, NetError> {
    let builder = || {
        shape(reqwest::Client::builder())
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
    };
    builder().build().or_else(|error| {
        // A machine without any certificate authority must still serve and speak plain HTTP.
        tracing::warn!(cause = %causes(&error), "no certificate authorities found: https:// will not be reachable");
        builder().tls_certs_only([]).build().map_err(|error| NetError::Refused(causes(&error)))
    })
}

/// Resolves names to the addresses that a fetch for a caller may reach.
#[derive(Clone, Debug)]
struct Guard {
    allow: Arc<[AllowRule]>,
    /// The port that they are reached at; 0 for any that no rule speaks of.
    port: u16,
}

/// The place has addresses, and none may be reached.
#[derive(Debug, thiserror::Error)]
#[error("its address is not on the public internet, and no rule of the settings allows it")]
struct NotPublic;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { allow, port } = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), port)).await?.collect();
            let known = !found.is_empty();
            let mut allowed = found.into_iter().filter(move |address| is_allowed(&allow, *address)).peekable();
            if known && allowed.peek().is_none() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed) as Addrs)
        })
    }
}

async fn exchange(
    way: &reqwest::Client,
    request: Request,
    file: Option<(tokio::fs::File, u64)>,
) -> Result<Response, NetError> {
    let Request { method, url, headers, body, max_bytes, keep, .. } = request;
    let mut builder = way.request(method, url.clone()).headers(headers);
    if let Some(body) = body {
        builder = builder.body(body);
    }
    if let Some((file, length)) = file {
        builder = builder.header(CONTENT_LENGTH, length).body(reqwest::Body::from(file));
    }
    let mut response = builder.send().await.map_err(|error| told(&url, &error))?;
    let most = match keep {
        Keep::Head => max_bytes,
        Keep::Tail => LONGEST_READ,
    };
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(NetError::TooLarge(most));
    }
    let (mut kept, mut read) = (BytesMut::new(), 0);
    while let Some(chunk) = response.chunk().await.map_err(|error| told(&url, &error))? {
        read += chunk.len();
        if read > most {
            return Err(NetError::TooLarge(most));
        }
        kept.extend_from_slice(&chunk);
        // Half is cut at once, so that each byte moves at most once.
        if kept.len() > max_bytes.saturating_mul(2) {
            kept.advance(kept.len() - max_bytes);
        }
    }
    kept.advance(kept.len().saturating_sub(max_bytes));
    Ok(Response { status: response.status(), headers: std::mem::take(response.headers_mut()), body: kept.freeze() })
}

fn told(url: &Url, error: &reqwest::Error) -> NetError {
    let place = Shown(url);
    if chain(error).any(<dyn StdError>::is::<NotPublic>) {
        NetError::Refused(format!("{place} is not fetched: {NotPublic}"))
    } else if error.is_builder() {
        NetError::Refused(format!("{place} is not fetched: {}", causes(error)))
    } else if error.is_connect() {
        NetError::Connect(format!("could not connect to {place}: {}", causes(error)))
    } else {
        NetError::Broken(format!("the exchange with {place} broke off: {}", causes(error)))
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The causes below reqwest's own text, which repeats the URL with its query.
fn causes(error: &reqwest::Error) -> String {
    let mut causes: Vec<String> = chain(error).skip(1).map(ToString::to_string).collect();
    causes.dedup();
    if causes.is_empty() { "no cause is known".to_owned() } else { causes.join(": ").chars().take(500).collect() }
}

/// A URL as it may be shown: without user, password, query and fragment, and not endless.
struct Shown<'a>(&'a Url);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url) = self;
        write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        if url.path().len() > 200 { write!(f, "{:.200}…", url.path()) } else { f.write_str(url.path()) }
    }
}

#[cfg(test)]
mod tests;
