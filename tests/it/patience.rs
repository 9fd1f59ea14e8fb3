//! KCIDB keeps the first status of a test for ever, so no MISS may reach the sink while a result may still come.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_tuxsuite::STORAGE;
use crate::support::on_both;
use crate::support::outbox::BUILD;
use crate::support::runs::unavailable;

const CANCEL_TEST: &str = "POST /v1/groups/{group}/projects/{project}/tests/{uid}/cancel";

/// A run past its deadline, at a runner that does not hear that it shall stop.
async fn past_its_deadline(app: &TestApp) -> (String, String) {
    let (run, uid) = app.start_tests(BUILD, &["late", "later"]).await;
    for _ in 0..100 {
        app.tuxsuite.server.answer_next(CANCEL_TEST, unavailable());
    }
    app.advance(TimeDelta::hours(24)).await;
    app.run_in(&run, "running").await;
    assert!(app.asked(CANCEL_TEST) > 0, "it was asked to stop");
    assert_eq!(app.sunk_tests(), []);
    (run, uid)
}

on_both! {
    async fn what_comes_late_but_in_time_is_what_the_sink_gets(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = past_its_deadline(&app).await;
        app.advance(TimeDelta::minutes(59)).await;
        app.run_in(&run, "running").await;
        assert_eq!((app.items("/api/v1/deliveries").await.len(), app.items("/api/v1/results").await.len()), (0, 0));
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("late", "pass"), ("later", "pass")])).await.expect(204);
        app.deliver().await;
        app.run_in(&run, "finished").await;
        app.advance(TimeDelta::days(3)).await;
        let statuses: Vec<_> = app.sunk_tests().into_iter().map(|(path, status, _)| (path, status)).collect();
        assert_eq!(statuses, [("ltp.late".into(), "PASS".into()), ("ltp.later".into(), "PASS".into())]);
    }

    async fn what_comes_too_late_changes_nothing_that_was_sent(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = past_its_deadline(&app).await;
        app.advance(TimeDelta::minutes(61)).await;
        app.deliver().await;
        app.run_in(&run, "finished").await;
        let missing = app.sunk_tests();
        assert_eq!(missing.len(), 2);
        for (path, status, comment) in &missing {
            assert!(status == "MISS" && comment.contains("no result within 24 h"), "{path} {status}: {comment}");
        }
        app.call_back(&app.tuxsuite.finish_test(&uid, "pass", &[("late", "pass"), ("later", "pass")])).await.expect(204);
        app.deliver().await;
        assert_eq!((app.sunk_tests(), app.submits()), (missing, 1));
    }

    async fn results_that_cannot_be_fetched_yet_are_not_missing_yet(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests(BUILD, &["one"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("one", "fail")]);
        for _ in 0..3 {
            app.tuxsuite.server.answer_next(STORAGE, Answer::Status(503, String::new(), Vec::new()));
        }
        app.call_back(&callback).await.expect(204);
        app.settle().await;
        let waits = app.run_in(&run, "collecting").await;
        assert!(waits["waiting"].is_string() || waits["reason"].is_string(), "{waits}");
        assert_eq!(app.items("/api/v1/deliveries").await.len(), 0);
        for _ in 0..8 {
            app.advance(TimeDelta::minutes(10)).await;
        }
        app.deliver().await;
        let sunk = app.sunk_tests();
        assert_eq!((sunk.len(), json!(sunk[0].1)), (1, json!("FAIL")), "{sunk:?}");
    }
}
