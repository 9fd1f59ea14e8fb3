//! How agents come to be known.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use super::{JSON, Lab, asked, plan, problem, register, registration};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

on_both! {
    async fn a_lost_answer_to_a_registration_is_no_dead_end(db: TestDb) {
        let app = TestApp::start(db).await;
        let token = registration(&app, json!({"name": "lab-3"})).await;
        let asked = asked("lab-3", &json!({"arch": "riscv64"}));
        let first = register(&app, &token, &asked).await.expect(201).json();
        let again = register(&app, &token, &asked).await.expect(201).json();
        assert_eq!(first["id"], again["id"]);
        assert_eq!((&again["protocol"], &again["poll_s"], &again["heartbeat_s"]), (&json!(1), &json!(30), &json!(10)));
        let lost = Lab { app: &app, token: text(&first, "token") };
        problem(&lost.claim().await, 401, "unauthenticated");
        let lab = Lab { app: &app, token: text(&again, "token") };
        lab.claim().await.expect(204);
        let words = problem(&register(&app, &token, &asked).await, 409, "conflict");
        assert!(words.contains("has asked for work"), "{words}");
        lab.claim().await.expect(204);
        let shown = app.show("/api/v1/agents/lab-3").await;
        assert_eq!((&shown["state"], &shown["labels"]), (&json!("idle"), &json!({"arch": "riscv64"})));
        assert!(!app.get("/api/v1/agents").await.text.contains("secret"), "no secret is shown");
    }

    async fn a_token_is_good_for_what_it_says_and_no_longer(db: TestDb) {
        let app = TestApp::start(db).await;
        let named = registration(&app, json!({"name": "lab-3", "expires_in_s": 60})).await;
        let other = asked("lab-4", &json!({}));
        let words = problem(&register(&app, &named, &other).await, 403, "forbidden");
        assert!(words.contains("`lab-3`"), "{words}");
        let mut future = asked("lab-3", &json!({}));
        future["protocol"] = json!(2);
        let words = problem(&register(&app, &named, &future).await, 409, "unknown-protocol");
        assert!(words.contains("version 2") && words.contains("speaks 1"), "{words}");
        app.clock.advance(TimeDelta::seconds(60));
        let words = problem(&register(&app, &named, &asked("lab-3", &json!({}))).await, 401, "unauthenticated");
        assert!(words.contains("expired"), "{words}");
        problem(&register(&app, "reg_none", &other).await, 401, "unauthenticated");
        let without = app.post("/api/v1/agents", &other).await;
        assert!(problem(&without, 401, "unauthenticated").contains("Authorization"));

        let lab = Lab::start(&app, "lab-4").await;
        let second = registration(&app, json!({})).await;
        assert!(problem(&register(&app, &second, &other).await, 409, "conflict").contains("`lab-4`"));
        lab.claim().await.expect(204);
        let bad = json!({"name": "a/b", "labels": {"": "x"}, "version": "0\n", "protocol": 1});
        let faults = register(&app, &second, &bad).await.expect(422).json();
        let pointers: Vec<_> = faults["errors"].as_array().unwrap().iter().map(|fault| text(fault, "pointer")).collect();
        assert_eq!(pointers, ["/name", "/labels", "/version"]);
        register(&app, &second, &asked("lab-5", &json!({}))).await.expect(201);
        for wrong in [json!({"name": "claim"}), json!({"expires_in_s": 0}), json!({"expires_in_s": 10_000_000})] {
            app.post("/api/v1/agents/tokens", &wrong).await.expect(422);
        }
    }

    async fn an_agent_always_shows_its_own_token_and_says_how_it_speaks(db: TestDb) {
        let app = TestApp::start(db).await;
        plan(&app, &["a"]).await;
        let lab = Lab::start(&app, "lab-3").await;
        let bearer = format!("Bearer {}", lab.token);
        let claim = "/api/v1/agents/claim";
        let with = |headers: &'static [(&'static str, &'static str)]| {
            app.send(Method::POST, claim, headers, "{}")
        };
        let words = problem(&with(&[JSON, ("testyard-agent-protocol", "1")]).await, 401, "unauthenticated");
        assert!(words.contains("Authorization"), "{words}");
        let wrong = [JSON, ("testyard-agent-protocol", "1"), ("authorization", "Bearer agt-secret_x")];
        problem(&app.send(Method::POST, claim, &wrong, "{}").await, 401, "unauthenticated");
        for version in ["", "2", "one"] {
            let headers = [JSON, ("testyard-agent-protocol", version), ("authorization", &bearer)];
            let words = problem(&app.send(Method::POST, claim, &headers, "{}").await, 409, "unknown-protocol");
            assert!(words.contains('1'), "{words}");
        }
        lab.work().await;
    }
}
