//! TuxSuite's wire, as plain functions: what is asked of it, what it tells, how its callbacks are signed and how their
//! bodies are read although they are not always JSON.
//!
//! The service is closed: these shapes are what its own client and its users rely on, not a specification. So writing is
//! exact and reading is lenient: only what a decision needs is demanded, and an unknown word never ends a job.

pub mod callback;
pub mod repair;
pub mod request;
pub mod results;
pub mod signature;

mod ordered;

/// A JSON document that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{pointer}`: {message}")]
pub struct Malformed {
    /// Where, as a JSON pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// What is wrong there and what is wanted.
    pub message: String,
}

impl Malformed {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// The longest excerpt of a log that is kept: KCIDB's limit, in characters.
pub const EXCERPT_CHARS: usize = 16_384;

/// The end of a text: at most [`EXCERPT_CHARS`] characters of it. `None` of nothing but white space.
#[must_use]
pub fn excerpt(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let start = text.char_indices().rev().nth(EXCERPT_CHARS - 1).map_or(0, |(at, _)| at);
    text.get(start..).map(str::to_owned)
}

/// A name without the number that older versions put before it: `0_ltp-smoke` is `ltp-smoke`.
fn without_number(name: &str) -> &str {
    let rest = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
    match rest.strip_prefix('_') {
        Some(bare) if rest.len() < name.len() && !bare.is_empty() => bare,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_before_an_underscore_goes() {
        for (name, bare) in [
            ("0_ltp-smoke", "ltp-smoke"),
            ("12_a_b", "a_b"),
            ("0_0_a", "0_a"),
            ("_a", "_a"),
            ("0a_b", "0a_b"),
            ("0_", "0_"),
            ("7", "7"),
            ("", ""),
        ] {
            assert_eq!(without_number(name), bare, "{name}");
        }
    }

    #[test]
    fn an_excerpt_is_the_end_and_cut_between_characters() {
        assert_eq!(excerpt(" \n"), None);
        assert_eq!(excerpt("log\n").as_deref(), Some("log\n"));
        let long = format!("é{}", "ü".repeat(EXCERPT_CHARS));
        assert_eq!(excerpt(&long), Some("ü".repeat(EXCERPT_CHARS)));
    }
}
