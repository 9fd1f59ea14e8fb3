//! Every operation's refusal: a table that names each operation of the document, so that a new one needs a line.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::openapi::operations;
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const RUN: &str = "run_0198c1a20b7c7d3e9f00112233445566";

/// A way to be refused.
struct Case {
    /// The operation, as the document has it.
    operation: &'static str,
    /// What is sent: method and target.
    sent: &'static str,
    /// Its body, sent as JSON; none where it is empty.
    body: &'static [u8],
    /// Whether the database is away.
    away: bool,
    status: u16,
    /// What the refusal speaks of.
    words: &'static str,
}

const fn case(operation: &'static str, sent: &'static str, status: u16, words: &'static str) -> Case {
    Case { operation, sent, body: b"", away: false, status, words }
}

const fn with(operation: &'static str, body: &'static [u8], status: u16, words: &'static str) -> Case {
    Case { operation, sent: operation, body, away: false, status, words }
}

const fn away(operation: &'static str) -> Case {
    Case { operation, sent: operation, body: b"", away: true, status: 503, words: "database" }
}

const CASES: &[Case] = &[
    case("GET /", "PUT /", 405, "Method Not Allowed"),
    case("GET /livez", "POST /livez", 405, "Method Not Allowed"),
    away("GET /readyz"),
    case("GET /problems/{code}", "GET /problems/bad-hair", 404, "bad-hair"),
    case("GET /api/v1/builds", "GET /api/v1/builds?colour=red", 400, "colour"),
    with(
        "POST /api/v1/builds",
        br#"{"tree": "ssh://h/l", "branch": "b", "toolchain": "gcc-12", "kconfig": "d"}"#,
        422,
        "tree",
    ),
    case("GET /api/v1/builds/{id}", "GET /api/v1/builds/build_7", 404, "build_7"),
    case("POST /api/v1/builds/{id}/retry", "POST /api/v1/builds/build_7/retry", 404, "build_7"),
    case("POST /api/v1/builds/{id}/cancel", "POST /api/v1/builds/build_7/cancel", 404, "build_7"),
    case("GET /api/v1/runs", "GET /api/v1/runs?state=asleep", 400, "asleep"),
    with(
        "POST /api/v1/runs",
        br#"{"runner": "lava", "build_id": "a:1", "kernel_image_url": "x", "collection": "c"}"#,
        422,
        "lava",
    ),
    case("GET /api/v1/runs/{id}", "GET /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566", 404, RUN),
    case("GET /api/v1/runs/{id}/log", "GET /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/log", 404, RUN),
    case(
        "GET /api/v1/runs/{id}/log",
        "GET /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/log?stream=ink",
        400,
        "ink",
    ),
    case(
        "GET /api/v1/runs/{id}/log/search",
        "GET /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/log/search",
        400,
        "`q`",
    ),
    case(
        "GET /api/v1/runs/{id}/artifacts",
        "GET /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/artifacts",
        404,
        RUN,
    ),
    case(
        "GET /api/v1/runs/{id}/artifacts/{job}/{path}",
        "GET /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/artifacts/j/p",
        404,
        RUN,
    ),
    case("GET /api/v1/runs/{id}/why", "GET /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/why", 404, RUN),
    case("GET /api/v1/queue", "GET /api/v1/queue?colour=red", 400, "colour"),
    Case {
        operation: "PUT /api/v1/runs/{id}/priority",
        sent: "PUT /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/priority",
        body: br#"{"priority": 1}"#,
        away: false,
        status: 404,
        words: RUN,
    },
    case("POST /api/v1/runs/{id}/retry", "POST /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/retry", 404, RUN),
    case("POST /api/v1/runs/{id}/cancel", "POST /api/v1/runs/run_0198c1a20b7c7d3e9f00112233445566/cancel", 404, RUN),
    case("GET /api/v1/results", "GET /api/v1/results?limit=0", 400, "limit"),
    case("GET /api/v1/deliveries", "GET /api/v1/deliveries?cursor=x", 400, "cursor"),
    case("GET /api/v1/deliveries/{id}", "GET /api/v1/deliveries/del_7", 404, "del_7"),
    case("POST /api/v1/deliveries/{id}/retry", "POST /api/v1/deliveries/del_7/retry", 404, "del_7"),
    case("GET /api/v1/callbacks", "GET /api/v1/callbacks?run=7", 400, "run"),
    case("GET /api/v1/callbacks/{id}", "GET /api/v1/callbacks/cb_7", 404, "cb_7"),
    case("POST /api/v1/callbacks/{runner}/{capability}", "POST /api/v1/callbacks/tuxsuite/cap_7", 401, "capability"),
    case("GET /api/v1/submissions/{id}", "GET /api/v1/submissions/none", 404, "none"),
    case("GET /api/v1/catalog", "GET /api/v1/catalog?colour=red", 400, "colour"),
    with("PATCH /api/v1/catalog", br#"{"modifiable": false}"#, 422, "reason"),
    case("GET /api/v1/catalog/classes", "GET /api/v1/catalog/classes?of=thing", 400, "thing"),
    case("GET /api/v1/catalog/classes/{name}", "GET /api/v1/catalog/classes/no.Class", 404, "no.Class"),
    Case {
        operation: "PUT /api/v1/catalog/classes/{name}",
        sent: "PUT /api/v1/catalog/classes/command.ExecTest",
        body: br#"{"of": "test", "execution": {"runner": "lab"}}"#,
        away: false,
        status: 409,
        words: "built in",
    },
    case("DELETE /api/v1/catalog/classes/{name}", "DELETE /api/v1/catalog/classes/no.Class", 404, "no.Class"),
    case("GET /api/v1/catalog/revisions", "GET /api/v1/catalog/revisions?cursor=x", 400, "cursor"),
    case("GET /api/v1/catalog/revisions/{revision}", "GET /api/v1/catalog/revisions/99", 404, "99"),
    case("GET /api/v1/catalog/changes", "GET /api/v1/catalog/changes?since=x", 400, "since"),
    with("POST /api/v1/catalog/expand", br#"{"ids": ["ghost"]}"#, 422, "ghost"),
    with("POST /api/v1/catalog/compare", br#"{"results": [{"test": "a", "outcome": "GOOD"}]}"#, 422, "GOOD"),
    with("POST /api/v1/catalog/apply", br#"{"prune": "Loud"}"#, 422, "prune"),
    with("POST /api/v1/catalog/import", b"{}", 415, "application/x-tar"),
    case("GET /api/v1/catalog/export", "GET /api/v1/catalog/export?revision=99", 404, "99"),
    with("POST /api/v1/catalog/attachments", b"more than ten bytes", 413, "10 bytes"),
    case("GET /api/v1/catalog/attachments/{sha256}", "GET /api/v1/catalog/attachments/abc", 404, "abc"),
    case("GET /api/v1/catalog/{kind}", "GET /api/v1/catalog/things", 404, "things"),
    case("GET /api/v1/catalog/{kind}/{label}", "GET /api/v1/catalog/tests/ghost", 404, "ghost"),
    Case {
        operation: "PUT /api/v1/catalog/{kind}/{label}",
        sent: "PUT /api/v1/catalog/tests/a",
        body: br#"{"class": "no.Class"}"#,
        away: false,
        status: 422,
        words: "no.Class",
    },
    case("DELETE /api/v1/catalog/{kind}/{label}", "DELETE /api/v1/catalog/tests/ghost", 404, "ghost"),
    case("GET /api/v1/catalog/{kind}/{label}/revisions", "GET /api/v1/catalog/tests/ghost/revisions", 404, "ghost"),
    case("GET /api/v1/catalog/{kind}/{label}/suites", "GET /api/v1/catalog/resources/a/suites", 404, "resources"),
    case(
        "GET /api/v1/catalog/{kind}/{label}/attachments/{filename}",
        "GET /api/v1/catalog/tests/ghost/attachments/f",
        404,
        "ghost",
    ),
    case(
        "PUT /api/v1/catalog/{kind}/{label}/attachments/{filename}",
        "PUT /api/v1/catalog/tests/ghost/attachments/f",
        404,
        "ghost",
    ),
    case(
        "DELETE /api/v1/catalog/{kind}/{label}/attachments/{filename}",
        "DELETE /api/v1/catalog/tests/ghost/attachments/f",
        404,
        "ghost",
    ),
    with("POST /api/v1/specs", br#"[{"file_path": "a", "colour": 1}]"#, 422, "/0/colour"),
    case("GET /api/v1/specs", "GET /api/v1/specs?upstream=maybe", 400, "upstream"),
    case("GET /api/v1/specs/{id}", "GET /api/v1/specs/0a1f", 404, "0a1f"),
    case("GET /api/v1/specs/{id}/upstream", "GET /api/v1/specs/0a1f/upstream", 404, "0a1f"),
    case("GET /api/v1/specs/{id}/downstream", "GET /api/v1/specs/ghost/downstream", 404, "ghost"),
    case("GET /api/v1/specs/{id}/history", "GET /api/v1/specs/ghost/history", 404, "ghost"),
    case("GET /api/v1/specs/edges", "GET /api/v1/specs/edges?cursor=x", 400, "cursor"),
    case("GET /api/v1/specs/graph", "GET /api/v1/specs/graph?limit=0", 400, "limit"),
    case("GET /api/v1/specs/select", "GET /api/v1/specs/select", 400, "view"),
    case("GET /api/v1/specs/partial", "GET /api/v1/specs/partial?tag=ghost", 404, "there is no selection `ghost`"),
    with("POST /api/v1/specs/closure", br#"{"ids": ["0a1f"], "way": "up"}"#, 422, "0a1f"),
    with("POST /api/v1/specs/generate", br#"{"ids": ["no.such"]}"#, 422, "no.such"),
    with(
        "POST /api/v1/specs/rerun",
        br#"{"strategy": "failed", "tag": "ghost"}"#,
        404,
        "there is no selection `ghost`",
    ),
    with("POST /api/v1/specs/results", br#"[{"session": "s"}]"#, 422, "spec_id"),
    case("GET /api/v1/specs/results", "GET /api/v1/specs/results?spec=0a1f", 422, "0a1f"),
    case("GET /api/v1/specs/results/recorded", "GET /api/v1/specs/results/recorded?status=GOOD", 400, "GOOD"),
    case("GET /api/v1/selections", "GET /api/v1/selections?colour=red", 400, "colour"),
    Case {
        operation: "PUT /api/v1/selections/{tag}",
        sent: "PUT /api/v1/selections/nightly",
        body: br#"{"rules": [{"type": "luck"}]}"#,
        away: false,
        status: 422,
        words: "/rules/0",
    },
    Case {
        operation: "PUT /api/v1/selections/{tag}",
        sent: "PUT /api/v1/selections/nightly",
        body: br#"{"rules": [], "hooks": [{"url": "http://10.0.0.1/", "on": ["start"]}]}"#,
        away: false,
        status: 422,
        words: "/hooks/0/url",
    },
    Case {
        operation: "PUT /api/v1/selections/{tag}",
        sent: "PUT /api/v1/selections/nightly",
        body: br#"{"rules": [], "hooks": [{"url": "http://127.0.0.1:1/", "on": ["start"]}]}"#,
        away: false,
        status: 502,
        words: "the hook at 127.0.0.1:1, asked at `start`, failed: could not connect",
    },
    case("GET /api/v1/selections/{tag}", "GET /api/v1/selections/a%2Fb", 404, "there is no selection `a/b`"),
    case("DELETE /api/v1/selections/{tag}", "DELETE /api/v1/selections/ghost", 404, "ghost"),
    Case {
        operation: "POST /api/v1/selections/{tag}/rename",
        sent: "POST /api/v1/selections/ghost/rename",
        body: br#"{"tag": "x"}"#,
        away: false,
        status: 404,
        words: "ghost",
    },
    case("GET /api/v1/selections/{tag}/specs", "GET /api/v1/selections/ghost/specs", 404, "ghost"),
    case("GET /api/v1/selections/{tag}/masked", "GET /api/v1/selections/ghost/masked", 404, "ghost"),
    case("GET /api/v1/selections/{tag}/report", "GET /api/v1/selections/ghost/report", 404, "ghost"),
    case("GET /api/v1/selections/{tag}/why/{spec}", "GET /api/v1/selections/ghost/why/0a", 404, "ghost"),
    case("GET /api/v1/selections/{tag}/snapshot", "GET /api/v1/selections/ghost/snapshot", 404, "ghost"),
    case("GET /api/v1/selections/{tag}/check", "GET /api/v1/selections/ghost/check", 404, "ghost"),
    case("GET /api/v1/selections/{tag}/difference", "GET /api/v1/selections/ghost/difference?before=x", 404, "ghost"),
    case("POST /api/v1/selections/{tag}/refresh", "POST /api/v1/selections/ghost/refresh", 404, "ghost"),
    with("POST /api/v1/sessions", br#"{"units": [7]}"#, 422, "/units/0"),
    with("POST /api/v1/sessions", br#"{"what": {"selection": "ghost"}}"#, 422, "there is no selection `ghost`"),
    with("POST /api/v1/sessions/import", b"[]", 415, "application/x-tar"),
    case("GET /api/v1/sessions/{id}/export", "GET /api/v1/sessions/ses_7/export", 404, "ses_7"),
    case("GET /api/v1/sessions", "GET /api/v1/sessions?cursor=x", 400, "cursor"),
    case("GET /api/v1/sessions/{id}", "GET /api/v1/sessions/ses_7", 404, "ses_7"),
    case("DELETE /api/v1/sessions/{id}", "DELETE /api/v1/sessions/ses_7", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/units", "GET /api/v1/sessions/ses_7/units", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/jobs", "GET /api/v1/sessions/ses_7/jobs", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/run-list", "GET /api/v1/sessions/ses_7/run-list", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/jobs/{job}", "GET /api/v1/sessions/ses_7/jobs/a", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/jobs/{job}/why", "GET /api/v1/sessions/ses_7/jobs/a/why", 404, "ses_7"),
    case(
        "GET /api/v1/sessions/{id}/jobs/{job}/controllers",
        "GET /api/v1/sessions/ses_7/jobs/a/controllers?is_root=perhaps",
        400,
        "is_root",
    ),
    case("POST /api/v1/sessions/{id}/jobs/{job}/begin", "POST /api/v1/sessions/ses_7/jobs/a/begin", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/jobs/{job}/results", "GET /api/v1/sessions/ses_7/jobs/a/results", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/desired", "GET /api/v1/sessions/ses_7/desired", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/mandatory", "GET /api/v1/sessions/ses_7/mandatory", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/resources", "GET /api/v1/sessions/ses_7/resources", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/resources/{resource}", "GET /api/v1/sessions/ses_7/resources/a", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/manifest", "GET /api/v1/sessions/ses_7/manifest", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/stats", "GET /api/v1/sessions/ses_7/stats", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/certification", "GET /api/v1/sessions/ses_7/certification", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/verdict", "GET /api/v1/sessions/ses_7/verdict", 404, "ses_7"),
    case("GET /api/v1/events", "GET /api/v1/events?kind=Run", 400, "kind"),
    case("GET /api/v1/runs/{id}/events", "GET /api/v1/runs/run_7/events", 404, "run_7"),
    case("POST /api/v1/sessions/{id}/skip", "POST /api/v1/sessions/ses_7/skip", 404, "ses_7"),
    case("POST /api/v1/sessions/{id}/resume", "POST /api/v1/sessions/ses_7/resume", 404, "ses_7"),
    case("POST /api/v1/sessions/{id}/plans/setup", "POST /api/v1/sessions/ses_7/plans/setup", 404, "ses_7"),
    case("POST /api/v1/sessions/{id}/plans/bootstrap", "POST /api/v1/sessions/ses_7/plans/bootstrap", 404, "ses_7"),
    case("POST /api/v1/sessions/{id}/plans/include", "POST /api/v1/sessions/ses_7/plans/include", 404, "ses_7"),
    case("DELETE /api/v1/sessions/{id}/units/{unit}", "DELETE /api/v1/sessions/ses_7/units/a", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/estimate", "GET /api/v1/sessions/ses_7/estimate?overhead=-1", 400, "overhead"),
    case("GET /api/v1/sessions/{id}/plans/choose", "GET /api/v1/sessions/ses_7/plans/choose?part=all", 400, "part"),
    with("PATCH /api/v1/sessions/{id}", br#"{"flags": [""]}"#, 422, "/flags"),
    with("POST /api/v1/sessions/{id}/units", b"{}", 422, "units"),
    with("POST /api/v1/sessions/{id}/providers", br#"{"name": ""}"#, 422, "/name"),
    with("PATCH /api/v1/sessions/{id}/jobs/{job}", br#"{"attempts": 1001}"#, 422, "/attempts"),
    with("POST /api/v1/sessions/{id}/jobs/{job}/results", br#"{"execution_duration": -1}"#, 422, "/execution_duration"),
    with("POST /api/v1/sessions/{id}/results", b"[7]", 422, "/0"),
    with("PUT /api/v1/sessions/{id}/desired", br#"{"jobs": [""]}"#, 422, "/jobs/0"),
    with("PUT /api/v1/sessions/{id}/mandatory", br#"{"jobs": [""]}"#, 422, "/jobs/0"),
    case("GET /api/v1/sessions/{id}/execution", "GET /api/v1/sessions/ses_7/execution", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/expected", "GET /api/v1/sessions/ses_7/expected", 404, "ses_7"),
    with("POST /api/v1/sessions/{id}/start", br#"{"runners": ["nobody"], "deadline_s": 99999999}"#, 422, "deadline_s"),
    with("POST /api/v1/sessions/{id}/pause", br#"{"why": 1}"#, 422, "why"),
    with("POST /api/v1/sessions/{id}/cancel", br#"{"why": 1}"#, 422, "why"),
    with("POST /api/v1/sessions/{id}/jobs/{job}/cancel", br#"{"why": 1}"#, 422, "why"),
    with("POST /api/v1/sessions/{id}/rerun", b"{}", 422, "failed"),
    with("POST /api/v1/sessions/{id}/trim", br#"{"qualifier": {}}"#, 422, "/qualifier"),
    with("POST /api/v1/sessions/{id}/qualify", br#"{"qualifiers": [7]}"#, 422, "/qualifiers/0"),
    with("PUT /api/v1/sessions/{id}/plans", br#"{"test_plans": [""]}"#, 422, "/test_plans/0"),
    with("PUT /api/v1/sessions/{id}/resources/{resource}", b"[7]", 422, "/0"),
    with("PUT /api/v1/sessions/{id}/manifest", br#"{"answers": {"": 1}}"#, 422, "/answers/"),
    case("GET /api/v1/providers", "GET /api/v1/providers?colour=red", 400, "colour"),
    Case {
        operation: "PUT /api/v1/providers/{name}",
        sent: "PUT /api/v1/providers/lab",
        body: br#"{"pxu": "id: x\nid: y\n"}"#,
        away: false,
        status: 422,
        words: "line 2: ",
    },
    case("GET /api/v1/providers/{name}", "GET /api/v1/providers/ghost", 404, "ghost"),
    case("DELETE /api/v1/providers/{name}", "DELETE /api/v1/providers/ghost", 404, "ghost"),
    case("GET /api/v1/providers/{name}/units", "GET /api/v1/providers/ghost/units?format=xml", 400, "xml"),
    case("GET /api/v1/sessions/{id}/events", "GET /api/v1/sessions/ses_7/events", 404, "ses_7"),
    case("GET /api/v1/sessions/{id}/shared/{key}", "GET /api/v1/sessions/ses_7/shared/k", 404, "ses_7"),
    Case {
        operation: "PUT /api/v1/sessions/{id}/shared/{key}",
        sent: "PUT /api/v1/sessions/ses_0198c1a20b7c7d3e9f00112233445566/shared/k",
        body: b"null",
        away: false,
        status: 404,
        words: "ses_0198c1a20b7c7d3e9f00112233445566",
    },
    case("DELETE /api/v1/sessions/{id}/shared/{key}", "DELETE /api/v1/sessions/ses_7/shared/k", 404, "ses_7"),
    with("POST /api/v1/agents/tokens", br#"{"name": "claim"}"#, 422, "/name"),
    with("POST /api/v1/agents", br#"{"name": "a", "version": "0", "protocol": 1}"#, 401, "Authorization"),
    case("POST /api/v1/agents/claim", "POST /api/v1/agents/claim", 401, "Authorization"),
    case("GET /api/v1/agents", "GET /api/v1/agents?colour=red", 400, "colour"),
    case("GET /api/v1/agents/{name}", "GET /api/v1/agents/ghost", 404, "ghost"),
    with("POST /api/v1/agents/{name}/drain", br#"{"reason": " "}"#, 422, "/reason"),
    case("POST /api/v1/agents/{name}/resume", "POST /api/v1/agents/ghost/resume", 404, "ghost"),
    case("DELETE /api/v1/agents/{name}", "DELETE /api/v1/agents/ghost", 404, "ghost"),
    case("GET /api/v1/leases", "GET /api/v1/leases?state=asleep", 400, "asleep"),
    case("POST /api/v1/leases/{id}/heartbeat", "POST /api/v1/leases/lse_7/heartbeat", 401, "Authorization"),
    case("POST /api/v1/leases/{id}/log", "POST /api/v1/leases/lse_7/log", 401, "Authorization"),
    case(
        "PUT /api/v1/leases/{id}/artifacts/{job}/{path}",
        "PUT /api/v1/leases/lse_7/artifacts/a/b.txt",
        401,
        "Authorization",
    ),
    case("POST /api/v1/leases/{id}/results", "POST /api/v1/leases/lse_7/results", 401, "Authorization"),
    case("POST /api/v1/leases/{id}/release", "POST /api/v1/leases/lse_7/release", 401, "Authorization"),
    with("POST /api/v1/builds/run", b"{}", 422, "toolchain"),
    with("POST /api/v1/tests/run", b"[]", 422, "dictionary"),
    with("POST /api/v1/boot-test/run", b"", 422, "missing"),
    with("POST /api/v1/tests/submit", b"{not json", 422, "JSON decode error"),
    away("POST /api/v1/sync/builds"),
    away("POST /api/v1/sync/results"),
    with("POST /api/v1/tuxsuite/callback/build", br#"{"kind": "plan", "status": {"uid": "u"}}"#, 422, "kbuild"),
    with("POST /api/v1/tuxsuite/callback/test", br#"{"kind": "test", "status": {}}"#, 422, "uid"),
    with("POST /api/v1/tuxsuite/callback/boot", br#"{"kind": "test", "status": 7}"#, 422, "status"),
    with("POST /submit", b"\xff", 400, "UTF-8"),
    case("GET /status", "GET /status", 400, "id"),
    case("GET /authtest", "GET /authtest", 401, "JWT is required"),
];

async fn send(app: &TestApp, case: &Case) -> Answered {
    let (method, target) = case.sent.split_once(' ').unwrap();
    let mut request = app.http.request(method.parse::<Method>().unwrap(), format!("{}{target}", app.base));
    if !case.body.is_empty() {
        request = request.header("content-type", "application/json").body(case.body);
    }
    Answered::of(request.send().await.unwrap()).await
}

/// Registers an agent; returns what it shows of itself.
async fn an_agent(app: &TestApp) -> String {
    let made = app.post("/api/v1/agents/tokens", &json!({})).await.expect(201).json();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let asked = json!({"name": "lab", "version": "0", "protocol": 1}).to_string();
    let agent = app.send(Method::POST, "/api/v1/agents", &headers, asked).await.expect(201).json();
    format!("Bearer {}", agent["token"].as_str().unwrap())
}

on_both! {
    async fn every_operation_refuses_in_words(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.intake.jwt_secret = Some("secret".to_owned().into());
            settings.catalogue.max_attachment_bytes = 10;
            // Else the doors that anybody finds refuse an unsigned callback before they read it.
            settings.tuxsuite.signature = testyard::config::SignaturePolicy::Optional;
        })
        .await;
        let document = app.show("/openapi.json").await;
        let named: BTreeSet<&str> = CASES.iter().map(|case| case.operation).collect();
        let there: Vec<String> =
            operations(&document).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        assert_eq!(named, there.iter().map(String::as_str).collect(), "every operation wants a line in the table");
        let mut documented_kinds = BTreeSet::new();
        for is_away in [false, true] {
            if is_away {
                app.app.db.close().await;
            }
            for case in CASES.iter().filter(|case| case.away == is_away) {
                let answered = send(&app, case).await;
                assert_eq!(answered.status, case.status, "{}: {}", case.sent, answered.text);
                assert!(answered.text.contains(case.words), "{}: {}", case.sent, answered.text);
                let (method, path) = case.operation.split_once(' ').unwrap();
                let documented = &document["paths"][path][method.to_lowercase()]["responses"][case.status.to_string()];
                assert!(case.status == 405 || documented.is_object(), "{}: {} is not documented", case.operation, case.status);
                if ["/submit", "/status", "/authtest"].contains(&path) {
                    continue;
                }
                assert_eq!(answered.header("content-type"), "application/problem+json", "{}", case.sent);
                let problem = answered.json();
                assert_eq!(problem["request_id"], answered.header("x-request-id"), "{problem}");
                assert_eq!(problem["status"], case.status, "{problem}");
                if !is_away {
                    let kind: Value = app.show(problem["type"].as_str().unwrap()).await;
                    for member in ["code", "title", "status"] {
                        assert_eq!(kind[member], problem[member], "{problem}");
                    }
                    documented_kinds.insert(problem["code"].as_str().unwrap().to_owned());
                } else if path != "/readyz" {
                    assert!(answered.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{}", case.sent);
                }
            }
        }
        assert!(documented_kinds.len() >= 5, "{documented_kinds:?}");
    }

    async fn unknown_routes_and_wrong_methods_are_problems_that_keep_the_bridges_detail(db: TestDb) {
        let app = TestApp::start(db).await;
        for (method, path, status, detail) in [
            (Method::GET, "/nope", 404, "Not Found"),
            (Method::POST, "/api/v1/boot/run", 404, "Not Found"),
            (Method::GET, "/api/v1/tests/run", 405, "Method Not Allowed"),
            (Method::DELETE, "/api/v1/runs", 405, "Method Not Allowed"),
            (Method::GET, "/submit", 405, "Method Not Allowed"),
        ] {
            let answered = app.http.request(method.clone(), format!("{}{path}", app.base)).send().await.unwrap();
            let answered = Answered::of(answered).await.expect(status);
            assert_eq!(answered.header("content-type"), "application/problem+json");
            let problem = answered.json();
            assert_eq!((&problem["detail"], &problem["status"]), (&detail.into(), &status.into()), "{method} {path}");
            assert_eq!(problem["request_id"], answered.header("x-request-id"));
            if status == 405 {
                assert!(!answered.header("allow").is_empty(), "{method} {path}: a 405 names what is allowed");
            }
        }
    }

    async fn a_body_past_the_limit_is_refused_on_every_route_that_takes_one(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.server.max_body_bytes = 4_000;
            settings.intake.max_body_bytes = 5_000;
            settings.catalogue.max_import_bytes = 4_000;
        })
        .await;
        let agent = an_agent(&app).await;
        let mut tried = 0;
        for (method, path, operation) in operations(&app.show("/openapi.json").await) {
            let content = &operation["requestBody"]["content"];
            // Files are streams: how long they may be, their own tests say.
            if !content.is_object() || !content["application/octet-stream"].is_null() || !content["application/x-tar"].is_null() {
                continue;
            }
            tried += 1;
            let path = path.replace("{runner}", "tuxsuite").replace("{capability}", "cap_none");
            let path = path.replace("{id}", "ses_0198c1a20b7c7d3e9f00112233445566");
            let path = path.replace("{kind}", "tests").replace("{label}", "a.b").replace("{name}", "a.B");
            let method: Method = method.parse().unwrap();
            let json = [("content-type", "application/json"), ("authorization", &agent), ("testyard-agent-protocol", "1")];
            let refused = app.send(method.clone(), &path, &json, vec![b' '; 5_001]).await;
            assert_eq!(refused.status, 413, "{path}: {}", refused.text);
            if path != "/submit" {
                assert_eq!(refused.json()["code"], "too-large");
                assert!(refused.json()["detail"].as_str().unwrap().contains("4000"), "{}", refused.text);
            }
            // The limit itself is not past the limit.
            let most = if path == "/submit" { 5_000 } else { 4_000 };
            let taken = app.send(method, &path, &json, vec![b' '; most]).await;
            assert!([400, 401, 422].contains(&taken.status), "{path}: {} {}", taken.status, taken.text);
        }
        assert!(tried >= 11, "{tried}");
    }
}
