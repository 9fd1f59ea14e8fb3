//! The callback doors: what comes in twice, at once, too early, too late, broken or for somebody else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testyard::config::{Recipe, Settings};

use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::fake_tuxsuite::{CANCEL_TEST, SUBMIT_BUILDS, SUBMIT_TESTS};
use crate::support::on_both;
use crate::support::runs::{held, text};

/// TuxSuite's door for tests that anybody can find.
const BARE: &str = "/api/v1/tuxsuite/callback/test";

/// The only callback there is, with its body.
async fn only(app: &TestApp) -> Value {
    let rows = app.items("/api/v1/callbacks").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    app.show(&format!("/api/v1/callbacks/{}", text(&rows[0], "id"))).await
}

/// How many callbacks are in each of these states.
async fn count<const N: usize>(app: &TestApp, states: [&str; N]) -> [usize; N] {
    let rows = app.items("/api/v1/callbacks?limit=1000").await;
    states.map(|state| rows.iter().filter(|row| row["state"] == state).count())
}

async fn post(app: &TestApp, url: &str, body: impl Into<String>) -> Answered {
    app.post_raw(url, &[("content-type", "application/json")], body.into()).await
}

fn a_local_runner(settings: &mut Settings, folder: &std::path::Path) {
    settings.local.work_dir = Some(folder.to_owned());
    settings.local.recipes = vec![Recipe {
        name: "true".to_owned(),
        trees: vec!["https://git.example.org/linux.git".to_owned()],
        build: vec![vec!["true".to_owned()]],
        compiler: Vec::new(),
        test: Vec::new(),
        timeout_s: 10,
        max_output_bytes: 1000,
    }];
}

on_both! {
    async fn a_callback_at_its_own_door_ends_the_run_and_is_kept(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_build().await;
        let callback = app.tuxsuite.finish_build(&uid, "pass");
        app.call_back(&callback).await.expect(204);
        app.run_in(&run, "running").await;
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
        let kept = only(&app).await;
        for (field, want) in [
            ("trust", json!("capability")),
            ("state", json!("applied")),
            ("run", json!(run)),
            ("uid", json!(uid)),
            ("repeats", json!(0)),
            ("reason", Value::Null),
            ("body", json!(callback.body)),
            ("runner", json!("tuxsuite")),
        ] {
            assert_eq!(kept[field], want, "{field} of {kept}");
        }
    }

    async fn a_wrong_capability_or_runner_opens_no_door(db: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start_with(db, |settings| a_local_runner(settings, folder.path())).await;
        let (run, uid) = app.start_build().await;
        let callback = app.tuxsuite.finish_build(&uid, "pass");
        let capability = callback.url.rsplit_once('/').unwrap().1.to_owned();
        for (door, status) in [
            (format!("tuxsuite/{capability}x"), 401),
            (format!("tuxsuite/{}", &capability[..capability.len() - 1]), 401),
            (format!("tuxsuite/{}", capability.to_uppercase()), 401),
            ("tuxsuite/%00".to_owned(), 401),
            (format!("local/{capability}"), 401),
            (format!("nobody/{capability}"), 404),
        ] {
            let answered = post(&app, &format!("/api/v1/callbacks/{door}"), callback.body.clone()).await;
            assert_eq!(answered.status, status, "{door}: {}", answered.text);
            assert!(!answered.text.contains(&capability), "{}", answered.text);
        }
        app.settle().await;
        assert_eq!(app.items("/api/v1/callbacks").await.len(), 0);
        app.run_in(&run, "running").await;
    }

    async fn a_callback_for_the_other_kind_is_refused_and_kept(db: TestDb) {
        let app = TestApp::start(db).await;
        let (build, uid) = app.start_build().await;
        let door = app.tuxsuite.callback(&uid).url;
        let body =
            json!({"kind": "test", "status": {"uid": uid, "state": "finished", "result": "fail", "results": {}}});
        let answered = post(&app, &door, body.to_string()).await.expect(422);
        assert!(text(&answered.json(), "detail").contains("another kind"), "{}", answered.text);
        app.settle().await;
        app.run_in(&build, "running").await;
        let kept = only(&app).await;
        assert_eq!(
            (&kept["state"], &kept["run"], &kept["body"]),
            (&json!("refused"), &json!(build), &json!(body.to_string()))
        );
    }

    async fn a_callback_about_another_runs_job_changes_neither(db: TestDb) {
        let app = TestApp::start(db).await;
        let (mine, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let (other, other_uid) = app.start_tests("maestro:2", &["ltp-smoke"]).await;
        let about_other = app.tuxsuite.finish_test(&other_uid, "fail", &[("ltp-smoke", "fail")]);
        post(&app, &app.tuxsuite.callback(&uid).url, about_other.body).await.expect(204);
        app.settle().await;
        app.run_in(&mine, "running").await;
        app.run_in(&other, "running").await;
        let kept = only(&app).await;
        assert_eq!(kept["state"], "refused");
        assert!(text(&kept, "reason").contains(&other_uid), "{kept}");
    }

    async fn a_repeated_callback_is_counted_and_changes_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "fail", &[("ltp-smoke", "fail")]);
        app.call_back(&callback).await.expect(204);
        app.call_back(&callback).await.expect(204);
        app.deliver().await;
        // The artifacts have changed; a repetition must not look at them.
        app.tuxsuite.put_file(&uid, "results.json", r#"{"ltp-smoke": {"a": {"result": "pass"}}}"#);
        app.call_back(&callback).await.expect(204);
        assert_eq!(app.settle().await, 0, "there is nothing to do");
        assert_eq!(only(&app).await["repeats"], 2);
        assert_eq!(app.results_of(&run).await, [("ltp.smoke".into(), "FAIL".into())]);
        assert_eq!(app.sink.objects("tests").into_values().map(|times| times.len()).collect::<Vec<_>>(), [1]);
    }

    async fn twenty_identical_callbacks_at_once_are_one(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke", "ltp-fsx"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass"), ("ltp-fsx", "pass")]);
        for answered in join_all((0..20).map(|_| app.call_back(&callback))).await {
            answered.expect(204);
        }
        app.deliver().await;
        let kept = only(&app).await;
        assert_eq!((&kept["repeats"], &kept["state"]), (&json!(19), &json!("applied")));
        assert_eq!(app.results_of(&run).await.len(), 2);
        assert_eq!(app.sink.objects("tests").into_values().map(|times| times.len()).collect::<Vec<_>>(), [1, 1]);
    }

    async fn of_different_callbacks_at_once_exactly_one_counts(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_build().await;
        let callback = app.tuxsuite.finish_build(&uid, "fail");
        let bodies = (0..10).map(|number| {
            let mut body: Value = serde_json::from_str(&callback.body).unwrap();
            body["status"]["build_status"] = json!(if number % 2 == 0 { "pass" } else { "fail" });
            body["status"]["number"] = json!(number);
            body.to_string()
        });
        let posts = bodies.map(|body| post(&app, &callback.url, body));
        // Somebody settles while they come in.
        let work = app.settle_beside();
        for answered in join_all(posts).await {
            answered.expect(204);
        }
        work.await.unwrap();
        app.deliver().await;
        assert_eq!(count(&app, ["applied", "late"]).await, [1, 9]);
        let status = app.run_in(&run, "finished").await["status"].clone();
        let builds: Vec<Value> = app.sink.objects("builds").into_values().flatten().collect();
        assert_eq!((builds.len(), &builds[0]["status"]), (1, &status));
    }

    async fn the_same_content_in_other_bytes_changes_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        let body: Value = serde_json::from_str(&callback.body).unwrap();
        app.call_back(&callback).await.expect(204);
        app.deliver().await;
        post(&app, &callback.url, serde_json::to_string_pretty(&body).unwrap()).await.expect(204);
        app.deliver().await;
        assert_eq!(count(&app, ["applied", "late"]).await, [1, 1]);
        assert_eq!((app.results_of(&run).await.len(), app.sink.reports().len()), (1, 1));
    }

    async fn a_callback_that_is_faster_than_the_runners_answer_counts(db: TestDb) {
        let app = TestApp::start(db).await;
        for (number, route) in [SUBMIT_TESTS, SUBMIT_BUILDS].into_iter().enumerate() {
            let (gate, answer) = held();
            app.tuxsuite.server.answer_next(route, answer);
            let is_build = route == SUBMIT_BUILDS;
            let run = if is_build { app.plan_build().await } else { app.plan_tests("maestro:1", &["ltp-smoke"]).await };
            let work = app.settle_beside();
            app.tuxsuite.wait_for("the job", |suite| suite.tests().len() + suite.builds().len() > number).await;
            app.run_in(&run, "submitting").await;
            let callback = if is_build {
                app.tuxsuite.finish_build(&text(&app.tuxsuite.builds()[0], "uid"), "pass")
            } else {
                app.tuxsuite.finish_test(&text(&app.tuxsuite.tests()[0], "uid"), "pass", &[("ltp-smoke", "pass")])
            };
            app.call_back(&callback).await.expect(204);
            app.settle().await;
            let early = app.run_in(&run, "finished").await;
            assert_eq!(early["status"], "PASS");
            gate.notify_one();
            work.await.unwrap();
            app.deliver().await;
            assert_eq!(app.run(&run).await, early, "the runner's own answer says nothing new");
        }
        assert_eq!((app.tuxsuite.tests().len(), app.tuxsuite.builds().len(), app.asked(CANCEL_TEST)), (1, 1, 0));
        assert_eq!(count(&app, ["applied"]).await, [2]);
    }

    async fn an_early_callback_at_the_signed_door_waits_for_its_run(db: TestDb) {
        let (suite, sink) = (
            crate::support::fake_tuxsuite::FakeTuxSuite::start().await,
            crate::support::fake_sink::FakeSink::start().await,
        );
        let key = suite.public_key_openssh();
        let app = TestApp::start_on(db, suite, sink, |settings| settings.tuxsuite.public_key = Some(key)).await;
        let (gate, answer) = held();
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, answer);
        let run = app.plan_tests("maestro:1", &["ltp-smoke"]).await;
        let work = app.settle_beside();
        app.tuxsuite.wait_for("the job", |suite| suite.tests().len() == 1).await;
        let uid = text(&app.tuxsuite.tests()[0], "uid");
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        let headers = [("content-type", "application/json"), ("x-tux-payload-signature", callback.signature.as_str())];
        app.post_raw(BARE, &headers, callback.body.clone()).await.expect(204);
        app.settle().await;
        let waits = only(&app).await;
        assert_eq!(
            (&waits["state"], &waits["run"], &waits["trust"]),
            (&json!("pending"), &Value::Null, &json!("signature"))
        );
        assert!(text(&waits, "reason").contains("no run is known"), "{waits}");
        app.run_in(&run, "submitting").await;
        gate.notify_one();
        work.await.unwrap();
        let applied = only(&app).await;
        assert_eq!((&applied["state"], &applied["run"]), (&json!("applied"), &json!(run)));
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn a_callback_that_nobody_knows_is_listed_and_forgotten_in_time(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.callbacks.unknown_retention_s = 3600).await;
        let body = json!({"kind": "test", "status": {"uid": "nobodys", "state": "finished", "result": "pass"}});
        post(&app, BARE, body.to_string()).await.expect(204);
        app.settle().await;
        app.advance(TimeDelta::minutes(59)).await;
        let kept = only(&app).await;
        assert_eq!(
            (&kept["state"], &kept["uid"], &kept["trust"]),
            (&json!("pending"), &json!("nobodys"), &json!("none"))
        );
        assert_eq!(app.items("/api/v1/callbacks?state=pending&uid=nobodys").await.len(), 1);
        app.advance(TimeDelta::minutes(2)).await;
        assert_eq!(app.items("/api/v1/callbacks").await.len(), 0);
    }

    async fn a_flood_of_unknown_callbacks_is_stopped_and_known_ones_pass(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.callbacks.max_unknown = 3).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let body = |uid: &str| {
            json!({"kind": "test", "status": {"uid": uid, "state": "finished", "result": "pass"}}).to_string()
        };
        for number in 0..3 {
            post(&app, BARE, body(&format!("nobodys{number}"))).await.expect(204);
        }
        let refused = post(&app, BARE, body("nobodys3")).await.expect(503);
        assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{:?}", refused.headers);
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        post(&app, BARE, body(&uid)).await.expect(204);
        app.call_back(&callback).await.expect(204);
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
        assert_eq!(count(&app, ["pending"]).await, [3]);
    }

    async fn boot_among_the_tests_of_a_callback_is_no_error(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        assert_eq!(app.tuxsuite.tests()[0]["tests"], json!(["boot", "ltp-smoke"]), "as TuxSuite lists it");
        let told = [("boot", "pass"), ("ltp-smoke", "pass"), ("never-planned", "fail")];
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &told)).await.expect(204);
        app.deliver().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
        assert_eq!(app.results_of(&run).await, [("ltp.smoke".into(), "PASS".into())]);
        assert_eq!(app.sink.objects("tests").len(), 1);
    }

    async fn a_body_that_cannot_be_understood_is_refused_and_kept_as_it_came(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let door = app.tuxsuite.callback(&uid).url;
        let deep = "[".repeat(100_000);
        let plan = json!({"kind": "plan", "status": {"uid": uid, "state": "finished"}}).to_string();
        let stateless = json!({"kind": "test", "status": {"uid": uid}}).to_string();
        let nul = json!({"kind": "test", "status": {"uid": "a\0b", "state": "finished"}}).to_string();
        let nul_kind = json!({"kind": "te\0st", "status": {"uid": uid, "state": "finished"}}).to_string();
        let bodies: [&[u8]; 10] = [
            b"",
            b"garbage",
            b"{\"kind\": \"test\"",
            b"[]",
            b"\xff\xfe\x00",
            deep.as_bytes(),
            plan.as_bytes(),
            stateless.as_bytes(),
            nul.as_bytes(),
            nul_kind.as_bytes(),
        ];
        for (number, body) in bodies.into_iter().enumerate() {
            let answered = app.post_raw(&door, &[], body.to_vec()).await.expect(422);
            assert_eq!(answered.header("content-type"), "application/problem+json");
            assert_eq!(count(&app, ["refused"]).await, [number + 1], "{}", answered.text);
        }
        let mut kept = Vec::new();
        for row in app.items("/api/v1/callbacks?state=refused").await {
            assert_eq!((row.get("body"), row.get("body_base64"), &row["run"]), (None, None, &json!(run)));
            assert_ne!(text(&row, "reason"), "");
            let shown = app.show(&format!("/api/v1/callbacks/{}", text(&row, "id"))).await;
            kept.push(match shown.get("body") {
                Some(body) => body.as_str().unwrap().as_bytes().to_vec(),
                None => STANDARD.decode(text(&shown, "body_base64")).unwrap(),
            });
        }
        for body in bodies {
            assert!(kept.iter().any(|kept| kept == body), "{}", String::from_utf8_lossy(body));
        }
        // At a door that anybody can find nothing of this is kept.
        app.post_raw(BARE, &[], "garbage").await.expect(422);
        app.settle().await;
        assert_eq!(count(&app, ["refused", "pending", "applied"]).await, [10, 0, 0]);
        app.run_in(&run, "running").await;
    }
}
