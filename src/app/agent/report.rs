//! What an agent tells of the run that it has in its hands. All of it names the lease and its generation: whoever holds the
//! lease no more is told so and changes nothing.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::ended;
use super::lost::ring;
use super::output::{judged, not_theirs};
use crate::app::progress::{self, Progress};
use crate::app::{App, AppError, Result, cut, seconds};
use crate::domain::agent::{Beat, Heartbeat, Release, Results, Taken};
use crate::domain::agent_lease::{LeaseState, MAX_REASON, RUNNER, faults, outcomes};
use crate::domain::callback::{CallbackState, Trust};
use crate::domain::definition::{How, JobEnd};
use crate::domain::fault::Fault;
use crate::domain::observation::{Observation, Phase};
use crate::domain::run::{RunRequest, RunState};
use crate::ids::{AgentLeaseId, CallbackId};
use crate::store::agent::Agent;
use crate::store::agent_lease::{AgentLease, LeaseEnd};
use crate::store::callback::NewCallback;
use crate::store::run::Run;
use crate::store::{self, Conn};
use crate::{app, entropy};

/// The lease that an agent speaks of, locked.
///
/// # Errors
/// [`AppError::NotFound`] if it is none of this agent's; [`AppError::LeaseLost`] if it is of another generation.
pub async fn fenced(conn: &mut Conn<'_>, agent: &Agent, id: AgentLeaseId, generation: i64) -> Result<AgentLease> {
    let lease = store::agent_lease::lock(conn, id).await?.filter(|lease| lease.agent_id == agent.id);
    let lease = lease.ok_or_else(|| not_theirs(id))?;
    if lease.generation != generation {
        let words = format!("{id} is of generation {}, and not of {generation}", lease.generation);
        return Err(AppError::LeaseLost(words));
    }
    Ok(lease)
}

/// Refuses what only the holder of a lease may do.
///
/// # Errors
/// [`AppError::LeaseLost`] that says what became of the lease.
pub fn must_be_held(lease: &AgentLease) -> Result<()> {
    let reason = lease.reason.as_deref();
    let words = match lease.state {
        LeaseState::Held => return Ok(()),
        LeaseState::Ended => format!("{} is over: its results were reported", lease.id),
        LeaseState::Lost => format!("{} is lost: {}", lease.id, reason.unwrap_or("the agent was not heard of")),
        LeaseState::Released => format!("{} was given back", lease.id),
    };
    Err(AppError::LeaseLost(words))
}

/// An agent says that it lives: its lease lasts on. It is told whether to stop, and why.
///
/// # Errors
/// As [`fenced`] and [`must_be_held`].
pub async fn heartbeat(app: &App, agent: &Agent, id: AgentLeaseId, told: Heartbeat) -> Result<Beat> {
    let mut tx = app.db.begin().await?;
    let beat = beat_in(app, &mut tx.conn(), agent, id, told).await;
    ended(tx, beat).await
}

async fn beat_in(app: &App, conn: &mut Conn<'_>, agent: &Agent, id: AgentLeaseId, told: Heartbeat) -> Result<Beat> {
    let now = app.now();
    let expires_at = now + seconds(app.settings.agents.lease_s);
    store::agent::seen(conn, agent.id, now).await?;
    let lease = fenced(conn, agent, id, told.generation).await?;
    must_be_held(&lease)?;
    store::agent_lease::extend(conn, id, now, expires_at).await?;
    let run = store::run::by_id(conn, lease.run_id).await?;
    let reason = run.as_ref().map_or(Some("the run is gone".to_owned()), |run| why_stop(&lease, run));
    Ok(Beat { expires_at, canceled: reason.is_some(), reason })
}

/// Why an agent is to stop what it has in its hands.
fn why_stop(lease: &AgentLease, run: &Run) -> Option<String> {
    if run.state.is_over() || run.uid.as_deref() != Some(lease.id.to_string().as_str()) {
        let reason = run.reason.clone().unwrap_or_else(|| "it is over".to_owned());
        return Some(format!("{} is {}: {reason}", run.id, run.state));
    }
    lease.cancel_reason.clone()
}

/// An agent gives back a run that it has not begun: it is planned again as the same attempt. The first time at once; each
/// further time after a longer pause, and no more often than a runner is asked.
///
/// # Errors
/// As [`fenced`] and [`must_be_held`]; [`AppError::Faults`] without a reason.
pub async fn release(app: &App, agent: &Agent, id: AgentLeaseId, told: &Release) -> Result<AgentLease> {
    if told.reason.trim().is_empty() {
        AppError::refuse("the release", vec![Fault::new("/reason", "want a reason")])?;
    }
    let mut tx = app.db.begin().await?;
    let released = release_in(app, &mut tx.conn(), agent, id, told).await;
    let released = ended(tx, released).await?;
    ring(app);
    Ok(released)
}

async fn release_in(
    app: &App,
    conn: &mut Conn<'_>,
    agent: &Agent,
    id: AgentLeaseId,
    told: &Release,
) -> Result<AgentLease> {
    let reason = cut(told.reason.trim(), MAX_REASON);
    let now = app.now();
    store::agent::seen(conn, agent.id, now).await?;
    let lease = fenced(conn, agent, id, told.generation).await?;
    if lease.state == LeaseState::Released {
        return Ok(lease);
    }
    must_be_held(&lease)?;
    let state = LeaseState::Released;
    store::agent_lease::end(conn, id, LeaseEnd { state, reason: Some(&reason), digest: None, now }).await?;
    if let Some(run) = held_run(conn, &lease).await? {
        let times = store::agent_lease::count_released(conn, run.id).await?;
        let why = format!("the agent `{}` gave it back: {reason}", agent.name);
        if let Some(cancel) = &lease.cancel_reason {
            let why = format!("{cancel}; {why}");
            progress::end_without_results(app, conn, &run, RunState::Finished, &why, now).await?;
        } else if times >= i64::from(app.settings.runs.max_tries) {
            let why = format!("given back by agents {times} times; {why}");
            progress::end_without_results(app, conn, &run, RunState::Finished, &why, now).await?;
        } else {
            let attempt = u32::try_from(times - 1).unwrap_or(u32::MAX);
            let pause = app.runner_backoff().delay_honouring(attempt, entropy::unit(), None);
            let due_at = if attempt == 0 { now } else { now + pause };
            store::agent_lease::give_back(conn, run.id, id, (&cut(&why, MAX_REASON), times, due_at)).await?;
        }
    }
    Ok(AgentLease { state, reason: Some(reason), ended_at: Some(now), ..lease })
}

/// The run of a lease, locked, as long as it is in the hands of the lease's holder.
pub(super) async fn held_run(conn: &mut Conn<'_>, lease: &AgentLease) -> store::Result<Option<Run>> {
    let run = store::run::lock(conn, lease.run_id).await?;
    let is_held = |run: &Run| run.state == RunState::Running && run.uid.as_deref() == Some(&lease.id.to_string());
    Ok(run.filter(is_held))
}

/// Takes the results of a run. Repeated they change nothing, and the answer is the same. What comes too late, because the
/// lease is lost or the run is over, is kept as evidence (once a lease) and changes nothing.
///
/// # Errors
/// As [`fenced`]; [`AppError::Faults`] for jobs that the lease does not hold, and those that stand twice.
pub async fn results(app: &App, agent: &Agent, id: AgentLeaseId, told: &Results) -> Result<Taken> {
    let mut tx = app.db.begin().await?;
    let taken = take_in(app, &mut tx.conn(), agent, id, told).await;
    let taken = ended(tx, taken).await?;
    app.bells.collect.ring();
    app.bells.dispatch.ring();
    Ok(taken)
}

async fn take_in(app: &App, conn: &mut Conn<'_>, agent: &Agent, id: AgentLeaseId, told: &Results) -> Result<Taken> {
    let now = app.now();
    let body = serde_json::to_vec(told).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(&body).into();
    store::agent::seen(conn, agent.id, now).await?;
    let lease = fenced(conn, agent, id, told.generation).await?;
    let run = store::run::lock(conn, lease.run_id).await?.ok_or_else(|| app::run::not_found(lease.run_id))?;
    AppError::refuse("the results", faults(&run.request.0, &told.results))?;
    let reason = match lease.state {
        LeaseState::Held => {
            let observation = observation(conn, agent, &lease, &run, &told.results, now).await?;
            let reason = match progress::observe(app, conn, &run, &observation, now).await? {
                Progress::Collecting | Progress::Finished | Progress::Running => None,
                Progress::Late => Some(late(&run)),
                Progress::Contradiction(why) => Some(why),
            };
            let end = LeaseEnd { state: LeaseState::Ended, reason: reason.as_deref(), digest: Some(&digest), now };
            store::agent_lease::end(conn, id, end).await?;
            reason
        }
        LeaseState::Ended if lease.digest.as_deref() == Some(digest.as_slice()) => {
            return Ok(Taken { taken: lease.reason.is_none(), reason: lease.reason });
        }
        LeaseState::Ended => Some("other results of this lease were reported before: the first ones stay".to_owned()),
        LeaseState::Lost => Some(format!(
            "the lease was lost: {}; kept as evidence, changes nothing",
            lease.reason.as_deref().unwrap_or("the agent was not heard of")
        )),
        LeaseState::Released => Some("the run was given back: kept as evidence, changes nothing".to_owned()),
    };
    if let Some(reason) = &reason
        && lease.late_id.is_none()
    {
        keep_late(conn, &lease, body, digest, reason, now).await?;
    }
    Ok(Taken { taken: reason.is_none(), reason })
}

fn late(run: &Run) -> String {
    format!("{} was {} already: kept as evidence, changes nothing", run.id, run.state)
}

/// Keeps results that change nothing, where those of other runners are kept that came too late.
async fn keep_late(
    conn: &mut Conn<'_>,
    lease: &AgentLease,
    body: Vec<u8>,
    results: [u8; 32],
    reason: &str,
    now: DateTime<Utc>,
) -> store::Result<()> {
    let mut digest = Sha256::new();
    digest.update(lease.id.0.as_bytes());
    digest.update(results);
    let callback = NewCallback {
        id: CallbackId::new(now),
        runner: RUNNER.to_owned(),
        digest: digest.finalize().into(),
        trust: Trust::Capability,
        run_id: Some(lease.run_id),
        uid: Some(lease.id.to_string()),
        body,
        state: CallbackState::Late,
        reason: Some(cut(reason, MAX_REASON)),
        now,
    };
    if store::callback::receive(conn, &[&callback]).await?.first() == Some(&true) {
        store::agent_lease::note_late(conn, lease.id, callback.id).await?;
    }
    Ok(())
}

/// What an agent reports of a run, as it would be told of any runner.
async fn observation(
    conn: &mut Conn<'_>,
    agent: &Agent,
    lease: &AgentLease,
    run: &Run,
    results: &[JobEnd],
    now: DateTime<Utc>,
) -> Result<Observation> {
    let results: Vec<JobEnd> = results.iter().map(|end| bounded(end, lease, now)).collect();
    let written = judged(conn, run, &results).await?;
    let device = match &run.request.0 {
        RunRequest::Jobs(request) if request.device.is_none() => Some(agent.name.clone()),
        _ => None,
    };
    let observation = Observation {
        uid: lease.id.to_string(),
        subject: run.kind.subject(),
        phase: Phase::Finished,
        verdict: None,
        message: lease
            .cancel_reason
            .as_deref()
            .map(|why| format!("the agent `{}` was told to stop: {why}", agent.name)),
        started_at: results.iter().filter_map(|end| end.started_at).min().or(Some(lease.granted_at)),
        duration_s: None,
        download_url: None,
        device,
        build: None,
        tests: outcomes(&run.request.0, &results, &written),
    };
    Ok(observation.without_nul())
}

/// How a job ended, with what an agent may write at will brought within bounds: a machine in a lab may have any time on
/// its clock.
fn bounded(end: &JobEnd, lease: &AgentLease, now: DateTime<Utc>) -> JobEnd {
    let how = match &end.how {
        How::NotRun { message } => How::NotRun { message: cut(message, MAX_REASON) },
        other => other.clone(),
    };
    let latest = now.max(lease.granted_at);
    let started_at = end.started_at.map(|at| at.clamp(lease.granted_at, latest));
    JobEnd { how, started_at, ..end.clone() }
}
