//! Results of specs: brought, found again, and what they say of specs.

use serde_json::{Value, json};

use super::{NDJSON, SPECS, digits, id, in_pages, listed, pointers, put_selection, result, with_five};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const RESULTS: &str = "/api/v1/specs/results";

async fn record(app: &TestApp, results: Value) -> Value {
    app.post(RESULTS, &results).await.expect(200).json()
}

async fn rerun(app: &TestApp, asked: &Value) -> Answered {
    app.post("/api/v1/specs/rerun", asked).await
}

/// The digits of what a plan runs, and of what it needs beside.
async fn plan(app: &TestApp, asked: Value) -> [String; 2] {
    let told = rerun(app, &asked).await.expect(200).json();
    [digits(told["run"].as_array().unwrap()), digits(told["upstream_only"].as_array().unwrap())]
}

on_both! {
    async fn each_result_is_told_what_became_of_it(db: TestDb) {
        let app = TestApp::start(db).await;
        let first = record(&app, json!([
            result("r1", 'a', "s1", "SUCCESS"),
            {"spec_id": id('b'), "session": "s1", "status": {"category": "FAIL"}},
        ])).await;
        assert_eq!((&first["recorded"], &first["repeated"], &first["refused"]), (&json!(2), &json!(0), &json!(0)));
        assert_eq!(first["results"][0], json!({"id": "r1", "outcome": "recorded", "number": 1}));
        assert!(first["results"][1]["id"].as_str().unwrap().starts_with("srs_"), "{first}");
        let again = record(&app, json!([
            result("r1", 'a', "s1", "SUCCESS"), result("r1", 'a', "s1", "FAILED"), result("r2", 'a', "s2", "FAILED"),
        ])).await;
        let outcomes: Vec<&Value> = again["results"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
        assert_eq!(outcomes, ["repeated", "refused", "recorded"]);
        assert!(again["results"][1]["reason"].as_str().unwrap().contains("number 1"), "{again}");
        assert_eq!((&again["recorded"], &again["repeated"], &again["refused"]), (&json!(1), &json!(1), &json!(1)));
        let newest = app.show(&format!("{RESULTS}?spec={}", id('a'))).await;
        assert_eq!(newest["items"][0]["status"]["status"], "FAILED");
        assert_eq!(record(&app, json!([])).await["results"], json!([]));
    }

    async fn a_batch_with_a_fault_records_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let refused = app.post(RESULTS, &json!([
            result("r1", 'a', "s1", "SUCCESS"),
            result("r2", 'a', "s1", "GREAT"),
            {"spec_id": "", "session": 7, "status": {"status": "FAILED"}, "colour": 1},
        ])).await.expect(422);
        let told = pointers(&refused);
        assert!(told.contains(&"/1/status/status".to_owned()) && told.contains(&"/2/session".to_owned()), "{told:?}");
        assert!(told.iter().all(|pointer| !pointer.starts_with("/0")), "{told:?}");
        let lines = format!("{}\n{{\"a\"\n", result("r1", 'a', "s1", "SUCCESS"));
        app.post_raw(RESULTS, &[NDJSON], lines).await.expect(400);
        assert!(app.items(RESULTS).await.is_empty());
        let lines = format!("{}\n{}", result("r1", 'a', "s1", "SUCCESS"), result("r2", 'b', "s1", "SUCCESS"));
        app.post_raw(RESULTS, &[NDJSON], lines).await.expect(200);
        assert_eq!(listed(&app, RESULTS, "spec_id").await, "ab");
    }

    async fn the_newest_is_of_the_greatest_session(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        record(&app, json!([
            result("r1", 'a', "s2", "SUCCESS"), result("r2", 'a', "s1", "FAILED"), result("r3", 'b', "s1", "DIFFED"),
            result("r4", 'b', "s1", "TIMEOUT"), result("r5", 'd', "s1", "SKIPPED"),
        ])).await;
        for (query, wanted) in [
            ("", "a b d"), ("?spec=b", "b"), ("?spec=d&upstream=true", "a b d"), ("?spec=c", ""), ("?spec=c&upstream=true", "a"),
        ] {
            let path = format!("{RESULTS}{query}");
            assert_eq!(listed(&app, &path, "spec_id").await, wanted.replace(' ', ""), "{query}");
        }
        assert_eq!(digits(in_pages(&app, RESULTS, 1).await.iter().map(|it| &it["spec_id"])), "abd");
        let newest = app.items(RESULTS).await;
        let told: Vec<&str> = newest.iter().map(|it| it["status"]["status"].as_str().unwrap()).collect();
        assert_eq!(told, ["SUCCESS", "TIMEOUT", "SKIPPED"]);
        // Of named specs, a page is of those specs: those without a result leave it short.
        let page = app.show(&format!("{RESULTS}?spec=c&spec=d&limit=1")).await;
        assert_eq!((&page["items"], &page["next_cursor"]), (&json!([]), &json!(id('c'))));
        let page = app.show(&format!("{RESULTS}?spec=c&spec=d&limit=1&cursor={}", id('c'))).await;
        assert_eq!((&page["items"][0]["spec_id"], &page["next_cursor"]), (&json!(id('d')), &json!(null)));
        assert_eq!(pointers(&app.get(&format!("{RESULTS}?spec=f")).await.expect(422)), ["/ids/0"]);
    }

    async fn all_that_was_recorded_is_listed_and_narrowed(db: TestDb) {
        let app = TestApp::start(db).await;
        record(&app, json!([
            result("r1", 'a', "s1", "SUCCESS"), result("r2", 'a', "s1", "FAILED"), result("r3", 'b', "s2", "FAILED"),
            result("r4", 'b', "s1", "DIFFED"),
        ])).await;
        let path = format!("{RESULTS}/recorded");
        let ids = async |query: &str| {
            let items = app.items(&format!("{path}?{query}")).await;
            items.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        for (query, wanted) in [
            ("", "r4 r3 r2 r1"),
            (&format!("spec={}", id('a')), "r2 r1"),
            ("session=s1", "r4 r2 r1"),
            ("session=s1&category=FAIL", "r4 r2"),
            ("status=FAILED", "r3 r2"),
            ("live=false", "r1"),
            ("live=true&session=s1", "r4 r2"),
            ("session=none", ""),
        ] {
            assert_eq!(ids(query).await, wanted, "{query}");
        }
        let paged: Vec<Value> = in_pages(&app, &path, 3).await.into_iter().map(|it| it["number"].clone()).collect();
        assert_eq!(paged, [4, 3, 2, 1]);
        for wrong in ["category=GOOD", "status=pass", "live=maybe", "cursor=x", "session=a%00"] {
            app.get(&format!("{path}?{wrong}")).await.expect(400);
        }
    }

    async fn a_history_has_one_result_of_each_session(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        record(&app, json!([
            result("r1", 'a', "s3", "SUCCESS"), result("r2", 'a', "s1", "FAILED"), result("r3", 'a', "s1", "DIFFED"),
            result("r4", 'a', "s2", "TIMEOUT"), result("r5", 'f', "s1", "FAILED"),
        ])).await;
        for path in [format!("{SPECS}/a/history"), format!("{SPECS}/{}/history", id('a'))] {
            let told = in_pages(&app, &path, 2).await;
            let told: Vec<&str> = told.iter().map(|it| it["status"]["status"].as_str().unwrap()).collect();
            assert_eq!(told, ["DIFFED", "TIMEOUT", "SUCCESS"]);
        }
        assert!(app.items(&format!("{SPECS}/e/history")).await.is_empty());
        // Of a spec that is not stored, by its whole id.
        assert_eq!(app.items(&format!("{SPECS}/{}/history", id('f'))).await.len(), 1);
        app.get(&format!("{SPECS}/f/history")).await.expect(404);
    }

    async fn specs_in_short_have_their_newest_result(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        record(&app, json!([result("r1", 'a', "s1", "SUCCESS"), result("r2", 'b', "s1", "FAILED")])).await;
        let path = format!("{SPECS}/partial");
        let all = in_pages(&app, &path, 2).await;
        assert_eq!(digits(all.iter().map(|it| &it["id"])), "abcde");
        assert_eq!(all[1]["newest"]["status"], "FAILED");
        assert_eq!((&all[1]["view"], &all[1]["file"]), (&json!("d/build/build.pyt"), &json!("/src/d/build.pyt")));
        assert_eq!(all[2]["newest"], json!(null));
        put_selection(&app, "some", &json!({"ids": ["b", "e"]})).await.expect(201);
        assert_eq!(digits(in_pages(&app, &format!("{path}?tag=some"), 1).await.iter().map(|it| &it["id"])), "be");
        let refused = app.get(&format!("{path}?tag=none")).await.expect(404);
        assert!(refused.text.contains("there is no selection `none`"), "{}", refused.text);
    }

    async fn a_rerun_takes_what_depends_on_it_along(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        record(&app, json!([
            result("r1", 'a', "s1", "SUCCESS"), result("r2", 'b', "s1", "FAILED"), result("r3", 'c', "s1", "SUCCESS"),
        ])).await;
        put_selection(&app, "some", &json!({"ids": ["c", "e"]})).await.expect(201);
        assert_eq!(plan(&app, json!({"strategy": "failed"})).await, ["bd", "a"]);
        assert_eq!(plan(&app, json!({"strategy": "failed", "tag": "some"})).await, ["", ""]);
        assert_eq!(plan(&app, json!({"strategy": "not_run", "tag": "some"})).await, ["e", ""]);
        assert_eq!(plan(&app, json!({"strategy": "all"})).await, ["abcde", ""]);
        assert_eq!(plan(&app, json!({"strategy": format!("ids:{},{}", id('c'), id('e'))})).await, ["ce", "a"]);
        assert_eq!(plan(&app, json!({"ids": ["c"]})).await, ["c", "a"]);
        assert_eq!(plan(&app, json!({"views": ["*/deploy*"]})).await, ["d", "ab"]);
        assert_eq!(plan(&app, json!({"ids": []})).await, ["", ""]);
        assert_eq!(plan(&app, json!({"views": ["nothing*"]})).await, ["", ""]);
        let refused = rerun(&app, &json!({"strategy": "failed", "tag": "none"})).await.expect(404);
        assert!(refused.text.contains("there is no selection `none`"), "{}", refused.text);
        rerun(&app, &json!({"ids": [id('f')]})).await.expect(404);
        for wrong in [
            json!({}), json!({"strategy": "lucky"}), json!({"strategy": "all", "ids": []}), json!({"tag": "some"}),
            json!({"ids": ["a"], "tag": "some"}), json!({"ids": ["f"]}), json!({"ids": [7]}), json!({"paths": []}),
        ] {
            rerun(&app, &wrong).await.expect(422);
        }
    }
}
