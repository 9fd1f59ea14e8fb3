//! Who gets which run.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Lab, exited, plan, plan_for, problem};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

/// How long a claim waits that must not wait to its end.
const LONG_S: u64 = 30;

/// A claim that waits, beside the test.
fn waiting(lab: &Lab<'_>) -> tokio::task::JoinHandle<(Answered, Duration)> {
    let request = lab
        .app
        .http
        .post(format!("{}/api/v1/agents/claim", lab.app.base))
        .header("authorization", format!("Bearer {}", lab.token))
        .header("testyard-agent-protocol", "1")
        .header("content-type", "application/json")
        .body(json!({"wait_s": LONG_S}).to_string());
    tokio::spawn(async move {
        let begun = Instant::now();
        (Answered::of(request.send().await.expect("an answer")).await, begun.elapsed())
    })
}

on_both! {
    async fn many_agents_at_once_never_get_one_run(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let mut labs = Vec::new();
        for number in 0..16 {
            labs.push(Lab::start(if number % 2 == 0 { &app } else { &twin }, &format!("lab-{number}")).await);
        }
        let mut runs = BTreeSet::new();
        for _ in 0..12 {
            runs.insert(plan(&app, &["a"]).await);
        }
        let answers = futures_util::future::join_all(labs.iter().map(Lab::claim)).await;
        let mut got = Vec::new();
        for answered in answers {
            match answered.status {
                200 => got.push(text(&answered.json(), "run")),
                204 => {}
                other => panic!("{other}: {}", answered.text),
            }
        }
        // Whoever was passed over because all that was offered was being taken asks again.
        for lab in &labs {
            let again = lab.claim().await;
            if again.status == 200 {
                got.push(text(&again.json(), "run"));
            }
        }
        let different: BTreeSet<String> = got.iter().cloned().collect();
        assert_eq!(different, runs, "each run is somebody's");
        let held = app.items("/api/v1/leases?state=held").await;
        let of: BTreeSet<_> = held.iter().map(|lease| (text(lease, "run"), text(lease, "agent"))).collect();
        assert_eq!((held.len(), of.len()), (12, 12));
    }

    async fn claims_of_one_agent_give_it_one_run(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        for _ in 0..3 {
            plan(&app, &["a"]).await;
        }
        let answers = futures_util::future::join_all((0..6).map(|_| lab.claim())).await;
        let first = lab.work().await;
        for answered in answers.iter().filter(|answered| answered.status != 204) {
            assert_eq!(answered.clone().expect(200).json()["id"], first["id"], "a lost answer is no dead end");
        }
        let request = &first["request"];
        assert_eq!((&request["kind"], &request["jobs"][0]["job"]), (&json!("jobs"), &json!("a")));
        assert_eq!(first["environment"]["TESTYARD_BUILD"], "maestro:1");
        assert_eq!((&first["generation"], &first["heartbeat_s"]), (&json!(1), &json!(10)));
        assert_eq!(first["expires_at"], "2026-01-02T03:05:05Z");
        let shown = app.show("/api/v1/agents/lab-3").await;
        assert_eq!((&shown["state"], &shown["lease"]["id"]), (&json!("busy"), &first["id"]));
        let run = app.run_in(&text(&first, "run"), "running").await;
        assert_eq!(run["uid"], first["id"]);
    }

    async fn an_agent_gets_what_it_fits_and_is_told_what_else_waits(db: TestDb) {
        let app = TestApp::start(db).await;
        let picky = plan_for(&app, &["a"], &["arch=riscv64", "board=vf2"]).await;
        let lab = Lab::start_with(&app, "lab-3", json!({"arch": "riscv64"})).await;
        let none = lab.claim().await.expect(204);
        assert!(none.header("testyard-waiting").ends_with("lacks: board=vf2 (1)"), "{none:?}");
        let waits = text(&app.run_in(&picky, "planned").await, "waiting");
        assert!(waits.contains("arch=riscv64, board=vf2"), "{waits}");
        let any = plan(&app, &["a"]).await;
        assert_eq!(lab.work().await["run"], json!(any));

        let other = Lab::start(&app, "lab-4").await;
        let labels = json!({"labels": {"arch": "riscv64", "board": "vf2"}, "wait_s": 0});
        let lease = other.ask("/api/v1/agents/claim", &labels).await.expect(200).json();
        assert_eq!(lease["run"], json!(picky));
        assert_eq!(app.show("/api/v1/agents/lab-4").await["labels"]["board"], "vf2");
        other.ask("/api/v1/agents/claim", &json!({"labels": {"a b": "c"}})).await.expect(422);
    }

    async fn an_agent_that_waits_is_woken_by_a_run_planned_here_or_elsewhere(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let lab = Lab::start(&app, "lab-3").await;
        for planner in [&app, &twin] {
            let claim = waiting(&lab);
            let run = plan(planner, &["a"]).await;
            let (answered, took) = claim.await.unwrap();
            let lease = answered.expect(200).json();
            assert_eq!(lease["run"], json!(run));
            assert!(took < Duration::from_secs(LONG_S / 2), "{took:?}");
            lab.report(&lease, json!([exited("a", 0)])).await.expect(200);
        }
    }

    async fn of_two_claims_that_wait_the_later_goes_on(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        let (mut first, mut second) = (waiting(&lab), waiting(&lab));
        // Whichever came first to the service ends, and the other gets the run.
        let (ended, goes_on) = tokio::select! {
            ended = &mut first => (ended.unwrap(), second),
            ended = &mut second => (ended.unwrap(), first),
        };
        assert!(ended.0.status == 204 && ended.1 < Duration::from_secs(LONG_S / 2), "{ended:?}");
        plan(&app, &["a"]).await;
        goes_on.await.unwrap().0.expect(200);
    }

    async fn what_agents_cannot_do_is_refused_at_the_door(db: TestDb) {
        let app = TestApp::start(db).await;
        let build = json!({
            "runner": "agents", "tree": "https://git.example.org/linux.git", "branch": "master", "toolchain": "gcc-14",
            "kconfig": "defconfig",
        });
        let words = problem(&app.post("/api/v1/builds", &build).await, 422, "invalid");
        assert!(words.contains("agents"), "{words}");
    }
}
