//! Bodies, fields and lists that are longer than anything sensible; and that the longest that is taken can be stored.

use serde_json::{Value, json};
use testyard::domain::words::Word as _;

use super::{JSON, assert_refused, assert_unmoved, doors, places, report, rows, with};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

/// The longest body in these tests.
const MOST: usize = 4096;

/// The longest uid that TuxSuite's callbacks may have, in bytes.
const UID: usize = 128;

/// Text of this many characters of four bytes each that no database can pack: its index rows are as long as they get.
fn noise(characters: usize) -> String {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from_u32(0x2_0000 + u32::try_from(state % 0xA000).unwrap()).unwrap()
    };
    (0..characters).map(letter).collect()
}

on_both! {
    async fn a_body_that_is_too_long_is_refused_with_the_limit(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.server.max_body_bytes = MOST;
            settings.intake.max_body_bytes = MOST;
        })
        .await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            let mut body = door.good.to_string();
            body.push_str(&" ".repeat(MOST - body.len()));
            let just = app.post_raw(door.path, &[JSON], body.clone()).await;
            assert!(just.status < 300, "{}: just long enough: {}", door.path, just.text);
        }
        let taken = rows(&app.app.db).await;
        assert_ne!(before, taken);
        for door in doors() {
            let mut body = door.good.to_string();
            body.push_str(&" ".repeat(MOST + 1 - body.len()));
            let announced = app.post_raw(door.path, &[JSON], body.clone()).await;
            let unannounced = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(body)]));
            let unannounced = app.post_raw(door.path, &[JSON], unannounced).await;
            for answered in [announced, unannounced] {
                assert_refused(&answered, &[413], door.path);
                assert!(answered.text.contains(&MOST.to_string()), "{}: {}", door.path, answered.text);
            }
        }
        let answered = app.post_raw("/submit", &[JSON], " ".repeat(MOST + 1)).await.expect(413);
        assert_eq!(answered.text, "length limit exceeded");
        assert_unmoved(&app, &taken).await;
    }

    async fn a_field_that_is_too_long_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            for place in places(&door.good) {
                // A log may be long, and a state that nobody knows is one all the same.
                let may_be_long = place.ends_with("/logs") || place == "/status/state";
                if !door.good.pointer(&place).unwrap().is_string() || may_be_long {
                    continue;
                }
                for long in
                    ["x".repeat(100_000), format!("https://git.example.org/{}", "x".repeat(5_000)), noise(30_000)]
                {
                    let answered = app.post(door.path, &with(&door.good, &place, long.into())).await;
                    assert_refused(&answered, &[422], &format!("{}{place}", door.path));
                }
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn a_log_of_more_than_a_mebibyte_is_refused_and_one_of_less_is_cut(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        let door = doors().into_iter().find(|door| door.path == "/api/v1/tests/submit").unwrap();
        let body = with(&door.good, "/tests/0/logs", "x".repeat((1 << 20) + 1).into());
        assert_refused(&app.post(door.path, &body).await, &[422], "a log");
        assert_unmoved(&app, &before).await;
        let body = with(&door.good, "/tests/0/logs", "x".repeat(1 << 20).into());
        app.post(door.path, &body).await.expect(204);
        let results = app.items("/api/v1/results").await;
        assert_eq!(results[0]["log_excerpt"].as_str().unwrap().len(), 16_384);
    }

    async fn more_than_a_thousand_items_are_refused_and_a_thousand_are_not(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        let lists = || {
            doors().into_iter().flat_map(|door| {
                let lists: Vec<String> = places(&door.good)
                    .into_iter()
                    .filter(|place| door.good.pointer(place).unwrap().is_array())
                    .collect();
                lists.into_iter().map(move |place| (door.path, door.good.clone(), place))
            })
        };
        let items = |good: &Value, place: &str, many: usize| -> Value {
            let first = &good.pointer(place).unwrap()[0];
            let item = |n: usize| {
                if first.is_object() {
                    with(first, "/test_name", format!("t{n}").into())
                } else {
                    json!(format!("t{n}"))
                }
            };
            (0..many).map(item).collect()
        };
        assert_eq!(lists().count(), 5, "the lists there are");
        for (path, good, place) in lists() {
            let body = with(&good, &place, items(&good, &place, 1001));
            let answered = app.post(path, &body).await;
            assert_refused(&answered, &[422], &format!("{path}{place}"));
            assert!(answered.text.contains("1000"), "{path}{place} names the limit: {}", answered.text);
        }
        assert_unmoved(&app, &before).await;
        for (path, good, place) in lists() {
            let body = with(&good, &place, items(&good, &place, 1000));
            let answered = app.post(path, &body).await;
            assert!(answered.status < 300, "{path}{place}: {}", answered.text);
        }
    }

    async fn the_longest_that_is_taken_can_be_stored_and_shown(db: TestDb) {
        let app = TestApp::start(db).await;
        for door in doors() {
            for place in places(&door.good) {
                let Some(text) = door.good.pointer(&place).unwrap().as_str() else { continue };
                // One of these is the longest that the door takes there, in bytes.
                for characters in [4096, 2048, 512, 500, 128, 127] {
                    for long in [noise(characters), format!("{text}/{}", noise(characters - text.len().min(120) - 1))] {
                        let answered = app.post(door.path, &with(&door.good, &place, long.into())).await;
                        assert!([201, 204, 422].contains(&answered.status), "{}{place}: {}", door.path, answered.text);
                    }
                }
            }
        }
        for listing in ["builds", "runs", "results", "deliveries", "callbacks"] {
            assert!(!app.items(&format!("/api/v1/{listing}?limit=1000")).await.is_empty(), "{listing}");
        }
        app.settle().await;
        app.get("/readyz").await.expect(200);
    }

    async fn names_as_long_as_any_are_indexed(db: TestDb) {
        let app = TestApp::start(db).await;
        let name = noise(500);
        let results = json!({
            "test_uid": name, "build_id": name, "device": name, "runtime": name,
            "tests": [{"test_name": name, "test_collection": name, "result": "FAIL", "logs": noise(20_000)}],
        });
        app.post("/api/v1/tests/submit", &results).await.expect(204);
        assert_eq!(app.items("/api/v1/results").await[0]["build_id"], name);
        let uid: String = noise(500).chars().filter_map(|letter| char::from_u32(u32::from(letter) % 94 + 33)).collect();
        let callback = json!({"kind": "test", "status": {"uid": &uid[..UID], "state": "running"}});
        app.post("/api/v1/tuxsuite/callback/test", &callback).await.expect(204);
        assert_eq!(app.items("/api/v1/callbacks").await[0]["uid"], uid[..UID]);
        let callback = json!({"kind": "test", "status": {"uid": &uid[..=UID], "state": "running"}});
        app.post("/api/v1/tuxsuite/callback/test", &callback).await.expect(422);
    }

    async fn a_submission_whose_objects_cannot_be_stored_fails_and_holds_up_no_other(db: TestDb) {
        let app = TestApp::start(db).await;
        let id = format!("riscv:{}", noise(3_000));
        let bad = [
            with(&report(), "/tests/0/id", json!(id)),
            with(&report(), "/tests/0/build_id", json!(id)),
            with(&report(), "/builds/0/checkout_id", json!(id)),
            with(&report(), "/tests/0/origin", json!("x".repeat(5_000))),
            with(&report(), "/tests/0/path", json!("x".repeat(5_000))),
            with(&report(), "/tests/0/comment", json!("a\0b")),
            with(&report(), "/tests/0/misc/platform", json!("a\0b")),
            with(&report(), "/tests/0/misc", json!({"a\0b": 1})),
            with(&report(), "/tests/0/environment/misc/a", json!(["\0"])),
            with(&report(), "/tests/0/duration", json!(1e308)),
            with(&report(), "/tests/0/duration", json!(-1e-308)),
            with(&report(), "/tests/0/status", json!("GOOD")),
            with(&report(), "/tests", json!({})),
            json!([]),
            json!("x"),
            json!({}),
            json!(null),
        ];
        let mut ids = Vec::new();
        for body in bad.into_iter().chain([report()]) {
            let answered = app.post("/submit", &body).await.expect(200).json();
            ids.push(answered["id"].as_str().unwrap().to_owned());
        }
        app.settle().await;
        let words = testyard::domain::result::SubmissionState::ALL.iter().map(|state| state.as_str());
        let settled: Vec<&str> = words.filter(|word| *word != "ready").collect();
        for id in &ids {
            let state = app.show(&format!("/api/v1/submissions/{id}")).await["state"].clone();
            assert!(settled.contains(&state.as_str().unwrap()), "{id}: {state}");
        }
        let last = app.show(&format!("/api/v1/submissions/{}", ids.last().unwrap())).await;
        assert_eq!(last["state"], "processed", "{last}");
    }
}
