//! The queue for people: why a run waits, and what there is at a runner.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{MAX_LANES, heads, lanes, limits, usage, waiting};
use crate::app::agent::look;
use crate::app::{App, Result};
use crate::domain::agent::Labels;
use crate::domain::queue::blocker::Blocker;
use crate::domain::queue::{Limits, Offer, Usage, choose};
use crate::domain::run::RunState;
use crate::ids::RunId;
use crate::store::queue::{Head, Waiters};
use crate::store::run::Run;
use crate::store::{self, Conn};

/// About how many runs are looked at to find the place of one.
const MAX_LOOKED_AT: usize = 20_000;

/// Why a run waits, or that it does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// In one sentence.
    pub words: String,
    /// Its place among those that may start, from 1; none where it is not known or there is none.
    pub place: Option<Place>,
    /// What holds it up, one by one; empty where nothing does.
    pub blockers: Vec<Blocker>,
}

/// A place in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub place: usize,
    /// Of so many.
    pub of: usize,
    /// Whether all that wait were looked at; if not, the place is at least this one.
    pub exact: bool,
}

impl Why {
    fn words(words: String) -> Self {
        Self { words, place: None, blockers: Vec::new() }
    }

    fn blocked(blockers: Vec<Blocker>, place: Option<Place>) -> Self {
        let words: Vec<String> = blockers.iter().map(ToString::to_string).collect();
        Self { words: words.join("; "), place, blockers }
    }
}

/// Who offers places at a runner. One that is asked takes whatever comes, as long as the limits allow.
///
/// # Errors
/// If there is no such runner.
pub async fn offers(app: &App, conn: &mut Conn<'_>, runner: &str) -> Result<Vec<Offer>> {
    let known = app.runners.known(runner)?;
    if known.pulls() {
        return look::offers(app, conn).await;
    }
    Ok(vec![Offer { by: runner.to_owned(), labels: Labels::default(), places: usize::MAX }])
}

/// Why this run waits.
///
/// # Errors
/// If the database refuses.
pub async fn why(app: &App, conn: &mut Conn<'_>, run: &Run, offers: &[Offer]) -> Result<Why> {
    let at = &run.runner;
    Ok(match run.state {
        RunState::Finished | RunState::Canceled => {
            let status = run.status.map(|status| status.to_string()).unwrap_or_default();
            let reason = run.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            Why::words(format!("it does not wait: it is over ({status}{reason})"))
        }
        RunState::Collecting => {
            Why::words("it does not wait: it is over there, and its results are being fetched".to_owned())
        }
        RunState::Running => Why::words(format!("it does not wait: it is at `{at}`")),
        RunState::Submitting => match &run.waiting {
            Some(why) => Why::blocked(vec![Blocker::Away { why: why.clone(), until: Some(run.due_at) }], None),
            None => Why::words(format!("it does not wait for a place: `{at}` is being asked to take it")),
        },
        RunState::Planned => of_planned(app, conn, run, offers).await?,
    })
}

async fn of_planned(app: &App, conn: &mut Conn<'_>, run: &Run, offers: &[Offer]) -> Result<Why> {
    let now = app.now();
    if let Some(why) = &run.held {
        return Ok(Why::blocked(vec![Blocker::Held { why: why.clone() }], None));
    }
    let mut blockers = Vec::new();
    match app.runners.known(&run.runner) {
        Err(error) => blockers.push(Blocker::Away { why: error.to_string(), until: None }),
        Ok(runner) => {
            let away = runner.not_ready().or_else(|| app.breakers.why(&run.runner, now));
            blockers.extend(away.map(|why| Blocker::Away { why, until: None }));
        }
    }
    if run.due_at > now {
        let why = run.waiting.clone().unwrap_or_else(|| "it is not due yet".to_owned());
        blockers.push(Blocker::Away { why, until: Some(run.due_at) });
    }
    let (place, others) = place(app, conn, run, offers, now).await?;
    blockers.extend(others);
    if blockers.is_empty() {
        let at = place.map(|at| format!(" (place {} of {})", at.place, at.of)).unwrap_or_default();
        return Ok(Why { place, ..Why::words(format!("it is its turn: `{}` is asked in a moment{at}", run.runner)) });
    }
    Ok(Why::blocked(blockers, place))
}

/// The place of a run among those that may start, and what holds it up there.
async fn place(
    app: &App,
    conn: &mut Conn<'_>,
    run: &Run,
    offers: &[Offer],
    now: DateTime<Utc>,
) -> store::Result<(Option<Place>, Vec<Blocker>)> {
    let lanes = lanes(conn, &run.runner, "").await?;
    let each = (MAX_LOOKED_AT / (lanes.len() + 1)).clamp(16, 2_000);
    let mut heads = heads(conn, &run.runner, &lanes, each, now).await?;
    let mut of_lane: BTreeMap<&str, usize> = BTreeMap::new();
    for head in &heads {
        *of_lane.entry(&head.lane).or_default() += 1;
    }
    let exact = lanes.len() < MAX_LANES && of_lane.values().all(|count| *count < each);
    let lane = run.terms.lane();
    let ahead = store::queue::ahead_in_lane(conn, &run.runner, &lane, run.created_at, run.id).await?;
    let seen =
        heads.iter().filter(|head| head.lane == lane && (head.created_at, head.id) < (run.created_at, run.id)).count();
    let unseen = usize::try_from(ahead).unwrap_or(usize::MAX).saturating_sub(seen);
    if !heads.iter().any(|head| head.id == run.id) {
        heads.push(Head { id: run.id, created_at: run.created_at, lane, terms: run.terms.clone() });
    }
    let of = heads.len() + unseen;
    let runs: Vec<_> = heads.into_iter().map(waiting).collect();
    let usage = usage(app, conn, &run.runner, now).await?;
    let verdicts = choose(&runs, &usage, &limits(app, &run.runner), offers, now);
    let Some(verdict) = verdicts.into_iter().find(|verdict| verdict.id == run.id) else {
        return Ok((None, Vec::new()));
    };
    let place = verdict.place.map(|place| Place { place: place + unseen, of, exact });
    let mut blockers = verdict.outcome.err().unwrap_or_default();
    for blocker in &mut blockers {
        if let Blocker::Others { place, of: all, age, .. } = blocker {
            *place += unseen;
            *age += unseen;
            *all = of;
        }
    }
    Ok((place, blockers))
}

/// What waits and what there is at a runner.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The runner.
    pub runner: String,
    /// What there may be.
    pub limits: Limits,
    /// What there is.
    pub usage: Usage,
    /// How many runs of each project are at it.
    pub running: BTreeMap<String, usize>,
    /// How many of each project wait.
    pub waiters: Vec<Waiters>,
}

/// What waits and what there is at a runner.
///
/// # Errors
/// If the database refuses.
pub async fn overview(app: &App, conn: &mut Conn<'_>, runner: &str) -> Result<Overview> {
    let now = app.now();
    let mut running: BTreeMap<String, usize> = BTreeMap::new();
    for run in store::queue::active(conn, runner).await? {
        *running.entry(run.project).or_default() += 1;
    }
    Ok(Overview {
        runner: runner.to_owned(),
        limits: limits(app, runner),
        usage: usage(app, conn, runner, now).await?,
        running,
        waiters: store::queue::waiters(conn, runner).await?,
    })
}

/// Who holds which slot of a pool, in the pool's order; slots that the settings do not name any more come last.
#[must_use]
pub fn holders(overview: &Overview, pool: &str) -> Vec<(String, Option<RunId>)> {
    let taken = overview.usage.taken.get(pool);
    let ids = overview.limits.pools.get(pool).map(Vec::as_slice).unwrap_or_default();
    let known = ids.iter().map(|id| (id.clone(), taken.and_then(|taken| taken.get(id)).copied()));
    let gone =
        taken.into_iter().flatten().filter(|(id, _)| !ids.contains(id)).map(|(id, run)| (id.clone(), Some(*run)));
    known.chain(gone).collect()
}
