//! Many changes at once: all or none.

use serde_json::{Value, json};

use super::{BASE, get, labels, post, put, revision, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

fn test(label: &str, command: &str) -> Value {
    let mut item = shell(command);
    item["kind"] = json!("test");
    item["label"] = json!(label);
    item
}

on_both! {
    async fn many_items_are_one_revision(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/old", &shell("1")).await.expect(201);
        put(&app, "tests/same", &shell("1")).await.expect(201);
        put(&app, "tests/other", &shell("1")).await.expect(201);
        let class = json!({"kind": "class", "label": "m.C", "of": "test", "fields": [{"name": "n", "type": "integer"}], "execution": {"runner": "lab"}});
        let of_class = json!({"kind": "test", "label": "d.t", "class": "m.C", "arguments": {"n": 1}});
        let changes = json!({
            "items": [of_class, class, test("same", "1"), test("other", "2"), {"kind": "suite", "label": "s", "test_ids": ["d.t"]}],
            "remove": [{"kind": "test", "label": "old"}, {"kind": "test", "label": "never"}],
            "message": "the plan",
        });
        let mut dry = changes.clone();
        dry["dry_run"] = json!(true);
        let before = app.show(BASE).await;
        let would = post(&app, "apply", &dry).await.expect(200).json();
        assert_eq!(app.show(BASE).await, before);
        let mut done = post(&app, "apply", &changes).await.expect(200).json();
        assert_eq!(done["counts"], json!({"created": 3, "replaced": 1, "removed": 1, "unchanged": 2}));
        assert_eq!((&done["revision"], &done["dry_run"]), (&json!(4), &json!(false)));
        done["dry_run"] = json!(true);
        assert_eq!(done, would, "a dry run says what will be done");
        assert_eq!(revision(&app).await, 4);
        assert_eq!(app.show(&format!("{BASE}/revisions/4")).await["message"], "the plan");
        assert_eq!(labels(&app, "tests").await, ["d.t", "other", "same"]);
        let again = post(&app, "apply", &changes).await.expect(200).json();
        assert_eq!((&again["revision"], &again["counts"]["unchanged"]), (&json!(4), &json!(7)));
    }

    async fn one_fault_changes_nothing_and_all_are_told(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = app.show(BASE).await;
        let refused = post(&app, "apply", &json!({"items": [
            test("good", "1"), test("Bad", "1"),
            {"kind": "test", "label": "b", "class": "command.ExecTest", "arguments": {"exit_code": "x"}},
            {"kind": "suite", "label": "s", "test_ids": [7]},
        ]})).await.expect(422).json();
        let pointers: Vec<&str> = refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/items/1", "/items/2/arguments/exit_code", "/items/3/test_ids/0"]);
        for (changes, status, words) in [
            (json!({"items": [test("a", "1"), test("a", "2")]}), 422, "twice"),
            (json!({"items": [test("a", "1")], "remove": [{"kind": "test", "label": "a"}]}), 422, "`a`"),
            (json!({"items": [test("a", "1")], "expected_revision": 7}), 412, "revision 0"),
            (json!({"items": [test("s.a", "1"), {"kind": "suite", "label": "s"}]}), 409, "suite"),
            (json!({"items": [{"kind": "thing", "label": "a"}]}), 422, "thing"),
            (json!({"itemz": []}), 422, "itemz"),
            (json!({"prune": "A"}), 422, "prune"),
        ] {
            let refused = post(&app, "apply", &changes).await.expect(status);
            assert!(refused.text.contains(words), "{changes}: {}", refused.text);
        }
        assert_eq!(app.show(BASE).await, before);
    }

    async fn pruning_removes_what_is_not_wanted_and_only_there(db: TestDb) {
        let app = TestApp::start(db).await;
        for label in ["d.a", "d.b", "d.e.c", "x.y", "top"] {
            put(&app, &format!("tests/{label}"), &shell("1")).await.expect(201);
        }
        put(&app, "suites/d.s", &json!({})).await.expect(201);
        put(&app, "expectations/d.a", &json!({"outcome": "FAIL"})).await.expect(201);
        let done = post(&app, "apply", &json!({"items": [test("d.a", "1")], "prune": "d"})).await.expect(200).json();
        assert_eq!(done["counts"], json!({"created": 0, "replaced": 0, "removed": 5, "unchanged": 1}));
        assert_eq!(labels(&app, "tests").await, ["d.a", "top", "x.y"]);
        assert_eq!(labels(&app, "suites").await, ["d", "x"]);
        let all = post(&app, "apply", &json!({"items": [test("d.a", "1")], "prune": "~"})).await.expect(200).json();
        assert_eq!(all["counts"]["removed"], 3);
        assert_eq!(labels(&app, "suites").await, ["d"]);
        get(&app, "tests/d.a").await.expect(200);
    }
}
