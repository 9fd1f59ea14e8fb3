//! Where our answers differ from Canary's, by what steps and cases hold. `tests/golden/DEVIATIONS.md` gives the reasons.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::Scene;
use super::given::{spec, texts};
use super::oracle::ALL;

/// Whether a rule lets an answer of ours, which is the oracle's, differ from the recorded one.
pub(super) fn differs(scene: &Scene, step: &Value, recorded: &Value, answer: &Value) -> bool {
    let text = |member: &str| step[member].as_str().unwrap_or_default();
    let (theirs, ours) = (recorded["error"].as_str(), answer["error"].as_str());
    match (text("op"), theirs) {
        // What stands twice counts once.
        (op, Some("duplicate")) if op != "rename_selection" => is_repeated(scene, step) && ours.is_none(),
        // Canary's connection is spoilt by that.
        (_, Some("operational")) if scene.is_poisoned => ours.is_none(),
        ("select_from_view" | "rerun_from_view", Some("operational")) => texts(&step["patterns"]).len() >= 1_000,
        // What is not there is passed over, and hinders nobody.
        ("load_specs", Some("missing_dependency")) => {
            let asked = texts(&step["ids"]);
            scene.oracle.is_dangling() || !asked.iter().any(|id| scene.oracle.has(id))
        }
        ("load_by_tag", Some("missing_dependency")) => !scene.oracle.is_closed(&scene.oracle.members(text("tag"))),
        ("load_by_tag", Some("not_a_selection")) => {
            !scene.oracle.members(text("tag")).iter().any(|id| scene.oracle.has(id))
        }
        // What is wanted stays with the dependency that it is wanted of.
        ("load_specs" | "load_by_tag", None) if without(recorded, "when") == without(answer, "when") => {
            answer["specs"].as_array().unwrap().iter().any(|shown| has_unsorted_wants(scene, shown))
        }
        ("resolve_one", _) => is_odd(scene, text("id"), theirs),
        ("resolve_many" | "load_specs", _) => texts(&step["ids"]).iter().any(|id| is_odd(scene, id, theirs)),
        ("get_results", _) if texts(&step["ids"]).iter().any(|id| is_odd(scene, id, theirs)) => true,
        // Who brings a result that waits knows that it does.
        ("get_results", None) => scene.oracle.has_waiting() && without(recorded, "status") == without(answer, "status"),
        ("history", None) => {
            text("id").chars().any(|c| c.is_ascii_uppercase() || c == '%' || c == '_')
                && answer["history"] == Value::Array(Vec::new())
        }
        // `started_at` is the start and not the finish.
        ("partial_specs", None) => {
            let is_finish =
                |told: &Value| told["started_at"] == scene.oracle.newest_time(told["id"].as_str().unwrap(), "finished");
            without(recorded, "started_at") == without(answer, "started_at")
                && recorded["partial"].as_array().unwrap().iter().all(is_finish)
        }
        // A name is a name, also where a selection is called otherwise; and what is not there is told.
        ("put_selection", None) => text("tag").is_empty() && ours == Some("reserved"),
        ("rename_selection", _) => match ours {
            Some("reserved") => ["", ALL].contains(&text("new")),
            ours => ours == Some("not_a_selection"),
        },
        ("delete_selection", None) => answer["deleted"] == false && recorded["deleted"] == true,
        // What changed since the start counts, and what never ran.
        ("rerun_ids" | "rerun_specs", _) if text("strategy") == "changed" => {
            let picked = |answer: &Value| -> BTreeSet<String> {
                ["ids", "run"].iter().flat_map(|member| texts(&answer[*member])).collect()
            };
            theirs == Some("type") && ours.is_none() || theirs.is_none() && picked(recorded).is_subset(&picked(answer))
        }
        // Nothing is planned for nothing, and what is not there is told.
        ("rerun_closure", Some("missing_dependency")) => ours == Some("not_found"),
        ("rerun_closure" | "rerun_from_view", None) => {
            let is_empty = |part: &Value| part["run"] == Value::Array(Vec::new());
            is_empty(recorded) && is_empty(answer) && answer["masked"].as_object().unwrap().is_empty()
        }
        // A file that cannot be read is passed over.
        ("listener", None) => has_unreadable(step),
        _ => false,
    }
}

/// Whether something else is stored here than in Canary's database from this step on.
pub(super) fn parts(step: &Value, recorded: &Value, answer: &Value) -> bool {
    let is_nameless = |result: &Value| result["session"].as_str().is_none_or(str::is_empty);
    match step["op"].as_str().unwrap() {
        "put_specs" | "redefine" | "put_selection" => recorded != answer,
        "rename_selection" => answer["error"] == "reserved",
        "put_results" => step["results"].as_array().unwrap().iter().any(is_nameless),
        "listener" => has_unreadable(step),
        _ => false,
    }
}

/// What is in Canary's spool, batch by batch.
fn batches(step: &Value) -> impl Iterator<Item = &Vec<Value>> {
    let batches = step["batches"].as_array().into_iter().flatten();
    [&step["preload"]].into_iter().chain(batches).chain([&step["stop_after_put"]]).filter_map(Value::as_array)
}

/// The results in Canary's spool, batch by batch; files that are none are left out.
pub(super) fn spooled(step: &Value) -> Vec<Vec<Value>> {
    batches(step).map(|batch| batch.iter().filter(|entry| entry["raw"].is_null()).cloned().collect()).collect()
}

/// Whether there is a file in the spool that ought to be a result and is none.
fn has_unreadable(step: &Value) -> bool {
    let mut names = batches(step).flatten().filter_map(|entry| entry["raw"]["filename"].as_str());
    names.any(|name| Path::new(name).extension().is_some_and(|extension| extension == "pkl"))
}

fn is_repeated(scene: &Scene, step: &Value) -> bool {
    let repeats = |ids: Vec<String>| ids.iter().collect::<BTreeSet<_>>().len() < ids.len();
    let dependencies = |given: &Value| {
        given["dependencies"].as_array().into_iter().flatten().map(|on| on["id"].as_str().unwrap().to_owned()).collect()
    };
    let puts = ["put_specs", "redefine"].contains(&step["op"].as_str().unwrap());
    repeats(texts(&step["ids"]))
        || repeats(texts(&step["seeds"]))
        || puts && scene.sources.values().any(|given| repeats(dependencies(given)))
}

/// Whether Canary reads a beginning of an id otherwise: one with capitals or what numbers may be written with, one of only
/// `f`, a whole id behind a `/` or with what is no digit, and a whole id that others begin with.
fn is_odd(scene: &Scene, text: &str, theirs: Option<&str>) -> bool {
    let digits = text.strip_prefix('/').unwrap_or(text);
    let is_number = |c: char| c.is_ascii_uppercase() || c.is_whitespace() || "+-_x".contains(c);
    let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
    digits.contains(is_number)
        || !digits.is_empty() && digits.chars().all(|c| c == 'f')
        || text.len() >= 64 && (digits != text || !is_hex)
        || theirs == Some("ambiguous") && scene.oracle.has(digits)
}

/// Whether a spec tells its dependencies in another order than that of their ids.
fn has_unsorted_wants(scene: &Scene, shown: &Value) -> bool {
    let spec = spec(&scene.sources[shown["id"].as_str().unwrap()]);
    !spec.dependencies.is_sorted_by_key(|on| &on.id)
}

/// The same without a member, however deep.
fn without(value: &Value, member: &str) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(|entry| without(entry, member)).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(name, _)| *name != member)
                .map(|(name, value)| (name.clone(), without(value, member)))
                .collect(),
        ),
        other => other.clone(),
    }
}
