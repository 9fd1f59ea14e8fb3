//! Records of resources, and the machine's manifest.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NICS, causes, ids, make, network, pass, pointers, put, report, unannounced};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain; charset=utf-8")];

on_both! {
    async fn records_are_set_by_hand_and_jobs_learn_of_it(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::ping"]).await;
        pass(&app, &path, "net::link").await;
        let ping = async || app.show(&format!("{path}/jobs/net::ping")).await;
        assert_eq!(causes(&ping().await), ["PENDING_RESOURCE"]);
        let nic = format!("{path}/resources/net::nic");
        app.get(&nic).await.expect(404);
        let told = put(&app, &nic, &json!([{"kind": "wireless"}, {"n": 7, "up": true}])).await.expect(200);
        assert_eq!(told.json(), json!({"resource": "net::nic", "records": 2}));
        assert_eq!(app.show(&nic).await, json!({"records": [{"kind": "wireless"}, {"n": "7", "up": "True"}]}));
        assert_eq!(causes(&ping().await), ["FAILED_RESOURCE"]);
        app.send(Method::PUT, &nic, &TEXT, NICS).await.expect(200);
        assert_eq!(app.show(&nic).await["records"][1], json!({"kind": "wireless", "name": "wlan0"}));
        assert_eq!(ping().await["can_start"], true);
        assert_eq!(ids(&app, &format!("{path}/jobs")).await.len(), 6, "no template makes units of them");
        put(&app, &format!("{path}/resources/other%2Fone"), &json!([])).await.expect(200);
        let listed = app.show(&format!("{path}/resources?limit=1")).await;
        assert_eq!(listed["items"], json!([{"resource": "net::nic", "records": 2}]));
        let next = listed["next_cursor"].as_str().unwrap();
        assert_eq!(app.items(&format!("{path}/resources?cursor={next}")).await, [json!({"resource": "other/one", "records": 0})]);
        report(&app, &path, "net::nic", &json!({"outcome": "pass"})).await;
        assert_eq!(app.show(&nic).await, json!({"records": [{}]}));
    }

    async fn what_is_no_record_is_refused_with_its_place(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        let nic = format!("{path}/resources/net::nic");
        let refused = put(&app, &nic, &json!([{"a": "b"}, 7, {"a": null, "b": [1]}])).await.expect(422);
        assert_eq!(pointers(&refused), ["/1", "/2/a", "/2/b"]);
        put(&app, &nic, &json!({"a": "b"})).await.expect(422);
        let refused = app.send(Method::PUT, &nic, &TEXT, "a: b\n\nno colon\n\na: 1\na: 2\n").await.expect(422);
        assert!(refused.text.contains("line 3: ") && refused.text.contains("line 6: "), "{}", refused.text);
        app.send(Method::PUT, &nic, &TEXT, vec![0xff, 0xfe]).await.expect(422);
        app.send(Method::PUT, &nic, &[("content-type", "application/xml")], "<a/>").await.expect(415);
        let refused = app.send(Method::PUT, &nic, &TEXT, unannounced(" ".repeat((4 << 20) + 1))).await.expect(413);
        assert!(refused.text.contains(&(4 << 20).to_string()), "{}", refused.text);
        app.get(&nic).await.expect(404);
        put(&app, &format!("{path}/resources/a%00b"), &json!([])).await.expect(404);
    }

    async fn the_manifest_is_answered_bit_by_bit(db: TestDb) {
        let app = TestApp::start(db).await;
        let pxu = "unit: setup job\nid: prep\nplugin: shell\ncommand: x\nrequires_manifest: has_lan\n";
        let path = make(&app, &json!({"namespace": "net", "pxu": pxu, "desired": ["net::prep"]})).await;
        let manifest = format!("{path}/manifest");
        assert_eq!(app.show(&manifest).await, json!({"answers": {}}));
        assert_eq!(causes(&app.show(&format!("{path}/jobs/net::prep")).await), ["REQUIRED_MANIFEST"]);
        let answer = async |answers: Value| put(&app, &manifest, &json!({"answers": answers})).await;
        answer(json!({"net::has_lan": true})).await.expect(200);
        assert_eq!(app.show(&format!("{path}/jobs/net::prep")).await["can_start"], true);
        let told = answer(json!({"net::ports": 2})).await.expect(200).json();
        assert_eq!(told, json!({"answers": {"net::has_lan": true, "net::ports": 2}}));
        let refused = answer(json!({"a": [], "b/c": null, "": true})).await.expect(422);
        assert_eq!(pointers(&refused), ["/answers/", "/answers/a", "/answers/b~1c"]);
        put(&app, &manifest, &json!({"net::has_lan": true})).await.expect(422);
    }
}
