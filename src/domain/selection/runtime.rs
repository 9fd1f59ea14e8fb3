//! Selecting what runs now: of the cases that were selected, those that the machine can hold and that are to run again.
//!
//! It differs from [`selector`](super::selector): what a masked case keeps its earlier result for goes on running. Only a
//! masked case that has none takes those that depend on it with it, and those are masked and not counted among the excluded.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::pool::Pool;
use crate::domain::pool::request::Shortage;
use crate::domain::pool::required::{InvalidAmount, Required};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Rule, in_order};
use crate::domain::selection::selector::{Group, largest_first};
use crate::domain::spec::Spec;
use crate::domain::spec_result::readiness::{self, Need};
use crate::domain::spec_result::status::{CaseStatus, Category, State};

#[cfg(test)]
mod golden_tests;

/// A spec that may run, and what came of it before.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// What came of it.
    pub status: CaseStatus,
    /// Whether it was ever started.
    pub was_started: bool,
    /// Whether its file was changed after it was started last; `None` if there is no such file.
    pub is_changed: Option<bool>,
    /// Why it is masked already, if it is. Where this is not said the spec's own mask counts.
    pub mask: Option<Reason>,
}

/// Which cases are to run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// All of them.
    All,
    /// Those that did not pass.
    NotPass,
    /// Those that failed.
    Failed,
    /// Those that nothing came of yet.
    NotRun,
    /// Those that never started, or whose file was changed since.
    Changed,
    /// Those with these whole ids.
    Ids(Vec<String>),
}

/// The text is no strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no strategy: want all, not_pass, failed, not_run, changed, or ids: and a list of ids with commas")]
pub struct UnknownStrategy(pub String);

impl std::str::FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        Ok(match text {
            "all" => Self::All,
            "not_pass" => Self::NotPass,
            "failed" => Self::Failed,
            "not_run" => Self::NotRun,
            "changed" => Self::Changed,
            other => match other.strip_prefix("ids:") {
                Some(ids) => Self::Ids(ids.split(',').map(str::to_owned).collect()),
                None => return Err(UnknownStrategy(other.chars().take(80).collect())),
            },
        })
    }
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::NotPass => f.write_str("not_pass"),
            Self::Failed => f.write_str("failed"),
            Self::NotRun => f.write_str("not_run"),
            Self::Changed => f.write_str("changed"),
            Self::Ids(ids) => write!(f, "ids:{}", ids.join(",")),
        }
    }
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a rule asks of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuntimeTest {
    /// That the pool, with nothing of it taken, holds what the case asks for.
    ResourceCapacity,
    /// That it is to run again.
    Rerun {
        /// Which are.
        strategy: Strategy,
    },
}

/// Why nothing was selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// What a case asks of the pool is no amount.
    #[error("spec {spec}: {error}")]
    InvalidAmount {
        /// The spec's id.
        spec: String,
        /// What is wrong.
        error: InvalidAmount,
    },
    /// A case's file is not there, so that nobody knows whether it was changed.
    #[error("spec {spec}: there is no `{path}`")]
    NoFile {
        /// The spec's id.
        spec: String,
        /// The file.
        path: String,
    },
}

/// Selects from cases. It is driven as [`Selector`](super::selector::Selector) is.
#[derive(Debug)]
pub struct RuntimeSelector<'c> {
    cases: &'c [Case<'c>],
    needs: Vec<Vec<Need<'c>>>,
    masks: Vec<Option<Reason>>,
    excluded: Vec<bool>,
    statuses: Vec<CaseStatus>,
    /// What each case's status is once somebody looks: one that waits finds out then what came of its dependencies.
    live: Vec<CaseStatus>,
}

/// What came of it.
#[derive(Debug)]
pub struct RuntimeSelection {
    /// Why each case is masked; those that are not run.
    pub masks: Vec<Option<Reason>>,
    /// Which cases a rule or a hook has masked.
    pub excluded: Vec<bool>,
    /// How each case stands: those that run anew.
    pub statuses: Vec<CaseStatus>,
}

impl<'c> RuntimeSelector<'c> {
    /// Begins. A dependency that is not among the cases is one of which nothing comes.
    #[must_use]
    pub fn new(cases: &'c [Case<'c>]) -> Self {
        let places: HashMap<&str, usize> =
            cases.iter().enumerate().map(|(place, case)| (case.spec.id.as_str(), place)).collect();
        let need = |dependency: &'c crate::domain::spec::Dependency| Need {
            on: places.get(dependency.id.as_str()).copied().unwrap_or(usize::MAX),
            wanted: &dependency.when,
        };
        let own = |case: &Case<'_>| {
            let of_spec = || case.spec.mask.clone().map(|text| Reason::Custom { text });
            case.mask.clone().or_else(of_spec)
        };
        let mut selector = Self {
            cases,
            needs: cases.iter().map(|case| case.spec.dependencies.iter().map(need).collect()).collect(),
            masks: cases.iter().map(own).collect(),
            excluded: vec![false; cases.len()],
            statuses: cases.iter().map(|case| case.status.clone()).collect(),
            live: Vec::new(),
        };
        selector.live = selector.judged();
        selector
    }

    /// How each case stands if its dependencies are looked at now.
    fn judged(&self) -> Vec<CaseStatus> {
        let case = |((case, status), needs): ((&'c Case<'c>, &CaseStatus), &Vec<Need<'c>>)| readiness::Case {
            name: &case.spec.family,
            status: status.clone(),
            needs: needs.clone(),
        };
        let cases: Vec<readiness::Case<'_>> =
            self.cases.iter().zip(&self.statuses).zip(&self.needs).map(case).collect();
        readiness::evaluate(&cases).into_iter().map(|it| it.status).collect()
    }

    /// Looks at how a case stands. One that waits looks at what it waits for, and so on; what it finds out it keeps.
    fn look(&mut self, place: usize) -> CaseStatus {
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            let Some(status) = self.statuses.get_mut(place) else { continue };
            if status.state() != State::Pending {
                continue;
            }
            let Some(live) = self.live.get(place) else { continue };
            if status != live {
                *status = live.clone();
                open.extend(self.needs.get(place).into_iter().flatten().map(|need| need.on));
            }
        }
        self.statuses.get(place).cloned().unwrap_or_default()
    }

    /// Leaves a case out. One that is masked gets the new reason.
    pub fn mask(&mut self, place: usize, reason: Reason) {
        if let (Some(mask), Some(excluded)) = (self.masks.get_mut(place), self.excluded.get_mut(place)) {
            *mask = Some(reason);
            *excluded = true;
        }
    }

    /// Takes a case in again, whoever left it out.
    pub fn unmask(&mut self, place: usize) {
        if let (Some(mask), Some(excluded)) = (self.masks.get_mut(place), self.excluded.get_mut(place)) {
            *mask = None;
            *excluded = false;
        }
    }

    /// Asks the rules, those of higher priority first, of the cases that are not masked. The first that a case does not pass leaves it out.
    ///
    /// # Errors
    /// [`RuntimeError`] of the first case that cannot be asked.
    pub fn apply(&mut self, rules: &[Rule<RuntimeTest>], pool: &Pool) -> Result<(), RuntimeError> {
        let rules = in_order(rules);
        for place in 0..self.cases.len() {
            if self.masks.get(place).is_none_or(Option::is_some) {
                continue;
            }
            for (_, rule) in &rules {
                if let Some(reason) = self.fails(place, &rule.test, pool)? {
                    self.mask(place, reason);
                    break;
                }
            }
        }
        Ok(())
    }

    fn fails(&mut self, place: usize, test: &RuntimeTest, pool: &Pool) -> Result<Option<Reason>, RuntimeError> {
        let Some(case) = self.cases.get(place) else { return Ok(None) };
        let RuntimeTest::Rerun { strategy } = test else { return capacity(case.spec, pool) };
        Ok(match strategy {
            Strategy::All => None,
            Strategy::NotPass => {
                let status = self.look(place);
                (status.category() == Category::Pass).then(|| Reason::PreviousResultPass { status: status.status() })
            }
            Strategy::Failed => {
                let status = self.look(place);
                let reason = || Reason::PreviousResultNotFail { status: status.status() };
                (status.category() != Category::Fail).then(reason)
            }
            Strategy::NotRun => {
                let category = self.look(place).category();
                (category != Category::None).then_some(Reason::PreviousResultExists { category })
            }
            Strategy::Changed if !case.was_started => None,
            Strategy::Changed => match case.is_changed {
                Some(is_changed) => (!is_changed).then_some(Reason::Unchanged),
                None => {
                    return Err(RuntimeError::NoFile { spec: case.spec.id.clone(), path: case.spec.file() });
                }
            },
            Strategy::Ids(ids) => (!ids.contains(&case.spec.id)).then(|| Reason::ids(ids)),
        })
    }

    /// Masks whatever depends on a masked case that nothing came of, through however many others, as far as they are not
    /// masked.
    pub fn propagate(&mut self) {
        let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); self.cases.len()];
        for (place, needs) in self.needs.iter().enumerate() {
            for need in needs {
                if let Some(dependents) = dependents.get_mut(need.on) {
                    dependents.push(place);
                }
            }
        }
        let mut open = VecDeque::new();
        for place in 0..self.cases.len() {
            if self.masks.get(place).is_some_and(Option::is_some)
                && matches!(self.look(place).state(), State::Pending | State::Ready)
            {
                open.push_back(place);
            }
        }
        while let Some(place) = open.pop_front() {
            for dependent in dependents.get(place).into_iter().flatten() {
                if let Some(mask @ None) = self.masks.get_mut(*dependent) {
                    *mask = Some(Reason::DependencyWithoutResult);
                    open.push_back(*dependent);
                }
            }
        }
    }

    /// What came of it. What runs forgets what came of it before.
    #[must_use]
    pub fn finish(mut self) -> RuntimeSelection {
        for (status, mask) in self.statuses.iter_mut().zip(&self.masks) {
            if mask.is_none() {
                *status = CaseStatus::pending();
            }
        }
        let statuses = self.judged();
        RuntimeSelection { masks: self.masks, excluded: self.excluded, statuses }
    }
}

fn capacity(spec: &Spec, pool: &Pool) -> Result<Option<Reason>, RuntimeError> {
    let required = Required::of(pool, |name| spec.parameter(name))
        .map_err(|error| RuntimeError::InvalidAmount { spec: spec.id.clone(), error })?;
    Ok(pool.accommodates(&required.request()).err().map(|shortage| {
        let types = shortage.types().into_iter().map(str::to_owned).collect();
        match shortage {
            Shortage::Insufficient(_) => Reason::InsufficientSlots { types },
            Shortage::Unavailable(_) => Reason::ResourceUnavailable { types },
            Shortage::EmptyPool => Reason::ResourceCheckFailed { error: shortage.to_string() },
        }
    }))
}

impl RuntimeSelection {
    /// How many are excluded for which reason: as [`Selection::report`](super::selector::Selection::report).
    #[must_use]
    pub fn report(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut places: HashMap<&Reason, usize> = HashMap::new();
        let excluded = self.masks.iter().zip(&self.excluded).filter(|(_, excluded)| **excluded);
        for reason in excluded.filter_map(|(reason, _)| reason.as_ref()) {
            let place = *places.entry(reason).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.count += 1,
                None => groups.push(Group { reason, count: 1 }),
            }
        }
        largest_first(groups)
    }
}
