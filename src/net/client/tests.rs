//! Against real servers on loopback.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::any;
use futures_util::{StreamExt as _, stream};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, LOCATION, USER_AGENT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

type Hits = Arc<AtomicUsize>;

const MEBIBYTE: usize = 1 << 20;

/// A server with a few habits; returns its address and how often it was asked.
async fn server() -> (SocketAddr, Hits) {
    let hits = Hits::default();
    let app = Router::new()
        .route("/ok", any(async || "fine"))
        .route("/headers", any(async |headers: HeaderMap| format!("{headers:?}")))
        .route("/digits", any(async || "0123456789".repeat(1000)))
        .route(
            "/endless",
            any(async || Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(vec![b'a'; 65536])))),
        )
        .route("/bomb", any(async || ([(CONTENT_ENCODING, "gzip")], bomb(16 * MEBIBYTE))))
        .route("/not-gzip", any(async || ([(CONTENT_ENCODING, "gzip")], "plain")))
        .route("/never", any(std::future::pending::<()>))
        .route(
            "/stalls",
            any(async || {
                let start = stream::once(async { Ok::<_, Infallible>("begun") });
                Body::from_stream(start.chain(stream::pending()))
            }),
        )
        .route(
            "/echo",
            any(async |method: Method, body: Bytes| ([("x-method", method.to_string())], body).into_response()),
        )
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&hits), count));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, hits)
}

async fn count(
    State(hits): State<Hits>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    hits.fetch_add(1, Ordering::SeqCst);
    next.run(request).await
}

/// A server that reads a request and answers with these bytes, then closes.
async fn raw(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer).await;
        }
    });
    address
}

/// A gzip stream that unpacks to `length` zeros: one literal, then "repeat the last byte 258 times" (fixed Huffman
/// codes, RFC 1951), 13 bits each.
fn bomb(length: usize) -> Vec<u8> {
    let (mut bytes, mut free) = (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], 0);
    let mut push = |bits: &str| {
        for bit in bits.bytes() {
            if free == 0 {
                bytes.push(0);
                free = 8;
            }
            *bytes.last_mut().unwrap() |= (bit - b'0') << (8 - free);
            free -= 1;
        }
    };
    push("110");
    push("00110000");
    (0..length / 258).for_each(|_| push("1100010100000"));
    push("0000000");
    bytes.extend([0; 8]);
    bytes
}

fn client(allow: &[&str]) -> Client {
    Client::new(allow.iter().map(|rule| rule.parse().unwrap()).collect()).unwrap()
}

fn url(address: SocketAddr, path: &str) -> Url {
    format!("http://{address}{path}").parse().unwrap()
}

fn configured(url: Url) -> Request {
    Request { destination: Destination::Configured, ..Request::get(url) }
}

#[tokio::test]
async fn an_operators_endpoint_may_be_private_and_a_callers_may_not() {
    let (address, hits) = server().await;
    let port = address.port();
    let client = client(&[]);
    let answer = client.send(configured(url(address, "/ok"))).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"fine"[..]));
    assert_eq!(hits.swap(0, Ordering::SeqCst), 1);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "LOCALHOST",
        "user:pass@localhost",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        let error =
            client.send(Request::get(format!("http://{host}:{port}/ok?t=s").parse().unwrap())).await.unwrap_err();
        let NetError::Refused(message) = &error else { panic!("{host}: {error:?}") };
        assert!(message.contains("not on the public internet"), "{host}: {message}");
        assert!(!message.contains("pass") && !message.contains("t=s"), "{message}");
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0, "nothing was sent");
}

#[tokio::test]
async fn rules_open_what_they_name_and_no_more() {
    let (address, hits) = server().await;
    let port = address.port();
    let other = port ^ 1;
    let table = [
        ("127.0.0.0/8".to_owned(), "127.0.0.1", true),
        ("127.0.0.0/8".to_owned(), "localhost", true),
        ("127.0.0.0/8".to_owned(), "[::ffff:127.0.0.1]", true),
        ("127.0.0.2".to_owned(), "127.0.0.1", false),
        ("localhost".to_owned(), "localhost", true),
        ("localhost".to_owned(), "127.0.0.1", false),
        (format!("localhost:{port}"), "localhost", true),
        (format!("localhost:{other}"), "localhost", false),
        (format!("127.0.0.1:{port}"), "127.0.0.1", true),
        (format!("127.0.0.1:{port}"), "[::ffff:127.0.0.1]", true),
        (format!("127.0.0.1:{port}"), "localhost", true),
        (format!("127.0.0.1:{other}"), "127.0.0.1", false),
        (format!("127.0.0.1:{other}"), "localhost", false),
        (format!("127.0.0.2:{port}"), "localhost", false),
        ("*.localhost".to_owned(), "localhost", false),
    ];
    for (rule, host, reached) in table {
        hits.store(0, Ordering::SeqCst);
        let request = Request::get(format!("http://{host}:{port}/ok").parse().unwrap());
        let answer = client(&[&rule]).send(request).await;
        assert_eq!(answer.is_ok(), reached, "{rule} {host}: {answer:?}");
        assert_eq!(hits.load(Ordering::SeqCst), usize::from(reached), "{rule} {host}");
    }
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let (inner, hits) = server().await;
    let target = url(inner, "/ok").to_string();
    let app = Router::new().fallback(async move || (StatusCode::FOUND, [(LOCATION, target)]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outer = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = client(&[&outer.to_string()]);
    for destination in [Destination::Configured, Destination::Named] {
        let answer = client.send(Request { destination, ..Request::get(url(outer, "/")) }).await.unwrap();
        assert_eq!(answer.status, StatusCode::FOUND);
        assert!(answer.headers.contains_key(LOCATION));
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn only_http_is_spoken() {
    for text in ["ftp://127.0.0.1/", "file:///etc/passwd", "data:,x", "unix:/run/x", "gopher://example.org/"] {
        for destination in [Destination::Configured, Destination::Named] {
            let request = Request { destination, ..Request::get(text.parse().unwrap()) };
            let error = client(&["0.0.0.0/0"]).send(request).await.unwrap_err();
            assert!(matches!(error, NetError::Refused(_)), "{text}: {error:?}");
        }
    }
}

#[test]
fn a_proxy_stands_neither_before_this_machine_nor_before_a_callers_place() {
    let client = client(&["lab.example.org"]);
    let ways = &*client.0;
    let [proxied, guarded] = [&ways.proxied, &ways.guarded].map(|way| way.as_ref().unwrap());
    let table = [
        (Destination::Configured, "http://127.0.0.9/", &ways.direct),
        (Destination::Configured, "http://[::1]/", &ways.direct),
        (Destination::Configured, "http://localhost:1/", &ways.direct),
        (Destination::Configured, "https://example.org/", proxied),
        (Destination::Configured, "http://10.0.0.1/", proxied),
        (Destination::Named, "https://example.org/", guarded),
        (Destination::Named, "https://8.8.8.8/", guarded),
        (Destination::Named, "https://lab.example.org/", &ways.direct),
    ];
    for (destination, url, want) in table {
        assert!(std::ptr::eq(client.way(&url.parse().unwrap(), destination).unwrap(), want), "{url}");
    }
}

#[tokio::test]
async fn an_answer_is_bounded_while_it_is_read() {
    let (address, _) = server().await;
    let client = client(&[]);
    for (path, max_bytes) in [("/digits", 9_999), ("/endless", MEBIBYTE), ("/bomb", MEBIBYTE)] {
        let error = client.send(Request { max_bytes, ..configured(url(address, path)) }).await.unwrap_err();
        assert_eq!(error, NetError::TooLarge(max_bytes), "{path}");
    }
    let exact = Request { max_bytes: 10_000, ..configured(url(address, "/digits")) };
    assert_eq!(client.send(exact).await.unwrap().body.len(), 10_000);
}

#[tokio::test]
async fn the_tail_is_kept_where_asked() {
    let (address, _) = server().await;
    let client = client(&[]);
    for (max_bytes, want) in [(0, ""), (3, "789"), (12, "890123456789")] {
        let request = Request { max_bytes, keep: Keep::Tail, ..configured(url(address, "/digits")) };
        assert_eq!(client.send(request).await.unwrap().body, want);
    }
}

#[tokio::test]
async fn a_timeout_covers_the_body_too() {
    let (address, _) = server().await;
    let timeout = Duration::from_millis(100);
    for (path, keep) in [("/never", Keep::Head), ("/stalls", Keep::Head), ("/endless", Keep::Tail)] {
        let request = Request { timeout, keep, ..configured(url(address, path)) };
        assert_eq!(client(&[]).send(request).await.unwrap_err(), NetError::Timeout(timeout), "{path}");
    }
}

#[tokio::test]
async fn what_was_surely_not_sent_is_told_from_what_may_have_been() {
    let client = client(&[]);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = client.send(configured(url(free, "/path?token=secret"))).await.unwrap_err();
    let NetError::Connect(message) = &error else { panic!("{error:?}") };
    assert!(message.contains(&format!("http://{free}/path:")) && !message.contains("secret"), "{message}");

    let (address, _) = server().await;
    let broken = [
        url(raw(b"").await, "/?token=secret"),
        url(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").await, "/?token=secret"),
        url(raw(b"SSH-2.0-garbage\r\n").await, "/?token=secret"),
        url(address, "/not-gzip?token=secret"),
    ];
    for url in broken {
        let error = client.send(configured(url)).await.unwrap_err();
        let NetError::Broken(message) = &error else { panic!("{error:?}") };
        assert!(!message.contains("secret"), "{message}");
    }
}

#[tokio::test]
async fn the_request_is_sent_as_it_is_told() {
    let (address, _) = server().await;
    let client = client(&[]);
    let post = Request { destination: Destination::Configured, ..Request::post(url(address, "/echo"), "{}") };
    let answer = client.send(post).await.unwrap();
    assert_eq!((answer.headers["x-method"].as_bytes(), &*answer.body), (&b"POST"[..], &b"{}"[..]));
    let mut request = configured(url(address, "/headers"));
    request.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer t"));
    let seen = client.send(request).await.unwrap().body;
    let seen = String::from_utf8_lossy(&seen);
    for part in [USER_AGENT.as_str(), super::USER_AGENT, ACCEPT_ENCODING.as_str(), "gzip", "Bearer t"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
}

#[test]
fn a_machine_without_certificate_authorities_still_gets_a_client() {
    assert!(build(|builder| builder.tls_certs_only([])).is_ok());
}

#[test]
fn a_request_is_shown_without_its_secrets() {
    let request = Request::get("https://user:pass@example.org:8443/a?token=secret#f".parse().unwrap());
    assert_eq!(format!("{request:?}"), "GET https://example.org:8443/a (Named)");
}

#[tokio::test]
async fn a_file_is_sent_as_it_is() {
    let (address, _) = server().await;
    let url: Url = format!("http://{address}/echo").parse().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..3 * MEBIBYTE).map(|n| n.to_le_bytes()[0]).collect();
    std::fs::write(file.path(), &bytes).unwrap();
    let put = || Request {
        method: Method::PUT,
        destination: Destination::Configured,
        max_bytes: 4 * MEBIBYTE,
        ..Request::get(url.clone())
    };
    let open = async || tokio::fs::File::open(file.path()).await.unwrap();
    let client = Client::new(Vec::new()).unwrap();
    // The server takes two mebibytes.
    assert_eq!(client.upload(put(), open().await, 3 << 20).await.unwrap().status, 413);
    std::fs::write(file.path(), &bytes[..MEBIBYTE]).unwrap();
    let answer = client.upload(put(), open().await, 1 << 20).await.unwrap();
    assert_eq!((answer.headers["x-method"].as_bytes(), &answer.body[..]), (&b"PUT"[..], &bytes[..MEBIBYTE]));
    let shorter = client.upload(put(), open().await, 2 << 20).await;
    assert!(matches!(shorter, Err(NetError::Broken(_))), "{shorter:?}");
}
