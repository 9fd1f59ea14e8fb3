//! The other commands of the program, each as its user runs it.

use serde_json::json;
use tempfile::TempDir;

use crate::support::http_client;
use crate::support::process::{Service, run, send, testyard};

#[tokio::test]
async fn healthcheck_tells_a_service_that_serves_from_one_that_does_not() {
    let folder = TempDir::new().unwrap();
    let service = Service::up(testyard(folder.path(), &["serve", "--listen", "127.0.0.1:0"])).await;
    let address = service.base().trim_start_matches("http://").to_owned();
    let ask = async || run(testyard(folder.path(), &["healthcheck", "--listen", &address])).await;
    let asked = ask().await;
    assert_eq!((asked.code, asked.stdout.as_str()), (Some(0), ""), "{asked:?}");
    service.kill().await;
    let asked = ask().await;
    assert_eq!(asked.code, Some(1), "{asked:?}");
    assert!(asked.stderr.contains("testyard: "), "{}", asked.stderr);
}

#[tokio::test]
async fn openapi_prints_the_document_that_is_committed() {
    let folder = TempDir::new().unwrap();
    let printed = run(testyard(folder.path(), &["openapi"])).await;
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    assert!(printed.stdout == committed, "run: cargo run -- openapi > openapi/openapi.json");
}

#[tokio::test]
async fn tokens_that_are_made_open_what_their_scope_includes() {
    let folder = TempDir::new().unwrap();
    let (mut tokens, mut setting) = (Vec::new(), Vec::new());
    for scope in ["read", "submit", "operate"] {
        let made = run(testyard(folder.path(), &["token", "--name", &format!("ci-{scope}"), "--scope", scope])).await;
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
        let after = |start: &str| {
            let mut lines = made.stdout.lines().map(str::trim);
            lines.find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("{}", made.stdout)).to_owned()
        };
        tokens.push(format!("tok_{}", after("tok_")));
        setting.push(after("TESTYARD_TOKENS="));
    }
    let mut command = testyard(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    command.env("TESTYARD_TOKENS", setting.join(","));
    let service = Service::up(command).await;
    let build = json!({
        "toolchain": "gcc-14", "tree": "https://git.example.org/linux.git", "branch": "master", "kconfig": "defconfig",
    });
    let ask = async |token: Option<&str>, path: &str| {
        let url = format!("{}{path}", service.base());
        let mut request = match path {
            "/api/v1/builds" => http_client().get(url),
            _ => http_client().post(url).header("content-type", "application/json").body(build.to_string()),
        };
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        send(request).await.unwrap().status
    };
    let paths = ["/api/v1/builds", "/api/v1/builds/run", "/api/v1/sync/builds"];
    for (token, wanted) in [
        (None, [401, 401, 401]),
        (Some("tok_unknown"), [401, 401, 401]),
        (Some(&*tokens[0]), [200, 403, 403]),
        (Some(&*tokens[1]), [200, 204, 403]),
        (Some(&*tokens[2]), [200, 204, 204]),
    ] {
        for (path, wanted) in paths.into_iter().zip(wanted) {
            assert_eq!(ask(token, path).await, wanted, "{token:?} {path}");
        }
    }
    service.get("/livez").await.expect(200);
}

#[tokio::test]
async fn the_demo_runs_to_its_end_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let shown = run(testyard(folder.path(), &["demo"])).await;
    assert_eq!(shown.code, Some(0), "{}\n{}", shown.stdout, shown.stderr);
    let status_of = |path: &str| {
        let rows = shown.stdout.lines().map(|line| line.split([' ', '│']).filter(|cell| !cell.is_empty()));
        let mut found = rows.filter_map(|mut cells| {
            let status = cells.next()?;
            (cells.next()? == path).then_some(status)
        });
        (found.next(), found.next())
    };
    for (job, status) in [
        ("demo::machine", "PASS"),
        ("spec::put_get", "PASS"),
        ("spec::wrap", "PASS"),
        ("spec::bulk", "PASS"),
        ("spec::capacity", "FAIL"),
        ("spec::huge", "SKIP"),
        ("demo::report", "PASS"),
    ] {
        assert_eq!(status_of(job), (Some(status), None), "{job}: {}", shown.stdout);
    }
    let again = shown.stdout.lines().find(|line| line.contains("PASS") && line.contains("spec::bulk"));
    assert!(again.is_some_and(|line| line.split_whitespace().any(|cell| cell == "2")), "{}", shown.stdout);
    assert!(shown.stdout.contains("Left out: tests/misuse"), "{}", shown.stdout);
    for words in ["\nReceipt ", ": processed, ", "\"checkouts\": [", "/docs", "All arrived, "] {
        assert!(shown.stdout.contains(words), "{words:?}: {}", shown.stdout);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "it leaves {left:?}");
}
