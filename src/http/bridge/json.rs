//! Parses a request's body as FastAPI does, and tells of broken JSON as FastAPI does.
//!
//! The rules were read off the running bridge: a body is JSON when the content type says so or there is none; another
//! content type makes it a mere text, which is not the object that was asked for; an empty body and `null` are a
//! missing body. Stricter than Python's parser, by the JSON grammar: no `NaN` or `Infinity`, no lone surrogates, no
//! other encoding than UTF-8, at most 127 levels.

use serde_json::{Value, json};

use super::fields::{Detail, Loc};

const UTF8_BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How our parser's words for a syntax error go over into Python's, and how far before the end of what our parser had
/// consumed Python sees the error, in bytes. Errors that are not listed keep our parser's words.
const PYTHON_WORDS: &[(&str, &str, usize)] = &[
    ("expected value", "Expecting value", 1),
    ("EOF while parsing a value", "Expecting value", 0),
    ("EOF while parsing a list", "Expecting ',' delimiter", 0),
    ("EOF while parsing an object", "Expecting ',' delimiter", 0),
    ("expected `:`", "Expecting ':' delimiter", 1),
    ("expected `,` or `]`", "Expecting ',' delimiter", 1),
    ("expected `,` or `}`", "Expecting ',' delimiter", 1),
    ("key must be a string", "Expecting property name enclosed in double quotes", 1),
    ("trailing characters", "Extra data", 1),
    ("invalid escape", "Invalid \\escape", 2),
    ("control character", "Invalid control character at", 1),
];

/// The JSON value that a request's body holds.
///
/// # Errors
/// One problem at `["body"]`: there is no body, it is not JSON, or the content type says that it is not.
pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Value, Detail> {
    if body.is_empty() {
        return Err(Detail::missing(vec!["body".into()]));
    }
    if !is_json(content_type.unwrap_or_default()) {
        // A text is no object, whatever it holds: what reads the fields says so in the right words.
        return Ok(Value::String(String::new()));
    }
    let text = body.strip_prefix(UTF8_BYTE_ORDER_MARK).unwrap_or(body);
    match serde_json::from_slice(text) {
        Ok(Value::Null) => Err(Detail::missing(vec!["body".into()])),
        Ok(value) => Ok(value),
        Err(error) => Err(syntax_error(text, &error)),
    }
}

/// Whether FastAPI parses a body of this content type: `application/json`, `application/*+json`, or none at all.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("application", subtype)) => subtype == "json" || subtype.ends_with("+json"),
        _ => content_type.is_empty(),
    }
}

fn syntax_error(text: &[u8], error: &serde_json::Error) -> Detail {
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    let known = PYTHON_WORDS.iter().find(|(ours, ..)| words.starts_with(ours));
    let (words, back) = known.map_or((words, 1), |(_, python, back)| (python, *back));
    let offset = consumed(text, error).saturating_sub(back);
    let before = text.get(..offset).unwrap_or(text);
    let characters = String::from_utf8_lossy(before).chars().count();
    let loc = vec!["body".into(), Loc::Index(characters)];
    Detail { ctx: Some(json!({"error": words})), ..Detail::new("json_invalid", loc, "JSON decode error") }
}

/// How many bytes `serde_json` had consumed when it met the error: its line and column, as an offset.
fn consumed(text: &[u8], error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let start: usize = text.split_inclusive(|byte| *byte == b'\n').take(lines_before).map(<[u8]>::len).sum();
    start + error.column()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset_and_words(body: &str) -> (usize, String) {
        let detail = parse(None, body.as_bytes()).unwrap_err();
        let Some(Loc::Index(offset)) = detail.loc.get(1) else { panic!("{body}: {detail:?}") };
        (*offset, detail.ctx.unwrap()["error"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_syntax_error_is_where_python_sees_it() {
        for (body, offset, words) in [
            ("{not json", 1, "Expecting property name enclosed in double quotes"),
            ("{\"a\": }", 6, "Expecting value"),
            ("{\"a\":", 5, "Expecting value"),
            ("{\"ä\" 1}", 5, "Expecting ':' delimiter"),
            ("{\"a\":1 \"b\":2}", 7, "Expecting ',' delimiter"),
            ("[1 2]", 3, "Expecting ',' delimiter"),
            ("[1", 2, "Expecting ',' delimiter"),
            ("{\"a\":1", 6, "Expecting ',' delimiter"),
            ("{\n\"ä\":\"\\x\"}", 7, "Invalid \\escape"),
            ("{\"a\":\"x\ny\"}", 7, "Invalid control character at"),
            ("{} {}", 3, "Extra data"),
            ("{\"a\":NaN}", 5, "Expecting value"),
        ] {
            assert_eq!(offset_and_words(body), (offset, words.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_python_lets_pass_and_json_does_not_is_refused() {
        let deep = "[".repeat(128) + &"]".repeat(128);
        for body in ["[Infinity]", "[1e400]", "\"\\ud800\"", &deep] {
            assert_eq!(parse(None, body.as_bytes()).unwrap_err().r#type, "json_invalid", "{body}");
        }
        assert_eq!(parse(None, b"{\"a\":\"\xff\"}").unwrap_err().r#type, "json_invalid");
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_null_is_no_body() {
        assert_eq!(parse(None, b"\xef\xbb\xbf{}"), Ok(json!({})));
        for body in ["", "null"] {
            assert_eq!(parse(None, body.as_bytes()), Err(Detail::missing(vec!["body".into()])), "{body}");
        }
    }

    #[test]
    fn the_content_type_decides_whether_it_is_json() {
        for json in ["", "application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
            assert_eq!(parse(Some(json), b"{}"), Ok(json!({})), "{json}");
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "json", "text/json"] {
            assert_eq!(parse(Some(other), b"{}"), Ok(json!("")), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = parse(None, &body);
        }

        #[test]
        fn an_offset_lies_within_the_text(body in "[\\[\\]{}:,\"a\\\\\\n1ä ]{0,12}") {
            if let Err(Detail { loc, .. }) = parse(None, body.as_bytes())
                && let Some(Loc::Index(offset)) = loc.get(1)
            {
                proptest::prop_assert!(*offset <= body.chars().count());
            }
        }
    }
}
