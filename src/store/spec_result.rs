//! Results of specs, as they came.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SubsecRound as _, Utc};
use serde_json::{Map, Value};

use crate::domain::digest::Digest;
use crate::domain::spec_result::result::{SpecNames, SpecResult};
use crate::domain::spec_result::status::{CaseStatus, Category, State, Status};
use crate::store::Conn;
use crate::store::error::{Error, Result};
use crate::store::page::Stretch;
use crate::store::query::{FOR_UPDATE, Insert, Query};
use crate::store::spec::distinct;
use crate::store::verbatim::{TEXTS, Verbatim, push_texts};

/// A result as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its number: one more than that of the result that was recorded before it.
    pub number: i64,
    /// Whether it is the one that its spec has in its session; another came later if not.
    pub live: bool,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The result.
    pub result: SpecResult,
}

/// A result as an index takes it in.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// Its number.
    pub number: i64,
    /// The spec.
    pub spec_id: String,
    /// The session.
    pub session: String,
    /// How far the spec is.
    pub state: State,
    /// What came of it, roughly.
    pub category: Category,
    /// What came of it.
    pub status: Status,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// What became of a result that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded, under this number.
    New(i64),
    /// It was recorded before, under this number: it was brought again.
    Same(i64),
    /// It is not recorded: another result has its id, the one of this number.
    Conflict(i64),
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    id: String,
    spec_id: String,
    session: String,
    live: bool,
    state: State,
    status: Status,
    code: i64,
    reason: Option<String>,
    name: Option<String>,
    fullname: Option<String>,
    file_root: Option<String>,
    file_path: Option<String>,
    workspace: Option<String>,
    submitted_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    measurements: Verbatim<Map<String, Value>>,
    recorded_at: DateTime<Utc>,
}

macro_rules! columns {
    () => {
        "number, id, spec_id, session, live, state, status, code, reason, name, fullname, file_root, file_path, \
         workspace, submitted_at, started_at, finished_at, measurements, recorded_at"
    };
}

macro_rules! standing_columns {
    () => {
        "number, spec_id, session, state, category, status, started_at, finished_at"
    };
}

const SELECT: &str = concat!("SELECT ", columns!(), " FROM spec_result ");

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        let status = match row.state {
            State::Ready => CaseStatus::ready(),
            State::Running => CaseStatus::running(),
            State::Pending | State::NotRun | State::Complete => CaseStatus::of(row.status),
        };
        let status = status.with_code(row.code.try_into().unwrap_or(-1));
        let names = match (row.name, row.fullname, row.file_root, row.file_path) {
            (Some(name), Some(fullname), Some(file_root), Some(file_path)) => {
                Some(SpecNames { name, fullname, file_root, file_path })
            }
            _ => None,
        };
        let result = SpecResult {
            id: row.id,
            spec_id: row.spec_id,
            session: row.session,
            names,
            workspace: row.workspace,
            status: match row.reason {
                Some(reason) => status.because(reason),
                None => status,
            },
            submitted_at: row.submitted_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            measurements: row.measurements.0,
        };
        Self { number: row.number, live: row.live, recorded_at: row.recorded_at, result }
    }
}

async fn fetch(query: Query<'_, '_>) -> Result<Vec<Stored>> {
    Ok(query.fetch_all::<Row>().await?.into_iter().map(Stored::from).collect())
}

/// The number of the result that was recorded last; 0 before the first.
///
/// # Errors
/// If the database refuses.
pub async fn last(conn: &mut Conn<'_>) -> Result<i64> {
    let (number,) = conn.query("SELECT number FROM spec_result_last WHERE id = 1").fetch_one().await?;
    Ok(number)
}

/// A result that goes in.
struct New<'a> {
    number: i64,
    result: &'a SpecResult,
    digest: Digest,
}

/// The content of a result, as both databases keep it: times are cut to microseconds.
fn kept(result: &SpecResult) -> SpecResult {
    let cut = |time: Option<DateTime<Utc>>| time.map(|time| time.trunc_subsecs(6));
    SpecResult {
        submitted_at: cut(result.submitted_at),
        started_at: cut(result.started_at),
        finished_at: cut(result.finished_at),
        ..result.clone()
    }
}

/// Records results in their order; tells of each what became of it. The last to come of a spec in a session is live,
/// and those before it are so no longer.
///
/// Whoever records waits until others have committed, from here to the end of the transaction, so numbers become
/// visible in their order and without gaps; a transaction does it late, and does not wait for anything afterwards.
///
/// # Errors
/// If the database refuses.
pub async fn record(
    conn: &mut Conn<'_>,
    results: &[impl Borrow<SpecResult>],
    now: DateTime<Utc>,
) -> Result<Vec<Recorded>> {
    if results.is_empty() {
        return Ok(Vec::new());
    }
    let query = conn.query("SELECT number FROM spec_result_last WHERE id = 1").push(FOR_UPDATE);
    let (last,): (i64,) = query.fetch_one().await?;
    let results: Vec<SpecResult> = results.iter().map(|result| kept(result.borrow())).collect();
    let ids: Vec<&str> = results.iter().map(|result| result.id.as_str()).collect();
    let mut known = known(conn, &ids).await?;
    let mut recorded = Vec::with_capacity(results.len());
    let mut new = Vec::new();
    let mut next = last;
    for result in &results {
        let json = serde_json::to_vec(result).map_err(|error| Error::Encode(error.into()))?;
        let digest = Digest::of(&json);
        recorded.push(match known.get(&result.id) {
            Some((number, of)) if of == digest.as_bytes() => Recorded::Same(*number),
            Some((number, _)) => Recorded::Conflict(*number),
            None => {
                next = next.saturating_add(1);
                known.insert(result.id.clone(), (next, digest.as_bytes().to_vec()));
                new.push(New { number: next, result, digest });
                Recorded::New(next)
            }
        });
    }
    insert(conn, &new, now).await?;
    conn.query("UPDATE spec_result_last SET number = $1 WHERE id = 1").bind(next).execute().await?;
    Ok(recorded)
}

/// Those of these ids under which a result is stored, each with its number and its digest.
async fn known(conn: &mut Conn<'_>, ids: &[&str]) -> Result<HashMap<String, (i64, Vec<u8>)>> {
    let mut known = HashMap::new();
    for some in distinct(ids).chunks(TEXTS) {
        let query = push_texts(conn.query("SELECT id, number, digest FROM spec_result WHERE id IN "), some);
        let rows: Vec<(String, i64, Vec<u8>)> = query.fetch_all().await?;
        known.extend(rows.into_iter().map(|(id, number, digest)| (id, (number, digest))));
    }
    Ok(known)
}

/// Stores results under their numbers, the last of each spec and session as live.
async fn insert(conn: &mut Conn<'_>, new: &[New<'_>], now: DateTime<Utc>) -> Result<()> {
    /// The row is not inserted where the spec has a live result in the session, which is so no longer then. Which of
    /// the two it was is told by the number.
    const TAKE_PLACE: &str = " ON CONFLICT (spec_id, session) WHERE live DO UPDATE SET live = FALSE RETURNING number";
    let mut last_in_session: HashMap<(&str, &str), i64> = HashMap::new();
    for New { number, result, .. } in new {
        last_in_session.insert((&result.spec_id, &result.session), *number);
    }
    let live: HashSet<i64> = last_in_session.into_values().collect();
    let (live, replaced): (Vec<&New<'_>>, Vec<&New<'_>>) = new.iter().partition(|new| live.contains(&new.number));
    INSERT.execute(conn, &replaced, |query, new| bind(query, new, false, now)).await?;
    let first = Insert { tail: TAKE_PLACE, ..INSERT };
    let touched: Vec<(i64,)> = first.fetch_all(conn, &live, |query, new| bind(query, new, true, now)).await?;
    let inserted: HashSet<i64> = touched.into_iter().map(|(number,)| number).collect();
    let left: Vec<&New<'_>> = live.into_iter().filter(|new| !inserted.contains(&new.number)).collect();
    INSERT.execute(conn, &left, |query, new| bind(query, new, true, now)).await?;
    Ok(())
}

const INSERT: Insert = Insert {
    head: concat!("INSERT INTO spec_result (", columns!(), ", category, digest) VALUES "),
    columns: 21,
    tail: "",
};

fn bind<'c, 'a>(query: Query<'c, 'a>, new: &New<'_>, live: bool, now: DateTime<Utc>) -> Query<'c, 'a> {
    let result = new.result;
    let names = result.names.as_ref();
    query
        .bind(new.number)
        .bind(result.id.as_str())
        .bind(result.spec_id.as_str())
        .bind(result.session.as_str())
        .bind(live)
        .bind(result.status.state())
        .bind(result.status.status())
        .bind(i64::from(result.status.code()))
        .bind(result.status.reason())
        .bind(names.map(|names| names.name.as_str()))
        .bind(names.map(|names| names.fullname.as_str()))
        .bind(names.map(|names| names.file_root.as_str()))
        .bind(names.map(|names| names.file_path.as_str()))
        .bind(result.workspace.as_deref())
        .bind(result.submitted_at)
        .bind(result.started_at)
        .bind(result.finished_at)
        .bind(Verbatim(&result.measurements))
        .bind(now)
        .bind(result.status.category())
        .bind(new.digest.as_bytes())
}

/// The result of this id.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, id: &str) -> Result<Option<Stored>> {
    let row: Option<Row> = conn.query(SELECT).push("WHERE id = $1").bind(id).fetch_optional().await?;
    Ok(row.map(Stored::from))
}

/// The newest result of each of the specs of these ids that have one, by spec: that of the greatest session, by its
/// bytes.
///
/// # Errors
/// If the database refuses.
pub async fn newest(conn: &mut Conn<'_>, spec_ids: &[impl Borrow<str>]) -> Result<Vec<Stored>> {
    let mut found = Vec::new();
    for some in distinct(spec_ids).chunks(TEXTS) {
        let query = conn.query(SELECT).push(
            "WHERE number IN (
                SELECT (
                    SELECT newest.number FROM spec_result newest
                    WHERE newest.spec_id = asked.value AND newest.live ORDER BY newest.session DESC LIMIT 1
                ) FROM ",
        );
        found.extend(fetch(push_texts(query, some).push(" AS asked) ORDER BY spec_id")).await?);
    }
    Ok(found)
}

/// Of a page of the specs that have results the newest result each. The specs are found one after the other, so what it
/// costs does not depend on how many results they have.
macro_rules! newest_of_all {
    ($columns:expr) => {
        concat!(
            "WITH RECURSIVE specs (spec_id, place) AS (
                SELECT min(spec_id), 1 FROM spec_result WHERE live AND spec_id > $1
                UNION ALL
                SELECT (SELECT min(spec_id) FROM spec_result WHERE live AND spec_id > specs.spec_id), place + 1
                FROM specs WHERE spec_id IS NOT NULL AND place < $2
             )
             SELECT ",
            $columns,
            " FROM spec_result WHERE number IN (
                SELECT (
                    SELECT newest.number FROM spec_result newest
                    WHERE newest.spec_id = specs.spec_id AND newest.live ORDER BY newest.session DESC LIMIT 1
                ) FROM specs
             ) ORDER BY spec_id"
        )
    };
}

/// A page of the newest results of all specs that have one, by spec; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn newest_all(conn: &mut Conn<'_>, page: &Stretch<String>) -> Result<(Vec<Stored>, bool)> {
    let query = conn.query(newest_of_all!(columns!()));
    let rows = fetch(query.bind(page.after.as_deref().unwrap_or_default()).bind(page.fetch())).await?;
    Ok(page.cut(rows))
}

/// As [`newest_all`], of each result what an index takes in.
///
/// # Errors
/// If the database refuses.
pub async fn standings(conn: &mut Conn<'_>, page: &Stretch<String>) -> Result<(Vec<Standing>, bool)> {
    let query = conn.query(newest_of_all!(standing_columns!()));
    let rows = query.bind(page.after.as_deref().unwrap_or_default()).bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// A page of results that were recorded after the page's number, in their order, whether they are live or not; the flag
/// tells whether there are more.
///
/// An index reads [`last`] first, then all [`standings`], and then this from that number on, again and again. Nothing
/// is missed, since numbers become visible in their order. A result takes the place of what the index knows of its spec
/// unless that is of a greater session, or of the same and has a greater number.
///
/// # Errors
/// If the database refuses.
pub async fn standings_after(conn: &mut Conn<'_>, page: &Stretch<i64>) -> Result<(Vec<Standing>, bool)> {
    let rows = conn
        .query(concat!("SELECT ", standing_columns!(), " FROM spec_result WHERE number > $1 ORDER BY number LIMIT $2"))
        .bind(page.after.unwrap_or_default())
        .bind(page.fetch())
        .fetch_all()
        .await?;
    Ok(page.cut(rows))
}

/// The end of a page of a history.
async fn by_session(query: Query<'_, '_>, page: &Stretch<(String, String)>) -> Result<(Vec<Stored>, bool)> {
    let query = match &page.after {
        None => query,
        Some((session, spec)) => query
            .push(" AND (session, spec_id) > (")
            .push_bind(session.as_str())
            .push(", ")
            .push_bind(spec.as_str())
            .push(")"),
    };
    let rows = fetch(query.push(" ORDER BY session, spec_id LIMIT ").push_bind(page.fetch())).await?;
    Ok(page.cut(rows))
}

/// A page of the live results of the specs of these ids, by session, and in a session by spec; the flag tells whether
/// there are more. All of them are sorted for each page, so they should be few specs.
///
/// # Errors
/// If the database refuses.
pub async fn history(
    conn: &mut Conn<'_>,
    spec_ids: &[impl Borrow<str>],
    page: &Stretch<(String, String)>,
) -> Result<(Vec<Stored>, bool)> {
    by_session(push_texts(conn.query(SELECT).push("WHERE live AND spec_id IN "), spec_ids), page).await
}

/// As [`history`], of all specs whose ids begin so; every letter stands for itself.
///
/// # Errors
/// If the database refuses.
pub async fn history_by_prefix(
    conn: &mut Conn<'_>,
    prefix: &str,
    page: &Stretch<(String, String)>,
) -> Result<(Vec<Stored>, bool)> {
    let mut query = conn.query(SELECT).push("WHERE live AND spec_id >= ").push_bind(prefix);
    if let Some(upper) = first_after(prefix) {
        query = query.push(" AND spec_id < ").push_bind(upper);
    }
    by_session(query, page).await
}

/// The first text after all that begin so, by bytes, which for UTF-8 is by characters; `None` where there is none.
fn first_after(prefix: &str) -> Option<String> {
    let mut kept: Vec<char> = prefix.chars().collect();
    while let Some(last) = kept.pop() {
        // The surrogates between the two parts of the range are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

/// What a listing of results is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Results of this spec.
    pub spec_id: Option<String>,
    /// Results in this session.
    pub session: Option<String>,
    /// Results of this category.
    pub category: Option<Category>,
    /// Results of this status.
    pub status: Option<Status>,
    /// Results that are live (`true`), whose place another took (`false`), or both (`None`).
    pub live: Option<bool>,
}

/// A page of results, those recorded last first (only those before the page's number); the flag tells whether there are
/// more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: &Stretch<i64>) -> Result<(Vec<Stored>, bool)> {
    let mut query = conn.query(SELECT).push("WHERE number < ").push_bind(page.after.unwrap_or(i64::MAX));
    if let Some(spec) = &filter.spec_id {
        query = query.push(" AND spec_id = ").push_bind(spec.as_str());
    }
    if let Some(session) = &filter.session {
        query = query.push(" AND session = ").push_bind(session.as_str());
    }
    if let Some(category) = filter.category {
        query = query.push(" AND category = ").push_bind(category);
    }
    if let Some(status) = filter.status {
        query = query.push(" AND status = ").push_bind(status);
    }
    query = match filter.live {
        None => query,
        Some(true) => query.push(" AND live"),
        Some(false) => query.push(" AND NOT live"),
    };
    let rows = fetch(query.push(" ORDER BY number DESC LIMIT ").push_bind(page.fetch())).await?;
    Ok(page.cut(rows))
}

#[cfg(test)]
mod tests {
    use super::first_after;

    #[test]
    fn what_comes_after_a_beginning() {
        let after = |prefix: &str| first_after(prefix);
        assert_eq!(after("abc").as_deref(), Some("abd"));
        assert_eq!(after("abf").as_deref(), Some("abg"));
        assert_eq!(after("ä").as_deref(), Some("å"));
        assert_eq!(after("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(after("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after("\u{10ffff}\u{10ffff}"), None);
        assert_eq!(after(""), None);
    }
}
