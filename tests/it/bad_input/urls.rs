//! Paths and query strings that make no sense.

use super::{assert_refused, assert_unmoved, rows};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const LISTINGS: [&str; 5] =
    ["/api/v1/builds", "/api/v1/runs", "/api/v1/results", "/api/v1/deliveries", "/api/v1/callbacks"];

/// Ids that are none, as they stand in a URL.
fn absurd_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "x",
        "0",
        "-1",
        "null",
        "%00",
        "%ff",
        "%e2%82",
        "%",
        "%zz",
        "%20",
        "%2e%2e%2f%2e%2e",
        "..%2fbuilds",
        "é",
        "run_",
        "run_0",
        "run_0198c1a20b7c7d3e9f0011223344556",
        "run_0198c1a20b7c7d3e9f001122334455667",
        "run_0198c1a20b7c7d3e9f0011223344556g",
        "RUN_0198c1a20b7c7d3e9f00112233445566",
        "run_0198c1a2-0b7c-7d3e-9f00-112233445566",
        "0198c1a20b7c7d3e9f00112233445566",
        "cbk_0198c1a20b7c7d3e9f00112233445566%00",
        "'%20OR%20'1'='1",
        "$1",
        "*",
        "<script>",
    ]
    .map(str::to_owned)
    .into();
    // One of these is of the kind that is asked for, and is nobody's.
    for prefix in ["bld", "run", "res", "dlv", "cbk", "wrk"] {
        ids.push(format!("{prefix}_0198c1a20b7c7d3e9f00112233445566"));
        ids.push(format!("{prefix}_{}", "f".repeat(32)));
        ids.push(format!("{prefix}_{}", "0".repeat(32)));
    }
    ids.push("x".repeat(30_000));
    ids.push("%F0%9F%98%80".repeat(1_000));
    ids
}

on_both! {
    async fn a_bad_query_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        let long = format!("limit={}", "9".repeat(10_000));
        let cursor = format!("cursor={}", "x".repeat(10_000));
        for listing in LISTINGS {
            for query in [
                "limit=0",
                "limit=1001",
                "limit=-1",
                "limit=",
                "limit=x",
                "limit=1e3",
                "limit=1.5",
                "limit=4294967297",
                "limit=18446744073709551617",
                "limit=%00",
                "limit=5&limit=5",
                "cursor=",
                "cursor=x",
                "cursor=%00",
                "cursor=%ff",
                "cursor=tok_0198c1a20b7c7d3e9f00112233445566",
                "cursor=run_0198c1a20b7c7d3e9f0011223344556",
                "cursor=a&cursor=b",
                "state=asleep",
                "status=pass",
                "status=%00",
                "kind=",
                "colour=red",
                "%00=1",
                "%ff=1",
                "=",
                "limit",
                "State=planned",
                "runner=a&runner=b&runner=%00",
                &long,
                &cursor,
            ] {
                let answered = app.get(&format!("{listing}?{query}")).await;
                assert_refused(&answered, &[400], &format!("{listing}?{query}"));
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn a_nul_in_any_query_field_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        for (listing, fields) in [
            ("/api/v1/builds", &["state", "status", "tree", "branch", "runner"][..]),
            ("/api/v1/runs", &["state", "status", "kind", "build", "build_id", "runner", "uid"]),
            ("/api/v1/results", &["status", "run", "build_id", "path", "source"]),
            ("/api/v1/deliveries", &["state", "kind", "run", "object_id", "receipt"]),
            ("/api/v1/callbacks", &["state", "run", "runner", "uid"]),
        ] {
            for field in fields {
                for value in ["%00", "a%00b"] {
                    let answered = app.get(&format!("{listing}?{field}={value}")).await;
                    assert_refused(&answered, &[400], &format!("{listing}?{field}={value}"));
                    assert!(answered.text.contains(field), "{listing}: {field} is named: {}", answered.text);
                }
            }
        }
    }

    async fn odd_values_of_a_query_field_match_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let long = "x".repeat(20_000);
        for value in ["", "%ff", "'", "%25", "_", "\\", "$1", "é", "a%20b", "%F0%9F%98%80", &long] {
            for query in [
                format!("/api/v1/builds?tree={value}&branch={value}"),
                format!("/api/v1/runs?build_id={value}&uid={value}&runner={value}"),
                format!("/api/v1/results?build_id={value}&path={value}"),
                format!("/api/v1/deliveries?object_id={value}&receipt={value}"),
                format!("/api/v1/callbacks?uid={value}&runner={value}"),
            ] {
                assert!(app.items(&query).await.is_empty(), "{query}");
            }
        }
    }

    async fn the_cursor_of_another_listing_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let prefixes = ["bld", "run", "res", "dlv", "cbk"];
        for (listing, own) in LISTINGS.into_iter().zip(prefixes) {
            for prefix in prefixes {
                let answered = app.get(&format!("{listing}?cursor={prefix}_0198c1a20b7c7d3e9f00112233445566")).await;
                if prefix == own {
                    assert_eq!(answered.expect(200).json()["items"], serde_json::json!([]));
                } else {
                    assert_refused(&answered, &[400], &format!("{listing} {prefix}"));
                }
            }
        }
    }

    async fn what_is_no_id_names_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for id in absurd_ids() {
            for path in ["builds", "runs", "deliveries", "callbacks", "submissions"] {
                let answered = app.get(&format!("/api/v1/{path}/{id}")).await;
                assert_refused(&answered, &[404], &format!("{path}/{id}"));
            }
            assert_refused(&app.get(&format!("/problems/{id}")).await, &[404], &id);
            for (path, action) in [
                ("builds", "retry"),
                ("builds", "cancel"),
                ("runs", "retry"),
                ("runs", "cancel"),
                ("deliveries", "retry"),
            ] {
                let answered = app.post_empty(&format!("/api/v1/{path}/{id}/{action}")).await;
                assert_refused(&answered, &[404], &format!("{path}/{id}/{action}"));
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn what_is_no_path_names_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        for path in [
            "/x",
            "//",
            "/api",
            "/api/v1",
            "/api/v1/",
            "/api/v2/runs",
            "/api/v1/runs/",
            "/api/v1/runs/a/b/c",
            "/%00",
            "/%ff",
            "/api/v1/%00",
            "/API/V1/RUNS",
            "/.env",
            "/api/v1/callbacks/tuxsuite/",
            "/api//v1/runs",
        ] {
            assert_refused(&app.get(path).await, &[404, 405], path);
            assert_refused(&app.post_empty(path).await, &[404, 405], path);
        }
        for (method, path) in [
            ("DELETE", "/api/v1/runs"),
            ("PUT", "/api/v1/builds/x"),
            ("PATCH", "/api/v1/tests/submit"),
            ("GET", "/api/v1/tests/run"),
            ("GET", "/submit"),
            ("POST", "/readyz"),
            ("BREW", "/api/v1/runs"),
        ] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let answered = app.http.request(method.clone(), format!("{}{path}", app.base)).send().await.unwrap();
            assert_refused(&Answered::of(answered).await, &[405], &format!("{method} {path}"));
        }
        app.get("/readyz").await.expect(200);
    }

    async fn a_submission_s_status_is_asked_for_by_an_id(db: TestDb) {
        let app = TestApp::start(db).await;
        for (query, status) in [
            ("", 400),
            ("?", 400),
            ("?ID=x", 400),
            ("?id=a&id=b", 400),
            ("?id=", 400),
            ("?id=%00", 400),
            ("?id=a%00", 400),
            ("?id=%ff", 400),
            ("?id=a-b", 400),
            ("?id=x", 404),
            ("?id=%C3%A9", 404),
            ("?id=%F0%9F%98%80", 400),
            (&format!("?id={}", "x".repeat(30_000)), 404),
        ] {
            let answered = app.get(&format!("/status{query}")).await.expect(status);
            assert_eq!(answered.header("content-type"), "text/plain; charset=utf-8", "{query}");
        }
        app.get("/readyz").await.expect(200);
    }
}
