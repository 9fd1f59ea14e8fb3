//! The job that is running, and what becomes of it when the machine dies.

use serde::{Deserialize, Serialize};

use super::dirty::Once;
use super::event::{Event, Source};
use super::inhibitor::Inhibitor;
use super::metadata::Metadata;
use super::outcome::Outcome;
use super::problem::Refused;
use super::report::Report;
use super::state::Session;

/// Why a job is not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBegun {
    /// There is no such job, or another one is running.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Something holds it up.
    #[error("`{job}` cannot start: {}", told(inhibitors))]
    Inhibited {
        /// The job.
        job: String,
        /// What holds it up; if nothing does, no attempts are left.
        inhibitors: Vec<Inhibitor>,
    },
}

fn told(inhibitors: &[Inhibitor]) -> String {
    let one = |inhibitor: &Inhibitor| {
        let about = inhibitor.related_expression.as_ref().or(inhibitor.related_job.as_ref());
        let about = about.map(|about| format!(" ({about})")).unwrap_or_default();
        let cause = serde_json::to_value(inhibitor.cause).unwrap_or_default();
        format!("{}{about}", cause.as_str().unwrap_or_default())
    };
    let all: Vec<String> = inhibitors.iter().map(one).collect();
    if all.is_empty() { "no attempts are left".to_owned() } else { all.join(", ") }
}

/// What was decided about the job that was running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The job.
    pub job: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether that was recorded before already.
    pub was_recorded: bool,
}

impl Session {
    /// Begins a job: takes one of its attempts and notes that it is running, and since when (in seconds since 1970).
    ///
    /// # Errors
    /// [`NotBegun`]; [`Refused::Running`] names the job that was begun before and has no outcome.
    pub fn begin(&mut self, job: &str, now: f64) -> Result<(), NotBegun> {
        let number = self.known(job)?;
        if let Some(running) = self.metadata.running_job_name.as_ref().filter(|running| *running != job)
            && self.job(running).is_some()
        {
            return Err(Refused::Running(running.clone()).into());
        }
        if let Some(entry) = self.entry(number).filter(|entry| !entry.can_start()) {
            return Err(NotBegun::Inhibited { job: job.to_owned(), inhibitors: self.inhibitors(entry) });
        }
        self.change(number, |entry| entry.attempts = entry.attempts.saturating_sub(1));
        self.dirty.jobs.insert(number);
        self.metadata.running_job_name = Some(job.to_owned());
        self.metadata.running_job_results = self.entry(number).map(|entry| entry.history.len());
        self.metadata.last_job_start_time = Some(now);
        self.metadata.remaining_todo_jobs = Some(true);
        self.dirty.once.insert(Once::Metadata);
        self.tell(Source::Session, Event::Begun { job: job.to_owned() });
        Ok(())
    }

    /// Decides what became of the job that was running when the machine or the application died: what was recorded since it
    /// was begun holds; a job that never returns (flag `noreturn`) passed; any other crashed. Nothing is decided if no job
    /// was running, or none was left to do.
    pub fn recover(&mut self) -> Option<Recovered> {
        let job = self.metadata.running_job_name.take()?;
        let known = self.metadata.running_job_results.take();
        self.dirty.once.insert(Once::Metadata);
        if self.metadata.remaining_todo_jobs == Some(false) {
            return None;
        }
        let view = self.job(&job)?;
        // What came of an earlier attempt says nothing about this one.
        let is_new = known.is_none_or(|known| view.results() > known as usize);
        if let Some(outcome) = view.outcome().cloned().filter(|_| is_new) {
            return Some(Recovered { job, outcome, was_recorded: true });
        }
        let outcome = if view.job().has_flag("noreturn") { Outcome::Pass } else { Outcome::Crash };
        self.record(&job, Report::of(outcome.clone())).ok()?;
        Some(Recovered { job, outcome, was_recorded: false })
    }

    /// Changes what applications note. All of it is taken as it is.
    pub fn set_metadata(&mut self, metadata: Metadata) {
        if metadata.app_blob != self.metadata.app_blob {
            self.dirty.once.insert(Once::Blob);
        }
        if metadata.rejected_jobs != self.metadata.rejected_jobs {
            self.dirty.once.insert(Once::Rejected);
        }
        if metadata.brief() != self.metadata.brief() {
            self.dirty.once.insert(Once::Metadata);
        }
        self.metadata = metadata;
    }
}
