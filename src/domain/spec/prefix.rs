//! Finding specs by the beginning of their ids.
//!
//! What begins with a prefix stands between two bounds, in the order of texts: `abc` between `abc`, which counts, and
//! `abd`, which does not. A database with an index finds it so, if it compares bytes. The bounds hold for ids of lower-case
//! hexadecimal digits, of any length: after `abf` the upper bound is `ac` and not `ac0`, which `ac` would come before.

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

/// The beginning of an id: one or more lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(String);

/// The text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrefix {
    /// There is nothing, or nothing after the `/`.
    #[error("want at least one hexadecimal digit, not an empty text")]
    Empty,
    /// There is something else than digits.
    #[error("want hexadecimal digits and nothing else")]
    NotHex,
}

impl Prefix {
    /// Reads what people type: hexadecimal digits, perhaps after one `/`. Capitals are taken for small letters, as ids have
    /// none.
    ///
    /// # Errors
    /// [`InvalidPrefix`], if it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        digits(text.strip_prefix('/').unwrap_or(text)).map(Self)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id begins so.
    #[must_use]
    pub fn is_of(&self, id: &str) -> bool {
        id.starts_with(&self.0)
    }

    /// The first text that could begin so: the lower bound, which counts.
    #[must_use]
    pub fn lower(&self) -> &str {
        &self.0
    }

    /// The first text after all that begin so: the upper bound, which does not count. None after a prefix of only `f`,
    /// which goes on to the end.
    #[must_use]
    pub fn upper(&self) -> Option<String> {
        greater(&self.0)
    }
}

/// The next number in as many hexadecimal digits: `abd` after `abc`, `0100` after `00ff`; none after digits that are all
/// `f`.
///
/// # Errors
/// [`InvalidPrefix`], if the text is anything but hexadecimal digits.
pub fn increment(text: &str) -> Result<Option<String>, InvalidPrefix> {
    let digits = digits(text)?;
    let zeros = |next: &String| std::iter::repeat_n('0', digits.len().saturating_sub(next.len()));
    Ok(greater(&digits).map(|next| next.chars().chain(zeros(&next)).collect()))
}

fn digits(text: &str) -> Result<String, InvalidPrefix> {
    match text {
        "" => Err(InvalidPrefix::Empty),
        _ if !text.bytes().all(|b| b.is_ascii_hexdigit()) => Err(InvalidPrefix::NotHex),
        _ => Ok(text.to_ascii_lowercase()),
    }
}

/// The shortest digits that are greater than all that begin so.
fn greater(digits: &str) -> Option<String> {
    let mut greater = digits.trim_end_matches('f').to_owned();
    let last = greater.pop()?.to_digit(16)?;
    greater.push(char::from_digit(last.saturating_add(1), 16)?);
    Some(greater)
}
