//! What lies below the root of a database: names, and the contents of what may define something.

use std::collections::{BTreeMap, BTreeSet};

use super::xml::Limits;

/// The most bytes of a file whose content is of interest here. Larger ones can only be attachments.
pub const MAX_DEFINITION_BYTES: u64 = Limits::DEFINITION.bytes as u64;
/// The most files and folders together.
pub const MAX_ENTRIES: usize = 500_000;
/// The most bytes of a path: the deepest label has 256 components, each a folder of six characters.
pub const MAX_PATH_BYTES: usize = 4096;
/// The most bytes of all paths together, which are kept in memory.
const MAX_ALL_PATHS_BYTES: usize = 128 << 20;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// Its content.
    Content(Vec<u8>),
    /// How many bytes it has: it is too large to define something, or is known to define nothing.
    Size(u64),
}

/// The files and folders below a root, by their paths: components joined by `/`, none of them empty, `.` or `..`.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, File>,
    folders: BTreeSet<String>,
    path_bytes: usize,
}

/// Why a path cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It leads out of the root, or is not in the form that is wanted.
    #[error("the path `{0}` is not one below the root: want names joined by `/`, none of them empty, `.` or `..`")]
    Outside(String),
    /// It is already there, or one of its folders is a file.
    #[error("the path `{0}` is there twice, or is a file and a folder")]
    Twice(String),
    /// It is too long.
    #[error("a path has {0} bytes: want at most {MAX_PATH_BYTES}")]
    Long(usize),
    /// There are too many.
    #[error("there are too many files and folders: want at most {MAX_ENTRIES}, with not too long names")]
    Many,
}

impl Tree {
    /// Adds a file, and the folders that it lies in.
    ///
    /// # Errors
    /// If the path is none, is there already, or is too much.
    pub fn add_file(&mut self, path: &str, file: File) -> Result<(), PathError> {
        check(path)?;
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.add_folder(folder)?;
        }
        if self.files.contains_key(path) || self.folders.contains(path) {
            return Err(PathError::Twice(excerpt(path)));
        }
        self.grow(path)?;
        self.files.insert(path.to_owned(), file);
        Ok(())
    }

    /// Adds a folder, and those that it lies in, if they are not there.
    ///
    /// # Errors
    /// If the path is none, is a file, or is too much.
    pub fn add_folder(&mut self, path: &str) -> Result<(), PathError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        check(path)?;
        // From the inside out, as far as they are missing: all above one that is there are there.
        let mut folder = path;
        while !self.folders.contains(folder) {
            if self.files.contains_key(folder) {
                return Err(PathError::Twice(excerpt(folder)));
            }
            self.grow(folder)?;
            self.folders.insert(folder.to_owned());
            let Some((outer, _)) = folder.rsplit_once('/') else { break };
            folder = outer;
        }
        Ok(())
    }

    fn grow(&mut self, path: &str) -> Result<(), PathError> {
        self.path_bytes += path.len();
        let many = self.files.len() + self.folders.len() >= MAX_ENTRIES || self.path_bytes > MAX_ALL_PATHS_BYTES;
        if many { Err(PathError::Many) } else { Ok(()) }
    }

    /// The file at this path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// The files below this folder, however deep. The folder ends in `/`, or is empty for the root.
    pub fn files_below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.files.range(folder.to_owned()..);
        from.map(|(path, _)| path.as_str()).take_while(move |path| path.starts_with(folder))
    }

    /// The content of each folder, by its path, which ends in `/` or is empty for the root.
    pub(super) fn listing(&self) -> BTreeMap<String, Listing<'_>> {
        let mut listing: BTreeMap<String, Listing<'_>> = BTreeMap::new();
        let split = |path: &'_ str| match path.rfind('/') {
            Some(at) => at + 1,
            None => 0,
        };
        for folder in &self.folders {
            let (parent, name) = folder.split_at(split(folder));
            listing.entry(parent.to_owned()).or_default().folders.push(name);
        }
        for (path, file) in &self.files {
            let (parent, name) = path.split_at(split(path));
            listing.entry(parent.to_owned()).or_default().files.push((name, file));
        }
        listing
    }
}

/// What is directly in a folder.
#[derive(Debug, Default)]
pub(super) struct Listing<'a> {
    pub(super) folders: Vec<&'a str>,
    pub(super) files: Vec<(&'a str, &'a File)>,
}

fn check(path: &str) -> Result<(), PathError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(PathError::Long(path.len()));
    }
    let odd = |component: &str| matches!(component, "" | "." | "..") || component.contains('\0');
    if path.split('/').any(odd) { Err(PathError::Outside(excerpt(path))) } else { Ok(()) }
}

fn excerpt(path: &str) -> String {
    path.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        let mut tree = Tree::default();
        for path in ["", "/a", "a//b", "a/../b", "..", "./a", "a/.", "a/b/", "a\0"] {
            let error = tree.add_file(path, File::Size(0)).unwrap_err();
            assert_eq!(error, PathError::Outside(path.to_owned()));
        }
        let long = "a".repeat(MAX_PATH_BYTES + 1);
        assert_eq!(tree.add_file(&long, File::Size(0)), Err(PathError::Long(long.len())));
        assert_eq!(tree.files_below("").count(), 0);
    }

    #[test]
    fn a_path_is_one_thing() {
        let mut tree = Tree::default();
        tree.add_file("a/b/c", File::Size(1)).unwrap();
        tree.add_folder("a/b").unwrap();
        tree.add_folder("a/d/").unwrap();
        for path in ["a/b/c", "a/b", "a"] {
            assert_eq!(tree.add_file(path, File::Size(0)), Err(PathError::Twice(path.to_owned())));
        }
        assert_eq!(tree.add_file("a/b/c/d", File::Size(0)), Err(PathError::Twice("a/b/c".to_owned())));
        assert_eq!(tree.add_folder("a/b/c"), Err(PathError::Twice("a/b/c".to_owned())));
        let listing = tree.listing();
        assert_eq!(listing.keys().collect::<Vec<_>>(), ["", "a/", "a/b/"]);
        assert_eq!((&listing[""].folders, &listing["a/"].folders), (&vec!["a"], &vec!["b", "d"]));
        assert_eq!(listing["a/b/"].files, [("c", &File::Size(1))]);
    }

    #[test]
    fn there_are_only_so_many() {
        let mut tree = Tree::default();
        let error = (0..=MAX_ENTRIES).find_map(|n| tree.add_file(&format!("{n}"), File::Size(0)).err());
        assert_eq!(error, Some(PathError::Many));
    }
}
