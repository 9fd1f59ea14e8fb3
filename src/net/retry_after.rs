//! `Retry-After`: how long another side asks us to wait (RFC 9110, section 10.2.3).

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// More than a year is a year: nobody means it, and sums with it cannot overflow.
const LONGEST: TimeDelta = TimeDelta::days(365);

/// The three spellings of an HTTP date that a recipient must read (RFC 9110, section 5.6.7).
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// How long the answer with these headers asks us to wait: never negative, at most a year; nothing where it does not
/// say, or says it illegibly. Whole seconds and HTTP dates are the standard's; fractions of a second are seen too.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<TimeDelta> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if let Ok(seconds) = text.parse::<f64>() { from_seconds(seconds)? } else { date(text)? - now };
    Some(asked.clamp(TimeDelta::zero(), LONGEST))
}

fn from_seconds(seconds: f64) -> Option<TimeDelta> {
    if !seconds.is_finite() {
        return None;
    }
    match Duration::try_from_secs_f64(seconds.max(0.0)) {
        Ok(duration) => Some(TimeDelta::from_std(duration).unwrap_or(LONGEST)),
        Err(_) => Some(LONGEST),
    }
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    DATES.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()).map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        let table = [
            ("0", Some(0)),
            ("120", Some(120_000)),
            (" 7 ", Some(7_000)),
            ("1.5", Some(1_500)),
            ("-3", Some(0)),
            ("99999999999999999999999", Some(LONGEST.num_milliseconds())),
            ("1e300", Some(LONGEST.num_milliseconds())),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37_000)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37_000)),
            ("Sun Nov  6 08:49:37 1994", Some(37_000)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(LONGEST.num_milliseconds())),
            ("Mon, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("1994-11-06T08:49:37Z", None),
            ("inf", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ];
        for (text, want) in table {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now).map(|wait| wait.num_milliseconds()), want, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
        let binary = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_bytes(b"\xff").unwrap())]);
        assert_eq!(retry_after(&binary, now), None);
    }
}
