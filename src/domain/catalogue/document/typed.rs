//! Arguments of classes whose fields are not known: each value says its type, `{"time": 0}`, where plain JSON does not.

use serde_json::{Value as Json, json};

use super::members::{array, text};
use super::values::{integer, read_attachment, whole, write_attachment, write_integer};
use crate::domain::catalogue::field::{FALSE, TRUE};
use crate::domain::catalogue::limits::{MAX_ENTRIES, MAX_TEXT};
use crate::domain::catalogue::time;
use crate::domain::catalogue::value::Value;
use crate::domain::fault::{At, Faults};

const WANTED: &str = "want a string, a whole number, true or false, an array, or an object of one member that names the type: \
                      text, integer, enumeral, time, set, tuple, dictionary or attachment";

/// Reads a value that says its type. Plain texts, whole numbers, booleans and arrays are texts, integers, words and
/// sets.
pub(super) fn read(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Value> {
    match json {
        Json::String(_) => text(json, at, MAX_TEXT, faults).map(Value::Text),
        Json::Bool(value) => Some(Value::Enumeral(if *value { TRUE } else { FALSE }.to_owned())),
        Json::Number(_) => integer(json, at, faults).map(Value::Integer),
        Json::Array(_) => entries(json, at, faults).map(Value::Set),
        Json::Object(members) => {
            let mut members = members.iter();
            let (Some((tag, json)), None) = (members.next(), members.next()) else { return faults.refuse(at, WANTED) };
            tagged(tag, json, at.member(tag), faults)
        }
        Json::Null => faults.refuse(at, WANTED),
    }
}

fn tagged(tag: &str, json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Value> {
    match tag {
        "text" => text(json, at, MAX_TEXT, faults).map(Value::Text),
        "enumeral" => text(json, at, MAX_TEXT, faults).map(Value::Enumeral),
        "integer" => integer(json, at, faults).map(Value::Integer),
        "time" => {
            let seconds =
                json.as_number().and_then(whole).and_then(|digits| digits.parse().ok()).and_then(time::in_range);
            seconds
                .map(Value::Time)
                .or_else(|| faults.refuse(at, "want seconds since 1970-01-01 in the years 1 to 9999"))
        }
        "set" => entries(json, at, faults).map(Value::Set),
        "tuple" => entries(json, at, faults).map(Value::Tuple),
        "dictionary" => {
            let pairs = array(json, at, MAX_ENTRIES, faults)?.iter().enumerate().map(|(index, json)| {
                let at = at.entry(index);
                let [key, value] = json.as_array().map(Vec::as_slice).unwrap_or_default() else {
                    return faults.refuse(at, "want a pair [key, value]");
                };
                Some((read(key, at.entry(0), faults)?, read(value, at.entry(1), faults)?))
            });
            pairs.collect::<Option<_>>().map(Value::Dictionary)
        }
        "attachment" => read_attachment(json, at, faults),
        _ => faults.refuse(at, WANTED),
    }
}

fn entries(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Vec<Value>> {
    let entries = array(json, at, MAX_ENTRIES, faults)?.iter().enumerate();
    // Collected first, so that every entry tells its faults.
    let entries: Vec<_> = entries.map(|(index, json)| read(json, at.entry(index), faults)).collect();
    entries.into_iter().collect()
}

/// Writes a value as [`read`] reads it.
pub(super) fn write(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(integer) => match write_integer(integer) {
            Json::String(digits) => json!({"integer": digits}),
            number => number,
        },
        Value::Enumeral(word) if word == TRUE => json!(true),
        Value::Enumeral(word) if word == FALSE => json!(false),
        Value::Enumeral(word) => json!({"enumeral": word}),
        Value::Time(seconds) => json!({"time": seconds}),
        Value::Set(values) => values.iter().map(write).collect(),
        Value::Tuple(values) => json!({"tuple": values.iter().map(write).collect::<Json>()}),
        Value::Dictionary(pairs) => {
            json!({"dictionary": pairs.iter().map(|(key, value)| json!([write(key), write(value)])).collect::<Json>()})
        }
        Value::Attachment(attachment) => json!({"attachment": attachment.as_ref().map(write_attachment)}),
    }
}
