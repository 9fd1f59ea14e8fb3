//! Every change is a revision, and each can be read.

use serde_json::{Value, json};

use super::{BASE, delete, get, labels, post, put, revision, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn the_catalogue_is_read_as_of_any_revision(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/d.a", &shell("1")).await.expect(201);
        put(&app, "suites/s", &json!({"suite_ids": ["d"]})).await.expect(201);
        put(&app, "tests/d.a", &shell("2")).await.expect(200);
        put(&app, "tests/d.b", &shell("1")).await.expect(201);
        delete(&app, "tests/d.a").await.expect(204);
        let command = async |as_of: i64| {
            let read = get(&app, &format!("tests/d.a?revision={as_of}")).await;
            (read.status, read.json()["arguments"]["command"].clone())
        };
        assert_eq!(command(0).await, (404, Value::Null));
        assert_eq!(command(1).await, (200, json!("1")));
        assert_eq!(command(2).await, (200, json!("1")));
        assert_eq!(command(3).await, (200, json!("2")));
        assert_eq!(command(5).await, (404, Value::Null));
        assert_eq!(get(&app, "tests/d.a?revision=1").await.json()["removed_in"], 3);
        for (as_of, tests) in [(0, &[][..]), (1, &["d.a"]), (4, &["d.a", "d.b"]), (5, &["d.b"])] {
            assert_eq!(labels(&app, &format!("tests?revision={as_of}")).await, tests, "{as_of}");
            if as_of >= 2 {
                let expanded = post(&app, "expand", &json!({"ids": ["s"], "revision": as_of})).await.expect(200).json();
                assert_eq!(expanded["test_ids"], json!(tests), "{as_of}");
                assert_eq!(expanded["revision"], as_of);
            }
        }
        assert_eq!(get(&app, "suites/d?revision=4").await.expect(200).json()["test_ids"], json!(["d.a", "d.b"]));
        assert_eq!(app.show(&format!("{BASE}?revision=4")).await["counts"]["tests"], 2);
        for path in ["tests/d.b?revision=6", "tests?revision=6", "tests/d.b?revision=-1", "suites/d?revision=6"] {
            let missing = get(&app, path).await.expect(404);
            assert!(missing.text.contains("revision"), "{}", missing.text);
        }
        let versions = app.items(&format!("{BASE}/tests/d.a/revisions")).await;
        let versions: Vec<(&Value, &Value)> = versions.iter().map(|it| (&it["revision"], &it["until_revision"])).collect();
        assert_eq!(versions, [(&json!(3), &json!(5)), (&json!(1), &json!(3))]);
    }

    async fn a_revision_says_who_made_it_and_what_for(db: TestDb) {
        let secret = "tok_catalogue";
        let app = TestApp::start_with(db, |settings| {
            use sha2::Digest as _;
            settings.access.tokens.push(testyard::config::Token {
                name: "kim".into(),
                sha256: hex::encode(sha2::Sha256::digest(secret)),
                scope: testyard::config::Scope::Operate,
                max_priority: 100,
            });
        })
        .await;
        let bearer = format!("Bearer {secret}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let path = format!("{BASE}/tests/a?message=for%20the%20release");
        app.send(reqwest::Method::PUT, &path, &headers, shell("1").to_string()).await.expect(201);
        let read = app.send(reqwest::Method::GET, &format!("{BASE}/revisions/1"), &headers, "").await.expect(200).json();
        assert_eq!((&read["author"], &read["message"]), (&json!("kim"), &json!("for the release")));
        assert_eq!(read["created_at"], "2026-01-02T03:04:05Z");
    }

    async fn the_feed_tells_every_change_once_and_in_order(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/d.a", &shell("1")).await.expect(201);
        put(&app, "tests/d.a", &shell("2")).await.expect(200);
        post(&app, "apply", &json!({
            "items": [{"kind": "test", "label": "b", "class": "command.ExecTest"}],
            "remove": [{"kind": "test", "label": "d.a"}],
        })).await.expect(200);
        let all = [
            (1, "directory", "d", "created"),
            (1, "test", "d.a", "created"),
            (2, "test", "d.a", "replaced"),
            (3, "test", "b", "created"),
            (3, "test", "d.a", "removed"),
        ];
        let tell = |change: &Value| {
            let text = |member: &str| change[member].as_str().unwrap().to_owned();
            (change["revision"].as_i64().unwrap(), text("kind"), text("name"), text("did"))
        };
        let whole: Vec<_> = app.items(&format!("{BASE}/changes")).await.iter().map(tell).collect();
        let told = |from: usize| -> Vec<_> {
            all[from..].iter().map(|(number, kind, name, did)| (*number, (*kind).to_owned(), (*name).to_owned(), (*did).to_owned())).collect()
        };
        assert_eq!(whole, told(0));
        let later: Vec<_> = app.items(&format!("{BASE}/changes?since=1")).await.iter().map(tell).collect();
        assert_eq!(later, told(2));
        assert_eq!(app.items(&format!("{BASE}/changes?since=3")).await, Vec::<Value>::new());
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.show(&format!("{BASE}/changes?limit=1{cursor}")).await;
            paged.extend(page["items"].as_array().unwrap().iter().map(tell));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, told(0));
        let revisions = app.items(&format!("{BASE}/revisions")).await;
        assert_eq!(revisions.iter().map(|it| it["revision"].as_i64().unwrap()).collect::<Vec<_>>(), [3, 2, 1]);
        get(&app, "changes?cursor=7").await.expect(400);
        assert_eq!(revision(&app).await, 3);
    }
}
