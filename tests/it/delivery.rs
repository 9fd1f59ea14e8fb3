//! A sink that fails, in every way that a sink can: nothing is lost, what passes is sent again, and what never will be
//! taken ends where an operator sees it.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_sink::{self, SUBMIT};
use crate::support::on_both;
use crate::support::runs::text;

fn status(status: u16, body: &str) -> Answer {
    Answer::Status(status, body.to_owned(), Vec::new())
}

on_both! {
    async fn what_is_no_receipt_is_sent_again_until_there_is_one(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.timeout_s = 1).await;
        let elsewhere = vec![("location", "https://elsewhere.example/submit")];
        let faults = [
            (status(500, "Internal server error"), "answered 500 Internal Server Error: Internal server error"),
            (status(502, "<html>bad gateway</html>"), "answered 502"),
            (status(503, ""), "answered 503"),
            (status(408, ""), "answered 408"),
            (status(429, ""), "answered 429"),
            (status(404, "no such page"), "answered 404 Not Found, which is not about the report: no such page"),
            (status(405, ""), "is the URL right?"),
            (status(409, ""), "answered 409"),
            (Answer::Garbage, "200 without a receipt: {\"uid\": <html>"),
            (status(200, r#"{"id":"0","status":"error","message":"no"}"#), "200 without a receipt"),
            (status(200, r#"{"status":"ok","message":"no id"}"#), "200 without a receipt"),
            (status(200, ""), "200 without a receipt: (nothing)"),
            (status(204, ""), "answered 204 No Content, which is no receipt"),
            (Answer::Status(302, String::new(), elsewhere.clone()), "points to https://elsewhere.example/submit"),
            (Answer::Status(308, String::new(), elsewhere), "redirects are not followed, set the submit URL"),
            (Answer::Close, "the sink: "),
            (Answer::Lost, "the sink: "),
            (Answer::Never, "gave no complete answer within 1s"),
        ];
        for (number, (fault, words)) in faults.into_iter().enumerate() {
            let lost = matches!(fault, Answer::Lost);
            let ids = app.hand_in(&format!("job-{number}"), 1).await;
            let before = app.submits();
            app.sink.server.answer_next(SUBMIT, fault);
            app.settle().await;
            let waits = app.delivery_of(&ids[0]).await;
            assert_eq!((&waits["state"], &waits["tries"]), (&json!("pending"), &json!(1)), "{words}: {waits}");
            assert!(text(&waits, "reason").contains(words), "{words}: {waits}");
            let pause = app.pause_of(&waits);
            assert!(pause > TimeDelta::zero() && pause <= TimeDelta::seconds(5), "{words}: {pause}");
            assert_eq!((app.settle().await, app.submits()), (0, before + 1), "{words}: sent before it was due");
            app.advance(pause).await;
            app.deliver().await;
            assert_eq!(app.delivery_of(&ids[0]).await["state"], "delivered", "{words}");
            assert_eq!(app.times_at_sink(&ids), [1 + usize::from(lost)], "{words}");
        }
    }

    async fn a_sink_that_names_a_time_is_left_alone_until_then(db: TestDb) {
        let app = TestApp::start(db).await;
        // The clock stands at 03:04:05 of that Friday.
        for (code, value) in [(429, "90"), (503, "90"), (503, "Fri, 02 Jan 2026 03:08:35 GMT")] {
            let ids = app.hand_in(&format!("{code} {value}"), 1).await;
            app.sink.server.answer_next(SUBMIT, Answer::Status(code, String::new(), vec![("retry-after", value)]));
            app.settle().await;
            let before = app.submits();
            let waits = app.delivery_of(&ids[0]).await;
            assert_eq!(app.pause_of(&waits), TimeDelta::seconds(90), "{code} {value}: {waits}");
            app.advance(TimeDelta::seconds(89)).await;
            assert_eq!(app.submits(), before, "{code} {value}");
            app.advance(TimeDelta::seconds(1)).await;
            assert_eq!(app.times_at_sink(&ids), [1], "{code} {value}");
        }
        let ids = app.hand_in("for ever", 1).await;
        app.sink.server.answer_next(SUBMIT, Answer::Status(429, String::new(), vec![("retry-after", "999999999")]));
        app.settle().await;
        assert_eq!(app.pause_of(&app.delivery_of(&ids[0]).await), TimeDelta::hours(1), "nobody stalls us for years");
    }

    async fn a_slow_sink_holds_up_nobody(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.database.max_connections = 2).await;
        let ids = app.hand_in("first", 3).await;
        let gate = std::sync::Arc::new(tokio::sync::Notify::new());
        app.sink.server.answer_next(SUBMIT, Answer::Slow(gate.clone()));
        let work = app.settle_beside();
        app.sink.server.wait_for("the slow request", || (app.submits() == 1).then_some(())).await;
        let more = app.hand_in("second", 2).await;
        app.expect_states(&[("pending", 5)]).await;
        assert_eq!(app.sync_results().await, 2, "what is on its way is left to the worker that sends it");
        gate.notify_one();
        work.await.unwrap();
        app.deliver().await;
        app.expect_states(&[("delivered", 5)]).await;
        assert_eq!((app.times_at_sink(&ids), app.times_at_sink(&more)), (vec![1; 3], vec![1; 2]));
    }

    async fn a_sink_that_is_away_is_left_alone_and_found_again(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.batch_objects = 1).await;
        let ids = app.hand_in("job", 8).await;
        for _ in 0..6 {
            app.sink.server.answer_next(SUBMIT, Answer::Close);
        }
        app.settle().await;
        assert_eq!(app.submits(), 5, "five failures open the breaker");
        for waits in app.deliveries_in("pending").await {
            assert!(text(&waits, "reason").starts_with("`kcidb` is left alone until 2026-01-02T03:05:05Z after 5 failures"), "{waits}");
        }
        app.advance(TimeDelta::seconds(59)).await;
        assert_eq!(app.submits(), 5);
        app.advance(TimeDelta::seconds(1)).await;
        assert_eq!(app.submits(), 6, "one probe, which fails");
        app.advance(TimeDelta::seconds(119)).await;
        assert_eq!(app.submits(), 6, "the next pause is twice as long");
        app.advance(TimeDelta::seconds(1)).await;
        app.deliver().await;
        assert_eq!(app.submits(), 6 + 8, "the probe passes, and all that waits goes out");
        app.expect_states(&[("delivered", 8)]).await;
        assert_eq!(app.times_at_sink(&ids), vec![1; 8]);
    }

    async fn what_the_breaker_holds_back_was_not_sent_in_vain(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.runs.breaker_failures = 1;
            settings.kcidb.batch_bytes = 200;
        }).await;
        let ids = app.hand_in("job", 3).await;
        app.sink.server.answer_next(SUBMIT, status(500, ""));
        app.settle().await;
        let mut tries: Vec<i64> = Vec::new();
        for waits in app.deliveries_in("pending").await {
            tries.push(waits["tries"].as_i64().unwrap());
        }
        tries.sort_unstable();
        assert_eq!((app.submits(), tries), (1, vec![0, 0, 1]));
        app.advance(TimeDelta::seconds(60)).await;
        assert_eq!(app.times_at_sink(&ids), [1, 1, 1]);
    }

    async fn nobody_at_the_sinks_address_is_a_reason_to_wait(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.kcidb.submit_url = Some("http://127.0.0.1:1/submit".parse().unwrap());
        }).await;
        let ids = app.hand_in("job", 2).await;
        app.settle().await;
        for waits in app.deliveries_in("pending").await {
            assert!(text(&waits, "reason").contains("connect"), "{waits}");
        }
        let app = app.restart().await;
        app.advance(TimeDelta::seconds(5)).await;
        app.deliver().await;
        app.expect_states(&[("delivered", 2)]).await;
        assert_eq!(app.times_at_sink(&ids), [1, 1]);
    }

    async fn a_refused_batch_is_halved_until_the_bad_object_is_alone(db: TestDb) {
        let app = TestApp::start(db).await;
        for code in [400_u16, 413, 422] {
            let ids = app.hand_in(&format!("job-{code}"), 16).await;
            app.sink.refuse_reports_with(&ids[11], code);
            let before = app.submits();
            app.deliver().await;
            let dead = app.delivery_of(&ids[11]).await;
            assert_eq!((&dead["state"], &dead["dead_cause"]), (&json!("dead"), &json!("refused")), "{dead}");
            assert!(text(&dead, "reason").contains(&format!("refused with status {code}")), "{dead}");
            assert!(text(&dead, "answer").contains("it is not wanted here"), "{dead}");
            let mut want = vec![1; 16];
            want[11] = 0;
            assert_eq!(app.times_at_sink(&ids), want, "{code}: the others arrive, and once");
            // 16, then 8+8, 4+4, 2+2, 1+1.
            assert_eq!(app.submits() - before, 9, "{code}");
        }
        app.expect_states(&[("dead", 3), ("delivered", 45)]).await;
        assert_eq!(app.advance(TimeDelta::days(2)).await, 0, "a dead letter waits for an operator");
    }

    async fn a_report_too_large_for_the_sink_is_sent_in_pieces(db: TestDb) {
        let app = TestApp::start(db).await;
        app.sink.take_at_most(3);
        let ids = app.hand_in("job", 16).await;
        app.deliver().await;
        app.expect_states(&[("delivered", 16)]).await;
        assert_eq!(app.times_at_sink(&ids), vec![1; 16]);
    }

    async fn objects_that_are_all_refused_die_each_with_its_own_answer(db: TestDb) {
        let app = TestApp::start(db).await;
        let ids = app.hand_in("job", 5).await;
        for (id, code) in ids.iter().zip([400, 413, 422, 400, 400]) {
            app.sink.refuse_reports_with(id, code);
        }
        app.deliver().await;
        for (id, code) in ids.iter().zip([400, 413, 422, 400, 400]) {
            let dead = app.delivery_of(id).await;
            assert!(text(&dead, "reason").contains(&format!("refused with status {code}")), "{dead}");
        }
        app.expect_states(&[("dead", 5)]).await;
    }

    async fn a_refused_token_kills_all_at_once_and_another_token_brings_them_back(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.token = Some("stale".to_owned().into())).await;
        let ids = app.hand_in("job", 6).await;
        app.settle().await;
        assert_eq!(app.submits(), 1, "a token is not a matter of the batch's size");
        for dead in app.deliveries_in("dead").await {
            assert_eq!(dead["dead_cause"], "refused");
            assert!(text(&dead, "answer").contains("InvalidToken"), "{dead}");
            assert!(text(&dead, "reason").contains("refused with status 401"), "{dead}");
        }
        app.expect_states(&[("dead", 6)]).await;
        app.retry(&app.delivery_of(&ids[0]).await).await.expect(204);
        app.settle().await;
        app.expect_states(&[("dead", 6)]).await;

        let app = app.restart().await;
        assert_eq!(app.settle().await, 0, "nothing comes back by itself");
        app.retry(&app.delivery_of(&ids[0]).await).await.expect(204);
        app.deliver().await;
        app.expect_states(&[("dead", 5), ("delivered", 1)]).await;
        assert_eq!(app.sync_results().await, 5);
        app.deliver().await;
        app.expect_states(&[("delivered", 6)]).await;
        assert_eq!(app.times_at_sink(&ids), vec![1; 6]);
        for delivered in app.deliveries_in("delivered").await {
            assert_eq!((&delivered["reason"], &delivered["answer"]), (&json!(null), &json!(null)), "{delivered}");
        }
    }

    async fn a_token_that_may_not_submit_is_told_with_its_answer(db: TestDb) {
        let app = TestApp::start(db).await;
        app.hand_in("job", 3).await;
        app.sink.server.answer_next(SUBMIT, status(403, "this token may only read"));
        app.settle().await;
        for dead in app.deliveries_in("dead").await {
            assert_eq!(dead["answer"], "this token may only read");
        }
        app.expect_states(&[("dead", 3)]).await;
        assert_eq!(app.sync_results().await, 3);
        app.deliver().await;
        app.expect_states(&[("delivered", 3)]).await;
    }

    async fn a_dead_letter_comes_back_alone(db: TestDb) {
        let app = TestApp::start(db).await;
        let ids = app.hand_in("first", 2).await;
        app.sink.refuse_reports_with(&ids[0], 400);
        app.deliver().await;
        let dead = app.delivery_of(&ids[0]).await;
        app.sink.refuse_reports_with(&ids[0], 422);
        app.hand_in("second", 3).await;
        app.retry(&dead).await.expect(204);
        app.retry(&dead).await.expect(409);
        let back = app.delivery_of(&ids[0]).await;
        assert_eq!((&back["state"], &back["tries"], &back["answer"]), (&json!("pending"), &json!(0), &json!(null)));
        let before = app.report_sizes().len();
        app.deliver().await;
        let mut sizes = app.report_sizes().split_off(before);
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 3], "it holds up nobody");
        let dead = app.delivery_of(&ids[0]).await;
        assert!(text(&dead, "reason").contains("refused with status 422"), "{dead}");

        let conflict = app.retry(&app.delivery_of(&ids[1]).await).await.expect(409).json();
        assert!(text(&conflict, "detail").contains("is not a dead letter: it is delivered"), "{conflict}");
        app.retry(&json!({"id": "dlv_01920000000070008000000000000000"})).await.expect(404);
    }

    async fn the_background_goes_on_for_ever_with_bounded_pauses(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.retry_max_s = 60).await;
        let ids = app.hand_in("job", 1).await;
        let before = app.submits();
        for _ in 0..40 {
            app.sink.server.answer_next(SUBMIT, status(500, "still broken"));
            app.settle().await;
            let waits = app.delivery_of(&ids[0]).await;
            assert_eq!(waits["state"], "pending");
            assert!(app.pause_of(&waits) <= TimeDelta::seconds(60), "{waits}");
            // The breaker's longest pause, which outlasts the delivery's own.
            app.clock.advance(TimeDelta::minutes(15));
        }
        assert_eq!(app.submits() - before, 40, "no round passes without a try");
        assert_eq!(app.delivery_of(&ids[0]).await["tries"], 40);
        app.deliver().await;
        app.expect_states(&[("delivered", 1)]).await;
    }

    async fn the_token_and_the_report_are_sent_as_the_sink_wants_them(db: TestDb) {
        let app = TestApp::start(db).await;
        let ids = app.hand_in("job", 1).await;
        app.settle().await;
        let request = app.sink.server.requests_to(SUBMIT).remove(0);
        assert_eq!(request.headers["authorization"], format!("Bearer {}", fake_sink::TOKEN));
        assert_eq!(request.headers["content-type"], "application/json");
        let report = request.json();
        assert_eq!(report["version"], json!({"major": 5, "minor": 3}));
        assert_eq!(report["tests"][0]["id"], ids[0]);
        testyard::domain::kcidb::schema::validate(&report).unwrap();
    }
}
