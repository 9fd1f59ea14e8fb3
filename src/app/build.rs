//! Builds: asked for, cancelled, built again.

use sqlx::types::Json;
use uuid::Uuid;

use crate::app::{App, AppError, Result, Write, run};
use crate::domain::run::{BuildRequest, RunRequest};
use crate::ids::{BuildId, RunId};
use crate::store::build::Build;
use crate::store::run::NewRun;
use crate::{entropy, store};

/// Plans a build at a runner; returns it and its first run once both are durable. The runner is asked in the background.
///
/// # Errors
/// [`AppError::Invalid`] if there is no such runner or a field is too long; otherwise as [`crate::app::Writer::write`].
pub async fn schedule(app: &App, runner: &str, request: BuildRequest) -> Result<(Build, RunId)> {
    app.runners.known(runner)?;
    run::check_lengths([
        ("tree", &request.tree),
        ("branch", &request.branch),
        ("toolchain", &request.toolchain),
        ("architecture", &request.architecture),
    ])?;
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
    };
    app.writer.write(Write::Build(Box::new((build.clone(), run)))).await?;
    app.bells.dispatch.ring();
    Ok((build, id))
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
