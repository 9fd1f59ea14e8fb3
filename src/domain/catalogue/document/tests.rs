use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::strategies::{any_json, any_value, field, text, value};
use super::*;
use crate::domain::catalogue::class::{Class, ClassKind, CommandTemplate, Execution};
use crate::domain::catalogue::field::{Field, FieldKind, TextOptions};
use crate::domain::catalogue::golden_classes::classes;
use crate::domain::catalogue::item::{About, EXPLICIT_SUITE, Expectation, Extension, ItemKind, Suite};
use crate::domain::catalogue::limits::{MAX_DIGITS, MAX_ENTRIES, MAX_KEYWORDS, MAX_PATTERN};
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::catalogue::value::{Attachment, Source, Value};
use crate::domain::digest::Digest;
use crate::domain::fault::MAX_FAULTS;
use crate::domain::words::Word as _;

fn lab(fields: Option<Vec<Field>>) -> Class {
    Class {
        name: "lab.Test".to_owned(),
        kind: ClassKind::Test,
        description: String::new(),
        fields,
        execution: Execution::Runner("lab".to_owned()),
    }
}

/// All the classes, and `lab.Test` with these fields.
fn with_lab(fields: Option<Vec<Field>>) -> Classes {
    let mut classes = classes();
    classes.insert(lab(fields));
    classes
}

fn about() -> impl Strategy<Value = About> {
    let line = || "[!-~é]{1,6}";
    let file = |(size, description): (u8, String)| Attachment {
        filename: String::new(),
        mime_type: "text/plain".to_owned(),
        description,
        source: Source::Content { sha256: Digest::of(&[size]), size: u64::from(size) },
    };
    let files = prop::collection::btree_map("[a-z/~]{1,3}\\.txt", (any::<u8>(), text()).prop_map(file), 0..3);
    (prop::collection::btree_set(line(), 0..3), prop::option::of(line()), prop::option::of(text()), files).prop_map(
        |(keywords, owner, description, files)| {
            let named = |(name, file): (String, Attachment)| {
                let name = name.replace('/', "_");
                (name.clone(), Attachment { filename: name, ..file })
            };
            About { keywords, owner, description, attachments: files.into_iter().map(named).collect() }
        },
    )
}

/// A field and a value that it takes from a QMTest database.
fn field_and_value() -> impl Strategy<Value = (Field, Value)> {
    let pair = field().prop_flat_map(|field| {
        let value = value(&field.kind);
        (Just(field), value)
    });
    pair.prop_filter_map("none of the field's", |(field, value)| Some((field.clone(), field.validate(value).ok()?)))
}

/// What every test has, each stated or not.
fn common() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let fields: Vec<_> = ClassKind::Test.common_fields().iter().collect();
    let values: Vec<_> = fields.iter().map(|field| prop::option::of(value(&field.kind))).collect();
    values.prop_map(move |values| {
        let stated = fields
            .iter()
            .zip(values)
            .filter_map(|(field, value)| Some((field.name.clone(), field.validate(value?).ok()?)));
        stated.collect()
    })
}

proptest! {
    #[test]
    fn a_test_that_is_written_is_read_back(
        (field, value) in field_and_value(), common in common(), about in about()
    ) {
        let classes = with_lab(Some(vec![field]));
        let mut arguments = common;
        arguments.insert("f".to_owned(), value);
        let item = Item::Test(Extension { class: "lab.Test".to_owned(), arguments, about });
        prop_assert_eq!(read(ItemKind::Test, &write(&item, &classes), &classes), Ok(item));
    }

    #[test]
    fn a_test_of_an_unknown_class_is_read_back(value in any_value(), common in common()) {
        let classes = with_lab(None);
        let mut arguments = common;
        arguments.insert("f".to_owned(), value);
        let item = Item::Test(Extension { class: "lab.Test".to_owned(), arguments, about: About::default() });
        prop_assert_eq!(read(ItemKind::Test, &write(&item, &classes), &classes), Ok(item));
    }

    #[test]
    fn a_class_that_is_written_is_read_back((field, default) in field_and_value(), hidden: bool) {
        let default = Some(default).filter(|default| field.names(default) && *default != Value::Attachment(None));
        let class = lab(Some(vec![Field { default, hidden, title: Some("T".to_owned()), ..field }]));
        prop_assert_eq!(class.check(), Ok(()));
        let item = Item::Class(class);
        prop_assert_eq!(read(ItemKind::Class, &write(&item, &classes()), &classes()), Ok(item));
    }

    #[test]
    fn a_suite_that_is_written_is_read_back(
        test_ids in prop::collection::vec(text(), 0..3), suite_ids in prop::collection::vec(text(), 0..3),
        implicit: bool, about in about(),
    ) {
        let item = Item::Suite(Suite { class: EXPLICIT_SUITE.to_owned(), test_ids, suite_ids, implicit, about });
        prop_assert_eq!(read(ItemKind::Suite, &write(&item, &classes()), &classes()), Ok(item));
    }

    #[test]
    fn any_document_is_answered_and_what_is_read_is_read_again(odd in any_json(), kind in 0..6_usize) {
        let classes = with_lab(None);
        for document in [odd.clone(), json!({"class": "lab.Test", "arguments": {"f": odd}})] {
            match read(ItemKind::ALL[kind], &document, &classes) {
                Ok(item) => prop_assert_eq!(read(ItemKind::ALL[kind], &write(&item, &classes), &classes), Ok(item)),
                Err(faults) => prop_assert!(!faults.is_empty()),
            }
        }
    }
}

#[test]
fn small_items_are_written_and_read_back() {
    let expectation = Expectation { outcome: Outcome::Fail, cause: Some("bug 7".to_owned()) };
    for item in [
        Item::Directory,
        Item::Expectation(expectation.clone()),
        Item::Expectation(Expectation { cause: None, ..expectation }),
        Item::Class(lab(None)),
        Item::Class(Class {
            execution: Execution::Command(CommandTemplate {
                argv: vec!["x".to_owned(), "{target_group}".to_owned()],
                stdin: Some("s".to_owned()),
                environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
                exit_code: -1,
                timeout_s: Some(5),
            }),
            description: "D.".to_owned(),
            ..lab(Some(Vec::new()))
        }),
    ] {
        let document = write(&item, &classes());
        assert_eq!(read(item.kind(), &document, &classes()), Ok(item), "{document}");
    }
}

#[test]
fn a_test_is_written_as_people_write_it() {
    let document = json!({
        "class": "scripted.FieldsTest",
        "arguments": {
            "number": 7, "line": "one", "block": "a\nb", "colour": "red", "flag": true, "tags": ["b", "a"],
            "pair": ["k", 1], "pairs": [["k", 1]], "table": {"a": 1, "b": 2}, "when": "2026-01-02T03:04:00Z",
        },
        "prerequisites": [{"test": "a.b", "outcome": "PASS"}],
        "resources": ["db"],
        "target_group": "linux.*",
        "keywords": ["fs", "slow"],
        "owner": "kim",
        "description": "What it is.",
        "attachments": {"a.txt": {"mime_type": "text/plain", "sha256": "0".repeat(64), "size": 3}},
    });
    let item = read(ItemKind::Test, &document, &classes()).unwrap();
    assert_eq!(write(&item, &classes()), document);
    let Item::Test(test) = item else { panic!() };
    assert_eq!(test.prerequisites(), [("a.b", "PASS")]);
    assert_eq!(test.resources(), ["db"]);
    assert_eq!(test.target_group(), "linux.*");
    assert_eq!(test.arguments.get("when"), Some(&Value::Time(1_767_323_040)));
    assert_eq!(test.about.keywords, BTreeSet::from(["fs".to_owned(), "slow".to_owned()]));
}

#[test]
fn other_forms_of_a_value_are_taken() {
    for (argument, given, canonical) in [
        ("number", json!("7"), json!(7)),
        ("number", json!(7.0), json!(7)),
        ("number", json!("-99999999999999999999"), json!("-99999999999999999999")),
        ("flag", json!("Off"), json!(false)),
        ("when", json!(0), json!("1970-01-01T00:00:00Z")),
        ("when", json!("1970-01-02 00:00 UTC"), json!("1970-01-02T00:00:00Z")),
        ("when", json!("1970-01-02T01:00:00.5+01:00"), json!("1970-01-02T00:00:00Z")),
        ("table", json!([["b", 1], ["a", 2]]), json!([["b", 1], ["a", 2]])),
        ("colour", json!({"enumeral": "mauve"}), json!({"enumeral": "mauve"})),
        ("colour", json!({"enumeral": "red"}), json!("red")),
        ("line", json!("  a\nb"), json!("a b")),
    ] {
        let document = json!({"class": "scripted.FieldsTest", "arguments": {argument: given}});
        let item = read(ItemKind::Test, &document, &classes()).unwrap();
        assert_eq!(write(&item, &classes())["arguments"][argument], canonical, "{document}");
    }
    let document = json!({"class": "command.ExecTest", "prerequisites": [{"test": "a"}]});
    let item = read(ItemKind::Test, &document, &classes()).unwrap();
    assert_eq!(write(&item, &classes())["prerequisites"], json!([{"test": "a", "outcome": "PASS"}]));
}

/// The pointers of the faults of a document, and their words.
fn faults(kind: ItemKind, document: &Json) -> Vec<(String, String)> {
    let faults = read(kind, document, &classes()).expect_err(&document.to_string());
    faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}

#[test]
fn all_faults_come_at_once_each_with_its_place() {
    let document = json!({
        "class": "scripted.FieldsTest",
        "argument": {},
        "arguments": {
            "number": "x", "colour": "gren", "flag": 1, "tags": ["a", 1, "\0"], "pair": ["k"], "table": {"a/b~": "x"},
            "when": "soon", "must": " ", "lines": "x", "resources": [], "line": null,
        },
        "prerequisites": [{"test": "a", "outcome": "pass"}, {"outcome": "PASS"}, {"test": ""}, "a"],
        "resources": "db",
        "target_group": "(",
        "keywords": ["", "a\nb", 7],
        "owner": " ",
        "attachments": {"../a": {"sha256": "0", "size": -1, "extra": 1}},
    });
    let found = faults(ItemKind::Test, &document);
    let pointers: BTreeSet<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let expected = [
        "/argument",
        "/arguments/number",
        "/arguments/colour",
        "/arguments/flag",
        "/arguments/tags/1",
        "/arguments/tags/2",
        "/arguments/pair",
        "/arguments/table/a~1b~0",
        "/arguments/when",
        "/arguments/must",
        "/arguments/lines",
        "/arguments/resources",
        "/arguments/line",
        "/prerequisites/0/outcome",
        "/prerequisites/1/test",
        "/prerequisites/2/test",
        "/prerequisites/3",
        "/resources",
        "/target_group",
        "/keywords/0",
        "/keywords/1",
        "/keywords/2",
        "/owner",
        "/attachments/..~1a",
        "/attachments/..~1a/sha256",
        "/attachments/..~1a/size",
        "/attachments/..~1a/extra",
    ];
    assert_eq!(pointers, BTreeSet::from(expected));
    assert_eq!(found.len(), expected.len());
    let detail = |pointer: &str| &found.iter().find(|(at, _)| at == pointer).unwrap().1;
    assert!(detail("/argument").contains("did you mean `arguments`?"));
    assert!(detail("/arguments/colour").contains("did you mean `green`?"));
    assert!(detail("/arguments/lines").contains("did you mean `line`?"));
    assert!(detail("/arguments/resources").contains("beside"));
}

#[test]
fn every_refusal_of_a_small_document_has_its_place() {
    let many = |count: usize| vec![json!("a"); count];
    let keywords: Vec<String> = (0..=MAX_KEYWORDS).map(|index| format!("k{index}")).collect();
    for (kind, document, pointer) in [
        (ItemKind::Test, json!(7), ""),
        (ItemKind::Test, json!({}), "/class"),
        (ItemKind::Test, json!({"class": "nope.Nope"}), "/class"),
        (ItemKind::Test, json!({"class": "temporary.TempDirectoryResource"}), "/class"),
        (ItemKind::Test, json!({"class": "command.ExecTest", "arguments": []}), "/arguments"),
        (ItemKind::Test, json!({"class": "command.ExecTest", "keywords": keywords}), "/keywords"),
        (ItemKind::Test, json!({"class": "command.ExecTest", "resources": many(MAX_ENTRIES + 1)}), "/resources"),
        (
            ItemKind::Test,
            json!({"class": "command.ExecTest", "target_group": "a".repeat(MAX_PATTERN + 1)}),
            "/target_group",
        ),
        (ItemKind::Test, json!({"class": "command.ExecTest", "target_group": {"nope": "a"}}), "/target_group"),
        (
            ItemKind::Test,
            json!({"class": "command.ExecTest", "arguments": {"exit_code": "1".repeat(MAX_DIGITS + 1)}}),
            "/arguments/exit_code",
        ),
        (
            ItemKind::Test,
            json!({"class": "scripted.ComputedTest", "arguments": {"derived": "x"}}),
            "/arguments/derived",
        ),
        (
            ItemKind::Resource,
            json!({"class": "temporary.TempDirectoryResource", "prerequisites": []}),
            "/prerequisites",
        ),
        (ItemKind::Resource, json!({"class": "command.ExecTest"}), "/class"),
        (ItemKind::Suite, json!({"class": "command.ExecTest"}), "/class"),
        (ItemKind::Suite, json!({"test_ids": [""]}), "/test_ids/0"),
        (ItemKind::Suite, json!({"test_ids": ["Odd Id"]}), "/test_ids/0"),
        (
            ItemKind::Test,
            json!({"class": "command.ExecTest", "prerequisites": [{"test": "a."}]}),
            "/prerequisites/0/test",
        ),
        (ItemKind::Test, json!({"class": "command.ExecTest", "resources": ["a b"]}), "/resources/0"),
        (ItemKind::Suite, json!({"test_ids": [{"integer": "1"}]}), "/test_ids/0"),
        (ItemKind::Suite, json!({"suite_ids": 7}), "/suite_ids"),
        (ItemKind::Suite, json!({"implicit": "yes"}), "/implicit"),
        (ItemKind::Directory, json!({"a": 1}), "/a"),
        (ItemKind::Expectation, json!({}), "/outcome"),
        (ItemKind::Expectation, json!({"outcome": "fail"}), "/outcome"),
        (ItemKind::Expectation, json!({"outcome": "FAIL", "cause": "\0"}), "/cause"),
        (ItemKind::Class, json!({"of": "nope", "execution": {"runner": "lab"}}), "/of"),
        (ItemKind::Class, json!({"of": "suite", "execution": {"runner": "lab"}}), "/of"),
        (ItemKind::Class, json!({"of": "test"}), "/execution"),
        (ItemKind::Class, json!({"of": "test", "execution": {"runner": "lab", "builtin": "x"}}), "/execution"),
        (ItemKind::Class, json!({"of": "test", "fields": [], "execution": {"command": {}}}), "/execution/command/argv"),
        (
            ItemKind::Class,
            json!({"of": "test", "fields": [], "execution": {"command": {"argv": ["x"], "timeout_s": -1}}}),
            "/execution/command/timeout_s",
        ),
        (ItemKind::Class, json!({"of": "test", "fields": [{}], "execution": {"runner": "lab"}}), "/fields/0/type"),
        (
            ItemKind::Class,
            json!({"of": "test", "fields": [{"type": "text"}], "execution": {"runner": "lab"}}),
            "/fields/0/name",
        ),
        (
            ItemKind::Class,
            json!({"of": "test", "fields": [{"name": "a", "type": "set"}], "execution": {"runner": "lab"}}),
            "/fields/0/of",
        ),
        (
            ItemKind::Class,
            json!({"of": "test", "fields": [{"name": "a", "type": "text", "values": []}], "execution": {"runner": "lab"}}),
            "/fields/0/values",
        ),
        (
            ItemKind::Class,
            json!({
                "of": "test",
                "fields": [{"name": "a", "type": "enumeration", "values": ["x"], "default": "y"}],
                "execution": {"runner": "lab"},
            }),
            "/fields/0/default",
        ),
    ] {
        let found = faults(kind, &document);
        assert_eq!(found.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(), [pointer], "{found:?}");
    }
}

#[test]
fn a_class_reads_as_people_write_it() {
    let document = json!({
        "of": "test",
        "fields": [
            {"name": "count", "type": "integer", "default": 3},
            {"name": "mode", "type": "enumeration", "values": ["a", "b"], "default": "b"},
            {"name": "tags", "type": "set", "of": {"type": "text"}, "not_empty": true},
            {"name": "on", "type": "boolean", "default": false},
        ],
        "execution": {"command": {"argv": ["run", "{count}", "{tags}"]}},
    });
    let Item::Class(class) = read(ItemKind::Class, &document, &classes()).unwrap() else { panic!() };
    assert_eq!(class.name, "");
    assert_eq!(class.field("count").unwrap().default_value(), Some(Value::Integer(3.into())));
    assert_eq!(class.field("mode").unwrap().default_value(), Some(Value::Enumeral("b".to_owned())));
    assert_eq!(class.field("on").unwrap().default_value(), Some(Value::Enumeral("false".to_owned())));
    assert_eq!(Class { name: "lab.Test".to_owned(), ..class }.check(), Ok(()));
}

#[test]
fn no_document_is_too_deep_and_no_list_of_faults_too_long() {
    let mut deep = json!([]);
    for _ in 0..120 {
        deep = json!([deep]);
    }
    assert_eq!(faults(ItemKind::Test, &deep)[0].0, "");
    let found = faults(ItemKind::Suite, &json!({"test_ids": vec![7; 1_000]}));
    assert_eq!(found.len(), MAX_FAULTS);
    let found = faults(ItemKind::Suite, &json!({"attachments": {"a".repeat(1_000_000): {}}}));
    assert!(found.iter().all(|(pointer, _)| pointer == "/attachments"), "a pointer of a megabyte helps nobody");
    let unknown: Json = (0..10_000).map(|index| (format!("{}{index}", "n".repeat(60)), json!(1))).collect();
    assert_eq!(
        faults(ItemKind::Test, &json!({"class": "scripted.FieldsTest", "arguments": unknown})).len(),
        MAX_FAULTS
    );
    for pattern in ["(".repeat(MAX_PATTERN), "(a*)*".repeat(200), "a{999}".repeat(100), "((a{99}){99}){99}".to_owned()]
    {
        let _ = read(ItemKind::Test, &json!({"class": "command.ExecTest", "target_group": pattern}), &classes());
    }
}

#[test]
fn texts_of_a_verbatim_field_keep_their_blanks() {
    let options = TextOptions { verbatim: true, multiline: true, ..TextOptions::default() };
    let classes = with_lab(Some(vec![Field::new("f", FieldKind::Text(options))]));
    let document = json!({"class": "lab.Test", "arguments": {"f": " a\r\n\tb \n"}});
    let item = read(ItemKind::Test, &document, &classes).unwrap();
    assert_eq!(write(&item, &classes), document);
}
