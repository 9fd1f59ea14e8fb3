//! Regular expressions from outside, with a bound on what matching takes.

use fancy_regex::{Regex, RegexBuilder};

/// How many steps back a pattern may take in one text before the search is given up.
const BACKTRACK_LIMIT: usize = 100_000;

/// Compiles a pattern.
///
/// # Errors
/// In words, if the text is none.
pub(crate) fn compiled(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).backtrack_limit(BACKTRACK_LIMIT).build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::compiled;

    #[test]
    fn a_search_that_takes_too_long_is_given_up() {
        let slow = compiled(r"^(?:(?=a)a|aa)+$").unwrap();
        assert!(slow.is_match(&format!("{}b", "a".repeat(60))).is_err());
        assert_eq!(slow.is_match("aaaa").ok(), Some(true));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        assert!(compiled("(").is_err_and(|words| !words.is_empty()));
    }
}
