//! Sessions come and go.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NICS, PXU, SESSIONS, all_of, ids, make, network, pass, put, report, send, texts};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn a_session_is_made_with_all_that_it_is_told(db: TestDb) {
        let app = TestApp::start(db).await;
        let new = json!({
            "title": {"name": "nightly"}, "app_id": "checkbox", "app_blob": "aGkK", "flags": ["incomplete"],
            "custom_joblist": true, "rejected_jobs": ["net::ask"], "namespace": "net",
            "units": [{"id": "first", "plugin": "shell", "command": "x", "estimated_duration": 2, "absent": null}],
            "pxu": PXU, "test_plans": ["net::smoke"], "desired": ["net::ghost", "net::first"],
        });
        let made = app.post(SESSIONS, &new).await.expect(201);
        let told = made.json();
        assert_eq!(made.header("location"), format!("{SESSIONS}/{}", told["id"].as_str().unwrap()));
        assert_eq!((made.header("etag"), &told["version"]), ("\"r1\"", &json!(1)));
        for member in ["title", "app_id", "app_blob", "flags", "custom_joblist", "rejected_jobs", "test_plans"] {
            assert_eq!(told[member], new[member], "{member}");
        }
        assert_eq!(told["added"]["jobs"]["count"], 7);
        assert_eq!(texts(&told["added"]["jobs"]["items"])[..2], ["net::first", "net::nic"]);
        assert_eq!(told["added"]["others"], 4);
        assert_eq!(told["problems"]["count"], 1, "{told}");
        let problem = &told["problems"]["items"][0];
        assert_eq!((&problem["problem"], &problem["job"]), (&json!("unknown"), &json!("net::ghost")));
        assert!(problem["sentence"].as_str().unwrap().contains("there is no job `net::ghost`"), "{problem}");
        // link is mandatory, ping included, nic pulled in, first desired.
        let numbers = json!({"units": 11, "jobs": 7, "run_list": 4, "todo": 4, "ready": 3, "outcomes": {}});
        assert_eq!(told["numbers"], numbers);
        let mut shown = app.show(made.header("location")).await;
        for only_of_making in ["added", "problems"] {
            shown[only_of_making] = told[only_of_making].clone();
        }
        assert_eq!(shown, told);
        let first = app.show(&format!("{}/jobs/net::first", made.header("location"))).await;
        assert_eq!(first["unit"]["fields"], json!({"id": "first", "plugin": "shell", "command": "x", "estimated_duration": "2"}));
    }

    async fn an_empty_session_is_one_too(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = make(&app, &json!({})).await;
        let told = app.show(&path).await;
        assert_eq!((&told["title"], &told["app_blob"], &told["app_id"]), (&Value::Null, &json!(""), &Value::Null));
        assert_eq!(told["numbers"]["units"], 0);
    }

    async fn sessions_are_listed_newest_first_in_pages(db: TestDb) {
        let app = TestApp::start(db).await;
        let mut made = Vec::new();
        for number in 0..5 {
            let app_id = if number % 2 == 0 { "even" } else { "odd" };
            made.push(make(&app, &json!({"title": number, "app_id": app_id})).await);
            app.clock.advance(chrono::TimeDelta::seconds(1));
        }
        let titles = async |query: &str| {
            let mut titles = Vec::new();
            let mut next = String::new();
            loop {
                let page = app.show(&format!("{SESSIONS}?limit=2{query}{next}")).await;
                titles.extend(page["items"].as_array().unwrap().iter().map(|item| item["title"].as_u64().unwrap()));
                match page["next_cursor"].as_str() {
                    Some(cursor) => next = format!("&cursor={cursor}"),
                    None => return titles,
                }
            }
        };
        assert_eq!(titles("").await, [4, 3, 2, 1, 0]);
        assert_eq!(titles("&app_id=even").await, [4, 2, 0]);
        assert!(titles("&app_id=none").await.is_empty());
    }

    async fn what_is_noted_is_patched(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = make(&app, &json!({"title": "a", "app_id": "x", "app_blob": "aGkK", "flags": ["one"]})).await;
        let patched = send(&app, Method::PATCH, &path, &json!({"flags": ["two"], "app_blob": null})).await.expect(200);
        let told = patched.json();
        assert_eq!((patched.header("etag"), &told["version"]), ("\"r2\"", &json!(2)));
        assert_eq!((&told["title"], &told["app_id"], &told["app_blob"], &told["flags"]),
            (&json!("a"), &json!("x"), &Value::Null, &json!(["two"])));
        let told = send(&app, Method::PATCH, &path, &json!({"title": null, "app_id": null})).await.expect(200).json();
        assert_eq!((&told["title"], &told["app_id"]), (&Value::Null, &Value::Null));
        // What changes nothing makes no version.
        let same = send(&app, Method::PATCH, &path, &json!({"flags": ["two"]})).await.expect(200);
        assert_eq!(same.header("etag"), "\"r3\"");
        assert!(app.items(&format!("{SESSIONS}?app_id=x")).await.is_empty());
    }

    async fn a_session_that_is_removed_is_gone_with_all_of_it(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping"]).await;
        pass(&app, &path, "net::link").await;
        let gone = app.send(Method::DELETE, &path, &[], "").await.expect(204);
        assert!(gone.text.is_empty());
        for below in ["", "/jobs", "/jobs/net::link/results", "/units", "/desired"] {
            app.get(&format!("{path}{below}")).await.expect(404);
        }
        app.send(Method::DELETE, &path, &[], "").await.expect(404);
        app.post(&format!("{path}/jobs/net::link/results"), &json!({"outcome": "pass"})).await.expect(404);
        assert!(app.items(SESSIONS).await.is_empty());
    }

    async fn a_session_stands_as_it_stood_after_a_restart(db: TestDb) {
        let app = TestApp::start(db).await;
        let new = json!({"namespace": "net", "pxu": PXU, "test_plans": ["net::smoke"], "desired": ["net::report"]});
        let path = make(&app, &new).await;
        let nics = json!({"outcome": "pass", "stdout": NICS});
        report(&app, &path, "net::nic", &nics).await;
        report(&app, &path, "net::link", &json!({"outcome": "fail", "comments": "\u{1b}[1mno\u{1b}[0m"})).await;
        put(&app, &format!("{path}/manifest"), &json!({"answers": {"net::a": true}})).await.expect(200);
        send(&app, Method::PATCH, &format!("{path}/jobs/net::report"), &json!({"attempts": 1})).await.expect(200);
        let before = all_of(&app, &path).await;
        let app = app.restart().await;
        assert_eq!(all_of(&app, &path).await, before);
        app.post_empty(&format!("{path}/plans/include")).await.expect(200);
        let list = ids(&app, &format!("{path}/run-list")).await;
        assert!(list.contains(&"net::check-wlan0".to_owned()), "templates made jobs before: {list:?}");
    }
}
