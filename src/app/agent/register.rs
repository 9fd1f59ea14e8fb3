//! How an agent comes to be known: an operator makes a token that is good once, and the agent registers with it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{digest, ended};
use crate::app::{App, AppError, Result, seconds};
use crate::domain::agent::{PROTOCOL, Registered, Registration};
use crate::domain::agent_lease::{MAX_VERSION_BYTES, check_name};
use crate::domain::fault::Fault;
use crate::entropy;
use crate::ids::{AgentId, new_uuid};
use crate::store::agent::{NewAgent, NewToken};
use crate::store::{self, Conn};

/// The longest time that a registration token is good for, in seconds: 30 days.
pub const MAX_EXPIRY_S: u64 = 30 * 24 * 3600;

/// How long tokens are kept that nobody used.
const KEPT_UNUSED: TimeDelta = TimeDelta::days(1);

/// A registration token, which is told once.
#[derive(Clone, Debug)]
pub struct Made {
    /// The token.
    pub token: String,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

/// Makes a registration token: for the agent of this name, or for any; good for so many seconds, or for as long as the
/// settings say.
///
/// # Errors
/// [`AppError::Faults`] if the name is none or the time is too long.
pub async fn make_token(app: &App, name: Option<&str>, expires_in_s: Option<u64>, by: Option<&str>) -> Result<Made> {
    let mut faults = Vec::new();
    faults.extend(name.and_then(|name| check_name(name).err()).map(|why| Fault::new("/name", why)));
    let expiry = expires_in_s.unwrap_or(app.settings.agents.registration_s);
    if !(1..=MAX_EXPIRY_S).contains(&expiry) && expires_in_s.is_some() {
        faults.push(Fault::new("/expires_in_s", format!("want 1 to {MAX_EXPIRY_S} seconds")));
    }
    AppError::refuse("the token", faults)?;
    let now = app.now();
    let made = Made { token: entropy::secret("reg"), expires_at: now + seconds(expiry) };
    let token = NewToken { id: new_uuid(now), digest: digest(&made.token), name, by, expires_at: made.expires_at, now };
    let mut tx = app.db.begin().await?;
    store::agent::expire_tokens(&mut tx.conn(), now - KEPT_UNUSED).await?;
    store::agent::add_token(&mut tx.conn(), &token).await?;
    tx.commit().await?;
    Ok(made)
}

/// Registers an agent, which is told its own token once. The same registration again, before the agent first asked for
/// work, makes another token: the answer with the first may have been lost.
///
/// # Errors
/// [`AppError::Unauthenticated`] if the registration token is not known or has expired; [`AppError::UnknownProtocol`];
/// [`AppError::Forbidden`] if it is for another agent; [`AppError::Conflict`] if it was used, or the name is taken;
/// [`AppError::Faults`] if the registration makes no sense.
pub async fn register(app: &App, token: &str, asked: &Registration) -> Result<Registered> {
    let mut tx = app.db.begin().await?;
    let registered = register_in(app, &mut tx.conn(), token, asked).await;
    ended(tx, registered).await
}

async fn register_in(app: &App, conn: &mut Conn<'_>, token: &str, asked: &Registration) -> Result<Registered> {
    let now = app.now();
    let unknown = |words: &str| AppError::Unauthenticated(words.to_owned());
    let token = store::agent::lock_token(conn, &digest(token)).await?;
    let token = token.ok_or_else(|| unknown("this registration token is not known here"))?;
    if token.expires_at <= now {
        return Err(unknown("this registration token has expired: ask an operator for another"));
    }
    check_protocol(asked.protocol)?;
    check(asked)?;
    if let Some(name) = token.name.as_deref().filter(|name| *name != asked.name) {
        return Err(AppError::Forbidden(format!("this registration token is for the agent `{name}`")));
    }
    let secret = entropy::secret("agt-secret");
    let agent = NewAgent {
        id: token.agent_id.unwrap_or_else(|| AgentId::new(now)),
        name: &asked.name,
        digest: digest(&secret),
        labels: &asked.labels,
        version: &asked.version,
        protocol: i64::from(asked.protocol),
        by: token.created_by.as_deref(),
        now,
    };
    if let Some(earlier) = token.agent_id {
        let there = store::agent::by_id(conn, earlier).await?;
        let is_it = there.is_some_and(|there| there.name == asked.name);
        if !is_it || !store::agent::register_again(conn, &agent).await? {
            return Err(AppError::Conflict(
                "this registration token was used: its agent has asked for work since, was removed, or has another name"
                    .to_owned(),
            ));
        }
    } else {
        match store::agent::insert(conn, &agent).await {
            Ok(()) => {}
            Err(store::Error::Conflict(_)) => return Err(AppError::Conflict(taken(&asked.name))),
            Err(error) => return Err(error.into()),
        }
        store::agent::use_token(conn, token.id, agent.id, now).await?;
    }
    Ok(Registered {
        id: agent.id,
        name: asked.name.clone(),
        token: secret,
        protocol: PROTOCOL,
        poll_s: app.settings.agents.poll_max_s,
        heartbeat_s: app.settings.agents.heartbeat_s,
    })
}

fn taken(name: &str) -> String {
    format!("there is an agent `{name}` already: remove it, or choose another name")
}

/// Refuses a version of the protocol that is not known here.
///
/// # Errors
/// [`AppError::UnknownProtocol`] that names those that are.
pub fn check_protocol(version: u32) -> Result<()> {
    if version == PROTOCOL {
        return Ok(());
    }
    let words = format!("version {version} of the agents' protocol is not known here: this service speaks {PROTOCOL}");
    Err(AppError::UnknownProtocol(words))
}

fn check(asked: &Registration) -> Result<()> {
    let mut faults = Vec::new();
    faults.extend(check_name(&asked.name).err().map(|why| Fault::new("/name", why)));
    faults.extend(asked.labels.check().err().map(|why| Fault::new("/labels", why)));
    if asked.version.len() > MAX_VERSION_BYTES || asked.version.chars().any(char::is_control) {
        let words = format!("want at most {MAX_VERSION_BYTES} bytes without control characters");
        faults.push(Fault::new("/version", words));
    }
    AppError::refuse("the registration", faults)
}
