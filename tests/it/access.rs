//! Who may call what: every operation of the document is called without a token, with an unknown one, with one whose
//! scope is too small, and with each that is good for it.

use chrono::TimeDelta;
use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testyard::clock::Clock as _;
use testyard::config::{Scope, Settings, Token};
use testyard::domain::words::Word as _;

use crate::openapi::operations;
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::on_both;

const SCOPES: [(Scope, &str); 4] = [
    (Scope::Read, "the-reader's"),
    (Scope::Submit, "the-submitter's"),
    (Scope::Operate, "the-operator's"),
    (Scope::Admin, "the-admin's"),
];

fn with_tokens(settings: &mut Settings) {
    for (scope, token) in SCOPES {
        let sha256 = hex::encode(Sha256::digest(token));
        settings.access.tokens.push(Token { name: format!("{scope} holder"), sha256, scope, max_priority: 100 });
    }
}

/// The path of an operation with something in the place of its parameters.
fn filled(path: &str) -> String {
    path.replace("{id}", "none")
        .replace("{runner}", "tuxsuite")
        .replace("{capability}", "cap_none")
        .replace("{code}", "not-found")
}

async fn call(app: &TestApp, method: &str, path: &str, token: Option<&str>) -> Answered {
    let mut request = app.http.request(method.parse::<Method>().unwrap(), format!("{}{}", app.base, filled(path)));
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    Answered::of(request.send().await.unwrap()).await
}

/// The scope that an operation asks for, and whether it is one of the door that speaks as kcidb-restd does.
fn guard(operation: &Value) -> Option<(Scope, bool)> {
    let security = operation["security"].as_array()?;
    let scope = security.iter().find_map(|either| either["token"][0].as_str())?;
    Some((scope.parse().unwrap(), security.iter().any(|either| !either["jwt"].is_null())))
}

fn assert_is_problem(answered: &Answered, what: &str) {
    assert_eq!(answered.header("content-type"), "application/problem+json", "{what}");
    let problem = answered.json();
    assert_eq!(problem["status"], answered.status, "{what}: {problem}");
    assert_eq!(problem["request_id"], answered.header("x-request-id"), "{what}: {problem}");
    assert!(problem["detail"].as_str().is_some_and(|words| !words.is_empty()), "{what}: {problem}");
}

on_both! {
    async fn every_guarded_operation_asks_for_a_token_of_its_scope(db: TestDb) {
        let app = TestApp::start_with(db, with_tokens).await;
        let mut guarded = 0;
        for (method, path, operation) in operations(&app.show("/openapi.json").await) {
            let Some((needed, is_restd)) = guard(&operation) else { continue };
            guarded += 1;
            let what = format!("{method} {path}");
            // kcidb-restd looks at the query before it looks at the token.
            let path = if path == "/status" { "/status?id=none".to_owned() } else { path };
            for token in [None, Some("nobody's"), Some("")] {
                let refused = call(&app, &method, &path, token).await;
                assert_eq!(refused.status, 401, "{what} with {token:?}: {}", refused.text);
                if is_restd {
                    assert_eq!((&refused.json()["status"], &refused.json()["id"]), (&json!("error"), &json!("0")));
                } else {
                    assert_is_problem(&refused, &what);
                    assert_eq!(refused.header("www-authenticate"), "Bearer", "{what}");
                }
                assert!(!refused.header("x-request-id").is_empty(), "{what}");
            }
            for (scope, token) in SCOPES {
                let answered = call(&app, &method, &path, Some(token)).await;
                if scope >= needed {
                    assert!(![401, 403].contains(&answered.status), "{what} with {scope}: {}", answered.text);
                } else if is_restd {
                    assert_eq!(answered.status, 401, "{what} with {scope}: {}", answered.text);
                } else {
                    assert_eq!(answered.status, 403, "{what} with {scope}: {}", answered.text);
                    assert_is_problem(&answered, &what);
                    let words = answered.json()["detail"].as_str().unwrap().to_owned();
                    assert!(words.contains(scope.as_str()) && words.contains(needed.as_str()), "{words}");
                }
                assert!(!answered.text.contains(token), "{what} tells the token");
            }
        }
        assert!(guarded > 20, "{guarded}");
        let runs = call(&app, "GET", "/api/v1/runs", Some(SCOPES[0].1)).await.expect(200).json();
        assert_eq!(runs["items"], json!([]), "what was refused has left something");
    }

    async fn what_agents_call_asks_for_their_own_tokens_however_open_the_service_is(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            with_tokens(settings);
            settings.access.open = true;
        })
        .await;
        let mut asked = 0;
        for (method, path, operation) in operations(&app.show("/openapi.json").await) {
            let schemes = ["agent", "registration"].map(|scheme| !operation["security"][0][scheme].is_null());
            if !schemes.contains(&true) {
                continue;
            }
            asked += 1;
            for token in [None, Some("nobody's"), Some(SCOPES[3].1)] {
                // A registration is read before its token is looked at.
                let body = json!({"name": "lab", "version": "0", "protocol": 1});
                let mut request = app.http.request(method.parse().unwrap(), format!("{}{}", app.base, filled(&path)));
                request = request.header("testyard-agent-protocol", "1").header("content-type", "application/json").body(body.to_string());
                if let Some(token) = token {
                    request = request.header(AUTHORIZATION, format!("Bearer {token}"));
                }
                let refused = Answered::of(request.send().await.unwrap()).await;
                assert_eq!(refused.status, 401, "{method} {path} with {token:?}: {}", refused.text);
                assert_is_problem(&refused, &path);
            }
        }
        assert!(asked >= 5, "{asked}");
    }

    async fn what_has_no_guard_asks_for_no_token(db: TestDb) {
        let app = TestApp::start_with(db, with_tokens).await;
        let open = operations(&app.show("/openapi.json").await).into_iter().filter(|(.., it)| it["security"].is_null());
        let mut doors = Vec::new();
        for (method, path, _) in open {
            let answered = call(&app, &method, &path, None).await;
            assert!(!answered.text.contains("Authorization"), "{method} {path}: {}", answered.text);
            if method == "POST" {
                // The capability is wrong, or the signature is missing: that is what guards these.
                assert!([401, 422].contains(&answered.status), "{method} {path}: {}", answered.text);
                doors.push(path);
            } else {
                assert_eq!(answered.status, 200, "{method} {path}: {}", answered.text);
            }
        }
        let bridge = ["boot", "build", "test"].map(|kind| format!("/api/v1/tuxsuite/callback/{kind}"));
        assert_eq!(doors[0], "/api/v1/callbacks/{runner}/{capability}");
        assert_eq!(doors[1..], bridge);
        for path in ["/openapi.json", "/api/v1/openapi.json", "/docs/", "/docs/swagger-ui.css"] {
            app.get(path).await.expect(200);
        }
    }

    async fn a_service_that_is_meant_to_be_open_asks_nobody(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            with_tokens(settings);
            settings.access.open = true;
        })
        .await;
        for (method, path, operation) in operations(&app.show("/openapi.json").await) {
            if guard(&operation).is_some() {
                let answered = call(&app, &method, &path, None).await;
                assert!(![401, 403].contains(&answered.status), "{method} {path}: {}", answered.text);
            }
        }
    }

    async fn with_a_jwt_secret_the_kcidb_door_takes_jwts_alone(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            with_tokens(settings);
            settings.intake.jwt_secret = Some("first".to_owned().into());
            settings.intake.second_jwt_secret = Some("second".to_owned().into());
        })
        .await;
        let now = app.clock.now();
        let jwt = |secret: &str, exp: TimeDelta| {
            let claims = json!({"origin": "riscv", "exp": (now + exp).timestamp()});
            encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
        };
        let hour = TimeDelta::hours(1);
        for good in [jwt("first", hour), jwt("second", hour)] {
            call(&app, "GET", "/authtest", Some(&good)).await.expect(200);
            let bearer = format!("Bearer {good}");
            let report = json!({"version": {"major": 5, "minor": 3}}).to_string();
            let taken = app.post_raw("/submit", &[("authorization", &bearer)], report).await.expect(200);
            let id = taken.json()["id"].as_str().unwrap().to_owned();
            let told = call(&app, "GET", &format!("/status?id={id}"), Some(&good)).await.expect(200).json();
            assert_eq!(told["status"], "ready", "{told}");
        }
        for bad in [jwt("third", hour), jwt("first", -hour), SCOPES[3].1.to_owned()] {
            for (method, path) in [("GET", "/authtest"), ("GET", "/status?id=x"), ("POST", "/submit")] {
                let refused = call(&app, method, path, Some(&bad)).await.expect(401);
                assert_eq!(refused.json()["status"], "error", "{method} {path}: {}", refused.text);
            }
        }
        // The other way round a JWT opens nothing.
        call(&app, "GET", "/api/v1/runs", Some(&jwt("first", hour))).await.expect(401);
    }

    async fn a_browser_of_a_listed_origin_may_call_and_no_other(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            with_tokens(settings);
            settings.server.cors_origins = vec!["https://dash.example.org".to_owned()];
        })
        .await;
        let ask = |method: Method, origin: &'static str| {
            let request = app.http.request(method, format!("{}/api/v1/runs", app.base)).header("origin", origin);
            let request = request.header("access-control-request-method", "POST");
            request.header("access-control-request-headers", "authorization,content-type").send()
        };
        // A preflight carries no token.
        let listed = Answered::of(ask(Method::OPTIONS, "https://dash.example.org").await.unwrap()).await.expect(200);
        for (name, value) in [
            ("access-control-allow-origin", "https://dash.example.org"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "authorization,content-type"),
        ] {
            assert_eq!(listed.header(name), value, "{name}");
        }
        let refused = Answered::of(ask(Method::GET, "https://dash.example.org").await.unwrap()).await.expect(401);
        assert_eq!(refused.header("access-control-allow-origin"), "https://dash.example.org", "a refusal can be read");
        let other = Answered::of(ask(Method::OPTIONS, "https://evil.example.org").await.unwrap()).await;
        assert_eq!(other.header("access-control-allow-origin"), "");
    }

    async fn a_request_has_an_id_which_the_caller_may_give(db: TestDb) {
        let app = TestApp::start(db).await;
        let with = async |id: &str| {
            let request = app.http.get(format!("{}/livez", app.base)).header("x-request-id", id);
            Answered::of(request.send().await.unwrap()).await.header("x-request-id").to_owned()
        };
        assert_eq!(with("build-7.of_mine").await, "build-7.of_mine");
        let (first, second) = (app.get("/livez").await, app.get("/livez").await);
        assert_eq!(first.header("x-request-id").len(), 32);
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
        let long = "x".repeat(65);
        for bad in ["", "two words", "a\tb", long.as_str()] {
            let made = with(bad).await;
            assert_eq!(made.len(), 32, "{bad:?} became {made:?}");
        }
    }
}
