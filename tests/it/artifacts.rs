//! Artifacts: what a run leaves behind is given out as it was taken in, and stays.

use std::convert::Infallible;

use chrono::TimeDelta;
use serde_json::{Value, json};
use testyard::app::AppError;
use testyard::app::artifact::{self, Put};
use testyard::app::content::NotTaken;
use testyard::config::Settings;
use testyard::domain::digest::Digest;
use testyard::ids::RunId;

use crate::support::app::{Answered, TestApp};
use crate::support::catalogue::pieces;
use crate::support::db::TestDb;
use crate::support::on_both;

/// Small limits: more than 8 bytes are an object, more than 40 are too many.
fn small(settings: &mut Settings) {
    settings.catalogue.inline_bytes = 8;
    settings.catalogue.orphan_retention_s = 100;
    settings.artifacts.max_bytes = 40;
    settings.artifacts.max_run_bytes = 100;
    settings.artifacts.max_files = 5;
}

async fn a_run(app: &TestApp, test: &str) -> RunId {
    app.plan_tests("maestro:1", &[test]).await.parse().unwrap()
}

async fn put(app: &TestApp, run: RunId, job: &str, path: &str, bytes: &[u8]) -> Result<Put, NotTaken<Infallible>> {
    artifact::put(&app.app, run, job, path, pieces(bytes, 3)).await
}

/// Why an artifact was refused.
fn words(refused: Result<Put, NotTaken<Infallible>>) -> String {
    match refused {
        Err(NotTaken::Failed(error @ (AppError::Conflict(_) | AppError::Invalid(_)))) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answered {
    app.send(reqwest::Method::GET, path, headers, "").await
}

on_both! {
    async fn an_artifact_is_given_out_as_it_was_taken_in(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let run = a_run(&app, "a").await;
        let job = "lab::net/ping ä";
        for (path, bytes) in [("few.txt", &b"8 bytes."[..]), ("logs/many ä.txt", b"more than eight bytes"), ("none", b"")] {
            let stored = put(&app, run, job, path, bytes).await.unwrap();
            assert!(stored.is_new);
            assert_eq!((stored.stored.sha256, stored.stored.size), (Digest::of(bytes), bytes.len() as u64));
            assert!(!put(&app, run, job, path, bytes).await.unwrap().is_new, "the same again is nothing new");
            let listed = app.items(&format!("/api/v1/runs/{run}/artifacts")).await;
            let listed = listed.iter().find(|it| it["path"] == path).unwrap();
            let sha256 = Digest::of(bytes).to_string();
            assert_eq!(
                listed,
                &json!({"job": job, "path": path, "size_bytes": bytes.len(), "sha256": sha256,
                    "created_at": "2026-01-02T03:04:05Z", "url": listed["url"]})
            );
            let url = listed["url"].as_str().unwrap();
            let given = get(&app, url, &[]).await.expect(200);
            assert_eq!(given.text.as_bytes(), bytes);
            for (name, value) in [
                ("etag", &*format!("\"{sha256}\"")),
                ("content-type", "application/octet-stream"),
                ("content-length", &bytes.len().to_string()),
                ("accept-ranges", "bytes"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(given.header(name), value, "{path}");
            }
            let name = path.rsplit('/').next().unwrap().replace(' ', "%20").replace('ä', "%C3%A4");
            assert_eq!(given.header("content-disposition"), format!("attachment; filename*=UTF-8''{name}"));
            get(&app, url, &[("if-none-match", given.header("etag"))]).await.expect(304);
            for (range, status, wanted) in [
                ("bytes=0-3", 206, bytes.get(..4)),
                ("bytes=2-", 206, bytes.get(2..)),
                ("bytes=-5", 206, bytes.get(bytes.len().saturating_sub(5)..)),
                ("bytes=99-", 416, None),
            ] {
                let part = get(&app, url, &[("range", range)]).await;
                let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
                    assert_eq!(part.expect(416).header("content-range"), format!("bytes */{}", bytes.len()));
                    continue;
                };
                let part = part.expect(status);
                assert_eq!(part.text.as_bytes(), wanted, "{path} {range}");
                assert!(part.header("content-range").ends_with(&format!("/{}", bytes.len())));
            }
        }
        for ghost in ["x/few.txt", "lab::net%2Fping%20%C3%A4/ghost", "a%00/b"] {
            get(&app, &format!("/api/v1/runs/{run}/artifacts/{ghost}"), &[]).await.expect(404);
        }
    }

    async fn what_is_there_is_never_changed(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let run = a_run(&app, "a").await;
        put(&app, run, "j", "a.txt", b"one").await.unwrap();
        let refused = words(put(&app, run, "j", "a.txt", b"other").await);
        assert!(refused.contains("`a.txt`") && refused.contains(&Digest::of(b"one").to_string()), "{refused}");
        put(&app, run, "k", "a.txt", b"other").await.unwrap();
        assert_eq!(get(&app, &format!("/api/v1/runs/{run}/artifacts/j/a.txt"), &[]).await.expect(200).text, "one");
        for (job, path) in [("j", "../x"), ("j", "/x"), ("j", ""), ("j", "a//b"), ("", "x"), ("a\0", "x")] {
            assert!(words(put(&app, run, job, path, b"x").await).contains("artifact"), "{job:?} {path:?}");
        }
        let none = RunId::new(app.app.now());
        let refused = put(&app, none, "j", "x", b"x").await.unwrap_err();
        assert!(matches!(refused, NotTaken::Failed(AppError::NotFound { .. })), "{refused:?}");
    }

    async fn a_run_leaves_so_much_behind_and_no_more(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let (run, other) = (a_run(&app, "a").await, a_run(&app, "b").await);
        assert!(matches!(put(&app, run, "j", "x", &[7; 41]).await, Err(NotTaken::TooLarge(40))));
        for name in ["a", "b"] {
            put(&app, run, "j", name, &[7; 40]).await.unwrap();
        }
        let refused = words(put(&app, run, "j", "c", &[7; 21]).await);
        assert!(refused.contains("past the 100"), "{refused}");
        assert!(!put(&app, run, "j", "b", &[7; 40]).await.unwrap().is_new);
        put(&app, other, "j", "c", &[7; 21]).await.unwrap();
        for name in ["c", "d", "e"] {
            put(&app, run, "j", name, b"x").await.unwrap();
        }
        let refused = words(put(&app, run, "j", "f", b"x").await);
        assert!(refused.contains("5 artifacts"), "{refused}");
    }

    async fn what_an_artifact_names_is_not_swept_up(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let run = a_run(&app, "a").await;
        put(&app, run, "j", "few", b"few").await.unwrap();
        put(&app, run, "j", "many", b"many more than eight").await.unwrap();
        // Other bytes for a name that is taken: taken in, and named by nothing.
        words(put(&app, run, "j", "few", b"named by nothing").await);
        assert_eq!(app.contents_and_garbage().await.0, 3);
        app.advance(TimeDelta::days(3)).await;
        assert_eq!((app.contents_and_garbage().await, app.object_files().len()), ((2, 0), 1));
        for (path, bytes) in [("few", "few"), ("many", "many more than eight")] {
            let given = get(&app, &format!("/api/v1/runs/{run}/artifacts/j/{path}"), &[]).await.expect(200);
            assert_eq!(given.text, bytes);
        }
        assert!(!put(&app, run, "k", "few", b"few").await.unwrap().stored.sha256.to_string().is_empty());
        assert_eq!(app.contents_and_garbage().await.0, 2, "the same bytes are kept once");
    }

    async fn artifacts_are_listed_in_pages(db: TestDb) {
        let app = TestApp::start(db).await;
        let run = a_run(&app, "a").await;
        let path = format!("/api/v1/runs/{run}/artifacts");
        assert!(app.items(&path).await.is_empty());
        let names = [("a\"/1", "x"), ("a\"/1", "y"), ("b", "a/b"), ("b", "ä"), ("c", "x")];
        for (job, path) in names {
            put(&app, run, job, path, path.as_bytes()).await.unwrap();
        }
        let name = |it: &Value| (it["job"].as_str().unwrap().to_owned(), it["path"].as_str().unwrap().to_owned());
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = app.show(&format!("{path}?limit=2{next}")).await;
            all.extend(page["items"].as_array().unwrap().iter().map(name));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("&cursor={}", url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect::<String>());
        }
        assert_eq!(all, names.map(|(job, path)| (job.to_owned(), path.to_owned())));
        let of_job = app.items(&format!("{path}?job=b")).await;
        assert_eq!(of_job.iter().map(name).collect::<Vec<_>>(), all[2..4]);
        for wrong in ["cursor=x", "cursor=[1]", "limit=0", "colour=red", "cursor=%5B%22a%5Cu0000%22,%22%22%5D"] {
            app.get(&format!("{path}?{wrong}")).await.expect(400);
        }
    }
}
