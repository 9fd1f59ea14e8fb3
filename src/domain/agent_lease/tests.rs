use serde_json::json;

use super::*;
use crate::domain::status::Status;

fn labels(texts: &[&str]) -> Labels {
    Labels::read(texts.iter().copied()).unwrap()
}

/// A run of two jobs, of which the second is judged by what it writes.
fn jobs() -> RunRequest {
    serde_json::from_value(json!({
        "kind": "jobs", "session": "ses_0198c1a20b7c7d3e9f00112233445566", "collection": "lab",
        "build": {"id": "maestro:1", "kernel_image_url": "https://files.example.org/Image"},
        "jobs": [
            {"job": "a", "command": {"argv": ["true"]}, "expects": {"exit_code": 3}},
            {"job": "b", "command": {"argv": ["echo", "hi"]}, "expects": {"stdout": "hi\n"}},
        ],
    }))
    .unwrap()
}

fn tests(names: &[&str]) -> RunRequest {
    serde_json::from_value(json!({
        "kind": "tests", "kernel_image_url": "https://files.example.org/Image", "modules_url": null, "device": "d",
        "collection": "ltp", "tests": names,
    }))
    .unwrap()
}

fn exited(job: &str, code: i32) -> JobEnd {
    JobEnd { job: job.into(), how: How::Exited { code }, started_at: None, duration_s: None }
}

#[test]
fn an_agent_stands_as_its_newest_lease_and_its_last_word_say() {
    use AgentState as A;
    use LeaseState as L;
    use Standing as S;
    for (standing, lease, is_heard, state) in [
        (S::Active, None, true, A::Idle),
        (S::Active, None, false, A::Offline),
        (S::Active, Some(L::Held), false, A::Busy),
        (S::Drained, Some(L::Held), true, A::Busy),
        (S::Drained, Some(L::Ended), true, A::Drained),
        (S::Active, Some(L::Lost), false, A::Lost),
        (S::Active, Some(L::Lost), true, A::Idle),
        (S::Active, Some(L::Released), true, A::Idle),
        (S::Active, Some(L::Ended), false, A::Offline),
    ] {
        assert_eq!(A::of(standing, lease, is_heard), state, "{standing} {lease:?} {is_heard}");
    }
}

#[test]
fn a_name_can_stand_in_a_path_and_is_no_word_of_the_api() {
    for good in ["lab-3", "a", "Board_7.b", &"x".repeat(MAX_NAME_BYTES)] {
        assert_eq!(check_name(good), Ok(()), "{good}");
    }
    for bad in ["", "claim", "tokens", "a/b", "a b", "ä", ".", "..", &"x".repeat(MAX_NAME_BYTES + 1)] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_does_not_fit_is_told_the_most_frequent_first() {
    let agent = labels(&["arch=riscv64", "board=vf2"]);
    let mut misfits = Misfits::default();
    assert!(misfits.fits(&agent, None));
    assert!(misfits.fits(&agent, Some(&labels(&["board=vf2"]))));
    assert_eq!(misfits.words(), None);
    for required in [&["gpu=yes"][..], &["arch=arm64"], &["arch=arm64", "gpu=yes"]] {
        assert!(!misfits.fits(&agent, Some(&labels(required))), "{required:?}");
    }
    let words = misfits.words().unwrap();
    assert!(words.ends_with("lacks: arch=arm64 (2), gpu=yes (1)"), "{words}");
}

#[test]
fn results_are_of_the_jobs_that_are_held_each_once() {
    let bad = JobEnd { duration_s: Some(-1.0), ..exited("a", 0) };
    let found = faults(&jobs(), &[exited("a", 0), exited("c", 0), bad]);
    let places: Vec<&str> = found.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(places, ["/results/1/job", "/results/2/job", "/results/2/duration_s"]);
    assert!(found[0].detail.contains("`c`"), "{found:?}");
    assert_eq!(faults(&jobs(), &[exited("b", 0)]), []);
    assert_eq!(faults(&tests(&["t"]), &[exited("t", 0)]), []);
}

#[test]
fn each_job_is_judged_by_what_it_must_come_to() {
    let results = [exited("a", 3), exited("b", 0)];
    let request = jobs();
    let judged: Vec<&str> = judged_by_output(&request, &results).map(|(job, _)| job).collect();
    assert_eq!(judged, ["b"]);
    let wrote = |text: &str| BTreeMap::from([("b", (text.to_owned(), String::new()))]);
    let statuses = |outputs: &BTreeMap<&str, (String, String)>| -> Vec<Status> {
        outcomes(&request, &results, outputs).into_values().map(|outcome| outcome.status).collect()
    };
    assert_eq!(statuses(&wrote("hi\n")), [Status::Pass, Status::Pass]);
    assert_eq!(statuses(&wrote("ho\n")), [Status::Pass, Status::Fail]);
    let stopped = [JobEnd { how: How::Canceled, ..exited("b", 0) }];
    assert_eq!(judged_by_output(&request, &stopped).count(), 0);
    // A test has no definition: what exits with 0 passes.
    let outcomes = outcomes(&tests(&["t", "u"]), &[exited("t", 0), exited("u", 1)], &BTreeMap::new());
    assert_eq!((outcomes["t"].status, outcomes["u"].status), (Status::Pass, Status::Fail));
}

#[test]
fn jobs_are_told_of_the_build_that_they_are_for() {
    let told = environment(&jobs());
    let want = [("TESTYARD_BUILD", "maestro:1"), ("TESTYARD_KERNEL_IMAGE_URL", "https://files.example.org/Image")];
    assert_eq!(told, want.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(environment(&tests(&[])).len(), 1);
}
