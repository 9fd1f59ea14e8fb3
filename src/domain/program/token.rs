//! Cuts an expression into Python's tokens.

use super::error::Fault;
use super::integer::{Integer, MAX_DIGITS};
use super::literal;
use super::number::{float_of_text, int_of_text};

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Keyword(&'static str),
    Text(String),
    Bytes(Vec<u8>),
    /// A text with expressions in it.
    Format,
    Int(Integer),
    Float(f64),
    Imaginary(f64),
    Sign(&'static str),
    End,
}

impl Token {
    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("the name `{}`", name.chars().take(80).collect::<String>()),
            Self::Keyword(word) | Self::Sign(word) => format!("`{word}`"),
            Self::Text(_) | Self::Format => "a text".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::Int(_) | Self::Float(_) | Self::Imaginary(_) => "a number".to_owned(),
            Self::End => "the end of the line".to_owned(),
        }
    }
}

/// A token, and where it begins and ends in the bytes of the expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Longer ones before those with which they begin.
const SIGNS: [&str; 47] = [
    "...", "**=", "//=", ">>=", "<<=", "==", "!=", "<=", ">=", ":=", "->", "**", "//", "<<", ">>", "+=", "-=", "*=",
    "/=", "%=", "@=", "&=", "|=", "^=", "<", ">", "=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "(", ")", "[",
    "]", "{", "}", ",", ":", ".", ";",
];

/// The tokens of the text, and an end.
///
/// # Errors
/// What is no token of Python; what is, and is not read here.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else { break };
        if matches!(first, ' ' | '\t' | '\x0c') {
            at += 1;
            continue;
        }
        if first == '#' {
            break;
        }
        let (token, length) = token(rest, first, at)?;
        tokens.push(Placed { token, start: at, end: at + length });
        at += length;
    }
    tokens.push(Placed { token: Token::End, start: at, end: at });
    Ok(tokens)
}

/// The token with which the text begins, and its length.
fn token(text: &str, first: char, at: usize) -> Result<(Token, usize), Fault> {
    if let Some(read) = literal::read(text, at)? {
        return Ok(read);
    }
    let second_is_digit = text.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if first.is_ascii_digit() || (first == '.' && second_is_digit) {
        return number(text, at);
    }
    if is_name_start(first) {
        let length = text.find(|c| !is_name_part(c)).unwrap_or(text.len());
        let word = text.get(..length).unwrap_or_default();
        let keyword = KEYWORDS.into_iter().find(|keyword| *keyword == word);
        return Ok((keyword.map_or_else(|| Token::Name(word.to_owned()), Token::Keyword), length));
    }
    match SIGNS.into_iter().find(|sign| text.starts_with(sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => Err(Fault::syntax(at, format!("`{}` may not stand here", first.escape_default()))),
    }
}

fn is_name_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_name_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The words that may follow a number without a blank.
const BEHIND_NUMBERS: [&str; 8] = ["and", "else", "for", "if", "in", "is", "not", "or"];

fn number(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let prefix = text.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (base, mut length) = match prefix.as_str() {
        "0x" => (16, 2),
        "0o" => (8, 2),
        "0b" => (2, 2),
        _ => (10, 0),
    };
    let run = |from: usize, base: u32| {
        let rest = text.get(from..).unwrap_or_default();
        rest.find(|c: char| c != '_' && !c.is_digit(base)).unwrap_or(rest.len())
    };
    let byte = |place: usize| text.as_bytes().get(place).copied();
    length += run(length, base);
    let mut is_float = false;
    let mut is_imaginary = false;
    if base == 10 {
        if byte(length) == Some(b'.') {
            is_float = true;
            length += 1 + run(length + 1, 10);
        }
        if matches!(byte(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(byte(length + 1), Some(b'+' | b'-')));
            if byte(length + 1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
                is_float = true;
                length += 1 + sign;
                length += run(length, 10);
            }
        }
        is_imaginary = matches!(byte(length), Some(b'j' | b'J'));
    }
    let digits = text.get(..length).unwrap_or_default();
    length += usize::from(is_imaginary);
    let rest = text.get(length..).unwrap_or_default();
    let glued = rest.chars().next().is_some_and(is_name_part);
    if glued && !BEHIND_NUMBERS.iter().any(|word| rest.starts_with(word)) {
        return Err(Fault::syntax(at, "a number with letters or digits behind it that are not of it"));
    }
    let token = if is_imaginary {
        float_of_text(digits).map(Token::Imaginary)
    } else if is_float {
        float_of_text(digits).map(Token::Float)
    } else {
        int_of_text(digits, 0).map(Token::Int)
    };
    let wrong = || {
        let message = if digits.len() > MAX_DIGITS {
            format!("a number of more than {MAX_DIGITS} digits")
        } else {
            "not a number: `_` stands between digits, and only 0 begins with 0".to_owned()
        };
        Fault::syntax(at, message)
    };
    Ok((token.ok_or_else(wrong)?, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Option<Token> {
        let mut read = tokens(text).ok()?;
        (read.len() == 2).then(|| read.swap_remove(0).token)
    }

    #[test]
    fn numbers_are_those_of_python() {
        let int = |number: usize| Some(Token::Int(Integer::from(number)));
        assert_eq!(only("0"), int(0));
        assert_eq!(only("0_0"), int(0));
        assert_eq!(only("1_000"), int(1000));
        assert_eq!(only("0xFf"), int(255));
        assert_eq!(only("0B_11"), int(3));
        assert_eq!(only("0o17"), int(15));
        assert_eq!(only("1_0.2_5e+1_0"), Some(Token::Float(10.25e10)));
        assert_eq!(only("1."), Some(Token::Float(1.0)));
        assert_eq!(only(".5"), Some(Token::Float(0.5)));
        assert_eq!(only("007.5"), Some(Token::Float(7.5)));
        assert_eq!(only("1e400"), Some(Token::Float(f64::INFINITY)));
        assert_eq!(only("2j"), Some(Token::Imaginary(2.0)));
        assert_eq!(only("07j"), Some(Token::Imaginary(7.0)));
        for text in ["04", "1__0", "1_", "0x", "0xg", "0b2", "1a", "1.e", "1e", "1.5_", "0_7", "1_.5", "1é", "0x1p1"] {
            assert_eq!(only(text), None, "{text}");
        }
        assert_eq!(tokens("1or 2").map(|tokens| tokens.len()).ok(), Some(4));
        assert!(only(&"9".repeat(4_301)).is_none());
    }

    #[test]
    fn signs_are_the_longest_that_fit() {
        let signs = |text: &str| -> Vec<String> {
            tokens(text).expect(text).iter().map(|placed| placed.token.describe()).collect()
        };
        assert_eq!(signs("a<=b # c"), ["the name `a`", "`<=`", "the name `b`", "the end of the line"]);
        assert_eq!(signs("...**=:="), ["`...`", "`**=`", "`:=`", "the end of the line"]);
        for text in ["a ! b", "$", "?", "a\u{a0}b", "\\", "`a`", "\0", "²"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
