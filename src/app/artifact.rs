//! Artifacts: files that runs leave behind. Their bytes are contents; an artifact never changes.

use bytes::Bytes;
use futures_util::Stream;

use crate::app::content::{self, NotTaken, Stored};
use crate::app::{App, AppError, Result};
use crate::domain::artifact::check_path;
use crate::ids::RunId;
use crate::store::artifact::Artifact;
use crate::store::page::Stretch;
use crate::store::{self, Conn};

/// How many characters a job's id has at most.
const MAX_JOB: usize = 2_000;

/// What was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// The bytes.
    pub stored: Stored,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// Takes the bytes of an artifact in, and names it: [`take_in`] and [`name`] in one.
///
/// # Errors
/// As these.
pub async fn put<E>(
    app: &App,
    run: RunId,
    job: &str,
    path: &str,
    bytes: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Put, NotTaken<E>> {
    check(job, path)?;
    let stored = take_in(app, run, bytes).await?;
    let mut tx = app.db.begin().await?;
    let is_new = name(app, &mut tx.conn(), run, job, path, stored).await?;
    tx.commit().await?;
    Ok(Put { stored, is_new })
}

/// Says what is wrong with the job and the path of an artifact.
///
/// # Errors
/// [`AppError::Invalid`].
pub fn check(job: &str, path: &str) -> Result<()> {
    if job.is_empty() || job.contains('\0') || job.chars().take(MAX_JOB + 1).count() > MAX_JOB {
        return Err(AppError::Invalid(format!("the job of an artifact: want 1 to {MAX_JOB} characters, no NUL")));
    }
    check_path(path).map_err(AppError::Invalid)
}

/// Takes the bytes of an artifact of a run in, within the limits; they are kept for `catalogue.orphan_retention_s` unless
/// they are named by then.
///
/// # Errors
/// [`NotTaken::TooLarge`] with how many bytes there may be; [`AppError::NotFound`] if there is no such run.
pub async fn take_in<E>(
    app: &App,
    run: RunId,
    bytes: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Stored, NotTaken<E>> {
    {
        let mut db = app.read().await?;
        must_be(&mut db.conn(), run).await?;
    }
    // What the run has already counts when the bytes are named: they may be there.
    let limits = &app.settings.artifacts;
    let most = limits.max_bytes.min(limits.max_run_bytes);
    content::take_in(&app.catalogue.contents(), most, bytes).await
}

async fn must_be(conn: &mut Conn<'_>, run: RunId) -> Result<()> {
    let found = store::run::by_id(conn, run).await?;
    found.map(drop).ok_or_else(|| AppError::NotFound { what: "run", id: run.to_string() })
}

/// A page of the artifacts of a run, or of one of its jobs, by job and path; the flag tells whether there are more.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such run.
pub async fn list(
    app: &App,
    run: RunId,
    job: Option<&str>,
    page: &Stretch<(String, String)>,
) -> Result<(Vec<Artifact>, bool)> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    must_be(conn, run).await?;
    Ok(store::artifact::list(conn, run, job, page).await?)
}

/// An artifact of a run.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such run or artifact.
pub async fn get(app: &App, run: RunId, job: &str, path: &str) -> Result<Artifact> {
    let missing = || AppError::NotFound { what: "artifact", id: crate::app::cut(&format!("{job}/{path}"), 200) };
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    must_be(conn, run).await?;
    // PostgreSQL reads no NUL; nothing has one in its name.
    if job.contains('\0') || path.contains('\0') {
        return Err(missing());
    }
    store::artifact::get(conn, run, job, path).await?.ok_or_else(missing)
}

/// Names bytes that were taken in as an artifact of a run, in the caller's transaction. Returns whether it was not there
/// before; the same bytes under the same name are nothing new.
///
/// # Errors
/// [`AppError::Conflict`] if there are other bytes under the name, or the run has as many artifacts or bytes as it may have;
/// [`AppError::NotFound`] if there is no such run; [`AppError::Invalid`] as of [`check`].
pub async fn name(app: &App, conn: &mut Conn<'_>, run: RunId, job: &str, path: &str, stored: Stored) -> Result<bool> {
    check(job, path)?;
    // One at a time, so that the limits hold.
    let found = store::run::lock(conn, run).await?;
    found.ok_or_else(|| AppError::NotFound { what: "run", id: run.to_string() })?;
    if let Some(there) = store::artifact::get(conn, run, job, path).await? {
        if there.sha256 == stored.sha256 {
            return Ok(false);
        }
        return Err(AppError::Conflict(format!(
            "the artifact `{path}` of the job `{job}` is there with other bytes, those with the SHA-256 {}",
            there.sha256
        )));
    }
    let limits = &app.settings.artifacts;
    let (count, bytes) = store::artifact::total(conn, run).await?;
    let size = i64::try_from(stored.size).unwrap_or(i64::MAX);
    if u64::try_from(count).unwrap_or_default() >= limits.max_files {
        let most = limits.max_files;
        return Err(AppError::Conflict(format!("the run has {most} artifacts, the most there may be")));
    }
    if u64::try_from(bytes.saturating_add(size)).unwrap_or_default() > limits.max_run_bytes {
        let most = limits.max_run_bytes;
        return Err(AppError::Conflict(format!(
            "the artifacts of the run have {bytes} bytes, and {size} more are past the {most} that there may be"
        )));
    }
    if store::content::keep(conn, &[stored.sha256]).await?.is_empty() {
        return Err(AppError::Conflict("the bytes of the artifact are gone: send them again".to_owned()));
    }
    let new =
        Artifact { job: job.to_owned(), path: path.to_owned(), sha256: stored.sha256, size, created_at: app.now() };
    Ok(store::artifact::insert(conn, run, &new).await?)
}
