//! What operators do with agents.

use serde_json::json;

use super::{Lab, asked, exited, plan, problem, register, registration};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

on_both! {
    async fn a_drained_agent_finishes_what_it_has_and_gets_no_more(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        let run = plan(&app, &["a"]).await;
        let lease = lab.work().await;
        plan(&app, &["b"]).await;
        app.post("/api/v1/agents/lab-3/drain", &json!({"reason": ""})).await.expect(422);
        let drain = json!({"reason": "the board is being moved"});
        let shown = app.post("/api/v1/agents/lab-3/drain", &drain).await.expect(200).json();
        assert_eq!(shown["state"], "busy");
        assert!(text(&shown, "why").ends_with("drained: the board is being moved"), "{shown}");
        assert_eq!(lab.work().await["id"], lease["id"], "what it has is still its own");
        assert_eq!(lab.beat(&lease).await.expect(200).json()["canceled"], false);
        assert_eq!(lab.report(&lease, json!([exited("a", 0)])).await.expect(200).json()["taken"], true);
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
        let words = problem(&lab.claim().await, 403, "forbidden");
        assert!(words.contains("the board is being moved"), "{words}");
        assert_eq!(app.show("/api/v1/agents/lab-3").await["state"], "drained");
        assert_eq!(app.post_empty("/api/v1/agents/lab-3/resume").await.expect(200).json()["state"], "idle");
        assert_eq!(lab.work().await["request"]["jobs"][0]["job"], "b");
    }

    async fn an_agent_that_waits_is_told_that_it_was_drained(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        let (wait, reason) = (json!({"wait_s": 30}), json!({"reason": "enough"}));
        let claim = lab.ask("/api/v1/agents/claim", &wait);
        let (claim, drain) = tokio::join!(claim, app.post("/api/v1/agents/lab-3/drain", &reason));
        drain.expect(200);
        assert!(problem(&claim, 403, "forbidden").contains("enough"));
    }

    async fn what_a_removed_agent_has_is_lost_and_its_name_is_free(db: TestDb) {
        let app = TestApp::start(db).await;
        let (lab, other) = (Lab::start(&app, "lab-3").await, Lab::start(&app, "lab-4").await);
        let run = plan(&app, &["a"]).await;
        let lease = lab.work().await;
        let delete = || app.send(reqwest::Method::DELETE, "/api/v1/agents/lab-3", &[], "");
        delete().await.expect(204);
        delete().await.expect(404);
        app.get("/api/v1/agents/lab-3").await.expect(404);
        app.settle().await;
        let ended = app.run_in(&run, "finished").await;
        assert!(text(&ended, "reason").contains("`lab-3` was removed by an operator"), "{ended}");
        let words = problem(&lab.beat(&lease).await, 409, "lease-lost");
        assert!(words.contains("was removed"), "{words}");
        assert_eq!(lab.report(&lease, json!([exited("a", 0)])).await.expect(200).json()["taken"], false);
        assert!(problem(&lab.claim().await, 403, "forbidden").contains("was removed"));
        assert_eq!(other.work().await["generation"], 2);
        let token = registration(&app, json!({})).await;
        register(&app, &token, &asked("lab-3", &json!({}))).await.expect(201);
        assert_eq!(app.items("/api/v1/leases?agent=lab-3").await.len(), 1, "what the first one had is still told");
    }
}
