//! What goes into the outbox and how it leaves: bounded batches, each object judged alone, many workers, and nothing
//! dropped where nothing can be sent.

use chrono::TimeDelta;
use serde_json::{Value, json};
use testyard::app::App;
use testyard::work::{self, Task};

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_sink::SUBMIT;
use crate::support::on_both;
use crate::support::outbox::BUILD;
use crate::support::runs::text;

async fn settle_both(one: &App, other: &App) {
    let (one, other) = (one.clone(), other.clone());
    let one = tokio::spawn(async move { work::settle(&one).await });
    let other = tokio::spawn(async move { work::settle(&other).await });
    one.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
}

on_both! {
    async fn a_report_holds_no_more_objects_than_set(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.batch_objects = 7).await;
        let ids = app.hand_in("job", 20).await;
        app.deliver().await;
        assert_eq!(app.report_sizes(), [7, 7, 6]);
        assert_eq!(app.times_at_sink(&ids), vec![1; 20]);
    }

    async fn a_report_is_no_longer_than_set(db: TestDb) {
        const MOST: usize = 1500;
        let app = TestApp::start_with(db, |settings| settings.kcidb.batch_bytes = MOST).await;
        let ids = app.hand_in("job", 40).await;
        app.deliver().await;
        let requests = app.sink.server.requests_to(SUBMIT);
        let longest = requests.iter().map(|request| request.body.len()).max();
        assert!(longest.is_some_and(|longest| longest <= MOST && longest > MOST / 2), "{longest:?}");
        assert_eq!(app.times_at_sink(&ids), vec![1; 40]);
    }

    async fn an_object_longer_than_a_report_may_be_is_sent_by_itself(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.batch_bytes = 1).await;
        let ids = app.hand_in("job", 3).await;
        app.deliver().await;
        assert_eq!((app.report_sizes(), app.times_at_sink(&ids)), (vec![1; 3], vec![1; 3]));
    }

    async fn what_breaks_the_schema_is_dead_at_once_and_holds_up_nobody(db: TestDb) {
        let app = TestApp::start(db).await;
        let bad = app.hand_in_for("bad", "not a kcidb id", 2).await;
        let good = app.hand_in_for("good", BUILD, 3).await;
        for id in &bad {
            let dead = app.delivery_of(id).await;
            assert_eq!((&dead["state"], &dead["dead_cause"], &dead["tries"]), (&json!("dead"), &json!("invalid"), &json!(0)));
            let reason = text(&dead, "reason");
            assert!(reason.starts_with("it breaks KCIDB's schema: /build_id: ") && reason.contains("not a kcidb id"), "{reason}");
        }
        app.deliver().await;
        app.expect_states(&[("dead", 2), ("delivered", 3)]).await;
        assert_eq!((app.times_at_sink(&good), app.times_at_sink(&bad)), (vec![1; 3], vec![0; 2]));

        let before = app.delivery_of(&bad[0]).await;
        assert_eq!(app.sync_results().await, 0, "it would break it again");
        assert_eq!((app.settle().await, app.delivery_of(&bad[0]).await), (0, before));
    }

    async fn what_breaks_our_copy_of_the_schema_is_the_sinks_to_judge_after_a_retry(db: TestDb) {
        let app = TestApp::start(db).await;
        let bad = app.hand_in_for("bad", "not a kcidb id", 2).await;
        app.sink.fail_reports_with(&bad[1]);
        let good = app.hand_in("good", 2).await;
        for id in &bad {
            app.retry(&app.delivery_of(id).await).await.expect(204);
        }
        app.deliver().await;
        let mut sizes = app.report_sizes();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1, 2], "each is sent alone");
        assert_eq!(app.delivery_of(&bad[0]).await["state"], "delivered");
        let dead = app.delivery_of(&bad[1]).await;
        assert_eq!((&dead["state"], &dead["dead_cause"]), (&json!("dead"), &json!("failed")), "{dead}");
        assert_eq!(app.times_at_sink(&good), [1, 1]);
        assert_eq!(app.sync_results().await, 1, "now it is the sink's word and not ours");
    }

    async fn an_object_handed_in_again_is_sent_once(db: TestDb) {
        let app = TestApp::start(db).await;
        let ids = app.hand_in("job", 3).await;
        app.hand_in("job", 3).await;
        app.deliver().await;
        app.hand_in("job", 3).await;
        app.deliver().await;
        assert_eq!(app.times_at_sink(&ids), [1, 1, 1]);
        app.expect_states(&[("delivered", 3)]).await;
    }

    async fn two_builds_of_a_commit_share_one_checkout(db: TestDb) {
        let app = TestApp::start(db).await;
        for verdict in ["pass", "fail"] {
            let (_, uid) = app.start_build().await;
            app.call_back(&app.tuxsuite.finish_build(&uid, verdict)).await.expect(204);
            app.deliver().await;
        }
        let checkouts = app.sink.objects("checkouts");
        assert_eq!(checkouts.values().map(Vec::len).collect::<Vec<_>>(), [1], "{checkouts:?}");
        let builds: Vec<Value> = app.sink.objects("builds").into_values().flatten().collect();
        assert_eq!(builds.len(), 2);
        for build in &builds {
            assert_eq!(Some(&text(build, "checkout_id")), checkouts.keys().next());
        }
        app.expect_states(&[("delivered", 3)]).await;
    }

    async fn without_a_sink_everything_waits_and_goes_out_once_there_is_one(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.submit_url = None).await;
        let ids = app.hand_in("job", 4).await;
        app.advance(TimeDelta::days(400)).await;
        let waiting = app.deliveries_in("pending").await;
        assert_eq!(waiting.len(), 4);
        for waits in waiting {
            assert!(text(&waits, "reason").contains("KCIDB_SUBMIT_URL"), "{waits}");
            assert_eq!(waits["tries"], 0);
        }
        assert_eq!(app.sync_results().await, 4);
        let app = app.restart().await;
        app.deliver().await;
        app.expect_states(&[("delivered", 4)]).await;
        assert_eq!(app.times_at_sink(&ids), vec![1; 4]);
    }

    async fn a_dry_run_sends_nothing_and_marks_nothing(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.dry_run = true).await;
        let ids = app.hand_in("job", 3).await;
        app.hand_in_for("bad", "not a kcidb id", 1).await;
        app.advance(TimeDelta::days(400)).await;
        assert_eq!(app.sync_results().await, 3);
        app.settle().await;
        assert_eq!(app.sink.server.requests().len(), 0);
        app.expect_states(&[("dead", 1), ("pending", 3)]).await;
        for waits in app.deliveries_in("pending").await {
            assert!(text(&waits, "reason").contains("dry run (DEBUG): nothing is sent"), "{waits}");
            assert_eq!((&waits["tries"], &waits["sent_at"], &waits["receipt"]), (&json!(0), &json!(null), &json!(null)));
        }
        let app = app.restart().await;
        app.deliver().await;
        app.expect_states(&[("dead", 1), ("delivered", 3)]).await;
        assert_eq!(app.times_at_sink(&ids), [1, 1, 1]);
    }

    async fn a_dry_run_leaves_receipts_as_they_were(db: TestDb) {
        let app = TestApp::start(db).await;
        app.hand_in("job", 2).await;
        app.settle().await;
        let sent = app.deliveries_in("sent").await;
        let app = app.restart_with(|settings| settings.kcidb.dry_run = true).await;
        let requests = app.sink.server.requests().len();
        app.advance(TimeDelta::days(2)).await;
        assert_eq!(app.sink.server.requests().len(), requests);
        let now = app.deliveries_in("sent").await;
        assert_eq!(now.len(), 2);
        for (then, now) in sent.iter().zip(&now) {
            assert_eq!((&then["due_at"], &then["receipt"]), (&now["due_at"], &now["receipt"]));
        }
    }

    async fn a_sync_makes_its_kind_due_and_tells_how_many(db: TestDb) {
        let app = TestApp::start(db).await;
        let (_, uid) = app.start_build().await;
        app.call_back(&app.tuxsuite.finish_build(&uid, "pass")).await.expect(204);
        for _ in 0..3 {
            app.sink.server.answer_next(SUBMIT, Answer::Status(429, String::new(), vec![("retry-after", "3600")]));
        }
        app.settle().await;
        let ids = app.hand_in("job", 3).await;
        app.settle().await;
        app.expect_states(&[("pending", 5)]).await;
        let answered = app.post_empty("/api/v1/sync/builds").await.expect(204);
        assert_eq!((answered.header("testyard-made-due"), answered.text.as_str()), ("2", ""), "a build and its checkout");
        // Whatever body comes with it does not matter.
        let answered = app.post_raw("/api/v1/sync/results", &[("content-type", "text/csv")], "a,b").await.expect(204);
        assert_eq!(answered.header("testyard-made-due"), "3");
        app.settle().await;
        app.expect_states(&[("pending", 5)]).await;
        assert_eq!(app.submits(), 3, "due means due: the sink is asked although it named a time");
        app.sync_results().await;
        app.post_empty("/api/v1/sync/builds").await.expect(204);
        app.deliver().await;
        app.expect_states(&[("delivered", 5)]).await;
        assert_eq!((app.times_at_sink(&ids), app.sync_results().await), (vec![1; 3], 0));
    }

    async fn syncs_and_workers_side_by_side_send_nothing_twice(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.batch_objects = 9).await;
        let twin = app.twin().await;
        let ids = app.hand_in("job", 120).await;
        let syncs = (0..16).map(|number| {
            let base = if number % 2 == 0 { &app.base } else { &twin.base };
            tokio::spawn(app.http.post(format!("{base}/api/v1/sync/results")).send())
        });
        let syncs: Vec<_> = syncs.collect();
        settle_both(&app.app, &twin.app).await;
        for sync in syncs {
            assert_eq!(sync.await.unwrap().unwrap().status().as_u16(), 204);
        }
        settle_both(&app.app, &twin.app).await;
        app.clock.advance(TimeDelta::seconds(2));
        settle_both(&app.app, &twin.app).await;
        assert_eq!(app.times_at_sink(&ids), vec![1; 120]);
        app.expect_states(&[("delivered", 120)]).await;
    }

    async fn a_worker_that_lost_its_lease_settles_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let ids = app.hand_in("job", 2).await;
        let gate = std::sync::Arc::new(tokio::sync::Notify::new());
        app.sink.server.answer_next(SUBMIT, Answer::Slow(gate.clone()));
        let slow = app.app.clone();
        let slow = tokio::spawn(async move { Task::Deliver.activate(&slow).await });
        app.sink.server.wait_for("the slow request", || (app.submits() == 1).then_some(())).await;
        assert_eq!(Task::Deliver.activate(&twin.app).await.unwrap().done, 0, "the lease holds");
        app.clock.advance(TimeDelta::seconds(120));
        assert_eq!(Task::Deliver.activate(&twin.app).await.unwrap().done, 2, "the lease has ended");
        let sent = app.deliveries_in("sent").await;
        gate.notify_one();
        assert_eq!(slow.await.unwrap().unwrap().done, 2);
        assert_eq!(app.sink.reports().len(), 2, "the sink has both");
        assert_eq!(app.deliveries_in("sent").await, sent, "the late answer changes nothing");
        app.advance(TimeDelta::seconds(2)).await;
        app.expect_states(&[("delivered", 2)]).await;
        for delivered in app.deliveries_in("delivered").await {
            assert_eq!(delivered["receipt"], sent[0]["receipt"]);
        }
        assert_eq!(app.times_at_sink(&ids), [2, 2], "sent again, with the same ids");
    }

    async fn what_a_dead_worker_held_is_sent_by_another(db: TestDb) {
        let app = TestApp::start(db).await;
        let ids = app.hand_in("job", 2).await;
        app.sink.server.answer_next(SUBMIT, Answer::Never);
        let dying = app.app.clone();
        let dying = tokio::spawn(async move { Task::Deliver.activate(&dying).await });
        app.sink.server.wait_for("the request", || (app.submits() == 1).then_some(())).await;
        dying.abort();
        assert!(dying.await.unwrap_err().is_cancelled());
        let app = app.restart().await;
        app.advance(TimeDelta::seconds(119)).await;
        app.expect_states(&[("pending", 2)]).await;
        app.advance(TimeDelta::seconds(1)).await;
        app.deliver().await;
        app.expect_states(&[("delivered", 2)]).await;
        assert_eq!(app.times_at_sink(&ids), [1, 1]);
    }
}
