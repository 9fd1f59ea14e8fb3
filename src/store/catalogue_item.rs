//! Versions of the catalogue's items.

use std::borrow::Borrow;

use sqlx::types::Json;

use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Stretch;
use crate::store::query::{Insert, Query, Sql};

/// A version of an item.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Version {
    /// The item's kind.
    pub kind: ItemKind,
    /// Its name: a label, or of a class the class's name.
    pub name: String,
    /// The revision that made it.
    pub since_revision: i64,
    /// The revision that replaced or removed it; `None` while it holds.
    pub until_revision: Option<i64>,
    /// What stands under the name.
    pub document: Json<Item>,
}

/// A version that is to be stored.
#[derive(Clone, Debug)]
pub struct NewVersion<'a> {
    /// Its name.
    pub name: &'a str,
    /// The directory that it stands in; `None` of a class.
    pub directory: Option<&'a str>,
    /// What stands under the name.
    pub item: &'a Item,
}

/// A row of the index: the name, and of a suite what it names.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IndexRow {
    /// The item's kind.
    pub kind: ItemKind,
    /// Its name.
    pub name: String,
    /// The suite; `None` of all other kinds.
    pub suite: Option<Json<Item>>,
}

const COLUMNS: &str = "SELECT kind, name, since_revision, until_revision, document FROM catalogue_item WHERE ";

/// How many names one IN-list holds.
const NAMES: usize = 500;

/// Narrows to the versions that hold now, or that held as of a revision.
fn as_of<'c, 'a>(query: Query<'c, 'a>, revision: Option<i64>) -> Query<'c, 'a> {
    match revision {
        None => query.push("until_revision IS NULL"),
        Some(revision) => query
            .push("since_revision <= ")
            .push_bind(revision)
            .push(" AND (until_revision IS NULL OR until_revision > ")
            .push_bind(revision)
            .push(")"),
    }
}

/// The version of an item that holds now, or held as of a revision.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, kind: ItemKind, name: &str, revision: Option<i64>) -> Result<Option<Version>> {
    let query = conn.query(COLUMNS).push("kind = ").push_bind(kind).push(" AND name = ").push_bind(name).push(" AND ");
    as_of(query, revision).fetch_optional().await
}

/// Those of the items of these names that hold now, or held as of a revision.
///
/// # Errors
/// If the database refuses.
pub async fn get_many(
    conn: &mut Conn<'_>,
    kind: ItemKind,
    names: &[impl Borrow<str>],
    revision: Option<i64>,
) -> Result<Vec<Version>> {
    let mut found = Vec::new();
    for some in names.chunks(NAMES) {
        let some = some.iter().map(Borrow::borrow);
        let query = conn.query(COLUMNS).push("kind = ").push_bind(kind).push(" AND ");
        let query = as_of(query, revision).push(" AND name IN ");
        found.extend(query.push_list(some).fetch_all::<Version>().await?);
    }
    Ok(found)
}

/// Every item of these kinds as it is now, or was as of a revision, by kind and name.
///
/// # Errors
/// If the database refuses.
pub async fn all(conn: &mut Conn<'_>, kinds: &[ItemKind], revision: Option<i64>) -> Result<Vec<Version>> {
    let query = conn.query(COLUMNS).push("kind IN ").push_list(kinds.iter().copied()).push(" AND ");
    as_of(query, revision).push(" ORDER BY kind, name").fetch_all().await
}

/// The kind and name of every item that there is now, by kind and name.
///
/// # Errors
/// If the database refuses.
pub async fn names(conn: &mut Conn<'_>) -> Result<Vec<(ItemKind, String)>> {
    conn.query("SELECT kind, name FROM catalogue_item WHERE until_revision IS NULL ORDER BY kind, name")
        .fetch_all()
        .await
}

/// What the index is made of: tests, resources, suites and directories as of a revision, by kind and name.
///
/// # Errors
/// If the database refuses.
pub async fn index(conn: &mut Conn<'_>, revision: Option<i64>) -> Result<Vec<IndexRow>> {
    let query = conn.query(
        "SELECT kind, name, CASE WHEN kind = 'suite' THEN document END AS suite FROM catalogue_item
         WHERE kind IN ('test', 'resource', 'suite', 'directory') AND ",
    );
    as_of(query, revision).push(" ORDER BY kind, name").fetch_all().await
}

/// How many items of each kind there are now, or were as of a revision; a kind of which there is none is left out.
///
/// # Errors
/// If the database refuses.
pub async fn counts(conn: &mut Conn<'_>, revision: Option<i64>) -> Result<Vec<(ItemKind, i64)>> {
    let query = conn.query("SELECT kind, count(*) FROM catalogue_item WHERE ");
    as_of(query, revision).push(" GROUP BY kind ORDER BY kind").fetch_all().await
}

/// Items of this class that hold now, by kind and name, at most `limit`.
///
/// # Errors
/// If the database refuses.
pub async fn of_class(conn: &mut Conn<'_>, class: &str, limit: i64) -> Result<Vec<Version>> {
    let query = conn.query(COLUMNS).push("until_revision IS NULL AND class = ").push_bind(class);
    query.push(" ORDER BY kind, name LIMIT ").push_bind(limit).fetch_all().await
}

/// Whether a class was registered, replaced or removed after this revision.
///
/// # Errors
/// If the database refuses.
pub async fn classes_changed_since(conn: &mut Conn<'_>, revision: i64) -> Result<bool> {
    let changed: Option<(i64,)> = conn
        .query(
            "SELECT since_revision FROM catalogue_item
             WHERE kind = 'class' AND (since_revision > $1 OR until_revision > $1) LIMIT 1",
        )
        .bind(revision)
        .fetch_optional()
        .await?;
    Ok(changed.is_some())
}

/// Those of the names under which an item of another kind stands than the given one, of the two kinds that share their
/// names: suites and directories.
///
/// # Errors
/// If the database refuses.
pub async fn clashing(conn: &mut Conn<'_>, kind: ItemKind, names: &[&str]) -> Result<Vec<String>> {
    let other = match kind {
        ItemKind::Suite => ItemKind::Directory,
        ItemKind::Directory => ItemKind::Suite,
        _ => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for some in names.chunks(NAMES) {
        let query = conn
            .query("SELECT name FROM catalogue_item WHERE until_revision IS NULL AND kind = ")
            .push_bind(other)
            .push(" AND name IN ")
            .push_list(some.iter().copied());
        let names: Vec<(String,)> = query.push(" ORDER BY name").fetch_all().await?;
        found.extend(names.into_iter().map(|(name,)| name));
    }
    Ok(found)
}

/// Whether anything stands in a directory, directly.
///
/// # Errors
/// If the database refuses.
pub async fn is_empty_directory(conn: &mut Conn<'_>, directory: &str) -> Result<bool> {
    let some: Option<(String,)> = conn
        .query("SELECT name FROM catalogue_item WHERE until_revision IS NULL AND directory = $1 AND kind <> 'expectation' LIMIT 1")
        .bind(directory)
        .fetch_optional()
        .await?;
    Ok(some.is_none())
}

/// Ends the versions of these names that hold now, as of a revision. Returns how many there were.
///
/// # Errors
/// If the database refuses.
pub async fn end(conn: &mut Conn<'_>, kind: ItemKind, names: &[&str], revision: i64) -> Result<u64> {
    let mut ended = 0;
    for some in names.chunks(NAMES) {
        let query = conn.query("UPDATE catalogue_item SET until_revision = ").push_bind(revision);
        let query = query.push(" WHERE until_revision IS NULL AND kind = ").push_bind(kind).push(" AND name IN ");
        ended += query.push_list(some.iter().copied()).execute().await?;
    }
    Ok(ended)
}

/// Stores versions that hold from a revision on.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if one of the names is taken.
pub async fn insert(conn: &mut Conn<'_>, revision: i64, versions: &[NewVersion<'_>]) -> Result<u64> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO catalogue_item (kind, name, since_revision, directory, class, document) VALUES ",
        columns: 6,
        tail: "",
    };
    INSERT
        .execute(conn, versions, |query, version| {
            query
                .bind(version.item.kind())
                .bind(version.name)
                .bind(revision)
                .bind(version.directory)
                .bind(version.item.class())
                .bind(Json(version.item))
        })
        .await
}

/// Where a listing looks, and what it is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The kinds of items.
    pub kinds: Vec<ItemKind>,
    /// Only what is in this directory.
    pub directory: Label,
    /// And in the directories below it.
    pub recursive: bool,
    /// Only items of this class.
    pub class: Option<String>,
    /// Only items that have all of these keywords.
    pub keywords: Vec<String>,
    /// Only items of this owner.
    pub owner: Option<String>,
    /// As of this revision; now where it is left out.
    pub revision: Option<i64>,
}

/// Whether the document's list of keywords has the one that is bound next.
const HAS_KEYWORD: Sql = Sql {
    sqlite: " AND EXISTS (SELECT 1 FROM json_each(document, '$.keywords') WHERE json_each.value = ",
    postgres: " AND jsonb_exists(document -> 'keywords', ",
};

/// A page of items by name, those of one name by kind; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    page: &Stretch<(String, ItemKind)>,
) -> Result<(Vec<Version>, bool)> {
    let query = conn.query(COLUMNS).push("kind IN ").push_list(filter.kinds.iter().copied()).push(" AND ");
    let mut query = as_of(query, filter.revision);
    if !filter.recursive {
        query = query.push(" AND directory = ").push_bind(filter.directory.as_str());
    } else if !filter.directory.as_str().is_empty() {
        // A label has no letter between `.` and `/`: what is below a directory is one stretch of names.
        query = query.push(" AND name >= ").push_bind(format!("{}.", filter.directory));
        query = query.push(" AND name < ").push_bind(format!("{}/", filter.directory));
    }
    if let Some(class) = &filter.class {
        query = query.push(" AND class = ").push_bind(class.as_str());
    }
    for keyword in &filter.keywords {
        query = query.push(HAS_KEYWORD).push_bind(keyword.as_str()).push(")");
    }
    if let Some(owner) = &filter.owner {
        query = query.push(" AND document ->> 'owner' = ").push_bind(owner.as_str());
    }
    if let Some((name, kind)) = &page.after {
        // The first condition is implied by the second, and is the one that an index serves.
        query = query.push(" AND name >= ").push_bind(name.as_str());
        query = query.push(" AND (name, kind) > (").push_bind(name.as_str()).push(", ").push_bind(*kind).push(")");
    }
    let rows = query.push(" ORDER BY name, kind LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// A page of an item's versions, newest first (only those made before the page's key); the flag tells whether there are
/// more.
///
/// # Errors
/// If the database refuses.
pub async fn history(
    conn: &mut Conn<'_>,
    kind: ItemKind,
    name: &str,
    page: &Stretch<i64>,
) -> Result<(Vec<Version>, bool)> {
    let mut query = conn.query(COLUMNS).push("kind = ").push_bind(kind).push(" AND name = ").push_bind(name);
    if let Some(before) = page.after {
        query = query.push(" AND since_revision < ").push_bind(before);
    }
    let rows = query.push(" ORDER BY since_revision DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
