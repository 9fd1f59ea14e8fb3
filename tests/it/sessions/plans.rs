//! Test plans, from their setup to what they are about.

use serde_json::json;

use super::{NICS, SESSIONS, ids, make, network, pointers, put, report, texts};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn plans_go_from_bootstrap_to_what_they_are_about(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        let told = put(&app, &format!("{path}/plans"), &json!({"test_plans": ["net::smoke"]})).await.expect(200);
        assert_eq!(told.json()["problems"]["count"], 0);
        assert_eq!(app.show(&path).await["test_plans"], json!(["net::smoke"]));
        assert_eq!(ids(&app, &format!("{path}/run-list")).await, ["net::link"], "what is mandatory");
        let effective = async || app.show(&format!("{path}/jobs/net::ping")).await["effective"]["certification_status"].clone();
        assert_eq!(effective().await, "blocker");
        app.post_empty(&format!("{path}/plans/setup")).await.expect(200);
        assert_eq!(app.show(&path).await["flags"], json!(["setting_up"]));
        app.post_empty(&format!("{path}/plans/bootstrap")).await.expect(200);
        assert_eq!(app.show(&path).await["flags"], json!(["bootstrapping"]));
        assert_eq!(ids(&app, &format!("{path}/run-list")).await, ["net::nic"]);
        report(&app, &path, "net::nic", &json!({"outcome": "pass", "stdout": NICS})).await;
        let choose = async |query: &str| app.get(&format!("{path}/plans/choose{query}")).await;
        assert_eq!(texts(&choose("").await.expect(200).json()["jobs"]), ["net::ping", "net::check-eth0", "net::check-wlan0"]);
        assert_eq!(texts(&choose("?part=bootstrap").await.expect(200).json()["jobs"]), ["net::nic"]);
        assert_eq!(texts(&choose("?plan=net::other").await.expect(200).json()["jobs"]), ["net::report"]);
        assert_eq!(texts(&choose("?part=mandatory&plan=net::smoke&plan=net::other").await.expect(200).json()["jobs"]), ["net::link"]);
        assert!(choose("?plan=net::ghost").await.expect(422).text.contains("net::ghost"));
        choose("?part=all").await.expect(400);
        app.post_empty(&format!("{path}/plans/include")).await.expect(200);
        let list = ids(&app, &format!("{path}/run-list")).await;
        for job in ["net::link", "net::ping", "net::check-eth0", "net::check-wlan0"] {
            assert!(list.iter().any(|id| id == job), "{job}: {list:?}");
        }
        assert_eq!(app.show(&path).await["flags"], json!([]));
        // Other plans take back what the first ones override.
        put(&app, &format!("{path}/plans"), &json!({"test_plans": ["net::other"]})).await.expect(200);
        assert_eq!(effective().await, "non-blocker");
    }

    async fn plans_that_are_not_there_or_cannot_be_read_are_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let pxu = "unit: test plan\nid: p\n_name: P\ninclude: [\n\nid: j\nplugin: shell\n";
        let path = make(&app, &json!({"pxu": pxu})).await;
        let set = async |plans| put(&app, &format!("{path}/plans"), &json!({"test_plans": plans})).await;
        assert!(set(json!(["ghost"])).await.expect(422).text.contains("`ghost`"));
        assert!(set(json!(["j"])).await.expect(422).text.contains("`j`"), "a job is no plan");
        // A plan of which nothing is overridden is set; what it is about is read when it is asked for.
        set(json!(["p"])).await.expect(200);
        for refused in [app.post_empty(&format!("{path}/plans/include")).await, app.get(&format!("{path}/plans/choose")).await] {
            let told = refused.expect(422).text;
            assert!(told.contains("test plan `p`, `include`, line 1: "), "{told}");
        }
        set(json!([])).await.expect(200);
        assert_eq!(pointers(&set(json!(["p", "a\u{0}"])).await.expect(422)), ["/test_plans/1"]);
        assert_eq!(pointers(&set(json!(vec!["p"; 1_001])).await.expect(422)), ["/test_plans"]);
        assert_eq!(app.show(&path).await["test_plans"], json!([]));
        assert_eq!(set(json!([])).await.expect(200).json()["problems"]["count"], 0);
        app.post(SESSIONS, &json!({"pxu": pxu, "test_plans": ["p"]})).await.expect(422);
    }
}
