//! Arguments as people write them, each by its field.

use std::sync::LazyLock;

use fancy_regex::Regex;
use serde_json::{Map, Number, Value as Json, json};

use super::members::{Members, array, hint, listed, text};
use super::typed;
use crate::domain::catalogue::bounds::check_filename;
use crate::domain::catalogue::field::{DictionaryOptions, FALSE, Field, FieldKind, TRUE};
use crate::domain::catalogue::label::Label;
use crate::domain::catalogue::limits::{MAX_DESCRIPTION, MAX_DIGITS, MAX_ENTRIES, MAX_NAME, MAX_TEXT};
use crate::domain::catalogue::time;
use crate::domain::catalogue::value::{Attachment, Integer, Source, Value, guess_mime_type};
use crate::domain::fault::{At, Faults};

/// The forms in which a time is taken as text: RFC 3339, or QMTest's.
pub(in crate::domain::catalogue) const TIME_PATTERN: &str = concat!(
    "^(?:",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})",
    "|[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}(?: [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?(?: UTC)?",
    ")$",
);

/// Nothing, if a pattern of ours were none: then no text is a time. A test compiles them.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(TIME_PATTERN).ok());

/// The member that marks a value that the field takes from QMTest's files only, if fields of this kind are stricter
/// here.
pub(in crate::domain::catalogue) fn verbatim_tag(kind: &FieldKind) -> Option<&'static str> {
    match kind {
        FieldKind::Choice(_) | FieldKind::Test | FieldKind::Resource => Some("text"),
        FieldKind::Enumeration(_) | FieldKind::Outcome => Some("enumeral"),
        _ => None,
    }
}

/// Reads the value of a field.
pub(super) fn read(field: &Field, json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Value> {
    let value = if let (Some(tag), Some(members)) = (verbatim_tag(&field.kind), json.as_object()) {
        if members.len() != 1 || !members.contains_key(tag) {
            let what = field.kind.wanted();
            let detail = format!(
                "want {what} as a string; only what a QMTest database holds and this door would refuse is written as \
                 {{\"{tag}\": \"...\"}}"
            );
            return faults.refuse(at, detail);
        }
        typed::read(json, at, faults)?
    } else {
        match &field.kind {
            FieldKind::Integer => Value::Integer(integer(json, at, faults)?),
            FieldKind::Text(_) => Value::Text(text(json, at, MAX_TEXT, faults)?),
            FieldKind::Choice(_) => Value::Text(word(field, json, at, faults)?),
            FieldKind::Enumeration(_) | FieldKind::Outcome => Value::Enumeral(word(field, json, at, faults)?),
            FieldKind::Boolean => Value::Enumeral(boolean(json, at, faults)?),
            FieldKind::Test | FieldKind::Resource => Value::Text(id(json, at, false, faults)?),
            FieldKind::Time => Value::Time(point_in_time(json, at, faults)?),
            FieldKind::Set(options) => {
                let entries = array(json, at, MAX_ENTRIES, faults)?.iter().enumerate();
                // Collected first, so that every entry tells its faults; the same holds of what follows.
                let entries: Vec<_> =
                    entries.map(|(index, json)| read(&options.of, json, at.entry(index), faults)).collect();
                Value::Set(entries.into_iter().collect::<Option<_>>()?)
            }
            FieldKind::Tuple(fields) => tuple(fields, json, at, faults)?,
            FieldKind::Dictionary(options) => Value::Dictionary(dictionary(options, json, at, faults)?),
            FieldKind::Attachment => read_attachment(json, at, faults)?,
            FieldKind::Python => {
                return faults.refuse(at, "only QMTest's own process can hold such a value; leave it out");
            }
        }
    };
    field.validate(value).map_err(|error| faults.add(at, error.to_string())).ok()
}

/// A word that the field names.
fn word(field: &Field, json: &Json, at: At<'_>, faults: &mut Faults) -> Option<String> {
    let word = text(json, at, MAX_NAME, faults)?;
    let words = field.words().unwrap_or_default();
    // A choice without words is any text.
    if words.contains(&word.as_str()) || words.is_empty() && matches!(field.kind, FieldKind::Choice(_)) {
        return Some(word);
    }
    let hint = hint(&word, words.iter().copied(), faults);
    faults.refuse(at, format!("it is none of the values{hint}; want one of {}", listed(&words)))
}

fn boolean(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<String> {
    match json {
        Json::Bool(value) => Some(if *value { TRUE } else { FALSE }.to_owned()),
        // The field reads QMTest's words and says which there are.
        Json::String(_) => text(json, at, MAX_TEXT, faults),
        _ => faults.refuse(at, "want true or false"),
    }
}

/// Reads a whole number, which may be a string of digits: so it is written beyond 64 bits.
pub(super) fn integer(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Integer> {
    let digits = match json {
        Json::Number(number) => whole(number),
        Json::String(digits) => Some(digits.clone()).filter(|digits| {
            let unsigned = digits.strip_prefix('-').unwrap_or(digits);
            unsigned.len() <= MAX_DIGITS && unsigned.bytes().all(|byte| byte.is_ascii_digit())
        }),
        _ => None,
    };
    let wanted = || format!("want a whole number, beyond 64 bits as a string of at most {MAX_DIGITS} digits");
    digits.and_then(|digits| digits.parse().ok()).or_else(|| faults.refuse(at, wanted()))
}

/// The digits of a number that is whole: JSON makes no difference between 7 and 7.0.
pub(super) fn whole(number: &Number) -> Option<String> {
    /// 2 to the 63rd.
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if number.is_i64() || number.is_u64() {
        return Some(number.to_string());
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && (-HALF..2.0 * HALF).contains(float))?;
    Some(format!("{float:.0}"))
}

/// Reads a label, which may be the root only where that is said.
pub(super) fn id(json: &Json, at: At<'_>, may_be_root: bool, faults: &mut Faults) -> Option<String> {
    let id = text(json, at, MAX_TEXT, faults)?;
    match id.parse::<Label>() {
        Err(error) => faults.refuse(at, error.to_string()),
        Ok(_) if id.is_empty() && !may_be_root => faults.refuse(at, "want an id that is not empty"),
        Ok(_) => Some(id),
    }
}

fn point_in_time(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<i64> {
    if json.is_number() {
        let seconds = json.as_number().and_then(whole).and_then(|digits| digits.parse().ok()).and_then(time::in_range);
        return seconds.or_else(|| faults.refuse(at, "want seconds since 1970-01-01 in the years 1 to 9999"));
    }
    let is_form = |text: &&str| TIME.as_ref().is_some_and(|pattern| pattern.is_match(text).unwrap_or_default());
    let seconds = json.as_str().filter(is_form).and_then(|text| {
        if text.contains('T') && !text.ends_with("UTC") { time::from_rfc3339(text) } else { time::parse(text).ok() }
    });
    seconds.or_else(|| {
        faults.refuse(at, "want a time as 2026-01-02T03:04:05Z, 2026-01-02 03:04 UTC or seconds since 1970-01-01")
    })
}

fn tuple(fields: &[Field], json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Value> {
    let entries = array(json, at, MAX_ENTRIES, faults)?;
    if entries.len() != fields.len() {
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).filter(|name| !name.is_empty()).collect();
        return faults
            .refuse(at, format!("want {} values ({}), not {}", fields.len(), names.join(", "), entries.len()));
    }
    let members = fields.iter().zip(entries).enumerate();
    let members: Vec<_> = members.map(|(index, (field, json))| read(field, json, at.entry(index), faults)).collect();
    members.into_iter().collect::<Option<_>>().map(Value::Tuple)
}

/// Whether keys of this kind can be the names of members.
pub(in crate::domain::catalogue) fn is_text_like(kind: &FieldKind) -> bool {
    matches!(kind, FieldKind::Text(_)) || verbatim_tag(kind).is_some()
}

fn dictionary(
    options: &DictionaryOptions,
    json: &Json,
    at: At<'_>,
    faults: &mut Faults,
) -> Option<Vec<(Value, Value)>> {
    let pairs: Vec<_> = match json {
        Json::Object(members) if is_text_like(&options.key.kind) => {
            faults.check_count(at, members.len(), MAX_ENTRIES).then_some(())?;
            let pair = |(name, json): (&String, &Json)| {
                let at = at.member(name);
                let key = read(&options.key, &Json::String(name.clone()), at, faults);
                read(&options.value, json, at, faults).and_then(|value| Some((key?, value)))
            };
            members.iter().map(pair).collect()
        }
        Json::Array(_) => {
            let entries = array(json, at, MAX_ENTRIES, faults)?;
            let pair = |(index, json): (usize, &Json)| {
                let at = at.entry(index);
                let [key, value] = json.as_array().map(Vec::as_slice).unwrap_or_default() else {
                    return faults.refuse(at, "want a pair [key, value]");
                };
                let key = read(&options.key, key, at.entry(0), faults);
                read(&options.value, value, at.entry(1), faults).and_then(|value| Some((key?, value)))
            };
            entries.iter().enumerate().map(pair).collect()
        }
        _ if is_text_like(&options.key.kind) => {
            return faults.refuse(at, "want an object, or an array of pairs [key, value]");
        }
        _ => return faults.refuse(at, "want an array of pairs [key, value]"),
    };
    pairs.into_iter().collect()
}

/// Reads an attachment, or none from null.
pub(super) fn read_attachment(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Value> {
    if json.is_null() {
        return Some(Value::Attachment(None));
    }
    let members = Members::of(json, at, &["filename", "mime_type", "description", "sha256", "size"], faults)?;
    let at_name = at.member("filename");
    let filename = members.required("filename", faults).and_then(|json| filename(json.as_str(), at_name, faults));
    attachment(&members, filename, at, faults).map(|attachment| Value::Attachment(Some(attachment)))
}

/// The name of a file.
pub(super) fn filename(name: Option<&str>, at: At<'_>, faults: &mut Faults) -> Option<String> {
    match check_filename(name.unwrap_or_default()) {
        Ok(()) => name.map(str::to_owned),
        Err(wrong) => faults.refuse(at, wrong),
    }
}

/// Reads the members of an attachment whose file name is known.
pub(super) fn attachment(
    members: &Members<'_>,
    filename: Option<String>,
    at: At<'_>,
    faults: &mut Faults,
) -> Option<Attachment> {
    let sha256 = members.required("sha256", faults).and_then(|json| match json.as_str().map(str::parse) {
        Some(Ok(digest)) => Some(digest),
        _ => faults.refuse(at.member("sha256"), "want a SHA-256 as 64 hexadecimal digits"),
    });
    let size = members.required("size", faults).and_then(|json| {
        let size = json.as_number().and_then(whole).and_then(|digits| digits.parse().ok());
        size.or_else(|| faults.refuse(at.member("size"), "want the number of bytes"))
    });
    let mime_type = members.text("mime_type", MAX_NAME, faults);
    let description = members.text("description", MAX_DESCRIPTION, faults).unwrap_or_default();
    let filename = filename?;
    let mime_type = mime_type.unwrap_or_else(|| guess_mime_type(&filename));
    let attachment =
        Attachment { filename, mime_type, description, source: Source::Content { sha256: sha256?, size: size? } };
    faults.check_attachment(at, &attachment);
    Some(attachment)
}

/// Writes the value of a field as [`read`] reads it.
pub(in crate::domain::catalogue) fn write(field: &Field, value: &Value) -> Json {
    match (&field.kind, value) {
        (FieldKind::Text(_), Value::Text(text)) => json!(text),
        (FieldKind::Integer, Value::Integer(integer)) => write_integer(integer),
        (FieldKind::Choice(_), Value::Text(word)) if field.names(value) => json!(word),
        (FieldKind::Test | FieldKind::Resource, Value::Text(id)) => write_id(id),
        (FieldKind::Enumeration(_) | FieldKind::Outcome, Value::Enumeral(word)) if field.names(value) => json!(word),
        (FieldKind::Boolean, Value::Enumeral(word)) => json!(word == TRUE),
        (FieldKind::Time, Value::Time(seconds)) => time::to_rfc3339(*seconds).map_or(json!(seconds), Json::String),
        (FieldKind::Set(options), Value::Set(values)) => values.iter().map(|value| write(&options.of, value)).collect(),
        (FieldKind::Tuple(fields), Value::Tuple(values)) => {
            fields.iter().zip(values).map(|(field, value)| write(field, value)).collect()
        }
        (FieldKind::Dictionary(options), Value::Dictionary(pairs)) => write_dictionary(options, pairs),
        (FieldKind::Attachment, Value::Attachment(attachment)) => {
            attachment.as_ref().map_or(Json::Null, write_attachment)
        }
        (kind, Value::Text(text)) if verbatim_tag(kind) == Some("text") => json!({"text": text}),
        (kind, Value::Enumeral(word)) if verbatim_tag(kind) == Some("enumeral") => json!({"enumeral": word}),
        (_, value) => typed::write(value),
    }
}

/// An id: a string where it is a label, else what an import kept.
pub(super) fn write_id(id: &str) -> Json {
    if !id.is_empty() && id.parse::<Label>().is_ok() { json!(id) } else { json!({"text": id}) }
}

/// A number where it has at most 64 bits, else a string.
pub(super) fn write_integer(integer: &Integer) -> Json {
    let digits = integer.as_str();
    let number = digits.parse::<i64>().map(Json::from).or_else(|_| digits.parse::<u64>().map(Json::from));
    number.unwrap_or_else(|_| json!(digits))
}

/// An object where the keys can be names and stand in their order, which objects need not keep; else pairs.
fn write_dictionary(options: &DictionaryOptions, pairs: &[(Value, Value)]) -> Json {
    let pairs = pairs.iter().map(|(key, value)| (write(&options.key, key), write(&options.value, value)));
    let pairs: Vec<(Json, Json)> = pairs.collect();
    let names: Option<Vec<&str>> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    match names.filter(|names| is_text_like(&options.key.kind) && names.is_sorted()) {
        Some(names) => {
            let members: Map<String, Json> =
                names.iter().zip(&pairs).map(|(&name, (_, value))| (name.to_owned(), value.clone())).collect();
            Json::Object(members)
        }
        None => pairs.into_iter().map(|(key, value)| json!([key, value])).collect(),
    }
}

/// An attachment as [`read_attachment`] reads it.
pub(super) fn write_attachment(attachment: &Attachment) -> Json {
    let mut members = Map::from_iter([
        ("filename".to_owned(), json!(attachment.filename)),
        ("mime_type".to_owned(), json!(attachment.mime_type)),
    ]);
    if !attachment.description.is_empty() {
        members.insert("description".to_owned(), json!(attachment.description));
    }
    match &attachment.source {
        Source::Content { sha256, size } => {
            members.insert("sha256".to_owned(), json!(sha256));
            members.insert("size".to_owned(), json!(size));
        }
        // Only a database that is being read has such; this door takes none.
        Source::Location { location } => {
            members.insert("location".to_owned(), json!(location));
        }
    }
    Json::Object(members)
}
