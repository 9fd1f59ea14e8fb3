//! What a session comes to, in numbers and for people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::metadata::{BOOTSTRAPPING, SETTING_UP};
use super::outcome::Outcome;
use super::state::{JobView, Session};
use crate::domain::unit::{Category, Job, Kind};

/// How long a job that needs a person takes beside its own time, in seconds, unless somebody says otherwise.
pub const MANUAL_OVERHEAD: f64 = 30.0;

/// How long the run list takes, in seconds; `None` where that cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimatedDuration {
    /// The jobs that run by themselves. One of them without a duration, and nothing can be told; local jobs may have none.
    pub automated: Option<f64>,
    /// The jobs that need a person. One of them with a command and without a duration, and nothing can be told.
    pub manual: Option<f64>,
}

/// What came of the categories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryViews {
    /// The names of the categories of all jobs that have an outcome, by id.
    pub category_map: BTreeMap<String, String>,
    /// What came of each: a fail beats a pass, a pass beats anything else. Resource and attachment jobs stand aside.
    pub category_outcome_map: BTreeMap<String, Outcome>,
    /// What came of the resource jobs.
    pub resource_global_outcome: Outcome,
    /// What came of the attachment jobs.
    pub attachment_global_outcome: Outcome,
}

/// Whether what was tested may be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// All jobs of the run list came to an end, and no blocker failed.
    Pass,
    /// A blocker failed.
    Fail,
    /// No blocker failed, and jobs of the run list have yet to be run or decided, or jobs were left out of it; or nothing is on it, the setup or the
    /// bootstrap of the test plans goes on, or a mandatory job is not on it.
    Incomplete,
}

/// Whether what was tested may be released, and why. The lists hold ids of jobs of the run list, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The ruling.
    pub verdict: Ruling,
    /// The jobs with the effective status `blocker` that failed or crashed.
    pub blockers_failed: Vec<String>,
    /// The other jobs that failed or crashed.
    pub non_blockers_failed: Vec<String>,
    /// The blockers that were skipped or are not supported. They do not fail: whoever releases may mind.
    pub blockers_skipped: Vec<String>,
    /// The jobs that have no outcome, or one that somebody has yet to decide; behind them, those that were asked for and
    /// left out of the run list.
    pub not_run: Vec<String>,
    /// Of those that were left out, why.
    pub left_out: Vec<LeftOut>,
}

/// A job that was asked for, or that one which was asked for needs, and that is not on the run list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its id. There need not be such a job.
    pub job: String,
    /// Why it was left out.
    pub reason: String,
}

impl Session {
    /// How many jobs came to each outcome, over all jobs that there are.
    #[must_use]
    pub fn outcome_stats(&self) -> BTreeMap<Outcome, u64> {
        count(self.jobs())
    }

    /// The same without resource and attachment jobs.
    #[must_use]
    pub fn test_outcome_stats(&self) -> BTreeMap<Outcome, u64> {
        count(self.jobs().filter(|job| !stands_aside(job.job())))
    }

    /// The jobs with one of these outcomes (`None` is that of jobs that have none) and one of these effective
    /// certification statuses.
    pub fn certification_map(
        &self,
        outcomes: &[Option<Outcome>],
        statuses: &[String],
    ) -> impl Iterator<Item = JobView<'_>> {
        self.jobs().filter(move |job| {
            outcomes.iter().any(|outcome| outcome.as_ref() == job.outcome())
                && statuses.contains(&job.effective().certification_status)
        })
    }

    /// How long the run list takes, with what has run already. `overhead` is that of a job that needs a person, in seconds:
    /// see [`MANUAL_OVERHEAD`].
    #[must_use]
    pub fn estimated_duration(&self, overhead: f64) -> EstimatedDuration {
        let (mut automated, mut manual) = (Some(0.0), Some(0.0));
        for entry in self.run_list.iter().filter_map(|number| self.entry(*number)) {
            let duration = entry.job.estimated_duration;
            if entry.job.is_local() {
                automated = automated.map(|sum| sum + duration.unwrap_or_default());
            } else if entry.job.is_automated() {
                automated = automated.zip(duration).map(|(sum, duration)| sum + duration);
            } else {
                manual = match duration {
                    Some(duration) => manual.map(|sum| sum + overhead + duration),
                    None if entry.job.has_command => None,
                    None => manual.map(|sum| sum + overhead),
                };
            }
        }
        EstimatedDuration { automated, manual }
    }

    /// What came of the categories of jobs that have an outcome.
    #[must_use]
    pub fn category_views(&self) -> CategoryViews {
        let mut ids = BTreeSet::new();
        let mut outcomes: BTreeMap<String, Tally> = BTreeMap::new();
        let (mut resources, mut attachments) = (Tally::default(), Tally::default());
        for job in self.jobs() {
            let Some(outcome) = job.outcome() else { continue };
            let category = &job.effective().category_id;
            ids.insert(category);
            let tally = match job.job().plugin.as_deref() {
                Some("resource") => &mut resources,
                Some("attachment") => &mut attachments,
                _ => outcomes.entry(category.clone()).or_default(),
            };
            tally.add(outcome);
        }
        let name = |id: &String| {
            let category = self.unit(id, Some(&Kind::Category)).and_then(Category::read);
            (id.clone(), category.map_or_else(|| id.clone(), |category| category.name))
        };
        CategoryViews {
            category_map: ids.into_iter().map(name).collect(),
            category_outcome_map: outcomes.into_iter().map(|(id, tally)| (id, tally.outcome())).collect(),
            resource_global_outcome: resources.outcome(),
            attachment_global_outcome: attachments.outcome(),
        }
    }

    /// Whether what was tested may be released.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict {
            verdict: Ruling::Pass,
            blockers_failed: Vec::new(),
            non_blockers_failed: Vec::new(),
            blockers_skipped: Vec::new(),
            not_run: Vec::new(),
            left_out: self.left_out(),
        };
        for entry in self.run_list.iter().filter_map(|number| self.entry(*number)) {
            let blocks = entry.effective.certification_status == "blocker";
            let list = match entry.outcome() {
                Some(Outcome::Pass) => continue,
                Some(Outcome::Fail | Outcome::Crash) if blocks => &mut verdict.blockers_failed,
                Some(Outcome::Fail | Outcome::Crash) => &mut verdict.non_blockers_failed,
                None | Some(Outcome::Undecided | Outcome::Other(_)) => &mut verdict.not_run,
                Some(_) if blocks => &mut verdict.blockers_skipped,
                Some(_) => continue,
            };
            list.push(entry.job.id.clone());
        }
        verdict.not_run.extend(verdict.left_out.iter().map(|left| left.job.clone()));
        if !verdict.blockers_failed.is_empty() {
            verdict.verdict = Ruling::Fail;
        } else if !verdict.not_run.is_empty() || self.has_not_begun() {
            verdict.verdict = Ruling::Incomplete;
        }
        verdict
    }
}

impl Session {
    /// The jobs that were left out when something was desired last, each once, with the first reason.
    fn left_out(&self) -> Vec<LeftOut> {
        let mut seen = BTreeSet::new();
        let problems = self.problems.iter().filter(|problem| problem.leaves_out() && seen.insert(problem.job()));
        let out = problems.filter(|problem| self.job(problem.job()).is_none_or(|job| job.run_position().is_none()));
        out.map(|problem| LeftOut { job: problem.job().to_owned(), reason: problem.to_string() }).collect()
    }

    /// Whether what is to be tested has not been chosen yet, or is not all there.
    fn has_not_begun(&self) -> bool {
        let flags = &self.metadata.flags;
        let lost = |number: &u32| self.entry(*number).is_none_or(|entry| entry.run_position.is_none());
        self.run_list.is_empty()
            || flags.contains(BOOTSTRAPPING)
            || flags.contains(SETTING_UP)
            || self.mandatory.iter().any(lost)
    }
}

fn stands_aside(job: &Job) -> bool {
    matches!(job.plugin.as_deref(), Some("resource" | "attachment"))
}

fn count<'a>(jobs: impl Iterator<Item = JobView<'a>>) -> BTreeMap<Outcome, u64> {
    let mut counts = BTreeMap::new();
    for outcome in jobs.filter_map(|job| job.outcome()) {
        match counts.get_mut(outcome) {
            Some(count) => *count += 1,
            None => drop(counts.insert(outcome.clone(), 1)),
        }
    }
    counts
}

#[derive(Default)]
struct Tally {
    failed: bool,
    passed: bool,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.failed |= matches!(outcome, Outcome::Fail | Outcome::Crash);
        self.passed |= *outcome == Outcome::Pass;
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self { failed: true, .. } => Outcome::Fail,
            Self { passed: true, .. } => Outcome::Pass,
            Self { .. } => Outcome::Skip,
        }
    }
}
