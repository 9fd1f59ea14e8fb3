//! What the agent does when the service is slow, away, forgetful, or takes the lease away.

use std::sync::Arc;

use serde_json::{Value, json};
use testyard::agent::{AgentError, Summary};
use tokio::sync::Notify;

use super::Lab;
use crate::support::fake_server::Answer;
use crate::support::fake_yard::{ARTIFACT, CLAIM, HEARTBEAT, LOG, RESULTS, lease, script};

fn away() -> Answer {
    Answer::Status(503, json!({"detail": "later"}).to_string(), Vec::new())
}

fn numbers(most: usize) -> Vec<String> {
    (1..=most).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn all_arrives_once_whatever_becomes_of_the_answers() {
    let lab = Lab::new().await;
    for route in [CLAIM, LOG, ARTIFACT, RESULTS] {
        for answer in [away(), Answer::Lost, Answer::Close, Answer::Garbage] {
            // Of what is sent of a file nothing is read back but its status.
            if !(route == ARTIFACT && matches!(answer, Answer::Garbage)) {
                lab.yard.server.answer_next(route, answer);
            }
        }
    }
    let mut job = script("a", "seq 20000; echo file >out");
    job["artifacts"] = json!(["out"]);
    let mut given = lease(1, &json!([job]));
    given["log"]["max_lines"] = json!(100_000);
    lab.through(given).await;
    assert_eq!(lab.texts("stdout"), numbers(20_000));
    assert_eq!(lab.results().len(), 1);
    assert_eq!(lab.yard.told(|told| told.artifacts.len()), 1);
}

#[tokio::test]
async fn lines_that_the_service_has_lost_are_sent_again() {
    let lab = Lab::new().await;
    let gate = lab.folder.path().join("gate");
    let counting = format!("seq 50; while [ ! -e {} ]; do sleep 0.05; done; seq 51 60", gate.display());
    lab.yard.give(lease(1, &json!([script("a", &counting)])));
    let test = async {
        lab.yard.until("the first lines", |told| told.log.len() >= 50).await;
        lab.yard.told(|told| told.log.truncate(20));
        std::fs::write(&gate, "").unwrap();
    };
    let (summary, ()) = tokio::join!(lab.work(), test);
    assert_eq!(summary.unwrap().told, 1);
    assert_eq!(lab.texts("stdout"), numbers(60));
}

#[tokio::test]
async fn what_the_service_never_takes_holds_up_nothing_else() {
    let lab = Lab::new().await;
    let refused = || Answer::Status(422, json!({"code": "invalid", "detail": "no"}).to_string(), Vec::new());
    lab.yard.server.answer_next(LOG, refused());
    lab.yard.server.answer_next(ARTIFACT, refused());
    let mut job = script("a", "echo hi; echo 1 >one; echo 2 >two");
    job["artifacts"] = json!(["one", "two"]);
    lab.through(lease(1, &json!([job.clone()]))).await;
    assert_eq!(lab.yard.server.requests_to(LOG).len(), 1);
    let kept: Vec<String> = lab.yard.told(|told| told.artifacts.keys().map(|(_, path)| path.clone()).collect());
    assert_eq!((kept, lab.results().len()), (vec!["two".to_owned()], 1));

    lab.yard.server.answer_next(RESULTS, refused());
    lab.yard.give(lease(2, &json!([job])));
    assert_eq!(lab.work().await.unwrap(), Summary { refused: 1, ..Summary::default() });
    assert_eq!(lab.options.work_dir.join("refused").read_dir().unwrap().count(), 1);
}

#[tokio::test]
async fn a_canceled_run_is_stopped() {
    let lab = Lab::new().await;
    let jobs = json!([script("a", "echo begun; sleep 1000"), script("b", "true")]);
    lab.yard.give(lease(1, &jobs));
    let test = async {
        lab.yard.until("the job has begun", |told| !told.log.is_empty()).await;
        lab.yard.told(|told| told.canceled = Some("nobody wants it".to_owned()));
    };
    let (summary, ()) = tokio::join!(lab.work(), test);
    assert_eq!(summary.unwrap().told, 1);
    let results = lab.results();
    assert_eq!((&results[0]["how"], &results[1]), (&json!("canceled"), &json!({"job": "b", "how": "canceled"})));
    assert_eq!(lab.texts("note"), ["stopped: it was canceled: nobody wants it"]);
}

#[tokio::test]
async fn who_lost_the_lease_stops_and_says_what_there_is() {
    let lab = Lab::new().await;
    lab.yard.give(lease(1, &json!([script("a", "exit 7"), script("b", "echo begun; sleep 1000")])));
    let test = async {
        lab.yard.until("the job has begun", |told| !told.log.is_empty()).await;
        lab.yard.told(|told| told.is_lost = true);
    };
    let (summary, ()) = tokio::join!(lab.work(), test);
    assert_eq!(summary.unwrap().told, 1);
    let hows: Vec<Value> = lab.results().into_iter().map(|result| result["how"].clone()).collect();
    assert_eq!(hows, ["exited", "canceled"]);
    lab.nothing_is_left();
}

#[tokio::test]
async fn it_says_that_it_lives_for_as_long_as_it_holds_the_lease() {
    let lab = Lab::new().await;
    let gate = Arc::new(Notify::new());
    lab.yard.server.answer_next(HEARTBEAT, away());
    lab.yard.server.answer_next(RESULTS, Answer::Slow(gate.clone()));
    lab.yard.give(lease(1, &json!([script("a", "true")])));
    let beats = || lab.yard.server.requests_to(HEARTBEAT).len();
    let test = async {
        lab.yard.server.wait_for("the results", || lab.yard.server.requests_to(RESULTS).pop()).await;
        lab.yard.server.wait_for("three heartbeats", || (beats() >= 3).then_some(())).await;
        gate.notify_one();
    };
    let (summary, ()) = tokio::join!(lab.work(), test);
    assert_eq!(summary.unwrap().told, 1);
}

#[tokio::test]
async fn what_cannot_be_told_in_time_is_told_by_the_next() {
    let lab = Lab::new().await;
    lab.yard.give(lease(1, &json!([script("a", "echo said"), script("b", "echo begun; sleep 1000")])));
    lab.yard.server.answer_next(RESULTS, Answer::Never);
    let test = async {
        lab.yard.until("the second job has begun", |told| told.log.len() == 2).await;
        lab.signals.drain.cancel();
        lab.signals.stop.cancel();
    };
    let (summary, ()) = tokio::join!(lab.work(), test);
    assert_eq!(summary.unwrap(), Summary { kept: 1, ..Summary::default() });
    let lab = Lab { signals: testyard::agent::Signals::default(), ..lab };
    lab.yard.give(lease(2, &json!([script("c", "true")])));
    let left = lab.work().await.unwrap();
    assert_eq!(left.told, 2);
    let results = lab.results();
    let words = json!("the agent was told to end");
    assert_eq!((&results[0]["how"], &results[1]["message"]), (&json!("exited"), &words), "{results:?}");
    assert_eq!((&results[2]["job"], lab.texts("stdout")), (&json!("c"), vec!["said".to_owned(), "begun".to_owned()]));
    lab.nothing_is_left();
}

#[tokio::test]
async fn a_lease_that_is_given_as_it_ends_is_given_back() {
    let lab = Lab::new().await;
    let gate = Arc::new(Notify::new());
    lab.yard.server.answer_next(CLAIM, Answer::Held(gate));
    let test = async {
        lab.yard.give(lease(1, &json!([script("a", "true")])));
        lab.yard.until("the lease is given", |told| told.held.is_some()).await;
        lab.signals.drain.cancel();
    };
    let (summary, ()) = tokio::join!(lab.work(), test);
    assert_eq!(summary.unwrap(), Summary::default());
    assert_eq!(lab.yard.told(|told| told.released.clone()), ["the agent was told to end"]);
}

#[tokio::test]
async fn one_that_is_not_known_any_more_ends_with_words() {
    let lab = Lab::new().await;
    let unknown = json!({"code": "unauthorized", "detail": "the agent was removed"}).to_string();
    let drained = json!({"code": "forbidden", "detail": "drained"}).to_string();
    lab.yard.server.answer_next(CLAIM, Answer::Status(403, drained, Vec::new()));
    // A proxy's word is not the service's.
    lab.yard.server.answer_next(CLAIM, Answer::Status(401, "<html>".to_owned(), Vec::new()));
    lab.yard.server.answer_next(CLAIM, Answer::Status(401, unknown, Vec::new()));
    let error = lab.work().await.unwrap_err();
    assert!(matches!(&error, AgentError::Unknown(words) if words.contains("the agent was removed")), "{error}");
    assert_eq!(lab.yard.server.requests_to(CLAIM).len(), 3, "one that is drained asks again");
}
