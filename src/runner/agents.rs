//! The `agents`: programs in labs, which come for their work themselves.
//!
//! Nothing is asked of them here: what is known of a run that an agent has is what its lease says, and what it is told
//! waits there for its next heartbeat.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::domain::agent_lease::{LeaseState, RUNNER};
use crate::domain::observation::{Observation, Phase, Subject};
use crate::domain::run::RunState;
use crate::ids::AgentLeaseId;
use crate::runner::{Collected, Job, Runner, RunnerError, Takes};
use crate::store::agent_lease::AgentLease;
use crate::store::{self, Db};

/// How much of the end of a log goes with reports.
const EXCERPT_CHARS: usize = 16_384;

/// The runner.
#[derive(Clone, Debug)]
pub struct Agents {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Agents {
    /// All agents that are registered in this database.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    async fn lease(&self, job: &Job) -> Result<AgentLease, RunnerError> {
        let id: AgentLeaseId = job
            .uid
            .as_deref()
            .and_then(|uid| uid.parse().ok())
            .ok_or_else(|| RunnerError::Unknown("no agent has it".to_owned()))?;
        let mut db = self.db.read().await.map_err(away)?;
        let lease = store::agent_lease::by_id(&mut db.conn(), id).await.map_err(away)?;
        lease.ok_or_else(|| RunnerError::Unknown(format!("there is no lease {id}")))
    }

    async fn stop(&self, job: &Job) -> Result<(), RunnerError> {
        let lease = self.lease(job).await?;
        let mut tx = self.db.begin().await.map_err(away)?;
        let conn = &mut tx.conn();
        let run = store::run::by_id(conn, job.run).await.map_err(away)?;
        let reason = match &run {
            Some(run) if run.state == RunState::Running => "past its deadline".to_owned(),
            Some(run) => run.reason.clone().unwrap_or_else(|| format!("it is {}", run.state)),
            None => "the run is gone".to_owned(),
        };
        store::agent_lease::cancel(conn, lease.id, &reason, self.clock.now()).await.map_err(away)?;
        tx.commit().await.map_err(away)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn away(error: store::Error) -> RunnerError {
    RunnerError::Unavailable { message: error.to_string(), retry_after: None }
}

impl Runner for Agents {
    fn name(&self) -> &'static str {
        RUNNER
    }

    fn takes(&self) -> Takes {
        // One job with each run: so whoever is free takes the next one, and what is lost with an agent is one job.
        Takes { names: 0, commands: 1 }
    }

    fn pulls(&self) -> bool {
        true
    }

    fn read_callback(&self, _body: &[u8], _subject: Subject) -> Result<Observation, String> {
        Err("agents report through their leases and call nobody back".to_owned())
    }

    fn submit<'a>(&'a self, _job: &'a Job) -> BoxFuture<'a, Result<String, RunnerError>> {
        Box::pin(async { Err(RunnerError::Refused("agents ask for their work themselves".to_owned())) })
    }

    fn submit_is_idempotent(&self, _job: &Job) -> bool {
        true
    }

    fn find<'a>(&'a self, _job: &'a Job) -> BoxFuture<'a, Result<Option<String>, RunnerError>> {
        Box::pin(async { Ok(None) })
    }

    fn poll<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Observation, RunnerError>> {
        Box::pin(async {
            let lease = self.lease(job).await?;
            match lease.state {
                LeaseState::Held => Ok(Observation {
                    uid: lease.id.to_string(),
                    subject: job.request.kind().subject(),
                    phase: Phase::Running,
                    verdict: None,
                    message: None,
                    started_at: Some(lease.granted_at),
                    duration_s: None,
                    download_url: None,
                    device: None,
                    build: None,
                    tests: std::collections::BTreeMap::new(),
                }),
                // Whoever ends a lease says in the same transaction what becomes of its run.
                LeaseState::Ended | LeaseState::Lost | LeaseState::Released => {
                    Err(RunnerError::Unknown(format!("the lease {} is {}", lease.id, lease.state)))
                }
            }
        })
    }

    fn cancel<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(self.stop(job))
    }

    fn collect<'a>(
        &'a self,
        job: &'a Job,
        _observation: &'a Observation,
    ) -> BoxFuture<'a, Result<Collected, RunnerError>> {
        Box::pin(async {
            let mut db = self.db.read().await.map_err(away)?;
            let log_excerpt = store::log::tail(&mut db.conn(), job.run, EXCERPT_CHARS).await.map_err(away)?;
            // What the agent reported stands in the observation already.
            Ok(Collected { log_excerpt, ..Collected::default() })
        })
    }
}
