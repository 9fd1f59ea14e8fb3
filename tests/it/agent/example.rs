//! `examples/agent.py`, which shows that the protocol is enough to write another agent.

use serde_json::json;

use crate::support::fake_server::Answer;
use crate::support::fake_yard::{FakeYard, HEARTBEAT, LOG, REGISTRATION, RESULTS, lease, script};
use crate::support::python::example_agent;

#[tokio::test]
async fn the_example_works() {
    let yard = FakeYard::start().await;
    for route in [LOG, RESULTS] {
        yard.server.answer_next(route, Answer::Lost);
    }
    yard.server.answer_next(HEARTBEAT, Answer::Status(503, String::new(), Vec::new()));
    let mut command = example_agent(&[&yard.server.url(), REGISTRATION, "py", "arch=any"]).await;
    let mut child = command.spawn().expect("python3 starts");
    let jobs = json!([
        script("a", "echo one; echo two; echo oops >&2; sleep 1.5; exit 3"),
        {"job": "b", "command": {"argv": ["cat"], "stdin": "given"}},
        {"job": "c", "command": {"argv": ["no-such-program-anywhere"]}},
        {"job": "d", "command": {"argv": ["sleep", "1000"], "timeout_s": 1}},
        script("e", "kill -9 $$"),
    ]);
    let mut build = lease(1, &json!([]));
    build["request"] = json!({"kind": "build"});
    yard.give(build);
    yard.give(lease(2, &jobs));
    yard.until("the results", |told| told.results.len() == 5).await;
    assert_eq!(yard.told(|told| told.released.clone()), ["it runs only jobs"]);
    let results = yard.told(|told| told.results.clone());
    assert_eq!(results[0], json!({"job": "a", "how": "exited", "code": 3}));
    assert_eq!(results[1], json!({"job": "b", "how": "exited", "code": 0}));
    assert_eq!(results[2]["how"], "not_run");
    assert_eq!(results[3], json!({"job": "d", "how": "timed_out", "after_s": 1}));
    assert_eq!(results[4], json!({"job": "e", "how": "signaled", "signal": 9}));
    assert_eq!(yard.told(|told| told.texts("stdout")), ["one", "two", "given"]);
    assert_eq!(yard.told(|told| told.texts("stderr")), ["oops"]);
    assert!(yard.server.requests_to(HEARTBEAT).len() >= 2);
    child.kill().await.unwrap();
}
