//! Specs, and what each waits for.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::spec::prefix::Prefix;
use crate::domain::spec::{Dependency, Spec};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Stretch;
use crate::store::query::{FOR_UPDATE, Insert};
use crate::store::verbatim::{TEXTS, Verbatim, push_texts};

/// The specs as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct State {
    /// How many changes there were; the number of the last one.
    pub revision: i64,
    /// How many specs there are.
    pub specs: i64,
}

/// A spec as stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// The change that wrote it last.
    pub revision: i64,
    /// The spec.
    pub document: Verbatim<Spec>,
    /// When it was first written.
    pub created_at: DateTime<Utc>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
}

/// A spec as an index takes it in.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Changed {
    /// Its id.
    pub id: String,
    /// The change that wrote it last.
    pub revision: i64,
    /// The spec.
    pub document: Verbatim<Spec>,
    /// When that was.
    pub updated_at: DateTime<Utc>,
}

/// That a spec waits for another.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Edge {
    /// The spec that waits.
    pub spec_id: String,
    /// Which of its dependencies it is, from 0.
    pub place: i64,
    /// What it waits for, which need not be there.
    pub dependency_id: String,
    /// The status or category that this must have come to.
    pub wanted: String,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many specs are new.
    pub created: u64,
    /// How many took the place of one of their id.
    pub replaced: u64,
}

const STATE: &str = "SELECT revision, specs FROM spec_set WHERE id = 1";

/// How the specs stand.
///
/// # Errors
/// If the database refuses.
pub async fn state(conn: &mut Conn<'_>) -> Result<State> {
    conn.query(STATE).fetch_one().await
}

/// How the specs stand, locked until the transaction ends: changes are made one after the other.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>) -> Result<State> {
    conn.query(STATE).push(FOR_UPDATE).fetch_one().await
}

/// Writes specs as of a revision, each over the one of its id, with all that it waits for; of two of one id the later
/// counts. The revision is one more than the last, and that of the first call where a change takes several.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if a spec waits twice for the same result of the same spec.
pub async fn put(conn: &mut Conn<'_>, revision: i64, now: DateTime<Utc>, specs: &[&Spec]) -> Result<Written> {
    const SPEC: Insert = Insert {
        head: "INSERT INTO spec (id, revision, document, created_at, updated_at) VALUES ",
        columns: 5,
        tail: " ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, document = excluded.document,
                updated_at = excluded.updated_at",
    };
    const EDGE: Insert =
        Insert { head: "INSERT INTO spec_edge (spec_id, place, dependency_id, wanted) VALUES ", columns: 4, tail: "" };
    // What is new is counted here, so nobody else may make it new in between.
    lock(conn).await?;
    let by_id: BTreeMap<&str, &Spec> = specs.iter().map(|spec| (spec.id.as_str(), *spec)).collect();
    let ids: Vec<&str> = by_id.keys().copied().collect();
    let replaced = existing(conn, &ids).await?;
    for some in replaced.chunks(TEXTS) {
        push_texts(conn.query("DELETE FROM spec_edge WHERE spec_id IN "), some).execute().await?;
    }
    let ordered: Vec<&Spec> = by_id.into_values().collect();
    SPEC.execute(conn, &ordered, |query, spec| {
        query.bind(spec.id.as_str()).bind(revision).bind(Verbatim(*spec)).bind(now).bind(now)
    })
    .await?;
    let edges: Vec<(&str, i64, &Dependency)> = ordered
        .iter()
        .flat_map(|spec| (0..).zip(&spec.dependencies).map(|(place, wanted)| (spec.id.as_str(), place, wanted)))
        .collect();
    EDGE.execute(conn, &edges, |query, (spec, place, wanted)| {
        query.bind(*spec).bind(*place).bind(wanted.id.as_str()).bind(wanted.when.as_str())
    })
    .await?;
    let written = Written {
        created: u64::try_from(ordered.len().saturating_sub(replaced.len())).unwrap_or(u64::MAX),
        replaced: u64::try_from(replaced.len()).unwrap_or(u64::MAX),
    };
    conn.query("UPDATE spec_set SET revision = $1, specs = specs + $2 WHERE id = 1")
        .bind(revision)
        .bind(i64::try_from(written.created).unwrap_or(i64::MAX))
        .execute()
        .await?;
    Ok(written)
}

const STORED: &str = "SELECT id, revision, document, created_at, updated_at FROM spec ";

/// The spec of this id.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Stored>> {
    conn.query(STORED).push("WHERE id = $1").bind(id).fetch_optional().await
}

/// Those of the specs of these ids that there are, in no order.
///
/// # Errors
/// If the database refuses.
pub async fn get_many(conn: &mut Conn<'_>, ids: &[impl Borrow<str>]) -> Result<Vec<Stored>> {
    let mut found = Vec::new();
    for some in distinct(ids).chunks(TEXTS) {
        found.extend(push_texts(conn.query(STORED).push("WHERE id IN "), some).fetch_all::<Stored>().await?);
    }
    Ok(found)
}

/// Those of these ids under which a spec is stored, each once, in no order.
///
/// # Errors
/// If the database refuses.
pub async fn existing(conn: &mut Conn<'_>, ids: &[impl Borrow<str>]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for some in distinct(ids).chunks(TEXTS) {
        let query = push_texts(conn.query("SELECT id FROM spec WHERE id IN "), some);
        found.extend(query.fetch_all::<(String,)>().await?.into_iter().map(|(id,)| id));
    }
    Ok(found)
}

/// These texts in their order, each once.
pub(super) fn distinct(texts: &[impl Borrow<str>]) -> Vec<&str> {
    let mut distinct: Vec<&str> = texts.iter().map(Borrow::borrow).collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// The first ids that begin so, at most `limit`: with 2 the caller knows whether there is one.
///
/// # Errors
/// If the database refuses.
pub async fn with_prefix(conn: &mut Conn<'_>, prefix: &Prefix, limit: i64) -> Result<Vec<String>> {
    let mut query = conn.query("SELECT id FROM spec WHERE id >= ").push_bind(prefix.lower());
    if let Some(upper) = prefix.upper() {
        query = query.push(" AND id < ").push_bind(upper);
    }
    let ids: Vec<(String,)> = query.push(" ORDER BY id LIMIT ").push_bind(limit).fetch_all().await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// A page of specs by id; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, page: &Stretch<String>) -> Result<(Vec<Stored>, bool)> {
    let mut query = conn.query(STORED);
    if let Some(after) = &page.after {
        query = query.push("WHERE id > ").push_bind(after.as_str());
    }
    let rows = query.push(" ORDER BY id LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// A page of the specs that were written after a revision, by the revision that wrote them last and their id; the flag
/// tells whether there are more.
///
/// An index that stands at a revision reads [`state`] first, then these pages to the end, and then stands at what it
/// read there: what is written meanwhile comes at the end, perhaps again, and again the next time.
///
/// # Errors
/// If the database refuses.
pub async fn changed_since(
    conn: &mut Conn<'_>,
    revision: i64,
    page: &Stretch<(i64, String)>,
) -> Result<(Vec<Changed>, bool)> {
    let query = conn.query("SELECT id, revision, document, updated_at FROM spec WHERE ");
    // One condition alone, so that the index begins where the page does.
    let query = match &page.after {
        Some((after, id)) if *after > revision => {
            query.push("(revision, id) > (").push_bind(*after).push(", ").push_bind(id.as_str()).push(")")
        }
        _ => query.push("revision > ").push_bind(revision),
    };
    let rows = query.push(" ORDER BY revision, id LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// A page of what specs wait for, by spec and place: of the specs of these ids, or of all. The flag tells whether there
/// is more.
///
/// # Errors
/// If the database refuses.
pub async fn edges(
    conn: &mut Conn<'_>,
    of: Option<&[&str]>,
    page: &Stretch<(String, i64)>,
) -> Result<(Vec<Edge>, bool)> {
    const EDGES: &str = "SELECT spec_id, place, dependency_id, wanted FROM spec_edge WHERE (spec_id, place) > (";
    let (after, place) = page.after.as_ref().map_or(("", -1), |(spec, place)| (spec.as_str(), *place));
    let Some(ids) = of else {
        let query = conn.query(EDGES).push_bind(after).push(", ").push_bind(place);
        let rows = query.push(") ORDER BY spec_id, place LIMIT ").push_bind(page.fetch()).fetch_all().await?;
        return Ok(page.cut(rows));
    };
    let mut ids = distinct(ids);
    ids.retain(|id| *id >= after);
    let mut found: Vec<Edge> = Vec::new();
    for some in ids.chunks(TEXTS) {
        let left = page.fetch().saturating_sub(i64::try_from(found.len()).unwrap_or(i64::MAX));
        if left <= 0 {
            break;
        }
        let query = conn.query(EDGES).push_bind(after).push(", ").push_bind(place).push(") AND spec_id IN ");
        let query = push_texts(query, some).push(" ORDER BY spec_id, place LIMIT ").push_bind(left);
        found.extend(query.fetch_all::<Edge>().await?);
    }
    Ok(page.cut(found))
}

/// A page of the ids of specs that wait for the spec of this id, which need not be there; the flag tells whether there
/// are more.
///
/// # Errors
/// If the database refuses.
pub async fn dependents(conn: &mut Conn<'_>, id: &str, page: &Stretch<String>) -> Result<(Vec<String>, bool)> {
    let ids: Vec<(String,)> = conn
        .query(
            "SELECT DISTINCT spec_id FROM spec_edge WHERE dependency_id = $1 AND spec_id > $2
             ORDER BY spec_id LIMIT $3",
        )
        .bind(id)
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(page.fetch())
        .fetch_all()
        .await?;
    Ok(page.cut(ids.into_iter().map(|(id,)| id).collect()))
}
