//! Sessions, as Plainbox has them: which jobs are wanted, in which order they run, which can start and what holds the
//! others up, what came of them, and what their output made.
//!
//! A [`Session`] is complete and in memory; somebody else keeps its rows ([`Changes`]). An operation changes all that it
//! has to or is refused ([`Refused`]) and changes nothing. A result touches only the jobs that wait for it.
//!
//! The semantics were measured on Plainbox and its successor and stand in the golden cases under `tests/golden/plainbox`;
//! where they are plainly wrong, `tests/golden/DEVIATIONS.md` says what is done instead.
//!
//! ```text
//! state, members      what a session holds; units and jobs that come and go
//! select, solve       desired jobs -> run list and problems
//! readiness           what holds jobs up, step by step
//! record, history     results, records of resources, generated jobs
//! skips, running      jobs that can never start; the job that is running
//! plans, trim, stats  test plans; trimming; counts, durations, the verdict
//! context             providers, units by id, values that are computed once
//! rows, changes       the session as rows, out and in
//! metadata, origin    what is noted about it; what it was made from
//! image               suspended and resumed
//! weight              how much room a session takes
//! words               why a job cannot start, in one line
//! controller          who runs a job, and what its end comes to
//! ```

pub mod changes;
mod context;
pub mod controller;
mod dirty;
pub mod event;
mod history;
pub mod image;
pub mod inhibitor;
mod members;
pub mod metadata;
mod names;
pub mod origin;
pub mod outcome;
mod plans;
pub mod problem;
mod readiness;
mod record;
pub mod report;
mod rows;
mod running;
mod select;
mod skips;
mod solve;
mod state;
mod stats;
mod trim;
pub mod weight;
mod words;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

pub use changes::{Changes, ContextRow, Counters, HistoryRow, JobRow, Misfit, Overridden, ResourceRow, UnitRow};
pub use event::{Event, EventRow, Source};
pub use image::{Image, Unresumable};
pub use inhibitor::{Cause, Inhibitor};
pub use members::{Added, MAX_ID, MAX_UNITS, check_id};
pub use metadata::{Blob, Metadata};
pub use origin::Origin;
pub use outcome::Outcome;
pub use plans::{Part, PlanRefused};
pub use problem::{Clash, Need, Problem, Refused};
pub use record::{DroppedRecord, Recorded};
pub use report::{LogEntry, Report, SkipReason, Stream};
pub use running::{NotBegun, Recovered};
pub use select::{NoOrder, order_of};
pub use skips::{Behind, GivenUp, Skipped, Why};
pub use state::{ATTEMPTS, JobView, Session};
pub use stats::{CategoryViews, EstimatedDuration, LeftOut, MANUAL_OVERHEAD, Ruling, Verdict};
pub use trim::NotTrimmed;

pub use crate::domain::unit::Effective;
