//! Units and jobs that come and go.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::changes::Overridden;
use super::event::{Event, Source};
use super::history::History;
use super::problem::{Clash, Need, Refused};
use super::state::{ATTEMPTS, Entry, Held, Session, clash};
use crate::domain::unit::template::Template;
use crate::domain::unit::{Effective, Job, Kind, Siblings, Unit};

/// How many units one addition may come to with its siblings, and theirs.
const MAX_GROWN: usize = 10_000;

/// How many units a session has at most: what would be more is left out, and told.
pub const MAX_UNITS: usize = 200_000;

/// The longest id of a job, in bytes: ids are keys of the databases that sessions are kept in.
pub const MAX_ID: usize = 2_000;

/// What came of adding units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// The ids of the jobs that are new, in order.
    pub jobs: Vec<String>,
    /// How many units of other kinds are new.
    pub others: usize,
    /// The ids of the jobs that were there already, exactly so.
    pub kept: Vec<String>,
    /// The siblings that were refused.
    pub clashes: Vec<Clash>,
    /// The jobs whose siblings cannot be read or are too many, and those that were made with an id that nothing can be kept
    /// under, each with why.
    pub unreadable: Vec<(String, String)>,
}

impl Added {
    /// Takes in what came of adding more.
    pub fn extend(&mut self, more: Self) {
        self.jobs.extend(more.jobs);
        self.others += more.others;
        self.kept.extend(more.kept);
        self.clashes.extend(more.clashes);
        self.unreadable.extend(more.unreadable);
    }
}

/// Checks the id of a job: whatever it is made of, it must be one that databases keep.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("its id is empty: nothing could name it".to_owned());
    }
    if id.contains('\0') {
        return Err("its id holds a NUL character, which cannot be stored".to_owned());
    }
    if id.len() > MAX_ID {
        return Err(format!("its id is {} bytes long: want at most {MAX_ID}", id.len()));
    }
    Ok(())
}

impl Session {
    /// Adds units in order, as [`Session::add_unit`] does one by one, and computes readiness once. All of them or none.
    ///
    /// # Errors
    /// [`Refused::Clash`], if there is another job of an id, or two of the units differ.
    pub fn add_units(&mut self, units: Vec<Unit>) -> Result<Added, Refused> {
        let mut fresh: HashMap<&str, &Unit> = HashMap::new();
        for unit in &units {
            if let Some(clash) = self.clash_of(unit) {
                return Err(clash.into());
            }
            if let Some(id) = unit.id().filter(|_| unit.kind().is_job())
                && let Some(other) = fresh.insert(id, unit).filter(|other| *other != unit)
            {
                return Err(clash(other, unit).into());
            }
        }
        let mut added = Added::default();
        for unit in units {
            self.grow(unit, &mut added);
        }
        self.settle();
        Ok(added)
    }

    /// Adds a unit. A job that is there already stays as it is; its siblings are made if they were not. What a job's siblings
    /// clash with stays too, and is told.
    ///
    /// # Errors
    /// [`Refused::Clash`], if there is another job of that id.
    pub fn add_unit(&mut self, unit: Unit) -> Result<Added, Refused> {
        if let Some(clash) = self.clash_of(&unit) {
            return Err(clash.into());
        }
        let mut added = Added::default();
        self.grow(unit, &mut added);
        self.settle();
        Ok(added)
    }

    /// Removes the first unit that is equal to this one; if it is a job, with its results and its records.
    ///
    /// # Errors
    /// [`Refused::UnknownUnit`]; [`Refused::OnRunList`], if something on the run list would point to nothing.
    pub fn remove_unit(&mut self, unit: &Unit) -> Result<(), Refused> {
        let id = || unit.id().unwrap_or_default().to_owned();
        let number = unit.id().and_then(|id| self.names.find(id));
        let number = number.filter(|number| self.entry(*number).is_some_and(|entry| entry.job.unit == *unit));
        // One whose job was trimmed may be equal to it; that of the job that is there goes.
        let of_job = number.and_then(|number| self.entry(number)).map(|entry| entry.unit);
        let first = || self.checksums.get(unit.checksum()).and_then(|positions| positions.first().copied());
        let position = of_job.or_else(first).ok_or_else(|| Refused::UnknownUnit(id()))?;
        if let Some(entry) = number.and_then(|number| self.entry(number))
            && entry.run_position.is_some()
        {
            return Err(Refused::OnRunList(vec![id()]));
        }
        let trimmed = self.let_go(position);
        if let Some(number) = number {
            self.leave_job(number);
        }
        let event = Event::UnitRemoved { kind: unit.kind().to_string(), unit: unit.id().map(str::to_owned) };
        if self.context.present && !trimmed {
            self.tell(Source::Context, event.clone());
        }
        self.tell(Source::State, event);
        if number.is_some() {
            self.tell(Source::State, Event::JobRemoved { job: id() });
            self.tell(Source::State, Event::StateMapChanged);
        }
        self.settle();
        Ok(())
    }

    /// Another job of this unit's id that is not the same.
    pub(super) fn clash_of(&self, unit: &Unit) -> Option<Clash> {
        let known = self.entry(self.names.find(unit.id().filter(|_| unit.kind().is_job())?)?)?;
        (known.job.unit != *unit).then(|| clash(&known.job.unit, unit))
    }

    /// Adds a unit, and of a job its siblings and theirs: each before the next of its own generation.
    pub(super) fn grow(&mut self, unit: Unit, added: &mut Added) {
        let mut waiting = vec![unit];
        let mut seen = 0;
        while let Some(unit) = waiting.pop() {
            seen += 1;
            if seen > MAX_GROWN {
                let id = unit.id().unwrap_or_default().to_owned();
                added.unreadable.push((id, format!("siblings, and theirs, come to more than {MAX_GROWN}")));
                return;
            }
            if self.units.len() >= MAX_UNITS {
                let id = unit.id().unwrap_or_default().to_owned();
                added.unreadable.push((id, format!("the session has {MAX_UNITS} units already")));
                return;
            }
            if let Some(clash) = self.clash_of(&unit) {
                added.clashes.push(clash);
                continue;
            }
            let Ok(job) = Job::read(&unit) else {
                self.add_other(unit);
                added.others += 1;
                continue;
            };
            if let Err(wrong) = check_id(&job.id) {
                added.unreadable.push((job.id.chars().take(80).collect(), wrong));
                continue;
            }
            let siblings = match Siblings::of(&job) {
                Ok(siblings) => siblings,
                Err(error) => {
                    added.unreadable.push((job.id.clone(), error.to_string()));
                    Siblings::default()
                }
            };
            self.add_job(job, added);
            let id = unit.id().unwrap_or_default();
            if let Some(number) = self.names.find(id).filter(|_| !siblings.before.is_empty()) {
                self.run_before(number, &siblings.before);
            }
            waiting.extend(siblings.units.into_iter().rev());
        }
    }

    /// The siblings of a job wait for these: it runs before them.
    fn run_before(&mut self, number: u32, targets: &[String]) {
        let targets: Vec<u32> = targets.iter().map(|id| self.number(id)).collect();
        let Some(entry) = self.entry_mut(number).filter(|entry| !entry.grown) else { return };
        entry.grown = true;
        for target in targets {
            if !entry.before.contains(&target) {
                entry.before.push(target);
            }
        }
        self.dirty.jobs.insert(number);
    }

    /// The job ran before what its siblings wait for where these rows were written.
    pub(super) fn grow_again(&mut self, number: u32) {
        let siblings = self.entry(number).and_then(|entry| Siblings::of(&entry.job).ok()).unwrap_or_default();
        self.run_before(number, &siblings.before);
    }

    fn add_job(&mut self, job: Job, added: &mut Added) {
        let number = self.number(&job.id);
        if self.entry(number).is_some() {
            added.kept.push(job.id);
            return;
        }
        added.jobs.push(job.id.clone());
        let unit = Event::UnitAdded { kind: job.unit.kind().to_string(), unit: Some(job.id.clone()) };
        let told = Event::JobAdded { job: job.id.clone() };
        let position = self.hold(job.unit.clone());
        self.enter_job(number, position, job);
        self.tell(Source::State, Event::StateMapChanged);
        if self.context.present {
            self.tell(Source::Context, told.clone());
            self.tell(Source::Context, unit.clone());
        }
        self.tell(Source::State, unit);
        self.tell(Source::State, told);
    }

    fn add_other(&mut self, unit: Unit) {
        let event = Event::UnitAdded { kind: unit.kind().to_string(), unit: unit.id().map(str::to_owned) };
        self.hold(unit);
        if self.context.present {
            self.tell(Source::Context, event.clone());
        }
        self.tell(Source::State, event);
    }

    /// Puts a unit at the end of the list of units and says where.
    pub(super) fn hold(&mut self, unit: Unit) -> u64 {
        let position = self.next_unit;
        self.next_unit += 1;
        self.hold_at(position, Held { unit, trimmed: false });
        self.dirty.units.insert(position);
        position
    }

    pub(super) fn hold_at(&mut self, position: u64, held: Held) {
        self.checksums.entry(held.unit.checksum().to_owned()).or_default().insert(position);
        if let Some(id) = held.unit.id().filter(|_| !held.trimmed) {
            self.unit_ids.entry(id.to_owned()).or_default().insert(position);
        }
        if *held.unit.kind() == Kind::Template
            && let Ok(template) = Template::read(&held.unit)
        {
            let resource = self.number(template.resource_id());
            self.templates.entry(resource).or_default().insert(position, Arc::new(template));
        }
        self.units.insert(position, held);
    }

    /// Takes a unit off the list of units; says whether its job had been trimmed.
    pub(super) fn let_go(&mut self, position: u64) -> bool {
        let Some(held) = self.units.remove(&position) else { return false };
        if let Some(positions) = self.checksums.get_mut(held.unit.checksum()) {
            positions.remove(&position);
            if positions.is_empty() {
                self.checksums.remove(held.unit.checksum());
            }
        }
        self.forget_id(&held.unit, position);
        if *held.unit.kind() == Kind::Template {
            for templates in self.templates.values_mut() {
                templates.remove(&position);
            }
        }
        if !self.dirty.units.remove(&position) || position < self.dirty.taken.next_unit {
            self.dirty.units_removed.insert(position);
        }
        held.trimmed
    }

    /// The device context does not know the unit there by its id any more.
    pub(super) fn forget_id(&mut self, unit: &Unit, position: u64) {
        let Some(id) = unit.id() else { return };
        if let Some(positions) = self.unit_ids.get_mut(id) {
            positions.remove(&position);
            if positions.is_empty() {
                self.unit_ids.remove(id);
            }
        }
    }

    /// Puts a job that is not there at the end of the list of jobs.
    pub(super) fn enter_job(&mut self, number: u32, unit: u64, job: Job) {
        let position = self.next_job;
        self.next_job += 1;
        self.enter_job_at(number, unit, position, job);
        self.override_by_plans(number);
        self.dirty.jobs.insert(number);
    }

    pub(super) fn enter_job_at(&mut self, number: u32, unit: u64, position: u64, job: Job) {
        let mut numbers = |ids: &[String]| ids.iter().map(|id| self.number(id)).collect::<Vec<u32>>();
        let resources = match &job.requires {
            Ok(Some(program)) => numbers(program.resources()),
            _ => Vec::new(),
        };
        let (depends, after) = (numbers(&job.depends), numbers(&job.after));
        let (before, salvages) = (numbers(&job.before), numbers(&job.salvages));
        let needs = [(Need::Resource, &resources), (Need::Depends, &depends), (Need::After, &after)];
        let needs = needs.into_iter().flat_map(|(need, ids)| ids.iter().map(move |id| (need, *id))).collect();
        let group = job.group.as_deref().map(|group| self.groups.number(group));
        let program = matches!(job.requires, Ok(Some(_))).then(|| {
            let written = |field| job.unit.value(field);
            let key = json!([job.unit.namespace(), written("imports"), written("requires")]);
            self.programs.number(&key.to_string())
        });
        let sorted = |mut ids: Vec<u32>| {
            ids.sort_by(|one, other| self.names.text(*one).cmp(self.names.text(*other)));
            ids
        };
        let (depends, after, salvages) = (sorted(depends), sorted(after), sorted(salvages));
        for (need, ids) in [
            (Need::Resource, &resources),
            (Need::Depends, &depends),
            (Need::After, &after),
            (Need::Salvages, &salvages),
        ] {
            for id in ids {
                if let Some(users) = self.users(*id, need) {
                    users.insert(number);
                }
            }
        }
        if !job.manifest.is_empty() {
            self.askers.insert(number);
        }
        let effective = Effective::of(&job);
        let entry = Entry {
            job,
            position,
            unit,
            needs,
            before,
            group,
            program,
            depends,
            after,
            salvages,
            history: History::default(),
            result: None,
            unmet: 0,
            held: Vec::new(),
            effective,
            overridden: Overridden::default(),
            attempts: ATTEMPTS,
            via: None,
            run_position: None,
            grown: false,
        };
        let unmet = self.unmet_of(&entry);
        self.order.insert(position, number);
        if let Some(slot) = self.slots.get_mut(number as usize) {
            slot.job = Some(Box::new(Entry { unmet, ..entry }));
        }
    }

    /// Takes a job off the list of jobs, with its results and its records.
    pub(super) fn leave_job(&mut self, number: u32) {
        self.set_result(number, None);
        let Some(entry) = self.slots.get_mut(number as usize).and_then(|slot| slot.job.take()) else { return };
        self.order.remove(&entry.position);
        self.askers.remove(&number);
        self.doubtful.remove(&number);
        let waits = [(Need::Depends, &entry.depends), (Need::After, &entry.after), (Need::Salvages, &entry.salvages)];
        let reads = entry.needs.iter().filter(|(need, _)| *need == Need::Resource).map(|(need, id)| (*need, *id));
        let waits = waits.into_iter().flat_map(|(need, ids)| ids.iter().map(move |id| (need, *id)));
        for (need, id) in waits.chain(reads) {
            if let Some(users) = self.users(id, need) {
                users.remove(&number);
            }
        }
        if self.slots.get_mut(number as usize).and_then(|slot| slot.records.take()).is_some() {
            self.dirty.resources.remove(&number);
            self.dirty.resources_removed.insert(number);
        }
        self.unsettled.insert(number);
        self.dirty.jobs.remove(&number);
        self.dirty.history.remove(&number);
        self.dirty.jobs_removed.insert(number);
    }

    fn users(&mut self, number: u32, need: Need) -> Option<&mut BTreeSet<u32>> {
        let users = &mut self.slots.get_mut(number as usize)?.users;
        Some(match need {
            Need::Resource => &mut users.reads,
            Need::Depends => &mut users.depends,
            Need::After => &mut users.after,
            Need::Salvages => &mut users.salvages,
        })
    }

    pub(super) fn tell(&mut self, source: Source, event: Event) {
        self.events.push(super::event::EventRow { number: self.next_event, source, event });
        self.next_event += 1;
    }
}
