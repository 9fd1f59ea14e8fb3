//! Logs of runs, and the chunks that their lines stand in.

use crate::domain::log::Length;
use crate::domain::log::chunk::Chunk;
use crate::ids::RunId;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::query::{FOR_UPDATE, Insert};

/// A log as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Log {
    /// How many lines are kept.
    pub lines: i64,
    /// How many bytes of text they are.
    pub bytes: i64,
    /// How many lines came after the limits.
    pub dropped: i64,
    /// Whether no more may come.
    pub ended: bool,
}

impl Log {
    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Length {
        Length { lines: unsigned(self.lines), bytes: unsigned(self.bytes), dropped: unsigned(self.dropped) }
    }
}

/// A chunk as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Stored {
    first_line: i64,
    first_byte: i64,
    lines: i64,
    document: String,
}

impl Stored {
    /// The number of the line behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        unsigned(self.first_line.saturating_add(self.lines))
    }

    /// The number of its first line.
    #[must_use]
    pub fn first_line(&self) -> u64 {
        unsigned(self.first_line)
    }

    /// Its lines.
    ///
    /// # Errors
    /// If it does not decode.
    pub fn unpack(&self) -> Result<Chunk> {
        Chunk::unpack(unsigned(self.first_line), unsigned(self.first_byte), &self.document)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)).into())
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Begins the log of a run that is there and not over, unless it has one. Returns whether it did.
///
/// # Errors
/// If the database refuses.
pub async fn begin(conn: &mut Conn<'_>, run: RunId) -> Result<bool> {
    conn.query(
        "INSERT INTO log (run_id, lines, bytes, dropped, ended)
         SELECT id, 0, 0, 0, $1 FROM run WHERE id = $2 AND state NOT IN ('finished', 'canceled')
         ON CONFLICT (run_id) DO NOTHING",
    )
    .bind(false)
    .bind(run)
    .execute_one()
    .await
}

/// The log of a run, locked until the transaction ends, so that two that append to it do so one after the other.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, run: RunId) -> Result<Option<Log>> {
    conn.query("SELECT lines, bytes, dropped, ended FROM log WHERE run_id = $1")
        .push(FOR_UPDATE)
        .bind(run)
        .fetch_optional()
        .await
}

/// The log of a run.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, run: RunId) -> Result<Option<Log>> {
    conn.query("SELECT lines, bytes, dropped, ended FROM log WHERE run_id = $1").bind(run).fetch_optional().await
}

/// Stores how long a log is now, and chunks of it: each in the place of the one with its first line, if there is one.
///
/// # Errors
/// If the database refuses.
pub async fn put(conn: &mut Conn<'_>, run: RunId, length: Length, chunks: &[Chunk]) -> Result<()> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO log_chunk (run_id, first_line, first_byte, lines, document) VALUES ",
        columns: 5,
        tail: " ON CONFLICT (run_id, first_line) DO UPDATE SET lines = excluded.lines, document = excluded.document",
    };
    let mut packed = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let document = chunk.pack().map_err(|error| crate::store::Error::Encode(Box::new(error)))?;
        packed.push((chunk, document));
    }
    INSERT
        .execute(conn, &packed, |query, (chunk, document)| {
            query
                .bind(run)
                .bind(signed(chunk.first_line))
                .bind(signed(chunk.first_byte))
                .bind(i64::try_from(chunk.lines.len()).unwrap_or(i64::MAX))
                .bind(document.as_str())
        })
        .await?;
    conn.query("UPDATE log SET lines = $1, bytes = $2, dropped = $3 WHERE run_id = $4")
        .bind(signed(length.lines))
        .bind(signed(length.bytes))
        .bind(signed(length.dropped))
        .bind(run)
        .execute()
        .await?;
    Ok(())
}

/// Says that no more lines come, if the run has a log. Returns whether it had one to which more could come.
///
/// # Errors
/// If the database refuses.
pub async fn end(conn: &mut Conn<'_>, run: RunId) -> Result<bool> {
    conn.query("UPDATE log SET ended = $1 WHERE run_id = $2 AND NOT ended").bind(true).bind(run).execute_one().await
}

/// The last chunk of a log of this length, if it has fewer than `bytes` bytes of text.
///
/// # Errors
/// If the database refuses.
pub async fn short(conn: &mut Conn<'_>, run: RunId, length: Length, bytes: u64) -> Result<Option<Stored>> {
    conn.query(
        "SELECT first_line, first_byte, lines, document FROM log_chunk WHERE run_id = $1 AND first_byte > $2
         ORDER BY first_byte DESC LIMIT 1",
    )
    .bind(run)
    .bind(signed(length.bytes).saturating_sub(signed(bytes)))
    .fetch_optional()
    .await
}

/// Up to `limit` chunks in their order, from the one that holds this line on.
///
/// # Errors
/// If the database refuses.
pub async fn from_line(conn: &mut Conn<'_>, run: RunId, line: u64, limit: u32) -> Result<Vec<Stored>> {
    conn.query(
        "SELECT first_line, first_byte, lines, document FROM log_chunk WHERE run_id = $1 AND first_line >= coalesce(
            (SELECT max(first_line) FROM log_chunk WHERE run_id = $1 AND first_line <= $2), 0)
         ORDER BY first_line LIMIT $3",
    )
    .bind(run)
    .bind(signed(line))
    .bind(i64::from(limit))
    .fetch_all()
    .await
}

/// Up to `limit` chunks in their order, from the one that holds this byte of the text on.
///
/// # Errors
/// If the database refuses.
pub async fn from_byte(conn: &mut Conn<'_>, run: RunId, byte: u64, limit: u32) -> Result<Vec<Stored>> {
    conn.query(
        "SELECT first_line, first_byte, lines, document FROM log_chunk WHERE run_id = $1 AND first_byte >= coalesce(
            (SELECT max(first_byte) FROM log_chunk WHERE run_id = $1 AND first_byte <= $2), 0)
         ORDER BY first_byte LIMIT $3",
    )
    .bind(run)
    .bind(signed(byte))
    .bind(i64::from(limit))
    .fetch_all()
    .await
}

/// The end of a log's text: at most `max_chars` characters, from the beginning of a line on. `None` if nothing was written.
///
/// # Errors
/// If the database refuses.
pub async fn tail(conn: &mut Conn<'_>, run: RunId, max_chars: usize) -> Result<Option<String>> {
    let (mut text, mut line) = (String::new(), u64::MAX);
    while text.chars().take(max_chars.saturating_add(1)).count() <= max_chars {
        let Some(chunk) = before(conn, run, line, 1).await?.pop() else { break };
        line = chunk.first_line();
        text.insert_str(0, &chunk.unpack()?.text());
    }
    let end = crate::domain::log::tail(&text, max_chars);
    Ok((!end.is_empty()).then(|| end.to_owned()))
}

/// Up to `limit` chunks that begin before this line, the last one first.
///
/// # Errors
/// If the database refuses.
pub async fn before(conn: &mut Conn<'_>, run: RunId, line: u64, limit: u32) -> Result<Vec<Stored>> {
    conn.query(
        "SELECT first_line, first_byte, lines, document FROM log_chunk WHERE run_id = $1 AND first_line < $2
         ORDER BY first_line DESC LIMIT $3",
    )
    .bind(run)
    .bind(signed(line))
    .bind(i64::from(limit))
    .fetch_all()
    .await
}
