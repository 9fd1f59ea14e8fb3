//! Points in time as QMTest writes them: `2026-01-02 03:04 UTC`.
//!
//! A year of two digits and the years before 1900 are what C's `mktime` makes of them under Python 2: 69 to 99 are of
//! the 20th century, 0 to 68 of the 21st, and 100 to 1899 are refused.

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Timelike as _};

/// The first second that the catalogue keeps: 0001-01-01 00:00:00 UTC. RFC 3339 has years of four digits.
pub const MIN_TIME: i64 = -62_135_596_800;
/// The last second that the catalogue keeps: 9999-12-31 23:59:59 UTC.
pub const MAX_TIME: i64 = 253_402_300_799;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The text is no point in time; says what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want a time as `2026-01-02 03:04 UTC`: {0}")]
pub struct InvalidTime(pub &'static str);

/// Reads QMTest's form: a date and a time of day in any order, parted by blanks, then the zone. The date may have `/`
/// for `-`; the time of day may be left out and is then midnight, and its seconds do not count; the zone may be left
/// out and is `UTC`, the only one there is. What overflows rolls over: 25:00 is 01:00 of the next day. Answers seconds
/// since 1970-01-01 UTC.
///
/// # Errors
/// If the text is none of that form, or lies outside [`MIN_TIME`] to [`MAX_TIME`].
pub fn parse(text: &str) -> Result<i64, InvalidTime> {
    let text = text.replace('/', "-");
    let mut parts: Vec<&str> = text.split_ascii_whitespace().collect();
    if parts.last() == Some(&"UTC") {
        parts.pop();
    }
    let (mut date, mut of_day) = (None, None);
    for part in parts {
        let numbers = |separator| part.split(separator).map(str::parse::<i32>).collect::<Result<Vec<_>, _>>();
        match (numbers('-').as_deref(), numbers(':').as_deref()) {
            (Ok(&[year, month, day]), _) if date.is_none() => date = Some(days(year, month, day)?),
            (_, Ok(&[hour, minute] | &[hour, minute, _])) if of_day.is_none() => {
                of_day = Some(i64::from(hour) * HOUR + i64::from(minute) * MINUTE);
            }
            _ => return Err(InvalidTime("it holds more than one date, one time of day and, at the end, `UTC`")),
        }
    }
    // QMTest takes today where the date is left out. What is stored must not depend on the day it was read.
    let date = date.ok_or(InvalidTime("it has no date"))?;
    let seconds = date * DAY + of_day.unwrap_or(0);
    in_range(seconds).ok_or(InvalidTime("it is outside the years 1 to 9999"))
}

/// The time, if the catalogue keeps it.
#[must_use]
pub fn in_range(seconds: i64) -> Option<i64> {
    (MIN_TIME..=MAX_TIME).contains(&seconds).then_some(seconds)
}

/// Days from 1970-01-01 to a date whose month and day may overflow.
fn days(year: i32, month: i32, day: i32) -> Result<i64, InvalidTime> {
    let year = match year {
        69..=99 => year + 1900,
        0..=68 => year + 2000,
        1900.. => year,
        _ => return Err(InvalidTime("years begin at 1900")),
    };
    let months = i64::from(year) * 12 + i64::from(month) - 1;
    let first = i32::try_from(months.div_euclid(12))
        .ok()
        .zip(u32::try_from(months.rem_euclid(12) + 1).ok())
        .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, 1))
        .ok_or(InvalidTime("it is outside the years 1 to 9999"))?;
    let epoch_from_ce = i64::from(NaiveDate::default().num_days_from_ce());
    Ok(i64::from(first.num_days_from_ce()) - epoch_from_ce + i64::from(day) - 1)
}

/// Writes QMTest's form; seconds do not show. `None`: it is outside of what the catalogue keeps.
#[must_use]
pub fn format(seconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp(in_range(seconds)?, 0)?;
    let (year, month, day) = (time.year(), time.month(), time.day());
    Some(format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", time.hour(), time.minute()))
}

/// Writes RFC 3339 in UTC, such as `2026-01-02T03:04:05Z`. `None`: it is outside of what the catalogue keeps.
#[must_use]
pub fn to_rfc3339(seconds: i64) -> Option<String> {
    Some(DateTime::from_timestamp(in_range(seconds)?, 0)?.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Reads RFC 3339; a fraction of a second does not count.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<i64> {
    in_range(DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::golden;

    #[test]
    fn golden_times() {
        let mut seen = 0;
        for case in golden::cases("qmtest/context.json", "cases").iter().filter(|case| case["area"] == "time") {
            let (args, expected) = (&case["call"]["args"], &case["expect"]["result"]);
            seen += 1;
            match case["call"]["method"].as_str().unwrap() {
                "ParseTime" => {
                    assert_eq!(parse(args["text"].as_str().unwrap()).ok(), expected.as_i64(), "{}", case["name"]);
                }
                "FormatTime" => {
                    let seconds = args["seconds"].as_i64().unwrap();
                    assert_eq!(format(seconds).as_deref(), expected.as_str(), "{}", case["name"]);
                }
                other => panic!("{other}"),
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn what_overflows_rolls_over() {
        for (text, same) in [
            ("2001-02-30", "2001-03-02"),
            ("2001-14-01", "2002-02-01"),
            ("2001-01-00", "2000-12-31"),
            ("2001-00-01", "2000-12-01"),
            ("2001-02-03 25:61", "2001-02-04 02:01"),
            ("2001/02/03 -1:00", "2001-02-02 23:00"),
            ("70-1-2", "1970-01-02"),
            ("12-1-2", "2012-01-02 UTC"),
        ] {
            assert_eq!(parse(text), parse(same), "{text}");
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "UTC",
            "04:05",
            "04:05 UTC",
            "2001-02",
            "2001-02-03-04",
            "2001-02-03 04",
            "2001-02-03 1:2:3:4",
            "x",
            "2001-02-03 2001-02-03",
            "1:00 2001-02-03 1:00",
            "UTC 2001-02-03",
            "2001-02-03 GMT",
            "1899-12-31",
            "100-1-1",
            "10000-01-01",
            "9999-12-32",
            "99999999999-01-01",
            "2147483647-2147483647-2147483647",
            "2001-2147483647-2147483647 2147483647:2147483647",
            "2001-02-03 04:05:xx",
            "-5-1-1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["2001-02-30T00:00:00Z", "2001-02-03", "2001-02-03T04:05:06", "0000-01-01T00:00:00Z"] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
        for seconds in [MIN_TIME - 1, MAX_TIME + 1, i64::MIN, i64::MAX] {
            assert_eq!((format(seconds), to_rfc3339(seconds)), (None, None));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in MIN_TIME..=MAX_TIME) {
            prop_assert_eq!(from_rfc3339(&to_rfc3339(seconds).unwrap()), Some(seconds));
            if seconds >= parse("1900-01-01").unwrap() {
                prop_assert_eq!(parse(&format(seconds).unwrap()), Ok(seconds.div_euclid(MINUTE) * MINUTE));
            }
        }

        #[test]
        fn any_text_is_answered(text in "[0-9:/ -]{0,30}(UTC)?|.{0,40}") {
            let _ = parse(&text);
        }
    }
}
