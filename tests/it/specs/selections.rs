//! Selections: made of rules, ids and snapshots, and what they tell of their specs.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SELECTIONS, SPECS, digits, id, in_pages, keyword, listed, put_selection, spec, with_five};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn rules_select_and_tell_why_the_rest_is_left_out(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let asked = json!({
            "rules": [{"type": "keyword", "expressions": ["not build"]}, {"type": "view", "globs": ["d/*"], "priority": 3}],
            "metadata": {"ticket": "QA-7"},
        });
        let made = put_selection(&app, "nightly", &asked).await.expect(201);
        assert_eq!(made.header("location"), "/api/v1/selections/nightly");
        let told = made.json();
        assert_eq!((&told["selected"], &told["masked"]), (&json!(3), &json!(2)));
        assert_eq!((&told["rules"], &told["metadata"]), (&asked["rules"], &asked["metadata"]));
        assert_eq!(told["spec_set_revision"], 1);
        let groups = told["report"].as_array().unwrap();
        let types: Vec<&str> = groups.iter().map(|group| group["reason"]["type"].as_str().unwrap()).collect();
        assert!(types.contains(&"keyword") && types.contains(&"dependency_masked"), "{types:?}");
        assert!(groups.iter().all(|group| group["specs"] == 1 && !group["sentence"].as_str().unwrap().is_empty()));

        let shown = app.get(&format!("{SELECTIONS}/nightly")).await.expect(200);
        assert_eq!((shown.json(), shown.header("etag")), (told.clone(), made.header("etag")));
        assert_eq!(listed(&app, &format!("{SELECTIONS}/nightly/specs"), "id").await, "ace");
        let full = in_pages(&app, &format!("{SELECTIONS}/nightly/specs?full=true"), 2).await;
        assert_eq!(digits(full.iter().map(|it| &it["spec"]["spec"]["id"])), "ace");
        assert_eq!(full[0]["spec"], app.show(&format!("{SPECS}/a")).await);
        let masked = in_pages(&app, &format!("{SELECTIONS}/nightly/masked"), 1).await;
        assert_eq!(digits(masked.iter().map(|it| &it["spec_id"])), "bd");
        assert_eq!((&masked[0]["view"], &masked[1]["cause_id"]), (&json!("d/build/build.pyt"), &json!(id('b'))));
        for (of, wanted) in [("keyword", "b"), ("dependency_masked", "d"), ("regex", "")] {
            assert_eq!(listed(&app, &format!("{SELECTIONS}/nightly/masked?type={of}"), "spec_id").await, wanted);
        }
        let report = app.show(&format!("{SELECTIONS}/nightly/report")).await;
        assert_eq!((&report["selected"], &report["masked"], &report["groups"]), (&json!(3), &json!(2), &told["report"]));

        let why = app.show(&format!("{SELECTIONS}/nightly/why/d")).await;
        assert_eq!((&why["spec_id"], &why["selected"]), (&json!(id('d')), &json!(false)));
        assert!(why["sentence"].as_str().unwrap().contains("`not build` does not hold"), "{why}");
        let chain = why["chain"].as_array().unwrap();
        assert_eq!(digits(chain.iter().map(|it| &it["spec_id"])), "db");
        assert_eq!(chain[1]["reason"], json!({"type": "keyword", "expression": "not build"}));
        assert_eq!(chain[0]["view"], "d/deploy/deploy.pyt");
        let why = app.show(&format!("{SELECTIONS}/nightly/why/{}", id('a'))).await;
        assert_eq!((&why["selected"], &why["chain"]), (&json!(true), &json!([])));
    }

    async fn a_selection_takes_the_place_of_another(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let first = put_selection(&app, "t", &keyword("fast")).await.expect(201);
        let second = put_selection(&app, "t", &keyword("slow")).await.expect(200);
        assert_ne!(first.header("etag"), second.header("etag"));
        assert_eq!(second.header("location"), "");
        // What is left out takes what waits for it along.
        assert_eq!(listed(&app, &format!("{SELECTIONS}/t/specs"), "id").await, "e");
        let path = format!("{SELECTIONS}/t");
        app.send(Method::GET, &path, &[("if-none-match", second.header("etag"))], "").await.expect(304);
        app.send(Method::GET, &path, &[("if-none-match", first.header("etag"))], "").await.expect(200);
        put_selection(&app, "t", &json!({"rules": []})).await.expect(200);
        assert_eq!(listed(&app, &format!("{SELECTIONS}/t/specs"), "id").await, "abcde");
        put_selection(&app, "s", &keyword("fast")).await.expect(201);
        let tags: Vec<Value> = in_pages(&app, SELECTIONS, 1).await.iter().map(|it| it["tag"].clone()).collect();
        assert_eq!(tags, ["s", "t"]);
        app.send(Method::DELETE, &path, &[], "").await.expect(204);
        app.send(Method::DELETE, &path, &[], "").await.expect(404);
        app.get(&path).await.expect(404);
    }

    async fn ids_select_without_asking(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let made = put_selection(&app, "t", &json!({"ids": ["b", id('d'), "b", id('f')]})).await.expect(201).json();
        assert_eq!((&made["selected"], &made["masked"], &made["rules"]), (&json!(3), &json!(0), &json!([])));
        assert_eq!(listed(&app, &format!("{SELECTIONS}/t/specs"), "id").await, "bdf");
        let full = app.items(&format!("{SELECTIONS}/t/specs?full=true")).await;
        assert!(full[0]["spec"].is_object() && full[2]["spec"].is_null(), "what is not stored has no more than an id");
        put_selection(&app, "t", &json!({"ids": []})).await.expect(204);
        app.get(&format!("{SELECTIONS}/t")).await.expect(404);
        put_selection(&app, "t", &json!({"ids": []})).await.expect(204);
    }

    async fn a_tag_may_hold_anything(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        for (tag, written) in [
            ("a/b c'd", "a%2Fb%20c'd"),
            ("100 %", "100%20%25"),
            ("ü?#&", "%C3%BC%3F%23%26"),
            ("difference", "difference"),
            ("\"x\\", "%22x%5C"),
        ] {
            let made = put_selection(&app, written, &json!({"ids": ["a"]})).await.expect(201);
            assert_eq!(made.json()["tag"], tag);
            let location = made.header("location").to_owned();
            for below in ["", "/specs", "/masked", "/report", "/why/a", "/snapshot", "/check"] {
                app.get(&format!("{location}{below}")).await.expect(200);
            }
            assert_eq!(app.show(&format!("{SELECTIONS}/{written}")).await["tag"], tag);
            let field: String = url::form_urlencoded::byte_serialize(tag.as_bytes()).collect();
            assert_eq!(listed(&app, &format!("{SPECS}?tag={field}"), "id").await, "a");
            let renamed = app.post(&format!("{location}/rename"), &json!({"tag": format!("{tag}/2")})).await.expect(200);
            assert_eq!(renamed.json()["tag"], format!("{tag}/2"));
            app.get(renamed.header("location")).await.expect(200);
            let refused = app.get(&location).await.expect(404).json();
            assert_eq!(refused["detail"], format!("there is no selection `{tag}`"));
        }
    }

    async fn a_tag_is_renamed_to_one_that_is_free(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "one", &json!({"ids": ["a"]})).await.expect(201);
        put_selection(&app, "two", &json!({"ids": ["b"]})).await.expect(201);
        let rename = async |from: &str, to: Value| app.post(&format!("{SELECTIONS}/{from}/rename"), &json!({"tag": to})).await;
        assert!(rename("one", json!("two")).await.expect(409).text.contains("`two`"));
        rename("none", json!("three")).await.expect(404);
        for wrong in [json!(""), json!(":all:"), json!("a\n"), json!("x".repeat(201)), json!(7), json!(null), json!("..")] {
            rename("one", wrong).await.expect(422);
        }
        rename("one", json!("three")).await.expect(200);
        assert_eq!(listed(&app, &format!("{SELECTIONS}/three/specs"), "id").await, "a");
        app.get(&format!("{SELECTIONS}/one")).await.expect(404);
    }

    async fn who_made_it_is_kept_where_tokens_are_asked_for(db: TestDb) {
        use sha2::{Digest as _, Sha256};
        let app = TestApp::start_with(db, |settings| {
            let sha256 = hex::encode(Sha256::digest("secret"));
            let scope = testyard::config::Scope::Operate;
            settings.access.tokens.push(testyard::config::Token { name: "ci".to_owned(), sha256, scope, max_priority: 100 });
        })
        .await;
        let headers = [("content-type", "application/json"), ("authorization", "Bearer secret")];
        app.send(Method::POST, SPECS, &headers, json!([spec('a', "a", &[], &[])]).to_string()).await.expect(200);
        let made = app.send(Method::PUT, &format!("{SELECTIONS}/t"), &headers, json!({"rules": []}).to_string()).await;
        assert_eq!(made.expect(201).json()["created_by"], "ci");
    }
}
