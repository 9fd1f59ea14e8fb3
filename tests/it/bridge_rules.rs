//! The rules by which what Testyard must do follows from what the bridge was seen to do. Each is a line of
//! `tests/golden/DEVIATIONS.md`; what no rule names must be the same.

use serde_json::{Value, json};

/// What a caller must see.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    /// This status, and a body that has at least these members; `null`: no body is compared.
    Answer(u16, Value),
    /// 422 with these problems, in this order; a problem has at least these members.
    Refused(Vec<Value>),
    /// 401: a callback that must be signed is not.
    Unsigned,
}

/// A scenario that is known by its name, because the recording does not hold what the stub of TuxSuite's storage served
/// and the bridge's own result, from which that can be told elsewhere, is the bug.
pub(crate) struct Served {
    /// What the scenario's name contains.
    pub(crate) scenario: &'static str,
    /// The file that was served.
    pub(crate) results_json: &'static str,
    /// The status of each test, in the order of the callback's list.
    pub(crate) statuses: &'static [&'static str],
}

/// The scenarios that are known by their names.
pub(crate) const SERVED: &[Served] = &[
    Served {
        scenario: "results.json with LAVA numbered names",
        results_json: r#"{"lava": {"0_ltp-nptl": {"result": "pass"}, "1_ltp-fsx": {"result": "fail"}}}"#,
        statuses: &["PASS", "FAIL"],
    },
    Served {
        scenario: "failing subtests under a passing suite",
        results_json: r#"{"lava": {"ltp-smoke": {"result": "pass"}}, "ltp-smoke": {"a": {"result": "pass"}, "b": {"result": "fail"}}}"#,
        statuses: &["FAIL"],
    },
];

/// The route of a recorded step, without its query.
pub(crate) fn route(step: &Value) -> &str {
    step["request"]["path"].as_str().unwrap_or_default().split('?').next().unwrap_or_default()
}

/// Whether a route takes TuxSuite's callbacks.
pub(crate) fn is_callback(route: &str) -> bool {
    route.starts_with("/api/v1/tuxsuite/callback/")
}

/// What a caller of ours must see who sends these bytes as the step's body. `shift` is by how many characters they are
/// longer than those that were recorded.
pub(crate) fn expected(step: &Value, sent: &[u8], shift: i64) -> Seen {
    let response = &step["response"];
    let (route, done) = (route(step), Seen::Answer(204, Value::Null));
    match response["status"].as_u64() {
        // An empty signature is none, and where there is a key one is demanded.
        Some(204) if is_callback(route) && step["request"]["headers"]["x-tux-payload-signature"] == "" => {
            Seen::Unsigned
        }
        Some(422) => refused(step, sent, shift),
        Some(500) => decided(route, sent),
        Some(status) => {
            let members = if response["body"].is_object() { response["body"].clone() } else { Value::Null };
            Seen::Answer(u16::try_from(status).unwrap(), members)
        }
        // The process had ended: ours has not.
        None if response["transport_error"].is_string() => Seen::Answer(200, Value::Null),
        None => done,
    }
}

/// What the bridge refused we refuse with the same list, but for what it should have taken.
fn refused(step: &Value, sent: &[u8], shift: i64) -> Seen {
    let details = step["response"]["body"]["detail"].as_array().unwrap();
    if details.iter().any(|detail| detail["loc"][0] == "header") {
        return Seen::Unsigned;
    }
    let taken = Seen::Answer(204, Value::Null);
    let callback = is_callback(route(step));
    let strict: Option<Value> = serde_json::from_slice(sent).ok();
    let names_a_syntax_error = details.iter().any(|detail| detail["type"] == "json_invalid");
    match &strict {
        // Good JSON that the bridge's repair broke; a callback as a JSON text; an OpenEmbedded build.
        Some(_) if names_a_syntax_error => return taken,
        Some(Value::String(_)) if callback => return taken,
        Some(body) if callback && body["kind"] == "oebuild" => return taken,
        _ => {}
    }
    // Of a callback's status only the uid is required.
    let is_ours = |detail: &&Value| {
        let loc = &detail["loc"];
        !(callback && loc[1] == "status" && !loc[2].is_null() && loc[2] != "uid")
    };
    let ours: Vec<Value> = details.iter().filter(is_ours).map(|detail| as_ours(detail, shift)).collect();
    if !ours.is_empty() {
        return Seen::Refused(ours);
    }
    // What tells neither a state nor a result tells nothing.
    let status = &strict.unwrap_or_default()["status"];
    if ["state", "result", "build_status", "tuxbuild_status"].iter().any(|name| status[*name].is_string()) {
        taken
    } else {
        Seen::Refused(vec![json!({"type": "value_error", "loc": ["body"]})])
    }
}

fn as_ours(detail: &Value, shift: i64) -> Value {
    let mut detail = detail.clone();
    detail.as_object_mut().unwrap().remove("input");
    if detail["ctx"]["expected"] == "'kbuild' or 'build'" {
        let expected = "'kbuild', 'build' or 'oebuild'";
        detail["ctx"] = json!({"expected": expected});
        detail["msg"] = json!(format!("Input should be {expected}"));
    }
    if detail["type"] == "json_invalid" {
        // The parser's own words are compared elsewhere; here the place counts.
        detail.as_object_mut().unwrap().remove("ctx");
        let offset = detail["loc"][1].as_i64().unwrap();
        detail["loc"][1] = json!(if offset > shift.abs() { offset + shift } else { offset });
    }
    detail
}

/// Where the bridge failed, we decide: what can be read and makes sense is taken.
fn decided(route: &str, sent: &[u8]) -> Seen {
    let rule = |place: Value| Seen::Refused(vec![json!({"type": "value_error", "loc": place})]);
    if std::str::from_utf8(sent).is_err() {
        return Seen::Refused(vec![json!({"type": "json_invalid"})]);
    }
    let body: Value = serde_json::from_slice(sent).unwrap_or_default();
    let tree = body["tree"].as_str().unwrap_or_default();
    let can_be_fetched = ["http://", "https://", "git://"].iter().any(|scheme| tree.starts_with(scheme));
    match route {
        "/api/v1/builds/run" if !can_be_fetched => rule(json!(["body", "tree"])),
        "/api/v1/builds/run" if body["kconfig"].is_null() && body["fragments"].is_null() => rule(json!(["body"])),
        _ => Seen::Answer(204, Value::Null),
    }
}

/// The status that we report where the bridge reported this word of a test.
pub(crate) fn status(recorded: &str, is_boot: bool) -> &str {
    match recorded {
        "PASS" | "FAIL" => recorded,
        // A job that ended otherwise never got so far as to boot.
        _ if is_boot => "MISS",
        "SKIP" | "MISS" => recorded,
        _ => "ERROR",
    }
}

/// The status of a build that TuxSuite ended with this word. One that is not over is missed in the end.
pub(crate) fn build_status(word: &str) -> &'static str {
    match word {
        "pass" => "PASS",
        "fail" => "FAIL",
        "error" => "ERROR",
        _ => "MISS",
    }
}

/// A path as KCIDB takes it.
pub(crate) fn path(recorded: &str) -> String {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    recorded.chars().map(|letter| if legal(letter) { letter } else { '_' }).collect()
}

/// Whether KCIDB takes this as the id of a build.
pub(crate) fn is_kcidb_id(id: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    id.split_once(':').is_some_and(|(origin, _)| !origin.is_empty() && origin.bytes().all(legal))
}

/// The number in a scenario's name behind these words: `sink answers 401`.
pub(crate) fn number_behind(name: &str, words: &str) -> Option<u16> {
    name.split_once(words)?.1.trim_start().get(..3)?.parse().ok()
}
