//! Format specifications: `[[fill]align][sign][#][0][width][.precision][type]`.

use super::Argument;

/// A specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    fill: char,
    align: Option<char>,
    sign: Option<char>,
    has_zero: bool,
    /// What texts have no use for: `z`, `#`, `,`, `_`.
    other: Option<char>,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let chars: Vec<char> = text.chars().collect();
        let mut rest = chars.as_slice();
        let (fill, align) = match rest {
            [fill, align @ ('<' | '>' | '=' | '^'), tail @ ..] => {
                rest = tail;
                (Some(*fill), Some(*align))
            }
            [align @ ('<' | '>' | '=' | '^'), tail @ ..] => {
                rest = tail;
                (None, Some(*align))
            }
            _ => (None, None),
        };
        let sign = take(&mut rest, &['+', '-', ' ']);
        let mut other = take(&mut rest, &['z']);
        other = take(&mut rest, &['#']).or(other);
        let has_zero = fill.is_none() && take(&mut rest, &['0']).is_some();
        let width = digits(&mut rest)?.unwrap_or(0);
        other = take(&mut rest, &[',', '_']).or(other);
        let precision = match take(&mut rest, &['.']) {
            Some(_) => Some(digits(&mut rest)?.ok_or("want digits after `.`")?),
            None => None,
        };
        let kind = match rest {
            [] => None,
            [kind] => Some(*kind),
            _ => return Err(format!("`{text}` is no format specification")),
        };
        let fill = fill.unwrap_or(if has_zero { '0' } else { ' ' });
        Ok(Self { fill, align, sign, has_zero, other, width, precision, kind })
    }

    /// How many characters it makes at least.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn apply(&self, argument: Argument<'_>) -> Result<String, String> {
        if let Some(other) = self.other {
            return Err(format!("`{other}` is not taken here"));
        }
        match argument {
            Argument::Text(text) => self.text(text),
            Argument::Number(number) => self.number(number),
        }
    }

    fn text(&self, text: &str) -> Result<String, String> {
        match (self.kind, self.sign, self.align) {
            (None | Some('s'), None, None | Some('<' | '>' | '^')) => {}
            (Some(kind), None, _) if kind != 's' => {
                return Err(format!("type `{kind}` is not taken for a text: want `s` or none"));
            }
            (_, Some(sign), _) => return Err(format!("a sign (`{sign}`) is not taken for a text")),
            _ => return Err("alignment `=` is not taken for a text: want `<`, `>` or `^`".to_owned()),
        }
        let cut: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        Ok(self.padded(&cut, self.align.unwrap_or('<')))
    }

    fn number(&self, number: usize) -> Result<String, String> {
        if self.precision.is_some() {
            return Err("a precision is not taken for a whole number".to_owned());
        }
        let digits = match self.kind {
            None | Some('d' | 'n') => number.to_string(),
            Some('x') => format!("{number:x}"),
            Some('X') => format!("{number:X}"),
            Some('o') => format!("{number:o}"),
            Some('b') => format!("{number:b}"),
            Some(kind) => return Err(format!("type `{kind}` is not taken for a whole number: want one of dnxXob")),
        };
        let sign = match self.sign {
            Some(sign @ ('+' | ' ')) => sign.to_string(),
            _ => String::new(),
        };
        let align = self.align.unwrap_or(if self.has_zero { '=' } else { '>' });
        if align == '=' {
            let width = self.width.saturating_sub(sign.chars().count());
            let padded = Self { width, ..self.clone() }.padded(&digits, '>');
            return Ok(sign + &padded);
        }
        Ok(self.padded(&(sign + &digits), align))
    }

    fn padded(&self, text: &str, align: char) -> String {
        let padding = self.width.saturating_sub(text.chars().count());
        let left = match align {
            '>' => padding,
            '^' => padding / 2,
            _ => 0,
        };
        let fill = |count| std::iter::repeat_n(self.fill, count);
        fill(left).chain(text.chars()).chain(fill(padding - left)).collect()
    }
}

/// Takes the next character if it is one of these.
fn take(rest: &mut &[char], wanted: &[char]) -> Option<char> {
    let (first, tail) = rest.split_first()?;
    if !wanted.contains(first) {
        return None;
    }
    *rest = tail;
    Some(*first)
}

fn digits(rest: &mut &[char]) -> Result<Option<usize>, String> {
    let count = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let (digits, tail) = rest.split_at(count);
    *rest = tail;
    if digits.is_empty() {
        return Ok(None);
    }
    let digits: String = digits.iter().collect();
    digits.parse().map(Some).map_err(|_| format!("{digits} is too large a number"))
}
