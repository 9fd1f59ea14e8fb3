//! The string formats that KCIDB's schemas name, as the checkers of its Python library take them.
//!
//! The library checks with jsonschema 4.26: `date-time` by rfc3339-validator, `uri` by rfc3987, `email` by hand.

use chrono::{DateTime, Datelike as _};

/// RFC 3339 with a zone, `T` and `Z` in either case. Refused although RFC 3339 has or tolerates them: the second `:60`,
/// a blank in place of `T`, and the year 0.
#[must_use]
pub fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let looks_right =
        text.is_ascii() && matches!(bytes.get(10), Some(b'T' | b't')) && matches!(bytes.get(17), Some(b'0'..=b'5'));
    looks_right && DateTime::parse_from_rfc3339(text).is_ok_and(|time| time.year() > 0)
}

/// RFC 3986 with a scheme: `urn:x:1` is one; blanks, `<`, letters beyond ASCII and broken `%` escapes make it none.
#[must_use]
pub fn is_uri(text: &str) -> bool {
    jsonschema::Uri::parse(text).is_ok()
}

/// Anything with an `@`.
#[must_use]
pub fn is_email(text: &str) -> bool {
    text.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times() {
        for good in [
            "2025-05-14T12:00:00Z",
            "2025-05-14t12:00:00.123456789012z",
            "2024-02-29T00:00:00+23:59",
            "0001-01-01T00:00:00-00:00",
            "9999-12-31T23:59:59+05:30",
        ] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "",
            "2025-05-14T12:00:00",
            "2025-05-14 12:00:00Z",
            "2025-05-14T12:00:60Z",
            "2025-05-14T12:00:00+0000",
            "2025-05-14T12:00:00+24:00",
            "2025-05-14T12:00:00+05:60",
            "2025-05-14T12:00:00.Z",
            "2025-05-14T12:00:00,5Z",
            "2025-05-14T24:00:00Z",
            "2025-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "+2025-05-14T12:00:00Z",
            "12025-05-14T12:00:00Z",
            "2025-5-14T12:00:00Z",
            "2025-05-14T12:00Z",
            "2025-05-14T12:00:00Z\n",
            "2025-05-14T12:00:00\u{2212}01:00",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }

    #[test]
    fn uris() {
        for good in
            ["a:", "a:?", "a://", "urn:x:1", "https://[::1]:8080/x?q=1#f", "http://[v1.x]:/", "http://a:99999999/"]
        {
            assert!(is_uri(good), "{good}");
        }
        for bad in [
            "",
            "/x",
            "//a/x",
            "1a:b",
            "http://a@b@c",
            "http://a%zz",
            "a:b#c#d",
            "http://[::1]x",
            "http://a/ b",
            "http://a/<",
            "http://a/?q=[x]",
            "http://ä",
            "http://a:port/",
            "http://a/\n",
            "http://a|b",
        ] {
            assert!(!is_uri(bad), "{bad}");
        }
    }
}
