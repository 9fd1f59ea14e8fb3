//! How a session that is run is steered.

use serde_json::json;

use super::{at_tuxsuite, execution, finish_last, ledger, pairs, session, start, statuses};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_tuxsuite::CANCEL_TEST;
use crate::support::on_both;
use crate::support::runs::text;

on_both! {
    async fn a_paused_session_begins_nothing_and_takes_what_comes(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        let paused = app.post(&format!("{path}/pause"), &json!({"reason": "the lab moves"})).await.expect(200).json();
        assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("the lab moves")));
        finish_last(&app, "pass", &[("lab::boot", "pass")]).await;
        assert_eq!(statuses(&app, &path).await, pairs(&[("lab::boot", "PASS"), ("lab::net", "-")]));
        assert_eq!(app.tuxsuite.tests().len(), 1);
        let resumed = app.post_empty(&format!("{path}/resume")).await.expect(200).json();
        assert_eq!(resumed["execution"]["state"], "running", "{resumed}");
        app.settle().await;
        assert_eq!(app.tuxsuite.tests().len(), 2);
    }

    async fn runs_that_were_planned_when_it_was_paused_are_held(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::boot"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        testyard::app::execution::advance(&app.app, path.rsplit('/').next().unwrap().parse().unwrap()).await.unwrap();
        app.post(&format!("{path}/pause"), &json!({})).await.expect(200);
        app.settle().await;
        assert!(app.tuxsuite.tests().is_empty());
        let runs = app.items("/api/v1/runs").await;
        assert!(text(&runs[0], "waiting").contains("paused"), "{}", runs[0]);
        app.post_empty(&format!("{path}/resume")).await.expect(200);
        app.settle().await;
        assert_eq!(app.tuxsuite.tests().len(), 1);
    }

    async fn what_is_canceled_is_ended_everywhere_and_missing(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        let canceled = app.post(&format!("{path}/cancel"), &json!({"reason": "wrong kernel"})).await.expect(200).json();
        assert_eq!(canceled["state"], "canceled");
        app.settle().await;
        for (job, status, why) in ledger(&app, &path).await {
            assert_eq!(status, "MISS", "{job}");
            assert!(why.contains("wrong kernel"), "{why}");
        }
        assert_eq!(app.asked(CANCEL_TEST), 1, "TuxSuite is told");
        assert_eq!(app.show(&format!("{path}/jobs/lab::boot")).await["outcome"], json!(null), "it has not run");
        app.post(&format!("{path}/cancel"), &json!({})).await.expect(409);
        app.post(&format!("{path}/pause"), &json!({})).await.expect(409);
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        finish_last(&app, "pass", &[("lab::boot", "pass")]).await;
        assert_eq!(statuses(&app, &path).await, pairs(&[("lab::boot", "PASS"), ("lab::net", "-")]));
    }

    async fn what_failed_is_run_again_and_nothing_else(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net", "lab::disk"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        let early = app.post(&format!("{path}/rerun"), &json!({"jobs": ["lab::boot"]})).await.expect(409);
        assert!(early.text.contains("has no result yet"), "{}", early.text);
        finish_last(&app, "fail", &[("lab::boot", "fail"), ("lab::disk", "pass")]).await;
        assert_eq!(execution(&app, &path).await["state"], "finished");
        let again = app.post(&format!("{path}/rerun"), &json!({"failed": true})).await.expect(200).json();
        assert_eq!(again["jobs"], json!(["lab::boot", "lab::net"]), "with what was skipped because of it");
        app.settle().await;
        assert_eq!(app.tuxsuite.tests().len(), 2);
        finish_last(&app, "pass", &[("lab::boot", "pass")]).await;
        finish_last(&app, "pass", &[("lab::net", "pass")]).await;
        let over = execution(&app, &path).await;
        assert_eq!((&over["state"], &over["results"]), (&json!("finished"), &json!([{"status": "PASS", "count": 3}])));
        let history = app.items(&format!("{path}/jobs/lab::boot/results")).await;
        assert_eq!(history.len(), 2, "each attempt stays");
        app.post(&format!("{path}/rerun"), &json!({"jobs": ["lab::lamp"]})).await.expect(422);
        app.post(&format!("{path}/rerun"), &json!({})).await.expect(422);
    }

    async fn one_job_is_canceled_and_the_others_go_on(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        app.post(&format!("{path}/jobs/lab::net/cancel"), &json!({"reason": "not now"})).await.expect(200);
        finish_last(&app, "pass", &[("lab::boot", "pass")]).await;
        let rows = ledger(&app, &path).await;
        assert_eq!((rows[1].1.as_str(), rows[1].2.contains("not now")), ("MISS", true), "{rows:?}");
        assert_eq!(execution(&app, &path).await["state"], "finished");
        app.post(&format!("{path}/jobs/lab::net/cancel"), &json!({})).await.expect(409);
        app.post(&format!("{path}/jobs/lab::nobody/cancel"), &json!({})).await.expect(409);
    }

    async fn a_job_for_a_person_waits_for_them_and_their_word_counts(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::lamp"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        let waiting = execution(&app, &path).await;
        assert!(text(&waiting, "reason").contains("wait for a person"), "{waiting}");
        assert!(ledger(&app, &path).await[0].2.contains("plugin `manual`"));
        app.post(&format!("{path}/jobs/lab::lamp/results"), &json!({"outcome": "pass"})).await.expect(200);
        app.deliver().await;
        assert_eq!(statuses(&app, &path).await, pairs(&[("lab::lamp", "PASS")]));
        assert_eq!(execution(&app, &path).await["state"], "finished");
        assert_eq!(app.sunk_tests().len(), 1, "it is reported as well");
    }
}
