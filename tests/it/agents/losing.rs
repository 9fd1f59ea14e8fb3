//! Agents that are not heard of any more, and those that come back.

use chrono::TimeDelta;
use serde_json::json;
use testyard::config::OnLost;

use super::{Lab, exited, plan, problem};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

/// Longer than a lease lasts without a heartbeat.
const SILENCE: TimeDelta = TimeDelta::seconds(61);

on_both! {
    async fn a_lost_agent_s_run_is_attempted_again_and_what_it_reports_later_changes_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let (lab, other) = (Lab::start(&app, "lab-3").await, Lab::start(&app, "lab-4").await);
        let first = plan(&app, &["a"]).await;
        let lease = lab.work().await;
        app.advance(TimeDelta::seconds(59)).await;
        lab.beat(&lease).await.expect(200);
        app.advance(TimeDelta::seconds(59)).await;
        app.run_in(&first, "running").await;
        app.advance(TimeDelta::seconds(2)).await;
        let lost = app.run_in(&first, "finished").await;
        assert_eq!((&lost["status"], &lost["live"]), (&json!("MISS"), &json!(false)));
        assert_eq!(lost["reason"], "the agent `lab-3` was lost: no heartbeat since 2026-01-02T03:05:04Z");
        assert_eq!(app.show("/api/v1/agents/lab-3").await["state"], "idle", "it was heard of lately");

        let second = other.work().await;
        assert_eq!(second["generation"], 2);
        assert_eq!(app.run(&text(&second, "run")).await["previous"], json!(first));
        let words = problem(&lab.beat(&lease).await, 409, "lease-lost");
        assert!(words.contains("no heartbeat since"), "{words}");
        for _ in 0..2 {
            let late = lab.report(&lease, json!([exited("a", 1)])).await.expect(200).json();
            assert_eq!(late["taken"], false);
            assert!(text(&late, "reason").contains("changes nothing"), "{late}");
        }
        lab.report(&lease, json!([])).await.expect(200);
        let kept = app.items(&format!("/api/v1/callbacks?run={first}")).await;
        assert_eq!((kept.len(), &kept[0]["state"], &kept[0]["runner"]), (1, &json!("late"), &json!("agents")));
        let body = text(&app.show(&format!("/api/v1/callbacks/{}", text(&kept[0], "id"))).await, "body");
        assert!(body.contains(r#""code":1"#), "{body}");
        let leases = app.items(&format!("/api/v1/leases?run={first}")).await;
        assert_eq!((&leases[0]["state"], &leases[0]["late"]), (&json!("lost"), &kept[0]["id"]));

        other.report(&second, json!([exited("a", 0)])).await.expect(200);
        app.settle().await;
        assert_eq!(app.run_in(&text(&second, "run"), "finished").await["status"], "PASS");
        assert_eq!(app.results_of(&first).await, [("lab.a".into(), "MISS".into())]);
        lab.claim().await.expect(204);
    }

    async fn runs_are_attempted_as_often_as_the_settings_say(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.agents.max_attempts = 2).await;
        let lab = Lab::start(&app, "lab-3").await;
        plan(&app, &["a"]).await;
        for generation in 1..=2 {
            assert_eq!(lab.work().await["generation"], generation);
            app.advance(SILENCE).await;
        }
        lab.claim().await.expect(204);
        let runs = app.items("/api/v1/runs").await;
        let told: Vec<_> = runs.iter().map(|run| (text(run, "status"), run["live"] == true)).collect();
        assert_eq!(told, [("MISS".into(), true), ("MISS".into(), false)]);

        let app = app.restart_with(|settings| settings.agents.on_lost = OnLost::Fail).await;
        let lab = Lab { app: &app, token: Lab::start(&app, "lab-4").await.token };
        let run = plan(&app, &["a"]).await;
        lab.work().await;
        app.advance(SILENCE).await;
        assert_eq!(app.run_in(&run, "finished").await["live"], true);
        lab.claim().await.expect(204);
        app.post_empty(&format!("/api/v1/runs/{run}/retry")).await.expect(201);
        assert_eq!(lab.work().await["generation"], 2);
    }

    async fn a_service_that_was_away_lets_agents_be_heard_of_again(db: TestDb) {
        let app = TestApp::start(db).await;
        let run = plan(&app, &["a"]).await;
        let (token, lease) = {
            let lab = Lab::start(&app, "lab-3").await;
            (lab.token.clone(), lab.work().await)
        };
        app.clock.advance(TimeDelta::hours(1));
        let app = app.restart().await;
        app.settle().await;
        app.run_in(&run, "running").await;
        let lab = Lab { app: &app, token };
        lab.beat(&lease).await.expect(200);
        app.advance(TimeDelta::seconds(59)).await;
        app.run_in(&run, "running").await;
        app.advance(TimeDelta::seconds(2)).await;
        app.run_in(&run, "finished").await;
    }

    async fn an_agent_that_is_lost_or_gone_is_told_apart(db: TestDb) {
        let app = TestApp::start(db).await;
        let (lab, idle) = (Lab::start(&app, "lab-3").await, Lab::start(&app, "lab-4").await);
        plan(&app, &["a"]).await;
        lab.work().await;
        idle.claim().await.expect(204);
        app.advance(TimeDelta::minutes(5)).await;
        let shown = app.items("/api/v1/agents").await;
        let states: Vec<_> = shown.iter().map(|agent| text(agent, "state")).collect();
        assert_eq!(states, ["lost", "offline"]);
        assert!(text(&shown[0], "why").contains("no heartbeat since"), "{shown:?}");
        assert!(text(&shown[1], "why").contains("nothing was heard"), "{shown:?}");
    }
}
