//! What makes no sense is refused in words, and nothing of it stays.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NDJSON, SELECTIONS, SPECS, id, keyword, pointers, put_selection, spec, with_five};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Asserts that it is a problem of a size that can be read.
#[track_caller]
fn assert_problem(answered: &Answered, statuses: &[u16], what: &str) {
    let told = answered.text.chars().take(500).collect::<String>();
    assert!(statuses.contains(&answered.status), "{what}: {} {told}", answered.status);
    assert_eq!(answered.header("content-type"), "application/problem+json", "{what}: {told}");
    assert!(answered.text.len() < 200_000, "{what}: {} bytes", answered.text.len());
}

async fn unmoved(app: &TestApp) {
    assert_eq!(app.items(SPECS).await.len(), 5, "no spec was added");
    for path in [SELECTIONS.to_owned(), format!("{SPECS}/results/recorded")] {
        assert!(app.items(&path).await.is_empty(), "{path}: something was stored");
    }
}

on_both! {
    async fn a_selection_that_makes_no_sense_is_not_made(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let rule = |rule: Value| json!({"rules": [{"type": "ids", "ids": ["a"]}, rule]});
        let hooks = |hooks: Value| json!({"rules": [], "hooks": hooks});
        let hook = |url: &str| json!({"url": url, "on": ["start"]});
        let snapshot = json!({"spec_set_id": "x", "masked": {}, "rules": [], "created_on": "now"});
        for (asked, at) in [
            (json!({}), ""),
            (json!({"rules": [], "ids": []}), ""),
            (json!({"rules": [], "anyway": true}), ""),
            (rule(json!({"type": "luck"})), "/rules/1"),
            (rule(json!({"type": "keyword"})), "/rules/1"),
            (rule(json!({"type": "keyword", "expressions": "fast"})), "/rules/1"),
            (rule(json!({"type": "keyword", "expressions": ["fast"], "colour": 1})), "/rules/1"),
            (rule(json!({"type": "keyword", "expressions": ["a", "fast and"]})), "/rules/1/expressions/1"),
            (rule(json!({"type": "parameter", "expression": "np <"})), "/rules/1/expression"),
            (rule(json!({"type": "regex", "pattern": "("})), "/rules/1/pattern"),
            (rule(json!({"type": "budget", "seconds": -1})), "/rules/1"),
            (rule(json!({"type": "budget", "seconds": 1, "priority": "high"})), "/rules/1"),
            (rule(json!(7)), "/rules/1"),
            (rule(json!(null)), "/rules/1"),
            (json!({"ids": ["a", "f", "no id"]}), "/ids/1"),
            (json!({"ids": ["a"], "hooks": []}), ""),
            (hooks(json!([hook("http://10.0.0.1/"), hook("http://127.0.0.1:1/")])), "/hooks/0/url"),
            (hooks(json!([hook("https://me:pw@example.org/")])), "/hooks/0/url"),
            (hooks(json!([hook("ftp://example.org/")])), "/hooks/0/url"),
            (hooks(json!([hook("nowhere")])), "/hooks/0"),
            (hooks(json!([{"url": "https://example.org/", "on": []}])), "/hooks/0/on"),
            (hooks(json!([{"url": "https://example.org/", "on": ["end"]}])), "/hooks/0"),
            (hooks(json!([hook("https://example.org/"), 7])), "/hooks/1"),
            (hooks(json!(vec![hook("https://example.org/"); 11])), "/hooks"),
            (json!({"rules": [], "metadata": {"tag": 1}}), "/metadata"),
            (json!({"rules": [], "metadata": {"x": "y".repeat(70_000)}}), "/metadata"),
            (json!({"snapshot": []}), "/snapshot"),
            (json!({"snapshot": {"masked": {}}}), "/snapshot"),
        ] {
            let refused = put_selection(&app, "t", &asked).await;
            assert_problem(&refused, &[422], &asked.to_string());
            assert_eq!(pointers(&refused).first().map(String::as_str), Some(at), "{asked}: {}", refused.text);
        }
        for asked in [json!([]), json!(7), json!({"rules": {}}), json!({"rulez": []}), json!({"rules": [], "metadata": 1})] {
            assert_problem(&put_selection(&app, "t", &asked).await, &[422], &asked.to_string());
        }
        assert_problem(&put_selection(&app, "t", &json!({"snapshot": snapshot})).await, &[409], "other specs");
        for tag in ["%3Aall%3A", "%00", "a%0Ab", &"x".repeat(201)] {
            assert_problem(&put_selection(&app, tag, &keyword("fast")).await, &[422], tag);
        }
        assert_problem(&put_selection(&app, "%ff", &keyword("fast")).await, &[404], "no text");
        unmoved(&app).await;
    }

    async fn what_is_not_there_is_said_to_be_so_under_every_address(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        for tag in ["none", "%00", "a%00b", "'%20OR%20'1'='1", "%25", &"x".repeat(20_000)] {
            for below in ["", "/specs", "/masked", "/report", "/why/a", "/snapshot", "/check", "/difference?before=none"] {
                let refused = app.get(&format!("{SELECTIONS}/{tag}{below}")).await;
                assert_problem(&refused, &[404], &format!("{tag}{below}"));
                assert!(refused.text.contains("there is no selection `"), "{}", refused.text);
            }
            let path = format!("{SELECTIONS}/{tag}");
            assert_problem(&app.send(Method::DELETE, &path, &[], "").await, &[404], tag);
            assert_problem(&app.post_empty(&format!("{path}/refresh")).await, &[404], tag);
            assert_problem(&app.post(&format!("{path}/rename"), &json!({"tag": "x"})).await, &[404], tag);
        }
        put_selection(&app, "t", &keyword("fast")).await.expect(201);
        for nothing in ["f", "xyz", "%00", "%ff"] {
            assert_problem(&app.get(&format!("{SELECTIONS}/t/why/{nothing}")).await, &[404], nothing);
        }
        // A spec that came after the selection was made is not in it.
        app.post(SPECS, &json!([spec('f', "new", &[], &[])])).await.expect(200);
        assert_problem(&app.get(&format!("{SELECTIONS}/t/why/f")).await, &[404], "new");
    }

    async fn bad_queries_are_refused_on_every_listing(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "t", &keyword("fast")).await.expect(201);
        for listing in [
            "/specs", "/specs/edges", "/specs/graph", "/specs/select?view=*", "/specs/partial", "/specs/a/upstream",
            "/specs/a/downstream", "/specs/a/history", "/specs/results", "/specs/results/recorded", "/selections",
            "/selections/t/specs", "/selections/t/masked",
        ] {
            for query in [
                "limit=0", "limit=1001", "limit=-1", "limit=", "limit=x", "limit=5&limit=5", "limit=%00", "cursor=%00",
                "cursor=a&cursor=b", "colour=red", "%00=1", "=",
            ] {
                let sign = if listing.contains('?') { '&' } else { '?' };
                let path = format!("/api/v1{listing}{sign}{query}");
                assert_problem(&app.get(&path).await, &[400], &path);
            }
            // A cursor is a place in an order of texts: any text is one, but where it is a number or a pair.
            let sign = if listing.contains('?') { '&' } else { '?' };
            for cursor in ["", "x", "%ff", "\u{10ffff}", &"9".repeat(10_000)] {
                let path = format!("/api/v1{listing}{sign}cursor={cursor}");
                let answered = app.get(&path).await;
                assert!([200, 400].contains(&answered.status), "{path}: {} {}", answered.status, answered.text);
            }
        }
        for wrong in ["upstream=maybe", "upstream=true&upstream=true", "tag=a&tag=b"] {
            assert_problem(&app.get(&format!("{SPECS}?{wrong}")).await, &[400], wrong);
        }
    }

    async fn absurd_bodies_are_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep_rule = format!(r#"{{"rules": [{deep}]}}"#);
        let deep_expression = keyword(&format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000))).to_string();
        let many_rules = json!({"rules": vec![json!({"type": "luck"}); 300_000]}).to_string();
        let long_expression = keyword(&"a and ".repeat(1_700_000)).to_string();
        let long_type = json!({"rules": [{"type": "x".repeat(1_000_000)}]}).to_string();
        let path = format!("{SELECTIONS}/t");
        for (body, what) in [
            (&deep, "deep"), (&deep_rule, "a deep rule"), (&deep_expression, "a deep expression"), (&many_rules, "many"),
            (&long_expression, "a long expression"), (&long_type, "a long type"),
        ] {
            let refused = app.send(Method::PUT, &path, &JSON, body.clone()).await;
            assert_problem(&refused, &[400, 422], what);
        }
        let wide = json!({"file_path": "a", "x".repeat(1_000_000): 1}).to_string();
        let too_many = format!("[{}{{}}]", "{},".repeat(100_000));
        for path in [SPECS.to_owned(), format!("{SPECS}/results")] {
            for body in [&deep, &format!("[{deep}]"), &format!("[{wide}]"), &too_many, &"[{}]".to_owned(), &"{}".to_owned(), &"[".to_owned()] {
                assert_problem(&app.send(Method::POST, &path, &JSON, body.clone()).await, &[400, 422], &path);
            }
            for body in [&deep, &wide, &"{}\n".repeat(100_001), &"\u{feff}{}".to_owned()] {
                assert_problem(&app.post_raw(&path, &[NDJSON], body.clone()).await, &[400, 422], &path);
            }
            for kind in ["text/plain", "application/x-tar", ""] {
                assert_problem(&app.post_raw(&path, &[("content-type", kind)], "[]").await, &[415], kind);
            }
            let not_utf8 = app.post_raw(&path, &JSON, b"[\"\xff\"]".to_vec()).await;
            assert_problem(&not_utf8, &[400], "no UTF-8");
        }
        for (path, body) in [("closure", json!({"ids": vec!["a"; 100_001], "way": "up"})), ("rerun", json!({"views": vec!["*"; 1_001]}))] {
            assert_problem(&app.post(&format!("{SPECS}/{path}"), &body).await, &[422], path);
        }
        unmoved(&app).await;
    }

    async fn a_batch_past_the_limit_is_refused(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.catalogue.max_import_bytes = 2_000).await;
        let line = format!("{}\n", spec('a', "setup", &[], &[]));
        for path in [SPECS.to_owned(), format!("{SPECS}/results")] {
            let refused = app.post_raw(&path, &[NDJSON], line.repeat(20)).await;
            assert_problem(&refused, &[413], &path);
            assert!(refused.text.contains("2000"), "{}", refused.text);
        }
        assert!(app.items(SPECS).await.is_empty());
        app.post_raw(SPECS, &[NDJSON], line).await.expect(200);
    }

    async fn a_selection_of_a_graph_with_holes_says_what_is_missing(db: TestDb) {
        let app = TestApp::start(db).await;
        app.post(&format!("{SPECS}?graph=open"), &json!([spec('b', "build", &[], &['a'])])).await.expect(200);
        let refused = put_selection(&app, "t", &keyword("build")).await;
        assert_problem(&refused, &[409], "a hole");
        assert!(refused.text.contains(&id('a')), "{}", refused.text);
        assert!(app.items(SELECTIONS).await.is_empty());
    }
}
