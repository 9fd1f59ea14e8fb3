//! Two processes serve one session: none loses what the other wrote.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{NICS, all_of, ids, make, network, pass, put, report};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn writers_at_two_replicas_lose_no_update(db: TestDb) {
        const JOBS: usize = 24;
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let units: Vec<Value> = (0..JOBS)
            .map(|number| {
                let depends = if number == 0 { json!(null) } else { json!(format!("j{}", number - 1)) };
                json!({"id": format!("j{number}"), "plugin": "shell", "depends": depends})
            })
            .collect();
        let path = make(&app, &json!({"units": units, "desired": [format!("j{}", JOBS - 1)]})).await;
        let mut writers = JoinSet::new();
        for number in 0..JOBS {
            let base = if number % 2 == 0 { &app.base } else { &twin.base };
            let url = format!("{base}{path}/jobs/j{number}/results");
            let request = app.http.post(url).header("content-type", "application/json");
            writers.spawn(request.body(json!({"outcome": "pass", "comments": number.to_string()}).to_string()).send());
        }
        let mut tags: Vec<String> = Vec::new();
        for answered in writers.join_all().await {
            let answered = answered.unwrap();
            assert_eq!(answered.status().as_u16(), 200);
            tags.push(answered.headers()["etag"].to_str().unwrap().to_owned());
        }
        tags.sort_unstable();
        let mut wanted: Vec<String> = (2..JOBS + 2).map(|version| format!("\"r{version}\"")).collect();
        wanted.sort_unstable();
        assert_eq!(tags, wanted, "each has a version of its own");
        for one in [&app, &twin] {
            let told = one.show(&path).await;
            assert_eq!((&told["version"], &told["numbers"]["outcomes"]), (&json!(JOBS + 1), &json!({"pass": JOBS})));
            assert_eq!(ids(one, &format!("{path}/jobs?outcome=pass")).await.len(), JOBS);
        }
        assert_eq!(all_of(&app, &path).await, all_of(&twin, &path).await);
    }

    async fn each_sees_at_once_what_the_other_did(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let path = network(&app, &["net::ping"]).await;
        assert_eq!(ids(&twin, &format!("{path}/jobs?ready=true")).await, ["net::nic", "net::link"]);
        pass(&app, &path, "net::link").await;
        let told = report(&twin, &path, "net::nic", &json!({"outcome": "pass", "stdout": NICS})).await;
        assert_eq!(told["ready"]["items"], json!(["net::ping"]));
        assert_eq!(ids(&app, &format!("{path}/jobs?ready=true")).await, ["net::ping"]);
        // What was taken out is gone at the other one, too.
        app.post(&format!("{path}/trim"), &json!({"qualifier": {"id": "net::ask"}})).await.expect(200);
        twin.get(&format!("{path}/jobs/net::ask")).await.expect(404);
        put(&twin, &format!("{path}/desired"), &json!({"jobs": ["net::check-eth0"]})).await.expect(200);
        assert_eq!(ids(&app, &format!("{path}/run-list")).await, ["net::check-eth0"]);
        assert_eq!(all_of(&app, &path).await, all_of(&twin, &path).await);
    }
}
