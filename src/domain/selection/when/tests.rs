use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(when: &str) -> Result<Outcome, CheckError> {
    let parameters = [("cpus", json!(4)), ("kind", json!("opt")), ("on", json!(true)), ("none", json!(null))];
    let around = Surroundings {
        platforms: &["linux".to_owned()],
        testname: Some("spam"),
        options: &["opt".to_owned(), "4".to_owned(), "spam".to_owned(), "True".to_owned()],
        keywords: &["Fast".to_owned()],
        parameters: &parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    Condition::parse(when).unwrap_or_else(|error| panic!("{when}: {error}")).check(&around)
}

#[test]
fn pairs_may_stand_close_or_apart() {
    for when in ["", "  ", " platforms = linux  options\t= 'opt' ", "platform=linux\noption=opt", "name='''spam'''"] {
        assert_eq!(check(when), Ok(Outcome::Active), "{when}");
    }
}

#[test]
fn a_fault_is_told_before_anything_is_checked() {
    for (when, message) in [
        (
            "colour=red",
            "`colour` is not a part of a condition: want one of platforms, testname, options, keywords, parameters",
        ),
        (
            "keyword=a",
            "`keyword` is not a part of a condition: want one of platforms, testname, options, keywords, parameters",
        ),
        ("platform=a platforms=b", "at character 12: `platforms` is there already"),
        ("platforms linux", "at character 11: want `=` and the part's expression; there is `l`"),
        ("platforms==linux", "at character 11: want a word, or an expression in quotes that are closed; there is `=`"),
        ("options='a", "at character 9: want a word, or an expression in quotes that are closed; there is `'`"),
        ("3=a", "at character 1: want the name of a part, as in `platforms=linux`; there is `3`"),
        (
            "platforms=darwin options='a b'",
            "in `options`, at character 3: want `and`, `or` or the end; there is another word",
        ),
    ] {
        assert_eq!(Condition::parse(when).unwrap_err().to_string(), message, "{when}");
    }
}

#[test]
fn a_map_names_parts_in_full_and_holds_texts() {
    let of = |value: Value| Condition::from_map(value.as_object().unwrap());
    assert!(of(json!({"platforms": "linux", "keywords": null})).is_ok());
    let error = of(json!({"platform": "linux"})).unwrap_err();
    assert!(matches!(error, InvalidCondition::UnknownPart(UnknownWord { word, .. }) if word == "platform"));
    let error = of(json!({"options": ["a"]})).unwrap_err();
    assert_eq!(error, InvalidCondition::NoText(Part::Options, parameter::ValueKind::List));
}

#[test]
fn any_among_the_platforms_makes_each_name_hold() {
    let platforms = ["any".to_owned()];
    let none = BTreeMap::new();
    let around = Surroundings { platforms: &platforms, testname: None, options: &[], keywords: &[], parameters: &none };
    let check = |when| Condition::parse(when).unwrap().check(&around).unwrap();
    assert_eq!(check("platforms='darwin and win*'"), Outcome::Active);
    assert_eq!(check("platforms='not darwin'"), Outcome::Failed(Part::Platforms));
    assert_eq!(check("platforms=''"), Outcome::Failed(Part::Platforms));
}

#[test]
fn values_are_filled_in() {
    for when in [
        "options='$kind and ${cpus}'",
        "options='$CPUS'",
        "options='{kind} and {CPUS} and {on}'",
        "options='{testname}' testname='$name'",
        "options='not $none'",
        "parameters='cpus={cpus} and kind={kind}'",
        "parameters='cpus=$cpus'",
    ] {
        assert_eq!(check(when), Ok(Outcome::Active), "{when}");
    }
    for (when, message) in [
        ("options='{nosuch}'", "in `options`, there is no parameter `nosuch` to fill in"),
        (
            "options='a {} b'",
            "in `options`, a brace at character 3 begins or ends no `{name}`; write `{{` or `}}` for a brace",
        ),
        (
            "options='é }'",
            "in `options`, a brace at character 3 begins or ends no `{name}`; write `{{` or `}}` for a brace",
        ),
        (
            "options='a or $nosuch'",
            "in `options`, after values were filled in, at character 6: want a keyword, `not` or `(`; there is `$`",
        ),
        (
            "options='$$'",
            "in `options`, after values were filled in, at character 1: want a keyword, `not` or `(`; there is `$`",
        ),
    ] {
        assert_eq!(check(when).unwrap_err().to_string(), message, "{when}");
    }
}

#[test]
fn filling_in_is_bounded() {
    let parameters = BTreeMap::from([("a".to_owned(), json!("b".repeat(60_000)))]);
    let around = Surroundings { platforms: &[], testname: None, options: &[], keywords: &[], parameters: &parameters };
    for text in ["$a ", "{a} "] {
        let condition = Condition::parse(&format!("options='{}'", text.repeat(10_000))).unwrap();
        assert_eq!(condition.check(&around), Err(CheckError::Template(Part::Options, TemplateError::TooLong)));
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(when in "((platforms?|name|options|parameters|x) ?=? ?('[a-c$ {}=]{0,6}'|[a-c]{0,3}|\"a) ?){0,3}|.{0,20}") {
        match Condition::parse(&when) {
            Ok(condition) => {
                let none = BTreeMap::new();
                let around =
                    Surroundings { platforms: &[], testname: Some("a"), options: &[], keywords: &[], parameters: &none };
                let _ = condition.check(&around);
            }
            Err(InvalidCondition::Syntax(error)) => {
                prop_assert!((1..=when.chars().count() + 1).contains(&error.column), "{}", error);
            }
            Err(_) => {}
        }
    }
}
