//! What cases write down, read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::text;
use crate::domain::program::Record;
use crate::domain::session::{LogEntry, Outcome, Report, Stream};
use crate::domain::unit::{FieldValue, Job, Unit};

pub(super) fn from<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

pub(super) fn without(mut told: Value, ignore: &Value) -> Value {
    for key in ignore.as_array().into_iter().flatten() {
        told.as_object_mut().expect("a map").remove(text(key));
    }
    told
}

pub(super) fn unit(given: &Value, written: &Value) -> Unit {
    let fields = written.as_object().expect("fields");
    let namespace = fields.get("@ns").or(given.get("namespace")).and_then(Value::as_str);
    let provider = fields.get("@provider").and_then(Value::as_str).or(namespace);
    let fields = fields.iter().filter(|(name, _)| !name.starts_with('@'));
    let fields = fields.filter_map(|(name, value)| Some((name.clone(), FieldValue::from_json(value.clone())?)));
    Unit::new(namespace, provider, fields.collect())
}

pub(super) fn field(job: &Job, name: &str) -> Value {
    match name {
        "summary" => json!(job.summary()),
        "id" => json!(job.unit.partial_id()),
        name => job.unit.value(name).map_or(Value::Null, |value| json!(value)),
    }
}

pub(super) fn counts(counts: BTreeMap<Outcome, u64>) -> Value {
    counts.into_iter().map(|(outcome, count)| (outcome.to_string(), json!(count))).collect()
}

pub(super) fn records(written: &Value) -> Vec<Record> {
    let record =
        |record: &Value| record.as_object().expect("a record").iter().map(|(key, value)| (key, text(value))).collect();
    written.as_array().expect("records").iter().map(record).collect()
}

pub(super) fn report(written: &Value) -> Report {
    let entry = |entry: &Value| LogEntry {
        delay: entry[0].as_f64().expect("a delay"),
        stream: from(&entry[1]),
        data: match entry[2].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => crate::domain::golden::bytes(&entry[2]["b64"]),
        },
    };
    let line = |line: &str| LogEntry { delay: 0.0, stream: Stream::Stdout, data: line.as_bytes().to_vec() };
    let mut log: Vec<LogEntry> = written["io_log"].as_array().into_iter().flatten().map(entry).collect();
    log.extend(written["stdout"].as_str().into_iter().flat_map(|text| text.split_inclusive('\n')).map(line));
    Report {
        outcome: from(&written["outcome"]),
        comments: from(&written["comments"]),
        return_code: from(&written["return_code"]),
        execution_duration: from(&written["execution_duration"]),
        io_log: log,
        ..Report::default()
    }
}

/// Changes or removes what stands at a path.
pub(super) fn damage(image: &mut Value, change: &Value) {
    let path = change["path"].as_array().expect("a path");
    let (last, way) = path.split_last().expect("a path");
    let mut at = image;
    for step in way {
        at = match step {
            Value::String(name) => &mut at[name.as_str()],
            place => &mut at[usize::try_from(place.as_u64().expect("a place")).expect("a place")],
        };
    }
    match (last, change["delete"] == true) {
        (Value::String(name), true) => drop(at.as_object_mut().expect("a map").remove(name)),
        (Value::String(name), false) => at[name.as_str()] = change["value"].clone(),
        (place, _) => at[usize::try_from(place.as_u64().expect("a place")).expect("a place")] = change["value"].clone(),
    }
}
