//! QMTest's own rules for labels: how its two classes of labels judge, join and split them.
//!
//! These are what a QMTest database means, with its oddities; what the catalogue itself takes is [`Label`](super::Label).

use crate::domain::words::words;

words!(
    /// A class of labels, by the name that QMTest's configuration has for it (`label_class`).
    Scheme, "label class", {
        /// Components of `a-z`, `0-9`, `_` and `-`, with `.` between two. The default.
        Dotted = "python_label.PythonLabel",
        /// Paths of files, with their extensions and `/` between two components.
        Path = "file_label.FileLabel",
    }
);

impl Scheme {
    /// What stands between two components.
    #[must_use]
    pub fn separator(self) -> char {
        match self {
            Self::Dotted => '.',
            Self::Path => '/',
        }
    }

    /// Whether QMTest takes the text for a label; of one component where `is_component`.
    ///
    /// More than [`Label`](super::Label) takes: a separator at the end, and for dotted labels one newline after all, for
    /// the end of QMTest's pattern matches before it.
    #[must_use]
    pub fn is_valid(self, label: &str, is_component: bool) -> bool {
        let separator = self.separator();
        let mut doubled = label.chars().zip(label.chars().skip(1)).filter(|pair| *pair == (separator, separator));
        if label.starts_with(separator) || doubled.next().is_some() || (is_component && label.contains(separator)) {
            return false;
        }
        let characters = label.strip_suffix('\n').unwrap_or(label);
        let dotted = |c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.');
        self == Self::Path || (!characters.is_empty() && characters.chars().all(dotted))
    }

    /// Joins labels: a separator comes between two where the first does not end in one. An empty label after another
    /// leaves a separator at the end. A path that begins with `/` discards what stands before it.
    #[must_use]
    pub fn join<S: AsRef<str>>(self, labels: &[S]) -> String {
        let mut joined = String::new();
        for label in labels.iter().map(AsRef::as_ref) {
            if self == Self::Path && label.starts_with(self.separator()) {
                joined.clear();
            }
            if !joined.is_empty() && !joined.ends_with(self.separator()) {
                joined.push(self.separator());
            }
            joined.push_str(label);
        }
        joined
    }

    /// Cuts at the last separator: directory and name. Without one, the whole is the name. The directory of a path loses
    /// the slashes at its end, unless it is nothing else.
    #[must_use]
    pub fn split(self, label: &str) -> (&str, &str) {
        let Some((directory, name)) = label.rsplit_once(self.separator()) else { return ("", label) };
        if self == Self::Dotted {
            return (directory, name);
        }
        let trimmed = directory.trim_end_matches('/');
        if trimmed.is_empty() { label.split_at(label.len() - name.len()) } else { (trimmed, name) }
    }

    /// Cuts at the first separator: the first component and the rest. Without one, the whole is the first component.
    #[must_use]
    pub fn split_left(self, label: &str) -> (&str, &str) {
        label.split_once(self.separator()).unwrap_or((label, ""))
    }

    /// The components. Where one is empty, what comes after its separator is the last one, however many separators it
    /// has: `a..b.c` is `a` and `b.c`. A QMTest database finds files by these, which is how one file has several names.
    #[must_use]
    pub fn components(self, label: &str) -> Vec<&str> {
        let mut components = Vec::new();
        let mut rest = label;
        while !rest.is_empty() {
            let (first, after) = self.split_left(rest);
            if first.is_empty() {
                components.push(after);
                break;
            }
            components.push(first);
            rest = after;
        }
        components
    }
}

/// The text has nothing that a label could be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no label can be made of this: want at least one of a-z, A-Z, 0-9 and +")]
pub struct NothingLeft;

/// Makes a component of any text, as QMTest does for the file names of attachments: outer blanks go, letters become
/// lower case, `+` becomes `x`, all else becomes `_`, and underscores at the start go.
///
/// # Errors
/// If nothing is left.
pub fn thunk(text: &str) -> Result<String, NothingLeft> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
    let replaced = text.trim_matches(blank).chars().map(|c| match c.to_ascii_lowercase() {
        '+' => 'x',
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '_',
    });
    let label: String = replaced.skip_while(|c| *c == '_').collect();
    if label.is_empty() { Err(NothingLeft) } else { Ok(label) }
}
