//! Builds: asked for, cancelled, built again.

use sqlx::types::Json;
use uuid::Uuid;

use crate::app::{App, AppError, Result, Write, Written, run};
use crate::domain::run::{BuildRequest, RunRequest};
use crate::ids::{BuildId, RunId};
use crate::store::build::Build;
use crate::store::run::{NewRun, Terms};
use crate::{entropy, store};

/// The longest idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// A build that was asked for.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The build.
    pub build: Build,
    /// Whether it had been asked for before, under the same idempotency key.
    pub replayed: bool,
}

/// Plans a build at a runner; returns it once it and its first run are durable. The runner is asked in the background.
///
/// A request that is repeated under one `idempotency_key` (draft-ietf-httpapi-idempotency-key-header) is one build:
/// without a key, a caller that repeats a request whose answer it lost gets a second one.
///
/// # Errors
/// [`AppError::Invalid`] if there is no such runner, a field is too long, or the key was used for something else;
/// otherwise as [`crate::app::Writer::write`].
pub async fn schedule(
    app: &App,
    runner: &str,
    request: BuildRequest,
    idempotency_key: Option<&str>,
) -> Result<Scheduled> {
    if app.runners.known(runner)?.pulls() {
        return Err(AppError::Invalid(format!("the runner `{runner}` runs jobs and tests, and builds nothing")));
    }
    if idempotency_key.is_some_and(|key| key.is_empty() || key.len() > MAX_KEY_BYTES) {
        return Err(AppError::Invalid(format!("the idempotency key must have 1 to {MAX_KEY_BYTES} bytes")));
    }
    run::check_lengths([
        ("tree", &request.tree),
        ("branch", &request.branch),
        ("toolchain", &request.toolchain),
        ("architecture", &request.architecture),
    ])?;
    run::check_lengths(request.kconfig.iter().map(|kconfig| ("kconfig", kconfig)))?;
    run::check_lengths(request.fragments.iter().map(|fragment| ("fragments", fragment)))?;
    run::check_count("fragments", request.fragments.len())?;
    let now = app.now();
    let build = Build {
        id: BuildId::new(now),
        runner: runner.to_owned(),
        tree: request.tree.clone(),
        branch: request.branch.clone(),
        toolchain: request.toolchain.clone(),
        architecture: request.architecture.clone(),
        kconfig: request.kconfig.clone(),
        fragments: Json(request.fragments.clone()),
        created_at: now,
        idempotency_key: idempotency_key.map(str::to_owned),
    };
    let id = RunId::new(now);
    let run = NewRun {
        id,
        build_id: Some(build.id),
        build_ref: None,
        runner: runner.to_owned(),
        attempt: 1,
        previous_id: None,
        request: RunRequest::Build(request),
        client_token: client_token(id),
        capability: entropy::secret("cap"),
        now,
        tests: Vec::new(),
        terms: Terms::default(),
    };
    let written = app.writer.write(Write::Build(Box::new((build.clone(), run)))).await?;
    app.bells.dispatch.ring();
    let Written::Build(standing) = written else { return Ok(Scheduled { build, replayed: false }) };
    if standing == build.id {
        return Ok(Scheduled { build, replayed: false });
    }
    let mut db = app.read().await?;
    let earlier = store::build::by_id(&mut db.conn(), standing).await?;
    let earlier = earlier.ok_or_else(|| AppError::NotFound { what: "build", id: standing.to_string() })?;
    if !earlier.asks_the_same(&build) {
        let words = "this idempotency key was used for another build: use a new key for a new request";
        return Err(AppError::Invalid(words.to_owned()));
    }
    Ok(Scheduled { build: earlier, replayed: true })
}

/// The token that a runner knows a run's submission by: the run's own UUID, so that it is stable by construction.
#[must_use]
pub fn client_token(run: RunId) -> Uuid {
    run.0
}

/// The live run of a build.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such build.
pub async fn live_run(app: &App, id: BuildId) -> Result<RunId> {
    let mut db = app.read().await?;
    let run = store::run::live_of_builds(&mut db.conn(), &[id]).await?.pop();
    run.map(|run| run.id).ok_or_else(|| AppError::NotFound { what: "build", id: id.to_string() })
}
