//! Items: put, read, listed, removed; two writers; what is refused changes nothing.

use reqwest::Method;
use serde_json::json;

use super::{BASE, delete, get, labels, post, put, put_if, revision, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn an_item_reads_back_as_it_was_put(db: TestDb) {
        let app = TestApp::start(db).await;
        let document = json!({
            "class": "command.ShellCommandTest",
            "arguments": {"command": "host -t A example.org", "exit_code": 3, "environment": ["A=1", "B=2"]},
            "prerequisites": [{"test": "net.up", "outcome": "FAIL"}, {"test": "net.down"}],
            "resources": ["net.resolver"],
            "target_group": "linux.*",
            "keywords": ["slow", "dns"],
            "owner": "kim",
            "description": "looks a name up",
        });
        let answered = put(&app, "tests/net.dns.lookup", &document).await.expect(201);
        assert_eq!(answered.header("location"), "/api/v1/catalog/tests/net.dns.lookup");
        let read = app.get(answered.header("location")).await.expect(200);
        assert_eq!(read.header("etag"), answered.header("etag"));
        let read = read.json();
        assert_eq!(read["arguments"], document["arguments"]);
        assert_eq!(read["keywords"], json!(["dns", "slow"]));
        assert_eq!(
            read["prerequisites"],
            json!([{"test": "net.up", "outcome": "FAIL"}, {"test": "net.down", "outcome": "PASS"}])
        );
        for member in ["class", "resources", "target_group", "owner", "description"] {
            assert_eq!(read[member], document[member], "{member}");
        }
        assert_eq!((&read["kind"], &read["label"], &read["revision"]), (&json!("test"), &json!("net.dns.lookup"), &json!(1)));
        assert_eq!(read["execution"], "agent");
        let python = json!({"class": "python.ExecTest", "arguments": {"expression": "1"}});
        assert_eq!(put(&app, "tests/p", &python).await.expect(201).json()["execution"], "runner");
    }

    async fn what_was_read_can_be_put_back_and_changes_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/a", &shell("true")).await.expect(201);
        put(&app, "suites/s", &json!({"test_ids": ["a", "gone"], "suite_ids": ["", "d"], "implicit": true})).await.expect(201);
        put(&app, "resources/r", &json!({"class": "temporary.TempDirectoryResource"})).await.expect(201);
        put(&app, "expectations/a", &json!({"outcome": "FAIL", "cause": "bug 1"})).await.expect(201);
        put(&app, "directories/d", &json!({})).await.expect(201);
        for path in ["tests/a", "suites/s", "resources/r", "expectations/a", "directories/d"] {
            let (before, read) = (revision(&app).await, get(&app, path).await.expect(200));
            let again = put(&app, path, &read.json()).await.expect(200);
            assert_eq!(again.header("etag"), read.header("etag"), "{path}");
            assert_eq!(again.json(), read.json(), "{path}");
            assert_eq!(revision(&app).await, before, "{path}");
        }
    }

    async fn the_second_of_two_writers_is_told(db: TestDb) {
        let app = TestApp::start(db).await;
        let first = put(&app, "tests/a", &shell("1")).await.expect(201);
        let tag = first.header("etag").to_owned();
        put_if(&app, "tests/a", &shell("2"), &[("if-match", &tag)]).await.expect(200);
        let second = put_if(&app, "tests/a", &shell("3"), &[("if-match", &tag)]).await.expect(412);
        assert!(second.text.contains("revision 2"), "{}", second.text);
        assert_eq!(second.json()["code"], "precondition-failed");
        assert_eq!(get(&app, "tests/a").await.json()["arguments"]["command"], "2");
        put_if(&app, "tests/a", &shell("4"), &[("if-none-match", "*")]).await.expect(412);
        put_if(&app, "tests/b", &shell("4"), &[("if-none-match", "*")]).await.expect(201);
        put_if(&app, "tests/c", &shell("4"), &[("if-match", "*")]).await.expect(412);
        let stale = app.send(Method::DELETE, &format!("{BASE}/tests/a"), &[("if-match", &tag)], Vec::new()).await;
        stale.expect(412);
        get(&app, "tests/a").await.expect(200);
        assert_eq!(revision(&app).await, 3);
    }

    async fn of_many_writers_with_one_version_one_wins(db: TestDb) {
        let app = TestApp::start(db).await;
        let tag = put(&app, "tests/a", &shell("0")).await.expect(201).header("etag").to_owned();
        let documents: Vec<_> = (1..=8).map(|number| shell(&number.to_string())).collect();
        let headers = [("if-match", tag.as_str())];
        let writers = documents.iter().map(|document| put_if(&app, "tests/a", document, &headers));
        let statuses: Vec<u16> =
            futures_util::future::join_all(writers).await.into_iter().map(|answered| answered.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
        assert_eq!(revision(&app).await, 2);
    }

    async fn a_reader_who_has_the_version_gets_no_body(db: TestDb) {
        let app = TestApp::start(db).await;
        let tag = put(&app, "tests/d.a", &shell("1")).await.expect(201).header("etag").to_owned();
        let read = |path: &str, tag: String| {
            let path = format!("{BASE}/{path}");
            let app = &app;
            async move { app.send(Method::GET, &path, &[("if-none-match", &tag)], Vec::new()).await }
        };
        let answered = read("tests/d.a", tag.clone()).await.expect(304);
        assert_eq!((answered.text.as_str(), answered.header("etag")), ("", tag.as_str()));
        let suite = get(&app, "suites/d").await.expect(200).header("etag").to_owned();
        read("suites/d", suite.clone()).await.expect(304);
        put(&app, "tests/d.b", &shell("1")).await.expect(201);
        read("suites/d", suite).await.expect(200);
        put(&app, "tests/d.a", &shell("2")).await.expect(200);
        read("tests/d.a", tag).await.expect(200);
    }

    async fn each_kind_has_names_of_its_own(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/x", &shell("1")).await.expect(201);
        put(&app, "resources/x", &json!({"class": "temporary.TempDirectoryResource"})).await.expect(201);
        put(&app, "suites/x", &json!({"test_ids": ["x"]})).await.expect(201);
        delete(&app, "tests/x").await.expect(204);
        get(&app, "tests/x").await.expect(404);
        get(&app, "resources/x").await.expect(200);
        get(&app, "suites/x").await.expect(200);
        let gone = delete(&app, "tests/x").await.expect(404);
        assert!(gone.text.contains("test `x`"), "{}", gone.text);
    }

    async fn directories_come_with_what_is_in_them_and_stay(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/a.b.t", &shell("1")).await.expect(201);
        assert_eq!(labels(&app, "directories").await, ["a", "a.b"]);
        let suite = get(&app, "suites/a").await.expect(200).json();
        assert_eq!((&suite["suite_ids"], &suite["test_ids"]), (&json!(["a.b"]), &json!([])));
        assert_eq!(suite["implicit"], true);
        let root = get(&app, "suites/~").await.expect(200).json();
        assert_eq!((&root["label"], &root["suite_ids"]), (&json!(""), &json!(["a"])));
        let refused = delete(&app, "directories/a").await.expect(409);
        assert!(refused.text.contains("not empty"), "{}", refused.text);
        delete(&app, "suites/a.b").await.expect(404);
        delete(&app, "tests/a.b.t").await.expect(204);
        assert_eq!(labels(&app, "directories").await, ["a", "a.b"]);
        delete(&app, "directories/a.b").await.expect(204);
        delete(&app, "directories/a").await.expect(204);
        assert_eq!(labels(&app, "directories").await, [""; 0]);
    }

    async fn a_suite_and_a_directory_have_no_one_name(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/d.t", &shell("1")).await.expect(201);
        put(&app, "suites/s", &json!({})).await.expect(201);
        let before = app.show(BASE).await;
        let refused = put(&app, "suites/d", &json!({})).await.expect(409);
        assert!(refused.text.contains("directory `d`"), "{}", refused.text);
        let refused = put(&app, "tests/s.t", &shell("1")).await.expect(409);
        assert!(refused.text.contains("explicit suite `s`"), "{}", refused.text);
        put(&app, "directories/s", &json!({})).await.expect(409);
        assert_eq!(app.show(BASE).await, before);
    }

    async fn listings_are_by_directory_and_in_pages(db: TestDb) {
        let app = TestApp::start(db).await;
        for label in ["lang.c.decl", "lang.lex", "language.x", "top", "a-b", "a.b", "a0", "a_b"] {
            put(&app, &format!("tests/{label}"), &shell("1")).await.expect(201);
        }
        assert_eq!(
            labels(&app, "tests").await,
            ["a-b", "a.b", "a0", "a_b", "lang.c.decl", "lang.lex", "language.x", "top"]
        );
        assert_eq!(labels(&app, "tests?recursive=false").await, ["a-b", "a0", "a_b", "top"]);
        assert_eq!(labels(&app, "tests?directory=lang").await, ["lang.c.decl", "lang.lex"]);
        assert_eq!(labels(&app, "tests?directory=lang&recursive=false").await, ["lang.lex"]);
        assert_eq!(labels(&app, "suites?directory=lang").await, ["lang.c"]);
        assert_eq!(labels(&app, "directories?directory=~&recursive=false").await, ["a", "lang", "language"]);
        let missing = get(&app, "tests?directory=rust").await.expect(404);
        assert!(missing.text.contains("`rust`"), "{}", missing.text);
        get(&app, "tests?directory=top").await.expect(404);
        let (mut all, mut path) = (Vec::new(), "tests?limit=3".to_owned());
        loop {
            let page = app.show(&format!("{BASE}/{path}")).await;
            all.extend(page["items"].as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("tests?limit=3&cursor={cursor}");
        }
        assert_eq!(all, labels(&app, "tests").await);
    }

    async fn listings_are_narrowed(db: TestDb) {
        let app = TestApp::start(db).await;
        let with = |class: &str, keywords: &[&str], owner: Option<&str>| {
            let mut document = json!({"class": class, "keywords": keywords});
            if let Some(owner) = owner {
                document["owner"] = json!(owner);
            }
            document
        };
        put(&app, "tests/a", &with("command.ExecTest", &["slow", "net"], Some("kim"))).await.expect(201);
        put(&app, "tests/b", &with("command.ExecTest", &["net"], None)).await.expect(201);
        put(&app, "tests/c", &with("python.ExecTest", &[], Some("kim"))).await.expect(201);
        assert_eq!(labels(&app, "tests?class=command.ExecTest").await, ["a", "b"]);
        assert_eq!(labels(&app, "tests?keyword=net").await, ["a", "b"]);
        assert_eq!(labels(&app, "tests?keyword=net&keyword=slow").await, ["a"]);
        assert_eq!(labels(&app, "tests?owner=kim").await, ["a", "c"]);
        assert_eq!(labels(&app, "tests?owner=kim&class=python.ExecTest").await, ["c"]);
        assert_eq!(labels(&app, "tests?keyword=absent").await, [""; 0]);
    }

    async fn what_makes_no_sense_is_refused_with_all_its_faults_and_changes_nothing(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/a", &shell("1")).await.expect(201);
        let before = app.show(BASE).await;
        let table = [
            ("tests/Loud", shell("1"), 422, "write `loud`"),
            ("tests/a..b", shell("1"), 422, "a..b"),
            ("tests/.a", shell("1"), 422, ".a"),
            ("tests/a.", shell("1"), 422, "a."),
            ("tests/sp%20ace", shell("1"), 422, "sp ace"),
            ("tests/a%0A", shell("1"), 422, "label"),
            ("tests/~", shell("1"), 422, "~"),
            ("things/a", shell("1"), 404, "things"),
            ("tests/b", json!({"class": "nowhere.Nothing"}), 422, "nowhere.Nothing"),
            ("tests/b", json!({"class": "temporary.TempDirectoryResource"}), 422, "resource"),
            ("resources/b", shell("1"), 422, "test"),
            ("tests/b", json!({"class": "command.ExecTest", "arguments": {"exit_code": "x"}}), 422, "/arguments/exit_code"),
            ("tests/b", json!({"class": "command.ExecTest", "arguments": {"exit_cod": 1}}), 422, "exit_cod"),
            ("tests/b", json!({"class": "command.ExecTest", "argument": {}}), 422, "argument"),
            ("tests/b", json!({"class": "command.ExecTest", "target_group": "("}), 422, "/target_group"),
            ("tests/b", json!({"class": "command.ExecTest", "prerequisites": [{"test": "A"}]}), 422, "/prerequisites/0"),
            ("tests/b", json!({"class": "command.ExecTest", "prerequisites": [{"test": "a", "outcome": "MAYBE"}]}), 422, "/prerequisites/0/outcome"),
            ("tests/b", json!({}), 422, "class"),
            ("tests/b", json!([]), 422, "object"),
            ("suites/s", json!({"test_ids": ["A"]}), 422, "/test_ids/0"),
            ("suites/s", json!({"test_ids": "a"}), 422, "/test_ids"),
            ("expectations/a", json!({"outcome": "fail"}), 422, "/outcome"),
            ("directories/d", json!({"x": 1}), 422, "x"),
        ];
        for (path, document, status, words) in table {
            let refused = put(&app, path, &document).await.expect(status);
            assert!(refused.text.contains(words), "{path} {document}: {}", refused.text);
        }
        let several = json!({"class": "command.ExecTest", "arguments": {"exit_code": "x", "nope": 1}, "owner": 7});
        let refused = put(&app, "tests/b", &several).await.expect(422).json();
        let pointers: Vec<&str> =
            refused["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
        for pointer in ["/arguments/exit_code", "/arguments/nope", "/owner"] {
            assert!(pointers.contains(&pointer), "{pointers:?}");
        }
        app.send(Method::PUT, &format!("{BASE}/tests/b"), &[("content-type", "application/json")], "{").await.expect(400);
        app.send(Method::PUT, &format!("{BASE}/tests/b"), &[("content-type", "text/plain")], "{}").await.expect(415);
        put_if(&app, "tests/b", &shell("1"), &[("if-match", "r1")]).await.expect(400);
        assert_eq!(app.show(BASE).await, before);
    }

    async fn a_read_only_catalogue_refuses_writers_with_its_reason(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "tests/a", &shell("1")).await.expect(201);
        let patch = |body: serde_json::Value| {
            let app = &app;
            async move {
                app.send(Method::PATCH, BASE, &[("content-type", "application/json")], body.to_string()).await
            }
        };
        patch(json!({"modifiable": false})).await.expect(422);
        patch(json!({"modifiable": true, "reason": "x"})).await.expect(422);
        let stand = patch(json!({"modifiable": false, "reason": "frozen for 6.12"})).await.expect(200).json();
        assert_eq!((&stand["modifiable"], &stand["reason"]), (&json!(false), &json!("frozen for 6.12")));
        for refused in [
            put(&app, "tests/a", &shell("2")).await,
            put(&app, "tests/b", &shell("2")).await,
            delete(&app, "tests/a").await,
            post(&app, "apply", &json!({"remove": [{"kind": "test", "label": "a"}]})).await,
        ] {
            let refused = refused.expect(403);
            assert!(refused.text.contains("frozen for 6.12"), "{}", refused.text);
            assert_eq!(refused.json()["code"], "read-only");
        }
        assert_eq!(get(&app, "tests/a").await.json()["arguments"]["command"], "1");
        patch(json!({"modifiable": true})).await.expect(200);
        put(&app, "tests/a", &shell("2")).await.expect(200);
    }

    async fn a_full_catalogue_says_so(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.catalogue.max_items = 3).await;
        put(&app, "tests/d.a", &shell("1")).await.expect(201);
        put(&app, "tests/d.b", &shell("1")).await.expect(201);
        let refused = put(&app, "tests/d.c", &shell("1")).await.expect(409);
        assert!(refused.text.contains("catalogue.max_items"), "{}", refused.text);
        put(&app, "tests/d.b", &shell("2")).await.expect(200);
        delete(&app, "tests/d.b").await.expect(204);
        put(&app, "tests/d.c", &shell("1")).await.expect(201);
    }
}

on_both! {
    async fn the_examples_of_the_openapi_document_are_taken(db: TestDb) {
        let app = TestApp::start(db).await;
        let mut examples = testyard::http::catalogue::schema::examples();
        // Classes first: an item may be of one.
        examples.sort_by_key(|(of, ..)| *of != "class");
        assert_eq!(examples.len(), 6);
        for (of, label, document) in examples {
            let path = match of {
                "class" => format!("classes/{label}"),
                "directory" => format!("directories/{label}"),
                of => format!("{of}s/{label}"),
            };
            let answered = put(&app, &path, &document).await;
            assert!([200, 201].contains(&answered.status), "{path}: {}", answered.text);
            let read = get(&app, &path).await.expect(200).json();
            for (member, value) in document.as_object().unwrap() {
                if member != "execution" && member != "fields" {
                    assert_eq!(&read[member], value, "{path}: {member}");
                }
            }
        }
    }
}
