//! Specs are made of the catalogue's tests.

use serde_json::{Value, json};

use super::{SPECS, listed};
use crate::catalogue::{put, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

/// Two tests, of which one waits for the other, and a suite of both.
async fn with_tests(app: &TestApp) {
    put(app, "tests/net.up", &shell("ip link set up")).await.expect(201);
    let mut dns = shell("dig");
    dns["prerequisites"] = json!([{"test": "net.up", "outcome": "PASS"}]);
    dns["keywords"] = json!(["dns"]);
    put(app, "tests/net.dns", &dns).await.expect(201);
    put(app, "suites/nightly", &json!({"suite_ids": ["net"]})).await.expect(201);
}

async fn generate(app: &TestApp, asked: &Value) -> Value {
    app.post(&format!("{SPECS}/generate"), asked).await.expect(200).json()
}

on_both! {
    async fn each_test_is_made_with_each_set_of_parameters(db: TestDb) {
        let app = TestApp::start(db).await;
        with_tests(&app).await;
        let asked = json!({"ids": ["nightly"], "matrix": {"np": [1, 2]}, "sets": [{"on": "eth0"}]});
        let mut dry = asked.clone();
        dry["dry_run"] = json!(true);
        let told = generate(&app, &dry).await;
        assert_eq!((told["ids"].as_array().unwrap().len(), &told["created"]), (4, &json!(0)));
        assert_eq!(listed(&app, SPECS, "id").await, "", "nothing was written");
        let made = generate(&app, &asked).await;
        assert_eq!((&made["created"], &made["catalogue_revision"], &made["missing"]), (&json!(4), &json!(3), &json!([])));
        assert_eq!(made["ids"], told["ids"]);
        let all = app.items(SPECS).await;
        let of = |name: &str| all.iter().find(|spec| spec["name"] == name).expect("it is there")["spec"].clone();
        let (up, dns) = (of("up.np=2.on=eth0"), of("dns.np=2.on=eth0"));
        assert_eq!(dns["dependencies"], json!([{"id": up["id"], "when": "pass"}]));
        assert_eq!((&dns["catalogue_test"], &dns["keywords"]), (&json!("net.dns"), &json!(["dns"])));
        let again = generate(&app, &asked).await;
        assert_eq!((&again["created"], &again["replaced"]), (&json!(0), &json!(4)), "the same ones");
        put(&app, "tests/net.up", &shell("ip link set down")).await.expect(200);
        let changed = generate(&app, &asked).await;
        assert_eq!((&changed["created"], &changed["replaced"]), (&json!(2), &json!(2)), "a changed test is another spec");
    }

    async fn what_cannot_be_made_is_told_and_nothing_is_written(db: TestDb) {
        let app = TestApp::start(db).await;
        with_tests(&app).await;
        let path = format!("{SPECS}/generate");
        let many: Vec<u32> = (0..200).collect();
        for (asked, status) in [
            (json!({"ids": ["nosuch"]}), 422),
            (json!({"ids": ["net"], "matrix": {"np": []}}), 422),
            (json!({"ids": ["net"], "matrix": {"np": [1]}, "sets": [{"np": 2}]}), 422),
            (json!({"ids": ["net"], "matrix": {"a": many, "b": many}}), 422),
            (json!({"ids": ["net"], "matrix": {"bad name": [1], "": [2]}}), 422),
            (json!({"ids": ["net"], "revision": 99}), 404),
            (json!({"ids": ["net"], "colour": "red"}), 422),
        ] {
            app.post(&path, &asked).await.expect(status);
        }
        let mut up = shell("ip link set up");
        up["prerequisites"] = json!([{"test": "net.dns", "outcome": "PASS"}]);
        put(&app, "tests/net.up", &up).await.expect(200);
        let refused = app.post(&path, &json!({"ids": ["net"]})).await.expect(422);
        assert!(refused.text.contains("it depends on itself"), "{}", refused.text);
        assert_eq!(listed(&app, SPECS, "id").await, "");
    }
}
