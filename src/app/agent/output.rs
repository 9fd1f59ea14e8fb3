//! What agents write of the run that they have in their hands: its log and its files; and what its jobs wrote, for whoever
//! judges them.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::Stream;

use super::ended;
use super::report::{fenced, must_be_held};
use crate::app::content::NotTaken;
use crate::app::{self, App, AppError, Result, artifact, cut};
use crate::domain::agent::{Appended, LogBatch};
use crate::domain::agent_lease::{judged_by_output, names};
use crate::domain::definition::JobEnd;
use crate::domain::fault::Fault;
use crate::domain::log::{Gap, Line, LogStream};
use crate::domain::run::RunRequest;
use crate::ids::{AgentLeaseId, RunId};
use crate::store::agent::Agent;
use crate::store::agent_lease::AgentLease;
use crate::store::run::Run;
use crate::store::{self, Conn};

/// How much longer than it must be the output of a job is read, in bytes: enough to see that it is.
const SPARE_BYTES: usize = 1;

/// Appends lines to the log of a run. An agent numbers them from 0 in each of its leases; what a run that was given back
/// has already stays before them.
///
/// # Errors
/// [`AppError::LogGap`] with the number that comes next, [`AppError::LeaseLost`] if the lease is the agent's no more or its
/// run is over; [`AppError::Faults`] for lines of jobs that the lease does not hold.
pub async fn append(app: &App, agent: &Agent, id: AgentLeaseId, told: &LogBatch) -> Result<Appended> {
    let mut tx = app.db.begin().await?;
    let appended = append_in(app, &mut tx.conn(), agent, id, told).await;
    let (run, appended) = ended(tx, appended).await?;
    app.logs.tell(run);
    Ok(appended)
}

async fn append_in(
    app: &App,
    conn: &mut Conn<'_>,
    agent: &Agent,
    id: AgentLeaseId,
    told: &LogBatch,
) -> Result<(RunId, Appended)> {
    let lease = fenced(conn, agent, id, told.generation).await?;
    let run = run_in_hand(conn, &lease).await?;
    AppError::refuse("the log", faults(&run.request.0, &told.lines))?;
    let base = u64::try_from(lease.log_first).unwrap_or_default();
    let first = told.first.saturating_add(base);
    let appended = app::log::append(app, conn, run.id, first, &told.lines).await.map_err(|error| match error {
        AppError::LogGap(gap) => {
            AppError::LogGap(Gap { first: gap.first.saturating_sub(base), next: gap.next.saturating_sub(base) })
        }
        other => other,
    })?;
    Ok((run.id, Appended { next: appended.next.saturating_sub(base) }))
}

fn faults(request: &RunRequest, lines: &[Line]) -> Vec<Fault> {
    let names: std::collections::BTreeSet<&str> = names(request).into_iter().collect();
    let strange = |(place, line): (usize, &Line)| {
        let job = line.job.as_deref().filter(|job| !names.contains(job))?;
        let words = format!("the lease does not hold the job `{}`", cut(job, 200));
        Some(Fault::new(format!("/lines/{place}/job"), words))
    };
    lines.iter().enumerate().filter_map(strange).take(crate::app::MAX_FAULTS).collect()
}

/// The run of a lease, as long as both are the agent's.
async fn run_in_hand(conn: &mut Conn<'_>, lease: &AgentLease) -> Result<Run> {
    must_be_held(lease)?;
    let run = store::run::by_id(conn, lease.run_id).await?;
    let run = run.ok_or_else(|| app::run::not_found(lease.run_id))?;
    if run.state.is_over() {
        return Err(AppError::LeaseLost(format!("{} is {}: nothing more is kept of it", run.id, run.state)));
    }
    Ok(run)
}

/// Keeps a file of a job. The same again is nothing.
///
/// # Errors
/// [`NotTaken`]: as of [`artifact::put`], and [`AppError::NotFound`] if the lease is none of the agent's or does not hold the
/// job, [`AppError::LeaseLost`] if it is the agent's no more.
pub async fn put<E>(
    app: &App,
    agent: &Agent,
    id: AgentLeaseId,
    (job, path): (&str, &str),
    bytes: impl Stream<Item = Result<Bytes, E>>,
) -> Result<artifact::Put, NotTaken<E>> {
    artifact::check(job, path)?;
    let run = in_hand(app, agent, id, job).await?;
    let stored = artifact::take_in(app, run, bytes).await?;
    // It took its time: the lease may have been lost meanwhile.
    let mut tx = app.db.begin().await?;
    let conn = &mut tx.conn();
    let named = async {
        let lease = store::agent_lease::lock(conn, id).await?.ok_or_else(|| not_theirs(id))?;
        run_in_hand(conn, &lease).await?;
        artifact::name(app, conn, run, job, path, stored).await
    };
    let named = named.await;
    let is_new = ended(tx, named).await?;
    Ok(artifact::Put { stored, is_new })
}

async fn in_hand(app: &App, agent: &Agent, id: AgentLeaseId, job: &str) -> Result<RunId> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    let lease = store::agent_lease::by_id(conn, id).await?.filter(|lease| lease.agent_id == agent.id);
    let run = run_in_hand(conn, &lease.ok_or_else(|| not_theirs(id))?).await?;
    if !names(&run.request.0).contains(&job) {
        return Err(AppError::NotFound { what: "job of this lease", id: cut(job, 200) });
    }
    Ok(run.id)
}

/// The error for a lease that is none of the agent's.
pub(super) fn not_theirs(id: AgentLeaseId) -> AppError {
    AppError::NotFound { what: "lease of this agent", id: id.to_string() }
}

/// The standard output and the standard error of those of the jobs that are judged by them: enough of each to tell.
pub(super) async fn judged<'a>(
    conn: &mut Conn<'_>,
    run: &'a Run,
    results: &'a [JobEnd],
) -> Result<BTreeMap<&'a str, (String, String)>> {
    let judged: Vec<_> = judged_by_output(&run.request.0, results).collect();
    let longest =
        judged.iter().flat_map(|(_, expected)| [&expected.stdout, &expected.stderr]).flatten().map(String::len);
    let Some(longest) = longest.max() else { return Ok(BTreeMap::new()) };
    let outputs = app::log::outputs(conn, run.id, longest.saturating_add(SPARE_BYTES)).await?;
    let text = |job: &str, stream| outputs.of(job, stream).map(|output| output.text.clone()).unwrap_or_default();
    Ok(judged.iter().map(|(job, _)| (*job, (text(job, LogStream::Stdout), text(job, LogStream::Stderr)))).collect())
}
