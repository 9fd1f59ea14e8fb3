//! Jobs that a runner knows by their names.

use chrono::TimeDelta;
use serde_json::json;

use super::{at_tuxsuite, execution, finish_last, ledger, pairs, session, start, statuses};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

on_both! {
    async fn jobs_run_as_soon_as_they_can_and_make_others_ready(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net", "lab::disk"]).await;
        let begun = start(&app, &path, &at_tuxsuite()).await;
        assert_eq!((&begun["state"], &begun["results"]), (&json!("running"), &json!([{"status": null, "count": 3}])));
        app.settle().await;
        let jobs = app.tuxsuite.tests();
        assert_eq!(jobs.len(), 1, "what can start goes in one job");
        let waiting = ledger(&app, &path).await;
        assert!(waiting[0].2.starts_with("it is part of run_"), "{waiting:?}");
        let again = app.post(&format!("{path}/start"), &at_tuxsuite()).await.expect(409);
        assert!(again.text.contains("started already"), "{}", again.text);

        finish_last(&app, "pass", &[("boot", "pass"), ("lab::boot", "pass"), ("lab::disk", "fail")]).await;
        assert_eq!(statuses(&app, &path).await, pairs(&[("lab::boot", "PASS"), ("lab::net", "-"), ("lab::disk", "FAIL")]));
        assert_eq!(app.tuxsuite.tests().len(), 2, "what waited for it is run now");
        finish_last(&app, "pass", &[("lab::net", "pass")]).await;
        let over = execution(&app, &path).await;
        assert_eq!((&over["state"], &over["running"]), (&json!("finished"), &json!(0)), "{over}");
        let net = app.show(&format!("{path}/jobs/lab::net")).await;
        assert_eq!(net["outcome"], "pass", "{net}");
        app.deliver().await;
        let sunk: Vec<String> = app.sunk_tests().into_iter().map(|(path, status, _)| format!("{path} {status}")).collect();
        assert_eq!(sunk, ["lab.lab__boot PASS", "lab.lab__disk FAIL", "lab.lab__net PASS"]);
        assert_eq!(app.settle().await, 0, "nothing is left to do");
    }

    async fn what_depends_on_a_failure_is_skipped_with_the_reason_and_reported(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        finish_last(&app, "fail", &[("lab::boot", "fail")]).await;
        assert_eq!(statuses(&app, &path).await, pairs(&[("lab::boot", "FAIL"), ("lab::net", "SKIP")]));
        let why = &ledger(&app, &path).await[1].2;
        assert!(why.contains("`lab::boot`"), "{why}");
        assert_eq!(execution(&app, &path).await["state"], "finished");
        app.deliver().await;
        let sunk = app.sunk_tests();
        assert_eq!(sunk.len(), 2, "{sunk:?}");
        assert!(sunk.iter().any(|(path, status, _)| path == "lab.lab__net" && status == "SKIP"), "{sunk:?}");
    }

    async fn infrastructure_is_tried_again_within_a_bound_and_each_attempt_stays(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::boot"]).await;
        let how = json!({"max_attempts": 2});
        let mut all = at_tuxsuite();
        all.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
        start(&app, &path, &all).await;
        app.settle().await;
        finish_last(&app, "error", &[]).await;
        let (_, status, why) = ledger(&app, &path).await.remove(0);
        assert_eq!(status, "-");
        assert!(why.starts_with("it is part of run_"), "{why}");
        assert_eq!(app.tuxsuite.tests().len(), 2);
        finish_last(&app, "error", &[]).await;
        let (_, status, why) = ledger(&app, &path).await.remove(0);
        assert_eq!(status, "MISS", "{why}");
        assert_eq!(app.tuxsuite.tests().len(), 2, "the bound holds");
        let mut runs = app.items("/api/v1/runs").await;
        assert_eq!(runs.len(), 2);
        // Both were planned at one moment.
        runs.sort_by_key(|run| std::cmp::Reverse(run["attempt"].as_i64()));
        assert_eq!((&runs[0]["attempt"], &runs[0]["previous"]), (&json!(2), &runs[1]["id"]));
        assert_eq!(app.show(&format!("{path}/jobs/lab::boot")).await["outcome"], "crash");
        assert_eq!(execution(&app, &path).await["state"], "finished");
    }

    async fn a_build_that_passes_starts_its_session(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::boot"]).await;
        let id = path.rsplit('/').next().unwrap().to_owned();
        let build = json!({
            "tree": "https://git.example.org/linux.git", "branch": "master", "toolchain": "gcc-14", "kconfig": "defconfig",
            "start": {"session": id, "how": {"runners": ["tuxsuite"]}},
        });
        app.post("/api/v1/builds", &build).await.expect(201);
        app.settle().await;
        let waiting = execution(&app, &path).await;
        assert_eq!(waiting["state"], "waiting");
        assert!(text(&waiting, "reason").contains("waits for the build bld_"), "{waiting}");
        assert!(app.tuxsuite.tests().is_empty());
        let uid = text(&app.tuxsuite.builds()[0], "uid");
        let callback = app.tuxsuite.finish_build(&uid, "pass");
        app.call_back(&callback).await.expect(204);
        app.settle().await;
        let running = execution(&app, &path).await;
        assert_eq!((&running["state"], &running["build_id"]), (&json!("running"), &json!(format!("riscv:{uid}"))));
        finish_last(&app, "pass", &[("lab::boot", "pass")]).await;
        assert_eq!(execution(&app, &path).await["state"], "finished");
    }

    async fn a_build_that_fails_makes_its_jobs_miss_with_that_reason(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net", "lab::lamp"]).await;
        let id = path.rsplit('/').next().unwrap().to_owned();
        let build = json!({
            "tree": "https://git.example.org/linux.git", "branch": "master", "toolchain": "gcc-14", "kconfig": "defconfig",
            "start": {"session": id, "how": {"runners": ["tuxsuite"], "collection": "lab"}},
        });
        app.post("/api/v1/builds", &build).await.expect(201);
        app.settle().await;
        let uid = text(&app.tuxsuite.builds()[0], "uid");
        let callback = app.tuxsuite.finish_build(&uid, "fail");
        app.call_back(&callback).await.expect(204);
        app.deliver().await;
        let over = execution(&app, &path).await;
        assert_eq!(over["state"], "missed", "{over}");
        for (job, status, why) in ledger(&app, &path).await {
            assert_eq!(status, "MISS", "{job}");
            assert!(why.contains("came to FAIL"), "{why}");
        }
        let sunk = app.sunk_tests();
        assert_eq!(sunk.len(), 3, "{sunk:?}");
        assert!(sunk.iter().all(|(_, status, why)| status == "MISS" && why.contains("came to FAIL")), "{sunk:?}");
        assert!(app.tuxsuite.tests().is_empty());
    }

    async fn what_has_not_come_at_the_deadline_is_missing(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net"]).await;
        let mut how = at_tuxsuite();
        how["deadline_s"] = json!(3600);
        start(&app, &path, &how).await;
        app.settle().await;
        app.advance(TimeDelta::seconds(3599)).await;
        assert_eq!(execution(&app, &path).await["state"], "running");
        app.advance(TimeDelta::seconds(2)).await;
        let over = execution(&app, &path).await;
        assert_eq!(over["state"], "missed", "{over}");
        for (job, status, why) in ledger(&app, &path).await {
            assert_eq!(status, "MISS", "{job}");
            assert!(why.contains("deadline"), "{why}");
        }
        let runs = app.items("/api/v1/runs").await;
        assert_eq!((runs.len(), &runs[0]["state"]), (1, &json!("canceled")));
        app.deliver().await;
        assert_eq!(app.sunk_tests().len(), 2);
    }

    async fn what_nothing_could_ever_run_is_refused_with_the_reason(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::boot"]).await;
        let refused = app.post(&format!("{path}/start"), &json!({"runners": ["tuxsuite"]})).await.expect(422);
        assert!(refused.text.contains("lab::boot") && refused.text.contains("for a build only"), "{}", refused.text);
        let refused = app.post(&format!("{path}/start"), &json!({"runners": ["nobody"], "max_attempts": 0})).await.expect(422);
        assert!(refused.text.contains("there is no runner `nobody`") && refused.text.contains("max_attempts"), "{}", refused.text);
        app.get(&format!("{path}/execution")).await.expect(404);
        app.settle().await;
        assert!(app.items("/api/v1/runs").await.is_empty());
    }

    async fn an_execution_goes_on_after_a_restart_and_by_another_process(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = session(&app, &["lab::net"]).await;
        start(&app, &path, &at_tuxsuite()).await;
        app.settle().await;
        let app = app.restart().await;
        finish_last(&app, "pass", &[("lab::boot", "pass")]).await;
        let twin = app.twin().await;
        finish_last(&twin, "pass", &[("lab::net", "pass")]).await;
        assert_eq!(execution(&app, &path).await["state"], "finished");
        assert_eq!(statuses(&app, &path).await, pairs(&[("lab::boot", "PASS"), ("lab::net", "PASS")]));
    }
}
