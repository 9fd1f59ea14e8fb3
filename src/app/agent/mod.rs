//! Agents: programs in labs that ask for work, and report through the lease that they have on it.
//!
//! A run of the runner `agents` is planned like any other and waits until an agent that it fits claims it. From then on it
//! is in that agent's hands under a lease, which heartbeats keep; what the agent tells names the lease and its generation,
//! so that whoever has lost it changes nothing any more. How an agent speaks is said in `docs/agent-protocol.md`.

pub mod claim;
pub mod desk;
pub mod look;
pub mod lost;
pub mod output;
pub mod register;
pub mod report;
pub mod steer;

use sha2::{Digest as _, Sha256};

use crate::app::{App, AppError, Result};
use crate::domain::agent_lease::Standing;
use crate::store;
use crate::store::agent::Agent;

/// What is kept of a token.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Ends a transaction by what was done in it: a refusal leaves nothing, and holds up nobody until its connection is used
/// again.
async fn ended<T>(tx: store::Tx, done: Result<T>) -> Result<T> {
    match done {
        Ok(done) => {
            tx.commit().await?;
            Ok(done)
        }
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// The agent whose token this is, also one that was removed.
///
/// # Errors
/// [`AppError::Unauthenticated`] if it is nobody's.
pub async fn authenticate(app: &App, token: &str) -> Result<Agent> {
    let mut db = app.read().await?;
    let agent = store::agent::by_digest(&mut db.conn(), &digest(token)).await?;
    agent.ok_or_else(|| AppError::Unauthenticated("no agent has this token".to_owned()))
}

/// Refuses an agent that may have no work.
fn may_have_work(agent: &Agent) -> Result<()> {
    let reason = agent.reason.as_deref().unwrap_or("no reason was given");
    match agent.standing {
        Standing::Active => Ok(()),
        Standing::Drained => Err(AppError::Forbidden(format!("the agent `{}` is drained: {reason}", agent.name))),
        Standing::Removed => Err(AppError::Forbidden(format!("the agent `{}` was removed: {reason}", agent.name))),
    }
}

/// The error for an agent that does not exist.
fn not_found(name: &str) -> AppError {
    AppError::NotFound { what: "agent", id: crate::app::cut(name, 80) }
}
