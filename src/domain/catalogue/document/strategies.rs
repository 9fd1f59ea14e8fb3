//! Random fields, values and documents, for the property tests.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::domain::catalogue::field::{DictionaryOptions, Field, FieldKind, SetOptions, TextOptions};
use crate::domain::catalogue::time::{MAX_TIME, MIN_TIME};
use crate::domain::catalogue::value::{Attachment, Source, Value};
use crate::domain::digest::Digest;

fn words() -> Vec<String> {
    ["red", "green", "on"].map(str::to_owned).into()
}

/// A field of any kind but Python's, that may be registered.
pub(in crate::domain::catalogue) fn field() -> impl Strategy<Value = Field> {
    let text = (any::<[bool; 3]>()).prop_map(|[multiline, verbatim, not_empty]| {
        FieldKind::Text(TextOptions { multiline, verbatim, structured: false, not_empty })
    });
    let leaf = prop_oneof![
        3 => text,
        1 => Just(FieldKind::Integer),
        1 => Just(FieldKind::Enumeration(words())),
        1 => Just(FieldKind::Boolean),
        1 => Just(FieldKind::Outcome),
        1 => Just(FieldKind::Choice(words())),
        1 => Just(FieldKind::Choice(Vec::new())),
        1 => Just(FieldKind::Test),
        1 => Just(FieldKind::Resource),
        1 => Just(FieldKind::Time),
        1 => Just(FieldKind::Attachment),
    ];
    let field = leaf.prop_map(|kind| Field::new("f", kind));
    field.prop_recursive(3, 8, 3, |inner| {
        let no_set = inner.clone().prop_filter("no set in a set", |field| !matches!(field.kind, FieldKind::Set(_)));
        let kind = prop_oneof![
            (no_set, any::<bool>()).prop_map(|(of, not_empty)| FieldKind::Set(Box::new(SetOptions { of, not_empty }))),
            prop::collection::vec(inner.clone(), 1..3).prop_map(FieldKind::Tuple),
            (inner.clone(), inner)
                .prop_map(|(key, value)| FieldKind::Dictionary(Box::new(DictionaryOptions { key, value }))),
        ];
        kind.prop_map(|kind| Field::new("f", kind))
    })
}

pub(in crate::domain::catalogue) fn text() -> impl Strategy<Value = String> {
    let odd = ["", " ", "\n", " a", "a\n\nb ", "red", "PASS", "a.b", "Odd Id", "é\u{a0}", "/~", "(", "true", "7"];
    prop_oneof![prop::sample::select(odd.to_vec()).prop_map(str::to_owned), "[ -~\n\té]{0,6}"]
}

fn attachment() -> impl Strategy<Value = Attachment> {
    ("[a-z]{1,4}\\.(txt|html|x)", "[ -~]{0,5}", any::<u8>()).prop_map(|(filename, description, size)| Attachment {
        filename,
        mime_type: "text/x-odd".to_owned(),
        description,
        source: Source::Content { sha256: Digest::of(&[size]), size: u64::from(size) },
    })
}

/// Any value at all, of the type that the kind wants.
pub(in crate::domain::catalogue) fn value(kind: &FieldKind) -> BoxedStrategy<Value> {
    match kind {
        FieldKind::Integer => "-?[0-9]{1,30}".prop_map(|digits| Value::Integer(digits.parse().unwrap())).boxed(),
        FieldKind::Text(_) | FieldKind::Choice(_) | FieldKind::Test | FieldKind::Resource => {
            text().prop_map(Value::Text).boxed()
        }
        FieldKind::Enumeration(_) | FieldKind::Boolean | FieldKind::Outcome => text().prop_map(Value::Enumeral).boxed(),
        FieldKind::Time => (MIN_TIME..=MAX_TIME).prop_map(Value::Time).boxed(),
        FieldKind::Set(options) => prop::collection::vec(value(&options.of.kind), 0..3).prop_map(Value::Set).boxed(),
        FieldKind::Tuple(fields) => {
            fields.iter().map(|field| value(&field.kind)).collect::<Vec<_>>().prop_map(Value::Tuple).boxed()
        }
        FieldKind::Dictionary(options) => {
            let pair = (value(&options.key.kind), value(&options.value.kind));
            prop::collection::vec(pair, 0..3).prop_map(Value::Dictionary).boxed()
        }
        FieldKind::Attachment => prop::option::of(attachment()).prop_map(Value::Attachment).boxed(),
        FieldKind::Python => unreachable!(),
    }
}

/// Any value of any type.
pub(in crate::domain::catalogue) fn any_value() -> impl Strategy<Value = Value> {
    field().prop_flat_map(|field| value(&field.kind))
}

/// Plain JSON that is no value of the field by anything but chance.
pub(in crate::domain::catalogue) fn any_json() -> impl Strategy<Value = Json> {
    let odd = [
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(7.0),
        json!(7.5),
        json!(1e17),
        json!(1e19),
        json!(1e30),
        json!("-12345678901234567890"),
        json!("1".repeat(1_001)),
        json!("YES"),
        json!("2026-01-02T03:04:05Z"),
        json!("2026-01-02T03:04:05.25+01:00"),
        json!("2026/1/2 3:04 UTC"),
        json!("2026-01-02T03:04"),
        json!("a\u{1}"),
        json!("a\u{ffff}"),
        json!([]),
        json!({}),
        json!({"text": "Odd Id"}),
        json!({"text": " "}),
        json!({"text": "a", "enumeral": "b"}),
        json!({"enumeral": "mauve"}),
        json!({"time": 7}),
        json!({"time": "7"}),
        json!({"dictionary": [["a", 1]]}),
        json!({"dictionary": [["a"]]}),
        json!({"nope": 1}),
        json!({"attachment": null}),
        json!({"filename": "a/b", "sha256": "0".repeat(64), "size": 1}),
        json!({"filename": "..", "sha256": "0".repeat(64), "size": 1}),
        json!({"filename": "a", "sha256": "0".repeat(64), "size": 1, "mime_type": null}),
        json!({"filename": "a", "sha256": "0".repeat(64), "size": 1, "mime_type": ""}),
        json!({"filename": "a", "sha256": "0", "size": 1}),
        json!({"filename": "a", "sha256": "0".repeat(64), "size": -1}),
        json!({"filename": "a", "size": 1}),
    ];
    let leaf = prop_oneof![prop::sample::select(odd.to_vec()), text().prop_map(Json::String)];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            prop::collection::btree_map(text(), inner, 0..3).prop_map(|members| members.into_iter().collect()),
        ]
    })
}
