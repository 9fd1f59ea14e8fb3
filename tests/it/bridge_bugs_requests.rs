//! The bridge's numbered bugs, as far as they are about requests: what is taken, what is refused, what TuxSuite is then
//! asked for. `bridge_bugs` has the others.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::bridge_bugs::{build, signing, started, suite};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::fake_tuxsuite::SUBMIT_BUILDS;
use crate::support::on_both;
use crate::support::runs::{text, unavailable};

/// The tests of each job at TuxSuite, without the boot.
fn jobs(app: &TestApp) -> Vec<Vec<String>> {
    let names = |job: &Value| {
        let names = job["tests"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        names.filter(|name| name != "boot").collect()
    };
    app.tuxsuite.tests().iter().map(names).collect()
}

fn with(mut body: Value, fields: &Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

on_both! {
    async fn bug_22_a_test_named_twice_is_run_once(db: TestDb) {
        let app = TestApp::start(db).await;
        app.post("/api/v1/tests/run", &suite(&["ltp-nptl", "ltp-fsx", "ltp-nptl"])).await.expect(204);
        app.settle().await;
        assert_eq!(jobs(&app), [["ltp-nptl", "ltp-fsx"]]);
        assert_eq!(app.items("/api/v1/runs").await.len(), 1);
    }

    async fn bug_22_twelve_requests_at_once_start_one_job(db: TestDb) {
        let app = TestApp::start(db).await;
        let boot = json!({"build_id": "maestro:2", "kernel_image_url": "https://files.example.org/Image"});
        for (route, body) in [("/api/v1/tests/run", suite(&["ltp-nptl", "ltp-fsx"])), ("/api/v1/boot-test/run", boot)] {
            let answers = join_all((0..12).map(|_| app.post(route, &body))).await;
            assert!(answers.iter().all(|answered| answered.status == 204), "{route}: {answers:?}");
            let located = answers.iter().filter(|answered| !answered.header("location").is_empty());
            assert_eq!(located.count(), 1, "{route}: the others had nothing to do");
        }
        app.settle().await;
        let mut started = jobs(&app);
        started.sort();
        assert_eq!(started, [vec![], vec!["ltp-nptl".to_owned(), "ltp-fsx".to_owned()]]);
    }

    async fn bug_22_requests_that_overlap_at_once_share_the_tests_out(db: TestDb) {
        let app = TestApp::start(db).await;
        let bodies = [suite(&["a", "b"]), suite(&["b", "c"]), suite(&["c", "a"]), suite(&["a", "b", "c", "d"])];
        for answered in join_all(bodies.iter().map(|body| app.post("/api/v1/tests/run", body))).await {
            answered.expect(204);
        }
        app.settle().await;
        let mut all = jobs(&app).concat();
        all.sort();
        assert_eq!(all, ["a", "b", "c", "d"], "each test is in one job");
    }

    async fn bug_23_no_tree_and_no_answer_of_tuxsuite_ends_the_process(db: TestDb) {
        let app = TestApp::start(db).await;
        for tree in ["git@github.com:a/b.git", "ssh://git@example.org/a", "/srv/linux", "", "https://"] {
            let refused = app.post("/api/v1/builds/run", &with(build(), &json!({ "tree": tree }))).await.expect(422);
            assert_eq!(refused.json()["detail"][0]["loc"], json!(["body", "tree"]), "{tree}");
        }
        app.get("/").await.expect(200);
        app.tuxsuite.server.answer_next(SUBMIT_BUILDS, unavailable());
        let location = app.post("/api/v1/builds/run", &build()).await.expect(204).header("location").to_owned();
        app.settle().await;
        assert!(text(&app.show(&location).await["run"], "waiting").contains("503"));
        app.get("/").await.expect(200);
        app.advance(TimeDelta::minutes(30)).await;
        assert_eq!(app.show(&location).await["run"]["state"], "running");
        assert_eq!(app.tuxsuite.builds().len(), 1);
    }

    async fn bug_25_another_collection_or_other_modules_are_other_tests_and_a_run_can_be_repeated(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = started(&app, "/api/v1/tests/run", &suite(&["ltp-nptl"])).await;
        let modules = |url: &str| with(suite(&["ltp-nptl"]), &json!({ "modules_url": url }));
        for (body, is_new) in [
            (suite(&["ltp-nptl"]), false),
            (modules(""), false),
            (with(suite(&["ltp-nptl"]), &json!({"collection": "nptl"})), true),
            (modules("https://files.example.org/modules.tar.xz"), true),
            (modules("https://files.example.org/modules.tar.xz"), false),
            (with(suite(&["ltp-nptl"]), &json!({"build_id": "maestro:2"})), true),
        ] {
            let answered = app.post("/api/v1/tests/run", &body).await.expect(204);
            assert_eq!(!answered.header("location").is_empty(), is_new, "{body}");
        }
        app.settle().await;
        assert_eq!(jobs(&app).len(), 4);

        app.call_back(&app.tuxsuite.finish_test(&uid, "fail", &[("boot", "fail")])).await.expect(204);
        app.settle().await;
        app.post("/api/v1/tests/run", &suite(&["ltp-nptl"])).await.expect(204);
        app.settle().await;
        assert_eq!(jobs(&app).len(), 4, "asking again is no repetition");
        let again = app.post_empty(&format!("{run}/retry")).await.expect(201);
        app.settle().await;
        assert_eq!(jobs(&app).len(), 5);
        let again = app.show(again.header("location")).await;
        assert_eq!((&again["attempt"], &again["state"]), (&json!(2), &json!("running")));
        assert_eq!(app.show(&run).await["status"], "MISS", "the first attempt keeps its result");
    }

    async fn bug_26_what_was_scheduled_can_be_followed(db: TestDb) {
        let app = TestApp::start(db).await;
        let boot = json!({"build_id": "maestro:2", "kernel_image_url": "https://files.example.org/Image"});
        for (route, body, shown) in [
            ("/api/v1/builds/run", build(), "/api/v1/builds/"),
            ("/api/v1/tests/run", suite(&["ltp-nptl"]), "/api/v1/runs/"),
            ("/api/v1/boot-test/run", boot, "/api/v1/runs/"),
        ] {
            let (location, uid) = started(&app, route, &body).await;
            assert!(location.starts_with(shown) && uid.len() == 27, "{route}: {location} {uid}");
            let by_uid = app.items(&format!("/api/v1/runs?uid={uid}")).await;
            assert_eq!((by_uid.len(), &by_uid[0]["state"]), (1, &json!("running")), "{route}");
        }
        assert_eq!(app.post("/api/v1/tests/run", &suite(&["ltp-nptl"])).await.expect(204).header("location"), "");
        assert_eq!(app.items("/api/v1/builds").await.len(), 1);
        assert_eq!(app.items("/api/v1/runs?kind=tests&kind=boot").await.len(), 2);
    }

    async fn bug_27_the_callbacks_address_is_the_settings_and_not_the_callers(db: TestDb) {
        for public_url in [None, Some("https://testyard.example.org/kci/")] {
            let app = TestApp::start_with(TestDb::new(db.dialect()).await, |settings| {
                settings.server.public_url = public_url.map(|url| url.parse().unwrap());
            })
            .await;
            let headers = [
                ("content-type", "application/json"),
                ("host", "evil.example"),
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-proto", "https"),
                ("forwarded", "host=evil.example;proto=https"),
            ];
            app.post_raw("/api/v1/tests/run", &headers, suite(&["ltp-nptl"]).to_string()).await.expect(204);
            app.settle().await;
            let callback = text(&app.tuxsuite.tests()[0], "callback");
            let base = public_url.unwrap_or(&app.base).trim_end_matches('/');
            assert!(callback.starts_with(&format!("{base}/api/v1/callbacks/tuxsuite/")), "{callback}");
        }
    }

    async fn bug_28_device_and_architecture_are_settings_and_fields_of_the_native_door(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.tuxsuite.device = "qemu-riscv32".into();
            settings.tuxsuite.target_arch = "riscv32".into();
        })
        .await;
        let native_build = with(build(), &json!({"architecture": "arm64"}));
        let native_run = with(suite(&["ltp-fsx"]), &json!({"device": "qemu-arm64"}));
        for (route, body) in [("builds/run", build()), ("builds", native_build)] {
            let answered = app.post(&format!("/api/v1/{route}"), &body).await;
            assert!([201, 204].contains(&answered.status), "{}", answered.text);
            app.settle().await;
        }
        for (route, body) in [("tests/run", suite(&["ltp-fsx"])), ("runs", native_run)] {
            let answered = app.post(&format!("/api/v1/{route}"), &body).await;
            assert!([201, 204].contains(&answered.status), "{}", answered.text);
            app.settle().await;
        }
        let of = |jobs: Vec<Value>, field: &str| jobs.iter().map(|job| text(job, field)).collect::<Vec<_>>();
        assert_eq!(of(app.tuxsuite.builds(), "target_arch"), ["riscv32", "arm64"]);
        assert_eq!(of(app.tuxsuite.tests(), "device"), ["qemu-riscv32", "qemu-arm64"]);
    }

    async fn bug_29_bodies_lists_and_names_have_limits(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.server.max_body_bytes = 20_000).await;
        let long = "x".repeat(20_000);
        app.post("/api/v1/tests/run", &with(suite(&["a"]), &json!({ "ignored": long }))).await.expect(413);
        let names: Vec<String> = (0..1001).map(|number| format!("t{number}")).collect();
        let many: Vec<&str> = names.iter().map(String::as_str).collect();
        for (body, kind, loc) in [
            (suite(&many), "too_long", json!(["body", "tests"])),
            (suite(&[&"x".repeat(501)]), "string_too_long", json!(["body", "tests", 0])),
            (with(suite(&["a"]), &json!({"collection": "x".repeat(501)})), "string_too_long", json!(["body", "collection"])),
        ] {
            let refused = app.post("/api/v1/tests/run", &body).await.expect(422).json();
            assert_eq!((&refused["detail"][0]["type"], &refused["detail"][0]["loc"]), (&json!(kind), &loc));
        }
        app.post("/api/v1/tests/run", &suite(&many[..1000])).await.expect(204);
        assert_eq!(app.items("/api/v1/runs").await.len(), 1);
    }

    async fn bug_32_only_a_callback_that_is_not_json_is_mended_and_signatures_are_of_what_was_sent(db: TestDb) {
        let app = signing(db, |_| {}).await;
        let callback = async |raw: &[u8]| {
            let signature = app.tuxsuite.sign(raw);
            let headers = [("content-type", "application/json"), ("x-tux-payload-signature", signature.as_str())];
            app.post_raw("/api/v1/tuxsuite/callback/build", &headers, raw.to_vec()).await
        };
        let (_, uid) = started(&app, "/api/v1/builds/run", &build()).await;
        let raw = |log: &str| {
            format!(r#"{{"kind": "build", "status": {{"uid": "{uid}", "build_status": "pass", "git_short_log": "{log}"}}}}"#)
        };
        // Legal JSON: a backslash and an apostrophe. It is left alone.
        callback(raw(r"a\\'b").as_bytes()).await.expect(204);
        app.deliver().await;
        let kept = app.sink.objects("checkouts").into_values().next().unwrap();
        assert_eq!(kept[0]["git_commit_message"], r"a\'b");
        // The escape that TuxSuite writes is mended, after the signature was checked.
        callback(raw(r"don\'t").as_bytes()).await.expect(204);
        // What cannot be mended is refused, and bytes that are no text too.
        let refused = callback(raw(r"a\x27b").as_bytes()).await.expect(422).json();
        assert_eq!(refused["detail"][0]["type"], "json_invalid");
        let mut bytes = raw("~").into_bytes();
        let place = bytes.iter().position(|byte| *byte == b'~').unwrap();
        bytes[place] = 0xFF;
        callback(&bytes).await.expect(422);
        // Another route is another route, whatever its query says.
        let body = r#"{"build_id": "x:it\\'s", "kernel_image_url": "https://files.example.org/Image"}"#;
        let json = [("content-type", "application/json")];
        let path = "/api/v1/boot-test/run?x=tuxsuite/callback/build";
        let location = app.post_raw(path, &json, body).await.expect(204).header("location").to_owned();
        assert_eq!(app.show(&location).await["build_id"], r"x:it\'s");
    }

    async fn bug_33_fragments_may_be_null_and_nothing_that_was_sent_is_echoed(db: TestDb) {
        let app = TestApp::start(db).await;
        app.post("/api/v1/builds/run", &with(build(), &json!({"fragments": null}))).await.expect(204);
        app.settle().await;
        assert_eq!(app.tuxsuite.builds()[0]["kconfig"], json!(["defconfig"]));
        let none = with(build(), &json!({"kconfig": null, "fragments": null}));
        let refused = app.post("/api/v1/builds/run", &none).await.expect(422).json();
        assert_eq!(refused["detail"][0]["loc"], json!(["body"]));

        let secret = "hunter2";
        let json = [("content-type", "application/json")];
        let mut answers: Vec<Answered> = Vec::new();
        for route in ["builds/run", "tests/run", "boot-test/run", "tests/submit", "tuxsuite/callback/test"] {
            let path = format!("/api/v1/{route}");
            for body in [json!({"runner": secret, "tree": [secret], "kind": secret, "tests": secret}), json!(secret)] {
                answers.push(app.post(&path, &body).await);
            }
            answers.push(app.post_raw(&path, &json, format!("{{\"a\": {secret}")).await);
            answers.push(app.post_raw(&path, &[("content-type", "text/plain")], secret).await);
        }
        for answered in answers {
            assert!([401, 422].contains(&answered.status) && !answered.text.contains(secret), "{}", answered.text);
        }
    }
}
