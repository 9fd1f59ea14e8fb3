//! Reads the body of a callback, which is not always JSON.
//!
//! Build callbacks have been seen with the illegal escape `\'` inside strings (commit subjects with apostrophes in
//! `git_short_log`), and older callbacks are a JSON string that holds the JSON. Strict reading always comes first, so
//! that legal JSON keeps its meaning: a repair that looks for `\'` by pattern breaks the legal `\\'`. Nothing else is
//! guessed. A signature is over the bytes as they came: verify before reading.

use serde_json::Value;

/// What had to be done before a body could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// The body was a JSON string; what it held was read.
    pub unwrapped: bool,
    /// How many `\'` were read as `'`.
    pub apostrophes: usize,
}

impl Repair {
    /// Whether the body was JSON as it stood.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not text.
    #[error("the body is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// The first byte that is wrong, counted from 0.
        at: usize,
    },
    /// It is not JSON, repaired or not.
    #[error("the body is not JSON: {message}")]
    NotJson {
        /// What strict reading stumbled over, with line and column.
        message: String,
    },
}

/// Reads a callback's body: strictly, and only where that fails with each `\'` inside a string taken for `'`. A JSON
/// string that holds an object or a list is opened, once.
///
/// # Errors
///
/// Bytes that are not UTF-8, what is not JSON even then, and nesting deeper than 128.
pub fn parse(body: &[u8]) -> Result<(Value, Repair), ParseError> {
    let text = std::str::from_utf8(body).map_err(|error| ParseError::NotUtf8 { at: error.valid_up_to() })?;
    let (value, apostrophes) = parse_text(text)?;
    match value {
        Value::String(inner) if inner.trim_start().starts_with(['{', '[']) => {
            let (value, more) = parse_text(&inner)?;
            Ok((value, Repair { unwrapped: true, apostrophes: apostrophes + more }))
        }
        value => Ok((value, Repair { unwrapped: false, apostrophes })),
    }
}

fn parse_text(text: &str) -> Result<(Value, usize), ParseError> {
    serde_json::from_str(text).map(|value| (value, 0)).or_else(|strict| {
        let (repaired, apostrophes) = unescape_apostrophes(text);
        match serde_json::from_str(&repaired) {
            Ok(value) if apostrophes > 0 => Ok((value, apostrophes)),
            _ => Err(ParseError::NotJson { message: strict.to_string() }),
        }
    })
}

/// The text with each `\'` inside a string made `'`, and how many there were. Escapes are counted in pairs, so that the
/// second backslash of `\\'` escapes nothing.
fn unescape_apostrophes(text: &str) -> (String, usize) {
    let mut repaired = String::with_capacity(text.len());
    let mut count = 0;
    let mut in_string = false;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                in_string = !in_string;
                repaired.push(letter);
            }
            '\\' if in_string => match letters.next() {
                Some('\'') => {
                    count += 1;
                    repaired.push('\'');
                }
                escaped => {
                    repaired.push(letter);
                    repaired.extend(escaped);
                }
            },
            _ => repaired.push(letter),
        }
    }
    (repaired, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::golden;

    #[test]
    fn golden_bodies_are_read_repaired_or_refused() {
        for case in golden::cases("wire/json_repair.json", "cases") {
            let name = &case["name"];
            let body = golden::bytes(&case["body_base64"]);
            let parsed = parse(&body);
            match case["ours"].as_str() {
                Some("strict") => {
                    let (value, repair) = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!(repair.apostrophes, 0, "{name}");
                    let strict: Value = serde_json::from_slice(&body).unwrap();
                    match strict.as_str() {
                        Some(inner) => {
                            assert!(repair.unwrapped, "{name}");
                            assert_eq!(value, serde_json::from_str::<Value>(inner).unwrap(), "{name}");
                        }
                        None => assert_eq!((value, repair), (strict, Repair::default()), "{name}"),
                    }
                }
                Some("repaired") => {
                    let (value, repair) = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert!(repair.apostrophes > 0, "{name}");
                    assert_eq!(value, case["ours_value"], "{name}");
                }
                Some("reject") => assert!(parsed.is_err(), "{name}: {parsed:?}"),
                other => panic!("{name}: unknown expectation {other:?}"),
            }
        }
    }

    #[test]
    fn a_string_is_opened_once_and_only_when_it_holds_json() {
        let once = serde_json::to_vec(&json!(r#"{"a":"don\'t"}"#)).unwrap();
        assert_eq!(parse(&once), Ok((json!({"a": "don't"}), Repair { unwrapped: true, apostrophes: 1 })));
        let twice = serde_json::to_vec(&json!(json!({"a": 1}).to_string())).unwrap();
        let thrice = serde_json::to_vec(&json!(String::from_utf8(twice).unwrap())).unwrap();
        assert!(matches!(parse(&thrice), Ok((Value::String(_), Repair { unwrapped: false, .. }))));
        assert_eq!(parse(br#""hello""#), Ok((json!("hello"), Repair::default())));
        assert!(parse(br#""{broken""#).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse(b"{\"a\xff\"}"), Err(ParseError::NotUtf8 { at: 3 }));
        let error = parse(br#"{"a":"\x27"}"#).unwrap_err();
        assert!(error.to_string().contains("line 1 column"), "{error}");
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse(b"").is_err());
    }

    proptest! {
        #[test]
        fn legal_json_is_left_alone(text in any::<String>()) {
            let body = json!({ "a": text, "b": format!("\\'{text}") });
            prop_assert_eq!(parse(body.to_string().as_bytes()), Ok((body, Repair::default())));
        }

        #[test]
        fn an_apostrophe_escaped_anywhere_is_an_apostrophe(before in "[^\"']*", after in "[^\"']*") {
            let meant = json!({ "a": format!("{before}'{after}") });
            let sent = meant.to_string().replace('\'', "\\'");
            prop_assert_eq!(parse(sent.as_bytes()), Ok((meant, Repair { unwrapped: false, apostrophes: 1 })));
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }
    }
}
