//! What the program writes of itself: a line a request with its cause, and never a secret.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use testyard::store::db::Dialect;

use crate::support::db::TestDb;
use crate::support::fake_sink::{self, FakeSink};
use crate::support::fake_tuxsuite::{self, FakeTuxSuite};
use crate::support::http_client;
use crate::support::process::{self, Service, changed, run, send, serve, testyard};

#[tokio::test]
async fn as_json_each_request_is_one_line_with_its_id_its_status_and_its_cause() {
    let folder = TempDir::new().unwrap();
    let mut command = testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env("LOG_FORMAT", "json");
    let service = Service::up(command).await;
    let asked = [
        ("good", "GET", "/api/v1/builds", "", 200),
        ("unreadable", "POST", "/api/v1/builds", "{", 400),
        ("senseless", "POST", "/api/v1/builds/run", "{}", 422),
        ("missing", "GET", "/api/v1/runs/run_0", "", 404),
        ("lost", "GET", "/nowhere", "", 404),
        ("forged", "POST", "/api/v1/callbacks/tuxsuite/cap_x", "{}", 401),
        ("refused", "POST", "/submit", "{", 400),
    ];
    for (id, method, path, body, status) in asked {
        let url = format!("{}{path}", service.base());
        let request = if method == "GET" { http_client().get(url) } else { http_client().post(url).body(body) };
        let request = request.header("x-request-id", id).header("content-type", "application/json");
        let answer = send(request).await.unwrap().expect(status);
        assert_eq!(answer.header("x-request-id"), id);
    }
    let given = send(http_client().get(format!("{}/", service.base())).header("x-request-id", "no\tid")).await.unwrap();
    let made = given.header("x-request-id").to_owned();
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");

    let log = service.stop().await.stderr;
    let mut lines = BTreeMap::<String, Vec<Value>>::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let Some(id) = line["request_id"].as_str() {
            lines.entry(id.to_owned()).or_default().push(line.clone());
        }
    }
    for (id, method, _, _, status) in asked {
        let [line] = &lines[id][..] else { panic!("{id} is one line: {log}") };
        assert_eq!((&line["method"], &line["status"]), (&json!(method), &json!(status)), "{line}");
        let cause = line["cause"].as_str().unwrap_or_default();
        assert_eq!(status >= 400, !cause.is_empty(), "{line}");
    }
    assert_eq!(lines[&made].len(), 1);
}

/// Every secret that a service can be given, and those that it makes itself, under all the load that touches them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_stands_in_the_logs_or_in_the_settings_shown() {
    const BEARER: &str = "tok_bearer-s3cret";
    let folder = TempDir::new().unwrap();
    let db = TestDb::new(Dialect::Postgres).await;
    let (suite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
    // The server trusts whoever comes; the password is sent all the same.
    let database_url = db.url().replacen("postgres@", "postgres:database-s3cret@", 1);
    let hash = hex::encode(Sha256::digest(BEARER));
    let environment = [
        ("TESTYARD_TOKENS", format!("ci:admin:{hash}")),
        ("JWT_SECRET", "first-s3cret-of-the-intake-that-is-long-enough".to_owned()),
        ("UNIFIED_SECRET", "second-s3cret-of-the-intake-that-is-long-enough".to_owned()),
        ("TUXSUITE_TOKEN", fake_tuxsuite::TOKEN.to_owned()),
        ("KCIDB_TOKEN", fake_sink::TOKEN.to_owned()),
        ("RUST_LOG", "trace".to_owned()),
    ];
    let settings = changed(process::settings(&suite, &sink), &["tuxsuite.token=", "kcidb.token="]);
    let settings: Vec<String> = settings.into_iter().filter(|setting| !setting.ends_with('=')).collect();
    let mut command = serve(folder.path(), &database_url, &settings);
    command.envs(environment.clone());
    let service = Service::up(command).await;

    let post = async |path: String, body: Value, token: &str| {
        let request =
            http_client().post(format!("{}{path}", service.base())).header("content-type", "application/json");
        send(request.bearer_auth(token).body(body.to_string())).await.unwrap().status
    };
    let build = json!({
        "toolchain": "gcc-14", "tree": "https://git.example.org/linux.git", "branch": "master", "kconfig": "defconfig",
    });
    let tests = json!({
        "build_id": "riscv:1", "kernel_image_url": "https://files.example.org/Image", "tests": ["ltp-a"],
        "collection": "ltp",
    });
    assert_eq!(post("/api/v1/builds/run".into(), build.clone(), BEARER).await, 204);
    assert_eq!(post("/api/v1/builds/run".into(), build, "tok_wrong-s3cret").await, 401);
    assert_eq!(post("/api/v1/tests/run".into(), tests, BEARER).await, 204);
    assert_eq!(post("/submit".into(), json!({}), "eyJ.jwt-s3cret.x").await, 401);
    suite.wait_for("both jobs", |suite| suite.builds().len() + suite.tests().len() == 2).await;
    let (build, tests) = (suite.builds().remove(0), suite.tests().remove(0));
    let calls = [
        suite.finish_build(build["uid"].as_str().unwrap(), "pass"),
        suite.finish_test(tests["uid"].as_str().unwrap(), "pass", &[("ltp-a", "pass")]),
    ];
    let mut capabilities = Vec::new();
    for call in &calls {
        let path = call.url.split_once("/api/").unwrap().1;
        let capability = path.rsplit('/').next().unwrap().to_owned();
        let url = format!("{}/api/{path}", service.base());
        for body in ["{", call.body.as_str()] {
            let status = send(http_client().post(&url).body(body.to_owned())).await.unwrap().status;
            assert!(matches!(status, 204 | 422), "{status}");
        }
        // The same secret where it is not one: at another runner, and with more behind it.
        for path in
            [format!("/api/v1/callbacks/local/{capability}"), format!("/api/v1/callbacks/tuxsuite/{capability}/x")]
        {
            post(path, json!({}), BEARER).await;
        }
        capabilities.push(capability);
    }
    sink.wait_for("the results", |sink| sink.objects("tests").len() + sink.objects("builds").len() == 2).await;
    let ended = service.stop().await;

    let mut shown = vec![("the log", ended.stderr), ("the output", ended.stdout)];
    for arguments in [&["config", "show"][..], &["config", "show", "--json"], &["config", "check"]] {
        let mut command = testyard(folder.path(), arguments);
        command.env("DATABASE_URL", &database_url).envs(environment.clone());
        for setting in &settings {
            command.args(["--set", setting]);
        }
        let ended = run(command).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        shown.push(("the settings shown", ended.stdout + &ended.stderr));
    }
    for words in ["TRACE ", "/api/v1/callbacks/{runner}/{capability}"] {
        assert!(shown[0].1.contains(words), "all that happened is in the log");
    }
    let secrets = ["s3cret", fake_tuxsuite::TOKEN, fake_sink::TOKEN, &hash];
    for secret in secrets.into_iter().chain(capabilities.iter().map(String::as_str)) {
        for (where_, text) in &shown {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{where_} has {secret:?}: {line:?}");
        }
    }
}
