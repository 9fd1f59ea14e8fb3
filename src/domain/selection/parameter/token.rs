//! The words, numbers, texts and signs of parameter expressions.

use crate::domain::selection::parameter::Operator;
use crate::domain::selection::parameter::value::Number;
use crate::domain::selection::syntax::{Cursor, SyntaxError, found};

/// Words that name no parameter: those of the expressions themselves, and those that Python reserves, which Canary
/// therefore refuses.
const RESERVED: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// What an expression is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Number(Number),
    /// Quoted, or a number that a word follows.
    Text(String),
    Sign {
        negative: bool,
    },
    Operator(Operator),
    Star,
    Bang,
    Open(char),
    Close(char),
    Comma,
    End,
}

/// Reads a text token by token.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    /// Where the token begins that was read last.
    start: Cursor<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(cursor: Cursor<'a>) -> Self {
        Self { cursor, start: cursor }
    }

    /// The column of the token that was read last.
    pub(super) fn start(&self) -> usize {
        self.start.column
    }

    /// An error about the token that was read last.
    pub(super) fn error(&self, message: &str) -> SyntaxError {
        SyntaxError::at(self.start(), message.to_owned())
    }

    /// An error about the token that was read last, which is this one: something else would do.
    pub(super) fn instead(&self, wanted: &str, token: &Token<'_>) -> SyntaxError {
        let found = match token {
            Token::Word(word) if is_reserved(word) => format!("`{word}` is a reserved word"),
            Token::Word(_) => "there is a word".to_owned(),
            Token::Number(_) => "there is a number".to_owned(),
            Token::Text(_) => "there is a text".to_owned(),
            _ => found(self.start.rest),
        };
        self.error(&format!("want {wanted}; {found}"))
    }

    /// The next token, which stays.
    pub(super) fn peek(&self) -> Result<Token<'a>, SyntaxError> {
        let mut ahead = *self;
        ahead.token()
    }

    /// Takes the next token.
    pub(super) fn token(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.cursor.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c'));
        self.start = self.cursor;
        let rest = self.cursor.rest;
        let Some(first) = self.cursor.peek() else { return Ok(Token::End) };
        if first.is_alphabetic() || first == '_' {
            return Ok(Token::Word(self.cursor.take_while(is_in_words)));
        }
        if first.is_ascii_digit() || (first == '.' && second_is_digit(rest)) {
            return self.number();
        }
        if matches!(first, '\'' | '"') {
            return self.text();
        }
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        if let Some((sign, operator)) = operators.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
            self.cursor.take(sign.len());
            return Ok(Token::Operator(operator));
        }
        let token = match first {
            '(' | '[' => Token::Open(first),
            ')' | ']' => Token::Close(first),
            ',' => Token::Comma,
            '*' => Token::Star,
            '!' => Token::Bang,
            '+' => Token::Sign { negative: false },
            '-' => Token::Sign { negative: true },
            '$' | '{' | '}' => {
                return Err(
                    self.error(&format!("{}, and nothing is filled in here; quote it if it is a text", found(rest)))
                );
            }
            _ => {
                return Err(
                    self.error(&format!("{}, which has no meaning here; quote it if it is a text", found(rest)))
                );
            }
        };
        self.cursor.next();
        Ok(token)
    }

    /// Takes a number, and the word that follows it without a blank.
    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let from = self.cursor.rest;
        let number = match self.radix() {
            Some((digits, radix)) => i128::from_str_radix(&digits.replace('_', ""), radix).ok().map(Number::whole),
            None => self.decimal()?,
        };
        let word_at = self.cursor;
        let word = self.cursor.take_while(is_in_words);
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error("want a number; this one has digits that it cannot have. Quote it if it is a text"));
        }
        if word.is_empty() || matches!(word, "and" | "or" | "if" | "else") {
            self.cursor = word_at;
            return number.map(Token::Number).ok_or_else(|| self.error("the number is too large"));
        }
        Ok(Token::Text(from.get(..from.len() - self.cursor.rest.len()).unwrap_or_default().to_owned()))
    }

    /// Takes a whole number that says its base, if one is next: its digits and the base.
    fn radix(&mut self) -> Option<(&'a str, u32)> {
        let radix = match self.cursor.rest.as_bytes() {
            [b'0', b'x' | b'X', ..] => 16,
            [b'0', b'o' | b'O', ..] => 8,
            [b'0', b'b' | b'B', ..] => 2,
            _ => return None,
        };
        let mut ahead = self.cursor;
        ahead.take(2);
        // An underscore may stand before each digit.
        let digits = digits(&mut ahead, radix, true);
        (!digits.is_empty()).then(|| {
            self.cursor = ahead;
            (digits, radix)
        })
    }

    /// Takes a decimal number.
    fn decimal(&mut self) -> Result<Option<Number>, SyntaxError> {
        let from = self.cursor.rest;
        let whole = digits(&mut self.cursor, 10, false);
        let mut is_real = false;
        if self.cursor.peek() == Some('.') {
            is_real = true;
            self.cursor.next();
            digits(&mut self.cursor, 10, false);
        }
        if matches!(self.cursor.peek(), Some('e' | 'E')) {
            let mut ahead = self.cursor;
            ahead.next();
            if matches!(ahead.peek(), Some('+' | '-')) {
                ahead.next();
            }
            if !digits(&mut ahead, 10, false).is_empty() {
                is_real = true;
                self.cursor = ahead;
            }
        }
        let text = from.get(..from.len() - self.cursor.rest.len()).unwrap_or_default().replace('_', "");
        if !is_real && whole.starts_with('0') && whole.contains(|c| matches!(c, '1'..='9')) {
            return Err(self.error("want a number that does not begin with 0. Quote it if it is a text"));
        }
        let real = || text.parse().ok().map(Number::Real);
        Ok(if is_real { real() } else { text.parse().ok().map(Number::whole).or_else(real) })
    }

    /// Takes a quoted text.
    fn text(&mut self) -> Result<Token<'a>, SyntaxError> {
        let rest = self.cursor.rest;
        let quotes = ["'''", "\"\"\"", "'", "\""];
        let quote = quotes.into_iter().find(|quote| rest.starts_with(quote)).unwrap_or("'");
        self.cursor.take(quote.len());
        let mut text = String::new();
        while !self.cursor.rest.starts_with(quote) {
            match self.cursor.next() {
                Some('\\') => self.escape(&mut text)?,
                Some('\n') if quote.len() == 1 => return Err(self.error("the quoted text goes beyond its line")),
                Some(c) => text.push(c),
                None => return Err(self.error("the quoted text is not closed")),
            }
        }
        self.cursor.take(quote.len());
        Ok(Token::Text(text))
    }

    /// Takes what stands behind a backslash in a quoted text. What is no escape is kept, as Python does.
    fn escape(&mut self, text: &mut String) -> Result<(), SyntaxError> {
        let Some(c) = self.cursor.next() else { return Err(self.error("the quoted text is not closed")) };
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => text.push(c),
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\x0b'),
            'x' => text.push(self.code(2)?),
            'u' => text.push(self.code(4)?),
            'U' => text.push(self.code(8)?),
            c => text.extend(['\\', c]),
        }
        Ok(())
    }

    /// Takes so many hexadecimal digits: a character's code.
    fn code(&mut self, length: usize) -> Result<char, SyntaxError> {
        let digits =
            self.cursor.rest.get(..length).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        self.cursor.take(length);
        code.ok_or_else(|| self.error("the quoted text has a backslash without the code of a character"))
    }
}

fn is_in_words(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn second_is_digit(rest: &str) -> bool {
    rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
}

/// Takes digits, between two of which an underscore may stand; before the first too, if that is said.
fn digits<'a>(cursor: &mut Cursor<'a>, radix: u32, underscore_first: bool) -> &'a str {
    let mut length = 0;
    let mut may_pause = underscore_first;
    let mut pause = 0;
    for c in cursor.rest.chars() {
        if c.is_digit(radix) {
            length += pause + 1;
            (may_pause, pause) = (true, 0);
        } else if c == '_' && may_pause {
            (may_pause, pause) = (false, 1);
        } else {
            break;
        }
    }
    cursor.take(length)
}
