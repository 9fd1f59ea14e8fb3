//! How what came of runs comes into their session.

use std::collections::{HashMap, HashSet};

use crate::app::run::planned_tests;
use crate::app::{App, Result};
use crate::domain::execution::{Plan, session_outcome, told};
use crate::domain::log::LogStream;
use crate::domain::observation::TestOutcome;
use crate::domain::run::RunState;
use crate::domain::session::{LogEntry, Report, Session, Stream};
use crate::domain::status::Status;
use crate::ids::RunId;
use crate::store::expected::{Change, Expected};
use crate::store::run::Run;
use crate::store::{self, Conn};

/// How many runs are taken in with one transaction.
pub(super) const AT_ONCE: i64 = 100;

/// The most bytes of the output of a job that makes records or jobs: more of them make no sense.
const MAX_OUTPUT_BYTES: usize = 4 << 20;

/// A result of a job that goes into the session.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) job: String,
    pub(super) run: RunId,
    /// Whether it is what an operator's end, or the deadline's, has made of it: it has not run.
    pub(super) is_canceled: bool,
    pub(super) outcome: TestOutcome,
}

/// What runs that are over came to.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Whether there are more.
    pub(super) more: bool,
    /// The results that count, in the order in which their runs ended.
    pub(super) came: Vec<Came>,
    /// What is to be noted of what is expected.
    pub(super) changes: Vec<Change>,
}

/// Looks at the runs of a session that are over, and notes that it has.
pub(super) async fn take(app: &App, conn: &mut Conn<'_>, execution: &store::execution::Execution) -> Result<Taken> {
    let runs = store::session_run::ended(conn, execution.session_id, AT_ONCE).await?;
    let mut taken = Taken { more: runs.len() >= usize::try_from(AT_ONCE).unwrap_or_default(), ..Taken::default() };
    if runs.is_empty() {
        return Ok(taken);
    }
    let names: Vec<String> = runs.iter().flat_map(|run| planned_tests(&run.request.0)).collect();
    let earlier = store::expected::of_jobs(conn, execution.session_id, &names).await?;
    let earlier: HashMap<&str, &Expected> = earlier.iter().map(|one| (one.job_id.as_str(), one)).collect();
    for run in &runs {
        for (job, outcome) in store::run::outcomes(conn, run.id).await? {
            let outcome = outcome.map_or_else(|| TestOutcome::bare(Status::Miss), |outcome| outcome.0);
            let expected = earlier.get(job.as_str());
            // Nobody would run again what has come already, or what is run no more.
            let is_settled = execution.state.is_over() || expected.is_some_and(|one| one.status.is_some());
            if !run.live && is_settled {
                continue;
            }
            let attempt = run.attempt - expected.map_or(0, |one| one.earlier);
            let again = !is_settled && is_run_again(&execution.plan, run, outcome.status, attempt);
            taken.changes.push(Change {
                job_id: job.clone(),
                status: (!again).then_some(outcome.status),
                reason: if again { Some(told(number(run.attempt), &outcome)) } else { outcome.reason.clone() },
                run: Some((run.id, run.attempt)),
                // A run's results are reported by its end.
                is_reported: !again,
            });
            if !again {
                let is_canceled = run.state == RunState::Canceled;
                taken.came.push(Came { job, run: run.id, is_canceled, outcome });
            }
        }
    }
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    store::session_run::take(conn, &ids, app.now()).await?;
    Ok(taken)
}

fn number(attempt: i64) -> u32 {
    u32::try_from(attempt).unwrap_or(u32::MAX)
}

fn is_run_again(plan: &Plan, run: &Run, status: Status, attempt: i64) -> bool {
    // Somebody else has planned the next attempt already.
    if !run.live {
        return true;
    }
    // What an operator ended stays so.
    run.state != RunState::Canceled && plan.is_run_again(status, number(attempt))
}

/// The output of those of the jobs that make records or jobs out of it.
pub(super) async fn outputs(
    conn: &mut Conn<'_>,
    taken: &Taken,
    makers: &HashSet<String>,
) -> Result<HashMap<String, String>> {
    let mut outputs = HashMap::new();
    for came in taken.came.iter().filter(|came| makers.contains(&came.job)) {
        let text = crate::app::log::output(conn, came.run, &came.job, LogStream::Stdout, MAX_OUTPUT_BYTES).await?;
        outputs.insert(came.job.clone(), text);
    }
    Ok(outputs)
}

/// Whether a session needs what a job wrote.
pub(super) fn is_maker(session: &Session, job: &str) -> bool {
    session.job(job).is_some_and(|view| view.job().is_resource() || view.job().is_local())
}

/// A result as a session keeps it. The whole log is the run's, under its id.
pub(super) fn report_of(came: Came, output: Option<&String>) -> (String, Report) {
    let lines = output.map(|text| text.split_inclusive('\n')).into_iter().flatten();
    let entry = |line: &str| LogEntry { delay: 0.0, stream: Stream::Stdout, data: line.as_bytes().to_vec() };
    let report = Report {
        outcome: Some(session_outcome(came.outcome.status)),
        comments: came.outcome.reason,
        execution_duration: came.outcome.duration_s,
        io_log: lines.map(entry).collect(),
        log: Some(came.run.to_string()),
        ..Report::default()
    };
    (came.job, report)
}
