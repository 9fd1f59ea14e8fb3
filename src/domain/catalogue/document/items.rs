//! Tests, resources, suites, directories and expectations as people write them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::members::{Members, array, hint, listed, text};
use super::{typed, values};
use crate::domain::catalogue::class::{Class, ClassKind, Classes};
use crate::domain::catalogue::field::{Field, FieldKind};
use crate::domain::catalogue::item::{
    About, EXPLICIT_SUITE, Expectation, Extension, Item, ItemKind, PREREQUISITES, RESOURCES, Suite, TARGET_GROUP,
};
use crate::domain::catalogue::limits::{
    MAX_ATTACHMENTS, MAX_DESCRIPTION, MAX_ENTRIES, MAX_KEYWORDS, MAX_NAME, MAX_PATTERN,
};
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::catalogue::value::Value;
use crate::domain::fault::{At, Faults};
use crate::domain::regex;
use crate::domain::words::Word as _;

/// Members of every item that people know something about.
const ABOUT: [&str; 4] = ["keywords", "owner", "description", "attachments"];

pub(super) fn read_extension(kind: ItemKind, json: &Json, classes: &Classes, faults: &mut Faults) -> Option<Item> {
    let is_test = kind == ItemKind::Test;
    let class_kind = if is_test { ClassKind::Test } else { ClassKind::Resource };
    // What every class of the kind has stands beside the arguments, not among them.
    let beside: &[&str] = if is_test { &[PREREQUISITES, RESOURCES, TARGET_GROUP] } else { &[RESOURCES] };
    let known: Vec<&str> = ["class", "arguments"].iter().chain(beside).chain(&ABOUT).copied().collect();
    let members = Members::of(json, At::Top, &known, faults)?;
    let name = members.required("class", faults).and_then(|json| text(json, At::Top.member("class"), MAX_NAME, faults));
    let class = name.as_deref().and_then(|name| class_of(name, class_kind, classes, faults));
    let mut arguments = BTreeMap::new();
    if let (Some(json), Some(class)) = (members.get("arguments"), class) {
        arguments = read_arguments(json, class, beside, faults);
    }
    for &name in beside {
        // They are checked even if the class is none.
        let (Some(json), Some(field)) = (members.get(name), common_field(class_kind, name)) else { continue };
        let at = At::Top.member(name);
        let value = match name {
            PREREQUISITES => read_prerequisites(field, json, at, faults),
            TARGET_GROUP => read_target_group(field, json, at, faults),
            _ => values::read(field, json, at, faults),
        };
        arguments.extend(value.map(|value| (name.to_owned(), value)));
    }
    let about = read_about(&members, faults);
    let extension = Extension { class: name?, arguments, about };
    Some(if is_test { Item::Test(extension) } else { Item::Resource(extension) })
}

fn common_field(kind: ClassKind, name: &str) -> Option<&'static Field> {
    kind.common_fields().iter().find(|field| field.name == name)
}

fn class_of<'a>(name: &str, kind: ClassKind, classes: &'a Classes, faults: &mut Faults) -> Option<&'a Class> {
    let at = At::Top.member("class");
    match classes.get(name) {
        Some(class) if class.kind == kind => Some(class),
        Some(class) => {
            faults.refuse(at, format!("`{name}` is a class of kind {}; want one of kind {kind}", class.kind))
        }
        None => {
            let known = classes.iter().filter(|class| class.kind == kind).map(|class| class.name.as_str());
            let hint = hint(name, known, faults);
            faults.refuse(at, format!("there is no class `{name}`{hint}; one that is not built in can be registered"))
        }
    }
}

fn read_arguments(json: &Json, class: &Class, beside: &[&str], faults: &mut Faults) -> BTreeMap<String, Value> {
    let at = At::Top.member("arguments");
    let Some(members) = json.as_object() else {
        faults.add(at, "want an object");
        return BTreeMap::new();
    };
    if !faults.check_count(at, members.len(), MAX_ENTRIES) {
        return BTreeMap::new();
    }
    let mut arguments = BTreeMap::new();
    for (name, json) in members {
        let at = at.member(name);
        let value = match class.field(name) {
            _ if beside.contains(&name.as_str()) => {
                faults.refuse(at, format!("`{name}` belongs beside `class` and `arguments`, not into `arguments`"))
            }
            Some(field) if field.computed => faults.refuse(at, "the class works it out itself; leave it out"),
            Some(field) => values::read(field, json, at, faults),
            None if class.fields.is_none() => {
                faults.check_text(at, name, MAX_NAME).then_some(()).and_then(|()| typed::read(json, at, faults))
            }
            None => {
                let known: Vec<&str> = class
                    .all_fields()
                    .filter(|field| !field.computed && !beside.contains(&field.name.as_str()))
                    .map(|field| field.name.as_str())
                    .collect();
                let hint = hint(name, known.iter().copied(), faults);
                let known = if known.is_empty() { "none".to_owned() } else { listed(&known) };
                faults.refuse(at, format!("unknown argument{hint}; `{}` takes {known}", class.name))
            }
        };
        arguments.extend(value.map(|value| (name.clone(), value)));
    }
    arguments
}

/// Reads `[{"test": "a.b", "outcome": "PASS"}]`; the outcome may be left out and is then the field's default.
fn read_prerequisites(field: &Field, json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Value> {
    let FieldKind::Set(options) = &field.kind else { return None };
    let FieldKind::Tuple(pair) = &options.of.kind else { return None };
    let [test, outcome] = pair.as_slice() else { return None };
    let entries = array(json, at, MAX_ENTRIES, faults)?;
    let read = |(index, json): (usize, &Json)| {
        let at = at.entry(index);
        let members = Members::of(json, at, &["test", "outcome"], faults)?;
        let id = members.required("test", faults).and_then(|json| values::read(test, json, at.member("test"), faults));
        let outcome = match members.get("outcome") {
            Some(json) => values::read(outcome, json, at.member("outcome"), faults),
            None => outcome.default_value(),
        };
        Some(Value::Tuple(vec![id?, outcome?]))
    };
    let entries: Vec<_> = entries.iter().enumerate().map(read).collect();
    entries.into_iter().collect::<Option<_>>().map(Value::Set)
}

/// Reads the pattern of target groups. One that does not compile is refused when it is stored, not when a run needs it;
/// `{"text": "("}` keeps one from a QMTest database.
fn read_target_group(field: &Field, json: &Json, at: At<'_>, faults: &mut Faults) -> Option<Value> {
    let kept = json.as_object().filter(|members| members.len() == 1).and_then(|members| members.get("text"));
    if kept.is_none() {
        let pattern = text(json, at, MAX_PATTERN, faults)?;
        if let Err(error) = regex::compiled(&pattern) {
            return faults.refuse(at, format!("want a regular expression: {error}"));
        }
    }
    values::read(field, kept.unwrap_or(json), at, faults)
}

fn read_about(members: &Members<'_>, faults: &mut Faults) -> About {
    let keyword = |json: &Json, at: At<'_>, faults: &mut Faults| line(json, at, faults);
    let keywords: BTreeSet<String> = members.list("keywords", MAX_KEYWORDS, faults, keyword).into_iter().collect();
    let owner = members.get("owner").and_then(|json| line(json, At::Top.member("owner"), faults));
    let description = members.text("description", MAX_DESCRIPTION, faults);
    let mut attachments = BTreeMap::new();
    let at = At::Top.member("attachments");
    match members.get("attachments").map(|json| json.as_object().filter(|files| files.len() <= MAX_ATTACHMENTS)) {
        None => {}
        Some(None) => faults.add(at, format!("want an object of at most {MAX_ATTACHMENTS} files by name")),
        Some(Some(files)) => {
            for (name, json) in files {
                let at = at.member(name);
                let members = Members::of(json, at, &["mime_type", "description", "sha256", "size"], faults);
                let filename = values::filename(Some(name), at, faults);
                let attachment = members.and_then(|members| values::attachment(&members, filename, at, faults));
                attachments.extend(attachment.map(|attachment| (name.clone(), attachment)));
            }
        }
    }
    About { keywords, owner, description, attachments }
}

/// A line of text that is not empty.
fn line(json: &Json, at: At<'_>, faults: &mut Faults) -> Option<String> {
    let line = text(json, at, MAX_NAME, faults)?;
    if line.trim().is_empty() || line.contains(['\n', '\r', '\t']) {
        return faults.refuse(at, "want a line of text that is not blank");
    }
    Some(line)
}

pub(super) fn read_suite(json: &Json, classes: &Classes, faults: &mut Faults) -> Option<Item> {
    let known: Vec<&str> = ["class", "test_ids", "suite_ids", "implicit"].iter().chain(&ABOUT).copied().collect();
    let members = Members::of(json, At::Top, &known, faults)?;
    let class = match members.text("class", MAX_NAME, faults) {
        Some(name) => class_of(&name, ClassKind::Suite, classes, faults).map(|class| class.name.clone()),
        None => Some(EXPLICIT_SUITE.to_owned()),
    };
    let suite = Suite {
        test_ids: members.list("test_ids", MAX_ENTRIES, faults, |json, at, faults| member(json, at, false, faults)),
        suite_ids: members.list("suite_ids", MAX_ENTRIES, faults, |json, at, faults| member(json, at, true, faults)),
        implicit: members.flag("implicit", faults),
        about: read_about(&members, faults),
        class: class?,
    };
    Some(Item::Suite(suite))
}

/// A member of a suite: a label, or `{"text": "Odd Id"}` from a QMTest database.
fn member(json: &Json, at: At<'_>, may_be_root: bool, faults: &mut Faults) -> Option<String> {
    match json.as_object() {
        None => values::id(json, at, may_be_root, faults),
        Some(_) => match typed::read(json, at, faults)? {
            Value::Text(id) => Some(id),
            _ => faults.refuse(at, "want an id as a string"),
        },
    }
}

pub(super) fn read_directory(json: &Json, faults: &mut Faults) -> Option<Item> {
    Members::of(json, At::Top, &[], faults).map(|_| Item::Directory)
}

pub(super) fn read_expectation(json: &Json, faults: &mut Faults) -> Option<Item> {
    let members = Members::of(json, At::Top, &["outcome", "cause"], faults)?;
    let at = At::Top.member("outcome");
    let outcome = members.required("outcome", faults).and_then(|json| match json.as_str().map(str::parse) {
        Some(Ok(outcome)) => Some(outcome),
        _ => faults.refuse(
            at,
            format!("want one of {}", Outcome::ALL.iter().map(|o| o.as_str()).collect::<Vec<_>>().join(", ")),
        ),
    });
    let cause = members.text("cause", MAX_DESCRIPTION, faults);
    Some(Item::Expectation(Expectation { outcome: outcome?, cause }))
}

pub(super) fn write_extension(kind: ClassKind, extension: &Extension, classes: &Classes) -> Json {
    let class = classes.get(&extension.class);
    let mut document = Map::from_iter([("class".to_owned(), json!(extension.class))]);
    let mut arguments = Map::new();
    for (name, value) in &extension.arguments {
        let field = class.and_then(|class| class.field(name)).or_else(|| common_field(kind, name));
        let json = match field {
            Some(field) => values::write(field, value),
            None => typed::write(value),
        };
        match name.as_str() {
            PREREQUISITES => drop(document.insert(name.clone(), write_prerequisites(json))),
            RESOURCES => drop(document.insert(name.clone(), json)),
            TARGET_GROUP => drop(document.insert(name.clone(), write_target_group(json))),
            _ => drop(arguments.insert(name.clone(), json)),
        }
    }
    if !arguments.is_empty() {
        document.insert("arguments".to_owned(), Json::Object(arguments));
    }
    write_about(&extension.about, &mut document);
    Json::Object(document)
}

/// Pairs as objects.
fn write_prerequisites(pairs: Json) -> Json {
    let Json::Array(pairs) = pairs else { return pairs };
    let object = |pair: Json| match pair {
        Json::Array(pair) => ["test", "outcome"].map(str::to_owned).into_iter().zip(pair).collect(),
        other => other,
    };
    pairs.into_iter().map(object).collect()
}

fn write_target_group(pattern: Json) -> Json {
    let compiles = |pattern: &str| pattern.chars().count() <= MAX_PATTERN && regex::compiled(pattern).is_ok();
    match pattern {
        Json::String(pattern) if !compiles(&pattern) => json!({"text": pattern}),
        pattern => pattern,
    }
}

pub(super) fn write_suite(suite: &Suite) -> Json {
    let member = |id: &String| if id.is_empty() { json!(id) } else { values::write_id(id) };
    let mut document = Map::from_iter([
        ("class".to_owned(), json!(suite.class)),
        ("test_ids".to_owned(), suite.test_ids.iter().map(|id| values::write_id(id)).collect()),
        ("suite_ids".to_owned(), suite.suite_ids.iter().map(member).collect()),
        ("implicit".to_owned(), json!(suite.implicit)),
    ]);
    write_about(&suite.about, &mut document);
    Json::Object(document)
}

pub(super) fn write_expectation(expectation: &Expectation) -> Json {
    let mut document = Map::from_iter([("outcome".to_owned(), json!(expectation.outcome))]);
    document.extend(expectation.cause.as_ref().map(|cause| ("cause".to_owned(), json!(cause))));
    Json::Object(document)
}

fn write_about(about: &About, document: &mut Map<String, Json>) {
    if !about.keywords.is_empty() {
        document.insert("keywords".to_owned(), json!(about.keywords));
    }
    document.extend(about.owner.as_ref().map(|owner| ("owner".to_owned(), json!(owner))));
    document.extend(about.description.as_ref().map(|description| ("description".to_owned(), json!(description))));
    if !about.attachments.is_empty() {
        let files = about.attachments.iter().map(|(name, attachment)| {
            let mut members = values::write_attachment(attachment);
            if let Json::Object(members) = &mut members {
                members.remove("filename");
            }
            (name.clone(), members)
        });
        document.insert("attachments".to_owned(), Json::Object(files.collect()));
    }
}
