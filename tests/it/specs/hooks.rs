//! Hooks: who is asked while specs are selected, and what becomes of what they answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use reqwest::Method;
use serde_json::{Map, Value, json};
use testyard::app::AppError;
use testyard::app::condition::OnlyIf;
use testyard::app::spec::Specs;
use testyard::app::spec::selection::{self, Wanted};
use tokio::sync::Notify;

use super::{SELECTIONS, SPECS, digits, id, keyword, listed, put_selection, spec, with_five};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::fake_server::{Answer, FakeServer};
use crate::support::on_both;

const START: &str = "POST /start";
const MODIFY: &str = "POST /modify";
const REPORT: &str = "POST /report";

/// Somebody who wants nothing, unless a test says what.
async fn asked() -> FakeServer {
    let (server, listener) = FakeServer::bind().await;
    let nothing = async || StatusCode::NO_CONTENT;
    let router =
        ["/start", "/modify", "/report"].into_iter().fold(Router::new(), |all, path| all.route(path, post(nothing)));
    server.serve(listener, router);
    server
}

/// A hook of this server that is asked at one moment.
fn hook(of: &FakeServer, moment: &str) -> Value {
    json!({"url": format!("{}/{moment}", of.url()), "on": [moment]})
}

fn optional(mut hook: Value) -> Value {
    hook["optional"] = json!(true);
    hook
}

fn with_hooks(rules: &Value, hooks: &[Value]) -> Value {
    json!({"rules": rules, "hooks": hooks})
}

fn wish(of: &Value) -> Answer {
    Answer::Status(200, of.to_string(), vec![])
}

fn mask(digit: char, reason: &str) -> Value {
    json!({"id": id(digit), "reason": reason})
}

async fn selected(app: &TestApp, tag: &str) -> String {
    listed(app, &format!("{SELECTIONS}/{tag}/specs"), "id").await
}

/// The host of a hook, as people are told it.
fn host(of: &FakeServer) -> String {
    of.url().trim_start_matches("http://").to_owned()
}

/// The digits of the specs in a group of what a hook was told.
fn told(data: &Value, group: &str) -> String {
    let specs = data[group]["specs"].as_array().expect("specs");
    assert_eq!((&data[group]["total"], &data[group]["sent"]), (&json!(specs.len()), &json!(specs.len())));
    assert_eq!(data[group]["more"], Value::Null);
    digits(specs.iter().map(|spec| &spec["id"]))
}

#[track_caller]
fn assert_failed(answered: &Answered, of: &FakeServer, moment: &str, words: &str) {
    assert_eq!(answered.status, 502, "{}", answered.text);
    let problem = answered.json();
    assert_eq!(problem["code"], "hook-failed");
    let detail = problem["detail"].as_str().unwrap();
    let who = format!("the hook at {}, asked at `{moment}`, failed: ", host(of));
    assert!(detail.starts_with(&who) && detail.contains(words), "{words}: {detail}");
}

on_both! {
    async fn hooks_add_rules_leave_specs_out_take_them_in_and_are_told(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        let no_build = json!({"type": "keyword", "expressions": ["not build"]});
        server.answer_next(START, wish(&json!({
            "rules": [{"type": "keyword", "expressions": ["not extra"]}], "mask": [mask('c', "no power")],
        })));
        server.answer_next(MODIFY, wish(&json!({"mask": [mask('d', "not on Sundays")], "unmask": [id('b')]})));
        let hooks = ["start", "modify", "report"].map(|moment| hook(&server, moment));
        let made = put_selection(&app, "t", &with_hooks(&json!([no_build]), &hooks)).await.expect(201).json();
        assert_eq!((&made["selected"], &made["masked"], &made["warnings"]), (&json!(2), &json!(3), &Value::Null));
        assert_eq!(selected(&app, "t").await, "ab");
        assert_eq!(made["rules"], json!([no_build]));
        assert_eq!(made["hook_rules"], json!([{"type": "keyword", "expressions": ["not extra"]}]));
        let shown: Vec<Value> = hooks.iter().map(|hook| {
            let mut hook = hook.clone();
            hook["optional"] = json!(false);
            hook
        }).collect();
        assert_eq!(app.show(&format!("{SELECTIONS}/t")).await["hooks"], json!(shown));
        for (digit, words) in [('c', "no power"), ('d', "not on Sundays")] {
            let why = app.show(&format!("{SELECTIONS}/t/why/{digit}")).await;
            let wanted = format!("{} is left out: the hook at {} left it out: {words}", id(digit), host(&server));
            assert_eq!(why["sentence"], wanted);
            assert_eq!(why["chain"][0]["reason"], json!({"type": "hook", "host": host(&server), "text": words}));
        }
        assert_eq!(listed(&app, &format!("{SELECTIONS}/t/masked?type=hook"), "spec_id").await, "cd");
        let snapshot = app.show(&format!("{SELECTIONS}/t/snapshot")).await;
        assert_eq!(snapshot["rules"].as_array().unwrap().len(), 2, "whoever applies it has all the rules");

        let requests = server.requests();
        let bodies: Vec<Value> = requests.iter().map(crate::support::fake_server::Received::json).collect();
        let types: Vec<&str> = bodies.iter().map(|body| body["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["selection.start", "selection.modify", "selection.report"]);
        for (body, request) in bodies.iter().zip(&requests) {
            assert_eq!(request.headers["content-type"], "application/json");
            assert_eq!(body["timestamp"], "2026-01-02T03:04:05.000000Z");
            let data = &body["data"];
            assert_eq!((&data["tag"], &data["spec_set_revision"]), (&json!("t"), &json!(1)));
            assert_eq!(data["spec_set_id"], made["spec_set_id"]);
        }
        let [start, modify, report] = [0, 1, 2].map(|place: usize| &bodies[place]["data"]);
        assert_eq!((told(start, "selected"), told(start, "masked")), ("abcde".to_owned(), String::new()));
        assert_eq!(start["rules"], json!([no_build]));
        assert_eq!((told(modify, "selected"), told(modify, "masked")), ("ad".to_owned(), "bce".to_owned()));
        assert_eq!(modify["rules"].as_array().unwrap().len(), 2);
        assert_eq!(modify["masked"]["specs"][1]["reason"]["text"], "no power");
        assert_eq!(modify["masked"]["specs"][0]["sentence"], "the keyword expression `not build` does not hold of it");
        assert_eq!((told(report, "selected"), told(report, "masked")), ("ab".to_owned(), "cde".to_owned()));
        assert_eq!((&start["revision"], &modify["revision"], &report["revision"]), (&Value::Null, &Value::Null, &json!(1)));
    }

    async fn what_depends_on_what_a_hook_left_out_is_left_out_too(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        server.answer_next(MODIFY, wish(&json!({"mask": [mask('b', "no power")]})));
        put_selection(&app, "t", &with_hooks(&json!([]), &[hook(&server, "modify")])).await.expect(201);
        assert_eq!(selected(&app, "t").await, "ace");
        let why = app.show(&format!("{SELECTIONS}/t/why/d")).await;
        assert!(why["sentence"].as_str().unwrap().ends_with("left it out: no power"), "{why}");
        // Nor is a spec taken in whose dependency is left out.
        server.answer_next(MODIFY, wish(&json!({"unmask": [id('d')]})));
        let no_build = json!([{"type": "keyword", "expressions": ["not build"]}]);
        put_selection(&app, "t", &with_hooks(&no_build, &[hook(&server, "modify")])).await.expect(200);
        assert_eq!(selected(&app, "t").await, "ace");
    }

    async fn refreshing_asks_again(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        let start = wish(&json!({"mask": [mask('e', "busy")], "rules": [{"type": "view", "globs": ["*"]}]}));
        server.answer_next(START, start);
        let mut hook = hook(&server, "start");
        hook["url"] = json!(format!("{}?key=secret", hook["url"].as_str().unwrap()));
        put_selection(&app, "t", &with_hooks(&json!([]), &[hook])).await.expect(201);
        assert_eq!(selected(&app, "t").await, "abcd");
        assert!(!app.get(&format!("{SELECTIONS}/t")).await.text.contains("secret"), "readers are shown no query");
        let refreshed = app.post_empty(&format!("{SELECTIONS}/t/refresh")).await.expect(200).json();
        assert_eq!(refreshed["difference"]["entered"][0]["spec_id"], id('e'));
        assert_eq!(refreshed["selection"]["hook_rules"], json!([]), "what was added once is not added for ever");
        assert_eq!(selected(&app, "t").await, "abcde");
        let queries: Vec<Option<String>> = server.requests().iter().map(|it| it.uri.query().map(str::to_owned)).collect();
        assert_eq!(queries, vec![Some("key=secret".to_owned()); 2]);
        server.answer_next(START, Answer::Status(500, String::new(), vec![]));
        let refused = app.post_empty(&format!("{SELECTIONS}/t/refresh")).await;
        assert_failed(&refused, &server, "start", "it answered 500");
        assert_eq!(app.show(&format!("{SELECTIONS}/t")).await["revision"], 2);
    }

    async fn nothing_is_stored_if_a_hook_fails_that_is_not_optional(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        let bad_rule = json!({"rules": [{"type": "keyword", "expressions": ["a and"]}]});
        let unknown = json!({"mask": [mask('a', "x"), mask('f', "x")]});
        let failures = || [
            (START, "start", Answer::Status(503, "frozen until May".to_owned(), vec![]), "it answered 503: frozen until May"),
            (START, "start", Answer::Status(302, String::new(), vec![("location", "/modify")]), "it answered 302"),
            (START, "start", Answer::Garbage, "no wish"),
            (START, "start", Answer::Close, "broke off"),
            (START, "start", wish(&bad_rule), "/rules/0/expressions/0"),
            (START, "start", wish(&json!({"unmask": [id('a')]})), "`modify` only"),
            (START, "start", wish(&unknown), "/mask/1 of its answer: there is no spec `ffff"),
            (START, "start", wish(&json!({"rules": vec![json!({"type": "view", "globs": []}); 1_001]})), "more rules"),
            (MODIFY, "modify", wish(&bad_rule), "`start` only"),
            (MODIFY, "modify", wish(&unknown), "/mask/1 of its answer: there is no spec `ffff"),
            (MODIFY, "modify", wish(&json!({"mask": [mask('a', " ")]})), "want words"),
            (MODIFY, "modify", Answer::Status(200, "x".repeat((4 << 20) + 1), vec![]), "longer than"),
        ];
        for (route, moment, answer, words) in failures() {
            server.answer_next(route, answer);
            let refused = put_selection(&app, "t", &with_hooks(&json!([]), &[hook(&server, moment)])).await;
            assert_failed(&refused, &server, moment, words);
        }
        app.get(&format!("{SELECTIONS}/t")).await.expect(404);
        put_selection(&app, "t", &keyword("fast")).await.expect(201);
        for (place, (route, moment, answer, words)) in failures().into_iter().enumerate() {
            server.answer_next(route, answer);
            let hooks = [optional(hook(&server, "report")), optional(hook(&server, moment))];
            let made = put_selection(&app, "o", &with_hooks(&json!([]), &hooks)).await;
            let made = made.expect(if place == 0 { 201 } else { 200 }).json();
            let warning = &made["warnings"][0];
            assert_eq!(made["warnings"].as_array().unwrap().len(), 1, "{made}");
            assert_eq!((&warning["hook"], &warning["moment"]), (&json!(1), &json!(moment)));
            assert_eq!(warning["host"], host(&server));
            assert!(warning["detail"].as_str().unwrap().contains(words), "{warning}");
            assert_eq!((&made["selected"], &made["hook_rules"]), (&json!(5), &json!([])), "a wish is done whole or not at all");
        }
        assert_eq!(app.show(&format!("{SELECTIONS}/o")).await["warnings"], Value::Null);
        assert_eq!(app.show(&format!("{SELECTIONS}/t")).await["rules"], keyword("fast")["rules"]);
    }

    async fn a_hook_s_rule_that_cannot_be_asked_is_the_hook_s_failure(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        let mut with_text = spec('a', "a", &[], &[]);
        with_text["parameters"] = json!({"np": "four"});
        app.post(SPECS, &json!([with_text, spec('b', "b", &[], &[])])).await.expect(200);
        let compared = json!({"type": "parameter", "expression": "np<4"});
        put_selection(&app, "t", &json!({"rules": [compared]})).await.expect(409);
        let wanted = json!({"rules": [compared], "mask": [mask('b', "x")]});
        server.answer_next(START, wish(&wanted));
        let refused = put_selection(&app, "t", &with_hooks(&json!([]), &[hook(&server, "start")])).await;
        assert_failed(&refused, &server, "start", "one of its rules cannot be asked");
        app.get(&format!("{SELECTIONS}/t")).await.expect(404);
        // Of two the other is heard.
        let other = json!({"rules": [{"type": "keyword", "expressions": ["not b"]}]});
        server.answer_next(START, wish(&wanted));
        server.answer_next(START, wish(&other));
        let hooks = [optional(hook(&server, "start")), hook(&server, "start")];
        let made = put_selection(&app, "t", &with_hooks(&json!([]), &hooks)).await.expect(201).json();
        assert_eq!((&made["warnings"][0]["hook"], &made["hook_rules"]), (&json!(0), &other["rules"]));
        let why = app.show(&format!("{SELECTIONS}/t/why/b")).await;
        assert_eq!(why["chain"][0]["reason"]["type"], "keyword", "the other's mask is not made either");
        // The selection's own rule is nobody else's failure.
        server.answer_next(START, wish(&other));
        put_selection(&app, "t", &with_hooks(&json!([compared]), &[optional(hook(&server, "start"))])).await.expect(409);
    }

    async fn a_report_comes_after_the_commit_and_undoes_nothing(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        let gate = Arc::new(Notify::new());
        server.answer_next(REPORT, Answer::Slow(Arc::clone(&gate)));
        let asked = with_hooks(&json!([]), &[hook(&server, "report")]);
        let look = async {
            server.wait_for("the report", || server.requests().first().cloned()).await;
            let stored = app.show(&format!("{SELECTIONS}/t")).await;
            gate.notify_one();
            stored
        };
        let (made, stored) = tokio::join!(put_selection(&app, "t", &asked), look);
        assert_eq!(made.expect(201).json()["revision"], stored["revision"]);
        server.answer_next(REPORT, Answer::Status(500, "no".to_owned(), vec![]));
        let made = put_selection(&app, "t", &asked).await.expect(200).json();
        assert_eq!(made["warnings"], json!([{"hook": 0, "host": host(&server), "moment": "report", "detail": "it answered 500: no"}]));
        assert_eq!(app.show(&format!("{SELECTIONS}/t")).await["revision"], 2);
        // Whatever it says to a report is no wish.
        server.answer_next(REPORT, wish(&json!({"mask": [mask('a', "x")]})));
        assert_eq!(put_selection(&app, "t", &asked).await.expect(200).json()["warnings"], Value::Null);
        assert_eq!(selected(&app, "t").await, "abcde");
    }

    async fn no_transaction_is_open_while_a_hook_thinks(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        for (route, moment) in [(START, "start"), (MODIFY, "modify")] {
            let gate = Arc::new(Notify::new());
            server.answer_next(route, Answer::Slow(Arc::clone(&gate)));
            let asked = with_hooks(&json!([]), &[hook(&server, moment)]);
            let seen = server.count();
            let meanwhile = async {
                server.wait_for("the question", || server.requests().get(seen).cloned()).await;
                app.post(SPECS, &json!([spec('f', moment, &[], &[])])).await.expect(200);
                put_selection(&app, &format!("other-{moment}"), &keyword("fast")).await.expect(201);
                gate.notify_one();
            };
            let (made, ()) = tokio::join!(put_selection(&app, moment, &asked), meanwhile);
            let made = made.expect(201).json();
            let latest = app.show(&format!("{SELECTIONS}/{moment}/check")).await["latest_revision"].clone();
            assert_eq!(made["spec_set_revision"].as_i64().unwrap() + 1, latest.as_i64().unwrap());
        }
    }

    async fn whoever_is_overtaken_while_hooks_are_asked_changes_nothing(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        let path = format!("{SELECTIONS}/t");
        for (conditions, method, below, status) in [
            (vec![], Method::POST, "/refresh", 409),
            (vec![("if-match", "1")], Method::POST, "/refresh", 412),
            (vec![("if-match", "1")], Method::PUT, "", 412),
        ] {
            let asked = with_hooks(&json!([]), &[hook(&server, "modify")]);
            let etag = put_selection(&app, "t", &asked).await.header("etag").to_owned();
            let mut headers: Vec<(&str, &str)> = conditions.iter().map(|(name, _)| (*name, etag.as_str())).collect();
            headers.push(("content-type", "application/json"));
            let gate = Arc::new(Notify::new());
            server.answer_next(MODIFY, Answer::Slow(Arc::clone(&gate)));
            let seen = server.count();
            let other = async {
                server.wait_for("the question", || server.requests().get(seen).cloned()).await;
                let other = put_selection(&app, "t", &keyword("slow")).await.expect(200);
                gate.notify_one();
                other.json()["revision"].clone()
            };
            let body = if method == Method::PUT { asked.to_string() } else { String::new() };
            let whole = format!("{path}{below}");
            let (refused, revision) = tokio::join!(app.send(method, &whole, &headers, body), other);
            refused.expect(status);
            assert_eq!(app.show(&path).await["revision"], revision);
        }
        // And nobody is asked for what cannot be stored.
        let seen = server.count();
        let asked = with_hooks(&json!([]), &[hook(&server, "start")]).to_string();
        let headers = [("content-type", "application/json"), ("if-none-match", "*")];
        app.send(Method::PUT, &path, &headers, asked).await.expect(412);
        assert_eq!(server.count(), seen);
    }

    async fn a_hook_that_does_not_answer_in_time_has_failed(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        with_five(&app).await;
        let specs = Specs { hook_timeout: Duration::from_millis(50), ..app.app.specs.clone() };
        let put = async |hook: Value| {
            server.answer_next(MODIFY, Answer::Never);
            let wanted = Wanted::Rules { rules: vec![], hooks: vec![serde_json::from_value(hook).unwrap()] };
            selection::put(&specs, "t", wanted, Map::new(), None, OnlyIf::Any).await
        };
        let error = put(hook(&server, "modify")).await.unwrap_err();
        assert!(matches!(&error, AppError::Hook { why, .. } if why.contains("50ms")), "{error:?}");
        let made = put(optional(hook(&server, "modify"))).await.unwrap().unwrap();
        assert!(made.warnings[0].why.contains("50ms"), "{:?}", made.warnings);
        assert_eq!(made.made.selection.selected, 5);
    }

    async fn of_many_specs_a_hook_is_told_some_and_where_the_others_are(db: TestDb) {
        let (app, server) = (TestApp::start(db).await, asked().await);
        let many: Vec<Value> = (0..1_003).map(|n| json!({"file_path": format!("d/t{n}.pyt"), "keywords": ["many"]})).collect();
        app.post(SPECS, &json!(many)).await.expect(200);
        let hooks = ["start", "report"].map(|moment| hook(&server, moment));
        let no_many = json!([{"type": "keyword", "expressions": ["not many"]}]);
        put_selection(&app, "a%2Fb", &with_hooks(&no_many, &hooks)).await.expect(201);
        let bodies: Vec<Value> = server.requests().iter().map(|request| request.json()["data"].clone()).collect();
        for (data, group, more) in
            [(&bodies[0], "selected", "/api/v1/specs"), (&bodies[1], "masked", "/api/v1/selections/a%2Fb/masked")]
        {
            assert_eq!((&data[group]["total"], &data[group]["sent"]), (&json!(1_003), &json!(1_000)));
            assert_eq!(data[group]["specs"].as_array().unwrap().len(), 1_000);
            assert_eq!(data[group]["more"], format!("{}{more}", app.base));
            app.get(data[group]["more"].as_str().unwrap().strip_prefix(&app.base).unwrap()).await.expect(200);
        }
    }
}
