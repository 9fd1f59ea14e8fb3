//! TuxSuite, as the list sees it.

use chrono::{DateTime, Utc};
use serde_json::json;
use testyard::config::Settings;
use testyard::domain::status::Status;

use super::{Lab, Operation, Sent, Trouble};
use crate::support::fake_server::Answer;
use crate::support::fake_tuxsuite::{CANCEL_TEST, FakeTuxSuite, GET_TEST, LIST_TESTS, STORAGE, SUBMIT_TESTS};

pub(super) struct TuxSuiteLab(FakeTuxSuite);

fn route(operation: Operation) -> &'static str {
    match operation {
        Operation::Submit => SUBMIT_TESTS,
        Operation::Find => LIST_TESTS,
        Operation::Poll => GET_TEST,
        Operation::Cancel => CANCEL_TEST,
        Operation::Collect => STORAGE,
    }
}

impl Lab for TuxSuiteLab {
    const NAME: &'static str = "tuxsuite";
    const STATUSES: &'static [Status] = &[Status::Fail, Status::Error, Status::Pass, Status::Skip];
    // With the policy `auto`, the URL vouches for what comes without a signature.
    const SIGNS: bool = false;
    const TWICE: bool = true;

    async fn start() -> Self {
        Self(FakeTuxSuite::start().await)
    }

    fn configure(&self, settings: &mut Settings) {
        settings.tuxsuite.api_url = self.0.url().parse().unwrap();
    }

    fn trouble(&self, operation: Operation, trouble: Trouble) {
        self.0.server.answer_next(route(operation), trouble.answer("error"));
    }

    fn asked(&self, operation: Operation) -> usize {
        self.0.server.requests_to(route(operation)).len()
    }

    fn jobs(&self) -> Vec<String> {
        self.0.tests().iter().map(|job| job["uid"].as_str().unwrap().to_owned()).collect()
    }

    fn finish(&self, uid: &str, results: &[(&str, Status)]) {
        let word = |status| match status {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::Skip => "skip",
            _ => "unknown",
        };
        let mut words: Vec<(&str, &str)> = results.iter().map(|(name, status)| (*name, word(*status))).collect();
        words.push(("boot", "pass"));
        let result = if results.iter().any(|(_, status)| *status == Status::Fail) { "fail" } else { "pass" };
        self.0.finish_test(uid, result, &words);
    }

    fn callback(&self, uid: &str, _: DateTime<Utc>) -> Sent {
        let callback = self.0.callback(uid);
        let headers = vec![("x-tux-payload-signature", callback.signature)];
        Sent { url: callback.url, headers, body: callback.body }
    }

    fn forget(&self, uid: &str) {
        // A job of another project is none of ours.
        self.0.patch(uid, &json!({"project": "grp/other"}));
    }

    fn is_stopped(&self, uid: &str) -> bool {
        self.0.tests().iter().any(|job| job["uid"] == uid && job["result"] == "canceled")
    }

    fn die(&self) {
        for operation in [Operation::Submit, Operation::Find, Operation::Poll, Operation::Cancel] {
            for _ in 0..500 {
                self.0.server.answer_next(route(operation), Answer::Status(503, String::new(), Vec::new()));
            }
        }
    }
}

impl Trouble {
    /// The answer of a lab that speaks HTTP and gives reasons under this name.
    pub(super) fn answer(self, reason: &str) -> Answer {
        match self {
            Self::Later(30) => {
                Answer::Status(429, json!({ reason: "busy now" }).to_string(), vec![("retry-after", "30")])
            }
            Self::Later(_) => {
                Answer::Status(503, json!({ reason: "busy now" }).to_string(), vec![("retry-after", "5")])
            }
            Self::Refused(why) => Answer::Status(400, json!({ reason: why }).to_string(), Vec::new()),
            Self::Lost => Answer::Lost,
            Self::Garbage => Answer::Garbage,
        }
    }
}
