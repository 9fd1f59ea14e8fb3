//! Conditions of selections: what may be read again, and what may be changed.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SELECTIONS, keyword, listed, put_selection, with_five};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const PATH: &str = "/api/v1/selections/t";

async fn sent(app: &TestApp, method: Method, path: &str, condition: (&str, &str), body: &Value) -> Answered {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.send(method, path, &[("content-type", "application/json"), condition], body).await
}

on_both! {
    async fn a_change_is_made_only_of_the_version_that_it_was_meant_for(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let put = async |condition, of: &str| sent(&app, Method::PUT, PATH, condition, &keyword(of)).await;
        let nobody_is_told_otherwise = put(("if-match", "*"), "fast").await.expect(412);
        assert!(nobody_is_told_otherwise.text.contains("there is no selection `t`"), "{}", nobody_is_told_otherwise.text);
        assert_eq!(nobody_is_told_otherwise.json()["code"], "precondition-failed");
        put(("if-match", "\"r1\""), "fast").await.expect(412);
        let first = put(("if-none-match", "*"), "fast").await.expect(201);
        assert_eq!((first.header("etag"), &first.json()["revision"]), ("\"r1\"", &json!(1)));
        let refused = put(("if-none-match", "*"), "slow").await.expect(412);
        assert!(refused.text.contains("there is a selection `t` already, of revision 1"), "{}", refused.text);
        let second = put(("if-match", "\"r1\""), "slow").await.expect(200);
        assert_eq!(second.header("etag"), "\"r2\"");
        let late = put(("if-match", "\"r1\""), "fast").await.expect(412);
        assert!(late.text.contains("the selection `t` is of revision 2 by now, not 1"), "{}", late.text);
        assert_eq!(listed(&app, &format!("{PATH}/specs"), "id").await, "e");
        put(("if-match", "*"), "slow").await.expect(200);
        for wrong in [("if-match", "r3"), ("if-match", "\"3\""), ("if-match", ""), ("if-none-match", "\"r3\"")] {
            put(wrong, "fast").await.expect(400);
        }
        assert_eq!(app.show(PATH).await["revision"], 3);

        let known = |tag| [("if-none-match", tag)];
        assert_eq!(app.send(Method::GET, PATH, &known("\"r3\""), "").await.expect(304).header("etag"), "\"r3\"");
        app.send(Method::GET, PATH, &known("\"r2\""), "").await.expect(200);
    }

    async fn all_that_changes_a_selection_takes_conditions(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "t", &keyword("fast")).await.expect(201);
        let (old, refresh, rename) = (("if-match", "\"r9\""), format!("{PATH}/refresh"), format!("{PATH}/rename"));
        let (new_name, no_ids) = (json!({"tag": "s"}), json!({"ids": []}));
        for (method, path, body) in [
            (Method::POST, refresh.as_str(), &Value::Null),
            (Method::POST, rename.as_str(), &new_name),
            (Method::PUT, PATH, &no_ids),
            (Method::DELETE, PATH, &Value::Null),
        ] {
            let refused = sent(&app, method, path, old, body).await.expect(412);
            assert!(refused.text.contains("of revision 1 by now, not 9"), "{path}: {}", refused.text);
        }
        let refreshed = sent(&app, Method::POST, &refresh, ("if-match", "\"r1\""), &Value::Null).await.expect(200);
        assert_eq!((refreshed.header("etag"), &refreshed.json()["selection"]["revision"]), ("\"r2\"", &json!(2)));
        // Another name, and the same version.
        let renamed = sent(&app, Method::POST, &rename, ("if-match", "\"r2\""), &new_name).await.expect(200);
        assert_eq!(renamed.header("etag"), "\"r2\"");
        sent(&app, Method::DELETE, PATH, ("if-match", "\"r2\""), &Value::Null).await.expect(412);
        sent(&app, Method::DELETE, PATH, ("if-match", "*"), &Value::Null).await.expect(404);
        let there = format!("{SELECTIONS}/s");
        sent(&app, Method::DELETE, &there, ("if-match", "\"r2\""), &Value::Null).await.expect(204);
        // What is made again is no version that was known before.
        let again = put_selection(&app, "s", &keyword("fast")).await.expect(201);
        assert_eq!(again.header("etag"), "\"r3\"");
        sent(&app, Method::PUT, &there, ("if-match", "\"r3\""), &no_ids).await.expect(204);
        app.get(&there).await.expect(404);
    }

    async fn of_many_with_one_condition_one_is_let_in(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        for (condition, wanted) in [(("if-none-match", "*"), 201), (("if-match", "\"r1\""), 200)] {
            let bodies: Vec<Value> = (0..8).map(|n| json!({"rules": [], "metadata": {"n": n}})).collect();
            let all = bodies.iter().map(|body| sent(&app, Method::PUT, PATH, condition, body));
            let answers = futures_util::future::join_all(all).await;
            let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [vec![wanted], vec![412; 7]].concat());
            let made = answers.into_iter().find(|answer| answer.status == wanted).unwrap().json();
            assert_eq!(app.show(PATH).await["metadata"], made["metadata"]);
        }
    }
}
