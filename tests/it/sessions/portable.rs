//! Sessions that go elsewhere as archives.

use std::io::{Cursor, Read as _};

use reqwest::Method;
use serde_json::{Value, json};

use super::{NICS, SESSIONS, network, pass, put, report};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const TAR: (&str, &str) = ("content-type", "application/x-tar");

/// The archive of a session, as it came.
async fn export(app: &TestApp, session: &str) -> Vec<u8> {
    let response = app.http.get(format!("{}{session}/export", app.base)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-tar");
    response.bytes().await.unwrap().to_vec()
}

async fn import(app: &TestApp, query: &str, archive: Vec<u8>) -> Answered {
    let request = app.http.post(format!("{}{SESSIONS}/import{query}", app.base)).header(TAR.0, TAR.1).body(archive);
    Answered::of(request.send().await.unwrap()).await
}

/// A session with a bit of everything in it: results, generated jobs, records, a trimmed job with a result, a shared value.
async fn full(app: &TestApp) -> String {
    let session = network(app, &["net::ping", "net::report"]).await;
    report(app, &session, "net::nic", &json!({"outcome": "pass", "stdout": NICS})).await;
    pass(app, &session, "net::link").await;
    report(app, &session, "net::ping", &json!({"outcome": "fail", "comments": "no answer\u{e4}", "return_code": 1}))
        .await;
    report(app, &session, "net::ask", &json!({"outcome": "skip"})).await;
    let trim = json!({"qualifier": {"id": "net::ask"}});
    app.post(&format!("{session}/trim"), &trim).await.expect(200);
    put(app, &format!("{session}/resources/net%3A%3Aby-hand"), &json!([{"k": "v"}])).await.expect(200);
    put(app, &format!("{session}/shared/answer"), &json!({"of": [42, -0.0]})).await.expect(201);
    session
}

/// Everything that can be asked of a session.
async fn all_of_it(app: &TestApp, session: &str) -> Vec<Value> {
    let mut told = Vec::new();
    for path in [
        "",
        "/jobs",
        "/units",
        "/run-list",
        "/desired",
        "/mandatory",
        "/resources",
        "/manifest",
        "/stats",
        "/verdict",
        "/events",
        "/jobs/net%3A%3Aask/results",
        "/jobs/net%3A%3Aping/results",
        "/shared/answer",
    ] {
        told.push(app.get(&format!("{session}{path}")).await.expect(200).json());
    }
    told
}

fn entries(archive: &[u8]) -> Vec<(String, String)> {
    let mut tar = tar::Archive::new(Cursor::new(archive));
    let read = |entry: std::io::Result<tar::Entry<'_, Cursor<&[u8]>>>| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), text)
    };
    tar.entries().unwrap().map(read).collect()
}

fn archive(entries: &[(String, String)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

on_both! {
    async fn a_session_comes_back_equal_from_its_archive(db: TestDb) {
        let app = TestApp::start(db).await;
        let session = full(&app).await;
        let before = all_of_it(&app, &session).await;
        let exported = export(&app, &session).await;
        assert_eq!(exported, export(&app, &session).await, "two archives of one version are the same");
        let there = import(&app, "", exported.clone()).await.expect(409);
        assert!(there.text.contains("already"), "{}", there.text);

        app.send(Method::DELETE, &session, &[], "").await.expect(204);
        app.get(&session).await.expect(404);
        let imported = import(&app, "", exported.clone()).await.expect(201);
        assert_eq!(imported.header("location"), session);
        assert_eq!(all_of_it(&app, &session).await, before);
        assert_eq!(export(&app, &session).await, exported);

        // It goes on where it was.
        report(&app, &session, "net::report", &json!({"outcome": "pass"})).await;
        assert_eq!(app.get(&format!("{session}/verdict")).await.json()["not_run"], json!([]));
    }

    async fn a_session_is_copied_under_a_new_id(db: TestDb) {
        let app = TestApp::start(db).await;
        let session = full(&app).await;
        let copied = import(&app, "?new_id=true", export(&app, &session).await).await.expect(201);
        let copy = copied.header("location").to_owned();
        assert_ne!(copy, session);
        let (mut one, mut other) = (all_of_it(&app, &session).await, all_of_it(&app, &copy).await);
        for whole in [&mut one[0], &mut other[0]] {
            whole["id"].take();
        }
        assert_eq!(one, other);
        // They go their own ways.
        pass(&app, &copy, "net::report").await;
        assert_eq!(all_of_it(&app, &session).await[1], one[1]);
    }

    async fn whoever_held_a_session_that_was_removed_and_brought_back_sees_what_is_there(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let session = full(&app).await;
        let old = export(&app, &session).await;
        let ask = |outcome: &str| json!({"outcome": outcome, "comments": "later"});
        // The other process holds it two versions further.
        report(&twin, &session, "net::report", &ask("pass")).await;
        report(&twin, &session, "net::link", &ask("fail")).await;
        app.send(Method::DELETE, &session, &[], "").await.expect(204);
        import(&app, "", old).await.expect(201);
        report(&app, &session, "net::report", &ask("crash")).await;
        report(&app, &session, "net::report", &ask("skip")).await;
        let (here, there) = (all_of_it(&app, &session).await, all_of_it(&twin, &session).await);
        assert_eq!(here, there, "the same versions, and another life");
        report(&twin, &session, "net::report", &ask("pass")).await;
        assert_eq!(all_of_it(&app, &session).await, all_of_it(&twin, &session).await);
    }

    async fn what_is_no_archive_of_a_session_is_refused_and_makes_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let session = full(&app).await;
        let whole = entries(&export(&app, &session).await);
        app.send(Method::DELETE, &session, &[], "").await.expect(204);
        let place = |name: &str| whole.iter().position(|(known, _)| known == name).unwrap();
        let with = |name: &str, change: &dyn Fn(&str) -> String| {
            let mut changed = whole.clone();
            let text = &mut changed[place(name)].1;
            *text = change(text);
            archive(&changed)
        };
        let mut reordered = whole.clone();
        reordered.swap(0, 1);
        let mut strange = whole.clone();
        strange.push(("notes.txt".to_owned(), "hello".to_owned()));
        let cut: Vec<u8> = archive(&whole)[..2_000].to_vec();
        let refused = [
            (b"no tar at all".to_vec(), "no archive of a session"),
            (Vec::new(), "empty"),
            (cut, "breaks off"),
            (archive(&reordered), "does not begin with session.json"),
            (archive(&strange), "notes.txt"),
            (with("session.json", &|text| text.replace("testyard-session", "other")), "want format"),
            (with("jobs.ndjson", &|text| format!("{text}{{}}\n")), "jobs.ndjson, line "),
            (with("jobs.ndjson", &|text| format!("{text}{text}")), "twice"),
            (with("jobs.ndjson", &|text| text.replacen("\"job_id\":\"net::", "\"job_id\":\"other::", 1)), "does not go together"),
            (with("events.ndjson", &|text| text.replacen("\"number\":", "\"number\":9", 1)), "does not go together"),
            (with("session.json", &|text| text.replacen("\"removed_in\":", "\"removed_in\":9999", 1)), "make no sense"),
            // Units are missing: the rows make no session.
            (with("units.ndjson", &|_| String::new()), "do not belong together"),
        ];
        for (bytes, words) in refused {
            let answer = import(&app, "", bytes).await.expect(422);
            assert!(answer.text.contains(words), "want {words}: {}", answer.text);
            app.get(&session).await.expect(404);
        }
        let unsent = app.send(Method::POST, &format!("{SESSIONS}/import"), &[("content-type", "text/plain")], "").await;
        unsent.expect(415);
        import(&app, "", archive(&whole)).await.expect(201);
        app.get(&session).await.expect(200);
    }
}
