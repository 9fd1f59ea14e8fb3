//! The feed of events over HTTP: what a run's and a session's way leave in it, filters, waiting and streams.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many events of the feed, or of a part of it; they are waited for one page after the other, each behind the last.
async fn heard(app: &TestApp, path: &str, many: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    while all.len() < many {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = app.show(&format!("{path}{sign}wait_s=10{after}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(!items.is_empty(), "{path}: {all:#?}");
        after = format!("&after={}", text(items.last().unwrap(), "id"));
        all.extend(items.iter().cloned());
    }
    all
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

on_both! {
    async fn a_runs_way_is_told_from_its_plan_to_its_delivery(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_tests("maestro:1", &["ltp-smoke"]).await;
        let callback = app.tuxsuite.finish_test(&uid, "pass", &[("boot", "pass"), ("ltp-smoke", "pass")]);
        app.call_back(&callback).await.expect(204);
        app.settle().await;
        app.deliver().await;
        let events = heard(&app, "/api/v1/events", 4).await;
        let of_run: Vec<&Value> = events.iter().filter(|event| event["run"] == run.as_str()).collect();
        let told: Vec<Value> = heard(&app, &format!("/api/v1/runs/{run}/events"), 4).await;
        assert_eq!(told.iter().take(of_run.len()).collect::<Vec<_>>(), of_run, "a run's events are those of the feed");
        assert_eq!(kinds(&told[..3]), ["run.planned", "run.accepted", "run.finished"]);
        assert_eq!(told[3]["kind"], "delivery.delivered", "{told:#?}");
        assert!(told[..3].iter().all(|event| event["build_id"] == "maestro:1"), "{told:#?}");
        assert_eq!((&told[1]["data"]["uid"], &told[2]["data"]["status"]), (&json!(uid), &json!("PASS")));
        assert_eq!(told[0]["happened_at"], "2026-01-02T03:04:05Z");

        let by_build = heard(&app, "/api/v1/events?build_id=maestro:1&kind=run", 3).await;
        assert_eq!(kinds(&by_build), ["run.planned", "run.accepted", "run.finished"]);
        let finished = heard(&app, &format!("/api/v1/events?run={run}&kind=run.finished&kind=session.*"), 1).await;
        assert_eq!(finished, told[2..3]);
        let page = app.show(&format!("/api/v1/runs/{run}/events?limit=2")).await;
        assert_eq!(page["items"].as_array().unwrap().as_slice(), &told[..2]);
        assert_eq!(page["next_cursor"], told[1]["id"]);
        let rest = app.items(&format!("/api/v1/runs/{run}/events?cursor={}", text(&told[1], "id"))).await;
        assert!(rest.starts_with(&told[2..]), "{rest:#?}");
    }

    async fn a_build_and_a_canceled_run_are_told(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, uid) = app.start_build().await;
        app.call_back(&app.tuxsuite.finish_build(&uid, "pass")).await.expect(204);
        app.settle().await;
        let told = heard(&app, &format!("/api/v1/runs/{run}/events?kind=run&kind=build"), 4).await;
        assert_eq!(kinds(&told), ["run.planned", "run.accepted", "run.finished", "build.finished"]);
        let build = app.run(&run).await["build_id"].clone();
        assert!(told[1..].iter().all(|event| event["build_id"] == build), "want {build}: {told:#?}");
        assert_eq!(told[3]["data"]["status"], "PASS");

        let canceled = app.plan_tests("maestro:2", &["ltp-smoke"]).await;
        app.post_empty(&format!("/api/v1/runs/{canceled}/cancel")).await.expect(204);
        let told = heard(&app, &format!("/api/v1/runs/{canceled}/events?kind=run"), 2).await;
        assert_eq!(kinds(&told), ["run.planned", "run.canceled"]);
        assert_eq!(told[1]["data"]["status"], "MISS");
    }

    async fn what_a_session_tells_is_in_the_feed_and_goes_with_it(db: TestDb) {
        let app = TestApp::start(db).await;
        let new = json!({"units": [{"id": "a", "plugin": "shell", "command": "true"}], "desired": ["a"]});
        let session = text(&app.post("/api/v1/sessions", &new).await.expect(201).json(), "id");
        let path = format!("/api/v1/sessions/{session}");
        app.post(&format!("{path}/jobs/a/results"), &json!({"outcome": "pass"})).await.expect(200);
        let own = app.items(&format!("{path}/events?limit=1000")).await;
        let feed = heard(&app, &format!("/api/v1/events?session={session}"), own.len() + 1).await;
        assert_eq!(feed[0]["kind"], "session.created");
        let told: Vec<&Value> = feed[1..].iter().map(|event| &event["data"]["number"]).collect();
        assert_eq!(told, own.iter().map(|event| &event["number"]).collect::<Vec<_>>());
        assert!(kinds(&feed).contains(&"session.result_changed"), "{feed:#?}");

        app.send(Method::DELETE, &path, &[], "").await.expect(204);
        let after = text(feed.last().unwrap(), "id");
        let left = heard(&app, &format!("/api/v1/events?session={session}&after={after}"), 1).await;
        assert_eq!(kinds(&left), ["session.removed"]);
        let left = heard(&app, &format!("/api/v1/events?session={session}"), 2).await;
        assert_eq!(kinds(&left), ["session.created", "session.removed"]);
    }

    async fn the_feed_is_streamed_and_gone_on_with(db: TestDb) {
        let app = TestApp::start(db).await;
        let first = app.plan_tests("maestro:1", &["ltp-smoke"]).await;
        let seen = text(&heard(&app, "/api/v1/events", 1).await[0], "id");
        let url = format!("{}/api/v1/events?kind=run.planned&after=0-0", app.base);
        let request = app.http.get(url).header("accept", "text/event-stream").header("last-event-id", &seen);
        let mut response = request.send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &"text/event-stream".parse().unwrap()));
        let second = app.plan_tests("maestro:2", &["ltp-smoke"]).await;
        let mut read = String::new();
        while !read.contains(&second) {
            let chunk = timeout(PATIENCE, response.chunk()).await.expect("something in time").unwrap().expect("no end");
            read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        assert!(read.contains("event: run.planned\n") && !read.contains(&first), "{read}");
        let id = read.lines().find_map(|line| line.strip_prefix("id: ")).expect("an id").to_owned();
        let again = app.items(&format!("/api/v1/events?after={seen}&kind=run.planned")).await;
        assert_eq!((text(&again[0], "id"), again.len()), (id, 1), "the id of a stream is that of the page");
    }

    async fn a_question_that_makes_no_sense_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        for (query, words) in [
            ("kind=Run", "kind"), ("after=7", "two numbers"), ("cursor=x", "cursor"), ("wait_s=61", "60"), ("run=7", "run"),
            ("follow=maybe", "follow"), ("follow=1&limit=3", "a stream has none"), ("after=1-1&cursor=1-1", "not both"),
            ("colour=red", "colour"),
        ] {
            let refused = app.get(&format!("/api/v1/events?{query}")).await.expect(400);
            assert!(refused.text.contains(words), "{query}: {}", refused.text);
        }
        let sse = ("accept", "text/event-stream");
        let refused = app.send(Method::GET, "/api/v1/events", &[sse, ("last-event-id", "7")], "").await.expect(400);
        assert!(refused.text.contains("Last-Event-ID"), "{}", refused.text);
        assert!(app.items("/api/v1/events?wait_s=0").await.is_empty());
        app.get("/api/v1/runs/run_7/events").await.expect(404);
    }
}
