//! The main job from end to end: a build and tests come in, a runner runs them and calls back, the sink has them.

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn a_build_and_its_tests_reach_the_sink(db: TestDb) {
        let app = TestApp::start(db).await;
        let build = json!({
            "toolchain": "gcc-12", "tree": "https://git.example.org/linux.git", "branch": "master", "kconfig": "defconfig",
        });
        let answered = app.post("/api/v1/builds/run", &build).await.expect(204);
        let location = answered.header("location").to_owned();
        assert_eq!(app.show(&location).await["run"]["state"], "planned");

        app.settle().await;
        let builds = app.tuxsuite.builds();
        assert_eq!(builds.len(), 1);
        let uid = builds[0]["uid"].as_str().expect("a uid").to_owned();
        assert_eq!(app.show(&location).await["run"]["state"], "running");
        let callback = app.tuxsuite.finish_build(&uid, "pass");
        app.call_back(&callback).await.expect(204);
        app.settle().await;
        let shown = app.show(&location).await;
        assert_eq!((&shown["run"]["state"], &shown["run"]["status"]), (&json!("finished"), &json!("PASS")));
        let build_id = shown["run"]["build_id"].as_str().expect("KCIDB's id").to_owned();
        assert_eq!(build_id, format!("riscv:{uid}"));

        let tests = json!({
            "build_id": build_id, "kernel_image_url": "https://files.example.org/Image", "modules_url": "",
            "tests": ["ltp-smoke", "ltp-fsx"], "collection": "ltp",
        });
        let answered = app.post("/api/v1/tests/run", &tests).await.expect(204);
        let run = answered.header("location").to_owned();
        app.settle().await;
        let jobs = app.tuxsuite.tests();
        assert_eq!(jobs.len(), 1);
        let uid = jobs[0]["uid"].as_str().expect("a uid").to_owned();
        app.tuxsuite.put_file(&uid, "results.json", json!({
            "lava": {"ltp-smoke": {"result": "pass"}, "ltp-fsx": {"result": "pass"}, "auto-login-action": {"result": "pass"}},
            "ltp-smoke": {"access01": {"result": "pass"}, "access02": {"result": "fail"}},
        }).to_string());
        app.tuxsuite.put_file(&uid, "logs.txt", "one\ntwo\n");
        let callback = app.tuxsuite.finish_test(&uid, "fail", &[("boot", "pass"), ("ltp-smoke", "fail"), ("ltp-fsx", "pass")]);
        app.call_back(&callback).await.expect(204);
        app.deliver().await;

        let shown = app.show(&run).await;
        assert_eq!((&shown["state"], &shown["status"]), (&json!("finished"), &json!("FAIL")), "{shown}");
        let results = app.items(&format!("/api/v1/results?run={}", shown["id"].as_str().unwrap())).await;
        let mut rows: Vec<(String, String)> = results
            .iter()
            .map(|row| (row["path"].as_str().unwrap().to_owned(), row["status"].as_str().unwrap().to_owned()))
            .collect();
        rows.sort();
        assert_eq!(rows, [
            ("ltp.fsx".into(), "PASS".into()),
            ("ltp.smoke".into(), "FAIL".into()),
            ("ltp.smoke.access01".into(), "PASS".into()),
            ("ltp.smoke.access02".into(), "FAIL".into()),
        ]);
        let delivered = app.items("/api/v1/deliveries?limit=1000").await;
        assert_eq!(delivered.len(), 6);
        for delivery in &delivered {
            assert_eq!(delivery["state"], "delivered", "{delivery}");
        }
        assert_eq!(app.sink.objects("checkouts").len(), 1);
        assert_eq!(app.sink.objects("builds").len(), 1);
        assert_eq!(app.sink.objects("tests").len(), 4);
        assert_eq!(app.settle().await, 0, "nothing is left to do");
    }
}
