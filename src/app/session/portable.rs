//! Sessions that go elsewhere: as one archive, which makes the same session there.
//!
//! The archive is a tar: `session.json` says what it is and holds the session's own row; a file of lines of JSON (NDJSON)
//! for each table holds the rows as they stand, results of jobs that are gone and everything that happened among them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::app::archive::Packer;
use crate::app::session::Sessions;
use crate::app::session::change::{At, no_such};
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::session::{Changes, HistoryRow, MAX_UNITS, Outcome, Session, check_id};
use crate::ids::{SessionId, new_uuid};
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

/// Makes the session of an archive: under its own id, or under a new one.
///
/// # Errors
/// [`AppError::Invalid`] for what is no such archive, with the file and the line; [`AppError::Conflict`] if there is a
/// session of that id.
pub async fn import(sessions: &Sessions, archive: File, under_new_id: bool) -> Result<At<SessionId>> {
    let mut tx = sessions.db.begin().await?;
    let now = sessions.now();
    let (fresh, life) = (SessionId::new(now), new_uuid(now));
    let handle = Handle::current();
    let (tx, id, version) = blocking(move || {
        let (id, version) = unpack(&mut tx.conn(), &handle, archive, life, under_new_id.then_some(fresh))?;
        Ok((tx, id, version))
    })
    .await?;
    tx.commit().await?;
    sessions.tell(id);
    Ok(At { version, value: id })
}

/// Reads an archive into the database, and makes sure that its rows make a session.
fn unpack(
    conn: &mut Conn<'_>,
    handle: &Handle,
    archive: File,
    life: Uuid,
    fresh: Option<SessionId>,
) -> Result<(SessionId, i64)> {
    let mut archive = tar::Archive::new(BufReader::new(archive));
    let mut entries = archive.entries().map_err(broken)?;
    let first = entries.next().ok_or_else(|| broken("it is empty"))?.map_err(broken)?;
    if first.path().map_err(broken)?.to_str() != Some(HEAD) {
        return Err(broken(format!("it does not begin with {HEAD}")));
    }
    let mut text = Vec::new();
    first.take(MAX_LINE).read_to_end(&mut text).map_err(broken)?;
    let cover: Cover = serde_json::from_slice(&text).map_err(|error| broken(format!("{HEAD}: {error}")))?;
    if cover.format != FORMAT || cover.version != VERSION {
        let words = format!("{HEAD}: want format {FORMAT}, version {VERSION}, not {} {}", cover.format, cover.version);
        return Err(broken(words));
    }
    let limit = cover.session.version;
    if !(1..=MAX_VERSION).contains(&limit) || !(0..=limit).contains(&cover.session.removed_in) {
        return Err(broken(format!("{HEAD}: its versions make no sense")));
    }
    let next_event = cover.session.counters.0.next_event;
    let id = fresh.unwrap_or(cover.id);
    handle.block_on(put_head(conn, id.0, life, &cover.session)).map_err(|error| match error {
        store::Error::Conflict(_) => {
            AppError::Conflict(format!("there is a session {id} already: remove it, or import this one under a new id"))
        }
        other => AppError::Store(other),
    })?;
    let mut changes = Changes {
        metadata: Some(cover.session.metadata.0),
        counters: Some(cover.session.counters.0),
        context: Some(cover.session.context.0),
        manifest: Some(cover.session.manifest.0),
        desired: Some(cover.session.desired.0),
        mandatory: Some(cover.session.mandatory.0),
        ..Changes::default()
    };
    let mut table = Table { conn, handle, id };
    for entry in entries {
        let entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        let lines = BufReader::new(entry);
        match name.strip_suffix(".ndjson") {
            Some(CarriedUnit::NAME) => {
                table.fill(&name, lines, |row: &CarriedUnit| {
                    changes.units.push(row.document.0.clone());
                    u64::try_from(row.place) == Ok(row.document.0.position)
                        && row.version <= limit
                        && changes.units.len() <= MAX_UNITS
                })?;
            }
            Some(CarriedJob::NAME) => {
                table.fill(&name, lines, |row: &CarriedJob| {
                    changes.jobs.push(row.document.0.clone());
                    row.job_id == row.document.0.id && check_id(&row.job_id).is_ok() && row.version <= limit
                })?;
            }
            Some(CarriedResult::NAME) => table.fill(&name, lines, |row: &CarriedResult| {
                let outcome = row.document.0.outcome.as_ref();
                let Ok(number) = u32::try_from(row.number) else { return false };
                if row.live {
                    let report = row.document.0.clone();
                    changes.history.push(HistoryRow { job: row.job_id.clone(), number, report });
                }
                outcome.is_none_or(Outcome::is_known) && check_id(&row.job_id).is_ok() && row.version <= limit
            })?,
            Some(CarriedResource::NAME) => {
                table.fill(&name, lines, |row: &CarriedResource| {
                    changes.resources.push(row.document.0.clone());
                    row.resource_id == row.document.0.id && !row.resource_id.contains('\0') && row.version <= limit
                })?;
            }
            Some(CarriedEvent::NAME) => table.fill(&name, lines, |row: &CarriedEvent| {
                let number = row.document.0.number;
                u64::try_from(row.number) == Ok(number) && number < next_event && row.version <= limit
            })?,
            Some(CarriedValue::NAME) => table.fill(&name, lines, |row: &CarriedValue| !row.key.contains('\0'))?,
            _ => return Err(broken(format!("it holds `{}`, which is no part of one", cut(&name, 200)))),
        }
    }
    Session::restore(changes).map_err(broken)?;
    Ok((id, cover.session.version))
}

/// Where rows of an archive go.
struct Table<'t, 'c> {
    conn: &'t mut Conn<'c>,
    handle: &'t Handle,
    id: SessionId,
}

impl Table<'_, '_> {
    /// Writes the rows of a file; each is looked at before, whether it is as it has to be.
    fn fill<T: Carried>(
        &mut self,
        name: &str,
        mut lines: impl std::io::BufRead,
        mut look: impl FnMut(&T) -> bool,
    ) -> Result<()> {
        let mut batch: Vec<T> = Vec::new();
        let mut text = Vec::new();
        for number in 1_u64.. {
            text.clear();
            let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut text).map_err(broken)?;
            if read == 0 {
                break;
            }
            let row: T =
                serde_json::from_slice(&text).map_err(|error| broken(format!("{name}, line {number}: {error}")))?;
            if !look(&row) {
                return Err(broken(format!("{name}, line {number}: what it says does not go together")));
            }
            batch.push(row);
            if batch.len() == BATCH {
                self.write(name, &batch)?;
                batch.clear();
            }
        }
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
