//! Ending and repeating runs: a retry is a new attempt that keeps the first result, a cancel is final whatever the
//! runner says later.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_tuxsuite::{CANCEL_BUILD, CANCEL_TEST, LIST_TESTS, STORAGE, SUBMIT_BUILDS, SUBMIT_TESTS};
use crate::support::on_both;
use crate::support::runs::{held, text, unavailable};

/// The bridge's request for the tests that the runs of this file hold.
fn bridge_request() -> serde_json::Value {
    json!({
        "build_id": "maestro:1", "kernel_image_url": "https://files.example.org/Image", "modules_url": "",
        "tests": ["ltp-smoke"], "collection": "ltp",
    })
}

on_both! {
    async fn a_retry_is_a_new_attempt_and_keeps_the_first_result(db: TestDb) {
        let app = TestApp::start(db).await;
        let (first, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let retry = format!("/api/v1/runs/{first}/retry");
        app.post_empty(&retry).await.expect(409);
        app.call_back(&app.tuxsuite.finish_test(&uid, "fail", &[("ltp-smoke", "fail")])).await.expect(204);
        app.deliver().await;
        assert_eq!(app.run_in(&first, "finished").await["status"], "FAIL");

        let retried = app.post_empty(&retry).await.expect(201);
        let second = text(&retried.json(), "run");
        assert_eq!(retried.header("location"), format!("/api/v1/runs/{second}"));
        app.post_empty(&retry).await.expect(409);
        app.settle().await;
        let run = app.run_in(&second, "running").await;
        assert_eq!((&run["attempt"], &run["previous"], &run["live"]), (&json!(2), &json!(first), &json!(true)));
        assert_eq!(app.run(&first).await["live"], false);
        app.post_empty(&format!("/api/v1/runs/{second}/retry")).await.expect(409);

        let asked = app.post("/api/v1/tests/run", &bridge_request()).await.expect(204);
        assert_eq!(asked.header("location"), "", "a live run holds the test");
        let uid = text(&run, "uid");
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")])).await.expect(204);
        app.deliver().await;
        app.post("/api/v1/tests/run", &bridge_request()).await.expect(204);
        app.settle().await;
        assert_eq!((app.tuxsuite.tests().len(), app.items("/api/v1/runs").await.len()), (2, 2));
        assert_eq!(app.results_of(&first).await, [("ltp.smoke".into(), "FAIL".into())]);
        assert_eq!(app.results_of(&second).await, [("ltp.smoke".into(), "PASS".into())]);
        let sunk: Vec<_> = app.sunk_tests().into_iter().map(|(path, status, _)| (path, status)).collect();
        assert_eq!(sunk, [("ltp.smoke".into(), "FAIL".into()), ("ltp.smoke".into(), "PASS".into())]);
        assert_eq!(app.sink.objects("tests").len(), 2, "each attempt has an id of its own");
        app.post_empty("/api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/retry").await.expect(404);
    }

    async fn a_build_is_built_again_as_a_new_attempt(db: TestDb) {
        let app = TestApp::start(db).await;
        let (first, uid) = app.start_build().await;
        let build = text(&app.run(&first).await, "build");
        let retry = format!("/api/v1/builds/{build}/retry");
        app.post_empty(&retry).await.expect(409);
        app.call_back(&app.tuxsuite.finish_build(&uid, "fail")).await.expect(204);
        app.settle().await;
        let second = text(&app.post_empty(&retry).await.expect(201).json(), "run");
        app.post_empty(&retry).await.expect(409);
        app.settle().await;
        let shown = app.show(&format!("/api/v1/builds/{build}")).await;
        assert_eq!((&shown["run"]["id"], &shown["run"]["attempt"]), (&json!(second), &json!(2)));
        assert_eq!(app.run_in(&first, "finished").await["status"], "FAIL");
        let asked: Vec<_> = app.tuxsuite.builds().iter().map(|build| text(build, "client_token")).collect();
        assert!(asked.len() == 2 && asked[0] != asked[1], "{asked:?}");
    }

    async fn a_canceled_run_is_a_miss_whatever_its_runner_reports_later(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let (build, _) = app.start_build().await;
        for run in [&run, &build] {
            app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
            app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(409);
            assert_eq!(app.run_in(run, "canceled").await["status"], "MISS");
        }
        app.deliver().await;
        assert_eq!((app.asked(CANCEL_TEST), app.asked(CANCEL_BUILD)), (1, 1));

        // The runner did not get to stop it.
        app.tuxsuite.patch(&uid, &json!({"is_canceling": false, "state": "running"}));
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")])).await.expect(204);
        app.deliver().await;
        let kept = app.items(&format!("/api/v1/callbacks?run={run}")).await;
        assert_eq!((kept.len(), &kept[0]["state"]), (1, &json!("late")), "{kept:?}");
        assert!(text(&kept[0], "reason").contains("changes nothing"), "{kept:?}");
        assert_eq!(app.results_of(&run).await, [("ltp.smoke".into(), "MISS".into())]);
        assert_eq!(app.sunk_tests(), [("ltp.smoke".into(), "MISS".into(), "canceled by an operator".into())]);
        assert_eq!(app.run_in(&run, "canceled").await["status"], "MISS");
        app.advance(TimeDelta::days(2)).await;
        assert_eq!((app.asked(CANCEL_TEST), app.asked(CANCEL_BUILD)), (1, 1), "who was told is not told again");
    }

    async fn a_run_that_is_over_at_its_runner_is_not_canceled(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        app.tuxsuite.server.answer_next(STORAGE, unavailable());
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")])).await.expect(204);
        app.settle().await;
        app.run_in(&run, "collecting").await;
        app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(409);
        app.advance(TimeDelta::minutes(11)).await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn a_run_that_is_canceled_before_it_is_asked_for_never_reaches_its_runner(db: TestDb) {
        let app = TestApp::start(db).await;
        let run = app.plan_tests("maestro:1", &["ltp-smoke"]).await;
        app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
        app.deliver().await;
        assert_eq!(app.tuxsuite.server.requests().len(), 0);
        assert_eq!(app.sunk_tests(), [("ltp.smoke".into(), "MISS".into(), "canceled by an operator".into())]);
        let again = text(&app.post_empty(&format!("/api/v1/runs/{run}/retry")).await.expect(201).json(), "run");
        app.settle().await;
        app.run_in(&again, "running").await;
    }

    async fn a_runner_that_answers_after_the_cancel_is_told_to_stop(db: TestDb) {
        let app = TestApp::start(db).await;
        for (route, cancel) in [(SUBMIT_TESTS, CANCEL_TEST), (SUBMIT_BUILDS, CANCEL_BUILD)] {
            let gate = std::sync::Arc::new(tokio::sync::Notify::new());
            app.tuxsuite.server.answer_next(route, Answer::Slow(gate.clone()));
            let run = if route == SUBMIT_TESTS {
                app.plan_tests("maestro:1", &["ltp-smoke"]).await
            } else {
                app.plan_build().await
            };
            let work = app.settle_beside();
            let server = &app.tuxsuite.server;
            server.wait_for("the submission", || server.requests_to(route).pop()).await;
            app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
            app.settle().await;
            assert_eq!(app.asked(cancel), 0, "there is no job yet");
            gate.notify_one();
            work.await.unwrap();
            app.settle().await;
            assert_eq!(app.asked(cancel), 1, "{route}");
            assert_eq!(app.run_in(&run, "canceled").await["status"], "MISS");
        }
        let states: Vec<_> =
            app.tuxsuite.tests().into_iter().chain(app.tuxsuite.builds()).map(|job| text(&job, "result")).collect();
        assert_eq!(states, ["canceled", "canceled"]);
    }

    async fn a_job_whose_answer_was_lost_is_found_to_be_stopped(db: TestDb) {
        let app = TestApp::start(db).await;
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, Answer::Lost);
        app.tuxsuite.server.answer_next(SUBMIT_BUILDS, Answer::Lost);
        for run in [app.plan_tests("maestro:1", &["ltp-smoke"]).await, app.plan_build().await] {
            app.settle().await;
            app.run_in(&run, "submitting").await;
            app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
            app.settle().await;
        }
        assert_eq!((app.asked(CANCEL_TEST), app.asked(CANCEL_BUILD)), (1, 1));
    }

    async fn a_job_that_its_runner_lists_late_is_stopped_all_the_same(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.tuxsuite.timeout_s = 1).await;
        let (_gate, answer) = held();
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, answer);
        app.tuxsuite
            .server
            .answer_next(LIST_TESTS, Answer::Status(200, r#"{"results": [], "next": null}"#.into(), vec![]));
        let run = app.plan_tests("maestro:1", &["ltp-smoke"]).await;
        let work = app.settle_beside();
        app.tuxsuite.wait_for("the job", |suite| suite.tests().len() == 1).await;
        app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
        app.settle().await;
        work.await.unwrap();
        assert_eq!((app.asked(LIST_TESTS), app.asked(CANCEL_TEST)), (1, 0), "it is not to be seen yet");
        app.advance(TimeDelta::minutes(11)).await;
        assert_eq!((app.asked(CANCEL_TEST), &app.tuxsuite.tests()[0]["result"]), (1, &json!("canceled")));
    }

    async fn a_runner_that_cannot_be_told_to_stop_is_told_again(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        for _ in 0..2 {
            app.tuxsuite.server.answer_next(CANCEL_TEST, Answer::Close);
        }
        app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
        app.settle().await;
        for _ in 0..3 {
            app.advance(TimeDelta::minutes(11)).await;
        }
        assert_eq!(app.asked(CANCEL_TEST), 3);
        assert_eq!(app.tuxsuite.tests().iter().find(|job| job["uid"] == *uid).unwrap()["result"], "canceled");
    }
}
