//! Names for the files of attachments: readable, safe on every file system, and never those of a definition.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{Extensions, without_extension};

/// The most characters of a name that are kept: file systems take 255 bytes, and a number may follow.
const MAX_BASE: usize = 100;
/// The most characters of an extension, the dot included.
const MAX_EXTENSION: usize = 20;

/// Gives out names, each once in its folder.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In lower case: two names that differ only in case are one to some file systems.
    taken: BTreeSet<String>,
    /// For each path that was asked for more than once, the number to try next: so that many of one name take no time
    /// with the square of their number.
    next: BTreeMap<String, usize>,
}

impl Names {
    /// A path in this folder (empty, or ending in `/`) for a file that people call by this name. As QMTest makes it:
    /// lower case, what is no letter, digit or underscore as underscores, a number behind it if the name is taken or is one
    /// of a definition.
    pub(super) fn path(&mut self, folder: &str, filename: &str, extensions: &Extensions) -> String {
        let wanted = format!("{folder}{}", safe(filename));
        // The folder of the configuration is the same to file systems that do not look at case.
        let reserved = extensions.iter().any(|extension| wanted.ends_with(extension)) || wanted == "qmtest";
        if !reserved && self.taken.insert(wanted.to_lowercase()) {
            return wanted;
        }
        let next = self.next.entry(wanted.to_lowercase()).or_default();
        loop {
            let path = format!("{wanted}.{next}");
            *next += 1;
            if self.taken.insert(path.to_lowercase()) {
                return path;
            }
        }
    }
}

/// A name that any file system takes.
fn safe(filename: &str) -> String {
    let last = filename.rsplit('/').next().unwrap_or_default();
    let stem = without_extension(last);
    let extension = last.get(stem.len()..).unwrap_or_default();
    let base = filename.strip_suffix(extension).unwrap_or(filename);
    let base: String = thunk(base).chars().take(MAX_BASE).collect();
    let base = if base.is_empty() { "attachment" } else { &base };
    let extension = extension.chars().take(MAX_EXTENSION);
    let extension = extension.map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' });
    format!("{base}{}", extension.collect::<String>())
}

/// A text as it could be a label; empty if nothing of it could.
fn thunk(text: &str) -> String {
    let mapped = text.trim().chars().map(|c| match c.to_ascii_lowercase() {
        '+' => 'x',
        c @ ('a'..='z' | '0'..='9' | '_') => c,
        _ => '_',
    });
    mapped.collect::<String>().trim_start_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &mut Names, filename: &str) -> String {
        names.path("d.qms/", filename, &Extensions::default())
    }

    #[test]
    fn names_are_readable_and_safe() {
        for (filename, expected) in [
            ("a.txt", "a.txt"),
            ("My File (1).txt", "my_file__1_.txt"),
            ("../../x/y.txt", "x_y.txt"),
            ("C++ notes", "cxx_notes"),
            ("a.tar.gz", "a_tar.gz"),
            ("", "attachment"),
            ("***", "attachment"),
            ("..", "attachment"),
            (".profile", "profile"),
            ("a.\u{1}é\\", "a.___"),
            ("x.qmt", "x.qmt.0"),
            ("x.qms", "x.qms.0"),
        ] {
            assert_eq!(path(&mut Names::default(), filename), format!("d.qms/{expected}"), "{filename:?}");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        let given: Vec<_> =
            ["a.txt", "a.txt", "A.TXT", "a.txt.0", "a.txt", "a.txt.3"].map(|name| path(&mut names, name)).into();
        assert_eq!(
            given,
            ["a.txt", "a.txt.0", "a.TXT.1", "a_txt.0", "a.txt.2", "a_txt.3"].map(|n| format!("d.qms/{n}"))
        );
        let mut names = Names::default();
        let many: BTreeSet<_> = (0..20_000).map(|_| path(&mut names, "core")).collect();
        assert_eq!(many.len(), 20_000);
    }

    #[test]
    fn the_configuration_keeps_its_name() {
        let mut names = Names::default();
        assert_eq!(names.path("", "QMTest", &Extensions::default()), "qmtest.0");
        assert_eq!(names.path("d.qms/", "QMTest", &Extensions::default()), "d.qms/qmtest");
    }
}
