use serde_json::json;
use tempfile::TempDir;

use super::*;

fn lease(log: LogLimits) -> Lease {
    let definition = |job: &str| json!({"job": job, "command": {"argv": ["true"]}});
    serde_json::from_value(json!({
        "id": "lse_0198c1a20b7c7d3e9f00112233445566",
        "run": "run_0198c1a20b7c7d3e9f00112233445566",
        "generation": 1,
        "expires_at": "2026-01-01T00:00:00Z",
        "heartbeat_s": 10,
        "request": {
            "kind": "jobs",
            "session": "ses_0198c1a20b7c7d3e9f00112233445566",
            "collection": "c",
            "jobs": [definition("a"), definition("b")],
        },
        "log": log,
        "artifacts": {"max_bytes": 1000},
    }))
    .unwrap()
}

const WIDE: LogLimits = LogLimits { max_bytes: 1 << 20, max_lines: 1000 };

fn line(text: &str) -> Line {
    Line { at: DateTime::UNIX_EPOCH, job: Some("a".to_owned()), stream: LogStream::Stdout, text: text.to_owned() }
}

fn end(job: &str) -> JobEnd {
    JobEnd { job: job.to_owned(), how: How::Exited { code: 0 }, started_at: None, duration_s: Some(0.5) }
}

fn texts(journal: &Journal, from: Place) -> Vec<String> {
    journal.lines(from, u64::MAX, usize::MAX).unwrap().0.into_iter().map(|line| line.text).collect()
}

fn recover(below: &TempDir) -> Journal {
    let folder = below.path().read_dir().unwrap().next().unwrap().unwrap().path();
    Journal::recover(folder).unwrap().unwrap()
}

#[test]
fn what_was_written_is_there_after_a_crash() {
    let below = TempDir::new().unwrap();
    let journal = Journal::begin(below.path(), lease(WIDE)).unwrap();
    journal.log(["one", "two", "three"].map(line));
    let two = journal.place(2).unwrap();
    assert_eq!(texts(&journal, two), ["three"]);
    journal.acknowledge(2);
    journal.began("a", DateTime::UNIX_EPOCH, None);
    journal.ended(end("a"));
    journal.began("b", DateTime::UNIX_EPOCH, None);
    for name in ["x", "y"] {
        journal.keep("a", name, |target| std::fs::write(target, name)).unwrap();
    }
    journal.forget_file(0);
    let folder = below.path().join(journal.lease().id.to_string());
    drop(journal);
    // A crash in the midst of a line.
    for name in ["log.jsonl", "jobs.jsonl", "files.jsonl"] {
        OpenOptions::new().append(true).open(folder.join(name)).unwrap().write_all(b"{\"at\": \"20").unwrap();
    }

    let journal = recover(&below);
    assert_eq!(journal.lease(), &lease(WIDE));
    assert_eq!(journal.first_unacknowledged().unwrap(), two);
    assert_eq!(journal.unended().unwrap(), [("b".to_owned(), None)]);
    assert_eq!(journal.ends(), [end("a")]);
    let (file, path) = journal.next_file().unwrap();
    assert_eq!((file.number, file.path.as_str(), std::fs::read_to_string(path).unwrap().as_str()), (1, "y", "y"));
    assert_eq!(journal.over(), None);
    journal.note(DateTime::UNIX_EPOCH, None, "four\nfive");
    journal.end_the_rest("the agent was restarted");
    assert_eq!(texts(&journal, Place::default()), ["one", "two", "three", "four five"]);
    let message = "the agent was restarted".to_owned();
    assert_eq!(journal.ends()[1].how, How::NotRun { message });
    journal.keep("b", "z", |target| std::fs::write(target, "z")).unwrap();
    journal.forget_file(1);
    assert_eq!(journal.next_file().unwrap().0.number, 2, "no number is given twice");
    journal.close(Over::Released("broken".to_owned()));
    drop(journal);
    let journal = recover(&below);
    assert_eq!(journal.over(), Some(Over::Released("broken".to_owned())));
    assert_eq!(journal.ends().len(), 2);
    journal.remove().unwrap();
    assert_eq!(below.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_log_has_an_end() {
    for limits in [LogLimits { max_bytes: 260, ..WIDE }, LogLimits { max_lines: 4, ..WIDE }] {
        let below = TempDir::new().unwrap();
        let journal = Journal::begin(below.path(), lease(limits)).unwrap();
        for text in ["0123456789", "0123456789"] {
            journal.log([line(text), line(&text.repeat(2))]);
        }
        journal.note(DateTime::UNIX_EPOCH, None, "never");
        let texts = texts(&journal, Place::default());
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(texts[3].starts_with(CUT), "{texts:?}");
        assert!(texts.iter().map(|text| text.len() as u64 + 1).sum::<u64>() <= limits.max_bytes);
        drop(journal);
        recover(&below).log([line("never")]);
        assert_eq!(recover(&below).state().lines, 4);
    }
}

#[test]
fn batches_are_bounded_and_follow_each_other() {
    let below = TempDir::new().unwrap();
    let journal = Journal::begin(below.path(), lease(WIDE)).unwrap();
    journal.log((0..100).map(|n| line(&n.to_string())));
    let (mut place, mut all) = (Place::default(), Vec::new());
    loop {
        let (lines, next) = journal.lines(place, 300, 7).unwrap();
        if lines.is_empty() {
            break;
        }
        assert!(lines.len() <= 7);
        all.extend(lines.into_iter().map(|line| line.text));
        place = next;
        assert_eq!(journal.place(place.line).unwrap(), place);
    }
    assert_eq!(all, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(journal.place(1000).unwrap(), place, "there are no more");
}

#[test]
fn a_lease_that_is_given_again_begins_anew_and_half_a_journal_is_none() {
    let below = TempDir::new().unwrap();
    let journal = Journal::begin(below.path(), lease(WIDE)).unwrap();
    journal.ended(end("a"));
    drop(journal);
    let journal = Journal::begin(below.path(), lease(WIDE)).unwrap();
    assert!(!journal.has_ends());
    std::fs::remove_file(journal.folder.join("lease.json")).unwrap();
    assert!(Journal::recover(journal.folder.clone()).unwrap().is_none());
    assert_eq!(below.path().read_dir().unwrap().count(), 0);
}
