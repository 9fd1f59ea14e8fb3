//! Leases whose agents were not heard of in time, or were removed: the run ends without results, and by the settings its
//! next attempt is planned in the same transaction.

use chrono::{DateTime, Utc};

use super::report::held_run;
use crate::app::progress;
use crate::app::run::plan_next;
use crate::app::{App, Result, cut, seconds};
use crate::config::OnLost;
use crate::domain::agent_lease::{LeaseState, MAX_REASON};
use crate::domain::run::RunState;
use crate::ids::AgentLeaseId;
use crate::store::agent_lease::{AgentLease, LeaseEnd};
use crate::store::{self, Conn};

/// Loses the lease with this id, if it has expired. False if it was heard of since, or is over.
///
/// # Errors
/// If the database fails.
pub async fn expire(app: &App, id: AgentLeaseId) -> Result<bool> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let lease = store::agent_lease::lock(conn, id).await?;
    let Some(lease) = lease.filter(|lease| lease.state == LeaseState::Held && lease.expires_at <= now) else {
        tx.rollback().await?;
        return Ok(false);
    };
    let why = format!("the agent `{}` was lost: no heartbeat since {}", lease.agent, lease.seen_at.format("%FT%TZ"));
    lose(app, conn, &lease, &why, now).await?;
    tx.commit().await?;
    ring(app);
    Ok(true)
}

/// Tells whoever goes on with what a lost lease leaves.
pub(super) fn ring(app: &App) {
    app.bells.dispatch.ring();
    app.bells.deliver.ring();
    app.bells.stop.ring();
    app.bells.advance.ring();
}

/// Ends a lease that is held, and locked, as lost. Its run is MISS, and attempted again if the settings say so, unless it
/// was to stop anyhow.
///
/// # Errors
/// If the database refuses.
pub(super) async fn lose(
    app: &App,
    conn: &mut Conn<'_>,
    lease: &AgentLease,
    why: &str,
    now: DateTime<Utc>,
) -> store::Result<()> {
    let why = cut(why, MAX_REASON);
    store::agent_lease::end(
        conn,
        lease.id,
        LeaseEnd { state: LeaseState::Lost, reason: Some(&why), digest: None, now },
    )
    .await?;
    let Some(run) = held_run(conn, lease).await? else { return Ok(()) };
    let agents = &app.settings.agents;
    let is_again = agents.on_lost == OnLost::Retry
        && run.attempt < i64::from(agents.max_attempts)
        && lease.canceled_at.is_none()
        && run.stop_asked_at.is_none();
    // Whoever runs a session decides on its own what is run again.
    let is_of_execution = match run.terms.session_id {
        Some(session) => store::execution::get(conn, session).await?.is_some(),
        None => false,
    };
    if progress::end_without_results(app, conn, &run, RunState::Finished, &why, now).await?
        && is_again
        && !is_of_execution
    {
        plan_next(conn, &run, now).await?;
    }
    Ok(())
}

/// From when on silent agents are lost: not before heartbeats could be heard for as long as a lease lasts, for an agent may
/// have spoken in vain.
#[must_use]
pub fn patient_until(app: &App) -> DateTime<Utc> {
    app.agents.heard_since() + seconds(app.settings.agents.lease_s)
}
