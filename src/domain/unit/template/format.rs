//! Format strings, as Python's `str.format` reads them: `{name}`, `{name!r}`, `{name:>5}`, `{name:{width}}`, `{{` and
//! `}}`.
//!
//! What a record gives are texts, so a name with an attribute or an index (`{a.b}`, `{a[0]}`) names nothing, as
//! measured; neither do positions (`{0}`, `{}`).

mod argument;
mod repr;
mod spec;
#[cfg(test)]
mod tests;

pub(in crate::domain::unit) use argument::Argument;

use super::RenderError;
use spec::Spec;

/// How deep a specification may hold fields of its own, as in Python.
const MAX_NESTED: usize = 2;

/// A format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain::unit) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field(Field),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    /// As written between the brace and the `!`, the `:` or the closing brace.
    name: String,
    conversion: Option<Conversion>,
    specification: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversion {
    Plain,
    Quoted,
    Ascii,
}

/// What is wrong with a format string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {detail}")]
pub struct FormatError {
    /// Where, in characters from 1.
    pub at: usize,
    /// What, and what was expected.
    pub detail: String,
}

impl Format {
    /// Reads a format string.
    ///
    /// # Errors
    /// A brace that is not closed, not opened or not doubled; a conversion that is not `r`, `s` or `a`.
    pub(in crate::domain::unit) fn parse(text: &str) -> Result<Self, FormatError> {
        let chars: Vec<char> = text.chars().collect();
        Reader { chars: &chars, next: 0, before: 0 }.pieces(MAX_NESTED)
    }

    /// The names that it looks up, in the order of writing; a name may come again.
    pub(in crate::domain::unit) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.push_names(&mut names);
        names
    }

    // No deeper than `MAX_NESTED`.
    fn push_names<'a>(&'a self, names: &mut Vec<&'a str>) {
        for field in self.fields() {
            let (first, _) = field.parts();
            if !is_position(first) {
                names.push(first);
            }
            field.specification.push_names(names);
        }
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Field(field) => Some(field),
        })
    }

    /// Fills in what `lookup` has under the names, and `stand_in`, if there is one, for what names nothing.
    ///
    /// # Errors
    /// A name that names nothing, a specification that cannot be applied, a text that would be too long.
    pub(in crate::domain::unit) fn render<'a>(
        &self,
        lookup: &dyn Fn(&str) -> Option<Argument<'a>>,
        stand_in: Option<&'a str>,
        most: usize,
    ) -> Result<String, RenderError> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Field(field) => text.push_str(&field.render(lookup, stand_in, most)?),
            }
            if text.len() > most {
                return Err(RenderError::TooLong { most });
            }
        }
        Ok(text)
    }
}

impl Field {
    /// The name to look up, and what of it is to be taken.
    fn parts(&self) -> (&str, &str) {
        self.name.split_at(self.name.find(['.', '[']).unwrap_or(self.name.len()))
    }

    fn render<'a>(
        &self,
        lookup: &dyn Fn(&str) -> Option<Argument<'a>>,
        stand_in: Option<&'a str>,
        most: usize,
    ) -> Result<String, RenderError> {
        let named = self.argument(lookup).or_else(|error| stand_in.map(Argument::Text).ok_or(error))?;
        let specification = self.specification.render(lookup, stand_in, most)?;
        let wrong = |detail| RenderError::Specification { name: self.name.clone(), detail };
        let spec = Spec::parse(&specification).map_err(wrong)?;
        if spec.width() > most {
            return Err(RenderError::TooLong { most });
        }
        let converted = match self.conversion {
            None => return spec.apply(named).map_err(wrong),
            Some(Conversion::Plain) => named.to_text(),
            Some(Conversion::Quoted) => named.quoted(false),
            Some(Conversion::Ascii) => named.quoted(true),
        };
        spec.apply(Argument::Text(&converted)).map_err(wrong)
    }

    fn argument<'a>(&self, lookup: &dyn Fn(&str) -> Option<Argument<'a>>) -> Result<Argument<'a>, RenderError> {
        let (first, rest) = self.parts();
        if is_position(first) {
            return Err(RenderError::Position { name: self.name.clone() });
        }
        if !rest.is_empty() {
            return Err(RenderError::NoParts { name: first.to_owned(), part: rest.to_owned() });
        }
        lookup(first).ok_or_else(|| RenderError::Missing { name: first.to_owned() })
    }
}

fn is_position(first: &str) -> bool {
    first.chars().all(|c| c.is_ascii_digit())
}

struct Reader<'a> {
    chars: &'a [char],
    next: usize,
    /// How many characters of the whole text stand before these.
    before: usize,
}

impl Reader<'_> {
    fn pieces(&mut self, nested: usize) -> Result<Format, FormatError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        while let Some(c) = self.take() {
            match (c, self.peek()) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    self.next += 1;
                    literal.push(c);
                }
                ('{', Some(_)) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Field(self.field(nested)?));
                }
                ('{', None) => return Err(self.wrong("`{` with nothing after it: want a name, or `{{` for a brace")),
                ('}', _) => return Err(self.wrong("`}` that closes nothing: want `}}` for a brace")),
                _ => literal.push(c),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Format { pieces })
    }

    /// What follows an opening brace.
    fn field(&mut self, nested: usize) -> Result<Field, FormatError> {
        let (name, end) = self.name()?;
        let (conversion, end) = if end == '!' { self.conversion()? } else { (None, end) };
        let specification = if end == ':' { self.specification(nested)? } else { Format { pieces: Vec::new() } };
        Ok(Field { name, conversion, specification })
    }

    /// The name and the character that ended it.
    fn name(&mut self) -> Result<(String, char), FormatError> {
        let mut name = String::new();
        let mut is_in_brackets = false;
        while let Some(c) = self.take() {
            match c {
                '{' if !is_in_brackets => return Err(self.wrong("`{` in a name: want `}`, `:` or `!` before it")),
                '}' | ':' | '!' if !is_in_brackets => return Ok((name, c)),
                '[' => is_in_brackets = true,
                ']' => is_in_brackets = false,
                _ => {}
            }
            name.push(c);
        }
        Err(self.wrong("the text ends in a name: want `}`"))
    }

    /// The conversion and the character after it.
    fn conversion(&mut self) -> Result<(Option<Conversion>, char), FormatError> {
        let conversion = match self.take() {
            Some('s') => Conversion::Plain,
            Some('r') => Conversion::Quoted,
            Some('a') => Conversion::Ascii,
            _ => return Err(self.wrong("want `r`, `s` or `a` after `!`")),
        };
        match self.take() {
            Some(c @ ('}' | ':')) => Ok((Some(conversion), c)),
            _ => Err(self.wrong("want `:` or `}` after the conversion")),
        }
    }

    /// The specification, up to the brace that closes the field.
    fn specification(&mut self, nested: usize) -> Result<Format, FormatError> {
        let start = self.next;
        let mut open = 1_usize;
        while let Some(c) = self.take() {
            match c {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 {
                let chars = self.chars.get(start..self.next - 1).unwrap_or_default();
                let Some(deeper) = nested.checked_sub(1).or((!chars.contains(&'{')).then_some(0)) else {
                    return Err(self.wrong("fields within fields: want them at most 2 deep"));
                };
                return Reader { chars, next: 0, before: self.before + start }.pieces(deeper);
            }
        }
        Err(self.wrong("the text ends in a specification: want `}`"))
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.next += 1;
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).copied()
    }

    /// The fault at the character that was taken last.
    fn wrong(&self, detail: &str) -> FormatError {
        FormatError { at: self.before + self.next.max(1), detail: detail.to_owned() }
    }
}
