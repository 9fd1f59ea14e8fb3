//! Classes of characters: `[a-z]`.

use super::{Escaped, Last, Reader, push_escaped};

impl Reader<'_> {
    /// A class, from behind its `[`.
    pub(super) fn class(&mut self) -> Result<(), String> {
        const UNCLOSED: &str = "a class is not closed: want `]`";
        let mut class = String::from("[");
        let negated = self.chars.next_if_eq(&'^').is_some();
        if negated {
            class.push('^');
        }
        // The only character so far, or `None` when there is more to it.
        let mut only: Option<Option<char>> = None;
        let mut first = true;
        loop {
            let char = self.chars.next().ok_or(UNCLOSED)?;
            if char == ']' && !first {
                break;
            }
            first = false;
            let Some(low) = self.member(char, &mut class)? else {
                only = Some(None);
                continue;
            };
            let mut ahead = self.chars.clone();
            if ahead.next() == Some('-') && ahead.peek().ok_or(UNCLOSED)? != &']' {
                self.chars.next();
                let high = self.chars.next().ok_or(UNCLOSED)?;
                let mut ignored = String::new();
                let high = self.member(high, &mut ignored)?.filter(|high| *high >= low);
                let high = high.ok_or("a range in a class must go from a character to a later one")?;
                push_in_class(&mut class, low);
                class.push('-');
                push_in_class(&mut class, high);
                only = Some(None);
                continue;
            }
            push_in_class(&mut class, low);
            only = match only {
                None => Some(Some(low)),
                Some(Some(before)) if before == low => only,
                Some(_) => Some(None),
            };
        }
        if let Some(char) = only.flatten().filter(|_| !negated) {
            self.char(char);
        } else {
            class.push(']');
            self.other(&class, Last::Item);
        }
        Ok(())
    }

    /// A member of a class that begins with this character; a class in it is written right away.
    fn member(&mut self, char: char, class: &mut String) -> Result<Option<char>, String> {
        if char != '\\' {
            return Ok(Some(char));
        }
        let char = self.chars.next().ok_or("nothing follows `\\`")?;
        if char == 'b' {
            return Ok(Some('\u{8}'));
        }
        Ok(match self.escaped_anywhere(char)? {
            Escaped::Char(char) => Some(char),
            Escaped::Class(inner) => {
                class.push_str(&inner);
                None
            }
            Escaped::Assertion(_) => None,
        })
    }
}

fn push_in_class(class: &mut String, char: char) {
    push_escaped(class, char, r"\[]^-&~#");
}
