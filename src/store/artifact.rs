//! Artifacts: files that runs left behind, each a name for a content.

use chrono::{DateTime, Utc};

use crate::domain::digest::Digest;
use crate::ids::RunId;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Stretch;

/// An artifact as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The job that made it.
    pub job: String,
    /// Its path in the job's folder.
    pub path: String,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
    /// How many bytes.
    pub size: i64,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}

type Row = (String, String, Vec<u8>, i64, DateTime<Utc>);

fn read((job, path, digest, size, created_at): Row) -> Result<Artifact> {
    let no_digest = || sqlx::Error::Decode("the digest of an artifact is not of 32 bytes".into());
    let sha256 = Digest::from_bytes(&digest).ok_or_else(no_digest)?;
    Ok(Artifact { job, path, sha256, size, created_at })
}

/// Stores an artifact of a run, unless there is one of its job and path. Returns whether it did.
///
/// # Errors
/// If the database refuses; there must be such a content.
pub async fn insert(conn: &mut Conn<'_>, run: RunId, new: &Artifact) -> Result<bool> {
    conn.query(
        "INSERT INTO artifact (run_id, job, path, digest, size, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (run_id, job, path) DO NOTHING",
    )
    .bind(run)
    .bind(new.job.as_str())
    .bind(new.path.as_str())
    .bind(new.sha256.as_bytes())
    .bind(new.size)
    .bind(new.created_at)
    .execute_one()
    .await
}

/// An artifact of a run.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, run: RunId, job: &str, path: &str) -> Result<Option<Artifact>> {
    let row: Option<Row> = conn
        .query("SELECT job, path, digest, size, created_at FROM artifact WHERE run_id = $1 AND job = $2 AND path = $3")
        .bind(run)
        .bind(job)
        .bind(path)
        .fetch_optional()
        .await?;
    row.map(read).transpose()
}

/// A page of the artifacts of a run, or of one of its jobs, by job and path; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(
    conn: &mut Conn<'_>,
    run: RunId,
    job: Option<&str>,
    page: &Stretch<(String, String)>,
) -> Result<(Vec<Artifact>, bool)> {
    let mut query =
        conn.query("SELECT job, path, digest, size, created_at FROM artifact WHERE run_id = ").push_bind(run);
    if let Some(job) = job {
        query = query.push(" AND job = ").push_bind(job);
    }
    if let Some((job, path)) = &page.after {
        query =
            query.push(" AND (job, path) > (").push_bind(job.as_str()).push(", ").push_bind(path.as_str()).push(")");
    }
    let rows: Vec<Row> = query.push(" ORDER BY job, path LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows.into_iter().map(read).collect::<Result<_>>()?))
}

/// How many artifacts a run has, and how many bytes they are.
///
/// # Errors
/// If the database refuses.
pub async fn total(conn: &mut Conn<'_>, run: RunId) -> Result<(i64, i64)> {
    conn.query("SELECT count(*), CAST(coalesce(sum(size), 0) AS bigint) FROM artifact WHERE run_id = $1")
        .bind(run)
        .fetch_one()
        .await
}
