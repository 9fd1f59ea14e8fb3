//! The next step of an execution.

use std::collections::HashSet;

use crate::app::execution::begin::{Ready, begin};
use crate::app::execution::report::report;
use crate::app::execution::take::{self, is_maker, report_of};
use crate::app::session::change::{By, Turn};
use crate::app::session::refusal::{plan_refused, refused};
use crate::app::{App, AppError, Result, cut, progress};
use crate::domain::composition::definition::{NoDefinition, NoDefinitionCause, executable};
use crate::domain::digest::Digest;
use crate::domain::execution::{ExecutionState, session_outcome};
use crate::domain::run::{RunState, TestedBuild};
use crate::domain::session::metadata::BOOTSTRAPPING;
use crate::domain::session::{Outcome, Report, Session};
use crate::domain::status::Status;
use crate::ids::SessionId;
use crate::store::execution::Execution;
use crate::store::expected::Change;
use crate::store::{self, Conn};

/// How many jobs of a session are in runs that are not over, at most: the rest is planned when some of them are.
const WINDOW: usize = 500;

/// What a session says after results were taken in.
#[derive(Debug, Default)]
struct Said {
    /// The jobs that can start, in the order of the run list.
    ready: Vec<Ready>,
    /// The jobs without an outcome.
    todo: usize,
    /// The run list and its digest, where it is another than that of which results are expected.
    run_list: Option<(String, Vec<String>)>,
}

/// Does what follows from how things stand for the execution of a session: takes in what came of its runs, plans runs of
/// jobs that can start, and ends it when nothing is left.
///
/// # Errors
/// If the database fails: then nothing has changed.
pub async fn advance(app: &App, session: SessionId) -> Result<()> {
    let mut turn = match Turn::begin(&app.sessions, session, By::default()).await {
        Ok(turn) => turn,
        Err(AppError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(mut execution) = store::execution::get(&mut turn.conn(), session).await? else { return Ok(()) };
    // When nothing more happens, nothing more is due but the deadline.
    execution.due_at = execution.deadline_at.filter(|_| !execution.state.is_over());
    let now = app.now();
    let is_late = execution.deadline_at.is_some_and(|deadline| deadline <= now);
    if execution.state == ExecutionState::Waiting {
        look_at_build(app, &mut turn.conn(), &mut execution).await?;
    }
    if is_late && !execution.state.is_over() {
        execution.reason = Some("its deadline has passed".to_owned());
        end_runs(app, &mut turn.conn(), session, "the deadline of the session has passed").await?;
        execution.due_at = None;
    }
    let (taken, in_hand) = settle(app, &mut turn, &mut execution, is_late).await?;
    if is_late && !execution.state.is_over() && in_hand == 0 && !taken {
        end(app, &mut execution, ExecutionState::Missed, "its deadline has passed");
        store::expected::miss(&mut turn.conn(), session, "it had not run when the deadline passed", now).await?;
    }
    if report(app, &mut turn.conn(), &execution).await? || taken {
        execution.due_at = Some(now);
    }
    store::execution::settle(&mut turn.conn(), &execution, now).await?;
    turn.commit().await?;
    for bell in [&app.bells.dispatch, &app.bells.deliver, &app.bells.stop] {
        bell.ring();
    }
    Ok(())
}

pub(super) fn end(app: &App, execution: &mut Execution, state: ExecutionState, reason: &str) {
    execution.state = state;
    execution.reason = Some(cut(reason, 2_000));
    execution.ended_at = Some(app.now());
    execution.due_at = None;
}

/// What became of the build that an execution waits for.
async fn look_at_build(app: &App, conn: &mut Conn<'_>, execution: &mut Execution) -> Result<()> {
    let Some(build) = execution.build_id else { return Ok(()) };
    let runs = store::run::live_of_builds(conn, &[build]).await?;
    let Some(run) = runs.first().filter(|run| run.state.is_over()) else {
        execution.reason = Some(format!("it waits for the build {build}"));
        return Ok(());
    };
    let id = crate::app::report::build_ref(app, run);
    execution.build_ref = Some(id.clone());
    if run.status == Some(Status::Pass) {
        let facts = run.observation.as_ref().and_then(|observation| observation.build.clone()).unwrap_or_default();
        let tested = TestedBuild {
            id,
            kernel_image_url: facts.kernel_image_url,
            modules_url: facts.modules_url,
            architecture: facts.architecture,
        };
        execution.tested = Some(sqlx::types::Json(tested));
        execution.state = ExecutionState::Running;
        execution.started_at = Some(app.now());
        execution.reason = None;
        return Ok(());
    }
    let came = match run.status {
        Some(status) => format!("the build {build} came to {status}"),
        None => format!("the build {build} has no result"),
    };
    let why = match &run.reason {
        Some(reason) => format!("{came}: {reason}"),
        None => came,
    };
    let why = cut(&why, 2_000);
    store::expected::miss(conn, execution.session_id, &why, app.now()).await?;
    end(app, execution, ExecutionState::Missed, &why);
    Ok(())
}

/// Ends all runs of a session that are under way, but for those whose results are being fetched. Their ends are taken in like
/// all others.
pub(super) async fn end_runs(app: &App, conn: &mut Conn<'_>, session: SessionId, why: &str) -> Result<()> {
    for one in store::session_run::lock_open(conn, session).await? {
        if one.state != RunState::Collecting {
            progress::end_without_results(app, conn, &one, RunState::Canceled, why, app.now()).await?;
        }
    }
    Ok(())
}

/// Takes in what has come and plans what can start; whether there is more to take in, and how many jobs are in hand.
async fn settle(app: &App, turn: &mut Turn<'_>, execution: &mut Execution, is_late: bool) -> Result<(bool, usize)> {
    let session = execution.session_id;
    let taken = take::take(app, &mut turn.conn(), execution).await?;
    let in_hand = store::session_run::in_hand(&mut turn.conn(), session).await?;
    let runs = in_hand.iter().map(|(_, run, _)| *run).collect::<HashSet<_>>().len();
    let most_runs = match usize::try_from(execution.plan.concurrency).unwrap_or_default() {
        0 => WINDOW,
        most => most.min(WINDOW),
    };
    let most_runs = most_runs.saturating_sub(runs);
    let in_hand: HashSet<String> = in_hand.into_iter().map(|(job, ..)| job).collect();
    let under_way = in_hand.len();
    let more = taken.more;
    let changes = absorb(turn, taken, execution, is_late).await?;
    let goes_on = execution.state == ExecutionState::Running && !is_late;
    let known = execution.run_list.clone();
    let room = WINDOW.saturating_sub(under_way);
    let said = turn
        .apply(move |session| {
            if goes_on {
                session.settle_skips();
                finish_bootstrap(session, &in_hand)?;
            }
            let mut said = Said::default();
            let todo = session.todo().filter(|view| !in_hand.contains(view.id()));
            let (mut for_runners, mut for_people) = (0, 0);
            for view in todo {
                said.todo += 1;
                if for_runners == room || !view.can_start() {
                    continue;
                }
                let executable = executable(session, view.id());
                // Jobs for people take no place from those for runners.
                let (count, most) = match &executable {
                    Err(NoDefinition { cause: NoDefinitionCause::Person, .. }) => (&mut for_people, WINDOW),
                    _ => (&mut for_runners, room),
                };
                if *count < most {
                    *count += 1;
                    let plugin = view.job().plugin.clone();
                    said.ready.push(Ready { job: view.id().to_owned(), plugin, executable });
                }
            }
            let digest = digest_of(session.run_list());
            if known.as_ref() != Some(&digest) {
                said.run_list = Some((digest, session.run_list().map(str::to_owned).collect()));
            }
            Ok(said)
        })
        .await?;
    if let Some((digest, run_list)) = said.run_list {
        expect(&mut turn.conn(), session, &run_list).await?;
        execution.run_list = Some(digest);
    }
    store::expected::note(&mut turn.conn(), session, &changes, app.now()).await?;
    if !goes_on || more {
        return Ok((more, under_way));
    }
    let begun = begin(app, &mut turn.conn(), execution, said.ready, most_runs).await?;
    let is_hopeless = !begun.hopeless.is_empty();
    give_up(app, turn, session, begun.hopeless).await?;
    let left = said.todo;
    execution.reason = None;
    if under_way == 0 && begun.runs == 0 && !is_hopeless && !begun.is_overtaken {
        if left == 0 {
            end(app, execution, ExecutionState::Finished, "each job that was to run has its result");
            let why = "it is not on the run list any more, or nobody has decided what came of it";
            store::expected::miss(&mut turn.conn(), session, why, app.now()).await?;
        } else if begun.for_people > 0 {
            execution.reason = Some(format!("{} of {left} jobs wait for a person", begun.for_people));
        } else {
            execution.reason =
                Some(format!("{left} jobs wait for what others bring: each says why at jobs/{{job}}/why"));
        }
    }
    // What is given up makes others ready, or leaves them out.
    Ok((is_hopeless || begun.is_overtaken, under_way + begun.runs))
}

/// Records what came of jobs in the session, and their results as those of specs.
async fn absorb(
    turn: &mut Turn<'_>,
    mut taken: take::Taken,
    execution: &Execution,
    is_ending: bool,
) -> Result<Vec<Change>> {
    if is_ending || execution.state.is_over() {
        // What was ended with the session has not run, as far as the session goes.
        taken.came.retain(|came| !came.is_canceled);
    }
    if taken.came.is_empty() {
        return Ok(taken.changes);
    }
    let jobs: Vec<String> = taken.came.iter().map(|came| came.job.clone()).collect();
    let makers = turn.apply(move |session| Ok(makers_of(session, jobs))).await?;
    let outputs = take::outputs(&mut turn.conn(), &taken, &makers).await?;
    let came = taken.came;
    turn.apply(move |session| {
        for one in came {
            let output = outputs.get(&one.job);
            let (job, report) = report_of(one, output);
            // A job that was taken out of the session meanwhile is expected all the same, and has come.
            if session.job(&job).is_some() {
                session.record(&job, report).map_err(refused)?;
            }
        }
        Ok(())
    })
    .await?;
    Ok(taken.changes)
}

/// Expects results of the jobs of a run list, behind those that are expected already.
pub(super) async fn expect(conn: &mut Conn<'_>, session: SessionId, run_list: &[String]) -> Result<()> {
    let (_, next_place) = store::expected::extent(conn, session).await?;
    let jobs: Vec<(i64, String)> = (next_place..).zip(run_list.iter().cloned()).collect();
    Ok(store::expected::expect(conn, session, &jobs).await?)
}

/// The SHA-256 of a run list, in hexadecimal digits.
pub(super) fn digest_of<'a>(run_list: impl Iterator<Item = &'a str>) -> String {
    Digest::of_parts(run_list).to_string()
}

fn makers_of(session: &Session, jobs: Vec<String>) -> HashSet<String> {
    jobs.into_iter().filter(|job| is_maker(session, job)).collect()
}

/// Once the jobs of a bootstrap have run, what the test plans choose is to be run.
fn finish_bootstrap(session: &mut Session, in_hand: &HashSet<String>) -> Result<()> {
    let is_over = in_hand.is_empty() && session.todo().next().is_none();
    if is_over && session.metadata().flags.contains(BOOTSTRAPPING) {
        let plans = session.plans().to_vec();
        session.finish_bootstrap(&plans).map_err(plan_refused)?;
    }
    Ok(())
}

/// Records for jobs that cannot be run after all that they are missing or left out, so that what depends on them does not
/// wait.
async fn give_up(
    app: &App,
    turn: &mut Turn<'_>,
    session: SessionId,
    hopeless: Vec<(String, Status, String)>,
) -> Result<()> {
    if hopeless.is_empty() {
        return Ok(());
    }
    let change = |(job, status, why): &(String, Status, String)| Change {
        job_id: job.clone(),
        status: Some(*status),
        reason: Some(cut(why, 2_000)),
        run: None,
        is_reported: false,
    };
    let changes: Vec<Change> = hopeless.iter().map(change).collect();
    turn.apply(move |session| {
        for (job, status, why) in hopeless {
            let outcome = if status == Status::Skip { Outcome::SkippedDependency } else { session_outcome(status) };
            session.record(&job, Report { comments: Some(why), ..Report::of(outcome) }).map_err(refused)?;
        }
        Ok(())
    })
    .await?;
    store::expected::note(&mut turn.conn(), session, &changes, app.now()).await?;
    Ok(())
}
