//! What Canary's cases of selecting have in common: the world that they are given, rules, and reasons.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::facts::{Contents, SourceFile};
use super::reason::Reason;
use super::rule::Rule;
use super::selector::SelectError;
use super::table::Table;
use crate::domain::golden::bytes;
use crate::domain::spec::golden_specs;
use crate::domain::spec::{Asset, Spec};

/// The specs of a case, with their assets.
pub(crate) fn specs(listed: &Value) -> Vec<Spec> {
    let with_assets = |case: &Value| {
        let mut spec = golden_specs::spec(case);
        for asset in case["assets"].as_array().into_iter().flatten() {
            let asset = json!({"src": asset["path"], "action": asset["action"]});
            spec.assets.push(serde_json::from_value::<Asset>(asset).expect("an asset"));
        }
        spec
    };
    listed.as_array().expect("specs").iter().map(with_assets).collect()
}

/// The files of a case, by whole path.
pub(crate) struct Files(HashMap<String, Vec<u8>>);

impl Files {
    pub(crate) fn of(listed: &Value) -> Self {
        let mut files = HashMap::new();
        for case in listed.as_array().expect("specs") {
            let mut add = |path: String, file: &Value| {
                if let Some(text) = file["content"].as_str() {
                    files.insert(path, text.as_bytes().to_vec());
                } else if file.get("content_base64").is_some() {
                    files.insert(path, bytes(&file["content_base64"]));
                }
            };
            add(golden_specs::spec(case).file(), case);
            for asset in case["assets"].as_array().into_iter().flatten() {
                add(asset["path"].as_str().expect("a path").to_owned(), asset);
            }
        }
        Self(files)
    }
}

impl Contents for Files {
    fn read(&self, file: &SourceFile) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(&file.path).cloned())
    }
}

/// A list of rules, which are in the cases as they are on our wire.
pub(crate) fn rules(listed: &Value) -> Vec<Rule> {
    serde_json::from_value(listed.clone()).expect("rules")
}

/// A reason as the cases class it.
pub(crate) fn reason(reason: &Reason) -> Value {
    let mut fields = serde_json::to_value(reason).expect("JSON").as_object().expect("an object").clone();
    let class = fields.remove("type").expect("a type");
    fields.insert("class".to_owned(), class);
    Value::Object(fields)
}

/// Masks as the cases write them, by id.
pub(crate) fn masks<'r>(table: &Table, masked: impl Iterator<Item = (u32, &'r Reason)>) -> Value {
    Value::Object(masked.map(|(spec, why)| (table.id(spec).to_owned(), reason(why))).collect::<Map<_, _>>())
}

/// Ids as the cases write a set of them: sorted.
pub(crate) fn sorted_ids(table: &Table, specs: impl Iterator<Item = u32>) -> Value {
    let mut ids: Vec<&str> = specs.map(|spec| table.id(spec)).collect();
    ids.sort_unstable();
    json!(ids)
}

/// A set of ids of a case, sorted by us.
pub(crate) fn sorted(ids: &Value) -> Value {
    let mut ids: Vec<&str> = ids.as_array().expect("ids").iter().map(|id| id.as_str().expect("text")).collect();
    ids.sort_unstable();
    json!(ids)
}

/// An error as the cases class it.
pub(crate) fn error(error: &SelectError) -> Value {
    match error {
        SelectError::Syntax { error, .. } => json!({"kind": "syntax", "column": error.column}),
        SelectError::Type { .. } => json!({"kind": "type"}),
        SelectError::BadRegex { .. } | SelectError::SlowRegex { .. } => json!({"kind": "bad_regex"}),
        SelectError::Unreadable { .. } => json!({"kind": "io"}),
        SelectError::MissingDependency { dependency, .. } => json!({"kind": "missing_dependency", "id": dependency}),
    }
}

/// Whether an error is the expected one, as far as the case says.
pub(crate) fn is_expected_error(found: &SelectError, expected: &Value) -> bool {
    let found = error(found);
    let expected = expected.as_object().expect("an error");
    expected.iter().filter(|(name, _)| *name != "raised").all(|(name, value)| found.get(name) == Some(value))
}
