//! The folder that a job is run in: empty, its own, and gone when it is over. Files that are to be kept are taken out of it
//! before; no link leads out of it, also not one that is made while we look.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, statat};
use rustix::io::Errno;

use crate::agent::account::Account;
use crate::domain::glob::Glob;

/// How many entries of a room are looked at.
const MOST_ENTRIES: usize = 100_000;

/// How many files of a job are kept.
const MOST_FILES: usize = 1_000;

/// How deep folders are looked into.
const DEEPEST: usize = 32;

/// The longest path of a file that is kept, in bytes.
const LONGEST_PATH: usize = 1_024;

/// The folder of a job.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    account: Option<Account>,
}

/// A file that is to be kept.
#[derive(Debug)]
pub(super) struct Found {
    /// Relative to the room.
    pub(super) path: String,
    folder: OwnedFd,
    name: std::ffi::CString,
    file: File,
}

impl Room {
    /// Makes the folder, anew if it is there, for a job of this account's.
    pub(super) fn make(path: PathBuf, account: Option<Account>) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            clear(&path)?;
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        if let Some(Account { uid, gid }) = account {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid))?;
        }
        Ok(Self { path, account })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The files that match one of these patterns, by their paths, and what is to be said of those that are not kept.
    pub(super) fn gather(&self, patterns: &[String], max_bytes: u64) -> io::Result<(Vec<Found>, Vec<String>)> {
        if patterns.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let globs: Vec<Glob> = patterns.iter().map(|pattern| Glob::new(pattern.trim_start_matches("./"))).collect();
        let mut gathering = Gathering { room: self, globs, max_bytes, found: Vec::new(), notes: Vec::new(), seen: 0 };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = openat(CWD, &self.path, flags, Mode::empty())?;
        gathering.walk(&root, "", 0)?;
        let Gathering { mut found, notes, .. } = gathering;
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok((found, notes))
    }

    /// Removes it with all that is in it.
    pub(super) fn clear(self) {
        if let Err(error) = clear(&self.path) {
            tracing::warn!(%error, room = %self.path.display(), "the folder of a job could not be removed");
        }
    }
}

/// Removes a folder, also one with folders in it that their owner made unreadable.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path).or_else(|error| {
        // Root needs no permission, and must not change that of what a link may lead to.
        if rustix::process::geteuid().is_root() {
            return Err(error);
        }
        open_up(path, 0)?;
        std::fs::remove_dir_all(path)
    })
}

fn open_up(folder: &Path, depth: usize) -> io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && depth < 1_000 {
            open_up(&entry.path(), depth + 1)?;
        }
    }
    Ok(())
}

impl Found {
    /// Moves it there. It is refused if another has its place by now.
    pub(super) fn take(&self, target: &Path) -> io::Result<()> {
        renameat(&self.folder, &self.name, CWD, target)?;
        let (here, there) = (self.file.metadata()?, target.symlink_metadata()?);
        if (here.dev(), here.ino()) != (there.dev(), there.ino()) {
            std::fs::remove_file(target)?;
            return Err(io::Error::other("it was replaced while it was taken"));
        }
        self.file.sync_all()
    }
}

struct Gathering<'a> {
    room: &'a Room,
    globs: Vec<Glob>,
    max_bytes: u64,
    found: Vec<Found>,
    notes: Vec<String>,
    seen: usize,
}

impl Gathering<'_> {
    fn walk(&mut self, folder: &OwnedFd, below: &str, depth: usize) -> io::Result<()> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.seen += 1;
            if self.seen > MOST_ENTRIES {
                if self.seen == MOST_ENTRIES + 1 {
                    self.notes.push(format!("only {MOST_ENTRIES} of its files and folders were looked at"));
                }
                return Ok(());
            }
            let path = format!("{below}{}", name.to_string_lossy());
            let kind = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            if kind == FileType::Directory {
                if depth >= DEEPEST {
                    self.notes.push(format!("`{path}` was not looked into: it is too deep"));
                    continue;
                }
                match openat(folder, name, flags | OFlags::DIRECTORY, Mode::empty()) {
                    Ok(inner) => self.walk(&inner, &format!("{path}/"), depth + 1)?,
                    Err(error) => self.notes.push(format!("`{path}` was not looked into: {error}")),
                }
            } else if self.globs.iter().any(|glob| glob.matches(&path)) {
                match self.look(folder, name, kind, flags, path.clone()) {
                    Ok(found) => self.found.push(found),
                    Err(why) => self.notes.push(format!("`{path}` is not kept: {why}")),
                }
            }
        }
        Ok(())
    }

    fn look(
        &self,
        folder: &OwnedFd,
        name: &std::ffi::CStr,
        kind: FileType,
        flags: OFlags,
        path: String,
    ) -> Result<Found, String> {
        if kind != FileType::RegularFile {
            return Err(if kind == FileType::Symlink { "it is a link" } else { "it is no regular file" }.to_owned());
        }
        if name.to_str().is_err() || path.chars().any(char::is_control) || path.len() > LONGEST_PATH {
            return Err("its name is not legal: UTF-8 without control characters, of at most 1024 bytes".to_owned());
        }
        if self.found.len() >= MOST_FILES {
            return Err(format!("there are more than {MOST_FILES} files"));
        }
        let told = |error: io::Error| error.to_string();
        let file = File::from(openat(folder, name, flags, Mode::empty()).map_err(|error| told(error.into()))?);
        let metadata = file.metadata().map_err(told)?;
        // A second name of a file of somebody else's would be read with our rights and not the job's.
        if !metadata.is_file() || self.room.account.is_some_and(|account| metadata.uid() != account.uid) {
            return Err("it is not a file of the job's".to_owned());
        }
        if metadata.len() > self.max_bytes {
            return Err(format!("it has {} bytes, and at most {} are kept", metadata.len(), self.max_bytes));
        }
        let folder = folder.try_clone().map_err(told)?;
        Ok(Found { path, folder, name: name.to_owned(), file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_is_taken_and_nothing_from_outside() {
        let below = tempfile::tempdir().unwrap();
        let room = Room::make(below.path().join("room"), None).unwrap();
        let at = |path: &str| room.path().join(path);
        std::fs::create_dir_all(at("out/deep")).unwrap();
        std::fs::write(below.path().join("secret"), "secret").unwrap();
        std::fs::write(at("out/deep/a.log"), "a").unwrap();
        std::fs::write(at("b.log"), "bb").unwrap();
        std::fs::write(at("big.log"), "123456").unwrap();
        std::fs::write(at("c.txt"), "c").unwrap();
        std::os::unix::fs::symlink("../secret", at("out/link.log")).unwrap();
        std::os::unix::fs::symlink("..", at("up")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe.log")).status().unwrap().success());
        let (found, mut notes) = room.gather(&["./*.log".to_owned(), "secret".to_owned()], 5).unwrap();
        let paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(paths, ["b.log", "out/deep/a.log"]);
        notes.sort();
        assert_eq!(
            notes,
            [
                "`big.log` is not kept: it has 6 bytes, and at most 5 are kept",
                "`out/link.log` is not kept: it is a link",
                "`pipe.log` is not kept: it is no regular file",
            ]
        );
        let target = below.path().join("taken");
        found[1].take(&target).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "a");
        // Another file has the name by now.
        std::fs::remove_file(at("b.log")).unwrap();
        std::os::unix::fs::symlink("../secret", at("b.log")).unwrap();
        assert!(found[0].take(&target).unwrap_err().to_string().contains("replaced"));
        assert!(target.symlink_metadata().is_err());
    }

    #[test]
    fn a_room_is_empty_and_goes_with_all_that_is_in_it() {
        let below = tempfile::tempdir().unwrap();
        let room = Room::make(below.path().join("room"), None).unwrap();
        std::fs::create_dir(room.path().join("closed")).unwrap();
        std::fs::write(room.path().join("closed/file"), "").unwrap();
        std::fs::set_permissions(room.path().join("closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let again = Room::make(below.path().join("room"), None).unwrap();
        assert_eq!(std::fs::read_dir(again.path()).unwrap().count(), 0);
        assert_eq!(again.path().metadata().unwrap().mode() & 0o777, 0o700);
        again.clear();
        assert_eq!(std::fs::read_dir(below.path()).unwrap().count(), 0);
    }
}
