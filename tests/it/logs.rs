//! Logs of runs: however their lines are sent they are the same, and every way to read them tells the same.

use axum::response::IntoResponse as _;
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use testyard::app::log::{self, Appended};
use testyard::app::{AppError, Result};
use testyard::domain::log::{Line, LogStream};
use testyard::domain::result::ResultSource;
use testyard::domain::status::Status;
use testyard::http::problem::Problem;
use testyard::ids::RunId;
use testyard::store;

use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;
use crate::support::sse::{SSE, Stream};

const TEXT: (&str, &str) = ("accept", "text/plain");

/// A line of one of three jobs, or a note.
fn line(number: usize) -> Line {
    let (job, stream) = match number % 5 {
        0 => (Some("a"), LogStream::Stdout),
        1 => (Some("b::ä/c"), LogStream::Stdout),
        2 => (Some("a"), LogStream::Stderr),
        3 => (None, LogStream::Note),
        _ => (Some("c"), LogStream::Stdout),
    };
    Line {
        at: DateTime::from_timestamp(1_767_323_045, 0).unwrap()
            + TimeDelta::milliseconds(i64::try_from(number).unwrap()),
        job: job.map(str::to_owned),
        stream,
        text: format!("line {number} ä\u{1F600}"),
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

fn lines(count: usize) -> Vec<Line> {
    (0..count).map(line).collect()
}

/// The text of these lines.
fn rendered(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        line.render(&mut text);
    }
    text
}

/// A line as callers see it.
fn shown(number: usize, line: &Line) -> Value {
    json!({"number": number, "at": line.at, "job": line.job, "stream": line.stream.to_string(), "text": line.text})
}

async fn append(app: &TestApp, run: RunId, first: usize, lines: &[Line]) -> Result<Appended> {
    let mut tx = app.app.db.begin().await?;
    let appended = log::append(&app.app, &mut tx.conn(), run, first as u64, lines).await;
    match &appended {
        Ok(_) => tx.commit().await?,
        Err(_) => tx.rollback().await?,
    }
    app.app.logs.tell(run);
    appended
}

/// A run that is planned, and the path of its log.
async fn a_run(app: &TestApp) -> (RunId, String) {
    let id = app.plan_tests("maestro:1", &["a", "b"]).await;
    (id.parse().unwrap(), format!("/api/v1/runs/{id}/log"))
}

async fn cancel(app: &TestApp, run: RunId) {
    app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
}

/// All lines, page by page.
async fn all(app: &TestApp, path: &str, query: &str) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = app.show(&format!("{path}?{query}{next}")).await;
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

async fn asked(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answered {
    app.send(reqwest::Method::GET, path, headers, "").await
}

on_both! {
    async fn however_lines_are_sent_the_log_is_the_same(db: TestDb) {
        const LINES: usize = 300;
        let app = TestApp::start(db).await;
        let (run, path) = a_run(&app).await;
        let lines = lines(LINES);
        let (mut next, mut random) = (0, 7_u64);
        while next < LINES {
            // Pieces that overlap, come again, or leave something out.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (some, many) = (size(random >> 33), size(random >> 48));
            let first = (next + some % 30).saturating_sub(20);
            let count = many % 40;
            let piece = &lines[first.min(LINES)..(first + count).min(LINES)];
            match append(&app, run, first, piece).await {
                Ok(appended) => {
                    assert_eq!(appended, Appended { next: next.max(first + piece.len()) as u64, dropped: 0 });
                    next = size(appended.next);
                }
                Err(AppError::LogGap(gap)) => assert_eq!((gap.first, gap.next), (first as u64, next as u64)),
                Err(error) => panic!("{error}"),
            }
        }
        let wanted: Vec<Value> = lines.iter().enumerate().map(|(number, line)| shown(number, line)).collect();
        for query in ["", "limit=1000", "limit=7&"] {
            assert_eq!(all(&app, &path, query).await, wanted, "{query}");
        }
        let page = app.show(&path).await;
        let text = rendered(&lines);
        assert_eq!(
            (&page["lines"], &page["bytes"], &page["dropped"], &page["ended"]),
            (&json!(LINES), &json!(text.len()), &json!(0), &json!(false))
        );
        let whole = asked(&app, &path, &[TEXT]).await.expect(200);
        assert_eq!(whole.text, text);
        assert_eq!((whole.header("content-type"), whole.header("accept-ranges")), ("text/plain; charset=utf-8", "bytes"));
        assert_eq!((whole.header("etag"), whole.header("content-length")), ("", &*text.len().to_string()));
        assert_eq!(app.show(&format!("{path}?from=290")).await["items"].as_array().unwrap(), &wanted[290..]);
        assert!(app.items(&format!("{path}?from=300")).await.is_empty());
    }

    async fn a_gap_is_told_with_the_number_that_is_to_come(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, path) = a_run(&app).await;
        append(&app, run, 0, &lines(3)).await.unwrap();
        let refused = append(&app, run, 5, &lines(1)).await.unwrap_err();
        let response = Problem::from(refused).into_response();
        assert_eq!(response.status(), 409);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&problem["code"], &problem["next"]), (&json!("log-gap"), &json!(3)));
        assert_eq!(app.show(&path).await["lines"], 3);
        let none = RunId::new(app.app.now());
        assert!(matches!(append(&app, none, 0, &lines(1)).await, Err(AppError::NotFound { .. })));
    }

    async fn past_the_limits_lines_are_counted(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.logs.max_lines = 4).await;
        let (run, path) = a_run(&app).await;
        let lines = lines(9);
        assert_eq!(append(&app, run, 0, &lines[..3]).await.unwrap(), Appended { next: 3, dropped: 0 });
        assert_eq!(append(&app, run, 2, &lines[2..7]).await.unwrap(), Appended { next: 7, dropped: 3 });
        assert_eq!(append(&app, run, 7, &lines[7..]).await.unwrap(), Appended { next: 9, dropped: 5 });
        assert_eq!(append(&app, run, 0, &lines).await.unwrap(), Appended { next: 9, dropped: 5 });
        let page = app.show(&path).await;
        assert_eq!((&page["lines"], &page["dropped"]), (&json!(5), &json!(5)));
        assert_eq!(page["items"][3], shown(3, &lines[3]));
        assert_eq!((&page["items"][4]["stream"], &page["items"][4]["number"]), (&json!("note"), &json!(4)));
        assert!(text(&page["items"][4], "text").contains("at most 4 lines"), "{page}");
    }

    async fn lines_are_chosen_by_job_and_stream(db: TestDb) {
        const LINES: usize = 3_000;
        let app = TestApp::start(db).await;
        let (run, path) = a_run(&app).await;
        let lines = lines(LINES);
        for first in (0..LINES).step_by(100) {
            append(&app, run, first, &lines[first..first + 100]).await.unwrap();
        }
        let chosen = |job: Option<&str>, streams: &[LogStream]| -> Vec<(usize, Line)> {
            let wanted = |line: &Line| job.is_none() || line.job.as_deref() == job;
            let wanted = |line: &Line| wanted(line) && (streams.is_empty() || streams.contains(&line.stream));
            lines.iter().cloned().enumerate().filter(|(_, line)| wanted(line)).collect()
        };
        for (query, wanted) in [
            ("job=a", chosen(Some("a"), &[])),
            ("job=b::%C3%A4/c", chosen(Some("b::ä/c"), &[])),
            ("stream=stderr", chosen(None, &[LogStream::Stderr])),
            ("stream=note&stream=stderr", chosen(None, &[LogStream::Stderr, LogStream::Note])),
            ("job=a&stream=stdout", chosen(Some("a"), &[LogStream::Stdout])),
            ("job=ghost", Vec::new()),
        ] {
            let shown: Vec<Value> = wanted.iter().map(|(number, line)| shown(*number, line)).collect();
            assert_eq!(all(&app, &path, &format!("{query}&limit=97")).await, shown, "{query}");
            let rest = app.items(&format!("{path}?{query}&from=2990")).await;
            assert_eq!(rest, shown.iter().filter(|line| line["number"].as_u64().unwrap() >= 2_990).cloned().collect::<Vec<_>>());
            let last = app.show(&format!("{path}?{query}&tail=5")).await;
            assert_eq!(last["items"].as_array().unwrap(), &shown[shown.len().saturating_sub(5)..], "{query}");
            assert_eq!(last["next_cursor"], Value::Null);
            let wanted: Vec<Line> = wanted.into_iter().map(|(_, line)| line).collect();
            assert_eq!(asked(&app, &format!("{path}?{query}"), &[TEXT]).await.expect(200).text, rendered(&wanted));
            let end = asked(&app, &format!("{path}?{query}&tail=3"), &[TEXT]).await.expect(200).text;
            assert_eq!(end, rendered(&wanted[wanted.len().saturating_sub(3)..]));
        }
        let last = app.items(&format!("{path}?tail=1000")).await;
        assert_eq!((last.len(), &last[0]["number"]), (1_000, &json!(2_000)));
    }

    async fn parts_of_the_text_are_parts_of_the_whole(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, path) = a_run(&app).await;
        let mut lines = lines(500);
        lines[250].text = "ä".repeat(30_000);
        for (place, piece) in lines.chunks(50).enumerate() {
            append(&app, run, place * 50, piece).await.unwrap();
        }
        let whole = rendered(&lines);
        let length = whole.len();
        let range = async |range: &str, more: &[(&str, &str)]| {
            let headers = [&[TEXT, ("range", range)], more].concat();
            app.http.get(format!("{}{path}", app.base)).headers(
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            ).send().await.unwrap()
        };
        for (from, to) in [(0, 1), (0, length), (10, 20), (8_000, 9_000), (8_191, 8_193), (length - 1, length), (5_000, 60_000)] {
            for asked in [format!("bytes={from}-{}", to - 1), format!("Bytes={from}-{}", if to == length { length + 9 } else { to - 1 })] {
                let part = range(&asked, &[]).await;
                assert_eq!(part.status(), 206, "{asked}");
                assert_eq!(part.headers()["content-range"], format!("bytes {from}-{}/*", to - 1));
                assert_eq!(part.headers()["content-length"], (to - from).to_string());
                assert_eq!(part.bytes().await.unwrap(), whole.as_bytes()[from..to], "{asked}");
            }
        }
        let part = range("bytes=-17", &[]).await;
        assert_eq!(part.bytes().await.unwrap(), whole.as_bytes()[length - 17..]);
        let outside = range(&format!("bytes={length}-"), &[]).await;
        assert_eq!(outside.headers()["content-range"], format!("bytes */{length}"));
        assert_eq!(Answered::of(outside).await.expect(416).json()["code"], "range-not-satisfiable");
        for passed_over in ["bytes=3-1", "lines=1-2", "bytes=0-1,5-6"] {
            assert_eq!(range(passed_over, &[]).await.status(), 200, "{passed_over}");
        }
        let head = app.http.head(format!("{}{path}", app.base)).header("accept", "text/plain").send().await.unwrap();
        assert_eq!(head.headers()["content-length"], length.to_string());

        cancel(&app, run).await;
        let ended = asked(&app, &path, &[TEXT]).await.expect(200);
        let tag = ended.header("etag").to_owned();
        assert!(!tag.is_empty() && ended.text == whole);
        assert_eq!(asked(&app, &path, &[TEXT, ("if-none-match", &tag)]).await.expect(304).text, "");
        let part = range("bytes=5-9", &[("if-range", &tag)]).await;
        assert_eq!(part.headers()["content-range"], format!("bytes 5-9/{length}"));
        assert_eq!(range("bytes=5-9", &[("if-range", "\"other\"")]).await.status(), 200);
    }

    async fn a_log_is_followed_to_its_end_whoever_writes_it(db: TestDb) {
        const LINES: usize = 200;
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let (run, path) = a_run(&app).await;
        let lines = lines(LINES);
        // Before there is a line.
        let url = format!("{}{path}?follow=1", app.base);
        let mut stream = Stream::open(&url, &[]).await;
        assert!(stream.any().await.unwrap().is_comment);
        let mut heard = Vec::new();
        for (turn, piece) in lines.chunks(20).enumerate() {
            append(if turn % 2 == 0 { &app } else { &twin }, run, turn * 20, piece).await.unwrap();
            for _ in 0..10 {
                let told = stream.next().await.unwrap();
                assert_eq!((told.event.as_str(), told.id), ("line", told.data["number"].as_i64()));
                heard.push(told.data);
            }
            if turn % 3 == 2 {
                // Breaks off, and goes on elsewhere behind what it has heard.
                let last = heard.last().unwrap()["number"].to_string();
                let base = if turn % 2 == 0 { &twin.base } else { &app.base };
                stream = Stream::open(&format!("{base}{path}?from=0"), &[SSE, ("last-event-id", &last)]).await;
            }
        }
        let mut late = Stream::open(&format!("{}{path}?tail=3", twin.base), &[SSE]).await;
        let mut notes = Stream::open(&format!("{}{path}?stream=note&from=100", app.base), &[SSE]).await;
        cancel(&app, run).await;
        let mut end = None;
        while let Some(told) = stream.next().await {
            if told.event == "end" {
                end = Some((told.id, told.data));
            } else {
                assert!(end.is_none(), "nothing comes behind the end");
                heard.push(told.data);
            }
        }
        let wanted: Vec<Value> = lines.iter().enumerate().map(|(number, line)| shown(number, line)).collect();
        assert_eq!(heard, wanted);
        let wanted_end = json!({"run": run, "state": "canceled", "status": Status::Miss, "lines": LINES,
            "bytes": rendered(&lines).len(), "dropped": 0});
        assert_eq!(end, Some((None, wanted_end.clone())));
        for line in &wanted[LINES - 3..] {
            assert_eq!(&late.next().await.unwrap().data, line);
        }
        assert_eq!(late.next().await.unwrap().data, wanted_end);
        for line in wanted[100..].iter().filter(|line| line["stream"] == "note") {
            assert_eq!(&notes.next().await.unwrap().data, line);
        }
        assert_eq!(notes.next().await.unwrap().event, "end");
        assert_eq!(notes.next().await, None);
        let refused = append(&app, run, LINES, &[line(0)]).await.unwrap_err().to_string();
        assert!(refused.contains("is over"), "{refused}");
        assert_eq!(append(&app, run, 0, &lines).await.unwrap().next, LINES as u64, "what is there may come again");
    }

    async fn a_run_without_a_log_says_why(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, path) = a_run(&app).await;
        for headers in [&[][..], &[TEXT]] {
            let refused = asked(&app, &path, headers).await.expect(404);
            assert!(refused.text.contains("yet, which is planned"), "{}", refused.text);
        }
        let mut stream = Stream::open(&format!("{}{path}?tail=5&follow=1", app.base), &[]).await;
        cancel(&app, run).await;
        let told = stream.next().await.unwrap();
        assert_eq!((told.event.as_str(), &told.data["lines"]), ("end", &json!(0)));
        assert!(app.get(&path).await.expect(404).text.contains("is over, and nothing was written"));
        let refused = append(&app, run, 0, &lines(1)).await.unwrap_err().to_string();
        assert!(refused.contains("begins none"), "{refused}");
        let result = store::result::TestResult {
            source: ResultSource::Run,
            run_id: Some(run),
            log_url: Some("https://files.example.org/1/log".into()),
            ..crate::store::a_result("riscv:1", app.app.now())
        };
        let mut tx = app.app.db.begin().await.unwrap();
        store::result::insert(&mut tx.conn(), &[result]).await.unwrap();
        tx.commit().await.unwrap();
        for path in [path.clone(), format!("{path}/search?q=x")] {
            let problem = app.get(&path).await.expect(404).json();
            assert_eq!(problem["log_url"], "https://files.example.org/1/log");
            assert!(text(&problem, "detail").contains("its runner `tuxsuite` keeps it"), "{problem}");
        }
        let none = RunId::new(app.app.now());
        for headers in [&[][..], &[TEXT], &[SSE]] {
            let refused = asked(&app, &format!("/api/v1/runs/{none}/log"), headers).await.expect(404);
            assert!(refused.text.contains(&none.to_string()), "{}", refused.text);
        }
    }

    async fn lines_are_found(db: TestDb) {
        const LINES: usize = 6_000;
        let app = TestApp::start(db).await;
        let (run, path) = a_run(&app).await;
        let lines = lines(LINES);
        append(&app, run, 0, &lines).await.unwrap();
        let search = format!("{path}/search");
        let found = async |query: &str| {
            let found = all(&app, &search, query).await;
            found.iter().map(|line| size(line["number"].as_u64().unwrap())).collect::<Vec<_>>()
        };
        let wanted = |is: &dyn Fn(usize) -> bool| (0..LINES).filter(|number| is(*number)).collect::<Vec<_>>();
        assert_eq!(found("q=line%205999").await, [5_999]);
        assert_eq!(found("q=LINE%205999").await, Vec::<usize>::new());
        assert_eq!(found("q=LINE%2059.9&ignore_case=1&regex=1").await, (0..10).map(|tens| 5_909 + tens * 10).collect::<Vec<_>>());
        assert_eq!(found("q=e%20.*7%20&regex=true&limit=13").await, wanted(&|number| number % 10 == 7));
        assert_eq!(found("q=line&limit=1000&job=c&from=5001").await, wanted(&|number| number >= 5_001 && number % 5 == 4));
        assert_eq!(found("q=%C3%84%F0%9F%98%80&ignore_case=1&stream=note&limit=1000").await, wanted(&|number| number % 5 == 3));
        let page = app.show(&format!("{search}?q=line%205&limit=2")).await;
        assert_eq!(page["items"][0], shown(5, &lines[5]));
        assert_eq!((&page["next_cursor"], &page["lines"]), (&json!("51"), &json!(LINES)));
        for (query, status, words) in [
            ("", 400, "`q`"),
            ("q=", 422, "1 to 1000"),
            ("q=(&regex=1", 422, "no regular expression"),
            ("q=x&regex=perhaps", 400, "perhaps"),
            ("q=x&colour=red", 400, "colour"),
            ("q=x&from=1&cursor=2", 400, "not both"),
            ("q=x&limit=1001", 400, "1 to 1000"),
        ] {
            let refused = app.get(&format!("{search}?{query}")).await.expect(status);
            assert!(refused.text.contains(words), "{query}: {}", refused.text);
        }
    }

    async fn what_jobs_wrote_is_read_back(db: TestDb) {
        let app = TestApp::start(db).await;
        let (run, _) = a_run(&app).await;
        let lines = lines(2_500);
        append(&app, run, 0, &lines).await.unwrap();
        let wrote = |job: &str, stream: LogStream| {
            let of_job = lines.iter().filter(|line| line.job.as_deref() == Some(job) && line.stream == stream);
            of_job.map(|line| line.text.clone() + "\n").collect::<String>()
        };
        let mut db = app.app.read().await.unwrap();
        let conn = &mut db.conn();
        let outputs = log::outputs(conn, run, 1_000_000).await.unwrap();
        assert_eq!(outputs.dropped, 0);
        for (job, stream) in [("a", LogStream::Stdout), ("a", LogStream::Stderr), ("b::ä/c", LogStream::Stdout), ("c", LogStream::Stdout)] {
            let output = log::output(conn, run, job, stream, 1_000_000).await.unwrap();
            assert_eq!(output, wrote(job, stream), "{job} {stream}");
            let of_all = outputs.of(job, stream).unwrap();
            assert_eq!((&of_all.text, of_all.is_cut), (&output, false));
        }
        assert_eq!(outputs.of("c", LogStream::Stderr), None);
        assert_eq!(log::output(conn, run, "ghost", LogStream::Stdout, 9).await.unwrap(), "");
        let short = log::outputs(conn, run, 20).await.unwrap();
        let cut = short.of("c", LogStream::Stdout).unwrap();
        assert!(cut.is_cut && wrote("c", LogStream::Stdout).starts_with(&cut.text) && (17..=20).contains(&cut.text.len()));
        assert_eq!(log::output(conn, run, "c", LogStream::Stdout, 20).await.unwrap(), cut.text);

        let whole = rendered(&lines);
        let tail = log::tail(conn, run, 16_384).await.unwrap().unwrap();
        assert!(whole.ends_with(&tail) && whole[..whole.len() - tail.len()].ends_with('\n'));
        assert!((16_300..=16_384).contains(&tail.chars().count()), "{}", tail.chars().count());
        assert_eq!(log::tail(conn, run, 10_000_000).await.unwrap(), Some(whole));
        assert_eq!(log::tail(conn, RunId::new(app.app.now()), 9).await.unwrap(), None);
        assert_eq!(log::length(conn, run).await.unwrap().lines, 2_500);
    }

    async fn a_hundred_thousand_lines_are_stored_in_few_chunks(db: TestDb) {
        const LINES: usize = 100_000;
        let app = TestApp::start(db).await;
        let (run, path) = a_run(&app).await;
        let lines = lines(LINES);
        for (turn, piece) in lines.chunks(4_000).enumerate() {
            append(&app, run, turn * 4_000, piece).await.unwrap();
        }
        let mut db = app.app.read().await.unwrap();
        let chunks = store::log::from_line(&mut db.conn(), run, 0, 10_000).await.unwrap().len();
        assert!((40..=120).contains(&chunks), "{chunks}");
        drop(db);
        assert_eq!(app.items(&format!("{path}?from=99990")).await[3], shown(99_993, &lines[99_993]));
        assert_eq!(app.items(&format!("{path}/search?q=line%2099999")).await[0], shown(99_999, &lines[99_999]));
        let whole = rendered(&lines);
        let from = whole.find("line 88888 ").unwrap();
        let part = asked(&app, &path, &[TEXT, ("range", &format!("bytes={from}-{}", from + 9))]).await.expect(206);
        assert_eq!(part.text, "line 88888");
        assert_eq!(asked(&app, &path, &[TEXT]).await.text, whole);
    }

    async fn what_is_asked_for_is_strict(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.server.max_event_streams = 1).await;
        let (run, path) = a_run(&app).await;
        append(&app, run, 0, &lines(2)).await.unwrap();
        for (query, headers, words) in [
            ("?from=x", &[][..], "from"),
            ("?from=1&cursor=2", &[], "not both"),
            ("?limit=0", &[], "1 to 1000"),
            ("?tail=0", &[], "tail"),
            ("?tail=1001", &[], "tail"),
            ("?tail=3&from=1", &[], "from"),
            ("?stream=ink", &[], "ink"),
            ("?follow=maybe", &[], "maybe"),
            ("?colour=red", &[], "colour"),
            ("?from=1", &[TEXT], "the text has none"),
            ("?limit=1", &[SSE], "a stream has none"),
            ("?from=1&tail=2", &[SSE], "not both"),
            ("", &[SSE, ("last-event-id", "x")], "Last-Event-ID"),
        ] {
            let refused = asked(&app, &format!("{path}{query}"), headers).await.expect(400);
            assert!(refused.text.contains(words), "{query}: {}", refused.text);
        }
        let one = Stream::open(&format!("{}{path}", app.base), &[SSE]).await;
        let refused = asked(&app, &path, &[SSE]).await.expect(503);
        assert!(refused.text.contains("1 event streams are open"), "{}", refused.text);
        drop(one);
        // A browser's wish for any text is no wish for a stream.
        let any = asked(&app, &path, &[("accept", "text/*")]).await.expect(200);
        assert_eq!(any.text, rendered(&lines(2)));
    }
}
