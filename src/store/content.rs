//! Contents by their SHA-256: the bytes of attachments, here or in the object store.

use chrono::{DateTime, Utc};

use crate::domain::digest::Digest;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::query::SKIP_LOCKED;

/// Where a content's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the database.
    Here(Vec<u8>),
    /// In the object store, under this key.
    Object(String),
}

/// A content as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// How many bytes.
    pub size: i64,
    /// Where they are.
    pub place: Place,
}

/// Stores a content that no item names yet; of one that is there already only its expiry is put off, if it has one.
/// Returns whether it is new.
///
/// # Errors
/// If the database refuses.
pub async fn insert(conn: &mut Conn<'_>, digest: Digest, new: &Content, expires_at: DateTime<Utc>) -> Result<bool> {
    let (body, key) = match &new.place {
        Place::Here(body) => (Some(body.as_slice()), None),
        Place::Object(key) => (None, Some(key.as_str())),
    };
    // What is found here may expire before it is put off: then it is not here any more, and is stored again.
    loop {
        let inserted = conn
            .query(
                "INSERT INTO content (digest, size, body, object_key, expires_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (digest) DO NOTHING",
            )
            .bind(digest.as_bytes())
            .bind(new.size)
            .bind(body)
            .bind(key)
            .bind(expires_at)
            .execute()
            .await?;
        if inserted > 0 {
            return Ok(true);
        }
        let found = conn
            .query(
                "UPDATE content SET expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE $1 END WHERE digest = $2",
            )
            .bind(expires_at)
            .bind(digest.as_bytes())
            .execute()
            .await?;
        if found > 0 {
            return Ok(false);
        }
    }
}

/// The content of this digest.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, digest: Digest) -> Result<Option<Content>> {
    let row: Option<(i64, Option<Vec<u8>>, Option<String>)> = conn
        .query("SELECT size, body, object_key FROM content WHERE digest = $1")
        .bind(digest.as_bytes())
        .fetch_optional()
        .await?;
    Ok(row.and_then(|(size, body, key)| {
        let place = body.map(Place::Here).or_else(|| key.map(Place::Object))?;
        Some(Content { size, place })
    }))
}

/// Notes that items name these contents: they do not expire any more. Returns the size of each that there is, by digest.
///
/// # Errors
/// If the database refuses.
pub async fn keep(conn: &mut Conn<'_>, digests: &[Digest]) -> Result<Vec<(Digest, i64)>> {
    const DIGESTS: usize = 500;
    let mut kept = Vec::new();
    for some in digests.chunks(DIGESTS) {
        let rows: Vec<(Vec<u8>, i64)> = conn
            .query("UPDATE content SET expires_at = NULL WHERE digest IN ")
            .push_list(some.iter().map(Digest::as_bytes))
            .push(" RETURNING digest, size")
            .fetch_all()
            .await?;
        kept.extend(rows.into_iter().filter_map(|(digest, size)| Some((Digest::from_bytes(&digest)?, size))));
    }
    Ok(kept)
}

/// Forgets up to `limit` contents that have expired; their objects become garbage that is due now. Returns how many.
///
/// # Errors
/// If the database refuses.
pub async fn expire(conn: &mut Conn<'_>, now: DateTime<Utc>, limit: i64) -> Result<usize> {
    let forgotten: Vec<(Option<String>,)> = conn
        .query(
            "DELETE FROM content WHERE digest IN (
                SELECT digest FROM content WHERE expires_at IS NOT NULL AND expires_at <= $1
                ORDER BY expires_at LIMIT $2",
        )
        .push(SKIP_LOCKED)
        .push(") RETURNING object_key")
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    for (key,) in &forgotten {
        if let Some(key) = key {
            discard(conn, key, now).await?;
        }
    }
    Ok(forgotten.len())
}

/// Notes that an object is to be removed from the object store once it is due, unless it is taken back before.
///
/// # Errors
/// If the database refuses.
pub async fn discard(conn: &mut Conn<'_>, key: &str, due_at: DateTime<Utc>) -> Result<()> {
    conn.query(
        "INSERT INTO object_garbage (object_key, due_at) VALUES ($1, $2)
         ON CONFLICT (object_key) DO UPDATE SET due_at = excluded.due_at",
    )
    .bind(key)
    .bind(due_at)
    .execute()
    .await?;
    Ok(())
}

/// Takes an object back from the garbage, or notes that it is gone. Returns whether it was there.
///
/// # Errors
/// If the database refuses.
pub async fn take_back(conn: &mut Conn<'_>, key: &str) -> Result<bool> {
    let taken = conn.query("DELETE FROM object_garbage WHERE object_key = $1").bind(key).execute().await?;
    Ok(taken > 0)
}

/// Up to `limit` objects whose removal is due, the longest due first.
///
/// # Errors
/// If the database refuses.
pub async fn garbage(conn: &mut Conn<'_>, now: DateTime<Utc>, limit: i64) -> Result<Vec<String>> {
    let keys: Vec<(String,)> = conn
        .query("SELECT object_key FROM object_garbage WHERE due_at <= $1 ORDER BY due_at, object_key LIMIT $2")
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(keys.into_iter().map(|(key,)| key).collect())
}

/// When the next content expires or the next object is to be removed.
///
/// # Errors
/// If the database refuses.
pub async fn next_due(conn: &mut Conn<'_>) -> Result<Option<DateTime<Utc>>> {
    let expires: (Option<DateTime<Utc>>,) =
        conn.query("SELECT min(expires_at) FROM content WHERE expires_at IS NOT NULL").fetch_one().await?;
    let due: (Option<DateTime<Utc>>,) = conn.query("SELECT min(due_at) FROM object_garbage").fetch_one().await?;
    Ok(expires.0.into_iter().chain(due.0).min())
}
