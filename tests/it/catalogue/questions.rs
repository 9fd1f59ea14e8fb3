//! Expanding labels, and comparing results with what is expected.

use serde_json::json;

use super::{delete, post, put, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn labels_expand_into_tests_and_suites(db: TestDb) {
        let app = TestApp::start(db).await;
        for label in ["a", "d.b", "d.e.c"] {
            put(&app, &format!("tests/{label}"), &shell("1")).await.expect(201);
        }
        put(&app, "suites/ping", &json!({"test_ids": ["a"], "suite_ids": ["pong"]})).await.expect(201);
        put(&app, "suites/pong", &json!({"suite_ids": ["ping", "d"]})).await.expect(201);
        let expand = |ids: serde_json::Value| {
            let app = &app;
            async move { post(app, "expand", &json!({"ids": ids})).await }
        };
        let expanded = expand(json!(["ping"])).await.expect(200).json();
        assert_eq!(expanded["test_ids"], json!(["a", "d.b", "d.e.c"]));
        assert_eq!(expanded["suite_ids"], json!(["d", "d.e", "ping", "pong"]));
        assert_eq!(expanded["missing"], json!([]));
        let whole = expand(json!([""])).await.expect(200).json();
        assert_eq!(whole["suite_ids"], json!(["", "d", "d.e", "ping", "pong"]));
        for (ids, named) in [(json!(["a", "ghost", "ghast"]), "ghost"), (json!(["Loud"]), "Loud"), (json!(["a."]), "a.")] {
            let refused = expand(ids).await.expect(422);
            assert!(refused.text.contains(&format!("`{named}`")), "{}", refused.text);
        }
        expand(json!("a")).await.expect(422);
        post(&app, "expand", &json!({"ids": [], "revision": 99})).await.expect(404);
        post(&app, "expand", &json!({"ids": [], "more": 1})).await.expect(422);
    }

    async fn what_a_suite_names_may_go_and_is_missed(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/a", &shell("1")).await.expect(201);
        put(&app, "suites/inner", &json!({"test_ids": ["a"]})).await.expect(201);
        put(&app, "suites/outer", &json!({"test_ids": ["a"], "suite_ids": ["inner"]})).await.expect(201);
        delete(&app, "tests/a").await.expect(204);
        let expanded = post(&app, "expand", &json!({"ids": ["outer"]})).await.expect(200).json();
        assert_eq!(expanded["test_ids"], json!(["a"]));
        assert_eq!(expanded["missing"][0]["id"], "a");
        assert_eq!(expanded["missing"][0]["kind"], "test");
        delete(&app, "suites/inner").await.expect(204);
        let refused = post(&app, "expand", &json!({"ids": ["outer"]})).await.expect(422);
        assert!(refused.text.contains("`inner`") && refused.text.contains("`outer`"), "{}", refused.text);
        let lenient = post(&app, "expand", &json!({"ids": ["outer"], "allow_missing": true})).await.expect(200).json();
        let missing: Vec<_> = lenient["missing"].as_array().unwrap().iter().map(|it| (&it["id"], &it["named_by"])).collect();
        assert!(missing.contains(&(&json!("inner"), &json!("outer"))), "{missing:?}");
    }

    async fn results_are_set_beside_what_was_expected(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "expectations/x", &json!({"outcome": "FAIL", "cause": "bug 4711"})).await.expect(201);
        put(&app, "expectations/y", &json!({"outcome": "FAIL"})).await.expect(201);
        let compared = post(&app, "compare", &json!({"results": [
            {"test": "a", "outcome": "PASS"}, {"test": "b", "outcome": "FAIL"}, {"test": "c", "outcome": "MISS"},
            {"test": "x", "outcome": "FAIL"}, {"test": "y", "outcome": "PASS"},
        ]})).await.expect(200).json();
        assert_eq!((&compared["total"], &compared["unexpected"], &compared["as_expected"]), (&json!(5), &json!(3), &json!(false)));
        let of = |test: &str| compared["results"].as_array().unwrap().iter().find(|it| it["test"] == test).unwrap().clone();
        assert_eq!((&of("x")["word"], &of("x")["cause"], &of("x")["as_expected"]), (&json!("XFAIL"), &json!("bug 4711"), &json!(true)));
        assert_eq!(of("y")["word"], "XPASS");
        assert_eq!((&of("c")["outcome"], &of("c")["word"]), (&json!("UNTESTED"), &json!("UNTESTED")));
        assert_eq!(compared["outcomes"], json!({"PASS": 2, "FAIL": 2, "UNTESTED": 1, "ERROR": 0}));
        assert_eq!(compared["results"][4]["as_expected"], true, "what is as expected comes last");
        let asked = json!({"revision": 0, "results": [{"test": "x", "outcome": "FAIL"}]});
        assert_eq!(post(&app, "compare", &asked).await.expect(200).json()["results"][0]["word"], "FAIL");
        let refused = post(&app, "compare", &json!({"results": [{"test": "a", "outcome": "GOOD"}]})).await.expect(422);
        assert_eq!(refused.json()["errors"][0]["pointer"], "/results/0/outcome");
    }
}
