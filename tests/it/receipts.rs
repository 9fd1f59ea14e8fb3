//! What the sink says after it has taken a report, and what it does not say.

use chrono::TimeDelta;
use serde_json::json;
use testyard::domain::delivery::DeliveryState;
use testyard::ids::WorkerId;
use testyard::store;
use testyard::store::lease::Lease;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_sink::STATUS;
use crate::support::on_both;
use crate::support::runs::text;

impl TestApp {
    fn questions(&self) -> usize {
        self.sink.server.requests_to(STATUS).len()
    }
}

on_both! {
    async fn a_report_is_delivered_when_the_sink_has_processed_it(db: TestDb) {
        let app = TestApp::start(db).await;
        app.sink.accept_as("inprogress");
        let ids = app.hand_in("job", 2).await;
        app.settle().await;
        assert_eq!(app.questions(), 0, "no sink has processed a report the moment it took it");
        let receipt = app.sink.reports()[0].id.clone();
        for (state, after) in [("inprogress", 1), ("ready", 2), ("ready", 4)] {
            app.sink.settle(&receipt, state);
            app.advance(TimeDelta::seconds(after)).await;
            let waits = app.delivery_of(&ids[0]).await;
            assert_eq!((&waits["state"], &waits["receipt"]), (&json!("sent"), &json!(receipt)), "{state}: {waits}");
            assert!(text(&waits, "reason").contains("not processed it yet"), "{waits}");
            assert_eq!(waits["settled_at"], json!(null));
        }
        let app = app.restart().await;
        app.sink.settle(&receipt, "processed");
        app.advance(TimeDelta::seconds(30)).await;
        let delivered = app.items(&format!("/api/v1/deliveries?receipt={receipt}")).await;
        assert_eq!(delivered.len(), 2);
        for delivered in delivered {
            assert_eq!((&delivered["state"], &delivered["reason"]), (&json!("delivered"), &json!(null)));
        }
        assert_eq!(app.submits(), 1);
        let questions = app.questions();
        assert_eq!((app.advance(TimeDelta::days(9)).await, app.questions()), (0, questions), "the end is the end");
    }

    async fn one_receipt_is_asked_after_once_for_all_its_objects(db: TestDb) {
        let app = TestApp::start(db).await;
        app.hand_in("job", 50).await;
        app.deliver().await;
        assert_eq!((app.submits(), app.questions()), (1, 1));
    }

    async fn a_failed_report_is_halved_until_the_bad_object_is_alone(db: TestDb) {
        let app = TestApp::start(db).await;
        let ids = app.hand_in("job", 16).await;
        app.sink.fail_reports_with(&ids[5]);
        app.sink.fail_reports_with(&ids[6]);
        for _ in 0..6 {
            app.deliver().await;
        }
        for (number, id) in ids.iter().enumerate() {
            let delivery = app.delivery_of(id).await;
            if number == 5 || number == 6 {
                assert_eq!((&delivery["state"], &delivery["dead_cause"]), (&json!("dead"), &json!("failed")), "{delivery}");
                assert!(text(&delivery, "reason").contains("failed to process it: File found"), "{delivery}");
                assert_eq!(delivery["answer"], "File found");
            } else {
                assert_eq!(delivery["state"], "delivered", "{delivery}");
            }
        }
        let want: Vec<usize> = (0..16).map(|number| usize::from(number != 5 && number != 6)).collect();
        assert_eq!(app.times_at_sink(&ids), want, "the others arrive, and once");
        assert!(app.submits() <= 1 + 2 * 2 * 4, "{}", app.submits());
        assert_eq!(app.advance(TimeDelta::days(2)).await, 0);
        assert_eq!(app.sync_results().await, 2, "a sync brings them back");
    }

    async fn a_sink_that_fails_everything_leaves_each_object_dead(db: TestDb) {
        let app = TestApp::start(db).await;
        app.sink.accept_as("failed");
        app.hand_in("job", 5).await;
        for _ in 0..5 {
            app.deliver().await;
        }
        app.expect_states(&[("dead", 5)]).await;
    }

    async fn a_part_of_a_failed_report_is_not_taken_for_a_lone_object(db: TestDb) {
        let app = TestApp::start(db).await;
        let ids = app.hand_in("job", 2).await;
        app.sink.fail_reports_with(&ids[0]);
        app.settle().await;
        app.clock.advance(TimeDelta::seconds(2));
        // Another worker takes one of the two, and dies with it.
        let now = testyard::clock::Clock::now(&app.clock);
        let other = Lease { worker: WorkerId::new(now), now, until: now + TimeDelta::minutes(5) };
        let mut tx = app.app.db.begin().await.unwrap();
        let taken = store::delivery::claim(&mut tx.conn(), DeliveryState::Sent, other, 1).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(taken.len(), 1);
        for _ in 0..3 {
            app.deliver().await;
        }
        app.advance(TimeDelta::minutes(6)).await;
        for _ in 0..3 {
            app.deliver().await;
        }
        assert_eq!(app.delivery_of(&ids[0]).await["state"], "dead");
        assert_eq!(app.delivery_of(&ids[1]).await["state"], "delivered", "it was never alone in a report that failed");
    }

    async fn what_is_not_processed_is_asked_after_for_ever_and_not_sent_again(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.receipt_timeout_s = 600).await;
        app.sink.accept_as("ready");
        let ids = app.hand_in("job", 2).await;
        app.settle().await;
        for _ in 0..40 {
            let questions = app.questions();
            app.advance(TimeDelta::seconds(30)).await;
            assert_eq!(app.questions(), questions + 1);
        }
        let waits = app.delivery_of(&ids[0]).await;
        assert_eq!(waits["state"], "sent");
        assert!(text(&waits, "reason").contains("not processed it yet"), "{waits}");
        assert!(app.pause_of(&waits) <= TimeDelta::seconds(30), "{waits}");
        app.sink.settle(&app.sink.reports()[0].id, "processed");
        app.advance(TimeDelta::seconds(30)).await;
        app.expect_states(&[("delivered", 2)]).await;
        assert_eq!(app.times_at_sink(&ids), [1, 1], "the sink had it: a second copy would not have helped");
    }

    async fn a_receipt_that_is_found_again_is_followed_to_its_end(db: TestDb) {
        let app = TestApp::start(db).await;
        app.sink.accept_as("notfound");
        let ids = app.hand_in("job", 1).await;
        app.settle().await;
        app.advance(TimeDelta::minutes(59)).await;
        assert_eq!(app.delivery_of(&ids[0]).await["state"], "sent");
        app.sink.settle(&app.sink.reports()[0].id, "processed");
        app.advance(TimeDelta::seconds(30)).await;
        app.expect_states(&[("delivered", 1)]).await;
        assert_eq!(app.submits(), 1);
    }

    async fn a_sink_that_forgets_its_receipts_is_believed_in_the_end(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.receipt_timeout_s = 60).await;
        app.sink.accept_as("notfound");
        let ids = app.hand_in("job", 1).await;
        app.settle().await;
        app.advance(TimeDelta::seconds(1)).await;
        let waits = app.delivery_of(&ids[0]).await;
        assert!(text(&waits, "reason").contains("does not know its own receipt"), "{waits}");
        for _ in 0..10 {
            app.advance(TimeDelta::seconds(61)).await;
        }
        let delivered = app.delivery_of(&ids[0]).await;
        assert_eq!((&delivered["state"], app.submits()), (&json!("delivered"), 3), "{delivered}");
        assert!(text(&delivered, "reason").contains("taken 3 times by the sink, which then forgot it"), "{delivered}");
    }

    async fn a_sink_without_receipts_is_taken_at_its_word_in_the_end(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.receipt_timeout_s = 60).await;
        for (status, body) in [(404, "Not Found"), (405, "")] {
            let ids = app.hand_in(&format!("job-{status}"), 2).await;
            app.settle().await;
            for state in ["sent", "delivered"] {
                app.sink.server.answer_next(STATUS, Answer::Status(status, body.to_owned(), Vec::new()));
                app.advance(TimeDelta::seconds(59)).await;
                assert_eq!(app.delivery_of(&ids[0]).await["state"], state, "{status}");
            }
            let delivered = app.delivery_of(&ids[0]).await;
            assert!(text(&delivered, "reason").contains("tells nothing of receipts"), "{delivered}");
            assert_eq!(app.times_at_sink(&ids), [1, 1]);
        }
    }

    async fn an_address_that_has_no_status_beside_it_is_not_asked(db: TestDb) {
        let app = TestApp::start(db).await;
        let mute = app.sink.mute_url();
        let app = app.restart_with(|settings| settings.kcidb.submit_url = Some(mute.parse().unwrap())).await;
        let ids = app.hand_in("job", 2).await;
        app.deliver().await;
        let delivered = app.delivery_of(&ids[0]).await;
        assert_eq!((&delivered["state"], app.questions()), (&json!("delivered"), 0), "{delivered}");
        assert!(text(&delivered, "reason").contains("which is not followed"), "{delivered}");
        assert_eq!(app.times_at_sink(&ids), [1, 1]);
    }

    async fn receipts_need_not_be_followed(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.follow_receipts = false).await;
        app.sink.accept_as("failed");
        let ids = app.hand_in("job", 2).await;
        app.deliver().await;
        app.expect_states(&[("delivered", 2)]).await;
        let delivered = app.delivery_of(&ids[0]).await;
        assert!(text(&delivered, "reason").contains("which is not followed"), "{delivered}");
        assert_eq!((app.submits(), app.questions()), (1, 0));
    }

    async fn a_question_that_fails_is_asked_again(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.timeout_s = 1).await;
        let status = |code: u16, body: &str| Answer::Status(code, body.to_owned(), Vec::new());
        let faults = [
            (status(500, "no"), "answered 500"),
            (status(429, ""), "answered 429"),
            (status(401, "expired"), "refused with status 401: expired"),
            (status(400, "what?"), "refused with status 400"),
            (status(200, r#"{"id":"x","status":"confused","message":""}"#), "tells no known state"),
            (Answer::Garbage, "tells no known state"),
            (Answer::Close, "broke off"),
            (Answer::Never, "within 1s"),
        ];
        let ids = app.hand_in("job", 1).await;
        app.settle().await;
        for (fault, words) in faults {
            let questions = app.questions();
            app.sink.server.answer_next(STATUS, fault);
            app.advance(TimeDelta::seconds(30)).await;
            let waits = app.delivery_of(&ids[0]).await;
            assert_eq!((&waits["state"], app.questions()), (&json!("sent"), questions + 1), "{words}: {waits}");
            let reason = text(&waits, "reason");
            assert!(reason.contains("cannot be asked") && reason.contains(words), "{words}: {waits}");
        }
        app.advance(TimeDelta::seconds(30)).await;
        app.expect_states(&[("delivered", 1)]).await;
        assert_eq!(app.times_at_sink(&ids), [1]);
    }
}
