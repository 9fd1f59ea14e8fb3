//! An agent asks for work: it is given the run whose turn it is among those that it fits, or waits for one.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{ended, may_have_work, not_found};
use crate::app::{self, App, AppError, Result, progress, queue, seconds};
use crate::domain::agent::{self, ArtifactLimits, Claim, Labels, LogLimits};
use crate::domain::agent_lease::{Misfits, RUNNER, environment};
use crate::domain::fault::Fault;
use crate::domain::queue::Offer;
use crate::ids::{AgentId, AgentLeaseId};
use crate::store;
use crate::store::Conn;
use crate::store::agent::Agent;
use crate::store::agent_lease::{AgentLease, NewLease};

/// How long an agent that waits sleeps at most: other processes ring no bell here.
const LOOK: Duration = Duration::from_secs(2);

/// How many runs are read at once.
const STRETCH: i64 = 500;

/// How many runs are looked at for an agent that fits none of them.
const MOST_LOOKED_AT: i64 = 10_000;

/// What came of asking for work.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// There is work.
    Lease(Box<agent::Lease>),
    /// There was none in time.
    Nothing {
        /// What waits all the same, and does not fit the agent, in words.
        waiting: Option<String>,
    },
}

/// Gives an agent the run whose turn it is; waits for one as long as it asks for, within the settings' bound. An agent
/// that has a lease is told of it again, for the answer may have been lost.
///
/// # Errors
/// [`AppError::Forbidden`] if the agent is drained or was removed; [`AppError::Faults`] if its labels are none.
pub async fn claim(app: &App, agent: &Agent, asked: &Claim) -> Result<Claimed> {
    if let Some(Err(why)) = asked.labels.as_ref().map(Labels::check) {
        AppError::refuse("the claim", vec![Fault::new("/labels", why)])?;
    }
    let wait_s = asked.wait_s.min(app.settings.agents.poll_max_s);
    let until = Instant::now() + Duration::from_secs(wait_s);
    let turn = app.agents.wait(agent.id);
    // Before the first look, so that nothing falls between.
    let mut bell = app.bells.dispatch.listen();
    asks(app, agent.id, asked.labels.as_ref()).await?;
    loop {
        let waiting = match look(app, agent.id).await? {
            Looked::Lease(lease) => return Ok(Claimed::Lease(lease)),
            Looked::Nothing(misfits) => misfits.words(),
        };
        let now = Instant::now();
        if now >= until {
            return Ok(Claimed::Nothing { waiting });
        }
        tokio::select! {
            () = turn.over() => return Ok(Claimed::Nothing { waiting }),
            () = app.streams.stopping() => return Ok(Claimed::Nothing { waiting }),
            _ = bell.changed() => {}
            () = sleep_until(until.min(now + LOOK)) => {}
        }
    }
}

async fn asks(app: &App, agent: AgentId, labels: Option<&Labels>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    store::agent::asks(&mut tx.conn(), agent, labels, app.now()).await?;
    tx.commit().await?;
    Ok(())
}

enum Looked {
    Lease(Box<agent::Lease>),
    Nothing(Misfits),
}

/// Looks for work once. Whoever waits does so again and again: nothing is locked unless there is something.
async fn look(app: &App, id: AgentId) -> Result<Looked> {
    let mut offered = Offered::default();
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let agent = store::agent::by_id(conn, id).await?.ok_or_else(|| not_found("of this token"))?;
    if store::agent_lease::held_by(conn, id).await?.is_none() {
        may_have_work(&agent)?;
        offered = offer(app, conn, &agent.labels).await?;
        if !offered.fits {
            return Ok(Looked::Nothing(offered.misfits));
        }
    }
    drop(db);
    // What fits may have been given to another meanwhile, or wait for a slot: then it is not this one's turn.
    Ok(take(app, id).await?.map_or(Looked::Nothing(offered.misfits), |lease| Looked::Lease(Box::new(lease))))
}

/// What waits, as far as an agent goes.
#[derive(Debug, Default)]
struct Offered {
    /// Whether it fits any of it.
    fits: bool,
    /// What others that wait require.
    misfits: Misfits,
}

/// Whether an agent of these labels could be given anything. Whose turn it is among what fits is the queue's to say.
async fn offer(app: &App, conn: &mut Conn<'_>, labels: &Labels) -> Result<Offered> {
    let mut offered = Offered::default();
    let now = app.now();
    let mut read = 0;
    while read < MOST_LOOKED_AT {
        let some = store::agent_lease::planned(conn, RUNNER, now, (STRETCH, read)).await?;
        let is_last = i64::try_from(some.len()).unwrap_or(STRETCH) < STRETCH;
        for (_, required) in some {
            if offered.misfits.fits(labels, required.as_deref()) {
                offered.fits = true;
                return Ok(offered);
            }
        }
        if is_last {
            break;
        }
        read += STRETCH;
    }
    Ok(offered)
}

/// Puts a run that the agent is offered into its hands, or finds what it has there already. `None` if others took all of
/// them meanwhile.
async fn take(app: &App, id: AgentId) -> Result<Option<agent::Lease>> {
    let mut tx = app.db.begin().await?;
    let taken = take_in(app, &mut tx.conn(), id).await;
    ended(tx, taken).await
}

async fn take_in(app: &App, conn: &mut Conn<'_>, id: AgentId) -> Result<Option<agent::Lease>> {
    let now = app.now();
    let expires_at = now + seconds(app.settings.agents.lease_s);
    // What an agent has in its hands is decided under its row: two claims of one agent get one run.
    let agent = store::agent::lock(conn, id).await?.ok_or_else(|| not_found(&id.to_string()))?;
    let held = if let Some(held) = store::agent_lease::held_by(conn, id).await? {
        store::agent_lease::extend(conn, held.id, now, expires_at).await?;
        AgentLease { expires_at, ..held }
    } else {
        may_have_work(&agent)?;
        let Some(granted) = grant(app, conn, &agent).await? else { return Ok(None) };
        granted
    };
    told(app, conn, held).await.map(Some)
}

async fn grant(app: &App, conn: &mut Conn<'_>, agent: &Agent) -> Result<Option<AgentLease>> {
    let place = Offer { by: agent.name.clone(), labels: agent.labels.0.clone(), places: 1 };
    let Some(taken) = queue::pick(app, conn, RUNNER, &[place]).await?.pop() else { return Ok(None) };
    let (run, now) = (taken.id, app.now());
    let (poll_at, deadline_at) = progress::first_dates(app, now);
    let lease = NewLease {
        id: AgentLeaseId::new(now),
        run,
        agent: agent.id,
        expires_at: now + seconds(app.settings.agents.lease_s),
        log_first: i64::try_from(app::log::length(conn, run).await?.next()).unwrap_or(i64::MAX),
        poll_at,
        deadline_at,
        now,
    };
    if !store::agent_lease::grant(conn, &lease).await? {
        return Ok(None);
    }
    Ok(store::agent_lease::by_id(conn, lease.id).await?)
}

/// A lease as the agent is told of it.
async fn told(app: &App, conn: &mut Conn<'_>, lease: AgentLease) -> Result<agent::Lease> {
    let run = store::run::by_id(conn, lease.run_id).await?.ok_or_else(|| app::run::not_found(lease.run_id))?;
    let request = run.request.0;
    let mut slots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for slot in store::queue::slots_of(conn, run.id).await? {
        slots.entry(slot.pool).or_default().push(slot.slot);
    }
    Ok(agent::Lease {
        id: lease.id,
        run: run.id,
        generation: lease.generation,
        expires_at: lease.expires_at,
        heartbeat_s: app.settings.agents.heartbeat_s,
        environment: environment(&request),
        request,
        slots,
        masked: Vec::new(),
        log: LogLimits { max_bytes: app.settings.logs.max_bytes, max_lines: app.settings.logs.max_lines },
        artifacts: ArtifactLimits { max_bytes: app.settings.artifacts.max_bytes },
    })
}
