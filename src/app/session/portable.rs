//! Sessions that go elsewhere: as one archive, which makes the same session there.
//!
//! The archive is a tar: `session.json` says what it is and holds the session's own row; a file of lines of JSON (NDJSON)
//! for each table holds the rows as they stand, results of jobs that are gone and everything that happened among them.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Handle;

use crate::app::archive::Packer;
use crate::app::session::Sessions;
use crate::app::session::change::{At, no_such};
use crate::app::session::make::told;
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::event::SESSION_CREATED;
use crate::domain::session::{Changes, HistoryRow, MAX_UNITS, Outcome, Session, check_id};
use crate::ids::{SessionId, new_uuid};
use crate::store::event::NewEvent;
use crate::store::session_copy::{
    Carried, CarriedEvent, CarriedJob, CarriedResource, CarriedResult, CarriedUnit, CarriedValue, Head, head, put_head,
    put_rows, rows,
};
use crate::store::{self, Conn};

/// What the archive calls itself.
const FORMAT: &str = "testyard-session";

/// The version of the format.
const VERSION: u32 = 1;

/// The file of the session's own row.
const HEAD: &str = "session.json";

/// The highest version that an archive may have: it is counted on from there.
const MAX_VERSION: i64 = 1 << 52;

/// The longest line of an archive, in bytes: one row.
const MAX_LINE: u64 = 16 << 20;

/// How many rows are written at once.
const BATCH: usize = 1_000;

/// The first file of an archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cover {
    format: String,
    version: u32,
    id: SessionId,
    session: Head,
}

/// An archive.
#[derive(Debug)]
pub struct Exported {
    /// The version that the session stood at.
    pub version: i64,
    /// The archive, from its beginning. It has no name and is gone when it is closed.
    pub file: File,
    /// How many bytes it has.
    pub length: u64,
}

/// A session as an archive. Two archives of one version are the same, as long as no values are shared in between.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn export(sessions: &Sessions, id: SessionId) -> Result<Exported> {
    let mut snapshot = sessions.db.snapshot().await?;
    let row = head(&mut snapshot.conn(), id.0).await?.ok_or_else(|| no_such(id))?;
    let handle = Handle::current();
    blocking(move || {
        let version = row.version;
        let modified = u64::try_from(row.updated_at.timestamp()).unwrap_or_default();
        let out = BufWriter::new(tempfile::tempfile().map_err(failed)?);
        let mut packer = Packer::new(out, modified);
        let cover = Cover { format: FORMAT.to_owned(), version: VERSION, id, session: row };
        packer.file(HEAD, &serde_json::to_vec(&cover).map_err(unwritable)?).map_err(failed)?;
        let conn = &mut snapshot.conn();
        pack::<CarriedUnit, _>(&mut packer, &handle, conn, id)?;
        pack::<CarriedJob, _>(&mut packer, &handle, conn, id)?;
        pack::<CarriedResult, _>(&mut packer, &handle, conn, id)?;
        pack::<CarriedResource, _>(&mut packer, &handle, conn, id)?;
        pack::<CarriedEvent, _>(&mut packer, &handle, conn, id)?;
        pack::<CarriedValue, _>(&mut packer, &handle, conn, id)?;
        let mut file = packer.finish().map_err(failed)?.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Exported { version, file, length })
    })
    .await
}

/// Adds a table. How long it is must be known before it is added, so it waits in a file of its own.
fn pack<T: Carried, W: std::io::Write>(
    packer: &mut Packer<W>,
    handle: &Handle,
    conn: &mut Conn<'_>,
    id: SessionId,
) -> Result<()> {
    let mut lines = BufWriter::new(tempfile::tempfile().map_err(failed)?);
    let mut last: Option<T> = None;
    loop {
        let mut some: Vec<T> = handle.block_on(rows(conn, id.0, last.as_ref()))?;
        for row in &some {
            serde_json::to_writer(&mut lines, row).map_err(unwritable)?;
            lines.write_all(b"\n").map_err(failed)?;
        }
        let Some(end) = some.pop() else { break };
        last = Some(end);
    }
    let mut file = lines.into_inner().map_err(|error| failed(error.into_error()))?;
    let length = file.stream_position().map_err(failed)?;
    file.rewind().map_err(failed)?;
    packer.stream(&format!("{}.ndjson", T::NAME), length, BufReader::new(file)).map_err(failed)
}

fn failed(error: impl std::borrow::Borrow<std::io::Error>) -> AppError {
    AppError::Unavailable(format!("temporary files: {}", error.borrow()))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unwritable(error: serde_json::Error) -> AppError {
    AppError::Unavailable(format!("a row cannot be written: {error}"))
}

fn broken(error: impl std::fmt::Display) -> AppError {
    AppError::Invalid(format!("this is no archive of a session, or it breaks off: {}", cut(&error.to_string(), 400)))
}

/// Makes the session of an archive: under its own id, or under a new one. All of the archive is read and checked before
/// the database is asked for anything.
///
/// # Errors
/// [`AppError::Invalid`] for what is no such archive, with the file and the line; [`AppError::Conflict`] if there is a
/// session of that id.
pub async fn import(sessions: &Sessions, mut archive: File, under_new_id: bool) -> Result<At<SessionId>> {
    let (archive, cover) = blocking(move || {
        let cover = check(&mut archive)?;
        Ok((archive, cover))
    })
    .await?;
    let now = sessions.now();
    let id = if under_new_id { SessionId::new(now) } else { cover.id };
    let version = cover.session.version;
    let mut tx = sessions.db.begin().await?;
    put_head(&mut tx.conn(), id.0, new_uuid(now), &cover.session).await.map_err(|error| match error {
        store::Error::Conflict(_) => {
            AppError::Conflict(format!("there is a session {id} already: remove it, or import this one under a new id"))
        }
        other => AppError::Store(other),
    })?;
    let handle = Handle::current();
    let mut tx = blocking(move || {
        fill(&mut tx.conn(), &handle, archive, id)?;
        Ok(tx)
    })
    .await?;
    let document = json!({"version": version, "by": cover.session.created_by, "imported": true});
    store::event::record(&mut tx.conn(), &[told(id, NewEvent::new(SESSION_CREATED, now, document))]).await?;
    tx.commit().await?;
    sessions.tell(id);
    Ok(At { version, value: id })
}

/// Reads an archive from its beginning: what it says of itself, then each file of rows.
fn read(archive: &mut File, mut rows: impl FnMut(&Cover, &str, &mut dyn BufRead) -> Result<()>) -> Result<Cover> {
    archive.rewind().map_err(failed)?;
    let mut archive = tar::Archive::new(BufReader::new(archive));
    let mut entries = archive.entries().map_err(broken)?;
    let first = entries.next().ok_or_else(|| broken("it is empty"))?.map_err(broken)?;
    if first.path().map_err(broken)?.to_str() != Some(HEAD) {
        return Err(broken(format!("it does not begin with {HEAD}")));
    }
    let mut text = Vec::new();
    first.take(MAX_LINE).read_to_end(&mut text).map_err(broken)?;
    let cover: Cover = serde_json::from_slice(&text).map_err(|error| broken(format!("{HEAD}: {error}")))?;
    for entry in entries {
        let entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        rows(&cover, &name, &mut BufReader::new(entry))?;
    }
    Ok(cover)
}

/// Makes sure that the rows of an archive make a session; what it says of itself.
fn check(archive: &mut File) -> Result<Cover> {
    let mut changes = Changes::default();
    let cover = read(archive, |cover, name, lines| {
        check_cover(cover)?;
        check_rows(cover, &mut changes, name, lines)
    })?;
    check_cover(&cover)?;
    let Head { metadata, counters, context, manifest, desired, mandatory, problems, .. } = cover.session.clone();
    changes.metadata = Some(metadata.0.brief());
    changes.app_blob = Some(metadata.0.app_blob);
    changes.rejected_jobs = Some(metadata.0.rejected_jobs);
    changes.counters = Some(counters.0);
    changes.context = Some(context.0);
    changes.manifest = Some(manifest.0);
    changes.desired = Some(desired.0);
    changes.mandatory = Some(mandatory.0);
    changes.problems = Some(problems.0);
    Session::restore(changes).map_err(broken)?;
    Ok(cover)
}

fn check_cover(cover: &Cover) -> Result<()> {
    if cover.format != FORMAT || cover.version != VERSION {
        let words = format!("{HEAD}: want format {FORMAT}, version {VERSION}, not {} {}", cover.format, cover.version);
        return Err(broken(words));
    }
    let limit = cover.session.version;
    if !(1..=MAX_VERSION).contains(&limit) || !(0..=limit).contains(&cover.session.removed_in) {
        return Err(broken(format!("{HEAD}: its versions make no sense")));
    }
    Ok(())
}

/// Makes sure that each row of a file is as it has to be, and takes those that a session is made of.
fn check_rows(cover: &Cover, changes: &mut Changes, name: &str, lines: &mut dyn BufRead) -> Result<()> {
    let limit = cover.session.version;
    let next_event = cover.session.counters.0.next_event;
    match name.strip_suffix(".ndjson") {
        Some(CarriedUnit::NAME) => each_row(name, lines, |row: CarriedUnit| {
            let is_right = u64::try_from(row.place) == Ok(row.document.0.position) && row.version <= limit;
            changes.units.push(row.document.0);
            Ok(is_right && changes.units.len() <= MAX_UNITS)
        }),
        Some(CarriedJob::NAME) => each_row(name, lines, |row: CarriedJob| {
            let is_right = row.job_id == row.document.0.id && check_id(&row.job_id).is_ok() && row.version <= limit;
            changes.jobs.push(row.document.0);
            Ok(is_right)
        }),
        Some(CarriedResult::NAME) => each_row(name, lines, |row: CarriedResult| {
            let Ok(number) = u32::try_from(row.number) else { return Ok(false) };
            let is_known = row.document.0.outcome.as_ref().is_none_or(Outcome::is_known);
            let is_right = is_known && check_id(&row.job_id).is_ok() && row.version <= limit;
            if row.live {
                changes.history.push(HistoryRow { job: row.job_id, number, report: row.document.0 });
            }
            Ok(is_right)
        }),
        Some(CarriedResource::NAME) => each_row(name, lines, |row: CarriedResource| {
            let is_right =
                row.resource_id == row.document.0.id && !row.resource_id.contains('\0') && row.version <= limit;
            changes.resources.push(row.document.0);
            Ok(is_right)
        }),
        Some(CarriedEvent::NAME) => each_row(name, lines, |row: CarriedEvent| {
            let number = row.document.0.number;
            Ok(u64::try_from(row.number) == Ok(number) && number < next_event && row.version <= limit)
        }),
        Some(CarriedValue::NAME) => each_row(name, lines, |row: CarriedValue| Ok(!row.key.contains('\0'))),
        _ => Err(broken(format!("it holds `{}`, which is no part of one", cut(name, 200)))),
    }
}

/// Writes the rows of an archive that was checked.
fn fill(conn: &mut Conn<'_>, handle: &Handle, mut archive: File, id: SessionId) -> Result<()> {
    let mut table = Table { conn, handle, id };
    read(&mut archive, |_, name, lines| match name.strip_suffix(".ndjson") {
        Some(CarriedUnit::NAME) => table.fill::<CarriedUnit>(name, lines),
        Some(CarriedJob::NAME) => table.fill::<CarriedJob>(name, lines),
        Some(CarriedResult::NAME) => table.fill::<CarriedResult>(name, lines),
        Some(CarriedResource::NAME) => table.fill::<CarriedResource>(name, lines),
        Some(CarriedEvent::NAME) => table.fill::<CarriedEvent>(name, lines),
        Some(CarriedValue::NAME) => table.fill::<CarriedValue>(name, lines),
        _ => Ok(()),
    })?;
    Ok(())
}

/// Reads the rows of a file, one after the other, and tells of each whether it is as it has to be.
fn each_row<T: Carried>(name: &str, lines: &mut dyn BufRead, mut take: impl FnMut(T) -> Result<bool>) -> Result<()> {
    let mut text = Vec::new();
    for number in 1_u64.. {
        text.clear();
        let read = lines.take(MAX_LINE).read_until(b'\n', &mut text).map_err(broken)?;
        if read == 0 {
            break;
        }
        let row: T =
            serde_json::from_slice(&text).map_err(|error| broken(format!("{name}, line {number}: {error}")))?;
        if !take(row)? {
            return Err(broken(format!("{name}, line {number}: what it says does not go together")));
        }
    }
    Ok(())
}

/// Where rows of an archive go.
struct Table<'t, 'c> {
    conn: &'t mut Conn<'c>,
    handle: &'t Handle,
    id: SessionId,
}

impl Table<'_, '_> {
    fn fill<T: Carried>(&mut self, name: &str, lines: &mut dyn BufRead) -> Result<()> {
        let mut batch: Vec<T> = Vec::new();
        each_row(name, lines, |row| {
            batch.push(row);
            if batch.len() == BATCH {
                self.write(name, &batch)?;
                batch.clear();
            }
            Ok(true)
        })?;
        self.write(name, &batch)
    }

    fn write<T: Carried>(&mut self, name: &str, batch: &[T]) -> Result<()> {
        self.handle.block_on(put_rows(self.conn, self.id.0, batch)).map_err(|error| match error {
            store::Error::Conflict(_) => broken(format!("{name}: the same row stands there twice")),
            store::Error::Constraint(_) => broken(format!("{name}: a row is not as it has to be")),
            other => AppError::Store(other),
        })
    }
}
