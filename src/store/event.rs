//! The feed of events: what happened, written by the transaction that did it, and read in one order.
//!
//! Events are ordered by their mark and then by their number. On SQLite, which has one writer, numbers are in the order of
//! commits. On PostgreSQL a transaction that begins later may commit earlier: the mark is made of the transaction's id, and
//! only what is marked below all transactions that are under way is read. So nothing comes to stand before what somebody
//! has read already, and no writer waits for another.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::event::Place;
use crate::ids::{RunId, SessionId};
use crate::store::db::{Conn, Dialect};
use crate::store::error::Result;
use crate::store::page::Stretch;
use crate::store::query::{Insert, Sql};
use crate::store::verbatim::Verbatim;

/// Something that happened, to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// When.
    pub happened_at: DateTime<Utc>,
    /// What, in dotted words: see [`crate::domain::event`].
    pub kind: &'static str,
    /// The run that it is about.
    pub run_id: Option<RunId>,
    /// The session that it is about.
    pub session_id: Option<SessionId>,
    /// KCIDB's id of the build that it is about.
    pub build_ref: Option<String>,
    /// What more there is to say: an object. No secrets.
    pub document: Value,
}

impl NewEvent {
    /// Something that happened and is about nothing yet.
    #[must_use]
    pub fn new(kind: &'static str, happened_at: DateTime<Utc>, document: Value) -> Self {
        Self { happened_at, kind, run_id: None, session_id: None, build_ref: None, document }
    }
}

/// Something that happened, as stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Event {
    /// What orders the transactions that wrote events.
    pub mark: i64,
    /// Its number.
    pub number: i64,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// What, in dotted words.
    pub kind: String,
    /// The run that it is about.
    pub run_id: Option<RunId>,
    /// The session that it is about.
    pub session_id: Option<SessionId>,
    /// KCIDB's id of the build that it is about.
    pub build_ref: Option<String>,
    /// What more there is to say.
    pub document: Verbatim<Value>,
}

impl Event {
    /// Its place in the feed.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { mark: self.mark, number: self.number }
    }
}

/// What the feed is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Events about this run.
    pub run_id: Option<RunId>,
    /// Events about this session.
    pub session_id: Option<SessionId>,
    /// Events about this build, by KCIDB's id.
    pub build_ref: Option<String>,
}

/// The mark of what this transaction writes.
pub(super) async fn mark(conn: &mut Conn<'_>) -> Result<i64> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(0);
    }
    let (mark,): (i64,) =
        conn.query("SELECT base + pg_current_xact_id()::text::bigint FROM event_base WHERE id = 1").fetch_one().await?;
    Ok(mark)
}

/// Makes marks go on where ids of transactions have begun anew, as they do where a dump is restored: all that is stored has
/// committed, so no mark of it may be that of a transaction to come.
pub(super) async fn go_on(conn: &mut Conn<'_>) -> Result<()> {
    conn.query(
        "UPDATE event_base SET base = (SELECT max(mark) FROM event)
         WHERE id = 1
            AND (SELECT max(mark) FROM event) >= base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    )
    .execute()
    .await?;
    Ok(())
}

/// Tells what happened, in this order. It is told once the transaction commits, and is nothing if it does not.
///
/// # Errors
/// If the database refuses.
pub async fn record(conn: &mut Conn<'_>, events: &[NewEvent]) -> Result<()> {
    const EVENT: Insert = Insert {
        head: "INSERT INTO event (mark, happened_at, kind, run_id, session_id, build_ref, document) VALUES ",
        columns: 7,
        tail: "",
    };
    if events.is_empty() {
        return Ok(());
    }
    let mark = mark(conn).await?;
    EVENT
        .execute(conn, events, |query, event| {
            query
                .bind(mark)
                .bind(event.happened_at)
                .bind(event.kind)
                .bind(event.run_id)
                .bind(event.session_id)
                .bind(event.build_ref.as_deref())
                .bind(Verbatim(&event.document))
        })
        .await?;
    Ok(())
}

/// What no transaction that is under way can come to stand before.
const SETTLED: Sql = Sql {
    sqlite: "TRUE",
    postgres: "mark < (SELECT base FROM event_base WHERE id = 1) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
};

/// A page of what happened, in its order; the flag tells whether there is more. What a transaction under way may yet come
/// before is not in it.
///
/// # Errors
/// If the database refuses.
pub async fn page(conn: &mut Conn<'_>, filter: &Filter, page: &Stretch<Place>) -> Result<(Vec<Event>, bool)> {
    let Place { mark, number } = page.after.unwrap_or(Place::BEGINNING);
    let mut query = conn
        .query(
            "SELECT mark, number, happened_at, kind, run_id, session_id, build_ref, document FROM event
             WHERE (mark, number) > ($1, $2) AND ",
        )
        .bind(mark)
        .bind(number)
        .push(SETTLED);
    if let Some(run) = filter.run_id {
        query = query.push(" AND run_id = ").push_bind(run);
    }
    if let Some(session) = filter.session_id {
        query = query.push(" AND session_id = ").push_bind(session);
    }
    if let Some(build) = &filter.build_ref {
        query = query.push(" AND build_ref = ").push_bind(build.as_str());
    }
    let rows = query.push(" ORDER BY mark, number LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
