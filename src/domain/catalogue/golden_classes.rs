//! The golden cases' own ways of writing fields, values and classes, for the tests that replay them.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

use crate::domain::catalogue::builtin;
use crate::domain::catalogue::class::{Class, ClassKind, Classes, Execution};
use crate::domain::catalogue::field::{DictionaryOptions, Field, FieldKind, SetOptions, TextOptions};
use crate::domain::catalogue::value::Value;
use crate::domain::golden;

/// The built-in classes and the `scripted.*` ones of `classes.json`, with the fields that it gives them, less those
/// that every class of the kind has.
pub(crate) fn classes() -> Classes {
    static CLASSES: LazyLock<Classes> = LazyLock::new(read);
    CLASSES.clone()
}

fn read() -> Classes {
    let mut classes = builtin::classes();
    for (kind, name, fields) in listed().filter(|(_, name, _)| name.starts_with("scripted.")) {
        let is_own = |field: &Field| !kind.common_fields().iter().any(|common| common.name == field.name);
        classes.insert(Class {
            name,
            kind,
            description: String::new(),
            fields: Some(fields.into_iter().filter(is_own).collect()),
            execution: Execution::Runner("scripted".to_owned()),
        });
    }
    classes
}

/// Every class of `classes.json` of a kind that is known here: its kind, its name and all of its fields.
pub(crate) fn listed() -> impl Iterator<Item = (ClassKind, String, Vec<Field>)> {
    let documents = golden::documents("qmtest/classes.json").into_iter();
    let kinds = documents.flat_map(|document| document["kinds"].as_object().unwrap().clone());
    kinds.filter_map(|(kind, classes)| Some((kind.parse::<ClassKind>().ok()?, classes))).flat_map(|(kind, classes)| {
        let classes = classes.as_object().unwrap().clone().into_iter();
        classes.map(move |(name, fields)| {
            let fields = fields.as_object().unwrap().values().map(field_of_class).collect();
            (kind, name, fields)
        })
    })
}

/// A field as `classes.json` writes it: `{"type": "TextField", "multiline": true, "default": ""}`.
fn field_of_class(json: &Json) -> Field {
    let name = json["name"].as_str().unwrap();
    let of = |key: &str| field_of_class(&json[key]);
    let kind = match json["type"].as_str().unwrap() {
        "IntegerField" => FieldKind::Integer,
        "TextField" | "TargetGroupField" => FieldKind::Text(options(json.as_object().unwrap(), &Json::Bool(true))),
        "EnumerationField" => FieldKind::Enumeration(words(&json["enumerals"])),
        "BooleanField" => FieldKind::Boolean,
        "OutcomeField" => FieldKind::Outcome,
        "TestField" => FieldKind::Test,
        "ResourceField" => FieldKind::Resource,
        "TimeField" => FieldKind::Time,
        "SetField" => FieldKind::Set(Box::new(SetOptions { of: of("of"), not_empty: json["not_empty_set"] == true })),
        "TupleField" | "SubstitutionField" => {
            FieldKind::Tuple(json["of"].as_array().unwrap().iter().map(field_of_class).collect())
        }
        "DictionaryField" => FieldKind::Dictionary(Box::new(DictionaryOptions { key: of("key"), value: of("value") })),
        "AttachmentField" => FieldKind::Attachment,
        "PythonField" => FieldKind::Python,
        other => panic!("{other}"),
    };
    let default = value_of_case(&kind, &json["default"]);
    let field = Field { default, ..Field::new(name, kind) };
    Field {
        // A default that is the kind's own says nothing.
        default: field
            .default
            .clone()
            .filter(|_| field.default != Field::new(name, field.kind.clone()).default_value()),
        hidden: json["hidden"] == true,
        read_only: json["read_only"] == true,
        computed: json["computed"] == true,
        ..field
    }
}

/// A field as the field cases write it: `{"type": "text", "options": {"multiline": "true"}}`. Options count only as the
/// text "true".
pub(crate) fn field_of_case(json: &Json, name: &str) -> Field {
    let yes = Json::from("true");
    let empty = Map::new();
    let given = json["options"].as_object().unwrap_or(&empty);
    let option = |key: &str| given.get(key).unwrap_or(&Json::Null);
    let of = |key: &str| field_of_case(&json[key], "");
    let kind = match json["type"].as_str().unwrap() {
        "integer" => FieldKind::Integer,
        "text" => FieldKind::Text(options(given, &yes)),
        "enumeration" => FieldKind::Enumeration(words(option("enumerals"))),
        "boolean" => FieldKind::Boolean,
        "outcome" => FieldKind::Outcome,
        "choice" => FieldKind::Choice(words(option("items"))),
        "test" => FieldKind::Test,
        "resource" => FieldKind::Resource,
        "time" => FieldKind::Time,
        "set" => FieldKind::Set(Box::new(SetOptions { of: of("of"), not_empty: option("not_empty_set") == &yes })),
        "tuple" => {
            FieldKind::Tuple(json["of"].as_array().unwrap().iter().map(|member| field_of_case(member, "")).collect())
        }
        "dictionary" => FieldKind::Dictionary(Box::new(DictionaryOptions { key: of("key"), value: of("value") })),
        "attachment" => FieldKind::Attachment,
        "python" => FieldKind::Python,
        other => panic!("{other}"),
    };
    let is_python = kind == FieldKind::Python;
    let computed = is_python || option("computed") == &yes;
    Field {
        title: option("title").as_str().map(str::to_owned),
        default: value_of_case(&kind, option("default_value")),
        hidden: computed || option("hidden") == &yes,
        read_only: computed || option("read_only") == &yes,
        computed,
        ..Field::new(json["name"].as_str().unwrap_or(name), kind)
    }
}

fn options(given: &Map<String, Json>, yes: &Json) -> TextOptions {
    let is = |key: &str| given.get(key) == Some(yes);
    TextOptions {
        multiline: is("multiline"),
        verbatim: is("verbatim"),
        structured: is("structured"),
        not_empty: is("not_empty_text"),
    }
}

fn words(json: &Json) -> Vec<String> {
    match json {
        Json::String(list) => list.split(',').map(|word| word.trim().to_owned()).collect(),
        list => list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect(),
    }
}

/// The value that the cases write as plain JSON, typed as a field of this kind would have it. `None`: there is none, as
/// for Python's booleans; and of nothing, which only attachments can be.
pub(crate) fn value_of_case(kind: &FieldKind, json: &Json) -> Option<Value> {
    Some(match (json, kind) {
        (Json::Null, FieldKind::Attachment) => Value::Attachment(None),
        (Json::String(word), FieldKind::Enumeration(_) | FieldKind::Boolean | FieldKind::Outcome) => {
            Value::Enumeral(word.clone())
        }
        (Json::String(_), FieldKind::Time) if json == "(current time)" => return None,
        (Json::String(text), _) => Value::Text(text.clone()),
        (Json::Number(number), _) => Value::Integer(match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() => format!("{float:.0}").parse().unwrap(),
            _ => number.to_string().parse().unwrap(),
        }),
        (Json::Array(values), FieldKind::Tuple(fields)) => {
            let kind_at = |at: usize| fields.get(at).map_or(&FieldKind::Python, |field| &field.kind);
            let values = values.iter().enumerate().map(|(at, value)| value_of_case(kind_at(at), value));
            Value::Tuple(values.collect::<Option<_>>()?)
        }
        (Json::Array(values), _) => {
            let of = if let FieldKind::Set(options) = kind { &options.of.kind } else { &FieldKind::Python };
            Value::Set(values.iter().map(|value| value_of_case(of, value)).collect::<Option<_>>()?)
        }
        (Json::Object(pairs), FieldKind::Dictionary(options)) => {
            let pair = |(key, value): (&String, &Json)| {
                Some((
                    value_of_case(&options.key.kind, &key.clone().into())?,
                    value_of_case(&options.value.kind, value)?,
                ))
            };
            Value::Dictionary(pairs.iter().map(pair).collect::<Option<_>>()?)
        }
        (Json::Null | Json::Bool(_) | Json::Object(_), _) => return None,
    })
}

/// Whether a value is the one that the cases write as plain JSON; nothing is null. Whole numbers beyond 64 bits come
/// from the JSON parser as floats, and are compared as such.
pub(crate) fn matches(value: Option<&Value>, json: &Json) -> bool {
    match (value, json) {
        (None | Some(Value::Attachment(None)), json) => json.is_null(),
        (Some(Value::Text(text) | Value::Enumeral(text)), json) => json == text,
        (Some(Value::Integer(integer)), Json::Number(number)) => {
            number.to_string() == integer.as_str()
                || number.as_f64() == integer.as_str().parse().ok() && number.is_f64()
        }
        (Some(Value::Time(seconds)), json) => json.as_i64() == Some(*seconds),
        (Some(Value::Set(values) | Value::Tuple(values)), Json::Array(array)) => {
            values.len() == array.len() && values.iter().zip(array).all(|(value, json)| matches(Some(value), json))
        }
        (Some(Value::Dictionary(pairs)), Json::Object(object)) => {
            pairs.len() == object.len()
                && pairs.iter().all(|(key, value)| match key {
                    Value::Text(key) => object.get(key).is_some_and(|json| matches(Some(value), json)),
                    _ => false,
                })
        }
        (Some(Value::Attachment(Some(attachment))), json) => {
            serde_json::to_value(attachment).unwrap() == json["attachment"]
        }
        _ => false,
    }
}
