//! Test plans in a session: what they choose of its jobs, and what they override.

use super::dirty::Once;
use super::metadata::{BOOTSTRAPPING, SETTING_UP};
use super::problem::{Problem, Refused};
use super::state::Session;
use crate::domain::unit::{Effective, Job, Kind, Overrides, PatternError, PlanError, Qualifier, TestPlan, select};

/// The job that asks somebody for the manifest; it is never part of what a plan is about.
const COLLECT_MANIFEST: &str = "com.canonical.plainbox::collect-manifest";

/// Which jobs of a test plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those that it is about.
    Include,
    /// Those that run in any case.
    Mandatory,
    /// Those that run first, so that templates can be expanded.
    Bootstrap,
    /// Those that prepare the machine.
    Setup,
}

/// Why a test plan cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// There is none of that id, or it overrides what cannot be overridden.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A pattern takes too long.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl Session {
    /// A test plan by its full id, with those that are nested in it.
    ///
    /// # Errors
    /// [`Refused::UnknownPlan`]; [`PlanError`].
    pub fn plan(&self, id: &str) -> Result<TestPlan, PlanRefused> {
        let unit = self.unit(id, Some(&Kind::TestPlan)).ok_or_else(|| Refused::UnknownPlan(id.to_owned()))?;
        Ok(TestPlan::read(unit, &|id| self.unit(id, Some(&Kind::TestPlan)).cloned())?)
    }

    /// The ids of the jobs that plans choose, all of them together: what one excludes, no other includes.
    ///
    /// # Errors
    /// [`PlanRefused`].
    pub fn choose(&self, plans: &[String], part: Part) -> Result<Vec<String>, PlanRefused> {
        let mut qualifiers = Vec::new();
        for id in plans {
            let plan = self.plan(id)?;
            qualifiers.extend(match part {
                Part::Include => plan.include()?,
                Part::Mandatory => plan.mandatory()?,
                Part::Bootstrap => plan.bootstrap(),
                Part::Setup => plan.setup(),
            });
        }
        Ok(self.qualify(&qualifiers)?)
    }

    /// The ids of the jobs that qualifiers choose, in the order in which the qualifiers stand.
    ///
    /// # Errors
    /// [`PatternError::TooLong`].
    pub fn qualify(&self, qualifiers: &[Qualifier]) -> Result<Vec<String>, PatternError> {
        let jobs: Vec<&Job> = self.order.values().filter_map(|number| Some(&self.entry(*number)?.job)).collect();
        let places = select(jobs.iter().copied(), qualifiers)?;
        Ok(places.into_iter().filter_map(|place| jobs.get(place)).map(|job| job.id.clone()).collect())
    }

    /// Sets the test plans: what they override is in force, in place of what the plans before did, for the jobs that are
    /// there and those to come; and their mandatory jobs are the mandatory ones, in front of what is desired already unless
    /// they stand there. No plans leave the mandatory jobs and the selection as they are.
    ///
    /// # Errors
    /// [`PlanRefused`]; an override of a field that there is not is [`Refused::UnknownField`].
    pub fn set_plans(&mut self, plans: &[String]) -> Result<Vec<Problem>, PlanRefused> {
        let read: Result<Vec<Overrides>, PlanRefused> =
            plans.iter().map(|id| Ok(self.plan(id)?.overrides()?)).collect();
        let overrides = Overrides::of_all(read?);
        if let Some(unknown) = overrides.unknown_field() {
            return Err(Refused::UnknownField(unknown.field).into());
        }
        let mandatory = self.choose(plans, Part::Mandatory)?;
        for entry in self.order.values().filter_map(|number| self.entry(*number)) {
            overrides.apply(&entry.job, &mut Effective::of(&entry.job))?;
        }
        self.context.plans = plans.to_vec();
        self.context.overrides = overrides.iter().map(|one| (one.text().to_owned(), one.values().to_vec())).collect();
        self.overrides = overrides;
        self.dirty.once.insert(Once::Context);
        for number in self.order.values().copied().collect::<Vec<_>>() {
            self.override_by_plans(number);
        }
        if plans.is_empty() {
            return Ok(Vec::new());
        }
        self.set_mandatory(&mandatory);
        let desired = if self.desired.starts_with(&self.mandatory) {
            self.desired.clone()
        } else {
            self.mandatory.iter().chain(&self.desired).copied().collect()
        };
        let before = std::mem::take(&mut self.problems);
        let problems = self.select_numbers(&desired);
        // What was left out before is not among what is desired any more, and was asked for all the same.
        let is_out = |job: &str| self.job(job).is_none_or(|view| view.run_position().is_none());
        let mut kept: Vec<Problem> = before.into_iter().filter(|it| it.leaves_out() && is_out(it.job())).collect();
        kept.retain(|problem| !problems.contains(problem));
        kept.extend(problems.iter().cloned());
        self.keep_problems(kept);
        // Taken away above: whether that is another list than before is not known here.
        self.dirty.once.insert(Once::Problems);
        Ok(problems)
    }

    /// Begins the setup of these plans: desires their setup jobs, without the mandatory ones.
    ///
    /// # Errors
    /// [`PlanRefused`].
    pub fn start_setup(&mut self, plans: &[String]) -> Result<Vec<Problem>, PlanRefused> {
        let jobs = self.choose(plans, Part::Setup)?;
        self.flag(SETTING_UP, true);
        Ok(self.select(&jobs, false))
    }

    /// Begins the bootstrap of these plans: desires their bootstrap jobs, without the mandatory ones.
    ///
    /// # Errors
    /// [`PlanRefused`].
    pub fn start_bootstrap(&mut self, plans: &[String]) -> Result<Vec<Problem>, PlanRefused> {
        let jobs = self.choose(plans, Part::Bootstrap)?;
        self.flag(SETTING_UP, false);
        self.flag(BOOTSTRAPPING, true);
        Ok(self.select(&jobs, false))
    }

    /// Ends the bootstrap: desires what these plans choose of the jobs that there are now, behind the mandatory ones. Jobs
    /// that were rejected stay out, and so does the job that asks for the manifest.
    ///
    /// # Errors
    /// [`PlanRefused`].
    pub fn finish_bootstrap(&mut self, plans: &[String]) -> Result<Vec<Problem>, PlanRefused> {
        let mut jobs = self.choose(plans, Part::Include)?;
        jobs.retain(|id| id != COLLECT_MANIFEST && !self.metadata.rejected_jobs.contains(id));
        self.flag(SETTING_UP, false);
        self.flag(BOOTSTRAPPING, false);
        Ok(self.select(&jobs, true))
    }

    fn flag(&mut self, flag: &str, set: bool) {
        let flags = &mut self.metadata.flags;
        let changed = if set { flags.insert(flag.to_owned()) } else { flags.remove(flag) };
        if changed {
            self.dirty.once.insert(Once::Metadata);
        }
    }

    /// What is in force of a job: its own fields, what the plans override, and what was overridden by hand.
    pub(super) fn override_by_plans(&mut self, number: u32) {
        let Some(entry) = self.entry(number) else { return };
        let mut effective = Effective::of(&entry.job);
        // What takes too long was refused when the plans were set; of a job that came since, its own fields hold.
        if self.overrides.apply(&entry.job, &mut effective).is_err() {
            effective = Effective::of(&entry.job);
        }
        let by_hand = entry.overridden.clone();
        let fields = [
            (&mut effective.category_id, by_hand.category_id),
            (&mut effective.certification_status, by_hand.certification_status),
            (&mut effective.auto_retry, by_hand.auto_retry),
        ];
        for (field, value) in fields {
            *field = value.unwrap_or_else(|| std::mem::take(field));
        }
        if let Some(entry) = self.entry_mut(number).filter(|entry| entry.effective != effective) {
            entry.effective = effective;
            self.dirty.jobs.insert(number);
        }
    }

    /// Overrides fields of one job by hand, in order. This goes before what test plans say.
    ///
    /// # Errors
    /// [`Refused::UnknownJob`] and [`Refused::UnknownField`].
    pub fn apply_overrides(&mut self, job: &str, overrides: &[(String, String)]) -> Result<(), Refused> {
        let overrides: Vec<_> = overrides.iter().map(|(field, value)| (field.as_str(), Some(value.as_str()))).collect();
        self.override_by_hand(job, &overrides)
    }

    /// Overrides fields of one job by hand, in order, or takes back what was overridden so: a field without a value.
    ///
    /// # Errors
    /// As [`Session::apply_overrides`].
    pub fn override_by_hand(&mut self, job: &str, overrides: &[(&str, Option<&str>)]) -> Result<(), Refused> {
        let number = self.known(job)?;
        let mut overridden = self.entry(number).map(|entry| entry.overridden.clone()).unwrap_or_default();
        for (field, value) in overrides {
            let place = match *field {
                "category_id" => &mut overridden.category_id,
                "certification_status" => &mut overridden.certification_status,
                "auto_retry" => &mut overridden.auto_retry,
                _ => return Err(Refused::UnknownField((*field).to_owned())),
            };
            *place = value.map(str::to_owned);
        }
        if let Some(entry) = self.entry_mut(number).filter(|entry| entry.overridden != overridden) {
            entry.overridden = overridden;
            self.dirty.jobs.insert(number);
            self.override_by_plans(number);
        }
        Ok(())
    }
}
