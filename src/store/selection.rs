//! Selections: which specs were selected under a tag, and why the others were not.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::store::Conn;
use crate::store::error::{Error, Result};
use crate::store::page::Stretch;
use crate::store::query::{FOR_UPDATE, Insert};
use crate::store::verbatim::Verbatim;

/// A selection as stored, without its specs.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Selection {
    /// What it is called.
    pub tag: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it, where that is known.
    pub created_by: Option<String>,
    /// The revision that the specs stood at.
    pub spec_set_revision: i64,
    /// The digest of the ids of the specs that were looked at, in hexadecimal digits.
    pub spec_set_id: String,
    /// The rules, in their order.
    pub rules: Verbatim<Vec<Value>>,
    /// What else whoever made it wants to keep with it.
    pub metadata: Verbatim<Map<String, Value>>,
    /// How many specs were selected.
    pub selected: i64,
    /// How many were left out.
    pub masked: i64,
    /// The number of the change that stored it: greater than that of any change of a selection before.
    pub revision: i64,
    /// Who is asked while specs are selected, in their order.
    pub hooks: Verbatim<Vec<Value>>,
    /// The rules that they added to those above.
    pub hook_rules: Verbatim<Vec<Value>>,
}

/// A selection that is to be stored.
#[derive(Clone, Debug)]
pub struct NewSelection {
    /// What it is called.
    pub tag: String,
    /// Now.
    pub now: DateTime<Utc>,
    /// Who made it, where that is known.
    pub created_by: Option<String>,
    /// The revision that the specs stood at.
    pub spec_set_revision: i64,
    /// The digest of the ids of the specs that were looked at, in hexadecimal digits.
    pub spec_set_id: String,
    /// The rules, in their order.
    pub rules: Vec<Value>,
    /// What else whoever made it wants to keep with it.
    pub metadata: Map<String, Value>,
    /// Who is asked while specs are selected, in their order.
    pub hooks: Vec<Value>,
    /// The rules that they added to those above.
    pub hook_rules: Vec<Value>,
}

/// A spec that was looked at.
#[derive(Clone, Copy, Debug)]
pub struct NewMember<'a> {
    /// Its id. It need not be stored.
    pub spec_id: &'a str,
    /// Why it was left out; `None` where it was selected.
    pub mask: Option<NewMask<'a>>,
}

/// Why a spec was left out.
#[derive(Clone, Copy, Debug)]
pub struct NewMask<'a> {
    /// The reason. Its member `type` says of which sort it is. Equal reasons are stored once, so what differs from spec
    /// to spec does not belong here.
    pub reason: &'a Value,
    /// The spec because of which it was left out, where there is one.
    pub cause_id: Option<&'a str>,
}

/// A spec that was looked at, as stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Member {
    /// Its id.
    pub spec_id: String,
    /// Why it was left out; `None` where it was selected.
    pub reason: Option<Verbatim<Value>>,
    /// The spec because of which it was left out, where there is one.
    pub cause_id: Option<String>,
}

/// How many specs were left out for one reason.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Reported {
    /// The reason.
    pub reason: Verbatim<Value>,
    /// How many.
    pub specs: i64,
}

macro_rules! columns {
    () => {
        "tag, created_at, created_by, spec_set_revision, spec_set_id, rules, metadata, selected, masked, revision, hooks,
            hook_rules"
    };
}

/// A selection whose row is written and whose specs are not yet. Its tag is held until the transaction ends.
#[derive(Debug)]
#[must_use = "its specs are still to be written"]
pub struct Begun<'a> {
    number: i64,
    reasons: Vec<Numbered<'a>>,
    members: Vec<WithReason<'a>>,
    /// The revision of the one that stood under the tag, where there was one.
    pub replaced: Option<i64>,
}

/// Begins to store a selection over the one of its tag. Whoever stores or changes the same tag at the same time waits here,
/// so that what is found out about the one that stood there holds until the transaction ends.
///
/// # Errors
/// If the database refuses.
pub async fn begin<'a>(conn: &mut Conn<'_>, new: &NewSelection, members: &'a [NewMember<'a>]) -> Result<Begun<'a>> {
    let (reasons, members) = numbered(members)?;
    let masked: i64 = reasons.iter().map(|reason| reason.specs).sum();
    let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
    // A new one has the revision 0 until its specs are there; of another the old one is left, and so is told.
    let (number, revision): (i64, i64) = conn
        .query(concat!(
            "INSERT INTO selection (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11)
             ON CONFLICT (tag) DO UPDATE SET created_at = excluded.created_at, created_by = excluded.created_by,
                spec_set_revision = excluded.spec_set_revision, spec_set_id = excluded.spec_set_id,
                rules = excluded.rules, metadata = excluded.metadata, selected = excluded.selected,
                masked = excluded.masked, hooks = excluded.hooks, hook_rules = excluded.hook_rules
             RETURNING number, revision"
        ))
        .bind(new.tag.as_str())
        .bind(new.now)
        .bind(new.created_by.as_deref())
        .bind(new.spec_set_revision)
        .bind(new.spec_set_id.as_str())
        .bind(Verbatim(&new.rules))
        .bind(Verbatim(&new.metadata))
        .bind(count.saturating_sub(masked))
        .bind(masked)
        .bind(Verbatim(&new.hooks))
        .bind(Verbatim(&new.hook_rules))
        .fetch_one()
        .await?;
    Ok(Begun { number, reasons, members, replaced: Some(revision).filter(|revision| *revision > 0) })
}

/// Writes the specs of a selection that was begun, and gives it its revision, which is returned.
///
/// # Errors
/// [`Error::Conflict`] if a spec is in it twice.
pub async fn finish(conn: &mut Conn<'_>, begun: Begun<'_>) -> Result<i64> {
    const REASON: Insert = Insert {
        head: "INSERT INTO selection_reason (selection_number, number, type, reason, specs) VALUES ",
        columns: 5,
        tail: "",
    };
    const MEMBER: Insert = Insert {
        head: "INSERT INTO selection_spec (selection_number, spec_id, reason_number, cause_id) VALUES ",
        columns: 4,
        tail: "",
    };
    let Begun { number, reasons, mut members, .. } = begun;
    for delete in [
        "DELETE FROM selection_spec WHERE selection_number = $1",
        "DELETE FROM selection_reason WHERE selection_number = $1",
    ] {
        conn.query(delete).bind(number).execute().await?;
    }
    REASON
        .execute(conn, &reasons, |query, reason| {
            let sort = reason.reason.get("type").and_then(Value::as_str).unwrap_or_default();
            query.bind(number).bind(reason.number).bind(sort).bind(Verbatim(reason.reason)).bind(reason.specs)
        })
        .await?;
    // In the order of the key, which is the quickest to write.
    members.sort_unstable_by_key(|(member, _)| member.spec_id);
    MEMBER
        .execute(conn, &members, |query, (member, reason)| {
            let cause = member.mask.and_then(|mask| mask.cause_id);
            query.bind(number).bind(member.spec_id).bind(*reason).bind(cause)
        })
        .await?;
    // Last: whoever stores any other selection waits for this row.
    let (revision,): (i64,) =
        conn.query("UPDATE selection_last SET number = number + 1 WHERE id = 1 RETURNING number").fetch_one().await?;
    conn.query("UPDATE selection SET revision = $1 WHERE number = $2").bind(revision).bind(number).execute().await?;
    Ok(revision)
}

/// Stores a selection over the one of its tag, with all its specs, and returns its revision. Of two at once the later to
/// begin counts.
///
/// # Errors
/// As [`finish`].
pub async fn put(conn: &mut Conn<'_>, new: &NewSelection, members: &[NewMember<'_>]) -> Result<i64> {
    let begun = begin(conn, new, members).await?;
    finish(conn, begun).await
}

/// The revision of the selection of this tag, which nobody else changes until the transaction ends.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, tag: &str) -> Result<Option<i64>> {
    let found: Option<(i64,)> =
        conn.query("SELECT revision FROM selection WHERE tag = $1").bind(tag).push(FOR_UPDATE).fetch_optional().await?;
    Ok(found.map(|(revision,)| revision))
}

/// A reason with its number and how many specs it is the reason of.
#[derive(Debug)]
struct Numbered<'a> {
    number: i64,
    reason: &'a Value,
    specs: i64,
}

/// A member, and the number of its reason where it has one.
type WithReason<'a> = (&'a NewMember<'a>, Option<i64>);

/// Each reason once, in the order in which they are met, and the members with the numbers of theirs.
fn numbered<'a>(members: &'a [NewMember<'a>]) -> Result<(Vec<Numbered<'a>>, Vec<WithReason<'a>>)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut reasons: Vec<Numbered<'a>> = Vec::new();
    let mut with_numbers = Vec::with_capacity(members.len());
    for member in members {
        let Some(mask) = member.mask else {
            with_numbers.push((member, None));
            continue;
        };
        let text = serde_json::to_string(mask.reason).map_err(|error| Error::Encode(error.into()))?;
        let place = *places.entry(text).or_insert(reasons.len());
        if place == reasons.len() {
            let number = i64::try_from(place).unwrap_or(i64::MAX);
            reasons.push(Numbered { number, reason: mask.reason, specs: 0 });
        }
        let number = reasons.get_mut(place).map(|reason| {
            reason.specs += 1;
            reason.number
        });
        with_numbers.push((member, number));
    }
    Ok((reasons, with_numbers))
}

/// The selection of this tag.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, tag: &str) -> Result<Option<Selection>> {
    conn.query(concat!("SELECT ", columns!(), " FROM selection WHERE tag = $1")).bind(tag).fetch_optional().await
}

/// A page of selections by tag; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, page: &Stretch<String>) -> Result<(Vec<Selection>, bool)> {
    let mut query = conn.query(concat!("SELECT ", columns!(), " FROM selection "));
    if let Some(after) = &page.after {
        query = query.push("WHERE tag > ").push_bind(after.as_str());
    }
    let rows = query.push(" ORDER BY tag LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// Calls a selection otherwise; tells whether there was one.
///
/// # Errors
/// [`Error::Conflict`] if another has the new tag.
pub async fn rename(conn: &mut Conn<'_>, from: &str, to: &str) -> Result<bool> {
    conn.query("UPDATE selection SET tag = $1 WHERE tag = $2").bind(to).bind(from).execute_one().await
}

/// Removes a selection; tells whether there was one.
///
/// # Errors
/// If the database refuses.
pub async fn delete(conn: &mut Conn<'_>, tag: &str) -> Result<bool> {
    conn.query("DELETE FROM selection WHERE tag = $1").bind(tag).execute_one().await
}

/// A page of the ids of the specs that were selected, in their order; the flag tells whether there are more. Nothing
/// under a tag that is not there.
///
/// # Errors
/// If the database refuses.
pub async fn selected(conn: &mut Conn<'_>, tag: &str, page: &Stretch<String>) -> Result<(Vec<String>, bool)> {
    let ids: Vec<(String,)> = conn
        .query(
            "SELECT spec_id FROM selection_spec
             WHERE selection_number = (SELECT number FROM selection WHERE tag = $1)
                AND reason_number IS NULL AND spec_id > $2
             ORDER BY spec_id LIMIT $3",
        )
        .bind(tag)
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(page.fetch())
        .fetch_all()
        .await?;
    Ok(page.cut(ids.into_iter().map(|(id,)| id).collect()))
}

macro_rules! member {
    () => {
        "SELECT spec_id, (
            SELECT reason FROM selection_reason
            WHERE selection_number = member.selection_number AND number = member.reason_number
         ) AS reason, cause_id
         FROM selection_spec member WHERE selection_number = (SELECT number FROM selection WHERE tag = $1) "
    };
}

/// A page of the specs that were left out, by id: all, or those whose reason is of one sort. The flag tells whether
/// there are more. Nothing under a tag that is not there.
///
/// # Errors
/// If the database refuses.
pub async fn masked(
    conn: &mut Conn<'_>,
    tag: &str,
    sort: Option<&str>,
    page: &Stretch<String>,
) -> Result<(Vec<Member>, bool)> {
    let mut query = conn
        .query(concat!(member!(), "AND reason_number IS NOT NULL AND spec_id > $2"))
        .bind(tag)
        .bind(page.after.as_deref().unwrap_or_default());
    if let Some(sort) = sort {
        query = query.push(
            " AND EXISTS (SELECT 1 FROM selection_reason WHERE selection_number = member.selection_number
                AND number = member.reason_number AND type = ",
        );
        query = query.push_bind(sort).push(")");
    }
    let rows = query.push(" ORDER BY spec_id LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// The spec of this id, if it was looked at.
///
/// # Errors
/// If the database refuses.
pub async fn member(conn: &mut Conn<'_>, tag: &str, spec_id: &str) -> Result<Option<Member>> {
    conn.query(concat!(member!(), "AND spec_id = $2")).bind(tag).bind(spec_id).fetch_optional().await
}

/// Why specs were left out, and how many for each reason: the most first, and of as many the reason first that was met
/// last. At most `limit` reasons.
///
/// # Errors
/// If the database refuses.
pub async fn report(conn: &mut Conn<'_>, tag: &str, limit: i64) -> Result<Vec<Reported>> {
    conn.query(
        "SELECT reason, specs FROM selection_reason
         WHERE selection_number = (SELECT number FROM selection WHERE tag = $1)
         ORDER BY specs DESC, number DESC LIMIT $2",
    )
    .bind(tag)
    .bind(limit)
    .fetch_all()
    .await
}
