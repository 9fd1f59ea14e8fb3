//! Specs are written in batches, all of one or none.

use serde_json::json;

use super::{NDJSON, SPECS, digits, five, id, listed, pointers, spec, with_five};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn a_batch_is_one_revision(db: TestDb) {
        let app = TestApp::start(db).await;
        let first = app.post(SPECS, &five()).await.expect(200).json();
        assert_eq!((&first["revision"], &first["created"], &first["replaced"]), (&json!(1), &json!(5), &json!(0)));
        assert_eq!(digits(first["ids"].as_array().unwrap()), "abcde");
        let second = app.post(SPECS, &json!([spec('f', "new", &[], &['d']), spec('a', "setup", &["x"], &[])])).await;
        let second = second.expect(200).json();
        assert_eq!((&second["revision"], &second["created"], &second["replaced"]), (&json!(2), &json!(1), &json!(1)));
        assert_eq!(digits(second["ids"].as_array().unwrap()), "fa");
        assert_eq!(listed(&app, SPECS, "id").await, "abcdef");
        let nothing = app.post(SPECS, &json!([])).await.expect(200).json();
        assert_eq!(nothing, json!({"revision": 2, "created": 0, "replaced": 0, "ids": []}));
    }

    async fn lines_are_the_same_as_a_list(db: TestDb) {
        let app = TestApp::start(db).await;
        let lines: Vec<String> = five().as_array().unwrap().iter().map(ToString::to_string).collect();
        let written = app.post_raw(SPECS, &[NDJSON], format!("\n{}\r\n", lines.join("\n\n"))).await.expect(200).json();
        assert_eq!((&written["created"], digits(written["ids"].as_array().unwrap())), (&json!(5), "abcde".to_owned()));
        let torn = format!("{}\n{{\"file_path\": \n", lines[0]);
        let refused = app.post_raw(SPECS, &[NDJSON], torn).await.expect(400);
        assert!(refused.text.contains("line 2"), "{}", refused.text);
        let empty = app.post_raw(SPECS, &[NDJSON], "").await.expect(200).json();
        assert_eq!(empty["ids"], json!([]));
    }

    async fn what_was_read_can_be_sent_back(db: TestDb) {
        let app = TestApp::start(db).await;
        let new = json!([{"file_path": "s/mesh.pyt", "parameters": {"np": 4}, "keywords": ["Fast"], "command": {"argv": ["x"]}}]);
        let written = app.post(SPECS, &new).await.expect(200).json();
        let path = format!("{SPECS}/{}", written["ids"][0].as_str().unwrap());
        let told = app.show(&path).await;
        assert_eq!((&told["name"], &told["view"]), (&json!("mesh.np=4"), &json!("s/mesh.np=4/mesh.pyt")));
        assert_eq!(told["spec"]["command"], json!({"argv": ["x"]}));
        app.post(SPECS, &json!([told["spec"]])).await.expect(200);
        assert_eq!(app.show(&path).await["spec"], told["spec"]);
    }

    async fn words_stand_for_specs_of_the_batch(db: TestDb) {
        let app = TestApp::start(db).await;
        let batch = json!([
            {"file_path": "a.pyt"},
            {"file_path": "b.pyt", "depends_on": [{"pattern": "a", "when": "*"}]},
        ]);
        let written = app.post(SPECS, &batch).await.expect(200).json();
        let told = app.show(&format!("{SPECS}/{}", written["ids"][1].as_str().unwrap())).await;
        assert_eq!(told["spec"]["dependencies"], json!([{"id": written["ids"][0], "when": "*"}]));
    }

    async fn every_fault_is_told_and_nothing_is_written(db: TestDb) {
        let app = TestApp::start(db).await;
        let refused = app.post(SPECS, &json!([
            spec('a', "good", &[], &[]),
            {"file_path": 7, "timeout": "x"},
            {"file_path": "c", "colour": "red"},
            "no spec",
            {"file_path": "d", "id": "Z"},
        ])).await.expect(422);
        let told = pointers(&refused);
        for wanted in ["/1/file_path", "/1/timeout", "/2/colour", "/3", "/4/id"] {
            assert!(told.iter().any(|pointer| pointer == wanted), "{wanted} among {told:?}");
        }
        assert!(told.iter().all(|pointer| !pointer.starts_with("/0")), "{told:?}");
        assert!(app.items(SPECS).await.is_empty());
        let twice = json!([spec('a', "one", &[], &[]), spec('a', "two", &[], &[])]);
        assert_eq!(pointers(&app.post(SPECS, &twice).await.expect(422)), ["/1/id"]);
        assert!(app.items(SPECS).await.is_empty());
    }

    async fn a_graph_is_closed_unless_it_is_said_to_be_open(db: TestDb) {
        let app = TestApp::start(db).await;
        let part = json!([spec('b', "build", &[], &['a'])]);
        let refused = app.post(SPECS, &part).await.expect(422);
        assert_eq!(pointers(&refused), ["/0/dependencies/0"]);
        assert!(refused.text.contains(&id('a')), "{}", refused.text);
        app.post(&format!("{SPECS}?graph=open"), &part).await.expect(200);
        // What was waited for before it was there closes the circle too.
        let circle = app.post(SPECS, &json!([spec('a', "setup", &[], &['b'])])).await.expect(422);
        assert_eq!(pointers(&circle), ["/0/dependencies"]);
        app.post(SPECS, &json!([spec('a', "setup", &[], &[])])).await.expect(200);
        // What is stored closes the circle.
        let circle = app.post(SPECS, &json!([spec('a', "setup", &[], &['b'])])).await.expect(422);
        assert_eq!(pointers(&circle), ["/0/dependencies"]);
        for digit in ['a', 'b'] {
            assert!(circle.text.contains(&id(digit)), "{}", circle.text);
        }
        app.post(&format!("{SPECS}?graph=ajar"), &part).await.expect(400);
    }

    async fn a_version_that_the_caller_has_is_not_sent(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let path = format!("{SPECS}/{}", id('a'));
        let tag = app.get(&path).await.expect(200).header("etag").to_owned();
        let has = [("if-none-match", tag.as_str())];
        app.send(reqwest::Method::GET, &path, &has, "").await.expect(304);
        app.post(SPECS, &json!([spec('a', "setup", &["other"], &[])])).await.expect(200);
        let now = app.send(reqwest::Method::GET, &path, &has, "").await.expect(200);
        assert_ne!(now.header("etag"), tag);
    }
}
