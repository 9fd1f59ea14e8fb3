//! The golden cases of QMTest's label classes, a table of refusals, and how labels, directories and names fit together.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::scheme::{Scheme, thunk};
use super::*;
use crate::domain::golden::cases;

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn refusal(text: &str) -> String {
    text.parse::<Label>().unwrap_err().to_string()
}

fn is_within_bounds(text: &str) -> bool {
    text.len() <= MAX_LABEL_BYTES && text.split('.').count() <= MAX_LABEL_COMPONENTS
}

fn scheme(case: &Value) -> Scheme {
    case["given"]["label_class"].as_str().map_or(Scheme::Dotted, |class| class.parse().expect("a label class"))
}

#[test]
fn golden_label_operations() {
    for case in cases("qmtest/label_operations.json", "cases") {
        let scheme = scheme(&case);
        let arguments = &case["call"]["args"];
        let text = arguments["label"].as_str().unwrap_or_default();
        let expected = &case["expect"]["result"];
        let got = match case["call"]["method"].as_str().expect("method") {
            "JoinLabels" => {
                let labels: Vec<String> = serde_json::from_value(arguments["labels"].clone()).expect("labels");
                json!(scheme.join(&labels))
            }
            "SplitLabel" => json!(scheme.split(text)),
            "SplitLabelLeft" => json!(scheme.split_left(text)),
            "GetLabelComponents" => json!(scheme.components(text)),
            "Thunk" => {
                assert_eq!(thunk(text).is_err(), case["expect"]["error"]["type"] == "ValueError", "{case}");
                thunk(text).map_or(Value::Null, Value::from)
            }
            other => panic!("{other}: {case}"),
        };
        assert_eq!(&got, expected, "{case}");
    }
}

#[test]
fn golden_label_validity() {
    for case in cases("qmtest/label_validity.json", "cases") {
        let arguments = &case["call"]["args"];
        let text = arguments["label"].as_str().expect("label");
        let is_component = arguments["is_component"].as_bool().unwrap_or(true);
        assert_eq!(json!(scheme(&case).is_valid(text, is_component)), case["expect"]["result"], "{case}");
    }
}

/// Of QMTest's dotted path labels, the catalogue refuses those that end in a dot or a newline, and those too long; it
/// takes no others but the root.
#[test]
fn golden_labels_of_the_catalogue() {
    let dotted = |case: &Value| scheme(case) == Scheme::Dotted && case["call"]["args"]["is_component"] == json!(false);
    for case in cases("qmtest/label_validity.json", "cases").into_iter().filter(dotted) {
        let text = case["call"]["args"]["label"].as_str().expect("label");
        let expected = text.is_empty()
            || (case["expect"]["result"] == json!(true) && !text.ends_with(['.', '\n']) && is_within_bounds(text));
        assert_eq!(text.parse::<Label>().is_ok(), expected, "{case}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong_and_where() {
    let table = [
        ("Abc", "`Abc` is no label: there is a capital `A` at character 1; write `abc`"),
        ("a.bC.D", "`a.bC.D` is no label: there is a capital `C` at character 4; write `a.bc.d`"),
        ("a.B ", "`a.B ` is no label: there is a capital `B` at character 3; letters are lower case"),
        (".", "`.` is no label: the root directory is the empty text"),
        (".a", "`.a` is no label: it begins with a dot; leave that out"),
        ("..", "`..` is no label: it begins with a dot; leave that out"),
        ("a.", "`a.` is no label: it ends in a dot; leave that out"),
        ("a..b", "`a..b` is no label: there are two dots in a row at character 3; one stands between components"),
        ("a\n", "`a\\n` is no label: it ends in a line break; leave that out"),
        ("a.b\r\n", "`a.b\\r\\n` is no label: it ends in a line break; leave that out"),
        (
            "a\nb",
            "`a\\nb` is no label: there is `\\n` at character 2; components are of `a-z`, `0-9`, `_` and `-`, with one dot between two",
        ),
        (
            "é/x",
            "`é/x` is no label: there is `é` at character 1; components are of `a-z`, `0-9`, `_` and `-`, with one dot between two",
        ),
        (
            "a'b",
            "`a'b` is no label: there is `'` at character 2; components are of `a-z`, `0-9`, `_` and `-`, with one dot between two",
        ),
    ];
    for (text, message) in table {
        assert_eq!(refusal(text), message);
    }
    assert_eq!(
        refusal(&"é".repeat(300)),
        format!("`{}…` is no label: it has 600 bytes, and 512 are the most", "é".repeat(80))
    );
}

#[test]
fn a_label_has_a_longest_and_a_deepest() {
    assert!("a".repeat(MAX_LABEL_BYTES).parse::<Label>().is_ok());
    assert!(refusal(&"a".repeat(MAX_LABEL_BYTES + 1)).contains("it has 513 bytes, and 512 are the most"));
    assert!(vec!["a"; MAX_LABEL_COMPONENTS].join(".").parse::<Label>().is_ok());
    assert!(refusal(&vec!["a"; 65].join(".")).contains("it has 65 components, and 64 are the most"));
}

#[test]
fn a_child_has_a_name_of_one_component() {
    assert_eq!(Label::root().child("a").unwrap(), label("a"));
    assert_eq!(label("a").child("b-1").unwrap(), label("a.b-1"));
    let refused = |directory: &str, name: &str| label(directory).child(name).unwrap_err().to_string();
    assert_eq!(refused("a", ""), "a name in the directory `a` is needed, and this one is empty");
    assert!(refused("a", "b.c").contains("`b.c` is no name of one component: it has a dot at character 2"));
    assert!(refused("a", "B").contains("write `b`"));
    assert!(refused(&"a".repeat(MAX_LABEL_BYTES), "b").contains("it has 514 bytes"));
}

#[test]
fn below_is_by_directory_and_not_by_prefix() {
    assert!(label("lang.c").is_below(&label("lang")));
    assert!(!label("language.c").is_below(&label("lang")));
    assert!(!label("lang-c").is_below(&label("lang")));
    assert!(!label("lang").is_below(&label("lang")));
    assert!(label("lang").is_below(&Label::root()));
    assert!(!Label::root().is_below(&Label::root()));
}

#[test]
fn ancestors_go_from_the_nearest_to_the_root() {
    let above: Vec<String> = label("a.b.c").ancestors().map(String::from).collect();
    assert_eq!(above, ["a.b", "a", ""]);
    assert_eq!(Label::root().ancestors().count(), 0);
    assert_eq!((Label::root().directory(), Label::root().name()), (Label::root(), ""));
}

#[test]
fn labels_are_in_the_order_of_bytes() {
    let mut labels = ["a_b", "a0", "a.b", "a-b", "a", ""].map(label);
    labels.sort();
    assert_eq!(labels.map(String::from), ["", "a", "a-b", "a.b", "a0", "a_b"]);
}

#[test]
fn a_label_is_checked_when_it_is_read_from_json() {
    assert_eq!(serde_json::from_value::<Label>(json!("a.b")).unwrap(), label("a.b"));
    assert_eq!(serde_json::to_value(label("a.b")).unwrap(), json!("a.b"));
    let error = serde_json::from_value::<Label>(json!("a.B")).unwrap_err().to_string();
    assert!(error.contains("write `a.b`"), "{error}");
}

/// Texts that are nearly labels.
fn nearly() -> impl Strategy<Value = String> {
    prop_oneof!["[a-b.]{0,8}", "[a-zA-Z0-9_.\n é/-]{0,12}", any::<String>()]
}

fn some_label() -> impl Strategy<Value = Label> {
    prop::collection::vec("[ab-]{1,2}", 0..5).prop_map(|components| label(&components.join(".")))
}

proptest! {
    #[test]
    fn a_label_is_what_qmtest_takes_under_one_name(text in nearly()) {
        let one_name = text.is_empty()
            || (Scheme::Dotted.is_valid(&text, false) && !text.ends_with(['.', '\n']));
        prop_assume!(is_within_bounds(&text));
        prop_assert_eq!(text.parse::<Label>().is_ok(), one_name);
    }

    #[test]
    fn directory_and_name_make_the_label_again(label in some_label()) {
        let directory = label.directory();
        prop_assert_eq!(Scheme::Dotted.split(label.as_str()), (directory.as_str(), label.name()));
        if !label.is_root() {
            prop_assert_eq!(directory.child(label.name()).unwrap(), label.clone());
        }
        let components: Vec<&str> = label.as_str().split('.').filter(|component| !component.is_empty()).collect();
        prop_assert_eq!(Scheme::Dotted.components(label.as_str()), components);
    }

    #[test]
    fn a_label_is_below_its_ancestors_and_nothing_else(label in some_label(), other in some_label()) {
        let above: Vec<Label> = label.ancestors().collect();
        prop_assert_eq!(label.is_below(&other), above.contains(&other));
        prop_assert_eq!(above.last().is_some_and(Label::is_root), !label.is_root());
    }

    #[test]
    fn schemes_take_any_text(text in nearly()) {
        for scheme in [Scheme::Dotted, Scheme::Path] {
            let (first, rest) = scheme.split_left(&text);
            prop_assert!(text.starts_with(first) && text.ends_with(rest));
            let (directory, name) = scheme.split(&text);
            prop_assert!(text.starts_with(directory) && text.ends_with(name) && !name.contains(scheme.separator()));
            if scheme.is_valid(&text, true) {
                prop_assert!(scheme.is_valid(&text, false));
                let one: Vec<&str> = Some(text.as_str()).filter(|text| !text.is_empty()).into_iter().collect();
                prop_assert_eq!(scheme.components(&text), one);
            }
        }
    }

    #[test]
    fn what_thunk_makes_is_a_component(text in nearly()) {
        if let Ok(made) = thunk(&text) {
            prop_assert!(Scheme::Dotted.is_valid(&made, true));
            prop_assert_eq!(thunk(&made), Ok(made));
        }
    }
}
