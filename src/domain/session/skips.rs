//! Jobs that cannot start: why, what is recorded for them, and what they wait for in the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dirty::Once;
use super::inhibitor::{Cause, Inhibitor};
use super::outcome::Outcome;
use super::problem::{Need, Refused};
use super::report::{Report, SkipReason};
use super::state::{Entry, Session};

/// How many jobs [`Why::behind`] tells at most.
const MAX_BEHIND: usize = 1_000;

/// Why a job cannot start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The job.
    pub job: String,
    /// Whether it can start.
    pub can_start: bool,
    /// What came of it already.
    pub outcome: Option<Outcome>,
    /// How often it may be begun yet: with none left it cannot start, whatever the inhibitors say.
    pub attempts: u32,
    /// What holds it up, in order.
    pub inhibitors: Vec<Inhibitor>,
    /// What is recorded for it if it is given up now; `None` if it may start some day.
    pub given_up: Option<GivenUp>,
    /// The jobs that it waits for in the end, over however many others, in the order in which they are met: those that
    /// can start, and those that cannot although they wait for nothing.
    pub behind: Vec<Behind>,
    /// Whether there are more of them.
    pub more: bool,
}

/// A job that others wait for in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// The job.
    pub job: String,
    /// Whether it can start; then it only has to be run.
    pub can_start: bool,
    /// What holds it up otherwise.
    pub inhibitors: Vec<Inhibitor>,
}

/// What is recorded for a job that cannot start any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The outcome.
    pub outcome: Outcome,
    /// The reasons.
    pub skip_reason: SkipReason,
}

/// A job that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The job.
    pub job: String,
    /// What was recorded.
    #[serde(flatten)]
    pub given_up: GivenUp,
}

impl Session {
    /// Why a job cannot start.
    ///
    /// # Errors
    /// [`Refused::UnknownJob`].
    pub fn why(&self, job: &str) -> Result<Why, Refused> {
        let number = self.known(job)?;
        let entry = self.entry(number).ok_or_else(|| Refused::UnknownJob(job.to_owned()))?;
        let (behind, more) = self.behind(number);
        Ok(Why {
            job: job.to_owned(),
            can_start: entry.can_start(),
            outcome: entry.outcome().cloned(),
            attempts: entry.attempts,
            inhibitors: self.inhibitors(entry),
            given_up: self.given_up(entry),
            behind,
            more,
        })
    }

    fn behind(&self, number: u32) -> (Vec<Behind>, bool) {
        let mut seen = BTreeSet::from([number]);
        let mut next = VecDeque::from([number]);
        let mut behind = Vec::new();
        while let Some(at) = next.pop_front() {
            let Some(entry) = self.entry(at) else { continue };
            let inhibitors = self.inhibitors(entry);
            let pending = |inhibitor: &&Inhibitor| {
                matches!(inhibitor.cause, Cause::PendingDep | Cause::PendingResource)
                    || (inhibitor.cause == Cause::NotFailedDep && self.may_fail_yet(inhibitor))
            };
            let waits = inhibitors.iter().filter(pending).filter_map(|inhibitor| inhibitor.related_job.as_deref());
            let waits: Vec<u32> = waits.filter_map(|id| self.names.find(id)).collect();
            if at != number && (waits.is_empty() || inhibitors.len() > waits.len()) {
                if behind.len() == MAX_BEHIND {
                    return (behind, true);
                }
                behind.push(Behind { job: entry.job.id.clone(), can_start: entry.can_start(), inhibitors });
            }
            next.extend(waits.into_iter().filter(|other| seen.insert(*other)));
        }
        (behind, false)
    }

    /// What is recorded for a job that cannot start, and why; `None` if it can, or waits for what may come.
    ///
    /// # Errors
    /// [`Refused::UnknownJob`].
    pub fn cannot_start_outcome(&self, job: &str) -> Result<Option<GivenUp>, Refused> {
        let number = self.known(job)?;
        Ok(self.entry(number).and_then(|entry| self.given_up(entry)))
    }

    /// A skipped job that it depends on skips a job; then the manifest, then dependencies, then resources say what it is.
    fn given_up(&self, entry: &Entry) -> Option<GivenUp> {
        let mut skip_reason = SkipReason::default();
        let mut skipped = false;
        let mut manifests: BTreeMap<&str, bool> = BTreeMap::new();
        let inhibitors = self.inhibitors(entry);
        for inhibitor in &inhibitors {
            let related = inhibitor.related_job.as_deref().unwrap_or_default();
            match inhibitor.cause {
                Cause::FailedDep if self.job(related).and_then(|job| job.outcome()) == Some(&Outcome::Skip) => {
                    skipped = true;
                }
                Cause::FailedDep => skip_reason.related_dependencies.push(related.to_owned()),
                Cause::RequiredManifest => skip_reason.related_manifests.extend(inhibitor.related_manifests.clone()),
                Cause::FailedResource => {
                    let expression = inhibitor.related_expression.as_deref().unwrap_or_default();
                    *manifests.entry(expression).or_default() |= is_manifest(related);
                }
                Cause::Undesired | Cause::PendingDep | Cause::PendingResource | Cause::NotFailedDep => {}
            }
        }
        for (expression, is_manifest) in manifests {
            if is_manifest {
                let asked = attributes(expression);
                skip_reason.related_manifests.extend(asked.into_iter().map(|name| entry.job.unit.qualify(&name)));
            } else {
                skip_reason.related_resources.push(expression.to_owned());
            }
        }
        let outcome = if skipped {
            Outcome::Skip
        } else if !skip_reason.related_manifests.is_empty() {
            Outcome::SkippedManifest
        } else if !skip_reason.related_dependencies.is_empty() {
            Outcome::SkippedDependency
        } else if skip_reason.related_resources.is_empty() {
            return None;
        } else if entry.job.has_flag("fail-on-resource") {
            Outcome::Fail
        } else {
            Outcome::SkippedResource
        };
        Some(GivenUp { outcome, skip_reason })
    }

    /// Records for each job that is to be done and can never start what [`Session::cannot_start_outcome`] says; and so on for
    /// those that wait for it. A job that salvages others is skipped when one of them came to something else than a fail.
    /// Tells what was recorded, in the order of the run list as far as one does not follow from another.
    pub fn settle_skips(&mut self) -> Vec<Skipped> {
        let mut all = Vec::new();
        loop {
            let mut doubtful: Vec<(u32, u32)> = Vec::new();
            for number in std::mem::take(&mut self.doubtful) {
                if let Some(position) = self.entry(number).and_then(|entry| entry.run_position) {
                    doubtful.push((position, number));
                }
            }
            doubtful.sort_unstable();
            let before = all.len();
            for (_, number) in doubtful {
                let may_start = |entry: &&Entry| entry.outcome().is_some() || !self.is_stuck(entry);
                let Some(entry) = self.entry(number).filter(|entry| !may_start(entry)) else { continue };
                let Some(given_up) = self.given_up(entry).or_else(|| self.lost_salvage(entry)) else { continue };
                let job = entry.job.id.clone();
                let report = Report {
                    outcome: Some(given_up.outcome.clone()),
                    skip_reason: Some(given_up.skip_reason.clone()).filter(|reason| !reason.is_empty()),
                    ..Report::default()
                };
                if self.record(&job, report).is_ok() {
                    all.push(Skipped { job, given_up });
                }
            }
            if all.len() == before {
                return all;
            }
        }
    }

    /// Whether something that it waits for came to what does not do.
    fn is_stuck(&self, entry: &Entry) -> bool {
        let came_to = |ids: &[u32], wanted: &Outcome| {
            ids.iter().any(|id| self.outcome_of(*id).is_some_and(|outcome| outcome != wanted))
        };
        came_to(&entry.depends, &Outcome::Pass)
            || came_to(&entry.salvages, &Outcome::Fail)
            || entry.held.iter().any(|inhibitor| inhibitor.cause != Cause::PendingResource)
    }

    fn lost_salvage(&self, entry: &Entry) -> Option<GivenUp> {
        entry.run_position?;
        let ran_well = |id: &&u32| self.outcome_of(**id).is_some_and(|outcome| *outcome != Outcome::Fail);
        let lost: Vec<u32> = entry.salvages.iter().filter(ran_well).copied().collect();
        let related_dependencies = self.texts(&lost);
        let skip_reason = SkipReason { related_dependencies, ..SkipReason::default() };
        (!lost.is_empty()).then_some(GivenUp { outcome: Outcome::Skip, skip_reason })
    }

    fn may_fail_yet(&self, inhibitor: &Inhibitor) -> bool {
        let job = inhibitor.related_job.as_deref().and_then(|id| self.job(id));
        job.is_some_and(|job| job.outcome().is_none() && job.run_position().is_some())
    }

    /// Takes these answers into the machine's manifest and tells the jobs that ask it.
    pub fn save_manifest(&mut self, answers: BTreeMap<String, Value>) {
        for (id, answer) in answers {
            if self.manifest.get(&id) != Some(&answer) {
                self.manifest.insert(id, answer);
                self.dirty.once.insert(Once::Manifest);
            }
        }
        self.hold_up(self.askers.clone());
        self.settle();
    }

    /// How often a job may be begun from now on.
    ///
    /// # Errors
    /// [`Refused::UnknownJob`].
    pub fn set_attempts(&mut self, job: &str, attempts: u32) -> Result<(), Refused> {
        let number = self.known(job)?;
        if self.entry(number).is_some_and(|entry| entry.attempts != attempts) {
            self.change(number, |entry| entry.attempts = attempts);
            self.dirty.jobs.insert(number);
        }
        Ok(())
    }

    /// How a job needs another: all ways, in the order in which they count.
    #[must_use]
    pub fn needs(&self, job: &str, other: &str) -> Vec<Need> {
        let (Some(number), Some(other)) = (self.names.find(job), self.names.find(other)) else { return Vec::new() };
        let Some(entry) = self.entry(number) else { return Vec::new() };
        let needs = entry.needs.iter().filter(|(_, id)| *id == other).map(|(need, _)| *need);
        needs.chain(entry.salvages.contains(&other).then_some(Need::Salvages)).collect()
    }
}

/// Whether a resource is that of the machine's manifest, whose namespace does not matter.
fn is_manifest(resource: &str) -> bool {
    resource.rsplit("::").next() == Some("manifest")
}

/// The attributes that an expression asks for, in order, each once: words behind a dot that stands behind a word. What
/// stands in quotes does not count.
fn attributes(expression: &str) -> Vec<String> {
    let mut attributes: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    // Whether what is being read stands behind a word and a dot.
    let (mut behind, mut dotted) = (false, false);
    for letter in expression.chars().chain([' ']) {
        if let Some(open) = quote {
            quote = (letter != open).then_some(open);
            continue;
        }
        if letter.is_alphanumeric() || letter == '_' {
            word.push(letter);
            continue;
        }
        if dotted && !word.is_empty() && !attributes.contains(&word) {
            attributes.push(std::mem::take(&mut word));
        }
        behind = !word.is_empty() || (behind && letter.is_whitespace());
        dotted = letter == '.' && behind;
        word.clear();
        if matches!(letter, '\'' | '"') {
            quote = Some(letter);
        }
    }
    attributes
}
