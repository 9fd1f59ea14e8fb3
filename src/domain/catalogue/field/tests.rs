use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::domain::catalogue::golden_classes::{field_of_case, matches, value_of_case};
use crate::domain::golden;

/// QMTest's integers take Python's booleans; here a boolean is a word of an enumeration, which no integer is.
fn is_a_boolean_for_an_integer(case: &Json) -> bool {
    case["given"]["field"]["type"] == "integer" && case["call"]["value"].is_boolean()
}

#[test]
fn golden_fields() {
    let mut seen = 0;
    for case in golden::cases("qmtest/fields.json", "cases") {
        let (name, call, expect) = (&case["name"], &case["call"], &case["expect"]);
        let field = field_of_case(&case["given"]["field"], "f");
        let made = field.check();
        let answer = match call["method"].as_str().unwrap() {
            "FromXml" => continue,
            "ParseText" => made.and_then(|()| field.parse_text(call["value"].as_str().unwrap())).map(Some),
            "Validate" | "RoundTrip" => made
                .and_then(|()| value_of_case(&field.kind, &call["value"]).ok_or(FieldError("no such value".to_owned())))
                .and_then(|value| field.validate(value))
                .map(Some),
            "Default" => made.map(|()| field.default_value()),
            "Properties" => {
                let properties = json!({
                    "name": field.name, "title": field.title(), "hidden": field.hidden, "read_only": field.read_only,
                    "computed": field.computed,
                });
                assert_eq!(properties, expect["result"], "{name}");
                seen += 1;
                continue;
            }
            other => panic!("{name}: {other}"),
        };
        seen += 1;
        match answer {
            _ if is_a_boolean_for_an_integer(&case) => assert!(answer.is_err(), "{name}: {answer:?}"),
            Ok(value) => {
                assert!(expect.get("error").is_none(), "{name}: {value:?}");
                assert!(matches(value.as_ref(), &expect["result"]), "{name}: {value:?}, not {}", expect["result"]);
            }
            Err(error) => assert!(expect.get("error").is_some(), "{name}: {error}"),
        }
    }
    assert!(seen > 0);
}

/// What the spec says in words: a run of line feeds and the spaces around it is one space.
fn trimmed_naively(text: &str) -> String {
    fancy_regex::Regex::new(" *\n+ *").unwrap().replace_all(text, " ").into_owned()
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['a', ' ', '\n', '\r', '\t', 'b']), 0..12)
        .prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #[test]
    fn texts_are_trimmed_as_the_words_say(text in any_text(), verbatim: bool, multiline: bool) {
        let options = TextOptions { multiline, verbatim, ..TextOptions::default() };
        let start = if verbatim { text.as_str() } else { text.trim_start() };
        let want = if multiline { start.to_owned() } else { trimmed_naively(start) };
        let field = Field::new("f", FieldKind::Text(options));
        let once = field.validate(Value::Text(text)).unwrap();
        prop_assert_eq!(&once, &Value::Text(want));
        prop_assert_eq!(field.validate(once.clone()), Ok(once), "canonical");
    }

    #[test]
    fn any_text_of_a_list_is_answered(text in "[\\[\\]'\", a]{0,20}|.{0,20}") {
        let of = Field::new("of", FieldKind::Text(TextOptions::default()));
        let _ = Field::new("f", FieldKind::Set(Box::new(SetOptions { of, not_empty: false }))).parse_text(&text);
    }
}

#[test]
fn a_key_stands_once() {
    let text = || Field::new("", FieldKind::Text(TextOptions::default()));
    let field = Field::new("f", FieldKind::Dictionary(Box::new(DictionaryOptions { key: text(), value: text() })));
    let pair = |key: &str, value: &str| (Value::Text(key.to_owned()), Value::Text(value.to_owned()));
    let value = Value::Dictionary(vec![pair("a", "1"), pair("b", "2"), pair(" a", "3")]);
    assert_eq!(field.validate(value), Ok(Value::Dictionary(vec![pair("a", "3"), pair("b", "2")])));
}

#[test]
fn times_stay_within_the_years_that_can_be_written() {
    let field = Field::new("f", FieldKind::Time);
    assert_eq!(field.validate(Value::Integer(60.into())), Ok(Value::Time(60)));
    for value in [Value::Time(i64::MAX), Value::Time(i64::MIN), Value::Integer("99999999999999999999".parse().unwrap())]
    {
        assert!(field.validate(value).is_err());
    }
}

#[test]
fn fields_do_not_nest_without_end() {
    let mut field = Field::new("f", FieldKind::Integer);
    for _ in 1..MAX_FIELD_DEPTH {
        field = Field::new("f", FieldKind::Tuple(vec![field]));
    }
    assert_eq!(field.check(), Ok(()));
    assert!(Field::new("f", FieldKind::Tuple(vec![field])).check().is_err());
}
