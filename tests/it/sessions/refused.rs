//! What makes no sense is refused in words, and nothing of it stays.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SESSIONS, network, pointers, send};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

const NONE: &str = "ses_0198c1a20b7c7d3e9f00112233445566";

on_both! {
    async fn a_session_that_makes_no_sense_is_not_made(db: TestDb) {
        let app = TestApp::start(db).await;
        let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
        for (asked, at) in [
            (json!({"title": "x".repeat(10_001)}), "/title"),
            (json!({"flags": [""]}), "/flags"),
            (json!({"flags": many}), "/flags"),
            (json!({"app_id": "a\u{0}"}), "/app_id"),
            (json!({"app_blob": "A".repeat(2 << 20)}), "/app_blob"),
            (json!({"providers": ["a\u{0}"]}), "/providers/0"),
            (json!({"test_plans": ["a", ""]}), "/test_plans/1"),
            (json!({"mandatory": ["x".repeat(2_001)]}), "/mandatory/0"),
            (json!({"desired": [""]}), "/desired/0"),
            (json!({"rejected_jobs": [""]}), "/rejected_jobs/0"),
            (json!({"units": [7]}), "/units/0"),
            (json!({"pxu": "no colon"}), "/pxu"),
            (json!({"namespace": "::"}), "/namespace"),
        ] {
            let refused = app.post(SESSIONS, &asked).await.expect(422);
            let shown: String = asked.to_string().chars().take(80).collect();
            assert_eq!(pointers(&refused), [at], "{shown}: {}", refused.text);
        }
        for asked in [json!([]), json!({"colour": 1}), json!({"app_blob": "?"}), json!({"units": {}}), json!({"flags": 1})] {
            app.post(SESSIONS, &asked).await.expect(422);
        }
        let clash = json!({"units": [{"id": "a", "plugin": "shell"}, {"id": "a", "plugin": "manual"}]});
        app.post(SESSIONS, &clash).await.expect(409);
        assert!(app.items(SESSIONS).await.is_empty());
    }

    async fn what_is_not_there_is_said_to_be_so_under_every_address(db: TestDb) {
        let app = TestApp::start(db).await;
        let there = network(&app, &["net::ping"]).await;
        for session in [NONE, "none", "ses_7", "%00", "run_0198c1a20b7c7d3e9f00112233445566"] {
            for below in [
                "", "/units", "/jobs", "/jobs/a", "/jobs/a/why", "/jobs/a/results", "/run-list", "/desired", "/mandatory",
                "/plans/choose", "/resources", "/resources/a", "/manifest", "/stats", "/estimate", "/certification", "/verdict",
            ] {
                let refused = app.get(&format!("{SESSIONS}/{session}{below}")).await.expect(404);
                assert!(refused.text.contains("there is no session `"), "{}", refused.text);
            }
            for (method, below, body) in [
                (Method::PATCH, "", json!({})),
                (Method::DELETE, "", Value::Null),
                (Method::POST, "/units", json!({"units": [{"id": "a"}]})),
                (Method::DELETE, "/units/a", Value::Null),
                (Method::POST, "/jobs/a/begin", Value::Null),
                (Method::PATCH, "/jobs/a", json!({"attempts": 1})),
                (Method::POST, "/jobs/a/results", json!({})),
                (Method::POST, "/results", json!([])),
                (Method::POST, "/skip", Value::Null),
                (Method::POST, "/resume", Value::Null),
                (Method::PUT, "/desired", json!({"jobs": []})),
                (Method::PUT, "/mandatory", json!({"jobs": []})),
                (Method::POST, "/trim", json!({"qualifier": {"id": "a"}})),
                (Method::POST, "/qualify", json!({"qualifiers": []})),
                (Method::PUT, "/plans", json!({"test_plans": []})),
                (Method::POST, "/plans/include", Value::Null),
                (Method::PUT, "/resources/a", json!([])),
                (Method::PUT, "/manifest", json!({"answers": {}})),
            ] {
                let refused = send(&app, method.clone(), &format!("{SESSIONS}/{session}{below}"), &body).await;
                assert_eq!(refused.status, 404, "{method} {below}: {}", refused.text);
                assert!(refused.text.contains("there is no session `"), "{}", refused.text);
            }
        }
        for job in ["none", "%00", "a%2Fb", &"x".repeat(5_000)] {
            for below in ["", "/why", "/results"] {
                app.get(&format!("{there}/jobs/{job}{below}")).await.expect(404);
            }
            app.post(&format!("{there}/jobs/{job}/results"), &json!({"outcome": "pass"})).await.expect(404);
            app.send(Method::DELETE, &format!("{there}/units/{job}"), &[], "").await.expect(404);
        }
        app.get(&format!("{there}/jobs/%ff")).await.expect(404);
        assert_eq!(app.show(&there).await["version"], 1);
    }
}
