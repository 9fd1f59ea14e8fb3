//! Files beside items, over HTTP.

use reqwest::Method;
use serde_json::json;
use testyard::domain::digest::Digest;

use super::{BASE, delete, get, post, put, revision, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| u8::try_from(place * 7 % 251).unwrap()).collect()
}

on_both! {
    async fn a_file_goes_up_beside_an_item_and_comes_down_as_it_was(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.catalogue.inline_bytes = 100).await;
        put(&app, "tests/a", &shell("1")).await.expect(201);
        // The second is longer than one part of an upload.
        for (name, count) in [("small.txt", 100), ("large.bin", 9 << 20)] {
            let path = format!("{BASE}/tests/a/attachments/{name}?description=data");
            let stored = app.send(Method::PUT, &path, &[("content-type", "text/x-data")], bytes(count)).await.expect(200);
            assert_eq!(stored.json(), json!({"sha256": Digest::of(&bytes(count)), "size": count}));
            assert_eq!(stored.header("etag"), get(&app, "tests/a").await.header("etag"));
            let url = format!("{}{BASE}/tests/a/attachments/{name}", app.base);
            let read = app.http.get(url).send().await.unwrap();
            assert_eq!(read.headers()["content-type"], "text/x-data");
            assert_eq!(read.headers()["x-content-type-options"], "nosniff");
            assert!(read.headers()["content-disposition"].to_str().unwrap().contains(name));
            assert_eq!(read.bytes().await.unwrap(), bytes(count));
        }
        let shown = get(&app, "tests/a").await.json();
        assert_eq!(shown["attachments"]["small.txt"]["description"], "data");
        assert_eq!(shown["attachments"]["small.txt"]["size"], 100);
        assert_eq!(shown["arguments"]["command"], "1");
        let tag = get(&app, "tests/a/attachments/small.txt").await.header("etag").to_owned();
        let path = format!("{BASE}/tests/a/attachments/small.txt");
        app.send(Method::GET, &path, &[("if-none-match", &tag)], "").await.expect(304);
    }

    async fn a_removed_file_stays_in_earlier_revisions(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "suites/s", &json!({})).await.expect(201);
        let path = format!("{BASE}/suites/s/attachments/notes");
        app.send(Method::PUT, &path, &[], "one").await.expect(200);
        app.send(Method::PUT, &path, &[], "two").await.expect(200);
        assert_eq!(get(&app, "suites/s/attachments/notes").await.expect(200).text, "two");
        delete(&app, "suites/s/attachments/notes").await.expect(204);
        get(&app, "suites/s/attachments/notes").await.expect(404);
        delete(&app, "suites/s/attachments/notes").await.expect(404);
        assert_eq!(get(&app, "suites/s/attachments/notes?revision=2").await.expect(200).text, "one");
        // As long as an earlier revision names the bytes no sweep takes them.
        app.advance(chrono::TimeDelta::days(30)).await;
        assert_eq!(get(&app, "suites/s/attachments/notes?revision=3").await.expect(200).text, "two");
    }

    async fn bytes_go_ahead_of_the_document_that_names_them(db: TestDb) {
        let app = TestApp::start(db).await;
        let stored = app.send(Method::POST, &format!("{BASE}/attachments"), &[], "data").await.expect(201);
        assert_eq!(app.get(stored.header("location")).await.expect(200).text, "data");
        let sha256 = stored.json()["sha256"].clone();
        put(&app, "classes/m.C", &json!({
            "of": "test", "fields": [{"name": "input", "type": "attachment"}], "execution": {"runner": "lab"},
        })).await.expect(201);
        let with = |sha256: &serde_json::Value, size: u64| json!({
            "class": "m.C", "arguments": {"input": {"filename": "in.txt", "sha256": sha256, "size": size}},
        });
        let unknown = json!(Digest::of(b"never seen"));
        let before = revision(&app).await;
        for (document, words) in [(with(&unknown, 10), "upload it first"), (with(&sha256, 5), "4 bytes, not 5")] {
            let refused = put(&app, "tests/a", &document).await.expect(422);
            assert!(refused.text.contains(words), "{}", refused.text);
        }
        assert_eq!(revision(&app).await, before);
        let shown = put(&app, "tests/a", &with(&sha256, 4)).await.expect(201).json();
        assert_eq!(shown["arguments"]["input"]["mime_type"], "text/plain");
        app.advance(chrono::TimeDelta::days(30)).await;
        get(&app, &format!("attachments/{}", sha256.as_str().unwrap())).await.expect(200);
    }

    async fn bytes_that_no_item_names_are_removed(db: TestDb) {
        let app = TestApp::start(db).await;
        let stored = app.send(Method::POST, &format!("{BASE}/attachments"), &[], "data").await.expect(201);
        app.advance(chrono::TimeDelta::hours(23)).await;
        app.get(stored.header("location")).await.expect(200);
        app.advance(chrono::TimeDelta::hours(2)).await;
        app.get(stored.header("location")).await.expect(404);
    }

    async fn what_is_no_file_of_an_item_is_refused(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.catalogue.max_attachment_bytes = 1_000).await;
        put(&app, "tests/a", &shell("1")).await.expect(201);
        put(&app, "expectations/a", &json!({"outcome": "FAIL"})).await.expect(201);
        let before = app.show(BASE).await;
        let up = |path: &'static str, body: Vec<u8>| {
            let app = &app;
            async move { app.send(Method::PUT, &format!("{BASE}/{path}"), &[], body).await }
        };
        up("tests/b/attachments/x", b"1".to_vec()).await.expect(404);
        up("expectations/a/attachments/x", b"1".to_vec()).await.expect(422);
        for name in ["..%2Fx", "a%2Fb", "%2e%2e%2f", "a%00b", "a%0Ab", "a%5Cb"] {
            let path = format!("{BASE}/tests/a/attachments/{name}");
            let refused = app.send(Method::PUT, &path, &[], "1").await;
            assert_eq!(refused.status, 422, "{name}: {}", refused.text);
        }
        let refused = up("tests/a/attachments/x", vec![0; 1_001]).await.expect(413);
        assert!(refused.text.contains("1000 bytes"), "{}", refused.text);
        let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(
            (0..5).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 300])),
        ));
        app.send(Method::PUT, &format!("{BASE}/tests/a/attachments/x"), &[], streamed).await.expect(413);
        get(&app, "tests/a/attachments/x").await.expect(404);
        get(&app, "attachments/abc").await.expect(404);
        assert_eq!(app.show(BASE).await, before);
        post(&app, "attachments", &json!({})).await.expect(201);
    }

    async fn two_who_put_files_beside_one_item_lose_none(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/a", &shell("1")).await.expect(201);
        let puts = (0..6).map(|number| {
            let app = &app;
            async move {
                let path = format!("{BASE}/tests/a/attachments/f{number}");
                app.send(Method::PUT, &path, &[], number.to_string()).await.status
            }
        });
        let statuses = futures_util::future::join_all(puts).await;
        let kept = get(&app, "tests/a").await.json()["attachments"].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(kept, statuses.iter().filter(|status| **status == 200).count());
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    }
}
