//! The doors that keep what others refuse: KCIDB submissions, and callbacks under a run's own capability.

use serde_json::json;

use super::{JSON, assert_refused, assert_unmoved, doors, report, rows};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

/// kcidb-restd's refusal: plain text that holds JSON, or a bare sentence where its framework refused.
#[track_caller]
fn assert_refused_as_restd(answered: &Answered, what: &str) {
    assert_eq!(answered.status, 400, "{what}: {}", answered.text);
    assert_eq!(answered.header("content-type"), "text/plain; charset=utf-8", "{what}");
    let is_answer =
        answered.text.starts_with('{') && answered.json()["status"] == "error" && answered.json()["id"] == "0";
    assert!(
        is_answer || answered.text.starts_with("Request body didn't contain valid UTF-8"),
        "{what}: {}",
        answered.text
    );
}

on_both! {
    async fn a_submission_that_is_not_json_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        let good = report().to_string();
        let deep = "[".repeat(200) + &"]".repeat(200);
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"{not json",
            b"\xff",
            b"\"\xed\xa0\x80\"",
            b"\"\\ud800\"",
            b"[1e999]",
            b"{} {}",
            b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
            b"\xef\xbb\xbf{}",
            &good.as_bytes()[..good.len() - 1],
            deep.as_bytes(),
        ] {
            let answered = app.post_raw("/submit", &[JSON], body.to_vec()).await;
            assert_refused_as_restd(&answered, &String::from_utf8_lossy(body));
        }
        assert_unmoved(&app, &before).await;
    }

    async fn a_submission_is_taken_whatever_its_content_type(db: TestDb) {
        let app = TestApp::start(db).await;
        for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded", "x"] {
            app.post_raw("/submit", &[("content-type", kind)], report().to_string()).await.expect(200);
        }
        app.post_raw("/submit", &[], report().to_string()).await.expect(200);
        assert_eq!(rows(&app.app.db).await[6], ("submission", 5));
    }

    async fn only_the_right_capability_opens_its_door(db: TestDb) {
        let app = TestApp::start(db).await;
        let door = doors().into_iter().find(|door| door.path == "/api/v1/tests/run").unwrap();
        app.post(door.path, &door.good).await.expect(204);
        app.settle().await;
        let uid = app.tuxsuite.tests()[0]["uid"].as_str().unwrap().to_owned();
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("boot", "pass")]);
        let path = callback.url.strip_prefix(&app.base).unwrap().to_owned();
        let (head, capability) = path.rsplit_once('/').unwrap();
        let before = rows(&app.app.db).await;
        for wrong in
            ["x", "%00", "%ff", "%e2%82", "cap_", "..%2f", "*", "'%20OR%201=1--", &"x".repeat(30_000), &capability[1..]]
        {
            let answered = app.post_raw(&format!("{head}/{wrong}"), &[JSON], callback.body.clone()).await;
            assert_refused(&answered, &[401, 404], wrong);
        }
        for runner in ["nobody", "%00", "%ff", "local", &"x".repeat(30_000)] {
            let answered =
                app.post_raw(&format!("/api/v1/callbacks/{runner}/{capability}"), &[JSON], callback.body.clone()).await;
            assert_refused(&answered, &[401, 404], runner);
        }
        assert_unmoved(&app, &before).await;
        app.call_back(&callback).await.expect(204);
    }

    async fn what_a_runner_sends_and_nobody_understands_is_refused_and_kept(db: TestDb) {
        let app = TestApp::start(db).await;
        let door = doors().into_iter().find(|door| door.path == "/api/v1/tests/run").unwrap();
        app.post(door.path, &door.good).await.expect(204);
        app.settle().await;
        let uid = app.tuxsuite.tests()[0]["uid"].as_str().unwrap().to_owned();
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("boot", "pass")]);
        let before = rows(&app.app.db).await;
        let bodies: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"{not json".to_vec(),
            b"\xff\0".to_vec(),
            b"null".to_vec(),
            b"[]".to_vec(),
            b"{}".to_vec(),
            json!({"kind": "build", "status": {"uid": uid}}).to_string().into_bytes(),
            json!({"kind": "test", "status": {"uid": ""}}).to_string().into_bytes(),
            json!({"kind": "test", "status": {"uid": "a\0"}}).to_string().into_bytes(),
            json!({"kind": "test", "status": {"uid": "x".repeat(600)}}).to_string().into_bytes(),
            ("[".repeat(200) + &"]".repeat(200)).into_bytes(),
            serde_json::to_vec(&"\"".repeat(100)).unwrap(),
        ];
        let many = i64::try_from(bodies.len()).unwrap();
        for body in bodies {
            let answered = app.post_raw(&callback.url, &[JSON], body.clone()).await;
            assert_refused(&answered, &[422], &String::from_utf8_lossy(&body));
        }
        let kept = app.items("/api/v1/callbacks?state=refused").await;
        assert_eq!(i64::try_from(kept.len()).unwrap(), many, "each is kept for the operator");
        for one in kept {
            let one = app.show(&format!("/api/v1/callbacks/{}", one["id"].as_str().unwrap())).await;
            assert!(one["reason"].is_string() && (one["body"].is_string() || one["body_base64"].is_string()), "{one}");
        }
        let mut want = before;
        want[5].1 += many;
        assert_unmoved(&app, &want).await;
        app.call_back(&callback).await.expect(204);
    }

    async fn a_nul_in_what_a_runner_tells_is_left_out(db: TestDb) {
        let app = TestApp::start(db).await;
        let door = doors().into_iter().find(|door| door.path == "/api/v1/tests/run").unwrap();
        let run = app.post(door.path, &door.good).await.expect(204).header("location").to_owned();
        app.settle().await;
        let uid = app.tuxsuite.tests()[0]["uid"].as_str().unwrap().to_owned();
        let cases = json!({"a\0b": {"result": "fail", "error_msg": "\0"}, "\0": {"result": "pass"}});
        let results = json!({"lava": {"ltp-smoke": {"result": "pass"}}, "ltp-smoke": cases});
        app.tuxsuite.put_file(&uid, "results.json", results.to_string());
        app.tuxsuite.put_file(&uid, "logs.txt", "one\0two\n");
        let mut callback =
            app.tuxsuite.finish_test(&uid, "fail", &[("boot", "pass"), ("ltp-smoke", "fail"), ("ltp-fsx", "fail")]);
        let mut body: serde_json::Value = serde_json::from_str(&callback.body).unwrap();
        // TuxSuite's bodies are texts that hold JSON.
        if let Some(inner) = body.as_str() {
            body = serde_json::from_str(inner).unwrap();
        }
        for (name, value) in [("status_message", json!("a\0b")), ("device", json!("qe\0mu")), ("n\0w", json!(["\0"]))] {
            body["status"][name] = value;
        }
        callback.body = body.to_string();
        app.call_back(&callback).await.expect(204);
        app.deliver().await;
        let shown = app.show(&run).await;
        assert_eq!((&shown["state"], &shown["status"]), (&json!("finished"), &json!("FAIL")), "{shown}");
        let results = app.items("/api/v1/results").await;
        assert!(results.iter().any(|result| result["case"] == "ab"), "{results:?}");
        for delivery in app.items("/api/v1/deliveries").await {
            assert_eq!(delivery["state"], "delivered", "{delivery}");
        }
    }

    async fn headers_that_make_no_sense_do_no_harm(db: TestDb) {
        let app = TestApp::start(db).await;
        let door = doors().into_iter().find(|door| door.path == "/api/v1/builds").unwrap();
        let body = door.good.to_string();
        let long = "x".repeat(300);
        let before = rows(&app.app.db).await;
        for (key, status) in [("", 422), (long.as_str(), 422), ("\u{e9}", 400)] {
            let answered = app.post_raw(door.path, &[JSON, ("idempotency-key", key)], body.clone()).await;
            assert_refused(&answered, &[status], &format!("the key `{key}`"));
        }
        assert_unmoved(&app, &before).await;
        for (name, value) in [
            ("x-request-id", "\u{e9}"),
            ("x-request-id", "a b\tc"),
            ("x-request-id", long.as_str()),
            ("authorization", "\u{e9}"),
            ("authorization", "Bearer"),
            ("accept", "image/png"),
            ("range", "bytes=5-1"),
            ("if-none-match", "\"\u{e9}"),
            ("host", "evil.example.org"),
            ("x-forwarded-for", "' OR 1=1"),
            ("traceparent", "00-zz-zz-zz"),
        ] {
            let response =
                app.http.get(format!("{}/api/v1/builds", app.base)).header(name, value).send().await.unwrap();
            let answered = Answered::of(response).await.expect(200);
            let id = answered.header("x-request-id");
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {value}: {id}");
        }
    }
}
