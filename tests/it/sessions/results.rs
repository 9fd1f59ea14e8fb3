//! Results are recorded, all or none, and what follows from them is told.

use reqwest::Method;
use serde_json::{Value, json};

use super::{JSON, NDJSON, NICS, make, network, pass, pointers, put, report, send, texts, unannounced};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn what_came_of_an_earlier_attempt_says_nothing_about_the_one_that_crashed(db: TestDb) {
        let app = TestApp::start(db).await;
        let session = network(&app, &["net::link"]).await;
        pass(&app, &session, "net::link").await;
        app.post_empty(&format!("{session}/jobs/net::link/begin")).await.expect(200);
        let resumed = app.post_empty(&format!("{session}/resume")).await.expect(200).json();
        assert_eq!((&resumed["outcome"], &resumed["was_recorded"]), (&json!("crash"), &json!(false)), "{resumed}");
        let verdict = app.get(&format!("{session}/verdict")).await.expect(200).json();
        assert_eq!(verdict["non_blockers_failed"], json!(["net::link"]), "{verdict}");
    }

    async fn nothing_is_released_before_what_is_to_be_tested_was_chosen(db: TestDb) {
        let app = TestApp::start(db).await;
        let verdict = async |session: &str| {
            app.get(&format!("{session}/verdict")).await.expect(200).json()["verdict"].as_str().unwrap().to_owned()
        };
        let session = network(&app, &[]).await;
        assert_eq!(verdict(&session).await, "incomplete", "nothing is on the run list");
        put(&app, &format!("{session}/plans"), &json!({"test_plans": ["net::smoke"]})).await.expect(200);
        app.post_empty(&format!("{session}/plans/bootstrap")).await.expect(200);
        pass(&app, &session, "net::nic").await;
        assert_eq!(verdict(&session).await, "incomplete", "the bootstrap goes on");
        app.post_empty(&format!("{session}/plans/include")).await.expect(200);
        for job in ["net::link", "net::nic", "net::ping"] {
            pass(&app, &session, job).await;
        }
        assert_eq!(verdict(&session).await, "pass");
        put(&app, &format!("{session}/mandatory"), &json!({"jobs": ["net::link", "net::ghost"]})).await.expect(200);
        assert_eq!(verdict(&session).await, "incomplete", "a mandatory job is not there");
    }

    async fn a_resource_jobs_output_makes_jobs(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping"]).await;
        let told = report(&app, &path, "net::link", &json!({"outcome": "pass", "execution_duration": 1.5})).await;
        assert_eq!((&told["job"]["outcome"], &told["ready"]["count"]), (&json!("pass"), &json!(0)));
        let output = format!("{NICS}\nkind: wired\n\nno colon\n\nname: lost\n");
        let answered = app.post(&format!("{path}/jobs/net::nic/results"), &json!({"outcome": "pass", "stdout": output})).await.expect(200);
        assert_eq!(answered.header("etag"), "\"r3\"");
        let told = answered.json();
        let recorded = &told["recorded"];
        assert_eq!((&recorded["is_new"], &recorded["records"]), (&json!(true), &json!(3)));
        assert_eq!(texts(&recorded["made"]["jobs"]["items"]), ["net::check-eth0", "net::check-wlan0"]);
        assert!(recorded["unread"].as_str().unwrap().starts_with("line 9: "), "{recorded}");
        assert_eq!((&recorded["dropped"]["count"], &recorded["dropped"]["items"][0]["record"]), (&json!(1), &json!(2)));
        assert!(recorded["dropped"]["items"][0]["reason"].as_str().unwrap().contains("name"), "{recorded}");
        assert_eq!(texts(&told["ready"]["items"]), ["net::ping"]);
        // The same again is nothing new, and makes the same jobs.
        let again = report(&app, &path, "net::nic", &json!({"outcome": "pass", "stdout": output})).await;
        assert_eq!((&again["recorded"]["is_new"], &again["recorded"]["made"]["jobs"]["count"]), (&json!(false), &json!(0)));
        assert_eq!(again["recorded"]["made"]["kept"]["count"], 2);
    }

    async fn the_history_of_a_job_outlives_it(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        let results = format!("{path}/jobs/net::ask/results");
        assert!(app.items(&results).await.is_empty());
        for outcome in ["fail", "undecided", "pass"] {
            report(&app, &path, "net::ask", &json!({"outcome": outcome, "comments": "\u{1b}[1mbold\u{1b}[0m"})).await;
        }
        // A result that says nothing takes the current one away and leaves no trace.
        let told = report(&app, &path, "net::ask", &json!({})).await;
        assert_eq!(told["job"]["outcome"], Value::Null);
        let page = app.show(&format!("{results}?limit=2")).await;
        let items = page["items"].as_array().unwrap();
        assert_eq!((&items[0]["result"]["outcome"], &items[1]["number"]), (&json!("fail"), &json!(1)));
        assert_eq!((&items[0]["plain_comments"], &items[0]["version"]), (&json!("bold"), &json!(2)));
        let rest = app.items(&format!("{results}?cursor={}", page["next_cursor"].as_str().unwrap())).await;
        assert_eq!((rest.len(), &rest[0]["result"]["outcome"], &rest[0]["live"]), (1, &json!("pass"), &json!(true)));
        app.post(&format!("{path}/trim"), &json!({"qualifier": {"id": "net::ask"}})).await.expect(200);
        let after = app.items(&results).await;
        assert!(after.len() == 3 && after.iter().all(|item| item["live"] == false), "{after:?}");
        app.get(&format!("{path}/jobs/net::ghost/results")).await.expect(404);
        app.get(&format!("{path}/jobs/%00/results")).await.expect(404);
        app.get(&format!("{results}?cursor=7")).await.expect(400);
    }

    async fn a_batch_is_recorded_as_one_version(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::report"]).await;
        let batch = json!([
            {"job": "net::nic", "outcome": "pass", "stdout": NICS},
            {"job": "net::check-eth0", "outcome": "pass"},
            {"job": "net::link", "outcome": "fail"},
        ]);
        let answered = app.post(&format!("{path}/results?skip=true"), &batch).await.expect(200);
        assert_eq!(answered.header("etag"), "\"r2\"");
        let told = answered.json();
        assert_eq!((&told["recorded"]["count"], &told["recorded"]["items"][1]["job"]), (&json!(3), &json!("net::check-eth0")));
        assert_eq!(told["skipped"]["items"][0]["job"], "net::ping");
        assert_eq!(told["skipped"]["items"][0]["outcome"], "skipped-dependency");
        assert_eq!(texts(&told["skipped"]["items"][0]["skip_reason"]["related_dependencies"]), ["net::link"]);
        assert_eq!(texts(&told["ready"]["items"]), ["net::report"]);
        let lines = "{\"job\": \"net::report\", \"outcome\": \"pass\"}\n\n{\"job\": \"net::ask\", \"outcome\": \"pass\"}\n";
        let told = app.post_raw(&format!("{path}/results"), &[NDJSON], lines).await.expect(200).json();
        assert_eq!(told["recorded"]["count"], 2);
        let stats = app.show(&format!("{path}/stats")).await;
        assert_eq!(stats["outcomes"], json!({"fail": 1, "pass": 4, "skipped-dependency": 1}));
        assert_eq!(stats["test_outcomes"], json!({"fail": 1, "pass": 3, "skipped-dependency": 1}));
        assert_eq!(stats["categories"]["category_map"]["net::wired"], "Wired networks");
    }

    async fn a_batch_with_a_fault_records_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::report"]).await;
        let batch = json!([
            {"job": "net::link", "outcome": "pass"}, 7, {"outcome": "pass"}, {"job": "net::link", "outcom": "pass"},
            {"job": "net::link", "execution_duration": -1}, {"job": "net::link", "io_log": [[0, "stdin", ""]]},
            {"job": "net::link", "io_log": [[0, "stdout", "?"]]}, {"job": "net::link", "io_log": [[0, "stdout", ""]], "stdout": "x"},
        ]);
        let refused = app.post(&format!("{path}/results"), &batch).await.expect(422);
        assert_eq!(pointers(&refused), ["/1", "/2/job", "/3", "/4/execution_duration", "/5", "/6", "/7/stdout"]);
        let batch = json!([{"job": "net::link", "outcome": "pass"}, {"job": "net::link", "outcome": "good"}]);
        assert_eq!(pointers(&app.post(&format!("{path}/results"), &batch).await.expect(422)), ["/1/outcome"]);
        let batch = json!([{"job": "net::link", "outcome": "pass"}, {"job": "net::ghost", "outcome": "pass"}]);
        let refused = app.post(&format!("{path}/results"), &batch).await.expect(422);
        assert_eq!(pointers(&refused), ["/1/job"]);
        assert!(refused.text.contains("net::ghost"), "{}", refused.text);
        let told = app.show(&path).await;
        assert_eq!((&told["version"], &told["numbers"]["outcomes"]), (&json!(1), &json!({})));
    }

    async fn a_result_that_makes_no_sense_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        let results = format!("{path}/jobs/net::link/results");
        let refused = app.post(&results, &json!({"outcome": "good"})).await.expect(422);
        assert_eq!(pointers(&refused), ["/outcome"]);
        assert!(refused.text.contains("not-supported"), "it names those there are: {}", refused.text);
        app.post(&results, &json!({"colour": "red"})).await.expect(422);
        app.post(&results, &json!([])).await.expect(422);
        let refused = app.post(&results, &json!({"stdout": "\n".repeat(100_001)})).await.expect(422);
        assert_eq!(pointers(&refused), ["/stdout"]);
        let large = |length: usize| json!({"job": "net::link", "outcome": "pass", "comments": "x".repeat(length)});
        let one = json!({"outcome": "pass"}).to_string();
        let one = format!("{one}{}", " ".repeat((4 << 20) + 1 - one.len()));
        let refused = app.post_raw(&results, &[JSON], unannounced(one)).await.expect(413);
        assert!(refused.text.contains(&(4 << 20).to_string()), "{}", refused.text);
        // Many are long together, and none may be by itself.
        let refused = app.post(&format!("{path}/results"), &json!([large(1), large(4 << 20)])).await.expect(413);
        assert!(refused.text.contains("the result at 1 ") && refused.text.contains(&(4 << 20).to_string()), "{}", refused.text);
        app.post(&format!("{path}/jobs/net::ghost/results"), &json!({"outcome": "pass"})).await.expect(404);
        app.post(&format!("{results}?skip=perhaps"), &json!({})).await.expect(400);
        assert_eq!(app.show(&path).await["version"], 1);
    }

    async fn what_can_never_start_is_given_up_when_it_is_asked_for(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::report", "net::rescue"]).await;
        let told = report(&app, &path, "net::link", &json!({"outcome": "crash"})).await;
        assert_eq!(told["skipped"]["count"], 0);
        let skipped = app.post_empty(&format!("{path}/skip")).await.expect(200).json()["skipped"].clone();
        let jobs: Vec<_> = skipped["items"].as_array().unwrap().iter().map(|it| (&it["job"], &it["outcome"])).collect();
        assert_eq!(jobs, [
            (&json!("net::ping"), &json!("skipped-dependency")),
            (&json!("net::rescue"), &json!("skip")),
        ]);
        let again = app.post_empty(&format!("{path}/skip")).await.expect(200);
        assert_eq!((&again.json()["skipped"]["count"], again.header("etag")), (&json!(0), "\"r3\""));
    }

    async fn what_a_session_comes_to_is_told(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::report", "net::ask"]).await;
        assert_eq!(app.show(&format!("{path}/estimate")).await, json!({"automated": 74.5, "manual": 30.0}));
        assert_eq!(app.show(&format!("{path}/estimate?overhead=5")).await["manual"], 5.0);
        for wrong in ["-1", "inf", "NaN", "x"] {
            app.get(&format!("{path}/estimate?overhead={wrong}")).await.expect(400);
        }
        send(&app, Method::PATCH, &format!("{path}/jobs/net::link"), &json!({"certification_status": "blocker"}))
            .await
            .expect(200);
        let certification = async |query: &str| {
            let told = app.show(&format!("{path}/certification{query}")).await;
            told["jobs"].as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(certification("").await, [""; 0]);
        assert_eq!(certification("?outcome=none").await, ["net::link"]);
        report(&app, &path, "net::link", &json!({"outcome": "fail"})).await;
        assert_eq!(certification("").await, ["net::link"]);
        assert_eq!(certification("?outcome=none&outcome=fail&status=blocker&status=non-blocker").await.len(), 6);
        app.get(&format!("{path}/certification?outcome=bad")).await.expect(400);
        let verdict = app.show(&format!("{path}/verdict")).await;
        assert_eq!((&verdict["verdict"], texts(&verdict["blockers_failed"])), (&json!("fail"), vec!["net::link"]));
        assert_eq!(texts(&verdict["not_run"]).len(), 4);
        let one = make(&app, &json!({"units": [{"id": "a", "plugin": "shell"}], "desired": ["a"]})).await;
        assert_eq!(app.show(&format!("{one}/verdict")).await["verdict"], "incomplete");
        pass(&app, &one, "a").await;
        assert_eq!(app.show(&format!("{one}/verdict")).await["verdict"], "pass");
    }
}
