//! `manage.py`: what a provider is called. The script is searched, and never run.

use std::iter::Peekable;
use std::str::Chars;

/// What a script says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The name of the provider.
    pub(super) name: Option<String>,
    /// Its namespace.
    pub(super) namespace: Option<String>,
}

/// Looks in a script of Python for the call of `setup`, and in it for `name=` and `namespace=` with a literal text each. In a
/// script without such a call they are looked for everywhere. What is worked out when the script runs is not known.
pub(super) fn read(text: &str) -> Said {
    let tokens: Vec<Token> = Tokens(text.chars().peekable()).collect();
    let call = tokens.windows(3).enumerate().find_map(|(place, window)| match window {
        [before, Token::Word(word), Token::Sign('(')] if word == "setup" && !before.is_word("def") => Some(place + 3),
        _ => None,
    });
    // A script may begin with the call.
    let call = call.or_else(|| match tokens.as_slice() {
        [Token::Word(word), Token::Sign('('), ..] if word == "setup" => Some(2),
        _ => None,
    });
    let inside = call.and_then(|place| tokens.get(place..));
    search(inside.unwrap_or(&tokens), inside.is_some())
}

fn search(tokens: &[Token], in_call: bool) -> Said {
    let mut said = Said::default();
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') if depth == 0 && in_call => break,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            // Arguments of the call itself, and not of what is called in it.
            Token::Word(word) if depth == 0 || !in_call => {
                let is_member = place.checked_sub(1).and_then(|before| tokens.get(before)) == Some(&Token::Sign('.'));
                let slot = match word.as_str() {
                    "name" => &mut said.name,
                    "namespace" => &mut said.namespace,
                    _ => continue,
                };
                if slot.is_none() && !is_member {
                    *slot = tokens.get(place + 1..).and_then(literal);
                }
            }
            Token::Word(_) | Token::Text(_) | Token::Sign(_) => {}
        }
    }
    said
}

/// The text that is assigned here, if it is one that stands there as it is. Texts that follow each other are one.
fn literal(tokens: &[Token]) -> Option<String> {
    let [Token::Sign('='), Token::Text(first), rest @ ..] = tokens else { return None };
    let mut text = first.clone();
    for token in rest {
        match token {
            Token::Text(more) => text.push_str(more),
            Token::Sign('.' | '%' | '+' | '*' | '[') => return None,
            _ => break,
        }
    }
    Some(text)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// A literal text; not one of bytes, and none with values put in.
    Text(String),
    /// Anything else.
    Sign(char),
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }
}

struct Tokens<'t>(Peekable<Chars<'t>>);

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let letter = self.0.next()?;
            match letter {
                '#' => while self.0.next_if(|letter| *letter != '\n').is_some() {},
                '"' | '\'' => return Some(self.text(letter, "")),
                letter if letter.is_whitespace() => {}
                letter if letter.is_alphanumeric() || letter == '_' => return Some(self.word(letter)),
                letter => return Some(Token::Sign(letter)),
            }
        }
    }
}

impl Tokens<'_> {
    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        while let Some(letter) = self.0.next_if(|letter| letter.is_alphanumeric() || *letter == '_') {
            word.push(letter);
        }
        let prefix = word.to_ascii_lowercase();
        if matches!(prefix.as_str(), "r" | "u" | "b" | "f" | "t" | "rb" | "br" | "rf" | "fr")
            && let Some(quote) = self.0.next_if(|letter| matches!(letter, '"' | '\''))
        {
            return self.text(quote, &prefix);
        }
        Token::Word(word)
    }

    /// A text behind its first quote.
    fn text(&mut self, quote: char, prefix: &str) -> Token {
        let mut text = String::new();
        let mut triple = false;
        if self.0.next_if_eq(&quote).is_some() {
            triple = self.0.next_if_eq(&quote).is_some();
            if !triple {
                return Self::taken(text, prefix);
            }
        }
        let mut quotes = 0;
        while let Some(letter) = self.0.next() {
            if letter == quote {
                quotes += 1;
                if !triple || quotes == 3 {
                    // Of three quotes the first two were taken for a part of the text.
                    text.truncate(text.len() - if triple { 2 * quote.len_utf8() } else { 0 });
                    return Self::taken(text, prefix);
                }
                text.push(letter);
                continue;
            }
            quotes = 0;
            match letter {
                '\\' => {
                    let next = self.0.next();
                    match next {
                        Some('\n') if !prefix.contains('r') => {}
                        Some(next @ ('\\' | '\'' | '"')) if !prefix.contains('r') => text.push(next),
                        next => text.extend(['\\'].into_iter().chain(next)),
                    }
                }
                // It is not closed in its line: no text.
                '\n' if !triple => return Token::Sign(quote),
                letter => text.push(letter),
            }
        }
        Token::Sign(quote)
    }

    fn taken(text: String, prefix: &str) -> Token {
        if prefix.contains(['b', 'f', 't']) { Token::Sign('"') } else { Token::Text(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (Option<String>, Option<String>) {
        let Said { name, namespace } = read(text);
        (name, namespace)
    }

    fn both(name: &str, namespace: &str) -> (Option<String>, Option<String>) {
        (Some(name.to_owned()), Some(namespace.to_owned()))
    }

    #[test]
    fn the_arguments_of_the_call_are_found() {
        for text in [
            "setup(name='p', namespace=\"a.b\")",
            "#!/usr/bin/env python3\nfrom plainbox.provider_manager import setup, N_\n\nsetup(\n    name = 'p',\n    \
             namespace = 'a.b', # name='x'\n    description=N_(\"name='x'\"),\n)\n",
            "class Install(Base):\n    name = 'install'\n    namespace = 'x'\n\nsetup(version='1', namespace=r'a.b', name=u'p')",
            "def setup(name='no', namespace='no'): pass\nsetup(x=dict(name='no'), name='''p''', namespace='a' '.b')",
            "\"\"\"Says name='x'.\n\nsetup(name='y')\n\"\"\"\nsetup(name='p', namespace='a.b')\nother(name='z')",
            "x.name = 'no'\nname = \"p\"\nnamespace = 'a.b'\n",
            "setup(namespace='a.b', name='\\\np')",
        ] {
            assert_eq!(said(text), both("p", "a.b"), "{text}");
        }
        assert_eq!(said("setup(name='2013.com.example:it''s')").0.as_deref(), Some("2013.com.example:its"));
        assert_eq!(said(r#"setup(name="a\"b\\c")"#).0.as_deref(), Some("a\"b\\c"));
        assert_eq!(said("setup(name='''a''b''')").0.as_deref(), Some("a''b"));
    }

    #[test]
    fn what_is_worked_out_is_not_known() {
        for text in [
            "",
            "setup(",
            "setup()",
            "setup(name=NAME)",
            "setup(name=f'{x}')",
            "setup(name=b'p')",
            "setup(name='p' % x)",
            "setup(name='p'.lower())",
            "setup(name == 'p')",
            "setup(name='p",
            "setup(name='''p'",
            "setup(name='p\n')",
            "setup(other(name='p'))",
            "name",
            "name=",
            "'",
            "\"\"\"",
            "\\",
            "setup(name='\\",
            "r'",
        ] {
            assert_eq!(said(text), (None, None), "{text}");
        }
    }
}
