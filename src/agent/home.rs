//! The work folder of an agent: who it is, and what it has not told yet. One agent at a time has it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::agent::journal::{self, Journal};
use crate::agent::room;
use crate::domain::agent::Lease;
use crate::ids::AgentId;

/// How many journals that the server refused are kept for people to look at.
const MOST_REFUSED: usize = 10;

/// With less room than this on the disk, in bytes, no work is taken.
const LEAST_FREE: u64 = 64 << 20;

/// The folder.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Held for as long as the agent lives.
    lock: File,
}

/// Why a folder cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum NoHome {
    /// It cannot be read or written.
    #[error("the work folder {} cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Another agent works there.
    #[error("another agent uses the work folder {}: stop it, or give this one another folder", .0.display())]
    Busy(PathBuf),
}

/// Who the agent is at a server.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) server: String,
    pub(super) id: AgentId,
    pub(super) name: String,
    pub(super) token: String,
    pub(super) poll_s: u64,
}

impl Drop for Home {
    /// A program that is just being started has the lock's file open for a moment: closing ours would not let go of it.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Home {
    /// Takes hold of a folder, which is made if it is not there. Others may pass through it (a job's user must) and see nothing
    /// of it.
    pub(super) fn open(path: &Path) -> Result<Self, NoHome> {
        let failed = |source| NoHome::Folder { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let lock = File::create(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(NoHome::Busy(path)),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let home = Self { path, lock };
        for (name, mode) in [("leases", 0o700), ("refused", 0o700), ("jobs", 0o711)] {
            let folder = home.path.join(name);
            DirBuilder::new().recursive(true).create(&folder).map_err(failed)?;
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(home)
    }

    /// Where the folders of jobs are made.
    pub(super) fn rooms(&self) -> PathBuf {
        self.path.join("jobs")
    }

    pub(super) fn identity_file(&self) -> PathBuf {
        self.path.join("agent.json")
    }

    pub(super) fn identity(&self) -> io::Result<Option<Identity>> {
        journal::read(&self.identity_file())
    }

    pub(super) fn remember(&self, identity: &Identity) -> io::Result<()> {
        journal::write(&self.path, "agent.json", identity)
    }

    pub(super) fn begin(&self, lease: Lease) -> io::Result<Journal> {
        Journal::begin(&self.path.join("leases"), lease)
    }

    /// The journals that an earlier life left, the oldest first: ids are ordered by time.
    pub(super) fn left(&self) -> io::Result<Vec<Journal>> {
        let entries: io::Result<Vec<PathBuf>> =
            self.path.join("leases").read_dir()?.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut folders = entries?;
        folders.sort();
        folders.into_iter().filter_map(|folder| Journal::recover(folder).transpose()).collect()
    }

    /// Removes the folders of jobs that an earlier life left.
    pub(super) fn clear_rooms(&self) -> io::Result<()> {
        for entry in self.rooms().read_dir()? {
            let path = entry?.path();
            if let Err(error) = room::clear(&path) {
                tracing::warn!(%error, room = %path.display(), "the folder of a job could not be removed");
            }
        }
        Ok(())
    }

    /// Keeps a journal for people that the server does not take, and no more than a few of them.
    pub(super) fn set_aside(&self, journal: &Journal) {
        let refused = self.path.join("refused");
        let kept = || -> io::Result<()> {
            let entries: io::Result<Vec<PathBuf>> =
                refused.read_dir()?.map(|entry| entry.map(|entry| entry.path())).collect();
            let mut folders = entries?;
            folders.sort();
            for folder in folders.iter().take(folders.len().saturating_sub(MOST_REFUSED - 1)) {
                std::fs::remove_dir_all(folder)?;
            }
            journal.set_aside(&refused)
        };
        match kept() {
            Ok(()) => tracing::error!(folder = %refused.display(), "what the server does not take was set aside"),
            Err(error) => {
                tracing::error!(%error, "what the server does not take could not be set aside");
                let _ = journal.remove();
            }
        }
    }

    /// Whether there is room for work.
    ///
    /// # Errors
    /// What is lacking, in words.
    pub(super) fn is_well(&self) -> Result<(), String> {
        let told = |error: io::Error| format!("the work folder cannot be written: {error}");
        let free = rustix::fs::statvfs(&self.path).map_err(|error| told(error.into()))?;
        let free = free.f_bavail.saturating_mul(free.f_frsize);
        if free < LEAST_FREE {
            return Err(format!(
                "{free} bytes are free in the work folder, and no work is taken with less than {LEAST_FREE}"
            ));
        }
        journal::write(&self.path, "probe", &free).map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_agent_and_shows_others_nothing() {
        let below = tempfile::tempdir().unwrap();
        let path = below.path().join("work");
        let home = Home::open(&path).unwrap();
        assert!(matches!(Home::open(&path), Err(NoHome::Busy(_))));
        assert_eq!(home.is_well(), Ok(()));
        assert!(home.identity().unwrap().is_none());
        let identity = Identity {
            server: "http://127.0.0.1/".to_owned(),
            id: "agt_0198c1a20b7c7d3e9f00112233445566".parse().unwrap(),
            name: "lab-3".to_owned(),
            token: "secret".to_owned(),
            poll_s: 30,
        };
        home.remember(&identity).unwrap();
        assert_eq!(home.identity().unwrap().unwrap().token, "secret");
        let mode = |name: &str| path.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("leases"), mode("jobs"), mode("agent.json")), (0o711, 0o700, 0o711, 0o600));
        drop(home);
        Home::open(&path).unwrap();
    }
}
