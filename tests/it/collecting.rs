//! Fetching what a finished job left: results, logs and numbers, from places that may be asked, and what decides when
//! they cannot be had.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_sink::FakeSink;
use crate::support::fake_tuxsuite::STORAGE;
use crate::support::on_both;
use crate::support::runs::{text, unavailable};

/// Longer than any pause between two tries.
const LONG: TimeDelta = TimeDelta::minutes(11);

/// A run of `ltp-smoke` that TuxSuite has ended as failed by its own words.
async fn failed(app: &TestApp, build: &str) -> (String, String) {
    let (run, uid) = app.start_tests(build, &["ltp-smoke"]).await;
    app.tuxsuite.finish_test(&uid, "fail", &[("boot", "pass"), ("ltp-smoke", "fail")]);
    (run, uid)
}

/// Calls back for the job and works it out.
async fn conclude(app: &TestApp, uid: &str) {
    app.call_back(&app.tuxsuite.callback(uid)).await.expect(204);
    app.settle().await;
}

/// The run is over, by the words of its callback alone, and says why.
#[track_caller]
fn decided_by_words(run: &Value, why: &str) {
    assert_eq!((&run["state"], &run["status"]), (&json!("finished"), &json!("FAIL")), "{run}");
    let reason = text(run, "reason");
    assert!(reason.contains("the runner's own words decide") && reason.contains(why), "want `{why}`: {reason}");
}

/// The tests at the sink by their paths.
fn by_path(app: &TestApp) -> Value {
    app.sink.objects("tests").into_values().flatten().map(|test| (text(&test, "path"), test)).collect()
}

on_both! {
    async fn where_no_results_file_comes_the_callbacks_own_words_decide(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.runs.collect_max_tries = 3).await;
        let (run, uid) = failed(&app, "maestro:1").await;
        for _ in 0..3 {
            app.tuxsuite.server.answer_next(STORAGE, Answer::Status(404, String::new(), Vec::new()));
        }
        conclude(&app, &uid).await;
        app.advance(LONG).await;
        let waits = app.run_in(&run, "collecting").await;
        assert!(
            text(&waits, "waiting").contains("no results.json"),
            "a callback may be faster than the storage: {waits}"
        );
        assert_eq!(app.results_of(&run).await, []);
        app.advance(LONG).await;
        decided_by_words(&app.run(&run).await, "no results.json");
        assert_eq!(app.results_of(&run).await, [("ltp.smoke".into(), "FAIL".into())]);
    }

    async fn a_storage_that_fails_for_now_is_asked_again(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.tuxsuite.timeout_s = 1).await;
        let (run, uid) = failed(&app, "maestro:1").await;
        app.tuxsuite.put_file(&uid, "results.json", r#"{"ltp-smoke": {"access01": {"result": "fail"}}}"#);
        let status = |status| Answer::Status(status, String::new(), Vec::new());
        app.call_back(&app.tuxsuite.callback(&uid)).await.expect(204);
        for (number, answer) in
            [status(500), status(503), status(429), Answer::Never, Answer::Close].into_iter().enumerate()
        {
            let what = format!("{answer:?}");
            app.tuxsuite.server.answer_next(STORAGE, answer);
            app.advance(LONG).await;
            let waits = app.run_in(&run, "collecting").await;
            assert_eq!(waits["tries"], number + 1, "{what}");
            assert!(text(&waits, "waiting").contains("could not be fetched"), "{what}: {waits}");
            assert_eq!(app.results_of(&run).await, []);
        }
        app.advance(LONG).await;
        assert_eq!(app.run_in(&run, "finished").await["reason"], Value::Null);
        let want = [("ltp.smoke".into(), "FAIL".into()), ("ltp.smoke.access01".into(), "FAIL".into())];
        assert_eq!(app.results_of(&run).await, want);
    }

    async fn a_storage_that_fails_for_good_is_asked_within_bounds(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.runs.collect_max_tries = 3).await;
        let (run, uid) = failed(&app, "maestro:1").await;
        for _ in 0..9 {
            app.tuxsuite.server.answer_next(STORAGE, unavailable());
        }
        conclude(&app, &uid).await;
        app.advance(LONG).await;
        app.run_in(&run, "collecting").await;
        app.advance(LONG).await;
        decided_by_words(&app.run(&run).await, "503");
        app.advance(LONG).await;
        assert_eq!(app.asked(STORAGE), 3);
    }

    async fn where_the_results_file_stays_unreadable_the_callbacks_own_words_decide(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.tuxsuite.max_results_bytes = 1000;
            settings.runs.collect_max_tries = 2;
        })
        .await;
        let large = json!({"ltp-smoke": {"case": {"result": "pass", "note": "x".repeat(1000)}}}).to_string();
        let deep = format!("{}1{}", r#"{"a":"#.repeat(150), "}".repeat(150));
        let contents = [
            ("", "cannot be read"),
            ("garbage", "cannot be read"),
            ("[]", "cannot be read"),
            ("null", "cannot be read"),
            (r#"{"ltp-smoke": []}"#, "cannot be read"),
            ("{\"ltp-smoke\": {\"\u{0}\": {}}}", "cannot be read"),
            (deep.as_str(), "cannot be read"),
            (large.as_str(), "longer than 1000 bytes"),
        ];
        let mut runs = Vec::new();
        for (number, (content, why)) in contents.into_iter().enumerate() {
            let (run, uid) = failed(&app, &format!("maestro:{number}")).await;
            app.tuxsuite.put_file(&uid, "results.json", content.to_owned());
            conclude(&app, &uid).await;
            runs.push((run, why));
        }
        let (is_too_large, _) = runs.last().unwrap();
        decided_by_words(&app.run(is_too_large).await, "longer than 1000 bytes");
        app.advance(LONG).await;
        for (run, why) in runs {
            decided_by_words(&app.run(&run).await, why);
            assert_eq!(app.results_of(&run).await, [("ltp.smoke".into(), "FAIL".into())]);
        }
    }

    async fn a_results_file_that_is_only_half_there_is_fetched_again(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = failed(&app, "maestro:1").await;
        app.tuxsuite.put_file(&uid, "results.json", r#"{"ltp-smoke": {"access01": {"resu"#);
        conclude(&app, &uid).await;
        app.run_in(&run, "collecting").await;
        app.tuxsuite.put_file(&uid, "results.json", r#"{"ltp-smoke": {"access01": {"result": "fail"}}}"#);
        app.advance(LONG).await;
        assert_eq!(app.run_in(&run, "finished").await["reason"], Value::Null);
        assert_eq!(app.results_of(&run).await.len(), 2);
    }

    async fn only_places_that_the_operator_lists_are_asked(db: TestDb) {
        // A server inside, which must not hear of us.
        let inside = FakeSink::start().await;
        let authority = inside.server.url().replace("http://", "");
        let port = authority.rsplit_once(':').unwrap().1.to_owned();
        let app = TestApp::start_with(db, |settings| {
            settings.outbound.allow.clear();
            settings.tuxsuite.download_hosts =
                ["localhost", "127.0.0.1", "169.254.169.254", "*.tuxsuite.com", "::1"].map(str::to_owned).to_vec();
        })
        .await;
        let not_listed = "not in the setting of download hosts";
        for (number, (url, why)) in [
            // Listed, and yet not of the public internet.
            (format!("http://{authority}/x/"), "not on the public internet"),
            (format!("http://localhost:{port}/x/"), "not on the public internet"),
            (format!("http://0x7f000001:{port}/x/"), "not on the public internet"),
            (format!("http://[::1]:{port}/x/"), "not on the public internet"),
            (format!("http://[::ffff:127.0.0.1]:{port}/x/"), "not on the public internet"),
            ("http://169.254.169.254/latest/meta-data/".to_owned(), "not on the public internet"),
            // Not listed.
            ("http://10.0.0.1/".to_owned(), not_listed),
            ("http://metadata.google.internal/".to_owned(), not_listed),
            ("https://tuxsuite.com.example.org/".to_owned(), not_listed),
            ("https://nottuxsuite.com/".to_owned(), not_listed),
            ("https://example.org/?x=storage.tuxsuite.com".to_owned(), not_listed),
            (format!("http://storage.tuxsuite.com@{authority}/"), "a user or a password"),
            ("http://storage.tuxsuite.com/x/".to_owned(), "not https"),
            ("ftp://storage.tuxsuite.com/x/".to_owned(), ""),
            ("file:///etc/passwd".to_owned(), ""),
            ("//storage".to_owned(), ""),
        ]
        .into_iter()
        .enumerate()
        {
            let (run, uid) = failed(&app, &format!("maestro:{number}")).await;
            app.tuxsuite.patch(&uid, &json!({"download_url": url}));
            conclude(&app, &uid).await;
            let over = app.run(&run).await;
            assert_eq!(over["state"], "finished", "{url}: {over}");
            decided_by_words(&over, why);
        }
        assert_eq!((app.asked(STORAGE), inside.server.requests().len()), (0, 0));
    }

    async fn a_redirect_leads_to_no_place_that_may_not_be_asked(db: TestDb) {
        let inside = FakeSink::start().await;
        let app = TestApp::start_with(db, |settings| settings.outbound.allow.clear()).await;
        let places = [
            ("http://169.254.169.254/latest/".to_owned(), "not in the setting of download hosts"),
            (format!("{}/status", inside.server.url()), "not on the public internet"),
            ("file:///etc/passwd".to_owned(), ""),
        ];
        for (number, (place, why)) in places.into_iter().enumerate() {
            let (run, uid) = failed(&app, &format!("maestro:{number}")).await;
            app.tuxsuite
                .server
                .answer_next(STORAGE, Answer::Status(302, String::new(), vec![("location", place.leak())]));
            conclude(&app, &uid).await;
            decided_by_words(&app.run(&run).await, why);
        }
        assert_eq!(inside.server.requests().len(), 0);
        // In a circle.
        let (run, uid) = failed(&app, "maestro:circle").await;
        for _ in 0..4 {
            app.tuxsuite
                .server
                .answer_next(STORAGE, Answer::Status(302, String::new(), vec![("location", "results.json")]));
        }
        conclude(&app, &uid).await;
        decided_by_words(&app.run(&run).await, "more than 3 times");
        // Storage itself may send us on.
        let (run, uid) = failed(&app, "maestro:next-door").await;
        app.tuxsuite.put_file(&uid, "moved.json", r#"{"ltp-smoke": {"access01": {"result": "pass"}}}"#);
        app.tuxsuite.server.answer_next(STORAGE, Answer::Status(302, String::new(), vec![("location", "moved.json")]));
        conclude(&app, &uid).await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn the_log_goes_with_what_did_not_pass(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.tuxsuite.max_log_bytes = 2000).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke", "ltp-fsx", "ltp-io"]).await;
        app.tuxsuite.put_file(&uid, "results.json", json!({
            "ltp-smoke": {
                "access01": {"result": "fail", "log_excerpt": "access01: TFAIL"}, "access02": {"result": "pass"},
            },
            "ltp-fsx": {"fsx": {"result": "pass"}},
        }).to_string());
        let mut log = b"the beginning\n".to_vec();
        log.extend(b"a line of the log\n".repeat(1000));
        log.extend(b"\x00\xff\x1b[31mKernel panic - not syncing\x1b[0m\nthe end\n");
        app.tuxsuite.put_file(&uid, "logs.txt", log);
        app.tuxsuite.finish_test(&uid, "fail", &[("ltp-smoke", "fail"), ("ltp-fsx", "pass")]);
        conclude(&app, &uid).await;
        app.deliver().await;
        let tests = by_path(&app);
        let excerpt = text(&tests["ltp.smoke"], "log_excerpt");
        assert!(excerpt.contains("Kernel panic - not syncing") && excerpt.contains("the end"), "{excerpt}");
        assert!(!excerpt.contains("the beginning") && !excerpt.contains('\0') && excerpt.len() < 3000, "{excerpt}");
        assert_eq!(tests["ltp.smoke.access01"]["log_excerpt"], "access01: TFAIL");
        assert_eq!(text(&tests["ltp.io"], "status"), "MISS");
        assert_eq!(text(&tests["ltp.io"], "log_excerpt"), excerpt, "the log may say why it is missing");
        for path in ["ltp.fsx", "ltp.fsx.fsx", "ltp.smoke.access02"] {
            assert_eq!((&tests[path]["log_excerpt"], &tests[path]["status"]), (&Value::Null, &json!("PASS")), "{path}");
        }
        let log_url = format!("{}logs.txt", text(&app.tuxsuite.tests()[0], "download_url"));
        assert_eq!(tests["ltp.smoke"]["log_url"], log_url);
        let results = app.items(&format!("/api/v1/results?run={run}")).await;
        assert!(results.iter().all(|result| result["log_url"] == log_url), "{results:?}");
    }

    async fn numbered_keys_are_the_names_without_their_numbers(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke", "ltp-fsx"]).await;
        app.tuxsuite.put_file(&uid, "results.json", json!({
            "lava": {
                "0_ltp-smoke": {"result": "pass"}, "1_ltp-fsx": {"result": "fail"}, "login-action": {"result": "pass"},
            },
            "0_ltp-smoke": {"access01": {"result": "pass"}, "1_access02": {"result": "skip"}},
        }).to_string());
        app.tuxsuite.finish_test(&uid, "fail", &[("boot", "pass")]);
        conclude(&app, &uid).await;
        let want = [
            ("ltp.fsx", "FAIL"),
            ("ltp.smoke", "PASS"),
            ("ltp.smoke.access01", "PASS"),
            ("ltp.smoke.access02", "SKIP"),
        ];
        assert_eq!(app.results_of(&run).await, want.map(|(path, status)| (path.to_owned(), status.to_owned())));
    }

    async fn a_test_whose_shell_ended_well_fails_by_its_cases(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        app.tuxsuite.put_file(&uid, "results.json", json!({
            "lava": {"ltp-smoke": {"result": "pass"}},
            "ltp-smoke": {
                "access01": {"result": "pass"}, "access02": {"result": "fail"}, "access03": {"result": "skip"},
            },
        }).to_string());
        // TuxSuite's own words are no better than LAVA's.
        app.tuxsuite.finish_test(&uid, "pass", &[("boot", "pass"), ("ltp-smoke", "pass")]);
        conclude(&app, &uid).await;
        app.deliver().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "FAIL");
        let tests = by_path(&app);
        for (path, status) in [
            ("ltp.smoke", "FAIL"),
            ("ltp.smoke.access01", "PASS"),
            ("ltp.smoke.access02", "FAIL"),
            ("ltp.smoke.access03", "SKIP"),
        ] {
            assert_eq!(tests[path]["status"], status, "{path}");
        }
    }

    async fn a_measurement_is_the_tests_number(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        app.tuxsuite.put_file(
            &uid,
            "results.json",
            json!({"ltp-smoke": {
                "speed": {"result": "pass", "measurement": "12.5", "units": "MB/s"},
                "count": {"result": "pass", "measurement": 7},
                "none": {"result": "pass", "measurement": "fast"},
            }})
            .to_string(),
        );
        app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        conclude(&app, &uid).await;
        app.deliver().await;
        let tests = by_path(&app);
        assert_eq!(tests["ltp.smoke.speed"]["number"], json!({"value": 12.5, "unit": "MB/s"}));
        assert_eq!(tests["ltp.smoke.count"]["number"], json!({"value": 7.0}));
        assert_eq!((tests["ltp.smoke.none"].get("number"), tests["ltp.smoke"].get("number")), (None, None));
        let results = app.items(&format!("/api/v1/results?run={run}")).await;
        let speed = results.iter().find(|result| result["path"] == "ltp.smoke.speed").unwrap();
        assert_eq!((&speed["value"], &speed["unit"]), (&json!(12.5), &json!("MB/s")));
    }

    async fn a_boot_run_reports_the_boot_alone(db: TestDb) {
        let app = TestApp::start(db).await;
        for (number, (lava, told, want)) in [
            (json!({"login-action": {"result": "pass"}}), vec![], "PASS"),
            (json!({"0_login-action": {"result": "fail"}}), vec![("boot", "pass")], "FAIL"),
            (json!({}), vec![("boot", "fail")], "FAIL"),
            (json!({}), vec![], "MISS"),
        ]
        .into_iter()
        .enumerate()
        {
            let boot = json!({
                "build_id": format!("maestro:{number}"), "kernel_image_url": "https://files.example.org/Image",
                "collection": "boot",
            });
            let run = text(&app.post("/api/v1/runs", &boot).await.expect(201).json(), "id");
            app.settle().await;
            let uid = text(&app.run_in(&run, "running").await, "uid");
            app.tuxsuite.put_file(&uid, "results.json", json!({"lava": lava}).to_string());
            app.tuxsuite.finish_test(&uid, "error", &told);
            conclude(&app, &uid).await;
            assert_eq!(app.results_of(&run).await, [("boot".into(), want.into())], "{number}");
        }
    }

    async fn a_poisoned_run_holds_up_no_other(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.tuxsuite.timeout_s = 1).await;
        let name = "n".repeat(20_000);
        let poisons = [
            r#"{"ltp-smoke": {"a\u0000b": {"result": "fail", "log_excerpt": "\u0000", "units": "\u0000", "measurement": 1}}}"#
                .to_owned(),
            r#"{"ltp-smoke": {"": {"result": "fail"}, " ": {"result": "fail"}, "..": {"result": "fail"}, "a.b": {}}}"#
                .to_owned(),
            format!(r#"{{"ltp-smoke": {{"{name}": {{"result": "fail"}}, "é/\\ \"": {{"result": "fail"}}}}}}"#),
            r#"{"ltp-smoke": {"x": {"result": "fail", "measurement": 1e308, "duration": 1e308}, "X": {"result": "fail"}}}"#
                .to_owned(),
            r#"{"ltp-smoke": {"x": {"result": "fail"}, "x": {"result": "pass"}}}"#.to_owned(),
            r#"{"ltp-smoke": {"x": {"result": "fail", "measurement": "NaN"}, "y": {"result": {"a": []}}}}"#.to_owned(),
            r#"{"ltp-smoke": {"x": {"result": "fail\u0000"}}}"#.to_owned(),
        ];
        let mut uids = Vec::new();
        let mut bad = Vec::new();
        for (number, poison) in poisons.into_iter().enumerate() {
            let (run, uid) = failed(&app, &format!("maestro:bad{number}")).await;
            app.tuxsuite.put_file(&uid, "results.json", poison);
            app.tuxsuite.patch(&uid, &json!({"status_message": "a\0b", "device": "qemu\0"}));
            bad.push(run);
            uids.push(uid);
        }
        let mut good = Vec::new();
        for number in 0..3 {
            let (run, uid) = failed(&app, &format!("maestro:good{number}")).await;
            good.push(run);
            uids.push(uid);
        }
        for uid in &uids {
            app.call_back(&app.tuxsuite.callback(uid)).await.expect(204);
        }
        app.tuxsuite.server.answer_next(STORAGE, Answer::Never);
        app.deliver().await;
        app.advance(LONG).await;
        app.deliver().await;
        for run in good.iter().chain(&bad) {
            app.run_in(run, "finished").await;
            assert_ne!(app.results_of(run).await, []);
        }
        for delivery in app.items("/api/v1/deliveries?limit=1000").await {
            assert_eq!(delivery["state"], "delivered", "{delivery}");
        }
        assert_eq!(app.items("/api/v1/callbacks?state=applied&limit=1000").await.len(), uids.len());
    }
}
