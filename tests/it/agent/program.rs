//! The real program: signalled, killed, and started again.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::fake_server::PATIENCE;
use crate::support::fake_yard::{FakeYard, REGISTER, REGISTRATION, lease, script};
use crate::support::process::{run, testyard};

/// `testyard agent` that works for this service in this folder.
fn agent(folder: &Path, yard: &FakeYard, more: &[&str]) -> Command {
    let url = yard.server.url();
    let mut arguments = vec!["agent", "--server", &url, "--name", "lab-3", "--work-dir", "work", "--allow-root"];
    arguments.extend(more);
    testyard(folder, &arguments)
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("token"), REGISTRATION).unwrap();
    folder
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    kill_process(id.unwrap(), signal).unwrap();
}

/// Waits until its log says so.
async fn said(child: &mut Child, words: &str) {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let said = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(words) {
                return;
            }
        }
        panic!("it ended without saying `{words}`");
    };
    tokio::time::timeout(PATIENCE, said).await.expect("it says so");
}

/// Its exit code and what it printed.
async fn ended(child: Child) -> (Option<i32>, String) {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the agent ends").unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn it_works_once_and_ends() {
    let (folder, yard) = (folder(), FakeYard::start().await);
    yard.give(lease(1, &json!([script("a", "echo hi")])));
    let ended = run(agent(folder.path(), &yard, &["--token-file", "token", "--once", "--label", "arch=riscv64"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "1 done, 0 given back, 0 not taken by the service\n");
    assert_eq!(yard.told(|told| told.texts("stdout")), ["hi"]);
}

#[tokio::test]
async fn a_first_signal_lets_the_job_end_and_a_second_stops_it() {
    let (folder, yard) = (folder(), FakeYard::start().await);
    let gate = folder.path().join("gate");
    let wait = format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo over", gate.display());
    yard.give(lease(1, &json!([script("a", &wait)])));
    let child = start(agent(folder.path(), &yard, &["--token-file", "token"]));
    yard.until("the job has begun", |told| !told.log.is_empty()).await;
    signal(&child, Signal::TERM);
    yard.give(lease(2, &json!([script("b", "true")])));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(ended(child).await, (Some(0), "1 done, 0 given back, 0 not taken by the service\n".to_owned()));
    assert_eq!(yard.told(|told| told.texts("stdout")), ["begun", "over"]);

    yard.told(|told| {
        told.log.clear();
        told.results.clear();
        told.waiting.clear();
    });
    yard.give(lease(3, &json!([script("c", "echo begun; sleep 1000")])));
    let mut child = start(agent(folder.path(), &yard, &[]));
    yard.until("the job has begun", |told| !told.log.is_empty()).await;
    signal(&child, Signal::INT);
    // Two that come at once may be one.
    said(&mut child, "ending after what has begun").await;
    signal(&child, Signal::TERM);
    assert_eq!(ended(child).await.0, Some(0));
    assert_eq!(yard.told(|told| told.results[0]["message"].clone()), "the agent was told to end");
}

#[tokio::test]
async fn after_its_death_the_next_one_tells_what_was_left_and_stops_what_ran_on() {
    let (folder, yard) = (folder(), FakeYard::start().await);
    let jobs = json!([script("a", "echo one"), script("b", "echo pid $$; exec sleep 1000"), script("c", "true")]);
    yard.give(lease(1, &jobs));
    let child = start(agent(folder.path(), &yard, &["--token-file", "token"]));
    yard.until("the second job has begun", |told| told.texts("stdout").len() == 2).await;
    signal(&child, Signal::KILL);
    ended(child).await;
    let pid = yard.told(|told| told.texts("stdout")[1].strip_prefix("pid ").unwrap().parse().unwrap());
    let pid = Pid::from_raw(pid).unwrap();
    test_kill_process(pid).expect("the job lives on without its agent");

    let child = start(agent(folder.path(), &yard, &[]));
    yard.until("the results", |told| told.results.len() == 3).await;
    let results = yard.told(|told| told.results.clone());
    let words = json!("the agent was restarted");
    assert_eq!(
        [&results[0]["code"], &results[1]["message"], &results[2]["message"]],
        [&json!(0), &words, &words],
        "{results:?}"
    );
    assert_eq!(yard.told(|told| told.texts("stdout").len()), 2, "no line is there twice");
    // It was killed before the results were sent, and goes a moment later. Nobody may be there to see to a zombie.
    let gone = async {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("what ran on is stopped");
    yard.give(lease(2, &json!([script("d", "true")])));
    yard.until("work after that", |told| told.results.len() == 4).await;
    signal(&child, Signal::TERM);
    assert_eq!(ended(child).await, (Some(0), "2 done, 0 given back, 0 not taken by the service\n".to_owned()));
    assert_eq!(yard.server.requests_to(REGISTER).len(), 1);
}

#[tokio::test]
async fn what_it_cannot_work_with_is_said() {
    let (folder, yard) = (folder(), FakeYard::start().await);
    let refused = async |more: &[&str], words: &str| {
        let ended = run(agent(folder.path(), &yard, more)).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
    };
    refused(&[], "--token-file").await;
    refused(&["--label", "arch"], "`arch` is no label").await;
    refused(&["--user", "no-such-user"], "no user `no-such-user`").await;
    refused(&["--mask-file", "nowhere"], "nowhere cannot be read").await;
    std::fs::write(folder.path().join("token"), "reg_other").unwrap();
    let ended = run(agent(folder.path(), &yard, &["--token-file", "token"])).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("this registration token is not known"), "{ended:?}");
    if rustix::process::geteuid().is_root() {
        let ended =
            run(testyard(folder.path(), &["agent", "--server", &yard.server.url(), "--work-dir", "work"])).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("jobs do not run as root"), "{ended:?}");
    }
    assert_eq!(yard.server.requests_to(REGISTER).len(), 1);
}
