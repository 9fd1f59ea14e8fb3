//! What agents tell of their work, and what they cannot make us believe.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Lab, exited, plan, plan_jobs, problem};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

fn statuses(results: &[(String, String)]) -> Vec<&str> {
    results.iter().map(|(_, status)| status.as_str()).collect()
}

on_both! {
    async fn what_an_agent_reports_becomes_the_run_s_results(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        let run = plan(&app, &["a", "b", "c", "d"]).await;
        let lease = lab.work().await;
        app.clock.advance(TimeDelta::seconds(30));
        let beat = lab.beat(&lease).await.expect(200).json();
        assert_eq!(beat, json!({"expires_at": "2026-01-02T03:05:35Z", "canceled": false, "reason": null}));
        let ends = json!([
            {"job": "a", "how": "exited", "code": 0, "started_at": "1999-01-01T00:00:00Z", "duration_s": 2.5},
            {"job": "b", "how": "exited", "code": 1},
            {"job": "c", "how": "not_run", "message": "no\u{0} such program"},
        ]);
        let taken = lab.report(&lease, ends.clone()).await.expect(200).json();
        assert_eq!(taken, json!({"taken": true, "reason": null}));
        app.run_in(&run, "collecting").await;
        assert_eq!(lab.report(&lease, ends.clone()).await.expect(200).json(), taken, "a lost answer is no dead end");
        app.deliver().await;
        let ended = app.run_in(&run, "finished").await;
        assert_eq!((&ended["status"], &ended["started_at"]), (&json!("FAIL"), &json!("2026-01-02T03:04:05Z")));
        let results = app.results_of(&run).await;
        assert_eq!(statuses(&results), ["PASS", "FAIL", "MISS", "MISS"]);
        assert_eq!(lab.report(&lease, ends).await.expect(200).json(), taken);
        let sunk = app.sunk_tests();
        assert!(sunk[2].2.contains("such program") && sunk[3].2.contains("no result"), "{sunk:?}");

        let words = problem(&lab.beat(&lease).await, 409, "lease-lost");
        assert!(words.contains("results were reported"), "{words}");
        let other = lab.report(&lease, json!([exited("b", 0)])).await.expect(200).json();
        assert_eq!(other["taken"], false);
        assert!(text(&other, "reason").contains("the first ones stay"), "{other}");
        assert_eq!(app.results_of(&run).await, results);
        let ended = app.items(&format!("/api/v1/leases?run={run}")).await;
        assert_eq!((ended.len(), &ended[0]["state"], &ended[0]["agent"]), (1, &json!("ended"), &json!("lab-3")));
        lab.claim().await.expect(204);
    }

    async fn what_an_agent_may_not_say_changes_nothing(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.server.max_body_bytes = 10_000).await;
        let (lab, other) = (Lab::start(&app, "lab-3").await, Lab::start(&app, "lab-4").await);
        let run = plan(&app, &["a", "b"]).await;
        let lease = lab.work().await;
        let refused = lab.report(&lease, json!([exited("a", 0), exited("zebra", 0), exited("a", 1)])).await;
        let words = problem(&refused, 422, "invalid");
        assert!(words.contains("/results/1/job") && words.contains("`zebra`") && words.contains("twice"), "{words}");
        for wrong in [json!([7]), json!({"job": "a"}), json!([{"job": "a", "how": "vanished"}])] {
            lab.report(&lease, wrong).await.expect(422);
        }
        for (generation, status, code) in [(0, 409, "lease-lost"), (2, 409, "lease-lost"), (-1, 409, "lease-lost")] {
            let mut lie = lease.clone();
            lie["generation"] = json!(generation);
            for answered in [
                lab.beat(&lie).await,
                lab.report(&lie, json!([exited("a", 0)])).await,
                lab.tell(&lie, "release", json!({"reason": "x"})).await,
            ] {
                assert!(problem(&answered, status, code).contains("generation 1"));
            }
        }
        problem(&other.beat(&lease).await, 404, "not-found");
        problem(&other.report(&lease, json!([exited("a", 0)])).await, 404, "not-found");
        problem(&lab.ask("/api/v1/leases/lse_7/heartbeat", &json!({"generation": 1})).await, 404, "not-found");
        let nobody = Lab { app: &app, token: "agt-secret_guess".into() };
        problem(&nobody.report(&lease, json!([])).await, 401, "unauthenticated");
        let path = format!("/api/v1/leases/{}/results", text(&lease, "id"));
        problem(&lab.ask_raw(&path, vec![b' '; 10_001]).await, 413, "too-large");
        app.run_in(&run, "running").await;
        lab.beat(&lease).await.expect(200);
        let callbacks = app.items(&format!("/api/v1/callbacks?run={run}")).await;
        assert_eq!(callbacks, Vec::<Value>::new(), "nothing was kept of it");
        lab.report(&lease, json!([exited("a", 0), exited("b", 0)])).await.expect(200);
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn what_jobs_write_is_kept_and_judges_those_that_say_so(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        let says = |job: &str, stdout: &str| json!({"job": job, "command": {"argv": ["x"]}, "expects": {"stdout": stdout}});
        let run = plan_jobs(&app, &[says("a", "hi\nho\n"), says("b", "hi\n"), says("c", "hi\n")], &[]).await;
        let lease = lab.work().await;
        let line = |job: &str, stream: &str, text: &str| {
            json!({"at": "2026-01-02T03:04:06Z", "job": job, "stream": stream, "text": text})
        };
        let note = json!({"at": "2026-01-02T03:04:06Z", "stream": "note", "text": "begun"});
        let lines = json!([note, line("a", "stdout", "hi"), line("a", "stderr", "oh"), line("b", "stdout", "hi")]);
        let send = async |first: u64, lines: &Value| lab.tell(&lease, "log", json!({"first": first, "lines": lines})).await;
        for _ in 0..2 {
            assert_eq!(send(0, &lines).await.expect(200).json(), json!({"next": 4}));
        }
        let gap = send(7, &lines).await;
        problem(&gap, 409, "log-gap");
        assert_eq!(gap.json()["next"], 4);
        let strange = send(4, &json!([line("a", "stdout", "x"), line("zebra", "stdout", "x")])).await;
        assert!(problem(&strange, 422, "invalid").contains("/lines/1/job"));
        // The second of these is there already, and the last comes with what follows it.
        let more = json!([line("b", "stdout", "hi"), line("a", "stdout", "ho"), line("b", "stdout", "more")]);
        assert_eq!(send(3, &more).await.expect(200).json(), json!({"next": 6}));
        lab.report(&lease, json!([exited("a", 0), exited("b", 0), exited("c", 0)])).await.expect(200);
        app.settle().await;
        assert_eq!(statuses(&app.results_of(&run).await), ["PASS", "FAIL", "FAIL"]);
        problem(&send(6, &lines).await, 409, "lease-lost");
        let kept = app.show(&format!("/api/v1/runs/{run}/log?job=a")).await;
        let texts: Vec<_> = kept["items"].as_array().unwrap().iter().map(|line| text(line, "text")).collect();
        assert_eq!(texts, ["hi", "oh", "ho"]);
        // Last, for a connection whose request was not read to its end is of no more use.
        let big = lab.ask_raw(&format!("/api/v1/leases/{}/log", text(&lease, "id")), vec![b' '; (1 << 20) + 1]).await;
        problem(&big, 413, "too-large");
    }

    async fn the_lines_of_each_lease_begin_at_0(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        let run = plan(&app, &["a"]).await;
        let say = |word: &str| {
            json!({"first": 0, "lines": [{"at": "2026-01-02T03:04:06Z", "stream": "note", "text": word}]})
        };
        let first = lab.work().await;
        lab.tell(&first, "log", say("no room")).await.expect(200);
        lab.tell(&first, "release", json!({"reason": "the disk is full"})).await.expect(200);
        problem(&lab.tell(&first, "log", say("late")).await, 409, "lease-lost");
        let second = lab.work().await;
        assert_eq!(lab.tell(&second, "log", say("begun")).await.expect(200).json(), json!({"next": 1}));
        let mut gap = say("x");
        gap["first"] = json!(5);
        assert_eq!(lab.tell(&second, "log", gap).await.expect(409).json()["next"], 1);
        let kept = app.show(&format!("/api/v1/runs/{run}/log")).await;
        let texts: Vec<_> = kept["items"].as_array().unwrap().iter().map(|line| text(line, "text")).collect();
        assert_eq!(texts, ["no room", "begun"]);
    }

    async fn files_are_kept_under_their_job_once(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.artifacts.max_bytes = 10).await;
        let (lab, other) = (Lab::start(&app, "lab-3").await, Lab::start(&app, "lab-4").await);
        let run = plan(&app, &["disk/smart"]).await;
        let lease = lab.work().await;
        let put = async |lab: &Lab<'_>, rest: &str, bytes: &'static str| {
            let path = format!("/api/v1/leases/{}/artifacts/{rest}", text(&lease, "id"));
            let bearer = format!("Bearer {}", lab.token);
            let headers = [("authorization", bearer.as_str()), ("testyard-agent-protocol", "1")];
            app.send(reqwest::Method::PUT, &path, &headers, bytes).await
        };
        let kept = put(&lab, "disk%2Fsmart/out/a.log", "abc").await.expect(201).json();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(kept, json!({"sha256": sha256, "size_bytes": 3}));
        assert_eq!(put(&lab, "disk%2Fsmart/out%2Fa.log", "abc").await.expect(200).json(), kept);
        problem(&put(&lab, "disk%2Fsmart/out/a.log", "abd").await, 409, "conflict");
        problem(&put(&lab, "disk%2Fsmart/b", "more than ten").await, 413, "too-large");
        problem(&put(&lab, "disk%2Fsmart/..%2Fb", "abc").await, 422, "invalid");
        problem(&put(&lab, "zebra/b", "abc").await, 404, "not-found");
        problem(&put(&other, "disk%2Fsmart/b", "abc").await, 404, "not-found");
        let listed = app.items(&format!("/api/v1/runs/{run}/artifacts")).await;
        assert_eq!((listed.len(), &listed[0]["job"], &listed[0]["path"]), (1, &json!("disk/smart"), &json!("out/a.log")));
        lab.report(&lease, json!([exited("disk/smart", 0)])).await.expect(200);
        problem(&put(&lab, "disk%2Fsmart/c", "abc").await, 409, "lease-lost");
    }

    async fn what_is_given_back_is_run_by_another_as_the_same_attempt(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.runs.max_tries = 3).await;
        let (lab, other) = (Lab::start(&app, "lab-3").await, Lab::start(&app, "lab-4").await);
        let run = plan(&app, &["a"]).await;
        let lease = lab.work().await;
        lab.tell(&lease, "release", json!({"reason": " "})).await.expect(422);
        for _ in 0..2 {
            let released = lab.tell(&lease, "release", json!({"reason": "the disk is full"})).await.expect(200).json();
            assert_eq!((&released["state"], &released["reason"]), (&json!("released"), &json!("the disk is full")));
        }
        let waits = app.run_in(&run, "planned").await;
        assert!(text(&waits, "waiting").contains("`lab-3` gave it back: the disk is full"), "{waits}");
        assert_eq!((&waits["attempt"], &waits["uid"]), (&json!(1), &json!(null)));
        problem(&lab.beat(&lease).await, 409, "lease-lost");
        let late = lab.report(&lease, json!([exited("a", 0)])).await.expect(200).json();
        assert_eq!(late["taken"], false, "{late}");

        let second = other.work().await;
        assert_eq!((&second["run"], &second["generation"]), (&json!(run), &json!(1)));
        assert_ne!(second["id"], lease["id"]);
        other.tell(&second, "release", json!({"reason": "no board"})).await.expect(200);
        app.run_in(&run, "planned").await;
        app.advance(TimeDelta::minutes(11)).await;
        let third = other.work().await;
        other.tell(&third, "release", json!({"reason": "no board"})).await.expect(200);
        app.settle().await;
        let ended = app.run_in(&run, "finished").await;
        assert_eq!(ended["status"], "MISS");
        assert!(text(&ended, "reason").contains("given back by agents 3 times"), "{ended}");
    }

    async fn a_cancel_reaches_the_agent_by_its_heartbeat_and_its_results_come_too_late(db: TestDb) {
        let app = TestApp::start(db).await;
        let lab = Lab::start(&app, "lab-3").await;
        let run = plan(&app, &["a"]).await;
        let lease = lab.work().await;
        app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
        let beat = lab.beat(&lease).await.expect(200).json();
        assert_eq!(beat["canceled"], true);
        assert!(text(&beat, "reason").contains("canceled by an operator"), "{beat}");
        app.settle().await;
        let shown = app.items(&format!("/api/v1/leases?run={run}")).await;
        assert_eq!((&shown[0]["state"], &shown[0]["cancel_reason"]), (&json!("held"), &json!("canceled by an operator")));
        let late = lab.report(&lease, json!([{"job": "a", "how": "canceled"}])).await.expect(200).json();
        assert_eq!(late["taken"], false);
        assert!(text(&late, "reason").contains("changes nothing"), "{late}");
        assert_eq!(lab.report(&lease, json!([{"job": "a", "how": "canceled"}])).await.expect(200).json(), late);
        app.settle().await;
        assert_eq!(app.run_in(&run, "canceled").await["status"], "MISS");
        let kept = app.items(&format!("/api/v1/callbacks?run={run}")).await;
        assert_eq!((kept.len(), &kept[0]["state"], &kept[0]["uid"]), (1, &json!("late"), &lease["id"]));
        lab.claim().await.expect(204);
    }

    async fn a_run_past_its_deadline_is_stopped_and_what_there_is_is_taken(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.runs.deadline_s = 600;
            settings.agents.lease_s = 3600;
        })
        .await;
        let lab = Lab::start(&app, "lab-3").await;
        let run = plan(&app, &["a", "b"]).await;
        let lease = lab.work().await;
        app.advance(TimeDelta::seconds(599)).await;
        assert_eq!(lab.beat(&lease).await.expect(200).json()["canceled"], false);
        app.advance(TimeDelta::seconds(1)).await;
        let beat = lab.beat(&lease).await.expect(200).json();
        assert_eq!((&beat["canceled"], &beat["reason"]), (&json!(true), &json!("past its deadline")));
        let ends = json!([exited("a", 0), {"job": "b", "how": "canceled"}]);
        assert_eq!(lab.report(&lease, ends).await.expect(200).json()["taken"], true);
        app.settle().await;
        let ended = app.run_in(&run, "finished").await;
        assert!(text(&ended, "reason").contains("past its deadline"), "{ended}");
        assert_eq!(statuses(&app.results_of(&run).await), ["PASS", "MISS"]);
    }
}
