//! What operators do with agents: drain them, let them work again, remove them.

use serde_json::json;

use super::look::{Shown, show};
use super::{lost, not_found};
use crate::app::{App, AppError, Result, cut};
use crate::domain::agent_lease::{LeaseState, MAX_REASON, Standing};
use crate::domain::event::{AGENT_DRAINED, AGENT_REMOVED, AGENT_RESUMED};
use crate::domain::fault::Fault;
use crate::store::event::NewEvent;
use crate::store::{self, Conn};

/// Gives an agent no more work; what it has it finishes.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Faults`] without a reason.
pub async fn drain(app: &App, name: &str, reason: &str) -> Result<Shown> {
    if reason.trim().is_empty() {
        AppError::refuse("the request", vec![Fault::new("/reason", "want a reason, which the agent is told")])?;
    }
    stand(app, name, Standing::Drained, Some(&cut(reason.trim(), MAX_REASON))).await
}

/// Gives an agent work again.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn resume(app: &App, name: &str) -> Result<Shown> {
    stand(app, name, Standing::Active, None).await
}

async fn stand(app: &App, name: &str, standing: Standing, reason: Option<&str>) -> Result<Shown> {
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let agent = store::agent::by_name(conn, name).await?.ok_or_else(|| not_found(name))?;
    if !store::agent::stand(conn, agent.id, standing, reason).await? {
        return Err(not_found(name));
    }
    tell(app, conn, name, standing, reason).await?;
    tx.commit().await?;
    // It may be waiting for work, and is told.
    app.bells.dispatch.ring();
    show(app, name).await
}

/// Tells whether an agent may have work from now on.
async fn tell(app: &App, conn: &mut Conn<'_>, name: &str, standing: Standing, reason: Option<&str>) -> Result<()> {
    let kind = match standing {
        Standing::Active => AGENT_RESUMED,
        Standing::Drained => AGENT_DRAINED,
        Standing::Removed => AGENT_REMOVED,
    };
    let document = json!({"agent": name, "reason": reason});
    Ok(store::event::record(conn, &[NewEvent::new(kind, app.now(), document)]).await?)
}

/// Forgets an agent: its token is good for nothing any more, its name is free, and what it has in its hands is lost.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn remove(app: &App, name: &str, by: Option<&str>) -> Result<()> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let agent = store::agent::by_name(conn, name).await?.ok_or_else(|| not_found(name))?;
    store::agent::lock(conn, agent.id).await?;
    let who = by.map_or_else(|| "an operator".to_owned(), |by| format!("`{by}`"));
    let reason = format!("removed by {who} at {}", now.format("%FT%TZ"));
    if !store::agent::stand(conn, agent.id, Standing::Removed, Some(&reason)).await? {
        return Err(not_found(name));
    }
    tell(app, conn, name, Standing::Removed, Some(&reason)).await?;
    if let Some(held) = store::agent_lease::held_by(conn, agent.id).await?
        && let Some(lease) = store::agent_lease::lock(conn, held.id).await?
        && lease.state == LeaseState::Held
    {
        lost::lose(app, conn, &lease, &format!("the agent `{name}` was {reason}"), now).await?;
    }
    tx.commit().await?;
    lost::ring(app);
    Ok(())
}
