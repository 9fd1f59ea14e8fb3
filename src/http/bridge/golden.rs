//! Replays the requests that were recorded off a running bridge: what it took we take, what it refused we refuse with
//! the same list of problems.
//!
//! The rules by which we differ:
//! * no problem echoes its `input`;
//! * the signature's header is judged elsewhere, so problems of headers are not ours;
//! * of a callback's status only the uid is required, so problems of its other fields are none;
//! * `oebuild` is a build too, so the list of a build's kinds is longer;
//! * a callback whose body is a JSON text that holds the object, and one with the illegal escape `\'`, are put right by
//!   TuxSuite's reader before the fields are read; here only what that reader would hand over is replayed;
//! * where the bridge's own repair broke a body that was good JSON, we read it.

use serde_json::{Value, json};

use super::body::{Body, BootTestSuite, BuildData, RunnerTestsResults, TestSuite, read, read_value};
use super::callback::{TuxSuiteBuildRequest, TuxSuiteTestRequest};
use super::fields::Detail;
use crate::domain::golden;

const FILE: &str = "wire/bridge_http.json";
const SCHEMAS: &str = "wire/bridge_openapi.json";

type Reader = fn(Option<&str>, &[u8]) -> Result<(), Vec<Detail>>;

/// A route that takes a body: how it reads it, and how it reads one that is parsed already.
struct Door {
    path: &'static str,
    read: Reader,
    read_value: fn(&Value) -> Result<(), Vec<Detail>>,
}

fn door<T: Body>(path: &'static str) -> Door {
    Door {
        path,
        read: |content_type, body| read::<T>(content_type, body).map(drop),
        read_value: |value| read_value::<T>(value).map(drop),
    }
}

fn doors() -> [Door; 7] {
    [
        door::<BuildData>("/api/v1/builds/run"),
        door::<TestSuite>("/api/v1/tests/run"),
        door::<RunnerTestsResults>("/api/v1/tests/submit"),
        door::<BootTestSuite>("/api/v1/boot-test/run"),
        door::<TuxSuiteTestRequest>("/api/v1/tuxsuite/callback/test"),
        door::<TuxSuiteTestRequest>("/api/v1/tuxsuite/callback/boot"),
        door::<TuxSuiteBuildRequest>("/api/v1/tuxsuite/callback/build"),
    ]
}

/// The problems that the bridge told of and that are ours, without their inputs.
fn expected(door: &Door, recorded: &Value) -> Vec<Value> {
    let callback = door.path.contains("/callback/");
    let is_ours = |detail: &&Value| {
        let loc = &detail["loc"];
        let optional = callback && loc[1] == "status" && !loc[2].is_null() && loc[2] != "uid";
        loc[0] == "body" && !optional
    };
    let details = recorded["detail"].as_array().unwrap();
    details
        .iter()
        .filter(is_ours)
        .map(|detail| {
            let mut detail = detail.clone();
            detail.as_object_mut().unwrap().remove("input");
            if detail["ctx"]["expected"] == "'kbuild' or 'build'" {
                let expected = "'kbuild', 'build' or 'oebuild'";
                detail["ctx"] = json!({"expected": expected});
                detail["msg"] = json!(format!("Input should be {expected}"));
            }
            detail
        })
        .collect()
}

fn names_oebuild(body: &Value) -> bool {
    body["kind"] == "oebuild"
}

fn replay(door: &Door, step: &Value) {
    let (request, response) = (&step["request"], &step["response"]);
    let content_type = request["headers"]["Content-Type"].as_str();
    let bytes = match request["body"]["<raw>"].as_str() {
        // The recording put `TUX` for the stub's address and port, and the offsets count the real one.
        Some(raw) => raw.replace("//TUX/", "//127.0.0.1:12345/").into_bytes(),
        None => serde_json::to_vec(&request["body"]).unwrap(),
    };
    let strict: Result<Value, _> = serde_json::from_slice(&bytes);
    let callback = door.path.contains("/callback/");
    if response["status"] == 204 {
        if strict.is_ok() || !callback {
            assert_eq!((door.read)(content_type, &bytes), Ok(()), "{request}");
        }
        return;
    }
    let problems = (door.read)(content_type, &bytes).map_err(|problems| serde_json::to_value(problems).unwrap());
    let expected = expected(door, &response["body"]);
    let broken_by_repair = strict.is_ok() && expected.iter().any(|detail| detail["type"] == "json_invalid");
    let taken_now = broken_by_repair || strict.as_ref().is_ok_and(names_oebuild) || expected.is_empty();
    if let (Ok(Value::String(inner)), true) = (&strict, callback) {
        let inner: Value = serde_json::from_str(inner).unwrap();
        assert_eq!((door.read_value)(&inner), Ok(()), "{request}");
    } else if taken_now {
        assert_eq!(problems, Ok(()), "{request}");
    } else {
        assert_eq!(problems, Err(Value::Array(expected)), "{request}");
    }
}

#[test]
fn golden_bodies_are_taken_and_refused_as_the_bridge_did() {
    let files = golden::documents(FILE);
    for file in &files {
        let (mut taken, mut refused) = (0, 0);
        let scenarios = file.as_object().unwrap().values().filter_map(Value::as_array).flatten();
        for step in scenarios.flat_map(|scenario| scenario["steps"].as_array().unwrap()) {
            let path = step["request"]["path"].as_str().unwrap_or_default().split('?').next().unwrap();
            let doors = doors();
            let Some(door) = doors.iter().find(|door| door.path == path && step["request"]["method"] == "POST") else {
                continue;
            };
            match step["response"]["status"].as_u64() {
                Some(204) => taken += 1,
                Some(422) => refused += 1,
                _ => continue,
            }
            replay(door, step);
        }
        assert!(taken > 0 && refused > 0, "nothing to replay in {FILE}");
    }
}

/// Where the bridge fell over a body (500), we decide.
#[test]
fn golden_bodies_that_the_bridge_fell_over_are_decided() {
    let mut decided = 0;
    for file in &golden::documents(FILE) {
        let scenarios = file.as_object().unwrap().values().filter_map(Value::as_array).flatten();
        for step in scenarios.flat_map(|scenario| scenario["steps"].as_array().unwrap()) {
            let (request, response) = (&step["request"], &step["response"]);
            if response["status"] != 500 || request["method"] != "POST" {
                continue;
            }
            let body = &request["body"];
            let problems = match request["path"].as_str().unwrap() {
                "/api/v1/builds/run" => read_value::<BuildData>(body).map(drop),
                "/api/v1/tests/run" => read_value::<TestSuite>(body).map(drop),
                "/api/v1/tests/submit" => read_value::<RunnerTestsResults>(body).map(drop),
                _ => continue,
            };
            let places: Vec<Value> = problems
                .err()
                .into_iter()
                .flatten()
                .map(|problem| serde_json::to_value(problem.loc).unwrap())
                .collect();
            let tree = body["tree"].as_str();
            if tree.is_some_and(|tree| !tree.contains("://")) {
                assert_eq!(places, [json!(["body", "tree"])], "{request}");
            } else if tree.is_some() && body["kconfig"].is_null() && body["fragments"].is_null() {
                assert_eq!(places, [json!(["body"])], "{request}");
            } else {
                assert_eq!(places, Vec::<Value>::new(), "{request}");
            }
            decided += 1;
        }
    }
    assert!(decided > 0, "nothing to replay in {FILE}");
}

/// The bridge's own names, properties and required fields stand in our document.
#[test]
fn golden_schemas_keep_the_bridges_names() {
    #[derive(utoipa::OpenApi)]
    #[openapi(components(schemas(
        BuildData,
        TestSuite,
        BootTestSuite,
        RunnerTestsResults,
        TuxSuiteTestRequest,
        TuxSuiteBuildRequest,
        Detail
    )))]
    struct Document;

    let ours = serde_json::to_value(<Document as utoipa::OpenApi>::openapi()).unwrap();
    let ours = find_schemas(&ours).unwrap();
    let names = |schema: &Value, key: &str| -> Vec<String> {
        let mut names: Vec<String> = match &schema[key] {
            Value::Object(properties) => properties.keys().cloned().collect(),
            Value::Array(required) => required.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            _ => Vec::new(),
        };
        names.sort();
        names
    };
    let files = golden::documents(SCHEMAS);
    for file in &files {
        let recorded = find_schemas(file).unwrap();
        let schemas = recorded.as_object().unwrap().iter();
        for (name, schema) in schemas.filter(|(name, _)| *name != "HTTPValidationError") {
            let our = &ours[name];
            assert!(our.is_object(), "{name} is missing");
            let kept = names(our, "properties");
            assert!(names(schema, "properties").iter().all(|property| kept.contains(property)), "{name}: {our}");
            // Of a callback's status only the uid is required.
            let required = if name.ends_with("Status") { vec!["uid".to_owned()] } else { names(schema, "required") };
            assert_eq!(names(our, "required"), required, "{name}");
        }
        let statuses = "/TestResult/properties/result/enum";
        assert_eq!(ours.pointer(statuses), recorded.pointer(statuses));
    }
}

fn find_schemas(document: &Value) -> Option<&Value> {
    document
        .pointer("/components/schemas")
        .or_else(|| document.get("schemas"))
        .or_else(|| document.as_object()?.values().filter(|value| value.is_object()).find_map(find_schemas))
}
