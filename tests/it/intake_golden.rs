//! Replays the recorded answers of kcidb-restd, and the reports that KCIDB's own library was asked about, over HTTP.
//!
//! Ids are the service's own. What kcidb-restd's router answers by itself (its page, its health) is not replayed; of a
//! method that is not taken the status is. A submission is here from the moment it is answered, so the recorded state
//! `inprogress` is `ready`. The spool that is gone is the database that is away: 503 instead of 500.

#[path = "../../src/http/restd/golden_tokens.rs"]
mod golden_tokens;

use std::fmt::Write as _;

use serde_json::{Value, json};
use testyard::clock::Clock as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::golden_tokens::{SECRETS, token_for, without_column};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::golden;
use crate::support::on_both;

/// A service whose door asks for kcidb-restd's tokens, or for none, and one submission in each state.
struct Door {
    app: TestApp,
    ready: String,
    processed: String,
    failed: String,
}

impl Door {
    async fn open(db: TestDb, with_secrets: bool) -> Self {
        let app = TestApp::start_with(db, |settings| {
            if with_secrets {
                settings.intake.jwt_secret = Some(SECRETS[0].to_owned().into());
                settings.intake.second_jwt_secret = Some(SECRETS[1].to_owned().into());
            }
        })
        .await;
        let mut door = Self { app, ready: String::new(), processed: String::new(), failed: String::new() };
        door.processed = door.submit(r#"{"version": {"major": 5, "minor": 3}}"#).await;
        door.failed = door.submit("1").await;
        door.app.settle().await;
        door.ready = door.submit("1").await;
        door
    }

    fn token(&self, name: &str, message: &str) -> String {
        token_for(name, message, self.app.clock.now().timestamp())
    }

    async fn submit(&self, body: &str) -> String {
        let token = format!("Bearer {}", self.token("", ""));
        let answered = self.app.post_raw("/submit", &[("authorization", &token)], body.to_owned()).await;
        answered.expect(200).json()["id"].as_str().unwrap().to_owned()
    }

    /// The id here of the submission that a recorded path asks for.
    fn id_for<'a>(&'a self, state: &'a str) -> Option<&'a str> {
        match state {
            "ready" | "inprogress" => Some(&self.ready),
            "processed" => Some(&self.processed),
            "failed" => Some(&self.failed),
            _ => None,
        }
    }

    async fn replay(&self, case: &Value) -> Answered {
        let (request, recorded) = (&case["request"], &case["response"]);
        let (name, message) = (text(&case["name"]), text(&recorded["json"]["message"]));
        let mut path = text(&request["path"]).to_owned();
        if let (Some(known), Some(id)) = (path.split_once("id="), self.id_for(text(&recorded["json"]["status"]))) {
            path = format!("{}id={id}", known.0);
        }
        let url = format!("{}{path}", self.app.base);
        let mut builder = self.app.http.request(text(&request["method"]).parse().unwrap(), url);
        for (header, value) in request["headers"].as_object().unwrap() {
            builder = builder.header(header, text(value).replace("<jwt>", &self.token(name, message)));
        }
        if let Some(body) = request["body"].as_str() {
            // What is no UTF-8 was recorded with a replacement character in its place.
            let body = if text(&recorded["body"]).contains("UTF-8") {
                body.split('\u{fffd}').map(str::as_bytes).collect::<Vec<_>>().join(&0xff)
            } else {
                body.as_bytes().to_vec()
            };
            builder = builder.body(body);
        }
        Answered::of(builder.send().await.unwrap()).await
    }

    /// The head and body of the answer to a request whose body is announced and never sent.
    async fn announce(&self, case: &Value) -> String {
        let request = &case["request"];
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: testyard\r\ncontent-length: {}\r\n",
            text(&request["method"]),
            text(&request["path"]),
            request["content_length_announced"]
        );
        for (header, value) in request["headers"].as_object().unwrap() {
            let value = text(value).replace("<jwt>", &self.token(text(&case["name"]), ""));
            write!(head, "{header}: {value}\r\n").unwrap();
        }
        let mut stream = TcpStream::connect(self.app.base.trim_start_matches("http://")).await.unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(std::time::Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        read.expect("it does not wait for the body").unwrap();
        String::from_utf8(answer).unwrap()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether these rules give the answer; else it is the router's alone.
fn is_ours(case: &Value) -> bool {
    ["/authtest", "/status", "/submit"].contains(&text(&case["request"]["path"]).split('?').next().unwrap())
}

/// A recorded text as it is said here: with our ids and our states.
fn as_here(door: &Door, case: &Value, answered: &Answered) -> String {
    let mut want = text(&case["response"]["body"]).to_owned();
    let recorded = &case["response"]["json"];
    let is_receipt = text(&recorded["message"]).starts_with("Received submission");
    let here = match door.id_for(text(&recorded["status"])) {
        Some(id) => id.to_owned(),
        None if is_receipt => text(&answered.json()["id"]).to_owned(),
        None => return want,
    };
    if is_receipt {
        assert!(here.len() == 32 && here.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{here}");
    }
    want = want.replace(text(&recorded["id"]), &here);
    want.replace("inprogress", "ready").replace("File still in progress", "File waiting for processing")
}

on_both! {
    async fn golden_restd_answers_are_given_over_http(db: TestDb) {
        let open_db = TestDb::new(db.dialect()).await;
        let (closed, open) = (Door::open(db, true).await, Door::open(open_db, false).await);
        for file in golden::files("wire/restd_responses.json") {
            let mut replayed = 0;
            for case in file["cases"].as_array().unwrap().iter().filter(|case| is_ours(case)) {
                let name = text(&case["name"]);
                let recorded = &case["response"];
                let door = if name.starts_with("empty secret") { &open } else { &closed };
                replayed += 1;
                if case["request"].get("content_length_announced").is_some() {
                    let answer = door.announce(case).await;
                    assert!(answer.starts_with(&format!("HTTP/1.1 {}", recorded["status"])), "{name}: {answer}");
                    assert!(answer.to_lowercase().contains("content-type: text/plain; charset=utf-8"), "{name}: {answer}");
                    assert!(answer.ends_with(text(&recorded["body"])), "{name}: {answer}");
                    continue;
                }
                if recorded["status"] == 500 {
                    continue;
                }
                let answered = door.replay(case).await;
                assert_eq!(json!(answered.status), recorded["status"], "{name}: {}", answered.text);
                if recorded["status"] != 405 {
                    assert_eq!(answered.header("content-type"), text(&recorded["content_type"]), "{name}");
                    let want = as_here(door, case, &answered);
                    assert_eq!(without_column(&answered.text), without_column(&want), "{name}");
                }
            }
            assert!(replayed > 0, "no case of ours");
        }
    }

    async fn golden_restd_submission_that_cannot_be_stored_is_to_be_repeated(db: TestDb) {
        let door = Door::open(db, true).await;
        door.app.app.db.close().await;
        for file in golden::files("wire/restd_responses.json") {
            for case in file["cases"].as_array().unwrap().iter().filter(|case| case["response"]["status"] == 500) {
                let answered = door.replay(case).await;
                assert_eq!((answered.status, answered.header("retry-after").is_empty()), (503, false), "{}", answered.text);
            }
        }
    }

    async fn golden_valid_reports_are_processed(db: TestDb) {
        let app = TestApp::start(db).await;
        for file in golden::files("wire/kcidb_valid.json") {
            let mut submitted = Vec::new();
            for row in file["reports"].as_array().unwrap() {
                submitted.push((text(&row["name"]).to_owned(), submit(&app, &row["data"]).await));
            }
            assert!(!submitted.is_empty());
            app.settle().await;
            for (name, id) in submitted {
                assert_eq!(state(&app, &id).await, "processed", "{name}: {}", shown(&app, &id).await);
            }
        }
    }

    async fn golden_invalid_reports_fail_and_store_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        for file in golden::files("wire/kcidb_invalid.json") {
            let mut submitted = Vec::new();
            for row in file["reports"].as_array().unwrap() {
                submitted.push((text(&row["name"]).to_owned(), submit(&app, &row["data"]).await));
            }
            assert!(!submitted.is_empty());
            app.settle().await;
            for (name, id) in submitted {
                assert_eq!(state(&app, &id).await, "failed", "{name}");
                let shown = shown(&app, &id).await;
                assert!(text(&shown["reason"]).starts_with("not a KCIDB report: "), "{name}: {shown}");
                assert_eq!(shown["report"], json!({"version": {"major": 5, "minor": 3}}), "{name}");
            }
        }
        assert_eq!(app.items("/api/v1/results").await.len(), 0);
    }
}

async fn submit(app: &TestApp, report: &Value) -> String {
    text(&app.post("/submit", report).await.expect(200).json()["id"]).to_owned()
}

async fn state(app: &TestApp, id: &str) -> String {
    text(&app.get(&format!("/status?id={id}")).await.expect(200).json()["status"]).to_owned()
}

async fn shown(app: &TestApp, id: &str) -> Value {
    app.show(&format!("/api/v1/submissions/{id}")).await
}
