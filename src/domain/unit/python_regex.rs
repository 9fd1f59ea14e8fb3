//! Python's regular expressions: what they are literally, if they are nothing else, and how they are written for our
//! engine, which reads some signs otherwise (`{x}`, `[[]`, `\Z`, `\<`).
//!
//! Read from left to right with a stack of the open groups; what is nested too deeply for the engine, the engine refuses.

mod class;

use std::iter::Peekable;
use std::str::Chars;

/// A pattern longer than this, in bytes, is refused.
const MAX_LENGTH: usize = 10_000;

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The same pattern, for our engine.
    pub(super) regex: String,
    /// The one text that it matches, if it consists of plain characters and nothing else. Escapes, classes of one
    /// character, comments and groups that only group are such.
    pub(super) literal: Option<String>,
}

/// Reads a pattern. What is wrong with references to groups and with the sizes of repeats the engine finds.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn read(text: &str) -> Result<Reading, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("it has {} bytes: want at most {MAX_LENGTH}", text.len()));
    }
    let mut reader = Reader {
        text,
        chars: text.chars().peekable(),
        regex: String::with_capacity(text.len() + 8),
        literal: Some(String::new()),
        groups: 0,
        last: Last::Nothing,
    };
    while let Some(char) = reader.chars.next() {
        reader.element(char).map_err(|error| format!("{error} before byte {}", reader.at()))?;
    }
    if reader.groups > 0 {
        return Err("a parenthesis is not closed: want `)` at the end".to_owned());
    }
    Ok(Reading { regex: reader.regex, literal: reader.literal })
}

/// What was read last: what a repeat would be of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing that can be repeated.
    Nothing,
    /// Something.
    Item,
    /// A repeat.
    Repeat,
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<Chars<'a>>,
    regex: String,
    literal: Option<String>,
    groups: usize,
    last: Last,
}

/// A character of a pattern or of a class, behind its escape.
enum Escaped {
    Char(char),
    /// A class or an assertion, as it is written for our engine.
    Class(String),
    Assertion(&'static str),
}

impl Reader<'_> {
    fn at(&mut self) -> usize {
        self.text.len() - self.chars.clone().map(char::len_utf8).sum::<usize>()
    }

    fn element(&mut self, char: char) -> Result<(), String> {
        match char {
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' => self.open()?,
            ')' => {
                self.groups = self.groups.checked_sub(1).ok_or("this `)` closes nothing")?;
                self.item(")");
            }
            '|' => self.other("|", Last::Nothing),
            '^' | '$' => self.other(char.encode_utf8(&mut [0; 4]), Last::Nothing),
            '.' => self.other(".", Last::Item),
            '*' | '+' | '?' => self.repeat(char.encode_utf8(&mut [0; 4]))?,
            '{' => match self.bounds()? {
                Some(bounds) => self.repeat(&bounds)?,
                None => self.char('{'),
            },
            char => self.char(char),
        }
        Ok(())
    }

    /// Something that is written as it is and does not keep the pattern from being literal.
    fn item(&mut self, regex: &str) {
        self.regex.push_str(regex);
        self.last = Last::Item;
    }

    fn other(&mut self, regex: &str, last: Last) {
        self.regex.push_str(regex);
        self.literal = None;
        self.last = last;
    }

    fn char(&mut self, char: char) {
        push_escaped(&mut self.regex, char, r"\.+*?()|[]{}^$");
        if let Some(literal) = &mut self.literal {
            literal.push(char);
        }
        self.last = Last::Item;
    }

    fn repeat(&mut self, sign: &str) -> Result<(), String> {
        match self.last {
            Last::Nothing => return Err(format!("nothing is there for `{sign}` to repeat")),
            Last::Repeat => return Err(format!("`{sign}` repeats a repeat")),
            Last::Item => {}
        }
        self.other(sign, Last::Repeat);
        if let Some(mode) = self.chars.next_if(|char| matches!(char, '?' | '+')) {
            self.regex.push(mode);
        }
        Ok(())
    }

    /// Bounds after a `{`, if these are some; else the `{` is a plain character.
    fn bounds(&mut self) -> Result<Option<String>, String> {
        let mut chars = self.chars.clone();
        let mut inner = String::new();
        for char in chars.by_ref() {
            match char {
                '0'..='9' | ',' => inner.push(char),
                '}' if !inner.is_empty() && inner.matches(',').count() <= 1 => {
                    self.chars = chars;
                    return repeats(&inner).map(Some);
                }
                _ => break,
            }
        }
        Ok(None)
    }

    fn escape(&mut self) -> Result<(), String> {
        let char = self.chars.next().ok_or("nothing follows `\\`")?;
        if let Some(digit @ '1'..='9') = Some(char) {
            return self.reference(digit);
        }
        match self.escaped(char)? {
            Escaped::Char(char) => self.char(char),
            Escaped::Class(class) => self.other(&class, Last::Item),
            Escaped::Assertion(assertion) => self.other(assertion, Last::Nothing),
        }
        Ok(())
    }

    /// `\1` to `\99`, or a character by three octal digits.
    fn reference(&mut self, first: char) -> Result<(), String> {
        let mut number = String::from(first);
        if let Some(second) = self.chars.next_if(char::is_ascii_digit) {
            number.push(second);
            let is_octal = |char: &char| matches!(char, '0'..='7');
            if number.chars().all(|char| is_octal(&char))
                && let Some(third) = self.chars.next_if(is_octal)
            {
                number.push(third);
                self.char(octal(&number)?);
                return Ok(());
            }
        }
        self.other(&format!(r"(?:\{number})"), Last::Item);
        Ok(())
    }

    /// What `\` and this character mean, outside of a class.
    fn escaped(&mut self, char: char) -> Result<Escaped, String> {
        Ok(match char {
            'A' => Escaped::Assertion(r"\A"),
            'Z' => Escaped::Assertion(r"\z"),
            'b' => Escaped::Assertion(r"\b"),
            'B' => Escaped::Assertion(r"\B"),
            char => self.escaped_anywhere(char)?,
        })
    }

    /// What `\` and this character mean, inside and outside of classes.
    fn escaped_anywhere(&mut self, char: char) -> Result<Escaped, String> {
        let char = match char {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => return Ok(Escaped::Class(format!("\\{char}"))),
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self.hexadecimal(2)?,
            'u' => self.hexadecimal(4)?,
            'U' => self.hexadecimal(8)?,
            '0'..='7' => {
                let mut digits = String::from(char);
                while digits.len() < 3
                    && let Some(digit) = self.chars.next_if(|char| matches!(char, '0'..='7'))
                {
                    digits.push(digit);
                }
                octal(&digits)?
            }
            char if char.is_ascii_alphanumeric() => return Err(format!("`\\{char}` means nothing here")),
            char => char,
        };
        Ok(Escaped::Char(char))
    }

    fn hexadecimal(&mut self, count: usize) -> Result<char, String> {
        let digits: String = self.chars.by_ref().take(count).collect();
        let char = if digits.len() == count { from_digits(&digits, 16) } else { None };
        char.ok_or_else(|| format!("want {count} hexadecimal digits of a character"))
    }

    fn open(&mut self) -> Result<(), String> {
        if self.chars.next_if_eq(&'?').is_none() {
            self.other("(", Last::Nothing);
            self.groups += 1;
            return Ok(());
        }
        let starts = self.at() == 2;
        let kind = self.chars.next().ok_or("nothing follows `(?`")?;
        match kind {
            '#' => return self.until(')').map(drop),
            ':' => {
                // Nothing but a group: what is in it may be literal.
                self.regex.push_str("(?:");
                self.last = Last::Nothing;
            }
            '=' => self.other("(?=", Last::Nothing),
            '!' => self.other("(?!", Last::Nothing),
            '>' => self.other("(?>", Last::Nothing),
            '<' => match self.chars.next() {
                Some('=') => self.other("(?<=", Last::Nothing),
                Some('!') => self.other("(?<!", Last::Nothing),
                _ => return Err("want `(?<=` or `(?<!`".to_owned()),
            },
            'P' => match self.chars.next() {
                Some('<') => {
                    let name = self.name('>')?;
                    self.other(&format!("(?P<{name}>"), Last::Nothing);
                }
                Some('=') => {
                    let name = self.name(')')?;
                    self.other(&format!("(?P={name})"), Last::Item);
                    return Ok(());
                }
                _ => return Err("want `(?P<name>` or `(?P=name)`".to_owned()),
            },
            '(' => {
                let name = self.name(')')?;
                self.other(&format!("(?({name})"), Last::Nothing);
            }
            flag => return self.flags(flag, starts),
        }
        self.groups += 1;
        Ok(())
    }

    /// `(?i)` at the start of the pattern, or `(?i-s:`.
    fn flags(&mut self, first: char, starts: bool) -> Result<(), String> {
        let mut flags = String::new();
        let mut next = Some(first);
        let end = loop {
            match next {
                Some(flag @ ('i' | 'm' | 's' | '-')) => flags.push(flag),
                // All patterns are in Unicode.
                Some('a' | 'u') => {}
                Some('x' | 'L') => return Err("the flags `x` and `L` are not taken".to_owned()),
                Some(end @ (')' | ':')) => break end,
                _ => return Err("want flags of `aimsu` between `(?` and `)` or `:`".to_owned()),
            }
            next = self.chars.next();
        };
        if end == ':' {
            self.other(&format!("(?{flags}:"), Last::Nothing);
            self.groups += 1;
            return Ok(());
        }
        if !starts || flags.contains('-') {
            return Err("flags for the whole pattern must stand at its start".to_owned());
        }
        if !flags.is_empty() {
            self.other(&format!("(?{flags})"), Last::Nothing);
        }
        Ok(())
    }

    fn name(&mut self, end: char) -> Result<String, String> {
        let name = self.until(end)?;
        let is_name = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        if is_name { Ok(name) } else { Err("want a group's name of letters, digits and `_`".to_owned()) }
    }

    fn until(&mut self, end: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                Some(char) if char == end => return Ok(text),
                Some(char) => text.push(char),
                None => return Err(format!("want `{end}`")),
            }
        }
    }
}

/// The bounds of a repeat, as our engine wants them.
fn repeats(inner: &str) -> Result<String, String> {
    let number = |digits: &str| digits.parse::<u32>().map_err(|_| "a repeat has too large a bound".to_owned());
    let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
    let least = if least.is_empty() { 0 } else { number(least)? };
    if most.is_empty() {
        return Ok(format!("{{{least},}}"));
    }
    let most = number(most)?;
    if most < least {
        Err("a repeat has bounds of which the first is greater".to_owned())
    } else {
        Ok(format!("{{{least},{most}}}"))
    }
}

fn octal(digits: &str) -> Result<char, String> {
    let char = from_digits(digits, 8).filter(|char| *char <= '\u{ff}');
    char.ok_or_else(|| "want an octal number of at most `\\377`".to_owned())
}

fn from_digits(digits: &str, radix: u32) -> Option<char> {
    if !digits.chars().all(|char| char.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
}

fn push_escaped(regex: &mut String, char: char, special: &str) {
    if special.contains(char) {
        regex.push('\\');
    }
    regex.push(char);
}

#[cfg(test)]
mod tests;
