//! Sessions as rows. A change of a session is one transaction and one version; the rows it wrote carry the version, so
//! that whoever holds a session in memory takes in what others wrote since.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::session::{
    Blob, Changes, ContextRow, Counters, EventRow, HistoryRow, Metadata, Problem, Report, UnitRow,
};
use crate::store::Conn;
use crate::store::error::{Error, Result};
use crate::store::event;
use crate::store::page::{Page, Stretch};
use crate::store::query::{FOR_UPDATE, Insert};
use crate::store::session_copy::{EVENT, Head, blob_of, put_head, text_of};
use crate::store::verbatim::{TEXTS, Verbatim, push_texts};

/// A session, without what is in it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// How often it was changed, its making counted.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it, where that is known.
    pub created_by: Option<String>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// What applications note about it, without what may be large ([`Metadata::brief`]).
    pub metadata: Verbatim<Metadata>,
}

/// How a session stands: who has seen it so has seen all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stand {
    /// Its version.
    pub version: i64,
    /// Which of the sessions that had this id it is: one that was removed and brought back is another one.
    pub life: Uuid,
}

/// Which change of a session this is.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The session.
    pub id: Uuid,
    /// The version that the change makes.
    pub version: i64,
    /// The life that begins with version 1.
    pub life: Uuid,
    /// Now.
    pub now: DateTime<Utc>,
    /// Who changes it, where that is known.
    pub by: Option<&'a str>,
}

/// A result of a job, with when it was recorded and by whom.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Recorded {
    /// The job.
    pub job_id: String,
    /// Its place among the results of the job, from 0.
    pub number: i64,
    /// The version of the session that it made.
    pub version: i64,
    /// False where the job was taken out of the session afterwards.
    pub live: bool,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who recorded it, where that is known.
    pub recorded_by: Option<String>,
    /// The result.
    #[sqlx(rename = "document")]
    pub report: Verbatim<Report>,
}

/// Where a page of a job's results ends: the version and the number of its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultKey(pub i64, pub i64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Happened {
    /// Its place among all that happened in the session, from 0.
    pub number: i64,
    /// The version of the session that it belongs to.
    pub version: i64,
    /// When.
    pub happened_at: DateTime<Utc>,
    /// What.
    #[sqlx(rename = "document")]
    pub event: Verbatim<EventRow>,
}

/// A value that clients of a session share.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Shared {
    /// Its key.
    pub key: String,
    /// The value.
    pub value: Verbatim<Value>,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// Who brought it, where that is known.
    pub created_by: Option<String>,
}

/// How many rows of a table are read at once.
const STRETCH: i64 = 5_000;

macro_rules! columns {
    () => {
        "SELECT id, version, created_at, created_by, updated_at, metadata FROM session "
    };
}

/// The session of this id.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, id: Uuid) -> Result<Option<Session>> {
    conn.query(concat!(columns!(), "WHERE id = $1")).bind(id).fetch_optional().await
}

/// How a session stands.
///
/// # Errors
/// If the database refuses.
pub async fn stand(conn: &mut Conn<'_>, id: Uuid) -> Result<Option<Stand>> {
    conn.query("SELECT version, life FROM session WHERE id = $1").bind(id).fetch_optional().await
}

/// How a session stands, which is locked until the transaction ends: changes are made one after the other.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, id: Uuid) -> Result<Option<Stand>> {
    conn.query("SELECT version, life FROM session WHERE id = $1").bind(id).push(FOR_UPDATE).fetch_optional().await
}

/// A page of sessions, the newest first: all, or those of one application. The flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, app_id: Option<&str>, page: Page) -> Result<(Vec<Session>, bool)> {
    let mut query = conn.query(concat!(columns!(), "WHERE TRUE"));
    if let Some(app_id) = app_id {
        query = query.push(" AND app_id = ").push_bind(app_id);
    }
    if let Some(before) = page.before {
        query = query.push(" AND id < ").push_bind(before);
    }
    Ok(page.cut(query.push(" ORDER BY id DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?))
}

/// Removes a session with all that is in it, and what it told of itself; tells whether there was one.
///
/// # Errors
/// If the database refuses.
pub async fn delete(conn: &mut Conn<'_>, id: Uuid) -> Result<bool> {
    conn.query("DELETE FROM event WHERE session_id = $1 AND session_number IS NOT NULL").bind(id).execute().await?;
    conn.query("DELETE FROM session WHERE id = $1").bind(id).execute_one().await
}

/// Writes what a change did. Version 1 makes the session; each later one changes the one that is there, which must be
/// locked.
///
/// # Errors
/// [`Error::Conflict`] if there is a session of that id already and the version is 1.
pub async fn write(conn: &mut Conn<'_>, change: Change<'_>, changes: &Changes) -> Result<()> {
    if change.version == 1 {
        insert(conn, change, changes).await?;
    } else {
        update(conn, change, changes).await?;
    }
    write_units(conn, change, changes).await?;
    write_jobs(conn, change, changes).await?;
    write_results(conn, change, &changes.history).await?;
    write_resources(conn, change, changes).await?;
    write_events(conn, change, &changes.events).await
}

async fn insert(conn: &mut Conn<'_>, change: Change<'_>, changes: &Changes) -> Result<()> {
    let head = Head {
        version: change.version,
        removed_in: 0,
        created_at: change.now,
        created_by: change.by.map(str::to_owned),
        updated_at: change.now,
        metadata: Verbatim(Metadata {
            app_blob: changes.app_blob.clone().unwrap_or(Some(Blob::default())),
            rejected_jobs: changes.rejected_jobs.clone().unwrap_or_default(),
            ..changes.metadata.clone().unwrap_or_default()
        }),
        problems: Verbatim(changes.problems.clone().unwrap_or_default()),
        counters: Verbatim(changes.counters.clone().unwrap_or_default()),
        context: Verbatim(changes.context.clone().unwrap_or_default()),
        manifest: Verbatim(changes.manifest.clone().unwrap_or_default()),
        desired: Verbatim(changes.desired.clone().unwrap_or_default()),
        mandatory: Verbatim(changes.mandatory.clone().unwrap_or_default()),
    };
    put_head(conn, change.id, change.life, &head).await
}

/// The row of a session. Lists that may be long are written only where they changed.
async fn update(conn: &mut Conn<'_>, change: Change<'_>, changes: &Changes) -> Result<()> {
    let mut query = conn
        .query("UPDATE session SET version = ")
        .push_bind(change.version)
        .push(", updated_at = ")
        .push_bind(change.now);
    if let Some(metadata) = &changes.metadata {
        query = query.push(", metadata = ").push_bind(Verbatim(metadata));
        query = query.push(", app_id = ").push_bind(metadata.app_id.as_deref());
    }
    if let Some(blob) = &changes.app_blob {
        query = query.push(", app_blob = ").push_bind(blob.as_ref().map(text_of));
    }
    if let Some(rejected) = &changes.rejected_jobs {
        query = query.push(", rejected_jobs = ").push_bind(Verbatim(rejected));
    }
    if let Some(problems) = &changes.problems {
        query = query.push(", problems = ").push_bind(Verbatim(problems));
    }
    if let Some(counters) = &changes.counters {
        query = query.push(", counters = ").push_bind(Verbatim(counters));
    }
    if let Some(context) = &changes.context {
        query = query.push(", context = ").push_bind(Verbatim(context));
    }
    if let Some(manifest) = &changes.manifest {
        query = query.push(", manifest = ").push_bind(Verbatim(manifest));
    }
    if let Some(desired) = &changes.desired {
        query = query.push(", desired = ").push_bind(Verbatim(desired));
    }
    if let Some(mandatory) = &changes.mandatory {
        query = query.push(", mandatory = ").push_bind(Verbatim(mandatory));
    }
    let removes =
        !(changes.units_removed.is_empty() && changes.jobs_removed.is_empty() && changes.resources_removed.is_empty());
    let steers = changes.context.is_some()
        || changes.manifest.is_some()
        || changes.desired.is_some()
        || changes.mandatory.is_some()
        || changes.problems.is_some()
        || changes.app_blob.is_some()
        || changes.rejected_jobs.is_some();
    if steers {
        query = query.push(", steered_in = ").push_bind(change.version);
    }
    if removes {
        query = query.push(", removed_in = ").push_bind(change.version);
    }
    query.push(" WHERE id = ").push_bind(change.id).execute().await?;
    Ok(())
}

/// A whole number of the domain as the databases hold it.
fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|error| Error::Encode(error.into()))
}

async fn write_units(conn: &mut Conn<'_>, change: Change<'_>, changes: &Changes) -> Result<()> {
    const UNIT: Insert = Insert {
        head: "INSERT INTO session_unit (session_id, place, version, document) VALUES ",
        columns: 4,
        tail: " ON CONFLICT (session_id, place) DO UPDATE SET version = excluded.version, document = excluded.document",
    };
    for place in &changes.units_removed {
        conn.query("DELETE FROM session_unit WHERE session_id = $1 AND place = $2")
            .bind(change.id)
            .bind(signed(*place)?)
            .execute()
            .await?;
    }
    let rows: Vec<(i64, &UnitRow)> =
        changes.units.iter().map(|row| Ok((signed(row.position)?, row))).collect::<Result<_>>()?;
    UNIT.execute(conn, &rows, |query, (place, row)| {
        query.bind(change.id).bind(*place).bind(change.version).bind(Verbatim(row))
    })
    .await?;
    Ok(())
}

/// Writes how jobs stand. What came of a job that is gone is kept; it is no longer what came of a job of the session.
async fn write_jobs(conn: &mut Conn<'_>, change: Change<'_>, changes: &Changes) -> Result<()> {
    const JOB: Insert = Insert {
        head: "INSERT INTO session_job (session_id, job_id, version, document) VALUES ",
        columns: 4,
        tail: " ON CONFLICT (session_id, job_id) DO UPDATE SET version = excluded.version, document = excluded.document",
    };
    for some in changes.jobs_removed.chunks(TEXTS) {
        for statement in [
            "DELETE FROM session_job WHERE session_id = ",
            "UPDATE session_result SET live = FALSE WHERE session_id = ",
        ] {
            push_texts(conn.query(statement).push_bind(change.id).push(" AND job_id IN "), some).execute().await?;
        }
    }
    JOB.execute(conn, &changes.jobs, |query, row| {
        query.bind(change.id).bind(row.id.as_str()).bind(change.version).bind(Verbatim(row))
    })
    .await?;
    Ok(())
}

async fn write_results(conn: &mut Conn<'_>, change: Change<'_>, history: &[HistoryRow]) -> Result<()> {
    const RESULT: Insert = Insert {
        head: "INSERT INTO session_result (session_id, job_id, number, version, live, recorded_at, recorded_by, document) VALUES ",
        columns: 8,
        tail: "",
    };
    RESULT
        .execute(conn, history, |query, row| {
            query
                .bind(change.id)
                .bind(row.job.as_str())
                .bind(i64::from(row.number))
                .bind(change.version)
                .bind(true)
                .bind(change.now)
                .bind(change.by)
                .bind(Verbatim(&row.report))
        })
        .await?;
    Ok(())
}

async fn write_resources(conn: &mut Conn<'_>, change: Change<'_>, changes: &Changes) -> Result<()> {
    const RESOURCE: Insert = Insert {
        head: "INSERT INTO session_resource (session_id, resource_id, version, document) VALUES ",
        columns: 4,
        tail: " ON CONFLICT (session_id, resource_id) DO UPDATE SET version = excluded.version,
                document = excluded.document",
    };
    for some in changes.resources_removed.chunks(TEXTS) {
        let delete = conn.query("DELETE FROM session_resource WHERE session_id = ").push_bind(change.id);
        push_texts(delete.push(" AND resource_id IN "), some).execute().await?;
    }
    RESOURCE
        .execute(conn, &changes.resources, |query, row| {
            query.bind(change.id).bind(row.id.as_str()).bind(change.version).bind(Verbatim(row))
        })
        .await?;
    Ok(())
}

async fn write_events(conn: &mut Conn<'_>, change: Change<'_>, events: &[EventRow]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mark = event::mark(conn).await?;
    let rows: Vec<(i64, &EventRow)> = events.iter().map(|row| Ok((signed(row.number)?, row))).collect::<Result<_>>()?;
    EVENT
        .execute(conn, &rows, |query, (number, row)| {
            let query = query.bind(change.id).bind(*number).bind(change.version).bind(change.now).bind(Verbatim(row));
            query.bind(row.event.kind()).bind(mark)
        })
        .await?;
    Ok(())
}

/// A session's rows, as they stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// How the session stands.
    pub stand: Stand,
    /// Whether these are all rows, and not those alone that differ from the version that was asked for.
    pub whole: bool,
    /// The rows. Events are not among them: they change nothing. Of results of one job that are all older than what was
    /// asked for, the last alone is.
    pub changes: Changes,
}

/// The documents of a table of a session: all, read stretch by stretch in the order of the key, of which each is greater
/// than the first, or those that later versions wrote, in the same order.
macro_rules! documents {
    ($conn:ident, $id:ident, $since:ident, $table:literal, $key:literal, $type:ty, $first:expr) => {{
        let (mut documents, mut after): (Vec<_>, $type) = (Vec::new(), $first);
        if let Some(since) = $since {
            let sql = concat!("SELECT ", $key, ", document FROM ", $table, " WHERE session_id = $1 AND version > $2");
            let mut rows: Vec<($type, Verbatim<_>)> = $conn.query(sql).bind($id).bind(since).fetch_all().await?;
            rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            documents.extend(rows.into_iter().map(|(_, document)| document.0));
        } else {
            let sql = concat!(
                "SELECT ",
                $key,
                ", document FROM ",
                $table,
                " WHERE session_id = $1 AND ",
                $key,
                " > $2 ORDER BY ",
                $key,
                " LIMIT $3"
            );
            loop {
                let rows: Vec<($type, Verbatim<_>)> =
                    $conn.query(sql).bind($id).bind(after.clone()).bind(STRETCH).fetch_all().await?;
                let Some((last, _)) = rows.last() else { break };
                after = Clone::clone(last);
                documents.extend(rows.into_iter().map(|(_, document)| document.0));
            }
        }
        documents
    }};
}

/// What may be long and changes rarely.
#[derive(sqlx::FromRow)]
struct Steered {
    context: Verbatim<ContextRow>,
    manifest: Verbatim<BTreeMap<String, Value>>,
    desired: Verbatim<Vec<String>>,
    mandatory: Verbatim<Vec<String>>,
    problems: Verbatim<Vec<Problem>>,
    app_blob: Option<String>,
    rejected_jobs: Verbatim<Vec<String>>,
}

/// Reads a session: all of it, or what differs from an older version, where nothing was removed since. `None` if there
/// is no such session.
///
/// Whoever asks sees one version only inside a transaction that holds one ([`crate::store::Db::snapshot`], or one in
/// which the session is locked).
///
/// # Errors
/// If the database refuses, or a row cannot be read.
pub async fn load(conn: &mut Conn<'_>, id: Uuid, since: Option<Stand>) -> Result<Option<Loaded>> {
    type Head = (i64, Uuid, i64, i64, Verbatim<Metadata>, Verbatim<Counters>);
    let head: Option<Head> = conn
        .query("SELECT version, life, removed_in, steered_in, metadata, counters FROM session WHERE id = $1")
        .bind(id)
        .fetch_optional()
        .await?;
    let Some((version, life, removed_in, steered_in, metadata, counters)) = head else { return Ok(None) };
    let since = since.filter(|since| since.life == life && since.version >= removed_in).map(|since| since.version);
    let mut changes = Changes {
        metadata: Some(metadata.0.brief()),
        counters: Some(counters.0),
        units: documents!(conn, id, since, "session_unit", "place", i64, -1),
        jobs: documents!(conn, id, since, "session_job", "job_id", String, String::new()),
        history: results(conn, id, since).await?,
        resources: documents!(conn, id, since, "session_resource", "resource_id", String, String::new()),
        ..Changes::default()
    };
    if since.is_none_or(|since| since < steered_in) {
        let steered: Steered = conn
            .query(
                "SELECT context, manifest, desired, mandatory, problems, app_blob, rejected_jobs FROM session
                 WHERE id = $1",
            )
            .bind(id)
            .fetch_one()
            .await?;
        changes.context = Some(steered.context.0);
        changes.manifest = Some(steered.manifest.0);
        changes.desired = Some(steered.desired.0);
        changes.mandatory = Some(steered.mandatory.0);
        changes.problems = Some(steered.problems.0);
        changes.app_blob = Some(steered.app_blob.as_deref().map(blob_of).transpose()?);
        changes.rejected_jobs = Some(steered.rejected_jobs.0);
    }
    Ok(Some(Loaded { stand: Stand { version, life }, whole: since.is_none(), changes }))
}

/// The last of the live results of each job, or all of them that later versions recorded, by job and number.
async fn results(conn: &mut Conn<'_>, id: Uuid, since: Option<i64>) -> Result<Vec<HistoryRow>> {
    type Row = (String, i64, Verbatim<Report>);
    let mut rows: Vec<Row> = Vec::new();
    if let Some(since) = since {
        rows = conn
            .query(
                "SELECT job_id, number, document FROM session_result
                 WHERE session_id = $1 AND version > $2 AND live",
            )
            .bind(id)
            .bind(since)
            .fetch_all()
            .await?;
        rows.sort_unstable_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    } else {
        loop {
            let (job, number) = rows.last().map_or(("", -1), |(job, number, _)| (job.as_str(), *number));
            let some: Vec<Row> = conn
                .query(
                    "SELECT job_id, number, document FROM session_result AS one
                     WHERE session_id = $1 AND live AND (job_id, number) > ($2, $3)
                        AND NOT EXISTS (
                            SELECT 1 FROM session_result AS later
                            WHERE later.session_id = $1 AND later.live AND later.job_id = one.job_id
                                AND later.number > one.number
                        )
                     ORDER BY job_id, number LIMIT $4",
                )
                .bind(id)
                .bind(job)
                .bind(number)
                .bind(STRETCH)
                .fetch_all()
                .await?;
            if some.is_empty() {
                break;
            }
            rows.extend(some);
        }
    }
    rows.into_iter()
        .map(|(job, number, report)| {
            let number = u32::try_from(number).map_err(|error| Error::Encode(error.into()))?;
            Ok(HistoryRow { job, number, report: report.0 })
        })
        .collect()
}

/// A page of what a job came to, in the order in which it was recorded; with what came of jobs of that id which are gone.
/// The flag tells whether there is more.
///
/// # Errors
/// If the database refuses.
pub async fn history(
    conn: &mut Conn<'_>,
    id: Uuid,
    job_id: &str,
    page: &Stretch<ResultKey>,
) -> Result<(Vec<Recorded>, bool)> {
    let ResultKey(version, number) = page.after.unwrap_or(ResultKey(0, 0));
    let query = conn
        .query(
            "SELECT job_id, number, version, live, recorded_at, recorded_by, document FROM session_result
             WHERE session_id = $1 AND job_id = $2 AND (version, number) > ($3, $4)
             ORDER BY version, number LIMIT $5",
        )
        .bind(id)
        .bind(job_id)
        .bind(version)
        .bind(number)
        .bind(page.fetch());
    Ok(page.cut(query.fetch_all().await?))
}

/// A page of what happened in a session, in its order. The flag tells whether there is more.
///
/// # Errors
/// If the database refuses.
pub async fn events(conn: &mut Conn<'_>, id: Uuid, page: &Stretch<i64>) -> Result<(Vec<Happened>, bool)> {
    let query = conn
        .query(
            "SELECT session_number AS number, session_version AS version, happened_at, document FROM event
             WHERE session_id = $1 AND session_number > $2 ORDER BY session_number LIMIT $3",
        )
        .bind(id)
        .bind(page.after.unwrap_or(-1))
        .bind(page.fetch());
    Ok(page.cut(query.fetch_all().await?))
}

/// Keeps a value under a key, unless there is one; tells whether there was none.
///
/// # Errors
/// [`Error::Constraint`] if there is no such session.
pub async fn share(conn: &mut Conn<'_>, id: Uuid, new: &Shared) -> Result<bool> {
    conn.query(
        "INSERT INTO session_value (session_id, key, value, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (session_id, key) DO NOTHING",
    )
    .bind(id)
    .bind(new.key.as_str())
    .bind(&new.value)
    .bind(new.created_at)
    .bind(new.created_by.as_deref())
    .execute_one()
    .await
}

/// The value under a key.
///
/// # Errors
/// If the database refuses.
pub async fn shared(conn: &mut Conn<'_>, id: Uuid, key: &str) -> Result<Option<Shared>> {
    conn.query("SELECT key, value, created_at, created_by FROM session_value WHERE session_id = $1 AND key = $2")
        .bind(id)
        .bind(key)
        .fetch_optional()
        .await
}

/// How many values a session has.
///
/// # Errors
/// If the database refuses.
pub async fn count_shared(conn: &mut Conn<'_>, id: Uuid) -> Result<i64> {
    let (count,): (i64,) =
        conn.query("SELECT count(*) FROM session_value WHERE session_id = $1").bind(id).fetch_one().await?;
    Ok(count)
}

/// Forgets the value under a key; tells whether there was one.
///
/// # Errors
/// If the database refuses.
pub async fn unshare(conn: &mut Conn<'_>, id: Uuid, key: &str) -> Result<bool> {
    conn.query("DELETE FROM session_value WHERE session_id = $1 AND key = $2").bind(id).bind(key).execute_one().await
}
