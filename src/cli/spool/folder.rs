//! The folder of a spool: what waits in it, what was taken, what was set aside.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::domain::digest::Digest;

/// Where files lie between being taken and being removed.
const TAKEN: &str = ".taken";

/// Where files lie whose results will never be kept.
const REFUSED: &str = ".refused";

/// The file that says whose folder it is, by its lock.
const LOCK: &str = ".lock";

/// The longest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A folder that no other spool has.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Held for its lock.
    _lock: File,
}

/// A file that waits, or that was taken and not settled.
#[derive(Debug)]
pub(super) struct Waiting {
    modified: SystemTime,
    name: OsString,
    is_taken: bool,
}

/// A file that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    path: PathBuf,
    bytes: u64,
}

impl Folder {
    pub(super) fn open(root: &Path) -> anyhow::Result<Self> {
        ensure!(root.is_dir(), "{} is no folder", root.display());
        for inside in [TAKEN, REFUSED] {
            fs::create_dir_all(root.join(inside)).with_context(|| format!("{}", root.join(inside).display()))?;
        }
        let path = root.join(TAKEN).join(LOCK);
        let lock = File::create(&path).with_context(|| format!("{}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => anyhow::bail!("another spool works on {}", root.display()),
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("{}", path.display())),
        }
    }

    /// What waits and what is left of what was taken before, the oldest first.
    pub(super) fn waiting(&self) -> anyhow::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for (folder, is_taken) in [(self.root.join(TAKEN), true), (self.root.clone(), false)] {
            let entries = fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
            for entry in entries {
                let entry = entry.with_context(|| format!("{}", folder.display()))?;
                let name = entry.file_name();
                // Of one that has gone meanwhile there is nothing to tell.
                let Ok(about) = entry.metadata() else { continue };
                if is_result(&name) && about.is_file() {
                    let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    waiting.push(Waiting { modified, name, is_taken });
                }
            }
        }
        waiting.sort_by(|one, other| (one.modified, &one.name).cmp(&(other.modified, &other.name)));
        Ok(waiting)
    }

    /// Takes a file; `None` if it has gone meanwhile.
    pub(super) fn take(&self, waiting: &Waiting) -> anyhow::Result<Option<Taken>> {
        let folder = self.root.join(TAKEN);
        let path = if waiting.is_taken {
            folder.join(&waiting.name)
        } else {
            let (from, to) = (self.root.join(&waiting.name), free(&folder, &waiting.name));
            match fs::rename(&from, &to) {
                Ok(()) => to,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error).with_context(|| format!("cannot take {}", from.display())),
            }
        };
        let bytes = fs::metadata(&path).map_or(0, |about| about.len());
        Ok(Some(Taken { path, bytes }))
    }

    /// Removes a file whose results are kept.
    #[expect(clippy::unused_self, reason = "only who holds the folder may")]
    pub(super) fn remove(&self, taken: &Taken) -> anyhow::Result<()> {
        match fs::remove_file(&taken.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", taken.path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Puts a file where it bothers nobody, with the reason beside it.
    pub(super) fn set_aside(&self, taken: &Taken, why: &str) -> anyhow::Result<()> {
        let to = free(&self.root.join(REFUSED), taken.path.file_name().unwrap_or_default());
        let mut reason = to.clone().into_os_string();
        reason.push(".reason.txt");
        let reason = PathBuf::from(reason);
        fs::write(&reason, format!("{}\n", why.trim_end())).with_context(|| format!("{}", reason.display()))?;
        fs::rename(&taken.path, &to).with_context(|| format!("cannot set {} aside", taken.path.display()))
    }
}

/// Whether a file of this name holds results.
fn is_result(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.ends_with(b".json") && !bytes.starts_with(b".")
}

/// The path of this name in a folder, or one like it where that is taken.
fn free(folder: &Path, name: &OsStr) -> PathBuf {
    let path = folder.join(name);
    if !path.exists() {
        return path;
    }
    let stem = Path::new(name).file_stem().unwrap_or_default();
    let other = |number: u32| {
        let mut name = stem.to_owned();
        name.push(format!("~{number}.json"));
        folder.join(name)
    };
    (1..u32::MAX).map(other).find(|path| !path.exists()).unwrap_or(path)
}

impl Taken {
    pub(super) fn name(&self) -> std::path::Display<'_> {
        Path::new(self.path.file_name().unwrap_or_default()).display()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The results of the file. One without an id gets one that follows from the file's bytes, so that it is the same result
    /// however often the file is sent.
    ///
    /// # Errors
    /// In words, why it holds no results.
    pub(super) fn results(&self) -> Result<Vec<Value>, String> {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|error| format!("it cannot be read: {error}"))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
            return Err(format!("it is longer than {MAX_FILE_BYTES} bytes"));
        }
        let document: Value = serde_json::from_slice(&bytes).map_err(|error| format!("it is no JSON: {error}"))?;
        let digest = Digest::of(&bytes);
        match document {
            Value::Object(_) => Ok(vec![with_id(document, || format!("spool-{digest}"))]),
            Value::Array(results) => {
                if let Some(place) = results.iter().position(|result| !result.is_object()) {
                    return Err(format!("/{place}: want a result: an object"));
                }
                let named = |(place, result)| with_id(result, || format!("spool-{digest}-{place}"));
                Ok(results.into_iter().enumerate().map(named).collect())
            }
            _ => Err("want a result, an object, or a list of results".to_owned()),
        }
    }
}

fn with_id(mut result: Value, id: impl FnOnce() -> String) -> Value {
    if let Value::Object(members) = &mut result
        && members.get("id").is_none_or(Value::is_null)
    {
        members.insert("id".to_owned(), Value::from(id()));
    }
    result
}
