//! Against a real server on loopback, which also answers as the recorded one did.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use chrono::{DateTime, TimeDelta};
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::clock::ManualClock;
use crate::domain::golden;

type Headers = &'static [(&'static str, &'static str)];

const NO_HEADERS: Headers = &[];

const ID: &str = "0Tode8XTCjfaxizt3QtUssaNEPBUGG8u";

async fn serve(app: Router) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/submit").parse().unwrap()
}

thread_local! {
    /// One a test: reading the machine's certificate authorities takes time.
    static CLIENT: Client = Client::new(Vec::new()).unwrap();
}

fn sink_at(url: Url, timeout: Duration) -> KcidbSink {
    let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
    KcidbSink::new(CLIENT.with(Clone::clone), clock, url, Some(&"secret-token".into()), timeout).unwrap()
}

/// A sink that gives the same answer to everything.
async fn answering(status: u16, headers: Headers, body: impl Into<Bytes>) -> KcidbSink {
    let (status, body) = (StatusCode::from_u16(status).unwrap(), body.into());
    let answer = move || {
        let mut answer = (status, body.clone()).into_response();
        answer.headers_mut().extend(headers.iter().map(|&(name, value)| {
            (name.parse::<reqwest::header::HeaderName>().unwrap(), HeaderValue::from_static(value))
        }));
        std::future::ready::<Response>(answer)
    };
    sink_at(serve(Router::new().fallback(answer)).await, Duration::from_secs(30))
}

async fn submit(sink: &KcidbSink) -> Result<Receipt, SinkError> {
    sink.submit(Bytes::from_static(b"{}")).await
}

#[tokio::test]
async fn a_receipt_is_a_200_with_an_id() {
    let body = format!(r#"{{"id":"{ID}","status":"ok","message":"Received"}}"#);
    assert_eq!(submit(&answering(200, &[], body.clone()).await).await, Ok(Receipt { id: ID.to_owned() }));
    let no_receipts = [
        (200, "OK".to_owned()),
        (200, String::new()),
        (200, "[]".to_owned()),
        (200, r#"{"status":"ok","message":""}"#.to_owned()),
        (200, r#"{"id":"0","status":"ok","message":""}"#.to_owned()),
        (200, r#"{"id":"","status":"ok","message":""}"#.to_owned()),
        (200, r#"{"id":17,"status":"ok","message":""}"#.to_owned()),
        (200, r#"{"id":null,"status":"ok"}"#.to_owned()),
        (200, r#"{"id":"a\u0000","status":"ok"}"#.to_owned()),
        (200, format!(r#"{{"id":"{}","status":"ok"}}"#, "a".repeat(201))),
        (200, body.replace("ok", "error")),
        (200, format!("{body}{body}")),
        (201, body.clone()),
        (202, body.clone()),
        (204, String::new()),
    ];
    for (status, body) in no_receipts {
        let answer = submit(&answering(status, &[], body.clone()).await).await;
        assert!(matches!(answer, Err(SinkError::Unclear(_))), "{status} {body}: {answer:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_from_a_bad_moment() {
    for status in [400, 401, 403, 413, 422] {
        let error = submit(&answering(status, &[], "no").await).await.unwrap_err();
        assert_eq!(error, SinkError::Rejected { status, answer: "no".to_owned() });
        assert_eq!(error.is_about_size(), status == 413);
        assert_eq!(error.is_about_credentials(), matches!(status, 401 | 403));
    }
    let moments = [
        (408, NO_HEADERS, None),
        // Not about the report: a wrong URL, or a proxy that stands in.
        (404, &[], None),
        (405, &[], None),
        (409, &[("retry-after", "17")], Some(17)),
        (451, &[], None),
        (425, &[], None),
        (429, &[("retry-after", "17")], Some(17)),
        (429, &[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")], Some(60)),
        (500, &[], None),
        (502, &[("retry-after", "soon")], None),
        (503, &[("retry-after", "-1")], Some(0)),
        (599, &[], None),
    ];
    for (status, headers, asked) in moments {
        let error = submit(&answering(status, headers, "later").await).await.unwrap_err();
        let SinkError::Unavailable { message, retry_after } = &error else { panic!("{status}: {error:?}") };
        assert!(message.contains(&status.to_string()) && message.contains("later"), "{message}");
        assert_eq!(*retry_after, asked.map(TimeDelta::seconds), "{status}");
        assert!(!error.is_about_size() && !error.is_about_credentials());
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let app = Router::new()
        .route("/submit", any(async || (StatusCode::PERMANENT_REDIRECT, [("location", "/elsewhere")])))
        .fallback(async || format!(r#"{{"id":"{ID}","status":"ok","message":""}}"#));
    let error = submit(&sink_at(serve(app).await, Duration::from_secs(30))).await.unwrap_err();
    assert!(matches!(&error, SinkError::Unavailable { message, .. } if message.contains("/elsewhere")), "{error:?}");
}

#[tokio::test]
async fn silence_and_broken_lines() {
    let never = serve(Router::new().fallback(std::future::pending::<()>)).await;
    let error = submit(&sink_at(never, Duration::from_millis(100))).await.unwrap_err();
    assert!(matches!(&error, SinkError::Unavailable { message, .. } if message.contains("100ms")), "{error:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closing: Url = format!("http://{}/submit", listener.local_addr().unwrap()).parse().unwrap();
    let closer = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            drop(socket);
        }
    });
    let sink = sink_at(closing, Duration::from_secs(30));
    let error = submit(&sink).await.unwrap_err();
    assert!(matches!(&error, SinkError::Unclear(_)), "{error:?}");

    closer.abort();
    assert!(closer.await.unwrap_err().is_cancelled());
    let error = submit(&sink).await.unwrap_err();
    assert!(matches!(&error, SinkError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_giant_answer_costs_little_and_its_status_counts() {
    let giant = "ä".repeat(1 << 20);
    let error = submit(&answering(200, &[], giant.clone()).await).await.unwrap_err();
    let SinkError::Unclear(message) = error else { panic!("{error:?}") };
    assert!(message.chars().count() < 2_100);
    let error = submit(&answering(400, &[], giant).await).await.unwrap_err();
    let SinkError::Rejected { status: 400, answer } = error else { panic!("{error:?}") };
    assert_eq!(answer.chars().count(), 2_000);

    let chunk = Bytes::from(vec![b' '; 1 << 20]);
    let app = Router::new().fallback(async move || {
        let chunks = stream::repeat(Ok::<_, std::convert::Infallible>(chunk.clone()));
        Body::from_stream(chunks)
    });
    let error = submit(&sink_at(serve(app).await, Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn what_the_sink_sees() {
    let app = Router::new().fallback(async |uri: Uri, headers: HeaderMap, body: String| {
        let of = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        (StatusCode::UNPROCESSABLE_ENTITY, format!("{uri} {} {} {body}", of("authorization"), of("content-type")))
    });
    let url = serve(app).await;
    let sink = sink_at(url.clone(), Duration::from_secs(30));
    let seen = |error: SinkError| match error {
        SinkError::Rejected { status: 422, answer } => answer,
        error => panic!("{error:?}"),
    };
    assert_eq!(seen(submit(&sink).await.unwrap_err()), "/submit Bearer secret-token application/json {}");
    assert_eq!(seen(sink.status("a&b=ä").await.unwrap_err()), "/status?id=a%26b%3D%C3%A4 Bearer secret-token -");

    let with = |user: &str, path: &str, token: Option<&str>| {
        let url =
            format!("{}{path}", url.as_str().replace("http://", &format!("http://{user}")).replace("/submit", ""));
        let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
        let token = token.map(SecretString::from);
        KcidbSink::new(CLIENT.with(Clone::clone), clock, url.parse().unwrap(), token.as_ref(), Duration::from_secs(30))
    };
    let by_user = with("tok.en@", "/a/submit/?x=1", None).unwrap();
    assert_eq!(seen(submit(&by_user).await.unwrap_err()), "/a/submit/?x=1 Bearer tok.en application/json {}");
    assert_eq!(seen(by_user.status("7").await.unwrap_err()), "/a/status?x=1&id=7 Bearer tok.en -");
    let none = with("", "/submit", Some(" ")).unwrap();
    assert_eq!(seen(submit(&none).await.unwrap_err()), "/submit - application/json {}");
    let odd = with("", "/intake", Some("t")).unwrap();
    assert!(!odd.follows_receipts() && none.follows_receipts());
    assert!(matches!(odd.status("7").await, Err(SinkError::Unclear(_))));
    assert_eq!(with("", "/submit", Some("a\nb")).unwrap_err(), InvalidSink::Token);
    assert!(!format!("{sink:?} {by_user:?}").contains("tok"));
}

#[tokio::test]
async fn receipts_are_followed() {
    let answer = |status: &str| format!(r#"{{"id":"{ID}","status":"{status}","message":"why"}}"#);
    let table = [
        (200, answer("inprogress"), Some(ReceiptState::InProgress)),
        (200, answer("ready"), Some(ReceiptState::Ready)),
        (200, answer("processed"), Some(ReceiptState::Processed)),
        (200, answer("failed"), Some(ReceiptState::Failed { message: "why".to_owned() })),
        (404, answer("notfound"), Some(ReceiptState::NotFound)),
        (404, String::new(), Some(ReceiptState::NotTold)),
        (404, answer("processed"), Some(ReceiptState::NotTold)),
        (405, String::new(), Some(ReceiptState::NotTold)),
        (200, answer("ok"), None),
        (200, "processed".to_owned(), None),
        (401, answer("error"), None),
        (500, answer("processed"), None),
    ];
    for (status, body, want) in table {
        let state = answering(status, &[], body.clone()).await.status(ID).await;
        assert_eq!(state.ok(), want, "{status} {body}");
    }
}

/// The recorded answers of the real door: ours in the tree, and those of the folder that `TESTYARD_GOLDEN` names.
fn recorded() -> Vec<Value> {
    golden::cases("wire/restd_responses.json", "cases")
}

#[tokio::test]
async fn golden_answers_of_restd_are_understood() {
    let (mut receipts, mut refusals, mut states) = (0, 0, 0);
    for case in recorded() {
        let (request, response) = (&case["request"], &case["response"]);
        let path = request["path"].as_str().unwrap();
        let code = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
        let body = response["body"].as_str().unwrap_or_default().to_owned();
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let sink = answering(code, &[], body.clone()).await;
        if path == "/submit" {
            match submit(&sink).await {
                Ok(receipt) => {
                    assert_eq!((code, Some(&*receipt.id)), (200, answer["id"].as_str()), "{case}");
                    receipts += 1;
                }
                Err(SinkError::Rejected { status, answer }) => {
                    assert!(status == code && (400..500).contains(&code), "{case}");
                    assert!(body.is_empty() || answer == body, "{case}");
                    refusals += 1;
                }
                // 405 is the answer to a method that is never used here.
                Err(SinkError::Unavailable { .. }) => assert!(code >= 500 || code == 405, "{case}"),
                Err(error) => panic!("{error:?}: {case}"),
            }
        } else if path.starts_with("/status") {
            let state = sink.status(ID).await;
            match answer["status"].as_str() {
                Some("inprogress") => assert_eq!(state, Ok(ReceiptState::InProgress), "{case}"),
                Some("ready") => assert_eq!(state, Ok(ReceiptState::Ready), "{case}"),
                Some("processed") => assert_eq!(state, Ok(ReceiptState::Processed), "{case}"),
                Some("failed") => assert!(matches!(state, Ok(ReceiptState::Failed { .. })), "{case}"),
                Some("notfound") => assert_eq!(state, Ok(ReceiptState::NotFound), "{case}"),
                _ => assert!(state.is_err(), "{case}"),
            }
            states += 1;
        }
    }
    assert!(receipts > 0 && refusals > 0 && states > 0, "{receipts} {refusals} {states}");
}
