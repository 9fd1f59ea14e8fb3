//! What is made of TuxSuite's objects.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::golden;
use crate::domain::tuxsuite::repair;

fn body(case: &Value) -> Value {
    if case["raw_base64"].is_string() {
        repair::parse(&golden::bytes(&case["raw_base64"])).expect("a body").0
    } else {
        case["body"].clone()
    }
}

/// The expectations' keys: `build_status` and names of tests hold statuses; `image` and `modules` the sums of two members
/// of the object; others the object's own text.
#[test]
fn golden_callbacks_give_the_expected_statuses() {
    for case in golden::cases("wire/tuxsuite_callbacks.json", "cases") {
        let name = &case["name"];
        let body = body(&case);
        let status = &body["status"];
        let callback = read_callback(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(callback.uid, status["uid"].as_str().unwrap(), "{name}");
        let Some(observation) = callback.observation else {
            assert_eq!(callback.kind, CallbackKind::Plan, "{name}");
            continue;
        };
        let facts = observation.build.clone().unwrap_or_default();
        let sum = |key: &str| Some(format!("{}{}", status["download_url"].as_str()?, status[key].as_str()?));
        for (key, expected) in case["expect"].as_object().unwrap() {
            let word = expected.as_str();
            match key.as_str() {
                "note" => {}
                "build_status" => {
                    assert_eq!(observation.verdict.map(|verdict| verdict.to_string()).as_deref(), word, "{name}");
                }
                "image" => assert_eq!(facts.kernel_image_url, sum("kernel_image_name"), "{name}"),
                "modules" => assert_eq!(facts.modules_url, sum("modules"), "{name}"),
                "git_short_log" => assert_eq!(facts.git_short_log.as_deref(), word, "{name}"),
                test => {
                    let told = observation.tests.get(test).map(|outcome| outcome.status.to_string());
                    assert_eq!(told.as_deref(), word, "{name}: {test}");
                }
            }
        }
        assert_eq!(
            observation.started_at.map(|time| time.format("%FT%T%.6f").to_string()).as_deref(),
            status["running_time"].as_str()
        );
    }
}

#[test]
fn golden_polls_are_read_by_the_same_rules() {
    let mut phases = std::collections::BTreeMap::new();
    for case in golden::cases("wire/tuxsuite_requests.json", "cases") {
        for request in case["expect"].as_array().into_iter().flatten() {
            let path = request["path"].as_str().unwrap_or_default();
            let object = &request["stub_response"]["body"];
            if request["method"] != "GET" || object["uid"].is_null() {
                continue;
            }
            let observation = match path.rsplit('/').nth(1) {
                Some("builds" | "oebuilds") => observe_build(object),
                Some("tests") => observe_test(object),
                _ => continue,
            };
            let observation = observation.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(observation.phase == Phase::Finished, object["state"] == "finished", "{path}");
            assert_eq!(observation.verdict.is_some(), observation.phase == Phase::Finished, "{path}");
            *phases.entry(format!("{:?}", observation.phase)).or_insert(0) += 1;
        }
    }
    assert_eq!(phases.len(), 3, "{phases:?}");
}

#[test]
fn a_build_needs_a_uid_and_a_word_and_nothing_more() {
    let word = |object: Value| observe_build(&object).map(|seen| (seen.phase, seen.verdict));
    let finished = |status| Ok((Phase::Finished, Some(status)));
    assert_eq!(word(json!({ "uid": "U", "build_status": "fail" })), finished(Status::Fail));
    assert_eq!(word(json!({ "uid": "U", "build_status": "error" })), finished(Status::Error));
    assert_eq!(word(json!({ "uid": "U", "tuxbuild_status": "error" })), finished(Status::Error));
    assert_eq!(word(json!({ "uid": "U", "result": "canceled" })), finished(Status::Miss));
    assert_eq!(word(json!({ "uid": "U", "build_status": "unknown" })), Ok((Phase::Running, None)));
    assert_eq!(word(json!({ "uid": "U", "state": "finished" })), Ok((Phase::Finished, None)));
    assert_eq!(word(json!({ "uid": "U", "state": "queued" })), Ok((Phase::Waiting, None)));
    assert_eq!(word(json!({ "uid": "U", "state": "polishing", "result": "pass" })), Ok((Phase::Running, None)));
    for (object, pointer) in [
        (json!({ "build_status": "pass" }), "/uid"),
        (json!({ "uid": "", "build_status": "pass" }), "/uid"),
        (json!({ "uid": 7, "build_status": "pass" }), "/uid"),
        (json!({ "uid": "a b", "build_status": "pass" }), "/uid"),
        (json!({ "uid": "U" }), "/state"),
        (json!([]), ""),
    ] {
        assert_eq!(observe_build(&object).unwrap_err().pointer, pointer, "{object}");
    }
}

#[test]
fn an_error_that_tuxsuite_repeats_is_not_the_end() {
    let seen = |mut object: Value| {
        object["uid"] = "U".into();
        object["state"] = "finished".into();
        object["build_status"] = "error".into();
        observe_build(&object).unwrap().verdict
    };
    assert_eq!(seen(json!({ "retry": 0, "auto_retry": true })), None);
    assert_eq!(seen(json!({ "retry": 1 })), None);
    assert_eq!(seen(json!({ "retry": 2, "auto_retry": true })), Some(Status::Error));
    assert_eq!(seen(json!({ "retry": 0, "auto_retry": false })), Some(Status::Error));
    assert_eq!(seen(json!({ "retry": 1, "is_canceling": true })), Some(Status::Error));
    assert_eq!(seen(json!({})), Some(Status::Error));
}

#[test]
fn facts_are_taken_where_they_are_and_have_the_right_type() {
    let seen = observe_build(&json!({
        "uid": "U", "state": "finished", "build_status": "pass", "download_url": "https://s/b/U", "toolchain": "gcc-12",
        "kernel_image_name": "Image.gz", "modules": false, "git_sha": "ABCDEF0123456789abcdef0123456789abcdef01",
        "errors_count": "many", "warnings_count": 3, "kernel_version": null,
        "running_time": "2025-05-14T12:00:00", "finished_time": "2025-05-14T12:00:01.500000",
        "tuxmake_metadata": { "build": { "reproducer_cmdline": ["tuxmake", "--kconfig", "a b", "it's"] } },
    }))
    .unwrap();
    let facts = seen.build.unwrap();
    assert_eq!(facts.kernel_image_url.as_deref(), Some("https://s/b/U/Image.gz"));
    assert_eq!(facts.log_url.as_deref(), Some("https://s/b/U/build.log"));
    assert_eq!(facts.config_url.as_deref(), Some("https://s/b/U/config"));
    assert_eq!(facts.git_commit_hash.as_deref(), Some("abcdef0123456789abcdef0123456789abcdef01"));
    assert_eq!(facts.command.as_deref(), Some(r"tuxmake --kconfig 'a b' 'it'\''s'"));
    assert_eq!(facts.compiler.as_deref(), Some("gcc-12"));
    assert_eq!((facts.modules_url, facts.kernel_version), (None, None));
    assert_eq!((facts.errors_count, facts.warnings_count), (None, Some(3)));
    assert_eq!(seen.duration_s, Some(1.5));
}

#[test]
fn a_test_job_without_words_tells_what_its_verdict_implies() {
    let told = |tests: Value, result: &str| {
        let object =
            json!({ "uid": "U", "tests": tests, "device": "d", "download_url": "https://s/", "result": result });
        let seen = observe_test(&object).unwrap();
        let told: Vec<_> = seen.tests.iter().map(|(name, outcome)| format!("{name}={}", outcome.status)).collect();
        (seen.phase, told.join(" "))
    };
    assert_eq!(told(json!(["boot"]), "fail"), (Phase::Finished, "boot=FAIL".to_owned()));
    assert_eq!(told(json!([]), "pass"), (Phase::Finished, "boot=PASS".to_owned()));
    assert_eq!(told(json!(["a"]), "pass"), (Phase::Finished, "boot=PASS".to_owned()));
    assert_eq!(told(json!(["a"]), "fail"), (Phase::Finished, String::new()));
    assert_eq!(told(json!(["a"]), "error"), (Phase::Finished, "a=MISS boot=MISS".to_owned()));
    assert_eq!(told(json!(["a"]), "canceled"), (Phase::Finished, "a=MISS boot=MISS".to_owned()));
    assert_eq!(told(json!(["a"]), "unknown"), (Phase::Running, String::new()));
}

#[test]
fn a_job_that_waited_in_vain_is_missed_with_a_reason() {
    let seen = observe_test(&json!({
        "uid": "U", "state": "finished", "result": "fail", "results": {}, "tests": ["boot", "a"],
        "waiting_for": "BUILD#2Bf",
    }))
    .unwrap();
    assert_eq!(seen.verdict, Some(Status::Miss));
    for test in ["boot", "a"] {
        let reason = seen.tests[test].reason.clone().unwrap();
        assert!(reason.contains("the build 2Bf"), "{reason}");
    }
}

#[test]
fn callbacks_of_other_shapes_are_refused_with_their_place() {
    for (body, pointer) in [
        (json!("text"), ""),
        (json!({ "status": {} }), "/kind"),
        (json!({ "kind": "tests", "status": {} }), "/kind"),
        (json!({ "kind": "test" }), "/status"),
        (json!({ "kind": "test", "status": [] }), "/status"),
        (json!({ "kind": "test", "status": { "result": "pass" } }), "/status/uid"),
        (json!({ "kind": "kbuild", "status": { "uid": "U" } }), "/status/state"),
    ] {
        assert_eq!(read_callback(&body).unwrap_err().pointer, pointer, "{body}");
    }
}

#[test]
fn times_without_a_zone_are_utc() {
    let time = |text| read_time(text).map(|time| time.to_rfc3339());
    assert_eq!(time("2025-05-14T12:05:04.000001"), Some("2025-05-14T12:05:04.000001+00:00".to_owned()));
    assert_eq!(time("2025-05-14T12:05:04"), Some("2025-05-14T12:05:04+00:00".to_owned()));
    assert_eq!(time("2025-05-14T12:05:04+02:00"), Some("2025-05-14T10:05:04+00:00".to_owned()));
    assert_eq!(time("yesterday"), None);
}

proptest! {
    #[test]
    fn only_a_finished_job_has_a_verdict_and_tests(
        state in prop::option::of("queued|waiting|running|finished|[a-z]{1,6}"),
        result in "pass|fail|error|canceled|unknown|[a-z]{1,6}",
        retry in prop::option::of(-1_i64..4),
    ) {
        let object = json!({ "uid": "U", "state": state, "result": result, "retry": retry, "tests": ["a"] });
        for seen in [observe_build(&object).unwrap(), observe_test(&object).unwrap()] {
            if seen.phase != Phase::Finished {
                prop_assert_eq!((seen.verdict, seen.tests.len()), (None, 0));
            }
        }
    }
}
