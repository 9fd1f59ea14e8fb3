//! The OpenAPI document: it is the committed one, it says all that a caller must know, and it is served and browsable.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::{golden, on_both};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    serde_json::to_value(testyard::http::document()).unwrap()
}

/// Every operation of a document as method, path and description.
pub(crate) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                operations.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    assert!(!operations.is_empty());
    operations
}

#[test]
fn the_committed_document_is_the_one_that_the_handlers_make() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json"));
    let made = testyard::http::document().to_pretty_json().unwrap();
    assert!(
        committed.unwrap_or_default() == format!("{made}\n"),
        "openapi/openapi.json is not what the handlers make: run `cargo run -- openapi > openapi/openapi.json`"
    );
}

#[test]
fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_operation_has_a_name_a_tag_a_success_and_its_refusals() {
    let document = document();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let (mut ids, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && ids.insert(id), "{what}: want an operationId of its own");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{what}: want a summary");
        for tag in operation["tags"].as_array().unwrap_or_else(|| panic!("{what}: want a tag")) {
            let tag = tag.as_str().unwrap();
            assert!(tags.contains(tag), "{what}: the tag {tag} is not described");
            used.insert(tag.to_owned());
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{what}: want a success");
        let mut wanted = BTreeSet::new();
        // A PUT makes what is not there yet; only of a kind there may be none.
        if path.contains('{') && (method != "PUT" || path.contains("{kind}")) {
            // A callback's door answers 401, for that a capability is none says nothing of whether there is such a run.
            wanted.insert("404");
        }
        if operation["requestBody"].is_object() {
            wanted.extend(["413", "503"]);
        }
        if operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["in"] == "query") {
            wanted.insert("400");
        }
        if operation["security"].is_array() {
            wanted.insert("401");
        }
        for status in wanted {
            assert!(responses.contains_key(status), "{what}: want {status}");
        }
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|words| !words.is_empty()), "{what} {status}");
            // Nothing has changed: no refusal, and without a body.
            if status.starts_with('2') || status == "304" {
                continue;
            }
            check_refusal(&format!("{what} {status}"), &operation, response);
        }
    }
    assert_eq!(used, tags.into_iter().map(str::to_owned).collect());
}

/// A refusal is a problem, but for those of the door that answers as kcidb-restd does.
fn check_refusal(what: &str, operation: &Value, response: &Value) {
    let content = response["content"].as_object().unwrap_or_else(|| panic!("{what}: want a body"));
    let speaks_jwt = operation["security"].as_array().into_iter().flatten().any(|either| !either["jwt"].is_null());
    for (kind, body) in content {
        let schema = body["schema"]["$ref"].as_str().unwrap_or_default();
        let is_problem = matches!(schema, "#/components/schemas/Problem" | "#/components/schemas/HTTPValidationError");
        let is_answer = speaks_jwt && kind.starts_with("text/plain");
        assert!(is_answer || (is_problem && kind == "application/problem+json"), "{what}: {kind} {schema}");
    }
}

#[test]
fn the_guards_are_declared_and_every_guarded_operation_names_its_own() {
    let document = document();
    let schemes = &document["components"]["securitySchemes"];
    for name in ["token", "jwt", "agent", "registration"] {
        assert_eq!((&schemes[name]["type"], &schemes[name]["scheme"]), (&json!("http"), &json!("bearer")), "{name}");
    }
    let mut scopes = BTreeMap::<String, usize>::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        let security = operation["security"].as_array();
        let is_door = path.contains("/tuxsuite/callback/") || path == "/api/v1/callbacks/{runner}/{capability}";
        if is_door || !path.starts_with("/api/v1/") && !["/submit", "/status", "/authtest"].contains(&path.as_str()) {
            assert_eq!(security, None, "{what} asks for no token");
            continue;
        }
        let security = security.unwrap_or_else(|| panic!("{what}: want a guard"));
        let is_of_agents = ["agent", "registration"].map(|scheme| !security[0][scheme].is_null());
        if is_of_agents.contains(&true) {
            assert_eq!(security.len(), 1, "{what}: no other token is good");
            assert_eq!(is_of_agents[1], path == "/api/v1/agents", "{what}");
            continue;
        }
        let token = security.iter().find_map(|either| either["token"].as_array()).unwrap();
        let [scope] = &token[..] else { panic!("{what}: want one scope") };
        *scopes.entry(scope.as_str().unwrap().to_owned()).or_default() += 1;
        // Questions whose words do not fit into an address.
        let questions = ["catalog/expand", "catalog/compare", "specs/closure", "specs/rerun", "sessions/{id}/qualify"];
        let asks = path.strip_prefix("/api/v1/").is_some_and(|path| questions.contains(&path));
        assert!(method == "GET" || asks || scope != "read", "{what} changes something");
    }
    assert_eq!(scopes.keys().collect::<Vec<_>>(), ["operate", "read", "submit"]);
}

on_both! {
    async fn the_document_is_served_and_can_be_browsed_without_the_internet(db: TestDb) {
        let app = TestApp::start(db).await;
        for path in ["/openapi.json", "/api/v1/openapi.json"] {
            let served = app.get(path).await.expect(200);
            assert_eq!(served.header("content-type"), "application/json", "{path}");
            assert_eq!(served.json(), document(), "{path}");
        }
        let page = app.get("/docs/").await.expect(200);
        assert!(page.header("content-type").starts_with("text/html"), "{}", page.header("content-type"));
        let mut parts = vec![("/docs/".to_owned(), page.text)];
        let links = parts[0].1.split(['"', '\'']).filter_map(|part| part.strip_prefix("./")).map(str::to_owned);
        let links: Vec<String> = links.collect();
        assert!(links.iter().any(|link| link.contains(".css")) && links.iter().any(|link| link.contains(".js")));
        for link in links {
            let text = app.get(&format!("/docs/{link}")).await.expect(200).text;
            // The bundle itself names hosts in its comments and messages; what it asks is set in the small files.
            if text.len() < 20_000 {
                parts.push((link, text));
            }
        }
        for (name, text) in &parts {
            assert!(!text.contains("http://") && !text.contains("https://"), "{name} names a host: {text}");
        }
        let start = parts.iter().find(|(name, _)| name.contains("initializer")).expect("the page's settings");
        assert!(start.1.contains("\"/openapi.json\""), "{}", start.1);
        assert!(start.1.contains("\"validatorUrl\": \"none\""), "the page asks a validator: {}", start.1);
        // As the bridge had it: without a slash at the end.
        let bare = app.get("/docs").await.expect(200);
        assert!(bare.header("content-type").starts_with("text/html"));
    }

    async fn a_service_without_the_intake_does_not_document_it(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.intake.enabled = false).await;
        let served = app.show("/openapi.json").await;
        assert!(served["paths"]["/submit"].is_null() && served["paths"]["/api/v1/runs"].is_object());
        app.post("/submit", &json!({})).await.expect(404);
    }
}

/// The bridge's routes and bodies are all in our document.
///
/// The rules by which it differs: of a callback's status only the uid is required; the header of a signature is not; a
/// `HTTPValidationError` always has its `detail`; successes of GET have a schema.
#[test]
fn golden_routes_and_bodies_of_the_bridge_are_in_our_document() {
    let ours = document();
    let mut routes = 0;
    for recorded in golden::files("wire/bridge_openapi.json") {
        let recorded = if recorded["paths"].is_object() { recorded } else { recorded["document"].clone() };
        for (method, path, theirs) in operations(&recorded) {
            let what = format!("{method} {path}");
            let our = &ours["paths"][&path][method.to_lowercase()];
            assert!(our.is_object(), "{what} is missing");
            for (status, response) in theirs["responses"].as_object().unwrap() {
                let our = &our["responses"][status];
                assert!(our.is_object(), "{what}: {status} is missing");
                let refused = &response["content"]["application/json"]["schema"];
                if status == "422" {
                    assert_eq!(&our["content"]["application/problem+json"]["schema"], refused, "{what}");
                }
            }
            let body = |operation: &Value| operation["requestBody"]["content"]["application/json"]["schema"].clone();
            if theirs["requestBody"].is_object() {
                assert_eq!(body(our), body(&theirs), "{what}");
                assert_eq!(our["requestBody"]["required"], theirs["requestBody"]["required"], "{what}");
            }
            for parameter in theirs["parameters"].as_array().into_iter().flatten() {
                let same = |our: &&Value| our["name"] == parameter["name"] && our["in"] == parameter["in"];
                let found = our["parameters"].as_array().into_iter().flatten().find(same);
                assert!(found.is_some(), "{what}: {parameter}");
            }
            routes += 1;
        }
        for (name, schema) in recorded["components"]["schemas"].as_object().unwrap() {
            let our = &ours["components"]["schemas"][name];
            assert!(our.is_object(), "the schema {name} is missing");
            let required = |schema: &Value| -> BTreeSet<String> {
                let names = schema["required"].as_array().into_iter().flatten();
                names.map(|name| name.as_str().unwrap().to_owned()).collect()
            };
            let wanted = match name.as_str() {
                "TuxSuiteTestStatus" | "TuxSuiteBuildStatus" => BTreeSet::from(["uid".to_owned()]),
                "HTTPValidationError" => BTreeSet::from(["detail".to_owned()]),
                _ => required(schema),
            };
            assert_eq!(required(our), wanted, "{name}");
            for property in schema["properties"].as_object().into_iter().flatten().map(|(property, _)| property) {
                assert!(our["properties"][property].is_object(), "{name}.{property} is missing");
            }
        }
    }
    assert!(routes > 0, "nothing to replay");
}
