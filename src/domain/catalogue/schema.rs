//! JSON Schema (2020-12) of the arguments that a class takes, for editors and for programs that write documents.
//!
//! It describes the member `arguments` of a test or resource, as [`document`](super::document) reads it. What no schema
//! can say is all that [`read`](super::document::read) refuses beside: a date that no calendar has, a file name of too
//! many bytes, and a document that nests too deep.

use serde_json::{Map, Value as Json, json};

use crate::domain::catalogue::class::Class;
use crate::domain::catalogue::document::values::{TIME_PATTERN, is_text_like, verbatim_tag, write};
use crate::domain::catalogue::field::{DictionaryOptions, Field, FieldKind};
use crate::domain::catalogue::label::MAX_LABEL_BYTES;
use crate::domain::catalogue::limits::{
    MAX_DESCRIPTION, MAX_DIGITS, MAX_ENTRIES, MAX_FILE_SIZE, MAX_FILENAME_BYTES, MAX_NAME, MAX_TEXT,
};
use crate::domain::catalogue::time::{MAX_TIME, MIN_TIME};

/// A text that can be written ([`unwritable`](super::text::unwritable)).
const WRITABLE: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]*$";
/// A text of which something is left when the blanks before it are taken away.
const NOT_BLANK: &str = r"[^\t\n\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
/// A label that is not the root.
const LABEL: &str = r"^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$";
/// QMTest's words for true and false, in any case.
const BOOLEAN: &str = "^(?:1|0|[tT][rR][uU][eE]|[yY][eE][sS]|[oO][nN]|[fF][aA][lL][sS][eE]|[nN][oO]|[oO][fF][fF])$";
/// The name of a file.
const FILENAME: &str = r"^(?!\.{1,2}$)[^/\\\u0000-\u001f\u007f-\u009f]+$";

/// The schema of the arguments of this class. What every class of its kind has is not among them: it stands beside
/// them. Defaults and descriptions come along as annotations.
#[must_use]
pub fn of(class: &Class) -> Json {
    let mut schema = Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), json!(class.name)),
        ("type".to_owned(), json!("object")),
    ]);
    if !class.description.is_empty() {
        schema.insert("description".to_owned(), json!(class.description));
    }
    if let Some(fields) = &class.fields {
        let stated = fields.iter().filter(|field| !field.computed);
        let properties: Map<String, Json> = stated.map(|field| (field.name.clone(), annotated(field))).collect();
        schema.insert("properties".to_owned(), Json::Object(properties));
        schema.insert("additionalProperties".to_owned(), json!(false));
    } else {
        let beside: Vec<&str> = class.kind.common_fields().iter().map(|field| field.name.as_str()).collect();
        let names = json!({"maxLength": MAX_NAME, "pattern": WRITABLE, "not": {"enum": beside}});
        schema.insert("maxProperties".to_owned(), json!(MAX_ENTRIES));
        schema.insert("propertyNames".to_owned(), names);
        schema.insert("additionalProperties".to_owned(), json!({"$ref": "#/$defs/value"}));
        schema.insert("$defs".to_owned(), json!({"value": typed(), "attachment": attachment()}));
    }
    Json::Object(schema)
}

/// The schema of a field's values, with what people should know of it.
fn annotated(field: &Field) -> Json {
    let mut schema = of_field(field);
    if let Json::Object(members) = &mut schema {
        let texts = [("title", &field.title), ("description", &field.description)];
        members.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?)))));
        members.extend(field.default_value().map(|default| ("default".to_owned(), write(field, &default))));
        members.extend(field.read_only.then(|| ("readOnly".to_owned(), json!(true))));
    }
    schema
}

fn of_field(field: &Field) -> Json {
    match &field.kind {
        FieldKind::Integer => integer(),
        FieldKind::Text(options) if !options.not_empty => text(),
        FieldKind::Text(options) if options.verbatim => json!({"allOf": [text(), {"minLength": 1}]}),
        FieldKind::Text(_) => not_blank(),
        FieldKind::Enumeration(_) | FieldKind::Outcome => {
            json!({"anyOf": [{"enum": field.words()}, verbatim(&field.kind)]})
        }
        // Any word will do, and a word is no longer than a name.
        FieldKind::Choice(words) if words.is_empty() => {
            json!({"anyOf": [{"allOf": [not_blank(), {"maxLength": MAX_NAME}]}, verbatim(&field.kind)]})
        }
        FieldKind::Choice(words) => json!({"anyOf": [{"enum": words}, verbatim(&field.kind)]}),
        FieldKind::Boolean => json!({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": BOOLEAN}]}),
        FieldKind::Test | FieldKind::Resource => {
            let label = json!({"type": "string", "pattern": LABEL, "maxLength": MAX_LABEL_BYTES});
            json!({"anyOf": [label, verbatim(&field.kind)]})
        }
        FieldKind::Time => json!({"anyOf": [{"type": "string", "pattern": TIME_PATTERN}, seconds()]}),
        FieldKind::Set(options) => json!({
            "type": "array",
            "items": of_field(&options.of),
            "minItems": u8::from(options.not_empty),
            "maxItems": MAX_ENTRIES,
        }),
        FieldKind::Tuple(fields) => {
            let members: Vec<Json> = fields.iter().map(annotated).collect();
            json!({"type": "array", "prefixItems": members, "minItems": fields.len(), "maxItems": fields.len()})
        }
        FieldKind::Dictionary(options) => dictionary(options),
        FieldKind::Attachment => json!({"anyOf": [{"type": "null"}, attachment()]}),
        FieldKind::Python => json!({"not": {}}),
    }
}

fn text() -> Json {
    json!({"type": "string", "maxLength": MAX_TEXT, "pattern": WRITABLE})
}

fn not_blank() -> Json {
    json!({"allOf": [text(), {"pattern": NOT_BLANK}]})
}

/// A whole number of 64 bits.
fn number() -> Json {
    json!({"type": "integer", "minimum": i64::MIN, "maximum": u64::MAX})
}

/// A whole number of any size: beyond 64 bits it is written as a string of digits.
fn integer() -> Json {
    let digits = format!("^-?[0-9]{{1,{MAX_DIGITS}}}$");
    json!({"anyOf": [number(), {"type": "string", "pattern": digits}]})
}

/// A time in seconds.
fn seconds() -> Json {
    json!({"type": "integer", "minimum": MIN_TIME, "maximum": MAX_TIME})
}

/// What only a QMTest database holds.
fn verbatim(kind: &FieldKind) -> Json {
    verbatim_tag(kind).map_or(json!({"not": {}}), |tag| object(&json!({tag: not_blank()}), &[tag]))
}

fn object(properties: &Json, required: &[&str]) -> Json {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn dictionary(options: &DictionaryOptions) -> Json {
    let (key, value) = (of_field(&options.key), of_field(&options.value));
    let pair = json!({"type": "array", "prefixItems": [key, value], "minItems": 2, "maxItems": 2});
    let pairs = json!({"type": "array", "items": pair, "maxItems": MAX_ENTRIES});
    if !is_text_like(&options.key.kind) {
        return pairs;
    }
    let members =
        json!({"type": "object", "propertyNames": key, "additionalProperties": value, "maxProperties": MAX_ENTRIES});
    json!({"anyOf": [members, pairs]})
}

fn attachment() -> Json {
    object(
        &json!({
            "filename": {"type": "string", "maxLength": MAX_FILENAME_BYTES, "pattern": FILENAME},
            "mime_type": {
                "anyOf": [{"type": "null"}, {"type": "string", "maxLength": MAX_NAME, "pattern": "^[ -~]+$"}],
            },
            "description": {
                "anyOf": [{"type": "null"}, {"type": "string", "maxLength": MAX_DESCRIPTION, "pattern": WRITABLE}],
            },
            "sha256": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
            "size": {"type": "integer", "minimum": 0, "maximum": MAX_FILE_SIZE},
        }),
        &["filename", "sha256", "size"],
    )
}

/// The schema of a value that says its type; it refers to itself.
fn typed() -> Json {
    let value = json!({"$ref": "#/$defs/value"});
    let entries = json!({"type": "array", "items": value, "maxItems": MAX_ENTRIES});
    let pair = json!({"type": "array", "prefixItems": [value, value], "minItems": 2, "maxItems": 2});
    let pairs = json!({"type": "array", "items": pair, "maxItems": MAX_ENTRIES});
    let attachment = json!({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/attachment"}]});
    let tagged = [
        ("text", text()),
        ("enumeral", text()),
        ("integer", integer()),
        ("time", seconds()),
        ("set", entries.clone()),
        ("tuple", entries.clone()),
        ("dictionary", pairs),
        ("attachment", attachment),
    ];
    let plain = [text(), json!({"type": "boolean"}), number(), entries];
    let tagged = tagged.into_iter().map(|(tag, schema)| object(&json!({tag: schema}), &[tag]));
    json!({"anyOf": plain.into_iter().chain(tagged).collect::<Vec<_>>()})
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
