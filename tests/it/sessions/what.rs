//! Sessions are made from what is to be run: selections, specs, tests of the catalogue, test plans, jobs.

use reqwest::Method;
use serde_json::{Value, json};
use testyard::domain::composition::definition::{Executable, NoDefinition, NoDefinitionCause, executable};
use testyard::domain::session::Session;
use testyard::ids::SessionId;
use testyard::store;

use super::{PXU, SESSIONS, ids, make, pass, pointers, report, send, texts};
use crate::catalogue::{put, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

const SPECS: &str = "/api/v1/specs";
const SELECTIONS: &str = "/api/v1/selections";

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn spec(digit: char, family: &str, keywords: &[&str], on: &[char]) -> Value {
    let dependencies: Vec<Value> = on.iter().map(|digit| json!({"id": id(*digit)})).collect();
    json!({
        "id": id(digit), "file_path": format!("d/{family}.pyt"), "keywords": keywords, "dependencies": dependencies,
        "attributes": {"command": ["run", family]},
    })
}

/// `b` waits for `a`, `c` stands alone and is slow; the selection `nightly` leaves out what is slow.
async fn with_specs(app: &TestApp) {
    let specs = json!([
        spec('a', "setup", &["fast"], &[]),
        spec('b', "build", &["fast"], &['a']),
        spec('c', "check", &["slow"], &[]),
    ]);
    app.post(SPECS, &specs).await.expect(200);
    let rules = json!({"rules": [{"type": "keyword", "expressions": ["not slow"]}]});
    send(app, Method::PUT, &format!("{SELECTIONS}/nightly"), &rules).await.expect(201);
}

/// Two tests that need a directory, of which the second waits for the first; a third that nothing here can run.
async fn with_tests(app: &TestApp) {
    let directory = json!({"class": "temporary.TempDirectoryResource"});
    put(app, "resources/net.dir", &directory).await.expect(201);
    let mut up = shell("ip link set up");
    up["resources"] = json!(["net.dir"]);
    put(app, "tests/net.up", &up).await.expect(201);
    let mut dns = shell("dig");
    dns["prerequisites"] = json!([{"test": "net.up"}]);
    dns["resources"] = json!(["net.dir"]);
    put(app, "tests/net.dns", &dns).await.expect(201);
    put(app, "tests/net.python", &json!({"class": "python.ExecTest"})).await.expect(201);
    put(app, "suites/nightly", &json!({"test_ids": ["net.up", "net.dns"]})).await.expect(201);
}

async fn ready(app: &TestApp, session: &str) -> Vec<String> {
    ids(app, &format!("{session}/run-list?ready=true")).await
}

fn session_id(path: &str) -> SessionId {
    path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("a session")
}

/// What is executed for a job, as whoever runs the session finds it.
async fn executable_of(app: &TestApp, path: &str, job: &str) -> Result<Executable, NoDefinition> {
    let mut db = app.app.read().await.unwrap();
    let loaded = store::session::load(&mut db.conn(), session_id(path).0, None).await.unwrap().expect("a session");
    executable(&Session::restore(loaded.changes).unwrap(), job)
}

on_both! {
    async fn a_selection_makes_a_session_that_runs_in_order(db: TestDb) {
        let app = TestApp::start(db).await;
        with_specs(&app).await;
        let made = app.post(SESSIONS, &json!({"what": {"selection": "nightly", "stale": "refuse"}})).await.expect(201);
        let told = made.json();
        let origin = &told["origin"];
        assert_eq!(origin["selection"], json!({
            "tag": "nightly", "revision": 1, "spec_set_revision": 1, "is_current": true}));
        assert_eq!(origin["specs"], json!({"count": 2, "ids": [id('a'), id('b')]}));
        assert_eq!((&origin["notes"], &told["problems"]["count"]), (&json!([]), &json!(0)));
        let path = made.header("location").to_owned();
        assert_eq!(app.show(&path).await["origin"], *origin, "it stays known");
        assert_eq!(ids(&app, &format!("{path}/run-list")).await, ["spec::setup", "spec::build"]);
        assert_eq!(ready(&app, &path).await, ["spec::setup"]);
        pass(&app, &path, "spec::setup").await;
        assert_eq!(ready(&app, &path).await, ["spec::build"]);
        let build = executable_of(&app, &path, "spec::build").await.unwrap();
        assert_eq!(build.definition.command.argv, ["run", "build"]);
        assert_eq!(build.definition.job, "spec::build");
        let ghost = executable_of(&app, &path, "spec::ghost").await;
        assert_eq!(ghost.unwrap_err().cause, NoDefinitionCause::NoJob);
    }

    async fn specs_bring_what_they_depend_on(db: TestDb) {
        let app = TestApp::start(db).await;
        with_specs(&app).await;
        let path = make(&app, &json!({"what": {"specs": ["bb"]}})).await;
        assert_eq!(ids(&app, &format!("{path}/run-list")).await, ["spec::setup", "spec::build"]);
        assert_eq!(texts(&app.show(&format!("{path}/desired")).await["jobs"]), ["spec::build"]);
        // A clash of names: the beginnings of the ids tell them apart.
        app.post(SPECS, &json!([spec('d', "check", &[], &[])])).await.expect(200);
        let path = make(&app, &json!({"what": {"specs": ["c", "d"]}})).await;
        assert_eq!(ids(&app, &format!("{path}/jobs")).await, ["spec::check.ccccccc", "spec::check.ddddddd"]);
    }

    async fn a_stale_selection_is_taken_with_a_note_or_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        with_specs(&app).await;
        app.post(SPECS, &json!([spec('d', "new", &["fast"], &[])])).await.expect(200);
        let refused = app.post(SESSIONS, &json!({"what": {"selection": "nightly", "stale": "refuse"}})).await.expect(409);
        assert!(refused.text.contains("the selection `nightly` was made of the specs as of revision 1; they are at 2"));
        let path = make(&app, &json!({"what": {"selection": "nightly", "stale": "take"}})).await;
        let origin = app.show(&path).await["origin"].clone();
        assert_eq!(origin["selection"]["is_current"], false);
        assert_eq!(texts(&origin["notes"]), [
            "the selection `nightly` was made of the specs as of revision 1; they are at 2"]);
        assert_eq!(ids(&app, &format!("{path}/jobs")).await, ["spec::build", "spec::setup"]);
    }

    async fn tests_of_the_catalogue_come_with_their_resources(db: TestDb) {
        let app = TestApp::start(db).await;
        with_tests(&app).await;
        let asked = json!({"what": {"catalogue": {"suites": ["nightly"], "tests": ["net.python"]}}});
        let made = app.post(SESSIONS, &asked).await.expect(201);
        let path = made.header("location").to_owned();
        let catalogue = &made.json()["origin"]["catalogue"];
        assert_eq!((&catalogue["revision"], &catalogue["tests"]["count"]), (&json!(5), &json!(3)));
        assert_eq!(catalogue["suites"], json!({"count": 1, "ids": ["nightly"]}));
        assert_eq!(ready(&app, &path).await, ["test::net.python", "setup::net.dir"]);
        pass(&app, &path, "setup::net.dir").await;
        report(&app, &path, "test::net.up", &json!({"outcome": "pass"})).await;
        assert_eq!(ready(&app, &path).await, ["test::net.python", "test::net.dns"]);
        report(&app, &path, "test::net.dns", &json!({"outcome": "fail"})).await;
        assert_eq!(ready(&app, &path).await, ["test::net.python", "cleanup::net.dir"]);
        let why = app.show(&format!("{path}/jobs/test::net.python/why")).await;
        assert_eq!(why["no_definition"]["cause"], "no_command");
        assert!(why["no_definition"]["reason"].as_str().unwrap().contains("needs a runner of the kind `qmtest`"), "{why}");
        assert_eq!(app.show(&format!("{path}/jobs/cleanup::net.dir/why")).await["no_definition"], Value::Null);
        // A session runs what it was made of, whatever becomes of the catalogue.
        put(&app, "tests/net.dns", &shell("other")).await.expect(200);
        let dns = executable_of(&app, &path, "test::net.dns").await.unwrap();
        assert_eq!(dns.definition.command.argv, ["/bin/sh", "-c", "dig"]);
        let old = json!({"what": {"catalogue": {"tests": ["net.dns"], "revision": 5}}});
        let old = make(&app, &old).await;
        let unit = app.show(&format!("{old}/jobs/test::net.dns")).await["unit"]["fields"].clone();
        assert_eq!((&unit["testyard-revision"], &unit["testyard-test"]), (&json!("5"), &json!("net.dns")));
        assert_eq!(unit["command"], "/bin/sh -c dig");
    }

    async fn plans_and_jobs_are_of_the_units_that_are_brought(db: TestDb) {
        let app = TestApp::start(db).await;
        let new = json!({"namespace": "net", "pxu": PXU, "what": {"plans": ["net::smoke"], "jobs": ["net::report"]}});
        let path = make(&app, &new).await;
        assert_eq!(app.show(&path).await["test_plans"], json!(["net::smoke"]));
        let run = ids(&app, &format!("{path}/run-list")).await;
        assert!(run.contains(&"net::report".to_owned()) && run.contains(&"net::link".to_owned()), "{run:?}");
        let ask = app.show(&format!("{path}/jobs/net::ask/why")).await;
        assert_eq!(ask["no_definition"]["cause"], "person");
    }

    async fn what_is_not_there_is_refused_and_named(db: TestDb) {
        let app = TestApp::start(db).await;
        with_specs(&app).await;
        with_tests(&app).await;
        app.post(SPECS, &json!([spec('b', "other", &[], &[])])).await.expect(200);
        for (what, at, words) in [
            (json!({}), "/what", "want at least one of"),
            (json!({"selection": "ghost"}), "/what/selection", "there is no selection `ghost`"),
            (json!({"specs": ["aa"], "stale": "take"}), "/what/stale", "only a `selection` can be stale"),
            (json!({"specs": ["aa", "ee"]}), "/what/specs/1", "there is no spec whose id begins with `ee`"),
            (json!({"specs": ["wild"]}), "/what/specs/0", "want hexadecimal digits"),
            (json!({"specs": []}), "/what/specs", "want at least one"),
            (json!({"catalogue": {}}), "/what/catalogue", "want `tests`, `suites` or both"),
            (json!({"catalogue": {"tests": ["net.up", "net"]}}), "/what/catalogue/tests/1", "no test `net`"),
            (json!({"catalogue": {"suites": ["net.up"]}}), "/what/catalogue/suites/0", "no suite or directory `net.up`"),
            (json!({"catalogue": {"tests": ["net.up"], "revision": 99}}), "/what/catalogue/revision", "`99`"),
            (json!({"plans": ["ghost"]}), "/what/plans", "there is no test plan `ghost`"),
            (json!({"jobs": ["ghost"]}), "/what/jobs/0", "the session's units have no job `ghost`"),
            (json!({"jobs": [""]}), "/what/jobs/0", "it is empty"),
        ] {
            let refused = app.post(SESSIONS, &json!({"what": what})).await.expect(422);
            assert_eq!(pointers(&refused), [at], "{what}: {}", refused.text);
            assert!(refused.text.contains(words), "{what}: {}", refused.text);
        }
        for what in [json!([]), json!({"colour": 1}), json!({"selection": "nightly", "stale": "perhaps"})] {
            app.post(SESSIONS, &json!({"what": what})).await.expect(422);
        }
        assert!(app.items(SESSIONS).await.is_empty());
    }

    async fn fields_that_cannot_be_read_are_refused_where_they_come_in(db: TestDb) {
        let app = TestApp::start(db).await;
        for (field, value) in [
            ("testyard-requires", json!("arch")),
            ("testyard-slots", json!("gpu=none")),
            ("testyard-timeout", json!("soon")),
            ("testyard-artifacts", json!("/etc/passwd")),
            ("testyard-definition", json!({"command": {"argv": []}})),
            ("testyard-wants", json!({"a": 7})),
        ] {
            let mut unit = json!({"id": "a", "plugin": "shell", "command": "x"});
            unit[field] = value;
            let refused = app.post(SESSIONS, &json!({"units": [unit]})).await.expect(422);
            assert_eq!(pointers(&refused), ["/units/0"], "{}", refused.text);
            assert!(refused.text.contains(&format!("`{field}`: ")), "{}", refused.text);
        }
        let needs = json!({"id": "a", "plugin": "shell", "command": "x", "testyard-requires": "arch=riscv64 board=vf2",
            "testyard-slots": {"gpu": 2}, "testyard-timeout": "5m"});
        let path = make(&app, &json!({"units": [needs]})).await;
        let executable = executable_of(&app, &path, "a").await.unwrap();
        assert_eq!(executable.definition.command.timeout_s, Some(300));
        assert_eq!(executable.needs.slots, [("gpu".to_owned(), 2)].into());
        assert_eq!(executable.needs.requires.0.len(), 2);
    }

    async fn results_of_jobs_are_known_to_the_next_selection(db: TestDb) {
        let app = TestApp::start(db).await;
        with_specs(&app).await;
        let path = make(&app, &json!({"what": {"selection": "nightly"}})).await;
        report(&app, &path, "spec::setup", &json!({"outcome": "fail", "return_code": 3, "comments": "no disk"})).await;
        let known = app.items(&format!("{SPECS}/{}/history", id('a'))).await;
        assert_eq!(known.len(), 1);
        assert_eq!((&known[0]["status"]["status"], &known[0]["status"]["reason"]), (&json!("FAILED"), &json!("no disk")));
        let failed = json!({"rules": [{"type": "history", "want": "failed"}]});
        send(&app, Method::PUT, &format!("{SELECTIONS}/again"), &failed).await.expect(201);
        let again = make(&app, &json!({"what": {"selection": "again"}})).await;
        assert_eq!(texts(&app.show(&format!("{again}/desired")).await["jobs"]), ["spec::setup"]);
    }
}
