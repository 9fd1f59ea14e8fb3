//! How jobs stand, and why they cannot start.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NICS, causes, ids, make, network, pass, report, send};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn jobs_are_listed_by_how_they_stand(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::report"]).await;
        pass(&app, &path, "net::link").await;
        report(&app, &path, "net::ask", &json!({"outcome": "fail"})).await;
        let listed = async |query: &str| ids(&app, &format!("{path}/jobs?{query}")).await;
        assert_eq!(listed("").await, ["net::nic", "net::link", "net::ping", "net::report", "net::rescue", "net::ask"]);
        assert_eq!(listed("ready=true").await, ["net::nic"]);
        assert_eq!(listed("done=true").await, ["net::link", "net::ask"]);
        assert_eq!(listed("done=true&ready=true").await, [""; 0]);
        assert_eq!(listed("outcome=fail").await, ["net::ask"]);
        assert_eq!(listed("category_id=net::wired").await, ["net::ping"]);
        assert_eq!(listed("ready=false&done=false&limit=1").await, ["net::ping"]);
        let page = app.show(&format!("{path}/jobs?limit=4")).await;
        let next = page["next_cursor"].as_str().unwrap();
        assert_eq!(listed(&format!("limit=4&cursor={next}")).await, ["net::rescue", "net::ask"]);
        let order = ids(&app, &format!("{path}/run-list")).await;
        assert_eq!(order.last().map(String::as_str), Some("net::report"));
        assert_eq!(order.len(), 4);
        assert_eq!(ids(&app, &format!("{path}/run-list?done=false&limit=1")).await, ["net::nic"]);
        let page = app.show(&format!("{path}/run-list?limit=3")).await;
        let next = page["next_cursor"].as_str().unwrap();
        assert_eq!(ids(&app, &format!("{path}/run-list?cursor={next}")).await, ["net::report"]);
        for wrong in ["ready=perhaps", "outcome=good", "colour=red", "cursor=x", "done=true&done=false"] {
            app.get(&format!("{path}/jobs?{wrong}")).await.expect(400);
        }
    }

    async fn why_a_job_cannot_start_is_told_as_data_and_in_words(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::report"]).await;
        let why = async |job: &str| app.show(&format!("{path}/jobs/{job}/why")).await;
        let told = why("net::ping").await;
        assert_eq!(causes(&told), ["PENDING_RESOURCE", "PENDING_DEP"]);
        let sentence = "`net::ping` cannot start: `nic.kind == 'wired'` cannot be told yet, for there are no records of \
                        `net::nic`; `net::link` has not run yet; in the end it waits for `net::nic`, which can start, and for 1 more";
        assert_eq!(told["sentence"], sentence);
        assert_eq!(told["behind"][1], json!({"job": "net::link", "can_start": true, "inhibitors": []}));
        assert_eq!(why("net::link").await["sentence"], "`net::link` can start");
        assert_eq!(why("net::ask").await["sentence"], "`net::ask` cannot start: it is not on the run list");
        report(&app, &path, "net::nic", &json!({"outcome": "pass", "stdout": "kind: wireless\n"})).await;
        let told = why("net::ping").await;
        assert_eq!(told["given_up"]["outcome"], "skipped-resource");
        assert!(told["sentence"].as_str().unwrap().ends_with("it never will, and is given up as skipped-resource"), "{told}");
        app.get(&format!("{path}/jobs/net::ghost/why")).await.expect(404);
    }

    async fn a_job_is_begun_as_often_as_it_may_be_and_one_at_a_time(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping", "net::ask"]).await;
        let start = async |job: &str| app.post_empty(&format!("{path}/jobs/{job}/begin")).await;
        let refused = start("net::ping").await.expect(409);
        assert!(refused.text.contains("PENDING_DEP (net::link)"), "{}", refused.text);
        let begun = start("net::link").await.expect(200);
        assert_eq!((begun.header("etag"), &begun.json()["attempts"]), ("\"r2\"", &json!(2)));
        let told = app.show(&path).await;
        assert_eq!((&told["running_job_name"], &told["remaining_todo_jobs"]), (&json!("net::link"), &json!(true)));
        assert_eq!(told["last_job_start_time"], 1_767_323_045.0);
        let refused = start("net::ask").await.expect(409);
        assert!(refused.text.contains("`net::link` is running"), "{}", refused.text);
        start("net::link").await.expect(200);
        assert_eq!(start("net::link").await.expect(200).json()["can_start"], false);
        assert!(start("net::link").await.expect(409).text.contains("no attempts are left"));
        pass(&app, &path, "net::link").await;
        assert_eq!(app.show(&path).await["running_job_name"], Value::Null);
        start("net::ask").await.expect(200);
        start("net::ghost").await.expect(404);
    }

    async fn what_was_running_when_the_machine_died_is_decided(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::link"]).await;
        let resume = async || app.post_empty(&format!("{path}/resume")).await.expect(200);
        assert_eq!(resume().await.json(), json!({"job": null, "outcome": null, "was_recorded": false, "execution": null}));
        app.post_empty(&format!("{path}/jobs/net::link/begin")).await.expect(200);
        assert_eq!(resume().await.json(), json!({"job": "net::link", "outcome": "crash", "was_recorded": false, "execution": null}));
        assert_eq!(app.show(&format!("{path}/jobs/net::link")).await["outcome"], "crash");
    }

    async fn fields_of_a_job_are_overridden_and_taken_back(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping"]).await;
        let job = format!("{path}/jobs/net::ping");
        let change = async |body: Value| send(&app, Method::PATCH, &job, &body).await;
        let told = change(json!({"certification_status": "blocker", "category_id": "x::y", "attempts": 0})).await.expect(200).json();
        let effective = json!({"certification_status": "blocker", "category_id": "x::y", "auto_retry": "unspecified"});
        assert_eq!((&told["effective"], &told["attempts"]), (&effective, &json!(0)));
        let told = change(json!({"category_id": null})).await.expect(200).json();
        let effective = json!({"certification_status": "blocker", "category_id": "net::wired", "auto_retry": "unspecified"});
        assert_eq!(told["effective"], effective);
        assert_eq!(change(json!({"attempts": 1001})).await.expect(422).json()["errors"][0]["pointer"], "/attempts");
        assert_eq!(change(json!({"auto_retry": ""})).await.expect(422).json()["errors"][0]["pointer"], "/auto_retry");
        change(json!({"colour": "red"})).await.expect(422);
        send(&app, Method::PATCH, &format!("{path}/jobs/net::ghost"), &json!({"attempts": 1})).await.expect(404);
    }

    async fn a_job_is_shown_with_its_unit_and_its_result(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping"]).await;
        report(&app, &path, "net::nic", &json!({"outcome": "pass", "stdout": NICS, "return_code": 0})).await;
        let told = app.show(&format!("{path}/jobs/net::nic")).await;
        assert_eq!((&told["plugin"], &told["results"], &told["run_position"]), (&json!("resource"), &json!(1), &json!(0)));
        assert_eq!(told["unit"]["fields"]["command"], "lsnic");
        assert_eq!(told["result"]["io_log"][0], json!([0.0, "stdout", "a2luZDogd2lyZWQK"]));
        let instance = app.show(&format!("{path}/jobs/net::check-eth0")).await;
        assert_eq!((&instance["template_id"], &instance["result"]), (&json!("net::check-name"), &Value::Null));
        assert_eq!(instance["unit"]["parameters"], json!({"name": "eth0"}));
        assert_eq!(causes(&instance), ["UNDESIRED"]);
    }

    async fn who_runs_a_job_depends_on_the_machine(db: TestDb) {
        let app = TestApp::start(db).await;
        let units = json!([
            {"id": "plain", "plugin": "shell", "command": "x"},
            {"id": "root", "plugin": "shell", "command": "x", "user": "root"},
            {"id": "windows", "plugin": "shell", "command": "x", "flags": "win32"},
        ]);
        let session = make(&app, &json!({"units": units})).await;
        let asked = async |job: &str, machine: &str| {
            app.get(&format!("{session}/jobs/{job}/controllers{machine}")).await.expect(200).json()
        };
        assert_eq!(asked("plain", "").await["chosen"], "user");
        assert_eq!(asked("root", "?user_can_sudo=true").await["chosen"], "sudo");
        assert_eq!(asked("root", "?is_root=true").await["chosen"], "user");
        let trusted = "?has_launcher=true&provider_is_secure=true&user_can_sudo=true";
        assert_eq!(asked("root", trusted).await["chosen"], "trusted_launcher");
        let none = asked("windows", trusted).await;
        assert_eq!((&none["chosen"], none["scores"][3]["score"].as_i64()), (&json!(null), Some(-1)));
        assert!(none["reason"].as_str().unwrap().contains("no execution controller"), "{none}");
        app.get(&format!("{session}/jobs/ghost/controllers")).await.expect(404);
    }
}
