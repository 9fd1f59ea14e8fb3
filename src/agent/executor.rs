//! What carries out a lease. The agent brings it leases and tells the server what comes of them, and knows nothing of how it is
//! done: one that builds by recipes can stand here as well as one that runs commands.

use futures_util::future::BoxFuture;

use crate::agent::journal::Journal;
use crate::agent::stop::Stop;
use crate::domain::run::RunRequest;

/// Carries out leases, one at a time.
pub trait Executor: std::fmt::Debug + Send + Sync {
    /// Why it cannot carry out such a request; `None` if it can. What is refused is given back, and another may have it.
    fn refuses(&self, request: &RunRequest) -> Option<String>;

    /// Carries out the journal's lease and writes there what happens: lines of the log, and an end for each job. Jobs without
    /// one are said to be not run. It ends soon once `stop` is told, and is never called for what it refuses.
    fn execute<'a>(&'a self, journal: &'a Journal, stop: &'a Stop) -> BoxFuture<'a, Executed>;

    /// Whether it could carry out anything at all now.
    ///
    /// # Errors
    /// What this machine lacks, in words.
    fn is_well(&self) -> Result<(), String>;
}

/// What came of carrying out a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// It is done, whatever came of the jobs.
    Done,
    /// This machine could not go on, for this reason.
    Broken(String),
}
