//! Makes legal text of what runners and people say.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::kcidb::format;

/// The longest log excerpt, in code points.
pub const LONGEST_EXCERPT: usize = 16_384;

/// The first and last second that a four-digit year can tell, from 0001-01-01 to 9999-12-31.
const SECONDS: (i64, i64) = (-62_135_596_800, 253_402_300_799);

/// The text without NUL, which no string of a report may hold.
#[must_use]
pub fn legal(text: &str) -> String {
    text.replace('\0', "")
}

/// The last 16,384 code points of a log without NUL: what went wrong stands at the end.
#[must_use]
pub fn excerpt(log: &str) -> String {
    let letters = log.char_indices().rev().filter(|(_, letter)| *letter != '\0');
    let start = letters.take(LONGEST_EXCERPT).last().map_or(log.len(), |(start, _)| start);
    log.get(start..).map(legal).unwrap_or_default()
}

/// The text, if it is a URI.
#[must_use]
pub fn uri(text: &str) -> Option<String> {
    format::is_uri(text).then(|| text.to_owned())
}

/// The URL of a git tree, if KCIDB takes it: it wants `https://`, in lower case, and a URI.
#[must_use]
pub fn https_git_url(tree: &str) -> Option<String> {
    uri(tree).filter(|tree| tree.starts_with("https://"))
}

/// The short name of a git tree: the last segment of its path without `.git`. `None` where the URL has no path.
#[must_use]
pub fn tree_name(url: &str) -> Option<String> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // With a scheme the host ends at the first `/`; `git@host:path` and a bare path have no host to skip.
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| path)?,
        None => url,
    };
    let name = path.trim_end_matches('/').rsplit(['/', ':']).next()?;
    let name = legal(name.strip_suffix(".git").unwrap_or(name));
    (!name.is_empty()).then_some(name)
}

/// An architecture's name: lower-case, with `_` for every letter that KCIDB does not allow there.
#[must_use]
pub fn architecture(name: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9') => letter,
        _ => '_',
    };
    name.chars().map(letter).collect()
}

/// RFC 3339 with the zone `+00:00`, cut (not rounded) to seconds, as the bridge wrote it where it knew the zone. Leap
/// seconds and years beyond four digits, which KCIDB refuses, become the nearest second that it takes.
#[must_use]
pub fn rfc3339(time: DateTime<Utc>) -> String {
    let seconds = time.timestamp().clamp(SECONDS.0, SECONDS.1);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_excerpt_is_the_end_of_the_log() {
        assert_eq!(excerpt(""), "");
        assert_eq!(excerpt("\0a\0b\0"), "ab");
        let log = format!("first{}\0last", "😀".repeat(LONGEST_EXCERPT));
        let cut = excerpt(&log);
        assert_eq!(cut.chars().count(), LONGEST_EXCERPT);
        assert!(cut.starts_with('😀') && cut.ends_with("😀last"));
    }

    #[test]
    fn trees() {
        for (url, https, name) in [
            ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git", true, Some("linux")),
            ("https://github.com/linux-riscv/linux-riscv/", true, Some("linux-riscv")),
            ("https://host:8443/a.git?x=/y#/z", true, Some("a")),
            ("https://host", true, None),
            ("https://host/", true, None),
            ("https://host/.git", true, None),
            ("https://host/a b.git", false, Some("a b")),
            ("HTTPS://host/a.git", false, Some("a")),
            ("git://git.kernel.org/a.git", false, Some("a")),
            ("git@github.com:b.git", false, Some("b")),
            ("git@github.com:a/b.git", false, Some("b")),
            ("", false, None),
        ] {
            assert_eq!(https_git_url(url).is_some(), https, "{url}");
            assert_eq!(tree_name(url).as_deref(), name, "{url}");
        }
    }

    #[test]
    fn architectures() {
        assert_eq!(architecture("ARM-v7 ä"), "arm_v7__");
        assert_eq!(architecture("x86_64"), "x86_64");
    }

    #[test]
    fn times() {
        let written = |text: &str| rfc3339(text.parse().unwrap());
        assert_eq!(written("2025-05-14T12:34:56.999999Z"), "2025-05-14T12:34:56+00:00");
        assert_eq!(written("2016-12-31T23:59:60Z"), "2016-12-31T23:59:59+00:00");
        assert_eq!(rfc3339(DateTime::<Utc>::MAX_UTC), "9999-12-31T23:59:59+00:00");
        assert_eq!(rfc3339(DateTime::<Utc>::MIN_UTC), "0001-01-01T00:00:00+00:00");
    }

    proptest! {
        #[test]
        fn every_time_is_legal(seconds in any::<i64>(), nanos in 0..2_000_000_000_u32) {
            let time = DateTime::from_timestamp(seconds % 8_000_000_000_000, nanos).unwrap_or_default();
            prop_assert!(format::is_date_time(&rfc3339(time)));
        }
    }
}
