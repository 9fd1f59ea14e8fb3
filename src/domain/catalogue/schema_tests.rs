use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::class::{ClassKind, Classes, Execution};
use crate::domain::catalogue::document::strategies::{any_json, any_value, field, value};
use crate::domain::catalogue::document::{read, write as write_document};
use crate::domain::catalogue::item::{About, Extension, Item, ItemKind};
use crate::domain::catalogue::text::unwritable;

fn class(fields: Option<Vec<Field>>) -> Class {
    Class {
        name: "lab.Test".to_owned(),
        kind: ClassKind::Test,
        description: "D.".to_owned(),
        fields,
        execution: Execution::Runner("lab".to_owned()),
    }
}

fn unknown() -> Class {
    class(None)
}

fn is_read(class: &Class, arguments: &Json) -> bool {
    let mut classes = Classes::default();
    classes.insert(class.clone());
    read(ItemKind::Test, &json!({"class": class.name, "arguments": arguments}), &classes).is_ok()
}

/// The arguments as they are written.
fn written(class: &Class, arguments: BTreeMap<String, crate::domain::catalogue::value::Value>) -> Json {
    let mut classes = Classes::default();
    classes.insert(class.clone());
    let item = Item::Test(Extension { class: class.name.clone(), arguments, about: About::default() });
    write_document(&item, &classes).get("arguments").cloned().unwrap_or(json!({}))
}

fn is_valid(class: &Class, arguments: &Json) -> bool {
    static UNKNOWN: LazyLock<jsonschema::Validator> = LazyLock::new(|| validator(&unknown()));
    if class.fields.is_none() { UNKNOWN.is_valid(arguments) } else { validator(class).is_valid(arguments) }
}

fn validator(class: &Class) -> jsonschema::Validator {
    jsonschema::draft202012::new(&of(class)).unwrap()
}

proptest! {
    #[test]
    fn what_is_read_is_valid_and_the_other_way_around(field in field(), odd in any_json()) {
        let class = class(Some(vec![field]));
        let arguments = json!({"f": odd});
        prop_assert_eq!(is_valid(&class, &arguments), is_read(&class, &arguments), "{}", arguments);
    }

    #[test]
    fn what_is_nearly_right_is_judged_alike(
        (field, value) in field().prop_flat_map(|field| { let value = value(&field.kind); (Just(field), value) })
    ) {
        let class = class(Some(vec![field]));
        // The value need not be one that the field takes: then it is written as it is.
        let arguments = written(&class, BTreeMap::from([("f".to_owned(), value)]));
        prop_assert_eq!(is_valid(&class, &arguments), is_read(&class, &arguments), "{}", arguments);
    }

    #[test]
    fn arguments_of_unknown_classes_are_judged_alike(odd in any_json(), value in any_value()) {
        let class = unknown();
        let arguments = json!({"f": odd});
        prop_assert_eq!(is_valid(&class, &arguments), is_read(&class, &arguments), "{}", arguments);
        let arguments = written(&class, BTreeMap::from([("f".to_owned(), value)]));
        prop_assert!(is_valid(&class, &arguments) && is_read(&class, &arguments), "{}", arguments);
    }
}

#[test]
fn names_are_judged_alike() {
    let computed = Field { computed: true, ..Field::new("c", FieldKind::Integer) };
    let known = class(Some(vec![Field::new("a", FieldKind::Integer), computed]));
    for (class, arguments, good) in [
        (&known, json!({"a": 1}), true),
        (&known, json!({"b": 1}), false),
        (&known, json!({"c": 1}), false),
        (&known, json!({"resources": []}), false),
        (&known, json!([]), false),
        (&unknown(), json!({"b": 1}), true),
        (&unknown(), json!({"resources": []}), false),
        (&unknown(), json!({"b\u{0}": 1}), false),
    ] {
        assert_eq!((is_valid(class, &arguments), is_read(class, &arguments)), (good, good), "{arguments}");
    }
}

#[test]
fn long_words_are_judged_alike() {
    let class = class(Some(vec![Field::new("f", FieldKind::Choice(Vec::new()))]));
    for (length, good) in [(MAX_NAME, true), (MAX_NAME + 1, false)] {
        for letter in ["1", "ä"] {
            let arguments = json!({"f": letter.repeat(length)});
            assert_eq!(
                (is_valid(&class, &arguments), is_read(&class, &arguments)),
                (good, good),
                "{length} of {letter}"
            );
        }
    }
}

#[test]
fn characters_are_judged_alike() {
    let [writable, blank] = [WRITABLE, NOT_BLANK].map(|pattern| fancy_regex::Regex::new(pattern).unwrap());
    for c in '\0'..='\u{ffff}' {
        let text = c.to_string();
        assert_eq!(writable.is_match(&text).unwrap(), unwritable(&text).is_none(), "{c:?}");
        // What cannot be written is refused before it is trimmed.
        if unwritable(&text).is_none() {
            assert_eq!(blank.is_match(&text).unwrap(), !c.is_whitespace(), "{c:?}");
        }
    }
}

#[test]
fn the_schema_of_every_built_in_class_is_one_and_its_defaults_are_valid() {
    for class in builtin::classes().iter() {
        let schema = of(class);
        assert!(jsonschema::meta::is_valid(&schema), "{schema}");
        for (name, property) in schema["properties"].as_object().unwrap() {
            let validator = jsonschema::draft202012::new(property).unwrap();
            assert!(
                property.get("default").is_none_or(|default| validator.is_valid(default)),
                "{}: {name}",
                class.name
            );
        }
    }
    assert!(jsonschema::meta::is_valid(&of(&unknown())));
}
