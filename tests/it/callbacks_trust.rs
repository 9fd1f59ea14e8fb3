//! Who is believed: signatures by policy, the capability, and what is done with callbacks that nobody vouches for.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use testyard::config::SignaturePolicy;
use testyard::lifecycle::Lifecycle;
use testyard::server::Server;

use crate::support::app::{self, Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::fake_server::{Answer, PATIENCE};
use crate::support::fake_sink::FakeSink;
use crate::support::fake_tuxsuite::{FakeTuxSuite, GET_TEST};
use crate::support::on_both;
use crate::support::runs::text;

const TESTS: &str = "/api/v1/tuxsuite/callback/test";
const BUILDS: &str = "/api/v1/tuxsuite/callback/build";
const BOOT: &str = "/api/v1/tuxsuite/callback/boot";

/// Whether a key is known; the signature that comes in (good, bad or none); and the trust in what comes to the bare
/// door and to the run's own: `-` where it is refused.
type Row = (bool, &'static str, &'static str, &'static str);

const NOBODY_LOOKS: [Row; 3] = [
    (false, "good", "none", "capability"),
    (false, "bad", "none", "capability"),
    (false, "none", "none", "capability"),
];

const WITH_A_KEY: [(SignaturePolicy, [Row; 3]); 4] = [
    (
        SignaturePolicy::Auto,
        [(true, "good", "signature", "capability"), (true, "bad", "-", "-"), (true, "none", "-", "capability")],
    ),
    (
        SignaturePolicy::Required,
        [(true, "good", "signature", "capability"), (true, "bad", "-", "-"), (true, "none", "-", "-")],
    ),
    (
        SignaturePolicy::Optional,
        [(true, "good", "signature", "capability"), (true, "bad", "-", "-"), (true, "none", "none", "capability")],
    ),
    (
        SignaturePolicy::Off,
        [
            (true, "good", "none", "capability"),
            (true, "bad", "none", "capability"),
            (true, "none", "none", "capability"),
        ],
    ),
];

const WITHOUT_A_KEY: [(SignaturePolicy, [Row; 3]); 4] = [
    (SignaturePolicy::Auto, NOBODY_LOOKS),
    (SignaturePolicy::Required, [(false, "good", "-", "-"), (false, "bad", "-", "-"), (false, "none", "-", "-")]),
    (SignaturePolicy::Optional, NOBODY_LOOKS),
    (SignaturePolicy::Off, NOBODY_LOOKS),
];

/// What is done to a body, in words and in deed, and whether the signature is over what the string holds.
type Wrapping = (&'static str, fn(&str) -> String, bool);

/// A service that knows the key which its TuxSuite signs with.
async fn knowing(db: TestDb) -> TestApp {
    let (suite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
    let key = suite.public_key_openssh();
    TestApp::start_on(db, suite, sink, |settings| settings.tuxsuite.public_key = Some(key)).await
}

async fn post(app: &TestApp, url: &str, body: &str, signature: Option<&str>) -> Answered {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(signature.map(|signature| ("x-tux-payload-signature", signature)));
    app.clock.advance(TimeDelta::milliseconds(1));
    app.post_raw(url, &headers, body.to_owned()).await
}

/// A callback about a job, which differs by its number.
fn about(uid: &str, number: usize) -> String {
    json!({"kind": "test", "status": {"uid": uid, "state": "running", "number": number}}).to_string()
}

/// The newest callback. They are told apart by the millisecond: the clock must have moved since the one before.
async fn newest(app: &TestApp) -> Value {
    app.items("/api/v1/callbacks?limit=1").await[0].clone()
}

on_both! {
    async fn a_forged_signature_is_refused_and_nothing_is_kept(db: TestDb) {
        let app = knowing(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        let of_another_body = app.tuxsuite.sign(b"{}");
        let by_another_key = FakeTuxSuite::start().await.sign(callback.body.as_bytes());
        let unpadded = callback.signature.trim_end_matches('=');
        for door in [TESTS, BOOT, callback.url.as_str()] {
            for signature in [of_another_body.as_str(), by_another_key.as_str(), "c2ln", "not base64!", &unpadded[..20]]
            {
                let answered = post(&app, door, &callback.body, Some(signature)).await.expect(401);
                assert!(text(&answered.json(), "detail").contains("x-tux-payload-signature"), "{}", answered.text);
            }
        }
        for door in [TESTS, BOOT] {
            post(&app, door, &callback.body, None).await.expect(401);
            // What is unsigned is not even read.
            post(&app, door, "garbage", None).await.expect(401);
        }
        app.settle().await;
        assert_eq!(app.items("/api/v1/callbacks").await.len(), 0);
        app.run_in(&run, "running").await;
        post(&app, TESTS, &callback.body, Some(&callback.signature)).await.expect(204);
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn signatures_count_as_the_policy_says(db: TestDb) {
        let mut app = TestApp::start(db).await;
        let (_, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let key = app.tuxsuite.public_key_openssh();
        let own_door = app.tuxsuite.callback(&uid).url.split_once("/api/").unwrap().1.to_owned();
        let mut number = 0;
        for (policy, rows) in WITH_A_KEY.into_iter().chain(WITHOUT_A_KEY) {
            let known_key = rows[0].0.then(|| key.clone());
            app = app
                .restart_with(|settings| {
                    settings.tuxsuite.signature = policy;
                    settings.tuxsuite.public_key = known_key;
                })
                .await;
            for (key_is_known, signed, bare, own) in rows {
                for (door, want) in [(TESTS.to_owned(), bare), (format!("/api/{own_door}"), own)] {
                    number += 1;
                    // One hint a minute is kept.
                    app.clock.advance(TimeDelta::minutes(2));
                    let body = about(&uid, number);
                    let signature = match signed {
                        "good" => Some(app.tuxsuite.sign(body.as_bytes())),
                        "bad" => Some(app.tuxsuite.sign(b"{}")),
                        _ => None,
                    };
                    let answered = post(&app, &door, &body, signature.as_deref()).await;
                    let said = answered.text;
                    let what = format!("{policy}, key known: {key_is_known}, signature: {signed}, {door}: {said}");
                    if want == "-" {
                        assert_eq!(answered.status, 401, "{what}");
                    } else {
                        assert_eq!((answered.status, &newest(&app).await["trust"]), (204, &json!(want)), "{what}");
                    }
                }
            }
        }
        assert_eq!(number, 48);
    }

    async fn an_unsigned_callback_is_a_hint_and_the_runner_is_asked(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.runs.poll_interval_s = 600).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        // A liar who knows the uid and makes up an end, results and a place for them.
        let lie = json!({"kind": "test", "status": {
            "uid": uid, "state": "finished", "result": "pass", "results": {"ltp-smoke": "pass"},
            "download_url": format!("{}/", app.sink.server.url()),
        }});
        post(&app, TESTS, &lie.to_string(), None).await.expect(204);
        app.settle().await;
        let hint = newest(&app).await;
        assert_eq!((&hint["state"], &hint["trust"], &hint["run"]), (&json!("hint"), &json!("none"), &json!(run)));
        assert!(text(&hint, "reason").contains("asked instead"), "{hint}");
        assert_eq!((app.asked(GET_TEST), app.sink.server.requests().len()), (1, 0));
        app.run_in(&run, "running").await;
        for number in 0..5 {
            post(&app, TESTS, &about(&uid, number), None).await.expect(204);
        }
        app.settle().await;
        assert_eq!(
            (app.asked(GET_TEST), app.items("/api/v1/callbacks").await.len()),
            (1, 1),
            "one hint a minute will do"
        );

        app.clock.advance(TimeDelta::minutes(2));
        app.tuxsuite.finish_test(&uid, "fail", &[("ltp-smoke", "fail")]);
        post(&app, TESTS, &app.tuxsuite.callback(&uid).body, None).await.expect(204);
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "FAIL", "the runner's own word");
        assert_eq!((app.asked(GET_TEST), app.results_of(&run).await), (2, vec![("ltp.smoke".into(), "FAIL".into())]));
    }

    async fn a_forgers_copy_does_not_pass_for_the_real_callback(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        // The same bytes first come from nobody, and the runner cannot be asked.
        app.tuxsuite.server.answer_next(GET_TEST, Answer::Close);
        post(&app, TESTS, &callback.body, None).await.expect(204);
        app.settle().await;
        app.run_in(&run, "running").await;
        app.call_back(&callback).await.expect(204);
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS");
    }

    async fn the_key_is_asked_from_tuxsuite(db: TestDb) {
        let (suite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
        let state = tempfile::TempDir::new().unwrap();
        let settings = app::settings(&db, &state, &suite, &sink);
        let lifecycle = Lifecycle::new();
        let server = Server::bind(settings, Arc::new(testyard::clock::SystemClock), lifecycle.clone()).await.unwrap();
        let base = format!("http://{}", server.address().unwrap());
        let service = tokio::spawn(server.run());
        let http = crate::support::http_client();
        let post = async |number: usize, signature: Option<String>| {
            let mut request = http.post(format!("{base}{TESTS}")).body(about("nobodys", number));
            if let Some(signature) = signature {
                request = request.header("x-tux-payload-signature", signature);
            }
            request.send().await.unwrap().status().as_u16()
        };
        // From when the key is known on, what is unsigned is refused.
        let learned = tokio::time::timeout(PATIENCE, async {
            let mut number = 0;
            while post(number, None).await != 401 {
                number += 1;
            }
        });
        learned.await.unwrap();
        let signature = suite.sign(about("nobodys", 1_000_000).as_bytes());
        assert_eq!(post(1_000_000, Some(signature.clone())).await, 204);
        assert_eq!(post(1_000_001, Some(signature)).await, 401);
        lifecycle.soft().cancel();
        service.await.unwrap();
    }

    async fn signed_bodies_are_read_however_tuxsuite_wraps_and_breaks_them(db: TestDb) {
        let app = knowing(db).await;
        let in_a_string = |text: &str| Value::String(text.to_owned()).to_string();
        let cases: [Wrapping; 6] = [
            ("as it is", |body| body.to_owned(), false),
            ("in a string, signed inside", |body| Value::String(body.to_owned()).to_string(), true),
            ("in a string, signed as sent", |body| Value::String(body.to_owned()).to_string(), false),
            ("with an illegal escape", |body| body.replace("apostrophe's", r"apostrophe\'s"), false),
            (
                "with an illegal escape in a string",
                |body| Value::String(body.replace("apostrophe's", r"apostrophe\'s")).to_string(),
                true,
            ),
            ("with white space around", |body| format!("\n {body}\r\n"), false),
        ];
        for (what, wrap, inside) in cases {
            let (run, uid) = app.start_build().await;
            app.tuxsuite.finish_build(&uid, "pass");
            app.tuxsuite.patch(&uid, &json!({"git_short_log": "abcdef012345 (\"riscv: an apostrophe's fate\")"}));
            let body = app.tuxsuite.callback(&uid).body;
            let sent = wrap(&body);
            let signed = if inside { serde_json::from_str::<String>(&sent).unwrap() } else { sent.clone() };
            let signature = app.tuxsuite.sign(signed.as_bytes());
            // Standard base64 is taken as well as the URL-safe kind.
            let standard = signature.replace('-', "+").replace('_', "/");
            let answered = post(&app, BUILDS, &sent, Some(&standard)).await;
            assert_eq!(answered.status, 204, "{what}: {}", answered.text);
            app.deliver().await;
            assert_eq!(app.run_in(&run, "finished").await["status"], "PASS", "{what}");
            let checkouts = app.sink.objects("checkouts");
            assert!(
                checkouts
                    .values()
                    .flatten()
                    .any(|checkout| text(checkout, "git_commit_message").contains("apostrophe's fate")),
                "{what}: {checkouts:?}"
            );
            let kept = newest(&app).await;
            assert_eq!(app.show(&format!("/api/v1/callbacks/{}", text(&kept, "id"))).await["body"], sent, "{what}");
        }
        // What a signature cannot mend is refused, and kept for the operator because it is signed.
        let garbage = in_a_string("{garbage");
        post(&app, BUILDS, &garbage, Some(&app.tuxsuite.sign(garbage.as_bytes()))).await.expect(422);
        let kept = newest(&app).await;
        assert_eq!((&kept["state"], &kept["trust"]), (&json!("refused"), &json!("signature")));
    }

    async fn a_signed_callback_at_the_door_for_the_other_kind_is_refused(db: TestDb) {
        let app = knowing(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("ltp-smoke", "pass")]);
        post(&app, BUILDS, &callback.body, Some(&callback.signature)).await.expect(422);
        app.settle().await;
        app.run_in(&run, "running").await;
        assert_eq!(newest(&app).await["state"], "refused");
        post(&app, BOOT, &callback.body, Some(&callback.signature)).await.expect(204);
        app.settle().await;
        assert_eq!(app.run_in(&run, "finished").await["status"], "PASS", "the doors for tests and boots are one");
    }
}
