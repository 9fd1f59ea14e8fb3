//! The Python literals inside lists and descriptors that people type: `['a', "b"]`, `name="value"`.
//!
//! As in QMTest all stands in one line, and blanks stand only between the brackets and after them.

/// The text is not of the form that is read; says where and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {}", position + 1, message)]
pub struct SyntaxError {
    /// Where, in characters from the beginning; 0 is the first.
    pub position: usize,
    /// What would do there.
    pub message: String,
}

/// Reads a text from left to right.
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// The byte that is read next.
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at this byte, which begins a character.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// An error at the place that has been reached.
    pub(super) fn error(&self, message: &str) -> SyntaxError {
        let before = self.text.get(..self.at).unwrap_or_default();
        SyntaxError { position: before.chars().count(), message: message.to_owned() }
    }

    /// Takes this character, if it is next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Takes this character.
    pub(super) fn expect(&mut self, wanted: char) -> Result<(), SyntaxError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(&format!("want `{wanted}`"))) }
    }

    /// Passes over blanks.
    pub(super) fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\x0c']).len();
    }

    /// Takes the end, which blanks may precede.
    pub(super) fn end(&mut self) -> Result<(), SyntaxError> {
        self.skip_blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.error("want nothing more")) }
    }

    /// Takes a name: letters, digits and underscores, no digit first.
    pub(super) fn name(&mut self) -> Result<&'a str, SyntaxError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error("want a name"));
        }
        self.at += end;
        Ok(name)
    }

    /// Takes a string literal as Python 2 has them, also a raw one, a Unicode one, or one in three quotes.
    pub(super) fn string(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        let wanted = "want a text in quotes, such as 'a'";
        let prefix_end = self.rest().find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest().len());
        let prefix = self.rest().get(..prefix_end).unwrap_or_default().to_ascii_lowercase();
        if !matches!(prefix.as_str(), "" | "u" | "b" | "r" | "ur" | "br") {
            return Err(self.error(wanted));
        }
        self.at += prefix_end;
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else {
            self.at = start;
            return Err(self.error(wanted));
        };
        let three = quote.to_string().repeat(3);
        let end = if self.rest().starts_with(&three) { three } else { quote.to_string() };
        self.at += end.len();
        let literal = Kind { raw: prefix.ends_with('r'), unicode: prefix.starts_with('u'), multiline: end.len() == 3 };
        let mut text = String::new();
        while !self.rest().starts_with(&end) {
            self.piece(literal, &mut text)?;
        }
        self.at += end.len();
        Ok(text)
    }

    /// Takes a character or an escape of a literal.
    fn piece(&mut self, literal: Kind, text: &mut String) -> Result<(), SyntaxError> {
        match self.next() {
            None => return Err(self.error("want the closing quote")),
            Some('\n') if !literal.multiline => {
                return Err(self.error("want the closing quote in the same line; write \\n for a line break"));
            }
            Some('\\') if literal.raw => {
                text.push('\\');
                text.extend(self.next());
            }
            Some('\\') => self.escape(literal, text)?,
            Some(other) => text.push(other),
        }
        Ok(())
    }

    fn escape(&mut self, literal: Kind, text: &mut String) -> Result<(), SyntaxError> {
        let Some(escape) = self.next() else { return Err(self.error("want the closing quote")) };
        match escape {
            '\n' => {}
            '\\' | '\'' | '"' => text.push(escape),
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\x0b'),
            'x' => text.push(self.code(16, 2, 2)?),
            'u' if literal.unicode => text.push(self.code(16, 4, 4)?),
            'U' if literal.unicode => text.push(self.code(16, 8, 8)?),
            '0'..='7' => {
                self.at -= 1;
                text.push(self.code(8, 1, 3)?);
            }
            // Python keeps what it does not know.
            other => text.extend(['\\', other]),
        }
        Ok(())
    }

    /// Takes the character of a code in so many digits.
    fn code(&mut self, radix: u32, least: usize, most: usize) -> Result<char, SyntaxError> {
        let digits: String = self.rest().chars().take(most).take_while(|c| c.is_digit(radix)).collect();
        let code = u32::from_str_radix(&digits, radix).ok().filter(|_| digits.len() >= least).and_then(char::from_u32);
        let code = code.ok_or_else(|| self.error("want the digits of a character's code"))?;
        self.at += digits.len();
        Ok(code)
    }
}

/// How a literal is written.
#[derive(Clone, Copy)]
struct Kind {
    raw: bool,
    unicode: bool,
    multiline: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, SyntaxError> {
        let mut scanner = Scanner::new(text, 0);
        let string = scanner.string()?;
        scanner.end()?;
        Ok(string)
    }

    #[test]
    fn literals_are_read_as_python_reads_them() {
        for (literal, text) in [
            (r#"'a"b'"#, "a\"b"),
            (r#""it's""#, "it's"),
            (r"'it\'s'", "it's"),
            (r"'\\\a\b\f\n\r\t\v'", "\\\x07\x08\x0c\n\r\t\x0b"),
            (r"'\x41\101\0z\1234'", "AA\0zS4"),
            (r"'\q\u0041'", r"\q\u0041"),
            (r"u'\u0041\U0001F600'", "A\u{1F600}"),
            (r"R'\n\''", r"\n\'"),
            (r"br'\x'", r"\x"),
            ("'''a'b\n''c'''", "a'b\n''c"),
            ("'a\\\nb'", "ab"),
            ("''", ""),
            ("''''''", ""),
            ("'ä'  ", "ä"),
        ] {
            assert_eq!(read(literal).as_deref(), Ok(text), "{literal}");
        }
    }

    #[test]
    fn what_is_no_literal_is_refused_where_it_fails() {
        for (literal, position) in [
            ("", 0),
            ("a", 0),
            ("ub'a'", 0),
            ("ru'a'", 0),
            ("'a", 2),
            ("'a\n'", 3),
            ("'''a''", 6),
            (r"'\x4'", 3),
            (r"'\", 2),
            (r"u'\uD800'", 4),
            ("'a'b", 3),
            ("'ä' 'b'", 4),
            ("7", 0),
        ] {
            assert_eq!(read(literal).map_err(|error| error.position), Err(position), "{literal}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[a-z'\"\\\\0-9\\n]{0,30}|.{0,30}") {
            let _ = read(&text);
        }

        #[test]
        fn a_quoted_text_is_read_back(text in "[^\\\\'\\n]{0,30}") {
            prop_assert_eq!(read(&format!("'{text}'")), Ok(text));
        }
    }
}
