//! Rows out of a session and into one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::changes::{Changes, ContextRow, Counters, HistoryRow, JobRow, Misfit, ResourceRow, UnitRow};
use super::dirty::{Dirty, Once};
use super::event::EventRow;
use super::metadata::Metadata;
use super::report::Report;
use super::state::{Held, Session};
use crate::domain::unit::Job;
use crate::domain::unit::overrides::{Override, Overrides};

impl Session {
    /// All rows that differ since this was last asked, or since rows were last taken in. Events are in it once; a session
    /// does not keep them.
    pub fn take_changes(&mut self) -> Changes {
        let counters = self.counters();
        let taken = Dirty { taken: counters.clone(), ..Dirty::default() };
        let dirty = std::mem::replace(&mut self.dirty, taken);
        let mut changes = Changes {
            metadata: dirty.once.contains(&Once::Metadata).then(|| self.metadata.brief()),
            app_blob: dirty.once.contains(&Once::Blob).then(|| self.metadata.app_blob.clone()),
            rejected_jobs: dirty.once.contains(&Once::Rejected).then(|| self.metadata.rejected_jobs.clone()),
            counters: (counters != dirty.taken).then_some(counters),
            context: dirty.once.contains(&Once::Context).then(|| self.context.clone()),
            manifest: dirty.once.contains(&Once::Manifest).then(|| self.manifest.clone()),
            desired: dirty.once.contains(&Once::Desired).then(|| self.texts(&self.desired)),
            mandatory: dirty.once.contains(&Once::Mandatory).then(|| self.texts(&self.mandatory)),
            problems: dirty.once.contains(&Once::Problems).then(|| self.problems.clone()),
            units_removed: dirty.units_removed.into_iter().collect(),
            units: dirty.units.iter().filter_map(|position| self.unit_row(*position)).collect(),
            jobs_removed: self.sorted(&dirty.jobs_removed),
            jobs: dirty.jobs.iter().filter_map(|number| self.job_row(*number)).collect(),
            history: dirty.history.iter().flat_map(|(number, from)| self.history_rows(*number, *from)).collect(),
            resources_removed: self.sorted(&dirty.resources_removed),
            resources: dirty.resources.iter().filter_map(|number| self.resource_row(*number)).collect(),
            events: std::mem::take(&mut self.events),
        };
        changes.sort();
        if self.past_is_elsewhere {
            for number in dirty.history.keys() {
                self.let_go_of_past(*number);
            }
        }
        changes
    }

    /// What happened since changes were last taken.
    #[must_use]
    pub fn news(&self) -> &[EventRow] {
        &self.events
    }

    /// All rows there are, but for events, and for results that are [kept elsewhere](Session::keep_past_elsewhere).
    #[must_use]
    pub fn rows(&self) -> Changes {
        let numbers = || self.slots.iter().zip(0..).map(|(_, number)| number);
        let mut changes = Changes {
            metadata: Some(self.metadata.brief()),
            app_blob: Some(self.metadata.app_blob.clone()),
            rejected_jobs: Some(self.metadata.rejected_jobs.clone()),
            counters: Some(self.counters()),
            context: Some(self.context.clone()),
            manifest: Some(self.manifest.clone()),
            desired: Some(self.texts(&self.desired)),
            mandatory: Some(self.texts(&self.mandatory)),
            problems: Some(self.problems.clone()),
            units: self.units.keys().filter_map(|position| self.unit_row(*position)).collect(),
            jobs: numbers().filter_map(|number| self.job_row(number)).collect(),
            history: numbers().flat_map(|number| self.history_rows(number, 0)).collect(),
            resources: numbers().filter_map(|number| self.resource_row(number)).collect(),
            ..Changes::default()
        };
        changes.sort();
        changes
    }

    /// The session that has these rows.
    ///
    /// # Errors
    /// [`Misfit`], if they are not the rows of one session.
    pub fn restore(rows: Changes) -> Result<Self, Misfit> {
        let mut session = Self::default();
        session.absorb(rows)?;
        Ok(session)
    }

    /// The session that has these rows, of whose results the older ones may be missing: the rest of a job's results is
    /// taken to be [kept elsewhere](Session::keep_past_elsewhere).
    ///
    /// # Errors
    /// [`Misfit`], if they are not the rows of one session.
    pub fn restore_without_past(rows: Changes) -> Result<Self, Misfit> {
        let mut session = Self { past_is_elsewhere: true, ..Self::default() };
        session.absorb(rows)?;
        Ok(session)
    }

    /// From now on of each job the last result alone is kept here, and how many there are: whoever takes the changes keeps
    /// the others. [`Session::rows`] and [`Session::image`] lack them then.
    pub fn keep_past_elsewhere(&mut self) {
        self.past_is_elsewhere = true;
        for number in self.order.values().copied().collect::<Vec<_>>() {
            if !self.dirty.history.contains_key(&number) {
                self.let_go_of_past(number);
            }
        }
    }

    fn let_go_of_past(&mut self, number: u32) {
        if let Some(entry) = self.entry_mut(number) {
            entry.history.let_go();
        }
    }

    /// Takes rows in that somebody else wrote, in the order in which they were taken. What changed here since changes were
    /// last taken must have been thrown away, and this session with it.
    ///
    /// # Errors
    /// [`Misfit`], if the rows do not fit those that are here; then the session is of no use any more.
    pub fn absorb(&mut self, mut rows: Changes) -> Result<(), Misfit> {
        self.absorb_metadata(&mut rows);
        for id in &rows.jobs_removed {
            if let Some(number) = self.names.find(id) {
                self.leave_job(number);
            }
        }
        for position in &rows.units_removed {
            self.let_go(*position);
        }
        for row in rows.units {
            self.absorb_unit(row);
        }
        for id in &rows.resources_removed {
            let number = self.number(id);
            self.absorb_records(number, None);
        }
        let results = self.absorb_jobs(&rows.jobs)?;
        for row in rows.history {
            self.absorb_result(row)?;
        }
        for (number, result, results) in results {
            if self.entry(number).is_some_and(|entry| entry.history.len() != results) {
                return Err(Misfit(format!("`{}` has results that are not here", self.names.text(number))));
            }
            if result.is_some_and(|result| result.checked_add(1) != Some(results)) {
                return Err(Misfit(format!("the current result of `{}` is not its last", self.names.text(number))));
            }
            self.set_result(number, result);
        }
        for row in rows.resources {
            let number = self.number(&row.id);
            self.absorb_records(number, Some(row.records));
        }
        // Last, as what results change on the way is said by the rows already.
        for row in rows.jobs {
            self.absorb_state(row);
        }
        self.absorb_lists(rows.desired, rows.mandatory);
        if let Some(context) = rows.context {
            self.absorb_context(context)?;
        }
        self.problems = rows.problems.unwrap_or(std::mem::take(&mut self.problems));
        self.manifest = rows.manifest.unwrap_or(std::mem::take(&mut self.manifest));
        self.events.clear();
        if let Some(counters) = rows.counters {
            (self.next_unit, self.next_job) = (counters.next_unit, counters.next_job);
            self.next_event = counters.next_event;
            self.unsettled = counters.unsettled.iter().map(|id| self.number(id)).collect();
        }
        self.dirty = Dirty { taken: self.counters(), ..Dirty::default() };
        Ok(())
    }

    fn absorb_metadata(&mut self, rows: &mut Changes) {
        let known = std::mem::take(&mut self.metadata);
        let app_blob = rows.app_blob.take().unwrap_or_else(|| known.app_blob.clone());
        let rejected_jobs = rows.rejected_jobs.take().unwrap_or_else(|| known.rejected_jobs.clone());
        self.metadata = Metadata { app_blob, rejected_jobs, ..rows.metadata.take().unwrap_or(known) };
    }

    fn absorb_unit(&mut self, row: UnitRow) {
        if let Some(known) = self.units.get(&row.position).map(|held| held.unit.clone()) {
            self.forget_id(&known, row.position);
        }
        self.hold_at(row.position, Held { unit: row.unit, trimmed: row.trimmed });
    }

    /// Makes the jobs that are new; gives of each job which result is to be its current one, and how many it has.
    fn absorb_jobs(&mut self, rows: &[JobRow]) -> Result<Vec<(u32, Option<u32>, u32)>, Misfit> {
        let mut results = Vec::with_capacity(rows.len());
        for row in rows {
            let number = self.number(&row.id);
            if self.entry(number).is_none() {
                let unit = self.units.get(&row.unit).map(|held| Job::read(&held.unit));
                let Some(Ok(job)) = unit.filter(|job| job.as_ref().is_ok_and(|job| job.id == row.id)) else {
                    return Err(Misfit(format!("unit {} is no job `{}`", row.unit, row.id)));
                };
                self.enter_job_at(number, row.unit, row.position, job);
            }
            if row.grown {
                self.grow_again(number);
            }
            results.push((number, row.result, row.results));
        }
        Ok(results)
    }

    fn absorb_result(&mut self, row: HistoryRow) -> Result<(), Misfit> {
        let number = self.names.find(&row.job);
        let elsewhere = self.past_is_elsewhere;
        let history = number.and_then(|number| self.entry_mut(number)).map(|entry| &mut entry.history);
        match history {
            Some(history) if history.len() == row.number || elsewhere && history.len() < row.number => {
                if elsewhere {
                    history.pass_over(row.number);
                }
                history.push(Arc::new(row.report));
                Ok(())
            }
            _ => Err(Misfit(format!("result {} of `{}` does not follow those that are here", row.number, row.job))),
        }
    }

    fn absorb_records(&mut self, number: u32, records: Option<Vec<crate::domain::program::Record>>) {
        if let Some(slot) = self.slots.get_mut(number as usize) {
            slot.records = records.map(Arc::new);
        }
    }

    fn absorb_state(&mut self, row: JobRow) {
        let via = row.via.map(|via| self.number(&via));
        let Some(number) = self.names.find(&row.id) else { return };
        self.doubtful.insert(number);
        let Some(entry) = self.entry_mut(number) else { return };
        entry.held = row.held;
        entry.effective = row.effective;
        entry.overridden = row.overridden;
        entry.attempts = row.attempts;
        entry.via = via;
        let was = std::mem::replace(&mut entry.run_position, row.run_position);
        if was != row.run_position {
            self.dirty.once.insert(Once::RunList);
        }
    }

    fn absorb_lists(&mut self, desired: Option<Vec<String>>, mandatory: Option<Vec<String>>) {
        if let Some(desired) = desired {
            self.desired = desired.iter().map(|id| self.number(id)).collect();
        }
        if let Some(mandatory) = mandatory {
            self.mandatory = mandatory.iter().map(|id| self.number(id)).collect();
        }
        if self.dirty.once.contains(&Once::RunList) {
            let places = self.order.values().filter_map(|number| Some((self.entry(*number)?.run_position?, *number)));
            let mut places: Vec<(u32, u32)> = places.collect();
            places.sort_unstable();
            self.run_list = places.into_iter().map(|(_, number)| number).collect();
        }
    }

    pub(super) fn absorb_context(&mut self, context: ContextRow) -> Result<(), Misfit> {
        let one = |(pattern, values): &(String, Vec<(String, String)>)| Override::new(None, pattern, values.clone());
        let all: Result<Vec<_>, _> = context.overrides.iter().map(one).collect();
        self.overrides = Overrides::new(all.map_err(|error| Misfit(error.to_string()))?);
        self.context = context;
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters {
            next_unit: self.next_unit,
            next_job: self.next_job,
            next_event: self.next_event,
            unsettled: self.sorted(&self.unsettled),
        }
    }

    fn sorted(&self, numbers: &BTreeSet<u32>) -> Vec<String> {
        let mut texts: Vec<String> = numbers.iter().map(|number| self.names.text(*number).to_owned()).collect();
        texts.sort_unstable();
        texts
    }

    fn unit_row(&self, position: u64) -> Option<UnitRow> {
        let Held { unit, trimmed } = self.units.get(&position)?;
        Some(UnitRow { position, unit: unit.clone(), trimmed: *trimmed })
    }

    fn job_row(&self, number: u32) -> Option<JobRow> {
        let entry = self.entry(number)?;
        Some(JobRow {
            id: entry.job.id.clone(),
            position: entry.position,
            unit: entry.unit,
            outcome: entry.outcome().cloned(),
            result: entry.result,
            results: entry.history.len(),
            held: entry.held.clone(),
            can_start: entry.can_start(),
            effective: entry.effective.clone(),
            overridden: entry.overridden.clone(),
            attempts: entry.attempts,
            via: entry.via.map(|via| self.names.text(via).to_owned()),
            run_position: entry.run_position,
            grown: entry.grown,
        })
    }

    fn history_rows(&self, number: u32, from: u32) -> Vec<HistoryRow> {
        let Some(entry) = self.entry(number) else { return Vec::new() };
        let row = |(number, report): (u32, &Arc<Report>)| HistoryRow {
            job: entry.job.id.clone(),
            number,
            report: report.as_ref().clone(),
        };
        entry.history.numbered().filter(|(number, _)| *number >= from).map(row).collect()
    }

    fn resource_row(&self, number: u32) -> Option<ResourceRow> {
        let records = self.records_of(number)?.to_vec();
        Some(ResourceRow { id: self.names.text(number).to_owned(), records })
    }
}

impl Changes {
    fn sort(&mut self) {
        self.jobs.sort_by(|one, other| one.id.cmp(&other.id));
        self.history.sort_by(|one, other| (&one.job, one.number).cmp(&(&other.job, other.number)));
        self.resources.sort_by(|one, other| one.id.cmp(&other.id));
    }
}
