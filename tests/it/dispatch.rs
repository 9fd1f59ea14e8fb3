//! Asking a runner: the intent is on record first, a runner that fails in any way is asked again within bounds, and in
//! the end there is exactly one job at the runner and one result at the sink.

use chrono::TimeDelta;
use serde_json::json;
use testyard::config::Settings;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_tuxsuite::{LIST_TESTS, SUBMIT_BUILDS, SUBMIT_TESTS};
use crate::support::on_both;
use crate::support::runs::{held, text, unavailable};

/// Longer than any pause between two tries.
const LONG: TimeDelta = TimeDelta::minutes(11);

/// The breaker stays out of the way, and nobody is waited for long.
fn insistent(settings: &mut Settings) {
    settings.runs.breaker_failures = 1000;
    settings.tuxsuite.timeout_s = 1;
}

fn status(status: u16) -> Answer {
    Answer::Status(status, format!(r#"{{"error": "said {status}"}}"#), Vec::new())
}

fn too_many() -> Answer {
    Answer::Status(429, r#"{"error": "said 429"}"#.to_owned(), vec![("retry-after", "30")])
}

/// Every way in which a runner fails for now, and what is said of it.
fn failures() -> Vec<(Answer, &'static str)> {
    vec![
        (too_many(), "said 429"),
        (status(401), "Check TUXSUITE_TOKEN"),
        (status(500), "said 500"),
        (status(502), "said 502"),
        (status(503), "said 503"),
        (status(504), "said 504"),
        (Answer::Garbage, "without JSON"),
        (Answer::Never, "no complete answer within 1s"),
        (Answer::Close, "broke off"),
        (Answer::Lost, "broke off"),
    ]
}

on_both! {
    async fn the_intent_is_committed_before_the_runner_is_called(db: TestDb) {
        let app = TestApp::start(db).await;
        let (gate, answer) = held();
        app.tuxsuite.server.answer_next(SUBMIT_BUILDS, answer);
        let run = app.plan_build().await;
        let planned = app.run_in(&run, "planned").await;
        assert_eq!(app.asked(SUBMIT_BUILDS), 0, "the door does not call the runner");
        assert!(text(&planned, "waiting").contains("not been asked yet"), "{planned}");
        let work = app.settle_beside();
        app.tuxsuite.wait_for("the submission", |suite| !suite.builds().is_empty()).await;
        let asked = app.run_in(&run, "submitting").await;
        assert!(text(&asked, "waiting").contains("is being asked"), "{asked}");
        gate.notify_one();
        work.await.unwrap();
        let running = app.run_in(&run, "running").await;
        assert_eq!(running["uid"], app.tuxsuite.builds()[0]["uid"]);
    }

    async fn a_build_whose_runner_fails_is_asked_for_again_by_the_same_token_and_built_once(db: TestDb) {
        let app = TestApp::start_with(db, insistent).await;
        for (number, (answer, why)) in failures().into_iter().enumerate() {
            let what = format!("{answer:?}");
            app.tuxsuite.server.answer_next(SUBMIT_BUILDS, answer);
            let run = app.plan_build().await;
            app.settle().await;
            let waits = app.run(&run).await;
            assert!(waits["state"] == "planned" || waits["state"] == "submitting", "{what}: {waits}");
            assert_eq!(waits["tries"], 1, "{what}");
            let waiting = text(&waits, "waiting");
            assert!(
                waiting.starts_with("asked the runner 1 times in vain") && waiting.contains(why),
                "{what}: {waiting}"
            );
            app.advance(LONG).await;
            let running = app.run_in(&run, "running").await;
            assert_eq!((&running["tries"], app.tuxsuite.builds().len()), (&json!(0), number + 1), "{what}");
            let asked = app.tuxsuite.server.requests_to(SUBMIT_BUILDS);
            let [.., first, second] = &asked[..] else { panic!("{what}: {asked:?}") };
            assert_eq!((asked.len(), &first.body), (2 * number + 2, &second.body), "{what}");
        }
    }

    async fn tests_whose_runner_fails_are_looked_for_before_they_are_asked_for_again(db: TestDb) {
        let app = TestApp::start_with(db, insistent).await;
        for (number, (answer, why)) in failures().into_iter().enumerate() {
            let what = format!("{answer:?}");
            // These come before anything is done; after the others the job may be there.
            let is_clear = matches!(answer, Answer::Status(401 | 429 | 503, ..));
            let is_lost = matches!(answer, Answer::Lost);
            let (posts, looks) = (app.asked(SUBMIT_TESTS), app.asked(LIST_TESTS));
            app.tuxsuite.server.answer_next(SUBMIT_TESTS, answer);
            let run = app.plan_tests(&format!("maestro:{number}"), &["ltp-smoke"]).await;
            app.settle().await;
            let waits = app.run_in(&run, if is_clear { "planned" } else { "submitting" }).await;
            assert!(text(&waits, "waiting").contains(why), "{what}: {waits}");
            app.advance(LONG).await;
            let running = app.run_in(&run, "running").await;
            let jobs = app.tuxsuite.tests();
            assert_eq!((jobs.len(), &running["uid"]), (number + 1, &jobs[number]["uid"]), "{what}");
            assert_eq!(app.asked(LIST_TESTS) - looks, usize::from(!is_clear), "{what}");
            assert_eq!(app.asked(SUBMIT_TESTS) - posts, if is_lost { 1 } else { 2 }, "{what}");
        }
    }

    async fn a_lost_answer_is_found_again_over_a_restart(db: TestDb) {
        let app = TestApp::start(db).await;
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, Answer::Lost);
        app.tuxsuite.server.answer_next(SUBMIT_BUILDS, Answer::Lost);
        let (tests, build) = (app.plan_tests("maestro:1", &["ltp-smoke"]).await, app.plan_build().await);
        app.settle().await;
        // The service comes back at another address, so that even its callback URLs differ.
        let app = app.restart().await;
        app.advance(LONG).await;
        let (tests, build) = (app.run_in(&tests, "running").await, app.run_in(&build, "running").await);
        assert_eq!((app.tuxsuite.tests().len(), app.asked(SUBMIT_TESTS)), (1, 1));
        assert_eq!((app.tuxsuite.builds().len(), app.asked(SUBMIT_BUILDS)), (1, 2));
        assert_eq!((&tests["uid"], &build["uid"]), (&app.tuxsuite.tests()[0]["uid"], &app.tuxsuite.builds()[0]["uid"]));
    }

    async fn a_crash_while_the_runner_is_asked_leaves_one_job(db: TestDb) {
        let app = TestApp::start(db).await;
        let (_gate, answer) = held();
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, answer);
        let (_gate, answer) = held();
        app.tuxsuite.server.answer_next(SUBMIT_BUILDS, answer);
        let (tests, build) = (app.plan_tests("maestro:1", &["ltp-smoke"]).await, app.plan_build().await);
        let work = app.settle_beside();
        app.tuxsuite.wait_for("both jobs", |suite| suite.tests().len() + suite.builds().len() == 2).await;
        work.abort();
        assert!(work.await.unwrap_err().is_cancelled());
        let app = app.restart().await;
        app.settle().await;
        app.run_in(&tests, "submitting").await;
        assert_eq!(app.asked(LIST_TESTS), 0, "a dead worker's lease is honoured until its end");
        app.advance(TimeDelta::seconds(121)).await;
        app.run_in(&tests, "running").await;
        app.run_in(&build, "running").await;
        assert_eq!((app.tuxsuite.tests().len(), app.asked(SUBMIT_TESTS)), (1, 1));
        assert_eq!((app.tuxsuite.builds().len(), app.asked(SUBMIT_BUILDS)), (1, 2));
    }

    async fn retry_after_is_honoured(db: TestDb) {
        let app = TestApp::start_with(db, insistent).await;
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, too_many());
        let run = app.plan_tests("maestro:1", &["ltp-smoke"]).await;
        app.settle().await;
        app.advance(TimeDelta::seconds(29)).await;
        assert_eq!(app.asked(SUBMIT_TESTS), 1);
        app.advance(TimeDelta::seconds(1)).await;
        assert_eq!(app.asked(SUBMIT_TESTS), 2);
        app.run_in(&run, "running").await;
    }

    async fn after_bounded_tries_the_tests_are_missed_and_the_sink_hears_why(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            insistent(settings);
            settings.runs.max_tries = 3;
        })
        .await;
        for _ in 0..3 {
            app.tuxsuite.server.answer_next(SUBMIT_TESTS, unavailable());
            app.tuxsuite.server.answer_next(SUBMIT_BUILDS, unavailable());
        }
        let (tests, build) = (app.plan_tests("maestro:1", &["ltp-smoke", "ltp-fsx"]).await, app.plan_build().await);
        app.settle().await;
        app.advance(LONG).await;
        assert_eq!(app.results_of(&tests).await, [], "no word before the last try");
        app.advance(LONG).await;
        app.deliver().await;
        for run in [&tests, &build] {
            let over = app.run_in(run, "finished").await;
            let reason = text(&over, "reason");
            assert_eq!(over["status"], "MISS");
            assert!(
                reason.contains("asked 3 times") && reason.contains("503") && reason.contains("come back later"),
                "{reason}"
            );
        }
        let sunk = app.sunk_tests();
        let heads: Vec<_> = sunk.iter().map(|(path, status, _)| (path.as_str(), status.as_str())).collect();
        assert_eq!(heads, [("ltp.fsx", "MISS"), ("ltp.smoke", "MISS")]);
        assert!(sunk.iter().all(|(.., comment)| comment.contains("come back later")), "{sunk:?}");
        let builds: Vec<_> = app.sink.objects("builds").into_values().flatten().collect();
        assert_eq!((builds.len(), &builds[0]["status"]), (1, &json!("MISS")));
        app.advance(LONG).await;
        assert_eq!((app.asked(SUBMIT_TESTS), app.asked(SUBMIT_BUILDS)), (3, 3), "nobody is asked after the end");
    }

    async fn a_run_that_its_runner_may_have_is_not_missed_while_its_result_may_come(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            insistent(settings);
            settings.runs.max_tries = 2;
            settings.runs.deadline_s = 3600;
            settings.runs.cancel_grace_s = 600;
        })
        .await;
        for _ in 0..100 {
            app.tuxsuite.server.answer_next(LIST_TESTS, status(500));
        }
        let mut runs = Vec::new();
        for number in 0..2 {
            app.tuxsuite.server.answer_next(SUBMIT_TESTS, Answer::Lost);
            runs.push(app.plan_tests(&format!("maestro:{number}"), &["ltp-smoke"]).await);
            app.settle().await;
        }
        for _ in 0..4 {
            app.advance(LONG).await;
        }
        for run in &runs {
            let waits = app.run_in(run, "submitting").await;
            assert!(waits["tries"].as_i64().is_some_and(|tries| tries > 2), "{waits}");
        }
        let uid = text(&app.tuxsuite.tests()[0], "uid");
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")])).await.expect(204);
        app.settle().await;
        assert_eq!(app.run_in(&runs[0], "finished").await["status"], "PASS");
        app.advance(TimeDelta::hours(2)).await;
        let over = app.run_in(&runs[1], "finished").await;
        assert_eq!((&over["status"], app.asked(SUBMIT_TESTS)), (&json!("MISS"), 2), "{over}");
    }

    async fn a_refusal_is_final_at_once_and_in_the_runners_words(db: TestDb) {
        let app = TestApp::start(db).await;
        let mut want = Vec::new();
        for (number, (code, hint)) in
            [(400, ""), (403, ""), (404, "TUXSUITE_PROJECT"), (422, "")].into_iter().enumerate()
        {
            app.tuxsuite.server.answer_next(SUBMIT_TESTS, status(code));
            app.tuxsuite.server.answer_next(SUBMIT_BUILDS, status(code));
            let test = format!("t{code}");
            let (tests, build) = (app.plan_tests("maestro:1", &[&test]).await, app.plan_build().await);
            app.settle().await;
            for run in [&tests, &build] {
                let over = app.run_in(run, "finished").await;
                let reason = text(&over, "reason");
                assert_eq!(over["status"], "MISS");
                assert!(reason.starts_with("the runner `tuxsuite` refused it"), "{code}: {reason}");
                // Of a project that is not there, our own words say more than the runner's.
                assert!(code == 404 || reason.contains(&format!("said {code}")), "{code}: {reason}");
                assert!(reason.contains(hint), "{code}: {reason}");
            }
            assert_eq!((app.asked(SUBMIT_TESTS), app.asked(SUBMIT_BUILDS)), (number + 1, number + 1), "{code}");
            want.push((format!("ltp.t{code}"), "MISS".to_owned()));
        }
        app.deliver().await;
        let sunk: Vec<_> = app.sunk_tests().into_iter().map(|(path, status, _)| (path, status)).collect();
        assert_eq!(sunk, want);
    }

    async fn the_breaker_opens_half_opens_and_closes(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.runs.breaker_failures = 3;
            settings.runs.breaker_pause_s = 60;
            // Three failures come within the first seconds, far from the breaker's pause.
            settings.runs.retry_max_s = 2;
        })
        .await;
        for _ in 0..4 {
            app.tuxsuite.server.answer_next(SUBMIT_BUILDS, unavailable());
        }
        let first = app.plan_build().await;
        app.settle().await;
        for asked in 1..=3 {
            assert_eq!(app.asked(SUBMIT_BUILDS), asked);
            app.advance(TimeDelta::seconds(2)).await;
        }
        let second = app.plan_build().await;
        app.advance(TimeDelta::seconds(57)).await;
        assert_eq!(app.asked(SUBMIT_BUILDS), 3, "nobody is asked during the pause");
        for run in [&first, &second] {
            let waiting = text(&app.run_in(run, "planned").await, "waiting");
            assert!(waiting.contains("left alone until") && waiting.contains("come back later"), "{waiting}");
        }
        app.advance(TimeDelta::seconds(1)).await;
        assert_eq!(app.asked(SUBMIT_BUILDS), 4, "one probe and no more");
        app.advance(TimeDelta::seconds(118)).await;
        assert_eq!(app.asked(SUBMIT_BUILDS), 4, "the second pause is twice as long");
        app.advance(TimeDelta::seconds(2)).await;
        assert!(!app.tuxsuite.builds().is_empty(), "the probe goes through and closes the breaker");
        app.advance(TimeDelta::seconds(2)).await;
        app.run_in(&first, "running").await;
        app.run_in(&second, "running").await;
        assert_eq!(app.tuxsuite.builds().len(), 2);
    }

    async fn a_runner_that_is_not_configured_keeps_its_runs_planned_until_it_is(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.tuxsuite.token = None).await;
        let (build, tests) = (app.plan_build().await, app.plan_tests("maestro:1", &["ltp-smoke"]).await);
        app.settle().await;
        app.advance(TimeDelta::days(9)).await;
        for run in [&build, &tests] {
            let waits = app.run_in(run, "planned").await;
            assert!(text(&waits, "waiting").contains("TUXSUITE_TOKEN"), "{waits}");
        }
        assert_eq!(app.tuxsuite.server.requests().len(), 0);
        let app = app.restart().await;
        app.settle().await;
        app.run_in(&build, "running").await;
        app.run_in(&tests, "running").await;
    }

    async fn an_unknown_runner_is_refused_with_the_names_of_the_known_ones(db: TestDb) {
        let app = TestApp::start(db).await;
        let build = json!({
            "runner": "lab-7", "tree": "https://git.example.org/linux.git", "branch": "master", "toolchain": "gcc-14",
            "kconfig": "defconfig",
        });
        let tests = json!({
            "runner": "lab-7", "build_id": "maestro:1", "kernel_image_url": "https://files.example.org/Image",
            "collection": "ltp", "tests": ["ltp-smoke"],
        });
        for (path, body) in [("/api/v1/builds", build), ("/api/v1/runs", tests)] {
            let refused = app.post(path, &body).await.expect(422);
            assert_eq!(refused.header("content-type"), "application/problem+json");
            let detail = text(&refused.json(), "detail");
            assert!(detail.contains("lab-7") && detail.contains("tuxsuite"), "{detail}");
            assert_eq!(app.items(path).await.len(), 0);
        }
    }
    async fn words_that_no_database_holds_stop_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let words = |status| Answer::Status(status, r#"{"error": "a\u0000b"}"#.to_owned(), Vec::new());
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, words(503));
        app.tuxsuite.server.answer_next(SUBMIT_TESTS, words(400));
        let run = app.plan_tests("maestro:1", &["ltp-smoke"]).await;
        app.settle().await;
        assert!(text(&app.run_in(&run, "planned").await, "waiting").contains("a\u{fffd}b"));
        app.advance(LONG).await;
        assert!(text(&app.run_in(&run, "finished").await, "reason").contains("a\u{fffd}b"));
    }
}
