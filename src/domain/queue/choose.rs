//! The decision: who takes which place, and why the others do not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use super::blocker::{Blocker, MAX_HOLDERS};
use super::{Limits, Needs, Offer, Slots, Taken, Usage, Waiting, possible, share};
use crate::domain::agent::Labels;
use crate::ids::{RunId, SessionId};

/// What was decided of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The run.
    pub id: RunId,
    /// Its place among those that wait, from 1; none of one that is held back.
    pub place: Option<usize>,
    /// The place that it takes, or what holds it up; never an empty list.
    pub outcome: Result<Taken, Vec<Blocker>>,
}

/// Decides of all that wait: in the order in which it is their turn, and last those that are held back.
#[must_use]
pub fn choose(
    waiting: &[Waiting],
    usage: &Usage,
    limits: &Limits,
    offers: &[Offer],
    now: DateTime<Utc>,
) -> Vec<Verdict> {
    let mut round = Round::new(waiting, usage, limits, offers, now);
    let mut verdicts = Vec::with_capacity(waiting.len());
    let mut place = 0;
    while let Some(run) = round.next() {
        place += 1;
        let others = round.others(run, place);
        let outcome = round.decide(run).map_err(|mut blockers| {
            blockers.extend(others);
            blockers
        });
        round.pass(run);
        verdicts.push(Verdict { id: run.id, place: Some(place), outcome });
    }
    let held = waiting.iter().filter_map(|run| Some((run, run.held.as_ref()?)));
    verdicts.extend(held.map(|(run, why)| Verdict {
        id: run.id,
        place: None,
        outcome: Err(vec![Blocker::Held { why: why.clone() }]),
    }));
    verdicts
}

/// Those whose turn it is, as [`choose`] finds them, without asking further once nobody has a place left.
#[must_use]
pub fn picks(waiting: &[Waiting], usage: &Usage, limits: &Limits, offers: &[Offer], now: DateTime<Utc>) -> Vec<Taken> {
    let mut round = Round::new(waiting, usage, limits, offers, now);
    let mut taken = Vec::new();
    while round.has_room()
        && let Some(run) = round.next()
    {
        taken.extend(round.decide(run));
        round.pass(run);
    }
    taken
}

/// A project and those of its runs that were not looked at yet, the most urgent first.
struct Project<'a> {
    name: &'a str,
    weight: f64,
    served: f64,
    queue: VecDeque<(Rank, &'a Waiting)>,
}

/// When a run of priority 0 that is as urgent has begun to wait, in microseconds, and the run's id: the lower goes first.
type Rank = (i64, RunId);

struct Round<'a> {
    limits: &'a Limits,
    usage: &'a Usage,
    now: i64,
    ageing: i64,
    projects: Vec<Project<'a>>,
    /// How many are to be looked at still, by their priority.
    left: BTreeMap<i64, usize>,
    waiting: usize,
    /// How many were looked at, by project and priority, and by priority.
    passed: BTreeMap<(&'a str, i64), usize>,
    passed_in_all: BTreeMap<i64, usize>,
    offers: Vec<(&'a Offer, usize)>,
    running: usize,
    sessions: BTreeMap<SessionId, usize>,
    /// The slots that are free and kept for nobody, by their pool.
    free: BTreeMap<&'a str, VecDeque<&'a String>>,
    /// How many are free and kept for runs that were looked at.
    kept: BTreeMap<&'a str, usize>,
    /// Who has taken slots in this round.
    holders: BTreeMap<&'a str, Vec<RunId>>,
}

impl<'a> Round<'a> {
    fn new(
        waiting: &'a [Waiting],
        usage: &'a Usage,
        limits: &'a Limits,
        offers: &'a [Offer],
        now: DateTime<Utc>,
    ) -> Self {
        let ageing = limits.ageing.num_microseconds().unwrap_or(i64::MAX).max(1);
        let mut queues: BTreeMap<&str, Vec<(Rank, &Waiting)>> = BTreeMap::new();
        let mut left: BTreeMap<i64, usize> = BTreeMap::new();
        for run in waiting.iter().filter(|run| run.held.is_none()) {
            // The clock of who planned it may be ahead.
            let since = run.since.min(now).timestamp_micros();
            let rank = since.saturating_sub(run.priority.saturating_mul(ageing));
            queues.entry(&run.project).or_default().push(((rank, run.id), run));
            *left.entry(run.priority).or_default() += 1;
        }
        let project = |(name, mut queue): (&'a str, Vec<(Rank, &'a Waiting)>)| {
            queue.sort_by_key(|(rank, _)| *rank);
            Project {
                name,
                weight: f64::from(limits.weights.get(name).copied().unwrap_or(1).max(1)),
                served: usage.served.get(name).copied().unwrap_or_default(),
                queue: queue.into(),
            }
        };
        let free = |(pool, ids): (&'a String, &'a Vec<String>)| {
            let taken = usage.taken.get(pool);
            let is_free = |id: &&String| taken.is_none_or(|taken| !taken.contains_key(*id));
            (pool.as_str(), ids.iter().filter(is_free).collect())
        };
        Self {
            limits,
            usage,
            now: now.timestamp_micros(),
            ageing,
            waiting: left.values().sum(),
            left,
            projects: queues.into_iter().map(project).collect(),
            passed: BTreeMap::new(),
            passed_in_all: BTreeMap::new(),
            offers: offers.iter().map(|offer| (offer, offer.places)).collect(),
            running: usage.running,
            sessions: usage.sessions.clone(),
            free: limits.pools.iter().map(free).collect(),
            kept: BTreeMap::new(),
            holders: BTreeMap::new(),
        }
    }

    /// Whether anybody could be taken still.
    fn has_room(&self) -> bool {
        self.offers.iter().any(|(_, places)| *places > 0)
            && self.limits.running.is_none_or(|limit| self.running < limit)
    }

    /// Takes out who is to be looked at next.
    fn next(&mut self) -> Option<&'a Waiting> {
        let (top, count) = self.left.last_key_value().map(|(top, count)| (*top, *count))?;
        // With its waiting a run has come to the highest priority that waits if it is at least as urgent as one of that
        // priority that came just now.
        let level = self.now.saturating_sub(top.saturating_mul(self.ageing));
        let project = self
            .projects
            .iter_mut()
            .filter_map(|project| {
                let rank = project.queue.front()?.0;
                (rank.0 <= level).then_some((rank, project))
            })
            .min_by(|(rank, project), (other_rank, other)| {
                let share = |project: &Project<'_>| project.served / project.weight;
                share(project).total_cmp(&share(other)).then(rank.cmp(other_rank))
            })
            .map(|(_, project)| project)?;
        let (_, run) = project.queue.pop_front()?;
        if run.priority == top && count == 1 {
            self.left.pop_last();
        } else {
            let left = self.left.entry(run.priority).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.left.remove(&run.priority);
            }
        }
        Some(run)
    }

    /// Notes that this run was looked at.
    fn pass(&mut self, run: &'a Waiting) {
        *self.passed.entry((&run.project, run.priority)).or_default() += 1;
        *self.passed_in_all.entry(run.priority).or_default() += 1;
    }

    /// Who goes before this run, and why; none if nobody does.
    fn others(&self, run: &'a Waiting, place: usize) -> Option<Blocker> {
        let project = run.project.as_str();
        let own = self.passed.range((project, i64::MIN)..=(project, i64::MAX));
        let own_in_all: usize = own.map(|(_, count)| count).sum();
        let above =
            (std::ops::Bound::Excluded((project, run.priority)), std::ops::Bound::Included((project, i64::MAX)));
        let own_above: usize = self.passed.range(above).map(|(_, count)| count).sum();
        let above = (std::ops::Bound::Excluded(run.priority), std::ops::Bound::Unbounded);
        let priority: usize = self.passed_in_all.range(above).map(|(_, count)| count).sum();
        let age = own_in_all - own_above;
        let share = (place - 1).saturating_sub(priority + age);
        (place > 1).then_some(Blocker::Others { place, of: self.waiting, priority, share, age })
    }

    /// Gives the run a place and its slots, or says what holds it up. One that lacks nothing but slots has those kept for it
    /// that are free.
    fn decide(&mut self, run: &'a Waiting) -> Result<Taken, Vec<Blocker>> {
        let mut blockers = self.without_slots(run);
        if blockers.is_empty() {
            blockers.extend(self.places(run));
            blockers.extend(self.lacking_slots(&run.slots));
            if blockers.iter().any(|blocker| matches!(blocker, Blocker::Slots { .. })) {
                self.keep(&run.slots);
            }
        }
        if !blockers.is_empty() {
            return Err(blockers);
        }
        let offer = self
            .offers
            .iter_mut()
            .filter(|(offer, places)| *places > 0 && fits(&offer.labels, &run.requires))
            // Whoever has more labels may be needed by somebody else.
            .min_by_key(|(offer, _)| offer.labels.0.len());
        let Some((offer, places)) = offer else { return Err(vec![Blocker::Places { by: Vec::new() }]) };
        *places -= 1;
        let by = offer.by.clone();
        self.running += 1;
        if let Some(session) = run.session {
            *self.sessions.entry(session).or_default() += 1;
        }
        if let Some(project) = self.projects.iter_mut().find(|project| project.name == run.project) {
            project.served += share::LEAST_S;
        }
        let mut slots = Slots::new();
        for (pool, needs) in &run.slots {
            let Some(free) = self.free.get_mut(pool.as_str()) else { continue };
            let ids = free.drain(..count(*needs).min(free.len())).cloned().collect();
            slots.insert(pool.clone(), ids);
            self.holders.entry(pool).or_default().push(run.id);
        }
        Ok(Taken { id: run.id, by, slots })
    }

    /// What holds the run up beside places and slots that are taken.
    fn without_slots(&self, run: &Waiting) -> Vec<Blocker> {
        let mut blockers: Vec<Blocker> = run
            .slots
            .iter()
            .filter_map(|(pool, needs)| possible::of_pool(self.limits, pool, *needs).err())
            .map(Blocker::Impossible)
            .collect();
        let is_fit = self.offers.iter().any(|(offer, _)| fits(&offer.labels, &run.requires));
        if !run.requires.0.is_empty() && !is_fit {
            let nearest = self
                .offers
                .iter()
                .map(|(offer, _)| (&offer.by, lacking(&offer.labels, &run.requires)))
                .min_by_key(|(_, lacking)| lacking.0.len())
                .map(|(by, lacking)| (by.clone(), lacking));
            blockers.push(Blocker::Labels { requires: run.requires.clone(), known: self.offers.len(), nearest });
        }
        if let Some(limit) = self.limits.running.filter(|limit| self.running >= *limit) {
            blockers.push(Blocker::Runner { running: self.running, limit });
        }
        if let (Some(limit), Some(session)) = (self.limits.session, run.session) {
            let running = self.sessions.get(&session).copied().unwrap_or_default();
            if running >= limit {
                blockers.push(Blocker::Session { running, limit });
            }
        }
        blockers
    }

    fn places(&self, run: &Waiting) -> Option<Blocker> {
        let fit = || self.offers.iter().filter(|(offer, _)| fits(&offer.labels, &run.requires));
        let is_full = fit().all(|(_, places)| *places == 0);
        is_full.then(|| Blocker::Places { by: fit().map(|(offer, _)| offer.by.clone()).collect() })
    }

    fn lacking_slots(&self, needs: &'a Needs) -> Vec<Blocker> {
        let lacking = |(pool, needs): (&'a String, &u32)| {
            let free = self.free.get(pool.as_str()).map_or(0, VecDeque::len);
            if count(*needs) <= free {
                return None;
            }
            let before = self.usage.taken.get(pool).into_iter().flat_map(BTreeMap::values);
            let now = self.holders.get(pool.as_str()).into_iter().flatten();
            let holders: BTreeSet<RunId> = before.chain(now).copied().collect();
            Some(Blocker::Slots {
                pool: pool.clone(),
                needs: *needs,
                free,
                kept: self.kept.get(pool.as_str()).copied().unwrap_or_default(),
                size: self.limits.pools.get(pool).map_or(0, Vec::len),
                holders: holders.into_iter().take(MAX_HOLDERS).collect(),
            })
        };
        needs.iter().filter_map(lacking).collect()
    }

    /// Keeps for a run what is free of what it needs, until the next decision.
    fn keep(&mut self, needs: &'a Needs) {
        for (pool, needs) in needs {
            let Some(free) = self.free.get_mut(pool.as_str()) else { continue };
            let kept = free.drain(..count(*needs).min(free.len())).count();
            *self.kept.entry(pool).or_default() += kept;
        }
    }
}

fn count(needs: u32) -> usize {
    usize::try_from(needs).unwrap_or(usize::MAX)
}

fn fits(labels: &Labels, requires: &Labels) -> bool {
    labels.missing(requires).is_none()
}

/// The labels that are required and not there.
fn lacking(labels: &Labels, requires: &Labels) -> Labels {
    let is_lacking = |(name, value): &(&String, &String)| labels.0.get(*name) != Some(*value);
    Labels(requires.0.iter().filter(is_lacking).map(|(name, value)| (name.clone(), value.clone())).collect())
}
