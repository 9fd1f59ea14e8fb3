//! What the agent makes of the jobs that it is given.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use testyard::agent::{AgentError, Executed, Executor, Journal, Stop, Summary, Users};
use testyard::domain::definition::{How, JobEnd};
use testyard::domain::run::RunRequest;

use super::Lab;
use crate::support::fake_server::Answer;
use crate::support::fake_yard::{CLAIM, LOG, REGISTER, lease, script};

/// Each result without what differs from run to run.
fn ends(lab: &Lab) -> Vec<Value> {
    let mut results = lab.results();
    for result in &mut results {
        let result = result.as_object_mut().unwrap();
        let duration = result.remove("duration_s");
        assert_eq!(duration.is_some(), result.remove("started_at").is_some());
    }
    results
}

#[tokio::test]
async fn jobs_are_run_in_their_order_and_told_of() {
    let lab = Lab::new().await;
    let asks = json!({
        "job": "first/one",
        "command": {"argv": ["sh", "-c", "cat; pwd >where; env; echo oops >&2; mkdir out; echo kept >'out/a b.log'; false"],
                    "stdin": "given\n", "environment": {"OWN": "1"}},
        "artifacts": ["out/*"],
    });
    let mut given = lease(1, &json!([asks, script("second", "[ ! -e where ]; kill -9 $$")]));
    given["slots"] = json!({"gpu-a": ["0", "3"]});
    given["environment"] = json!({"COLOUR": "red", "OWN": "0"});
    lab.through(given).await;
    assert_eq!(
        ends(&lab),
        [
            json!({"job": "first/one", "how": "exited", "code": 1}),
            json!({"job": "second", "how": "signaled", "signal": 9}),
        ]
    );
    let stdout = lab.texts("stdout");
    assert_eq!(stdout[0], "given");
    for variable in [
        "COLOUR=red",
        "OWN=1",
        "TESTYARD_JOB=first/one",
        "TESTYARD_RUN=run_00000000000000000000000000000001",
        "TESTYARD_SESSION=ses_00000000000000000000000000000001",
        "TESTYARD_SLOTS_GPU_A=0,3",
        "LANG=C.UTF-8",
    ] {
        assert!(stdout.iter().any(|line| line == variable), "{variable} is not in {stdout:?}");
    }
    let home = stdout.iter().find_map(|line| line.strip_prefix("HOME=")).unwrap();
    assert!(home.starts_with(lab.options.work_dir.canonicalize().unwrap().to_str().unwrap()), "{home}");
    let known = ["COLOUR", "OWN", "PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"];
    let names = stdout[1..].iter().map(|line| line.split_once('=').unwrap().0);
    let others: Vec<&str> = names.filter(|name| !known.contains(name) && !name.starts_with("TESTYARD_")).collect();
    assert!(others.is_empty(), "{others:?} came from the agent's own environment");
    assert_eq!(lab.texts("stderr"), ["oops"]);
    let artifacts = lab.yard.told(|told| told.artifacts.clone());
    let kept = &artifacts[&("first/one".to_owned(), "out/a b.log".to_owned())];
    assert_eq!((artifacts.len(), &kept[..]), (1, &b"kept\n"[..]));
    let registered = lab.yard.server.requests_to(REGISTER)[0].json();
    assert_eq!((&registered["name"], &registered["labels"]["arch"]), (&json!("lab-3"), &json!("riscv64")));
    assert_eq!(lab.yard.server.requests_to(CLAIM)[0].json()["labels"], json!({"arch": "riscv64"}));
}

#[tokio::test]
async fn what_a_job_may_not_do_ends_it_with_words() {
    let lab = Lab::new().await;
    let limited = |job: &str, text: &str, limit: &str, value: u64| {
        let mut definition = script(job, text);
        definition["command"][limit] = json!(value);
        definition
    };
    let mut other_user = script("user", "true");
    other_user["command"]["user"] = json!("nobody-at-all");
    let jobs = json!([
        limited("long", "sleep 1000", "timeout_s", 1),
        limited("silent", "echo a; sleep 1000", "output_timeout_s", 1),
        limited("loud", "yes", "max_output_bytes", 10),
        other_user,
        {"job": "none", "command": {"argv": ["no-such-program-anywhere"]}},
        {"job": "illegal", "command": {"argv": ["true"], "environment": {"a=b": "c"}}},
        script("last", "true"),
    ]);
    lab.through(lease(1, &jobs)).await;
    let ends = ends(&lab);
    assert_eq!(ends[0], json!({"job": "long", "how": "timed_out", "after_s": 1}));
    assert_eq!(ends[1], json!({"job": "silent", "how": "timed_out", "after_s": 1}));
    assert_eq!(ends[2], json!({"job": "loud", "how": "too_much_output", "max_bytes": 10}));
    for (end, words) in ends[3..6].iter().zip(["`nobody-at-all`", "no-such-program-anywhere", "`a=b`"]) {
        assert_eq!(end["how"], "not_run", "{end}");
        assert!(end["message"].as_str().unwrap().contains(words), "{end}");
    }
    assert_eq!(ends[6], json!({"job": "last", "how": "exited", "code": 0}), "one that fails holds up no other");
    assert_eq!(
        lab.texts("note"),
        [
            "stopped: it took longer than 1 s",
            "stopped: it wrote nothing for 1 s",
            "stopped: it wrote more than 10 bytes"
        ]
    );
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let mut lab = Lab::new().await;
    lab.secrets = vec!["of-the-lab".to_owned()];
    let own = json!({
        "job": "a",
        "command": {
            "argv": ["sh", "-c", "echo $TOKEN; printf hun; sleep 0.1; echo ter2 of-the-lab $KEY; exec \"no-$TOKEN\""],
            "environment": {"KEY": "own-key", "OPEN": "open"},
        },
    });
    let missing = json!({"job": "b", "command": {"argv": ["hunter2"]}});
    let mut given = lease(1, &json!([own, missing]));
    given["environment"] = json!({"TOKEN": "hunter2"});
    given["masked"] = json!(["TOKEN", "KEY", "OTHER"]);
    lab.through(given).await;
    assert_eq!(lab.texts("stdout"), ["***", "*** *** ***"]);
    let told = lab.yard.server.requests_to(LOG).into_iter().map(|request| request.json().to_string());
    let told = told.chain(lab.results().iter().map(Value::to_string)).collect::<String>();
    for secret in ["hunter2", "own-key", "of-the-lab"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn what_it_cannot_carry_out_is_given_back() {
    let lab = Lab::new().await;
    let mut given = lease(1, &json!([]));
    given["request"] = json!({
        "kind": "build", "tree": "https://git.example/linux.git", "branch": "main", "toolchain": "gcc-14",
        "kconfig": null, "fragments": [], "architecture": "riscv64",
    });
    lab.yard.give(given);
    assert_eq!(lab.work().await.unwrap(), Summary { released: 1, ..Summary::default() });
    let released = lab.yard.told(|told| told.released.clone());
    assert!(released[0].contains("a run of kind `build`"), "{released:?}");
    lab.nothing_is_left();
}

#[tokio::test]
async fn a_drained_agent_gives_back_what_it_is_given() {
    let mut lab = Lab::new().await;
    let file = lab.folder.path().join("drain");
    lab.options.drain_file = Some(file.clone());
    let test = async {
        lab.yard.server.wait_for("the claim", || lab.yard.server.requests_to(CLAIM).pop()).await;
        std::fs::write(&file, "").unwrap();
        lab.yard.give(lease(1, &json!([script("a", "true")])));
        lab.yard.until("the lease is given back", |told| !told.released.is_empty()).await;
    };
    let (summary, ()) = tokio::join!(lab.work(), test);
    assert_eq!(summary.unwrap(), Summary { released: 1, ..Summary::default() });
    assert!(lab.yard.told(|told| told.released[0].contains("is drained")));
}

#[tokio::test]
async fn a_registration_is_repeated_when_its_answer_is_lost_and_not_when_it_is_refused() {
    let lab = Lab::new().await;
    lab.yard.server.answer_next(REGISTER, Answer::Close);
    lab.yard.server.answer_next(REGISTER, Answer::Lost);
    lab.through(lease(1, &json!([script("a", "true")]))).await;
    let registered = lab.yard.server.requests_to(REGISTER);
    assert_eq!(registered.len(), 3);
    assert!(registered.iter().all(|request| request.headers["authorization"] == "Bearer reg_once"));
    // From now on its own token is all that it needs.
    std::fs::remove_file(lab.folder.path().join("token")).unwrap();
    lab.through(lease(2, &json!([script("b", "true")]))).await;
    assert_eq!(lab.yard.server.requests_to(REGISTER).len(), 3);

    let mut other = Lab::new().await;
    let versions = json!({"code": "conflict", "detail": "the versions of the protocol are: 7"}).to_string();
    other.yard.server.answer_next(REGISTER, Answer::Status(409, versions, Vec::new()));
    let refused = other.work().await.unwrap_err().to_string();
    assert!(refused.contains("the versions of the protocol are: 7"), "{refused}");
    other.options.work_dir.clone_from(&lab.options.work_dir);
    let another = other.work().await.unwrap_err();
    assert!(matches!(another, AgentError::Another { .. }), "{another}");
    other.options.token_file = None;
    other.options.work_dir = other.folder.path().join("new");
    assert!(matches!(other.work().await.unwrap_err(), AgentError::NoToken(_)));
}

#[tokio::test]
async fn what_root_starts_runs_as_another_who_sees_nothing_of_the_agents() {
    // Nobody else can become another user.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut lab = Lab::new().await;
    lab.users = Users::new(Some("65534:65533"), false).unwrap();
    // The folders of tests are closed to all others; where an agent works they are not.
    std::fs::set_permissions(lab.folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::write(lab.folder.path().join("roots"), "not the job's").unwrap();
    let look = "id -u; echo kept >mine.log; ls ../..; ls ..; cat ../../agent.json; ls ../../leases; ln ../../../roots roots.log";
    let mut job = script("a", look);
    job["artifacts"] = json!(["*.log"]);
    let mut as_root = script("b", "true");
    as_root["command"]["user"] = json!("root");
    lab.through(lease(1, &json!([job, as_root]))).await;
    assert_eq!(lab.texts("stdout"), ["65534"], "{:?}", lab.texts("stderr"));
    let kept: Vec<String> = lab.yard.told(|told| told.artifacts.keys().map(|(_, path)| path.clone()).collect());
    assert_eq!(kept, ["mine.log"]);
    assert_eq!(lab.results()[1]["how"], "not_run");
}

/// A machine that is not well at first, and breaks when the first jobs are done.
#[derive(Debug, Default)]
struct Frail {
    asked: AtomicU32,
    /// How many jobs it ends before.
    ends: usize,
    panics: bool,
}

impl Executor for Frail {
    fn refuses(&self, _: &RunRequest) -> Option<String> {
        None
    }

    fn execute<'a>(&'a self, journal: &'a Journal, _: &'a Stop) -> BoxFuture<'a, Executed> {
        Box::pin(async move {
            let RunRequest::Jobs(request) = &journal.lease().request else { panic!("jobs") };
            for definition in request.jobs.iter().take(self.ends) {
                let (job, how) = (definition.job.clone(), How::Exited { code: 0 });
                journal.ended(JobEnd { job, how, started_at: None, duration_s: None });
            }
            if self.panics {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            Executed::Broken("no space left".to_owned())
        })
    }

    fn is_well(&self) -> Result<(), String> {
        if self.asked.fetch_add(1, Ordering::SeqCst) < 3 { Err("no disk".to_owned()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_machine_that_is_broken_takes_no_work_and_gives_back_what_it_has_not_begun() {
    let lab = Lab::new().await;
    let jobs = json!([script("a", "true"), script("b", "true")]);
    lab.yard.give(lease(1, &jobs));
    let frail = Arc::new(Frail::default());
    let summary = lab.work_by(Some(frail.clone())).await.unwrap();
    assert_eq!(summary, Summary { released: 1, ..Summary::default() });
    assert_eq!(frail.asked.load(Ordering::SeqCst), 4, "it asks for work once it is well");
    assert_eq!(lab.yard.server.requests_to(CLAIM).len(), 1);
    assert_eq!(lab.yard.told(|told| told.released.clone()), ["no space left"]);

    for (panics, words) in [(false, "no space left"), (true, "the agent failed before it came to it")] {
        let lab = Lab::new().await;
        lab.yard.give(lease(2, &jobs));
        let summary = lab.work_by(Some(Arc::new(Frail { ends: 1, panics, ..Frail::default() }))).await.unwrap();
        assert_eq!(summary.told, 1);
        let not_run = json!({"job": "b", "how": "not_run", "message": words});
        assert_eq!(ends(&lab), [json!({"job": "a", "how": "exited", "code": 0}), not_run]);
    }
}
