//! Selections in time: snapshots, checks, refreshing and comparing.

use serde_json::{Value, json};

use super::{SELECTIONS, SPECS, digits, id, keyword, listed, put_selection, spec, with_five};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

fn changed(of: &Value) -> String {
    digits(of.as_array().unwrap().iter().map(|change| &change["spec_id"]))
}

on_both! {
    async fn a_snapshot_can_be_put_back(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "t", &keyword("not build")).await.expect(201);
        let snapshot = app.show(&format!("{SELECTIONS}/t/snapshot")).await;
        let members: Vec<&String> = snapshot.as_object().unwrap().keys().collect();
        assert_eq!(members, ["created_on", "masked", "rules", "spec_set_id"]);
        assert_eq!(snapshot["masked"].as_object().unwrap().len(), 2);
        assert!(snapshot["masked"][&id('b')].as_str().unwrap().contains("not build"), "{snapshot}");
        let rule: Value = serde_json::from_str(snapshot["rules"][0].as_str().unwrap()).unwrap();
        assert_eq!(rule, json!({"type": "keyword", "expressions": ["not build"]}));

        let made = put_selection(&app, "copy", &json!({"snapshot": snapshot})).await.expect(201).json();
        assert_eq!((&made["selected"], &made["masked"]), (&json!(3), &json!(2)));
        assert_eq!(listed(&app, &format!("{SELECTIONS}/copy/specs"), "id").await, "ace");

        app.post(SPECS, &json!([spec('f', "new", &[], &[])])).await.expect(200);
        let refused = put_selection(&app, "late", &json!({"snapshot": snapshot})).await.expect(409);
        assert!(refused.text.contains("anyway"), "{}", refused.text);
        put_selection(&app, "late", &json!({"snapshot": snapshot, "anyway": true})).await.expect(201);
        assert_eq!(listed(&app, &format!("{SELECTIONS}/late/specs"), "id").await, "acef");
    }

    async fn canarys_own_rules_are_read_from_a_snapshot(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "t", &keyword("fast")).await.expect(201);
        let mut snapshot = app.show(&format!("{SELECTIONS}/t/snapshot")).await;
        let rule = json!({"module": "x", "classname": "KeywordRule", "params": {"keyword_exprs": ["fast"]}});
        snapshot["rules"] = json!([rule.to_string()]);
        let made = put_selection(&app, "t", &json!({"snapshot": snapshot})).await.expect(200).json();
        assert_eq!(made["rules"], json!([{"type": "keyword", "expressions": ["fast"]}]));
        snapshot["rules"] = json!(["{"]);
        put_selection(&app, "t", &json!({"snapshot": snapshot})).await.expect(422);
    }

    async fn a_selection_is_made_anew_and_tells_what_that_changed(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "t", &keyword("fast")).await.expect(201);
        let check = format!("{SELECTIONS}/t/check");
        let wanted = json!({"current": true, "spec_set_revision": 1, "latest_revision": 1});
        assert_eq!(app.show(&check).await, wanted);
        app.post(SPECS, &json!([
            spec('f', "new", &["fast"], &[]), spec('d', "deploy", &["slow"], &['b']), spec('e', "extra", &["fast"], &[]),
        ])).await.expect(200);
        let wanted = json!({"current": false, "spec_set_revision": 1, "latest_revision": 2});
        assert_eq!(app.show(&check).await, wanted);
        assert_eq!(listed(&app, &format!("{SELECTIONS}/t/specs"), "id").await, "abd", "it stays as it was made");

        let refreshed = app.post_empty(&format!("{SELECTIONS}/t/refresh")).await.expect(200).json();
        let difference = &refreshed["difference"];
        assert_eq!((changed(&difference["entered"]), changed(&difference["left"])), ("ef".to_owned(), "d".to_owned()));
        assert_eq!(difference["entered"][1]["reason"], "it was not among the specs");
        assert_eq!((&refreshed["selection"]["selected"], &refreshed["selection"]["tag"]), (&json!(4), &json!("t")));
        assert_eq!(app.show(&check).await["current"], json!(true));
        let again = app.post_empty(&format!("{SELECTIONS}/t/refresh")).await.expect(200).json();
        assert_eq!(again["difference"], json!({"entered": [], "left": [], "reason_changed": []}));

        put_selection(&app, "ids", &json!({"ids": ["a"]})).await.expect(201);
        app.post_empty(&format!("{SELECTIONS}/ids/refresh")).await.expect(409);
        app.post_empty(&format!("{SELECTIONS}/none/refresh")).await.expect(404);
    }

    async fn two_selections_are_compared(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "old", &keyword("fast")).await.expect(201);
        put_selection(&app, "new", &keyword("not build")).await.expect(201);
        let told = app.show(&format!("{SELECTIONS}/new/difference?before=old")).await;
        assert_eq!((changed(&told["entered"]), changed(&told["left"])), ("ce".to_owned(), "bd".to_owned()));
        put_selection(&app, "other", &keyword("fast and not x")).await.expect(201);
        let told = app.show(&format!("{SELECTIONS}/other/difference?before=old")).await;
        assert_eq!(changed(&told["reason_changed"]), "ce");
        assert_ne!(told["reason_changed"][0]["before"], told["reason_changed"][0]["now"]);
        app.get(&format!("{SELECTIONS}/new/difference")).await.expect(400);
        for path in ["none/difference?before=old", "new/difference?before=none"] {
            let refused = app.get(&format!("{SELECTIONS}/{path}")).await.expect(404);
            assert!(refused.text.contains("there is no selection `none`"), "{}", refused.text);
        }
    }
}
