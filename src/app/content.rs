//! Contents: bytes taken in and given out, by their SHA-256. Items of the catalogue name them, and artifacts of runs.
//!
//! Few bytes go to the database, many to the object store. An object is noted as garbage before it is begun, and taken
//! back from the garbage by the transaction that makes it a content's: a crash in between leaves nothing behind.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::app::{AppError, Result, seconds};
use crate::clock::Clock;
use crate::domain::digest::Digest;
use crate::objects::{Objects, ObjectsError, Writing};
use crate::store::content::{Content, Place};
use crate::store::{self, Db};

/// Where contents are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The database.
    pub db: Db,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where many bytes are kept.
    pub objects: Objects,
    /// How many bytes at most are kept in the database.
    pub inline_bytes: usize,
    /// How long a content is kept that nothing names, in seconds.
    pub orphan_retention_s: u64,
}

impl Contents {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// For how long an object may be under way at least before it counts as garbage: twice as long as the settings let a
/// transfer take.
const LONGEST_UPLOAD: TimeDelta = TimeDelta::hours(24);

/// Bytes that were taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Their digest.
    pub sha256: Digest,
    /// How many.
    pub size: u64,
}

/// Why bytes were not taken in.
#[derive(Debug)]
pub enum NotTaken<E> {
    /// There are more than the limit, which is given.
    TooLarge(u64),
    /// Their source broke off.
    Source(E),
    /// The service could not keep them.
    Failed(AppError),
}

impl<E, F: Into<AppError>> From<F> for NotTaken<E> {
    fn from(error: F) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ObjectsError> for AppError {
    fn from(error: ObjectsError) -> Self {
        Self::Unavailable(format!("{error:?}"))
    }
}

/// An object under way.
struct Object {
    key: String,
    writing: Writing,
}

/// Takes at most `most` bytes in and returns once they are durable. Nothing names them yet: they are kept for
/// [`Contents::orphan_retention_s`].
///
/// # Errors
/// See [`NotTaken`]; nothing is kept then.
pub async fn take_in<E>(
    contents: &Contents,
    most: u64,
    bytes: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Stored, NotTaken<E>> {
    let (mut few, mut object) = (Vec::new(), None);
    let stored = match pour(contents, most, bytes, &mut few, &mut object).await {
        Ok(stored) => stored,
        Err(error) => {
            give_up(object).await;
            return Err(error);
        }
    };
    let place = match object {
        None => Place::Here(few),
        Some(Object { key, writing }) => {
            writing.finish().await?;
            Place::Object(key)
        }
    };
    keep(contents, stored, place).await?;
    Ok(stored)
}

/// Pours the bytes into `few`, or once they are many into an object that is begun for them.
async fn pour<E>(
    contents: &Contents,
    most: u64,
    bytes: impl Stream<Item = Result<Bytes, E>>,
    few: &mut Vec<u8>,
    object: &mut Option<Object>,
) -> Result<Stored, NotTaken<E>> {
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    let mut bytes = std::pin::pin!(bytes);
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(NotTaken::Source)?;
        size += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if size > most {
            return Err(NotTaken::TooLarge(most));
        }
        hash.update(&piece);
        match object {
            Some(object) => object.writing.add(piece).await?,
            None if few.len() + piece.len() <= contents.inline_bytes => few.extend_from_slice(&piece),
            None => {
                let begun = object.insert(begin(contents).await?);
                begun.writing.add(Bytes::from(std::mem::take(few))).await?;
                begun.writing.add(piece).await?;
            }
        }
    }
    Ok(Stored { sha256: Digest::finish(hash), size })
}

/// Begins an object that is garbage until its content is stored.
async fn begin(contents: &Contents) -> Result<Object> {
    let now = contents.now();
    let id = crate::ids::new_uuid(now);
    let key = key_of(id);
    let mut tx = contents.db.begin().await?;
    store::content::discard(&mut tx.conn(), &key, now + LONGEST_UPLOAD).await?;
    tx.commit().await?;
    let writing = contents.objects.write(&key).await?;
    Ok(Object { key, writing })
}

/// A key's first part spreads objects over folders: the last two digits of an id are random.
fn key_of(id: Uuid) -> String {
    let id = id.simple().to_string();
    format!("{}/{id}", id.get(30..).unwrap_or_default())
}

/// Gives up an object that is under way. What cannot be removed now is removed as garbage.
async fn give_up(object: Option<Object>) {
    if let Some(Object { writing, .. }) = object
        && let Err(error) = writing.give_up().await
    {
        tracing::debug!(cause = ?error, "an object that was given up is left to the garbage");
    }
}

async fn keep(contents: &Contents, stored: Stored, place: Place) -> Result<()> {
    let key = if let Place::Object(key) = &place { Some(key.clone()) } else { None };
    let now = contents.now();
    let content = Content { size: i64::try_from(stored.size).unwrap_or(i64::MAX), place };
    let mut tx = contents.db.begin().await?;
    let conn = &mut tx.conn();
    let expires_at = now + seconds(contents.orphan_retention_s);
    if let Some(key) = &key
        && !store::content::take_back(conn, key).await?
    {
        store::content::discard(conn, key, now).await?;
        tx.commit().await?;
        let words = format!("the object {key} was under way for so long that it has been swept up as garbage");
        return Err(AppError::Unavailable(words));
    }
    let is_new = store::content::insert(conn, stored.sha256, &content, expires_at).await?;
    if let Some(key) = key
        && !is_new
    {
        // The same bytes are here already: this copy of them is due to go.
        store::content::discard(conn, &key, now).await?;
    }
    Ok(tx.commit().await?)
}

/// Bytes that are given out.
pub struct Given {
    /// How many.
    pub size: u64,
    /// The bytes, piece by piece.
    pub bytes: BoxStream<'static, Result<Bytes, ObjectsError>>,
}

/// The bytes of this digest.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Unavailable`] if the object store does not answer.
pub async fn give_out(contents: &Contents, digest: Digest) -> Result<Given> {
    let Content { size, place } = find(contents, digest).await?;
    let bytes = match place {
        Place::Here(body) => stream::iter([Ok(Bytes::from(body))]).boxed(),
        Place::Object(key) => contents.objects.read(&key).await?,
    };
    Ok(Given { size: u64::try_from(size).unwrap_or_default(), bytes })
}

/// Some of the bytes of this digest: those of the range, which must not be empty and lie within them.
///
/// # Errors
/// As [`give_out`]; a range that does not lie within them is [`AppError::Unavailable`] too.
pub async fn give_out_part(contents: &Contents, digest: Digest, range: Range<u64>) -> Result<Given> {
    let size = range.end.saturating_sub(range.start);
    let bytes = match find(contents, digest).await?.place {
        Place::Here(body) => {
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            let body = Bytes::from(body);
            if range.start > range.end || place(range.end) > body.len() {
                return Err(AppError::Unavailable(format!("the content {digest} has no bytes {range:?}")));
            }
            stream::iter([Ok(body.slice(place(range.start)..place(range.end)))]).boxed()
        }
        Place::Object(key) => contents.objects.read_part(&key, range).await?,
    };
    Ok(Given { size, bytes })
}

async fn find(contents: &Contents, digest: Digest) -> Result<Content> {
    let mut db = contents.db.read().await?;
    let content = store::content::get(&mut db.conn(), digest).await?;
    content.ok_or_else(|| AppError::NotFound { what: "content with the SHA-256", id: digest.to_string() })
}
