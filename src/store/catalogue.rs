//! The catalogue as a whole: its revision, whether it may be changed, and the changes that made it.

use chrono::{DateTime, Utc};

use crate::domain::catalogue::item::ItemKind;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Stretch;
use crate::store::query::FOR_UPDATE;

/// The catalogue as a whole.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct State {
    /// The latest revision; 0 before the first change.
    pub revision: i64,
    /// How many items there are, of all kinds.
    pub items: i64,
    /// Why nothing may be changed; `None` where it may.
    pub read_only_reason: Option<String>,
}

/// A change of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Revision {
    /// Its number: one more than that of the change before.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it, where that is known.
    pub author: Option<String>,
    /// What it is for, in the words of who made it.
    pub message: Option<String>,
}

/// What a revision did to one item.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ItemChange {
    /// The revision.
    pub revision: i64,
    /// The item's kind.
    pub kind: ItemKind,
    /// The item's name.
    pub name: String,
    /// Whether there was a version before.
    pub was_there: bool,
    /// Whether there is a version since.
    pub is_there: bool,
}

const STATE: &str = "SELECT revision, items, read_only_reason FROM catalogue WHERE id = 1";

/// How the catalogue stands.
///
/// # Errors
/// If the database refuses.
pub async fn state(conn: &mut Conn<'_>) -> Result<State> {
    conn.query(STATE).fetch_one().await
}

/// How the catalogue stands, locked until the transaction ends: changes are made one after the other.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>) -> Result<State> {
    conn.query(STATE).push(FOR_UPDATE).fetch_one().await
}

/// Makes the catalogue read-only for a reason, or lets it be changed again.
///
/// # Errors
/// If the database refuses.
pub async fn set_read_only(conn: &mut Conn<'_>, reason: Option<&str>) -> Result<()> {
    conn.query("UPDATE catalogue SET read_only_reason = $1 WHERE id = 1").bind(reason).execute().await?;
    Ok(())
}

/// Begins a revision after which there are so many items; the transaction has locked the catalogue.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if the revision is there already.
pub async fn begin_revision(conn: &mut Conn<'_>, new: &Revision, items: i64) -> Result<()> {
    conn.query("INSERT INTO catalogue_revision (revision, created_at, author, message) VALUES ($1, $2, $3, $4)")
        .bind(new.revision)
        .bind(new.created_at)
        .bind(new.author.as_deref())
        .bind(new.message.as_deref())
        .execute()
        .await?;
    conn.query("UPDATE catalogue SET revision = $1, items = $2 WHERE id = 1")
        .bind(new.revision)
        .bind(items)
        .execute()
        .await?;
    Ok(())
}

const REVISION: &str = "SELECT revision, created_at, author, message FROM catalogue_revision ";

/// The revision of this number.
///
/// # Errors
/// If the database refuses.
pub async fn revision(conn: &mut Conn<'_>, number: i64) -> Result<Option<Revision>> {
    conn.query(REVISION).push("WHERE revision = $1").bind(number).fetch_optional().await
}

/// A page of revisions, newest first (only those before the page's key); the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn revisions(conn: &mut Conn<'_>, page: &Stretch<i64>) -> Result<(Vec<Revision>, bool)> {
    let mut query = conn.query(REVISION);
    if let Some(before) = page.after {
        query = query.push("WHERE revision < ").push_bind(before);
    }
    let rows = query.push(" ORDER BY revision DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// What changes there were after a revision, from a place in the feed on: a revision, and the kind and name of an item in
/// it. Oldest first, inside a revision by kind and name; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn changes(
    conn: &mut Conn<'_>,
    since: i64,
    page: &Stretch<(i64, ItemKind, String)>,
) -> Result<(Vec<ItemChange>, bool)> {
    let (revision, kind, name) = match &page.after {
        Some((revision, kind, name)) => (*revision, kind.to_string(), name.as_str()),
        None => (0, String::new(), ""),
    };
    let rows = conn
        .query(
            "SELECT revision, kind, name, max(was_there) = 1 AS was_there, max(is_there) = 1 AS is_there FROM (
                SELECT since_revision AS revision, kind, name, 0 AS was_there, 1 AS is_there FROM catalogue_item
                WHERE since_revision > $1 AND (since_revision, kind, name) > ($2, $3, $4)
                UNION ALL
                SELECT until_revision, kind, name, 1, 0 FROM catalogue_item
                WHERE until_revision > $1 AND (until_revision, kind, name) > ($2, $3, $4)
             ) AS happened
             GROUP BY revision, kind, name ORDER BY revision, kind, name LIMIT $5",
        )
        .bind(since)
        .bind(revision)
        .bind(kind)
        .bind(name)
        .bind(page.fetch())
        .fetch_all()
        .await?;
    Ok(page.cut(rows))
}
