//! Providers over HTTP, on both databases.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const LAB: &str = "/api/v1/providers/lab";

async fn put_if(app: &TestApp, path: &str, condition: &[(&str, &str)], asked: &Value) -> Answered {
    let headers: Vec<(&str, &str)> =
        [("content-type", "application/json")].into_iter().chain(condition.iter().copied()).collect();
    app.send(Method::PUT, path, &headers, asked.to_string()).await
}

async fn put(app: &TestApp, asked: &Value) -> Answered {
    put_if(app, LAB, &[], asked).await
}

fn job(id: &str) -> Value {
    json!({"id": id, "plugin": "shell", "command": "true", "flags": "simple"})
}

/// A provider of one job of JSON and two units of files.
fn lab() -> Value {
    json!({
        "namespace": "com.example.lab",
        "units": [job("net/up")],
        "pxu": {
            "units/disk.pxu": "# The disk\n\nid: disk/free\nplugin: shell\ncommand:\n df /\n df /home\n_summary: Room\n",
            "units/a.pxu": "unit: category\nid: disks\n_name: Disks\n",
        },
    })
}

fn errors(refused: &Answered) -> Vec<(String, String)> {
    let text = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
    let errors = refused.json()["errors"].as_array().unwrap().clone();
    errors.iter().map(|error| (text(error, "pointer"), text(error, "detail"))).collect()
}

on_both! {
    async fn a_provider_is_written_read_and_removed(db: TestDb) {
        let app = TestApp::start(db).await;
        app.get(LAB).await.expect(404);
        let made = put(&app, &lab()).await.expect(201);
        assert_eq!((made.header("location"), made.header("etag")), (LAB, "\"r1\""));
        let shown = app.get(LAB).await.expect(200);
        assert_eq!(shown.header("etag"), "\"r1\"");
        let want = json!({
            "name": "lab", "namespace": "com.example.lab", "revision": 1, "units": 3,
            "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z", "updated_by": null,
        });
        assert_eq!(shown.json(), want);
        assert_eq!(app.items("/api/v1/providers").await, [want]);
        app.send(Method::GET, LAB, &[("if-none-match", "\"r1\"")], "").await.expect(304);

        let units = app.items(&format!("{LAB}/units")).await;
        let told: Vec<_> = units.iter().map(|unit| (&unit["kind"], &unit["id"], &unit["file"], &unit["line"])).collect();
        assert_eq!(told, [
            (&json!("job"), &json!("com.example.lab::net/up"), &Value::Null, &Value::Null),
            (&json!("category"), &json!("com.example.lab::disks"), &json!("units/a.pxu"), &json!(1)),
            (&json!("job"), &json!("com.example.lab::disk/free"), &json!("units/disk.pxu"), &json!(3)),
        ]);
        assert_eq!(units[0]["fields"], job("net/up"));
        assert_eq!(units[2]["fields"]["command"], "df /\ndf /home");

        let again = put(&app, &json!({"units": [job("x")]})).await.expect(200);
        assert_eq!((again.header("etag"), &again.json()["namespace"]), ("\"r2\"", &Value::Null));
        assert_eq!(app.items(&format!("{LAB}/units")).await[0]["id"], "x", "without a namespace the id is as it is written");
        app.send(Method::DELETE, LAB, &[], "").await.expect(204);
        app.send(Method::DELETE, LAB, &[], "").await.expect(404);
        app.get(&format!("{LAB}/units")).await.expect(404);
        assert!(app.items("/api/v1/providers").await.is_empty());
    }

    async fn conditions_are_kept(db: TestDb) {
        let app = TestApp::start(db).await;
        let (if_match, if_none_match) = (|tag| [("if-match", tag)], [("if-none-match", "*")]);
        put_if(&app, LAB, &if_match("*"), &lab()).await.expect(412);
        put_if(&app, LAB, &if_match("\"r1\""), &lab()).await.expect(412);
        put_if(&app, LAB, &if_none_match, &lab()).await.expect(201);
        let refused = put_if(&app, LAB, &if_none_match, &lab()).await.expect(412);
        assert!(refused.text.contains("revision 1"), "{}", refused.text);
        put_if(&app, LAB, &if_match("\"r1\""), &lab()).await.expect(200);
        let refused = put_if(&app, LAB, &if_match("\"r1\""), &lab()).await.expect(412);
        assert!(refused.text.contains("revision 2 by now, not 1"), "{}", refused.text);
        put_if(&app, LAB, &if_match("*"), &lab()).await.expect(200);
        put_if(&app, LAB, &if_match("r3"), &lab()).await.expect(400);
        app.send(Method::DELETE, LAB, &if_match("\"r2\""), "").await.expect(412);
        app.send(Method::DELETE, LAB, &if_match("\"r3\""), "").await.expect(204);
    }

    async fn of_many_who_write_at_once_each_makes_a_revision(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let writes = (0..8).map(|number| {
            let app = if number % 2 == 0 { &app } else { &twin };
            async move { put(app, &json!({"units": [job(&format!("job{number}"))]})).await }
        });
        let answers = futures_util::future::join_all(writes).await;
        let mut tags: Vec<(u16, &str)> = answers.iter().map(|answer| (answer.status, answer.header("etag"))).collect();
        tags.sort_unstable_by_key(|(_, tag)| *tag);
        let want = ["\"r1\"", "\"r2\"", "\"r3\"", "\"r4\"", "\"r5\"", "\"r6\"", "\"r7\"", "\"r8\""];
        assert_eq!(tags.iter().map(|(_, tag)| *tag).collect::<Vec<_>>(), want);
        assert_eq!(tags.iter().filter(|(status, _)| *status == 201).collect::<Vec<_>>(), [&(201, "\"r1\"")]);
        assert_eq!(app.items(&format!("{LAB}/units")).await.len(), 1);
    }

    async fn what_validation_says_is_told_with_file_and_line(db: TestDb) {
        let app = TestApp::start(db).await;
        let pxu = "id: odd\nplugin: sell\ncommand: true\nflags: simple\n\nid: local\nplugin: local\ncommand: true\n";
        let made = put(&app, &json!({"units": [job("fine")], "pxu": {"units/odd.pxu": pxu}})).await.expect(201).json();
        let doubts = made["doubts"].as_array().unwrap();
        let errors: Vec<&Value> = doubts.iter().filter(|doubt| doubt["severity"] == "error").collect();
        assert_eq!((errors.len(), &made["errors"]), (1, &json!(1)), "local jobs are jobs: {made}");
        let error = errors[0];
        assert_eq!(
            (&error["file"], &error["line"], &error["unit"], &error["field"], &error["flaw"], &error["place"]),
            (&json!("units/odd.pxu"), &json!(2), &json!("odd"), &json!("plugin"), &json!("wrong"), &json!(1))
        );
        assert!(error["message"].as_str().unwrap().contains("shell"), "{error}");
        let count = |severity: &str| doubts.iter().filter(|doubt| doubt["severity"] == severity).count();
        assert_eq!((&made["warnings"], &made["advice"]), (&json!(count("warning")), &json!(count("advice"))));
    }

    async fn what_cannot_be_read_is_refused_whole(db: TestDb) {
        let app = TestApp::start(db).await;
        let files = json!({"units/b.pxu": "id: x\n\nid: a\nno colon\n", "units/a.pxu": "id: y\nid: z\n"});
        let refused = put(&app, &json!({"units": [job("fine"), {"id": null}, 3], "pxu": files})).await.expect(422);
        let told = errors(&refused);
        let pointers: Vec<&str> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/units/1/id", "/units/2", "/pxu/units~1a.pxu", "/pxu/units~1b.pxu"]);
        assert!(told[2].1.starts_with("units/a.pxu:2: ") && told[3].1.starts_with("units/b.pxu:4: "), "{told:?}");
        app.get(LAB).await.expect(404);
        let text = put(&app, &json!({"pxu": "id: x\n\n\n no key\n"})).await.expect(422);
        assert!(errors(&text)[0].1.starts_with("line 4: "), "{}", text.text);

        let named = put_if(&app, "/api/v1/providers/a%2Fb", &[], &json!({"namespace": "a::b"})).await.expect(422);
        let pointers: Vec<String> = errors(&named).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/name", "/namespace"]);
        for (asked, status, words) in [
            (json!({"unit": []}), 422, "unit"),
            (json!([]), 422, "the body: "),
            (json!({"units": [job("a"), {"id": "a", "plugin": "manual"}]}), 409, "unit 1: another job `a` is there already, at unit 0"),
            (json!({"pxu": {"x.pxu": "id: a\n\nid: a\n"}}), 409, "x.pxu:3: the job `a` is there already, exactly so, at x.pxu:1"),
        ] {
            let refused = put(&app, &asked).await.expect(status);
            assert!(refused.text.contains(words), "{asked}: {}", refused.text);
        }
        app.send(Method::PUT, LAB, &[], "{}").await.expect(415);
        app.get(LAB).await.expect(404);
        put(&app, &json!({})).await.expect(201);
    }

    async fn units_are_paged_and_printed(db: TestDb) {
        let app = TestApp::start(db).await;
        let units: Vec<Value> = (0..120).map(|number| job(&format!("job{number:03}"))).collect();
        put(&app, &json!({"namespace": "ns", "units": units})).await.expect(201);
        let path = format!("{LAB}/units");
        let (mut ids, mut next) = (Vec::new(), String::new());
        loop {
            let page = app.show(&format!("{path}?limit=50{next}")).await;
            ids.extend(page["items"].as_array().unwrap().iter().map(|unit| unit["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(ids, (0..120).map(|number| format!("ns::job{number:03}")).collect::<Vec<_>>());

        let printed = app.get(&format!("{path}?format=pxu")).await.expect(200);
        assert_eq!((printed.header("content-type"), printed.header("etag")), ("text/plain; charset=utf-8", "\"r1\""));
        assert!(printed.text.starts_with("id: job000\ncommand: true\nflags: simple\nplugin: shell\n\nid: job001\n"), "{}", printed.text);
        let accepted = app.send(Method::GET, &path, &[("accept", "text/plain")], "").await.expect(200);
        assert_eq!(accepted.text, printed.text);
        let json = app.send(Method::GET, &format!("{path}?format=json"), &[("accept", "text/plain")], "").await;
        assert_eq!(json.json()["items"].as_array().unwrap().len(), 50);
        let again = json!({"namespace": "ns", "pxu": printed.text});
        put_if(&app, "/api/v1/providers/copy", &[], &again).await.expect(201);
        let fields = async |name: &str| {
            let units = app.items(&format!("/api/v1/providers/{name}/units?limit=1000")).await;
            units.into_iter().map(|unit| unit["fields"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(fields("copy").await, fields("lab").await, "what is printed is read again as it was");
        for wrong in ["format=xml", "format=pxu&limit=3", "format=pxu&cursor=3", "cursor=x", "colour=red"] {
            app.get(&format!("{path}?{wrong}")).await.expect(400);
        }
        put(&app, &json!({"units": [{"id": "list", "siblings": [{"id": "x"}]}]})).await.expect(200);
        let refused = app.get(&format!("{path}?format=pxu")).await.expect(409);
        assert!(refused.text.contains("unit 0 (`list`)") && refused.text.contains("siblings"), "{}", refused.text);
    }

    async fn names_of_all_sorts_are_listed_in_order(db: TestDb) {
        let app = TestApp::start(db).await;
        for (path, location) in [
            ("b", "b"), ("2013.com.example:old", "2013.com.example:old"), ("a%20b", "a%20b"), ("%C3%A4", "%C3%A4"),
        ] {
            let made = put_if(&app, &format!("/api/v1/providers/{path}"), &[], &json!({})).await.expect(201);
            assert_eq!(made.header("location"), format!("/api/v1/providers/{location}"));
            app.get(made.header("location")).await.expect(200);
        }
        let names = async |query: &str| {
            let page = app.show(&format!("/api/v1/providers{query}")).await;
            let names: Vec<String> =
                page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
            (names, page["next_cursor"].as_str().map(str::to_owned))
        };
        assert_eq!(names("?limit=2").await, (vec!["2013.com.example:old".into(), "a b".into()], Some("a b".into())));
        assert_eq!(names("?limit=2&cursor=a%20b").await, (vec!["b".into(), "ä".into()], None));
        let long = "x".repeat(201);
        put_if(&app, &format!("/api/v1/providers/{long}"), &[], &json!({})).await.expect(422);
        put_if(&app, "/api/v1/providers/a%00b", &[], &json!({})).await.expect(422);
        app.get("/api/v1/providers/a%00b").await.expect(404);
    }
}
