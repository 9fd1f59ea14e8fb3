//! Reports that come in: checked whole, stored whole, merged by KCIDB's rule, shown.

use serde_json::{Value, json};
use testyard::work;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

fn report(lists: &Value) -> Value {
    let mut report = json!({"version": {"major": 5, "minor": 3}});
    report.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
    report
}

fn test(id: &str, more: &Value) -> Value {
    let mut test = json!({"id": id, "origin": "lab", "build_id": "lab:b"});
    test.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    test
}

impl TestApp {
    /// Posts a report; returns the submission's id.
    async fn submit(&self, report: &Value) -> String {
        text(&self.post("/submit", report).await.expect(200).json(), "id")
    }

    /// Posts a report and has it looked at; returns what is shown of it.
    async fn take_in(&self, report: &Value) -> Value {
        let id = self.submit(report).await;
        self.settle().await;
        self.submission(&id).await
    }

    async fn submission(&self, id: &str) -> Value {
        self.show(&format!("/api/v1/submissions/{id}")).await
    }

    async fn taken_in(&self) -> Vec<Value> {
        self.items("/api/v1/results?source=intake&limit=1000").await
    }

    async fn state_at_the_door(&self, id: &str) -> String {
        text(&self.get(&format!("/status?id={id}")).await.expect(200).json(), "status")
    }
}

on_both! {
    async fn a_valid_report_is_processed_and_shown(db: TestDb) {
        let app = TestApp::start(db).await;
        let sent = report(&json!({
            "checkouts": [{"id": "lab:c", "origin": "lab", "git_commit_hash": "0123456789012345678901234567890123456789"}],
            "builds": [{"id": "lab:b", "origin": "lab", "checkout_id": "lab:c", "status": "PASS"}],
            "tests": [
                test("lab:t1", &json!({
                    "path": "ltp.smoke", "status": "FAIL", "comment": "two of three", "duration": 1.5,
                    "start_time": "2026-01-01T12:00:00+02:00", "log_url": "https://logs.example/1",
                    "log_excerpt": "the end", "environment": {"misc": {"platform": "board-7"}}, "misc": {"runtime": "shed"},
                })),
                test("lab:t2", &json!({"path": "ltp.unfinished"})),
            ],
            "issues": [{"id": "lab:i", "version": 1, "origin": "lab"}],
            "incidents": [{"id": "lab:n", "origin": "lab", "issue_id": "lab:i", "issue_version": 1}],
        }));
        let id = app.submit(&sent).await;
        assert_eq!(app.state_at_the_door(&id).await, "ready");
        let waits = app.submission(&id).await;
        assert_eq!((&waits["state"], &waits["objects"]), (&json!("ready"), &json!(null)));
        app.settle().await;
        assert_eq!(app.state_at_the_door(&id).await, "processed");
        let shown = app.submission(&id).await;
        assert_eq!((&shown["state"], &shown["objects"], &shown["reason"]), (&json!("processed"), &json!(6), &json!(null)));
        assert_eq!(shown["size_bytes"], json!(sent.to_string().len()));
        assert_eq!(shown["report"], sent);
        let results = app.taken_in().await;
        assert_eq!(results.len(), 1, "a test without a status is not over");
        let want = json!({
            "kcidb_id": "lab:t1", "source": "intake", "run": null, "build_id": "lab:b", "origin": "lab", "path": "ltp.smoke",
            "status": "FAIL", "reason": "two of three", "device": "board-7", "runtime": "shed", "duration_s": 1.5,
            "started_at": "2026-01-01T10:00:00Z", "log_url": "https://logs.example/1", "log_excerpt": "the end",
        });
        for (field, value) in want.as_object().unwrap() {
            assert_eq!(&results[0][field], value, "{field}");
        }
        assert_eq!(app.settle().await, 0);
    }

    async fn an_invalid_report_fails_whole_with_all_reasons(db: TestDb) {
        let app = TestApp::start(db).await;
        let shown = app.take_in(&report(&json!({"tests": [
            test("lab:good", &json!({"status": "PASS"})),
            test("lab:bad", &json!({"status": "GOOD"})),
            test("no id", &json!({"path": "a..b", "surprise": 1})),
        ]}))).await;
        assert_eq!((&shown["state"], &shown["objects"]), (&json!("failed"), &json!(null)));
        let reason = text(&shown, "reason");
        for words in ["/tests/1/status: ", "GOOD", "/tests/2/id: ", "/tests/2/path: ", "surprise"] {
            assert!(reason.contains(words), "{words}: {reason}");
        }
        assert_eq!((app.taken_in().await.len(), &shown["report"]), (0, &report(&json!({}))));
        assert_eq!(app.state_at_the_door(&text(&shown, "id")).await, "failed");
    }

    async fn what_is_json_and_no_report_is_taken_and_fails(db: TestDb) {
        let app = TestApp::start(db).await;
        for body in [json!(1), json!(null), json!([]), json!("x"), json!({"hello": "world"}), json!({})] {
            let shown = app.take_in(&body).await;
            assert_eq!(shown["state"], "failed", "{body}");
            assert!(text(&shown, "reason").starts_with("not a KCIDB report"), "{shown}");
        }
    }

    async fn of_each_field_the_first_value_stays(db: TestDb) {
        let app = TestApp::start(db).await;
        let first = app.take_in(&report(&json!({"tests": [test("lab:t", &json!({"path": "a", "misc": {"one": 1}}))]}))).await;
        assert_eq!(app.taken_in().await.len(), 0);
        let second = json!({"path": "b", "status": "PASS", "misc": {"two": 2}, "duration": 3});
        let shown = app.take_in(&report(&json!({"tests": [test("lab:t", &second)]}))).await;
        assert_eq!((&shown["state"], &shown["objects"]), (&json!("processed"), &json!(1)));
        assert_eq!(shown["report"], report(&json!({})), "the object came first with the other one");
        app.take_in(&report(&json!({"tests": [test("lab:t", &json!({"status": "FAIL", "comment": "late"}))]}))).await;
        let kept = app.submission(&text(&first, "id")).await;
        let want = json!({"path": "a", "misc": {"one": 1}, "status": "PASS", "duration": 3, "comment": "late"});
        assert_eq!(kept["report"]["tests"], json!([test("lab:t", &want)]));
        let results = app.taken_in().await;
        assert_eq!(results.len(), 1);
        assert_eq!((&results[0]["path"], &results[0]["status"]), (&json!("a"), &json!("PASS")));
    }

    async fn an_object_that_is_in_a_report_twice_is_merged(db: TestDb) {
        let app = TestApp::start(db).await;
        let twice = [test("lab:t", &json!({"path": "a"})), test("lab:t", &json!({"path": "b", "status": "SKIP"}))];
        let shown = app.take_in(&report(&json!({ "tests": twice }))).await;
        assert_eq!(shown["report"]["tests"], json!([test("lab:t", &json!({"path": "a", "status": "SKIP"}))]));
    }

    async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_taken(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.intake.max_body_bytes = 1000).await;
        let of_length = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
        let refused = app.post_raw("/submit", &[], of_length(1001)).await.expect(413);
        assert_eq!((refused.text.as_str(), refused.header("content-type")), ("length limit exceeded", "text/plain; charset=utf-8"));
        // Without a length that is announced.
        let body = futures_util::stream::iter(vec![of_length(1001)].into_iter().map(Ok::<_, std::io::Error>));
        app.post_raw("/submit", &[], reqwest::Body::wrap_stream(body)).await.expect(413);
        app.post_raw("/submit", &[], of_length(1000)).await.expect(200);
    }

    async fn a_nul_is_refused_wherever_it_stands(db: TestDb) {
        let app = TestApp::start(db).await;
        for bad in [
            report(&json!({"tests": [test("lab:t", &json!({"comment": "a\0b"}))]})),
            report(&json!({"tests": [test("lab:t", &json!({"misc": {"deep": [{"er": "a\0b"}]}}))]})),
            report(&json!({"tests": [test("lab:t", &json!({"misc": {"a\0b": 1}}))]})),
            report(&json!({"tests": [test("lab:a\0b", &json!({}))]})),
            report(&json!({"tests": [test("lab:t", &json!({"a\0b": 1}))]})),
            report(&json!({"a\0b": []})),
            json!("a\0b"),
        ] {
            let shown = app.take_in(&bad).await;
            assert_eq!(shown["state"], "failed", "{bad}: {shown}");
        }
        let good = app.take_in(&report(&json!({"tests": [test("lab:t", &json!({"misc": {"a\\u0000": "\\u0000"}}))]}))).await;
        assert_eq!(good["state"], "processed", "the six letters are no NUL: {good}");
    }

    async fn what_is_too_long_to_be_looked_up_fails_with_words(db: TestDb) {
        let app = TestApp::start(db).await;
        let long = "x".repeat(10_000);
        for (field, bad) in [
            ("id", test(&format!("lab:{long}"), &json!({"status": "PASS"}))),
            ("path", test("lab:t", &json!({"status": "PASS", "path": long}))),
            ("build_id", test("lab:t", &json!({"status": "PASS", "build_id": format!("lab:{long}")}))),
        ] {
            let shown = app.take_in(&report(&json!({"tests": [bad]}))).await;
            let reason = format!("the `{field}` of a test is longer than 1024 bytes");
            assert_eq!((&shown["state"], &shown["reason"]), (&json!("failed"), &json!(reason)));
        }
        let longest = format!("lab:{}", "x".repeat(1020));
        let good = test(&longest, &json!({"status": "PASS", "path": "p".repeat(1024), "build_id": longest}));
        let shown = app.take_in(&report(&json!({"tests": [good]}))).await;
        assert_eq!(shown["state"], "processed", "{shown}");
    }

    async fn what_the_database_does_not_hold_fails_and_holds_up_nobody(db: TestDb) {
        let app = TestApp::start(db).await;
        let mut tx = app.app.db.begin().await.unwrap();
        tx.conn().query("ALTER TABLE result RENAME TO result_away").execute().await.unwrap();
        tx.commit().await.unwrap();
        let mut with_results = Vec::new();
        for number in 0..5 {
            let one = report(&json!({"tests": [test(&format!("lab:{number}"), &json!({"status": "PASS"}))]}));
            with_results.push(app.submit(&one).await);
        }
        let without = app.submit(&report(&json!({"builds": [{"id": "lab:b", "origin": "lab", "checkout_id": "lab:c"}]}))).await;
        app.settle().await;
        for id in with_results {
            let shown = app.submission(&id).await;
            assert_eq!((&shown["state"], &shown["reason"]), (&json!("failed"), &json!("an object in it cannot be stored here")));
            assert_eq!(shown["report"], report(&json!({})), "all or nothing");
        }
        assert_eq!(app.state_at_the_door(&without).await, "processed");
    }

    async fn ten_thousand_tests_in_one_report_are_taken(db: TestDb) {
        let app = TestApp::start(db).await;
        let tests: Vec<Value> =
            (0..10_000).map(|number| test(&format!("lab:{number}"), &json!({"status": "PASS", "path": "many"}))).collect();
        let shown = app.take_in(&report(&json!({ "tests": tests }))).await;
        assert_eq!((&shown["state"], &shown["objects"]), (&json!("processed"), &json!(10_000)));
        assert_eq!(shown["report"]["tests"].as_array().unwrap().len(), 1000, "shown within bounds");
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let page = app.show(&format!("/api/v1/results?source=intake&limit=1000{cursor}")).await;
            count += page["items"].as_array().unwrap().len();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(count, 10_000);
    }

    async fn the_same_objects_from_all_sides_are_stored_once(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let field = |number: usize| ["path", "comment", "log_excerpt", "log_url"][number % 4];
        let mut ids = Vec::new();
        for number in 0..12 {
            let value = if number % 4 == 3 { "https://logs.example/" } else { "same" };
            let mut tests: Vec<Value> = (0..40)
                .map(|test_number| test(&format!("lab:{test_number}"), &json!({"status": "PASS", field(number): value})))
                .collect();
            if number % 2 == 1 {
                tests.reverse();
            }
            ids.push(app.submit(&report(&json!({ "tests": tests }))).await);
        }
        let (one, other) = (app.app.clone(), twin.app.clone());
        let one = tokio::spawn(async move { work::settle(&one).await });
        let other = tokio::spawn(async move { work::settle(&other).await });
        one.await.unwrap().unwrap();
        other.await.unwrap().unwrap();
        let mut shown = Vec::new();
        for id in &ids {
            let submission = app.submission(id).await;
            assert_eq!((&submission["state"], &submission["objects"]), (&json!("processed"), &json!(40)), "{submission}");
            shown.extend(submission["report"]["tests"].as_array().cloned().unwrap_or_default());
        }
        assert_eq!((shown.len(), app.taken_in().await.len()), (40, 40));
        for object in shown {
            for number in 0..4 {
                assert!(object[field(number)].is_string(), "a value is lost: {object}");
            }
        }
    }

    async fn a_submission_outlives_a_restart(db: TestDb) {
        let app = TestApp::start(db).await;
        let id = app.submit(&report(&json!({"tests": [test("lab:t", &json!({"status": "PASS"}))]}))).await;
        let app = app.restart().await;
        assert_eq!(app.state_at_the_door(&id).await, "ready");
        app.settle().await;
        assert_eq!(app.state_at_the_door(&id).await, "processed");
        assert_eq!(app.taken_in().await.len(), 1);
    }

    async fn the_door_can_be_shut(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.intake.enabled = false).await;
        app.post("/submit", &report(&json!({}))).await.expect(404);
        app.get("/status?id=x").await.expect(404);
        app.get("/authtest").await.expect(404);
    }

    async fn what_comes_in_is_not_sent_on(db: TestDb) {
        let app = TestApp::start(db).await;
        app.take_in(&report(&json!({"tests": [test("lab:t", &json!({"status": "PASS"}))]}))).await;
        assert_eq!((app.items("/api/v1/deliveries").await.len(), app.submits()), (0, 0));
    }
}
