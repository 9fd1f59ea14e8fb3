use proptest::prelude::*;
use serde_json::json;

use super::*;

fn record(fields: &[(&str, &str)]) -> Record {
    fields.iter().copied().collect()
}

/// The one record of a text.
fn only(text: &str) -> Record {
    let (mut records, error) = parse_records(text);
    assert_eq!(error, None, "{text:?}");
    assert_eq!(records.len(), 1, "{text:?}");
    records.pop().expect("a record").record
}

#[test]
fn values_are_made_normal() {
    // Each was tried on plainbox 0.38.
    for (text, value) in [
        ("k: a\n .", "a\n."),
        ("k: a\n .\n", "a"),
        ("k: a\n b\n .", "a\nb"),
        ("k: a\r .\r c\r", "a\r.\rc"),
        ("k: a\r\n .\r\n c\r\n", "a\r\n.\r\nc"),
        ("k:\n \tx\n \ty\n", "x\ny"),
        ("k:\n  x\n \ty\n", "x\n\ty"),
        ("k:\n  a\n   .\n  b\n", "a\n\nb"),
        ("k:  a\n   b\n   c\n", "a\n  b\n  c"),
        ("k:\n  a\n  \t b\n  \t c\n  z\n", "a\n\t b\n\t c\nz"),
        ("k:\n   x\r\n  .\r\n   y\r\n", "x\r\n.\r\n y"),
        ("k:\n  x\n .\n .\n .\n  y\n", "x\n\n\n\ny"),
        ("k:\x1fa\n", "a"),
    ] {
        assert_eq!(only(text).get("k"), Some(value), "{text:?}");
    }
}

#[test]
fn fields_know_their_lines() {
    let (records, error) = parse_records("\n# head\na: 1\n# note\n more\nb: 2\n# tail\n\n\nc: 3");
    assert_eq!(error, None);
    let lines: Vec<_> = records.iter().map(|at| (at.first_line, at.last_line, at.field_lines.clone())).collect();
    assert_eq!(lines, [(3, 6, vec![3, 6]), (10, 10, vec![10])]);
}

#[test]
fn reading_goes_on_behind_the_next_blank_line() {
    let text = "a: 1\n\nb: 2\njunk\nmore junk\nc: 3\n\n late\n\nd: 4\nd: 5\n\ne: 6\n";
    let read: Vec<_> = Reader::of_text(text)
        .map(|read| read.map(|located| located.record).map_err(|error| (error.line, error.fault)))
        .collect();
    assert_eq!(
        read,
        [
            Ok(record(&[("a", "1")])),
            Err((4, RecordFault::NoColon)),
            Err((8, RecordFault::ContinuationWithoutKey)),
            Err((11, RecordFault::DuplicateKey)),
            Ok(record(&[("e", "6")])),
        ]
    );
    let (before, error) = parse_records(text);
    assert_eq!((before.len(), error.map(|error| error.line)), (1, Some(4)));
}

#[test]
fn errors_say_what_stands_there() {
    let message = |text| parse_records(text).1.expect("an error").to_string();
    assert!(message("a: 1\n\tb\n").starts_with("line 2: want `name: value`"));
    assert!(message("a: 1\n\n b\n").starts_with("line 3: `b` begins with a space"));
    assert!(message("a: 1\na: 1\n").starts_with("line 2: the record has a field `a` already"));
    assert!(message(&"é".repeat(10_000)).len() < 500);
}

#[test]
fn records_are_equal_in_any_order_and_keep_theirs() {
    let one = record(&[("b", "1"), ("a", "2")]);
    assert_eq!(one, record(&[("a", "2"), ("b", "1")]));
    assert_ne!(one, record(&[("a", "2"), ("b", "2")]));
    assert_ne!(one, record(&[("a", "2"), ("c", "1")]));
    assert_ne!(one, record(&[("a", "2")]));
    let text = serde_json::to_string(&one).expect("JSON");
    assert_eq!(text, r#"{"b":"1","a":"2"}"#);
    let again: Record = serde_json::from_str(&text).expect("a record");
    assert_eq!(again.iter().collect::<Vec<_>>(), [("b", "1"), ("a", "2")]);
    let doubled = record(&[("a", "1"), ("b", "2"), ("a", "3")]);
    assert_eq!(doubled.iter().collect::<Vec<_>>(), [("b", "2"), ("a", "3")]);
    assert_eq!((doubled.get("a"), doubled.get("b"), doubled.get("c")), (Some("3"), Some("2"), None));
    assert!(serde_json::from_value::<Record>(json!({"a": 1})).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read(text in r"([ab.:# \t\n\r\u{c}\u{85}é]|\n )*") {
        let read: Vec<_> = Reader::of_text(&text).collect();
        let mut last = 0;
        for at in read.iter().flatten() {
            prop_assert!(at.first_line > last && at.last_line >= at.first_line);
            prop_assert_eq!(at.record.len(), at.field_lines.len());
            prop_assert!(!at.record.is_empty());
            last = at.last_line;
        }
        let (before, error) = parse_records(&text);
        let good = read.iter().take_while(|read| read.is_ok()).count();
        prop_assert_eq!(before.len(), good);
        prop_assert_eq!(error.as_ref(), read.get(good).and_then(|read| read.as_ref().err()));
    }

    #[test]
    fn an_output_of_whole_lines_is_read_as_their_text(text in r"([ab.:# \t]|\n |\n)*") {
        let (records, error) = records_of_output(text.split_inclusive('\n').map(str::as_bytes));
        let (of_text, text_error) = parse_records(&text);
        prop_assert_eq!(records, of_text.into_iter().map(|located| located.record).collect::<Vec<_>>());
        prop_assert_eq!(error, text_error);
    }

    #[test]
    fn what_is_said_plainly_is_read(fields in prop::collection::btree_map("[a-z-]{1,6}", "([!-~]( ?[!-~]){0,8})?", 1..6)) {
        let lines: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let text = lines.join("\n");
        prop_assert_eq!(only(&text), fields.into_iter().collect::<Record>());
    }
}
