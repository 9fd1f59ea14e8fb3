//! `testyard spool`: files of results on their way to a service that keeps them, refuses them, or is away.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use tempfile::TempDir;
use testyard::cli::spool::{Away, Ended, How, Round, Spool};
use testyard::clock::SystemClock;
use tokio_util::sync::CancellationToken;

use crate::support::fake_server::{Answer, FakeServer, lock};
use crate::support::process::{run, testyard};

const ROUTE: &str = "POST /api/v1/specs/results";

/// A service that records each id once, and refuses one that is called `conflict`.
async fn service() -> FakeServer {
    let (server, listener) = FakeServer::bind().await;
    let known = Arc::<Mutex<Vec<String>>>::default();
    let record = post(async move |Json(results): Json<Vec<Value>>| {
        let mut known = lock(&known);
        let outcome = |result: &Value| {
            let id = result["id"].as_str().unwrap().to_owned();
            let outcome = if id == "conflict" {
                "refused"
            } else if known.contains(&id) {
                "repeated"
            } else {
                known.push(id.clone());
                "recorded"
            };
            json!({"id": id, "outcome": outcome, "reason": (outcome == "refused").then_some("another has its id")})
        };
        Json(json!({"results": results.iter().map(outcome).collect::<Vec<_>>()}))
    });
    server.serve(listener, Router::new().route("/api/v1/specs/results", record));
    server
}

fn refused(detail: &str) -> Answer {
    let problem = json!({"detail": detail, "errors": [{"pointer": "/0/session", "detail": "want a text"}]});
    Answer::Status(422, problem.to_string(), vec![("content-type", "application/problem+json")])
}

/// Leaves a file there that is as many seconds old.
fn leave(folder: &Path, name: &str, text: &str, age: u64) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000 - age);
    std::fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

fn ids(server: &FakeServer) -> Vec<Vec<String>> {
    let ids =
        |body: Value| body.as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect();
    server.requests_to(ROUTE).into_iter().map(|request| ids(request.json())).collect()
}

fn open(folder: &TempDir, server: &FakeServer) -> Spool {
    let url = server.url().parse().unwrap();
    Spool::open(folder.path(), &url, None, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn files_are_sent_together_the_oldest_first_and_then_removed() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    leave(folder.path(), "a.json", r#"[{"id": "2"}, {"id": "3"}]"#, 10);
    leave(folder.path(), "z.json", r#"{"id": "1"}"#, 20);
    leave(folder.path(), "b.json", r#"{"id": "3"}"#, 5);
    leave(folder.path(), "empty.json", "[]", 5);
    for name in ["half.json.tmp", "case.pkl", ".hidden.json"] {
        leave(folder.path(), name, "{", 30);
    }
    let round = open(&folder, &server).round().await.unwrap();
    assert_eq!(round, Round { recorded: 3, repeated: 1, ..Round::default() });
    assert_eq!(ids(&server), [["1", "2", "3", "3"]]);
    assert_eq!(names(folder.path()), ["case.pkl", "half.json.tmp"]);
    assert_eq!(names(&folder.path().join(".taken")), Vec::<String>::new());
}

#[tokio::test]
async fn a_result_without_an_id_gets_one_that_follows_from_its_file() {
    let server = service().await;
    for _ in 0..2 {
        let folder = TempDir::new().unwrap();
        leave(folder.path(), "one.json", r#"{"spec_id": "a"}"#, 2);
        leave(folder.path(), "many.json", r#"[{"spec_id": "a"}, {"id": null}, {"id": "own"}]"#, 1);
        open(&folder, &server).round().await.unwrap();
    }
    let [first, second] = &ids(&server)[..] else { panic!("two requests") };
    assert_eq!(first, second);
    assert!(first[0].starts_with("spool-") && first[0].len() == 70, "{first:?}");
    assert!(first[1].ends_with("-0") && first[2].ends_with("-1") && first[3] == "own", "{first:?}");
}

#[tokio::test]
async fn no_request_holds_more_than_a_thousand_results() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    let results = |from: usize, to: usize| {
        Value::from((from..to).map(|id| json!({"id": id.to_string()})).collect::<Vec<_>>()).to_string()
    };
    leave(folder.path(), "a.json", &results(0, 999), 4);
    leave(folder.path(), "b.json", &results(999, 1000), 3);
    leave(folder.path(), "c.json", &results(1000, 3001), 2);
    leave(folder.path(), "d.json", &results(3001, 3002), 1);
    let round = open(&folder, &server).round().await.unwrap();
    assert_eq!(round, Round { recorded: 3002, ..Round::default() });
    let counts: Vec<usize> = ids(&server).iter().map(Vec::len).collect();
    assert_eq!(counts, [1000, 1000, 1000, 1, 1]);
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn one_bad_file_is_set_aside_and_stops_nobody_else() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    leave(folder.path(), "1.json", "{", 9);
    leave(folder.path(), "2.json", r#"["x"]"#, 8);
    leave(folder.path(), "3.json", r#"{"id": "good"}"#, 7);
    leave(folder.path(), "4.json", r#"{"id": "bad"}"#, 6);
    leave(folder.path(), "5.json", r#"[{"id": "kept"}, {"id": "conflict"}]"#, 5);
    server.answer_next(ROUTE, refused("the results"));
    server.answer_next(ROUTE, Answer::Normal);
    server.answer_next(ROUTE, refused("the results"));
    let spool = open(&folder, &server);
    let round = spool.round().await.unwrap();
    assert_eq!(round, Round { recorded: 2, set_aside: 4, ..Round::default() });
    assert_eq!(
        ids(&server),
        [vec!["good", "bad", "kept", "conflict"], vec!["good"], vec!["bad"], vec!["kept", "conflict"]]
    );
    let aside = folder.path().join(".refused");
    let reason = |name: &str| std::fs::read_to_string(aside.join(name).with_extension("json.reason.txt")).unwrap();
    assert!(reason("1.json").starts_with("it is no JSON: "), "{}", reason("1.json"));
    assert_eq!(reason("2.json"), "/0: want a result: an object\n");
    assert_eq!(reason("4.json"), "the results\n/0/session: want a text\n");
    assert_eq!(reason("5.json"), "the service refused some of its results:\n/1: another has its id\n");
    assert_eq!(std::fs::read_to_string(aside.join("4.json")).unwrap(), r#"{"id": "bad"}"#);
    // One of the same name later overwrites nothing.
    leave(folder.path(), "1.json", "[", 1);
    spool.round().await.unwrap();
    assert_eq!(std::fs::read_to_string(aside.join("1.json")).unwrap(), "{");
    assert_eq!(std::fs::read_to_string(aside.join("1~1.json")).unwrap(), "[");
    assert!(aside.join("1~1.json.reason.txt").exists());
}

#[tokio::test]
async fn what_is_too_large_is_sent_in_parts() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    let too_large = || Answer::Status(413, json!({"detail": "too long"}).to_string(), Vec::new());
    leave(folder.path(), "a.json", r#"[{"id": "1"}, {"id": "2"}, {"id": "3"}]"#, 1);
    server.answer_next(ROUTE, too_large());
    let spool = open(&folder, &server);
    assert_eq!(spool.round().await.unwrap(), Round { recorded: 3, ..Round::default() });
    assert_eq!(ids(&server), [vec!["1", "2", "3"], vec!["1"], vec!["2", "3"]]);
    leave(folder.path(), "b.json", r#"{"id": "4"}"#, 1);
    server.answer_next(ROUTE, too_large());
    assert_eq!(spool.round().await.unwrap(), Round { set_aside: 1, ..Round::default() });
}

#[tokio::test]
async fn what_a_service_that_is_away_was_to_keep_stays() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    leave(folder.path(), "a.json", r#"{"id": "1"}"#, 9);
    let problem = json!({"detail": "come back later"}).to_string();
    server.answer_next(ROUTE, Answer::Status(503, problem, vec![("retry-after", "7")]));
    server.answer_next(ROUTE, Answer::Status(401, String::new(), Vec::new()));
    for answer in [Answer::Garbage, Answer::Close, Answer::Lost] {
        server.answer_next(ROUTE, answer);
    }
    let spool = open(&folder, &server);
    let away = spool.round().await.unwrap().away.unwrap();
    let asked = Some(chrono::TimeDelta::seconds(7));
    let told = "it answers 503 Service Unavailable: come back later".to_owned();
    assert_eq!(away, Away { reason: told, retry_after: asked });
    // Another file of the name that is still on its way.
    leave(folder.path(), "a.json", r#"{"id": "2"}"#, 1);
    for _ in 0..4 {
        assert!(spool.round().await.unwrap().away.is_some());
        assert_eq!(names(&folder.path().join(".taken")), ["a.json", "a~1.json"]);
    }
    drop(spool);
    // The next spool begins with what the last one had taken, and what was kept unheard is kept once.
    let round = open(&folder, &server).round().await.unwrap();
    assert_eq!(round, Round { repeated: 2, ..Round::default() });
    assert_eq!(ids(&server).last().unwrap(), &["1", "2"]);
    assert_eq!(names(&folder.path().join(".taken")), Vec::<String>::new());
}

#[tokio::test]
async fn it_waits_as_long_as_it_is_asked_to_and_sends_once_more_at_the_end() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    leave(folder.path(), "a.json", r#"{"id": "1"}"#, 9);
    server.answer_next(ROUTE, Answer::Status(429, String::new(), vec![("retry-after", "1800")]));
    let (stop, waits) = (CancellationToken::new(), Mutex::new(Vec::new()));
    let how = How { once: false, interval: Duration::from_millis(20) };
    let spool = open(&folder, &server);
    let wait = async |pause: Duration| {
        let mut waits = lock(&waits);
        waits.push(pause);
        match waits.len() {
            1 => {}
            2 => {
                leave(folder.path(), "b.json", r#"{"id": "2"}"#, 1);
                stop.cancel();
            }
            _ => panic!("it goes on after it was told to stop"),
        }
    };
    let ended = spool.keep(&stop, how, wait).await.unwrap();
    assert_eq!(ended, Ended { recorded: 2, ..Ended::default() });
    assert_eq!(*lock(&waits), [Duration::from_mins(30), Duration::from_millis(20)]);
    assert_eq!(ids(&server), [["1"], ["1"], ["2"]]);
}

#[tokio::test]
async fn a_folder_has_one_spool() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    let url = server.url().parse().unwrap();
    let first = open(&folder, &server);
    let second = Spool::open(folder.path(), &url, None, Arc::new(SystemClock)).unwrap_err();
    assert!(second.to_string().contains("another spool"), "{second}");
    drop(first);
    open(&folder, &server);
    let nowhere = Spool::open(&folder.path().join("nowhere"), &url, None, Arc::new(SystemClock)).unwrap_err();
    assert!(nowhere.to_string().contains("no folder"), "{nowhere}");
}

#[tokio::test]
async fn the_program_drains_a_folder_and_ends() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    std::fs::write(folder.path().join("token"), "tok_secret\n").unwrap();
    leave(&spool, "a.json", r#"{"id": "1"}"#, 1);
    let (url, arguments) = (server.url(), ["spool", "spool", "--token-file", "token", "--drain", "--server"]);
    let drain = async || run(testyard(folder.path(), &[&arguments[..], &[&*url]].concat())).await;
    let ended = drain().await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "1 recorded, 0 repeated, 0 files set aside\n"), "{ended:?}");
    assert_eq!(server.requests()[0].headers["authorization"], "Bearer tok_secret");
    leave(&spool, "b.json", r#"{"id": "2"}"#, 1);
    server.answer_next(ROUTE, Answer::Status(503, String::new(), Vec::new()));
    let ended = drain().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.ends_with("; the service is away, and files are left\n"), "{ended:?}");
    leave(&spool, "c.json", "{", 1);
    let ended = drain().await;
    assert_eq!((ended.code, &*ended.stdout), (Some(1), "1 recorded, 0 repeated, 1 files set aside\n"), "{ended:?}");
}

#[tokio::test]
async fn the_program_takes_what_comes_until_a_signal_and_leaves_nothing() {
    let (folder, server) = (TempDir::new().unwrap(), service().await);
    let url = server.url();
    leave(folder.path(), "a.json", r#"{"id": "1"}"#, 1);
    let mut command = testyard(folder.path(), &["spool", ".", "--interval", "20", "--server", &url]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    server.wait_for("the first file", || (server.count() >= 1).then_some(())).await;
    leave(folder.path(), "b.tmp", r#"{"id": "2"}"#, 1);
    std::fs::rename(folder.path().join("b.tmp"), folder.path().join("b.json")).unwrap();
    server.wait_for("the second file", || (server.count() >= 2).then_some(())).await;
    leave(folder.path(), "c.tmp", r#"{"id": "3"}"#, 1);
    std::fs::rename(folder.path().join("c.tmp"), folder.path().join("c.json")).unwrap();
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "3 recorded, 0 repeated, 0 files set aside\n");
    assert_eq!(ids(&server), [["1"], ["2"], ["3"]]);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
