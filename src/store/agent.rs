//! Agents, and the tokens that let them register. What they have in hand stands in
//! [`agent_lease`](crate::store::agent_lease).

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::agent::Labels;
use crate::domain::agent_lease::Standing;
use crate::domain::event::AGENT_REGISTERED;
use crate::ids::AgentId;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::event::{self, NewEvent};
use crate::store::page::Stretch;
use crate::store::query::FOR_UPDATE;

/// An agent as stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// What it is called; unique among those that were not removed.
    pub name: String,
    /// What is said of it.
    pub labels: Json<Labels>,
    /// The version of its program.
    pub version: String,
    /// The version of the protocol that it speaks.
    pub protocol: i64,
    /// Whether it may have work.
    pub standing: Standing,
    /// Why it is drained or removed, in an operator's words.
    pub reason: Option<String>,
    /// When it registered.
    pub registered_at: DateTime<Utc>,
    /// Who made the token that it registered with, where a token was asked for.
    pub registered_by: Option<String>,
    /// When it first asked for work.
    pub claimed_at: Option<DateTime<Utc>>,
    /// When it was heard of last.
    pub last_seen_at: DateTime<Utc>,
}

macro_rules! columns {
    () => {
        "id, name, labels, version, protocol, standing, reason, registered_at, registered_by, claimed_at, last_seen_at"
    };
}

/// A token that lets an agent register, as stored: its digest alone is known.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Token {
    /// Its id.
    pub id: Uuid,
    /// The only agent that it is good for; any if there is none.
    pub name: Option<String>,
    /// Who made it.
    pub created_by: Option<String>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// The agent that registered with it.
    pub agent_id: Option<AgentId>,
}

/// A token that is made.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// Its id.
    pub id: Uuid,
    /// The SHA-256 of the token.
    pub digest: [u8; 32],
    /// The only agent that it is good for.
    pub name: Option<&'a str>,
    /// Who makes it.
    pub by: Option<&'a str>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Keeps a token.
///
/// # Errors
/// If the database refuses.
pub async fn add_token(conn: &mut Conn<'_>, token: &NewToken<'_>) -> Result<()> {
    conn.query(
        "INSERT INTO agent_token (id, digest, name, created_at, created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(token.id)
    .bind(token.digest.as_slice())
    .bind(token.name)
    .bind(token.now)
    .bind(token.by)
    .bind(token.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// Forgets tokens that nobody used before they expired, if that was before `before`. Returns how many there were.
///
/// # Errors
/// If the database refuses.
pub async fn expire_tokens(conn: &mut Conn<'_>, before: DateTime<Utc>) -> Result<u64> {
    conn.query("DELETE FROM agent_token WHERE used_at IS NULL AND expires_at < $1").bind(before).execute().await
}

/// The token with this digest, locked until the transaction ends.
///
/// # Errors
/// If the database refuses.
pub async fn lock_token(conn: &mut Conn<'_>, digest: &[u8; 32]) -> Result<Option<Token>> {
    conn.query("SELECT id, name, created_by, expires_at, agent_id FROM agent_token WHERE digest = $1")
        .push(FOR_UPDATE)
        .bind(digest.as_slice())
        .fetch_optional()
        .await
}

/// Notes who registered with a token. False if somebody had already.
///
/// # Errors
/// If the database refuses.
pub async fn use_token(conn: &mut Conn<'_>, id: Uuid, agent: AgentId, now: DateTime<Utc>) -> Result<bool> {
    conn.query("UPDATE agent_token SET used_at = $1, agent_id = $2 WHERE id = $3 AND used_at IS NULL")
        .bind(now)
        .bind(agent)
        .bind(id)
        .execute_one()
        .await
}

/// An agent that registers.
#[derive(Clone, Debug)]
pub struct NewAgent<'a> {
    /// Its id.
    pub id: AgentId,
    /// What it is called.
    pub name: &'a str,
    /// The SHA-256 of its token.
    pub digest: [u8; 32],
    /// What is said of it.
    pub labels: &'a Labels,
    /// The version of its program.
    pub version: &'a str,
    /// The version of the protocol that it speaks.
    pub protocol: i64,
    /// Who made the token that it registers with.
    pub by: Option<&'a str>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Stores an agent, and tells it as an event.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if there is one of its name; otherwise if the database refuses.
pub async fn insert(conn: &mut Conn<'_>, agent: &NewAgent<'_>) -> Result<()> {
    conn.query(
        "INSERT INTO agent (id, name, digest, labels, version, protocol, standing, registered_at, registered_by, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9)",
    )
    .bind(agent.id)
    .bind(agent.name)
    .bind(agent.digest.as_slice())
    .bind(Json(agent.labels))
    .bind(agent.version)
    .bind(agent.protocol)
    .bind(agent.now)
    .bind(agent.by)
    .bind(agent.now)
    .execute()
    .await?;
    let document = json!({"agent": agent.name, "labels": agent.labels, "version": agent.version, "by": agent.by});
    event::record(conn, &[NewEvent::new(AGENT_REGISTERED, agent.now, document)]).await
}

/// Gives an agent that has not asked for work yet another token, as it registers once more. False if it has.
///
/// # Errors
/// If the database refuses.
pub async fn register_again(conn: &mut Conn<'_>, agent: &NewAgent<'_>) -> Result<bool> {
    conn.query(
        "UPDATE agent SET digest = $1, labels = $2, version = $3, protocol = $4, last_seen_at = $5
         WHERE id = $6 AND claimed_at IS NULL AND standing <> 'removed'",
    )
    .bind(agent.digest.as_slice())
    .bind(Json(agent.labels))
    .bind(agent.version)
    .bind(agent.protocol)
    .bind(agent.now)
    .bind(agent.id)
    .execute_one()
    .await
}

/// The agent whose token has this digest, also one that was removed.
///
/// # Errors
/// If the database refuses.
pub async fn by_digest(conn: &mut Conn<'_>, digest: &[u8; 32]) -> Result<Option<Agent>> {
    conn.query(concat!("SELECT ", columns!(), " FROM agent WHERE digest = $1"))
        .bind(digest.as_slice())
        .fetch_optional()
        .await
}

/// The agent of this name, unless it was removed.
///
/// # Errors
/// If the database refuses.
pub async fn by_name(conn: &mut Conn<'_>, name: &str) -> Result<Option<Agent>> {
    conn.query(concat!("SELECT ", columns!(), " FROM agent WHERE name = $1 AND standing <> 'removed'"))
        .bind(name)
        .fetch_optional()
        .await
}

/// The agent with this id, also one that was removed.
///
/// # Errors
/// If the database refuses.
pub async fn by_id(conn: &mut Conn<'_>, id: AgentId) -> Result<Option<Agent>> {
    conn.query(concat!("SELECT ", columns!(), " FROM agent WHERE id = $1")).bind(id).fetch_optional().await
}

/// The agent with this id, locked until the transaction ends: who changes what it has in hand locks it first, then its
/// lease, then the run.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, id: AgentId) -> Result<Option<Agent>> {
    conn.query(concat!("SELECT ", columns!(), " FROM agent WHERE id = $1"))
        .push(FOR_UPDATE)
        .bind(id)
        .fetch_optional()
        .await
}

/// Notes that an agent asks for work, with these labels from now on if it names any.
///
/// # Errors
/// If the database refuses.
pub async fn asks(conn: &mut Conn<'_>, id: AgentId, labels: Option<&Labels>, now: DateTime<Utc>) -> Result<bool> {
    conn.query(
        "UPDATE agent SET labels = coalesce($1, labels), claimed_at = coalesce(claimed_at, $2), last_seen_at = $2
         WHERE id = $3",
    )
    .bind(labels.map(Json))
    .bind(now)
    .bind(id)
    .execute_one()
    .await
}

/// Notes that an agent was heard of.
///
/// # Errors
/// If the database refuses.
pub async fn seen(conn: &mut Conn<'_>, id: AgentId, now: DateTime<Utc>) -> Result<bool> {
    conn.query("UPDATE agent SET last_seen_at = $1 WHERE id = $2").bind(now).bind(id).execute_one().await
}

/// Says from now on whether an agent may have work, and why not. False if it was removed.
///
/// # Errors
/// If the database refuses.
pub async fn stand(conn: &mut Conn<'_>, id: AgentId, standing: Standing, reason: Option<&str>) -> Result<bool> {
    conn.query("UPDATE agent SET standing = $1, reason = $2 WHERE id = $3 AND standing <> 'removed'")
        .bind(standing)
        .bind(reason)
        .bind(id)
        .execute_one()
        .await
}

/// A page of the agents that were not removed, by their names; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, page: &Stretch<String>) -> Result<(Vec<Agent>, bool)> {
    let mut query = conn.query(concat!("SELECT ", columns!(), " FROM agent WHERE standing <> 'removed'"));
    if let Some(after) = &page.after {
        query = query.push(" AND name > ").push_bind(after.as_str());
    }
    let rows = query.push(" ORDER BY name LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
