//! Lists of words: what `depends` and its like hold, and the pieces that lines of other lists are made of.
//!
//! Words end at blanks, commas, `=` and `#`; between double quotes any of these are part of a word, and so is an end of
//! line. There is no escaping. `#` begins a comment, even right after a word, and ends with the line. A NUL ends the text.

use std::iter::Peekable;
use std::str::CharIndices;

/// A piece of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word, without the quotes around it.
    Word(String),
    /// A comma.
    Comma,
    /// A `=`.
    Equals,
    /// A quote that nothing closes; it holds all that is left.
    Unclosed,
}

/// The pieces of a text, with the place of each in bytes. It ends after a quote that nothing closes.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Tokens<'a> {
    /// The pieces of this text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let text = text.split('\0').next().unwrap_or_default();
        Self { text, chars: text.char_indices().peekable() }
    }

    fn quoted(&mut self, start: usize) -> Token {
        for (end, char) in self.chars.by_ref() {
            if char == '"' {
                return Token::Word(self.text.get(start + 1..end).unwrap_or_default().to_owned());
            }
        }
        Token::Unclosed
    }

    fn bare(&mut self, start: usize) -> Token {
        let is_part = |char| !(is_space(char) || matches!(char, '#' | ',' | '='));
        while self.chars.next_if(|(_, char)| is_part(*char)).is_some() {}
        let end = self.chars.peek().map_or(self.text.len(), |(end, _)| *end);
        Token::Word(self.text.get(start..end).unwrap_or_default().to_owned())
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Token);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (start, char) = self.chars.next()?;
            let token = match char {
                '#' => {
                    while self.chars.next_if(|(_, char)| *char != '\n').is_some() {}
                    continue;
                }
                char if is_space(char) => continue,
                ',' => Token::Comma,
                '=' => Token::Equals,
                '"' => self.quoted(start),
                _ => self.bare(start),
            };
            return Some((start, token));
        }
    }
}

/// What in a list is no word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub struct WordError {
    /// Where it is, in bytes from the start of the text.
    pub at: usize,
    /// What is wrong, and what was expected.
    pub what: &'static str,
}

/// The words of a list, and what between them is none. Nothing is lost by the latter but itself, and what follows a quote
/// that nothing closes.
pub fn word_list(text: &str) -> impl Iterator<Item = Result<String, WordError>> {
    Tokens::new(text).filter_map(|(at, token)| match token {
        Token::Word(word) => Some(Ok(word)),
        Token::Comma => None,
        Token::Equals => Some(Err(WordError { at, what: "`=` is no word: want it in double quotes" })),
        Token::Unclosed => Some(Err(WordError { at, what: "nothing closes this quote: want another `\"`" })),
    })
}

/// A text of which [`word_list`] makes these words; `None` if there is none, since a word holds both a `"` and something
/// that only quotes protect, or begins with a `"`, or holds a NUL.
#[must_use]
pub fn print<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        let ends_word = |char| is_space(char) || matches!(char, '#' | ',' | '=');
        let is_quoted = word.is_empty() || word.contains(ends_word);
        if word.contains('\0') || word.starts_with('"') || is_quoted && word.contains('"') {
            return None;
        }
        let quote = if is_quoted { "\"" } else { "" };
        text.extend([quote, word, quote]);
    }
    Some(text)
}

/// The words of a list of flags: what stands between runs of blanks and commas, without any quoting. As in the original a
/// text that begins or ends with such a run has an empty word there.
pub fn flag_list(text: &str) -> impl Iterator<Item = &str> {
    let is_between = |char| is_space(char) || char == ',';
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.find(is_between).unwrap_or(text.len());
        let (word, after) = text.split_at_checked(end)?;
        rest = Some(after.trim_start_matches(is_between)).filter(|_| !after.is_empty());
        Some(word)
    })
}

/// The lines of a text, with their numbers from 1, ended as Python ends them.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(ends_line) else {
            rest = None;
            return Some(text);
        };
        let line = text.get(..end)?;
        let after = text.get(end..)?;
        let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix(ends_line))?;
        rest = Some(after).filter(|after| !after.is_empty());
        Some(line)
    })
    .zip(1..)
    .map(|(line, number)| (number, line))
}

fn ends_line(char: char) -> bool {
    matches!(char, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether this is a blank to Python.
#[must_use]
pub fn is_space(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests;
