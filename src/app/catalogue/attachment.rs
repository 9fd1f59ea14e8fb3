//! Attachments: contents that items name, within the catalogue's limits.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};

use crate::app::Result;
use crate::app::catalogue::Catalogue;
use crate::app::content::{self, Contents};
pub use crate::app::content::{Given, NotTaken, Stored};
use crate::domain::digest::Digest;

impl Catalogue {
    /// Where its contents are kept.
    #[must_use]
    pub fn contents(&self) -> Contents {
        Contents {
            db: self.db.clone(),
            clock: self.clock.clone(),
            objects: self.objects.clone(),
            inline_bytes: self.limits.inline_bytes,
            orphan_retention_s: self.limits.orphan_retention_s,
        }
    }
}

/// Takes bytes in and returns once they are durable. No item names them yet: they are kept for
/// `catalogue.orphan_retention_s`.
///
/// # Errors
/// See [`NotTaken`]; nothing is kept then.
pub async fn take_in<E>(
    catalogue: &Catalogue,
    bytes: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Stored, NotTaken<E>> {
    content::take_in(&catalogue.contents(), catalogue.limits.max_attachment_bytes, bytes).await
}

/// The bytes of this digest.
///
/// # Errors
/// As [`content::give_out`].
pub async fn give_out(catalogue: &Catalogue, digest: Digest) -> Result<Given> {
    content::give_out(&catalogue.contents(), digest).await
}

/// All bytes of this digest at once.
///
/// # Errors
/// As [`give_out`].
pub async fn give_out_whole(catalogue: &Catalogue, digest: Digest) -> Result<Vec<u8>> {
    let given = give_out(catalogue, digest).await?;
    let pieces: Vec<Bytes> = given.bytes.try_collect().await?;
    Ok(pieces.concat())
}
