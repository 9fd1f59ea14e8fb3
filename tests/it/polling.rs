//! Asking runners: what no callback came for is learned all the same, and nothing is missed while a result may come.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use testyard::clock::Clock as _;
use testyard::config::Settings;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_tuxsuite::{CANCEL_TEST, GET_BUILD, GET_TEST};
use crate::support::on_both;
use crate::support::runs::{text, unavailable};

/// Longer than any pause between two questions.
const LONG: TimeDelta = TimeDelta::minutes(11);

/// An hour until the deadline, ten minutes of grace.
fn impatient(settings: &mut Settings) {
    settings.runs.deadline_s = 3600;
    settings.runs.cancel_grace_s = 600;
}

fn not_found() -> Answer {
    Answer::Status(404, r#"{"error": "not found"}"#.to_owned(), Vec::new())
}

on_both! {
    async fn a_lost_callback_is_made_good_by_a_poll(db: TestDb) {
        let app = TestApp::start(db).await;
        let (tests, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        app.tuxsuite.finish_test(&uid, "fail", &[("ltp-smoke", "fail")]);
        let (build, uid) = app.start_build().await;
        app.tuxsuite.finish_build(&uid, "pass");
        app.advance(TimeDelta::seconds(59)).await;
        assert_eq!((app.asked(GET_TEST), app.asked(GET_BUILD)), (0, 0));
        app.advance(TimeDelta::seconds(1)).await;
        assert_eq!(app.run_in(&tests, "finished").await["status"], "FAIL");
        assert_eq!(app.run_in(&build, "finished").await["status"], "PASS");
        app.advance(TimeDelta::days(2)).await;
        assert_eq!((app.asked(GET_TEST), app.asked(GET_BUILD)), (1, 1), "who is over is not asked about");
        // The callback was only late.
        app.call_back(&app.tuxsuite.callback(&uid)).await.expect(204);
        app.deliver().await;
        assert_eq!(app.items("/api/v1/callbacks").await[0]["state"], "late");
        assert_eq!((app.sink.objects("tests").len(), app.sink.objects("builds").len()), (1, 1));
    }

    async fn the_pause_between_polls_grows_and_is_bounded(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, _) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let mut pauses = Vec::new();
        for polled in 0..25 {
            let due: DateTime<Utc> = text(&app.run_in(&run, "running").await, "due_at").parse().unwrap();
            pauses.push((due - app.clock.now()).num_seconds());
            app.advance(due - app.clock.now() - TimeDelta::seconds(1)).await;
            assert_eq!(app.asked(GET_TEST), polled, "not before it is due");
            app.advance(TimeDelta::seconds(1)).await;
            assert_eq!(app.asked(GET_TEST), polled + 1);
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!((pauses[0], pauses[24]), (60, 600));
    }

    async fn a_job_that_its_runner_forgets_three_times_in_a_row_is_missed(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, _) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        for answer in [unavailable(), unavailable(), not_found(), not_found(), unavailable(), not_found(), not_found()]
        {
            app.tuxsuite.server.answer_next(GET_TEST, answer);
            app.advance(LONG).await;
            app.run_in(&run, "running").await;
        }
        assert!(text(&app.run(&run).await, "waiting").contains("does not know the job (said 2 times)"));
        assert_eq!(app.results_of(&run).await, []);
        app.tuxsuite.server.answer_next(GET_TEST, not_found());
        app.advance(LONG).await;
        let over = app.run_in(&run, "finished").await;
        assert_eq!(over["status"], "MISS");
        assert!(text(&over, "reason").contains("no longer knows the job"), "{over}");
        app.deliver().await;
        let [(path, status, comment)] = &app.sunk_tests()[..] else { panic!("one test at the sink") };
        assert_eq!((path.as_str(), status.as_str()), ("ltp.smoke", "MISS"));
        assert!(comment.contains("no longer knows the job"), "{comment}");
    }

    async fn a_job_that_is_only_slow_to_be_known_is_not_missed(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        for _ in 0..2 {
            for answer in [not_found(), not_found(), Answer::Normal] {
                app.tuxsuite.server.answer_next(GET_TEST, answer);
                app.advance(LONG).await;
            }
            assert_eq!(app.run_in(&run, "running").await["tries"], 0);
        }
        app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        app.advance(LONG).await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn a_runner_that_cannot_be_asked_ends_nothing(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.tuxsuite.timeout_s = 1).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let (other, other_uid) = app.start_build().await;
        app.tuxsuite.patch(&other_uid, &json!({"state": "running"}));
        let status = |status: u16| Answer::Status(status, r#"{"error": "no"}"#.to_owned(), Vec::new());
        let liar =
            Answer::Status(200, json!({"uid": "another", "state": "finished", "result": "pass"}).to_string(), vec![]);
        let wordless = Answer::Status(200, json!({"uid": uid}).to_string(), vec![]);
        for answer in [
            status(400),
            status(401),
            status(403),
            status(429),
            status(500),
            status(503),
            Answer::Garbage,
            Answer::Never,
            Answer::Close,
            Answer::Lost,
            liar,
            wordless,
        ] {
            let what = format!("{answer:?}");
            app.tuxsuite.server.answer_next(GET_TEST, answer);
            app.advance(LONG).await;
            let waits = app.run_in(&run, "running").await;
            assert!(text(&waits, "waiting").contains("could not be asked how it is"), "{what}: {waits}");
        }
        app.run_in(&other, "running").await;
        app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        app.advance(LONG).await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn a_run_past_its_deadline_is_missed_only_after_the_grace(db: TestDb) {
        let app = TestApp::start_with(db, impatient).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        app.advance(TimeDelta::seconds(3599)).await;
        assert_eq!(app.asked(CANCEL_TEST), 0);
        for _ in 0..100 {
            app.tuxsuite.server.answer_next(CANCEL_TEST, unavailable());
        }
        app.advance(TimeDelta::seconds(1)).await;
        assert_eq!(app.asked(CANCEL_TEST), 1);
        let waits = app.run_in(&run, "running").await;
        assert!(text(&waits, "waiting").contains("past its deadline"), "{waits}");
        app.advance(TimeDelta::seconds(599)).await;
        app.run_in(&run, "running").await;
        app.deliver().await;
        // `deliver` has moved the clock past the grace's end.
        let over = app.run_in(&run, "finished").await;
        assert_eq!(over["status"], "MISS");
        let reason = text(&over, "reason");
        assert!(reason.contains("no result within 1 h") && reason.contains("it still runs there"), "{reason}");
        app.deliver().await;
        let want = [("ltp.smoke".to_owned(), "MISS".to_owned(), reason)];
        assert_eq!(app.sunk_tests(), want);
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")])).await.expect(204);
        app.deliver().await;
        assert_eq!(app.items("/api/v1/callbacks").await[0]["state"], "late");
        assert_eq!(app.sunk_tests(), want, "KCIDB keeps the first word, and so do we");
    }

    async fn results_that_come_within_the_grace_win(db: TestDb) {
        let app = TestApp::start_with(db, impatient).await;
        let (called, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let (polled, polled_uid) = app.start_tests("maestro:2", &["ltp-smoke"]).await;
        for _ in 0..100 {
            app.tuxsuite.server.answer_next(CANCEL_TEST, unavailable());
        }
        app.advance(TimeDelta::seconds(3600)).await;
        app.advance(TimeDelta::seconds(300)).await;
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")])).await.expect(204);
        app.settle().await;
        assert_eq!(app.run_in(&called, "finished").await["status"], "PASS");
        app.run_in(&polled, "running").await;
        // Nobody has been asked since, and now the grace is over: the last question brings the result.
        app.tuxsuite.finish_test(&polled_uid, "pass", &[("ltp-smoke", "pass")]);
        app.advance(TimeDelta::days(1)).await;
        assert_eq!(app.run_in(&polled, "finished").await["status"], "PASS");
        app.deliver().await;
        assert!(app.sunk_tests().iter().all(|(_, status, _)| status == "PASS"));
    }

    async fn a_runner_that_stops_a_late_job_says_so_itself(db: TestDb) {
        let app = TestApp::start_with(db, impatient).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        app.advance(TimeDelta::seconds(3600)).await;
        assert_eq!(app.asked(CANCEL_TEST), 1);
        app.run_in(&run, "running").await;
        app.tuxsuite.put_file(&uid, "results.json", r#"{"lava": {"login-action": {"result": "pass"}}}"#);
        app.advance(TimeDelta::seconds(60)).await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "MISS");
        app.deliver().await;
        let [(_, status, comment)] = &app.sunk_tests()[..] else { panic!("one test at the sink") };
        assert!(status == "MISS" && comment.contains("canceled"), "{status} {comment}");
        assert_eq!(app.asked(CANCEL_TEST), 1);
    }

    async fn a_service_that_was_away_at_the_deadline_still_grants_the_grace(db: TestDb) {
        let app = TestApp::start_with(db, impatient).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        for _ in 0..100 {
            app.tuxsuite.server.answer_next(CANCEL_TEST, unavailable());
        }
        app.clock.advance(TimeDelta::days(3));
        let app = app.restart_with(impatient).await;
        app.settle().await;
        assert_eq!(app.asked(CANCEL_TEST), 1);
        app.advance(TimeDelta::seconds(599)).await;
        app.run_in(&run, "running").await;
        app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        app.advance(TimeDelta::seconds(1)).await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn a_build_that_tuxsuite_repeats_by_itself_is_not_over(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_build().await;
        for retry in [0, 1] {
            app.tuxsuite.finish_build(&uid, "error");
            app.tuxsuite.patch(&uid, &json!({"retry": retry}));
            app.call_back(&app.tuxsuite.callback(&uid)).await.expect(204);
            app.settle().await;
            app.advance(LONG).await;
            app.run_in(&run, "running").await;
        }
        app.tuxsuite.patch(&uid, &json!({"retry": 2}));
        app.advance(LONG).await;
        let over = app.run_in(&run, "finished").await;
        assert_eq!((&over["status"], &over["reason"]), (&json!("ERROR"), &json!("build ended: error")));
    }

    async fn a_state_that_we_do_not_know_means_that_it_runs(db: TestDb) {
        let app = TestApp::start(db).await;
        let (tests, tests_uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let (build, build_uid) = app.start_build().await;
        for uid in [&tests_uid, &build_uid] {
            app.tuxsuite.patch(uid, &json!({"state": "hibernating", "result": "pass", "build_status": "pass"}));
            app.call_back(&app.tuxsuite.callback(uid)).await.expect(204);
        }
        app.settle().await;
        app.advance(LONG).await;
        assert_eq!((app.asked(GET_TEST), app.asked(GET_BUILD)), (1, 1));
        for run in [&tests, &build] {
            assert_ne!(app.run_in(run, "running").await["started_at"], json!(null));
        }
        assert_eq!(app.sink.reports().len(), 0);
    }
}
