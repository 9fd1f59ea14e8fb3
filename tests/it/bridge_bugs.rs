//! The bridge's numbered bugs, as far as callers and KCIDB see them: reports, results and callbacks. Each test shows what
//! the bridge got wrong and that it is right here; the numbers are those of `docs/migrating-from-the-bridge.md`.

use chrono::DateTime;
use serde_json::{Value, json};
use testyard::config::Settings;
use testyard::domain::kcidb::schema;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_sink::FakeSink;
use crate::support::fake_tuxsuite::{Callback, FakeTuxSuite};
use crate::support::on_both;
use crate::support::runs::text;

const BUILD: &str = "maestro:681b69099ae9711e9ed49766";

/// What a caller of `tests/run` sends.
pub(crate) fn suite(tests: &[&str]) -> Value {
    json!({
        "build_id": BUILD, "kernel_image_url": "https://files.example.org/Image", "collection": "ltp", "tests": tests,
    })
}

/// What a caller of `builds/run` sends.
pub(crate) fn build() -> Value {
    json!({
        "toolchain": "gcc-12", "tree": "https://git.example.org/linux.git", "branch": "master", "kconfig": "defconfig",
    })
}

/// A service that knows the key of its TuxSuite, so that callbacks must be signed.
pub(crate) async fn signing(db: TestDb, change: impl FnOnce(&mut Settings)) -> TestApp {
    let (tuxsuite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
    let key = tuxsuite.public_key_openssh();
    TestApp::start_on(db, tuxsuite, sink, |settings| {
        settings.tuxsuite.public_key = Some(key);
        change(settings);
    })
    .await
}

/// Asks for a run over the bridge's door, has TuxSuite accept it; returns the run's address and TuxSuite's uid.
pub(crate) async fn started(app: &TestApp, route: &str, body: &Value) -> (String, String) {
    let answered = app.post(route, body).await.expect(204);
    app.settle().await;
    let location = answered.header("location").to_owned();
    let shown = app.show(&location).await;
    let run = if shown["run"].is_object() { &shown["run"] } else { &shown };
    (location, text(run, "uid"))
}

async fn tests_started(app: &TestApp, tests: &[&str]) -> (String, String) {
    started(app, "/api/v1/tests/run", &suite(tests)).await
}

/// Has TuxSuite call back, and everything delivered.
async fn called_back(app: &TestApp, callback: &Callback) {
    app.call_back(callback).await.expect(204);
    app.deliver().await;
}

/// A callback of TuxSuite's with this status, at the address that the job was given.
async fn told(app: &TestApp, uid: &str, kind: &str, status: &Value) {
    let body = json!({"kind": kind, "status": status}).to_string();
    called_back(app, &Callback { body, ..app.tuxsuite.callback(uid) }).await;
}

/// The objects at the sink, each of which must have come once; and every report is valid.
fn sunk(app: &TestApp, list: &str) -> Vec<Value> {
    for report in app.sink.reports() {
        assert_eq!(schema::validate(&report.body), Ok(()), "{}", report.body);
    }
    let once = app.sink.objects(list).into_values().map(|objects| {
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.into_iter().next().unwrap()
    });
    let mut objects: Vec<Value> = once.collect();
    objects.sort_by_key(|object| object["path"].as_str().map(str::to_owned));
    objects
}

fn statuses(app: &TestApp) -> Vec<(String, String)> {
    sunk(app, "tests").iter().map(|test| (text(test, "path"), text(test, "status"))).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(path, status)| (path.to_owned(), status.to_owned())).to_vec()
}

on_both! {
    async fn bug_01_start_time_has_a_zone_and_the_report_is_valid(db: TestDb) {
        let app = TestApp::start(db).await;
        let (_, uid) = tests_started(&app, &["ltp-nptl"]).await;
        called_back(&app, &app.tuxsuite.finish_test(&uid, "pass", &[("boot", "pass"), ("ltp-nptl", "pass")])).await;
        let [test] = &sunk(&app, "tests")[..] else { panic!("one test") };
        let start = text(test, "start_time");
        let read = DateTime::parse_from_rfc3339(&start).unwrap_or_else(|error| panic!("{start}: {error}"));
        assert_eq!(read.offset().local_minus_utc(), 0, "{start}");
        assert_eq!(app.items("/api/v1/deliveries?state=dead").await, Vec::<Value>::new());
    }

    async fn bug_03_and_06_builds_go_under_builds_and_have_a_checkout(db: TestDb) {
        let app = TestApp::start(db).await;
        let (_, uid) = started(&app, "/api/v1/builds/run", &build()).await;
        called_back(&app, &app.tuxsuite.finish_build(&uid, "pass")).await;
        let [build] = &sunk(&app, "builds")[..] else { panic!("one build") };
        let [checkout] = &sunk(&app, "checkouts")[..] else { panic!("one checkout") };
        assert_eq!(build["id"], format!("riscv:{uid}"));
        assert_eq!((&build["status"], build.get("valid")), (&json!("PASS"), None));
        assert_eq!(build["checkout_id"], checkout["id"]);
        assert_eq!(checkout["git_repository_url"], "https://git.example.org/linux.git");
        assert_eq!(checkout["git_repository_branch"], "master");
        assert_eq!(checkout["git_commit_hash"], "abcdef0123456789abcdef0123456789abcdef01");
        assert_eq!(app.sink.objects("tests").len(), 0);

        // The tests of the build then hang at something that KCIDB knows.
        let of_it = json!({
            "build_id": build["id"], "kernel_image_url": "https://files.example.org/Image", "collection": "ltp",
            "tests": ["ltp-nptl"],
        });
        let (_, uid) = started(&app, "/api/v1/tests/run", &of_it).await;
        called_back(&app, &app.tuxsuite.finish_test(&uid, "pass", &[("ltp-nptl", "pass")])).await;
        assert_eq!(sunk(&app, "tests")[0]["build_id"], build["id"]);
    }

    async fn bug_04_a_dry_run_sends_nothing_and_marks_nothing_as_sent(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.kcidb.dry_run = true).await;
        let (_, uid) = tests_started(&app, &["ltp-nptl"]).await;
        called_back(&app, &app.tuxsuite.finish_test(&uid, "pass", &[("ltp-nptl", "pass")])).await;
        for route in ["/api/v1/sync/results", "/api/v1/sync/builds"] {
            app.post_empty(route).await.expect(204);
        }
        app.advance(chrono::TimeDelta::days(1)).await;
        let [delivery] = &app.items("/api/v1/deliveries").await[..] else { panic!("one delivery") };
        assert_eq!((&delivery["state"], &delivery["sent_at"]), (&json!("pending"), &Value::Null));
        assert!(text(delivery, "reason").contains("dry run"), "{delivery}");
        assert_eq!(app.sink.server.requests().len(), 0);

        let app = app.restart().await;
        app.deliver().await;
        assert_eq!(statuses(&app), pairs([("ltp.nptl", "PASS")]));
    }

    async fn bug_08_version_origin_and_runtime_are_no_constants_and_the_platform_is_where_kernelci_reads_it(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.kcidb.origin = "lab1".into();
            settings.tuxsuite.device = "qemu-riscv32".into();
        })
        .await;
        let (_, uid) = tests_started(&app, &["ltp-nptl"]).await;
        called_back(&app, &app.tuxsuite.finish_test(&uid, "pass", &[("ltp-nptl", "pass")])).await;
        let results = json!({
            "test_uid": "run-1", "build_id": BUILD, "device": "visionfive2", "runtime": "GitHub Actions",
            "tests": [{"test_name": "ltp-smoke", "test_collection": "ltp", "result": "PASS"}],
        });
        app.post("/api/v1/tests/submit", &results).await.expect(204);
        app.deliver().await;
        let [nptl, smoke] = &sunk(&app, "tests")[..] else { panic!("two tests") };
        for (test, platform, runtime) in
            [(nptl, "qemu-riscv32", "tuxsuite"), (smoke, "visionfive2", "GitHub Actions")]
        {
            assert!(text(test, "id").starts_with("lab1:") && test["origin"] == "lab1", "{test}");
            assert_eq!(test["environment"]["misc"]["platform"], platform);
            assert_eq!(test["misc"]["runtime"], runtime);
        }
        let versions: Vec<_> = app.sink.reports().iter().map(|report| report.body["version"].clone()).collect();
        assert!(versions.iter().all(|version| *version == json!({"major": 5, "minor": 3})), "{versions:?}");
    }

    async fn bug_09_times_and_logs_are_those_of_the_run(db: TestDb) {
        let app = TestApp::start(db).await;
        let (_, uid) = tests_started(&app, &["ltp-nptl"]).await;
        app.tuxsuite.put_file(&uid, "logs.txt", "one\nKernel panic - not syncing\n");
        app.tuxsuite.finish_test(&uid, "fail", &[("boot", "pass"), ("ltp-nptl", "fail")]);
        app.tuxsuite.patch(&uid, &json!({"running_time": "2026-01-02T03:30:00.123456", "duration": 301}));
        called_back(&app, &app.tuxsuite.callback(&uid)).await;
        let [test] = &sunk(&app, "tests")[..] else { panic!("one test") };
        let start = DateTime::parse_from_rfc3339(&text(test, "start_time")).unwrap();
        assert_eq!(start, DateTime::parse_from_rfc3339("2026-01-02T03:30:00Z").unwrap());
        assert_eq!(test["duration"].as_f64(), Some(301.0));
        assert!(text(test, "log_url").ends_with(&format!("{uid}/logs.txt")), "{test}");
        assert!(text(test, "log_excerpt").contains("Kernel panic - not syncing"), "{test}");
    }

    async fn bug_13_boot_in_a_callbacks_list_is_neither_an_error_nor_a_result(db: TestDb) {
        let app = TestApp::start(db).await;
        let boot = json!({"build_id": BUILD, "kernel_image_url": "https://files.example.org/Image"});
        let (boot_run, boot_uid) = started(&app, "/api/v1/boot-test/run", &boot).await;
        let (_, uid) = tests_started(&app, &["ltp-nptl", "ltp-fsx"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("boot", "pass"), ("ltp-nptl", "pass"), ("ltp-fsx", "pass")]);
        let listed: Value = serde_json::from_str(&callback.body).unwrap();
        assert_eq!(listed["status"]["tests"], json!(["boot", "ltp-nptl", "ltp-fsx"]));
        called_back(&app, &callback).await;
        assert_eq!(statuses(&app), pairs([("ltp.fsx", "PASS"), ("ltp.nptl", "PASS")]));
        assert_eq!(app.show(&boot_run).await["state"], "running", "the boot run was not spoken of");
        called_back(&app, &app.tuxsuite.finish_test(&boot_uid, "pass", &[("boot", "pass")])).await;
        assert_eq!(statuses(&app), pairs([("boot", "PASS"), ("ltp.fsx", "PASS"), ("ltp.nptl", "PASS")]));
    }

    async fn bug_15_a_later_callback_without_a_result_leaves_the_first_one_alone(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = tests_started(&app, &["ltp-nptl"]).await;
        called_back(&app, &app.tuxsuite.finish_test(&uid, "pass", &[("ltp-nptl", "pass")])).await;
        app.tuxsuite.put_file(&uid, "results.json", "{\"lava\": {}}");
        told(&app, &uid, "test", &json!({"uid": uid, "state": "finished", "result": "error", "tests": ["ltp-nptl"]})).await;
        assert_eq!(app.show(&run).await["status"], "PASS");
        assert_eq!(statuses(&app), pairs([("ltp.nptl", "PASS")]));
        let callbacks = app.items("/api/v1/callbacks?state=late").await;
        assert_eq!(callbacks.len(), 1, "the later one is kept as evidence");
    }

    async fn bug_16_a_suite_is_what_its_cases_are_and_they_are_reported(db: TestDb) {
        let app = TestApp::start(db).await;
        let (_, uid) = tests_started(&app, &["ltp-smoke"]).await;
        let file = json!({
            "lava": {"ltp-smoke": {"result": "pass"}, "login-action": {"result": "pass"}},
            "ltp-smoke": {"access01": {"result": "pass"}, "fork01": {"result": "fail"}, "chown01": {"result": "skip"}},
        });
        app.tuxsuite.put_file(&uid, "results.json", file.to_string());
        called_back(&app, &app.tuxsuite.finish_test(&uid, "pass", &[("boot", "pass"), ("ltp-smoke", "pass")])).await;
        assert_eq!(statuses(&app), pairs([
            ("ltp.smoke", "FAIL"),
            ("ltp.smoke.access01", "PASS"),
            ("ltp.smoke.chown01", "SKIP"),
            ("ltp.smoke.fork01", "FAIL"),
        ]));
    }

    async fn bug_17_numbers_before_names_in_results_files_are_dropped(db: TestDb) {
        let app = TestApp::start(db).await;
        let (_, uid) = tests_started(&app, &["ltp-nptl", "ltp-fsx"]).await;
        let file = json!({
            "lava": {"0_ltp-nptl": {"result": "pass"}, "1_ltp-fsx": {"result": "pass"}},
            "1_ltp-fsx": {"0_write": {"result": "fail"}},
        });
        app.tuxsuite.put_file(&uid, "results.json", file.to_string());
        called_back(&app, &app.tuxsuite.finish_test(&uid, "fail", &[])).await;
        assert_eq!(
            statuses(&app),
            pairs([("ltp.fsx", "FAIL"), ("ltp.fsx.write", "FAIL"), ("ltp.nptl", "PASS")])
        );
    }

    async fn bug_19_builds_that_lack_what_good_ones_have_are_taken_and_each_word_has_its_meaning(db: TestDb) {
        let app = signing(db, |_| {}).await;
        for (kind, word, status) in [
            ("build", "fail", Some("FAIL")),
            ("build", "error", Some("ERROR")),
            ("kbuild", "canceled", Some("MISS")),
            ("oebuild", "pass", Some("PASS")),
            ("build", "unknown", None),
        ] {
            let (location, uid) = started(&app, "/api/v1/builds/run", &build()).await;
            let status_object = json!({
                "uid": uid, "build_status": word, "kernel_image_name": null, "modules": null, "kernel_version": null,
            });
            // Over the bridge's own door, signed.
            let body = json!({"kind": kind, "status": status_object}).to_string();
            let signature = app.tuxsuite.sign(body.as_bytes());
            let headers = [("content-type", "application/json"), ("x-tux-payload-signature", signature.as_str())];
            app.post_raw("/api/v1/tuxsuite/callback/build", &headers, body).await.expect(204);
            app.deliver().await;
            let run = app.show(&location).await["run"].clone();
            assert_eq!(run["status"].as_str(), status, "{kind} {word}: {run}");
            assert_eq!(run["state"], if status.is_some() { "finished" } else { "running" }, "{kind} {word}");
            let sent = sunk(&app, "builds").into_iter().find(|build| build["id"] == format!("riscv:{uid}"));
            assert_eq!(sent.as_ref().and_then(|build| build["status"].as_str()), status, "{kind} {word}");
        }
    }

    async fn bug_30_and_31_submitted_results_reach_kcidb_without_a_run(db: TestDb) {
        let app = TestApp::start(db).await;
        let results = |first: &str| json!({
            "test_uid": "run-1", "build_id": BUILD, "device": "visionfive2", "runtime": "lab-1",
            "tests": [
                {"test_name": "ltp-smoke", "test_collection": "ltp", "result": first, "logs": "what it wrote"},
                {"test_name": "boot", "test_collection": "boot", "result": "MISS", "logs": null},
            ],
        });
        app.post("/api/v1/tests/submit", &results("FAIL")).await.expect(204);
        let none = json!({"test_uid": "run-2", "build_id": BUILD, "device": "d", "runtime": "r", "tests": []});
        app.post("/api/v1/tests/submit", &none).await.expect(204);
        app.deliver().await;
        assert_eq!(statuses(&app), pairs([("boot", "MISS"), ("ltp.smoke", "FAIL")]));
        assert_eq!(sunk(&app, "tests")[1]["log_excerpt"], "what it wrote");
        // The first result stays.
        app.post("/api/v1/tests/submit", &results("PASS")).await.expect(204);
        app.deliver().await;
        assert_eq!(statuses(&app), pairs([("boot", "MISS"), ("ltp.smoke", "FAIL")]));
        assert_eq!(app.items("/api/v1/results").await.len(), 2);
        assert_eq!(app.items("/api/v1/runs").await.len(), 0);
    }

    async fn bug_37_results_that_would_share_an_id_are_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        // Both hash `run-1-a-b-c`.
        let results = json!({
            "test_uid": "run-1", "build_id": BUILD, "device": "d", "runtime": "r",
            "tests": [
                {"test_name": "c", "test_collection": "a-b", "result": "PASS"},
                {"test_name": "b-c", "test_collection": "a", "result": "FAIL"},
            ],
        });
        let refused = app.post("/api/v1/tests/submit", &results).await.expect(422).json();
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "tests", 1]));
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("the same id"), "{refused}");
        assert_eq!(app.items("/api/v1/results").await.len(), 0);
    }
}
