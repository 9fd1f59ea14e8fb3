//! What is wrong with a selection, and why an operation is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How one job needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It reads its records.
    Resource,
    /// It must have passed.
    Depends,
    /// It must have run.
    After,
    /// It must have failed.
    Salvages,
}

impl Need {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Depends => "depends",
            Self::After => "after",
            Self::Salvages => "salvages",
        }
    }
}

/// What is wrong with a selection. The job is left out, and with it all that needs it, each with a problem of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// A job was selected that is not there, or was left out already.
    Unknown {
        /// Its id.
        job: String,
    },
    /// A job needs one that is not there, or was left out. One that only salvages such a job is not left out: it waits.
    Missing {
        /// The job that is left out.
        job: String,
        /// What it needs.
        missing: String,
        /// How.
        need: Need,
    },
    /// Jobs need each other.
    Cycle {
        /// The job that is left out.
        job: String,
        /// The jobs, each of which needs the next; the last is the first. A group stands here as `_group_job_<name>`.
        cycle: Vec<String>,
    },
    /// A field cannot be read.
    Unreadable {
        /// The job that is left out.
        job: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl Problem {
    /// Whether the job was left out for it. One that salvages what is not there only waits.
    #[must_use]
    pub fn leaves_out(&self) -> bool {
        !matches!(self, Self::Missing { need: Need::Salvages, .. })
    }

    /// The job that it is about.
    #[must_use]
    pub fn job(&self) -> &str {
        match self {
            Self::Unknown { job }
            | Self::Missing { job, .. }
            | Self::Cycle { job, .. }
            | Self::Unreadable { job, .. } => job,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { job } => write!(f, "there is no job `{job}`, or it was left out already"),
            Self::Missing { job, missing, need } => {
                write!(f, "`{job}` needs `{missing}` ({}), which is not there or was left out", need.as_str())
            }
            Self::Cycle { cycle, .. } => write!(f, "jobs need each other: {}", cycle.join(" -> ")),
            Self::Unreadable { job, field, detail } => write!(f, "`{field}` of `{job}` cannot be read: {detail}"),
        }
    }
}

/// Two different jobs under one id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("there is another job `{id}` already, with the checksum {known}; this one has {newcomer}")]
pub struct Clash {
    /// The id.
    pub id: String,
    /// The checksum of the job that is there.
    pub known: String,
    /// The checksum of the one that is refused.
    pub newcomer: String,
}

/// Why an operation is refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is another job of that id.
    #[error(transparent)]
    Clash(#[from] Clash),
    /// There is no such job.
    #[error("there is no job `{0}`")]
    UnknownJob(String),
    /// There is no such unit.
    #[error("there is no such unit: {0}")]
    UnknownUnit(String),
    /// There is no such test plan.
    #[error("there is no test plan `{0}`")]
    UnknownPlan(String),
    /// The jobs are on the run list; their ids are sorted.
    #[error("on the run list, and so not to be removed: {}", .0.join(", "))]
    OnRunList(Vec<String>),
    /// The device context knows that unit already.
    #[error("the unit is there already: {0}")]
    UnitThere(String),
    /// The device context knows that provider already.
    #[error("the provider is there already: {0}")]
    ProviderThere(String),
    /// There is no such effective field.
    #[error("`{0}` cannot be overridden; only category_id, certification_status and auto_retry can")]
    UnknownField(String),
    /// Another job was begun and has not ended.
    #[error("`{0}` is running")]
    Running(String),
}
