//! Where units lie: providers' folders, other folders, files. What is found is bounded, and links that lead out of a folder
//! are not followed.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, FileType};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Problem;
use super::script::{self, Said};

/// The most files.
const MAX_FILES: usize = 20_000;

/// The most entries of folders that are looked at.
const MAX_ENTRIES: usize = 500_000;

/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 64;

/// The longest file with units.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// The most bytes of all files together.
const MAX_BYTES: u64 = 512 << 20;

/// The longest script.
const MAX_SCRIPT_BYTES: u64 = 1 << 20;

/// The script that makes a folder a provider's.
const SCRIPT: &str = "manage.py";

/// The folders of a provider that hold units: older ones had jobs apart.
const PARTS: [&str; 2] = ["jobs", "units"];

/// Files of units.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// What the script says, if there is one.
    pub(super) said: Option<Said>,
    /// The name of the folder, or of the file without its ending.
    pub(super) fallback: String,
    /// The place that was named, or found below it, as people write it.
    pub(super) shown: String,
    /// The files, in the order of their names.
    pub(super) files: BTreeSet<Place>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Below the folder of the provider.
    pub(super) below: PathBuf,
    /// From where the command was given.
    pub(super) path: PathBuf,
}

impl Place {
    /// The same file, known by its whole name.
    pub(super) fn by_whole_name(self) -> Self {
        Self { below: self.path.clone(), path: self.path }
    }
}

/// A path for people, in one line.
pub(super) fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// What is found, and what cannot be.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) found: Vec<Found>,
    pub(super) problems: Vec<Problem>,
    /// What was met already, by where it truly is.
    met: HashSet<PathBuf>,
    entries: usize,
    files: usize,
}

/// Which files of a folder are units.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Those of a provider, older endings among them.
    Provider,
    /// Those of any folder.
    Any,
}

impl Search {
    /// Looks at a path that somebody named. It may be a link itself.
    pub(super) fn look(&mut self, path: &Path) {
        let root = match path.canonicalize() {
            Ok(root) => root,
            Err(error) => return self.problem(path, format!("cannot be read: {error}")),
        };
        let named = |of: &Path| of.file_name().map(|name| shown(Path::new(name))).unwrap_or_default();
        if root.is_dir() {
            let found = Found { fallback: named(&root), shown: shown(path), ..Found::default() };
            if has_script(path) {
                self.provider(path, &root, found);
            } else {
                self.any(path, &root, found);
            }
        } else if root.is_file() && path.extension().is_some_and(|end| end == "pxu") {
            let below = PathBuf::from(path.file_name().unwrap_or_default());
            let fallback = named(Path::new(path.file_stem().unwrap_or_default()));
            let files = BTreeSet::from([Place { below, path: path.to_owned() }]);
            self.found.push(Found { said: None, fallback, shown: shown(path), files });
        } else {
            self.problem(path, "want the folder of a provider, another folder, or a .pxu file".to_owned());
        }
    }

    fn problem(&mut self, path: &Path, words: String) {
        self.problems.push(Problem { file: shown(path), line: None, severity: None, words });
    }

    fn provider(&mut self, folder: &Path, root: &Path, mut found: Found) {
        found.said = Some(self.script(&folder.join(SCRIPT), root));
        for part in PARTS {
            let part = folder.join(part);
            match part.symlink_metadata().map(|metadata| metadata.file_type()) {
                Ok(kind) if kind.is_symlink() => {
                    if let Some(true) = self.target(&part, root) {
                        self.walk(&part, folder, root, Kind::Provider, &mut found);
                    }
                }
                Ok(kind) if kind.is_dir() => self.walk(&part, folder, root, Kind::Provider, &mut found),
                _ => {}
            }
        }
        self.found.push(found);
    }

    fn any(&mut self, folder: &Path, root: &Path, mut found: Found) {
        let before = self.found.len();
        self.walk(folder, folder, root, Kind::Any, &mut found);
        // The providers in it are none of its own files; without others it is only where they lie.
        if !found.files.is_empty() {
            self.found.push(found);
        } else if self.found.len() == before {
            self.problem(folder, "there are no .pxu files in it".to_owned());
        }
    }

    fn script(&mut self, path: &Path, root: &Path) -> Said {
        if path.canonicalize().is_ok_and(|target| !target.starts_with(root)) {
            self.problem(path, "a link that leads out of the folder: not followed".to_owned());
            return Said::default();
        }
        match read(path, MAX_SCRIPT_BYTES) {
            Ok(bytes) => script::read(&String::from_utf8_lossy(&bytes)),
            Err(words) => {
                self.problem(path, words);
                Said::default()
            }
        }
    }

    /// Whether a link leads to a folder, true, or to a file, false; `None`, and told, if it leads nowhere or out.
    fn target(&mut self, path: &Path, root: &Path) -> Option<bool> {
        match path.canonicalize() {
            Ok(target) if target.starts_with(root) => Some(target.is_dir()),
            Ok(_) => {
                self.problem(path, "a link that leads out of the folder: not followed".to_owned());
                None
            }
            Err(error) => {
                self.problem(path, format!("a link that leads nowhere: {error}"));
                None
            }
        }
    }

    /// Gathers the files below a folder. Each file and folder is met once, so links make no circles.
    fn walk(&mut self, from: &Path, folder: &Path, root: &Path, kind: Kind, found: &mut Found) {
        let mut waiting = vec![(from.to_owned(), 0)];
        while let Some((at, depth)) = waiting.pop() {
            if depth > MAX_DEPTH {
                self.problem(&at, format!("folders lie more than {MAX_DEPTH} deep in each other: not read"));
                continue;
            }
            if !at.canonicalize().is_ok_and(|truly| self.met.insert(truly)) {
                continue;
            }
            if kind == Kind::Any && at != folder && has_script(&at) {
                let fallback = at.file_name().map(|name| shown(Path::new(name))).unwrap_or_default();
                let inner = Found { fallback, shown: shown(&at), ..Found::default() };
                self.provider(&at, root, inner);
                continue;
            }
            let mut folders = Vec::new();
            for (path, file_type) in self.entries_of(&at) {
                let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                if is_hidden {
                    continue;
                }
                let is_folder = if file_type.is_symlink() {
                    // Links to what is no unit anyway are nobody's concern.
                    if !is_unit(&path, kind) && path.is_file() {
                        continue;
                    }
                    let Some(is_folder) = self.target(&path, root) else { continue };
                    is_folder
                } else {
                    file_type.is_dir()
                };
                if is_folder {
                    folders.push((path, depth + 1));
                } else if path.is_file() {
                    self.file(path, folder, kind, found);
                }
            }
            waiting.extend(folders.into_iter().rev());
        }
    }

    fn entries_of(&mut self, folder: &Path) -> Vec<(PathBuf, FileType)> {
        let mut all = Vec::new();
        match std::fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    self.entries += 1;
                    if self.entries > MAX_ENTRIES {
                        self.problem(
                            folder,
                            format!("there are more than {MAX_ENTRIES} files and folders: the others are not read"),
                        );
                        break;
                    }
                    match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                        Ok(entry) => all.push(entry),
                        Err(error) => self.problem(folder, format!("an entry cannot be read: {error}")),
                    }
                }
            }
            Err(error) => self.problem(folder, format!("cannot be read: {error}")),
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    fn file(&mut self, path: PathBuf, folder: &Path, kind: Kind, found: &mut Found) {
        let ending = path.extension().map(|end| end.to_string_lossy().into_owned()).unwrap_or_default();
        if matches!(ending.as_str(), "yaml" | "yml") && kind == Kind::Provider {
            return self.problem(&path, "units in YAML are not read: want .pxu".to_owned());
        }
        if !is_unit(&path, kind) || !path.canonicalize().is_ok_and(|truly| self.met.insert(truly)) {
            return;
        }
        self.files += 1;
        match self.files.cmp(&(MAX_FILES + 1)) {
            std::cmp::Ordering::Less => {
                let below = path.strip_prefix(folder).unwrap_or(&path).to_owned();
                found.files.insert(Place { below, path });
            }
            std::cmp::Ordering::Equal => {
                self.problem(&path, format!("there are more than {MAX_FILES} files: this and the others are not read"));
            }
            std::cmp::Ordering::Greater => {}
        }
    }
}

fn has_script(folder: &Path) -> bool {
    folder.join(SCRIPT).is_file()
}

fn is_unit(path: &Path, kind: Kind) -> bool {
    path.extension().is_some_and(|end| end == "pxu" || (kind == Kind::Provider && end == "txt"))
}

/// How much may still be read.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_BYTES)
    }
}

impl Budget {
    /// Reads a file of units as text.
    ///
    /// # Errors
    /// What is wrong with it in words, and the line where that is known.
    pub(super) fn read(&mut self, path: &Path) -> Result<String, (Option<u32>, String)> {
        let bytes = read(path, MAX_FILE_BYTES).map_err(|words| (None, words))?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0 = self.0.checked_sub(length).ok_or_else(|| {
            (None, format!("the files are longer than {MAX_BYTES} bytes together: this one is not read"))
        })?;
        String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let before = error.as_bytes().iter().take(valid);
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            let byte = error.as_bytes().get(valid).copied().unwrap_or_default();
            let words = format!("byte {byte:#04x} is not UTF-8: the file is not read");
            (Some(u32::try_from(line).unwrap_or(u32::MAX)), words)
        })
    }
}

/// Reads a file that is not too long.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(format!("it is longer than {most} bytes: not read"));
    }
    Ok(bytes)
}
