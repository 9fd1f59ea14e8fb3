//! A job's folder: what was asked (`job.json`, before anything is started) and what came of it (`state.json`, once it is
//! over). Both appear whole or not at all and outlive a crash; a folder with the first and without the second is a job
//! to be run again.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;

use crate::domain::observation::Observation;
use crate::domain::run::RunRequest;
use crate::ids::RunId;

/// What was asked. Without the callback's URL: that is a capability, and no file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) run: RunId,
    pub(super) request: RunRequest,
    pub(super) accepted_at: DateTime<Utc>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) observation: Observation,
    /// The end of the job's log.
    pub(super) log_excerpt: Option<String>,
}

/// A job's folder, which need not be there.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder of this uid. `None`: we never gave such a uid, and it would name a place outside.
    pub(super) fn of(work_dir: &Path, uid: &str) -> Option<Self> {
        let ours = uid.len() == 32 && uid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| Self(work_dir.join(uid)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the tree is checked out and built.
    pub(super) fn source(&self) -> PathBuf {
        self.0.join("source")
    }

    pub(super) async fn intent(&self) -> io::Result<Option<Intent>> {
        read(&self.0.join("job.json")).await
    }

    pub(super) async fn state(&self) -> io::Result<Option<State>> {
        read(&self.0.join("state.json")).await
    }

    /// Makes the folder with its intent.
    pub(super) async fn create(&self, intent: &Intent) -> io::Result<()> {
        tokio::fs::create_dir_all(&self.0).await?;
        write(&self.0, "job.json", intent).await?;
        match self.0.parent() {
            Some(parent) => sync(parent).await,
            None => Ok(()),
        }
    }

    pub(super) async fn finish(&self, state: &State) -> io::Result<()> {
        write(&self.0, "state.json", state).await
    }

    /// Keeps the job's log, for people.
    pub(super) async fn keep_log(&self, name: &str, text: &str) -> io::Result<()> {
        tokio::fs::write(self.0.join(name), text).await
    }
}

async fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match tokio::fs::read(path).await {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes);
            value.map(Some).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes aside, forces it to the disk, and renames: no reader and no crash sees half of it.
async fn write(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let aside = folder.join(format!("{name}.part"));
    let mut file = tokio::fs::File::create(&aside).await?;
    file.write_all(&serde_json::to_vec(value)?).await?;
    file.sync_all().await?;
    tokio::fs::rename(&aside, folder.join(name)).await?;
    sync(folder).await
}

async fn sync(folder: &Path) -> io::Result<()> {
    tokio::fs::File::open(folder).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_uid_leads_out_of_the_work_folder() {
        let work_dir = Path::new("/w");
        for uid in [
            "",
            "..",
            "../../../../../../../../../../etc",
            "0198c1a20b7c7d3e9f0011223344556",
            "0198C1A20B7C7D3E9F00112233445566",
        ] {
            assert!(Folder::of(work_dir, uid).is_none(), "{uid}");
        }
        let folder = Folder::of(work_dir, "0198c1a20b7c7d3e9f00112233445566").unwrap();
        assert_eq!(folder.path(), Path::new("/w/0198c1a20b7c7d3e9f00112233445566"));
    }
}
