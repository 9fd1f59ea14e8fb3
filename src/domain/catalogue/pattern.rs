//! Patterns that must match at the start of a text, as QMTest matches: they need not reach its end.

use fancy_regex::Regex;

use crate::domain::regex::compiled;

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a text is no pattern, or what came of matching one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is none.
    #[error("it is no pattern: {0}")]
    Invalid(String),
    /// It takes too long.
    #[error("it takes too long to match: {0}")]
    TooLong(String),
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`PatternError::Invalid`].
    pub fn new(text: &str) -> Result<Self, PatternError> {
        // By itself first: a parenthesis too many must not close ours.
        compiled(text).map_err(PatternError::Invalid)?;
        let regex = compiled(&format!(r"\A(?:{text})")).map_err(PatternError::Invalid)?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether it matches at the start of this text.
    ///
    /// # Errors
    /// [`PatternError::TooLong`].
    pub fn matches(&self, text: &str) -> Result<bool, PatternError> {
        self.regex.is_match(text).map_err(|error| PatternError::TooLong(error.to_string()))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_at_the_start_and_need_not_reach_the_end() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern).unwrap().matches(text).unwrap();
        assert!(matches("loc", "local") && matches("", "local") && matches(".*", "") && matches("x|loc", "local"));
        assert!(!matches("ocal", "local") && !matches("loca$", "local") && !matches("x|ocal", "local"));
        assert!(matches("(?=lo)l", "local"), "what Python has and automata have not");
    }

    #[test]
    fn what_is_no_pattern_is_refused_and_what_takes_too_long_is_told() {
        for wrong in ["(", ")", "a)(b", "[", "*"] {
            assert!(matches!(Pattern::new(wrong), Err(PatternError::Invalid(_))), "{wrong}");
        }
        let slow = Pattern::new(r"(?=(a+)+\1b)a").unwrap();
        assert!(matches!(slow.matches(&"a".repeat(40)), Err(PatternError::TooLong(_)) | Ok(false)));
    }
}
