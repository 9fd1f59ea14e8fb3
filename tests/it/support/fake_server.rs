//! What the fake upstreams share: a real HTTP server on a free loopback port that remembers every request, and that can be
//! told to answer the next one to a route badly, late or never.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

/// How long a test waits for what must come. It never gets near it unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

const BODY_LIMIT: usize = 64 << 20;

/// What is done with a request instead of what the server usually does.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The usual, to let a request through between bad ones.
    Normal,
    /// Nothing is done; this status, body and these headers are sent.
    Status(u16, String, Vec<(&'static str, &'static str)>),
    /// Nothing is done; 200 is sent with a JSON content type and a body that is not JSON.
    Garbage,
    /// The usual, but only after the test has notified.
    Slow(Arc<Notify>),
    /// The usual is done at once, but its answer is sent only after the test has notified.
    Held(Arc<Notify>),
    /// Nothing is done and nothing is sent for as long as the client holds on.
    Never,
    /// Nothing is done; the connection is closed.
    Close,
    /// The usual is done, but the connection is closed before the client learns of it.
    Lost,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method and path pattern: `POST /submit`.
    pub(crate) route: String,
    /// Path and query.
    pub(crate) uri: Uri,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

impl Received {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// The server. Clones are the same server; it lives as long as the runtime it was started on.
#[derive(Clone, Debug)]
pub(crate) struct FakeServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    received: Mutex<Vec<Received>>,
    script: Mutex<HashMap<&'static str, VecDeque<Answer>>>,
    changes: watch::Sender<()>,
}

impl FakeServer {
    /// Takes a free port; connections wait there until [`Self::serve`].
    pub(crate) async fn bind() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let inner =
            Inner { address, received: Mutex::default(), script: Mutex::default(), changes: watch::Sender::new(()) };
        (Self(Arc::new(inner)), listener)
    }

    /// Begins to answer.
    pub(crate) fn serve(&self, listener: TcpListener, router: Router) {
        let router = router.layer(from_fn_with_state(self.clone(), perform));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// The next request to `route` that has no answer yet gets this one.
    pub(crate) fn answer_next(&self, route: &'static str, answer: Answer) {
        lock(&self.0.script).entry(route).or_default().push_back(answer);
    }

    /// Every request so far, the first one first.
    pub(crate) fn requests(&self) -> Vec<Received> {
        lock(&self.0.received).clone()
    }

    /// How many requests there were so far.
    pub(crate) fn count(&self) -> usize {
        lock(&self.0.received).len()
    }

    /// The requests to one route.
    pub(crate) fn requests_to(&self, route: &str) -> Vec<Received> {
        lock(&self.0.received).iter().filter(|received| received.route == route).cloned().collect()
    }

    /// Whoever waits looks again.
    pub(crate) fn changed(&self) {
        self.0.changes.send_replace(());
    }

    /// Waits until `look` sees it, and fails the test when it does not come.
    pub(crate) async fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        // Subscribed before the first look, so that no change is missed between a look and the wait.
        let mut changes = self.0.changes.subscribe();
        let seen = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(seen) = look() {
                    return seen;
                }
                changes.changed().await.expect("we hold the sender");
            }
        });
        let Ok(seen) = seen.await else {
            let routes: Vec<String> = self.requests().into_iter().map(|received| received.route).collect();
            panic!("{what}: not within {PATIENCE:?}. Requests so far: {routes:#?}");
        };
        seen
    }

    fn next_answer(&self, route: &str) -> Answer {
        lock(&self.0.script).get_mut(route).and_then(VecDeque::pop_front).unwrap_or(Answer::Normal)
    }
}

async fn perform(State(server): State<FakeServer>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let path = parts.extensions.get::<MatchedPath>().map_or_else(|| parts.uri.path(), MatchedPath::as_str);
    let route = format!("{} {path}", parts.method);
    let answer = server.next_answer(&route);
    lock(&server.0.received).push(Received {
        route,
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        body: body.clone(),
    });
    server.changed();
    let request = Request::from_parts(parts, Body::from(body));
    let response = match answer {
        Answer::Normal => next.run(request).await,
        Answer::Status(status, body, headers) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).expect("the test's headers are legal")
        }
        Answer::Garbage => ([(header::CONTENT_TYPE, "application/json")], "{\"uid\": <html>").into_response(),
        Answer::Slow(gate) => {
            gate.notified().await;
            next.run(request).await
        }
        Answer::Held(gate) => {
            let response = next.run(request).await;
            server.changed();
            gate.notified().await;
            response
        }
        Answer::Never => std::future::pending().await,
        Answer::Close => hang_up(),
        Answer::Lost => {
            next.run(request).await;
            server.changed();
            hang_up()
        }
    };
    server.changed();
    response
}

/// Ends the task that serves this connection, and with it the connection; unlike `panic!` it prints nothing.
fn hang_up() -> ! {
    std::panic::resume_unwind(Box::new("the connection is closed on purpose"))
}

/// The lock, also after a test has panicked while it held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::super::http_client;
    use super::*;

    const GREET: &str = "GET /greet/{name}";

    async fn fake() -> (FakeServer, String) {
        let (server, listener) = FakeServer::bind().await;
        server.serve(listener, Router::new().route("/greet/{name}", get(async || "hello")));
        let url = format!("{}/greet/you?loud=1", server.url());
        (server, url)
    }

    #[tokio::test]
    async fn scripted_answers_are_given_once_and_in_order() {
        let (server, url) = fake().await;
        server.answer_next(GREET, Answer::Status(429, "later".into(), vec![("retry-after", "7")]));
        server.answer_next(GREET, Answer::Garbage);
        server.answer_next(GREET, Answer::Normal);
        server.answer_next(GREET, Answer::Close);
        server.answer_next(GREET, Answer::Lost);
        let client = http_client();
        let busy = client.get(&url).send().await.unwrap();
        assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (429, &"7".parse().unwrap()));
        assert_eq!(busy.text().await.unwrap(), "later");
        let garbage = client.get(&url).send().await.unwrap().bytes().await.unwrap();
        assert!(serde_json::from_slice::<Value>(&garbage).is_err());
        let greeting = client.get(&url).header("x-mood", "good").send().await.unwrap();
        assert_eq!(greeting.text().await.unwrap(), "hello");
        assert!(client.get(&url).send().await.is_err());
        assert!(client.get(&url).send().await.is_err());
        assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "hello");
        let requests = server.requests_to(GREET);
        assert!(requests.iter().all(|received| received.uri.query() == Some("loud=1")));
        assert_eq!(requests[2].headers["x-mood"], "good");
        assert_eq!(server.requests_to("GET /elsewhere").len(), 0);
    }

    #[tokio::test]
    async fn a_slow_answer_comes_when_it_is_let_go() {
        let (server, url) = fake().await;
        let gate = Arc::new(Notify::new());
        server.answer_next(GREET, Answer::Slow(gate.clone()));
        server.answer_next(GREET, Answer::Never);
        let slow = tokio::spawn(http_client().get(&url).send());
        server.wait_for("the slow request", || server.requests().first().cloned()).await;
        let never = tokio::spawn(http_client().get(&url).send());
        server.wait_for("the other request", || server.requests().get(1).cloned()).await;
        assert!(!slow.is_finished());
        gate.notify_one();
        assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "hello");
        assert!(!never.is_finished());
    }
}
