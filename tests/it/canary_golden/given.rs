//! A case's specs and results as documents of ours.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use testyard::domain::spec::document::Draft;
use testyard::domain::spec::{Spec, Timeouts};

/// Members of a case's spec that say what is on its disk.
const NO_SPEC: [&str; 5] = ["content", "content_base64", "mtime", "assets", "execpath"];

/// A case's spec as a document.
pub(super) fn document(given: &Value) -> Value {
    let mut members = given.as_object().unwrap().clone();
    if let Some(path) = members.get("execpath") {
        let path = path.clone();
        members.insert("attributes".to_owned(), json!({ "execpath": path }));
    }
    members.retain(|name, _| !NO_SPEC.contains(&name.as_str()));
    members.entry("file_root").or_insert_with(|| json!("/suite"));
    Value::Object(members)
}

/// Whether our door lets the spec in. It refuses ids that no prefix finds, and paths that are spelt oddly.
pub(super) fn is_let_in(given: &Value) -> bool {
    Draft::read(document(given), &Timeouts::default()).is_ok()
}

/// A case's spec, let in or not.
pub(super) fn spec(given: &Value) -> Spec {
    let mut spec: Spec = serde_json::from_value(document(given)).unwrap();
    spec.fill(&Timeouts::default());
    spec
}

/// The texts of a list; none of null.
pub(super) fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// A case's result of this spec as a document. Who runs a spec says how it was called and where it ran.
pub(super) fn result(given: &Value, spec: &Spec) -> Value {
    let mut document = Map::new();
    document.insert("spec_id".into(), given["id"].clone());
    document.insert("session".into(), given["session"].clone());
    document.insert("status".into(), given["status"].clone());
    document.insert("workspace".into(), json!(workspace(given, spec)));
    document.insert(
        "names".into(),
        json!({
            "name": spec.name(), "fullname": spec.fullname(), "file_root": spec.file_root, "file_path": spec.file_path,
        }),
    );
    if let Some(measurements) = given.get("measurements") {
        document.insert("measurements".into(), measurements.clone());
    }
    for name in ["submitted", "started", "finished"] {
        if let Some(seconds) = given["time"][name].as_f64().filter(|seconds| *seconds >= 0.0) {
            document.insert(format!("{name}_at"), json!(time(seconds).to_rfc3339()));
        }
    }
    Value::Object(document)
}

/// A case's result of this spec as the recorder shows one.
pub(super) fn shown_result(given: &Value, spec: &Spec) -> Value {
    let mut status = given["status"].clone();
    if status["reason"].is_null() {
        status["reason"] = json!("");
    }
    let seconds = |name: &str| given["time"][name].as_f64().unwrap_or(-1.0);
    json!({
        "spec_name": spec.name(), "spec_fullname": spec.fullname(),
        "file_root": spec.file_root, "file_path": spec.file_path,
        "session": given["session"], "workspace": workspace(given, spec), "status": status,
        "timekeeper": {
            "submitted": seconds("submitted"), "started": seconds("started"), "finished": seconds("finished"),
        },
        "measurements": given.get("measurements").cloned().unwrap_or_else(|| json!({})),
    })
}

fn workspace(given: &Value, spec: &Spec) -> String {
    given["workspace"].as_str().map_or_else(|| spec.execution_path(), str::to_owned)
}

/// The moment that is so many seconds after the epoch.
pub(super) fn time(seconds: f64) -> DateTime<Utc> {
    #[expect(clippy::cast_possible_truncation, reason = "the cases tell moments of this century")]
    let micros = (seconds * 1e6).round() as i64;
    DateTime::from_timestamp_micros(micros).unwrap()
}

/// The seconds from the epoch to a moment; -1 where there is none.
pub(super) fn seconds(time: Option<DateTime<Utc>>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the microseconds of this century are whole numbers of a double")]
    time.map_or(-1.0, |time| time.timestamp_micros() as f64 / 1e6)
}
