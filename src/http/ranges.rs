//! Parts of what is read: `Range` and `If-Range` (RFC 9110, section 14), one range of bytes at a time.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::body;
use crate::http::problem::{Code, Problem};

/// What of it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it. What is no range that we read is passed over, as the standard has it, and so are several at once.
    Whole,
    /// These bytes, of which there is at least one.
    Bytes(Range<u64>),
    /// None that are there.
    Outside,
}

/// What is asked for of so many bytes; `tag` names them, if they do not change any more.
#[must_use]
pub fn part(headers: &HeaderMap, length: u64, tag: Option<&HeaderValue>) -> Part {
    let asked = body::text(headers, header::RANGE.as_str()).and_then(read);
    let Some(asked) = asked.filter(|_| headers.get(header::IF_RANGE).is_none_or(|known| Some(known) == tag)) else {
        return Part::Whole;
    };
    let range = match asked {
        Asked::From(first) => first..length,
        Asked::Between(first, last) => first..last.saturating_add(1).min(length),
        Asked::Last(count) => length.saturating_sub(count)..length,
    };
    if range.is_empty() { Part::Outside } else { Part::Bytes(range) }
}

/// A range as it is written.
enum Asked {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

fn read(text: &str) -> Option<Asked> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number that is larger than any is past every end.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(Asked::Last),
        (first, "") => number(first).map(Asked::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Between(first, last))
        }
    }
}

/// An answer with bytes: all of `length`, or those of the range. `tag` names them, if they do not change any more; without
/// one nobody knows how many there will be.
#[must_use]
pub fn answer(bytes: Body, range: Option<&Range<u64>>, length: u64, tag: Option<HeaderValue>) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let count = range.map_or(length, |range| range.end.saturating_sub(range.start));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    let of = if tag.is_some() { length.to_string() } else { "*".to_owned() };
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    if let Some(Range { start, end }) = range {
        if let Ok(value) = HeaderValue::from_str(&format!("bytes {start}-{}/{of}", end.saturating_sub(1))) {
            headers.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// The refusal of a range that lies outside of so many bytes.
#[must_use]
pub fn outside(length: u64) -> Response {
    let words = format!("`Range`: there are {length} bytes, and none of those that were asked for");
    let mut response = Problem::new(Code::RangeNotSatisfiable, words).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(header::HeaderName, &'static str)], length: u64, tag: Option<&'static str>) -> Part {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        part(&headers, length, tag.map(HeaderValue::from_static).as_ref())
    }

    #[test]
    fn ranges_are_read() {
        for (range, length, wanted) in [
            ("bytes=0-0", 10, Part::Bytes(0..1)),
            ("bytes=2-5", 10, Part::Bytes(2..6)),
            ("BYTES = 2-99999999999999999999999", 10, Part::Bytes(2..10)),
            ("bytes=9-", 10, Part::Bytes(9..10)),
            ("bytes=-3", 10, Part::Bytes(7..10)),
            ("bytes=-30", 10, Part::Bytes(0..10)),
            ("bytes=10-", 10, Part::Outside),
            ("bytes=10-12", 10, Part::Outside),
            ("bytes=-0", 10, Part::Outside),
            ("bytes=0-", 0, Part::Outside),
            ("bytes=-1", 0, Part::Outside),
            ("bytes=5-2", 10, Part::Whole),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("lines=0-1", 10, Part::Whole),
            ("bytes", 10, Part::Whole),
            ("", 10, Part::Whole),
        ] {
            assert_eq!(asked(&[(header::RANGE, range)], length, None), wanted, "{range} of {length}");
        }
        assert_eq!(asked(&[], 10, None), Part::Whole);
    }

    #[test]
    fn a_part_of_another_version_is_not_asked_for() {
        let of = |tag| asked(&[(header::RANGE, "bytes=1-2"), (header::IF_RANGE, "\"a\"")], 10, tag);
        assert_eq!(of(Some("\"a\"")), Part::Bytes(1..3));
        assert_eq!((of(Some("\"b\"")), of(None)), (Part::Whole, Part::Whole));
    }

    #[test]
    fn an_answer_says_what_it_is() {
        let tag = HeaderValue::from_static("\"a\"");
        let text = |response: &Response, name: header::HeaderName| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let whole = answer(Body::empty(), None, 10, Some(tag.clone()));
        assert_eq!((whole.status(), text(&whole, header::CONTENT_LENGTH)), (StatusCode::OK, "10".to_owned()));
        assert_eq!((text(&whole, header::ETAG), text(&whole, header::CONTENT_RANGE)), ("\"a\"".into(), String::new()));
        let some = answer(Body::empty(), Some(&(2..5)), 10, Some(tag));
        assert_eq!((some.status(), text(&some, header::CONTENT_LENGTH)), (StatusCode::PARTIAL_CONTENT, "3".to_owned()));
        assert_eq!(text(&some, header::CONTENT_RANGE), "bytes 2-4/10");
        assert_eq!(text(&answer(Body::empty(), Some(&(2..5)), 10, None), header::CONTENT_RANGE), "bytes 2-4/*");
        let none = outside(10);
        assert_eq!((none.status().as_u16(), text(&none, header::CONTENT_RANGE)), (416, "bytes */10".to_owned()));
    }
}
