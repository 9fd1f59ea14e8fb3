//! A request for a build that is repeated under one key is one build.

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

const JSON: (&str, &str) = ("content-type", "application/json");

fn build(branch: &str) -> String {
    json!({"toolchain": "gcc-12", "tree": "https://git.example.org/linux.git", "branch": branch, "kconfig": "defconfig"})
        .to_string()
}

on_both! {
    async fn repeated_under_one_key_a_request_is_one_build(db: TestDb) {
        let app = TestApp::start(db).await;
        let headers = [JSON, ("idempotency-key", "\"nightly-7\"")];
        let first = app.post_raw("/api/v1/builds/run", &headers, build("master")).await.expect(204);
        assert_eq!(first.header("idempotency-replayed"), "");
        let again = app.post_raw("/api/v1/builds/run", &headers, build("master")).await.expect(204);
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotency-replayed"), "true");
        // The native door knows the key too, without the quotes of a structured field.
        let bare = [JSON, ("idempotency-key", "nightly-7")];
        let native = app.post_raw("/api/v1/builds", &bare, build("master")).await.expect(201);
        assert_eq!(native.header("location"), first.header("location"));
        app.settle().await;
        assert_eq!(app.tuxsuite.builds().len(), 1);
    }

    async fn a_key_that_was_used_for_another_build_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let headers = [JSON, ("idempotency-key", "k")];
        app.post_raw("/api/v1/builds/run", &headers, build("master")).await.expect(204);
        let refused = app.post_raw("/api/v1/builds/run", &headers, build("next")).await.expect(422);
        assert!(refused.text.contains("another build"), "{}", refused.text);
        assert_eq!(app.items("/api/v1/builds").await.len(), 1);
        let long = "k".repeat(256);
        app.post_raw("/api/v1/builds/run", &[JSON, ("idempotency-key", &long)], build("master")).await.expect(422);
    }

    async fn at_once_under_one_key_they_are_one_build_too(db: TestDb) {
        let app = TestApp::start(db).await;
        let headers = [JSON, ("idempotency-key", "burst")];
        let posts = (0..16).map(|_| app.post_raw("/api/v1/builds/run", &headers, build("master")));
        let answers = futures_util::future::join_all(posts).await;
        let locations: std::collections::BTreeSet<&str> = answers.iter().map(|one| one.header("location")).collect();
        assert_eq!(locations.len(), 1);
        assert_eq!(answers.iter().filter(|one| one.header("idempotency-replayed").is_empty()).count(), 1);
        assert_eq!(app.items("/api/v1/builds").await.len(), 1);
    }

    async fn without_a_key_every_request_is_a_build(db: TestDb) {
        let app = TestApp::start(db).await;
        for _ in 0..2 {
            app.post_raw("/api/v1/builds/run", &[JSON], build("master")).await.expect(204);
        }
        assert_eq!(app.items("/api/v1/builds").await.len(), 2);
    }
}
