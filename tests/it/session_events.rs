//! What happens in a session, for those who listen: pages, waiting, streams; and the values that they share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use testyard::app::session::change::By;
use testyard::app::session::result::Reports;
use testyard::app::session::{Sessions, make, result, steer};
use testyard::clock::SystemClock;
use testyard::domain::session::{Outcome, Report};
use testyard::domain::unit::{FieldValue, Unit};
use testyard::ids::SessionId;
use tokio::time::timeout;

use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::process::{Service, serve};
use crate::support::sse::{SSE, Stream};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn job(id: &str) -> Unit {
    let fields = [("id", id), ("plugin", "shell"), ("command", "true")];
    Unit::new(None, None, fields.map(|(name, value)| (name.to_owned(), FieldValue::from(value))).into())
}

/// A session of these many jobs, all desired.
async fn a_session(sessions: &Sessions, jobs: usize) -> SessionId {
    let ids: Vec<String> = (0..jobs).map(|number| format!("job{number}")).collect();
    let units = ids.iter().map(|id| job(id)).collect();
    make::create(sessions, make::New { units, desired: ids, ..make::New::default() }, None).await.unwrap().value.id
}

/// Records that a job passed.
async fn pass(sessions: &Sessions, id: SessionId, job: usize) {
    let report = Report { outcome: Some(Outcome::Pass), comments: Some(format!("{job}")), ..Report::default() };
    result::record(sessions, id, Reports::One(format!("job{job}"), report), false, By::default()).await.unwrap();
}

fn path(id: SessionId) -> String {
    format!("/api/v1/sessions/{id}/events")
}

/// Everything that happened, page by page.
async fn all(app: &TestApp, id: SessionId) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = app.show(&format!("{}?limit=100{next}", path(id))).await;
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

fn numbers(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["number"].as_i64().unwrap()).collect()
}

impl Stream {
    /// The next events, this many.
    async fn some(&mut self, many: usize) -> Vec<Value> {
        let mut some = Vec::new();
        while some.len() < many {
            let told = self.next().await.expect("the stream goes on");
            assert_eq!(told.id, told.data["number"].as_i64());
            assert_eq!(told.event, told.data["event"].as_str().unwrap());
            some.push(told.data);
        }
        some
    }
}

on_both! {
    async fn what_happened_is_listed_in_pages(db: TestDb) {
        let app = TestApp::start(db).await;
        let id = a_session(&app.app.sessions, 3).await;
        assert!(all(&app, id).await.is_empty(), "what a session was made of is told by the session");
        for number in 0..3 {
            pass(&app.app.sessions, id, number).await;
        }
        let events = all(&app, id).await;
        assert!(events.len() >= 6, "{events:#?}");
        assert!(numbers(&events).is_sorted() && numbers(&events).windows(2).all(|pair| pair[0] + 1 == pair[1]));
        let result = events.iter().find(|event| event["event"] == "result_changed").unwrap();
        assert_eq!(
            result,
            &json!({"number": result["number"], "version": 2, "happened_at": "2026-01-02T03:04:05Z", "source": "state",
                "event": "result_changed", "job": "job0", "outcome": "pass"})
        );
        let first = events[0]["number"].as_i64().unwrap();
        let page = app.show(&format!("{}?limit=2&after={first}", path(id))).await;
        assert_eq!(page["items"].as_array().unwrap().as_slice(), &events[1..3]);
        assert_eq!(page["next_cursor"], (first + 2).to_string());
        let last = first + i64::try_from(events.len()).unwrap() - 1;
        let page = app.show(&format!("{}?after={}&limit=1", path(id), last - 1)).await;
        assert_eq!((&page["items"][0], &page["next_cursor"]), (events.last().unwrap(), &Value::Null));
        assert!(app.items(&format!("{}?after={last}", path(id))).await.is_empty());
    }

    async fn those_who_tell_can_be_chosen(db: TestDb) {
        let app = TestApp::start(db).await;
        let sessions = &app.app.sessions;
        let id = a_session(sessions, 1).await;
        for number in 0..5 {
            steer::add_units(sessions, id, vec![job(&format!("more{number}"))], By::default()).await.unwrap();
            steer::desire(sessions, id, vec![format!("more{number}")], false, By::default()).await.unwrap();
        }
        let events = all(&app, id).await;
        for tellers in [&["session"][..], &["state"], &["context"], &["session", "context"]] {
            let wanted: Vec<&Value> =
                events.iter().filter(|event| tellers.contains(&event["source"].as_str().unwrap())).collect();
            assert!(!wanted.is_empty(), "{tellers:?}: {events:#?}");
            let query: Vec<String> = tellers.iter().map(|teller| format!("source={teller}")).collect();
            let query = format!("{}?{}", path(id), query.join("&"));
            let (mut found, mut next) = (Vec::new(), String::new());
            loop {
                let page = app.show(&format!("{query}&limit=2{next}")).await;
                found.extend(page["items"].as_array().unwrap().iter().cloned());
                match page["next_cursor"].as_str() {
                    Some(cursor) => next = format!("&cursor={cursor}"),
                    None => break,
                }
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{tellers:?}");
            let mut stream = Stream::open(&format!("{}{query}&follow=1", app.base), &[]).await;
            assert_eq!(stream.some(wanted.len()).await.iter().collect::<Vec<_>>(), wanted, "{tellers:?}");
        }
    }

    async fn a_stream_tells_all_in_order_across_reconnects_whoever_writes(db: TestDb) {
        const JOBS: usize = 40;
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let id = a_session(&app.app.sessions, JOBS).await;
        let url = format!("{}{}", app.base, path(id));
        let mut stream = Stream::open(&url, &[SSE]).await;
        let hello = stream.any().await.unwrap();
        assert_eq!((hello.is_comment, hello.retry), (true, Some(2_000)));
        let (here, there) = (app.app.sessions.clone(), twin.app.sessions.clone());
        let writing = tokio::spawn(async move {
            for number in 0..JOBS {
                pass(if number % 2 == 0 { &here } else { &there }, id, number).await;
            }
        });
        let mut heard = Vec::new();
        // Breaks off in the middle, again and again, and goes on elsewhere.
        for (turn, many) in [3, 1, 7, 12, 5, 20].into_iter().enumerate() {
            heard.extend(stream.some(many).await);
            drop(stream);
            let last = heard.last().unwrap()["number"].to_string();
            let base = if turn % 2 == 0 { &twin.base } else { &app.base };
            // A client that connects again has the first address, and says what it heard since.
            let url = format!("{base}{}?after=0", path(id));
            stream = Stream::open(&url, &[SSE, ("last-event-id", &last)]).await;
        }
        timeout(PATIENCE, writing).await.unwrap().unwrap();
        let stored = all(&app, id).await;
        heard.extend(stream.some(stored.len() - heard.len()).await);
        assert_eq!(heard, stored);
        assert_eq!(stored.iter().filter(|event| event["event"] == "result_changed").count(), JOBS);
        let mut late = Stream::open(&format!("{url}?follow=1&after={}", stored[9]["number"]), &[]).await;
        assert_eq!(late.some(5).await, stored[10..15]);
    }

    async fn a_stream_ends_with_its_session(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let id = a_session(&app.app.sessions, 1).await;
        let mut streams = Vec::new();
        for base in [&app.base, &twin.base] {
            streams.push(Stream::open(&format!("{base}{}", path(id)), &[SSE]).await);
        }
        pass(&app.app.sessions, id, 0).await;
        let stored = all(&app, id).await;
        for stream in &mut streams {
            assert_eq!(stream.some(stored.len()).await, stored);
        }
        make::delete(&app.app.sessions, id, None).await.unwrap();
        for stream in &mut streams {
            let last = stream.next().await.unwrap();
            assert_eq!((last.id, last.event.as_str()), (None, "deleted"));
            assert_eq!(last.data, json!({"event": "deleted", "session": id.to_string()}));
            assert_eq!(stream.next().await, None);
        }
        let refused = Stream::ask(&format!("{}{}", app.base, path(id)), &[SSE]).await;
        assert_eq!(refused.status(), 404);
    }

    async fn whoever_cannot_stream_waits(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let id = a_session(&app.app.sessions, 2).await;
        let begun = Instant::now();
        let page = app.show(&format!("{}?wait=1", path(id))).await;
        assert_eq!((&page, begun.elapsed() >= Duration::from_secs(1)), (&json!({"items": [], "next_cursor": null}), true));
        let waiting = format!("{}?wait=60&limit=1", path(id));
        // Who writes elsewhere rings no bell here.
        let (page, ()) = tokio::join!(app.show(&waiting), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            pass(&twin.app.sessions, id, 0).await;
        });
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        let stored = all(&app, id).await;
        assert_eq!(page["items"][0], stored[0]);
        assert_eq!(app.show(&waiting).await, page, "what is there is not waited for");
        let last = stored.last().unwrap()["number"].as_i64().unwrap();
        let waiting = format!("{}?wait=60&after={last}&source=session", path(id));
        let (page, ()) = tokio::join!(app.show(&waiting), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            pass(&app.app.sessions, id, 1).await;
            steer::desire(&app.app.sessions, id, Vec::new(), false, By::default()).await.unwrap();
        });
        assert!(page["items"].as_array().unwrap().iter().all(|event| event["source"] == "session"), "{page}");
        assert!(!page["items"].as_array().unwrap().is_empty());
        let last = all(&app, id).await.last().unwrap()["number"].as_i64().unwrap();
        let waiting = format!("{}?wait=60&after={last}", path(id));
        let (gone, ()) = tokio::join!(app.get(&waiting), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            make::delete(&app.app.sessions, id, None).await.unwrap();
        });
        gone.expect(404);
    }

    async fn streams_are_bounded_and_what_is_asked_for_is_strict(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.server.max_event_streams = 2).await;
        let id = a_session(&app.app.sessions, 1).await;
        let url = format!("{}{}", app.base, path(id));
        let (one, two) = (Stream::open(&url, &[SSE]).await, Stream::open(&url, &[SSE]).await);
        for (query, headers) in [("", &[SSE][..]), ("?follow=1", &[]), ("?wait=1", &[])] {
            let refused = Answered::of(Stream::ask(&format!("{url}{query}"), headers).await).await.expect(503);
            assert!(refused.text.contains("2 event streams are open"), "{}", refused.text);
            assert_eq!((refused.header("retry-after"), &refused.json()["code"]), ("10", &json!("unavailable")));
        }
        app.get(&path(id)).await.expect(200);
        drop(one);
        let freed = timeout(PATIENCE, async {
            while Stream::ask(&url, &[SSE]).await.status() == 503 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        freed.await.expect("a place is free again");
        drop(two);
        for (query, headers, words) in [
            ("?after=x", &[][..], "after"),
            ("?source=nobody", &[], "nobody"),
            ("?follow=maybe", &[], "maybe"),
            ("?wait=61", &[], "at most 60"),
            ("?after=1&cursor=2", &[], "not both"),
            ("?follow=1&wait=3", &[], "wait"),
            ("?limit=3", &[SSE], "limit"),
            ("?colour=red", &[], "colour"),
            ("", &[SSE, ("last-event-id", "x")], "Last-Event-ID"),
        ] {
            let refused = Answered::of(Stream::ask(&format!("{url}{query}"), headers).await).await.expect(400);
            assert!(refused.text.contains(words), "{query}: {}", refused.text);
        }
        for wrong in ["run_0198c1a20b7c7d3e9f00112233445566", "ses_0198c1a20b7c7d3e9f00112233445566"] {
            app.get(&format!("/api/v1/sessions/{wrong}/events")).await.expect(404);
        }
    }

    async fn a_service_that_stops_ends_its_streams(db: TestDb) {
        let folder = TempDir::new().unwrap();
        let service = Service::up(serve(folder.path(), db.url(), &[])).await;
        let sessions = Sessions::new(db.open().await, Arc::new(SystemClock));
        let id = a_session(&sessions, 1).await;
        let mut stream = Stream::open(&format!("{}{}", service.base(), path(id)), &[SSE]).await;
        pass(&sessions, id, 0).await;
        assert_eq!(stream.some(1).await[0]["version"], 2);
        let begun = Instant::now();
        service.signal(Signal::TERM);
        while stream.next().await.is_some() {}
        let ended = service.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not wait for whoever listens");
    }

    async fn of_values_that_are_shared_the_first_stays(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let id = a_session(&app.app.sessions, 1).await;
        let path = |key: &str| format!("/api/v1/sessions/{id}/shared/{key}");
        let put = async |app: &TestApp, key: &str, value: &str| {
            app.send(Method::PUT, &path(key), &[("content-type", "application/json")], value.to_owned()).await
        };
        app.get(&path("machine")).await.expect(404);
        let kept = put(&app, "machine", r#"{"b": 1e16, "a": [null]}"#).await.expect(201);
        assert_eq!(kept.header("location"), path("machine"));
        let want = json!({
            "key": "machine", "value": {"b": 1e16, "a": [null]}, "created_at": "2026-01-02T03:04:05Z", "created_by": null,
        });
        assert_eq!(kept.json(), want);
        assert_eq!(put(&twin, "machine", "2").await.expect(200).json(), want);
        assert_eq!(twin.show(&path("machine")).await, want);
        app.send(Method::DELETE, &path("machine"), &[], "").await.expect(204);
        app.send(Method::DELETE, &path("machine"), &[], "").await.expect(404);
        put(&app, "machine", "null").await.expect(201);
        let stays = put(&app, "machine", "1").await.expect(200).json();
        assert_eq!(stays["value"], Value::Null, "nothing is a value");
        assert_eq!(put(&app, "a%2Fb%20%C3%A4", "1").await.expect(201).header("location"), path("a%2Fb%20%C3%A4"));

        let races = (0..10).map(|number| {
            let app = if number % 2 == 0 { &app } else { &twin };
            async move { put(app, "race", &number.to_string()).await }
        });
        let answers = futures_util::future::join_all(races).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        let winner = app.show(&path("race")).await["value"].clone();
        assert!(answers.iter().all(|answer| [200, 201].contains(&answer.status) && answer.json()["value"] == winner));

        put(&app, "x", "{").await.expect(400);
        put(&app, "a%00b", "1").await.expect(422);
        put(&app, &"k".repeat(201), "1").await.expect(422);
        put(&app, "x", &format!("\"{}\"", "x".repeat(256 << 10))).await.expect(413);
        app.send(Method::PUT, &path("x"), &[], "1").await.expect(415);
        app.get(&path("a%00b")).await.expect(404);
        app.send(Method::DELETE, &path("a%00b"), &[], "").await.expect(404);
        make::delete(&app.app.sessions, id, None).await.unwrap();
        put(&app, "machine", "1").await.expect(404);
        app.get(&path("machine")).await.expect(404);
    }

    async fn a_session_has_so_many_shared_values(db: TestDb) {
        let app = TestApp::start(db).await;
        let id = a_session(&app.app.sessions, 1).await;
        let shared = testyard::app::session::shared::put;
        for number in 0..1_000 {
            shared(&app.app.sessions, id, &number.to_string(), json!(number), None).await.unwrap();
        }
        let json = [("content-type", "application/json")];
        let put = async |key: &str| app.send(Method::PUT, &format!("/api/v1/sessions/{id}/shared/{key}"), &json, "1").await;
        put("more").await.expect(409);
        assert_eq!(put("7").await.expect(200).json()["value"], 7);
        app.get(&format!("/api/v1/sessions/{id}/shared/more")).await.expect(404);
    }
}
