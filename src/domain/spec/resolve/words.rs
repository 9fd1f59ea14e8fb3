//! A directive's text as words, and parameters in them.

use std::collections::BTreeMap;

/// A quotation mark without its twin, or a backslash at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclosed {
    #[error("there is a quotation mark without another one after it")]
    Quotation,
    #[error("there is a backslash at the end, with nothing after it")]
    Backslash,
}

/// The words of a text, as a POSIX shell has them without expanding anything: blanks, tabs and line breaks separate; between
/// `'` all stands for itself; between `"` a backslash takes away the meaning of `"` and of itself; elsewhere of whatever
/// follows.
pub(super) fn split(text: &str) -> Result<Vec<String>, Unclosed> {
    let mut words = Vec::new();
    // A word of nothing but `''` is one.
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next().ok_or(Unclosed::Backslash)?),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads on to the quotation mark that closes.
fn quoted(mark: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Unclosed> {
    loop {
        match chars.next().ok_or(Unclosed::Quotation)? {
            c if c == mark => return Ok(()),
            '\\' if mark == '"' => {
                let next = chars.next().ok_or(Unclosed::Backslash)?;
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            c => word.push(c),
        }
    }
}

/// The word with parameters in the places of `${name}` and `$name`, and `$` in that of `$$`. A name without braces is the
/// longest run of ASCII letters, digits and `_` that begins with no digit. What names no parameter stays as it is. Nothing
/// if that comes to more than so many bytes.
pub(super) fn substitute(word: &str, parameters: &BTreeMap<&str, String>, most: usize) -> Option<String> {
    let mut done = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        done.push_str(before);
        let (put_in, left) = named(after, parameters);
        done.push_str(put_in);
        rest = left;
        if done.len() > most {
            return None;
        }
    }
    done.push_str(rest);
    (done.len() <= most).then_some(done)
}

/// What stands for a `$` and what follows, and the rest.
fn named<'a>(after: &'a str, parameters: &'a BTreeMap<&str, String>) -> (&'a str, &'a str) {
    if let Some(rest) = after.strip_prefix('$') {
        return ("$", rest);
    }
    let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
    let (name, rest) = braced.unwrap_or_else(|| {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        after.split_at(end)
    });
    let is_name = braced.is_some() || !name.starts_with(|c: char| c.is_ascii_digit());
    match parameters.get(name).filter(|_| is_name) {
        Some(value) => (value, rest),
        None => ("$", after),
    }
}
