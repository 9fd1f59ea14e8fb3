//! Archives: a tar of a database laid out in a folder of its own, and back. Nothing in an archive leads out of the folder:
//! only files and directories are laid out, and only under names below it.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use crate::app::{AppError, Result};

/// The most entries of an archive.
const MAX_ENTRIES: usize = 1_000_000;

/// What was in an archive and was not laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path in the archive.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What laying an archive out came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// How many files there are.
    pub files: usize,
    /// What was passed over.
    pub skipped: Vec<Skipped>,
}

/// Lays an archive out below a folder. Blocks.
///
/// # Errors
/// [`AppError::Invalid`] if it is no tar, leads out of the folder, or holds more than `most` bytes.
pub fn unpack(archive: &mut std::fs::File, folder: &Path, most: u64) -> Result<Unpacked> {
    let mut archive = tar::Archive::new(std::io::BufReader::new(archive));
    let mut unpacked = Unpacked::default();
    let mut left = most;
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        if count >= MAX_ENTRIES {
            return Err(AppError::Invalid(format!("the archive has more than {MAX_ENTRIES} entries")));
        }
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let shown = path.to_string_lossy().into_owned();
        let Some(place) = below(folder, &path) else {
            let words = format!("the archive holds `{}`, which leads out of it", crate::app::cut(&shown, 200));
            return Err(AppError::Invalid(words));
        };
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            std::fs::create_dir_all(&place).map_err(failed)?;
        } else if kind.is_file() {
            if let Some(parent) = place.parent() {
                std::fs::create_dir_all(parent).map_err(failed)?;
            }
            let mut file = std::fs::File::create(&place).map_err(failed)?;
            // The size in a header is the archive's word for it: what counts is what comes.
            let copied = std::io::copy(&mut entry.by_ref().take(left.saturating_add(1)), &mut file).map_err(broken)?;
            if copied > left {
                let words = format!("the archive holds more than {most} bytes (catalogue.max_import_bytes)");
                return Err(AppError::Invalid(words));
            }
            left -= copied;
            unpacked.files += 1;
        } else if !kind.is_pax_global_extensions() {
            unpacked.skipped.push(Skipped { path: shown, reason: "it is neither a file nor a directory".to_owned() });
        }
    }
    Ok(unpacked)
}

/// Where a path of the archive is laid out; `None` if it leads out of the folder.
fn below(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    for part in path.components() {
        match part {
            Component::Normal(part) => place.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(place)
}

fn broken(error: std::io::Error) -> AppError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return failed(error);
    }
    AppError::Invalid(format!("this is no tar archive, or it breaks off: {error}"))
}

fn failed(error: impl std::borrow::Borrow<std::io::Error>) -> AppError {
    AppError::Unavailable(format!("temporary files: {}", error.borrow()))
}

/// Writes an archive, entry by entry. Blocks.
pub struct Packer<W: std::io::Write> {
    builder: tar::Builder<W>,
    modified: u64,
}

impl<W: std::io::Write> Packer<W> {
    /// Begins an archive whose entries are all of this time, in seconds since 1970: two archives of one revision are the
    /// same, byte for byte.
    pub fn new(out: W, modified: u64) -> Self {
        Self { builder: tar::Builder::new(out), modified }
    }

    fn header(&self, size: u64, mode: u32, kind: tar::EntryType) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(self.modified);
        header.set_entry_type(kind);
        header
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// If writing fails.
    pub fn directory(&mut self, path: &str) -> std::io::Result<()> {
        let mut header = self.header(0, 0o755, tar::EntryType::Directory);
        self.builder.append_data(&mut header, format!("{}/", path.trim_end_matches('/')), std::io::empty())
    }

    /// Adds a file.
    ///
    /// # Errors
    /// If writing fails.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> std::io::Result<()> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut header = self.header(size, 0o644, tar::EntryType::Regular);
        self.builder.append_data(&mut header, path, bytes)
    }

    /// Adds a file of so many bytes, as they come.
    ///
    /// # Errors
    /// If reading or writing fails, or there are not so many.
    pub fn stream(&mut self, path: &str, size: u64, bytes: impl std::io::Read) -> std::io::Result<()> {
        let mut header = self.header(size, 0o644, tar::EntryType::Regular);
        let mut counted = bytes.take(size);
        self.builder.append_data(&mut header, path, &mut counted)?;
        if counted.limit() > 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(self) -> std::io::Result<W> {
        self.builder.into_inner()
    }
}

/// A folder as an archive. Blocks.
///
/// # Errors
/// If the folder cannot be read.
pub fn pack_folder(folder: &Path) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", folder)?;
    builder.into_inner()
}

/// Lays an archive of ours out in a folder, which is made; returns how many files there are. Blocks.
///
/// # Errors
/// As [`unpack`].
pub fn lay_out(archive: &mut std::fs::File, folder: &Path) -> Result<usize> {
    std::fs::create_dir_all(folder).map_err(failed)?;
    unpack(archive, folder, u64::MAX).map(|unpacked| unpacked.files)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn packed(entries: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        entries(&mut builder);
        builder.into_inner().unwrap()
    }

    fn unpacked(bytes: &[u8], folder: &Path, most: u64) -> Result<Unpacked> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        unpack(&mut file, folder, most)
    }

    fn entry(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, bytes: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(kind);
        // Set by hand: the library itself would refuse to write a path that leads out.
        let name = header.as_gnu_mut().unwrap();
        name.name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }

    #[test]
    fn what_was_packed_is_laid_out() {
        let mut packer = Packer::new(Vec::new(), 7);
        packer.directory("d.qms").unwrap();
        packer.file("d.qms/t.qmt", b"<x/>").unwrap();
        let long = format!("{}.qmt", "l".repeat(200));
        packer.file(&long, b"").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let laid_out = unpacked(&packer.finish().unwrap(), folder.path(), 4).unwrap();
        assert_eq!(laid_out, Unpacked { files: 2, skipped: Vec::new() });
        assert_eq!(std::fs::read(folder.path().join("d.qms/t.qmt")).unwrap(), b"<x/>");
        assert!(folder.path().join(long).exists());
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        for path in ["../x", "/x", "a/../../x"] {
            let archive = packed(|builder| entry(builder, path, tar::EntryType::Regular, b"x"));
            let folder = tempfile::tempdir().unwrap();
            let error = unpacked(&archive, &folder.path().join("in"), 9).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains("leads out"), "{error}");
            assert!(!folder.path().join("x").exists());
        }
    }

    #[test]
    fn links_and_devices_are_passed_over_and_named() {
        let archive = packed(|builder| {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, "link.qmt", "/etc/passwd").unwrap();
            entry(builder, "fifo.qmt", tar::EntryType::Fifo, b"");
            entry(builder, "t.qmt", tar::EntryType::Regular, b"x");
        });
        let folder = tempfile::tempdir().unwrap();
        let skipped = unpacked(&archive, folder.path(), 9).unwrap().skipped;
        assert_eq!(skipped.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["link.qmt", "fifo.qmt"]);
        assert!(std::fs::symlink_metadata(folder.path().join("link.qmt")).is_err());
        assert!(folder.path().join("t.qmt").exists());
    }

    #[test]
    fn too_much_and_what_is_no_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = packed(|builder| {
            entry(builder, "a", tar::EntryType::Regular, b"12345");
            entry(builder, "b", tar::EntryType::Regular, b"12345");
        });
        assert!(unpacked(&archive, folder.path(), 10).is_ok());
        let error = unpacked(&archive, folder.path(), 9).unwrap_err().to_string();
        assert!(error.contains("more than 9 bytes"), "{error}");
        let error = unpacked(&[b'x'; 2_000], folder.path(), 9).unwrap_err().to_string();
        assert!(error.contains("no tar archive"), "{error}");
        let whole = packed(|builder| entry(builder, "a", tar::EntryType::Regular, &[b'y'; 3_000]));
        assert!(unpacked(&whole[..2_000], folder.path(), 9_999).is_err(), "it breaks off");
    }
}
