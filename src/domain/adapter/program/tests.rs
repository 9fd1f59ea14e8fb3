use proptest::prelude::*;

use super::*;

#[test]
fn lines_are_put_together() {
    let told = read(
        br#"{"phase": "running", "device": "board-1"}

            {"test": "a", "status": "FAIL", "reason": "no", "cases": [{"name": "x", "status": "PASS"}]}
            {"test": "b", "status": "PASS"}
            {"test": "b", "status": "SKIP", "duration_s": 1.5}
            {"uid": "7", "phase": "finished", "verdict": "FAIL", "log_url": "https://l.example/"}"#,
    )
    .unwrap();
    assert_eq!(told.job.log_url.as_deref(), Some("https://l.example/"));
    let seen = told.observation(Subject::Tests, None).unwrap();
    assert_eq!((seen.uid.as_str(), seen.phase, seen.verdict), ("7", Phase::Finished, Some(Status::Fail)));
    assert_eq!(seen.device.as_deref(), Some("board-1"));
    let statuses: Vec<_> =
        seen.tests.iter().map(|(name, test)| (name.as_str(), test.status, test.cases.len())).collect();
    assert_eq!(statuses, [("a", Status::Fail, 1), ("b", Status::Skip, 0)]);
}

#[test]
fn no_job_is_not_the_same_as_no_word_of_one() {
    assert_eq!(read(br#"{"uid": null}"#).unwrap().job.uid, Uid::NoJob);
    assert_eq!(read(br#"{"phase": "running"}"#).unwrap().job.uid, Uid::Unsaid);
    assert_eq!(read(b"").unwrap(), Told::default());
    assert!(read(br#"{"phase": "running"}"#).unwrap().observation(Subject::Tests, None).unwrap_err().contains("uid"));
    assert!(read(b"").unwrap().observation(Subject::Tests, Some("7")).unwrap_err().contains("phase"));
}

#[test]
fn what_is_wrong_is_told_by_its_line() {
    let table: [(&[u8], &str); 7] = [
        (b"{}\nnonsense", "line 2: expected"),
        (b"[1]", "line 1: want an object"),
        (b"{\"colour\": 1}", "line 1: unknown field `colour`"),
        (b"{\"phase\": \"asleep\"}", "line 1: unknown variant `asleep`"),
        (b"{\"test\": \"a\"}", "line 1: missing field `status`"),
        (b"{\"test\": \"a\", \"status\": \"pass\"}", "`pass` is not a status"),
        (b"\xff", "line 1"),
    ];
    for (output, words) in table {
        let error = read(output).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let many = "{\"test\": \"a\", \"status\": \"PASS\"}\n".repeat(MAX_RESULTS + 1);
    assert!(read(many.as_bytes()).unwrap_err().contains("more than 20000"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(output: Vec<u8>) {
        if let Ok(told) = read(&output) {
            prop_assert!(told.tests.len() <= output.len());
        }
    }
}
