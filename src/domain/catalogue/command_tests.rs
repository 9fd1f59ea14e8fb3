use proptest::prelude::*;

use super::*;
use crate::domain::catalogue::class::{ClassKind, Execution};
use crate::domain::catalogue::field::{SetOptions, TextOptions};

fn template(argv: &[&str]) -> CommandTemplate {
    CommandTemplate {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        stdin: None,
        environment: BTreeMap::new(),
        exit_code: 0,
        timeout_s: None,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn arguments() -> BTreeMap<String, Value> {
    let tags = Value::Set(vec![text("a b"), text("{c}")]);
    let pair = Value::Tuple(vec![text("x")]);
    [
        ("name", text("it's {x}")),
        ("count", Value::Integer(7.into())),
        ("on", Value::Enumeral("true".to_owned())),
        ("when", Value::Time(0)),
        ("tags", tags),
        ("none", Value::Set(Vec::new())),
        ("pair", pair),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[test]
fn places_are_filled_in_once() {
    let template = CommandTemplate {
        stdin: Some("{{{name}}}".to_owned()),
        environment: BTreeMap::from([("N".to_owned(), "<{count}>".to_owned())]),
        exit_code: 3,
        timeout_s: Some(9),
        ..template(&["run", "--name={name}", "{tags}", "{none}", "{on}{count}", "{when}", "{{}}"])
    };
    let rendered = template.render(&arguments()).unwrap();
    let argv = ["run", "--name=it's {x}", "a b", "{c}", "true7", "1970-01-01T00:00:00Z", "{}"];
    assert_eq!(rendered.argv, argv);
    assert_eq!(rendered.stdin.as_deref(), Some("{it's {x}}"));
    assert_eq!(rendered.environment, BTreeMap::from([("N".to_owned(), "<7>".to_owned())]));
    assert_eq!((rendered.exit_code, rendered.timeout_s), (3, Some(9)));
}

#[test]
fn what_cannot_be_filled_in_is_refused() {
    for argv in
        [&["{nope}"][..], &["x", "-{tags}"], &["x", "{pair}"], &["{none}"], &[""], &[], &["x", "{"], &["x", "a}"]]
    {
        assert!(template(argv).render(&arguments()).is_err(), "{argv:?}");
    }
    let many = "{name}".repeat(40_000);
    let large = BTreeMap::from([("name".to_owned(), text(&"x".repeat(200_000)))]);
    let error = template(&["x", &many]).render(&large).unwrap_err();
    assert!(error.0.contains("larger"), "{error}");
}

fn class(execution: CommandTemplate) -> Class {
    let plain = || FieldKind::Text(TextOptions::default());
    let tags = SetOptions { of: Field::new("", plain()), not_empty: false };
    Class {
        name: "lab.Test".to_owned(),
        kind: ClassKind::Test,
        description: String::new(),
        fields: Some(vec![
            Field::new("name", plain()),
            Field::new("tags", FieldKind::Set(Box::new(tags))),
            Field::new("pair", FieldKind::Tuple(vec![Field::new("", plain())])),
            Field::new("file", FieldKind::Attachment),
        ]),
        execution: Execution::Command(execution),
    }
}

#[test]
fn a_template_names_fields_that_have_a_text() {
    let good = CommandTemplate {
        stdin: Some("{name}{target_group}".to_owned()),
        timeout_s: Some(1),
        ..template(&["{name}", "{tags}", "{resources}", "{{}}"])
    };
    assert_eq!(class(good).check(), Ok(()));
    let with_environment = |name: &str, value: &str| CommandTemplate {
        environment: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..template(&["x"])
    };
    for (template, pointer) in [
        (template(&[]), "/argv"),
        (template(&["", "x"]), "/argv"),
        (template(&["x", "{nope}"]), "/argv/1"),
        (template(&["x", "-{tags}"]), "/argv/1"),
        (template(&["x", "{pair}"]), "/argv/1"),
        (template(&["x", "{prerequisites}"]), "/argv/1"),
        (template(&["x", "{file}"]), "/argv/1"),
        (template(&["x", "{"]), "/argv/1"),
        (template(&["x", "{}"]), "/argv/1"),
        (template(&["x", "\0"]), "/argv/1"),
        (template(&["x"; MAX_COMMAND_WORDS + 1]), "/argv"),
        (CommandTemplate { stdin: Some("{tags}".to_owned()), ..template(&["x"]) }, "/stdin"),
        (CommandTemplate { timeout_s: Some(0), ..template(&["x"]) }, "/timeout_s"),
        (CommandTemplate { timeout_s: Some(MAX_TIMEOUT_S + 1), ..template(&["x"]) }, "/timeout_s"),
        (with_environment("A", "{tags}"), "/environment/A"),
        (with_environment("A=B", "x"), "/environment/A=B"),
        (with_environment("", "x"), "/environment/"),
    ] {
        let faults = class(template).check().expect_err(pointer);
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, [format!("/execution/command{pointer}")], "{faults:?}");
    }
}

proptest! {
    #[test]
    fn what_is_checked_can_be_rendered(word in "[{}a-z]{0,12}|(\\{(name|tags|pair)\\}|x|\\{\\{|\\}\\}){0,4}") {
        let class = class(template(&["x", &word]));
        let values = class.instantiate(&BTreeMap::new(), 0);
        let Execution::Command(template) = &class.execution else { unreachable!() };
        // An empty list of tags would hide that it stands inside a word.
        let is_inside = word.contains("{tags}") && word != "{tags}";
        prop_assert_eq!(class.check().is_ok(), template.render(&values).is_ok() && !is_inside);
    }
}
