//! What is desired, mandatory, and left out.

use serde_json::{Value, json};

use super::{ids, make, network, pass, pointers, put, texts};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn what_is_desired_brings_what_it_needs(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &[]).await;
        let desired = format!("{path}/desired");
        assert_eq!(app.show(&desired).await, json!({"jobs": [], "problems": {"count": 0, "items": []}}));
        let done = put(&app, &format!("{path}/mandatory"), &json!({"jobs": ["net::ask"]})).await.expect(200);
        assert_eq!(done.json(), json!({"jobs": ["net::ask"]}));
        assert_eq!(app.show(&format!("{path}/mandatory")).await, json!({"jobs": ["net::ask"]}));
        assert!(ids(&app, &format!("{path}/run-list")).await.is_empty(), "it takes effect later");
        let told = put(&app, &desired, &json!({"jobs": ["net::ping"]})).await.expect(200).json();
        assert_eq!(told["problems"]["count"], 0);
        assert_eq!(texts(&app.show(&desired).await["jobs"]), ["net::ask", "net::ping"]);
        assert_eq!(ids(&app, &format!("{path}/run-list")).await.len(), 4);
        put(&app, &desired, &json!({"jobs": ["net::ping"], "with_mandatory": false})).await.expect(200);
        assert_eq!(texts(&app.show(&desired).await["jobs"]), ["net::ping"]);
        put(&app, &desired, &json!({"jobs": []})).await.expect(200);
        assert_eq!(ids(&app, &format!("{path}/run-list")).await, ["net::ask"]);
    }

    async fn what_is_wrong_with_what_is_desired_is_told_and_left_out(db: TestDb) {
        let app = TestApp::start(db).await;
        let pxu = "id: a\nplugin: shell\ndepends: b\n\nid: b\nplugin: shell\nafter: a\n\nid: c\nplugin: shell\ndepends: ghost\n\n\
                   id: d\nplugin: shell\nrequires: not x.y\n\nid: e\nplugin: shell\n";
        let path = make(&app, &json!({"pxu": pxu})).await;
        let told = put(&app, &format!("{path}/desired"), &json!({"jobs": ["a", "c", "d", "e", "f"]})).await.expect(200).json();
        let items = told["problems"]["items"].as_array().unwrap();
        let kinds: Vec<&str> = items.iter().map(|it| it["problem"].as_str().unwrap()).collect();
        for kind in ["cycle", "missing", "unreadable", "unknown"] {
            assert!(kinds.contains(&kind), "{kind}: {told}");
        }
        assert!(items.iter().all(|it| it["sentence"].as_str().is_some_and(|words| !words.is_empty())), "{told}");
        assert_eq!(ids(&app, &format!("{path}/run-list")).await, ["e"]);

        // It stays known, here and to whoever reads the session anew, and what was left out has not been tested.
        let twin = app.twin().await;
        for asked in [&app, &twin] {
            for at in ["", "/desired"] {
                assert_eq!(asked.show(&format!("{path}{at}")).await["problems"], told["problems"], "{at}");
            }
        }
        pass(&twin, &path, "e").await;
        let verdict = app.show(&format!("{path}/verdict")).await;
        assert_eq!(verdict["verdict"], "incomplete", "{verdict}");
        for job in ["a", "c", "d", "f"] {
            assert!(texts(&verdict["not_run"]).contains(&job), "{job}: {verdict}");
        }
        let reason = |job: &str| {
            let left = verdict["left_out"].as_array().unwrap().iter().find(|left| left["job"] == job);
            left.unwrap_or_else(|| panic!("{job}: {verdict}"))["reason"].as_str().unwrap().to_owned()
        };
        assert!(reason("c").contains("`c` needs `ghost`") && reason("f").contains("no job `f`"), "{verdict}");
        put(&app, &format!("{path}/desired"), &json!({"jobs": ["e"]})).await.expect(200);
        let verdict = app.show(&format!("{path}/verdict")).await;
        assert_eq!((&verdict["verdict"], &verdict["left_out"]), (&json!("pass"), &json!([])));
        for wrong in [json!([""]), json!(["a\u{0}"]), json!(["x".repeat(2_001)])] {
            for list in ["desired", "mandatory"] {
                let refused = put(&app, &format!("{path}/{list}"), &json!({"jobs": wrong})).await.expect(422);
                assert_eq!(pointers(&refused), ["/jobs/0"]);
            }
        }
        for wrong in [json!({}), json!({"jobs": "a"}), json!({"jobs": [], "x": 1}), json!([])] {
            put(&app, &format!("{path}/desired"), &wrong).await.expect(422);
        }
    }

    async fn jobs_are_trimmed_by_qualifiers_unless_they_are_to_run(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::link"]).await;
        pass(&app, &path, "net::ask").await;
        let trim = async |qualifier: Value| app.post(&format!("{path}/trim"), &json!({"qualifier": qualifier})).await;
        let refused = trim(json!({"pattern": "net::.*"})).await.expect(409);
        assert!(refused.text.contains("net::link") && !refused.text.contains("net::ask"), "{}", refused.text);
        let trimmed = trim(json!({"any_of": [
            {"pattern": "net::(ask|re.*)"}, {"id": "net::rescue", "inclusive": false}, {"field": "plugin", "pattern": "manual"},
        ]})).await.expect(200);
        assert_eq!(texts(&trimmed.json()["jobs"]), ["net::report", "net::ask"]);
        assert_eq!(ids(&app, &format!("{path}/jobs")).await, ["net::nic", "net::link", "net::ping", "net::rescue"]);
        assert_eq!(ids(&app, &format!("{path}/units?kind=job")).await.len(), 6, "the units stay");
        let none = trim(json!({"pattern": "x"})).await.expect(200);
        assert_eq!((none.json(), none.header("etag")), (json!({"jobs": []}), "\"r3\""));
    }

    async fn what_qualifiers_choose_is_told_and_nothing_changes(db: TestDb) {
        let app = TestApp::start(db).await;
        let path = network(&app, &["net::link"]).await;
        let ask = async |qualifiers: Value| app.post(&format!("{path}/qualify"), &json!({"qualifiers": qualifiers})).await;
        let chosen = ask(json!([{"id": "net::report"}, {"pattern": "net::.*i"}, {"id": "net::nic", "inclusive": false}])).await;
        let chosen = chosen.expect(200);
        assert_eq!((texts(&chosen.json()["jobs"]), chosen.header("etag")),
            (vec!["net::report", "net::link", "net::ping"], "\"r1\""));
        let refused = ask(json!([{"pattern": "("}, {"id": 7}, {"any_of": [{}]}])).await.expect(422);
        assert_eq!(pointers(&refused), ["/qualifiers/0/pattern", "/qualifiers/1", "/qualifiers/2/any_of/0"]);
        let slow = ask(json!([{"field": "command", "pattern": "(a|a|b|[^x])*\\1$x"}])).await;
        assert!([200, 422].contains(&slow.status), "{}", slow.text);
        assert_eq!(app.show(&path).await["version"], 1);
    }
}
