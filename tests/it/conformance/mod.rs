//! One list that every adapter to a runner is held to, in front of a fake lab that can be slow, wrong or dead.
//!
//! `checks` is the list; a [`Lab`] is a fake that an adapter speaks to, with what the list needs to know and do. A new adapter
//! adds a file with its lab and a line here. The local runner is not among them: it is its own lab, on this machine, and has
//! no wire that could be cut.

mod checks;
mod http_lab;
mod program_lab;
mod settings;
mod tuxsuite_lab;

use chrono::TimeDelta;
use serde_json::json;
use testyard::config::Settings;
use testyard::domain::status::Status;

use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

/// Longer than any pause between two tries or questions.
const LONG: TimeDelta = TimeDelta::minutes(11);

/// What a lab is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Submit,
    Find,
    Poll,
    Cancel,
    Collect,
}

/// What goes wrong the next time that a lab is asked something.
#[derive(Clone, Debug)]
enum Trouble {
    /// It cannot now, and says for how many seconds.
    Later(u32),
    /// It will not, and says why.
    Refused(&'static str),
    /// It does it, and its answer is lost.
    Lost,
    /// Its answer cannot be read, and it has done nothing.
    Garbage,
}

/// A callback as the lab would send it.
#[derive(Clone, Debug)]
struct Sent {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// A fake lab. What it is told to do wrong it does once.
trait Lab: Sized {
    /// The runner's name in the settings that [`Lab::configure`] makes.
    const NAME: &'static str;
    /// The statuses that the lab has words for.
    const STATUSES: &'static [Status];
    /// Whether its callbacks must be signed.
    const SIGNS: bool;
    /// Whether asking it twice starts two jobs.
    const TWICE: bool;

    async fn start() -> Self;
    /// Settings with a runner that speaks to this lab.
    fn configure(&self, settings: &mut Settings);
    /// What goes wrong the next time.
    fn trouble(&self, operation: Operation, trouble: Trouble);
    /// How often it was asked that.
    fn asked(&self, operation: Operation) -> usize;
    /// The ids of its jobs, the oldest first.
    fn jobs(&self) -> Vec<String>;
    /// Ends a job with these results of tests.
    fn finish(&self, uid: &str, results: &[(&str, Status)]);
    /// The callback that tells of a job as it now is, at this time.
    fn callback(&self, uid: &str, at: chrono::DateTime<chrono::Utc>) -> Sent;
    /// Forgets a job.
    fn forget(&self, uid: &str);
    /// Whether a job was stopped.
    fn is_stopped(&self, uid: &str) -> bool;
    /// It answers nobody from now on.
    fn die(&self);
}

/// A service and the lab behind its runner.
struct Bench<L> {
    app: TestApp,
    lab: L,
}

impl<L: Lab> Bench<L> {
    async fn start(db: TestDb) -> Self {
        let lab = L::start().await;
        let app = TestApp::start_with(db, |settings| {
            settings.runs.deadline_s = 24 * 3600;
            settings.runs.cancel_grace_s = 3600;
            lab.configure(settings);
        })
        .await;
        Self { app, lab }
    }

    /// Plans a run of these tests; returns its id.
    async fn plan(&self, tests: &[&str]) -> String {
        let run = json!({
            "runner": L::NAME, "build_id": "maestro:1", "kernel_image_url": "https://files.example.org/Image",
            "collection": "ltp", "device": "board-1", "tests": tests,
        });
        text(&self.app.post("/api/v1/runs", &run).await.expect(201).json(), "id")
    }

    /// Plans a run and has the lab accept it; returns its id and the lab's.
    async fn accepted(&self, tests: &[&str]) -> (String, String) {
        let run = self.plan(tests).await;
        self.app.settle().await;
        let uid = text(&self.app.run_in(&run, "running").await, "uid");
        (run, uid)
    }

    /// The lab's callback about a job, as it would be sent now.
    fn callback(&self, uid: &str) -> Sent {
        use testyard::clock::Clock as _;
        self.lab.callback(uid, self.app.clock.now())
    }

    async fn send(&self, sent: &Sent) -> Answered {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(sent.headers.iter().map(|(name, value)| (*name, value.as_str())));
        self.app.post_raw(&sent.url, &headers, sent.body.clone()).await
    }

    /// Ends a job, has the lab call back, and works it out.
    async fn conclude(&self, uid: &str, results: &[(&str, Status)]) {
        self.lab.finish(uid, results);
        self.send(&self.callback(uid)).await.expect(204);
        self.app.settle().await;
    }

    /// The results of a run: name and status.
    async fn results(&self, run: &str) -> Vec<(String, String)> {
        let results = self.app.results_of(run).await;
        results.into_iter().map(|(path, status)| (path.trim_start_matches("ltp.").to_owned(), status)).collect()
    }
}

/// Holds a lab to the whole list, on both databases.
macro_rules! conforms {
    ($module:ident: $lab:ty) => {
        conforms!(@each $module: $lab:
            a_run_becomes_one_job,
            a_lost_answer_makes_no_second_job,
            an_answer_that_cannot_be_read_makes_one_job,
            later_is_honoured,
            a_refusal_ends_the_run_with_its_reason,
            a_callback_may_come_before_the_answer,
            a_callback_may_come_twice_and_late,
            a_forged_callback_changes_nothing,
            a_canceled_run_is_stopped_there,
            results_of_every_status_arrive,
            what_nobody_planned_changes_nothing,
            what_no_callback_tells_a_poll_does,
            results_that_cannot_be_had_yet_are_waited_for,
            a_forgotten_job_ends_the_run,
            a_dead_lab_is_left_alone_and_the_run_is_missed,
            a_lab_that_dies_with_a_job_is_waited_for_until_the_deadline,
        );
    };
    (@each $module:ident: $lab:ty: $($check:ident),+ $(,)?) => {
        mod $module {
            use super::*;

            on_both! {
                $(async fn $check(db: TestDb) {
                    checks::$check(&Bench::<$lab>::start(db).await).await;
                })+
            }
        }
    };
}

conforms!(tuxsuite: tuxsuite_lab::TuxSuiteLab);
conforms!(http_that_is_looked_through: http_lab::HttpLab<false>);
conforms!(http_that_knows_our_token: http_lab::HttpLab<true>);
conforms!(subprocess: program_lab::ProgramLab);
