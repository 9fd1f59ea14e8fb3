//! Labels: the names of tests, suites, resources and directories.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub mod scheme;
#[cfg(test)]
mod tests;

/// The most bytes of a label: both databases index it.
pub const MAX_LABEL_BYTES: usize = 512;

/// The most components of a label: each but the last is a directory of its own, which one item would otherwise bring
/// along by the hundred.
pub const MAX_LABEL_COMPONENTS: usize = 64;

/// The most characters of a text that a message repeats.
const MAX_SHOWN_CHARS: usize = 80;

/// A label of the catalogue: components of `a-z`, `0-9`, `_` and `-`, joined by dots. The empty label is the root
/// directory, the whole catalogue.
///
/// QMTest takes several spellings of one label (`a.b`, `a..b`, `a.b.`) and a final newline; here each thing has one
/// name. [`scheme`] has QMTest's own rules. Labels are ordered by their bytes, as QMTest's front ends sort ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// The text is no label; says what is wrong and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLabel(pub String);

impl Label {
    /// The root directory.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Whether it is the root directory.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory that it is in. The root is in itself.
    #[must_use]
    pub fn directory(&self) -> Self {
        Self(parts(&self.0).0.to_owned())
    }

    /// Its last component: its name inside its directory. The root's is empty.
    #[must_use]
    pub fn name(&self) -> &str {
        parts(&self.0).1
    }

    /// The label of this name in this directory.
    ///
    /// # Errors
    /// If the name is no component (empty, or with a dot or another wrong character), or the whole becomes too long.
    pub fn child(&self, name: &str) -> Result<Self, InvalidLabel> {
        if name.is_empty() {
            return Err(InvalidLabel(format!(
                "a name in the directory {} is needed, and this one is empty",
                shown(&self.0)
            )));
        }
        let name: Self = name.parse()?;
        if let Some(dot) = name.0.find('.') {
            let place = dot.saturating_add(1);
            return Err(InvalidLabel(format!(
                "{} is no name of one component: it has a dot at character {place}; leave it out, or name the directory as such",
                shown(&name.0)
            )));
        }
        if self.is_root() { Ok(name) } else { format!("{self}.{name}").parse() }
    }

    /// The directories that it is below: nearest first, the root last. The root is below none.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + use<> {
        let above = |label: &Self| (!label.is_root()).then(|| label.directory());
        std::iter::successors(above(self), above)
    }

    /// Whether it is in that directory or in one below it: `lang.c` is below `lang`, `language.c` and `lang` itself are
    /// not.
    #[must_use]
    pub fn is_below(&self, directory: &Self) -> bool {
        if directory.is_root() {
            return !self.is_root();
        }
        self.0.strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// The directory of a label's text, and its last component.
pub(super) fn parts(label: &str) -> (&str, &str) {
    label.rsplit_once('.').unwrap_or(("", label))
}

/// A text as a message repeats it: in backticks, what cannot be seen escaped, cut where it is long.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::from('`');
    text.chars().take(MAX_SHOWN_CHARS).for_each(|c| push_shown(&mut shown, c));
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown.push('`');
    shown
}

fn push_shown(shown: &mut String, c: char) {
    match c {
        // Easily seen, and escaped by `escape_debug` all the same.
        '\'' | '"' | '\\' => shown.push(c),
        _ => shown.extend(c.escape_debug()),
    }
}

/// What is wrong with the text, if it is no label.
fn fault(text: &str) -> Option<String> {
    if text.len() > MAX_LABEL_BYTES {
        return Some(format!("it has {} bytes, and {MAX_LABEL_BYTES} are the most", text.len()));
    }
    let mut before = None;
    for (place, c) in (1_usize..).zip(text.chars()) {
        match (before, c) {
            (None, '.') if text == "." => return Some("the root directory is the empty text".to_owned()),
            (None, '.') => return Some("it begins with a dot; leave that out".to_owned()),
            (Some('.'), '.') => {
                return Some(format!(
                    "there are two dots in a row at character {place}; one stands between components"
                ));
            }
            (_, '.' | 'a'..='z' | '0'..='9' | '_' | '-') => {}
            (_, 'A'..='Z') => {
                return Some(format!("there is a capital `{c}` at character {place}{}", lower_case(text)));
            }
            (_, '\n' | '\r') if text.trim_end_matches(['\n', '\r']).chars().count() < place => {
                return Some("it ends in a line break; leave that out".to_owned());
            }
            (_, c) => {
                let c = shown(c.encode_utf8(&mut [0; 4]));
                return Some(format!(
                    "there is {c} at character {place}; components are of `a-z`, `0-9`, `_` and `-`, with one dot between \
                     two"
                ));
            }
        }
        before = Some(c);
    }
    if before == Some('.') {
        return Some("it ends in a dot; leave that out".to_owned());
    }
    let components = text.split('.').count();
    (components > MAX_LABEL_COMPONENTS)
        .then(|| format!("it has {components} components, and {MAX_LABEL_COMPONENTS} are the most"))
}

/// The advice to write a text in lower case; general where that alone would not make it a label.
fn lower_case(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if fault(&lower).is_none() { format!("; write {}", shown(&lower)) } else { "; letters are lower case".to_owned() }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(fault) => Err(InvalidLabel(format!("{} is no label: {fault}", shown(text)))),
        }
    }
}

impl TryFrom<String> for Label {
    type Error = InvalidLabel;

    fn try_from(text: String) -> Result<Self, InvalidLabel> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
