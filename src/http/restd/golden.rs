//! Replays the answers that were recorded off a running kcidb-restd.
//!
//! What the router alone answers (pages, 404, 405) and what the spool's state decides is not replayed here: a
//! submission's id and state are taken from the recorded answer, and all the rest must follow.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::golden_tokens::{SECRETS, token_for, without_column};
use super::token;
use super::wire::{Reply, SubmissionState, check_status_id, check_submission, status_id, submission_text};
use crate::domain::golden;

const FILE: &str = "wire/restd_responses.json";
const NOW: i64 = 1_800_000_000;

fn reply(case: &Value) -> Result<Reply, Reply> {
    let name = case["name"].as_str().unwrap();
    let (request, recorded) = (&case["request"], &case["response"]);
    let message = recorded["json"]["message"].as_str().unwrap_or_default();
    let authenticate = || {
        let header = request["headers"]["Authorization"].as_str();
        let header = header.map(|header| header.replace("<jwt>", &token_for(name, message, NOW)));
        let now: DateTime<Utc> = DateTime::from_timestamp(NOW, 0).unwrap();
        let secrets = if name.starts_with("empty secret") { &[""][..] } else { &SECRETS };
        token::check(header.as_deref(), secrets, now).map_err(|message| Reply::unauthorized(&message))
    };
    let path = request["path"].as_str().unwrap();
    match (request["method"].as_str().unwrap(), path.split('?').next().unwrap()) {
        ("GET", "/authtest") => authenticate().map(|_| Reply::authenticated()),
        ("GET", "/status") => {
            let id = status_id(&path.parse().unwrap())?;
            authenticate()?;
            check_status_id(&id)?;
            let state: SubmissionState = recorded["json"]["status"].as_str().unwrap().parse().unwrap();
            Ok(Reply::state(&id, state))
        }
        ("POST", "/submit") => {
            if recorded["status"] == 413 {
                return Err(Reply::too_large());
            }
            // What is no UTF-8 was recorded with a replacement character in its place.
            let mut body = request["body"].as_str().unwrap().as_bytes().to_vec();
            if recorded["body"].as_str().unwrap().contains("UTF-8") {
                let text = request["body"].as_str().unwrap();
                let parts: Vec<&[u8]> = text.split('\u{fffd}').map(str::as_bytes).collect();
                body = parts.join(&0xff);
            }
            let text = submission_text(&body)?;
            authenticate()?;
            check_submission(text)?;
            if recorded["status"] == 500 {
                return Err(Reply::internal_error());
            }
            Ok(Reply::received(recorded["json"]["id"].as_str().unwrap(), text.len()))
        }
        other => panic!("{name}: {other:?} is not replayed"),
    }
}

/// Whether the answer is one that these rules give; else it is the router's.
fn is_ours(case: &Value) -> bool {
    let path = case["request"]["path"].as_str().unwrap().split('?').next().unwrap();
    ["/authtest", "/status", "/submit"].contains(&path) && case["response"]["status"] != 405
}

#[test]
fn golden_restd_answers_are_given_to_the_letter() {
    let files = golden::documents(FILE);
    for file in &files {
        let mut replayed = 0;
        for case in file["cases"].as_array().unwrap().iter().filter(|case| is_ours(case)) {
            let reply = reply(case).unwrap_or_else(|refusal| refusal);
            assert_eq!(json!(reply.code.as_u16()), case["response"]["status"], "{}", case["name"]);
            let recorded = case["response"]["body"].as_str().unwrap();
            assert_eq!(without_column(&reply.text), without_column(recorded), "{}", case["name"]);
            replayed += 1;
        }
        assert!(replayed > 0, "no case of ours in {FILE}");
    }
}

#[test]
fn a_reply_is_sent_as_plain_text() {
    use axum::response::IntoResponse as _;
    let response = Reply::authenticated().into_response();
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
}
