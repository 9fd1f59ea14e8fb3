//! Classes and their fields as people write them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::members::{Members, array, text};
use super::values;
use crate::domain::catalogue::class::{Class, CommandTemplate, Execution};
use crate::domain::catalogue::field::{DictionaryOptions, Field, FieldKind, SetOptions, TextOptions};
use crate::domain::catalogue::limits::{
    MAX_COMMAND_WORDS, MAX_DESCRIPTION, MAX_FIELD_NAME, MAX_FIELDS, MAX_NAME, MAX_TEXT, MAX_WORDS,
};
use crate::domain::fault::{At, Faults};

/// Members of every field.
const FIELD: [&str; 7] = ["name", "type", "title", "description", "default", "hidden", "read_only"];
/// The types that fields have.
const TYPES: [&str; 14] = [
    "text",
    "integer",
    "boolean",
    "enumeration",
    "choice",
    "outcome",
    "test",
    "resource",
    "time",
    "set",
    "tuple",
    "dictionary",
    "attachment",
    "python",
];

/// Reads a class. Its name is empty where the document leaves it out.
pub(super) fn read(json: &Json, faults: &mut Faults) -> Option<Class> {
    let members = Members::of(json, At::Top, &["name", "of", "description", "fields", "execution"], faults)?;
    let name = members.text("name", MAX_NAME, faults).unwrap_or_default();
    let kind = members.required("of", faults).and_then(|json| match json.as_str().map(str::parse) {
        Some(Ok(kind)) => Some(kind),
        _ => faults.refuse(At::Top.member("of"), "want test or resource"),
    });
    let description = members.text("description", MAX_DESCRIPTION, faults).unwrap_or_default();
    let fields = members.get("fields").and_then(|json| {
        let at = At::Top.member("fields");
        let fields = array(json, at, MAX_FIELDS, faults)?.iter().enumerate();
        Some(fields.filter_map(|(index, json)| read_field(json, true, at.entry(index), faults)).collect())
    });
    let at = At::Top.member("execution");
    let execution = members.required("execution", faults).and_then(|json| read_execution(json, at, faults));
    let class = Class { name, kind: kind?, description, fields, execution: execution? };
    class.check_body(faults);
    Some(class)
}

fn read_execution(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Execution> {
    let members = Members::of(json, at, &["builtin", "command", "runner"], faults)?;
    match (members.get("builtin"), members.get("command"), members.get("runner")) {
        (Some(json), None, None) => text(json, at.member("builtin"), MAX_NAME, faults).map(Execution::Builtin),
        (None, Some(json), None) => read_command(json, at.member("command"), faults).map(Execution::Command),
        (None, None, Some(json)) => text(json, at.member("runner"), MAX_NAME, faults).map(Execution::Runner),
        _ => faults.refuse(at, "want just one of builtin, command and runner"),
    }
}

fn read_command(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<CommandTemplate> {
    let members = Members::of(json, at, &["argv", "stdin", "environment", "exit_code", "timeout_s"], faults)?;
    members.required("argv", faults)?;
    let word = |json: &Json, at: At<'_>, faults: &mut Faults| text(json, at, MAX_TEXT, faults);
    let mut environment = BTreeMap::new();
    if let Some(json) = members.get("environment") {
        let at = at.member("environment");
        match json.as_object().filter(|variables| variables.len() <= MAX_COMMAND_WORDS) {
            None => faults.add(at, format!("want an object of at most {MAX_COMMAND_WORDS} variables")),
            Some(variables) => {
                for (name, json) in variables {
                    let value = text(json, at.member(name), MAX_TEXT, faults);
                    environment.extend(value.map(|value| (name.clone(), value)));
                }
            }
        }
    }
    Some(CommandTemplate {
        argv: members.list("argv", MAX_COMMAND_WORDS, faults, word),
        stdin: members.text("stdin", MAX_TEXT, faults),
        environment,
        exit_code: small(&members, "exit_code", at, faults).unwrap_or_default(),
        timeout_s: small(&members, "timeout_s", at, faults),
    })
}

/// A whole number of 32 bits.
fn small<T: TryFrom<i64>>(members: &Members<'_>, name: &str, at: At<'_>, faults: &mut Faults) -> Option<T> {
    let at = at.member(name);
    let number = values::integer(members.get(name)?, at, faults)?.to_i64().and_then(|number| T::try_from(number).ok());
    number.or_else(|| faults.refuse(at, "the number is too large or too small"))
}

/// Reads a field. One inside another need not have a name.
fn read_field(json: &Json, is_named: bool, at: At<'_>, faults: &mut Faults) -> Option<Field> {
    let Some(kind) = json.get("type").and_then(Json::as_str).filter(|kind| TYPES.contains(kind)) else {
        return faults.refuse(at.member("type"), format!("want one of {}", TYPES.join(", ")));
    };
    let own: &[&str] = match kind {
        "text" => &["multiline", "verbatim", "structured", "not_empty"],
        "enumeration" | "choice" => &["values"],
        "set" => &["of", "not_empty"],
        "tuple" => &["of"],
        "dictionary" => &["key", "value"],
        _ => &[],
    };
    let known: Vec<&str> = FIELD.iter().chain(&["computed"]).chain(own).copied().collect();
    let members = Members::of(json, at, &known, faults)?;
    let name = match members.get("name") {
        None if is_named => return faults.refuse(at.member("name"), "it is missing; state it"),
        _ => members.text("name", MAX_FIELD_NAME, faults).unwrap_or_default(),
    };
    let word = |json: &Json, at: At<'_>, faults: &mut Faults| text(json, at, MAX_NAME, faults);
    let kind = match kind {
        "integer" => FieldKind::Integer,
        "text" => FieldKind::Text(TextOptions {
            multiline: members.flag("multiline", faults),
            verbatim: members.flag("verbatim", faults),
            structured: members.flag("structured", faults),
            not_empty: members.flag("not_empty", faults),
        }),
        "enumeration" => FieldKind::Enumeration(members.list("values", MAX_WORDS, faults, word)),
        "choice" => FieldKind::Choice(members.list("values", MAX_WORDS, faults, word)),
        "boolean" => FieldKind::Boolean,
        "outcome" => FieldKind::Outcome,
        "test" => FieldKind::Test,
        "resource" => FieldKind::Resource,
        "time" => FieldKind::Time,
        "set" => FieldKind::Set(Box::new(SetOptions {
            of: read_inner(&members, "of", at, faults)?,
            not_empty: members.flag("not_empty", faults),
        })),
        "tuple" => {
            let of = |json: &Json, at: At<'_>, faults: &mut Faults| read_field(json, false, at, faults);
            FieldKind::Tuple(members.list("of", MAX_FIELDS, faults, of))
        }
        "dictionary" => FieldKind::Dictionary(Box::new(DictionaryOptions {
            key: read_inner(&members, "key", at, faults)?,
            value: read_inner(&members, "value", at, faults)?,
        })),
        "attachment" => FieldKind::Attachment,
        _ => FieldKind::Python,
    };
    let field = Field {
        title: members.text("title", MAX_NAME, faults),
        description: members.text("description", MAX_DESCRIPTION, faults),
        hidden: members.flag("hidden", faults),
        read_only: members.flag("read_only", faults),
        computed: members.flag("computed", faults),
        ..Field::new(&name, kind)
    };
    let default = members.get("default").and_then(|json| values::read(&field, json, at.member("default"), faults));
    Some(Field { default, ..field })
}

fn read_inner(members: &Members<'_>, name: &str, at: At<'_>, faults: &mut Faults) -> Option<Field> {
    read_field(members.required(name, faults)?, false, at.member(name), faults)
}

/// Writes a class as [`read`] reads it.
pub(super) fn write(class: &Class) -> Json {
    let mut document = Map::from_iter([
        ("name".to_owned(), json!(class.name)),
        ("of".to_owned(), json!(class.kind)),
        ("execution".to_owned(), json!(class.execution)),
    ]);
    if !class.description.is_empty() {
        document.insert("description".to_owned(), json!(class.description));
    }
    if let Some(fields) = &class.fields {
        document.insert("fields".to_owned(), fields.iter().map(write_field).collect());
    }
    Json::Object(document)
}

/// Writes a field as it is read.
fn write_field(field: &Field) -> Json {
    let mut members = Map::new();
    if !field.name.is_empty() {
        members.insert("name".to_owned(), json!(field.name));
    }
    let (kind, own) = match &field.kind {
        FieldKind::Integer => ("integer", json!({})),
        FieldKind::Text(options) => ("text", json!(options)),
        FieldKind::Enumeration(words) => ("enumeration", json!({"values": words})),
        FieldKind::Choice(words) => ("choice", json!({"values": words})),
        FieldKind::Boolean => ("boolean", json!({})),
        FieldKind::Outcome => ("outcome", json!({})),
        FieldKind::Test => ("test", json!({})),
        FieldKind::Resource => ("resource", json!({})),
        FieldKind::Time => ("time", json!({})),
        FieldKind::Set(options) if options.not_empty => {
            ("set", json!({"of": write_field(&options.of), "not_empty": true}))
        }
        FieldKind::Set(options) => ("set", json!({"of": write_field(&options.of)})),
        FieldKind::Tuple(fields) => ("tuple", json!({"of": fields.iter().map(write_field).collect::<Json>()})),
        FieldKind::Dictionary(options) => {
            ("dictionary", json!({"key": write_field(&options.key), "value": write_field(&options.value)}))
        }
        FieldKind::Attachment => ("attachment", json!({})),
        FieldKind::Python => ("python", json!({})),
    };
    members.insert("type".to_owned(), json!(kind));
    if let Json::Object(own) = own {
        members.extend(own);
    }
    for (name, text) in [("title", &field.title), ("description", &field.description)] {
        members.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
    }
    for (name, flag) in [("hidden", field.hidden), ("read_only", field.read_only), ("computed", field.computed)] {
        members.extend(flag.then(|| (name.to_owned(), json!(true))));
    }
    members.extend(field.default.as_ref().map(|default| ("default".to_owned(), values::write(field, default))));
    Json::Object(members)
}
