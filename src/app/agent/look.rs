//! How agents stand.

use chrono::{DateTime, Utc};

use super::not_found;
use crate::app::{App, Result, seconds};
use crate::domain::agent_lease::{AgentState, LeaseState, Standing};
use crate::domain::queue::Offer;
use crate::store::agent::Agent;
use crate::store::agent_lease::AgentLease;
use crate::store::page::{Pages, Stretch};
use crate::store::{self, Conn};

/// An agent and how it stands.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The agent.
    pub agent: Agent,
    /// How it stands.
    pub state: AgentState,
    /// Why, in words, where there is more to say than the state.
    pub why: Option<String>,
    /// The lease that it holds.
    pub lease: Option<AgentLease>,
}

/// The agent of this name.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn show(app: &App, name: &str) -> Result<Shown> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let agent = store::agent::by_name(conn, name).await?.ok_or_else(|| not_found(name))?;
    let newest = store::agent_lease::newest(conn, agent.id).await?;
    Ok(shown(app, agent, newest))
}

/// A page of the agents by their names; the flag tells whether there are more.
///
/// # Errors
/// If the database fails.
pub async fn list(app: &App, page: &Stretch<String>) -> Result<(Vec<Shown>, bool)> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let (agents, more) = store::agent::list(conn, page).await?;
    let mut found = Vec::with_capacity(agents.len());
    for agent in agents {
        let newest = store::agent_lease::newest(conn, agent.id).await?;
        found.push(shown(app, agent, newest));
    }
    Ok((found, more))
}

/// What the agents that are there offer to runs: a place each, unless they have work already.
///
/// # Errors
/// If the database fails.
pub async fn offers(app: &App, conn: &mut Conn<'_>) -> Result<Vec<Offer>> {
    let mut pages = Pages::of(1_000);
    let mut offers = Vec::new();
    while let Some(page) = pages.next() {
        let found = store::agent::list(conn, page).await?;
        for agent in pages.turn(found, |agent| agent.name.clone()) {
            let newest = store::agent_lease::newest(conn, agent.id).await?;
            let Shown { agent, state, .. } = shown(app, agent, newest);
            if matches!(state, AgentState::Idle | AgentState::Busy) {
                let places = usize::from(state == AgentState::Idle);
                offers.push(Offer { by: agent.name, labels: agent.labels.0, places });
            }
        }
    }
    Ok(offers)
}

fn shown(app: &App, agent: Agent, newest: Option<AgentLease>) -> Shown {
    let patience = seconds(app.settings.agents.poll_max_s) + seconds(app.settings.agents.lease_s);
    let is_heard = agent.last_seen_at + patience >= app.now();
    let state = AgentState::of(agent.standing, newest.as_ref().map(|lease| lease.state), is_heard);
    let why = why(&agent, state, newest.as_ref());
    Shown { agent, state, why, lease: newest.filter(|lease| lease.state == LeaseState::Held) }
}

fn why(agent: &Agent, state: AgentState, newest: Option<&AgentLease>) -> Option<String> {
    let since = |at: DateTime<Utc>| at.format("%FT%TZ").to_string();
    let drained = (agent.standing != Standing::Active)
        .then(|| format!("it is drained: {}", agent.reason.as_deref().unwrap_or("no reason was given")));
    let of_state = match (state, newest) {
        (AgentState::Busy, Some(lease)) => {
            Some(format!("it has {} in its hands since {}", lease.run_id, since(lease.granted_at)))
        }
        (AgentState::Lost, Some(lease)) => lease.reason.clone(),
        (AgentState::Offline, _) => Some(format!("nothing was heard of it since {}", since(agent.last_seen_at))),
        _ => None,
    };
    let words: Vec<String> = of_state.into_iter().chain(drained).collect();
    (!words.is_empty()).then(|| words.join("; "))
}
