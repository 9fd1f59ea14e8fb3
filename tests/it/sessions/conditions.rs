//! `If-Match` and `If-None-Match`: a change of what the caller has seen, and no answer that they have already.

use reqwest::Method;
use serde_json::{Value, json};

use super::{JSON, network, pass};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

/// Every change of a session, as method, path below it and body; each changes something.
fn changes() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::PATCH, "", json!({"title": "new"})),
        (Method::POST, "/units", json!({"units": [{"id": "new", "plugin": "shell"}]})),
        (Method::DELETE, "/units/net::ask", Value::Null),
        (Method::POST, "/jobs/net::link/begin", Value::Null),
        (Method::POST, "/resume", Value::Null),
        (Method::PATCH, "/jobs/net::link", json!({"attempts": 7})),
        (Method::POST, "/jobs/net::link/results", json!({"outcome": "fail"})),
        (Method::POST, "/skip", Value::Null),
        (Method::POST, "/results", json!([{"job": "net::nic", "outcome": "pass"}])),
        (Method::PUT, "/desired", json!({"jobs": ["net::report"]})),
        (Method::PUT, "/mandatory", json!({"jobs": ["net::nic"]})),
        (Method::POST, "/trim", json!({"qualifier": {"id": "net::rescue"}})),
        (Method::PUT, "/plans", json!({"test_plans": ["net::smoke"]})),
        (Method::POST, "/plans/setup", Value::Null),
        (Method::POST, "/plans/bootstrap", Value::Null),
        (Method::POST, "/plans/include", Value::Null),
        (Method::PUT, "/resources/net::disk", json!([{"a": "b"}])),
        (Method::PUT, "/manifest", json!({"answers": {"net::a": true}})),
        (Method::DELETE, "", Value::Null),
    ]
}

on_both! {
    async fn every_change_honours_the_version_that_was_seen(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping"]).await;
        let mut version = 1;
        for (method, below, body) in changes() {
            let what = format!("{method} {below}");
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let send = async |tag: &str| {
                let headers = [JSON, ("if-match", tag)];
                app.send(method.clone(), &format!("{path}{below}"), &headers, body.clone()).await
            };
            let refused = send(&format!("\"r{}\"", version + 1)).await;
            assert_eq!(refused.status, 412, "{what}: {}", refused.text);
            assert!(refused.text.contains(&format!("revision {version} by now, not {}", version + 1)), "{what}: {}", refused.text);
            for wrong in ["7", "\"x\"", ""] {
                assert_eq!(send(wrong).await.status, 400, "{what} with {wrong}");
            }
            let done = send(&format!("\"r{version}\"")).await;
            assert!([200, 204].contains(&done.status), "{what}: {} {}", done.status, done.text);
            if (method.clone(), below) != (Method::DELETE, "") {
                version += 1;
                assert_eq!(done.header("etag"), format!("\"r{version}\""), "{what}");
            }
        }
        app.get(&path).await.expect(404);
    }

    async fn a_session_is_not_made_under_a_condition(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        let headers = [JSON, ("if-none-match", "*")];
        app.send(Method::PATCH, &path, &headers, "{}").await.expect(400);
        let any = [JSON, ("if-match", "*")];
        app.send(Method::PATCH, &path, &any, "{\"title\": 1}").await.expect(200);
    }

    async fn a_version_that_the_caller_has_is_not_sent(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping"]).await;
        for below in [
            "", "/units", "/jobs", "/jobs/net::link", "/jobs/net::link/why", "/jobs/net::link/results", "/run-list", "/desired",
            "/mandatory", "/plans/choose", "/resources", "/manifest", "/stats", "/estimate", "/certification", "/verdict",
        ] {
            let path = format!("{path}{below}");
            let tag = app.get(&path).await.expect(200).header("etag").to_owned();
            assert_eq!(tag, "\"r1\"", "{below}");
            let has = [("if-none-match", tag.as_str())];
            assert!(app.send(Method::GET, &path, &has, "").await.expect(304).text.is_empty());
        }
        pass(&app, &path, "net::link").await;
        app.send(Method::GET, &path, &[("if-none-match", "\"r1\"")], "").await.expect(200);
    }
}
