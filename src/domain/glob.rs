//! Shell globs over whole texts: `*` is any run of characters, also none and also of `/`; `?` is one character; `[abc]`,
//! `[a-z]` and `[!a-z]` are one of these, or none of these.
//!
//! A `]` that comes first in a class stands for itself, and so does a `[` that is not closed. A range that ends before it
//! begins has no characters. A backslash is a character as any other: special ones are written as a class, `[*]`. These are
//! the rules of Python's `fnmatchcase`, by which Canary matches.
//!
//! Stars are met from left to right, each by the first place where what follows it fits: a match takes time in proportion
//! to the text's length times the glob's at worst, however many stars there are.

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

/// A glob.
#[derive(Clone, Debug, PartialEq)]
pub struct Glob {
    text: String,
    /// The least bytes of a text that it matches.
    least: usize,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// No star.
    Whole(Run),
    /// At least one star: what stands before the first, between two, and behind the last.
    Stars { first: Run, middle: Vec<Run>, last: Run },
}

/// What stands between two stars.
#[derive(Clone, Debug, PartialEq)]
enum Run {
    /// Characters that stand for themselves.
    Text(String),
    /// Other ones among them; and the longest text that is part of it, which is looked for first, since that is faster.
    Places(Vec<Place>, String),
}

/// What one character is matched with.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    This(char),
    Any,
    Class(Box<Class>),
}

#[derive(Clone, Debug, PartialEq)]
struct Class {
    /// For each ASCII character a bit that says whether the class has it.
    ascii: u128,
    /// First and last of each range.
    ranges: Vec<(char, char)>,
    negated: bool,
}

impl Glob {
    /// Reads a glob. Every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut runs = vec![Vec::new()];
        let mut rest = text;
        // Where one class is not closed, none behind it is: they are not looked through again for each `[`.
        let mut unclosed = false;
        while let Some(c) = rest.chars().next() {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            let place = match c {
                '*' => {
                    runs.push(Vec::new());
                    continue;
                }
                '?' => Place::Any,
                '[' if !unclosed => {
                    let class = class(rest);
                    unclosed = class.is_none();
                    let (place, behind) = class.unwrap_or((Place::This('['), rest));
                    rest = behind;
                    place
                }
                c => Place::This(c),
            };
            if let Some(run) = runs.last_mut() {
                run.push(place);
            }
        }
        let least = runs.iter().flatten().map(|place| if let Place::This(c) = place { c.len_utf8() } else { 1 }).sum();
        Self { text: text.to_owned(), least, shape: shape(runs) }
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The only text that it matches, if it has no star, no question mark and no class of several characters: a caller can
    /// look that up.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &self.shape {
            Shape::Whole(Run::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The beginning of the glob that stands for itself: whatever it matches begins so.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let end = self.text.find(['*', '?', '[']).unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }

    /// How many steps it may take to match a text of so many bytes, about: for bounding what somebody asks for.
    #[must_use]
    pub fn steps(&self, length: usize) -> u64 {
        let times = match &self.shape {
            Shape::Whole(_) => 1,
            Shape::Stars { middle, .. } => middle.len().saturating_add(1),
        };
        u64::try_from(length.saturating_add(self.text.len()).saturating_mul(times)).unwrap_or(u64::MAX)
    }

    /// Whether it matches the whole text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if text.len() < self.least {
            return false;
        }
        match &self.shape {
            Shape::Whole(run) => run.after(text).is_some_and(str::is_empty),
            Shape::Stars { first, middle, last } => {
                let inside = first.after(text).and_then(|rest| last.before(rest));
                inside.is_some_and(|inside| in_order(middle, inside))
            }
        }
    }
}

/// Whether these are found in the text one behind the other.
fn in_order(runs: &[Run], text: &str) -> bool {
    match runs {
        [] => true,
        // The standard library finds whether much faster than where.
        [Run::Text(wanted)] => text.contains(wanted.as_str()),
        runs => runs.iter().try_fold(text, |rest, run| run.beyond(rest)).is_some(),
    }
}

impl Run {
    /// What is left of the text behind this at its start.
    fn after<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            // Nothing is not compared with: that is slow where it lies nowhere in memory.
            Self::Text(wanted) if wanted.is_empty() => Some(text),
            Self::Text(wanted) => text.strip_prefix(wanted.as_str()),
            Self::Places(places, _) => {
                let mut rest = text.chars();
                places.iter().all(|place| rest.next().is_some_and(|c| place.takes(c))).then_some(rest.as_str())
            }
        }
    }

    /// What is left of the text before this at its end.
    fn before<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(wanted) if wanted.is_empty() => Some(text),
            Self::Text(wanted) => text.strip_suffix(wanted.as_str()),
            Self::Places(places, _) => {
                let mut rest = text.chars();
                places
                    .iter()
                    .rev()
                    .all(|place| rest.next_back().is_some_and(|c| place.takes(c)))
                    .then_some(rest.as_str())
            }
        }
    }

    /// What is left of the text behind the first place where this is.
    fn beyond<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(wanted) => text.split_once(wanted.as_str()).map(|(_, rest)| rest),
            Self::Places(_, part) if !part.is_empty() && !text.contains(part.as_str()) => None,
            Self::Places(places, _) => {
                let mut rest = text.chars();
                loop {
                    let mut here = rest.clone();
                    if places.iter().all(|place| here.next().is_some_and(|c| place.takes(c))) {
                        return Some(here.as_str());
                    }
                    rest.next()?;
                }
            }
        }
    }
}

impl Place {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::This(wanted) => c == *wanted,
            Self::Any => true,
            Self::Class(class) => {
                if c.is_ascii() {
                    (class.ascii >> u32::from(c)) & 1 == 1
                } else {
                    class.ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != class.negated
                }
            }
        }
    }
}

/// What stands between the stars: there is always one run more than there are stars.
fn shape(runs: Vec<Vec<Place>>) -> Shape {
    let mut runs: Vec<Run> = runs.into_iter().map(run).collect();
    let last = runs.pop().unwrap_or_else(|| Run::Text(String::new()));
    if runs.is_empty() {
        return Shape::Whole(last);
    }
    let mut runs = runs.into_iter();
    let first = runs.next().unwrap_or_else(|| Run::Text(String::new()));
    let is_empty = |run: &Run| matches!(run, Run::Text(text) if text.is_empty());
    Shape::Stars { first, middle: runs.filter(|run| !is_empty(run)).collect(), last }
}

fn run(places: Vec<Place>) -> Run {
    let itself = |place: &Place| if let Place::This(c) = place { Some(*c) } else { None };
    let texts = places.split(|place| itself(place).is_none());
    let texts = texts.map(|places| places.iter().filter_map(itself).collect::<String>());
    let longest = texts.max_by_key(String::len).unwrap_or_default();
    if places.iter().all(|place| itself(place).is_some()) { Run::Text(longest) } else { Run::Places(places, longest) }
}

/// The class that begins behind its `[`, and what stands behind its `]`; nothing if there is no such.
fn class(text: &str) -> Option<(Place, &str)> {
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
    let close = text.char_indices().skip(1).find(|(_, c)| *c == ']').map(|(at, _)| at)?;
    let (inside, behind) = (text.get(..close)?, text.get(close + 1..)?);
    let mut ranges = Vec::new();
    let mut chars = inside.chars();
    while let Some(first) = chars.next() {
        let mut ahead = chars.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                chars = ahead;
                last
            }
            _ => first,
        };
        if first <= last {
            ranges.push((first, last));
        }
    }
    let place = match ranges.as_slice() {
        [(first, last)] if first == last && !negated => Place::This(*first),
        [] if negated => Place::Any,
        _ => {
            let has = |c: &u8| ranges.iter().any(|(first, last)| (*first..=*last).contains(&char::from(*c))) != negated;
            let ascii = (0..128_u8).filter(has).fold(0_u128, |bits, c| bits | (1 << c));
            Place::Class(Box::new(Class { ascii, ranges, negated }))
        }
    };
    Some((place, behind))
}
