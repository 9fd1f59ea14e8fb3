//! The catalogue as a QMTest database, in an archive: one that QMTest reads, and that imports as equal.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek as _};

use chrono::DateTime;
use futures_util::TryStreamExt as _;
use tokio::runtime::Handle;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::app::archive::Packer;
use crate::app::catalogue::{Catalogue, attachment, check_revision};
use crate::app::{AppError, Result, blocking};
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::qmtest::export::{self, OutFile};
use crate::domain::words::Word as _;
use crate::store;

/// An archive.
#[derive(Debug)]
pub struct Exported {
    /// As of which revision.
    pub revision: i64,
    /// The archive, from its beginning. It has no name and is gone when it is closed.
    pub file: File,
    /// How many bytes it has.
    pub length: u64,
}

/// The catalogue as of a revision, as an archive of a QMTest database. Two archives of one revision are the same.
///
/// # Errors
/// [`AppError::NotFound`] for the revision; [`AppError::Conflict`] for an item that cannot be written as XML, which is
/// named.
pub async fn archive(catalogue: &Catalogue, revision: Option<i64>) -> Result<Exported> {
    let (revision, created_at, versions) = {
        let mut db = catalogue.db.read().await?;
        let conn = &mut db.conn();
        let state = store::catalogue::state(conn).await?;
        check_revision(&state, revision)?;
        let revision = revision.unwrap_or(state.revision);
        let created_at = store::catalogue::revision(conn, revision).await?.map(|it| it.created_at);
        (revision, created_at, store::catalogue_item::all(conn, ItemKind::ALL, Some(revision)).await?)
    };
    let (mut items, mut classes) = (BTreeMap::new(), Vec::new());
    for version in versions {
        match version.document.0 {
            Item::Class(class) => classes.push(class),
            item => {
                let label: Label = version.name.parse().map_err(|error| AppError::Conflict(format!("{error}")))?;
                items.insert((version.kind, label), item);
            }
        }
    }
    let modified = created_at.unwrap_or(DateTime::UNIX_EPOCH).timestamp();
    let (catalogue, handle) = (catalogue.clone(), Handle::current());
    blocking(move || {
        let files = export::write(&items, &classes).map_err(|error| AppError::Conflict(error.to_string()))?;
        drop(items);
        let out = BufWriter::new(tempfile::tempfile().map_err(failed)?);
        let mut packer = Packer::new(out, u64::try_from(modified).unwrap_or_default());
        for file in files {
            match file {
                OutFile::Folder { path } => packer.directory(&path).map_err(failed)?,
                OutFile::File { path, content } => packer.file(&path, &content).map_err(failed)?,
                OutFile::Attachment { path, sha256, size } => {
                    let given = handle.block_on(attachment::give_out(&catalogue, sha256))?;
                    let bytes = StreamReader::new(given.bytes.map_err(std::io::Error::other));
                    packer.stream(&path, size, SyncIoBridge::new_with_handle(bytes, handle.clone())).map_err(failed)?;
                }
            }
        }
        let mut file = packer.finish().map_err(failed)?.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Exported { revision, file, length })
    })
    .await
}

fn failed(error: impl std::borrow::Borrow<std::io::Error>) -> AppError {
    AppError::Unavailable(format!("the archive cannot be written: {}", error.borrow()))
}
