//! Units of a session come, are kept, and go.

use reqwest::Method;
use serde_json::json;

use super::{PXU, SESSIONS, encoded, ids, make, network, pointers, put, report, send, texts};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn units_are_listed_by_kind_in_pages(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        assert_eq!(ids(&app, &format!("{path}/units?kind=test%20plan")).await, ["net::smoke", "net::other"]);
        assert_eq!(ids(&app, &format!("{path}/units?kind=template")).await, ["net::check-{name}"]);
        let first = app.show(&format!("{path}/units?limit=4")).await;
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = ids(&app, &format!("{path}/units?cursor={cursor}")).await;
        assert_eq!((first["items"].as_array().unwrap().len(), rest.len()), (4, 6));
        assert_eq!(rest[0], "net::rescue");
        assert_eq!(first["items"][0]["fields"]["estimated_duration"], "1");
    }

    async fn units_come_as_fields_and_as_pxu(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        let more = json!({
            "namespace": "disk",
            "units": [{"id": "a/b c", "plugin": "shell", "command": "x", "siblings": "[{\"id\": \"twin\"}, {\"id\": \"twin\", \"command\": \"y\"}]"}],
            "pxu": "id: last\nplugin: shell\n\nunit: category\nid: c\n_name: C\n",
        });
        let added = app.post(&format!("{path}/units"), &more).await.expect(200);
        assert_eq!(added.header("etag"), "\"r2\"");
        let told = added.json();
        assert_eq!(texts(&told["jobs"]["items"]), ["disk::a/b c", "disk::twin", "disk::last"]);
        assert_eq!((&told["others"], &told["kept"]["count"]), (&json!(1), &json!(0)));
        assert_eq!(told["clashes"]["items"][0]["id"], "disk::twin");
        let job = app.show(&format!("{path}/jobs/{}", encoded("disk::a/b c"))).await;
        assert_eq!((&job["id"], &job["unit"]["namespace"]), (&json!("disk::a/b c"), &json!("disk")));
        // The same again stays; another of the id is refused, and so is what came with it.
        let again = app.post(&format!("{path}/units"), &json!({"namespace": "disk", "pxu": "id: last\nplugin: shell\n"})).await;
        assert_eq!(texts(&again.expect(200).json()["kept"]["items"]), ["disk::last"]);
        let clash = json!({"namespace": "disk", "pxu": "id: new\nplugin: shell\n\nid: last\nplugin: manual\n"});
        let refused = app.post(&format!("{path}/units"), &clash).await.expect(409);
        assert!(refused.text.contains("disk::last"), "{}", refused.text);
        app.get(&format!("{path}/jobs/disk::new")).await.expect(404);
    }

    async fn a_unit_is_removed_by_its_id_and_kind(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::link"]).await;
        let both = json!({"namespace": "net", "pxu": "unit: category\nid: ask\n_name: Questions\n"});
        app.post(&format!("{path}/units"), &both).await.expect(200);
        let remove = async |unit: &str| app.send(Method::DELETE, &format!("{path}/units/{unit}"), &[], "").await;
        remove("net::ask?kind=job").await.expect(204);
        app.get(&format!("{path}/jobs/net::ask")).await.expect(404);
        assert!(ids(&app, &format!("{path}/units?kind=category")).await.contains(&"net::ask".to_owned()));
        remove("net::ask?kind=job").await.expect(404);
        assert!(!remove("net::ask").await.expect(204).header("etag").is_empty());
        remove("net::ask").await.expect(404);
        let refused = remove("net::link").await.expect(409);
        assert!(refused.text.contains("run list"), "{}", refused.text);
        app.post(&format!("{path}/units"), &json!({"units": [{"id": "a/b", "plugin": "shell"}]})).await.expect(200);
        remove("a%2Fb").await.expect(204);
    }

    async fn every_fault_is_told_with_its_place_and_nothing_is_added(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = make(&app, &json!({})).await;
        let wrong = json!({
            "units": [
                {"id": "good", "plugin": "shell"}, 7, {}, {"plugin": "shell"}, {"id": "a\u{0}"},
                {"id": "b", "x": {"y": ["\u{0}"]}}, {"id": "x".repeat(2_001)}, {"id": "c", "": "x"},
                {"id": "d", "e/f\u{0}": "x"},
            ],
            "pxu": "id: good\nplugin: shell\n\nno colon\n\nid: a\nid: b\n\nplugin: shell\n",
        });
        let refused = app.post(&format!("{path}/units"), &wrong).await.expect(422);
        let told = pointers(&refused);
        assert_eq!(told, [
            "/units/1", "/units/2", "/units/2", "/units/3", "/units/4/id", "/units/4", "/units/5/x", "/units/6", "/units/7/",
            "/units/8/e~1f\u{fffd}", "/pxu", "/pxu", "/pxu",
        ], "{}", refused.text);
        for words in ["line 4: ", "line 7: ", "line 9: ", "needs an `id`"] {
            assert!(refused.text.contains(words), "{words}: {}", refused.text);
        }
        assert!(ids(&app, &format!("{path}/units")).await.is_empty());
        for namespace in ["", "a::b", "a b", &"x".repeat(201)] {
            let wrong = json!({"namespace": namespace, "pxu": PXU});
            assert_eq!(pointers(&app.post(&format!("{path}/units"), &wrong).await.expect(422)), ["/namespace"]);
        }
        assert_eq!(pointers(&app.post(&format!("{path}/units"), &json!({})).await.expect(422)), [""]);
    }

    async fn an_id_that_cannot_be_kept_makes_no_job(db: TestDb) {
        let app = TestApp::start(db).await;
        let siblings = format!(r#"[{{"id": "a\u0000b"}}, {{"id": "{}"}}, {{"id": "fine"}}]"#, "x".repeat(2_001));
        let path = make(&app, &json!({"units": [{"id": "a", "plugin": "shell", "siblings": siblings}]})).await;
        assert_eq!(ids(&app, &format!("{path}/jobs")).await, ["a", "fine"]);
        let template = "id: r\nplugin: resource\ncommand: x\n\nunit: template\ntemplate-resource: r\nid: t-{n}\nplugin: shell\ncommand: x {n}\n";
        app.post(&format!("{path}/units"), &json!({"pxu": template})).await.expect(200);
        let output = json!({"outcome": "pass", "stdout": "n: a\u{0}b\n\nn: c\n"});
        let told = report(&app, &path, "r", &output).await;
        assert_eq!(texts(&told["recorded"]["made"]["jobs"]["items"]), ["t-c"]);
        assert!(told["recorded"]["made"]["unreadable"]["items"][0]["reason"].as_str().unwrap().contains("NUL"), "{told}");
    }

    async fn the_units_of_a_provider_are_added_once(db: TestDb) {
        let app = TestApp::start(db).await;
        with_provider(&app).await;
        let path = make(&app, &json!({"providers": ["base"], "desired": ["b::one"]})).await;
        let told = app.show(&path).await;
        assert_eq!((&told["providers"], &told["numbers"]["run_list"]), (&json!(["base"]), &json!(1)));
        assert_eq!(app.show(&format!("{path}/units")).await["items"][0]["provider"], "base");
        let add = async |path: &str, name: &str| send(&app, Method::POST, &format!("{path}/providers"), &json!({"name": name})).await;
        add(&path, "base").await.expect(409);
        let refused = add(&path, "ghost").await.expect(404);
        assert!(refused.text.contains("ghost"), "{}", refused.text);
        assert_eq!(pointers(&add(&path, "a\u{0}").await.expect(422)), ["/name"]);
        let empty = make(&app, &json!({})).await;
        let added = add(&empty, "base").await.expect(200).json();
        assert_eq!(texts(&added["jobs"]["items"]), ["b::one", "b::two"]);
        app.post(SESSIONS, &json!({"providers": ["ghost"]})).await.expect(404);
    }
}

/// Stores a provider with two jobs.
async fn with_provider(app: &TestApp) {
    let unit = |id: &str| json!({"id": id, "plugin": "shell", "command": "x"});
    let provider = json!({"namespace": "b", "units": [unit("one"), unit("two")]});
    put(app, "/api/v1/providers/base", &provider).await.expect(201);
}
