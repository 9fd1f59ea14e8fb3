//! The program is killed in the middle of a session, again and again, and started again. What it said it has is there, and
//! the session goes on where it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::db::TestDb;
use crate::support::fake_server::{PATIENCE, lock};
use crate::support::process::{self, Service};
use crate::support::{http_client, on_both};

/// How many jobs the session has.
const JOBS: usize = 120;

/// After how many results it is killed, each time.
const LIVES: [usize; 3] = [15, 40, 80];

/// The results that were acknowledged: the outcome by the job.
type Taken = Arc<Mutex<BTreeMap<String, String>>>;

/// Jobs in chains of four; every fifth chain begins with a job that fails.
fn units() -> Vec<Value> {
    (0..JOBS)
        .map(|number| {
            let mut unit = json!({"id": format!("j{number}"), "plugin": "shell", "command": "true"});
            if !number.is_multiple_of(4) {
                unit["after"] = format!("j{}", number - 1).into();
            }
            unit
        })
        .collect()
}

fn outcome(number: usize) -> &'static str {
    if number.is_multiple_of(20) { "fail" } else { "pass" }
}

/// Reports jobs until each was taken, wherever the service is; an answer that was lost is asked for again, and the same
/// result twice is one.
async fn reporter(mut door: watch::Receiver<String>, session: String, numbers: Vec<usize>, taken: Taken) {
    let http = http_client();
    for number in numbers {
        loop {
            let base = door.borrow_and_update().clone();
            if base.is_empty() {
                door.changed().await.expect("the test goes on");
                continue;
            }
            let request = http.post(format!("{base}{session}/jobs/j{number}/results"));
            let body = json!({"outcome": outcome(number), "comments": format!("of {number}")}).to_string();
            let answer = process::send(request.header("content-type", "application/json").body(body)).await;
            match answer {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    lock(&taken).insert(format!("j{number}"), outcome(number).to_owned());
                    break;
                }
                // It died under the request; nobody knows whether the result was kept.
                Err(_) => {
                    let _ = timeout(Duration::from_millis(200), door.changed()).await;
                }
            }
        }
    }
}

on_both! {
    async fn killed_in_the_middle_of_a_session_it_loses_no_result_and_goes_on(db: TestDb) {
        let folder = TempDir::new().unwrap();
        let serve = || process::serve(folder.path(), db.url(), &[]);
        let service = Service::up(serve()).await;
        let desired: Vec<String> = (0..JOBS).map(|number| format!("j{number}")).collect();
        let made = service.post("/api/v1/sessions", &json!({"units": units(), "desired": desired})).await.expect(201);
        let session = made.header("location").to_owned();
        let (door, taken) = (watch::Sender::new(service.base().to_owned()), Taken::default());
        let mut reporters = JoinSet::new();
        for part in 0..4 {
            let numbers = (0..JOBS).filter(|number| number % 4 == part && number % 30 != 29).collect();
            reporters.spawn(reporter(door.subscribe(), session.clone(), numbers, Arc::clone(&taken)));
        }
        let mut service = service;
        for results in LIVES {
            timeout(PATIENCE, async {
                while lock(&taken).len() < results {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .expect("results are taken");
            door.send_replace(String::new());
            service.kill().await;
            let known = lock(&taken).clone();
            service = Service::up(serve()).await;
            let jobs = service.items(&format!("{session}/jobs")).await;
            for (job, outcome) in &known {
                let found = jobs.iter().find(|found| found["id"] == *job).expect("the job");
                assert_eq!(found["outcome"], *outcome, "{found}");
            }
            // Of each result that was kept there is one, however often it was sent, and its event.
            let events = service.items(&format!("{session}/events")).await;
            let numbers: Vec<i64> = events.iter().map(|event| event["number"].as_i64().expect("a number")).collect();
            assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "no event is missing");
            for job in jobs.iter().filter(|job| !job["outcome"].is_null()) {
                assert_eq!(job["results"], 1, "{job}");
            }
            door.send_replace(service.base().to_owned());
        }
        timeout(PATIENCE, reporters.join_all()).await.expect("every result is taken in the end");

        // A job was running when it died for the last time.
        service.post(&format!("{session}/jobs/j29/begin"), &json!({})).await.expect(200);
        service.kill().await;
        let service = Service::up(serve()).await;
        let stood = service.get(&session).await.expect(200).json();
        assert_eq!(stood["running_job_name"], "j29", "{stood}");
        let resumed = service.post(&format!("{session}/resume"), &json!({})).await.expect(200).json();
        assert_eq!((&resumed["job"], &resumed["outcome"]), (&json!("j29"), &json!("crash")), "{resumed}");
        for number in (59..JOBS).step_by(30) {
            let path = format!("{session}/jobs/j{number}/results");
            service.post(&path, &json!({"outcome": "pass"})).await.expect(200);
        }
        let verdict = service.get(&format!("{session}/verdict")).await.expect(200).json();
        assert_eq!(verdict["not_run"], json!([]), "{verdict}");
        let stats = service.get(&format!("{session}/stats")).await.expect(200).json();
        assert_eq!(stats["outcomes"], json!({"crash": 1, "fail": JOBS / 20, "pass": JOBS - JOBS / 20 - 1}));
        assert_eq!(service.stop().await.code, Some(0));
    }
}
